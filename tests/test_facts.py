"""What is remembered of a run's reads: servers, counters, member counts, and who stands open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.changes import Direction, Judgement, MailboxPlan, Notice
from syncd.core.model import Mailbox, MailboxRef, Observation, Source
from syncd.core.reads import Answered, DirectoryRead, SourceRead
from syncd.facts import Census, Facts, advanced, counted, sightings
from syncd.ledger.values import Cursor
from tests.core.strategies import BARRED, SUPPORT, mailbox, member, read

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
    )


def judged(box: Mailbox, *, held: frozenset[Direction] = frozenset(), **plan: object) -> Judgement:
    """Give a judgement of a mailbox."""
    made = MailboxPlan(mailbox=box, complete=True, **plan)  # type: ignore[arg-type]
    return Judgement(plan=made, held=held, held_digest="sha256:x" if held else None)


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
    ],
)
def test_a_group_of_open_xchange_that_is_suddenly_empty_stays_so(parts: dict[str, object], *, counts: bool) -> None:
    """While what follows from it is not done, its old number stands, as for a group of the directory."""
    box = mailbox(sources=(GROUP,), exclude=())
    found = counted([judged(box, emptied=(GROUP,), **parts)], facts(box, read(GROUP)))  # type: ignore[arg-type]
    assert found == ({(box.ref, str(GROUP)): 0} if counts else {})


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
