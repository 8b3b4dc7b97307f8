"""The service unit: accepted without a word, hardened, and true to what the daemon promises."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers import require

UNIT = Path(__file__).parents[2] / "systemd" / "syncd.service"
EXECUTABLE = "/opt/syncd/bin/syncd"


def settings() -> list[tuple[str, str]]:
    """Give the unit's settings in order, comments and sections left out."""
    lines = (line.strip() for line in UNIT.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and line[0] not in "#[")
    return [(name, text) for name, text in pairs]


def setting(name: str) -> str:
    (found,) = [text for key, text in settings() if key == name]
    return found


@pytest.mark.systemd
def test_systemd_has_nothing_to_say(tmp_path: Path) -> None:
    """`systemd-analyze verify` is silent; it tells unknown keys on standard error only, with status 0."""
    analyze = require.binary("systemd-analyze")
    executable = tmp_path / "syncd"
    executable.write_text("#!/bin/sh\n")
    executable.chmod(0o755)
    unit = tmp_path / "syncd.service"
    text = UNIT.read_text()
    assert text.count(f"\nExecStart={EXECUTABLE} ") == 1
    unit.write_text(text.replace(f"\nExecStart={EXECUTABLE} ", f"\nExecStart={executable} "))
    check = subprocess.run([analyze, "verify", "./syncd.service"], cwd=tmp_path, capture_output=True, check=False)
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


@pytest.mark.systemd
def test_the_service_is_hardened() -> None:
    """`systemd-analyze security` gives an exposure below 1.5."""
    analyze = require.binary("systemd-analyze")
    check = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=14", str(UNIT)], capture_output=True, check=False
    )
    assert check.returncode == 0, check.stdout.decode() + check.stderr.decode()


def test_systemd_waits_for_the_daemon_and_watches_it() -> None:
    """The unit uses readiness, the watchdog and reload by SIGHUP, and stops no sooner than the daemon promises."""
    assert setting("Type") == "notify"
    assert setting("ExecStart") == f"{EXECUTABLE} run -c /etc/syncd/syncd.yaml"
    assert setting("ExecReload") == "/bin/kill -HUP $MAINPID"
    assert setting("Restart") == "on-failure"
    assert int(setting("WatchdogSec").removesuffix("s")) >= 60
    assert int(setting("TimeoutStopSec").removesuffix("s")) > 10


def test_the_service_runs_as_nobody_else() -> None:
    """It has its own user, its own state directory that nobody else reads, and no capability."""
    assert (setting("User"), setting("Group")) == ("syncd", "syncd")
    assert (setting("StateDirectory"), setting("StateDirectoryMode"), setting("UMask")) == ("syncd", "0700", "0077")
    assert setting("CapabilityBoundingSet") == setting("AmbientCapabilities") == ""


def test_secrets_come_as_credentials() -> None:
    """The two credentials of the sample are loaded, and no secret stands in the environment or on the command line."""
    loaded = dict(text.split(":") for name, text in settings() if name == "LoadCredential")
    assert loaded == {name: f"/etc/syncd/credentials/{name}" for name in ("ldap", "database")}
    assert [text for name, text in settings() if name == "Environment"] == ["MALLOC_ARENA_MAX=1"]
    assert {name for name, _ in settings()}.isdisjoint({"EnvironmentFile", "SetCredential"})


def test_the_network_is_what_it_needs() -> None:
    """IPv4 and IPv6 for the servers, UNIX sockets for notifications and ldapi, nothing more."""
    assert set(setting("RestrictAddressFamilies").split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}


def test_the_process_can_measure_itself() -> None:
    """/proc/stat stays readable, without which there are no metrics of memory and processor time."""
    assert "ProcSubset" not in dict(settings())
