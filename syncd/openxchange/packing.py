"""Let the server send several columns of a row as one text.

The driver's cost is per value, and the accounts of one mailbox differ in little but user and id: so all other columns
come as one text, and each distinct text is taken apart once. The text is `length,length,…,values`, which is exact
whatever the values contain; a NULL has length -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement


def packed(columns: Sequence[ColumnElement[Any]], *, sqlite: bool) -> ColumnElement[str]:
    """Give the expression that packs the columns."""
    lengths = [sa.func.coalesce(_length(column, sqlite), -1) for column in columns]
    values = [sa.func.coalesce(column, sa.literal_column("''")) for column in columns]
    if sqlite:
        template = "%s," * len(lengths) + "%s" * len(values)
        return sa.func.printf(template, *lengths, *values)
    return sa.func.concat(sa.func.concat_ws(",", *lengths, ""), *values)


def unpack(text: str, count: int) -> tuple[str | None, ...]:
    """Take a packed text apart; numbers come as text.

    >>> unpack("3,-1,2,abcxy", 3)
    ('abc', None, 'xy')
    """
    *lengths, rest = text.split(",", count)
    values: list[str | None] = []
    start = 0
    for length in map(int, lengths):
        values.append(None if length < 0 else rest[start : start + length])
        start += max(0, length)
    return tuple(values)


def _length(column: ColumnElement[Any], sqlite: bool) -> ColumnElement[Any]:
    return sa.func.length(column) if sqlite else sa.func.char_length(column)
