"""`syncd check` names what is wrong with the Open-Xchange database; here on SQLite, with MariaDB in test_failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.openxchange.check import findings
from syncd.openxchange.playground import create_configdb, create_schema, name_context
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a world in a file."""
    url = f"sqlite:///{tmp_path}/ox.db"
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    create_schema(engine)
    store = SqlStore(StoreOptions(url=url))
    yield World(store, engine).populate()
    store.close()


def failing(world: World, *contexts: int) -> dict[str, str]:
    """Give what fails and why."""
    found = findings(world.store.database.options, contexts, now=lambda: 1000.0)
    return {finding.what: finding.detail for finding in found if not finding.ok}


def test_all_is_well(world: World) -> None:
    """A complete database passes, and the findings tell what was looked at."""
    found = list(findings(world.store.database.options, [1, 2]))
    assert all(finding.ok for finding in found)
    assert [finding.what for finding in found] == [
        "OX database",
        "OX database TLS",
        "OX tables",
        "OX schema update",
        "OX named lock",
        "OX rights",
        "OX user_alias",
        "OX groups and groups_member",
        "OX context 1",
        "OX context 1",
        "OX context 2",
        "OX context 2",
    ]


def test_unknown_context(world: World) -> None:
    """A context without users and counter fails on both counts."""
    found = [finding for finding in findings(world.store.database.options, [9]) if not finding.ok]
    assert [finding.detail for finding in found] == [
        "0 users and 0 logins found",
        "no row in sequence_mail_service, accounts cannot get an id",
    ]


def test_account_counter_behind(world: World) -> None:
    """A counter below an id that is in use, as after a restore, is found before a run fails by it."""
    counter = sa.text("UPDATE sequence_mail_service SET id = 6 WHERE cid = 1")
    account = sa.text(
        "INSERT INTO user_transport_account (id, cid, user, name, url, login, send_addr) "
        "VALUES (7, 1, 3, '', 'smtp://a', '', 'a')"
    )
    with world.engine.begin() as connection:
        connection.execute(counter)
        connection.execute(account)
    assert failing(world, 1, 2) == {
        "OX context 1": "the account counter is at 6, but account 7 exists: no account can be created"
    }


def test_missing_table_and_column(world: World) -> None:
    """Missing tables and columns are named."""
    world.execute("ALTER TABLE user_mail_account DROP COLUMN secondary")
    world.execute("DROP TABLE updateTask")
    assert failing(world, 1)["OX tables"] == (
        "missing, or hidden from this user: user_mail_account.secondary, updateTask"
    )


def test_running_schema_update(world: World) -> None:
    """A schema update of Open-Xchange is reported."""
    world.execute("INSERT INTO updateTask VALUES (0, 'LOCKED', 0, 999000, 'x')")
    assert "locked by a schema update" in failing(world, 1)["OX schema update"]


def test_held_lock_is_no_fault(world: World) -> None:
    """The check may run beside a daemon: a held lock is told, not failed."""
    with world.store.exclusive():
        found = {finding.what: finding for finding in findings(world.store.database.options, [1])}
    assert found["OX named lock"].ok
    assert "a run is in progress" in found["OX named lock"].detail


def test_tables_that_not_everybody_needs(world: World) -> None:
    """Hidden tables of aliases and groups fail the check only where the configuration uses them, and say what for."""
    world.execute("DROP TABLE user_alias")
    world.execute("DROP TABLE groups_member")
    options = world.store.database.options
    found = {finding.what: finding for finding in findings(options, [1])}
    assert all(finding.ok for finding in found.values())
    assert found["OX user_alias"].detail == "not readable; only identity rules by alias would need it"
    assert found["OX groups and groups_member"].detail == "not readable; only sources of kind ox_group would need it"
    used = {finding.what: finding for finding in findings(options, [1], uses=["ox_group", "alias"])}
    assert [what for what, finding in used.items() if not finding.ok] == [
        "OX user_alias",
        "OX groups and groups_member",
    ]
    assert "groups_member" in used["OX groups and groups_member"].detail
    assert used["OX user_alias"].hint == (
        "identity rules by alias need SELECT on user_alias; the README lists the GRANTs that syncd needs"
    )


@pytest.fixture
def configdb(tmp_path: Path) -> sa.Engine:
    """Give a configdb with no context in it."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/configdb.db", poolclass=sa.NullPool)
    create_configdb(engine)
    return engine


def of_configdb(world: World, url: str) -> list[tuple[bool, str, str, str]]:
    """Give the findings about configdb."""
    options = replace(world.store.database.options, configdb=StoreOptions(url=url))
    found = [finding for finding in findings(options, [1]) if "configdb" in finding.what]
    return [(finding.ok, finding.what, finding.detail, finding.hint) for finding in found]


def test_configdb(world: World, configdb: sa.Engine) -> None:
    """A configdb is told by its place, how many contexts it has, and how many names it gives to those here."""
    with configdb.begin() as connection:
        name_context(connection, 1, "acme", "acme.com")
        name_context(connection, 2, "other")
        name_context(connection, 9, "elsewhere")
    version = configdb.connect().scalar(sa.text("SELECT sqlite_version()"))
    assert of_configdb(world, str(configdb.url)) == [
        (True, "OX configdb", f"Open-Xchange configdb {configdb.url.database} answers: SQLite {version}", ""),
        (True, "OX configdb TLS", "not needed, it is a file", ""),
        (
            True,
            "OX configdb names",
            "3 contexts, 2 in this database; these have 3 names besides their numbers",
            "",
        ),
    ]


def test_configdb_of_another_installation(world: World, configdb: sa.Engine) -> None:
    """A configdb that names none of the contexts here fails."""
    with configdb.begin() as connection:
        name_context(connection, 9, "elsewhere")
    assert of_configdb(world, str(configdb.url))[-1] == (
        False,
        "OX configdb names",
        "1 contexts, 2 in this database; these have 0 names besides their numbers",
        "is it the configdb of this database?",
    )


def test_configdb_without_its_table(world: World, configdb: sa.Engine) -> None:
    """A configdb without login2context, or of no use at all, is a finding in words."""
    with configdb.begin() as connection:
        connection.execute(sa.text("DROP TABLE login2context"))
    ok, _, detail, hint = of_configdb(world, str(configdb.url))[-1]
    assert (ok, hint) == (False, "syncd needs SELECT on login2context there")
    assert "no such table: login2context" in detail
    [bad] = of_configdb(world, "oracle://x/y")
    assert bad[:2] == (False, "OX configdb")
    assert "openxchange configdb url" in bad[2]


def test_no_such_file(tmp_path: Path) -> None:
    """A database that cannot be opened is one finding, not a traceback."""
    found = list(findings(StoreOptions(url=f"sqlite:///{tmp_path}/none/ox.db"), [1]))
    assert [finding.ok for finding in found] == [False]


def test_bad_url() -> None:
    """A URL that cannot be used is one finding, too."""
    assert [finding.ok for finding in findings(StoreOptions(url="oracle://x/y"), [1])] == [False]
