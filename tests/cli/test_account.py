"""The account commands: the tutorial of the vendor's manual; what is skipped, refused, masked, noted and warned of."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.cli import account, account_scripts
from syncd.cli.account_options import OPTIONS, read, usage
from syncd.cli.main import app
from syncd.core.model import Secret
from syncd.errors import SyncdError
from syncd.openxchange import playground
from syncd.openxchange.obfuscation import Obfuscation, obfuscator
from tests.openxchange.world import TABLES
from tests.servers.mariadb import MariaDb
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service
from tests.standins.sqlite import quick

ADDRESS = "support@mycompany.com"
CONFIG = """\
directory: {{urls: ["ldif://{folder}/directory.ldif"], base: "dc=mycompany,dc=com"}}
openxchange:
  database: {{url: "{url}"{password}}}
{obfuscation}ledger: {{url: "sqlite:///{folder}/ledger.db"}}
grace: off
mappings:
  - mailbox: {mapped}
    context: 1
    sources: [{{users: [{users}]}}]
    extra: {extra}
    account: {{name: Mapped, login: mapped, mail: {{server: imap.mapped.example, port: 143}}}}
"""
SERVERS = (
    *("--login", "support@mycompany.com", "--password", "secret", "-e", "support@mycompany.com", "--name", "Support"),
    *("--personal", "Support", "--reply-to", "support@mycompany.com", "--mail-server", "imap.mycompany.com"),
    *("--mail-port", "143", "--mail-protocol", "imap", "--mail-secure", "false", "--mail-starttls", "false"),
    *("--transport-server", "smtp.mycompany.com", "--transport-port", "25", "--transport-protocol", "smtp"),
    *("--transport-secure", "false", "--transport-starttls", "false"),
)
ADMIN = ("-A", "oxadmin", "-P", "secret", "-c", "1")
DONE = (
    "Secondary account with primary address support@mycompany.com successfully {} specified users/groups in context 1\n"
)


@dataclass(kw_only=True)
class Place:
    """An Open-Xchange with the users of the manual: 3 and 4 in group 9, 5 and 6 not, 20 a guest."""

    engine: sa.Engine
    folder: Path
    url: str
    password: str = ""
    writing: str = ""
    """Lines of the configuration's section openxchange about the way to write."""
    capsys: pytest.CaptureFixture[str]

    def populate(self) -> Place:
        """Add context, users and the group, and write the configuration."""
        people = [(user, f"user{user}", f"user{user}@mycompany.com") for user in range(3, 7)]
        with self.engine.begin() as connection:
            playground.add_context(connection, 1)
            playground.add_users(connection, 1, people)
            playground.add_user(connection, 1, 20, login="guest", mail="g@x.org", guest_of=3, mail_url=None)
            playground.add_group(connection, 1, 9, "support", [3, 4])
            playground.add_group(connection, 1, 10, "nobody")
        self.configure()
        return self

    def configure(self, *, mapped: str = "other@mycompany.com", users: str = "user3", **more: Any) -> None:
        """Write the configuration."""
        (self.folder / "key").write_text("k" * 20)
        (self.folder / "key").chmod(0o600)
        key = f"  obfuscation: {{format: argon2, key: {{file: {self.folder}/key}}}}\n" if more.get("key", True) else ""
        text = CONFIG.format(
            folder=self.folder,
            url=self.url,
            password=self.password,
            obfuscation=key + self.writing,
            mapped=mapped,
            users=users,
            extra=more.get("extra", "leave"),
        )
        (self.folder / "syncd.yaml").write_text(text)

    def script(self, command: str, *argv: str) -> tuple[int, str, str]:
        """Run one of the scripts; give exit code and both outputs."""
        code = account_scripts.run(command, ["--config", str(self.folder / "syncd.yaml"), *argv])
        return (code, *self.capsys.readouterr())

    def syncd(self, command: str, *argv: str) -> tuple[int, str, str]:
        """Run `syncd account`; give exit code and both outputs."""
        code = account.in_syncd(command, ["--config", str(self.folder / "syncd.yaml"), *argv])
        return (code, *self.capsys.readouterr())

    def listed(self, *argv: str) -> list[dict[str, str]]:
        """Give the accounts as the CSV has them."""
        code, text, _ = self.syncd("list", "-c", "1", "--csv", *argv)
        assert code == 0
        return list(csv.DictReader(io.StringIO(text)))

    def users(self, address: str = ADDRESS) -> list[int]:
        """Give who has a secondary account."""
        return [int(one["user-id"]) for one in self.listed() if one["primary-address"] == address]

    def execute(self, statement: str) -> None:
        """Run a statement of the test's own."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def tables(self) -> dict[str, list[Any]]:
        """Give all rows of the account tables."""
        with self.engine.connect() as connection:
            return {table: connection.execute(sa.text(f"SELECT * FROM {table}")).all() for table in TABLES}

    def ledger(self, query: str) -> list[Any]:
        """Ask the ledger."""
        engine = sa.create_engine(f"sqlite:///{self.folder}/ledger.db", poolclass=sa.NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """Give a place on SQLite."""
    engine = quick(tmp_path / "ox.db")
    playground.create_schema(engine)
    return Place(engine=engine, folder=tmp_path, url=f"sqlite:///{tmp_path}/ox.db", capsys=capsys).populate()


@pytest.fixture
def real_place(mariadb: MariaDb, ox_database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """Give a place on MariaDB."""
    (tmp_path / "password").write_text("test")
    (tmp_path / "password").chmod(0o600)
    url = mariadb.url(ox_database).replace("mysql://", "mysql+pymysql://")
    password = f", password: {{file: {tmp_path}/password}}"
    engine = mariadb.engine(ox_database)
    return Place(engine=engine, folder=tmp_path, url=url, password=password, capsys=capsys).populate()


@pytest.fixture
def soap_place(place: Place) -> Iterator[Place]:
    """Give a place on SQLite where accounts are written by a SOAP service."""
    pytest.importorskip("zeep")
    (place.folder / "admin").write_text("secret")
    (place.folder / "admin").chmod(0o600)
    cipher = obfuscator(Obfuscation(format="argon2", key=Secret("k" * 20)))
    with Service(Middleware(place.engine, Installation(password="secret", cipher=cipher))) as service:
        who = f"login: oxadmin, password: {{file: {place.folder}/admin}}"
        place.writing = f"  write_with: soap\n  soap: {{url: {service.url}, {who}}}\n"
        place.configure()
        yield place


def tell_the_tutorial(place: Place) -> None:
    """Run the commands of the manual page in their order."""
    assert place.script("create", *ADMIN, "--groups", "9", *SERVERS)[:2] == (0, DONE.format("created for"))
    code, table, _ = place.script("list", *ADMIN)
    row = f"{ADDRESS} Support {ADDRESS} imap://imap.mycompany.com:143                 smtp://smtp.mycompany.com:25"
    assert (code, [line[30:] for line in table.splitlines()[1:]]) == (0, [row, row])
    assert table.splitlines()[1].split()[:3] == ["1", "3", "1"]
    code, said, _ = place.script("create", *ADMIN, "--users", "5", "-e", ADDRESS)
    assert (code, said) == (0, DONE.format("created for"))
    shown = place.script("list", *ADMIN, "--csv", "--show-passwords")[1].splitlines()
    assert shown[3] == (
        '"1","5","3","support@mycompany.com","Support","support@mycompany.com","secret","Support",'
        '"support@mycompany.com","imap://imap.mycompany.com:143","","","secret","smtp://smtp.mycompany.com:25","",,,,,,,'
    )
    assert place.script("delete", *ADMIN, "--users", "4", "-e", ADDRESS)[:2] == (0, DONE.format("deleted from"))
    assert place.users() == [3, 5]


def test_the_tutorial_of_the_manual(place: Place) -> None:
    """The commands of the vendor's manual page work, the one with nothing but users and address included."""
    tell_the_tutorial(place)


@pytest.mark.mariadb
def test_the_tutorial_on_mariadb(real_place: Place) -> None:
    """On MariaDB they work as well."""
    tell_the_tutorial(real_place)


def test_the_tutorial_by_soap(soap_place: Place) -> None:
    """Written by the SOAP service they work as well."""
    tell_the_tutorial(soap_place)


@pytest.mark.parametrize("command", ["create", "update", "delete"])
def test_what_is_to_blame_where_a_service_writes(soap_place: Place, command: str) -> None:
    """A service that refuses our login ends a script with 101, one that is not there with 105; nothing is written."""
    soap_place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    before = soap_place.tables()
    argv = ["-c", "1", "-e", ADDRESS, "--users", "4" if command == "create" else "3"]
    argv += {"create": ["--name", "N"], "update": ["--name", "N"], "delete": []}[command]
    (soap_place.folder / "admin").write_text("wrong")
    code, said, told = soap_place.script(command, *argv)
    assert (code, said, "refused the login" in told) == (101, "", True)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    soap_place.writing = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", soap_place.writing)
    soap_place.configure()
    code, said, told = soap_place.script(command, *argv)
    assert (code, said, "cannot be reached" in told) == (105, "", True)
    assert soap_place.tables() == before


def test_updates_by_soap(soap_place: Place) -> None:
    """An update by SOAP has the effect of one by SQL: own URLs, both passwords, and private accounts left alone."""
    soap_place.syncd("create", "-c", "1", "--users", "3,4,5", *SERVERS)
    soap_place.execute("UPDATE user_mail_account SET url = 'imap://b.example:1143' WHERE id = 2")
    soap_place.execute("UPDATE user_mail_account SET secondary = 0 WHERE id = 3")
    private = [row for row in soap_place.tables()["user_mail_account"] if row.id == 3]
    argv = ["-c", "1", "--groups", "0", "-e", ADDRESS, "--mail-port", "993", "--mail-secure", "true", "--name", "N"]
    argv += ["--password", "mine", "--transport-password", "its", "--trash-fullname", "Bin"]
    assert soap_place.syncd("update", *argv)[:2] == (0, DONE.format("updated from"))
    names = ("mail-server-URL", "password", "transport-password", "name", "trash-fullname", "transport-server-URL")
    transport = "smtp://smtp.mycompany.com:25"
    assert [tuple(one[name] for name in names) for one in soap_place.listed("--show-passwords")] == [
        ("imaps://imap.mycompany.com:993", "mine", "its", "N", "Bin", transport),
        ("imaps://b.example:993", "mine", "its", "N", "Bin", transport),
    ]
    assert private == [row for row in soap_place.tables()["user_mail_account"] if row.id == 3]
    soap_place.execute("DELETE FROM user_transport_account WHERE id = 1")
    code, _, told = soap_place.script("update", "-c", "1", "--users", "3", "-e", ADDRESS, "--transport-login", "t")
    assert (code, "SOAP cannot give it one" in told) == (106, True)
    soap_place.execute("UPDATE user_mail_account SET primary_addr = 'support@mycompany.com' WHERE user = 4 AND id = 0")
    code, _, told = soap_place.script("update", "-c", "1", "--users", "4", "-e", ADDRESS, "--name", "x")
    assert (code, "another account with this address (id 0)" in told) == (106, True)


def _apart(told: str) -> list[str]:
    """Give what was said apart from the warnings of passwords on the command line."""
    return [line for line in told.splitlines() if "everybody on this machine can read" not in line]


def test_who_has_it_is_skipped(place: Place) -> None:
    """A user who has the account is skipped and named, the others get it, and nothing about the first changes."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    place.execute("UPDATE user_mail_account SET name = 'Mine' WHERE user = 3 AND id = 1")
    before = place.tables()["user_mail_account"]
    code, said, told = place.syncd("create", "-c", "1", "--users", "3,4", *SERVERS)
    assert (code, said) == (0, DONE.format("created for"))
    assert _apart(told) == ["note: user 3 has the account of support@mycompany.com in context 1 already: skipped"]
    assert set(before) < set(place.tables()["user_mail_account"])
    code, said, _ = place.script("create", "-c", "1", "--groups", "9", *SERVERS)
    assert (code, "exists already for" in said) == (0, True)
    assert place.users() == [3, 4]


@pytest.mark.parametrize("command", ["create", "update", "delete"])
@pytest.mark.parametrize("secondary", [False, True])
def test_private_accounts_stay(place: Place, command: str, secondary: bool) -> None:
    """A private account and a primary one with the address are neither changed nor removed, whoever asks."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    place.execute("UPDATE user_mail_account SET secondary = 0 WHERE id = 1")
    place.execute(f"UPDATE user_mail_account SET primary_addr = '{ADDRESS}', secondary = {secondary:d} WHERE user = 4")
    before = place.tables()
    argv = ["-c", "1", "--users", "3,4", *(SERVERS if command == "create" else ["-e", ADDRESS])]
    code, said, told = place.script(command, *argv, *(["--name", "New"] if command == "update" else []))
    assert place.tables() == before
    if command == "create":
        assert (code, said) == (106, "")
        assert " user 3: ACC-0017 duplicate mail account: the user's own account 1 has this address\n" in told
        assert " user 4: ACC-0017 duplicate mail account: the user's primary account has this address\n" in told
    else:
        assert (code, said[:25], told) == (0, "No such secondary account", "")


def test_an_address_that_is_only_equal_for_the_database(place: Place) -> None:
    """An account of süpport@ is not one of support@: it stands in the way of a new one, and no command touches it."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    place.execute("UPDATE user_mail_account SET primary_addr = 'süpport@mycompany.com' WHERE id = 1")
    before = place.tables()
    code, _, told = place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    assert (code, "the database takes for equal: süpport@mycompany.com" in told) == (1, True)
    for command in ("update", "delete"):
        assert place.syncd(command, "-c", "1", "--users", "3", "-e", ADDRESS)[1][:25] == "No such secondary account"
    assert place.tables() == before


@pytest.mark.parametrize("way", ["place", "soap_place"])
def test_what_a_guest_has_can_be_taken(way: str, request: pytest.FixtureRequest) -> None:
    """An account that the vendor's tools gave to a guest is listed, changed and deleted; we give a guest none."""
    place: Place = request.getfixturevalue(way)
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    for table in ("user_mail_account", "user_transport_account", "user_transport_account_properties"):
        place.execute(f"UPDATE {table} SET user = 20 WHERE id = 1")
    argv = ["-c", "1", "--users", "20", "-e", ADDRESS]
    assert place.syncd("update", *argv, "--name", "Guest's")[:2] == (0, DONE.format("updated from"))
    assert [(one["user-id"], one["name"]) for one in place.listed("--users", "20")] == [("20", "Guest's")]
    assert place.syncd("delete", *argv)[:2] == (0, DONE.format("deleted from"))
    assert place.users() == []


def test_what_fails_for_one_is_made_for_others(place: Place) -> None:
    """Where one user cannot have it the others get it; syncd's exit code is 5, the tools' 106."""
    place.execute("DELETE FROM user_mail_account WHERE user = 4")
    argv = ["-c", "1", "-e", ADDRESS, "--login", "l", "--name", "n", "--mail-endpoint-source", "primary"]
    code, said, told = place.syncd("create", *argv, "--users", "3,4")
    assert (code, said) == (5, DONE.format("created for"))
    assert told == "user 4: the user has no primary account to copy the servers from\n"
    assert place.script("create", *argv, "--users", "4")[:2] == (106, "")
    assert place.syncd("create", *argv, "--users", "4")[0] == 1
    assert place.users() == [3]


# --------------------------------------------------------------------------- what is taken over


def test_the_rest_is_as_the_others_have_it(place: Place) -> None:
    """Given options win; names that users changed are outvoted; folders are left to each user."""
    place.syncd("create", "-c", "1", "--users", "3,4,5", *SERVERS, "--trash-fullname", "Bin", "--transport-login", "t")
    place.execute("UPDATE user_mail_account SET name = 'Mine', personal = 'Me' WHERE user = 3 AND id = 1")
    code, _, _ = place.syncd("create", "-c", "1", "--users", "6", "-e", ADDRESS.upper(), "--personal", "Six")
    assert code == 0
    old, new = (next(one for one in place.listed("--show-passwords") if one["user-id"] == user) for user in "46")
    assert new == {
        **old,
        "user-id": "6",
        "account-id": "4",
        "primary-address": ADDRESS.upper(),
        "personal": "Six",
        "trash-fullname": "",
    }
    assert old["trash-fullname"] == "Bin"


def test_servers_of_each_user_stay_each_users(place: Place) -> None:
    """Where the accounts have the servers of their users' own accounts, the new one has those of its user."""
    for user in (3, 4, 5):
        place.execute(f"UPDATE user_mail_account SET url = 'imap://own{user}.example:143' WHERE user = {user}")
    argv = ["-c", "1", "-e", ADDRESS, "--login", "l", "--name", "n", "--mail-endpoint-source", "primary"]
    assert place.syncd("create", *argv, "--users", "3,4")[0] == 0
    assert place.syncd("create", "-c", "1", "-e", ADDRESS, "--users", "5")[0] == 0
    assert [one["mail-server-URL"] for one in place.listed()] == [f"imap://own{user}.example:143" for user in (3, 4, 5)]


@pytest.mark.parametrize(
    ("change", "message", "answer"),
    [
        ("login = 'x'", "differ in their login (give --login)", ["--login", "l"]),
        (
            "url = 'imap://x:1'",
            "differ in their servers (give --mail-endpoint-source, or the servers)",
            ["--mail-endpoint-source", "localhost"],
        ),
        ("url = 'imap://x:1'", "differ in their servers", SERVERS[SERVERS.index("--mail-server") :]),
        ("password = ''", "differ in their password (give --password)", ["--password", "p"]),
        (
            "password = 'a$b$c$d$e$f'",
            "cannot be read with the configured key",
            ["--password", "p", "--transport-password", "t"],
        ),
    ],
)
def test_what_differs_has_to_be_said(place: Place, change: str, message: str, answer: Sequence[str]) -> None:
    """What the accounts do not agree in is asked for, and nothing is written; once it is said the rest is as theirs."""
    place.syncd("create", "-c", "1", "--users", "3,4", *SERVERS)
    place.execute(f"UPDATE user_mail_account SET {change} WHERE id = 1")
    code, _, told = place.syncd("create", "-c", "1", "-e", ADDRESS, "--users", "5")
    assert (code, message in told) == (2, True), told
    assert place.script("create", "-c", "1", "-e", ADDRESS, "--users", "5")[0] == 104
    assert place.users() == [3, 4]
    code, said, told = place.syncd("create", "-c", "1", "-e", ADDRESS, "--users", "5", *answer)
    assert (code, said, _apart(told)) == (0, DONE.format("created for"), [])
    with place.engine.connect() as connection:
        statement = "SELECT name, personal, login = 'l', url FROM user_mail_account WHERE user = 5 AND id <> 0"
        row = connection.execute(sa.text(statement)).one()
    url = "imap://localhost:143" if "localhost" in answer else "imap://imap.mycompany.com:143"
    assert tuple(row) == ("Support", "Support", "--login" in answer, url)


def test_a_stored_password_needs_the_key(place: Place) -> None:
    """Without the key a stored password can neither be taken over nor shown, and the account is not made without it."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    place.configure(key=False)
    for command, more in (("create", ["-e", ADDRESS, "--users", "5"]), ("list", ["--show-passwords"])):
        with pytest.raises(SyncdError, match="the key to read them with is not configured"):
            place.syncd(command, "-c", "1", *more)
        assert place.script(command, "-c", "1", *more)[0] == 106
    assert place.users() == [3]
    assert place.syncd("create", "-c", "1", "-e", "new@mycompany.com", "--users", "5")[0] == 2


def test_the_mapping_tells_what_no_account_does(place: Place) -> None:
    """The first account of a mapped mailbox is made as the mapping has it."""
    place.configure(mapped=ADDRESS)
    assert place.syncd("create", "-c", "1", "-e", ADDRESS, "--users", "5")[0] == 0
    [one] = place.listed()
    assert (one["name"], one["login"], one["mail-server-URL"]) == ("Mapped", "mapped", "imap://imap.mapped.example:143")


def test_a_mapping_that_finds_its_contexts_is_one_too(place: Place) -> None:
    """Where each run finds out the contexts of a mapping it tells the account, warns, and takes pins all the same."""
    place.configure(mapped=ADDRESS, extra="remove")
    config = place.folder / "syncd.yaml"
    config.write_text(config.read_text().replace("context: 1", "context: all"))
    code, _, told = place.syncd("create", "-c", "1", "-e", ADDRESS, "--users", "5")
    assert (code, "has extra: remove" in told) == (0, True)
    assert place.syncd("create", "-c", "1", "-e", ADDRESS, "--users", "6", "--pin")[0] == 0
    assert [one["login"] for one in place.listed()] == ["mapped", "mapped"]
    assert syncd(place, "sync", "-c", str(config)).returncode == 0
    assert sorted(place.users()) == [3, 6]


# --------------------------------------------------------------------------- updates


def test_parts_of_urls_are_each_accounts_own(place: Place) -> None:
    """One part of a server changes; the rest is each account's own, and so is what a user switched off."""
    place.syncd("create", "-c", "1", "--users", "3,4", *SERVERS)
    place.execute(
        "UPDATE user_mail_account SET url = 'imap://b.example:1143', deactivated = 1, disabled = 1 WHERE id = 2"
    )
    argv = ["-c", "1", "--groups", "0", "-e", ADDRESS, "--mail-secure", "true", "--transport-port", "587"]
    code, said, told = place.syncd("update", *argv)
    assert (code, said) == (0, DONE.format("updated from"))
    assert told == "note: 3 of 5 users have no account of support@mycompany.com in context 1\n"
    assert [(one["mail-server-URL"], one["transport-server-URL"]) for one in place.listed()] == [
        ("imaps://imap.mycompany.com:143", "smtp://smtp.mycompany.com:587"),
        ("imaps://b.example:1143", "smtp://smtp.mycompany.com:587"),
    ]
    with place.engine.connect() as connection:
        flags = connection.execute(sa.text("SELECT deactivated, disabled FROM user_mail_account WHERE id = 2")).one()
    assert tuple(flags) == (1, 0)


def test_a_missing_transport_is_written_whole(place: Place) -> None:
    """An account that could only receive gets a transport row that keeps it secondary; half a server is refused."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS[: SERVERS.index("--transport-server")])
    argv = ["-c", "1", "--users", "3", "-e", ADDRESS]
    code, _, told = place.script("update", *argv, "--transport-login", "t")
    assert (code, "give its server and port, too" in told) == (106, True)
    more = ["--transport-server", "out.example.net", "--transport-port", "25", "--transport-password", "p"]
    assert place.syncd("update", *argv, *more, "--name", "New")[0] == 0
    with place.engine.connect() as connection:
        statement = "SELECT url, name, secondary, send_addr FROM user_transport_account WHERE id = 1"
        assert connection.execute(sa.text(statement)).one() == ("smtp://out.example.net:25", "New", 1, ADDRESS)
        statement = "SELECT name, value FROM user_transport_account_properties WHERE id = 1"
        assert connection.execute(sa.text(statement)).one() == ("transport.auth", "mail")
    assert place.listed("--show-passwords")[0]["transport-password"] == "p"


# --------------------------------------------------------------------------- lists, words, options


def test_passwords_are_masked(place: Place) -> None:
    """A stored password shows as stars unless it is asked for, an empty one as empty; no key is needed for that."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS, "--transport-password", "other")
    place.syncd("create", "-c", "1", "--users", "4", *SERVERS[:2], *SERVERS[4:])
    place.configure(key=False)
    assert [(one["password"], one["transport-password"]) for one in place.listed()] == [("***", "***"), ("", "")]
    place.configure()
    assert [(one["password"], one["transport-password"]) for one in place.listed("--show-passwords")] == [
        ("secret", "other"),
        ("", ""),
    ]
    assert place.listed("--groups", "10") == []
    assert [one["user-id"] for one in place.listed("--users", "4", "--groups", "10")] == ["4"]


@pytest.mark.parametrize(
    ("command", "argv", "vendor", "ours", "words"),
    [
        ("list", [], 104, 2, 'Option(s) "contextid" missing'),
        ("list", ["--context", "1"], 111, 2, "it is -c or --contextid"),
        ("list", ["-c"], 109, 2, "there is none"),
        ("list", ["-c", "x"], 1, 2, "Ids must be numbers!"),
        ("create", ["-c", "1", *SERVERS, "--users", "3", "--pin=false"], 109, 2, "it takes none, not 'false'"),
        ("update", ["-c", "1", "-e", ADDRESS, "--users", "3", "--mail-port", "x"], 1, 2, "Ids must be numbers!"),
        ("list", ["-c", "7"], 102, 1, "The context 7 does not exist!"),
        ("list", ["-c", "1", "--users", "99"], 108, 1, "No such user 99 in context 1"),
        ("delete", ["-c", "1", "-e", ADDRESS], 103, 2, "Missing users/groups in account data"),
        ("delete", ["-c", "1", "-e", " ", "--users", "3"], 103, 2, "Primary address is empty."),
        ("create", ["-c", "1", *SERVERS, "--users", "20"], 103, 2, "user 20 in context 1 is a guest"),
        ("delete", ["-c", "1", "-e", ADDRESS, "--groups", "77"], 108, 1, "No such group 77 in context 1"),
        ("update", ["-c", "1", "-e", ADDRESS, "--users", "3", "--mail-secure", "yes"], 109, 2, "true or false"),
        ("update", ["-c", "1", "-e", ADDRESS, "--users", "3", "--mail-port", "0"], 109, 2, "from 1 to 65535"),
        ("create", ["-c", "1", "-e", ADDRESS, "--users", "3"], 104, 2, 'Option(s) "login,name" missing'),
    ],
)
def test_both_styles_of_failing(
    place: Place, command: str, argv: Sequence[str], vendor: int, ours: int, words: str
) -> None:
    """The scripts end with the tools' exit codes, `syncd account` with 1, or with 2 where the command line is wrong."""
    code, _, told = place.script(command, *argv)
    assert (code, words in told) == (vendor, True), told
    if ours == 2:
        code, _, told = place.syncd(command, *argv)
        assert (code, words in told) == (2, True)
    else:
        with pytest.raises(SyncdError) as raised:
            place.syncd(command, *argv)
        assert words in str(raised.value)


def test_a_configuration_that_is_not_there(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration is that of --config, else of $SYNCD_CONFIG; where there is none, the script ends with 1."""
    monkeypatch.setenv("SYNCD_CONFIG", str(place.folder / "syncd.yaml"))
    assert account_scripts.run("list", ["-c", "1"]) == 0
    assert account_scripts.run("list", ["-c", "1", "--config", str(place.folder / "none.yaml")]) == 1
    assert "none.yaml" in place.capsys.readouterr().err


def test_a_password_on_the_command_line_is_warned_of(place: Place) -> None:
    """-P works with a warning that does not repeat it; server options beside a source are warned of too."""
    told = place.script("list", *ADMIN)[2]
    assert (told.startswith("warning: "), "secret" in told) == (True, False)
    argv = ["-c", "1", "-e", ADDRESS, "--login", "l", "--name", "n", "--mail-endpoint-source", "localhost"]
    told = place.syncd("create", *argv, "--users", "3", "--mail-server", "imap.example.org")[2]
    assert told == "warning: --mail-server is ignored with --mail-endpoint-source localhost\n"
    assert place.listed()[0]["mail-server-URL"] == "imap://localhost:143"


@pytest.mark.parametrize("name", ["password", "transport-password"])
def test_passwords_come_from_files(place: Place, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line of a file, or of standard input, is the password and is warned of nowhere; in argv it is."""
    file = place.folder / "hush"
    file.write_text("hush\nmore\n")
    argv = ["-c", "1", "-e", ADDRESS, "--login", "l", "--name", "n", "--users"]
    server = ["--mail-endpoint-source", "localhost"]
    assert place.syncd("create", *argv, "3", *server, f"--{name}-file", str(file))[2] == ""
    monkeypatch.setattr("sys.stdin", io.StringIO("hush\r\n"))
    assert place.syncd("create", *argv, "4", *server, f"--{name}-file=-")[2] == ""
    told = place.syncd("create", *argv, "5", *server, f"--{name}", "hush")[2]
    assert told == f"warning: everybody on this machine can read the password of --{name}; --{name}-file hides it\n"
    assert [row[name] for row in place.listed("--show-passwords")] == ["hush"] * 3


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--password-file", "nowhere"], "--password-file nowhere: No such file or directory"),
        (["--password-file", "/dev/null"], "--password-file /dev/null: its first line is empty"),
        (["--password", "a", "--password-file", "b"], "--password and --password-file are given both"),
        (["--transport-password-file", "latin"], "--transport-password-file latin: it is not UTF-8"),
    ],
)
def test_passwords_that_cannot_be_read(place: Place, argv: list[str], words: str) -> None:
    """Nothing is stored without the password that was meant."""
    (place.folder / "latin").write_bytes(b"\xff\n")
    with contextlib.chdir(place.folder):
        code, _, err = place.script("create", *argv, "-c", "1", "-e", ADDRESS, "--users", "3")
    assert code != 0
    assert words in err
    assert place.listed() == []


def test_the_environment_shows_no_password(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """--environment names the variables that matter, and of a password only that it is set; no configuration needed."""
    monkeypatch.setenv("SYNCD_CONFIG", "/nowhere")
    monkeypatch.setenv("ADMIN_PASSWORD", "hush")
    assert account_scripts.run("list", ["--environment"]) == 0
    assert place.capsys.readouterr().out == "SYNCD_CONFIG=/nowhere\nADMIN_PASSWORD=***\n"
    monkeypatch.delenv("ADMIN_PASSWORD")
    account_scripts.run("list", ["--environment"])
    assert place.capsys.readouterr().out.endswith("ADMIN_PASSWORD=\n")


@pytest.mark.parametrize("command", OPTIONS)
def test_help(place: Place, command: str) -> None:
    """Help names every option; it needs no configuration."""
    assert account_scripts.run(command, ["-h"]) == 0
    text = place.capsys.readouterr().out
    assert text.startswith(f"Usage: syncd-{command}secondaryaccount \n")
    assert all(f"--{option.name}" in text for option in OPTIONS[command])
    assert max(map(len, usage(command, "x", "y").splitlines())) <= 120


def test_how_a_command_line_is_read() -> None:
    """Both forms, values that begin with a hyphen, and the first of several."""
    given = read("create", ["--login=a=b", "--password", "-x", "-a", "n", "--name", "other", "-c", "1", "--password="])
    assert given == {"login": "a=b", "password": "-x", "name": "n", "contextid": "1"}


@pytest.mark.parametrize("locale", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}])
def test_text_of_the_command_line_is_utf_8(place: Place, locale: dict[str, str]) -> None:
    """A name is stored as typed under every locale; bytes that are no UTF-8 are refused, and nothing is stored."""
    start = [sys.executable, "-c", "import syncd.cli.account_scripts as m; m.create()"]
    environ = os.environ | locale | {"PYTHONUTF8": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    argv = ["--config", str(place.folder / "syncd.yaml"), "-c", "1", "--users", "3", *SERVERS]
    for name, code in (("Büro € 😀".encode("latin-1", "replace"), 109), ("Büro € 😀".encode(), 0)):
        words = [name if word == "Support" else word for word in argv]
        done = subprocess.run([*start, *words], capture_output=True, check=False, timeout=60, env=environ)
        assert (done.returncode, b"is not UTF-8" in done.stderr) == (code, code == 109), done.stderr
    assert [(one["name"], one["personal"]) for one in place.listed()] == [("Büro € 😀", "Büro € 😀")]


# --------------------------------------------------------------------------- what is remembered


def test_the_journal_has_it_and_no_claim(place: Place) -> None:
    """Each command is a run in the ledger, each change a journal row that names the person; nothing is claimed."""
    place.syncd("create", "-c", "1", "--users", "3,4", *SERVERS)
    place.syncd("update", "-c", "1", "--users", "3", "-e", ADDRESS, "--name", "N", "--password", "hidden one")
    place.syncd("delete", "-c", "1", "--users", "4", "-e", ADDRESS)
    assert place.ledger("SELECT command, result FROM runs ORDER BY id") == [
        ("account create", "ok"),
        ("account update", "ok"),
        ("account delete", "ok"),
    ]
    rows = place.ledger("SELECT op, user, account, login, result, path FROM journal WHERE user > 0 ORDER BY seq")
    assert [row[:5] for row in rows] == [
        ("create", 3, 1, "user3", "applied"),
        ("create", 4, 2, "user4", "applied"),
        ("update", 3, 1, "user3", "applied"),
        ("delete", 4, 2, "user4", "applied"),
    ]
    assert {json.loads(row[5])[0] for row in rows} == {"by hand"}
    assert place.ledger("SELECT * FROM claims") == []
    kept = [text for query in ("SELECT body FROM texts", "SELECT old FROM journal") for (text,) in place.ledger(query)]
    assert not any("hidden one" in text or "secret" in text for text in kept if text)


def syncd(place: Place, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run syncd as a process of its own."""
    command = [sys.executable, "-m", "syncd", *argv]
    environ = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "SYNCD_CONFIG": str(place.folder / "syncd.yaml"),
    }
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environ)


def test_runs_and_commands_live_together(place: Place) -> None:
    """A run leaves an account made by hand unless `extra: remove`; it makes again what it keeps, as was warned."""
    config = ("-c", str(place.folder / "syncd.yaml"))
    place.configure(mapped=ADDRESS, users="user3")
    assert syncd(place, "sync", *config).returncode == 0
    done = syncd(place, "account", "create", "-c", "1", "--users", "5", "-e", ADDRESS)
    assert (done.returncode, done.stdout) == (0, DONE.format("created for")), done.stderr
    assert syncd(place, "sync", *config).returncode == 0
    assert place.users() == [3, 5]
    code, _, told = place.syncd("delete", "-c", "1", "--users", "3", "-e", ADDRESS)
    assert (code, "the next run makes it again" in told) == (0, True)
    assert syncd(place, "sync", *config).returncode == 0
    assert sorted(place.users()) == [3, 5]
    place.configure(mapped=ADDRESS, users="user3", extra="remove")
    told = place.syncd("create", "-c", "1", "--users", "6", "-e", ADDRESS)[2]
    assert "extra: remove" in told
    assert syncd(place, "sync", *config).returncode == 0
    assert place.users() == [3]


def test_a_command_that_died_is_settled(place: Place) -> None:
    """What an interrupted command left open in the journal is settled by the next one for that mailbox."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    engine = sa.create_engine(f"sqlite:///{place.folder}/ledger.db", poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE journal SET result = 'pending' WHERE user > 0"))
    place.syncd("update", "-c", "1", "--users", "3", "-e", ADDRESS, "--name", "x")
    results = place.ledger("SELECT op, result FROM journal WHERE user > 0 ORDER BY seq")
    assert results == [("create", "applied"), ("update", "applied")]


@pytest.mark.parametrize("whole", [True, False])
def test_staging_writes_nothing_by_hand(place: Place, whole: bool) -> None:
    """In a configuration, or for a mapping, that says `mode: staging` no command writes; lists go on."""
    place.configure(mapped=ADDRESS)
    assert place.syncd("create", "-c", "1", "--users", "3", *SERVERS)[0] == 0
    config = place.folder / "syncd.yaml"
    text = config.read_text()
    config.write_text(
        f"mode: staging\n{text}" if whole else text.replace("    context: 1", "    context: 1\n    mode: staging")
    )
    before = place.tables()
    for command, more in (("create", SERVERS), ("update", ("-e", ADDRESS, "--name", "x")), ("delete", ("-e", ADDRESS))):
        code, said, told = place.script(command, "-c", "1", "--groups", "0", *more)
        assert (code, said, "`mode: staging`: nothing is written" in told) == (1, "", True)
    assert place.tables() == before
    assert place.users() == [3]


def test_status_does_not_list_what_nobody_configured(place: Place) -> None:
    """A mailbox that only commands know is not shown as configured or left."""
    place.syncd("create", "-c", "1", "--users", "3", *SERVERS)
    done = syncd(place, "status", "-c", str(place.folder / "syncd.yaml"))
    assert (done.returncode, ADDRESS in done.stdout) == (0, False)


@pytest.mark.parametrize("command", ["create", "update", "delete", "list"])
def test_the_scripts_are_installed_and_run(place: Place, command: str) -> None:
    """Each script of the package is there under the tool's name with a prefix, and ends with the tool's exit code."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"][f"syncd-{command}secondaryaccount"].split(":")
    start = [sys.executable, "-c", f"import {module} as m; m.{function}()"]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "SYNCD_CONFIG": f"{place.folder}/syncd.yaml"}
    done = subprocess.run([*start, "-c", "7"], capture_output=True, text=True, check=False, timeout=60, env=environ)
    assert done.returncode == (102 if command == "list" else 104), done.stderr
    more = [
        "-c",
        "7",
        "-e",
        ADDRESS,
        "--users",
        "3",
        "--login",
        "l",
        "--name",
        "n",
        "--mail-endpoint-source",
        "primary",
    ]
    if command == "create":
        done = subprocess.run([*start, *more], capture_output=True, text=True, check=False, timeout=60, env=environ)
        assert (done.returncode, done.stderr) == (
            102,
            "account in context 7 could not be created: \nServer response:\n The context 7 does not exist!\n",
        )


def test_the_group_of_commands_is_known() -> None:
    """`syncd account` is a command with the four below it, and those about pins."""
    [group] = [one for one in app.registered_groups if one.typer_instance is account.app]
    assert group is not None
    assert [command.name for command in account.app.registered_commands] == [*OPTIONS, "pins", "unpin"]
