"""Pins and pauses: in force until a person or their time ends them, and always in the journal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from syncd.core.changes import Adoption
from syncd.core.model import MailboxRef, Pin
from syncd.errors import LedgerError
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Pause
from tests.ledger.making import NOON, SALES, SUPPORT

LATER = NOON + timedelta(days=1)
INSTANT = timedelta(milliseconds=1)
KEEP, AWAY = Pin(3, True, None, "anna"), Pin(4, False, LATER, "bob")


def told(ledger: Ledger) -> list[tuple[Any, ...]]:
    """Give what the journal says of pins and pauses: operation, user, login, person and reason."""
    with ledger._database.reading() as work:
        return work.rows("SELECT op, user, login, path, reason, result, run FROM journal ORDER BY seq")


def test_a_pin_is_in_force_until_its_time(ledger: Ledger) -> None:
    """It is given with all that was said, for its mailbox only, until the moment it ends."""
    ledger.pin(SUPPORT, [KEEP, AWAY], NOON)
    ledger.pin(SALES, [AWAY], NOON)
    assert ledger.pins(LATER - INSTANT) == {SUPPORT: {3: KEEP, 4: AWAY}, SALES: {4: AWAY}}
    assert ledger.pins(LATER) == {SUPPORT: {3: KEEP}}


def test_a_pin_is_in_the_journal(ledger: Ledger) -> None:
    """With the person, the login, and what it says; one that is stored already is not told again."""
    ledger.pin(SUPPORT, [KEEP, AWAY], NOON, {3: "carol"})
    ledger.pin(SUPPORT, [KEEP, AWAY], NOON)
    assert told(ledger) == [
        ("pin", 3, "carol", '["by hand", "anna"]', "keep", "applied", ""),
        ("pin", 4, "", '["by hand", "bob"]', "keep away until 2026-03-02 12:00 UTC", "applied", ""),
    ]


def test_a_pin_replaces_the_earlier_one(ledger: Ledger) -> None:
    """There is one for a user and a mailbox: the last word counts."""
    ledger.pin(SUPPORT, [KEEP], NOON)
    changed = KEEP._replace(keep=False, by="bob")
    ledger.pin(SUPPORT, [changed], NOON)
    assert ledger.pins(NOON) == {SUPPORT: {3: changed}}
    assert [row[4] for row in told(ledger)] == ["keep", "keep away"]


def test_a_pin_is_ended_by_hand(ledger: Ledger) -> None:
    """Only pins that are there end and are told; others stay."""
    ledger.pin(SUPPORT, [KEEP, AWAY], NOON)
    ledger.pin(SALES, [KEEP], NOON)
    assert ledger.unpin(SUPPORT, [3, 5], "carol", NOON, {3: "user3"}) == 1
    assert ledger.unpin(SUPPORT, [3], "carol", NOON) == 0
    assert ledger.pins(NOON) == {SUPPORT: {4: AWAY}, SALES: {3: KEEP}}
    assert told(ledger)[3:] == [("unpin", 3, "user3", '["by hand", "carol"]', None, "applied", "")]


def test_pins_and_pauses_lapse(ledger: Ledger) -> None:
    """What has ended by its time is removed once, and the journal says so."""
    ledger.pin(SUPPORT, [KEEP, AWAY], NOON)
    ledger.pause(SALES, LATER, "anna", NOON)
    ledger.pause(None, None, "anna", NOON)
    assert ledger.lapse(LATER - INSTANT) == 0
    assert ledger.lapse(LATER) == 2
    assert ledger.lapse(LATER) == 0
    assert told(ledger)[4:] == [
        ("unpin", 4, "", "[]", "ended", "applied", ""),
        ("resume", 0, "", "[]", "ended", "applied", ""),
    ]
    assert ledger.pins(NOON) == {SUPPORT: {3: KEEP}}
    assert [pause.ref for pause in ledger.paused(NOON)] == [None]


def test_pauses_are_in_force_until_their_time(ledger: Ledger) -> None:
    """That of everything comes first; one that has ended counts as none."""
    ledger.pause(SUPPORT, None, "anna", NOON)
    ledger.pause(SALES, LATER, "bob", NOON)
    ledger.pause(None, LATER, "carol", NOON)
    everything, support = Pause(None, LATER, "carol", NOON), Pause(SUPPORT, None, "anna", NOON)
    assert ledger.paused(LATER - INSTANT) == (everything, Pause(SALES, LATER, "bob", NOON), support)
    assert ledger.paused(LATER) == (support,)


def test_a_pause_is_replaced_and_ended(ledger: Ledger) -> None:
    """A later pause counts instead of the earlier; resuming tells whether there was one in force."""
    ledger.pause(SUPPORT, None, "anna", NOON)
    ledger.pause(SUPPORT, LATER, "bob", NOON)
    assert ledger.paused(NOON) == (Pause(SUPPORT, LATER, "bob", NOON),)
    assert not ledger.resume(None, "carol", NOON)
    assert not ledger.resume(SUPPORT, "carol", LATER)
    assert ledger.resume(SUPPORT, "carol", NOON)
    assert not ledger.resume(SUPPORT, "carol", NOON)
    assert ledger.paused(NOON) == ()
    assert [row[:1] + row[3:5] for row in told(ledger)] == [
        ("pause", '["by hand", "anna"]', None),
        ("pause", '["by hand", "bob"]', "until 2026-03-02 12:00 UTC"),
        ("resume", '["by hand", "carol"]', None),
    ]


def test_an_unknown_mailbox_has_neither(ledger: Ledger) -> None:
    """A mailbox that the ledger does not know is an error that names it."""
    other = MailboxRef(7, "other@x.org")
    with pytest.raises(LedgerError, match=r"other@x.org in context 7"):
        ledger.pin(other, [KEEP], NOON)
    with pytest.raises(LedgerError, match=r"other@x.org in context 7"):
        ledger.pause(other, None, "anna", NOON)


def test_many_pins(ledger: Ledger) -> None:
    """More users than fit into one statement are pinned and unpinned alike."""
    ledger.pin(SUPPORT, [KEEP._replace(user=user) for user in range(1, 1302)], NOON)
    assert ledger.unpin(SUPPORT, range(1, 1301), "anna", NOON) == 1300
    assert set(ledger.pins(NOON)[SUPPORT]) == {1301}


def test_a_released_mailbox_has_no_pins(ledger: Ledger) -> None:
    """Letting go of a mailbox ends its pins, by the run that did it, and leaves those of others."""
    ledger.pin(SUPPORT, [KEEP, AWAY], NOON)
    ledger.pin(SALES, [KEEP], NOON)
    ledger.adopt("r", NOON, SUPPORT, [Adoption(3, "carol", 7, "id", "dn", (), None)])
    ledger.release("r2", NOON, SUPPORT)
    assert ledger.pins(NOON) == {SALES: {3: KEEP}}
    assert [row[:2] + row[4:] for row in told(ledger)[4:]] == [
        ("unpin", 3, "released", "applied", "r2"),
        ("unpin", 4, "released", "applied", "r2"),
        ("release", 3, None, "applied", "r2"),
    ]
