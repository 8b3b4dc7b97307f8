"""Whole runs, in memory: what a run asks and tells, and what takes an account away, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.changes import Op
from syncd.core.limits import Limits
from syncd.core.model import Asked, GroupRead, MailboxRef, Source
from syncd.core.patterns import Pattern, Placing
from syncd.core.reads import Found, Member
from syncd.core.template import attribute
from syncd.core.verdict import exit_code, result_of
from syncd.errors import StoreError, SyncdError
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.core.strategies import ADDRESS, SUPPORT, known_by, member
from tests.fakes import FakeDirectories
from tests.sites import SEARCH, Site, box, listing

SALES = "sales@x.org"
DN = "cn=sales,dc=x"
CHOOSING = replace(SUPPORT, chooser=attribute("oxContext"))
EVERYBODY = Source(kind="ox_group", value="0", context=1)
TEAM = Source(kind="ox_group", value="team", context=1)


def placing(by: str, name: str = "", **parts: object) -> Pattern:
    """Give support@ in contexts that are found out."""
    return Pattern(where="f:9", mailbox=box(**({"context": 0} | parts)), placing=Placing(by=by, name=name))  # type: ignore[arg-type]


def discovering(**parts: object) -> Pattern:
    """Give a pattern that discovers mailboxes of context 1."""
    made = box(address="", key="")
    given = {"where": "f:1", "mailbox": replace(made, sources=()), "search": SEARCH, "address": attribute("mail")}
    return Pattern(**(given | {"group": Source(kind="group", value="")} | parts))  # type: ignore[arg-type]


def chose(login: str, *contexts: str) -> Member:
    """Give a member who chooses contexts."""
    return member(login)._replace(contexts=contexts)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with nothing configured."""
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as ledger:
        yield Site(ledger=ledger)


@pytest.fixture
def discovered(site: Site) -> Site:
    """A site with one discovered mailbox, that berta and carol have."""
    site.patterns = (discovering(),)
    site.directory.members = {DN: (member("berta"), member("carol"))}
    site.found("sales")
    assert exit_code(site.run()) == 0
    assert site.holders(SALES) == {4, 5}
    return site


@pytest.fixture
def chosen(site: Site) -> Site:
    """A site whose members choose: berta and carol have support@ in context 1, fritz in context 2."""
    site.patterns = (placing("members", sources=(CHOOSING,)),)
    site.directory.members = {SUPPORT.value: (chose("berta", "1"), chose("carol", "1"), chose("fritz", "2"))}
    assert exit_code(site.run()) == 0
    assert (site.holders(), site.holders(context=2)) == ({4, 5}, {8})
    return site


# --------------------------------------------------------------------------- what is asked and told


def test_users_are_asked_for_by_all_rules_at_once(site: Site) -> None:
    """One question per context has the values of every rule of every member, disabled ones and exclusions too."""
    one = known_by("berta", ("mail", ["m"]), ("alias", ["a"]), ("imap_login", ["i"]), ("id", ["04", "x", "9" * 99]))
    barred = Source(kind="group", value="cn=barred")
    site.boxes = (box(exclude=(barred, listing("dora"))), box(TEAM, address="t@x", key="t@x"))
    site.store.members[1, "team"] = GroupRead((5,))
    site.directory.members = {SUPPORT.value: (one, member("carol")), barred.value: ()}
    site.directory.disabled = {barred.value: (member("emil"),)}
    site.reconciler().plan()
    assert site.store.called("users") == [
        (
            1,
            Asked(
                logins={"carol", "dora", "emil"}, mails={"m"}, aliases={"a"}, imap_logins={"i"}, ids=frozenset({4, 5})
            ),
        )
    ]


def test_a_run_ends_with_what_a_discovery_lacks(discovered: Site) -> None:
    """An incomplete discovery is in the report, makes the exit status 5, and what it found is in doubt."""
    discovered.directory.partial = {SEARCH}
    report = discovered.run()
    assert (report.undiscovered, report.causes) == (("ldap://one: size limit",), ("limit",))
    assert not any(judgement.plan.complete for judgement in report.judgements)
    assert (report.complete, result_of(report).value, exit_code(report)) == (False, "incomplete", 5)
    assert exit_code(discovered.reconciler().plan()) == 0
    assert discovered.ledger.runs()[0].result == "incomplete"


def test_a_run_tells_problems_and_spoils_nothing_by_them(discovered: Site) -> None:
    """An entry that describes no mailbox is told, and the others are reconciled."""
    odd = Found("cn=odd,dc=x", "cn=odd,dc=x", {"cn": ("odd",)})
    discovered.directory.found[SEARCH] += (odd,)
    report = discovered.run()
    assert report.problems == ("f:1: cn=odd,dc=x: mailbox {mail} gives nothing",)
    assert exit_code(report) == 0
    assert len(report.judgements) == 1


def test_a_member_who_is_nobody_everywhere_is_told_once(site: Site) -> None:
    """With a mailbox in all contexts, who has a user in one of them is not told, who has none is told once."""
    site.patterns = (placing("all"),)
    site.directory.members = {SUPPORT.value: (member("berta"), member("fritz"), member("nobody"))}
    report = site.run()
    assert (site.holders(), site.holders(context=2)) == ({4}, {4, 8})
    assert [n.login for j in report.judgements for n in j.plan.unresolved] == ["nobody"]
    assert exit_code(report) == 0


def test_a_run_for_an_unknown_mailbox_ends_and_is_noted(site: Site) -> None:
    """It is an error in the ledger, not a run that seems to go on; nothing was asked of it."""
    site.boxes = (box(),)
    with pytest.raises(SyncdError, match="no@x is neither configured nor discovered"):
        site.run(MailboxRef(0, "no@x"))
    (noted,) = site.ledger.runs()
    assert (noted.result, noted.finished is None) == ("failed", False)
    assert "no@x" in noted.errors[0]


def test_second_runs_change_nothing(discovered: Site) -> None:
    """What was made is found right, whichever way the mailbox came."""
    for _ in range(2):
        report = discovered.run()
        assert [judgement.plan.changes for judgement in report.judgements] == [()]
        assert [judgement.plan.unchanged for judgement in report.judgements] == [2]


# --------------------------------------------------------------------------- what takes an account away


def test_a_disabled_member_loses_the_account_although_the_rest_is_unknown(site: Site) -> None:
    """Disabled was read for certain; a source beside it that cannot be read does not matter, for others it does."""
    other = Source(kind="group", value="cn=other")
    site.boxes = (box(SUPPORT, other),)
    site.directory.members = {SUPPORT.value: (member("berta"), member("carol"), member("dora")), other.value: ()}
    site.run()
    site.directory.members[SUPPORT.value] = (member("carol"),)
    site.directory.disabled = {SUPPORT.value: (member("berta"),)}
    site.directory.partial = {other.value}
    report = site.run()
    assert site.holders() == {5, 6}
    assert exit_code(report) == 5
    (change,) = report.judgements[0].plan.changes
    assert (change.op, change.reason) == (Op.DELETE, "disabled in the directory")


def test_a_group_that_is_disabled_as_a_whole_is_held(site: Site) -> None:
    """Everybody disabled at once is a source that is suddenly empty, whatever the limits allow."""
    site.boxes = (box(),)
    site.directory.members = {SUPPORT.value: (member("berta"), member("carol"))}
    site.run()
    site.directory.members = {SUPPORT.value: ()}
    site.directory.disabled = {SUPPORT.value: (member("berta"), member("carol"))}
    for _ in range(2):
        assert exit_code(site.run()) == 4
        assert site.holders() == {4, 5}


def test_a_context_that_the_last_member_left_is_cleared(chosen: Site) -> None:
    """Nobody names context 2 any more, so its accounts are taken away there, and nowhere else."""
    chosen.directory.members = {SUPPORT.value: (chose("berta", "1"), chose("carol", "1"))}
    assert exit_code(chosen.run()) == 0
    assert (chosen.holders(), chosen.holders(context=2)) == ({4, 5}, set())
    chosen.store.calls.clear()
    assert len(chosen.run().judgements) == 1


def test_a_member_who_chooses_another_context_moves(chosen: Site) -> None:
    """The account in the old context goes, one in the new context comes."""
    chosen.directory.members = {SUPPORT.value: (chose("berta", "2"), chose("carol", "1"), chose("fritz", "2"))}
    assert exit_code(chosen.run()) == 0
    assert (chosen.holders(), chosen.holders(context=2)) == ({5}, {4, 8})


@pytest.mark.parametrize("logins", [("berta",), ()])
def test_a_login_taken_from_the_configuration_loses_the_account(site: Site, logins: tuple[str, ...]) -> None:
    """The list is what somebody wrote: who is not in it any more, or nobody, is certain, and only limits hold it."""
    site.boxes = (box(listing("berta", "carol")),)
    site.run()
    site.boxes = (box(listing(*logins)),)
    assert exit_code(site.run()) == 0
    assert site.holders() == ({4} if logins else set())


def test_a_list_emptied_of_many_is_held_by_the_limits(site: Site) -> None:
    """The usual limits count the removals of a list as any other."""
    site.store.people[1] = {number: f"user{number}" for number in range(4, 30)}
    site.boxes = (box(listing(*site.store.people[1].values()), limits=Limits()),)
    site.run()
    site.boxes = (box(listing(), limits=Limits()),)
    assert exit_code(site.run()) == 4
    assert len(site.holders()) == 26


def test_who_leaves_a_group_of_open_xchange_loses_the_account(site: Site) -> None:
    """Groups of Open-Xchange are followed at each run."""
    site.store.members[1, "team"] = GroupRead((4, 5))
    site.boxes = (box(TEAM),)
    site.run()
    site.store.members[1, "team"] = GroupRead((5, 6))
    assert exit_code(site.run()) == 0
    assert site.holders() == {5, 6}


# --------------------------------------------------------------------------- what never does


def test_a_mailbox_that_is_discovered_no_more_keeps_its_accounts(discovered: Site) -> None:
    """It is orphaned: told, and left alone."""
    discovered.found()
    report = discovered.run()
    assert [(orphan.address, orphan.claimed) for orphan in report.orphans] == [(SALES, 2)]
    assert (report.judgements, discovered.holders(SALES)) == ((), {4, 5})
    assert discovered.run().orphans[0].since is not None


@pytest.mark.parametrize("how", ["nothing found", "no answer", "something else found"])
def test_a_discovery_that_failed_takes_nothing_away(discovered: Site, how: str) -> None:
    """Neither a mailbox nor an account is given up by a search that did not end."""
    if how == "no answer":
        discovered.directory = FakeDirectories(answered={})
    else:
        discovered.found(*(["team"] if how == "something else found" else []))
        discovered.directory.partial = {SEARCH}
    for _ in range(2):
        report = discovered.run()
        assert (report.orphans, discovered.holders(SALES)) == ((), {4, 5})
        assert exit_code(report) == 5


def test_a_discovered_group_that_cannot_be_read_takes_nothing_away(discovered: Site) -> None:
    """The mailbox is found and its members are not: every removal is withheld."""
    discovered.directory.partial = {DN}
    discovered.directory.members = {DN: (member("carol"),)}
    assert exit_code(discovered.run()) == 5
    assert discovered.holders(SALES) == {4, 5}


def test_a_mailbox_with_two_descriptions_keeps_its_accounts(discovered: Site) -> None:
    """While two entries give one address none of both counts, and nothing is done to the accounts."""
    discovered.directory.found[SEARCH] += (Found("cn=b,dc=x", "cn=b,dc=x", {"cn": ("b",), "mail": (SALES,)}),)
    discovered.directory.members["cn=b,dc=x"] = ()
    report = discovered.run()
    assert (report.judgements, report.orphans, discovered.holders(SALES)) == ((), (), {4, 5})
    assert "by none until one is left" in report.problems[0]


@pytest.mark.parametrize("berta", [(), ("gone",), ("1", "2"), ("1", "gone")])
def test_a_choice_that_is_hidden_or_unclear_keeps_the_account(chosen: Site, berta: tuple[str, ...]) -> None:
    """A member whose context is not known is there all the same, in every context."""
    members = (chose("berta", *berta), chose("carol", "1"), chose("fritz", *berta))
    chosen.directory.members = {SUPPORT.value: members}
    assert exit_code(chosen.run()) == 5
    assert (chosen.holders(), chosen.holders(context=2)) == ({4, 5}, {8})


def test_a_context_that_is_told_no_more_keeps_its_accounts_where_members_choose(chosen: Site) -> None:
    """Names that Open-Xchange does not give for a moment, users included, take nothing away."""
    people = chosen.store.people.pop(2)
    assert exit_code(chosen.run()) == 5
    assert chosen.holders(context=2) == {8}
    chosen.store.people[2] = people
    assert exit_code(chosen.run()) == 0
    assert chosen.holders(context=2) == {8}


def test_names_of_contexts_that_cannot_be_read_keep_all_accounts(site: Site) -> None:
    """With an empty login2context nobody's choice is known, and nobody loses anything."""
    site.store.names = {"acme": 1, "beta": 2}
    site.patterns = (placing("members", sources=(CHOOSING,)),)
    site.directory.members = {SUPPORT.value: (chose("berta", "acme"), chose("fritz", "beta"))}
    site.run()
    site.store.names = {}
    assert exit_code(site.run()) == 5
    assert (site.holders(), site.holders(context=2)) == ({4}, {8})
    site.store.failing = {"contexts"}
    with pytest.raises(StoreError):
        site.run()
    assert (site.holders(), site.holders(context=2)) == ({4}, {8})


def test_a_mailbox_everywhere_keeps_the_accounts_of_a_context_that_is_told_no_more(site: Site) -> None:
    """Fewer contexts than before is no reason for anything."""
    site.patterns = (placing("all"),)
    site.directory.members = {SUPPORT.value: (member("berta"), member("fritz"))}
    site.run()
    people = site.store.people.pop(2)
    assert exit_code(site.run()) == 5
    assert site.holders(context=2) == {4, 8}
    site.store.people[2] = people
    assert exit_code(site.run()) == 0


def test_a_context_without_its_name_keeps_the_accounts(site: Site) -> None:
    """The mailbox is placed nowhere for the time being and is no orphan."""
    site.store.names = {"acme": 2}
    site.patterns = (placing("name", "acme"),)
    site.directory.members = {SUPPORT.value: (member("fritz"),)}
    site.run()
    site.store.names = {}
    report = site.run()
    assert (report.judgements, report.orphans, site.holders(context=2)) == ((), (), {8})
    assert "there is no context 'acme'" in report.problems[0]


def test_a_group_of_open_xchange_that_is_not_there_keeps_the_accounts(site: Site) -> None:
    """A group that was deleted or renamed is unknown, not empty; as an exclusion it adds nobody."""
    site.store.members[1, "team"] = GroupRead((4, 5))
    site.boxes = (box(TEAM),)
    site.run()
    del site.store.members[1, "team"]
    report = site.run()
    assert (exit_code(report), site.holders()) == (5, {4, 5})
    assert report.judgements[0].plan.causes == ("missing",)
    site.boxes = (box(EVERYBODY, exclude=(TEAM,)),)
    assert (exit_code(site.run()), site.holders()) == (5, {4, 5})


def test_a_group_of_open_xchange_that_is_suddenly_empty_is_held(site: Site) -> None:
    """Rows that vanished from `groups_member` are held as with a group of the directory."""
    site.store.members[1, "team"] = GroupRead((4, 5))
    site.boxes = (box(TEAM),)
    site.run()
    site.store.members[1, "team"] = GroupRead(())
    for _ in range(2):
        assert (exit_code(site.run()), site.holders()) == (4, {4, 5})


def test_a_login_that_open_xchange_does_not_find_keeps_the_account(site: Site) -> None:
    """A login in the list without a user, by a lookup that is empty for a moment, is a member who is there."""
    site.boxes = (box(listing("berta", "carol")),)
    site.run()
    del site.store.people[1][4]
    site.store.people[1][4] = "renamed"
    assert exit_code(site.run()) == 5
    assert site.holders() == {4, 5}


def test_values_hidden_from_all_rules_keep_the_account(site: Site) -> None:
    """A member whose attributes cannot be read any more is there all the same."""
    site.boxes = (box(),)
    site.directory.members = {
        SUPPORT.value: (known_by("berta", ("mail", ["berta@x.org"]), ("login", [])), member("carol"))
    }
    site.run()
    assert site.holders() == {4, 5}
    site.directory.members = {SUPPORT.value: (known_by("berta", ("mail", []), ("login", [])), member("carol"))}
    assert exit_code(site.run()) == 5
    assert site.holders() == {4, 5}


def test_an_entry_made_anew_keeps_the_account_and_is_told(site: Site) -> None:
    """The claim takes the new id, so that it is told once."""
    site.boxes = (box(),)
    site.directory.members = {SUPPORT.value: (member("berta"),)}
    site.run()
    site.directory.members = {SUPPORT.value: (member("berta", id="new"),)}
    report = site.run()
    assert "is a new entry" in report.judgements[0].plan.notes[0]
    assert (report.outcomes, site.holders()) == ((), {4})
    assert site.ledger.claims()[MailboxRef(1, ADDRESS)][4].member == "new"
    assert site.run().judgements[0].plan.notes == ()


def test_an_excluded_person_of_another_context_takes_nothing_from_a_namesake(chosen: Site) -> None:
    """Berta of context 2 is excluded; berta of context 1 is somebody else."""
    barred = replace(CHOOSING, value="cn=barred")
    chosen.patterns = (placing("members", sources=(CHOOSING,), exclude=(barred,)),)
    other = member("b2", logins=("berta",))._replace(contexts=("2",))
    chosen.directory.members[barred.value] = (other,)
    assert exit_code(chosen.run()) == 0
    assert (chosen.holders(), chosen.holders(context=2)) == ({4, 5}, {8})


def test_two_directories_of_which_one_is_silent_take_nothing_away(site: Site) -> None:
    """Members of the silent one stay, and who left the other one is only withheld."""
    sources = (replace(SUPPORT, directory="hq"), Source(kind="group", value="cn=lab", directory="lab"))
    site.boxes = (box(*sources),)
    answered = {"hq": site.directory.answered[""], "lab": site.directory.answered[""]}
    site.directory.answered = dict(answered)
    site.directory.members = {SUPPORT.value: (member("berta"), member("dora")), "cn=lab": (member("carol"),)}
    site.run()
    site.directory.members = {SUPPORT.value: (member("berta"),)}
    del site.directory.answered["lab"]
    assert exit_code(site.run()) == 5
    assert site.holders() == {4, 5, 6}
