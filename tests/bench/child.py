"""The measured process: run configurations on demand, as the daemon would, and tell what it cost.

Reads the number of a configuration per line from standard input, runs it, answers with a line of JSON. A process of its
own, so that its peak memory is that of the product alone; it lives on between runs as the daemon does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from syncd.core.model import Source
from syncd.core.reads import DirectoryRead
from syncd.core.verdict import summary
from syncd.directory.directories import Directories
from syncd.openxchange.sharded import ShardedStore
from syncd.openxchange.sql import SqlStore
from syncd.options import directory_options
from syncd.settings.loading import load
from syncd.telemetry.logging import configure
from syncd.wiring import Instance, session


class CountingDirectories(Directories):
    """Remember how many operations the last read took."""

    operations = 0

    def read(self, sources: Collection[Source], **more: Any) -> DirectoryRead:
        """Read as ever."""
        read = super().read(sources, **more)
        self.operations = read.operations
        return read


class Measured:
    """One configuration with its counters."""

    def __init__(self, instance: Instance) -> None:
        assert isinstance(instance.store, SqlStore | ShardedStore)
        self._store = instance.store
        self._reconciler = instance.reconciler
        self._directory = CountingDirectories(directory_options(instance.settings))
        self._reconciler.directory = self._directory
        self._ledger_statements = 0
        sa.event.listen(instance.ledger._database._engine, "before_cursor_execute", self._count)

    def _count(self, *_: object) -> None:
        self._ledger_statements += 1

    def run(self) -> dict[str, Any]:
        """Run once."""
        before = self._store.statements
        self._ledger_statements = 0
        cpu, start = time.process_time(), time.perf_counter()
        report = self._reconciler.run(command="run")
        seconds = time.perf_counter() - start
        assert not report.errors, report.errors
        assert report.complete, [judgement.plan.reasons for judgement in report.judgements][:3]
        return {
            "seconds": seconds,
            "cpu": time.process_time() - cpu,
            "phases": dict(report.phases),
            "summary": {name: count for name, count in summary(report).items() if count},
            "operations": self._directory.operations,
            "statements": self._store.statements - before,
            "ledger": self._ledger_statements,
            "peak": peak(),
        }


def peak() -> int:
    """Give the peak resident memory of this process in KiB (proc(5), VmHWM)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def main(configurations: list[str]) -> None:
    """Serve until standard input ends."""
    configure(format="json", level="info")
    with ExitStack() as stack:
        measured = [Measured(stack.enter_context(session(load(Path(path))))) for path in configurations]
        for line in sys.stdin:
            print(json.dumps(measured[int(line)].run()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
