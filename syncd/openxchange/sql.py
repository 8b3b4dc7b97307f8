"""The account store that reads and writes Open-Xchange's tables directly: MySQL, MariaDB, and SQLite for playgrounds.

This module only ties the parts together: `connect` (transactions), `gates` (lock, fitness), `users`, `groups`,
`contexts`, `observe`, `rows` (reading), `create`, `update`, `delete` (writing, by `batch`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection

from syncd.core.model import (
    Asked,
    Contexts,
    Endpoint,
    GroupRead,
    Mailbox,
    Observation,
    Secret,
    Users,
)
from syncd.errors import StoreRefused
from syncd.openxchange.base import Creation, Deletion, Updating, Written
from syncd.openxchange.batch import Item, apply_batch
from syncd.openxchange.connect import Database, StoreOptions
from syncd.openxchange.contexts import context_ids, named_contexts
from syncd.openxchange.create import Ciphers, create_accounts, reserve_ids
from syncd.openxchange.delete import delete_accounts
from syncd.openxchange.edit import Edit, edit_accounts
from syncd.openxchange.gates import NamedLock, refusals
from syncd.openxchange.groups import read_groups
from syncd.openxchange.listing import Listed, list_accounts
from syncd.openxchange.obfuscation import Automatic, obfuscator
from syncd.openxchange.observe import Passwords, observe_accounts
from syncd.openxchange.rows import account_rows
from syncd.openxchange.stored import Sifted, read_stock, stale_accounts
from syncd.openxchange.tables import MAIL, MONITOR, Shape, among, read_shape
from syncd.openxchange.trouble import RowRefused
from syncd.openxchange.update import update_accounts
from syncd.openxchange.users import look_up, primary_endpoints

_I = TypeVar("_I", bound=Item)
__all__ = ["SqlStore", "StoreOptions", "open_store"]


def open_store(options: StoreOptions) -> SqlStore:
    """Give a store; nothing is sent to the server yet.

    Raises:
        ConfigurationError: a URL or CA file cannot be used.
    """
    return SqlStore(options)


class SqlStore:
    """`AccountStore` by SQL; not for several threads at once."""

    def __init__(
        self,
        options: StoreOptions,
        *,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.database = Database(options, sleep=sleep)
        self.configdb = Database(options.configdb, section="configdb", sleep=sleep) if options.configdb else None
        self.replicated: frozenset[int] = frozenset()
        """Contexts that Open-Xchange reads from a replica, which it has to be told of (ox-behaviour 9.5)."""
        self._now = now
        self._lock = NamedLock(self.database)
        self._obfuscator = obfuscator(options.obfuscation) if options.obfuscation else None
        self._ciphers = Ciphers(self._obfuscator)
        self._known_shape: Shape | None = None

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the named lock of this database; see `AccountStore`."""
        return self._lock.hold()

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Say for which contexts nothing may be written now; the table shapes are read anew for it."""
        if not contexts:
            return {}
        found, self._known_shape = refusals(self.database, contexts, now=self._now, replicated=self.replicated)
        return found

    def users(self, context: int, asked: Asked) -> Users:
        """Look users up; see `AccountStore`."""
        with self.database.reading() as connection:
            return look_up(connection, {context: asked})[context]

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Look users of many contexts up together; see `ManyContexts`."""
        if not asked:
            return {}
        with self.database.reading() as connection:
            return look_up(connection, asked)

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:
        """Give the members of groups; see `AccountStore`."""
        return self.groups_in({context: names})[context]

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Give the members of groups of many contexts together; see `ManyContexts`."""
        if not asked:
            return {}
        with self.database.reading() as connection:
            return read_groups(connection, asked)

    def contexts(self) -> Contexts:
        """Give the contexts that there are; their names come from configdb, where that is configured."""
        with self.database.reading() as connection:
            ids = context_ids(connection)
        if self.configdb is None:
            return named_contexts(ids, None)
        with self.configdb.reading() as connection:
            return named_contexts(ids, connection)

    def observe(self, mailboxes: Collection[Mailbox], seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        """Read the accounts of mailboxes; all contexts in one snapshot."""
        if any(mailbox.account.password or mailbox.account.transport_password for mailbox in mailboxes):
            self._ciphers.check()
            self._settle(anew=True)
        before = self.database.statements
        passwords = Passwords(self._obfuscator, seals)
        with self.database.reading() as connection:
            found, primaries = observe_accounts(connection, mailboxes, passwords)
        accounts = {ref: tuple(observed) for ref, observed in found.items()}
        return Observation(accounts=accounts, primaries=primaries, statements=self.database.statements - before)

    def endpoints(self, context: int, users: Collection[int]) -> Mapping[int, tuple[Endpoint, Endpoint | None]]:
        """Give the servers of account 0 of users; see `AccountStore`."""
        with self.database.reading() as connection:
            found = primary_endpoints(connection, {context: users})
        return {user: endpoints for (_, user), endpoints in found.items()}

    def primary_addresses(self, context: int, users: Collection[int]) -> Mapping[int, str]:
        """Give the address of each user's account 0; see `KnowsPrimaries`."""
        own = sa.and_(MAIL.c.cid == context, MAIL.c.id == 0, among(MAIL.c.user, users))
        with self.database.reading() as connection:
            found = connection.execute(sa.select(MAIL.c.user, MAIL.c.primary_addr).where(own))
            return {user: address for user, address in found}  # noqa: C416 - mypy wants to see the types

    def rows(
        self, context: int, accounts: Collection[tuple[int, int]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        """Give stored rows for the journal; see `AccountStore`."""
        if not accounts:
            return {}
        with self.database.reading() as connection:
            return account_rows(connection, context, accounts)

    def reserve(self, context: int, count: int) -> int:
        """Take ids in a short transaction of its own: a gap in the numbers is harmless, a lost number is not."""
        self._lock.assert_held()
        try:
            return self.database.transact(lambda connection: reserve_ids(connection, context, count))
        except RowRefused as refused:
            raise StoreRefused(f"{self.database.where}: no account ids for context {context}: {refused}") from None

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        """Write new accounts; see `AccountStore`."""
        self._lock.assert_held()
        shape, ciphers = self._shape(), self._settled()
        return self._applied(
            context, creations, lambda connection, some: create_accounts(connection, context, some, shape, ciphers)
        )

    def update(self, context: int, updates: Sequence[Updating]) -> list[Written]:
        """Bring accounts to their new fields; see `AccountStore`."""
        self._lock.assert_held()
        shape, ciphers = self._shape(), self._settled()
        return self._applied(
            context, updates, lambda connection, some: update_accounts(connection, context, some, shape, ciphers)
        )

    def delete(self, context: int, deletions: Sequence[Deletion]) -> list[Written]:
        """Remove accounts; see `AccountStore`."""
        self._lock.assert_held()
        return self._applied(context, deletions, lambda connection, some: delete_accounts(connection, context, some))

    def listed(self, context: int, users: Collection[int] | None = None, *, passwords: bool = False) -> list[Listed]:
        """Give whole secondary accounts; see `ListsAccounts`."""
        with self.database.reading() as connection:
            return list_accounts(connection, context, users, self._reveal if passwords else None)

    def edit(self, context: int, edits: Sequence[Edit]) -> list[Written]:
        """Change single attributes of accounts; see `EditsAccounts`."""
        self._lock.assert_held()
        shape, ciphers = self._shape(), self._settled()
        return self._applied(
            context, edits, lambda connection, some: edit_accounts(connection, context, some, shape, ciphers)
        )

    def _applied(
        self, context: int, items: Sequence[_I], work: Callable[[Connection, Sequence[_I]], list[Written]]
    ) -> list[Written]:
        """Apply a batch; each transaction that changes rows tells Open-Xchange so where it reads from a replica."""

        def told(connection: Connection, some: Sequence[_I]) -> list[Written]:
            before = self.database.changed
            written = work(connection, some)
            if context in self.replicated and self.database.changed > before:
                raised = {"transaction": MONITOR.c.transaction + 1}
                connection.execute(sa.update(MONITOR).where(MONITOR.c.cid == context).values(raised))
            return written

        return apply_batch(self.database, items, told)

    def still_alone(self, context: int) -> None:  # noqa: ARG002 - there is one lock for all
        """Make sure that the named lock still holds.

        Raises:
            StoreUnavailable: it was lost.
        """
        self._lock.assert_held()

    def stale(self, context: int, mailbox_key: str, accounts: Collection[tuple[int, int]]) -> Sifted:
        """Give accounts whose passwords are not stored in the format in use; see `KnowsPasswords`."""
        self._ciphers.check()
        self._settle(anew=True)
        options = self.database.options.obfuscation
        if self._obfuscator is None or options is None:
            raise AssertionError("just checked")
        with self.database.reading() as connection:
            return stale_accounts(connection, context, mailbox_key, accounts, self._obfuscator, options.key.reveal())

    def _settled(self) -> Ciphers:
        self._settle(anew=False)
        return self._ciphers

    def _settle(self, *, anew: bool) -> None:
        """Find out which format is in use, where the configuration leaves it to the stored rows."""
        engine = self._obfuscator
        if isinstance(engine, Automatic) and (anew or engine.format is None):
            with self.database.reading() as connection:
                engine.settle(read_stock(connection).format)

    def _reveal(self, text: str) -> Secret | None:
        if self._obfuscator is None:
            raise StoreRefused(
                "passwords are stored, but the key to read them with is not configured",
                hint="set openxchange.obfuscation (com.openexchange.sessiond.encryptionKey)",
            )
        self._settle(anew=False)
        plain = self._obfuscator.decrypt(text)
        return None if plain is None else Secret(plain)

    @property
    def statements(self) -> int:
        """Count the statements sent so far."""
        return self.database.statements

    def close(self) -> None:
        """Close all connections."""
        self.database.engine.dispose()
        if self.configdb is not None:
            self.configdb.engine.dispose()

    def _shape(self) -> Shape:
        if self._known_shape is None:
            with self.database.reading() as connection:
                self._known_shape = read_shape(connection)
        missing = self._known_shape.missing()
        if missing:
            raise StoreRefused(f"{self.database.where} lacks {', '.join(missing)}")
        return self._known_shape
