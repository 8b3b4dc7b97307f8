"""What one run gathered, and what of it the next one has to know: member counts, cursors, what stands open.

The rule kept here: what was not read to its end, or led to nothing yet, leaves what is remembered as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncd.core import continuity
from syncd.core.changes import Direction, Judgement
from syncd.core.model import Claim, DirectoryRead, MailboxRef, Observation
from syncd.ledger.values import Cursor

Claims = Mapping[MailboxRef, Mapping[int, Claim]]
Counts = Mapping[tuple[MailboxRef, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The three sets, gathered, and what the ledger remembers beside them."""

    read: DirectoryRead
    observation: Observation
    claims: Claims
    counts: Counts
    cursors: Mapping[MailboxRef, Cursor]

    def wait_reason(self, ref: MailboxRef) -> str | None:
        """Say why the removals of a mailbox wait for another complete read of its members; None = they do not."""
        cursor = self.cursors.get(ref)
        last = (cursor.server, cursor.counter) if cursor else None
        return continuity.wait_reason(last, self.read.server, self.read.counter)


def counted(judgements: Sequence[Judgement], facts: Facts) -> dict[tuple[MailboxRef, str], int]:
    """Give how many members each source had, as the next run compares it.

    A source that is suddenly empty keeps its old number as long as what follows from it is held, or waits, or is
    withheld since another source is incomplete: else the next run would find nothing sudden about it.
    """
    found: dict[tuple[MailboxRef, str], int] = {}
    for judgement in judgements:
        mailbox = judgement.plan.mailbox
        held = {Direction.REMOVALS, Direction.ADDITIONS} & judgement.held
        unfinished = held or judgement.plan.waiting or judgement.plan.withheld
        for source in (*mailbox.sources, *mailbox.exclude):
            read = facts.read.reads[source]
            if read.complete and not (unfinished and source in judgement.plan.emptied):
                found[mailbox.ref, str(source)] = len(read.members)
    return found


def advanced(judgements: Sequence[Judgement], facts: Facts) -> dict[MailboxRef, Cursor]:
    """Remember the server for the mailboxes whose members were all read; for others that of the last read stands."""
    read = facts.read
    return {
        mailbox.ref: Cursor(read.server, read.counter, facts.wait_reason(mailbox.ref) is None)
        for mailbox in (judgement.plan.mailbox for judgement in judgements)
        if mailbox.sources and all(read.reads[source].complete for source in mailbox.sources)
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
