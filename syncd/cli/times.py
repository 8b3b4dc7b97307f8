"""Times as people write them on a command line: a date, a date and time, or a span from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
FORMS = "2026-12-24, 2026-12-24T18:00, or a span like 90m, 2h, 3d, 1w"
"""What is understood, for help texts and errors."""


def until(text: str, now: datetime) -> datetime:
    """Give the end that a text names, in UTC; a date alone means its whole day, by the local clock, a span from now on.

    Args:
        text: as in `FORMS`; a date and time without a zone is of the local one.
        now: the time; knows its zone.

    Raises:
        ValueError: it is not understood, or over already; the message is for people.
    """
    end = _named(text, now, timedelta(days=1), 1)
    if end <= now:
        raise ValueError(f"{text!r} is over already: {end:%F %H:%M} UTC")
    return end


def since(text: str, now: datetime) -> datetime:
    """Give the begin that a text names, in UTC: a date alone means its begin, a span is one back from now.

    Raises:
        ValueError: it is not understood; the message is for people.
    """
    return _named(text, now, timedelta(), -1)


def _named(text: str, now: datetime, day: timedelta, sign: int) -> datetime:
    written = text.strip()
    span = re.fullmatch(r"([0-9]{1,6})([mhdw])", written, re.ASCII)
    try:
        if span:
            return (now + sign * int(span[1]) * _UNITS[span[2]]).astimezone(UTC)
        named = datetime.fromisoformat(written)
        whole_day = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", written, re.ASCII)
        return (named + day if whole_day else named).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write {FORMS}") from None
