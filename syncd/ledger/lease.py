"""One run at a time, one daemon per ledger: a row that says who holds a name, and since when.

| row of the name                                                      | acquiring it            |
|----------------------------------------------------------------------|-------------------------|
| none                                                                 | taken                   |
| renewed within 60 s, holder alive or on a machine we cannot look into | busy, try again         |
| not renewed for 60 s (or renewed 60 s in the future: a clock was set) | taken over              |
| holder on this machine and its process is dead                        | taken over at once      |
| SQLite, and this machine has been restarted since                     | taken over at once      |

A process is known by its id, its start time and the pid namespace, so that a reused id is not taken for the holder. A
lease is taken by comparing its token within one statement: two that try at once cannot both succeed. With MySQL the
server's clock counts, since the holders' clocks may differ.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from syncd.errors import LedgerBusy, LedgerError
from syncd.ledger.database import Database, Work
from syncd.ledger.times import moment, stamp

EXPIRES = 60.0
"""Seconds without renewal after which anybody may take a lease."""
RENEWS = 5.0
"""Seconds between two renewals that are written."""
_POLL = 0.5
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Time and sleep as arguments."""

    now: Callable[[], datetime] | None = None
    """None = this machine's clock for SQLite, the server's for MySQL."""
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


class Lease:
    """A lease that is held; `renew()` as often as you like."""

    def __init__(self, database: Database, name: str, token: str, clocks: Clocks) -> None:
        self._database = database
        self._name = name
        self._token = token
        self._clocks = clocks
        self._renewed = clocks.monotonic()

    def renew(self) -> None:
        """Tell that the holder is alive; writes at most every five seconds.

        Raises:
            LedgerBusy: the lease was lost; whoever holds it now is named.
            LedgerUnavailable: the ledger cannot be written.
        """
        if self._clocks.monotonic() - self._renewed < RENEWS:
            return
        with self._database.writing() as work:
            now = _now(work, self._clocks)
            if not work.run(
                "UPDATE leases SET renewed = ? WHERE name = ? AND token = ?", (stamp(now), self._name, self._token)
            ):
                row = _row(work, self._name)
                raise LedgerBusy(f"the {self._name} lease was lost" + (f" to {row}" if row else ""))
        self._renewed = self._clocks.monotonic()

    def release(self) -> None:
        """Give the lease back, unless it was lost before."""
        with self._database.writing() as work:
            work.run("DELETE FROM leases WHERE name = ? AND token = ?", (self._name, self._token))


@contextmanager
def hold(database: Database, name: str, holder: str, wait: float, clocks: Clocks) -> Iterator[Lease]:
    """Acquire a lease, waiting for at most `wait` seconds, and give it back at the end of the block.

    Raises:
        LedgerBusy: somebody else holds it; the message says who and since when.
        LedgerUnavailable: the ledger cannot be written.
    """
    lease = _acquire(database, name, holder, wait, clocks)
    try:
        yield lease
    finally:
        # an error here would hide that of the block, and a lease that cannot be given back ends with the process
        with suppress(LedgerError):
            lease.release()


def holder_of(work: Work, name: str) -> str | None:
    """Name who holds a lease, as messages do; None = nobody, or somebody who is dead."""
    row = _row(work, name)
    return None if row is None or row.free(_now(work, Clocks()), work.sqlite) else str(row)


def _acquire(database: Database, name: str, holder: str, wait: float, clocks: Clocks) -> Lease:
    token = uuid.uuid4().hex
    deadline = clocks.monotonic() + wait
    while True:
        busy = _try(database, name, holder, token, clocks)
        if busy is None:
            return Lease(database, name, token, clocks)
        remaining = deadline - clocks.monotonic()
        if remaining <= 0:
            raise LedgerBusy(f"the {name} lease of {database} is held by {busy}")
        clocks.sleep(min(_POLL, remaining))


def _try(database: Database, name: str, holder: str, token: str, clocks: Clocks) -> _Row | None:
    """Try once; give the row that is in the way, or None when the lease is ours."""
    with database.reading() as work:
        row = _row(work, name)
        if row is not None and not row.free(_now(work, clocks), work.sqlite):
            return row
    with database.writing() as work:
        now = stamp(_now(work, clocks))
        values = (token, holder, socket.gethostname(), _place(), os.getpid(), _started(os.getpid()), now, now)
        if row is None:
            with suppress(IntegrityError):  # somebody was faster
                work.run(
                    "INSERT INTO leases (token, holder, host, place, pid, pid_started, started, renewed, name) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*values, name),
                )
                return None
        elif work.run(
            "UPDATE leases SET token = ?, holder = ?, host = ?, place = ?, pid = ?, pid_started = ?, started = ?, "
            "renewed = ? WHERE name = ? AND token = ?",
            (*values, name, row.token),
        ):
            return None
        return _row(work, name) or row


@dataclass(frozen=True, slots=True)
class _Row:
    token: str
    holder: str
    host: str
    place: str
    pid: int
    pid_started: int | None
    started: int
    renewed: int

    def __str__(self) -> str:
        since = moment(self.started).astimezone()
        return f"{self.holder}, pid {self.pid} on {self.host}, since {since:%Y-%m-%d %H:%M:%S %Z}"

    def free(self, now: datetime, sqlite: bool) -> bool:
        """Tell whether anybody may take the lease."""
        if abs(stamp(now) - self.renewed) >= EXPIRES * 1000:
            return True
        if not self.place or not _place():
            return False
        if self.place == _place():
            return self.pid_started is not None and _started(self.pid) != self.pid_started
        # a SQLite file is used by one machine; if that has restarted, nobody of before is alive
        return sqlite and self.place.split()[0] != _place().split()[0]


def _row(work: Work, name: str) -> _Row | None:
    rows = work.rows(
        "SELECT token, holder, host, place, pid, pid_started, started, renewed FROM leases WHERE name = ?", (name,)
    )
    return _Row(*rows[0]) if rows else None


def _now(work: Work, clocks: Clocks) -> datetime:
    if clocks.now is not None:
        return clocks.now()
    if work.sqlite:
        return datetime.now(UTC)
    return moment(int(work.rows("SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)")[0][0]))


def _place() -> str:
    """Name what makes a process id mean the same process: this start of the machine and this pid namespace."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """Give when a process started, in ticks since the machine did (proc(5), stat, field 22); None = it is not there."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may have blanks and parentheses
    return None if fields[0] in "ZX" else int(fields[19])
