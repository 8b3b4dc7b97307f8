"""Which accounts are ours: reading claims fast, and every way in which one begins, changes or ends.

A claim is *pending* from before the Open-Xchange transaction until after it, then *held*. The two steps of a change are
in `journal`, since claim and journal row have to be one transaction; here is what happens without a change: adoption,
recovery after a crash, refreshing, forgetting, releasing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from syncd.core.changes import Adoption, Orphan
from syncd.core.model import Claim, MailboxRef
from syncd.ledger.chain import Chain, Row, path_json
from syncd.ledger.database import Work, storable
from syncd.ledger.journal import close, open_batches
from syncd.ledger.mailboxes import begin, number_of
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


def since(work: Work, ref: MailboxRef | None, user: int | None) -> dict[tuple[MailboxRef, int], datetime]:
    """Give since when claims stand, by mailbox and user: those of one mailbox, of one user, or all (None)."""
    refs = work.refs()
    numbers = {known: number for number, known in refs.items()}
    asked = {"mailbox": None if ref is None else numbers.get(ref, 0), "user": user}
    where = {name: value for name, value in asked.items() if value is not None}
    conditions = "".join(f" AND {name} = ?" for name in where)
    rows = work.rows(f"SELECT mailbox, user, since FROM claims WHERE 1 = 1{conditions}", tuple(where.values()))
    return {(refs[mailbox], owner): moment(at) for mailbox, owner, at in rows}


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


def adopt(work: Work, run: str, at: datetime, ref: MailboxRef, adoptions: Sequence[Adoption]) -> None:
    """Claim accounts that exist already, and note it in the journal as applied."""
    chain, mailbox, now = Chain(work), number_of(work, ref), stamp(at)
    work.upsert(
        "claims",
        ("mailbox", "user"),
        _COLUMNS,
        [(mailbox, a.user, a.account, 1, storable(a.member), storable(a.dn), a.login, now, a.seal) for a in adoptions],
    )
    begin(work, {mailbox}, now)
    chain.append(
        [Row(now, mailbox, "adopt", run, None, a.user, a.login, a.account, path_json(a.path)) for a in adoptions]
    )


def recover(work: Work, at: datetime, ref: MailboxRef, claims: Sequence[Claim]) -> None:
    """Hold pending claims whose account was found: the run that wrote it died before it could note that."""
    chain, mailbox, now = Chain(work), number_of(work, ref), stamp(at)
    work.upsert(
        "claims",
        ("mailbox", "user"),
        _COLUMNS,
        [(mailbox, c.user, c.account, 1, storable(c.member), storable(c.dn), c.login, now, c.seal) for c in claims],
    )
    begin(work, {mailbox}, now)
    batches = open_batches(work, "mailbox = ? AND user IN ({})", [c.user for c in claims], mailbox)
    if batches:
        work.update(
            "journal",
            ("mailbox", "user", "account"),
            ("result",),
            [(mailbox, c.user, c.account, "applied") for c in claims],
            where="t.result = 'pending' AND t.op = 'create'",
        )
        close(work, chain, batches)


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


def forget(
    work: Work,
    run: str,
    at: datetime,
    ref: MailboxRef,
    users: Collection[int],
    *,
    path: Sequence[str],
    reasons: Mapping[int, str],
) -> None:
    """End claims whose account is neither wanted nor there, or stays as nobody's; the journal says so, and why."""
    entry = Row(stamp(at), number_of(work, ref), "forget", run, path=path_json(path))
    _end(work, entry, tuple(users), reasons)


def release(work: Work, run: str, at: datetime, ref: MailboxRef) -> int:
    """End all claims of a mailbox and leave its accounts as they are; give how many."""
    return _end(work, Row(stamp(at), number_of(work, ref), "release", run))


def _end(
    work: Work, entry: Row, users: Sequence[int] | None = None, reasons: Mapping[int, str] = MappingProxyType({})
) -> int:
    """End the claims of a mailbox (only those of these users), with an entry like the given one for each."""
    chain, mailbox = Chain(work), entry.mailbox
    claimed = "SELECT user, login, account FROM claims WHERE mailbox = ?"
    if users is None:
        found = work.rows(claimed, (mailbox,))
        work.run("DELETE FROM claims WHERE mailbox = ?", (mailbox,))
    else:
        found = work.among(f"{claimed} AND user IN ({{}})", users, mailbox)
        work.each("DELETE FROM claims WHERE mailbox = ? AND user IN ({})", users, mailbox)
    chain.append(
        [
            entry._replace(user=user, login=login, account=account, reason=reasons.get(user))
            for user, login, account in sorted(found)
        ]
    )
    return len(found)
