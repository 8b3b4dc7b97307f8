"""What a person sees on a terminal: colours and progress; and what happens where nothing can be written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "syncd"]
GREEN = "\x1b[32m"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Build a playground in which carol has joined the group since the last run."""
    subprocess.run([*PROGRAM, "demo", str(tmp_path / "playground")], check=True, capture_output=True)
    export = tmp_path / "playground" / "directory.ldif"
    told = export.read_text()
    group = told.index("dn: cn=support")
    joined = "member: uid=dave,ou=people,dc=mycompany,dc=com\n"
    export.write_text(told[:group] + told[group:].replace("member: ", f"{joined}member: ", 1))
    return tmp_path / "playground" / "syncd.yaml"


def on_terminal(*words: str, environ: Mapping[str, str] | None = None) -> str:
    """Run a command on a terminal of its own; give all that it shows."""
    master, slave = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environ or {})}
    shown = b""
    with subprocess.Popen(
        [*PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, env=environment
    ) as process:
        os.close(slave)
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # so Linux says that nobody has the terminal open any more
                break
            if not piece:
                break
            shown += piece
    os.close(master)
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_plan_is_coloured_by_what_it_would_do(config: Path) -> None:
    """A create is green on a terminal; NO_COLOR is respected."""
    [line] = [line for line in on_terminal("plan", "-c", str(config)).splitlines() if "dave" in line]
    assert GREEN in line
    plain = on_terminal("plan", "-c", str(config), environ={"NO_COLOR": "1"})
    assert GREEN not in plain
    assert "+ dave (6)" in plain


def test_progress_is_shown(config: Path) -> None:
    """What is being read and how many changes are made is shown while it lasts, on a terminal only."""
    assert "reading the directory and Open-Xchange" in on_terminal("plan", "-c", str(config))
    shown = on_terminal("sync", "-c", str(config))
    assert "changing accounts" in shown
    assert "100%" in shown
    done = subprocess.run([*PROGRAM, "sync", "-c", str(config)], check=True, capture_output=True, text=True)
    assert (done.stderr, "%" in done.stdout) == ("", False)


@pytest.mark.parametrize("output", ["text", "json"])
def test_an_output_that_cannot_be_written_is_one_line(config: Path, output: str) -> None:
    """A full disk under the output is told as such, without a traceback, and is an error."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "plan", "--output", output, "-c", str(config)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert not [word for word in ("Traceback", "defect", "Exception ignored") if word in done.stderr]


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_a_closed_output_stops_no_run(config: Path, closed: str) -> None:
    """A run whose output is closed does its work and ends as any other."""
    shell = f'exec "$@" {closed}'
    command = ["/bin/sh", "-c", shell, "sh", *PROGRAM, "sync", "--output", "json", "-c", str(config)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_reader_that_goes_away_is_no_defect(config: Path) -> None:
    """`syncd plan | head -0` ends without a word."""
    command = f"{sys.executable} -m syncd plan --output json -c {config} | true"
    assert subprocess.run(command, shell=True, check=True, capture_output=True).stderr == b""  # noqa: S602
