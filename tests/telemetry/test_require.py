"""A missing server's program: loud, and in CI a fault."""

from __future__ import annotations

import pytest

from tests.servers import require


@pytest.mark.parametrize(("variable", "value"), [("CI", "true"), ("SYNCD_REQUIRE_SERVERS", "1")])
def test_in_ci_a_missing_program_fails_the_test(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """Where nothing may be left out a missing program is a failure that names it."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv(variable, value)
    with pytest.raises(pytest.fail.Exception, match="no-such-server"):
        require.binary("no-such-server")


def test_elsewhere_a_missing_program_skips_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine the test is left out, and the reason says so."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("SYNCD_REQUIRE_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED: no-such-server"):
        require.binary("no-such-server")


def test_a_program_is_found_by_its_path() -> None:
    """A program that is there is given with its path."""
    assert require.binary("sh").endswith("/sh")
