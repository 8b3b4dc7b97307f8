"""Write syncd/core/collation.json anew: `python -m tests.openxchange.make_collation HOST PORT USER PASSWORD`.

Every character gets a key made of tokens; a token is one weight, or the pair that UCA gives to characters without an
entry of their own (its first half lies between FB40 and FBFF and never stands alone). A token is written as the first
character that has exactly this token (letters in lower case), else as a private one of plane 15.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pymysql

TARGET = Path(__file__).parents[2] / "syncd/core/collation.json"
BASIC_PLANE = [code for code in range(0x10000) if not 0xD800 <= code < 0xE000]


def weights(cursor: Any) -> dict[int, tuple[str, ...]]:
    """Ask the server for the weights of all characters of the basic plane, as tokens."""
    found = {}
    for start in range(0, len(BASIC_PLANE), 2000):
        codes = BASIC_PLANE[start : start + 2000]
        expression = "HEX(WEIGHT_STRING(_utf8mb4 %s COLLATE utf8mb4_unicode_ci))"
        cursor.execute("SELECT " + ",".join([expression] * len(codes)), [chr(code) for code in codes])
        found.update({code: tokens(text) for code, text in zip(codes, cursor.fetchone(), strict=True)})
    return found


def tokens(weight: str) -> tuple[str, ...]:
    """Split hexadecimal weights into tokens."""
    units = [weight[i : i + 4] for i in range(0, len(weight), 4)]
    result = []
    while units:
        unit = units.pop(0)
        result.append(unit + units.pop(0) if "FB40" <= unit <= "FBFF" else unit)
    return tuple(result)


def implicit(token: str) -> str:
    """Give the character that a pair of weights was computed from (UTS 10, implicit weights)."""
    return chr((int(token[:4], 16) & 0x3F) << 15 | int(token[4:], 16) & 0x7FFF)


def table(by_code: dict[int, tuple[str, ...]]) -> dict[str, str]:
    """Group the characters whose key is not the character itself by their key."""
    written: dict[str, str] = {}
    for code in sorted(by_code, key=lambda code: (chr(code).isupper(), code)):
        if len(by_code[code]) == 1:
            token = by_code[code][0]
            written.setdefault(token, chr(code) if len(token) == 4 else implicit(token))
    groups: dict[str, str] = {}
    for code, parts in by_code.items():
        key = "".join(written.get(part) or chr(0xF0000 + int(part, 16)) for part in parts)
        if key != chr(code):
            groups[key] = groups.get(key, "") + chr(code)
    return groups


def main() -> None:
    """Read the weights and write the file."""
    host, port, user, password = sys.argv[1:]
    with pymysql.connect(host=host, port=int(port), user=user, password=password, charset="utf8mb4") as connection:
        groups = table(weights(connection.cursor()))
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(chars)}" for key, chars in sorted(groups.items()))
    TARGET.write_text("{\n" + lines + "\n}\n", "ascii")
    print(f"{len(groups)} keys")


if __name__ == "__main__":
    main()
