"""Several that write one ledger at once: a run, a person's command, and persons who decide."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from syncd.core.changes import Adoption, Op
from syncd.core.model import Pin
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH, NOON, SALES, SUPPORT, change, intents, judgement, report

ROUNDS = 25


def test_writers_at_once_make_one_chain(options: LedgerOptions) -> None:
    """Nobody's entry is lost or twice, none waits for another in a circle, and the whole journal verifies."""
    patient = replace(options, lock_timeout=60)
    changes = tuple(change(Op.DELETE, user) for user in (3, 4))

    def running(ledger: Ledger, turn: int) -> None:
        batch = f"b{turn}"
        ledger.intend("r1", batch, NOON, intents(Op.CREATE, [10 + turn, 50 + turn]))
        ledger.conclude(batch, {(SUPPORT, 50 + turn, 150 + turn): "no"})
        ledger.adopt("r1", NOON, SUPPORT, [Adoption(100 + turn, "x", 7, "id", "dn", (), None)])
        ledger.forget("r1", NOON, SUPPORT, [100 + turn])
        ledger.finish(report(judgement(held=f"sha256:{turn % 3}", changes=changes), run=f"r{turn}"))

    def deciding(ledger: Ledger, turn: int) -> None:
        ledger.approve(f"sha256:{turn % 3}", "anna", NOON)
        ledger.reject(f"sha256:{turn % 3}", "bert", NOON)
        ledger.expire(NOON, NOON)
        ledger.pause(SALES, NOON, "anna", NOON)
        ledger.lapse(NOON)

    def pinning(ledger: Ledger, turn: int) -> None:
        ledger.register(BOTH, whole=False)
        ledger.pin(SALES, [Pin(turn, True, None, "eve")], NOON)
        ledger.unpin(SALES, [turn], "eve", NOON)
        ledger.release("r", NOON, SALES)

    def often(work: Callable[[Ledger, int], None]) -> None:
        with Ledger.open(patient) as mine:
            for turn in range(ROUNDS):
                work(mine, turn)

    with Ledger.open(patient) as ledger:
        ledger.register(BOTH)
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(often, work) for work in (running, deciding, pinning)]:
                done.result()
        assert ledger.verify().problems == ()
        entries = [entry.op for entry in ledger.history()]
        assert {op: entries.count(op) for op in ("create", "adopt", "forget", "pin", "unpin", "pause")} == {
            "create": 2 * ROUNDS, "adopt": ROUNDS, "forget": ROUNDS, "pin": ROUNDS, "unpin": ROUNDS, "pause": ROUNDS,
        }  # fmt: skip
