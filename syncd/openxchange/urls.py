"""Server addresses as account rows store them (`imap[s]://host:port`): taken apart, put together, shown to people."""

from __future__ import annotations

import re
from encodings import idna
from typing import NamedTuple

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(\[[^\]]*\]|[^:/?#\s\[\]]*)(?::(\d+))?/?")


class Server(NamedTuple):
    """The parts of a stored URL."""

    protocol: str
    """In lower case and without the `s` that `secure` stands for: imap or smtp."""
    secure: bool
    host: str
    """In ASCII; an IPv6 address in brackets."""
    port: int | None

    def __str__(self) -> str:
        """Give the URL as OX builds it (ox-facts 2.6)."""
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol}{'s' if self.secure else ''}://{self.host}{port}"


def parse(url: str) -> Server | None:
    """Take a stored URL apart; None where nothing can be made of it."""
    match = _URL.fullmatch(url)
    if match is None or not match[2]:
        return None
    scheme = match[1].lower()
    secure = scheme in {"imaps", "smtps", "pop3s"}
    return Server(scheme[:-1] if secure else scheme, secure, match[2], int(match[3]) if match[3] else None)


def moved(url: str, host: str | None, port: int | None, protocol: str | None, secure: bool | None) -> str:
    """Give a URL with other parts; those that are None stay.

    Raises:
        ValueError: nothing can be made of the URL, or the protocol is another one, which OX refuses (ACC-0026).
    """
    stored = parse(url)
    if stored is None:
        raise ValueError(f"nothing can be made of the stored server {url!r}: delete the account and create it anew")
    if protocol not in {None, stored.protocol}:
        raise ValueError(f"the protocol cannot change from {stored.protocol} to {protocol}")
    return str(
        stored._replace(
            secure=stored.secure if secure is None else secure,
            host=stored.host if host is None else host,
            port=stored.port if port is None else port,
        )
    )


def stored(url: str) -> str:
    """Give the URL that is stored, of one as Open-Xchange shows it: a host in letters in DNS's ASCII form."""
    server = parse(url)
    if server is None or server.host.isascii():
        return url
    try:
        return url.replace(server.host, server.host.encode("idna").decode("ascii"), 1)
    except UnicodeError:
        return url


def shown(url: str) -> str:
    """Give a stored URL as the list tool shows it: a host of DNS's ASCII form in letters, all else as it is stored."""
    server = parse(url)
    if server is None or "xn--" not in server.host.lower():
        return url
    try:
        labels = [idna.ToUnicode(label) if label else "" for label in server.host.split(".")]
    except UnicodeError:
        return url
    return url.replace(server.host, ".".join(labels), 1)
