"""Our rows are, column by column, those that the vendor's middleware wrote in the recorded cases (golden/README)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.core.address import collation_key
from syncd.core.model import Account, Endpoint, Fields, Mailbox, Secret
from syncd.openxchange import playground
from syncd.openxchange.base import Creation, Deletion, Updating
from syncd.openxchange.obfuscation import Obfuscation, obfuscator
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.world import TABLES, World
from tests.servers.mariadb import MariaDb

GOLDEN = Path(__file__).parent / "golden"
BASE: dict[str, Any] = json.loads((GOLDEN / "base.json").read_text("utf-8"))
CASES: list[dict[str, Any]] = [json.loads(line) for line in (GOLDEN / "cases.jsonl").read_text("utf-8").splitlines()]
KEY = Secret("auw948cz,spdfgibcsp9e8ri+<#qawcghgifzign7c6gnrns9oysoeivn")
FOLDERS = {
    "archiveFullname": "archive", "draftsFullname": "drafts", "sentFullname": "sent", "spamFullname": "spam",
    "trashFullname": "trash", "confirmedSpamFullname": "confirmed_spam", "confirmedHamFullname": "confirmed_ham",
}  # fmt: skip
_IDENTITY = {"user": ("cid", "id"), "login2user": ("cid", "uid")}
Row = dict[str, Any]


def cases(operation: str) -> Any:
    """Parametrise a test by the recorded cases of an operation."""
    some = [case for case in CASES if case["operation"] == operation]
    return pytest.mark.parametrize("case", some, ids=[case["name"] for case in some])


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)], scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give an empty schema for all cases of one database."""
    if request.param == "sqlite":
        options = StoreOptions(url=f"sqlite:///{tmp_path_factory.mktemp('golden')}/ox.db")
        engine = sa.create_engine(options.url, poolclass=sa.NullPool)
        playground.create_schema(engine)
    else:
        server: MariaDb = request.getfixturevalue("mariadb")
        database = server.fresh_database()
        options, engine = server.options(database), server.engine(database)
    world = World(SqlStore(options), engine)
    yield world
    world.store.close()  # the one of the last case


def prepared(world: World, case: dict[str, Any]) -> SqlStore:
    """Load the state before the case; give a store with the cipher of the case."""
    state = {table: {_identity(table, row): row for row in rows} for table, rows in BASE["tables"].items()}
    for table, rows in case["before"]["deleted"].items():
        for row in rows:
            state[table].pop(_identity(table, row), None)
    for table, rows in case["before"]["changed"].items():
        state[table].update({_identity(table, row): row for row in rows})
    kind = "argon2" if case["format"] == "N" else "legacy"
    cipher = Obfuscation(format=kind, key=KEY)  # type: ignore[arg-type]
    with world.engine.begin() as connection:
        for table in (*state, "sequence_mail_service"):
            connection.execute(sa.text(f"DELETE FROM {'`user`' if table == 'user' else table}"))
        for table, found in state.items():
            rows = [{name: _before(value, cipher) for name, value in row.items()} for row in found.values()]
            for row in rows:
                playground.add_rows(connection, table, [{k: v for k, v in row.items() if k not in _SECRETS}])
        counters = [{"cid": int(cid), "id": value} for cid, value in case["before"]["sequence"].items()]
        playground.add_rows(connection, "sequence_mail_service", counters)
    world.store.close()
    options = world.store.database.options
    world.store = SqlStore(StoreOptions(url=options.url, password=options.password, obfuscation=cipher))
    return world.store


_SECRETS = {"salt", "userPassword"}


def expected(world_before: dict[str, list[Row]], case: dict[str, Any]) -> dict[str, list[Row]]:
    """Apply what was recorded to what was there."""
    result = {}
    for table in TABLES:
        rows = {_identity(table, row): row for row in world_before[table]}
        for row in case["after"]["deleted"].get(table, ()):
            del rows[_identity(table, row)]
        rows.update({_identity(table, row): row for row in case["after"]["changed"].get(table, ())})
        result[table] = sorted(rows.values(), key=lambda row: (row["cid"], row["id"], row["user"], row.get("name", "")))
    return result


def same(got: dict[str, list[Row]], wanted: dict[str, list[Row]], case: dict[str, Any]) -> None:
    """Compare every column of every row; recorded passwords by what they decrypt to."""
    kind = "argon2" if case["format"] == "N" else "legacy"
    cipher = obfuscator(Obfuscation(format=kind, key=KEY))  # type: ignore[arg-type]
    for table in TABLES:
        assert len(got[table]) == len(wanted[table])
        for ours, theirs in zip(got[table], wanted[table], strict=True):
            row = dict(theirs)
            if isinstance(row.get("password"), dict):
                assert cipher.decrypt(ours["password"] or "") == row["password"]["argon2"]
                row["password"] = ours["password"]
            assert ours == row


def account(case: dict[str, Any], mail: Row, transport: Row | None) -> Account:
    """Read the account's attributes from the call; the urls from the recorded rows (they are the settings' matter)."""
    data = case["data"]
    primary = str(data.get("mailEndpointSource", "")).strip().lower() == "primary"
    return Account(
        name=data["name"],
        login=data["login"],
        mail=None if primary else Endpoint(mail["url"], bool(mail["starttls"])),
        transport=None if primary or transport is None else Endpoint(transport["url"], bool(transport["starttls"])),
        personal=data.get("personal"),
        reply_to=data.get("replyTo"),
        transport_login=data.get("transportLogin") or "",
        password=_secret(data, "password"),
        transport_password=_secret(data, "transportPassword") if transport else None,
        folders={kind: data[name] for name, kind in FOLDERS.items() if data.get(name) is not None},
    )


@cases("create")
def test_create(world: World, case: dict[str, Any]) -> None:
    """A create writes the recorded rows and takes the recorded ids."""
    store, context = prepared(world, case), case["context"]
    before = world.tables()
    mails = {row["user"]: row for row in case["after"]["changed"]["user_mail_account"]}
    transports = {row["user"]: row for row in case["after"]["changed"].get("user_transport_account", ())}
    allocated = sorted(case["after"]["allocated"], key=lambda one: one["id"])
    first = store.reserve(context, len(allocated))
    assert [first + number for number in range(len(allocated))] == [one["id"] for one in allocated]
    endpoints = store.endpoints(context, mails)
    creations = []
    for one in allocated:
        user = one["user"]
        attributes = account(case, mails[user], transports.get(user))
        mail, transport = endpoints[user] if attributes.primary else (attributes.mail, attributes.transport)
        assert mail is not None
        fields = Fields(attributes.login, *mail, None, None, None, None, None)
        if transport is not None:
            fields = Fields(attributes.login, *mail, *transport, attributes.transport_login, "mail", True)
        box = Mailbox(
            address=case["address"] or "", key=collation_key(case["address"] or ""), context=context, account=attributes
        )
        creations.append(Creation(user=user, account=one["id"], mailbox=box, fields=fields))
    assert [one.error for one in store.create(context, creations)] == [None] * len(creations)
    same(world.tables(), expected(before, case), case)
    with world.engine.connect() as connection:
        counters = connection.execute(sa.text("SELECT cid, id FROM sequence_mail_service"))
        assert {str(cid): value for cid, value in counters} == case["after"]["sequence"]


@cases("update")
def test_update(world: World, case: dict[str, Any]) -> None:
    """An update changes the recorded columns, failure counters included, and no other."""
    store, context = prepared(world, case), case["context"]
    before = world.tables()
    wanted = expected(before, case)
    places = {(row["user"], row["id"]) for table in TABLES for row in case["after"]["changed"].get(table, ())}
    data = case["data"]
    updates = []
    for user, number in sorted(places):
        mail, transport = (_row(wanted[table], context, user, number) for table in TABLES[:2])
        assert mail is not None
        fields = Fields(mail["login"], mail["url"], bool(mail["starttls"]), None, None, None, None, None)
        if transport is not None:
            server = (transport["url"], bool(transport["starttls"]), transport["login"], "mail", True)
            fields = Fields(*fields[:3], *server)
        attributes = Account(
            name="", login="", mail=None, transport=None,
            password=_secret(data, "password"), transport_password=_secret(data, "transportPassword"),
        )  # fmt: skip
        box = Mailbox(
            address=case["address"] or "", key=collation_key(case["address"] or ""), context=context, account=attributes
        )
        managed = attributes.password is not None or attributes.transport_password is not None
        updates.append(Updating(user=user, account=number, mailbox=box, old=fields, new=fields, password=managed))
    assert [one.error for one in store.update(context, updates)] == [None] * len(updates)
    same(world.tables(), wanted, case)


@cases("delete")
def test_delete(world: World, case: dict[str, Any]) -> None:
    """A delete removes the recorded rows, properties of others included, and no other."""
    store, context = prepared(world, case), case["context"]
    before = world.tables()
    gone = case["after"]["deleted"].get("user_mail_account", ())
    secondary = [row for row in gone if row["secondary"] and row["id"]]
    key = collation_key(case["address"])
    deletions = [Deletion(user=row["user"], account=row["id"], mailbox_key=key) for row in secondary]
    assert [one.error for one in store.delete(context, deletions)] == [None] * len(deletions)
    if len(secondary) == len(gone):
        same(world.tables(), expected(before, case), case)
    else:  # the vendor's tool takes the user's own account along, we do not
        assert len(world.tables()["user_mail_account"]) == len(before["user_mail_account"]) - len(secondary)


def _row(rows: list[Row], context: int, user: int, number: int) -> Row | None:
    return next((row for row in rows if (row["cid"], row["user"], row["id"]) == (context, user, number)), None)


def _identity(table: str, row: Row) -> tuple[Any, ...]:
    names = _IDENTITY.get(table) or ("cid", "id", "user") + (("name",) if table.endswith("properties") else ())
    return tuple(row[name] for name in names)


def _secret(data: Row, name: str) -> Secret | None:
    return None if data.get(name) is None else Secret(data[name])


def _before(value: Any, options: Obfuscation) -> Any:
    """Encrypt a recorded plaintext, so that the state before the case is like the recorded one."""
    if isinstance(value, dict) and "argon2" in value:
        return obfuscator(options).encrypt(value["argon2"])
    return value
