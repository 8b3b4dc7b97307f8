"""Who a member is: every row of the table in core.identity."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.identity import identify
from tests.core.strategies import LOGINS, member, users

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
