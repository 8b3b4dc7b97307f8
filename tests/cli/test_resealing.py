"""Stored passwords of both formats: what `auto` makes of them, what check says, and what reseal writes again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.model import Secret
from syncd.openxchange import playground
from syncd.openxchange.obfuscation import Automatic, Format, Obfuscation, obfuscator
from syncd.openxchange.stored import Stock
from tests.e2e.world import Done, invoke
from tests.openxchange.world import TABLES
from tests.standins import faults
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service, Trouble
from tests.standins.sqlite import quick
from tests.standins.tools import write_tools

KEY, PASSWORD, SENDING = "a key for tests", "Very-Secret-42", "Sending-Secret-44"
CONFIG = """\
directory: {{urls: ["ldif://{folder}/directory.ldif"], base: "dc=x,dc=org"}}
openxchange:
  database: {{url: "sqlite:///{folder}/ox.db"}}
  obfuscation: {{format: {format}, key: {{file: {folder}/key}}}}
{writing}\
ledger: {{url: "sqlite:///{folder}/ledger.db"}}
mappings:
  - mailbox: support@mycompany.com
    context: 1
    sources: [{{users: [user3, user4, user5]}}]
    limits: {{updates: {{percent: 0, floor: 0}}}}
    account:
      name: Support
      login: support
      {password}
      mail: {{server: imap.mycompany.com, port: 143}}
      transport: {{server: smtp.mycompany.com, port: 25{sending}}}
"""
CIPHERS = {kind: obfuscator(Obfuscation(format=kind, key=Secret(KEY))) for kind in ("argon2", "legacy")}


@dataclass(kw_only=True)
class Place:
    """An Open-Xchange on SQLite with three members, and a configuration."""

    folder: Path
    engine: sa.Engine
    writing: str = ""
    """Lines of the section openxchange about the way to write."""

    def configure(self, kind: str = "auto", *, password: bool = True) -> None:
        """Write the configuration, with or without the passwords of the accounts."""
        for name, text in {"key": KEY, "password": PASSWORD, "sending": SENDING}.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        mine = f"password: {{file: {self.folder}/password}}" if password else ""
        sending = f", password: {{file: {self.folder}/sending}}" if password else ""
        text = CONFIG.format(folder=self.folder, format=kind, password=mine, sending=sending, writing=self.writing)
        (self.folder / "syncd.yaml").write_text(text)

    def syncd(self, *words: str) -> Done:
        """Run the command."""
        return invoke(*words, "-c", str(self.folder / "syncd.yaml"))

    def plain(self, kind: Format, table: str = "user_mail_account") -> dict[int, str | None]:
        """Give what a release of Open-Xchange reads, by user."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.text(f"SELECT user, password FROM {table} WHERE secondary = 1"))
            return {user: CIPHERS[kind].decrypt(text) for user, text in rows}

    def store(self, user: int, text: str, table: str = "user_mail_account") -> None:
        """Store a text as the password of a user's account."""
        with self.engine.begin() as connection:
            statement = sa.text(f"UPDATE {table} SET password = :text WHERE user = :user AND secondary = 1")
            connection.execute(statement, {"text": text, "user": user})

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Give all rows of the account tables."""
        with self.engine.connect() as connection:
            return {
                name: [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}"))] for name in TABLES
            }

    def checked(self) -> list[str]:
        """Give what check says about stored passwords."""
        told = self.syncd("check").out.splitlines()
        return [line for line in told if "OX stored passwords" in line]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a place where three members have an account with passwords in the legacy format."""
    engine = quick(tmp_path / "ox.db")
    playground.create_schema(engine)
    with engine.begin() as connection:
        playground.add_context(connection, 1)
        playground.add_users(connection, 1, [(user, f"user{user}", f"user{user}@x.org") for user in (3, 4, 5)])
    (tmp_path / "directory.ldif").write_text("dn: dc=x,dc=org\nobjectClass: domain\ndc: x\n")
    place = Place(folder=tmp_path, engine=engine)
    place.configure("legacy")
    assert place.syncd("sync").code == 0
    yield place
    engine.dispose()


@pytest.fixture
def service(place: Place) -> Iterator[Service]:
    """Give an Open-Xchange from 8.16 on in front of the place, which has the legacy format stored."""
    with Service(Middleware(place.engine, Installation(cipher=CIPHERS["argon2"]))) as service:
        (place.folder / "admin").write_text("secret")
        (place.folder / "admin").chmod(0o600)
        yield service


@pytest.mark.parametrize(
    ("stock", "kind"), [((0, 0), "argon2"), ((1, 0), "argon2"), ((0, 1), "legacy"), ((1, 9), "argon2")]
)
def test_the_format_in_use(stock: tuple[int, int], kind: str) -> None:
    """Rows of one format mean that one, of both the newer one, and none mean that one, too."""
    assert Stock(*stock).format == kind


def test_automatic_encrypts_as_it_is_told() -> None:
    """Until somebody has looked it is argon2; afterwards what was found, with seals of its own."""
    engine = Automatic(KEY)
    assert CIPHERS["argon2"].decrypt(engine.encrypt(PASSWORD)) == PASSWORD
    engine.settle("legacy")
    text = engine.encrypt(PASSWORD)
    assert text == CIPHERS["legacy"].encrypt(PASSWORD)
    assert (
        engine.seal(text, PASSWORD) == CIPHERS["legacy"].seal(text, PASSWORD) != CIPHERS["argon2"].seal(text, PASSWORD)
    )


def test_auto_goes_on_as_it_was_stored(place: Place) -> None:
    """Where all is legacy it stays so: nothing is written, a new account is stored alike, and check says it."""
    place.configure("auto")
    before = place.rows()
    assert place.syncd("sync").code == 0
    assert place.rows() == before
    with place.engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM user_mail_account WHERE user = 5 AND secondary = 1"))
        connection.execute(sa.text("DELETE FROM user_transport_account WHERE user = 5 AND secondary = 1"))
    assert place.syncd("sync").code == 0
    assert place.plain("legacy") == dict.fromkeys((3, 4, 5), PASSWORD)
    [told] = place.checked()
    assert told.startswith("ok")
    assert "0 argon2, 6 legacy; in use: legacy (auto)" in told
    assert "passwordSource=user" in told


def test_nothing_stored_yet(place: Place) -> None:
    """Without any stored password auto is argon2, and check notes it."""
    with place.engine.begin() as connection:
        for table in TABLES:
            connection.execute(sa.text(f"DELETE FROM {table} WHERE id > 0"))
    place.configure("auto")
    assert "none yet; they will be stored as argon2 (auto)" in place.checked()[0]
    assert place.syncd("sync").code == 0
    assert place.plain("argon2") == dict.fromkeys((3, 4, 5), PASSWORD)


@pytest.mark.parametrize("kind", ["auto", "argon2"])
def test_reseal_after_an_upgrade(place: Place, kind: str) -> None:
    """Of mixed rows the old ones are noticed although they were verified before, and written again past the limits."""
    place.configure(kind)
    place.store(3, CIPHERS["argon2"].encrypt(PASSWORD))
    [told] = place.checked()
    assert told.startswith("FAIL")
    assert "1 argon2, 5 legacy; in use: argon2" in told
    assert "syncd reseal" in told
    assert place.syncd("sync").code == 4  # as updates, which this mailbox' limit holds
    done = place.syncd("reseal")
    assert (done.code, "passwords of 3 accounts written again, of 3 claimed" in done.err) == (0, True)
    assert place.plain("argon2") == dict.fromkeys((3, 4, 5), PASSWORD)
    assert place.plain("argon2", "user_transport_account") == dict.fromkeys((3, 4, 5), SENDING)
    assert place.checked()[0].startswith("ok")
    before = place.rows()
    assert "passwords of 0 accounts" in place.syncd("reseal").err
    assert place.syncd("sync").code == 0
    assert place.rows() == before


def test_reseal_keeps_passwords_that_are_not_configured(place: Place) -> None:
    """Passwords that left the configuration are read by the old format; what nobody reads is told and stays."""
    place.configure("argon2", password=False)
    place.store(4, CIPHERS["legacy"].encrypt("another"))
    place.store(5, "broken")
    done = place.syncd("reseal", "--mailbox", "Support@mycompany.com")
    assert (done.code, "user 5: a stored password cannot be decrypted" in done.err) == (5, True)
    assert place.plain("argon2") == {3: PASSWORD, 4: "another", 5: None}
    assert place.plain("argon2", "user_transport_account") == dict.fromkeys((3, 4, 5), SENDING)
    place.configure("argon2")
    assert place.syncd("reseal").code == 0
    assert place.plain("argon2")[5] == PASSWORD


def test_reseal_touches_claimed_accounts_only(place: Place) -> None:
    """The account of a mailbox that is not ours is left alone, and a mailbox of which nothing is ours is refused."""
    theirs = CIPHERS["legacy"].encrypt("theirs")
    row = {"cid": 1, "id": 900, "user": 3, "name": "Other", "secondary": 1, "url": "imap://o:143", "login": "o"}
    row |= {"primary_addr": "other@x.org", "spam_handler": "NoSpamHandler", "password": theirs}
    with place.engine.begin() as connection:
        playground.add_rows(connection, "user_mail_account", [row])
    place.configure("argon2")
    assert place.syncd("reseal").code == 0
    with place.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT password FROM user_mail_account WHERE id = 900")) == theirs
    done = place.syncd("reseal", "--mailbox", "other@x.org")
    assert (done.code, "nothing of other@x.org is claimed" in done.err) == (1, True)


def by_soap(place: Place, service: Service) -> None:
    """Let the place be written by SOAP, in the format of an upgraded installation."""
    login = f"login: oxadmin, password: {{file: {place.folder}/admin}}"
    place.writing = f"  write_with: soap\n  soap: {{url: {service.url}, {login}}}\n"
    place.configure("argon2")


def test_reseal_where_nothing_is_claimed(place: Place) -> None:
    """It says so, instead of nothing at all."""
    (place.folder / "ledger.db").unlink()
    done = place.syncd("reseal")
    assert (done.code, done.err) == (0, "no account is claimed, so no password is written again\n")


def test_reseal_tells_whom_open_xchange_was_not_told_of(place: Place) -> None:
    """Where its service cannot be asked to forget what it knows, the passwords are written and a warning says so."""
    place.configure("argon2")
    text = (place.folder / "syncd.yaml").read_text()
    login = f"login: a, password: {{file: {place.folder}/key}}"
    told = f"  invalidate: soap\n  soap: {{url: 'http://127.0.0.1:1/x', {login}}}\n"
    (place.folder / "syncd.yaml").write_text(text.replace("openxchange:\n", f"openxchange:\n{told}"))
    done = place.syncd("reseal")
    assert (done.code, "warning: users may see changes late: context 1: " in done.err) == (0, True)
    assert None not in place.plain("argon2").values()


def test_reseal_by_soap(place: Place, service: Service) -> None:
    """Read by SQL and written by the service: two updates for all users, each with one of the two passwords."""
    by_soap(place, service)
    done = place.syncd("reseal")
    assert (done.code, "passwords of 3 accounts written again, of 3 claimed" in done.err) == (0, True)
    assert place.plain("argon2") == dict.fromkeys((3, 4, 5), PASSWORD)
    assert place.plain("argon2", "user_transport_account") == dict.fromkeys((3, 4, 5), SENDING)
    updates = [call.arguments for call in service.calls if call.operation == "update"]
    sent = [{name: text for name, text in one["accountDataUpdate"].items() if text is not None} for one in updates]
    assert sent == [{"password": PASSWORD}, {"transportPassword": SENDING}]
    assert [len(one["users"]) for one in updates] == [3, 3]
    assert "passwords of 0 accounts" in place.syncd("reseal").err


def test_reseal_by_soap_tells_what_failed(place: Place, service: Service) -> None:
    """An account that the service does not change is told; its other password is not sent, and the rest is done."""
    by_soap(place, service)
    service.expect(Trouble(operation="update", fault=faults.no_such("user", 4, 1)))
    done = place.syncd("reseal")
    assert (done.code, "user 4: user 4 does not exist any more" in done.err) == (5, True)
    assert place.plain("argon2") == {3: PASSWORD, 4: None, 5: PASSWORD}
    assert place.plain("argon2", "user_transport_account") == {3: SENDING, 4: None, 5: SENDING}


def test_reseal_by_the_tools_is_refused(place: Place, service: Service) -> None:
    """The tools would show the passwords on their command line: none is started, and the way out is told."""
    sbin = write_tools(place.folder / "sbin", service.port)
    login = f"admin: oxadmin, password: {{file: {place.folder}/admin}}"
    place.writing = f"  write_with: clt\n  clt: {{directory: {sbin}, {login}}}\n"
    place.configure("argon2", password=False)
    before = place.rows()
    done = place.syncd("reseal")
    assert (done.code, "on their command line" in done.err, "write with sql or soap" in done.err) == (5, True, True)
    assert place.rows() == before
    assert service.calls == []


def test_reseal_with_a_wrong_key(place: Place) -> None:
    """What the key opens nothing of is overwritten with the mapping's passwords only where somebody insists."""
    place.configure("legacy")
    (place.folder / "key").write_text("another key")
    before = place.rows()
    done = place.syncd("reseal")
    assert done.code == 5
    assert "users 3, 4, 5: the configured key opens none of the stored passwords, so nothing was overwr" in done.err
    assert place.rows() == before
    assert place.syncd("reseal", "--force").code == 0
    ours = obfuscator(Obfuscation(format="legacy", key=Secret("another key")))
    with place.engine.connect() as connection:
        texts = connection.scalars(sa.text("SELECT password FROM user_mail_account WHERE secondary = 1"))
        assert {ours.decrypt(text) for text in texts} == {PASSWORD}


def test_one_password_that_the_key_opens_proves_it(place: Place) -> None:
    """As soon as the key opens one stored password of the mailbox it is believed, and the others are replaced."""
    place.configure("argon2")
    for user in (3, 4, 5):
        place.store(user, f"broken {user}")
        place.store(user, f"broken {user}", "user_transport_account")
    assert "--force" in place.syncd("reseal").err
    place.store(4, CIPHERS["legacy"].encrypt(PASSWORD))
    assert place.syncd("reseal").code == 0
    assert place.plain("argon2") == dict.fromkeys((3, 4, 5), PASSWORD)
    assert place.plain("argon2", "user_transport_account") == dict.fromkeys((3, 4, 5), SENDING)


def test_a_wrong_key_is_told(place: Place) -> None:
    """Texts of the right format that the key does not open are counted by check."""
    place.configure("auto")
    (place.folder / "key").write_text("another key")
    assert "6 of 6 looked at cannot be decrypted" in place.checked()[1]


def test_no_password_is_told_by_reseal(place: Place) -> None:
    """Neither output nor ledger has a password, old or new."""
    place.configure("argon2")
    done = place.syncd("reseal")
    ledger = b"".join(path.read_bytes() for path in place.folder.glob("ledger.db*"))
    for secret in (PASSWORD, SENDING, KEY, *(text or "" for text in place.plain("argon2").values())):
        assert secret not in done.out + done.err
        assert secret.encode() not in ledger
