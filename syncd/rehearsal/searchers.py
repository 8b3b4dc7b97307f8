"""A directory that answers wrongly: real questions and answers, changed on the way as real servers and networks do.

Each is a `Searcher` around a real one, so the reading code meets the fault where it would meet it in life. None makes
an exception that a server could not cause, and none is told what would follow from it.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Collection, Iterator

from syncd.core.dn import InvalidDN, normalise
from syncd.core.model import Source
from syncd.directory.groups import GROUP_CLASSES, has_members
from syncd.directory.search import NO_SUCH_OBJECT, Lost, Query, Searcher, refusal
from syncd.directory.strategy import Entry

SIZE_LIMIT = 4  # RFC 4511 appendix A: sizeLimitExceeded
_DNS = ("member", "uniquemember")
_LISTS = (*_DNS, "memberuid", "memberurl", "labeleduri")
_PEOPLE = frozenset(("person", "inetorgperson", "organizationalperson", "posixaccount", "user"))
_PERSONAL = frozenset(("uid", "samaccountname", "userprincipalname", "mail", "employeenumber"))
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
_MOVED = "ou=moved by a rehearsal"


class Distorted:
    """Passes questions and answers on as they are; its heirs do not."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self.server = searcher.server
        self.bulk_above = searcher.bulk_above

    @property
    def operations(self) -> int:
        """How many LDAP operations were made so far."""
        return self._searcher.operations

    @property
    def identity(self) -> str:
        """Who asks."""
        return self._searcher.identity

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the entries that match; see `Searcher.search`."""
        for page in self._searcher.search(query):
            yield [entry for entry in map(self._seen, page) if entry is not None]

    def close(self) -> None:
        """Give up what is open."""
        self._searcher.close()

    def _seen(self, entry: Entry) -> Entry | None:
        return entry


class Down(Distorted):
    """The connection is gone at the first question."""

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Answer nothing.

        Raises:
            Lost: always.
        """
        raise Lost(f"{self.server}: {query}: connection refused (a rehearsal)")


class Truncated(Distorted):
    """Every search ends after some entries, with the code that says so."""

    def __init__(self, searcher: Searcher, most: int) -> None:
        super().__init__(searcher)
        self._most = most

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the first entries.

        Raises:
            Refused: there are more.
        """
        if query.scope == "base":
            yield from self._searcher.search(query)
            return
        left = self._most
        for page in self._searcher.search(query):
            yield page[:left]
            if len(page) > left:
                raise refusal(self.server, query, SIZE_LIMIT, "a rehearsal")
            left -= len(page)


class RangeLost(Distorted):
    """The values of a group come in ranges, as Active Directory gives them, and those after the first do not come."""

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the first half of the values of each group, and nothing when the rest is asked for."""
        rest = any(";range=" in name for name in query.attributes)
        for page in self._searcher.search(query):
            yield [_without(entry, _LISTS) if rest else _halved(entry) for entry in page]


class Hidden(Distorted):
    """What lists members may not be read: in every group, or in some only."""

    def __init__(self, searcher: Searcher, groups: Collection[str] | None = None) -> None:
        super().__init__(searcher)
        self._groups = groups

    def _seen(self, entry: Entry) -> Entry | None:
        return entry if self._groups is not None and _key(entry.dn) not in self._groups else _without(entry, _LISTS)


class Emptied(Hidden):
    """The groups that are sources have no members, and filters that are sources find nobody."""

    def __init__(self, searcher: Searcher, sources: Collection[Source]) -> None:
        super().__init__(searcher, {_key(source.value) for source in sources if source.kind == "group"})
        self._filters = {source.value for source in sources if source.kind == "filter"}
        self._equalities = {f"({source.value})" for source in sources if source.kind == "attribute"}

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give nothing where a source asks; see `Searcher.search`."""
        if any(text in query.filter for text in (*self._filters, *self._equalities)):
            return
        yield from super().search(query)


class Shouted(Distorted):
    """Every DN comes in capitals, as another server of the same directory may write it."""

    def _seen(self, entry: Entry) -> Entry | None:
        values = {
            name: [_shouted(value) for value in some] if name.partition(";")[0] in _DNS else some
            for name, some in entry.attributes.items()
        }
        return Entry(entry.dn.translate(_UPPER), values)


class Halved(Distorted):
    """Every second person is not there, whichever way one looks."""

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the others.

        Raises:
            Refused: it is asked for one who is not there.
        """
        for page in self._searcher.search(query):
            left = [entry for entry in page if not (_is_person(entry) and _is_every_second(entry.dn))]
            if query.scope == "base" and len(left) < len(page):
                raise refusal(self.server, query, NO_SUCH_OBJECT)
            yield left


class Moved(Distorted):
    """All people moved to a new branch; the groups list them there, or still where they were."""

    def __init__(self, searcher: Searcher, base: str, *, followed: bool) -> None:
        super().__init__(searcher)
        self._base, self._followed = base, followed
        self._branch = f"{_MOVED},{base}"

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give people where they are now, and all else where it was.

        Raises:
            Refused: it is asked for a person by the old DN.
        """
        inside = _below(query.base, self._branch)
        everywhere = _key(query.base) == _key(self._base)
        asked = query._replace(base=self._old(query.base)) if inside else query
        for page in self._searcher.search(asked):
            people = [entry for entry in page if _is_person(entry)]
            if query.scope == "base" and people and not inside and query.base:
                raise refusal(self.server, query, NO_SUCH_OBJECT)
            shown = []
            for entry in page:
                if inside:  # a group that is listed there is there, too
                    shown.append(self._listing(entry)._replace(dn=self._new(entry.dn)))
                elif entry not in people:
                    shown.append(self._listing(entry))
                elif everywhere:
                    shown.append(entry._replace(dn=self._new(entry.dn)))
            yield shown

    def _listing(self, entry: Entry) -> Entry:
        if not self._followed:
            return entry
        values = {
            name: [
                self._new(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape") for value in some
            ]
            if name.partition(";")[0] in _DNS
            else some
            for name, some in entry.attributes.items()
        }
        return entry._replace(attributes=values)

    def _new(self, dn: str) -> str:
        if not _below(dn, self._base) or not dn.casefold().endswith(f",{self._base}".casefold()):
            return dn
        return f"{dn[: -len(self._base)]}{self._branch}"

    def _old(self, dn: str) -> str:
        start = dn.casefold().rfind(_MOVED)
        return f"{dn[:start]}{self._base}" if start >= 0 else dn


# --------------------------------------------------------------------------- entries


def _is_person(entry: Entry) -> bool:
    """Tell whether an entry is somebody, as far as what was asked of it shows."""
    classes = {value.decode("utf-8", "replace").lower() for value in entry.attributes.get("objectclass", ())}
    if classes & GROUP_CLASSES or has_members(entry.attributes, classes):
        return False
    return bool(classes & _PEOPLE or entry.attributes.keys() & _PERSONAL)


def _is_every_second(dn: str) -> bool:
    """Choose about the half of all people, always the same ones, wherever they are."""
    name = _key(dn).partition(",")[0]
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[0] % 2 == 0


def _without(entry: Entry, names: Collection[str]) -> Entry:
    kept = {name: some for name, some in entry.attributes.items() if name.partition(";")[0] not in names}
    return entry._replace(attributes=kept)


def _halved(entry: Entry) -> Entry:
    values = {}
    for name, some in entry.attributes.items():
        half = len(some) // 2
        if name in _DNS and half:
            values[f"{name};range=0-{half - 1}"] = some[:half]
        else:
            values[name] = some
    return entry._replace(attributes=values)


def _shouted(value: bytes) -> bytes:
    return value.decode("utf-8", "surrogateescape").translate(_UPPER).encode("utf-8", "surrogateescape")


def _below(dn: str, base: str) -> bool:
    return f",{_key(dn)}".endswith(f",{_key(base)}") and _key(dn) != _key(base)


def _key(dn: str) -> str:
    try:
        return normalise(dn)
    except InvalidDN:
        return dn
