"""Killed by SIGKILL at every statement of a run's writing, and opened again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from syncd.core.changes import Op
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH, NOON, SUPPORT, intents

STORY = """
import os, signal, sys
import sqlalchemy as sa
from syncd.core.changes import Op
from syncd.core.model import Secret
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import NOON, SUPPORT, intents
url, at = sys.argv[1], int(sys.argv[2])
ledger = Ledger.open(LedgerOptions(url=url, password=Secret("test"), tls=False))
count = 0
def step(*_):
    global count
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)
sa.event.listen(ledger._database._engine, "before_cursor_execute", step)
sa.event.listen(ledger._database._engine, "commit", step)
ledger.intend("r", "b1", NOON, [*intents(Op.CREATE, [1, 2]), *intents(Op.DELETE, [3, 4])])
print("promised", flush=True)
ledger.conclude("b1", {(SUPPORT, 2, 102): "no", (SUPPORT, 4, 104): "no"}, {(SUPPORT, 1): b"seal"})
print("concluded", flush=True)
"""


def test_killed_anywhere_the_ledger_is_before_or_after(options: LedgerOptions) -> None:
    """Each call is there wholly or not at all; what was printed as done is there after the kill."""
    at, seen = 0, set()
    while True:
        at += 1
        fresh = _fresh(options, at)
        command = [sys.executable, "-c", STORY, fresh.url, str(at)]
        done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
        assert done.stderr == ""
        with Ledger.open(fresh) as ledger:
            claims = {user: claim.held for user, claim in ledger.claims()[SUPPORT].items()}
            pending = [row.user for row in ledger.unsettled()]
            assert ledger.verify().problems == ()
        before: tuple[dict[int, bool], list[int]] = ({3: True, 4: True}, [])
        promised = ({1: False, 2: False, 3: True, 4: True}, [1, 2, 3, 4])
        concluded: tuple[dict[int, bool], list[int]] = ({1: True, 4: True}, [])
        printed = done.stdout.split()
        allowed = {0: [before, promised], 1: [promised, concluded], 2: [concluded]}[len(printed)]
        assert (claims, pending) in allowed
        seen.add(len(printed))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    assert seen == {0, 1, 2}
    assert at > 8


def test_killed_anywhere_the_journal_is_a_chain(options: LedgerOptions) -> None:
    """Every call that writes the journal is there wholly or not at all, and pruning may stop after any portion."""
    command = [sys.executable, "-m", "tests.ledger.killing", options.url]
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(), check=False)
    assert done.stderr == ""
    assert int(done.stdout) > 100


def _fresh(options: LedgerOptions, number: int) -> LedgerOptions:
    """Give a ledger in which users 3 and 4 have held claims; on a server the same database is emptied."""
    if options.url.startswith("sqlite"):
        path = Path(options.url.removeprefix("sqlite:///")).with_name(f"{number}.db")
        options = LedgerOptions(url=f"sqlite:///{path}")
    with Ledger.open(options) as ledger:
        ledger.register(BOTH)
        with ledger._database.writing() as work:
            for table in ("claims", "journal"):
                work.run(f"DELETE FROM {table}")
            work.run("UPDATE chain SET seq = 0, hash = ''")
        ledger.intend("r0", "b0", NOON, intents(Op.CREATE, [3, 4]))
        ledger.conclude("b0")
    return options


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
