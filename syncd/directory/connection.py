"""Open, secure and bind a connection to an LDAP server, and say in words why that failed.

TLS is verified by Python's own `ssl` (chain, host name or address). Both timeouts are always set. StartTLS comes before
the bind, so that no password crosses the wire in the clear.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from ldap3 import NONE, Server
from ldap3.core.exceptions import LDAPException

from syncd.core.model import Rule, Secret
from syncd.directory.binding import perform, prepare, refused, whoami
from syncd.directory.search import MALFORMED, LiveSearcher, Lost
from syncd.directory.strategy import PinnedTls, StreamConnection

_PORTS = {"ldap": 389, "ldaps": 636, "ldapi": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where the directory is and how it is asked."""

    urls: tuple[str, ...]
    """Tried in order: `ldap://`, `ldaps://`, `ldapi://`, or `ldif:///path` for an export."""
    base: str
    bind_dn: str | None = None
    """None = anonymous."""
    password: Secret | None = None
    ca: str | None = None
    """A file (or folder) of certificates that alone are trusted; None = the system's."""
    verify: bool = True
    starttls: bool = False
    connect_timeout: float = 5
    """Seconds, TLS handshake included."""
    receive_timeout: float = 30
    """Seconds without a single octet from the server."""
    page_size: int = 1000
    name: str = ""
    """Name of the directory, for messages; empty where there is one."""
    kind: Literal["auto", "ad", "openldap", "389ds", "generic"] = "auto"
    """auto = told from the root DSE."""
    rules: tuple[Rule, ...] = ()
    """How its members become users; empty = by kind: sAMAccountName (ad) or uid is the login."""
    disabled: Literal["remove", "keep"] = "remove"
    """Whether a disabled entry takes the mailbox away."""
    expired: Literal["remove", "keep"] = "keep"
    """Whether an expired entry does."""
    dangling: Literal["keep", "remove"] = "keep"
    """Whether a member value without an entry keeps the account that came from it."""
    must_see: str | None = None
    """DN of a group that must be readable and have members; else nothing read here is complete."""
    nesting: Literal["client", "server"] = "client"
    """server = Active Directory resolves groups in groups (rule 1.2.840.113556.1.4.1941)."""
    method: Literal["simple", "external", "gssapi"] = "simple"
    """How to bind: SASL EXTERNAL by client certificate (or the socket's user), GSSAPI by a Kerberos ticket."""
    certificate: str | None = None
    """Client certificate (PEM)."""
    certificate_key: str | None = None
    """Its key (PEM)."""
    host: str | None = None
    """Of GSSAPI: the name in the server's principal; None = that of the URL."""

    def setting(self, key: str) -> str:
        """Give the place of one of its keys in the configuration, for messages."""
        return f"directories.{self.name}.{key}" if self.name else f"directory.{key}"


class Address(NamedTuple):
    """A URL of the directory, taken apart."""

    scheme: str
    host: str
    port: int


def parse_url(url: str) -> Address:
    """Take a URL apart.

    Raises:
        Lost: the URL is none that can be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Lost(f"{url}: {error}") from None
    if parts.scheme == "ldif":
        return Address("ldif", unquote(parts.path), 0)
    if parts.scheme == "ldapi":
        return Address("ldapi", unquote(parts.netloc), 0)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Lost(
            f"{url}: not a URL of a directory", hint="ldap://host, ldaps://host, ldapi://%2Fpath or ldif:///path"
        )
    return Address(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])


def connect(url: str, options: Options) -> LiveSearcher:
    """Open a connection, secure it, bind, and give a searcher on it.

    Raises:
        Lost: the server cannot be reached, its certificate is not trusted, or it went away.
        Refused: the server refused StartTLS or the bind.
    """
    address = parse_url(url)
    bind = prepare(url, address, options)
    server = _server(address, _context(url, options))
    connection = StreamConnection(
        server,
        bind.user,
        bind.password,
        options.connect_timeout,
        options.receive_timeout,
        mechanism=bind.mechanism,
        credentials=bind.credentials,
    )
    operations = bind.steps
    try:
        connection.open(read_server_info=False)
        if options.starttls and address.scheme == "ldap":
            operations += 1
            connection.start_tls(read_server_info=False)
        perform(url, connection, options)
    except (LDAPException, OSError, Lost, *MALFORMED) as error:
        cause = connection.strategy.failure or error
        with contextlib.suppress(LDAPException, OSError):
            connection.strategy.close()
        raise cause if isinstance(cause, Lost) else _unreachable(url, address, options, cause) from None
    finally:
        connection.password = None
        connection.request = None
    if not connection.bound:
        result = connection.result or {}
        with contextlib.suppress(LDAPException, OSError):
            connection.unbind()
        raise refused(url, bind, result, options)
    connection.identity = bind.identity
    if bind.mechanism == "EXTERNAL":  # only the server knows whom it takes us for
        operations += 1
        connection.identity = f"{bind.identity}, {whoami(connection) or 'unnamed'}"
    return LiveSearcher(connection, url, options.page_size, operations)


def tls_version(searcher: LiveSearcher) -> str | None:
    """Give the TLS version of a searcher's connection, as in `TLSv1.3`; None where it is in the clear."""
    plug = searcher.connection.socket
    return plug.version() if isinstance(plug, ssl.SSLSocket) else None


def _server(address: Address, context: ssl.SSLContext) -> Server:
    tls = PinnedTls(context)
    if address.scheme == "ldapi":
        return Server(f"ldapi://{address.host}", get_info=NONE)
    return Server(address.host, port=address.port, use_ssl=address.scheme == "ldaps", tls=tls, get_info=NONE)


def _context(url: str, options: Options) -> ssl.SSLContext:
    try:
        if options.ca is None:
            context = ssl.create_default_context()
        elif Path(options.ca).is_dir():
            context = ssl.create_default_context(capath=options.ca)
        else:
            context = ssl.create_default_context(cafile=options.ca)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "no certificate in it"
        raise Lost(
            f"{url}: cannot read the CA {options.ca}: {reason}", hint=f"check {options.setting('tls.ca')}"
        ) from None
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if options.certificate is not None:
        _show_certificate(url, context, options.certificate, options)
    return context


def _show_certificate(url: str, context: ssl.SSLContext, certificate: str, options: Options) -> None:
    """Let the server see who we are, where it asks for a certificate."""
    key = options.certificate_key
    try:
        context.load_cert_chain(certificate, key, password="")  # or OpenSSL would ask the terminal for one
    except (OSError, ssl.SSLError) as error:
        names = certificate if key is None else f"{certificate} with the key {key}"
        reason = "the key is encrypted, damaged, or that of another certificate"
        if not isinstance(error, ssl.SSLError):
            reason = error.strerror or str(error)
        raise Lost(
            f"{url}: cannot use the client certificate {names}: {reason}",
            hint=f"check {options.setting('tls.cert')} and {options.setting('tls.key')}",
        ) from None


def _unreachable(  # noqa: PLR0911 - one return a cause
    url: str, address: Address, options: Options, error: Exception
) -> Lost:
    """Say what is wrong in the words of the one who has to repair it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = getattr(error, "verify_message", "") or str(error)
        if "mismatch" in text.lower() or "not valid for" in text:
            return Lost(
                f"{url}: TLS: the certificate is not for {address.host}: {text}",
                hint=f"use the name in the certificate in {options.setting('urls')}",
            )
        where = options.ca or "the system's CA certificates"
        return Lost(
            f"{url}: TLS: the certificate is not trusted: {text}", hint=f"{options.setting('tls.ca')} is {where}"
        )
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or error  # ldap3 makes errors of this class without OpenSSL's words
        return Lost(f"{url}: TLS: {reason}", hint="is this the port for this kind of URL?")
    if isinstance(error, socket.gaierror):
        return _unknown(url, address, options)
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        limit = options.connect_timeout
        return Lost(f"{url}: no answer (connect timeout {limit:g} s)", hint="is the server up, the port right?")
    if isinstance(error, ConnectionRefusedError):
        return Lost(f"{url}: connection refused", hint="is the server up, the port right?")
    if isinstance(error, OSError) and error.errno:
        return Lost(f"{url}: {os.strerror(error.errno)}", hint="is the server up, the port right?")
    if "invalid server address" in str(error):
        return _unknown(url, address, options)
    if isinstance(error, MALFORMED):
        return Lost(f"{url}: the answer is no LDAP", hint="is this the port of a directory?")
    return Lost(f"{url}: {error}")


def _unknown(url: str, address: Address, options: Options) -> Lost:
    hint = f"check {options.setting('urls')} and the name server"
    return Lost(f"{url}: the host name {address.host} is unknown", hint=hint)
