"""From the settings to the ways of telling."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.channels import channels, mail_options, webhook_options
from syncd.core.model import Secret
from syncd.telemetry.notices import MailOptions, WebhookOptions
from tests.settings.configurations import Loader

WEBHOOK = {"url": {"env": "URL"}, "headers": {"X-Site": "north", "Authorization": {"env": "PW"}}, "timeout": "5s"}
MAIL = {"server": "mail.example.org", "port": 587, "starttls": True, "from": "s@a.org", "to": ["i@a.org"]}
LOGIN = {"login": "syncd", "password": {"env": "PW"}, "timeout": "6s"}


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    """Give a loader of changed configurations."""
    return Loader(tmp_path)


def test_nobody_is_told_unless_somebody_is_named(loader: Loader) -> None:
    """Without the section, and with an empty one, there is no channel; each of its ways stands alone."""
    assert channels(loader()) == channels(loader((("notify",), {}))) == ()
    assert [channel.name for channel in channels(loader((("notify", "mail"), MAIL)))] == ["mail"]


def test_everything_that_is_configured_arrives(loader: Loader) -> None:
    """Each key has its place in the options, and the secrets are read."""
    tls = {"ca": "/etc/ca.pem", "verify": False}
    sections = {"webhook": {**WEBHOOK, "tls": tls}, "mail": {**MAIL, **LOGIN, "tls": tls}}
    settings = loader((("notify",), sections), URL="https://a.org/hush", PW="pw")
    assert [channel.name for channel in channels(settings)] == ["webhook", "mail"]
    assert (webhook_options(settings), mail_options(settings)) == (
        WebhookOptions(
            url=Secret("https://a.org/hush"),
            headers={"X-Site": Secret("north"), "Authorization": Secret("pw")},
            ca="/etc/ca.pem",
            verify=False,
            timeout=5,
        ),
        MailOptions(
            server="mail.example.org",
            port=587,
            starttls=True,
            ca="/etc/ca.pem",
            verify=False,
            login="syncd",
            password=Secret("pw"),
            sender="s@a.org",
            to=("i@a.org",),
            timeout=6,
        ),
    )


def test_a_secret_that_does_not_fit_is_told_with_its_line(loader: Loader) -> None:
    """A URL by reference has the same rules as one in the file."""
    settings = loader((("notify", "webhook"), WEBHOOK), URL="http://a.org/hush", PW="pw")
    [problem] = loader.refused(lambda: channels(settings))
    line = loader.lines["notify", "webhook", "url"]
    assert problem.startswith(f"syncd.yaml:{line}: notify.webhook.url: ")
    assert "hush" not in problem
