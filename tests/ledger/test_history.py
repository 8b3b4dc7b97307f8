"""The journal as people ask for it: every filter, in portions, without what only the chain needs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.core.changes import Adoption, Op
from syncd.core.model import MailboxRef, Pin
from syncd.ledger import history
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Intent
from tests.ledger.making import FIELDS, NOON, PATH, SALES, SUPPORT, change, intents, judgement, report

HOUR = timedelta(hours=1)


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Give a ledger with two runs and what persons did: entries 1, 2, 3, 5, 7 and 8; 4 and 6 are conclusions."""
    ledger.begin("r1", "sync", NOON)
    made = change(Op.CREATE, 3, reason="member since today")
    ledger.intend(
        "r1",
        "b1",
        NOON,
        [Intent(made, SUPPORT, 103, new={"name": "x"}), *intents(Op.CREATE, [4]), *intents(Op.CREATE, [3], SALES)],
    )
    ledger.conclude("b1", {(SUPPORT, 4, 104): "name too long"})
    ledger.begin("r2", "run", NOON + HOUR)
    ledger.intend("r2", "b2", NOON + HOUR, [Intent(change(Op.DELETE, 3), SUPPORT, 103, old={"id": 103})])
    ledger.conclude("b2")
    ledger.pin(SUPPORT, [Pin(5, True, None, "anna")], NOON + 2 * HOUR, {5: "user5"})
    ledger.pause(None, None, "bob", NOON + 3 * HOUR)
    return ledger


@pytest.mark.parametrize(
    ("asked", "seqs"),
    [
        ({}, [1, 2, 3, 5, 7, 8]),
        ({"mailboxes": [SUPPORT]}, [1, 2, 5, 7]),
        ({"mailboxes": [SUPPORT, SALES]}, [1, 2, 3, 5, 7]),
        ({"mailboxes": []}, []),
        ({"mailboxes": [MailboxRef(9, "unknown")]}, []),
        ({"user": 3}, [1, 3, 5]),
        ({"user": 0}, [8]),
        ({"login": "user4"}, [2]),
        ({"since": NOON + HOUR}, [5, 7, 8]),
        ({"until": NOON + HOUR}, [1, 2, 3]),
        ({"since": NOON + HOUR, "until": NOON + 2 * HOUR}, [5]),
        ({"run": "r1"}, [1, 2, 3]),
        ({"run": "r"}, []),
        ({"seqs": [5, 4, 1]}, [1, 5]),
        ({"seqs": []}, []),
        ({"limit": 2}, [7, 8]),
        ({"limit": 0}, []),
        ({"limit": 1, "user": 3}, [5]),
        ({"limit": 99, "run": "r2"}, [5]),
        ({"user": 3, "mailboxes": [SALES], "run": "r1"}, [3]),
        ({"user": 77, "limit": 3}, []),
    ],
)
def test_entries_are_found(filled: Ledger, asked: dict[str, object], seqs: list[int]) -> None:
    """Each filter narrows, several together narrow more, the limit is counted from the newest end."""
    assert [entry.seq for entry in filled.history(**asked)] == seqs  # type: ignore[arg-type]


def test_an_entry_tells_everything(filled: Ledger) -> None:
    """When, for whom, why, by which run, started how, and with what result; old and new rows as mappings."""
    created, failed, _, deleted, pinned, paused = filled.history()
    assert (created.run, created.command, created.at, created.ref) == ("r1", "sync", NOON, SUPPORT)
    assert (created.address, created.user, created.login, created.account) == ("Support@x.org", 3, "user3", 103)
    assert (created.op, created.path, created.reason) == ("create", PATH, "member since today")
    assert (created.old, created.new, created.result, created.error) == (None, {"name": "x"}, "applied", None)
    assert created.hash is not None
    assert len(created.hash) == 64
    assert (failed.new, failed.result, failed.error) == (FIELDS._asdict(), "failed", "name too long")
    assert (deleted.command, deleted.old, deleted.new) == ("run", {"id": 103}, None)
    assert (pinned.op, pinned.run, pinned.command, pinned.path) == ("pin", "", "", ("by hand", "anna"))
    assert (pinned.login, pinned.reason) == ("user5", "keep")
    assert (paused.op, paused.ref, paused.address, paused.user) == ("pause", None, "", 0)


def test_what_is_pending_is_told(ledger: Ledger) -> None:
    """An announced change of which nothing is known yet is in the history, as pending."""
    ledger.intend("r", "b", NOON, intents(Op.CREATE, [3]))
    assert [entry.result for entry in ledger.history()] == ["pending"]


@pytest.mark.parametrize("limit", [None, 2500, 2000])
def test_a_long_history_comes_in_portions(ledger: Ledger, limit: int | None) -> None:
    """Nothing is lost or given twice between them, whatever is written meanwhile comes last."""
    ledger.adopt(
        "r", NOON, SUPPORT, [Adoption(n, f"u{n}", n, "", "", (), None) for n in range(2 * history.PORTION + 5)]
    )
    found = [entry.seq for entry in ledger.history(limit=limit)]
    everything = list(range(1, 2 * history.PORTION + 6))
    assert found == everything[-(limit or len(everything)) :]
    reading = ledger.history()
    first = next(reading)
    ledger.pause(None, None, "anna", NOON)
    assert [first, *reading][-1].op == "pause"


def test_a_quiet_ledger_has_no_history(ledger: Ledger) -> None:
    """Runs that change nothing leave no entry."""
    ledger.begin("r1", "sync", NOON)
    ledger.finish(report(judgement()), absences={SUPPORT: {}}, fingerprints={SUPPORT: "1:a"})
    assert list(ledger.history()) == []
