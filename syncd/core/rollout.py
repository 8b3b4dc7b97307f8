"""Filling mailboxes for the first time in steps: a wrong configuration is then seen at the first of them.

| the mailbox                                                     | a run                                           |
|-----------------------------------------------------------------|-------------------------------------------------|
| had an account of ours before, or gets none now                 | goes on                                         |
| would get its first accounts, and the step has room             | goes on; it counts for the step                 |
| would get its first accounts, and the step has none             | leaves it for a later run                       |

A step has room for `Rollout.mailboxes` within `Rollout.wait`, in the configuration's order. What began at a time that
has not come yet, by a clock that was ahead, is in no step.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import datetime

from syncd.core.changes import MailboxPlan, Op
from syncd.core.limits import Rollout
from syncd.core.model import MailboxRef


def put_off(
    plans: Sequence[MailboxPlan],
    begun: Mapping[MailboxRef, datetime],
    steps: Rollout | None,
    now: datetime,
    idle: Container[MailboxRef] = (),
) -> dict[MailboxRef, str]:
    """Give the mailboxes whose first accounts have to wait, with the reason.

    Args:
        plans: one per mailbox, in the configuration's order.
        begun: when each mailbox got its first account; those without one are left out.
        steps: None = all at once.
        now: the time of the run.
        idle: mailboxes to which nothing is applied anyway.
    """
    if steps is None:
        return {}
    within = [at for at in begun.values() if at <= now < at + steps.wait]
    room = steps.mailboxes - len(within)
    later: dict[MailboxRef, str] = {}
    for plan in plans:
        ref = plan.mailbox.ref
        if ref in begun or ref in idle or plan.claimed or not _fills(plan):
            continue
        if room > 0:
            room -= 1
            continue
        after = f", not before {min(within) + steps.wait:%F %H:%M:%S} UTC" if within else ""
        later[ref] = f"rollout: its turn comes at a later run{after}"
    return later


def _fills(plan: MailboxPlan) -> bool:
    return bool(plan.adopted) or any(change.op is Op.CREATE for change in plan.changes)
