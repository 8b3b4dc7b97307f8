"""A real MariaDB on loopback, quick to start and without fsync, and schemas with the Open-Xchange tables in it."""

from __future__ import annotations

import getpass
import itertools
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pymysql
import pytest
import sqlalchemy as sa

from syncd.core.model import Secret
from syncd.openxchange.connect import StoreOptions
from syncd.openxchange.playground import create_schema
from tests.servers import require
from tests.servers.certificates import Authority

_CONFIGURATION = """\
[mysqld]
user = {user}
datadir = {folder}/data
tmpdir = {folder}/tmp
socket = {folder}/sock
pid_file = {folder}/mariadbd.pid
log_error = {folder}/log.err
port = {port}
bind_address = 127.0.0.1
skip_name_resolve
ssl_ca = {folder}/tls/ca.crt
ssl_cert = {folder}/tls/server.crt
ssl_key = {folder}/tls/server.key
character_set_server = utf8mb4
collation_server = utf8mb4_unicode_ci
skip_log_bin
# each commit reaches the kernel, so kill -9 loses nothing
innodb_flush_log_at_trx_commit = 2
innodb_doublewrite = 0
innodb_flush_method = nosync
innodb_buffer_pool_size = 64M
innodb_log_file_size = 32M
innodb_stats_persistent = 0
performance_schema = OFF
max_connections = 60
max_allowed_packet = 16M
innodb_lock_wait_timeout = 5
"""
_ACCOUNTS = """\
CREATE USER test@'%' IDENTIFIED BY 'test'; GRANT ALL ON *.* TO test@'%' WITH GRANT OPTION;
CREATE USER tls@'%' IDENTIFIED BY 'tls' REQUIRE SSL; GRANT ALL ON *.* TO tls@'%';
"""


class MariaDb:
    """Run MariaDB between `__enter__` and `__exit__`; account test/test, and tls/tls which must come by TLS."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MariaDb:
        install, self._program = require.binary("mariadb-install-db"), require.binary("mariadbd")
        client = require.binary("mariadb")
        self.folder = Path(tempfile.mkdtemp(prefix="mdb", dir="/tmp"))
        try:
            authority = Authority(self.folder / "tls")
            authority.issue("server", "localhost", "127.0.0.1")
            self.ca = authority.certificate
            self.socket = self.folder / "sock"
            (self.folder / "tmp").mkdir()
            self.port = _free_port()
            user = getpass.getuser()
            text = _CONFIGURATION.format(user=user, folder=self.folder, port=self.port)
            (self.folder / "my.cnf").write_text(text)
            self._run(
                install, f"--defaults-file={self.folder / 'my.cnf'}", "--skip-test-db",
                "--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}",
            )  # fmt: skip
            self.start()
            self._run(client, "--no-defaults", "-S", str(self.socket), "-u", user, input=_ACCOUNTS.encode())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def start(self) -> None:
        """Start the server, again after `kill`, and wait until it answers."""
        self._process = subprocess.Popen(
            [self._program, f"--defaults-file={self.folder / 'my.cnf'}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"mariadbd did not start: {(self.folder / 'log.err').read_text()}")
            time.sleep(0.02)  # waiting for a server to listen is not waiting for our own code

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return bool(probe.recv(1))

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def connect(self, database: str | None = None, **options: object) -> pymysql.Connection[pymysql.cursors.Cursor]:
        """Give a plain connection with all rights, for a test's own statements."""
        settings: dict[str, object] = {"user": "test", "password": "test", "charset": "utf8mb4", "ssl_disabled": True}
        settings |= {"host": "127.0.0.1", "port": self.port, "database": database, "connect_timeout": 5}
        connection: pymysql.Connection[pymysql.cursors.Cursor] = pymysql.connect(**{**settings, **options})  # type: ignore[call-overload]
        return connection

    def url(self, database: str, user: str = "test") -> str:
        """Give the URL of a schema, without a password (it is the user's name)."""
        return f"mysql://{user}@127.0.0.1:{self.port}/{database}"

    def options(self, database: str, **more: object) -> StoreOptions:
        """Give store options for a schema."""
        return StoreOptions(**{"url": self.url(database), "password": Secret("test"), **more})  # type: ignore[arg-type]

    def engine(self, database: str) -> sa.Engine:
        """Give an engine with all rights on a schema; without a pool, so nothing stays open."""
        url = f"mysql+pymysql://test:test@127.0.0.1:{self.port}/{database}?charset=utf8mb4"
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args={"ssl_disabled": True})

    def fresh_database(self, *, tables: bool = True) -> str:
        """Make a schema, with the Open-Xchange tables unless told otherwise; give its name."""
        name = f"ox_{next(self._numbers)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        if tables:
            create_schema(self.engine(name))
        return name

    def _run(self, *command: str, input: bytes = b"") -> None:  # noqa: A002 - as subprocess names it
        done = subprocess.run(command, input=input, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr.decode()[-500:]} {done.stdout.decode()[-500:]}")

    def _end(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """Give one MariaDB server for the whole session."""
    with MariaDb() as server:
        yield server


@pytest.fixture(scope="session")
def second_mariadb() -> Iterator[MariaDb]:
    """Give another MariaDB server for the whole session; who kills it starts it again."""
    with MariaDb() as server:
        yield server


@pytest.fixture
def ox_database(mariadb: MariaDb) -> Iterator[str]:
    """Give the name of a schema of its own with the Open-Xchange tables, dropped afterwards."""
    name = mariadb.fresh_database()
    yield name
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
