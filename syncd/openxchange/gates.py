"""What must hold before anything is written: the named lock, and a database that is fit to be written to."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnClause, Connection, TableClause

from syncd.errors import StoreBusy, StoreError, StoreRefused, StoreUnavailable
from syncd.openxchange.connect import Database
from syncd.openxchange.tables import MONITOR, SEQUENCE, UPDATE_TASK, Shape, read_shape

_LOCK_NAME_LENGTH = 64  # MySQL 8 refuses longer names
_PATIENCE = 3
"""Seconds to wait for the lock: the server takes a moment to notice that its holder was killed."""


class NamedLock:
    """The lock that keeps two installations from writing to one Open-Xchange database (rule 9)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: Connection | None = None

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock while the context lasts.

        Raises:
            StoreBusy: somebody else holds it.
        """
        if self._database.sqlite:
            with self._file():
                yield
            return
        with self._database.alone() as connection:
            if not connection.scalar(sa.select(sa.func.get_lock(self.name, _PATIENCE))):
                raise self._busy(connection)
            self._held = connection
            try:
                yield
            finally:
                self._held = None
                if not connection.invalidated and not connection.closed:
                    _release(connection, self.name)

    def assert_held(self) -> None:
        """Make sure that a lock once taken is still ours; this also keeps its connection alive.

        Raises:
            StoreUnavailable: the connection that held it is gone, and the lock with it.
        """
        if self._held is None:
            return
        mine = sa.select(sa.func.is_used_lock(self.name) == sa.func.connection_id())
        try:
            held = self._held.scalar(mine)
        except sa.exc.DBAPIError:
            held = False
        if not held:
            raise StoreUnavailable(f"{self._database.where}: the connection that held the lock {self.name} was lost")

    @property
    def name(self) -> str:
        """Give the name of the lock; names are known to the whole server, so the schema is part of it."""
        name = f"syncd.{self._database.url.database}"
        if len(name) <= _LOCK_NAME_LENGTH:
            return name
        return "syncd." + hashlib.sha256(name.encode()).hexdigest()[:40]

    def _busy(self, connection: Connection) -> StoreBusy:
        number = connection.scalar(sa.select(sa.func.is_used_lock(self.name)))
        holder = f"connection {number}"
        statement = sa.text("SELECT user, host FROM information_schema.processlist WHERE id = :id")
        row = connection.execute(statement, {"id": number}).first()
        if row is not None:
            holder += f" of {row[0]} from {row[1]}"
        return StoreBusy(f"{self._database.where}: another syncd holds the lock {self.name}: {holder}")

    @contextmanager
    def _file(self) -> Iterator[None]:
        """Lock a file beside the SQLite database; one in memory has nobody to be locked against."""
        path = self._database.url.database
        if not path or path == ":memory:":
            yield
            return
        lock = Path(path + ".lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{lock}: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
                raise StoreBusy(f"{self._database.where}: another syncd holds {lock}: process {holder}") from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)


def _release(connection: Connection, name: str) -> None:
    """Give the lock back; where the connection broke the server has done so by itself."""
    try:
        connection.scalar(sa.select(sa.func.release_lock(name)))
    except sa.exc.DBAPIError:
        connection.invalidate()


def refusals(
    database: Database,
    contexts: Collection[int],
    *,
    now: Callable[[], float] = time.time,
    replicated: Collection[int] = (),
) -> tuple[dict[int, str], Shape]:
    """Give the contexts that must not be written to with the reason, and the shape of the tables.

    `replicated` has those of which Open-Xchange is told that something changed.
    """
    with database.reading() as connection:
        shape = read_shape(connection)
        missing = shape.missing()
        if missing:
            reason = f"{database.where} lacks, or hides from this user, {', '.join(missing)}"
            return dict.fromkeys(contexts, f"{reason} (Open-Xchange 7.10.6 or later is needed)"), shape
        reason = schema_lock(connection, database, now) or ""
        counters = set(connection.scalars(sa.select(SEQUENCE.c.cid).where(SEQUENCE.c.cid.in_(sorted(contexts)))))
    if database.options.writes:
        reason = reason or _not_writable(database, SEQUENCE, SEQUENCE.c.id) or ""
    if reason:
        return dict.fromkeys(contexts, reason), shape
    told = set(contexts) & set(replicated) if database.options.writes else set()
    if told and (reason := _not_writable(database, MONITOR, MONITOR.c.transaction) or ""):
        return dict.fromkeys(told, reason), shape
    absent = sorted(set(contexts) - counters)
    return {context: f"context {context} has no row in {SEQUENCE.name}" for context in absent}, shape


def schema_lock(connection: Connection, database: Database, now: Callable[[], float] = time.time) -> str | None:
    """Say that Open-Xchange is updating the schema; a lock left behind by a dead node does not count.

    The row is refreshed while the update runs; its time is in milliseconds since the epoch (ox-facts 1.2).
    """
    statement = sa.select(UPDATE_TASK.c.lastModified)
    statement = statement.where(UPDATE_TASK.c.cid == 0, UPDATE_TASK.c.taskName == "LOCKED")
    ages = [now() - modified / 1000 for modified in connection.scalars(statement)]
    fresh = [age for age in ages if age <= database.options.update_idle]
    if not fresh:
        return None
    return f"{database.where} is locked by a schema update of Open-Xchange (refreshed {max(0, min(fresh)):.0f} s ago)"


def _not_writable(database: Database, table: TableClause, column: ColumnClause[Any]) -> str | None:
    """Try a statement that changes nothing; the server refuses it where it would refuse a real one."""
    nothing = sa.update(table).where(sa.literal_column("1") == 0).values({column.name: column})
    try:
        database.transact(lambda connection: connection.execute(nothing).rowcount)
    except StoreRefused as refused:
        return str(refused)
    except StoreUnavailable:
        raise
    except StoreError as error:
        return str(error)
    return None
