"""A configuration without a database: what goes with a service alone, and what is a problem there."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.openxchange.provisioning_listing import ListingStore
from syncd.options import store_options
from syncd.wiring import opened_store
from tests.settings.configurations import MISSING, Loader, Steps

FILE = {"file": "admin.secret"}
SOAP = {"url": "http://127.0.0.1/webservices/OXSecondaryAccountService", "login": "oxadmin", "password": FILE}
BY_ID = {"rules": [{"id": "oxUserId"}]}
USERS: Steps = ("directory", "users")
MAPPING: Steps = ("mappings", 0)
Changes = tuple[tuple[Steps, object], ...]
BY_SOAP: Changes = (
    (("openxchange", "database"), MISSING),
    (("openxchange", "write_with"), "soap"),
    (("openxchange", "soap"), SOAP),
)
ALONE: Changes = (*BY_SOAP, (USERS, BY_ID))
BY_TOOLS: Changes = (
    (("openxchange", "database"), MISSING),
    (("openxchange", "write_with"), "clt"),
    (("openxchange", "clt"), {"admin": "oxadmin", "password": FILE}),
    (USERS, BY_ID),
)


@pytest.fixture(autouse=True)
def _secret(loader: Loader) -> None:
    """Write the secret file that the sections name."""
    (loader.path.parent / "admin.secret").write_text("pw\n")
    (loader.path.parent / "admin.secret").chmod(0o600)


@pytest.mark.parametrize("changes", [ALONE, BY_TOOLS])
def test_a_service_is_enough(loader: Loader, changes: Changes) -> None:
    """With users known by their numbers neither database nor configdb is needed; the store is that of lists."""
    settings = loader(*changes)
    assert store_options(settings) is None
    with opened_store(settings) as store:
        assert isinstance(store, ListingStore)


def test_rules_of_the_mapping_are_enough(loader: Loader) -> None:
    """Where every mapping has rules of its own, those of the directory do not matter."""
    assert store_options(loader(*BY_SOAP, ((*MAPPING, "users"), BY_ID))) is None


def test_rules_of_directories_in_use(loader: Loader) -> None:
    """Of several directories only those whose rules are used have to know users by number."""
    one: dict[str, Any] = {"urls": ["ldaps://ldap.example.org"], "base": "dc=example,dc=org"}
    several = {"used": {**one, "users": BY_ID}, "unused": one}
    changes = (*BY_SOAP, (("directory",), MISSING), (("directories",), several))
    assert store_options(loader(*changes, ((*MAPPING, "directory"), "used"))) is None
    [problem] = loader.problems(*changes, ((*MAPPING, "directory"), "unused"))
    assert "directories.unused.users: " in problem
    assert "by their numbers only" in problem


def test_a_stored_password_needs_no_key(loader: Loader) -> None:
    """Open-Xchange encrypts and lists it itself."""
    settings = loader(*ALONE, ((*MAPPING, "account", "password"), FILE))
    assert settings.mailboxes()[0].account.password is not None


def test_sql_needs_a_database(loader: Loader) -> None:
    """Who writes by SQL is told of all ways out."""
    [problem] = loader.problems((("openxchange", "database"), MISSING), (USERS, BY_ID))
    assert 'key "database" (or configdb, which says where each context is; or write_with: soap or clt)' in problem


WITHOUT = "without openxchange.database or openxchange.configdb"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((("openxchange", "repair"), "failed_auth"), f"openxchange.repair: failed_auth does not go {WITHOUT}"),
        ((("openxchange", "invalidate"), "soap"), f"openxchange.invalidate: soap does not go {WITHOUT}"),
        (
            (("openxchange", "obfuscation"), {"format": "auto", "key": FILE}),
            f"openxchange.obfuscation: does not go {WITHOUT}",
        ),
        (((*MAPPING, "context"), "all"), f"context: {WITHOUT} it must be a number"),
        (((*MAPPING, "context"), {"attribute": "oxContext"}), f"context: {WITHOUT} it must be a number"),
        (((*MAPPING, "context"), {"name": "acme"}), "give openxchange.configdb"),
        (((*MAPPING, "sources", 0), {"ox_group": 0}), f"ox_group does not go {WITHOUT}"),
        (((*MAPPING, "exclude"), [{"ox_group": "sales"}]), f"ox_group does not go {WITHOUT}"),
        (((*MAPPING, "exclude"), [{"users": ["anna"]}]), f"users does not go {WITHOUT}"),
        (((*MAPPING, "users"), {"login": "uid"}), f"users: {WITHOUT} users are known by their numbers only"),
        (((*MAPPING, "users"), {"rules": [{"id": "n"}, {"mail": "mail"}]}), "users are known by their numbers only"),
        ((USERS, {"login": "uid"}), f"directory.users: {WITHOUT} users are known by their numbers only"),
        ((USERS, MISSING), "users are known by their numbers only"),
        ((USERS, "x"), "directory.users"),
        (((*MAPPING, "users"), {"rules": "x"}), "users"),
    ],
)
def test_what_needs_a_database(loader: Loader, change: tuple[Steps, object], words: str) -> None:
    """Each thing that a list cannot tell is a problem of its own, at its place; with a database it is none."""
    problems = loader.problems(*(BY_SOAP if change == (USERS, MISSING) else (*ALONE, change)))
    assert words in problems[0], problems
    assert len(problems) == 1 or change[1] == {"rules": "x"}, problems
