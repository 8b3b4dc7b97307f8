"""From the settings to the options of each layer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syncd.core.limits import Ceilings, Rollout
from syncd.core.model import Rule
from syncd.core.template import parse
from syncd.directory.connection import Options
from syncd.openxchange.connect import StoreOptions, Tls
from syncd.options import directory_options, readers, store_options
from syncd.settings.loading import Settings
from syncd.wiring import session
from tests.settings.configurations import Loader
from tests.settings.test_whole import WHOLE


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    """Give a loader of changed configurations."""
    return Loader(tmp_path)


@pytest.fixture
def settings(loader: Loader) -> Settings:
    """Give the whole configuration."""
    return loader.text(WHOLE, PW="hush")


def test_the_directories(settings: Settings) -> None:
    """Every key of each directory reaches the one who connects; no rules leave it to the kind."""
    options = directory_options(settings)
    folder = settings.path.parent
    password = options["hq"].password
    assert password is not None
    assert password.reveal() == "hush"
    assert options == {
        "hq": Options(
            name="hq",
            kind="ad",
            urls=("ldaps://dc1.example.org", "ldaps://dc2.example.org"),
            base="dc=example,dc=org",
            bind_dn="cn=syncd,dc=example,dc=org",
            password=password,
            ca=str(folder / "ca.pem"),
            rules=(
                Rule("login", (parse("{sAMAccountName:lower}"),)),
                Rule("mail", (parse("{mail}"),)),
                Rule("alias", (parse("{proxyAddresses:smtp}"),)),
                Rule("imap_login", (parse("{mail}"),)),
                Rule("id", (parse("{employeeNumber}"),)),
            ),
            disabled="keep",
            expired="remove",
            dangling="remove",
            must_see="cn=all-staff,dc=example,dc=org",
            nesting="server",
            page_size=500,
            connect_timeout=1,
            receive_timeout=2,
        ),
        "subsidiary": Options(
            name="subsidiary",
            urls=("ldap://ldap.sub.example.org",),
            base="dc=sub",
            starttls=True,
            verify=False,
            method="external",
            certificate="/etc/syncd/client.pem",
            certificate_key=str(folder / "client.key"),
            rules=(Rule("login", (parse("{uid}"), parse("{cn}"))),),
        ),
        "third": Options(
            name="third",
            kind="openldap",
            urls=("ldaps://ldap.example.net",),
            base="dc=net",
            method="gssapi",
            host="real.example.net",
        ),
    }


def test_the_databases_of_open_xchange(settings: Settings) -> None:
    """The configdb has its own URL, password and TLS."""
    options = store_options(settings)
    assert options.configdb is not None
    assert options.configdb.password is not None
    assert options == StoreOptions(
        url="mysql+pymysql://syncd@db.example.org/oxdatabase_5",
        configdb=StoreOptions(
            url="mysql+pymysql://reader@db.example.org/configdb",
            password=options.configdb.password,
            tls=Tls(ca=str(settings.path.parent / "db.pem")),
        ),
    )


def test_a_small_configuration_has_one_directory_without_a_name(loader: Loader) -> None:
    """What is not said is as the connecting layer has it by default: anonymous, by kind."""
    small = loader()
    assert directory_options(small) == {"": Options(urls=("ldaps://ldap.example.org",), base="dc=example,dc=org")}
    assert store_options(small).configdb is None


def test_all_passwords_of_directories_that_cannot_be_read_are_told(loader: Loader) -> None:
    """Not one at a time."""
    settings = loader.text(WHOLE.replace("bind: {method: external}", 'bind: {dn: "cn=x", password: {env: NONE}}'))
    problems = loader.refused(lambda: directory_options(settings))
    assert [problem.split(": ")[1] for problem in problems] == [
        "directories.hq.bind.password",
        "directories.subsidiary.bind.password",
    ]


def test_patterns_reach_the_run(loader: Loader) -> None:
    """What is found out by each run is known to whoever asks for the mailboxes."""
    settings = loader(
        (("openxchange", "database", "url"), f"sqlite:///{loader.path.parent}/ox.db"),
        (("ledger", "url"), f"sqlite:///{loader.path.parent}/ledger.db"),
        (("mappings", 0, "context"), "all"),
    )
    with session(settings) as instance:
        assert instance.mailboxes == ()
        assert [pattern.mailbox.address for pattern in instance.patterns] == ["support@mycompany.com"]
        assert instance.reconciler.patterns == instance.patterns


def test_limits_and_pace_reach_the_run(loader: Loader) -> None:
    """What the configuration says of ceilings, approvals, steps, brake and journal is what the run goes by."""
    settings = loader(
        (("openxchange", "database", "url"), f"sqlite:///{loader.path.parent}/ox.db"),
        (("ledger", "url"), f"sqlite:///{loader.path.parent}/ledger.db"),
        (("limits",), {"window": "2h", "approval": "3h", "removals_per_run": 4, "context": "off"}),
        (("rollout",), {"mailboxes": 5, "wait": "6m"}),
        (("max_changes_per_minute",), 7),
        (("history", "keep"), "8d"),
    )
    with session(settings) as instance:
        run = instance.reconciler
    assert run.ceilings == Ceilings(removals_per_run=4, window=timedelta(hours=2))
    assert (run.approval, run.keep) == (timedelta(hours=3), timedelta(days=8))
    assert (run.rollout, run.brake) == (Rollout(mailboxes=5, wait=timedelta(minutes=6)), 7)


def test_how_directories_are_read(settings: Settings, loader: Loader) -> None:
    """What decides about members, who asks too, is in the text of each directory; its place and passwords are not."""
    told = readers(settings)
    assert told.keys() == {"hq", "subsidiary", "third"}
    assert readers(loader.text(WHOLE.replace("dc1.example.org", "dc9.example.org"), PW="y")) == told
    for old, new in (("disabled: keep", "disabled: remove"), ("cn=syncd", "cn=other")):
        edited = readers(loader.text(WHOLE.replace(old, new), PW="x"))
        assert edited["hq"] != told["hq"]
        assert edited["third"] == told["third"]
