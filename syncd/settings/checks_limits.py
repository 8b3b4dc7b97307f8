"""Check what numbers of limits must be together: floor and most, within a section and with what is above a mapping.

Only what is written contradicts: usual values give way (`caution`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from syncd.settings import texts
from syncd.settings.document import Path, Problem
from syncd.settings.fragments import section, sequence
from syncd.settings.limits import History, Limits, PartialAdditions

_DIRECTIONS = ("removals", "additions", "updates")


def problems(data: dict[str, Any]) -> Iterator[Problem]:
    """Find what is wrong between the limits of a file, and with the time that the journal is kept."""
    limits = section(data.get("limits"))
    for name in ("", "context", "sensitive"):
        holder = section(limits.get(name)) if name else limits
        for direction in _DIRECTIONS:
            yield from _share(section(holder.get(direction)), ("limits", *((name,) if name else ()), direction))
    for index, mapping in enumerate(map(section, sequence(data.get("mappings")))):
        yield from _mapping(mapping, limits, ("mappings", index, "limits"))
    yield from _kept(section(data.get("history")), limits)


def _share(share: dict[str, Any], path: Path) -> Iterator[Problem]:
    floor, most = _count(share.get("floor")), _count(share.get("most"))
    if floor is not None and most is not None and most < floor:
        yield Problem((*path, "most"), f"must not be below the floor, which is {floor}")


def _mapping(mapping: dict[str, Any], limits: dict[str, Any], path: Path) -> Iterator[Problem]:
    for direction in _DIRECTIONS:
        own = section(section(mapping.get("limits")).get(direction))
        yield from _share(own, (*path, direction))
        above = (
            ("limits", "sensitive") if direction == "additions" and mapping.get("sensitive") is True else ("limits",)
        )
        holder = section(limits.get("sensitive")) if above[1:] else limits
        yield from _capped(own, section(holder.get(direction)), ".".join((*above, direction)), (*path, direction))
    additions = section(mapping.get("limits")).get("additions")
    shared = isinstance(limits.get("additions"), dict) or mapping.get("sensitive") is True
    if (
        isinstance(additions, dict)
        and additions
        and not shared
        and set(additions) <= set(PartialAdditions.model_fields)
    ):
        for key in ("percent", "floor"):
            if additions.get(key) is None:
                yield Problem((*path, "additions"), f'missing key "{key}"; limits.additions is a number, and has none')


def _capped(own: dict[str, Any], above: dict[str, Any], name: str, path: Path) -> Iterator[Problem]:
    """A mapping with a floor above the cap that is written elsewhere has to say its own cap."""
    floor, most = _count(own.get("floor")), _count(above.get("most"))
    if own.get("most") is None and floor is not None and most is not None and floor > most:
        text = f"must not be above {name}.most, which is {most}; give most here too"
        yield Problem((*path, "floor"), text)


def _kept(history: dict[str, Any], limits: dict[str, Any]) -> Iterator[Problem]:
    """The window is counted from the journal."""
    keep = _seconds(history.get("keep"), History().keep)
    window = _seconds(limits.get("window"), Limits().window)
    if keep is not None and window is not None and keep < window:
        yield Problem(("history", "keep"), f"must be at least limits.window, which is {texts.spoken(window)}")


def _count(value: object) -> int | None:
    """Give a number; None for what is none, and for what is no number that could stand there."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _seconds(value: object, usual: float | None) -> float | None:
    """Give a duration; None for what is none, such as forever."""
    if value is None:
        return usual
    try:
        return texts.duration()(value)
    except ValueError:
        return None
