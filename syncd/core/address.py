"""Compare mail addresses as Open-Xchange's database does (utf8mb4_unicode_ci), without asking it.

The collation ignores case, accents, trailing blanks (PAD SPACE) and control characters, and holds all characters beyond
the basic plane for one. Its weights are those of UCA 4.0.0 without contractions, so a key can be made character by
character: `collation.json` has, for every character whose key is another text, that text. The table was read from
MariaDB 10.11 (`tests/openxchange/make_collation.py`), and a test compares both for all characters.
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from importlib import resources

_BEYOND = "\U000ffffd"
"""Stands for every character beyond the basic plane: they share the weight FFFD."""


def collation_key(address: str) -> str:
    """Give a text that is equal for two addresses exactly when utf8mb4_unicode_ci holds them for equal.

    For plain ASCII it is the address in lower case without trailing blanks; for others a readable approximation.

    >>> collation_key("Support@MyCompany.com ")
    'support@mycompany.com'
    >>> collation_key("Dépôt@example.org")
    'depot@example.org'
    """
    if address.isascii() and address.isprintable():
        return address.lower().rstrip(" ")
    return address.translate(_table()).rstrip(" ")


def letters(address: str) -> str:
    """Give a text that is equal for two addresses that differ by nothing but letter case and blanks at the end.

    How an accent is composed does not count either. Addresses that are equal by `collation_key` and not by this are a
    conflict: OX cannot keep them apart, people do.

    >>> letters("SUPPORT@example.org ")
    'support@example.org'
    """
    return unicodedata.normalize("NFC", address).casefold().rstrip(" ")


class _Table(dict[int, str]):
    """Serve `str.translate`: known characters by the table, those beyond the basic plane as one, others unchanged."""

    def __missing__(self, code: int) -> str:
        return _BEYOND if code > 0xFFFF else chr(code)


@cache
def _table() -> _Table:
    """Read the table once, when the first address that needs it comes."""
    text = resources.files("syncd.core").joinpath("collation.json").read_text("ascii")
    groups: dict[str, str] = json.loads(text)
    return _Table({ord(char): key for key, chars in groups.items() for char in chars})
