"""A process that has imported everything and makes each run in a forked child, which it ends where a test says.

It reads orders from standard input and writes what became of them to standard output, one JSON object a line. An order
names the configuration, how many accounts go into a batch, and at most one of these:

| key  | the child                                                                              |
|------|----------------------------------------------------------------------------------------|
| kill | kills itself (SIGKILL) at the n-th moment                                               |
| full | finds the disk full once the ledger has grown by n pages                                |

Moments are counted in both databases together: after every statement that writes and after every commit of such
statements; with `every` also after those that only read, and before commits. Killing itself is left to the child, so
that it happens exactly there, and so that nothing of it is in the product.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.default import DefaultDialect

import syncd.ledger.schema
import syncd.run
from syncd.apply import Writer
from syncd.errors import SyncdError
from syncd.settings.loading import Settings, load
from syncd.telemetry.logging import configure
from syncd.wiring import session


class Moments:
    """Counts the moments of a run and ends the process at one of them."""

    def __init__(self, last: int | None, *, every: bool) -> None:
        self.count = 0
        self._last = last
        self._every = every
        self._writing: set[int] = set()
        sa.event.listen(sa.Engine, "after_cursor_execute", self._executed)
        commit: Callable[[Any, Any], None] = DefaultDialect.do_commit

        def counted(dialect: Any, connection: Any) -> None:
            self._passed(self._every)
            commit(dialect, connection)
            self._passed(self._every or id(dialect) in self._writing)
            self._writing.discard(id(dialect))

        DefaultDialect.do_commit = counted  # type: ignore[method-assign]

    def _executed(self, connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        writes = statement.startswith(("INSERT", "UPDATE", "DELETE"))
        if writes:
            self._writing.add(id(connection.dialect))
        self._passed(self._every or writes)

    def _passed(self, counts: bool) -> None:
        self.count += counts
        if counts and self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def fill(ledger: str, pages: int) -> None:
    """Let the ledger's file grow by so many pages and no more, from now on."""

    def limit(connection: Any, _record: object) -> None:
        if connection.execute("PRAGMA database_list").fetchone()[2] == ledger:
            connection.execute(f"PRAGMA max_page_count = {size + pages}")

    size = Path(ledger).stat().st_size // 4096
    sa.event.listen(sa.Engine, "connect", limit)


@cache
def loaded(config: str, _version: int) -> Settings:
    """Load a configuration once, since that takes as long as a run on it."""
    return load(Path(config))


def make_run(order: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Make one run in this process; give what it counted, and how it ended if it was an error."""
    syncd.run.Writer = partial(Writer, batch=order.get("batch", 3))  # type: ignore[attr-defined]
    configure(format="json", level="error")
    moments = Moments(order.get("kill"), every=bool(order.get("every")))
    if "full" in order:
        fill(settings.ledger.url.removeprefix("sqlite:///"), order["full"])
    told: dict[str, Any] = {"errors": []}
    try:
        with session(settings) as instance:
            report = instance.reconciler.run(wait=0.0)
            told["errors"] = list(report.errors)
            told["failed"] = [outcome.error for outcome in report.outcomes if outcome.result == "failed"]
            told["changes"] = len(report.outcomes)
            told["conflicts"] = sorted(n.user or 0 for j in report.judgements for n in j.plan.conflicts)
    except SyncdError as error:
        told["errors"] = [str(error)]
    return {**told, "moments": moments.count}


def serve(make: Callable[[dict[str, Any], Settings], dict[str, Any]]) -> None:
    """Answer orders until standard input ends, each by what `make` gives in a child of its own."""
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
                    json.dump(make(order, settings), answer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader) as answer:
            told = answer.read()
        status = os.waitpid(child, 0)[1]
        result = {"killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL}
        if not result["killed"] and status:
            result["crashed"] = status
        print(json.dumps({**(json.loads(told) if told else {}), **result}), flush=True)


if __name__ == "__main__":
    serve(make_run)
