"""Rows of the Open-Xchange tables: read them, and write them as a strict MariaDB takes them from a JDBC driver."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from syncd.openxchange.tables import (
    GROUP,
    GROUP_MEMBER,
    LOGIN,
    MAIL,
    MAIL_PROPERTIES,
    POP3,
    SEQUENCE,
    TRANSPORT,
    TRANSPORT_PROPERTIES,
    UPDATE_TASK,
    USER,
    Shape,
    among,
)
from tests.standins import faults

Row = dict[str, Any]
_ADMIN = sa.table("user_setting_admin", sa.column("cid"), sa.column("user"))
_MONITOR = sa.table("replicationMonitor", sa.column("cid"), sa.column("transaction"))
_REQUIRED = {"name", "url", "login", "primary_addr", "send_addr"}


def by_user(connection: Connection, table: TableClause, context: int, users: Iterable[int]) -> Mapping[int, list[Row]]:
    """Read all accounts of some users in id order, grouped by user; users without any have an empty list."""
    statement = sa.select(table).where(table.c.cid == context, among(table.c.user, users)).order_by(table.c.id)
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in connection.execute(statement).mappings():
        found[row["user"]].append(dict(row))
    return found


def secondary(connection: Connection, context: int, users: Sequence[int] | None) -> list[Row]:
    """Read the mail rows that are marked as secondary, of some users or of the whole context (None)."""
    statement = sa.select(MAIL).where(MAIL.c.cid == context, MAIL.c.secondary == 1)
    if users is not None:
        statement = statement.where(among(MAIL.c.user, users))
    return [dict(row) for row in connection.execute(statement.order_by(MAIL.c.id, MAIL.c.user)).mappings()]


def insert(connection: Connection, table: TableClause, rows: Sequence[Row]) -> None:
    """Insert checked rows.

    Raises:
        Fault: an id is taken, as it happens where a context has no row in `sequence_mail_service`.
    """
    if not rows:
        return
    try:
        connection.execute(sa.insert(table), rows)
    except sa.exc.IntegrityError:
        key = "-".join(str(rows[0][name]) for name in ("cid", "id", "user"))
        text = f"Duplicate entry '{key}' for key 'PRIMARY'"
        raise faults.storage(f"java.sql.SQLIntegrityConstraintViolationException: {text}") from None


def change(connection: Connection, table: TableClause, row: Row, values: Row, shape: Shape) -> bool:
    """Write the values of some columns of an account's row; say whether any was another one."""
    strict(table, values, shape)
    others = {column: value for column, value in values.items() if row[column] != value}
    if others:
        connection.execute(sa.update(table).where(*_is(table, row)).values(others))
    return bool(others)


def delete(connection: Connection, row: Row) -> None:
    """Delete an account with all that has its id, in the vendor's order (ox-facts 2.8)."""
    tables = [MAIL_PROPERTIES, TRANSPORT_PROPERTIES, MAIL, TRANSPORT]
    if row["url"].startswith("pop3"):
        tables = [*POP3, *tables]
    for table in tables:
        connection.execute(sa.delete(table).where(*_is(table, row)))


def _is(table: TableClause, row: Row) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == row[name] for name in ("cid", "user", "id")]


def strict(table: TableClause, row: Row, shape: Shape) -> None:
    """Refuse what MariaDB refuses in strict mode, in the driver's words; on SQLite nobody else would.

    Raises:
        Fault: a value is missing or longer than its column.
    """
    lengths = shape.columns[table.name]
    for column, value in row.items():
        if value is None and column in _REQUIRED:
            text = f"Column '{column}' cannot be null"
            raise faults.storage(f"java.sql.SQLIntegrityConstraintViolationException: {text}")
        room = lengths.get(column)
        if isinstance(value, str) and room is not None and len(value) > room:
            text = f"Data truncation: Data too long for column '{column}' at row 1"
            raise faults.storage(f"com.mysql.cj.jdbc.exceptions.MysqlDataTruncation: {text}")


def take_ids(connection: Connection, context: int, count: int) -> int | None:
    """Take ids from the context's counter, whose row stays locked; give the last one, None without a counter."""
    update = sa.update(SEQUENCE).where(SEQUENCE.c.cid == context).values(id=SEQUENCE.c.id + count)
    if not connection.execute(update).rowcount:
        return None
    last: int = connection.scalars(sa.select(SEQUENCE.c.id).where(SEQUENCE.c.cid == context)).one()
    return last


def count_transaction(connection: Connection, context: int) -> None:
    """Raise the counter that tells readers of a replica how far it must be (ox-behaviour 9.5)."""
    update = sa.update(_MONITOR).where(_MONITOR.c.cid == context)
    connection.execute(update.values(transaction=_MONITOR.c.transaction + 1))


def administrator(connection: Connection, context: int) -> str | None:
    """Give the login of a context's administrator; None for an unknown context."""
    join = sa.and_(LOGIN.c.cid == _ADMIN.c.cid, LOGIN.c.id == _ADMIN.c.user)
    return connection.scalars(
        sa.select(LOGIN.c.uid).join_from(_ADMIN, LOGIN, join).where(LOGIN.c.cid == context)
    ).first()


def locked_at(connection: Connection) -> int | None:
    """Give when the lock of a schema update was refreshed, in milliseconds since the epoch; None = no lock."""
    statement = sa.select(UPDATE_TASK.c.lastModified)
    return connection.scalars(statement.where(UPDATE_TASK.c.cid == 0, UPDATE_TASK.c.taskName == "LOCKED")).first()


def known_users(connection: Connection, context: int, users: Iterable[int]) -> set[int]:
    """Give those of the users that exist, guests included."""
    return set(connection.scalars(sa.select(USER.c.id).where(USER.c.cid == context, among(USER.c.id, users))))


def members(connection: Connection, context: int, group: int) -> list[int] | None:
    """Give the members of a group, 0 being everybody but guests; None for an unknown group.

    Members without a `user` row are given, too, as the vendor does.
    """
    if group == 0:
        everybody = sa.select(USER.c.id).where(USER.c.cid == context, USER.c.guestCreatedBy == 0)
        return list(connection.scalars(everybody.order_by(USER.c.id)))
    known = sa.select(GROUP.c.id).where(GROUP.c.cid == context, GROUP.c.id == group)
    if connection.execute(known).first() is None:
        return None
    statement = sa.select(GROUP_MEMBER.c.member).where(GROUP_MEMBER.c.cid == context, GROUP_MEMBER.c.id == group)
    return list(connection.scalars(statement.order_by(GROUP_MEMBER.c.member)))
