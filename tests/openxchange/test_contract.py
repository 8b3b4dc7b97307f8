"""Both databases keep the laws."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.errors import StoreBusy
from syncd.openxchange.playground import create_configdb, create_schema
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.contract import StoreContract
from tests.openxchange.contract_lookup import LookupContract
from tests.openxchange.world import OBFUSCATION, World
from tests.servers.mariadb import MariaDb


class TestSqlite(StoreContract, LookupContract):
    """The playground's database."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        """Give a world in a file."""
        url = f"sqlite:///{tmp_path}/ox.db"
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        create_schema(engine)
        store = SqlStore(StoreOptions(url=url, obfuscation=OBFUSCATION))
        yield World(store, engine).populate()
        store.close()

    @pytest.fixture
    def configdb(self, tmp_path: Path) -> StoreOptions:
        """Give an empty configdb in another file."""
        url = f"sqlite:///{tmp_path}/configdb.db"
        create_configdb(sa.create_engine(url, poolclass=sa.NullPool))
        return StoreOptions(url=url)

    def test_named_lock(self, world: World) -> None:
        """While one store holds the lock another is told who does; afterwards it is free."""
        other = SqlStore(world.store.database.options)
        with world.store.exclusive(), pytest.raises(StoreBusy, match=r"process [0-9]+"), other.exclusive():
            pass
        with other.exclusive():
            pass


@pytest.mark.mariadb
class TestMariaDb(StoreContract, LookupContract):
    """The real one."""

    @pytest.fixture
    def world(self, mariadb: MariaDb, ox_database: str) -> Iterator[World]:
        """Give a world in a schema of its own."""
        store = SqlStore(mariadb.options(ox_database, obfuscation=OBFUSCATION))
        yield World(store, mariadb.engine(ox_database)).populate()
        store.close()

    @pytest.fixture
    def configdb(self, mariadb: MariaDb) -> Iterator[StoreOptions]:
        """Give an empty configdb in another schema."""
        name = mariadb.fresh_database(tables=False)
        create_configdb(mariadb.engine(name))
        yield mariadb.options(name)
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")

    def test_named_lock(self, world: World) -> None:
        """While one store holds the lock another is told who does; afterwards it is free."""
        other = SqlStore(world.store.database.options)
        message = r"connection [0-9]+ of test from 127\.0\.0\.1"
        with world.store.exclusive(), pytest.raises(StoreBusy, match=message), other.exclusive():
            pass
        with other.exclusive():
            pass
        other.close()
