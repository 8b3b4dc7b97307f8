"""Explaining, in memory: who is meant, what is read for it, and that nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.core.explain import Explanation, Fate
from syncd.core.limits import Ceilings, Limits, Rollout, Share
from syncd.core.model import Asked, MailboxRef, Users
from syncd.core.reads import Member
from syncd.core.standing import Standing
from syncd.errors import StoreUnavailable, SyncdError
from syncd.explain import Answer, explain
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from syncd.settings.loading import Settings, load
from tests.core.strategies import ADDRESS, known_by, member
from tests.fakes import FakeStore
from tests.sites import Site

GROUP, BARRED, OTHERS = "cn=support,dc=x", "cn=barred,dc=x", "cn=others,dc=x"
SALES = "sales@mycompany.com"
CONFIGURATION = f"""\
directory: {{urls: [ldaps://ldap.example.org], base: dc=x}}
openxchange: {{database: {{url: "mysql+pymysql://syncd@db.example.org/oxdatabase_5"}}}}
grace: off
mappings:
  - mailbox: {ADDRESS}
    context: 1
    sources:
      - group: {GROUP}
      - {{users: [emil]}}
    exclude:
      - group: {BARRED}
    limits: {{removals: {{percent: 100, floor: 100}}}}
    account: {{name: Support, login: support, mail: {{server: imap.x.org, port: 143}}}}
  - mailbox: {SALES}
    context: 1
    sources: [{{group: "{OTHERS}"}}]
    account: {{name: Sales, login: sales, mail: {{server: imap.x.org, port: 143}}}}
"""
PATTERN = """\
  - discover:
      filter: (description=shared-mailbox)
      mailbox: "{mail}"
      account: {name: "{cn}"}
    context: 1
    sources:
      - users: [dora]
    account: {login: "{mail}", mail: {server: imap.x.org, port: 143}}
"""
CONTEXTS = """\
  - mailbox: support@mycompany.com
    context: 2
    sources: [{users: [berta, fritz]}]
    account: {name: Support, login: support, mail: {server: imap.x.org, port: 143}}
"""


def given(login: str, group: str = GROUP) -> Member:
    """Give the entry of a person whom the rules look for by login, and by address where that finds nobody."""
    return member(login, path=(group,))


@dataclass(kw_only=True)
class World:
    """A site as a file configures it."""

    site: Site
    path: Path

    def configure(self, text: str) -> None:
        """Write the configuration, and let the site be so."""
        self.path.write_text(text)
        self.site.boxes, self.site.patterns = self.settings.mailboxes(), self.settings.patterns()

    @property
    def settings(self) -> Settings:
        return load(self.path)

    def ask(self, who: str | None = None, address: str | None = None, context: int | None = None) -> Answer:
        """Explain."""
        return explain(self.site.reconciler(), self.settings, who, address, context)

    def one(self, who: str, address: str = ADDRESS, context: int | None = None) -> Explanation:
        """Explain one person and one mailbox of one context."""
        [found] = self.ask(who, address, context).found
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Berta and carol are members of support@, emil is listed, carol is barred; sales@ has nobody."""
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as ledger:
        world = World(site=Site(ledger=ledger), path=tmp_path / "syncd.yaml")
        world.site.directory.members = {
            GROUP: (given("berta"), given("carol")),
            BARRED: (given("carol", BARRED),),
            OTHERS: (),
        }
        world.configure(CONFIGURATION)
        yield world


# --------------------------------------------------------------------------- who is meant


@pytest.mark.parametrize(
    ("who", "user", "taken"),
    [
        ("berta", 4, "'berta' is user 4 of context 1, by login"),
        ("4", 4, "'4' is user 4 of context 1, by number"),
        ("004", 4, "'004' is user 4 of context 1, by number"),
        ("berta@x.org", 4, "'berta@x.org' is user 4 of context 1, by address"),
        ("login=berta", 4, "'login=berta' is user 4 of context 1, by login"),
        ("oxuserid=4", 4, "'oxuserid=4' is user 4 of context 1, by number"),
        (given("berta").dn, 4, f"the entry {given('berta').dn}"),
        (given("berta").dn.upper().replace(",", " , "), 4, None),
        ("uid=nobody,dc=x", None, "the entry uid=nobody,dc=x"),
        ("nobody", None, "no user 'nobody' in context 1"),
        ("99", None, "no user '99', no user number '99' in context 1"),
        ("0", None, "no user '0' in context 1"),
        ("x@x.org", None, "no user 'x@x.org', no user with the address 'x@x.org' in context 1"),
        ("a=b=c", None, None),
        ("=", None, "no user '=' in context 1"),
    ],
)
def test_a_person_is_named_by_login_id_address_or_dn(
    world: World, who: str, user: int | None, taken: str | None
) -> None:
    """Each way finds the user, and what it was taken for is said; who is nobody is explained all the same."""
    found = world.one(who)
    assert found.user == user
    assert taken in {None, found.taken}
    assert found.standing is (Standing.MEMBER if user else Standing.STRANGER)
    if user is None:
        assert found.name == who
        assert f"in no source: group {GROUP}, users emil" in found.reason


def test_what_may_be_several_users_is_refused(world: World) -> None:
    """A number that is one user's login and another one's id is not guessed about, and how to say it is told."""
    world.site.store.people[1][8] = "4"
    with pytest.raises(
        SyncdError, match="'4' is several users of context 1: user 4 by number and user 8 by login"
    ) as no:
        world.ask("4", ADDRESS)
    assert "oxuserid=ID" in str(no.value)
    assert (world.one("oxuserid=4").user, world.one("login=4").user) == (4, 8)


def test_aliases_are_asked_for_where_a_rule_goes_by_them(world: World) -> None:
    """Not every installation may read them: only a configuration that uses them lets them be asked for."""
    world.ask("b@x.org", ADDRESS)
    assert all(not asked.aliases for asked in asked_of(world.site.store))
    world.site.directory.members[GROUP] = (known_by("berta", ("alias", ["other@x.org"])),)
    world.ask("b@x.org", ADDRESS)
    assert asked_of(world.site.store)[-1].aliases == ("b@x.org",)


def asked_of(store: FakeStore) -> list[Asked]:
    """Give what was asked about users."""
    return [asked[1] for asked in store.called("users") if isinstance(asked, tuple)]


def test_who_is_no_user_is_found_among_the_members(world: World) -> None:
    """An entry with the asked name but without a user is what is explained, in any letter case."""
    world.site.directory.members[GROUP] = (given("zoe"), given("berta"))
    for who in ("zoe", "Zoe"):
        found = world.one(who)
        assert (found.user, found.standing) == (None, Standing.UNRESOLVED)
        assert found.entry == given("zoe")
    found = world.one("Berta")
    assert (found.user, found.standing, found.taken) == (4, Standing.MEMBER, "no user 'Berta' in context 1")


def test_who_is_ambiguous_is_explained_as_that(world: World) -> None:
    """A user whom an ambiguous entry may be is told of that entry."""
    world.site.directory.members[GROUP] = (known_by("berta", ("mail", ["berta@x.org", "carol@x.org"])),)
    found = world.one("berta@x.org")
    assert (found.user, found.standing) == (4, Standing.AMBIGUOUS)


def test_a_dn_means_the_same_user_in_every_mailbox(world: World) -> None:
    """Whom an entry names in one mailbox it names in the others of the context, also where it is in no source."""
    world.site.directory.members[OTHERS] = (given("dora", OTHERS),)
    [mine] = world.ask(given("dora").dn).found
    assert (mine.case.mailbox.address, mine.user) == (SALES, 6)
    assert world.one(given("dora").dn).user is None  # alone it is not known
    world.site.run()
    world.site.directory.members |= {GROUP: (given("dora"),), OTHERS: ()}
    assert [(one.user, one.standing) for one in world.ask(given("dora").dn).found] == [
        (6, Standing.MEMBER),
        (6, Standing.STRANGER),  # it has the account still, as is known by the claim
    ]


# --------------------------------------------------------------------------- which mailboxes


def test_every_mailbox_of_a_user(world: World) -> None:
    """Mailboxes that have something to do with the user are explained, the others are counted."""
    world.site.directory.members[OTHERS] = (given("berta", OTHERS),)
    answer = world.ask("berta")
    assert [(one.case.mailbox.address, one.standing) for one in answer.found] == [
        (ADDRESS, Standing.MEMBER),
        (SALES, Standing.MEMBER),
    ]
    assert answer.others == 0
    answer = world.ask("emil")
    assert ([one.case.mailbox.address for one in answer.found], answer.others) == ([ADDRESS], 1)
    answer = world.ask("dora")
    assert (answer.found, answer.others, answer.taken) == ((), 2, ("'dora' is user 6 of context 1, by login",))


def test_everybody_of_a_mailbox(world: World) -> None:
    """Without a person all of the mailbox are explained."""
    answer = world.ask(None, ADDRESS)
    assert [(one.user, one.standing) for one in answer.found] == [
        (4, Standing.MEMBER),
        (5, Standing.EXCLUDED),
        (7, Standing.MEMBER),
    ]
    assert [case.mailbox.address for case in answer.cases] == [ADDRESS]


def test_a_mailbox_in_several_contexts_is_explained_in_each(world: World) -> None:
    """The same login is another user in another context; a context narrows it."""
    world.configure(CONFIGURATION + CONTEXTS)
    world.site.store.people[2] = {14: "berta", 8: "fritz"}
    found = world.ask("berta", ADDRESS).found
    assert [(one.case.mailbox.context, one.user) for one in found] == [(1, 4), (2, 14)]
    assert world.one("berta", context=2).user == 14
    assert {one.case.mailbox.context for one in world.ask("berta", None, 2).found} == {2}
    with pytest.raises(SyncdError, match=r"no mapping for .* in context 3"):
        world.ask("berta", ADDRESS, 3)


def test_an_unknown_mailbox_is_an_error(world: World) -> None:
    """A mailbox that nobody knows is refused with what is configured."""
    with pytest.raises(SyncdError, match=r"no mapping for nobody@mycompany\.com"):
        world.ask("berta", "nobody@mycompany.com")


@pytest.mark.parametrize("pattern", ["", PATTERN], ids=["all named", "with a pattern"])
def test_a_mailbox_that_left_the_configuration(world: World, pattern: str) -> None:
    """What is still claimed of it is explained as orphaned, by user and by mailbox, also before a run has seen it."""
    world.configure(CONFIGURATION + pattern)
    world.site.found()
    world.site.run()
    head, _, rest = CONFIGURATION.partition("  - mailbox: sales")
    world.configure(f"{head.partition('  - mailbox')[0]}  - mailbox: sales{rest}" + pattern)
    if not pattern:
        assert world.one("berta").standing is Standing.ORPHANED
    world.site.run()
    found = world.one("berta")
    assert (found.standing, found.user) == (Standing.ORPHANED, 4)
    assert "left the configuration on 2" in found.reason
    assert [one.role for one in found.stored] == ["ours"]
    assert found.case.claimed == {4: world.site.now, 7: world.site.now}
    assert [one.case.mailbox.address for one in world.ask("berta").found] == [ADDRESS]
    assert [one.user for one in world.ask(None, ADDRESS).found] == [4, 7]


def test_a_mailbox_by_pattern_shows_its_pattern(world: World) -> None:
    """The line of the pattern and of its search, and the entry found, come with the mailbox."""
    world.configure(CONFIGURATION + PATTERN)
    world.site.found("jobs")
    world.site.directory.members["cn=jobs,dc=x"] = (given("berta", "cn=jobs,dc=x"),)
    found = world.one("berta", "jobs@x.org")
    lines = world.path.read_text().splitlines()
    first = lines.index("  - discover:") + 1
    assert (found.case.mailbox.where, found.case.found) == (f"{world.path}:{first}", "cn=jobs,dc=x")
    assert [one.where for one in found.said] == [f"{world.path}:{first}", f"{world.path}:{first + 6}"]
    with pytest.raises(SyncdError, match="neither configured nor discovered"):
        world.ask("berta", "gone@x.org")
    assert [one.case.mailbox.address for one in world.ask("berta").found] == [ADDRESS, "jobs@x.org"]


def test_the_search_that_was_not_read_to_its_end_is_told(world: World) -> None:
    """Where not all mailboxes are known the answer says so, and what a pattern could not make a mailbox of."""
    world.configure(CONFIGURATION + PATTERN)
    answer = world.ask("berta")
    assert answer.undiscovered == ("ldap://one: size limit",)


def test_sources_stand_with_their_lines(world: World) -> None:
    """Each source has the file and line of its item, those that exclude too."""
    found = world.one("berta")
    lines = world.path.read_text().splitlines()
    numbers = [
        lines.index(text) + 1
        for text in (f"      - group: {GROUP}", "      - {users: [emil]}", f"      - group: {BARRED}")
    ]
    assert [one.where for one in found.said] == [f"{world.path}:{number}" for number in numbers]
    assert found.case.mailbox.where == f"{world.path}:5"


# --------------------------------------------------------------------------- what is read, and what is not written


def test_one_mailbox_is_read_alone_unless_something_is_planned(world: World) -> None:
    """Where all is in step only the mailbox is read; what is planned may depend on the others, so they are read too."""
    world.site.run()
    world.site.directory.asked.clear()
    world.ask("berta", ADDRESS)
    assert [{source.value for source in sources} for sources, _ in world.site.directory.asked] == [{GROUP, BARRED}]
    world.site.directory.asked.clear()
    world.site.directory.members[GROUP] = (given("carol"),)
    assert [act.fate for act in world.one("berta").acts] == [Fate.PLANNED]
    assert [{source.value for source in sources} for sources, _ in world.site.directory.asked] == [
        {GROUP, BARRED},
        {GROUP, BARRED, OTHERS},
    ]


def test_a_limit_of_all_mailboxes_together_is_known(world: World) -> None:
    """What is planned for one mailbox is held where all of them together would change too much."""
    world.site.directory.members[OTHERS] = (given("carol", OTHERS), given("dora", OTHERS))
    world.site.run()
    world.site.more = {"ceilings": Ceilings(removals_per_run=2)}
    world.site.directory.members |= {GROUP: (given("carol"),), OTHERS: (given("emil", OTHERS),)}
    [act] = world.one("berta").acts
    assert (act.op, act.fate) == ("delete", Fate.HELD)
    assert [one.limit for one in act.objections] == ["removals_per_run"]


def test_the_rollout_is_known(world: World) -> None:
    """A mailbox whose turn comes later is idle, although it would be the first one if it were alone."""
    world.site.directory.members[OTHERS] = (given("dora", OTHERS),)
    world.site.more = {"rollout": Rollout(mailboxes=1, wait=timedelta(minutes=10))}
    [act] = world.one("dora", SALES).acts
    assert (act.op, act.fate) == ("create", Fate.IDLE)
    assert act.reason.startswith("rollout: ")


def test_a_paused_mailbox_is_idle(world: World) -> None:
    """What would be done to it waits for a person."""
    world.site.ledger.register([(MailboxRef(1, ADDRESS), ADDRESS)])
    world.site.ledger.pause(MailboxRef(1, ADDRESS), None, "eve", world.site.now)
    [act] = world.one("berta").acts
    assert (act.fate, act.reason) == (Fate.IDLE, "paused by eve")


def test_explaining_writes_nothing(world: World, tmp_path: Path) -> None:
    """Neither Open-Xchange nor the ledger is another one after it, and no read counts for grace."""
    world.site.run()
    world.site.directory.members[GROUP] = (given("dora"),)
    accounts, ledger = dict(world.site.store.accounts), (tmp_path / "ledger.db").read_bytes()
    for who, address in (("berta", ADDRESS), ("dora", None), (None, ADDRESS), ("uid=x,dc=x", None)):
        world.ask(who, address)
    assert world.site.store.accounts == accounts
    assert (tmp_path / "ledger.db").read_bytes() == ledger


def test_users_are_asked_for_once_more_whoever_it_is(world: World) -> None:
    """The person is one question to Open-Xchange for each context, and none to the directory."""
    world.site.run()
    world.site.store.calls.clear()
    world.site.directory.asked.clear()
    world.ask("dora")
    assert len(world.site.store.called("users")) == 2
    assert len(world.site.directory.asked) == 1


class Half(FakeStore):
    """An Open-Xchange of whose context 2 nothing can be read."""

    def users(self, context: int, asked: Asked) -> Users:
        found = super().users(context, asked)
        return replace(found, exists=False, unread="the database is away") if context == 2 else found


def test_a_context_that_cannot_be_read(world: World) -> None:
    """It is told as that, while the other context is explained; alone it is an error as for a plan."""
    world.configure(CONFIGURATION + CONTEXTS)
    world.site.run()
    old: Mapping[str, Any] = {"people": world.site.store.people, "accounts": world.site.store.accounts}
    world.site.store = Half(**old)
    found = {one.case.mailbox.context: one for one in world.ask("berta").found}
    assert (found[1].standing, found[2].standing) == (Standing.MEMBER, Standing.UNREAD)
    assert "the database is away" in found[2].reason
    with pytest.raises(StoreUnavailable):
        world.ask("berta", ADDRESS, 2)


def test_the_claim_has_a_beginning(world: World) -> None:
    """Since when an account is ours is known, of the one mailbox as of all."""
    world.site.run()
    began = world.site.now
    world.site.later(hours=3)
    assert world.one("berta").case.claimed[4] == began
    [found] = world.ask("berta").found
    assert found.case.claimed[4] == began


def test_limits_of_its_own_hold_it(world: World) -> None:
    """What a mailbox's own limit holds is held however many mailboxes are read."""
    world.site.boxes = tuple(
        replace(one, limits=Limits(additions=Share(percent=0, floor=0))) for one in world.site.boxes
    )
    world.site.directory.asked.clear()
    assert [act.fate for act in world.one("berta").acts] == [Fate.HELD]
    assert len(world.site.directory.asked) == 1
