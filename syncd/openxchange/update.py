"""Bring stored accounts to their configured fields, writing only what differs from the row as it is now.

What OX does to the failure counters when it changes a field, we do too (ox-behaviour 5):

| changed                                | written besides                           |
|----------------------------------------|-------------------------------------------|
| mail login, password, url              | counters of both rows set to 0            |
| transport login, password, url         | counters of the transport row set to 0    |
| starttls, property, `secondary`        | nothing                                   |
| name, personal, reply-to               | the same in the other row                 |
| folders                                | nothing                                   |
| the counters of failed logins          | those of both rows set to 0               |
| a transport row is missing             | inserted, with its property               |
| a transport row is there and should not| deleted with its properties               |

Accounts that need the same values share one statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from syncd.core.accounts import bare_folder
from syncd.core.address import collation_key
from syncd.core.model import Fields
from syncd.openxchange.base import Updating, Written
from syncd.openxchange.batch import done, failed
from syncd.openxchange.create import Ciphers, insert_rows, property_row, transport_row
from syncd.openxchange.delete import only, shared_ids
from syncd.openxchange.tables import AUTH, MAIL, TRANSPORT, TRANSPORT_PROPERTIES, UNBROKEN, Shape, among
from syncd.openxchange.trouble import RowRefused

_Place = tuple[int, int]
"""Account id and user."""
_RESETTING = {"login", "url", "password"}
_TRANSPORT_COLUMNS = ("user", "login", "url", "starttls", "secondary", "name", "personal", "replyTo", *UNBROKEN)


class _Stored(NamedTuple):
    """The rows of one account as they are now."""

    mail: Mapping[str, Any]
    transport: Mapping[str, Any] | None
    auth: Mapping[str, Any] | None


@dataclass(slots=True)
class _Steps:
    """All that one transaction writes."""

    mail: dict[_Place, dict[str, object]] = field(default_factory=dict)
    transport: dict[_Place, dict[str, object]] = field(default_factory=dict)
    inserted: list[dict[str, object]] = field(default_factory=list)
    dropped: list[_Place] = field(default_factory=list)
    properties: dict[_Place, str] = field(default_factory=dict)
    """Property values to change."""
    new_properties: list[dict[str, object]] = field(default_factory=list)


def update_accounts(
    connection: Connection, context: int, updates: Sequence[Updating], shape: Shape, ciphers: Ciphers
) -> list[Written]:
    """Write the differences within the transaction of the connection; the rows are locked before they are compared."""
    ids = sorted({update.account for update in updates})
    names = (
        "user",
        "secondary",
        "primary_addr",
        "login",
        "url",
        "starttls",
        "name",
        "personal",
        "replyTo",
        "deactivated",
        *UNBROKEN,
        *({f"{kind}_fullname": 0 for update in updates for kind in _folders(update)}),
    )
    mails = _locked(connection, context, MAIL, names, ids)
    transports = _locked(connection, context, TRANSPORT, _TRANSPORT_COLUMNS, ids)
    auths = _locked(connection, context, TRANSPORT_PROPERTIES, ("user", "name", "value"), ids, name=AUTH)
    steps = _Steps()
    results: list[Written] = []
    places: list[_Place] = []
    for update in updates:
        place = (update.account, update.user)
        problem = _problem(update, mails.get(place))
        if problem:
            results.append(failed(update, problem))
            continue
        places.append(place)
        stored = _Stored(mails[place], transports.get(place), auths.get(place))
        problem, seal = _compare(context, update, stored, steps, shape, ciphers)
        results.append(failed(update, problem) if problem else done(update, seal))
    _write(connection, context, steps, shared_ids(connection, context, places, mails))
    return results


def _locked(
    connection: Connection,
    context: int,
    table: TableClause,
    columns: Sequence[str],
    ids: Sequence[int],
    *,
    name: str | None = None,
) -> dict[_Place, Mapping[str, Any]]:
    statement = sa.select(table.c.id, *(table.c[column] for column in columns))
    statement = statement.where(table.c.cid == context, among(table.c.id, ids))
    if name is not None:
        statement = statement.where(table.c.name == name)
    rows = connection.execute(statement.with_for_update()).mappings()
    return {(row["id"], row["user"]): dict(row) for row in rows}


def _problem(update: Updating, row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return "the account is not there any more"
    if not row["secondary"] or row["id"] == 0:
        return f"account {row['id']} is the user's own"
    if collation_key(row["primary_addr"]) != update.mailbox.key:
        return f"account {row['id']} is of another mailbox now: {row['primary_addr']}"
    return None


def _compare(
    context: int, update: Updating, stored: _Stored, steps: _Steps, shape: Shape, ciphers: Ciphers
) -> tuple[str | None, bytes | None]:
    """Note what has to be written for one account; give a problem, or the seal of the passwords written."""
    account, new = update.mailbox.account, update.new
    secrets = (account.password, account.transport_password)
    texts = [ciphers.text(secret) if update.password else None for secret in secrets]
    wanted: dict[str, object] = {"login": new.login, "url": new.mail_url, "starttls": int(new.mail_starttls)}
    wanted |= _people(new)
    folders = {f"{kind}_fullname": name for kind, name in _folders(update).items()}
    wanted |= {column: name for column, name in folders.items() if bare_folder(stored.mail[column] or "") != name}
    mail = _differing(stored.mail, wanted, texts[0])
    transport, row = _transport(context, update, stored, texts[1], ciphers)
    problem = shape.too_long(MAIL, mail) or shape.too_long(TRANSPORT, row or transport)
    if problem:
        return problem, None
    kept = stored.transport is not None and new.transport_url is not None
    _reset_counters(mail, transport, kept=kept)
    if account.revive and new.failing is None:
        mail |= _differing(stored.mail, UNBROKEN, None)
        transport |= _differing(stored.transport, UNBROKEN, None) if stored.transport is not None and kept else {}
    place = (update.account, update.user)
    if mail:
        steps.mail[place] = mail
    if transport:
        steps.transport[place] = transport
    if row is not None:
        steps.inserted.append(row)
    if new.transport_url is None and stored.transport is not None:
        steps.dropped.append(place)
    if new.transport_auth is not None and stored.auth is None:
        steps.new_properties.append(property_row(context, update.user, update.account, new.transport_auth))
    if new.transport_auth is not None and stored.auth is not None and stored.auth["value"] != new.transport_auth:
        steps.properties[place] = new.transport_auth
    if not update.password:
        return None, None
    return None, ciphers.seal((texts[0], secrets[0]), (texts[1], secrets[1] if new.transport_url is not None else None))


def _transport(
    context: int, update: Updating, stored: _Stored, text: str | None, ciphers: Ciphers
) -> tuple[dict[str, object], dict[str, object] | None]:
    """Give the columns to change in the transport row, and the row to insert where there is none."""
    new = update.new
    if new.transport_url is None:
        return {}, None
    starttls = int(bool(new.transport_starttls))
    wanted: dict[str, object] = {"url": new.transport_url, "login": new.transport_login or "", "starttls": starttls}
    wanted |= _people(new)
    if stored.transport is not None:
        return _differing(stored.transport, {**wanted, "secondary": 1}, text), None
    mail = stored.mail
    columns = {"name": mail["name"], "personal": mail["personal"], "replyTo": mail["replyTo"], **wanted}
    columns["password"] = text or ciphers.text(update.mailbox.account.transport_password)
    address, deactivated = mail["primary_addr"], mail["deactivated"]  # OX goes by the transport row's flag
    return {}, transport_row(context, update.user, update.account, address, columns, deactivated=deactivated)


def _people(new: Fields) -> dict[str, object]:
    """Give the enforced columns that both rows have; empty text is NULL there."""
    values = {"name": new.name, "personal": new.personal, "replyTo": new.reply_to}
    return {column: text or None for column, text in values.items() if text is not None}


def _folders(update: Updating) -> dict[str, str]:
    """Give the enforced folders by kind, without the prefix that OX takes off in an update."""
    if update.new.folders is None:
        return {}
    return {kind: bare_folder(name) for kind, name in update.mailbox.account.folders.items()}


def _differing(row: Mapping[str, Any], wanted: Mapping[str, object], text: str | None) -> dict[str, object]:
    """Give the columns whose value is another, and the password's text if one is to be written."""
    values = {name: value for name, value in wanted.items() if row[name] != value}
    return values if text is None else {**values, "password": text}


def _reset_counters(mail: dict[str, object], transport: dict[str, object], *, kept: bool) -> None:
    """Add the counters that OX resets along with the changes; `kept` = there is a transport row and it stays."""
    if _RESETTING & mail.keys():
        mail |= UNBROKEN
        if kept:
            transport |= UNBROKEN
    elif _RESETTING & transport.keys():
        transport |= UNBROKEN


def _write(connection: Connection, context: int, steps: _Steps, shared: frozenset[int]) -> None:
    _set(connection, context, MAIL, steps.mail, shared)
    for places in _groups(dict.fromkeys(steps.dropped, ()), shared):
        for table in (TRANSPORT_PROPERTIES, TRANSPORT):
            connection.execute(sa.delete(table).where(only(table, context, places)))
    _set(connection, context, TRANSPORT, steps.transport, shared)
    insert_rows(connection, TRANSPORT, steps.inserted)
    values = {place: (value,) for place, value in steps.properties.items()}
    for places in _groups(values, shared):
        mine = sa.and_(only(TRANSPORT_PROPERTIES, context, places), TRANSPORT_PROPERTIES.c.name == AUTH)
        connection.execute(sa.update(TRANSPORT_PROPERTIES).where(mine).values(value=values[places[0]][0]))
    insert_rows(connection, TRANSPORT_PROPERTIES, steps.new_properties)


def _set(
    connection: Connection,
    context: int,
    table: TableClause,
    changes: Mapping[_Place, Mapping[str, object]],
    shared: frozenset[int],
) -> None:
    """Set columns of existing rows; a password differs from row to row, so it is chosen by id."""
    alike = {
        place: tuple(
            (name, value if name != "password" or value is None else "") for name, value in sorted(columns.items())
        )
        for place, columns in changes.items()
    }
    for places in _groups(alike, shared):
        values: dict[str, object] = dict(changes[places[0]])
        if values.get("password") is not None and len(places) > 1:
            texts = {account: changes[account, user]["password"] for account, user in places}
            values["password"] = sa.case(texts, value=table.c.id)
        result = connection.execute(sa.update(table).where(only(table, context, places)).values(values))
        if result.rowcount != len(places):
            raise RowRefused("the account changed while it was written")


def _groups(alike: Mapping[_Place, tuple[object, ...]], shared: frozenset[int]) -> list[list[_Place]]:
    """Put places with equal values together; those whose id another user has too stay alone."""
    groups: dict[object, list[_Place]] = {}
    for place, value in alike.items():
        groups.setdefault((value, place if place[0] in shared else None), []).append(place)
    return list(groups.values())
