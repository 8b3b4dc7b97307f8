"""What tests of the guard share: plans of so many changes, and judgements of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set

from syncd.core.changes import Adoption, Approval, Change, Direction, Judgement, MailboxPlan, Op
from syncd.core.digest import digest, items
from syncd.core.guard import judge, objections
from syncd.core.limits import Ceilings, Limits, Share, Window
from syncd.core.model import MailboxRef
from tests.core.strategies import ADDRESS, RIGHT, WRONG, mailbox

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
    context: int = 1,
    limits: Limits = LIMITS,
    **parts: object,
) -> MailboxPlan:
    """Make a plan of so many changes, each of another user."""
    numbers = {Op.DELETE: deletes, Op.UPDATE: updates, Op.CREATE: creates}
    changes = [
        Change(
            op=op,
            context=context,
            user=1000 * number + user,
            login="",
            mailbox=address,
            account=1,
            old=WRONG,
            new=None if op is Op.DELETE else RIGHT,
        )
        for number, (op, count) in enumerate(numbers.items(), 1)
        for user in range(count)
    ]
    return MailboxPlan(
        mailbox=mailbox(address=address, key=address, context=context, limits=limits),
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
    approved: Mapping[MailboxRef, Collection[str | Approval]] | None = None,
    per_run: int = MANY,
    idle: Mapping[MailboxRef, str] | None = None,
    rejected: Mapping[MailboxRef, Set[str]] | None = None,
    others: Mapping[MailboxRef, int] | None = None,
    **ceilings: object,
) -> tuple[Judgement, ...]:
    """Judge plans with nothing in the window, nothing approved or rejected and nothing idle unless told."""
    approvals = {
        ref: [Approval(one) if isinstance(one, str) else one for one in given]
        for ref, given in (approved or {}).items()
    }
    over = Ceilings(removals_per_run=per_run, **ceilings)  # type: ignore[arg-type]
    return judge(plans, windows or {}, approvals, over, idle, rejected=rejected, others=others)


def whole(plan: MailboxPlan) -> str:
    """Give the digest of everything in a plan."""
    return digest(plan.mailbox.context, plan.mailbox.address, plan.changes, plan.adopted)


def part(plan: MailboxPlan, *ops: Op, adopted: bool = False) -> str:
    """Give the digest of the changes of these kinds."""
    changes = [change for change in plan.changes if change.op in ops]
    return digest(plan.mailbox.context, plan.mailbox.address, changes, plan.adopted if adopted else ())


def consent(plan: MailboxPlan, *ops: Op, limits: Collection[str] | None = None, adopted: bool = False) -> Approval:
    """Give what a person approved who saw these kinds of changes of a plan, and these limits."""
    box, changes = plan.mailbox, [change for change in plan.changes if change.op in ops]
    named = items(box.context, box.address, changes, plan.adopted if adopted else ())
    return Approval(part(plan, *ops, adopted=adopted), named, None if limits is None else frozenset(limits))


def boxes(*deletes: int, **parts: object) -> list[MailboxPlan]:
    """Make one plan a number, of mailboxes a@, b@, c@ ..., each with a base of 1,000."""
    return [
        made(deletes=count, address=f"{chr(97 + number)}@mycompany.com", **{"claimed": 1000, **parts})  # type: ignore[arg-type]
        for number, count in enumerate(deletes)
    ]
