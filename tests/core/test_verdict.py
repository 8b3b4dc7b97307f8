"""Verdicts: every row of the tables in core.verdict, and their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product

import pytest

from syncd.core.changes import Adoption, Change, Direction, Judgement, MailboxPlan, Notice, Op, Outcome, Report
from syncd.core.model import Account, Mailbox
from syncd.core.verdict import Result, exit_code, holds, is_held, released, result_of, summary

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BOX = Mailbox(
    address="support@example.org",
    key="support@example.org",
    context=1,
    account=Account(name="Support", login="support", mail=None, transport=None),
)
NOTICE = Notice(7, "gina", "uid=gina,dc=example", "delete", "not known")
ADOPTION = Adoption(8, "hugo", 3, "id-8", "uid=hugo,dc=example", (), None)


def change(op: Op, user: int = 5) -> Change:
    return Change(op=op, context=1, user=user, login="carol", mailbox=BOX.address, account=None)


def judgement(
    *, held: frozenset[Direction] = frozenset(), complete: bool = True, idle: str = "", **parts: object
) -> Judgement:
    plan = MailboxPlan(mailbox=BOX, complete=complete, **parts)  # type: ignore[arg-type]
    return Judgement(plan=plan, held=held, idle=idle)


def report(*judgements: Judgement, **parts: object) -> Report:
    return Report(run="r", started=NOW, finished=NOW, judgements=judgements, **parts)  # type: ignore[arg-type]


TROUBLES = ("errors", "failed", "incomplete", "undiscovered", "withheld", "held", "pending")


def troubled(troubles: set[str], *, applied: bool) -> Report:
    """Make a report with the named troubles at once."""
    box = judgement(
        held=frozenset({Direction.ADDITIONS}) if "held" in troubles else frozenset(),
        complete="incomplete" not in troubles,
        withheld=(NOTICE,) if "withheld" in troubles else (),
        changes=(change(Op.UPDATE),) if "pending" in troubles else (),
        unresolved=(NOTICE,),
        conflicts=(NOTICE,),
        waiting=(NOTICE,),
    )
    outcomes = (Outcome(change=change(Op.CREATE), result="failed", error="no"),) if "failed" in troubles else ()
    return report(
        box,
        applied=applied,
        outcomes=outcomes,
        errors=("lost",) if "errors" in troubles else (),
        undiscovered=("size limit",) if "undiscovered" in troubles else (),
        problems=("an entry without an address",),
    )


EVERY = [
    {name for name, on in zip(TROUBLES, bits, strict=True) if on}
    for bits in product((False, True), repeat=len(TROUBLES))
]


@pytest.mark.parametrize("troubles", EVERY, ids=lambda troubles: "+".join(sorted(troubles)) or "none")
def test_the_worst_trouble_names_the_result(troubles: set[str]) -> None:
    """Failed comes before incomplete before held before ok; unresolved, conflict, waiting, problems spoil nothing."""
    if troubles & {"errors", "failed"}:
        expected = Result.FAILED
    elif troubles & {"incomplete", "undiscovered", "withheld"}:
        expected = Result.INCOMPLETE
    elif "held" in troubles:
        expected = Result.HELD
    else:
        expected = Result.OK
    assert result_of(troubled(troubles, applied=True)) is expected


@pytest.mark.parametrize("troubles", EVERY, ids=lambda troubles: "+".join(sorted(troubles)) or "none")
def test_the_exit_status_of_a_run_is_1_before_5_before_4(troubles: set[str]) -> None:
    """A run ends with 1 for an error, 5 for something not done, 4 for something held, else 0."""
    if "errors" in troubles:
        expected = 1
    elif troubles & {"failed", "incomplete", "undiscovered", "withheld"}:
        expected = 5
    else:
        expected = 4 if "held" in troubles else 0
    assert exit_code(troubled(troubles, applied=True)) == expected


@pytest.mark.parametrize("troubles", EVERY, ids=lambda troubles: "+".join(sorted(troubles)) or "none")
def test_a_plan_without_the_option_ends_with_0_or_1(troubles: set[str]) -> None:
    """A plan that could be made ends with 0 whatever it says."""
    assert exit_code(troubled(troubles, applied=False)) == (1 if "errors" in troubles else 0)


@pytest.mark.parametrize("troubles", EVERY, ids=lambda troubles: "+".join(sorted(troubles)) or "none")
def test_a_plan_with_the_option_tells_pending_changes_last(troubles: set[str]) -> None:
    """`plan --exit-code` ends with 1, 5, 4, then 3 for pending changes, else 0."""
    if "errors" in troubles:
        expected = 1
    elif troubles & {"failed", "incomplete", "undiscovered", "withheld"}:
        expected = 5
    elif "held" in troubles:
        expected = 4
    else:
        expected = 3 if "pending" in troubles else 0
    assert exit_code(troubled(troubles, applied=False), pending=True) == expected


def test_an_adoption_is_a_pending_change() -> None:
    """`plan --exit-code` ends with 3 when nothing but an adoption is to be made."""
    assert exit_code(report(judgement(adopted=(ADOPTION,))), pending=True) == 3


def test_a_plan_counts_what_would_be_done() -> None:
    """In a plan the held direction counts as held, the others by their operation."""
    changes = (change(Op.DELETE), change(Op.DELETE, 6), change(Op.UPDATE), change(Op.CREATE))
    box = judgement(
        held=frozenset({Direction.REMOVALS}), changes=changes, adopted=(ADOPTION,), unchanged=4, withheld=(NOTICE,)
    )
    assert summary(report(box, judgement(unchanged=2, changes=(change(Op.CREATE),)))) == {
        "create": 2,
        "update": 1,
        "delete": 0,
        "adopted": 1,
        "unchanged": 6,
        "held": 2,
        "withheld": 1,
        "idle": 0,
        "deferred": 0,
        "failed": 0,
    }


def test_a_run_counts_what_was_done() -> None:
    """In a run only applied outcomes count by operation; failed ones count as failed."""
    changes = (change(Op.DELETE), change(Op.UPDATE), change(Op.CREATE), change(Op.CREATE, 6))
    outcomes = (
        Outcome(change=changes[0], result="applied", account=3),
        Outcome(change=changes[2], result="applied", account=4),
        Outcome(change=changes[3], result="failed", error="name too long"),
    )
    found = summary(report(judgement(changes=changes), outcomes=outcomes, applied=True))
    assert (found["create"], found["update"], found["delete"], found["failed"]) == (1, 0, 1, 1)


def test_held_additions_hold_adoptions_too() -> None:
    """With additions held an adoption counts as held and not as adopted."""
    box = judgement(held=frozenset({Direction.ADDITIONS}), adopted=(ADOPTION,), changes=(change(Op.CREATE),))
    assert (summary(report(box))["held"], summary(report(box))["adopted"], holds(box)) == (2, 0, 2)


@pytest.mark.parametrize(
    ("op", "direction"),
    [(Op.CREATE, Direction.ADDITIONS), (Op.UPDATE, Direction.UPDATES), (Op.DELETE, Direction.REMOVALS)],
)
def test_each_operation_is_held_by_its_own_direction(op: Op, direction: Direction) -> None:
    """A held direction holds its operation and releases the two others."""
    box = judgement(held=frozenset({direction}), changes=(change(Op.CREATE), change(Op.UPDATE), change(Op.DELETE)))
    assert is_held(box, change(op))
    assert {c.op for c in released(box)} == set(Op) - {op}


@pytest.mark.parametrize("applied", [True, False])
def test_a_discovery_that_is_not_complete_makes_the_report_incomplete(*, applied: bool) -> None:
    """Where not all mailboxes are known the report says so, although each that is known was read whole."""
    assert report(judgement(), applied=applied).complete
    assert not report(judgement(), undiscovered=("size limit",), applied=applied).complete


# --------------------------------------------------------------------------- what is not done now

EVERYTHING = frozenset(Direction)
IDLE = judgement(
    held=EVERYTHING,
    idle="paused",
    changes=(change(Op.DELETE), change(Op.UPDATE, 6), change(Op.CREATE, 7)),
    adopted=(ADOPTION,),
    unchanged=3,
)


@pytest.mark.parametrize("held", [frozenset(), EVERYTHING])
def test_nothing_is_released_or_held_of_an_idle_mailbox(held: frozenset[Direction]) -> None:
    """What a mailbox would need while it is paused is neither done nor waiting for an approval."""
    idle = replace(IDLE, held=held)
    assert list(released(idle)) == []
    assert holds(idle) == 0
    assert is_held(idle, change(Op.DELETE)) is bool(held)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("held", [frozenset(), EVERYTHING])
def test_an_idle_mailbox_is_counted_as_idle_only(held: frozenset[Direction], *, applied: bool) -> None:
    """Its changes and adoptions are counted by one number; what is unchanged is so."""
    found = summary(report(replace(IDLE, held=held), applied=applied))
    assert {name: count for name, count in found.items() if count} == {"idle": 4, "unchanged": 3}


def test_an_idle_mailbox_beside_another() -> None:
    """Only the mailbox that is idle is counted so."""
    found = summary(report(IDLE, judgement(changes=(change(Op.CREATE),), adopted=(ADOPTION,))))
    assert (found["create"], found["adopted"], found["idle"], found["held"]) == (1, 1, 4, 0)


def test_an_idle_mailbox_spoils_no_verdict_by_what_would_be_held() -> None:
    """A run with a paused mailbox over its limits is ok; one that could not be read is incomplete all the same."""
    assert result_of(report(IDLE, applied=True)) is Result.OK
    assert exit_code(report(IDLE, applied=True)) == 0
    assert result_of(report(IDLE, judgement(held=EVERYTHING), applied=True)) is Result.HELD
    unread = replace(IDLE, plan=replace(IDLE.plan, complete=False))
    assert result_of(report(unread, applied=True)) is Result.INCOMPLETE
    assert result_of(report(replace(IDLE, plan=replace(IDLE.plan, withheld=(NOTICE,))))) is Result.INCOMPLETE


def test_what_an_idle_mailbox_needs_is_a_pending_change() -> None:
    """`plan --exit-code` tells that the mailbox is not as it should be, though no run changes it now."""
    assert exit_code(report(IDLE), pending=True) == 3


def test_what_the_brake_left_is_counted_and_spoils_no_verdict() -> None:
    """Changes that the next run makes are counted as deferred, and the run is ok."""
    braked = report(judgement(changes=(change(Op.CREATE),)), applied=True, deferred=7)
    assert (summary(braked)["deferred"], result_of(braked), exit_code(braked)) == (7, Result.OK, 0)
