"""One ledger, one directory and one Open-Xchange in memory, for tests of whole runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from syncd.core.changes import Report
from syncd.core.limits import Limits, Share
from syncd.core.model import Mailbox, MailboxRef, Source
from syncd.core.patterns import Pattern
from syncd.core.reads import Found, Search
from syncd.directory.directories import Directories
from syncd.ledger.ledger import Ledger
from syncd.openxchange.base import AccountStore
from syncd.run import Reconciler
from tests.core.strategies import ADDRESS, SUPPORT, mailbox
from tests.fakes import FakeDirectories, FakeStore

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
SEARCH = Search("", "(description=shared-mailbox)", None, "sub", ("cn", "mail"))
PEOPLE = {1: {4: "berta", 5: "carol", 6: "dora", 7: "emil"}, 2: {4: "berta", 8: "fritz"}}
LAX = Limits(removals=Share(percent=100, floor=100))


def listing(*logins: str) -> Source:
    """Give a list of logins."""
    return Source(kind="users", value=", ".join(logins), logins=logins)


def box(*sources: Source, **parts: object) -> Mailbox:
    """Give support@ with these sources, no exclusion and no limit."""
    return mailbox(**({"sources": sources or (SUPPORT,), "exclude": (), "limits": LAX} | parts))


@dataclass(kw_only=True)
class Site:
    """One ledger, one directory and one Open-Xchange, and what is configured at the time."""

    ledger: Ledger
    directory: FakeDirectories = field(default_factory=FakeDirectories)
    store: FakeStore = field(
        default_factory=lambda: FakeStore(people={cid: dict(some) for cid, some in PEOPLE.items()})
    )
    boxes: tuple[Mailbox, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    now: datetime = NOON
    more: dict[str, Any] = field(default_factory=dict)
    """Further fields of the reconciler."""

    def reconciler(self) -> Reconciler:
        """Give what runs."""
        return Reconciler(
            mailboxes=self.boxes,
            configured=self.boxes,
            patterns=self.patterns,
            directory=cast("Directories", self.directory),
            store=cast("AccountStore", self.store),
            ledger=self.ledger,
            clock=lambda: self.now,
            **self.more,
        )

    def run(self, *only: MailboxRef) -> Report:
        """Make one run."""
        return self.reconciler().run(only, wait=0)

    def plan(self, *only: MailboxRef) -> Report:
        """Make a plan."""
        return self.reconciler().plan(only)

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def holders(self, address: str = ADDRESS, context: int = 1) -> set[int]:
        """Give the users with an account."""
        return self.store.holders(context, address)

    def found(self, *names: str) -> None:
        """Let the search find groups by name, for NAME@x.org."""
        self.directory.found[SEARCH] = tuple(
            Found(f"cn={cn},dc=x", f"cn={cn},dc=x", {"cn": (cn,), "mail": (f"{cn}@x.org",)}) for cn in names
        )
