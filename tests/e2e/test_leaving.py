"""A mailbox that leaves the configuration loses nothing by that; `retire` and `release` decide what becomes of it."""

from __future__ import annotations

import re
import shlex

import pytest

from syncd.openxchange import playground
from tests.e2e.world import SUPPORT, Done, World, invoke

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

SALES = "sales@mycompany.com"


def orphan(world: World) -> None:
    """Give support@ and sales@ to people, then take support@ out of the configuration."""
    world.configure(world.mapping("support"), world.mapping("sales"))
    world.group("support", "alice", "bob", "carol", "dave", "erin")
    world.group("sales", "alice")
    world.sync()
    world.configure(world.mapping("sales"))


def digest(done: Done) -> str:
    """Give the digest that a command printed."""
    [found] = re.findall(r"--approve (sha256:[0-9a-f]{64})", done.out)
    return str(found)


def test_a_mailbox_that_left_the_configuration_loses_nothing(world: World) -> None:
    """Its accounts stay, run after run; runs, plan and status call it orphaned and say what can be done."""
    orphan(world)
    before = world.dump()
    for _ in range(2):
        done = world.sync()
    [orphaned] = done.document["orphaned"]
    assert (orphaned["mailbox"], orphaned["context"], orphaned["claimed"]) == (SUPPORT, 1, 5)
    assert world.dump() == before
    assert len(world.claims()) == 5
    text = world.syncd("plan").out
    assert f"syncd retire {SUPPORT}" in text
    assert f"syncd release {SUPPORT}" in text
    states = {one["mailbox"]: one["state"] for one in world.syncd("status", "--output", "json").document["mailboxes"]}
    assert states == {SUPPORT: "orphaned", SALES: "in step"}


def test_a_mailbox_that_comes_back_is_ours_as_before(world: World) -> None:
    """Put back into the configuration, it goes on where it stood, with the same accounts."""
    orphan(world)
    world.sync()
    world.configure(world.mapping("support"), world.mapping("sales"))
    done = world.sync()
    assert done.summary == {"unchanged": 6}
    assert done.document["orphaned"] == []


def test_retire_shows_the_number_and_a_digest_first(world: World) -> None:
    """`retire` alone deletes nothing; with the digest that it printed it deletes all accounts, limits or not."""
    orphan(world)
    world.sync()
    before = world.dump()
    shown = world.syncd("retire", SUPPORT)
    assert shown.code == 4
    assert "5 accounts" in shown.out
    assert world.dump() == before
    done = world.syncd("retire", SUPPORT, "--approve", digest(shown))
    assert done.code == 0, done.err
    assert world.users() == {}
    assert world.claims() == {}
    assert len(world.users(SALES)) == 1
    assert world.rows(f"SELECT * FROM user_transport_account WHERE send_addr = '{SUPPORT}'") == []
    assert world.sync().document["orphaned"] == []


def test_retire_with_another_digest_is_refused(world: World) -> None:
    """A digest of another plan deletes nothing; nor does the right one when the accounts have changed since."""
    orphan(world)
    world.sync()
    shown = world.syncd("retire", SUPPORT)
    assert world.syncd("retire", SUPPORT, "--approve", "sha256:" + "0" * 64).code == 1
    assert len(world.users()) == 5
    world.execute(*(f"DELETE FROM {table} WHERE user = 3 AND id = 1" for table in world.accounts()))
    done = world.syncd("retire", SUPPORT, "--approve", digest(shown))
    assert done.code == 1
    assert "another one" in done.err
    assert len(world.users()) == 4


def test_retire_and_release_are_refused_while_it_is_configured(world: World) -> None:
    """What is in the configuration can be neither retired nor released."""
    world.group("support", "alice")
    world.sync()
    for command in ("retire", "release"):
        done = world.syncd(command, SUPPORT)
        assert (done.code, done.out) == (1, "")
        assert "is configured" in done.err
    assert world.claims() == {3: 1}


def test_retire_of_an_unknown_mailbox_is_refused(world: World) -> None:
    """A mailbox of which nothing is claimed is an error that names the ones there are."""
    orphan(world)
    world.sync()
    done = world.syncd("retire", "nobody@mycompany.com")
    assert done.code == 1
    assert SUPPORT in done.err


def test_released_accounts_stay_and_are_not_ours(world: World) -> None:
    """`release` keeps the accounts and ends the claims; put back with `existing: leave` they are somebody else's."""
    orphan(world)
    world.sync()
    before = world.dump()
    done = world.syncd("release", SUPPORT)
    assert done.code == 0
    assert "5 accounts" in done.err
    assert world.dump() == before
    assert world.claims() == {}
    assert world.sync().document["orphaned"] == []
    world.configure(world.mapping("support", existing="leave"), world.mapping("sales"))
    assert len(world.sync().document["conflicts"]) == 5
    assert world.dump() == before


def test_the_printed_commands_work_as_they_stand(world: World) -> None:
    """Copied from the text, `retire` finds a mailbox that another context still has, in a path that needs quoting."""
    with world.engine.begin() as connection:
        playground.add_context(connection, 2)
    world.people({3: "alice"}, context=2, entries=False)
    world.config = world.folder / "it's [a] path" / "syncd.yaml"
    world.config.parent.mkdir()
    world.configure(world.mapping(), world.mapping(context=2))
    world.group("support", "alice")
    world.sync()
    world.configure(world.mapping())
    [command] = re.findall(r"Delete them: (syncd retire .*)\. Let go", world.syncd("plan").out)
    shown = invoke(*shlex.split(command)[1:])
    assert shown.code == 4, shown.err
    [command] = [line.strip() for line in shown.out.splitlines() if "--approve" in line]
    assert invoke(*shlex.split(command)[1:]).code == 0
    assert (world.users(SUPPORT, 2), world.users(SUPPORT, 1)) == ({}, {3: 1})
    assert str(world.config) in world.syncd("check").out


def test_retire_leaves_what_is_not_ours(world: World) -> None:
    """Neither a private account with the address nor one that somebody else made is deleted with the mailbox."""
    world.insert(7, 20, secondary=0)
    world.insert(8, 21)
    orphan(world)
    world.group("support", "alice", "bob")
    world.sync()
    shown = world.syncd("retire", SUPPORT)
    world.syncd("retire", SUPPORT, "--approve", digest(shown))
    left = world.rows(f"SELECT user, id FROM user_mail_account WHERE primary_addr = '{SUPPORT}' ORDER BY id")
    assert left == [{"user": 7, "id": 20}, {"user": 8, "id": 21}]


def test_retire_takes_the_mailbox_from_pinned_users(world: World) -> None:
    """A pinned user loses the account too, nobody gets one, and no pin is left for the address to come back to."""
    orphan(world)
    world.sync()
    world.ledger(
        "INSERT INTO pins (mailbox, user, keep, person, at) SELECT m.id, u.n, 1, 'eve', 0 FROM mailboxes m, "
        "(SELECT 3 AS n UNION SELECT 9) u WHERE m.address = ?",
        SUPPORT,
    )
    shown = world.syncd("retire", SUPPORT)
    assert "5 accounts" in shown.out
    done = world.syncd("retire", SUPPORT, "--approve", digest(shown))
    assert (done.code, world.users(), world.claims()) == (0, {}, {}), done.err
    assert world.ledger("SELECT user FROM pins") == []


@pytest.mark.parametrize("why", ["paused", "staging"])
def test_retire_waits_for_the_end_of_a_pause(world: World, why: str) -> None:
    """While nothing is to be applied `retire` deletes nothing and says so, as an error."""
    orphan(world)
    world.sync()
    shown = world.syncd("retire", SUPPORT)
    if why == "paused":
        world.syncd("pause")
    else:
        world.configure(world.mapping("sales"), mode="staging")
    done = world.syncd("retire", SUPPORT, "--approve", digest(shown))
    assert done.code == 1
    assert f"nothing of {SUPPORT} was deleted: {why}" in done.err
    assert len(world.users()) == len(world.claims()) == 5
