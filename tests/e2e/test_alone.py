"""Whole runs without a database: read and written by SOAP, or by the command line tools, with a real directory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import LOGINS, SUPPORT, World
from tests.standins.model import Middleware
from tests.standins.service import Service, Trouble
from tests.standins.tools import write_tools

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


def alone(world: World, service: Service, way: str) -> dict[str, Any]:
    """Give the section openxchange without a database."""
    password = world.secret("admin", "secret")
    if way == "soap":
        section: dict[str, Any] = {"soap": {"url": service.url, "login": "oxadmin", "password": password}}
    else:
        tools = write_tools(world.folder / "sbin", service.port)
        section = {"clt": {"directory": str(tools), "admin": "oxadmin", "password": password}}
    return {"database": None, "write_with": way, **section}


def configure(world: World, service: Service, way: str, **mapping: Any) -> None:
    """Let the world be known by its service alone, and its users by number."""
    users = {"users": {"rules": [{"id": "employeeNumber"}]}}
    world.configure(world.mapping(**mapping), openxchange=alone(world, service, way), directory=users)


@pytest.fixture(params=["soap", "clt"])
def service(world: World, request: pytest.FixtureRequest) -> Iterator[Service]:
    """Give the service; the entries of the directory have the numbers of their users."""
    for user, login in LOGINS.items():
        world.ldap.modify(f"dn: {world.dn(login)}\nchangetype: modify\nadd: employeeNumber\nemployeeNumber: {user}\n")
    with Service(Middleware(world.engine)) as service:
        configure(world, service, request.param)
        yield service


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """Give the way of writing."""
    return str(request.node.callspec.params["service"])


def changes(service: Service) -> list[tuple[str, list[int]]]:
    """Give the calls that may have changed something, with their users."""
    return [
        (call.operation, [user["id"] for user in call.arguments["users"]])
        for call in service.calls
        if call.operation != "list"
    ]


def test_members_come_change_and_go(world: World, service: Service) -> None:
    """A life as with a database: each step is one call for all of its users, and nobody else's account changes."""
    world.group("support", "alice", "bob", "carol")
    assert world.plan().code == 3
    assert changes(service) == []
    assert world.sync().document["summary"]["create"] == 3
    assert world.users().keys() == {3, 4, 5}
    assert world.claims() == world.users()
    before = world.accounts()
    assert world.sync().summary == {"unchanged": 3}
    assert world.accounts() == before
    world.execute(f"UPDATE user_mail_account SET login = 'x' WHERE primary_addr = '{SUPPORT}'")
    assert world.sync().document["summary"]["update"] == 3
    assert world.accounts() == before
    world.group("support", "alice", "carol", "dave")
    world.sync()
    assert world.users().keys() == {3, 5, 6}
    assert world.claims() == world.users()
    assert changes(service) == [
        ("create", [3, 4, 5]),
        ("update", [3, 4, 5]),
        ("update", [4]),  # asks whether bob has a second account with the address
        ("delete", [4]),
        ("create", [6]),
    ]
    asked = [call.arguments for call in service.calls if call.operation == "update"][-1]["accountDataUpdate"]
    assert {name: value for name, value in asked.items() if value is not None} == {"mailStartTls": False}


def test_with_and_without_a_database_is_the_same(world: World, service: Service, way: str) -> None:
    """Taking the database away, or giving it, changes nothing, and neither does the other way of writing."""
    world.group("support", "alice", "bob")
    world.sync()
    before = world.accounts()
    world.configure(world.mapping())
    assert world.sync().summary == {"unchanged": 2}
    configure(world, service, "clt" if way == "soap" else "soap")
    assert world.sync().summary == {"unchanged": 2}
    assert world.accounts() == before


def test_a_private_account_stays(world: World, service: Service) -> None:
    """Who has a private account at the address gets none, and who has one beside it loses none: both are told."""
    world.insert(4, 40, secondary=0)
    world.group("support", "alice", "bob", "carol")
    done = world.sync(code=5)
    [failed] = [change for change in done.document["changes"] if change["result"] == "failed"]
    assert (failed["user"], "exists already" in failed["error"]) == (4, True)
    assert world.users().keys() == {3, 5}
    world.insert(5, 50, secondary=0)
    before = world.accounts()
    world.group("support", "alice", "bob")
    done = world.sync(code=5)
    reasons = {change["user"]: change["error"] for change in done.document["changes"]}
    assert "the user has two accounts with this address" in reasons[5]
    assert world.accounts() == before
    assert world.claims().keys() == {3, 5}


def test_copied_servers(world: World, service: Service, way: str) -> None:
    """Servers of primary accounts are copied by Open-Xchange, and kept; who has no such account is told."""
    configure(world, service, way, account={"mail": {"source": "primary"}, "transport": None})
    world.execute("DELETE FROM user_mail_account WHERE user = 4 AND id = 0")
    world.group("support", "alice", "bob")
    done = world.sync(code=5)
    [failed] = [change for change in done.document["changes"] if change["result"] == "failed"]
    assert failed["error"] == "the user has no primary account to copy the servers from"
    [row] = [row for row in world.accounts()["user_mail_account"] if row["secondary"]]
    assert (row["user"], row["url"]) == (3, "imap://imap.example.org:143")
    world.group("support", "alice")
    assert world.sync().summary == {"unchanged": 1}


def test_a_stored_password_follows_the_configuration(world: World, service: Service, way: str) -> None:
    """By SOAP a new password is noticed in the list and set; the tools take none at all."""
    configure(world, service, way, account={"password": world.secret("support", "hush-1")})
    world.group("support", "alice")
    if way == "clt":
        assert "stored passwords only on their command line" in world.syncd("sync").err
        return
    world.sync()
    assert world.sync().summary == {"unchanged": 1}
    world.secret("support", "hush-2")
    done = world.sync()
    assert done.summary == {"update": 1}
    assert world.sync().summary == {"unchanged": 1}
    assert "hush" not in done.out + done.err
    assert b"hush" not in world.ledger_path.read_bytes()


def test_what_cannot_be_read_takes_nothing_away(world: World, service: Service) -> None:
    """With the service away, its login refused, or a list that is none, a run fails and nobody loses anything."""
    world.group("support", "alice", "bob")
    world.sync()
    before, claims = world.accounts(), world.claims()
    world.group("support", "alice")
    world.secret("admin", "wrong")
    assert "refused the login" in world.syncd("sync").err
    world.secret("admin", "secret")
    world.execute("UPDATE user_mail_account SET password = 'a$b$c$d$e$f' WHERE user = 3 AND secondary = 1")
    assert "damaged password" in world.syncd("sync").err
    world.execute("UPDATE user_mail_account SET password = NULL WHERE user = 3 AND secondary = 1")
    service.expect(Trouble(operation="list", times=None, drop="before"))
    assert world.syncd("sync").code == 1
    assert world.accounts() == before
    assert world.claims() == claims


def test_a_user_who_is_gone(world: World, service: Service) -> None:
    """Who left Open-Xchange is unresolved while the directory lists him, and his claim ends with his account."""
    world.group("support", "alice", "bob")
    world.sync()
    gone = {"user": "id", "login2user": "id", "user_mail_account": "user", "user_transport_account": "user"}
    world.execute(*(f"DELETE FROM {table} WHERE cid = 1 AND {column} = 4" for table, column in gone.items()))
    done = world.sync()
    assert [notice["reason"] for notice in done.document["unresolved"]] == ["no user number '4' in context 1"]
    world.group("support", "alice")
    world.sync()
    assert world.claims().keys() == {3}


def test_check(world: World, service: Service, way: str) -> None:
    """`check` tries the login and the plan, and warns of what is not seen and not locked."""
    world.group("support", "alice")
    good = world.syncd("check")
    assert good.code == 0, good.out
    name = "SOAP" if way == "soap" else "the tools"
    assert f"ok    OX accounts: warning: read by {name} alone" in good.out
    assert "nothing but the lease in the ledger" in good.out
    assert "OX database" not in good.out
    assert "members in context 1: 1 of 1 are users of Open-Xchange" in good.out
    assert changes(service) == []
    world.secret("admin", "wrong")
    bad = world.syncd("check")
    assert (bad.code, f"FAIL  {name}, context 1: " in bad.out, "OX accounts: context" in bad.out) == (1, True, False)


def test_by_hand(world: World, service: Service) -> None:
    """Accounts are listed, made, changed and removed by hand; users are named by number, groups cannot be."""
    where = ("account", "--config", str(world.config), "-c", "1")
    create = ("-e", SUPPORT, "--login", "s", "--name", "S", "--mail-endpoint-source", "localhost")

    def hand(command: str, *words: str) -> tuple[int, str]:
        done = world.syncd(where[0], command, *where[1:], *words, config=False)
        return done.code, done.out + done.err

    assert hand("create", *create, "--users", "3,4")[0] == 0
    assert world.users().keys() == {3, 4}
    assert SUPPORT in hand("list")[1]
    assert hand("update", "-e", SUPPORT, "--users", "3", "--name", "T")[0] == 0
    assert {row["name"] for row in world.accounts()["user_mail_account"] if row["secondary"]} == {"S", "T"}
    assert hand("delete", "-e", SUPPORT, "--users", "3")[0] == 0
    assert world.users().keys() == {4}
    assert "No such user 99 in context 1" in hand("delete", "-e", SUPPORT, "--users", "99")[1]
    assert "without a database no group can be read" in hand("delete", "-e", SUPPORT, "--groups", "0")[1]
    assert world.users().keys() == {4}


def test_reseal_needs_a_database(world: World, service: Service) -> None:
    """How passwords are stored cannot be seen, and that is what is said."""
    world.group("support", "alice")
    world.sync()
    done = world.syncd("reseal")
    assert (done.code, "to be seen in the database only" in done.err) == (1, True)


def test_explain_looks_nobody_up_by_login(world: World, service: Service) -> None:
    """Who is named by number or DN is explained; a login that nobody can look up is not said to be nobody's."""
    world.group("support", "alice")
    world.sync()
    for name in ("oxuserid=3", world.dn("alice")):
        assert "has it, as configured" in world.syncd("explain", name, SUPPORT).out
    for name in ("alice", "3"):
        done = world.syncd("explain", name, SUPPORT)
        assert (done.code, done.out) == (1, "")
        assert f"{name!r} cannot be looked up in context 1: without a database users are known by their" in done.err
        assert "oxuserid=ID" in done.err
