"""What the rest of syncd may ask of Open-Xchange's accounts: one protocol, and the laws every store keeps.

The laws (one inherited test class, tests/openxchange/contract.py, checks them for every implementation):

* honesty: what was written is what `observe` gives afterwards;
* idempotence: repeating a write that succeeded succeeds and changes nothing;
* modesty: nothing but the named accounts changes: no other user, mailbox or context, and no column that was not named;
* caution: a private account of the user (`secondary` = 0) and account 0 are never touched, whatever their address;
* atomicity: an account exists wholly (mail row, transport row, property row) or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from syncd.core.model import Asked, Contexts, Endpoint, Fields, GroupRead, Mailbox, Observation, Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """An account to be written."""

    user: int
    account: int
    """The id reserved for it; UNNUMBERED where the ids are the server's."""
    mailbox: Mailbox
    fields: Fields
    """All concrete: for `source: primary` with the urls of the user's account 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updating:
    """An account to be brought to `new`; only what differs is written."""

    user: int
    account: int
    mailbox: Mailbox
    old: Fields
    new: Fields
    password: bool
    """Whether the configured passwords are written too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """An account to be removed."""

    user: int
    account: int
    mailbox_key: str
    """Collation key that the row's address must have; a row with another address is left alone."""


class Written(NamedTuple):
    """What became of one account."""

    user: int
    account: int
    """Its id, also where the server gave it; UNNUMBERED of an account that was not written and never had one."""
    error: str | None
    """Why it was not written, for people; None = it was, or was so already."""
    seal: bytes | None
    """Proof of the ciphertext just written, to be remembered in the claim; None where no password was written."""


class ReadsAccounts(Protocol):
    """The half of `AccountStore` that writes nothing."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the named lock of this Open-Xchange database while the context lasts.

        Raises:
            StoreBusy: somebody else holds it; the message names the holder if known.
        """
        ...

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Say for which of the contexts nothing may be written now, and why; others are left out."""
        ...

    def users(self, context: int, asked: Asked) -> Users:
        """Look users up by what is asked, and tell which of the ids exist."""
        ...

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:
        """Give the members of groups by id (decimal) or name, each asked text a key of the result; 0 = all users."""
        ...

    def contexts(self) -> Contexts:
        """Give the contexts that there are, and their names as far as they are known."""
        ...

    def observe(self, mailboxes: Collection[Mailbox], seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        """Give all accounts, secondary or not, whose address equals that of a mailbox.

        `seals` has what earlier runs proved of stored passwords, by (context, user, account).
        """
        ...

    def endpoints(self, context: int, users: Collection[int]) -> Mapping[int, tuple[Endpoint, Endpoint | None]]:
        """Give mail and transport server of each user's account 0, without URLs where nobody knows them.

        Users without such an account are left out, as far as they are known.
        """
        ...

    def rows(
        self, context: int, accounts: Collection[tuple[int, int]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        """Give the stored rows of accounts, by (user, id), for the journal; without passwords.

        A value has `mail`, `mail_properties`, `transport_properties` and, where there is such a row, `transport`, each
        column → value, ready for JSON. Columns that are as every new account has them are left out.
        """
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


class AccountStore(ReadsAccounts, Protocol):
    """Read and write secondary mail accounts; errors of systems are raised as `syncd.errors.StoreError`."""

    def reserve(self, context: int, count: int) -> int | None:
        """Take `count` consecutive account ids for good; give the first. None = the ids are the server's.

        In that case accounts are created UNNUMBERED and `Written.account` tells their ids.

        Raises:
            StoreRefused: the context has no counter, or it is behind the ids in use.
        """
        ...

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        """Write new accounts, all in one transaction where they let it; in the given order.

        An account that is there already counts as written if it has the reserved id. Where the ids are the server's
        nobody can tell whose it is, so it fails as being there already.
        """
        ...

    def update(self, context: int, updates: Sequence[Updating]) -> list[Written]:
        """Bring accounts to their new fields; in the given order."""
        ...

    def delete(self, context: int, deletions: Sequence[Deletion]) -> list[Written]:
        """Remove accounts; one that is not there any more counts as removed; in the given order."""
        ...


@runtime_checkable
class ManyContexts(Protocol):
    """What a store may offer besides: to look users and groups of many contexts up together."""

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Answer one question for each context; where a context cannot be read its answer says so (`Users.unread`)."""
        ...

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Answer `AccountStore.groups` for each context; one that cannot be read is the problem of all its groups."""
        ...


def users_in(store: ReadsAccounts, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
    """Look users of several contexts up, together where the store can, else one context after the other.

    Raises:
        StoreError: nothing could be read; stores of many databases say so of single contexts instead.
    """
    if isinstance(store, ManyContexts):
        return store.users_in(asked)
    return {context: store.users(context, one) for context, one in asked.items()}


def groups_in(store: ReadsAccounts, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
    """Read groups of several contexts, together where the store can, else one context after the other.

    Raises:
        StoreError: nothing could be read; stores of many databases say so of single groups instead.
    """
    if isinstance(store, ManyContexts):
        return store.groups_in(asked)
    return {context: store.groups(context, names) for context, names in asked.items()}
