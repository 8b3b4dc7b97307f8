"""Opening the ledger: whose it is, what is refused, and how the database's own troubles are told."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.changes import Op
from syncd.core.model import Secret
from syncd.errors import LedgerForeign, LedgerUnavailable
from syncd.ledger.database import Database
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH, NOON, SUPPORT, intents
from tests.servers.mariadb import MariaDb

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can give files away")
ARGV = ("syncd", "status", "-c", "/etc/my syncd.yaml")
FOREIGN = 12345


@pytest.fixture
def path(sqlite: LedgerOptions) -> Path:
    """Where the SQLite file is, or will be."""
    return Path(sqlite.url.removeprefix("sqlite:///"))


def test_the_file_is_for_its_owner_only(sqlite: LedgerOptions, path: Path) -> None:
    """The file and what SQLite puts beside it can be read by nobody else, whatever the umask."""
    before = os.umask(0)
    try:
        with Ledger.open(sqlite) as ledger:
            ledger.register(BOTH)
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}


@as_root
def test_somebody_elses_file_is_refused(sqlite: LedgerOptions, path: Path) -> None:
    """Root, too, does not touch a ledger of another uid, and gets the command that works, quoted for a shell."""
    Ledger.open(sqlite).close()
    os.chown(path, 1, 1)
    content = path.read_bytes()
    with pytest.raises(LedgerForeign) as caught:
        Ledger.open(sqlite, argv=ARGV)
    assert "belongs to daemon" in caught.value.message
    assert caught.value.hint == "sudo -u daemon syncd status -c '/etc/my syncd.yaml'"
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == (content, [path])


@as_root
def test_somebody_elses_directory_is_refused(sqlite: LedgerOptions, path: Path) -> None:
    """While there is no file its directory tells whose it will be; a uid without a name is given by number."""
    os.chown(path.parent, FOREIGN, FOREIGN)
    with pytest.raises(LedgerForeign) as caught:
        Ledger.open(sqlite, argv=ARGV)
    assert str(caught.value.hint).startswith(f"sudo -u '#{FOREIGN}' syncd status")
    assert not path.exists()


@as_root
def test_everybodys_directory_does_not_tell_an_owner(sqlite: LedgerOptions, path: Path) -> None:
    """A new ledger in a directory such as /tmp is ours, whoever owns the directory."""
    os.chown(path.parent, FOREIGN, FOREIGN)
    path.parent.chmod(0o1777)
    Ledger.open(sqlite).close()


@as_root
def test_a_side_file_of_somebody_else_is_refused(sqlite: LedgerOptions, path: Path) -> None:
    """A -wal file that another user left behind is named with the command that repairs it."""
    Ledger.open(sqlite).close()
    wal = path.with_name("ledger.db-wal")
    wal.touch()
    os.chown(wal, FOREIGN, FOREIGN)
    with pytest.raises(LedgerForeign, match=r"ledger.db-wal belongs to '#12345' \(sudo chown root .*ledger.db-wal\)"):
        Ledger.open(sqlite)


@as_root
def test_a_directory_closed_to_us_is_somebody_elses() -> None:
    """Without the right to look into the directory, its owner decides: the usual case of a person at the shell."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        closed = Path(folder, "closed")
        closed.mkdir(mode=0o700)
        Path(folder).chmod(0o755)
        (closed / "ledger.db").touch()
        os.chown(closed, 1, 1)
        os.seteuid(FOREIGN)
        try:
            with pytest.raises(LedgerForeign, match="sudo -u daemon syncd"):
                Ledger.open(LedgerOptions(url=f"sqlite:///{closed}/ledger.db"))
        finally:
            os.seteuid(0)


def test_a_missing_directory_is_told_with_the_command(tmp_path: Path) -> None:
    """The error has the command that creates the directory."""
    with pytest.raises(
        LedgerUnavailable, match=r"no directory .*/no such \(sudo install -d -m 0700 -o \w+ '.*/no such'\)"
    ):
        Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/no such/ledger.db"))


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "postgresql://x/y", "mysql://x", "nonsense"]
)
def test_other_kinds_of_ledger_are_refused(url: str) -> None:
    """Only a SQLite file or a MySQL database will do; the hint shows how such URLs look."""
    with pytest.raises(LedgerUnavailable, match=r"sqlite:////var/lib/syncd/ledger.db or mysql\+pymysql:"):
        Ledger.open(LedgerOptions(url=url))


def test_a_file_that_is_no_database_is_told(sqlite: LedgerOptions, path: Path) -> None:
    """Somebody else's content in the file is an error with a way out, and stays as it is."""
    path.write_text("this is a letter\n" * 100)
    with pytest.raises(LedgerUnavailable, match=r"ledger /.*ledger.db: file is not a database \(restore"):
        Ledger.open(sqlite)
    assert path.read_text().startswith("this is a letter")


def test_a_locked_ledger_is_unavailable(sqlite: LedgerOptions, path: Path) -> None:
    """A writer beside us makes writing fail after the timeout; reading goes on."""
    with Ledger.open(sqlite) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="database is locked"):
            ledger.begin("r", "sync", NOON)
        assert ledger.runs() == ()
        other.close()
        ledger.begin("r", "sync", NOON)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 1 MiB."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", folder]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("NOT TESTED: a small file system can be mounted by root only")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_unavailable_and_loses_nothing(small_disk: Path) -> None:
    """An intent that does not fit is refused before anything else is done; what was there stays readable."""
    options = LedgerOptions(url=f"sqlite:///{small_disk}/ledger.db")
    with Ledger.open(options) as ledger:
        ledger.register(BOTH)
        ledger.intend("r", "b", NOON, intents(Op.CREATE, [1]))
        ledger.conclude("b")
        with pytest.raises(
            LedgerUnavailable, match=r"database or disk is full \(free some space|disk I/O error \(the disk"
        ):
            ledger.intend("r", "b2", NOON, intents(Op.CREATE, range(2, 20_000)))
        assert {user: claim.held for user, claim in ledger.claims()[SUPPORT].items()} == {1: True}
        assert ledger.unsettled() == ()
        ledger.conclude("b")
    with Ledger.open(options) as ledger:
        assert set(ledger.claims()[SUPPORT]) == {1}


def test_a_full_database_is_unavailable(sqlite: LedgerOptions) -> None:
    """The same without root, by SQLite's own limit of pages."""
    with Ledger.open(sqlite) as ledger:
        ledger.register(BOTH)
        with ledger._database.reading() as work:
            ((pages,),) = work.rows("PRAGMA page_count")
            work.rows(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(LedgerUnavailable, match="is full"):
            ledger.intend("r", "b", NOON, intents(Op.CREATE, range(10_000)))
        assert ledger.claims() == {}


def test_sqlite_survives_a_loss_of_power(sqlite: LedgerOptions) -> None:
    """Every connection writes ahead and syncs each commit."""
    Ledger.open(sqlite).close()
    database = Database(sqlite)
    with database.writing() as work, database.reading() as other:
        for connection in (work, other):
            assert connection.rows("PRAGMA journal_mode") == [("wal",)]
            assert connection.rows("PRAGMA synchronous") == [(2,)]
    database.close()


def test_threads_share_a_ledger(options: LedgerOptions) -> None:
    """The scheduler renews its lease while a run writes: each call has a connection of its own."""
    clock = iter(range(0, 10_000, 10)).__next__
    with Ledger.open(replace(options, lock_timeout=30)) as ledger, ThreadPoolExecutor(3) as pool:
        ledger.register(BOTH)
        with ledger.lease("daemon", "syncd run", wait=0, monotonic=clock) as lease:
            calls: list[Callable[[], object]] = [lease.renew, ledger.claims]
            others = [pool.submit(call) for call in calls * 20]
            for number in range(20):
                ledger.intend("r", f"b{number}", NOON, intents(Op.CREATE, [number]))
            assert [future.exception() for future in others] == [None] * 40
        assert len(ledger.unsettled()) == 20


# --------------------------------------------------------------------------- MySQL


def over_tcp(server: MariaDb, **values: object) -> LedgerOptions:
    """Options of a new database on the server."""
    url = server.url(server.fresh_database(tables=False)).replace("127.0.0.1", "localhost")
    return replace(LedgerOptions(url=url, password=Secret("test"), ca=str(server.ca)), **values)  # type: ignore[arg-type]


@pytest.mark.mariadb
def test_tls_is_verified(mariadb: MariaDb) -> None:
    """The server's certificate must come from the given CA; from the system's it does not."""
    with Ledger.open(over_tcp(mariadb)) as ledger, ledger._database.reading() as work:
        assert work.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]
    with pytest.raises(LedgerUnavailable, match=r"certificate.*\(set ca to"):
        Ledger.open(over_tcp(mariadb, ca=None))


@pytest.mark.mariadb
def test_tls_can_be_given_up_in_steps(mariadb: MariaDb) -> None:
    """Without verification any certificate passes, without TLS there is no cipher."""
    for values, encrypted in (({"ca": None, "verify": False}, True), ({"tls": False}, False)):
        with Ledger.open(over_tcp(mariadb, **values)) as ledger, ledger._database.reading() as work:
            assert bool(work.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]) is encrypted


@pytest.mark.mariadb
def test_a_wrong_password_is_told_without_it(mariadb: MariaDb) -> None:
    """The error names the ledger and the account; the password is nowhere, nor in what `str` gives."""
    options = over_tcp(mariadb, password=Secret("geheim"))
    with pytest.raises(LedgerUnavailable, match=r"ledger localhost/ox_\d+: .*[Aa]ccess denied") as caught:
        Ledger.open(options)
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "geheim" not in f"{chain}{chain!r}"
        chain = chain.__cause__ or chain.__context__
    assert "geheim" not in f"{options!r}{Database(options)}"


@pytest.mark.mariadb
def test_a_ca_file_that_is_missing_is_told(mariadb: MariaDb) -> None:
    """The file is named."""
    with pytest.raises(LedgerUnavailable, match=r"CA file /nowhere/ca\.crt"):
        Ledger.open(over_tcp(mariadb, ca="/nowhere/ca.crt"))


def test_a_server_that_is_down_is_told() -> None:
    """Nobody listening is an error that names the ledger, not a traceback."""
    with pytest.raises(LedgerUnavailable, match=r"ledger 127.0.0.1/syncd: .*refused"):
        Ledger.open(LedgerOptions(url="mysql://syncd@127.0.0.1:1/syncd", tls=False))


@pytest.mark.mariadb
def test_a_lost_connection_is_replaced(mariadb: MariaDb) -> None:
    """A connection that the server ended while it was idle is noticed before it is used."""
    with Ledger.open(over_tcp(mariadb)) as ledger:
        with ledger._database.reading() as work:
            ((number,),) = work.rows("SELECT CONNECTION_ID()")
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"KILL {number}")
        assert ledger.claims() == {}


@pytest.mark.mariadb
def test_a_connection_lost_within_a_call_is_told(mariadb: MariaDb) -> None:
    """When the server ends the connection in the middle of a transaction nothing of it is kept."""
    with Ledger.open(over_tcp(mariadb)) as ledger:
        with pytest.raises(LedgerUnavailable, match="localhost/ox_"), ledger._database.writing() as work:  # noqa: PT012
            work.run("INSERT INTO cursors (name, server, confirmed, at) VALUES ('directory', 'x', 1, 1)")
            ((number,),) = work.rows("SELECT CONNECTION_ID()")
            with mariadb.connect() as connection, connection.cursor() as cursor:
                cursor.execute(f"KILL {number}")
            work.run("UPDATE cursors SET server = 'y'")
        with ledger._database.reading() as work:
            assert work.rows("SELECT name FROM cursors") == []


@pytest.mark.mariadb
def test_text_that_is_too_long_is_refused(mariadb: MariaDb) -> None:
    """Nothing is cut silently, as a server that is not strict would do."""
    with Ledger.open(over_tcp(mariadb)) as ledger, pytest.raises(LedgerUnavailable, match="too long"):
        ledger.begin("r" * 65, "sync", NOON)
