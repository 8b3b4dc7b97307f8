"""What a limit stopped: kept with its digest, released by it, and no longer held once it is no longer the plan.

| the run says of the mailbox                     | kept under the same digest    | kept under another | nothing kept |
|-------------------------------------------------|-------------------------------|--------------------|--------------|
| nothing is applied to it now (it is idle)       | stays                         | stays              |              |
| this digest is held, by the same limits         | stays as it is                | superseded         | held         |
| this digest is held, by other limits, or for    | held for these; rejected stays| superseded         | held         |
| other claims that would end                     |                               |                    |              |
| an approval released it, all of it was made     | applied                       | superseded (*)     |              |
| so, but something of it failed or is still to do| stays, for the rest           | stays              |              |
| nothing is held, read completely                |                               | superseded         |              |
| nothing is held, not complete                   |                               | stays: unknown     |              |

(*) if it was read completely. Kept is what is held, approved or rejected. The approval that released a plan may be that
of another digest, whose plan had more; what is `applied` or stays is that one. `All of it` are the changes that were
held when it was approved, as far as they still are in the plan.

A person approves what is held or rejected, rejects what is held or approved; an approval that nobody used for long is
held again (`expire`). All three are in the journal. What was rejected holds any plan it is in until that is approved;
only a run that is certain (it read all, withheld nothing, let nothing wait) supersedes it. By which channels people
were told is kept with the plan; held for other reasons, or again after an approval expired, it is to be told anew.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from syncd.core import digest as digests
from syncd.core.changes import Adoption, Approval, Change, Direction, Judgement, Objection
from syncd.core.guard import ending
from syncd.core.model import MailboxRef
from syncd.core.verdict import is_held, released
from syncd.ledger.chain import Chain, Row, by_hand
from syncd.ledger.database import Work
from syncd.ledger.mailboxes import number_of
from syncd.ledger.times import moment, stamp
from syncd.ledger.values import HeldPlan, Standing

SHOWN = 1_000
"""Changes of a held plan that are stored for display; its digest covers all of them."""

ENDS = "its account is not stored any more, so the claim on it ends"
REJECTED = "rejected"
"""The limit by which a plan is held that has something of a rejected one."""
_OPEN = "('held', 'approved', 'rejected')"
EVER = datetime(9999, 1, 1, tzinfo=UTC)
_DECISIONS = "('approve', 'reject', 'pause', 'resume', 'pin', 'unpin')"
_QUERY = (
    "SELECT h.digest, m.context, m.address_key, m.address, h.created, h.objections, h.plan, h.state, h.approved_at, "
    "h.approved_by, h.rejected_at, h.rejected_by, h.items, h.told FROM held_plans h "
    "JOIN mailboxes m ON m.id = h.mailbox "
    f"WHERE h.state IN {_OPEN}"
)

Place = tuple[int, str, str, int, int | None]
"""Context, address, operation, user and account: what names a change within a run."""


def place_of(change: Change) -> Place:
    """Name a change within its run; what it writes may have been completed since it was planned."""
    return change.context, change.mailbox, change.op.value, change.user, change.account


def load(work: Work, digest: str | None = None) -> tuple[HeldPlan, ...]:
    """Give what is held, approved or rejected (only that digest, if one is given), the oldest first."""
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
            rejected_at=moment(row[10]),
            rejected_by=row[11],
            items=_items(row[12]),
            told=frozenset(json.loads(row[13] or "[]")),
        )
        for row in work.rows(f"{_QUERY}{where} ORDER BY h.created, h.id", values)
    )


def standing(work: Work) -> tuple[Standing, ...]:
    """Give of all that is held, approved or rejected what a look at each run needs, without the plans."""
    return tuple(
        Standing(MailboxRef(context, key), digest, state, frozenset(json.loads(told or "[]")))
        for context, key, digest, state, told in work.rows(
            "SELECT m.context, m.address_key, h.digest, h.state, h.told FROM held_plans h "
            f"JOIN mailboxes m ON m.id = h.mailbox WHERE h.state IN {_OPEN} ORDER BY h.created, h.id"
        )
    )


# --------------------------------------------------------------------------- what persons decide


def approvals(work: Work, since: datetime, until: datetime = EVER) -> dict[MailboxRef, tuple[Approval, ...]]:
    """Give what was approved between two times and is not applied yet, by mailbox, the oldest approval first."""
    found: dict[MailboxRef, tuple[Approval, ...]] = {}
    for digest, context, key, items, objections in work.rows(
        "SELECT h.digest, m.context, m.address_key, h.items, h.objections FROM held_plans h "
        "JOIN mailboxes m ON m.id = h.mailbox WHERE h.state = 'approved' AND h.approved_at BETWEEN ? AND ? "
        "ORDER BY h.approved_at, h.id",
        (stamp(since), stamp(until)),
    ):
        ref = MailboxRef(context, key)
        found[ref] = (*found.get(ref, ()), Approval(digest, _items(items), _limits(objections)))
    return found


def rejected(work: Work) -> dict[MailboxRef, frozenset[str]]:
    """Give what a person has rejected, by mailbox; a plan that is held for it passes it on to the next one."""
    found: dict[MailboxRef, frozenset[str]] = {}
    for context, key, state, items, objections in work.rows(
        "SELECT m.context, m.address_key, h.state, h.items, h.objections FROM held_plans h "
        "JOIN mailboxes m ON m.id = h.mailbox WHERE h.state IN ('held', 'rejected')"
    ):
        if _refused(state, objections):
            ref = MailboxRef(context, key)
            found[ref] = found.get(ref, frozenset()) | (_items(items) or frozenset())
    return found


def approve(work: Work, digest: str, by: str, at: datetime) -> HeldPlan | None:
    """Approve what is held or rejected under a digest; None = nothing is."""
    return _decide(work, "approve", digest, by, at)


def reject(work: Work, digest: str, by: str, at: datetime) -> HeldPlan | None:
    """Reject what is held or approved under a digest; None = nothing is."""
    return _decide(work, "reject", digest, by, at)


def _decide(work: Work, op: str, digest: str, by: str, at: datetime) -> HeldPlan | None:
    """Note a decision, which replaces another one but not the same one of somebody else."""
    chain, now = Chain(work), stamp(at)
    to, other = ("approved", "rejected") if op == "approve" else ("rejected", "approved")
    mailboxes = work.rows("SELECT mailbox FROM held_plans WHERE digest = ? AND state IN ('held', ?)", (digest, other))
    work.run(
        f"UPDATE held_plans SET state = '{to}', {to}_at = ?, {to}_by = ?, {other}_at = NULL, {other}_by = NULL "
        "WHERE digest = ? AND state IN ('held', ?)",
        (now, by, digest, other),
    )
    chain.append([Row(now, mailbox, op, path=by_hand(by), reason=digest) for (mailbox,) in mailboxes])
    found = load(work, digest)
    return found[0] if found else None


def expired(work: Work, since: datetime, at: datetime) -> tuple[HeldPlan, ...]:
    """Give what was approved before a time, or as long after now (its clock was ahead), and is not applied yet."""
    until = at + (at - since)
    return tuple(plan for plan in load(work) if plan.approved_at is not None and not since <= plan.approved_at <= until)


def expire(work: Work, since: datetime, at: datetime) -> tuple[HeldPlan, ...]:
    """Hold again what `expired` gives; give it as it was approved."""
    chain, now = Chain(work), stamp(at)
    plans, numbers = expired(work, since, at), work.numbers()
    for plan in plans:
        work.run(
            "UPDATE held_plans SET state = 'held', approved_at = NULL, approved_by = NULL, told = NULL "
            "WHERE state = 'approved' AND mailbox = ? AND digest = ?",
            (numbers[plan.ref], plan.digest),
        )
    chain.append([Row(now, numbers[plan.ref], "expire", reason=plan.digest) for plan in plans])
    return plans


def decided(work: Work, after: int | None) -> tuple[int, tuple[str, ...]]:
    """Give the journal's last number, and what persons decided behind another number (None = nothing is asked)."""
    ((last,),) = work.rows("SELECT MAX(seq) FROM journal")
    if after is None or (last or 0) <= after:
        return last or 0, ()
    ops = work.rows(f"SELECT op FROM journal WHERE seq > ? AND op IN {_DECISIONS} AND path <> '[]'", (after,))
    return last, tuple(dict.fromkeys(op for (op,) in ops))


def tell(work: Work, digests: Collection[str], channel: str) -> None:
    """Note that people were told by a channel of plans that are held."""
    told = [(plan.digest, json.dumps(sorted(plan.told | {channel}))) for plan in load(work) if plan.digest in digests]
    for digest, channels in told:
        work.run(f"UPDATE held_plans SET told = ? WHERE digest = ? AND state IN {_OPEN}", (channels, digest))


def leave(work: Work) -> None:
    """End what is kept of mailboxes that left the configuration: no run would ask for it any more."""
    work.run(
        f"UPDATE held_plans SET state = 'superseded' WHERE state IN {_OPEN} "
        "AND mailbox IN (SELECT id FROM mailboxes WHERE orphaned_since IS NOT NULL)"
    )


# --------------------------------------------------------------------------- what runs find


def hold(
    work: Work,
    ref: MailboxRef,
    digest: str,
    objections: Sequence[Objection],
    plan: Mapping[str, object],
    at: datetime,
    items: Collection[str] | None = None,
    *,
    certain: bool = False,
) -> None:
    """Keep a plan until it is approved; one that is kept stays unless other limits object, others as in `supersede`."""
    mailbox = number_of(work, ref)
    supersede(work, mailbox, digest, certain=certain)
    told = json.dumps([_objection(o) for o in objections])
    for kept in load(work, digest):
        if kept.ref != ref:
            continue
        if {one["limit"] for one in kept.objections} != {one.limit for one in objections} or (
            items is not None and kept.items not in (None, frozenset(items))
        ):
            work.run(
                "UPDATE held_plans SET objections = ?, approved_at = NULL, approved_by = NULL, told = NULL, "
                "state = CASE state WHEN 'approved' THEN 'held' ELSE state END "
                f"WHERE mailbox = ? AND digest = ? AND state IN {_OPEN}",
                (told, mailbox, digest),
            )
        if items is not None and kept.items != frozenset(items):
            _name(work, mailbox, digest, items, plan)
        return
    work.run(
        "INSERT INTO held_plans (digest, mailbox, created, objections, plan, items, state) "
        "VALUES (?, ?, ?, ?, ?, ?, 'held')",
        (digest, mailbox, stamp(at), told, json.dumps(plan), None if items is None else json.dumps(sorted(items))),
    )


def _name(
    work: Work, mailbox: int, digest: str, items: Collection[str], plan: Mapping[str, object] | None = None
) -> None:
    """Note anew what exactly is held under a digest, and what is shown of it."""
    shown = "" if plan is None else ", plan = ?"
    work.run(
        f"UPDATE held_plans SET items = ?{shown} WHERE mailbox = ? AND digest = ? AND state IN {_OPEN}",
        (json.dumps(sorted(items)), *([] if plan is None else [json.dumps(plan)]), mailbox, digest),
    )


def supersede(work: Work, mailbox: int, but: str = "", *, certain: bool = True) -> None:
    """End whatever is kept of a mailbox, except under one digest; what was rejected only if it is certain."""
    found = work.rows(
        f"SELECT id, state, objections FROM held_plans WHERE mailbox = ? AND state IN {_OPEN} AND digest <> ?",
        (mailbox, but),
    )
    for number, state, objections in found:
        if certain or not _refused(state, objections):
            work.run("UPDATE held_plans SET state = 'superseded' WHERE id = ?", (number,))


class _Kept(NamedTuple):
    limits: frozenset[str]
    items: str | None


def note(
    work: Work,
    judgements: Sequence[Judgement],
    numbers: Mapping[MailboxRef, int],
    at: datetime,
    *,
    made: Collection[Place] | None,
) -> None:
    """Bring what is held into line with what the guard said in this run (table above).

    `made` has the changes that were applied; None = the run applied nothing and was not to.
    """
    stored: dict[int, dict[str, _Kept]] = {}
    for mailbox, digest, *kept in work.rows(
        f"SELECT mailbox, digest, objections, items FROM held_plans WHERE state IN {_OPEN}"
    ):
        stored.setdefault(mailbox, {})[digest] = _Kept(_limits(kept[0]), kept[1])
    for judgement in judgements:
        mailbox = numbers[judgement.plan.mailbox.ref]
        plans = stored.get(mailbox, {})
        if judgement.idle:
            continue
        if judgement.approved in plans:
            if made is None or _goes_on(work, mailbox, judgement, _items(plans[judgement.approved].items), made):
                continue
            work.run(
                f"UPDATE held_plans SET state = 'applied' WHERE mailbox = ? AND digest = ? AND state IN {_OPEN}",
                (mailbox, judgement.approved),
            )
        plan = judgement.plan
        certain = plan.complete and not (plan.withheld or plan.waiting)
        if judgement.held_digest is None:
            if plans and plan.complete:
                supersede(work, mailbox, certain=certain)
            continue
        limits, told = frozenset(objection.limit for objection in judgement.objections), items(judgement)
        known = {digest: (one.limits, _items(one.items)) for digest, one in plans.items()}
        if known != {judgement.held_digest: (limits, told)}:
            why = judgement.objections
            hold(work, plan.mailbox.ref, judgement.held_digest, why, shown(judgement), at, told, certain=certain)


def _goes_on(
    work: Work, mailbox: int, judgement: Judgement, approved: frozenset[str] | None, made: Collection[Place]
) -> bool:
    """Tell whether something is still to do of what was approved, for which the approval then stays: for the rest."""
    open_changes = [change for change in released(judgement) if place_of(change) not in made]
    if approved is None:  # nobody knows what exactly that was
        return bool(open_changes)
    box = judgement.plan.mailbox
    left = not approved.isdisjoint(digests.items(box.context, box.address, open_changes, ()))
    if left and judgement.approved is not None and (used := approved & _made(judgement, made)):
        _name(work, mailbox, judgement.approved, approved - used)
    return left


def _made(judgement: Judgement, made: Collection[Place]) -> frozenset[str]:
    """Name what was made of a judgement; adoptions are made by noting them."""
    mailbox = judgement.plan.mailbox
    changes = [change for change in released(judgement) if place_of(change) in made]
    return digests.items(mailbox.context, mailbox.address, changes, judgement.plan.adopted)


def items(judgement: Judgement) -> frozenset[str]:
    """Name all that is held of a judgement, as `core.digest.items` does."""
    mailbox = judgement.plan.mailbox
    changes = [change for change in judgement.plan.changes if is_held(judgement, change)]
    adopted = judgement.plan.adopted if Direction.ADDITIONS in judgement.held else ()
    return digests.items(
        mailbox.context, mailbox.address, changes, adopted, ending(judgement.plan, judgement.objections)
    )


def shown(judgement: Judgement) -> dict[str, object]:
    """Give what is held of a judgement as JSON can hold it: `changes` (the first 1,000) and `total`.

    What an approval did not cover is marked `new`, if there was one.
    """
    mailbox, changes, total = judgement.plan.mailbox, list[dict[str, object]](), 0
    for one in _held(judgement):
        total += 1
        if len(changes) < SHOWN:
            told = _told(judgement, one)
            if judgement.beyond and digests.item(mailbox.context, mailbox.address, one) in judgement.beyond:
                told["new"] = True
            changes.append(told)
    for user in ending(judgement.plan, judgement.objections):
        total += 1
        if len(changes) < SHOWN:
            told = {"op": "forget", "context": mailbox.context, "user": user, "login": "", "mailbox": mailbox.address}
            new = digests.items(mailbox.context, mailbox.address, (), (), [user]) <= judgement.beyond
            changes.append({**told, "path": [], "fields": {}, "reason": ENDS, **({"new": True} if new else {})})
    return {"changes": changes, "total": total}


def _held(judgement: Judgement) -> Iterator[Change | Adoption]:
    yield from (change for change in judgement.plan.changes if is_held(judgement, change))
    if Direction.ADDITIONS in judgement.held:
        yield from judgement.plan.adopted


def _told(judgement: Judgement, one: Change | Adoption) -> dict[str, object]:
    mailbox = judgement.plan.mailbox
    fields = one.changed() if isinstance(one, Change) else {}
    return {
        "op": one.op.value if isinstance(one, Change) else "adopt",
        "context": mailbox.context,
        "user": one.user,
        "login": one.login,
        "mailbox": one.mailbox if isinstance(one, Change) else mailbox.address,
        "path": list(one.path),
        "fields": {name: list(pair) for name, pair in fields.items()},
        "reason": one.reason if isinstance(one, Change) else "",
    }


def _objection(objection: Objection) -> dict[str, object]:
    return {
        "limit": objection.limit,
        "directions": sorted(direction.value for direction in objection.directions),
        "value": objection.value,
        "allowed": objection.allowed,
        "message": objection.message,
    }


def _items(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))


def _refused(state: str, objections: str) -> bool:
    return state == "rejected" or (state == "held" and REJECTED in _limits(objections))


def _limits(objections: str) -> frozenset[str]:
    return frozenset(one["limit"] for one in json.loads(objections))
