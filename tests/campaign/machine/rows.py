"""What is stored at one moment: accounts by their rows, and the claims on them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.campaign.machine.model import Claim, Ref
from tests.e2e.station import Row

MAIL, TRANSPORT = "user_mail_account", "user_transport_account"
PARTS = (MAIL, TRANSPORT, "user_mail_account_properties", "user_transport_account_properties")
SEQUENCE = "sequence_mail_service"
Place = tuple[int, int, int]
"""Context, user and account id."""
Account = Mapping[str, list[Row]]
"""The rows of one account by table."""
Memory = Mapping[str, list[tuple[Any, ...]]]
"""Rows of the ledger by table."""


class Snapshot(NamedTuple):
    """What is stored at one moment."""

    accounts: Mapping[Place, Account]
    claims: Mapping[Ref, Mapping[int, Claim]]
    counters: Mapping[int, int]
    """The last account id by context."""

    def at(self, ref: Ref, user: int) -> dict[Place, Account]:
        """Give the user's accounts whose address the database takes for that of a mailbox."""
        return {
            place: one
            for place, one in self.accounts.items()
            if place[:2] == (ref[0], user) and plain(address(one)) == ref[1]
        }

    def ours(self, ref: Ref, user: int) -> Place | None:
        """Give the account that the user's claim is on, if it is there."""
        claim = self.claims.get(ref, {}).get(user)
        place = (ref[0], user, claim.account) if claim else None
        return place if place in self.at(ref, user) and secondary(self.accounts[place]) else None


def address(account: Account) -> str:
    """Give the address of an account."""
    return str(account[MAIL][0]["primary_addr"]) if MAIL in account else ""


def secondary(account: Account) -> bool:
    """Tell whether an account is a secondary one, and not a user's own."""
    return MAIL in account and account[MAIL][0]["secondary"] == 1


def plain(text: str) -> str:
    """Give an address as the database compares it, as far as it occurs here."""
    letters = unicodedata.normalize("NFKD", text.lower().rstrip())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def where(place: Place) -> str:
    """Give the condition that names an account."""
    return f"cid = {place[0]} AND user = {place[1]} AND id = {place[2]}"
