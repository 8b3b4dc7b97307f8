"""`syncd check` names what is wrong with the Open-Xchange database; here on SQLite, with MariaDB in test_failures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.openxchange.check import findings
from syncd.openxchange.playground import create_schema
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


def test_no_such_file(tmp_path: Path) -> None:
    """A database that cannot be opened is one finding, not a traceback."""
    found = list(findings(StoreOptions(url=f"sqlite:///{tmp_path}/none/ox.db"), [1]))
    assert [finding.ok for finding in found] == [False]


def test_bad_url() -> None:
    """A URL that cannot be used is one finding, too."""
    assert [finding.ok for finding in findings(StoreOptions(url="oracle://x/y"), [1])] == [False]
