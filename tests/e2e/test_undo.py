"""Undo, pins and history with real servers: a directory, MariaDB, and every way of writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.world import LOGINS, SUPPORT, Done, World
from tests.standins.model import Middleware
from tests.standins.service import Service
from tests.standins.tools import write_tools

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


@pytest.fixture(params=["sql", "soap", "clt", "soap alone", "clt alone"])
def way(world: World, request: pytest.FixtureRequest) -> Iterator[str]:
    """Let accounts be written in a way, and read by it too where it is alone."""
    way, alone = request.param.partition(" ")[::2]
    if way == "sql":
        yield way
        return
    for user, login in LOGINS.items():
        world.ldap.modify(f"dn: {world.dn(login)}\nchangetype: modify\nadd: employeeNumber\nemployeeNumber: {user}\n")
    with Service(Middleware(world.engine)) as service:
        section: dict[str, Any] = {"write_with": way}
        password = world.secret("admin", "secret")
        if way == "soap":
            section["soap"] = {"url": service.url, "login": "oxadmin", "password": password}
        else:
            tools = write_tools(world.folder / "sbin", service.port)
            section["clt"] = {"directory": str(tools), "admin": "oxadmin", "password": password}
        users = {"users": {"rules": [{"id": "employeeNumber"}]}}
        world.configure(world.mapping(), openxchange=section | ({"database": None} if alone else {}), directory=users)
        yield request.param


def entry(world: World, op: str) -> str:
    """Give the number of the last change of an operation."""
    entries = world.syncd("history", "--output", "json").document["history"]
    return str(max(one["change"] for one in entries if one["op"] == op))


def rows(world: World, user: int) -> list[tuple[object, ...]]:
    """Give what matters of a user's account."""
    names = ("name", "personal", "replyTo", "url", "login", "trash_fullname", "starttls")
    return [
        tuple(row[name] or "" for name in names)
        for row in world.accounts()["user_mail_account"]
        if row["user"] == user and row["primary_addr"] == SUPPORT
    ]


def done(world: World, *words: str) -> Done:
    """Run a command, which must succeed."""
    found = world.syncd(*words)
    assert found.code == 0, (found.err, found.out)
    return found


def test_the_way_back(world: World, way: str) -> None:
    """Accounts come back as they were and go again, by whatever writes; runs after it have nothing to do."""
    world.group("support", "alice", "bob", "carol")
    world.sync()
    hand = ("--config", str(world.config), "-c", "1", "-e", SUPPORT)
    texts = ("--name", "Mine", "--personal", "Bob", "--trash-fullname", "Bin")
    assert world.syncd("account", "update", *hand, "--users", "4", *texts, config=False).code == 0
    chosen = rows(world, 4)
    done(world, "undo", entry(world, "update"))
    assert rows(world, 4) == rows(world, 3)
    done(world, "undo", entry(world, "update"))
    assert rows(world, 4) == chosen

    world.group("support", "alice", "carol", "dave")
    assert world.sync().summary == {"create": 1, "delete": 1, "unchanged": 2}
    run = world.ledger("SELECT run FROM journal WHERE op = 'delete'")[0][0]
    assert world.syncd("undo", run).code == 1
    assert world.users().keys() == {3, 5, 6}
    done(world, "undo", run, "--pin")
    assert world.users().keys() == {3, 4, 5}
    assert rows(world, 4) == chosen
    assert world.claims() == world.users()
    before = world.accounts()
    assert world.sync().summary == {"unchanged": 3}
    assert "nothing is left to undo" in done(world, "undo", run, "--pin").out
    assert world.accounts() == before

    undone = world.ledger("SELECT run FROM runs WHERE command = 'undo' ORDER BY id DESC")[0][0]
    done(world, "undo", undone)
    assert world.users().keys() == {3, 5, 6}
    assert world.claims() == world.users()
    assert world.sync().summary == {"unchanged": 3}
    assert world.syncd("account", "pins", "--config", str(world.config), config=False).out == "nothing is pinned\n"
    assert "the journal is as it was written" in done(world, "history", "--verify").out


def test_access_for_a_time(world: World, way: str) -> None:
    """Who is given access for a time keeps it until then, and loses it by the run after it."""
    world.group("support", "alice", "bob")
    world.sync()
    hand = ("--config", str(world.config), "-c", "1", "-e", SUPPORT)
    assert world.syncd("account", "create", *hand, "--users", "7", "--until", "2h", config=False).code == 0
    assert world.sync().summary == {"unchanged": 3}
    assert world.claims() == world.users()
    world.ledger("UPDATE pins SET until = until - 3 * 3600000")
    assert world.sync().summary == {"delete": 1, "unchanged": 2}
    assert world.users().keys() == {3, 4}


def test_with_a_ledger_in_mariadb(world: World) -> None:
    """Where the ledger is a database of its own, history, verification, undo and pins are as with SQLite."""
    name = world.mariadb.fresh_database(tables=False)
    ledger = {"url": f"mysql+pymysql://test@127.0.0.1:{world.mariadb.port}/{name}"}
    ledger |= {"password": world.secret("ledger", "test"), "tls": {"ca": str(world.mariadb.ca)}}
    world.configure(world.mapping(), ledger=ledger)
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support", "alice")
    world.sync()
    run = world.syncd("history", "--output", "json").document["history"][-1]["run"]
    assert world.syncd("undo", run[:16]).code == 1
    done(world, "undo", run[:16], "--pin")
    assert world.users().keys() == {3, 4}
    assert world.sync().summary == {"unchanged": 2}
    assert "nothing is left to undo" in done(world, "undo", run).out
    done(world, "undo", entry(world, "create"))
    assert world.users().keys() == {3}
    assert world.sync().summary == {"unchanged": 1}
    assert "the journal is as it was written" in done(world, "history", "--verify").out
    told = world.syncd("history", "--user", "bob", "--output", "jsonl").out.splitlines()
    assert [json.loads(line)["op"] for line in told] == ["create", "delete", "pin", "create", "unpin", "delete"]
