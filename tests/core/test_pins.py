"""What a person said of one user and one mailbox counts more than what any source says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from syncd.core.changes import Op
from syncd.core.draft import EXCLUSION_UNKNOWN, INCLUSION_UNKNOWN
from syncd.core.leavers import ENDED, GONE
from syncd.core.limits import Grace
from syncd.core.listed import pinned
from syncd.core.model import Claim, Observed, Pin
from syncd.core.reads import SourceRead
from tests.core.desiring import decided
from tests.core.planning import (
    BARRED_UNKNOWN,
    BERTA,
    COLLATION,
    DELETED,
    HELD,
    IN,
    OTHER,
    OURS,
    OUT,
    PENDING,
    PRIMARY,
    PRIVATE,
    WITHHELD,
    planned,
    reasons,
    story,
)
from tests.core.strategies import (
    BARRED,
    SUPPORT,
    WRONG,
    World,
    claim,
    keep,
    keep_out,
    known_by,
    mailbox,
    member,
    observed,
    read,
    users,
)

KEPT, OUTSIDE = World(pins={4: keep(4)}), World(pins={4: keep_out(4)})
GIVEN = claim(4, member="pin:4", dn="oxuserid=4")
"""The claim of an account that a pin made."""
NOT_A_MEMBER = [
    pytest.param(OUT, id="not a member"),
    pytest.param((read(SUPPORT), read(BARRED)), id="nobody is"),
    pytest.param((read(SUPPORT, BERTA), read(BARRED, BERTA)), id="excluded"),
    pytest.param((read(SUPPORT, BERTA), read(BARRED, member("x", logins=("berta",)))), id="excluded by user"),
    pytest.param((read(SUPPORT, disabled=[BERTA]), read(BARRED)), id="disabled"),
    pytest.param((read(SUPPORT, member("berta", logins=())), read(BARRED)), id="hidden"),
    pytest.param((read(SUPPORT, complete=False), read(BARRED)), id="incomplete"),
    pytest.param((read(SUPPORT), read(BARRED, complete=False)), id="exclusion incomplete"),
]


# --------------------------------------------------------------------------- kept in


@pytest.mark.parametrize("reads", NOT_A_MEMBER)
def test_who_is_kept_gets_the_mailbox_whatever_the_sources_say(reads: Sequence[SourceRead]) -> None:
    """A pinned user gets an account at once, with the person named as the way to it."""
    plan = planned(reads, world=KEPT)
    assert story(plan) == {"changes": [("create", None)]}
    (create,) = (change for change in plan.changes if change.user == 4)
    assert (create.member, create.dn, create.path, create.login) == ("pin:4", "oxuserid=4", ("pinned by eve",), "berta")


@pytest.mark.parametrize("reads", NOT_A_MEMBER)
@pytest.mark.parametrize("world", [KEPT, World(pins={4: keep(4)}, wait="another server")])
@pytest.mark.parametrize("owned", [HELD, GIVEN])
def test_who_is_kept_keeps_the_account(reads: Sequence[SourceRead], world: World, owned: Claim) -> None:
    """No account of a pinned user goes, and nothing about it is withheld or waits."""
    assert story(planned(reads, [OURS], owned, world)) == {}
    assert story(planned(reads, [observed(4, 20, fields=WRONG)], owned, world)) == {"changes": [("update", 20)]}


def test_the_entry_counts_where_the_pinned_user_is_a_member_too() -> None:
    """As long as a source names the user, the account is that member's."""
    (create,) = planned(IN, world=KEPT).changes
    assert (create.member, create.path) == ("id-berta", (SUPPORT.value,))
    assert decided(read(SUPPORT, BERTA), pins={4: keep(4)}).accounts == {4: BERTA}


@pytest.mark.parametrize(("stored", "op"), [([], "create"), ([OTHER], "adopt")])
def test_a_pinned_member_gets_it_although_exclusions_are_not_known(stored: list[Observed], op: str) -> None:
    """The person's word holds against an exclusion, so nobody waits for one that cannot be read."""
    plan = planned(BARRED_UNKNOWN, stored, world=KEPT)
    assert story(plan) == ({"changes": [("create", None)]} if op == "create" else {"adopted": [30]})
    other = planned(BARRED_UNKNOWN, stored, world=World(pins={5: keep(5)}))
    assert [(notice.op, notice.reason) for notice in other.withheld] == [(op, EXCLUSION_UNKNOWN)]


def test_a_pinned_member_gets_it_although_an_exclusion_may_mean_it() -> None:
    """A person knows who is meant."""
    reads = (read(SUPPORT, BERTA), read(BARRED, dangling=["uid=berta,ou=old,dc=x"]))
    assert story(planned(reads, world=KEPT)) == {"changes": [("create", None)]}


def test_a_pinned_user_gets_it_although_the_entry_may_be_somebody_elses() -> None:
    """A hidden attribute moves nobody by itself, but a person may say who it is."""
    hidden = known_by("berta", ("mail", []), ("login", ["dora"]))
    plan = planned((read(SUPPORT, hidden), read(BARRED)), [OURS], HELD, World(pins={6: keep(6)}))
    assert [(change.op, change.user) for change in plan.changes] == [(Op.CREATE, 6)]
    assert [(notice.op, notice.user) for notice in plan.withheld] == [("delete", 4)]


@pytest.mark.parametrize(
    ("stored", "box", "expected", "words"),
    [
        pytest.param([PRIVATE], {}, {"conflicts": [30]}, "an own account", id="private"),
        pytest.param([PRIMARY], {}, {"conflicts": [0]}, "primary account", id="primary"),
        pytest.param([COLLATION], {}, {"conflicts": [20]}, "for the database only", id="collation only"),
        pytest.param([OTHER], {"existing": "leave"}, {"conflicts": [30]}, "existing: leave", id="not ours, left"),
        pytest.param([OTHER], {}, {"adopted": [30]}, "", id="not ours, adopted"),
        pytest.param([OTHER], {"extra": "remove"}, {"adopted": [30]}, "", id="never an extra one"),
        pytest.param(
            [OURS, OTHER], {"extra": "remove"}, {"adopted": [], "conflicts": [30]}, "several accounts", id="two"
        ),
    ],
)
def test_a_pin_changes_nothing_about_what_is_in_the_way(
    stored: list[Observed], box: Mapping[str, object], expected: dict[str, object], words: str
) -> None:
    """An account of somebody's own is a conflict for a pinned user as for any other."""
    owned = HELD if stored[0] is OURS else None
    plan = planned(OUT, stored, owned, KEPT, **box)
    assert story(plan) == {name: value for name, value in expected.items() if value}
    assert words in reasons(plan)


def test_an_adopted_account_is_that_of_the_pin() -> None:
    """The claim that follows knows that a person gave it."""
    (adoption,) = planned(OUT, [OTHER], world=KEPT).adopted
    assert (adoption.member, adoption.dn, adoption.path) == ("pin:4", "oxuserid=4", ("pinned by eve",))


@pytest.mark.parametrize("complete", [True, False])
def test_a_pinned_user_who_is_not_in_open_xchange_is_told(*, complete: bool) -> None:
    """Nobody gets an account for a user who is not there; a note says so, and the claim without account ends."""
    reads = (read(SUPPORT, complete=complete), read(BARRED))
    world = World(pins={4: keep(4, by="mallory")}, users=users({5: "carol"}))
    plan = planned(reads, [], HELD, world)
    assert story(plan) == {"forgotten": [4]}
    assert plan.notes == ("user 4, pinned by mallory, is not in Open-Xchange",)
    assert plan.desired == 0


@pytest.mark.parametrize(("stored", "owned"), [([OURS], HELD), ([OTHER], None)])
def test_an_account_of_a_pinned_user_who_is_not_found_stays(stored: list[Observed], owned: Claim | None) -> None:
    """Claimed or not, the account of a user whom a person keeps is withheld while the user is not found."""
    world = World(pins={4: keep(4)}, users=users({5: "carol"}))
    plan = planned((read(SUPPORT), read(BARRED)), stored, owned, world, extra="remove")
    assert story(plan) == {"withheld": [("delete", stored[0].id)]}
    assert reasons(plan) == GONE


@pytest.mark.parametrize(
    ("reads", "owned", "expected"),
    [
        pytest.param(OUT, HELD, [], id="an entry that is not there"),
        pytest.param(OUT, HELD._replace(login="old"), [HELD], id="its login"),
        pytest.param(OUT, GIVEN, [], id="a pin"),
        pytest.param(OUT, HELD._replace(member="", dn=""), [GIVEN], id="nobody"),
        pytest.param(IN, GIVEN, [HELD], id="a pin, and the entry is there"),
        pytest.param(OUT, HELD._replace(held=False), [], id="pending"),
    ],
)
def test_a_claim_keeps_its_entry_while_a_pin_stands_for_it(
    reads: Sequence[SourceRead], owned: Claim, expected: list[Claim]
) -> None:
    """The last entry that named the user is remembered, since it protects the account once the pin ends."""
    plan = planned(reads, [OURS], owned, KEPT)
    assert list(plan.refreshed) == expected
    assert plan.notes == ()


# --------------------------------------------------------------------------- kept out


@pytest.mark.parametrize("reads", [*NOT_A_MEMBER, pytest.param(IN, id="a member")])
@pytest.mark.parametrize("wait", [None, "another server"])
@pytest.mark.parametrize("owned", [HELD, GIVEN])
def test_who_is_kept_out_loses_the_account_at_once(reads: Sequence[SourceRead], wait: str | None, owned: Claim) -> None:
    """It needs neither a complete read, nor the same server, nor a grace: a person said so."""
    world = World(pins={4: keep_out(4, by="mallory")}, wait=wait)
    plan = planned(reads, [OURS], owned, world, grace=Grace(reads=3, time=timedelta(days=1)))
    assert story(plan) == DELETED
    assert plan.changes[0].reason == "kept out by hand of mallory"


@pytest.mark.parametrize("reads", [*NOT_A_MEMBER, pytest.param(IN, id="a member")])
def test_who_is_kept_out_gets_nothing(reads: Sequence[SourceRead]) -> None:
    """A member who is kept out gets no account, and is not wanted."""
    plan = planned(reads, world=OUTSIDE)
    assert story(plan) == {}
    assert plan.desired == plan.unchanged


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("owned", [HELD, PENDING])
def test_a_claim_of_somebody_kept_out_ends_without_an_account(owned: Claim, *, complete: bool) -> None:
    """Where nothing is stored the claim is given up, whatever could be read."""
    plan = planned((read(SUPPORT, BERTA, complete=complete), read(BARRED)), [], owned, OUTSIDE)
    assert story(plan) == {"forgotten": [4]} | ({"missing": 1} if owned.held else {})


@pytest.mark.parametrize(
    ("stored", "owned", "box", "expected"),
    [
        pytest.param([OTHER], None, {}, {}, id="unclaimed"),
        pytest.param([OTHER], None, {"extra": "remove"}, {"changes": [("delete", 30)], "extras": 1}, id="extra"),
        pytest.param([PRIVATE], None, {"extra": "remove"}, {}, id="private"),
        pytest.param([PRIMARY], None, {"extra": "remove"}, {}, id="primary"),
        pytest.param([COLLATION], HELD, {}, WITHHELD, id="collation only"),
    ],
)
def test_keeping_out_takes_nothing_that_is_not_ours(
    stored: list[Observed], owned: Claim | None, box: Mapping[str, object], expected: dict[str, object]
) -> None:
    """Accounts that are not ours stay, or go as any extra account does."""
    assert story(planned(IN, stored, owned, OUTSIDE, grace=Grace(reads=3), **box)) == expected


@pytest.mark.parametrize("wait", [None, "another server"])
def test_an_extra_account_beside_a_kept_claim_stays_though_its_user_is_kept_out(wait: str | None) -> None:
    """A delete would end the claim that has to stay, so the unclaimed account stays with it."""
    world = World(pins={4: keep_out(4)}, wait=wait)
    plan = planned(OUT, [COLLATION, OTHER], HELD, world, extra="remove")
    assert plan.changes == ()
    assert ("delete", 30) in [(notice.op, notice.account) for notice in plan.withheld]


def test_an_account_left_behind_by_somebody_kept_out_is_withheld() -> None:
    """An account whose user is gone contradicts itself, whoever is kept out."""
    world = World(pins={4: keep_out(4)}, users=users({5: "carol"}))
    assert story(planned(OUT, [OURS], HELD, world)) == WITHHELD


def test_a_pin_says_nothing_about_anybody_else() -> None:
    """Other users are treated as without any pin."""
    said: dict[int, Pin] = {4: keep_out(4), 6: keep(6)}
    plan = planned((read(SUPPORT, BERTA, member("carol")), read(BARRED)), [OURS], HELD, World(pins=said))
    assert [(change.op, change.user) for change in plan.changes] == [(Op.DELETE, 4), (Op.CREATE, 6)]
    assert plan.unchanged == 1


# --------------------------------------------------------------------------- when a pin has ended


def test_what_a_person_gave_goes_when_it_has_ended() -> None:
    """Once the pin is over, the account of somebody who is no member goes, and says why."""
    plan = planned(OUT, [OURS], GIVEN)
    assert (story(plan), plan.changes[0].reason) == (DELETED, ENDED)
    assert ENDED == "what a person gave by hand has ended"


@pytest.mark.parametrize(
    ("reads", "world", "box", "expected", "words"),
    [
        pytest.param(
            (read(SUPPORT, complete=False), read(BARRED)), World(), {}, WITHHELD, INCLUSION_UNKNOWN, id="incomplete"
        ),
        pytest.param(
            (read(SUPPORT, dangling=["memberuid=berta"]), read(BARRED)), World(), {}, WITHHELD, "listed", id="listed"
        ),
        pytest.param(
            OUT, World(), {"grace": Grace(reads=2)}, {"waiting": [("delete", 20)]}, "1 of 2 reads", id="grace"
        ),
        pytest.param(OUT, World(wait="why"), {}, {"waiting": [("delete", 20)]}, "why", id="another server"),
        pytest.param((read(SUPPORT, BERTA), read(BARRED, BERTA)), World(), {}, DELETED, "excluded", id="excluded"),
    ],
)
def test_the_end_of_a_pin_is_a_removal_like_others(
    reads: Sequence[SourceRead], world: World, box: Mapping[str, object], expected: dict[str, object], words: str
) -> None:
    """Whether the user is a member has to be known for certain, and the grace and rule 7 hold."""
    plan = planned(reads, [OURS], GIVEN, world, **box)
    assert story(plan) == expected
    assert words in reasons(plan)


def test_a_member_keeps_the_account_when_the_pin_has_ended() -> None:
    """Where a source names the user the account stays, and the claim takes the entry."""
    plan = planned(IN, [OURS], GIVEN)
    assert (story(plan), plan.refreshed) == ({}, (HELD,))


@pytest.mark.parametrize(
    ("reads", "expected", "words"),
    [
        pytest.param(OUT, DELETED, "no longer a member", id="gone"),
        pytest.param((read(SUPPORT, member("berta", logins=())), read(BARRED)), WITHHELD, "is missing", id="hidden"),
        pytest.param(
            (read(SUPPORT, disabled=[BERTA], complete=False), read(BARRED)), DELETED, "disabled", id="disabled"
        ),
    ],
)
def test_a_member_who_was_pinned_for_a_while_is_still_that_member(
    reads: Sequence[SourceRead], expected: dict[str, object], words: str
) -> None:
    """Through a pin a claim keeps the entry that it came from, with all that this entry's state means."""
    during = World(reads=OUT, stored=[OURS], claims={4: HELD}, pins={4: keep(4)})
    (owned,) = [one for one in during.after(during.plan()).claims.values() if one.user == 4]
    plan = planned(reads, [OURS], owned)
    assert story(plan) == expected
    assert words in reasons(plan)


# --------------------------------------------------------------------------- the member that stands for a pin


def test_a_pin_stands_for_one_user_by_number() -> None:
    """Its member is told apart from every entry, and names the user by id."""
    one = pinned(keep(4))
    assert (one.id, one.dn, one.key, one.names) == ("pin:4", "oxuserid=4", "oxuserid=4", (("4",),))
    assert one.path == ("pinned by eve",)
    assert [str(rule) for rule in one.rules] == ["id: {id}"]


def test_a_pinned_user_is_no_second_entry() -> None:
    """A pin beside an entry, or beside another list, is not told as two entries of one user."""
    desired = decided(read(SUPPORT, BERTA), read(BARRED), pins={4: keep(4), 5: keep(5)})
    assert (desired.accounts.keys(), desired.notes) == ({4, 5}, ())
    assert desired.login(5) == "carol"
    assert desired.pins == {4: keep(4), 5: keep(5)}


@pytest.mark.parametrize("given", [claim(4), claim(4, member="id-x", dn="uid=x,dc=x")])
def test_a_claim_is_taken_out_by_its_user(given: Claim) -> None:
    """Who is kept out is so whatever entry the claim came from; whom a person keeps is not."""
    assert decided(pins={4: keep_out(4)}).taken_out(given) == "kept out by hand of eve"
    assert decided(read(BARRED, BERTA), pins={4: keep(4)}).taken_out(claim(4)) == "excluded"
    assert decided(pins={5: keep_out(5)}).taken_out(given) is None


@pytest.mark.parametrize("pin", [keep(4), keep_out(4)], ids=["kept", "kept out"])
def test_a_pin_does_not_count_for_a_retired_mailbox(pin: Pin) -> None:
    """Nobody is to have a mailbox that left the configuration, and the reason is that one."""
    desired = decided(box=mailbox(sources=(), exclude=()), pins={4: pin})
    assert (desired.accounts, desired.pins, desired.taken_out(claim(4))) == ({}, {}, None)
