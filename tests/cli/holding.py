"""A small world for what limits hold: SQLite as Open-Xchange, an export as the directory, all else real."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from syncd.openxchange import playground
from tests.e2e.station import BASE, Station
from tests.e2e.world import Done, invoke

SUPPORT = "support@mycompany.com"
SALES = "sales@mycompany.com"
ACCOUNT = {"name": "Team", "login": "team", "mail": {"server": "imap.mycompany.com", "port": 143}}
PEOPLE = {user: f"uid=u{user},{BASE}" for user in range(3, 23)}


class Holding:
    """The users 3 to 22 of context 1, and the group of support@ (and one of sales@, where it is mapped)."""

    def __init__(self, folder: Path) -> None:
        self.station = Station(folder)
        with self.station.engine.begin() as connection:
            playground.add_context(connection, 1)
            playground.add_users(connection, 1, [(user, f"u{user}", f"u{user}@mycompany.com") for user in PEOPLE])
        self.configure()

    def configure(self, *names: str, account: dict[str, Any] | None = None, **sections: Any) -> None:
        """Map groups by name, support by default, to mailboxes; sections are top-level sections."""
        self.station.configure(
            *(
                {
                    "mailbox": f"{name}@mycompany.com",
                    "context": 1,
                    "sources": [{"group": f"cn={name},{BASE}"}],
                    "account": {**ACCOUNT, **(account or {})},
                }
                for name in names or ("support",)
            ),
            **sections,
        )

    def members(self, support: Iterable[int], sales: Iterable[int] = ()) -> None:
        """Give the groups exactly these members."""
        self.station.directory(PEOPLE, {"support": support, "sales": sales})

    def filled(self, count: int = 8) -> None:
        """Bring the first users into support@, longer ago than limits count."""
        self.members(range(3, 3 + count))
        assert self.syncd("sync").code == 0
        self.ledger("UPDATE journal SET at = at - 25 * 3600 * 1000")

    def held(self, *members: int) -> str:
        """Leave these members, which a run holds; give the digest."""
        self.members(members)
        assert self.syncd("sync").code == 4
        return self.digest()

    def digest(self) -> str:
        """Give the digest of the only plan that is held."""
        [plan] = self.syncd("held", "--output", "json").document["held"]
        return str(plan["digest"])

    def plan(self) -> dict[str, Any]:
        """Give the only plan that is held."""
        [plan] = self.syncd("held", "--output", "json").document["held"]
        return dict(plan)

    def syncd(self, *words: str) -> Done:
        """Run a command."""
        return invoke(*words, "-c", str(self.station.config))

    def users(self, address: str = SUPPORT) -> set[int]:
        """Give who has the mailbox."""
        return {user for _, user, mailbox, secondary in self.station.accounts() if mailbox == address and secondary}

    def ledger(self, statement: str) -> list[tuple[Any, ...]]:
        """Read from the ledger, or change it."""
        path = self.station.files / "ledger.db"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            return connection.execute(statement).fetchall()

    def journal(self, *ops: str) -> list[tuple[Any, ...]]:
        """Give path and reason of the journal's entries of these operations, oldest first."""
        some = ", ".join(f"'{op}'" for op in ops)
        return self.ledger(f"SELECT op, path, reason FROM journal WHERE op IN ({some}) ORDER BY seq")
