"""Whole histories of one user against a model that counts for itself: when an account comes and when it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.changes import Op
from syncd.core.limits import Grace
from syncd.core.reads import SourceRead
from tests.core.planning import BERTA, HELD, OURS
from tests.core.strategies import BARRED, NOON, SUPPORT, World, keep, keep_out, mailbox, member, read

READINGS: dict[str, tuple[SourceRead, SourceRead]] = {
    "there": (read(SUPPORT, BERTA), read(BARRED)),
    "gone": (read(SUPPORT), read(BARRED)),
    "excluded": (read(SUPPORT, BERTA), read(BARRED, BERTA)),
    "disabled": (read(SUPPORT, disabled=[BERTA]), read(BARRED)),
    "incomplete": (read(SUPPORT, complete=False), read(BARRED)),
    "hidden": (read(SUPPORT, member("berta", logins=())), read(BARRED)),
    "elsewhere": (read(SUPPORT), read(BARRED)),
    "plan": (read(SUPPORT), read(BARRED)),
}
"""What a run reads of berta; `elsewhere` is another server's word, `plan` is not followed by a run."""
OUT = {"gone", "excluded", "disabled"}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One run."""

    reading: str
    minutes: int = 20
    """Since the one before."""
    pin: str = ""
    """in, out, or nobody said anything."""


@dataclass(kw_only=True)
class Model:
    """What is to be expected of berta's account, counted read by read."""

    grace: Grace
    there: bool = True
    by_hand: bool = False
    """Whether no entry ever stood for the account, so that no hidden one protects it."""
    reads: int = 0
    since: datetime | None = None

    def step(self, step: Step, now: datetime) -> str:
        """Give what a run does: create, delete or nothing."""
        if step.pin == "out":
            return self._lose()
        if step.reading == "there" or step.pin == "in":
            self.reads, self.since = 0, None
            self.by_hand = step.reading != "there" and (self.by_hand or not self.there)
            done = "nothing" if self.there else "create"
            self.there = True
            return done
        if not self.there:
            return "nothing"
        if step.reading in {"incomplete", "elsewhere"} or (step.reading == "hidden" and not self.by_hand):
            return "nothing"
        self.reads += 1
        self.since = min(self.since or now, now)
        enough = self.reads >= self.grace.reads and now - self.since >= self.grace.time
        return self._lose() if enough else "nothing"

    def _lose(self) -> str:
        done = "delete" if self.there else "nothing"
        self.there, self.reads, self.since = False, 0, None
        return done


def follow(grace: Grace, steps: Sequence[Step]) -> None:
    """Live through a history with the plan and with the model."""
    world = World(mailbox=mailbox(grace=grace), stored=[OURS], claims={4: HELD})
    model, now = Model(grace=grace), NOON
    for number, step in enumerate(steps):
        now += timedelta(minutes=step.minutes)
        world = replace(
            world,
            now=now,
            reads=READINGS[step.reading],
            wait="another server" if step.reading == "elsewhere" else None,
            pins={"in": {4: keep(4)}, "out": {4: keep_out(4)}, "": {}}[step.pin],
        )
        plan = world.plan()
        if step.reading == "plan":
            continue
        done = [change.op.value for change in plan.changes if change.op is not Op.UPDATE]
        assert done == ([] if (expected := model.step(step, now)) == "nothing" else [expected]), (number, step, plan)
        world = world.after(plan)
        assert bool(world.stored) is bool(world.claims) is model.there
        assert {user: known.reads for user, known in world.absences.items()} == (
            {4: model.reads} if model.reads else {}
        )


GRACES = [
    Grace(),
    Grace(reads=2),
    Grace(reads=3),
    Grace(time=timedelta(minutes=30)),
    Grace(reads=2, time=timedelta(minutes=50)),
]


@pytest.mark.parametrize("grace", GRACES[1:])
def test_every_short_history_ends_as_counted(grace: Grace) -> None:
    """Whatever four runs read, twenty minutes apart, the account goes with the read that completes the grace."""
    for readings in product(READINGS.keys() - {"disabled", "plan"}, repeat=4):
        follow(grace, [Step(reading=reading) for reading in readings])


_STEPS = st.builds(
    Step,
    reading=st.sampled_from(sorted(READINGS)),
    minutes=st.sampled_from((0, 5, 20, 40, 1440, -30, -1440)),
    pin=st.sampled_from(("", "", "", "in", "out")),
)


@settings(deadline=None, max_examples=200)
@given(grace=st.sampled_from(GRACES), steps=st.lists(_STEPS, max_size=12))
def test_every_long_history_ends_as_counted(grace: Grace, steps: list[Step]) -> None:
    """So it is in long ones, with clocks that jump and persons who keep in and keep out."""
    follow(grace, steps)
