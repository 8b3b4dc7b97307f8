"""Few big questions: how many operations and statements a run takes depends on pages and batches, not on people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import pytest

from syncd.core.changes import Report
from syncd.core.reads import DirectoryRead
from syncd.directory.directory import Directory
from syncd.settings.loading import load
from syncd.wiring import session
from tests.e2e.world import World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


ROOM = 10
"""How far equal costs may lie apart: a connection opened once more, a chunk begun, the lease renewed meanwhile."""


class Cost(NamedTuple):
    """What a run asked of the two servers."""

    operations: int
    """LDAP operations."""
    questions: int
    """Statements, as the database server itself counts them."""


@contextmanager
def reads() -> Iterator[list[DirectoryRead]]:
    """Collect what the directory gives."""
    found: list[DirectoryRead] = []
    original = Directory.read

    def read(self: Directory, *values: object, **named: object) -> DirectoryRead:
        result = original(self, *values, **named)  # type: ignore[arg-type]
        found.append(result)
        return result

    with mock.patch.object(Directory, "read", read):
        yield found


def questions(world: World) -> int:
    """Ask the server how many statements it got so far."""
    with world.mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        row = cursor.fetchone()
        assert row is not None
        return int(row[1])


def run(world: World) -> tuple[Cost, Report]:
    """Make one run and count."""
    overhead = -(questions(world) - questions(world))
    with session(load(world.config)) as instance, reads() as found:
        before = questions(world)
        report = instance.reconciler.run()
        after = questions(world)
    [read] = found
    return Cost(read.operations, after - before - overhead), report


def crowd(world: World, count: int) -> list[str]:
    """Add so many people; give their logins."""
    logins = {number: f"u{number}" for number in range(1000, 1000 + count)}
    world.people(logins)
    return list(logins.values())


def mappings(world: World, *names: str) -> None:
    """Configure these mailboxes with limits that do not matter here."""
    limits = {"additions": 100_000, "removals": {"percent": 100, "floor": 0}}
    world.configure(*(world.mapping(name, limits=limits) for name in names), limits={"removals_per_run": 100_000})


def idle(world: World) -> Cost:
    """Bring everything in step, then count a run that finds nothing to do."""
    run(world)
    cost, report = run(world)
    assert report.outcomes == ()
    assert report.complete
    return cost


def test_an_idle_run_does_not_ask_by_member(world: World) -> None:
    """Ten times the members cost not one statement more, and one LDAP operation for each fifty, never one for each."""
    people = crowd(world, 600)
    mappings(world, "support")
    world.group("support", *people[:60])
    few = idle(world)
    world.group("support", *people)
    many = idle(world)
    assert len(world.users()) == 600
    assert many.questions - few.questions <= ROOM
    assert many.operations - few.operations <= 540 / 50 + ROOM


def test_an_idle_run_does_not_ask_by_mailbox(world: World) -> None:
    """Ten times the mailboxes with the same people cost neither more statements nor more LDAP operations."""
    people = crowd(world, 10)
    names = [f"mailbox{number}" for number in range(40)]
    for name in names:
        world.group(name, *people)
    mappings(world, *names[:4])
    few = idle(world)
    mappings(world, *names)
    many = idle(world)
    assert many.questions - few.questions <= ROOM
    assert many.operations - few.operations <= ROOM


def test_changes_are_made_by_batch(world: World) -> None:
    """Within a batch, ten times the creates, updates and deletes cost no more statements."""
    people = crowd(world, 440)
    mappings(world, "support")
    costs: dict[int, list[int]] = {}
    for count in (40, 400):
        world.group("support", people[-1])
        idle(world)
        world.group("support", *people[:count], people[-1])
        creates, report = run(world)
        assert len(report.outcomes) == count
        world.execute("UPDATE user_mail_account SET login = 'x' WHERE secondary = 1 AND user < 1439")
        world.ledger("UPDATE journal SET at = at - 25 * 3600 * 1000")
        limits = {"updates": {"percent": 100, "floor": 1000}, "removals": {"percent": 100, "floor": 0}}
        world.configure(world.mapping(limits=limits), limits={"removals_per_run": 100_000})
        updates, report = run(world)
        assert len(report.outcomes) == count
        world.group("support", people[-1])
        deletes, report = run(world)
        assert len(report.outcomes) == count
        costs[count] = [creates.questions, updates.questions, deletes.questions]
    assert [many - few <= ROOM for few, many in zip(costs[40], costs[400], strict=True)] == [True] * 3, costs


def test_a_bigger_change_takes_more_batches_only(world: World) -> None:
    """Two and a half times the accounts of a batch cost a few statements more for each further batch."""
    people = crowd(world, 1250)
    mappings(world, "support")
    world.group("support", *people[:5])
    small, _ = run(world)
    world.group("support", *people)
    big, report = run(world)
    assert len(report.outcomes) == 1245
    assert big.questions - small.questions <= 2 * 25


def test_nesting_costs_by_level(world: World) -> None:
    """A group in a group in a group costs a few LDAP operations a level, however many groups lie on it."""
    mappings(world, "support")
    for branch in range(20):
        world.group(f"leaf{branch}", "alice")
        world.group(f"middle{branch}", f"cn=leaf{branch},{world.ldap.groups}")
    world.group("support", "alice")
    flat = idle(world)
    for branches in (2, 20):
        world.group("support", *(f"cn=middle{branch},{world.ldap.groups}" for branch in range(branches)))
        assert idle(world).operations - flat.operations <= 2 * ROOM
