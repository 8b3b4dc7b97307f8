"""A report as the JSON document of the contract: keys may be added, the ones here stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncd.core.changes import Adoption, Change, Direction, Judgement, Notice, Outcome, Report
from syncd.core.digest import item
from syncd.core.reads import Proof
from syncd.core.verdict import is_held, result_of, summary


def document(report: Report) -> dict[str, Any]:
    """Give the report as values that JSON can hold."""
    outcomes = by_change(report.outcomes)
    judgements = report.judgements
    return {
        "run": report.run,
        "started": report.started.isoformat(),
        "finished": report.finished.isoformat(),
        "result": result_of(report).value,
        "complete": report.complete,
        "mailboxes": [_mailbox(judgement) for judgement in judgements],
        "changes": [change(judgement, one, outcomes) for judgement in judgements for one in judgement.plan.changes],
        "adopted": [_adopted(judgement, one) for judgement in judgements for one in judgement.plan.adopted],
        "withheld": [_notice(judgement, one) for judgement in judgements for one in judgement.plan.withheld],
        "waiting": [_notice(judgement, one) for judgement in judgements for one in judgement.plan.waiting],
        "conflicts": [_notice(judgement, one) for judgement in judgements for one in judgement.plan.conflicts],
        "unresolved": [
            {
                "member": one.member,
                **_where(judgement),
                "login": one.login,
                "reason": one.reason,
                "since": _since(report, "unresolved", judgement, one.member),
            }
            for judgement in judgements
            for one in judgement.plan.unresolved
        ],
        "dangling": [
            {"member": member, **_where(judgement), "since": _since(report, "dangling", judgement, member)}
            for judgement in judgements
            for member in judgement.plan.dangling
        ],
        "drift": [_notice(judgement, one) for judgement in judgements for one in judgement.plan.drift],
        "objections": [
            {
                **_where(judgement),
                "limit": objection.limit,
                "value": objection.value,
                "allowed": objection.allowed,
                "digest": judgement.held_digest,
                "message": objection.message,
            }
            for judgement in judgements
            for objection in judgement.objections
        ],
        "orphaned": [
            {
                "mailbox": orphan.address,
                "context": orphan.context,
                "claimed": orphan.claimed,
                "since": orphan.since.isoformat() if orphan.since else None,
            }
            for orphan in report.orphans
        ],
        "problems": list(report.problems),
        "undiscovered": list(report.undiscovered),
        "causes": list(report.causes),
        "errors": list(report.errors),
        "warnings": list(report.warnings),
        "summary": summary(report),
    }


def by_change(outcomes: Iterable[Outcome]) -> dict[object, Outcome]:
    """Key outcomes by what names their change; a create gets its account id and servers only when it is made."""
    return {_name(outcome.change): outcome for outcome in outcomes}


def change(judgement: Judgement, one: Change, outcomes: Mapping[object, Outcome]) -> dict[str, Any]:
    """Give one change with what became of it: planned, held, applied or failed."""
    outcome = outcomes.get(_name(one))
    result = outcome.result if outcome else "held" if is_held(judgement, one) and not judgement.idle else "planned"
    final = outcome.change if outcome else one
    return {
        "op": one.op.value,
        "context": one.context,
        "user": one.user,
        "login": one.login,
        "mailbox": one.mailbox,
        "account": outcome.account if outcome else one.account,
        "path": list(one.path),
        "fields": {name: [old, new] for name, (old, new) in final.changed().items()},
        "reason": one.reason,
        "result": result,
        "error": outcome.error if outcome else None,
        "new": _new(judgement, one),
    }


def _new(judgement: Judgement, one: Change | Adoption) -> bool:
    """Tell whether it is held and was not part of what was approved."""
    mailbox = judgement.plan.mailbox
    return bool(judgement.beyond) and item(mailbox.context, mailbox.address, one) in judgement.beyond


def _since(report: Report, kind: str, judgement: Judgement, key: str) -> str | None:
    since = report.since.get((kind, judgement.plan.mailbox.ref), {}).get(key)
    return since.isoformat() if since else None


def _name(one: Change) -> object:
    return one.op, one.context, one.mailbox, one.user, one.account


def _where(judgement: Judgement) -> dict[str, Any]:
    mailbox = judgement.plan.mailbox
    return {"mailbox": mailbox.address, "context": mailbox.context}


def _mailbox(judgement: Judgement) -> dict[str, Any]:
    plan = judgement.plan
    return {
        **_where(judgement),
        "digest": judgement.digest,
        "complete": plan.complete,
        "reasons": list(plan.reasons),
        "causes": list(plan.causes),
        "notes": list(plan.notes),
        "pattern": plan.mailbox.pattern or None,
        "proof": {source: proof_of(proof) for source, proof in plan.proofs.items()},
        "held": sorted(direction.value for direction in judgement.held),
        "held_digest": judgement.held_digest,
        "approved": judgement.approved,
        "exceeded": judgement.exceeded,
        "idle": judgement.idle,
        "configuration": plan.configuration,
        "desired": plan.desired,
        "observed": plan.observed,
        "claimed": plan.claimed,
        "unchanged": plan.unchanged,
        "left_alone": plan.others,
    }


def proof_of(proof: Proof) -> dict[str, Any]:
    """Give a proof of completeness as values that JSON can hold."""
    return {
        "server": proof.server,
        "identity": proof.identity,
        "pages": proof.pages,
        "ranges": proof.ranges,
        "groups": proof.groups,
        "values": dict(proof.values),
    }


def _adopted(judgement: Judgement, one: Adoption) -> dict[str, Any]:
    return {
        **_where(judgement),
        "user": one.user,
        "login": one.login,
        "account": one.account,
        "member": one.dn,
        "path": list(one.path),
        "result": _became(judgement),
        "new": _new(judgement, one),
    }


def _became(judgement: Judgement) -> str:
    if judgement.idle:
        return "planned"
    return "held" if Direction.ADDITIONS in judgement.held else "adopted"


def _notice(judgement: Judgement, one: Notice) -> dict[str, Any]:
    return {
        **_where(judgement),
        "op": one.op,
        "user": one.user,
        "login": one.login,
        "member": one.member,
        "account": one.account,
        "reason": one.reason,
    }
