"""Log in by IMAP, once, as Open-Xchange does: SASL PLAIN where it is offered, else the command LOGIN.

| before the login                                   | outcome                                             |
|----------------------------------------------------|-----------------------------------------------------|
| STARTTLS is configured, and not offered            | unusable; nothing is shown to the server            |
| no TLS is configured, LOGINDISABLED (RFC 3501)     | unusable likewise                                   |
| LOGINDISABLED and no AUTH=PLAIN, whatever the TLS  | unusable: the server takes no passwords             |
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket

from syncd.core.logins import Credentials, Server
from syncd.mailservers.connection import Options, connected, tls_of
from syncd.mailservers.words import ENDED, TROUBLE, Rejected, Unusable, answer, plain, printable, require_one_line, said

_MEANING = {
    "AUTHENTICATIONFAILED": "wrong login or password",
    "AUTHORIZATIONFAILED": "this login is not allowed here",
    "EXPIRED": "the password has expired",
    "UNAVAILABLE": "the server cannot verify passwords now",
}
"""Response codes of RFC 5530."""


def log_in(server: Server, credentials: Credentials, options: Options) -> str:
    """Log in and out; give how the connection was protected.

    Raises:
        Unusable: nobody can log in there.
        Rejected: the login is not taken.
    """
    require_one_line(credentials)
    with connected(server, options) as plug:
        imap = _Imap(server, plug)
        with contextlib.closing(imap):
            if server.tls == "starttls":
                _begin_tls(imap, options)
            _require_passwords(imap, server)
            try:
                _show(imap, credentials)
            except TROUBLE as error:
                last = imap.untagged_responses.get("BYE")
                raise _rejected(imap.error(last[-1]) if last else error, server, credentials, options) from None
            protected = tls_of(imap.sock)
            with contextlib.suppress(*TROUBLE):
                imap.logout()
            return protected


class _Imap(imaplib.IMAP4):
    """IMAP over a connection that is open already."""

    def __init__(self, server: Server, plug: socket.socket) -> None:
        self._plug = plug
        super().__init__(server.host.removesuffix("."), server.port)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 - it is set already
        return self._plug

    def close(self) -> None:  # type: ignore[override] # the command CLOSE is of no use here
        """End the connection; one that ended already is no fault."""
        with contextlib.suppress(OSError):
            self.shutdown()


def _begin_tls(imap: _Imap, options: Options) -> None:
    if "STARTTLS" not in imap.capabilities:
        raise Unusable(
            "the server does not offer STARTTLS", hint="write secure: true and its port, or ask for it there"
        )
    imap.starttls(options.context)


def _require_passwords(imap: _Imap, server: Server) -> None:
    if "LOGINDISABLED" not in imap.capabilities or "AUTH=PLAIN" in imap.capabilities:
        return
    if server.tls == "none":
        raise Unusable("the server offers no login without TLS", hint=_tls_hint(imap))
    ways = ", ".join(one.removeprefix("AUTH=") for one in imap.capabilities if one.startswith("AUTH="))
    raise Unusable(f"the server takes no passwords, it offers {printable(ways) or 'nothing else'}")


def _tls_hint(imap: _Imap) -> str:
    offered = "STARTTLS" in imap.capabilities
    return "write starttls: true in account.mail" if offered else "write secure: true and its port in account.mail"


def _show(imap: _Imap, credentials: Credentials) -> None:
    if "AUTH=PLAIN" in imap.capabilities:
        imap.authenticate("PLAIN", lambda _: plain(credentials))
        return
    # imaplib's own login() takes ASCII only, and quotes the password alone.
    login, password = _quoted(credentials.login), _quoted(credentials.password.reveal())
    kind, words = imap.xatom("LOGIN", login, password)  # type: ignore[arg-type] # octets go out as they are
    if kind != "OK":
        raise imap.error(words[-1])


def _quoted(text: str) -> bytes:
    return ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"').encode()


def _rejected(error: BaseException, server: Server, credentials: Credentials, options: Options) -> Unusable | Rejected:
    """Translate what came of showing the login."""
    if isinstance(error, TimeoutError):
        return Rejected(f"no answer to the login within {options.receive_timeout:g} s")
    text = said(error)
    if not isinstance(error, imaplib.IMAP4.error) or "socket error" in text:
        return Rejected(f"{ENDED} at the login")
    found = re.match(r"\[([A-Z-]+)", text)
    code = found[1] if found else ""
    if code == "PRIVACYREQUIRED" and server.tls == "none":
        return Unusable("the server offers no login without TLS", hint="write starttls: true in account.mail")
    return Rejected(f"{_MEANING.get(code, 'login refused')}{answer(text, credentials)}")
