"""What the directory said: members, whether they are all, and the proof of it.

The rule kept here: an answer that is not known to be whole says so itself (`complete`), wherever it travels. Members
are NamedTuples, since 100,000 of them may be alive at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from syncd.core.model import Rule, Source


class Member(NamedTuple):
    """An entry that a source yields: of the directory, or one that stands for an OX user."""

    id: str
    """Stable id: entryUUID or objectGUID as text in lower case; `dn:` + normalised DN where the server gives none.

    `ox:CONTEXT/USER` for a member of an OX group, `login:LOGIN` for a login that the configuration lists.
    """
    dn: str
    key: str
    """Normalised DN (`core.dn.normalise`)."""
    names: tuple[tuple[str, ...], ...]
    """One tuple for each of `rules`: the values to look for; empty where the entry lacks (or hides) what gives them."""
    path: tuple[str, ...]
    """DNs (or the filter) from the source to the group that lists the member; shared by all members of a group."""
    rules: tuple[Rule, ...]
    """How it becomes a user; shared by all members of a source."""
    contexts: tuple[str, ...] = ()
    """Where members choose their context (`Source.chooser`): what the entry says."""


Cause = Literal[
    "connection", "limit", "refused", "referral", "range", "foreign", "unreadable", "outside", "missing", "depth",
    "must_see", "invalid",
]  # fmt: skip
"""Why a source is not complete, for counting.

connection: no server, or it went away; limit: a size or time limit ended the answer; refused: any other error answer;
referral: the answer is on another server; range: the values of a group did not come to their end, or changed meanwhile;
foreign: a member of another domain that could not be resolved; unreadable: an entry that hides what it is, or a member
value that cannot be told present or absent; outside: a member outside of what this server holds; missing: the source
itself is not there; depth: nested deeper than allowed; must_see: the group that must be seen was not; invalid: a DN or
filter that is none.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a source's read consists of, so that its completeness can be checked by a person."""

    server: str = ""
    """URL of the server."""
    identity: str = ""
    """Who asked: the bind DN, `anonymous`, or the SASL mechanism and identity."""
    pages: int = 0
    """Pages of results that came for this source alone; entries shared with other sources are not counted twice."""
    ranges: int = 0
    """Answers with a range of values that were joined."""
    groups: int = 0
    """Groups entered, the source itself included."""
    values: Mapping[str, int] = field(default_factory=dict)
    """Member values (or entries found) by class: user, group, disabled, expired, foreign, outside, not found,
    not readable, and `ignored KIND` (computer, contact, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRead:
    """What one source yielded, and whether that is known to be everything."""

    source: Source
    members: Mapping[str, Member]
    """By stable id. Entries of a group that are groups themselves are expanded, not listed."""
    complete: bool
    reasons: tuple[str, ...] = ()
    """Why it is not complete; empty when it is. Each names the server and the DN."""
    causes: frozenset[Cause] = frozenset()
    """The same, for counting."""
    disabled: Mapping[str, Member] = field(default_factory=dict)
    """By stable id: members that were read as disabled or expired, where that takes the mailbox away."""
    dangling: Mapping[str, str] = field(default_factory=dict)
    """Member values whose entry was not found, where that keeps the account: normalised DN (or `memberuid=VALUE`) →
    value as written."""
    notes: tuple[str, ...] = ()
    """Things worth telling that make nothing incomplete: a cycle, the depth limit reached in an exclusion, ..."""
    primary: frozenset[str] = frozenset()
    """Stable ids of members who have the last group of their path as their primary group; it does not list them."""
    proof: Proof = Proof()


class Search(NamedTuple):
    """A search for entries that each describe a mailbox."""

    directory: str
    """Name of the directory; empty where there is one."""
    filter: str
    base: str | None
    """None = the directory's base."""
    scope: Literal["base", "one", "sub"]
    attributes: tuple[str, ...]
    """What its templates need, in lower case, sorted."""


class Found(NamedTuple):
    """An entry that a search found."""

    dn: str
    key: str
    """Normalised DN."""
    attributes: Mapping[str, tuple[str, ...]]
    """Values as text by attribute name in lower case; what the entry lacks is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What one search found, and whether that is known to be everything."""

    found: tuple[Found, ...] = ()
    """Sorted by key."""
    complete: bool = True
    reasons: tuple[str, ...] = ()
    causes: frozenset[Cause] = frozenset()


class Answered(NamedTuple):
    """The server of one directory that answered."""

    server: str
    """Its URL."""
    counter: str | None
    """Its change counter: values `time#count#replica#mod`, sorted, blank-separated; None where it has none.

    OpenLDAP's contextCSN has this form. A plain number n of another server is written as twenty digits in place of the
    time, with the server's own id as the replica, so that the same comparison holds.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRead:
    """Everything one run read from the directories."""

    answered: Mapping[str, Answered] = field(default_factory=dict)
    """By directory name ("" where there is one); a directory of which no server answered is not there."""
    reads: Mapping[Source, SourceRead] = field(default_factory=dict)
    discoveries: Mapping[Search, Discovery] = field(default_factory=dict)
    operations: int = 0
    """How many LDAP operations it took."""

    @property
    def server(self) -> str:
        """URLs of the servers that answered, blank-separated; empty when none did."""
        return " ".join(answered.server for _, answered in sorted(self.answered.items()))
