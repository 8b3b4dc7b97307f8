"""A small world for what persons decide: pins, undo, history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.holding import ACCOUNT, SUPPORT, Holding
from tests.e2e.station import BASE
from tests.e2e.world import Done, invoke


class Place(Holding):
    """Users 3 to 22 of context 1; 3 and 4 are members of support@ and have it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.members([3, 4])
        assert self.syncd("sync").code == 0

    def account(self, command: str, *words: str, address: str = SUPPORT) -> Done:
        """Run `syncd account` for the mailbox."""
        return invoke("account", command, "--config", str(self.station.config), "-c", "1", "-e", address, *words)

    def pins(self) -> dict[int, dict[str, Any]]:
        """Give what is pinned, by user."""
        told = invoke("account", "pins", "--config", str(self.station.config), "--output", "json").document["pins"]
        return {one["user"]: one for one in told}

    def claims(self) -> dict[int, int]:
        """Give who has an account of ours: user → id."""
        return {user: one for user, (one, held) in self.station.claims().get((1, SUPPORT), {}).items() if held}

    def ids(self, address: str = SUPPORT) -> dict[int, int]:
        """Give who has a secondary account: user → id."""
        return {
            place[1]: rows[0]["id"]
            for place, rows in self.station.accounts().items()
            if place[2] == address and place[3]
        }

    def sync(self) -> dict[str, int]:
        """Make a run, which must succeed; give what it did."""
        done = self.syncd("sync", "--output", "json")
        assert done.code == 0, (done.err, done.out)
        return {name: count for name, count in done.summary.items() if name != "unchanged"}

    def quiet(self) -> bool:
        """Tell whether a run finds nothing to do."""
        return self.sync() == {}

    def time_passes(self) -> None:
        """Let the time of all pins come."""
        self.ledger("UPDATE pins SET until = until - 40 * 86400000")

    def map(self, **changes: Any) -> None:
        """Write the configuration with another mapping of support@."""
        source = {"group": f"cn=support,{BASE}"}
        mapping = {"mailbox": SUPPORT, "context": 1, "sources": [source], "account": ACCOUNT}
        self.station.configure(mapping | changes)

    # ------------------------------------------------------------------ what is undone

    def entry(self, op: str, user: int | None = None) -> str:
        """Give the number of the last entry of an operation (about a user)."""
        whose = "" if user is None else f" AND user = {user}"
        return str(self.ledger(f"SELECT MAX(seq) FROM journal WHERE op = '{op}'{whose}")[0][0])

    def run(self) -> str:
        """Give the id of the last run that did something."""
        found = self.ledger("SELECT run FROM journal WHERE run <> '' AND op <> 'conclude' ORDER BY seq DESC LIMIT 1")
        return str(found[0][0])

    def undo(self, what: str, *words: str) -> Done:
        """Run `syncd undo`."""
        return self.syncd("undo", what, *words)

    def account_of(self, user: int, address: str = SUPPORT) -> dict[str, list[dict[str, Any]]]:
        """Give the rows of a user's account by table, without what another id or a new cipher changes."""
        account = self.ids(address)[user]
        return {
            table: [
                {name: value for name, value in row.items() if name not in {"id", "password"}}
                for row in rows
                if (row.get("user"), row.get("id")) == (user, account)
            ]
            for table, rows in self.station.tables().items()
            if table != "sequence_mail_service"
        }
