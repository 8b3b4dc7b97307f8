"""What the rights of the database user let syncd do, and what it says where they do not suffice; on MariaDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Asked, Secret
from syncd.errors import ConfigurationError, StoreRefused
from syncd.openxchange.check import Use, findings
from syncd.openxchange.connect import StoreOptions
from syncd.openxchange.playground import create_configdb, name_context
from syncd.openxchange.sql import SqlStore, open_store
from tests.openxchange.world import OBFUSCATION, World, creations, errors, mailbox
from tests.servers.mariadb import MariaDb

pytestmark = pytest.mark.mariadb

GRANTS = (
    "SELECT ON {0}.`user`",
    "SELECT ON {0}.login2user",
    "SELECT ON {0}.updateTask",
    "SELECT, UPDATE ON {0}.sequence_mail_service",
    "SELECT, INSERT, UPDATE, DELETE ON {0}.user_mail_account",
    "SELECT, INSERT, UPDATE, DELETE ON {0}.user_transport_account",
    "SELECT, INSERT, UPDATE, DELETE ON {0}.user_mail_account_properties",
    "SELECT, INSERT, UPDATE, DELETE ON {0}.user_transport_account_properties",
)
"""What the README names as the exact rights."""


@pytest.fixture
def world(mariadb: MariaDb, ox_database: str) -> Iterator[World]:
    """Give a populated schema and a store that waits one second for a lock and counts its sleeps."""
    store = SqlStore(mariadb.options(ox_database, lock_timeout=1, obfuscation=OBFUSCATION))
    yield World(store, mariadb.engine(ox_database)).populate()
    store.close()


@pytest.fixture
def limited(mariadb: MariaDb, world: World, ox_database: str) -> Iterator[tuple[SqlStore, str]]:
    """Give a store of a user with exactly the documented rights, and that user's name."""
    user = f"lim_{ox_database}"
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'limited'")
        for grant in GRANTS:
            cursor.execute(f"GRANT {grant.format(ox_database)} TO {user}@'%'")
    options = mariadb.options(ox_database, url=mariadb.url(ox_database, user), password=Secret("limited"))
    store = SqlStore(options)
    yield store, user
    store.close()
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP USER {user}@'%'")


def test_documented_rights_are_enough(world: World, limited: tuple[SqlStore, str]) -> None:
    """With exactly the documented GRANTs everything works, lock and check included."""
    narrow = World(limited[0], world.engine)
    box = mailbox()
    with narrow.store.exclusive():
        assert narrow.store.refusals([1]) == {}
        written = narrow.create(box, [3])
        narrow.update(box, wanted(box.account)._replace(login="x"), written)
        assert narrow.store.users(1, Asked(logins=["user3", "USER4"], ids=[3])).by_login == {"user3": 3}
        assert narrow.store.rows(1, [(3, written[0].account)])
        assert errors(narrow.delete(box, narrow.observed(box).values())) == [None]
    assert [finding for finding in findings(narrow.store.database.options, [1]) if not finding.ok] == []


def test_optional_rights(mariadb: MariaDb, world: World, limited: tuple[SqlStore, str], ox_database: str) -> None:
    """Aliases and groups are refused without their rights, with a hint; with SELECT on three tables they work."""
    store, user = limited
    for question in (lambda: store.users(1, Asked(aliases=["x@y"])), lambda: store.groups(1, ["1"])):
        with pytest.raises(StoreRefused, match=r"SELECT command denied .* GRANTs"):
            question()
    uses: tuple[Use, ...] = ("alias", "ox_group")
    options = store.database.options
    assert [finding.what for finding in findings(options, [1], uses=uses) if not finding.ok] == [
        "OX user_alias",
        "OX groups and groups_member",
    ]
    with mariadb.connect() as connection, connection.cursor() as cursor:
        for table in ("user_alias", "`groups`", "groups_member"):
            cursor.execute(f"GRANT SELECT ON {ox_database}.{table} TO {user}@'%'")
    assert store.users(1, Asked(aliases=["x@y"])).found == {"alias": {}}
    assert store.groups(1, ["0"])["0"].users == (2, *range(3, 10))
    assert [finding for finding in findings(options, [1], uses=uses) if not finding.ok] == []


def test_configdb_needs_one_right(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """A user with SELECT on login2context alone reads the names; without it the error names server and database."""
    name, user = mariadb.fresh_database(tables=False), f"cfg_{ox_database}"
    create_configdb(mariadb.engine(name))
    with mariadb.engine(name).begin() as writing:
        name_context(writing, 1, "acme")
    configdb = mariadb.options(name, url=mariadb.url(name, user), password=Secret("limited-word"))
    options = replace(world.store.database.options, configdb=configdb)
    store = SqlStore(options)
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'limited-word'")
        try:
            with pytest.raises(StoreRefused, match=rf"^Open-Xchange configdb {name} on 127\.0\.0\.1:") as refused:
                store.contexts()
            assert "limited-word" not in str(refused.value)
            cursor.execute(f"GRANT SELECT ON {name}.login2context TO {user}@'%'")
            assert store.contexts().names == {"1": 1, "2": 2, "acme": 1}
            assert [finding for finding in findings(options, [1]) if not finding.ok] == []
        finally:
            store.close()
            cursor.execute(f"DROP USER {user}@'%'")
            cursor.execute(f"DROP DATABASE {name}")


def test_configdb_url_is_checked_first(mariadb: MariaDb) -> None:
    """A configdb URL that cannot be used is an error of the configuration, before anything is sent."""
    with pytest.raises(ConfigurationError, match="openxchange configdb url"):
        open_store(mariadb.options("x", configdb=StoreOptions(url="postgresql://x/y")))


@pytest.mark.parametrize("number", range(len(GRANTS)))
def test_each_missing_right_is_reported(
    mariadb: MariaDb, world: World, limited: tuple[SqlStore, str], ox_database: str, number: int
) -> None:
    """Without any one of the rights the check fails, and writing is refused."""
    store, user = limited
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"REVOKE {GRANTS[number].format(ox_database)} FROM {user}@'%'")
    assert [finding for finding in findings(store.database.options, [1]) if not finding.ok]
    assert store.refusals([1])


def test_missing_write_right_is_refused(
    mariadb: MariaDb, world: World, limited: tuple[SqlStore, str], ox_database: str
) -> None:
    """Where only INSERT is missing, creating is refused with the hint at the GRANTs and nothing is written."""
    store, user = limited
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON {ox_database}.user_transport_account FROM {user}@'%'")
    before = world.tables()
    with pytest.raises(StoreRefused, match=r"INSERT command denied .* GRANTs"):
        World(store, world.engine).create(mailbox(), [3])
    assert world.tables() == before


def test_read_only_server(mariadb: MariaDb, world: World, limited: tuple[SqlStore, str]) -> None:
    """A read-only server is refused beforehand, and a write meets StoreRefused."""
    store, _ = limited
    first = store.reserve(1, 1)
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL read_only = 1")
        try:
            assert "is read-only" in store.refusals([1])[1]
            with pytest.raises(StoreRefused, match="is read-only"):
                store.create(1, creations(mailbox(), [3], first))
        finally:
            cursor.execute("SET GLOBAL read_only = 0")
