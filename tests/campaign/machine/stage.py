"""Where worlds are, one after the other, and the process that makes the runs which are killed in them."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from syncd.core.model import MailboxRef
from syncd.openxchange import playground
from syncd.settings.loading import load
from syncd.wiring import open_ledger
from tests.campaign.machine.model import BOXES, DESK, USERS
from tests.e2e.station import Preloaded, Row, Station, Tables

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
_PEOPLE = ("user", "login2user", "groups", "groups_member")


class Stage(Station):
    """A place for worlds in which users change, too.

    Attributes:
        configured: what the configuration file was written for.
    """

    configured: object = None

    def rows(self, statement: str) -> list[Row]:
        """Read from Open-Xchange's database; without SQLAlchemy where that is a file, since it is done so often."""
        if not self.sqlite:
            return super().rows(statement)
        with contextlib.closing(sqlite3.connect(self.files / "ox.db")) as connection:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def tables(self) -> Tables:
        """Give all rows that are put back."""
        return {**super().tables(), **{table: self.rows(f"SELECT * FROM {table}") for table in _PEOPLE}}


class Children(Preloaded):
    """The process of `child.py`."""

    def __enter__(self) -> Children:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.campaign.machine.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self


def build(station: Station) -> None:
    """Fill a world before its first run, and remember it."""
    with station.engine.begin() as connection:
        for context in (1, 2):
            playground.add_context(connection, context)
            people = [(user, login, f"u{user}@example.org") for user, login in USERS[context].items()]
            playground.add_users(connection, context, people)
            playground.add_group(connection, context, DESK, "desk", {1: (5, 9), 2: (4,)}[context])
    station.configure(*(box.mapping(station.secret) for box in BOXES))
    with open_ledger(load(station.config)) as ledger:
        ledger.register([(MailboxRef(*box.ref), box.address) for box in BOXES], at=NOON)
    station.remember()
