"""Filling mailboxes in steps: every row of the table in core.rollout, and how the steps count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from syncd.core.changes import MailboxPlan
from syncd.core.limits import Rollout
from syncd.core.model import MailboxRef
from syncd.core.rollout import put_off
from tests.core.judging import made
from tests.core.strategies import NOON

TEN = timedelta(minutes=10)
ONE, TWO = Rollout(mailboxes=1, wait=TEN), Rollout(mailboxes=2, wait=TEN)


def new(letter: str, **parts: int) -> MailboxPlan:
    """Give the plan of a mailbox that never had an account and gets its first."""
    return made(address=f"{letter}@mycompany.com", **({"creates": 1, "claimed": 0} | parts))  # type: ignore[arg-type]


def ref(letter: str) -> MailboxRef:
    """Give the mailbox of such a plan."""
    return MailboxRef(1, f"{letter}@mycompany.com")


def later(
    plans: Sequence[MailboxPlan], steps: Rollout | None = ONE, begun: dict[str, int] | None = None, idle: str = ""
) -> dict[str, str]:
    """Give the letters of the mailboxes that wait, with the reason; `begun` has minutes ago."""
    before = {ref(letter): NOON - timedelta(minutes=minutes) for letter, minutes in (begun or {}).items()}
    found = put_off(plans, before, steps, NOON, {ref(letter) for letter in idle})
    return {one.key[0]: reason for one, reason in found.items()}


SOME = [new("a"), new("b"), new("c")]


@pytest.mark.parametrize(
    ("plans", "begun", "expected"),
    [
        pytest.param(SOME, {}, "bc", id="the first goes on"),
        pytest.param(SOME, {"a": 20}, "c", id="had one before: the next goes on"),
        pytest.param(SOME, {"a": 20, "b": 10}, "", id="the wait is over"),
        pytest.param(SOME, {"a": 9}, "bc", id="the step is full"),
        pytest.param(SOME, {"a": 10}, "c", id="the wait is just over"),
        pytest.param(SOME, {"x": 9}, "abc", id="full by a mailbox that is not asked for"),
        pytest.param(SOME, {"x": 30}, "bc", id="by one of long ago"),
        pytest.param([new("a", claimed=1), new("b"), new("c")], {}, "c", id="one has claims from before"),
        pytest.param([new("a", creates=0), new("b"), new("c")], {}, "c", id="one gets nothing"),
        pytest.param([new("a", creates=0, adopted=1), new("b")], {}, "b", id="one gets adopted accounts"),
        pytest.param([new("a", creates=0, updates=1, deletes=1), new("b")], {}, "", id="one has other changes"),
        pytest.param([], {}, "", id="no mailbox"),
    ],
)
def test_one_mailbox_a_step(plans: Sequence[MailboxPlan], begun: dict[str, int], expected: str) -> None:
    """A mailbox that would get its first accounts goes on while the step has room, in the configuration's order."""
    assert "".join(later(plans, begun=begun)) == expected


@pytest.mark.parametrize(
    ("begun", "expected"),
    [({}, "c"), ({"a": 9}, "c"), ({"x": 9}, "bc"), ({"x": 9, "y": 5}, "abc"), ({"x": 9, "y": 5, "z": 1}, "abc")],
)
def test_several_mailboxes_a_step(begun: dict[str, int], expected: str) -> None:
    """The room of a step is what it has less what got its first accounts within the wait."""
    assert "".join(later(SOME, TWO, begun)) == expected


def test_without_a_rollout_nobody_waits() -> None:
    """All mailboxes are filled at once unless it is configured otherwise."""
    assert later(SOME, None) == {}


def test_an_idle_mailbox_takes_no_room() -> None:
    """What is paused or in staging gets nothing anyway, so the next one has its turn."""
    assert "".join(later(SOME, idle="a")) == "c"


@pytest.mark.parametrize(
    ("begun", "words"),
    [
        pytest.param({}, "rollout: its turn comes at a later run", id="taken by this run"),
        pytest.param(
            {"x": 4},
            "rollout: its turn comes at a later run, not before 2026-03-01 12:06:00 UTC",
            id="taken before",
        ),
    ],
)
def test_who_waits_is_told_until_when(begun: dict[str, int], words: str) -> None:
    """The reason names the earliest time at which the next step can begin, where it is known."""
    assert later(SOME, begun=begun)["c"] == words


def test_the_next_step_begins_when_the_oldest_of_this_one_is_over() -> None:
    """Where several mailboxes fill a step the first of them makes room first."""
    reasons = later(SOME, TWO, {"x": 9, "y": 2})
    assert set(reasons.values()) == {"rollout: its turn comes at a later run, not before 2026-03-01 12:01:00 UTC"}
