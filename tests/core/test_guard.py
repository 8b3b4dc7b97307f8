"""The guard: every limit at its edge and one over it, what each holds, and how an approval releases it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from syncd.core.changes import Adoption, Approval, Change, Direction, Judgement, MailboxPlan, Op
from syncd.core.digest import digest
from syncd.core.guard import judge, objections
from syncd.core.limits import Ceilings, Limits, Share, Window
from syncd.core.model import MailboxRef, Source
from syncd.core.verdict import released
from tests.core.strategies import ADDRESS, BARRED, RIGHT, SUPPORT, WRONG, mailbox

REMOVALS, ADDITIONS, UPDATES = Direction.REMOVALS, Direction.ADDITIONS, Direction.UPDATES
EVERYTHING = frozenset(Direction)
LIMITS = Limits(
    removals=Share(percent=30, floor=3), additions=Share(percent=0, floor=5), updates=Share(percent=10, floor=2)
)
MANY = 10_000


def made(
    *,
    deletes: int = 0,
    updates: int = 0,
    creates: int = 0,
    adopted: int = 0,
    claimed: int = 10,
    address: str = ADDRESS,
    limits: Limits = LIMITS,
    **parts: object,
) -> MailboxPlan:
    """Make a plan of so many changes, each of another user."""
    numbers = {Op.DELETE: deletes, Op.UPDATE: updates, Op.CREATE: creates}
    changes = [
        Change(op=op, context=1, user=1000 * number + user, login="", mailbox=address, account=1, old=WRONG, new=RIGHT)
        for number, (op, count) in enumerate(numbers.items(), 1)
        for user in range(count)
    ]
    return MailboxPlan(
        mailbox=mailbox(address=address, key=address, limits=limits),
        complete=True,
        claimed=claimed,
        changes=tuple(changes),
        adopted=tuple(Adoption(9000 + user, "", 1, "", "", (), None) for user in range(adopted)),
        **parts,  # type: ignore[arg-type]
    )


def told(plan: MailboxPlan, window: Window | None = None) -> list[tuple[str, frozenset[Direction], int, int]]:
    """Give the objections to one plan, without their messages."""
    return [(one.limit, one.directions, one.value, one.allowed) for one in objections(plan, window or Window())]


def judged(
    *plans: MailboxPlan,
    windows: Mapping[MailboxRef, Window] | None = None,
    approved: Mapping[MailboxRef, frozenset[str]] | None = None,
    per_run: int = MANY,
) -> tuple[Judgement, ...]:
    """Judge plans with nothing in the window and nothing approved unless told."""
    approvals = {ref: [Approval(name) for name in sorted(names)] for ref, names in (approved or {}).items()}
    return judge(plans, windows or {}, approvals, Ceilings(removals_per_run=per_run))


def whole(plan: MailboxPlan) -> str:
    """Give the digest of everything in a plan."""
    return digest(1, plan.mailbox.address, plan.changes, plan.adopted)


def part(plan: MailboxPlan, *ops: Op, adopted: bool = False) -> str:
    """Give the digest of the changes of these kinds."""
    changes = [change for change in plan.changes if change.op in ops]
    return digest(1, plan.mailbox.address, changes, plan.adopted if adopted else ())


# --------------------------------------------------------------------------- each limit, at its edge


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


# --------------------------------------------------------------------------- what is held, and said

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


# --------------------------------------------------------------------------- approvals


@pytest.mark.parametrize("name", [whole, lambda plan: part(plan, Op.DELETE)], ids=["whole", "held"])
def test_an_approval_releases_the_plan(name: object) -> None:
    """The digest of the held changes and that of all changes both release the plan, and it says which did."""
    plan = made(deletes=4, creates=1)
    approved = name(plan)  # type: ignore[operator]
    (judgement,) = judged(plan, approved={plan.mailbox.ref: frozenset({approved, "sha256:other"})})
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
def test_an_approval_of_something_else_releases_nothing(approved: Mapping[MailboxRef, frozenset[str]]) -> None:
    """An approval counts for exactly the plan and the mailbox that it was given for."""
    (judgement,) = judged(OVER, approved=approved)
    assert judgement.held == {REMOVALS, UPDATES, ADDITIONS}
    assert judgement.approved is None
    assert judgement == judged(OVER)[0]


def test_an_approval_without_need_is_not_noted() -> None:
    """A plan within its limits was released by no approval."""
    plan = made(deletes=1)
    assert judged(plan, approved={plan.mailbox.ref: frozenset({whole(plan)})})[0].approved is None


# --------------------------------------------------------------------------- all mailboxes together


def boxes(*deletes: int, **parts: object) -> list[MailboxPlan]:
    """Make one plan a number, of mailboxes a@, b@, c@ ..., each with a base of 1,000."""
    return [
        made(deletes=count, address=f"{chr(97 + number)}@mycompany.com", claimed=1000, **parts)  # type: ignore[arg-type]
        for number, count in enumerate(deletes)
    ]


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
    approved = {plans[0].mailbox.ref: frozenset({whole(plans[0])})}
    one, two, three = judged(*plans, approved=approved, per_run=10)
    assert one.approved == whole(plans[0])
    assert [judgement.held for judgement in (one, two, three)] == [frozenset()] * 3
    assert (two.objections, two.approved, three.approved) == ((), None, None)


def test_approved_removals_do_not_help_others_that_do_not_fit() -> None:
    """While the rest is still over the limit of the run only the approved mailbox goes on."""
    plans = boxes(8, 6, 5)
    approved = {plans[0].mailbox.ref: frozenset({whole(plans[0])})}
    assert [one.held for one in judged(*plans, approved=approved, per_run=10)] == [frozenset(), {REMOVALS}, {REMOVALS}]


def test_others_keep_their_own_objections_when_the_run_fits() -> None:
    """What is held for another reason stays held once the sum of the run fits."""
    plans = [*boxes(8), *boxes(0, 5, creates=6)[1:]]
    approved = {plans[0].mailbox.ref: frozenset({whole(plans[0])})}
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
