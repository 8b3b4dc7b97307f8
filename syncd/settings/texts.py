"""Check the texts and numbers of the configuration, one function for each kind.

Each function takes whatever the file holds and gives the value to work with, or raises ValueError with a sentence
that continues the path (`page_size: must be a whole number ...`). A value is quoted in it only where it cannot be a
secret.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from syncd.core import dn as names

ADDRESS_LENGTH = LOGIN_LENGTH = NAME_LENGTH = FOLDER_LENGTH = 256
"""Characters that the columns of `user_mail_account` hold: primary_addr, login, name, url, *_fullname."""
PERSONAL_LENGTH = 64
MAX_ID = 2**32 - 1
"""Greatest context id: INT UNSIGNED."""
ALL_LEVELS = 1000
"""Groups in groups; no directory has so many, and each costs a question."""
DAY = 86400.0
"""Seconds."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
DURATION_OR_FOREVER = r"^(forever|[0-9]+(\.[0-9]+)?(ms|s|m|h|d))$"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?").fullmatch
_LOGON_NAME = re.compile(r"[^=,@\\]+(@|\\)[^=,@\\]+").fullmatch


class Listen(NamedTuple):
    """Where the HTTP endpoints listen."""

    host: str
    """Name or IP address, IPv6 without brackets."""
    port: int
    """0 = any free port."""


def quoted(value: object) -> str:
    """Show a value in a message: scalars as in the file and cut short, the rest by kind only."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, int | float):
        return str(value) if abs(value) < 10**30 else "a huge number"
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value), "something else")


def whole(minimum: int, maximum: int | None = None) -> Callable[[object], int]:
    """Give a function that accepts whole numbers from `minimum` to `maximum`."""
    span = f"above {minimum - 1}" if maximum is None else f"from {minimum} to {maximum}"

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum or (maximum or value) < value:
            raise ValueError(f"must be a whole number {span}, not {quoted(value)}")
        return value

    return check


def percentage(value: object) -> float:
    """Accept a number from 0 to 100."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ValueError(f"must be a number from 0 to 100, not {quoted(value)}")
    return float(value)


def flag(value: object) -> bool:
    """Accept true and false (YAML 1.2: `yes` and `on` are texts)."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {quoted(value)}")  # noqa: TRY004 - pydantic collects ValueError
    return value


def choice(*allowed: str) -> Callable[[object], str]:
    """Give a function that accepts exactly these words."""
    words = " or ".join((", ".join(allowed[:-1]), allowed[-1])) if allowed[:-1] else allowed[-1]

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be {words}, not {quoted(value)}")
        return value

    return check


def protocol(name: str) -> Callable[[object], str]:
    """Give a function that accepts the one protocol a secondary account may have (ox-facts 2.6)."""

    def check(value: object) -> str:
        if value == f"{name}s":
            raise ValueError(f"must be {name}; for TLS from the start write secure: true beside it")
        return choice(name)(value)

    return check


def duration(minimum: float = 0.0, maximum: float = 366 * DAY, *, positive: bool = False) -> Callable[[object], float]:
    """Give a function that turns `500ms`, `5s`, `30m`, `1h`, `2d` into seconds, from `minimum` to `maximum`."""

    def check(value: object) -> float:
        if not isinstance(value, str) or not re.fullmatch(DURATION.strip("^$"), value):
            raise ValueError(f"must be a duration such as 500ms, 5s, 30m or 1h, not {quoted(value)}")
        number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", value).groups()  # type: ignore[union-attr]
        seconds = float(number) * _UNITS[unit]
        if seconds < minimum or (positive and seconds == 0):
            raise ValueError(
                f"must be {f'at least {spoken(minimum)}' if minimum else 'longer than nothing'}, not {value}"
            )
        if seconds > maximum:
            raise ValueError(f"must not be longer than {spoken(maximum)}, not {quoted(value)}")
        return seconds

    return check


def forever(minimum: float, maximum: float) -> Callable[[object], float | None]:
    """Give a function like `duration` that takes `forever` too, as None."""
    check = duration(minimum, maximum)

    def either(value: object) -> float | None:
        if value == "forever":
            return None
        try:
            return check(value)
        except ValueError as error:
            raise ValueError(f"{error}; or forever") from None

    return either


def spoken(seconds: float) -> str:
    """Write a duration as the file has it, in the largest unit that gives a whole number."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{seconds / _UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"


def off(value: object) -> None:
    """Accept `off` or false, in the place of a section."""
    if value is not False and value != "off":
        raise ValueError("must be a mapping (key: value) or off")


def cap(value: object) -> int | None:
    """Accept a whole number from 0; `off` or false, which is no cap, as None."""
    if value is False or value == "off":
        return None
    try:
        return whole(0)(value)
    except ValueError as error:
        raise ValueError(f"{error}; or off") from None


def text(value: object) -> str:
    """Accept a text with something in it, in one line."""
    if not isinstance(value, str):
        raise ValueError(f"must be a text, not {quoted(value)}{_quote_hint(value)}")  # noqa: TRY004
    if not value.strip():
        raise ValueError("must not be empty")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in value):
        raise ValueError("must be one line without control characters")
    return value


def limited(length: int) -> Callable[[object], str]:
    """Give a function that accepts a text of at most `length` characters, which is what the column holds."""

    def check(value: object) -> str:
        accepted = text(value)
        if len(accepted) > length:
            raise ValueError(f"is {len(accepted)} characters long, the database holds {length}")
        return accepted

    return check


def optional(length: int) -> Callable[[object], str | None]:
    """Give a function like `limited` for which a blank text counts as absent, as it does for OX (ox-facts 2.4)."""
    check = limited(length)
    return lambda value: None if isinstance(value, str) and not value.strip() else check(value)


def address(value: object) -> str:
    """Accept a mail address: one @, no blanks; it is stored as written (ox-facts 2.4)."""
    accepted = limited(ADDRESS_LENGTH)(value)
    local, at, domain = accepted.partition("@")
    if not at or not local or not domain or "@" in domain or re.search(r"\s", accepted):
        raise ValueError(f"must be a mail address such as support@example.org, not {quoted(value)}")
    try:
        ascii_host(domain)
    except ValueError as error:
        raise ValueError(f"{error} (after the @)") from None
    return accepted


def ascii_host(value: object) -> str:
    """Give a host name in ASCII (IDNA 2003, as Java's IDN has it) or an IP address, IPv6 in brackets."""
    host = text(value)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        pass
    else:
        return f"[{bare}]" if parsed.version == 6 else bare
    try:
        encoded = host.encode("idna").decode("ascii")
    except UnicodeError:
        encoded = ""
    labels = encoded.removesuffix(".").split(".")
    if len(encoded) > 254 or not all(_LABEL(label) for label in labels) or labels[-1].isdecimal():
        hint = "; the port has a key of its own" if re.search(r":[0-9]+$", host) else ""
        raise ValueError(f"must be a host name or an IP address, not {quoted(value)}{hint}")
    return encoded


def host(value: object) -> str:
    """Accept a host name (IDN in letters or in ASCII) or an IP address, and give it in ASCII, ready for a URL."""
    return ascii_host(value)


def distinguished_name(value: object) -> str:
    """Accept a DN (RFC 4514) with at least one part; it is kept as written."""
    accepted = text(value)
    names.normalise(accepted)
    return accepted


def bind_name(value: object) -> str:
    r"""Accept who binds: a DN, or what Active Directory takes too: `user@domain`, `DOMAIN\user` (MS-ADTS 5.1.1.1.1)."""
    accepted = text(value)
    return accepted if _LOGON_NAME(accepted) else distinguished_name(accepted)


def listen(value: object) -> Listen | None:
    """Turn `host:port` or `[ipv6]:port` into a `Listen`; `off` into None."""
    if value is False or value == "off":
        return None
    match = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+):([0-9]{1,5})", value) if isinstance(value, str) else None
    if match is None or int(match[2]) > 65535:
        raise ValueError(f'must be "host:port", "[::1]:9469" or off, not {quoted(value)}')
    return Listen(ascii_host(match[1]).strip("[]"), int(match[2]))


def nesting(value: object) -> int:
    """Turn true into as many levels of groups in groups as there may be, false into 0; a number stays."""
    if isinstance(value, bool):
        return ALL_LEVELS if value else 0
    if not isinstance(value, int) or not 0 <= value <= ALL_LEVELS:
        raise ValueError(f"must be true, false or a whole number of levels from 0 to {ALL_LEVELS}, not {quoted(value)}")
    return value


def loopback(name: str) -> bool:
    """Tell whether a host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower().removesuffix(".") == "localhost"


def _quote_hint(value: object) -> str:
    return "; put it in quotes" if isinstance(value, int | float) else ""
