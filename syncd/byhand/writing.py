"""Accounts made, changed and removed by a person: what `syncd account` does, apart from words and options.

The rules kept here:

* Only secondary accounts are touched; a private account, or account 0, with the address is left alone and told.
* A user who has the account already is skipped, not an error for all.
* Every change is written ahead and in the journal like those of a run, under the same lease and the same lock.
* No claim is taken: the account is not the mapping's. Where a mapping has the mailbox, `existing:` and `extra:` say
  what becomes of it. One that a mapping claims and that is removed by hand is made again if its user is still wanted.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from syncd.apply import BATCH, Writer
from syncd.byhand.asking import Exit, HandError, People, is_ours, mailbox_of, stored
from syncd.core import continuity
from syncd.core.accounts import wanted
from syncd.core.address import collation_key
from syncd.core.caches import stale
from syncd.core.changes import BY_HAND, Change, Judgement, MailboxPlan, Op, Outcome, Report
from syncd.core.model import Account, Mailbox, MailboxRef, Observed, Secret
from syncd.errors import LedgerError, SyncdError
from syncd.ledger.lease import Lease
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Intent
from syncd.openxchange.base import AccountStore, Written
from syncd.openxchange.caches import Caches
from syncd.openxchange.edit import AccountChange, Edit, EditsAccounts, ServerChange
from syncd.openxchange.stored import KnowsPasswords, Stale

_log = structlog.get_logger()
NOT_SO = "accounts cannot be changed this way yet"
DOUBTFUL = (
    "the configured key opens none of the stored passwords, so nothing was overwritten: is it the key of this cluster "
    "(com.openexchange.sessiond.encryptionKey)? If it is, --force writes the mapping's passwords instead"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one command."""

    applied: tuple[int, ...] = ()
    """Users whose account was created, changed or deleted."""
    skipped: tuple[int, ...] = ()
    """Users who have the account already."""
    refused: Mapping[int, str] | None = None
    """User → why nothing was done for him."""
    claimed: tuple[int, ...] = ()
    """Users, of those applied, whose account a mapping keeps."""
    errors: tuple[str, ...] = ()
    """Errors of systems met on the way."""


@dataclass(slots=True, kw_only=True)
class ByHand:
    """Write the accounts of one mailbox at a time."""

    store: AccountStore
    ledger: Ledger
    mailboxes: Sequence[Mailbox]
    """Those that are configured."""
    who: str
    """The person, for the journal."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    caches: Caches | None = None
    """Who tells Open-Xchange of what was written; None = it writes by itself."""
    wait: float = 60.0
    """Seconds to wait for a run in progress."""

    def configured(self, context: int, address: str) -> Mailbox | None:
        """Give the mapping's mailbox with this address, if there is one."""
        ref = MailboxRef(context, collation_key(address))
        return next((mailbox for mailbox in self.mailboxes if mailbox.ref == ref), None)

    def create(self, context: int, whom: People, address: str, account: Account) -> Done:
        """Give users an account; those who have it are skipped.

        Raises:
            HandError, StoreError, LedgerError: nothing, or not all, could be done; the message says which.
        """
        mailbox = replace(mailbox_of(context, address), account=account)
        with self._writing("account create", mailbox) as work:
            there: dict[int, list[Observed]] = {}
            for one in stored(self.store, mailbox, whom):
                there.setdefault(one.user, []).append(one)
            skipped = [user for user in whom if any(is_ours(one, address) for one in there.get(user, ()))]
            refused = {user: _in_the_way(there[user]) for user in whom if user in there and user not in skipped}
            fields = wanted(account)
            changes = [
                self._change(Op.CREATE, mailbox, user, login, None, new=fields)
                for user, login in whom.items()
                if user not in there
            ]
            return work.written(mailbox, changes, skipped=skipped, refused=refused)

    def delete(self, context: int, whom: People, address: str) -> Done:
        """Take the account from users; those without it are left out.

        Raises:
            HandError, StoreError, LedgerError: as of `create`.
        """
        mailbox = mailbox_of(context, address)
        with self._writing("account delete", mailbox) as work:
            changes = [
                self._change(Op.DELETE, mailbox, one.user, whom[one.user], one.id)
                for one in stored(self.store, mailbox, whom)
                if is_ours(one, address)
            ]
            return work.written(mailbox, changes)

    def update(self, context: int, whom: People, address: str, change: AccountChange) -> Done:
        """Change the account of users; those without it are left out.

        Raises:
            HandError, StoreError, LedgerError: as of `create`.
        """
        if not isinstance(self.store, EditsAccounts):
            raise HandError(
                NOT_SO,
                code=Exit.OTHER,
                hint="set openxchange.write_with: sql",
            )
        mailbox = mailbox_of(context, address)
        with self._writing("account update", mailbox) as work:
            changes = [
                self._change(Op.UPDATE, mailbox, one.user, whom[one.user], one.id)
                for one in stored(self.store, mailbox, whom)
                if is_ours(one, address)
            ]
            return work.edited(self.store, mailbox, changes, change)

    def reseal(self, mailbox: Mailbox, *, force: bool = False) -> Done:
        """Write stored passwords of claimed accounts again that Open-Xchange does not read as they are.

        | a text that the key opens in no format      | becomes                                        |
        |---------------------------------------------|------------------------------------------------|
        | the mapping has no password for it          | nothing: the user is refused                   |
        | it has, and the key opens others            | the mapping's password                         |
        | it has, and the key opens none of them all  | nothing: the key is doubted; unless by `force` |

        Raises:
            HandError, StoreError, LedgerError: as of `create`.
        """
        store = self.store
        if not (isinstance(store, EditsAccounts) and isinstance(store, KnowsPasswords)):
            raise HandError(NOT_SO, code=Exit.OTHER, hint="set openxchange.write_with: sql")
        account = (
            configured.account if (configured := self.configured(mailbox.context, mailbox.address)) else mailbox.account
        )
        with self._writing("reseal", mailbox) as work:
            claims = {user: one for user, one in self.ledger.claims().get(mailbox.ref, {}).items() if one.held}
            places = [(user, claim.account) for user, claim in claims.items()]
            sifted = store.stale(mailbox.context, mailbox.key, places)
            if sifted.stale and not sifted.opened and not force and (account.password or account.transport_password):
                return Done(refused={one.user: DOUBTFUL for one in sifted.stale})
            parts, refused = _parted(sifted.stale, account)
            done = Done()
            for change, stale in parts:
                changes = [
                    self._change(Op.UPDATE, mailbox, one.user, claims[one.user].login, one.account) for one in stale
                ]
                done = work.edited(store, mailbox, changes, change)
            return replace(done, refused={**refused, **(done.refused or {})})

    # ------------------------------------------------------------------ writing

    def _change(self, op: Op, mailbox: Mailbox, user: int, login: str, account: int | None, **more: object) -> Change:
        path = (BY_HAND, self.who)
        return Change(
            op=op,
            context=mailbox.context,
            user=user,
            login=login,
            mailbox=mailbox.address,
            account=account,
            path=path,
            reason=f"by hand of {self.who}",
            **more,  # type: ignore[arg-type]
        )

    @contextmanager
    def _writing(self, command: str, mailbox: Mailbox) -> Iterator[_Work]:
        """Hold the lease and the lock, note the run and how it ended, and settle what an earlier one left open.

        Raises:
            LedgerBusy, StoreBusy: somebody else writes.
            HandError: nothing may be written to this context now.
        """
        run = uuid.uuid4().hex
        with self.ledger.lease("run", f"syncd {command}", wait=self.wait) as lease:
            started = self.clock()
            self.ledger.begin(run, command, started)
            work = _Work(hand=self, run=run, lease=lease)
            try:
                with self.store.exclusive():
                    if reason := self.store.refusals([mailbox.context]).get(mailbox.context):
                        raise HandError(reason, code=Exit.OTHER)
                    self.ledger.acquaint(mailbox.ref, mailbox.address, started)
                    self._settle(mailbox)
                    yield work
                    if self.caches is not None:
                        for problem in self.caches.clear(stale(work.outcomes)).problems:
                            _log.warning("caches.kept", warning=problem)
            except SyncdError as error:
                if not isinstance(error, LedgerError):
                    with suppress(LedgerError):  # the first error is the one to tell
                        self._finish(run, started, work.outcomes, (*work.errors, str(error)))
                raise
            self._finish(run, started, work.outcomes, tuple(work.errors))

    def _finish(self, run: str, started: datetime, outcomes: Sequence[Outcome], errors: tuple[str, ...]) -> None:
        self.ledger.finish(
            Report(
                run=run,
                started=started,
                finished=self.clock(),
                judgements=(),
                outcomes=tuple(outcomes),
                errors=errors,
                applied=True,
                partial=True,
            )
        )

    def _settle(self, mailbox: Mailbox) -> None:
        """Note what became of changes of this mailbox whose run died; no run looks after one without a mapping."""
        left = [entry for entry in self.ledger.unsettled() if entry.mailbox == mailbox.ref]
        if left:
            there = stored(self.store, mailbox, None)
            self.ledger.settle(
                {
                    entry.seq: continuity.settle(
                        entry.op, entry.account or 0, entry.new, [one for one in there if one.user == entry.user]
                    )
                    for entry in left
                }
            )


class _Work:
    """The writing of one command, while lease and lock are held."""

    def __init__(self, *, hand: ByHand, run: str, lease: Lease) -> None:
        self._hand, self._run, self._lease = hand, run, lease
        self.outcomes: list[Outcome] = []
        self.errors: list[str] = []

    def written(
        self,
        mailbox: Mailbox,
        changes: Sequence[Change],
        *,
        skipped: Sequence[int] = (),
        refused: Mapping[int, str] | None = None,
    ) -> Done:
        """Create or delete accounts."""
        hand, claimed = self._hand, self._claimed(mailbox, changes)
        writer = Writer(
            store=hand.store,
            ledger=hand.ledger,
            run=self._run,
            clock=hand.clock,
            progress=lambda _done, _all: self._lease.renew(),
            claims=False,
        )
        plan = MailboxPlan(mailbox=mailbox, complete=True, changes=tuple(changes))
        self.outcomes += writer.apply([Judgement(plan=plan)])
        self.errors += writer.errors
        return self._done(claimed, skipped, refused or {})

    def edited(self, store: EditsAccounts, mailbox: Mailbox, changes: Sequence[Change], change: AccountChange) -> Done:
        """Change single attributes of accounts."""
        claimed = self._claimed(mailbox, changes)
        for start in range(0, len(changes), BATCH):
            self._edit(store, mailbox, changes[start : start + BATCH], change)
            self._lease.renew()
        return self._done(claimed, (), {})

    def _edit(self, store: EditsAccounts, mailbox: Mailbox, changes: Sequence[Change], change: AccountChange) -> None:
        hand, batch, context = self._hand, uuid.uuid4().hex, mailbox.context
        places = [(one.user, one.account or 0) for one in changes]
        rows, new = hand.store.rows(context, places), _told(change)
        intents = [
            Intent(change=one, ref=mailbox.ref, account=place[1], old=rows.get(place), new=new)
            for one, place in zip(changes, places, strict=True)
        ]
        hand.ledger.intend(self._run, batch, hand.clock(), intents)
        written = store.edit(context, [Edit(*place, mailbox.key, change) for place in places])
        hand.ledger.conclude(batch, {(mailbox.ref, *one[:2]): one.error for one in written if one.error is not None})
        self.outcomes += [_outcome(one, got) for one, got in zip(changes, written, strict=True)]

    def _claimed(self, mailbox: Mailbox, changes: Sequence[Change]) -> set[int]:
        """Give the users whose account is a mapping's, before it is changed."""
        claims = self._hand.ledger.claims().get(mailbox.ref, {})
        return {one.user for one in changes if one.user in claims and claims[one.user].account == one.account}

    def _done(self, claimed: set[int], skipped: Sequence[int], refused: Mapping[int, str]) -> Done:
        applied = tuple(dict.fromkeys(one.change.user for one in self.outcomes if one.result == "applied"))
        failed = {one.change.user: one.error or "" for one in self.outcomes if one.result == "failed"}
        return Done(
            applied=applied,
            skipped=tuple(skipped),
            refused={**refused, **failed},
            claimed=tuple(user for user in applied if user in claimed),
            errors=tuple(self.errors),
        )


def _parted(stale: Sequence[Stale], account: Account) -> tuple[list[tuple[AccountChange, list[Stale]]], dict[int, str]]:
    """Group accounts by the passwords that are written again; give also the users with one that nobody knows."""
    groups: dict[tuple[Secret | None, Secret | None], list[Stale]] = {}
    refused: dict[int, str] = {}
    for one in stale:
        mail = account.password if "mail" in one.lost else one.mail
        transport = account.transport_password if "transport" in one.lost else one.transport
        if ("mail" in one.lost and mail is None) or ("transport" in one.lost and transport is None):
            refused[one.user] = "a stored password cannot be decrypted, and the mapping has none to write instead"
        if mail is not None or transport is not None:
            groups.setdefault((mail, transport), []).append(one)
    parts = [
        (AccountChange(mail=ServerChange(password=mail), transport=ServerChange(password=transport)), some)
        for (mail, transport), some in groups.items()
    ]
    return parts, refused


def _in_the_way(found: Sequence[Observed]) -> str:
    """Say what stands against a new account, with the code that callers of the tools look for (ox-facts 6.7)."""
    one = next((one for one in found if one.id == 0), found[0])
    if one.id == 0:
        why = "the user's primary account has this address"
    elif one.secondary:
        why = f"account {one.id} has an address that the database takes for equal: {one.address}"
    else:
        why = f"the user's own account {one.id} has this address"
    return f"ACC-0017 duplicate mail account: {why}"


def _outcome(change: Change, written: Written) -> Outcome:
    result = "applied" if written.error is None else "failed"
    return Outcome(change=change, result=result, account=written.account, error=written.error)  # type: ignore[arg-type]


def _told(change: AccountChange) -> dict[str, object]:
    """Give what an update sets, for the journal, which has no passwords."""
    told: dict[str, object] = {"name": change.name, "personal": change.personal, "replyTo": change.reply_to}
    for part, server in (("mail", change.mail), ("transport", change.transport)):
        names = ("host", "port", "protocol", "secure", "starttls")
        told |= {f"{part}_{name}": getattr(server, name) for name in names}
        told["login" if part == "mail" else "transport_login"] = server.login
        told[f"{part}_password"] = None if server.password is None else "***"
    told |= {f"{kind}_fullname": name for kind, name in change.folders.items()}
    return {name: value for name, value in told.items() if value is not None}
