"""Alert rules and dashboard: they mean metrics that exist, and every query has an answer."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from syncd.telemetry.http import Endpoints
from syncd.telemetry.metrics import Metrics
from tests.servers import require
from tests.servers.prometheus import Prometheus
from tests.telemetry.reports import busy, judgement, report

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config" / "prometheus-rules.yml"
STORIES = Path(__file__).with_name("rules_test.yml")
DASHBOARD = ROOT / "config" / "grafana-dashboard.json"
COMMANDS = {
    "check", "plan", "sync", "status", "held", "show", "approve", "reject", "pause", "resume", "retire", "release",
    "discover",
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    return [rule for group in YAML(typ="safe").load(RULES)["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Give title and query of every target, with Grafana's variables replaced as Grafana does."""
    found = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]["query"])
            assert match
            found.append((variable["name"], match[1]))
    return [(title, expr.replace("$mailbox", ".*").replace("$__rate_interval", "5m")) for title, expr in found]


def filled() -> Metrics:
    """Make metrics of a process that has seen everything once."""
    now = datetime.now(UTC)
    metrics = Metrics()
    metrics.scheduled(300)
    metrics.reloaded(True, now)
    metrics.attempt(now)
    metrics.publish(report(judgement(), started=now, finished=now))
    metrics.failed(now)
    metrics.publish(busy(started=now, finished=now + timedelta(seconds=2)))
    return metrics


@pytest.mark.prometheus
def test_the_stories_of_the_alerts_are_true(tmp_path: Path) -> None:
    """promtool confirms every firing and every quiet moment of the stories."""
    promtool = require.binary("promtool")
    shutil.copy(RULES, tmp_path)
    shutil.copy(STORIES, tmp_path)
    test = subprocess.run([promtool, "test", "rules", STORIES.name], cwd=tmp_path, capture_output=True, check=False)
    assert test.returncode == 0, test.stdout.decode() + test.stderr.decode()


@pytest.mark.prometheus
def test_promtool_accepts_the_rules() -> None:
    """`promtool check rules` finds nothing wrong, style included."""
    check = subprocess.run(
        [require.binary("promtool"), "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout.decode() + check.stderr.decode()


def test_every_alert_fires_in_one_story_and_is_quiet_in_another() -> None:
    """No alert is without a test in either direction."""
    checks = [check for story in YAML(typ="safe").load(STORIES)["tests"] for check in story["alert_rule_test"]]
    names = {rule["alert"] for rule in rules()}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == names
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == names


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Each description names a command to type, and every syncd command in it exists."""
    text = rule["annotations"]["description"]
    assert "`" in text
    assert set(re.findall(r"`syncd (\w+)", text)) <= COMMANDS
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    """Every syncd_ name in a rule or a panel is in a scrape of a process that has seen everything."""
    names = set(re.findall(r"^(syncd_\w+)", filled().render()[0].decode(), re.MULTILINE))
    asked = [rule["expr"] for rule in rules()] + [query for _, query in queries()]
    assert {name for text in asked for name in re.findall(r"\bsyncd_\w+", text)} <= names


def test_the_dashboard_shows_every_gauge_of_a_mailbox() -> None:
    """No metric of a mailbox is measured in vain."""
    measured = {
        line.split("{")[0]
        for line in filled().render()[0].decode().splitlines()
        if line.startswith("syncd_") and "mailbox=" in line
    }
    shown = {name for _, query in queries() for name in re.findall(r"\bsyncd_\w+", query)}
    assert measured <= shown | {"syncd_held_plans"}


def test_panels_have_distinct_ids_and_do_not_overlap() -> None:
    """Grafana shows every panel, with a text that explains it."""
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    cells = [
        (x, y)
        for panel in found
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert all(panel["description"] for panel in found)


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    """A Prometheus that has scraped one run before and one run after."""
    metrics = filled()
    with (
        Endpoints(("127.0.0.1", 0), metrics, lambda: (True, "ready")) as endpoints,
        Prometheus(endpoints.port, RULES) as server,
    ):
        server.wait_for('syncd_runs_total{result="failed"} >= 2')
        now = datetime.now(UTC)
        metrics.publish(busy(started=now - timedelta(seconds=5), finished=now))
        server.wait_for('syncd_runs_total{result="failed"} >= 3')
        server.wait_for("rate(syncd_process_cpu_seconds_total[5m])")
        yield server


@pytest.mark.prometheus
@pytest.mark.parametrize(("title", "query"), queries())
def test_every_query_of_the_dashboard_has_an_answer(prometheus: Prometheus, title: str, query: str) -> None:
    """A real Prometheus that scraped real metrics answers with numbers."""
    found = prometheus.query(query)
    assert found, f"{title}: no data"
    assert any(not math.isnan(float(sample["value"][1])) for sample in found), f"{title}: only NaN"


@pytest.mark.prometheus
def test_the_rules_load_and_wake_up(prometheus: Prometheus) -> None:
    """A real Prometheus evaluates the rules: a held plan is pending, a good configuration is quiet."""
    prometheus.wait_for('ALERTS{alertname="SyncdHeld"}')
    alerts = prometheus.alerts()
    assert alerts["SyncdHeld"] == "pending"
    assert "SyncdConfigurationRefused" not in alerts
    assert "SyncdAbsent" not in alerts
