"""What of a mapping must be together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settings.configurations import MISSING, VALID, Loader, Steps

MAPPING = VALID["mappings"][0]
ACCOUNT: Steps = ("mappings", 0, "account")
CONTEXT: Steps = ("mappings", 0, "context")
SOURCE: Steps = ("mappings", 0, "sources", 0)
CONFIGDB = (("openxchange", "configdb"), {"url": "mysql+pymysql://syncd@db.example.org/configdb"})
DISCOVER: dict[str, Any] = {"filter": "(a=b)", "mailbox": "{mail}"}
FOUND: tuple[tuple[Steps, object], ...] = (
    (("mappings", 0, "mailbox"), MISSING),
    (("mappings", 0, "sources"), MISSING),
    (("mappings", 0, "discover"), DISCOVER),
)
SEVERAL: tuple[tuple[Steps, object], ...] = (
    (("directory",), MISSING),
    (("directories",), {"hq": VALID["directory"], "sub": VALID["directory"]}),
)


def starts(loader: Loader, path: Steps) -> str:
    """Give how a problem at a path begins."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    return f"syncd.yaml:{loader.lines[path]}: {shown}: "


# --------------------------------------------------------------------------- mailbox or discover


def test_a_mapping_has_a_mailbox_or_discovers_them(loader: Loader) -> None:
    """Both or neither is a problem; beside discover no sources are needed."""
    [both] = loader.problems((("mappings", 0, "discover"), DISCOVER))
    assert both.startswith(f"syncd.yaml:{loader.lines['mappings', 0, 'discover']}: mappings[0]: give either mailbox or")
    [neither] = loader.problems((("mappings", 0, "mailbox"), MISSING))
    assert neither.endswith('mappings[0]: missing key "mailbox" (or discover)')
    [misspelt] = loader.problems((("mappings", 0, "mailbox"), MISSING), (("mappings", 0, "mialbox"), "a@b.org"))
    assert 'did you mean "mailbox"?' in misspelt
    assert loader(*FOUND).patterns()


@pytest.mark.parametrize(
    ("value", "below", "words"),
    [
        ({"mailbox": "{mail}"}, (), 'missing key "filter"'),
        ({"filter": "(a=b)"}, (), 'missing key "mailbox"'),
        ({**DISCOVER, "filter": "a=b"}, ("filter",), "stands in parentheses"),
        ({**DISCOVER, "mailbox": "mail"}, ("mailbox",), "must have a placeholder in braces such as {mail}, not 'mail'"),
        ({**DISCOVER, "mailbox": "{mail:loud}"}, ("mailbox",), "unknown filter 'loud'"),
        ({**DISCOVER, "base": "groups"}, ("base",), "no '='"),
        ({**DISCOVER, "scope": "deep"}, ("scope",), "must be base, one or sub"),
        ({**DISCOVER, "match": {"cn": "("}}, ("match",), "is no regular expression: missing )"),
        ({**DISCOVER, "match": {"cn": "a", "ou": "b"}}, ("match",), "must be one attribute with a regular expression"),
        ({**DISCOVER, "match": "cn"}, ("match",), "must be one attribute with a regular expression"),
        ({**DISCOVER, "match": {"c n": "a"}}, ("match",), "is not the name of an LDAP attribute"),
        ({**DISCOVER, "match": {"cn": 5}}, ("match",), "must be a text, not 5; put it in quotes"),
        ({**DISCOVER, "match": {"cn": "a{9999999999999}"}}, ("match",), "is no regular expression"),
        ({**DISCOVER, "account": {"name": "{"}}, ("account", "name"), "a lone '{'"),
        ({**DISCOVER, "account": {"nmae": "x"}}, ("account",), 'did you mean "name"?'),
        ({**DISCOVER, "include": [{"mailbox": "/(/"}]}, ("include", 0, "mailbox"), "is no regular expression"),
        ({**DISCOVER, "include": [{}]}, ("include", 0), "exactly one of mailbox or group"),
        ({**DISCOVER, "exclude": [{"mailbox": "a", "group": "b"}]}, ("exclude", 0), "not mailbox and group together"),
        ({**DISCOVER, "exclude": "x"}, ("exclude",), "must be a list, not a text"),
    ],
)
def test_a_search_is_checked(loader: Loader, value: object, below: Steps, words: str) -> None:
    """Each mistake is one problem at its place below discover."""
    [problem] = loader.problems(*FOUND, (("mappings", 0, "discover"), value))
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in below)
    assert f": mappings[0].discover{shown}: " in problem
    assert words in problem


@pytest.mark.parametrize("key", ["name", "login", "personal", "reply_to"])
def test_beside_discover_texts_of_the_account_are_templates(loader: Loader, key: str) -> None:
    """A brace without its other is a problem in the line of the text; elsewhere it is a brace."""
    [problem] = loader.problems(*FOUND, ((*ACCOUNT, key), "{mail"))
    assert problem.startswith(starts(loader, (*ACCOUNT, key)))
    assert "a lone '{'; write it twice" in problem
    assert loader(((*ACCOUNT, key), "{mail")).mailboxes()


def test_the_transport_s_login_is_a_template_too(loader: Loader) -> None:
    """It is checked as the others; one that discover gives needs a transport to stand in."""
    path = (*ACCOUNT, "transport", "login")
    [problem] = loader.problems(*FOUND, (path, "mail}"))
    assert problem.startswith(starts(loader, path))
    found = (("mappings", 0, "discover"), {**DISCOVER, "account": {"transport": {"login": "{mail}"}}})
    [problem] = loader.problems(*FOUND, found, ((*ACCOUNT, "transport"), MISSING))
    assert "mappings[0].discover.account.transport: needs account.transport with a server" in problem


@pytest.mark.parametrize("key", ["name", "login"])
def test_name_and_login_are_given_here_or_there(loader: Loader, key: str) -> None:
    """Beside discover either account may have them."""
    [problem] = loader.problems(*FOUND, ((*ACCOUNT, key), MISSING))
    assert problem.startswith(starts(loader, ACCOUNT))
    assert problem.endswith(f'missing key "{key}" (here or in discover.account)')
    there = (("mappings", 0, "discover"), {**DISCOVER, "account": {key: "{cn}"}})
    [pattern] = loader(*FOUND, there, ((*ACCOUNT, key), MISSING)).patterns()
    assert pattern.texts[key].text == "{cn}"


# --------------------------------------------------------------------------- context


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ("some", "must be a whole number from 1 to 4294967295, not 'some'; or all, or one of {name: ...}"),
        (True, "must be a whole number"),
        ([1], "not a list; or all"),
        ({}, "must have exactly one of name, mapping, attribute, domain"),
        ({"name": "a", "domain": "b"}, "must have exactly one of"),
        ({"nmae": "a"}, "must have exactly one of"),
        ({"name": ""}, "name must not be empty"),
        ({"name": 5}, "name must be a text, not 5; put it in quotes"),
        ({"attribute": "o x"}, "'o x' is no attribute name"),
        ({"attribute": "{o"}, "a lone '{'"),
        ({"domain": "{mail}"}, "domain must be the name of an LDAP attribute, such as mail"),
    ],
)
def test_a_context_that_is_none_is_a_problem(loader: Loader, context: object, words: str) -> None:
    """What may stand there is said with it."""
    [problem] = loader.problems((CONTEXT, context), CONFIGDB)
    assert problem.startswith(starts(loader, CONTEXT))
    assert words in problem


@pytest.mark.parametrize("way", ["name", "mapping", "domain"])
def test_names_of_contexts_need_the_configdb(loader: Loader, way: str) -> None:
    """They are looked up there; without it the mapping could never have a context."""
    [problem] = loader.problems((CONTEXT, {way: "mail"}))
    assert problem.startswith(starts(loader, CONTEXT))
    assert problem.endswith(f"a context by {way} is looked up in the configdb; give openxchange.configdb")
    assert loader((CONTEXT, {way: "mail"}), CONFIGDB).warnings == ()


def test_an_attribute_may_hold_the_number_of_a_context(loader: Loader) -> None:
    """Without the configdb only numbers are understood, which is worth a warning."""
    [warning] = loader((CONTEXT, {"attribute": "oxContext"})).warnings
    assert warning.startswith(f"{loader.path}:{loader.lines[CONTEXT]}: mappings[0].context: without")
    assert loader((CONTEXT, {"attribute": "oxContext"}), CONFIGDB).warnings == ()
    assert loader((CONTEXT, "all")).warnings == ()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (1, 1, True),
        (1, 2, False),
        (1, "all", False),
        ({"name": "acme"}, 1, False),
        ("all", "all", True),
        ("all", {"name": "acme"}, True),
        ({"attribute": "o"}, {"domain": "mail"}, True),
        ({"attribute": "o"}, {"mapping": "acme"}, True),
        ({"name": "acme"}, {"name": "other"}, False),
        ({"name": "acme"}, {"mapping": "ACME"}, True),
    ],
)
def test_two_mappings_of_a_mailbox_never_mean_the_same_context(
    loader: Loader, first: object, second: object, same: bool
) -> None:
    """Each row of the table; where nobody could tell which one counts, both lines are named."""
    changes = ((CONTEXT, first), (("mappings", 1), {**MAPPING, "context": second}), CONFIGDB)
    if not same:
        assert len(loader(*changes).mappings) == 2
        return
    [problem] = loader.problems(*changes)
    assert problem.startswith(starts(loader, ("mappings", 1, "mailbox")))
    assert f"the same mailbox and context as in line {loader.lines['mappings', 0, 'mailbox']};" in problem


# --------------------------------------------------------------------------- directories, sources


@pytest.mark.parametrize("kind", ["sources", "exclude"])
def test_with_several_directories_a_mapping_says_which(loader: Loader, kind: str) -> None:
    """One problem a mapping, wherever its sources of the directory stand; an unknown name is told with the known."""
    only = ((("mappings", 0, "sources"), [{"users": ["anna"]}]), (("mappings", 0, kind), [{"group": "cn=x"}] * 2))
    [problem] = loader.problems(*SEVERAL, *only)
    assert problem.endswith('mappings[0]: missing key "directory"; there are hq, sub')
    [problem] = loader.problems(*SEVERAL, *only, (("mappings", 0, "directory"), "hk"))
    assert problem.startswith(f"syncd.yaml:{loader.lines['mappings', 0, 'directory']}: mappings[0]: ")
    assert problem.endswith("unknown directory 'hk'; there are hq, sub")
    own = [{"group": "cn=x", "directory": "sub"}]
    assert loader(*SEVERAL, (("mappings", 0, "sources"), own), (("mappings", 0, kind), own))


def test_a_search_is_made_in_a_directory(loader: Loader) -> None:
    """With several, discover needs the mapping's even without further sources."""
    [problem] = loader.problems(*SEVERAL, *FOUND)
    assert problem.endswith('mappings[0]: missing key "directory"; there are hq, sub')


@pytest.mark.parametrize("path", [("mappings", 0), SOURCE])
def test_the_only_directory_has_no_name(loader: Loader, path: Steps) -> None:
    """A name where there is `directory:` cannot be right."""
    [problem] = loader.problems(((*path, "directory"), "hq"))
    assert problem.startswith(f"syncd.yaml:{loader.lines[(*path, 'directory')]}: ")
    assert problem.endswith("unknown directory 'hq'; there is only one, which has no name")


@pytest.mark.parametrize(
    ("source", "below", "words"),
    [
        ({"users": []}, ("users",), "must not be empty"),
        ({"users": "anna"}, ("users",), "must be a list, not a text"),
        ({"users": ["anna", ""]}, ("users", 1), "must not be empty"),
        ({"users": [4711]}, ("users", 0), "must be a text, not 4711; put it in quotes"),
        ({"ox_group": True}, ("ox_group",), "must be the id of a group (a whole number from 0) or its name, not true"),
        ({"ox_group": -1}, ("ox_group",), "must be the id of a group"),
        ({"ox_group": ""}, ("ox_group",), "must not be empty"),
        ({"attribute": "memberOf"}, ("attribute",), "must be ATTRIBUTE=VALUE"),
        ({"attribute": "=x"}, ("attribute",), "must be ATTRIBUTE=VALUE"),
        ({"attribute": "memberOf="}, ("attribute",), "must be ATTRIBUTE=VALUE"),
        ({"users": ["a"], "ox_group": 0}, (), "not ox_group and users together"),
        ({"users": ["a"], "base": "dc=x"}, (), "base goes with filter and attribute, not with users"),
        ({"ox_group": 0, "directory": "hq"}, (), "directory does not go with ox_group"),
        ({"gorup": "cn=x"}, (), 'did you mean "group"?'),
    ],
)
def test_a_source_is_checked(loader: Loader, source: object, below: Steps, words: str) -> None:
    """Each mistake is one problem at its place below the source."""
    [problem] = loader.problems((SOURCE, source))
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in below)
    assert f": mappings[0].sources[0]{shown}: " in problem
    assert words in problem
