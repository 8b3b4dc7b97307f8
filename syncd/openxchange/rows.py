"""Read whole account rows for the journal: everything but passwords, without what every new account has.

What is left out is exactly what `create` writes whatever the configuration (ox-behaviour 2), so a journal entry tells
the whole row in a few columns: `{"mail": {"name": "Support", "url": …}, …}`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from syncd.openxchange.matching import FEW
from syncd.openxchange.packing import records, unpack
from syncd.openxchange.tables import (
    MAIL,
    MAIL_PROPERTIES,
    SHORT_FOLDERS,
    SPAM_HANDLER,
    TRANSPORT,
    TRANSPORT_PROPERTIES,
    among,
)
from syncd.openxchange.users import chunks

_NUMBERS = frozenset(
    (
        "default_flag",
        "unified_inbox",
        "starttls",
        "oauth",
        "disabled",
        "failed_auth_count",
        "failed_auth_date",
        "secondary",
        "deactivated",
    )
)
_USUAL: Mapping[str, object] = {
    **dict.fromkeys(SHORT_FOLDERS, ""),
    **dict.fromkeys(_NUMBERS, 0),
    "archive": "",
    "archive_fullname": "",
    "spam_handler": SPAM_HANDLER,
    "oauth": None,
    "secondary": 1,
}
"""What a new account has in these columns; every column not named here has NULL."""
_HIDDEN = frozenset(("id", "cid", "user", "password"))
_PROPERTIES = {"mail_properties": MAIL_PROPERTIES, "transport_properties": TRANSPORT_PROPERTIES}


def account_rows(
    connection: Connection, context: int, accounts: Collection[tuple[int, int]]
) -> dict[tuple[int, int], dict[str, object]]:
    """Give the rows of accounts, by (user, id), as `AccountStore.rows` promises; absent accounts are left out."""
    found: dict[tuple[int, int], dict[str, object]] = {}
    for group in chunks(accounts, FEW):
        wanted = frozenset(group)
        for place, row in _whole(connection, context, MAIL, wanted):
            found[place] = {"mail": row, "mail_properties": {}, "transport_properties": {}}
        for place, row in _whole(connection, context, TRANSPORT, wanted):
            if place in found:
                found[place]["transport"] = row
        for kind, table in _PROPERTIES.items():
            columns = (table.c.id, table.c.user, table.c.name, table.c.value)
            ids = sorted({account for _, account in wanted})
            mine = sa.and_(table.c.cid == context, among(table.c.id, ids))
            for number, owner, text in records(connection, columns, 2, table, mine):
                if (place := (int(owner), int(number))) in found:
                    name, value = unpack(text)
                    properties = found[place][kind]
                    assert isinstance(properties, dict)  # noqa: S101 - made so above
                    properties[name] = value
    return _shared(found)


def _shared(found: dict[tuple[int, int], dict[str, object]]) -> dict[tuple[int, int], dict[str, object]]:
    """Give accounts that differ in nothing one and the same mapping, so that the journal writes it out once."""
    known: dict[tuple[object, ...], dict[str, object]] = {}
    for place, rows in found.items():
        whole = (id(rows["mail"]), id(rows.get("transport")), *(_items(rows[kind]) for kind in _PROPERTIES))
        found[place] = known.setdefault(whole, rows)
    return found


def _items(properties: object) -> tuple[tuple[str, object], ...]:
    assert isinstance(properties, dict)  # noqa: S101 - made so below
    return tuple(properties.items())


def _whole(
    connection: Connection, context: int, table: TableClause, wanted: frozenset[tuple[int, int]]
) -> Iterator[tuple[tuple[int, int], dict[str, object]]]:
    columns = [column for column in table.columns if column.name not in _HIDDEN]
    names = [column.name for column in columns]
    known: dict[bytes, dict[str, object]] = {}
    mine = sa.and_(table.c.cid == context, among(table.c.id, sorted({account for _, account in wanted})))
    for number, owner, text in records(connection, (table.c.id, table.c.user, *columns), 2, table, mine):
        place = (int(owner), int(number))
        if place in wanted:
            if text not in known:
                known[text] = _unusual(names, text)
            yield place, known[text]


def _unusual(names: list[str], text: bytes) -> dict[str, object]:
    row: dict[str, object] = {}
    for name, value in zip(names, unpack(text), strict=True):
        typed = int(value) if value is not None and name in _NUMBERS else value
        if typed != _USUAL.get(name):
            row[name] = typed
    return row
