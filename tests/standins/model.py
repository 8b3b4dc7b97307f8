"""The stand-in for the vendor's middleware: create, update, delete and list secondary accounts, traps included.

It does to the Open-Xchange tables what the vendor's level 8.19 was observed to do (ox-behaviour; every recorded call is
a test). That includes what is wrong there: update and delete take any account with the address, account 0 as well; both
passwords in one update store the mail password twice; a partial URL for several users spreads the first user's host;
transport fields for an account without transport row make it an ordinary one; duplicates are looked for before the
counter is locked. Nothing here is an example of how to do it.

Left out: caches (a list shows what is in the tables), DNS, configuration that changes what is listed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from syncd.core.address import collation_key
from syncd.core.model import Secret
from syncd.openxchange.obfuscation import Obfuscation, Obfuscator, obfuscator
from syncd.openxchange.tables import (
    AUTH,
    MAIL,
    SPAM_HANDLER,
    TRANSPORT,
    TRANSPORT_PROPERTIES,
    UNBROKEN,
    Shape,
    read_shape,
)
from tests.standins import endpoints, faults, listing, rows
from tests.standins.contract import FOLDERS
from tests.standins.rows import Row

Arguments = Mapping[str, Any]
"""A request as `envelope.read_request` gives it: element → value; absent and nil are alike None."""
KEY = Secret("auw948cz,spdfgibcsp9e8ri+<#qawcghgifzign7c6gnrns9oysoeivn")
"""The key that the vendor shipped until about 8.2, and that the recordings were made with."""
_LOCK_HOLDS = 60_000
"""Milliseconds after which the lock of a schema update counts as forgotten, the vendor's default."""
_LAST_ID = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What an installation has besides its tables."""

    password: str = "secret"
    """Of the administrators of all contexts; their logins are in the tables."""
    master: tuple[str, str] | None = None
    """Login and password of the master administrator, where he may act for contexts."""
    cipher: Obfuscator = field(default_factory=lambda: obfuscator(Obfuscation(format="argon2", key=KEY)))
    schema: str = "oxdatabase_5"
    host: str = "127.0.0.1"
    pool: int = 2
    replicated: bool = False
    """Whether reads go to another pool than writes: then each change counts in `replicationMonitor`."""


class Middleware:
    """The provisioning part of the vendor's middleware on a database with the Open-Xchange tables."""

    def __init__(self, engine: Engine, installation: Installation | None = None) -> None:
        self.installation = installation or Installation()
        self.after_checks: Callable[[], None] | None = None
        """Called in create between the look for duplicates and the insert: here others can race."""
        self._engine = engine
        self._shape: Shape | None = None
        self._last_insert_id = 0

    def call(self, operation: str, arguments: Arguments) -> bool | list[dict[str, object]] | None:
        """Carry out an operation of the service in one transaction.

        Returns:
            None for create, whether anything matched for update and delete, the accounts for list.

        Raises:
            Fault: it failed and nothing was changed.
        """
        context = _checked(operation, arguments)
        with _as_faults(), self._engine.begin() as connection:
            self._admit(connection, context, arguments.get("auth"))
            if self._shape is None:
                self._shape = read_shape(connection)
            users = _people(connection, context, arguments, optional=operation == "list")
            if operation == "list":
                return listing.accounts(connection, context, users, self.installation.cipher, self._shape)
            return self._write(connection, operation, context, arguments, users or [])

    def _write(
        self, connection: Connection, operation: str, context: int, arguments: Arguments, users: list[int]
    ) -> bool | None:
        work = _Work(connection, context, self.installation.cipher, self._shape or read_shape(connection))
        if operation == "create":
            made = work.prepare(arguments["accountDataOnCreate"], users)
            if self.after_checks is not None:
                self.after_checks()
            self._insert(work, made)
            result = None
        elif operation == "update":
            result = work.update(arguments["primaryAddress"], arguments.get("accountDataUpdate"), users)
        else:
            result = work.delete(arguments["primaryAddress"], users)
        if work.wrote and self.installation.replicated:
            rows.count_transaction(connection, context)
        return result

    def _admit(self, connection: Connection, context: int, auth: Mapping[str, str | None] | None) -> None:
        """Check credentials and that no update runs, in this order; an unknown context has no administrator."""
        login = rows.administrator(connection, context)
        given = (auth or {}).get("login"), (auth or {}).get("password")
        if login is None or given not in {(login, self.installation.password), self.installation.master}:
            raise faults.unauthorized()
        since = rows.locked_at(connection)
        if since is not None and time.time() * 1000 - since < _LOCK_HOLDS:
            raise faults.updating(self.installation.schema, self.installation.pool, self.installation.host)

    def _insert(self, work: _Work, made: Sequence[_Made]) -> None:
        """Take the ids and insert; a context without counter gets the last id of the connection, as at the vendor's."""
        if not made:
            return
        last = rows.take_ids(work.connection, work.context, len(made))
        if last is not None and last > _LAST_ID:
            raise faults.storage(
                f"com.mysql.cj.exceptions.NumberOutOfRange: Value '{last}' is outside of valid range for type int"
            )
        first = self._last_insert_id if last is None else last - len(made) + 1
        self._last_insert_id = first + len(made) - 1 if last is not None else first
        numbered = [(first + (0 if last is None else number), one) for number, one in enumerate(made)]
        rows.insert(work.connection, MAIL, [{**one.mail, "id": account} for account, one in numbered])
        transports = [(account, one.transport) for account, one in numbered if one.transport is not None]
        rows.insert(work.connection, TRANSPORT, [{**row, "id": account} for account, row in transports])
        properties = [
            {"cid": work.context, "user": row["user"], "id": account, "name": AUTH, "value": "mail"}
            for account, row in transports
        ]
        rows.insert(work.connection, TRANSPORT_PROPERTIES, properties)
        work.wrote = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """The rows of an account that has no id yet."""

    mail: Row
    transport: Row | None


class _Work:
    """One call within its transaction."""

    def __init__(self, connection: Connection, context: int, cipher: Obfuscator, shape: Shape) -> None:
        self.connection = connection
        self.context = context
        self.wrote = False
        self._cipher = cipher
        self._shape = shape

    def prepare(self, data: Mapping[str, Any], users: Sequence[int]) -> list[_Made]:
        """Look for duplicates and make the rows, user by user, as far as possible without ids."""
        existing = rows.by_user(self.connection, MAIL, self.context, users)
        transports = rows.by_user(self.connection, TRANSPORT, self.context, users)
        made = []
        for user in users:
            if self._found(existing[user], user, data.get("primaryAddress")) is not None or (
                endpoints.same_box(data, existing[user])
            ):
                raise faults.duplicate(user, self.context)
            ends = endpoints.chosen(data, self.context, user, existing[user], transports[user])
            made.append(self._made(user, data, ends))
        return made

    def _found(self, accounts: Sequence[Row], user: int, address: str | None) -> Row | None:
        """Find a user's account by its address as the database compares; secondary or not does not matter."""
        if address is None:
            return None
        key = collation_key(address)
        found = [row for row in accounts if collation_key(row["primary_addr"]) == key]
        if len(found) > 1:
            where = f"for user {user} in context {self.context}"
            raise faults.storage(f"Found two mail accounts with same E-Mail address {address} {where}")
        return found[0] if found else None

    def _made(self, user: int, data: Mapping[str, Any], ends: endpoints.Ends) -> _Made:
        common = {"cid": self.context, "user": user, "name": data.get("name")}
        people = {"personal": _or_null(data.get("personal")), "replyTo": _or_null(data.get("replyTo"))}
        flags = {"default_flag": 0, "unified_inbox": 0, "secondary": 1, "deactivated": 0, "disabled": 0}
        mail: Row = common | {"url": ends.mail[0], "login": data.get("login")}
        mail |= {"password": self._sealed(data.get("password")), "primary_addr": data.get("primaryAddress")} | people
        mail |= {"spam_handler": SPAM_HANDLER, "archive": "", "starttls": int(ends.mail[1])} | flags
        mail |= dict.fromkeys(("trash", "sent", "drafts", "spam", "confirmed_spam", "confirmed_ham"), "")
        mail |= {column: _unprefixed(data.get(name)) for name, column in FOLDERS.items()}
        mail["archive_fullname"] = data.get("archiveFullname") or ""  # here the prefix stays
        rows.strict(MAIL, mail, self._shape)
        if ends.transport is None:
            return _Made(mail=mail, transport=None)
        transport: Row = common | {"url": ends.transport[0], "login": data.get("transportLogin") or ""}
        transport |= {"password": self._sealed(data.get("transportPassword")), "send_addr": mail["primary_addr"]}
        transport |= people | flags | {"starttls": int(ends.transport[1])}
        rows.strict(TRANSPORT, transport, self._shape)
        return _Made(mail=mail, transport=transport)

    def update(self, address: str, data: Mapping[str, Any] | None, users: Sequence[int]) -> bool:
        """Update the account of each user who has one with the address; say whether anybody has."""
        if data is None:
            accessor = "com.openexchange.admin.rmi.dataobjects.AccountData.isLoginset()"
            raise faults.Fault(f'Cannot invoke "{accessor}" because "accountData" is null')
        existing = rows.by_user(self.connection, MAIL, self.context, users)
        transports = rows.by_user(self.connection, TRANSPORT, self.context, users)
        servers = endpoints.Wanted(data)  # one for all users: what the first one's URL fills in stays
        any_found = False
        for user in users:
            mail = self._found(existing[user], user, address)
            if mail is not None:
                transport = next((row for row in transports[user] if row["id"] == mail["id"]), None)
                self._update_one(mail, transport, data, servers)
                any_found = True
        return any_found

    def _update_one(self, mail: Row, transport: Row | None, data: Mapping[str, Any], servers: endpoints.Wanted) -> None:
        both, mine, its = self._columns(data)
        url = servers.mail(mail, self.context)
        if url is not None:
            mine["url"] = url
        if {"login", "password", "url"} & mine.keys():
            mine |= UNBROKEN
            its = dict(UNBROKEN) | its
        if transport is None:
            row = servers.new_transport(mail | both)
            if row is not None:
                rows.strict(TRANSPORT, row, self._shape)
                rows.insert(self.connection, TRANSPORT, [row])
                self.wrote = True
        else:
            url = servers.transport(transport, self.context)
            if url is not None:
                its["url"] = url
            if {"login", "password", "url"} & its.keys():
                its |= UNBROKEN
            self.wrote |= rows.change(self.connection, TRANSPORT, transport, both | its, self._shape)
        self.wrote |= rows.change(self.connection, MAIL, mail, both | mine, self._shape)

    def _columns(self, data: Mapping[str, Any]) -> tuple[Row, Row, Row]:
        """Give the columns to set in both rows, in the mail row and in the transport row; URLs not yet."""
        given = {name: value for name, value in data.items() if value is not None}
        if given.get("name") == "":
            raise faults.account(16, "USER_INPUT", "Invalid mail account name: ")
        both = {name: given[name] for name in ("name",) if name in given}
        both |= {name: _or_null(given[name]) for name in ("personal", "replyTo") if name in given}
        mine = {"login": given["login"]} if "login" in given else {}
        its = {"login": given["transportLogin"]} if "transportLogin" in given else {}
        if "password" in given:
            mine["password"] = self._sealed(given["password"])
        if "transportPassword" in given:  # the vendor's mistake: the mail password goes first
            its["password"] = mine["password"] if "password" in mine else self._sealed(given["transportPassword"])
        mine |= {column: _unprefixed(given[name]) for name, column in FOLDERS.items() if name in given}
        if "mailStartTls" in given:
            mine["starttls"] = int(given["mailStartTls"])
        if "transportStartTls" in given:
            its["starttls"] = int(given["transportStartTls"])
        return both, mine, its

    def delete(self, address: str, users: Sequence[int]) -> bool:
        """Delete all accounts with the address, private and primary ones as well; say whether there were any."""
        key = collation_key(address)
        existing = rows.by_user(self.connection, MAIL, self.context, users)
        found = [row for user in users for row in existing[user] if collation_key(row["primary_addr"]) == key]
        for row in found:
            rows.delete(self.connection, row)
        self.wrote |= bool(found)
        return bool(found)

    def _sealed(self, password: str | None) -> str | None:
        return None if password is None else self._cipher.encrypt(password)


def _checked(operation: str, arguments: Arguments) -> int:
    """Give the context; refuse what lacks the data that the operation is about."""
    if operation == "create" and arguments.get("accountDataOnCreate") is None:
        raise faults.invalid("Account data is missing.")
    if operation in {"update", "delete"} and not arguments.get("primaryAddress"):
        raise faults.invalid("Primary address is empty.")
    context = (arguments.get("context") or {}).get("id")
    if context is None:
        raise faults.invalid("Missing context.")
    return int(context)


def _people(connection: Connection, context: int, arguments: Arguments, *, optional: bool) -> list[int] | None:
    """Give users and members of groups, each once, users first; None where none are named and none are needed."""
    users = [one["id"] for one in arguments.get("users") or () if one and one.get("id") is not None]
    groups = [one["id"] for one in arguments.get("groups") or () if one and one.get("id") is not None]
    if not users and not groups:
        if optional:
            return None
        raise faults.invalid("Missing users/groups in account data")
    if 0 in users:
        raise faults.invalid("One userobject has no userid or username")
    known = rows.known_users(connection, context, users)
    for user in users:
        if user not in known:
            raise faults.no_such("user", user, context)
    everybody = dict.fromkeys(users)
    for group in groups:
        found = rows.members(connection, context, group)
        if found is None:
            raise faults.no_such("group", group, context)
        everybody |= dict.fromkeys(found)
    return list(everybody)


@contextmanager
def _as_faults() -> Iterator[None]:
    """Let the database's own failures look like the driver's: locks held by others end as lost communications."""
    try:
        yield
    except sa.exc.OperationalError:
        raise faults.communications() from None


def _or_null(text: str | None) -> str | None:
    return text if text and text.strip() else None


def _unprefixed(folder: str | None) -> str | None:
    """Take `defaultN/` off a folder's full name; N alone is nothing left."""
    return None if folder is None else re.sub(r"^default\d+(?:/|$)", "", folder)
