"""Change named attributes of stored secondary accounts, as an administrator asks by hand, and leave all others alone.

The rows are those that the vendor's update leaves (ox-behaviour 5):

| attribute given                        | written                                                                 |
|----------------------------------------|-------------------------------------------------------------------------|
| name, personal, reply-to               | both rows; blank personal and reply-to become NULL                      |
| login, password, parts of the mail URL | mail row, and the failure counters of both rows become 0                |
| the same of the transport              | transport row, and its counters become 0                                |
| starttls                               | its row                                                                 |
| folders                                | mail row, without `defaultN/`                                           |

Better than there: each account's URL is completed from its own row, both passwords of a call are stored as given, a
transport row that is missing is written whole (secondary, with its property), and only secondary accounts are touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from syncd.core.accounts import TRANSPORT_AUTH
from syncd.core.address import collation_key
from syncd.core.model import Secret
from syncd.openxchange import urls
from syncd.openxchange.base import Written
from syncd.openxchange.batch import done, failed
from syncd.openxchange.create import Ciphers, insert_rows, property_row, transport_row
from syncd.openxchange.delete import only
from syncd.openxchange.tables import AUTH, MAIL, TRANSPORT, TRANSPORT_PROPERTIES, UNBROKEN, Shape, among

_Row = Mapping[str, Any]
_RESETTING = {"login", "url", "password"}
_LOOKED_AT = ("user", "primary_addr", "url", "name", "personal", "replyTo")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChange:
    """What changes about the mail or the transport server; None = stays."""

    host: str | None = None
    """In ASCII, an IPv6 address in brackets."""
    port: int | None = None
    protocol: str | None = None
    secure: bool | None = None
    starttls: bool | None = None
    login: str | None = None
    password: Secret | None = None
    """Empty = none."""

    @property
    def moves(self) -> bool:
        """Whether any part of the URL is given."""
        return (self.host, self.port, self.protocol, self.secure) != (None,) * 4

    @property
    def asks(self) -> bool:
        """Whether anything at all is given."""
        return self != ServerChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What changes about accounts; None = stays."""

    name: str | None = None
    personal: str | None = None
    """Blank = none."""
    reply_to: str | None = None
    """Blank = none."""
    mail: ServerChange = ServerChange()
    transport: ServerChange = ServerChange()
    folders: Mapping[str, str] = field(default_factory=dict)
    """Full names by kind."""


class Edit(NamedTuple):
    """A change of one account."""

    user: int
    account: int
    mailbox_key: str
    """Collation key that the row's address must have."""
    change: AccountChange


@runtime_checkable
class EditsAccounts(Protocol):
    """What a store offers besides where it can change single attributes of accounts."""

    def edit(self, context: int, edits: Sequence[Edit]) -> list[Written]:
        """Change accounts, all in one transaction where they let it; in the given order."""
        ...


def edit_accounts(
    connection: Connection, context: int, edits: Sequence[Edit], shape: Shape, ciphers: Ciphers
) -> list[Written]:
    """Write the changes within the transaction of the connection; the rows are locked before they are judged."""
    ids = sorted({edit.account for edit in edits})
    mails = _locked(connection, context, MAIL, (*_LOOKED_AT, "secondary", "deactivated"), ids)
    transports = _locked(connection, context, TRANSPORT, ("user", "url"), ids)
    return [
        _edit(connection, context, edit, (mails.get(place), transports.get(place)), shape, ciphers)
        for edit in edits
        for place in [(edit.account, edit.user)]
    ]


def _locked(
    connection: Connection, context: int, table: TableClause, columns: Sequence[str], ids: Sequence[int]
) -> dict[tuple[int, int], _Row]:
    statement = sa.select(table.c.id, *(table.c[column] for column in columns))
    rows = connection.execute(statement.where(table.c.cid == context, among(table.c.id, ids)).with_for_update())
    return {(row["id"], row["user"]): dict(row) for row in rows.mappings()}


def _edit(
    connection: Connection,
    context: int,
    edit: Edit,
    stored: tuple[_Row | None, _Row | None],
    shape: Shape,
    ciphers: Ciphers,
) -> Written:
    mail, transport = stored
    if mail is None:
        return failed(edit, "the account is not there any more")
    if problem := _problem(edit, mail):
        return failed(edit, problem)
    try:
        mine, its = _columns(edit.change, mail, transport, ciphers)
        new = _missing_transport(context, edit, mail, ciphers) if transport is None else None
    except _UnfitError as unfit:
        return failed(edit, str(unfit))
    problem = shape.too_long(MAIL, mine) or shape.too_long(TRANSPORT, its if new is None else new)
    if problem:
        return failed(edit, problem)
    place = [(edit.account, edit.user)]
    for table, values in ((MAIL, mine), (TRANSPORT, its)):
        if values:
            connection.execute(sa.update(table).where(only(table, context, place)).values(values))
    if new is not None:
        insert_rows(connection, TRANSPORT, [new])
        left = sa.and_(only(TRANSPORT_PROPERTIES, context, place), TRANSPORT_PROPERTIES.c.name == AUTH)
        connection.execute(sa.delete(TRANSPORT_PROPERTIES).where(left))
        auth = property_row(context, edit.user, edit.account, TRANSPORT_AUTH)
        insert_rows(connection, TRANSPORT_PROPERTIES, [auth])
    return done(edit)


def _problem(edit: Edit, mail: _Row) -> str | None:
    if not mail["secondary"] or mail["id"] == 0:
        return f"account {mail['id']} is the user's own"
    if collation_key(mail["primary_addr"]) != edit.mailbox_key:
        return f"account {mail['id']} is of another mailbox now: {mail['primary_addr']}"
    return None


def _columns(
    change: AccountChange, mail: _Row, transport: _Row | None, ciphers: Ciphers
) -> tuple[dict[str, object], dict[str, object]]:
    """Give what is set in the mail row and, where there is one, in the transport row."""
    mine = _common(change) | _folders(change) | _server(change.mail, mail["url"], ciphers)
    its = _common(change) | _server(change.transport, transport["url"], ciphers) if transport else {}
    if _RESETTING & mine.keys():
        return {**mine, **UNBROKEN}, {**its, **UNBROKEN} if transport else {}
    return mine, {**its, **UNBROKEN} if _RESETTING & its.keys() else its


class _UnfitError(Exception):
    """An account that the change does not fit; the text says why."""


def _common(change: AccountChange) -> dict[str, object]:
    """Give the columns that both rows have."""
    people = {"personal": change.personal, "replyTo": change.reply_to}
    values: dict[str, object] = {"name": change.name} if change.name is not None else {}
    return values | {column: text if text.strip() else None for column, text in people.items() if text is not None}


def _folders(change: AccountChange) -> dict[str, object]:
    """Give the columns of full folder names; an update strips the prefix of all of them (ox-behaviour 18.3)."""
    return {f"{kind}_fullname": re.sub(r"^default\d+(?:/|$)", "", name) for kind, name in change.folders.items()}


def _server(change: ServerChange, url: str, ciphers: Ciphers) -> dict[str, object]:
    values: dict[str, object] = {}
    if change.moves:
        try:
            values["url"] = urls.moved(url, change.host, change.port, change.protocol, change.secure)
        except ValueError as problem:
            raise _UnfitError(str(problem)) from None
    if change.login is not None:
        values["login"] = change.login
    if change.password is not None:
        values["password"] = change.password.reveal() and ciphers.text(change.password)
    if change.starttls is not None:
        values["starttls"] = int(change.starttls)
    return values


def _missing_transport(context: int, edit: Edit, mail: _Row, ciphers: Ciphers) -> dict[str, object] | None:
    """Give the transport row that an account without one gets; None where nothing was asked of it."""
    change = edit.change.transport
    if not change.asks:
        return None
    if change.host is None or change.port is None:
        raise _UnfitError("the account has no transport: give its server and port, too")
    server = urls.Server(change.protocol or "smtp", bool(change.secure), change.host, change.port)
    columns: dict[str, object] = {name: mail[name] for name in ("name", "personal", "replyTo")}
    columns |= _common(edit.change)
    columns |= {"url": str(server), "login": change.login or "", "starttls": int(bool(change.starttls))}
    columns["password"] = (change.password.reveal() and ciphers.text(change.password)) if change.password else None
    address, deactivated = mail["primary_addr"], mail["deactivated"]
    return transport_row(context, edit.user, edit.account, address, columns, deactivated=deactivated)
