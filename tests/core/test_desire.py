"""Who should have a mailbox: union, exclusion, identity, and how certain it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from syncd.core.desire import Desired, desire
from syncd.core.dn import normalise
from syncd.core.listed import read_group, read_listed
from syncd.core.model import Claim, GroupRead, Mailbox, MailboxRef, Source, Users
from syncd.core.reads import Member, Proof, SourceRead
from syncd.core.template import attribute
from tests.core.strategies import (
    ADDRESS,
    BARRED,
    SALES,
    SUPPORT,
    claim,
    dn_of,
    known_by,
    mailbox,
    member,
    read,
    users,
)

BOTH = mailbox(sources=(SUPPORT, SALES))
REF = MailboxRef(1, ADDRESS)
NO_ID = f"dn:{normalise(dn_of('berta'))}"
"""What an entry at berta's DN is known by where the server gives no stable id."""
NEAR, FAR = (SUPPORT.value,), (SUPPORT.value, SALES.value)


def decided(
    *reads: SourceRead, box: Mailbox | None = None, known: Users | None = None, counts: dict[str, int] | None = None
) -> Desired:
    """Decide with every source of the mailbox that is not given read as empty."""
    box = box or mailbox()
    given = {one.source: one for one in reads}
    sources = {source: given.get(source) or read(source) for source in (*box.sources, *box.exclude)}
    return desire(box, sources, known or users(), {(REF, source): count for source, count in (counts or {}).items()})


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


# --------------------------------------------------------------------------- members who choose their context

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
        pytest.param((), "what names its context is missing", id="missing or hidden"),
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
    assert words in desired.unresolved["id-berta"].reason
    assert words in str(desired.member_is_there(claim(4)))


def test_a_member_of_another_context_is_a_member_and_has_nothing_here() -> None:
    """Its account here may go, since it was read for certain that it belongs elsewhere."""
    desired = choosing(read(CHOSEN, member("berta")._replace(contexts=("beta",))))
    assert (desired.accounts, desired.unresolved) == ({}, {})
    assert desired.members.keys() == {"id-berta"}
    assert (desired.taken_out(claim(4)), desired.member_is_there(claim(4))) == (None, None)


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


# --------------------------------------------------------------------------- what is passed on


def test_who_is_listed_beside_the_own_entry_is_no_second_entry() -> None:
    """Sources that overlap are usual; only two entries of a directory for one user are worth telling."""
    listed = Source(kind="users", value="berta", logins=("berta",))
    desired = decided(read(SUPPORT, member("berta")), read_listed(listed), box=mailbox(sources=(SUPPORT, listed)))
    assert set(desired.accounts) == {4}
    assert desired.notes == ()


def test_a_reason_names_its_source_once() -> None:
    """A text of the directory that names the group is not begun with the group again; any other text is."""
    texts = (f"ldap://one: group {SUPPORT.value}: a part", "ldap://one: the connection was lost")
    found = read(SUPPORT, member("berta"), complete=False)
    desired = decided(replace(found, reasons=texts, notes=texts))
    assert desired.reasons == desired.notes == (texts[0], f"{SUPPORT}: {texts[1]}")


def test_two_entries_of_one_user_are_told() -> None:
    """Both are named, with the user whom they mean."""
    two = member("b", logins=("berta",))
    notes = decided(read(SUPPORT, member("berta"), two)).notes
    assert notes == (f"{dn_of('berta')} and {two.dn} are both user 4 (berta)",)


def test_many_entries_of_one_user_are_told_in_few_lines() -> None:
    """Three pairs are named, the others counted."""
    entries = [member(f"b{number}", logins=("berta",)) for number in range(7)]
    notes = decided(read(SUPPORT, *entries)).notes
    assert len(notes) == 4
    assert notes[-1] == "… and 3 more such entries"


def test_proofs_and_causes_of_all_sources_are_passed_on() -> None:
    """Each source has its proof by its name, and each incomplete one its causes, excluding ones too."""
    proof = Proof(server="ldap://one", pages=2)
    reads = (
        replace(read(SUPPORT, complete=False), proof=proof, causes=frozenset(("range", "foreign"))),
        read(SALES, complete=False),
        read(BARRED, complete=False),
    )
    desired = decided(*reads, box=BOTH)
    assert desired.causes == ("foreign", "limit", "limit", "range")
    assert desired.proofs == {str(SUPPORT): proof, str(SALES): Proof(), str(BARRED): Proof()}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(read(SUPPORT, disabled=[member("berta")]), (SUPPORT,), id="all members disabled"),
        pytest.param(read(BARRED, disabled=[member("berta")]), (), id="all excluded are disabled and excluded still"),
    ],
)
def test_who_is_disabled_counts_where_it_excludes(found: SourceRead, expected: tuple[Source, ...]) -> None:
    """A group all of whose members were disabled is emptied; an exclusion of disabled people excludes as before."""
    desired = decided(found, counts={str(found.source): 1})
    assert desired.emptied == expected


@pytest.mark.parametrize(
    ("one", "names", "expected"),
    [
        pytest.param(known_by("x", ("mail", ["berta@x.org"])), {4: "berta"}, "berta", id="the login that is known"),
        pytest.param(known_by("x", ("mail", ["berta@x.org"])), {}, "4", id="else the number"),
        pytest.param(known_by("x", ("mail", []), ("login", ["z", "berta"])), {}, "berta", id="else its own login"),
    ],
)
def test_a_user_found_by_any_rule_is_shown_by_a_login(one: Member, names: dict[int, str], expected: str) -> None:
    """Messages name the login in Open-Xchange, or what is known of it."""
    assert decided(read(SUPPORT, one), known=users(logins=names)).login(4) == expected


def test_an_unresolved_member_is_shown_by_all_that_was_looked_for() -> None:
    """Values of all rules are shown once each."""
    one = known_by("x", ("mail", ["n@x", "m@x"]), ("login", ["n", "n@x"]))
    assert decided(read(SUPPORT, one)).unresolved["id-x"].login == "n@x m@x n"


@pytest.mark.parametrize(
    ("reads", "given", "words"),
    [
        pytest.param([read(SUPPORT, member("berta", logins=()))], claim(4), "is still there: the login", id="by id"),
        pytest.param(
            [read(SUPPORT, member("berta", id="new", logins=()))], claim(4), "entry with its member's DN", id="by DN"
        ),
        pytest.param([read(SUPPORT, dangling=[dn_of("berta")])], claim(4), "still listed", id="dangling DN"),
        pytest.param([read(SUPPORT, dangling=["memberuid=berta"])], claim(4), "still listed", id="dangling memberUid"),
        pytest.param(
            [read(SUPPORT, dangling=["memberuid=berta"])],
            claim(4, login="renamed"),
            "still listed",
            id="dangling memberUid by the DN's name",
        ),
        pytest.param(
            [read(SUPPORT, dangling=["memberuid=berta"])],
            claim(4, dn="no dn at all"),
            "still listed",
            id="dangling memberUid by the login",
        ),
        pytest.param(
            [read(SUPPORT, dangling=["cn=Berta  Beispiel,dc=x"])],
            claim(4, dn="cn=Berta  Beispiel,dc=x"),
            "still listed",
            id="dangling DN with two blanks",
        ),
        pytest.param(
            [read(SUPPORT, dangling=["uid=Berta,ou=elsewhere,dc=y"])], claim(4), "still listed", id="moved out of sight"
        ),
        pytest.param(
            [read(SUPPORT, dangling=["memberuid=anton", dn_of("carol")])], claim(4), None, id="others dangling"
        ),
        pytest.param([read(SUPPORT, member("carol", logins=()))], claim(4), None, id="another without user"),
        pytest.param([read(SUPPORT, member("berta"))], claim(4), None, id="identified"),
        pytest.param([read(SUPPORT)], claim(4), None, id="gone"),
    ],
)
def test_a_claims_member_counts_as_there_when_present_or_listed(
    reads: list[SourceRead], given: Claim, words: str | None
) -> None:
    """A member present without a user, or listed without an entry, is there; one identified or gone is not."""
    reason = decided(*reads).member_is_there(given)
    assert reason is None if words is None else reason is not None and words in reason


def test_only_including_sources_have_dangling_members() -> None:
    """A member that an exclusion lists without an entry says nothing about who should have the mailbox."""
    desired = decided(read(SUPPORT, dangling=["memberuid=x"]), read(BARRED, dangling=["memberuid=y"]))
    assert desired.dangling == {"memberuid=x": "memberuid=x"}


def test_dangling_logins_are_those_of_memberuid_and_of_the_first_rdn() -> None:
    """The logins that may be meant by members without an entry are compared in folded case."""
    desired = decided(read(SUPPORT, dangling=["memberuid=Carol", "memberuid=a=b+c", dn_of("Berta")]))
    assert desired.listed == {"carol", "a=b+c", "berta"}


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("exclude", [True, False])
def test_each_side_knows_its_completeness(*, include: bool, exclude: bool) -> None:
    """An incomplete source makes only its own side incomplete, with a reason that names it."""
    desired = decided(
        read(SUPPORT), read(SALES, complete=include), read(BARRED, complete=exclude, reason="page lost"), box=BOTH
    )
    assert (desired.includes_complete, desired.excludes_complete) == (include, exclude)
    expected = ([] if include else [f"{SALES}: size limit"]) + ([] if exclude else [f"{BARRED}: page lost"])
    assert list(desired.reasons) == expected


def test_a_mailbox_in_doubt_is_not_complete() -> None:
    """What may not be all that a mailbox has withholds removals, with its reason, and gives joiners their accounts."""
    desired = decided(read(SUPPORT, member("berta")), box=mailbox(doubt="not all are known"))
    assert (desired.includes_complete, desired.excludes_complete) == (False, True)
    assert (desired.accounts.keys(), desired.reasons) == ({4}, ("not all are known",))


def test_a_context_without_users_makes_both_sides_uncertain() -> None:
    """Members of a context in which nobody exists are unknown, not absent, and the reason says so."""
    desired = decided(read(SUPPORT, member("berta")), known=users({}))
    assert desired.accounts == {}
    assert (desired.includes_complete, desired.excludes_complete) == (False, False)
    assert desired.reasons == ("context 1 has no users in this database",)


@pytest.mark.parametrize(
    ("source", "counts", "found", "expected"),
    [
        pytest.param(SUPPORT, {str(SUPPORT): 1}, read(SUPPORT), True, id="include emptied"),
        pytest.param(BARRED, {str(BARRED): 5}, read(BARRED), True, id="exclude emptied"),
        pytest.param(SUPPORT, {str(SUPPORT): 0}, read(SUPPORT), False, id="was empty"),
        pytest.param(SUPPORT, {}, read(SUPPORT), False, id="never read"),
        pytest.param(SUPPORT, {str(SUPPORT): 5}, read(SUPPORT, member("x")), False, id="has a member"),
        pytest.param(SUPPORT, {str(SUPPORT): 5}, read(SUPPORT, complete=False), False, id="incomplete"),
        pytest.param(SUPPORT, {str(SUPPORT): 5}, read(SUPPORT, dangling=["memberuid=x"]), True, id="only dangling"),
    ],
)
def test_a_source_is_emptied_when_it_had_members_and_has_none(
    source: object, counts: dict[str, int], found: SourceRead, *, expected: bool
) -> None:
    """Only a source read completely, with members at its last complete read and none now, is emptied."""
    assert decided(found, counts=counts).emptied == ((source,) if expected else ())


def test_equal_filters_in_several_places_are_counted_apart() -> None:
    """Sources that differ by base or scope only have names of their own, by which their members are counted."""
    places = [{}, {"base": "ou=a"}, {"base": "ou=b"}, {"scope": "one"}, {"base": "ou=a", "scope": "one"}]
    sources = [Source(kind="filter", value="(uid=*)", **place) for place in places]  # type: ignore[arg-type]
    assert len({str(source) for source in sources}) == len(sources)
    box = mailbox(sources=tuple(sources), exclude=())
    assert decided(box=box, counts={str(sources[1]): 5}).emptied == (sources[1],)


def test_the_count_of_another_mailbox_does_not_count() -> None:
    """Whether a source is emptied is asked for this mailbox."""
    box = mailbox()
    reads = {SUPPORT: read(SUPPORT), BARRED: read(BARRED)}
    assert desire(box, reads, users(), {(MailboxRef(2, ADDRESS), str(SUPPORT)): 5}).emptied == ()


def test_the_order_of_members_does_not_matter() -> None:
    """However a server sorts its answer, the same users are desired with the same members."""
    entries = [*(member(login) for login in ("anton", "berta", "carol")), member("b", logins=("berta",))]
    results = [decided(read(SUPPORT, *order)) for order in permutations(entries)]
    assert all(dict(one.accounts) == dict(results[0].accounts) for one in results)


def test_listed_exclusions_without_an_entry_are_told() -> None:
    """Somebody who is listed in an exclusion without an entry excludes nobody, and the notes say so."""
    notes = decided(read(SUPPORT), read(BARRED, dangling=[dn_of("gone")])).notes
    assert [note for note in notes if "1 listed without an entry exclude nobody: " + dn_of("gone") in note]
