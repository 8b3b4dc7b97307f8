"""What `syncd check` found: one line each, good or bad."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was verified, and what came of it."""

    ok: bool
    what: str
    """What was looked at, as a person would name it: `OX database`, `sequence rows`."""
    detail: str
    """What was found there."""
    hint: str = ""
    """What to do about it; empty when all is well."""
