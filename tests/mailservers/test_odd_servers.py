"""Servers that fall silent, hang up, repeat what they were told, or speak something else."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.finding import Finding
from syncd.core.logins import Credentials, Server, Trial
from syncd.core.model import Secret
from syncd.mailservers.check import findings
from syncd.mailservers.connection import Options
from syncd.mailservers.words import answer, printable
from tests.servers.scripted import Reply, Scripted

QUICK = Options(connect_timeout=5, receive_timeout=0.2)
"""Whoever is silent is waited for no longer than a test can bear."""
PATIENT = Options(receive_timeout=30)
BRIEF = Options(receive_timeout=2)
"""Likewise, where the server has to say something before: it may be a busy machine."""
PASSWORD = 'S3cret "wörds" \\ here'
CREDENTIALS = Credentials("anna@example.test", Secret(PASSWORD))
PLAIN = base64.b64encode(f"\0anna@example.test\0{PASSWORD}".encode())
Protocol = Literal["imap", "smtp"]


def imap(
    login: bytes | None, capabilities: bytes = b"IMAP4rev1 AUTH=PLAIN", *, more: Mapping[bytes, bytes] | None = None
) -> Reply:
    """Give a server that answers a login with these words, `%` standing for the tag; None = it hangs up."""

    def reply(line: bytes) -> bytes | None:
        tag, _, command = line.partition(b" ")
        if not command:  # what follows AUTHENTICATE has no tag
            return None if login is None else login.replace(b"%", b"%s" % reply.tag)  # type: ignore[attr-defined]
        reply.tag = tag  # type: ignore[attr-defined]
        if command == b"CAPABILITY":
            return b"* CAPABILITY %s\r\n%s OK done\r\n" % (capabilities, tag)
        if command.startswith(b"AUTHENTICATE"):
            return b"+ \r\n"
        if command == b"LOGOUT":
            return b"* BYE\r\n%s OK\r\n" % tag
        words = (more or {}).get(command.split()[0], login)
        return None if words is None else words.replace(b"%", tag)

    return reply


def smtp(*login: bytes | None, offers: bytes = b"AUTH PLAIN LOGIN") -> Reply:
    """Give a server that answers AUTH, and what follows it, with these lines; None = it hangs up."""
    left = list(login)

    def reply(line: bytes) -> bytes | None:
        if line.lower().startswith(b"ehlo"):
            return b"250-mail.example.test\r\n250 %s\r\n" % offers
        if line == b"QUIT":
            return b"221 bye\r\n"
        return left.pop(0)

    return reply


GREETING: Mapping[Protocol, bytes] = {"imap": b"* OK ready\r\n", "smtp": b"220 ready\r\n"}


def told(protocol: Protocol, port: int, options: Options = PATIENT, *, times: int = 1) -> list[Finding]:
    """Try the login; the password must not be told in any form."""
    server = Server(protocol, "127.0.0.1", port, "none")
    trials = [
        Trial(
            server=server, credentials=CREDENTIALS._replace(login=f"{CREDENTIALS.login}{'x' * n}"), mailboxes=("a@x",)
        )
        for n in range(times)
    ]
    found = list(findings(trials, (), options))
    shown = "".join(repr(one) for one in found)
    assert not [form for form in (PASSWORD, "S3cret", "wörds", PLAIN.decode(), quote(PASSWORD)) if form in shown]
    return found


def failure(protocol: Protocol, reply: Reply, options: Options = PATIENT) -> str:
    """Give what is wrong, without whom it concerns."""
    with Scripted(GREETING[protocol], reply) as server:
        [one] = told(protocol, server.port, options)
    assert not one.ok
    return one.detail.rpartition("; users cannot ")[0]


# ------------------------------------------------------------------ silence and ends


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
@pytest.mark.parametrize("said", [b"", b"* O", b"2"])
def test_a_server_that_does_not_greet_is_given_up(protocol: Protocol, said: bytes) -> None:
    """Silence, from the start or within a line, ends with the time that was waited; once for all of its logins."""
    with Scripted(said) as server:
        [one] = told(protocol, server.port, QUICK, times=3)
    assert (one.ok, one.what) == (False, f"{protocol}://127.0.0.1:{server.port}")
    assert one.detail.startswith("no answer within 0.2 s; users cannot ")
    assert "port right" in one.hint
    assert "secure: true" in one.hint


@pytest.mark.parametrize(("protocol", "reply"), [("imap", imap(b"")), ("smtp", smtp(b""))])
def test_silence_after_the_login_is_of_this_login(protocol: Protocol, reply: Reply) -> None:
    """The server works; the next login may be answered."""
    assert failure(protocol, reply, BRIEF) == "no answer to the login within 2 s"


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_a_server_that_drips_is_given_up(protocol: Protocol) -> None:
    """Whoever says something now and then, and never comes to the point, has a time for all of it."""
    drops = {"imap": b"* OK still here\r\n" * 100, "smtp": b"250-still here\r\n" * 100}

    def reply(_line: bytes) -> bytes | None:
        while True:
            server.say(drops[protocol])

    with Scripted(GREETING[protocol], reply) as server:
        [one] = told(protocol, server.port, Options(receive_timeout=30, patience=0.3))
    assert one.detail.startswith("no answer within 0.3 s; ")


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_a_login_that_is_never_decided_is_given_up(protocol: Protocol) -> None:
    """The same while the login is looked at: it has no answer, and the connection was not the server's to end."""
    drops = {"imap": b"* OK still looking\r\n" * 100, "smtp": b"535-still looking\r\n" * 100}
    before = {"imap": imap(b"% OK in\r\n"), "smtp": smtp()}[protocol]

    def reply(line: bytes) -> bytes | None:
        if b"AUTH" not in line:
            return before(line)
        while True:
            server.say(drops[protocol])

    with Scripted(GREETING[protocol], reply) as server:
        [one] = told(protocol, server.port, Options(receive_timeout=30, patience=2))
    assert one.detail.startswith("no answer to the login within 2 s; ")


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
@pytest.mark.parametrize("wrong", [("anna\r\na2 DELETE INBOX", "x"), ("anna", "two\nlines"), ("anna", "n\0l")])
def test_a_login_is_no_second_command(protocol: Protocol, wrong: tuple[str, str]) -> None:
    """What a directory gives, or a file has, cannot make a server do something else: nothing is sent."""
    with Scripted(GREETING[protocol]) as server:
        login, password = wrong
        credentials = Credentials(login, Secret(password))
        of_this = Trial(
            server=Server(protocol, "127.0.0.1", server.port, "none"), credentials=credentials, mailboxes=("a@x",)
        )
        [one] = findings([of_this], (), PATIENT)
    assert one.detail.startswith("login or password has a line break or a NUL in it")
    assert "\n" not in one.what + one.detail
    assert server.lines == []


@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_a_server_that_hangs_up_is_told(protocol: Protocol) -> None:
    """Before a word, in the middle, and at the login, which is that login's fault alone."""
    with Scripted(None) as server:
        [one] = told(protocol, server.port)
    assert one.detail.startswith(("the server ended the connection; ", "connection reset by peer; "))
    assert failure(protocol, lambda _: None) == "the server ended the connection"
    reply = {"imap": imap(None), "smtp": smtp(None)}[protocol]
    assert failure(protocol, reply) == "the server ended the connection at the login"


@pytest.mark.parametrize(
    ("protocol", "greeting", "why"),
    [
        ("imap", b"* BYE too many connections\r\n", "the server refuses us: * BYE too many connections; "),
        ("smtp", b"421 4.7.0 too many connections\r\n", "the server refuses us: 421 4.7.0 too many connections; "),
        ("imap", b"220 mail ESMTP\r\n", "IMAP failed: unexpected response: "),
        ("smtp", b"* OK IMAP4rev1\r\n", "SMTP failed: IMAP4rev1; "),
        ("imap", b"HTTP/1.1 400 Bad Request\r\n", "IMAP failed: unexpected response: "),
        ("imap", b"\xff\xfe\x00\r\n", "IMAP failed: unexpected response: "),
        ("smtp", b"\xff\xfe\x00\r\n", "SMTP failed: no text; "),
    ],
)
def test_who_does_not_let_us_in_is_quoted(protocol: Protocol, greeting: bytes, why: str) -> None:
    """A refusal is shown in the server's words, and what is no such server is told from it."""
    with Scripted(greeting) as server:
        [one] = told(protocol, server.port)
    assert not one.ok
    assert one.detail.startswith(why)


# ------------------------------------------------------------------ ways to log in


@pytest.mark.parametrize(
    ("protocol", "reply", "why"),
    [
        ("imap", imap(b"% NO [AUTHORIZATIONFAILED] No\r\n"),
         "this login is not allowed here: [AUTHORIZATIONFAILED] No"),
        ("imap", imap(b"% NO [EXPIRED] Old.\r\n"), "the password has expired: [EXPIRED] Old."),
        ("imap", imap(b"% NO [UNAVAILABLE] Later\r\n"), "the server cannot verify passwords now: [UNAVAILABLE] Later"),
        ("imap", imap(b"% NO Nope\r\n"), "login refused: Nope"),
        ("imap", imap(b"* BYE Enough of you\r\n"), "login refused: Enough of you"),
        ("imap", imap(b"% NO [PRIVACYREQUIRED] TLS!\r\n"), "the server offers no login without TLS"),
        ("smtp", smtp(b"535 5.7.8 No.\r\n"), "wrong login or password: 535 5.7.8 No."),
        ("smtp", smtp(b"454 4.7.0 Later.\r\n"), "the server cannot verify passwords now: 454 4.7.0 Later."),
        ("smtp", smtp(b"534-5.7.9 Make a\r\n534 5.7.9 password for it\r\n"),
         "the server wants another kind of login: 534 5.7.9 Make a 5.7.9 password for it"),
        ("smtp", smtp(b"550 No.\r\n"), "login refused: 550 No."),
        ("smtp", smtp(b"421 Enough of you\r\n"), "login refused: 421 Enough of you"),
        ("smtp", smtp(b"538 5.7.11 TLS!\r\n"), "the server offers no login without TLS"),
        ("smtp", smtp(offers=b"AUTH GSSAPI"), "the server takes no passwords, it offers GSSAPI"),
        ("imap", imap(b"", b"IMAP4rev1 LOGINDISABLED"), "the server offers no login without TLS"),
    ],
)  # fmt: skip
def test_what_a_refusal_means_is_said(protocol: Protocol, reply: Reply, why: str) -> None:
    """The codes of RFC 5530 and RFC 4954 are put into words, before the server's own."""
    assert failure(protocol, reply) == why


@pytest.mark.parametrize(
    ("protocol", "reply", "shown"),
    [
        ("imap", imap(b"% OK in\r\n"), PLAIN),
        ("imap", imap(b"% OK in\r\n", b"IMAP4rev1"),
         b'LOGIN "anna@example.test" "%s"' % PASSWORD.replace("\\", "\\\\").replace('"', '\\"').encode()),
        ("smtp", smtp(b"235 in\r\n"), b"AUTH PLAIN " + PLAIN),
        ("smtp", smtp(b"334 VXNlcm5hbWU6\r\n", b"334 UGFzc3dvcmQ6\r\n", b"235 in\r\n", offers=b"AUTH LOGIN"),
         base64.b64encode(PASSWORD.encode())),
    ],
)  # fmt: skip
def test_the_login_is_shown_as_the_server_takes_it(protocol: Protocol, reply: Reply, shown: bytes) -> None:
    """SASL PLAIN where it is offered, else LOGIN; in UTF-8, with what has to be escaped escaped."""
    with Scripted(GREETING[protocol], reply) as server:
        [one] = told(protocol, server.port)
    assert one.ok, one
    assert any(line.endswith(shown) for line in server.lines)


def test_a_server_without_logins_is_no_fault() -> None:
    """A relay that knows whom it trusts asks for none: that is told, and said not to be tried."""
    with Scripted(GREETING["smtp"], smtp(offers=b"SIZE 1000")) as server:
        [one] = told("smtp", server.port, times=2)
    assert (one.ok, one.what) == (True, f"smtp://127.0.0.1:{server.port}")
    assert one.detail.startswith("not tried for a@x: the server asks for no login here")


# ------------------------------------------------------------------ no secret is told


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD.encode(),
        b"LOGIN anna " + PASSWORD.encode()[:9],
        PLAIN,
        PLAIN[-12:],
        base64.b64encode(PASSWORD.encode()),
        quote(PASSWORD).encode(),
        PASSWORD.upper().encode(),
        PASSWORD.encode("latin-1"),
        repr(PASSWORD.encode()).encode(),
        b'S3 cr et  \xc2\xa0 "w\xc3\xb6rds"',
    ],
)
def test_an_answer_that_repeats_the_password_is_not_shown(echo: bytes) -> None:
    """Whole, in part, encoded, escaped, spaced or in capitals: what may hold it is withheld, the meaning is told."""
    withheld = "in words that are not shown since they may hold the password"
    refused = failure("imap", imap(b"% NO [AUTHENTICATIONFAILED] no user with " + echo + b"\r\n"))
    assert refused == f"wrong login or password, {withheld}"
    unknown = failure("imap", imap(b"% BAD no such command: " + echo + b"\r\n"))
    assert unknown == f"login refused, {withheld}"
    assert failure("smtp", smtp(b"535 5.7.8 " + echo + b"\r\n")) == f"wrong login or password, {withheld}"


@given(
    st.text(min_size=1).filter(str.strip),
    st.text(),
    st.text(),
    st.sampled_from([str, lambda one: base64.b64encode(one.encode()).decode()]),
)
def test_no_answer_gives_a_password_away(password: str, before: str, after: str, form: Callable[[str], str]) -> None:
    """Whatever stands around it."""
    shown = answer(f"{before}{form(password)}{after}", Credentials("anna", Secret(password)))
    assert shown.startswith(", in words that are not shown")


def test_an_ordinary_answer_is_one_line() -> None:
    """Control characters paint no terminal, and a long story is cut short."""
    assert answer("535 no\x1b[31m way\r\nat all", CREDENTIALS) == ": 535 no [31m way at all"
    assert printable("x" * 1000) == "x" * 199 + "…"


def test_the_modules_log_nothing() -> None:
    """Neither logging nor the debug output of the standard library can tell a password."""
    folder = Path(__file__).parent.parent.parent / "syncd" / "mailservers"
    for path in folder.glob("*.py"):
        text = path.read_text()
        assert not [word for word in ("structlog", "logging", "debuglevel", "print(") if word in text], path
