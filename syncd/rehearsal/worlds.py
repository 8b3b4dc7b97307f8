"""The world that a fault strikes: today's, as it is once everything that is planned today was done.

So a rehearsal means something before the first run too, when nothing is claimed yet. All of it is in memory: the ledger
and the store that a rehearsal sees remember it, ask the real ones for what it does not change, and can write nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncd.core.changes import Approval, MailboxPlan, Op, Orphan
from syncd.core.limits import Absence, Window
from syncd.core.model import (
    Asked,
    Claim,
    Contexts,
    Endpoint,
    GroupRead,
    Mailbox,
    MailboxRef,
    Observation,
    Observed,
    Pin,
    Users,
)
from syncd.decide import Decision
from syncd.facts import Facts, counted
from syncd.ledger.values import Cursor, Pause
from syncd.openxchange.base import ReadsAccounts, groups_in, users_in

_FIRST = 1_000_000_000
"""Ids of accounts that a rehearsal takes for created begin here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is owned and stored once the plan of today was made."""

    claims: Mapping[MailboxRef, Mapping[int, Claim]]
    accounts: Mapping[MailboxRef, tuple[Observed, ...]]
    primaries: Mapping[tuple[int, int], tuple[Endpoint, Endpoint | None]]
    counts: Mapping[tuple[MailboxRef, str], int]
    pins: Mapping[MailboxRef, Mapping[int, Pin]]
    fingerprints: Mapping[MailboxRef, str]
    invented: int
    """How many accounts exist only in the rehearsal: those that today's plan would make."""

    def has(self, ref: MailboxRef, user: int) -> bool:
        """Tell whether a user has an account of ours."""
        return user in self.claims.get(ref, {})


def after(facts: Facts, decision: Decision) -> Snapshot:
    """Give the world as it is once today's plan was done, held parts included."""
    claims = {ref: dict(owned) for ref, owned in facts.claims.items()}
    accounts = {ref: list(some) for ref, some in facts.observation.accounts.items()}
    invented = 0
    for plan in (judgement.plan for judgement in decision.judgements):
        ref = plan.mailbox.ref
        invented += _make(plan, claims.setdefault(ref, {}), accounts.setdefault(ref, []), invented)
    waited = [replace(one, held=frozenset()) for one in decision.judgements]
    return Snapshot(
        claims={ref: owned for ref, owned in claims.items() if owned},
        accounts={ref: tuple(some) for ref, some in accounts.items()},
        primaries=facts.observation.primaries,
        counts={**facts.counts, **counted(waited, facts)},
        pins=facts.pins,
        fingerprints={**facts.fingerprints, **decision.prints},
        invented=invented,
    )


def _make(plan: MailboxPlan, owned: dict[int, Claim], stored: list[Observed], invented: int) -> int:
    """Do in memory what a plan says; give how many accounts were made up."""
    made = 0
    for user in plan.forgotten:
        owned.pop(user, None)
    for claim in (*plan.recovered, *plan.refreshed):
        owned[claim.user] = claim
    for one in plan.adopted:
        owned[one.user] = Claim(one.user, one.account, True, one.member, one.dn, one.login, one.seal)
    for change in plan.changes:
        if change.op is Op.CREATE and change.new is not None:
            number = _FIRST + invented + made
            made += 1
            stored.append(
                Observed(change.context, change.user, number, plan.mailbox.address, True, "", change.new, True)
            )
            owned[change.user] = Claim(change.user, number, True, change.member, change.dn, change.login)
        else:
            place = change.user, change.account
            known = next((one for one in stored if (one.user, one.id) == place), None)
            if known is not None:
                stored.remove(known)
            if change.op is Op.DELETE:
                owned.pop(change.user, None)
            elif known is not None and change.new is not None:
                stored.append(known._replace(fields=change.new, password=True))
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedLedger:
    """Remembers what a rehearsal goes by; nothing was approved, nothing is paused, nothing was done lately."""

    snapshot: Snapshot
    orphaned: tuple[Orphan, ...] = ()

    def claims(self) -> dict[MailboxRef, dict[int, Claim]]:
        """Give all claims by mailbox and user."""
        return {ref: dict(owned) for ref, owned in self.snapshot.claims.items()}

    def counts(self) -> Mapping[tuple[MailboxRef, str], int]:
        """Give how many members each source has."""
        return self.snapshot.counts

    def cursors(self) -> Mapping[MailboxRef, Cursor]:
        """Give none, so that nothing waits for another read: what fails may fail for longer."""
        return {}

    def pins(self, now: datetime) -> Mapping[MailboxRef, Mapping[int, Pin]]:
        """Give the pins in force."""
        return {
            ref: {user: pin for user, pin in some.items() if pin.until is None or pin.until > now}
            for ref, some in self.snapshot.pins.items()
        }

    def absences(self) -> dict[MailboxRef, dict[int, Absence]]:
        """Give none: grace is over wherever it is asked for."""
        return {}

    def fingerprints(self) -> Mapping[MailboxRef, str]:
        """Give the fingerprint of each mapping."""
        return self.snapshot.fingerprints

    def windows(self, _since: datetime) -> dict[MailboxRef, Window]:
        """Give what was applied lately: nothing."""
        return {}

    def approvals(self, _since: datetime, _until: datetime) -> dict[MailboxRef, tuple[Approval, ...]]:
        """Give what is approved: nothing."""
        return {}

    def rejected(self) -> dict[MailboxRef, frozenset[str]]:
        """Give what is rejected: nothing."""
        return {}

    def paused(self, _now: datetime) -> tuple[Pause, ...]:
        """Give what is paused: nothing."""
        return ()

    def begun(self) -> dict[MailboxRef, datetime]:
        """Give when mailboxes were filled first; nobody asks without a rollout."""
        return {}

    def orphans(self, _configured: Collection[MailboxRef]) -> tuple[Orphan, ...]:
        """Give mailboxes that left the configuration: a rehearsal is not about them."""
        return self.orphaned

    def sightings(self) -> dict[tuple[str, MailboxRef], dict[str, datetime]]:
        """Give since when things stand open: they have just begun."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedStore:
    """Open-Xchange as it would be; users, groups and contexts are those of the real one, unless they are lost."""

    real: ReadsAccounts
    snapshot: Snapshot
    users_there: bool = True
    accounts_there: bool = True
    lost: Mapping[int, str] = field(default_factory=dict)

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Look users up."""
        if self.users_there:
            return users_in(self.real, asked)
        return {context: Users(context=context, exists=False, by_login={}) for context in asked}

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Read groups."""
        if self.users_there:
            return groups_in(self.real, asked)
        return {
            context: {name: GroupRead((), f"there is no group {name}") for name in names}
            for context, names in asked.items()
        }

    def users(self, context: int, asked: Asked) -> Users:
        """Look users of one context up."""
        return self.users_in({context: asked})[context]

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:
        """Read groups of one context."""
        return self.groups_in({context: names})[context]

    def contexts(self) -> Contexts:
        """Give the contexts that there are."""
        return self.real.contexts()

    def observe(self, mailboxes: Collection[Mailbox], _seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        """Give the accounts as they would be stored."""
        there = self.snapshot.accounts if self.accounts_there else {}
        return Observation(
            accounts={mailbox.ref: there.get(mailbox.ref, ()) for mailbox in mailboxes},
            primaries=self.snapshot.primaries,
        )
