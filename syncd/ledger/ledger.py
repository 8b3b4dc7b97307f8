"""Our own database as the rest of syncd sees it: what is ours, what was done, what is held, who may write.

The rules kept here: reading writes nothing; a writing call is one transaction; a promise (`intend`) is on disk when
the call returns. What a plan means is decided elsewhere (`core`); this class only remembers. All times know their zone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from syncd.core.changes import Adoption, Objection, Report
from syncd.core.limits import Absence
from syncd.core.model import Claim, MailboxRef, Pin
from syncd.ledger import absences, audit, claims, held, journal, lease, mailboxes, pins, record, schema
from syncd.ledger.chain import queue
from syncd.ledger.database import Database
from syncd.ledger.reading import Reader
from syncd.ledger.values import Cursor, HeldPlan, Intent, LedgerOptions


class Ledger(Reader):
    """An open ledger; a context manager that closes it.

    Every method raises LedgerUnavailable when the database cannot be read or written; then nothing of the call was kept
    (after a lost connection to a MySQL server, perhaps all of it: `unsettled` tells at the next run).
    """

    @classmethod
    def open(cls, options: LedgerOptions, *, argv: Sequence[str] = ("syncd",)) -> Ledger:
        """Open the ledger, creating or upgrading its tables where that is needed.

        `argv` is the command line, for the hint how to run it as the ledger's owner.

        Raises:
            LedgerForeign: the SQLite file, or the directory for it, belongs to another uid (also if we are root).
            LedgerUnavailable: it cannot be opened, or a newer syncd wrote it.
        """
        database = Database(options, argv)
        try:
            schema.ensure(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def register(
        self,
        configured: Iterable[tuple[MailboxRef, str]],
        *,
        whole: bool = True,
        unclear: Collection[str] = (),
        at: datetime | None = None,
    ) -> None:
        """Make known all configured mailboxes with their addresses, also when a run is for some of them only.

        Those that are known and not given are orphaned from now on, and nothing of them is held any more; those that
        came back are not orphaned any more.

        Args:
            configured: all of them, as far as they are known.
            whole: false = not all could be found out, so nothing is orphaned now.
            unclear: keys of addresses that are not given and have not left either: they stay as they are.
            at: when; now by default.
        """
        given = tuple(configured)
        with self._database.reading() as work:
            if not mailboxes.changed(work, given, whole=whole, unclear=unclear):
                return
        with self._database.writing() as work:
            queue(work)
            mailboxes.register(work, given, at or datetime.now(UTC), whole=whole, unclear=unclear)
            held.leave(work)

    def acquaint(self, ref: MailboxRef, address: str, at: datetime) -> None:
        """Make a mailbox known for which something is done by hand; one that no mapping has counts as left."""
        with self._database.writing() as work:
            queue(work)
            mailboxes.acquaint(work, ref, address, at)

    def begin(self, run: str, command: str, started: datetime) -> None:
        """Note that a run starts; ask while holding the run lease: earlier runs without an end were interrupted."""
        with self._database.writing() as work:
            record.begin(work, run, command, started)

    def intend(self, run: str, batch: str, at: datetime, intents: Sequence[Intent], *, claims: bool = True) -> None:
        """Announce the changes of a batch before it is made; creates get pending claims with the reserved ids.

        A create for a user whose held claim has lost its account replaces that claim. With `claims` false creates get
        none: what a person makes by hand is not ours.

        Raises:
            LedgerError: a mailbox was not registered.
        """
        with self._database.writing() as work:
            journal.intend(work, run, batch, at, intents, claims=claims)

    def conclude(
        self,
        batch: str,
        failed: Mapping[tuple[MailboxRef, int, int], str] | None = None,
        seals: Mapping[tuple[MailboxRef, int], bytes] | None = None,
        numbered: Mapping[tuple[MailboxRef, int], int] | None = None,
    ) -> None:
        """Note what became of a batch: (mailbox, user, account) → error of what failed; all the rest was applied.

        `numbered` has the ids of created accounts that were announced UNNUMBERED, by mailbox and user.
        """
        with self._database.writing() as work:
            journal.conclude(work, batch, failed or {}, seals or {}, numbered or {})

    def adopt(self, run: str, at: datetime, ref: MailboxRef, adoptions: Sequence[Adoption]) -> None:
        """Claim accounts that exist; they count as additions."""
        if adoptions:
            with self._database.writing() as work:
                claims.adopt(work, run, at, ref, adoptions)

    def recover(self, at: datetime, ref: MailboxRef, recovered: Sequence[Claim]) -> None:
        """Hold pending claims whose accounts were found, and settle their journal rows as applied."""
        if recovered:
            with self._database.writing() as work:
                claims.recover(work, at, ref, recovered)

    def refresh(self, ref: MailboxRef, refreshed: Sequence[Claim]) -> None:
        """Note another member id, DN, login or account id of held claims; a seal only where there is one."""
        if refreshed:
            with self._database.writing() as work:
                claims.refresh(work, ref, refreshed)

    def forget(
        self,
        run: str,
        at: datetime,
        ref: MailboxRef,
        users: Collection[int],
        *,
        path: Sequence[str] = (),
        reasons: Mapping[int, str] | None = None,
    ) -> None:
        """End the claims of users, whose accounts are neither wanted nor there, or stay; counts as no change.

        `path` and `reasons`, by user, are for the journal.
        """
        if users:
            with self._database.writing() as work:
                claims.forget(work, run, at, ref, users, path=path, reasons=reasons or {})

    def release(self, run: str, at: datetime, ref: MailboxRef) -> int:
        """End all claims of a mailbox, leaving its accounts as they are; give how many.

        Its pins end too, and what was remembered of who is absent.
        """
        with self._database.writing() as work:
            pins.leave(work, ref, run, at)  # first, since it locks the chain as all that write the journal do first
            released = claims.release(work, run, at, ref)
            number = mailboxes.number_of(work, ref)
            held.supersede(work, number)
            absences.leave(work, number)
            return released

    def settle(self, results: Mapping[int, str]) -> None:
        """Note what became of unsettled changes: seq → applied (of a delete: its claim ends), failed or abandoned."""
        if results:
            with self._database.writing() as work:
                journal.settle(work, results)

    def hold(
        self,
        ref: MailboxRef,
        digest: str,
        objections: Sequence[Objection],
        plan: Mapping[str, object],
        at: datetime,
        items: Collection[str] | None = None,
    ) -> None:
        """Keep a plan until its digest is approved; `finish` does it for runs, this is for commands.

        `items` has all that is held (`held.items` gives it); without it an approval is good for exactly this digest.
        """
        with self._database.writing() as work:
            queue(work)
            held.hold(work, ref, digest, objections, plan, at, items)

    def approve(self, digest: str, by: str, at: datetime) -> HeldPlan | None:
        """Approve what is held, or was rejected, under a digest, for the next run; None = nothing is."""
        with self._database.writing() as work:
            return held.approve(work, digest, by, at)

    def reject(self, digest: str, by: str, at: datetime) -> HeldPlan | None:
        """Reject what is held, or was approved, under a digest; None = nothing is."""
        with self._database.writing() as work:
            return held.reject(work, digest, by, at)

    def told(self, digests: Collection[str], channel: str) -> None:
        """Note that people were told by a channel of plans that are held."""
        with self._database.writing() as work:
            queue(work)
            held.tell(work, digests, channel)

    def expire(self, since: datetime, at: datetime) -> tuple[HeldPlan, ...]:
        """Hold again what was approved before a time and not applied since; give it as it was approved.

        Likewise what was approved as long after `at`, by a clock that was ahead.
        """
        with self._database.reading() as work:
            if not held.expired(work, since, at):
                return ()
        with self._database.writing() as work:
            return held.expire(work, since, at)

    def pin(self, ref: MailboxRef, given: Sequence[Pin], at: datetime, logins: Mapping[int, str] | None = None) -> None:
        """Pin users to a mailbox, or away from it; `logins` are for the journal."""
        with self._database.writing() as work:
            pins.pin(work, ref, given, at, logins or {})

    def unpin(
        self,
        ref: MailboxRef,
        users: Collection[int],
        by: str,
        at: datetime,
        logins: Mapping[int, str] | None = None,
    ) -> int:
        """End pins of these users; give how many there were."""
        with self._database.writing() as work:
            return pins.unpin(work, ref, users, by, at, logins or {})

    def pause(self, ref: MailboxRef | None, until: datetime | None, by: str, at: datetime) -> None:
        """Note that nothing is to be applied to a mailbox, or (None) to any, until a time or until it is resumed."""
        with self._database.writing() as work:
            pins.pause(work, ref, until, by, at)

    def resume(self, ref: MailboxRef | None, by: str, at: datetime) -> bool:
        """End the pause of a mailbox, or (None) that of everything; tell whether there was one."""
        with self._database.writing() as work:
            return pins.resume(work, ref, by, at)

    def lapse(self, now: datetime) -> int:
        """Remove pins and pauses that have ended by their time, which the journal says; give how many."""
        with self._database.reading() as work:
            if not pins.lapsed(work, now):
                return 0
        with self._database.writing() as work:
            return pins.lapse(work, now)

    def prune(self, before: datetime, at: datetime) -> int:
        """Remove the journal's entries from before a time, and what only they needed; give how many.

        It stops at the first entry that has to stay (younger, or pending), so that what is left is a chain. Where there
        is much it takes several transactions, after each of which that is so.
        """
        with self._database.reading() as work:
            more = audit.prunable(work, before)
        removed = 0
        while more:
            with self._database.writing() as work:
                count, more = audit.prune(work, before, at)
            removed += count
        return removed

    def finish(
        self,
        report: Report,
        *,
        counts: Mapping[tuple[MailboxRef, str], int] | None = None,
        cursors: Mapping[MailboxRef, Cursor] | None = None,
        sightings: Mapping[tuple[str, MailboxRef], Collection[str]] | None = None,
        absences: Mapping[MailboxRef, Mapping[int, Absence]] | None = None,
        fingerprints: Mapping[MailboxRef, str] | None = None,
    ) -> None:
        """Remember a run: its result, held plans, each mailbox's state, member counts, cursors, sightings.

        Only mailboxes of the report are touched. `counts` are to be given only for sources that were read to the end
        and were not held as suddenly empty, `cursors` for mailboxes whose members were all read: the others keep what
        they had. `sightings` of a mailbox are all that is
        seen now: what was seen before and is not given is forgotten. So are `absences`, for the mailboxes given;
        `fingerprints` (at most 64 characters each) replace those of the mailboxes given.
        """
        given = (counts or {}, cursors or {}, sightings or {}, absences or {}, fingerprints or {})
        with self._database.writing() as work:
            queue(work)
            record.finish(work, report, *given)

    def lease(
        self,
        name: str,
        holder: str,
        *,
        wait: float = 60.0,
        now: Callable[[], datetime] | None = None,
        sleep: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> AbstractContextManager[lease.Lease]:
        """Hold a name alone while in the block, e.g. `with ledger.lease("run", "syncd sync", wait=60) as lease:`.

        `now` None = this machine's clock for SQLite, the server's for MySQL.

        Raises:
            LedgerBusy: on entering, after `wait` seconds: somebody else holds it, who is named.
        """
        clocks = lease.Clocks(now=now, sleep=sleep, monotonic=monotonic)
        return lease.hold(self._database, name, holder, wait, clocks)
