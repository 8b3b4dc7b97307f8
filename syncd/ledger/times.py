"""Times as the ledger stores them: integers, milliseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def stamp(at: datetime) -> int:
    """Give the milliseconds of a time that knows its zone; what is below a millisecond is cut."""
    return (at - _EPOCH) // _MILLISECOND


@overload
def moment(milliseconds: int) -> datetime: ...
@overload
def moment(milliseconds: int | None) -> datetime | None: ...
def moment(milliseconds: int | None) -> datetime | None:
    """Give the time in UTC; None stays None."""
    return None if milliseconds is None else _EPOCH + milliseconds * _MILLISECOND
