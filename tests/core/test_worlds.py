"""The promises of the plan in every combination of a small world, and in larger ones that hypothesis draws.

The oracles here look at the world as it was read; they know nothing of how `desire` and `plan` decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.core.accounts import wanted
from syncd.core.changes import Direction, MailboxPlan, Op
from syncd.core.digest import digest
from syncd.core.dn import parse
from syncd.core.guard import judge
from syncd.core.identity import identify
from syncd.core.limits import Ceilings, Limits, Share, Window
from syncd.core.model import Claim, Observed
from syncd.core.reads import Member, SourceRead
from syncd.core.verdict import released
from tests.core.strategies import (
    ACCENTED,
    ADDRESS,
    BARRED,
    NEVER,
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


class Case(NamedTuple):
    """A world, its plan, and the world after it with the plan that follows."""

    world: World
    plan: MailboxPlan
    then: World
    again: MailboxPlan


def followed(world: World) -> Case:
    """Plan, do it all, and plan again."""
    first = world.plan()
    then = world.after(first)
    return Case(world, first, then, then.plan())


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


# --------------------------------------------------------------------------- oracles


def barring(world: World) -> list[Member]:
    """Give whom exclusions name, disabled or not."""
    return [one for found in world.excluded for one in (*found.members.values(), *found.disabled.values())]


def is_disabled(world: World, owned: Claim) -> bool:
    """Tell whether the claim's member was read as disabled and by no source as a member."""
    return any(owned.member in found.disabled for found in world.included) and not any(
        owned.member in found.members for found in world.included
    )


def same_entry(one: Member, known: str, dn: str) -> bool:
    """Tell whether a member is the entry known by an id and a DN; the DN counts where one of the ids is none."""
    without_id = any(not name or name.startswith("dn:") for name in (one.id, known))
    return one.id == known or (without_id and parse(one.dn.lower()) == parse(dn.lower()))


def desired_users(world: World) -> set[int]:
    """Give who is named by an included member that no exclusion names by id, DN or user."""
    barred = barring(world)
    out = {identify(one, world.users) for one in barred}
    named = {
        identify(one, world.users)
        for found in world.included
        for one in found.members.values()
        if not any(same_entry(other, one.id, one.dn) for other in barred)
    }
    return {user for user in named - out if isinstance(user, int)}


def is_excluded(world: World, owned: Claim) -> bool:
    """Tell whether an exclusion names the claim's member, by id or DN, or its user."""
    return any(
        same_entry(one, owned.member, owned.dn) or identify(one, world.users) == owned.user for one in barring(world)
    )


def may_be_there(world: World, owned: Claim) -> bool:
    """Tell whether the claim's member is listed although it names nobody: present without a user, or dangling."""
    names = {name for one in barring(world) for name in (one.id, one.key)}
    own = dn_of(owned.login).lower()
    for found in world.included:
        for one in found.members.values():
            hidden = isinstance(identify(one, world.users), str) and not {one.id, one.key} & names
            if hidden and (one.id == owned.member or one.key == own):
                return True
        if own in found.dangling or f"memberuid={owned.login}" in found.dangling:
            return True
    return False


def readable(world: World) -> bool:
    """Tell whether every including source was read to its end, in a context that has users."""
    return world.users.exists and all(found.complete for found in world.included)


def same(account: Observed) -> bool:
    """Tell whether an account's address is the mailbox's by letters."""
    return account.address.lower().rstrip() == ADDRESS


def is_ours(world: World, account: Observed | None) -> bool:
    """Tell whether an account is claimed, pending or held, by exactly its id."""
    owned = world.claims.get(account.user) if account else None
    return account is not None and owned is not None and owned.account == account.id


# --------------------------------------------------------------------------- promises


def no_removal_without_a_positive_reason(case: Case) -> None:
    """A delete is of an excluded or disabled user, or of one not there in a complete read, or an extra that may go."""
    world, plan = case.world, case.plan
    for change in plan.changes:
        if change.op is not Op.DELETE:
            continue
        owned, row = world.claims.get(change.user), world.row(change)
        assert change.user not in desired_users(world)
        assert world.wait is None
        if is_ours(world, row):
            assert owned is not None
            gone = readable(world) and not may_be_there(world, owned)
            assert is_excluded(world, owned) or is_disabled(world, owned) or gone
        else:
            assert world.mailbox.extra == "remove"
            assert readable(world)
            login = world.users.logins.get(change.user)
            assert login is None or not any(
                f"memberuid={login}" in found.dangling or dn_of(login).lower() in found.dangling
                for found in world.included
            )


def only_secondary_accounts_at_this_address_are_changed(case: Case) -> None:
    """No change or adoption is of a private, a primary, or a collation-only account."""
    rows = {(row.user, row.id): row for row in case.world.stored}
    touched = [(change.user, change.account) for change in case.plan.changes if change.account is not None]
    for key in [*touched, *((one.user, one.account) for one in case.plan.adopted)]:
        row = rows[key]  # type: ignore[index]
        assert row.secondary
        assert row.id != 0
        assert same(row)


def nothing_unclaimed_is_changed(case: Case) -> None:
    """What we do not own is changed only when it is adopted, or removed by `extra: remove`."""
    world, plan = case.world, case.plan
    adopted = {(one.user, one.account) for one in plan.adopted}
    assert not adopted or world.mailbox.existing == "adopt"
    assert {user for user, _ in adopted} <= desired_users(world)
    for change in plan.changes:
        row = world.row(change)
        if change.op is Op.CREATE:
            assert row is None
        elif change.op is Op.UPDATE:
            assert is_ours(world, row) or (change.user, change.account) in adopted
        else:
            assert is_ours(world, row) or world.mailbox.extra == "remove"


def a_member_who_may_be_there_keeps_the_account(case: Case) -> None:
    """An unresolved or dangling member's claim and account stay, unless excluded, disabled or its user is gone."""
    for user, owned in case.world.claims.items():
        if user in desired_users(case.world) or is_excluded(case.world, owned):
            continue
        if is_disabled(case.world, owned) or (not may_be_there(case.world, owned) and readable(case.world)):
            continue
        exists = user in case.world.users.ids
        ours = {row for row in case.world.stored if is_ours(case.world, row) and row.user == user}
        others = {row for row in case.world.stored if row.user == user and exists} - ours
        assert {row._replace(seal=None) for row in ours | others} <= set(case.then.stored)
        if any(row.secondary for row in ours) or (owned.held and exists):
            assert user in case.then.claims


def who_was_read_as_disabled_loses_it(case: Case) -> None:
    """The account of a disabled member, whom nothing else makes a member, goes whatever else could not be read."""
    for user, owned in case.world.claims.items():
        if user in desired_users(case.world) or user not in case.world.users.ids or case.world.wait is not None:
            continue
        ours = [row for row in case.world.stored if is_ours(case.world, row) and row.user == user and row.secondary]
        if is_disabled(case.world, owned) and all(same(row) for row in ours):
            assert {(row.user, row.id) for row in ours} <= {
                (change.user, change.account) for change in case.plan.changes if change.op is Op.DELETE
            }


def an_incomplete_exclusion_adds_nobody(case: Case) -> None:
    """While an exclusion is not known nobody gets an account, neither new nor adopted."""
    if all(found.complete for found in case.world.excluded) and case.world.users.exists:
        return
    assert case.plan.adopted == ()
    assert all(change.op is not Op.CREATE for change in case.plan.changes)


def an_account_is_decided_once(case: Case) -> None:
    """A user's account has one change at most, and a claim has one fate."""
    plan = case.plan
    keys = [(change.user, change.account) for change in plan.changes]
    assert len(keys) == len(set(keys))
    fates = [*plan.forgotten, *(one.user for one in plan.adopted), *(one.user for one in plan.recovered)]
    assert len(fates) == len(set(fates))
    added = [change.user for change in plan.changes if change.op is not Op.DELETE]
    assert len(added) == len(set(added))
    assert not set(plan.forgotten) & set(added)
    assert not {(user, case.world.claims[user].account) for user in plan.forgotten} & set(keys)


def a_second_plan_is_empty(case: Case) -> None:
    """Once everything was done nothing is left to do: no change, adoption, or news about a claim."""
    again = case.again
    assert again.changes == ()
    assert (again.adopted, again.forgotten, again.recovered, again.refreshed) == ((), (), (), ())
    assert again.missing <= case.plan.missing


def everybody_ends_right_or_is_explained(case: Case) -> None:
    """Who should have the mailbox has it, claimed and right, or a conflict or withheld change says why not."""
    told = {notice.user for notice in (*case.plan.conflicts, *case.plan.withheld)}
    for user in desired_users(case.world) - told:
        owned = case.then.claims[user]
        (row,) = [row for row in case.then.stored if row.user == user]
        assert owned.held
        assert (row.id, row.secondary, row.password is not False) == (owned.account, True, True)
        if not case.world.mailbox.account.primary:
            assert row.fields == wanted(case.world.mailbox.account)


def who_should_not_have_it_loses_it_or_is_explained(case: Case) -> None:
    """A claim of somebody who should not have the mailbox ends, or it is told, unresolved or missing why not."""
    told = {notice.user for notice in (*case.plan.withheld, *case.plan.waiting)}
    for user, owned in case.world.claims.items():
        if user in desired_users(case.world) | told:
            continue
        if user in case.then.claims:
            assert not any(is_ours(case.world, row) and row.secondary for row in case.world.stored if row.user == user)
            assert not readable(case.world) or may_be_there(case.world, owned)
        else:
            assert not any((row.user, row.id) == (user, owned.account) and row.secondary for row in case.then.stored)


def other_accounts_stay(case: Case) -> None:
    """Rows without a change are stored afterwards as they were."""
    touched = {(change.user, change.account) for change in case.plan.changes}
    before = {row._replace(seal=None) for row in case.world.stored if (row.user, row.id) not in touched}
    assert before <= set(case.then.stored)


def numbers_agree(case: Case) -> None:
    """Counts of a plan are those of the sets it compared."""
    world, plan = case.world, case.plan
    assert plan.desired == len(desired_users(world))
    assert plan.observed == sum(row.secondary for row in world.stored)
    assert plan.claimed == sum(one.held for one in world.claims.values())
    removed = [world.row(change) for change in plan.changes if change.op is Op.DELETE]
    assert plan.extras == sum(not is_ours(world, row) for row in removed)
    assert plan.complete is (readable(world) and all(found.complete for found in world.excluded))


def no_password_is_told(case: Case) -> None:
    """What a plan shows of its changes has no password in it, nor has anything else in the plan."""
    assert NEVER not in repr(case.plan)
    for change in case.plan.changes:
        assert set(change.changed().get("password", ())) <= {None, "***"}


PROMISES: list[Callable[[Case], None]] = [
    no_removal_without_a_positive_reason,
    only_secondary_accounts_at_this_address_are_changed,
    nothing_unclaimed_is_changed,
    a_member_who_may_be_there_keeps_the_account,
    who_was_read_as_disabled_loses_it,
    an_incomplete_exclusion_adds_nobody,
    an_account_is_decided_once,
    a_second_plan_is_empty,
    everybody_ends_right_or_is_explained,
    who_should_not_have_it_loses_it_or_is_explained,
    other_accounts_stay,
    numbers_agree,
]


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
    )
    one, two = world.plan(), other.plan()
    assert (one.changes, one.adopted, one.forgotten) == (two.changes, two.adopted, two.forgotten)
    assert (set(one.recovered), set(one.refreshed)) == (set(two.recovered), set(two.refreshed))
    assert [(n.user, n.op) for n in one.conflicts] == [(n.user, n.op) for n in two.conflicts]
    assert one.withheld == two.withheld
    digests = [digest(1, ADDRESS, mixed, one.adopted) for mixed in (one.changes, shuffled(one.changes))]
    assert digests[0] == digests[1]


@settings(MODEST, max_examples=70)
@given(world=worlds(), used=st.integers(0, 6), additions=st.integers(0, 6), emptied=st.booleans())
def test_what_the_guard_releases_is_ours_and_within_the_limits(
    world: World, used: int, additions: int, *, emptied: bool
) -> None:
    """What is released fits the limits, and every update released is of a claimed or an adopted account."""
    box = replace(world.mailbox, limits=replace(Limits(), additions=Share(percent=0, floor=additions)))
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
