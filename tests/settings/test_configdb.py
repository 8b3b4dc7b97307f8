"""One database, or a configdb that knows many: which of both, and who logs in to them."""

from __future__ import annotations

import pytest

from syncd.core.model import Secret
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.connect import StoreOptions, Tls
from syncd.openxchange.sharded import ShardedStore
from syncd.options import store_options
from syncd.wiring import opened_store
from tests.settings.configurations import MISSING, Loader, Steps

URL = "mysql+pymysql://reader@db.example.org/configdb"
DATABASE: Steps = ("openxchange", "database")
CONFIGDB: Steps = ("openxchange", "configdb")
INSTEAD: tuple[tuple[Steps, object], ...] = ((DATABASE, MISSING), (CONFIGDB, {"url": URL, "password": {"env": "ONE"}}))


def test_configdb_instead_of_a_database(loader: Loader) -> None:
    """The databases are reached as configdb is, by the logins of their pools."""
    settings = loader(*INSTEAD, ONE="one")
    assert settings.warnings == ()
    assert store_options(settings) == ConfigdbOptions(
        configdb=StoreOptions(url=URL, password=Secret("one")), pools=StoreOptions(url=URL)
    )
    with opened_store(settings) as store:
        assert isinstance(store, ShardedStore)


def test_logins_of_our_own(loader: Loader) -> None:
    """Login, password and TLS of the databases can be others than those of configdb; an open door is told."""
    pools = {"login": "syncd", "password": {"env": "TWO"}, "tls": {"ca": "pools.pem", "verify": False}}
    tls = ((*CONFIGDB, "tls"), {"ca": "db.pem"})
    settings = loader(*INSTEAD, tls, ((*CONFIGDB, "pools"), pools), ONE="one", TWO="two")
    options = store_options(settings)
    assert isinstance(options, ConfigdbOptions)
    assert (options.login, options.password) == ("syncd", Secret("two"))
    folder = loader.path.parent
    assert options.configdb.tls == Tls(ca=f"{folder}/db.pem")
    assert options.pools.tls == Tls(ca=f"{folder}/pools.pem", verify=False)
    assert options.pools.password is None
    [warning] = settings.warnings
    assert "openxchange.configdb.pools.tls.verify: any certificate is accepted" in warning


def test_no_tls_to_the_databases(loader: Loader) -> None:
    """Switched off it is off for the databases alone, and worth a warning."""
    settings = loader(*INSTEAD, ((*CONFIGDB, "pools"), {"tls": False}), ONE="one")
    options = store_options(settings)
    assert isinstance(options, ConfigdbOptions)
    assert (options.configdb.tls, options.pools.tls) == (None, Tls(enabled=False))
    assert any("openxchange.configdb.pools.tls: no TLS" in warning for warning in settings.warnings)


def test_a_database_comes_first(loader: Loader) -> None:
    """Beside a database configdb only knows the names of contexts."""
    settings = loader((CONFIGDB, {"url": URL}))
    options = store_options(settings)
    assert isinstance(options, StoreOptions)
    assert options.configdb == StoreOptions(url=URL)


@pytest.mark.parametrize(
    ("changes", "at", "words"),
    [
        (
            ((DATABASE, MISSING), (("openxchange", "write_with"), "sql")),
            ("openxchange",),
            'missing key "database" (or configdb',
        ),
        (((CONFIGDB, {"url": URL, "pools": {"login": "x"}}),), (*CONFIGDB, "pools"), "has no meaning beside database"),
        ((*INSTEAD, ((*CONFIGDB, "pools"), {"login": "x"})), (*CONFIGDB, "pools", "login"), "needs a password"),
    ],
)
def test_what_does_not_go_together(
    loader: Loader, changes: tuple[tuple[Steps, object], ...], at: Steps, words: str
) -> None:
    """Without either, or with half of a login, the problem says what is missing."""
    problems = loader.problems(*changes)
    assert any(problem.startswith(f"syncd.yaml:{loader.lines[at]}: ") and words in problem for problem in problems)
