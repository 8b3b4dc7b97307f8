"""A process that makes runs in forked children, which end at a moment that an order names; see `tests.e2e.preloaded`.

An order has the configuration, the time, the directory's server, what goes wrong with it, and behind which statement,
write or commit of writes (`kill`) the child kills itself.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
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
from tests.e2e.preloaded import Moments, loaded

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


def main() -> None:
    """Answer orders until standard input ends."""
    gc.freeze()  # children shall not touch, and so copy, what they share with this process
    for line in sys.stdin:
        order = json.loads(line)
        settings = loaded(order["config"], Path(order["config"]).stat().st_mtime_ns)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reader)
                os.dup2(2, 1)  # standard output is the parent's
                with os.fdopen(writer, "w") as answer:
                    json.dump(make_run(order, settings), answer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader) as answer:
            told = answer.read()
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        result: dict[str, Any] = {"killed": killed}
        if not killed and status:
            result["crashed"] = status
        print(json.dumps({**(json.loads(told) if told else {}), **result}), flush=True)


if __name__ == "__main__":
    main()
