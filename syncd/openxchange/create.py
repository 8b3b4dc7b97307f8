"""Write new accounts: mail row, transport row, `transport.auth` property, as OX's own tool does (ox-facts 2.3 to 2.6).

In one transaction: the counter's row is locked first, then the duplicate check is made, then everything is inserted.
The vendor's tool checks before it takes that row, so checking later is what keeps two writers from both succeeding
(ox-behaviour 9.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, TableClause

from syncd.core.address import collation_key
from syncd.core.model import Fields, MailboxRef, Secret
from syncd.errors import StoreRefused
from syncd.openxchange.base import Creation, Written
from syncd.openxchange.batch import done, failed
from syncd.openxchange.obfuscation import Obfuscator
from syncd.openxchange.observe import seal_of
from syncd.openxchange.tables import (
    AUTH,
    LAST_ID,
    MAIL,
    SEQUENCE,
    SHORT_FOLDERS,
    SPAM_HANDLER,
    TRANSPORT,
    TRANSPORT_PROPERTIES,
    USER,
    Shape,
    among,
)
from syncd.openxchange.users import chunks

_Row = dict[str, object]
_TOGETHER = 250
"""Rows in one statement, which then is shorter than the smallest usual max_allowed_packet of 1 MiB."""


class Ciphers:
    """Make the texts to store for configured passwords."""

    def __init__(self, obfuscator: Obfuscator | None) -> None:
        self._obfuscator = obfuscator

    def text(self, secret: Secret | None) -> str | None:
        """Encrypt anew; None where no password is configured."""
        if secret is None:
            return None
        return self._ready().encrypt(secret.reveal())

    def seal(self, *stored: tuple[str | None, Secret | None]) -> bytes | None:
        """Give the seal of what was stored; pairs of ciphertext and configured password."""
        pairs = [(text, secret.reveal()) for text, secret in stored if secret is not None]
        return seal_of(self._ready(), pairs) if pairs else None

    def check(self) -> None:
        """Make sure that there is a key.

        Raises:
            StoreRefused: there is none.
        """
        self._ready()

    def _ready(self) -> Obfuscator:
        if self._obfuscator is None:
            raise StoreRefused(
                "a password is configured, but not the key that Open-Xchange stores passwords with",
                hint="set openxchange.obfuscation (com.openexchange.sessiond.encryptionKey), or leave it out: "
                "with com.openexchange.mail.secondary.passwordSource=session, the default, "
                "Open-Xchange ignores stored passwords",
            )
        return self._obfuscator


def reserve_ids(connection: Connection, context: int, count: int) -> int:
    """Take ids by the vendor's statement (ox-facts 1.3); give the first.

    Raises:
        StoreRefused: no counter, a counter behind the ids in use, or no ids left.
    """
    row = SEQUENCE.c.cid == context
    if connection.dialect.name == "sqlite":
        changed = connection.execute(sa.update(SEQUENCE).where(row).values(id=SEQUENCE.c.id + count)).rowcount
        last = connection.scalar(sa.select(SEQUENCE.c.id).where(row))
    else:
        raised = sa.func.last_insert_id(SEQUENCE.c.id + count)
        changed = connection.execute(sa.update(SEQUENCE).where(row).values(id=raised)).rowcount
        last = connection.scalar(sa.select(sa.func.last_insert_id()))
    if changed != 1 or last is None:  # last_insert_id() would now be a number from long ago
        raise StoreRefused(f"context {context} has no row in {SEQUENCE.name}", hint="OX writes it with the context")
    first = int(last) - count + 1
    used = max(
        connection.scalar(sa.select(sa.func.max(table.c.id)).where(table.c.cid == context)) or 0
        for table in (MAIL, TRANSPORT)
    )
    if first <= used:
        raise StoreRefused(
            f"the account counter of context {context} is behind: it would give {first}, but account {used} exists",
            hint=f"{SEQUENCE.name}.id must be at least {used}",
        )
    if last > LAST_ID:
        raise StoreRefused(f"context {context} has no account ids left")
    return first


def create_accounts(
    connection: Connection, context: int, creations: Sequence[Creation], shape: Shape, ciphers: Ciphers
) -> list[Written]:
    """Write the accounts that nothing stands against, within the transaction of the connection."""
    _lock_counter(connection, context, max(creation.account for creation in creations))
    users = sorted({creation.user for creation in creations})
    taken = _taken(connection, context, users)
    existing = set(connection.scalars(sa.select(USER.c.id).where(USER.c.cid == context, among(USER.c.id, users))))
    results: list[Written] = []
    rows: dict[TableClause, list[_Row]] = {MAIL: [], TRANSPORT: [], TRANSPORT_PROPERTIES: []}
    models: dict[tuple[MailboxRef, Fields], _Model] = {}
    for creation in creations:
        place = (creation.user, creation.mailbox.key)
        if place in taken:
            results.append(_met(creation, taken[place]))
            continue
        if creation.user not in existing:
            results.append(failed(creation, f"user {creation.user} does not exist any more"))
            continue
        kind = (creation.mailbox.ref, creation.fields)
        model = models.get(kind) or models.setdefault(kind, _Model(context, creation, shape, ciphers))
        mail, transport = model.rows(creation)
        if problem := model.problem or model.ill_fitting_password(mail, transport):
            results.append(failed(creation, problem))
            continue
        rows[MAIL].append(mail)
        if transport is not None:
            rows[TRANSPORT].append(transport)
            if creation.fields.transport_auth is not None:
                rows[TRANSPORT_PROPERTIES].append(
                    property_row(context, creation.user, creation.account, creation.fields.transport_auth)
                )
        taken[place] = (creation.account, True)
        results.append(done(creation, model.seal(mail, transport)))
    for table, some in rows.items():
        insert_rows(connection, table, some)
    return results


class _Model:
    """The rows of a mailbox's accounts, made and measured once; only ids and passwords are an account's own."""

    def __init__(self, context: int, creation: Creation, shape: Shape, ciphers: Ciphers) -> None:
        self._account, self._shape, self._ciphers = creation.mailbox.account, shape, ciphers
        self._mail, self._transport = _mail_row(context, creation), _transport_row(context, creation)
        self.problem = shape.too_long(MAIL, self._mail)
        if self._transport is not None and self.problem is None:
            self.problem = shape.too_long(TRANSPORT, self._transport)

    def rows(self, creation: Creation) -> tuple[_Row, _Row | None]:
        """Give mail and transport row of an account, the passwords encrypted for it alone."""
        own: _Row = {"id": creation.account, "user": creation.user}
        account, encrypted = self._account, self._ciphers.text
        mail = {**self._mail, **own, "password": encrypted(account.password)}
        if self._transport is None:
            return mail, None
        return mail, {**self._transport, **own, "password": encrypted(account.transport_password)}

    def ill_fitting_password(self, mail: _Row, transport: _Row | None) -> str | None:
        """Say that an encrypted password is too long for its column; None = both fit."""
        return self._shape.too_long(MAIL, {"password": mail["password"]}) or (
            self._shape.too_long(TRANSPORT, {"password": transport["password"]}) if transport else None
        )

    def seal(self, mail: _Row, transport: _Row | None) -> bytes | None:
        """Give the seal of the passwords in the rows."""
        second = (transport["password"], self._account.transport_password) if transport else (None, None)
        return self._ciphers.seal((mail["password"], self._account.password), second)  # type: ignore[arg-type]


def insert_rows(connection: Connection, table: TableClause, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that all have the same columns.

    In MySQL by one statement in which every distinct value is a parameter: most of 30 columns are the same in all rows,
    and the driver escapes each parameter once.
    """
    if not rows:
        return
    names = list(rows[0])
    if connection.dialect.name == "sqlite":
        connection.execute(sa.insert(table).values({name: sa.bindparam(name) for name in names}), list(rows))
        return
    columns = ", ".join(f"`{name}`" for name in names)
    for some in chunks(rows, _TOGETHER):
        marks: dict[tuple[type, object], str] = {}
        texts = []
        for row in some:
            keys = [(type(value), value) for value in row.values()]  # 1 and True are equal and not the same
            texts.append(",".join([marks.get(key) or marks.setdefault(key, f"%({len(marks)})s") for key in keys]))
        statement = f"INSERT INTO {table.name} ({columns}) VALUES ({'), ('.join(texts)})"
        connection.exec_driver_sql(statement, {str(number): value for number, (_, value) in enumerate(marks)})


def property_row(context: int, user: int, account: int, value: str) -> _Row:
    """Give the `transport.auth` property of an account."""
    return {"cid": context, "user": user, "id": account, "name": AUTH, "value": value}


def transport_row(
    context: int, user: int, account: int, address: str, columns: Mapping[str, object], deactivated: object = 0
) -> _Row:
    """Give a whole transport row; `columns` has name, url, login, password, personal, replyTo and starttls."""
    row: _Row = {"cid": context, "id": account, "user": user, **columns, "send_addr": address, "default_flag": 0}
    return row | {"unified_inbox": 0, "oauth": None, "disabled": 0, "secondary": 1, "deactivated": deactivated}


def _lock_counter(connection: Connection, context: int, highest: int) -> None:
    """Lock the counter's row; whoever creates accounts in this context waits until we are done."""
    value = connection.scalar(sa.select(SEQUENCE.c.id).where(SEQUENCE.c.cid == context).with_for_update())
    if value is None:
        raise StoreRefused(f"context {context} has no row in {SEQUENCE.name}", hint="OX writes it with the context")
    if value < highest:
        raise StoreRefused(f"the account counter of context {context} went back to {value}, {highest} was reserved")


def _taken(connection: Connection, context: int, users: Sequence[int]) -> dict[tuple[int, str], tuple[int, bool]]:
    """Give all accounts of the users: (user, collation key) → (id, secondary); a private one shadows others."""
    statement = sa.select(MAIL.c.user, MAIL.c.id, MAIL.c.primary_addr, MAIL.c.secondary)
    found: dict[tuple[int, str], tuple[int, bool]] = {}
    for user, account, address, secondary in connection.execute(
        statement.where(MAIL.c.cid == context, among(MAIL.c.user, users))
    ):
        place = (user, collation_key(address))
        if place not in found or not secondary:
            found[place] = (account, bool(secondary))
    return found


def _met(creation: Creation, other: tuple[int, bool]) -> Written:
    """Decide about an account that exists: it is ours exactly when it has the id reserved for it."""
    account, secondary = other
    if account == creation.account and secondary:
        return done(creation)
    return failed(creation, in_the_way(account, secondary=secondary))


def in_the_way(account: int, *, secondary: bool) -> str:
    """Say that an account with the address exists, by its id and whether it is a secondary one."""
    if account == 0:
        return "the user's primary account has this address"
    kind = "an" if secondary else "a private"
    return f"{kind} account with this address exists already (id {account})"


def _mail_row(context: int, creation: Creation) -> _Row:
    account, fields = creation.mailbox.account, creation.fields
    folders = account.folders
    row: _Row = {"cid": context, "id": creation.account, "user": creation.user}
    row |= {"name": account.name, "url": fields.mail_url, "login": fields.login}
    row |= {"password": None, "primary_addr": creation.mailbox.address}
    row |= {"personal": _unless_blank(account.personal), "replyTo": _unless_blank(account.reply_to)}
    row |= {"default_flag": 0, "spam_handler": SPAM_HANDLER, **dict.fromkeys(SHORT_FOLDERS, ""), "archive": ""}
    row |= {f"{kind}_fullname": _without_default(folders.get(kind)) for kind in SHORT_FOLDERS}
    row |= {"archive_fullname": folders.get("archive", "")}  # OX keeps the prefix here (ox-behaviour 2.1)
    return row | {
        "unified_inbox": 0,
        "starttls": int(fields.mail_starttls),
        "oauth": None,
        "secondary": 1,
        "deactivated": 0,
    }


def _transport_row(context: int, creation: Creation) -> _Row | None:
    account, fields = creation.mailbox.account, creation.fields
    if fields.transport_url is None:
        return None
    columns = {
        "name": account.name,
        "url": fields.transport_url,
        "login": fields.transport_login or "",
        "password": None,
        "personal": _unless_blank(account.personal),
        "replyTo": _unless_blank(account.reply_to),
        "starttls": int(bool(fields.transport_starttls)),
    }
    return transport_row(context, creation.user, creation.account, creation.mailbox.address, columns)


def _unless_blank(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _without_default(folder: str | None) -> str | None:
    """Take `default0/` off as OX does (ox-behaviour 18.4): `default0` and `default0/` become empty text."""
    return None if folder is None else re.sub(r"^default\d+(?:/|$)", "", folder)
