"""A program that forks itself once for each statement of a story, and kills the child there: `killing.py URL`.

It prints how often it killed. What a killed ledger must be like is in `test_kill.py`; here it is compared: after each
kill it is as it was before the step that was interrupted, or as it is after it, and its journal verifies.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from syncd.core.changes import Adoption, Op
from syncd.core.limits import Absence
from syncd.core.model import Pin, Secret
from syncd.ledger import audit
from syncd.ledger.ledger import Ledger
from syncd.ledger.tables import metadata
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH, NOON, SALES, SUPPORT, change, intents, judgement, report

HOUR = timedelta(hours=1)
ADOPTION = Adoption(6, "user6", 7, "id", "dn", (), None)
HELD = report(judgement(held="sha256:a", changes=(change(Op.DELETE, 6),)), run="r1")
STEPS: list[Callable[[Ledger], object]] = [
    lambda ledger: ledger.adopt("r1", NOON, SUPPORT, [ADOPTION]),
    lambda ledger: ledger.intend("r1", "b1", NOON, [*intents(Op.CREATE, [1, 2]), *intents(Op.CREATE, [1], SALES)]),
    lambda ledger: ledger.conclude("b1", {(SUPPORT, 2, 102): "no"}),
    lambda ledger: ledger.intend("r1", "b2", NOON, [*intents(Op.DELETE, [1]), *intents(Op.CREATE, [3, 4])]),
    lambda ledger: ledger.recover(NOON, SUPPORT, [ledger.claims()[SUPPORT][3]._replace(held=True)]),
    lambda ledger: ledger.settle({entry.seq: "applied" for entry in ledger.unsettled()}),
    lambda ledger: ledger.finish(HELD, absences={SUPPORT: {6: Absence(1, NOON)}}, fingerprints={SUPPORT: "1:a"}),
    lambda ledger: ledger.approve("sha256:a", "anna", NOON),
    lambda ledger: ledger.expire(NOON + HOUR, NOON + HOUR),
    lambda ledger: ledger.reject("sha256:a", "anna", NOON + HOUR),
    lambda ledger: ledger.pin(SUPPORT, [Pin(6, True, NOON + HOUR, "anna"), Pin(7, True, None, "anna")], NOON),
    lambda ledger: ledger.pause(None, NOON + HOUR, "anna", NOON),
    lambda ledger: ledger.lapse(NOON + HOUR),
    lambda ledger: ledger.forget("r2", NOON + HOUR, SUPPORT, [3]),
    lambda ledger: ledger.finish(report(judgement(), run="r2"), absences={SUPPORT: {}}),
    lambda ledger: ledger.release("r2", NOON + HOUR, SUPPORT),
    lambda ledger: ledger.prune(NOON + HOUR, NOON + HOUR),
]
PRUNING = len(STEPS) - 1
State = dict[str, list[tuple[Any, ...]]]


def options(url: str) -> LedgerOptions:
    """Give the options of the ledger at a URL."""
    return LedgerOptions(url=url, password=Secret("test"), tls=False)


def state(ledger: Ledger) -> State:
    """Give every row of every table."""
    with ledger._database.reading() as work:
        return {
            table.name: work.rows(
                f"SELECT * FROM {table.name} ORDER BY {', '.join(key.name for key in table.primary_key)}"
            )
            for table in metadata.sorted_tables
        }


def plain(rows: State) -> State:
    """Leave out the ids that a table gives by itself: MySQL gives none twice, not even after a kill."""
    keys = {name: [column.name for column in metadata.tables[name].columns] for name in rows}
    return {
        name: [tuple(value for key, value in zip(keys[name], row, strict=True) if key != "id") for row in stored]
        for name, stored in rows.items()
    }


def restore(ledger: Ledger, rows: State) -> None:
    """Make the ledger what it was."""
    with ledger._database.writing() as work:
        for name, stored in rows.items():
            work.run(f"DELETE FROM {name}")
            work.many(f"INSERT INTO {name} VALUES ({', '.join('?' * len(metadata.tables[name].columns))})", stored)


def killed(url: str, first: int, at: int) -> int:
    """Go on with the story in a child that dies at a statement; give the number of steps that are done then."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        ledger = Ledger.open(options(url))
        count = 0

        def step(*_: object) -> None:
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(ledger._database._engine, "before_cursor_execute", step)
        sa.event.listen(ledger._database._engine, "commit", step)
        for act in STEPS[first:]:
            act(ledger)
            os.write(writer, b".")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        done = len(told.read())
    os.waitpid(child, 0)
    return first + done


def main(url: str) -> None:
    """Tell the story once undisturbed, then kill it everywhere."""
    audit.CHUNK = 5
    with Ledger.open(options(url)) as ledger:
        ledger.register(BOTH, at=NOON)
        states = [state(ledger)]
        for act in STEPS:
            act(ledger)
            states.append(state(ledger))
            assert ledger.verify().problems == (), ledger.verify()
        assert all(one != other for one, other in pairwise(states))
        restore(ledger, states[0])
    kills = 0
    for number in range(len(STEPS)):
        at = 0
        while True:
            at += 1
            with Ledger.open(options(url)) as ledger:
                restore(ledger, states[number])
            done = killed(url, number, at)
            if done > number:
                break  # the next step has its own turn
            kills += 1
            with Ledger.open(options(url)) as ledger:
                assert ledger.verify().problems == (), (number, at, ledger.verify())
                before, after = plain(states[number]), plain(states[number + 1])
                if plain(state(ledger)) == after:
                    continue
                assert number == PRUNING or plain(state(ledger)) == before, (number, at)
                STEPS[number](ledger)
                assert plain(state(ledger)) == after, (number, at)
    print(kills)


if __name__ == "__main__":
    main(sys.argv[1])
