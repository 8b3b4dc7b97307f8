"""The journal's chain: each entry has a hash of itself and of the one before, so that no past is edited unnoticed.

The rules kept here: entries are only ever appended, at the end of the chain and within its lock; `seq` counts without
gaps. A hash covers what never changes of an entry. What does change (result, account and error of an announced change)
is covered by the batch's *conclusion*: an entry of its own whose text lists what became of each change of the batch;
the last one of a batch counts. Entries from before there was a chain have no hash; the chain is anchored behind them,
as it is behind what was pruned.

| entry                       | its hash covers, beside seq, run, batch, at, mailbox, user, login, op, path, texts |
|-----------------------------|------------------------------------------------------------------------------------|
| change of a batch           | the account as announced                                                           |
| any other, and a conclusion | account, result, error                                                             |

This shows mistakes and edits by hand. Whoever may write the ledger and knows how could make a new chain; against that
helps a copy of the last hash elsewhere (`Verification.head`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from syncd.core.changes import BY_HAND
from syncd.errors import LedgerUnavailable
from syncd.ledger.database import Work, storable

CONCLUDE = "conclude"
"""The operation of an entry that says what became of a batch."""
EVERYTHING = 0
"""Stands for the mailbox in an entry that is about no single one."""

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


class Row(NamedTuple):
    """One entry of the journal as it is appended; its seq and hash follow from its place."""

    at: int
    mailbox: int
    op: str
    run: str = ""
    batch: str | None = None
    user: int = 0
    login: str = ""
    account: int | None = None
    path: str = "[]"
    old: str | None = None
    new: str | None = None
    reason: str | None = None
    result: str = "applied"


COLUMNS = ("seq", *Row._fields, "hash")
_INSERT = f"INSERT INTO journal ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


class Chain:
    """The end of the chain, locked until the transaction ends; make it before anything else is written there."""

    def __init__(self, work: Work) -> None:
        """Lock the chain; in SQLite the transaction itself is the lock.

        Raises:
            LedgerUnavailable: the row that says where the chain ends is not there.
        """
        self._work = work
        rows = work.rows("SELECT seq, hash FROM chain WHERE id = 1" + ("" if work.sqlite else " FOR UPDATE"))
        if not rows:
            raise LedgerUnavailable("the ledger's journal has lost the end of its chain", hint="restore a backup of it")
        self._seq, self._hash = rows[0]
        # an older syncd that still runs beside this one appends without a hash
        ((last,),) = work.rows("SELECT MAX(seq) FROM journal")
        self._seq = max(self._seq, last or 0)

    def append(self, rows: Sequence[Row]) -> None:
        """Append entries, in this order."""
        if not rows:
            return
        told = []
        for row in rows:
            self._seq += 1
            self._hash = sealed(self._hash, self._seq, row)
            told.append((self._seq, *row, self._hash))
        self._work.many(_INSERT, told)
        self._work.run("UPDATE chain SET seq = ?, hash = ? WHERE id = 1", (self._seq, self._hash))


def queue(work: Work) -> None:
    """Wait for whoever else writes: all that touch what persons decide about lock the chain before anything else.

    So no two wait for each other in MySQL, and what is read after it is what they left.
    """
    Chain(work)


def sealed(previous: str, seq: int, row: Row, error: str | None = None) -> str:
    """Give the hash of an entry behind one with the hash `previous`."""
    announced = row.batch is not None and row.op != CONCLUDE
    told = (seq, *row[:-1]) if announced else (seq, *row, error)
    return hashlib.sha256(f"{previous}{_ENCODE(told)}".encode()).hexdigest()


def path_json(path: Iterable[str]) -> str:
    """Give a member's path as the journal stores it."""
    return json.dumps([storable(step) for step in path], ensure_ascii=False)


def by_hand(person: str) -> str:
    """Give the path of what a person did."""
    return path_json((BY_HAND, person))
