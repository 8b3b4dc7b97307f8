"""Who a member is: every row of the table in core.identity."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.identity import identify, matched, named_by, skipped, user_number
from syncd.core.model import By
from tests.core.strategies import LOGINS, known_by, member, users

KNOWN = users(
    {4: "berta", 5: "carol"},
    by_login={"berta": 4, "carol": 5, "carol.c": 5},
    other_case={"Berta": ("berta",), "CAROL": ("Carol", "carol")},
    guests=frozenset({"visitor"}),
)


@pytest.mark.parametrize(
    ("logins", "expected"),
    [
        pytest.param(("berta",), 4, id="one login, one user"),
        pytest.param(("nobody", "carol"), 5, id="several logins, one user"),
        pytest.param(("carol", "carol.c"), 5, id="several logins of one user"),
        pytest.param(("visitor", "carol"), 5, id="a guest beside a user"),
        pytest.param(("Berta", "carol"), 5, id="another case beside a user"),
    ],
)
def test_a_member_whose_logins_name_one_user_is_that_user(logins: tuple[str, ...], expected: int) -> None:
    """Exactly one user named, by however many logins, is the member's user."""
    assert identify(member("x", logins=logins), KNOWN) == expected


@pytest.mark.parametrize(
    ("logins", "words"),
    [
        pytest.param((), ["login attribute is missing"], id="none"),
        pytest.param(("berta", "carol"), ["ambiguous", "berta (user 4)", "carol (user 5)"], id="several users"),
        pytest.param(
            ("nobody", "berta", "carol"), ["ambiguous", "berta (user 4) and carol (user 5)"], id="several and nobody"
        ),
        pytest.param(("visitor",), ["'visitor' is a guest in context 1"], id="a guest"),
        pytest.param(("visitor", "Berta"), ["is a guest"], id="a guest comes before another case"),
        pytest.param(("Berta",), ["no user 'Berta' in context 1", "'berta' differs in letter case"], id="other case"),
        pytest.param(("nobody", "CAROL"), ["no user 'CAROL'", "'Carol' and 'carol'"], id="other case of the second"),
        pytest.param(("nobody",), ["no user 'nobody' in context 1"], id="no such user"),
        pytest.param(("nobody", "noone"), ["no user 'nobody' or 'noone' in context 1"], id="no such users"),
    ],
)
def test_a_member_without_exactly_one_user_is_unresolved_with_the_reason(
    logins: tuple[str, ...], words: list[str]
) -> None:
    """A member that names no user, or several, gets a reason that says which row of the table it met."""
    reason = identify(member("x", logins=logins), KNOWN)
    assert isinstance(reason, str)
    assert all(word in reason for word in words), reason


def test_no_such_user_gives_no_hint_about_letter_case() -> None:
    """The hint about letter case comes only where another case exists."""
    assert "letter case" not in str(identify(member("x", logins=("nobody",)), KNOWN))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from((*LOGINS.values(), "nobody")), max_size=3), st.text(max_size=5))
def test_the_stable_id_never_chooses_the_user(logins: list[str], stable: str) -> None:
    """Whatever a member's stable id and DN are, only its logins count, and a user is given only if named alone."""
    one = member("x", logins=logins)
    found = identify(one, users())
    assert found == identify(one._replace(id=stable, dn=stable, key=stable), users())
    named = {user for user, login in LOGINS.items() if login in logins}
    assert (found in named and len(named) == 1) if isinstance(found, int) else len(named) != 1


# --------------------------------------------------------------------------- several rules

PEOPLE = users(
    {4: "berta", 5: "carol", 6: "dora"},
    guests=frozenset({"visitor", "visitor@x.org"}),
    other_case={"Dora": ("dora",)},
    found={
        "mail": {"berta@x.org": (4,), "shared@x.org": (5, 6)},
        "alias": {"b@x.org": (4,), "c@x.org": (5,), "shared@x.org": (5, 6)},
        "imap_login": {"carol": (5,)},
        "id": {"6": (6,), "2147483647": (2147483647,)},
    },
)


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        pytest.param([("mail", ["berta@x.org"])], (4, "mail", "berta@x.org"), id="by mail"),
        pytest.param([("alias", ["b@x.org"])], (4, "alias", "b@x.org"), id="by alias"),
        pytest.param([("imap_login", ["carol"])], (5, "imap_login", "carol"), id="by IMAP login"),
        pytest.param([("id", ["6"])], (6, "id", "6"), id="by id"),
        pytest.param([("id", ["0006"])], (6, "id", "0006"), id="by id with leading zeros"),
        pytest.param([("login", ["dora"])], (6, "login", "dora"), id="by login"),
        pytest.param([("login", ["berta"]), ("mail", ["shared@x.org"])], (4, "login", "berta"), id="the first counts"),
        pytest.param([("login", ["berta"]), ("id", ["6"])], (4, "login", "berta"), id="though a later names another"),
        pytest.param([("login", ["none"]), ("id", ["6"])], (6, "id", "6"), id="nobody, then the next"),
        pytest.param([("login", []), ("id", ["6"])], (6, "id", "6"), id="no value, then the next"),
        pytest.param([("login", ["visitor"]), ("id", ["6"])], (6, "id", "6"), id="a guest, then the next"),
        pytest.param([("login", ["Dora"]), ("alias", ["c@x.org"])], (5, "alias", "c@x.org"), id="other case, the next"),
        pytest.param(
            [("alias", ["none@x.org", "b@x.org", "b@x.org"])], (4, "alias", "b@x.org"), id="the value that names it"
        ),
        pytest.param(
            [("mail", ["b@x.org"]), ("alias", ["b@x.org"])], (4, "alias", "b@x.org"), id="the same value twice"
        ),
        pytest.param([("login", ["berta@x.org"]), ("mail", [])], None, id="a kind of question finds its own kind only"),
        pytest.param([("mail", ["shared@x.org"]), ("login", ["berta"])], None, id="one address of several users stops"),
        pytest.param([("alias", ["b@x.org", "c@x.org"]), ("id", ["6"])], None, id="values of several users stop"),
        pytest.param([("login", ["none"]), ("alias", ["b@x.org", "c@x.org"])], None, id="at the rule that has them"),
    ],
)
def test_rules_are_tried_in_order(ways: list[tuple[By, list[str]]], expected: tuple[int, str, str] | None) -> None:
    """The first rule that names exactly one user wins, with the value that did; several users stop there."""
    found = matched(known_by("x", *ways), PEOPLE)
    who = identify(known_by("x", *ways), PEOPLE)
    if expected is None:
        assert isinstance(found, str)
        assert who == found
    else:
        assert isinstance(found, tuple)
        assert (found[0], found[1].by, found[2]) == expected
        assert who == expected[0]


@pytest.mark.parametrize(
    ("ways", "reason"),
    [
        pytest.param(
            [("mail", []), ("login", [])], "its entry has none of login, mail, or they may not be read", id="no value"
        ),
        pytest.param([("mail", [])], "its entry has none of mail, or they may not be read", id="no value of one rule"),
        pytest.param(
            [("mail", ["shared@x.org"])],
            "ambiguous: its values by mail name several users of Open-Xchange: "
            "shared@x.org (user 5) and shared@x.org (user 6)",
            id="ambiguous",
        ),
        pytest.param([("mail", ["visitor@x.org"])], "'visitor@x.org' is a guest in context 1", id="a guest"),
        pytest.param(
            [("mail", ["n@x.org"]), ("login", ["visitor"])],
            "'n@x.org' or 'visitor' is a guest in context 1",
            id="one is",
        ),
        pytest.param(
            [("mail", ["n@x.org"]), ("login", ["Dora"])],
            "no user 'Dora' in context 1; 'dora' differs in letter case, which Open-Xchange tells apart",
            id="other case",
        ),
        pytest.param(
            [("mail", ["n@x.org"]), ("alias", ["n@x.org", "m@x.org"]), ("imap_login", ["n"]), ("id", ["9"])],
            "no user with the address 'n@x.org', no user with the alias 'n@x.org' or 'm@x.org', "
            "no user with the IMAP login 'n', no user number '9' in context 1",
            id="nobody by any rule",
        ),
        pytest.param([("mail", ["Dora"])], "no user with the address 'Dora' in context 1", id="no hint but for logins"),
    ],
)
def test_who_is_nobody_by_any_rule_is_told_why(ways: list[tuple[By, list[str]]], reason: str) -> None:
    """After the last rule the reason names all that was looked for, or what is known of it."""
    assert identify(known_by("x", *ways), PEOPLE) == reason
    assert matched(known_by("x", *ways), PEOPLE) == reason


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("6", 6), ("1", 1), ("0006", 6), ("X6", None), ("2147483647", 2147483647), ("0" * 5000 + "6", 6),
        ("2147483648", None), ("9" * 5000, None), ("0", None), ("", None), ("-6", None), (" 6", None), ("6.0", None),
        ("٦", None), ("²", None), ("1_0", None),
    ],
)  # fmt: skip
def test_a_user_number_is_one_that_the_column_may_hold(value: str, number: int | None) -> None:
    """Text of any length is a number from 1 to the largest that Open-Xchange has, or none; nothing is an error."""
    assert user_number(value) == number
    assert identify(known_by("x", ("id", [value])), PEOPLE) == number or number in {1, None}


@pytest.mark.parametrize(
    ("by", "what"), [("login", "logins name"), ("mail", "values by mail name"), ("id", "values by id name")]
)
def test_a_member_who_is_two_users_is_told_what_named_them(by: By, what: str) -> None:
    """The reason says by which rule, and names both users with what stands for them."""
    known = users({4: "berta", 5: "carol"})
    values = {"login": ["berta", "carol"], "mail": ["berta@x.org", "carol@x.org"], "id": ["4", "5"]}[by]
    one, two = values
    assert identify(known_by("x", (by, values)), known) == (
        f"ambiguous: its {what} several users of Open-Xchange: {one} (user 4) and {two} (user 5)"
    )


@pytest.mark.parametrize(
    ("ways", "rule"),
    [
        pytest.param([("login", ["berta"])], None, id="the only rule"),
        pytest.param([("login", ["berta"]), ("mail", [])], None, id="what is tried later has no value"),
        pytest.param([("mail", []), ("login", ["berta"])], 0, id="the first has none"),
        pytest.param([("mail", ["n@x.org"]), ("alias", []), ("id", ["6"])], 1, id="the second has none"),
        pytest.param([("mail", []), ("alias", []), ("id", ["6"])], 0, id="the first of two that have none"),
        pytest.param([("mail", ["n@x.org"]), ("id", ["6"])], None, id="the first names nobody"),
        pytest.param([("mail", []), ("login", ["none"])], None, id="no rule names anybody"),
        pytest.param([("mail", []), ("alias", ["shared@x.org"])], None, id="several users are no user"),
    ],
)
def test_a_rule_without_values_before_the_one_that_counts_is_told(
    ways: list[tuple[By, list[str]]], rule: int | None
) -> None:
    """It may have had one that is hidden now, so that somebody else was meant; rules that come later do not matter."""
    one = known_by("x", *ways)
    assert skipped(one, PEOPLE) == (None if rule is None else one.rules[rule])


def test_what_was_not_asked_for_finds_nobody() -> None:
    """Of a kind of values that no source needed the users are not known, which is nobody and no error."""
    found = users({4: "berta"}, found={"mail": {"berta@x.org": (4,)}})
    assert named_by("alias", "berta@x.org", found) == ()
    assert named_by("id", "4", found) == ()
    assert named_by("id", "x", users(found={"id": {"": (4,), "None": (4,)}})) == ()


def test_a_rule_shows_itself_as_configured() -> None:
    """Messages name a rule as the configuration writes it."""
    rule = known_by("x", ("imap_login", ["x"])).rules[0]
    assert str(rule) == "imap_login: {imaplogin}"
    assert str(rule._replace(templates=rule.templates * 2)) == "imap_login: {imaplogin} or {imaplogin}"


VALUES = st.sampled_from(("berta", "b@x.org", "c@x.org", "shared@x.org", "carol", "6", "visitor", "none"))
WAYS = st.tuples(st.sampled_from(("login", "mail", "alias", "imap_login", "id")), st.lists(VALUES, max_size=3))


@given(st.lists(WAYS, min_size=1, max_size=4))
def test_the_first_rule_that_names_anybody_decides(ways: list[tuple[By, list[str]]]) -> None:
    """Whatever the rules and values are, the first that names users decides alone, one user or several."""
    for by, values in ways:
        named = {user for value in values for user in named_by(by, value, PEOPLE)}
        if named:
            found = identify(known_by("x", *ways), PEOPLE)
            assert found == named.pop() if len(named) == 1 else "ambiguous" in str(found)
            return
    assert isinstance(identify(known_by("x", *ways), PEOPLE), str)
