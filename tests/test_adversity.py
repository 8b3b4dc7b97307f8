"""What must not happen whatever came before: histories of runs, edits and persons' words that once did harm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.core.changes import Approval, Op, Report
from syncd.core.limits import Ceilings, Limits, Rollout, Share
from syncd.core.model import Mailbox, Pin
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import HeldPlan, LedgerOptions
from syncd.openxchange.base import Deletion, Written
from syncd.wiring import NOTHING, retired
from tests.fakes import FakeStore
from tests.sites import LAX, Site, box, listing

PEOPLE = {number: f"user{number}" for number in range(1, 31)}
TIGHT = Limits(removals=Share(percent=30, floor=3))


def team(*numbers: int, **parts: object) -> Mailbox:
    """Give support@ to users by number, within tight limits unless told."""
    return box(listing(*(PEOPLE[number] for number in numbers)), **({"limits": TIGHT} | parts))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with thirty people and nothing configured."""
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as ledger:
        yield Site(ledger=ledger, store=FakeStore(people={1: dict(PEOPLE)}))


def becomes(site: Site, *numbers: int, **parts: object) -> Report:
    """Let these users be the team, and make a run that takes the edit for none: who is in a group needs no edit."""
    one = team(*numbers, **parts)
    site.boxes = (one,)
    with site.ledger._database.writing() as work:
        work.run("UPDATE mailboxes SET fingerprint = NULL")
    return site.run()


def held(site: Site) -> HeldPlan:
    """Give the only plan that is held."""
    [plan] = site.ledger.held()
    return plan


def lose(site: Site, *numbers: int) -> None:
    """Let accounts vanish from the database."""
    for place in [place for place in site.store.accounts if place[1] in numbers]:
        del site.store.accounts[place]


# --------------------------------------------------------------------------- retiring


def retire(site: Site, gone: Mailbox) -> Report:
    """Retire a mailbox as the command does."""
    one = retired(gone.address, gone.context)
    mine = replace(site.reconciler(), mailboxes=[one], ceilings=Ceilings(removals_per_run=sys.maxsize))
    [judgement] = mine.plan([one.ref]).judgements
    last = replace(mine, mailboxes=[replace(one, limits=NOTHING)])
    return last.run([one.ref], command="retire", approve={one.ref: (Approval(judgement.digest),)}, wait=0)


def test_who_retires_a_mailbox_takes_it_from_pinned_users_too(site: Site) -> None:
    """What a person once pinned neither gets an account of a retired mailbox nor has it emptied of its servers."""
    becomes(site, 1, 2, 3)
    [gone] = site.boxes
    site.ledger.pin(gone.ref, [Pin(1, True, None, "eve"), Pin(9, True, None, "eve")], site.now)
    site.boxes = ()
    report = retire(site, gone)
    assert {(one.change.op, one.change.user) for one in report.outcomes} == {(Op.DELETE, user) for user in (1, 2, 3)}
    assert (site.store.accounts, site.ledger.claims()) == ({}, {})


# --------------------------------------------------------------------------- held plans


def test_an_approval_covers_only_the_claims_that_were_shown(site: Site) -> None:
    """More accounts that vanish after an approval take no claim along: they may come back with the database."""
    becomes(site, *range(1, 21))
    lose(site, *range(11, 21))
    becomes(site, *range(1, 11))
    assert held(site).plan["total"] == 10
    site.ledger.approve(held(site).digest, "anna", site.now)
    lose(site, 9, 10)
    becomes(site, *range(1, 9))
    [owned] = site.ledger.claims().values()
    assert set(owned) >= {9, 10}
    site.ledger.approve(held(site).digest, "anna", site.now)
    becomes(site, *range(1, 9))
    [owned] = site.ledger.claims().values()
    assert (set(owned), site.ledger.held()) == (set(range(1, 9)), ())


class Failing(FakeStore):
    """An Open-Xchange that removes no account of one user."""

    def delete(self, context: int, deletions: Any) -> list[Written]:
        """Remove the others."""
        some: list[Deletion] = [one for one in deletions if one.user != 1]
        super().delete(context, some)
        return [Written(one.user, one.account, "no" if one.user == 1 else None, None) for one in deletions]


@pytest.mark.parametrize("returning", [(2, 3, 4, 5, 6), (2, 3, 4, 5)])
def test_what_was_made_of_an_approval_is_used_up(site: Site, returning: tuple[int, ...]) -> None:
    """Where one change fails for long, those that were made once are not made again by the same approval."""
    site.store = Failing(people={1: dict(PEOPLE)})
    becomes(site, *range(1, 11))
    becomes(site, 7, 8, 9, 10)
    site.ledger.approve(held(site).digest, "anna", site.now)
    becomes(site, 7, 8, 9, 10)
    assert site.holders() == {1, 7, 8, 9, 10}
    becomes(site, *returning, 7, 8, 9, 10)
    becomes(site, 7, 8, 9, 10)
    assert site.holders() == {1, *returning, 7, 8, 9, 10}
    site.ledger.approve(held(site).digest, "anna", site.now)
    becomes(site, 7, 8, 9, 10)
    assert site.holders() == {1, 7, 8, 9, 10}


def test_a_rejected_plan_stays_held_when_the_window_has_moved(site: Site) -> None:
    """What a person rejected is not done because yesterday's changes do not count any more."""
    becomes(site, *range(1, 21))
    site.later(days=2)
    becomes(site, *range(1, 16))
    becomes(site, *range(1, 13))
    site.ledger.reject(held(site).digest, "anna", site.now)
    site.later(days=2)
    assert becomes(site, *range(1, 13)).outcomes == ()
    assert (held(site).state, site.holders()) == ("rejected", set(range(1, 16)))
    site.ledger.approve(held(site).digest, "anna", site.now)
    becomes(site, *range(1, 13))
    assert (site.holders(), site.ledger.held()) == (set(range(1, 13)), ())


def test_a_rejected_plan_is_not_done_as_it_shrinks(site: Site) -> None:
    """While people come back one by one, those who are left keep what a person refused to take, until approved."""
    becomes(site, *range(1, 11))
    becomes(site, *range(1, 6))
    site.ledger.reject(held(site).digest, "anna", site.now)
    for back in range(7, 11):
        becomes(site, *range(1, back))
        assert site.holders() == set(range(1, 11))
    assert held(site).state == "held"
    site.ledger.approve(held(site).digest, "anna", site.now)
    becomes(site, *range(1, 10))
    assert site.holders() == set(range(1, 10))


def test_a_rejected_change_is_not_done_along_with_another(site: Site) -> None:
    """A plan that has something new beside what was rejected is asked about, however small it is."""
    becomes(site, *range(1, 21))
    site.later(days=2)
    becomes(site, *range(1, 16))
    becomes(site, *range(1, 13))
    site.ledger.reject(held(site).digest, "anna", site.now)
    site.later(days=2)
    for _ in range(2):
        becomes(site, *range(1, 12))
        assert (held(site).state, site.holders()) == ("held", set(range(1, 16)))
    becomes(site, *range(1, 16))
    assert site.ledger.held() == ()
    becomes(site, *range(1, 12))
    assert site.holders() == set(range(1, 12))


# --------------------------------------------------------------------------- limits together


def test_mailboxes_that_are_not_asked_for_count_for_their_context(site: Site) -> None:
    """Runs for one mailbox after the other take no more of a context than one run for all."""
    other = "sales@mycompany.com"
    boxes = [team(*range(1, 11), limits=LAX), team(*range(1, 11), limits=LAX, address=other, key=other)]
    site.boxes = tuple(boxes)
    site.more = {"ceilings": Ceilings(context=Limits(removals=Share(percent=30, floor=3, most=5)))}
    site.run()
    site.later(days=2)
    site.boxes = tuple(replace(one, sources=(listing(*(PEOPLE[n] for n in range(1, 8))),)) for one in boxes)
    with site.ledger._database.writing() as work:
        work.run("UPDATE mailboxes SET fingerprint = NULL")
    assert len(site.run(boxes[0].ref).outcomes) == 3
    report = site.run(boxes[1].ref)
    assert [(one.limit, one.value, one.allowed) for one in report.judgements[0].objections] == [("context", 6, 5)]
    assert len(site.holders(other)) == 10


def test_a_rollout_goes_on_after_a_clock_that_was_ahead(site: Site) -> None:
    """A mailbox that was filled at a time that has not come yet stops no other one until then."""
    other = "sales@mycompany.com"
    site.boxes = (team(1, 2), team(1, 2, address=other, key=other))
    site.more = {"rollout": Rollout(mailboxes=1, wait=timedelta(minutes=10))}
    site.later(days=365)
    site.run()
    site.later(days=-365)
    site.run()
    assert site.holders(other) == {1, 2}
