"""Look at values of the file that may be of any kind, for the checks between values.

What is not of the expected kind counts as empty here, since the models report it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from syncd.settings.document import Path, Problem


def section(value: object) -> dict[str, Any]:
    """Give a mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """Give a list, or an empty one."""
    return value if isinstance(value, list) else []


def given(values: Mapping[str, object], keys: Collection[str]) -> list[str]:
    """Give those of the keys that have a value."""
    return [key for key in keys if values.get(key) is not None]


def one_of(
    values: object, keys: Collection[str], path: Path, *, known: Collection[str] | None = None
) -> Iterator[Problem]:
    """Find that not exactly one of some keys is given.

    Args:
        values: what stands at `path`; nothing is said of what is no mapping.
        keys: of these there must be one.
        path: where that is.
        known: all keys that may stand there; with an unknown one beside, that one is the better message.
    """
    if not isinstance(values, dict) or not set(values) <= set(keys if known is None else known):
        return
    found = given(values, keys)
    if len(found) != 1:
        names = f"{', '.join([*keys][:-1])} or {[*keys][-1]}"
        extra = f", not {' and '.join(found)} together" if found else ""
        yield Problem(path, f"give exactly one of {names}{extra}")
