"""What is enforced of an account, and what is kept as it is stored: one row of the policies after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.accounts import folders_text, repaired, wanted
from syncd.core.model import Fields, Policy
from tests.core.strategies import COPIED, EXPLICIT

TEXTS = replace(EXPLICIT, name="Right", personal="P", reply_to=" ", folders={"sent": "default0/Sent"})


def test_nothing_but_the_servers_is_looked_at_by_default() -> None:
    """With the default policy the names, reply-to and folders are no part of what is compared."""
    assert set(wanted(TEXTS)[8:]) == {None}


@pytest.mark.parametrize(
    ("key", "field", "value"),
    [
        ("name", "name", "Right"),
        ("personal", "personal", "P"),
        ("reply_to", "reply_to", ""),
        ("folders", "folders", "sent: Sent"),
    ],
)
def test_each_text_is_wanted_where_it_is_enforced(key: str, field: str, value: str) -> None:
    """What is enforced is wanted as OX stores it: blank as none, folders without the prefix; all else is not."""
    account = replace(TEXTS, policy=Policy(**{key: "enforce"}))  # type: ignore[arg-type]
    expected = {"name": None, "personal": None, "reply_to": None, "folders": None, field: value}
    assert {name: getattr(wanted(account), name) for name in expected} == expected
    without = replace(account, transport=None)
    assert {name: getattr(wanted(without), name) for name in expected} == expected


def test_a_reply_to_that_is_enforced_is_the_configured_one() -> None:
    """An address that is not blank is wanted as it is written."""
    account = replace(TEXTS, reply_to="team@x.org", policy=Policy(reply_to="enforce"))
    assert wanted(account).reply_to == "team@x.org"


@pytest.mark.parametrize("kept", ["create", "ignore"])
@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("login", {"login": "theirs"}),
        ("server", {"mail_url": "imap://theirs:143", "mail_starttls": True}),
        ("transport", {"transport_url": "smtp://theirs:25", "transport_starttls": True, "transport_login": "out"}),
    ],
)
def test_what_is_not_enforced_stays_as_stored(kept: str, key: str, fields: dict[str, object]) -> None:
    """A difference in login, server or transport is repaired by default, and left where it is not enforced."""
    right = wanted(EXPLICIT)
    stored = right._replace(**fields)
    account = replace(EXPLICIT, policy=Policy(**{key: kept}))  # type: ignore[arg-type]
    assert repaired(EXPLICIT, stored, right) == right
    assert repaired(account, stored, right) == stored
    broken = stored._replace(transport_auth=None, transport_secondary=False)
    assert repaired(account, broken, right) == stored


def test_a_transport_that_is_not_enforced_is_neither_given_nor_taken() -> None:
    """An account without transport row stays without one, and one that has a row keeps it."""
    kept = replace(EXPLICIT, policy=Policy(transport="create"))
    none: Fields = wanted(replace(EXPLICIT, transport=None))
    assert repaired(kept, none, wanted(kept)) == none
    receiving = replace(kept, transport=None)
    assert repaired(receiving, wanted(EXPLICIT), wanted(receiving)) == wanted(EXPLICIT)


def test_a_copied_account_is_enforced_in_its_texts_only() -> None:
    """Servers copied from the primary account stay as they are while the name is repaired."""
    account = replace(COPIED, name="Right", policy=Policy(name="enforce", login="create"))
    right = wanted(account)
    stored = right._replace(mail_url="imap://a:143", transport_url="smtp://a:25", login="theirs", name="Wrong")
    assert repaired(account, stored, right) == stored._replace(name="Right")


def test_folders_are_written_alike_in_any_order() -> None:
    """The order of the kinds does not matter, and the prefix counts nowhere, not even for the archive."""
    one = folders_text({"archive": "default0/A", "sent": None})
    assert one == folders_text({"sent": "", "archive": "A"}) == "archive: A, sent: "
