"""Limits that several mailboxes share: those of a run and those of a context."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.changes import Direction, Judgement, MailboxPlan, Op
from syncd.core.limits import Limits, Share, Window
from syncd.core.model import MailboxRef, Source
from syncd.core.verdict import released
from tests.core.judging import (
    ADDITIONS,
    REMOVALS,
    UPDATES,
    boxes,
    consent,
    judged,
    made,
    part,
    whole,
)
from tests.core.strategies import SUPPORT, mailbox


def test_removals_per_run_are_limited_at_the_edge() -> None:
    """All mailboxes together may remove the limit, and not one more."""
    assert [one.held for one in judged(*boxes(4, 6), per_run=10)] == [frozenset()] * 2
    assert [one.held for one in judged(*boxes(4, 7), per_run=10)] == [{REMOVALS}] * 2


def test_removals_per_run_hold_only_mailboxes_with_removals() -> None:
    """Over the limit of the run every mailbox with removals is held, the others and other directions go on."""
    one, two, three = judged(*boxes(6, 0, 6, creates=1), per_run=10)
    assert (one.held, two.held, three.held) == ({REMOVALS}, frozenset(), {REMOVALS})
    assert [change.op for change in released(one)] == [Op.CREATE]
    (objection,) = one.objections
    assert (objection.limit, objection.value, objection.allowed) == ("removals_per_run", 12, 10)
    assert "12 accounts in all mailboxes together; 10 are allowed" in objection.message


def test_removals_that_are_held_anyway_do_not_count_for_the_run() -> None:
    """A mailbox that its own limit holds does not use up the limit of the run."""
    one, two = boxes(400, 10)
    assert [judgement.held for judgement in judged(one, two, per_run=10)] == [{REMOVALS}, frozenset()]
    (objection,) = judged(one, two, per_run=10)[0].objections
    assert objection.limit == "removals"


def test_a_mailbox_held_for_something_else_counts_its_removals() -> None:
    """Held additions do not take a mailbox's removals out of the sum of the run."""
    one, two = judged(*boxes(6, 6, creates=6), per_run=10)
    assert one.held == two.held == {REMOVALS, ADDITIONS}
    assert {objection.limit for objection in one.objections} == {"additions", "removals_per_run"}


def test_approved_removals_no_longer_count_for_the_run() -> None:
    """Once the biggest removal is approved the others go on, when they fit without it."""
    plans = boxes(8, 5, 5)
    approved = {plans[0].mailbox.ref: {whole(plans[0])}}
    one, two, three = judged(*plans, approved=approved, per_run=10)
    assert one.approved == whole(plans[0])
    assert [judgement.held for judgement in (one, two, three)] == [frozenset()] * 3
    assert (two, three) == tuple(Judgement(plan=plan, digest=whole(plan)) for plan in plans[1:])


def test_approved_removals_do_not_help_others_that_do_not_fit() -> None:
    """While the rest is still over the limit of the run only the approved mailbox goes on."""
    plans = boxes(8, 6, 5)
    approved = {plans[0].mailbox.ref: {whole(plans[0])}}
    assert [one.held for one in judged(*plans, approved=approved, per_run=10)] == [frozenset(), {REMOVALS}, {REMOVALS}]


def test_others_keep_their_own_objections_when_the_run_fits() -> None:
    """What is held for another reason stays held once the sum of the run fits."""
    plans = [*boxes(8), *boxes(0, 5, creates=6)[1:]]
    approved = {plans[0].mailbox.ref: {whole(plans[0])}}
    one, two = judged(*plans, approved=approved, per_run=10)
    assert (one.held, two.held) == (frozenset(), {ADDITIONS})
    assert [objection.limit for objection in two.objections] == ["additions"]


def test_several_objections_share_one_digest() -> None:
    """A mailbox held for several reasons is released by one command."""
    sources: tuple[Source, ...] = (SUPPORT,)
    (judgement,) = judged(made(deletes=4, creates=6, emptied=sources))
    assert [one.limit for one in judgement.objections] == ["removals", "additions", "suddenly_empty"]
    assert all(f"approve {judgement.held_digest}" in one.message for one in judgement.objections)
    assert judgement.held_digest == judgement.digest


# --------------------------------------------------------------------------- all mailboxes of a context

CONTEXT = Limits(
    removals=Share(percent=10, floor=10, most=50),
    additions=Share(percent=0, floor=8),
    updates=Share(percent=0, floor=6),
)
LAX = Limits(
    removals=Share(percent=100, floor=99), additions=Share(percent=0, floor=99), updates=Share(percent=0, floor=99)
)


def pair(one: dict[str, int], two: dict[str, int], **parts: object) -> list[MailboxPlan]:
    """Make plans of two mailboxes of context 1 that are within their own limits."""
    common: dict[str, object] = {"claimed": 20, "limits": LAX, **parts}
    return [
        made(address=address, **{**common, **numbers})  # type: ignore[arg-type]
        for address, numbers in (("a@mycompany.com", one), ("b@mycompany.com", two))
    ]


@pytest.mark.parametrize(
    ("one", "two", "claimed", "expected"),
    [
        pytest.param({"deletes": 5}, {"deletes": 5}, 20, None, id="removals at the floor"),
        pytest.param({"deletes": 5}, {"deletes": 6}, 20, (REMOVALS, 11, 10), id="removals over the floor"),
        pytest.param({"deletes": 15}, {"deletes": 15}, 150, None, id="removals at the percentage of both"),
        pytest.param({"deletes": 15}, {"deletes": 16}, 150, (REMOVALS, 31, 30), id="one over it"),
        pytest.param({"deletes": 25}, {"deletes": 25}, 900, None, id="removals at the cap"),
        pytest.param({"deletes": 25}, {"deletes": 26}, 900, (REMOVALS, 51, 50), id="removals over the cap"),
        pytest.param({"creates": 4}, {"adopted": 4}, 20, None, id="additions at the limit"),
        pytest.param({"creates": 4}, {"creates": 1, "adopted": 4}, 20, (ADDITIONS, 9, 8), id="additions over it"),
        pytest.param({"updates": 3}, {"updates": 3}, 20, None, id="updates at the limit"),
        pytest.param({"updates": 3}, {"updates": 4}, 20, (UPDATES, 7, 6), id="updates over it"),
    ],
)
def test_a_context_has_limits_of_its_own(
    one: dict[str, int], two: dict[str, int], claimed: int, expected: tuple[Direction, int, int] | None
) -> None:
    """All mailboxes of a context together may change its share, in each direction, and not one more."""
    found = judged(*pair(one, two, claimed=claimed), context=CONTEXT)
    if expected is None:
        assert [judgement.held for judgement in found] == [frozenset()] * 2
        return
    direction, value, allowed = expected
    for judgement in found:
        assert judgement.held == {direction}
        (objection,) = judgement.objections
        assert (objection.limit, objection.directions) == ("context", {direction})
        assert (objection.value, objection.allowed) == (value, allowed)


def test_a_context_holds_only_mailboxes_that_change_in_that_direction() -> None:
    """A mailbox without removals goes on, and so do the other directions of those that have some."""
    one, two = judged(*pair({"deletes": 11, "creates": 1}, {"creates": 1}), context=CONTEXT)
    assert (one.held, two.held) == ({REMOVALS}, frozenset())
    assert [change.op for change in released(one)] == [Op.CREATE]


def test_without_a_context_limit_nothing_is_held_for_it() -> None:
    """Mailboxes within their own limits go on where contexts have none."""
    found = judged(*pair({"deletes": 30, "creates": 30, "updates": 30}, {"deletes": 30}, claimed=60))
    assert [judgement.held for judgement in found] == [frozenset()] * 2


def test_each_context_is_held_alone() -> None:
    """What another context does, and did, counts for that one."""
    one, two = pair({"deletes": 10}, {})
    other = made(deletes=11, address="b@mycompany.com", context=2, claimed=20, limits=LAX)
    windows = {other.mailbox.ref: Window(removals=9)}
    found = judged(one, two, other, windows=windows, context=CONTEXT)
    assert [judgement.held for judgement in found] == [frozenset(), frozenset(), {REMOVALS}]
    assert found[2].objections[0].value == 20


@pytest.mark.parametrize(
    ("windows", "claimed", "held"),
    [
        pytest.param((Window(removals=4), Window(removals=5)), 20, False, id="at the floor"),
        pytest.param((Window(removals=5), Window(removals=5)), 20, True, id="over the floor"),
        pytest.param((Window(removals=15), Window(removals=14)), 136, False, id="the base has what was removed"),
        pytest.param((Window(removals=15), Window(removals=14)), 135, True, id="which is rounded down"),
        pytest.param((Window(removals=29), Window(additions=100)), 150, True, id="the base lacks what was added"),
    ],
)
def test_a_context_remembers_the_window_of_all_its_mailboxes(
    windows: tuple[Window, Window], claimed: int, *, held: bool
) -> None:
    """What was applied to any mailbox of the context counts, also to one that changes nothing now."""
    one, two = pair({"deletes": 1}, {}, claimed=claimed)
    by_mailbox = {one.mailbox.ref: windows[0], two.mailbox.ref: windows[1]}
    first, second = judged(one, two, windows=by_mailbox, context=CONTEXT)
    assert (bool(first.held), bool(second.held)) == (held, False)


def test_what_a_mailbox_removes_as_extra_is_in_the_contexts_base() -> None:
    """Extra accounts that are to go count as those that were there."""
    plans = pair({"deletes": 15}, {"deletes": 15}, claimed=100, extras=50)
    assert [judgement.held for judgement in judged(*plans, context=CONTEXT)] == [frozenset()] * 2


def test_what_is_held_anyway_does_not_count_for_the_context() -> None:
    """A mailbox that its own limit holds does not use up the limit of the context, in that direction."""
    one, two = pair({"deletes": 11}, {"deletes": 10})
    tight = replace(one, mailbox=replace(one.mailbox, limits=replace(LAX, removals=Share(percent=0, floor=3))))
    first, second = judged(tight, two, context=CONTEXT)
    assert [objection.limit for objection in first.objections] == ["removals"]
    assert second.held == frozenset()


def test_a_mailbox_held_in_one_direction_counts_for_the_context_in_the_others() -> None:
    """Held additions of a mailbox leave its removals in the sum of the context."""
    one, two = pair({"deletes": 5, "creates": 6}, {"deletes": 6})
    tight = replace(one, mailbox=replace(one.mailbox, limits=replace(LAX, additions=Share(percent=0, floor=3))))
    first, second = judged(tight, two, context=CONTEXT)
    assert [objection.limit for objection in first.objections] == ["additions", "context"]
    assert (first.held, second.held) == ({ADDITIONS, REMOVALS}, {REMOVALS})


def test_approved_changes_no_longer_count_for_the_context() -> None:
    """Once one mailbox's removals are approved the other goes on, when it fits without them."""
    plans = pair({"deletes": 6}, {"deletes": 10})
    approved = {plans[0].mailbox.ref: [consent(plans[0], Op.DELETE, limits=["context"])]}
    one, two = judged(*plans, approved=approved, context=CONTEXT)
    assert (one.approved, one.held) == (part(plans[0], Op.DELETE), frozenset())
    assert (two.approved, two.objections) == (None, ())


def test_approved_changes_do_not_help_a_mailbox_that_does_not_fit() -> None:
    """A mailbox that alone is over the context's limit stays held."""
    plans = pair({"deletes": 6}, {"deletes": 11})
    approved = {plans[0].mailbox.ref: [consent(plans[0], Op.DELETE)]}
    one, two = judged(*plans, approved=approved, context=CONTEXT)
    assert (one.held, two.held) == (frozenset(), {REMOVALS})
    assert two.objections[0].value == 17


def test_one_shared_limit_may_fit_while_another_does_not() -> None:
    """After an approval each shared limit is looked at again by itself."""
    plans = pair({"deletes": 6}, {"deletes": 10, "creates": 9})
    approved = {plans[0].mailbox.ref: [consent(plans[0], Op.DELETE)]}
    one, two = judged(*plans, approved=approved, context=CONTEXT)
    assert one.held == frozenset()
    assert two.held == {ADDITIONS}
    assert [objection.limit for objection in two.objections] == ["context"]


def test_an_approval_of_its_own_additions_counts_once_the_run_fits() -> None:
    """What was approved of a mailbox's own limit is enough once a shared one is fine without its neighbour."""
    (one,) = boxes(8)
    two = made(deletes=5, creates=6, address="b@mycompany.com", claimed=1000)
    approved = {one.mailbox.ref: [consent(one, Op.DELETE)], two.mailbox.ref: [consent(two, Op.CREATE)]}
    first, second = judged(one, two, approved=approved, per_run=10)
    assert (first.approved, second.approved) == (part(one, Op.DELETE), part(two, Op.CREATE))


def test_a_message_of_a_context_names_what_all_its_mailboxes_do() -> None:
    """The message has the sum, what was applied before, what is allowed, and the command for this mailbox."""
    plans = pair({"deletes": 5}, {"deletes": 4}, claimed=23)
    windows = {plans[0].mailbox.ref: Window(removals=3), plans[1].mailbox.ref: Window(removals=1)}
    one, _ = judged(*plans, windows=windows, context=CONTEXT, window=timedelta(hours=12))
    (objection,) = one.objections
    assert objection.message == (
        "a@mycompany.com in context 1: in all mailboxes of the context together, after 4 within 12 hours, 9 accounts "
        "would be removed; 10 within 12 hours are allowed (10 % of 50 12 hours ago, at least 10, at most 50). "
        f"Nothing of it was done. Release it with: syncd approve {one.held_digest}"
    )


def test_a_context_and_the_run_are_told_both() -> None:
    """A mailbox that two shared limits hold says so, and one digest releases it."""
    one, two = judged(*pair({"deletes": 6}, {"deletes": 6}), context=CONTEXT, per_run=11)
    for judgement in (one, two):
        assert sorted(objection.limit for objection in judgement.objections) == ["context", "removals_per_run"]
        assert all(f"approve {judgement.held_digest}" in objection.message for objection in judgement.objections)


def test_nothing_to_judge_is_nothing() -> None:
    """Without plans there are no judgements, whatever was approved."""
    assert judged(context=CONTEXT, approved={mailbox().ref: {"sha256:x"}}) == ()


@pytest.mark.parametrize(
    ("claimed", "window", "allowed"),
    [(10, Window(), None), (7, Window(removals=3), 9), (8, Window(removals=2), None), (17, Window(additions=7), None)],
)
def test_mailboxes_without_a_plan_count_for_their_context(claimed: int, window: Window, allowed: int | None) -> None:
    """What others of the context had when the window began, and lost since, counts though nobody asked for them now."""
    one = made(deletes=7, claimed=20, limits=Limits(removals=Share(percent=0, floor=9)))
    sales, elsewhere = MailboxRef(1, "sales@mycompany.com"), MailboxRef(2, "sales@mycompany.com")
    (judgement,) = judged(
        one,
        windows={sales: window, elsewhere: Window(removals=99)},
        others={sales: claimed, elsewhere: 1000},
        context=Limits(removals=Share(percent=30, floor=0)),
    )
    found = [(objection.value, objection.allowed) for objection in judgement.objections]
    assert found == ([] if allowed is None else [(7 + window.removals, allowed)])


@pytest.mark.parametrize(("claimed", "held"), [(4, True), (5, False)])
def test_a_mailbox_with_neither_plan_nor_journal_counts_for_its_context(claimed: int, held: bool) -> None:
    """A mailbox to which nothing was applied in the window has as many accounts as it had then."""
    one = made(deletes=7, claimed=20, limits=Limits(removals=Share(percent=0, floor=9)))
    others = {MailboxRef(1, "sales@mycompany.com"): claimed}
    (judgement,) = judged(one, others=others, context=Limits(removals=Share(percent=28, floor=0)))
    assert judgement.held == ({REMOVALS} if held else frozenset())
