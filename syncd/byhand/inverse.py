"""The inverse of single entries of the journal, decided: what is to be done, or why nothing is.

| applied | its inverse                              | nothing to do when   | refused when                             |
|---------|------------------------------------------|----------------------|------------------------------------------|
| create  | the account is deleted                   | it is gone           | a source names the user (*); it is not   |
|         |                                          |                      | ours any more, unless a person made it   |
| delete  | an account as the journal has it, with   | the user has one     | no source names the user (*); something  |
|         | what the mapping enforces, and passwords | again                | else is in its place; the user is gone   |
| update  | the values before are written back       | they are there, or   | the configuration enforces another one;  |
|         |                                          | the account is gone  | somebody changed it since; a password    |
| adopt   | the claim ends, the account stays        | it has ended         | the next run would adopt or remove it    |
| forget  | the account is claimed again             | it is, or it is gone | no source names the user (*)             |

(*) or may do so, since it was not read to its end; unless it is pinned: then the user is kept, or kept out, whatever
the sources say. A pin that says the contrary ends without being asked, as with `account create` and `delete`.
Mailboxes that no mapping has are nobody's: what comes back there is not claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncd.byhand import reverting
from syncd.byhand.asking import is_ours
from syncd.byhand.reverting import NotRevertedError
from syncd.byhand.standing import Standing
from syncd.byhand.work import Hand
from syncd.core.accounts import wanted
from syncd.core.changes import BY_HAND, Adoption, Change, Op
from syncd.core.draft import EXCLUSION_UNKNOWN, INCLUSION_UNKNOWN
from syncd.core.listed import pinned
from syncd.core.model import Account, Observed, Pin
from syncd.core.reads import Member
from syncd.ledger.values import Entry
from syncd.openxchange.edit import AccountChange, EditsAccounts

OPS = frozenset({"create", "delete", "update", "adopt", "forget"})
"""What has an inverse."""
AGAIN = "a source names the user, so the next run would make the account again"
REMOVED = "no source names the user, so the next run would remove the account again"
_TOGETHER = frozenset({"adopt", "update", "forget"})
"""What one run may do to one account so that each is undone by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The inverse of one entry of the journal."""

    entry: Entry
    change: Change | None = None
    account: Account | None = None
    """What a new account is like."""
    edit: AccountChange | None = None
    """What is written back."""
    adoption: Adoption | None = None
    """What becomes ours again."""
    released: bool = False
    """Whether the claim ends and the account stays."""
    pin: bool | None = None
    """True = the user is to be kept, False = kept out, so that it lasts; None = it lasts anyway."""
    unpinned: bool = False
    """Whether what a person said of the user before ends."""
    idle: str = ""
    """Why there is nothing to do."""
    refused: str = ""
    """Why it cannot be done."""

    @property
    def acts(self) -> bool:
        """Whether something is to be done, and can be."""
        return not (self.idle or self.refused)


def reason_of(entry: Entry) -> str:
    """Give what the journal says of why it was undone."""
    return f"undo of change {entry.seq}"


def inverses(hand: Hand, entries: Sequence[Entry], standing: Standing, *, pinning: bool) -> Iterator[Step]:
    """Give the inverse of all entries of a run, or of one, about one user and mailbox.

    Args:
        hand: who asks.
        entries: those that were applied.
        standing: how things stand with the mailbox.
        pinning: whether users may be pinned.
    """
    yield from (_unless_pinned(step, pinning=pinning) for step in _steps(hand, entries, standing))


def _steps(hand: Hand, entries: Sequence[Entry], standing: Standing) -> Iterator[Step]:
    if len(entries) > 1 and not (
        {entry.op for entry in entries} <= _TOGETHER and len({entry.op for entry in entries}) == len(entries)
    ):
        why = "this account was changed several times: undo the changes one by one, the last one first"
        yield from (Step(entry=entry, refused=why) for entry in entries)
        return
    if standing.mailbox.staging:
        yield from (Step(entry=one, refused="its mapping says `mode: staging`: nothing is written") for one in entries)
        return
    inverse: Mapping[str, Callable[[Hand, Entry, Standing], Step]] = {
        "create": _taken,
        "delete": _given_back,
        "adopt": _let_go,
        "forget": _reclaimed,
    }
    leaving = False  # an account that is let go of is nobody's to keep as configured
    for entry in sorted(entries, key=lambda one: one.op == Op.UPDATE):
        if entry.op == Op.UPDATE:
            yield _written_back(hand, entry, standing, leaving=leaving)
            continue
        step = inverse[entry.op](hand, entry, standing)
        leaving = leaving or step.released
        yield step


def _same(entry: Entry, standing: Standing) -> Observed | Step:
    """Find the account of an entry, or say why there is nothing to do or nothing that may be done."""
    found = next((one for one in standing.stored.get(entry.user, ()) if one.id == entry.account), None)
    if found is None:
        return Step(entry=entry, idle="the account is not there any more")
    if not is_ours(found, standing.mailbox.address):
        return Step(entry=entry, refused="it is the user's own account now, or has another address")
    return found


def _theirs(entry: Entry, standing: Standing) -> Step | None:
    """Refuse what a run did to an account that was let go of since (rule 1); what persons did stays theirs to undo."""
    claim = standing.claims.get(entry.user)
    if entry.path[:1] == (BY_HAND,) or (claim is not None and claim.account == entry.account):
        return None
    return Step(entry=entry, refused="the account is not ours any more")


def _taken(hand: Hand, entry: Entry, standing: Standing) -> Step:
    account = _same(entry, standing)
    if isinstance(account, Step):
        return account
    if (theirs := _theirs(entry, standing)) is not None:
        return theirs
    change = hand.change(Op.DELETE, standing.mailbox, entry.user, _login(entry, standing), account.id)
    step = Step(entry=entry, change=replace(change, old=account.fields, reason=reason_of(entry)))
    kept = standing.kept(entry.user)
    if kept is False:
        return step
    if (why := _may_be_named(entry.user, standing)) is not None:
        return replace(step, pin=False, refused=why)
    return replace(step, unpinned=kept is True)


def _may_be_named(user: int, standing: Standing) -> str | None:
    """Say why the next run may give the user an account; None = no source names him."""
    desired = standing.desired
    if desired is None:
        return None
    if user in desired.accounts:
        return AGAIN
    if not desired.includes_complete:
        return f"{INCLUSION_UNKNOWN}, so a source may name the user"
    claim = standing.claims.get(user)
    if claim is not None and (there := desired.member_is_there(claim)) is not None:
        return f"a source may name the user: {there}"
    return None


def _let_go(_hand: Hand, entry: Entry, standing: Standing) -> Step:
    account = _same(entry, standing)
    if isinstance(account, Step):
        return account
    claim, desired = standing.claims.get(entry.user), standing.desired
    if claim is None or claim.account != entry.account:
        return Step(entry=entry, idle="it is not ours any more")
    kept = standing.kept(entry.user)
    if desired is not None and kept is not False:
        named = _may_be_named(entry.user, standing)
        if named is not None and standing.mailbox.existing == "adopt":
            why = "the next run would adopt it again: the mapping says `existing: adopt`"
            return Step(entry=entry, refused=why if named == AGAIN else f"{why}, and {named}")
        if named is None and standing.mailbox.extra == "remove":
            return Step(entry=entry, refused="the next run would remove it: the mapping says `extra: remove`")
    if kept is False and standing.mailbox.extra == "remove":
        return Step(entry=entry, refused="the next run would remove it: the user is kept out")
    return Step(entry=entry, released=True, unpinned=kept is True)


def _reclaimed(hand: Hand, entry: Entry, standing: Standing) -> Step:
    account = _same(entry, standing)
    if isinstance(account, Step):
        return account
    if entry.user in standing.claims:
        return Step(entry=entry, idle="the user has an account of ours")
    if standing.desired is None:
        return Step(entry=entry, refused="no mapping has the mailbox, so nobody would look after it")
    member, login = _member(hand, entry.user, standing), _login(entry, standing)
    adoption = Adoption(entry.user, login, account.id, member.id, member.dn, (BY_HAND, hand.who), None)
    return _lasting(Step(entry=entry, adoption=adoption), standing)


def _given_back(hand: Hand, entry: Entry, standing: Standing) -> Step:
    mailbox, user, stored = standing.mailbox, entry.user, standing.stored.get(entry.user, ())
    if any(is_ours(one, mailbox.address) for one in stored):
        return Step(entry=entry, idle="the user has an account of this mailbox again")
    if stored:
        return Step(entry=entry, refused="the user has another account with this address now")
    if user not in standing.logins:
        return Step(entry=entry, refused="the user is not in Open-Xchange any more")
    try:
        account = reverting.account_of(entry.old, mailbox.account if standing.desired is not None else None)
    except NotRevertedError as error:
        return Step(entry=entry, refused=str(error))
    member = _member(hand, user, standing)
    change = replace(
        hand.change(Op.CREATE, mailbox, user, _login(entry, standing), None, new=wanted(account)),
        member=member.id,
        dn=member.dn,
        password=account.password is not None or account.transport_password is not None,
        reason=reason_of(entry),
    )
    return _lasting(Step(entry=entry, change=change, account=account), standing)


def _member(hand: Hand, user: int, standing: Standing) -> Member:
    return standing.named.get(user) or pinned(Pin(user, True, None, hand.who))


def _lasting(step: Step, standing: Standing) -> Step:
    """Say what an account of ours needs so that the next run leaves it to its user."""
    user, desired = step.entry.user, standing.desired
    kept = standing.kept(user)
    if desired is None or kept is True:
        return step
    if user not in desired.accounts:
        why = REMOVED if desired.includes_complete else f"{INCLUSION_UNKNOWN}, and none that was read names the user"
        return replace(step, pin=True, refused=why)
    if not desired.excludes_complete:
        return replace(step, pin=True, refused=f"{EXCLUSION_UNKNOWN}, so it may exclude the user")
    if (barred := desired.maybe_barred(user, desired.accounts[user])) is not None:
        return replace(step, pin=True, refused=barred)
    return replace(step, unpinned=kept is False)


def _written_back(hand: Hand, entry: Entry, standing: Standing, *, leaving: bool = False) -> Step:
    account = _same(entry, standing)
    if isinstance(account, Step):
        return account
    if (theirs := _theirs(entry, standing)) is not None:
        return theirs
    if not isinstance(hand.store, EditsAccounts):
        return Step(entry=entry, refused="single values cannot be written this way yet")
    try:
        return _edited_back(hand, entry, standing, account, leaving=leaving)
    except NotRevertedError as error:
        return Step(entry=entry, refused=str(error))


def _edited_back(hand: Hand, entry: Entry, standing: Standing, account: Observed, *, leaving: bool) -> Step:
    """Give the step that writes the values of before.

    Raises:
        NotRevertedError: they are not known, or cannot be written.
    """
    mailbox, now = standing.mailbox, standing.rows.get((entry.user, account.id))
    before = reverting.changed(entry.old, entry.new or {})
    if reverting.taken_back(before, now):
        return Step(entry=entry, idle="the values of before are there")
    edit = reverting.back(before)
    ours = entry.user in standing.claims or (entry.user in standing.named and mailbox.existing == "adopt")
    if standing.desired is not None and ours and not leaving:
        keys = reverting.enforced(before, now, mailbox.account)
        if keys:
            told = ", ".join(f"fields.{key}" for key in keys)
            why = f"the configuration enforces it, so the next run would write it again: change the mapping, or {told}"
            return Step(entry=entry, refused=why)
    old, new = reverting.shown(before, now)
    change = hand.change(Op.UPDATE, mailbox, entry.user, _login(entry, standing), account.id, old=old, new=new)
    return Step(entry=entry, change=replace(change, reason=reason_of(entry)), edit=edit)


def _login(entry: Entry, standing: Standing) -> str:
    return standing.logins.get(entry.user) or entry.login


def _unless_pinned(step: Step, *, pinning: bool) -> Step:
    """Let pass what only a pin makes last, where users may be pinned; else leave nothing but the refusal."""
    if step.pin is None:
        return step
    if pinning:
        return replace(step, refused="")
    return Step(entry=step.entry, refused=f"{step.refused}: add --pin")
