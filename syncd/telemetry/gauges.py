"""The gauges: what is known after the last run, of the process and of each mailbox.

The rules kept here: what is shown is one value, replaced as a whole, so that no scrape sees half a report; a number
that was never measured is absent, not 0; a mailbox that left the state leaves the scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from syncd.core.changes import Judgement, Report
from syncd.core.model import Mailbox, MailboxRef
from syncd.core.verdict import Result, holds

_LABELS = ("mailbox", "context")
_STANDING = ("withheld", "dangling", "unresolved", "held")


class Decided(NamedTuple):
    """What persons decided that a report does not say."""

    rejected: frozenset[MailboxRef] = frozenset()
    """Mailboxes whose held plan is not wanted."""
    paused: frozenset[MailboxRef | None] = frozenset()
    """Mailboxes to which nothing is applied for a while; None = all."""


class _Box(NamedTuple):
    """What is known of one mailbox after the last run that looked at it."""

    labels: tuple[str, str]
    values: tuple[float, ...]
    """One for each row of `_MAILBOX`; the judgement itself would keep a whole plan alive."""
    read: float | None
    """When its sources were last read to the end, seconds since 1970; None = not since the start."""
    since: Mapping[str, float]
    """Kind of trouble → since when it stands."""
    returned: int
    """Members who were absent for a while, since the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
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
    deferred: int | None = None
    boxes: Mapping[MailboxRef, _Box] = field(default_factory=dict)
    orphans: Mapping[tuple[str, str], int] = field(default_factory=dict)


def after(state: State, report: Report, result: Result, decided: Decided) -> State:
    """Give the state after a run; a mailbox that is not in a report that may lack some stays as it was."""
    finished = report.finished.timestamp()
    boxes = {judgement.plan.mailbox.ref: _box(judgement, report, state, decided) for judgement in report.judgements}
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
        deferred=report.deferred,
        boxes=boxes,
        orphans={**state.orphans, **orphans} if report.partial else orphans,
    )


def _box(judgement: Judgement, report: Report, before: State, decided: Decided) -> _Box:
    mailbox = judgement.plan.mailbox
    known = before.boxes.get(mailbox.ref)
    read = report.finished.timestamp() if judgement.plan.complete else known.read if known else None
    oldest = {kind: report.oldest(kind, mailbox.ref) for kind in _STANDING}
    since = {kind: at.timestamp() for kind, at in oldest.items() if at is not None}
    values = [value(judgement) for _, _, value in _MAILBOX] + [value(mailbox, decided) for _, _, value in _DECIDED]
    returned = len(judgement.plan.returned) + (known.returned if known else 0)
    return _Box((mailbox.address, str(mailbox.context)), tuple(map(float, values)), read, since, returned)


# name, help, what of the state; None = never measured, then the series is absent
_PROCESS: tuple[tuple[str, str, Callable[[State], float | None]], ...] = (
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
    ("syncd_deferred_changes", "Changes that the brake left to the next run.", lambda s: s.deferred),
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
    ("syncd_held_plans", "Whether a limit holds something of the mailbox.", lambda j: bool(j.held) and not j.idle),
    ("syncd_held_changes", "Changes and adoptions that a limit holds.", holds),
    (
        "syncd_mailbox_idle",
        "Whether nothing is applied to the mailbox now: paused, staging, or not yet its turn in a rollout.",
        lambda j: bool(j.idle),
    ),
    (
        "syncd_idle_changes",
        "Changes and adoptions not made because the mailbox is idle.",
        lambda j: len(j.plan.changes) + len(j.plan.adopted) if j.idle else 0,
    ),
    (
        "syncd_mailbox_staging",
        "Whether the configuration only lets look at the mailbox.",
        lambda j: j.plan.mailbox.staging,
    ),
)

_DECIDED: tuple[tuple[str, str, Callable[[Mailbox, Decided], float]], ...] = (
    (
        "syncd_mailbox_paused",
        "Whether a person paused the mailbox, or all.",
        lambda mailbox, decided: bool({mailbox.ref, None} & decided.paused),
    ),
    (
        "syncd_rejected_plans",
        "Whether a person rejected what a limit holds of the mailbox.",
        lambda mailbox, decided: mailbox.ref in decided.rejected,
    ),
)


class Gauges(Collector):
    """Give the gauges of the state of the moment; what left the state leaves the scrape."""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        for name, text, value in _PROCESS:
            if (number := value(state)) is not None:
                yield GaugeMetricFamily(name, text, value=number)
        for position, (name, text) in enumerate([(name, text) for name, text, _ in (*_MAILBOX, *_DECIDED)]):
            family = GaugeMetricFamily(name, text, labels=_LABELS)
            for box in state.boxes.values():
                family.add_metric(box.labels, box.values[position])
            yield family
        returned = CounterMetricFamily(
            "syncd_returned_members", "Members who were absent at a complete read and came back.", labels=_LABELS
        )
        for box in state.boxes.values():
            returned.add_metric(box.labels, box.returned)
        yield returned
        yield from _times(state)
        orphans = GaugeMetricFamily(
            "syncd_orphaned_claims",
            "Accounts still claimed for a mailbox that left the configuration.",
            labels=_LABELS,
        )
        for labels, claimed in state.orphans.items():
            orphans.add_metric(labels, claimed)
        yield orphans


def _times(state: State) -> Iterator[Metric]:
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
