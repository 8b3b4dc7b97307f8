"""How things stand with the mailboxes of which something is to be undone: read, and nothing decided.

Who the sources name is found out as for a run, and passed in; what is stored, ours and pinned is read here, quickly
enough to be read once more when the lease is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from syncd.byhand.asking import PLAIN, Exit, HandError, mailbox_of
from syncd.byhand.reverting import Rows
from syncd.byhand.work import Hand
from syncd.core.changes import Op
from syncd.core.desire import Desired
from syncd.core.model import Asked, Claim, Mailbox, MailboxRef, Observed, Pin
from syncd.core.reads import Member
from syncd.ledger.values import Entry
from syncd.openxchange.base import users_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand with one mailbox now."""

    mailbox: Mailbox
    desired: Desired | None
    """Whom the sources name, pins apart; None = no run looks after the mailbox."""
    stored: Mapping[int, Sequence[Observed]]
    """Accounts with its address by user, private ones included."""
    claims: Mapping[int, Claim]
    pins: Mapping[int, Pin]
    logins: Mapping[int, str]
    """Of the users in question: those that there are."""
    rows: Mapping[tuple[int, int], Rows]
    """By user and id: of the accounts that an update is to be undone of."""

    @property
    def named(self) -> Mapping[int, Member]:
        """Give whom the sources name, by user."""
        return {} if self.desired is None else self.desired.accounts

    def kept(self, user: int) -> bool | None:
        """Tell what a person has said of a user: True = kept, False = kept out; None = nothing."""
        pin = self.pins.get(user)
        return None if pin is None else pin.keep


def look(hand: Hand, entries: Iterable[Entry], desired: Mapping[MailboxRef, Desired]) -> dict[MailboxRef, Standing]:
    """Read how things stand with the mailboxes of entries.

    Args:
        hand: who asks.
        entries: of the journal.
        desired: whom sources name, of the mailboxes that a run looks after.

    Raises:
        HandError, StoreError, LedgerError: it cannot be read.
    """
    of: dict[MailboxRef, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.ref is not None:
            of[entry.ref].append(entry)
    mailboxes = {
        ref: desired[ref].mailbox if ref in desired else mailbox_of(ref.context, some[0].address)
        for ref, some in of.items()
    }
    seen = hand.store.observe([replace(one, account=PLAIN) for one in mailboxes.values()], {})
    logins = _logins(hand, of, seen.unread)
    claims, pins = hand.ledger.claims(), hand.ledger.pins(hand.clock())
    found = {}
    for ref, some in of.items():
        stored: dict[int, list[Observed]] = defaultdict(list)
        for account in seen.accounts.get(ref, ()):
            stored[account.user].append(account)
        places = [(one.user, one.account) for one in some if one.op == Op.UPDATE and one.account is not None]
        found[ref] = Standing(
            mailbox=mailboxes[ref],
            desired=desired.get(ref),
            stored=stored,
            claims=claims.get(ref, {}),
            pins=pins.get(ref, {}),
            logins=logins[ref.context],
            rows=hand.store.rows(ref.context, places) if places else {},
        )
    return found


def _logins(
    hand: Hand, of: Mapping[MailboxRef, Sequence[Entry]], unread: Mapping[int, str]
) -> dict[int, Mapping[int, str]]:
    """Give the login of each user of the entries who is there, by context.

    Raises:
        HandError: a context cannot be read.
    """
    ids: dict[int, set[int]] = defaultdict(set)
    for ref, some in of.items():
        ids[ref.context] |= {entry.user for entry in some}
    known = users_in(hand.store, {context: Asked(ids=sorted(users)) for context, users in ids.items()})
    for context, users in known.items():
        if reason := unread.get(context) or users.unread:
            raise HandError(f"context {context}: {reason}", code=Exit.STORAGE)
    return {context: {user: one.logins.get(user, "") for user in one.ids} for context, one in known.items()}
