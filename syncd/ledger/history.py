"""What happened, as people ask for it: the journal's entries by mailbox, user, time or run, the newest last.

Conclusions are left out: they say nothing that is not in the entries. Entries are read in portions, so that a long
history takes neither memory nor a long transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from syncd.core.model import MailboxRef
from syncd.ledger.chain import CONCLUDE
from syncd.ledger.database import Work
from syncd.ledger.times import moment, stamp
from syncd.ledger.values import Entry

PORTION = 1_000
"""Entries that are read at once."""

_QUERY = (
    "SELECT j.seq, j.run, r.command, j.at, m.context, m.address_key, m.address, j.user, j.login, j.account, j.op, "
    "j.path, j.reason, j.old, t.body, j.result, j.error, j.hash FROM journal j "
    "LEFT JOIN mailboxes m ON m.id = j.mailbox LEFT JOIN runs r ON r.run = j.run LEFT JOIN texts t ON t.digest = j.new"
)


class Asked(NamedTuple):
    """What is asked for; None = whatever it is."""

    mailboxes: Collection[MailboxRef] | None = None
    user: int | None = None
    login: str | None = None
    since: datetime | None = None
    """At or after this time."""
    until: datetime | None = None
    """Before this time."""
    run: str | None = None
    seqs: Collection[int] | None = None


def start(work: Work, asked: Asked, limit: int | None) -> int | None:
    """Give the seq before the first entry, with a limit before the first of the newest ones; None = there is none."""
    if limit is None:
        return 0
    where, values = _where(work, asked)
    newest = work.rows(f"SELECT j.seq FROM journal j WHERE {where} ORDER BY j.seq DESC LIMIT ?", (*values, limit))
    return newest[-1][0] - 1 if newest else None


def portion(work: Work, asked: Asked, after: int) -> tuple[Entry, ...]:
    """Give the next entries after a seq; fewer than `PORTION` = there are no more."""
    where, values = _where(work, asked)
    rows = work.rows(f"{_QUERY} WHERE {where} AND j.seq > ? ORDER BY j.seq LIMIT ?", (*values, after, PORTION))
    return tuple(_entry(*row) for row in rows)


def _where(work: Work, asked: Asked) -> tuple[str, tuple[object, ...]]:
    where, values = ["j.op <> ?"], list[object]([CONCLUDE])
    if asked.mailboxes is not None:
        numbers = work.numbers()
        where.append(f"j.mailbox IN ({_listed([numbers[ref] for ref in asked.mailboxes if ref in numbers])})")
    if asked.seqs is not None:
        where.append(f"j.seq IN ({_listed(asked.seqs)})")
    for condition, value in (
        ("j.user = ?", asked.user),
        ("j.login = ?", asked.login),
        ("j.at >= ?", None if asked.since is None else stamp(asked.since)),
        ("j.at < ?", None if asked.until is None else stamp(asked.until)),
        ("j.run = ?", asked.run),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    return " AND ".join(where), tuple(values)


def _listed(numbers: Collection[int]) -> str:
    return ", ".join(str(int(number)) for number in sorted(numbers)) or "NULL"


def _entry(
    seq: int,
    run: str,
    command: str | None,
    at: int,
    context: int | None,
    key: str,
    address: str | None,
    user: int,
    login: str,
    account: int | None,
    op: str,
    path: str,
    reason: str | None,
    old: str | None,
    new: str | None,
    result: str,
    error: str | None,
    seal: str | None,
) -> Entry:
    return Entry(
        seq=seq,
        run=run,
        command=command or "",
        at=moment(at),
        ref=None if context is None else MailboxRef(context, key),
        address=address or "",
        user=user,
        login=login,
        account=account,
        op=op,
        path=tuple(json.loads(path)),
        reason=reason or "",
        old=_rows(old),
        new=_rows(new),
        result=result,
        error=error,
        hash=seal,
    )


def _rows(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text)


def runs_like(work: Work, start: str) -> tuple[str, ...]:
    """Give at most two runs whose id begins with a text; where it is a whole id, that one."""
    pattern = start.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
    rows = work.rows(
        "SELECT run FROM runs WHERE run LIKE ? ESCAPE '!' "
        "UNION SELECT run FROM journal WHERE run LIKE ? ESCAPE '!' AND run <> '' ORDER BY run LIMIT 2",
        (pattern, pattern),
    )
    found = tuple(str(run) for (run,) in rows)
    return (start,) if start in found else found
