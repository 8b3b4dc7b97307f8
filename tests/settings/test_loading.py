from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from syncd.core.limits import Share
from syncd.errors import ConfigurationError
from syncd.settings.loading import load
from syncd.settings.texts import Listen
from tests.settings.configurations import VALID, Loader, Steps

MAPPING = VALID["mappings"][0]
ACCOUNT: Steps = ("mappings", 0, "account")
FILE = {"file": "secret"}


def test_a_small_configuration_has_careful_defaults(loader: Loader) -> None:
    """What is not said is the careful choice."""
    settings = loader()
    assert settings.directory.tls.verify
    assert not settings.directory.tls.starttls
    assert settings.directory.bind is None
    assert (settings.directory.users.login, settings.directory.users.rules) == (None, None)
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
    assert (settings.limits.removals.most, settings.limits.updates.most) == (200, None)
    additions = settings.limits.additions
    assert (additions.percent, additions.floor, additions.most) == (0, 1000, None)
    assert (settings.limits.removals_per_run, settings.limits.window, settings.limits.approval) == (500, 86400, 86400)
    assert (settings.mode, settings.max_changes_per_minute, settings.rollout, settings.notify) == ("live", *[None] * 3)
    assert settings.grace is not None
    assert (settings.grace.reads, settings.grace.minutes) == (2, 0)
    assert settings.history.keep == 400 * 86400
    assert settings.http.listen == Listen("127.0.0.1", 9469)
    assert (settings.log.format, settings.log.level) == ("auto", "info")
    assert (settings.mappings[0].nested, settings.mappings[0].exclude) == (1000, ())
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
    assert settings.limits.additions.floor == 1000
    assert settings.directory.bind is None


def test_settings_are_frozen(loader: Loader) -> None:
    """Nobody changes a loaded configuration."""
    settings = loader()
    with pytest.raises(ValueError, match="frozen"):
        settings.directory.page_size = 5
    with pytest.raises(ValueError, match="frozen"):
        settings.directory = settings.directory


def test_settings_know_their_file(loader: Loader) -> None:
    """Path, digest and lines are at hand for later messages."""
    settings = loader()
    assert settings.path == loader.path
    assert settings.digest == hashlib.sha256(loader.path.read_bytes()).hexdigest()
    for path, line in loader.lines.items():
        assert settings.where(*path) == f"{loader.path}:{line}"
    assert settings.where("mappings", 0, "limits", "removals") == settings.where("mappings", 0)
    assert settings.where() == f"{loader.path}:1"


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
        ":3: directory.base: 'nonsense' is no DN: no '='",
        ":4: directory.base: this key is given twice, first in line 3",
        ':5: openxchange.database: missing key "url"',
        ":6: schedule: give either",
        ':7: log: unknown key "levle"',
        ":9: mappings[0].mailbox: must be",
        ':9: mappings[0]: missing key "context"',
    ):
        assert any(words in problem for problem in problems), words


def test_a_secret_that_everybody_may_read_is_warned_of(loader: Loader) -> None:
    """A world-readable secret file, or private key, still works, with a warning in its line."""
    secret = loader.path.parent / "secret"
    secret.write_text("hush\n")
    change = (("directory", "bind"), {"dn": "cn=x", "password": FILE})
    secret.chmod(0o604)
    settings = loader(change)
    place = f"{loader.path}:{loader.lines['directory', 'bind', 'password']}: directory.bind.password"
    assert settings.warnings == (f"{place}: everybody on this machine may read {secret}; chmod o-r",)
    key = (("directory", "tls"), {"cert": "cert", "key": "secret"})
    [warning] = loader(key).warnings
    assert warning.startswith(f"{loader.path}:{loader.lines['directory', 'tls', 'key']}: directory.tls.key: everybody")
    secret.chmod(0o640)
    assert loader(change, key).warnings == ()


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
    assert mailbox.limits.removals == Share(percent=7, floor=1, most=200)
    assert mailbox.limits.updates == Share(percent=50, floor=3)
    assert mailbox.limits.additions == Share(percent=0, floor=9)
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


@pytest.mark.parametrize("text", ["- a", "word", "5", "[]", "null"])
def test_a_file_that_holds_no_keys_is_a_problem(loader: Loader, text: str) -> None:
    """A list, a word or nothing is not a configuration; one line says what belongs there."""
    problems = loader.refused(lambda: loader.text(text))
    assert problems == ("syncd.yaml:1: the file must hold keys and values, such as directory: ...",)


def test_a_file_without_any_key_lacks_the_required_ones(loader: Loader) -> None:
    """Only the directory, Open-Xchange and the mappings have to be named."""
    problems = loader.refused(lambda: loader.text("{}"))
    wanted = ('"directory" (or directories)', '"openxchange"', '"mappings"')
    assert problems == tuple(f"syncd.yaml:1: missing key {key}" for key in wanted)


@pytest.mark.parametrize("text", ["", "a: b: c", "a: 'x", "a: *b"])
def test_a_broken_file_is_one_problem(loader: Loader, text: str) -> None:
    """Where nothing could be read, nothing else is said."""
    assert len(loader.refused(lambda: loader.text(text))) == 1
