"""Server addresses as the vendor's middleware writes, checks and reads them; junk included (ox-behaviour 2.5, 18.7)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from encodings import idna

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?|\d{{1,3}}(?:\.\d{{1,3}}){{3}}")
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?//(?P<host>\[[^\]]*\]|[^:/?#\s]*)(?::(?P<port>-?\d*))?(?:[/?#].*)?"
)
_DEFAULTS = {"imap": 143, "smtp": 25}


class BadHostError(Exception):
    """A host name that no URL can be made with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """The parts of a URL, as the service's data objects have them; None = not given."""

    host: str | None
    port: int | None
    protocol: str | None
    secure: bool | None

    @property
    def scheme(self) -> str | None:
        """Protocol and security in one; without a protocol, secure becomes `nulls`."""
        return f"{self.protocol or 'null'}s" if self.secure else self.protocol

    def text(self) -> str:
        """Give the URL without checking it; a port of -1 is left out, a missing one is 0."""
        host = _ascii(self.host or "")
        if ":" in host and not host.startswith("[") and _is_ipv6(host):
            host = f"[{host}]"
        scheme = "" if self.scheme is None else f"{self.scheme}:"
        port = "" if self.port == -1 else f":{self.port or 0}"
        return f"{scheme}//{host}{port}"

    def url(self) -> str:
        """Give the URL.

        Raises:
            BadHostError: the host has characters that none can have, or the port is negative.
        """
        text = self.text()
        authority = re.split("[/?#]", text.partition("//")[2], maxsplit=1)[0]
        host, port = authority, ""
        if not authority.startswith("[") or not authority.endswith("]"):
            host, _, port = authority.rpartition(":") if ":" in authority else (authority, "", "")
        good = (host.startswith("[") and _is_ipv6(host[1:-1])) or _HOST.fullmatch(host)
        if not good or not re.fullmatch(r"\d*", port):
            raise BadHostError(text)
        return text


def parse(url: str, protocol: str = "imap") -> tuple[Server, str]:
    """Read a stored URL as the middleware does when it loads an account.

    Returns:
        The server, and the URL that should be in the table: the given one unless it is unusable, then one of
        `protocol` and its usual port, with the host where it is a bare name and with localhost else. A port that
        cannot be is shown as the usual one, and the table stays.
    """
    match = _URL.fullmatch(url)
    if url and match is None:
        host = url if _HOST.fullmatch(url) else "localhost"
        server = Server(host=_unicode(host), port=_DEFAULTS[protocol], protocol=protocol, secure=False)
        return server, server.text()
    if match is None or match["scheme"] is None:
        return Server(host=None, port=_DEFAULTS[protocol], protocol=protocol, secure=False), url
    scheme = match["scheme"]
    secure = scheme.lower().endswith("s")
    name = scheme[:-1] if secure else scheme
    port = int(match["port"] or -1)
    if not 0 <= port <= 65535:
        port = _DEFAULTS.get(name.lower(), -1)
    host = match["host"].strip("[]")
    return Server(host=_unicode(host), port=port, protocol=name, secure=secure), url


def same_host(one: str | None, other: str | None) -> bool:
    """Say whether two host names are equal as names (the middleware looks at their IP addresses, too; we do not)."""
    return one is not None and other is not None and _plain(one) == _plain(other)


def _plain(host: str) -> str:
    return _ascii(host.strip("[]")).lower()


def _ascii(host: str) -> str:
    """Write names beyond ASCII as DNS has them, and leave all others alone, their case as well."""
    if host.isascii():
        return host
    try:
        return ".".join(idna.ToASCII(label).decode() if label else "" for label in host.split("."))
    except UnicodeError:
        return host


def _unicode(host: str) -> str:
    try:
        return ".".join(idna.ToUnicode(label) if label.startswith("xn--") else label for label in host.split("."))
    except UnicodeError:
        return host


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
