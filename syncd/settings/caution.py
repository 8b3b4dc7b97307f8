"""Turn what the configuration says of limits, grace and pace into the values that the core works with.

The rule kept here: what a section writes counts, and a usual value or one from above gives way to it: a floor above the
usual cap lifts it, a cap below the usual floor lowers it, and of removals a percentage above the usual one has no usual
cap, so that a file from before there were caps means what it meant. That two written values contradict is told by the
checks.

| limit of               | begins with                                | then                                       |
|------------------------|--------------------------------------------|--------------------------------------------|
| a mailbox              | `limits`                                   | what its mapping writes, key by key        |
| a sensitive mailbox    | `limits`, additions the tighter of those   | the same                                   |
|                        | and `limits.sensitive.additions`           |                                            |
| all of a context       | `limits.context`; what is not written there is at least what one mailbox may by itself  |
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import timedelta
from typing import Protocol

from syncd.core import limits as core
from syncd.settings import limits as shapes
from syncd.settings.mapping import Mapping
from syncd.settings.models import Configuration


class _Whole(Protocol):
    """A section that has a value for each key."""

    @property
    def percent(self) -> float: ...
    @property
    def floor(self) -> int: ...
    @property
    def most(self) -> int | None: ...
    @property
    def model_fields_set(self) -> set[str]: ...


def limits(mapping: Mapping, common: shapes.Limits) -> core.Limits:
    """Give the limits of a mapping's mailboxes."""
    additions = _share(common.additions)
    if mapping.sensitive:
        additions = tighter(additions, _share(common.sensitive.additions))
    own = mapping.limits
    return core.Limits(
        removals=_own(own.removals, _share(common.removals), lifting="most" not in common.removals.model_fields_set),
        additions=_own(own.additions, additions),
        updates=_own(own.updates, _share(common.updates)),
    )


def grace(mapping: Mapping, common: shapes.Grace | None) -> core.Grace:
    """Give how long removals of a mapping's mailboxes wait; of sensitive ones only if the mapping says so."""
    own = mapping.grace
    if own is None or ("grace" not in mapping.model_fields_set and (mapping.sensitive or common is None)):
        return core.Grace()
    usual = common or shapes.Grace()
    return core.Grace(
        reads=usual.reads if own.reads is None else own.reads,
        time=timedelta(minutes=usual.minutes if own.minutes is None else own.minutes),
    )


def ceilings(configuration: Configuration) -> core.Ceilings:
    """Give what several mailboxes together may change, and over what time it is counted."""
    section = configuration.limits
    return core.Ceilings(
        removals_per_run=section.removals_per_run,
        context=None if section.context is None else _context(section.context, configuration),
        window=timedelta(seconds=section.window),
    )


def approval(configuration: Configuration) -> timedelta:
    """Give how long an approval stands."""
    return timedelta(seconds=configuration.limits.approval)


def rollout(configuration: Configuration) -> core.Rollout | None:
    """Give in what steps new mailboxes are filled; None = all at once."""
    section = configuration.rollout
    if section is None:
        return None
    return core.Rollout(mailboxes=section.mailboxes, wait=timedelta(seconds=section.wait))


def keep(configuration: Configuration) -> timedelta | None:
    """Give how long entries of the journal are kept; None = for ever."""
    seconds = configuration.history.keep
    return None if seconds is None else timedelta(seconds=seconds)


def tighter(one: core.Share, other: core.Share) -> core.Share:
    """Give a limit that never allows more than either of two, as little less as a share can say."""
    constants = [share.allowed(0) for share in (one, other) if not share.percent]
    shares = [share for share in (one, other) if share.percent]
    floor = min((*constants, *(share.floor for share in shares)))
    if not shares:
        return core.Share(percent=0, floor=floor)
    caps = [*constants, *(share.most for share in shares if share.most is not None)]
    return core.Share(percent=min(share.percent for share in shares), floor=floor, most=min(caps) if caps else None)


def _context(section: shapes.ContextLimits, configuration: Configuration) -> core.Limits:
    single = [limits(mapping, configuration.limits) for mapping in configuration.mappings]
    additions, written = section.additions, "additions" in section.model_fields_set
    return core.Limits(
        removals=_together(section.removals, [one.removals for one in single], configuration.limits.removals_per_run),
        additions=_share(additions) if written else _together(additions, [one.additions for one in single], 0, set()),
        updates=_together(section.updates, [one.updates for one in single], 0),
    )


def _together(
    section: _Whole, single: Sequence[core.Share], unbounded: int, written: Set[str] | None = None
) -> core.Share:
    """Raise what is not written to what one mailbox may by itself.

    Args:
        section: what the file says of contexts.
        single: the limits of the mappings.
        unbounded: what a mailbox without a cap counts for, where a context has one: it may not more in one run.
        written: the keys that are written, where the section does not know.
    """
    said = section.model_fields_set if written is None else written
    share = _share(section)
    percent, floor, most = share.percent, share.floor, share.most
    if "floor" not in said:
        floor = max(floor, *(share.floor for share in single))
    greatest = [_greatest(share) for share in single]
    if "percent" not in said:
        above = [share.percent for share, count in zip(single, greatest, strict=True) if count is None or count > floor]
        percent = max((percent, *above))
    if "most" not in said and most is not None:
        most = max(most, *(unbounded if count is None else count for count in greatest))
    return _fitting(percent, floor, most, capped="most" in said)


def _greatest(share: core.Share) -> int | None:
    """Give what a limit allows at most, whatever the base; None = there is no such number."""
    return share.most if share.percent or share.most is not None else share.floor


def _share(section: _Whole) -> core.Share:
    """Give a section with all its keys."""
    capped = "most" in section.model_fields_set
    lifted = isinstance(section, shapes.Share) and not capped and section.percent > type(section)().percent
    return _fitting(section.percent, section.floor, None if lifted else section.most, capped=capped)


def _own(section: shapes.PartialShare, above: core.Share, *, lifting: bool = False) -> core.Share:
    """Give what a mapping writes, and from above what it does not; `lifting`: a greater percentage has no usual cap."""
    capped = "most" in section.model_fields_set
    percent = above.percent if section.percent is None else section.percent
    most = None if lifting and percent > above.percent else above.most
    floor = above.floor if section.floor is None else section.floor
    return _fitting(percent, floor, section.most if capped else most, capped=capped)


def _fitting(percent: float, floor: int, most: int | None, *, capped: bool) -> core.Share:
    """Make a limit; of a floor above the cap, the cap counts if it is written, else the floor."""
    if most is not None and floor > most:
        floor, most = (most, most) if capped else (floor, floor)
    return core.Share(percent=percent, floor=floor, most=most)
