"""Our own database as the rest of syncd sees it: what is ours, what was done, what is held, who may write.

The rules kept here: reading writes nothing; every writing call is one transaction; a promise (`intend`) is on disk when
the call returns. What a plan means is decided elsewhere (`core`); this class only remembers. All times know their zone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from syncd.core.changes import Adoption, Approval, Objection, Orphan, Report
from syncd.core.limits import Absence, Window
from syncd.core.model import Claim, MailboxRef, Pin
from syncd.ledger import absences, claims, held, journal, lease, mailboxes, pins, record, schema
from syncd.ledger.database import Database
from syncd.ledger.values import Cursor, HeldPlan, Intent, LedgerOptions, MailboxStatus, Pause, Run, Unsettled


class Ledger:
    """An open ledger; a context manager that closes it.

    Every method raises LedgerUnavailable when the database cannot be read or written; then nothing of the call was kept
    (after a lost connection to a MySQL server, perhaps all of it: `unsettled` tells at the next run).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

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

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        """Give the ledger itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def __str__(self) -> str:
        """Name the ledger as messages do, without a password."""
        return str(self._database)

    # ----------------------------------------------------------------------- reading

    def claims(self) -> dict[MailboxRef, dict[int, Claim]]:
        """Give all claims by mailbox and user; mailboxes without claims are left out."""
        with self._database.reading() as work:
            return claims.load(work)

    def windows(self, since: datetime) -> dict[MailboxRef, Window]:
        """Count what was applied since then; a change that was announced and not settled counts, to be careful."""
        with self._database.reading() as work:
            return journal.windows(work, since)

    def counts(self) -> dict[tuple[MailboxRef, str], int]:
        """Give how many members each source had when it was last counted, by mailbox and `str(source)`."""
        with self._database.reading() as work:
            return record.load_counts(work)

    def cursors(self) -> dict[MailboxRef, Cursor]:
        """Give the directory server of each mailbox's last complete read; mailboxes without one are left out."""
        with self._database.reading() as work:
            return record.load_cursors(work)

    def approvals(self, since: datetime) -> dict[MailboxRef, tuple[Approval, ...]]:
        """Give what was approved at or after a time and is not applied yet."""
        with self._database.reading() as work:
            return held.approvals(work, since)

    def pins(self, now: datetime) -> dict[MailboxRef, dict[int, Pin]]:
        """Give the pins in force by mailbox and user; mailboxes without one are left out."""
        with self._database.reading() as work:
            return pins.pins(work, now)

    def paused(self, now: datetime) -> tuple[Pause, ...]:
        """Give the pauses in force; that of everything, if there is one, comes first."""
        with self._database.reading() as work:
            return pins.paused(work, now)

    def absences(self) -> dict[MailboxRef, dict[int, Absence]]:
        """Give which users were absent at the last complete reads, by mailbox and user."""
        with self._database.reading() as work:
            return absences.load(work)

    def fingerprints(self) -> dict[MailboxRef, str]:
        """Give the last kept fingerprint of each mailbox's mapping; mailboxes without one are left out."""
        with self._database.reading() as work:
            return mailboxes.fingerprints(work)

    def begun(self) -> dict[MailboxRef, datetime]:
        """Give when each mailbox got its first account of ours; mailboxes that never had one are left out."""
        with self._database.reading() as work:
            return mailboxes.begun(work)

    def orphans(self, configured: Collection[MailboxRef]) -> tuple[Orphan, ...]:
        """Give the mailboxes with claims that are not among all the configured ones."""
        with self._database.reading() as work:
            return claims.orphans(work, configured)

    def unsettled(self) -> tuple[Unsettled, ...]:
        """Give the changes of which nobody noted what became; ask while holding the run lease, before `intend`."""
        with self._database.reading() as work:
            return journal.unsettled(work)

    def held(self) -> tuple[HeldPlan, ...]:
        """Give what is held, approved or rejected, the oldest first."""
        with self._database.reading() as work:
            return held.load(work)

    def sightings(self) -> dict[tuple[str, MailboxRef], dict[str, datetime]]:
        """Give since when things are seen: (kind, mailbox) → subject → first seen."""
        with self._database.reading() as work:
            return record.load_sightings(work)

    def runs(self, limit: int = 10) -> tuple[Run, ...]:
        """Give the last runs, the newest first."""
        with self._database.reading() as work:
            return record.runs(work, limit)

    def status(self) -> tuple[MailboxStatus, ...]:
        """Give all mailboxes that are configured or orphaned, with what the last run that covered them found."""
        with self._database.reading() as work:
            return record.status(work)

    def holder(self, name: str) -> str | None:
        """Name who holds a lease (`syncd run, pid 123 on mail1, since ...`); None = nobody alive."""
        with self._database.reading() as work:
            return lease.holder_of(work, name)

    # ----------------------------------------------------------------------- writing

    def register(
        self,
        configured: Iterable[tuple[MailboxRef, str]],
        *,
        whole: bool = True,
        unclear: Collection[str] = (),
        at: datetime | None = None,
    ) -> None:
        """Make known all configured mailboxes with their addresses, also when a run is for some of them only.

        Those that are known and not given are orphaned from now on; those that came back are not any more.

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
            mailboxes.register(work, given, at or datetime.now(UTC), whole=whole, unclear=unclear)

    def acquaint(self, ref: MailboxRef, address: str, at: datetime) -> None:
        """Make a mailbox known for which something is done by hand; one that no mapping has counts as left."""
        with self._database.writing() as work:
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

    def forget(self, run: str, at: datetime, ref: MailboxRef, users: Collection[int]) -> None:
        """End the claims of users whose account is neither wanted nor there; counts as no change."""
        if users:
            with self._database.writing() as work:
                claims.forget(work, run, at, ref, users)

    def release(self, run: str, at: datetime, ref: MailboxRef) -> int:
        """End all claims of a mailbox, leaving its accounts as they are; give how many.

        Its pins end too, and what was remembered of who is absent.
        """
        with self._database.writing() as work:
            number = mailboxes.number_of(work, ref)
            held.supersede(work, number)
            absences.leave(work, number)
            pins.leave(work, ref, run, at)
            return claims.release(work, run, at, ref)

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
            held.hold(work, ref, digest, objections, plan, at, items)

    def approve(self, digest: str, by: str, at: datetime) -> HeldPlan | None:
        """Approve what is held, or was rejected, under a digest, for the next run; None = nothing is."""
        with self._database.writing() as work:
            return held.approve(work, digest, by, at)

    def reject(self, digest: str, by: str, at: datetime) -> HeldPlan | None:
        """Reject what is held, or was approved, under a digest; None = nothing is."""
        with self._database.writing() as work:
            return held.reject(work, digest, by, at)

    def expire(self, since: datetime, at: datetime) -> tuple[HeldPlan, ...]:
        """Hold again what was approved before a time and not applied since; give it as it was approved."""
        with self._database.reading() as work:
            if not held.expired(work, since):
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
