"""Mailboxes that a run finds out: every row of the tables in core.patterns, and what no entry may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.address import collation_key
from syncd.core.model import Mailbox, Source
from syncd.core.patterns import Pattern, Placing, Sieve, described, sources
from syncd.core.reads import Discovery, Found, Search
from syncd.core.template import attribute, parse
from tests.core.strategies import EXPLICIT, mailbox

SEARCH = Search("", "(description=shared-mailbox)", None, "sub", ("cn", "mail"))
OTHER = Search("", "(other=*)", None, "sub", ("cn", "mail"))
GROUP = Source(kind="group", value="", nested=3)
ALWAYS = Source(kind="users", value="boss", logins=("boss",))
WHERE = "syncd.yaml:7"
BY_NAME = re.compile("^shared-(?P<Team>[a-z]+)$")


def found(name: str = "support", /, **attributes: object) -> Found:
    """Give an entry that describes support@x.org; attributes replace, None leaves one out."""
    given = {"cn": (name,), "mail": (f"{name}@x.org",), **attributes}
    dn = f"cn={name},dc=x"
    return Found(dn, dn, {key: values for key, values in given.items() if values is not None})  # type: ignore[misc]


def pattern(**parts: object) -> Pattern:
    """Give a pattern that finds mailboxes of context 1 by their `mail`; parts replace."""
    prototype = mailbox(address="", key="", sources=(ALWAYS,), exclude=())
    given: dict[str, object] = {"where": WHERE, "mailbox": prototype, "search": SEARCH, "group": GROUP}
    return Pattern(**(given | {"address": attribute("mail")} | parts))  # type: ignore[arg-type]


def placing(by: str, name: str = "") -> Pattern:
    """Give a pattern that names its mailbox, in contexts that are found out."""
    return Pattern(where=WHERE, mailbox=mailbox(context=0), placing=Placing(by=by, name=name))  # type: ignore[arg-type]


def discovered(*entries: Found, search: Search = SEARCH) -> dict[Search, Discovery]:
    """Give what a search found."""
    return {search: Discovery(found=entries)}


def made(one: Pattern, *entries: Found) -> tuple[list[Mailbox], str, frozenset[str]]:
    """Give the mailboxes of a pattern, its problems as one text, and what is known without being managed."""
    result = described([one], discovered(*entries), ())
    return [box for _, box in result.mailboxes], " | ".join(result.problems), result.known


# --------------------------------------------------------------------------- the mailbox's address


def test_an_entry_with_one_address_is_that_mailbox() -> None:
    """Its address and key, the group as its first source, and the place of its mapping are those of the entry."""
    ((box,), problems, known) = made(pattern(), found(mail=("Support@X.org",)))
    assert (box.address, box.key, box.context, box.pattern) == ("Support@X.org", "support@x.org", 1, WHERE)
    assert box.sources == (Source(kind="group", value="cn=support,dc=x", nested=3), ALWAYS)
    assert box.account == EXPLICIT
    assert (problems, known) == ("", frozenset())


def test_a_search_without_groups_gives_mailboxes_with_the_sources_of_the_mapping() -> None:
    """Where entries found are no groups, they are no sources."""
    one = pattern(group=None)
    ((box,), _, _) = made(one, found())
    assert box.sources == (ALWAYS,)
    assert sources([one], discovered(found())) == []


@pytest.mark.parametrize(
    ("mail", "words", "known"),
    [
        pytest.param(None, "mailbox {mail} gives nothing", set(), id="no value"),
        pytest.param(("",), "gives nothing", set(), id="an empty value"),
        pytest.param(("a@x", "B@x"), "gives several values: a@x, B@x", {"a@x", "b@x"}, id="several values"),
        pytest.param(("support",), "'support', which is no address", set(), id="no @"),
        pytest.param(("a@b@c",), "no address", set(), id="two @"),
        pytest.param(("a b@c",), "no address", set(), id="a blank"),
        pytest.param(("<a@c>",), "no address", set(), id="angle brackets"),
        pytest.param(("a\u200b@c",), "no address", set(), id="an invisible character"),
        pytest.param(("a\x00@c",), "no address", set(), id="a control character"),
        pytest.param(("a" * 255 + "@c",), "no address", set(), id="too long for the column"),
    ],
)
def test_an_entry_without_exactly_one_address_is_a_problem(
    mail: tuple[str, ...] | None, words: str, known: set[str]
) -> None:
    """No value, several values and no address are told with file, entry and values; what may be meant did not leave."""
    boxes, problems, unclear = made(pattern(), found(mail=mail), found("sales"))
    assert [box.address for box in boxes] == ["sales@x.org"]
    assert problems.startswith(f"{WHERE}: cn=support,dc=x: ")
    assert words in problems
    assert unclear == known


def test_an_address_as_long_as_the_column_is_one() -> None:
    """256 characters are stored."""
    address = "a" * 254 + "@c"
    assert made(pattern(), found(mail=(address,)))[0][0].address == address


def test_an_address_of_two_entries_is_managed_by_none() -> None:
    """Equal addresses, by the database's collation, are told with both entries, and did not leave."""
    boxes, problems, known = made(pattern(), found("b", mail=("Süpport@x.org",)), found("a", mail=("support@x.org",)))
    assert boxes == []
    assert "cn=a,dc=x and cn=b,dc=x; by none until one is left" in problems
    assert known == {"support@x.org"}


def test_an_address_may_have_a_second_entry_that_was_not_found() -> None:
    """While any search is not complete every mailbox found is in doubt, since another group may have its address."""
    other = SEARCH._replace(filter="(cn=other)")
    patterns = [pattern(), pattern(search=other)]
    for complete in (True, False):
        found_by = discovered(found()) | {other: Discovery(complete=complete, reasons=() if complete else ("limit",))}
        ((_, box),) = described(patterns, found_by, ()).mailboxes
        assert ("not all mailboxes are known" in box.doubt) != complete
        assert not described([placing("all")], {}, ()).mailboxes[0][1].doubt


def test_an_address_that_two_searches_find_is_managed_by_none() -> None:
    """It does not matter which mapping an entry was found by."""
    two = [pattern(), pattern(search=OTHER)]
    result = described(two, discovered(found()) | discovered(found("b", mail=("support@x.org",)), search=OTHER), ())
    assert result.mailboxes == ()
    assert result.known == {"support@x.org"}


@pytest.mark.parametrize("entries", [(found(),), (found(), found("b", mail=("support@x.org",)))])
def test_a_mapping_that_names_the_address_counts(entries: tuple[Found, ...]) -> None:
    """What is found beside a mapping of the same address is a problem for each, and nothing is unclear about it."""
    result = described([pattern()], discovered(*entries), {"support@x.org"})
    assert (result.mailboxes, result.known) == ((), frozenset())
    assert len(result.problems) == len(entries)
    assert all("support@x.org has a mapping of its own, which counts" in problem for problem in result.problems)


def test_a_mapping_whose_contexts_are_found_out_names_its_address_too() -> None:
    """An entry found for the address of a mapping with `context: all` is told; the mapping counts."""
    fixed = placing("all")
    result = described([pattern(), fixed], discovered(found(mail=(fixed.mailbox.address,))), ())
    assert result.mailboxes == ((fixed, fixed.mailbox),)
    assert "has a mapping of its own" in result.problems[0]


def test_a_bad_entry_for_the_address_of_a_mapping_leaves_nothing_unclear() -> None:
    """The mapping says what becomes of its address, so a broken entry beside it does not keep others from leaving."""
    one = pattern(texts={"name": attribute("displayname")})
    assert described([one], discovered(found()), {"support@x.org"}).known == frozenset()


def test_a_search_that_was_not_answered_finds_nothing() -> None:
    """A directory without an answer gives no mailbox and no problem: that it is not complete is told elsewhere."""
    assert described([pattern()], {}, ()) == described([], {}, ())
    assert sources([pattern()], {}) == []


# --------------------------------------------------------------------------- the texts of the account


def test_texts_of_the_account_come_from_the_entry() -> None:
    """Each text that a template gives replaces that of the mapping; the others stay."""
    names = {"name": "displayName|cn", "login": "mail", "personal": "cn", "reply_to": "mail", "transport_login": "cn"}
    one = pattern(texts={name: parse(f"{{{text}}}") for name, text in names.items()})
    ((box,), _, _) = made(one, found(displayname=("The support",)))
    account = box.account
    assert (account.name, account.login, account.personal) == ("The support", "support@x.org", "support")
    assert (account.reply_to, account.transport_login) == ("support@x.org", "support")
    assert (account.mail, account.transport) == (EXPLICIT.mail, EXPLICIT.transport)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param(None, "account.name {displayName} gives nothing", id="nothing"),
        pytest.param(("a", "b"), "gives several values: a, b", id="several"),
        pytest.param(("x" * 257,), "has 257 characters; the column holds 256", id="too long"),
    ],
)
def test_a_text_that_is_not_exactly_one_is_a_problem_of_that_mailbox_alone(
    values: tuple[str, ...] | None, words: str
) -> None:
    """The mailbox is not managed, is known not to have left, and all others are made."""
    one = pattern(texts={"name": attribute("displayName")})
    boxes, problems, known = made(one, found(displayname=values), found("sales", displayname=("Sales",)))
    assert [box.address for box in boxes] == ["sales@x.org"]
    assert "cn=support,dc=x: support@x.org: " in problems
    assert words in problems
    assert known == {"support@x.org"}


@pytest.mark.parametrize(
    ("name", "most"), [("name", 256), ("login", 256), ("personal", 64), ("reply_to", 256), ("transport_login", 256)]
)
def test_a_text_may_be_as_long_as_its_column(name: str, most: int) -> None:
    """What the column holds passes, one character more does not."""
    one = pattern(texts={name: attribute("text")})
    assert made(one, found(text=("ä" * most,)))[0]
    assert made(one, found(text=("ä" * (most + 1),)))[0] == []


# --------------------------------------------------------------------------- expression and sieves


def test_named_groups_of_an_expression_are_attributes() -> None:
    """What the expression does not match is no mailbox and no problem; its groups give the address."""
    one = pattern(expression=("cn", BY_NAME), address=parse("{Team}@x.org"))
    boxes, problems, _ = made(one, found("shared-sales"), found("other"), found("third", cn=None))
    assert [box.address for box in boxes] == ["sales@x.org"]
    assert problems == ""
    assert [source.value for source in sources([one], discovered(found("shared-sales"), found("other")))] == [
        "cn=shared-sales,dc=x"
    ]


@pytest.mark.parametrize("values", list(permutations(("zz", "shared-sales"))))
def test_any_value_may_match_an_expression(values: tuple[str, ...]) -> None:
    """The value that matches gives the groups, wherever the server puts it."""
    one = pattern(expression=("cn", BY_NAME), address=parse("{team}@x.org"))
    assert made(one, found("x", cn=values))[0][0].address == "sales@x.org"


@pytest.mark.parametrize("values", list(permutations(("shared-a", "shared-b"))))
def test_several_values_that_match_are_several_values(values: tuple[str, ...]) -> None:
    """The order of values, which servers do not keep, chooses no address: it is a problem, and both are known."""
    one = pattern(expression=("cn", BY_NAME), address=parse("{team}@x.org"))
    boxes, problems, known = made(one, found("x", cn=values))
    assert boxes == []
    assert "gives several values" in problems
    assert known == {"a@x.org", "b@x.org"}


def test_a_group_that_took_no_part_is_no_attribute() -> None:
    """An optional group without a match leaves it to the alternatives of the template."""
    one = pattern(expression=("cn", re.compile("^shared(-(?P<team>.+))?$")), address=parse("{team|cn}@x.org"))
    assert made(one, found("shared"))[0][0].address == "shared@x.org"


@pytest.mark.parametrize(
    ("on", "text", "fits"),
    [
        pytest.param("mailbox", "support@x.org", True, id="the address itself"),
        pytest.param("mailbox", "SUPPORT@*", True, id="letter case"),
        pytest.param("mailbox", "port@x.org", False, id="a glob is for the whole, from its start"),
        pytest.param("mailbox", "support@x", False, id="a glob is for the whole, to its end"),
        pytest.param("mailbox", "s?pport@[x-z].org", True, id="one character, a range"),
        pytest.param("mailbox", "[!s]*", False, id="not a range"),
        pytest.param("mailbox", "/port@/", True, id="an expression is for any part"),
        pytest.param("mailbox", "/^port@/", False, id="an expression with its own start"),
        pytest.param("mailbox", "/", False, id="one slash is a glob"),
        pytest.param("mailbox", "//", True, id="the empty expression"),
        pytest.param("group", "cn=support,*", True, id="a DN"),
        pytest.param("group", "sup*", True, id="a cn"),
        pytest.param("group", "/^cn=sup/", True, id="a DN by expression"),
        pytest.param("group", "port", False, id="no part of a cn"),
        pytest.param("group", "support@x.org", False, id="a group is no address"),
    ],
)
def test_a_sieve_lets_through_what_fits(on: str, text: str, *, fits: bool) -> None:
    """Globs hold for the whole address, DN or cn, expressions for a part, in any letter case; both ways round."""
    sieve = Sieve(on, text)  # type: ignore[arg-type]
    entry = found()
    for one, passes in ((pattern(include=(sieve,)), fits), (pattern(exclude=(sieve,)), not fits)):
        assert bool(made(one, entry)[0]) is passes
        assert bool(sources([one], discovered(entry))) is passes
        assert made(one, entry)[1:] == ("", frozenset())


def test_an_exclusion_counts_before_an_inclusion() -> None:
    """What fits both is out; what fits one of several inclusions is in."""
    include = (Sieve("mailbox", "sales@*"), Sieve("group", "s*"))
    one = pattern(include=include, exclude=(Sieve("mailbox", "sales@*"),))
    assert [box.address for box in made(one, found(), found("sales"), found("other"))[0]] == ["support@x.org"]


@pytest.mark.parametrize(
    "sieves",
    [
        {"include": (Sieve("mailbox", "*@x.org"),)},
        {"exclude": (Sieve("mailbox", "sales@*"),)},
        {"exclude": (Sieve("mailbox", "*"),)},
    ],
)
def test_an_entry_without_an_address_is_told_whatever_sieves_there_are(sieves: Mapping[str, tuple[Sieve, ...]]) -> None:
    """Whether a hidden address fits is not known, so the entry is a problem and does not vanish in silence."""
    assert "gives nothing" in made(pattern(**sieves), found(mail=None))[1]


def test_a_sieve_on_groups_holds_for_an_entry_without_an_address() -> None:
    """What a sieve says of a group is known without the address, and then there is no problem."""
    assert made(pattern(exclude=(Sieve("group", "support"),)), found(mail=None)) == ([], "", frozenset())
    assert made(pattern(include=(Sieve("group", "sales"),)), found(mail=None)) == ([], "", frozenset())


@pytest.mark.parametrize("mail", list(permutations(("support@x.org", "secret@x.org"))))
def test_the_order_of_several_addresses_lets_nothing_through(mail: tuple[str, ...]) -> None:
    """An entry with several addresses is a problem in either order, not excluded by the one that comes first."""
    for sieves in ({"exclude": (Sieve("mailbox", "secret@*"),)}, {"include": (Sieve("mailbox", "support@*"),)}):
        assert "several values" in made(pattern(**sieves), found(mail=mail))[1]
    assert made(pattern(exclude=(Sieve("mailbox", "*@x.org"),)), found(mail=mail))[1] == ""


@given(
    st.dictionaries(
        st.sampled_from(("cn", "mail", "displayname")), st.lists(st.text(max_size=9), max_size=3).map(tuple)
    ),
    st.text(alphabet="ab*?[]!-\\/@.", max_size=6).filter(lambda text: not text.startswith("/")),
)
def test_no_entry_breaks_a_pattern(attributes: dict[str, tuple[str, ...]], glob: str) -> None:
    """Whatever values an entry has and a glob says, it is a mailbox, a problem, or left out, the same each time."""
    one = pattern(
        expression=("cn", re.compile("(?P<team>.?)")),
        texts={"name": parse("{displayName|team|cn}")},
        exclude=(Sieve("mailbox", glob), Sieve("group", glob)),
    )
    entry = Found("cn=a,dc=x", "cn=a,dc=x", attributes)
    boxes, problems, known = made(one, entry)
    assert len(boxes) + bool(problems) <= 1
    for box in boxes:
        assert box.key == collation_key(box.address)
        assert (box.address,) == tuple(filter(None, dict.fromkeys(attributes["mail"])))
        assert known == frozenset()
    backwards = Found(entry.dn, entry.key, {name: values[::-1] for name, values in attributes.items()})
    assert bool(made(one, backwards)[0]) is bool(boxes)
