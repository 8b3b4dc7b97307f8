"""The chain of the journal: whatever is edited is found, whatever syncd did verifies, and pruning keeps it so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from syncd.core.changes import Adoption, Op
from syncd.core.model import UNNUMBERED, Pin
from syncd.errors import LedgerUnavailable
from syncd.ledger import audit
from syncd.ledger.ledger import Ledger
from syncd.ledger.times import stamp
from syncd.ledger.values import Intent
from tests.ledger.making import NOON, SALES, SUPPORT, change, intents, judgement, report

DAY = timedelta(days=1)


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Give a ledger with every kind of entry.

    1 a create, applied with the server's id; 2 one that failed; 3 a delete; 4 their conclusion; 5 an adoption;
    6 a create that was abandoned; 7 an update, pending; 8 the conclusion of both; 9 a create, pending; 10 a pin.
    """
    made = [Intent(change(Op.CREATE, 3, reason="why"), SUPPORT, UNNUMBERED), *intents(Op.CREATE, [4])]
    ledger.intend("r1", "b1", NOON, [*made, *intents(Op.DELETE, [5])])
    ledger.conclude("b1", {(SUPPORT, 4, 104): "no"}, numbered={(SUPPORT, 3): 71})
    ledger.adopt("r1", NOON, SUPPORT, [Adoption(6, "user6", 7, "id", "dn", ("a",), None)])
    ledger.intend("r2", "b2", NOON + DAY, [*intents(Op.CREATE, [7]), *intents(Op.UPDATE, [6])])
    ledger.settle({6: "abandoned"})
    ledger.intend("r3", "b3", NOON + 2 * DAY, intents(Op.CREATE, [8], SALES))
    ledger.pin(SUPPORT, [Pin(3, True, None, "anna")], NOON + 3 * DAY)
    return ledger


def write(ledger: Ledger, sql: str, *values: object) -> None:
    """Edit the ledger by hand."""
    with ledger._database.writing() as work:
        assert work.run(sql, values) > 0


def rows(ledger: Ledger, sql: str) -> list[tuple[Any, ...]]:
    """Ask the ledger's database."""
    with ledger._database.reading() as work:
        return work.rows(sql)


def problems(ledger: Ledger) -> tuple[str, ...]:
    """Verify; give what is wrong."""
    return ledger.verify().problems


def test_an_untouched_journal_verifies(filled: Ledger) -> None:
    """The numbers and times of what was checked are told, and the hash at the end of the chain."""
    found = filled.verify()
    assert found.problems == ()
    assert (found.entries, found.first, found.last) == (10, NOON, NOON + 3 * DAY)
    assert (found.older, found.pruned, found.pruned_at) == (0, 0, None)
    assert [(found.head,)] == rows(filled, "SELECT hash FROM journal WHERE seq = 10")


def test_an_empty_journal_verifies(ledger: Ledger) -> None:
    """There is nothing to check and nothing wrong."""
    found = ledger.verify()
    assert (found.entries, found.first, found.last, found.head, found.problems) == (0, None, None, "", ())


EDITS = {
    "run": "'x'", "batch": "'x'", "at": "at + 1", "mailbox": "mailbox + 1", "user": "user + 1", "login": "'x'",
    "account": "COALESCE(account, 0) + 1", "op": "'release'", "path": "'[1]'", "old": "'{}'", "new": "'x'",
    "result": "'failed'", "error": "'x'", "reason": "'x'", "hash": "'x'",
}  # fmt: skip


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_entry_is_found(filled: Ledger, column: str) -> None:
    """Whatever column of whatever entry is changed, or emptied, it is told with the entry's number."""
    nullable = {"batch", "account", "old", "new", "error", "reason", "hash"}
    for seq, value in rows(filled, f"SELECT seq, {column} FROM journal ORDER BY seq"):
        edits = [EDITS[column]] if value != "failed" else ["'applied'"]
        edits += ["NULL"] if column in nullable and value is not None else []
        for edit in edits:
            write(filled, f"UPDATE journal SET {column} = {edit} WHERE seq = {seq}")
            found = problems(filled)
            assert any(f"entry {seq} " in one or f"entry {seq}:" in one for one in found), (seq, edit, found)
        write(filled, f"UPDATE journal SET {column} = ? WHERE seq = {seq}", value)
        assert problems(filled) == ()


@pytest.mark.parametrize(
    ("seqs", "told"),
    [
        ([1], "entry 1 is missing"),
        ([4], "entry 4 is missing"),
        ([5, 6, 7], "entries 5 to 7 are missing"),
        ([10], "entry 10 is missing"),
        ([8, 9, 10], "entries 8 to 10 are missing"),
        (list(range(1, 11)), "entries 1 to 10 are missing"),
    ],
)
def test_deleted_entries_are_found(filled: Ledger, seqs: Sequence[int], told: str) -> None:
    """At the start, in the middle and at the end, also when more was written after that."""
    write(filled, f"DELETE FROM journal WHERE seq IN ({', '.join(map(str, seqs))})")
    assert told in problems(filled)
    filled.pause(None, None, "anna", NOON + 4 * DAY)
    assert told in problems(filled)


@pytest.mark.parametrize("gap", [False, True])
def test_swapped_entries_are_found(filled: Ledger, gap: bool) -> None:
    """Two entries that change places are both told."""
    one, other = (1, 3) if gap else (2, 3)
    for old, new in ((one, 99), (other, one), (99, other)):
        write(filled, "UPDATE journal SET seq = ? WHERE seq = ?", new, old)
    found = problems(filled)
    assert all(any(f"entry {seq} " in told for told in found) for seq in (one, other))


def test_a_deleted_entry_cannot_be_closed_up(filled: Ledger) -> None:
    """Moving the later entries up hides no gap."""
    write(filled, "DELETE FROM journal WHERE seq = 5")
    for seq in range(6, 11):
        write(filled, "UPDATE journal SET seq = ? WHERE seq = ?", seq - 1, seq)
    assert "entry 5 is not what was written, or not behind what it was written behind" in problems(filled)


@pytest.mark.parametrize("sealed", [False, True])
def test_an_added_entry_is_found(filled: Ledger, sealed: bool) -> None:
    """At the end of the journal an entry by hand is told, with a hash or without; writing goes on behind it."""
    write(
        filled,
        "INSERT INTO journal (run, at, mailbox, user, login, op, path, result, hash) "
        "VALUES ('r', 1, 1, 3, 'x', 'adopt', '[]', 'applied', ?)",
        "x" * 64 if sealed else None,
    )
    assert any("entry 11 " in told for told in problems(filled))
    filled.pause(None, None, "anna", NOON)
    assert any("entry 11 " in told for told in problems(filled))
    assert rows(filled, "SELECT op FROM journal WHERE seq = 12") == [("pause",)]


def test_an_edited_text_is_found(filled: Ledger) -> None:
    """What was written to accounts, and what became of batches, cannot be changed or taken away."""
    for number, (digest, body) in enumerate(rows(filled, "SELECT digest, body FROM texts")):
        if number % 2:
            write(filled, "UPDATE texts SET body = ? WHERE digest = ?", body + " ", digest)
        else:
            write(filled, "DELETE FROM texts WHERE digest = ?", digest)
        assert any(f"its text {digest[:12]} is not there" in told for told in problems(filled))
        with filled._database.writing() as work:
            work.upsert("texts", ("digest",), ("body",), [(digest, body)])
        assert problems(filled) == ()


@pytest.mark.parametrize(
    "edit", ["seq = seq - 1", "seq = seq + 1", "hash = 'x'", "anchor_seq = 1", "anchor_hash = 'x'"]
)
def test_an_edited_end_is_found(filled: Ledger, edit: str) -> None:
    """The row that says where the chain begins and ends is part of it."""
    write(filled, f"UPDATE chain SET {edit}")
    assert problems(filled)


def test_without_its_end_nothing_is_written(filled: Ledger) -> None:
    """When that row is gone it is told, and the journal is not written any more."""
    write(filled, "DELETE FROM chain")
    assert "the row that says where the chain begins and ends is not there" in problems(filled)
    with pytest.raises(LedgerUnavailable, match=r"lost the end of its chain \(restore a backup"):
        filled.intend("r", "b", NOON, intents(Op.CREATE, [1]))


def test_a_result_is_part_of_what_was_concluded(filled: Ledger) -> None:
    """Of a batch that was concluded in two steps the last conclusion counts."""
    filled.settle({7: "applied"})
    assert problems(filled) == ()
    write(filled, "UPDATE journal SET result = 'pending' WHERE seq = 7")
    assert problems(filled) == ("entry 7 is not applied as its batch was concluded",)
    write(filled, "UPDATE journal SET result = 'applied', account = 999 WHERE seq = 7")
    assert len(problems(filled)) == 2


def test_an_id_that_nobody_gave_is_found(ledger: Ledger) -> None:
    """A create that waits for the server's id has none until it is concluded."""
    made = [one._replace(account=UNNUMBERED) for one in intents(Op.CREATE, [3, 4])]
    ledger.intend("r", "b", NOON, made)
    assert problems(ledger) == ()
    write(ledger, "UPDATE journal SET account = 71 WHERE seq = 2")
    assert any("entry 2 " in told for told in problems(ledger))


def test_an_edit_by_hand_stops_no_run(filled: Ledger) -> None:
    """An entry that is about no account is never waited for, whatever somebody wrote into it."""
    before = filled.unsettled()
    write(filled, "UPDATE journal SET result = 'pending' WHERE seq IN (4, 8, 10)")
    assert filled.unsettled() == before
    assert set(filled.windows(NOON)) == {SUPPORT, SALES}


def test_many_problems_are_cut(ledger: Ledger) -> None:
    """The first ones are told one by one, the rest as a number."""
    ledger.adopt("r", NOON, SUPPORT, [Adoption(n, "u", n, "", "", (), None) for n in range(audit.TOLD + 7)])
    write(ledger, "UPDATE journal SET login = 'x'")
    found = problems(ledger)
    assert len(found) == audit.TOLD + 1
    assert found[-1] == "and 7 more problems"


# --------------------------------------------------------------------------- pruning


def test_old_entries_are_pruned(filled: Ledger) -> None:
    """What is older goes, the rest still is a chain that says so; a second time there is nothing to do."""
    filled.conclude("b3")
    later = NOON + 9 * DAY
    assert filled.prune(NOON + DAY, later) == 5
    found = filled.verify()
    assert (found.problems, found.entries, found.first) == ((), 6, NOON + DAY)
    assert (found.pruned, found.pruned_at) == (5, later)
    assert [entry.seq for entry in filled.history()] == [6, 7, 9, 10]
    assert filled.prune(NOON + DAY, later + DAY) == 0
    assert filled.verify().pruned_at == later
    write(filled, "DELETE FROM journal WHERE seq = 6")
    assert "entry 6 is missing" in problems(filled)


def test_pruning_stops_at_what_is_pending(filled: Ledger) -> None:
    """An entry of which nobody knows what became stays, and all behind it, however old they are."""
    assert filled.prune(NOON + 30 * DAY, NOON + 30 * DAY) == 6
    assert [entry.seq for entry in filled.history()] == [7, 9, 10]
    assert problems(filled) == ()
    filled.settle({7: "applied", 9: "failed"})
    assert problems(filled) == ()
    assert filled.prune(NOON + 30 * DAY, NOON + 30 * DAY) == 6
    found = filled.verify()
    assert (found.problems, found.entries, found.pruned) == ((), 0, 12)
    filled.pause(None, None, "anna", NOON)
    assert problems(filled) == ()


def test_a_whole_journal_is_missed_after_pruning(filled: Ledger) -> None:
    """The anchor vouches for the start: what follows it cannot be taken away unnoticed."""
    filled.settle({7: "applied", 9: "failed"})
    filled.prune(NOON + 3 * DAY, NOON + 3 * DAY)
    write(filled, "DELETE FROM journal")
    assert problems(filled) == ("entries 10 to 12 are missing",)


def test_a_batch_may_lie_across_the_cut(ledger: Ledger) -> None:
    """A conclusion that lists pruned changes beside others still is compared with those that are left."""
    ledger.intend("r", "b", NOON, intents(Op.CREATE, [1, 2, 3]))
    ledger.settle({1: "applied"})
    assert ledger.prune(NOON + DAY, NOON + DAY) == 1
    ledger.settle({2: "applied", 3: "failed"})
    assert problems(ledger) == ()
    write(ledger, "UPDATE journal SET result = 'applied' WHERE seq = 3")
    assert problems(ledger) == ("entry 3 is not failed as its batch was concluded",)


def test_pruning_takes_what_only_old_entries_needed(ledger: Ledger) -> None:
    """Texts that nobody names, runs without an entry and closed plans of that time go; the younger and open stay."""
    for number, at in enumerate((NOON, NOON + DAY)):
        run = f"r{number}"
        ledger.begin(run, "sync", at)
        one = [Intent(change(Op.CREATE, number), SUPPORT, number, new={"only": run}), *intents(Op.CREATE, [8])]
        ledger.intend(run, f"b{number}", at, one)
        ledger.conclude(f"b{number}")
        ledger.finish(report(judgement(held=f"sha256:{run}"), run=run, hours=24 * number))
    before = len(rows(ledger, "SELECT digest FROM texts"))
    assert ledger.prune(NOON + DAY, NOON + DAY) == 3
    assert problems(ledger) == ()
    assert len(rows(ledger, "SELECT digest FROM texts")) == before - 2  # its conclusion, and what only it wrote
    assert [run.run for run in ledger.runs()] == ["r1"]
    assert rows(ledger, "SELECT digest, state FROM held_plans") == [("sha256:r1", "held")]


def test_pruning_keeps_runs_that_go_on(ledger: Ledger) -> None:
    """A run without an end, and one that an entry names which has to stay, are kept."""
    ledger.begin("r1", "sync", NOON)
    ledger.intend("r1", "b", NOON, intents(Op.CREATE, [1]))
    ledger.begin("r2", "sync", NOON)
    assert ledger.prune(NOON + DAY, NOON + DAY) == 0
    assert [run.run for run in ledger.runs()] == ["r2", "r1"]
    ledger.settle({1: "failed"})
    assert ledger.prune(NOON + DAY, NOON + DAY) == 2
    assert [run.run for run in ledger.runs()] == ["r2"]


def test_much_is_pruned_in_portions(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each transaction the journal verifies, so being killed in between loses nothing."""
    monkeypatch.setattr(audit, "CHUNK", 10)
    for number in range(4):
        ledger.intend("r", f"b{number}", NOON + number * DAY, intents(Op.CREATE, range(number * 9, number * 9 + 9)))
        ledger.conclude(f"b{number}")
    left = []
    more = True
    while more:
        with ledger._database.writing() as work:
            _, more = audit.prune(work, NOON + 3 * DAY, NOON + 3 * DAY)
        found = ledger.verify()
        assert found.problems == ()
        left.append(found.entries)
    assert left == [30, 20, 10, 10]


def test_nothing_to_prune_writes_nothing(filled: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may ask every time: two rows are read."""
    monkeypatch.setattr(audit, "prune", lambda *_: pytest.fail("it wrote"))
    assert filled.prune(NOON, datetime.max.replace(tzinfo=NOON.tzinfo)) == 0


@pytest.fixture
def upgraded(ledger: Ledger) -> Ledger:
    """Give a ledger with three entries of an older syncd, as its upgrade leaves it, and two in the chain."""
    for number in range(3):
        write(
            ledger,
            "INSERT INTO journal (run, at, mailbox, user, login, op, path, result) VALUES ('r', ?, 1, 1, 'x', ?, ?, ?)",
            *(stamp(NOON + number * DAY), "adopt", "[]", "applied"),
        )
    write(ledger, "UPDATE chain SET seq = 3, anchor_seq = 3")
    for number in (3, 4):
        ledger.pause(None, None, "anna", NOON + number * DAY)
    return ledger


@pytest.mark.parametrize(("days", "older", "entries"), [(0, 3, 2), (1, 2, 2), (3, 0, 2), (4, 0, 1), (5, 0, 0)])
def test_entries_of_before_the_chain_are_counted(upgraded: Ledger, days: int, older: int, entries: int) -> None:
    """Nothing vouches for them, they are no problem, and pruning them leaves the chain where it begins."""
    assert upgraded.prune(NOON + days * DAY, NOON + 9 * DAY) == days
    found = upgraded.verify()
    assert (found.problems, found.older, found.entries, found.pruned) == ((), older, entries, days)


def test_an_older_syncd_beside_this_one(upgraded: Ledger) -> None:
    """One that was not restarted after the upgrade stops nothing; what it writes without a hash is told."""
    write(
        upgraded,
        "INSERT INTO journal (run, at, mailbox, user, login, op, path, result) VALUES ('r', 1, 1, 1, 'x', ?, ?, ?)",
        *("adopt", "[]", "applied"),
    )
    upgraded.pause(None, None, "anna", NOON + 5 * DAY)
    assert problems(upgraded) == ("entry 6 has no hash: a person or an older syncd wrote it",)
    assert upgraded.prune(NOON + 5 * DAY, NOON + 9 * DAY) == 6
    found = upgraded.verify()
    assert (found.problems, found.entries) == ((), 1)
