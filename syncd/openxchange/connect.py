"""One database with the Open-Xchange tables: how it is reached, and how transactions on it begin and end.

MySQL and MariaDB are spoken to in strict mode (else too long values would be cut silently, ox-facts 8.7), in utf8mb4,
with a timeout on everything, and over verified TLS unless the server is on this machine or the options say otherwise.
The driver is PyMySQL, or mysqlclient where the URL says `mysql+mysqldb://` (to which `localhost` is the socket).
SQLite serves the playground and the tests: writing transactions are `BEGIN IMMEDIATE`, and it gets functions for what
MySQL does by collation.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import random
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPICursor, IsolationLevel
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from syncd.core.address import collation_key
from syncd.core.model import Secret
from syncd.errors import ConfigurationError
from syncd.openxchange.obfuscation import Obfuscation
from syncd.openxchange.packing import ROOM
from syncd.openxchange.trouble import passing, translate

_T = TypeVar("_T")
_TRIES = 3
_SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
"""Of the next transaction only."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the connection is protected."""

    enabled: bool = True
    """False = in clear, passwords of the accounts included."""
    ca: str | None = None
    """File with the CA's certificates; None = the system's."""
    verify: bool = True
    """False = anybody in between may pose as the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Where the Open-Xchange tables are and how to treat them; all times in seconds."""

    url: str
    """`mysql://user@host:3306/oxdatabase_5`, `mariadb://…` (`?unix_socket=PATH`) or `sqlite:///PATH`.

    `mysql+mysqldb://…` takes the driver mysqlclient, all else PyMySQL.
    """
    password: Secret | None = None
    tls: Tls | None = None
    """None = verified TLS with the system's CAs; in clear to this machine itself (loopback, unix socket)."""
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    write_timeout: float = 30.0
    lock_timeout: float = 5.0
    """How long a statement waits for a row lock; far below the 15 s after which OX itself gives up."""
    update_idle: float = 60.0
    """Age at which OX's lock of a schema update counts as left behind (ox-facts 1.2)."""
    obfuscation: Obfuscation | None = None
    """Needed where a mailbox has a password."""
    writes: bool = True
    """Whether rows are written here; False = only read, so that the right to SELECT is enough."""
    configdb: StoreOptions | None = None
    """Open-Xchange's configdb (url, password and tls matter); needed where contexts are named otherwise than by id."""


class Database:
    """An engine with its name for messages, and a count of the statements sent.

    `section` is what it is in the configuration and in messages: `database` or `configdb`.
    """

    def __init__(
        self, options: StoreOptions, *, section: str = "database", sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.options = options
        self.section = section
        self.url = _url(options, section)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        arguments = {} if self.sqlite else _arguments(self.url, options, section)
        self.engine = _sqlite(self.url, options) if self.sqlite else _mysql(self.url, arguments, "READ COMMITTED")
        self.statements = 0
        self.changed = 0
        """Rows written so far, as the server counted them; also in transactions that were rolled back."""
        self._sleep = sleep
        self._writers = self.engine.execution_options(syncd_writes=True)
        event.listen(self.engine, "before_cursor_execute", self._count)
        event.listen(self.engine, "after_cursor_execute", self._count_rows)
        self._single = self._autocommitting(arguments)

    @property
    def where(self) -> str:
        """Name server and database for messages, without user and password."""
        if self.sqlite:
            return f"Open-Xchange {self.section} {self.url.database}"
        place = self.url.query.get("unix_socket") or f"{self.url.host or 'localhost'}:{self.url.port or 3306}"
        return f"Open-Xchange {self.section} {self.url.database} on {place}"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read within one snapshot; errors come out translated."""
        try:
            with self.engine.connect() as connection, connection.begin():
                if not self.sqlite:
                    connection.exec_driver_sql(_SNAPSHOT)
                yield connection
        except DBAPIError as error:
            raise translate(error, self.where) from None

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """Run single statements, each on its own, with no transaction left open between them."""
        try:
            with self._single.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise translate(error, self.where) from None

    def transact(self, work: Callable[[Connection], _T]) -> _T:
        """Do the work in one transaction; on a deadlock or lock timeout do it again, three times in all.

        Raises:
            StoreError, RowRefused: what the driver said, translated; nothing was committed, unless the
                connection broke during the commit (StoreUnavailable).
        """
        for attempt in range(1, _TRIES + 1):
            try:
                with self._writers.connect() as connection, connection.begin():
                    return work(connection)
            except DBAPIError as error:
                if not passing(error) or attempt == _TRIES:
                    raise translate(error, self.where) from None
                _log.info("store.retried", database=self.where, attempt=attempt)
                self._sleep(0.1 * 2**attempt * (1 + random.random()))  # noqa: S311 - no secret, only spread
        raise AssertionError("unreachable")

    def _autocommitting(self, arguments: dict[str, object]) -> Engine:
        """Give an engine whose connections are in autocommit mode for good.

        Were the isolation level one of a single use (an execution option), SQLAlchemy would set it back whenever a
        connection is returned; where the server is gone by then, the driver's own error comes out and the connection's
        place in the pool is lost, until there is none left.
        """
        if self.sqlite:
            return self.engine.execution_options(isolation_level="AUTOCOMMIT")
        engine = _mysql(self.url, arguments, "AUTOCOMMIT")
        event.listen(engine, "before_cursor_execute", self._count)
        event.listen(self.engine, "engine_disposed", lambda _: engine.dispose())
        return engine

    def _count(self, _: Connection, _cursor: DBAPICursor, statement: str, *_more: object) -> None:
        self.statements += statement != _SNAPSHOT  # which is a part of BEGIN

    def _count_rows(self, _: Connection, cursor: DBAPICursor, statement: str, *_more: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self.changed += max(0, cursor.rowcount)


def _url(options: StoreOptions, section: str) -> URL:
    try:
        url = make_url(options.url)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigurationError((f"openxchange {section} url: {error}",)) from None
    if backend not in {"mysql", "mariadb", "sqlite"}:
        raise ConfigurationError((f"openxchange {section} url: {backend!r} is not mysql, mariadb or sqlite",))
    if backend == "sqlite":
        return url
    if by_mysqlclient(url.drivername) and importlib.util.find_spec("MySQLdb") is None:
        text = "needs the package mysqlclient, which comes with the extra mysqlclient: pip install 'syncd[mysqlclient]'"
        raise ConfigurationError((f"openxchange.{section}.url: {text}",))
    url = url.set(drivername="mysql+mysqldb" if by_mysqlclient(url.drivername) else "mysql+pymysql")
    return url.set(password=options.password.reveal()) if options.password else url


def by_mysqlclient(scheme: str) -> bool:
    """Tell whether the scheme of a URL selects the driver mysqlclient."""
    return scheme.endswith("+mysqldb")


def _mysql(url: URL, arguments: dict[str, object], isolation_level: IsolationLevel) -> Engine:
    return sa.create_engine(
        url,
        isolation_level=isolation_level,
        pool_pre_ping=True,
        pool_size=1,  # beside the one that holds the named lock, which is of another engine
        max_overflow=1,
        hide_parameters=True,
        connect_args=arguments,
    )


def _arguments(url: URL, options: StoreOptions, section: str) -> dict[str, object]:
    """Give what the driver is told of a connection; the C library takes whole seconds only."""
    native = by_mysqlclient(url.drivername)
    return {
        "charset": "utf8mb4",
        "connect_timeout": max(1, round(options.connect_timeout)),
        "read_timeout": max(1, round(options.read_timeout)) if native else options.read_timeout,
        "write_timeout": max(1, round(options.write_timeout)) if native else options.write_timeout,
        "sql_mode": _SQL_MODE,
        "init_command": f"SET SESSION innodb_lock_wait_timeout = {max(1, round(options.lock_timeout))},"
        f" SESSION group_concat_max_len = {ROOM}",
        **({"local_infile": 0, "multi_statements": False} if native else {}),  # as PyMySQL has them by default
        **_protection(url, options.tls, section),
    }


def _protection(url: URL, tls: Tls | None, section: str) -> dict[str, object]:
    """Give the driver's TLS arguments; one context for all of PyMySQL's connections, since making one takes 20 ms."""
    near = tls is None and bool(url.query.get("unix_socket") or _loopback(url.host))
    tls = tls or Tls()
    in_clear = near or not tls.enabled
    if by_mysqlclient(url.drivername):
        mode = "DISABLED" if in_clear else "VERIFY_IDENTITY" if tls.verify else "REQUIRED"
        return {"ssl_mode": mode, **({"ssl": {"ca": _readable(tls.ca, section)}} if tls.ca and not in_clear else {})}
    if in_clear:
        return {"ssl_disabled": True}
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise _unreadable(str(tls.ca), section, error) from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def _readable(ca: str, section: str) -> str:
    """Make sure that a file has certificates; the C library would trust nobody, and say nothing of the file."""
    try:
        ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise _unreadable(ca, section, error) from None
    return ca


def _unreadable(ca: str, section: str, error: OSError) -> ConfigurationError:
    return ConfigurationError((f"openxchange.{section}.tls.ca: cannot read {ca}: {error.strerror or error}",))


def _loopback(host: str | None) -> bool:
    if host in {None, "", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _sqlite(url: URL, options: StoreOptions) -> Engine:
    engine = sa.create_engine(url, hide_parameters=True, connect_args={"timeout": options.lock_timeout})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver shall not begin transactions by itself
        connection.create_function("collation_key", 1, lambda text: text and collation_key(text), deterministic=True)
        connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            writes = connection.get_execution_options().get("syncd_writes")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
