"""The lease: every row of the table in `syncd/ledger/lease.py`, with clocks that the test moves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest

from syncd.errors import LedgerBusy
from syncd.ledger import lease
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import NOON

HOLD = """
import sys
from syncd.core.model import Secret
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
ledger = Ledger.open(LedgerOptions(url=sys.argv[1], password=Secret("test"), tls=False))
with ledger.lease("run", "syncd run", wait=0):
    print("held", flush=True)
    sys.stdin.read()
"""


class Time:
    """Clocks that move only by sleeping or by hand."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.on_sleep: Callable[[], object] = lambda: None
        self.stack = ExitStack()

    def now(self) -> datetime:
        """Give the wall clock."""
        return NOON + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Give the seconds passed."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        assert seconds > 0
        self.passed += seconds
        self.on_sleep()

    def take(self, ledger: Ledger, holder: str = "syncd sync", wait: float = 0.0, name: str = "run") -> lease.Lease:
        """Enter the lease and stay in it until the test ends."""
        return self.stack.enter_context(
            ledger.lease(name, holder, wait=wait, now=self.now, sleep=self.sleep, monotonic=self.monotonic)
        )


@pytest.fixture
def clock(ledger: Ledger) -> Iterator[Time]:
    """Give clocks that stand still; leases end before the ledger is closed."""
    time = Time()
    with time.stack:
        yield time


def elsewhere(monkeypatch: pytest.MonkeyPatch, place: str = "boot pid:[9]") -> None:
    """Make the process look like one of another pid namespace."""
    monkeypatch.setattr(lease, "_place", lambda: place)


def test_a_held_lease_is_busy_and_says_who(ledger: Ledger, clock: Time) -> None:
    """The second one is refused with holder, pid, host and time, after waiting exactly as long as it may."""
    clock.take(ledger, "syncd run")
    with pytest.raises(LedgerBusy, match=r"held by syncd run, pid \d+ on .+, since 2026-03-01 \d\d:00:00"):
        clock.take(ledger, wait=7.2)
    assert clock.passed == pytest.approx(7.2)


def test_a_lease_is_free_after_its_block(ledger: Ledger, clock: Time) -> None:
    """Leaving the block, by an exception too, lets the next one in; another name was never in the way."""
    clock.take(ledger, name="daemon")
    with pytest.raises(ZeroDivisionError), ledger.lease("run", "a", wait=0, now=clock.now):
        raise ZeroDivisionError
    assert ledger.holder("run") is None
    clock.take(ledger)


def test_waiting_ends_when_the_holder_is_done(ledger: Ledger, clock: Time) -> None:
    """A command that waits gets the lease as soon as it is given back."""
    first = clock.take(ledger)
    clock.on_sleep = lambda: first.release() if clock.passed > 3 else None
    clock.take(ledger, wait=60)
    assert 3 < clock.passed < 4


@pytest.mark.parametrize(("seconds", "free"), [(59.9, False), (60.0, True), (-59.0, False), (-61.0, True)])
def test_a_lease_expires(
    ledger: Ledger, clock: Time, monkeypatch: pytest.MonkeyPatch, seconds: float, free: bool
) -> None:
    """Not renewed for 60 seconds (or renewed in a future that a clock invented), anybody may take it."""
    elsewhere(monkeypatch, "same pid:[1]")
    clock.take(ledger)
    elsewhere(monkeypatch, "same pid:[2]")
    clock.passed += seconds
    if free:
        clock.take(ledger)
    else:
        with pytest.raises(LedgerBusy):
            clock.take(ledger)


def test_renewing_keeps_it_and_seldom_writes(ledger: Ledger, clock: Time) -> None:
    """Renewals within five seconds are not written; one that is counts from then."""
    held = clock.take(ledger)
    for seconds, renewed in ((4.9, 0), (0.2, 5.1), (4.0, 5.1), (1.1, 10.2)):
        clock.passed += seconds
        held.renew()
        with ledger._database.reading() as work:
            ((stored,),) = work.rows("SELECT renewed FROM leases")
        assert stored == pytest.approx(NOON.timestamp() * 1000 + renewed * 1000, abs=2)


def test_a_lost_lease_is_told(ledger: Ledger, clock: Time) -> None:
    """A holder that slept for too long learns who took over, and does not end the other's lease."""
    first = clock.take(ledger, "syncd run")
    clock.passed += 61
    clock.take(ledger, "syncd sync")
    with pytest.raises(LedgerBusy, match="lost to syncd sync, pid"):
        first.renew()
    first.release()
    with pytest.raises(LedgerBusy):
        clock.take(ledger)


def test_a_dead_process_loses_it_at_once(options: LedgerOptions, ledger: Ledger) -> None:
    """While another process lives it is busy; killed, the next one takes over without waiting."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, options.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LedgerBusy, match=f"syncd run, pid {process.pid} on "), ledger.lease("run", "b", wait=0):
            pass
        process.kill()
        process.wait()
        with ledger.lease("run", "b", wait=0):
            assert str(ledger.holder("run")).startswith("b, pid")


def test_a_reused_pid_is_not_the_holder(ledger: Ledger, clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with the same id that started at another time is somebody else."""
    clock.take(ledger)
    started = lease._started
    monkeypatch.setattr(lease, "_started", lambda pid: (started(pid) or 0) + 1)
    clock.take(ledger)


def test_a_restart_of_the_machine_frees_a_sqlite_lease(
    ledger: Ledger, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SQLite ledger has one machine: after its restart nobody of before lives. A server may have many machines."""
    elsewhere(monkeypatch, "first pid:[1]")
    clock.take(ledger)
    elsewhere(monkeypatch, "second pid:[1]")
    if ledger._database.sqlite:
        clock.take(ledger)
    else:
        with pytest.raises(LedgerBusy):
            clock.take(ledger)


def test_without_proc_only_time_tells(ledger: Ledger, clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes cannot be looked at, a lease is busy until it expires."""
    elsewhere(monkeypatch, "")
    clock.take(ledger)
    with pytest.raises(LedgerBusy):
        clock.take(ledger)


def test_only_one_of_two_gets_it(ledger: Ledger, clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that see the same free row cannot both have it, with a row of a dead holder or without a row."""
    seen = lease._row

    def late(work: object, name: str) -> object:
        monkeypatch.setattr(lease, "_row", seen)
        found = seen(work, name)  # type: ignore[arg-type]
        clock.take(ledger, "faster")
        return found

    for _ in range(2):
        monkeypatch.setattr(lease, "_row", late)
        with pytest.raises(LedgerBusy, match="held by faster"):
            clock.take(ledger)
        clock.passed += 61
