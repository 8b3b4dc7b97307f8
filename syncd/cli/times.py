"""Times as people write them on a command line: a date, a date and time, or a time from now."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
FORMS = "2026-12-24, 2026-12-24T18:00, or a time from now like 90m, 2h, 3d, 1w"
"""What is understood, for help texts and errors."""


def until(text: str, now: datetime) -> datetime:
    """Give the end that a text names, in UTC; a date alone means its whole day, by the local clock.

    Args:
        text: as in `FORMS`; a date and time without a zone is of the local one.
        now: the time; knows its zone.

    Raises:
        ValueError: it is not understood, or over already; the message is for people.
    """
    written = text.strip()
    span = re.fullmatch(r"([0-9]{1,6})([mhdw])", written, re.ASCII)
    try:
        if span:
            end = now + int(span[1]) * _UNITS[span[2]]
        else:
            named = datetime.fromisoformat(written)
            whole_day = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", written, re.ASCII)
            end = (named + timedelta(days=1) if whole_day else named).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time; write {FORMS}") from None
    if end <= now:
        raise ValueError(f"{text!r} is over already: {end:%F %H:%M} UTC")
    return end.astimezone(UTC)
