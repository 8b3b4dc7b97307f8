"""Why one person should have a mailbox or not, and what becomes of it: each row, and agreement with plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from syncd.core.changes import Approval, Direction
from syncd.core.explain import Explainer, Explanation, Fate, Person
from syncd.core.guard import judge
from syncd.core.limits import Absence, Ceilings, Grace, Limits, Share
from syncd.core.model import Mailbox, MailboxRef, Observed, Pin, Source
from syncd.core.reads import SourceRead
from syncd.core.standing import WANTED, Case, Standing
from syncd.core.template import attribute
from syncd.core.unread import not_read
from tests.core.strategies import (
    ADDRESS,
    BARRED,
    COPIED,
    IMAP,
    NOON,
    RIGHT,
    SALES,
    SMTP,
    SUPPORT,
    WRONG,
    World,
    claim,
    dn_of,
    keep_out,
    known_by,
    mailbox,
    member,
    observed,
    read,
    users,
    worlds,
)

REF = MailboxRef(1, ADDRESS)
BERTA, CAROL = member("berta"), member("carol")
CHOOSING = Source(kind="group", value=SUPPORT.value, chooser=attribute("oxContext"))
CHOICES = {"acme": 1, "beta": 2}
HELD: dict[str, Any] = {"stored": (observed(4),), "claims": {4: claim(4)}}
NONE = Limits(
    removals=Share(percent=0, floor=0), additions=Share(percent=0, floor=0), updates=Share(percent=0, floor=0)
)
STRICT = mailbox(limits=NONE)
GONE = member("berta", id="id-gone", logins=())


def case_of(world: World, *, idle: str = "", approvals: Sequence[Approval] = (), **more: Any) -> Case:
    """Give what was found out and decided in a world."""
    told = {REF: idle} if idle else {}
    [judgement] = judge([world.plan()], {}, {REF: approvals}, Ceilings(), told)
    stored: dict[int, list[Observed]] = {}
    for account in world.stored:
        stored.setdefault(account.user, []).append(account)
    parts: dict[str, Any] = {
        "mailbox": world.mailbox,
        "reads": {one.source: one for one in world.reads},
        "desired": world.desired(),
        "judgement": judgement,
        "stored": stored,
        "claims": world.claims,
        "pins": world.pins,
    }
    return Case(**(parts | more))


def world_of(*reads: SourceRead, box: Mailbox | None = None, **parts: Any) -> World:
    """Give a world in which every source of the mailbox that is not given was read as empty."""
    box = box or mailbox()
    known = {one.source: one for one in reads}
    sources = [known.get(source) or read(source) for source in (*box.sources, *box.exclude)]
    return World(mailbox=box, reads=sources, **parts)


def explained(world: World, person: Person | None = None, **more: Any) -> Explanation:
    """Explain berta (user 4), or somebody else."""
    return Explainer(case_of(world, **more)).explain(person or Person(4))


# --------------------------------------------------------------------------- whether somebody should have it


BERTA_HERSELF = Person(4)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A world with what is said of berta in it."""

    standing: Standing
    reads: Sequence[SourceRead] = ()
    says: str
    box: Mailbox | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    person: Person = BERTA_HERSELF
    entry: str = ""
    """DN of the entry that counts."""


BY_ENTRY = Person(None, frozenset((BERTA.key,)), name=BERTA.dn)
ZOE = member("zoe")
TWO = known_by("berta", ("mail", ["berta@x.org", "carol@x.org"]))
ROWS = {
    "a member": Row(
        standing=Standing.MEMBER,
        reads=[read(SUPPORT, BERTA)],
        says=f"a member of {SUPPORT}",
        entry=BERTA.dn,
    ),
    "through a nested group": Row(
        standing=Standing.MEMBER,
        reads=[read(SUPPORT, BERTA._replace(path=(SUPPORT.value, "cn=a", "cn=b")))],
        says=f"a member of {SUPPORT} through cn=b",
        entry=BERTA.dn,
    ),
    "by the primary group": Row(
        standing=Standing.MEMBER,
        reads=[replace(read(SUPPORT, BERTA), primary=frozenset((BERTA.id,)))],
        says=f"a member of {SUPPORT}, the primary group",
        entry=BERTA.dn,
    ),
    "of two sources": Row(
        standing=Standing.MEMBER,
        box=mailbox(sources=(SUPPORT, SALES)),
        reads=[read(SUPPORT, BERTA._replace(path=(SUPPORT.value, "cn=a"))), read(SALES, member("berta", path=("s",)))],
        says=f"a member of {SALES}",
        entry=BERTA.dn,
    ),
    "given by hand": Row(
        standing=Standing.PINNED, parts={"pins": {4: Pin(4, True, NOON, "eve")}}, says="given by hand of eve until 2026"
    ),
    "kept out by hand": Row(
        standing=Standing.KEPT_OUT,
        reads=[read(SUPPORT, BERTA)],
        parts={"pins": {4: keep_out(4)}},
        says="kept out by hand of eve",
        entry=BERTA.dn,
    ),
    "excluded": Row(
        standing=Standing.EXCLUDED,
        reads=[read(SUPPORT, BERTA), read(BARRED, BERTA)],
        says=f"excluded: {BARRED} has {BERTA.dn}",
        entry=BERTA.dn,
    ),
    "excluded by another entry of the user": Row(
        standing=Standing.EXCLUDED,
        reads=[read(SUPPORT, BERTA), read(BARRED, member("b2", logins=["berta"]))],
        says=f"excluded: {BARRED} has {dn_of('b2')}",
        entry=BERTA.dn,
    ),
    "excluded while disabled there": Row(
        standing=Standing.EXCLUDED,
        reads=[read(SUPPORT, BERTA), read(BARRED, disabled=[BERTA])],
        says=f"excluded: {BARRED} has {BERTA.dn}",
        entry=BERTA.dn,
    ),
    "excluded, and no member any more": Row(
        standing=Standing.EXCLUDED, reads=[read(BARRED, BERTA)], parts=HELD, says=f"excluded: {BARRED} has {BERTA.dn}"
    ),
    "only an exclusion names her": Row(
        standing=Standing.STRANGER, reads=[read(BARRED, BERTA)], says="not a member: in no source"
    ),
    "disabled": Row(
        standing=Standing.DISABLED,
        reads=[read(SUPPORT, disabled=[BERTA])],
        says=f"{SUPPORT} has {BERTA.dn}, which is disabled or expired",
        entry=BERTA.dn,
    ),
    "disabled, by the claim alone": Row(
        standing=Standing.DISABLED,
        reads=[read(SUPPORT, disabled=[GONE])],
        parts={"claims": {4: claim(4, member="id-gone")}},
        says=f"{SUPPORT} has {BERTA.dn}, which is disabled or expired",
        entry=BERTA.dn,
    ),
    "disabled, and a new entry has her name": Row(
        standing=Standing.DISABLED,
        reads=[read(SUPPORT, member("berta", id="id-new", logins=()), disabled=[GONE])],
        parts={"claims": {4: claim(4, member="id-gone")}},
        says=f"{SUPPORT} has {BERTA.dn}, which is disabled or expired",
        entry=BERTA.dn,
    ),
    "no such user": Row(
        standing=Standing.UNRESOLVED,
        reads=[read(SUPPORT, ZOE)],
        person=Person(None, frozenset((ZOE.id,))),
        says="a member without a user: no user 'zoe' in context 1",
        entry=ZOE.dn,
    ),
    "another letter case": Row(
        standing=Standing.UNRESOLVED,
        reads=[read(SUPPORT, ZOE)],
        parts={"users": users(other_case={"zoe": ("Zoe",)})},
        person=Person(None, frozenset((ZOE.key,))),
        says="'Zoe' differs in letter case",
        entry=ZOE.dn,
    ),
    "a guest": Row(
        standing=Standing.UNRESOLVED,
        reads=[read(SUPPORT, ZOE)],
        parts={"users": users(guests=frozenset({"zoe"}))},
        person=Person(None, frozenset((ZOE.key,))),
        says="'zoe' is a guest",
        entry=ZOE.dn,
    ),
    "the attribute is hidden": Row(
        standing=Standing.UNRESOLVED,
        reads=[read(SUPPORT, member("berta", logins=()))],
        parts=HELD,
        says="a member without a user: the login attribute is missing",
        entry=BERTA.dn,
    ),
    "ambiguous": Row(
        standing=Standing.AMBIGUOUS,
        reads=[read(SUPPORT, TWO)],
        parts=HELD,
        says="a member, but ambiguous: its values by mail name several users of Open-Xchange: berta@x.org (user 4)",
        entry=BERTA.dn,
    ),
    "another context": Row(
        standing=Standing.ELSEWHERE,
        box=mailbox(sources=(CHOOSING,), choices=CHOICES),
        reads=[read(CHOOSING, BERTA._replace(contexts=("beta",)))],
        person=BY_ENTRY,
        says="a member, but the entry chose another context: 'beta'",
        entry=BERTA.dn,
    ),
    "which context is hidden": Row(
        standing=Standing.UNRESOLVED,
        box=mailbox(sources=(CHOOSING,), choices=CHOICES),
        reads=[read(CHOOSING, BERTA)],
        person=BY_ENTRY,
        says="a member without a user: what names its context is missing",
        entry=BERTA.dn,
    ),
    "listed without an entry": Row(
        standing=Standing.DANGLING,
        reads=[read(SUPPORT, dangling=[BERTA.dn])],
        parts=HELD,
        says=f"{SUPPORT} lists {BERTA.dn}, but the entry was not found",
    ),
    "her name is listed without an entry": Row(
        standing=Standing.DANGLING,
        reads=[read(SUPPORT, dangling=["memberuid=berta"])],
        parts=HELD,
        says="a member of its name is still listed",
    ),
    "the member is somebody else now": Row(
        standing=Standing.STRANGER,
        reads=[read(SUPPORT, member("berta", logins=["carol"]))],
        parts=HELD,
        says=f"not a member: {BERTA.dn} is user 5",
        entry=BERTA.dn,
    ),
    "a source was not read to its end": Row(
        standing=Standing.UNKNOWN,
        reads=[read(SUPPORT, complete=False)],
        says=f"not known: in no source as far as they were read; not read completely: {SUPPORT}",
    ),
    "the sources may not be all": Row(
        standing=Standing.UNKNOWN, box=mailbox(doubt="a search ended early"), says="not read completely: a search ended"
    ),
    "not a member": Row(standing=Standing.STRANGER, says=f"not a member: in no source: {SUPPORT}"),
    "an exclusion was not read to its end": Row(
        standing=Standing.STRANGER, reads=[read(BARRED, complete=False)], says="not a member"
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_standing(name: str) -> None:
    """Each row of the table is found, said in words, and names the entry that counts."""
    row = ROWS[name]
    found = explained(world_of(*row.reads, box=row.box, **row.parts), row.person)
    assert (found.standing, found.entry.dn if found.entry else "") == (row.standing, row.entry)
    assert row.says in found.reason


def test_every_standing_has_a_row() -> None:
    """No standing is forgotten; the two of whole mailboxes have tests of their own."""
    assert {row.standing for row in ROWS.values()} == set(Standing) - {Standing.UNREAD, Standing.ORPHANED}


def test_a_context_that_could_not_be_read() -> None:
    """Nothing is known of anybody, and why is said."""
    claims = {4: claim(4)}
    [judgement] = judge([not_read(mailbox(), claims, "the database is away")], {}, {}, Ceilings())
    reads = {SUPPORT: read(SUPPORT, BERTA), BARRED: read(BARRED)}
    explainer = Explainer(Case(mailbox=mailbox(), reads=reads, judgement=judgement, claims=claims))
    found = explainer.explain(Person(4))
    assert found.standing is Standing.UNREAD
    assert "context 1 could not be read: the database is away" in found.reason
    assert (found.claim, found.acts, found.attempts) == (claims[4], (), ())
    assert [one.user for one in explainer.everybody()] == [4]


def test_a_mailbox_that_left_the_configuration() -> None:
    """Its accounts are left to a person, and since when is said."""
    explainer = Explainer(
        Case(mailbox=mailbox(sources=(), exclude=()), left=NOON, claims={4: claim(4)}, stored={4: [observed(4)]})
    )
    [found] = explainer.everybody()
    assert found.standing is Standing.ORPHANED
    assert "left the configuration on 2026-03-01 12:00 UTC" in found.reason
    assert [one.role for one in found.stored] == ["ours"]


def test_since_when_something_stands_open() -> None:
    """The ledger's sightings tell since when a member is unresolved or dangling, and something is held or withheld."""
    world = world_of(read(SUPPORT, ZOE, dangling=[BERTA.dn]), **HELD)
    since = {("unresolved", ZOE.dn): NOON, ("dangling", BERTA.dn): NOON, ("withheld", "delete 4"): NOON}
    assert "(since 2026-03-01 12:00 UTC)" in explained(world, Person(None, frozenset((ZOE.id,))), since=since).reason
    found = explained(world, since=since)
    assert "(since 2026-03-01 12:00 UTC)" in found.reason
    assert [act.since for act in found.acts] == [NOON]
    held = world_of(read(SUPPORT, CAROL), box=STRICT)
    digest = case_of(held).judgement
    assert digest is not None
    [act] = explained(held, Person(5), since={("held", digest.held_digest): NOON}).acts
    assert (act.fate, act.since) == (Fate.HELD, NOON)


# --------------------------------------------------------------------------- what becomes of it


LEAVING = world_of(**HELD)
WAITING = world_of(box=mailbox(grace=Grace(reads=2)), **HELD)
COMING = world_of(read(SUPPORT, BERTA))
FATES: dict[str, tuple[World, Mapping[str, Any], list[tuple[str, Fate, str]]]] = {
    "in step": (world_of(read(SUPPORT, BERTA), **HELD), {}, []),
    "create": (COMING, {}, [("create", Fate.PLANNED, "a member")]),
    "delete": (LEAVING, {}, [("delete", Fate.PLANNED, "no longer a member")]),
    "update": (
        world_of(read(SUPPORT, BERTA), stored=(observed(4, fields=WRONG),), claims={4: claim(4)}),
        {},
        [("update", Fate.PLANNED, "differs from what is configured")],
    ),
    "adopt": (
        world_of(read(SUPPORT, BERTA), stored=(observed(4, fields=WRONG),)),
        {},
        [("adopt", Fate.PLANNED, "existing: adopt"), ("update", Fate.PLANNED, "differs")],
    ),
    "forget": (world_of(claims={4: claim(4)}), {}, [("forget", Fate.PLANNED, "neither wanted nor stored")]),
    "held": (replace(LEAVING, mailbox=STRICT), {}, [("delete", Fate.HELD, "no longer a member")]),
    "an addition held": (replace(COMING, mailbox=STRICT), {}, [("create", Fate.HELD, "a member")]),
    "an adoption held": (
        world_of(read(SUPPORT, BERTA), stored=(observed(4, fields=WRONG),), box=STRICT),
        {},
        [("adopt", Fate.HELD, "existing: adopt"), ("update", Fate.HELD, "differs")],
    ),
    "the database may be another one": (
        world_of(read(SUPPORT, CAROL), claims={4: claim(4)}, box=STRICT),
        {},
        [("forget", Fate.HELD, "neither wanted")],
    ),
    "withheld": (
        world_of(read(SUPPORT, complete=False), **HELD),
        {},
        [("delete", Fate.WITHHELD, "not every source was read completely")],
    ),
    "an addition withheld": (
        world_of(read(SUPPORT, BERTA), read(BARRED, complete=False)),
        {},
        [("create", Fate.WITHHELD, "an excluding source was not read completely")],
    ),
    "grace": (WAITING, {}, [("delete", Fate.WAITING, "grace: 1 of 2 reads agreed")]),
    "grace with a time": (
        replace(
            WAITING,
            mailbox=mailbox(grace=Grace(reads=1, time=timedelta(hours=1))),
            absences={4: Absence(1, NOON - timedelta(minutes=30))},
        ),
        {},
        [("delete", Fate.WAITING, "until 2026-03-01 12:30 UTC")],
    ),
    "another server": (replace(LEAVING, wait="another server"), {}, [("delete", Fate.WAITING, "another server")]),
    "conflict": (
        world_of(read(SUPPORT, BERTA), stored=(observed(4, 0, secondary=False),)),
        {},
        [("create", Fate.CONFLICT, "the address of the user's primary account")],
    ),
    "paused": (COMING, {"idle": "paused by eve"}, [("create", Fate.IDLE, "paused by eve")]),
    "idle, over a limit": (
        replace(LEAVING, mailbox=STRICT),
        {"idle": "staging"},
        [("delete", Fate.IDLE, "staging")],
    ),
}


@pytest.mark.parametrize("name", FATES)
def test_what_becomes_of_it(name: str) -> None:
    """What the plan, the guard and persons say to one user's account is found, with the reason."""
    world, more, expected = FATES[name]
    acts = explained(world, **more).acts
    assert [(act.op, act.fate) for act in acts] == [(op, fate) for op, fate, _ in expected]
    for act, (_, _, words) in zip(acts, expected, strict=True):
        assert words in act.reason
    assert all(bool(act.objections) == (act.fate is Fate.HELD) for act in acts)


def test_every_fate_has_a_row() -> None:
    """No fate is forgotten."""
    assert {fate for _, _, expected in FATES.values() for _, fate, _ in expected} == set(Fate)


def test_an_objection_to_another_direction_is_not_told() -> None:
    """Who loses a mailbox is told of what holds removals, and not of what holds additions."""
    world = world_of(read(SUPPORT, CAROL), **HELD, box=STRICT)
    explainer = Explainer(case_of(world))
    for user, direction in ((4, Direction.REMOVALS), (5, Direction.ADDITIONS)):
        [act] = explainer.explain(Person(user)).acts
        assert [one.directions for one in act.objections] == [frozenset({direction})]


def test_what_was_approved_is_planned() -> None:
    """A plan that a person released is planned, and the approval is named."""
    world = replace(LEAVING, mailbox=STRICT)
    judgement = case_of(world).judgement
    assert judgement is not None
    assert judgement.held_digest is not None
    [act] = explained(world, approvals=[Approval(judgement.held_digest)]).acts
    assert act.fate is Fate.PLANNED
    assert judgement.held_digest in act.reason


# --------------------------------------------------------------------------- accounts, rules, sources


def test_the_accounts_at_the_address_and_whose_they_are() -> None:
    """Ours by the claim's id, somebody's, the user's own, the primary one; what differs and what drifted stands by."""
    stored = (
        observed(4, 20, fields=WRONG),
        observed(4, 21),
        observed(4, 22, secondary=False),
        observed(4, 0, secondary=False),
        observed(5, 20),
    )
    found = explained(world_of(read(SUPPORT, BERTA), stored=stored, claims={4: claim(4)}))
    assert [(one.account.id, one.role) for one in found.stored] == [
        (0, "primary"),
        (20, "ours"),
        (21, "not ours"),
        (22, "own"),
    ]
    alone = explained(world_of(read(SUPPORT, BERTA), stored=(observed(4, fields=WRONG),), claims={4: claim(4)}))
    assert alone.stored[0].differs == {"mail_url": (WRONG.mail_url, RIGHT.mail_url)}
    other = IMAP._replace(url="imap://new.example.org:143")
    copied = world_of(read(SUPPORT, BERTA), box=mailbox(account=COPIED), **HELD, primaries={(1, 4): (other, SMTP)})
    assert "which are copied at creation only" in explained(copied).stored[0].drift


def test_the_rules_that_were_tried() -> None:
    """Each rule up to the one that matched, with the values and whom they name."""
    entry = known_by("berta", ("login", []), ("mail", ["nobody@x.org"]), ("id", ["4"]), ("alias", ["b@x.org"]))
    found = explained(world_of(read(SUPPORT, entry)))
    assert [(str(one.rule), one.values, one.users) for one in found.attempts] == [
        ("login: {login}", (), ()),
        ("mail: {mail}", ("nobody@x.org",), ()),
        ("id: {id}", ("4",), (4,)),
    ]
    assert found.login == "berta"


def test_what_each_source_says() -> None:
    """Sources stand in the configuration's order with their lines, and with what they have of the person."""
    second = member("b2", logins=["berta"], path=(SALES.value, "cn=x", "cn=y"))
    box = mailbox(sources=(SALES, SUPPORT))
    lines = {(SALES, False): "f:7", (BARRED, True): "f:9"}
    found = explained(world_of(read(SALES, second), read(SUPPORT, BERTA), box=box), lines=lines)
    assert [(one.source, one.excludes, one.where) for one in found.said] == [
        (SALES, False, "f:7"),
        (SUPPORT, False, ""),
        (BARRED, True, "f:9"),
    ]
    assert [[mention.written for mention in one.mentions] for one in found.said] == [[second.dn], [BERTA.dn], []]
    assert found.entry == BERTA
    assert found.reason == f"a member of {SUPPORT}"


def test_the_entry_of_the_same_name_in_an_exclusion_is_not_taken_for_the_person() -> None:
    """What excludes another person whose entry has the same DN somewhere else is not told of this one."""
    other = member("berta", id="id-other", logins=["nobody"])
    found = explained(world_of(read(SUPPORT, BERTA), read(BARRED, other)))
    assert found.standing is Standing.MEMBER
    assert found.said[1].mentions == ()


# --------------------------------------------------------------------------- who is asked about


def test_a_person_asked_for_by_an_entry() -> None:
    """A DN or a stable id leads to the user whom it names, or whose account came from it; else to nobody."""
    explainer = Explainer(case_of(world_of(read(SUPPORT, CAROL), **HELD)))
    for parts, user in (
        ({CAROL.key}, 5),
        ({CAROL.id}, 5),
        ({BERTA.key}, 4),  # by the claim: the entry is not there any more
        ({"uid=nobody"}, None),
    ):
        assert explainer.explain(Person(None, frozenset(parts))).user == user
    assert explainer.explain(Person(None, frozenset({"uid=x"}), name="uid=x")).name == "uid=x"


def test_who_is_known_by_a_name() -> None:
    """Entries are found by what rules look for, in any letter case, and lists of names by the name."""
    two = known_by("dora", ("login", ["dora"]), ("mail", ["Dora@x.org"]))
    world = world_of(read(SUPPORT, BERTA, two, dangling=["memberuid=emil", dn_of("fritz")]), read(BARRED, CAROL))
    roll = Explainer(case_of(world)).roll
    known = {
        name: [one.written for one in roll.known_as(name)] for name in ("BERTA", "dora@x.org", "emil", "Fritz", "x")
    }
    assert known == {
        "BERTA": [BERTA.dn],
        "dora@x.org": [two.dn],
        "emil": ["memberuid=emil"],
        "Fritz": [dn_of("fritz")],
        "x": [],
    }
    assert [one.excludes for one in roll.known_as("carol")] == [True]
    assert (roll.uses("mail"), roll.uses("alias")) == (True, False)


def test_everybody_of_a_mailbox() -> None:
    """Members, owners of accounts and claims, pinned users, and entries without a user; nobody twice, nobody else."""
    world = world_of(
        read(SUPPORT, BERTA, ZOE, member("emil", logins=()), disabled=[CAROL], dangling=["uid=gone"]),
        read(BARRED, member("anton")),
        stored=(observed(6), observed(3, 30, secondary=False)),
        claims={7: claim(7)},
        pins={8: keep_out(8)},
    )
    found = [(one.user, one.name, one.standing.value) for one in Explainer(case_of(world)).everybody()]
    assert found == [
        (4, "berta (4)", "member"),
        (5, "carol (5)", "disabled"),
        (6, "dora (6)", "not a member"),
        (7, "emil (7)", "unresolved"),
        (8, "fritz (8)", "kept out"),
        (None, "uid=gone", "dangling"),
        (None, ZOE.dn, "unresolved"),
    ]


def test_who_is_excluded_is_named_by_the_entry() -> None:
    """A login that nobody else knows is that of the rule that names the user; where none does, the number stands."""
    out = [BERTA, known_by("carol", ("mail", ["carol@example.org"]))]
    known = users(logins={}, found={"mail": {"carol@example.org": (5,)}})
    found = Explainer(case_of(world_of(read(SUPPORT, *out), read(BARRED, *out), users=known))).everybody()
    assert [(one.name, one.login, one.standing) for one in found] == [
        ("berta (4)", "berta", Standing.EXCLUDED),
        ("user (5)", "", Standing.EXCLUDED),
    ]


def test_a_mailbox_in_many_contexts_tells_of_its_own_people_only() -> None:
    """Who chose another context, and whom another context's plan tells of as unresolved, is left out."""
    box = mailbox(sources=(CHOOSING,), choices=CHOICES)
    away, lost = BERTA._replace(contexts=("beta",)), CAROL._replace(contexts=())
    case = case_of(world_of(read(CHOOSING, away, lost), box=box))
    assert [one.name for one in Explainer(case).everybody()] == [CAROL.dn]
    assert case.judgement is not None
    quiet = replace(case.judgement, plan=replace(case.judgement.plan, unresolved=()))
    assert list(Explainer(replace(case, judgement=quiet)).everybody()) == []


# --------------------------------------------------------------------------- agreement with the plan


def _ours(world: World, one: Explanation) -> bool:
    """Tell whether a held claim's account is there, under the very address, and its user is."""
    rows = [row for row in world.stored if one.claim is not None and row.id == one.claim.account and row.secondary]
    mine = [row for row in rows if row.user == one.user and row.address.strip().casefold() == ADDRESS]
    return bool(mine) and one.user in world.users.ids


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(world=worlds())
def test_explanations_agree_with_the_plan(world: World) -> None:
    """In every world: who is wanted, what is to be done, and that who is said to be protected loses nothing."""
    case = case_of(world, idle="")
    desired, plan = world.desired(), world.plan()
    explainer = Explainer(case)
    told = {one.user: one for one in explainer.everybody() if one.user is not None}
    assert {user for user, one in told.items() if one.standing in WANTED} == desired.accounts.keys()
    for user in {*world.users.ids, *told}:
        one = explainer.explain(Person(user))
        acts = sorted((act.op, act.account) for act in one.acts if act.fate is not Fate.PLANNED or act.op != "forget")
        plans = [(str(change.op), change.account) for change in plan.changes if change.user == user]
        plans += [("adopt", adoption.account) for adoption in plan.adopted if adoption.user == user]
        noted = (*plan.withheld, *plan.waiting, *plan.conflicts)
        plans += [(str(notice.op), notice.account) for notice in noted if notice.user == user]
        assert [op for op, _ in acts if op != "forget"] == sorted(op for op, _ in plans)
        assert ("forget" in {act.op for act in one.acts}) == (user in plan.forgotten)
        assert not one.acts or user in told
        if one.claim is None or not _ours(world, one):
            continue
        removed = [act.fate for act in one.acts if act.op == "delete" and act.account == one.claim.account]
        if one.standing in {Standing.UNRESOLVED, Standing.AMBIGUOUS, Standing.DANGLING, Standing.UNKNOWN}:
            assert removed == [Fate.WITHHELD]
        elif one.standing in WANTED:
            assert removed == []
        elif one.standing is Standing.STRANGER:
            assert desired.includes_complete
            assert removed != [Fate.WITHHELD] or desired.doubtful(one.claim.member) is not None
        elif desired.includes_complete:
            assert Fate.WITHHELD not in removed
