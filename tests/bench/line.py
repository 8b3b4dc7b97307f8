"""What a scenario of the bench gives: a line of its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the table."""

    name: str
    ours: float
    raw: float | None
    target: float
    """A ratio where there is something to compare with, else seconds."""
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def value(self) -> float:
        """What the target is for."""
        return self.ours if self.raw is None else self.ours / self.raw
