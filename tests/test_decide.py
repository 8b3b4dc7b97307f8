"""What one run decides, by what was gathered and by what the ledger remembers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

import pytest

from syncd.core.changes import Approval, Judgement
from syncd.core.digest import digest, items
from syncd.core.fingerprint import fingerprint
from syncd.core.limits import Absence, Ceilings, Grace, Limits, Rollout, Share, Window
from syncd.core.listed import read_listed
from syncd.core.model import Claim, Mailbox, MailboxRef, Observation, Observed, Pin, Source
from syncd.core.reads import Answered, DirectoryRead
from syncd.decide import STAGING, Consent, Decider, Decision
from syncd.errors import StoreRefused
from syncd.facts import Census, Facts
from syncd.ledger.values import Cursor, Pause
from syncd.openxchange.base import AccountStore
from tests.core.strategies import ADDRESS, NOON, claim, keep, keep_out, observed, users
from tests.fakes import FakeStore
from tests.sites import LAX, PEOPLE, box, listing

SALES = "sales@x.org"
NOTHING = Consent(windows={}, approvals={})


def of(*logins: str, **parts: object) -> Mailbox:
    """Give a mailbox, support@ unless told, that these have by a list."""
    return box(listing(*logins), **parts)


def sales(*logins: str, **parts: object) -> Mailbox:
    """Give sales@ likewise."""
    return of(*logins, address=SALES, key=SALES, **parts)


@dataclass(kw_only=True)
class Room:
    """All that a decision needs."""

    boxes: Sequence[Mailbox]
    beside: Sequence[Mailbox] = ()
    """Those that are configured too and that nobody asked for."""
    claims: Mapping[MailboxRef, Mapping[int, Claim]] = field(default_factory=dict)
    stored: Mapping[MailboxRef, tuple[Observed, ...]] = field(default_factory=dict)
    unread: Mapping[int, str] = field(default_factory=dict)
    read: DirectoryRead = field(default_factory=DirectoryRead)
    store: FakeStore = field(default_factory=lambda: FakeStore(people=PEOPLE))
    asked: list[str] = field(default_factory=list)
    """The phases and the question for consent, in order."""
    remembered: dict[str, object] = field(default_factory=dict)

    def facts(self) -> Facts:
        """Give what was gathered."""
        sources: set[Source] = {source for one in self.boxes for source in (*one.sources, *one.exclude)}
        return Facts(
            mailboxes=tuple(self.boxes),
            census=Census(configured=(*self.boxes, *self.beside)),
            read=self.read,
            reads={source: read_listed(source) for source in sources},
            observation=Observation(accounts=self.stored, unread=self.unread),
            claims=self.claims,
            **{"counts": {}, "cursors": {}, **self.remembered},  # type: ignore[arg-type]
        )

    def decide(self, consent: Consent = NOTHING, *, now: datetime = NOON, **parts: object) -> Decision:
        """Decide."""

        @contextmanager
        def phase(name: str) -> Iterator[None]:
            self.asked.append(name)
            yield

        def told() -> Consent:
            self.asked.append("consent")
            return consent

        given = {"ceilings": Ceilings(), **parts}
        decider = Decider(store=cast("AccountStore", self.store), phase=phase, now=now, **given)  # type: ignore[arg-type]
        return decider.decide(self.facts(), told)

    def judged(self, consent: Consent = NOTHING, **parts: object) -> tuple[Judgement, ...]:
        """Give the judgements."""
        return self.decide(consent, **parts).judgements  # type: ignore[arg-type]


def having(one: Mailbox, *user_ids: int, **parts: object) -> Room:
    """Give a room in which these users have support@, claimed."""
    return Room(
        boxes=[one],
        claims={one.ref: {user: claim(user, member=f"login:{users().logins[user]}") for user in user_ids}},
        stored={one.ref: tuple(observed(user) for user in user_ids)},
        **parts,  # type: ignore[arg-type]
    )


# --------------------------------------------------------------------------- order and contents


def test_each_mailbox_is_judged_in_the_order_of_the_configuration() -> None:
    """Judgements come in the order of the mailboxes, those of contexts that were not read among them."""
    away = of("berta", context=2)
    room = Room(boxes=[sales("berta"), away, of("carol")], unread={2: "db2 did not answer"})
    decision = room.decide()
    assert [one.plan.mailbox.ref for one in decision.judgements] == [one.ref for one in room.boxes]
    assert [one.plan.unread for one in decision.judgements] == [False, True, False]
    assert decision.desired.keys() == {room.boxes[0].ref, room.boxes[2].ref}
    assert decision.users.keys() == {1}


def test_consent_is_asked_for_when_the_plans_are_made() -> None:
    """What persons said counts as late as possible: after everything else was looked up."""
    room = having(of("berta"), 4, 5)
    room.decide()
    assert room.asked == ["users", "plan", "users", "plan", "consent"]


def test_a_database_without_any_user_is_refused() -> None:
    """Where no context has a user although accounts are claimed, it is the wrong database; without claims it is new."""
    room = having(of("berta"), 4, store=FakeStore())
    with pytest.raises(StoreRefused, match="none of the configured contexts has a user"):
        room.decide()
    room.claims = {}
    assert room.judged()[0].plan.changes == ()


def test_what_is_remembered_reaches_the_plan() -> None:
    """Absences, pins, cursors and the time of the run have their say."""
    one = of("carol", grace=Grace(reads=2, time=timedelta(minutes=30)))
    room = having(one, 4, 5)
    assert [notice.user for notice in room.judged()[0].plan.waiting] == [4]
    room.remembered = {"absences": {one.ref: {4: Absence(1, NOON)}}}
    later = NOON + timedelta(minutes=30)
    assert [notice.user for notice in room.judged()[0].plan.waiting] == [4]
    assert [change.user for change in room.judged(now=later)[0].plan.changes] == [4]
    pins: dict[int, Pin] = {4: keep(4), 5: keep_out(5), 6: keep(6)}
    room.remembered = {"pins": {one.ref: pins}}
    assert [(change.op, change.user) for change in room.judged()[0].plan.changes] == [("delete", 5), ("create", 6)]
    other = {MailboxRef(2, ADDRESS): pins}
    room.remembered = {"pins": other, "absences": {MailboxRef(2, ADDRESS): {4: Absence(9, NOON)}}}
    assert room.judged(now=later)[0].plan.changes == ()


def test_a_pinned_user_is_asked_for() -> None:
    """Whether a pinned user exists is known although no source names it."""
    one = of("berta")
    room = Room(boxes=[one], remembered={"pins": {one.ref: {6: keep(6), 99: keep(99)}}})
    (judgement,) = room.judged()
    assert [change.login for change in judgement.plan.changes] == ["berta", "dora"]
    assert judgement.plan.notes == ("user 99, pinned by eve, is not in Open-Xchange",)


def test_the_guard_gets_what_it_goes_by() -> None:
    """Windows, approvals and limits of several mailboxes decide about what is held."""
    one = of("carol", limits=Limits(removals=Share(percent=0, floor=1)))
    room = having(one, 4, 5)
    assert not room.judged()[0].held
    window = Consent(windows={one.ref: Window(removals=1)}, approvals={})
    (held,) = room.judged(window)
    assert held.held_digest is not None
    approved = replace(window, approvals={one.ref: [Approval(held.held_digest)]})
    assert room.judged(approved)[0].approved == held.held_digest
    assert room.judged(ceilings=Ceilings(removals_per_run=0))[0].held


def test_what_was_rejected_is_held() -> None:
    """A change that a person rejected is not made, however few there are."""
    one = of("carol", limits=LAX)
    room = having(one, 4, 5)
    (free,) = room.judged()
    named = items(1, ADDRESS, free.plan.changes, ())
    (judgement,) = room.judged(replace(NOTHING, rejected={one.ref: named}))
    assert [objection.limit for objection in judgement.objections] == ["rejected"]


def test_mailboxes_that_nobody_asked_for_count_for_their_context() -> None:
    """A run for one mailbox counts the claims and the window of the others that are configured in its context."""
    one, two, gone = of("carol", limits=LAX), sales("berta"), MailboxRef(1, "gone@x.org")
    room = having(one, 4, 5)
    room.beside = [two]
    owned = {two.ref: {user: claim(user) for user in (4, 5, 6)} | {7: claim(7, held=False)}}
    room.claims = {**room.claims, **owned, gone: {user: claim(user) for user in (4, 5, 6, 7)}}
    half = Ceilings(context=Limits(removals=Share(percent=50, floor=0)))

    def allowed(windows: Mapping[MailboxRef, Window]) -> tuple[int, int] | None:
        (judgement,) = room.judged(replace(NOTHING, windows=windows), ceilings=half)
        found = [(one.value, one.allowed) for one in judgement.objections]
        return found[0] if found else None

    assert allowed({}) is None
    assert allowed({two.ref: Window(removals=3)}) is None  # 2 + 3 + 3 were there: 4 may go
    assert allowed({two.ref: Window(removals=4)}) == (5, 4)
    assert allowed({gone: Window(removals=9)}) is None


# --------------------------------------------------------------------------- idle


def pause(ref: MailboxRef | None, by: str, until: datetime | None = None) -> Pause:
    """Give a pause that began a moment ago."""
    return Pause(ref, until, by, NOON)


REF, ELSEWHERE = MailboxRef(1, ADDRESS), MailboxRef(2, ADDRESS)
ONE, ALL = pause(REF, "eve"), pause(None, "mallory", NOON + timedelta(days=1))


@pytest.mark.parametrize(
    ("pauses", "staging", "expected"),
    [
        pytest.param([], False, "", id="nothing"),
        pytest.param([ONE], False, "paused by eve", id="the mailbox is paused"),
        pytest.param([ALL], False, "paused by mallory until 2026-03-02 12:00 UTC", id="everything is, until"),
        pytest.param([ALL, ONE], False, "paused by eve", id="both: its own is told"),
        pytest.param([pause(ELSEWHERE, "eve")], False, "", id="another one is paused"),
        pytest.param([], True, STAGING, id="staging"),
        pytest.param([ALL], True, "paused by mallory until 2026-03-02 12:00 UTC", id="paused in staging"),
        pytest.param([pause(ELSEWHERE, "eve")], True, STAGING, id="staging, another one is paused"),
    ],
)
def test_a_mailbox_is_idle_for_a_reason(pauses: Collection[Pause], staging: bool, expected: str) -> None:
    """A pause, of the mailbox or of everything, or staging: the reason says which, by whom and how long."""
    (judgement,) = Room(boxes=[of("berta", staging=staging)]).judged(replace(NOTHING, pauses=pauses))
    assert judgement.idle == expected
    assert [change.user for change in judgement.plan.changes] == [4]


# --------------------------------------------------------------------------- steps

STEP = Rollout(mailboxes=1, wait=timedelta(minutes=10))


def test_steps_follow_the_configuration() -> None:
    """The first mailbox that gets its first accounts has its turn; the others are idle with that reason."""
    first, second, third = Room(boxes=[sales("berta"), of("berta"), of("carol", key="third", address="third")]).judged(
        rollout=STEP
    )
    assert (first.idle, second.idle) == ("", "rollout: its turn comes at a later run")
    assert third.idle == second.idle


def test_who_began_is_not_put_off() -> None:
    """A mailbox that got accounts within the wait takes the step's room from the others, not from itself."""
    consent = replace(NOTHING, begun={REF: NOON - timedelta(minutes=1)})
    first, second = Room(boxes=[sales("berta"), of("berta")]).judged(consent, rollout=STEP)
    assert first.idle == "rollout: its turn comes at a later run, not before 2026-03-01 12:09:00 UTC"
    assert second.idle == ""


def test_a_paused_mailbox_takes_no_step() -> None:
    """It says that it is paused, and the next mailbox has the turn."""
    consent = replace(NOTHING, pauses=[pause(MailboxRef(1, SALES), "eve")])
    first, second = Room(boxes=[sales("berta"), of("berta")]).judged(consent, rollout=STEP)
    assert (first.idle, second.idle) == ("paused by eve", "")


def test_a_mailbox_that_waits_for_its_turn_counts_for_no_other() -> None:
    """What is put off does not use up the limits that mailboxes share."""
    ceilings = Ceilings(context=Limits(additions=Share(percent=0, floor=1)))
    first, second = Room(boxes=[sales("berta"), of("berta")]).judged(rollout=STEP, ceilings=ceilings)
    assert (first.held, bool(second.idle)) == (frozenset(), True)


# --------------------------------------------------------------------------- edits


@pytest.mark.parametrize(
    ("seen", "edit"),
    [
        pytest.param("the same", False, id="the same"),
        pytest.param(None, False, id="never seen"),
        pytest.param("1:x", True, id="another"),
        pytest.param("0:x", False, id="of another version"),
    ],
)
def test_the_changes_after_an_edit_say_so(seen: str | None, *, edit: bool) -> None:
    """Each change of an edited mapping names the edit, and the plan is marked; its digest is the same."""
    one = of("carol", "dora", limits=LAX)
    room = having(one, 4, 5)
    known = fingerprint(one, {}) if seen == "the same" else seen
    room.remembered = {"fingerprints": {one.ref: known} if known else {}}
    (judgement,) = room.judged()
    plan = judgement.plan
    assert plan.configuration is edit
    assert [change.reason for change in plan.changes] == [
        reason + ("; its configuration has changed" if edit else "") for reason in ("no longer a member", "a member")
    ]
    assert judgement.digest == digest(1, ADDRESS, plan.changes, plan.adopted)


def test_an_edit_holds_removals_above_the_floor() -> None:
    """The guard is told of the edit."""
    one = of(limits=Limits(removals=Share(percent=100, floor=1)))
    room = having(one, 4, 5)
    assert not room.judged()[0].held
    room.remembered = {"fingerprints": {one.ref: "1:x"}}
    assert [objection.limit for objection in room.judged()[0].objections] == ["configuration"]


def test_an_edit_of_how_the_directory_is_read_is_one() -> None:
    """Readers are part of the fingerprint of what asks that directory."""
    group = Source(kind="group", value="cn=support")
    one = box(group)
    room = Room(boxes=[one])
    before = room.decide(readers={"": "base dc=a"}).prints
    room.remembered = {"fingerprints": before}
    assert not room.judged(readers={"": "base dc=a"})[0].plan.configuration
    assert room.judged(readers={"": "base dc=b"})[0].plan.configuration


def test_what_is_retired_has_no_fingerprint() -> None:
    """A mailbox without sources is not edited, whatever is remembered of it."""
    one = box(sources=())
    room = having(one, 4)
    room.remembered = {"fingerprints": {one.ref: "1:x"}}
    decision = room.decide()
    assert decision.prints == {}
    assert not decision.judgements[0].plan.configuration
    assert [change.reason for change in decision.judgements[0].plan.changes] == ["its mailbox is retired"]


def test_removals_wait_for_the_directory_that_they_were_read_from() -> None:
    """Another server than at the last complete read makes them wait; the same one does not."""
    one = box(Source(kind="group", value="cn=support"))
    room = having(one, 4, read=DirectoryRead(answered={"": Answered("ldap://one", None)}))
    room.remembered = {"cursors": {one.ref: Cursor("ldap://other", None, True)}}
    (waiting,) = room.judged()[0].plan.waiting
    assert "ldap://other" in waiting.reason
    room.remembered = {"cursors": {one.ref: Cursor("ldap://one", None, True)}}
    assert [change.user for change in room.judged()[0].plan.changes] == [4]
