"""Whole runs that write by SOAP: the stand-in of the service, a real database, a real directory, the real command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.openxchange.soap_service import SoapService
from tests.e2e.world import SUPPORT, World
from tests.standins.model import Middleware
from tests.standins.service import Service, Trouble

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


@pytest.fixture
def service(world: World) -> Iterator[Service]:
    """Give the service, with the world configured to write by it."""
    with Service(Middleware(world.engine)) as service:
        configure(world, service)
        yield service


def configure(world: World, service: Service, **mapping: Any) -> None:
    """Write by the service; the address in its WSDL is a wrong one."""
    service.address = "http://127.0.0.1:1/webservices/OXSecondaryAccountService"
    soap = {"url": service.url, "login": "oxadmin", "password": world.secret("admin", "secret")}
    world.configure(world.mapping(**mapping), openxchange={"write_with": "soap", "soap": soap})


def operations(service: Service) -> list[tuple[str, list[int]]]:
    """Give the calls so far, with their users."""
    return [(call.operation, [user["id"] for user in call.arguments["users"]]) for call in service.calls]


def test_members_come_and_go(world: World, service: Service) -> None:
    """Members get accounts by one call, keep them untouched, and lose them by one call; the ledger has the real ids."""
    world.group("support", "alice", "bob", "carol")
    assert world.sync().document["summary"]["create"] == 3
    assert world.users().keys() == {3, 4, 5}
    assert world.claims() == world.users()
    before = world.accounts()
    assert world.sync().summary == {"unchanged": 3}
    world.group("support", "alice", "carol", "dave")
    world.sync()
    assert world.users().keys() == {3, 5, 6}
    assert world.claims() == world.users()
    kept = [row for row in world.accounts()["user_mail_account"] if row["user"] in {3, 5}]
    assert kept == [row for row in before["user_mail_account"] if row["user"] in {3, 5}]
    assert operations(service) == [("create", [3, 4, 5]), ("delete", [4]), ("create", [6])]


def test_what_soap_writes_is_what_sql_writes(world: World, service: Service) -> None:
    """The rows are the same whichever way they were written, so that changing the way changes nothing."""
    world.group("support", "alice", "bob")
    world.sync()
    by_soap = world.accounts()
    world.configure(world.mapping())
    assert world.sync().summary == {"unchanged": 2}
    world.group("support")
    world.approve(str(world.sync(code=4).mailbox["digest"]))
    world.sync()
    assert world.users() == {}
    world.execute("UPDATE sequence_mail_service SET id = 0")
    world.group("support", "alice", "bob")
    world.sync()
    assert world.accounts() == by_soap


def test_drift_is_repaired(world: World, service: Service) -> None:
    """A login that somebody changed is set again, by one call, and nothing else."""
    world.group("support", "alice", "bob")
    world.sync()
    before = world.accounts()
    world.execute(f"UPDATE user_mail_account SET login = 'x' WHERE primary_addr = '{SUPPORT}'")
    assert world.sync().document["summary"]["update"] == 2
    assert world.accounts() == before
    assert operations(service)[1:] == [("update", [3, 4])]
    sent = service.calls[-1].arguments["accountDataUpdate"]
    assert {name: value for name, value in sent.items() if value is not None} == {"login": SUPPORT}


@pytest.mark.parametrize("existing", ["adopt", "leave"])
def test_killed_between_call_and_note(
    world: World, service: Service, monkeypatch: pytest.MonkeyPatch, existing: str
) -> None:
    """Killed when the accounts are written and nobody has noted it, a run leaves claims that own nothing.

    The next run adopts the accounts, or where the mailbox says so leaves them as somebody else's.
    """
    configure(world, service, existing=existing)
    world.group("support", "alice", "bob")
    create = SoapService.create

    def killed(self: SoapService, *arguments: Any) -> None:
        create(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SoapService, "create", killed)
        world.syncd("sync")
    assert world.users().keys() == {3, 4}
    assert world.claims() == {}
    before = world.accounts()
    done = world.sync()
    assert world.accounts() == before
    if existing == "adopt":
        assert done.document["summary"]["adopted"] == 2
        assert world.claims() == world.users()
    else:
        assert len(done.document["conflicts"]) == 2
        assert world.claims() == {}
    assert operations(service) == [("create", [3, 4])]


def test_a_lost_create_is_made_by_the_next_run(world: World, service: Service) -> None:
    """A create without an answer that left nothing ends the run; the next one makes it."""
    world.group("support", "alice", "bob")
    service.expect(Trouble(operation="create", drop="before"))
    failed = world.sync(code=None)
    assert failed.code in {1, 5}
    assert "was lost" in failed.out
    assert world.users() == {}
    world.sync()
    assert world.claims() == world.users()
    assert world.users().keys() == {3, 4}


def test_a_refused_login_says_so(world: World, service: Service) -> None:
    """A wrong password fails the changes with a reason that has no password in it."""
    world.group("support", "alice")
    world.secret("admin", "hush-hush")
    done = world.sync(code=5)
    assert "refused the login" in done.out
    assert "hush-hush" not in done.out + done.err
    assert world.users() == {}


def test_check_tries_the_login(world: World, service: Service) -> None:
    """`check` says that the login is taken, or what is wrong with it."""
    world.group("support", "alice")
    good = world.syncd("check")
    assert "SOAP: our login in context 1 is taken by the SOAP service at" in good.out
    assert good.code == 0, good.out
    world.secret("admin", "wrong")
    bad = world.syncd("check")
    assert "FAIL  SOAP, context 1: " in bad.out
    assert bad.code == 1


def test_select_is_enough_for_the_database(world: World, service: Service) -> None:
    """A database user who may only read is neither refused nor found lacking."""
    world.group("support", "alice", "bob")
    host = "'reader'@'%%'"
    world.execute(f"CREATE OR REPLACE USER {host} IDENTIFIED BY 'test'", f"GRANT SELECT ON {world.schema}.* TO {host}")
    database = world.sections()["openxchange"]["database"]
    soap = {"url": service.url, "login": "oxadmin", "password": world.secret("admin", "secret")}
    openxchange = {
        "database": {**database, "url": database["url"].replace("test@", "reader@")},
        "write_with": "soap",
        "soap": soap,
    }
    world.configure(world.mapping(), openxchange=openxchange)
    checked = world.syncd("check")
    assert checked.code == 0, checked.out
    assert world.sync().document["summary"]["create"] == 2
    assert world.claims() == world.users()
