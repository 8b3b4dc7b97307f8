"""What the guard holds, and what it says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.core.changes import Direction, Judgement, MailboxPlan, Op
from syncd.core.limits import Limits, Share, Window
from syncd.core.verdict import released
from tests.core.judging import (
    ADDITIONS,
    EVERYTHING,
    LIMITS,
    REMOVALS,
    UPDATES,
    boxes,
    judged,
    made,
    part,
    whole,
)
from tests.core.strategies import ADDRESS, BARRED, SUPPORT, mailbox

OVER = made(deletes=4, updates=3, creates=6)


@pytest.mark.parametrize(
    ("numbers", "held", "done"),
    [
        ({"deletes": 4, "updates": 1, "creates": 1}, {REMOVALS}, {Op.UPDATE, Op.CREATE}),
        ({"deletes": 1, "updates": 3, "creates": 1}, {UPDATES}, {Op.DELETE, Op.CREATE}),
        ({"deletes": 1, "updates": 1, "creates": 6}, {ADDITIONS}, {Op.DELETE, Op.UPDATE}),
        ({"deletes": 4, "updates": 3, "creates": 1}, {REMOVALS, UPDATES}, {Op.CREATE}),
        ({"deletes": 4, "updates": 3, "creates": 6}, {REMOVALS, UPDATES, ADDITIONS}, set()),
        ({"deletes": 1, "updates": 1, "creates": 1}, set(), {Op.DELETE, Op.UPDATE, Op.CREATE}),
    ],
)
def test_each_direction_is_held_alone(numbers: dict[str, int], held: set[Direction], done: set[Op]) -> None:
    """What exceeds its limit is held, the other directions of the mailbox go on."""
    (judgement,) = judged(made(**numbers))  # type: ignore[arg-type]
    assert judgement.held == held
    assert {change.op for change in released(judgement)} == done
    assert (judgement.held_digest is None) is (not held)
    assert bool(judgement.objections) is bool(held)


def test_each_mailbox_is_held_alone() -> None:
    """Another mailbox goes on, and each is judged by its own window."""
    one, two = made(deletes=3), made(deletes=3, address="sales@mycompany.com")
    first, second = judged(one, two, windows={one.mailbox.ref: Window(removals=1)})
    assert (first.held, second.held) == ({REMOVALS}, frozenset())
    assert (first.plan, second.plan) == (one, two)


def test_a_plan_within_its_limits_has_a_digest_and_nothing_to_approve() -> None:
    """A plan without objection is judged with the digest of all its changes."""
    plan = made(deletes=1, creates=1, adopted=1)
    (judgement,) = judged(plan)
    assert judgement == Judgement(plan=plan, digest=whole(plan))


@pytest.mark.parametrize(
    ("plan", "held"),
    [
        (made(deletes=4, updates=1, adopted=1), [Op.DELETE]),
        (made(deletes=1, updates=3, adopted=1), [Op.UPDATE]),
    ],
)
def test_the_held_digest_is_of_what_is_held(plan: MailboxPlan, held: list[Op]) -> None:
    """What has to be approved is named by the digest of the held changes only, adoptions left out."""
    (judgement,) = judged(plan)
    assert judgement.held_digest == part(plan, *held)
    assert judgement.digest == whole(plan) != judgement.held_digest


def test_the_held_digest_of_additions_has_the_adoptions() -> None:
    """Held adoptions are part of what has to be approved."""
    plan = made(creates=3, adopted=3, deletes=1)
    (judgement,) = judged(plan)
    assert judgement.held_digest == part(plan, Op.CREATE, adopted=True)


def test_held_adoptions_hold_the_repair_of_their_accounts() -> None:
    """An account whose adoption is held is not ours, so it is not updated either."""
    plan = made(updates=1, adopted=6)
    user = plan.adopted[0].user
    plan = replace(plan, changes=tuple(replace(change, user=user) for change in plan.changes))
    (judgement,) = judged(plan)
    assert judgement.held == {ADDITIONS, UPDATES}
    assert list(released(judgement)) == []
    assert judgement.held_digest == whole(plan)


def test_held_updates_do_not_hold_adoptions() -> None:
    """An adoption goes on while the repair of its account waits for an approval."""
    plan = made(updates=3, adopted=1)
    plan = replace(plan, adopted=(plan.adopted[0]._replace(user=plan.changes[0].user),))
    assert judged(plan)[0].held == {UPDATES}


@pytest.mark.parametrize(
    ("plan", "window", "words"),
    [
        (made(deletes=4), Window(), ["4 accounts would be removed", "3 within 24 hours are allowed", "30 % of 10 a"]),
        (made(deletes=1), Window(removals=3), ["after 3 within 24 hours, 1 account would be removed", "of 13"]),
        (made(creates=4, adopted=2), Window(), ["6 accounts would be added or adopted", "5 within 24 hours"]),
        (made(creates=1), Window(additions=5), ["after 5 within 24 hours, 1 account "]),
        (made(updates=3), Window(), ["3 accounts would be updated", "2 within 24 hours", "10 % of 10 a day ago, at"]),
        (made(updates=1), Window(updates=2), ["after 2 within 24 hours, 1 account would be updated"]),
        (made(deletes=1, emptied=(SUPPORT,)), Window(), [str(SUPPORT), "had members and now has none", "1 account "]),
        (made(creates=1, emptied=(BARRED,)), Window(), [f"the excluding {BARRED}", "now has none", "1 account "]),
        (made(creates=1, missing=4), Window(), ["4 of 10 claimed accounts", "3 may be missing", "backup"]),
    ],
)
def test_a_message_says_what_was_found_what_is_allowed_and_how_to_release_it(
    plan: MailboxPlan, window: Window, words: list[str]
) -> None:
    """Each objection names the mailbox, the numbers, and the command with the digest that releases it."""
    (judgement,) = judged(plan, windows={plan.mailbox.ref: window})
    (objection,) = judgement.objections
    expected = [*words, f"{ADDRESS} in context 1: ", "Nothing of it was done", f"syncd approve {judgement.held_digest}"]
    assert [word for word in expected if word not in objection.message] == []
    assert ("after" in objection.message) is (window != Window())


@pytest.mark.parametrize(
    ("span", "words", "ago"),
    [
        (timedelta(hours=24), "24 hours", "a day ago"),
        (timedelta(hours=1), "1 hour", "1 hour ago"),
        (timedelta(minutes=90), "90 minutes", "90 minutes ago"),
        (timedelta(hours=2), "2 hours", "2 hours ago"),
        (timedelta(hours=25), "25 hours", "25 hours ago"),
        (timedelta(hours=48), "2 days", "2 days ago"),
        (timedelta(days=31), "31 days", "31 days ago"),
        (timedelta(hours=36), "36 hours", "36 hours ago"),
        (timedelta(minutes=61), "61 minutes", "61 minutes ago"),
        (timedelta(minutes=1441), "1441 minutes", "1441 minutes ago"),
    ],
)
def test_a_message_names_the_window(span: timedelta, words: str, ago: str) -> None:
    """However long the window is, the message names it in the greatest unit that it is a multiple of."""
    plan = made(deletes=1)
    (judgement,) = judged(plan, windows={plan.mailbox.ref: Window(removals=3)}, window=span)
    (objection,) = judgement.objections
    assert objection.message.startswith(
        f"{ADDRESS} in context 1: after 3 within {words}, 1 account would be removed; "
        f"3 within {words} are allowed (30 % of 13 {ago}, at least 3). Nothing of it was done."
    )


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        pytest.param(
            made(creates=6), "6 accounts would be added or adopted; 5 within 24 hours are allowed", id="no percentage"
        ),
        pytest.param(
            made(updates=3),
            "3 accounts would be updated; 2 within 24 hours are allowed (10 % of 10 a day ago, at least 2)",
            id="nothing before",
        ),
        pytest.param(
            made(creates=1, missing=4),
            "4 of 10 claimed accounts are not stored any more, 3 may be missing "
            "(a database restored from a backup, or another one?)",
            id="vanished",
        ),
        pytest.param(
            made(deletes=1, emptied=(SUPPORT,)),
            f"{SUPPORT} had members and now has none; 1 account would be removed",
            id="emptied",
        ),
        pytest.param(
            made(creates=2, emptied=(BARRED,)),
            f"the excluding {BARRED} had members and now has none; 2 accounts would be added",
            id="emptied exclusion",
        ),
    ],
)
def test_a_message_is_one_sentence_and_a_command(plan: MailboxPlan, text: str) -> None:
    """Messages say where, what, that nothing was done, and what to do, and nothing else."""
    (judgement,) = judged(plan)
    (objection,) = judgement.objections
    command = f"Release it with: syncd approve {judgement.held_digest}"
    assert objection.message == f"{ADDRESS} in context 1: {text}. Nothing of it was done. {command}"


def test_a_message_names_the_cap() -> None:
    """Where a limit has a cap the message says so."""
    limits = replace(LIMITS, removals=Share(percent=30, floor=3, most=6))
    (judgement,) = judged(made(deletes=7, claimed=100, limits=limits))
    assert (
        "6 within 24 hours are allowed (30 % of 100 a day ago, at least 3, at most 6)"
        in judgement.objections[0].message
    )


def test_a_message_tells_of_the_edit() -> None:
    """Who is asked after an edit of the configuration is told that it was the edit."""
    (judgement,) = judged(made(deletes=4, claimed=100, configuration=True))
    (objection,) = judgement.objections
    assert objection.message == (
        f"{ADDRESS} in context 1: its configuration has changed since the last run: 4 accounts would be removed; "
        f"3 are allowed then. Nothing of it was done. Release it with: syncd approve {judgement.held_digest}"
    )


@pytest.mark.parametrize(
    ("parts", "held"),
    [
        ({"creates": 2}, True),
        ({"adopted": 2}, True),
        ({"creates": 2, "configuration": False}, False),
        ({"creates": 2, "blank": ()}, False),
        ({"deletes": 2}, False),
    ],
    ids=["creates", "adoptions", "no edit", "names somebody", "no additions"],
)
def test_an_edited_exclusion_that_names_nobody_lets_nobody_in(parts: dict[str, Any], *, held: bool) -> None:
    """After an edit, additions beside a new exclusion without members are held, however few they are."""
    (judgement,) = judged(made(**{"configuration": True, "blank": (BARRED,), **parts}))
    assert judgement.held == ({ADDITIONS} if held else set())
    text = (
        f"{ADDRESS} in context 1: its configuration has changed since the last run, and the excluding {BARRED} names "
        "nobody: 2 accounts would be added. Nothing of it was done. "
        f"Release it with: syncd approve {judgement.held_digest}"
    )
    assert [one.message for one in judgement.objections] == [text] * held
    assert [(one.limit, one.value, one.allowed) for one in judgement.objections] == [("configuration", 2, 0)] * held


def test_an_approval_of_nothing_is_not_told_of() -> None:
    """Where nobody approved anything, no message says that an approval was not enough."""
    (judgement,) = judged(OVER)
    assert not any("approval" in one.message for one in judgement.objections)
    assert (judgement.exceeded, judgement.beyond) == (None, frozenset())


# --------------------------------------------------------------------------- mailboxes to which nothing is applied

REF = mailbox().ref


def test_an_idle_mailbox_is_judged_and_needs_no_approval() -> None:
    """What a limit would hold of an idle mailbox is told with the reason why nothing is applied, without a command."""
    (judgement,) = judged(OVER, idle={REF: "paused by eve"})
    assert (judgement.plan, judgement.held, judgement.held_digest) == (OVER, EVERYTHING, None)
    assert judgement.approved is None
    assert judgement.idle == "paused by eve"
    assert judgement.digest == whole(OVER)
    assert [one.limit for one in judgement.objections] == ["removals", "additions", "updates"]
    for one in judgement.objections:
        assert one.message.startswith(f"{ADDRESS} in context 1: ")
        assert one.message.endswith(". Nothing is applied now: paused by eve")
        assert "syncd approve" not in one.message


def test_an_idle_mailbox_within_its_limits_has_nothing_but_the_reason() -> None:
    """A plan without objection carries the reason why it is not applied, and nothing of it is released."""
    plan = made(deletes=1, creates=1)
    (judgement,) = judged(plan, idle={REF: "staging"})
    assert judgement == Judgement(plan=plan, digest=whole(plan), idle="staging")
    assert list(released(judgement)) == []


def test_an_approval_waits_while_the_mailbox_is_idle() -> None:
    """What was approved is not used up by a run that applies nothing to the mailbox."""
    (judgement,) = judged(OVER, approved={REF: {whole(OVER)}}, idle={REF: "paused"})
    assert (judgement.approved, judgement.held) == (None, EVERYTHING)


@pytest.mark.parametrize("ceilings", [{"per_run": 10}, {"context": Limits(removals=Share(percent=0, floor=10))}])
def test_an_idle_mailbox_counts_for_nobody_else(ceilings: dict[str, object]) -> None:
    """What would be removed from a mailbox that is paused does not use up what the others may lose."""
    one, two = boxes(8, 8)
    assert [judgement.held for judgement in judged(one, two, **ceilings)] == [{REMOVALS}] * 2  # type: ignore[arg-type]
    found = judged(one, two, idle={one.mailbox.ref: "paused"}, **ceilings)  # type: ignore[arg-type]
    assert [judgement.held for judgement in found] == [frozenset()] * 2
