"""What is known without a database: recorded lists, answers that are none, damaged rows, and how few calls it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Asked, Endpoint, Policy, Secret
from syncd.errors import StoreRefused, StoreUnavailable
from syncd.openxchange import playground
from syncd.openxchange.clt_answers import accounts
from syncd.openxchange.clt_process import Ended
from syncd.openxchange.edit import AccountChange, Edit, ServerChange
from syncd.openxchange.listing import HIDDEN, Listed
from syncd.openxchange.playground import create_schema
from syncd.openxchange.provisioning_check import alone
from syncd.openxchange.provisioning_listing import ListingStore
from syncd.openxchange.soap_service import SoapOptions, SoapService
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.test_clt_contract import by_tools
from tests.openxchange.test_soap_contract import SoapWorld, soap_world
from tests.openxchange.world import ADDRESS, OBFUSCATION, errors, mailbox
from tests.standins import faults, replay, tools
from tests.standins.contract import INSTANCE
from tests.standins.service import Trouble
from tests.standins.sqlite import quick

SOAP = '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{}</soap:Body></soap:Envelope>'
T, D = "http://soap.admin.openexchange.com", "http://dataobjects.soap.admin.openexchange.com/xsd"
RETURNED = f'<listResponse xmlns="{T}" xmlns:d="{D}"><return>{{}}</return></listResponse>'
ENFORCED = Policy(name="enforce", personal="enforce", reply_to="enforce", folders="enforce")
ACCOUNT = "<d:contextId>{}</d:contextId><d:userId>{}</d:userId><d:id>5</d:id>"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SoapWorld]:
    """Give a world in a file, of which the store sees nothing but what the service lists."""
    engine = quick(tmp_path / "ox.db")
    create_schema(engine)
    reader = SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION))
    for world in soap_world(engine, reader):
        world.store = ListingStore(world.store._service)
        yield world
    reader.close()


def calls(world: SoapWorld) -> list[tuple[str, int]]:
    """Give the calls so far, with how many users they name."""
    return [(call.operation, len(call.arguments.get("users") or ())) for call in world.service.calls]


# ---------------------------------------------------------------------- what is listed


def test_recorded_lists_are_read_alike(world: SoapWorld) -> None:
    """The vendor's answer on the wire and its CSV give the same accounts, in ASCII hosts and without empty texts."""
    [wire] = [case["response"] for case in replay.lines("wire.jsonl") if case["name"] == "list-many"]
    csv = {case["name"]: case["stdout"] for case in replay.lines("tools.jsonl")}
    world.service.expect(Trouble(operation="list", garbage=wire.encode()))
    by_soap = world.store._service.listed(1)
    assert by_soap == accounts(Ended(0, csv["list-csv-many"], ""), "the tool")
    full, *_, receiving = by_soap
    assert full == Listed(
        context=10,
        user=3,
        account=1,
        address="Full.Box@Example.org",
        name="Näme Full 😀",
        login="login-full",
        password=Secret("mailpw"),
        personal="Pers Önal",
        reply_to="reply@example.org",
        mail=Endpoint("imaps://mail.example.net:993", False),
        transport=Endpoint("smtps://out.example.net:465", False),
        transport_login="tlogin",
        transport_password=Secret("tpw"),
        folders={
            "archive": "default0/INBOX/Archive",
            "drafts": "INBOX/Drafts",
            "sent": "INBOX/Sent",
            "spam": "Spam",
            "trash": "Trash",
            "confirmed_spam": "cspam",
            "confirmed_ham": "cham",
        },
        unreadable=False,
    )
    assert (receiving.transport, receiving.transport_login, receiving.transport_password) == (None, "", None)
    [letters] = accounts(Ended(0, csv["list-csv-unicode-quotes"], ""), "the tool")
    assert letters.mail.url == "imap://xn--mil-qla.example.org:143"
    assert letters.transport is not None
    assert letters.transport.url == "smtp://out.xn--bcher-kva.example:587"


def test_sql_soap_and_the_tools_list_alike(world: SoapWorld, tmp_path: Path) -> None:
    """Whichever way they are read, accounts are the same, and passwords are hidden unless they are asked for."""
    boxes = [
        mailbox("a@x.org", password=Secret("pä55"), transport_password=Secret("other"), transport_login="t"),
        mailbox(
            "b@x.org", login="b", name='Nâme "q", 😀', personal="P", reply_to="r@x.org", folders={"trash": "Müll, A"}
        ),
        mailbox("c@x.org", login="c", transport=None),
        mailbox("d@x.org", login="d", mail=None, transport=None),
        mailbox("e@x.org", login="e", mail=Endpoint("imaps://[2001:db8::1]:993", False)),
        mailbox("f@x.org", login="f", mail=Endpoint("imap://xn--mil-qla.example.org:143", False)),
        mailbox("g@x.org", login="g", policy=ENFORCED, personal="P", folders={"trash": "default0/T", "archive": "A"}),
    ]
    for box in boxes:
        assert errors(world.create(box, [3, 4])) == [None, None], box
    reader = SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION))
    by_csv = ListingStore(by_tools(world)._service)
    for users, secret in ((None, True), ([4, 77], True), ([3], False)):
        by_sql = reader.listed(1, users, passwords=secret)
        assert world.store.listed(1, users, passwords=secret) == by_sql
    assert {one.password for one in by_sql} == {HIDDEN, None}
    for box in boxes:
        [seen, _] = reader.observe([box], {}).accounts[box.ref]
        assert world.observed(box)[3].fields == seen.fields
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("syncd.openxchange.clt_service.run", _in_process)
        assert by_csv.listed(1, passwords=True) == reader.listed(1, passwords=True)
    reader.close()


def _in_process(program: Path, arguments: list[str], environment: Mapping[str, str], *, timeout: float) -> Ended:
    return Ended(*tools.run(program.name, arguments, {"LC_ALL": "C.UTF-8", **environment}))


# ---------------------------------------------------------------------- what is no list


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<x/>",
        f'<deleteResponse xmlns="{T}"><return>false</return></deleteResponse>',
        RETURNED.format("").replace("return>", "found>"),
        RETURNED.format("").replace("<return>", f'<return xmlns:i="{INSTANCE}" i:nil="1">'),
        RETURNED.format(ACCOUNT.format(2, 3)),
    ],
)
def test_what_is_no_list_is_no_empty_list(world: SoapWorld, body: str) -> None:
    """Any other answer than a list of this context is none at all: nobody's account is gone for it."""
    box = mailbox()
    world.create(box, [3])
    world.service.expect(Trouble(operation="list", times=None, garbage=SOAP.format(body).encode()))
    with pytest.raises(StoreUnavailable):
        world.store.observe([box], {})


def test_accounts_of_others_than_those_asked_for(world: SoapWorld) -> None:
    """A list of users with somebody else in it is not believed."""
    world.service.expect(Trouble(operation="list", garbage=SOAP.format(RETURNED.format(ACCOUNT.format(1, 4))).encode()))
    with pytest.raises(StoreUnavailable, match="lists other accounts than those that were asked for"):
        world.store.listed(1, [3])


def test_a_service_that_is_away(world: SoapWorld) -> None:
    """Without an answer nothing is read of any context, and the error says which one was asked."""
    world.service.expect(Trouble(operation="list", times=None, drop="before"))
    with pytest.raises(StoreUnavailable, match=r"^context 1: the connection to the SOAP service at .* was lost"):
        world.store.observe([mailbox(), mailbox(context=2)], {})
    with pytest.raises(StoreUnavailable, match="context 1: "):
        world.store.users_in({1: Asked(ids=[3])})


def test_an_answer_of_another_release(world: SoapWorld) -> None:
    """An account without an element that is needed is said, and is no account without it."""
    old = SoapService(SoapOptions(url=world.service.url, everywhere=world.store._service.options.everywhere))
    old._call = lambda *_: [object()]  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable, match="gives a list that cannot be read"):
        old.listed(1)


def test_a_damaged_password_makes_its_context_unread(world: SoapWorld) -> None:
    """One account that the service cannot load hides the whole context, and no other one."""
    boxes = [mailbox(), mailbox(context=2)]
    [first, _] = world.create(boxes[0], [3, 4])
    world.create(boxes[1], [3])
    world.execute("UPDATE user_mail_account SET password = 'a$b$c$d$e$f' WHERE cid = 1 AND id = :id", id=first.account)
    observation = world.store.observe(boxes, {})
    assert [len(observation.accounts[box.ref]) for box in boxes] == [0, 1]
    assert list(observation.unread) == [1]
    assert "one account with a damaged password is enough" in observation.unread[1]
    with pytest.raises(StoreRefused, match="no account can be listed: Open-Xchange failed: Input byte") as caught:
        world.delete(boxes[0], [first])
    assert caught.value.contexts == {1}
    assert [one.user for one in world.store.listed(1, [4])] == [4]


def test_a_url_that_is_no_server(world: SoapWorld) -> None:
    """An account whose server is not listed differs from what it should be, and the way out is told."""
    box = mailbox()
    written = world.create(box, [3])
    world.execute("UPDATE user_mail_account SET url = '' WHERE id <> 0")
    assert world.observed(box)[3].fields == wanted(box.account)._replace(mail_url="")
    [error] = errors(world.update(box, wanted(box.account), written))
    assert (error or "").endswith("delete the account and let syncd create it again")
    assert errors(world.delete(box, written)) == [None]


def test_settings_that_hide_what_is_stored(world: SoapWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Open-Xchange lists its own settings instead of what was just written, each update says so."""
    box = mailbox(password=Secret("pw"))
    written = world.create(box, [3])
    listed = world.store._service.listed
    world.store._service.listed = lambda *some: [one._replace(password=None) for one in listed(*some)]  # type: ignore[method-assign]
    assert world.observed(box)[3].password is False
    [error] = errors(world.update(box, wanted(box.account), written, password=True))
    assert error is not None
    assert "com.openexchange.mail.secondary" in error


# ---------------------------------------------------------------------- how few calls


def test_one_more_member_of_a_thousand(world: SoapWorld) -> None:
    """A context is one list, whoever has accounts there and is known by them; a new account is three calls."""
    users = list(range(1000, 2001))
    with world.engine.begin() as connection:
        playground.add_users(connection, 1, [(user, f"u{user}", f"u{user}@example.org") for user in users])
    box = mailbox()
    for start in (0, 500):
        world.create(box, users[start : start + 500])
    world.service.calls.clear()
    assert len(world.observed(box)) == 1000
    assert world.store.users(1, Asked(ids=users)).ids == set(users)
    assert calls(world) == [("list", 0), ("list", 0), ("list", 1)]
    world.service.calls.clear()
    assert errors(world.create(box, users[1000:])) == [None]
    assert calls(world) == [("list", 1), ("create", 1), ("list", 1)]


def test_who_is_gone_costs_a_call(world: SoapWorld) -> None:
    """The service names one unknown user at a time; the others are asked for again."""
    assert world.store.users(1, Asked(ids=[3, 4, 77, 78])).ids == {3, 4}
    assert calls(world) == [("list", 4), ("list", 3), ("list", 2)]


def test_a_delete_asks_first(world: SoapWorld) -> None:
    """Before a delete an update sets what is set, for all users alike; it changes no row and no counter."""
    box = mailbox()
    written = world.create(box, [3, 4])
    world.execute("UPDATE user_mail_account SET failed_auth_count = 3, name = 'Mine' WHERE id <> 0")
    before = world.tables()
    world.service.calls.clear()
    world.service.expect(Trouble(operation="delete", fault=faults.no_such("user", 3, 1)))
    world.service.expect(Trouble(operation="delete", fault=faults.no_such("user", 4, 1)))
    assert None not in errors(world.delete(box, written))
    assert world.tables() == before
    [update] = [call.arguments for call in world.service.calls if call.operation == "update"]
    sent = {name: value for name, value in update["accountDataUpdate"].items() if value is not None}
    assert sent == {"mailStartTls": True}
    assert errors(world.delete(box, written)) == [None, None]


# ---------------------------------------------------------------------- by hand, and what is not offered


def test_edits(world: SoapWorld) -> None:
    """Single attributes are changed as with a database; what is not there, or needs a transport, is told."""
    box = mailbox()
    [first, second] = world.create(box, [3, 4])
    [receiving] = world.create(mailbox("in@x.org", login="in", transport=None), [3])
    named = AccountChange(name="New", mail=ServerChange(port=144))
    sending = AccountChange(transport=ServerChange(host="t"))
    found = world.store.edit(
        1,
        [
            Edit(3, first.account, box.key, named),
            Edit(4, second.account, "another", named),
            Edit(3, receiving.account, mailbox("in@x.org").key, sending),
            Edit(77, 9, box.key, named),
        ],
    )
    assert [one.error and one.error.partition(":")[0] for one in found] == [
        None,
        "the account is not there any more, or not a secondary one of this mailbox",
        "the account has no transport, and SOAP cannot give it one",
        "the account is not there any more, or not a secondary one of this mailbox",
    ]
    names = {user: (one.name, one.fields.mail_url) for user, one in world.observed(box).items()}
    assert names == {3: ("New", "imap://imap.example.net:144"), 4: ("Support", "imap://imap.example.net:143")}


def test_formats_of_passwords_are_not_known(world: SoapWorld) -> None:
    """How passwords are stored is refused, with what it takes."""
    with pytest.raises(StoreRefused, match="in the database only") as caught:
        world.store.stale(1, mailbox().key, [(3, 1)])
    assert caught.value.hint == "configure openxchange.database"


def test_check_says_what_is_not_seen(world: SoapWorld) -> None:
    """A check warns of what nobody sees, and that only the ledger keeps another syncd away."""
    [finding] = alone(world.store._service)
    assert (finding.ok, finding.what) == (True, "OX accounts")
    for words in ("warning: read by SOAP alone", "private accounts", "guests", "lease"):
        assert words in finding.detail


def test_no_password_is_shown(world: SoapWorld) -> None:
    """Neither a listed account nor what fails about it shows a stored password."""
    box = mailbox(password=Secret("hush-hush"))
    world.create(box, [3])
    assert "hush-hush" not in repr(world.store.listed(1, passwords=True)) + repr(world.observed(box))
    assert "hush-hush" not in str(world.store.rows(1, [(3, 1)]))
    assert ADDRESS in str(world.store.rows(1, [(3, 1)]))
