"""What of a directory must be together."""

from __future__ import annotations

import pytest

from tests.settings.configurations import MISSING, VALID, Loader, Steps

BIND: Steps = ("directory", "bind")
TLS: Steps = ("directory", "tls")
URLS: Steps = ("directory", "urls")
FILE = {"file": "secret"}
PAIR = (TLS, {"cert": "a.pem", "key": "a.key"})
ONE = VALID["directory"]


def place(loader: Loader, path: Steps, key: str | None = None) -> str:
    """Give how a problem at a path begins; with a key in the mapping there, in that key's line."""
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    return f"syncd.yaml:{loader.lines[path if key is None else (*path, key)]}: {shown}: "


@pytest.mark.parametrize(
    "changes",
    [
        [(BIND, {"method": "simple", "dn": "cn=x", "password": FILE})],
        [(BIND, {"method": "external"}), PAIR],
        [(BIND, {"method": "external"}), (URLS, ["ldapi:///"])],
        [(BIND, {"method": "external"}), (URLS, ["ldap://a.org"]), (TLS, {**PAIR[1], "starttls": True})],
        [(BIND, {"method": "gssapi"})],
        [(BIND, {"method": "gssapi", "host": "dc1.example.org"})],
        [(BIND, {"dn": "cn=x", "password": FILE}), PAIR],
        [(("directory", "nesting"), "server")],
        [(("directory", "nesting"), "server"), (("directory", "kind"), "ad")],
    ],
)
def test_every_way_to_bind_has_what_it_needs(loader: Loader, changes: list[tuple[Steps, object]]) -> None:
    """These are whole."""
    assert loader(*changes).directory is not None


@pytest.mark.parametrize(
    ("changes", "path", "key", "words"),
    [
        ([(BIND, {"password": FILE})], BIND, None, 'missing key "dn"'),
        ([(BIND, {"dn": "cn=x"})], BIND, None, 'missing key "password"'),
        ([(BIND, {"dn": "cn=x", "password": FILE, "host": "a.org"})], BIND, "host", "for method: gssapi only"),
        (
            [(BIND, {"method": "gssapi", "password": FILE})],
            BIND,
            "password",
            "password does not go with method: gssapi",
        ),
        ([(BIND, {"method": "gssapi", "dn": "cn=x"})], BIND, "dn", "the Kerberos ticket says who syncd is"),
        ([(BIND, {"method": "external", "dn": "cn=x"}), PAIR], BIND, "dn", "does not go with method: external"),
        ([(BIND, {"method": "external", "host": "a.org"}), PAIR], BIND, "host", "for method: gssapi only"),
        ([(BIND, {"method": "external"})], (*BIND, "method"), None, "needs tls.cert and tls.key, or ldapi://"),
        ([(BIND, {"method": "external"}), PAIR, (URLS, ["ldap://a.org"])], (*BIND, "method"), None, "needs TLS"),
        ([(BIND, {"method": "magic"})], (*BIND, "method"), None, "must be simple, external or gssapi, not 'magic'"),
        (
            [(("directory", "nesting"), "server"), (("directory", "kind"), ["ad"])],
            ("directory", "kind"),
            None,
            "auto, ad",
        ),
        ([(BIND, {"method": ["gssapi"]})], (*BIND, "method"), None, "must be simple, external or gssapi"),
        ([(TLS, {"cert": "a.pem"})], TLS, "cert", "cert needs key beside it"),
        ([(TLS, {"key": "a.pem"})], TLS, "key", "key needs cert beside it"),
        (
            [(("directory", "nesting"), "server"), (("directory", "kind"), "openldap")],
            ("directory", "nesting"),
            None,
            "server is for Active Directory, not for kind: openldap",
        ),
        ([(("directory", "must_see"), "all staff")], ("directory", "must_see"), None, "no '='"),
        ([(("directory", "kind"), "novell")], ("directory", "kind"), None, "must be auto, ad, openldap, 389ds or"),
        ([(("directory", "expired"), "no")], ("directory", "expired"), None, "must be remove or keep, not 'no'"),
    ],
)
def test_a_contradiction_is_one_problem_at_its_key(
    loader: Loader, changes: list[tuple[Steps, object]], path: Steps, key: str | None, words: str
) -> None:
    """Each row of the tables, broken alone, is told once, in the line of what is wrong."""
    [problem] = loader.problems(*changes)
    assert problem.startswith(place(loader, path, key))
    assert words in problem


def test_an_unknown_key_in_bind_is_told_alone(loader: Loader) -> None:
    """A misspelt key is not missing too."""
    [problem] = loader.problems((BIND, {"dn": "cn=x", "pasword": FILE}))
    assert 'did you mean "password"?' in problem


# --------------------------------------------------------------------------- several


def test_there_is_one_directory_or_there_are_several(loader: Loader) -> None:
    """Both at once, neither, and no name at all are problems."""
    [both] = loader.problems((("directories",), {"hq": ONE}))
    assert both.startswith(f"syncd.yaml:{loader.lines['directories',]}: give either directory or directories")
    [neither] = loader.problems((("directory",), MISSING))
    assert neither == 'syncd.yaml:1: missing key "directory" (or directories)'
    [empty] = loader.problems((("directory",), MISSING), (("directories",), {}))
    assert empty.endswith("directories: must not be empty")
    [misspelt] = loader.problems((("directory",), MISSING), (("direktories",), {"hq": ONE}))
    assert 'did you mean "directories"?' in misspelt


@pytest.mark.parametrize("name", ["", "a b", "-x", "ä", "a/b"])
def test_the_name_of_a_directory_is_plain(loader: Loader, name: str) -> None:
    """It stands in messages and metrics."""
    problems = loader.problems((("directory",), MISSING), (("directories",), {name: ONE}))
    assert ["a name is made of letters" in problem for problem in problems] == [True]


def test_each_of_several_directories_is_checked(loader: Loader) -> None:
    """Problems name the directory, be they of a key, of a value or between values; unknown keys get suggestions."""
    wrong = {
        "hq": {**ONE, "tls": {"starttls": True}},
        "sub": {**ONE, "base": "x", "bsae": "dc=x", "bind": {"dn": "cn=x"}},
    }
    problems = loader.problems(
        (("directory",), MISSING), (("directories",), wrong), (("mappings", 0, "directory"), "hq")
    )
    for path, key, words in (
        (("directories", "hq", "tls", "starttls"), None, "is for ldap:// only"),
        (("directories", "sub", "base"), None, "no '='"),
        (("directories", "sub"), "bsae", 'did you mean "base"?'),
        (("directories", "sub", "bind"), None, 'missing key "password"'),
    ):
        begins = place(loader, path, key)
        assert any(problem.startswith(begins) and words in problem for problem in problems), problems
    assert len(problems) == 4


def test_dangers_and_secrets_of_each_directory_are_found(loader: Loader) -> None:
    """Warnings, passwords and certificates are looked at in every directory."""
    first = {**ONE, "tls": {"verify": False, "cert": "none.pem", "key": "none.key"}}
    second = {**ONE, "urls": ["ldap://a.org"], "bind": {"dn": "cn=x", "password": {"env": "UNSET"}}}
    settings = loader(
        (("directory",), MISSING),
        (("directories",), {"hq": first, "sub": second}),
        (("mappings", 0, "directory"), "hq"),
    )
    assert [warning.split(": ")[1] for warning in settings.warnings] == [
        "directories.hq.tls.verify",
        "directories.sub.urls[0]",
    ]
    assert [problem.split(": ")[1] for problem in settings.secrets_problems()] == [
        "directories.sub.bind.password",
        "directories.hq.tls.cert",
        "directories.hq.tls.key",
    ]


# --------------------------------------------------------------------------- users


@pytest.mark.parametrize("holder", [("directory",), ("mappings", 0)])
@pytest.mark.parametrize(
    ("value", "below", "words"),
    [
        ({"login": "uid", "rules": [{"login": "uid"}]}, (), "give either login"),
        ({"rules": [{"login": "a", "mail": "b"}]}, ("rules", 0), "not login and mail together"),
        ({"rules": [{}]}, ("rules", 0), "exactly one of login, mail, alias, imap_login or id"),
        ({"rules": []}, ("rules",), "must not be empty"),
        ({"rules": [{"mial": "mail"}]}, ("rules", 0), 'did you mean "mail"?'),
        ({"rules": [{"mail": "{mail"}]}, ("rules", 0, "mail"), "a lone '{'"),
        ({"rules": [{"mail": "{mail:loud}"}]}, ("rules", 0, "mail"), "unknown filter 'loud'; there are domain"),
        ({"login": "{}"}, ("login",), "is no attribute name"),
        ({"login": ["uid", "{x y}"]}, ("login",), "'x y' is no attribute name"),
        ({"login": "{{uid}}"}, ("login",), "no attribute in braces"),
        ({"login": 5}, ("login",), "must be the name of an LDAP attribute"),
        ({"login": ["uid", None]}, ("login",), "must be the name of an LDAP attribute"),
    ],
)
def test_rules_for_users_are_checked(loader: Loader, holder: Steps, value: object, below: Steps, words: str) -> None:
    """The same in a directory and in a mapping: one problem in the line of the rule."""
    [problem] = loader.problems(((*holder, "users"), value))
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in (*holder, "users", *below))[1:]
    assert f": {shown}: " in problem
    assert words in problem
