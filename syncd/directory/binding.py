"""How to prove who we are to a server, and what a refusal means.

| method   | what is sent                                                           | identity                   |
|----------|------------------------------------------------------------------------|----------------------------|
| simple   | DN and password, or nothing at all                                     | the DN, or `anonymous`     |
| external | nothing: TLS knows the certificate, a socket the user (RFC 4422 app. A) | what the server says      |
| gssapi   | a Kerberos ticket of the environment (RFC 4752); needs package gssapi  | the principal, if named    |
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ldap3.core.exceptions import LDAPException

from syncd.directory.search import Lost, Refused, refusal

if TYPE_CHECKING:
    from syncd.directory.connection import Address, Options
    from syncd.directory.strategy import StreamConnection

_INVALID_CREDENTIALS = 49
_STRONGER_AUTH_REQUIRED = 8
_DATA = re.compile(r"\bdata ([0-9a-f]+)\b")
_CAUSES = {  # Windows error codes that AD writes behind invalidCredentials, in hexadecimal (MS-ERREF 2.2)
    "525": ("there is no such user", "check {bind}.dn"),
    "52e": ("the user name or the password is wrong", "check {bind}: the DN and the password"),
    "530": ("this user may not log on at this time", "change the account's logon hours"),
    "531": ("this user may not log on from this machine", "change the account's list of workstations"),
    "532": ("the password has expired", "set a new one, and let it not expire"),
    "533": ("the account is disabled", "enable the account"),
    "701": ("the account has expired", "change the account's date of expiry"),
    "773": ("the password must be changed before the first use", "set the password once more without that demand"),
    "775": ("the account is locked out after too many wrong passwords", "unlock the account"),
    "80090346": ("the server demands channel binding", "lower LdapEnforceChannelBinding on the server"),
}


class Bind(NamedTuple):
    """What a connection needs to bind; made anew for each, and never kept."""

    user: str | None
    """DN; of GSSAPI: the principal, None = the ticket's."""
    password: str | None
    mechanism: str | None
    """SASL mechanism; None = a simple bind."""
    credentials: object
    """Of the mechanism, as ldap3 wants them."""
    identity: str
    """Who this is, for people."""
    steps: int
    """How many requests it takes."""

    def __repr__(self) -> str:
        """Show no password."""
        return f"Bind({self.identity})"


def prepare(url: str, address: Address, options: Options) -> Bind:
    """Get ready to bind.

    Raises:
        Lost: something is missing: a password, a certificate, a package.
    """
    if options.method == "external":
        return _external(url, address, options)
    if options.method == "gssapi":
        return _gssapi(url, address, options)
    if options.bind_dn is None:
        return Bind(None, None, None, None, "anonymous", 1)
    secret = options.password.reveal() if options.password is not None else ""
    if not secret:
        # RFC 4513 section 5.1.2: a name with an empty password is an anonymous bind that looks like a success
        raise Lost(
            f"{url}: bind as {options.bind_dn}: the password is empty, which would be an anonymous bind",
            hint=f"set {options.setting('bind.password')}, or leave {options.setting('bind')} out",
        )
    return Bind(options.bind_dn, secret, None, None, options.bind_dn, 1)


def whoami(connection: StreamConnection) -> str:
    """Ask the server whom it takes us for (RFC 4532): `dn:…` or `u:…`; empty where it does not say."""
    with contextlib.suppress(LDAPException):
        return str(connection.extend.standard.who_am_i() or "")
    return ""


def refused(url: str, bind: Bind, result: Mapping[str, Any], options: Options) -> Refused:
    """Make the exception for a bind that the server refused, in the words of the one who has to repair it."""
    code, message = int(result.get("result") or 0), str(result.get("message") or "").strip("\0 ")
    who = "anonymous bind" if bind.user is None and bind.mechanism is None else f"bind as {bind.identity}"
    place = options.setting("bind")
    if code == _INVALID_CREDENTIALS and (data := _DATA.search(message)) and data[1] in _CAUSES:
        words, hint = _CAUSES[data[1]]
        plain = refusal(url, who, code, f"{words}, data {data[1]}")
        return Refused(code, plain.message, hint=hint.format(bind=place))
    plain = refusal(url, who, code, message)
    return Refused(code, plain.message, hint=_what_to_do(code, bind, place) or plain.hint)


def _what_to_do(code: int, bind: Bind, place: str) -> str:
    """Say what a refusal calls for; empty where the code alone says it.

    Args:
        code: of LDAP.
        bind: what was refused.
        place: where it stands in the configuration.
    """
    if code == _STRONGER_AUTH_REQUIRED:
        hint = "the server demands signing: use ldaps:// or starttls: true"
        if bind.mechanism == "GSSAPI":
            samba = "Samba: ldap server require strong auth = allow_sasl_over_tls"
            hint += f"; over TLS the server must take Kerberos without signing ({samba})"
        return hint
    if bind.mechanism == "EXTERNAL":
        return "the server must ask for a certificate and map it to an entry (OpenLDAP: olcAuthzRegexp)"
    if bind.mechanism:
        return f"check the ticket (klist) and {place}.host"
    return f"check {place}: the DN and the password" if code == _INVALID_CREDENTIALS else ""


def perform(url: str, connection: StreamConnection, options: Options) -> None:
    """Bind; whether it succeeded is in `connection.bound`.

    Raises:
        Lost: there is no Kerberos ticket for this server.
        LDAPException, OSError: the connection was lost, or the server spoke nonsense.
    """
    try:
        connection.bind(read_server_info=False)
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "gssapi":  # which need not be installed
            raise
        raise Lost(
            f"{url}: bind by Kerberos: {error}",
            hint=f"is there a ticket (klist)? {options.setting('bind.host')} is the host in the server's principal",
        ) from None


def _external(url: str, address: Address, options: Options) -> Bind:
    if address.scheme == "ldapi":
        return Bind(None, None, "EXTERNAL", b"", "EXTERNAL by the user of the socket", 1)
    if address.scheme == "ldap" and not options.starttls:
        raise Lost(f"{url}: bind by certificate: needs TLS", hint="use ldaps:// or starttls: true")
    if options.certificate is None:
        keys = f"{options.setting('tls.cert')} and {options.setting('tls.key')}"
        raise Lost(f"{url}: bind by certificate: none is configured", hint=f"set {keys}")
    return Bind(None, None, "EXTERNAL", b"", f"EXTERNAL by the certificate {options.certificate}", 1)


def _gssapi(url: str, address: Address, options: Options) -> Bind:
    if importlib.util.find_spec("gssapi") is None:
        raise Lost(
            f"{url}: bind by Kerberos: the Python package gssapi is missing", hint="pip install 'syncd[kerberos]'"
        )
    host = options.host or address.host
    who = f"GSSAPI {options.bind_dn or 'by the ticket of the environment'} for ldap@{host}"
    return Bind(options.bind_dn, None, "GSSAPI", (host,), who, 3)
