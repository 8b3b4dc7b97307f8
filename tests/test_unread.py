"""Runs in which some contexts cannot be read, or are lost while they are written to: the others go on."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from syncd.core.changes import Change, Op
from syncd.core.model import Asked, GroupRead, Mailbox, MailboxRef, Observation, Users
from syncd.core.verdict import exit_code, result_of
from syncd.directory.directories import Directories
from syncd.errors import StoreUnavailable
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Intent, LedgerOptions
from syncd.openxchange.base import Creation, Written
from syncd.run import Reconciler
from tests.core.strategies import ADDRESS, SUPPORT, member
from tests.fakes import FakeDirectories, FakeStore
from tests.openxchange import world
from tests.openxchange.sharding import Farm, found_farm
from tests.servers.mariadb import MariaDb
from tests.sites import LAX, PEOPLE, Site, box

WHY = "db2 did not answer"
SAME = ("berta",)
"""A login of both contexts."""


@dataclass(kw_only=True)
class SplitStore(FakeStore):
    """A store of which some contexts cannot be read, or written to."""

    away: dict[str, set[int]] = field(default_factory=dict)
    """By question (observe, users): contexts of which it cannot be answered."""
    losing: frozenset[int] = frozenset()
    """Contexts that are lost together when one of them is written to."""
    moving: set[int] = field(default_factory=set)
    """Contexts to which nothing may be written."""

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Refuse those that move."""
        return dict.fromkeys(self.moving & set(contexts), "it moves")

    def observe(self, mailboxes: Collection[Mailbox], seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        """Give what is there of the contexts that can be read."""
        out = self.away.get("observe", set())
        observation = super().observe([one for one in mailboxes if one.context not in out], seals)
        return replace(observation, unread=dict.fromkeys(out, WHY))

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Give the users of the contexts that can be read."""
        self.calls.append(("users_in", set(asked)))
        leavers = not any(one.logins for one in asked.values())
        out = self.away.get("leavers" if leavers else "users", set())
        nobody = {context: Users(context=context, exists=False, by_login={}, unread=WHY) for context in out}
        return {context: nobody.get(context) or self.users(context, one) for context, one in asked.items()}

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Give the groups of each context."""
        return {context: self.groups(context, names) for context, names in asked.items()}

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        """Write, or lose the connection."""
        if context in self.losing:
            error = StoreUnavailable(WHY)
            error.contexts = self.losing
            raise error
        return super().create(context, creations)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give support@ in contexts 1 and 2, for berta of both."""
    store = SplitStore(people={cid: dict(some) for cid, some in PEOPLE.items()})
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as ledger:
        made = Site(ledger=ledger, store=store, boxes=(box(), box(context=2)))
        made.directory.members = {SUPPORT.value: tuple(member(login) for login in SAME)}
        yield made


def away(site: Site, question: str, *contexts: int) -> None:
    """Let contexts be away for one kind of question."""
    cast("SplitStore", site.store).away[question] = set(contexts)


@pytest.mark.parametrize("question", ["observe", "users", "leavers"])
def test_what_cannot_be_read_is_left_alone(site: Site, question: str) -> None:
    """Nobody loses or gets an account there, claims stay, and the other context goes on; later all is made up for."""
    site.run()
    assert (site.holders(), site.holders(context=2)) == ({4}, {4})
    claims = site.ledger.claims()[MailboxRef(2, ADDRESS)]
    site.directory.members = {SUPPORT.value: (member("carol"), member("fritz"))}
    away(site, question, 2)
    report = site.run()
    assert (site.holders(), site.holders(context=2)) == ({5}, {4})
    assert site.ledger.claims()[MailboxRef(2, ADDRESS)] == claims
    [good, lost] = [judgement.plan for judgement in report.judgements]
    assert good.mailbox.context == 1
    assert (lost.complete, lost.unread, lost.claimed, lost.changes) == (False, True, 1, ())
    assert lost.reasons == (f"context 2 could not be read: {WHY}",)
    assert (exit_code(report), result_of(report)) == (5, "incomplete")
    away(site, question)
    site.run()
    assert site.holders(context=2) == {8}


def test_nothing_is_learned_of_what_cannot_be_read(site: Site) -> None:
    """A source that became empty meanwhile is as sudden afterwards as it would have been then."""
    site.run()
    site.directory.members = {SUPPORT.value: ()}
    away(site, "observe", 2)
    site.run()
    away(site, "observe")
    report = site.run()
    assert (exit_code(report), site.holders(context=2)) == (4, {4})
    assert "suddenly_empty" in {one.limit for judgement in report.judgements for one in judgement.objections}


def test_what_a_dead_run_left_is_settled_when_it_can_be_seen(site: Site) -> None:
    """An entry of the journal whose context cannot be read stays open until it can."""
    store = cast("SplitStore", site.store)
    store.losing = frozenset({2})
    assert exit_code(site.run()) == 1
    store.losing = frozenset()
    away(site, "observe", 2)
    site.run()
    assert len(site.ledger.unsettled()) == 1
    away(site, "observe")
    assert exit_code(site.run()) == 0
    assert site.ledger.unsettled() == ()
    assert site.holders(context=2) == {4}


def test_no_claim_is_given_up_where_nothing_may_be_written(site: Site) -> None:
    """An account that is not seen in a context on the move is ours still, and is taken away when it is back."""
    site.run()
    store = cast("SplitStore", site.store)
    away, store.accounts = store.accounts, {at: one for at, one in store.accounts.items() if at[0] == 1}
    store.moving = {2}
    site.directory.members = {SUPPORT.value: (member("carol"), member("fritz"))}
    site.run()
    assert set(site.ledger.claims()[MailboxRef(2, ADDRESS)]) == {4}
    store.moving, store.accounts = set(), {**store.accounts, **{at: one for at, one in away.items() if at[0] == 2}}
    site.run()
    assert site.holders(context=2) == {8}


def test_nothing_is_settled_where_nothing_may_be_written(site: Site) -> None:
    """A delete that a dead run left open is not taken for done because its context is on the move."""
    site.run()
    store = cast("SplitStore", site.store)
    ref = MailboxRef(2, ADDRESS)
    [claim] = site.ledger.claims()[ref].values()
    gone = Change(op=Op.DELETE, context=2, user=claim.user, login="berta", mailbox=ADDRESS, account=claim.account)
    site.ledger.intend("dead", "b", datetime.now(UTC), [Intent(change=gone, ref=ref, account=claim.account)])
    away, store.accounts = store.accounts, {at: one for at, one in store.accounts.items() if at[0] == 1}
    store.moving = {2}
    site.run()
    assert len(site.ledger.unsettled()) == 1
    assert set(site.ledger.claims()[ref]) == {4}
    store.moving, store.accounts = set(), away
    site.run()
    assert site.ledger.unsettled() == ()
    assert set(site.ledger.claims()[ref]) == {4}


def test_nothing_can_be_read_at_all(site: Site) -> None:
    """Then the run ends with the reason, as with a single database."""
    for question in ("observe", "users"):
        away(site, question, 1, 2)
        with pytest.raises(StoreUnavailable, match=WHY):
            site.run()
        away(site, question)


def test_a_context_lost_while_writing(site: Site) -> None:
    """Its own changes are not known to be done, those of its database are not begun, all others are made."""
    store = cast("SplitStore", site.store)
    store.people[3] = {4: "berta"}
    store.people[4] = {4: "berta"}
    site.boxes = tuple(box(context=context, limits=LAX) for context in (1, 2, 3, 4))
    store.losing = frozenset({2, 3})
    report = site.run()
    assert [site.holders(context=context) for context in (1, 2, 3, 4)] == [{4}, set(), set(), {4}]
    told = {one.change.context: one.error or "" for one in report.outcomes}
    assert told[2].startswith("not known to be done: db2")
    assert told[3].startswith("not done: db2")
    assert report.errors == (WHY,)
    store.losing = frozenset()
    assert exit_code(site.run()) == 0
    assert [site.holders(context=context) for context in (2, 3)] == [{4}, {4}]


# --------------------------------------------------------------------------- with real databases


@pytest.fixture
def farm(mariadb: MariaDb, second_mariadb: MariaDb) -> Iterator[Farm]:
    """Give contexts 1 to 6 in three schemas on two servers."""
    made = found_farm(mariadb, second_mariadb)
    yield made
    made.close()


@pytest.mark.mariadb
def test_a_schema_that_is_down_for_a_run(farm: Farm, tmp_path: Path) -> None:
    """Whole runs: the contexts of the lost server keep what they have and are served when it is back."""
    boxes = [replace(world.mailbox(context=context), sources=(SUPPORT,), limits=LAX) for context in range(1, 7)]
    directory = FakeDirectories(members={SUPPORT.value: (member("user3"), member("user4"))})
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db")) as ledger:
        reconciler = Reconciler(
            mailboxes=boxes,
            configured=boxes,
            directory=cast("Directories", directory),
            store=farm.store,
            ledger=ledger,
        )
        assert exit_code(reconciler.run(wait=0)) == 0
        assert farm.holders() == dict.fromkeys(range(1, 7), frozenset({3, 4}))
        directory.members = {SUPPORT.value: (member("user4"), member("user5"))}
        with farm.down():
            report = reconciler.run(wait=0)
        assert exit_code(report) == 5
        assert {one.plan.mailbox.context for one in report.judgements if one.plan.unread} == {5, 6}
        assert farm.holders() == {**dict.fromkeys(range(1, 5), frozenset({4, 5})), 5: {3, 4}, 6: {3, 4}}
        assert exit_code(reconciler.run(wait=0)) == 0
        assert farm.holders() == dict.fromkeys(range(1, 7), frozenset({4, 5}))
        before = farm.store.statements
        assert reconciler.run(wait=0).outcomes == ()
        assert farm.store.statements - before <= 10 * 3, "per schema, not per context"
