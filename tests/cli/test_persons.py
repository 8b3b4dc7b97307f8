"""Who decides, which digest is meant, and how ages read."""

from __future__ import annotations

import getpass
import os
from datetime import timedelta

import pytest
import typer

from syncd.cli.persons import age, meant, person

DIGESTS = ("sha256:abcd1234", "sha256:abcd9999", "sha256:0123ffff")


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found"), OSError("no user name")])
def test_somebody_without_a_name_may_decide(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A uid that no passwd file knows, as containers have, is named by its number (Python 3.13 raises OSError)."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.delenv("SUDO_USER", raising=False)
    assert person() == f"uid {os.getuid()}"
    assert person("Anna") == f"Anna (uid {os.getuid()})"


@pytest.mark.parametrize(
    ("by", "sudo", "told"),
    [
        (None, None, "syncd (uid {uid})"),
        (None, "anna", "anna by sudo (syncd, uid {uid})"),
        (None, "syncd", "syncd (uid {uid})"),
        (None, "\x1b[31m", "syncd (uid {uid})"),
        ("The boss ", None, "The boss (syncd, uid {uid})"),
        ("The boss", "anna", "The boss (anna by sudo, syncd, uid {uid})"),
    ],
)
def test_who_decides_is_named_with_the_real_user(
    monkeypatch: pytest.MonkeyPatch, by: str | None, sudo: str | None, told: str
) -> None:
    """The user, whoever became that user by sudo, and the name that was given, which never stands alone."""
    monkeypatch.setattr(getpass, "getuser", lambda: "syncd")
    monkeypatch.delenv("SUDO_USER", raising=False)
    if sudo is not None:
        monkeypatch.setenv("SUDO_USER", sudo)
    assert person(by) == told.format(uid=os.getuid())


@pytest.mark.parametrize("by", ["", "  ", "two\nlines", "\x1b[31mred", "x" * 101])
def test_what_is_no_name_is_refused(by: str) -> None:
    """The journal gets no name that cannot be read."""
    with pytest.raises(typer.BadParameter):
        person(by)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sha256:abcd1234", "sha256:abcd1234"),
        ("abcd1234", "sha256:abcd1234"),
        ("sha256:abcd1", "sha256:abcd1234"),
        ("ABCD1", "sha256:abcd1234"),
        ("0123", "sha256:0123ffff"),
        ("ffff", None),
        ("abcd12345", None),
    ],
)
def test_a_unique_beginning_means_a_digest(text: str, found: str | None) -> None:
    """With the word in front or not, in any letter case; what no digest begins with means none."""
    assert meant(text, DIGESTS) == found


@pytest.mark.parametrize("text", ["abcd", "sha256:abcd", "012", "sha256:", ""])
def test_a_beginning_that_could_mean_another_is_refused(text: str) -> None:
    """Several digests begin like that, or it is too short to be meant."""
    with pytest.raises(typer.BadParameter, match=r"several digests|at least 4"):
        meant(text, DIGESTS)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400 * 3 + 3600 * 4 + 60, "3 d 4 h"),
        (86400 + 60, "1 d 1 min"),
    ],
)
def test_an_age_has_its_two_largest_units(seconds: int, told: str) -> None:
    """What is days old is not told in minutes."""
    assert age(timedelta(seconds=seconds)) == told
