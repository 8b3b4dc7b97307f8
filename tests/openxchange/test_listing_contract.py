"""The stores without a database keep the laws as far as a list can show it: by SOAP and by the command line tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Asked, Contexts, GroupRead, Secret, Users
from syncd.errors import StoreRefused
from syncd.openxchange.base import Deletion, Updating
from syncd.openxchange.playground import create_schema
from syncd.openxchange.provisioning_listing import UNSEEN, ListingStore
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.test_clt_contract import ToolsContract, by_tools, tools_world
from tests.openxchange.test_soap_contract import SoapContract, SoapWorld, soap_world
from tests.openxchange.world import ADDRESS, creations, errors, mailbox
from tests.standins.sqlite import quick

DEVIATIONS = {
    "test_copied_servers": "servers of primary accounts are not listed; what the service copied of them is",
    "test_a_lost_property_and_flag_are_repaired": "neither is listed, nor could the service repair them",
    "test_private_and_primary_accounts_are_never_touched": "they are not listed, and not touched all the same",
    "test_bad_accounts_do_not_stop_the_others": "the same, but for the words about an account that is there",
    "test_passwords": "they are listed in clear, so that nothing is sealed",
    "test_passwords_not_managed": "the same, with what is in the tables compared and not decrypted",
    "test_rows": "the journal has what is listed",
    "test_no_counter_no_ids": "the counter is the server's own affair",
    "test_schema_update_lock": "the service says so, in its words",
}
"""Where stores without a database differ from those that write by a service and read by SQL, and why."""


class ListingContract(SoapContract):
    """The laws where nothing is known but what is listed."""

    def test_copied_servers(self, world: SoapWorld) -> None:
        """Servers from the primary account are not known before, and observed once the service has copied them."""
        box = mailbox(mail=None, transport=None)
        assert world.store.endpoints(1, [3]) == {3: (UNSEEN, UNSEEN)}
        [creation] = creations(box, [3], None)
        fields = wanted(box.account, world.store.endpoints(1, [3])[3])
        assert errors(world.store.create(1, [replace(creation, fields=fields)])) == [None]
        seen = world.observed(box)[3].fields
        assert (seen.mail_url, seen.mail_starttls) == ("imap://imap.example.org:143", True)
        assert (seen.transport_url, seen.transport_starttls) == ("smtp://smtp.example.org:587", True)
        assert world.store.observe([box], {}).primaries == {}
        world.execute("DELETE FROM user_mail_account WHERE id = 0 AND user = 4")
        assert errors(world.create(box, [4])) == ["the user has no primary account to copy the servers from"]

    def test_a_lost_property_and_flag_are_repaired(self, world: SoapWorld) -> None:
        """A transport row that lost its property and its mark is taken for right, and nothing is made of it."""
        box = mailbox()
        [written] = world.create(box, [3])
        world.execute("DELETE FROM user_transport_account_properties WHERE id = :id", id=written.account)
        world.execute("UPDATE user_transport_account SET secondary = 0 WHERE id = :id", id=written.account)
        before = world.tables()
        assert world.observed(box)[3].fields == wanted(box.account)
        assert errors(world.update(box, wanted(box.account), [written])) == [None]
        assert world.tables() == before

    def test_private_and_primary_accounts_are_never_touched(self, world: SoapWorld) -> None:
        """An account with secondary = 0, or id 0, survives create, update and delete of its address."""
        private, primary = mailbox("mine@example.org"), mailbox("user4@example.org")
        world.add_account(3, 40, "mine@example.org")
        before = world.tables()
        for box, user, account in ((private, 3, 40), (primary, 4, 0)):
            assert "exists already" in (world.create(box, [user])[0].error or "")
            assert world.observed(box) == {}
            change = wanted(box.account)
            one = Updating(user=user, account=account, mailbox=box, old=change, new=change, password=False)
            assert errors(world.store.update(1, [one])) == ["the account is not there any more"]
            gone = Deletion(user=user, account=account, mailbox_key=box.key)
            assert errors(world.store.delete(1, [gone])) == [None]
        assert world.tables() == before
        assert [call.operation for call in world.service.calls if call.operation not in {"create", "list"}] == []

    def test_one_of_two_accounts_is_never_touched(self, world: SoapWorld) -> None:
        """Who has a private or primary account beside the secondary one keeps both as they are; the others do not."""
        box = mailbox()
        written = world.create(box, [3, 4, 5])
        world.add_account(3, 40, ADDRESS)
        world.execute("UPDATE user_mail_account SET primary_addr = :a WHERE user = 4 AND id = 0 AND cid = 1", a=ADDRESS)
        before = world.tables()
        new = wanted(box.account)._replace(login="new")
        for found in (errors(world.update(box, new, written)), errors(world.delete(box, written))):
            assert found[2] is None
            assert all("the user has two accounts with this address" in (error or "") for error in found[:2])
        kept = {
            table: [row for row in rows if (row["cid"], row["user"], row["id"]) != (1, 5, written[2].account)]
            for table, rows in before.items()
        }
        assert world.tables() == kept

    def test_bad_accounts_do_not_stop_the_others(self, world: SoapWorld) -> None:
        """An account that is there, listed or not, a user who is gone and a doubled one fail; others are written."""
        box = mailbox()
        world.create(box, [3])
        world.add_account(6, 40, ADDRESS)
        before = len(world.tables()["user_mail_account"])
        hidden = "an account with this address, or with the same server and login, exists already"
        assert errors(world.create(box, [3, 4, 99, 4, 6])) == [
            "an account with this address exists already (id 1)",
            None,
            "user 99 does not exist any more",
            "the same account is to be created twice",
            hidden,
        ]
        assert len(world.tables()["user_mail_account"]) == before + 1

    def test_passwords(self, world: SoapWorld) -> None:
        """Both passwords are stored, each its own, compared with what is listed, and noticed when they differ."""
        box = mailbox(password=Secret("pä55"), transport_password=Secret("other"))
        written = world.create(box, [3, 4])
        assert {(one.password, one.seal) for one in world.observed(box).values()} == {(True, None)}
        for changed in (
            mailbox(password=Secret("new"), transport_password=Secret("other")),
            mailbox(password=Secret("new"), transport_password=Secret("newer")),
            mailbox(password=Secret("same"), transport_password=Secret("same")),
        ):
            assert {one.password for one in world.observed(changed).values()} == {False}
            assert errors(world.update(changed, wanted(changed.account), written, password=True)) == [None, None]
            assert {one.password for one in world.observed(changed).values()} == {True}
        sent = [call.arguments["accountDataUpdate"] for call in world.service.calls if call.operation == "update"]
        assert not any(one.get("password") and one.get("transportPassword") for one in sent)

    def test_passwords_not_managed(self, world: SoapWorld) -> None:
        """Without a configured password a stored one is neither judged nor cleared."""
        box = mailbox()
        written = world.create(mailbox(password=Secret("pw")), [3])
        before = [row["password"] for row in world.tables()["user_mail_account"]]
        assert world.observed(box)[3].password is None
        world.update(box, wanted(box.account)._replace(login="x"), written, password=True)
        assert [row["password"] for row in world.tables()["user_mail_account"]] == before

    def test_rows(self, world: SoapWorld) -> None:
        """Rows for the journal have what is listed and differs from any new account, no password, ready for JSON."""
        box = mailbox(personal="Pers", folders={"trash": "default0/Bin"})
        [written] = world.create(box, [3])
        rows = world.store.rows(1, [(3, written.account), (4, written.account), (3, 99), (77, 1)])
        common = {"name": "Support", "personal": "Pers"}
        mail = {"url": "imap://imap.example.net:143", "login": "support", "primary_addr": ADDRESS, "starttls": 1}
        transport = {"url": "smtp://smtp.example.net:25", "login": "", "send_addr": ADDRESS}
        assert json.loads(json.dumps(list(rows.items()))) == [
            [
                [3, written.account],
                {
                    "mail": {**mail, **common, "trash_fullname": "Bin"},
                    "mail_properties": {},
                    "transport_properties": {},
                    "transport": {**transport, **common},
                },
            ]
        ]
        assert world.store.rows(1, []) == {}

    test_no_counter_no_ids = None

    def test_schema_update_lock(self, world: SoapWorld) -> None:
        """A lock of the schema refuses every context, and makes what is asked of it unread."""
        assert world.store.refusals([1, 2]) == {}
        insert = (
            "INSERT INTO updateTask (cid, taskName, successful, lastModified, uuid) VALUES (0, 'LOCKED', 0, :at, 'x')"
        )
        world.execute(insert, at=10**15)
        assert {context: "locked or is now being" in why for context, why in world.store.refusals([1, 2]).items()} == {
            1: True,
            2: True,
        }
        box = mailbox()
        observation = world.store.observe([box], {})
        assert observation.accounts == {box.ref: ()}
        assert "locked or is now being updated" in observation.unread[1]

    # ------------------------------------------------------------------ looking up

    def test_users_are_known_by_id(self, world: SoapWorld) -> None:
        """Of ids it is told who exists; who a guest is, or has which login, is not."""
        users = world.store.users(1, Asked(ids=[3, 20, 77, 0, -3, 2**31, 10**400]))
        found = {"id": {"3": (3,), "20": (20,)}}
        assert users == Users(context=1, exists=True, by_login={}, found=found, ids=frozenset({3, 20}))  # type: ignore[arg-type]
        assert world.store.users(1, Asked()) == Users(context=1, exists=True, by_login={})
        assert world.store.users(1, Asked(ids=[77, 78])).exists

    @pytest.mark.parametrize("kind", ["logins", "mails", "aliases", "imap_logins"])
    def test_users_are_known_by_nothing_else(self, world: SoapWorld, kind: str) -> None:
        """Whoever asks by login or address is refused, and not told that there is nobody."""
        with pytest.raises(StoreRefused, match="by their ids only"):
            world.store.users(1, Asked(**{kind: ["user3"]}))  # type: ignore[arg-type]

    def test_contexts_that_do_not_let_us_in(self, world: SoapWorld) -> None:
        """A context that does not exist is not read, which the others do not mind; asked alone it is refused."""
        found = world.store.users_in({1: Asked(ids=[3]), 9: Asked(ids=[3])})
        assert (found[1].ids, found[1].unread) == ({3}, "")
        assert "refused the login" in found[9].unread
        boxes = [mailbox(), mailbox(context=9)]
        world.create(boxes[0], [3])
        observation = world.store.observe(boxes, {})
        assert [len(observation.accounts[box.ref]) for box in boxes] == [1, 0]
        assert list(observation.unread) == [9]
        with pytest.raises(StoreRefused, match="refused the login") as caught:
            world.store.users(9, Asked(ids=[3]))
        assert caught.value.contexts == {9}

    def test_groups_and_contexts_are_not_known(self, world: SoapWorld) -> None:
        """A group has the problem that it cannot be read, which is no empty group; contexts are refused."""
        problem = "without a database no group can be read (configure openxchange.database or openxchange.configdb)"
        assert world.store.groups(1, ["0", "sales"]) == {"0": GroupRead((), problem), "sales": GroupRead((), problem)}
        with pytest.raises(StoreRefused, match="nobody knows which contexts there are"):
            _: Contexts = world.store.contexts()

    def test_nothing_is_locked(self, world: SoapWorld) -> None:
        """Two of them may work side by side: nobody but the ledger keeps them apart."""
        with world.store.exclusive(), ListingStore(world.store._service).exclusive():
            assert errors(world.create(mailbox(), [3])) == [None]


class TestSoapAlone(ListingContract):
    """By SOAP."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[SoapWorld]:
        """Give a world in a file, of which the store sees nothing but what the service lists."""
        engine = quick(tmp_path / "ox.db")
        create_schema(engine)
        for world in soap_world(engine, SqlStore(StoreOptions(url="sqlite://"))):
            world.store = ListingStore(world.store._service)
            yield world

    def test_every_deviation_is_named(self) -> None:
        """Every law that is not tested as with a database has its reason in the table."""
        own = {name for name in vars(ListingContract) if name.startswith("test_")} & set(dir(SoapContract))
        assert own == DEVIATIONS.keys()


class TestToolsAlone(ListingContract, ToolsContract):
    """By the tools, which do not take stored passwords."""

    @pytest.fixture
    def world(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoapWorld]:
        """Give a world in a file, of which the store sees nothing but what the tools list."""
        yield from tools_world(tmp_path, monkeypatch, lambda world: ListingStore(by_tools(world)._service))

    test_passwords = ToolsContract.test_passwords
    test_passwords_not_managed = None
    test_every_deviation_is_named = TestSoapAlone.test_every_deviation_is_named
