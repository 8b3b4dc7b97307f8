"""Find stored texts that equal asked ones by the database's collation, in columns of the old and the new utf8.

A few texts are asked for by an IN list, which may find too much or, on SQLite, is made of keys; many by reading
everything. Either way the final word has Python: `collation_key` here, `letters` with those who ask.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from syncd.core.address import collation_key

FEW = 2000
"""Up to so many values are asked for by an IN list; more by reading everything."""
_COLLATION = "utf8mb4_unicode_ci"


def by_key(texts: Collection[str]) -> Mapping[str, list[str]]:
    """Group texts by `collation_key`; those that are empty by collation equal nothing and are left out."""
    found: dict[str, list[str]] = {}
    for text in texts:
        if key := collation_key(text):
            found.setdefault(key, []).append(text)
    return found


def alike(connection: Connection, column: ColumnElement[Any], texts: Mapping[str, list[str]]) -> ColumnElement[bool]:
    """Give a condition that holds wherever the column equals one of the texts by collation, and maybe elsewhere.

    Args:
        connection: tells which database it is.
        column: of characters, utf8mb3_unicode_ci or utf8mb4_unicode_ci (ox-facts 1.4).
        texts: as `by_key` gives them.
    """
    if len(texts) > FEW:
        return sa.true()
    if connection.dialect.name == "sqlite":
        return sa.func.collation_key(column).in_(list(texts))
    # One of each key is enough, but a text beyond the basic plane is not comparable with a utf8mb3 column ("Illegal mix
    # of collations"). Converting the column costs its index, so that is done for such texts only.
    some = [alternatives[0] for alternatives in texts.values()]
    wide = [text for text in some if max(text) > "\uffff"]
    plain = column.in_([text for text in some if max(text) <= "\uffff"])
    if not wide:
        return plain
    converted = sa.func.convert(column.op("USING")(sa.literal_column("utf8mb4"))).collate(_COLLATION).in_(wide)
    return sa.or_(plain, converted) if len(wide) < len(some) else converted
