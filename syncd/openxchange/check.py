"""What `syncd check` verifies of the Open-Xchange database: reachable, protected, complete, writable, not locked.

Nothing is changed: rights to write are tried by statements that match no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from syncd.core.finding import Finding
from syncd.errors import StoreBusy, StoreError, SyncdError
from syncd.openxchange.connect import Database, StoreOptions
from syncd.openxchange.contexts import context_ids, named_contexts
from syncd.openxchange.gates import NamedLock, schema_lock
from syncd.openxchange.stored import stocktaking
from syncd.openxchange.tables import (
    ALIAS,
    GROUP,
    GROUP_MEMBER,
    LOGIN,
    LOGIN_CONTEXT,
    MAIL,
    MAIL_PROPERTIES,
    MONITOR,
    REQUIRED,
    SEQUENCE,
    TRANSPORT,
    TRANSPORT_PROPERTIES,
    USER,
    read_shape,
)
from syncd.openxchange.trouble import RowRefused

_GRANTS = "the README lists the GRANTs that syncd needs"
_WRITES: tuple[tuple[TableClause, str], ...] = ((MAIL, "id"), (TRANSPORT, "id"), (TRANSPORT_PROPERTIES, "value"))
"""Tables that rows are inserted into, and a column to try an UPDATE on; mail properties are only ever deleted."""


Use = Literal["alias", "ox_group"]
_USES: tuple[tuple[Use, str, tuple[TableClause, ...]], ...] = (
    ("alias", "identity rules by alias", (ALIAS,)),
    ("ox_group", "sources of kind ox_group", (GROUP, GROUP_MEMBER)),
)
"""Tables that only some configurations need, and what for."""


def findings(
    options: StoreOptions,
    contexts: Collection[int],
    *,
    uses: Collection[Use] = (),
    now: Callable[[], float] = time.time,
    replicated: bool = False,
) -> Iterator[Finding]:
    """Check the database for the contexts; one finding for each thing looked at, good or bad.

    Args:
        options: the database and, if there is one, configdb.
        contexts: the contexts that the configuration names.
        uses: what of the tables that not everybody needs the configuration uses; others may be hidden.
        now: gives the time in seconds since the epoch.
        replicated: whether Open-Xchange reads some of the contexts from a replica, and has to be told of changes.
    """
    try:
        database = Database(options)
    except SyncdError as error:
        yield Finding(ok=False, what="OX database", detail=str(error))
        return
    try:
        yield from _findings(database, contexts, uses, now, replicated=replicated)
        if options.configdb is not None:
            yield from _configdb(options.configdb, database)
    finally:
        database.engine.dispose()


def _findings(
    database: Database, contexts: Collection[int], uses: Collection[Use], now: Callable[[], float], *, replicated: bool
) -> Iterator[Finding]:
    try:
        with database.reading() as connection:
            yield Finding(ok=True, what="OX database", detail=f"{database.where} answers: {version(connection)}")
            yield tls(connection, database, "OX database TLS")
            missing = read_shape(connection).missing()
    except StoreError as error:
        yield Finding(ok=False, what="OX database", detail=error.message, hint=error.hint or "")
        return
    if missing:
        detail = f"missing, or hidden from this user: {', '.join(missing)}"
        yield Finding(ok=False, what="OX tables", detail=detail, hint="Open-Xchange 7.10.6 or later, and " + _GRANTS)
        return
    yield Finding(ok=True, what="OX tables", detail=f"all {len(REQUIRED)} have the columns that syncd needs")
    for check in (_schema_lock, _lock):
        try:
            yield check(database, now)
        except StoreError as error:
            yield Finding(ok=False, what="OX database", detail=error.message, hint=error.hint or "")
    if database.options.writes:
        yield from _rights(database, replicated=replicated)
    yield from _passwords(database)
    for use, what_for, tables in _USES:
        yield _optional(database, tables, what_for, used=use in uses)
    for context in contexts:
        yield from _context(database, context)


def version(connection: Connection) -> str:
    """Name the server's version."""
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.scalar(sa.func.sqlite_version())}"
    return str(connection.scalar(sa.func.version()))


def tls(connection: Connection, database: Database, what: str) -> Finding:
    """Tell whether the connection is protected, and how."""
    if database.sqlite:
        return Finding(ok=True, what=what, detail="not needed, it is a file")
    row = connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").first()
    cipher = row[1] if row else ""
    if not cipher:
        local = database.options.tls is None
        why = "this machine itself" if local else "switched off in the configuration"
        return Finding(ok=True, what=what, detail=f"not used: {why}")
    verified = database.options.tls is None or database.options.tls.verify
    return Finding(ok=True, what=what, detail=cipher if verified else f"{cipher}, server NOT verified")


def _schema_lock(database: Database, now: Callable[[], float]) -> Finding:
    with database.reading() as connection:
        reason = schema_lock(connection, database, now)
    hint = "wait until Open-Xchange has finished" if reason else ""
    return Finding(ok=reason is None, what="OX schema update", detail=reason or "none is running", hint=hint)


def _lock(database: Database, _: Callable[[], float]) -> Finding:
    lock = NamedLock(database)
    try:
        with lock.hold():
            return Finding(ok=True, what="OX named lock", detail=f"{lock.name} is free")
    except StoreBusy as busy:
        return Finding(ok=True, what="OX named lock", detail=f"held, a run is in progress: {busy.message}")


def _rights(database: Database, *, replicated: bool) -> Iterator[Finding]:
    """Try every right by a statement that matches no row."""
    never = sa.literal_column("1") == 0
    denied: list[str] = []

    def attempt(right: str, table: TableClause, statement: sa.Executable) -> None:
        try:
            database.transact(lambda connection: connection.execute(statement).close())
        except (StoreError, RowRefused):
            denied.append(f"{right} on {table.name}")

    for table in REQUIRED:
        attempt("SELECT", table, sa.select(*table.columns).where(never))
    attempt("UPDATE", SEQUENCE, sa.update(SEQUENCE).where(never).values(id=SEQUENCE.c.id))
    for table, column in _WRITES:
        nothing = sa.select(*table.columns).where(never)
        attempt("INSERT", table, sa.insert(table).from_select([found.name for found in table.columns], nothing))
        attempt("UPDATE", table, sa.update(table).where(never).values({column: table.c[column]}))
    for table in (MAIL, TRANSPORT, MAIL_PROPERTIES, TRANSPORT_PROPERTIES):
        attempt("DELETE", table, sa.delete(table).where(never))
    if replicated:
        attempt("UPDATE", MONITOR, sa.update(MONITOR).where(never).values(transaction=MONITOR.c.transaction))
    if denied:
        yield Finding(ok=False, what="OX rights", detail=f"missing: {', '.join(denied)}", hint=_GRANTS)
    else:
        yield Finding(ok=True, what="OX rights", detail="syncd may read and write what it needs")


def _passwords(database: Database) -> Iterator[Finding]:
    """Tell in which format passwords are stored, where the key to them is configured."""
    options = database.options.obfuscation
    if options is None:
        return
    try:
        with database.reading() as connection:
            for ok, detail, hint in stocktaking(connection, options):
                yield Finding(ok=ok, what="OX stored passwords", detail=detail, hint=hint)
    except StoreError as error:
        yield Finding(ok=False, what="OX stored passwords", detail=error.message, hint=error.hint or "")


def _optional(database: Database, tables: Sequence[TableClause], what_for: str, *, used: bool) -> Finding:
    """Try to read tables that only matter for some configurations; not being able to is a fault only where they do."""
    names = " and ".join(table.name for table in tables)
    never = sa.literal_column("1") == 0
    try:
        with database.reading() as connection:
            for table in tables:
                connection.execute(sa.select(*table.columns).where(never)).close()
    except StoreError as error:
        if used:
            hint = f"{what_for} need SELECT on {names}; {_GRANTS}"
            return Finding(ok=False, what=f"OX {names}", detail=error.message, hint=hint)
        return Finding(ok=True, what=f"OX {names}", detail=f"not readable; only {what_for} would need it")
    return Finding(ok=True, what=f"OX {names}", detail=f"readable, for {what_for}")


def _configdb(options: StoreOptions, database: Database) -> Iterator[Finding]:
    """Read the names of the database's contexts as a run does."""
    what = "OX configdb"
    try:
        configdb = Database(options, section="configdb")
    except SyncdError as error:
        yield Finding(ok=False, what=what, detail=str(error))
        return
    try:
        with database.reading() as connection:
            ids = context_ids(connection)
        with configdb.reading() as connection:
            yield Finding(ok=True, what=what, detail=f"{configdb.where} answers: {version(connection)}")
            yield tls(connection, configdb, f"{what} TLS")
            total = connection.scalar(sa.select(sa.func.count(sa.distinct(LOGIN_CONTEXT.c.cid))))
            names = named_contexts(ids, connection).names
    except StoreError as error:
        yield Finding(
            ok=False, what=what, detail=error.message, hint=f"syncd needs SELECT on {LOGIN_CONTEXT.name} there"
        )
        return
    finally:
        configdb.engine.dispose()
    further = len(names) - len(ids)
    detail = f"{total} contexts, {len(ids)} in this database; these have {further} names besides their numbers"
    hint = "is it the configdb of this database?" if ids and not further else ""
    yield Finding(ok=not hint, what=f"{what} names", detail=detail, hint=hint)


def _context(database: Database, context: int) -> Iterator[Finding]:
    what = f"OX context {context}"
    try:
        with database.reading() as connection:
            here = USER.c.cid == context
            users = connection.scalar(sa.select(sa.func.count()).where(here, USER.c.guestCreatedBy == 0))
            logins = connection.scalar(sa.select(sa.func.count()).where(LOGIN.c.cid == context))
            counter = connection.scalar(sa.select(SEQUENCE.c.id).where(SEQUENCE.c.cid == context))
            used = max(
                connection.scalar(sa.select(sa.func.max(table.c.id)).where(table.c.cid == context)) or 0
                for table in (MAIL, TRANSPORT)
            )
    except StoreError as error:
        yield Finding(ok=False, what=what, detail=error.message, hint=error.hint or "")
        return
    if not users or not logins:
        detail = f"{users} users and {logins} logins found"
        yield Finding(ok=False, what=what, detail=detail, hint="is the context in this schema?")
    else:
        yield Finding(ok=True, what=what, detail=f"{users} users")
    if counter is None:
        detail = f"no row in {SEQUENCE.name}, accounts cannot get an id"
        yield Finding(ok=False, what=what, detail=detail, hint="Open-Xchange writes it when it makes the context")
    elif counter < used:
        detail = f"the account counter is at {counter}, but account {used} exists: no account can be created"
        yield Finding(ok=False, what=what, detail=detail, hint=f"{SEQUENCE.name}.id must be at least {used}")
    else:
        yield Finding(ok=True, what=what, detail=f"account counter at {counter}")
