"""Take JDBC URLs of MySQL and MariaDB apart, as far as they say which server to write to.

The forms are those of the Connector/J and MariaDB Connector/J manuals. Of several servers the one that takes writes is
given: the one marked `source` or `master`, else the first (with replication and failover the first is the source; with
load balancing all are equal). Schema and parameters are passed over: Open-Xchange keeps both elsewhere (ox-facts 1.6).

| form                                                          | server              |
|---------------------------------------------------------------|---------------------|
| `jdbc:mysql://host`, `…//host:port/?params`, `…//[::1]:3306`  | host, port or 3306  |
| `jdbc:mysql://one:1,two:2/db`                                 | the first           |
| `jdbc:mysql:replication://one,two`, `…:loadbalance://one,two` | the first           |
| `jdbc:mysql://address=(host=one)(port=1)(type=source),…`      | by type             |
| `jdbc:mysql://(host=one,port=1,type=source),…`                | by type             |
"""

from __future__ import annotations

import re
from typing import NamedTuple

PORT = 3306
_URL = re.compile(
    r"jdbc:(?:mysql|mariadb)(?::[a-z]+)?://(?P<servers>(?:\([^)]*\)|[^/?#(])*)(?:[/?#].*)?", re.IGNORECASE
)
_ADDRESS = re.compile(r"address=(?P<pairs>(?:\([^()]*\))+)|\((?P<list>[^()]*)\)", re.IGNORECASE)
_PLAIN = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<host>[^\[\]():,=@\s]*))(?::(?P<port>\d{1,5}))?", re.IGNORECASE)
_WRITERS = frozenset({"source", "master", "primary"})


class Server(NamedTuple):
    """Where a database server listens."""

    host: str
    port: int


def server_of(url: str) -> Server:
    """Give the server to write to.

    Raises:
        ValueError: with a text for people, without any password of the URL.
    """
    match = _URL.fullmatch(url.strip())
    if match is None:
        raise ValueError("not a JDBC URL of a MySQL or MariaDB server (jdbc:mysql://host:port)")
    found = [_server(part) for part in _parts(match["servers"])]
    return next((server for server, kind in found if kind in _WRITERS), found[0][0])


def _parts(servers: str) -> list[str]:
    """Cut at the commas outside of parentheses."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", servers)]


def _server(text: str) -> tuple[Server, str]:
    """Give one server and its type, "" where it has none."""
    text = text.rpartition("@")[2]  # user and password come from the pool
    match = _ADDRESS.fullmatch(text)
    if match is None:
        plain = _PLAIN.fullmatch(text)
        if plain is None:
            raise ValueError("a server in its JDBC URL is neither host:port nor address=(host=…)(port=…)")
        return _checked(plain["six"] or plain["host"] or "localhost", plain["port"]), ""
    pairs = re.findall(r"\(([^()]*)\)", match["pairs"]) if match["pairs"] else match["list"].split(",")
    values = {name.strip().lower(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)}
    return _checked(values.get("host", "localhost"), values.get("port")), values.get("type", "").lower()


def _checked(host: str, port: str | None) -> Server:
    number = int(port) if port and port.isdecimal() else PORT
    if (port and not port.isdecimal()) or not 0 < number < 1 << 16:
        raise ValueError(f"the port {port} in its JDBC URL is none")
    return Server(host.strip("[]").lower(), number)
