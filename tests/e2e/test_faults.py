"""Servers that die, fall silent or belong to somebody else: nothing is removed wrongly, and the next run completes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Literal

import pytest

from syncd import wiring
from syncd.openxchange.connect import StoreOptions
from syncd.settings.loading import Settings
from tests.e2e.running import until
from tests.e2e.test_daemon import counter_locked, waiting_for_lock
from tests.e2e.world import COMMAND, Done, World
from tests.servers.faults import FaultProxy

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]
HOW: tuple[Literal["reset", "end"], ...] = ("reset", "end")
UNLIMITED = {"removals": {"percent": 100, "floor": 1000}, "updates": {"percent": 100, "floor": 1000}}


@pytest.fixture
def ldap_proxy(world: World) -> Iterator[FaultProxy]:
    """Give a proxy to slapd, which the configuration names instead of it."""
    with FaultProxy(world.ldap.server.port) as proxy:
        directory = {"urls": [proxy.url], "tls": {}, "timeout": {"receive": "1s"}}
        world.configure(world.mapping(limits=UNLIMITED), directory=directory)
        yield proxy


@pytest.fixture
def database_proxy(world: World) -> Iterator[FaultProxy]:
    """Give a proxy to MariaDB, which the configuration names instead of it."""
    with FaultProxy(world.mariadb.port) as proxy:
        url = f"mysql+pymysql://test@127.0.0.1:{proxy.port}/{world.schema}"
        database = {"url": url, "password": {"file": str(world.folder / "database.secret")}, "tls": False}
        world.configure(world.mapping(limits=UNLIMITED), openxchange={"database": database})
        yield proxy


def settled(world: World, *logins: str) -> None:
    """Bring about a state from which the faulty run starts, without faults."""
    world.group("support", *logins)
    world.sync()


def once_more(world: World) -> Done:
    """Run again, as soon as the server has noticed that the connections of the run before are gone."""
    until(lambda: world.rows(f"SELECT IS_FREE_LOCK('syncd.{world.schema}') AS free")[0]["free"])
    return world.sync()


def test_ldap_cut_off_at_any_octet_removes_nobody(world: World, ldap_proxy: FaultProxy) -> None:
    """A member leaves while the connection breaks: he is removed by a complete read only, and then he is."""
    incomplete = 0
    for octets, ldap_proxy.how in zip((0, 7, 14, 40, 90, 150, 220, 300, 400, 550, 700, 1000), cycle(HOW), strict=False):
        settled(world, "alice", "bob")
        world.group("support", "alice", "carol")
        ldap_proxy.cut_after = octets
        done = world.sync(code=None)
        ldap_proxy.cut_after = None
        assert done.code in {0, 5}, done.err
        complete = done.document["complete"]
        assert complete == (done.code == 0)
        assert (4 in world.users()) == (not complete), octets
        incomplete += not complete
        assert world.sync().document["complete"]
        assert sorted(world.users()) == [3, 5]
        assert sorted(world.claims()) == [3, 5]
    assert incomplete > 4


def test_the_database_cut_off_at_any_octet_loses_nothing(world: World, database_proxy: FaultProxy) -> None:
    """Broken while reading, writing or committing: what is stored stays claimed, and the next run completes."""
    failed = 0
    everybody = ("carol", "dave", "erin", "frank")
    for octets, database_proxy.how in zip((0, 50, *range(100, 20000, 350)), cycle(HOW), strict=False):
        settled(world, "alice", "bob")
        world.insert(8, 900 + octets)  # frank has an account already, which is adopted
        world.group("support", "alice", *everybody)
        database_proxy.cut_after = octets
        done = world.sync(code=None)
        database_proxy.cut_after = None
        assert done.code in {0, 1}, (octets, done.err, done.out)
        failed += done.code
        owned = {user for (user,) in world.ledger('SELECT "user" FROM claims')}
        assert set(world.users()) <= owned | {8}, octets
        again = once_more(world)
        assert sorted(world.users()) == [3, 5, 6, 7, 8], octets
        assert world.users() == world.claims(), octets
        assert world.users()[8] == 900 + octets
        assert not world.ledger("SELECT 1 FROM journal WHERE result = 'pending'"), octets
        if done.code == 0:
            assert again.summary == {"unchanged": 5}
            break
    else:
        pytest.fail("the last run was cut off, too: there are more octets")
    assert failed > 5


def test_silent_ldap_ends_by_the_timeout(world: World, ldap_proxy: FaultProxy) -> None:
    """A server that says no more is left after `timeout.receive`; the reason names it, and nobody is removed."""
    settled(world, "alice", "bob")
    world.group("support", "alice")
    ldap_proxy.cut_after, ldap_proxy.how = 100, "silence"
    done = world.sync(code=5)
    [mailbox] = done.document["mailboxes"]
    assert ldap_proxy.url in str(mailbox["reasons"])
    assert sorted(world.users()) == [3, 4]
    ldap_proxy.cut_after = None
    assert world.sync().summary == {"delete": 1, "unchanged": 1}


@pytest.mark.parametrize("octets", [0, 100, 1500, 4000])
def test_a_silent_database_ends_by_the_timeout(
    world: World, database_proxy: FaultProxy, octets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that says no more, sooner or later in the run, ends it with one line that names it."""
    usual = wiring.store_options

    def impatient(settings: Settings) -> StoreOptions:
        return replace(usual(settings), connect_timeout=1.0, read_timeout=1.0, write_timeout=1.0)

    monkeypatch.setattr(wiring, "store_options", impatient)
    settled(world, "alice", "bob")
    world.group("support", "alice", "carol", "dave")
    database_proxy.cut_after, database_proxy.how = octets, "silence"
    done = world.sync(code=1)
    assert f"{world.schema} on 127.0.0.1:{database_proxy.port}" in done.err + done.out
    database_proxy.close()
    world.configure(world.mapping())
    once_more(world)
    assert sorted(world.users()) == [3, 5, 6]
    assert world.users() == world.claims()


def test_two_installations_on_one_database_are_kept_apart(world: World) -> None:
    """With a ledger of its own a second syncd does not wait for the first one's lease, but it meets the named lock."""
    world.group("support", "alice")
    with counter_locked(world):
        first = subprocess.Popen(
            [COMMAND, "sync", "-c", str(world.config)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        until(lambda: waiting_for_lock(world))
        second = world.folder / "second"
        second.mkdir()
        other = second / "syncd.yaml"
        other.write_text(world.config.read_text().replace(str(world.ledger_path), str(second / "ledger.db")))
        refused = world.process("sync", "-c", str(other), config=False)
    assert refused.code == 1
    assert f"another syncd holds the lock syncd.{world.schema}" in refused.err
    assert "connection" in refused.err
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 0, out
    assert list(world.users()) == [3]


@pytest.mark.parametrize("command", ["sync", "plan", "status", "run"])
def test_a_ledger_of_another_user_is_left_alone(world: World, command: str) -> None:
    """The command refuses, and prints the command that works; the file stays as it was."""
    path = world.ledger_path
    if os.geteuid() == 0:
        path.touch(mode=0o600)
        os.chown(path, 65534, 65534)
        owner = "nobody"
    else:
        path, owner = Path("/etc/hostname"), "root"  # any file of somebody else will do
        world.configure(world.mapping(), ledger={"url": f"sqlite:///{path}"})
    before = path.stat()
    done = world.process(command)
    assert done.code == 1
    assert f"sudo -u {owner} " in done.err
    assert f"{command} -c {world.config}" in done.err
    assert (path.stat().st_size, path.stat().st_uid) == (before.st_size, before.st_uid)
    assert not list(path.parent.glob(f"{path.name}-*"))
