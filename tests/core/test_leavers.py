"""Users who should not have a mailbox: every row of the table of core.leavers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from syncd.core.draft import INCLUSION_UNKNOWN
from syncd.core.model import Claim, Observed
from syncd.core.reads import SourceRead
from tests.core.planning import (
    BERTA,
    COLLATION,
    HELD,
    IN,
    OTHER,
    OURS,
    OUT,
    PENDING,
    PRIMARY,
    PRIVATE,
    THIRD,
    WITHHELD,
    planned,
    reasons,
    story,
)
from tests.core.strategies import (
    BARRED,
    SUPPORT,
    World,
    claim,
    dn_of,
    member,
    read,
    users,
)

# --------------------------------------------------------------------------- users who should not

SHOULD_NOT = [
    pytest.param([OURS], HELD, {"changes": [("delete", 20)]}, "no longer a member", id="ours, held"),
    pytest.param(
        [OURS], PENDING, {"recovered": [20], "changes": [("delete", 20)]}, "no longer a member", id="ours, pending"
    ),
    pytest.param([], HELD, {"forgotten": [4], "missing": 1}, "", id="nothing, held"),
    pytest.param([], PENDING, {"forgotten": [4]}, "", id="nothing, pending"),
    pytest.param([OTHER], HELD, {"forgotten": [4], "missing": 1}, "", id="another id, held"),
    pytest.param([OTHER], PENDING, {"forgotten": [4]}, "", id="another id, pending"),
    pytest.param([PRIVATE._replace(id=20)], HELD, {"forgotten": [4], "missing": 1}, "", id="private with our id, held"),
    pytest.param([COLLATION], HELD, {"withheld": [("delete", 20)]}, "for the database only", id="collation only, ours"),
    pytest.param([OTHER, OURS], HELD, {"changes": [("delete", 20)]}, "", id="two accounts, one ours"),
    pytest.param([OTHER], None, {}, "", id="unclaimed"),
]


@pytest.mark.parametrize(("stored", "owned", "expected", "words"), SHOULD_NOT)
def test_a_user_who_should_not_have_it(
    stored: list[Observed], owned: Claim | None, expected: dict[str, object], words: str
) -> None:
    """Each row of the second table has its outcome with `extra: leave`."""
    plan = planned(OUT, stored, owned)
    assert story(plan) == expected
    assert words in reasons(plan)


EXTRA = [
    pytest.param([OTHER], None, {"changes": [("delete", 30)], "extras": 1}, id="unclaimed"),
    pytest.param([OTHER, THIRD], None, {"changes": [("delete", 30), ("delete", 31)], "extras": 2}, id="two unclaimed"),
    pytest.param(
        [OURS, OTHER], HELD, {"changes": [("delete", 20), ("delete", 30)], "extras": 1}, id="ours and an unclaimed one"
    ),
    pytest.param(
        [OTHER], HELD, {"changes": [("delete", 30)], "extras": 1, "forgotten": [4], "missing": 1}, id="claim gone"
    ),
    pytest.param([PRIVATE], None, {}, id="private"),
    pytest.param([PRIMARY], None, {}, id="primary"),
    pytest.param([PRIMARY._replace(secondary=True)], None, {}, id="id 0 is the primary one, whatever its flag"),
    pytest.param([COLLATION], None, {"conflicts": [20]}, id="collation only"),
]


@pytest.mark.parametrize(("stored", "owned", "expected"), EXTRA)
def test_extra_remove_takes_unclaimed_secondary_accounts(
    stored: list[Observed], owned: Claim | None, expected: dict[str, object]
) -> None:
    """With `extra: remove` only secondary accounts at exactly this address go, and never twice."""
    assert story(planned(OUT, stored, owned, extra="remove")) == expected


def test_extra_remove_spares_desired_users() -> None:
    """A user who should have the mailbox loses no account by `extra: remove`."""
    assert story(planned(IN, [OURS, OTHER], HELD, extra="remove")) == {"conflicts": [30]}


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        pytest.param((read(SUPPORT, complete=False), read(BARRED)), INCLUSION_UNKNOWN, id="incomplete"),
        pytest.param((read(SUPPORT, member("x", logins=())), read(BARRED)), "might be this one", id="unresolved"),
        pytest.param((read(SUPPORT, dangling=["memberuid=Berta"]), read(BARRED)), "still listed", id="memberUid"),
        pytest.param((read(SUPPORT, dangling=[dn_of("berta")]), read(BARRED)), "still listed", id="dangling"),
    ],
)
def test_extra_remove_is_withheld_where_the_user_may_be_a_member(reads: Sequence[SourceRead], words: str) -> None:
    """An unclaimed account stays while a source is incomplete or a member may stand for its user."""
    plan = planned(reads, [OTHER], extra="remove")
    assert story(plan) == {"withheld": [("delete", 30)]}
    assert words in reasons(plan)


def test_a_dangling_member_keeps_no_other_extra_account() -> None:
    """A dangling member freezes nobody else's removal."""
    plan = planned((read(SUPPORT, dangling=["memberuid=anton"]), read(BARRED)), [OTHER], extra="remove")
    assert story(plan) == {"changes": [("delete", 30)], "extras": 1}


def test_an_extra_account_of_an_unknown_user_is_no_dangling_member() -> None:
    """A user without a known login is not taken for a member with an empty name."""
    reads = (read(SUPPORT, dangling=["uid=,dc=x"]), read(BARRED))
    world = World(users=users({5: "carol"}))
    assert story(planned(reads, [OTHER], world=world, extra="remove"))["extras"] == 1


@pytest.mark.parametrize(
    ("reads", "stored"),
    [
        pytest.param((read(SUPPORT, dangling=["cn=b,dc=x"]), read(BARRED)), [OURS, OTHER], id="withheld"),
        pytest.param((read(SUPPORT, dangling=["cn=b,dc=x"]), read(BARRED)), [OTHER], id="claim kept without account"),
        pytest.param((read(SUPPORT), read(BARRED)), [COLLATION, OTHER], id="collation only"),
    ],
)
def test_an_extra_account_beside_a_kept_claim_is_withheld(reads: Sequence[SourceRead], stored: list[Observed]) -> None:
    """While a user's claim stays, an unclaimed account beside it stays too, since a delete would end the claim."""
    plan = planned(reads, stored, claim(4, dn="cn=b,dc=x"), extra="remove")
    assert ("delete", 30) in [(notice.op, notice.account) for notice in plan.withheld]
    assert plan.changes == ()
    assert plan.forgotten == ()


def test_extra_removals_wait_too() -> None:
    """Another directory server makes the removal of extra accounts wait as well."""
    plan = planned(OUT, [OURS, OTHER], HELD, World(wait="another server"), extra="remove")
    assert set(story(plan)["waiting"]) == {("delete", 20), ("delete", 30)}  # type: ignore[call-overload]
    assert plan.changes == ()
    assert {notice.reason for notice in plan.waiting} == {"another server"}


def test_removals_wait_for_a_second_complete_read() -> None:
    """Another directory server makes even an excluded user's removal wait, with its reason."""
    plan = planned((read(SUPPORT, BERTA), read(BARRED, BERTA)), [OURS], HELD, World(wait="another server"))
    assert story(plan) == {"waiting": [("delete", 20)]}
    assert reasons(plan) == "another server"


def test_what_is_uncertain_is_withheld_rather_than_waiting() -> None:
    """A removal without a reason does not wait for one more read, it is withheld."""
    reads = (read(SUPPORT, complete=False), read(BARRED))
    assert story(planned(reads, [OURS], HELD, World(wait="another server"))) == WITHHELD


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("owned", [HELD, PENDING])
def test_a_user_who_is_gone_from_open_xchange_ends_the_claim_quietly(owned: Claim, *, complete: bool) -> None:
    """A user that no longer exists ends its claim without a change, a missing account or a reason."""
    world = World(users=users({5: "carol"}))
    plan = planned((read(SUPPORT, BERTA, complete=complete), read(BARRED)), [], owned, world)
    assert story(plan) == {"forgotten": [4]}
    assert plan.gone == owned.held


def test_an_account_left_behind_by_a_user_who_is_gone_is_withheld() -> None:
    """An account whose user is gone contradicts itself: it is reported and not touched."""
    plan = planned(OUT, [OURS], HELD, World(users=users({5: "carol"})))
    assert story(plan) == WITHHELD
    assert "not in Open-Xchange any more" in reasons(plan)


def test_a_context_without_users_ends_its_claims_quietly() -> None:
    """Claims in a context that no longer has any user end, and nothing is changed."""
    plan = planned((read(SUPPORT, BERTA), read(BARRED)), [], HELD, World(users=users({})))
    assert story(plan) == {"forgotten": [4]}
    assert not plan.complete
