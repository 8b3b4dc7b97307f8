"""DNs, filters and templates, whatever they are: a result, or the one error that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.core import dn as names
from syncd.core import template
from syncd.core.identity import user_number
from syncd.core.patterns import Sieve
from syncd.directory.filter import InvalidFilter, compile_filter
from syncd.directory.search import LiveSearcher, Lost, Query, Refused, Scope
from tests.fuzz.chance import examples
from tests.fuzz.names import ATTRIBUTES, DNS, ENTRIES, FILTERS, TEMPLATES, TEXTS


@examples(300, 30_000)
@given(DNS, DNS)
@example("cn=<\\80", "")
def test_names(dn: str, base: str) -> None:
    """A DN has a normal form, which is its own normal form, and parts; or it is none."""
    try:
        normal = names.normalise(dn)
        parts = names.parse(dn)
    except names.InvalidDN:
        return
    assert names.normalise(normal) == normal
    assert normal.count(",") == max(0, len(parts) - 1)
    first, rest = names.split(dn)
    assert ",".join(filter(None, (names.normalise(first), names.normalise(rest)))) == normal
    assert names.lies_in(normal, normal)
    assert isinstance(names.lies_in(normal, base), bool)


@examples(300, 30_000)
@given(FILTERS, ENTRIES)
@example("(a>=" + "9" * 5000 + ")", {"a": [b"9" * 5000]})
@example("(!" * 51 + "(a=b)" + ")" * 51, {"a": [b"b"]})
@example("(a=\\-2a)", {})
def test_filters_for_exports(text: str, entry: Mapping[str, list[bytes]]) -> None:
    """A filter tells of every entry whether it matches; or it is none."""
    try:
        matches = compile_filter(text)
    except InvalidFilter:
        return
    assert matches(entry) in {True, False}


class Deaf:
    """A connection whose questions are written and then get lost."""

    def __init__(self) -> None:
        self.strategy = self

    def ask(self, write: Callable[[int], bytes]) -> int:
        """Write the question, and lose it."""
        assert isinstance(write(1), bytes)
        raise OSError("lost")


@examples(300, 30_000)
@given(FILTERS, DNS.filter(lambda text: "\ud800" not in text), st.sampled_from(("base", "one", "sub")))
@example("(!" * 51 + "(a=b)" + ")" * 51, "", "base")
@example("(a=**)", "", "base")
def test_filters_for_servers(text: str, base: str, scope: Scope) -> None:
    """A question can be written for a server; or it is refused before."""
    searcher = LiveSearcher(Deaf(), "ldap://localhost", 100)  # type: ignore[arg-type]
    with pytest.raises((Lost, Refused), match="ldap://localhost"):
        list(searcher.search(Query(base, scope, text, ("uid",))))


@examples(300, 30_000)
@given(TEMPLATES, ATTRIBUTES)
def test_templates(text: str, attributes: Mapping[str, Sequence[str]]) -> None:
    """A template gives texts; or it is none."""
    try:
        parsed = template.parse(text)
    except template.InvalidTemplate:
        return
    values = parsed.values(attributes)
    assert all(isinstance(value, str) for value in values)
    assert parsed.attribute is None or {parsed.attribute} == parsed.attributes


@examples(200, 10_000)
@given(TEXTS)
def test_numbers(text: str) -> None:
    """A text is a user's number, or none."""
    assert user_number(text) is None or user_number(text) == int(text.lstrip("0"))


@pytest.mark.parametrize("on", ["mailbox", "group"])
def test_the_sieve_of_an_empty_text_is_one(on: str) -> None:
    """A glob may be empty, and two slashes a regular expression that fits everything."""
    assert Sieve(on, "").expression().fullmatch("")  # type: ignore[arg-type]
    assert Sieve(on, "//").expression().search("x")  # type: ignore[arg-type]


@examples(200, 10_000)
@given(st.lists(DNS, min_size=2, max_size=2))
def test_folding_keeps_what_is_apart(pair: list[str]) -> None:
    """Folding twice is folding once."""
    for text in pair:
        assert names.folded(names.folded(text)) == names.folded(text)
