"""What a plan may not do unasked: limits per mailbox over 24 hours, per run, and signs that a world has vanished.

Keeps rule 4. Each direction is held alone; what is held keeps its digest, and an approval of that digest (or of the
whole plan's) releases exactly it. The percentage's base is the claims at the window's start plus the extra accounts
that `extra: remove` would take, so that many small steps do not add up to a landslide.

| limit            | holds                  | when                                                                     |
|------------------|------------------------|--------------------------------------------------------------------------|
| removals         | removals               | applied in the window + planned > max(floor, percent of base)            |
| additions        | creates and adoptions  | applied in the window + planned > additions                              |
| updates          | updates                | applied in the window + planned > max(floor, percent of base)            |
| suddenly_empty   | removals (additions for| a source had members at its last complete read and has none now, however |
|                  | an exclusion)          | few the removals are                                                     |
| vanished         | everything             | more claimed accounts than the removals limit are not stored any more,   |
|                  |                        | whether their users still are or not (as long as the context has any)    |
| removals_per_run | removals               | all mailboxes together remove more than that                             |

Held additions hold the updates of the mailbox too when one of them repairs an account whose adoption is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from syncd.core.changes import DIRECTION, Direction, Judgement, MailboxPlan, Objection, Op
from syncd.core.digest import digest
from syncd.core.limits import Share, Window
from syncd.core.model import MailboxRef

REMOVALS, ADDITIONS, UPDATES = Direction.REMOVALS, Direction.ADDITIONS, Direction.UPDATES
EVERYTHING = frozenset(Direction)
RELEASE = " Release it with: "
"""Stands in a message before the command that releases what is held."""
_NO_WINDOW = Window()


def judge(
    plans: Sequence[MailboxPlan],
    windows: Mapping[MailboxRef, Window],
    approvals: Mapping[MailboxRef, frozenset[str]],
    removals_per_run: int,
) -> tuple[Judgement, ...]:
    """Say of each plan which directions are held, and why.

    Args:
        plans: one per mailbox.
        windows: what was applied within the last 24 hours, by mailbox.
        approvals: approved digests by mailbox.
        removals_per_run: over this sum every mailbox with removals is held.
    """
    found = [objections(plan, windows.get(plan.mailbox.ref, _NO_WINDOW)) for plan in plans]
    removing = [
        _count(plan, REMOVALS) if not _holds(of, REMOVALS) else 0 for plan, of in zip(plans, found, strict=True)
    ]
    together = _per_run(sum(removing), removals_per_run)
    first = [
        _judged(plan, (*of, together) if together and removals else of, approvals)
        for plan, of, removals in zip(plans, found, removing, strict=True)
    ]
    if together is None:
        return tuple(first)
    # What was approved no longer counts: the others go on when they fit without it.
    rest = sum(removals for removals, judgement in zip(removing, first, strict=True) if judgement.approved is None)
    if rest > removals_per_run:
        return tuple(first)
    return tuple(
        judgement if judgement.approved else _judged(plan, of, approvals)
        for plan, of, judgement in zip(plans, found, first, strict=True)
    )


def objections(plan: MailboxPlan, window: Window) -> tuple[Objection, ...]:
    """Give what one mailbox's plan exceeds by itself."""
    limits = plan.mailbox.limits
    base = max(0, plan.claimed - window.additions + window.removals) + plan.extras
    removals, additions, updates = (_count(plan, direction) for direction in (REMOVALS, ADDITIONS, UPDATES))
    found: list[Objection] = []
    if removals and (value := window.removals + removals) > (allowed := limits.removals.allowed(base)):
        allowance = _allowed(allowed, limits.removals, base)
        text = f"{_applied(window.removals)}{_accounts(removals)} would be removed; {allowance}"
        found.append(_objection("removals", {REMOVALS}, value, allowed, text))
    if additions and (value := window.additions + additions) > (allowed := limits.additions.allowed(base)):
        allowance = _allowed(allowed, limits.additions, base)
        text = f"{_applied(window.additions)}{_accounts(additions)} would be added or adopted; {allowance}"
        found.append(_objection("additions", {ADDITIONS}, value, allowed, text))
    if updates and (value := window.updates + updates) > (allowed := limits.updates.allowed(base)):
        allowance = _allowed(allowed, limits.updates, base)
        text = f"{_applied(window.updates)}{_accounts(updates)} would be updated; {allowance}"
        found.append(_objection("updates", {UPDATES}, value, allowed, text))
    found += _emptied(plan, removals, additions)
    allowed = limits.removals.allowed(plan.claimed)
    lost = plan.missing + plan.gone
    if lost > allowed and (plan.changes or plan.adopted or plan.forgotten):
        text = (
            f"{lost} of {plan.claimed} claimed accounts are not stored any more, {allowed} may be missing "
            "(a database restored from a backup, or another one?)"
        )
        found.append(_objection("vanished", EVERYTHING, lost, allowed, text))
    return tuple(found)


def _emptied(plan: MailboxPlan, removals: int, additions: int) -> list[Objection]:
    found = []
    for source in plan.emptied:
        if removals and source in plan.mailbox.sources:
            text = f"{source} had members and now has none; {_accounts(removals)} would be removed"
            found.append(_objection("suddenly_empty", {REMOVALS}, removals, 0, text))
        elif additions and source in plan.mailbox.exclude:
            text = f"the excluding {source} had members and now has none; {_accounts(additions)} would be added"
            found.append(_objection("suddenly_empty", {ADDITIONS}, additions, 0, text))
    return found


def _per_run(removals: int, allowed: int) -> Objection | None:
    if removals <= allowed:
        return None
    text = f"this run would remove {_accounts(removals)} in all mailboxes together; {allowed} are allowed"
    return _objection("removals_per_run", {REMOVALS}, removals, allowed, text)


def _judged(
    plan: MailboxPlan, found: tuple[Objection, ...], approvals: Mapping[MailboxRef, frozenset[str]]
) -> Judgement:
    whole = digest(plan.mailbox.context, plan.mailbox.address, plan.changes, plan.adopted)
    if not found:
        return Judgement(plan=plan, digest=whole)
    held = frozenset(direction for objection in found for direction in objection.directions)
    if ADDITIONS in held and _updates_adopted(plan):
        held |= {UPDATES}  # an account whose adoption is held is not ours, so it is not changed either
    part = digest(
        plan.mailbox.context,
        plan.mailbox.address,
        (change for change in plan.changes if DIRECTION[change.op] in held),
        plan.adopted if ADDITIONS in held else (),
    )
    approved = approvals.get(plan.mailbox.ref, frozenset())
    for name in (part, whole):
        if name in approved:
            return Judgement(plan=plan, digest=whole, approved=name)
    told = tuple(
        replace(one, message=f"{plan.mailbox.address} in context {plan.mailbox.context}: {one.message}. "
                f"Nothing of it was done.{RELEASE}syncd approve {part}")
        for one in found
    )  # fmt: skip
    return Judgement(plan=plan, objections=told, held=held, digest=whole, held_digest=part)


def _objection(limit: str, directions: Set[Direction], value: int, allowed: int, text: str) -> Objection:
    return Objection(limit=limit, directions=frozenset(directions), value=value, allowed=allowed, message=text)


def _count(plan: MailboxPlan, direction: Direction) -> int:
    adopted = len(plan.adopted) if direction is ADDITIONS else 0
    return adopted + sum(DIRECTION[change.op] is direction for change in plan.changes)


def _updates_adopted(plan: MailboxPlan) -> bool:
    adopted = {adoption.user for adoption in plan.adopted}
    return any(change.op is Op.UPDATE and change.user in adopted for change in plan.changes)


def _holds(found: tuple[Objection, ...], direction: Direction) -> bool:
    return any(direction in objection.directions for objection in found)


def _accounts(count: int) -> str:
    return f"{count} account{'' if count == 1 else 's'}"


def _applied(count: int) -> str:
    return f"after {count} within 24 hours, " if count else ""


def _allowed(count: int, share: Share | None = None, base: int = 0) -> str:
    of = f" ({share.percent:g} % of {base} a day ago, at least {share.floor})" if share and share.percent else ""
    return f"{count} within 24 hours are allowed{of}"
