"""Which accounts Open-Xchange may still remember as they were, after rows were written behind its back (ox-facts 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from syncd.core.changes import Op, Outcome


class Stale(NamedTuple):
    """What of one context was written."""

    context: int
    users: Mapping[int, int]
    """User → how many accounts he was given or lost: his list of accounts is remembered."""
    changed: Mapping[str, tuple[int, ...]]
    """Address → users whose account there has other values now."""

    @property
    def changes(self) -> int:
        """How many changes it is about."""
        return sum(self.users.values()) + sum(map(len, self.changed.values()))


def stale(outcomes: Iterable[Outcome]) -> list[Stale]:
    """Sort the changes that were made by context."""
    users: dict[int, dict[int, int]] = {}
    changed: dict[int, dict[str, list[int]]] = {}
    for change in (outcome.change for outcome in outcomes if outcome.result == "applied"):
        if change.op is Op.UPDATE:
            changed.setdefault(change.context, {}).setdefault(change.mailbox, []).append(change.user)
        else:
            count = users.setdefault(change.context, {})
            count[change.user] = count.get(change.user, 0) + 1
    return [
        Stale(
            context,
            users.get(context, {}),
            {address: tuple(some) for address, some in changed.get(context, {}).items()},
        )
        for context in sorted(users.keys() | changed.keys())
    ]
