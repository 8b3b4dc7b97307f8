"""What a limit stopped: every row of the table in `syncd/ledger/held.py`, and approval."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.changes import Adoption, Direction, Op, Outcome
from syncd.ledger import held
from syncd.ledger.ledger import Ledger
from tests.ledger.making import NOON, PATH, SALES, SUPPORT, change, judgement, objection, report


def digests(ledger: Ledger) -> dict[str, str]:
    """Give what is held or approved: digest → state."""
    return {plan.digest: plan.state for plan in ledger.held()}


def test_a_held_plan_is_kept_with_what_it_would_do(ledger: Ledger) -> None:
    """The first run that is held stores the held changes and the objections, and nothing of the other directions."""
    changes = (change(Op.DELETE, 3), change(Op.CREATE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=changes)))
    (plan,) = ledger.held()
    assert (plan.digest, plan.ref, plan.address, plan.state) == ("sha256:a", SUPPORT, "Support@x.org", "held")
    assert plan.created == NOON
    assert plan.objections[0]["message"] == "9 of 10 go"
    assert plan.objections[0]["directions"] == ["removals"]
    assert plan.plan["total"] == 1
    assert [(c["op"], c["user"], c["path"]) for c in plan.plan["changes"]] == [("delete", 3, list(PATH))]  # type: ignore[attr-defined]


def test_held_adoptions_are_shown() -> None:
    """Adoptions are part of what is held when additions are."""
    adopted = (Adoption(3, "carol", 7, "id", "dn", PATH, None),)
    both = judgement(held="sha256:a", adopted=adopted, changes=(change(Op.CREATE, 4),))
    both = type(both)(plan=both.plan, held=frozenset({Direction.ADDITIONS}), held_digest="sha256:a")
    assert [(c["op"], c["user"]) for c in held.shown(both)["changes"]] == [("create", 4), ("adopt", 3)]  # type: ignore[attr-defined]


def test_a_long_plan_is_cut_for_display() -> None:
    """Only so many changes are stored, with the number of all."""
    changes = tuple(change(Op.DELETE, user) for user in range(held.SHOWN + 5))
    shown = held.shown(judgement(held="sha256:a", changes=changes))
    assert len(shown["changes"]) == held.SHOWN  # type: ignore[arg-type]
    assert shown["total"] == held.SHOWN + 5


def test_approval_is_read_by_the_next_run(ledger: Ledger) -> None:
    """Approving gives the plan back with name and time, and its digest is approved for its mailbox only."""
    ledger.finish(report(judgement(held="sha256:a"), judgement(SALES, held="sha256:b")))
    assert ledger.approvals() == {}
    plan = ledger.approve("sha256:a", "root", NOON)
    assert plan is not None
    assert (plan.state, plan.approved_by, plan.approved_at) == ("approved", "root", NOON)
    assert ledger.approvals() == {SUPPORT: frozenset({"sha256:a"})}
    assert ledger.approve("sha256:unknown", "root", NOON) is None


def test_approving_twice_keeps_the_first_name(ledger: Ledger) -> None:
    """A second approval changes nothing."""
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "anna", NOON)
    plan = ledger.approve("sha256:a", "bob", NOON)
    assert plan is not None
    assert plan.approved_by == "anna"


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"held": "sha256:a"}, {"sha256:a"}),
        ({"held": "sha256:b"}, {"sha256:b"}),
        ({}, set()),
        ({"complete": False}, {"sha256:a"}),
        ({"complete": False, "held": "sha256:b"}, {"sha256:b"}),
    ],
)
def test_the_next_run_decides_what_stays_held(
    ledger: Ledger, approved: bool, values: dict[str, object], expected: set[str]
) -> None:
    """The same digest stays with its state, another supersedes it, an incomplete read alone leaves it."""
    ledger.finish(report(judgement(held="sha256:a"), judgement(SALES, held="sha256:s")))
    if approved:
        ledger.approve("sha256:a", "root", NOON)
    ledger.finish(report(judgement(**values), run="r2", hours=1))  # type: ignore[arg-type]
    state = "approved" if approved else "held"
    wanted = {digest: state if digest == "sha256:a" else "held" for digest in expected}
    assert digests(ledger) == {**wanted, "sha256:s": "held"}
    assert all(plan.created == NOON for plan in ledger.held() if plan.digest == "sha256:a")


def test_a_used_approval_is_over(ledger: Ledger) -> None:
    """After the run that applied it, the digest is neither held nor approved, and comes back as held, not approved."""
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "root", NOON)
    ledger.finish(report(judgement(approved="sha256:a"), run="r2"))
    assert (digests(ledger), ledger.approvals()) == ({}, {})
    ledger.finish(report(judgement(held="sha256:a"), run="r3", hours=2))
    assert digests(ledger) == {"sha256:a": "held"}


@pytest.mark.parametrize("done", [0, 1])
def test_an_approval_of_which_nothing_was_done_stays(ledger: Ledger, done: int) -> None:
    """A run that could not change anything, since the database refused, has not used the approval; one change has."""
    changes = (change(Op.DELETE, 3), change(Op.DELETE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=changes)))
    ledger.approve("sha256:a", "root", NOON)
    outcomes = tuple(
        Outcome(change=one, result="applied" if number < done else "failed") for number, one in enumerate(changes)
    )
    told = report(judgement(approved="sha256:a", changes=changes), run="r2")
    ledger.finish(replace(told, outcomes=outcomes))
    assert digests(ledger) == ({} if done else {"sha256:a": "approved"})


@pytest.mark.parametrize("stored", [True, False])
def test_an_incomplete_run_uses_up_the_approval_it_applied(ledger: Ledger, stored: bool) -> None:
    """What was applied is over even when the mailbox was not read completely, and when only this run approved it."""
    ledger.finish(report(judgement(held="sha256:a")))
    if stored:
        ledger.approve("sha256:a", "root", NOON)
    ledger.finish(report(judgement(approved="sha256:a", complete=False), run="r2"))
    assert digests(ledger) == {}


def test_a_plan_is_held_by_hand(ledger: Ledger) -> None:
    """Retiring a mailbox holds its plan: once, and instead of an earlier one."""
    for digest in ("sha256:a", "sha256:b", "sha256:b"):
        ledger.hold(SUPPORT, digest, [objection()], {"changes": [], "total": 7}, NOON)
    (plan,) = ledger.held()
    assert (plan.digest, plan.plan["total"]) == ("sha256:b", 7)
