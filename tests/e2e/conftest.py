"""A slapd of its own, since these stories stop it and change its rules, and a fresh world for every story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World
from tests.servers.mariadb import MariaDb
from tests.servers.slapd import Slapd


@pytest.fixture(scope="session")
def directory_server() -> Iterator[Slapd]:
    """Give one OpenLDAP server for all stories."""
    with Slapd() as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, directory_server: Slapd, mariadb: MariaDb, ox_database: str) -> World:
    """Give a world with six people, an empty mailbox mapping for support@, and nothing done yet."""
    return World(tmp_path, directory_server.database(), mariadb, ox_database)
