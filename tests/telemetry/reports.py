"""Made-up reports for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from syncd.core.changes import Adoption, Change, Direction, Judgement, MailboxPlan, Notice, Op, Orphan, Outcome, Report
from syncd.core.model import Account, Mailbox, MailboxRef

START = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
END = datetime(2026, 1, 2, 3, 0, 7, tzinfo=UTC)
NOTICE = Notice(7, "gina", "uid=gina,dc=example", "delete", "not known")
ADOPTION = Adoption(8, "hugo", 3, "id-8", "uid=hugo,dc=example", (), None)


def mailbox(address: str = "support@example.org", context: int = 1, pattern: str = "") -> Mailbox:
    account = Account(name="Support", login="support", mail=None, transport=None)
    return Mailbox(address=address, key=address, context=context, account=account, pattern=pattern)


def change(op: Op, user: int = 5) -> Change:
    return Change(op=op, context=1, user=user, login="carol", mailbox="support@example.org", account=None)


def judgement(
    address: str = "support@example.org",
    *,
    held: frozenset[Direction] = frozenset(),
    complete: bool = True,
    context: int = 1,
    pattern: str = "",
    **parts: object,
) -> Judgement:
    plan = MailboxPlan(mailbox=mailbox(address, context, pattern), complete=complete, **parts)  # type: ignore[arg-type]
    return Judgement(plan=plan, held=held)


def report(
    *judgements: Judgement, applied: bool = True, started: datetime = START, finished: datetime = END, **parts: object
) -> Report:
    return Report(
        run="r",
        started=started,
        finished=finished,
        judgements=judgements,
        applied=applied,
        **parts,  # type: ignore[arg-type]
    )


def busy(*, started: datetime = START, finished: datetime = END) -> Report:
    """Make a report in which every number is different from 0."""
    held = judgement(
        "sales@example.org",
        pattern="syncd.yaml:30",
        held=frozenset({Direction.REMOVALS}),
        changes=(change(Op.DELETE), change(Op.DELETE, 6)),
        desired=5,
        observed=7,
        claimed=7,
    )
    troubled = judgement(
        complete=False,
        causes=("limit", "range"),
        desired=3,
        observed=2,
        claimed=4,
        unresolved=(NOTICE,) * 2,
        dangling=("cn=gone",) * 3,
        conflicts=(NOTICE,) * 4,
        withheld=(NOTICE,) * 5,
        waiting=(NOTICE,) * 6,
        drift=(NOTICE,) * 7,
        adopted=(ADOPTION,),
        changes=(change(Op.CREATE),),
        returned=(3, 4),
    )
    since: Mapping[tuple[str, MailboxRef], Mapping[str, datetime]] = {
        ("withheld", troubled.plan.mailbox.ref): {"delete 4": started, "delete 5": finished},
        ("held", held.plan.mailbox.ref): {"sha256:0": started},
        ("unresolved", troubled.plan.mailbox.ref): {"uid=x": started},
        ("dangling", troubled.plan.mailbox.ref): {"uid=y": started},
    }
    return report(
        troubled,
        held,
        started=started,
        finished=finished,
        outcomes=(
            Outcome(change=change(Op.CREATE), result="applied", account=4),
            Outcome(change=change(Op.UPDATE), result="failed", error="no"),
        ),
        orphans=(Orphan(address="old@example.org", context=1, claimed=9, since=None),),
        phases={
            "directory": 0.4,
            "users": 0.1,
            "observe": 0.2,
            "ledger": 0.1,
            "plan": 0.3,
            "apply": 5.0,
            "record": 0.1,
        },
        since=since,
        problems=("syncd.yaml:30: cn=jobs: mailbox {mail} gives nothing",) * 2,
        undiscovered=("ldaps://a: the size limit ended the search",),
        causes=("limit",),
    )
