"""The stand-in does what was recorded from the vendor's middleware: all calls of the service and of the tools."""

from __future__ import annotations

import http.client
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.openxchange import playground
from tests.servers.mariadb import MariaDb
from tests.standins import envelope, replay
from tests.standins.contract import PATH, TYPES
from tests.standins.faults import Fault
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service
from tests.standins.sqlite import quick
from tests.standins.tools import run

SOAP = {case["name"]: case for case in replay.lines("soap.jsonl")}
TOOLS = {case["name"]: case for case in replay.lines("tools.jsonl")}
WIRE = replay.lines("wire.jsonl")
ON_MARIADB = (
    *("create-none-full", "create-dup-accent", "create-dup-one-of-three", "create-group-0", "create-length-name-257"),
    *("create-sequence-max", "create-schema-locked", "update-everything", "update-both-passwords", "delete-group-0"),
    *("update-no-transport-row-server", "delete-extra-properties", "list-many", "list-url-broken"),
)


class Stage:
    """A service on a database that each case gets afresh."""

    def __init__(self, engine: sa.Engine, file: Path | None = None) -> None:
        self.engine = engine
        self._file = file
        if file is not None:
            with engine.begin() as connection:
                replay.load(connection, replay.base_state(), replay.cipher({}))
            shutil.copy(file, file.with_suffix(".base"))
        self.service = Service(Middleware(engine))

    def prepare(self, case: Mapping[str, Any]) -> tuple[replay.State, replay.State]:
        """Load the state before a case; give it as recorded and as read back."""
        recorded = replay.state_before(case)
        change = recorded
        if self._file is not None:  # copying a file is quicker than writing all rows
            shutil.copy(self._file.with_suffix(".base"), self._file)
            base = replay.base_state()
            change = {table: rows for table, rows in recorded.items() if rows != base.get(table)}
        with self.engine.begin() as connection:
            replay.load(connection, change, replay.cipher(case))
        self.service.middleware.installation = Installation(cipher=replay.cipher(case))
        return recorded, replay.read(self.engine, ("user_mail_account", "user_transport_account"))

    def check(self, case: Mapping[str, Any], recorded: replay.State, before: replay.State) -> None:
        """Compare the tables after a case."""
        replay.compare(case, before, replay.read(self.engine), replay.state_after(case, recorded))

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Send a request; give status and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)
        try:
            connection.request("POST", PATH, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a service on SQLite."""
    file = tmp_path_factory.mktemp("standins") / "ox.db"
    engine = quick(file)
    playground.create_schema(engine)
    stage = Stage(engine, file)
    with stage.service:
        yield stage


@pytest.fixture(scope="module")
def real_stage(mariadb: MariaDb) -> Iterator[Stage]:
    """Give a service on MariaDB."""
    stage = Stage(mariadb.engine(mariadb.fresh_database()))
    with stage.service:
        yield stage


def numberless(text: str) -> str:
    """Replace the numbers of exceptions as the recordings do."""
    return re.sub(r"(exceptionI[dD][ =])-?\d+-\d+", r"\1@N@", text)


def play_soap(stage: Stage, case: Mapping[str, Any]) -> None:
    """Make a recorded call of the service, and compare answer and rows."""
    recorded, before = stage.prepare(case)
    request = case["request"].encode() if "request" in case else None
    body = request or envelope.write_request(case["operation"], case["arguments"])
    status, answer = stage.post(body, case.get("headers"))
    try:
        result = envelope.read_answer(answer)
    except Fault as fault:
        got = {"faultcode": f"soap:{fault.code}", "message": numberless(fault.message), "detail": fault.detail}
        assert got == case.get("fault")
    else:
        wanted = case["return"]
        if isinstance(wanted, list):
            wanted = [dict.fromkeys(TYPES["D:Account"]) | account for account in wanted]
        elif case["name"].startswith("list") and result is None:
            result = []
        assert result == wanted
    assert status == case["status"]
    stage.check(case, recorded, before)


def play_tool(stage: Stage, case: Mapping[str, Any]) -> None:
    """Run a recorded command line, and compare exit code, both outputs and rows."""
    recorded, before = stage.prepare(case)
    environ = {"LC_ALL": "C.UTF-8", "RMI_HOSTNAME": f"rmi://127.0.0.1:{stage.service.port}/"}
    done = run(case["tool"], case["argv"], environ | case.get("env", {}))
    errors = re.sub(r"(\tat [^\n]*\n)+", "@TRACE_OMITTED@\n", numberless(done.stderr))
    if "--nonl" in case["argv"]:
        errors = re.sub(r"(?<=: )at .*", "@TRACE_OMITTED@", errors)
    output = re.sub(r"\A(Usage: \w+ \n).*", r"\1@USAGE_TEXT_OMITTED@\n", done.stdout, flags=re.DOTALL)
    assert (done.exit, output, errors) == (case["exit"], case["stdout"], case["stderr"])
    stage.check(case, recorded, before)


@pytest.mark.parametrize("name", SOAP)
def test_service(stage: Stage, name: str) -> None:
    """A recorded call of the service gets the recorded answer and leaves the recorded rows."""
    play_soap(stage, SOAP[name])


@pytest.mark.parametrize("name", TOOLS)
def test_tool(stage: Stage, name: str) -> None:
    """A recorded command line has the recorded exit code, outputs and rows."""
    play_tool(stage, TOOLS[name])


@pytest.mark.mariadb
@pytest.mark.parametrize("name", ON_MARIADB)
def test_service_on_mariadb(real_stage: Stage, name: str) -> None:
    """On MariaDB it does the same."""
    play_soap(real_stage, SOAP[name])


@pytest.mark.parametrize("wire", WIRE, ids=[wire["name"] for wire in WIRE])
def test_wire(stage: Stage, wire: Mapping[str, Any]) -> None:
    """Answers are, byte for byte, those on the wire."""
    stage.prepare(SOAP[wire["name"]])
    status, answer = stage.post(wire["request"].encode())
    assert (status, numberless(answer.decode())) == (wire["status"], wire["response"])


@pytest.mark.parametrize("wire", WIRE, ids=[wire["name"] for wire in WIRE])
def test_request(wire: Mapping[str, Any]) -> None:
    """Requests are written as they were recorded."""
    case = SOAP[wire["name"]]
    if "arguments" in case:
        assert envelope.write_request(case["operation"], case["arguments"]).decode() == wire["request"]


def test_all_is_played() -> None:
    """All 375 recorded cases are played; there is none that the stand-in does not match."""
    assert (len(SOAP), len(TOOLS)) == (251, 124)


def test_differences_are_noticed(stage: Stage) -> None:
    """The comparison sees another value, a missing row and a password that was not encrypted anew."""
    case = SOAP["update-field-password"]
    play_soap(stage, case)
    recorded = replay.state_before(case)
    wanted = replay.state_after(case, recorded)
    after = replay.read(stage.engine)
    replay.compare(case, {}, after, wanted)
    key = (10, 3, 1)
    for change in ({"failed_auth_count": 1}, {"password": "clear"}, {"spam": None}):
        other = {**after, "user_mail_account": {**after["user_mail_account"]}}
        other["user_mail_account"][key] = after["user_mail_account"][key] | change
        with pytest.raises(AssertionError):
            replay.compare(case, {}, other, wanted)
    with pytest.raises(AssertionError):  # as if the ciphertext had been there before
        replay.compare(case, {table: after[table] for table in ("user_mail_account",)}, after, wanted)
    with pytest.raises(AssertionError):
        replay.compare(case, {}, {**after, "user_transport_account": {}}, wanted)
