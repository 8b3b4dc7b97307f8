"""The inverse of what was done, as the journal tells it: `syncd undo`, apart from its words.

What becomes of a single entry is in `inverse`. All of it goes through the same guard as a run and is written as all
that persons do: pins first, so that what dies half way is finished by the next run. It is looked at twice, the second
time while nobody else writes. A new account gets a new id: Open-Xchange never gives one twice. Done twice there is
nothing to do the second time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from syncd.byhand.asking import Exit, HandError
from syncd.byhand.inverse import OPS, Step, inverses, reason_of
from syncd.byhand.standing import Standing, look
from syncd.byhand.work import Hand, Work
from syncd.core.changes import BY_HAND, Approval, Change, Judgement, MailboxPlan, Op
from syncd.core.desire import Desired
from syncd.core.guard import RELEASE, judge
from syncd.core.limits import Ceilings
from syncd.core.model import MailboxRef, Pin
from syncd.ledger.values import Entry
from syncd.openxchange.edit import EditsAccounts

_ORDER = {Op.DELETE: 0, Op.UPDATE: 1, Op.CREATE: 2}
_K = TypeVar("_K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What an undo would do."""

    steps: tuple[Step, ...]
    judgements: tuple[Judgement, ...]
    """Of the mailboxes to which it would do something."""

    @property
    def refused(self) -> tuple[Step, ...]:
        """Those that cannot be done."""
        return tuple(step for step in self.steps if step.refused)

    @property
    def held(self) -> tuple[Judgement, ...]:
        """Mailboxes where a limit objects."""
        return tuple(one for one in self.judgements if one.held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What is to be undone, and what was said to it."""

    hand: Hand
    entries: Sequence[Entry]
    """Those that were not applied, or have no inverse, are left out."""
    desired: Mapping[MailboxRef, Desired]
    """Whom the sources name, pins apart; of the mailboxes that a run looks after."""
    ceilings: Ceilings
    """What mailboxes together may change."""
    pinning: bool = False
    """Whether users may be pinned."""
    partial: bool = False
    """Whether what is refused is left out, and the rest done."""
    approved: Sequence[str] = ()
    """Digests that the person has seen."""

    def prepare(self) -> Undoing:
        """Plan the inverse, and let the guard object.

        Raises:
            HandError, StoreError, LedgerError: how things stand cannot be read.
        """
        chosen = [one for one in self.entries if one.op in OPS and one.result == "applied" and one.ref is not None]
        standings = look(self.hand, chosen, self.desired)
        together: dict[tuple[MailboxRef | None, int], list[Entry]] = defaultdict(list)
        for entry in chosen:
            together[entry.ref, entry.user].append(entry)
        steps = [
            step
            for (ref, _), some in together.items()
            if ref is not None
            for step in inverses(self.hand, some, standings[ref], pinning=self.pinning)
        ]
        steps.sort(key=lambda one: one.entry.seq)
        return Undoing(steps=tuple(steps), judgements=self._judged(steps, standings))

    def perform(self) -> tuple[Undoing, Work]:
        """Look once more while nobody else writes, and do it; give what was done.

        Raises:
            HandError: things have changed, so that not all can be done; nothing was done.
            HandError, StoreError, LedgerError: nothing, or not all, could be done; the message says which.
        """
        refs = {entry.ref: entry.address for entry in self.entries if entry.ref is not None}
        with self.hand.writing("undo", *refs.items()) as work:
            found = self.prepare()
            if found.held or (found.refused and not self.partial):
                raise HandError(
                    "things have changed while this waited for another run: nothing was done",
                    code=Exit.OTHER,
                    hint="look at it again with --plan",
                )
            by_mailbox: dict[MailboxRef, list[Step]] = defaultdict(list)
            for step in found.steps:
                if step.entry.ref is not None and step.acts:
                    by_mailbox[step.entry.ref].append(step)
            judged = {judgement.plan.mailbox.ref: judgement for judgement in found.judgements}
            for ref, steps in by_mailbox.items():
                self._write(work, judged[ref].plan, steps)
        return found, work

    def _write(self, work: Work, plan: MailboxPlan, steps: Sequence[Step]) -> None:
        hand, ledger, mailbox, now = self.hand, self.hand.ledger, plan.mailbox, self.hand.clock()
        ref = mailbox.ref
        logins = {step.entry.user: step.entry.login for step in steps}
        if ending := [step.entry.user for step in steps if step.unpinned]:
            ledger.unpin(ref, ending, hand.who, now, logins)
        if pins := [Pin(step.entry.user, step.pin, None, hand.who) for step in steps if step.pin is not None]:
            ledger.pin(ref, pins, now, logins)
        if released := {step.entry.user: reason_of(step.entry) for step in steps if step.released}:
            ledger.forget(work.run, now, ref, released, path=(BY_HAND, hand.who), reasons=released)
        work.written(mailbox, [one for one in plan.changes if one.op is Op.DELETE])
        changes = [(step.change, step.edit, step.account) for step in steps if step.change is not None]
        for edit, some in _alike((edit, change) for change, edit, _ in changes if edit is not None):
            if isinstance(hand.store, EditsAccounts):
                work.edited(hand.store, mailbox, some, edit)
        ledger.adopt(work.run, now, ref, plan.adopted)
        for account, some in _alike((account, change) for change, _, account in changes if account is not None):
            work.written(replace(mailbox, account=account), some, claims=ref in self.desired)

    def _judged(self, steps: Sequence[Step], standings: Mapping[MailboxRef, Standing]) -> tuple[Judgement, ...]:
        by_mailbox: dict[MailboxRef, list[Step]] = defaultdict(list)
        for step in steps:
            if step.acts and step.entry.ref is not None:
                by_mailbox[step.entry.ref].append(step)
        plans = [_plan(standings[ref], some) for ref, some in by_mailbox.items()]
        given = tuple(Approval(name if name.startswith("sha256:") else f"sha256:{name}") for name in self.approved)
        windows = self.hand.ledger.windows(self.hand.clock() - self.ceilings.window)
        judged = judge(plans, windows, dict.fromkeys(by_mailbox, given), self.ceilings)
        return tuple(  # what releases it is another command than a run's
            replace(
                one,
                objections=tuple(replace(said, message=said.message.partition(RELEASE)[0]) for said in one.objections),
            )
            for one in judged
        )


def _plan(standing: Standing, steps: Sequence[Step]) -> MailboxPlan:
    stored = standing.stored.values()
    return MailboxPlan(
        mailbox=standing.mailbox,
        complete=True,
        desired=len(standing.named),
        observed=sum(one.secondary for accounts in stored for one in accounts),
        claimed=sum(claim.held for claim in standing.claims.values()),
        changes=tuple(
            sorted((step.change for step in steps if step.change), key=lambda one: (_ORDER[one.op], one.user))
        ),
        adopted=tuple(sorted(step.adoption for step in steps if step.adoption)),
        notes=tuple(_notes(steps)),
    )


def _notes(steps: Sequence[Step]) -> Iterator[str]:
    """Say what else becomes of users and accounts."""
    for users, text in (
        ([step for step in steps if step.released], "the account stays, and is not ours any more"),
        ([step for step in steps if step.unpinned], "what a person said of the user before ends"),
        ([step for step in steps if step.pin is True], "kept from now on, whatever the sources say (--pin)"),
        ([step for step in steps if step.pin is False], "kept out from now on, whatever the sources say (--pin)"),
        ([step for step in steps if step.account], "a new account under a new id"),
        (
            [step for step in steps if step.account and step.change and not step.change.password],
            "no password is stored with it: the configuration has none for it, and the journal keeps none",
        ),
    ):
        if users:
            yield f"{whom([step.entry for step in users])}: {text}"


def whom(entries: Sequence[Entry], shown: int = 5) -> str:
    """Name the users of entries: some of them, and how many more there are."""
    names = ", ".join(f"{one.login or 'user'} ({one.user})" for one in entries[:shown])
    return names + (f" and {len(entries) - shown} more" if len(entries) > shown else "")


def _alike(pairs: Iterable[tuple[_K, Change]]) -> list[tuple[_K, list[Change]]]:
    """Group changes by what is written with them."""
    groups: dict[str, tuple[_K, list[Change]]] = {}
    for what, change in pairs:  # equal values have one text, passwords apart, which are the mapping's
        groups.setdefault(repr(what), (what, []))[1].append(change)
    return list(groups.values())
