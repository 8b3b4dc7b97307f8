"""Say in one word, one number and one table how a run ended; command line, ledger and metrics ask here.

The rule kept here: a run has one verdict, made from its report and from nothing else. Unresolved members, conflicts and
waiting accounts are ordinary life and spoil no verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from syncd.core.changes import DIRECTION, Change, Direction, Judgement, Op, Report


class Result(StrEnum):
    """How a run ended, the worst first."""

    FAILED = "failed"
    """A system answered with an error, or a change could not be made."""
    INCOMPLETE = "incomplete"
    """A source could not be read to its end, or a change was withheld because something was not known for certain."""
    HELD = "held"
    """A limit holds something until it is approved."""
    OK = "ok"


def is_held(judgement: Judgement, change: Change) -> bool:
    """Tell whether a limit holds this change of the mailbox."""
    return DIRECTION[change.op] in judgement.held


def released(judgement: Judgement) -> Iterator[Change]:
    """Give the changes of a mailbox that no limit holds, in the plan's order; none while it is idle."""
    if judgement.idle:
        return iter(())
    return (change for change in judgement.plan.changes if not is_held(judgement, change))


def holds(judgement: Judgement) -> int:
    """Count what a limit holds of a mailbox: changes and, with the additions, adoptions; nothing while it is idle."""
    if judgement.idle:
        return 0
    changes = sum(is_held(judgement, change) for change in judgement.plan.changes)
    return changes + (len(judgement.plan.adopted) if Direction.ADDITIONS in judgement.held else 0)


def result_of(report: Report) -> Result:
    """Give the result of a run, or of what a plan would meet; the first row that applies counts.

    | in the report                                              | result     |
    |------------------------------------------------------------|------------|
    | errors of systems, or an outcome that failed               | failed     |
    | a mailbox not read completely, or anything withheld        | incomplete |
    | a discovery not complete: not all mailboxes are known      | incomplete |
    | a direction held, of a mailbox that is not idle            | held       |
    | nothing of these                                           | ok         |
    """
    if report.errors or any(outcome.result == "failed" for outcome in report.outcomes):
        return Result.FAILED
    if report.undiscovered or any(
        not judgement.plan.complete or judgement.plan.withheld for judgement in report.judgements
    ):
        return Result.INCOMPLETE
    if any(judgement.held and not judgement.idle for judgement in report.judgements):
        return Result.HELD
    return Result.OK


def exit_code(report: Report, *, pending: bool = False) -> int:
    """Give the exit status of the command that made the report; `pending` is `plan --exit-code`.

    | in the report                           | run | plan | plan --exit-code |
    |-----------------------------------------|-----|------|------------------|
    | errors of systems                       | 1   | 1    | 1                |
    | a change failed, withheld or incomplete | 5   | 0    | 5                |
    | a direction held                        | 4   | 0    | 4                |
    | changes or adoptions to be made         | 0   | 0    | 3                |
    | nothing of these                        | 0   | 0    | 0                |

    The first row that applies counts.
    """
    if report.errors:
        return 1
    if not report.applied and not pending:
        return 0
    by_result = {Result.FAILED: 5, Result.INCOMPLETE: 5, Result.HELD: 4, Result.OK: 0}
    code = by_result[result_of(report)]
    if code == 0 and not report.applied:
        return 3 if any(j.plan.changes or j.plan.adopted for j in report.judgements) else 0
    return code


def summary(report: Report) -> dict[str, int]:
    """Count a report by the keys that `--output json` promises.

    In a plan `create`, `update`, `delete` and `adopted` count what would be done, in a run what was done; what a limit
    holds counts as `held` only, and what an idle mailbox would need as `idle` only.
    """
    done: Counter[str] = Counter()
    if report.applied:
        done.update(outcome.change.op for outcome in report.outcomes if outcome.result == "applied")
    else:
        done.update(change.op for judgement in report.judgements for change in released(judgement))
    return {
        "create": done[Op.CREATE],
        "update": done[Op.UPDATE],
        "delete": done[Op.DELETE],
        "adopted": sum(
            len(j.plan.adopted) for j in report.judgements if Direction.ADDITIONS not in j.held and not j.idle
        ),
        "unchanged": sum(judgement.plan.unchanged for judgement in report.judgements),
        "held": sum(holds(judgement) for judgement in report.judgements),
        "withheld": sum(len(judgement.plan.withheld) for judgement in report.judgements),
        "idle": sum(len(j.plan.changes) + len(j.plan.adopted) for j in report.judgements if j.idle),
        "deferred": report.deferred,
        "failed": sum(outcome.result == "failed" for outcome in report.outcomes),
    }
