"""What a mapping that leaves something to be found out becomes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from syncd.core.address import collation_key
from syncd.core.limits import Grace, Limits, Share
from syncd.core.model import Account, Contexts, Endpoint, Mailbox, Rule, Source
from syncd.core.patterns import Pattern, Placing, Sieve, described, placed
from syncd.core.reads import Discovery, Found, Search
from syncd.core.template import attribute, parse
from tests.settings.configurations import CAREFUL, MISSING, VALID, Loader, Steps

MAPPING = VALID["mappings"][0]
ACCOUNT: Steps = ("mappings", 0, "account")
CONFIGDB = (("openxchange", "configdb"), {"url": "mysql+pymysql://syncd@db.example.org/configdb"})
DISCOVER: dict[str, Any] = {"filter": "(a=b)", "mailbox": "{mail}"}
FOUND = (
    (("mappings", 0, "mailbox"), MISSING),
    (("mappings", 0, "sources"), MISSING),
    (("mappings", 0, "discover"), DISCOVER),
)


def test_a_mapping_with_address_and_context_is_no_pattern(loader: Loader) -> None:
    """What is written down whole needs no run to be known."""
    settings = loader()
    assert (len(settings.mailboxes()), settings.patterns()) == (1, ())


@pytest.mark.parametrize(
    ("context", "placing", "chooser"),
    [
        ("all", Placing(by="all"), None),
        ({"name": "acme"}, Placing(by="name", name="acme"), None),
        ({"mapping": "acme.com"}, Placing(by="name", name="acme.com"), None),
        ({"attribute": "oxContext"}, Placing(by="members"), "{oxContext}"),
        ({"attribute": "{o|ou:lower}"}, Placing(by="members"), "{o|ou:lower}"),
        ({"domain": "mail"}, Placing(by="members"), "{mail:domain}"),
    ],
)
def test_a_context_that_is_found_out_makes_a_pattern(
    loader: Loader, context: object, placing: Placing, chooser: str | None
) -> None:
    """How the context is found out is its placing, and where members choose, sources and exclusions say by what."""
    barred = (("mappings", 0, "exclude"), [{"filter": "(a=b)"}])
    settings = loader((("mappings", 0, "context"), context), CONFIGDB, barred)
    assert settings.mailboxes() == ()
    [pattern] = settings.patterns()
    assert pattern == Pattern(
        where=settings.where("mappings", 0),
        placing=placing,
        mailbox=Mailbox(
            address="support@mycompany.com",
            key=collation_key("support@mycompany.com"),
            context=0,
            account=Account(
                name="Support",
                login="support@mycompany.com",
                mail=Endpoint("imap://imap.mycompany.com:143", False),
                transport=Endpoint("smtp://smtp.mycompany.com:25", False),
            ),
            sources=(
                Source(
                    kind="group",
                    value="cn=support,ou=groups,dc=example,dc=org",
                    chooser=None if chooser is None else parse(chooser),
                ),
            ),
            exclude=(Source(kind="filter", value="(a=b)", chooser=None if chooser is None else parse(chooser)),),
            where=settings.where("mappings", 0),
            **CAREFUL,
        ),
    )


def test_the_smallest_search_gives_every_default(loader: Loader) -> None:
    """Each group found is the source of its mailbox; the search asks for what the templates need, and for cn."""
    settings = loader(*FOUND, ((*ACCOUNT, "name"), "{displayName|CN}"), ((*ACCOUNT, "transport"), MISSING))
    assert settings.mailboxes() == ()
    assert settings.patterns() == (
        Pattern(
            where=settings.where("mappings", 0),
            mailbox=Mailbox(
                address="",
                key="",
                context=1,
                account=Account(
                    name="", login="", mail=Endpoint("imap://imap.mycompany.com:143", False), transport=None
                ),
                where=settings.where("mappings", 0),
                **CAREFUL,
            ),
            search=Search("", "(a=b)", None, "sub", ("cn", "displayname", "mail")),
            address=parse("{mail}"),
            texts={"name": parse("{displayName|CN}"), "login": parse("support@mycompany.com")},
            group=Source(kind="group", value=""),
        ),
    )


def test_everything_that_a_search_says_arrives(loader: Loader) -> None:
    """Each key has its place in the core's value; discover.account goes before the mapping's account."""
    discover = {
        **DISCOVER,
        "base": "ou=groups,dc=org",
        "scope": "one",
        "match": {"CN": "^shared-(?P<Team>.+)$"},
        "account": {"name": "{team}", "personal": "{o}", "reply_to": "r@{dc}", "transport": {"login": "{uid}"}},
        "include": [{"mailbox": "*@a.org"}, {"group": "/^cn=shared-/"}],
        "exclude": [{"group": "x*"}],
    }
    [pattern] = loader(
        *FOUND,
        (("mappings", 0, "discover"), discover),
        ((*ACCOUNT, "login"), "{mail:localpart}"),
        ((*ACCOUNT, "personal"), "not this"),
        ((*ACCOUNT, "transport", "login"), "nor this"),
        (("mappings", 0, "context"), {"domain": "mail"}),
        (("mappings", 0, "sources"), [{"users": ["anna", "bernd"]}]),
        (("mappings", 0, "users"), {"login": "uid"}),
        (("mappings", 0, "nested"), 2),
        (("mappings", 0, "limits"), {"removals": {"percent": 1, "floor": 2}}),
        CONFIGDB,
    ).patterns()
    rules = (Rule("login", (attribute("uid"),)),)
    assert pattern.search == Search("", "(a=b)", "ou=groups,dc=org", "one", ("cn", "dc", "mail", "o", "uid"))
    assert pattern.expression == ("cn", re.compile("^shared-(?P<Team>.+)$", re.IGNORECASE))
    assert pattern.texts == {
        "name": parse("{team}"),
        "login": parse("{mail:localpart}"),
        "personal": parse("{o}"),
        "reply_to": parse("r@{dc}"),
        "transport_login": parse("{uid}"),
    }
    assert (pattern.include, pattern.exclude) == (
        (Sieve("mailbox", "*@a.org"), Sieve("group", "/^cn=shared-/")),
        (Sieve("group", "x*"),),
    )
    assert pattern.group == Source(kind="group", value="", rules=rules, chooser=parse("{mail:domain}"), nested=2)
    assert pattern.placing == Placing(by="members")
    assert pattern.mailbox.sources == (Source(kind="users", value="anna, bernd", logins=("anna", "bernd")),)
    assert pattern.mailbox.limits == Limits(removals=Share(percent=1, floor=2, most=200))


def test_found_mailboxes_are_as_careful_as_their_mapping(loader: Loader) -> None:
    """What the mapping says of place, limits, grace and writing is that of every mailbox made from it."""
    mapping: Steps = ("mappings", 0)
    changes = ((*mapping, "sensitive"), True), ((*mapping, "mode"), "staging"), ((*mapping, "grace"), {"reads": 4})
    everywhere = ((*mapping, "context"), "all")
    settings = loader(*FOUND, *changes, everywhere, ((*mapping, "limits"), {"additions": 5}))
    [pattern] = settings.patterns()
    assert pattern.search is not None
    entry = Found("cn=a,dc=org", "a", {"cn": ("a",), "mail": ("a@b.org",)})
    [(_, found)] = described([pattern], {pattern.search: Discovery(found=(entry,))}, ()).mailboxes
    boxes, problem = placed(pattern, found, Contexts(frozenset({1, 2}), {}), (), ())
    assert ([box.context for box in boxes], problem) == ([1, 2], "")
    for box in boxes:
        assert (box.where, box.pattern) == (settings.where("mappings", 0), settings.where("mappings", 0))
        assert (box.grace, box.sensitive, box.staging) == (Grace(reads=4), True, True)
        assert box.limits.additions == Share(percent=0, floor=5)


def test_an_attribute_that_must_match_is_asked_for_though_a_group_is_called_like_it(loader: Loader) -> None:
    """A named group hides the attribute of its name, but not the one it is taken from."""
    match = {"description": "(?P<description>x)(?P<cn>y)(?P<mail>z)"}
    [pattern] = loader(*FOUND, (("mappings", 0, "discover"), {**DISCOVER, "match": match})).patterns()
    assert pattern.search is not None
    assert pattern.search.attributes == ("cn", "description")


@pytest.mark.parametrize("text", ["a {brace}", "{", "}}"])
def test_without_discover_a_brace_is_a_brace(loader: Loader, text: str) -> None:
    """Only found mailboxes have templates in their account."""
    assert loader(((*ACCOUNT, "name"), text)).mailboxes()[0].account.name == text
    [pattern] = loader(((*ACCOUNT, "name"), text), (("mappings", 0, "context"), "all")).patterns()
    assert (pattern.mailbox.account.name, pattern.texts) == (text, {})


def test_passwords_of_patterns_are_read(loader: Loader) -> None:
    """They are read as those of other mailboxes, and all that cannot be are told."""
    obfuscation = (("openxchange", "obfuscation"), {"format": "argon2", "key": {"file": "key"}})
    password = ((*ACCOUNT, "password"), {"env": "PW"})
    [pattern] = loader(*FOUND, obfuscation, password, PW="hush").patterns()
    assert pattern.mailbox.account.password is not None
    assert pattern.mailbox.account.password.reveal() == "hush"
    settings = loader(*FOUND, obfuscation, password, ((*ACCOUNT, "transport", "password"), {"env": "OTHER"}))
    assert settings.mailboxes() == ()
    assert len(loader.refused(settings.patterns)) == 2


# --------------------------------------------------------------------------- sources, directories


def test_every_kind_of_source_arrives(loader: Loader) -> None:
    """Sources of Open-Xchange and of nobody have no directory and no rules; a login given twice counts once."""
    [mailbox] = loader(
        (
            ("mappings", 0, "sources"),
            [
                {"attribute": "memberOf=cn=x,dc=org", "base": "ou=p,dc=org", "scope": "one"},
                {"ox_group": 0},
                {"ox_group": "sales"},
                {"users": ["anna", "Anna", "anna"]},
            ],
        ),
        (("mappings", 0, "users"), {"rules": [{"mail": "mail"}]}),
        (("mappings", 0, "exclude"), [{"ox_group": 7}]),
    ).mailboxes()
    assert mailbox.sources == (
        Source(
            kind="attribute",
            value="memberOf=cn=x,dc=org",
            base="ou=p,dc=org",
            scope="one",
            rules=(Rule("mail", (attribute("mail"),)),),
        ),
        Source(kind="ox_group", value="0", context=1),
        Source(kind="ox_group", value="sales", context=1),
        Source(kind="users", value="anna, Anna", logins=("anna", "Anna")),
    )
    assert mailbox.exclude == (Source(kind="ox_group", value="7", context=1),)


@pytest.mark.parametrize("context", ["all", {"attribute": "x"}])
def test_a_group_of_open_xchange_has_no_context_before_it_is_known(loader: Loader, context: object) -> None:
    """The run puts it into each context that it finds."""
    [pattern] = loader(
        (("mappings", 0, "context"), context), (("mappings", 0, "exclude"), [{"ox_group": 1}]), CONFIGDB
    ).patterns()
    assert pattern.mailbox.exclude == (Source(kind="ox_group", value="1"),)


def test_rules_are_kept_in_their_order(loader: Loader) -> None:
    """A list is one rule with several templates; each entry of rules is one rule."""
    users = {
        "rules": [
            {"login": "{sAMAccountName:lower}"},
            {"mail": ["mail", "{proxyAddresses:smtp}"]},
            {"alias": "mail"},
            {"imap_login": "{uid}@{o}"},
            {"id": "employeeNumber"},
        ]
    }
    [mailbox] = loader((("mappings", 0, "users"), users)).mailboxes()
    assert mailbox.sources[0].rules == (
        Rule("login", (parse("{sAMAccountName:lower}"),)),
        Rule("mail", (parse("{mail}"), parse("{proxyAddresses:smtp}"))),
        Rule("alias", (parse("{mail}"),)),
        Rule("imap_login", (parse("{uid}@{o}"),)),
        Rule("id", (parse("{employeeNumber}"),)),
    )
    [mailbox] = loader((("mappings", 0, "users"), {"login": ["uid", "cn"]})).mailboxes()
    assert mailbox.sources[0].rules == (Rule("login", (parse("{uid}"), parse("{cn}"))),)
    [mailbox] = loader((("mappings", 0, "users"), {})).mailboxes()
    assert mailbox.sources[0].rules == ()


SEVERAL = (
    (("directory",), MISSING),
    (
        ("directories",),
        {
            "hq": {"urls": ["ldaps://hq.example.org"], "base": "dc=hq"},
            "sub": {"urls": ["ldaps://sub.example.org"], "base": "dc=sub"},
        },
    ),
)


def test_mapping_and_source_choose_the_directory(loader: Loader) -> None:
    """A source's choice goes before its mapping's, and a search is made in the mapping's."""
    settings = loader(
        *SEVERAL,
        (("mappings", 0, "directory"), "hq"),
        (("mappings", 0, "sources", 1), {"filter": "(a=b)", "directory": "sub"}),
        (("mappings", 0, "sources", 2), {"users": ["anna"]}),
        (("mappings", 1), {**MAPPING, "directory": "sub", "discover": DISCOVER}),
        (("mappings", 1, "mailbox"), MISSING),
    )
    [mailbox], [pattern] = settings.mailboxes(), settings.patterns()
    assert [source.directory for source in mailbox.sources] == ["hq", "sub", ""]
    assert pattern.search is not None
    assert pattern.group is not None
    assert (pattern.search.directory, pattern.group.directory) == ("sub", "sub")
    assert [*settings.directories()] == ["hq", "sub"]
    assert settings.directories()["sub"].base == "dc=sub"


def test_the_only_directory_needs_no_naming(loader: Loader) -> None:
    """Whether it has a name or not, sources are its; a mapping without sources of a directory needs none."""
    assert [*loader().directories()] == [""]
    only = (("directory",), MISSING), (("directories",), {"hq": VALID["directory"]})
    assert loader(*only).mailboxes()[0].sources[0].directory == "hq"
    [mailbox] = loader(*SEVERAL, (("mappings", 0, "sources"), [{"ox_group": 0}, {"users": ["a"]}])).mailboxes()
    assert {source.directory for source in mailbox.sources} == {""}
