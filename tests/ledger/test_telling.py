"""Who was told of what is held, what persons decided since, and what becomes of it when a mailbox leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.core.changes import Op
from syncd.core.model import Pin
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Standing
from tests.ledger.making import BOTH, NOON, SALES, SUPPORT, change, intents, judgement, report

HELD = report(judgement(held="sha256:a", changes=(change(Op.DELETE, 3),)), judgement(SALES, held="sha256:b"))


def told(ledger: Ledger) -> dict[str, frozenset[str]]:
    return {plan.digest: plan.told for plan in ledger.held()}


def test_who_was_told_stays_with_the_plan(ledger: Ledger) -> None:
    """Each channel is noted by itself, and a run that holds the same plan again changes nothing."""
    ledger.finish(HELD)
    assert told(ledger) == {"sha256:a": frozenset(), "sha256:b": frozenset()}
    ledger.told(["sha256:a"], "mail")
    ledger.told(["sha256:a", "sha256:unknown"], "webhook")
    ledger.finish(HELD)
    assert told(ledger) == {"sha256:a": frozenset({"mail", "webhook"}), "sha256:b": frozenset()}
    ledger.reject("sha256:b", "root", NOON)
    assert ledger.standing() == (
        Standing(SUPPORT, "sha256:a", "held", frozenset({"mail", "webhook"})),
        Standing(SALES, "sha256:b", "rejected", frozenset()),
    )


@pytest.mark.parametrize("what", ["another plan", "other limits", "expired", "back again"])
def test_what_is_to_be_told_anew(ledger: Ledger, what: str) -> None:
    """Another plan, the same one for other reasons, after an expired approval or after it was over: nobody was told."""
    ledger.finish(HELD)
    ledger.told(["sha256:a"], "mail")
    if what == "another plan":
        ledger.finish(report(judgement(held="sha256:c")))
    elif what == "other limits":
        ledger.finish(report(judgement(held="sha256:a", limits=["vanished"])))
    elif what == "expired":
        ledger.approve("sha256:a", "root", NOON)
        ledger.expire(NOON + timedelta(hours=1), NOON + timedelta(hours=2))
    else:
        ledger.finish(report(judgement()))
        ledger.finish(HELD)
    assert set(told(ledger).values()) == {frozenset()}


def test_a_decision_tells_nobody_anew(ledger: Ledger) -> None:
    """A rejected plan is held by the next run as before, and whoever was told knows."""
    ledger.finish(HELD)
    ledger.told(["sha256:a"], "mail")
    ledger.reject("sha256:a", "root", NOON)
    ledger.finish(HELD)
    assert told(ledger)["sha256:a"] == {"mail"}


def test_what_a_mailbox_that_left_would_do_is_not_held_any_more(ledger: Ledger) -> None:
    """No run would ask for an approval of it, so none is asked of people."""
    ledger.finish(HELD)
    ledger.approve("sha256:b", "root", NOON)
    ledger.register(BOTH[:1], at=NOON)
    assert set(told(ledger)) == {"sha256:a"}
    ledger.register(BOTH, at=NOON)
    assert set(told(ledger)) == {"sha256:a"}


@pytest.mark.parametrize("op", ["approve", "reject", "pause", "resume", "pin", "unpin"])
def test_what_persons_decide_is_noticed(ledger: Ledger, op: str) -> None:
    """Behind the last known entry of the journal there is the decision, once."""
    ledger.finish(HELD)
    if op == "resume":
        ledger.pause(SUPPORT, None, "root", NOON)
    if op == "unpin":
        ledger.pin(SUPPORT, [Pin(3, True, None, "root")], NOON)
    before, nothing = ledger.decided(None)
    assert nothing == ()
    assert ledger.decided(before) == (before, ())
    if op == "approve":
        ledger.approve("sha256:a", "root", NOON)
    elif op == "reject":
        ledger.reject("sha256:a", "root", NOON)
    elif op == "pause":
        ledger.pause(None, NOON + timedelta(hours=1), "root", NOON)
    elif op == "resume":
        ledger.resume(SUPPORT, "root", NOON)
    elif op == "pin":
        ledger.pin(SUPPORT, [Pin(3, True, None, "root")], NOON)
    else:
        ledger.unpin(SUPPORT, [3], "root", NOON)
    last, ops = ledger.decided(before)
    assert (last > before, ops) == (True, (op,))
    assert ledger.decided(last) == (last, ())


def test_what_runs_and_time_do_is_no_decision(ledger: Ledger) -> None:
    """Changes, and pauses and pins that end by their time, are in the journal and nobody's decision."""
    until = NOON + timedelta(hours=1)
    ledger.pause(SUPPORT, until, "root", NOON)
    ledger.pin(SUPPORT, [Pin(3, True, until, "root")], NOON)
    before, _ = ledger.decided(None)
    ledger.lapse(until)
    ledger.intend("r1", "b1", NOON, intents(Op.CREATE, [4]))
    ledger.conclude("b1")
    last, ops = ledger.decided(before)
    assert (last > before, ops) == (True, ())
