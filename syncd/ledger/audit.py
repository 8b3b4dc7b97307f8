"""Checking the chain of the journal from end to end, and cutting off its oldest part so that the rest stays a chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

from syncd.core.model import UNNUMBERED
from syncd.ledger.chain import COLUMNS, CONCLUDE, Chain, Row, sealed
from syncd.ledger.database import Work
from syncd.ledger.journal import conclusion
from syncd.ledger.times import moment, stamp
from syncd.ledger.values import Verification

TOLD = 100
"""Problems that are told one by one."""
CHUNK = 5_000
"""Entries that one transaction of pruning removes."""

_TEXTS = 500
"""Texts that one statement removes."""
_GONE = "the row that says where the chain begins and ends is not there"


class _Became(NamedTuple):
    """What a change of a batch looks like."""

    result: str
    account: int | None
    error: str | None


_OPEN = "pending"


def verify(work: Work) -> Verification:
    """Compute every hash anew, compare what became of batches with their conclusions and texts with their digests."""
    ends = work.rows("SELECT seq, hash, anchor_seq, anchor_hash, anchored_at, pruned FROM chain WHERE id = 1")
    end, head, anchor, anchored, pruned_at, pruned = ends[0] if ends else (0, "", 0, "", None, 0)
    check = _Check(anchor, anchored, _conclusions(work), frozenset(_sound(work)))
    if not ends:
        check.problems.append(_GONE)
    columns = ", ".join((*COLUMNS, "error"))
    for row in work.stream(f"SELECT {columns} FROM journal WHERE seq > {int(anchor)} ORDER BY seq"):
        check.entry(row[0], Row(*row[1:-2]), row[-1], row[-2])
    check.end(end, head)
    check.unequal(work, anchor)
    ((older,),) = work.rows("SELECT COUNT(*) FROM journal WHERE seq <= ?", (anchor,))
    more = len(check.problems) - TOLD
    return Verification(
        entries=check.entries,
        first=moment(check.first),
        last=moment(check.last),
        head=check.previous,
        older=older,
        pruned=pruned,
        pruned_at=moment(pruned_at),
        problems=(*check.problems[:TOLD], *([f"and {more} more problems"] if more > 0 else ())),
    )


def _conclusions(work: Work) -> dict[str, int]:
    """Give the last conclusion of each batch, by its seq."""
    return dict(work.rows("SELECT batch, MAX(seq) FROM journal WHERE op = ? GROUP BY batch", (CONCLUDE,)))


def _sound(work: Work) -> Iterator[str]:
    """Give the digests of the texts that are what their digest says."""
    for digest, body in work.stream("SELECT digest, body FROM texts"):
        if hashlib.sha256(body.encode()).hexdigest() == digest:
            yield digest


class _Check:
    """One pass through the journal, entry by entry."""

    def __init__(self, seq: int, previous: str, conclusions: Mapping[str, int], sound: frozenset[str]) -> None:
        self.seq, self.previous = seq, previous
        """The last entry that was seen, and the hash of the last one that has a hash."""
        self.sealed = seq
        self.entries = 0
        self.first: int | None = None
        self.last: int | None = None
        self.problems: list[str] = []
        self._conclusions, self._sound = conclusions, sound
        self._batches: dict[str, dict[int, _Became]] = {}
        self._differ: list[tuple[str, dict[int, _Became]]] = []

    def entry(self, seq: int, row: Row, error: str | None, stored: str | None) -> None:
        """Check the next entry."""
        if seq != self.seq + 1:
            self._missing(self.seq + 1, seq - 1)
        self.seq = seq
        if stored is None:
            self.problems.append(f"entry {seq} has no hash: a person or an older syncd wrote it")
            return
        self.entries += 1
        self.first = row.at if self.first is None else self.first
        self.last = row.at
        change = row.batch is not None and row.op != CONCLUDE
        if not self._fits(seq, row, error, stored, change=change):
            self.problems.append(f"entry {seq} is not what was written, or not behind what it was written behind")
        self.previous, self.sealed = stored, seq
        if row.new is not None and row.new not in self._sound:
            self.problems.append(f"entry {seq}: its text {row.new[:12]} is not there or not what was written")
        if row.batch is None:
            return
        if change:
            self._batches.setdefault(row.batch, {})[seq] = _Became(row.result, row.account, error)
        elif seq == self._conclusions[row.batch]:
            self._concluded(row, self._batches.pop(row.batch, {}))

    def _fits(self, seq: int, row: Row, error: str | None, stored: str, *, change: bool) -> bool:
        if sealed(self.previous, seq, row, error) == stored:
            return True
        # an id that the server gave came after the announcement
        announced = row._replace(account=UNNUMBERED)
        return change and row.result != _OPEN and sealed(self.previous, seq, announced) == stored

    def _concluded(self, row: Row, changes: dict[int, _Became]) -> None:
        told = conclusion((seq, *became) for seq, became in changes.items())
        if row.new is None or hashlib.sha256(told.encode()).hexdigest() != row.new:
            self._differ.append((row.new or "", changes))

    def _missing(self, first: int, last: int) -> None:
        one = first == last
        self.problems.append(f"entry {first} is missing" if one else f"entries {first} to {last} are missing")

    def end(self, seq: int, head: str) -> None:
        """Check that this is the end of the chain, and what became of the batches without a conclusion."""
        if self.seq < seq:
            self._missing(self.seq + 1, seq)
        elif (self.sealed, self.previous) != (seq, head):
            self.problems.append(f"entry {self.sealed} is not the end of the chain, which is at entry {seq}")
        for changes in self._batches.values():
            self.problems += [
                f"entry {number} is {became.result} without a conclusion"
                for number, became in changes.items()
                if (became.result, became.error) != (_OPEN, None)
            ]

    def unequal(self, work: Work, anchor: int) -> None:
        """Look into the conclusions that say something else than the changes; what was pruned is not missed."""
        for digest, changes in self._differ:
            texts = work.rows("SELECT body FROM texts WHERE digest = ?", (digest,))
            if digest not in self._sound or not texts:
                continue  # that is a problem of its own already
            told = {seq: _Became(*became) for seq, *became in json.loads(texts[0][0]) if seq > anchor}
            self.problems += [
                f"entry {seq} is not {told[seq].result if seq in told else 'part of'} as its batch was concluded"
                for seq, became in changes.items()
                if told.get(seq) != became
            ]


# --------------------------------------------------------------------------- pruning


def prunable(work: Work, before: datetime) -> bool:
    """Tell whether `prune` may find something; two rows are looked at."""
    entry = work.rows("SELECT at, result FROM journal ORDER BY seq LIMIT 1")
    run = work.rows("SELECT started, result FROM runs ORDER BY id LIMIT 1")
    return any(_old(at, result, stamp(before)) for at, result in (*entry, *run))


def prune(work: Work, before: datetime, at: datetime) -> tuple[int, bool]:
    """Remove the oldest entries, as many as one transaction should; give how many, and whether there may be more.

    It ends before the first entry that is younger than `before`, or of which it is not known what became. The chain
    is anchored behind what was removed. Texts that nobody names any more go too, and with the last entries the runs
    and the closed plans of that time.
    """
    Chain(work)
    cut = stamp(before)
    oldest = work.rows("SELECT seq, at, result FROM journal ORDER BY seq LIMIT ?", (CHUNK,))
    gone = [seq for seq, *_ in takewhile(lambda row: _old(row[1], row[2], cut), oldest)]
    if gone:
        _remove(work, gone[-1], len(gone), stamp(at))
    if len(gone) == CHUNK:
        return CHUNK, True
    work.run(
        "DELETE FROM runs WHERE started < ? AND result <> 'running' "
        "AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.run = runs.run)",
        (cut,),
    )
    work.run("DELETE FROM held_plans WHERE created < ? AND state IN ('applied', 'superseded')", (cut,))
    return len(gone), False


def _old(at: int, result: str, cut: int) -> bool:
    return at < cut and result not in {_OPEN, "running"}


def _remove(work: Work, last: int, count: int, now: int) -> None:
    digests = work.rows("SELECT DISTINCT new FROM journal WHERE seq <= ? AND new IS NOT NULL", (last,))
    hashes = work.rows(
        "SELECT hash FROM journal WHERE seq <= ? AND hash IS NOT NULL ORDER BY seq DESC LIMIT 1", (last,)
    )
    work.run("DELETE FROM journal WHERE seq <= ?", (last,))
    if hashes:
        work.run("UPDATE chain SET anchor_hash = ? WHERE id = 1", hashes[0])
    work.run(
        "UPDATE chain SET anchor_seq = CASE WHEN anchor_seq < ? THEN ? ELSE anchor_seq END, anchored_at = ?, "
        "pruned = pruned + ? WHERE id = 1",
        (last, last, now, count),
    )
    for start in range(0, len(digests), _TEXTS):
        names = [digest for (digest,) in digests[start : start + _TEXTS]]
        work.run(
            f"DELETE FROM texts WHERE digest IN ({', '.join('?' * len(names))}) "
            "AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.new = texts.digest)",
            names,
        )
