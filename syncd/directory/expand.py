"""Turn sources into members: groups in groups are followed level by level, all sources at once.

All sources advance in step, so that one level costs a handful of questions however many groups there are. Breadth first
means that the path kept for a member is a shortest one; a group is entered once per source, so cycles and diamonds end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from syncd.core import dn as names
from syncd.core.model import Rule, Source
from syncd.core.reads import Member, SourceRead
from syncd.core.template import attribute
from syncd.directory.lookup import ABSENT, Group, Lookup, Person, Trouble
from syncd.directory.search import Query, Refused, Searcher


def expand(
    searcher: Searcher,
    sources: Collection[Source],
    base: str,
    login_attributes: tuple[str, ...],
    progress: Callable[[int], None],
) -> dict[Source, SourceRead]:
    """Read every source to its members, as far as the directory answers.

    Raises:
        Lost: the connection ended; nothing of this read may be used.
    """
    lookup = Lookup(searcher, base, login_attributes, progress)
    rules = (Rule("login", tuple(attribute(name) for name in login_attributes)),)
    walks = [_Walk(source, searcher.server, rules) for source in dict.fromkeys(sources)]
    _start_groups([walk for walk in walks if walk.source.kind == "group"], lookup)
    for walk in walks:
        if walk.source.kind == "filter":
            walk.start_filter(lookup, base)
    while any(walk.frontier for walk in walks):
        wanted: dict[str, str] = {}
        for walk in walks:
            for group, _ in walk.frontier:
                wanted.update(group.members)
        lookup.fetch(wanted)
        for walk in walks:
            walk.step(lookup)
    return {walk.source: walk.read(tuple(lookup.notes)) for walk in walks}


def _start_groups(walks: list[_Walk], lookup: Lookup) -> None:
    keys: dict[str, str] = {}
    for walk in walks:
        try:
            keys[names.normalise(walk.source.value)] = walk.source.value
        except names.InvalidDN as error:
            walk.reasons[f"{walk.server}: group {walk.source.value}: no DN: {error}"] = None
    lookup.fetch(keys)
    for walk in walks:
        if not walk.reasons:
            walk.start_group(lookup, names.normalise(walk.source.value))


class _Walk:
    """The expansion of one source: what it found so far, and the groups whose members come next."""

    def __init__(self, source: Source, server: str, rules: tuple[Rule, ...]) -> None:
        self.source = source
        self._rules = source.rules or rules
        self.server = server
        self.frontier: list[tuple[Group, tuple[str, ...]]] = []
        """Groups with the path to their members."""
        self.reasons: dict[str, None] = {}
        self._notes: dict[str, None] = {}
        self._members: dict[str, Member] = {}
        self._dangling: dict[str, str] = {}
        self._entered: set[str] = set()
        self._level = 0

    def start_group(self, lookup: Lookup, key: str) -> None:
        """Begin at the group that the source names."""
        found = lookup.found[key]
        if found is ABSENT:
            self.reasons[
                f"{self.server}: group {self.source.value}: not found (check the DN, and that the bind DN may read it)"
            ] = None
        elif isinstance(found, Trouble):
            self.reasons[f"group {self.source.value}: {found.reason}"] = None
        elif isinstance(found, Person):
            problem = "is no group, it has neither a group class nor members that can be read"
            self.reasons[f"{self.server}: group {found.dn}: {problem}"] = None
        else:
            self._enter(found, ())

    def start_filter(self, lookup: Lookup, base: str) -> None:
        """Take every entry that the filter finds."""
        source = self.source
        query = Query(source.base or base, source.scope, source.value, lookup.attributes)
        path = (source.value,)
        try:
            for found in lookup.entries(query):
                if isinstance(found, Trouble):
                    self.reasons[found.reason] = None
                elif isinstance(found, Person):
                    self._add(found, path)
                else:
                    self._meet_group(found, path)
        except Refused as error:
            self.reasons[str(error)] = None
        self._level = 1

    def step(self, lookup: Lookup) -> None:
        """Take the members of the groups at hand, whose entries have been looked up; what is a group comes next."""
        groups, self.frontier = self.frontier, []
        everything = lookup.found
        members = self._members
        for group, path in groups:
            self.reasons.update(dict.fromkeys(group.reasons))
            for key, written in group.members.items():
                found = everything[key]
                if type(found) is Person:  # by far the most frequent
                    if found.id not in members:
                        members[found.id] = Member(found.id, found.dn, found.key, (found.logins,), path, self._rules)
                elif found is ABSENT:
                    self._dangling[key] = written
                elif isinstance(found, Group):
                    self._meet_group(found, path)
                elif isinstance(found, Trouble):
                    self.reasons[f"group {group.dn}: member {written}: {found.reason}"] = None
        self._level += 1

    def read(self, notes: tuple[str, ...]) -> SourceRead:
        """Give the result."""
        if any(member.id.startswith("dn:") for member in self._members.values()):
            text = f"{self.server}: entries without entryUUID are known by their DN: a renamed one is taken for another"
            self._notes[text] = None
        return SourceRead(
            source=self.source,
            members=self._members,
            complete=not self.reasons,
            reasons=tuple(self.reasons),
            dangling=self._dangling,
            notes=(*self._notes, *notes),
        )

    def _add(self, person: Person, path: tuple[str, ...]) -> None:
        if person.id not in self._members:
            self._members[person.id] = Member(person.id, person.dn, person.key, (person.logins,), path, self._rules)

    def _meet_group(self, group: Group, path: tuple[str, ...]) -> None:
        """Decide what becomes of a group found as a member.

        | nested | level it would be read at | already entered | then                                |
        |--------|---------------------------|-----------------|-------------------------------------|
        | 0      | any                       | any             | ignored, noted                      |
        | > 0    | any                       | yes             | ignored; noted where it is a cycle  |
        | > 0    | within `nested`           | no              | entered                             |
        | > 0    | below `nested`            | no              | not read: the source is incomplete  |
        """
        if self.source.nested == 0:
            self._notes[f"{self.server}: group {group.dn}: not followed, since nested groups are switched off"] = None
        elif group.key in self._entered:
            if group.dn in path:
                self._notes[f"{self.server}: group {group.dn}: is a member of itself, by way of {path[-1]}"] = None
        elif self._level + 1 > self.source.nested:
            limit = f"it lies deeper than {self.source.nested} levels below {self.source}"
            self.reasons[f"{self.server}: group {group.dn}: not read, {limit}"] = None
        else:
            self._enter(group, path)

    def _enter(self, group: Group, path: tuple[str, ...]) -> None:
        self._entered.add(group.key)
        self.frontier.append((group, (*path, group.dn)))
