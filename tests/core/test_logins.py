"""Which logins are tried, and why others are not: the rows of the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.core.logins import FOUND, Credentials, Server, Trial, Untried, logins, password_source, server
from syncd.core.model import Account, Endpoint, Mailbox, Secret

LOCALHOST = Endpoint("imap://localhost:143", True)
IMAPS = Endpoint("imaps://imap.example.org:993", False)
SMTP = Endpoint("smtp://smtp.example.org:587", True)
AT_IMAPS = Server("imap", "imap.example.org", 993, "start")
AT_SMTP = Server("smtp", "smtp.example.org", 587, "starttls")
SECRET = Secret("right")
OWN = Secret("own")


def mailbox(address: str = "a@example.org", *, pattern: str = "", context: int = 1, **account: object) -> Mailbox:
    """Give a mailbox whose account has login a, password, mail server and transport, with these changes."""
    whole = Account(name="A", login="a", mail=IMAPS, transport=SMTP, password=SECRET)
    changed = replace(whole, **account)  # type: ignore[arg-type]
    return Mailbox(address=address, key=address, context=context, account=changed, pattern=pattern)


def tried(*mailboxes: Mailbox) -> list[tuple[Server, str, str, bool]]:
    """Give server, login, password and use of all that would be tried."""
    trials, _ = logins(mailboxes, LOCALHOST)
    return [(one.server, one.credentials.login, one.credentials.password.reveal(), one.used) for one in trials]


def reasons(*mailboxes: Mailbox) -> list[str]:
    """Give why something is not tried."""
    return [one.reason for one in logins(mailboxes, LOCALHOST)[1]]


def test_the_accounts_login_is_tried_at_both_servers() -> None:
    """Open-Xchange sends with the login that it reads with."""
    assert tried(mailbox()) == [(AT_IMAPS, "a", "right", True), (AT_SMTP, "a", "right", True)]
    assert reasons(mailbox()) == []


def test_without_a_transport_the_mail_server_alone_is_tried() -> None:
    """An account may receive only."""
    assert tried(mailbox(transport=None)) == [(AT_IMAPS, "a", "right", True)]


@pytest.mark.parametrize(
    ("account", "why"),
    [
        ({"mail": None, "transport": None}, "mail.source: primary"),
        ({"mail": LOCALHOST, "transport": Endpoint("smtp://localhost:25", True)}, "mail.source: localhost"),
        ({"password": None}, "no password is configured"),
    ],
)
def test_what_cannot_be_tried_has_its_reason(account: dict[str, object], why: str) -> None:
    """Servers of others, the machine of Open-Xchange, and passwords that syncd has not, are told and not tried."""
    one = mailbox(**account)
    assert tried(one) == []
    [reason] = reasons(one)
    assert why in reason


@pytest.mark.parametrize(("login", "shown"), [("t", "t"), ("", "a")])
def test_the_transports_own_password_is_tried_besides(login: str, shown: str) -> None:
    """It is stored, and not what Open-Xchange uses; without a login of its own it goes with the account's."""
    one = mailbox(transport_login=login, transport_password=OWN)
    assert tried(one)[1:] == [(AT_SMTP, "a", "right", True), (AT_SMTP, shown, "own", False)]


def test_the_transports_own_password_is_tried_where_the_account_has_none() -> None:
    """The one reason is told, the other login is tried all the same."""
    one = mailbox(password=None, transport_password=OWN)
    assert tried(one) == [(AT_SMTP, "a", "own", False)]
    assert len(reasons(one)) == 1


def test_equal_logins_are_tried_once() -> None:
    """Mailboxes, contexts and both uses of a login share one trial, which names each address once."""
    mailboxes = [
        mailbox(transport_login="a", transport_password=SECRET),
        mailbox(context=2),
        mailbox("b@example.org"),
        mailbox("c@example.org", password=OWN),
    ]
    trials, _ = logins(mailboxes, LOCALHOST)
    both = ("a@example.org", "b@example.org")
    assert trials[:2] == (
        Trial(server=AT_IMAPS, credentials=Credentials("a", SECRET), mailboxes=both),
        Trial(server=AT_SMTP, credentials=Credentials("a", SECRET), mailboxes=both),
    )
    assert [one.credentials.password for one in trials[2:]] == [OWN, OWN]


def test_reasons_are_told_once_with_all_their_mailboxes() -> None:
    """Each address is named once, whatever its contexts."""
    _, untried = logins([mailbox("b@x", password=None), mailbox("a@x", password=None, context=2)] * 2, LOCALHOST)
    assert [one.mailboxes for one in untried] == [("b@x", "a@x")]


def test_of_a_pattern_only_some_are_tried() -> None:
    """The first by address are a sample, pattern by pattern; the others are said to be left."""
    many = [mailbox(f"{number:03}@x", pattern="c.yaml:9", login=str(number)) for number in reversed(range(FOUND + 2))]
    others = [mailbox(f"{number}@y", login=str(number)) for number in range(FOUND + 2)]
    few = mailbox("few@x", pattern="c.yaml:20", login="few")
    trials, untried = logins([*many, few, *others], LOCALHOST)
    assert {login for one in others for login in (one.account.login,)} <= {one.credentials.login for one in trials}
    assert "few" in {one.credentials.login for one in trials}
    [left] = untried
    assert left == Untried(left.reason, (f"{FOUND:03}@x", f"{FOUND + 1:03}@x"))
    assert f"c.yaml:9 has many mailboxes, {FOUND} of them" in left.reason


@pytest.mark.parametrize(
    ("endpoint", "taken_apart", "shown"),
    [
        (IMAPS, AT_IMAPS, "imaps://imap.example.org:993"),
        (SMTP, AT_SMTP, "smtp://smtp.example.org:587 with STARTTLS"),
        (Endpoint("imap://h:143", False), Server("imap", "h", 143, "none"), "imap://h:143"),
        (Endpoint("smtps://[2001:db8::1]:465", False), Server("smtp", "2001:db8::1", 465, "start"),
         "smtps://[2001:db8::1]:465"),
        (Endpoint("imap://xn--mil-qla.example:143", True), Server("imap", "xn--mil-qla.example", 143, "starttls"),
         "imap://xn--mil-qla.example:143 with STARTTLS"),
    ],
)  # fmt: skip
def test_a_server_is_what_its_url_says(endpoint: Endpoint, taken_apart: Server, shown: str) -> None:
    """Protocol, kind of TLS, host and port are those of the row that Open-Xchange reads."""
    assert server(endpoint) == taken_apart
    assert str(taken_apart) == shown


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            {"a@x": False, "b@x": False},
            ("no password is configured", "session (its default", "with user nobody gets in"),
        ),
        ({"a@x": True, "b@x": True}, ("=user only, and all mailboxes here have one", "with session, its default")),
        (
            {"a@x": True, "b@x": False},
            ("=user only, and by it nobody gets in to b@x, without a password here", "global"),
        ),
        (dict.fromkeys("abcde", False) | {"f@x": True}, ("nobody gets in to a, b, c and 2 more, without",)),
    ],
)
def test_the_source_of_passwords_is_explained(names: dict[str, bool], told: tuple[str, ...]) -> None:
    """What session, global and user mean is said for the mailboxes that are there, some of which are named."""
    text = password_source(names)
    assert "com.openexchange.mail.secondary.passwordSource" in text
    for words in (*told, "global"):
        assert words in text


def test_a_trial_shows_no_password() -> None:
    """What is printed of it by mistake has no secret in it."""
    assert "right" not in repr(logins([mailbox()], LOCALHOST))
