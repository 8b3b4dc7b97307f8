"""The account commands do what was recorded from the vendor's tools, but for what is named here.

Each recorded command line is run by the script of the same name on the recorded state; exit code, both outputs and all
rows are compared. Traces and numbers of exceptions, which we do not have, are taken out of the recordings first.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syncd.cli import account_scripts
from syncd.openxchange import playground
from tests.servers.mariadb import MariaDb
from tests.standins import replay
from tests.standins.model import KEY
from tests.standins.sqlite import quick

CASES = {case["name"]: case for case in replay.lines("tools.jsonl")}
CONFIG = """\
directory: {{urls: ["ldif:///nowhere.ldif"], base: "dc=example,dc=org"}}
openxchange:
  database: {{url: "{url}"{password}}}
  obfuscation: {{format: {format}, key: {{file: {folder}/key}}}}
ledger: {{url: "sqlite:///{folder}/ledger.db"}}
mappings:
  - {{mailbox: mapped@example.org, context: 10, sources: [{{users: [user3]}}],
     account: {{name: M, login: m, mail: {{source: primary}}}}}}
"""
WRITTEN = "user_mail_account", "user_transport_account"
_CREDENTIALS = "by SQL nobody logs in to the middleware"
_TRANSPORT = "the tool's option overwrites the mail's source; ours has to fit it"
_WORDS = "the same in our words"


class Deviation(NamedTuple):
    """What we do otherwise on purpose."""

    exit: int
    rows: str
    """as recorded, unchanged, or others (which a test of their own is about)."""
    why: str


DEVIATIONS = {
    "create-primary-transport-source-localhost": Deviation(109, "unchanged", _TRANSPORT),
    "create-none-transport-source-primary": Deviation(109, "unchanged", _TRANSPORT),
    "create-primary-transport-source-none": Deviation(109, "unchanged", _TRANSPORT),
    "create-source-bogus": Deviation(109, "unchanged", "a source that there is not is an illegal value"),
    "create-port-70000": Deviation(109, "unchanged", "there is no such port"),
    "create-clt-boolean-yes": Deviation(109, "unchanged", "the tool takes yes for false"),
    "create-empty-login": Deviation(103, "unchanged", "no account can work with it"),
    "create-empty-name": Deviation(103, "unchanged", "no account can work with it"),
    "create-empty-primaryAddress": Deviation(103, "unchanged", "no account can work with it"),
    "create-empty-passwords": Deviation(0, "others", "an empty password is none, the transport's as well"),
    "create-dup-secondary": Deviation(0, "unchanged", "who has the account already is skipped"),
    "create-dup-one-of-three": Deviation(0, "others", "who has the account already is skipped"),
    "create-dup-server-login": Deviation(0, "others", "the address tells accounts apart, not server and login"),
    "create-dup-private": Deviation(106, "recorded", _WORDS),
    "create-dup-primary-address": Deviation(106, "recorded", _WORDS),
    "create-clt-nonl-duplicate": Deviation(106, "recorded", _WORDS),
    "create-primary-account0-missing": Deviation(106, "others", "one user's failure is not one for all"),
    "create-schema-locked": Deviation(1, "recorded", _WORDS),
    "create-host-blank-inside": Deviation(106, "recorded", _WORDS),
    "create-length-name-257": Deviation(106, "others", "an id is reserved first, and lost"),
    "create-context-unknown": Deviation(102, "recorded", "nobody has to log in, so the context can be named"),
    "create-wrong-password": Deviation(0, "others", _CREDENTIALS),
    "create-unknown-admin": Deviation(0, "others", _CREDENTIALS),
    "create-clt-missing-adminuser": Deviation(0, "others", _CREDENTIALS),
    "create-clt-missing-adminpass": Deviation(0, "others", _CREDENTIALS),
    "create-clt-missing-both-credentials": Deviation(0, "others", _CREDENTIALS),
    "update-wrong-password": Deviation(0, "others", _CREDENTIALS),
    "delete-wrong-password": Deviation(0, "others", _CREDENTIALS),
    "list-wrong-password": Deviation(0, "unchanged", _CREDENTIALS),
    "list-csv-wrong-password": Deviation(0, "unchanged", _CREDENTIALS),
    "update-mailProtocol-changed": Deviation(106, "recorded", _WORDS),
    "delete-private-account": Deviation(0, "unchanged", "only secondary accounts are deleted"),
    "list-broken-six-part-password": Deviation(0, "unchanged", "one broken row does not fail the list"),
    "list-csv-broken-six-part-password": Deviation(0, "unchanged", "one broken row does not fail the list"),
}
"""Cases with another exit code, other rows or other words, each with its reason."""
OWN_PASSWORDS = {"update-both-passwords": "tp2", "update-everything": "säcret"}
"""Cases in which the tool stores the mail password for the transport, too; we store what was given."""
ON_MARIADB = (
    *("create-none-full", "create-name-unicode", "create-users-groups-duplicates", "create-group-0", "create-host-idn"),
    *("create-length-name-257", "create-schema-locked", "create-dup-one-of-three", "update-field-name"),
    *("update-several-users", "update-everything", "update-personal-replyTo-empty", "delete-group", "delete-group-0"),
    *("delete-private-account", "list-many", "list-csv-many", "list-csv-unicode-quotes", "list-csv-by-users"),
)


class Stage(NamedTuple):
    """A database that each case gets afresh, and the configuration that names it."""

    engine: Any
    folder: Path
    file: Path | None
    url: str
    password: str = ""

    def prepare(self, case: Mapping[str, Any]) -> tuple[replay.State, replay.State]:
        """Load the state before a case; give it as recorded and as read back."""
        recorded = change = replay.state_before(case)
        if self.file is not None:
            shutil.copy(self.file.with_suffix(".base"), self.file)
            base = replay.base_state()
            change = {table: rows for table, rows in recorded.items() if rows != base.get(table)}
        with self.engine.begin() as connection:
            replay.load(connection, change, replay.cipher(case))
        return recorded, replay.read(self.engine, WRITTEN)

    def config(self, case: Mapping[str, Any]) -> Path:
        """Write the configuration for a case."""
        kind = {"N": "argon2", "L": "legacy"}[case.get("format", "N")]
        path = self.folder / f"{kind}.yaml"
        text = CONFIG.format(url=self.url, password=self.password, format=kind, folder=self.folder)
        path.write_text(text)
        return path

    def play(self, case: Mapping[str, Any]) -> int:
        """Run the command line of a case; give its exit code."""
        argv = [*case["argv"], "--config", str(self.config(case))]
        command = case["tool"].removesuffix("secondaryaccount")
        argv += ["--show-passwords"] if command == "list" else []
        return account_scripts.run(command, argv)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give a stage on SQLite."""
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "key").write_text(KEY.reveal())
    (folder / "key").chmod(0o600)
    file = folder / "ox.db"
    engine = quick(file)
    playground.create_schema(engine)
    with engine.begin() as connection:
        replay.load(connection, replay.base_state(), replay.cipher({}))
    shutil.copy(file, file.with_suffix(".base"))
    yield Stage(engine, folder, file, f"sqlite:///{file}")
    engine.dispose()


@pytest.fixture(scope="module")
def real_stage(mariadb: MariaDb, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Give a stage on MariaDB."""
    folder = tmp_path_factory.mktemp("accounts")
    for name, text in (("key", KEY.reveal()), ("password", "test")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    database = mariadb.fresh_database()
    url = mariadb.url(database).replace("mysql://", "mysql+pymysql://")
    return Stage(mariadb.engine(database), folder, None, url, f", password: {{file: {folder}/password}}")


def play(stage: Stage, capsys: pytest.CaptureFixture[str], case: Mapping[str, Any]) -> None:
    """Run a recorded command line and compare."""
    if case["name"] in OWN_PASSWORDS:
        case = corrected(case, OWN_PASSWORDS[case["name"]])
    recorded, before = stage.prepare(case)
    other = DEVIATIONS.get(case["name"])
    code = stage.play(case)
    output = capsys.readouterr()
    stdout = re.sub(r"\AUsage: syncd-(\w+ \n).*", r"Usage: \1@USAGE_TEXT_OMITTED@\n", output.out, flags=re.DOTALL)
    stderr = "".join(line for line in output.err.splitlines(True) if not line.startswith(("warning: ", "note: ")))
    wanted = re.sub(r"( exceptionID=@N@)?; exceptionId @N@|@TRACE_OMITTED@\n\n?", "", case["stderr"])
    if other is None:
        assert (code, stdout, stderr) == (case["exit"], case["stdout"], wanted)
    else:
        assert (code, bool(stderr)) == (other.exit, other.exit != 0)
        same = (case["exit"], case["stdout"], wanted) == (code, stdout, stderr)
        assert not same or other.rows == "others", "no deviation any more"
    if other is None or other.rows != "others":
        wanted_rows = recorded if other is not None and other.rows == "unchanged" else None
        after = replay.state_after(case, recorded) if wanted_rows is None else wanted_rows
        rows = replay.read(stage.engine)
        replay.compare(case, before, {table: rows[table] for table in rows}, after)


def corrected(case: Mapping[str, Any], password: str) -> Mapping[str, Any]:
    """Give a case as it should have been: the transport row with its own password."""
    fixed: dict[str, Any] = json.loads(json.dumps(case))
    for table in WRITTEN:
        for row in fixed["after"]["changed"][table]:
            row["password"].pop("same_ciphertext", None)
    for row in fixed["after"]["changed"]["user_transport_account"]:
        row["password"]["argon2"] = password
    return fixed


@pytest.mark.parametrize("name", CASES)
def test_recorded(stage: Stage, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A recorded command line has the recorded exit code, outputs and rows, or those of a named deviation."""
    play(stage, capsys, CASES[name])


@pytest.mark.mariadb
@pytest.mark.parametrize("name", ON_MARIADB)
def test_recorded_on_mariadb(real_stage: Stage, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """On MariaDB it is the same."""
    play(real_stage, capsys, CASES[name])


def test_deviations_are_of_cases() -> None:
    """Every deviation is one of a recorded case."""
    assert DEVIATIONS.keys() | OWN_PASSWORDS.keys() <= CASES.keys()
