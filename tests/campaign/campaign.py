"""One chapter of a fault campaign: a daemon, real servers behind wires that break, and a judge.

A chapter is a sequence of rounds. In each, people change the directory and the database; then some wire is armed with a
volley of faults, the daemon is asked for a run, and more may change meanwhile. As soon as the run has ended the wires
are calmed and what was written is judged. Every few rounds no wire is armed: after that run everything must be right,
and the next must write nothing.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tests.campaign.daemon import Daemon
from tests.campaign.report import Report
from tests.campaign.rows import LOGIN, Rows
from tests.campaign.town import CONTEXTS, PEOPLE, Town
from tests.campaign.wires import Direction, Fault, Kind, Wires
from tests.e2e.running import until
from tests.e2e.world import World

DIRECTORIES = ("directory", "replica")
UNLIMITED = {"percent": 100, "floor": 1_000_000, "most": "off"}
LIMITS = {"removals": UNLIMITED, "updates": UNLIMITED, "additions": 1_000_000}
"""Nothing is held: a guard that steps in would hide a wrong removal."""
WEIGHTS: dict[Kind, int] = {
    "cut": 20, "reset": 20, "truncate": 18, "delay": 17, "silence": 7, "loss": 8, "refuse": 6, "kill": 4,
}  # fmt: skip
_CLAIMS = "SELECT m.address, c.`user`, c.account, c.held FROM claims c JOIN mailboxes m ON m.id = c.mailbox"
_OPEN = "SELECT COUNT(*) FROM journal WHERE result = 'pending'"


@dataclass(frozen=True, kw_only=True)
class Style:
    """How the connections of a chapter are made."""

    tls: bool
    ledger: bool
    """Whether the ledger is in MariaDB and behind a wire too; else it is a file."""
    replica: bool = False
    """Whether the directory has a second URL, behind a wire of its own."""
    reads: int = 1
    """How many complete reads have to agree on a removal (`grace`)."""

    @property
    def patience(self) -> int:
        """How many runs a quiet world needs to be right; what was read from another server is read once more."""
        return self.reads + self.replica


class Chapter:
    """One daemon in one world, until so many faults have struck."""

    def __init__(self, world: World, style: Style, wires: Wires, chance: random.Random, report: Report) -> None:
        self._world = world
        self._style = style
        self._chance = chance
        self._report = report
        server = world.ldap.server
        self._wires = {
            "directory": wires.wire("directory", server.tls_port if style.tls else server.port),
            "database": wires.wire("database", world.mariadb.port),
        }
        if style.replica:
            self._wires["replica"] = wires.wire("replica", server.tls_port if style.tls else server.port)
        if style.ledger:
            self._wires["ledger"] = wires.wire("ledger", world.mariadb.port)
        self._town = Town(world, chance)
        self._rows = Rows(world, chance)
        self._spans: dict[str, dict[Direction, int]] = {}
        self._claimed: dict[str, dict[int, int]] = {}
        self._before = dict.fromkeys(self._wires, 0)
        self._ledger = self._configure()

    def tell(self, faults: int) -> None:
        """Go on until so many faults have struck.

        Raises:
            AssertionError: the daemon does not come to an end.
        """
        self._daemon = Daemon(self._world.config)
        for wire in self._wires.values():
            wire.kill = self._daemon.kill
        try:
            self._finish()
            self._quiet()
            while self._struck < faults and len(self._report.violations) < 20:
                for _ in range(self._chance.randint(5, 9)):
                    self._round()
                self._quiet()
        finally:
            self._daemon.stop()
            self._close()

    @property
    def _struck(self) -> int:
        return sum(len(wire.struck) for wire in self._wires.values())

    # ------------------------------------------------------------------ rounds

    def _round(self) -> None:
        for _ in range(self._chance.randint(0, 4)):
            self._town.change()
        for _ in range(self._chance.randint(0, 2)):
            self._rows.change()
        for name in self._targets():
            self._wires[name].arm(self._volley(name))
        self._begin()
        if self._chance.random() < 0.4:
            for _ in range(self._chance.randint(1, 3)):
                self._town.change_somebody_else()
            self._rows.add_private(self._chance.choice(list(PEOPLE)), self._chance.choice([1, 2]))
        self._finish()

    def _targets(self) -> Sequence[str]:
        found = self._chance.choices(["directory", "database", "ledger"], [40, 40, 20])[0]
        if found not in self._wires:
            found = "database"
        targets = (found,) if self._chance.random() > 0.15 else ("directory", "database")
        if "replica" in self._wires and "directory" in targets and self._chance.random() < 0.5:
            targets = (*targets, "replica")
        return targets

    def _volley(self, name: str) -> Iterator[Fault]:
        """Give faults one after the other: a directory is asked a second time after the first."""
        for _ in range(self._chance.choices([1, 2, 3], [45, 40, 15])[0]):
            kind = self._chance.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
            if kind == "loss" and not self._style.tls:
                kind = "truncate"  # in the clear nobody could notice what TCP promises not to do
            # of a directory most is read; to a database most is written
            direction: Direction = (
                "requests" if self._chance.random() < (0.3 if name == "directory" else 0.6) else "answers"
            )
            span = self._spans["directory" if name == "replica" else name][direction]
            after = self._chance.randrange(span + 1)
            size = {"delay": self._delay(), "silence": self._chance.uniform(0.2, 1.5)}.get(kind, 0.0)
            yield Fault(kind, direction, after, size or self._chance.randint(1, 400))

    def _delay(self) -> float:
        return self._chance.uniform(1.0, 1.4) if self._chance.random() < 0.15 else self._chance.uniform(0.01, 0.3)

    def _begin(self) -> None:
        self._before = {name: len(wire.struck) for name, wire in self._wires.items()}
        self._claimed = self._claims()
        self._town.begin()
        self._daemon.run()

    def _finish(self) -> dict[str, Any] | None:
        """Wait for the end of a run, calm the wires, and judge what was written."""
        event = self._daemon.ended()
        self._passed = {name: dict(wire.passed) for name, wire in self._wires.items()}
        for wire in self._wires.values():
            wire.calm()
        if event is None:
            until(lambda: not any(wire.connections for wire in self._wires.values()))
        database = self._wires["database"]
        until(lambda: self._rows.settled(database.connections))
        news = self._rows.news()
        for violation in (*self._rows.judge(news, self._claimed, self._town), *self._daemon.odd):
            self._violation(violation)
        self._daemon.odd.clear()
        return event

    # ------------------------------------------------------------------ quiet

    def _quiet(self) -> None:
        """Run without faults: now everything has to be right, and nothing more is to be done."""
        self._spans = {name: {"requests": 0, "answers": 0} for name in self._wires}
        for number in range(self._style.patience):
            self._quiet_run(f"quiet run {number + 1}")
        claimed = self._claims(held=True)
        if claimed != self._claims():
            self._violation("claims are pending after a quiet run")
        for mailbox in CONTEXTS:
            members = self._town.members(mailbox)
            for violation in self._rows.wrong(mailbox, claimed.get(mailbox, {}), members):
                self._violation(violation)
        with self._ledger.connect() as connection:
            if connection.exec_driver_sql(_OPEN).scalar_one():
                self._violation("journal entries are open after a quiet run")
        already = self._rows.rows
        self._quiet_run("the run after")
        if self._rows.rows != already:
            self._violation("a run wrote although there was nothing to do")
        self._report.checks += 1

    def _quiet_run(self, name: str) -> None:
        self._begin()
        event = self._finish()
        for wire, passed in self._passed.items():
            for direction, octets in passed.items():
                self._spans[wire][direction] = max(self._spans[wire][direction], octets)
        if event is None or event.get("result") != "ok":
            self._violation(f"{name} was not ok: {event}; {self._daemon.tail}")

    # ------------------------------------------------------------------ what there is

    def _configure(self) -> sa.Engine:
        """Write the configuration; give the ledger's database."""
        world, tls = self._world, self._style.tls
        scheme = "ldaps" if tls else "ldap"
        password = {"file": str(world.folder / "database.secret")}
        protection: Any = {"ca": str(world.mariadb.ca)} if tls else False

        def mysql(wire: str, schema: str) -> dict[str, Any]:
            url = f"mysql+pymysql://{LOGIN}@127.0.0.1:{self._wires[wire].port}/{schema}"
            return {"url": url, "password": password, "tls": protection}

        directory = {
            "urls": [f"{scheme}://localhost:{self._wires[name].port}" for name in DIRECTORIES if name in self._wires],
            "tls": {"ca": world.ldap.server.ca} if tls else {},
            "timeout": {"connect": "1s", "receive": "1s"},
            "page_size": 4,
        }
        mappings = [
            world.mapping("support", exclude=[world.source("interns")]),
            world.mapping("sales", existing="leave"),
            world.mapping("info", context=2, sources=[{"filter": "(description=info)"}]),
        ]
        sections: dict[str, Any] = {
            "directory": directory,
            "openxchange": {"database": mysql("database", world.schema)},
            "limits": {**LIMITS, "context": LIMITS, "removals_per_run": 1_000_000},
            "grace": {"reads": self._style.reads, "minutes": 0} if self._style.reads > 1 else "off",
            "schedule": {"every": "1h"},
            "http": {"listen": "off"},
        }
        url = f"sqlite:///{world.ledger_path}"
        if self._style.ledger:
            schema = world.mariadb.fresh_database(tables=False)
            sections["ledger"] = mysql("ledger", schema)
            url = f"mysql+pymysql://test:test@127.0.0.1:{world.mariadb.port}/{schema}"
        world.configure(*mappings, **sections)
        return sa.create_engine(
            url, poolclass=sa.NullPool, connect_args={"ssl_disabled": True} if self._style.ledger else {}
        )

    def _claims(self, *, held: bool = False) -> dict[str, dict[int, int]]:
        """Give what the ledger says is the program's: mailbox → user → account id; `held` leaves out pending ones."""
        found: dict[str, dict[int, int]] = {}
        with self._ledger.connect() as connection:
            for address, user, account, is_held in connection.exec_driver_sql(_CLAIMS):
                if is_held or not held:
                    found.setdefault(address, {})[user] = account
        return found

    def _violation(self, what: str) -> None:
        number = self._report.runs.total() + self._daemon.runs.total()
        struck = [
            f"{name} {fault}" for name, wire in self._wires.items() for fault in wire.struck[self._before[name] :]
        ]
        faults = ", ".join(struck) or "no fault"
        self._report.violations.append(f"{self._style}, run {number}, after {faults}: {what}")

    def _close(self) -> None:
        """Add what happened to the report."""
        report = self._report
        for name, wire in self._wires.items():
            report.faults.setdefault(name, Counter()).update(fault.kind for fault in wire.struck)
        report.runs += self._daemon.runs
        report.restarts += self._daemon.restarts
        words = {"I": "create", "U": "update", "D": "delete"}
        report.changes.update({words[op]: count for op, count in self._rows.written.items()})
        with contextlib.suppress(sa.exc.SQLAlchemyError), self._ledger.connect() as connection:
            adopted = connection.exec_driver_sql("SELECT COUNT(*) FROM journal WHERE op = 'adopt'").scalar_one()
            report.changes["adopt"] += int(adopted)
        report.directory += self._town.done
        report.by_hand += self._rows.done
        report.violations += [f"{self._style}: {odd}" for odd in self._daemon.odd]
