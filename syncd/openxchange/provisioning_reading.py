"""The half of a store that reads: another one does it, by SQL or by what the service lists."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from syncd.core.model import Asked, Contexts, Endpoint, GroupRead, Mailbox, Observation, Users
from syncd.errors import StoreRefused
from syncd.openxchange.base import ReadsAccounts, groups_in, users_in
from syncd.openxchange.listing import Listed, ListsAccounts
from syncd.openxchange.provisioning_service import Service


class Reader(ReadsAccounts, Protocol):
    """What is needed of who reads."""

    def still_alone(self, context: int) -> None:
        """Make sure that what `exclusive` locked is locked still.

        Raises:
            StoreUnavailable: it was lost.
        """
        ...


class ReadsByAnother:
    """All of `AccountStore` that writes nothing."""

    def __init__(self, reader: Reader, service: Service) -> None:
        """Put both together; a `reader` by SQL reads the database that the service writes to, from its write server."""
        self._reader = reader
        self._service = service

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the named lock of the database; see `AccountStore`."""
        return self._reader.exclusive()

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Say for which contexts nothing may be written now; those without a login of the service too."""
        lacking = {context for context in contexts if self._service.options.credentials(context) is None}
        without = dict.fromkeys(lacking, f"{self._service.section} has no login for this context")
        return {**without, **self._reader.refusals(frozenset(contexts) - lacking)}

    def users(self, context: int, asked: Asked) -> Users:
        """Look users up; see `AccountStore`."""
        return self._reader.users(context, asked)

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Look users of many contexts up; see `ManyContexts`."""
        return users_in(self._reader, asked)

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:
        """Give the members of groups; see `AccountStore`."""
        return self._reader.groups(context, names)

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Give the members of groups of many contexts; see `ManyContexts`."""
        return groups_in(self._reader, asked)

    def contexts(self) -> Contexts:
        """Give the contexts that there are; see `AccountStore`."""
        return self._reader.contexts()

    def observe(self, mailboxes: Collection[Mailbox], seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        """Read the accounts of mailboxes; see `AccountStore`."""
        return self._reader.observe(mailboxes, seals)

    def endpoints(self, context: int, users: Collection[int]) -> Mapping[int, tuple[Endpoint, Endpoint | None]]:
        """Give the servers of account 0 of users; see `AccountStore`."""
        return self._reader.endpoints(context, users)

    def rows(
        self, context: int, accounts: Collection[tuple[int, int]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        """Give stored rows for the journal; see `AccountStore`."""
        return self._reader.rows(context, accounts)

    def listed(self, context: int, users: Collection[int] | None = None, *, passwords: bool = False) -> list[Listed]:
        """Give the accounts of users or of a context; see `ListsAccounts`."""
        if not isinstance(self._reader, ListsAccounts):
            raise StoreRefused("accounts cannot be listed this way")
        return self._reader.listed(context, users, passwords=passwords)

    def close(self) -> None:
        """Close all connections."""
        self._service.close()
        self._reader.close()
