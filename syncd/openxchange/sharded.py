"""The account store over many databases: configdb says which context is where, an `SqlStore` for each place does it.

The rules kept here:

* where contexts are is read anew by each run, and once more before anything is written: who has moved meanwhile, or was
  disabled, is refused;
* a context that has no user where configdb says it is, has moved since, or is moving: it counts as not read;
* a database that cannot be used takes its own contexts along and nobody else's: reading says so of each of them
  (`unread`, `problem`), writing raises an error that names them (`StoreError.contexts`). Within a run it is not tried
  again;
* the named lock of a database is taken when the run first touches it, and between runs no connection is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from syncd.core.model import Asked, Contexts, Endpoint, GroupRead, Mailbox, MailboxRef, Observation, Observed, Users
from syncd.errors import StoreBusy, StoreError, StoreRefused
from syncd.openxchange.base import Creation, Deletion, Updating, Written
from syncd.openxchange.configdb import ConfigdbOptions, Place, Placements, read_placements
from syncd.openxchange.connect import Database
from syncd.openxchange.contexts import named_contexts
from syncd.openxchange.edit import Edit
from syncd.openxchange.listing import Listed
from syncd.openxchange.sql import SqlStore
from syncd.openxchange.stored import Sifted


@dataclass(slots=True)
class _Session:
    """What is known during one run."""

    placements: Placements
    locks: ExitStack | None
    """Where the named locks are held; None = nobody asked for them."""
    opened: dict[Place, SqlStore] = field(default_factory=dict)
    locked: set[Place] = field(default_factory=set)
    lost: dict[Place, StoreError] = field(default_factory=dict)
    """Places that could not be used."""


class ShardedStore:
    """`AccountStore` over all the databases of one configdb; not for several threads at once."""

    def __init__(
        self,
        options: ConfigdbOptions,
        *,
        sleep: Callable[[float], object] = time.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.configdb = Database(options.configdb, section="configdb", sleep=sleep)
        self._options, self._sleep, self._now = options, sleep, now
        self._shards: dict[Place, SqlStore] = {}
        self._locks: ExitStack | None = None
        self._session: _Session | None = None
        self._past = 0

    @property
    def statements(self) -> int:
        """Count the statements sent so far, those to configdb included."""
        return self._past + self.configdb.statements + sum(shard.statements for shard in self._shards.values())

    # ------------------------------------------------------------------ a run

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the named lock of every database that is used while the context lasts.

        One that somebody else holds makes its contexts unread, unless it is the only one in use: see `observe`.
        """
        self._forget()
        try:
            with ExitStack() as locks:
                self._locks = locks
                yield
        finally:
            self._locks = None
            self._forget()

    def _forget(self) -> None:
        """Forget where contexts are, and keep no connection; the stores stay, with the keys they have derived."""
        self._session = None
        for shard in self._shards.values():
            shard.close()
        self.configdb.engine.dispose()

    def _now_known(self) -> _Session:
        if self._session is None:
            self._session = _Session(self._placements(), self._locks)
        return self._session

    def _clock(self) -> float:
        return self._now()

    def _placements(self) -> Placements:
        with self.configdb.reading() as connection:
            return read_placements(connection, self._options)

    # ------------------------------------------------------------------ from context to database

    def _place(self, context: int) -> Place:
        """Give where a context is.

        Raises:
            StoreRefused: that cannot be told.
        """
        placement = self._now_known().placements.of(context)
        if placement.place is None:
            error = StoreRefused(placement.problem)
            error.contexts = frozenset((context,))
            raise error
        return placement.place

    @contextmanager
    def _at(self, place: Place) -> Iterator[SqlStore]:
        """Use a database; an error of it names its contexts, and it is not used again in this run.

        Raises:
            StoreError: it cannot be used, now or before.
        """
        session = self._now_known()
        try:
            if (before := session.lost.get(place)) is not None:
                raise type(before)(before.message, hint=before.hint)
            shard = session.opened.get(place) or self._opened(place, session)
            if session.locks is not None and place not in session.locked:
                session.locks.enter_context(shard.exclusive())
                session.locked.add(place)
            yield shard
        except StoreError as error:
            error.contexts = session.placements.at[place]
            if not isinstance(error, StoreRefused):
                session.lost.setdefault(place, error)
            raise

    def _opened(self, place: Place, session: _Session) -> SqlStore:
        """Give the store of a place, a new one where it is reached otherwise than before."""
        options = session.placements.options[place]
        shard = self._shards.get(place)
        if shard is None or shard.database.options != options:
            self._past += shard.statements if shard is not None else 0
            shard = self._shards[place] = SqlStore(options, sleep=self._sleep, now=self._clock)
        placements = session.placements
        shard.replicated = frozenset(c for c in placements.at[place] if placements.of(c).replicated)
        session.opened[place] = shard
        return shard

    @contextmanager
    def _for(self, context: int) -> Iterator[SqlStore]:
        with self._at(self._place(context)) as shard:
            yield shard

    def _parted(self, contexts: Collection[int]) -> tuple[dict[Place, list[int]], dict[int, str]]:
        """Part contexts by their places; give also those whose place cannot be told, with the reason."""
        places: dict[Place, list[int]] = {}
        lost: dict[int, str] = {}
        placements = self._now_known().placements
        for context in sorted(contexts):
            placement = placements.of(context)
            if placement.place is None:
                lost[context] = placement.problem
            else:
                places.setdefault(placement.place, []).append(context)
        return places, lost

    # ------------------------------------------------------------------ reading

    def contexts(self) -> Contexts:
        """Give all contexts that configdb knows, disabled ones too, with their names."""
        known = self._now_known().placements.contexts
        with self.configdb.reading() as connection:
            return named_contexts(frozenset(known), connection)

    def observe(self, mailboxes: Collection[Mailbox], seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        """Read the accounts of mailboxes, each database in one snapshot; see `AccountStore`.

        Raises:
            StoreBusy: another installation is at work in every database in question.
            StoreError: configdb cannot be read.
        """
        if self._locks is None:
            self._forget()  # nothing says where a plan begins
        before = self.statements
        by_context: dict[int, list[Mailbox]] = {}
        for mailbox in mailboxes:
            by_context.setdefault(mailbox.context, []).append(mailbox)
        places, unread = self._parted(by_context)
        accounts: dict[MailboxRef, tuple[Observed, ...]] = {}
        primaries: dict[tuple[int, int], tuple[Endpoint, Endpoint | None]] = {}
        errors: list[StoreError] = []
        for place, contexts in places.items():
            here = [mailbox for context in contexts for mailbox in by_context[context]]
            try:
                with self._at(place) as shard:
                    found = shard.observe(here, seals)
            except StoreError as error:
                errors.append(error)
                unread |= dict.fromkeys(contexts, str(error))
                continue
            accounts |= found.accounts
            primaries |= found.primaries
        if errors and len(errors) == len(places) and all(isinstance(error, StoreBusy) for error in errors):
            raise errors[0]
        for mailbox in mailboxes:
            accounts.setdefault(mailbox.ref, ())
        statements = self.statements - before
        return Observation(accounts=accounts, primaries=primaries, statements=statements, unread=unread)

    def users(self, context: int, asked: Asked) -> Users:
        """Look users up; see `AccountStore`."""
        return self.users_in({context: asked})[context]

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Look users of many contexts up, those of one database together; see `ManyContexts`."""
        places, lost = self._parted(asked)
        found: dict[int, Users] = {}
        for place, contexts in places.items():
            try:
                with self._at(place) as shard:
                    read = shard.users_in({context: asked[context] for context in contexts})
            except StoreError as error:
                lost |= dict.fromkeys(contexts, str(error))
                continue
            found |= read
            lost |= {c: f"context {c} has no user in {place} (is it being moved?)" for c in read if not read[c].exists}
        unread = {c: Users(context=c, exists=False, by_login={}, unread=reason) for c, reason in lost.items()}
        return {**found, **unread}

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:
        """Give the members of groups; where the database cannot be read each has that as its problem."""
        return self.groups_in({context: names})[context]

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Give the members of groups of many contexts, those of one database together; see `ManyContexts`."""
        places, lost = self._parted(asked)
        found: dict[int, Mapping[str, GroupRead]] = {}
        for place, contexts in places.items():
            try:
                with self._at(place) as shard:
                    found |= shard.groups_in({context: asked[context] for context in contexts})
            except StoreError as error:
                lost |= dict.fromkeys(contexts, str(error))
        unread = {c: dict.fromkeys(asked[c], GroupRead((), reason)) for c, reason in lost.items()}
        return {**found, **unread}

    def endpoints(self, context: int, users: Collection[int]) -> Mapping[int, tuple[Endpoint, Endpoint | None]]:
        """Give the servers of account 0 of users; see `AccountStore`."""
        with self._for(context) as shard:
            return shard.endpoints(context, users)

    def primary_addresses(self, context: int, users: Collection[int]) -> Mapping[int, str]:
        """Give the address of each user's account 0; see `KnowsPrimaries`."""
        with self._for(context) as shard:
            return shard.primary_addresses(context, users)

    def rows(
        self, context: int, accounts: Collection[tuple[int, int]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        """Give stored rows for the journal; see `AccountStore`."""
        with self._for(context) as shard:
            return shard.rows(context, accounts)

    def listed(self, context: int, users: Collection[int] | None = None, *, passwords: bool = False) -> list[Listed]:
        """Give whole secondary accounts; see `ListsAccounts`."""
        with self._for(context) as shard:
            return shard.listed(context, users, passwords=passwords)

    def still_alone(self, context: int) -> None:
        """Make sure that the named lock still holds where a context is."""
        with self._for(context) as shard:
            shard.still_alone(context)

    def stale(self, context: int, mailbox_key: str, accounts: Collection[tuple[int, int]]) -> Sifted:
        """Give accounts whose passwords are not stored in the format in use; see `KnowsPasswords`."""
        with self._for(context) as shard:
            return shard.stale(context, mailbox_key, accounts)

    # ------------------------------------------------------------------ writing

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Say for which contexts nothing may be written now: configdb is asked anew, then each database."""
        if not contexts:
            return {}
        latest = self._placements()
        places, refused = self._parted(contexts)
        for place, some in places.items():
            open_now = []
            for context in some:
                placement = latest.of(context)
                if placement.problem or placement.disabled:
                    refused[context] = placement.problem or placement.disabled
                elif placement.place != place:
                    refused[context] = f"context {context} moved to {placement.place} after it was read"
                else:
                    open_now.append(context)
            try:
                with self._at(place) as shard:
                    refused |= shard.refusals(open_now)
            except StoreError as error:
                refused |= dict.fromkeys(open_now, str(error))
        return refused

    def reserve(self, context: int, count: int) -> int:
        """Take account ids; see `AccountStore`."""
        with self._for(context) as shard:
            return shard.reserve(context, count)

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        """Write new accounts; see `AccountStore`."""
        with self._for(context) as shard:
            return shard.create(context, creations)

    def update(self, context: int, updates: Sequence[Updating]) -> list[Written]:
        """Bring accounts to their new fields; see `AccountStore`."""
        with self._for(context) as shard:
            return shard.update(context, updates)

    def delete(self, context: int, deletions: Sequence[Deletion]) -> list[Written]:
        """Remove accounts; see `AccountStore`."""
        with self._for(context) as shard:
            return shard.delete(context, deletions)

    def edit(self, context: int, edits: Sequence[Edit]) -> list[Written]:
        """Change single attributes of accounts; see `EditsAccounts`."""
        with self._for(context) as shard:
            return shard.edit(context, edits)

    def close(self) -> None:
        """Close all connections."""
        self._forget()
