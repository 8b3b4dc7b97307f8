"""The writing of one command of a person: lease and lock, the journal, and what became of it.

The rules kept here: every change is written ahead and in the journal like those of a run, under the same lease and the
same lock; what an earlier command left open is settled first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from syncd.apply import BATCH, Writer
from syncd.byhand.asking import Exit, HandError, mailbox_of, stored
from syncd.core.address import collation_key
from syncd.core.caches import stale
from syncd.core.changes import BY_HAND, Change, Judgement, MailboxPlan, Op, Outcome, Report
from syncd.core.listed import PINNED
from syncd.core.model import Mailbox, MailboxRef, Observed
from syncd.core.patterns import Pattern, placed
from syncd.errors import LedgerError, SyncdError
from syncd.facts import became
from syncd.ledger.lease import Lease
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Intent
from syncd.openxchange.base import AccountStore, Written
from syncd.openxchange.caches import Caches
from syncd.openxchange.edit import AccountChange, Edit, EditsAccounts

NOT_SO = "accounts cannot be changed this way yet"


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
    code: Exit = Exit.STORAGE
    """What the vendor's tools end with where something failed."""

    @property
    def failed(self) -> bool:
        """Tell whether something was not done that should have been."""
        return bool(self.refused or self.errors)


@dataclass(slots=True, kw_only=True)
class Hand:
    """Who writes, and where."""

    store: AccountStore
    ledger: Ledger
    mailboxes: Sequence[Mailbox]
    """Those that are configured."""
    patterns: Sequence[Pattern] = ()
    """Mappings whose mailboxes, or their contexts, each run finds out."""
    staging: bool = False
    """Whether nothing at all may be written."""
    who: str
    """The person, for the journal."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    caches: Caches | None = None
    """Who tells Open-Xchange of what was written; None = it writes by itself."""
    wait: float = 60.0
    """Seconds to wait for a run in progress."""
    late: list[str] = field(default_factory=list)
    """Why Open-Xchange was not told of something that was written, for people."""

    def configured(self, context: int, address: str) -> Mailbox | None:
        """Give the mapping's mailbox with this address, if there is one that is known without the directory.

        Raises:
            StoreError: which contexts there are cannot be read.
        """
        ref = MailboxRef(context, collation_key(address))
        found = next((mailbox for mailbox in self.mailboxes if mailbox.ref == ref), None)
        by_name = [one for one in self.patterns if one.search is None and one.placing and one.mailbox.key == ref.key]
        if found is None and by_name:
            contexts = self.store.contexts()
            there = (box for one in by_name for box in placed(one, one.mailbox, contexts, (), ())[0])
            found = next((mailbox for mailbox in there if mailbox.ref == ref), None)
        return found

    def change(self, op: Op, mailbox: Mailbox, user: int, login: str, account: int | None, **more: object) -> Change:
        """Give a change that this person makes; `more` are further fields of it."""
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
    def writing(self, command: str, *mailboxes: tuple[MailboxRef, str]) -> Iterator[Work]:
        """Hold the lease and the lock, note the run and how it ended, and settle what an earlier one left open.

        Args:
            command: what the ledger calls the run.
            mailboxes: those that are written to, each with its address.

        Raises:
            LedgerBusy, StoreBusy: somebody else writes.
            HandError: nothing may be written to one of these mailboxes or contexts now.
        """
        for ref, address in mailboxes:
            if self.staging or ((mapped := self.configured(ref.context, address)) is not None and mapped.staging):
                raise HandError("the configuration says `mode: staging`: nothing is written", code=Exit.OTHER)
        run = uuid.uuid4().hex
        with self.ledger.lease("run", f"syncd {command}", wait=self.wait) as lease:
            started = self.clock()
            self.ledger.begin(run, command, started)
            work = Work(hand=self, run=run, lease=lease)
            try:
                with self.store.exclusive():
                    refusals = self.store.refusals(sorted({ref.context for ref, _ in mailboxes}))
                    if reason := next(iter(refusals.values()), ""):
                        raise HandError(reason, code=Exit.OTHER)
                    for ref, address in mailboxes:
                        self.ledger.acquaint(ref, address, started)
                    self._settle(dict(mailboxes))
                    yield work
                    if self.caches is not None:
                        self.late += self.caches.clear(stale(work.outcomes)).problems
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

    def _settle(self, mailboxes: Mapping[MailboxRef, str]) -> None:
        """Note what became of changes of these mailboxes whose run died; no run looks after one without a mapping."""
        left = [entry for entry in self.ledger.unsettled() if entry.mailbox in mailboxes]
        there: dict[tuple[MailboxRef, int], list[Observed]] = {}
        for ref in {entry.mailbox for entry in left}:
            for one in stored(self.store, mailbox_of(ref.context, mailboxes[ref]), None):
                there.setdefault((ref, one.user), []).append(one)
        if left:
            self.ledger.settle(became(left, there))


class Work:
    """The writing of one command, while lease and lock are held."""

    def __init__(self, *, hand: Hand, run: str, lease: Lease) -> None:
        self._hand, self.run, self._lease = hand, run, lease
        self.outcomes: list[Outcome] = []
        self.errors: list[str] = []

    def written(
        self,
        mailbox: Mailbox,
        changes: Sequence[Change],
        *,
        skipped: Sequence[int] = (),
        refused: Mapping[int, str] | None = None,
        claims: bool = False,
    ) -> Done:
        """Create or delete accounts; with `claims` new ones become ours."""
        hand, claimed = self._hand, self._claimed(mailbox, changes)
        writer = Writer(
            store=hand.store,
            ledger=hand.ledger,
            run=self.run,
            clock=hand.clock,
            progress=lambda _done, _all: self._lease.renew(),
            claims=claims,
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
        hand.ledger.intend(self.run, batch, hand.clock(), intents)
        written = store.edit(context, [Edit(*place, mailbox.key, change) for place in places])
        hand.ledger.conclude(batch, {(mailbox.ref, *one[:2]): one.error for one in written if one.error is not None})
        self.outcomes += [_outcome(one, got) for one, got in zip(changes, written, strict=True)]

    def _claimed(self, mailbox: Mailbox, changes: Sequence[Change]) -> set[int]:
        """Give the users whose account a mapping keeps, before it is changed; a delete ends what a pin alone kept."""
        claims = self._hand.ledger.claims().get(mailbox.ref, {})
        ours = {one.user: one for one in changes if one.user in claims and claims[one.user].account == one.account}
        return {
            user for user, one in ours.items() if one.op is not Op.DELETE or not claims[user].member.startswith(PINNED)
        }

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


def _outcome(change: Change, written: Written) -> Outcome:
    result = "applied" if written.error is None else "failed"
    return Outcome(change=change, result=result, account=written.account, error=written.error)  # type: ignore[arg-type]


def _told(change: AccountChange) -> dict[str, object]:
    """Give what an update sets, for the journal, which has no passwords: only which ones were set."""
    told: dict[str, object] = {"name": change.name, "personal": change.personal, "replyTo": change.reply_to}
    for part, server in (("mail", change.mail), ("transport", change.transport)):
        names = ("host", "port", "protocol", "secure", "starttls")
        told |= {f"{part}_{name}": getattr(server, name) for name in names}
        told["login" if part == "mail" else "transport_login"] = server.login
    passwords = [part for part, server in (("mail", change.mail), ("transport", change.transport)) if server.password]
    told["passwords"] = " and ".join(passwords) or None
    told |= {f"{kind}_fullname": name for kind, name in change.folders.items()}
    return {name: value for name, value in told.items() if value is not None}
