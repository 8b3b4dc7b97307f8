"""Tell Prometheus what became of the runs.

The rules kept here: everything is set from a run's report in one place; an attempt, a success and a complete read are
three different times; a number that was never measured is absent, not 0; the only labels whose values are not known
beforehand are mailbox and context, which the configuration bounds, together with what its patterns discover. What
counts as success is left to `core.verdict`.
"""

from __future__ import annotations

import platform
import threading
from dataclasses import replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from syncd.core.changes import Op, Report
from syncd.core.reads import Cause
from syncd.core.verdict import Result, result_of, summary
from syncd.telemetry.gauges import Decided, Gauges, State, after

PHASES = ("directory", "users", "observe", "ledger", "plan", "apply", "record")
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
CHANNELS = ("webhook", "mail")


class Metrics:
    """Hold the metrics of one process; every method may be called from any thread."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics with `registry`, or with one of its own."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use here
        self._registry = registry or CollectorRegistry()
        self._state = State()
        self._lock = threading.Lock()
        build = Info("syncd_build", "Version of syncd and of the Python that runs it.", registry=self._registry)
        build.info({"version": _version(), "python": platform.python_version()})
        self._runs = Counter("syncd_runs", "Runs by result.", ["result"], registry=self._registry)
        self._changes = Counter(
            "syncd_changes",
            "Changes made to Open-Xchange and accounts adopted, by operation and result.",
            ["operation", "result"],
            registry=self._registry,
        )
        self._incomplete = Counter(
            "syncd_incomplete_reads",
            "Sources and searches that a run could not read to their end, by reason; with several reasons under each.",
            ["reason"],
            registry=self._registry,
        )
        self._untold = Counter(
            "syncd_changes_written_without_invalidation",
            "Changes written by SQL that Open-Xchange was not told of, so that users may see them late.",
            registry=self._registry,
        )
        self._notices = Counter(
            "syncd_notices",
            "Held plans that people were told of, and tries to tell them that failed, by channel.",
            ["channel", "result"],
            registry=self._registry,
        )
        self._duration = Histogram(
            "syncd_run_duration_seconds", "Length of a run.", registry=self._registry, buckets=_BUCKETS
        )
        self._phases = Histogram(
            "syncd_phase_duration_seconds",
            "Length of the phases of a run.",
            ["phase"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._show_zeros()
        self._registry.register(Gauges(lambda: self._state))
        ProcessCollector(namespace="syncd", registry=self._registry)

    def publish(self, report: Report, decided: Decided = Decided()) -> None:  # noqa: B008 - a value
        """Set everything from the report of a run, and what persons decided; the report of a plan is ignored.

        A mailbox that is not in the report is forgotten, unless the report is partial, has errors, or does not know
        all mailboxes: then nothing is known about it.
        """
        if not report.applied:
            return
        result = result_of(report)
        self._count(report, result)
        with self._lock:
            self._state = after(self._state, report, result, decided)

    def attempt(self, at: datetime) -> None:
        """Note that a run begins."""
        with self._lock:
            self._state = replace(self._state, attempt=at.timestamp())

    def failed(self, at: datetime) -> None:
        """Note that a run ended without a report, by an error of a system."""
        self._runs.labels(Result.FAILED.value).inc()
        with self._lock:
            self._state = replace(self._state, failure=at.timestamp())

    def reloaded(self, ok: bool, at: datetime) -> None:
        """Note whether the configuration could be loaded; a refused one leaves the time of the last good one."""
        with self._lock:
            loaded = at.timestamp() if ok else self._state.reload_at
            self._state = replace(self._state, reload_ok=ok, reload_at=loaded)

    def notified(self, channel: str, told: int, *, failed: bool) -> None:
        """Note how many held plans people were told of by a channel, and whether something went wrong."""
        self._notices.labels(channel, "told").inc(told)
        self._notices.labels(channel, "failed").inc(int(failed))

    def scheduled(self, every: float) -> None:
        """Note how many seconds lie between two runs; the alert rules measure age by it."""
        with self._lock:
            self._state = replace(self._state, interval=every)

    def render(self) -> tuple[bytes, str]:
        """Give all metrics in Prometheus' text format 0.0.4, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4

    def _show_zeros(self) -> None:
        """Let counters exist before they count: `increase()` does not see a series' first value."""
        for result in Result:
            self._runs.labels(result.value)
        for operation in (*Op, "adopt"):
            for outcome in ("applied", "failed"):
                self._changes.labels(str(operation), outcome)
        for cause in get_args(Cause):
            self._incomplete.labels(cause)
        for phase in PHASES:
            self._phases.labels(phase)
        for channel in CHANNELS:
            self.notified(channel, 0, failed=False)

    def _count(self, report: Report, result: Result) -> None:
        self._runs.labels(result.value).inc()
        for outcome in report.outcomes:
            self._changes.labels(outcome.change.op.value, outcome.result).inc()
        self._changes.labels("adopt", "applied").inc(summary(report)["adopted"])
        for cause in chain(report.causes, *(judgement.plan.causes for judgement in report.judgements)):
            self._incomplete.labels(cause).inc()
        self._untold.inc(report.uninvalidated)
        self._duration.observe(max(0.0, (report.finished - report.started).total_seconds()))
        for phase, seconds in report.phases.items():
            self._phases.labels(phase).observe(seconds)


def _version() -> str:
    try:
        return version("syncd")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
