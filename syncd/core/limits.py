"""How much may change unasked, over what time, and how long a removal waits: the numbers that the guard goes by.

The defaults of these values are mild, for tests and for commands; the careful ones are in `settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A limit as a percentage, with a floor under it and a cap above it."""

    percent: float
    """0 = the floor alone counts."""
    floor: int
    """So many always pass."""
    most: int | None = None
    """More than this never pass, however many accounts there are; None = no cap."""

    def allowed(self, base: int) -> int:
        """Give how many changes are allowed when `base` claims existed at the window's start."""
        share = max(self.floor, int(base * self.percent / 100))
        return share if self.most is None else min(share, self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may change within the window, in one mailbox or in one context."""

    removals: Share = Share(percent=30, floor=3)
    additions: Share = Share(percent=0, floor=1000)
    updates: Share = Share(percent=30, floor=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What several mailboxes together may change."""

    removals_per_run: int = 500
    """Over it every mailbox with removals is held."""
    context: Limits | None = None
    """For all mailboxes of a context together, within the window; None = no limit."""
    window: timedelta = timedelta(hours=24)
    """What the limits count over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was applied to one mailbox within the window, from the journal."""

    additions: int = 0
    """Creates and adoptions."""
    updates: int = 0
    removals: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grace:
    """How long a removal waits: until so many complete reads, over so much time, agreed on it."""

    reads: int = 1
    """1 = the read that notices it is enough."""
    time: timedelta = timedelta()
    """Between the first of these reads and the one that removes."""


class Absence(NamedTuple):
    """A user who has an account and should not, according to every complete read since a time."""

    reads: int
    """How many complete reads agreed."""
    since: datetime
    """When the first of them was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """In what steps mailboxes that never had an account are filled."""

    mailboxes: int
    """How many in one step."""
    wait: timedelta
    """Between steps."""
