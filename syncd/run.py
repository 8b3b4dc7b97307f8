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
from syncd.core import continuity
from syncd.core.caches import stale
from syncd.core.changes import Judgement, MailboxPlan, Outcome, Report
from syncd.core.desire import desire
from syncd.core.guard import judge
from syncd.core.model import Mailbox, MailboxRef, Observed
from syncd.core.patterns import Pattern, told_once
from syncd.core.plan import plan
from syncd.core.unread import not_read
from syncd.directory.directories import Directories
from syncd.errors import LedgerError, StoreRefused, SyncdError
from syncd.facts import Census, Facts, advanced, counted, orphans, register, sightings
from syncd.gather import Gatherer
from syncd.ledger.lease import Lease
from syncd.ledger.ledger import Ledger
from syncd.openxchange.base import AccountStore
from syncd.openxchange.caches import Caches, Cleared
from syncd.people import members_of, with_leavers
from syncd.telemetry.telling import tell

WINDOW = timedelta(hours=24)
"""What the limits count over."""
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
    removals_per_run: int = 500
    clock: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.perf_counter
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
        started = self._begin()
        facts = self._gatherer().gather(only)
        judgements = self._judge(facts, self.ledger.approvals())
        return self._report(started, judgements, facts, partial=bool(only))

    @_paused_collector()
    def run(
        self,
        only: Collection[MailboxRef] = (),
        *,
        command: str = "sync",
        approve: Mapping[MailboxRef, frozenset[str]] | None = None,
        wait: float = 60.0,
        progress: Progress = lambda _done, _all: None,
        beat: Callable[[], None] = lambda: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Report:
        """Plan, guard, apply and record.

        Args:
            only: the mailboxes asked for, context 0 for any context; empty = all.
            command: what the ledger notes as the reason of the run.
            approve: digests approved for this run only, beside those in the ledger.
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

            started = self._begin()
            facts = self._gatherer().gather(only, beat)
            register(self.ledger, facts.census)
            lease.renew()
            facts = self._settle(facts)
            approvals = _merged(self.ledger.approvals(), approve or {})
            judgements = self._judge(facts, approvals)
            writer = Writer(store=self.store, ledger=self.ledger, run=run, clock=self.clock, progress=told, stop=stop)
            with self._phase("apply"):
                outcomes = writer.apply(judgements)
                cleared = self.caches.clear(stale(outcomes)) if self.caches is not None else Cleared(0)
            report = self._report(
                started,
                judgements,
                facts,
                run=run,
                outcomes=outcomes,
                errors=tuple(writer.errors),
                cleared=cleared,
                partial=bool(only),
                applied=True,
            )
            with self._phase("record"):
                self._record(report, facts)
            report = replace(report, finished=self.clock(), phases=dict(self._phases))
        tell(report)
        return report

    # ------------------------------------------------------------------ gather

    def _begin(self) -> datetime:
        self._phases.clear()
        return self.clock()

    def census(self) -> Census:
        """Find out which mailboxes there are; see `Gatherer.census`."""
        return self._gatherer().census()

    def _gatherer(self) -> Gatherer:
        return Gatherer(
            mailboxes=self.mailboxes,
            configured=self.configured,
            patterns=self.patterns,
            directory=self.directory,
            store=self.store,
            ledger=self.ledger,
            phase=self._phase,
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
        became = {
            entry.seq: continuity.settle(entry.op, entry.account or 0, entry.new, stored[entry.mailbox, entry.user])
            for entry in open_entries
            if entry.mailbox in asked
        }
        self.ledger.settle(became)
        _log.warning("run.settled", applied=sum(result == "applied" for result in became.values()), entries=len(became))
        return replace(facts, claims=self.ledger.claims())

    # ------------------------------------------------------------------ decide

    def _judge(self, facts: Facts, approvals: Mapping[MailboxRef, frozenset[str]]) -> tuple[Judgement, ...]:
        mailboxes = facts.mailboxes
        plans: dict[MailboxRef, MailboxPlan] = {}
        by_context: dict[int, list[Mailbox]] = defaultdict(list)
        for mailbox in mailboxes:
            by_context[mailbox.context].append(mailbox)
        with self._phase("users"):
            known, unread = members_of(self.store, by_context, facts)
        for context, reason in unread.items():
            plans |= {one.ref: not_read(one, facts.claims.get(one.ref, {}), reason) for one in by_context[context]}
        with self._phase("plan"):
            desired = {
                context: [desire(mailbox, facts.reads, users, facts.counts) for mailbox in by_context[context]]
                for context, users in known.items()
            }
        with self._phase("users"):
            known, lost = with_leavers(self.store, known, desired, facts)
        for context, reason in lost.items():
            plans |= {one.ref: not_read(one, facts.claims.get(one.ref, {}), reason) for one in by_context[context]}
        with self._phase("plan"):
            for context, users in known.items():
                for one in desired[context]:
                    ref = one.mailbox.ref
                    stored = facts.observation.accounts.get(ref, ())
                    owned = facts.claims.get(ref, {})
                    primaries, wait = facts.observation.primaries, facts.wait_reason(one.mailbox)
                    plans[ref] = plan(one, stored, owned, users, primaries, wait=wait)
        if known and not any(users.exists for users in known.values()) and any(facts.claims.values()):
            raise StoreRefused(
                "none of the configured contexts has a user in this database",
                hint="is openxchange.database.url the right one? Nothing was changed and no claim was given up",
            )
        with self._phase("plan"):
            plans = told_once(plans)
            windows = self.ledger.windows(self.clock() - WINDOW)
            return judge([plans[mailbox.ref] for mailbox in mailboxes], windows, approvals, self.removals_per_run)

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

    def _record(self, report: Report, facts: Facts) -> None:
        self.ledger.finish(
            report,
            counts=counted(report.judgements, facts),
            cursors=advanced(report.judgements, facts),
            sightings=report.since,
        )

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
    stored: Mapping[MailboxRef, frozenset[str]], given: Mapping[MailboxRef, frozenset[str]]
) -> dict[MailboxRef, frozenset[str]]:
    nothing: frozenset[str] = frozenset()
    return {ref: stored.get(ref, nothing) | given.get(ref, nothing) for ref in {*stored, *given}}
