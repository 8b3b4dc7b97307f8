"""Templates: every row of the table in core.template, and what no text or entry may do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.template import FILTERS, InvalidTemplate, Template, attribute, parse

ANNA = {
    "uid": ("anna", "Anna.A"),
    "cn": ("Anna",),
    "mail": ("Anna@Example.org", "no address", "@example.org", "odd@local@example.net", "anna@"),
    "proxyaddresses": ("SMTP:anna@example.org", "smtp:a@example.org", "x500:/o=x", "smtp:"),
    "displayname": (),
    "empty": ("",),
    "1.2.840.1": ("oid",),
    "cn;lang-de": ("Änne",),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("{uid}", ("anna", "Anna.A"), id="each value"),
        pytest.param("{UID}", ("anna", "Anna.A"), id="names in any case"),
        pytest.param("{ cn }", ("Anna",), id="blanks around a name"),
        pytest.param("{1.2.840.1}", ("oid",), id="an OID"),
        pytest.param("{cn;lang-de}", ("Änne",), id="an attribute with an option"),
        pytest.param("{mail:localpart}", ("Anna", "odd@local", "anna"), id="before the last @"),
        pytest.param("{mail:domain}", ("Example.org", "example.org", "example.net"), id="behind the last @"),
        pytest.param("{mail:domain:lower}", ("example.org", "example.net"), id="filters in a row"),
        pytest.param("{uid:lower}", ("anna", "anna.a"), id="lower"),
        pytest.param("{uid:upper}", ("ANNA", "ANNA.A"), id="upper"),
        pytest.param("{proxyAddresses:smtp}", ("anna@example.org", "a@example.org"), id="smtp"),
        pytest.param("{displayName|cn}", ("Anna",), id="the first attribute with a value"),
        pytest.param("{cn|uid}", ("Anna",), id="and no other"),
        pytest.param("{nothing|displayName}", (), id="none has a value"),
        pytest.param("{empty}", (), id="an empty value is none"),
        pytest.param("{empty|cn}", ("Anna",), id="an empty value leaves it to the next"),
        pytest.param("{mail:smtp|cn}", None, id="a filter belongs to all names"),
        pytest.param("shared-{cn}@x.org", ("shared-Anna@x.org",), id="text around"),
        pytest.param("{cn}.{uid}", ("Anna.anna", "Anna.Anna.A"), id="every combination"),
        pytest.param("{cn}{nothing}", (), id="one without a value"),
        pytest.param("{{{cn}}}", ("{Anna}",), id="braces"),
        pytest.param("{{cn}}", ("{cn}",), id="braces around no place"),
        pytest.param("fixed", ("fixed",), id="no place"),
        pytest.param("", ("",), id="nothing"),
    ],
)
def test_a_template_gives_what_its_row_says(text: str, expected: tuple[str, ...] | None) -> None:
    """Each row of the table gives its values, in order and without repetition."""
    if expected is None:
        with pytest.raises(InvalidTemplate, match="unknown filter"):
            parse(text)
    else:
        assert parse(text).values(ANNA) == expected


def test_equal_values_are_given_once() -> None:
    """Values that a filter makes equal are one value."""
    assert parse("{mail:lower}").values({"mail": ("A@x", "a@x")}) == ("a@x",)


def test_letters_are_folded_one_by_one() -> None:
    """Lower case keeps apart what directories keep apart: ß is not ss, and no letter depends on its neighbours."""
    assert parse("{uid:lower}").values({"uid": ("STRAẞE", "ΑΣ")}) == ("straße", "ασ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{uid", "lone '{'"),
        ("uid}", "lone '}'"),
        ("{uid}}", "lone '}'"),
        ("{u{id}", "lone '{'"),
        ("{}", "'' is no attribute name"),
        ("{a b}", "'a b' is no attribute name"),
        ("{uid|}", "'' is no attribute name"),
        ("{9}", "is no attribute name"),
        ("{uid:}", "unknown filter ''"),
        ("{uid:trim}", "unknown filter 'trim'; there are domain, localpart, lower, smtp, upper"),
    ],
)
def test_what_is_no_template_says_why(text: str, words: str) -> None:
    """A text that is no template is refused with the text and what is wrong with it."""
    with pytest.raises(InvalidTemplate) as caught:
        parse(text)
    assert words in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{uid}", "uid"), ("{sAMAccountName}", "samaccountname"), ("{uid:lower}", None), ("{uid|cn}", None), ("x", None)],
)
def test_a_template_that_is_one_attribute_tells_it(text: str, expected: str | None) -> None:
    """Only a template that gives the values of one attribute unchanged can be read without being filled in."""
    assert parse(text).attribute == expected


@pytest.mark.parametrize("text", ["a{uid}", "{uid}a", "{uid}{uid}", ""])
def test_text_beside_an_attribute_is_more_than_the_attribute(text: str) -> None:
    """A template of several parts, or of none, is no bare attribute."""
    assert parse(text).attribute is None


def test_a_template_tells_the_attributes_it_needs() -> None:
    """All alternatives are needed, in lower case, and text is none of them."""
    assert parse("uid-{Mail:lower}{displayName|CN}").attributes == {"mail", "displayname", "cn"}


@pytest.mark.parametrize(("name", "text"), [("uid", "{uid}"), ("{uid:lower}", "{uid:lower}"), ("a-{uid}", "a-{uid}")])
def test_a_bare_name_is_a_template_too(name: str, text: str) -> None:
    """In the configuration `uid` means `{uid}`; whatever has a brace is a template already."""
    assert attribute(name) == parse(text)
    assert str(attribute(name)) == text


@pytest.mark.parametrize("name", ["", "a b", "uid}", "{uid", "ü"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """Neither a name nor a template is an error, not a constant."""
    with pytest.raises(InvalidTemplate):
        attribute(name)


@given(st.text(max_size=20))
def test_any_text_can_be_written_as_a_constant(text: str) -> None:
    """With its braces doubled every text gives itself, whatever the entry has."""
    written = text.replace("{", "{{").replace("}", "}}")
    assert parse(written).values(ANNA) == (text,)
    assert parse(written).attributes == frozenset()


@given(st.text(alphabet="{}|:uidmal ", max_size=12))
def test_a_text_is_a_template_or_refused(text: str) -> None:
    """No text does anything but parse, to the same template each time, or be refused."""
    try:
        found = parse(text)
    except InvalidTemplate:
        return
    assert found == parse(text)
    assert isinstance(found, Template)
    assert all(isinstance(value, str) for value in found.values(ANNA))


@given(
    st.lists(st.sampled_from((*FILTERS, "none")), max_size=3), st.lists(st.text(max_size=8), max_size=4, unique=True)
)
def test_no_value_breaks_a_filter(filters: list[str], values: list[str]) -> None:
    """Whatever a directory stores, filters give texts that are not empty, each once."""
    text = "{a" + "".join(f":{name}" for name in filters if name != "none") + "}"
    found = parse(text).values({"a": tuple(values)})
    assert len(set(found)) == len(found) <= len(values)
    assert "" not in found


@given(st.lists(st.text(min_size=1, max_size=5), max_size=3, unique=True), st.text(alphabet="ab@.", max_size=5))
def test_text_stands_around_each_value(values: list[str], around: str) -> None:
    """A place gives each value between the texts that stand beside it."""
    expected = tuple(f"{around}{value}{around}" for value in values)
    assert parse(around + "{x}" + around).values({"x": values}) == expected
