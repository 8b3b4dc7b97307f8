"""What a run reads, of whom, how often; and which mailboxes there are when not everything could be read."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from syncd.core.changes import Adoption
from syncd.core.model import Asked, GroupRead, Mailbox, MailboxRef, Source, Users
from syncd.core.patterns import Pattern, Placing, Sieve
from syncd.core.reads import Found, Search
from syncd.core.template import attribute, parse
from syncd.directory.directories import Directories
from syncd.errors import StoreError, SyncdError
from syncd.facts import Census, orphans, register
from syncd.gather import Gatherer
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.core.strategies import ADDRESS, BARRED, SUPPORT, mailbox, member
from tests.fakes import FakeDirectories, FakeStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SEARCH = Search("", "(description=shared-mailbox)", None, "sub", ("cn", "mail"))
GROUP = Source(kind="group", value="")
EVERYBODY = Source(kind="ox_group", value="0", context=1)
CHOOSING = replace(SUPPORT, chooser=attribute("oxContext"))
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
PEOPLE = {1: {4: "berta", 5: "carol"}, 2: {4: "berta"}, 7: {9: "zoe"}}
SALES_DN, TEAM_DN = "cn=sales,dc=x", "cn=team,dc=x"


def entry(cn: str, *mail: str) -> Found:
    """Give an entry that a search found, with CN@x.org unless told."""
    return Found(f"cn={cn},dc=x", f"cn={cn},dc=x", {"cn": (cn,), "mail": mail or (f"{cn}@x.org",)})


def discovering(**parts: object) -> Pattern:
    """Give a pattern that discovers mailboxes of context 1."""
    box = mailbox(address="", key="", sources=(), exclude=())
    given = {"where": "f:1", "mailbox": box, "search": SEARCH, "address": attribute("mail"), "group": GROUP}
    return Pattern(**(given | parts))  # type: ignore[arg-type]


def placing(by: str, name: str = "", where: str = "f:9", **box: object) -> Pattern:
    """Give a pattern of one mailbox in contexts that are found out."""
    made = mailbox(**({"context": 0, "sources": (SUPPORT,), "exclude": ()} | box))
    return Pattern(where=where, mailbox=made, placing=Placing(by=by, name=name))  # type: ignore[arg-type]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as opened:
        yield opened


def claimed(ledger: Ledger, *places: tuple[int, str]) -> None:
    """Claim an account of user 4 in each place: context and address."""
    ledger.register([(MailboxRef(*place), place[1]) for place in places])
    for place in places:
        ledger.adopt("r0", NOW, MailboxRef(*place), [Adoption(4, "berta", 20, "id-berta", "uid=berta", (), None)])


def gatherer(
    ledger: Ledger,
    *patterns: Pattern,
    fixed: Sequence[Mailbox] = (),
    members: Mapping[str, Sequence[str]] | None = None,
    found: Sequence[Found] | None = (),
    **parts: object,
) -> Gatherer:
    """Give a gatherer; `members` are logins by DN of the group, `found` None = the search was not answered."""
    phases: list[str] = []

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        phases.append(name)
        yield

    directory = FakeDirectories(
        members={dn: tuple(map(member, logins)) for dn, logins in (members or {}).items()},
        found={} if found is None else {SEARCH: tuple(found)},
    )
    given: dict[str, object] = {"directory": directory, "store": FakeStore(people=PEOPLE)}
    return Gatherer(
        mailboxes=tuple(fixed),
        configured=tuple(fixed),
        patterns=patterns,
        ledger=ledger,
        phase=phase,
        now=NOON,
        **given | parts,  # type: ignore[arg-type]
    )


def store_of(one: Gatherer) -> FakeStore:
    """Give the fake behind a gatherer."""
    return cast("FakeStore", one.store)


def directory_of(one: Gatherer) -> FakeDirectories:
    """Give the fake behind a gatherer."""
    return cast("FakeDirectories", one.directory)


def refs(boxes: Sequence[Mailbox]) -> list[tuple[int, str]]:
    """Name mailboxes by context and key."""
    return [tuple(box.ref) for box in boxes]  # type: ignore[misc]


# --------------------------------------------------------------------------- what is read


def test_mailboxes_of_the_configuration_are_read_in_one_go(ledger: Ledger) -> None:
    """One question to the directory with every source once, one observation, and nothing asked about contexts."""
    one, two = (
        mailbox(),
        mailbox(address="sales@x.org", key="sales@x.org", sources=(SUPPORT, Source(kind="group", value="s"))),
    )
    made = gatherer(ledger, fixed=(one, two), members={SUPPORT.value: ["berta"]})
    facts = made.gather()
    assert store_of(made).calls == [("observe", [one.ref, two.ref])]
    ((sources, searches),) = directory_of(made).asked
    assert (sources, searches) == ([SUPPORT, BARRED, two.sources[1]], [])
    assert facts.reads[SUPPORT].members.keys() == {"id-berta"}
    assert (facts.mailboxes, facts.census) == ((one, two), Census(configured=(one, two)))
    assert facts.census.whole


def test_a_configuration_without_directory_asks_none(ledger: Ledger) -> None:
    """Groups of Open-Xchange and lists of logins need no directory."""
    listed = Source(kind="users", value="berta", logins=("berta",))
    made = gatherer(ledger, fixed=(mailbox(sources=(EVERYBODY,), exclude=(listed,)),))
    facts = made.gather()
    assert directory_of(made).asked == []
    assert facts.reads[EVERYBODY].members.keys() == {"ox:1/4", "ox:1/5"}
    assert facts.reads[listed].members.keys() == {"login:berta"}
    assert facts.read.server == ""


def test_the_groups_of_a_context_are_asked_for_once(ledger: Ledger) -> None:
    """All groups of all mailboxes of a context are one question, excluding ones too; each context has its own."""

    def group(value: str, context: int) -> Source:
        return Source(kind="ox_group", value=value, context=context)

    boxes = [
        mailbox(sources=(group("a", 1), group("b", 1)), exclude=(group("0", 1),)),
        mailbox(address="s@x", key="s@x", sources=(group("a", 1),), exclude=()),
        mailbox(context=2, sources=(group("a", 2),), exclude=()),
    ]
    store = FakeStore(people=PEOPLE, members={(1, "a"): GroupRead((4,)), (2, "a"): GroupRead((5,))})
    made = gatherer(ledger, fixed=boxes, store=store)
    reads = made.gather().reads
    assert store.called("groups") == [(1, {"a", "b", "0"}), (2, {"a"})]
    assert [list(reads[group("a", context)].members) for context in (1, 2)] == [["ox:1/4"], ["ox:2/5"]]
    assert (reads[group("b", 1)].complete, reads[group("a", 1)].complete) == (False, True)


def test_groups_of_many_contexts_are_one_question(ledger: Ledger) -> None:
    """A store that reads many contexts together is asked once for the groups of all of them, and not without any."""
    questions: list[dict[int, set[str]]] = []

    class ManyStore(FakeStore):
        def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
            return {context: self.users(context, one) for context, one in asked.items()}

        def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
            questions.append({context: set(names) for context, names in asked.items()})
            return {context: {name: GroupRead((context,)) for name in names} for context, names in asked.items()}

    everybody = [replace(EVERYBODY, context=context) for context in (1, 2, 7)]
    boxes = [mailbox(context=source.context, sources=(source,), exclude=()) for source in everybody]
    reads = gatherer(ledger, fixed=boxes, store=ManyStore()).gather().reads
    assert questions == [{1: {"0"}, 2: {"0"}, 7: {"0"}}]
    assert [list(reads[source].members) for source in everybody] == [["ox:1/1"], ["ox:2/2"], ["ox:7/7"]]
    gatherer(ledger, fixed=(mailbox(),), store=ManyStore()).gather()
    assert len(questions) == 1


def test_discovered_mailboxes_are_observed_after_the_directory_answered(ledger: Ledger) -> None:
    """What is stored of them is read in a second question, and both answers are one observation."""
    fixed = mailbox()
    made = gatherer(ledger, discovering(), fixed=(fixed,), members={SALES_DN: ["berta"]}, found=[entry("sales")])
    facts = made.gather()
    assert store_of(made).called("observe") == [[fixed.ref], [MailboxRef(1, "sales@x.org")]]
    assert facts.observation.statements == 2
    assert refs(facts.mailboxes) == [(1, ADDRESS), (1, "sales@x.org")]
    ((sources, searches),) = directory_of(made).asked
    assert searches == [SEARCH]
    assert [source.value for source in sources] == [SUPPORT.value, BARRED.value, SALES_DN]
    assert facts.reads[facts.mailboxes[1].sources[0]].members.keys() == {"id-berta"}


def test_what_a_sieve_keeps_out_is_not_read(ledger: Ledger) -> None:
    """No group of a mailbox that is not managed is expanded."""
    one = discovering(exclude=(Sieve("mailbox", "sales@*"),))
    made = gatherer(ledger, one, found=[entry("sales"), entry("team")])
    made.gather()
    assert [source.value for source in directory_of(made).asked[0][0]] == [TEAM_DN]


def test_a_run_moves_on_whenever_something_was_read(ledger: Ledger) -> None:
    """The beat comes from the directory's progress and from the observation."""
    beats = []
    gatherer(ledger, fixed=(mailbox(),)).gather(beat=lambda: beats.append(1))
    assert len(beats) == 2


def test_open_xchange_is_read_while_the_directory_answers(ledger: Ledger) -> None:
    """The first observation does not wait for the directory."""
    observed = threading.Event()

    class Patient(FakeDirectories):
        def read(self, *args: object, **parts: object) -> object:  # type: ignore[override]
            assert observed.wait(10)
            return super().read(*args, **parts)  # type: ignore[arg-type]

    class Observing(FakeStore):
        def observe(self, *args: object) -> object:  # type: ignore[override]
            observed.set()
            return super().observe(*args)  # type: ignore[arg-type]

    made = gatherer(ledger, fixed=(mailbox(),), directory=Patient(), store=Observing(people=PEOPLE))
    assert made.gather().read.reads.keys() == {SUPPORT, BARRED}


# --------------------------------------------------------------------------- only some


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        pytest.param([MailboxRef(1, ADDRESS)], [(1, ADDRESS)], id="one with its context"),
        pytest.param([MailboxRef(0, ADDRESS)], [(1, ADDRESS), (2, ADDRESS)], id="in any context"),
        pytest.param([MailboxRef(0, "sales@x.org")], [(1, "sales@x.org")], id="one discovered"),
        pytest.param(
            [MailboxRef(2, ADDRESS), MailboxRef(1, "sales@x.org")], [(2, ADDRESS), (1, "sales@x.org")], id="two"
        ),
    ],
)
def test_only_what_is_asked_for_is_reconciled(
    ledger: Ledger, only: list[MailboxRef], expected: list[tuple[int, str]]
) -> None:
    """The others are known to be there all the same, so that none of them is orphaned."""
    boxes = (mailbox(), mailbox(context=2))
    made = gatherer(ledger, discovering(), fixed=boxes, found=[entry("sales")])
    facts = made.gather(only)
    assert refs(facts.mailboxes) == expected
    assert refs(facts.census.configured) == [(1, ADDRESS), (2, ADDRESS), (1, "sales@x.org")]
    assert [ref for asked in store_of(made).called("observe") for ref in asked] == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize("only", [MailboxRef(0, "no@x.org"), MailboxRef(2, "sales@x.org"), MailboxRef(7, ADDRESS)])
def test_a_name_that_nothing_stands_for_is_refused(ledger: Ledger, only: MailboxRef) -> None:
    """A mistyped name, or the wrong context, is an error and no empty run, also beside a right one."""
    made = gatherer(ledger, discovering(), fixed=(mailbox(),), found=[entry("sales")])
    for wanted in ([only], [MailboxRef(1, ADDRESS), only]):
        with pytest.raises(SyncdError, match=f"{only.key} is neither configured nor discovered .see: syncd discover"):
            made.gather(wanted)


def test_a_name_that_an_incomplete_discovery_did_not_find_says_so(ledger: Ledger) -> None:
    """The hint tells why the search did not end."""
    with pytest.raises(SyncdError, match="size limit"):
        gatherer(ledger, discovering(), found=None).gather([MailboxRef(1, "sales@x.org")])


# --------------------------------------------------------------------------- which mailboxes there are


def test_the_census_asks_for_what_it_needs(ledger: Ledger) -> None:
    """Without patterns nobody is asked; with them nothing is observed."""
    fixed = mailbox()
    without = gatherer(ledger, fixed=(fixed,))
    assert without.census() == Census(configured=(fixed,))
    assert (store_of(without).calls, directory_of(without).asked) == ([], [])
    made = gatherer(ledger, discovering(), fixed=(fixed,), found=[entry("sales")])
    assert refs(made.census().configured) == [(1, ADDRESS), (1, "sales@x.org")]
    assert store_of(made).calls == []
    assert SUPPORT not in directory_of(made).asked[0][0]


@pytest.mark.parametrize("by", ["name", "all", "members"])
def test_the_census_reads_members_who_tell_contexts_only(ledger: Ledger, by: str) -> None:
    """No member is read where it changes nothing, those excluded never; where no search is left nobody is asked."""
    telling = by == "members"
    found = {"found": [entry("sales"), entry("team")], "members": {SALES_DN: [], TEAM_DN: []}}
    discovered = discovering(mailbox=mailbox(address="", key="", sources=(), exclude=(BARRED,)), placing=Placing(by=by))  # type: ignore[arg-type]
    made = gatherer(ledger, discovered, discovering(where="f:2", search=None), **found)  # type: ignore[arg-type]
    made.census()
    ((sources, searches),) = directory_of(made).asked
    assert [source.value for source in sources] == ([SALES_DN, TEAM_DN] if telling else [])
    assert searches == [SEARCH]
    alone = gatherer(ledger, placing(by, "acme", exclude=(BARRED,)), members={SUPPORT.value: []})
    alone.census()
    assert directory_of(alone).asked == ([([SUPPORT], [])] if telling else [])


@pytest.mark.parametrize(
    ("by", "name", "expected"),
    [
        ("name", "acme", [(7, ADDRESS)]),
        ("all", "", [(1, ADDRESS), (2, ADDRESS), (7, ADDRESS)]),
        ("members", "", [(2, ADDRESS)]),
    ],
)
def test_contexts_are_found_out_by_each_run(
    ledger: Ledger, by: str, name: str, expected: list[tuple[int, str]]
) -> None:
    """A mailbox is placed by the name of its context, everywhere, or where its members say."""
    berta = member("berta")._replace(contexts=("2",))
    made = gatherer(
        ledger,
        placing(by, name, sources=(CHOOSING,)),
        directory=FakeDirectories(members={SUPPORT.value: (berta,)}),
        store=FakeStore(people=PEOPLE, names={"acme": 7}),
    )
    facts = made.gather()
    assert refs(facts.mailboxes) == expected
    assert store_of(made).called("contexts") == [None]
    assert store_of(made).called("observe")[-1] == [MailboxRef(*place) for place in expected]


def test_groups_of_open_xchange_are_those_of_each_context(ledger: Ledger) -> None:
    """A mailbox in all contexts has all users of each."""
    everybody = Source(kind="ox_group", value="0")
    facts = gatherer(ledger, placing("all", sources=(everybody,))).gather()
    read = {box.context: set(facts.reads[box.sources[0]].members) for box in facts.mailboxes}
    assert read == {1: {"ox:1/4", "ox:1/5"}, 2: {"ox:2/4"}, 7: {"ox:7/9"}}


@pytest.mark.parametrize(("by", "there"), [("members", [9]), ("all", [1, 2, 7, 9]), ("name", [7])])
def test_a_context_with_claims_is_kept_in_sight(ledger: Ledger, by: str, there: list[int]) -> None:
    """Where the last member left, or a context was not told, accounts are planned for; a name is one context."""
    claimed(ledger, (9, ADDRESS))
    store = FakeStore(people=PEOPLE, names={"acme": 7})
    made = gatherer(ledger, placing(by, "acme", sources=(CHOOSING,)), members={SUPPORT.value: []}, store=store)
    assert [box.context for box in made.census().found] == there


def test_a_mapping_of_a_fixed_context_keeps_it(ledger: Ledger) -> None:
    """A mailbox in all contexts leaves out the one that has a mapping of its own, and its claims."""
    claimed(ledger, (2, ADDRESS))
    fixed = mailbox(context=2)
    census = gatherer(ledger, placing("all"), fixed=(fixed,)).census()
    assert refs(census.configured) == [(2, ADDRESS), (1, ADDRESS), (7, ADDRESS)]
    assert census.problems == ()
    choosing = gatherer(ledger, placing("members"), fixed=(fixed,), members={SUPPORT.value: []})
    assert refs(choosing.census().configured) == [(2, ADDRESS)]
    assert choosing.census().problems == (f"f:9: {ADDRESS}: no member names a context that exists",)
    assert choosing.census().whole


@pytest.mark.parametrize("turn", [1, -1])
def test_claims_of_an_address_with_two_mappings_are_taken_over_by_none(ledger: Ledger, turn: int) -> None:
    """Whose they are is not known, and the other mapping would take the accounts away, in either order."""
    claimed(ledger, (7, ADDRESS))
    two = [placing("name", "gone", where="f:1"), placing("members", where="f:2", sources=(CHOOSING,))][::turn]
    census = gatherer(ledger, *two, members={SUPPORT.value: []}).census()
    assert census.found == ()
    assert ADDRESS in census.unclear


def test_two_mappings_that_meet_in_a_context_are_told(ledger: Ledger) -> None:
    """The first one counts, and the second is a problem that names both."""
    two = (placing("name", "7", where="f:1"), placing("all", where="f:2"))
    census = gatherer(ledger, *two).census()
    assert [(box.context, box.pattern) for box in census.found] == [(7, "f:1"), (1, "f:2"), (2, "f:2")]
    assert census.problems == (f"f:2: {ADDRESS} in context 7 is that of f:1, which counts",)


def test_a_search_that_did_not_end_makes_the_census_partial(ledger: Ledger) -> None:
    """Reasons and causes are told once each, and what was found is managed."""
    directory = FakeDirectories(found={SEARCH: (entry("sales"),)}, partial={SEARCH})
    census = gatherer(ledger, discovering(), discovering(where="f:2"), directory=directory).census()
    assert (census.undiscovered, census.causes, census.whole) == (("ldap://one: size limit",), ("limit",), False)


# --------------------------------------------------------------------------- what left


def leaving(ledger: Ledger, made: Gatherer) -> list[tuple[str, bool]]:
    """Register what a gatherer finds; give the orphans, and whether each is noted as such."""
    census = made.census()
    register(ledger, census)
    return [(one.address, one.since is not None) for one in orphans(ledger, census)]


def test_a_mailbox_that_vanishes_from_a_complete_discovery_is_orphaned(ledger: Ledger) -> None:
    """Its claims stay as they are, and it is no orphan any more when it comes back."""
    claimed(ledger, (1, "sales@x.org"), (1, "team@x.org"))
    assert leaving(ledger, gatherer(ledger, discovering(), found=[entry("team")])) == [("sales@x.org", True)]
    assert ledger.claims().keys() == {MailboxRef(1, "sales@x.org"), MailboxRef(1, "team@x.org")}
    assert leaving(ledger, gatherer(ledger, discovering(), found=[entry("team"), entry("sales")])) == []


@pytest.mark.parametrize("found", [None, (), (entry("team"),)])
def test_a_discovery_that_is_not_complete_orphans_nobody(ledger: Ledger, found: tuple[Found, ...] | None) -> None:
    """Whatever it found, what it did not find has not left; who had left before stays so."""
    claimed(ledger, (1, "sales@x.org"), (1, "old@x.org"))
    assert leaving(ledger, gatherer(ledger, discovering(), found=[entry("sales")])) == [("old@x.org", True)]
    directory = FakeDirectories(found={} if found is None else {SEARCH: found}, partial={SEARCH})
    assert leaving(ledger, gatherer(ledger, discovering(), directory=directory)) == [("old@x.org", True)]
    assert all(one.orphaned_since is None for one in ledger.status() if one.address == "sales@x.org")


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([entry("sales", "sales@x.org", "new@x.org")], id="a second address"),
        pytest.param([entry("sales"), entry("b", "sales@x.org")], id="a second entry"),
    ],
)
def test_a_mailbox_with_a_problem_did_not_leave(ledger: Ledger, entries: list[Found]) -> None:
    """It is not managed until the problem is solved, and is no orphan meanwhile."""
    claimed(ledger, (1, "sales@x.org"))
    made = gatherer(ledger, discovering(), found=entries)
    assert leaving(ledger, made) == []
    assert made.census().found == ()


def test_a_mailbox_with_a_problem_hides_no_other_that_left(ledger: Ledger) -> None:
    """What is unclear is that address alone: another one that vanishes meanwhile is orphaned and told."""
    claimed(ledger, (1, "sales@x.org"), (1, "team@x.org"))
    made = gatherer(ledger, discovering(), found=[entry("sales"), entry("b", "sales@x.org")])
    assert leaving(ledger, made) == [("team@x.org", True)]


def test_a_mailbox_that_comes_back_with_a_problem_is_no_orphan(ledger: Ledger) -> None:
    """Who had left and is found again, though not clearly, is not told as somebody who left."""
    claimed(ledger, (1, "sales@x.org"))
    assert leaving(ledger, gatherer(ledger, discovering(), found=[])) == [("sales@x.org", True)]
    assert leaving(ledger, gatherer(ledger, discovering(), found=[entry("sales"), entry("b", "sales@x.org")])) == []


def test_a_mailbox_whose_account_lacks_a_text_did_not_leave(ledger: Ledger) -> None:
    """A name that is hidden for a moment orphans nothing."""
    claimed(ledger, (1, "sales@x.org"))
    made = gatherer(ledger, discovering(texts={"name": parse("{displayName}")}), found=[entry("sales")])
    assert leaving(ledger, made) == []


def test_a_context_name_that_cannot_be_found_orphans_nobody(ledger: Ledger) -> None:
    """A mapping whose context has lost its name, or login2context its row, still stands in the configuration."""
    claimed(ledger, (7, ADDRESS))
    named = FakeStore(people=PEOPLE, names={"acme": 7})
    assert leaving(ledger, gatherer(ledger, placing("name", "acme"), store=named)) == []
    lost = gatherer(ledger, placing("name", "acme"))
    assert leaving(ledger, lost) == []
    assert lost.census().problems == (f"f:9: {ADDRESS}: there is no context 'acme'",)


def test_a_name_without_a_context_and_claims_keeps_nobody_from_leaving(ledger: Ledger) -> None:
    """A mapping that never had an account, such as one for a context still to come, hides no orphan."""
    claimed(ledger, (1, "old@x.org"))
    assert leaving(ledger, gatherer(ledger, placing("name", "acme"))) == [("old@x.org", True)]


@pytest.mark.parametrize("question", ["contexts", "groups", "observe"])
def test_an_open_xchange_that_cannot_be_read_ends_the_run(ledger: Ledger, question: str) -> None:
    """Contexts, groups or accounts that are not known are an error, never none of them."""
    claimed(ledger, (7, ADDRESS))
    store = FakeStore(people=PEOPLE, failing={question})
    made = gatherer(ledger, placing("all", sources=(Source(kind="ox_group", value="0"),)), store=store)
    with pytest.raises(StoreError, match=question):
        made.gather()


def test_the_fakes_have_what_the_real_ones_have() -> None:
    """Their `read` takes what that of the real directories takes."""
    real, fake = (inspect.signature(one.read) for one in (Directories, FakeDirectories))
    assert list(real.parameters) == list(fake.parameters)
