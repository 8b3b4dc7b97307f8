"""Ask for a server's program before a test uses it."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"))


def binary(name: str) -> str:
    """Give the path of a program; without it fail in CI, elsewhere skip the test and say so."""
    return shutil.which(name, path=_PATH) or missing(name)


def missing(what: str) -> NoReturn:
    """Fail in CI, elsewhere skip the test, since a server cannot be started.

    CI means that `CI` is set or `SYNCD_REQUIRE_SERVERS` is 1: there a test left out is a fault.
    """
    if os.environ.get("CI") or os.environ.get("SYNCD_REQUIRE_SERVERS") == "1":
        pytest.fail(f"{what} is not installed, and here no test may be left out", pytrace=False)
    pytest.skip(f"NOT TESTED: {what} is not installed (`make servers-all` as root installs it)")
