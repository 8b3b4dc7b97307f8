"""A small Open-Xchange for tests: one store over a schema with users, and short words for what tests do with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncd.core.accounts import wanted
from syncd.core.address import collation_key
from syncd.core.model import UNNUMBERED, Account, Endpoint, Fields, Mailbox, Observed, Secret
from syncd.openxchange import playground
from syncd.openxchange.base import Creation, Deletion, Updating, Written
from syncd.openxchange.obfuscation import Obfuscation
from syncd.openxchange.sql import SqlStore

OBFUSCATION = Obfuscation(format="argon2", key=Secret("a key for tests"))
ADDRESS = "support@example.org"
TABLES = (
    "user_mail_account",
    "user_transport_account",
    "user_mail_account_properties",
    "user_transport_account_properties",
)


def mailbox(address: str = ADDRESS, context: int = 1, **account: Any) -> Mailbox:
    """Give a mailbox with explicit servers."""
    values: dict[str, Any] = {"name": "Support", "login": "support"}
    values |= {"mail": Endpoint("imap://imap.example.net:143", True)}
    values |= {"transport": Endpoint("smtp://smtp.example.net:25", False)}
    return Mailbox(
        address=address, key=collation_key(address), context=context, account=Account(**{**values, **account})
    )


@dataclass
class World:
    """A store and an engine with all rights beside it; contexts 1 and 2 with users 3 to 9, 20 is a guest."""

    store: SqlStore
    engine: sa.Engine

    def populate(self) -> World:
        """Add the contexts and users."""
        with self.engine.begin() as connection:
            for context in (1, 2):
                playground.add_context(connection, context)
                people = [(user, f"user{user}", f"user{user}@example.org") for user in range(3, 10)]
                playground.add_users(connection, context, people)
                guest = {"login": "guest", "mail": "guest@example.com", "guest_of": 3, "mail_url": None}
                playground.add_user(connection, context, 20, **guest)
        return self

    def create(self, box: Mailbox, users: Sequence[int]) -> list[Written]:
        """Reserve ids and create accounts as a run does."""
        first = self.store.reserve(box.context, len(users))
        return self.store.create(box.context, creations(box, users, first))

    def observed(self, box: Mailbox, seals: Mapping[tuple[int, int, int], bytes] | None = None) -> dict[int, Observed]:
        """Give what is stored of a mailbox, by user."""
        return {found.user: found for found in self.store.observe([box], seals or {}).accounts[box.ref]}

    def update(
        self, box: Mailbox, new: Fields, accounts: Iterable[Written], *, password: bool = False
    ) -> list[Written]:
        """Bring accounts to new fields."""
        old = wanted(box.account)
        return self.store.update(
            box.context,
            [
                Updating(user=one.user, account=one.account, mailbox=box, old=old, new=new, password=password)
                for one in accounts
            ],
        )

    def delete(self, box: Mailbox, accounts: Iterable[Written | Observed]) -> list[Written]:
        """Delete accounts."""
        deletions = [
            Deletion(user=one[0], account=one[1], mailbox_key=box.key)
            if isinstance(one, Written)
            else Deletion(user=one.user, account=one.id, mailbox_key=box.key)
            for one in accounts
        ]
        return self.store.delete(box.context, deletions)

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Give all rows of the account tables, sorted."""
        with self.engine.connect() as connection:
            return {
                table: sorted(
                    (dict(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}")).mappings()),
                    key=lambda row: (row["cid"], row["id"], row["user"], row.get("name", "")),
                )
                for table in TABLES
            }

    def execute(self, statement: str, **values: object) -> None:
        """Run a statement of the test's own, with all rights."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def add_account(self, user: int, account: int, address: str, *, secondary: int = 0, context: int = 1) -> None:
        """Add an account as somebody else would, with transport row and property."""
        common = {"cid": context, "id": account, "user": user, "name": "Own", "secondary": secondary}
        mail = {"url": "imap://own:143", "login": "own", "primary_addr": address, "spam_handler": "NoSpamHandler"}
        transport = {"url": "smtp://own:25", "login": "", "send_addr": address}
        auth = {"cid": context, "id": account, "user": user, "name": "transport.auth", "value": "mail"}
        with self.engine.begin() as connection:
            playground.add_rows(connection, "user_mail_account", [{**common, **mail}])
            playground.add_rows(connection, "user_transport_account", [{**common, **transport}])
            playground.add_rows(connection, "user_transport_account_properties", [auth])


def creations(box: Mailbox, users: Sequence[int], first: int | None) -> list[Creation]:
    """Give the creations of a mailbox's accounts with consecutive ids; None = the ids are the server's."""
    fields = wanted(box.account)
    ids = [UNNUMBERED if first is None else first + number for number in range(len(users))]
    return [
        Creation(user=user, account=account, mailbox=box, fields=fields)
        for user, account in zip(users, ids, strict=True)
    ]


def errors(written: Iterable[Written]) -> list[str | None]:
    """Give the errors only."""
    return [one.error for one in written]
