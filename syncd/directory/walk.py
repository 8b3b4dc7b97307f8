"""The expansion of one source: groups in groups, level by level, each member value counted exactly once.

| a member value is, by the lookup | counted as        | and                                                         |
|----------------------------------|-------------------|-------------------------------------------------------------|
| a person                         | user              | is a member, by the shortest path                           |
| a person who is out of service   | disabled, expired | is kept apart (`SourceRead.disabled`)                       |
| no person that could have mail   | ignored KIND      | nothing                                                     |
| a group                          | group             | see `Walk._meet_group`                                      |
| of another domain                | foreign           | makes the source incomplete; is told (see `foreign`)        |
| on another server                | outside           | the same                                                    |
| not there                        | not found         | is kept as dangling, or as a note only (`Options.dangling`) |
| not to be told                   | not readable      | makes the source incomplete                                 |

Beside the values, what a group has without listing it is counted the same way: people with it as their primary group,
and what its member URLs find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from syncd.core.model import Source
from syncd.core.reads import Cause, Member, Proof, SourceRead
from syncd.directory.connection import Options
from syncd.directory.entries import ABSENT, Found, Person, Principal, Reading, Trouble, named
from syncd.directory.foreign import Foreign
from syncd.directory.groups import Group, Problem
from syncd.directory.sids import OF_A_DOMAIN

_UNKNOWN_IDS = "entries without entryUUID are known by their DN: a renamed one is taken for another"

Path = tuple[str, ...]


class Walk:
    """What was found of one source so far, and the groups whose members come next."""

    def __init__(self, source: Source, url: str, reading: Reading, options: Options) -> None:
        self.source = source
        self.frontier: list[tuple[Group, Path]] = []
        """Groups with the path to their members."""
        self.entered: dict[str, tuple[Group, Path]] = {}
        """By key: the groups that were entered, with the path to their members."""
        self.problems: dict[Problem, None] = {}
        self.foreign: list[Foreign] = []
        """What another directory may know."""
        self.counts: Counter[str] = Counter()
        self.pages = 0
        """Pages that came for this source alone."""
        self._url = url
        self._make = reading.member_maker(source).member
        self._keep_dangling = options.dangling == "keep"
        self._unsure = reading.unsure
        self._identity = reading.server.identity
        self._notes: dict[str, None] = {}
        self._members: dict[str, Member] = {}
        self._primary: set[str] = set()
        self._disabled: dict[str, Member] = {}
        self._dangling: dict[str, str] = {}

    # ------------------------------------------------------------------ what it meets

    def fail(self, reason: str, cause: Cause) -> None:
        """Take note why the source is not complete."""
        self.problems[Problem(reason, cause)] = None

    def start_group(self, found: Found, *, anyone: bool = False) -> None:
        """Begin at the group that the source names.

        Args:
            found: what its entry is.
            anyone: it may be a person, who is then the only member.
        """
        source = self.source
        if found is ABSENT:
            text = "not found (check the DN, and that the bind DN may read it)"
            self.fail(f"{self._url}: group {source.value}: {text}", "missing")
        elif isinstance(found, Trouble):
            self.fail(f"group {source.value}: {found.reason}", found.cause)
        elif isinstance(found, Group):
            self._enter(found, ())
        elif isinstance(found, Person) and anyone:
            self._add(found, (found.dn,))
        else:
            problem = "is no group, it has neither a group class nor members that can be read"
            self.fail(f"{self._url}: group {found.dn}: {problem}", "missing")

    def step(self, found: dict[str, Found]) -> None:
        """Take the members of the groups at hand, whose entries have been looked up; what is a group comes next."""
        groups, self.frontier = self.frontier, []
        members, make = self._members, self._make
        users = 0
        for group, path in groups:
            for problem in group.problems:
                self.problems[problem] = None
            self.counts.update(group.counts)
            for key, written in group.members.items():
                one = found[key]
                if type(one) is Person and one.standing == "user":  # by far the most frequent
                    users += 1
                    known = members.get(one.id)
                    if known is None or len(known.path) > len(path):
                        members[one.id] = make(one, path)
                else:
                    self.meet(one, path, key, written, f"group {group.dn}: member {written}")
        self.counts["user"] += users

    def meet(self, found: Found, path: Path, key: str, written: str, where: str) -> None:
        """Decide what becomes of what a member value stands for; see the module's table.

        Args:
            found: what it is.
            path: to the group that lists it.
            key: its normalised DN.
            written: as the group has it.
            where: names it in messages.
        """
        if isinstance(found, Person):
            self._add(found, path)
        elif isinstance(found, Group):
            self.counts["group"] += 1
            self._meet_group(found, path)
        elif isinstance(found, Principal):
            self.counts["foreign"] += 1
            reason = f"{self._url}: {where}: {_why_foreign(found.sid)}"
            self._meet_foreign(Foreign(found.sid, written, path, reason, "foreign"))
        elif found is ABSENT:
            self.counts["not found"] += 1
            if self._keep_dangling:
                self._dangling[key] = written
        else:
            self.counts[found.standing] += 1
            reason = f"{where}: {found.reason}"
            if found.standing == "outside" and key:
                self._meet_foreign(Foreign(None, written, path, reason, found.cause))
            else:
                self.fail(reason, found.cause)

    def meet_primary(self, found: Found, path: Path, where: str) -> None:
        """Decide what becomes of an entry that has a group as its primary one; arguments as of `meet`."""
        key, written = named(found)
        known = self._members.get(found.id) if isinstance(found, Person) else None
        self.meet(found, path, key, written, where)
        if isinstance(found, Person) and self._members.get(found.id) is not known:
            self._primary.add(found.id)

    def _add(self, person: Person, path: Path) -> None:
        self.counts[person.standing] += 1
        if person.standing.startswith("ignored"):
            return
        into = self._members if person.standing == "user" else self._disabled
        known = into.get(person.id)
        if known is None or len(known.path) > len(path):
            into[person.id] = self._make(person, path)

    def _meet_foreign(self, foreign: Foreign) -> None:
        self.fail(foreign.reason, foreign.cause)
        self.foreign.append(foreign)

    def _meet_group(self, group: Group, path: Path) -> None:
        """Decide what becomes of a group found as a member.

        | nested | level it would be read at | already entered | then                                |
        |--------|---------------------------|-----------------|-------------------------------------|
        | 0      | any                       | any             | ignored, noted                      |
        | > 0    | any                       | yes             | ignored; noted where it is a cycle  |
        | > 0    | within `nested`           | no              | entered                             |
        | > 0    | below `nested`            | no              | not read: the source is incomplete  |
        """
        nested = self.source.nested
        if nested == 0:
            self._notes[f"{self._url}: group {group.dn}: not followed, since nested groups are switched off"] = None
        elif group.key in self.entered:
            if group.dn in path:
                self._notes[f"{self._url}: group {group.dn}: is a member of itself, by way of {path[-1]}"] = None
        elif len(path) > nested:
            limit = f"it lies deeper than {nested} levels below {self.source}"
            self.fail(f"{self._url}: group {group.dn}: not read, {limit}", "depth")
        else:
            self._enter(group, path)

    def _enter(self, group: Group, path: Path) -> None:
        way = (group, (*path, group.dn))
        self.entered[group.key] = way
        self.frontier.append(way)

    # ------------------------------------------------------------------ the result

    def read(self, notes: Iterable[str], ranges: int) -> SourceRead:
        """Give the result.

        Args:
            notes: of the reading itself.
            ranges: answers with a range that make up the groups entered.
        """
        if any(member.id.startswith("dn:") for member in self._members.values()):
            self._notes[f"{self._url}: {_UNKNOWN_IDS}"] = None
        if unsure := len(self._members.keys() & self._unsure):
            text = f"of {unsure} members userAccountControl may not be read: they count as enabled"
            self._notes[f"{self._url}: {self.source}: {text}"] = None
        if not self._keep_dangling and self.counts["not found"]:
            count = self.counts["not found"]
            self._notes[f"{self._url}: {self.source}: {count} member values have no entry, and do not count"] = None
        return SourceRead(
            source=self.source,
            members=self._members,
            complete=not self.problems,
            reasons=tuple(dict.fromkeys(problem.reason for problem in self.problems)),
            causes=frozenset(problem.cause for problem in self.problems),
            disabled=self._disabled,
            dangling=self._dangling,
            notes=(*self._notes, *notes),
            primary=frozenset(self._primary),
            proof=Proof(
                server=self._url,
                identity=self._identity,
                pages=self.pages,
                ranges=ranges,
                groups=len(self.entered),
                values={name: count for name, count in self.counts.items() if count},
            ),
        )


def _why_foreign(sid: str) -> str:
    """Say what can be done about a foreign security principal."""
    if not OF_A_DOMAIN(sid):
        return (
            f"{sid} is a well-known identity that stands for nobody in particular and can never be resolved; "
            "take it out of the group"
        )
    return (
        f"{sid} belongs to another domain; configure that domain as another directory, "
        "or see with `syncd check` why it does not answer"
    )
