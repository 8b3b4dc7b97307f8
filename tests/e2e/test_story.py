"""The story of the vendor's tutorial: a support mailbox, who gets it, who loses it, and what is written for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import SUPPORT, Row, Rows, World, changed

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

MAIL = {
    "cid": 1, "name": "Support", "url": "imap://imap.mycompany.com:143", "login": SUPPORT, "password": None,
    "primary_addr": SUPPORT, "personal": None, "replyTo": None, "default_flag": 0, "spam_handler": "NoSpamHandler",
    "trash": "", "sent": "", "drafts": "", "spam": "", "confirmed_spam": "", "confirmed_ham": "", "archive": "",
    "unified_inbox": 0, "trash_fullname": None, "sent_fullname": None, "drafts_fullname": None, "spam_fullname": None,
    "confirmed_spam_fullname": None, "confirmed_ham_fullname": None, "archive_fullname": "", "starttls": 0,
    "oauth": None, "disabled": 0, "failed_auth_count": 0, "failed_auth_date": 0, "secondary": 1, "deactivated": 0,
}  # fmt: skip
"""Every column of the mail row that Open-Xchange's own tool writes (ox-facts 2.4), but id and user."""
TRANSPORT = {
    "cid": 1, "name": "Support", "url": "smtp://smtp.mycompany.com:25", "login": "", "password": None,
    "send_addr": SUPPORT, "personal": None, "replyTo": None, "default_flag": 0, "unified_inbox": 0, "starttls": 0,
    "oauth": None, "disabled": 0, "failed_auth_count": 0, "failed_auth_date": 0, "secondary": 1, "deactivated": 0,
}  # fmt: skip
"""Likewise of the transport row (ox-facts 2.5)."""
EVERYTHING: dict[str, Any] = {
    "name": "Kundendienst €", "login": "kd@mycompany.com", "personal": "Persönlich", "reply_to": "re@mycompany.com",
    "mail": {"server": "imap.mücompany.com", "port": 993, "secure": True},
    "transport": {"server": "2001:db8::25", "port": 587, "starttls": True, "login": "out"},
    "folders": {"archive": "default0/Archiv", "drafts": "default0/INBOX/Entwürfe", "sent": "Gesendet", "spam": "Spam",
                "trash": "default0", "confirmed_spam": "cs", "confirmed_ham": "ch"},
}  # fmt: skip


def written(row: Row, user: int, account: int, **columns: object) -> Row:
    """Give a row as it must be stored for a user."""
    return {**row, **columns, "user": user, "id": account}


def made(users: dict[int, int]) -> Rows:
    """Give all rows that accounts of the tutorial have: user → account id."""
    return {
        "user_mail_account": [written(MAIL, *pair) for pair in users.items()],
        "user_transport_account": [written(TRANSPORT, *pair) for pair in users.items()],
        "user_transport_account_properties": [
            {"cid": 1, "user": user, "id": account, "name": "transport.auth", "value": "mail"}
            for user, account in users.items()
        ],
    }


def arrived(before: Rows, after: Rows) -> Rows:
    """Give the rows that came into the account tables; nothing may have gone, elsewhere nothing may have changed."""
    differences = changed(before, after)
    differences.pop("sequence_mail_service", None)
    assert not any(gone for gone, _ in differences.values())
    return {table: came for table, (_, came) in differences.items()}


def test_members_get_exactly_the_rows_that_ox_writes(world: World) -> None:
    """The two members get mail row, transport row and property as the vendor's tool writes them; nothing else moves."""
    world.group("support", "alice", "bob")
    before = world.dump()
    done = world.process("sync")
    assert (done.code, done.err) == (0, "")
    assert arrived(before, world.dump()) == made({3: 1, 4: 2})
    assert world.rows("SELECT * FROM sequence_mail_service") == [{"cid": 1, "id": 2}]


def test_who_joins_gets_it_and_who_leaves_loses_it(world: World) -> None:
    """Carol joins and gets an account; bob leaves and all his rows go; alice's stay; ids are not used again."""
    empty = world.dump()
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support", "alice", "bob", "carol")
    assert world.sync().summary == {"create": 1, "unchanged": 2}
    assert arrived(empty, world.dump()) == made({3: 1, 4: 2, 5: 3})
    world.group("support", "alice", "carol")
    assert world.sync().summary == {"delete": 1, "unchanged": 2}
    assert arrived(empty, world.dump()) == made({3: 1, 5: 3})
    world.group("support", "alice", "carol", "bob")
    world.sync()
    assert world.users() == {3: 1, 4: 4, 5: 3}
    assert world.claims() == world.users()


def test_a_run_without_changes_writes_nothing(world: World) -> None:
    """When everything is in step, no row of any table changes, not even the id counter."""
    world.group("support", "alice", "bob")
    world.sync()
    before = world.dump()
    assert world.sync().summary == {"unchanged": 2}
    assert world.dump() == before


def test_a_plan_writes_nothing_and_tells_what_the_run_does(world: World) -> None:
    """The plan changes no table and no ledger row, and the run after it makes exactly the planned changes."""
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support", "alice", "carol")
    before, ledger = world.dump(), list(world.ledger("SELECT * FROM runs"))
    planned = world.plan()
    assert planned.code == 3
    assert world.dump() == before
    assert world.ledger("SELECT * FROM runs") == ledger
    done = world.sync()
    names = ("op", "user", "login", "mailbox", "path", "reason")
    told = [[{name: one[name] for name in names} for one in run.document["changes"]] for run in (planned, done)]
    assert told[0] == told[1]
    assert [(one["op"], one["login"]) for one in told[0]] == [("delete", "bob"), ("create", "carol")]


def test_every_attribute_is_stored(world: World) -> None:
    """Secure servers, IDN and IPv6 hosts, sender, reply-to, transport login and folders become columns as in OX."""
    world.configure(world.mapping(account=EVERYTHING))
    world.group("support", "carol")
    before = world.dump()
    world.sync()
    rows = arrived(before, world.dump())
    common = {"name": "Kundendienst €", "personal": "Persönlich", "replyTo": "re@mycompany.com"}
    mail = {
        "login": "kd@mycompany.com",
        "url": "imaps://imap.xn--mcompany-65a.com:993",
        "archive_fullname": "default0/Archiv",
    }
    mail |= {"drafts_fullname": "INBOX/Entwürfe", "sent_fullname": "Gesendet", "spam_fullname": "Spam"}
    mail |= {"trash_fullname": "", "confirmed_spam_fullname": "cs", "confirmed_ham_fullname": "ch"}
    assert rows["user_mail_account"] == [written(MAIL, 5, 1, **common, **mail)]
    transport = {"url": "smtp://[2001:db8::25]:587", "starttls": 1, "login": "out"}
    assert rows["user_transport_account"] == [written(TRANSPORT, 5, 1, **common, **transport)]


def test_an_account_without_transport_can_only_receive(world: World) -> None:
    """Without a transport neither the transport row nor its property is written, and the next run is content."""
    world.configure(world.mapping(account={"transport": None}))
    world.group("support", "carol")
    before = world.dump()
    world.sync()
    assert arrived(before, world.dump()) == {"user_mail_account": [written(MAIL, 5, 1)]}
    assert world.sync().summary == {"unchanged": 1}


def test_localhost_is_what_ox_means_by_it(world: World) -> None:
    """`source: localhost` writes the vendor's two literal URLs with STARTTLS."""
    world.configure(world.mapping(account={"mail": {"source": "localhost"}, "transport": None}))
    world.group("support", "carol")
    before = world.dump()
    world.sync()
    rows = arrived(before, world.dump())
    assert rows["user_mail_account"] == [written(MAIL, 5, 1, url="imap://localhost:143", starttls=1)]
    assert rows["user_transport_account"] == [written(TRANSPORT, 5, 1, url="smtp://localhost:25", starttls=1)]


def test_primary_copies_from_account_0_once(world: World) -> None:
    """`source: primary` copies each user's own servers at creation; a later change there is reported, not followed."""
    world.configure(world.mapping(account={"mail": {"source": "primary"}, "transport": None}))
    world.execute("UPDATE user_mail_account SET url = 'imaps://own.example.org:993', starttls = 0 WHERE user = 5")
    world.group("support", "carol", "dave")
    before = world.dump()
    world.sync()
    rows = arrived(before, world.dump())
    assert rows["user_mail_account"] == [
        written(MAIL, 5, 1, url="imaps://own.example.org:993"),
        written(MAIL, 6, 2, url="imap://imap.example.org:143", starttls=1),
    ]
    copied = {"url": "smtp://smtp.example.org:587", "starttls": 1}
    assert rows["user_transport_account"] == [written(TRANSPORT, 5, 1, **copied), written(TRANSPORT, 6, 2, **copied)]
    world.execute("UPDATE user_mail_account SET url = 'imaps://new.example.org:993' WHERE user = 5 AND id = 0")
    before = world.dump()
    done = world.sync()
    assert [(one["user"], one["account"]) for one in done.document["drift"]] == [(5, 1)]
    assert world.dump() == before
