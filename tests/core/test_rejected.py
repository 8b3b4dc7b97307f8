"""What a person has rejected stays undone in whatever plan it comes, until somebody approves it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from syncd.core.changes import Change, Direction, Op
from syncd.core.digest import items
from syncd.core.model import MailboxRef
from tests.core.judging import ADDITIONS, REMOVALS, UPDATES, boxes, consent, judged, made
from tests.core.strategies import ADDRESS

SMALL = made(deletes=1, updates=1, creates=2)
REF = SMALL.mailbox.ref
LOST = made(forgotten=(4, 5, 6, 7), missing=4)


def ends(*users: int) -> frozenset[str]:
    """Name the end of the claims of these users."""
    return items(1, ADDRESS, (), (), users)


@pytest.mark.parametrize(
    ("rejected", "held"),
    [
        pytest.param(SMALL.changes[:1], {REMOVALS: 1}, id="a removal"),
        pytest.param(SMALL.changes[1:2], {UPDATES: 1}, id="an update"),
        pytest.param(SMALL.changes[2:], {ADDITIONS: 2}, id="additions"),
        pytest.param(SMALL.changes, {REMOVALS: 1, UPDATES: 1, ADDITIONS: 2}, id="everything"),
        pytest.param(made(deletes=4).changes, {REMOVALS: 1}, id="one of several"),
        pytest.param(made(updates=9).changes[5:], {}, id="something else"),
    ],
)
def test_what_was_rejected_is_held_whatever_the_numbers_are(
    rejected: Sequence[Change], held: dict[Direction, int]
) -> None:
    """A change that a person rejected holds its direction, with what is new beside it; the others go on."""
    (judgement,) = judged(SMALL, rejected={REF: items(1, ADDRESS, rejected, ())})
    found = [(one.limit, one.directions, one.value, one.allowed) for one in judgement.objections]
    assert found == ([("rejected", held.keys(), sum(held.values()), 0)] if held else [])
    assert judgement.held == held.keys()
    where = f"{ADDRESS} in context 1: {sum(held.values())} of its changes were rejected by a person. Nothing of it"
    assert all(one.message.startswith(where) for one in judgement.objections)


def test_a_rejected_adoption_is_held() -> None:
    """Adoptions are additions that can be rejected like others; nothing is rejected elsewhere by that."""
    plan = made(adopted=1)
    named = items(1, ADDRESS, (), plan.adopted)
    assert judged(plan, rejected={REF: named})[0].held == {ADDITIONS}
    assert judged(plan, rejected={MailboxRef(2, ADDRESS): named})[0].held == frozenset()


def test_a_rejected_end_of_claims_holds_everything() -> None:
    """Claims whose end was rejected count as ours still, however few accounts are missing by now."""
    plan = made(creates=1, forgotten=(4, 9), missing=2)
    (judgement,) = judged(plan, rejected={REF: ends(4, 5)})
    assert [(one.limit, one.value, one.allowed) for one in judgement.objections] == [("vanished", 1, 0)]
    assert judgement.held == {REMOVALS, UPDATES, ADDITIONS}
    assert "1 account that is not stored any more would not be ours any more" in judgement.objections[0].message
    (judgement,) = judged(LOST, rejected={REF: ends(4)})
    assert [(one.limit, one.value, one.allowed) for one in judgement.objections] == [("vanished", 4, 3)]
    assert judged(plan, rejected={REF: ends(5)})[0].held == frozenset()


@pytest.mark.parametrize(
    ("rejected", "said"), [((4,), "1 account that is not stored"), ((4, 9), "2 accounts that are not stored")]
)
def test_the_claims_whose_end_was_rejected_are_counted(rejected: tuple[int, ...], said: str) -> None:
    """A claim counts though nothing else was rejected with it, and the message says how many there are."""
    (judgement,) = judged(made(creates=1, forgotten=(4, 9), missing=2), rejected={REF: ends(*rejected)})
    assert [(one.limit, one.value) for one in judgement.objections] == [("vanished", len(rejected))]
    assert f"{said} any more would not be ours any more, which" in judgement.objections[0].message


def test_what_was_rejected_leaves_room_for_the_others() -> None:
    """What is not done does not count for other mailboxes; an approval that has all of it releases it."""
    one, other = boxes(3, 3)
    named = {one.mailbox.ref: items(1, one.mailbox.address, one.changes, ())}
    first, second = judged(one, other, rejected=named, per_run=5)
    assert (first.held, second.held) == ({REMOVALS}, frozenset())
    given = {one.mailbox.ref: [consent(one, Op.DELETE)]}
    assert judged(one, approved=given, rejected=named)[0].held == frozenset()
