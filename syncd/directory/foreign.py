"""Members that another directory holds: asked for there, and put into the reads of the directory that lists them.

Active Directory lists a member of another forest as a foreign security principal, an entry with nothing but the SID;
and a server may list DNs that lie in no naming context of its own. Which directory holds one is told by the domain's
SID, or by the naming contexts. What none holds stays as it was read: the source is incomplete, nobody is gone.

| the directory that holds it       | it is there | what becomes of the source                                        |
|-----------------------------------|-------------|-------------------------------------------------------------------|
| answered                          | a person    | a member, by that directory's rules and its policy for disabled   |
| answered                          | a group     | its members are members, by way of it; its reasons count          |
| answered                          | no          | incomplete as before                                              |
| did not answer, or none is known  |             | incomplete as before                                              |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from syncd.core import dn as names
from syncd.core.model import Source
from syncd.core.reads import Cause, SourceRead
from syncd.directory.kinds import Server


class Foreign(NamedTuple):
    """A member value whose entry this directory does not hold."""

    sid: str | None
    """Its security identifier as text; None where only the DN is known."""
    dn: str
    """The member value as written."""
    path: tuple[str, ...]
    """DNs from the source to the group that lists it."""
    reason: str
    """What is among the reasons of the source because of it, letter by letter."""
    cause: Cause
    """foreign, outside or referral."""

    @property
    def name(self) -> str:
        """What another directory finds it by: `<SID=S-1-5-…>` ([MS-ADTS] 3.1.1.3.1.2.4), or the DN."""
        return self.dn if self.sid is None else f"<SID={self.sid}>"


class Expansion(NamedTuple):
    """What one directory made of its sources."""

    reads: dict[Source, SourceRead]
    """Each as it is when no other directory can be asked."""
    foreign: dict[Source, tuple[Foreign, ...]]
    """What another directory may know; sources without any are not there."""


_CLASSES: Mapping[Cause, str] = {"foreign": "foreign", "outside": "outside", "referral": "outside"}
"""How `Proof.values` counts a foreign member."""


def holder(foreign: Foreign, servers: Mapping[str, Server], without: str) -> str | None:
    """Give the name of the directory that holds a member; None where none is known to.

    Args:
        foreign: the member.
        servers: those that answered, by directory.
        without: the directory that lists it.
    """
    others = [(name, server) for name, server in servers.items() if name != without]
    if foreign.sid is not None:
        domain = foreign.sid.rpartition("-")[0]
        return next((name for name, server in others if server.domain_sid == domain), None)
    key = names.normalise(foreign.dn)
    held = [(len(context), name) for name, server in others if (context := server.naming_context(key)) is not None]
    return max(held)[1] if held else None


class _Listed(NamedTuple):
    """A foreign member, as one of the sources or questions of an inquiry lists it."""

    directory: str
    nested: int
    """How many levels of groups that source follows."""
    prefix: tuple[str, ...]
    """DNs from the inquiry's source to it."""
    foreign: Foreign


class Question(NamedTuple):
    """What another directory is asked."""

    source: Source
    """A group by `Foreign.name`; what it names may be a person, who is then its only member."""
    listed: _Listed


class Inquiry:
    """What becomes of one source whose directory listed foreign members: asked for level by level.

    Attributes:
        open: the questions without an answer yet.
    """

    def __init__(self, directory: str, source: Source, expansion: Expansion) -> None:
        self.directory, self.source = directory, source
        self.open: list[Question] = []
        self._read = expansion.reads[source]
        self._members, self._disabled = dict(self._read.members), dict(self._read.disabled)
        self._dangling, self._primary = dict(self._read.dangling), set(self._read.primary)
        self._reasons, self._notes = dict.fromkeys(self._read.reasons), dict.fromkeys(self._read.notes)
        self._causes: set[Cause] = set(self._read.causes)
        self._proofs = [self._read.proof]
        self._values = Counter(self._read.proof.values)
        self._settled: dict[Cause, list[bool]] = {}
        self._known: set[str] = set()
        self._listed = [_Listed(directory, source.nested, (), foreign) for foreign in expansion.foreign.get(source, ())]

    def ask(self, servers: Mapping[str, Server]) -> list[Question]:
        """Give the questions that the foreign members found last lead to; they are open now."""
        listed, self._listed = self._listed, []
        for one in listed:
            directory = holder(one.foreign, servers, one.directory)
            if directory is not None:
                left = max(0, one.nested - len(one.foreign.path))
                asked = replace(
                    self.source, kind="group", value=one.foreign.name, directory=directory, nested=left, base=None,
                    scope="sub",
                )  # fmt: skip
                self.open.append(Question(asked, one))
            else:
                self._settled.setdefault(one.foreign.cause, []).append(False)
        return self.open

    def answer(self, expansions: Mapping[str, Expansion]) -> None:
        """Take the answers; a question without one leaves its member as it was read."""
        questions, self.open = self.open, []
        for asked, (_, nested, prefix, foreign) in questions:
            expansion = expansions.get(asked.directory)
            read = expansion.reads.get(asked) if expansion is not None else None
            known = read is not None and "missing" not in read.causes
            self._settled.setdefault(foreign.cause, []).append(known)
            if expansion is None or read is None or not known:
                continue
            self._reasons.pop(foreign.reason, None)
            group = read.proof.groups > 0
            self._values[_CLASSES[foreign.cause]] -= 1
            self._values.update({"group": 1} if group else read.proof.values or {"user": 1})
            if foreign.name in self._known:  # listed twice, or a cycle: its members are there
                continue
            self._known.add(foreign.name)
            path = (*prefix, *foreign.path)
            if group and len(foreign.path) > nested:
                self._too_deep(foreign)
                continue
            self._add(read, path, group=group)
            deeper = expansion.foreign.get(asked, ())
            self._listed += [_Listed(asked.directory, asked.nested, path, one) for one in deeper]

    def read(self) -> SourceRead:
        """Give what is known of the source now."""
        causes = self._causes - {cause for cause, known in self._settled.items() if all(known)}
        if self._reasons and not causes:  # a reason of its own has the cause of one that is settled
            causes = self._causes
        first, *others = self._proofs
        proof = replace(
            first,
            server=" ".join(dict.fromkeys(one.server for one in self._proofs)),
            identity="; ".join(dict.fromkeys(one.identity for one in self._proofs)),
            pages=sum(one.pages for one in self._proofs),
            ranges=sum(one.ranges for one in self._proofs),
            groups=sum(one.groups for one in self._proofs),
            values={kind: count for kind, count in self._values.items() if count > 0},
        )
        return replace(
            self._read,
            members=self._members,
            disabled=self._disabled,
            dangling=self._dangling,
            primary=frozenset(self._primary),
            complete=not self._reasons,
            reasons=tuple(self._reasons),
            causes=frozenset(causes),
            notes=tuple(self._notes),
            proof=proof if others else first,
        )

    def _add(self, read: SourceRead, path: tuple[str, ...], *, group: bool) -> None:
        self._primary |= read.primary - self._members.keys()
        for known, new in ((self._members, read.members), (self._disabled, read.disabled)):
            for member in new.values():
                known.setdefault(member.id, member._replace(path=(*path, *(member.path if group else ()))))
        self._dangling.update(read.dangling)
        self._reasons.update(dict.fromkeys(read.reasons))
        self._notes.update(dict.fromkeys(read.notes))
        self._causes |= read.causes
        self._proofs.append(read.proof)
        if group:
            self._values.update(read.proof.values)

    def _too_deep(self, foreign: Foreign) -> None:
        """Do with a group that lies below the depth limit what is done with one of the same directory."""
        where = f"group {foreign.dn}"
        if self.source.nested == 0:
            self._notes[f"{where}: not followed, since nested groups are switched off"] = None
        else:
            limit = f"it lies deeper than {self.source.nested} levels below {self.source}"
            self._reasons[f"{where}: not read, {limit}"] = None
            self._causes.add("depth")
