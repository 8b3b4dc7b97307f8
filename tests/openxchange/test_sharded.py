"""Many databases: who is where, what one that is down takes along, and what may not be written; on two MariaDBs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Contexts, GroupRead, Secret
from syncd.errors import StoreBusy, StoreError, StoreRefused, StoreUnavailable
from syncd.openxchange import playground
from syncd.openxchange.base import AccountStore, Deletion, ManyContexts
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.connect import StoreOptions
from syncd.openxchange.sql import SqlStore
from tests.openxchange.contract import StoreContract
from tests.openxchange.contract_lookup import LookupContract
from tests.openxchange.sharding import CONTEXTS, Farm, OneShard, everybody, found_farm
from tests.openxchange.world import OBFUSCATION, World, creations, errors, mailbox
from tests.servers.mariadb import MariaDb

pytestmark = pytest.mark.mariadb
BOXES = [mailbox(context=context) for context in CONTEXTS]


@pytest.fixture
def farm(mariadb: MariaDb, second_mariadb: MariaDb) -> Iterator[Farm]:
    """Give three schemas on two servers."""
    made = found_farm(mariadb, second_mariadb)
    yield made
    made.close()


class TestContract(StoreContract, LookupContract):
    """Through configdb the laws are the same."""

    @pytest.fixture
    def configdb(self, mariadb: MariaDb) -> Iterator[StoreOptions]:
        """Give a configdb that places contexts 1 and 2 nowhere yet."""
        name = mariadb.fresh_database(tables=False)
        playground.create_configdb(mariadb.engine(name))
        yield mariadb.options(name)
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")

    @pytest.fixture
    def world(self, mariadb: MariaDb, ox_database: str) -> Iterator[World]:
        """Give a world in a schema of its own."""
        name = mariadb.fresh_database(tables=False)
        playground.create_configdb(mariadb.engine(name))
        with mariadb.engine(name).begin() as connection:
            playground.add_pool(connection, 1, f"jdbc:mysql://127.0.0.1:{mariadb.port}", "test", "test")
            for context in (1, 2):
                playground.place_context(connection, context, ox_database, write=1)
        options = ConfigdbOptions(configdb=mariadb.options(name), pools=mariadb.options(name), obfuscation=OBFUSCATION)
        store = OneShard(options)
        yield World(cast("SqlStore", store), mariadb.engine(ox_database)).populate()
        store.close()
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")

    def test_everybody_of_nowhere(self, world: World) -> None:
        """A group of a context that configdb does not know has that as its problem."""
        assert world.store.groups(9, ["0"]) == {"0": GroupRead((), "configdb knows no context 9")}

    def test_contexts_by_number(self, world: World) -> None:
        """The contexts are those of configdb, which is asked for their names, too."""
        assert world.store.contexts() == Contexts(frozenset({1, 2}), {"1": 1, "2": 2})


# --------------------------------------------------------------------------- reading


def test_it_is_a_store_of_many_contexts(farm: Farm) -> None:
    """It keeps both protocols; nothing is sent before it is asked."""
    store: AccountStore = farm.store
    assert isinstance(store, ManyContexts)
    assert farm.store.statements == 0


def test_every_context_in_its_place(farm: Farm) -> None:
    """What is written to a context is read from there, and stands in no other schema."""
    for box in BOXES:
        assert errors(farm.create(box, 3, 3 + box.context % 2)[:1]) == [None]
    observation = farm.store.observe(BOXES, {})
    assert observation.unread == {}
    assert {box.context: len(observation.accounts[box.ref]) for box in BOXES}.keys() == set(CONTEXTS)
    for schema, contexts in {"near": {1, 2}, "beside": {3, 4}, "far": {5, 6}}.items():
        with farm.engine(schema).connect() as connection:
            rows = connection.exec_driver_sql("SELECT DISTINCT cid FROM user_mail_account WHERE secondary = 1")
            assert {row[0] for row in rows} == contexts


def test_statements_are_per_schema(farm: Farm) -> None:
    """Twice as many contexts and mailboxes take as many statements: those of each table, once for each schema."""
    box = mailbox(mail=None, transport=None)
    farm.create(mailbox(), 3)
    half = [one for one in BOXES if one.context % 2]
    first = farm.store.observe([*half, box], {})
    before = farm.store.statements
    farm.store.users_in({context: one for context, one in everybody(3, 4).items() if context % 2})
    asked = farm.store.statements - before
    more = [mailbox(f"box{number}@example.org", one.context) for one in BOXES for number in range(5)]
    second = farm.store.observe([*BOXES, *more, box], {})
    assert second.statements == first.statements
    before = farm.store.statements
    farm.store.users_in(everybody(3, 4))
    assert farm.store.statements - before == asked


def test_names(farm: Farm) -> None:
    """All contexts are known by number and name, disabled ones too."""
    farm.execute("configdb", "UPDATE context SET enabled = 0 WHERE cid = 3")
    found = farm.store.contexts()
    assert found.ids == set(CONTEXTS)
    assert found.names["name3"] == found.names["3"] == 3


def test_an_unknown_context_is_not_read(farm: Farm) -> None:
    """A context that configdb does not know is told apart from one without users, and disturbs nobody."""
    stranger = mailbox(context=9)
    observation = farm.store.observe([*BOXES, stranger], {})
    assert observation.unread == {9: "configdb knows no context 9"}
    assert observation.accounts[stranger.ref] == ()
    users = farm.store.users_in({**everybody(3), 9: everybody(3)[1]})
    assert (users[9].unread, users[9].exists) == ("configdb knows no context 9", False)
    assert all(users[context].by_login == {"user3": 3} for context in CONTEXTS)
    with pytest.raises(StoreRefused, match="knows no context 9") as refused:
        farm.store.reserve(9, 1)
    assert refused.value.contexts == {9}


def test_a_context_that_has_moved_away(farm: Farm) -> None:
    """A context without any user where configdb says it is counts as not read: its users are not gone."""
    farm.execute("near", "DELETE FROM user WHERE cid = 2")
    farm.execute("near", "DELETE FROM login2user WHERE cid = 2")
    users = farm.store.users_in(everybody(3))
    assert {context for context, found in users.items() if found.unread} == {2}
    assert "has no user in" in users[2].unread


def test_a_server_that_is_down(farm: Farm) -> None:
    """Its contexts are not read and the others are; within the run it is not tried again, the next one finds it."""
    with farm.store.exclusive(), farm.down():
        observation = farm.store.observe(BOXES, {})
        assert observation.unread.keys() == {5, 6}
        assert farm.schemas["far"] in observation.unread[5]
        assert "did not answer" in observation.unread[5]
        users = farm.store.users_in(everybody(3))
        assert {context for context, found in users.items() if found.unread} == {5, 6}
        assert "did not answer" in farm.store.groups(5, ["0"])["0"].problem
        assert farm.store.groups(1, ["0"])["0"].users[:2] == (2, 3)
    with farm.store.exclusive():
        assert farm.store.observe(BOXES, {}).unread == {}


def test_a_server_lost_while_writing(farm: Farm) -> None:
    """The error names the contexts of that schema and no others, which can be written to as before."""
    with farm.store.exclusive():
        farm.store.observe(BOXES, {})
        with farm.down():
            for _ in range(2):
                with pytest.raises(StoreUnavailable) as lost:
                    farm.create(mailbox(context=5), 3)
                assert lost.value.contexts == {5, 6}
            assert errors(farm.create(mailbox(context=1), 3)) == [None]


def test_configdb_that_is_down(farm: Farm, second_mariadb: MariaDb) -> None:
    """Without configdb nothing is known of any context: that is an error, not many contexts that were not read."""
    gone = second_mariadb.options("nowhere", url="mysql://test@127.0.0.1:1/configdb", connect_timeout=1)
    store = farm.another(configdb=gone)
    with pytest.raises(StoreUnavailable, match="configdb configdb on") as lost:
        store.observe(BOXES, {})
    assert lost.value.contexts is None


def test_contexts_move(farm: Farm) -> None:
    """Each run, and each plan, looks anew where contexts are; within a run they stay where they were."""
    moved = f"UPDATE context_server2db_pool SET db_schema = '{farm.schemas['beside']}' WHERE cid = 2"
    farm.create(mailbox(context=2), 3)
    with farm.store.exclusive():
        assert len(farm.store.observe(BOXES, {}).accounts[BOXES[1].ref]) == 1
        farm.execute("configdb", moved)
        assert len(farm.store.observe(BOXES, {}).accounts[BOXES[1].ref]) == 1
        refused = farm.store.refusals(CONTEXTS)
        assert refused.keys() == {2}
        assert f"moved to {farm.schemas['beside']} on" in refused[2]
    with farm.store.exclusive():
        assert farm.store.observe(BOXES, {}).accounts[BOXES[1].ref] == ()


# --------------------------------------------------------------------------- writing


def test_refusals(farm: Farm) -> None:
    """Disabled contexts and those of a schema under update are refused with the reason; others are not."""
    farm.execute("configdb", "UPDATE context SET enabled = 0, reason_id = 3 WHERE cid = 1")
    farm.execute(
        "beside",
        "INSERT INTO updateTask (cid, taskName, successful, lastModified, uuid) "
        "VALUES (0, 'LOCKED', 1, UNIX_TIMESTAMP() * 1000, 'x')",
    )
    farm.execute("far", "DELETE FROM sequence_mail_service WHERE cid = 6")
    refused = farm.store.refusals((*CONTEXTS, 9))
    assert refused.keys() == {1, 3, 4, 6, 9}
    assert refused[1] == "context 1 is disabled in Open-Xchange (reason 3)"
    assert "is locked by a schema update" in refused[3]
    assert refused[6] == "context 6 has no row in sequence_mail_service"
    with farm.down():
        refused = farm.store.refusals(CONTEXTS)
        assert refused.keys() == {1, 3, 4, 5, 6}
        assert "did not answer" in refused[5]


def test_replicas_are_told(farm: Farm) -> None:
    """Only where Open-Xchange reads another pool its counter rises: by one for each transaction that changes rows."""
    one, two = mailbox(context=1), mailbox(context=2)
    farm.create(one, 3, 4)
    written = farm.create(two, 3, 4)
    assert farm.counters() == {1: 0, 2: 1, 3: 0, 4: 0, 5: 0, 6: 0}
    same = World(cast("SqlStore", farm.store), farm.engine("near"))
    same.update(two, wanted(two.account), written)
    assert farm.counters()[2] == 1
    same.update(two, wanted(two.account)._replace(login="x"), written)
    assert farm.counters()[2] == 2
    nobody = Deletion(user=3, account=999, mailbox_key=two.key)
    assert errors(farm.store.delete(2, [nobody])) == [None]
    assert farm.counters()[2] == 2
    assert errors(same.delete(two, written)) == [None, None]
    assert farm.counters() == {1: 0, 2: 3, 3: 0, 4: 0, 5: 0, 6: 0}


def test_a_failed_batch_tells_nothing(farm: Farm) -> None:
    """Accounts that are all refused change nothing, and nobody is told of a change."""
    box = mailbox(context=2)
    first = farm.store.reserve(2, 1)
    assert errors(farm.store.create(2, creations(box, [77], first))) == ["user 77 does not exist any more"]
    assert farm.counters()[2] == 0


def test_own_login(farm: Farm) -> None:
    """With a login of ours the pools' own are not used; without a right that is missing the context is refused."""
    user = f"own_{farm.configdb}"
    with farm.first.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'own word'")
        try:
            cursor.execute(f"GRANT ALL ON {farm.schemas['near']}.* TO {user}@'%'")
            store = farm.another(login=user, password=Secret("own word"))
            observation = store.observe(BOXES, {})
            assert observation.unread.keys() == {3, 4, 5, 6}
            assert not any("own word" in reason for reason in observation.unread.values())
            assert store.refusals([1, 2]) == {}
            cursor.execute(f"REVOKE ALL ON {farm.schemas['near']}.* FROM {user}@'%'")
            cursor.execute(f"GRANT SELECT, INSERT ON {farm.schemas['near']}.* TO {user}@'%'")
            cursor.execute(f"GRANT UPDATE ON {farm.schemas['near']}.sequence_mail_service TO {user}@'%'")
            store.close()
            refused = store.refusals([1, 2])
            assert refused.keys() == {2}
            assert "replicationMonitor" in refused[2]
        finally:
            cursor.execute(f"DROP USER {user}@'%'")


# --------------------------------------------------------------------------- locks


def test_the_lock_of_each_database(farm: Farm) -> None:
    """A run holds the lock of what it touches: another one reads the rest, and is told who is in its way."""
    other = farm.another()
    near, far = BOXES[0], BOXES[4]
    with farm.store.exclusive():
        farm.store.observe([near], {})
        with other.exclusive():
            observation = other.observe(BOXES, {})
            assert observation.unread.keys() == {1, 2}
            assert "another syncd holds the lock" in observation.unread[1]
            assert other.users_in(everybody(3))[2].unread == observation.unread[2]
        with pytest.raises(StoreBusy, match=r"connection [0-9]+ of test"), other.exclusive():
            other.observe([near], {})
    with other.exclusive():
        assert other.observe([near, far], {}).unread == {}


def test_no_connection_is_kept_between_runs(farm: Farm) -> None:
    """While a run lasts each database has few connections, after it none."""

    def connections() -> int:
        with farm.second.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s", (farm.schemas["far"],))
            return int(cursor.fetchone()[0])  # type: ignore[index]

    with farm.store.exclusive():
        farm.store.observe(BOXES, {})
        farm.store.refusals(CONTEXTS)
        farm.create(mailbox(context=5), 3)
        assert 0 < connections() <= 3
    pools = [shard.database.engine.pool for shard in farm.store._shards.values()]
    assert [(pool.checkedin(), pool.checkedout()) for pool in pools] == [(0, 0)] * 3  # type: ignore[attr-defined]


def test_a_run_whose_lock_was_lost(farm: Farm) -> None:
    """Whoever lost the lock of one database writes nothing there, and goes on elsewhere."""
    with farm.store.exclusive():
        farm.store.observe(BOXES, {})
        with farm.down():
            pass  # started again: the connection that held the lock is gone
        with pytest.raises(StoreError, match="the lock") as lost:
            farm.store.reserve(5, 1)
        assert lost.value.contexts == {5, 6}
        assert errors(farm.create(mailbox(context=3), 3)) == [None]
