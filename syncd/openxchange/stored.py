"""Look at the passwords that are stored: in which of the two formats they are, and which cannot be read any more.

Open-Xchange from 8.16 on does not read what earlier releases stored, and hands the text itself to the mail server as
password (ox-facts 3.3). Rows of both formats therefore mean: upgraded, and not all of them written again since; the
newer format is the one in use. Only secondary accounts count: the user's own ones are encrypted by another key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, TableClause

from syncd.core.address import collation_key
from syncd.core.model import Secret
from syncd.openxchange.matching import FEW
from syncd.openxchange.obfuscation import Automatic, Format, Legacy, Obfuscation, Obfuscator, obfuscator
from syncd.openxchange.tables import MAIL, TRANSPORT, among
from syncd.openxchange.users import chunks

_FIELDS = 6
"""Parts of a text of the format argon2, joined by `$` (ox-facts 3.2)."""
SAMPLE = 50
"""So many stored texts are tried by `unreadable`; each takes some 20 ms where Open-Xchange wrote it."""


class Stock(NamedTuple):
    """How many passwords are stored in each format."""

    argon2: int
    legacy: int

    @property
    def format(self) -> Format:
        """The format in use; argon2 where nothing is stored."""
        return "legacy" if self.legacy and not self.argon2 else "argon2"


class Stale(NamedTuple):
    """An account whose stored passwords Open-Xchange cannot read as they are."""

    user: int
    account: int
    mail: Secret | None
    """The mail password, read by the other format; None = need not, or cannot, be written again."""
    transport: Secret | None
    """Likewise that of the transport."""
    lost: tuple[str, ...]
    """Which of them ("mail", "transport") no format reads."""


class Sifted(NamedTuple):
    """What the stored passwords of some accounts are like."""

    stale: tuple[Stale, ...]
    opened: int
    """Stored texts, of all these accounts, that the key opens in either format."""


@runtime_checkable
class KnowsPasswords(Protocol):
    """What a store offers besides where it can read stored passwords of any format."""

    def stale(self, context: int, mailbox_key: str, accounts: Collection[tuple[int, int]]) -> Sifted:
        """Give those of the accounts, by (user, id), whose passwords are not stored in the format in use.

        Raises:
            StoreRefused: there is no key, or the passwords cannot be seen.
        """
        ...


def read_stock(connection: Connection) -> Stock:
    """Count the stored passwords of all secondary accounts, in one pass over each table."""
    counts = {True: 0, False: 0}
    for table in (MAIL, TRANSPORT):
        new = (_dollars(connection, table) == _FIELDS - 1).label("new")
        statement = sa.select(new, sa.func.count()).where(_kept(table)).group_by(new)
        for is_new, count in connection.execute(statement):
            counts[bool(is_new)] += count
    return Stock(argon2=counts[True], legacy=counts[False])


def unreadable(connection: Connection, options: Obfuscation, stock: Stock) -> tuple[int, int]:
    """Try some of the texts of the format in use; give how many cannot be decrypted, and how many were tried."""
    engine = obfuscator(options)
    wanted: Format = stock.format if options.format == "auto" else options.format
    if isinstance(engine, Automatic):
        engine.settle(wanted)
    bad = tried = 0
    for table in (MAIL, TRANSPORT):
        of_format = (_dollars(connection, table) == _FIELDS - 1) == (wanted == "argon2")
        statement = sa.select(table.c.password).where(_kept(table), of_format).limit(SAMPLE)
        for text in connection.scalars(statement):
            tried += 1
            bad += engine.decrypt(text) is None
    return bad, tried


def stale_accounts(
    connection: Connection,
    context: int,
    key: str,
    accounts: Collection[tuple[int, int]],
    engine: Obfuscator,
    other: str,
) -> Sifted:
    """Give the accounts, of those at an address, whose texts `engine` does not read; see `KnowsPasswords`.

    Args:
        connection: reads.
        context: of the accounts.
        key: collation key of their address.
        accounts: (user, id) of each.
        engine: of the format in use.
        other: the key text of the installation, for the other format.
    """
    fallback = _other(engine, other)
    found: list[Stale] = []
    opened = 0
    for group in chunks(sorted(set(accounts)), FEW):
        texts = {table: _texts(connection, context, table, frozenset(group)) for table in (MAIL, TRANSPORT)}
        for place in group:
            row = texts[MAIL].get(place)
            if row is None or collation_key(row[1]) != key:
                continue
            transport = texts[TRANSPORT].get(place)
            parts = {"mail": row[0], "transport": transport[0] if transport else None}
            given = {name: text for name, text in parts.items() if text}
            bad = {name: text for name, text in given.items() if engine.decrypt(text) is None}
            plains = {name: plain for name, text in bad.items() if (plain := fallback.decrypt(text)) is not None}
            opened += len(given) - len(bad) + len(plains)
            if bad:
                secrets = [Secret(plains[name]) if name in plains else None for name in parts]
                found.append(Stale(*place, secrets[0], secrets[1], tuple(name for name in bad if name not in plains)))
    return Sifted(tuple(found), opened)


def _other(engine: Obfuscator, key: str) -> Obfuscator:
    """Give the engine of the other format."""
    if isinstance(engine, Automatic):
        return engine.formats["legacy" if engine.format == "argon2" else "argon2"]
    kind: Format = "argon2" if isinstance(engine, Legacy) else "legacy"
    return obfuscator(Obfuscation(format=kind, key=Secret(key)))


def _texts(
    connection: Connection, context: int, table: TableClause, wanted: frozenset[tuple[int, int]]
) -> dict[tuple[int, int], tuple[str | None, str]]:
    """Give stored text and address by (user, id)."""
    address = table.c.primary_addr if table is MAIL else table.c.send_addr
    mine = sa.and_(table.c.cid == context, table.c.secondary == 1, among(table.c.id, {one for _, one in wanted}))
    rows = connection.execute(sa.select(table.c.user, table.c.id, table.c.password, address).where(mine))
    return {(user, one): (text, mail) for user, one, text, mail in rows if (user, one) in wanted}


def _kept(table: TableClause) -> ColumnElement[bool]:
    """Hold for rows with a password of a secondary account; blank ones are stored as they are."""
    return sa.and_(table.c.secondary == 1, table.c.id != 0, sa.func.trim(table.c.password) != "")


def _dollars(connection: Connection, table: TableClause) -> ColumnElement[Any]:
    length = sa.func.length if connection.dialect.name == "sqlite" else sa.func.char_length
    return length(table.c.password) - length(sa.func.replace(table.c.password, "$", ""))


def stocktaking(connection: Connection, options: Obfuscation) -> Iterator[tuple[bool, str, str]]:
    """Say what is stored, for `check`: (whether it is as it should be, text, hint)."""
    stock = read_stock(connection)
    chosen: Format = stock.format if options.format == "auto" else options.format
    total = stock.argon2 + stock.legacy
    why = " (auto)" if options.format == "auto" else ""
    use = "Open-Xchange uses them with com.openexchange.mail.secondary.passwordSource=user only"
    if not total:
        yield True, f"none yet; they will be stored as {chosen}{why}; {use}", ""
        return
    others = stock.legacy if chosen == "argon2" else stock.argon2
    counted = f"{stock.argon2} argon2, {stock.legacy} legacy; in use: {chosen}{why}"
    hint = "Open-Xchange does not read the others: `syncd reseal` writes them again"
    yield not others, f"{counted}; {use}", hint if others else ""
    bad, tried = unreadable(connection, options, stock)
    if bad:
        text = f"{bad} of {tried} looked at cannot be decrypted"
        yield False, text, "is it the key of this cluster (com.openexchange.sessiond.encryptionKey)?"
