"""A process that makes runs in forked children, which end at a moment that an order names; see `tests.e2e.preloaded`.

An order has the configuration, the time, the directory's server, what goes wrong with it, and behind which statement,
write or commit of writes (`kill`) the child kills itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

import syncd.ledger.schema
import syncd.run
from syncd.apply import Writer
from syncd.errors import SyncdError
from syncd.settings.loading import Settings
from syncd.telemetry.logging import configure
from syncd.wiring import session
from tests.campaign.machine.directory import Fault
from tests.campaign.machine.scene import directory
from tests.e2e.preloaded import Moments, serve

BATCH = 2
"""Accounts in a transaction, so that a run has many moments."""


class Commits(Moments):
    """Counts commits of writes only."""

    def _executed(self, connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._writing.add(id(connection.dialect))


def make_run(order: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Make one run in this process; give the errors of systems that it met."""
    syncd.run.Writer = partial(Writer, batch=BATCH)  # type: ignore[assignment, attr-defined]
    configure(format="json", level="critical")
    told: dict[str, Any] = {"errors": [], "failed": []}
    now = datetime.fromisoformat(order["now"])
    what, number = order["kill"]
    (Commits if what == "commit" else Moments)(number, every=what == "statement")
    try:
        with session(settings) as instance:
            reconciler = replace(instance.reconciler, clock=lambda: now)
            fault = order["fault"]
            reconciler.directory = directory(settings, order["server"], Fault(*fault) if fault else None)
            report = reconciler.run(wait=0.0)
            told["errors"] = list(report.errors)
            told["failed"] = [outcome.error for outcome in report.outcomes if outcome.result == "failed"]
    except SyncdError as error:
        told["errors"] = [str(error)]
    return told


if __name__ == "__main__":
    serve(make_run)
