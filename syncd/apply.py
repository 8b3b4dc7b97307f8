"""The only writer: what the guard let pass becomes accounts, and every step is written down before it is made.

Keeps rule 6. For each batch (some hundred accounts of one context, one transaction in Open-Xchange):

    1. ids are reserved                          (creates)           Open-Xchange
    2. pending claims and journal entries        (write ahead)       ledger
    3. the accounts are written                  (one transaction)   Open-Xchange
    4. claims are held or ended, entries closed  (one transaction)   ledger

Killed after 1: a gap in the ids, which is harmless. After 2: pending claims that own nothing; the next run writes
the accounts. After 3: the next run finds accounts with exactly the reserved ids, so it knows that they are ours. Where
the ids are the server's nothing is reserved, and 4 notes the real ids; killed after 3 the accounts are nobody's, and
the next run adopts them unless the mailbox says `existing: leave`.
Revocations come first (those of sensitive mailboxes before the others), then repairs, then new accounts. A lost
connection stops the run: what became of the last batch is unknown, so its entries stay open until the next run has
looked. A brake, where there is one, holds up repairs and new accounts, never revocations; what it does not let pass in
some minutes is left to the next run.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from structlog.typing import FilteringBoundLogger

from syncd.core.accounts import wanted
from syncd.core.changes import Change, Direction, Judgement, Op, Outcome
from syncd.core.model import UNNUMBERED, Fields, Mailbox, MailboxRef
from syncd.core.verdict import released
from syncd.errors import StoreError, StoreRefused
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Intent
from syncd.openxchange.base import AccountStore, Creation, Deletion, Updating, Written

BATCH = 500
"""Accounts per transaction: far below the 15 seconds after which a waiting OX gives up (ox-behaviour 9.3)."""
SLICES = 5
"""Minutes for which a run waits at its brake, before it leaves the rest to the next run."""
NO_PRIMARY = "the user has no primary account to copy the servers from"

Progress = Callable[[int, int], None]
"""Called with (changes done, changes in all) after every batch."""
_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Writer:
    """Apply the released changes of one run, batch by batch."""

    store: AccountStore
    ledger: Ledger
    run: str
    clock: Callable[[], datetime]
    progress: Progress = lambda _done, _all: None
    stop: Callable[[], bool] = lambda: False
    batch: int = BATCH
    brake: int | None = None
    """How many repairs and new accounts a minute; None = as many as go."""
    spent: int = 0
    """How many of them this minute has seen already."""
    pause: Callable[[float], None] = lambda _seconds: None
    """Waits, as the brake wants it; may come back early when the run is to stop."""
    deferred: int = 0
    """Changes that were left to the next run by the brake."""
    claims: bool = True
    """Whether new accounts become ours; those that a person makes by hand do not."""
    errors: list[str] = field(default_factory=list)
    """Errors of systems met on the way, as lines for people."""
    _lost: str | None = None
    _lost_contexts: dict[int, str] = field(default_factory=dict)
    """Those whose database was lost while others go on, with the reason."""
    _rows: dict[tuple[MailboxRef, Fields], str] = field(default_factory=dict)

    def apply(self, judgements: Sequence[Judgement]) -> tuple[Outcome, ...]:
        """Note what needs no write, then make the changes; give what became of each.

        Raises:
            LedgerError: the ledger cannot be written, so nothing more may be written to Open-Xchange.
        """
        todo = [change for judgement in judgements for change in released(judgement)]
        forgetting = {j.plan.mailbox.context for j in judgements if j.plan.forgotten}
        refused = self._refusals({change.context for change in todo} | forgetting)
        for judgement in judgements:
            self._note(judgement, refused)
        mailboxes = {(j.plan.mailbox.context, j.plan.mailbox.address): j.plan.mailbox for j in judgements}
        outcomes: list[Outcome] = []
        sensitive = {place for place, mailbox in mailboxes.items() if mailbox.sensitive}
        todo, self.deferred = _braked(todo, self.brake)
        size = self.batch if self.brake is None else min(self.batch, self.brake)
        for context, op, changes in _batches(todo, size, sensitive):
            reason = refused.get(context) or self._ended() or self._lost_contexts.get(context)
            if reason is None and op is not Op.DELETE:
                self._slow_down(len(changes))
                reason = self._ended()
            if reason is not None:
                outcomes += [_failed(change, f"not done: {reason}") for change in changes]
                continue
            outcomes += self._batch(context, op, [(change, mailboxes[context, change.mailbox]) for change in changes])
            self.progress(len(outcomes), len(todo))
        return tuple(outcomes)

    def _slow_down(self, count: int) -> None:
        """Wait until the brake lets so many changes pass."""
        if self.brake is None:
            return
        if count > self.brake - self.spent:
            self.pause(60.0)
            self.spent = 0
        self.spent += count

    def _refusals(self, contexts: Collection[int]) -> dict[int, str]:
        """Ask where nothing may be written now: context → reason."""
        refused = dict(self.store.refusals(contexts)) if contexts else {}
        self.errors += [f"context {context}: {reason}" for context, reason in sorted(refused.items())]
        return refused

    def _ended(self) -> str | None:
        """Say why no further batch is begun; None = go on."""
        if self._lost is None and self.stop():
            self._lost = "the run was stopped before all changes were made; the next run goes on"
            self.errors.append(self._lost)
        return self._lost

    def _note(self, judgement: Judgement, refused: Collection[int]) -> None:
        """Write down in the ledger what needs no change in Open-Xchange.

        In a context of `refused` no claim is given up: it may be on its way to another database, half gone already.
        Of an idle mailbox none is given up or taken: its accounts may be away for as long as somebody works on them.
        """
        plan, ref = judgement.plan, judgement.plan.mailbox.ref
        if any(objection.limit == "vanished" for objection in judgement.objections):
            return  # the database may be the wrong one: believe nothing that it says about our claims
        now = self.clock()
        if plan.recovered:
            self.ledger.recover(now, ref, plan.recovered)
        if plan.adopted and Direction.ADDITIONS not in judgement.held and not judgement.idle:
            self.ledger.adopt(self.run, now, ref, plan.adopted)
            for adoption in plan.adopted:
                _log.info("account.adopted", mailbox=plan.mailbox.address, context=ref.context, user=adoption.user)
        if plan.forgotten and ref.context not in refused and not judgement.idle:
            self.ledger.forget(self.run, now, ref, plan.forgotten)
        if plan.refreshed:
            self.ledger.refresh(ref, plan.refreshed)

    def _batch(self, context: int, op: Op, changes: list[tuple[Change, Mailbox]]) -> list[Outcome]:
        try:
            if op is Op.CREATE:
                outcomes = self._create(context, changes)
            elif op is Op.UPDATE:
                outcomes = self._update(context, changes)
            else:
                outcomes = self._delete(context, changes)
        except StoreError as error:
            if error.contexts is None:
                self._lost = error.message
            else:
                self._lost_contexts |= dict.fromkeys(error.contexts, error.message)
            self.errors.append(str(error))
            known = "not done" if isinstance(error, StoreRefused) else "not known to be done"
            text = f"{known}: {error.message}; the next run looks and goes on"
            outcomes = [_failed(change, text) for change, _ in changes]
        log = _log.bind()  # once, not for each line
        for outcome in outcomes:
            _tell(outcome, log)
        return outcomes

    def _create(self, context: int, changes: list[tuple[Change, Mailbox]]) -> list[Outcome]:
        changes, lost = self._completed(context, changes)
        if not changes:
            return lost
        first = self.store.reserve(context, len(changes))
        ids = [UNNUMBERED if first is None else first + number for number in range(len(changes))]
        creations = [
            Creation(user=change.user, account=account, mailbox=mailbox, fields=_new(change))
            for account, (change, mailbox) in zip(ids, changes, strict=True)
        ]
        intents = [
            Intent(change=change, ref=mailbox.ref, account=account, new=self._row(mailbox, _new(change)))
            for account, (change, mailbox) in zip(ids, changes, strict=True)
        ]
        return lost + self._written(changes, intents, lambda: self.store.create(context, creations))

    def _completed(
        self, context: int, changes: list[tuple[Change, Mailbox]]
    ) -> tuple[list[tuple[Change, Mailbox]], list[Outcome]]:
        """Fill in the servers that are copied from account 0; give also the failures of users without one."""
        copying = [change.user for change, mailbox in changes if mailbox.account.primary]
        if not copying:
            return changes, []
        primaries = self.store.endpoints(context, copying)
        ready: list[tuple[Change, Mailbox]] = []
        lost: list[Outcome] = []
        for change, mailbox in changes:
            if not mailbox.account.primary:
                ready.append((change, mailbox))
            elif (primary := primaries.get(change.user)) is None:
                lost.append(_failed(change, NO_PRIMARY))
            else:
                ready.append((replace(change, new=wanted(mailbox.account, primary)), mailbox))
        return ready, lost

    def _update(self, context: int, changes: list[tuple[Change, Mailbox]]) -> list[Outcome]:
        rows = self.store.rows(context, [(change.user, _account(change)) for change, _ in changes])
        updates = [
            Updating(
                user=change.user,
                account=_account(change),
                mailbox=mailbox,
                old=_old(change),
                new=_new(change),
                password=change.password,
            )
            for change, mailbox in changes
        ]
        intents = [
            Intent(
                change=change,
                ref=mailbox.ref,
                account=_account(change),
                old=rows.get((change.user, _account(change))),
                new={name: new for name, (_, new) in change.changed().items()},
            )
            for change, mailbox in changes
        ]
        return self._written(changes, intents, lambda: self.store.update(context, updates))

    def _delete(self, context: int, changes: list[tuple[Change, Mailbox]]) -> list[Outcome]:
        rows = self.store.rows(context, [(change.user, _account(change)) for change, _ in changes])
        deletions = [
            Deletion(user=change.user, account=_account(change), mailbox_key=mailbox.key) for change, mailbox in changes
        ]
        intents = [
            Intent(
                change=change,
                ref=mailbox.ref,
                account=_account(change),
                old=rows.get((change.user, _account(change))),
            )
            for change, mailbox in changes
        ]
        return self._written(changes, intents, lambda: self.store.delete(context, deletions))

    def _written(
        self,
        changes: list[tuple[Change, Mailbox]],
        intents: Sequence[Intent],
        write: Callable[[], list[Written]],
    ) -> list[Outcome]:
        """Write ahead, write, and note what became of it."""
        batch = uuid.uuid4().hex
        self.ledger.intend(self.run, batch, self.clock(), intents, claims=self.claims)
        written = write()
        failed = {
            (intent.ref, one.user, intent.account): one.error
            for intent, one in zip(intents, written, strict=True)
            if one.error is not None
        }
        seals = {
            (intent.ref, one.user): one.seal
            for intent, one in zip(intents, written, strict=True)
            if one.seal is not None
        }
        numbered = {
            (intent.ref, one.user): one.account
            for intent, one in zip(intents, written, strict=True)
            if intent.account == UNNUMBERED and one.error is None
        }
        self.ledger.conclude(batch, failed, seals, numbered)
        return [
            Outcome(
                change=change,
                result="failed" if one.error is not None else "applied",
                account=None if one.account == UNNUMBERED else one.account,
                error=one.error,
            )
            for (change, _), one in zip(changes, written, strict=True)
        ]

    def _row(self, mailbox: Mailbox, fields: Fields) -> str:
        """Give what is written for a new account, as JSON without passwords; one text for users with equal servers."""
        key = (mailbox.ref, fields)
        if (text := self._rows.get(key)) is None:
            account = mailbox.account
            texts = {"name": account.name, "personal": account.personal, "reply_to": account.reply_to}
            row = {**fields._asdict(), **texts, "folders": dict(account.folders)}  # also what is not enforced later
            text = self._rows[key] = json.dumps(row, ensure_ascii=False)
        return text


def _batches(
    changes: Sequence[Change], size: int, sensitive: Collection[tuple[int, str]] = ()
) -> Iterator[tuple[int, Op, list[Change]]]:
    """Cut the changes into batches of one operation and context: all deletes first, then updates, then creates.

    The deletes of `sensitive` mailboxes (context and address) come before all others.
    """
    first = [change for change in changes if change.op is Op.DELETE and (change.context, change.mailbox) in sensitive]
    rest = [
        change for change in changes if not (change.op is Op.DELETE and (change.context, change.mailbox) in sensitive)
    ]
    for op, some in ((Op.DELETE, first), (Op.DELETE, rest), (Op.UPDATE, rest), (Op.CREATE, rest)):
        by_context: dict[int, list[Change]] = {}
        for change in some:
            if change.op is op:
                by_context.setdefault(change.context, []).append(change)
        for context, todo in by_context.items():
            for start in range(0, len(todo), size):
                yield context, op, todo[start : start + size]


def _braked(changes: list[Change], brake: int | None) -> tuple[list[Change], int]:
    """Give the changes that this run makes, and how many it leaves to the next one: the last of them."""
    if brake is None:
        return changes, 0
    room = brake * SLICES
    ordered = sorted((one for one in changes if one.op is not Op.DELETE), key=lambda one: one.op is Op.CREATE)
    left = {id(one) for one in ordered[room:]}
    return [one for one in changes if id(one) not in left], len(left)


def _failed(change: Change, error: str) -> Outcome:
    return Outcome(change=change, result="failed", account=change.account, error=error)


def _account(change: Change) -> int:
    if change.account is None:
        raise AssertionError("an update or delete names its account")
    return change.account


def _old(change: Change) -> Fields:
    if change.old is None:
        raise AssertionError("an update knows the old fields")
    return change.old


def _new(change: Change) -> Fields:
    if change.new is None:
        raise AssertionError("a create or update knows the new fields")
    return change.new


def _tell(outcome: Outcome, log: FilteringBoundLogger) -> None:
    change = outcome.change
    told: Mapping[str, object] = {
        "op": change.op.value,
        "mailbox": change.mailbox,
        "context": change.context,
        "user": change.user,
        "login": change.login,
        "account": outcome.account,
        "reason": change.reason,
    }
    if outcome.result == "applied":
        log.info("change.applied", **told)
    else:
        log.error("change.failed", **told, error=outcome.error)
