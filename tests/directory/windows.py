"""A small Active Directory without a server: entries of its kinds, ranges of values, everything by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from syncd.core.model import Source
from syncd.core.reads import SourceRead
from syncd.directory.connection import Options
from syncd.directory.expand import expand
from syncd.directory.foreign import Expansion
from syncd.directory.kinds import Server
from syncd.directory.ldif import LdifSearcher
from syncd.directory.search import Query
from syncd.directory.strategy import Entry

DOMAIN = "S-1-5-21-10-20-30"
OTHER = "S-1-5-21-11-21-31"
BASE = "dc=ad,dc=x"
SERVER = Server("ad", (BASE, f"cn=configuration,{BASE}"), DOMAIN, "cn=syncd")
OPTIONS = Options(urls=(), base=BASE)
NOW = 1_700_000_000.0


def sid(text: str) -> bytes:
    """Give the octets of a SID."""
    _, revision, authority, *parts = text.split("-")
    octets = bytes((int(revision), len(parts))) + int(authority).to_bytes(6, "big")
    return octets + b"".join(int(part).to_bytes(4, "little") for part in parts)


def ticks(seconds: float) -> bytes:
    """Give a time as Windows stores it."""
    return str(int((seconds + 11_644_473_600) * 10_000_000)).encode()


def dn(name: str) -> str:
    """Give the DN of an entry."""
    return f"CN={name},OU=All,DC=ad,DC=x"


def user(name: str, *classes: str, number: int = 0, primary: int = 513, **more: bytes) -> Entry:
    """Make a user."""
    attributes = {
        "objectclass": [b"top", b"person", b"organizationalPerson", b"user", *(one.encode() for one in classes)],
        "samaccountname": [name.encode()],
        "objectguid": [name.encode().ljust(16, b"\0")],
        "useraccountcontrol": [b"512"],
        "primarygroupid": [str(primary).encode()],
        "objectsid": [sid(f"{DOMAIN}-{number or 5000 + sum(name.encode())}")],
    }
    return Entry(dn(name), attributes | {key: [value] for key, value in more.items()})


def group(name: str, members: list[str], number: int = 0, **more: bytes) -> Entry:
    """Make a group; members are names, or DNs."""
    values = [(one if "=" in one else dn(one)).encode() for one in members]
    attributes = {
        "objectclass": [b"top", b"group"],
        "samaccountname": [name.encode()],
        "objectguid": [name.encode().ljust(16, b"\1")],
        "objectsid": [sid(f"{DOMAIN}-{number or 9000 + sum(name.encode())}")],
        "usnchanged": [b"100"],
        **({"member": values} if values else {}),
    }
    return Entry(dn(name), attributes | {key: [value] for key, value in more.items()})


def plain(name: str, *classes: str, **more: bytes) -> Entry:
    """Make an entry of any class."""
    attributes = {"objectclass": [one.encode() for one in classes], "objectguid": [name.encode().ljust(16, b"\2")]}
    return Entry(dn(name), attributes | {key: [value] for key, value in more.items()})


def principal(text: str) -> Entry:
    """Make a foreign security principal."""
    name = f"CN={text},CN=ForeignSecurityPrincipals,DC=ad,DC=x"
    return Entry(name, {"objectclass": [b"top", b"foreignSecurityPrincipal"], "objectsid": [sid(text)]})


class Windows(LdifSearcher):
    """Answers with at most `width` values of `member`, as a domain controller does (MaxValRange)."""

    def __init__(self, entries: list[Entry], width: int = 1500) -> None:
        super().__init__(entries, "ldap://ad")
        self.width = width
        self.asked: list[Query] = []
        self.change: Callable[[str, dict[str, list[bytes]]], None] = lambda _asked, _answer: None
        """Called with the range asked for (empty = none) and the answer, which it may change."""

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Answer with ranges of `member`."""
        self.asked.append(query)
        ranged = [name for name in query.attributes if name.startswith("member;range=")]
        start = int(ranged[0].partition("=")[2].partition("-")[0]) if ranged else 0
        plainly = tuple("member" if name in ranged else name for name in query.attributes)
        for page in super().search(query._replace(attributes=plainly)):
            yield [self._cut(entry, start, ranged) for entry in page]

    def _cut(self, entry: Entry, start: int, ranged: list[str]) -> Entry:
        attributes = dict(entry.attributes)
        values = attributes.pop("member", [])
        if not ranged and len(values) <= self.width:
            attributes |= {"member": values} if values else {}
        else:
            chunk = values[start : start + self.width]
            end = "*" if start + self.width >= len(values) else str(start + len(chunk) - 1)
            attributes |= {"member": [], f"member;range={start}-{end}": chunk}
        self.change(ranged[0] if ranged else "", attributes)
        return Entry(entry.dn, attributes)


def expanded(directory: LdifSearcher, *sources: Source, server: Server = SERVER, **more: object) -> Expansion:
    """Expand sources, groups without nesting limits that matter here."""
    options = Options(**({"urls": (), "base": BASE} | more))  # type: ignore[arg-type]
    return expand(directory, server, sources, options, clock=lambda: NOW)


def source(name: str, **more: object) -> Source:
    """Give a group source."""
    return Source(kind="group", value=dn(name), **more)  # type: ignore[arg-type]


def read(directory: LdifSearcher, name: str, **more: object) -> SourceRead:
    """Read one group."""
    return expanded(directory, source(name), **more).reads[source(name)]


def logins(found: SourceRead) -> list[str]:
    """Give the logins of the members, sorted."""
    return sorted(name for member in found.members.values() for names in member.names for name in names)
