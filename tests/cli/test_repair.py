"""Accounts that failed logins switched off: told of in the plan, and set back only where that is configured."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from syncd.core.accounts import repaired, wanted
from syncd.openxchange.provisioning_content import on_update
from tests.cli.test_caches import Place, place  # noqa: F401 - a fixture
from tests.core.strategies import EXPLICIT, RIGHT

COUNTERS = ("disabled", "failed_auth_count", "failed_auth_date")
BROKEN = (
    "SET disabled = 1, failed_auth_count = 5, failed_auth_date = 99, deactivated = 1 WHERE user = 3 AND secondary = 1"
)


def broken(place: Place) -> None:  # noqa: F811 - the fixture
    """Switch the account of a user off, by failed logins and by himself; count one failed login of another."""
    with place.engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE user_mail_account {BROKEN}"))
        connection.execute(
            sa.text("UPDATE user_mail_account SET failed_auth_count = 1 WHERE user = 4 AND secondary = 1")
        )


def counters(place: Place, user: int) -> tuple[int, ...]:  # noqa: F811
    """Give the counters and the user's own switch."""
    with place.engine.connect() as connection:
        columns = ", ".join((*COUNTERS, "deactivated"))
        text = f"SELECT {columns} FROM user_mail_account WHERE user = {user} AND secondary = 1"
        return tuple(connection.execute(sa.text(text)).one())


def test_they_are_told_and_left_alone(place: Place) -> None:  # noqa: F811
    """Without `repair` the plan names them, nothing is written, and nothing counts as a change."""
    place.syncd("sync")
    broken(place)
    done = place.syncd("plan", "--exit-code")
    assert done.code == 0
    assert "user3 (3): failed logins: switched off" in done.out
    assert "user4 (4): failed logins: counted" in done.out
    assert place.syncd("sync").code == 0
    assert counters(place, 3) == (1, 5, 99, 1)


def test_they_are_set_back_where_that_is_configured(place: Place) -> None:  # noqa: F811
    """With `repair: failed_auth` all three counters become 0 as updates; what the user switched off stays off."""
    place.syncd("sync")
    broken(place)
    place.more = "repair: failed_auth"
    assert place.syncd("plan", "--exit-code").code == 3
    assert "2 updated" in place.syncd("sync").out
    assert counters(place, 3) == (0, 0, 0, 1)
    assert counters(place, 4) == (0, 0, 0, 0)
    assert place.syncd("plan", "--exit-code").code == 0


def test_another_repair_sets_them_back_as_ever(place: Place) -> None:  # noqa: F811
    """A changed login resets the counters whatever `repair` says, as Open-Xchange itself does."""
    place.syncd("sync")
    broken(place)
    assert place.syncd("sync", login="other").code == 0
    assert counters(place, 3) == (0, 0, 0, 1)


@pytest.mark.parametrize("revive", [False, True])
def test_by_soap_an_equal_login_sets_them_back(revive: bool) -> None:
    """Sent where the account says so, and nothing is sent where not."""
    account = replace(EXPLICIT, revive=revive)
    stored = RIGHT._replace(failing="switched off")
    new = repaired(account, stored, wanted(account))
    assert (new == stored) is not revive
    assert on_update(stored, new, account, password=False) == (None, ({"login": RIGHT.login},) if revive else ())
