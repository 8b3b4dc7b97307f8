"""What a limit stopped: kept with its digest, released by it, and no longer held once it is no longer the plan.

| the run says of the mailbox      | kept under the same digest | kept under another digest | nothing kept |
|----------------------------------|----------------------------|---------------------------|--------------|
| this digest is held              | stays as it is             | superseded                | held         |
| an approval was used             | applied                    | superseded                |              |
| so, but nothing could be changed | stays approved             | stays                     |              |
| nothing is held, read completely |                            | superseded                |              |
| nothing is held, not complete    |                            | stays: nothing is known   |              |
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from syncd.core.changes import DIRECTION, Direction, Judgement, Objection
from syncd.core.model import MailboxRef
from syncd.ledger.claims import number_of
from syncd.ledger.database import Work
from syncd.ledger.times import moment, stamp
from syncd.ledger.values import HeldPlan

SHOWN = 1_000
"""Changes of a held plan that are stored for display; its digest covers all of them."""

_QUERY = (
    "SELECT h.digest, m.context, m.address_key, m.address, h.created, h.objections, h.plan, h.state, h.approved_at, "
    "h.approved_by FROM held_plans h JOIN mailboxes m ON m.id = h.mailbox WHERE h.state IN ('held', 'approved')"
)


def load(work: Work, digest: str | None = None) -> tuple[HeldPlan, ...]:
    """Give what is held or approved (only that digest, if one is given), the oldest first."""
    where, values = ("", ()) if digest is None else (" AND h.digest = ?", (digest,))
    return tuple(
        HeldPlan(
            digest=row[0],
            ref=MailboxRef(row[1], row[2]),
            address=row[3],
            created=moment(row[4]),
            objections=tuple(json.loads(row[5])),
            plan=json.loads(row[6]),
            state=row[7],
            approved_at=moment(row[8]),
            approved_by=row[9],
        )
        for row in work.rows(f"{_QUERY}{where} ORDER BY h.created, h.id", values)
    )


def approvals(work: Work) -> dict[MailboxRef, frozenset[str]]:
    """Give the approved digests that were not applied yet, by mailbox."""
    found: dict[MailboxRef, frozenset[str]] = {}
    for digest, context, key in work.rows(
        "SELECT h.digest, m.context, m.address_key FROM held_plans h JOIN mailboxes m ON m.id = h.mailbox "
        "WHERE h.state = 'approved'"
    ):
        ref = MailboxRef(context, key)
        found[ref] = found.get(ref, frozenset()) | {digest}
    return found


def approve(work: Work, digest: str, by: str, at: datetime) -> HeldPlan | None:
    """Approve what is held under a digest; None = nothing is."""
    work.run(
        "UPDATE held_plans SET state = 'approved', approved_at = ?, approved_by = ? "
        "WHERE digest = ? AND state = 'held'",
        (stamp(at), by, digest),
    )
    found = load(work, digest)
    return found[0] if found else None


def hold(
    work: Work,
    ref: MailboxRef,
    digest: str,
    objections: Sequence[Objection],
    plan: Mapping[str, object],
    at: datetime,
) -> None:
    """Keep a plan until it is approved; one that is kept already stays as it is, others of the mailbox do not."""
    mailbox = number_of(work, ref)
    supersede(work, mailbox, digest)
    if any(held.ref == ref for held in load(work, digest)):
        return
    work.run(
        "INSERT INTO held_plans (digest, mailbox, created, objections, plan, state) VALUES (?, ?, ?, ?, ?, 'held')",
        (digest, mailbox, stamp(at), json.dumps([_objection(o) for o in objections]), json.dumps(plan)),
    )


def supersede(work: Work, mailbox: int, but: str = "") -> None:
    """End whatever is held or approved for a mailbox, except under one digest."""
    work.run(
        "UPDATE held_plans SET state = 'superseded' "
        "WHERE mailbox = ? AND state IN ('held', 'approved') AND digest <> ?",
        (mailbox, but),
    )


def note(
    work: Work,
    judgements: Sequence[Judgement],
    numbers: Mapping[MailboxRef, int],
    at: datetime,
    *,
    used: Collection[MailboxRef],
) -> None:
    """Bring what is held into line with what the guard said in this run (table above).

    `used` has the mailboxes of which something was done.
    """
    open_plans: dict[MailboxRef, set[str]] = {}
    for held in load(work):
        open_plans.setdefault(held.ref, set()).add(held.digest)
    for judgement in judgements:
        ref = judgement.plan.mailbox.ref
        stored = open_plans.get(ref, set())
        if judgement.approved in stored and ref not in used:
            continue
        if judgement.approved in stored:
            work.run(
                "UPDATE held_plans SET state = 'applied' "
                "WHERE mailbox = ? AND digest = ? AND state IN ('held', 'approved')",
                (numbers[ref], judgement.approved),
            )
        if judgement.held_digest is None:
            if stored and judgement.plan.complete:
                supersede(work, numbers[ref])
        elif stored != {judgement.held_digest}:
            hold(work, ref, judgement.held_digest, judgement.objections, shown(judgement), at)


def shown(judgement: Judgement) -> dict[str, object]:
    """Give what is held of a judgement as JSON can hold it: `changes` (the first 1,000) and `total`."""
    changes: list[dict[str, object]] = []
    total = 0
    for change in _held(judgement):
        total += 1
        if len(changes) < SHOWN:
            changes.append(change)
    return {"changes": changes, "total": total}


def _held(judgement: Judgement) -> Iterator[dict[str, object]]:
    for change in judgement.plan.changes:
        if DIRECTION[change.op] in judgement.held:
            yield {
                "op": change.op.value,
                "context": change.context,
                "user": change.user,
                "login": change.login,
                "mailbox": change.mailbox,
                "path": list(change.path),
                "fields": {name: list(pair) for name, pair in change.changed().items()},
            }
    if Direction.ADDITIONS in judgement.held:
        mailbox = judgement.plan.mailbox
        for adoption in judgement.plan.adopted:
            yield {
                "op": "adopt",
                "context": mailbox.context,
                "user": adoption.user,
                "login": adoption.login,
                "mailbox": mailbox.address,
                "path": list(adoption.path),
                "fields": {},
            }


def _objection(objection: Objection) -> dict[str, object]:
    return {
        "limit": objection.limit,
        "directions": sorted(direction.value for direction in objection.directions),
        "value": objection.value,
        "allowed": objection.allowed,
        "message": objection.message,
    }
