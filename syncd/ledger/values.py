"""The values that go into the ledger and come out of it, as far as they are not already values of the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from syncd.core.changes import Change, Op
from syncd.core.model import MailboxRef, Secret

Rows = Mapping[str, object]
"""Stored rows of an account as a mapping that JSON can hold; keys that end in `password` are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOptions:
    """Where the ledger is and how it is reached; the TLS part and the timeouts are for MySQL and MariaDB only."""

    url: str
    """`sqlite:////absolute/path.db`, or `mysql+pymysql://user@host[:port]/database`, never with a password in it."""
    password: Secret | None = None
    tls: bool = True
    """False = plain TCP. Not asked of a Unix socket."""
    ca: str | None = None
    """File with the certificates to trust; None = those of the system."""
    verify: bool = True
    """False = any certificate passes."""
    connect_timeout: float = 5.0
    """Seconds."""
    read_timeout: float = 30.0
    """Seconds that a statement may take."""
    lock_timeout: float = 10.0
    """Seconds to wait for another writer's transaction."""


class Cursor(NamedTuple):
    """The directory server of a mailbox's last complete read, and its change counter then."""

    server: str
    counter: str | None
    confirmed: bool
    """False = the server changed or its counter went back, and a second complete read is still wanted."""


class Intent(NamedTuple):
    """A change that is about to be made in Open-Xchange."""

    change: Change
    ref: MailboxRef
    account: int
    """Of a create, the id reserved for it; UNNUMBERED where the ids are the server's."""
    old: Rows | str | None = None
    """The stored rows before, as a mapping or as ready JSON (then already without passwords)."""
    new: Rows | str | None = None
    """The rows after, likewise; None = the fields of the change."""


class Unsettled(NamedTuple):
    """A change of a run that died between announcing it and noting what became of it."""

    seq: int
    run: str
    mailbox: MailboxRef
    user: int
    account: int | None
    op: Op
    new: Mapping[str, object] | None
    """What was to be written: the JSON given with the intent, else the names and values of `Fields`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPlan:
    """What a limit stopped, until it is approved or is no longer the plan."""

    digest: str
    ref: MailboxRef
    address: str
    created: datetime
    objections: tuple[Mapping[str, object], ...]
    """Each with limit, directions, value, allowed and message."""
    plan: Mapping[str, object]
    """`changes` (at most 1,000 of them, as in the JSON output) and `total`."""
    state: str
    """held, approved or rejected."""
    approved_at: datetime | None = None
    approved_by: str | None = None
    rejected_at: datetime | None = None
    rejected_by: str | None = None
    items: frozenset[str] | None = None
    """All of what is held, as `core.digest.items` names it; None = an older syncd held it, only its digest is known."""
    told: frozenset[str] = frozenset()
    """By which channels people were told that it is held."""


class Standing(NamedTuple):
    """That a plan is held, without the plan."""

    ref: MailboxRef
    digest: str
    state: str
    """held, approved or rejected."""
    told: frozenset[str]
    """By which channels people were told."""


class Pause(NamedTuple):
    """A person's word that nothing is applied for a while."""

    ref: MailboxRef | None
    """None = to no mailbox at all."""
    until: datetime | None
    """When it ends; None = when a person ends it."""
    by: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the journal: a change, or what a person or a run decided."""

    seq: int
    run: str
    """Empty where no run did it."""
    command: str
    """What the run was started by; empty where no run did it, or it is forgotten."""
    at: datetime
    ref: MailboxRef | None
    """None = it is about all mailboxes."""
    address: str
    user: int
    """0 = it is about no single user."""
    login: str
    account: int | None
    op: str
    """create, update, delete; adopt, forget, release; pin, unpin, pause, resume; approve, reject, expire."""
    path: tuple[str, ...]
    reason: str
    old: Rows | None
    """The stored rows before, without passwords."""
    new: Rows | None
    """What was to be written, likewise."""
    result: str
    """applied, failed, abandoned (a run died before it was made), or pending (what became of it is not known)."""
    error: str | None
    hash: str | None
    """None = it was written before the journal was a chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of comparing the journal with its chain of hashes."""

    entries: int
    """Those that the chain covers and that are there, conclusions included."""
    first: datetime | None
    """Time of the first of them."""
    last: datetime | None
    head: str
    """The hash at the end of the chain; whoever keeps a copy elsewhere notices a chain that was made anew."""
    older: int
    """Entries from before there was a chain: nothing vouches for them."""
    pruned: int
    """Entries that were removed when they were old enough."""
    pruned_at: datetime | None
    """When some were removed last."""
    problems: tuple[str, ...]
    """What is wrong, with the seq of the entry; empty = nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as the ledger remembers it."""

    run: str
    command: str
    started: datetime
    finished: datetime | None
    result: str
    """running, ok, held, incomplete, failed, or interrupted (it never came to its end)."""
    partial: bool
    """Whether only some of the configured mailboxes were asked for."""
    server: str
    """URL of the directory server that was read."""
    summary: Mapping[str, int]
    """Numbers by name: create, update, delete, adopted, unchanged, held, withheld, failed, ..."""
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxStatus:
    """What the last run that covered a mailbox found."""

    ref: MailboxRef
    address: str
    orphaned_since: datetime | None
    claims: int
    """Claims in the ledger now."""
    run: str | None = None
    """The last run that covered it; None = no run did, and the rest is empty."""
    at: datetime | None = None
    desired: int = 0
    observed: int = 0
    """Accounts stored after the run."""
    failed: int = 0
    """Changes that could not be made."""
    waiting: int = 0
    complete: bool = False
    reasons: tuple[str, ...] = ()
    idle: str = ""
    """Why the run applied nothing to it, whatever it found; empty = nothing stood against it."""
    held: tuple[str, ...] = ()
    """Directions that were held."""
    held_digest: str | None = None
    withheld: int = 0
    unresolved: int = 0
    conflicts: int = 0
