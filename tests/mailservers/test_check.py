"""What `check --imap` says of logins at a real Dovecot: IMAP, and SMTP by its submission service."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import pytest

from syncd.core.finding import Finding
from syncd.core.logins import Credentials, Server, Trial, Untried
from syncd.core.model import Secret
from syncd.errors import SyncdError
from syncd.mailservers.check import REFUSALS, findings
from syncd.mailservers.connection import Options, trusting
from tests.servers.dovecot import CLEAR, IDN, MISNAMED, TRUSTED, UNTRUSTED, USERS, Dovecot

pytestmark = pytest.mark.dovecot

SUPPORT = "support@example.test"
WRONG = "wr0ng-and-secret"
Protocol = Literal["imap", "smtp"]
Kind = Literal["start", "starttls", "none"]
PROTOCOLS: tuple[Protocol, ...] = ("imap", "smtp")
WITH_TLS: tuple[Kind, ...] = ("start", "starttls")
SECTION = {"imap": "account.mail", "smtp": "account.transport"}
CONSEQUENCE = {"imap": "users cannot read", "smtp": "users cannot send as"}


@pytest.fixture
def options(dovecot: Dovecot) -> Options:
    return Options(context=trusting(dovecot.ca))


def at(dovecot: Dovecot, protocol: Protocol, tls: Kind, host: str = TRUSTED) -> Server:
    """Give one of its servers."""
    port = getattr(dovecot, f"{protocol}s" if tls == "start" else protocol)
    return Server(protocol, host, port, tls)


def trial(
    server: Server,
    login: str = SUPPORT,
    password: str = "",
    mailboxes: Iterable[str] = (SUPPORT,),
    *,
    used: bool = True,
) -> Trial:
    """Give a trial, by default with the right password."""
    credentials = Credentials(login, Secret(password or USERS[login]))
    return Trial(server=server, credentials=credentials, mailboxes=tuple(mailboxes), used=used)


def found(options: Options, *trials: Trial) -> list[Finding]:
    """Try, and give the findings; no password may be in any of them."""
    told = list(findings(trials, (), options))
    for one in trials:
        assert one.credentials.password.reveal() not in repr(told)
    return told


@pytest.mark.parametrize("login", USERS)
@pytest.mark.parametrize("tls", WITH_TLS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_right_login_is_taken(dovecot: Dovecot, options: Options, protocol: Protocol, tls: Kind, login: str) -> None:
    """From the start or by STARTTLS, verified; with blanks, quotes, backslashes and letters beyond ASCII too."""
    server = at(dovecot, protocol, tls)
    [told] = found(options, trial(server, login))
    assert told == Finding(True, f"{server} as {login}", f"login taken, TLSv1.3 verified; for {SUPPORT}")


@pytest.mark.parametrize("tls", WITH_TLS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_password_is_told_with_whom_it_concerns(
    dovecot: Dovecot, options: Options, protocol: Protocol, tls: Kind
) -> None:
    """The server's own words are shown, with what users cannot do and what to correct."""
    server = at(dovecot, protocol, tls)
    [told] = found(options, trial(server, password=WRONG))
    words = {"imap": "[AUTHENTICATIONFAILED] Authentication failed.", "smtp": "535 5.7.8 Authentication failed."}
    assert (told.ok, told.what) == (False, f"{server} as {SUPPORT}")
    assert told.detail == f"wrong login or password: {words[protocol]}; {CONSEQUENCE[protocol]} {SUPPORT}"
    assert "account.login" in told.hint


def test_a_wrong_password_is_shown_once(dovecot: Dovecot, options: Options) -> None:
    """Servers count failed logins: no second mechanism is tried with what was refused."""
    login = "once@example.test"
    for protocol in PROTOCOLS:
        found(options, trial(at(dovecot, protocol, "start"), login, WRONG))
    lines = [line for line in dovecot.failed() if login in line]
    assert len(lines) == 2
    assert all("auth failed, 1 attempts" in line for line in lines)


@pytest.mark.parametrize("tls", WITH_TLS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("host", "why", "advice"),
    [
        (UNTRUSTED, "the certificate is not trusted: unable to get local issuer certificate", "--imap-ca"),
        (MISNAMED, "the certificate is that of another host: IP address mismatch", "must be a name that"),
    ],
)
def test_a_certificate_that_proves_nothing_ends_it(
    dovecot: Dovecot, options: Options, protocol: Protocol, tls: Kind, host: str, why: str, advice: str
) -> None:
    """An unknown authority and another host's certificate are told apart; no login is shown to such a server."""
    server = at(dovecot, protocol, tls, host)
    login = f"nobody-{host}-{protocol}-{tls}"
    [told] = found(options, trial(server, login, WRONG))
    assert (told.ok, told.what) == (False, str(server))
    assert told.detail.startswith(why)
    assert told.detail.endswith(f"; {CONSEQUENCE[protocol]} {SUPPORT}")
    assert advice in told.hint
    assert not any(login in line for line in dovecot.failed())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_by_default_the_authorities_of_the_system_are_trusted(dovecot: Dovecot, protocol: Protocol) -> None:
    """Without a file of certificates the test's authority is nobody."""
    [told] = found(Options(context=trusting(None)), trial(at(dovecot, protocol, "start")))
    assert (told.ok, told.detail.split(":")[0]) == (False, "the certificate is not trusted")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_login_that_wants_tls_is_told(dovecot: Dovecot, options: Options, protocol: Protocol) -> None:
    """Where no TLS is configured and the server insists on it, nothing is shown, and the key to set is named."""
    login = f"clear-{protocol}"
    [told] = found(options, trial(at(dovecot, protocol, "none"), login, WRONG))
    assert told.detail == f"the server offers no login without TLS; {CONSEQUENCE[protocol]} {SUPPORT}"
    assert told.hint == f"write starttls: true in {SECTION[protocol]}"
    assert not any(login in line for line in dovecot.failed())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_starttls_that_is_not_offered_is_told(dovecot: Dovecot, options: Options, protocol: Protocol) -> None:
    """Nothing crosses the wire in the clear that was to be protected."""
    login = f"stripped-{protocol}"
    [told] = found(options, trial(at(dovecot, protocol, "starttls", CLEAR), login, WRONG))
    assert told.detail == f"the server does not offer STARTTLS; {CONSEQUENCE[protocol]} {SUPPORT}"
    assert not any(login in line for line in dovecot.failed())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_login_in_the_clear_is_tried_as_configured(dovecot: Dovecot, options: Options, protocol: Protocol) -> None:
    """It is taken where the server takes it, and the line says what that means."""
    right, wrong = found(
        options,
        trial(server := at(dovecot, protocol, "none", CLEAR)),
        trial(server, password=WRONG),
    )
    assert (right.ok, right.detail) == (
        True,
        f"login taken, in the clear: the password can be read on its way; for {SUPPORT}",
    )
    assert (wrong.ok, wrong.detail.split(":")[0]) == (False, "wrong login or password")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_at_a_port_without_it_is_told(dovecot: Dovecot, options: Options, protocol: Protocol) -> None:
    """`secure` at the port for STARTTLS names the other key."""
    server = Server(protocol, TRUSTED, getattr(dovecot, protocol), "start")
    [told] = found(options, trial(server))
    assert told.detail.startswith("TLS failed: ")
    assert "starttls: true" in told.hint


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_closed_port_is_told_once_for_all(dovecot: Dovecot, options: Options, protocol: Protocol) -> None:
    """What is wrong with a server is one line for all its logins and mailboxes, of which some are named."""
    with socket.create_server((TRUSTED, 0)) as plug:
        port = plug.getsockname()[1]
    server = Server(protocol, TRUSTED, port, "start")
    addresses = [f"{number}@example.test" for number in range(5)]
    [told] = found(options, *(trial(server, address, WRONG, [address]) for address in addresses))
    assert (told.ok, told.what) == (False, str(server))
    expected = f"{CONSEQUENCE[protocol]} 0@example.test, 1@example.test, 2@example.test and 2 more"
    assert told.detail == f"connection refused; {expected}"
    assert "port" in told.hint


def test_a_name_with_letters_beyond_ascii_is_verified(
    dovecot: Dovecot, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's name in ASCII is looked up, shown to the server, and found in the certificate."""
    asked = _name_server(monkeypatch, {IDN: TRUSTED})
    for protocol in PROTOCOLS:
        for tls in WITH_TLS:
            [told] = found(options, trial(at(dovecot, protocol, tls, IDN)))
            assert told.ok, told
    assert set(asked) == {IDN}
    [told] = found(options, trial(at(dovecot, "imap", "start", "xn--nirgends-n4a.example.test")))
    assert told.detail.startswith("the host name xn--nirgends-n4a.example.test is unknown; ")


def test_another_name_than_the_certificates_is_told(
    dovecot: Dovecot, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads to the right server does not do, if the certificate has another."""
    _name_server(monkeypatch, {"imap.example.test": TRUSTED})
    [told] = found(options, trial(at(dovecot, "imap", "start", "imap.example.test")))
    assert told.detail.startswith("the certificate is that of another host: Hostname mismatch")


def _name_server(monkeypatch: pytest.MonkeyPatch, known: dict[str, str]) -> list[str]:
    """Let these names be known, and no others; give what is asked for."""
    real = socket.getaddrinfo
    asked: list[str] = []

    def look_up(host: str, *more: object, **named: object) -> object:
        asked.append(host)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(known[host], *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_after_some_refusals_the_others_are_left(dovecot: Dovecot, options: Options) -> None:
    """Who guesses on is locked out: the rest is not shown to that server, and another server is none the worse."""
    logins = [f"guess-{number}@example.test" for number in range(REFUSALS + 2)]
    server, other = at(dovecot, "imap", "start"), at(dovecot, "smtp", "start")
    told = found(options, *(trial(server, one, WRONG, [one]) for one in logins), trial(other))
    assert [one.ok for one in told] == [False] * REFUSALS + [True, True]
    left = told[REFUSALS]
    assert left.what == str(server)
    assert left.detail.startswith(f"not tried for {logins[-2]}, {logins[-1]}: {REFUSALS} logins were refused")
    failed = " ".join(dovecot.failed())
    assert [one for one in logins if one in failed] == logins[:REFUSALS]
    assert told[-1].detail.startswith("login taken")


def test_right_logins_do_not_count_as_refused(dovecot: Dovecot, options: Options) -> None:
    """Many mailboxes of which few are wrong are all tried."""
    server = at(dovecot, "imap", "start")
    wrong = [trial(server, password=f"{WRONG}{number}") for number in range(REFUSALS - 1)]
    told = found(options, *wrong, *(trial(server, one) for one in USERS))
    assert [one.ok for one in told] == [False] * len(wrong) + [True] * len(USERS)


def test_what_is_stored_and_not_used_is_told_as_such(dovecot: Dovecot, options: Options) -> None:
    """The transport's own login is a fault where it is refused, but not one that users notice."""
    [told] = found(options, trial(at(dovecot, "smtp", "start"), password=WRONG, used=False))
    assert told.detail.endswith(f"; stored for {SUPPORT}")
    assert "leave them out: Open-Xchange uses the account's" in told.hint


def test_what_cannot_be_tried_is_no_fault(options: Options) -> None:
    """Each reason is a line of its own, with some of its mailboxes."""
    untried = [Untried("nobody knows the password", ("a@x", "b@x", "c@x", "d@x"))]
    assert list(findings((), untried, options)) == [
        Finding(True, "logins for a@x, b@x, c@x and 1 more", "not tried: nobody knows the password")
    ]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_of_certificates_must_have_some(tmp_path: Path, content: str | None) -> None:
    """One that is missing, empty or something else is named, before any server is asked."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SyncdError, match=f"cannot read the CA {path}: "):
        trusting(path)


def test_nothing_old_is_spoken() -> None:
    """Certificates and host names are verified, and TLS before 1.2 is not accepted."""
    context = trusting(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
