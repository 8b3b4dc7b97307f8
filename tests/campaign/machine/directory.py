"""The directory of the machine: people and groups to whom everything happens, written as LDIF, and the truth about it.

The truth is told from these few objects, without any of the code that reads the file. Questions to the directory may be
answered wrongly on the way (`Fault`), as a server or a network would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from syncd.directory.search import Lost, Query, Searcher, refusal
from syncd.directory.strategy import Entry
from tests.e2e.station import BASE

PEOPLE = range(3, 11)
"""Numbers of people, who are the OX users of these ids as long as nobody is renamed."""
GROUPS: Mapping[str, tuple[int, ...]] = {
    "support": (3, 4, 5, 8), "team": (6, 7), "sales": (4, 8), "interns": (9,), "info": (3, 6, 10),
}  # fmt: skip
SHOUTED = "sales"
"""A group that lists its members in another letter case."""
LIMITS = (3, 4, 11)
"""Result codes of answers that end early."""


@dataclass(kw_only=True)
class Person:
    """One entry of a person."""

    number: int
    uuid: str
    rdn: str
    uid: str | None
    """None = it may not be read."""
    branch: str = "people"
    disabled: bool = False
    informed: bool = False
    """Whether its description is `info`, for which a filter looks."""
    hidden: bool = False
    """Whether nothing that tells what it is may be read."""
    there: bool = True

    @property
    def dn(self) -> str:
        """The name in the form that equals other spellings."""
        return f"cn={self.rdn},ou={self.branch},{BASE}"


@dataclass(kw_only=True)
class Group:
    """One entry of a group."""

    name: str
    members: list[str] = field(default_factory=list)
    """Names of entries, which may be gone."""
    there: bool = True

    @property
    def dn(self) -> str:
        """As of a person."""
        return f"cn={self.name},ou=groups,{BASE}"


class Seen(NamedTuple):
    """A member as a source should yield it."""

    id: str
    dn: str
    login: str | None
    """None = nobody can tell."""
    user: int | None = None
    """Where the source names the user itself."""


@dataclass(kw_only=True)
class Reading:
    """What there is to be read of one source."""

    members: dict[str, Seen] = field(default_factory=dict)
    disabled: dict[str, Seen] = field(default_factory=dict)
    dangling: set[str] = field(default_factory=set)
    complete: bool = True


class Tree:
    """The entries."""

    def __init__(self) -> None:
        self.people = {n: Person(number=n, uuid=f"person-{n}", rdn=f"u{n}", uid=f"u{n}") for n in PEOPLE}
        self.groups = {name: Group(name=name) for name in GROUPS}
        for name, numbers in GROUPS.items():
            self.groups[name].members += [self.people[number].dn for number in numbers]
        self.groups["support"].members.append(self.groups["team"].dn)
        for number in GROUPS["info"]:
            self.people[number].informed = True
        self._count = 0

    # ------------------------------------------------------------------ what happens

    def join_or_leave(self, group: str, dn: str) -> None:
        """Put an entry into a group, or take it out."""
        members = self.groups[group].members
        if dn in members:
            members.remove(dn)
        else:
            members.append(dn)

    def rename(self, person: Person, rdn: str, branch: str, *, groups: bool) -> None:
        """Give a person another name; the groups follow, or list one who is not there."""
        old = person.dn
        person.rdn, person.branch = rdn, branch
        for group in self._written(groups):
            listed = dict.fromkeys(person.dn if dn == old else dn for dn in group.members)
            group.members[:] = listed

    def vanish(self, person: Person, *, groups: bool) -> None:
        """Delete a person; the groups follow, or list one who is not there."""
        person.there = False
        for group in self._written(groups):
            if person.dn in group.members:
                group.members.remove(person.dn)

    def come_back(self, person: Person, *, new: bool) -> None:
        """Put the entry of a person back, or make a new one of the same name."""
        person.there = True
        if new:
            self._count += 1
            person.uuid = f"person-{person.number}-{self._count}"

    def _written(self, groups: bool) -> list[Group]:
        """Give the groups that follow what happens to a person; of one that is gone nobody keeps the list."""
        return [group for group in self.groups.values() if groups and group.there]

    # ------------------------------------------------------------------ the file

    def write(self, path: Path) -> None:
        """Write all entries."""
        entries = [f"dn: {BASE}\nobjectClass: domain\ndc: mycompany\n", *self._people(), *self._groups()]
        path.write_text("version: 1\n\n" + "\n".join(entries))

    def _people(self) -> Iterator[str]:
        for person in self.people.values():
            if not person.there:
                continue
            lines = [f"dn: {person.dn}", f"entryUUID: {person.uuid}"]
            if not person.hidden:
                lines += ["objectClass: inetOrgPerson", f"description: {'info' if person.informed else 'none'}"]
                lines += [f"uid: {person.uid}"] if person.uid is not None else []
                lines += ["nsAccountLock: TRUE"] if person.disabled else []
            yield "\n".join(lines) + "\n"

    def _groups(self) -> Iterator[str]:
        for group in self.groups.values():
            if group.there:
                members = [dn.upper() if group.name == SHOUTED else dn for dn in group.members]
                lines = [f"dn: {group.dn}", f"entryUUID: group-{group.name}", "objectClass: groupOfNames"]
                yield "\n".join([*lines, *(f"member: {dn}" for dn in members)]) + "\n"

    # ------------------------------------------------------------------ the truth

    def group(self, name: str) -> Reading:
        """Give who is in a group, by groups in groups too."""
        people = {person.dn: person for person in self.people.values() if person.there}
        groups = {group.dn: group for group in self.groups.values() if group.there}
        found = Reading(complete=self.groups[name].there)
        left, entered = [self.groups[name].dn], set[str]()
        while left:
            dn = left.pop()
            if dn in entered or dn not in groups:
                continue
            entered.add(dn)
            for member in groups[dn].members:
                if member in people:
                    _take(found, people[member])
                elif member in groups:
                    left.append(member)
                else:
                    found.dangling.add(member)
        return found

    def informed(self) -> Reading:
        """Give who is found by the filter."""
        found = Reading()
        for person in self.people.values():
            if person.there and person.informed and not person.hidden:
                _take(found, person)
        return found


def _take(found: Reading, person: Person) -> None:
    if person.hidden:
        found.complete = False
        return
    into = found.disabled if person.disabled else found.members
    into[person.uuid] = Seen(person.uuid, person.dn, person.uid)


# --------------------------------------------------------------------------- wrong answers


class Fault(NamedTuple):
    """What goes wrong with the questions of one run."""

    kind: Literal["lost", "hiccup", "cut short"]
    """The connection is lost from a question on; at one question only; or answers end early from one on."""
    at: int = 1
    """Number of the question, from 1."""
    keep: int = 0
    """Entries that an answer has before it ends."""
    code: int = LIMITS[1]

    @property
    def total(self) -> bool:
        """Whether nothing at all can be read to its end."""
        return self.at == 1 and self.kind != "hiccup"


class Faulty:
    """Stands between the questions of one run and their answers."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.asked = 0

    def __call__(self, searcher: Searcher) -> Searcher:
        """Wrap a connection; a second one of the same run goes on counting."""
        return cast("Searcher", _Distorted(searcher, self))


class _Distorted:
    """A connection that answers wrongly."""

    def __init__(self, searcher: Searcher, faulty: Faulty) -> None:
        self._searcher, self._faulty = searcher, faulty

    def __getattr__(self, name: str) -> Any:
        return getattr(self._searcher, name)

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Answer, or not."""
        faulty, fault = self._faulty, self._faulty.fault
        faulty.asked += 1
        if faulty.asked < fault.at or (fault.kind == "hiccup" and faulty.asked > fault.at):
            yield from self._searcher.search(query)
            return
        if fault.kind != "cut short":
            raise Lost(f"{self._searcher.server}: the connection was lost")
        yield list(_first(self._searcher.search(query), fault.keep))
        raise refusal(self._searcher.server, query, fault.code)

    def close(self) -> None:
        """Close the connection."""
        self._searcher.close()


def _first(pages: Iterable[list[Entry]], count: int) -> Iterator[Entry]:
    for _, entry in zip(range(count), (entry for page in pages for entry in page), strict=False):
        yield entry
