"""What is remembered of a mailbox itself: its row, whether it left the configuration, its mapping's fingerprint."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from syncd.core.model import MailboxRef
from syncd.errors import LedgerError
from syncd.ledger.database import Work
from syncd.ledger.times import moment, stamp


def register(
    work: Work,
    mailboxes: Iterable[tuple[MailboxRef, str]],
    at: datetime,
    *,
    whole: bool = True,
    unclear: Collection[str] = (),
) -> None:
    """Give every configured mailbox its row, note which rows left the configuration and which came back."""
    stored = {
        MailboxRef(row[1], row[2]): row
        for row in work.rows("SELECT id, context, address_key, address, orphaned_since FROM mailboxes")
    }
    configured = dict(mailboxes)
    now = stamp(at)
    work.many(
        "INSERT INTO mailboxes (context, address_key, address, first_seen) VALUES (?, ?, ?, ?)",
        [(*ref, address, now) for ref, address in configured.items() if ref not in stored],
    )
    for ref, (number, _, _, address, orphaned) in stored.items():
        if ref not in configured:
            if orphaned is None and whole and ref.key not in unclear:
                work.run("UPDATE mailboxes SET orphaned_since = ? WHERE id = ?", (now, number))
        elif orphaned is not None or address != configured[ref]:
            work.run("UPDATE mailboxes SET orphaned_since = NULL, address = ? WHERE id = ?", (configured[ref], number))


def acquaint(work: Work, ref: MailboxRef, address: str, at: datetime) -> None:
    """Give a mailbox its row unless it has one; until a run registers it, it counts as one that left."""
    if not work.rows("SELECT id FROM mailboxes WHERE context = ? AND address_key = ?", ref):
        work.run(
            "INSERT INTO mailboxes (context, address_key, address, first_seen, orphaned_since) VALUES (?, ?, ?, ?, ?)",
            (*ref, address, stamp(at), stamp(at)),
        )


def changed(
    work: Work, mailboxes: Iterable[tuple[MailboxRef, str]], *, whole: bool = True, unclear: Collection[str] = ()
) -> bool:
    """Tell whether `register` would write anything."""
    configured = dict(mailboxes)
    stored = {
        MailboxRef(context, key): (address, orphaned is not None)
        for context, key, address, orphaned in work.rows(
            "SELECT context, address_key, address, orphaned_since FROM mailboxes"
        )
    }
    if any(stored.get(ref) != (address, False) for ref, address in configured.items()):
        return True
    left = (orphaned for ref, (_, orphaned) in stored.items() if ref not in configured and ref.key not in unclear)
    return whole and not all(left)


def number_of(work: Work, ref: MailboxRef) -> int:
    """Give the number of a registered mailbox.

    Raises:
        LedgerError: it was never registered.
    """
    rows = work.rows("SELECT id FROM mailboxes WHERE context = ? AND address_key = ?", ref)
    if not rows:
        raise LedgerError(f"the ledger does not know the mailbox {ref.key} in context {ref.context}")
    return int(rows[0][0])


def begin(work: Work, mailboxes: Collection[int], now: int) -> None:
    """Note when mailboxes got their first account of ours, unless that is noted or they have none."""
    work.each(
        "UPDATE mailboxes SET begun = ? WHERE begun IS NULL AND id IN ({}) "
        "AND EXISTS (SELECT 1 FROM claims c WHERE c.mailbox = mailboxes.id AND c.held = 1)",
        sorted(mailboxes),
        now,
    )


def begun(work: Work) -> dict[MailboxRef, datetime]:
    """Give when each mailbox got its first account of ours; those that never had one are left out."""
    return {
        MailboxRef(context, key): moment(at)
        for context, key, at in work.rows("SELECT context, address_key, begun FROM mailboxes WHERE begun IS NOT NULL")
    }


def fingerprints(work: Work) -> dict[MailboxRef, str]:
    """Give the fingerprint of each mailbox's mapping that was last kept."""
    return {
        MailboxRef(context, key): fingerprint
        for context, key, fingerprint in work.rows(
            "SELECT context, address_key, fingerprint FROM mailboxes WHERE fingerprint IS NOT NULL"
        )
    }


def mark(work: Work, numbers: Mapping[MailboxRef, int], marks: Mapping[MailboxRef, str]) -> None:
    """Keep the fingerprints that differ from the stored ones."""
    stored = fingerprints(work)
    changed = [(numbers[ref], mark) for ref, mark in marks.items() if ref in numbers and stored.get(ref) != mark]
    work.update("mailboxes", ("id",), ("fingerprint",), changed)
