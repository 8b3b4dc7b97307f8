"""Log in by SMTP, once, as Open-Xchange does: SASL PLAIN where it is offered, else LOGIN.

| before the login                                       | outcome                                                  |
|--------------------------------------------------------|----------------------------------------------------------|
| STARTTLS is configured, and not offered                | unusable; nothing is shown to the server                 |
| no TLS is configured, no password taken but STARTTLS   | unusable likewise                                        |
| no AUTH (RFC 4954) otherwise                           | no login: whom the server lets send mail, it knows alone |
| AUTH without PLAIN and LOGIN otherwise                 | unusable: the server takes no passwords                  |
"""

from __future__ import annotations

import contextlib
import smtplib
import socket

from syncd.core.logins import Credentials, Server
from syncd.mailservers.connection import Options, connected, tls_of
from syncd.mailservers.words import (
    ENDED,
    TROUBLE,
    NoLogin,
    Rejected,
    Unusable,
    answer,
    encoded,
    plain,
    printable,
    require_one_line,
)

_MEANING = {
    432: "the password must be changed",
    454: "the server cannot verify passwords now",
    534: "the server wants another kind of login",
    535: "wrong login or password",
}
"""Reply codes of RFC 4954, section 6."""
_TLS_FIRST = frozenset((530, 538))
_WITHOUT_TLS = "the server offers no login without TLS"
_HINT = "write starttls: true in account.transport"


def log_in(server: Server, credentials: Credentials, options: Options) -> str:
    """Log in and out; give how the connection was protected.

    Raises:
        Unusable: nobody can log in there; NoLogin, of these, that nobody has to.
        Rejected: the login is not taken.
    """
    require_one_line(credentials)
    with connected(server, options) as plug:
        smtp = _Smtp(server, plug, options.receive_timeout)
        with contextlib.closing(smtp):
            smtp.ehlo_or_helo_if_needed()
            if server.tls == "starttls":
                _begin_tls(smtp, options)
            mechanism = _mechanism(smtp, server)
            try:
                code, words = _show(smtp, mechanism, credentials)
            except TROUBLE as error:
                raise _lost(error, options) from None
            if code != 235:
                raise _rejected(f"{code} {words.decode('utf-8', 'replace')}", code, server, credentials)
            protected = tls_of(smtp.sock)
            with contextlib.suppress(*TROUBLE):
                smtp.docmd("QUIT")
            return protected


class _Smtp(smtplib.SMTP):
    """SMTP over a connection that is open already."""

    def __init__(self, server: Server, plug: socket.socket, timeout: float) -> None:
        self._plug = plug
        # smtplib would ask the name server who we are; an address is as good, and nobody has to know it
        super().__init__(server.host.removesuffix("."), server.port, local_hostname="[127.0.0.1]", timeout=timeout)

    def _get_socket(self, _host: str, _port: int, _timeout: float) -> socket.socket:
        return self._plug


def _begin_tls(smtp: _Smtp, options: Options) -> None:
    if not smtp.has_extn("starttls"):
        raise Unusable(
            "the server does not offer STARTTLS", hint="write secure: true and its port, or ask for it there"
        )
    smtp.starttls(context=options.context)
    smtp.ehlo_or_helo_if_needed()


def _mechanism(smtp: _Smtp, server: Server) -> str:
    """Give the mechanism to use.

    Raises:
        Unusable: there is none.
    """
    ways = smtp.esmtp_features.get("auth", "").upper().split()
    for one in ("PLAIN", "LOGIN"):
        if one in ways:
            return one
    if server.tls == "none" and smtp.has_extn("starttls"):
        raise Unusable(_WITHOUT_TLS, hint=_HINT)
    if ways:
        raise Unusable(f"the server takes no passwords, it offers {printable(', '.join(ways))}")
    raise NoLogin("the server asks for no login here; whom it lets send mail is not known")


def _show(smtp: _Smtp, mechanism: str, credentials: Credentials) -> tuple[int, bytes]:
    """Show the login once: smtplib's own login() tries all mechanisms, and servers count each failure."""
    if mechanism == "PLAIN":
        return smtp.docmd("AUTH", f"PLAIN {encoded(plain(credentials))}")
    code, words = smtp.docmd("AUTH", "LOGIN")
    for one in (credentials.login, credentials.password.reveal()):
        if code != 334:
            break
        code, words = smtp.docmd(encoded(one.encode()))
    return code, words


def _lost(error: BaseException, options: Options) -> Rejected:
    """Translate a connection that ended while the login was shown."""
    if isinstance(error.__context__ or error, TimeoutError):
        return Rejected(f"no answer to the login within {options.receive_timeout:g} s")
    return Rejected(f"{ENDED} at the login")


def _rejected(text: str, code: int, server: Server, credentials: Credentials) -> Unusable | Rejected:
    """Translate the answer to a login."""
    if code in _TLS_FIRST and server.tls == "none":
        return Unusable(_WITHOUT_TLS, hint=_HINT)
    return Rejected(f"{_MEANING.get(code, 'login refused')}{answer(text, credentials)}")
