"""Who is absent: users whose account is to be removed once enough complete reads, over enough time, agreed on it."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.limits import Absence
from syncd.core.model import MailboxRef
from syncd.ledger.database import Work
from syncd.ledger.times import moment, stamp

_NONE = 0
"""A row that no read agrees on is about to be deleted."""


def load(work: Work) -> dict[MailboxRef, dict[int, Absence]]:
    """Give who is absent, by mailbox and user; mailboxes where nobody is are left out."""
    refs = work.refs()
    found: dict[MailboxRef, dict[int, Absence]] = {}
    for mailbox, user, agreed, since in work.rows(
        "SELECT mailbox, user, agreed, since FROM absences ORDER BY mailbox, user"
    ):
        found.setdefault(refs[mailbox], {})[user] = Absence(agreed, moment(since))
    return found


def keep(work: Work, numbers: Mapping[MailboxRef, int], absences: Mapping[MailboxRef, Mapping[int, Absence]]) -> None:
    """Make what is stored of these mailboxes exactly this; only rows that differ are written."""
    stored = {
        (mailbox, user): (agreed, since)
        for mailbox, user, agreed, since in work.rows("SELECT mailbox, user, agreed, since FROM absences")
    }
    given = {
        (numbers[ref], user): (absence.reads, stamp(absence.since))
        for ref, users in absences.items()
        if ref in numbers
        for user, absence in users.items()
    }
    mailboxes = {numbers[ref] for ref in absences if ref in numbers}
    work.upsert(
        "absences",
        ("mailbox", "user"),
        ("agreed", "since"),
        [(*place, *absence) for place, absence in given.items() if stored.get(place) != absence],
    )
    gone = [place for place in stored if place[0] in mailboxes and place not in given]
    if gone:  # in two steps, since MySQL deletes by pairs one at a time or by reading the whole table
        work.update("absences", ("mailbox", "user"), ("agreed",), [(*place, _NONE) for place in gone])
        work.run("DELETE FROM absences WHERE agreed = ?", (_NONE,))


def leave(work: Work, mailbox: int) -> None:
    """Forget who is absent from a mailbox that is let go of."""
    work.run("DELETE FROM absences WHERE mailbox = ?", (mailbox,))
