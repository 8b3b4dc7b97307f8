"""Changes announced and settled: what they do to claims, to the window of the guard, and after a crash."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.core.changes import Op
from syncd.core.limits import Window
from syncd.core.model import UNNUMBERED
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Intent
from tests.ledger.making import FIELDS, NOON, PATH, SALES, SUPPORT, change, intents


def journal(ledger: Ledger, columns: str) -> list[tuple[Any, ...]]:
    """Give columns of the journal's changes, in order."""
    with ledger._database.reading() as work:
        return work.rows(f"SELECT {columns} FROM journal WHERE op <> 'conclude' ORDER BY seq")


def hold(ledger: Ledger, users: list[int]) -> None:
    """Give users held claims."""
    ledger.intend("r0", "b0", NOON - timedelta(days=3), intents(Op.CREATE, users))
    ledger.conclude("b0")


def test_a_create_is_pending_and_then_held(ledger: Ledger) -> None:
    """The reserved id is claimed before the write, owned after it, with its seal."""
    ledger.intend("r", "b", NOON, intents(Op.CREATE, [3, 4]))
    assert {(c.user, c.account, c.held) for c in ledger.claims()[SUPPORT].values()} == {
        (3, 103, False),
        (4, 104, False),
    }
    ledger.conclude("b", seals={(SUPPORT, 3): b"sealed"})
    assert [(c.held, c.seal) for c in ledger.claims()[SUPPORT].values()] == [(True, b"sealed"), (True, None)]
    assert journal(ledger, "user, op, result") == [(3, "create", "applied"), (4, "create", "applied")]


def unnumbered(users: list[int]) -> list[Intent]:
    """Give creates whose ids are the server's."""
    return [one._replace(account=UNNUMBERED) for one in intents(Op.CREATE, users)]


def test_an_id_of_the_servers_is_noted_when_it_is_known(ledger: Ledger) -> None:
    """Announced without an id, a create is concluded with the one that the server gave; a failed one has none."""
    hold(ledger, [9])
    ledger.intend("r", "b", NOON, unnumbered([3, 4, 5]))
    assert [(c.user, c.account, c.held) for c in ledger.claims()[SUPPORT].values()] == [
        *((user, UNNUMBERED, False) for user in (3, 4, 5)),
        (9, 109, True),
    ]
    ledger.conclude("b", {(SUPPORT, 4, UNNUMBERED): "no"}, numbered={(SUPPORT, 3): 71, (SUPPORT, 5): 72})
    assert [(c.user, c.account, c.held) for c in ledger.claims()[SUPPORT].values()] == [
        (3, 71, True),
        (5, 72, True),
        (9, 109, True),
    ]
    assert journal(ledger, "user, account, result, error")[1:] == [
        (3, 71, "applied", None),
        (4, None, "failed", "no"),
        (5, 72, "applied", None),
    ]


def test_killed_before_the_servers_id_was_known(ledger: Ledger) -> None:
    """A create that nobody concluded is unsettled without owning anything; settled, it leaves neither id nor claim."""
    ledger.intend("dead", "b", NOON, unnumbered([3]))
    [entry] = ledger.unsettled()
    assert entry.account == UNNUMBERED
    ledger.settle({entry.seq: "abandoned"})
    assert journal(ledger, "account, result") == [(None, "abandoned")]
    assert ledger.claims() == {}


def test_what_is_made_by_hand_takes_over_no_dead_claim(ledger: Ledger) -> None:
    """Where a run died, a create by hand of the same account by the same way stays nobody's; held claims stay."""
    hold(ledger, [4])
    ledger.intend("dead", "b", NOON, unnumbered([3]))
    ledger.settle({entry.seq: "abandoned" for entry in ledger.unsettled()})
    ledger.intend("hand", "c", NOON, unnumbered([3]), claims=False)
    ledger.conclude("c", numbered={(SUPPORT, 3): 71})
    assert set(ledger.claims()[SUPPORT]) == {4}


def test_a_failed_create_loses_its_claim(ledger: Ledger) -> None:
    """Of a batch over two mailboxes only the failed account has no claim; its error is kept."""
    ledger.intend("r", "b", NOON, [*intents(Op.CREATE, [3, 4]), *intents(Op.CREATE, [3], SALES)])
    ledger.conclude("b", {(SUPPORT, 3, 103): "name too long \udcff"}, {(SUPPORT, 3): b"no", (SALES, 3): b"yes"})
    assert {ref: set(claims) for ref, claims in ledger.claims().items()} == {SUPPORT: {4}, SALES: {3}}
    assert journal(ledger, "result, error") == [
        ("failed", "name too long \\udcff"),
        ("applied", None),
        ("applied", None),
    ]


def test_a_delete_ends_the_claim_only_when_it_was_applied(ledger: Ledger) -> None:
    """Until it is concluded, and when it failed, the claim stays held."""
    hold(ledger, [3, 4, 5])
    ledger.intend("r", "b", NOON, intents(Op.DELETE, [3, 4]))
    assert all(claim.held for claim in ledger.claims()[SUPPORT].values())
    ledger.conclude("b", {(SUPPORT, 3, 103): "locked"})
    assert {(c.user, c.held) for c in ledger.claims()[SUPPORT].values()} == {(3, True), (5, True)}


def test_an_update_keeps_the_claim(ledger: Ledger) -> None:
    """Claims of updated accounts stay held; a new seal is noted, that of a failed one is not."""
    hold(ledger, [3, 4])
    ledger.intend("r", "b", NOON, intents(Op.UPDATE, [3, 4]))
    ledger.conclude("b", {(SUPPORT, 4, 104): "no"}, {(SUPPORT, 3): b"new", (SUPPORT, 4): b"new"})
    assert [(c.held, c.seal) for c in ledger.claims()[SUPPORT].values()] == [(True, b"new"), (True, None)]


def test_a_batch_touches_no_other(ledger: Ledger) -> None:
    """Concluding one batch leaves another pending."""
    ledger.intend("r", "b1", NOON, intents(Op.CREATE, [3]))
    ledger.intend("r", "b2", NOON, intents(Op.CREATE, [4]))
    ledger.conclude("b2", {(SUPPORT, 4, 104): "failed"})
    ledger.conclude("b1")
    assert {(c.user, c.held) for c in ledger.claims()[SUPPORT].values()} == {(3, True)}


def test_a_lost_account_is_claimed_anew(ledger: Ledger) -> None:
    """A create for a user with a held claim replaces it by a pending one with the new id."""
    hold(ledger, [3])
    ledger.intend("r", "b", NOON, [Intent(change(Op.CREATE, 3), SUPPORT, 999)])
    assert [(c.account, c.held) for c in ledger.claims()[SUPPORT].values()] == [(999, False)]


def test_the_journal_has_rows_without_passwords(ledger: Ledger) -> None:
    """Old and new rows are kept as JSON, octets and times as text, and nothing named password."""
    old = {
        "mail": {"id": 103, "password": "geheim", "blob": b"\x01", "at": NOON},
        "rows": [{"Transport_Password": "geheim"}],
    }
    new = json.dumps({"mail": {"id": 103}})
    ledger.intend("r", "b", NOON, [Intent(change(Op.UPDATE, 3), SUPPORT, 103, old, new)])
    ((user, login, account, path, stored),) = journal(ledger, "user, login, account, path, old")
    assert (user, login, account, tuple(json.loads(path))) == (3, "user3", 103, PATH)
    assert json.loads(stored) == {"mail": {"id": 103, "blob": "01", "at": str(NOON)}, "rows": [{}]}
    assert ledger.unsettled()[0].new == {"mail": {"id": 103}}


def test_without_rows_the_fields_are_kept(ledger: Ledger) -> None:
    """An intent without rows is journalled with the fields of its change; a delete has nothing new."""
    ledger.intend("r", "b", NOON, [*intents(Op.UPDATE, [3]), *intents(Op.DELETE, [4])])
    assert [row.new for row in ledger.unsettled()] == [FIELDS._asdict(), None]
    assert [json.loads(old) for (old,) in journal(ledger, "old")] == [FIELDS._asdict(), FIELDS._asdict()]


def test_what_many_changes_write_is_stored_once(ledger: Ledger) -> None:
    """Equal new rows take one row in the database, over batches."""
    for batch in ("b1", "b2"):
        ledger.intend("r", batch, NOON, intents(Op.CREATE, [3, 4]))
    with ledger._database.reading() as work:
        assert work.rows("SELECT COUNT(*) FROM texts") == [(1,)]


def test_unsettled_changes_are_found_and_settled(ledger: Ledger) -> None:
    """Rows of a run that died are given with what they meant to do, and only settled ones vanish."""
    ledger.intend("dead", "b1", NOON, intents(Op.CREATE, [3]))
    ledger.intend("dead", "b2", NOON, [*intents(Op.UPDATE, [4], SALES), *intents(Op.DELETE, [5])])
    found = ledger.unsettled()
    assert [(u.run, u.mailbox, u.user, u.account, u.op) for u in found] == [
        ("dead", SUPPORT, 3, 103, Op.CREATE),
        ("dead", SALES, 4, 104, Op.UPDATE),
        ("dead", SUPPORT, 5, 105, Op.DELETE),
    ]
    ledger.settle({found[0].seq: "abandoned", found[1].seq: "applied"})
    assert [u.user for u in ledger.unsettled()] == [5]
    ledger.settle({found[0].seq: "applied"})
    assert journal(ledger, "result") == [("abandoned",), ("applied",), ("pending",)]


@pytest.mark.parametrize(("result", "left"), [("applied", {4, 5}), ("abandoned", {3, 4, 5}), ("failed", {3, 4, 5})])
def test_a_delete_that_proves_applied_ends_its_claim(ledger: Ledger, result: str, left: set[int]) -> None:
    """Settling ends the claim on the deleted account, not one on another account of that user, and no other op's."""
    hold(ledger, [3, 4, 5])
    ledger.intend("dead", "b", NOON, [*intents(Op.DELETE, [3, 4]), *intents(Op.UPDATE, [5])])
    ledger.refresh(SUPPORT, [ledger.claims()[SUPPORT][4]._replace(account=999)])
    ledger.settle({row.seq: result for row in ledger.unsettled()})
    assert set(ledger.claims()[SUPPORT]) == left


@pytest.mark.parametrize("op", list(Op))
@pytest.mark.parametrize("result", ["applied", "pending", "failed", "abandoned"])
def test_the_window_counts_what_was_or_may_have_been_applied(ledger: Ledger, op: Op, result: str) -> None:
    """Applied and unsettled changes count in their direction; failed and abandoned ones do not."""
    ledger.intend("r", "b", NOON, intents(op, [3, 4]))
    if result == "failed":
        ledger.conclude("b", {(SUPPORT, 3, 103): "no", (SUPPORT, 4, 104): "no"})
    elif result == "abandoned":
        ledger.settle({row.seq: "abandoned" for row in ledger.unsettled()})
    elif result == "applied":
        ledger.conclude("b")
    names = {Op.CREATE: "additions", Op.UPDATE: "updates", Op.DELETE: "removals"}
    expected = {SUPPORT: Window(**{names[op]: 2})} if result in {"applied", "pending"} else {}
    assert ledger.windows(NOON - timedelta(days=1)) == expected


def test_the_window_slides(ledger: Ledger) -> None:
    """What is older than its start does not count, what is as old does."""
    ledger.intend("r", "b1", NOON - timedelta(seconds=1), intents(Op.DELETE, [3]))
    ledger.intend("r", "b2", NOON, intents(Op.DELETE, [4]))
    assert ledger.windows(NOON) == {SUPPORT: Window(removals=1)}


def test_the_window_leaves_out_what_was_made_by_hand(ledger: Ledger) -> None:
    """Limits are about runs: what a person created, changed or deleted counts for none."""
    by_hand = [Intent(change(op, 3, path=("by hand", "alice")), SUPPORT, 103) for op in Op]
    ledger.intend("r", "b", NOON, [*by_hand, *intents(Op.DELETE, [4])])
    assert ledger.windows(NOON) == {SUPPORT: Window(removals=1)}


def test_creates_by_hand_get_no_claim(ledger: Ledger) -> None:
    """Without claims nothing becomes ours, whether a create fails or not, and a delete ends a claim all the same."""
    hold(ledger, [5])
    ledger.intend("r", "b", NOON, [*intents(Op.CREATE, [3, 4]), *intents(Op.DELETE, [5])], claims=False)
    assert set(ledger.claims()[SUPPORT]) == {5}
    ledger.conclude("b", {(SUPPORT, 4, 104): "no"}, {(SUPPORT, 3): b"seal"})
    assert ledger.claims() == {}
    assert journal(ledger, "result")[-3:] == [("applied",), ("failed",), ("applied",)]


def test_the_number_of_statements_depends_on_batches(ledger: Ledger) -> None:
    """A batch of 1,000 costs at most three statements more than one of 10."""
    counted = []
    for number, size in enumerate((10, 1000)):
        statements = 0

        def count(*_args: object) -> None:
            nonlocal statements
            statements += 1

        sa.event.listen(ledger._database._engine, "before_cursor_execute", count)
        ledger.intend("r", f"b{number}", NOON, intents(Op.CREATE, range(number * 100, number * 100 + size)))
        ledger.conclude(f"b{number}", seals={(SUPPORT, number * 100 + user): b"s" for user in range(size)})
        sa.event.remove(ledger._database._engine, "before_cursor_execute", count)
        counted.append(statements)
    assert counted[1] <= counted[0] + 3
