"""Values for the tests of the ledger, with the fields that matter there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from syncd.core.changes import Change, Direction, Judgement, MailboxPlan, Objection, Op, Report
from syncd.core.model import Account, Endpoint, Fields, Mailbox, MailboxRef
from syncd.ledger.values import Intent

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUPPORT = MailboxRef(1, "support@x.org")
SALES = MailboxRef(1, "sales@x.org")
BOTH = ((SUPPORT, "Support@x.org"), (SALES, "sales@x.org"))
FIELDS = Fields("support", "imap://x:143", False, "smtp://x:25", False, "", "mail", True)
PATH = ("cn=support,ou=groups,dc=x", "cn=Jürgen,dc=x")


def change(op: Op, user: int, **values: object) -> Change:
    """Give a change of one user's account."""
    made: dict[str, object] = {
        "context": 1,
        "login": f"user{user}",
        "mailbox": "support@x.org",
        "account": None if op is Op.CREATE else 100 + user,
        "member": f"id-{user}",
        "dn": f"uid=user{user},dc=x",
        "path": PATH,
        "old": None if op is Op.CREATE else FIELDS,
        "new": None if op is Op.DELETE else FIELDS,
    }
    return Change(op=op, user=user, **{**made, **values})  # type: ignore[arg-type]


def intents(op: Op, users: Sequence[int], ref: MailboxRef = SUPPORT) -> list[Intent]:
    """Give intents with account ids 100 + user."""
    return [Intent(change(op, user), ref, 100 + user) for user in users]


def objection(value: int = 9, limit: str = "removals") -> Objection:
    """Give an objection against removals."""
    directions = frozenset({Direction.REMOVALS})
    return Objection(limit=limit, directions=directions, value=value, allowed=3, message=f"{value} of 10 go")


def judgement(
    ref: MailboxRef = SUPPORT,
    held: str | None = None,
    approved: str | None = None,
    limits: Sequence[str] = ("removals",),
    **plan: object,
) -> Judgement:
    """Give what the guard says of a mailbox; `held` is the digest under which its removals are held, by the limits."""
    account = Account(name="n", login="l", mail=Endpoint("imap://x:143", False), transport=None)
    mailbox = Mailbox(address=ref.key, key=ref.key, context=ref.context, account=account)
    made = MailboxPlan(mailbox=mailbox, **{"complete": True, **plan})  # type: ignore[arg-type]
    return Judgement(
        plan=made,
        objections=tuple(objection(limit=limit) for limit in limits) if held else (),
        held=frozenset({Direction.REMOVALS}) if held else frozenset(),
        digest="sha256:all",
        held_digest=held,
        approved=approved,
    )


def report(*judgements: Judgement, run: str = "r1", hours: float = 0, **values: object) -> Report:
    """Give a report of a run that ended `hours` after noon."""
    at = NOON + timedelta(hours=hours)
    made: dict[str, object] = {"started": at - timedelta(seconds=5), "finished": at, "applied": True, **values}
    return Report(run=run, judgements=judgements, **made)  # type: ignore[arg-type]
