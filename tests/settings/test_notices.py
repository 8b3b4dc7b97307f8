"""Who is told of held plans, and what of that is refused or warned of."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.core.model import Secret
from tests.settings.configurations import Loader, Steps

WEBHOOK: Steps = ("notify", "webhook")
MAIL: Steps = ("notify", "mail")
POST: dict[str, Any] = {"url": "https://chat.example.org/hooks/1?a=b"}
LETTER: dict[str, Any] = {
    "server": "mail.example.org",
    "port": 587,
    "starttls": True,
    "from": "s@a.org",
    "to": ["i@a.org"],
}


def test_nobody_is_told_unless_somebody_is_named(loader: Loader) -> None:
    """The section has no default, and each of its ways stands alone."""
    assert loader().notify is None
    alone = loader((WEBHOOK, POST)).notify
    assert alone is not None
    assert alone.webhook is not None
    assert alone.mail is None
    assert alone.webhook.target() == Secret(POST["url"])
    assert (alone.webhook.sent(), alone.webhook.timeout, alone.webhook.tls.verify) == ({}, 10.0, True)


def test_everything_that_a_mail_says_arrives(loader: Loader) -> None:
    """Each key has its place, and the password is a reference."""
    more = {"login": "syncd", "password": {"env": "PW"}, "tls": {"ca": "ca.pem"}, "timeout": "5s"}
    notify = loader((MAIL, {**LETTER, **more, "to": ["a@a.org", "b@a.org"]}), PW="hush").notify
    assert notify is not None
    mail = notify.mail
    assert mail is not None
    assert (mail.server, mail.port, mail.secure, mail.starttls) == ("mail.example.org", 587, False, True)
    assert (mail.login, mail.sender, mail.to, mail.timeout) == ("syncd", "s@a.org", ("a@a.org", "b@a.org"), 5.0)
    assert mail.tls.ca == loader.path.parent / "ca.pem"
    assert mail.password is not None
    assert mail.password.read() == Secret("hush")


def test_url_and_headers_may_be_secrets(loader: Loader) -> None:
    """They are read when they are used, are known to the checks of secrets, and are in no repr."""
    headers = {"X-Site": "north", "Authorization": {"env": "TOKEN"}}
    settings = loader((WEBHOOK, {"url": {"env": "URL"}, "headers": headers}), URL="https://a.org/hush", TOKEN="hush")
    assert settings.notify is not None
    webhook = settings.notify.webhook
    assert webhook is not None
    assert webhook.target() == Secret("https://a.org/hush")
    assert webhook.sent() == {"X-Site": Secret("north"), "Authorization": Secret("hush")}
    assert settings.secrets_problems() == ()
    assert "hush" not in repr(settings)
    missing = loader((WEBHOOK, {"url": {"env": "URL"}, "headers": headers})).secrets_problems()
    lines = [loader.lines[(*WEBHOOK, "url")], loader.lines[(*WEBHOOK, "headers", "Authorization")]]
    assert [problem.removeprefix(f"{loader.path}:") for problem in missing] == [
        f'{lines[0]}: notify.webhook.url: environment variable "URL" is not set',
        f'{lines[1]}: notify.webhook.headers.Authorization: environment variable "TOKEN" is not set',
    ]


@pytest.mark.parametrize("url", ["http://a.org/hush", "a.org/hush", "https://u:hush@a.org/"])
def test_a_url_by_reference_is_checked_when_it_is_read(loader: Loader, url: str) -> None:
    """It is told with file and line of the reference, and never shown."""
    notify = loader((WEBHOOK, {"url": {"env": "URL"}}), URL=url).notify
    assert notify is not None
    assert notify.webhook is not None
    [problem] = loader.refused(notify.webhook.target)
    line = loader.lines[(*WEBHOOK, "url")]
    assert problem.startswith(f'syncd.yaml:{line}: notify.webhook.url: environment variable "URL" must ')
    assert "hush" not in problem


def test_a_header_by_reference_is_checked_when_it_is_read(loader: Loader) -> None:
    """A second line would be a second header."""
    notify = loader((WEBHOOK, {**POST, "headers": {"Authorization": {"env": "T"}}}), T="hush\r\nX: y").notify
    assert notify is not None
    assert notify.webhook is not None
    [problem] = loader.refused(notify.webhook.sent)
    assert "must be printable ASCII text in one line" in problem
    assert "hush" not in problem


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]/x", "https://a.org", "https://a.org:8443/x?y=z"],
)
def test_a_webhook_is_https_or_on_this_machine(loader: Loader, url: str) -> None:
    """Nothing is told in clear text over the network."""
    settings = loader((WEBHOOK, {"url": url}))
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((*WEBHOOK, "url"), "http://a.org/x", "must begin with https://; http:// is for this machine only"),
        ((*WEBHOOK, "url"), "ftp://a.org/x", "must begin with https://"),
        ((*WEBHOOK, "url"), "https://me:hush@a.org/x", "must not name a user; give an Authorization header"),
        ((*WEBHOOK, "url"), "https://a.org/x#y", "must have no # part"),
        ((*WEBHOOK, "url"), "https://", "must have a valid host"),
        ((*WEBHOOK, "url"), {"file": "a", "env": "b"}, "write {file: PATH}"),
        ((*WEBHOOK, "headers"), ["a"], "must be a mapping"),
        ((*WEBHOOK, "headers", "A"), 4711, "must be a text in quotes, or a reference to a secret"),
        ((*WEBHOOK, "headers", "A"), "a\nb", "must be printable ASCII text in one line"),
        ((*WEBHOOK, "headers", "A"), {"flie": "x"}, "write {file: PATH}"),
        ((*WEBHOOK, "headers", "A b"), "c", "is no name of a header"),
        ((*WEBHOOK, "headers", "Host"), "c", "is set by syncd itself"),
        ((*WEBHOOK, "headers", "Authorization"), "Bearer hush", "looks like a secret; write {file: PATH}"),
        ((*WEBHOOK, "headers", "X-Api-Key"), "hush", "looks like a secret; write {file: PATH}"),
        ((*WEBHOOK, "headers", "PRIVATE-TOKEN"), "hush", "looks like a secret; write {file: PATH}"),
        ((*WEBHOOK, "timeout"), "0s", "must be longer than nothing"),
        ((*WEBHOOK, "tls", "verify"), "no", "must be true or false"),
        ((*MAIL, "secure"), True, "does not go with secure: true"),
        ((*MAIL, "login"), "me", "login and password go together"),
        ((*MAIL, "password"), {"env": "PW"}, "login and password go together"),
        ((*MAIL, "password"), "hush", "write {file: PATH}"),
        ((*MAIL, "server"), "mail.example.org:25", "the port has a key of its own"),
        ((*MAIL, "from"), "syncd", "must be a mail address"),
        ((*MAIL, "to"), [], "must not be empty"),
        ((*MAIL, "to"), "i@a.org", "must be a list, not a text"),
        ((*MAIL, "to", 0), "i", "must be a mail address"),
    ],
)
def test_a_wrong_value_is_told_and_never_shown(loader: Loader, path: Steps, value: object, words: str) -> None:
    """Each rule, broken alone, is told in a line of the section; what may be a secret is not quoted."""
    problems = loader.problems((WEBHOOK, POST), (MAIL, LETTER), (path, value))
    assert any(words in problem for problem in problems), problems
    assert all(": notify." in problem and "hush" not in problem for problem in problems), problems
    assert all(int(problem.split(":")[1]) > 1 for problem in problems)


@pytest.mark.parametrize(
    ("path", "at"),
    [((*WEBHOOK, "url"), WEBHOOK), ((*MAIL, "server"), MAIL), ((*MAIL, "from"), MAIL), ((*MAIL, "to"), MAIL)],
)
def test_what_is_needed_is_missed(loader: Loader, path: Steps, at: Steps) -> None:
    """By the name that the file has for it."""
    section = {key: value for key, value in {WEBHOOK: POST, MAIL: LETTER}[at].items() if key != path[-1]}
    [problem] = loader.problems((at, {**section, "timeout": "5s"}))
    assert problem.endswith(f'{".".join(map(str, at))}: missing key "{path[-1]}"')


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"starttls": True}, True),
        ({"secure": True, "port": 465}, True),
        ({"server": "localhost"}, True),
        ({"server": "127.0.0.1"}, True),
        ({}, False),
    ],
)
def test_a_password_needs_tls_or_this_machine(loader: Loader, changes: dict[str, Any], allowed: bool) -> None:
    """The password of the mail server never crosses the network in clear text."""
    mail = {**LETTER, "starttls": False, "login": "me", "password": {"env": "PW"}, **changes}
    if allowed:
        assert loader((MAIL, mail)).warnings == ()
    else:
        [problem] = loader.problems((MAIL, mail))
        line = loader.lines[(*MAIL, "password")]
        assert problem.startswith(f"syncd.yaml:{line}: notify.mail.password: would cross the network in clear text")


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ([((*WEBHOOK, "tls", "verify"), False)], (*WEBHOOK, "tls", "verify"), "any certificate is accepted"),
        ([((*MAIL, "tls", "verify"), False)], (*MAIL, "tls", "verify"), "any certificate is accepted"),
        ([((*MAIL, "starttls"), False)], (*MAIL, "server"), "no TLS"),
    ],
)
def test_danger_is_warned_of(loader: Loader, changes: list[tuple[Steps, object]], path: Steps, words: str) -> None:
    """What is allowed but dangerous is one warning with its line."""
    [warning] = loader((WEBHOOK, POST), (MAIL, LETTER), *changes).warnings
    assert warning.startswith(f"{loader.path}:{loader.lines[path]}: ")
    assert words in warning
