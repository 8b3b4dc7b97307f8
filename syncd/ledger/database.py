"""The connection to the ledger: opening it safely, one transaction at a time, errors by name.

The rules kept here: a SQLite file of another user is not touched (a WAL file that root left behind locks the daemon
out); reading takes no lock and writes nothing; a write is one transaction that is there wholly or not at all, after
kill -9 or a loss of power too; whatever the database refuses comes out as `LedgerUnavailable`, because then nothing
may be written to Open-Xchange either.

Durability in SQLite: WAL with synchronous=FULL. With NORMAL a loss of power may take the last commits with it, and
one of them may be the promise (a pending claim) of an account that Open-Xchange, on its own machine, has kept. FULL
costs one fsync for each commit, and there are two commits per batch.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import sqlite3
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from syncd.core.model import MailboxRef
from syncd.errors import LedgerForeign, LedgerUnavailable
from syncd.ledger.values import LedgerOptions

_CHUNK = 500
"""Rows in one multi-row UPDATE of MySQL, and numbers in one IN list: far below any packet or variable limit."""


class Database:
    """An opened ledger; `str()` names it in messages, without a password."""

    def __init__(self, options: LedgerOptions, argv: Sequence[str] = ("syncd",)) -> None:
        """Open the database; its schema is not looked at.

        Raises:
            LedgerForeign: the SQLite file (or its directory, while there is no file) belongs to another uid.
            LedgerUnavailable: it cannot be opened.
        """
        try:
            url = sa.make_url(options.url)
        except ArgumentError:
            raise LedgerUnavailable("the ledger's url cannot be understood", hint=_EXAMPLES) from None
        self.sqlite = url.get_backend_name() == "sqlite"
        if self.sqlite:
            path = _path(url)
            self._name = f"ledger {path}"
            _own(path, argv)
            self._engine = _sqlite(url, options)
        elif url.drivername in {"mysql", "mariadb", "mysql+pymysql", "mariadb+pymysql"} and url.database:
            self._name = f"ledger {url.host or 'localhost'}/{url.database}"
            self._engine = _mysql(url, options)
        else:
            raise LedgerUnavailable(f"the ledger cannot be kept in {url.drivername}", hint=_EXAMPLES)

    def __str__(self) -> str:
        """Name the ledger as messages do."""
        return self._name

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Work]:
        """Give a consistent view that takes no lock.

        Raises:
            LedgerUnavailable: the database failed.
        """
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield Work(connection, sqlite=self.sqlite)

    @contextmanager
    def writing(self) -> Iterator[Work]:
        """Give one transaction: committed at the end of the block, rolled back when that raises.

        Raises:
            LedgerUnavailable: the database failed; after a failed COMMIT to a server it is not known what was kept.
        """
        with (
            self._translated(),
            self._engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield Work(connection, sqlite=self.sqlite)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._unavailable(error.orig or error) from error
        except (sqlite3.Error, SQLAlchemyError, OSError) as error:
            raise self._unavailable(error) from error
        except json.JSONDecodeError as error:
            text = f"{self}: it holds what syncd did not write: {error.doc[:40]!r}"
            raise LedgerUnavailable(text, hint=_EDITED) from error

    def _unavailable(self, error: BaseException) -> LedgerUnavailable:
        code = error.args[0] if error.args else None
        text = str(error.args[1]) if isinstance(code, int) and len(error.args) > 1 else str(error)
        lowered = text.lower()
        hint = next((hint for word, hint in _HINTS if word in lowered), None)
        return LedgerUnavailable(f"{self}: {text}", hint=hint)


_EXAMPLES = "sqlite:////var/lib/syncd/ledger.db or mysql+pymysql://syncd@db.example.org/syncd"
_EDITED = "somebody edited it: see syncd history --verify, and restore it from a backup"
_HINTS = (
    ("is full", "free some space; nothing is written to Open-Xchange until then"),
    ("disk i/o", "the disk is full or broken; nothing is written to Open-Xchange until then"),
    ("locked", "another process has been writing for long"),
    ("malformed", "restore it from a backup, or remove it: the next run then adopts the accounts it finds"),
    ("not a database", "restore it from a backup, or remove it: the next run then adopts the accounts it finds"),
    ("readonly", "the file, its directory and its -wal and -shm files must be writable for this user"),
    ("certificate", "set ca to the file with the certificates to trust"),
    ("does not support ssl", "the server offers no TLS; switching it off has to be said in the configuration"),
)


class Work:
    """One transaction. SQL is written with `?`; what differs between the two databases is decided in here or asked."""

    def __init__(self, connection: sa.Connection, *, sqlite: bool) -> None:
        self.connection = connection
        self.sqlite = sqlite

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Execute one statement; give the number of rows it met."""
        return int(self.connection.exec_driver_sql(self._sql(sql), tuple(values)).rowcount)

    def many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute a statement for every row.

        In MySQL an INSERT becomes a few multi-row statements, if nothing but marks stands in its VALUES (PyMySQL).
        """
        if rows:
            self.connection.exec_driver_sql(self._sql(sql), list(rows))

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Give all rows of a query as plain tuples, by the driver's own cursor: the half of the time of `Result`."""
        cursor = self.connection.connection.cursor()
        try:
            cursor.execute(self._sql(sql), tuple(values))
            return list(cursor.fetchall())
        finally:
            cursor.close()

    def stream(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a long query one by one, so that they are never all in memory; read it to the end."""
        driver: Any = self.connection.connection
        cursor = driver.cursor() if self.sqlite else driver.cursor(_unbuffered())
        try:
            cursor.execute(self._sql(sql))
            while rows := cursor.fetchmany(1000):
                yield from rows
        finally:
            cursor.close()

    def upsert(
        self, table: str, keys: Sequence[str], columns: Sequence[str], rows: Sequence[tuple[object, ...]]
    ) -> None:
        """Insert rows of `keys` + `columns`; where a row with the keys exists, set its columns."""
        names = ", ".join((*keys, *columns))
        marks = ", ".join("?" * (len(keys) + len(columns)))
        if self.sqlite:
            sets = ", ".join(f"{name} = excluded.{name}" for name in columns)
            tail = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"
        else:
            tail = "ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = VALUES({name})" for name in columns)
        self.many(f"INSERT INTO {table} ({names}) VALUES ({marks}) {tail}", rows)

    def update(
        self, table: str, keys: Sequence[str], sets: Sequence[str], rows: Sequence[tuple[object, ...]], where: str = ""
    ) -> None:
        """Set columns by key, many rows at once; rows are keys + values, `where` narrows with columns as `t.column`.

        MySQL has no cheap executemany for UPDATE (one round trip each), so the values travel as a derived table.
        """
        also = f" AND {where}" if where else ""
        if self.sqlite:
            marks = ", ".join(f"{name} = ?" for name in sets)
            found = " AND ".join(f"t.{name} = ?" for name in keys)
            turned = [row[len(keys) :] + row[: len(keys)] for row in rows]
            self.many(f"UPDATE {table} AS t SET {marks} WHERE {found}{also}", turned)
            return
        names = (*keys, *sets)
        first = "SELECT " + ", ".join(f"? AS {name}" for name in names)
        more = " UNION ALL SELECT " + ", ".join("?" * len(names))
        joined = " AND ".join(f"t.{name} = v.{name}" for name in keys)
        marks = ", ".join(f"t.{name} = v.{name}" for name in sets)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            derived = first + more * (len(chunk) - 1)
            values = [value for row in chunk for value in row]
            self.run(f"UPDATE {table} t JOIN ({derived}) v ON {joined} SET {marks} WHERE 1 = 1{also}", values)

    def each(self, sql: str, numbers: Sequence[int], *before: object) -> None:
        """Execute a statement whose `{}` stands for a list of integers, as often as the list is too long for one."""
        for start in range(0, len(numbers), _CHUNK):
            self.run(sql.format(", ".join(str(int(number)) for number in numbers[start : start + _CHUNK])), before)

    def among(self, sql: str, numbers: Sequence[int], *before: object) -> list[tuple[Any, ...]]:
        """Give the rows of a query whose `{}` stands for a list of integers, asked as often as `each` would."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(numbers), _CHUNK):
            listed = ", ".join(str(int(number)) for number in numbers[start : start + _CHUNK])
            found += self.rows(sql.format(listed), before)
        return found

    def refs(self) -> dict[int, MailboxRef]:
        """Give the mailboxes by number."""
        return {
            row[0]: MailboxRef(row[1], row[2]) for row in self.rows("SELECT id, context, address_key FROM mailboxes")
        }

    def numbers(self) -> dict[MailboxRef, int]:
        """Give the mailboxes' numbers."""
        return {ref: number for number, ref in self.refs().items()}

    def _sql(self, sql: str) -> str:
        return sql if self.sqlite else sql.replace("?", "%s")


def storable(text: str) -> str:
    """Give the text as UTF-8 can hold it: a lone surrogate (an octet that was no UTF-8) becomes its escape."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


# --------------------------------------------------------------------------- SQLite


def _path(url: sa.URL) -> Path:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise LedgerUnavailable("the ledger needs a file", hint=_EXAMPLES)
    return Path(url.database).absolute()


def _own(path: Path, argv: Sequence[str]) -> None:
    """Make sure that the file is ours and there, readable by nobody else, before SQLite opens it."""
    directory = path.parent
    try:
        found, exists = _stat(path, directory)
        # a directory that is everybody's by design (/tmp) does not tell whose the ledger is meant to be
        shared = not exists and found.st_mode & 0o1002 == 0o1002
        if found.st_uid != os.geteuid() and not shared:
            owner = _user(found.st_uid)
            raise LedgerForeign(
                f"ledger {path}: it belongs to {owner}, and this is {_user(os.geteuid())}",
                hint=f"sudo -u {owner} {shlex.join(argv)}",
            )
        if exists:
            _own_side_files(path)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))  # -wal and -shm copy its mode
    except FileNotFoundError:
        hint = f"sudo install -d -m 0700 -o {_user(os.geteuid())} {shlex.quote(str(directory))}"
        raise LedgerUnavailable(f"ledger {path}: there is no directory {directory}", hint=hint) from None
    except OSError as error:
        hint = "the file and its directory must be readable and writable for this user"
        raise LedgerUnavailable(f"ledger {path}: {error.strerror}", hint=hint) from error


def _stat(path: Path, directory: Path) -> tuple[os.stat_result, bool]:
    """Look at the file, else at its directory; tell whether it was the file."""
    try:
        return path.stat(), True
    except (FileNotFoundError, PermissionError):  # the latter: a directory that is closed to us, whose owner tells
        return directory.stat(), False


def _own_side_files(path: Path) -> None:
    for side in (path.with_name(path.name + ending) for ending in ("-wal", "-shm")):
        if side.exists() and side.stat().st_uid != os.geteuid():
            owner, ours = _user(side.stat().st_uid), _user(os.geteuid())
            raise LedgerForeign(
                f"ledger {path}: its file {side.name} belongs to {owner}",
                hint=f"sudo chown {ours} {shlex.quote(str(side))}",
            )


def _user(uid: int) -> str:
    """Give the name of a user as sudo takes it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"'#{uid}'"


def _sqlite(url: sa.URL, options: LedgerOptions) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"), hide_parameters=True, connect_args={"timeout": options.lock_timeout}
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # no BEGIN behind our back: the driver's own comes too late for reads
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = OFF", "cache_size = -16000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # a transaction that starts by reading and then writes would fail at once beside another writer
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


# --------------------------------------------------------------------------- MySQL, MariaDB


def _mysql(url: sa.URL, options: LedgerOptions) -> sa.Engine:
    if options.password is not None:
        url = url.set(password=options.password.reveal())
    arguments: dict[str, object] = {
        "charset": "utf8mb4",
        "connect_timeout": max(1, round(options.connect_timeout)),
        "read_timeout": options.read_timeout,
        "write_timeout": options.read_timeout,
        # not strict means: text that is too long is cut silently
        "init_command": "SET SESSION sql_mode = 'STRICT_ALL_TABLES', "
        f"innodb_lock_wait_timeout = {max(1, round(options.lock_timeout))}",
    }
    if options.tls and "unix_socket" not in url.query:
        arguments["ssl"] = _context(options)
    else:
        arguments["ssl_disabled"] = True
    return sa.create_engine(
        url.set(drivername="mysql+pymysql"), hide_parameters=True, connect_args=arguments, pool_pre_ping=True
    )


def _unbuffered() -> type:
    from pymysql.cursors import SSCursor  # noqa: PLC0415 - not needed where the ledger is SQLite

    return SSCursor


def _context(options: LedgerOptions) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except OSError as error:
        raise LedgerUnavailable(
            f"ledger: the CA file {options.ca} cannot be used: {error.strerror or error}"
        ) from error
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
