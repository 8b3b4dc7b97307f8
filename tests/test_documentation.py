"""What the README says is true: its commands run, its configuration loads, its tables are whole."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from syncd.cli.main import app
from syncd.settings.loading import load
from syncd.telemetry.metrics import Metrics
from tests.telemetry.reports import busy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SYNCD = str(Path(sys.executable).parent / "syncd")


def blocks(language: str) -> Iterator[str]:
    """Give the fenced blocks of one language."""
    for found in re.finditer(rf"^( *)```{language}\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL):
        yield "\n".join(line.removeprefix(found[1]) for line in found[2].splitlines())


def commands() -> list[str]:
    """Give every syncd command of the shell blocks, in order, without its comment."""
    lines = (line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines())
    return [line for line in lines if line.startswith("syncd ")]


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("readme") / "playground"
    subprocess.run([SYNCD, "demo", str(directory)], check=True, capture_output=True)
    return directory


def syncd(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SYNCD, *shlex.split(command)[1:]], capture_output=True, text=True, check=False, timeout=60)


def test_every_command_of_the_readme_runs_as_told(playground: Path) -> None:
    """Each command of a shell block, with its placeholders filled in, ends as the text around it says."""
    config = playground / "syncd.yaml"
    export = playground / "directory.ldif"
    told = [re.sub(r"(/etc/syncd|playground)/syncd.yaml", str(config), command) for command in commands()]
    assert len(told) == 11
    ready, held, leaving = told[:6], told[6:8], told[8:]
    for command in ready:
        assert syncd(command).returncode == 0, command

    whole = export.read_text()
    export.write_text(re.sub(r"^member: .*\n", "", whole, flags=re.MULTILINE))
    assert syncd(f"syncd sync -c {config}").returncode == 4
    shown = syncd(held[0])
    [digest] = set(re.findall(r"sha256:[0-9a-f]{64}", shown.stdout))
    assert syncd(held[1].replace("DIGEST", digest)).returncode == 0
    after = syncd(f"syncd sync -c {config}")
    assert (after.returncode, "2 deleted" in after.stdout) == (0, True)

    export.write_text(whole)
    assert syncd(f"syncd sync -c {config}").returncode == 0
    config.write_text(config.read_text().replace("mailbox: support@", "mailbox: sales@"))
    retire, retire_approved, release = (command.replace("MAILBOX", "support@mycompany.com") for command in leaving)
    first = syncd(retire)
    assert "2 accounts of support@mycompany.com" in first.stdout
    [digest] = set(re.findall(r"--approve (sha256:[0-9a-f]{64})", first.stdout))
    assert syncd(retire_approved.replace("DIGEST", digest)).returncode == 0

    assert syncd(f"syncd sync -c {config}").returncode == 0
    config.write_text(config.read_text().replace("mailbox: sales@", "mailbox: support@"))
    released = syncd(release.replace("support@", "sales@"))
    assert (released.returncode, "2 accounts stay" in released.stderr) == (0, True)


def test_the_configuration_of_the_readme_loads(tmp_path: Path) -> None:
    """The ten lines are ten and a valid configuration."""
    [text] = blocks("yaml")
    assert len(text.splitlines()) <= 10
    path = tmp_path / "syncd.yaml"
    path.write_text(text)
    assert [mailbox.address for mailbox in load(path).mailboxes()] == ["support@mycompany.com"]


def test_the_rights_of_the_readme_are_those_that_were_tried() -> None:
    """The GRANTs are to the letter those with which the end-to-end tests run a limited user."""
    tried = (ROOT / "tests" / "e2e" / "grants.sql").read_text()
    grants = [line for line in tried.splitlines() if line.startswith("GRANT")]
    [shown] = blocks("sql")
    assert [line for line in shown.splitlines() if line.startswith("GRANT")] == grants


def test_the_readme_lists_every_command() -> None:
    """The table of commands has all that `--help` has, and no other."""
    table = README[README.index("\n## Commands") : README.index("\n## Rights")]
    listed = set(re.findall(r"`syncd ([a-z]+)", table))
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert listed == names


def test_the_readme_lists_every_metric() -> None:
    """The table of metrics has all that a busy run exposes, and no other."""
    table = README[README.index("\n## Being watched") : README.index("\n## The ledger")]
    listed = set(re.findall(r"`(syncd_[a-z_]+)`", table))
    metrics = Metrics()
    metrics.scheduled(300)
    report = busy()
    metrics.attempt(report.started)
    metrics.failed(report.started)
    metrics.reloaded(True, report.started)
    metrics.publish(report)
    body, _ = metrics.render()
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(body.decode())
        if family.name.startswith("syncd_") and not family.name.startswith("syncd_process_")
    }
    missing_by_design = {"syncd_last_success_timestamp_seconds"}  # a busy run is no success
    assert listed - missing_by_design == shown - missing_by_design
