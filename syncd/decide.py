"""Decide what one run does: who should have what, what to change for that, and what the guard says to it.

Everything that decides is in `core`; here it is asked in order, and the users whom it needs to know are looked up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from syncd.core.changes import Approval, Judgement, MailboxPlan
from syncd.core.desire import Desired, desire
from syncd.core.fingerprint import edited, fingerprint
from syncd.core.guard import judge
from syncd.core.limits import Ceilings, Rollout, Window
from syncd.core.model import Mailbox, MailboxRef, Users
from syncd.core.patterns import told_once
from syncd.core.plan import plan
from syncd.core.rollout import put_off
from syncd.core.unread import not_read
from syncd.errors import StoreRefused
from syncd.facts import Facts
from syncd.ledger.values import Pause
from syncd.openxchange.base import AccountStore
from syncd.people import members_of, with_leavers

STAGING = "staging: what is to be done is computed and reported only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the ledger remembers that lets a plan pass, or stops it."""

    windows: Mapping[MailboxRef, Window]
    approvals: Mapping[MailboxRef, Collection[Approval]]
    pauses: Collection[Pause] = ()
    begun: Mapping[MailboxRef, datetime] = field(default_factory=dict)
    """When each mailbox got its first account of ours."""
    rejected: Mapping[MailboxRef, Set[str]] = field(default_factory=dict)
    """What a person has rejected, as `core.digest.items` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, and what it was decided by."""

    judgements: tuple[Judgement, ...]
    desired: Mapping[MailboxRef, Desired]
    """Of the mailboxes of which Open-Xchange could be read."""
    users: Mapping[int, Users]
    """By context; those of claims are in `ids`."""
    prints: Mapping[MailboxRef, str]
    """The fingerprint of each mapping now."""


class Examination(NamedTuple):
    """What a plan is made from, for who wants to look closer than its report does."""

    at: datetime
    """When it began."""
    facts: Facts
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who is asked for users, and what is configured beside the mailboxes."""

    store: AccountStore
    phase: Callable[[str], AbstractContextManager[None]]
    now: datetime
    ceilings: Ceilings
    rollout: Rollout | None = None
    readers: Mapping[str, str] = field(default_factory=dict)
    """How each directory's entries are read, as text, by name."""

    def decide(self, facts: Facts, consent: Callable[[], Consent]) -> Decision:
        """Compare what was gathered, and let the guard object.

        Args:
            facts: what was gathered.
            consent: gives what the ledger remembers; asked last, when the plans are made.

        Raises:
            StoreError: users cannot be looked up, or the database is another one.
        """
        by_context: dict[int, list[Mailbox]] = defaultdict(list)
        for mailbox in facts.mailboxes:
            by_context[mailbox.context].append(mailbox)
        with self.phase("users"):
            known, unread = members_of(self.store, by_context, facts)
        with self.phase("plan"):
            desired = {
                context: [
                    desire(one, facts.reads, users, facts.counts, facts.pins.get(one.ref))
                    for one in by_context[context]
                ]
                for context, users in known.items()
            }
        with self.phase("users"):
            known, lost = with_leavers(self.store, known, desired, facts)
        if known and not any(users.exists for users in known.values()) and any(facts.claims.values()):
            raise StoreRefused(
                "none of the configured contexts has a user in this database",
                hint="is openxchange.database.url the right one? Nothing was changed and no claim was given up",
            )
        with self.phase("plan"):
            wishes = {one.mailbox.ref: one for context in known for one in desired[context]}
            prints = {one.ref: fingerprint(one, self.readers) for one in facts.mailboxes if one.sources}
            plans = {ref: self._planned(one, known[ref.context], facts, prints) for ref, one in wishes.items()}
            for context, reason in {**unread, **lost}.items():
                plans |= {one.ref: not_read(one, facts.claims.get(one.ref, {}), reason) for one in by_context[context]}
            plans = told_once(plans)
            told = consent()
            ordered = [plans[mailbox.ref] for mailbox in facts.mailboxes]
            idle = _idle(facts.mailboxes, told.pauses)
            idle |= put_off(ordered, told.begun, self.rollout, self.now, idle)
            others = {
                one.ref: sum(claim.held for claim in facts.claims.get(one.ref, {}).values())
                for one in facts.census.configured
                if one.ref not in plans
            }
            judgements = judge(
                ordered,
                told.windows,
                told.approvals,
                self.ceilings,
                idle,
                rejected=told.rejected,
                others=others,
            )
        return Decision(judgements=judgements, desired=wishes, users=known, prints=prints)

    def _planned(self, desired: Desired, users: Users, facts: Facts, prints: Mapping[MailboxRef, str]) -> MailboxPlan:
        ref = desired.mailbox.ref
        planned = plan(
            desired,
            facts.observation.accounts.get(ref, ()),
            facts.claims.get(ref, {}),
            users,
            facts.observation.primaries,
            wait=facts.wait_reason(desired.mailbox),
            absences=facts.absences.get(ref, {}),
            now=self.now,
        )
        if not edited(facts.fingerprints.get(ref), prints.get(ref, "")):
            return planned
        changes = tuple(
            replace(one, reason="; ".join(filter(None, (one.reason, "its configuration has changed"))))
            for one in planned.changes
        )
        return replace(planned, changes=changes, configuration=True)


def _idle(mailboxes: Collection[Mailbox], pauses: Collection[Pause]) -> dict[MailboxRef, str]:
    """Give the mailboxes to which nothing is applied, with the reason."""
    paused = {pause.ref: pause for pause in pauses}
    found = {}
    for mailbox in mailboxes:
        pause = paused.get(mailbox.ref) or paused.get(None)
        if pause is not None:
            until = f" until {pause.until:%F %H:%M} UTC" if pause.until else ""
            found[mailbox.ref] = f"paused by {pause.by}{until}"
        elif mailbox.staging:
            found[mailbox.ref] = STAGING
    return found
