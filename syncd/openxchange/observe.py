"""Read the accounts of mailboxes: one statement per table, whatever the number of contexts, users and mailboxes.

Candidates are chosen by the database (`primary_addr IN (…)` under its collation; there is no index on that column, so
one pass over the contexts serves all mailboxes), the final word has `collation_key`. Transport rows come with their
`transport.auth` property and are joined here. Equal fields are shared, so 100,000 accounts of a mailbox cost little
more than their ids.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause

from syncd.core.accounts import folders_text, spared
from syncd.core.address import collation_key
from syncd.core.model import Endpoint, Fields, Mailbox, MailboxRef, Observed
from syncd.openxchange.matching import FEW
from syncd.openxchange.obfuscation import Obfuscator
from syncd.openxchange.packing import NULL, records, unpack
from syncd.openxchange.tables import AUTH, FOLDERS, MAIL, TRANSPORT, TRANSPORT_PROPERTIES, among
from syncd.openxchange.users import chunks, primary_endpoints

_T = TypeVar("_T")
_ADDRESSES = 5000
"""Addresses in one statement; 2,000 mailboxes of 50 members are one pass over the table."""


class _Mail(NamedTuple):
    """The part of a mail row that many rows share."""

    mailbox: Mailbox
    address: str
    secondary: bool
    name: str
    failing: str | None
    fields: tuple[str, str, bool]
    texts: tuple[str | None, str | None, str | None, str | None]
    """As the last of `Fields`: what is enforced of name, personal, reply-to and folders."""


class _Transport(NamedTuple):
    """The part of a transport row that many rows share; the context is one of it."""

    context: int
    failing: str | None
    fields: tuple[str, bool, str, str | None, bool]


_NO_TRANSPORT = _Transport(0, None, (None,) * 5)  # type: ignore[arg-type]
_Row = tuple[int, int, _Mail, str | None]
"""Account id, user, shared part, stored password (where the mailbox manages it)."""
_Places = dict[int, dict[int, _T]]
"""By context, then by user and account id in one number."""


class Passwords:
    """Judge stored passwords: by the seal that an earlier run left, else by decrypting."""

    def __init__(self, obfuscator: Obfuscator | None, seals: Mapping[tuple[int, int, int], bytes]) -> None:
        self._obfuscator = obfuscator
        self._seals = seals

    def judge(
        self, account: tuple[int, int, int], stored: tuple[str | None, str | None], mailbox: Mailbox
    ) -> tuple[bool | None, bytes | None]:
        """Give whether mail and transport ciphertext are the configured passwords, and a seal if that is news.

        `account` is (context, user, id); the second ciphertext is None where there is no transport row.
        """
        wanted = (mailbox.account.password, mailbox.account.transport_password)
        pairs = [(text, secret.reveal()) for text, secret in zip(stored, wanted, strict=True) if secret is not None]
        if self._obfuscator is None or not pairs:
            return None, None
        if wanted[1] is not None and stored[1] is None:
            pairs = pairs[:-1]
        if not pairs:
            return None, None
        seal = seal_of(self._obfuscator, pairs)
        if self._seals.get(account) == seal:
            return True, None
        for text, plain in pairs:
            if self._obfuscator.decrypt(text or "") != plain:
                return False, None
        return True, seal


def seal_of(obfuscator: Obfuscator, pairs: Iterable[tuple[str | None, str]]) -> bytes:
    """Give one seal for all managed passwords of an account; pairs of ciphertext and password."""
    texts, plains = zip(*((text or "", plain) for text, plain in pairs), strict=True)
    return obfuscator.seal("\0".join(texts), "\0".join(plains))


def observe_accounts(
    connection: Connection, mailboxes: Collection[Mailbox], passwords: Passwords
) -> tuple[dict[MailboxRef, list[Observed]], dict[tuple[int, int], tuple[Endpoint, Endpoint | None]]]:
    """Read the accounts of mailboxes in one snapshot, and the primary accounts that some copy from."""
    found: list[_Row] = []
    for group in chunks(sorted(mailboxes, key=lambda mailbox: mailbox.key), _ADDRESSES):
        found += _mail_rows(connection, group)
    transports, secrets = _transports(connection, found, mailboxes)
    accounts: dict[MailboxRef, list[Observed]] = {mailbox.ref: [] for mailbox in mailboxes}
    shared: dict[tuple[int, int], tuple[list[Observed], Fields, bool]] = {}
    nothing: dict[int, _Transport] = {}
    for account, user, mail, ciphertext in found:
        context, place = mail.mailbox.context, user << 32 | account
        transport = transports.get(context, nothing).get(place, _NO_TRANSPORT)
        pair = (id(mail), id(transport))  # equal rows are one object, see `_mail_rows`
        if pair not in shared:
            judged = mail.secondary and keeps_passwords(mail.mailbox)
            shared[pair] = (accounts[mail.mailbox.ref], _fields(mail, transport), judged)
        among, fields, judged = shared[pair]
        good, seal = None, None
        if judged and account:
            stored = (ciphertext, secrets.get(context, {}).get(place))
            good, seal = passwords.judge((context, user, account), stored, mail.mailbox)
        address, secondary, name = mail.address, mail.secondary, mail.name
        among.append(Observed(context, user, account, address, secondary, name, fields, good, seal))
    copying: dict[int, set[int]] = {}
    for mailbox in mailboxes:
        if mailbox.account.primary:
            copying.setdefault(mailbox.context, set()).update(observed.user for observed in accounts[mailbox.ref])
    return accounts, primary_endpoints(connection, copying)


def address_in(connection: Connection, column: ColumnElement[Any], mailboxes: Iterable[Mailbox]) -> ColumnElement[bool]:
    """Give the condition that an address equals, by collation, that of one of the mailboxes."""
    if connection.dialect.name == "sqlite":
        return sa.func.collation_key(column).in_([mailbox.key for mailbox in mailboxes])
    return column.in_([mailbox.address for mailbox in mailboxes])


def keeps_passwords(mailbox: Mailbox) -> bool:
    """Tell whether stored passwords are kept as configured."""
    account = mailbox.account
    kept = account.policy.password == "enforce"  # noqa: S105 - a policy, no password
    return kept and (account.password is not None or account.transport_password is not None)


def _mail_rows(connection: Connection, mailboxes: Collection[Mailbox]) -> list[_Row]:
    """Read the mail rows whose address is that of a mailbox."""
    managed = [mailbox for mailbox in mailboxes if mailbox.account.password is not None and keeps_passwords(mailbox)]
    password: ColumnElement[Any] = sa.null()
    if managed:
        password = sa.case((address_in(connection, MAIL.c.primary_addr, managed), MAIL.c.password))
    shared = [
        _failing(MAIL),
        MAIL.c.cid,
        MAIL.c.secondary,
        MAIL.c.starttls,
        MAIL.c.url,
        MAIL.c.login,
        MAIL.c.primary_addr,
        MAIL.c.name,
    ]
    if any(mailbox.account.policy.texts for mailbox in mailboxes):  # else they would part rows that are equal to us
        shared += [MAIL.c.personal, MAIL.c.replyTo, *(MAIL.c[f"{kind}_fullname"] for kind in FOLDERS)]
    addresses = address_in(connection, MAIL.c.primary_addr, mailboxes)
    condition = sa.and_(among(MAIL.c.cid, _contexts(mailboxes)), addresses)
    by_ref = {mailbox.ref: mailbox for mailbox in mailboxes}
    known: dict[bytes, _Mail | None] = {}
    rows: list[_Row] = []
    for account, user, ciphertext, text in records(
        connection, (MAIL.c.id, MAIL.c.user, password, *shared), 3, MAIL, condition
    ):
        try:
            mail = known[text]
        except KeyError:
            mail = known[text] = _mail(text, by_ref)
        if mail is not None:
            rows.append((int(account), int(user), mail, None if ciphertext == NULL else ciphertext.decode()))
    return rows


def _contexts(mailboxes: Iterable[Mailbox]) -> list[int]:
    return sorted({mailbox.context for mailbox in mailboxes})


def _mail(text: bytes, by_ref: Mapping[MailboxRef, Mailbox]) -> _Mail | None:
    failing, context, secondary, starttls, url, login, address, name, *more = unpack(text)
    mailbox = by_ref.get(MailboxRef(int(context or 0), collation_key(address or "")))
    if mailbox is None:
        return None
    fields = (login or "", url or "", starttls == "1")
    return _Mail(
        mailbox, address or "", secondary == "1", name or "", failing, fields, enforced_texts(mailbox, name or "", more)
    )


def enforced_texts(
    mailbox: Mailbox, name: str, more: list[str | None]
) -> tuple[str | None, str | None, str | None, str | None]:
    """Give what is enforced, as the last of `Fields`; `more` has personal, reply-to and folders where anything is."""
    account, policy = mailbox.account, mailbox.account.policy
    if not policy.texts:
        return (None, None, None, None)
    personal, reply_to, *names = more
    folders = {kind: folder for kind, folder in zip(FOLDERS, names, strict=True) if kind in account.folders}
    return (
        name if policy.name == "enforce" else None,
        spared(personal) if policy.personal == "enforce" else None,
        spared(reply_to) if policy.reply_to == "enforce" else None,
        folders_text(folders) if policy.folders == "enforce" and folders else None,
    )


def _transports(
    connection: Connection, found: Collection[_Row], mailboxes: Collection[Mailbox]
) -> tuple[_Places[_Transport], _Places[str]]:
    """Read the transport rows with their property, and passwords where managed ("" where the row has none)."""
    if not found:
        return {}, {}
    table, properties = TRANSPORT.alias("t"), TRANSPORT_PROPERTIES.alias("p")
    same = [properties.c[name] == table.c[name] for name in ("cid", "id", "user")]
    managed = [
        mailbox for mailbox in mailboxes if mailbox.account.transport_password is not None and keeps_passwords(mailbox)
    ]
    password: ColumnElement[Any] = sa.null()
    if managed:
        stored = sa.func.coalesce(table.c.password, "")
        password = sa.case((address_in(connection, table.c.send_addr, managed), stored))
    few = among(table.c.id, {row[0] for row in found}) if len(found) <= FEW else table.c.id != 0
    known: dict[bytes, _Transport] = {}
    rows: _Places[_Transport] = {}
    secrets: _Places[str] = {}
    shared = (
        _failing(table),
        table.c.cid,
        table.c.secondary,
        table.c.starttls,
        table.c.url,
        table.c.login,
        properties.c.value,
    )
    columns = (table.c.id, table.c.user, password, *shared)
    source = table.outerjoin(properties, sa.and_(*same, properties.c.name == AUTH))
    here = sa.and_(among(table.c.cid, sorted({row[2].mailbox.context for row in found})), few)
    for account, user, ciphertext, text in records(connection, columns, 3, source, here):
        transport = known.get(text)
        if transport is None:
            transport = known[text] = _transport(text)
        place = int(user) << 32 | int(account)
        try:
            rows[transport.context][place] = transport
        except KeyError:
            rows[transport.context] = {place: transport}
        if ciphertext != NULL:
            secrets.setdefault(transport.context, {})[place] = ciphertext.decode()
    return rows, secrets


def _transport(text: bytes) -> _Transport:
    failing, context, secondary, starttls, url, login, auth = unpack(text)
    return _Transport(int(context or 0), failing, (url or "", starttls == "1", login or "", auth, secondary == "1"))


def _failing(table: FromClause) -> ColumnElement[Any]:
    """Say what failed logins did to an account; NULL = nothing."""
    return sa.case((table.c.disabled == 1, "switched off"), (table.c.failed_auth_count > 0, "counted"))


def _fields(mail: _Mail, transport: _Transport) -> Fields:
    """Join both parts."""
    url, starttls, login, auth, secondary = transport.fields
    return Fields(*mail.fields, url, starttls, login, auth, secondary, *mail.texts, mail.failing or transport.failing)
