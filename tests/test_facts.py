"""What is remembered of a run's reads: servers, counters, member counts, who is absent, and what stands open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.core.changes import Change, Direction, Judgement, MailboxPlan, Notice, Op, Outcome
from syncd.core.limits import Absence, Grace
from syncd.core.model import Mailbox, MailboxRef, Observation, Source
from syncd.core.reads import Answered, DirectoryRead, SourceRead
from syncd.facts import Census, Facts, absences, advanced, counted, sightings, understood
from syncd.ledger.values import Cursor
from tests.core.strategies import ADDRESS, BARRED, HOUR, NOON, SUPPORT, mailbox, member, read

HQ = replace(SUPPORT, directory="hq")
LAB = replace(SUPPORT, directory="lab")
GROUP = Source(kind="ox_group", value="0", context=1)
LIST = Source(kind="users", value="berta", logins=("berta",))
EARLY, LATE = "20260101000000.000000Z#000000#001#000000", "20260102000000.000000Z#000000#001#000000"
HQ_EARLY = EARLY.replace("#001", "#hq/001")
ONE, TWO = Answered("ldap://one", EARLY), Answered("ldap://two", LATE)


def facts(
    box: Mailbox,
    *reads: SourceRead,
    answered: dict[str, Answered] | None = None,
    cursors: dict[MailboxRef, Cursor] | None = None,
    **remembered: object,
) -> Facts:
    """Give the facts of a run for one mailbox; sources that are not given were read and have a member."""
    given = {one.source: one for one in reads}
    everything = {source: given.get(source) or read(source, member("berta")) for source in (*box.sources, *box.exclude)}
    return Facts(
        mailboxes=(box,),
        census=Census(configured=(box,)),
        read=DirectoryRead(answered={"": ONE} if answered is None else answered, reads=everything),
        reads=everything,
        observation=Observation(accounts={}),
        claims={},
        counts={},
        cursors=cursors or {},
        **remembered,  # type: ignore[arg-type]
    )


def judged(box: Mailbox, *, held: frozenset[Direction] = frozenset(), idle: str = "", **plan: object) -> Judgement:
    """Give a judgement of a mailbox."""
    made = MailboxPlan(**{"mailbox": box, "complete": True, **plan})  # type: ignore[arg-type]
    return Judgement(plan=made, held=held, idle=idle, held_digest="sha256:x" if held and not idle else None)


# --------------------------------------------------------------------------- answered


@pytest.mark.parametrize(
    ("sources", "answered", "expected"),
    [
        pytest.param((SUPPORT,), {"": ONE}, ("ldap://one", EARLY), id="one directory"),
        pytest.param((SUPPORT, GROUP, LIST), {"": ONE}, ("ldap://one", EARLY), id="and others beside it"),
        pytest.param((SUPPORT,), {}, ("", None), id="no answer"),
        pytest.param((GROUP, LIST), {"": ONE}, ("", None), id="none asked"),
        pytest.param((), {"": ONE}, ("", None), id="no source"),
        pytest.param((HQ,), {"hq": ONE, "lab": TWO}, ("ldap://one", EARLY), id="one of two directories"),
        pytest.param((HQ, LAB), {"hq": ONE}, ("", None), id="one of two did not answer"),
        pytest.param((HQ, LAB), {}, ("", None), id="neither answered"),
        pytest.param((HQ, LAB), {"hq": ONE._replace(counter=None), "lab": TWO._replace(counter=None)},
                     ("ldap://one ldap://two", None), id="two without counters"),
        pytest.param((HQ, LAB), {"hq": ONE, "lab": TWO._replace(counter=None)},
                     ("ldap://one ldap://two", HQ_EARLY), id="one without a counter"),
        pytest.param((LAB, HQ), {"hq": ONE, "lab": TWO},
                     ("ldap://one ldap://two", " ".join((HQ_EARLY, LATE.replace("#001", "#lab/001")))),
                     id="two, by name"),
    ],
)  # fmt: skip
def test_the_servers_of_a_mailbox_are_those_of_its_sources(
    sources: tuple[Source, ...], answered: dict[str, Answered], expected: tuple[str, str | None]
) -> None:
    """Servers and counters of all directories that are asked are told as one text each, none where one is missing."""
    box = mailbox(sources=sources, exclude=())
    assert facts(box, answered=answered).answered(box) == expected


def test_what_excludes_does_not_name_the_server() -> None:
    """Removals depend on who is a member, so an excluding directory changes nothing about continuity."""
    box = mailbox(sources=(HQ,), exclude=(LAB,))
    assert facts(box, answered={"hq": ONE}).answered(box) == ("ldap://one", EARLY)


def test_removals_wait_where_one_of_two_directories_is_another_server() -> None:
    """Each directory of a mailbox has to be the one it was."""
    box = mailbox(sources=(HQ, LAB), exclude=())
    before = facts(box, answered={"hq": ONE, "lab": TWO})
    cursors = {box.ref: Cursor(*before.answered(box), True)}
    now = facts(box, answered={"hq": ONE, "lab": Answered("ldap://three", LATE)}, cursors=cursors)
    back = facts(box, answered={"hq": ONE, "lab": TWO._replace(counter=EARLY)}, cursors=cursors)
    same = facts(box, answered={"hq": ONE._replace(counter=LATE), "lab": TWO}, cursors=cursors)
    assert "ldap://three" in str(now.wait_reason(box))
    assert "went back" in str(back.wait_reason(box))
    assert same.wait_reason(box) is None


@pytest.mark.parametrize(
    ("lab", "words"),
    [
        pytest.param(TWO, "", id="the same"),
        pytest.param(Answered("ldap://three", LATE), "ldap://three", id="another server"),
        pytest.param(TWO._replace(counter=EARLY), "went back", id="an older state"),
        pytest.param(TWO._replace(counter=None), "not to be seen any more", id="no counter"),
    ],
)
def test_removals_wait_where_the_one_directory_that_answered_is_another_server(lab: Answered, words: str) -> None:
    """Who is disabled loses the mailbox though another directory is down, so the one that says so must be the same."""
    box = mailbox(sources=(HQ, LAB), exclude=())
    cursors = {box.ref: Cursor(*facts(box, answered={"hq": ONE, "lab": TWO}).answered(box), True)}
    reason = facts(box, answered={"lab": lab}, cursors=cursors).wait_reason(box)
    assert words in reason if reason is not None else words == ""
    assert facts(box, answered={"lab": lab}).wait_reason(box) is None
    assert facts(box, answered={}, cursors=cursors).wait_reason(box) is None


# --------------------------------------------------------------------------- advanced


def test_a_complete_read_is_remembered_with_its_server() -> None:
    """Server and counter are noted, and whether a second read is still wanted."""
    box = mailbox()
    assert advanced([judged(box)], facts(box)) == {box.ref: Cursor("ldap://one", EARLY, True)}
    last = {box.ref: Cursor("ldap://other", EARLY, True)}
    assert advanced([judged(box)], facts(box, cursors=last)) == {box.ref: Cursor("ldap://one", EARLY, False)}


@pytest.mark.parametrize("source", [SUPPORT, GROUP])
def test_an_incomplete_read_leaves_what_is_remembered(source: Source) -> None:
    """Whichever source was not read to its end, the last complete read stands."""
    box = mailbox(sources=(SUPPORT, GROUP))
    assert advanced([judged(box)], facts(box, read(source, complete=False))) == {}


@pytest.mark.parametrize("sources", [(), (GROUP,), (LIST, GROUP)])
def test_a_mailbox_that_asks_no_directory_remembers_none(sources: tuple[Source, ...]) -> None:
    """Where no directory was asked what is known of one stays as it was."""
    box = mailbox(sources=sources, exclude=(BARRED,))
    assert advanced([judged(box)], facts(box)) == {}


def test_a_directory_that_comes_to_a_group_of_open_xchange_makes_nothing_wait() -> None:
    """A remembered read without a server is no other server."""
    box = mailbox(sources=(SUPPORT, GROUP))
    assert facts(box, cursors={box.ref: Cursor("", None, True)}).wait_reason(box) is None


# --------------------------------------------------------------------------- counted


def test_the_members_of_each_complete_source_are_counted() -> None:
    """Sources of every kind are counted by name, incomplete ones not, disabled members where they exclude."""
    box = mailbox(sources=(SUPPORT, GROUP, LIST), exclude=(BARRED,))
    gone = [member("carol"), member("dora")]
    reads = (
        read(SUPPORT, member("berta"), disabled=gone),
        read(LIST, complete=False),
        read(BARRED, member("emil"), disabled=gone),
    )
    assert counted([judged(box)], facts(box, *reads)) == {
        (box.ref, str(SUPPORT)): 1,
        (box.ref, str(GROUP)): 1,
        (box.ref, str(BARRED)): 3,
    }


@pytest.mark.parametrize(
    ("parts", "counts"),
    [
        pytest.param({}, True, id="nothing unfinished"),
        pytest.param({"held": frozenset({Direction.UPDATES})}, True, id="updates held"),
        pytest.param({"held": frozenset({Direction.REMOVALS})}, False, id="removals held"),
        pytest.param({"held": frozenset({Direction.ADDITIONS})}, False, id="additions held"),
        pytest.param({"waiting": (Notice(4, "", "", "delete", "why"),)}, False, id="waiting"),
        pytest.param({"withheld": (Notice(4, "", "", "delete", "why"),)}, False, id="withheld"),
        pytest.param({"idle": "paused"}, False, id="idle"),
    ],
)
def test_a_group_of_open_xchange_that_is_suddenly_empty_stays_so(parts: dict[str, object], *, counts: bool) -> None:
    """While what follows from it is not done, its old number stands, as for a group of the directory."""
    box = mailbox(sources=(GROUP,), exclude=())
    found = counted([judged(box, emptied=(GROUP,), **parts)], facts(box, read(GROUP)))  # type: ignore[arg-type]
    assert found == ({(box.ref, str(GROUP)): 0} if counts else {})


@pytest.mark.parametrize(("held", "counts"), [({Direction.ADDITIONS}, False), (set(), True)], ids=["held", "done"])
def test_an_exclusion_that_is_new_and_names_nobody_stays_new(held: set[Direction], *, counts: bool) -> None:
    """While what follows from it is held it is not counted, else the next run would know it as empty."""
    box = mailbox()
    found = counted([judged(box, blank=(BARRED,), held=frozenset(held))], facts(box, read(BARRED)))
    assert ((box.ref, str(BARRED)) in found) is counts


def test_what_stands_open_is_sighted_by_kind() -> None:
    """Withheld changes, dangling values, unresolved members and what is held are told apart."""
    box = mailbox()
    one = judged(
        box,
        held=frozenset({Direction.REMOVALS}),
        withheld=(Notice(4, "berta", "", "delete", "why"),),
        dangling=("cn=x",),
        unresolved=(Notice(None, "", "cn=y", "", "why"),),
    )
    assert sightings([one]) == {
        ("withheld", box.ref): {"delete 4"},
        ("dangling", box.ref): {"cn=x"},
        ("unresolved", box.ref): {"cn=y"},
        ("held", box.ref): {"sha256:x"},
    }


def test_a_source_that_is_not_emptied_is_counted_whatever_is_unfinished() -> None:
    """Only what was suddenly empty keeps its old number; nothing at all is learned of a context that was not read."""
    box = mailbox(exclude=())
    waiting = (Notice(4, "", "", "delete", "why"),)
    assert counted([judged(box, waiting=waiting, idle="paused")], facts(box)) == {(box.ref, str(SUPPORT)): 1}
    assert counted([judged(box, unread=True)], facts(box)) == {}


# --------------------------------------------------------------------------- absences

TWO_READS = mailbox(grace=Grace(reads=2))
EARLIER = NOON - timedelta(minutes=10)
KNOWN = {4: Absence(1, EARLIER)}


def notice(op: str = "delete", user: int = 4) -> Notice:
    """Tell that something is not done about a user."""
    return Notice(user, "", "", op, "why")


def outcome(result: str = "applied", op: Op = Op.DELETE, user: int = 4, **place: object) -> Outcome:
    """Give what became of one change of the mailbox."""
    where: dict[str, object] = {"context": 1, "mailbox": ADDRESS, **place}
    change = Change(op=op, user=user, login="", account=20, **where)  # type: ignore[arg-type]
    return Outcome(change=change, result=result)  # type: ignore[arg-type]


def remembered(
    judgement: Judgement, known: Mapping[int, Absence] | None = None, outcomes: Sequence[Outcome] = (), minutes: int = 0
) -> dict[int, Absence] | None:
    """Give who is absent after a read, given who was; None = the ledger is not told anything about the mailbox."""
    before = facts(TWO_READS, absences={TWO_READS.ref: known} if known else {})
    found = absences([judgement], outcomes, before, NOON + timedelta(minutes=minutes))
    return found.get(TWO_READS.ref)


@pytest.mark.parametrize(
    ("parts", "known", "expected"),
    [
        pytest.param({}, {}, None, id="nobody"),
        pytest.param({"absent": (4,)}, {}, {4: Absence(1, NOON)}, id="the first read"),
        pytest.param({"absent": (4,), "waiting": (notice(),)}, KNOWN, {4: Absence(2, EARLIER)}, id="the second read"),
        pytest.param({"absent": (4,)}, {4: Absence(2, EARLIER)}, {4: Absence(2, EARLIER)}, id="as many as asked for"),
        pytest.param({"absent": (4,)}, {4: Absence(9, EARLIER)}, {4: Absence(2, EARLIER)}, id="more, by another grace"),
        pytest.param({"absent": (4,)}, {4: Absence(1, NOON + HOUR)}, {4: Absence(2, NOON)}, id="the clock was ahead"),
        pytest.param({}, KNOWN, {}, id="came back, or the account is gone"),
        pytest.param({"withheld": (notice(),)}, KNOWN, KNOWN, id="withheld"),
        pytest.param({"waiting": (notice(),)}, KNOWN, KNOWN, id="waiting for another server's word"),
        pytest.param({"withheld": (notice(),)}, {}, None, id="withheld, never absent"),
        pytest.param({"withheld": (notice("create"),)}, KNOWN, {}, id="came back, but gets nothing yet"),
        pytest.param({"withheld": (notice("adopt"),)}, KNOWN, {}, id="came back, but nothing is adopted yet"),
        pytest.param({"withheld": (notice(user=5),)}, KNOWN, {}, id="somebody else is withheld"),
        pytest.param({"absent": (5,), "withheld": (notice(),)}, KNOWN, KNOWN | {5: Absence(1, NOON)}, id="two users"),
        pytest.param({"unread": True}, KNOWN, None, id="the context was not read"),
        pytest.param({"absent": (4,), "idle": "paused"}, {}, {4: Absence(1, NOON)}, id="paused: the read counts"),
        pytest.param(
            {"absent": (4,), "held": frozenset({Direction.REMOVALS})}, KNOWN, {4: Absence(2, EARLIER)}, id="held"
        ),
    ],
)
def test_a_read_agrees_leaves_open_or_forgets(
    parts: dict[str, object], known: dict[int, Absence], expected: dict[int, Absence] | None
) -> None:
    """A user is counted where the read was certain, left as he was where it was not, and forgotten where he is back."""
    assert remembered(judged(TWO_READS, **parts), known) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("done", "gone"),
    [
        pytest.param(outcome(), True, id="removed"),
        pytest.param(outcome("failed"), False, id="failed"),
        pytest.param(outcome(op=Op.UPDATE), False, id="another change"),
        pytest.param(outcome(user=5), False, id="another user"),
        pytest.param(outcome(context=2), False, id="another context"),
        pytest.param(outcome(mailbox="sales@mycompany.com"), False, id="another mailbox"),
    ],
)
def test_who_was_removed_is_not_absent_any_more(done: Outcome, *, gone: bool) -> None:
    """A removal that was made ends the count; one that was not is tried again at the next read, without a new grace."""
    found = remembered(judged(TWO_READS, absent=(4,)), KNOWN, [done])
    assert found == ({} if gone else {4: Absence(2, EARLIER)})


def test_a_mailbox_without_grace_remembers_one_read() -> None:
    """A removal that is held for long is not written down anew at every run."""
    box = mailbox()
    known = {box.ref: {4: Absence(1, EARLIER)}}
    assert absences([judged(box, absent=(4,))], [], facts(box, absences=known), NOON) == known


# --------------------------------------------------------------------------- understood


@pytest.mark.parametrize(
    ("parts", "seen", "kept"),
    [
        pytest.param({}, "1:a", True, id="nothing follows from it any more"),
        pytest.param({}, None, True, id="never seen"),
        pytest.param({"idle": "paused"}, "1:a", False, id="idle"),
        pytest.param({"held": frozenset({Direction.UPDATES})}, "1:a", False, id="held"),
        pytest.param({"waiting": (notice(),)}, "1:a", False, id="waiting"),
        pytest.param({"withheld": (notice(),)}, "1:a", False, id="withheld"),
        pytest.param({"complete": False}, "1:a", False, id="incomplete"),
        pytest.param({"unread": True}, "1:a", False, id="unread"),
        pytest.param({"idle": "paused"}, None, True, id="never seen, and idle"),
        pytest.param({"held": frozenset({Direction.ADDITIONS})}, None, True, id="never seen, and held"),
        pytest.param({"complete": False, "withheld": (notice(),)}, None, True, id="never seen, and incomplete"),
        pytest.param({"unread": True}, None, False, id="never seen, and unread"),
        pytest.param({"conflicts": (notice("create"),), "unresolved": (notice(),)}, "1:a", True, id="ordinary life"),
    ],
)
def test_an_edit_is_understood_when_nothing_of_it_is_left(
    parts: dict[str, object], seen: str | None, *, kept: bool
) -> None:
    """The new fingerprint is kept once all that follows from it was done; one never seen before is no edit."""
    box = mailbox()
    before = facts(box, fingerprints={box.ref: seen} if seen else {})
    found = understood([judged(box, **parts)], before, {box.ref: "1:b"})  # type: ignore[arg-type]
    assert found == ({box.ref: "1:b"} if kept else {})


def test_a_mailbox_without_a_mapping_has_nothing_to_understand() -> None:
    """What is retired has no fingerprint."""
    box = mailbox(sources=(), exclude=())
    assert understood([judged(box)], facts(box), {}) == {}
