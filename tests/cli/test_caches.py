"""Open-Xchange is told of rows written by SQL: which calls reach its service or Jolokia, and what if they fail."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.cli import account
from syncd.core.caches import stale
from syncd.core.changes import Change, Op, Outcome
from syncd.core.model import Secret
from syncd.openxchange import playground
from syncd.openxchange.caches import JolokiaCaches, JolokiaOptions, NoCaches
from syncd.telemetry.metrics import Metrics
from tests.e2e.world import Done, invoke
from tests.openxchange.world import TABLES
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service, Trouble
from tests.standins.sqlite import quick
from tests.telemetry.reports import report

CONFIG = """\
directory: {{urls: ["ldif://{folder}/directory.ldif"], base: "dc=x,dc=org"}}
openxchange:
  database: {{url: "sqlite:///{folder}/ox.db"}}
  {more}
ledger: {{url: "sqlite:///{folder}/ledger.db"}}
grace: off
mappings:
  - mailbox: support@mycompany.com
    context: 1
    sources: [{{users: [{users}]}}]
    limits: {{removals: {{percent: 100, floor: 9}}, updates: {{percent: 100, floor: 9}}}}
    account: {{name: Support, login: {login}, mail: {{server: imap.mycompany.com, port: 143}}}}
"""
SUPPORT = "support@mycompany.com"


@dataclass(kw_only=True)
class Place:
    """An Open-Xchange on SQLite with three users, and a configuration."""

    folder: Path
    engine: sa.Engine
    more: str = "invalidate: none"

    def syncd(self, *words: str, users: str = "user3, user4", login: str = "support") -> Done:
        """Run the command with these members."""
        text = CONFIG.format(folder=self.folder, more=self.more, users=users, login=login)
        (self.folder / "syncd.yaml").write_text(text)
        return invoke(*words, "-c", str(self.folder / "syncd.yaml"))

    def secret(self) -> str:
        """Write the administrator's password; give the reference."""
        (self.folder / "admin").write_text("secret")
        (self.folder / "admin").chmod(0o600)
        return f"{{file: {self.folder}/admin}}"

    def rows(self) -> Any:
        """Give all rows of the account tables."""
        with self.engine.connect() as connection:
            return {name: connection.execute(sa.text(f"SELECT * FROM {name}")).all() for name in TABLES}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a place."""
    engine = quick(tmp_path / "ox.db")
    playground.create_schema(engine)
    with engine.begin() as connection:
        playground.add_context(connection, 1)
        playground.add_users(connection, 1, [(user, f"user{user}", f"user{user}@x.org") for user in (3, 4, 5)])
    (tmp_path / "directory.ldif").write_text("dn: dc=x,dc=org\nobjectClass: domain\ndc: x\n")
    yield Place(folder=tmp_path, engine=engine)
    engine.dispose()


@pytest.fixture
def service(place: Place) -> Iterator[Service]:
    """Give the SOAP service on the same database, and tell the place of it."""
    pytest.importorskip("zeep")
    with Service(Middleware(place.engine, Installation(password="secret"))) as service:
        login = f"login: oxadmin, password: {place.secret()}"
        place.more = f"invalidate: soap\n  soap: {{url: {service.url}, {login}}}"
        yield service


def calls(service: Service) -> list[tuple[str, str, list[int], object]]:
    """Give the calls since the last time: operation, address, users, and the content."""
    found = []
    for call in service.calls:
        users = [user if isinstance(user, int) else user["id"] for user in call.arguments["users"]]
        content = {
            key: value for key, value in (call.arguments["accountDataUpdate"] or {}).items() if value is not None
        }
        found.append((call.operation, call.arguments["primaryAddress"], users, content))
    service.calls.clear()
    return found


def test_who_has_to_forget_what() -> None:
    """Creates and deletes are about users, updates about addresses; what failed is about nobody."""

    def outcome(op: Op, user: int, context: int = 1, result: Any = "applied") -> Outcome:
        change = Change(op=op, context=context, user=user, login="", mailbox=SUPPORT, account=1)
        return Outcome(change=change, result=result)

    made = [outcome(Op.CREATE, 3), outcome(Op.DELETE, 3), outcome(Op.UPDATE, 4), outcome(Op.UPDATE, 5, 2)]
    one, two = stale([*made, outcome(Op.CREATE, 9, result="failed")])
    assert (one.context, one.users, one.changed, one.changes) == (1, {3: 2}, {SUPPORT: (4,)}, 3)
    assert (two.context, two.users, two.changed) == (2, {}, {SUPPORT: (5,)})
    assert stale([]) == []
    assert NoCaches().clear([one, two]).left == 4


def test_empty_updates_by_soap(place: Place, service: Service) -> None:
    """One empty update per user who gets or loses an account, on his own address; one in all for changed fields."""
    assert place.syncd("sync").code == 0
    assert calls(service) == [("update", "user3@x.org", [3], {}), ("update", "user4@x.org", [4], {})]
    assert place.syncd("sync").code == 0
    assert calls(service) == []
    assert place.syncd("sync", login="other").code == 0
    assert calls(service) == [("update", SUPPORT, [3, 4], {})]
    assert place.syncd("sync", users="user4", login="other").code == 0
    assert calls(service) == [("update", "user3@x.org", [3], {})]


def test_the_empty_updates_write_nothing(place: Place, service: Service) -> None:
    """The rows, those of the primary accounts too, are the same as when nobody is told."""
    assert place.syncd("sync").code == 0
    rows = place.rows()
    place.more = "invalidate: none"
    assert place.syncd("sync", users="user5").code == 0  # all of them go
    assert len(calls(service)) == 2
    assert {row for row in rows["user_mail_account"] if row[0] == 0} == {
        row for row in place.rows()["user_mail_account"] if row[0] == 0
    }


def test_a_service_that_is_down_fails_no_run(place: Place, service: Service) -> None:
    """The accounts are written, the run is good, and a warning says what happened; nothing more is tried."""
    service.expect(Trouble(operation="update", times=None, drop="before"))
    done = place.syncd("sync")
    assert done.code == 0
    assert "warning: users may see changes late: context 1: " in done.out
    assert "2 created" in done.out
    place.more = place.more.replace("/OXSecondaryAccountService", "/nowhere")
    document = json.loads(place.syncd("sync", "--output", "json", users="user3, user4, user5").out)
    assert (document["summary"]["create"], len(document["warnings"])) == (1, 1)


def test_a_context_that_is_refused_leaves_the_others_told(place: Place, service: Service) -> None:
    """Where the login of one context is refused the changes of the others are told, and only its own are counted."""
    with place.engine.begin() as connection:
        playground.add_context(connection, 2)
        playground.add_users(connection, 2, [(3, "user3", "user3@x.org")])
    wrong = place.folder / "wrong"
    wrong.write_text("wrong")
    wrong.chmod(0o600)
    place.more = place.more.replace("login:", f"credentials: {{1: {{login: x, password: {{file: {wrong}}}}}}}, login:")
    text = CONFIG.format(folder=place.folder, more=place.more, users="user3", login="support")
    further = text[text.index("  - mailbox") :].replace("context: 1", "context: 2")
    (place.folder / "both.yaml").write_text(text + further)
    document = json.loads(invoke("sync", "-c", str(place.folder / "both.yaml"), "--output", "json").out)
    assert document["summary"]["create"] == 2
    [warning] = document["warnings"]
    assert "context 1: " in warning
    assert "refused the login" in warning
    assert [call.arguments["context"]["id"] for call in service.calls] == [1, 2]


def test_changes_by_hand_are_told_too(place: Place, service: Service) -> None:
    """An account that a person takes away is one empty update on the user's own address."""
    place.syncd("sync")
    service.calls.clear()
    config = str(place.folder / "syncd.yaml")
    code = account.in_syncd("delete", ["--config", config, "-c", "1", "--users", "3", "-e", SUPPORT])
    assert code == 0
    assert calls(service) == [("update", "user3@x.org", [3], {})]


def test_whoever_changes_by_hand_hears_of_a_service_that_is_down(
    place: Place, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change by hand, and one undone, are written and good; a warning says that users may see them late."""
    place.syncd("sync")
    capsys.readouterr()
    service.expect(Trouble(operation="update", times=None, drop="before"))
    config = str(place.folder / "syncd.yaml")
    words = ["--config", config, "-c", "1", "--users", "3", "-e", SUPPORT, "--pin"]
    assert account.in_syncd("delete", words) == 0
    assert capsys.readouterr().err.startswith("warning: users may see changes late: context 1: the ")
    entries = json.loads(place.syncd("history", "--output", "json").out)["history"]
    [number] = [one["change"] for one in entries if one["op"] == "delete"]
    done = place.syncd("undo", str(number), "--pin")
    assert (done.code, "1 created" in done.out) == (0, True)
    assert "warning: users may see changes late: context 1: the " in done.out


def test_check_says_how_it_is(place: Place, service: Service) -> None:
    """By SOAP the login is tried; none is a warning that fails nothing."""
    told = next(line for line in place.syncd("check").out.splitlines() if "OX caches" in line)
    assert (told[:2], "will be told of changes" in told) == ("ok", True)
    (place.folder / "admin").write_text("wrong")
    told = next(line for line in place.syncd("check").out.splitlines() if "OX caches" in line)
    assert told.startswith("FAIL")
    place.more = "invalidate: none"
    told = next(line for line in place.syncd("check").out.splitlines() if "OX caches" in line)
    assert (told[:2], "warning: nobody tells" in told) == ("ok", True)


@pytest.mark.parametrize("way", ["soap", "jolokia"])
def test_a_way_needs_its_section(place: Place, way: str) -> None:
    """Without the section it is a problem of the configuration."""
    place.more = f"invalidate: {way}"
    done = place.syncd("check", "--offline")
    assert (done.code, f"{way} needs openxchange.{way}" in done.err) == (1, True)


def test_untold_changes_are_counted() -> None:
    """The metric exists from the start, and counts what nobody was told of."""
    metrics = Metrics()
    assert b"syncd_changes_written_without_invalidation_total 0.0" in metrics.render()[0]
    metrics.publish(report(uninvalidated=3))
    assert b"syncd_changes_written_without_invalidation_total 3.0" in metrics.render()[0]


# --------------------------------------------------------------------------- Jolokia


@dataclass
class Jolokia:
    """A small Jolokia on loopback: answers with one status and body, and remembers what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"status": 200}'
    asked: list[tuple[Mapping[str, Any], str]] = field(default_factory=list)


@pytest.fixture
def jolokia() -> Iterator[Jolokia]:
    """Give a Jolokia."""
    found = Jolokia()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found.asked.append((asked, self.headers.get("Authorization", "")))
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", found.url + "elsewhere")
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}/monitoring/jolokia"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_jolokia_clears_the_region_once(place: Place, jolokia: Jolokia) -> None:
    """A run that writes asks for one clear on all nodes, with the login; a run that writes nothing asks nothing."""
    login = f"login: jolokia, password: {place.secret()}"
    place.more = f"invalidate: jolokia\n  jolokia: {{url: {jolokia.url}, {login}}}"
    assert place.syncd("sync").code == 0
    [(asked, authorization)] = jolokia.asked
    assert asked == {
        "type": "exec",
        "mbean": "com.openexchange.caching:name=JCSCacheInformation",
        "operation": "clear(java.lang.String,boolean)",
        "arguments": ["MailAccount", False],
    }
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"jolokia:secret"
    assert place.syncd("sync").code == 0
    assert len(jolokia.asked) == 1
    assert "will be told" in place.syncd("check").out
    assert jolokia.asked[-1][0] == {"type": "version"}


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, b"", "HTTP status 401"),
        (302, b"", "HTTP status 302"),
        (200, b"<html>", "something else than JSON"),
        (200, b'{"status": 403}', "refused: status 403"),
        (200, b"[]", "refused: status None"),
    ],
)
def test_a_jolokia_that_refuses_is_a_warning(jolokia: Jolokia, status: int, body: bytes, words: str) -> None:
    """Every wrong answer leaves the changes untold and says why, without the password; nothing is redirected."""
    jolokia.status, jolokia.body = status, body
    caches = JolokiaCaches(JolokiaOptions(url=jolokia.url, login="jolokia", password=Secret("hush")))
    made = Change(op=Op.CREATE, context=1, user=3, login="", mailbox=SUPPORT, account=1)
    left, [problem] = caches.clear(stale([Outcome(change=made, result="applied")]))
    assert (left, words in problem, "hush" in problem) == (1, True, False), problem
    assert len(jolokia.asked) == 1


def test_no_jolokia_is_a_warning(place: Place) -> None:
    """Where nobody listens the run is good all the same."""
    place.more = "invalidate: jolokia\n  jolokia: {url: http://127.0.0.1:1/jolokia}"
    done = place.syncd("sync")
    assert (done.code, "cannot be reached" in done.out) == (0, True)
