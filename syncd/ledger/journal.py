"""Every change, announced before it is made and settled after: the write-ahead half of the ledger.

The rule kept here: a change is in the journal as `pending`, and a create has a pending claim, committed before
Open-Xchange is written to; what became of it is noted in one transaction together with what it does to the claims. So
being killed anywhere in between leaves pending rows, which the next run finds (`unsettled`) and settles.

| op     | intend                     | concluded: applied | concluded: failed     | killed in between, then settled |
|--------|----------------------------|--------------------|-----------------------|---------------------------------|
| create | journal row, pending claim | claim held         | pending claim removed | recovered, or forgotten         |
| update | journal row                | seal noted         | claim unchanged       | claim unchanged                 |
| delete | journal row                | claim removed      | claim unchanged       | claim removed if it was applied |

A create whose id is the server's is announced with UNNUMBERED in place of the id, which concluding replaces; settled
without one, the journal has no id. Whoever changes what became of a batch also closes it: appends what its changes look
like now (see `chain`).

Statements go by batch, never by account (except failures): 1,000 accounts are about a dozen statements.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from syncd.core.changes import BY_HAND, Change, Op
from syncd.core.limits import Window
from syncd.core.model import UNNUMBERED, Fields, MailboxRef
from syncd.errors import LedgerError
from syncd.ledger.chain import CONCLUDE, EVERYTHING, Chain, Row, path_json
from syncd.ledger.database import Work, storable
from syncd.ledger.mailboxes import begin
from syncd.ledger.times import stamp
from syncd.ledger.values import Intent, Rows, Unsettled

_CLAIM = ("account", "held", "member", "dn", "login", "since", "seal")
# without statistics SQLite would take the index on results, most of which are the same; a plus keeps it from that
_APPLIED = "SELECT mailbox, user, account FROM journal WHERE batch = ? AND +op = ? AND +result = ?"


def intend(work: Work, run: str, batch: str, at: datetime, intents: Sequence[Intent], *, claims: bool = True) -> None:
    """Announce a batch of changes; creates also get their pending claims, unless `claims` is false.

    Raises:
        LedgerError: a mailbox was never registered.
    """
    chain, numbers, now = Chain(work), work.numbers(), stamp(at)
    unknown = {intent.ref for intent in intents} - numbers.keys()
    if unknown:
        raise LedgerError(f"the ledger does not know the mailbox {min(unknown).key} in context {min(unknown).context}")
    texts = _Texts()
    work.upsert(
        "claims",
        ("mailbox", "user"),
        _CLAIM,
        [
            (
                numbers[ref],
                change.user,
                account,
                0,
                storable(change.member),
                storable(change.dn),
                change.login,
                now,
                None,
            )
            for change, ref, account, _, _ in intents
            if claims and change.op is Op.CREATE
        ],
    )
    chain.append([_row(run, batch, now, numbers[intent.ref], intent, texts) for intent in intents])
    work.upsert("texts", ("digest",), ("body",), texts.shared())


def _row(run: str, batch: str, now: int, mailbox: int, intent: Intent, texts: _Texts) -> Row:
    change: Change = intent.change
    old = texts.rows(intent.old, change.old)
    new = None if change.op is Op.DELETE else texts.digest(texts.rows(intent.new, change.new))
    path, reason = texts.path(change.path), storable(change.reason) or None
    user, login, op = change.user, change.login, change.op.value
    return Row(now, mailbox, op, run, batch, user, login, intent.account, path, old, new, reason, "pending")


def conclude(
    work: Work,
    batch: str,
    failed: Mapping[tuple[MailboxRef, int, int], str],
    seals: Mapping[tuple[MailboxRef, int], bytes],
    numbered: Mapping[tuple[MailboxRef, int], int],
) -> None:
    """Note what became of a batch: the accounts in `failed` were not changed, all others were."""
    chain = Chain(work)
    numbers = work.numbers() if failed or seals or numbered else {}
    unsealed = {(ref, user) for ref, user, _ in failed}
    if failed:
        work.update(
            "journal",
            ("batch", "mailbox", "user", "account"),
            ("result", "error"),
            [(batch, numbers[ref], *place, "failed", storable(error)) for (ref, *place), error in failed.items()],
            where="+t.result = 'pending'",
        )
        _with_claims(work, "delete", batch, Op.CREATE, "failed", "held = 0")
    if numbered:
        _number(work, batch, [(numbers[ref], user, account) for (ref, user), account in numbered.items()])
    applied = work.run("UPDATE journal SET result = 'applied' WHERE batch = ? AND +result = 'pending'", (batch,))
    _with_claims(work, "hold", batch, Op.CREATE, "applied", "held = 0")
    _with_claims(work, "delete", batch, Op.DELETE, "applied", "1 = 1")
    work.update(
        "claims",
        ("mailbox", "user"),
        ("seal",),
        [(numbers[ref], user, seal) for (ref, user), seal in seals.items() if (ref, user) not in unsealed],
    )
    if any(account == UNNUMBERED for _, _, account in failed):
        work.run(f"UPDATE journal SET account = NULL WHERE batch = ? AND account = {UNNUMBERED}", (batch,))
    if applied or failed:
        close(work, chain, [batch])


def _number(work: Work, batch: str, places: Sequence[tuple[int, int, int]]) -> None:
    """Write the ids that the server gave (mailbox, user, id) into journal and pending claims of a batch."""
    work.update(
        "journal",
        ("batch", "mailbox", "user"),
        ("account",),
        [(batch, *place) for place in places],
        where=f"t.account = {UNNUMBERED} AND +t.result = 'pending'",
    )
    work.update("claims", ("mailbox", "user"), ("account",), places, where=f"t.account = {UNNUMBERED} AND t.held = 0")


def _with_claims(work: Work, what: str, batch: str, op: Op, result: str, where: str) -> None:
    """Hold or delete the claims of those changes of a batch that had this result; a user may have two accounts there.

    MySQL and MariaDB scan the whole table for `(a, b) IN (SELECT ...)` in such statements, SQLite knows no join there.
    """
    if work.sqlite:
        start = "DELETE FROM claims" if what == "delete" else "UPDATE claims SET held = 1"
        work.run(f"{start} WHERE (mailbox, user, account) IN ({_APPLIED}) AND {where}", (batch, op.value, result))
        return
    start, sets = ("DELETE c FROM", "") if what == "delete" else ("UPDATE", "SET c.held = 1")
    same = "j.mailbox = c.mailbox AND j.user = c.user AND j.account = c.account"
    work.run(f"{start} claims c JOIN ({_APPLIED}) j ON {same} {sets} WHERE {where}", (batch, op.value, result))


def windows(work: Work, since: datetime) -> dict[MailboxRef, Window]:
    """Count what was applied to each mailbox since then; what is not settled counts as applied.

    What a person did by hand does not count: the limits are about what runs do by themselves.
    """
    refs = work.refs()
    counted: dict[MailboxRef, dict[str, int]] = {}
    for mailbox, op, count in work.rows(
        "SELECT mailbox, op, COUNT(*) FROM journal WHERE result IN ('applied', 'pending') AND at >= ? "
        "AND op IN ('create', 'adopt', 'update', 'delete') AND path NOT LIKE ? GROUP BY mailbox, op",
        (stamp(since), f'["{BY_HAND}"%'),
    ):
        counted.setdefault(refs[mailbox], {})[op] = int(count)
    return {
        ref: Window(
            additions=ops.get("create", 0) + ops.get("adopt", 0),
            updates=ops.get("update", 0),
            removals=ops.get("delete", 0),
        )
        for ref, ops in counted.items()
    }


def unsettled(work: Work) -> tuple[Unsettled, ...]:
    """Give the changes of which it is not known what became; for the holder of the run lease: of runs that died."""
    refs = work.refs()
    return tuple(
        Unsettled(seq, run, refs[mailbox], user, account, Op(op), None if new is None else json.loads(new))
        for seq, run, mailbox, user, account, op, new in work.rows(
            "SELECT j.seq, j.run, j.mailbox, j.user, j.account, j.op, t.body FROM journal j "
            "LEFT JOIN texts t ON t.digest = j.new "
            "WHERE j.result = 'pending' AND j.op IN ('create', 'update', 'delete') ORDER BY j.seq"
        )
    )


def settle(work: Work, results: Mapping[int, str]) -> None:
    """Note what became of unsettled changes (applied, failed or abandoned); a delete that was applied ends its claim.

    Without that the claim would count as one whose account has vanished, and many of these hold a mailbox. Pending
    claims of creates are left to `recover` and `forget`, except those without an id: they can never own anything, and
    the next create of the user, maybe one by hand, must not give them one.
    """
    chain = Chain(work)
    batches = open_batches(work, "seq IN ({})", [*results])
    work.update(
        "journal", ("seq",), ("result",), [(seq, result) for seq, result in results.items()], "t.result = 'pending'"
    )
    nameless = f"(SELECT mailbox, user FROM journal WHERE account = {UNNUMBERED} AND seq IN ({{}}))"
    if work.sqlite:
        start = f"DELETE FROM claims WHERE account = {UNNUMBERED} AND held = 0"
        work.each(f"{start} AND (mailbox, user) IN {nameless}", [*results])
    else:
        same = "j.mailbox = c.mailbox AND j.user = c.user"
        claimed = f"c.account = {UNNUMBERED} AND c.held = 0"
        work.each(f"DELETE c FROM claims c JOIN {nameless} j ON {same} WHERE {claimed}", [*results])
    work.each(f"UPDATE journal SET account = NULL WHERE account = {UNNUMBERED} AND seq IN ({{}})", [*results])
    applied = [seq for seq, result in results.items() if result == "applied"]
    gone = "(SELECT mailbox, user, account FROM journal WHERE op = 'delete' AND seq IN ({}))"
    if work.sqlite:
        work.each(f"DELETE FROM claims WHERE (mailbox, user, account) IN {gone}", applied)
    else:
        same = "j.mailbox = c.mailbox AND j.user = c.user AND j.account = c.account"
        work.each(f"DELETE c FROM claims c JOIN {gone} j ON {same}", applied)
    close(work, chain, batches)


def open_batches(work: Work, where: str, numbers: Sequence[int], *before: object) -> list[str]:
    """Give the batches of pending changes; `{}` in `where` stands for the numbers."""
    found = work.among(f"SELECT DISTINCT batch FROM journal WHERE result = 'pending' AND {where}", numbers, *before)
    return sorted({batch for (batch,) in found})


def close(work: Work, chain: Chain, batches: Collection[str]) -> None:
    """Append the conclusion of each batch: what its changes look like now; mailboxes that got their first have begun.

    Its time is that of the last change it is about: when that was announced, not when it was concluded.
    """
    texts, rows, begun = _Texts(), [], dict[int, int]()
    for batch in batches:
        changes = work.rows(
            "SELECT seq, result, account, error, run, at, mailbox, op FROM journal WHERE batch = ? AND op <> ? "
            "ORDER BY seq",
            (batch, CONCLUDE),
        )
        if not changes:
            continue
        *_, run, at, _, _ = changes[-1]
        begun |= {change[6]: at for change in changes if change[1] == "applied" and change[7] == Op.CREATE.value}
        rows.append(Row(at, EVERYTHING, CONCLUDE, run, batch, new=texts.digest(conclusion(changes))))
    for at in {*begun.values()}:
        begin(work, [mailbox for mailbox, first in begun.items() if first == at], at)
    chain.append(rows)
    work.upsert("texts", ("digest",), ("body",), texts.shared())


def conclusion(changes: Iterable[Sequence[object]]) -> str:
    """Write down what became of changes, given as (seq, result, account, error, ...) by seq."""
    return _CONCLUSION.encode([change[:4] for change in changes])


class _Texts:
    """JSON texts of one batch; members of a group share path and fields, so each is written out once."""

    def __init__(self) -> None:
        self._paths: dict[tuple[str, ...], str] = {}
        self._fields: dict[Fields, str] = {}
        self._rows: dict[int, str] = {}  # by identity; the intents keep them alive
        self._digests: dict[str, str] = {}

    def path(self, path: tuple[str, ...]) -> str:
        """Give the path as JSON."""
        text = self._paths.get(path)
        if text is None:
            text = self._paths[path] = path_json(path)
        return text

    def rows(self, rows: Rows | str | None, fields: Fields | None) -> str | None:
        """Give ready text as it is, rows without passwords as JSON, and without rows the fields."""
        if isinstance(rows, str):
            return rows
        if rows is not None:
            text = self._rows.get(id(rows))
            if text is None:
                text = self._rows[id(rows)] = _ENCODER.encode(_without_passwords(rows))
            return text
        if fields is None:
            return None
        text = self._fields.get(fields)
        if text is None:
            text = self._fields[fields] = _ENCODER.encode(fields._asdict())
        return text

    def digest(self, text: str | None) -> str | None:
        """Give the name under which a text will be found; None stays None."""
        if text is None:
            return None
        digest = self._digests.get(text)
        if digest is None:
            digest = self._digests[text] = hashlib.sha256(text.encode()).hexdigest()
        return digest

    def shared(self) -> list[tuple[object, ...]]:
        """Give digest and text of all that `digest` was asked for."""
        return [(digest, text) for text, digest in self._digests.items()]


def _plain(value: object) -> object:
    """Give what JSON has no word for as text: octets in hexadecimal, all else (times, decimals) as it reads."""
    return value.hex() if isinstance(value, bytes) else str(value)


_CONCLUSION = json.JSONEncoder(separators=(",", ":"))
_ENCODER = json.JSONEncoder(default=_plain)  # ASCII only: a lone surrogate survives as its escape


def _without_passwords(value: object) -> object:
    if isinstance(value, Mapping):
        return {k: _without_passwords(v) for k, v in value.items() if not str(k).lower().endswith("password")}
    return [_without_passwords(item) for item in value] if isinstance(value, list | tuple) else value
