"""What a run leaves in the log: a line for each thing that somebody should look at, and one line for the whole run."""

from __future__ import annotations

import structlog

from syncd.core.changes import Report
from syncd.core.guard import RELEASE
from syncd.core.verdict import result_of, summary

_log = structlog.get_logger()


def tell(report: Report) -> None:
    """Log what a finished run found; each change was logged when it was made."""
    for reason in report.undiscovered:
        _log.warning("discovery.incomplete", reason=reason)
    for problem in report.problems:
        _log.warning("discovery.problem", problem=problem)
    for judgement in report.judgements:
        mailbox = judgement.plan.mailbox
        if judgement.held_digest is not None:
            told = [objection.message.partition(RELEASE) for objection in judgement.objections]
            _log.warning(
                "plan.held",
                mailbox=mailbox.address,
                context=mailbox.context,
                digest=judgement.held_digest,
                limits=[objection.limit for objection in judgement.objections],
                objections=[message for message, _, _ in told],
                command=next((command for _, _, command in told if command), ""),
                configuration=judgement.plan.configuration,
            )
        if not judgement.plan.complete:
            reasons = list(judgement.plan.reasons)
            _log.warning("read.incomplete", mailbox=mailbox.address, context=mailbox.context, reasons=reasons)
    for error in report.errors:
        _log.error("run.error", error=error)
    for warning in report.warnings:
        _log.warning("caches.kept", warning=warning, changes=report.uninvalidated)
    _log.info(
        "run.finished",
        run=report.run,
        result=result_of(report).value,
        seconds=round((report.finished - report.started).total_seconds(), 3),
        server=report.server,
        **summary(report),
    )
