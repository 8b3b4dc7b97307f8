"""Tell Prometheus what became of the runs.

The rules kept here: everything is set from a run's report in one place; an attempt, a success and a complete read are
three different times; a number that was never measured is absent, not 0; the only labels whose values are not known
beforehand are mailbox and context, which the configuration bounds, together with what its patterns discover. What
counts as success is left to `core.verdict`.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from typing import NamedTuple, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from syncd.core.changes import Direction, Judgement, Op, Report
from syncd.core.model import MailboxRef
from syncd.core.reads import Cause
from syncd.core.verdict import Result, holds, result_of

_LABELS = ("mailbox", "context")
PHASES = ("directory", "users", "observe", "ledger", "plan", "apply", "record")
_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_STANDING = ("withheld", "dangling", "unresolved", "held")


class _Box(NamedTuple):
    """What is known of one mailbox after the last run that looked at it."""

    labels: tuple[str, str]
    values: tuple[float, ...]
    """One for each row of `_MAILBOX`; the judgement itself would keep a whole plan alive."""
    read: float | None
    """When its sources were last read to the end, seconds since 1970; None = not since the start."""
    since: Mapping[str, float]
    """Kind of trouble → since when it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Everything that is shown as a gauge; replaced as a whole, so that no scrape sees half a report."""

    attempt: float | None = None
    success: float | None = None
    failure: float | None = None
    interval: float | None = None
    reload_ok: bool | None = None
    reload_at: float | None = None
    discovered: int | None = None
    discovery_complete: bool | None = None
    problems: int | None = None
    boxes: Mapping[MailboxRef, _Box] = field(default_factory=dict)
    orphans: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Metrics:
    """Hold the metrics of one process; every method may be called from any thread."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register all metrics with `registry`, or with one of its own."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, of no use here
        self._registry = registry or CollectorRegistry()
        self._state = _State()
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
        self._registry.register(_Gauges(lambda: self._state))
        ProcessCollector(namespace="syncd", registry=self._registry)

    def publish(self, report: Report) -> None:
        """Set everything from the report of a run; the report of a plan is ignored.

        A mailbox that is not in the report is forgotten, unless the report is partial, has errors, or does not know
        all mailboxes: then nothing is known about it.
        """
        if not report.applied:
            return
        result = result_of(report)
        self._count(report, result)
        with self._lock:
            self._state = _after(self._state, report, result)

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

    def _count(self, report: Report, result: Result) -> None:
        self._runs.labels(result.value).inc()
        for outcome in report.outcomes:
            self._changes.labels(outcome.change.op.value, outcome.result).inc()
        adopted = sum(len(j.plan.adopted) for j in report.judgements if Direction.ADDITIONS not in j.held)
        self._changes.labels("adopt", "applied").inc(adopted)
        for cause in chain(report.causes, *(judgement.plan.causes for judgement in report.judgements)):
            self._incomplete.labels(cause).inc()
        self._untold.inc(report.uninvalidated)
        self._duration.observe(max(0.0, (report.finished - report.started).total_seconds()))
        for phase, seconds in report.phases.items():
            self._phases.labels(phase).observe(seconds)


def _after(state: _State, report: Report, result: Result) -> _State:
    finished = report.finished.timestamp()
    boxes = {judgement.plan.mailbox.ref: _box(judgement, report, state) for judgement in report.judgements}
    if report.partial or report.errors or report.undiscovered:
        boxes = {**state.boxes, **boxes}
    orphans = {(orphan.address, str(orphan.context)): orphan.claimed for orphan in report.orphans}
    found = sum(bool(judgement.plan.mailbox.pattern) for judgement in report.judgements)
    known = bool(report.judgements) or not report.errors  # a run that Open-Xchange ended at once knows nothing of it
    good = result in {Result.OK, Result.HELD}  # a limit that holds is no failure of the run
    return replace(
        state,
        attempt=max(state.attempt or 0.0, report.started.timestamp()),
        success=finished if good and not report.partial else state.success,
        failure=finished if result is Result.FAILED else state.failure,
        discovered=found if known and not report.partial else state.discovered,
        discovery_complete=not report.undiscovered if known else state.discovery_complete,
        problems=len(report.problems) if known else state.problems,
        boxes=boxes,
        orphans={**state.orphans, **orphans} if report.partial else orphans,
    )


def _box(judgement: Judgement, report: Report, before: _State) -> _Box:
    mailbox = judgement.plan.mailbox
    known = before.boxes.get(mailbox.ref)
    read = report.finished.timestamp() if judgement.plan.complete else known.read if known else None
    oldest = {kind: report.oldest(kind, mailbox.ref) for kind in _STANDING}
    since = {kind: at.timestamp() for kind, at in oldest.items() if at is not None}
    values = tuple(float(value(judgement)) for _, _, value in _MAILBOX)
    return _Box((mailbox.address, str(mailbox.context)), values, read, since)


def _version() -> str:
    try:
        return version("syncd")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


# name, help, what of the state; None = never measured, then the series is absent
_PROCESS: tuple[tuple[str, str, Callable[[_State], float | None]], ...] = (
    ("syncd_last_attempt_timestamp_seconds", "When the last run began.", lambda s: s.attempt),
    (
        "syncd_last_success_timestamp_seconds",
        "When the last run ended that read everything and failed nowhere; a limit may hold something.",
        lambda s: s.success,
    ),
    ("syncd_last_failure_timestamp_seconds", "When the last run ended that failed.", lambda s: s.failure),
    ("syncd_schedule_interval_seconds", "How much time the schedule leaves between two runs.", lambda s: s.interval),
    (
        "syncd_configuration_reload_successful",
        "Whether the configuration was good when it was last loaded; if not, the one before is in force.",
        lambda s: None if s.reload_ok is None else float(s.reload_ok),
    ),
    (
        "syncd_configuration_reload_timestamp_seconds",
        "When the configuration in force was loaded.",
        lambda s: s.reload_at,
    ),
    (
        "syncd_discovered_mailboxes",
        "Mailboxes of the last run that patterns stand for, each context for itself.",
        lambda s: s.discovered,
    ),
    (
        "syncd_discovery_complete",
        "Whether the last run read what says which mailboxes there are to the end.",
        lambda s: None if s.discovery_complete is None else float(s.discovery_complete),
    ),
    ("syncd_problems", "What patterns could not make a mailbox of at the last run.", lambda s: s.problems),
)

_MAILBOX: tuple[tuple[str, str, Callable[[Judgement], float]], ...] = (
    (
        "syncd_mailbox_complete",
        "Whether the last run read the mailbox's sources to the end.",
        lambda j: j.plan.complete,
    ),
    ("syncd_desired_accounts", "Accounts that should exist.", lambda j: j.plan.desired),
    (
        "syncd_observed_accounts",
        "Accounts that the last run found, before its changes.",
        lambda j: j.plan.observed,
    ),
    (
        "syncd_claimed_accounts",
        "Accounts that were ours at the last run, before its changes.",
        lambda j: j.plan.claimed,
    ),
    (
        "syncd_unresolved_members",
        "Members without an unambiguous Open-Xchange user.",
        lambda j: len(j.plan.unresolved),
    ),
    ("syncd_dangling_members", "Members whose entry is gone.", lambda j: len(j.plan.dangling)),
    ("syncd_conflicts", "Accounts of somebody else in our place.", lambda j: len(j.plan.conflicts)),
    (
        "syncd_withheld_changes",
        "Changes not made because something was not known for certain.",
        lambda j: len(j.plan.withheld),
    ),
    ("syncd_waiting_changes", "Changes not made yet: grace.", lambda j: len(j.plan.waiting)),
    (
        "syncd_drifted_accounts",
        "Accounts whose primary account has moved since.",
        lambda j: len(j.plan.drift),
    ),
    ("syncd_held_plans", "Whether a limit holds something of the mailbox.", lambda j: bool(j.held)),
    ("syncd_held_changes", "Changes and adoptions that a limit holds.", holds),
)


class _Gauges(Collector):
    """Give the gauges of the state of the moment; what left the state leaves the scrape."""

    def __init__(self, state: Callable[[], _State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        for name, text, value in _PROCESS:
            if (number := value(state)) is not None:
                yield GaugeMetricFamily(name, text, value=number)
        for position, (name, text, _) in enumerate(_MAILBOX):
            family = GaugeMetricFamily(name, text, labels=_LABELS)
            for box in state.boxes.values():
                family.add_metric(box.labels, box.values[position])
            yield family
        yield from _times(state)
        orphans = GaugeMetricFamily(
            "syncd_orphaned_claims",
            "Accounts still claimed for a mailbox that left the configuration.",
            labels=_LABELS,
        )
        for labels, claimed in state.orphans.items():
            orphans.add_metric(labels, claimed)
        yield orphans


def _times(state: _State) -> Iterator[Metric]:
    read = GaugeMetricFamily(
        "syncd_last_complete_read_timestamp_seconds",
        "When the mailbox's sources were last read to the end.",
        labels=_LABELS,
    )
    since = GaugeMetricFamily(
        "syncd_standing_since_timestamp_seconds",
        "Since when the oldest of what is withheld, held, dangling or unresolved stands.",
        labels=(*_LABELS, "kind"),
    )
    for box in state.boxes.values():
        if box.read is not None:
            read.add_metric(box.labels, box.read)
        for kind, at in box.since.items():
            since.add_metric((*box.labels, kind), at)
    yield read
    yield since
