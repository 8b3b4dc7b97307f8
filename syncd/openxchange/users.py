"""Look up users of one context: by login, address or id, and the servers of their primary account (ox-facts 1.4).

Few names are asked for in IN lists; for many the table is read once as a stream. `login2user.uid` is compared exactly:
its collation would ignore trailing blanks, Python does not. The columns of addresses (`user.mail`, `user.imapLogin`,
`user_alias.alias`) ignore letter case, accents and trailing blanks; here accents count, so that nobody gets a mailbox
by resemblance.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select

from syncd.core.address import collation_key, letters
from syncd.core.model import Asked, By, Endpoint, Users
from syncd.openxchange.matching import FEW, alike, by_key
from syncd.openxchange.packing import NULL, records
from syncd.openxchange.tables import ALIAS, LOGIN, MAIL, TRANSPORT, USER, among

_T = TypeVar("_T")
_FETCH = 2000
_LAST_USER = 2**32 - 1
"""Highest id that the columns can hold (INT UNSIGNED); people may write any number into a directory."""


def stream(connection: Connection, statement: Select[Any]) -> Iterator[tuple[Any, ...]]:
    """Give the rows as they come, without keeping all of them in memory."""
    options = {"stream_results": True, "max_row_buffer": _FETCH}
    yield from connection.execute(statement, execution_options=options)


def chunks(values: Collection[_T], size: int = FEW) -> Iterator[Sequence[_T]]:
    """Cut values into lists of at most `size`."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def look_up(connection: Connection, context: int, asked: Asked) -> Users:
    """Look users up by all that is asked: a constant number of statements, and those only that the question needs."""
    wanted = frozenset(user for user in asked.ids if 0 < user <= _LAST_USER)
    guests = _guests(connection, context)
    holders = _holders(connection, context, asked)
    uncertain = wanted.union(*holders.get("alias", {}).values())  # an alias may outlive its user
    existing = _existing(connection, context, uncertain)
    found, refused = _without(guests, uncertain - existing, holders)
    known = wanted.union(*(users for texts in found.values() for users in texts.values()))
    if wanted:
        found["id"] = {str(user): (user,) for user in wanted & existing - guests}
        refused |= {str(user) for user in wanted & guests}
    # 0 = not found; the keys stay the caller's own texts, of which there may be 100,000
    logins = dict.fromkeys(asked.logins, 0)
    names: dict[int, str] = {}
    for uid, user in _logins(connection, context, logins.keys(), known):
        if user in known:
            names.setdefault(user, uid)
        if uid in logins:
            logins[uid] = user
    misses = [uid for uid, user in logins.items() if not user]
    uninvited = frozenset(uid for uid, user in logins.items() if user in guests)
    return Users(
        context=context,
        exists=len(misses) < len(logins)
        or connection.scalar(sa.select(USER.c.id).where(USER.c.cid == context).limit(1)) is not None,
        by_login={uid: user for uid, user in logins.items() if user and uid not in uninvited}
        if misses or uninvited
        else logins,
        found=found,
        other_case=_other_case(connection, context, misses),
        guests=uninvited | refused,
        ids=wanted & existing,
        logins=names,
    )


def primary_endpoints(
    connection: Connection, context: int, users: Collection[int]
) -> dict[int, tuple[Endpoint, Endpoint | None]]:
    """Give mail and transport server of account 0 of each user; one without account 0 is left out."""
    wanted = frozenset(users)
    shared: dict[tuple[Any, ...], Endpoint] = {}

    def read(table: sa.TableClause) -> dict[int, Endpoint]:
        statement = sa.select(table.c.user, table.c.url, table.c.starttls).where(
            table.c.cid == context, table.c.id == 0
        )
        found = {}
        for user, *server in stream(connection, _narrowed(statement, table.c.user, wanted)):
            if user in wanted:
                key = tuple(server)
                found[user] = shared.get(key) or shared.setdefault(key, Endpoint(key[0], bool(key[1])))
        return found

    if not wanted:
        return {}
    mail, transport = read(MAIL), read(TRANSPORT)
    return {user: (endpoint, transport.get(user)) for user, endpoint in mail.items()}


def _logins(
    connection: Connection, context: int, asked: Collection[str], ids: Collection[int]
) -> Iterator[tuple[str, int]]:
    """Read (login, user id) of the asked logins and ids, or of all users when many are asked."""
    here = LOGIN.c.cid == context
    conditions = [here]
    if len(asked) <= FEW and len(ids) <= FEW:
        conditions = [sa.and_(here, LOGIN.c.uid.in_(asked))] if asked else []
        conditions += [sa.and_(here, among(LOGIN.c.id, ids))] if ids else []
    for condition in conditions:
        for user, uid in records(connection, (LOGIN.c.id, LOGIN.c.uid), 1, LOGIN, condition):
            yield uid.decode(), int(user)


_Holders = Mapping[By, Mapping[str, set[int]]]
"""By kind of question: asked text → ids of all who have it."""


def _holders(connection: Connection, context: int, asked: Asked) -> _Holders:
    """Find who has the asked addresses, guests included; an address that nobody has is left out."""
    columns: tuple[tuple[By, Collection[str], tuple[sa.TableClause, str, str]], ...] = (
        ("mail", asked.mails, (USER, "id", "mail")),
        ("alias", asked.aliases, (ALIAS, "user", "alias")),  # not joined: MariaDB would begin with the users
        ("imap_login", asked.imap_logins, (USER, "id", "imapLogin")),
    )
    return {
        by: _holders_of(connection, context, by_key(addresses), where) for by, addresses, where in columns if addresses
    }


def _holders_of(
    connection: Connection, context: int, texts: Mapping[str, list[str]], where: tuple[sa.TableClause, str, str]
) -> dict[str, set[int]]:
    table, user, column = where
    holders: dict[str, set[int]] = {}
    condition = sa.and_(table.c.cid == context, alike(connection, table.c[column], texts))
    columns = (table.c[user], table.c[column])
    for number, stored in records(connection, columns, 1, table, condition) if texts else ():
        value = "" if stored == NULL else stored.decode()
        for text in texts.get(collation_key(value), ()):
            if text == value or letters(text) == letters(value):
                holders.setdefault(text, set()).add(int(number))
    return holders


def _without(
    guests: frozenset[int], gone: frozenset[int], holders: _Holders
) -> tuple[dict[By, dict[str, tuple[int, ...]]], frozenset[str]]:
    """Give who has the addresses, guests and the gone left out, and the addresses that only guests have."""
    found: dict[By, dict[str, tuple[int, ...]]] = {}
    refused: set[str] = set()
    out = guests | gone
    for by, texts in holders.items():
        people = found[by] = {}
        for text, users in texts.items():
            if users <= out:
                refused |= {text} if users & guests else set()
            else:
                people[text] = tuple(sorted(users - out))
    return found, frozenset(refused)


def _guests(connection: Connection, context: int) -> frozenset[int]:
    rows = stream(connection, sa.select(USER.c.id).where(USER.c.cid == context, USER.c.guestCreatedBy > 0))
    return frozenset(row[0] for row in rows)


def _existing(connection: Connection, context: int, ids: frozenset[int]) -> frozenset[int]:
    if not ids:
        return ids
    here = USER.c.cid == context
    asked = sa.and_(here, among(USER.c.id, ids)) if len(ids) <= FEW else here
    return ids & {int(row[0]) for row in records(connection, (USER.c.id,), 0, USER, asked)}


def _other_case(connection: Connection, context: int, misses: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Find logins that differ from the asked ones by letter case only."""
    if not misses:
        return {}
    by_lower: dict[str, list[str]] = {}
    for name in misses:
        by_lower.setdefault(name.lower(), []).append(name)
    statement = sa.select(LOGIN.c.uid).where(LOGIN.c.cid == context)
    near: dict[str, list[str]] = {}
    for (uid,) in stream(connection, _narrowed(statement, sa.func.lower(LOGIN.c.uid), by_lower)):
        for name in by_lower.get(uid.lower(), ()):
            near.setdefault(name, []).append(uid)
    return {name: tuple(sorted(found)) for name, found in near.items()}


def _narrowed(statement: Select[Any], column: ColumnElement[Any], values: Collection[object]) -> Select[Any]:
    """Ask for the values only, unless they are so many that reading everything is cheaper."""
    return statement.where(column.in_(list(values))) if len(values) <= FEW else statement
