"""What is remembered of a run after it: its result, what is held, each mailbox's state, counts, cursors, sightings.

Only mailboxes that the report covers are touched, and only rows that differ are written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from syncd.core.changes import Judgement, Op, Report
from syncd.core.limits import Absence
from syncd.core.model import MailboxRef
from syncd.core.verdict import result_of, summary
from syncd.ledger import absences, held
from syncd.ledger.database import Work, storable
from syncd.ledger.mailboxes import mark
from syncd.ledger.times import moment, stamp
from syncd.ledger.values import Cursor, MailboxStatus, Run

_CURSOR = "directory of mailbox "
"""The name of a cursor, with the mailbox's number behind it."""
_RUN = "SELECT run, command, started, finished, result, partial, server, summary, errors FROM runs"


def begin(work: Work, run: str, command: str, started: datetime) -> None:
    """Note that a run starts; runs that never came to their end are marked interrupted (there is one at a time)."""
    work.run("UPDATE runs SET result = 'interrupted' WHERE result = 'running'")
    _insert(work, run, command, started)


def _insert(work: Work, run: str, command: str, started: datetime) -> None:
    work.run(
        "INSERT INTO runs (run, command, started, result, partial, server, summary, errors) "
        "VALUES (?, ?, ?, 'running', 0, '', '{}', '[]')",
        (run, command, stamp(started)),
    )


def _summary(report: Report) -> dict[str, int]:
    """Count by the names of the JSON output, and what stands open beside."""
    plans = [judgement.plan for judgement in report.judgements]
    return {
        **summary(report),
        "unresolved": sum(len(plan.unresolved) for plan in plans),
        "conflicts": sum(len(plan.conflicts) for plan in plans),
        "waiting": sum(len(plan.waiting) for plan in plans),
        "dangling": sum(len(plan.dangling) for plan in plans),
    }


def finish(
    work: Work,
    report: Report,
    counts: Mapping[tuple[MailboxRef, str], int],
    cursors: Mapping[MailboxRef, Cursor],
    sightings: Mapping[tuple[str, MailboxRef], Collection[str]],
    absent: Mapping[MailboxRef, Mapping[int, Absence]],
    fingerprints: Mapping[MailboxRef, str],
) -> None:
    """Remember a run that came to its end."""
    numbers = work.numbers()
    covered = [judgement for judgement in report.judgements if judgement.plan.mailbox.ref in numbers]
    if not work.rows("SELECT run FROM runs WHERE run = ?", (report.run,)):
        _insert(work, report.run, "", report.started)
    work.run(
        "UPDATE runs SET finished = ?, result = ?, partial = ?, server = ?, summary = ?, errors = ? WHERE run = ?",
        (
            stamp(report.finished),
            result_of(report).value,
            int(report.partial),
            report.server,
            json.dumps(_summary(report)),
            json.dumps(report.errors),
            report.run,
        ),
    )
    made = {held.place_of(one.change) for one in report.outcomes if one.result == "applied"}
    held.note(work, covered, numbers, report.finished, made=made if report.applied else None)
    now = stamp(report.finished)
    became = Counter(
        (one.change.context, one.change.mailbox, one.change.op if one.result == "applied" else "failed")
        for one in report.outcomes
    )
    work.upsert(
        "mailbox_status",
        ("mailbox",),
        ("run", "at", "state"),
        [(numbers[j.plan.mailbox.ref], report.run, now, json.dumps(_state(j, became))) for j in covered],
    )
    _count(work, {(numbers[ref], storable(source)): n for (ref, source), n in counts.items() if ref in numbers}, now)
    _move(work, {numbers[ref]: cursor for ref, cursor in cursors.items() if ref in numbers}, now)
    mailboxes = {numbers[judgement.plan.mailbox.ref] for judgement in covered}
    seen = {
        (kind, numbers[ref], storable(s)) for (kind, ref), found in sightings.items() if ref in numbers for s in found
    }
    _see(work, {sighting for sighting in seen if sighting[1] in mailboxes}, mailboxes, stamp(report.started))
    if absent:
        absences.keep(work, numbers, absent)
    if fingerprints:
        mark(work, numbers, fingerprints)


def _state(judgement: Judgement, became: Mapping[tuple[int, str, str], int]) -> dict[str, object]:
    """Give what is shown of a mailbox; `became` counts outcomes by context, address and operation or `failed`."""
    plan = judgement.plan
    made = {what: became.get((plan.mailbox.context, plan.mailbox.address, what), 0) for what in (*Op, "failed")}
    return {
        "desired": plan.desired,
        "observed": plan.observed + made[Op.CREATE] - made[Op.DELETE],
        "failed": made["failed"],
        "waiting": len(plan.waiting),
        "complete": plan.complete,
        "reasons": plan.reasons,
        "idle": judgement.idle,
        "held": sorted(direction.value for direction in judgement.held),
        "held_digest": judgement.held_digest,
        "withheld": len(plan.withheld),
        "unresolved": len(plan.unresolved),
        "conflicts": len(plan.conflicts),
    }


def _count(work: Work, counts: Mapping[tuple[int, str], int], now: int) -> None:
    """Write the counts that differ; those of sources that are not named (not read to the end) stay."""
    stored = {(m, source): (n, members) for n, m, source, members in _rows(work, "counts", "mailbox, source, members")}
    changed = [(stored[key][0], n, now) for key, n in counts.items() if key in stored and stored[key][1] != n]
    work.update("counts", ("id",), ("members", "at"), changed)
    work.many(
        "INSERT INTO counts (mailbox, source, members, at) VALUES (?, ?, ?, ?)",
        [(*key, n, now) for key, n in counts.items() if key not in stored],
    )


def _move(work: Work, cursors: Mapping[int, Cursor], now: int) -> None:
    stored = _cursors(work)
    moved = [(f"{_CURSOR}{n}", *cursor, now) for n, cursor in cursors.items() if stored.get(n) != cursor]
    work.upsert("cursors", ("name",), ("server", "counter", "confirmed", "at"), moved)


def _cursors(work: Work) -> dict[int, Cursor]:
    return {
        int(name.removeprefix(_CURSOR)): Cursor(server, counter, confirmed == 1)
        for name, server, counter, confirmed in work.rows(
            "SELECT name, server, counter, confirmed FROM cursors WHERE name LIKE ?", (f"{_CURSOR}%",)
        )
    }


def _see(work: Work, seen: Collection[tuple[str, int, str]], mailboxes: Collection[int], now: int) -> None:
    """Note what is seen for the first time, forget what of these mailboxes is not seen any more."""
    stored = {(kind, m, subject): n for n, kind, m, subject in _rows(work, "sightings", "kind, mailbox, subject")}
    gone = [n for key, n in stored.items() if key[1] in mailboxes and key not in seen]
    if gone:
        work.each("DELETE FROM sightings WHERE id IN ({})", gone)
    work.many(
        "INSERT INTO sightings (kind, mailbox, subject, first_seen) VALUES (?, ?, ?, ?)",
        [(*key, now) for key in sorted(seen) if key not in stored],
    )


def _rows(work: Work, table: str, columns: str) -> list[tuple[Any, ...]]:
    return work.rows(f"SELECT id, {columns} FROM {table}")


# --------------------------------------------------------------------------- reading


def load_counts(work: Work) -> dict[tuple[MailboxRef, str], int]:
    """Give the members of each source at its last complete read, by mailbox and source."""
    refs = work.refs()
    return {(refs[row[0]], row[1]): row[2] for row in work.rows("SELECT mailbox, source, members FROM counts")}


def load_cursors(work: Work) -> dict[MailboxRef, Cursor]:
    """Give the cursor of each mailbox that was read to the end."""
    refs = work.refs()
    return {refs[number]: cursor for number, cursor in _cursors(work).items()}


def load_sightings(work: Work) -> dict[tuple[str, MailboxRef], dict[str, datetime]]:
    """Give since when things are seen, by kind and mailbox."""
    refs = work.refs()
    found: dict[tuple[str, MailboxRef], dict[str, datetime]] = {}
    for kind, mailbox, subject, first in work.rows("SELECT kind, mailbox, subject, first_seen FROM sightings"):
        found.setdefault((kind, refs[mailbox]), {})[subject] = moment(first)
    return found


def runs(work: Work, limit: int) -> tuple[Run, ...]:
    """Give the last runs, the newest first."""
    return tuple(
        Run(
            run=row[0],
            command=row[1],
            started=moment(row[2]),
            finished=moment(row[3]),
            result=row[4],
            partial=row[5] == 1,
            server=row[6],
            summary=json.loads(row[7]),
            errors=tuple(json.loads(row[8])),
        )
        for row in work.rows(f"{_RUN} ORDER BY id DESC LIMIT ?", (limit,))
    )


def ran_before(work: Work, before: datetime) -> datetime | None:
    """Give when the last run began of those that began at or before a time; None = none did.

    The last one that was noted: a run whose clock was ahead says nothing about what came after it.
    """
    rows = work.rows("SELECT started FROM runs WHERE started <= ? ORDER BY id DESC LIMIT 1", (stamp(before),))
    return moment(rows[0][0]) if rows else None


def status(work: Work) -> tuple[MailboxStatus, ...]:
    """Give every mailbox that is configured or has claims, with what the last run that covered it found."""
    found = []
    for context, key, address, orphaned, claims, run, at, state in work.rows(
        "SELECT m.context, m.address_key, m.address, m.orphaned_since, COALESCE(c.claims, 0), s.run, s.at, s.state "
        "FROM mailboxes m LEFT JOIN mailbox_status s ON s.mailbox = m.id LEFT JOIN "
        "(SELECT mailbox, COUNT(*) AS claims FROM claims GROUP BY mailbox) c ON c.mailbox = m.id "
        "WHERE m.orphaned_since IS NULL OR c.claims > 0 ORDER BY m.context, m.address_key"
    ):
        values = json.loads(state) if state else {}
        for name in ("reasons", "held"):
            values[name] = tuple(values.get(name, ()))
        found.append(
            MailboxStatus(
                ref=MailboxRef(context, key),
                address=address,
                orphaned_since=moment(orphaned),
                claims=claims,
                run=run,
                at=moment(at),
                **values,
            )
        )
    return tuple(found)
