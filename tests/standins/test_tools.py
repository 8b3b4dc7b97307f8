"""What the tools do beside the recorded command lines: locales, failing connections, help, and as real processes."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.standins import faults
from tests.standins.client import ask, create
from tests.standins.options import TOOLS
from tests.standins.service import Service, Trouble
from tests.standins.tools import Done, run, write_tools

ADMIN = ("-c", "1", "-A", "oxadmin", "-P", "secret")
BOX = ("-e", "support@example.org", "--login", "shared", "--name", "Süpport", "--mail-endpoint-source", "primary")


def environ(service: Service, **more: str) -> Mapping[str, str]:
    """Give the environment of a tool."""
    return {"LC_ALL": "C.UTF-8", "RMI_HOSTNAME": f"rmi://127.0.0.1:{service.port}/"} | more


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LC_ALL": "", "LANG": "POSIX"}, {"LC_ALL": "", "LANG": ""}])
def test_locale_destroys_text(service: Service, locale: Mapping[str, str]) -> None:
    """Without a UTF-8 locale each byte that is not ASCII is stored as U+FFFD, and shown as a question mark."""
    run("createsecondaryaccount", [*ADMIN, "--users", "3", *BOX], environ(service, **locale))
    accounts = ask(service, "list")
    assert isinstance(accounts, list)
    assert accounts[0]["name"] == "S\ufffd\ufffdpport"
    assert "S??pport" in run("listsecondaryaccount", ADMIN, environ(service, **locale)).stdout


@pytest.mark.parametrize("locale", [{"LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "", "LC_CTYPE": "C.utf8"}])
def test_locale_keeps_text(service: Service, locale: Mapping[str, str]) -> None:
    """With a UTF-8 locale text stays as it is."""
    assert run("createsecondaryaccount", [*ADMIN, "--users", "3", *BOX], environ(service, **locale)).exit == 0
    assert "Süpport" in run("listsecondaryaccount", ADMIN, environ(service, **locale)).stdout


def test_no_service(service: Service) -> None:
    """Nobody at the port is exit code 105, an answer that never comes is 107, and so is a dropped connection."""
    gone = environ(service, RMI_HOSTNAME="rmi://127.0.0.1:1/")
    done = run("deletesecondaryaccount", [*ADMIN, "--users", "3", "-e", "x@example.org"], gone)
    assert (done.exit, done.stdout) == (105, "")
    assert done.stderr.startswith("account in context 1 could not be deleted: \nServer response:\n ")
    release = threading.Event()
    service.expect(Trouble(hold=release))
    assert run("listsecondaryaccount", [*ADMIN, "--responsetimeout", "1"], environ(service)).exit == 107
    release.set()
    service.expect(Trouble(drop="before"))
    assert run("listsecondaryaccount", ADMIN, environ(service)).exit == 107


@pytest.mark.parametrize(
    ("detail", "exit_code"),
    [("NoSuchContextException", 102), ("RemoteException", 107), ("DatabaseUpdateException", 1)],
)
def test_exit_codes(service: Service, detail: str, exit_code: int) -> None:
    """Exceptions that were not recorded have the exit codes of the vendor's list."""
    service.expect(Trouble(fault=faults.declared(detail, "no")))
    assert run("listsecondaryaccount", ADMIN, environ(service)).exit == exit_code


@pytest.mark.parametrize("tool", TOOLS)
def test_help(service: Service, tool: str) -> None:
    """Help and the list of environment variables go to stdout and are no failures."""
    for option in ("-h", "--help"):
        done = run(tool, [option], environ(service))
        assert (done.exit, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Usage: {tool} \n")
    assert "\nADMIN_PASSWORD=p\n" in run(tool, ["--environment"], environ(service, ADMIN_PASSWORD="p")).stdout
    assert service.calls == []


@pytest.mark.parametrize(
    ("argv", "exit_code", "text"),
    [
        (["-c", "1", "--users"], 109, "Illegal option value"),
        ([*ADMIN, "--users", "3,"], 103, "Invalid user identifier: ;"),
        ([*ADMIN, "--users", "3,,4"], 103, "Invalid user identifier: ;"),
        ([*ADMIN, "--groups", "-1"], 103, "Invalid group identifier: -1;"),
        ([*ADMIN, "--context", "1"], 111, "Unknown option ``--context'"),
        ([*ADMIN, "--csv=yes", "-c", "99"], 0, ""),
    ],
)
def test_command_lines(service: Service, argv: list[str], exit_code: int, text: str) -> None:
    """Values that are missing or cannot be have their exit codes; of a repeated option the first value counts."""
    done = run("listsecondaryaccount", argv, environ(service))
    assert done.exit == exit_code
    assert text in done.stderr


def test_without_users(service: Service) -> None:
    """Success lines name users and groups only where some were given; listing needs none."""
    create(service, 3)
    done = run("listsecondaryaccount", [*ADMIN, "--csv"], environ(service))
    assert [row["user-id"] for row in csv.DictReader(io.StringIO(done.stdout))] == ["3"]


def process(script: Path, *argv: str, **more: str) -> Done:
    """Run a tool as a process of its own."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    done = subprocess.run([script, *argv], capture_output=True, env=variables | more, timeout=60, check=False)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_processes(service: Service, tmp_path: Path) -> None:
    """The four scripts work as the vendor's programs do: by argument, environment, exit code and outputs."""
    tools = write_tools(tmp_path / "sbin", service.port)
    assert sorted(path.name for path in tools.iterdir()) == sorted(TOOLS)
    who = ("-c", "1", "-A", "oxadmin", "--users", "3")
    settings = {"LC_ALL": "C.UTF-8", "ADMIN_PASSWORD": "secret"}
    done = process(tools / "createsecondaryaccount", *who, *BOX, **settings)
    said = "Secondary account with primary address support@example.org successfully created for specified users/groups"
    assert done == (0, f"{said} in context 1\n", "")
    assert "Süpport" in process(tools / "listsecondaryaccount", *who, **settings).stdout
    assert process(tools / "updatesecondaryaccount", *who, "-e", "support@example.org", "-a", "x", **settings).exit == 0
    assert process(tools / "deletesecondaryaccount", *who, "-e", "support@example.org", **settings).exit == 0
    again = process(tools / "deletesecondaryaccount", *who, "-e", "support@example.org", **settings)
    assert (again.exit, again.stdout[:25]) == (0, "No such secondary account")
    wrong = process(tools / "listsecondaryaccount", *who, LC_ALL="C.UTF-8", ADMIN_PASSWORD="wrong")
    assert (wrong.exit, wrong.stdout) == (101, "")


def test_service_process(tmp_path: Path) -> None:
    """The service starts alone on an empty database, says where it is, and writes tools that find it."""
    command = [
        sys.executable,
        "-m",
        "tests.standins.service",
        "--database",
        f"sqlite:///{tmp_path}/ox.db",
        "--port",
        "0",
    ]
    command += ["--tools", str(tmp_path / "sbin"), "--password", "other"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as served:
        try:
            assert served.stdout is not None
            assert served.stdout.readline().endswith("/webservices/OXSecondaryAccountService?wsdl\n")
            argv = ("-c", "1", "-A", "oxadmin", "-P", "other", "--csv")
            assert process(tmp_path / "sbin" / "listsecondaryaccount", *argv).exit == 0
        finally:
            served.terminate()
