"""One run, top to bottom: gather, decide, let the guard object, apply, record.

Planning is the same code, stopped earlier: `plan` writes nothing anywhere. Keeps rules 5, 7 and 9: the directory is
read first and whole, no transaction is open while it answers, and one run at a time writes (a lease in the ledger, a
named lock in the Open-Xchange database).
"""

from __future__ import annotations

import gc
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from syncd.apply import Progress, Writer
from syncd.core.caches import stale
from syncd.core.changes import Approval, Judgement, Outcome, Report
from syncd.core.limits import Ceilings, Rollout
from syncd.core.model import Mailbox, MailboxRef, Observed
from syncd.core.patterns import Pattern
from syncd.decide import Consent, Decider, Decision, Examination
from syncd.directory.directories import Directories
from syncd.errors import LedgerError, SyncdError
from syncd.facts import Census, Facts, absences, advanced, became, counted, orphans, register, sightings, understood
from syncd.gather import Gatherer
from syncd.ledger.lease import Lease
from syncd.ledger.ledger import Ledger
from syncd.openxchange.base import AccountStore
from syncd.openxchange.caches import Caches, Cleared
from syncd.telemetry.telling import tell

MINUTE = timedelta(minutes=1)
"""What the brake counts over."""
PATIENCE = timedelta(hours=24)
"""How long ago runs must have begun by whose clock the journal is cut off."""
RENEWAL = 10.0
"""Seconds between renewals of the lease, however long a read takes."""
_log = structlog.get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _paused_collector() -> Iterator[None]:
    """Pause the cyclic collector: a run keeps its millions of values to the end and makes no cycles with them."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(slots=True, kw_only=True)
class Reconciler:
    """Compare and reconcile the mailboxes of one configuration."""

    mailboxes: Sequence[Mailbox]
    """The mailboxes to reconcile that stand in the configuration by themselves."""
    configured: Sequence[Mailbox]
    """All of these that are configured."""
    patterns: Sequence[Pattern] = ()
    """What stands for mailboxes that each run finds out."""
    directory: Directories
    store: AccountStore
    ledger: Ledger
    caches: Caches | None = None
    """Who tells Open-Xchange of what was written; None = it writes by itself."""
    ceilings: Ceilings = Ceilings()  # noqa: RUF009 - a value
    approval: timedelta = timedelta(hours=24)
    """How long an approval stands."""
    rollout: Rollout | None = None
    brake: int | None = None
    """How many repairs and new accounts a minute; None = as many as go."""
    keep: timedelta | None = None
    """How long the journal is kept; None = for ever."""
    readers: Mapping[str, str] = field(default_factory=dict)
    """How each directory's entries are read, as text, by name; an edit of it is an edit of the mappings."""
    clock: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], object] = time.sleep
    _phases: dict[str, float] = field(default_factory=dict)

    @_paused_collector()
    def plan(self, only: Collection[MailboxRef] = ()) -> Report:
        """Compute what a run would do; write nothing, neither to Open-Xchange nor to the ledger.

        Args:
            only: the mailboxes asked for, context 0 for any context; empty = all.

        Raises:
            StoreError, LedgerError: a system could not be read. The directory never raises: what it could not read is
                in the report as incomplete.
        """
        started, facts, decision = self.examine(only)
        return self._report(started, decision.judgements, facts, partial=bool(only))

    @_paused_collector()
    def examine(self, only: Collection[MailboxRef] = ()) -> Examination:
        """Gather and decide as a plan does, and give all of it; arguments and errors as of `plan`."""
        started = self._begin()
        facts = self._gatherer(started).gather(only)
        return Examination(started, facts, self._decide(facts, started))

    @_paused_collector()
    def run(
        self,
        only: Collection[MailboxRef] = (),
        *,
        command: str = "sync",
        approve: Mapping[MailboxRef, Collection[Approval]] | None = None,
        wait: float = 60.0,
        progress: Progress = lambda _done, _all: None,
        beat: Callable[[], None] = lambda: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Plan, guard, apply and record.

        Args:
            only: the mailboxes asked for, context 0 for any context; empty = all.
            command: what the ledger notes as the reason of the run.
            approve: what is approved for this run only, beside what the ledger knows.
            wait: seconds to wait for a run in progress.
            progress: called with (changes done, changes in all).
            beat: called whenever the run moves on, reading or writing; a run that hangs does not call it.
            stop: asked between batches; true ends the run after the batch in hand.

        Raises:
            LedgerBusy, StoreBusy: another run, or another installation, is at work.
            StoreError, LedgerError: a system could not be read or written.
        """
        run = uuid.uuid4().hex
        with (
            self.ledger.lease("run", f"syncd {command}", wait=wait) as lease,
            _kept(lease),
            self._noted(run, command, partial=bool(only)),
            self.store.exclusive(),
        ):

            def told(done: int, everything: int) -> None:
                lease.renew()
                beat()
                progress(done, everything)

            def pause(seconds: float) -> None:
                for _ in range(round(seconds)):
                    if stop():
                        return
                    lease.renew()
                    beat()
                    self.sleep(1.0)

            started = self._begin()
            self.ledger.lapse(started)
            self.ledger.expire(started - self.approval, started)
            facts = self._gatherer(started).gather(only, beat)
            register(self.ledger, facts.census)
            lease.renew()
            facts = self._settle(facts)
            decision = self._decide(facts, started, approve)
            writer = Writer(
                store=self.store,
                ledger=self.ledger,
                run=run,
                clock=self.clock,
                progress=told,
                stop=stop,
                brake=self.brake,
                spent=self._spent(started) if self.brake else 0,
                pause=pause,
            )
            with self._phase("apply"):
                outcomes = writer.apply(decision.judgements)
                cleared = self.caches.clear(stale(outcomes)) if self.caches is not None else Cleared(0)
            report = self._report(
                started,
                decision.judgements,
                facts,
                run=run,
                outcomes=outcomes,
                errors=tuple(writer.errors),
                deferred=writer.deferred,
                cleared=cleared,
                partial=bool(only),
                applied=True,
            )
            with self._phase("record"):
                self._record(report, facts, decision)
            report = replace(report, finished=self.clock(), phases=dict(self._phases))
        tell(report)
        return report

    # ------------------------------------------------------------------ gather

    def _begin(self) -> datetime:
        self._phases.clear()
        return self.clock()

    def census(self) -> Census:
        """Find out which mailboxes there are; see `Gatherer.census`."""
        return self._gatherer(self.clock()).census()

    def _gatherer(self, now: datetime) -> Gatherer:
        return Gatherer(
            mailboxes=self.mailboxes,
            configured=self.configured,
            patterns=self.patterns,
            directory=self.directory,
            store=self.store,
            ledger=self.ledger,
            phase=self._phase,
            now=now,
        )

    def _settle(self, facts: Facts) -> Facts:
        """Find out what became of the changes of runs that died; give the facts with the claims as they are then."""
        open_entries = self.ledger.unsettled()
        if not open_entries:
            return facts
        # where nothing may be written, the context may be on its way to another database, half gone already
        unread = facts.observation.unread
        here = {mailbox.context for mailbox in facts.mailboxes} & {entry.mailbox.context for entry in open_entries}
        unclear = unread.keys() | self.store.refusals(here - unread.keys()).keys()
        asked = {mailbox.ref for mailbox in facts.mailboxes if mailbox.context not in unclear}
        stored: dict[tuple[MailboxRef, int], list[Observed]] = defaultdict(list)
        for ref, accounts in facts.observation.accounts.items():
            for account in accounts:
                stored[ref, account.user].append(account)
        results = became((entry for entry in open_entries if entry.mailbox in asked), stored)
        self.ledger.settle(results)
        _log.warning("run.settled", applied=sum(one == "applied" for one in results.values()), entries=len(results))
        return replace(facts, claims=self.ledger.claims())

    # ------------------------------------------------------------------ decide

    def _decide(
        self, facts: Facts, now: datetime, given: Mapping[MailboxRef, Collection[Approval]] | None = None
    ) -> Decision:
        """Decide by what was gathered; `given` is approved beside what the ledger knows."""

        def consent() -> Consent:
            return Consent(
                windows=self.ledger.windows(now - self.ceilings.window),
                approvals=_merged(self.ledger.approvals(now - self.approval, now + self.approval), given or {}),
                pauses=self.ledger.paused(now),
                begun=self.ledger.begun() if self.rollout else {},
                rejected=self.ledger.rejected(),
            )

        decider = Decider(
            store=self.store,
            phase=self._phase,
            now=now,
            ceilings=self.ceilings,
            rollout=self.rollout,
            readers=self.readers,
        )
        return decider.decide(facts, consent)

    # ------------------------------------------------------------------ record

    def _report(
        self,
        started: datetime,
        judgements: tuple[Judgement, ...],
        facts: Facts,
        *,
        partial: bool,
        run: str = "",
        outcomes: tuple[Outcome, ...] = (),
        errors: tuple[str, ...] = (),
        deferred: int = 0,
        cleared: Cleared = Cleared(0),  # noqa: B008 - a value
        applied: bool = False,
    ) -> Report:
        census = facts.census
        return Report(
            run=run or uuid.uuid4().hex,
            started=started,
            finished=self.clock(),
            judgements=judgements,
            outcomes=outcomes,
            applied=applied,
            orphans=orphans(self.ledger, census),
            problems=census.problems,
            undiscovered=census.undiscovered,
            causes=census.causes,
            errors=errors,
            warnings=cleared.problems,
            deferred=deferred,
            uninvalidated=cleared.left,
            server=facts.read.server,
            phases=dict(self._phases),
            partial=partial,
            since=self._since(judgements, started),
        )

    def _since(
        self, judgements: Sequence[Judgement], now: datetime
    ) -> dict[tuple[str, MailboxRef], dict[str, datetime]]:
        known = self.ledger.sightings()
        unread = {judgement.plan.mailbox.ref for judgement in judgements if judgement.plan.unread}
        kept = {at: dict(seen) for at, seen in known.items() if at[1] in unread}  # nothing was learned of these
        return kept | {
            at: {key: known.get(at, {}).get(key, now) for key in keys}
            for at, keys in sightings(judgements).items()
            if keys
        }

    def _spent(self, now: datetime) -> int:
        """Count what the last minute has seen of repairs and new accounts."""
        return sum(one.additions + one.updates for one in self.ledger.windows(now - MINUTE).values())

    def _record(self, report: Report, facts: Facts, decision: Decision) -> None:
        self.ledger.finish(
            report,
            counts=counted(report.judgements, facts),
            cursors=advanced(report.judgements, facts),
            sightings=report.since,
            absences=absences(report.judgements, report.outcomes, facts, report.started),
            fingerprints=understood(report.judgements, facts, decision.prints),
        )
        self._prune(report.started)

    def _prune(self, now: datetime) -> None:
        """Remove what is older than kept by the clock of a day ago: one that is ahead for hours forgets nothing."""
        if self.keep is not None and (agreed := self.ledger.ran_before(now - PATIENCE)) is not None:
            self.ledger.prune(agreed - self.keep, now)

    @contextmanager
    def _noted(self, run: str, command: str, *, partial: bool) -> Iterator[None]:
        """Note that a run begins, and the error that ends it unless it is the ledger's; else it would seem to run."""
        started = self.clock()
        self.ledger.begin(run, command, started)
        try:
            yield
        except SyncdError as error:
            if isinstance(error, LedgerError):  # it cannot be noted, or another run goes on
                raise
            failed = Report(
                run=run,
                started=started,
                finished=self.clock(),
                judgements=(),
                applied=True,
                errors=(str(error),),
                partial=partial,
            )
            with suppress(LedgerError):  # the first error is the one to tell
                self.ledger.finish(failed)
            raise

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        start = self.monotonic()
        try:
            yield
        finally:
            self._phases[name] = self._phases.get(name, 0.0) + self.monotonic() - start


@contextmanager
def _kept(lease: Lease) -> Iterator[None]:
    """Renew the lease in a thread of its own; that it was lost is told where the run itself renews it next."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(RENEWAL):
            with suppress(LedgerError):
                lease.renew()

    keeper = threading.Thread(target=renew, name="lease", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join(RENEWAL)


def _merged(
    stored: Mapping[MailboxRef, Collection[Approval]], given: Mapping[MailboxRef, Collection[Approval]]
) -> dict[MailboxRef, tuple[Approval, ...]]:
    return {ref: (*stored.get(ref, ()), *given.get(ref, ())) for ref in {*stored, *given}}
