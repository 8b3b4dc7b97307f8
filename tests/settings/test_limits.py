"""What the configuration says of limits, grace and pace, and what the core gets of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.limits import Ceilings, Grace, Limits, Rollout, Share
from syncd.settings import caution
from tests.settings.configurations import VALID, Loader, Steps

MAPPING: Steps = ("mappings", 0)
OWN: Steps = (*MAPPING, "limits")
CAREFUL = Share(percent=30, floor=3, most=200)


def number(count: int) -> Share:
    """Give the limit that a number stands for."""
    return Share(percent=0, floor=count)


def limits(loader: Loader, *changes: tuple[Steps, object]) -> Limits:
    """Give the limits of the only mailbox."""
    return loader(*changes).mailboxes()[0].limits


def context(loader: Loader, *changes: tuple[Steps, object]) -> Limits:
    """Give the limits of a context."""
    found = caution.ceilings(loader(*changes)).context
    assert found is not None
    return found


# --------------------------------------------------------------------------- of one mailbox


@pytest.mark.parametrize(
    ("common", "own", "share"),
    [
        ({}, {}, CAREFUL),
        ({"percent": 7}, {"floor": 1}, Share(percent=7, floor=1, most=200)),
        ({"most": 50}, {"percent": 80}, Share(percent=80, floor=3, most=50)),
        ({"most": 50}, {"most": 60}, Share(percent=30, floor=3, most=60)),
        ({"most": 50}, {"most": "off"}, Share(percent=30, floor=3)),
        ({"most": "off"}, {}, Share(percent=30, floor=3)),
        ({"most": False}, {"most": 5}, Share(percent=30, floor=3, most=5)),
        ({"most": 2}, {}, Share(percent=30, floor=2, most=2)),
        ({"percent": 31}, {}, Share(percent=31, floor=3)),
        ({"percent": 29}, {}, Share(percent=29, floor=3, most=200)),
        ({"percent": 100, "most": 50}, {}, Share(percent=100, floor=3, most=50)),
        ({}, {"percent": 100, "floor": 0}, Share(percent=100, floor=0)),
        ({}, {"percent": 100, "most": 9}, Share(percent=100, floor=3, most=9)),
        ({"percent": 40}, {"percent": 10}, Share(percent=10, floor=3)),
        ({"floor": 300}, {}, Share(percent=30, floor=300, most=300)),
        ({}, {"floor": 300}, Share(percent=30, floor=300, most=300)),
        ({"floor": 10}, {"most": 5}, Share(percent=30, floor=5, most=5)),
        ({"floor": 10, "most": 20}, {"floor": 30, "most": 40}, Share(percent=30, floor=30, most=40)),
    ],
)
def test_what_is_written_goes_before_what_is_usual_or_above(
    loader: Loader, common: object, own: object, share: Share
) -> None:
    """Limits are completed from the common ones; floor and percentage lift an unwritten cap, a cap lowers the floor."""
    found = limits(loader, (("limits", "removals"), common), ((*OWN, "removals"), own))
    assert found == Limits(removals=share, additions=number(1000), updates=Share(percent=30, floor=3))


@pytest.mark.parametrize(
    ("common", "own", "share"),
    [
        (7, None, number(7)),
        (7, 9, number(9)),
        (0, None, number(0)),
        (7, {"percent": 50, "floor": 20}, Share(percent=50, floor=20)),
        (7, {"percent": 50, "floor": 20, "most": 30}, Share(percent=50, floor=20, most=30)),
        ({"percent": 50, "floor": 20, "most": 30}, None, Share(percent=50, floor=20, most=30)),
        ({"percent": 50, "floor": 20, "most": 30}, {"most": 25}, Share(percent=50, floor=20, most=25)),
        ({"percent": 50, "floor": 20, "most": 30}, 500, number(500)),
        ({"percent": 50, "floor": 20}, {}, Share(percent=50, floor=20)),
    ],
)
def test_additions_are_a_number_or_a_share(loader: Loader, common: object, own: object, share: Share) -> None:
    """A number is the limit for every base and replaces a share whole; a share completes a share."""
    assert limits(loader, (("limits", "additions"), common), ((*OWN, "additions"), own)).additions == share


def test_a_number_of_additions_is_what_is_allowed(loader: Loader) -> None:
    """Of a new mailbox as of a large one exactly that many."""
    additions = limits(loader, (("limits", "additions"), 42)).additions
    assert {additions.allowed(base) for base in (0, 1, 42, 100_000)} == {42}


@pytest.mark.parametrize(
    ("common", "sensitive", "own", "share"),
    [
        (1000, None, None, Share(percent=25, floor=3, most=20)),
        (10, None, None, Share(percent=25, floor=3, most=10)),
        (2, None, None, Share(percent=25, floor=2, most=2)),
        (1000, 5, None, number(5)),
        (4, 5, None, number(4)),
        (1000, {"most": 2}, None, Share(percent=25, floor=2, most=2)),
        (1000, {"floor": 50}, None, Share(percent=25, floor=50, most=50)),
        ({"percent": 10, "floor": 9, "most": 90}, None, None, Share(percent=10, floor=3, most=20)),
        ({"percent": 10, "floor": 9}, {"most": "off"}, None, Share(percent=10, floor=3)),
        (1000, None, 400, number(400)),
        (1000, None, {"most": 30}, Share(percent=25, floor=3, most=30)),
        (1000, None, {"floor": 30}, Share(percent=25, floor=30, most=30)),
    ],
)
def test_a_sensitive_mailbox_has_the_tighter_additions(
    loader: Loader, common: object, sensitive: object, own: object, share: Share
) -> None:
    """Of the common and the sensitive limit the tighter one counts, unless the mapping itself says otherwise."""
    changes: tuple[tuple[Steps, object], ...] = (
        (("limits", "additions"), common),
        (("limits", "sensitive", "additions"), sensitive),
        ((*OWN, "additions"), own),
    )
    assert limits(loader, *changes, ((*MAPPING, "sensitive"), True)).additions == share
    if own is None:
        plain = limits(loader, *changes).additions
        assert all(share.allowed(base) <= plain.allowed(base) for base in (0, 10, 100, 1000))


SHARES = st.builds(
    lambda percent, floor, more: Share(percent=percent, floor=floor, most=None if more is None else floor + more),
    st.sampled_from([0, 1, 25, 100]),
    st.integers(0, 30),
    st.none() | st.integers(0, 30),
)


@given(SHARES, SHARES, st.integers(0, 200))
def test_the_tighter_of_two_limits_allows_no_more_than_either(one: Share, other: Share, base: int) -> None:
    """Whatever the base."""
    assert caution.tighter(one, other).allowed(base) <= min(one.allowed(base), other.allowed(base))


# --------------------------------------------------------------------------- of several


def test_the_ceilings_that_nobody_wrote(loader: Loader) -> None:
    """Per run, per context and over a day; an approval stands a day, nothing is braked, the journal is kept a year."""
    settings = loader()
    assert caution.ceilings(settings) == Ceilings(
        removals_per_run=500,
        context=Limits(
            removals=Share(percent=30, floor=10, most=500),
            additions=number(5000),
            updates=Share(percent=50, floor=20),
        ),
        window=timedelta(hours=24),
    )
    assert (caution.approval(settings), caution.rollout(settings)) == (timedelta(hours=24), None)
    assert caution.keep(settings) == timedelta(days=400)


def test_everything_that_is_written_arrives(loader: Loader) -> None:
    """Each key has its place in the core's values."""
    share = {"percent": 1, "floor": 2, "most": 3}
    settings = loader(
        (("limits",), {"window": "48h", "approval": "90m", "removals_per_run": 9}),
        (("limits", "context"), {"removals": share, "additions": share, "updates": share}),
        (("rollout",), {"mailboxes": 4, "wait": "5s"}),
        (("max_changes_per_minute",), 600),
        (("history", "keep"), "forever"),
    )
    every = Share(percent=1, floor=2, most=3)
    assert caution.ceilings(settings) == Ceilings(
        removals_per_run=9,
        context=Limits(removals=every, additions=every, updates=every),
        window=timedelta(hours=48),
    )
    assert caution.approval(settings) == timedelta(minutes=90)
    assert caution.rollout(settings) == Rollout(mailboxes=4, wait=timedelta(seconds=5))
    assert (settings.max_changes_per_minute, caution.keep(settings)) == (600, None)


@pytest.mark.parametrize("off", ["off", False])
def test_a_context_needs_no_limit(loader: Loader, off: object) -> None:
    """`context: off` leaves each mailbox to its own limits."""
    assert caution.ceilings(loader((("limits", "context"), off))).context is None


def test_an_empty_rollout_has_its_usual_steps(loader: Loader) -> None:
    """One mailbox at a time, and ten minutes to look at it."""
    rollout = caution.rollout(loader((("rollout",), {})))
    assert rollout == Rollout(mailboxes=1, wait=timedelta(minutes=10))


@pytest.mark.parametrize(
    ("direction", "common", "own", "section", "share"),
    [
        ("removals", {"percent": 100}, None, None, Share(percent=100, floor=10, most=500)),
        ("removals", None, {"percent": 100, "floor": 100}, None, Share(percent=100, floor=100, most=500)),
        ("removals", {"floor": 900}, None, None, Share(percent=30, floor=900, most=900)),
        ("removals", None, {"most": "off"}, None, Share(percent=30, floor=10, most=500)),
        ("removals", None, None, {"percent": 60}, Share(percent=60, floor=10)),
        ("removals", {"percent": 100, "floor": 90}, None, {"percent": 5}, Share(percent=5, floor=90, most=500)),
        ("removals", {"most": 900}, None, {"most": 20}, Share(percent=30, floor=10, most=20)),
        ("removals", {"floor": 90}, None, {"most": 20}, Share(percent=30, floor=20, most=20)),
        ("additions", 90_000, None, None, number(90_000)),
        ("additions", None, 90_000, None, number(90_000)),
        ("additions", None, 90_000, 10, number(10)),
        ("additions", None, {"percent": 50, "floor": 20, "most": 1000}, None, number(5000)),
        ("additions", None, {"percent": 50, "floor": 20}, None, Share(percent=50, floor=5000)),
        ("updates", None, {"percent": 100}, None, Share(percent=100, floor=20)),
        ("updates", None, {"percent": 40}, None, Share(percent=50, floor=20)),
        ("updates", None, {"percent": 100}, {"percent": 50}, Share(percent=50, floor=20)),
    ],
)
def test_a_context_may_what_one_of_its_mailboxes_may(
    loader: Loader, direction: str, common: object, own: object, section: object, share: Share
) -> None:
    """What is not written of a context is raised to the limits of its mailboxes; what is written counts."""
    found = context(
        loader,
        (("limits", direction), common),
        ((*OWN, direction), own),
        (("limits", "context", direction), section),
    )
    assert getattr(found, direction) == share


@pytest.mark.parametrize("base", [0, 10, 1000, 100_000])
def test_a_file_from_before_is_not_held_by_its_context(loader: Loader, base: int) -> None:
    """Of a context with one mailbox nothing is held that the limits of the mailbox and of a run let pass."""
    for own in ({"removals": {"percent": 100, "floor": 9}, "additions": 70_000, "updates": {"percent": 60}}, {}):
        changes = ((OWN, own),)
        mailbox, whole = limits(loader, *changes), context(loader, *changes)
        for direction in ("removals", "additions", "updates"):
            run = 500 if direction == "removals" else 1_000_000
            assert min(run, getattr(mailbox, direction).allowed(base)) <= getattr(whole, direction).allowed(base)


def test_a_context_may_what_a_run_may(loader: Loader) -> None:
    """A mailbox without a cap lifts that of its context as far as removals of one run go, and no further."""
    off: tuple[Steps, object] = ((*OWN, "removals"), {"percent": 100})
    assert context(loader, off, (("limits", "removals_per_run"), 9000)).removals == Share(
        percent=100, floor=10, most=9000
    )
    assert context(loader, off, (("limits", "removals_per_run"), 9)).removals == Share(percent=100, floor=10, most=500)


# --------------------------------------------------------------------------- grace, staging


@pytest.mark.parametrize(
    ("common", "own", "sensitive", "grace"),
    [
        (None, None, False, Grace(reads=2)),
        (None, None, True, Grace()),
        (None, "off", False, Grace()),
        (None, False, False, Grace()),
        ("off", None, False, Grace()),
        ({"reads": 3, "minutes": 30}, None, False, Grace(reads=3, time=timedelta(minutes=30))),
        ({"reads": 3, "minutes": 30}, None, True, Grace()),
        ({"reads": 3}, {"minutes": 30}, False, Grace(reads=3, time=timedelta(minutes=30))),
        ({"reads": 3}, {"minutes": 30}, True, Grace(reads=3, time=timedelta(minutes=30))),
        ({"minutes": 5}, {"reads": 1}, False, Grace(reads=1, time=timedelta(minutes=5))),
        ("off", {"minutes": 30}, False, Grace(reads=2, time=timedelta(minutes=30))),
        ("off", {}, False, Grace(reads=2)),
    ],
)
def test_removals_wait_as_the_mapping_or_all_say(
    loader: Loader, common: object, own: object, sensitive: bool, grace: Grace
) -> None:
    """A mapping goes before the common grace, key by key; who is sensitive has none but its own."""
    changes: list[tuple[Steps, object]] = [(("grace",), common), ((*MAPPING, "sensitive"), sensitive)]
    [mailbox] = loader(*changes, ((*MAPPING, "grace"), own)).mailboxes()
    assert mailbox.grace == grace


@pytest.mark.parametrize(
    ("whole", "own", "staging"),
    [(None, None, False), ("live", "live", False), ("staging", "live", True), ("live", "staging", True)],
)
def test_either_makes_a_mailbox_staging(loader: Loader, whole: object, own: object, staging: bool) -> None:
    """A mapping cannot go live in an instance that is not."""
    [mailbox] = loader((("mode",), whole), ((*MAPPING, "mode"), own)).mailboxes()
    assert mailbox.staging is staging


def test_a_mailbox_knows_where_its_mapping_stands(loader: Loader) -> None:
    """File and line of the mapping, also in a pattern, whose mailboxes inherit it."""
    settings = loader((("mappings", 1), {**VALID["mappings"][0], "context": "all"}))
    [mailbox], [pattern] = settings.mailboxes(), settings.patterns()
    assert mailbox.where == f"{loader.path}:{loader.lines['mappings', 0]}"
    assert pattern.mailbox.where == pattern.where == f"{loader.path}:{loader.lines['mappings', 1]}"
