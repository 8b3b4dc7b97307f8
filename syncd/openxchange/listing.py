"""Read whole secondary accounts for people: what `syncd account list` shows, with or without the passwords.

The answers are those of the vendor's list (ox-facts 2.9, 6.5): rows with `secondary` = 1, however broken they are
otherwise. Nothing is written for it; the vendor's list repairs URLs in the tables as it goes, ours shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy import Connection

from syncd.core.model import Endpoint, Secret
from syncd.openxchange.tables import FOLDERS, MAIL, TRANSPORT, among
from syncd.openxchange.users import chunks

HIDDEN = Secret("***")
"""Stands for a stored password that was not asked for."""
_USERS = 5000
"""Users in one statement."""
_MAIL = ("id", "user", "primary_addr", "name", "login", "password", "personal", "replyTo", "url", "starttls")
_TRANSPORT = ("id", "user", "login", "password", "url", "starttls")
Reveal = Callable[[str], Secret | None]
"""Makes a password of a stored text; None = it cannot be decrypted."""


class Listed(NamedTuple):
    """One stored secondary account."""

    context: int
    user: int
    account: int
    address: str
    name: str
    login: str
    password: Secret | None
    """None = none is stored; HIDDEN unless it was asked for; what cannot be decrypted is the stored text itself."""
    personal: str | None
    reply_to: str | None
    mail: Endpoint
    transport: Endpoint | None
    """None = there is no transport row."""
    transport_login: str
    transport_password: Secret | None
    folders: Mapping[str, str]
    """Full names by kind, as far as they are set."""
    unreadable: bool
    """Whether a password was asked for and could not be decrypted."""


@runtime_checkable
class ListsAccounts(Protocol):
    """What a store offers besides where it can list accounts."""

    def listed(self, context: int, users: Collection[int] | None = None, *, passwords: bool = False) -> list[Listed]:
        """Give the secondary accounts of users (None = of the context) by account id and user.

        Raises:
            StoreRefused: passwords were asked for, some are stored, and there is no key to read them with.
        """
        ...


def list_accounts(
    connection: Connection, context: int, users: Collection[int] | None, reveal: Reveal | None
) -> list[Listed]:
    """Read the accounts as `ListsAccounts` promises; `reveal` None = leave the passwords hidden."""
    groups: list[Collection[int] | None] = [None] if users is None else list(chunks(sorted(set(users)), _USERS))
    found: list[Listed] = []
    for group in groups:
        mails = _rows(connection, MAIL, _MAIL + tuple(f"{kind}_fullname" for kind in FOLDERS), context, group)
        transports = {(row["user"], row["id"]): row for row in _rows(connection, TRANSPORT, _TRANSPORT, context, group)}
        found += [_listed(context, row, transports.get((row["user"], row["id"])), reveal) for row in mails]
    return sorted(found, key=lambda one: (one.account, one.user))


def _rows(
    connection: Connection, table: sa.TableClause, columns: tuple[str, ...], context: int, users: Collection[int] | None
) -> list[Mapping[str, Any]]:
    """Read rows of some users; of mail rows the secondary ones only."""
    statement = sa.select(*(table.c[name] for name in columns)).where(table.c.cid == context, table.c.id != 0)
    if table is MAIL:
        statement = statement.where(table.c.secondary == 1)
    if users is not None:
        statement = statement.where(among(table.c.user, users))
    return [dict(row) for row in connection.execute(statement).mappings()]


def _listed(
    context: int, mail: Mapping[str, Any], transport: Mapping[str, Any] | None, reveal: Reveal | None
) -> Listed:
    texts = (mail["password"], transport["password"] if transport else None)
    passwords = [_password(text, reveal) for text in texts]
    return Listed(
        context=context,
        user=mail["user"],
        account=mail["id"],
        address=mail["primary_addr"],
        name=mail["name"],
        login=mail["login"],
        password=passwords[0][0],
        personal=mail["personal"],
        reply_to=mail["replyTo"],
        mail=Endpoint(mail["url"], bool(mail["starttls"])),
        transport=Endpoint(transport["url"], bool(transport["starttls"])) if transport else None,
        transport_login=transport["login"] if transport else "",
        transport_password=passwords[1][0],
        folders={kind: name for kind in FOLDERS if (name := mail[f"{kind}_fullname"])},
        unreadable=any(unreadable for _, unreadable in passwords),
    )


def _password(text: str | None, reveal: Reveal | None) -> tuple[Secret | None, bool]:
    """Give a stored password, and whether it could not be read."""
    if not text:
        return (None if text is None else Secret("")), False
    if reveal is None:
        return HIDDEN, False
    plain = reveal(text)
    return (Secret(text), True) if plain is None else (plain, False)
