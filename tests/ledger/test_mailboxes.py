"""What is remembered of a mailbox: when it got its first account, and what its mapping was."""

from __future__ import annotations

from datetime import timedelta

from syncd.core.changes import Adoption, Op
from syncd.core.model import MailboxRef
from syncd.ledger.ledger import Ledger
from tests.ledger.making import NOON, SALES, SUPPORT, intents, judgement, report

HOUR = timedelta(hours=1)


def test_a_mailbox_begins_with_its_first_account(ledger: Ledger) -> None:
    """The first create that was applied counts: not one that is announced or failed, nor any later one."""
    ledger.intend("r", "b1", NOON, [*intents(Op.CREATE, [3, 4]), *intents(Op.CREATE, [3], SALES)])
    assert ledger.begun() == {}
    ledger.conclude("b1", {(SUPPORT, 3, 103): "no", (SALES, 3, 103): "no"})
    assert ledger.begun() == {SUPPORT: NOON}
    ledger.intend("r", "b2", NOON + HOUR, [*intents(Op.CREATE, [5]), *intents(Op.CREATE, [5], SALES)])
    ledger.conclude("b2")
    assert ledger.begun() == {SUPPORT: NOON, SALES: NOON + HOUR}


def test_a_mailbox_begins_with_an_adoption(ledger: Ledger) -> None:
    """An account that becomes ours is one; letting go of it does not undo that the mailbox had begun."""
    ledger.adopt("r", NOON, SUPPORT, [Adoption(3, "carol", 7, "id", "dn", (), None)])
    ledger.release("r", NOON + HOUR, SUPPORT)
    ledger.adopt("r", NOON + HOUR, SUPPORT, [Adoption(4, "dave", 8, "id", "dn", (), None)])
    assert ledger.begun() == {SUPPORT: NOON}


def test_a_mailbox_begins_with_a_recovered_account(ledger: Ledger) -> None:
    """An account whose run died counts when it is found."""
    ledger.intend("dead", "b", NOON, intents(Op.CREATE, [3]))
    ledger.recover(NOON + HOUR, SUPPORT, [ledger.claims()[SUPPORT][3]._replace(held=True)])
    assert ledger.begun() == {SUPPORT: NOON + HOUR}


def test_accounts_by_hand_begin_nothing(ledger: Ledger) -> None:
    """What a person makes is not ours; neither are updates and deletes a beginning."""
    ledger.intend("hand", "b", NOON, [*intents(Op.CREATE, [3]), *intents(Op.UPDATE, [4])], claims=False)
    ledger.conclude("b")
    assert ledger.begun() == {}
    ledger.intend("hand", "b2", NOON, intents(Op.CREATE, [4]), claims=True)
    ledger.conclude("b2")
    assert ledger.begun() == {SUPPORT: NOON}


def test_fingerprints_are_kept(ledger: Ledger) -> None:
    """The last one given counts; mailboxes not given, and unknown ones, change nothing."""
    ledger.finish(report(judgement()), fingerprints={SUPPORT: "1:a", SALES: "1:b"})
    ledger.finish(report(judgement(), run="r2"), fingerprints={SUPPORT: "1:c", MailboxRef(7, "other"): "1:d"})
    ledger.finish(report(judgement(), run="r3"))
    assert ledger.fingerprints() == {SUPPORT: "1:c", SALES: "1:b"}
