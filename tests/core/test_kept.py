"""What is kept of an account and of its claim: passwords, copied servers, drift, member and seal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Claim, Endpoint, Observed, Secret
from tests.core.planning import (
    HELD,
    IN,
    OTHER,
    OURS,
    PENDING,
    planned,
    story,
)
from tests.core.strategies import (
    COPIED,
    EXPLICIT,
    IMAP,
    NEVER,
    RIGHT,
    SMTP,
    SUPPORT,
    WRONG,
    World,
    dn_of,
    observed,
)

SECRET = replace(EXPLICIT, password=Secret(NEVER))


@pytest.mark.parametrize(
    ("password", "fields", "expected", "written"),
    [
        (True, RIGHT, {}, None),
        (None, RIGHT, {}, None),
        (False, RIGHT, {"changes": [("update", 20)]}, True),
        (False, WRONG, {"changes": [("update", 20)]}, True),
        (True, WRONG, {"changes": [("update", 20)]}, False),
        (None, WRONG, {"changes": [("update", 20)]}, False),
    ],
)
def test_a_password_that_differs_is_written(
    password: bool | None, fields: object, expected: dict[str, object], *, written: bool | None
) -> None:
    """A stored password that is not the configured one is an update; one that is right or not managed is not."""
    plan = planned(IN, [observed(4, 20, fields=fields, password=password)], HELD, account=SECRET)
    assert story(plan) == expected
    assert [change.password for change in plan.changes] == ([] if written is None else [written])


@pytest.mark.parametrize(
    ("account", "written"),
    [(EXPLICIT, False), (SECRET, True), (replace(EXPLICIT, transport_password=Secret(NEVER)), True)],
)
def test_a_create_writes_passwords_where_they_are_managed(account: object, *, written: bool) -> None:
    """A new account gets its passwords when any is configured."""
    (create,) = planned(IN, account=account).changes
    assert create.password is written
    assert create.changed().get("password") == ((None, "***") if written else None)


def test_a_password_is_shown_as_stars() -> None:
    """What changed names the password, never its text."""
    (change,) = planned(IN, [observed(4, 20, password=False)], HELD, account=SECRET).changes
    assert change.changed() == {"password": ("***", "***")}


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        ((IMAP, SMTP), False),
        ((Endpoint("imap://new:143", False), SMTP), True),
        ((IMAP, None), True),
        (None, False),
    ],
)
def test_a_copied_account_that_drifted_is_reported_and_not_touched(
    primary: tuple[Endpoint, Endpoint | None] | None, *, expected: bool
) -> None:
    """Servers of the primary account that changed later are told as drift, and nothing is changed."""
    world = World(primaries={(1, 4): primary} if primary else {})
    plan = planned(IN, [OURS], HELD, world, account=COPIED)
    assert story(plan) == {}
    assert [(notice.user, notice.account) for notice in plan.drift] == ([(4, 20)] if expected else [])
    assert plan.unchanged == 1


def test_an_explicit_account_never_drifts() -> None:
    """Configured servers have nothing to do with the primary account."""
    world = World(primaries={(1, 4): (Endpoint("imap://new:143", False), None)})
    plan = planned(IN, [observed(4, 20, fields=WRONG)], HELD, world)
    assert plan.drift == ()


def test_a_copied_account_is_created_with_blank_servers() -> None:
    """Before the primary account is read, a create of a copied account has empty urls."""
    (create,) = planned(IN, account=COPIED).changes
    assert create.new == wanted(COPIED)


@pytest.mark.parametrize(
    ("owned", "account", "expected"),
    [
        pytest.param(HELD, OURS, [], id="nothing new"),
        pytest.param(HELD._replace(member="old"), OURS, [HELD], id="another id"),
        pytest.param(HELD._replace(dn="uid=old"), OURS, [HELD], id="another DN"),
        pytest.param(HELD._replace(login="old"), OURS, [HELD], id="another login"),
        pytest.param(HELD._replace(seal=b"1"), OURS, [], id="seal kept"),
        pytest.param(HELD, OURS._replace(seal=b"2"), [HELD._replace(seal=b"2")], id="verified"),
        pytest.param(HELD._replace(seal=b"1"), OURS._replace(seal=b"2"), [HELD._replace(seal=b"2")], id="anew"),
        pytest.param(HELD._replace(seal=b"1", dn="x"), OURS, [HELD._replace(seal=b"1")], id="seal survives"),
        pytest.param(PENDING._replace(dn="x"), OURS, [HELD], id="pending becomes held"),
        pytest.param(HELD._replace(dn="x"), OURS._replace(fields=WRONG), [HELD], id="beside an update"),
    ],
)
def test_a_claim_is_refreshed_where_its_member_or_seal_changed(
    owned: Claim, account: Observed, expected: list[Claim]
) -> None:
    """Id, DN, login and seal are noted anew exactly when one of them is new."""
    assert list(planned(IN, [account], owned).refreshed) == expected


def test_an_adoption_carries_what_the_claim_will_need() -> None:
    """An adoption names account, member, path and the seal of a password verified."""
    (adoption,) = planned(IN, [OTHER._replace(seal=b"s")]).adopted
    assert adoption == (4, "berta", 30, "id-berta", dn_of("berta"), (SUPPORT.value,), b"s")
