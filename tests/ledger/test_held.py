"""What a limit stopped: every row of the table in `syncd/ledger/held.py`, and approval."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.changes import Adoption, Approval, Direction, Judgement, Notice, Op, Outcome
from syncd.core.digest import item, items
from syncd.ledger import held
from syncd.ledger.ledger import Ledger
from tests.ledger.making import FIELDS, NOON, PATH, SALES, SUPPORT, change, judgement, objection, report


def digests(ledger: Ledger) -> dict[str, str]:
    """Give what is held, approved or rejected: digest → state."""
    return {plan.digest: plan.state for plan in ledger.held()}


def decide(ledger: Ledger, digest: str, state: str) -> None:
    """Bring a held plan into a state."""
    if state == "approved":
        ledger.approve(digest, "root", NOON)
    elif state == "rejected":
        ledger.reject(digest, "root", NOON)


def decisions(ledger: Ledger) -> list[tuple[str, str, str]]:
    """Give the journal's operations with path and reason, in order."""
    with ledger._database.reading() as work:
        return work.rows("SELECT op, path, reason FROM journal ORDER BY seq")  # type: ignore[return-value]


def test_a_held_plan_is_kept_with_what_it_would_do(ledger: Ledger) -> None:
    """The first run that is held stores the held changes and the objections, and nothing of the other directions."""
    changes = (change(Op.DELETE, 3, reason="no member any more"), change(Op.CREATE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=changes)))
    (plan,) = ledger.held()
    assert (plan.digest, plan.ref, plan.address, plan.state) == ("sha256:a", SUPPORT, "Support@x.org", "held")
    assert plan.created == NOON
    assert plan.objections[0]["message"] == "9 of 10 go"
    assert plan.objections[0]["directions"] == ["removals"]
    assert plan.plan["total"] == 1
    [shown] = plan.plan["changes"]  # type: ignore[misc]
    assert [shown[key] for key in ("op", "user", "path", "reason")] == ["delete", 3, list(PATH), "no member any more"]


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
    """Approving gives the plan back with name and time; the run gets it with all that was held, and why."""
    changes = (change(Op.DELETE, 3), change(Op.CREATE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=changes), judgement(SALES, held="sha256:b")))
    assert ledger.approvals(NOON) == {}
    plan = ledger.approve("sha256:a", "root", NOON)
    assert plan is not None
    assert (plan.state, plan.approved_by, plan.approved_at) == ("approved", "root", NOON)
    items = frozenset({item(1, SUPPORT.key, changes[0])})
    assert plan.items == items
    assert ledger.approvals(NOON) == {SUPPORT: (Approval("sha256:a", items, frozenset({"removals"})),)}
    assert ledger.approve("sha256:unknown", "root", NOON) is None


def test_an_approval_is_good_for_a_time(ledger: Ledger) -> None:
    """One that is older than asked for is not given; expired, it is held again, which the journal says."""
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "anna", NOON)
    later = NOON + timedelta(hours=24)
    assert set(ledger.approvals(NOON)) == {SUPPORT}
    assert ledger.approvals(NOON + timedelta(milliseconds=1)) == {}
    assert ledger.expire(NOON, later) == ()
    [plan] = ledger.expire(NOON + timedelta(milliseconds=1), later)
    assert (plan.digest, plan.approved_by) == ("sha256:a", "anna")
    [plan] = ledger.held()
    assert (plan.state, plan.approved_by, plan.approved_at) == ("held", None, None)
    assert decisions(ledger) == [("approve", '["by hand", "anna"]', "sha256:a"), ("expire", "[]", "sha256:a")]
    assert ledger.approve("sha256:a", "bob", later) is not None
    assert set(ledger.approvals(later)) == {SUPPORT}


def test_an_approval_by_a_clock_that_was_ahead_does_not_last(ledger: Ledger) -> None:
    """What was approved further ahead than approvals last is no approval, and is held again at once."""
    day = timedelta(hours=24)
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "anna", NOON + day)
    assert set(ledger.approvals(NOON - day, NOON + day)) == {SUPPORT}
    assert ledger.expire(NOON - day, NOON) == ()
    assert ledger.approvals(NOON - 2 * day, NOON - timedelta(milliseconds=1)) == {}
    [plan] = ledger.expire(NOON - day, NOON - timedelta(milliseconds=1))
    assert (plan.digest, [one.state for one in ledger.held()]) == ("sha256:a", ["held"])


def test_approving_twice_keeps_the_first_name(ledger: Ledger) -> None:
    """A second approval, or a second rejection, changes nothing and is not in the journal."""
    ledger.finish(report(judgement(held="sha256:a"), judgement(SALES, held="sha256:b")))
    for person in ("anna", "bob"):
        plan = ledger.approve("sha256:a", person, NOON)
        assert plan is not None
        assert plan.approved_by == "anna"
        plan = ledger.reject("sha256:b", person, NOON)
        assert plan is not None
        assert plan.rejected_by == "anna"
    assert [op for op, _, _ in decisions(ledger)] == ["approve", "reject"]


def test_a_decision_replaces_the_other_one(ledger: Ledger) -> None:
    """What was approved can be rejected, and what was rejected approved; the journal has both with their persons."""
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "anna", NOON)
    plan = ledger.reject("sha256:a", "bob", NOON + timedelta(hours=1))
    assert plan is not None
    assert (plan.state, plan.approved_by, plan.approved_at) == ("rejected", None, None)
    assert (plan.rejected_by, plan.rejected_at) == ("bob", NOON + timedelta(hours=1))
    assert ledger.approvals(NOON) == {}
    plan = ledger.approve("sha256:a", "carol", NOON)
    assert plan is not None
    assert (plan.state, plan.approved_by, plan.rejected_by, plan.rejected_at) == ("approved", "carol", None, None)
    assert decisions(ledger) == [
        ("approve", '["by hand", "anna"]', "sha256:a"),
        ("reject", '["by hand", "bob"]', "sha256:a"),
        ("approve", '["by hand", "carol"]', "sha256:a"),
    ]
    assert ledger.reject("sha256:unknown", "root", NOON) is None


@pytest.mark.parametrize("state", ["held", "approved", "rejected"])
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
    ledger: Ledger, state: str, values: dict[str, object], expected: set[str]
) -> None:
    """The same digest stays with its state, another supersedes it, an incomplete read alone leaves it.

    What was rejected stays beside what an incomplete read has instead: that may be the rest of it.
    """
    ledger.finish(report(judgement(held="sha256:a"), judgement(SALES, held="sha256:s")))
    decide(ledger, "sha256:a", state)
    ledger.finish(report(judgement(**values), run="r2", hours=1))  # type: ignore[arg-type]
    expected = expected | {"sha256:a"} if state == "rejected" and not values.get("complete", True) else expected
    wanted = {digest: state if digest == "sha256:a" else "held" for digest in expected}
    assert digests(ledger) == {**wanted, "sha256:s": "held"}
    assert all(plan.created == NOON for plan in ledger.held() if plan.digest == "sha256:a")


@pytest.mark.parametrize("state", ["held", "approved", "rejected"])
@pytest.mark.parametrize("values", [{}, {"held": "sha256:b"}, {"approved": "sha256:a"}])
def test_an_idle_mailbox_keeps_what_is_held(ledger: Ledger, state: str, values: dict[str, object]) -> None:
    """While nothing is applied to a mailbox, whatever is computed for it changes nothing of what is held."""
    ledger.finish(report(judgement(held="sha256:a")))
    decide(ledger, "sha256:a", state)
    idle = replace(judgement(**values), idle="paused")  # type: ignore[arg-type]
    ledger.finish(report(idle, run="r2", hours=1))
    assert digests(ledger) == {"sha256:a": state}


@pytest.mark.parametrize(("state", "after"), [("held", "held"), ("approved", "held"), ("rejected", "rejected")])
def test_another_reason_is_another_question(ledger: Ledger, state: str, after: str) -> None:
    """The same changes held by other limits show these, and an approval that did not know of them is void."""
    ledger.finish(report(judgement(held="sha256:a")))
    decide(ledger, "sha256:a", state)
    ledger.finish(report(judgement(held="sha256:a", limits=("removals", "suddenly_empty")), run="r2", hours=1))
    [plan] = ledger.held()
    assert (plan.state, plan.created, plan.approved_by) == (after, NOON, None)
    assert [one["limit"] for one in plan.objections] == ["removals", "suddenly_empty"]
    ledger.approve("sha256:a", "root", NOON)
    [approval] = ledger.approvals(NOON)[SUPPORT]
    assert approval.limits == {"removals", "suddenly_empty"}


def test_a_used_approval_is_over(ledger: Ledger) -> None:
    """After the run that applied it, the digest is neither held nor approved, and comes back as held, not approved."""
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "root", NOON)
    ledger.finish(report(judgement(approved="sha256:a"), run="r2"))
    assert (digests(ledger), ledger.approvals(NOON)) == ({}, {})
    ledger.finish(report(judgement(held="sha256:a"), run="r3", hours=2))
    assert digests(ledger) == {"sha256:a": "held"}


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("reached", [True, False])
def test_an_approval_stays_until_all_of_it_is_made(ledger: Ledger, done: int, reached: bool) -> None:
    """As long as something that was approved failed, or was not reached, the approval is there for the next run."""
    changes = (change(Op.DELETE, 3), change(Op.DELETE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=changes)))
    ledger.approve("sha256:a", "root", NOON)
    outcomes = tuple(
        Outcome(change=one, result="applied" if number < done else "failed")
        for number, one in enumerate(changes)
        if reached or number < done
    )
    told = report(judgement(approved="sha256:a", changes=changes), run="r2")
    ledger.finish(replace(told, outcomes=outcomes))
    assert digests(ledger) == ({} if done == 2 else {"sha256:a": "approved"})


def test_what_was_not_approved_keeps_no_approval(ledger: Ledger) -> None:
    """A change that no limit had held may fail: the approval is used up when all that was held is made."""
    held_part, other = change(Op.DELETE, 3), change(Op.CREATE, 4)
    ledger.finish(report(judgement(held="sha256:a", changes=(held_part, other))))
    ledger.approve("sha256:a", "root", NOON)
    outcomes = (Outcome(change=held_part, result="applied"), Outcome(change=other, result="failed"))
    told = report(judgement(approved="sha256:a", changes=(held_part, other)), run="r2")
    ledger.finish(replace(told, outcomes=outcomes))
    assert digests(ledger) == {}


def test_an_approval_without_items_needs_all_changes(ledger: Ledger) -> None:
    """Of a plan that an older syncd held only the digest is known, so any change that failed keeps its approval."""
    changes = (change(Op.DELETE, 3), change(Op.CREATE, 4))
    ledger.hold(SUPPORT, "sha256:a", [objection()], {}, NOON)
    ledger.approve("sha256:a", "root", NOON)
    assert [one.items for one in ledger.approvals(NOON)[SUPPORT]] == [None]
    outcomes = (Outcome(change=changes[0], result="applied"), Outcome(change=changes[1], result="failed"))
    told = report(judgement(approved="sha256:a", changes=changes), run="r2")
    ledger.finish(replace(told, outcomes=outcomes))
    assert digests(ledger) == {"sha256:a": "approved"}


def test_a_completed_change_is_the_one_that_was_planned(ledger: Ledger) -> None:
    """An account copied from a primary one gets its servers after planning: its approval is used all the same."""
    planned = change(Op.CREATE, 4, new=FIELDS._replace(mail_url=""))
    additions = frozenset({Direction.ADDITIONS})
    ledger.finish(report(replace(judgement(held="sha256:a", changes=(planned,)), held=additions)))
    ledger.approve("sha256:a", "root", NOON)
    told = report(judgement(approved="sha256:a", changes=(planned,)), run="r2")
    ledger.finish(replace(told, outcomes=(Outcome(change=replace(planned, new=FIELDS), result="applied"),)))
    assert digests(ledger) == {}


def test_a_report_that_applied_nothing_uses_no_approval(ledger: Ledger) -> None:
    """What only computed leaves the approval for the run that will apply it."""
    ledger.finish(report(judgement(held="sha256:a")))
    ledger.approve("sha256:a", "root", NOON)
    ledger.finish(report(judgement(approved="sha256:a"), run="r2", applied=False))
    assert digests(ledger) == {"sha256:a": "approved"}


def test_a_bigger_plan_is_held_with_the_difference(ledger: Ledger) -> None:
    """What has more than was approved supersedes that, is held, and shows what is new; kept, it goes on showing it."""
    old, new = change(Op.DELETE, 3), change(Op.DELETE, 4)
    ledger.finish(report(judgement(held="sha256:a", changes=(old,))))
    ledger.approve("sha256:a", "root", NOON)
    bigger = judgement(held="sha256:b", changes=(old, new))
    beyond = frozenset({item(1, SUPPORT.key, new)})
    ledger.finish(report(replace(bigger, exceeded="sha256:a", beyond=beyond), run="r2", hours=1))
    ledger.finish(report(bigger, run="r3", hours=2))
    [plan] = ledger.held()
    assert (plan.digest, plan.state) == ("sha256:b", "held")
    assert [(one["user"], one.get("new")) for one in plan.plan["changes"]] == [(3, None), (4, True)]  # type: ignore[attr-defined]


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


# --------------------------------------------------------------------------- what was seen, used up and rejected


def vanished(*users: int, digest: str = "sha256:a") -> Judgement:
    """Give a judgement that holds the end of claims of these users."""
    return judgement(held=digest, limits=["vanished"], forgotten=users)


def test_claims_that_would_end_are_shown(ledger: Ledger) -> None:
    """They are in the plan that is shown and counted, with those that came after an approval marked as new."""
    beyond = items(1, SUPPORT.key, (), (), [5])
    ledger.finish(report(replace(vanished(4, 5), beyond=beyond)))
    [plan] = ledger.held()
    assert plan.plan["total"] == 2
    shown = [(one["op"], one["user"], one.get("new")) for one in plan.plan["changes"]]  # type: ignore[attr-defined]
    assert shown == [("forget", 4, None), ("forget", 5, True)]
    assert plan.items == items(1, SUPPORT.key, (), (), [4, 5])


@pytest.mark.parametrize(("state", "after"), [("held", "held"), ("approved", "held"), ("rejected", "rejected")])
def test_other_claims_that_would_end_are_another_question(ledger: Ledger, state: str, after: str) -> None:
    """Under the same digest more claims may end: these are shown, and an approval that did not know them is void."""
    ledger.finish(report(vanished(4)))
    decide(ledger, "sha256:a", state)
    ledger.finish(report(vanished(4, 5), run="r2", hours=1))
    [plan] = ledger.held()
    assert (plan.state, plan.approved_by, plan.plan["total"]) == (after, None, 2)
    assert plan.items == items(1, SUPPORT.key, (), (), [4, 5])


def test_what_an_older_syncd_held_is_named_by_the_next_run(ledger: Ledger) -> None:
    """A plan of which only the digest was known, approved or not, gets its names and keeps its state."""
    removal = change(Op.DELETE, 3)
    ledger.hold(SUPPORT, "sha256:a", [objection()], {}, NOON)
    ledger.approve("sha256:a", "root", NOON)
    ledger.finish(report(judgement(held="sha256:a", changes=(removal,))))
    [plan] = ledger.held()
    assert (plan.state, plan.items) == ("approved", items(1, SUPPORT.key, [removal], ()))


def test_what_was_made_is_no_part_of_an_approval_any_more(ledger: Ledger) -> None:
    """An approval that stays for what failed covers that and nothing that was made."""
    changes = (change(Op.DELETE, 3), change(Op.DELETE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=changes)))
    ledger.approve("sha256:a", "root", NOON)
    told = report(judgement(approved="sha256:a", changes=changes), run="r2")
    ledger.finish(replace(told, outcomes=(Outcome(change=changes[0], result="applied"),)))
    [approval] = ledger.approvals(NOON)[SUPPORT]
    assert approval.items == items(1, SUPPORT.key, changes[1:], ())
    ledger.finish(report(judgement(held="sha256:a", changes=changes), run="r3", hours=1))
    [plan] = ledger.held()
    assert (plan.state, plan.items) == ("held", items(1, SUPPORT.key, changes, ()))


def test_what_was_rejected_is_remembered_until_it_is_approved_or_over(ledger: Ledger) -> None:
    """It is known as long as it is rejected or a plan is held for it; approved, or not planned any more, it is over."""
    some, fewer = (change(Op.DELETE, 3), change(Op.DELETE, 4)), (change(Op.DELETE, 4),)
    ledger.finish(report(judgement(held="sha256:a", changes=some), judgement(SALES, held="sha256:s")))
    assert ledger.rejected() == {}
    ledger.reject("sha256:a", "anna", NOON)
    assert ledger.rejected() == {SUPPORT: items(1, SUPPORT.key, some, ())}
    ledger.finish(report(judgement(held="sha256:b", limits=["rejected"], changes=fewer), run="r2"))
    assert digests(ledger) == {"sha256:b": "held", "sha256:s": "held"}
    assert ledger.rejected() == {SUPPORT: items(1, SUPPORT.key, fewer, ())}
    ledger.approve("sha256:b", "anna", NOON)
    assert ledger.rejected() == {}
    ledger.reject("sha256:b", "anna", NOON)
    ledger.finish(report(judgement(), run="r3"))
    assert ledger.rejected() == {}


WITHHELD = (Notice(3, "", "", "delete", "why"),)


@pytest.mark.parametrize(
    "values",
    [{"complete": False}, {"withheld": WITHHELD}, {"waiting": WITHHELD}],
    ids=["partly", "withheld", "waiting"],
)
@pytest.mark.parametrize("other", [None, "sha256:b"])
def test_what_was_rejected_outlasts_what_is_not_certain(
    ledger: Ledger, values: dict[str, object], other: str | None
) -> None:
    """A run that cannot plan all of it, or holds a part of it, forgets no rejection; one that can does."""
    some = (change(Op.DELETE, 3), change(Op.DELETE, 4))
    ledger.finish(report(judgement(held="sha256:a", changes=some)))
    ledger.reject("sha256:a", "anna", NOON)
    part: dict[str, object] = {"held": other, "limits": ["rejected"], "changes": some[1:]} if other else {}
    ledger.finish(report(judgement(**part, **values), run="r2", hours=1))  # type: ignore[arg-type]
    assert ledger.rejected() == {SUPPORT: items(1, SUPPORT.key, some, ())}
    assert digests(ledger) == {"sha256:a": "rejected", **({other: "held"} if other else {})}
    ledger.finish(report(judgement(**part), run="r3", hours=2))  # type: ignore[arg-type]
    assert ledger.rejected() == ({SUPPORT: items(1, SUPPORT.key, some[1:], ())} if other else {})
    assert digests(ledger) == ({other: "held"} if other else {})
