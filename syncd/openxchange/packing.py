"""Let MySQL send many rows as one value, and many columns as one text.

The driver's cost is per row and per value: 100,000 rows of three values take it a second, one value of ten megabytes a
few milliseconds. And the accounts of one mailbox differ in little but user and id, so what they share is taken apart
once for each distinct text. Therefore rows are joined by GROUP_CONCAT, with separators that are no UTF-8 and thus in no
stored text: FF between columns, FE between rows, FD for NULL. Whether all rows arrived is counted: a value cut off by
the server (group_concat_max_len, max_allowed_packet) is read again in smaller parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause

NULL = b"\xfd"
_ROW, _COLUMN = b"\xfe", b"\xff"
_FETCH = 2000
_PIECE = 1 << 18
ROOM = 12 << 20
"""Longest joined value to ask for, in bytes; below the usual max_allowed_packet of 16 MiB."""


def records(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    lead: int,
    source: FromClause,
    condition: ColumnElement[bool],
    *,
    lock: bool = False,
) -> Iterator[list[bytes]]:
    """Give rows as lists of `lead` columns and one text with all others, in UTF-8; see `unpack`.

    The first column is a number that never is NULL; it cuts what is too much for one value. With `lock` nobody else
    changes the rows until the transaction ends.
    """
    if connection.dialect.name == "sqlite":
        statement = sa.select(*columns).select_from(source).where(condition)
        options = {"stream_results": True, "max_row_buffer": _FETCH}
        for row in connection.execute(statement, execution_options=options):
            yield _COLUMN.join(NULL if value is None else str(value).encode() for value in row).split(_COLUMN, lead)
        return
    for joined in _values(connection, columns, source, condition, lock):
        start = 0
        while start <= len(joined):  # piece by piece, else all rows would be in memory twice
            end = joined.find(_ROW, start + _PIECE)
            end = len(joined) if end < 0 else end
            for record in joined[start:end].split(_ROW):
                yield record.split(_COLUMN, lead)
            start = end + 1


def unpack(text: bytes) -> tuple[str | None, ...]:
    r"""Take the last element of a record apart; numbers come as text.

    >>> unpack(b"abc\xff\xfd\xff1")
    ('abc', None, '1')
    """
    return tuple(None if value == NULL else value.decode() for value in text.split(_COLUMN))


def _values(
    connection: Connection,
    columns: Sequence[ColumnElement[Any]],
    source: FromClause,
    condition: ColumnElement[bool],
    lock: bool,
) -> Iterator[bytes]:
    """Give the joined rows, in as many values as it takes."""
    number = columns[0]
    null: ColumnElement[bytes] = sa.literal_column("x'FD'")
    texts = [sa.func.coalesce(sa.cast(column, sa.BINARY), null) for column in columns]
    whole = sa.func.concat_ws(sa.literal_column("x'FF'"), *texts)
    joined = sa.func.group_concat(whole.op("SEPARATOR")(sa.literal_column("x'FE'")))
    statement = sa.select(sa.func.count(), sa.func.min(number), sa.func.max(number), joined)
    statement = statement.select_from(source).where(condition)
    singly = sa.select(whole).select_from(source).where(condition)
    if lock:
        statement, singly = statement.with_for_update(), singly.with_for_update()
    parts: list[tuple[int, int] | None] = [None]
    while parts:
        part = parts.pop()
        asked = statement if part is None else statement.where(number.between(*part))
        count, low, high, value = connection.execute(asked).one()
        if not count:
            continue
        if value is not None and value.count(_ROW) == count - 1 and len(value) < ROOM:
            yield value
        elif low == high:  # one id and more rows of it than fit: as far as known no such database exists
            yield from (row[0] for row in connection.execute(singly.where(number == low)))
        else:
            middle = (int(low) + int(high)) // 2
            parts += [(middle + 1, int(high)), (int(low), middle)]
