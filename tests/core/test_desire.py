"""Who should have a mailbox: union, exclusion and identity."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from syncd.core.listed import read_group, read_listed
from syncd.core.model import Claim, GroupRead, Source
from syncd.core.reads import Member
from tests.core.desiring import BOTH, FAR, NEAR, NO_ID, decided
from tests.core.strategies import (
    BARRED,
    SALES,
    SUPPORT,
    claim,
    dn_of,
    mailbox,
    member,
    read,
    users,
)


def test_every_identified_member_should_have_the_mailbox() -> None:
    """Members become users, each with the login that Open-Xchange knows and the entry that says so."""
    berta, carol = member("berta"), member("carol")
    desired = decided(read(SUPPORT, berta, carol))
    assert {user: (desired.login(user), member) for user, member in desired.accounts.items()} == {
        4: ("berta", berta),
        5: ("carol", carol),
    }
    assert [desired.user_of(name) for name in ("id-berta", "id-carol", "id-dora")] == [4, 5, None]
    assert (desired.unresolved, desired.present) == ({}, frozenset())


def test_a_login_unknown_by_id_is_shown_as_the_member_has_it() -> None:
    """Where the login of a user id was not looked up, messages name the member's own login."""
    assert decided(read(SUPPORT, member("berta")), known=users(logins={})).login(4) == "berta"


def test_a_user_is_shown_by_the_login_of_open_xchange() -> None:
    """Of a member with several logins the one that Open-Xchange knows is shown."""
    assert decided(read(SUPPORT, member("x", logins=("nobody", "berta")))).login(4) == "berta"


def test_sources_are_united() -> None:
    """A member of any of several sources should have the mailbox."""
    desired = decided(read(SUPPORT, member("berta")), read(SALES, member("carol")), box=BOTH)
    assert desired.accounts.keys() == {4, 5}


@pytest.mark.parametrize("paths", list(permutations((NEAR, FAR))))
def test_a_member_of_two_sources_keeps_the_shorter_path(paths: Sequence[tuple[str, ...]]) -> None:
    """One entry found by two sources counts once, with the shorter path."""
    first, second = (member("berta", path=path) for path in paths)
    desired = decided(read(SUPPORT, first), read(SALES, second), box=BOTH)
    assert desired.accounts.keys() == {4}
    assert desired.accounts[4].path == NEAR


def test_a_member_of_two_sources_with_equal_paths_keeps_that_of_the_first() -> None:
    """Among paths of one length the source that is configured first counts."""
    desired = decided(
        read(SUPPORT, member("berta", path=NEAR)), read(SALES, member("berta", path=(SALES.value,))), box=BOTH
    )
    assert desired.accounts[4].path == NEAR


@pytest.mark.parametrize("order", list(permutations((("a", FAR), ("b", NEAR), ("c", NEAR)))))
def test_members_who_mean_one_user_count_once(order: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    """Of several entries for one user the one with the shorter path counts, then the smaller id, in any order."""
    entries = [member("berta", id=name, dn=f"cn={name},dc=x", path=path) for name, path in order]
    desired = decided(read(SUPPORT, *entries))
    assert desired.accounts.keys() == {4}
    assert desired.accounts[4].id == "b"
    assert [desired.user_of(name) for name in "abc"] == [4, 4, 4]


@pytest.mark.parametrize(
    ("logins", "word"),
    [((), "missing"), (("berta", "carol"), "ambiguous"), (("visitor",), "guest"), (("BERTA",), "letter case")],
)
def test_an_unresolved_member_is_kept_apart_with_its_reason(logins: tuple[str, ...], word: str) -> None:
    """A member without exactly one user gets nobody an account, and is remembered by id and DN."""
    known = users(guests=frozenset({"visitor"}), other_case={"BERTA": ("berta",)})
    one = member("x", logins=logins)
    desired = decided(read(SUPPORT, one), known=known)
    assert desired.accounts == {}
    assert desired.present == {one.key}
    notice = desired.unresolved["id-x"]
    assert (notice.user, notice.login, notice.member, notice.op) == (None, " ".join(logins), one.dn, "")
    assert word in notice.reason


@pytest.mark.parametrize(
    "barred",
    [
        pytest.param(member("berta"), id="the same entry"),
        pytest.param(member("x", id="id-berta", logins=()), id="by id"),
        pytest.param(member("x", id=NO_ID, dn=dn_of("berta").upper(), logins=()), id="by DN"),
        pytest.param(member("x", logins=("berta",)), id="by user"),
    ],
)
def test_an_excluded_member_gets_nothing(barred: Member) -> None:
    """An exclusion meets a member by stable id, by normalised DN, or by the user that it names."""
    desired = decided(read(SUPPORT, member("berta"), member("carol")), read(BARRED, barred))
    assert desired.accounts.keys() == {5}
    assert desired.taken_out(claim(4)) == "excluded"
    assert desired.taken_out(claim(5)) is None


@pytest.mark.parametrize("barred", [member("x", id="id-berta"), member("x", id=NO_ID, dn=dn_of("berta"))])
def test_an_excluded_member_stands_for_no_user(barred: Member) -> None:
    """A claim's member that is excluded is not taken for somebody who became another user."""
    assert decided(read(SUPPORT, member("berta")), read(BARRED, barred)).user_of("id-berta") is None


def test_an_exclusion_by_dn_is_no_exclusion_of_another_entry() -> None:
    """Two directories may have the same DNs, and a DN may be used again: an entry with another id is not meant."""
    namesake = member("x", dn=dn_of("berta"))
    desired = decided(read(SUPPORT, member("berta")), read(BARRED, namesake))
    assert desired.accounts.keys() == {4}
    assert desired.user_of("id-berta") == 4
    assert desired.taken_out(claim(4)) is None
    assert desired.taken_out(claim(4, member=f"dn:{namesake.key}")) == "excluded"


def test_an_excluded_member_is_not_unresolved() -> None:
    """Nobody needs to hear that an excluded entry has no user."""
    nameless = member("x", logins=())
    desired = decided(read(SUPPORT, nameless), read(BARRED, nameless))
    assert (desired.unresolved, desired.present) == ({}, frozenset())


def test_an_excluded_user_is_out_whichever_entry_included_it() -> None:
    """Where one of two entries of a user is excluded, the user is."""
    desired = decided(
        read(SUPPORT, member("berta"), member("b", logins=("berta",))), read(BARRED, member("b", logins=("berta",)))
    )
    assert desired.accounts == {}
    assert desired.excluded_users == {4}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(claim(4), True, id="by id"),
        pytest.param(
            claim(6, member="dn:old", dn=dn_of("berta").upper()), True, id="by DN in another case, without an id"
        ),
        pytest.param(claim(6, member="old", dn=dn_of("berta")), False, id="another entry had the DN"),
        pytest.param(claim(4, member="old", dn="uid=old,dc=x"), True, id="by user"),
        pytest.param(claim(6, member="old", dn="no dn at all"), False, id="somebody else"),
        pytest.param(claim(5), False, id="a member"),
    ],
)
def test_a_claim_is_excluded_by_id_dn_or_user(given: Claim, *, expected: bool) -> None:
    """A claim's member was read as excluded when its id, its last DN or its user is excluded."""
    assert decided(read(SUPPORT, member("carol")), read(BARRED, member("berta"))).taken_out(given) == (
        "excluded" if expected else None
    )


def test_nobody_is_excluded_without_exclusions() -> None:
    """Without an excluding source no claim counts as excluded."""
    assert decided(read(SUPPORT, member("carol")), box=mailbox(exclude=())).taken_out(claim(4)) is None


@pytest.mark.parametrize(
    ("found", "given", "expected"),
    [
        pytest.param([member("berta")], claim(4), True, id="by id"),
        pytest.param([member("berta", dn="uid=b,ou=moved,dc=x")], claim(4), True, id="by id, moved"),
        pytest.param([member("berta")], claim(4, member=f"dn:{member('berta').key}"), True, id="by DN, no id then"),
        pytest.param([member("berta", id=f"dn:{member('berta').key}")], claim(4), True, id="by DN, no id now"),
        pytest.param([member("berta", id="new")], claim(4), False, id="another entry at the DN"),
        pytest.param([member("x", logins=("berta",))], claim(4), False, id="another entry of the user"),
        pytest.param([member("berta")], claim(5), False, id="somebody else"),
        pytest.param([], claim(4), False, id="nobody"),
    ],
)
def test_a_claim_is_disabled_by_its_own_entry_alone(found: list[Member], given: Claim, *, expected: bool) -> None:
    """A claim's member was read as disabled by its stable id, and by its DN only where one of both has no such id."""
    desired = decided(read(SUPPORT, disabled=found))
    assert desired.taken_out(given) == ("disabled in the directory" if expected else None)
    assert desired.accounts == {}


@pytest.mark.parametrize("logins", [("berta",), ()])
def test_who_is_a_member_by_another_source_is_not_disabled(logins: tuple[str, ...]) -> None:
    """An entry that one source read as disabled and another as a member, resolved or not, is not surely disabled."""
    desired = decided(read(SUPPORT, disabled=[member("berta")]), read(SALES, member("berta", logins=logins)), box=BOTH)
    assert desired.accounts.keys() == ({4} if logins else set())
    assert desired.taken_out(claim(4)) is None


def test_a_list_of_logins_keeps_a_disabled_person() -> None:
    """What the configuration names literally counts although the person's entry is disabled."""
    source = Source(kind="users", value="berta", logins=("berta",))
    box = mailbox(sources=(SUPPORT, source), exclude=())
    assert decided(read(SUPPORT, disabled=[member("berta")]), read_listed(source), box=box).accounts.keys() == {4}


@pytest.mark.parametrize(
    "barred", [member("berta"), member("x", logins=("berta",)), member("x", id=NO_ID, dn=dn_of("berta"))]
)
def test_a_disabled_exclusion_still_excludes(barred: Member) -> None:
    """Whoever is excluded stays so when the entry is disabled: by id, by DN and by user."""
    desired = decided(read(SUPPORT, member("berta"), member("carol")), read(BARRED, disabled=[barred]))
    assert desired.accounts.keys() == {5}
    assert desired.taken_out(claim(4)) == "excluded"


def test_an_excluded_login_excludes_nobody_whose_login_differs_by_letter_case() -> None:
    """Logins are told apart by letter case, so a list that excludes `Berta` is not about `berta`."""
    own, barred = (Source(kind="users", value=name, logins=(name,)) for name in ("berta", "Berta"))
    box = mailbox(sources=(own,), exclude=(barred,))
    desired = decided(read_listed(own), read_listed(barred), box=box)
    assert desired.accounts.keys() == {4}
    assert desired.taken_out(claim(4, member="login:berta", dn="login=berta")) is None


def test_a_list_may_exclude_a_user_of_a_group_and_of_open_xchange() -> None:
    """Exclusions of one kind meet members of another by the user whom both name."""
    group = Source(kind="ox_group", value="0", context=1)
    barred = Source(kind="users", value="berta", logins=("berta",))
    box = mailbox(sources=(SUPPORT, group), exclude=(barred,))
    everybody = read_group(group, {"0": GroupRead((4, 5))})
    desired = decided(read(SUPPORT, member("berta"), member("dora")), everybody, read_listed(barred), box=box)
    assert desired.accounts.keys() == {5, 6}
