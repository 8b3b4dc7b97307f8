from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import Share
from syncd.errors import ConfigurationError
from syncd.settings.loading import Settings, load
from syncd.settings.texts import Listen
from tests.settings.configurations import MISSING, VALID, Loader, Steps, changed, dumped

MAPPING = VALID["mappings"][0]
ACCOUNT: Steps = ("mappings", 0, "account")
FILE = {"file": "secret"}


def test_a_small_configuration_has_careful_defaults(loader: Loader) -> None:
    """What is not said is the careful choice."""
    settings = loader()
    assert settings.directory.tls.verify
    assert not settings.directory.tls.starttls
    assert settings.directory.bind is None
    assert settings.directory.users.login == ("uid",)
    assert (settings.directory.timeout.connect, settings.directory.timeout.receive) == (5.0, 30.0)
    assert settings.directory.page_size == 1000
    assert settings.openxchange.database.tls is not None
    assert settings.openxchange.database.tls.verify
    assert settings.openxchange.write_with == "sql"
    assert settings.openxchange.obfuscation is None
    assert settings.ledger.url == "sqlite:////var/lib/syncd/ledger.db"
    assert (settings.schedule.every, settings.schedule.cron, settings.schedule.jitter) == (300.0, None, 0.0)
    assert (settings.limits.removals.percent, settings.limits.removals.floor) == (30.0, 3)
    assert (settings.limits.updates.percent, settings.limits.updates.floor) == (30.0, 3)
    assert (settings.limits.additions, settings.limits.removals_per_run) == (1000, 500)
    assert settings.http.listen == Listen("127.0.0.1", 9469)
    assert (settings.log.format, settings.log.level) == ("auto", "info")
    assert (settings.mappings[0].nested, settings.mappings[0].exclude) == (32, ())
    assert (settings.mappings[0].existing, settings.mappings[0].extra) == ("adopt", "leave")
    assert settings.warnings == ()


def test_values_are_given_in_units_to_work_with(loader: Loader) -> None:
    """Durations are seconds, addresses are pairs, relative paths are complete."""
    settings = loader(
        (("directory", "timeout"), {"connect": "500ms", "receive": "1.5s"}),
        (("directory", "users", "login"), ["uid", "sAMAccountName"]),
        (("directory", "tls", "ca"), "tls/ca.pem"),
        (("openxchange", "database", "tls", "ca"), "/etc/ca.pem"),
        (("schedule",), {"every": "30m", "jitter": "10s"}),
        (("http", "listen"), "[::1]:80"),
        (("mappings", 0, "nested"), 3),
    )
    assert (settings.directory.timeout.connect, settings.directory.timeout.receive) == (0.5, 1.5)
    assert settings.directory.users.login == ("uid", "sAMAccountName")
    assert settings.directory.tls.ca == loader.path.parent / "tls/ca.pem"
    assert settings.openxchange.database.tls is not None
    assert settings.openxchange.database.tls.ca == Path("/etc/ca.pem")
    assert (settings.schedule.every, settings.schedule.jitter) == (1800.0, 10.0)
    assert settings.http.listen == Listen("::1", 80)
    assert settings.mappings[0].nested == 3


def test_cron_takes_the_place_of_every(loader: Loader) -> None:
    """A schedule by cron line has no interval."""
    settings = loader((("schedule", "cron"), "*/5  8-18 * * mon-fri"))
    assert (settings.schedule.every, settings.schedule.cron) == (None, "*/5 8-18 * * mon-fri")


@pytest.mark.parametrize("off", ["off", False])
def test_http_can_be_switched_off(loader: Loader, off: object) -> None:
    """`listen: off` means no HTTP endpoints."""
    assert loader((("http", "listen"), off)).http.listen is None


def test_database_tls_can_be_switched_off(loader: Loader) -> None:
    """`tls: false` means no TLS at all."""
    assert loader((("openxchange", "database", "tls"), False)).openxchange.database.tls is None


def test_a_key_without_a_value_counts_as_absent(loader: Loader) -> None:
    """`http:` with nothing behind it is the default, not an error."""
    settings = loader(
        (("http",), None), (("ledger",), None), (("directory", "bind"), None), (("limits", "additions"), None)
    )
    assert settings.http.listen == Listen("127.0.0.1", 9469)
    assert settings.limits.additions == 1000
    assert settings.directory.bind is None


def test_settings_are_frozen(loader: Loader) -> None:
    """Nobody changes a loaded configuration."""
    settings = loader()
    with pytest.raises(ValueError, match="frozen"):
        settings.directory.page_size = 5  # type: ignore[misc]
    with pytest.raises(ValueError, match="frozen"):
        settings.directory = settings.directory  # type: ignore[misc]


def test_settings_know_their_file(loader: Loader) -> None:
    """Path, digest and lines are at hand for later messages."""
    settings = loader()
    assert settings.path == loader.path
    assert settings.digest == hashlib.sha256(loader.path.read_bytes()).hexdigest()
    for path, line in loader.lines.items():
        assert settings.where(*path) == f"{loader.path}:{line}"
    assert settings.where("mappings", 0, "limits", "removals") == settings.where("mappings", 0)
    assert settings.where() == f"{loader.path}:1"


# --------------------------------------------------------------------------- every rule: what, where, which words

RULES: list[tuple[Steps, object, str]] = [
    (("directory", "urls"), [], "must not be empty"),
    (("directory", "urls"), "ldap://x", "must be a list, not a text"),
    (("directory", "urls", 0), "http://ldap.example.org", "must begin with ldap://, ldaps://, ldapi://, ldif://"),
    (("directory", "urls", 0), "ldap://me:pw@ldap.example.org", "must not name a user"),
    (("directory", "urls", 0), 389, "must be a text, not 389"),
    (("directory", "urls", 0), "ldap://ldap.example.org:0", "port from 1 to 65535"),
    (("directory", "urls", 0), "ldap://ldap.example.org:99999", "port from 1 to 65535"),
    (("directory", "urls", 0), "ldap://ldap.example.org/dc=org", "must have no path"),
    (("directory", "urls", 0), "ldif://export.ldif", "three slashes"),
    (("directory", "base"), "example.org", "no '='"),
    (("directory", "base"), "", "must not be empty"),
    (("directory", "page_size"), "many", "must be a whole number above 0, not 'many'"),
    (("directory", "page_size"), 0, "must be a whole number above 0, not 0"),
    (("directory", "page_size"), True, "must be a whole number above 0, not true"),
    (("directory", "page_size"), 1.5, "must be a whole number above 0, not 1.5"),
    (("directory", "timeout", "connect"), 5, "must be a duration such as 500ms, 5s, 30m or 1h, not 5"),
    (("directory", "timeout", "receive"), "0s", "must be longer than nothing"),
    (("directory", "users", "login"), "not an attribute", "must be the name of an LDAP attribute"),
    (("directory", "users", "login"), [], "must be the name of an LDAP attribute"),
    (("directory", "tls", "verify"), "no", "must be true or false, not 'no'"),
    (("directory", "tls", "starttls"), True, "is for ldap:// only"),
    (("directory", "tls", "ca"), "", "must not be empty"),
    (("directory", "bind"), "cn=syncd", "must be a mapping (key: value), not a text"),
    (("directory", "bind"), {"dn": "syncd", "password": FILE}, ""),
    (("openxchange", "database", "url"), "mysql+pymysql://syncd:hush@db/ox", "give it by reference"),
    (("openxchange", "database", "url"), "mysql+pymysql://syncd@db/ox?password=hush", "give it by reference"),
    (("openxchange", "database", "url"), "postgresql://syncd@db/ox", "must begin with mysql+pymysql://"),
    (("openxchange", "database", "url"), "mysql+pymysql://db/ox", "must name a user"),
    (("openxchange", "database", "url"), "mysql+pymysql://syncd@db", "must name a database"),
    (("openxchange", "database", "url"), "sqlite://", "must be sqlite:///PATH"),
    (("openxchange", "database", "tls"), True, "must be a mapping"),
    (("openxchange", "write_with"), "soap", "soap is not available yet"),
    (("openxchange", "write_with"), "clt", "clt is not available yet"),
    (("openxchange", "write_with"), "magic", "must be sql, soap or clt, not 'magic'"),
    (("openxchange", "obfuscation"), {"format": "rot13", "key": FILE}, ""),
    (("ledger", "url"), "mysql://x@y/z", "must begin with"),
    (("schedule", "every"), "5s", "must be at least 10s, not 5s"),
    (("schedule", "every"), "often", "must be a duration"),
    (("schedule", "cron"), "* * * *", "must have five fields"),
    (("schedule", "cron"), "61 * * * *", "'61' is no minute"),
    (("schedule", "jitter"), 10, "must be a duration"),
    (("schedule"), {"every": "5m", "cron": "* * * * *"}, "either every or cron, not both"),
    (("limits", "removals", "percent"), 101, "must be a number from 0 to 100, not 101"),
    (("limits", "removals", "floor"), -1, "must be a whole number above -1, not -1"),
    (("limits", "additions"), "all", "must be a whole number"),
    (("http", "listen"), 9469, 'must be "host:port"'),
    (("http", "listen"), "localhost:99999", 'must be "host:port"'),
    (("http", "listen"), "my host:80", "must be a host name"),
    (("log", "format"), "xml", "must be auto, json or console, not 'xml'"),
    (("log", "level"), "loud", "must be debug, info, warning or error, not 'loud'"),
    (("mappings",), [], "must not be empty"),
    (("mappings",), {"a": 1}, "must be a list, not a mapping"),
    (("mappings", 0), "support", "must be a mapping (key: value), not a text"),
    (("mappings", 0, "mailbox"), "support", "must be a mail address"),
    (("mappings", 0, "mailbox"), "a@b@example.org", "must be a mail address"),
    (("mappings", 0, "mailbox"), "a b@example.org", "must be a mail address"),
    (("mappings", 0, "mailbox"), "@example.org", "must be a mail address"),
    (("mappings", 0, "mailbox"), "a@exa_mple.org", "must be a host name"),
    (("mappings", 0, "mailbox"), "a" * 257 + "@example.org", "is 269 characters long, the database holds 256"),
    (("mappings", 0, "context"), 0, "must be a whole number from 1 to 4294967295, not 0"),
    (("mappings", 0, "context"), "1", "must be a whole number from 1 to 4294967295, not '1'"),
    (("mappings", 0, "sources"), [], "must not be empty"),
    (("mappings", 0, "sources", 0), {"group": "cn=x", "filter": "(a=b)"}, "either group or filter, not both"),
    (("mappings", 0, "sources", 0), {}, "either group or filter"),
    (("mappings", 0, "sources", 0), {"scope": "sub"}, "either group or filter"),
    (("mappings", 0, "sources", 0, "group"), "support", "no '='"),
    (("mappings", 0, "sources", 0), {"filter": "(uid=*"}, ""),
    (("mappings", 0, "exclude"), [{"group": "support"}], ""),
    (("mappings", 0, "nested"), -1, "must be true, false or a whole number of levels"),
    (("mappings", 0, "nested"), "yes", "must be true, false or a whole number of levels"),
    (("mappings", 0, "existing"), "take", "must be adopt or leave, not 'take'"),
    (("mappings", 0, "extra"), "drop", "must be leave or remove, not 'drop'"),
    (("mappings", 0, "limits", "additions"), -5, "must be a whole number"),
    (("mappings", 0, "limits", "removals", "percent"), "all", "must be a number from 0 to 100"),
    ((*ACCOUNT, "name"), "", "must not be empty"),
    ((*ACCOUNT, "name"), " ", "must not be empty"),
    ((*ACCOUNT, "name"), "a\nb", "must be one line"),
    ((*ACCOUNT, "name"), "n" * 257, "is 257 characters long, the database holds 256"),
    ((*ACCOUNT, "login"), "", "must not be empty"),
    ((*ACCOUNT, "login"), 4711, "must be a text, not 4711; put it in quotes"),
    ((*ACCOUNT, "login"), "l" * 257, "is 257 characters long"),
    ((*ACCOUNT, "personal"), "p" * 65, "is 65 characters long, the database holds 64"),
    ((*ACCOUNT, "reply_to"), "r" * 257, "is 257 characters long"),
    ((*ACCOUNT, "mail", "server"), "bad host", "must be a host name or an IP address, not 'bad host'"),
    ((*ACCOUNT, "mail", "server"), "host:993", "the port has a key of its own"),
    ((*ACCOUNT, "mail", "server"), "under_score.org", "must be a host name"),
    ((*ACCOUNT, "mail", "port"), 70000, "must be a whole number from 1 to 65535, not 70000"),
    ((*ACCOUNT, "mail", "protocol"), "pop3", "must be imap, not 'pop3'"),
    ((*ACCOUNT, "mail", "protocol"), "imaps", "write secure: true"),
    ((*ACCOUNT, "transport", "protocol"), "smtps", "write secure: true"),
    ((*ACCOUNT, "transport", "port"), 0, "must be a whole number from 1 to 65535, not 0"),
    ((*ACCOUNT, "mail"), {"source": "primary"}, ""),
    ((*ACCOUNT, "password"), FILE, "com.openexchange.mail.secondary.passwordSource=user"),
    ((*ACCOUNT, "transport", "password"), FILE, "stored passwords need openxchange.obfuscation"),
    ((*ACCOUNT, "folders", "sent"), "", "must not be empty"),
    ((*ACCOUNT, "folders", "sent"), "s" * 257, "is 257 characters long"),
]


@pytest.mark.parametrize(("path", "value", "words"), RULES)
def test_a_wrong_value_is_one_problem_in_its_line(loader: Loader, path: Any, value: object, words: str) -> None:
    """Each rule, broken alone, gives one problem that names line, path and what is wanted."""
    steps: Steps = path if isinstance(path, tuple) else (path,)
    problems = loader.problems((steps, value))
    assert len(problems) == 1, problems
    if words:
        shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[1:]
        line = loader.lines.get(steps) or 1
        assert problems[0].startswith(f"syncd.yaml:{line}: {shown}: "), problems[0]
        assert words in problems[0]


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


def test_an_unknown_key_gets_a_suggestion(loader: Loader) -> None:
    """A misspelt key is told in the line of the key, with the key that was meant, and nothing else is said about it."""
    problems = loader.problems((("mappings", 0, "sources", 0), {"gruop": "cn=support,dc=org"}))
    line = loader.lines["mappings", 0, "sources", 0, "gruop"]
    assert problems == (f'syncd.yaml:{line}: mappings[0].sources[0]: unknown key "gruop", did you mean "group"?',)


@pytest.mark.parametrize(
    ("section", "wrong", "right"),
    [
        (("directory",), "bsae", "base"),
        (("mappings", 0), "acount", "account"),
        (ACCOUNT, "Login", "login"),
        ((), "mapings", "mappings"),
    ],
)
def test_a_misspelt_required_key_is_not_missing_too(loader: Loader, section: Steps, wrong: str, right: str) -> None:
    """One mistake is one message."""
    value: Any = VALID
    for step in (*section, right):
        value = value[step]
    problems = loader.problems(((*section, right), MISSING), ((*section, wrong), value))
    assert len(problems) == 1
    assert f'unknown key "{wrong}", did you mean "{right}"?' in problems[0]
    assert problems[0].startswith(f"syncd.yaml:{loader.lines[(*section, wrong)]}: ")


def test_an_unknown_key_without_a_likeness_lists_what_is_known(loader: Loader) -> None:
    """Where no key is meant recognisably, the known ones are named."""
    (problem,) = loader.problems((("log", "zzz"), 1))
    assert problem.endswith('log: unknown key "zzz", known here: format, level')


@pytest.mark.parametrize(
    "path",
    [
        ("directory",),
        ("directory", "urls"),
        ("directory", "base"),
        ("openxchange",),
        ("openxchange", "database"),
        ("openxchange", "database", "url"),
        ("mappings",),
        ("mappings", 0, "mailbox"),
        ("mappings", 0, "context"),
        ("mappings", 0, "sources"),
        ACCOUNT,
        (*ACCOUNT, "name"),
        (*ACCOUNT, "login"),
        (*ACCOUNT, "mail"),
        (*ACCOUNT, "mail", "server"),
        (*ACCOUNT, "mail", "port"),
        (*ACCOUNT, "transport", "server"),
        (*ACCOUNT, "transport", "port"),
    ],
)
def test_a_missing_key_is_told_at_its_section(loader: Loader, path: Steps) -> None:
    """A required key that is absent is one problem, in the line of the section it belongs to."""
    rest = {"protocol": "imap"} if path[-2:-1] == ("mail",) else {}
    problems = loader.problems((path, MISSING), *(((*path[:-1], key), value) for key, value in rest.items()))
    line = loader.lines.get(path[:-1], 1)
    assert len(problems) == 1
    assert problems[0].startswith(f"syncd.yaml:{line}: ")
    assert f'missing key "{path[-1]}"' in problems[0]


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
    assert problem.endswith(f"mappings[0].sources[0]: {key} goes with filter, not with group")
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


def test_all_problems_are_told_at_once_by_line(loader: Loader) -> None:
    """Problems of kinds, of keys, of contradictions and of the file itself come together, sorted by line."""
    text = (
        "directory:\n  urls: []\n  base: nonsense\n  base: dc=org\nopenxchange: {database: {}}\n"
        "schedule: {every: 5m, cron: '* * * * *'}\nlog: {levle: info}\nmappings:\n- mailbox: x\n"
    )
    problems = loader.refused(lambda: loader.text(text))
    assert problems == tuple(sorted(problems, key=lambda problem: int(problem.split(":")[1])))
    for words in (
        ":2: directory.urls: must not be empty",
        ":3: directory.base: no '='",
        ":4: directory.base: this key is given twice, first in line 3",
        ':5: openxchange.database: missing key "url"',
        ":6: schedule: give either",
        ':7: log: unknown key "levle"',
        ":9: mappings[0].mailbox: must be",
        ':9: mappings[0]: missing key "context"',
    ):
        assert any(words in problem for problem in problems), words


# --------------------------------------------------------------------------- warnings


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


def test_a_secret_that_everybody_may_read_is_warned_of(loader: Loader) -> None:
    """A world-readable secret file still works, with a warning in its line."""
    secret = loader.path.parent / "secret"
    secret.write_text("hush\n")
    change = (("directory", "bind"), {"dn": "cn=x", "password": FILE})
    secret.chmod(0o604)
    settings = loader(change)
    place = f"{loader.path}:{loader.lines['directory', 'bind', 'password']}: directory.bind.password"
    assert settings.warnings == (f"{place}: everybody on this machine may read {secret}; chmod o-r",)
    secret.chmod(0o640)
    assert loader(change).warnings == ()


# --------------------------------------------------------------------------- secrets and files


def test_unusable_secrets_and_certificates_are_found_without_a_server(loader: Loader) -> None:
    """Every secret and CA file that cannot be read is one line; those that can are none."""
    (loader.path.parent / "good").write_text("hush")
    settings = loader(
        (("directory", "bind"), {"dn": "cn=x", "password": {"file": "good"}}),
        (("directory", "tls", "ca"), "nowhere.pem"),
        (("openxchange", "database", "password"), {"env": "UNSET"}),
        (("ledger", "password"), {"credential": "absent"}),
        CREDENTIALS_DIRECTORY=str(loader.path.parent),
    )
    problems = settings.secrets_problems()
    place = {key: f"{loader.path}:{loader.lines[key]}" for key in loader.lines}
    assert len(problems) == 3
    assert problems[0] == (
        f"{place['openxchange', 'database', 'password']}: openxchange.database.password: "
        'environment variable "UNSET" is not set'
    )
    assert problems[1].startswith(f'{place["ledger", "password"]}: ledger.password: credential "absent" not found')
    assert problems[2].startswith(f"{place['directory', 'tls', 'ca']}: directory.tls.ca: cannot read ")


@pytest.mark.parametrize(
    "path",
    [
        ("directory", "bind", "password"),
        ("openxchange", "database", "password"),
        ("openxchange", "obfuscation", "key"),
        ("ledger", "password"),
        (*ACCOUNT, "password"),
    ],
)
@pytest.mark.parametrize(
    "wrong",
    [
        "Hush.4711",
        815815815,
        ["Hush.4711"],
        {"Hush.4711": None},
        {"flie": "Hush.4711"},
        {},
        {"file": "Hush.4711", "env": "Hush.4711"},
        {"Hush.4711": {"Hush.4711": 1}},
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(loader: Loader, path: Steps, wrong: object) -> None:
    """Whatever stands in a reference's place, the message says how to write it and shows nothing of it."""
    problems = loader.problems(
        (("directory", "bind"), {"dn": "cn=x", "password": FILE}),
        (("openxchange", "obfuscation"), {"format": "argon2", "key": FILE}),
        (path, wrong),
    )
    assert len(problems) == 1
    assert problems[0].startswith(f"syncd.yaml:{loader.lines[path]}: ")
    assert "write {file: PATH}" in problems[0]
    assert "Hush" not in problems[0]
    assert "815" not in problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "a: *hush4711",
        "a: !hush4711 x",
        'password: "hush4711',
        "password: hush4711: x",
        "bind: hush4711",
        "password: @hush4711",
        "directory: {bind: {password: {hush4711: 1, hush4711: 2}}}",
        "password: %hush4711",
        "password: !hush4711!x y",
        "mappings: [{account: hush4711}]",
        "openxchange: {database: {url: 'mysql+pymysql://a:hush4711@b/c'}}",
        "directory: {urls: ['ldap://a:hush4711@b']}",
        "directory: {urls: 'hush4711'}",
    ],
)
def test_no_problem_repeats_a_misplaced_secret(loader: Loader, text: str) -> None:
    """Broken YAML around a password does not put the password into the message."""
    assert "hush4711" not in "\n".join(loader.refused(lambda: loader.text(text)))


# --------------------------------------------------------------------------- mailboxes


def test_a_mapping_becomes_a_mailbox(loader: Loader) -> None:
    """Limits are completed from the common ones, and passwords are read."""
    (loader.path.parent / "secret").write_text("hush\n")
    settings = loader(
        (("openxchange", "obfuscation"), {"format": "argon2", "key": FILE}),
        ((*ACCOUNT, "password"), FILE),
        ((*ACCOUNT, "transport", "password"), {"env": "PW"}),
        (("limits",), {"removals": {"percent": 7}, "additions": 9}),
        (("mappings", 0, "limits"), {"removals": {"floor": 1}, "updates": {"percent": 50}}),
        PW="other",
    )
    (mailbox,) = settings.mailboxes()
    assert mailbox.limits.removals == Share(percent=7, floor=1)
    assert mailbox.limits.updates == Share(percent=50, floor=3)
    assert mailbox.limits.additions == 9
    assert mailbox.account.password is not None
    assert mailbox.account.password.reveal() == "hush"
    assert mailbox.account.transport_password is not None
    assert mailbox.account.transport_password.reveal() == "other"
    assert "hush" not in repr(settings) + repr(mailbox)


def test_all_unreadable_account_passwords_are_told(loader: Loader) -> None:
    """Mailboxes are not given one error at a time."""
    settings = loader(
        (("openxchange", "obfuscation"), {"format": "argon2", "key": FILE}),
        ((*ACCOUNT, "password"), FILE),
        ((*ACCOUNT, "transport", "password"), FILE),
        (("mappings", 1), {**MAPPING, "context": 2}),
        (("mappings", 1, "account", "password"), {"env": "UNSET"}),
    )
    problems = loader.refused(settings.mailboxes)
    paths = [(*ACCOUNT, "password"), (*ACCOUNT, "transport", "password"), ("mappings", 1, "account", "password")]
    assert [int(problem.split(":")[1]) for problem in problems] == [loader.lines[path] for path in paths]


# --------------------------------------------------------------------------- files


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A missing file and a directory are told by name."""
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigurationError, match=f"{path}:1: cannot read the file: "):
            load(path, environ={})


@pytest.mark.parametrize("text", ["- a", "word", "5", "[]", "null", "{}"])
def test_a_file_that_holds_no_configuration_is_a_problem(loader: Loader, text: str) -> None:
    """A list, a word or nothing is not a configuration."""
    problems = loader.refused(lambda: loader.text(text))
    assert problems[0].startswith("syncd.yaml:1: ")


# --------------------------------------------------------------------------- fuzz

FAST = hypothesis.settings(
    max_examples=100, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["primary", "5m", "a@b.c", "cn=a", "(a=b)"])
)
KEYS = st.sampled_from([key for key in dumped(VALID)[0].split('"') if key.isidentifier()]) | st.text(max_size=6)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
PATHS = sorted(
    dumped(
        changed(
            (("schedule", "every"), "5m"),
            (("http", "listen"), "a:1"),
            (("limits", "additions"), 1),
            (("mappings", 0, "limits", "additions"), 1),
            (("mappings", 0, "nested"), 1),
        )
    )[1],
    key=str,
)


def survives(loader: Loader, text: str | bytes) -> None:
    """Load; any other exception than ConfigurationError is a failure, and each problem begins with file and line."""
    problems: tuple[str, ...] = ()
    try:
        settings = loader.text(text)
    except ConfigurationError as error:
        problems = error.problems or ("none",)
    else:
        assert isinstance(settings, Settings)
        assert settings.mailboxes()
    for problem in problems:
        assert problem.removeprefix(f"{loader.path}:").split(":")[0].isdecimal(), problem


@FAST
@given(st.text() | st.text(alphabet=list("ab:-*&!<>|{}[]'\"#?,% \n\t@~=")) | st.binary())
def test_no_text_breaks_the_loader(loader: Loader, text: str | bytes) -> None:
    """Any bytes give settings or problems."""
    survives(loader, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))


@FAST
@given(st.sampled_from(PATHS), TREES)
def test_no_value_breaks_the_loader(loader: Loader, path: Steps, value: object) -> None:
    """Any value anywhere in an otherwise valid configuration gives settings or problems."""
    survives(loader, dumped(changed((path, value)))[0])


@FAST
@given(
    st.integers(0, 600),
    st.text(max_size=3) | st.sampled_from(["*a", "&a ", "<<: ", "!!set ", "? ", "- ", "\t", "\n", ": "]),
)
def test_no_typing_mistake_breaks_the_loader(loader: Loader, position: int, text: str) -> None:
    """A valid file with something typed into it gives settings or problems."""
    valid = dumped(VALID)[0]
    survives(loader, (valid[:position] + text + valid[position:]).encode("utf-8", "surrogatepass"))
