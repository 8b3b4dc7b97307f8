"""What the guard promises whatever several mailboxes would do, did and were approved for; hypothesis draws them.

The oracles count by themselves; they know nothing of how the guard does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.core.changes import DIRECTION, Approval, Change, Direction, Judgement, MailboxPlan
from syncd.core.digest import item
from syncd.core.guard import judge
from syncd.core.limits import Ceilings, Limits, Share, Window
from syncd.core.model import MailboxRef
from syncd.core.verdict import released
from tests.core.judging import ADDITIONS, EVERYTHING, REMOVALS, UPDATES, made, part, whole
from tests.core.strategies import BARRED, SUPPORT

GRAVE = {"configuration", "suddenly_empty", "vanished"}
MODEST = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, kw_only=True)
class Town:
    """Mailboxes with their plans, and all else that the guard goes by."""

    plans: Sequence[MailboxPlan]
    windows: Mapping[MailboxRef, Window]
    approvals: Mapping[MailboxRef, Sequence[Approval]]
    ceilings: Ceilings
    idle: Mapping[MailboxRef, str]
    rejected: Mapping[MailboxRef, frozenset[str]]

    def judged(self) -> tuple[Judgement, ...]:
        """Let the guard object."""
        return judge(
            self.plans, self.windows, self.approvals, self.ceilings, self.idle, rejected=self.rejected, others=None
        )


# --------------------------------------------------------------------------- what may be drawn

_FEW = st.sampled_from((0, 1, 2, 3, 4, 6))
_CLAIMED = st.sampled_from((0, 3, 5, 10, 19, 20, 40))
_SHARES = st.builds(
    Share, percent=st.sampled_from((0, 10, 50)), floor=st.integers(0, 5), most=st.sampled_from((None, 0, 2, 8))
)
_SELDOM = st.sampled_from((False, False, True))
_LIMITS = st.builds(Limits, removals=_SHARES, additions=_SHARES, updates=_SHARES)
_WINDOWS = st.builds(Window, additions=_FEW, updates=_FEW, removals=_FEW)
_SEEN = st.one_of(st.none(), st.frozensets(st.sampled_from(("removals", *sorted(GRAVE)))))


@st.composite
def plans(draw: st.DrawFn, address: str, context: int) -> MailboxPlan:
    """Draw the plan of one mailbox."""
    return made(
        deletes=draw(_FEW),
        updates=draw(_FEW),
        creates=draw(_FEW),
        adopted=draw(_FEW),
        claimed=draw(_CLAIMED),
        missing=draw(st.sampled_from((0, 0, 0, 4))),
        extras=draw(_FEW),
        blank=draw(st.sampled_from(((), (), (BARRED,)))),
        emptied=draw(st.sampled_from(((), (), (SUPPORT,), (BARRED,)))),
        configuration=draw(st.booleans()),
        limits=draw(_LIMITS),
        address=address,
        context=context,
    )


@st.composite
def consents(draw: st.DrawFn, plan: MailboxPlan) -> Approval:
    """Draw what a person may have approved of a mailbox: some of its changes, and some that it has no more."""
    some = [name(plan, one) for one in (*plan.changes, *plan.adopted)]
    seen = draw(st.one_of(st.just(some), st.lists(st.sampled_from(some)) if some else st.just([])))
    named = frozenset((*seen, *draw(st.sampled_from(((), ("gone",))))))
    digests = st.sampled_from(("sha256:x", "sha256:y", whole(plan)))
    return Approval(draw(digests), draw(st.sampled_from((named, named, None))), draw(_SEEN))


@st.composite
def refusals(draw: st.DrawFn, plan: MailboxPlan) -> frozenset[str]:
    """Draw what a person may have rejected: one or two changes of the plan, or some that it has no more."""
    some = [name(plan, one) for one in (*plan.changes, *plan.adopted)]
    return draw(st.frozensets(st.sampled_from([*some, "gone"]), min_size=1, max_size=2))


@st.composite
def towns(draw: st.DrawFn) -> Town:
    """Draw one to four mailboxes of two contexts."""
    places = draw(st.lists(st.sampled_from(list(product("ab", (1, 2)))), min_size=1, max_size=4, unique=True))
    some = [draw(plans(f"{letter}@mycompany.com", context)) for letter, context in places]
    return Town(
        plans=some,
        windows={plan.mailbox.ref: draw(_WINDOWS) for plan in some if draw(st.booleans())},
        approvals={plan.mailbox.ref: draw(st.lists(consents(plan), max_size=2)) for plan in some},
        ceilings=Ceilings(removals_per_run=draw(st.integers(0, 12)), context=draw(st.one_of(st.none(), _LIMITS))),
        idle={plan.mailbox.ref: "paused" for plan in some if draw(st.sampled_from((False, False, False, True)))},
        rejected={plan.mailbox.ref: draw(refusals(plan)) for plan in some if draw(_SELDOM)},
    )


# --------------------------------------------------------------------------- oracles


def name(plan: MailboxPlan, one: object) -> str:
    """Name one change or adoption of a plan."""
    return item(plan.mailbox.context, plan.mailbox.address, one)  # type: ignore[arg-type]


def done(judgement: Judgement, direction: Direction) -> int:
    """Count what becomes of a plan in one direction."""
    adopted = direction is ADDITIONS and not judgement.idle and ADDITIONS not in judgement.held
    changes = sum(DIRECTION[change.op] is direction for change in released(judgement))
    return changes + (len(judgement.plan.adopted) if adopted else 0)


def planned(plan: MailboxPlan, direction: Direction) -> int:
    """Count what a plan would do in one direction."""
    return sum(DIRECTION[change.op] is direction for change in plan.changes) + (
        len(plan.adopted) if direction is ADDITIONS else 0
    )


def most(share: Share, base: int) -> int:
    """Give how many changes a limit allows, counted up one by one."""
    allowed = 0
    while (allowed + 1) * 100 <= base * share.percent or allowed < share.floor:
        allowed += 1
    return allowed if share.most is None else min(allowed, share.most)


def at_the_start(town: Town, plan: MailboxPlan) -> int:
    """Give how many accounts a mailbox had when the window began."""
    window = town.windows.get(plan.mailbox.ref, Window())
    return max(0, plan.claimed - window.additions + window.removals) + plan.extras


def applied(town: Town, plan: MailboxPlan, direction: Direction) -> int:
    """Give what the window has seen of a mailbox in one direction."""
    window = town.windows.get(plan.mailbox.ref, Window())
    return {REMOVALS: window.removals, ADDITIONS: window.additions, UPDATES: window.updates}[direction]


def share(limits: Limits, direction: Direction) -> Share:
    """Give the limit of one direction."""
    return {REMOVALS: limits.removals, ADDITIONS: limits.additions, UPDATES: limits.updates}[direction]


def signs(plan: MailboxPlan) -> set[str]:
    """Give which signs of wrong facts there are in a plan."""
    removals, additions = planned(plan, REMOVALS), planned(plan, ADDITIONS)
    found = {"configuration"} if plan.configuration and removals > plan.mailbox.limits.removals.floor else set()
    if plan.configuration and plan.blank and additions:
        found.add("configuration")
    if (SUPPORT in plan.emptied and removals) or (BARRED in plan.emptied and additions):
        found.add("suddenly_empty")
    if plan.missing > most(plan.mailbox.limits.removals, plan.claimed) and (plan.changes or plan.adopted):
        found.add("vanished")
    return found


def held_items(judgement: Judgement, held: frozenset[Direction]) -> set[str]:
    """Name what is held of a plan."""
    plan = judgement.plan
    some: list[object] = [change for change in plan.changes if DIRECTION[change.op] in held]
    return {name(plan, one) for one in (*some, *(plan.adopted if ADDITIONS in held else ()))}


# --------------------------------------------------------------------------- promises


@MODEST
@given(towns())
def test_what_is_released_unasked_is_within_every_limit(town: Town) -> None:
    """Of what nobody approved no mailbox, no context and no run does more than its limits, the window included."""
    found = town.judged()
    unasked = [one for one in found if one.approved is None]
    for one in unasked:
        made_now = {name(one.plan, change) for change in released(one)}
        if not one.idle and ADDITIONS not in one.held:
            made_now |= {name(one.plan, adoption) for adoption in one.plan.adopted}
        assert not made_now & town.rejected.get(one.plan.mailbox.ref, frozenset())
    for one, direction in product(unasked, Direction):
        count, limits = done(one, direction), one.plan.mailbox.limits
        allowed = most(share(limits, direction), at_the_start(town, one.plan))
        assert not count or applied(town, one.plan, direction) + count <= allowed
        assert not (count and "vanished" in signs(one.plan))
    for one in unasked:
        assert not (done(one, REMOVALS) > one.plan.mailbox.limits.removals.floor and one.plan.configuration)
        assert not (done(one, ADDITIONS) and one.plan.configuration and one.plan.blank)
        assert not (done(one, REMOVALS) and SUPPORT in one.plan.emptied)
        assert not (done(one, ADDITIONS) and BARRED in one.plan.emptied)
    assert sum(done(one, REMOVALS) for one in unasked) <= town.ceilings.removals_per_run
    if town.ceilings.context is None:
        return
    for context, direction in product((1, 2), Direction):
        mine = [plan for plan in town.plans if plan.mailbox.context == context]
        allowed = most(share(town.ceilings.context, direction), sum(at_the_start(town, plan) for plan in mine))
        before = sum(applied(town, plan, direction) for plan in mine)
        count = sum(done(one, direction) for one in unasked if one.plan.mailbox.context == context)
        assert not count or before + count <= allowed


@MODEST
@given(towns())
def test_an_approval_releases_only_what_it_saw(town: Town) -> None:
    """What an approval releases has its digest, or is all part of it, and every grave sign was there to be seen."""
    alone = replace(town, approvals={}).judged()
    for one, without in zip(town.judged(), alone, strict=True):
        if one.approved is None:
            continue
        assert without.held
        assert not one.held
        assert not one.idle
        surely = {d for o in without.objections if o.limit in {"removals", *GRAVE} for d in o.directions}
        named = {name(one.plan, change) for change in (*one.plan.changes, *one.plan.adopted)}
        assert any(
            approval.digest == whole(one.plan)
            or (approval.items and approval.items & named and held_items(one, frozenset(surely)) <= approval.items)
            for approval in town.approvals[one.plan.mailbox.ref]
            if approval.digest == one.approved and (approval.limits is None or signs(one.plan) <= approval.limits)
        )


@MODEST
@given(towns())
def test_what_is_held_is_told_with_what_an_approval_lacks(town: Town) -> None:
    """Held directions have an objection and a digest; an approval that is not enough is named with the difference."""
    for one in town.judged():
        told = frozenset(direction for objection in one.objections for direction in objection.directions)
        assert told <= one.held <= told | ({UPDATES} if ADDITIONS in told else frozenset())
        if one.idle:
            assert (one.held_digest, one.approved, one.exceeded) == (None, None, None)
            continue
        assert (one.held_digest is not None) is bool(one.held)
        if one.exceeded is None:
            assert one.beyond == frozenset()
            continue
        missing = [
            held_items(one, one.held) - approval.items
            for approval in town.approvals[one.plan.mailbox.ref]
            if approval.items is not None
        ]
        assert one.beyond in missing
        assert len(one.beyond) == min(map(len, missing))


@MODEST
@given(towns())
def test_each_direction_is_held_for_a_reason_of_its_own(town: Town) -> None:
    """A direction that is within the mailbox's limits, with no sign against it, is held by a shared limit or not."""
    for one in replace(town, approvals={}).judged():
        own = {objection.limit for objection in one.objections}
        for direction in Direction:
            count, base = planned(one.plan, direction), at_the_start(town, one.plan)
            over = applied(town, one.plan, direction) + count > most(share(one.plan.mailbox.limits, direction), base)
            assert (direction.value in own) is (bool(count) and over)
        assert own & GRAVE == signs(one.plan)
        if one.idle:
            assert not own & {"context", "removals_per_run"}


@MODEST
@given(towns(), st.randoms(use_true_random=False))
def test_the_order_of_mailboxes_does_not_matter(town: Town, random: object) -> None:
    """Each mailbox is judged as it is, wherever it stands in the configuration."""
    mixed = list(town.plans)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one = {judgement.plan.mailbox.ref: judgement for judgement in town.judged()}
    two = {judgement.plan.mailbox.ref: judgement for judgement in replace(town, plans=mixed).judged()}
    for ref, judgement in one.items():
        assert (judgement.held, judgement.approved, judgement.held_digest, judgement.beyond) == (
            two[ref].held,
            two[ref].approved,
            two[ref].held_digest,
            two[ref].beyond,
        )


@MODEST
@given(towns())
def test_a_digest_that_is_told_releases_when_it_is_approved(town: Town) -> None:
    """Approving what the guard names is enough at the next run, when everything is as it was."""
    first = town.judged()
    told = {
        one.plan.mailbox.ref: [Approval(one.held_digest, None, frozenset(o.limit for o in one.objections))]
        for one in first
        if one.held_digest is not None
    }
    for one in replace(town, approvals=told).judged():
        if one.plan.mailbox.ref in told:
            assert one.held == frozenset()
            assert one.approved == told[one.plan.mailbox.ref][0].digest


def test_the_parts_of_a_digest_are_those_of_the_plan() -> None:
    """The names of changes and adoptions by which an approval is compared are all different."""
    plan = made(deletes=3, updates=3, creates=3, adopted=3)
    changes: list[Change] = list(plan.changes)
    assert len({name(plan, one) for one in (*changes, *plan.adopted)}) == 12
    assert held_items(Judgement(plan=plan), EVERYTHING) == {name(plan, one) for one in (*changes, *plan.adopted)}
    assert part(plan, *(change.op for change in changes), adopted=True) == whole(plan)
