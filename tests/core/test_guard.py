"""The guard: every limit of one mailbox at its edge and one over it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.changes import Direction, MailboxPlan
from syncd.core.limits import Limits, Share, Window
from tests.core.judging import (
    ADDITIONS,
    EVERYTHING,
    MANY,
    REMOVALS,
    UPDATES,
    made,
    told,
)
from tests.core.strategies import BARRED, SUPPORT

# --------------------------------------------------------------------------- each limit, at its edge


ALL = Limits(removals=Share(percent=100, floor=0))


@pytest.mark.parametrize(
    ("plan", "window", "expected"),
    [
        pytest.param(made(deletes=3, claimed=0), Window(), None, id="at the floor"),
        pytest.param(made(deletes=4, claimed=0), Window(), (4, 3), id="over the floor"),
        pytest.param(made(deletes=30, claimed=100), Window(), None, id="at the percentage"),
        pytest.param(made(deletes=31, claimed=100), Window(), (31, 30), id="over the percentage"),
        pytest.param(made(deletes=4, claimed=13), Window(), (4, 3), id="the percentage is rounded down"),
        pytest.param(made(deletes=4, claimed=14), Window(), None, id="the percentage beyond the floor"),
        pytest.param(made(deletes=1), Window(removals=2), None, id="with the window, at the floor"),
        pytest.param(made(deletes=1), Window(removals=3), (4, 3), id="with the window, over the floor"),
        pytest.param(made(deletes=20, claimed=90), Window(removals=10), None, id="the base has what was removed"),
        pytest.param(made(deletes=21, claimed=90), Window(removals=10), (31, 30), id="one over that"),
        pytest.param(made(deletes=4, claimed=100), Window(additions=90), (4, 3), id="the base lacks what was added"),
        pytest.param(made(deletes=3, claimed=5), Window(additions=90), None, id="no base below zero"),
        pytest.param(made(deletes=1, claimed=5, limits=ALL), Window(additions=90), (1, 0), id="a base of zero"),
        pytest.param(made(deletes=1, claimed=1, limits=ALL), Window(), None, id="a base of one"),
        pytest.param(
            made(deletes=31, claimed=5, extras=100), Window(additions=90), (31, 30), id="extras count from zero"
        ),
        pytest.param(made(deletes=30, claimed=50, extras=50), Window(), None, id="the base has the extras"),
        pytest.param(made(deletes=31, claimed=50, extras=50), Window(), (31, 30), id="one over that with extras"),
        pytest.param(made(claimed=10), Window(removals=50), None, id="nothing to remove now"),
    ],
)
def test_removals_are_limited(plan: MailboxPlan, window: Window, expected: tuple[int, int] | None) -> None:
    """Removals of the window and of the plan together may be the floor or the percentage of the base, no more."""
    assert told(plan, window) == ([("removals", {REMOVALS}, *expected)] if expected else [])


@pytest.mark.parametrize(
    ("plan", "window", "expected"),
    [
        pytest.param(made(updates=2), Window(), None, id="at the floor"),
        pytest.param(made(updates=3), Window(), (3, 2), id="over the floor"),
        pytest.param(made(updates=10, claimed=100), Window(), None, id="at the percentage"),
        pytest.param(made(updates=11, claimed=100), Window(), (11, 10), id="over the percentage"),
        pytest.param(made(updates=1), Window(updates=1), None, id="with the window, at the floor"),
        pytest.param(made(updates=1), Window(updates=2), (3, 2), id="with the window, over the floor"),
        pytest.param(made(), Window(updates=50), None, id="nothing to update now"),
    ],
)
def test_updates_are_limited(plan: MailboxPlan, window: Window, expected: tuple[int, int] | None) -> None:
    """Updates of the window and of the plan together have their own share."""
    assert told(plan, window) == ([("updates", {UPDATES}, *expected)] if expected else [])


@pytest.mark.parametrize(
    ("plan", "window", "expected"),
    [
        pytest.param(made(creates=5), Window(), None, id="at the limit"),
        pytest.param(made(creates=6), Window(), (6, 5), id="over it"),
        pytest.param(made(adopted=5), Window(), None, id="adoptions at the limit"),
        pytest.param(made(adopted=6), Window(), (6, 5), id="adoptions over it"),
        pytest.param(made(creates=3, adopted=3), Window(), (6, 5), id="both together"),
        pytest.param(made(creates=1), Window(additions=4), None, id="with the window, at the limit"),
        pytest.param(made(creates=1), Window(additions=5), (6, 5), id="with the window, over it"),
        pytest.param(made(), Window(additions=50), None, id="nothing to add now"),
        pytest.param(made(creates=6, claimed=MANY), Window(), (6, 5), id="whatever the base"),
    ],
)
def test_additions_are_limited(plan: MailboxPlan, window: Window, expected: tuple[int, int] | None) -> None:
    """Creates and adoptions of the window and of the plan together may be the limit, no more."""
    assert told(plan, window) == ([("additions", {ADDITIONS}, *expected)] if expected else [])


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param(made(deletes=1, emptied=(SUPPORT,)), ("suddenly_empty", {REMOVALS}, 1, 0), id="an inclusion"),
        pytest.param(made(creates=1, emptied=(SUPPORT,)), None, id="an inclusion without removals"),
        pytest.param(made(creates=1, emptied=(BARRED,)), ("suddenly_empty", {ADDITIONS}, 1, 0), id="an exclusion"),
        pytest.param(made(adopted=2, emptied=(BARRED,)), ("suddenly_empty", {ADDITIONS}, 2, 0), id="and adoptions"),
        pytest.param(made(deletes=1, emptied=(BARRED,)), None, id="an exclusion without additions"),
        pytest.param(made(deletes=1), None, id="nothing emptied"),
    ],
)
def test_a_suddenly_empty_source_holds_what_follows_from_it(
    plan: MailboxPlan, expected: tuple[str, set[Direction], int, int] | None
) -> None:
    """An emptied inclusion holds removals, an emptied exclusion additions, however few they are."""
    assert told(plan) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        pytest.param(made(creates=3, missing=3), None, id="at the limit"),
        pytest.param(made(creates=4, missing=4), (4, 3), id="over it, creates"),
        pytest.param(made(adopted=1, missing=4), (4, 3), id="over it, adoptions"),
        pytest.param(made(forgotten=(4,), missing=4), (4, 3), id="over it, claims that would end"),
        pytest.param(made(missing=4), None, id="over it, but nothing would be done"),
        pytest.param(made(forgotten=(4,), gone=3), None, id="at the limit, with their users"),
        pytest.param(made(forgotten=(4,), missing=1, gone=3), (4, 3), id="over it, some with their users"),
        pytest.param(made(creates=1, claimed=100, missing=30), None, id="at the percentage"),
        pytest.param(made(creates=1, claimed=100, missing=31), (31, 30), id="over the percentage"),
        pytest.param(made(creates=1, claimed=10, extras=MANY, missing=4), (4, 3), id="extras do not count"),
    ],
)
def test_vanished_accounts_hold_everything(plan: MailboxPlan, expected: tuple[int, int] | None) -> None:
    """More claimed accounts missing than may be removed hold the whole mailbox instead of filling it again."""
    assert told(plan) == ([("vanished", EVERYTHING, *expected)] if expected else [])


def test_vanished_is_measured_by_the_claims_of_now() -> None:
    """What was added or removed within 24 hours does not make missing accounts more or fewer."""
    plan = made(creates=1, claimed=100, missing=31)
    assert told(plan, Window(additions=0, removals=50)) == [("vanished", EVERYTHING, 31, 30)]


@pytest.mark.parametrize(
    ("share", "base", "allowed"),
    [
        (Share(percent=30, floor=3), 0, 3),
        (Share(percent=30, floor=3), 10, 3),
        (Share(percent=30, floor=3), 13, 3),
        (Share(percent=30, floor=3), 14, 4),
        (Share(percent=0, floor=0), 1000, 0),
        (Share(percent=100, floor=0), 7, 7),
        (Share(percent=0.5, floor=1), 1000, 5),
    ],
)
def test_a_share_is_a_percentage_rounded_down_with_a_floor(share: Share, base: int, allowed: int) -> None:
    """The floor always passes; above it the percentage of the base, rounded down."""
    assert share.allowed(base) == allowed


@pytest.mark.parametrize(
    ("share", "base", "allowed"),
    [
        (Share(percent=30, floor=3, most=20), 0, 3),
        (Share(percent=30, floor=3, most=20), 66, 19),
        (Share(percent=30, floor=3, most=20), 67, 20),
        (Share(percent=30, floor=3, most=20), 1000, 20),
        (Share(percent=30, floor=3, most=2), 0, 2),
        (Share(percent=30, floor=3, most=0), 1000, 0),
        (Share(percent=0, floor=5, most=3), 1000, 3),
        (Share(percent=100, floor=0, most=7), 8, 7),
    ],
)
def test_a_share_has_a_cap_above_it(share: Share, base: int, allowed: int) -> None:
    """More than the cap never passes, whatever the base and the floor."""
    assert share.allowed(base) == allowed


CAPPED = Limits(
    removals=Share(percent=30, floor=3, most=6),
    additions=Share(percent=50, floor=5, most=20),
    updates=Share(percent=10, floor=2, most=4),
)


@pytest.mark.parametrize(
    ("numbers", "claimed", "expected"),
    [
        pytest.param({"deletes": 6}, 1000, None, id="removals at the cap"),
        pytest.param({"deletes": 7}, 1000, ("removals", {REMOVALS}, 7, 6), id="removals over the cap"),
        pytest.param({"updates": 4}, 1000, None, id="updates at the cap"),
        pytest.param({"updates": 5}, 1000, ("updates", {UPDATES}, 5, 4), id="updates over the cap"),
        pytest.param({"creates": 20}, 1000, None, id="additions at the cap"),
        pytest.param({"creates": 15, "adopted": 6}, 1000, ("additions", {ADDITIONS}, 21, 20), id="over the cap"),
        pytest.param({"creates": 5}, 0, None, id="additions at the floor"),
        pytest.param({"creates": 6}, 0, ("additions", {ADDITIONS}, 6, 5), id="additions over the floor"),
        pytest.param({"creates": 10, "adopted": 5}, 30, None, id="additions at their share"),
        pytest.param({"creates": 10, "adopted": 6}, 30, ("additions", {ADDITIONS}, 16, 15), id="over their share"),
    ],
)
def test_every_direction_has_a_share_and_a_cap(
    numbers: dict[str, int], claimed: int, expected: tuple[str, set[Direction], int, int] | None
) -> None:
    """Additions may be a share of the base like the others, and each direction has a cap of its own."""
    assert told(made(claimed=claimed, limits=CAPPED, **numbers)) == ([expected] if expected else [])  # type: ignore[arg-type]


def test_the_base_of_additions_is_that_of_the_windows_start() -> None:
    """What was added within the window does not raise what may be added."""
    plan = made(creates=1, claimed=45, limits=CAPPED)
    assert told(plan, Window(additions=15)) == [("additions", {ADDITIONS}, 16, 15)]
    assert told(plan, Window(additions=14)) == []


def test_vanished_accounts_are_measured_by_the_cap_too() -> None:
    """More missing accounts than the cap hold everything, however many there are."""
    assert told(made(creates=1, claimed=1000, missing=7, limits=CAPPED)) == [("vanished", EVERYTHING, 7, 6)]
    assert told(made(creates=1, claimed=1000, missing=6, limits=CAPPED)) == []


@pytest.mark.parametrize(
    ("plan", "window", "expected"),
    [
        pytest.param(made(deletes=3, claimed=100, configuration=True), Window(), None, id="at the floor"),
        pytest.param(made(deletes=4, claimed=100, configuration=True), Window(), (4, 3), id="over the floor"),
        pytest.param(made(deletes=4, claimed=100), Window(), None, id="not edited"),
        pytest.param(made(creates=5, updates=2, configuration=True), Window(), None, id="nothing removed"),
        pytest.param(
            made(deletes=3, claimed=100, configuration=True), Window(removals=9), None, id="the window does not count"
        ),
    ],
)
def test_an_edited_mapping_removes_its_floor_at_most(
    plan: MailboxPlan, window: Window, expected: tuple[int, int] | None
) -> None:
    """At the first run after an edit of its mapping a mailbox loses the floor at most, whatever the percentage."""
    assert told(plan, window) == ([("configuration", {REMOVALS}, *expected)] if expected else [])


def test_an_edited_mapping_is_told_beside_the_limit() -> None:
    """What exceeds both is told as both, and the edit comes after the number."""
    assert [name for name, *_ in told(made(deletes=4, configuration=True))] == ["removals", "configuration"]


def test_each_emptied_source_is_told() -> None:
    """Two groups that are empty now, and an exclusion, are three objections."""
    sales = replace(SUPPORT, value="cn=sales")
    plan = made(deletes=1, creates=2, emptied=(SUPPORT, sales, BARRED))
    plan = replace(plan, mailbox=replace(plan.mailbox, sources=(SUPPORT, sales)))
    assert told(plan) == [
        ("suddenly_empty", {REMOVALS}, 1, 0),
        ("suddenly_empty", {REMOVALS}, 1, 0),
        ("suddenly_empty", {ADDITIONS}, 2, 0),
    ]
