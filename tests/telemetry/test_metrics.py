"""Metrics: every number of a report arrives, and nothing that was not measured."""

from __future__ import annotations

import platform
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncd.core.changes import Direction, Op, Orphan, Outcome
from syncd.core.reads import Cause
from syncd.telemetry.gauges import Decided
from syncd.telemetry.metrics import CHANNELS, Metrics
from tests.servers import require
from tests.telemetry.reports import ADOPTION, END, NOTICE, START, busy, change, judgement, report

SUPPORT = {"mailbox": "support@example.org", "context": "1"}
SALES = {"mailbox": "sales@example.org", "context": "1"}
LATER = END + timedelta(minutes=5)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = metrics.render()[0].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, frozenset(labels.items())))


def boxes(metrics: Metrics) -> set[str]:
    return {dict(labels)["mailbox"] for name, labels in samples(metrics) if name == "syncd_desired_accounts"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("syncd_mailbox_complete", 0),
        ("syncd_desired_accounts", 3),
        ("syncd_observed_accounts", 2),
        ("syncd_claimed_accounts", 4),
        ("syncd_unresolved_members", 2),
        ("syncd_dangling_members", 3),
        ("syncd_conflicts", 4),
        ("syncd_withheld_changes", 5),
        ("syncd_waiting_changes", 6),
        ("syncd_drifted_accounts", 7),
        ("syncd_held_plans", 0),
        ("syncd_held_changes", 0),
        ("syncd_mailbox_idle", 0),
        ("syncd_mailbox_staging", 0),
        ("syncd_mailbox_paused", 0),
        ("syncd_idle_changes", 0),
        ("syncd_rejected_plans", 0),
        ("syncd_returned_members_total", 2),
    ],
)
def test_each_number_of_a_mailbox_arrives(metrics: Metrics, name: str, expected: float) -> None:
    """What the report says of a mailbox is what the scrape says."""
    metrics.publish(busy())
    assert value(metrics, name, **SUPPORT) == expected


def test_incomplete_reads_are_counted_by_reason(metrics: Metrics) -> None:
    """Sources and searches count under each of their reasons, run after run; what did not happen is 0, not absent."""
    metrics.publish(busy())
    metrics.publish(busy())
    found = {cause: value(metrics, "syncd_incomplete_reads_total", reason=cause) for cause in get_args(Cause)}
    assert found == dict.fromkeys(get_args(Cause), 0.0) | {"limit": 4, "range": 2}


def test_discovery_is_told(metrics: Metrics) -> None:
    """How many mailboxes patterns gave, what they could not make one of, and whether all are known."""
    names = ("syncd_discovered_mailboxes", "syncd_problems", "syncd_discovery_complete")
    assert [value(metrics, name) for name in names] == [None, None, None]
    metrics.publish(busy())
    assert [value(metrics, name) for name in names] == [1, 2, 0]
    metrics.publish(report(judgement(), partial=True))
    assert [value(metrics, name) for name in names] == [1, 0, 1]
    metrics.publish(report(judgement()))
    assert [value(metrics, name) for name in names] == [0, 0, 1]
    metrics.publish(busy())
    metrics.publish(report(errors=("the database is gone",)))
    assert [value(metrics, name) for name in names] == [1, 2, 0]


def test_a_run_that_does_not_know_all_mailboxes_drops_none(metrics: Metrics) -> None:
    """A mailbox missing from an incomplete discovery may still be there, so its series stay."""
    metrics.publish(busy())
    metrics.publish(report(judgement(), undiscovered=("ldaps://a: gone",)))
    assert boxes(metrics) == {SUPPORT["mailbox"], SALES["mailbox"]}


def test_a_held_mailbox_is_told(metrics: Metrics) -> None:
    """A held direction shows as a held plan with the number of changes it holds."""
    metrics.publish(busy())
    assert value(metrics, "syncd_held_plans", **SALES) == 1
    assert value(metrics, "syncd_held_changes", **SALES) == 2


def test_an_idle_mailbox_is_told(metrics: Metrics) -> None:
    """Nothing of it is held or adopted; what would be done is counted apart, and whether it is staging too."""
    idle = judgement(
        held=frozenset({Direction.ADDITIONS}), adopted=(ADOPTION,), changes=(change(Op.CREATE), change(Op.DELETE))
    )
    staging = replace(idle.plan, mailbox=replace(idle.plan.mailbox, staging=True))
    metrics.publish(report(replace(idle, plan=staging, idle="staging")))
    told = {
        name: value(metrics, f"syncd_{name}", **SUPPORT)
        for name in ("mailbox_idle", "mailbox_staging", "mailbox_paused", "idle_changes", "held_plans", "held_changes")
    }
    assert told == {
        "mailbox_idle": 1, "mailbox_staging": 1, "mailbox_paused": 0, "idle_changes": 3, "held_plans": 0,
        "held_changes": 0,
    }  # fmt: skip
    assert value(metrics, "syncd_changes_total", operation="adopt", result="applied") == 0


def test_what_persons_decided_is_told(metrics: Metrics) -> None:
    """A rejected plan and a pause show at their mailbox, a pause of everything at all."""
    ref = busy().judgements[0].plan.mailbox.ref
    decided = Decided(rejected=frozenset({ref}), paused=frozenset({ref}))
    for given, paused in ((decided, {1: 1, 2: 0}), (Decided(paused=frozenset({None})), {1: 1, 2: 1})):
        metrics.publish(busy(), given)
        found = {
            1: value(metrics, "syncd_mailbox_paused", **SUPPORT),
            2: value(metrics, "syncd_mailbox_paused", **SALES),
        }
        assert found == paused
        assert value(metrics, "syncd_rejected_plans", **SUPPORT) == (ref in given.rejected)
        assert value(metrics, "syncd_rejected_plans", **SALES) == 0


def test_members_who_come_back_are_counted(metrics: Metrics) -> None:
    """Run after run, by mailbox; a mailbox that leaves the configuration takes its count along."""
    metrics.publish(busy())
    metrics.publish(busy())
    assert value(metrics, "syncd_returned_members_total", **SUPPORT) == 4
    metrics.publish(report(judgement(SALES["mailbox"])))
    assert value(metrics, "syncd_returned_members_total", **SUPPORT) is None


def test_notices_are_counted_by_channel_and_result(metrics: Metrics) -> None:
    """Plans that were told, and tries that failed; what did not happen is 0, not absent."""
    metrics.notified("webhook", 2, failed=False)
    metrics.notified("webhook", 1, failed=True)
    found = {
        (channel, result): value(metrics, "syncd_notices_total", channel=channel, result=result)
        for channel in CHANNELS
        for result in ("told", "failed")
    }
    assert found == dict.fromkeys(found, 0.0) | {("webhook", "told"): 3, ("webhook", "failed"): 1}


def test_what_the_brake_left_is_told(metrics: Metrics) -> None:
    """The number is that of the last run."""
    metrics.publish(report(judgement(), deferred=7))
    assert value(metrics, "syncd_deferred_changes") == 7
    metrics.publish(report(judgement()))
    assert value(metrics, "syncd_deferred_changes") == 0


@pytest.mark.parametrize(
    ("kind", "labels"), [("withheld", SUPPORT), ("unresolved", SUPPORT), ("dangling", SUPPORT), ("held", SALES)]
)
def test_the_age_of_the_oldest_is_a_timestamp(metrics: Metrics, kind: str, labels: dict[str, str]) -> None:
    """What stands has a timestamp since when; once it is over the series is gone."""
    metrics.publish(busy())
    name = "syncd_standing_since_timestamp_seconds"
    assert value(metrics, name, kind=kind, **labels) == START.timestamp()
    metrics.publish(report(judgement(), judgement(SALES["mailbox"])))
    assert value(metrics, name, kind=kind, **labels) is None


def test_orphaned_claims_are_told_until_they_are_gone(metrics: Metrics) -> None:
    """A mailbox that left the configuration shows how many accounts are still claimed."""
    metrics.publish(busy())
    assert value(metrics, "syncd_orphaned_claims", mailbox="old@example.org", context="1") == 9
    metrics.publish(report(judgement()))
    assert value(metrics, "syncd_orphaned_claims", mailbox="old@example.org", context="1") is None


def test_changes_are_counted_by_operation_and_result(metrics: Metrics) -> None:
    """Outcomes and adoptions add up over runs; what did not happen is 0, not absent."""
    metrics.publish(busy())
    metrics.publish(busy())
    count = {
        (op, result): value(metrics, "syncd_changes_total", operation=op, result=result)
        for op in ("create", "update", "delete", "adopt")
        for result in ("applied", "failed")
    }
    expected = dict.fromkeys(count, 0.0) | {("create", "applied"): 2, ("update", "failed"): 2, ("adopt", "applied"): 2}
    assert count == expected


def test_a_held_adoption_is_not_counted(metrics: Metrics) -> None:
    """With additions held nothing counts as adopted."""
    metrics.publish(report(judgement(held=frozenset({Direction.ADDITIONS}), adopted=(ADOPTION,))))
    assert value(metrics, "syncd_changes_total", operation="adopt", result="applied") == 0


def test_phases_and_the_run_are_measured_in_seconds(metrics: Metrics) -> None:
    """Histograms hold the seconds of each phase and of the whole run."""
    metrics.publish(busy())
    assert value(metrics, "syncd_phase_duration_seconds_sum", phase="apply") == 5.0
    assert value(metrics, "syncd_phase_duration_seconds_count", phase="apply") == 1
    assert value(metrics, "syncd_run_duration_seconds_sum") == 7.0


@pytest.mark.parametrize(
    ("parts", "box", "expected"),
    [
        ({}, {}, "ok"),
        ({}, {"held": frozenset({Direction.REMOVALS})}, "held"),
        ({}, {"complete": False}, "incomplete"),
        ({}, {"withheld": (NOTICE,)}, "incomplete"),
        ({"errors": ("context 2: locked",)}, {}, "failed"),
        ({"outcomes": (Outcome(change=change(Op.CREATE), result="failed"),)}, {}, "failed"),
    ],
)
def test_runs_are_counted_by_result(
    metrics: Metrics, parts: dict[str, object], box: dict[str, object], expected: str
) -> None:
    """Each run counts once, under its result; the others stay 0."""
    metrics.publish(report(judgement(**box), **parts))  # type: ignore[arg-type]
    found = {
        result: value(metrics, "syncd_runs_total", result=result) for result in ("ok", "held", "incomplete", "failed")
    }
    assert found == dict.fromkeys(found, 0.0) | {expected: 1.0}


def test_attempt_success_and_failure_are_three_times(metrics: Metrics) -> None:
    """A failure moves the attempt and the failure, never the success."""
    metrics.attempt(START)
    metrics.publish(report(judgement()))
    metrics.attempt(LATER)
    metrics.failed(LATER + timedelta(seconds=3))
    assert value(metrics, "syncd_last_attempt_timestamp_seconds") == LATER.timestamp()
    assert value(metrics, "syncd_last_success_timestamp_seconds") == END.timestamp()
    assert value(metrics, "syncd_last_failure_timestamp_seconds") == LATER.timestamp() + 3
    assert value(metrics, "syncd_runs_total", result="failed") == 1


@pytest.mark.parametrize(
    ("box", "parts", "success"),
    [
        ({}, {}, True),
        ({"held": frozenset({Direction.REMOVALS})}, {}, True),
        ({"complete": False}, {}, False),
        ({}, {"errors": ("lost",)}, False),
        ({}, {"partial": True}, False),
    ],
)
def test_what_counts_as_success(
    metrics: Metrics, box: dict[str, object], parts: dict[str, object], success: bool
) -> None:
    """Only a whole run that read everything and failed nowhere is a success; a limit that holds is none's fault."""
    metrics.publish(report(judgement(**box), **parts))  # type: ignore[arg-type]
    expected = END.timestamp() if success else None
    assert value(metrics, "syncd_last_success_timestamp_seconds") == expected


def test_the_last_complete_read_survives_an_incomplete_one(metrics: Metrics) -> None:
    """An incomplete read keeps the time of the last complete one; before the first there is none."""
    metrics.publish(report(judgement(complete=False)))
    assert value(metrics, "syncd_last_complete_read_timestamp_seconds", **SUPPORT) is None
    metrics.publish(report(judgement()))
    metrics.publish(report(judgement(complete=False), finished=LATER))
    assert value(metrics, "syncd_last_complete_read_timestamp_seconds", **SUPPORT) == END.timestamp()
    metrics.publish(report(judgement(), finished=LATER))
    assert value(metrics, "syncd_last_complete_read_timestamp_seconds", **SUPPORT) == LATER.timestamp()


def test_what_was_never_measured_is_absent(metrics: Metrics) -> None:
    """A fresh process shows no time, no interval and no mailbox, since 0 would be a lie."""
    names = {name for name, _ in samples(metrics)}
    assert not {name for name in names if name.endswith("_timestamp_seconds") and not name.startswith("syncd_process")}
    assert names.isdisjoint({"syncd_schedule_interval_seconds", "syncd_configuration_reload_successful"})
    assert boxes(metrics) == set()


def test_a_plan_is_never_published(metrics: Metrics) -> None:
    """The report of a plan changes no metric but the process's own."""

    def ours() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        return {key: number for key, number in samples(metrics).items() if not key[0].startswith("syncd_process")}

    before = ours()
    metrics.publish(report(judgement(desired=3), applied=False))
    assert ours() == before


def test_a_mailbox_that_left_the_configuration_vanishes(metrics: Metrics) -> None:
    """After a whole run only the mailboxes of its report have series."""
    metrics.publish(busy())
    metrics.publish(report(judgement()))
    assert boxes(metrics) == {SUPPORT["mailbox"]}


def test_a_partial_run_drops_no_other_mailbox(metrics: Metrics) -> None:
    """After a run for one mailbox the others keep their series, orphans included."""
    metrics.publish(busy())
    metrics.publish(report(judgement(desired=30), partial=True))
    assert boxes(metrics) == {SUPPORT["mailbox"], SALES["mailbox"]}
    assert value(metrics, "syncd_desired_accounts", **SUPPORT) == 30
    assert value(metrics, "syncd_orphaned_claims", mailbox="old@example.org", context="1") == 9


def test_a_run_with_errors_drops_no_mailbox(metrics: Metrics) -> None:
    """A mailbox missing from a report with errors may still be configured, so its series stay."""
    metrics.publish(busy())
    metrics.publish(report(judgement(), errors=("context 1: locked",)))
    assert boxes(metrics) == {SUPPORT["mailbox"], SALES["mailbox"]}


def test_the_same_address_in_two_contexts_are_two_series(metrics: Metrics) -> None:
    """Mailbox and context together name a series."""
    metrics.publish(report(judgement(desired=1), judgement(context=2, desired=2)))
    assert value(metrics, "syncd_desired_accounts", mailbox=SUPPORT["mailbox"], context="2") == 2
    assert value(metrics, "syncd_desired_accounts", **SUPPORT) == 1


def test_a_refused_configuration_keeps_the_time_of_the_good_one(metrics: Metrics) -> None:
    """After a bad reload the flag is 0 and the timestamp still that of the configuration in force."""
    metrics.reloaded(True, START)
    assert value(metrics, "syncd_configuration_reload_successful") == 1
    metrics.reloaded(False, LATER)
    assert value(metrics, "syncd_configuration_reload_successful") == 0
    assert value(metrics, "syncd_configuration_reload_timestamp_seconds") == START.timestamp()


def test_the_interval_is_told(metrics: Metrics) -> None:
    """The schedule's interval is there for the alert rules."""
    metrics.scheduled(300)
    assert value(metrics, "syncd_schedule_interval_seconds") == 300


def test_build_info_names_the_python(metrics: Metrics) -> None:
    """The build info carries the versions of syncd and Python."""
    (labels,) = [dict(labels) for name, labels in samples(metrics) if name == "syncd_build_info"]
    assert labels["python"] == platform.python_version()
    assert labels["version"]


def test_names_and_labels_keep_the_rules(metrics: Metrics) -> None:
    """Every name starts with syncd_, and no label could hold a user or an entry."""
    metrics.publish(busy())
    found = samples(metrics)
    assert all(name.startswith("syncd_") for name, _ in found)
    labels = {label for _, pairs in found for label, _ in pairs}
    bounded = {"phase", "operation", "result", "reason", "kind", "channel", "le", "version", "python"}
    assert labels == {"mailbox", "context"} | bounded
    text = metrics.render()[0].decode()
    assert not [word for word in ("gina", "hugo", "carol", "uid=", "cn=") if word in text]


@pytest.mark.prometheus
def test_promtool_finds_nothing_to_say(metrics: Metrics) -> None:
    """`promtool check metrics` is silent about a full scrape."""
    require.binary("promtool")
    metrics.attempt(START)
    metrics.publish(busy())
    metrics.publish(
        report(judgement(), orphans=(Orphan(address="x@y", context=1, claimed=1, since=None),), partial=True)
    )
    metrics.failed(END)
    metrics.reloaded(True, START)
    metrics.scheduled(300)
    check = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics.render()[0], capture_output=True, check=False
    )
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_two_processes_worth_of_metrics_do_not_share(metrics: Metrics) -> None:
    """Two instances count apart."""
    metrics.publish(report(judgement()))
    assert value(Metrics(), "syncd_runs_total", result="ok") == 0


def test_a_scrape_sees_a_report_wholly_or_not_at_all(metrics: Metrics) -> None:
    """While reports are published, every scrape shows equal numbers of one report."""
    torn: list[tuple[float | None, float | None]] = []
    done = threading.Event()

    def scrape() -> None:
        while not done.is_set():
            found = samples(metrics)
            pair = tuple(
                found.get((name, frozenset(SUPPORT.items())))
                for name in ("syncd_desired_accounts", "syncd_claimed_accounts")
            )
            if pair[0] != pair[1]:
                torn.append(pair)  # type: ignore[arg-type]

    scraper = threading.Thread(target=scrape)
    scraper.start()
    for number in range(200):
        metrics.publish(report(judgement(desired=number, claimed=number, observed=number)))
    done.set()
    scraper.join()
    assert torn == []


def test_times_are_seconds_since_1970_in_utc(metrics: Metrics) -> None:
    """A timestamp is what `date +%s` would say."""
    metrics.attempt(datetime(1970, 1, 2, tzinfo=UTC))
    assert value(metrics, "syncd_last_attempt_timestamp_seconds") == 86400


def test_the_process_measures_itself(metrics: Metrics) -> None:
    """Memory in use and processor time are told."""
    memory, processor = (
        value(metrics, "syncd_process_resident_memory_bytes"),
        value(metrics, "syncd_process_cpu_seconds_total"),
    )
    assert memory
    assert processor
