"""Parts of a run that no server is needed for."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from syncd import run
from syncd.errors import LedgerBusy
from syncd.ledger.lease import Lease


class Watched:
    """A lease that says when it is renewed, and that it was lost."""

    def __init__(self) -> None:
        self.renewed = threading.Event()

    def renew(self) -> None:
        self.renewed.set()
        raise LedgerBusy("the run lease was lost")


def test_the_lease_is_renewed_however_long_a_read_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the run waits for an answer, its lease is renewed; that it was lost disturbs nothing there."""
    monkeypatch.setattr(run, "RENEWAL", 0.01)
    lease = Watched()
    with run._kept(cast("Lease", lease)):
        assert lease.renewed.wait(10)
        lease.renewed.clear()
        assert lease.renewed.wait(10)
