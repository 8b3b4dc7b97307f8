"""Apply a batch: all accounts in one transaction, and if one of them spoils it, each in its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from syncd.openxchange.base import Written
from syncd.openxchange.connect import Database
from syncd.openxchange.trouble import RowRefused


class Item(Protocol):
    """What names an account to be written."""

    @property
    def user(self) -> int:
        """Id of its user."""
        ...

    @property
    def account(self) -> int:
        """Its id."""
        ...


_I = TypeVar("_I", bound=Item)


def apply_batch(
    database: Database, items: Sequence[_I], work: Callable[[Connection, Sequence[_I]], list[Written]]
) -> list[Written]:
    """Give what became of each item, in their order.

    Raises:
        StoreError: the database failed as a whole; of single transactions before it some may be committed.
    """
    if not items:
        return []
    try:
        return database.transact(lambda connection: work(connection, items))
    except RowRefused as refused:
        if len(items) == 1:
            return [failed(items[0], str(refused))]
    return [written for item in items for written in apply_batch(database, [item], work)]


def failed(item: Item, reason: str) -> Written:
    """Say why an account was not written."""
    return Written(item.user, item.account, reason, None)


def done(item: Item, seal: bytes | None = None) -> Written:
    """Say that an account is as it should be."""
    return Written(item.user, item.account, None, seal)
