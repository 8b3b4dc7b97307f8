"""How certain it is who should have a mailbox, and what is passed on of the reads."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from syncd.core.desire import count, desire
from syncd.core.listed import read_group, read_listed
from syncd.core.model import Claim, GroupRead, MailboxRef, Source
from syncd.core.reads import Member, Proof, SourceRead
from tests.core.desiring import BOTH, decided
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


def test_who_is_listed_beside_the_own_entry_is_no_second_entry() -> None:
    """Sources that overlap are usual; only two entries of a directory for one user are worth telling."""
    listed = Source(kind="users", value="berta", logins=("berta",))
    desired = decided(read(SUPPORT, member("berta")), read_listed(listed), box=mailbox(sources=(SUPPORT, listed)))
    assert set(desired.accounts) == {4}
    assert desired.notes == ()


def test_two_entries_of_one_user_are_told_with_the_login() -> None:
    """Where rules without a login found both, the login is the one that Open-Xchange has."""
    one, two = (known_by(name, ("mail", ["berta@x.org"])) for name in ("x", "y"))
    assert decided(read(SUPPORT, one, two)).notes == (f"{one.dn} and {two.dn} are both user 4 (berta)",)


def test_who_is_disabled_is_counted_where_it_excludes() -> None:
    """The next run compares all that an exclusion had, and the members alone of what includes."""
    one, other = member("berta"), member("carol")
    assert count(mailbox(), read(BARRED, one, disabled=[other])) == 2
    assert count(mailbox(), read(SUPPORT, one, disabled=[other])) == 1


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


def test_who_is_in_a_group_of_open_xchange_too_is_no_second_entry() -> None:
    """A group of Open-Xchange beside the directory, whichever comes first, is usual as well."""
    group = Source(kind="ox_group", value="0", context=1)
    for sources in ((SUPPORT, group), (group, SUPPORT)):
        everybody = read_group(group, {"0": GroupRead((4, 5))})
        desired = decided(read(SUPPORT, member("berta")), everybody, box=mailbox(sources=sources))
        assert (set(desired.accounts), desired.notes) == ({4, 5}, ())


def test_few_entries_of_one_user_are_all_told() -> None:
    """As long as there are three pairs nothing is left out."""
    entries = [member(f"b{number}", logins=("berta",)) for number in range(4)]
    notes = decided(read(SUPPORT, *entries)).notes
    assert len(notes) == 3
    assert not any("more such" in note for note in notes)


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
        pytest.param(
            known_by("x", ("login", ["z"]), ("mail", ["berta@x.org"])), {4: "berta"}, "berta", id="not one that failed"
        ),
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


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (read(SUPPORT, dangling=[dn_of("berta")]), "its DN is still listed, but the entry was not found"),
        (
            read(SUPPORT, dangling=["memberuid=berta"]),
            "a member of its name is still listed, but the entry was not found",
        ),
        (
            read(SUPPORT, member("berta", id="new", logins=())),
            "an entry with its member's DN is still there, without an unambiguous user",
        ),
        (
            read(SUPPORT, member("berta", logins=())),
            "its member is still there: the login attribute is missing in the directory entry, or may not be read",
        ),
    ],
)
def test_why_a_claims_member_counts_as_there_is_one_sentence(found: SourceRead, text: str) -> None:
    """The reason says what of the member is there, and what is not."""
    assert decided(found).member_is_there(claim(4)) == text


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


@pytest.mark.parametrize(
    ("counts", "found", "expected"),
    [
        pytest.param({}, read(BARRED), True, id="names nobody"),
        pytest.param({str(BARRED): 0}, read(BARRED), False, id="named nobody before"),
        pytest.param({str(BARRED): 5}, read(BARRED), False, id="is emptied"),
        pytest.param({}, read(BARRED, member("x")), False, id="has a member"),
        pytest.param({}, read(BARRED, disabled=[member("x")]), False, id="has a disabled member"),
        pytest.param({}, read(BARRED, complete=False), False, id="incomplete"),
    ],
)
def test_an_exclusion_is_blank_when_it_is_new_and_names_nobody(
    counts: dict[str, int], found: SourceRead, *, expected: bool
) -> None:
    """Only an excluding source read completely for the first time, and naming nobody, is blank; no including one."""
    assert decided(found, read(SUPPORT), counts=counts).blank == ((BARRED,) if expected else ())


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
    assert [note for note in notes if "1 listed without an entry exclude nobody for certain: " + dn_of("gone") in note]
    several = [f"memberuid={name}" for name in "dbca"]
    (note,) = decided(read(SUPPORT), read(BARRED, dangling=several)).notes
    assert (
        note == f"{BARRED}: 4 listed without an entry exclude nobody for certain: memberuid=a, memberuid=b, memberuid=c"
    )
