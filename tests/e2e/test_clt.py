"""Whole runs that write by the command line tools: stand-ins of them, a real database, a real directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.world import SUPPORT, World
from tests.standins.model import Middleware
from tests.standins.service import Service
from tests.standins.tools import write_tools

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


@pytest.fixture
def service(world: World) -> Iterator[Service]:
    """Give what is behind the tools, with the world configured to write by them."""
    with Service(Middleware(world.engine)) as service:
        directory = write_tools(world.folder / "sbin", 1)
        clt = {"directory": str(directory), "admin": "oxadmin", "password": world.secret("admin", "secret")}
        clt["rmi"] = f"rmi://127.0.0.1:{service.port}"
        world.configure(world.mapping(), openxchange={"write_with": "clt", "clt": clt})
        yield service


def operations(service: Service) -> list[tuple[str, list[int]]]:
    """Give the calls so far, with their users."""
    return [(call.operation, [user["id"] for user in call.arguments["users"]]) for call in service.calls]


def test_members_come_change_and_go(world: World, service: Service) -> None:
    """Each step is one process for all of its users; the ledger has the real ids, and others keep theirs."""
    world.group("support", "alice", "bob", "carol")
    assert world.sync().document["summary"]["create"] == 3
    assert world.claims() == world.users()
    before = world.accounts()
    assert world.sync().summary == {"unchanged": 3}
    world.execute(f"UPDATE user_mail_account SET login = 'x' WHERE primary_addr = '{SUPPORT}'")
    assert world.sync().document["summary"]["update"] == 3
    assert world.accounts() == before
    world.group("support", "alice", "carol", "dave")
    world.sync()
    assert world.users().keys() == {3, 5, 6}
    assert world.claims() == world.users()
    assert operations(service) == [("create", [3, 4, 5]), ("update", [3, 4, 5]), ("delete", [4]), ("create", [6])]


def test_what_the_tools_write_is_what_sql_writes(world: World, service: Service) -> None:
    """Changing the way of writing changes nothing."""
    world.group("support", "alice", "bob")
    world.sync()
    world.configure(world.mapping())
    assert world.sync().summary == {"unchanged": 2}


def test_a_refused_login_says_so(world: World, service: Service) -> None:
    """A wrong password fails the changes with a reason that has no password in it."""
    world.group("support", "alice")
    world.secret("admin", "hush-hush")
    done = world.sync(code=5)
    assert "refused the login" in done.out
    assert "hush-hush" not in done.out + done.err
    assert world.users() == {}
