"""The store that writes by SOAP keeps the laws, with the stand-in of the service and a database behind both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.accounts import wanted
from syncd.core.model import UNNUMBERED, Mailbox, Secret
from syncd.openxchange.base import Deletion, Updating
from syncd.openxchange.obfuscation import obfuscator
from syncd.openxchange.playground import create_schema
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.provisioning_service import Credentials
from syncd.openxchange.soap_service import SoapOptions, SoapService
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.contract import StoreContract
from tests.openxchange.world import OBFUSCATION, World, creations, errors, mailbox
from tests.servers.mariadb import MariaDb
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service
from tests.standins.sqlite import quick

DEVIATIONS = {
    "test_repeated_writes_succeed_and_change_nothing": "a repeated create cannot know whose the account is: it fails",
    "test_transport_comes_and_goes": "the service cannot add or remove a transport row rightly: said as a problem",
    "test_a_lost_property_and_flag_are_repaired": "nor repair its flag and property",
    "test_updated_fields_are_observed": "nor change transport.auth; all other fields it can",
    "test_repeated_ids": "the same, with transport.auth left out",
    "test_passwords": "what was written is proved by the next look, not by the write; the service derives many keys",
    "test_too_long_values_are_named": "the words are those of the server's database",
    "test_reserved_ids_are_consecutive_and_never_given_twice": "the ids are the server's",
    "test_no_counter_no_ids": "so is the counter; the context is refused all the same",
    "test_counter_behind_the_ids_in_use": "likewise",
    "test_counter_that_went_back": "likewise",
    "test_last_id": "likewise",
    "test_schema_update_lock": "asked of the database by the reading store, which has this test",
    "test_missing_column": "likewise",
    "test_statements_do_not_depend_on_members": "calls are counted instead, in test_soap.py",
}
"""Where this store differs from the laws that stores with ids of their own keep, and why."""


@dataclass
class SoapWorld(World):
    """A world with a service in it."""

    service: Service

    def changes(self) -> int:
        """Count the calls so far, without those that only read."""
        return sum(call.operation != "list" for call in self.service.calls)

    def reserved(self, context: int, count: int) -> Sequence[int]:
        """Give no ids."""
        assert self.store.reserve(context, count) is None
        return [UNNUMBERED] * count


def theirs(world: SoapWorld, box: Mailbox) -> list[dict[str, object]]:
    """Give the mail rows of a mailbox, whosever they are."""
    return [row for row in world.tables()["user_mail_account"] if row["primary_addr"] == box.address]


def soap_world(engine: sa.Engine, reader: SqlStore) -> Iterator[SoapWorld]:
    """Put a service and a store on a database."""
    installation = Installation(password="secret", cipher=obfuscator(OBFUSCATION))
    with Service(Middleware(engine, installation)) as service:
        options = SoapOptions(url=service.url, everywhere=Credentials(login="oxadmin", password=Secret("secret")))
        store = ProvisioningStore(reader, SoapService(options, sleep=lambda _: None))
        world = SoapWorld(store, engine, service)
        world.populate()
        yield world
        store.close()


class SoapContract(StoreContract):
    """The laws as far as a store without ids of its own can keep them."""

    def test_repeated_writes_succeed_and_change_nothing(self, world: SoapWorld) -> None:
        """Update and delete succeed when repeated; a create says that the account is there, and nothing changes."""
        box = mailbox()
        [first, _] = world.create(box, [3, 4])
        new = wanted(box.account)._replace(login="new")
        update = Updating(user=3, account=first.account, mailbox=box, old=new, new=new, password=False)
        before = world.tables()
        again = world.store.create(1, creations(box, [3, 4], None))
        assert errors(again) == [f"an account with this address exists already (id {number})" for number in (1, 2)]
        assert {one.account for one in again} == {UNNUMBERED}
        assert world.tables() == before
        for step in (
            lambda: world.store.update(1, [update]),
            lambda: world.store.delete(1, [Deletion(user=3, account=first.account, mailbox_key=box.key)]),
        ):
            assert set(errors(step())) == {None}
            before = world.tables()
            assert set(errors(step())) == {None}
            assert world.tables() == before

    def test_updated_fields_are_observed(self, world: SoapWorld) -> None:
        """Every field that the service can change can be changed, and is then observed so."""
        box = mailbox()
        written = world.create(box, [3, 4])
        new = wanted(box.account)._replace(
            login="other", mail_url="imaps://m:993", mail_starttls=False, transport_url="smtps://[2001:db8::1]:465",
            transport_starttls=True, transport_login="t",
        )  # fmt: skip
        assert errors(world.update(box, new, written)) == [None, None]
        assert {found.fields for found in world.observed(box).values()} == {new}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"transport_auth": "custom"}, "SOAP cannot change transport.auth from mail to custom"),
            ({"mail_url": "pop3://m:110"}, "SOAP cannot change the mail protocol from imap to pop3"),
            ({"transport_url": None}, "SOAP cannot take an account's transport"),
        ],
    )
    def test_what_soap_cannot_do(self, world: SoapWorld, change: dict[str, object], reason: str) -> None:
        """A change that the service cannot make rightly is not asked of it, and said."""
        box = mailbox()
        written = world.create(box, [3])
        before, calls = world.tables(), world.changes()
        [one] = world.update(box, wanted(box.account)._replace(**change), written)
        assert one.error == f"{reason}; delete the account and let syncd create it again"
        assert world.tables() == before
        assert world.changes() == calls

    def test_transport_comes_and_goes(self, world: SoapWorld) -> None:
        """An account without transport row is never sent transport fields, which would make it an ordinary one."""
        with_transport, without = mailbox(), mailbox(transport=None)
        [written] = world.create(without, [3])
        before = world.tables()
        [one] = world.update(with_transport, wanted(with_transport.account), [written])
        assert one.error is not None
        assert one.error.startswith("SOAP cannot give an account a transport server")
        assert world.tables() == before

    def test_a_lost_property_and_flag_are_repaired(self, world: SoapWorld) -> None:
        """A missing transport.auth row and a transport row that lost `secondary` are said, not made worse."""
        box = mailbox()
        [written] = world.create(box, [3])
        world.execute("UPDATE user_transport_account SET secondary = 0 WHERE id = :id", id=written.account)
        [one] = world.update(box, wanted(box.account), [written])
        assert "cannot mark a transport row as secondary again" in (one.error or "")
        world.execute("DELETE FROM user_transport_account_properties WHERE id = :id", id=written.account)
        [one] = world.update(box, wanted(box.account), [written])
        assert "cannot change transport.auth from None to mail" in (one.error or "")

    def test_repeated_ids(self, world: SoapWorld) -> None:
        """Where others, or users of the same batch, have accounts with these ids, only the named ones change or go."""
        box, others = mailbox(), mailbox("others@example.org")
        written = world.create(box, [3, 4, 5])
        ids = [one.account for one in written]
        for user, account in ((6, ids[0]), (7, ids[1]), (4, ids[0])):
            world.add_account(user, account, "others@example.org", secondary=user % 2)
        kept = theirs(world, others)
        assert len(kept) == 3
        new = wanted(box.account)._replace(login="new", transport_login="new")
        assert errors(world.update(box, new, written)) == [None] * 3
        assert {found.fields for found in world.observed(box).values()} == {new}
        assert errors(world.delete(box, written)) == [None] * 3
        assert theirs(world, others) == kept
        assert world.observed(box) == {}

    def test_too_long_values_are_named(self, world: SoapWorld) -> None:
        """A value longer than its column fails with the server's words for all users, by one call."""
        before = world.tables()
        bad = mailbox(personal="ü" * 65)
        calls = world.changes()
        words = "Data truncation: Data too long for column 'personal' at row 1"
        assert errors(world.create(bad, [3, 4, 5])) == [words] * 3
        assert world.changes() == calls + 1
        assert world.tables() == before

    def test_passwords(self, world: SoapWorld) -> None:
        """Both passwords are stored, each its own, and verified by the next look."""
        box = mailbox(password=Secret("pä55"), transport_password=Secret("other"))
        written = world.create(box, [3, 4])
        assert {one.seal for one in written} == {None}
        found = world.observed(box)
        assert {one.password for one in found.values()} == {True}
        seals = {(1, one.user, one.id): one.seal for one in found.values() if one.seal}
        assert len(seals) == 2
        changed = mailbox(password=Secret("new"), transport_password=Secret("newer"))
        assert {one.password for one in world.observed(changed, seals).values()} == {False}
        assert errors(world.update(changed, wanted(changed.account), written, password=True)) == [None, None]
        assert {one.password for one in world.observed(changed, seals).values()} == {True}
        sent = [call.arguments["accountDataUpdate"] for call in world.service.calls if call.operation == "update"]
        given = [{name: value for name, value in data.items() if value is not None} for data in sent]
        assert given == [{"password": "new"}, {"transportPassword": "newer"}]

    test_reserved_ids_are_consecutive_and_never_given_twice = None
    test_counter_behind_the_ids_in_use = None
    test_counter_that_went_back = None
    test_last_id = None
    test_schema_update_lock = None
    test_missing_column = None
    test_statements_do_not_depend_on_members = None

    def test_no_counter_no_ids(self, world: SoapWorld) -> None:
        """A context without its counter is refused, since the service would repeat an old id."""
        world.execute("DELETE FROM sequence_mail_service WHERE cid = 1")
        assert dict(world.store.refusals([1, 2])) == {1: "context 1 has no row in sequence_mail_service"}

    def test_every_deviation_is_named(self) -> None:
        """Every law that is not tested as it stands has its reason in the table."""
        own = {name for name in vars(SoapContract) if name.startswith("test_")} & set(vars(StoreContract))
        assert own == DEVIATIONS.keys()


class TestSqlite(SoapContract):
    """On the playground's database."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[SoapWorld]:
        """Give a world in a file."""
        engine = quick(tmp_path / "ox.db")
        create_schema(engine)
        yield from soap_world(
            engine, SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION))
        )


@pytest.mark.mariadb
class TestMariaDb(SoapContract):
    """On the real one."""

    @pytest.fixture
    def world(self, mariadb: MariaDb, ox_database: str) -> Iterator[SoapWorld]:
        """Give a world in a schema of its own."""
        reader = SqlStore(mariadb.options(ox_database, obfuscation=OBFUSCATION))
        yield from soap_world(mariadb.engine(ox_database), reader)
