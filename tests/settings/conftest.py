"""The fixture of the settings tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.settings.configurations import Loader


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    """Give a loader of changed configurations."""
    return Loader(tmp_path)
