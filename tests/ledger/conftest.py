"""A ledger on each of its databases: SQLite always, MariaDB where its server is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.core.model import Secret
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH
from tests.servers.mariadb import MariaDb


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerOptions:
    """Options of an empty database."""
    if request.param == "sqlite":
        return LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)
    server: MariaDb = request.getfixturevalue("mariadb")
    url = server.url(server.fresh_database(tables=False))
    return LedgerOptions(url=url, password=Secret("test"), tls=False, lock_timeout=1)


@pytest.fixture
def sqlite(tmp_path: Path) -> LedgerOptions:
    """Options of a SQLite file that does not exist yet."""
    return LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)


@pytest.fixture
def ledger(options: LedgerOptions) -> Iterator[Ledger]:
    """An open ledger that knows two mailboxes."""
    with Ledger.open(options) as ledger:
        ledger.register(BOTH)
        yield ledger
