"""What persons decided for a time: pins (one user and one mailbox) and pauses (a mailbox, or everything).

Each is in the journal when it begins and when it ends, with the person, or with the reason `ended` when its time came.
One that has ended by its time does not count any more, whether `lapse` has removed it yet or not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from syncd.core.model import MailboxRef, Pin
from syncd.ledger.chain import EVERYTHING, Chain, Row, by_hand
from syncd.ledger.database import Work
from syncd.ledger.mailboxes import number_of
from syncd.ledger.times import moment, stamp
from syncd.ledger.values import Pause

_IN_FORCE = "(until IS NULL OR until > ?)"
_ENDED = "ended"


def pins(work: Work, now: datetime) -> dict[MailboxRef, dict[int, Pin]]:
    """Give the pins in force by mailbox and user; mailboxes without one are left out."""
    refs = work.refs()
    found: dict[MailboxRef, dict[int, Pin]] = {}
    for mailbox, user, keep, until, person in work.rows(
        f"SELECT mailbox, user, keep, until, person FROM pins WHERE {_IN_FORCE} ORDER BY mailbox, user", (stamp(now),)
    ):
        found.setdefault(refs[mailbox], {})[user] = Pin(user, keep == 1, moment(until), person)
    return found


def pin(work: Work, ref: MailboxRef, given: Sequence[Pin], at: datetime, logins: Mapping[int, str]) -> None:
    """Pin users, in place of an earlier pin of theirs; one that is stored already stays as it is."""
    chain, mailbox, now = Chain(work), number_of(work, ref), stamp(at)
    stored = pins(work, at).get(ref, {})
    new = [one for one in given if stored.get(one.user) != one]
    work.upsert(
        "pins",
        ("mailbox", "user"),
        ("keep", "until", "person", "at"),
        [(mailbox, one.user, int(one.keep), _stamp(one.until), one.by, now) for one in new],
    )
    chain.append(
        [
            Row(
                *(now, mailbox, "pin"),
                user=one.user,
                login=logins.get(one.user, ""),
                path=by_hand(one.by),
                reason=("keep" if one.keep else "keep away") + _until(one.until),
            )
            for one in new
        ]
    )


def unpin(work: Work, ref: MailboxRef, users: Collection[int], by: str, at: datetime, logins: Mapping[int, str]) -> int:
    """End pins of a mailbox; give how many there were."""
    chain, mailbox = Chain(work), number_of(work, ref)
    there = work.among("SELECT user FROM pins WHERE mailbox = ? AND user IN ({})", sorted(users), mailbox)
    work.each("DELETE FROM pins WHERE mailbox = ? AND user IN ({})", [user for (user,) in there], mailbox)
    entry = Row(stamp(at), mailbox, "unpin", path=by_hand(by))
    chain.append([entry._replace(user=user, login=logins.get(user, "")) for (user,) in sorted(there)])
    return len(there)


def leave(work: Work, ref: MailboxRef, run: str, at: datetime) -> None:
    """End all pins of a mailbox that is let go of."""
    chain, mailbox = Chain(work), number_of(work, ref)
    there = work.rows("SELECT user FROM pins WHERE mailbox = ? ORDER BY user", (mailbox,))
    work.run("DELETE FROM pins WHERE mailbox = ?", (mailbox,))
    chain.append([Row(stamp(at), mailbox, "unpin", run, user=user, reason="released") for (user,) in there])


def paused(work: Work, now: datetime) -> tuple[Pause, ...]:
    """Give the pauses in force: that of everything first, then by context and address."""
    refs = work.refs()
    found = [
        Pause(refs.get(mailbox), moment(until), person, moment(at))
        for mailbox, until, person, at in work.rows(
            f"SELECT mailbox, until, person, at FROM pauses WHERE {_IN_FORCE}", (stamp(now),)
        )
    ]
    return tuple(sorted(found, key=lambda pause: pause.ref or MailboxRef(-1, "")))


def pause(work: Work, ref: MailboxRef | None, until: datetime | None, by: str, at: datetime) -> None:
    """Pause a mailbox or everything, in place of an earlier pause of it."""
    chain, mailbox, now = Chain(work), _number(work, ref), stamp(at)
    work.upsert("pauses", ("mailbox",), ("until", "person", "at"), [(mailbox, _stamp(until), by, now)])
    chain.append([Row(now, mailbox, "pause", path=by_hand(by), reason=_until(until).strip() or None)])


def resume(work: Work, ref: MailboxRef | None, by: str, at: datetime) -> bool:
    """End the pause of a mailbox, or that of everything; tell whether there was one."""
    chain, mailbox, now = Chain(work), _number(work, ref), stamp(at)
    there = work.run(f"DELETE FROM pauses WHERE mailbox = ? AND {_IN_FORCE}", (mailbox, now)) > 0
    if there:
        chain.append([Row(now, mailbox, "resume", path=by_hand(by))])
    return there


def lapsed(work: Work, now: datetime) -> bool:
    """Tell whether `lapse` would remove anything."""
    ended = "SELECT 1 FROM pins WHERE until <= ? UNION ALL SELECT 1 FROM pauses WHERE until <= ?"
    return bool(work.rows(ended, (stamp(now), stamp(now))))


def lapse(work: Work, now: datetime) -> int:
    """Remove the pins and pauses whose time has come; give how many."""
    chain, at = Chain(work), stamp(now)
    ended = work.rows("SELECT mailbox, user FROM pins WHERE until <= ? ORDER BY mailbox, user", (at,))
    resumed = work.rows("SELECT mailbox FROM pauses WHERE until <= ? ORDER BY mailbox", (at,))
    for table in ("pins", "pauses"):
        work.run(f"DELETE FROM {table} WHERE until <= ?", (at,))
    rows = [Row(at, mailbox, "unpin", user=user, reason=_ENDED) for mailbox, user in ended]
    rows += [Row(at, mailbox, "resume", reason=_ENDED) for (mailbox,) in resumed]
    chain.append(rows)
    return len(rows)


def _number(work: Work, ref: MailboxRef | None) -> int:
    return EVERYTHING if ref is None else number_of(work, ref)


def _stamp(until: datetime | None) -> int | None:
    return None if until is None else stamp(until)


def _until(until: datetime | None) -> str:
    return "" if until is None else f" until {until.astimezone(UTC):%F %H:%M} UTC"
