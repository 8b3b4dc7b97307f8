"""Who approves, as the ledger remembers it."""

from __future__ import annotations

import getpass
import os

import pytest

from syncd.cli import state


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found"), OSError("no user name")])
def test_somebody_without_a_name_may_approve(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A uid that no passwd file knows, as containers have, is named by its number (Python 3.13 raises OSError)."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert state._who() == f"uid {os.getuid()}"
