"""Remove accounts, in the order of ox-facts 2.8, and nothing but them.

| mail row of (context, user, id)              | then                                     |
|----------------------------------------------|------------------------------------------|
| not there                                    | success: it is gone                      |
| there, not secondary, or id 0                | failed, left alone                       |
| there, with another address                  | failed, left alone                       |
| there as planned, its id is nobody else's    | removed with the others by one statement |
| there as planned, another user has the id too| removed by its own statements            |

Ids are unique per context since OX hands them out by one counter, but old databases may have repeated ones, and a bulk
statement names ids only: naming (id, user) pairs makes MariaDB scan the table.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, TableClause

from syncd.core.address import collation_key
from syncd.openxchange.base import Deletion, Written
from syncd.openxchange.batch import done, failed
from syncd.openxchange.packing import records, unpack
from syncd.openxchange.tables import MAIL, MAIL_PROPERTIES, POP3, TRANSPORT, TRANSPORT_PROPERTIES, among
from syncd.openxchange.trouble import RowRefused

_ORDER = (MAIL_PROPERTIES, TRANSPORT_PROPERTIES, MAIL, TRANSPORT)
_Place = tuple[int, int]
"""Account id and user."""


def delete_accounts(connection: Connection, context: int, deletions: Sequence[Deletion]) -> list[Written]:
    """Remove the accounts within the transaction of the connection; their rows are locked before they are judged."""
    stored = _locked(connection, context, {deletion.account for deletion in deletions})
    gone: list[_Place] = []
    pop3: list[_Place] = []
    results = []
    for deletion in deletions:
        place = (deletion.account, deletion.user)
        row = stored.get(place)
        if row is None:
            results.append(done(deletion))
        elif not row.secondary or deletion.account == 0:
            results.append(failed(deletion, f"account {deletion.account} is the user's own"))
        elif row.key != deletion.mailbox_key:
            text = f"account {deletion.account} is of another mailbox now: {row.address}"
            results.append(failed(deletion, text))
        else:
            results.append(done(deletion))
            gone.append(place)
            if row.pop3:
                pop3.append(place)
    for table in POP3 if pop3 else ():
        for place in pop3:
            connection.execute(sa.delete(table).where(only(table, context, [place])))
    _remove(connection, context, gone, shared_ids(connection, context, gone, stored))
    return results


class _Row(NamedTuple):
    secondary: bool
    address: str
    key: str
    pop3: bool


def _locked(connection: Connection, context: int, ids: Collection[int]) -> dict[_Place, _Row]:
    """Give the mail rows with these ids, whoever has them, and lock them; few of them differ in what matters here."""
    columns = (MAIL.c.id, MAIL.c.user, MAIL.c.secondary, MAIL.c.primary_addr, MAIL.c.url)
    mine = sa.and_(MAIL.c.cid == context, among(MAIL.c.id, sorted(ids)))
    known: dict[bytes, _Row] = {}
    stored: dict[_Place, _Row] = {}
    for account, user, text in records(connection, columns, 2, MAIL, mine, lock=True):
        if text not in known:
            secondary, address, url = (value or "" for value in unpack(text))
            known[text] = _Row(secondary not in {"", "0"}, address, collation_key(address), url.startswith("pop3"))
        stored[int(account), int(user)] = known[text]
    return stored


def shared_ids(
    connection: Connection, context: int, places: Collection[_Place], stored: Collection[_Place]
) -> frozenset[int]:
    """Give the ids among the places that some row not among the places has too, in any of the four tables.

    `stored` has all mail rows with these ids.
    """
    planned = frozenset(places)
    ids = sorted({account for account, _ in planned})
    if not ids:
        return frozenset()
    others = sa.union(
        *(
            sa.select(table.c.id, table.c.user).where(table.c.cid == context, among(table.c.id, ids))
            for table in _ORDER
            if table is not MAIL
        )
    )
    listed = others.subquery("others")
    found = records(connection, (listed.c.id, listed.c.user), 1, listed, sa.true())
    everywhere = {*stored, *((int(account), int(user)) for account, user in found)}
    repeated = len(ids) < len(planned)
    foreign = {account for account, user in everywhere if (account, user) not in planned}
    return frozenset(foreign if not repeated else {*foreign, *_repeated(planned)})


def only(table: TableClause, context: int, places: Sequence[_Place]) -> ColumnElement[bool]:
    """Give the condition for exactly these accounts; several only where their ids are nobody else's.

    `user + 0` keeps the optimiser from an index that makes it slow (measured: 20 times). Of mail rows none but
    secondary ones other than 0 are meant, whatever was judged before.
    """
    if len(places) == 1:
        [(account, user)] = places
        condition = sa.and_(table.c.cid == context, table.c.id == account, table.c.user == user)
    else:
        users = sorted({user for _, user in places})
        condition = sa.and_(
            table.c.cid == context,
            among(table.c.id, (account for account, _ in places)),
            among(table.c.user + sa.literal_column("0"), users),
        )
    return sa.and_(condition, table.c.secondary == 1, table.c.id != 0) if table is MAIL else condition


def _remove(connection: Connection, context: int, gone: Sequence[_Place], shared: Collection[int]) -> None:
    together = [place for place in gone if place[0] not in shared]
    for places in ([together] if together else []) + [[place] for place in gone if place[0] in shared]:
        for table in _ORDER:
            removed = connection.execute(sa.delete(table).where(only(table, context, places))).rowcount
            if table is MAIL and removed != len(places):
                raise RowRefused("the account changed while it was removed")


def _repeated(places: Collection[_Place]) -> set[int]:
    seen: set[int] = set()
    return {account for account, _ in places if account in seen or seen.add(account)}  # type: ignore[func-returns-value]
