"""The promises of the plan in every combination of a small world, and in larger ones that hypothesis draws.

The oracles here look at the world as it was read; they know nothing of how `desire` and `plan` decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.core.changes import Direction, Op
from syncd.core.digest import digest
from syncd.core.guard import judge
from syncd.core.limits import Ceilings, Grace, Limits, Share, Window
from syncd.core.model import Claim, Observed
from syncd.core.reads import SourceRead
from syncd.core.verdict import released
from tests.core.promises import PROMISES, Case, followed, is_ours, no_password_is_told
from tests.core.strategies import (
    ACCENTED,
    ADDRESS,
    BARRED,
    SUPPORT,
    WRONG,
    World,
    claim,
    dn_of,
    mailbox,
    member,
    observed,
    read,
    users,
    worlds,
)

# --------------------------------------------------------------------------- the small world

BERTA = member("berta")
MEMBERSHIP: dict[str, tuple[SourceRead, SourceRead]] = {
    "member": (read(SUPPORT, BERTA), read(BARRED)),
    "gone": (read(SUPPORT), read(BARRED)),
    "unresolved": (read(SUPPORT, member("berta", logins=())), read(BARRED)),
    "unresolved, entry made anew": (read(SUPPORT, member("berta", id="new", logins=())), read(BARRED)),
    "dangling": (read(SUPPORT, dangling=[dn_of("berta")]), read(BARRED)),
    "dangling memberUid": (read(SUPPORT, dangling=["memberuid=berta"]), read(BARRED)),
    "excluded": (read(SUPPORT, BERTA), read(BARRED, BERTA)),
    "excluded by user": (read(SUPPORT, BERTA), read(BARRED, member("b", logins=("berta",)))),
    "excluded by DN": (read(SUPPORT), read(BARRED, member("berta", id="new", logins=()))),
    "disabled": (read(SUPPORT, disabled=[BERTA]), read(BARRED)),
    "disabled, made anew": (read(SUPPORT, disabled=[member("berta", id="new")]), read(BARRED)),
    "disabled in the exclusion": (read(SUPPORT, BERTA), read(BARRED, disabled=[BERTA])),
    "another user now": (read(SUPPORT, member("berta", logins=("dora",))), read(BARRED)),
}
STORED: dict[str, tuple[Observed, ...]] = {
    "nothing": (),
    "right": (observed(4, 20),),
    "wrong": (observed(4, 20, fields=WRONG),),
    "another id": (observed(4, 30),),
    "private": (observed(4, 20, secondary=False),),
    "primary": (observed(4, 0, secondary=False),),
    "collation only": (observed(4, 20, address=ACCENTED),),
    "two": (observed(4, 20), observed(4, 30)),
    "two others": (observed(4, 30), observed(4, 31, fields=WRONG)),
    "ours and private": (observed(4, 30, secondary=False), observed(4, 20)),
    "ours and collation only": (observed(4, 20), observed(4, 30, address=ACCENTED)),
}
CLAIMS: dict[str, dict[int, Claim]] = {
    "none": {},
    "held": {4: claim(4)},
    "pending": {4: claim(4, held=False)},
}
BYSTANDER = observed(5, 25)


def small_worlds() -> Iterator[World]:
    """Give every combination for user 4, beside carol, who is a member with her right account."""
    flags = (True, False)
    for reads, stored, claims, include, exclude, existing, extra, gone, wait in product(
        MEMBERSHIP.values(),
        STORED.values(),
        CLAIMS.values(),
        flags,
        flags,
        ("adopt", "leave"),
        ("leave", "remove"),
        flags,
        (None, "another server"),
    ):
        included, excluded = reads
        everybody = {**included.members, "id-carol": member("carol")}
        yield World(
            mailbox=mailbox(existing=existing, extra=extra),
            reads=(
                replace(included, members=everybody, complete=include),
                replace(excluded, complete=exclude),
            ),
            users=users({5: "carol", 6: "dora"} if gone else {4: "berta", 5: "carol", 6: "dora"}),
            stored=(*stored, BYSTANDER),
            claims={**claims, 5: claim(5, 25)},
            wait=wait,
        )


@pytest.fixture(scope="module")
def small() -> list[Case]:
    """Plan the whole small world once for all tests of this module."""
    return [followed(world) for world in small_worlds()]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_a_promise_holds_in_every_small_world(small: list[Case], promise: Callable[[Case], None]) -> None:
    """Each promise of the plan holds in every combination of the small world."""
    assert len(small) > 10_000
    for case in small:
        try:
            promise(case)
        except (AssertionError, KeyError, ValueError) as error:
            pytest.fail(f"{promise.__doc__}\n{error!r}\n{case.world}\n{case.plan}")


def test_a_bystander_is_never_touched(small: list[Case]) -> None:
    """Carol, a member with her right account, is unchanged whatever happens to user 4."""
    for case in small:
        assert BYSTANDER in case.then.stored
        assert case.then.claims[5] == claim(5, 25)
        assert 5 not in {change.user for change in case.plan.changes} | {notice.user for notice in case.plan.withheld}


MODEST = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@MODEST
@given(worlds())
def test_the_promises_hold_in_larger_worlds(world: World) -> None:
    """All promises hold together where several users, sources, members and accounts meet."""
    case = followed(world)
    for promise in (*PROMISES, no_password_is_told):
        promise(case)


@settings(MODEST, max_examples=70)
@given(worlds(), st.randoms(use_true_random=False))
def test_a_plan_does_not_depend_on_the_order_of_what_was_read(world: World, random: object) -> None:
    """Members, accounts and claims in another order give the same changes, adoptions and digest."""

    def shuffled(items: object) -> list:  # type: ignore[type-arg]
        mixed = list(items)  # type: ignore[call-overload]
        random.shuffle(mixed)  # type: ignore[attr-defined]
        return mixed

    other = replace(
        world,
        reads=[replace(found, members=dict(shuffled(found.members.items()))) for found in world.reads],
        stored=shuffled(world.stored),
        claims=dict(shuffled(world.claims.items())),
        pins=dict(shuffled(world.pins.items())),
        absences=dict(shuffled(world.absences.items())),
    )
    one, two = world.plan(), other.plan()
    assert (one.changes, one.adopted, one.forgotten) == (two.changes, two.adopted, two.forgotten)
    assert (set(one.recovered), set(one.refreshed)) == (set(two.recovered), set(two.refreshed))
    assert [(n.user, n.op) for n in one.conflicts] == [(n.user, n.op) for n in two.conflicts]
    assert (one.withheld, one.waiting, one.absent) == (two.withheld, two.waiting, two.absent)
    digests = [digest(1, ADDRESS, mixed, one.adopted) for mixed in (one.changes, shuffled(one.changes))]
    assert digests[0] == digests[1]


@settings(MODEST, max_examples=70)
@given(world=worlds(), used=st.integers(0, 6), additions=st.integers(0, 6), emptied=st.booleans())
def test_what_the_guard_releases_is_ours_and_within_the_limits(
    world: World, used: int, additions: int, *, emptied: bool
) -> None:
    """What is released fits the limits, and every update released is of a claimed or an adopted account."""
    box = replace(world.mailbox, limits=replace(Limits(), additions=Share(percent=0, floor=additions)), grace=Grace())
    source = str(box.sources[0])
    world = replace(world, mailbox=box, counts={(box.ref, source): 3} if emptied else {})
    plan = world.plan()
    window = Window(additions=used, updates=used, removals=used)
    (judgement,) = judge([plan], {box.ref: window}, {}, Ceilings(removals_per_run=4))
    done = list(released(judgement))
    adopted = () if Direction.ADDITIONS in judgement.held else plan.adopted
    count = {op: sum(change.op is op for change in done) for op in Op}
    base = max(0, plan.claimed) + plan.extras
    new = count[Op.CREATE] + len(adopted)
    assert not new or used + new <= additions
    assert not count[Op.DELETE] or used + count[Op.DELETE] <= max(3, int(base * 0.3))
    assert not count[Op.UPDATE] or used + count[Op.UPDATE] <= max(3, int(base * 0.3))
    assert count[Op.DELETE] <= 4
    assert not (count[Op.DELETE] and plan.emptied)
    ours = {(one.user, one.account) for one in adopted}
    for change in done:
        if change.op is Op.UPDATE:
            assert is_ours(world, world.row(change)) or (change.user, change.account) in ours
    assert set(done) <= set(plan.changes)
    assert (judgement.held_digest is None) is (not judgement.held)
