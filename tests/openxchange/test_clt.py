"""Writing by the command line tools: real processes, their surroundings, their outputs, and what is in the way."""

from __future__ import annotations

import csv
import logging
import os
import select
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Secret
from syncd.errors import LoginRefused, StoreError, StoreRefused, StoreUnavailable
from syncd.openxchange import clt_service
from syncd.openxchange.clt_answers import accounts, failure, outcome
from syncd.openxchange.clt_process import Ended, TimedOut, run
from syncd.openxchange.clt_service import CltOptions, CltService
from syncd.openxchange.edit import AccountChange, Edit
from syncd.openxchange.playground import create_schema
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.provisioning_check import findings
from syncd.openxchange.provisioning_faults import Rejected, Undone, Unsent
from syncd.openxchange.provisioning_service import Credentials
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.test_soap_contract import SoapWorld, soap_world
from tests.openxchange.world import ADDRESS, OBFUSCATION, errors, mailbox
from tests.standins import faults, replay
from tests.standins.service import Trouble
from tests.standins.sqlite import quick
from tests.standins.tools import write_tools

LOGIN = Credentials(login="-oxadmin", password=Secret("hush-hush"))


# ---------------------------------------------------------------------- real processes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SoapWorld]:
    """Give a world in a file, whose store starts the stand-ins of the tools."""
    engine = quick(tmp_path / "ox.db")
    create_schema(engine)
    reader = SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION))
    for world in soap_world(engine, reader):
        by_soap = world.store
        directory = write_tools(tmp_path / "sbin", world.service.port)
        login = Credentials(login="oxadmin", password=Secret("secret"))
        world.store = ProvisioningStore(reader, CltService(CltOptions(directory=directory, everywhere=login)))
        yield world
        by_soap.close()


def test_an_account_comes_changes_and_goes(world: SoapWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process for each change of several users; our own locale does not matter, nor what texts look like."""
    monkeypatch.setenv("LC_ALL", "C")
    box = mailbox(name='-a "Nâme" 😀', personal="=Ünï", reply_to="-e@example.org", folders={"trash": "Müll"})
    written = world.create(box, [3, 4])
    assert errors(written) == [None, None]
    rows = [row for row in world.tables()["user_mail_account"] if row["id"]]
    assert {(row["name"], row["personal"], row["replyTo"], row["trash_fullname"]) for row in rows} == {
        ('-a "Nâme" 😀', "=Ünï", "-e@example.org", "Müll")
    }
    assert {found.fields for found in world.observed(box).values()} == {wanted(box.account)}
    new = wanted(box.account)._replace(login="-x", transport_login="")
    assert errors(world.update(box, new, written)) == [None, None]
    assert errors(world.delete(box, written)) == [None, None]
    assert world.observed(box) == {}
    assert [call.operation for call in world.service.calls] == ["create", "update", "delete"]


def test_duplicates_are_bisected(world: SoapWorld) -> None:
    """ACC-0017 with exit code 106 fails whom it names; the others are written by one more process."""
    world.service.expect(Trouble(operation="create", fault=faults.duplicate(4, 1)))
    taken = "an account with this address, or with the same server and login, exists already"
    assert errors(world.create(mailbox(), [3, 4, 5])) == [None, taken, None]
    assert [len(call.arguments["users"]) for call in world.service.calls] == [3, 2]


def test_check(world: SoapWorld) -> None:
    """A check lists nobody's accounts, and says whether the tools work and take the login."""
    service = world.store._service
    [good] = findings(service, [1, 2])
    assert (good.ok, good.detail.startswith("our login in 2 contexts is taken by ")) == (True, True)
    options = CltOptions(directory=service.options.directory, everywhere=LOGIN)
    [bad] = findings(CltService(options), [1])
    assert (bad.ok, bad.what) == (False, "the tools, context 1")
    assert "refused the login" in bad.detail
    assert "hush-hush" not in bad.detail + bad.hint
    assert {call.operation for call in world.service.calls} == {"list"}


# ---------------------------------------------------------------------- surroundings


def script(folder: Path, text: str) -> CltService:
    """Write a shell script as all four tools; give the service that runs it."""
    for operation in ("create", "update", "delete", "list"):
        path = folder / f"{operation}secondaryaccount"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    options = CltOptions(directory=folder, everywhere=LOGIN, rmi="rmi://ox:1099/", timeout=30.0)
    return CltService(options, sleep=lambda _: None)


def test_what_a_tool_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The password goes by environment and nowhere else; of our own environment goes only what is named."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OUR_SECRET", "x")
    monkeypatch.setenv("LANG", "de_DE.ISO-8859-1")
    monkeypatch.setenv("LC_CTYPE", "C")
    said = f"Secondary account with primary address {ADDRESS} successfully deleted"
    service = script(
        tmp_path, f'env >"{tmp_path}/env"\nprintf "%s\\n" "$@" >"{tmp_path}/argv"\ncat >"{tmp_path}/in"\necho "{said}"'
    )
    assert service.delete(7, ADDRESS, [3, 4]) is True
    lines = (tmp_path / "argv").read_text().splitlines()
    assert lines == ["--contextid=7", "--adminuser=-oxadmin", "--users=3,4", f"--primary-address={ADDRESS}"]
    got = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert got.keys() >= {"ADMIN_PASSWORD", "RMI_HOSTNAME", "LC_ALL", "PATH"}
    assert (got["ADMIN_PASSWORD"], got["RMI_HOSTNAME"]) == ("hush-hush", "rmi://ox:1099/")
    assert (got["LC_ALL"], got["LANG"]) == ("C.UTF-8", "C.UTF-8")
    assert not got.keys() & {"OUR_SECRET", "LC_CTYPE"}
    assert (tmp_path / "in").read_text() == ""
    assert "hush" not in caplog.text


def test_a_tool_that_does_not_end(tmp_path: Path) -> None:
    """At the time limit the tool and all that it has started is ended."""
    alive, folder = tmp_path / "alive", tmp_path / "sbin"
    os.mkfifo(alive)
    folder.mkdir()
    script(folder, f'(exec 9>"{alive}"; echo up >&9; exec sleep 600) &\nwait')
    reader = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    for limit in (0.3, 3.0, 30.0):  # more than one where the machine is too busy to get that far
        with pytest.raises(TimedOut):
            run(folder / "createsecondaryaccount", [], {}, timeout=limit)
        if os.read(reader, 10):
            break
    assert select.select([reader], [], [], 30)[0]
    assert os.read(reader, 10) == b"", "the end of file comes when the last one that has it open is gone"
    os.close(reader)


def test_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that did not end in time is not repeated, since it may have been done; an update is."""
    started: list[str] = []

    def too_slow(program: Path, *_arguments: object, timeout: float) -> Ended:
        started.append(program.name)
        raise TimedOut

    monkeypatch.setattr(clt_service, "run", too_slow)
    service = CltService(CltOptions(everywhere=LOGIN, timeout=7.0), sleep=lambda _: None)
    with pytest.raises(StoreUnavailable, match="createsecondaryaccount did not end within 7 s"):
        service.create(1, {"name": "x"}, [3])
    with pytest.raises(StoreUnavailable, match="updatesecondaryaccount did not end within 7 s"):
        service.update(1, ADDRESS, {"name": "x"}, [3])
    assert started == ["createsecondaryaccount"] + ["updatesecondaryaccount"] * 3


def test_a_time_limit_leaves_no_doubt_in_the_tables(world: SoapWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A create that was ended at its limit counts as done if its accounts are there; else it ends the run."""
    kept = clt_service.run

    def late(*arguments: object, timeout: float) -> Ended:
        kept(*arguments, timeout=timeout)  # type: ignore[arg-type]
        raise TimedOut

    monkeypatch.setattr(clt_service, "run", late)
    assert errors(world.create(mailbox(), [3, 4])) == [None, None]
    assert [call.operation for call in world.service.calls] == ["create"]
    world.service.expect(Trouble(operation="create", fault=faults.unauthorized()))
    with pytest.raises(StoreUnavailable, match="did not end"):
        world.create(mailbox("b@x.org", login="b"), [3])


def test_an_edit_of_nobodys_account(world: SoapWorld) -> None:
    """ "No such secondary account" with exit code 0 is not taken for a change."""
    [written] = world.create(mailbox(), [3])
    edit = Edit(user=3, account=written.account, mailbox_key=mailbox().key, change=AccountChange(name="new"))
    assert errors(world.store.edit(1, [edit])) == [None]
    world.store._service.update = lambda *_: False  # type: ignore[method-assign]
    assert errors(world.store.edit(1, [edit])) == ["the account is not there any more"]


def test_no_tools(tmp_path: Path) -> None:
    """Tools that are not there, or may not be run, are said with the key to look at."""
    service = CltService(CltOptions(directory=tmp_path, everywhere=LOGIN))
    with pytest.raises(StoreRefused, match="listsecondaryaccount cannot be run: No such file") as caught:
        service.admits(1)
    assert caught.value.hint == "check openxchange.clt.directory"
    (tmp_path / "listsecondaryaccount").write_text("#!/bin/sh\n")
    with pytest.raises(StoreRefused, match="Permission denied"):
        service.admits(1)
    with pytest.raises(StoreRefused, match="no login of the tools for context 1"):
        CltService(CltOptions(directory=tmp_path)).admits(1)


@pytest.mark.parametrize("name", ["a\0b", "a\udcffb"])
def test_a_text_that_no_command_line_can_have(tmp_path: Path, name: str) -> None:
    """Such a text fails these accounts, with a reason, and nothing is started."""
    with pytest.raises(Rejected, match="no command line"):
        script(tmp_path, "exit 1").create(1, {"name": name}, [3])


# ---------------------------------------------------------------------- answers

RECORDED = {case["name"]: case for case in replay.lines("tools.jsonl")}
MEANINGS: Mapping[str, tuple[type[Exception], str]] = {
    "create-dup-secondary": (Rejected, "exists already"),
    "create-primary-account0-missing": (Rejected, "no primary account"),
    "create-user-unknown": (Rejected, "user 99 does not exist any more"),
    "create-length-name-257": (Rejected, "Data too long for column 'name'"),
    "create-user-0": (Rejected, "Invalid user identifier: 0"),
    "create-wrong-password": (LoginRefused, "refused the login: Authentication failed"),
    "create-schema-locked": (StoreRefused, "locked or is now being updated"),
    "create-clt-missing-login": (StoreRefused, 'does not take what syncd sends: Option(s) "login" missing'),
    "create-clt-unknown-option": (StoreRefused, "does not take what syncd sends: Unrecognized options"),
    "create-clt-mail-port-abc": (StoreRefused, "failed: Invalid input detected"),
    "update-wrong-password": (LoginRefused, "refused the login"),
    "update-mailProtocol-changed": (Rejected, "The protocol must not changed from imap to pop3"),
    "delete-unknown-user": (Rejected, "user 99 does not exist any more"),
    "list-broken-six-part-password": (Rejected, "Open-Xchange failed: Input byte"),
}


def ended(name: str) -> Ended:
    """Give what was recorded, with a stack where the recording has its marker."""
    case = RECORDED[name]
    stack = "\tat com.openexchange.Some(Unknown Source)\n\tat java.Other"
    return Ended(case["exit"], case["stdout"], case["stderr"].replace("@TRACE_OMITTED@", stack).replace("@N@", "1-2"))


@pytest.mark.parametrize("name", MEANINGS)
def test_recorded_failures(name: str) -> None:
    """Each kind of recorded failure becomes an error of ours, on one line, without heading and stack."""
    kind, words = MEANINGS[name]
    found = failure(ended(name), "the tool")
    assert type(found) is kind
    assert words in str(found)
    assert "\n" not in str(found)
    assert "Unknown Source" not in str(found)


@pytest.mark.parametrize("name", [name for name, case in RECORDED.items() if case["exit"]])
def test_every_recorded_failure_is_one_of_ours(name: str) -> None:
    """Nothing that was recorded is a success or breaks the reading of it."""
    with pytest.raises((Rejected, StoreError)):
        outcome(ended(name), "the tool")
    with pytest.raises((Rejected, StoreError)):
        accounts(ended(name), "the tool")


@pytest.mark.parametrize("name", [name for name, case in RECORDED.items() if case["exit"] == 0])
def test_every_recorded_success_is_read(name: str) -> None:
    """Exit code 0 is done, or that there was no such account; lists have as many accounts as recorded."""
    done = ended(name)
    if RECORDED[name]["tool"] != "listsecondaryaccount":
        assert outcome(done, "the tool") is not done.stdout.startswith("No such")
    elif "--csv" in RECORDED[name]["argv"]:
        found = accounts(done, "the tool")
        assert len(found) == len(list(csv.reader(done.stdout.splitlines(keepends=True)))) - 1
        assert all(one.account and one.address for one in found)


@pytest.mark.parametrize(
    ("code", "stderr", "kind", "words"),
    [
        (105, "Server response:\n Connection refused to host\n\tat x\n", Unsent, "cannot reach Open-Xchange"),
        (1, "Look-up failed. Service OXSecondaryAccount is not available.\n", Unsent, "cannot reach Open-Xchange"),
        (107, "Server response:\n Error unmarshaling return header\n", StoreUnavailable, "Error unmarshaling"),
        (106, "Server response:\n com.mysql.cj.jdbc.exceptions.CommunicationsException: x\n", Undone, "database"),
        (1, "Error: Could not create the Java Virtual Machine.\n", StoreRefused, "Java Virtual Machine"),
        (127, "createsecondaryaccount: 9: java: not found\n", StoreRefused, "cannot be run"),
        (-9, "", StoreUnavailable, "was ended by signal 9"),
        (3, "?\n", StoreUnavailable, "ended with exit code 3: ?"),
        (1, "x" * 1000, StoreRefused, "x" * 400 + " …"),
    ],
)
def test_failures_of_systems(code: int, stderr: str, kind: type[Exception], words: str) -> None:
    """What was not recorded is told apart by exit code and text, and never takes too much room."""
    found = failure(Ended(code, "", stderr), "the tool")
    assert type(found) is kind
    assert words in str(found)


@pytest.mark.parametrize("stdout", ["", "Usage: createsecondaryaccount \n", "Picked up _JAVA_OPTIONS\n"])
def test_a_silent_success_is_none(stdout: str) -> None:
    """An exit code of 0 without the words of success or failure tells nothing."""
    with pytest.raises(StoreUnavailable, match="does not say what it did"):
        outcome(Ended(0, stdout, ""), "the tool")


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", 'account-id\n"1","2"\n', 'account-id,name\n"1"\n', 'account-id\n"1"x"\n']
)
def test_a_list_that_is_none(text: str) -> None:
    """A list without its columns, or with too many or too few, is not believed."""
    with pytest.raises(StoreUnavailable, match="a list that cannot be read"):
        accounts(Ended(0, text, ""), "the tool")
