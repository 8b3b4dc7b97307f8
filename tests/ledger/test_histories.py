"""Whatever is done through a ledger's methods, in any order, verifies; what is then taken away is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.core.changes import Adoption, Op
from syncd.core.limits import Absence
from syncd.core.model import UNNUMBERED, MailboxRef, Pin
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH, NOON, SALES, SUPPORT, intents, judgement, report

Step = Callable[[Ledger, datetime], object]
USERS = st.lists(st.integers(1, 5), min_size=1, max_size=4, unique=True)
REFS = st.sampled_from([SUPPORT, SALES])
DIGEST = "sha256:a"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file of a ledger that knows two mailboxes."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    with Ledger.open(LedgerOptions(url=f"sqlite:///{path}")) as ledger:
        ledger.register(BOTH)
    return path


def change(op: Op, users: list[int], ref: MailboxRef, end: str, numbered: bool) -> Step:
    """Announce a batch and let it end: concluded, in part failed, settled in steps, recovered, or not at all."""

    def step(ledger: Ledger, now: datetime) -> None:
        numbered_here = numbered and op is Op.CREATE
        made = [one._replace(account=UNNUMBERED) if numbered_here else one for one in intents(op, users, ref)]
        batch = f"{now:%d-%H}"
        ledger.intend("r", batch, now, made)
        failed = {(ref, one.change.user, one.account): "no" for one in made[: 1 if end == "failed" else 0]}
        ids = {(ref, one.change.user): 500 + one.change.user for one in made[len(failed) :] if numbered_here}
        if end in {"concluded", "failed"}:
            ledger.conclude(batch, failed, numbered=ids)
        elif end == "settled":
            for number, entry in enumerate(ledger.unsettled()):
                ledger.settle({entry.seq: ("applied", "failed", "abandoned")[number % 3]})
        elif end == "recovered":
            pending = ledger.claims().get(ref, {})
            ledger.recover(now, ref, [claim._replace(held=True) for claim in pending.values() if not claim.held])

    return step


def decide(what: str) -> Step:
    """Hold a plan, or decide about it."""

    def step(ledger: Ledger, now: datetime) -> None:
        if what == "hold":
            ledger.finish(report(judgement(held=DIGEST)), absences={SUPPORT: {3: Absence(1, now)}})
        elif what == "expire":
            ledger.expire(now, now)
        else:
            getattr(ledger, what)(DIGEST, "anna", now)

    return step


def adopt(users: list[int], ref: MailboxRef) -> Step:
    """Claim accounts that exist."""
    adoptions = [Adoption(user, f"user{user}", user, "id", "dn", ("ä", "\udcff"), None) for user in users]
    return lambda ledger, now: ledger.adopt("r", now, ref, adoptions)


def pin(users: list[int], ref: MailboxRef, hours: int) -> Step:
    """Pin users for a time."""
    return lambda ledger, now: ledger.pin(
        ref, [Pin(user, user % 2 == 0, now + timedelta(hours=hours), "Jürgen 🐝") for user in users], now
    )


STEPS = st.one_of(
    st.builds(
        change,
        st.sampled_from(Op),
        USERS,
        REFS,
        st.sampled_from(["concluded", "failed", "settled", "recovered", "open"]),
        st.booleans(),
    ),
    st.builds(decide, st.sampled_from(["hold", "approve", "reject", "expire"])),
    st.builds(adopt, USERS, REFS),
    st.builds(pin, USERS, REFS, st.integers(1, 9)),
    st.builds(lambda users, ref: lambda ledger, now: ledger.forget("r", now, ref, users), USERS, REFS),
    st.builds(lambda users, ref: lambda ledger, now: ledger.unpin(ref, users, "bob", now), USERS, REFS),
    st.builds(lambda ref: lambda ledger, now: ledger.release("r", now, ref), REFS),
    st.builds(lambda ref: lambda ledger, now: ledger.pause(ref, now + timedelta(hours=2), "bob", now), REFS),
    st.builds(lambda ref: lambda ledger, now: ledger.resume(ref, "bob", now), REFS),
    st.builds(lambda: lambda ledger, now: ledger.lapse(now)),
    st.builds(lambda hours: lambda ledger, now: ledger.prune(now - timedelta(hours=hours), now), st.integers(0, 20)),
)


@given(steps=st.lists(STEPS, max_size=40), victim=st.floats(0, 1, exclude_max=True))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_verifies(empty: Path, tmp_path: Path, steps: list[Step], victim: float) -> None:
    """After every step the chain is whole, and any entry that is then deleted by hand is missed."""
    path = tmp_path / "ledger.db"
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    shutil.copy(empty, path)
    with Ledger.open(LedgerOptions(url=f"sqlite:///{path}")) as ledger:
        for number, step in enumerate(steps):
            step(ledger, NOON + timedelta(hours=number))
            assert ledger.verify().problems == ()
        with ledger._database.writing() as work:
            seqs = [seq for (seq,) in work.rows("SELECT seq FROM journal ORDER BY seq")]
            for seq in seqs[int(victim * len(seqs)) :][:1]:
                work.run("DELETE FROM journal WHERE seq = ?", (seq,))
        if seqs:
            assert f"entry {seqs[int(victim * len(seqs))]} is missing" in ledger.verify().problems
