"""When the daemon runs: cron lines mean what crontab(5) says, whatever the scheduler's own counting."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.events import EVENT_SCHEDULER_PAUSED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from syncd.daemon import _longest_pause, _trigger, shut
from syncd.settings.loading import load

CONFIG = """
directory: {{urls: [ldif:///nowhere.ldif], base: "dc=x"}}
openxchange: {{database: {{url: "sqlite:////nowhere.db"}}}}
schedule: {schedule}
mappings:
  - mailbox: a@example.org
    context: 1
    sources: [{{group: "cn=a,dc=x"}}]
    account: {{name: A, login: a, mail: {{source: localhost}}}}
"""


def fires(tmp_path: Path, schedule: str) -> list[datetime]:
    """Give the next ten times at which a schedule fires, from Monday, 5 January 2026 on."""
    path = tmp_path / "syncd.yaml"
    path.write_text(CONFIG.format(schedule=schedule))
    trigger = _trigger(load(path))
    at = datetime(2026, 1, 5).astimezone()
    found: list[datetime] = []
    while len(found) < 10:
        at = trigger.get_next_fire_time(None, at)
        assert at is not None
        found.append(at)
        at += timedelta(seconds=1)
    return found


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", {6}),
        ("7", {6}),
        ("1-5", {0, 1, 2, 3, 4}),
        ("5-7", {4, 5, 6}),
        ("mon-wed", {0, 1, 2}),
        ("*/2", {6, 1, 3, 5}),
        ("SUN,wed", {6, 2}),
        ("*", {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_weekdays_of_a_cron_line_are_those_of_crontab(tmp_path: Path, weekday: str, days: set[int]) -> None:
    """0 and 7 are Sunday, names and ranges work."""
    assert {at.weekday() for at in fires(tmp_path, f'{{cron: "30 4 * * {weekday}"}}')} == days


@pytest.mark.parametrize("schedule", ["every: 1m", 'cron: "* * * * *"'])
def test_jitter_spreads_the_runs(tmp_path: Path, schedule: str) -> None:
    """With jitter not every run begins at the same second of a minute, without it they all do."""
    assert len({at.second for at in fires(tmp_path, f"{{{schedule}}}")}) <= 2  # an interval counts from now
    assert len({(at.second, at.microsecond) for at in fires(tmp_path, f"{{{schedule}, jitter: 20s}}")}) > 2


def test_a_cron_line_fires_at_its_minute_and_hour(tmp_path: Path) -> None:
    """Minutes and hours are local time."""
    assert {(at.hour, at.minute) for at in fires(tmp_path, '{cron: "15,45 6 * * *"}')} == {(6, 15), (6, 45)}


@pytest.mark.parametrize(("schedule", "seconds"), [("{every: 90s}", 90), ('{cron: "0 4 * * *"}', 86_400)])
def test_the_longest_pause_is_known_for_alerts(tmp_path: Path, schedule: str, seconds: float) -> None:
    """Alerts on a missing success know the longest time that the schedule leaves between two runs."""
    path = tmp_path / "syncd.yaml"
    path.write_text(CONFIG.format(schedule=schedule))
    assert abs(_longest_pause(_trigger(load(path))) - seconds) <= 3600 * (seconds > 3600)


class _Late(ThreadPoolExecutor):
    """Takes a job only once the scheduler is being stopped."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked, self.stopping = threading.Event(), threading.Event()

    def _do_submit_job(self, job: object, run_times: object) -> None:
        self.asked.set()
        assert self.stopping.wait(30)


def test_a_job_that_is_being_handed_out_ends_with_the_scheduler() -> None:
    """APScheduler's thread does not die with a traceback when the end comes while it hands out a job that runs once."""
    late = _Late()
    scheduler = BackgroundScheduler(executors={"default": late}, timezone=UTC)
    scheduler.add_listener(lambda _: late.stopping.set(), EVENT_SCHEDULER_PAUSED)
    scheduler.start()
    scheduler.add_job(lambda: None)
    assert late.asked.wait(30)
    shut(scheduler)
    assert not scheduler.running
