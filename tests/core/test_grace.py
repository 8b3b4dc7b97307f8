"""How long a removal waits: reads, time, and what counts for neither."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from syncd.core.limits import Absence, Grace
from syncd.core.model import Claim, Observed
from syncd.core.reads import SourceRead
from tests.core.planning import BERTA, DELETED, HELD, IN, OTHER, OURS, OUT, PENDING, planned, reasons, story
from tests.core.strategies import BARRED, NOON, SUPPORT, World, keep_out, member, read, users

TWO = Grace(reads=2)
HALF = Grace(time=timedelta(minutes=30))
BOTH = Grace(reads=2, time=timedelta(minutes=30))
WAITING = {"waiting": [("delete", 20)]}


def after(reads: int, minutes: int) -> Absence:
    """Give what is remembered once so many reads agreed, the first of them so many minutes ago."""
    return Absence(reads, NOON - timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("grace", "known", "words"),
    [
        pytest.param(Grace(), None, None, id="none"),
        pytest.param(TWO, None, "grace: 1 of 2 reads agreed", id="the first of two"),
        pytest.param(TWO, after(1, 5), None, id="the second of two"),
        pytest.param(TWO, after(1, 0), None, id="the second of two at once"),
        pytest.param(TWO, after(7, 5), None, id="more than enough"),
        pytest.param(Grace(reads=3), after(1, 5), "grace: 2 of 3 reads agreed", id="the second of three"),
        pytest.param(Grace(reads=3), after(2, 5), None, id="the third of three"),
        pytest.param(HALF, None, "grace: 1 of 1 reads agreed, until 2026-03-01 12:30 UTC", id="time begins"),
        pytest.param(HALF, after(1, 29), "grace: 1 of 1 reads agreed, until 2026-03-01 12:01 UTC", id="a minute left"),
        pytest.param(HALF, after(1, 30), None, id="the time is over"),
        pytest.param(HALF, after(1, 31), None, id="the time was over"),
        pytest.param(BOTH, None, "grace: 1 of 2 reads agreed, until 2026-03-01 12:30 UTC", id="neither"),
        pytest.param(BOTH, after(1, 10), "grace: 2 of 2 reads agreed, until 2026-03-01 12:20 UTC", id="reads, no time"),
        pytest.param(BOTH, after(2, 10), "grace: 2 of 2 reads agreed, until 2026-03-01 12:20 UTC", id="more reads"),
        pytest.param(
            Grace(reads=3, time=BOTH.time), after(1, 40), "grace: 2 of 3 reads agreed", id="time, but not the reads"
        ),
        pytest.param(BOTH, after(1, 30), None, id="both"),
        pytest.param(HALF, after(1, -60), "grace: 1 of 1 reads agreed, until 2026-03-01 12:30 UTC", id="clock ahead"),
        pytest.param(BOTH, after(5, -60), "grace: 2 of 2 reads agreed, until 2026-03-01 12:30 UTC", id="and reads"),
        pytest.param(TWO, after(1, -60), None, id="clock ahead where no time is asked for"),
    ],
)
def test_a_removal_waits_for_reads_and_time(grace: Grace, known: Absence | None, words: str | None) -> None:
    """A removal is planned when with this read enough agreed, over enough time; else it waits and says for what."""
    world = World(absences={4: known} if known else {})
    plan = planned(OUT, [OURS], HELD, world, grace=grace)
    assert story(plan) == (DELETED if words is None else WAITING)
    assert plan.absent == (4,)
    assert words is None or [notice.reason for notice in plan.waiting] == [words]


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param((read(SUPPORT, BERTA), read(BARRED, BERTA)), id="excluded"),
        pytest.param((read(SUPPORT, complete=False), read(BARRED, BERTA)), id="excluded, the rest unknown"),
        pytest.param((read(SUPPORT, disabled=[BERTA]), read(BARRED)), id="disabled"),
        pytest.param((read(SUPPORT, member("berta", logins=("dora",))), read(BARRED)), id="somebody else"),
    ],
)
@pytest.mark.parametrize("owned", [HELD, PENDING])
def test_every_removal_by_the_directory_waits(reads: Sequence[SourceRead], owned: Claim) -> None:
    """Who is excluded, disabled or somebody else has the same grace as who is no longer a member."""
    first = planned(reads, [OURS], owned, grace=TWO)
    assert story(first)["waiting"] == [("delete", 20)]
    assert 4 in first.absent
    second = planned(reads, [OURS], owned, World(absences={4: after(1, 5)}), grace=TWO)
    assert story(second)["changes"] == [("delete", 20)]


def test_a_removal_by_another_reason_goes_on_waiting() -> None:
    """Reads agree on the removal, whatever reason each of them had for it."""
    barred = (read(SUPPORT, BERTA), read(BARRED, BERTA))
    plan = planned(barred, [OURS], HELD, World(absences={4: after(1, 5)}), grace=TWO)
    assert (story(plan), reasons(plan)) == (DELETED, "excluded")


@pytest.mark.parametrize(
    ("world", "absent", "expected"),
    [
        pytest.param(World(), (4,), WAITING, id="the first read"),
        pytest.param(World(absences={4: after(1, 5)}), (4,), {"changes": [("delete", 30)], "extras": 1}, id="second"),
        pytest.param(World(absences={5: after(1, 5)}), (4,), WAITING, id="of somebody else"),
    ],
)
def test_an_extra_account_has_a_grace_too(world: World, absent: tuple[int, ...], expected: dict[str, object]) -> None:
    """With `extra: remove` an unclaimed account waits as a claimed one does."""
    plan = planned(OUT, [OTHER], world=world, extra="remove", grace=TWO)
    assert plan.absent == absent
    assert story(plan) == (expected if "changes" in expected else {"waiting": [("delete", 30)]})


def test_a_claimed_and_an_extra_account_of_one_user_go_together() -> None:
    """Both wait and both go, and the extra one is not told to be in the way of the other."""
    both = [OURS, OTHER]
    first = planned(OUT, both, HELD, extra="remove", grace=TWO)
    assert story(first) == {"waiting": [("delete", 30), ("delete", 20)]}
    second = planned(OUT, both, HELD, World(absences={4: after(1, 5)}), extra="remove", grace=TWO)
    assert story(second) == {"changes": [("delete", 20), ("delete", 30)], "extras": 1}


def test_an_extra_account_beside_a_claim_that_ends_waits() -> None:
    """A claim without an account ends at once; the unclaimed account beside it has its grace."""
    plan = planned(OUT, [OTHER], HELD, extra="remove", grace=TWO)
    assert story(plan) == {"forgotten": [4], "missing": 1, "waiting": [("delete", 30)]}


@pytest.mark.parametrize("known", [{}, {4: after(1, 50)}])
def test_another_directory_server_is_no_read_that_agrees(known: dict[int, Absence]) -> None:
    """While removals wait for another complete read (rule 7) this one does not count for the grace."""
    plan = planned(OUT, [OURS], HELD, World(wait="another server", absences=known), grace=TWO)
    assert story(plan) == WAITING
    assert reasons(plan) == "another server"
    assert plan.absent == ()


@pytest.mark.parametrize(
    ("reads", "stored"),
    [
        pytest.param((read(SUPPORT, complete=False), read(BARRED)), [OURS], id="incomplete"),
        pytest.param((read(SUPPORT, member("berta", logins=())), read(BARRED)), [OURS], id="hidden"),
        pytest.param((read(SUPPORT, complete=False), read(BARRED)), [OTHER], id="an extra account"),
    ],
)
def test_what_is_not_certain_agrees_on_nothing(reads: Sequence[SourceRead], stored: list[Observed]) -> None:
    """A read that was not complete, or found the member without a user, is no vote for a removal."""
    world = World(absences={4: after(9, 90)})
    plan = planned(reads, stored, HELD if stored == [OURS] else None, world, extra="remove", grace=TWO)
    assert (plan.changes, plan.waiting, plan.absent) == ((), (), ())
    assert [notice.user for notice in plan.withheld] == [4]


def test_a_member_who_comes_back_costs_nothing() -> None:
    """Nothing is changed for a member who was absent for a while, and that is told."""
    plan = planned(IN, [OURS], HELD, World(absences={4: after(1, 5), 5: after(1, 5)}), grace=TWO)
    assert (story(plan), plan.unchanged, plan.returned) == ({}, 1, (4,))


def test_an_account_that_is_gone_needs_no_grace() -> None:
    """A claim without an account ends at once: nobody loses anything by it."""
    plan = planned(OUT, [], HELD, grace=BOTH)
    assert (story(plan), plan.absent) == ({"forgotten": [4], "missing": 1}, ())


def test_who_is_kept_out_by_hand_has_no_grace() -> None:
    """A person's word needs no second read, and counts as one that agrees."""
    plan = planned(IN, [OURS], HELD, World(pins={4: keep_out(4)}), grace=BOTH)
    assert (story(plan), plan.absent) == (DELETED, (4,))


def test_planning_is_no_read() -> None:
    """However often it is planned, the same read agrees once."""
    world = World(reads=OUT, stored=[OURS], claims={4: HELD}, mailbox=planned(OUT, grace=TWO).mailbox)
    assert world.plan() == world.plan()
    assert story(world.after(world.plan()).plan()) == DELETED


def test_a_user_without_an_account_waits_for_nothing() -> None:
    """Who is neither stored nor claimed is not absent."""
    assert planned((read(SUPPORT), read(BARRED)), world=World(users=users()), grace=TWO).absent == ()
