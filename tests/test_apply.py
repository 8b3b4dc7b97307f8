"""The order in which changes are made."""

from __future__ import annotations

from syncd.apply import _batches
from syncd.core.changes import Op
from tests.ledger.making import change


def test_revocations_come_first_and_batches_have_one_operation() -> None:
    """All deletes come before updates, those before creates; no batch is larger than asked for."""
    mixed = [change(op, user) for user in (3, 4, 5) for op in (Op.CREATE, Op.UPDATE, Op.DELETE)]
    batches = [(context, op, [one.user for one in some]) for context, op, some in _batches(mixed, 2)]
    assert batches == [(1, op, users) for op in (Op.DELETE, Op.UPDATE, Op.CREATE) for users in ([3, 4], [5])]
