"""What a run must never do, whatever happened before: compared are rows and claims from before and after it.

The judge remembers for itself what the program has to remember (reads that agreed, what was changed within a day, what
was approved, which server answered), and never asks the program for it. Where it cannot know what became of a run that
was killed, it believes whatever is best for the program.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from syncd.core.changes import Judgement
from tests.campaign.machine.circumstances import Circumstances, adoptable, members, vanished, whole
from tests.campaign.machine.model import CONTEXT, Box, Known, Ref, Standing, from_directory
from tests.campaign.machine.rows import MAIL, TRANSPORT, Account, Place, address, secondary

DAY = timedelta(hours=24)
DIRECTIONS = ("removals", "additions", "updates")
_KEPT = {"login", "url", "starttls", "secondary"}
"""Columns that the program keeps as configured."""
_COUNTERS = {"disabled", "failed_auth_count", "failed_auth_date"}
"""Columns that follow from these."""


class Approval(NamedTuple):
    """What a person released."""

    at: datetime
    ref: Ref
    items: frozenset[tuple[str, int]]
    """Operation and user."""
    limits: frozenset[str]


class Applied(NamedTuple):
    """One change of a run."""

    at: datetime
    ref: Ref
    direction: str


@dataclass
class Deeds:
    """What a run did to one mailbox: operation and user."""

    items: set[tuple[str, int]] = field(default_factory=set)
    forgotten: set[int] = field(default_factory=set)
    """Whose claims ended although nothing was changed."""

    def of(self, direction: str) -> set[tuple[str, int]]:
        """Give those of a direction."""
        ops = {"removals": {"delete"}, "additions": {"create", "adopt"}, "updates": {"update"}}[direction]
        return {item for item in self.items if item[0] in ops}


class Judge:
    """Knows what happened since the beginning."""

    def __init__(self) -> None:
        self.approvals: list[Approval] = []
        self.removed: set[Place] = set()
        """Accounts that runs removed."""
        self._applied: list[Applied] = []
        self._agreed: dict[tuple[Ref, int], tuple[int, datetime]] = {}
        self._meanings: dict[Ref, set[object]] = defaultdict(lambda: {None})
        self._servers: dict[Ref, set[str | None]] = defaultdict(lambda: {None})
        self._had: set[tuple[Ref, str]] = set()
        """Sources that had members at the last complete read, for certain."""

    def judge(self, run: Circumstances) -> Iterator[str]:
        """Give what was wrong about a run, and remember it."""
        deeds: dict[Ref, Deeds] = defaultdict(Deeds)
        yield from self._rows(run, deeds)
        yield from self._claims(run, deeds)
        for box in run.boxes.values():
            done = deeds[box.ref]
            if done.items and box.staging:
                yield f"{box.address}: staging, and yet {sorted(done.items)}"
            if (done.items or done.forgotten) and box.ref in run.paused:
                yield f"{box.address}: paused, and yet {sorted(done.items)}, claims ended: {done.forgotten}"
            if done.items and run.only and box.ref not in run.only:
                yield f"{box.address}: was not asked for, and yet {sorted(done.items)}"
            yield from self._limits(run, box, done)
        if run.limited:
            for context in (1, 2):
                yield from self._together(run, context, deeds)
        for box in run.boxes.values():
            if not run.only or box.ref in run.only:
                self._remember(run, box)
        for ref, done in deeds.items():
            for direction in DIRECTIONS:
                self._applied += [Applied(run.now, ref, direction)] * len(done.of(direction))

    # ------------------------------------------------------------------ rows

    def _rows(self, run: Circumstances, deeds: Mapping[Ref, Deeds]) -> Iterator[str]:
        before, after = run.before.accounts, run.after.accounts
        for place in sorted(before.keys() | after.keys()):
            old, new = before.get(place), after.get(place)
            if old == new:
                continue
            box = run.boxes.get(address(old or new or {}).lower())
            if box is None or box.context != place[0]:
                yield f"{place}: is no account of a configured mailbox, and yet was {old} and is {new}"
            elif (old is not None and not secondary(old)) or place[2] == 0:
                yield f"{place}: is private, and yet was {old} and is {new}"
            elif new is None:
                yield from self._deleted(run, box, place)
                deeds[box.ref].items.add(("delete", place[1]))
                self.removed.add(place)
            elif old is None:
                yield from self._created(run, box, place, new)
                deeds[box.ref].items.add(("create", place[1]))
            else:
                yield from self._updated(run, box, place, old, new)
                deeds[box.ref].items.add(("update", place[1]))

    def _deleted(self, run: Circumstances, box: Box, place: Place) -> Iterator[str]:
        user = place[1]
        claimed = run.before.ours(box.ref, user) == place
        claim = run.before.claims[box.ref][user] if claimed else None
        standing, readable = run.known(box).standing(user, claim), run.readable(box)
        if not claimed and box.extra == "leave":
            yield f"{place}: WRONG REMOVAL, was nobody's claimed account of {box.address}"
        if standing not in {Standing.OUT, Standing.SURE}:
            yield f"{place}: WRONG REMOVAL from {box.address}, the user is {standing}"
        elif readable.standing(user, claim) is not Standing.SURE and not readable.complete:
            yield f"{place}: WRONG REMOVAL from {box.address}, nobody can have read that the user is {standing}"
        if user in run.known(box).kept_out:
            return
        reads, since = self._agreed.get((box.ref, user), (0, run.now))
        grace = box.waiting
        if reads + 1 < grace.reads or run.now - min(since, run.now) < grace.time:
            yield f"{place}: WRONG REMOVAL from {box.address}, {reads + 1} reads since {since} agreed, not {grace}"
        last = self._servers[box.ref]
        if from_directory(box.sources) and None not in last and run.server not in last:
            yield f"{place}: WRONG REMOVAL from {box.address}, {run.server} was never read before, but {last}"

    def _created(self, run: Circumstances, box: Box, place: Place, new: Account) -> Iterator[str]:
        user, readable = place[1], run.readable(box)
        if run.known(box).standing(user, None) is not Standing.WANTED:
            yield f"{place}: WRONG ADDITION to {box.address}, nothing names the user"
        if not readable.excludes and user not in run.world.pins.get(box.ref, {}):
            yield f"{place}: WRONG ADDITION to {box.address}, nobody can know who is excluded"
        if there := run.before.at(box.ref, user):
            yield f"{place}: WRONG ADDITION to {box.address}, the user has {sorted(there)}"
        claim = run.after.claims.get(box.ref, {}).get(user)
        if claim is None or claim.account != place[2]:
            yield f"{place}: made without a claim, but {claim}"
        if place[2] <= run.before.counters[place[0]]:
            yield f"{place}: has an id that was taken before"
        yield from whole(box, place, new)

    def _updated(self, run: Circumstances, box: Box, place: Place, old: Account, new: Account) -> Iterator[str]:
        user = place[1]
        claim = run.before.claims.get(box.ref, {}).get(user)
        claimed = run.before.ours(box.ref, user) == place
        if run.known(box).standing(user, claim if claimed else None) is not Standing.WANTED:
            yield f"{place}: was changed, though nothing names the user"
        if not claimed and not adoptable(run, box, place):
            yield f"{place}: was changed, though it is not ours and not to be adopted: {old}"
        if run.after.ours(box.ref, user) != place:
            yield f"{place}: was changed and is not ours"
        for table in (MAIL, TRANSPORT):
            if table in old and table in new:
                names = {name for name, value in old[table][0].items() if new[table][0][name] != value}
                if extra := names - _KEPT - _COUNTERS - ({"password"} if box.password else set()):
                    yield f"{place}: {sorted(extra)} of {table} are nobody's but the user's"
        yield from whole(box, place, new)

    # ------------------------------------------------------------------ claims

    def _claims(self, run: Circumstances, deeds: Mapping[Ref, Deeds]) -> Iterator[str]:
        before, after = run.before, run.after
        for ref in before.claims.keys() | after.claims.keys():
            old, new = before.claims.get(ref, {}), after.claims.get(ref, {})
            box = run.boxes.get(ref[1])
            for user in sorted(old.keys() | new.keys()):
                was, ours = before.ours(ref, user), after.ours(ref, user)
                if user not in new:
                    if (ref[0], user, old[user].account) not in self.removed:  # else it is noted what a killed run did
                        deeds[ref].forgotten.add(user)
                    if was in after.accounts:
                        yield f"{was}: is still there, but the claim on it has ended"
                elif ours is not None and ours != was and ours in before.accounts and new[user].held:
                    if box is None or not adoptable(run, box, ours):
                        yield f"{ours}: was adopted, and must not be"
                    deeds[ref].items.add(("adopt", user))
            if run.report is not None and box is not None and (not run.only or ref in run.only):
                pending = [user for user, claim in new.items() if not claim.held]
                idle = box.staging or ref in run.paused
                if pending and run.fault is None and not idle and not vanished(run, box):
                    yield f"{ref}: the claims of {pending} are pending after a whole run"

    # ------------------------------------------------------------------ limits

    def _limits(self, run: Circumstances, box: Box, done: Deeds) -> Iterator[str]:
        for direction in DIRECTIONS:
            items = done.of(direction)
            before, base = self._window(run, box.ref, direction), self._base(run, box)
            allowed = box.allowed(direction, base)
            if items and before + len(items) > allowed and not self._released(run, box.ref, items, direction):
                yield f"{box.address}: {before} + {len(items)} {direction}, {allowed} of {base} are allowed: {items}"
        removals, additions = done.of("removals"), done.of("additions")
        against = {item for item in removals if item[1] in run.rejected.get(box.ref, ())}
        if against and not self._released(run, box.ref, against, "rejected"):
            yield f"{box.address}: {against} were rejected"
        floor = box.allowed("removals", 0)
        known = self._meanings[box.ref]
        changed = None not in known and box.meaning not in known
        if changed and len(removals) > floor and not self._released(run, box.ref, removals, "configuration"):
            yield f"{box.address}: {len(removals)} removals after an edit, {floor} are allowed"
        for source in (*box.sources, *box.exclude):
            items = removals if source in box.sources else additions
            empty = (box.ref, source) in self._had and members(run, box, source) == 0
            if items and empty and not self._released(run, box.ref, items, "suddenly_empty"):
                yield f"{box.address}: {source} is suddenly empty, and yet {items}"
        lost = self._lost(run, box) if done.items or done.forgotten else 0
        if lost and not self._released(run, box.ref, done.items, "vanished"):
            yield f"{box.address}: {lost} accounts have vanished, and yet {done}"

    def _together(self, run: Circumstances, context: int, deeds: Mapping[Ref, Deeds]) -> Iterator[str]:
        boxes = [box for box in run.boxes.values() if box.context == context]
        for direction in DIRECTIONS:
            free = 0
            for box in boxes:
                items = deeds[box.ref].of(direction)
                free += 0 if self._released(run, box.ref, items, "context") else len(items)
            before = sum(self._window(run, box.ref, direction) for box in boxes)
            allowed = CONTEXT[direction].allowed(sum(self._base(run, box) for box in boxes))
            if free and before + free > allowed:
                yield f"context {context}: {before} + {free} {direction}, {allowed} are allowed"

    def _window(self, run: Circumstances, ref: Ref, direction: str) -> int:
        since = run.now - DAY
        return sum(one.ref == ref and one.direction == direction and one.at >= since for one in self._applied)

    def _base(self, run: Circumstances, box: Box) -> int:
        """Count the accounts at the window's start, rather too many than too few."""
        claimed = len(run.before.claims.get(box.ref, {}))
        extra = sum(address(one).lower() == box.address for one in run.before.accounts.values())
        extra = extra if box.extra == "remove" else 0
        gone = self._window(run, box.ref, "removals")
        return max(0, claimed - self._window(run, box.ref, "additions") + gone) + extra

    def _released(self, run: Circumstances, ref: Ref, items: Collection[tuple[str, int]], limit: str) -> bool:
        """Tell whether a person released these changes."""
        grave = limit in {"configuration", "suddenly_empty", "vanished"}
        return any(
            one.ref == ref
            and one.at >= run.now - DAY
            and one.items.issuperset(items)
            and (not grave or limit in one.limits)
            for one in self.approvals
        )

    def _lost(self, run: Circumstances, box: Box) -> int:
        """Count claimed accounts that are not there although no run removed them, if they are too many; else 0."""
        claims = {user: one for user, one in run.before.claims.get(box.ref, {}).items() if one.held}
        lost = sum(
            not run.before.at(box.ref, user) and (box.context, user, claim.account) not in self.removed
            for user, claim in claims.items()
        )
        return lost if lost > box.allowed("removals", len(claims)) else 0

    # ------------------------------------------------------------------ what is remembered

    def _remember(self, run: Circumstances, box: Box) -> None:
        judgement, certain = run.judgement(box), run.report is not None
        known, readable = run.known(box), run.readable(box)
        whole = certain and run.fault is None
        self._count_reads(run, box, known, readable, whole=whole)
        if known.complete and (run.fault is None or not run.fault.total):
            server: set[str | None] = {run.server}
            self._servers[box.ref] = server if whole else self._servers[box.ref] | server
        plan = judgement.plan if judgement is not None else None
        clean = plan is not None and judgement is not None and plan.complete
        clean = clean and not (plan.waiting or plan.withheld or judgement.held or judgement.idle)  # type: ignore[union-attr]
        self._meanings[box.ref] = {box.meaning} if clean else self._meanings[box.ref] | {box.meaning}
        if clean or certain:
            self._meanings[box.ref].discard(None)
        for source in (*box.sources, *box.exclude):
            count = members(run, box, source)
            if count and whole:
                self._had.add((box.ref, source))
            elif count == 0 and not (judgement is not None and _unfinished(judgement)):
                self._had.discard((box.ref, source))

    def _count_reads(self, run: Circumstances, box: Box, known: Known, readable: Known, *, whole: bool) -> None:
        users = {place[1] for place, one in run.after.accounts.items() if address(one).lower() == box.address}
        claims = run.before.claims.get(box.ref, {})
        for user in {user for ref, user in self._agreed if ref == box.ref} | users:
            claim = claims.get(user) if run.before.ours(box.ref, user) else None
            standing = known.standing(user, claim)
            could = readable.complete or readable.standing(user, claim) is Standing.SURE
            if user in users and standing in {Standing.OUT, Standing.SURE} and could:
                reads, since = self._agreed.get((box.ref, user), (0, run.now))
                self._agreed[box.ref, user] = (reads + 1, min(since, run.now))
            elif whole and (user not in users or standing is Standing.WANTED):
                self._agreed.pop((box.ref, user), None)


def _unfinished(judgement: Judgement) -> bool:
    plan = judgement.plan
    held = {direction.value for direction in judgement.held} & {"removals", "additions"}
    return bool(held or judgement.idle or plan.waiting or plan.withheld)
