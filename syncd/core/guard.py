"""What a plan may not do unasked: limits per mailbox, context and run, and signs that a world has vanished.

Keeps rule 4. Each direction is held alone; what is held keeps its digest, and an approval of that digest (or of the
whole plan's) releases exactly it, or what is left of it. A percentage's base is the claims at the window's start plus
the extra accounts that `extra: remove` would take, so that many small steps do not add up to a landslide.

| limit            | holds                  | when                                                                     |
|------------------|------------------------|--------------------------------------------------------------------------|
| removals         | removals               | applied in the window + planned > allowed                                |
| additions        | creates and adoptions  | applied in the window + planned > allowed                                |
| updates          | updates                | applied in the window + planned > allowed                                |
| configuration    | removals               | more than the floor, at the first run after its mapping has changed      |
|                  | additions              | at that run, when an excluding source that is new names nobody           |
| suddenly_empty   | removals (additions for| a source had members at its last complete read and has none now, however |
|                  | an exclusion)          | few the removals are; or a group in it had, and is listed but not there  |
| vanished         | everything             | more claimed accounts than the removals limit are not stored any more,   |
|                  |                        | whether their users still are or not (as long as the context has any)    |
| rejected         | the direction          | it has a change that a person rejected when it was held, whatever the    |
|                  |                        | numbers are now                                                          |
| context          | the direction, in all  | what all mailboxes of a context together do exceeds what is allowed      |
|                  | mailboxes of the context|                                                                         |
| removals_per_run | removals               | all mailboxes together remove more than that                             |

Allowed is a percentage of the base, at least the floor, at most the cap. What a mailbox's own limit holds does not
count for the last two. Held additions hold the updates of the mailbox too when one of them repairs an account whose
adoption is held. An idle mailbox (staging, paused) is judged and counts for nobody else.

An approval covers what is held when all of it was part of what was approved (where only its digest is known: when that
is the digest); and when the signs that the facts are wrong (`GRAVE`), if there are any, were there to be seen when it
was given. Where accounts have vanished, the claims that would end are a part of what is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta

from syncd.core.changes import DIRECTION, Approval, Direction, Judgement, MailboxPlan, Objection, Op
from syncd.core.digest import digest, items
from syncd.core.limits import Ceilings, Share, Window
from syncd.core.model import MailboxRef

REMOVALS, ADDITIONS, UPDATES = Direction.REMOVALS, Direction.ADDITIONS, Direction.UPDATES
EVERYTHING = frozenset(Direction)
GRAVE = frozenset({"configuration", "suddenly_empty", "vanished"})
"""Limits that say something about what was read, and not only about numbers."""
NOTHING = " Nothing of it was done."
"""Stands in the message of what is held, until an approval is used for a part of it."""
RELEASE = " Release it with: "
"""Stands in a message before the command that releases what is held."""
_NO_WINDOW = Window()
_WORDS = {REMOVALS: "removed", ADDITIONS: "added or adopted", UPDATES: "updated"}
DAY = timedelta(hours=24)


def judge(
    plans: Sequence[MailboxPlan],
    windows: Mapping[MailboxRef, Window],
    approvals: Mapping[MailboxRef, Collection[Approval]],
    ceilings: Ceilings,
    idle: Mapping[MailboxRef, str] | None = None,
    *,
    rejected: Mapping[MailboxRef, Set[str]] | None = None,
    others: Mapping[MailboxRef, int] | None = None,
) -> tuple[Judgement, ...]:
    """Say of each plan which directions are held, and why.

    Args:
        plans: one per mailbox.
        windows: what was applied within the window, by mailbox.
        approvals: what was approved, by mailbox.
        ceilings: what mailboxes together may change, and how long the window is.
        idle: mailboxes to which nothing is applied now, with the reason.
        rejected: what a person has rejected, as `core.digest.items` names it, by mailbox.
        others: how many accounts are claimed of mailboxes that are configured and have no plan, since nobody asked.
    """
    idle = idle or {}
    of = [
        objections(
            plan,
            windows.get(plan.mailbox.ref, _NO_WINDOW),
            ceilings.window,
            (rejected or {}).get(plan.mailbox.ref, frozenset()),
        )
        for plan in plans
    ]
    over = [one for one in _shared(plans, of, windows, ceilings, idle, others or {}) if one.exceeded(one.counts)]
    judged: list[Judgement] = []
    for number, (plan, own) in enumerate(zip(plans, of, strict=True)):
        found = (*own, *(one.objection() for one in over if number in one.counts))
        judged.append(_judged(plan, found, approvals, idle.get(plan.mailbox.ref, "")))
    # What was approved no longer counts: the others go on when they fit without it.
    still = [one for one in over if one.exceeded([n for n in one.counts if judged[n].approved is None])]
    if len(still) < len(over):
        for number, (plan, own) in enumerate(zip(plans, of, strict=True)):
            if judged[number].approved is None and any(number in one.counts for one in over):
                found = (*own, *(one.objection() for one in still if number in one.counts))
                judged[number] = _judged(plan, found, approvals, "")  # what is idle counts for none of them
    return tuple(judged)


def objections(
    plan: MailboxPlan, window: Window, span: timedelta = DAY, rejected: Set[str] = frozenset()
) -> tuple[Objection, ...]:
    """Give what one mailbox's plan exceeds by itself, and what of it was rejected."""
    limits, base = plan.mailbox.limits, _base(plan, window)
    found: list[Objection] = []
    for name, direction, share, applied in (
        ("removals", REMOVALS, limits.removals, window.removals),
        ("additions", ADDITIONS, limits.additions, window.additions),
        ("updates", UPDATES, limits.updates, window.updates),
    ):
        planned = _count(plan, direction)
        if planned and (value := applied + planned) > (allowed := share.allowed(base)):
            text = f"{_applied(applied, span)}{_accounts(planned)} would be {_WORDS[direction]}"
            text = f"{text}; {_allowed(allowed, share, base, span)}"
            found.append(_objection(name, {direction}, value, allowed, text))
    removals = _count(plan, REMOVALS)
    if plan.configuration and removals > (allowed := limits.removals.floor):
        text = (
            f"its configuration has changed since the last run: {_accounts(removals)} would be removed; "
            f"{allowed} are allowed then"
        )
        found.append(_objection("configuration", {REMOVALS}, removals, allowed, text))
    additions = _count(plan, ADDITIONS)
    for source in plan.blank if plan.configuration and additions else ():
        text = (
            f"its configuration has changed since the last run, and the excluding {source} names nobody: "
            f"{_accounts(additions)} would be added"
        )
        found.append(_objection("configuration", {ADDITIONS}, additions, 0, text))
    found += _emptied(plan, removals, additions)
    allowed = limits.removals.allowed(plan.claimed)
    lost = plan.missing + plan.gone
    if lost > allowed and (plan.changes or plan.adopted or plan.forgotten):
        text = (
            f"{lost} of {plan.claimed} claimed accounts are not stored any more, {allowed} may be missing "
            "(a database restored from a backup, or another one?)"
        )
        found.append(_objection("vanished", EVERYTHING, lost, allowed, text))
    if rejected:
        known = {one.limit for one in found}
        found += (one for one in _rejected(plan, rejected) if one.limit not in known)
    return tuple(found)


def _emptied(plan: MailboxPlan, removals: int, additions: int) -> list[Objection]:
    found = []
    signs = [(source, f"{source} had members and now has none") for source in plan.emptied]
    signs += [
        (source, f"{source} lists the group {group}, which had members and now is not there")
        for source, group in plan.lost
    ]
    for source, sign in signs:
        if removals and source in plan.mailbox.sources:
            text = f"{sign}; {_accounts(removals)} would be removed"
            found.append(_objection("suddenly_empty", {REMOVALS}, removals, 0, text))
        elif additions and source in plan.mailbox.exclude:
            text = f"the excluding {sign}; {_accounts(additions)} would be added"
            found.append(_objection("suddenly_empty", {ADDITIONS}, additions, 0, text))
    return found


def _rejected(plan: MailboxPlan, known: Set[str]) -> Iterator[Objection]:
    """Object to what a person has rejected; the whole direction waits, as with every limit."""
    box = plan.mailbox
    met = [DIRECTION[one.op] for one in plan.changes if items(box.context, box.address, [one], ()) <= known]
    met += [ADDITIONS for one in plan.adopted if items(box.context, box.address, (), [one]) <= known]
    if met:
        text = f"{len(met)} of its changes were rejected by a person"
        yield _objection("rejected", set(met), len(met), 0, text)
    if ending := sum(items(box.context, box.address, (), (), [user]) <= known for user in plan.forgotten):
        which = f"{_accounts(ending)} that {'is' if ending == 1 else 'are'} not stored any more"
        text = f"{which} would not be ours any more, which a person rejected"
        yield _objection("vanished", EVERYTHING, ending, 0, text)


# --------------------------------------------------------------------------- several mailboxes together


@dataclass(frozen=True, slots=True, kw_only=True)
class _Together:
    """A limit that several mailboxes share."""

    limit: str
    direction: Direction
    counts: Mapping[int, int]
    """What the plans with these numbers would change; those that change nothing are left out."""
    applied: int
    allowed: int
    text: str
    """The message, with `{}` for how many accounts."""

    def exceeded(self, numbers: Collection[int]) -> bool:
        """Tell whether these plans alone are too much."""
        changing = sum(self.counts[number] for number in numbers)
        return changing > 0 and self.applied + changing > self.allowed

    def objection(self) -> Objection:
        """Give what is said to each of the mailboxes."""
        planned = sum(self.counts.values())
        text = self.text.format(_accounts(planned))
        return _objection(self.limit, {self.direction}, self.applied + planned, self.allowed, text)


def _shared(
    plans: Sequence[MailboxPlan],
    of: Sequence[tuple[Objection, ...]],
    windows: Mapping[MailboxRef, Window],
    ceilings: Ceilings,
    idle: Mapping[MailboxRef, str],
    others: Mapping[MailboxRef, int],
) -> list[_Together]:
    """Give the limits of several mailboxes, with what counts for each."""
    counts: dict[tuple[int, Direction], dict[int, int]] = defaultdict(dict)
    for number, (plan, own) in enumerate(zip(plans, of, strict=True)):
        for direction in () if plan.mailbox.ref in idle else Direction:
            if not _holds(own, direction) and (count := _count(plan, direction)):
                counts[plan.mailbox.context, direction][number] = count
    removing = {number: n for (_, what), some in counts.items() if what is REMOVALS for number, n in some.items()}
    allowed = ceilings.removals_per_run
    text = f"this run would remove {{}} in all mailboxes together; {allowed} are allowed"
    found = [
        _Together(limit="removals_per_run", direction=REMOVALS, counts=removing, applied=0, allowed=allowed, text=text)
    ]
    if ceilings.context is None:
        return found
    contexts: dict[int, list[tuple[int, Window]]] = defaultdict(list)
    for plan in plans:
        window = windows.get(plan.mailbox.ref, _NO_WINDOW)
        contexts[plan.mailbox.context].append((_base(plan, window), window))
    for ref, claimed in others.items():
        window = windows.get(ref, _NO_WINDOW)
        contexts[ref.context].append((_before(claimed, window), window))
    for (context, direction), some in counts.items():
        base = sum(before for before, _ in contexts[context])
        share: Share = getattr(ceilings.context, direction.value)
        applied = sum(getattr(window, direction.value) for _, window in contexts[context])
        allowed = share.allowed(base)
        text = (
            f"in all mailboxes of the context together, {_applied(applied, ceilings.window)}{{}} would be "
            f"{_WORDS[direction]}; {_allowed(allowed, share, base, ceilings.window)}"
        )
        found.append(
            _Together(limit="context", direction=direction, counts=some, applied=applied, allowed=allowed, text=text)
        )
    return found


# --------------------------------------------------------------------------- what becomes of a plan


def _judged(
    plan: MailboxPlan,
    found: tuple[Objection, ...],
    approvals: Mapping[MailboxRef, Collection[Approval]],
    idle: str,
) -> Judgement:
    context, address = plan.mailbox.context, plan.mailbox.address
    whole = digest(context, address, plan.changes, plan.adopted)
    if not found:
        return Judgement(plan=plan, digest=whole, idle=idle)
    held = frozenset(direction for objection in found for direction in objection.directions)
    if ADDITIONS in held and _updates_adopted(plan):
        held |= {UPDATES}  # an account whose adoption is held is not ours, so it is not changed either
    where = f"{address} in context {context}"
    if idle:
        told = tuple(replace(one, message=f"{where}: {one.message}. Nothing is applied now: {idle}") for one in found)
        return Judgement(plan=plan, objections=told, held=held, digest=whole, idle=idle)
    changes = [change for change in plan.changes if DIRECTION[change.op] in held]
    adopted = plan.adopted if ADDITIONS in held else ()
    part = digest(context, address, changes, adopted)
    given = approvals.get(plan.mailbox.ref, ())
    mine = items(context, address, changes, adopted, ending(plan, found)) if given else frozenset()
    grave = GRAVE & {one.limit for one in found}
    exceeded, beyond = None, mine
    for approval in given:
        seen = approval.limits is None or grave <= approval.limits
        named = approval.digest in (part, whole) if approval.items is None else mine <= approval.items
        if seen and named:
            return Judgement(plan=plan, digest=whole, approved=approval.digest)
        if approval.items is not None and (exceeded is None or len(mine - approval.items) < len(beyond)):
            exceeded, beyond = approval.digest, mine - approval.items
    more = ""
    if exceeded is not None:
        why = f"{len(beyond)} of {len(mine)} changes were not part of it" if beyond else "it has another reason now"
        more = f" An approval was given to {exceeded}, but {why}."
    told = tuple(
        replace(one, message=f"{where}: {one.message}.{NOTHING}{more}{RELEASE}syncd approve {part}") for one in found
    )
    return Judgement(
        plan=plan,
        objections=told,
        held=held,
        digest=whole,
        held_digest=part,
        exceeded=exceeded,
        beyond=beyond if exceeded is not None else frozenset(),
    )


def ending(plan: MailboxPlan, found: Sequence[Objection]) -> tuple[int, ...]:
    """Give the users whose claims would end and are a part of what is held: where accounts have vanished."""
    return plan.forgotten if any(one.limit == "vanished" for one in found) else ()


def _objection(limit: str, directions: Set[Direction], value: int, allowed: int, text: str) -> Objection:
    return Objection(limit=limit, directions=frozenset(directions), value=value, allowed=allowed, message=text)


def _base(plan: MailboxPlan, window: Window) -> int:
    """Give how many accounts were there when the window began."""
    return _before(plan.claimed, window) + plan.extras


def _before(claimed: int, window: Window) -> int:
    return max(0, claimed - window.additions + window.removals)


def _count(plan: MailboxPlan, direction: Direction) -> int:
    adopted = len(plan.adopted) if direction is ADDITIONS else 0
    return adopted + sum(DIRECTION[change.op] is direction for change in plan.changes)


def _updates_adopted(plan: MailboxPlan) -> bool:
    adopted = {adoption.user for adoption in plan.adopted}
    return any(change.op is Op.UPDATE and change.user in adopted for change in plan.changes)


def _holds(found: tuple[Objection, ...], direction: Direction) -> bool:
    return any(direction in objection.directions for objection in found)


# --------------------------------------------------------------------------- words


def _accounts(count: int) -> str:
    return f"{count} account{'' if count == 1 else 's'}"


def _applied(count: int, span: timedelta) -> str:
    return f"after {count} within {_span(span)}, " if count else ""


def _allowed(count: int, share: Share, base: int, span: timedelta) -> str:
    ago = "a day ago" if span == DAY else f"{_span(span)} ago"
    cap = "" if share.most is None else f", at most {share.most}"
    of = f" ({share.percent:g} % of {base} {ago}, at least {share.floor}{cap})" if share.percent else ""
    return f"{count} within {_span(span)} are allowed{of}"


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    for size, unit in ((1440, "days"), (60, "hours")):
        if minutes % size == 0 and minutes > size:
            return f"{minutes // size} {unit}"
    return "1 hour" if minutes == 60 else f"{minutes} minutes"
