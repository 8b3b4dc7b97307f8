"""The ledger of a rehearsal can stand in for the real one."""

from __future__ import annotations

import inspect

from syncd.ledger.ledger import Ledger
from syncd.rehearsal.worlds import RehearsedLedger


def test_the_ledger_of_a_rehearsal_is_asked_as_the_real_one() -> None:
    """Each of its methods takes as many arguments; a cast hides from the type checker where one does not."""
    asked = {name: method for name, method in vars(RehearsedLedger).items() if inspect.isfunction(method)}
    methods = {name: method for name, method in asked.items() if not name.startswith("_")}
    assert len(methods) > 5
    for name, method in methods.items():
        real = inspect.signature(getattr(Ledger, name)).parameters
        assert len(inspect.signature(method).parameters) == len(real), name
