"""Notices at real servers on loopback: what arrives, what is verified, what of a failure is told and what never is."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.core.model import Secret
from syncd.telemetry.notices import LISTED, HeldNotice, Mail, MailOptions, Webhook, WebhookOptions
from tests.servers.certificates import Authority
from tests.servers.notices import Hook, Pair, PostOffice
from tests.servers.scripted import Scripted

SINCE = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
NOW = SINCE + timedelta(minutes=2)
PATH = "hooks/s3cret-path"
TOKEN = "t0ken-and-secret"
PASSWORD = "pa55word-and-secret"
OBJECTION = {
    "limit": "removals",
    "directions": ["removals"],
    "value": 4,
    "allowed": 3,
    "message": "support@example.org in context 1: 4 accounts would be removed; 3 within 24 hours are allowed. "
    "Nothing of it was done.",
}


def notice(number: int = 1) -> HeldNotice:
    """Give a plan of a mailbox with a number."""
    digest = f"sha256:{number:064x}"
    return HeldNotice(
        mailbox=f"box{number}@example.org",
        context=number,
        digest=digest,
        since=SINCE,
        objections=(OBJECTION,),
        changes=4,
        look=f"syncd show {digest} -c syncd.yaml",
        command=f"syncd approve {digest} -c syncd.yaml",
        reject=f"syncd reject {digest} -c syncd.yaml",
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.issue("loopback", "127.0.0.1")


@pytest.fixture(scope="module")
def misnamed(authority: Authority) -> Pair:
    return authority.issue("elsewhere", "elsewhere.example")


def webhook(port: int, scheme: str = "http", ca: Path | None = None, **more: object) -> Webhook:
    """Give the webhook of a server on loopback."""
    options = WebhookOptions(
        url=Secret(f"{scheme}://127.0.0.1:{port}/{PATH}"),
        headers={"Authorization": Secret(f"Bearer {TOKEN}")},
        ca=str(ca) if ca else None,
        timeout=5.0,
    )
    return Webhook(replace(options, **more))  # type: ignore[arg-type]


def mail(port: int, ca: Path | None = None, to: Sequence[str] = ("ops@example.org",), **more: object) -> Mail:
    """Give the mail channel of a server on loopback."""
    options = MailOptions(
        server="127.0.0.1",
        port=port,
        ca=str(ca) if ca else None,
        sender="syncd@example.org",
        to=tuple(to),
        timeout=5.0,
    )
    return Mail(replace(options, **more))  # type: ignore[arg-type]


def closed() -> int:
    """Give a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as plug:
        return int(plug.getsockname()[1])


def clean(problem: str) -> str:
    """Give a problem, in which no secret may be."""
    for secret in (PATH, TOKEN, PASSWORD, "s3cret"):
        assert secret not in problem
    assert "\n" not in problem
    return problem


# ------------------------------------------------------------------ webhook


def test_a_plan_is_posted_as_one_document() -> None:
    """Mailbox, context, digest, objections, age and commands arrive, with the configured headers."""
    with Hook() as hook:
        told = webhook(hook.port).tell([notice()], NOW)
    assert (told.digests, told.problem) == ({notice().digest}, "")
    [(path, headers, document)] = hook.posts
    assert path == f"/{PATH}"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"].startswith("application/json")
    text = document.pop("text")
    assert document == {
        "event": "plan.held",
        "mailbox": "box1@example.org",
        "context": 1,
        "digest": notice().digest,
        "since": "2026-01-02T03:00:00+00:00",
        "age_seconds": 120,
        "changes": 4,
        "objections": [{name: OBJECTION[name] for name in ("limit", "value", "allowed", "message")}],
        "look": notice().look,
        "command": notice().command,
        "reject": notice().reject,
    }
    assert text.startswith("box1@example.org (context 1): 4 changes held since 2026-01-02 03:00:00 UTC\n")
    assert notice().command in text


def test_each_plan_is_a_post() -> None:
    """Several plans arrive one by one."""
    with Hook() as hook:
        told = webhook(hook.port).tell([notice(1), notice(2)], NOW)
    assert len(told.digests) == 2
    assert [document["context"] for document in hook.documents] == [1, 2]


@pytest.mark.parametrize("status", [302, 307, 401, 404, 500])
def test_a_status_that_is_no_success_is_a_problem(status: int) -> None:
    """Its number is told, no redirection is followed, and the other plans are not tried."""
    with Hook(status=status) as hook:
        told = webhook(hook.port).tell([notice(1), notice(2)], NOW)
        assert told.digests == frozenset()
        assert clean(told.problem) == f"the webhook at 127.0.0.1:{hook.port} answered with HTTP status {status}"
    assert len(hook.posts) == 1


def test_a_webhook_by_tls_is_verified(authority: Authority, pair: Pair, misnamed: Pair) -> None:
    """It arrives where the certificate is trusted and names the server; elsewhere nothing is sent."""
    with Hook(pair) as hook, Hook(misnamed) as other:
        assert webhook(hook.port, "https", authority.certificate).tell([notice()], NOW).problem == ""
        unknown = webhook(hook.port, "https").tell([notice()], NOW).problem
        wrong = webhook(other.port, "https", authority.certificate).tell([notice()], NOW).problem
        assert webhook(other.port, "https", verify=False).tell([notice()], NOW).problem == ""
    for problem in (unknown, wrong):
        assert "cannot be reached: its certificate is not trusted: " in clean(problem)
    assert (len(hook.posts), len(other.posts)) == (1, 1)


def test_a_webhook_that_is_down_or_silent_is_a_problem() -> None:
    """Nobody listens, nobody answers, or something else than HTTP answers: a line, no exception and no secret."""
    down = webhook(closed()).tell([notice()], NOW)
    assert clean(down.problem).endswith("cannot be reached: Connection refused")
    with Scripted(b"SSH-2.0-server\r\n") as other:
        assert "no answer that could be read" in clean(webhook(other.port).tell([notice()], NOW).problem)
    with Scripted(b"") as silent:
        problem = clean(webhook(silent.port, timeout=0.2).tell([notice()], NOW).problem)
        assert "no answer that could be read (TimeoutError)" in problem


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice goes to the configured address only."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed()}")
    monkeypatch.setenv("no_proxy", "")
    with Hook() as hook:
        assert webhook(hook.port).tell([notice()], NOW).problem == ""


# ------------------------------------------------------------------ mail


def test_a_plan_is_mailed_as_plain_text() -> None:
    """Subject, sender, recipients and the whole plan arrive, marked as sent by a program."""
    with PostOffice() as office:
        told = mail(office.port, to=("ops@example.org", "boss@example.org")).tell([notice()], NOW)
    assert (told.digests, told.problem) == ({notice().digest}, "")
    [(recipients, message)] = office.mails
    assert recipients == ["ops@example.org", "boss@example.org"]
    assert message["Subject"] == "syncd holds 4 changes of box1@example.org"
    assert message["From"] == "syncd@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.org>")
    assert message.get_content_type() == "text/plain"
    text = message.get_content()
    for part in ("box1@example.org (context 1)", "4 accounts would be removed", notice().look, notice().command):
        assert part in text


def test_several_plans_are_one_mail() -> None:
    """However many mailboxes are held at once, people get one mail, of a length that can be read."""
    count = LISTED + 2
    with PostOffice() as office:
        told = mail(office.port).tell([notice(number) for number in range(1, count + 1)], NOW)
        assert mail(office.port).tell([], NOW).digests == frozenset()
    assert len(told.digests) == count
    [(_, message)] = office.mails
    assert message["Subject"] == f"syncd holds changes of {count} mailboxes"
    assert message.get_content().count("It is wanted:") == LISTED
    assert "... and 2 more" in message.get_content()


@pytest.mark.parametrize("way", ["secure", "starttls"])
def test_a_login_goes_over_verified_tls(authority: Authority, pair: Pair, misnamed: Pair, way: str) -> None:
    """With TLS from the start or begun later the login is taken; where the certificate is wrong nothing is sent."""
    logins = [("syncd", PASSWORD)]
    known = {way: True, "login": "syncd", "password": Secret(PASSWORD)}
    with (
        PostOffice(pair, secure=way == "secure", logins=logins) as office,
        PostOffice(misnamed, secure=way == "secure", logins=logins) as other,
    ):
        assert mail(office.port, authority.certificate, **known).tell([notice()], NOW).problem == ""
        for port, ca in ((office.port, None), (other.port, authority.certificate)):
            assert "its certificate is not trusted" in clean(mail(port, ca, **known).tell([notice()], NOW).problem)
    assert office.logins == [("syncd", PASSWORD, True)]
    assert (len(office.mails), other.logins, other.mails) == (1, [], [])


def test_a_server_without_starttls_gets_nothing() -> None:
    """Neither login nor mail goes in clear text where TLS is configured."""
    known = {"starttls": True, "login": "syncd", "password": Secret(PASSWORD)}
    with PostOffice(logins=[("syncd", PASSWORD)]) as office:
        assert "STARTTLS" in clean(mail(office.port, **known).tell([notice()], NOW).problem)
    assert (office.logins, office.mails) == ([], [])


def test_a_refused_login_is_told_without_what_the_server_says() -> None:
    """The server of this test repeats the password in its answer, as some do."""
    with PostOffice(logins=[("syncd", "another")]) as office:
        told = mail(office.port, login="syncd", password=Secret(PASSWORD)).tell([notice()], NOW)
        assert clean(told.problem) == f"the mail server 127.0.0.1:{office.port}: refused the login (code 535)"
    assert told.digests == frozenset()


def test_a_refused_recipient_does_not_keep_the_others_from_being_told() -> None:
    """Who is refused is named; only when nobody is left it counts as not told."""
    with PostOffice(refused=["gone@example.org"]) as office:
        some = mail(office.port, to=("gone@example.org", "ops@example.org")).tell([notice()], NOW)
        none = mail(office.port, to=("gone@example.org",)).tell([notice()], NOW)
    assert (some.digests, len(office.mails)) == ({notice().digest}, 1)
    assert some.problem.endswith("refused gone@example.org")
    assert none.digests == frozenset()
    assert none.problem.endswith("refused all recipients: gone@example.org")


def test_a_mail_server_in_trouble_is_a_problem() -> None:
    """A server that takes nothing, is down, hangs up or is silent: a line, and nothing counts as told."""
    with PostOffice() as office:
        office.broken = True
        broken = mail(office.port).tell([notice()], NOW)
    with Scripted(None) as gone:
        left = mail(gone.port).tell([notice()], NOW)
    with Scripted(b"") as silent:
        mute = mail(silent.port, timeout=0.2).tell([notice()], NOW)
    down = mail(closed()).tell([notice()], NOW)
    assert {told.digests for told in (broken, left, mute, down)} == {frozenset()}
    assert broken.problem.endswith("answered 451 the disk is full")
    assert down.problem.endswith("Connection refused")
    assert "unexpectedly closed" in left.problem
    assert clean(mute.problem)


# ------------------------------------------------------------------ check


def test_check_tries_without_telling(authority: Authority, pair: Pair) -> None:
    """A webhook is connected to, a mail server logged in to; nothing arrives, and what is wrong is said."""
    logins = [("syncd", PASSWORD)]
    known = {"starttls": True, "login": "syncd", "password": Secret(PASSWORD)}
    with Hook(pair) as hook, PostOffice(pair, logins=logins) as office:
        assert webhook(hook.port, "https", authority.certificate).finding().ok
        assert mail(office.port, authority.certificate, **known).finding().ok
        unknown = webhook(hook.port, "https").finding()
        wrong = mail(office.port, authority.certificate, **{**known, "login": "other"}).finding()
    assert (hook.posts, office.mails) == ([], [])
    assert (unknown.ok, wrong.ok) == (False, False)
    assert "certificate" in clean(unknown.detail)
    assert "refused the login" in clean(wrong.detail)
    assert not webhook(closed()).finding().ok
    with Hook() as plain:
        assert webhook(plain.port).finding().ok


def test_nothing_shows_a_secret() -> None:
    """Neither the options nor the channels have a secret in what is printed of them."""
    options = WebhookOptions(url=Secret(f"https://h/{PATH}"), headers={"A": Secret(TOKEN)})
    letters = MailOptions(server="h", port=25, login="l", password=Secret(PASSWORD), sender="a@b", to=("c@d",))
    for one in (options, letters, Webhook(options), Mail(letters)):
        clean(repr(one))
