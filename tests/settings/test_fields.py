"""The policies of attributes: common ones, those of a mapping, and what ignore leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.core.model import Policy
from tests.settings.configurations import Loader

ACCOUNT = ("mappings", 0, "account")


def test_the_default_policy(loader: Loader) -> None:
    """Without the section texts are the user's, servers and passwords are enforced."""
    [mailbox] = loader().mailboxes()
    assert mailbox.account.policy == Policy()


def test_a_mapping_goes_before_the_common_policy(loader: Loader) -> None:
    """What a mapping says wins, attribute by attribute."""
    common, own = (("fields",), {"name": "enforce", "login": "create"}), (("mappings", 0, "fields"), {"name": "create"})
    [mailbox] = loader(common, own).mailboxes()
    assert mailbox.account.policy == Policy(name="create", login="create")


@pytest.mark.parametrize(
    ("key", "left"),
    [
        ("personal", {"personal": None}),
        ("reply_to", {"reply_to": None}),
        ("folders", {"folders": {}}),
        ("transport", {"transport": None, "transport_login": ""}),
        ("name", {}),
        ("login", {}),
        ("server", {}),
    ],
)
def test_what_is_ignored_is_not_written_at_all(loader: Loader, key: str, left: dict[str, Any]) -> None:
    """Ignored attributes are as if they were not configured; an account cannot be without name, login and server."""
    given = [((*ACCOUNT, "personal"), "P"), ((*ACCOUNT, "reply_to"), "r@x.org"), ((*ACCOUNT, "folders"), {"sent": "S"})]
    given.append(((*ACCOUNT, "transport", "login"), "out"))
    [whole] = loader(*given).mailboxes()
    [mailbox] = loader(*given, (("fields",), {key: "ignore"})).mailboxes()
    differing = {
        name: getattr(mailbox.account, name)
        for name in whole.account.__slots__
        if name != "policy" and getattr(mailbox.account, name) != getattr(whole.account, name)
    }
    assert differing == left


def test_a_policy_has_one_of_three_values(loader: Loader) -> None:
    """Anything else is one problem."""
    [problem] = loader.problems((("fields",), {"name": "always"}))
    assert "create, enforce or ignore" in problem or "enforce" in problem
