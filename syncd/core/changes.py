"""What is to be done, what is not and why, and what became of it.

Values like those of `model`, made by `plan` and `guard`, and after the run by the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from syncd.core.model import Claim, Fields, Mailbox, MailboxRef, Source
from syncd.core.reads import Cause, Proof

# --------------------------------------------------------------------------- the plan


class Op(StrEnum):
    """What a change does to an account."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


BY_HAND = "by hand"
"""First step of the path of a change that a person makes; the second one names the person."""


class Direction(StrEnum):
    """What a limit counts; each is held alone."""

    ADDITIONS = "additions"
    UPDATES = "updates"
    REMOVALS = "removals"


DIRECTION: Mapping[Op, Direction] = MappingProxyType(
    {Op.CREATE: Direction.ADDITIONS, Op.UPDATE: Direction.UPDATES, Op.DELETE: Direction.REMOVALS}
)
"""Which limit counts an operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One account to create, update or delete."""

    op: Op
    context: int
    user: int
    login: str
    mailbox: str
    account: int | None
    """Id of the account; None for a create."""
    member: str = ""
    dn: str = ""
    path: tuple[str, ...] = ()
    old: Fields | None = None
    new: Fields | None = None
    """The fields wanted; for `source: primary` the urls are empty text until the account is created."""
    password: bool = False
    """Whether the passwords are (also) written."""
    reason: str = ""

    def changed(self) -> dict[str, tuple[object, object]]:
        """Give the fields that differ, name → (old, new); a password shows as stars."""
        old: tuple[object, ...] = self.old or (None,) * len(Fields._fields)
        new: tuple[object, ...] = self.new or (None,) * len(Fields._fields)
        found = {name: (a, b) for name, a, b in zip(Fields._fields, old, new, strict=True) if a != b}
        if self.password:
            found["password"] = (None if self.old is None else "***", "***")
        return found


class Adoption(NamedTuple):
    """An existing account that becomes ours."""

    user: int
    login: str
    account: int
    member: str
    dn: str
    path: tuple[str, ...]
    seal: bytes | None


class Notice(NamedTuple):
    """One account or member about which something is not, or not yet, done."""

    user: int | None
    login: str
    member: str
    """DN of the directory entry, where there is one."""
    op: str
    """The operation not made: create, update, delete; empty where none was meant."""
    reason: str
    account: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A limit that a mailbox's plan exceeds."""

    limit: str
    """removals, additions, updates, suddenly_empty, vanished, configuration, rejected; of several mailboxes together:
    context, removals_per_run."""
    directions: frozenset[Direction]
    value: int
    allowed: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxPlan:
    """All that is to be done, and not to be done, for one mailbox."""

    mailbox: Mailbox
    complete: bool
    reasons: tuple[str, ...] = ()
    """Why it is not complete."""
    unread: bool = False
    """Whether Open-Xchange could not be asked about its context: nothing is decided, and nothing is learned."""
    notes: tuple[str, ...] = ()
    """What is worth telling of the reads and makes nothing incomplete."""
    causes: tuple[Cause, ...] = ()
    """Why it is not complete, for counting: one for each source and cause."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """What each source's read consists of, by name of the source."""
    desired: int = 0
    observed: int = 0
    claimed: int = 0
    unchanged: int = 0
    changes: tuple[Change, ...] = ()
    """Sorted: deletes, updates, creates; each by user."""
    adopted: tuple[Adoption, ...] = ()
    withheld: tuple[Notice, ...] = ()
    waiting: tuple[Notice, ...] = ()
    conflicts: tuple[Notice, ...] = ()
    unresolved: tuple[Notice, ...] = ()
    dangling: tuple[str, ...] = ()
    """Member values without an entry, as written."""
    drift: tuple[Notice, ...] = ()
    """Accounts copied from a primary account that has changed since; reported, never repaired."""
    forgotten: tuple[int, ...] = ()
    """Users whose claim ends without a change: neither desired nor stored any more."""
    recovered: tuple[Claim, ...] = ()
    """Pending claims whose account is there: a run died between writing it and noting it."""
    refreshed: tuple[Claim, ...] = ()
    """Held claims whose member id, DN, login or seal is to be noted anew."""
    missing: int = 0
    """Held claims whose user exists but whose account does not."""
    gone: int = 0
    """Held claims whose user is not in the context any more, while others are."""
    emptied: tuple[Source, ...] = ()
    """Sources that had members at the last complete read and now have none."""
    lost: tuple[tuple[Source, str], ...] = ()
    """Groups in sources that had members then, and are listed without an entry now: source and DN as written."""
    blank: tuple[Source, ...] = ()
    """Excluding sources that name nobody and were never read before."""
    configuration: bool = False
    """Whether its mapping is another one than at the last run that left nothing open."""
    absent: tuple[int, ...] = ()
    """Users of whom this read, a complete one, says that their account is to be removed; some of them still wait."""
    returned: tuple[int, ...] = ()
    """Users who were absent at an earlier read and are not any more."""
    others: int = 0
    """Unclaimed secondary accounts of users not desired that `extra: leave` leaves alone."""
    extras: int = 0
    """Unclaimed secondary accounts of users not desired that `extra: remove` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A mailbox's plan with what the guard says to it."""

    plan: MailboxPlan
    objections: tuple[Objection, ...] = ()
    held: frozenset[Direction] = frozenset()
    """Directions of which nothing is applied."""
    digest: str = ""
    """Of all changes and adoptions of the mailbox."""
    held_digest: str | None = None
    """Of those that are held; what `approve` releases. None when nothing is held."""
    approved: str | None = None
    """The digest whose approval released this plan."""
    exceeded: str | None = None
    """The digest whose approval was not enough, since what is held has more than was approved."""
    beyond: frozenset[str] = frozenset()
    """What is held and was not approved under that digest, as `core.digest.items` names it."""
    idle: str = ""
    """Why nothing is applied to the mailbox now, whatever the plan says; empty = nothing stands against it."""


class Approval(NamedTuple):
    """A person's consent to what was held."""

    digest: str
    items: frozenset[str] | None = None
    """What was held, as `core.digest.items` names it; None = only the digest is known."""
    limits: frozenset[str] | None = None
    """The limits that objected to it; None = consent whatever objects."""


# --------------------------------------------------------------------------- what became of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one change."""

    change: Change
    result: Literal["applied", "failed"]
    account: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A mailbox that left the configuration while accounts of it are claimed."""

    address: str
    context: int
    claimed: int
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run, from its start to its end; what the JSON, the metrics and the ledger's run row are made from."""

    run: str
    started: datetime
    finished: datetime
    judgements: tuple[Judgement, ...]
    outcomes: tuple[Outcome, ...] = ()
    """Empty for a plan."""
    applied: bool = False
    """Whether changes were applied (a run) or only computed (a plan)."""
    orphans: tuple[Orphan, ...] = ()
    errors: tuple[str, ...] = ()
    """Errors of systems that the run survived, as lines for people (a context refused, a batch lost)."""
    warnings: tuple[str, ...] = ()
    """What went wrong without harm to what was written, as lines for people."""
    deferred: int = 0
    """Changes left to the next run by the brake."""
    uninvalidated: int = 0
    """Changes that Open-Xchange was not told of, and notices by and by."""
    server: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)
    """Seconds by phase: directory, users, observe, ledger, plan, apply, record."""
    partial: bool = False
    """Whether only some of the configured mailboxes were asked for."""
    problems: tuple[str, ...] = ()
    """Errors of data outside of any mailbox, as lines for people: a discovered entry without an address, ..."""
    undiscovered: tuple[str, ...] = ()
    """Why a discovery is not complete, so that not all mailboxes are known; empty when all were read to the end."""
    causes: tuple[Cause, ...] = ()
    """The same, for counting."""
    since: Mapping[tuple[str, MailboxRef], Mapping[str, datetime]] = field(default_factory=dict)
    """("withheld" | "dangling" | "unresolved" | "held", mailbox) → what stands open, and since when."""

    def oldest(self, kind: str, mailbox: MailboxRef) -> datetime | None:
        """Give since when the oldest of a kind stands open in a mailbox; None = nothing does."""
        return min(self.since.get((kind, mailbox), {}).values(), default=None)

    @property
    def complete(self) -> bool:
        """Whether every mailbox's sources, and what says which mailboxes there are, were read to the end."""
        return not self.undiscovered and all(judgement.plan.complete for judgement in self.judgements)
