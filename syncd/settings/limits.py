"""The part of the configuration that says when to stop and ask, how long removals wait, and how fast it goes.

A share that says only some of its keys has the usual values for the others; these give way to what is written (a floor
above the usual cap lifts it). What is made of them is in `caution`.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from syncd.settings import texts
from syncd.settings.kinds import OFF, Checked, Count, Either, Percent, Section, Timeout, whole

_Most = Annotated[
    int | None, Checked(texts.cap, {"anyOf": [{"type": "integer", "minimum": 0}, {"enum": [False, "off"]}]})
]
_MaybePercent = Annotated[float | None, Checked(texts.percentage, {"type": "number", "minimum": 0, "maximum": 100})]
_MaybeCount = Annotated[int | None, whole(0)]
_Reads = whole(1, 1000)
_Minutes = whole(0, 31 * 24 * 60)
_Asking = Annotated[float, Checked(texts.duration(3600.0, 31 * texts.DAY), pattern=texts.DURATION)]


class Share(Section):
    """A limit as a percentage of the claimed accounts; up to `floor` always pass, more than `most` never do."""

    percent: Percent = 30.0
    """Percent of the accounts claimed at the window's start."""
    floor: Count = 3
    """So many may always change, however few accounts there are."""
    most: _Most = None
    """More than this need an approval, however many accounts there are; off: no cap."""


class Removals(Share):
    """How many accounts may be taken away."""

    most: _Most = 200
    """More than this need an approval; off: no cap. A floor above it, or a percentage above 30, lifts it."""


class Additions(Section):
    """How many accounts may be created or adopted, as a percentage; a number alone is a limit that no base changes."""

    percent: Percent
    """Percent of the accounts claimed at the window's start; of a new mailbox that is nothing."""
    floor: Count
    """So many may always be added, however few accounts there are."""
    most: _Most = None
    """More than this need an approval, however many accounts there are; off: no cap."""


class SensitiveAdditions(Section):
    """The same for mailboxes marked sensitive."""

    percent: Percent = 25.0
    """Percent of the accounts claimed at the window's start."""
    floor: Count = 3
    """So many may always be added, however few accounts there are."""
    most: _Most = 20
    """More than this need an approval, however many accounts there are; off: no cap. A floor above it lifts it."""


class PartialShare(Section):
    """A limit of one mapping; what is missing comes from the common limits."""

    percent: _MaybePercent = None
    """Percent of the accounts claimed at the window's start."""
    floor: _MaybeCount = None
    """So many may always change."""
    most: _Most = None
    """More than this need an approval; off: no cap."""


class PartialAdditions(PartialShare):
    """The limit of additions of one mapping; it has percent and floor where the common one is a number."""


_Model = TypeVar("_Model", bound=Section)


def _number(model: type[_Model]) -> Either:
    """Let a number stand for a limit that is the same for every base; it replaces whatever comes from above."""

    def constant(value: object) -> _Model:
        try:
            count = texts.whole(0)(value)
        except ValueError as error:
            raise ValueError(f"{error}; or percent, floor and most") from None
        return model.model_construct(percent=0.0, floor=count, most=None)

    return Either(model, constant, {"type": "integer", "minimum": 0})


_Additions = Annotated[Additions, _number(Additions)]


class ContextRemovals(Share):
    """How many accounts all mailboxes of a context together may lose."""

    floor: Count = 10
    """So many may always go, however few accounts there are."""
    most: _Most = 500
    """More than this need an approval; off: no cap. A floor above it, or a percentage above 30, lifts it."""


class ContextUpdates(Share):
    """How many accounts of all mailboxes of a context together may be repaired."""

    percent: Percent = 50.0
    """Percent of the accounts claimed at the window's start."""
    floor: Count = 20
    """So many may always change, however few accounts there are."""


class ContextLimits(Section):
    """How much may change in all mailboxes of a context together.

    What is not written is at least what one of its mailboxes may by itself.
    """

    removals: ContextRemovals = ContextRemovals()
    """Accounts taken away."""
    additions: _Additions = Additions.model_construct(percent=0.0, floor=5000, most=None)
    """Accounts created or adopted: a number (5000), or percent, floor and most."""
    updates: ContextUpdates = ContextUpdates()
    """Accounts repaired."""


class SensitiveLimits(Section):
    """What is different for mailboxes marked sensitive; of this and the common limit the tighter one counts."""

    additions: Annotated[SensitiveAdditions, _number(SensitiveAdditions)] = SensitiveAdditions()
    """Accounts created or adopted: a number, or percent, floor and most."""


class Limits(Section):
    """How much may change within a time in one mailbox, before an operator is asked."""

    window: _Asking = 86400.0
    """What the limits count over, from 1h to 31d."""
    approval: _Asking = 86400.0
    """How long an approval stands, from 1h to 31d."""
    removals: Removals = Removals()
    """Accounts taken away."""
    additions: _Additions = Additions.model_construct(percent=0.0, floor=1000, most=None)
    """Accounts created or adopted: a number (1000), or percent, floor and most."""
    updates: Share = Share()
    """Accounts repaired."""
    removals_per_run: Count = 500
    """Removals of one run over all mailboxes; over it every mailbox with removals is held."""
    context: Annotated[ContextLimits | None, Either(ContextLimits, texts.off, OFF)] = ContextLimits()
    """All mailboxes of a context together; off: no limit but those of each mailbox."""
    sensitive: SensitiveLimits = SensitiveLimits()
    """What mailboxes marked sensitive have, unless their mapping says otherwise."""


class PartialLimits(Section):
    """Limits of one mapping; what is missing comes from the common limits."""

    removals: PartialShare = PartialShare()
    """Accounts taken away."""
    additions: Annotated[PartialAdditions, _number(PartialAdditions)] = PartialAdditions()
    """Accounts created or adopted: a number, or percent, floor and most."""
    updates: PartialShare = PartialShare()
    """Accounts repaired."""


# --------------------------------------------------------------------------- time


class Grace(Section):
    """How long a removal waits: until so many complete reads over so much time agreed on it."""

    reads: Annotated[int, _Reads] = 2
    """Complete reads, of runs, that must agree; 1: the one that notices is enough."""
    minutes: Annotated[int, _Minutes] = 0
    """Time from the first of these reads to the one that removes."""


class PartialGrace(Section):
    """How long removals of one mapping wait; what is missing comes from the common section."""

    reads: Annotated[int | None, _Reads] = None
    """Complete reads that must agree."""
    minutes: Annotated[int | None, _Minutes] = None
    """Time from the first of these reads to the one that removes."""


CommonGrace = Annotated[Grace | None, Either(Grace, texts.off, OFF)]
OwnGrace = Annotated[PartialGrace | None, Either(PartialGrace, texts.off, OFF)]


class Rollout(Section):
    """In what steps mailboxes that never had an account are filled."""

    mailboxes: Annotated[int, whole(1)] = 1
    """How many in one step."""
    wait: Timeout = 600.0
    """Between two steps."""


class History(Section):
    """How long the journal is kept."""

    keep: Annotated[
        float | None,
        Checked(texts.forever(7 * texts.DAY, 36600 * texts.DAY), pattern=texts.DURATION_OR_FOREVER),
    ] = 400 * texts.DAY
    """Older entries are taken out: at least 7d and the limits' window; or forever."""
