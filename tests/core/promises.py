"""What a plan promises, told by oracles that look at the world as it was read.

They know nothing of how `desire` and `plan` decide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from syncd.core.accounts import wanted
from syncd.core.changes import MailboxPlan, Op
from syncd.core.dn import parse
from syncd.core.identity import identify
from syncd.core.model import Claim, Observed
from syncd.core.reads import Member
from tests.core.strategies import ADDRESS, NEVER, World, dn_of


class Case(NamedTuple):
    """A world, its plan, the world once nothing of it waits for its grace any more, and the plan that follows."""

    world: World
    plan: MailboxPlan
    then: World
    again: MailboxPlan
    touched: frozenset[tuple[int, int | None]]
    """User and account of all that was changed."""


def followed(world: World) -> Case:
    """Plan and do it all, as often as the grace asks for in a world that stays as it is; and plan again."""
    first = plan = world.plan()
    then, touched = world, []
    grace = world.mailbox.grace
    for _ in range(max(grace.reads, 2 if grace.time else 1)):
        touched += [(change.user, change.account) for change in plan.changes]
        then = then.after(plan).later(grace.time)
        plan = then.plan()
    return Case(world, first, then, plan, frozenset(touched))


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
    """Give who is named by an included member that no exclusion names by id, DN or user; persons have the last word."""
    barred = barring(world)
    out = {identify(one, world.users) for one in barred}
    named = {
        identify(one, world.users)
        for found in world.included
        for one in found.members.values()
        if not any(same_entry(other, one.id, one.dn) for other in barred)
    }
    read = {user for user in named - out if isinstance(user, int)}
    kept = {user for user, pin in world.pins.items() if pin.keep and user in world.users.ids}
    return (read | kept) - {user for user in world.pins if is_kept_out(world, user)}


def is_kept_out(world: World, user: int) -> bool:
    """Tell whether a person said that a user does not have the mailbox."""
    return user in world.pins and not world.pins[user].keep


def agreed(world: World, user: int) -> bool:
    """Tell whether enough reads over enough time, with this one, agreed on the removal of a user's accounts."""
    grace, known = world.mailbox.grace, world.absences.get(user)
    if known is None:
        return grace.reads == 1 and not grace.time
    return known.reads + 1 >= grace.reads and (not grace.time or world.now - known.since >= grace.time)


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
            known = not one.id.startswith(("dn:", "ox:", "login:"))  # else the DN is all that names the entry
            barred = {one.id, f"dn:{one.key}" if known else one.key} & names
            hidden = isinstance(identify(one, world.users), str) and not barred
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
        assert world.wait is None or is_kept_out(world, change.user)
        if is_ours(world, row):
            assert owned is not None
            gone = readable(world) and not may_be_there(world, owned)
            out = is_excluded(world, owned) or is_kept_out(world, change.user)
            assert out or is_disabled(world, owned) or gone
        else:
            assert world.mailbox.extra == "remove"
            assert readable(world)
            login = world.users.logins.get(change.user)
            assert login is None or not any(
                f"memberuid={login}" in found.dangling or dn_of(login).lower() in found.dangling
                for found in world.included
            )


def a_removal_waits_as_long_as_its_grace(case: Case) -> None:
    """No account is removed before enough reads over enough time agreed, unless a person keeps its user out."""
    world, plan = case.world, case.plan
    for change in plan.changes:
        if change.op is Op.DELETE:
            assert agreed(world, change.user) or is_kept_out(world, change.user)
    for notice in plan.waiting:
        assert notice.user is not None
        assert not is_kept_out(world, notice.user)
        assert world.wait is not None or not agreed(world, notice.user)


def what_a_person_gave_is_never_removed(case: Case) -> None:
    """No account of a user whom a person keeps in is removed, and no claim of an existing one ends."""
    kept = {user for user, pin in case.world.pins.items() if pin.keep}
    assert not kept & {change.user for change in case.plan.changes if change.op is Op.DELETE}
    assert not kept & {notice.user for notice in case.plan.waiting}
    rows = {(row.user, row.id): row for row in case.world.stored}
    assert {key for key in rows if key[0] in kept} <= {(row.user, row.id) for row in case.then.stored}


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
        out = is_excluded(case.world, owned) or is_kept_out(case.world, user)
        if user in desired_users(case.world) or out:
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
            assert {(row.user, row.id) for row in ours} <= case.touched
            assert not {(row.user, row.id) for row in ours} & {(row.user, row.id) for row in case.then.stored}


def an_incomplete_exclusion_adds_nobody(case: Case) -> None:
    """While an exclusion is not known nobody gets an account, neither new nor adopted, but from a person."""
    if all(found.complete for found in case.world.excluded) and case.world.users.exists:
        return
    new = {one.user for one in case.plan.adopted} | {c.user for c in case.plan.changes if c.op is Op.CREATE}
    assert new <= case.world.pins.keys()


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
    """Once everything was done, and waited for, nothing is left to do: no change, adoption, or news about a claim."""
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
    told = {notice.user for notice in (*case.again.withheld, *case.again.waiting)}
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
    before = {row._replace(seal=None) for row in case.world.stored if (row.user, row.id) not in case.touched}
    assert before <= set(case.then.stored)


def numbers_agree(case: Case) -> None:
    """Counts of a plan are those of the sets it compared."""
    world, plan = case.world, case.plan
    assert plan.desired == len(desired_users(world))
    assert plan.observed == sum(row.secondary for row in world.stored)
    assert plan.claimed == sum(one.held for one in world.claims.values())
    removed = [world.row(change) for change in plan.changes if change.op is Op.DELETE]
    assert plan.extras == sum(not is_ours(world, row) for row in removed)
    assert set(plan.absent) >= {change.user for change in plan.changes if change.op is Op.DELETE}
    assert not set(plan.absent) & desired_users(world)
    assert set(plan.returned) == world.absences.keys() & desired_users(world)
    assert plan.complete is (readable(world) and all(found.complete for found in world.excluded))


def no_password_is_told(case: Case) -> None:
    """What a plan shows of its changes has no password in it, nor has anything else in the plan."""
    assert NEVER not in repr(case.plan)
    for change in case.plan.changes:
        assert set(change.changed().get("password", ())) <= {None, "***"}


PROMISES: list[Callable[[Case], None]] = [
    no_removal_without_a_positive_reason,
    a_removal_waits_as_long_as_its_grace,
    what_a_person_gave_is_never_removed,
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
