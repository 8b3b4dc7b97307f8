"""Normal forms of distinguished names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.dn import InvalidDN, lies_in, normalise, parse, split

TYPES = st.sampled_from(["cn", "uid", "ou", "dc", "CN", "Uid", "description", "2.5.4.3", "OID.2.5.4.11"])
VALUES = st.text(
    st.one_of(st.sampled_from(list(',+"\\<>;#= abAB.-')), st.characters(codec="utf-8", exclude_categories=("Cs",))),
    min_size=1,
    max_size=12,
)


def escape_characters(value: str) -> str:
    """Escape as RFC 4514 section 2.4 does: a backslash before special characters."""
    out = ""
    for index, char in enumerate(value):
        at_end = index in (0, len(value) - 1)
        special = char in ',+"\\<>;=' or (char == "#" and index == 0) or (char == " " and at_end)
        out += f"\\{char}" if special else ("\\00" if char == "\0" else char)
    return out


def escape_octets(value: str) -> str:
    """Escape every octet as a hexadecimal pair."""
    return "".join(f"\\{octet:02X}" for octet in value.encode())


RDNS = st.lists(st.lists(st.tuples(TYPES, VALUES), min_size=1, max_size=2), min_size=1, max_size=4)


def write(
    rdns: list[list[tuple[str, str]]], escape: object, plus: str = "+", comma: str = ",", equals: str = "="
) -> str:
    """Write a DN with the given separators."""
    assert callable(escape)
    return comma.join(plus.join(f"{kind}{equals}{escape(value)}" for kind, value in rdn) for rdn in rdns)


@given(RDNS)
def test_all_spellings_are_one(rdns: list[list[tuple[str, str]]]) -> None:
    """Escapes by character or octet, blanks at separators, case of types and order within an RDN do not matter."""
    plain = normalise(write(rdns, escape_characters))
    assert normalise(write(rdns, escape_octets)) == plain
    assert normalise(write(rdns, escape_characters, plus=" + ", comma=" ,  ", equals=" = ")) == plain
    assert normalise(write(rdns, escape_characters, comma=";")) == plain
    swapped = [[(kind.swapcase().replace("oid.", "OID."), value) for kind, value in reversed(rdn)] for rdn in rdns]
    assert normalise(write(swapped, escape_octets)) == plain


@given(RDNS)
def test_a_normal_form_is_its_own_normal_form(rdns: list[list[tuple[str, str]]]) -> None:
    """Normalising twice is normalising once."""
    once = normalise(write(rdns, escape_characters))
    assert normalise(once) == once


@given(RDNS, RDNS)
def test_different_names_differ(one: list[list[tuple[str, str]]], two: list[list[tuple[str, str]]]) -> None:
    """Names are equal exactly when their parsed parts are equal, so that no separator can be smuggled in by a value."""
    a, b = normalise(write(one, escape_characters)), normalise(write(two, escape_octets))
    if a == b:
        assert len(one) == len(two)
        assert [len(rdn) for rdn in one] == [len(rdn) for rdn in two]
    assert a.count(",") == len(one) - 1


@given(VALUES)
def test_letter_case_of_values_does_not_matter(value: str) -> None:
    """Upper and lower case of a plain value are the same name."""
    if value.isascii():
        assert normalise(f"cn={escape_octets(value.upper())}") == normalise(f"cn={escape_octets(value.lower())}")


@given(RDNS)
def test_parse_gives_the_values_as_written(rdns: list[list[tuple[str, str]]]) -> None:
    """Parsing gives back what was escaped."""
    parsed = parse(write(rdns, escape_octets))
    assert [[value for _, value in rdn] for rdn in parsed] == [[value for _, value in rdn] for rdn in rdns]


@given(RDNS)
def test_split_cuts_at_the_first_separator(rdns: list[list[tuple[str, str]]]) -> None:
    """The first RDN and the rest, joined again, are the same name."""
    text = write(rdns, escape_characters)
    first, rest = split(text)
    assert normalise(f"{first},{rest}" if rest else first) == normalise(text)
    assert len(parse(first)) == 1
    assert len(parse(rest)) == len(rdns) - 1


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    """No text makes the parser fail in another way than InvalidDN."""
    for function in (normalise, parse, split):
        try:
            function(text)
        except InvalidDN:
            continue


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Doe\\, John,OU=People,DC=Example,DC=org", 'cn="doe, john",ou=people,dc=example,dc=org'),
        ("cn=a  b,dc=x", "cn=A B,dc=X"),
        ("cn=\\ a\\ ,dc=x", "cn=a,dc=x"),
        ("cn=Jürgen,dc=x", "CN=J\\C3\\BCRGEN,dc=x"),
        ("cn=Ju\u0308rgen,dc=x", "cn=Jürgen,dc=x"),
        ("cn=#04024869,dc=x", "cn=Hi,dc=x"),
        ("2.5.4.3=a,dc=x", "commonName=a,dc=x"),
        ("userid=a,dc=x", "uid=a,dc=x"),
        ("cn=a+uid=b,dc=x", "UID=b + CN=A, dc=x"),
        ("cn=a/b:c,dc=x", "cn=A/B:C,dc=x"),
        ("", " "),
    ],
)
def test_equal_names(one: str, other: str) -> None:
    """Two spellings of one name have one normal form."""
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=a\\,b,dc=x", "cn=a,cn=b,dc=x"),
        ("cn=a\\+cn=b,dc=x", "cn=a+cn=b,dc=x"),
        ("cn=a b,dc=x", "cn=ab,dc=x"),
        ("cn=a,dc=x", "uid=a,dc=x"),
        ("cn=\\5c2c,dc=x", "cn=\\2c,dc=x"),
        ("cn=\\#41,dc=x", "cn=A,dc=x"),
    ],
)
def test_different_names(one: str, other: str) -> None:
    """Names that are not the same entry have different normal forms."""
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    "text", ["a", "cn=a,", "=a", "cn=a,b", 'cn="a', 'cn="a"b', "cn=a\\", "cn=#0g", "c n=a", "1.=a"]
)
def test_no_names(text: str) -> None:
    """What is no DN is refused."""
    with pytest.raises(InvalidDN):
        normalise(text)


@pytest.mark.parametrize(("one", "other"), [("cn=Strauß,dc=x", "cn=Strauss,dc=x"), ("cn=νικος,dc=x", "cn=νικοσ,dc=x")])
def test_names_that_servers_keep_apart_stay_apart(one: str, other: str) -> None:
    """Letters that only a full case folding holds for equal are two entries (OpenLDAP folds letter by letter)."""
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    ("one", "other"), [("cn=ΝΙΚΟΣ,dc=x", "cn=νικοσ,dc=x"), ("cn=STRAUẞ,dc=x", "cn=strauß,dc=x"), ("cn=ÄÖ", "cn=äö")]
)
def test_letter_case_beyond_ascii_does_not_matter(one: str, other: str) -> None:
    """Upper and lower case of one letter are the same name, wherever in a word they stand."""
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("dn", "base", "inside"),
    [
        ("dc=x", "dc=x", True),
        ("uid=a,dc=x", "dc=x", True),
        ("dc=xx", "dc=x", False),
        ("uid=a,dc=xdc=x", "dc=x", False),
        ("dc=x", "uid=a,dc=x", False),
    ],
)
def test_what_lies_in_a_base(dn: str, base: str, inside: bool) -> None:
    """A name lies in another when it ends with all of its parts; what only ends with its letters does not."""
    assert lies_in(dn, base) is inside


def test_octets_that_are_no_utf_8_are_kept_however_they_are_written() -> None:
    """An octet that is no text may be escaped or not, beside other escapes or alone: it is the same name."""
    raw = b"cn=a\x80,dc=x".decode("utf-8", "surrogateescape")
    assert normalise(raw) == normalise("cn=a\\80,dc=x") == raw
    assert normalise(raw.replace("a", "a\\2b")) == normalise("cn=a\\2b\\80,dc=x")
