from __future__ import annotations

import pytest

from tests.settings.configurations import MISSING, VALID, Loader, Steps

MAPPING = VALID["mappings"][0]
ACCOUNT: Steps = ("mappings", 0, "account")
FILE = {"file": "secret"}


BELOW: list[tuple[Steps, object, Steps, str]] = [
    (("directory", "bind"), {"dn": "syncd", "password": FILE}, ("directory", "bind", "dn"), "no '='"),
    (("mappings", 0, "exclude"), [{"group": "x"}], ("mappings", 0, "exclude", 0, "group"), "no '='"),
    (("mappings", 0, "sources", 0), {"filter": "(uid=*"}, ("mappings", 0, "sources", 0, "filter"), "not closed"),
    ((*ACCOUNT, "mail"), {"source": "primary"}, (*ACCOUNT, "transport"), "brings its own transport"),
    ((*ACCOUNT, "mail"), {"source": "x"}, (*ACCOUNT, "transport"), "brings its own transport"),
    ((*ACCOUNT, "mail", "starttls"), True, (*ACCOUNT, "mail", "starttls"), "does not go with secure: true"),
    ((*ACCOUNT, "transport", "starttls"), True, (*ACCOUNT, "transport", "starttls"), "does not go with secure: true"),
]


@pytest.mark.parametrize(("path", "value", "at", "words"), BELOW)
def test_a_problem_stands_at_the_value_it_is_about(
    loader: Loader, path: Steps, value: object, at: Steps, words: str
) -> None:
    """A contradiction between two keys is told at the key that should go."""
    secure = [((*path[:-1], "secure"), True)] if path[-1] == "starttls" else []
    problems = loader.problems(*secure, (path, value))
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)[1:]
    assert any(
        problem.startswith(f"syncd.yaml:{loader.lines[at]}: {shown}: ") and words in problem for problem in problems
    )


@pytest.mark.parametrize("key", ["server", "port", "protocol", "secure", "starttls"])
def test_a_mail_source_goes_without_a_server(loader: Loader, key: str) -> None:
    """Server attributes beside `source` would be ignored by Open-Xchange, so they are refused."""
    value = {"server": "x.org", "port": 143, "protocol": "imap", "secure": False, "starttls": False}[key]
    (problem,) = loader.problems(
        ((*ACCOUNT, "transport"), MISSING), ((*ACCOUNT, "mail"), {"source": "localhost", key: value})
    )
    assert problem == (
        f"syncd.yaml:{loader.lines[(*ACCOUNT, 'mail', key)]}: mappings[0].account.mail: "
        f"{key} does not go with source, which brings the server"
    )


@pytest.mark.parametrize("key", ["base", "scope"])
def test_a_group_has_no_search_base(loader: Loader, key: str) -> None:
    """`base` and `scope` say how a filter searches."""
    (problem,) = loader.problems((("mappings", 0, "sources", 0, key), {"base": "dc=org", "scope": "one"}[key]))
    assert problem.endswith(f"mappings[0].sources[0]: {key} goes with filter and attribute, not with group")
    assert problem.startswith(f"syncd.yaml:{loader.lines['mappings', 0, 'sources', 0, key]}:")


def test_an_export_stands_alone(loader: Loader) -> None:
    """An LDIF export is no fallback for a server."""
    (problem,) = loader.problems((("directory", "urls", 1), "ldif:///tmp/x.ldif"))
    assert "directory.urls: an ldif:// export stands alone" in problem


@pytest.mark.parametrize(
    "other", ["support@mycompany.com", "SUPPORT@mycompany.com", "süpport@mycompany.com", "ſupport@mycompany.com"]
)
def test_two_mappings_for_the_same_mailbox_are_refused(loader: Loader, other: str) -> None:
    """Addresses that the database holds for equal are one mailbox; the problem names both lines."""
    (problem,) = loader.problems((("mappings", 1), {**MAPPING, "mailbox": other}))
    first, second = loader.lines["mappings", 0, "mailbox"], loader.lines["mappings", 1, "mailbox"]
    assert problem.startswith(
        f"syncd.yaml:{second}: mappings[1].mailbox: the same mailbox and context as in line {first};"
    )


def test_the_same_address_in_two_contexts_is_two_mailboxes(loader: Loader) -> None:
    """Contexts are strangers to each other."""
    assert len(loader((("mappings", 1), {**MAPPING, "context": 2})).mappings) == 2


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            [
                (("directory", "urls"), ["ldap://ldap.example.org"]),
                (("directory", "bind"), {"dn": "cn=x", "password": FILE}),
            ],
            ("directory", "urls", 0),
            "clear text",
        ),
        ([(("directory", "tls", "verify"), False)], ("directory", "tls", "verify"), "any certificate"),
        (
            [(("openxchange", "database", "tls", "verify"), False)],
            ("openxchange", "database", "tls", "verify"),
            "any certificate",
        ),
        ([(("openxchange", "database", "tls"), False)], ("openxchange", "database", "tls"), "no TLS"),
        ([(("ledger",), {"url": "mysql+pymysql://a@b.org/c", "tls": False})], ("ledger", "tls"), "no TLS"),
        ([(("http", "listen"), "0.0.0.0:9469")], ("http", "listen"), "reachable from other machines"),
    ],
)
def test_danger_is_warned_of(loader: Loader, changes: list[tuple[Steps, object]], path: Steps, words: str) -> None:
    """What is allowed but dangerous is one warning with its line, not an error."""
    (warning,) = loader(*changes).warnings
    assert warning.startswith(f"{loader.path}:{loader.lines[path]}: ")
    assert words in warning


@pytest.mark.parametrize(
    "changes",
    [
        [(("directory", "urls"), ["ldap://127.0.0.1"]), (("directory", "bind"), {"dn": "cn=x", "password": FILE})],
        [
            (("directory", "urls"), ["ldap://a.org"]),
            (("directory", "tls", "starttls"), True),
            (("directory", "bind"), {"dn": "cn=x", "password": FILE}),
        ],
        [(("directory", "urls"), ["ldap://a.org"])],
        [(("openxchange", "database"), {"url": "mysql+pymysql://a@localhost/b", "tls": False})],
        [(("openxchange", "database"), {"url": "mysql+pymysql://a@/b?unix_socket=/run/x", "tls": False})],
        [(("openxchange", "database", "url"), "sqlite:////tmp/x.db")],
        [(("http", "listen"), "localhost:9469")],
    ],
)
def test_what_stays_on_the_machine_needs_no_warning(loader: Loader, changes: list[tuple[Steps, object]]) -> None:
    """Loopback, sockets, StartTLS and anonymous binds are no danger of this kind."""
    assert loader(*changes).warnings == ()


@pytest.mark.parametrize(
    ("openxchange", "ledger"),
    [
        ("mysql+pymysql://a@db.org/ox", "mysql+pymysql://b@DB.org:3306/ox?charset=utf8mb4"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_the_ledger_has_a_database_of_its_own(loader: Loader, openxchange: str, ledger: str) -> None:
    """Our tables do not go between those of Open-Xchange, whatever user the URL names."""
    (problem,) = loader.problems((("openxchange", "database", "url"), openxchange), (("ledger", "url"), ledger))
    line = loader.lines["ledger", "url"]
    assert problem == f"syncd.yaml:{line}: ledger.url: must be a database of its own, not that of Open-Xchange"


def test_the_ledger_may_live_on_the_same_server(loader: Loader) -> None:
    """Another database of the same server is fine."""
    loader((("ledger", "url"), "mysql+pymysql://syncd@db.example.org/syncd"))
