"""What MariaDB may do to us, and what then is raised, retried or reported."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pymysql
import pytest
import sqlalchemy as sa
from pymysql.cursors import Cursor

from syncd.core.accounts import wanted
from syncd.core.model import Asked, Endpoint, Secret
from syncd.errors import ConfigurationError, StoreRefused, StoreUnavailable
from syncd.openxchange import packing
from syncd.openxchange.check import findings
from syncd.openxchange.connect import Database, Tls
from syncd.openxchange.playground import add_group
from syncd.openxchange.sql import SqlStore, open_store
from tests.openxchange.world import OBFUSCATION, World, creations, errors, mailbox
from tests.servers.faults import FaultProxy
from tests.servers.mariadb import MariaDb

pytestmark = pytest.mark.mariadb


@pytest.fixture
def world(mariadb: MariaDb, ox_database: str) -> Iterator[World]:
    """Give a populated schema and a store that waits one second for a lock and counts its sleeps."""
    store = SqlStore(mariadb.options(ox_database, lock_timeout=1, obfuscation=OBFUSCATION))
    yield World(store, mariadb.engine(ox_database)).populate()
    store.close()


def until_locked(cursor: Cursor, database: str, thread: threading.Thread) -> None:
    """Return when the thread's connection waits for a row that we have locked, or when it has ended."""
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = %s AND info LIKE '%%FOR UPDATE'"
    while thread.is_alive():
        cursor.execute(waiting, (database,))
        if (cursor.fetchone() or (0,))[0]:
            return


def test_another_writer_with_the_same_address(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """A writer who holds the counter's row finishes first, and then our account is a duplicate, not a second row."""
    box = mailbox()
    first = world.store.reserve(1, 1)
    other = mariadb.connect(ox_database)
    results: list[str | None] = []
    with other, other.cursor() as cursor:
        cursor.execute("UPDATE sequence_mail_service SET id = id + 1 WHERE cid = 1")
        cursor.execute(
            "INSERT INTO user_mail_account (cid, id, user, name, url, login, primary_addr, spam_handler, secondary)"
            " VALUES (1, 2, 3, 'x', 'imap://x:1', 'x', 'SUPPORT@example.org', 'x', 1)"
        )
        store = SqlStore(replace(world.store.database.options, lock_timeout=5))
        thread = threading.Thread(target=lambda: results.extend(errors(store.create(1, creations(box, [3], first)))))
        thread.start()
        until_locked(cursor, ox_database, thread)
        other.commit()
        thread.join()
        store.close()
    assert results == ["an account with this address exists already (id 2)"]


def test_an_account_that_changes_hands_while_it_is_deleted(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """Rows are locked before they are judged: an account that gets another address meanwhile stays."""
    box = mailbox()
    written = world.create(box, [3, 4])
    results: list[str | None] = []
    other = mariadb.connect(ox_database)
    with other, other.cursor() as cursor:
        moved = "UPDATE user_mail_account SET primary_addr = 'other@example.org' WHERE cid = 1 AND id = %s AND user = 3"
        cursor.execute(moved, (written[0].account,))
        store = SqlStore(replace(world.store.database.options, lock_timeout=5))
        beside = World(store, world.engine)
        thread = threading.Thread(target=lambda: results.extend(errors(beside.delete(box, written))))
        thread.start()
        until_locked(cursor, ox_database, thread)
        other.commit()
        thread.join()
        store.close()
    assert results == [f"account {written[0].account} is of another mailbox now: other@example.org", None]
    assert set(world.observed(mailbox("other@example.org"))) == {3}
    assert world.observed(box) == {}


@pytest.mark.parametrize("several", [False, True])
def test_statements_name_secondary_accounts_only(world: World, several: bool) -> None:
    """Whatever was judged before, every DELETE and UPDATE of mail rows has `secondary = 1 AND id <> 0` in it."""
    box = mailbox()
    written = world.create(box, [3, 4] if several else [3])
    seen: list[str] = []

    @sa.event.listens_for(world.store.database.engine, "before_cursor_execute")
    def note(_conn: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        seen.append(statement % parameters if parameters else statement)

    new = wanted(box.account)._replace(login="new")
    assert errors(world.update(box, new, written)) == [None] * len(written)
    assert errors(world.delete(box, written)) == [None] * len(written)
    changing = [
        text for text in seen if text.startswith(("UPDATE user_mail_account ", "DELETE FROM user_mail_account "))
    ]
    assert {text.split()[0] for text in changing} == {"UPDATE", "DELETE"}
    for text in changing:
        assert "user_mail_account.secondary = 1" in text
        assert "user_mail_account.id != 0" in text


def test_locked_rows(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """A row that stays locked is tried three times, then the error says so; nothing is written."""
    sleeps: list[float] = []
    store = SqlStore(world.store.database.options, sleep=sleeps.append)
    first = store.reserve(1, 1)
    before = world.tables()
    with mariadb.connect(ox_database) as other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM sequence_mail_service WHERE cid = 1 FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="rows locked by somebody else"):
            store.create(1, creations(mailbox(), [3], first))
        other.rollback()
    assert len(sleeps) == 2
    assert world.tables() == before
    store.close()


def test_a_deadlock_is_tried_again(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """The victim of a deadlock does its transaction again, and succeeds."""
    sleeps: list[float] = []
    store = SqlStore(replace(world.store.database.options, lock_timeout=5), sleep=sleeps.append)
    first = store.reserve(1, 1)
    thrown = iter([pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")])

    @sa.event.listens_for(store.database.engine, "before_cursor_execute")
    def deadlock(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO user_transport_account ("):
            for error in thrown:
                raise sa.exc.OperationalError(statement, {}, error)

    assert errors(store.create(1, creations(mailbox(), [3], first))) == [None]
    assert len(sleeps) == 1
    assert world.observed(mailbox())[3].fields == wanted(mailbox().account)
    store.close()


def test_one_refused_row_does_not_stop_the_others(world: World) -> None:
    """When the database refuses the batch for one account's values, the others are written one by one."""
    box = mailbox()
    first = world.store.reserve(1, 3)
    world.add_account(9, first + 1, "elsewhere@example.org")
    world.execute("UPDATE user_mail_account SET user = 4, primary_addr = 'else' WHERE id = :id", id=first + 1)
    results = world.store.create(1, creations(box, [3, 4, 5], first))
    assert errors(results) == [None, "an account with this id exists already", None]
    assert set(world.observed(box)) == {3, 5}


def test_killed_connection(mariadb: MariaDb, world: World) -> None:
    """A connection killed in the middle of a transaction is StoreUnavailable, and nothing is half written."""
    store = world.store
    first = store.reserve(1, 1)
    before = world.tables()

    @sa.event.listens_for(store.database.engine, "before_cursor_execute")
    def kill(connection: sa.Connection, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO user_transport_account ("):
            number = connection.connection.dbapi_connection.thread_id()  # type: ignore[union-attr]
            with mariadb.connect() as other, other.cursor() as killer:
                killer.execute(f"KILL {number}")

    with pytest.raises(StoreUnavailable, match="did not answer"):
        store.create(1, creations(mailbox(), [3], first))
    sa.event.remove(store.database.engine, "before_cursor_execute", kill)
    assert world.tables() == before
    assert errors(store.create(1, creations(mailbox(), [3], first))) == [None]


def test_lost_lock(mariadb: MariaDb, world: World) -> None:
    """When the connection that holds the named lock is lost, nothing more is written."""
    with world.store.exclusive():
        with mariadb.connect() as other, other.cursor() as cursor:
            cursor.execute("SELECT IS_USED_LOCK(%s)", (world.store._lock.name,))
            [number] = cursor.fetchone() or (None,)
            cursor.execute(f"KILL {number}")
        with pytest.raises(StoreUnavailable, match="held the lock"):
            world.store.reserve(1, 1)


def test_columns_of_the_old_release(world: World) -> None:
    """On columns as 7.10.6 may have them (utf8mb3 everywhere, shorter logins) all look-ups give the same."""
    world.execute("ALTER TABLE user MODIFY imapLogin VARCHAR(128) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci")
    world.execute("ALTER TABLE user MODIFY mail VARCHAR(256) CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci NOT NULL")
    world.execute("ALTER TABLE login2user MODIFY uid VARCHAR(128) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin NOT NULL")
    world.execute("ALTER TABLE `groups` MODIFY identifier VARCHAR(128) CHARACTER SET utf8mb3 NOT NULL")
    world.execute("ALTER TABLE `groups` ADD gidNumber INT UNSIGNED NOT NULL DEFAULT 0")
    world.execute("UPDATE user SET mail = 'Jürgen@example.org', imapLogin = 'jürgen' WHERE cid = 1 AND id = 3")
    with world.engine.begin() as connection:
        add_group(connection, 1, 11, "Größe", [3])
    texts = ["JÜRGEN@example.org", "jurgen@example.org", "JÜRGEN", "😀"]
    for more in ([], [f"{number}@example.org" for number in range(3000)]):
        found = world.store.users(1, Asked(logins=["user4"], mails=texts + more, imap_logins=texts + more, ids=[3]))
        assert found.found == {"mail": {texts[0]: (3,)}, "imap_login": {texts[2]: (3,)}, "id": {"3": (3,)}}
        assert (found.by_login, found.logins) == ({"user4": 4}, {3: "user3"})
    assert world.store.groups(1, ["größe", "😀"])["größe"].users == (3,)


def test_older_columns(world: World) -> None:
    """With the shorter columns of 7.10.6 a value that fitted 8.x fails with the length found there."""
    world.execute("ALTER TABLE user_mail_account MODIFY login varchar(128) NOT NULL, MODIFY password varchar(70)")
    assert errors(world.create(mailbox(login="x" * 129), [3])) == ["login is 129 characters, the column takes 128"]
    problem = "encrypted password is 84 characters, the column takes 70"
    assert errors(world.create(mailbox(password=Secret("secret")), [3])) == [problem]


def test_password_without_key(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """A password without the key of the installation is refused, explaining passwordSource, in reading and writing."""
    store = SqlStore(mariadb.options(ox_database))
    box = mailbox(password=Secret("do-not-show"))
    for call in (lambda: store.observe([box], {}), lambda: store.create(1, creations(box, [3], store.reserve(1, 1)))):
        with pytest.raises(StoreRefused, match="passwordSource=session") as caught:
            call()
        assert "do-not-show" not in str(caught.value)
    store.close()


def test_connections_that_end_anywhere_leave_their_place_to_others(mariadb: MariaDb, ox_database: str) -> None:
    """Wherever a connection ends, when it is given back too, that is known by name and costs no place in the pool."""
    with FaultProxy(mariadb.port) as proxy:
        database = Database(mariadb.options(ox_database, url=f"mysql://test@127.0.0.1:{proxy.port}/{ox_database}"))
        ended = 0
        for proxy.cut_after in range(600, 960, 3):
            for opened in (database.alone, database.reading):
                try:
                    with opened() as connection:
                        connection.scalar(sa.select(1))
                except StoreUnavailable:
                    ended += 1
        assert ended > 20
        proxy.cut_after = None
        with database.alone() as connection:
            assert connection.scalar(sa.text("SELECT @@autocommit")) == 1
        with database.reading() as connection:
            assert connection.scalar(sa.text("SELECT @@autocommit")) == 0
        database.engine.dispose()


def test_reading_sees_one_moment(mariadb: MariaDb, world: World, ox_database: str) -> None:
    """What others commit meanwhile is not seen before the read has ended, whatever was read before it."""
    database = Database(mariadb.options(ox_database))
    count = sa.text("SELECT COUNT(*) FROM user")
    for _ in range(2):
        with database.reading() as connection:
            before = connection.scalar(count)
            world.execute("DELETE FROM user WHERE cid = 1 ORDER BY id DESC LIMIT 1")
            assert connection.scalar(count) == before
        with database.reading() as connection:
            assert connection.scalar(count) == before - 1
    database.engine.dispose()


def test_values_that_do_not_fit_one_packet(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer cut off by the server is read in parts, and complete."""
    boxes = [mailbox(f"box{number}@example.org") for number in range(6)]
    for box in boxes:
        world.create(box, [3, 4, 5, 6])
    whole = world.store.observe(boxes, {})
    statements = whole.statements

    @sa.event.listens_for(world.store.database.engine, "begin")
    def small(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SET SESSION group_concat_max_len = 300")

    cut = world.store.observe(boxes, {})
    assert {ref: set(found) for ref, found in cut.accounts.items()} == {
        ref: set(found) for ref, found in whole.accounts.items()
    }
    assert cut.statements > statements + 4
    world.execute("UPDATE user_mail_account SET id = 70 WHERE id <> 0 AND primary_addr LIKE 'box0%'")
    assert len(world.store.observe(boxes[:1], {}).accounts[boxes[0].ref]) == 4
    assert packing.ROOM < 16 << 20


def test_odd_texts_survive_packing(world: World) -> None:
    """Names with any character, control characters and separators among them, are read as they are stored."""
    name = "a\x00\x01,\x1f|\u00ff\u00fe\u00fd😀\\'\"%s"
    world.create(mailbox(name=name), [3])
    assert world.observed(mailbox())[3].name == name


def test_observe_takes_one_statement_for_each_table(world: World) -> None:
    """However many mailboxes: one statement for the mail rows, one for the transport rows of all contexts."""
    boxes = [mailbox(f"box{number}@example.org", 1 + number % 2) for number in range(60)]
    world.create(boxes[0], [3, 4])
    world.create(boxes[1], [3, 4])
    assert world.store.observe(boxes, {}).statements == 2
    primary = mailbox("p@example.org", mail=None, transport=None)
    world.add_account(3, 90, "p@example.org", secondary=1)
    assert world.store.observe([*boxes, primary], {}).statements == 4


# ---------------------------------------------------------------------- reaching the server


def test_verified_tls(mariadb: MariaDb, ox_database: str) -> None:
    """With the server's CA the connection is encrypted; the check says with what."""
    options = mariadb.options(
        ox_database, url=mariadb.url(ox_database, "tls"), password=Secret("tls"), tls=Tls(ca=str(mariadb.ca))
    )
    World(SqlStore(options), mariadb.engine(ox_database)).populate().store.close()
    found = {finding.what: finding for finding in findings(options, [1])}
    assert "TLS" in found["OX database TLS"].detail
    assert all(finding.ok for finding in found.values())


def test_wrong_ca(mariadb: MariaDb, ox_database: str) -> None:
    """A server that the system's CAs do not know is not talked to; switching verification off is explicit."""
    options = mariadb.options(ox_database, url=mariadb.url(ox_database, "tls"), password=Secret("tls"), tls=Tls())
    with pytest.raises(StoreUnavailable, match=r"cannot be reached by TLS"):
        open_store(options).users(1, Asked(logins=["x"]))
    trusting = SqlStore(replace(options, tls=Tls(verify=False)))
    assert not trusting.users(1, Asked(logins=["x"])).exists
    trusting.close()


def test_far_servers_are_verified_by_default(mariadb: MariaDb) -> None:
    """Without TLS options only this machine itself is spoken to in clear."""
    for host, protected in (("127.0.0.1", False), ("localhost", False), ("[::1]", False), ("db.example.org", True)):
        options = replace(mariadb.options("x"), url=f"mysql://u@{host}/x")
        database = Database(options)
        captured: dict[str, object] = {}

        @sa.event.listens_for(database.engine, "do_connect")
        def capture(_: object, __: object, ___: object, given: dict[str, object]) -> None:
            captured.update(given)  # noqa: B023 - used within this turn of the loop
            raise pymysql.err.OperationalError(2003, "not really")

        with pytest.raises(StoreUnavailable):
            SqlStoreOn(database).users(1, Asked())
        assert ("ssl" in captured) is protected
        assert captured.get("ssl_disabled", False) is not protected


class SqlStoreOn(SqlStore):
    """A store over a database made before."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.options)
        self.database = database


def test_server_down_and_wrong_password(mariadb: MariaDb, ox_database: str) -> None:
    """A server that does not answer is unavailable, one that refuses the login refuses; no message has a password."""
    down = replace(mariadb.options(ox_database, password=Secret("hidden-word")), url="mysql://u@127.0.0.1:1/ox")
    with pytest.raises(StoreUnavailable, match=r"Open-Xchange database ox on 127\.0\.0\.1:1 did not answer") as caught:
        open_store(down).refusals([1])
    assert "hidden-word" not in str(caught.value)
    wrong = mariadb.options(ox_database, password=Secret("hidden-word"))
    with pytest.raises(StoreRefused, match="Access denied") as refused:
        open_store(wrong).refusals([1])
    assert "hidden-word" not in str(refused.value)
    assert [finding.ok for finding in findings(wrong, [1])] == [False]


@pytest.mark.parametrize("url", ["postgresql://x/y", "not a url", "nosuch://x"])
def test_bad_urls(mariadb: MariaDb, url: str) -> None:
    """A URL that is none of MySQL, MariaDB or SQLite is an error of the configuration."""
    with pytest.raises(ConfigurationError, match="openxchange database url"):
        open_store(replace(mariadb.options("x"), url=url))


def test_missing_ca_file(mariadb: MariaDb) -> None:
    """A CA file that cannot be read is an error of the configuration, naming the file."""
    with pytest.raises(ConfigurationError, match=r"/nowhere/ca\.pem"):
        open_store(mariadb.options("x", tls=Tls(ca="/nowhere/ca.pem")))


def test_unix_socket(mariadb: MariaDb, ox_database: str) -> None:
    """A server can be reached by its socket, and is named by it."""
    options = mariadb.options(ox_database, url=f"mariadb://test@/{ox_database}?unix_socket={mariadb.socket}")
    store = SqlStore(options)
    assert store.refusals([1]) == {1: "context 1 has no row in sequence_mail_service"}
    assert str(mariadb.socket) in store.database.where
    store.close()


def test_strict_mode_and_charset(world: World) -> None:
    """The session is strict, utf8mb4, and waits for locks no longer than it was told."""
    with world.store.database.reading() as connection:
        mode, charset, wait = connection.execute(
            sa.text("SELECT @@sql_mode, @@character_set_client, @@innodb_lock_wait_timeout")
        ).one()
    assert "STRICT_ALL_TABLES" in mode
    assert (charset, wait) == ("utf8mb4", 1)


def test_primary_endpoints_without_transport(world: World) -> None:
    """A primary account without transport row gives no transport endpoint."""
    world.execute("DELETE FROM user_transport_account WHERE user = 3 AND cid = 1")
    assert world.store.endpoints(1, [3]) == {3: (Endpoint("imap://imap.example.org:143", True), None)}
