"""What tests of the plan share: a world around user 4 (berta), and a short telling of what a plan does to her."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncd.core.changes import MailboxPlan
from syncd.core.model import Claim, Observed
from syncd.core.reads import SourceRead
from tests.core.strategies import ACCENTED, BARRED, SUPPORT, World, claim, mailbox, member, observed, read

BERTA = member("berta")
IN = (read(SUPPORT, BERTA), read(BARRED))
OUT = (read(SUPPORT, member("carol")), read(BARRED))
BARRED_UNKNOWN = (read(SUPPORT, BERTA), read(BARRED, complete=False))
HELD, PENDING = claim(4), claim(4, held=False)
OURS, OTHER, THIRD = observed(4, 20), observed(4, 30), observed(4, 31)
PRIVATE, PRIMARY = observed(4, 30, secondary=False), observed(4, 0, secondary=False)
COLLATION = observed(4, 20, address=ACCENTED)
WITHHELD = {"withheld": [("delete", 20)]}
DELETED = {"changes": [("delete", 20)]}


def planned(
    reads: Sequence[SourceRead],
    stored: Sequence[Observed] = (),
    owned: Claim | None = None,
    world: World | None = None,
    **box: object,
) -> MailboxPlan:
    """Plan for a world in which carol, where she is a member, has her right account."""
    carol = any("id-carol" in one.members for one in reads)
    return replace(
        world or World(),
        mailbox=mailbox(**box),
        reads=reads,
        stored=(*stored, *([observed(5, 25)] if carol else [])),
        claims=({4: owned} if owned else {}) | ({5: claim(5, 25)} if carol else {}),
    ).plan()


def story(plan: MailboxPlan) -> dict[str, object]:
    """Tell what a plan does, and does not do, to user 4; empty parts are left out."""
    told = {
        "changes": [(change.op.value, change.account) for change in plan.changes if change.user == 4],
        "adopted": [adoption.account for adoption in plan.adopted if adoption.user == 4],
        "conflicts": [notice.account for notice in plan.conflicts if notice.user == 4],
        "withheld": [(notice.op, notice.account) for notice in plan.withheld if notice.user == 4],
        "waiting": [(notice.op, notice.account) for notice in plan.waiting if notice.user == 4],
        "forgotten": [user for user in plan.forgotten if user == 4],
        "recovered": [one.account for one in plan.recovered if one.user == 4],
        "missing": plan.missing,
        "extras": plan.extras,
    }
    return {name: value for name, value in told.items() if value}


def reasons(plan: MailboxPlan) -> str:
    """Give all reasons that a plan names, as one text."""
    noticed = [*plan.withheld, *plan.conflicts, *plan.waiting, *plan.drift]
    return " | ".join([*(notice.reason for notice in noticed), *(change.reason for change in plan.changes)])
