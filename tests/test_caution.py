"""Whole runs that are careful, in memory: grace, staging, pauses, steps, the brake, approvals, edits, pins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.core.changes import Report
from syncd.core.limits import Grace, Limits, Rollout, Share
from syncd.core.model import Mailbox, MailboxRef, Pin
from syncd.core.verdict import exit_code, summary
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.core.strategies import ADDRESS
from tests.sites import LAX, Site, box, listing

REF = MailboxRef(1, ADDRESS)
FEW = Limits(removals=Share(percent=0, floor=1))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with nothing configured."""
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as ledger:
        yield Site(ledger=ledger)


def of(*logins: str, **parts: object) -> tuple[Mailbox]:
    """Give the configuration where these have support@."""
    return (box(listing(*logins), **parts),)


def told(report: Report) -> dict[str, int]:
    """Give what a run counted, zeros left out."""
    return {name: count for name, count in summary(report).items() if count}


# --------------------------------------------------------------------------- grace


def test_a_removal_waits_for_its_reads_and_its_time(site: Site) -> None:
    """With two reads and 30 minutes the account goes at the first run after both, and a plan is no read."""
    grace = Grace(reads=2, time=timedelta(minutes=30))
    site.boxes = of("berta", "carol", grace=grace)
    site.run()
    site.boxes = of("berta", grace=grace)
    site.run()
    for _ in range(3):
        assert [notice.user for notice in site.plan().judgements[0].plan.waiting] == [5]
    site.later(minutes=29)
    [judgement] = site.run().judgements
    assert [notice.reason for notice in judgement.plan.waiting] == [
        "grace: 2 of 2 reads agreed, until 2026-09-01 12:30 UTC"
    ]
    assert site.holders() == {4, 5}
    site.later(minutes=1)
    assert told(site.run())["delete"] == 1
    assert site.holders() == {4}
    assert site.ledger.absences() == {}


def test_who_comes_back_begins_anew(site: Site) -> None:
    """A member who is back in between costs nothing, is counted as returned, and has the whole grace again."""
    grace = Grace(reads=2)
    for logins in (("berta", "carol"), ("berta",)):
        site.boxes = of(*logins, grace=grace)
        site.run()
    site.boxes = of("berta", "carol", grace=grace)
    assert site.run().judgements[0].plan.returned == (5,)
    assert site.ledger.absences() == {}
    site.boxes = of("berta", grace=grace)
    site.run()
    assert site.holders() == {4, 5}


# --------------------------------------------------------------------------- staging, pauses


def test_staging_writes_nothing(site: Site) -> None:
    """A mailbox in staging is computed and reported, and neither account nor claim is made, whatever is in its way."""
    site.boxes = of("berta", "carol", staging=True, limits=Limits(additions=Share(percent=0, floor=0)))
    report = site.run()
    assert told(report) == {"idle": 2}
    assert exit_code(report) == 0
    assert (site.holders(), site.ledger.claims(), site.ledger.held()) == (set(), {}, ())
    site.boxes = of("berta", "carol")
    assert told(site.run()) == {"create": 2}


@pytest.mark.parametrize("ref", [REF, None], ids=["the mailbox", "everything"])
def test_a_pause_stops_changes_until_it_ends(site: Site, ref: MailboxRef | None) -> None:
    """While paused nothing is applied and the reason names who did it; afterwards the next run goes on."""
    site.boxes = of("berta")
    site.ledger.register([(REF, ADDRESS)])
    site.ledger.pause(ref, site.now + timedelta(hours=1), "anna", site.now)
    [judgement] = site.run().judgements
    assert judgement.idle == "paused by anna until 2026-09-01 13:00 UTC"
    assert site.holders() == set()
    site.later(hours=2)
    assert told(site.run()) == {"create": 1}


# --------------------------------------------------------------------------- pace


def test_a_rollout_fills_one_mailbox_after_the_other(site: Site) -> None:
    """With one mailbox in ten minutes the second is filled ten minutes after the first; later changes go at once."""
    two = "two@mycompany.com"
    site.more = {"rollout": Rollout(mailboxes=1, wait=timedelta(minutes=10))}
    site.boxes = (*of("berta"), *of("berta", address=two, key=two))
    first, second = site.run().judgements
    assert (first.idle, second.idle) == ("", "rollout: its turn comes at a later run")
    site.boxes = (*of("berta", "carol"), *of("berta", address=two, key=two))
    site.later(minutes=9)
    assert told(site.run()) == {"create": 1, "unchanged": 1, "idle": 1}
    assert (site.holders(), site.holders(two)) == ({4, 5}, set())
    site.later(minutes=1)
    assert told(site.run()) == {"create": 1, "unchanged": 2}
    assert site.holders(two) == {4}


def test_the_brake_lets_so_many_pass_in_a_minute(site: Site) -> None:
    """New accounts come in slices with a minute between; what five minutes do not see is left to the next run."""
    slept: list[float] = []
    site.more = {"brake": 1, "sleep": slept.append}
    site.store.people[1] = {number: f"u{number}" for number in range(10, 17)}
    site.boxes = of(*site.store.people[1].values())
    report = site.run()
    assert told(report) == {"create": 5, "deferred": 2}
    assert sum(slept) == 4 * 60
    assert exit_code(report) == 0
    slept.clear()
    assert told(site.run()) == {"create": 2, "unchanged": 5}
    assert sum(slept) == 2 * 60  # the minute before has seen enough already
    site.boxes = of("u10")
    site.later(minutes=5)
    slept.clear()
    assert told(site.run()) == {"delete": 6, "unchanged": 1}
    assert slept == []


# --------------------------------------------------------------------------- approvals, edited mappings


def held_digest(report: Report) -> str:
    """Give the digest of what a run held."""
    [judgement] = report.judgements
    assert judgement.held_digest is not None
    return judgement.held_digest


def test_an_approval_releases_what_is_left_of_the_plan(site: Site) -> None:
    """Somebody who came back meanwhile does not make the approval void; the approved others go."""
    site.boxes = of("berta", "carol", "dora", "emil", limits=FEW)
    site.run()
    site.boxes = of("berta", limits=FEW)
    digest = held_digest(site.run())
    assert site.ledger.approve(digest, "anna", site.now) is not None
    site.boxes = of("berta", "dora", limits=FEW)
    [judgement] = (report := site.run()).judgements
    assert judgement.approved == digest
    assert told(report)["delete"] == 2
    assert site.ledger.held() == ()


def test_an_approval_does_not_cover_more(site: Site) -> None:
    """One more removal than was approved holds all of them again, and the message says how many are new."""
    site.boxes = of("berta", "carol", "dora", "emil", limits=FEW)
    site.run()
    site.boxes = of("berta", "carol", limits=FEW)
    digest = held_digest(site.run())
    site.ledger.approve(digest, "anna", site.now)
    site.boxes = of("berta", limits=FEW)
    report = site.run()
    assert held_digest(report) != digest
    [objection, *_] = report.judgements[0].objections
    assert f"An approval was given to {digest}, but 1 of 3 changes were not part of it." in objection.message
    assert site.holders() == {4, 5, 6, 7}
    [kept] = site.ledger.held()
    assert [change["user"] for change in kept.plan["changes"] if change.get("new")] == [5]  # type: ignore[attr-defined]


def test_an_approval_expires(site: Site) -> None:
    """A day later the plan is held again, under the same digest."""
    site.boxes = of("berta", "carol", "dora", limits=FEW)
    site.run()
    site.boxes = of("berta", limits=FEW)
    digest = held_digest(site.run())
    site.ledger.approve(digest, "anna", site.now)
    site.later(hours=24, seconds=1)
    assert held_digest(site.run()) == digest
    assert [plan.state for plan in site.ledger.held()] == ["held"]
    assert site.holders() == {4, 5, 6}


def test_an_edited_mapping_holds_its_removals_above_the_floor(site: Site) -> None:
    """The run after an edit says so and holds removals that the percentage would let pass; once done it is over."""
    site.store.people[1] = {number: f"u{number}" for number in range(10, 30)}
    everybody, half = listing(*site.store.people[1].values()), listing("u10", "u11")
    limits = Limits(removals=Share(percent=100, floor=3))
    site.boxes = (box(everybody, limits=limits),)
    site.run()
    site.later(days=2)
    site.boxes = (box(half, limits=limits),)
    [judgement] = (report := site.run()).judgements
    assert [(one.limit, one.value, one.allowed) for one in judgement.objections] == [("configuration", 18, 3)]
    assert all(change.reason.endswith("its configuration has changed") for change in judgement.plan.changes)
    assert exit_code(report) == 4
    site.ledger.approve(held_digest(report), "anna", site.now)
    assert told(site.run())["delete"] == 18
    [judgement] = site.run().judgements
    assert not judgement.plan.configuration


def test_an_edit_that_follows_a_hold_is_held_for_its_own_reason(site: Site) -> None:
    """What was approved for its number is not released when a sign that the facts are wrong comes to it."""
    site.store.people[1] = {number: f"u{number}" for number in range(10, 20)}
    site.boxes = (box(listing(*site.store.people[1].values()), limits=FEW),)
    site.run()
    left = listing("u10", "u11", "u12")
    site.boxes = (box(left, limits=replace(FEW, removals=Share(percent=0, floor=1))),)
    report = site.run()
    assert {one.limit for one in report.judgements[0].objections} == {"removals", "configuration"}
    site.ledger.approve(held_digest(report), "anna", site.now)
    site.store.accounts.clear()  # another database, as it seems
    report = site.run()
    assert "vanished" in {one.limit for one in report.judgements[0].objections}
    assert report.outcomes == ()


# --------------------------------------------------------------------------- order, journal, pins


def test_sensitive_mailboxes_are_taken_away_first(site: Site) -> None:
    """Revocations of a sensitive mailbox come before those of others, which the configuration names first."""
    two = "two@mycompany.com"
    site.boxes = (*of("berta", "carol"), *of("berta", "carol", address=two, key=two, sensitive=True))
    site.run()
    site.boxes = (*of("berta"), *of("berta", address=two, key=two, sensitive=True))
    assert [one.change.mailbox for one in site.run().outcomes] == [two, ADDRESS]


def test_the_journal_knows_what_a_new_account_was_like(site: Site) -> None:
    """Also what is written at creation only, like the name."""
    site.boxes = of("berta")
    site.run()
    [entry] = site.ledger.history()
    assert entry.new is not None
    assert (entry.new["name"], entry.new["login"], entry.reason) == ("Support", ADDRESS, "a member")


def test_a_clock_that_is_ahead_for_hours_forgets_nothing(site: Site) -> None:
    """What is kept is counted from a run of a day before; once runs agree for a day, what is older goes."""
    site.more = {"keep": timedelta(days=400)}
    site.boxes = of("berta")
    site.run()
    right = site.now
    site.later(days=3650)
    site.run()
    site.later(hours=23)
    site.run()
    site.now = right + timedelta(minutes=5)
    site.run()
    site.later(days=3651)  # another time: the last run of a day before knew better
    site.run()
    assert len(list(site.ledger.history())) == 1
    site.later(hours=25)
    site.run()
    assert list(site.ledger.history()) == []


def test_a_pin_counts_more_than_the_group_until_it_ends(site: Site) -> None:
    """A pinned user gets the account and keeps it, one kept out loses it; when the pins end the group decides again."""
    site.boxes = of("berta", limits=LAX)
    site.run()
    ends = site.now + timedelta(hours=1)
    site.ledger.pin(REF, [Pin(5, True, ends, "anna"), Pin(4, False, ends, "anna")], site.now)
    assert told(site.run()) == {"create": 1, "delete": 1}
    assert site.holders() == {5}
    assert told(site.run()) == {"unchanged": 1}
    site.later(hours=2)
    report = site.run()
    assert told(report) == {"create": 1, "delete": 1}
    assert {one.change.user: one.change.reason for one in report.outcomes} == {
        4: "a member",
        5: "what a person gave by hand has ended",
    }
    assert site.ledger.pins(site.now) == {}
