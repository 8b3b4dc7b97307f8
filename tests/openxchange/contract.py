"""The laws of `AccountStore`, as one class that every store's tests inherit; they give the fixture `world`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from syncd.core.accounts import wanted
from syncd.core.model import Asked, Endpoint, Secret
from syncd.errors import StoreRefused
from syncd.openxchange.base import Deletion, Updating
from tests.openxchange.world import ADDRESS, World, creations, errors, mailbox


class StoreContract:
    """What every store promises; the world has no accounts but the primary ones."""

    # ------------------------------------------------------------------ honesty

    def test_created_accounts_are_observed(self, world: World) -> None:
        """What was created is what observe gives, with the fields that were asked for."""
        box = mailbox()
        written = world.create(box, [3, 4])
        assert errors(written) == [None, None]
        found = world.observed(box)
        assert {user: found[user].fields for user in found} == {3: wanted(box.account), 4: wanted(box.account)}
        assert [found[one.user].id for one in written] == [one.account for one in written]
        assert all(one.secondary and one.address == ADDRESS and one.name == "Support" for one in found.values())

    def test_accounts_without_transport(self, world: World) -> None:
        """A receive-only account has no transport row and no property, and is observed so."""
        box = mailbox(transport=None)
        world.create(box, [3])
        assert world.observed(box)[3].fields == wanted(box.account)
        rows = world.tables()
        assert [row["id"] for row in rows["user_transport_account"]] == [0] * 16
        assert [row["id"] for row in rows["user_transport_account_properties"]] == [0] * 16

    def test_copied_servers(self, world: World) -> None:
        """With servers from the primary account, endpoints gives them and observe gives them again as primaries."""
        box = mailbox(mail=None, transport=None)
        endpoints = world.store.endpoints(1, [3, 20, 77])
        mail, transport = Endpoint("imap://imap.example.org:143", True), Endpoint("smtp://smtp.example.org:587", True)
        assert endpoints == {3: (mail, transport)}
        first = world.store.reserve(1, 1)
        [creation] = creations(box, [3], first)
        fields = wanted(box.account, endpoints[3])
        assert errors(world.store.create(1, [replace(creation, fields=fields)])) == [None]
        observation = world.store.observe([box], {})
        assert observation.accounts[box.ref][0].fields == fields
        assert observation.primaries == {(1, 3): (mail, transport)}

    def test_updated_fields_are_observed(self, world: World) -> None:
        """Every field that is kept as configured can be changed, and is then observed so."""
        box = mailbox()
        written = world.create(box, [3, 4])
        new = wanted(box.account)._replace(
            login="other", mail_url="imaps://m:993", mail_starttls=False, transport_url="smtps://t:465",
            transport_starttls=True, transport_login="t", transport_auth="custom",
        )  # fmt: skip
        assert errors(world.update(box, new, written)) == [None, None]
        assert {found.fields for found in world.observed(box).values()} == {new}

    def test_transport_comes_and_goes(self, world: World) -> None:
        """A transport row that is missing is written whole, one that must not be there goes with its properties."""
        with_transport, without = mailbox(), mailbox(transport=None)
        [written] = world.create(with_transport, [3])
        before = world.tables()
        world.update(without, wanted(without.account), [written])
        assert world.observed(without)[3].fields == wanted(without.account)
        assert written.account not in {row["id"] for row in world.tables()["user_transport_account_properties"]}
        world.update(with_transport, wanted(with_transport.account), [written])
        assert world.tables() == before

    def test_a_lost_property_and_flag_are_repaired(self, world: World) -> None:
        """A missing transport.auth row and a transport row that lost `secondary` are observed and put right."""
        box = mailbox()
        [written] = world.create(box, [3])
        before = world.tables()
        world.execute("DELETE FROM user_transport_account_properties WHERE id = :id", id=written.account)
        world.execute("UPDATE user_transport_account SET secondary = 0 WHERE id = :id", id=written.account)
        fields = world.observed(box)[3].fields
        assert (fields.transport_auth, fields.transport_secondary) == (None, False)
        assert errors(world.update(box, wanted(box.account), [written])) == [None]
        assert world.tables() == before

    def test_deleted_accounts_leave_no_row(self, world: World) -> None:
        """After a delete all tables are as before the create, properties of other programs included."""
        box = mailbox()
        before = world.tables()
        written = world.create(box, [3, 4])
        for table in ("user_mail_account_properties", "user_transport_account_properties"):
            statement = f"INSERT INTO {table} (cid, id, user, name, value) VALUES (1, :id, 3, 'own', 'x')"
            world.execute(statement, id=written[0].account)
        assert errors(world.delete(box, written)) == [None, None]
        assert world.tables() == before

    def test_pop3_accounts_leave_nothing(self, world: World) -> None:
        """A deleted POP3 account takes its rows in the POP3 tables along, and nobody else's."""
        box = mailbox(mail=Endpoint("pop3://pop.example.net:110", False))
        written = world.create(box, [3, 4])
        for one in written:
            values = f"(cid, user, id, uidl) VALUES (1, {one.user}, {one.account}, 'u')"
            world.execute(f"INSERT INTO pop3_storage_deleted {values}")
        world.delete(box, written[:1])
        with world.engine.connect() as connection:
            assert list(connection.execute(sa.text("SELECT user FROM pop3_storage_deleted"))) == [(4,)]

    def test_addresses_are_compared_as_the_database_does(self, world: World) -> None:
        """Accounts whose address differs by case, accents or trailing blanks belong to the mailbox."""
        box = mailbox()
        for user, address in ((3, "SUPPORT@example.org"), (4, "süpport@éxample.org"), (5, "support@example.org  ")):
            world.add_account(user, 50 + user, address, secondary=1)
        world.add_account(6, 56, " support@example.org", secondary=1)
        assert {user: found.address for user, found in world.observed(box).items()} == {
            3: "SUPPORT@example.org",
            4: "süpport@éxample.org",
            5: "support@example.org  ",
        }

    def test_several_mailboxes_and_contexts(self, world: World) -> None:
        """Accounts are given to their mailbox, in one statement or two for each context."""
        boxes = [mailbox(f"box{n}@example.org", context, login=f"box{n}") for n in range(5) for context in (1, 2)]
        for box in boxes:
            world.create(box, [3, 4])
        observation = world.store.observe(boxes, {})
        assert {ref: len(found) for ref, found in observation.accounts.items()} == {box.ref: 2 for box in boxes}
        assert all(found.context == ref.context for ref, some in observation.accounts.items() for found in some)

    # ------------------------------------------------------------------ idempotence

    def test_repeated_writes_succeed_and_change_nothing(self, world: World) -> None:
        """Create, update and delete succeed when repeated, and the second time changes no row."""
        box = mailbox()
        first = world.store.reserve(1, 2)
        new = wanted(box.account)._replace(login="new")
        steps = (
            lambda: world.store.create(1, creations(box, [3, 4], first)),
            lambda: world.store.update(
                1, [Updating(user=3, account=first, mailbox=box, old=new, new=new, password=False)]
            ),
            lambda: world.store.delete(1, [Deletion(user=3, account=first, mailbox_key=box.key)]),
        )
        for step in steps:
            assert set(errors(step())) == {None}
            before = world.tables()
            assert set(errors(step())) == {None}
            assert world.tables() == before

    # ------------------------------------------------------------------ modesty and caution

    def test_update_touches_only_what_differs(self, world: World) -> None:
        """Columns that the user owns, and accounts that were not named, keep their values."""
        box = mailbox()
        written = world.create(box, [3, 4])
        world.execute("UPDATE user_mail_account SET name = 'Mine', trash_fullname = 'T', deactivated = 1 WHERE id <> 0")
        before = world.tables()
        world.update(box, wanted(box.account)._replace(mail_starttls=False), written[:1])
        after = world.tables()
        changed = [
            {name for name in old if old[name] != new[name]}
            for old, new in zip(before["user_mail_account"], after["user_mail_account"], strict=True)
            if old != new
        ]
        assert changed == [{"starttls"}]
        assert {**before, "user_mail_account": []} == {**after, "user_mail_account": []}

    @pytest.mark.parametrize(
        ("change", "mail", "transport"),
        [
            ({"login": "x"}, 0, 0),
            ({"mail_url": "imap://x:1"}, 0, 0),
            ({"transport_login": "x"}, 3, 0),
            ({"transport_url": "smtp://x:1"}, 3, 0),
            ({"mail_starttls": False, "transport_starttls": True}, 3, 3),
        ],
    )
    def test_failure_counters(self, world: World, change: dict[str, object], mail: int, transport: int) -> None:
        """A mail-side change resets the counters of both rows, a transport-side one its own, starttls none."""
        box = mailbox()
        written = world.create(box, [3])
        for table in ("user_mail_account", "user_transport_account"):
            world.execute(f"UPDATE {table} SET failed_auth_count = 3, failed_auth_date = 3, disabled = 3 WHERE id <> 0")
        world.update(box, wanted(box.account)._replace(**change), written)
        rows = world.tables()
        for table, expected in (("user_mail_account", mail), ("user_transport_account", transport)):
            [row] = [row for row in rows[table] if row["id"]]
            assert (row["failed_auth_count"], row["failed_auth_date"], row["disabled"]) == (expected,) * 3

    def test_private_and_primary_accounts_are_never_touched(self, world: World) -> None:
        """An account with secondary = 0, or id 0, survives create, update and delete of its address."""
        private, primary = mailbox("mine@example.org"), mailbox("user4@example.org")
        world.execute("UPDATE sequence_mail_service SET id = 100")
        world.add_account(3, 40, "mine@example.org")
        before = world.tables()
        for box, user, account in ((private, 3, 40), (primary, 4, 0)):
            assert "account" in (world.create(box, [user])[0].error or "")
            target = world.observed(box)[user]
            assert (target.id, target.secondary) == (account, False)
            change = wanted(box.account)
            one = Updating(user=user, account=account, mailbox=box, old=change, new=change, password=False)
            assert errors(world.store.update(1, [one])) == [f"account {account} is the user's own"]
            assert errors(world.delete(box, [target])) == [f"account {account} is the user's own"]
        assert world.tables() == before

    def test_account_of_another_mailbox_is_left_alone(self, world: World) -> None:
        """An id that holds another address now is neither changed nor deleted."""
        box, other = mailbox(), mailbox("other@example.org")
        written = world.create(other, [3])
        before = world.tables()
        message = f"account {written[0].account} is of another mailbox now: other@example.org"
        assert errors(world.update(box, wanted(box.account), written)) == [message]
        assert errors(world.delete(box, written)) == [message]
        assert world.tables() == before

    def test_repeated_ids(self, world: World) -> None:
        """Where others, or users of the same batch, have accounts with these ids, only the named ones change or go."""
        box, others = mailbox(), mailbox("others@example.org")
        written = world.create(box, [3, 4, 5])
        ids = [one.account for one in written]
        for user, account in ((6, ids[0]), (7, ids[1]), (4, ids[0])):
            world.add_account(user, account, "others@example.org", secondary=user % 2)
        kept = [world.observed(others)[user] for user in (4, 6, 7)]
        new = wanted(box.account)._replace(login="new", transport_login="new", transport_auth="none")
        assert errors(world.update(box, new, written)) == [None] * 3
        assert [world.observed(others)[user] for user in (4, 6, 7)] == kept
        assert {found.fields for found in world.observed(box).values()} == {new}
        only_a_property = new._replace(transport_auth="custom")
        assert errors(world.update(box, only_a_property, written)) == [None] * 3
        assert [world.observed(others)[user] for user in (4, 6, 7)] == kept
        assert errors(world.delete(box, written)) == [None] * 3
        assert [world.observed(others)[user] for user in (4, 6, 7)] == kept
        assert world.observed(box) == {}

    # ------------------------------------------------------------------ atomicity, and one bad account among good ones

    def test_bad_accounts_do_not_stop_the_others(self, world: World) -> None:
        """A duplicate, a user who is gone and a doubled user fail with a reason; the others are written."""
        box = mailbox()
        world.create(box, [3])
        before = len(world.tables()["user_mail_account"])
        first, second, third, fourth = world.create(box, [3, 4, 99, 4])
        assert first.error is not None
        assert first.error.startswith("an account with this address exists already (id ")
        assert second.error is None
        assert third.error == "user 99 does not exist any more"
        assert fourth.error is not None
        assert len(world.tables()["user_mail_account"]) == before + 1

    def test_too_long_values_are_named(self, world: World) -> None:
        """A value longer than its column fails with the numbers, counted in characters, and nothing is written."""
        good = mailbox(name="ü" * 256)
        assert errors(world.create(good, [3])) == [None]
        before = world.tables()
        for attribute, size, room in (("name", 257, 256), ("personal", 65, 64), ("login", 257, 256)):
            bad = mailbox("other@example.org", **{attribute: "ü" * size})
            assert errors(world.create(bad, [3])) == [f"{attribute} is {size} characters, the column takes {room}"]
        assert world.tables() == before

    def test_missing_account_cannot_be_updated(self, world: World) -> None:
        """An update of an account that is not there fails; a delete of it succeeds."""
        box = mailbox()
        one = Updating(user=3, account=9, mailbox=box, old=wanted(box.account), new=wanted(box.account), password=False)
        assert errors(world.store.update(1, [one])) == ["the account is not there any more"]
        assert errors(world.store.delete(1, [Deletion(user=3, account=9, mailbox_key=box.key)])) == [None]

    # ------------------------------------------------------------------ ids

    def test_reserved_ids_are_consecutive_and_never_given_twice(self, world: World) -> None:
        """Reserving gives blocks that follow each other, for each context by itself."""
        assert [world.store.reserve(1, 3), world.store.reserve(1, 2), world.store.reserve(2, 1)] == [1, 4, 1]
        assert world.store.reserve(1, 1) == 6

    def test_no_counter_no_ids(self, world: World) -> None:
        """Without its row in sequence_mail_service a context gets no ids and no accounts, and is refused."""
        world.execute("DELETE FROM sequence_mail_service WHERE cid = 1")
        assert dict(world.store.refusals([1, 2])) == {1: "context 1 has no row in sequence_mail_service"}
        with pytest.raises(StoreRefused, match="has no row in sequence_mail_service"):
            world.store.reserve(1, 1)
        with pytest.raises(StoreRefused, match="has no row in sequence_mail_service"):
            world.store.create(1, creations(mailbox(), [3], 1))

    def test_counter_behind_the_ids_in_use(self, world: World) -> None:
        """A counter that would give an id in use is refused, and stays as it was."""
        world.add_account(3, 7, "x@example.org")
        for _ in range(2):
            with pytest.raises(StoreRefused, match="it would give 1, but account 7 exists"):
                world.store.reserve(1, 1)

    def test_counter_that_went_back(self, world: World) -> None:
        """Ids above the counter are not used: the database is another one than when they were reserved."""
        with pytest.raises(StoreRefused, match="went back to 0, 5 was reserved"):
            world.store.create(1, creations(mailbox(), [3], 5))

    def test_last_id(self, world: World) -> None:
        """The id 2147483647 is given out, the next is refused."""
        world.execute("UPDATE sequence_mail_service SET id = 2147483646 WHERE cid = 1")
        assert world.store.reserve(1, 1) == 2147483647
        with pytest.raises(StoreRefused, match="no account ids left"):
            world.store.reserve(1, 1)

    # ------------------------------------------------------------------ passwords

    def test_passwords(self, world: World) -> None:
        """Stored passwords are verified, remembered by their seal, and noticed when they differ."""
        box = mailbox(password=Secret("pä55"), transport_password=Secret("other"))
        written = world.create(box, [3, 4])
        assert all(one.seal is not None for one in written)
        found = world.observed(box)
        assert {user: (one.password, one.seal) for user, one in found.items()} == {
            one.user: (True, one.seal) for one in written
        }
        seals = {(1, one.user, one.account): one.seal for one in written if one.seal}
        assert {one.seal for one in world.observed(box, seals).values()} == {None}
        changed = mailbox(password=Secret("new"), transport_password=Secret("other"))
        assert {one.password for one in world.observed(changed, seals).values()} == {False}
        again = world.update(changed, wanted(changed.account), written, password=True)
        assert {user: (one.password, one.seal) for user, one in world.observed(changed).items()} == {
            one.user: (True, one.seal) for one in again
        }
        texts = [row["password"] for row in world.tables()["user_mail_account"] if row["password"]]
        assert len(set(texts)) == 2  # a fresh IV for every text
        assert len({text.split("$")[1] for text in texts}) == 1  # and one salt for all

    def test_passwords_not_managed(self, world: World) -> None:
        """Without a configured password a stored one is neither read, judged nor cleared."""
        box = mailbox()
        written = world.create(mailbox(password=Secret("pw")), [3])
        before = [row["password"] for row in world.tables()["user_mail_account"]]
        assert world.observed(box)[3].password is None
        world.update(box, wanted(box.account)._replace(login="x"), written, password=True)
        assert [row["password"] for row in world.tables()["user_mail_account"]] == before

    # ------------------------------------------------------------------ rows for the journal

    def test_rows(self, world: World) -> None:
        """Rows for the journal have what differs from any new account, no password, and are ready for JSON."""
        box = mailbox(password=Secret("pw"), personal="Pers", folders={"trash": "default0/Bin"})
        [written] = world.create(box, [3])
        world.execute("UPDATE user_mail_account SET disabled = 1, sent = NULL WHERE id <> 0")
        rows = world.store.rows(1, [(3, written.account), (4, written.account), (3, 99)])
        assert json.loads(json.dumps(list(rows.items()))) == [
            [
                [3, written.account],
                {
                    "mail": {
                        "name": "Support",
                        "url": "imap://imap.example.net:143",
                        "login": "support",
                        "primary_addr": ADDRESS,
                        "personal": "Pers",
                        "sent": None,
                        "trash_fullname": "Bin",
                        "starttls": 1,
                        "disabled": 1,
                    },
                    "mail_properties": {},
                    "transport_properties": {"transport.auth": "mail"},
                    "transport": {
                        "name": "Support",
                        "url": "smtp://smtp.example.net:25",
                        "login": "",
                        "send_addr": ADDRESS,
                        "personal": "Pers",
                    },
                },
            ]
        ]

    # ------------------------------------------------------------------ gates

    def test_schema_update_lock(self, world: World) -> None:
        """A fresh LOCKED row refuses every context; an old one, or a background update, does not."""
        insert = "INSERT INTO updateTask (cid, taskName, successful, lastModified, uuid) VALUES (0, :name, 0, :at, 'x')"
        world.store._now = lambda: 1_000_000.0
        world.execute(insert, name="BACKGROUND", at=1_000_000_000)
        assert world.store.refusals([1]) == {}
        world.execute("UPDATE updateTask SET taskName = 'LOCKED', lastModified = 999930000")
        assert world.store.refusals([1]) == {}
        world.execute("UPDATE updateTask SET lastModified = 999990000")
        refusals = world.store.refusals([1, 2])
        assert set(refusals) == {1, 2}
        assert "locked by a schema update of Open-Xchange (refreshed 10 s ago)" in refusals[1]

    def test_missing_column(self, world: World) -> None:
        """A database without the columns of 7.10.6 is refused, naming the columns."""
        world.execute("ALTER TABLE user_mail_account DROP COLUMN deactivated")
        assert "user_mail_account.deactivated" in world.store.refusals([1])[1]
        with pytest.raises(StoreRefused, match=r"user_mail_account\.deactivated"):
            world.store.create(1, creations(mailbox(), [3], 1))

    def test_statements_do_not_depend_on_members(self, world: World) -> None:
        """A life from create to delete takes as many statements for six users as for one."""

        def count(users: list[int]) -> int:
            box = mailbox(mail=Endpoint("imap://many:143", False))
            before = world.store.database.statements
            written = world.create(box, users)
            world.observed(box)
            world.store.users(1, Asked(logins=[f"user{user}" for user in users], ids=users))
            world.update(box, wanted(box.account)._replace(login="x"), written)
            world.store.rows(1, [(one.user, one.account) for one in written])
            assert set(errors(world.delete(box, written))) == {None}
            return world.store.database.statements - before

        count([3])
        assert count([3]) == count([3, 4, 5, 6, 7, 8])
