"""The half of the ledger that writes nothing and takes no lock: everything that can be asked of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from syncd.core.changes import Approval, Orphan
from syncd.core.limits import Absence, Window
from syncd.core.model import Claim, MailboxRef, Pin
from syncd.ledger import absences, audit, claims, held, history, journal, lease, mailboxes, pins, record
from syncd.ledger.database import Database
from syncd.ledger.values import (
    Cursor,
    Entry,
    HeldPlan,
    MailboxStatus,
    Pause,
    Run,
    Standing,
    Unsettled,
    Verification,
)


class Reader:
    """An open ledger, as far as it is asked; every method raises LedgerUnavailable when it cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

    def claims(self) -> dict[MailboxRef, dict[int, Claim]]:
        """Give all claims by mailbox and user; mailboxes without claims are left out."""
        with self._database.reading() as work:
            return claims.load(work)

    def claimed(
        self, mailbox: MailboxRef | None = None, user: int | None = None
    ) -> dict[tuple[MailboxRef, int], datetime]:
        """Give since when claims stand, by mailbox and user: those of one mailbox, of one user, or all."""
        with self._database.reading() as work:
            return claims.since(work, mailbox, user)

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

    def approvals(self, since: datetime, until: datetime = held.EVER) -> dict[MailboxRef, tuple[Approval, ...]]:
        """Give what was approved between two times and is not applied yet."""
        with self._database.reading() as work:
            return held.approvals(work, since, until)

    def rejected(self) -> dict[MailboxRef, frozenset[str]]:
        """Give what a person has rejected and nobody approved since, as `core.digest.items` names it."""
        with self._database.reading() as work:
            return held.rejected(work)

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

    def standing(self) -> tuple[Standing, ...]:
        """Give what is held, approved or rejected without the plans, the oldest first."""
        with self._database.reading() as work:
            return held.standing(work)

    def decided(self, after: int | None) -> tuple[int, tuple[str, ...]]:
        """Give the journal's last number, and the operations of persons' decisions behind another number."""
        with self._database.reading() as work:
            return held.decided(work, after)

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

    def ran_before(self, before: datetime) -> datetime | None:
        """Give when the last run began of those that began at or before a time; None = none did."""
        with self._database.reading() as work:
            return record.ran_before(work, before)

    def history(
        self,
        *,
        mailboxes: Collection[MailboxRef] | None = None,
        user: int | None = None,
        login: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        run: str | None = None,
        seqs: Collection[int] | None = None,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Give the journal's entries that are all of this, the newest last; they are read as they are asked for.

        Args:
            mailboxes: of one of these.
            user: OX user id; entries that are about no single user have 0.
            login: as it was then.
            since: at or after this time.
            until: before this time.
            run: of this run.
            seqs: with one of these numbers.
            limit: only so many, the newest ones.
        """
        asked = history.Asked(mailboxes, user, login, since, until, run, seqs)
        with self._database.reading() as work:
            after = history.start(work, asked, limit)
        while after is not None:
            with self._database.reading() as work:
                entries = history.portion(work, asked, after)
            yield from entries
            after = entries[-1].seq if len(entries) == history.PORTION else None

    def known(self) -> frozenset[MailboxRef]:
        """Give all mailboxes that anything was ever noted about."""
        with self._database.reading() as work:
            return frozenset(work.refs().values())

    def runs_like(self, start: str) -> tuple[str, ...]:
        """Give the ids of at most two runs, remembered or in the journal only, that begin with a text."""
        with self._database.reading() as work:
            return history.runs_like(work, start)

    def verify(self) -> Verification:
        """Compare the whole journal with its chain of hashes."""
        with self._database.reading() as work:
            return audit.verify(work)

    def holder(self, name: str) -> str | None:
        """Name who holds a lease (`syncd run, pid 123 on mail1, since ...`); None = nobody alive."""
        with self._database.reading() as work:
            return lease.holder_of(work, name)
