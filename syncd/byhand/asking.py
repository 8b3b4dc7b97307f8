"""Whom and what a command is about: users and groups by id, accounts by address; all reading, and its errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import Protocol, runtime_checkable

from syncd.core.address import collation_key, letters
from syncd.core.model import Account, Asked, Endpoint, Mailbox, Observed
from syncd.errors import LoginRefused, StoreError, StoreUnavailable, SyncdError
from syncd.openxchange.base import AccountStore
from syncd.openxchange.listing import Listed, ListsAccounts

People = Mapping[int, str]
"""User id → login, in the order of the command line."""


PLAIN = Account(name="", login="", mail=Endpoint("", False), transport=None)
"""An account of which nothing is known and nothing is asked."""


class Exit(IntEnum):
    """The exit codes of the vendor's tools (ox-facts 6.7)."""

    OTHER = 1
    CREDENTIALS = 101
    CONTEXT = 102
    INVALID = 103
    MISSING = 104
    UNREACHABLE = 105
    STORAGE = 106
    USER = 108
    VALUE = 109
    OPTION = 111


class HandError(SyncdError):
    """What was asked cannot be done.

    `code` is what the vendor's tools end with in this case, `usage` whether the command line itself is wrong.
    """

    def __init__(self, message: str, *, code: Exit, hint: str | None = None, usage: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.usage = usage or code in {Exit.MISSING, Exit.INVALID, Exit.VALUE, Exit.OPTION}


@runtime_checkable
class AsksService(Protocol):
    """What a store offers besides where a service of Open-Xchange writes."""

    def admits(self, context: int) -> None:
        """Make sure that the service answers, and takes our login.

        Raises:
            LoginRefused, StoreError: it does not.
        """
        ...


def exit_of(error: SyncdError) -> Exit:
    """Give what the vendor's tools end with in a case like this."""
    if isinstance(error, HandError):
        return error.code
    if isinstance(error, LoginRefused):
        return Exit.CREDENTIALS
    return Exit.UNREACHABLE if isinstance(error, StoreUnavailable) else Exit.STORAGE


def blamed(store: AccountStore, context: int) -> Exit:
    """Give the exit code for accounts that were not written: whether it was for the service that writes them."""
    if isinstance(store, AsksService):
        try:
            store.admits(context)
        except StoreError as error:
            return exit_of(error)
    return Exit.STORAGE


def people(
    store: AccountStore, context: int, users: Sequence[int], groups: Sequence[int], *, guests: bool = False
) -> dict[int, str]:
    """Give the users and the members of the groups (0 = everybody), each once, explicit users first.

    `guests` may be among the users where what they have is looked at, changed or taken; they are given nothing.

    Raises:
        HandError: there is no such context, user or group, or a user is a guest.
    """
    reads = store.groups(context, [str(group) for group in groups]) if groups else {}
    for group in groups:
        if problem := reads[str(group)].problem:
            missing = problem.startswith("there is no group")
            text = f"No such group {group} in context {context}" if missing else problem
            raise HandError(text, code=Exit.USER if missing else Exit.INVALID)
    ids = list(dict.fromkeys([*users, *(user for group in groups for user in reads[str(group)].users)]))
    known = store.users(context, Asked(ids=ids))
    if known.unread and context in store.contexts().ids:
        raise HandError(f"context {context}: {known.unread}", code=Exit.STORAGE)
    if not known.exists:
        raise HandError(f"The context {context} does not exist!", code=Exit.CONTEXT)
    for user in users:
        if user not in known.ids:
            raise HandError(f"No such user {user} in context {context}", code=Exit.USER)
        if not guests and str(user) not in known.found.get("id", {}):
            raise HandError(f"user {user} in context {context} is a guest", code=Exit.INVALID)
    return {user: known.logins.get(user, "") for user in ids}


def accounts(
    store: AccountStore, context: int, users: Collection[int] | None, *, passwords: bool = False
) -> list[Listed]:
    """Give the secondary accounts of users (None = of the context).

    Raises:
        HandError: the configured way of writing cannot list.
        StoreError: they cannot be read.
    """
    if not isinstance(store, ListsAccounts):
        raise HandError(
            "accounts cannot be listed this way yet",
            code=Exit.OTHER,
            hint="configure openxchange.database",
        )
    return store.listed(context, users, passwords=passwords)


def stored(store: AccountStore, mailbox: Mailbox, whom: Collection[int] | None = None) -> list[Observed]:
    """Read the accounts with the address, private ones included, by user and id; `whom` None = of everybody.

    Raises:
        HandError, StoreError: they cannot be read.
    """
    plain = replace(mailbox, account=PLAIN)  # stored passwords need not be judged
    found = store.observe([plain], {})
    if reason := found.unread.get(mailbox.context):
        raise HandError(f"context {mailbox.context}: {reason}", code=Exit.STORAGE)
    stored = found.accounts.get(mailbox.ref, ())
    return sorted((one for one in stored if whom is None or one.user in whom), key=lambda one: (one.user, one.id))


def mailbox_of(context: int, address: str) -> Mailbox:
    """Give a mailbox of which nothing but the address is known."""
    return Mailbox(address=address, key=collation_key(address), context=context, account=PLAIN)


def is_ours(one: Observed, address: str) -> bool:
    """Tell whether it is a secondary account of exactly this address, not of one that the database takes for it."""
    return one.secondary and one.id != 0 and letters(one.address) == letters(address)
