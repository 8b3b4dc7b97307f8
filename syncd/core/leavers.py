"""What becomes of accounts of users who should not have the mailbox: the half of the plan that takes away.

For a user who **should not** have it:

| stored                               | claim            | outcome                                                    |
|--------------------------------------|------------------|------------------------------------------------------------|
| account with the claim's id          | held or pending  | delete, if the removal has a positive reason; else withheld|
| nothing of ours                      | held             | the claim ends if its removal has a reason; else it stays  |
| nothing of ours                      | pending          | the claim ends                                             |
| secondary account, unclaimed         | none or ended    | `extra: leave`: nothing; `remove`: delete, or withheld     |
| secondary account, unclaimed         | kept             | `extra: leave`: nothing; `remove`: withheld                |

A removal has a positive reason when the member was read as excluded or disabled, or when every including source was
read to the end and the member is not there. A member who is there without being identified, or listed without an entry,
withholds it; so does one who is another user now only because an earlier rule found no value. A claim whose user is
gone from Open-Xchange ends quietly, unless so many are that it looks like another database (the guard's `vanished`); if
an account was left behind there, it is withheld.

What is certain still waits: for another complete read where the directory's server is another one (rule 7), and for the
mailbox's grace, while not enough complete reads over enough time agreed on it. A user whom a person keeps out does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncd.core.changes import Notice, Op
from syncd.core.draft import INCLUSION_UNKNOWN, Draft, collation_only
from syncd.core.listed import PINNED
from syncd.core.model import Claim, Observed

ENDED = "what a person gave by hand has ended"
GONE = "its user is not in Open-Xchange any more, yet the account is"


def leave(draft: Draft, claim: Claim, found: Sequence[Observed]) -> None:
    """Decide about a claim of a user who should not have the mailbox, given what is stored for him."""
    ours = next((account for account in found if account.id == claim.account and account.secondary), None)
    gone = claim.user not in draft.users.ids
    if ours is None:
        if claim.held and not gone:
            draft.missing += 1
        elif claim.held and draft.users.exists:
            draft.gone += 1
        if not claim.held or gone or _reason(draft, claim)[0]:
            draft.forgotten.append(claim.user)
        return
    if not claim.held:
        draft.recovered.append(claim._replace(held=True))
    certain, reason = _reason(draft, claim)
    if gone:
        certain, reason = False, GONE
    if not draft.same(ours):
        certain, reason = False, collation_only(ours)
    if certain:
        draft.remove(ours, claim.login, reason, claim)
    else:
        draft.withhold(claim.user, claim.login, claim.dn, Op.DELETE, reason, claim.account)


def _reason(draft: Draft, claim: Claim) -> tuple[bool, str]:
    """Tell whether the removal of a claimed account has a positive reason, and the reason for or against it."""
    desired = draft.desired
    if (out := desired.taken_out(claim)) is not None:
        return True, out
    if (there := desired.member_is_there(claim)) is not None:
        return False, there
    if not desired.includes_complete:
        return False, INCLUSION_UNKNOWN
    if not desired.mailbox.sources:
        return True, "its mailbox is retired"
    user = desired.user_of(claim.member)
    moved = user is not None and user != claim.user
    if moved and (doubt := desired.doubtful(claim.member)) is not None:
        return False, f"the member seems to be user {user} now, but {doubt}"
    ended = ENDED if claim.member.startswith(PINNED) else "no longer a member"
    return True, f"the member is user {user} now" if moved else ended


def extras(draft: Draft, stored: Mapping[int, Observed], several: Mapping[int, list[Observed]]) -> None:
    """Plan the removal of unclaimed secondary accounts of users who should not have the mailbox."""
    desired = draft.desired
    ending = draft.absent.union(draft.forgotten)
    for user in stored.keys() - desired.accounts.keys():
        claim = draft.claims.get(user)
        for account in several.get(user) or [stored[user]]:
            if not account.secondary or account.id == 0 or (claim is not None and claim.account == account.id):
                continue
            login = draft.users.logins.get(user, "")
            if not draft.same(account):
                draft.conflicts.append(Notice(user, login, "", Op.DELETE, collation_only(account), account.id))
            elif user in desired.pins and not draft.kept_out(user):
                draft.withhold(user, login, "", Op.DELETE, GONE, account.id)
            elif not desired.includes_complete:
                draft.withhold(user, login, "", Op.DELETE, INCLUSION_UNKNOWN, account.id)
            elif desired.unresolved:
                reason = "a member without an unambiguous user might be this one"
                draft.withhold(user, login, "", Op.DELETE, reason, account.id)
            elif login and login.casefold() in desired.listed:
                reason = "a member of this name is still listed, but the entry was not found"
                draft.withhold(user, login, "", Op.DELETE, reason, account.id)
            elif draft.wait_of(user) is None and claim is not None and user not in ending:
                # the ledger ends a user's claim with a delete: it would lose the one that has to stay
                reason = "another account of this user is claimed and kept"
                draft.withhold(user, login, "", Op.DELETE, reason, account.id)
            else:
                draft.extras += draft.remove(account, login, "an extra account: `extra: remove`")
