"""Members who choose their context."""

from __future__ import annotations

import pytest

from syncd.core.desire import Desired
from syncd.core.listed import read_group, read_listed
from syncd.core.model import GroupRead, Source
from syncd.core.reads import SourceRead
from syncd.core.template import attribute
from tests.core.desiring import decided
from tests.core.strategies import (
    BARRED,
    SUPPORT,
    claim,
    mailbox,
    member,
    read,
)

CHOOSER = attribute("oxContext")
CHOSEN = Source(kind="group", value=SUPPORT.value, chooser=CHOOSER)
OUTSIDE = Source(kind="group", value=BARRED.value, chooser=CHOOSER)
NAMES = {"1": 1, "2": 2, "acme": 1, "acme.com": 1, "beta": 2}


def choosing(*reads: SourceRead) -> Desired:
    """Decide for a mailbox of context 1 whose members choose theirs."""
    return decided(*reads, box=mailbox(sources=(CHOSEN,), exclude=(OUTSIDE,), choices=NAMES))


@pytest.mark.parametrize(
    ("contexts", "words"),
    [
        pytest.param(("acme",), None, id="this context"),
        pytest.param(("ACME", "acme.com", "1"), None, id="this context by all of its names"),
        pytest.param(("gone",), "there is no context 'gone'", id="unknown"),
        pytest.param(("gone", "away"), "there is no context 'gone' and 'away'", id="unknown by several names"),
        pytest.param(
            (), "what names its context is missing in the directory entry, or may not be read", id="missing or hidden"
        ),
        pytest.param(("acme", "beta"), "it names several contexts: 'acme' and 'beta'", id="several"),
        pytest.param(("acme", "gone"), "it names several contexts: 'acme' and 'gone'", id="one of them unknown"),
    ],
)
def test_a_member_belongs_to_the_context_it_names(contexts: tuple[str, ...], words: str | None) -> None:
    """Exactly one known context is the member's; else it is unresolved, and protects the account that it may mean."""
    desired = choosing(read(CHOSEN, member("berta")._replace(contexts=contexts)))
    if words is None:
        assert (desired.accounts.keys(), desired.unresolved) == ({4}, {})
        return
    assert desired.accounts == {}
    assert desired.unresolved["id-berta"].reason == words
    assert words in str(desired.member_is_there(claim(4)))


def test_a_member_of_another_context_is_a_member_and_has_nothing_here() -> None:
    """Its account here may go, since it was read for certain that it belongs elsewhere."""
    desired = choosing(read(CHOSEN, member("berta")._replace(contexts=("beta",))))
    assert (desired.accounts, desired.unresolved) == ({}, {})
    assert desired.members.keys() == {"id-berta"}
    assert (desired.taken_out(claim(4)), desired.member_is_there(claim(4))) == (None, None)


def test_a_member_of_another_context_does_not_end_the_list() -> None:
    """Who is read after it is a member of this context as before."""
    elsewhere, here = (member(name)._replace(contexts=(context,)) for name, context in (("anton", "2"), ("berta", "1")))
    assert choosing(read(CHOSEN, elsewhere, here)).accounts == {4: here}


def test_a_member_of_another_context_without_a_user_here_names_none() -> None:
    """Why a login is not found in a context that the member did not choose is no user."""
    desired = choosing(read(CHOSEN, member("stranger")._replace(contexts=("beta",))))
    assert desired.members.keys() == {"id-stranger"}
    assert desired.user_of("id-stranger") is None


def test_a_group_of_open_xchange_chooses_nothing() -> None:
    """Its users are users of the mailbox's context, where other members choose."""
    group = Source(kind="ox_group", value="0", context=1)
    box = mailbox(sources=(CHOSEN, group), exclude=(), choices=NAMES)
    desired = decided(read(CHOSEN), read_group(group, {"0": GroupRead((5,))}), box=box)
    assert (desired.accounts.keys(), desired.unresolved) == ({5}, {})


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        pytest.param(("acme",), {5}, id="of this context"),
        pytest.param(("beta",), {4, 5}, id="of another"),
        pytest.param((), {4, 5}, id="of an unknown one"),
    ],
)
def test_an_exclusion_is_about_people_of_its_own_context(contexts: tuple[str, ...], expected: set[int]) -> None:
    """An excluded entry that chooses another context takes nothing from somebody with the same login here."""
    members = [member(name)._replace(contexts=("1",)) for name in ("berta", "carol")]
    barred = member("b", logins=("berta",))._replace(contexts=contexts)
    desired = choosing(read(CHOSEN, *members), read(OUTSIDE, barred))
    assert desired.accounts.keys() == expected
    assert desired.taken_out(claim(4)) == (None if 4 in expected else "excluded")
    assert desired.excludes_complete == bool(contexts)
    assert any("may exclude user 4" in reason for reason in desired.reasons) != bool(contexts)


def test_many_exclusions_of_an_unknown_context_are_told_in_few_lines() -> None:
    """The first three entries that may exclude somebody are named, the others counted."""
    names = ("anton", "berta", "carol", "dora")
    included = [member(name)._replace(contexts=("1",)) for name in names]
    hidden = [member(f"x{name}", logins=(name,)) for name in names]
    desired = choosing(read(CHOSEN, *included), read(OUTSIDE, *hidden))
    told = [reason.partition(" may exclude user ")[0] for reason in desired.reasons]
    assert told == [*(f"{OUTSIDE}: {one.dn}" for one in hidden[:3]), "… and 1 more such entries"]


def test_an_exclusion_of_an_unknown_context_matters_only_to_who_is_included() -> None:
    """An excluded entry that hides its context stops nothing where nobody else includes its user."""
    barred = member("b", logins=("berta",))
    desired = choosing(read(CHOSEN, member("carol")._replace(contexts=("1",))), read(OUTSIDE, barred))
    assert (desired.accounts.keys(), desired.excludes_complete, desired.reasons) == ({5}, True, ())


def test_an_excluded_entry_is_out_whatever_context_it_names() -> None:
    """The very entry that is excluded gets nothing, also where what names its context cannot be read."""
    one = member("berta")
    desired = choosing(read(CHOSEN, one._replace(contexts=("1",))), read(OUTSIDE, one))
    assert desired.accounts == {}


def test_exclusions_that_choose_nothing_hold_in_every_context() -> None:
    """A list of logins excludes these users wherever they are."""
    barred = Source(kind="users", value="berta", logins=("berta",))
    box = mailbox(sources=(CHOSEN,), exclude=(barred,), choices=NAMES)
    desired = decided(read(CHOSEN, member("berta")._replace(contexts=("1",))), read_listed(barred), box=box)
    assert desired.accounts == {}
