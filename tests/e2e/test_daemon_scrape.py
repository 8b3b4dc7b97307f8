"""A real Prometheus scrapes a real daemon, and the endpoints answer while it works."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.daemon import Daemon, _trigger
from syncd.settings.loading import load
from syncd.telemetry.http import Endpoints
from syncd.telemetry.metrics import Metrics
from tests.e2e.running import Running, free_port, get, until
from tests.e2e.station import BASE, Station
from tests.e2e.test_daemon import configure, counter_locked, waiting_for_lock
from tests.e2e.world import World
from tests.servers.prometheus import Prometheus
from tests.telemetry.test_rules import RULES, queries


@pytest.fixture
def scraped(world: World) -> Iterator[tuple[World, Running, Prometheus]]:
    """Give a daemon after a busy life, and a Prometheus that has seen some of it."""
    port = free_port()
    world.group("support", "alice", "bob", "carol", "dave", "erin", f"uid=ghost,{world.ldap.people}")
    world.group("sales", "frank")
    configure(world, port, "support", "sales")
    with Running(world.config) as running, Prometheus(port, RULES) as prometheus:
        running.wait("run.finished", create=6)
        prometheus.wait_for('syncd_runs_total{result="ok"} >= 1')
        world.group("support", "alice")
        configure(world, port)  # sales@ is orphaned
        running.signal(signal.SIGHUP)
        running.wait("run.finished", held=4)
        running.run_now()
        prometheus.wait_for("sum(syncd_runs_total) >= 3")
        prometheus.wait_for("rate(syncd_process_cpu_seconds_total[5m])")
        yield world, running, prometheus
        assert running.stop() == 0


@pytest.mark.slapd
@pytest.mark.mariadb
@pytest.mark.prometheus
def test_every_query_of_the_dashboard_has_an_answer(scraped: tuple[World, Running, Prometheus]) -> None:
    """No panel is empty for a daemon at work, its numbers are those of the story, and the alert on held plans wakes."""
    _, _, prometheus = scraped
    for title, query in queries():
        found = prometheus.query(query)
        assert found, f"{title}: no data"
        assert not all(math.isnan(float(sample["value"][1])) for sample in found), f"{title}: only NaN"
    labels = '{mailbox="support@mycompany.com",context="1"}'
    numbers = {"desired": 1, "observed": 5, "claimed": 5}
    for name, number in numbers.items():
        [sample] = prometheus.query(f"syncd_{name}_accounts{labels}")
        assert float(sample["value"][1]) == number
    [held] = prometheus.query(f"syncd_held_changes{labels}")
    assert float(held["value"][1]) == 4
    [changes] = prometheus.query('sum(syncd_changes_total{operation="create",result="applied"})')
    assert float(changes["value"][1]) == 6
    prometheus.wait_for('ALERTS{alertname="SyncdHeld"}')


@pytest.mark.slapd
@pytest.mark.mariadb
def test_ready_from_the_end_of_the_first_run_on(world: World) -> None:
    """Until then the answer is 503 with the reason; alive it is all the time, whatever the run waits for."""
    port = free_port()
    world.group("support", "alice")
    configure(world, port)
    with Running(world.config) as running:
        with counter_locked(world):
            until(lambda: waiting_for_lock(world))
            assert get(port, "/healthz")[0] == 200
            assert get(port, "/readyz") == (503, "the first run has not ended yet\n")
            assert get(port, "/metrics")[0] == 200
        running.wait("run.finished")
        until(lambda: get(port, "/readyz")[0] == 200)
        running.signal(signal.SIGTERM)
        assert running.process.wait(20) == 0


@pytest.mark.parametrize("schedule", [{"every": "5m"}, {"cron": "*/5 * * * *"}])
def test_not_ready_when_the_last_good_run_is_too_old(tmp_path: Path, schedule: dict[str, str]) -> None:
    """Two missed runs are forgiven, with a minute to spare; after the third the answer is 503."""
    station = Station(tmp_path / "s")
    account = {"name": "a", "login": "a", "mail": {"source": "localhost"}}
    station.configure(
        {"mailbox": "a@example.org", "context": 1, "sources": [{"group": f"cn=a,{BASE}"}], "account": account},
        schedule=schedule,
    )
    daemon = Daemon(station.config)
    daemon._trigger = _trigger(load(station.config))
    with Endpoints(("127.0.0.1", 0), Metrics(), daemon.ready) as endpoints:
        assert get(endpoints.port, "/readyz")[0] == 503
        now = datetime.now(UTC)
        for age, status in ((1, 200), (10, 200), (17, 503), (60 * 24, 503)):
            daemon._succeeded(now - timedelta(minutes=age))
            assert get(endpoints.port, "/readyz")[0] == status, age
        assert "longer ago than allowed" in get(endpoints.port, "/readyz")[1]
        daemon._succeeded(now)
        assert get(endpoints.port, "/readyz")[0] == 200
