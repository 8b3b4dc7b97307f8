"""What the journal tells of an account, and what of it is written back: rows in, values out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncd.byhand.reverting import (
    Difference,
    NotRevertedError,
    account_of,
    back,
    changed,
    enforced,
    shown,
    taken_back,
)
from syncd.core.model import Account, Endpoint, Policy, Secret
from syncd.openxchange.edit import ServerChange

MAIL = {"name": "Team", "url": "imap://a.example:143", "login": "team", "primary_addr": "team@x.org"}
TRANSPORT = {"name": "Team", "url": "smtp://a.example:25", "login": "t", "send_addr": "team@x.org"}
ROWS: dict[str, Any] = {"mail": MAIL, "transport": TRANSPORT, "mail_properties": {}, "transport_properties": {}}
MAPPED = Account(
    name="Configured",
    login="configured",
    mail=Endpoint("imaps://c.example:993", False),
    transport=Endpoint("smtps://c.example:465", True),
    transport_login="ct",
    password=Secret("p"),
    transport_password=Secret("tp"),
    folders={"trash": "Bin"},
)


def rows(mail: dict[str, Any] | None = None, transport: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give the rows with other values."""
    return {**ROWS, "mail": MAIL | (mail or {}), "transport": TRANSPORT | (transport or {})}


# --------------------------------------------------------------------------- accounts


def test_an_account_is_as_its_rows_have_it() -> None:
    """Without a mapping all of it is, and it has no password."""
    given = rows({"personal": "P", "replyTo": "r@x.org", "starttls": 1, "archive_fullname": "Old"}, {"starttls": 1})
    assert account_of(given, None) == Account(
        name="Team",
        login="team",
        mail=Endpoint("imap://a.example:143", True),
        transport=Endpoint("smtp://a.example:25", True),
        personal="P",
        reply_to="r@x.org",
        transport_login="t",
        folders={"archive": "Old"},
    )
    assert account_of({"mail": MAIL}, None).transport is None


def test_what_is_enforced_is_the_mappings() -> None:
    """With the usual policies names are the account's, servers, logins and passwords the mapping's."""
    found = account_of(rows({"trash_fullname": "Mine"}), MAPPED)
    assert (found.name, found.folders) == ("Team", {"trash": "Mine"})
    assert (found.login, found.mail, found.transport) == ("configured", MAPPED.mail, MAPPED.transport)
    assert (found.transport_login, found.password, found.transport_password) == ("ct", Secret("p"), Secret("tp"))


def test_policies_decide_for_each_value() -> None:
    """What is not enforced is the account's, what is, the mapping's; folders that no mapping names stay."""
    policy = Policy(name="enforce", folders="enforce", login="create", server="ignore", transport="create")
    mapped = Account(
        name="Configured", login="c", mail=MAPPED.mail, transport=None, folders={"trash": "Bin"}, policy=policy
    )
    found = account_of(rows({"trash_fullname": "Mine", "sent_fullname": "Out"}), mapped)
    assert (found.name, found.folders) == ("Configured", {"trash": "Bin", "sent": "Out"})
    assert (found.login, found.mail, found.transport_login) == ("team", Endpoint("imap://a.example:143", False), "t")
    assert found.transport == Endpoint("smtp://a.example:25", False)


def test_copied_servers_are_the_accounts() -> None:
    """Where the mapping copies servers from primary accounts, those that were copied come back."""
    found = account_of(ROWS, Account(name="n", login="l", mail=None, transport=None))
    assert (found.mail, found.transport) == (
        Endpoint("imap://a.example:143", False),
        Endpoint("smtp://a.example:25", False),
    )
    assert found.login == "l"


@pytest.mark.parametrize("given", [None, {}, {"mail": {}}, {"mail": {"name": "n"}}, {"login": "l"}, {"mail": "odd"}])
def test_without_rows_there_is_no_account(given: dict[str, Any] | None) -> None:
    """What the journal does not tell is not guessed."""
    with pytest.raises(NotRevertedError, match="does not tell what the account was like"):
        account_of(given, MAPPED)


# --------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"name": "N"}, {("mail", "name"): ("Team", "N")}),
        ({"personal": " "}, {("mail", "personal"): ("", "")}),
        ({"replyTo": "r"}, {("mail", "replyTo"): ("", "r")}),
        ({"reply_to": "r"}, {("mail", "replyTo"): ("", "r")}),
        ({"login": "l", "transport_login": "x"},
         {("mail", "login"): ("team", "l"), ("transport", "login"): ("t", "x")}),
        ({"mail_url": "imap://b:1"}, {("mail", "url"): ("imap://a.example:143", "imap://b:1")}),
        ({"mail_host": "b.example", "mail_port": 993, "mail_secure": True},
         {("mail", "url"): ("imap://a.example:143", "imaps://b.example:993")}),
        ({"mail_protocol": "pop3"}, {("mail", "url"): ("imap://a.example:143", None)}),
        ({"transport_host": "b.example"}, {("transport", "url"): ("smtp://a.example:25", "smtp://b.example:25")}),
        ({"mail_starttls": True, "transport_starttls": 1},
         {("mail", "starttls"): (False, True), ("transport", "starttls"): (False, True)}),
        ({"trash_fullname": "default0/Bin"}, {("mail", "trash_fullname"): ("", "Bin")}),
        ({"folders": "sent: Out, trash: a, b: c"},
         {("mail", "sent_fullname"): ("", None), ("mail", "trash_fullname"): ("", None)}),
        ({"login": "l", "failing": None, "transport_auth": "mail"}, {("mail", "login"): ("team", "l")}),
    ],
)  # fmt: skip
def test_what_an_update_changed(new: dict[str, Any], expected: dict[tuple[str, str], tuple[object, object]]) -> None:
    """Updates of runs and of persons are understood, each column with its value before and after."""
    assert changed(ROWS, new) == {column: Difference(*values) for column, values in expected.items()}


@pytest.mark.parametrize(
    ("given", "new", "message"),
    [
        (ROWS, {"passwords": "mail"}, "it changed a password"),
        (ROWS, {"name": "N", "passwords": "mail and transport"}, "it changed a password"),
        (ROWS, {}, "nothing to write back"),
        (ROWS, {"failing": None, "transport_secondary": True}, "nothing to write back"),
        ({"mail": MAIL}, {"transport_url": "smtp://b:25"}, "the account had no transport before"),
        ({"mail": MAIL}, {"transport_host": "b", "transport_port": 25}, "the account had no transport before"),
        (None, {"name": "N"}, "does not tell what was there before"),
        ({"login": "l"}, {"login": "N"}, "does not tell what was there before"),
    ],
)
def test_what_cannot_be_written_back(given: dict[str, Any] | None, new: dict[str, Any], message: str) -> None:
    """Passwords, rows that are not known, and what would break an account are refused."""
    with pytest.raises(NotRevertedError, match=message):
        changed(given, new)


@pytest.mark.parametrize(
    ("now", "back_again"),
    [
        (rows({"name": "N", "starttls": 1}), False),
        (rows({"name": "N"}), False),  # half of it was written back already
        (ROWS, True),
    ],
)
def test_whether_it_is_taken_back(now: dict[str, Any], back_again: bool) -> None:
    """It is when all values of before are there, and it is not while some are those of the update."""
    assert taken_back(changed(ROWS, {"name": "N", "mail_starttls": True}), now) is back_again


@pytest.mark.parametrize("now", [rows({"name": "Mine"}), None, {}])
def test_what_somebody_changed_since_stays(now: dict[str, Any] | None) -> None:
    """Values that are neither those of before nor those of the update are somebody's."""
    with pytest.raises(NotRevertedError, match="somebody has changed it since"):
        taken_back(changed(ROWS, {"name": "N"}), now)


def test_the_change_that_writes_it_back() -> None:
    """Texts become themselves, none becomes empty, and servers whole."""
    new = {"name": "N", "personal": "P", "reply_to": "R", "login": "L", "mail_url": "imaps://b:993", "mail_starttls": 1}
    new |= {"transport_url": "smtp://b:1", "transport_login": "T", "trash_fullname": "Bin"}
    change = back(changed(rows({"replyTo": "r"}), new))
    assert (change.name, change.personal, change.reply_to, dict(change.folders)) == ("Team", "", "r", {"trash": ""})
    server = {"host": "a.example", "secure": False}
    assert change.mail == ServerChange(**server, port=143, protocol="imap", starttls=False, login="team")
    assert change.transport == ServerChange(**server, port=25, protocol="smtp", login="t")


@pytest.mark.parametrize("url", ["nonsense", "imap://a.example", "unix:/run/imap"])
def test_a_server_that_is_not_understood(url: str) -> None:
    """A URL without host or port cannot be written by parts."""
    with pytest.raises(NotRevertedError, match="the server of before cannot be understood"):
        back(changed(rows({"url": url}), {"mail_url": "imap://b:1"}))


def test_what_is_shown() -> None:
    """A plan shows the values now and those written back, and no others."""
    new = {"name": "N", "mail_url": "imap://b:1", "trash_fullname": "Bin"}
    now = rows({"name": "N", "url": "imap://b:1", "trash_fullname": "Bin"})
    old, wanted = shown(changed(ROWS, new), now)
    assert (old.name, old.mail_url, old.folders, old.login) == ("N", "imap://b:1", "trash: Bin", "")
    assert (wanted.name, wanted.mail_url, wanted.folders) == ("Team", "imap://a.example:143", "trash: ")


@pytest.mark.parametrize(
    ("new", "policy", "expected"),
    [
        ({"login": "l"}, {}, ["login"]),
        ({"mail_url": "imap://b:1", "mail_starttls": True}, {}, ["server"]),
        ({"transport_url": "smtp://b:1", "transport_login": "x"}, {}, ["transport"]),
        ({"name": "N", "personal": "P", "reply_to": "R"}, {}, []),
        ({"name": "N"}, {"name": "enforce"}, ["name"]),
        ({"personal": "N"}, {"personal": "enforce"}, []),  # none before, and none configured
        ({"trash_fullname": "x"}, {"folders": "enforce"}, ["folders"]),
        ({"login": "l"}, {"login": "create"}, []),
        ({"mail_url": "imap://b:1"}, {"server": "ignore"}, []),
        ({"transport_url": "smtp://b:1"}, {"transport": "create"}, []),
    ],
)
def test_what_the_next_run_would_write_again(new: dict[str, Any], policy: dict[str, Any], expected: list[str]) -> None:
    """The keys of the configuration that enforce other values than those of before are named."""
    mapped = replace(MAPPED, policy=Policy(**policy))
    assert enforced(changed(ROWS, new), rows({"login": "now"}), mapped) == expected


def test_what_the_configuration_wants_may_come_back() -> None:
    """A value of before that is the configured one is not written again by anybody."""
    mapped = Account(name="n", login="team", mail=Endpoint("imap://a.example:143", False), transport=None)
    assert enforced(changed(ROWS, {"login": "odd", "mail_host": "b"}), rows({"login": "odd"}), mapped) == []
