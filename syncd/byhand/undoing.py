"""The inverse of what was done, as the journal tells it: `syncd undo`, apart from its words.

| applied | its inverse                             | nothing to do when | refused when                            |
|---------|-----------------------------------------|--------------------|-----------------------------------------|
| create  | the account is deleted                  | it is gone         | the next run would make it again (*)    |
| delete  | an account as the journal has it, with  | the user has one   | the next run would remove it again (*); |
|         | the mapping's passwords                 | again              | something else is in its place          |
| update  | the values before are written back      | the account is gone| the configuration enforces one of them  |
| adopt   | the claim ends, the account stays       | it has ended       | the next run would adopt it again       |

(*) unless it is pinned: the user is kept, or kept out, in spite of the mapping's sources. What a person decided (pins,
approvals, pauses) has commands of its own. A new account gets a new id: Open-Xchange never gives one twice.

The inverse goes through the same guard as a run and is written as all that persons do; who should have a mailbox is
asked of the planner first. Done twice there is nothing to do the second time, so it can be repeated after a crash.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from syncd.byhand.asking import is_ours, mailbox_of
from syncd.byhand.reverting import NotRevertedError, account_of, back, enforced
from syncd.byhand.work import Done, Hand
from syncd.core.accounts import wanted
from syncd.core.changes import Approval, Change, Judgement, MailboxPlan, Op
from syncd.core.guard import judge
from syncd.core.limits import Ceilings
from syncd.core.listed import pinned
from syncd.core.model import Account, Claim, Mailbox, MailboxRef, Observed, Pin
from syncd.core.reads import Member
from syncd.ledger.values import Entry
from syncd.openxchange.edit import AccountChange, EditsAccounts

OPS = frozenset({"create", "delete", "update", "adopt"})
"""What has an inverse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How things stand with one mailbox now."""

    mailbox: Mailbox
    mapped: bool
    """Whether a run looks after it."""
    stored: Mapping[int, Sequence[Observed]]
    """Accounts with its address by user, private ones included."""
    desired: Mapping[int, Member]
    """Who should have it, by user; of nobody's mailbox empty."""
    claims: Mapping[int, Claim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The inverse of one entry of the journal."""

    entry: Entry
    change: Change | None = None
    """None = the claim ends, or there is nothing to do."""
    account: Account | None = None
    """What a new account is like."""
    edit: AccountChange | None = None
    """What is written back."""
    pin: bool | None = None
    """True = the user is to be kept, False = kept out, so that it lasts; None = it lasts anyway."""
    idle: str = ""
    """Why there is nothing to do."""
    refused: str = ""
    """Why it cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What an undo would do, mailbox by mailbox."""

    steps: tuple[Step, ...]
    judgements: tuple[Judgement, ...]

    @property
    def refused(self) -> tuple[Step, ...]:
        """Those that cannot be done; then nothing is."""
        return tuple(step for step in self.steps if step.refused)

    @property
    def held(self) -> tuple[Judgement, ...]:
        """Mailboxes where a limit objects; then nothing is done either."""
        return tuple(one for one in self.judgements if one.held)


def prepare(
    hand: Hand,
    entries: Iterable[Entry],
    standings: Mapping[MailboxRef, Standing],
    *,
    pinning: bool,
    approved: Sequence[str] = (),
    ceilings: Ceilings,
) -> Undoing:
    """Plan the inverse of entries, and let the guard object.

    Args:
        hand: who asks.
        entries: of the journal; those that were not applied, or have no inverse, are left out.
        standings: of their mailboxes.
        pinning: whether users may be pinned.
        approved: digests that the person has seen.
        ceilings: what mailboxes together may change.
    """
    chosen = [entry for entry in entries if entry.op in OPS and entry.result == "applied" and entry.ref is not None]
    often = Counter((entry.ref, entry.user) for entry in chosen)
    steps = []
    for entry in chosen:
        if entry.ref is None:
            continue
        if often[entry.ref, entry.user] > 1:
            why = "this account was changed several times by it: undo one change by its number"
            steps.append(Step(entry=entry, refused=why))
        else:
            steps.append(_pinned(_step(hand, entry, standings[entry.ref]), pinning=pinning))
    return Undoing(steps=tuple(steps), judgements=_judged(hand, steps, standings, approved, ceilings))


def undo(hand: Hand, undoing: Undoing, standings: Mapping[MailboxRef, Standing]) -> Done:
    """Do what was prepared; call it when nothing is refused or held.

    Raises:
        HandError, StoreError, LedgerError: nothing, or not all, could be done; the message says which.
    """
    by_mailbox: dict[MailboxRef, list[Step]] = defaultdict(list)
    for step in undoing.steps:
        if step.entry.ref is not None and not step.idle:
            by_mailbox[step.entry.ref].append(step)
    done: list[Done] = []
    for ref, steps in by_mailbox.items():
        mailbox = standings[ref].mailbox
        with hand.writing("undo", mailbox) as work:
            pins = [Pin(one.entry.user, one.pin, None, hand.who) for one in steps if one.pin is not None]
            if pins:
                hand.ledger.pin(ref, pins, hand.clock())
            released = [one.entry.user for one in steps if one.change is None]
            hand.ledger.forget(work.run, hand.clock(), ref, released)
            removals = [one.change for one in steps if one.change is not None and one.change.op is Op.DELETE]
            done.append(work.written(mailbox, removals))
            for edit, some in _alike((one.edit, one.change) for one in steps):
                if isinstance(hand.store, EditsAccounts):
                    done.append(work.edited(hand.store, mailbox, some, edit))
            for account, some in _alike((one.account, one.change) for one in steps):
                done.append(work.written(replace(mailbox, account=account), some, claims=standings[ref].mapped))
    return Done(
        applied=tuple(dict.fromkeys(user for one in done for user in one.applied)),
        refused={user: why for one in done for user, why in (one.refused or {}).items()},
        errors=tuple(dict.fromkeys(text for one in done for text in one.errors)),
    )


def _alike(pairs: Iterable[tuple[Any, Change | None]]) -> list[tuple[Any, list[Change]]]:
    """Group changes by what is written with them; those without are left out."""
    groups: list[tuple[Any, list[Change]]] = []
    for what, change in pairs:
        if what is None or change is None:
            continue
        for known, some in groups:
            if known == what:
                some.append(change)
                break
        else:
            groups.append((what, [change]))
    return groups


# --------------------------------------------------------------------------- one step


def _step(hand: Hand, entry: Entry, standing: Standing) -> Step:
    here = [one for one in standing.stored.get(entry.user, ()) if is_ours(one, standing.mailbox.address)]
    if entry.op == "delete":
        return _given_back(hand, entry, standing, here)
    same = next((one for one in here if one.id == entry.account), None)
    if same is None:
        return Step(entry=entry, idle="the account is not there any more")
    if entry.op == "adopt":
        return _let_go(entry, standing)
    return _taken(hand, entry, standing, same) if entry.op == "create" else _written_back(hand, entry, standing, same)


def _taken(hand: Hand, entry: Entry, standing: Standing, account: Observed) -> Step:
    change = hand.change(Op.DELETE, standing.mailbox, entry.user, entry.login, account.id)
    change = replace(change, old=account.fields, reason=f"undo of change {entry.seq}")
    return Step(entry=entry, change=change, pin=False if entry.user in standing.desired else None)


def _let_go(entry: Entry, standing: Standing) -> Step:
    if entry.user not in standing.claims:
        return Step(entry=entry, idle="it is not ours any more")
    if entry.user in standing.desired and standing.mailbox.existing == "adopt":
        return Step(entry=entry, refused="the next run would adopt it again: the mapping says `existing: adopt`")
    return Step(entry=entry)


def _given_back(hand: Hand, entry: Entry, standing: Standing, here: Sequence[Observed]) -> Step:
    mailbox, user = standing.mailbox, entry.user
    if here:
        return Step(entry=entry, idle="the user has an account of this mailbox again")
    if standing.stored.get(user):
        return Step(entry=entry, refused="the user has another account with this address now")
    try:
        account = account_of(entry.old, mailbox.account if standing.mapped else None)
    except NotRevertedError as error:
        return Step(entry=entry, refused=str(error))
    member = standing.desired.get(user) or pinned(Pin(user, True, None, hand.who))
    change = replace(
        hand.change(Op.CREATE, mailbox, user, entry.login, None, new=wanted(account)),
        member=member.id,
        dn=member.dn,
        password=account.password is not None or account.transport_password is not None,
        reason=f"undo of change {entry.seq}",
    )
    lasting = user in standing.desired or not standing.mapped
    return Step(entry=entry, change=change, account=account, pin=None if lasting else True)


def _written_back(hand: Hand, entry: Entry, standing: Standing, account: Observed) -> Step:
    mailbox = standing.mailbox
    if not isinstance(hand.store, EditsAccounts):
        return Step(entry=entry, refused="single values cannot be written this way yet")
    claimed = entry.user in standing.claims
    if standing.mapped and claimed and (keys := enforced(entry.new or {}, mailbox.account.policy)):
        told = ", ".join(f"fields.{key}" for key in keys)
        return Step(
            entry=entry,
            refused=f"the configuration enforces it, so the next run would write it again: change the mapping ({told})",
        )
    try:
        edit = back(entry.old, entry.new or {})
    except NotRevertedError as error:
        return Step(entry=entry, refused=str(error))
    change = replace(
        hand.change(Op.UPDATE, mailbox, entry.user, entry.login, account.id), reason=f"undo of change {entry.seq}"
    )
    return Step(entry=entry, change=change, edit=edit)


def _pinned(step: Step, *, pinning: bool) -> Step:
    """Refuse what would not last."""
    if step.pin is None or pinning:
        return step
    if step.pin:
        why = "the next run would remove it again, since no source names the user"
    else:
        why = "the next run would make it again, since a source names the user"
    return replace(step, change=None, refused=f"{why}: add --pin")


# --------------------------------------------------------------------------- all together


def _judged(
    hand: Hand,
    steps: Sequence[Step],
    standings: Mapping[MailboxRef, Standing],
    approved: Sequence[str],
    ceilings: Ceilings,
) -> tuple[Judgement, ...]:
    by_mailbox: dict[MailboxRef, list[Change]] = defaultdict(list)
    for step in steps:
        if step.change is not None and step.entry.ref is not None:
            by_mailbox[step.entry.ref].append(step.change)
    plans = [
        MailboxPlan(
            mailbox=standings[ref].mailbox,
            complete=True,
            claimed=sum(claim.held for claim in standings[ref].claims.values()),
            changes=tuple(changes),
        )
        for ref, changes in by_mailbox.items()
    ]
    given = tuple(Approval(name if name.startswith("sha256:") else f"sha256:{name}") for name in approved)
    windows = hand.ledger.windows(hand.clock() - ceilings.window)
    return judge(plans, windows, dict.fromkeys(by_mailbox, given), ceilings)


def standing_of(
    hand: Hand,
    ref: MailboxRef,
    address: str,
    mapped: Mailbox | None,
    desired: Mapping[int, Member],
    stored: Iterable[Observed],
) -> Standing:
    """Put together how things stand with a mailbox; `mapped` None = no run looks after it."""
    by_user: dict[int, list[Observed]] = defaultdict(list)
    for one in stored:
        by_user[one.user].append(one)
    return Standing(
        mailbox=mapped or mailbox_of(ref.context, address),
        mapped=mapped is not None,
        stored=by_user,
        desired=desired,
        claims=hand.ledger.claims().get(ref, {}),
    )
