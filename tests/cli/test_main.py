"""What reaches the user when something ends a command: one line and a hint, a traceback only where it is asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncd.cli import main, state
from syncd.errors import LedgerUnavailable
from tests.e2e.world import invoke


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ZeroDivisionError("division by zero"), "syncd: unexpected ZeroDivisionError: division by zero"),
        (LedgerUnavailable("the ledger is gone", hint="look for it"), "syncd: the ledger is gone"),
        (OSError(28, "No space left on device", "/var/x"), "syncd: /var/x: No space left on device"),
        (KeyboardInterrupt(), "syncd: interrupted"),
    ],
)
def test_an_error_is_a_line_and_never_a_traceback(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, line: str
) -> None:
    """Whatever ends a command ends it with exit code 1 and says so; only --debug shows where."""
    monkeypatch.setattr(state, "ledger_of", _failing(error))
    done = invoke("status", "-c", "syncd.yaml")
    assert done.code == 1
    assert done.err.startswith(line)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [("--debug", "status"), ("status", "--debug")])
def test_debug_raises_what_happened(monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]) -> None:
    """With --debug, before or after the command, the error comes out as it is, and Python shows its traceback."""
    monkeypatch.setattr(state, "ledger_of", _failing(ZeroDivisionError("here")))
    with pytest.raises(ZeroDivisionError):
        invoke(*words, "-c", "syncd.yaml")
    assert main.app.pretty_exceptions_enable is False


def _failing(error: BaseException) -> Callable[[object], None]:
    def fail(_config: object) -> None:
        raise error

    return fail
