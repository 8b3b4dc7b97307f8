"""What one run gathered, and what of it the next one has to know: member counts, cursors, what stands open.

The rule kept here: what was not read to its end, or led to nothing yet, leaves what is remembered as it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core import continuity, nested
from syncd.core.address import collation_key
from syncd.core.changes import Direction, Judgement, Op, Orphan, Outcome
from syncd.core.desire import count
from syncd.core.limits import Absence
from syncd.core.model import Claim, Mailbox, MailboxRef, Observation, Observed, Pin, Source
from syncd.core.reads import Cause, DirectoryRead, SourceRead
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Cursor, Unsettled

Claims = Mapping[MailboxRef, Mapping[int, Claim]]
Counts = Mapping[tuple[MailboxRef, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Which mailboxes there are."""

    configured: tuple[Mailbox, ...]
    """All: what is claimed and not among them is orphaned, unless not all are known."""
    found: tuple[Mailbox, ...] = ()
    """Those of them that a pattern stands for."""
    problems: tuple[str, ...] = ()
    """What patterns could not make a mailbox of."""
    undiscovered: tuple[str, ...] = ()
    """Why a search is not complete."""
    causes: tuple[Cause, ...] = ()
    """The same, for counting."""
    unclear: frozenset[str] = frozenset()
    """Keys of addresses that were found and have a problem: they did not leave the configuration."""

    @property
    def whole(self) -> bool:
        """Whether all searches came to their end, so that what is neither configured nor unclear has left."""
        return not self.undiscovered


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The three sets, gathered, and what the ledger remembers beside them."""

    mailboxes: tuple[Mailbox, ...]
    """Those to reconcile."""
    census: Census
    read: DirectoryRead
    reads: Mapping[Source, SourceRead]
    """Of every source of the mailboxes, whoever was asked for it."""
    observation: Observation
    claims: Claims
    counts: Counts
    cursors: Mapping[MailboxRef, Cursor]
    pins: Mapping[MailboxRef, Mapping[int, Pin]] = field(default_factory=dict)
    absences: Mapping[MailboxRef, Mapping[int, Absence]] = field(default_factory=dict)
    fingerprints: Mapping[MailboxRef, str] = field(default_factory=dict)

    def wait_reason(self, mailbox: Mailbox) -> str | None:
        """Say why the removals of a mailbox wait for another complete read of its members; None = they do not."""
        cursor = self.cursors.get(mailbox.ref)
        last = (cursor.server, cursor.counter) if cursor else None
        server, counter = self.answered(mailbox)
        if server:
            return continuity.wait_reason(last, server, counter)
        names = sorted({source.directory for source in mailbox.sources if source.from_directory})
        known = {name: self.read.answered[name] for name in names if name in self.read.answered}
        return continuity.partial_wait_reason(last, known)

    def answered(self, mailbox: Mailbox) -> tuple[str, str | None]:
        """Give the servers that the members of a mailbox were read from, and their change counters, as one text each.

        The server is empty where none was asked, or one of them did not answer.
        """
        names = sorted({source.directory for source in mailbox.sources if source.from_directory})
        answers = [self.read.answered.get(name) for name in names]
        known = [answer for answer in answers if answer is not None]
        if not known or len(known) < len(answers):
            return "", None
        if len(known) == 1:
            return known[0]
        counters = [
            continuity.qualified(answer.counter, name)
            for name, answer in zip(names, known, strict=True)
            if answer.counter is not None
        ]
        return " ".join(answer.server for answer in known), " ".join(counters) or None


def counted(judgements: Sequence[Judgement], facts: Facts) -> dict[tuple[MailboxRef, str], int]:
    """Give how many members each source had, as the next run compares it.

    A source that is suddenly empty keeps its old number as long as what follows from it is held, or waits, or is
    withheld since another source is incomplete: else the next run would find nothing sudden about it. An exclusion that
    is new and names nobody gets none so long. Of a group in a source is noted whether members came through it: 1 or 0.
    """
    found: dict[tuple[MailboxRef, str], int] = {}
    names: dict[MailboxRef, set[str]] = defaultdict(set)
    for ref, name in facts.counts:
        names[ref].add(name)
    for judgement in judgements:
        mailbox = judgement.plan.mailbox
        if judgement.plan.unread:
            continue
        held = {Direction.REMOVALS, Direction.ADDITIONS} & judgement.held
        unfinished = held or judgement.idle or judgement.plan.waiting or judgement.plan.withheld
        for source in (*mailbox.sources, *mailbox.exclude):
            read = facts.reads[source]
            if not read.complete:
                continue
            if not (unfinished and source in (*judgement.plan.emptied, *judgement.plan.blank)):
                found[mailbox.ref, str(source)] = count(mailbox, read)
            groups = nested.noted(read, names[mailbox.ref], keep=bool(unfinished))
            found |= {(mailbox.ref, name): some for name, some in groups.items()}
    return found


def absences(
    judgements: Sequence[Judgement], outcomes: Sequence[Outcome], facts: Facts, now: datetime
) -> dict[MailboxRef, dict[int, Absence]]:
    """Give who is absent after this read; what it could not decide about stays as it was.

    Reads are counted as far as the grace asks, so that a removal that is held for long is not written at every run.
    """
    removed = {
        (one.change.context, one.change.mailbox, one.change.user)
        for one in outcomes
        if one.change.op is Op.DELETE and one.result == "applied"
    }
    found: dict[MailboxRef, dict[int, Absence]] = {}
    for plan in (judgement.plan for judgement in judgements if not judgement.plan.unread):
        mailbox, known = plan.mailbox, facts.absences.get(plan.mailbox.ref, {})
        there = (user for user in plan.absent if (mailbox.context, mailbox.address, user) not in removed)
        now_absent = {}
        for user in there:
            before = known.get(user, Absence(0, now))
            reads = min(before.reads + 1, max(mailbox.grace.reads, 1))
            now_absent[user] = Absence(reads, min(before.since, now))  # the clock may have been ahead
        undecided = {one.user for one in (*plan.withheld, *plan.waiting) if one.op == Op.DELETE} - now_absent.keys()
        kept = {user: absence for user, absence in known.items() if user in undecided}
        if known or now_absent:
            found[mailbox.ref] = kept | now_absent
    return found


def understood(
    judgements: Sequence[Judgement], facts: Facts, prints: Mapping[MailboxRef, str]
) -> dict[MailboxRef, str]:
    """Give the fingerprints of mappings from which nothing follows any more that was not done.

    A mapping that was never seen is new, and not edited.
    """
    return {
        plan.mailbox.ref: prints[plan.mailbox.ref]
        for judgement in judgements
        if (plan := judgement.plan).mailbox.ref in prints and not plan.unread
        if plan.mailbox.ref not in facts.fingerprints
        or not (judgement.idle or judgement.held or plan.waiting or plan.withheld or not plan.complete)
    }


def advanced(judgements: Sequence[Judgement], facts: Facts) -> dict[MailboxRef, Cursor]:
    """Remember the server for the mailboxes whose members were all read; for others that of the last read stands.

    So it does where no directory was asked: nothing was learned about any.
    """
    return {
        mailbox.ref: Cursor(*facts.answered(mailbox), facts.wait_reason(mailbox) is None)
        for mailbox in (judgement.plan.mailbox for judgement in judgements if not judgement.plan.unread)
        if facts.answered(mailbox)[0] and all(facts.reads[source].complete for source in mailbox.sources)
    }


def sightings(judgements: Sequence[Judgement]) -> dict[tuple[str, MailboxRef], frozenset[str]]:
    """Give what stands open per mailbox, so that the ledger can tell since when."""
    found: dict[tuple[str, MailboxRef], frozenset[str]] = {}
    for judgement in judgements:
        plan, ref = judgement.plan, judgement.plan.mailbox.ref
        found["withheld", ref] = frozenset(f"{notice.op} {notice.user}" for notice in plan.withheld)
        found["dangling", ref] = frozenset(plan.dangling)
        found["unresolved", ref] = frozenset(notice.member for notice in plan.unresolved)
        found["held", ref] = frozenset((judgement.held_digest,)) if judgement.held_digest else frozenset()
    return found


def became(entries: Iterable[Unsettled], stored: Mapping[tuple[MailboxRef, int], Sequence[Observed]]) -> dict[int, str]:
    """Give what became of changes whose run died (seq → result), by what is stored now of each mailbox and user."""
    return {
        entry.seq: continuity.settle(
            entry.op, entry.account or 0, entry.new, stored.get((entry.mailbox, entry.user), ())
        )
        for entry in entries
    }


def register(ledger: Ledger, census: Census) -> None:
    """Make all mailboxes known to the ledger; those that left are orphaned, unless that cannot be told."""
    known = [(mailbox.ref, mailbox.address) for mailbox in census.configured]
    ledger.register(known, whole=census.whole, unclear=census.unclear)


def orphans(ledger: Ledger, census: Census) -> tuple[Orphan, ...]:
    """Give the claimed mailboxes that left; where not all are known, those that had left before."""
    found = ledger.orphans([mailbox.ref for mailbox in census.configured])
    return tuple(
        one
        for one in found
        if (census.whole or one.since is not None) and collation_key(one.address) not in census.unclear
    )
