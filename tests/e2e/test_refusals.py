"""Databases that must not be written to, and the rights that are enough."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.openxchange import playground
from tests.e2e.world import SUPPORT, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

GRANTS = Path(__file__).parent / "grants.sql"
SALES = "sales@mycompany.com"


def refused(world: World, *texts: str, code: int = 1) -> None:
    """Run and plan; nothing may be written, and the reason must be said in these words."""
    before, claims = world.dump(), world.claims()
    done = world.syncd("sync", "--output", "json")
    assert done.code == code, (done.out, done.err)
    for text in texts:
        assert text in done.out + done.err
    assert "Traceback" not in done.err
    assert world.dump() == before
    assert world.claims() == claims


def pending(world: World) -> None:
    """Leave something of every kind to do: one account to create, one to repair, one to delete."""
    world.group("support", "alice", "bob")
    world.sync()
    world.execute("UPDATE user_mail_account SET login = 'x' WHERE user = 3 AND secondary = 1")
    world.group("support", "alice", "carol")


@contextmanager
def limited(world: World) -> Iterator[None]:
    """Use an account that has the documented rights and no other, by verified TLS."""
    user = f"syncd_{world.schema}"
    text = GRANTS.read_text().replace("oxdatabase_5", world.schema).replace("syncd@'%'", f"{user}@'%'")
    with world.mariadb.connect() as connection, connection.cursor() as cursor:
        for statement in text.replace("'...'", "'limited-secret'").split(";\n"):
            if statement.strip():
                cursor.execute(statement)
        database = {
            "url": f"mysql+pymysql://{user}@127.0.0.1:{world.mariadb.port}/{world.schema}",
            "password": world.secret("limited", "limited-secret"),
            "tls": {"ca": str(world.mariadb.ca)},
        }
        world.configure(world.mapping(), openxchange={"database": database})
        try:
            yield
        finally:
            cursor.execute(f"DROP USER {user}@'%'")


# ------------------------------------------------------------------ rights


def test_the_documented_grants_are_enough(world: World) -> None:
    """With exactly the GRANTs of the README every operation works, and `check` finds nothing missing."""
    with limited(world):
        world.group("support", "alice", "bob")
        assert world.sync().summary == {"create": 2}
        world.execute("UPDATE user_mail_account SET login = 'x' WHERE user = 3 AND secondary = 1")
        world.execute("DELETE FROM user_transport_account_properties WHERE user = 3 AND id <> 0")
        world.group("support", "alice", "carol")
        assert world.sync().summary == {"create": 1, "update": 1, "delete": 1}
        assert world.plan().summary == {"unchanged": 2}
        done = world.syncd("check")
        assert done.code == 0, done.out


def test_each_documented_grant_is_needed(world: World) -> None:
    """Without any one of the documented rights `check` fails and names what is missing."""
    grants = [line.removesuffix(";") for line in GRANTS.read_text().splitlines() if line.startswith("GRANT")]
    with limited(world), world.mariadb.connect() as connection, connection.cursor() as cursor:
        world.group("support", "alice")
        for grant in grants:
            rights, rest = grant.removeprefix("GRANT ").split(" ON ")
            table = rest.split(" TO ")[0].replace("oxdatabase_5", world.schema)
            for right in rights.split(", "):
                cursor.execute(f"REVOKE {right} ON {table} FROM syncd_{world.schema}@'%'")
                done = world.syncd("check")
                assert done.code == 1, (right, table)
                assert re.search(
                    rf"FAIL .*(missing: {right} on|hidden from this user:) {table.split('.')[1]}\b", done.out
                ), done.out
                cursor.execute(f"GRANT {right} ON {table} TO syncd_{world.schema}@'%'")


def test_missing_rights_write_nothing(world: World) -> None:
    """An account that may read and not write changes nothing and says which database refused; exit 1."""
    with limited(world), world.mariadb.connect() as connection, connection.cursor() as cursor:
        pending(world)
        for table in world.accounts():
            cursor.execute(f"REVOKE ALL ON {world.schema}.{table} FROM syncd_{world.schema}@'%'")
            cursor.execute(f"GRANT SELECT ON {world.schema}.{table} TO syncd_{world.schema}@'%'")
        before = world.accounts()
        done = world.syncd("sync")
        assert done.code == 1
        assert "denied" in done.out + done.err
        assert world.schema in done.out + done.err
        assert world.accounts() == before
        assert world.claims() == {3: 1, 4: 2}


def test_a_refused_login_is_one_line(world: World) -> None:
    """A wrong database password ends with 1 and one line that names server and database, not the password."""
    world.group("support", "alice")
    world.secret("database", "wrong-secret")
    done = world.process("sync")
    assert (done.code, done.out) == (1, "")
    assert f"{world.schema} on 127.0.0.1:{world.mariadb.port}" in done.err
    assert "wrong-secret" not in done.err
    assert "Traceback" not in done.err


def test_a_database_with_another_ca_is_refused(world: World) -> None:
    """A database server whose certificate somebody else signed gets no password and no statement."""
    world.group("support", "alice")
    sections: dict[str, Any] = json.loads(world.config.read_text())
    database = {**sections["openxchange"]["database"], "tls": {"ca": world.ldap.server.other_ca}}
    world.configure(world.mapping(), openxchange={"database": database})
    done = world.syncd("sync")
    assert (done.code, done.out) == (1, "")
    assert "TLS" in done.err
    assert world.users() == {}


# ------------------------------------------------------------------ fitness


def test_a_missing_sequence_row_stops_its_context(world: World) -> None:
    """A context without a counter is not written to, for it could give no ids; another context is done; exit 1."""
    with world.engine.begin() as connection:
        playground.add_context(connection, 2)
    world.people({3: "alice"}, context=2, entries=False)
    pending(world)
    world.configure(world.mapping(), world.mapping(context=2))
    world.execute("DELETE FROM sequence_mail_service WHERE cid = 1")
    before = world.accounts()
    done = world.sync(code=1)
    [error] = done.document["errors"]
    assert "context 1" in error
    assert "sequence_mail_service" in error
    assert {one["result"] for one in done.document["changes"] if one["context"] == 1} == {"failed"}
    assert world.accounts() == before
    assert set(world.users(SUPPORT, 2)) == {3}


@pytest.mark.parametrize("column", ["secondary", "deactivated"])
def test_a_missing_column_is_refused(world: World, column: str) -> None:
    """A release without the columns of secondary accounts is not written to, and the column is named."""
    pending(world)
    world.execute(f"ALTER TABLE user_mail_account DROP COLUMN {column}")
    world.execute(f"ALTER TABLE user_transport_account DROP COLUMN {column}")
    before = world.dump()
    done = world.syncd("sync", "--output", "json")
    assert done.code == 1
    assert column in done.out + done.err
    assert "7.10.6" in done.out + done.err
    assert world.dump() == before
    check = world.syncd("check")
    assert check.code == 1
    assert f"user_mail_account.{column}" in check.out


def test_a_read_only_database_is_refused(world: World) -> None:
    """On a read-only server nothing is written, and the message says that the primary server is needed; exit 1."""
    with limited(world):
        pending(world)
        with world.mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET GLOBAL read_only = 1")
            try:
                refused(world, "read-only", "primary server")
            finally:
                cursor.execute("SET GLOBAL read_only = 0")
        assert world.sync().summary == {"create": 1, "update": 1, "delete": 1}


def test_a_schema_update_is_waited_for(world: World) -> None:
    """While Open-Xchange updates the schema nothing is written; a lock left behind by a dead node does not count."""
    pending(world)
    now = int(time.time() * 1000)
    world.execute(
        "INSERT INTO updateTask (cid, taskName, successful, lastModified, uuid) "
        f"VALUES (0, 'LOCKED', 1, {now}, '0123456789abcdef')"
    )
    refused(world, "schema update")
    assert "FAIL" in world.syncd("check").out
    world.execute(f"UPDATE updateTask SET lastModified = {now - 3600_000}")
    assert world.sync().summary == {"create": 1, "update": 1, "delete": 1}


def test_a_counter_that_is_behind_gives_no_ids(world: World) -> None:
    """A counter below the ids in use would make two accounts one: no account is created, and the numbers are said."""
    world.insert(8, 40)
    world.execute("UPDATE sequence_mail_service SET id = 5")
    world.group("support", "alice")
    before = world.accounts()
    done = world.sync(code=1)
    assert "account 40 exists" in done.document["errors"][0]
    assert world.accounts() == before


def test_a_database_that_went_away_is_found_again(world: World) -> None:
    """With the database server down a run ends with 1 and one line; when it is back, the next run does it."""
    world.group("support", "alice")
    world.mariadb.kill()
    try:
        done = world.syncd("sync")
        assert (done.code, done.out) == (1, "")
        assert str(world.mariadb.port) in done.err
    finally:
        world.mariadb.start()
    assert world.sync().summary == {"create": 1}
