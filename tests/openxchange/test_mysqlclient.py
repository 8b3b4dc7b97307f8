"""The driver mysqlclient, which is selected by URL: the same laws, timeouts, TLS and errors as by PyMySQL.

The package has to be compiled; `make servers-all` does that.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.model import Asked, Secret
from syncd.errors import ConfigurationError, StoreBusy, StoreError, StoreRefused, StoreUnavailable
from syncd.openxchange import connect
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.connect import Database, Tls
from syncd.openxchange.playground import create_configdb
from syncd.openxchange.sharded import ShardedStore
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.contract import StoreContract
from tests.openxchange.contract_lookup import LookupContract
from tests.openxchange.sharding import CONTEXTS, everybody, found_farm
from tests.openxchange.world import OBFUSCATION, World
from tests.servers import require
from tests.servers.certificates import Authority
from tests.servers.faults import FaultProxy
from tests.servers.mariadb import MariaDb


def options(mariadb: MariaDb, database: str, **more: object) -> StoreOptions:
    """Give store options that select the driver."""
    if importlib.util.find_spec("MySQLdb") is None:
        require.missing("the Python package mysqlclient")
    url = mariadb.url(database, str(more.pop("user", "test"))).replace("mysql://", "mysql+mysqldb://")
    return mariadb.options(database, **{"url": url, **more})


@pytest.mark.mariadb
@pytest.mark.mysqlclient
class TestMysqlclient(StoreContract, LookupContract):
    """The laws."""

    @pytest.fixture
    def world(self, mariadb: MariaDb, ox_database: str) -> Iterator[World]:
        """Give a world in a schema of its own."""
        store = SqlStore(options(mariadb, ox_database, obfuscation=OBFUSCATION))
        assert store.database.engine.driver == "mysqldb"
        yield World(store, mariadb.engine(ox_database)).populate()
        store.close()

    @pytest.fixture
    def configdb(self, mariadb: MariaDb) -> Iterator[StoreOptions]:
        """Give an empty configdb in another schema."""
        name = mariadb.fresh_database(tables=False)
        create_configdb(mariadb.engine(name))
        yield options(mariadb, name)
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")

    def test_named_lock(self, world: World) -> None:
        """While one store holds the lock another is told who does; afterwards it is free."""
        other = SqlStore(world.store.database.options)
        with world.store.exclusive(), pytest.raises(StoreBusy, match=r"connection [0-9]+ of test"), other.exclusive():
            pass
        with other.exclusive():
            pass
        other.close()


def cipher(mariadb: MariaDb, database: str, **more: object) -> str:
    """Connect and give what the connection is encrypted with."""
    store = SqlStore(options(mariadb, database, **more))
    try:
        with store.database.reading() as connection:
            row = connection.execute(sa.text("SHOW STATUS LIKE 'Ssl_cipher'")).one()
            return str(row[1])
    finally:
        store.close()


@pytest.mark.mariadb
@pytest.mark.mysqlclient
def test_tls(mariadb: MariaDb, ox_database: str, tmp_path: Path) -> None:
    """To this machine in clear unless asked for; with TLS certificates are verified, unless that is switched off."""
    assert cipher(mariadb, ox_database) == ""
    assert cipher(mariadb, ox_database, tls=Tls(enabled=False)) == ""
    assert cipher(mariadb, ox_database, tls=Tls(ca=str(mariadb.ca)))
    assert cipher(mariadb, ox_database, tls=Tls(verify=False))
    stranger = Authority(tmp_path).certificate
    for tls in (Tls(), Tls(ca=str(stranger))):
        with pytest.raises(StoreUnavailable, match="cannot be reached by TLS"):
            cipher(mariadb, ox_database, tls=tls)
    with pytest.raises(ConfigurationError, match=r"tls\.ca: cannot read .*nowhere"):
        cipher(mariadb, ox_database, tls=Tls(ca=str(tmp_path / "nowhere.pem")))


@pytest.mark.mariadb
@pytest.mark.mysqlclient
def test_another_name_than_the_certificates(mariadb: MariaDb, ox_database: str) -> None:
    """A server whose certificate has another name is not talked to."""
    with FaultProxy(mariadb.port, listen="127.0.0.2") as proxy:
        url = f"mysql+mysqldb://test@127.0.0.2:{proxy.port}/{ox_database}"
        assert cipher(mariadb, ox_database, url=url, tls=Tls(verify=False))
        with pytest.raises(StoreUnavailable, match="cannot be reached by TLS"):
            cipher(mariadb, ox_database, url=url, tls=Tls(ca=str(mariadb.ca)))


@pytest.mark.mariadb
@pytest.mark.mysqlclient
def test_errors(mariadb: MariaDb, ox_database: str) -> None:
    """A refused login, a missing schema, and a server that is away are told apart; no message has the password."""
    cases: tuple[tuple[StoreOptions, type[StoreError], str], ...] = (
        (options(mariadb, ox_database, password=Secret("hush")), StoreRefused, "check user and password"),
        (options(mariadb, "nowhere"), StoreError, "nowhere"),
        (options(mariadb, ox_database, url="mysql+mysqldb://test@127.0.0.1:1/x"), StoreUnavailable, "did not answer"),
    )
    for wrong, kind, words in cases:
        store = SqlStore(wrong)
        with pytest.raises(kind) as caught:
            store.users(1, Asked(ids=[3]))
        assert words in f"{caught.value} {caught.value.hint}"
        assert "hush" not in str(caught.value)
        store.close()


@pytest.mark.mariadb
@pytest.mark.mysqlclient
def test_a_server_that_says_nothing_is_given_up(mariadb: MariaDb, ox_database: str) -> None:
    """An answer has a time limit."""
    database = Database(options(mariadb, ox_database, read_timeout=1.0))
    with pytest.raises(StoreUnavailable), database.reading() as connection:
        connection.execute(sa.text("SELECT SLEEP(20)"))
    database.engine.dispose()


@pytest.mark.mariadb
@pytest.mark.mysqlclient
def test_databases_of_a_configdb(mariadb: MariaDb, second_mariadb: MariaDb) -> None:
    """Where configdb is reached by it, the databases are."""
    farm = found_farm(mariadb, second_mariadb)
    place = options(mariadb, farm.configdb)
    store = ShardedStore(farm.options(configdb=place))
    try:
        assert all(users.exists for users in store.users_in(everybody(3)).values())
        drivers = [shard.database.engine.driver for shard in store._shards.values()]
        assert (len(drivers), set(drivers), len(CONTEXTS)) == (3, {"mysqldb"}, 6)
    finally:
        store.close()
        farm.close()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error names the extra to install, and so for a configdb."""
    monkeypatch.setattr(connect.importlib.util, "find_spec", lambda _: None)
    url = "mysql+mysqldb://syncd@db.example.org/ox"
    with pytest.raises(ConfigurationError, match=r"openxchange\.database\.url: .*pip install 'syncd\[mysqlclient\]'"):
        Database(StoreOptions(url=url))
    with pytest.raises(ConfigurationError, match=r"openxchange\.configdb\.url"):
        ShardedStore(ConfigdbOptions(configdb=StoreOptions(url=url), pools=StoreOptions(url=url)))
