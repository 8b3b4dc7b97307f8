"""Right accounts: every row of the table in core.accounts, and what counts as drift."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.accounts import TRANSPORT_AUTH, drifted, repaired, wanted
from syncd.core.model import Endpoint, Fields
from tests.core.strategies import ADDRESS, COPIED, EXPLICIT, IMAP, RIGHT, SMTP

OTHER = Endpoint("imaps://imap.elsewhere.org:993", False)
POST = Endpoint("smtps://smtp.elsewhere.org:465", True)
RECEIVING = replace(EXPLICIT, transport=None)
NO_TRANSPORT = Fields(ADDRESS, IMAP.url, False, None, None, None, None, None)


def test_wanted_of_an_explicit_account_is_what_is_configured() -> None:
    """An explicit account has the configured servers, the login of its transport and `transport.auth`."""
    account = replace(EXPLICIT, mail=OTHER, transport=POST, transport_login="out")
    assert wanted(account) == Fields(ADDRESS, OTHER.url, False, POST.url, True, "out", TRANSPORT_AUTH, True)


def test_wanted_of_an_explicit_account_ignores_the_primary_account() -> None:
    """What account 0 has does not matter to a configured server."""
    assert wanted(EXPLICIT, (OTHER, POST)) == RIGHT


def test_wanted_without_transport_has_none_of_its_columns() -> None:
    """A mailbox that only receives has neither a transport row nor its property."""
    assert wanted(RECEIVING) == NO_TRANSPORT


def test_wanted_of_a_copied_account_takes_both_servers_of_the_primary_account() -> None:
    """`source: primary` copies mail and transport with their StartTLS flags."""
    fields = wanted(COPIED, (IMAP._replace(starttls=True), POST))
    assert (fields.mail_url, fields.mail_starttls) == (IMAP.url, True)
    assert (fields.transport_url, fields.transport_starttls) == POST
    assert (fields.transport_auth, fields.transport_secondary) == (TRANSPORT_AUTH, True)


def test_wanted_of_a_copied_account_has_no_transport_where_the_primary_has_none() -> None:
    """A primary account that only receives gives a secondary account that only receives."""
    assert wanted(COPIED, (IMAP, None)) == NO_TRANSPORT


def test_wanted_of_a_copied_account_is_blank_before_the_primary_account_is_known() -> None:
    """A plan shows empty urls without StartTLS, since they are known only at creation."""
    fields = wanted(COPIED)
    assert (fields.mail_url, fields.mail_starttls) == ("", False)
    assert (fields.transport_url, fields.transport_starttls) == ("", False)
    assert (fields.login, fields.transport_auth, fields.transport_secondary) == (ADDRESS, TRANSPORT_AUTH, True)


def test_repaired_gives_a_right_explicit_account_back_itself() -> None:
    """An account that is right is not rebuilt."""
    stored = RIGHT._replace()
    assert repaired(EXPLICIT, stored, RIGHT) is stored


@pytest.mark.parametrize(
    "broken",
    [
        {"login": "old"},
        {"mail_url": OTHER.url},
        {"mail_starttls": True},
        {"transport_url": POST.url},
        {"transport_starttls": True},
        {"transport_login": "old"},
        {"transport_auth": None},
        {"transport_secondary": False},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_repaired_puts_every_field_of_an_explicit_account_right(broken: dict[str, object]) -> None:
    """Each kept column of an explicit account is put back as configured."""
    assert repaired(EXPLICIT, RIGHT._replace(**broken), RIGHT) == RIGHT  # type: ignore[arg-type]


def test_repaired_writes_a_missing_transport_row_of_an_explicit_account() -> None:
    """A configured transport without a row is written again."""
    assert repaired(EXPLICIT, NO_TRANSPORT, RIGHT) == RIGHT


def test_repaired_takes_a_transport_away_that_is_not_configured() -> None:
    """A mailbox that only receives loses a transport row that it still has."""
    assert repaired(RECEIVING, RIGHT, wanted(RECEIVING)) == NO_TRANSPORT


@pytest.mark.parametrize(("revive", "failing"), [(False, "switched off"), (True, None)])
def test_counters_of_failed_logins_are_set_back_where_that_is_configured(revive: bool, failing: str | None) -> None:
    """Whatever else is repaired, an account that failed stays so unless it is to be revived."""
    account = replace(EXPLICIT, revive=revive)
    stored = RIGHT._replace(failing="switched off")
    assert repaired(account, stored, RIGHT) == RIGHT._replace(failing=failing)
    assert repaired(account, stored._replace(login="old"), RIGHT) == RIGHT._replace(failing=failing)


def test_repaired_keeps_the_servers_of_a_copied_account() -> None:
    """Servers once copied stay as they are, flags included; login, property and transport flag are put right."""
    kept = {"mail_url": OTHER.url, "mail_starttls": True, "transport_url": POST.url, "transport_starttls": True}
    stored = RIGHT._replace(**kept, login="old", transport_login="x", transport_auth=None, transport_secondary=False)
    assert repaired(COPIED, stored, wanted(COPIED)) == RIGHT._replace(**kept)


def test_repaired_leaves_a_copied_account_without_transport_so() -> None:
    """A copied account without a transport row gets none later, but its login is put right."""
    stored = NO_TRANSPORT._replace(login="old")
    assert repaired(COPIED, stored, wanted(COPIED)) == NO_TRANSPORT


@pytest.mark.parametrize(
    ("stored", "primary", "expected"),
    [
        (RIGHT, (IMAP, SMTP), False),
        (RIGHT, (OTHER, SMTP), True),
        (RIGHT, (IMAP._replace(starttls=True), SMTP), True),
        (RIGHT, (IMAP, POST), True),
        (RIGHT, (IMAP, SMTP._replace(starttls=True)), True),
        (RIGHT, (IMAP, None), True),
        (NO_TRANSPORT, (IMAP, SMTP), True),
        (NO_TRANSPORT, (IMAP, None), False),
        (NO_TRANSPORT, (OTHER, None), True),
    ],
)
def test_drift_is_any_difference_between_copy_and_primary(
    stored: Fields, primary: tuple[Endpoint, Endpoint | None], *, expected: bool
) -> None:
    """A copy has drifted when a server, a StartTLS flag or the presence of a transport differs."""
    assert drifted(stored, primary) is expected
