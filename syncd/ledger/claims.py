"""Which accounts are ours: reading claims fast, and every way in which one begins, changes or ends.

A claim is *pending* from before the Open-Xchange transaction until after it, then *held*. The two steps of a change are
in `journal`, since claim and journal row have to be one transaction; here is what happens without a change: adoption,
recovery after a crash, refreshing, forgetting, releasing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from syncd.core.changes import Adoption, Orphan
from syncd.core.model import Claim, MailboxRef
from syncd.errors import LedgerError
from syncd.ledger.database import Work, storable
from syncd.ledger.journal import path_json
from syncd.ledger.times import moment, stamp

_COLUMNS = ("account", "held", "member", "dn", "login", "since", "seal")


def load(work: Work) -> dict[MailboxRef, dict[int, Claim]]:
    """Give all claims by mailbox and user; a mailbox without claims is left out."""
    refs = work.refs()
    found: dict[MailboxRef, dict[int, Claim]] = {}
    number, claims = None, {}
    new = tuple.__new__  # the constructor of a NamedTuple is a Python function: a third of the time for 100,000
    for mailbox, user, account, held, member, dn, login, seal in work.stream(
        "SELECT mailbox, user, account, held, member, dn, login, seal FROM claims ORDER BY mailbox, user"
    ):
        if mailbox != number:
            number = mailbox
            claims = found[refs[number]] = {}
        claims[user] = new(Claim, (user, account, held == 1, member, dn, login, seal))
    return found


def orphans(work: Work, configured: Collection[MailboxRef]) -> tuple[Orphan, ...]:
    """Give the mailboxes that have claims and are not among the configured ones, by context and address."""
    rows = work.rows(
        "SELECT m.context, m.address_key, m.address, m.orphaned_since, c.claims FROM mailboxes m JOIN "
        "(SELECT mailbox, COUNT(*) AS claims FROM claims GROUP BY mailbox) c ON c.mailbox = m.id "
        "ORDER BY m.context, m.address_key"
    )
    known = frozenset(configured)
    return tuple(
        Orphan(address=address, context=context, claimed=claimed, since=moment(since))
        for context, key, address, since, claimed in rows
        if MailboxRef(context, key) not in known
    )


def register(
    work: Work,
    mailboxes: Iterable[tuple[MailboxRef, str]],
    at: datetime,
    *,
    whole: bool = True,
    unclear: Collection[str] = (),
) -> None:
    """Give every configured mailbox its row, note which rows left the configuration and which came back."""
    stored = {
        MailboxRef(row[1], row[2]): row
        for row in work.rows("SELECT id, context, address_key, address, orphaned_since FROM mailboxes")
    }
    configured = dict(mailboxes)
    now = stamp(at)
    work.many(
        "INSERT INTO mailboxes (context, address_key, address, first_seen) VALUES (?, ?, ?, ?)",
        [(*ref, address, now) for ref, address in configured.items() if ref not in stored],
    )
    for ref, (number, _, _, address, orphaned) in stored.items():
        if ref not in configured:
            if orphaned is None and whole and ref.key not in unclear:
                work.run("UPDATE mailboxes SET orphaned_since = ? WHERE id = ?", (now, number))
        elif orphaned is not None or address != configured[ref]:
            work.run("UPDATE mailboxes SET orphaned_since = NULL, address = ? WHERE id = ?", (configured[ref], number))


def acquaint(work: Work, ref: MailboxRef, address: str, at: datetime) -> None:
    """Give a mailbox its row unless it has one; until a run registers it, it counts as one that left."""
    if not work.rows("SELECT id FROM mailboxes WHERE context = ? AND address_key = ?", ref):
        work.run(
            "INSERT INTO mailboxes (context, address_key, address, first_seen, orphaned_since) VALUES (?, ?, ?, ?, ?)",
            (*ref, address, stamp(at), stamp(at)),
        )


def changed(
    work: Work, mailboxes: Iterable[tuple[MailboxRef, str]], *, whole: bool = True, unclear: Collection[str] = ()
) -> bool:
    """Tell whether `register` would write anything."""
    configured = dict(mailboxes)
    stored = {
        MailboxRef(context, key): (address, orphaned is not None)
        for context, key, address, orphaned in work.rows(
            "SELECT context, address_key, address, orphaned_since FROM mailboxes"
        )
    }
    if any(stored.get(ref) != (address, False) for ref, address in configured.items()):
        return True
    left = (orphaned for ref, (_, orphaned) in stored.items() if ref not in configured and ref.key not in unclear)
    return whole and not all(left)


def number_of(work: Work, ref: MailboxRef) -> int:
    """Give the number of a registered mailbox.

    Raises:
        LedgerError: it was never registered.
    """
    rows = work.rows("SELECT id FROM mailboxes WHERE context = ? AND address_key = ?", ref)
    if not rows:
        raise LedgerError(f"the ledger does not know the mailbox {ref.key} in context {ref.context}")
    return int(rows[0][0])


def adopt(work: Work, run: str, at: datetime, ref: MailboxRef, adoptions: Sequence[Adoption]) -> None:
    """Claim accounts that exist already, and note it in the journal as applied."""
    mailbox, now = number_of(work, ref), stamp(at)
    work.upsert(
        "claims",
        ("mailbox", "user"),
        _COLUMNS,
        [(mailbox, a.user, a.account, 1, storable(a.member), storable(a.dn), a.login, now, a.seal) for a in adoptions],
    )
    work.many(
        "INSERT INTO journal (run, at, mailbox, user, login, account, op, path, result) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(run, now, mailbox, a.user, a.login, a.account, "adopt", path_json(a.path), "applied") for a in adoptions],
    )


def recover(work: Work, at: datetime, ref: MailboxRef, claims: Sequence[Claim]) -> None:
    """Hold pending claims whose account was found: the run that wrote it died before it could note that."""
    mailbox, now = number_of(work, ref), stamp(at)
    work.upsert(
        "claims",
        ("mailbox", "user"),
        _COLUMNS,
        [(mailbox, c.user, c.account, 1, storable(c.member), storable(c.dn), c.login, now, c.seal) for c in claims],
    )
    work.update(
        "journal",
        ("mailbox", "user", "account"),
        ("result",),
        [(mailbox, c.user, c.account, "applied") for c in claims],
        where="t.result = 'pending' AND t.op = 'create'",
    )


def refresh(work: Work, ref: MailboxRef, claims: Sequence[Claim]) -> None:
    """Note another member id, DN, login, account id or seal of claims; without a seal the stored one stays."""
    mailbox = number_of(work, ref)
    keys, names = ("mailbox", "user"), ("account", "member", "dn", "login")
    work.update(
        "claims",
        keys,
        names,
        [(mailbox, c.user, c.account, storable(c.member), storable(c.dn), c.login) for c in claims],
    )
    work.update("claims", keys, ("seal",), [(mailbox, c.user, c.seal) for c in claims if c.seal is not None])


def forget(work: Work, run: str, at: datetime, ref: MailboxRef, users: Collection[int]) -> None:
    """End claims whose account is neither wanted nor there; the journal says so."""
    mailbox = number_of(work, ref)
    _end(work, "forget", run, stamp(at), mailbox, "AND user IN ({})", tuple(users))


def release(work: Work, run: str, at: datetime, ref: MailboxRef) -> int:
    """End all claims of a mailbox and leave its accounts as they are; give how many."""
    mailbox = number_of(work, ref)
    count = int(work.rows("SELECT COUNT(*) FROM claims WHERE mailbox = ?", (mailbox,))[0][0])
    _end(work, "release", run, stamp(at), mailbox, "", (0,))
    return count


def _end(work: Work, op: str, run: str, now: int, mailbox: int, where: str, users: Sequence[int]) -> None:
    work.each(
        "INSERT INTO journal (run, at, mailbox, user, login, account, op, path, result) "
        "SELECT ?, ?, mailbox, user, login, account, ?, '[]', 'applied' FROM claims WHERE mailbox = ? " + where,
        users,
        run,
        now,
        op,
        mailbox,
    )
    work.each("DELETE FROM claims WHERE mailbox = ? " + where, users, mailbox)
