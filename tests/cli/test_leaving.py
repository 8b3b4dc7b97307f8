"""Who may be retired or released: a mailbox that certainly left, and no other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import pytest

from syncd.cli.leaving import _orphan
from syncd.core.changes import Orphan
from syncd.core.model import MailboxRef
from syncd.errors import SyncdError
from syncd.facts import Census
from tests.telemetry.reports import mailbox

SUPPORT = "support@example.org"


@dataclass(slots=True, kw_only=True)
class Ledger:
    """Claims of support@ in two contexts."""

    asked: list[Collection[MailboxRef]] = field(default_factory=list)

    def orphans(self, configured: Collection[MailboxRef]) -> tuple[Orphan, ...]:
        self.asked.append(configured)
        return tuple(
            Orphan(address=SUPPORT, context=context, claimed=2, since=None)
            for context in (1, 2)
            if MailboxRef(context, SUPPORT) not in configured
        )


@dataclass(slots=True, kw_only=True)
class Instance:
    """As much of `wiring.Instance` as is asked for."""

    known: Census
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def reconciler(self) -> Instance:
        return self

    def census(self) -> Census:
        return self.known


@pytest.mark.parametrize(
    ("census", "context", "message"),
    [
        (Census(configured=(mailbox(SUPPORT, 1),)), 1, "support@example.org is configured"),
        (Census(configured=(mailbox(SUPPORT, 1),)), None, "support@example.org is configured"),
        (Census(configured=(mailbox(SUPPORT, 1, "c.yaml:7"),)), 1, "is found by the mapping at c.yaml:7"),
        (Census(configured=(), unclear=frozenset((SUPPORT,)), problems=("p",)), 1, "there is a problem with it"),
        (Census(configured=(), undiscovered=("ldaps://a: gone",)), 1, "cannot be told: not all mailboxes are known"),
        (Census(configured=()), None, "several contexts"),
        (Census(configured=()), 3, "nothing of support@example.org is claimed"),
    ],
)
def test_who_is_refused(census: Census, context: int | None, message: str) -> None:
    """What is configured, discovered, or not known for certain to have left keeps what it has."""
    with pytest.raises(SyncdError, match=message):
        _orphan(Instance(known=census), SUPPORT, context)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("census", "context"),
    [
        (Census(configured=()), 2),
        (Census(configured=(mailbox(SUPPORT, 1),)), 2),  # a context may lose it while another keeps it
        (Census(configured=(), unclear=frozenset(("jobs@example.org",)), problems=("p",)), 2),
    ],
)
def test_who_left_is_given(census: Census, context: int) -> None:
    """A claimed mailbox that nothing stands for is found, whatever is wrong with others."""
    found = _orphan(Instance(known=census), "Support@Example.org", context)  # type: ignore[arg-type]
    assert (found.address, found.context, found.sources) == (SUPPORT, context, ())
