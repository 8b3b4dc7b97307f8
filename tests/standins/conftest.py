"""A small installation with the service on it, for the tests of the stand-in itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.model import Middleware
from tests.standins.service import Service, populate
from tests.standins.sqlite import quick


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Give a service on SQLite with contexts 1 and 2, users 3 to 9 and a group 15 of users 3 to 5."""
    engine = quick(tmp_path / "ox.db")
    populate(engine)
    with Service(Middleware(engine)) as service:
        yield service
