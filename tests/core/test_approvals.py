"""How an approval releases what is held: all of it or what is left of it, and never more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest

from syncd.core.changes import Approval, Judgement, MailboxPlan, Op
from syncd.core.digest import item, items
from syncd.core.limits import Limits, Share
from syncd.core.model import MailboxRef
from syncd.core.verdict import released
from tests.core.judging import (
    ADDITIONS,
    REMOVALS,
    UPDATES,
    consent,
    judged,
    made,
    part,
    whole,
)
from tests.core.strategies import ADDRESS, RIGHT, SUPPORT, mailbox

OVER = made(deletes=4, updates=3, creates=6)


@pytest.mark.parametrize("name", [whole, lambda plan: part(plan, Op.DELETE)], ids=["whole", "held"])
def test_an_approval_releases_the_plan(name: object) -> None:
    """The digest of the held changes and that of all changes both release the plan, and it says which did."""
    plan = made(deletes=4, creates=1)
    approved = name(plan)  # type: ignore[operator]
    (judgement,) = judged(plan, approved={plan.mailbox.ref: (approved, "sha256:other")})
    assert judgement == Judgement(plan=plan, digest=whole(plan), approved=approved)
    assert list(released(judgement)) == list(plan.changes)


@pytest.mark.parametrize(
    "approved",
    [
        pytest.param({}, id="nothing"),
        pytest.param({mailbox().ref: frozenset({"sha256:other"})}, id="another digest"),
        pytest.param({mailbox().ref: frozenset({whole(made(deletes=5))})}, id="a plan that was smaller or larger"),
        pytest.param({mailbox().ref: frozenset({part(OVER, Op.UPDATE)})}, id="a part that is not what is held"),
        pytest.param({MailboxRef(2, ADDRESS): frozenset({whole(OVER)})}, id="of the mailbox in another context"),
        pytest.param({MailboxRef(1, "sales@mycompany.com"): frozenset({whole(OVER)})}, id="of another mailbox"),
    ],
)
def test_an_approval_of_something_else_releases_nothing(approved: Mapping[MailboxRef, Collection[str]]) -> None:
    """An approval counts for exactly the plan and the mailbox that it was given for."""
    (judgement,) = judged(OVER, approved=approved)
    assert judgement.held == {REMOVALS, UPDATES, ADDITIONS}
    assert judgement.approved is None
    assert judgement == judged(OVER)[0]


def test_an_approval_without_need_is_not_noted() -> None:
    """A plan within its limits was released by no approval."""
    plan = made(deletes=1)
    assert judged(plan, approved={plan.mailbox.ref: frozenset({whole(plan)})})[0].approved is None


# --------------------------------------------------------------------------- what is left of what was approved

REF = mailbox().ref
FIVE, FOUR, SIX = made(deletes=5), made(deletes=4), made(deletes=6)


@pytest.mark.parametrize("now", [FOUR, FIVE])
def test_an_approval_releases_what_is_left_of_it(now: MailboxPlan) -> None:
    """A plan all of whose held changes were approved is released, and names the digest that a person approved."""
    (judgement,) = judged(now, approved={REF: [consent(FIVE, Op.DELETE)]})
    assert judgement == Judgement(plan=now, digest=whole(now), approved=part(FIVE, Op.DELETE))


def test_an_approval_of_the_same_changes_is_enough_under_any_digest() -> None:
    """What was approved counts, by whatever name it was held then."""
    given = consent(FIVE, Op.DELETE)._replace(digest="sha256:older")
    assert judged(FIVE, approved={REF: [given]})[0].approved == "sha256:older"


def test_an_approval_releases_no_more_than_it_saw() -> None:
    """One change more and nothing is released; it is told which change that is, and by how many it is exceeded."""
    given = consent(FIVE, Op.DELETE)
    (judgement,) = judged(SIX, approved={REF: [given]})
    assert (judgement.held, judgement.approved) == ({REMOVALS}, None)
    assert judgement.held_digest == part(SIX, Op.DELETE)
    assert judgement.exceeded == given.digest
    assert judgement.beyond == {item(1, ADDRESS, SIX.changes[-1])}
    told = f"An approval was given to {given.digest}, but 1 of 6 changes were not part of it. Release it with: "
    assert all(told in one.message for one in judgement.objections)


def test_another_change_of_the_same_user_was_not_approved() -> None:
    """An update to other values is not the update that was approved."""
    plan = made(updates=3)
    other = replace(plan, changes=tuple(replace(one, new=RIGHT._replace(login="x")) for one in plan.changes))
    (judgement,) = judged(other, approved={REF: [consent(plan, Op.UPDATE)]})
    assert (judgement.held, len(judgement.beyond)) == ({UPDATES}, 3)


def test_what_was_not_held_need_not_have_been_approved() -> None:
    """Only what is held has to be part of the approval: additions within their limit go on beside it."""
    plan = made(deletes=4, creates=2, updates=1)
    (judgement,) = judged(plan, approved={REF: [consent(FIVE, Op.DELETE)]})
    assert judgement.approved == part(FIVE, Op.DELETE)
    assert list(released(judgement)) == list(plan.changes)


def test_another_direction_that_is_held_now_was_not_approved() -> None:
    """An approval of removals does not release additions that are over their limit too."""
    plan = made(deletes=4, creates=6)
    (judgement,) = judged(plan, approved={REF: [consent(FIVE, Op.DELETE)]})
    assert (judgement.held, judgement.approved) == ({REMOVALS, ADDITIONS}, None)
    assert len(judgement.beyond) == 6


@pytest.mark.parametrize("adopted", [5, 6])
def test_adoptions_are_part_of_an_approval(adopted: int) -> None:
    """Held adoptions are approved one by one as changes are."""
    seen, plan = made(creates=1, adopted=5), made(creates=1, adopted=adopted)
    (judgement,) = judged(plan, approved={REF: [consent(seen, Op.CREATE, adopted=True)]})
    assert (judgement.approved is not None) is (adopted == 5)
    assert len(judgement.beyond) == adopted - 5


def test_the_repair_of_a_held_adoption_is_part_of_an_approval() -> None:
    """Where additions hold the repair of an adopted account, an approval has to have seen it."""
    plan = made(updates=1, adopted=6)
    plan = replace(plan, changes=tuple(replace(one, user=plan.adopted[0].user) for one in plan.changes))
    (judgement,) = judged(plan, approved={REF: [consent(plan, adopted=True)]})
    assert judgement.beyond == {item(1, ADDRESS, plan.changes[0])}
    (judgement,) = judged(plan, approved={REF: [consent(plan, Op.UPDATE, adopted=True)]})
    assert judgement.held == frozenset()


def test_two_approvals_do_not_add_up() -> None:
    """What is held has to be part of one approval: each was given for what a person saw at once."""
    one, two = consent(FIVE, Op.DELETE), Approval("sha256:x", items(1, ADDRESS, SIX.changes[5:], ()))
    (judgement,) = judged(SIX, approved={REF: [one, two]})
    assert judgement.approved is None


@pytest.mark.parametrize("turned", [False, True])
def test_the_difference_is_told_of_the_approval_that_was_nearest(*, turned: bool) -> None:
    """Of several approvals that are not enough the one with the fewest missing changes is named."""
    some = [consent(FIVE, Op.DELETE), consent(FOUR, Op.DELETE)]
    (judgement,) = judged(SIX, approved={REF: some[::-1] if turned else some})
    assert judgement.exceeded == some[0].digest
    assert len(judgement.beyond) == 1


def test_of_approvals_that_are_equally_near_the_first_is_told() -> None:
    """The order in which approvals are given decides between equal ones."""
    some = [consent(FIVE, Op.DELETE), consent(FIVE, Op.DELETE)._replace(digest="sha256:again")]
    (judgement,) = judged(SIX, approved={REF: some})
    assert judgement.exceeded == some[0].digest


def test_one_approval_of_several_is_enough() -> None:
    """An approval that is not enough does not stand against another one that is."""
    (judgement,) = judged(SIX, approved={REF: [consent(FOUR, Op.DELETE), consent(SIX, Op.DELETE)]})
    assert judgement.approved == part(SIX, Op.DELETE)
    assert (judgement.exceeded, judgement.beyond) == (None, frozenset())


def test_an_approval_known_by_its_digest_alone_tells_no_difference() -> None:
    """Of an approval that an older version noted it is not known what it saw, so nothing is said of it."""
    (judgement,) = judged(SIX, approved={REF: [part(FIVE, Op.DELETE)]})
    assert (judgement.approved, judgement.exceeded, judgement.beyond) == (None, None, frozenset())
    assert "An approval" not in judgement.objections[0].message


# --------------------------------------------------------------------------- signs that the facts are wrong

GRAVELY: dict[str, dict[str, object]] = {
    "configuration": {"configuration": True},
    "suddenly_empty": {"emptied": (SUPPORT,)},
    "vanished": {"missing": 4},
}


@pytest.mark.parametrize("limit", GRAVELY)
@pytest.mark.parametrize("seen", [None, (), ("removals",), *((name,) for name in GRAVELY), ("removals", *GRAVELY)])
def test_a_sign_that_was_not_there_is_not_covered(limit: str, seen: Collection[str] | None) -> None:
    """An approval releases no removals that look like an accident since, unless it saw that or asked for no reason."""
    plan = made(deletes=4, **GRAVELY[limit])  # type: ignore[arg-type]
    given = consent(plan, Op.DELETE, limits=seen)
    (judgement,) = judged(plan, approved={REF: [given]})
    if seen is None or limit in seen:
        assert (judgement.approved, judgement.held) == (given.digest, frozenset())
        return
    assert (judgement.approved, judgement.exceeded, judgement.beyond) == (None, given.digest, frozenset())
    why = f"An approval was given to {given.digest}, but it has another reason now. Release it with: "
    assert all(why in one.message for one in judgement.objections)


@pytest.mark.parametrize("seen", [set(GRAVELY), {"configuration", "vanished"}])
def test_all_signs_have_to_be_seen(seen: set[str]) -> None:
    """Of several signs each has to have been there when the approval was given."""
    plan = made(deletes=4, configuration=True, emptied=(SUPPORT,), missing=4)
    (judgement,) = judged(plan, approved={REF: [consent(plan, Op.DELETE, limits=seen)]})
    assert (judgement.approved is not None) is (seen == set(GRAVELY))


@pytest.mark.parametrize("now", ["additions", "removals_per_run", "context"])
def test_a_limit_by_number_need_not_have_been_seen(now: str) -> None:
    """What a person saw and approved may be held by another number now: what happens is the same."""
    plan = made(deletes=4, creates=6) if now == "additions" else FOUR
    given = consent(plan, Op.DELETE, Op.CREATE, limits=["removals"])
    small = Limits(removals=Share(percent=0, floor=0))
    loose = replace(plan, mailbox=replace(plan.mailbox, limits=Limits(removals=Share(percent=0, floor=9))))
    if now == "additions":
        (judgement,) = judged(plan, approved={REF: [given]})
    elif now == "context":
        (judgement,) = judged(loose, approved={REF: [given]}, context=small)
    else:
        (judgement,) = judged(loose, approved={REF: [given]}, per_run=3)
    assert judgement.approved == given.digest


def test_a_sign_in_an_equal_digest_has_to_be_seen_too() -> None:
    """The digest alone does not release what looks like an accident since."""
    before = made(deletes=4)
    now = replace(before, emptied=(SUPPORT,))
    given = consent(before, Op.DELETE, limits=["removals"])
    assert judged(before, approved={REF: [given]})[0].approved == given.digest
    assert judged(now, approved={REF: [given]})[0].held == {REMOVALS}


# --------------------------------------------------------------------------- claims that would end

LOST = made(forgotten=(4, 5, 6, 7), missing=4)
ENDING = items(1, ADDRESS, (), (), LOST.forgotten)


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        pytest.param(consent(OVER, *Op), False, id="of other changes"),
        pytest.param(Approval(whole(LOST), frozenset()), False, id="of nothing, under its digest"),
        pytest.param(Approval("sha256:x", frozenset()), False, id="of nothing, under another digest"),
        pytest.param(Approval("sha256:x", ENDING), True, id="all of them"),
        pytest.param(Approval("sha256:x", ENDING | {"more"}), True, id="more of them"),
        pytest.param(Approval(whole(LOST), ENDING - {min(ENDING)}), False, id="not all of them"),
        pytest.param(Approval(whole(LOST), ENDING, frozenset({"vanished"})), True, id="for this reason"),
        pytest.param(Approval(whole(LOST), ENDING, frozenset({"removals"})), False, id="for another reason"),
        pytest.param(Approval(whole(LOST)), True, id="its digest, all that is known"),
    ],
)
def test_claims_that_would_end_are_released_one_by_one(given: Approval, *, passes: bool) -> None:
    """Where accounts have vanished the claims that would end are part of what is approved, although no change is."""
    (judgement,) = judged(LOST, approved={REF: [given]})
    assert (judgement.approved == given.digest) is passes
    assert (judgement.held == frozenset()) is passes


def test_a_claim_that_ends_for_itself_needs_no_approval() -> None:
    """Where few accounts are missing, claims end beside what a limit holds, and an approval need not have seen them."""
    plan = made(deletes=4, forgotten=(4,), missing=1)
    (judgement,) = judged(plan, approved={REF: [consent(FIVE, Op.DELETE)]})
    assert judgement.approved == part(FIVE, Op.DELETE)


def test_more_claims_that_would_end_are_told_as_the_difference() -> None:
    """Who approved the end of four claims is told how many more there are now."""
    more = replace(LOST, forgotten=(4, 5, 6, 7, 8, 9), missing=6)
    (judgement,) = judged(more, approved={REF: [Approval("sha256:x", ENDING)]})
    assert judgement.beyond == items(1, ADDRESS, (), (), (8, 9))
    assert "to sha256:x, but 2 of 6 changes were not part of it" in judgement.objections[0].message
