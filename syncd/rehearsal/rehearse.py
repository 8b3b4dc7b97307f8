"""Run the real planner on today's directory and database with one thing going wrong, and see what it would do.

The claim that is tried: whatever fails, nobody loses an account, and nobody gets one, without an approval. What counts
against it is every removal, addition or claim given up that no limit holds and nothing withholds, in a world that is in
step (`worlds`). Grace, and the second read that another server makes necessary, are taken as over: they hide nothing.
Nothing is written anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from syncd.core.changes import DIRECTION, Change, Direction, Judgement, Op, Report
from syncd.core.limits import Grace
from syncd.core.model import Mailbox, MailboxRef
from syncd.core.verdict import released
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from syncd.errors import StoreError
from syncd.ledger.ledger import Ledger
from syncd.openxchange.base import AccountStore
from syncd.rehearsal.faults import Fault, World
from syncd.rehearsal.worlds import RehearsedLedger, RehearsedStore, Snapshot, after
from syncd.run import Reconciler


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What one fault would lead to."""

    fault: Fault
    skipped: str = ""
    """Why there was nothing to rehearse; empty = it was rehearsed."""
    removals: tuple[Change, ...] = ()
    """Accounts that would be taken away."""
    additions: tuple[tuple[str, int, int, str], ...] = ()
    """(address, context, user, login) who would get a mailbox that today's plan does not give them."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """Claims that would be given up, by address."""
    held: int = 0
    """Removals that a limit holds."""
    limits: tuple[str, ...] = ()
    """The limits that object."""
    withheld: int = 0
    """Removals that are not made since something is not known for certain."""
    incomplete: int = 0
    """Mailboxes whose sources are known not to be read to the end."""
    refused: str = ""
    """Why the run would end at once."""
    graced: int = 0
    """Of the removals, those that grace would put off in life."""

    @property
    def safe(self) -> bool:
        """Whether the claim held."""
        return not (self.removals or self.additions or self.lost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """One reconciler, and how its directories are reached."""

    reconciler: Reconciler
    options: Mapping[str, Options]

    def snapshot(self, only: Collection[MailboxRef] = ()) -> tuple[Snapshot, tuple[str, ...]]:
        """Read today's world once; give it as it is when today's plan is done, and what is not complete today.

        Raises:
            StoreError, LedgerError: a system could not be read.
        """
        seen = self.reconciler.examine(only)
        reasons = [why for judgement in seen.decision.judgements for why in judgement.plan.reasons]
        return after(seen.facts, seen.decision), tuple(dict.fromkeys((*seen.facts.census.undiscovered, *reasons)))

    def rehearse(
        self, snapshot: Snapshot, faults: Sequence[Fault], only: Collection[MailboxRef] = ()
    ) -> Iterator[Rehearsed]:
        """Let one thing after the other go wrong.

        Raises:
            LedgerError, StoreError: a system could not be read, whatever the fault.
        """
        boxes = (*self.reconciler.mailboxes, *(pattern.mailbox for pattern in self.reconciler.patterns))
        world = World(mailboxes=boxes, options=self.options)
        for fault in faults:
            if skipped := fault.needs(world):
                yield Rehearsed(fault=fault, skipped=skipped)
                continue
            try:
                report = self._struck(fault, world, snapshot).plan(only)
            except StoreError as error:
                if fault.users and fault.accounts:
                    raise
                yield Rehearsed(fault=fault, refused=error.message)
            else:
                yield _told(fault, report, snapshot, self._graces())

    def _struck(self, fault: Fault, world: World, snapshot: Snapshot) -> Reconciler:
        """Give the reconciler of a world where something is wrong."""
        real = self.reconciler
        options, readers = dict(self.options), dict(real.readers)
        if fault.options is not None:
            options = {name: fault.options(one) for name, one in options.items()}
            readers = {name: f"{text} {fault.name}" for name, text in readers.items()}
        wrap = fault.wrap(world) if fault.wrap is not None else None
        clock = real.clock
        return replace(
            real,
            mailboxes=[_struck(one, fault) for one in real.mailboxes],
            configured=[_struck(one, fault) for one in real.configured],
            patterns=[replace(one, mailbox=_struck(one.mailbox, fault)) for one in real.patterns],
            directory=Directories(options) if wrap is None else Directories(options, wrap),
            store=cast(
                "AccountStore",
                RehearsedStore(
                    real=real.store, snapshot=snapshot, users_there=fault.users, accounts_there=fault.accounts
                ),
            ),
            ledger=cast("Ledger", RehearsedLedger(snapshot=snapshot)),
            readers=readers,
            rollout=None,
            clock=lambda: clock() + fault.clock,
        )

    def _graces(self) -> Callable[[Mailbox], bool]:
        by_key = {one.key: one for one in self.reconciler.mailboxes}

        def waits(mailbox: Mailbox) -> bool:
            known = by_key.get(mailbox.key)
            return known is not None and known.grace != Grace()

        return waits


def _struck(mailbox: Mailbox, fault: Fault) -> Mailbox:
    """Give a mailbox without grace and staging, with what the fault does to its mapping."""
    plain = replace(mailbox, grace=Grace(), staging=False)
    return plain if fault.mailbox is None else fault.mailbox(plain)


def _told(fault: Fault, report: Report, snapshot: Snapshot, waits: Callable[[Mailbox], bool]) -> Rehearsed:
    judgements = report.judgements
    removals = [change for one in judgements for change in released(one) if change.op is Op.DELETE]
    patient = {(one.plan.mailbox.context, one.plan.mailbox.address) for one in judgements if waits(one.plan.mailbox)}
    lost = {one.plan.mailbox.address: len(one.plan.forgotten) for one in judgements if _gives_up(one)}
    return Rehearsed(
        fault=fault,
        removals=tuple(removals),
        additions=tuple(added for one in judgements for added in _additions(one, snapshot)),
        lost=lost,
        held=sum(
            DIRECTION[change.op] is Direction.REMOVALS
            for one in judgements
            if Direction.REMOVALS in one.held
            for change in one.plan.changes
        ),
        limits=tuple(Counter(objection.limit for one in judgements for objection in one.objections)),
        withheld=sum(notice.op == Op.DELETE for one in judgements for notice in one.plan.withheld),
        incomplete=sum(not one.plan.complete for one in judgements),
        graced=sum((change.context, change.mailbox) in patient for change in removals),
    )


def _gives_up(judgement: Judgement) -> bool:
    return bool(judgement.plan.forgotten) and not any(one.limit == "vanished" for one in judgement.objections)


def _additions(judgement: Judgement, snapshot: Snapshot) -> Iterator[tuple[str, int, int, str]]:
    """Give who would get a mailbox and has it not when today's plan is done."""
    mailbox = judgement.plan.mailbox
    new = [(one.user, one.login) for one in released(judgement) if one.op is Op.CREATE]
    if Direction.ADDITIONS not in judgement.held:
        new += [(one.user, one.login) for one in judgement.plan.adopted]
    for user, login in new:
        if not snapshot.has(mailbox.ref, user):
            yield mailbox.address, mailbox.context, user, login
