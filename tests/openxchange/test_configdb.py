"""What configdb says of contexts, and what of it cannot be used; on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.model import Secret
from syncd.openxchange import playground
from syncd.openxchange.configdb import ConfigdbOptions, Place, Placement, Placements, read_placements
from syncd.openxchange.connect import Database, StoreOptions

ONE, TWO = Place("db1", 3306, "ox_5"), Place("db2", 3307, "ox_6")


class Registry:
    """A configdb with pools 1 (db1), 2 (db2) and 3 (a replica of db1)."""

    def __init__(self, path: Path) -> None:
        url = f"sqlite:///{path}/configdb.db"
        self.options = ConfigdbOptions(configdb=StoreOptions(url=url), pools=StoreOptions(url=""))
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)
        playground.create_configdb(self.engine)
        with self.engine.begin() as connection:
            playground.add_pool(connection, 1, "jdbc:mysql://db1", "ox", "one's word")
            playground.add_pool(connection, 2, "jdbc:mysql://db2:3307/?x=y", "ox", "two's word")
            playground.add_pool(connection, 3, "jdbc:mysql://replica1", "ox", "one's word")

    def place(self, context: int, schema: str = "ox_5", write: int = 1, read: int = 0) -> None:
        """Add a context."""
        with self.engine.begin() as connection:
            playground.place_context(connection, context, schema, write=write, read=read)

    def execute(self, statement: str) -> None:
        """Run a statement of the test's own."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def read(self, **more: object) -> Placements:
        """Read where contexts are."""
        options = ConfigdbOptions(**{"configdb": self.options.configdb, "pools": self.options.pools, **more})  # type: ignore[arg-type]
        database = Database(options.configdb)
        with database.reading() as connection:
            found = read_placements(connection, options)
        database.engine.dispose()
        return found


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A configdb without contexts."""
    return Registry(tmp_path)


def test_places(registry: Registry) -> None:
    """A context is at the server of its write pool, in the schema of its row; a replica counts as such."""
    registry.place(1)
    registry.place(2, read=3)
    registry.place(3, "ox_6", 2)
    found = registry.read()
    assert found.contexts == {1: Placement(ONE), 2: Placement(ONE, replicated=True), 3: Placement(TWO)}
    assert found.at == {ONE: {1, 2}, TWO: {3}}
    assert found.options[TWO] == StoreOptions(url="mysql://ox@db2:3307/ox_6", password=Secret("two's word"))
    assert found.of(9) == Placement(None, problem="configdb knows no context 9")
    assert "'s word" not in repr(found)


def test_a_read_pool_of_zero_is_no_replica(registry: Registry) -> None:
    """Old rows have read pool 0 where there is no replica."""
    registry.place(1)
    registry.execute("UPDATE context_server2db_pool SET read_db_pool_id = 0")
    assert registry.read().contexts == {1: Placement(ONE)}


def test_login_and_password_of_ours(registry: Registry) -> None:
    """What the configuration gives takes the place of what stands in the pools, which then may be hidden from us."""
    registry.place(1)
    registry.execute("ALTER TABLE db_pool DROP COLUMN login")
    registry.execute("ALTER TABLE db_pool DROP COLUMN password")
    found = registry.read(login="syncd", password=Secret("own"))
    assert found.options == {ONE: StoreOptions(url="mysql://syncd@db1:3306/ox_5", password=Secret("own"))}


def test_two_pools_of_one_server(registry: Registry) -> None:
    """Two pools that lead to the same schema are one place, since its named lock can be held only once."""
    with registry.engine.begin() as connection:
        playground.add_pool(connection, 4, "jdbc:mysql://DB1:3306/", "ox", "one's word")
    registry.place(1)
    registry.place(2, write=4)
    assert registry.read().at == {ONE: {1, 2}}


def test_disabled_contexts(registry: Registry) -> None:
    """A disabled context has its place, and the reason why nothing may be written; so has one that is neither."""
    for context in (1, 2, 3):
        registry.place(context)
    registry.execute("UPDATE context SET enabled = 0, reason_id = 7 WHERE cid = 1")
    registry.execute("UPDATE context SET enabled = NULL WHERE cid = 2")
    found = registry.read()
    assert {context: found.of(context).disabled for context in (1, 2, 3)} == {
        1: "context 1 is disabled in Open-Xchange (reason 7)",
        2: "context 2 is disabled in Open-Xchange",
        3: "",
    }
    assert found.at == {ONE: {1, 2, 3}}


def test_places_that_cannot_be_told(registry: Registry) -> None:
    """A pool that is not there, a URL that is none, and two answers for one context are problems of that context."""
    with registry.engine.begin() as connection:
        playground.add_pool(connection, 4, "jdbc:oracle:thin:hush@db", "ox", "x")
    registry.place(1, write=9)
    registry.place(2, write=4)
    registry.place(3)
    registry.place(4)
    again = "INSERT INTO context_server2db_pool (server_id, cid, read_db_pool_id, write_db_pool_id, db_schema)"
    registry.execute(f"{again} VALUES (3, 3, 2, 2, 'ox_6')")
    registry.execute(f"{again} VALUES (3, 4, 1, 1, 'ox_5')")
    found = registry.read()
    problems = {context: found.of(context).problem for context in (1, 2, 3, 4)}
    assert problems == {
        1: "the write pool 9 of context 1 is not in configdb",
        2: "the write pool 4 of context 2: not a JDBC URL of a MySQL or MariaDB server (jdbc:mysql://host:port)",
        3: f"configdb names several databases for context 3: {ONE} and {TWO}",
        4: "",
    }
    assert found.at[ONE] == {4}
