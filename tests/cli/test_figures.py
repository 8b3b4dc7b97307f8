"""What whole runs may cost: calls of the service, and keys derived for stored passwords."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from syncd.cli.main import app
from syncd.core.model import Secret
from syncd.openxchange import obfuscation, playground
from syncd.openxchange.obfuscation import Obfuscation, obfuscator
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service
from tests.standins.sqlite import quick

MEMBERS = 1000
CONFIG = """\
directory: {{urls: ["ldif://{folder}/directory.ldif"], base: "dc=example,dc=org"}}
openxchange:
  database: {{url: "sqlite:///{folder}/ox.db"}}
  obfuscation: {{format: {format}, key: {{file: {folder}/key}}}}
{writing}ledger: {{url: "sqlite:///{folder}/ledger.db"}}
limits: {{additions: 5000, updates: {{percent: 100, floor: 5000}}}}
mappings:
  - mailbox: support@example.org
    context: 1
    sources: [{{ox_group: team}}]
    account:
      name: Support
      login: support
      mail: {{server: imap.example.org, port: 143}}
      transport: {{server: smtp.example.org, port: 25{transport}}}
{password}"""


@dataclass
class Place:
    """An Open-Xchange whose group `team` has members."""

    engine: sa.Engine
    folder: Path
    service: Service | None = None
    values: dict[str, str] = field(default_factory=dict)

    def secret(self, name: str, text: str) -> str:
        """Write a secret; give the reference to it."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return f"{{file: {path}}}"

    def configure(self, *, password: str | None = None, format: str = "argon2") -> None:  # noqa: A002 - its name there
        """Write the configuration, with the same password for mail and transport."""
        self.secret("key", "k" * 20)
        stored = self.secret("stored", password) if password else None
        writing = ""
        if self.service is not None:
            login = f"login: oxadmin, password: {self.secret('admin', 'secret')}"
            writing = f"  write_with: soap\n  soap: {{url: {self.service.url}, {login}}}\n"
        self.values = {"folder": str(self.folder), "format": format, "writing": writing}
        self.values["password"] = f"      password: {stored}\n" if stored else ""
        self.values["transport"] = f", password: {stored}" if stored else ""
        (self.folder / "syncd.yaml").write_text(CONFIG.format(**self.values))

    def join(self, first: int, count: int) -> None:
        """Let further users be members."""
        with self.engine.begin() as connection:
            for user in range(first, first + count):
                values = {"cid": 1, "id": 9, "member": user}
                connection.execute(sa.text("INSERT INTO groups_member VALUES (:cid, :id, :member)"), values)

    def sync(self) -> dict[str, Any]:
        """Run once; give what is counted in the summary, without zeros."""
        done = CliRunner().invoke(app, ["sync", "-c", str(self.folder / "syncd.yaml"), "--output", "json"])
        assert done.exit_code == 0, done.output
        summary: dict[str, int] = json.loads(done.stdout)["summary"]
        return {name: count for name, count in summary.items() if count}

    def ids(self) -> dict[int, int]:
        """Give the account id of each user who has the account."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT user, id FROM user_mail_account WHERE secondary = 1"))
            return {row[0]: row[1] for row in rows}

    def calls(self) -> list[tuple[str, int]]:
        """Give the calls since the last time, each with its number of users."""
        assert self.service is not None
        found = [(call.operation, len(call.arguments.get("users") or ())) for call in self.service.calls]
        self.service.calls.clear()
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give a place where accounts are written by SQL, with 1,002 users of whom nobody is a member."""
    engine = quick(tmp_path / "ox.db")
    playground.create_schema(engine)
    with engine.begin() as connection:
        playground.add_context(connection, 1)
        people = [(user, f"user{user}", f"user{user}@example.org") for user in range(100, 102 + MEMBERS)]
        playground.add_users(connection, 1, people)
        playground.add_group(connection, 1, 9, "team")
    (tmp_path / "directory.ldif").write_text("dn: dc=example,dc=org\nobjectClass: domain\ndc: example\n")
    return Place(engine=engine, folder=tmp_path)


@pytest.fixture
def soap_place(place: Place) -> Iterator[Place]:
    """Give the same place with the SOAP service in front of it."""
    pytest.importorskip("zeep")
    cipher = obfuscator(Obfuscation(format="argon2", key=Secret("k" * 20)))
    with Service(Middleware(place.engine, Installation(password="secret", cipher=cipher))) as service:
        place.service = service
        yield place


ALONE = """\
directory: {{urls: ["ldif://{folder}/directory.ldif"], base: "dc=example,dc=org", users: {{rules: [{{id: number}}]}}}}
openxchange:
{writing}ledger: {{url: "sqlite:///{folder}/ledger.db"}}
limits: {{additions: 5000}}
mappings:
  - mailbox: support@example.org
    context: 1
    sources: [{{group: "cn=team,dc=example,dc=org"}}]
    account: {{name: Support, login: support, mail: {{server: imap.example.org, port: 143}}}}
"""


@pytest.mark.parametrize(("password", "users"), [(None, 500), ("hush", 100)])
def test_calls_of_a_first_fill_and_of_one_more_member(soap_place: Place, password: str | None, users: int) -> None:
    """1,000 members take 2 calls, with stored passwords 10; one more takes one, and nobody else's id changes."""
    soap_place.configure(password=password)
    soap_place.join(100, MEMBERS)
    assert soap_place.sync() == {"create": MEMBERS}
    assert soap_place.calls() == [("create", users)] * (MEMBERS // users)
    before = soap_place.ids()
    assert len(before) == MEMBERS
    soap_place.join(100 + MEMBERS, 1)
    assert soap_place.sync() == {"create": 1, "unchanged": MEMBERS}
    assert soap_place.calls() == [("create", 1)]
    after = soap_place.ids()
    assert after.pop(100 + MEMBERS) not in before.values()
    assert after == before
    assert soap_place.sync() == {"unchanged": MEMBERS + 1}
    assert soap_place.calls() == []


def test_calls_without_a_database(soap_place: Place) -> None:
    """Where the service is all that is asked lists are added: of the context, and before and after each create."""
    soap_place.configure()
    (soap_place.folder / "syncd.yaml").write_text(ALONE.format(**soap_place.values))

    def team(count: int) -> None:
        people = [f"uid=u{user},dc=example,dc=org" for user in range(100, 100 + count)]
        entries = ["dn: dc=example,dc=org\nobjectClass: domain\ndc: example"]
        entries += [f"dn: {dn}\nobjectClass: account\nnumber: {100 + nth}" for nth, dn in enumerate(people)]
        members = "\n".join(f"member: {dn}" for dn in people)
        entries.append(f"dn: cn=team,dc=example,dc=org\nobjectClass: groupOfNames\ncn: team\n{members}")
        (soap_place.folder / "directory.ldif").write_text("\n\n".join(entries) + "\n")

    team(MEMBERS)
    assert soap_place.sync() == {"create": MEMBERS}
    calls = soap_place.calls()
    assert [call for call in calls if call[0] != "list"] == [("create", 500)] * 2
    assert len(calls) == 5 + 3 * 2  # who is there (in all, and two times 500), what is there, the login
    before = soap_place.ids()
    team(MEMBERS + 1)
    assert soap_place.sync() == {"create": 1, "unchanged": MEMBERS}
    calls = soap_place.calls()
    assert [call for call in calls if call[0] != "list"] == [("create", 1)]
    assert len(calls) == 1 + 6
    assert before.items() < soap_place.ids().items()
    assert soap_place.sync() == {"unchanged": MEMBERS + 1}
    assert soap_place.calls() == [("list", 0), ("list", 0)]


def test_one_key_is_derived_for_all_passwords_of_a_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filling takes one key, a run without changes none, and a new password one to read and one to write."""
    derived: list[bytes] = []
    derive = obfuscation.hash_secret_raw

    def counting(secret: bytes, salt: bytes, *more: Any, **named: Any) -> bytes:
        derived.append(salt)
        return derive(secret, salt, *more, **named)

    monkeypatch.setattr(obfuscation, "hash_secret_raw", counting)
    place.configure(password="first")
    place.join(100, MEMBERS)
    for expected, keys in (({"create": MEMBERS}, 1), ({"unchanged": MEMBERS}, 0)):
        assert place.sync() == expected
        assert len(derived) == keys
        derived.clear()
    place.configure(password="second")
    assert place.sync() == {"update": MEMBERS}
    assert len(derived) == 2
    derived.clear()
    with place.engine.begin() as connection:  # one text comes back as it was for another user: read, found right
        texts = connection.execute(
            sa.text("SELECT password FROM user_mail_account WHERE user IN (100, 101) AND id <> 0")
        )
        statement = sa.text("UPDATE user_mail_account SET password = :text WHERE user = 100 AND id <> 0")
        connection.execute(statement, {"text": texts.scalars().all()[-1]})
    assert place.sync() == {"unchanged": MEMBERS}
    assert len(derived) == 1
