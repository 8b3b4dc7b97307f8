"""Who is the same person as at the last run, and who is somebody else."""

from __future__ import annotations

import pytest

from syncd.core.changes import Direction, Op
from syncd.core.guard import judge
from syncd.core.limits import Ceilings
from syncd.core.model import Claim
from syncd.core.reads import SourceRead
from tests.core.planning import (
    BERTA,
    HELD,
    OURS,
    planned,
    story,
)
from tests.core.strategies import (
    BARRED,
    LOGINS,
    SUPPORT,
    World,
    claim,
    dn_of,
    member,
    observed,
    read,
)


@pytest.mark.parametrize("dn", ["uid=berta,ou=moved,dc=x", "uid=renamed,ou=people,dc=x"])
def test_a_renamed_or_moved_entry_keeps_its_account(dn: str) -> None:
    """The same stable id for the same user is the same person: nothing changes but the DN in the claim."""
    plan = planned((read(SUPPORT, member("berta", dn=dn)), read(BARRED)), [OURS], HELD)
    assert story(plan) == {}
    assert (plan.unchanged, plan.refreshed, plan.notes) == (1, (HELD._replace(dn=dn),), ())


def test_a_new_entry_for_the_same_user_is_told_and_the_claim_takes_its_id() -> None:
    """The same DN and login with another stable id is a new person: reported, nothing changes in Open-Xchange."""
    plan = planned((read(SUPPORT, member("berta", id="new")), read(BARRED)), [OURS], HELD)
    assert story(plan) == {}
    assert plan.refreshed == (HELD._replace(member="new"),)
    assert plan.notes == (f"{dn_of('berta')} is a new entry (new, before id-berta) for user 4 (berta)",)


@pytest.mark.parametrize(
    ("reads", "before"),
    [
        pytest.param((read(SUPPORT, BERTA),), HELD, id="the same"),
        pytest.param((read(SUPPORT, member("berta", id=f"dn:{BERTA.key}")),), HELD, id="no stable id now"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member=f"dn:{BERTA.key}"), id="no stable id then"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member="login:berta"), id="a login written down then"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member="ox:1/4"), id="a group of Open-Xchange then"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member=""), id="adopted without a member"),
        pytest.param(
            (read(SUPPORT, BERTA, member("old", logins=("berta",), path=("a", "b"))),),
            HELD._replace(member="id-old"),
            id="the old entry is still a member",
        ),
    ],
)
def test_an_entry_that_is_not_surely_new_is_not_told(reads: tuple[SourceRead], before: Claim) -> None:
    """Only two stable ids that differ, the older one gone, make a new person."""
    plan = planned((*reads, read(BARRED)), [OURS], before)
    assert not [note for note in plan.notes if "new entry" in note]
    assert story(plan) == {}


def test_many_new_entries_are_told_in_few_lines() -> None:
    """A directory built anew does not fill the screen."""
    names = ("anton", "berta", "carol", "dora", "emil")
    everybody = [member(name, id=f"new-{name}") for name in names]
    ids = {name: user for user, name in LOGINS.items()}
    world = World(
        reads=(read(SUPPORT, *everybody), read(BARRED)),
        stored=[observed(ids[name], 20) for name in names],
        claims={ids[name]: claim(ids[name]) for name in names},
    )
    assert len(world.plan().notes) == 4
    assert world.plan().notes[-1] == "… and 2 more such new entries"


def test_two_members_who_swapped_their_logins_change_nothing() -> None:
    """Both users stay members, so both accounts stay; each claim takes the entry that names its user now."""
    swapped = [member("berta", logins=("carol",)), member("carol", logins=("berta",))]
    world = World(
        reads=(read(SUPPORT, *swapped), read(BARRED)),
        stored=[OURS, observed(5, 25)],
        claims={4: HELD, 5: claim(5, 25)},
    )
    plan = world.plan()
    assert plan.changes == ()
    assert {(one.user, one.member) for one in plan.refreshed} == {(4, "id-carol"), (5, "id-berta")}


def test_a_member_who_swapped_logins_with_somebody_outside_moves() -> None:
    """The old account goes and the new one comes, as a removal and an addition that the limits count."""
    plan = planned((read(SUPPORT, member("berta", logins=("dora",))), read(BARRED)), [OURS], HELD)
    assert [(change.op, change.user, change.member) for change in plan.changes] == [
        (Op.DELETE, 4, "id-berta"),
        (Op.CREATE, 6, "id-berta"),
    ]
    (judgement,) = judge([plan], {}, {}, Ceilings(removals_per_run=0))
    assert judgement.held == {Direction.REMOVALS}
