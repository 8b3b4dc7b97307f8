"""What to change: desired × observed × claimed × known for certain × policy, by one pure function.

For a user who **should** have the mailbox (first row that fits):

| stored for this user and address     | claim            | outcome                                                    |
|--------------------------------------|------------------|------------------------------------------------------------|
| any, equal by collation only         | any              | conflict: never ours                                       |
| the user's own or primary account    | any              | conflict: never touched                                    |
| account with the claim's id          | held             | unchanged, or update where a kept field differs            |
| account with the claim's id          | pending          | recovered: held from now on; then as above                 |
| account with another id              | any              | `existing: adopt`: adopted (and update); `leave`: conflict |
| two accounts, one ours               | held             | as ours, and a conflict for the other                      |
| nothing                              | any              | create                                                     |

Creates and adoptions are withheld while an excluding source was not read to the end; where one lists somebody of the
member's name without an entry; and where the member has a claim for another user and is taken for this one only because
an earlier rule found no value in its entry.

Who should not have it is in `leavers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from syncd.core.accounts import drifted, repaired, wanted
from syncd.core.address import letters
from syncd.core.changes import Adoption, MailboxPlan, Notice, Op
from syncd.core.desire import Desired
from syncd.core.draft import EXCLUSION_UNKNOWN, Draft, Primaries, collation_only
from syncd.core.leavers import extras, leave
from syncd.core.limits import Absence
from syncd.core.listed import PINNED
from syncd.core.model import Claim, Fields, Observed, Users
from syncd.core.reads import Member

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for now where time decides nothing."""


def plan(
    desired: Desired,
    observed: Iterable[Observed],
    claims: Mapping[int, Claim],
    users: Users,
    primaries: Primaries | None = None,
    *,
    wait: str | None = None,
    absences: Mapping[int, Absence] | None = None,
    now: datetime = EPOCH,
) -> MailboxPlan:
    """Compare the three sets for one mailbox.

    Args:
        desired: who should have it.
        observed: the stored accounts of all users at this address (by collation), the users' own ones too.
        claims: what we own, by user.
        users: OX users of the context; the users of all claims must have been asked for by id.
        primaries: account 0 by (context, user), to report drift of accounts copied from it.
        wait: why removals wait for another complete read (rule 7); None = they do not.
        absences: whose removal earlier reads agreed to, by user.
        now: the time of this read, by which the mailbox's grace counts.
    """
    draft = Draft(
        desired=desired,
        claims=claims,
        users=users,
        primaries=primaries or {},
        wait=wait,
        absences=absences or {},
        now=now,
        folded=letters(desired.mailbox.address),
    )
    mailbox = draft.desired.mailbox
    right = wanted(mailbox.account)
    stored: dict[int, Observed] = {}
    several: dict[int, list[Observed]] = {}
    leavers = [claim for user, claim in draft.claims.items() if user not in draft.desired.accounts]
    there = (claim for claim in leavers if claim.held and claim.user in draft.users.ids)
    draft.former.update((claim.member, claim) for claim in there if draft.desired.taken_out(claim) is None)
    count = 0
    for account in observed:
        count += account.secondary
        if stored.setdefault(account.user, account) is not account:
            several.setdefault(account.user, [stored[account.user]]).append(account)
    for user, member in draft.desired.accounts.items():
        seen = stored.get(user)
        claim = draft.claims.get(user)
        if (
            claim is not None
            and claim.held
            and seen is not None
            and seen.id == claim.account
            and seen.secondary
            and seen.fields == right
            and seen.password is not False
            and user not in several
            and (seen.address == mailbox.address or draft.same(seen))
        ):
            draft.unchanged += 1  # nearly everybody in nearly every run
            _refresh(draft, member, claim, seen)
            continue
        _should_have(draft, user, member, several.get(user) or stored.get(user), claim, right)
    for claim in leavers:
        found = several.get(claim.user) or ([stored[claim.user]] if claim.user in stored else [])
        leave(draft, claim, found)
    if mailbox.extra == "remove":
        extras(draft, stored, several)
    else:
        others = stored.keys() - draft.desired.accounts.keys() - draft.claims.keys()
        draft.others = sum(stored[user].secondary for user in others)
    return draft.plan(count)


def _should_have(
    draft: Draft, user: int, member: Member, found: Observed | list[Observed] | None, claim: Claim | None, right: Fields
) -> None:
    accounts = [] if found is None else found if isinstance(found, list) else [found]
    ours = next((a for a in accounts if claim is not None and a.id == claim.account and a.secondary), None)
    others = [a for a in accounts if a is not ours]
    problem = _in_the_way(draft, accounts, others, owned=ours is not None)
    if problem:
        _conflict(draft, user, member, problem)
        if ours is None:
            _end(draft, claim)
            return
        if not draft.same(ours):
            return
    if ours is not None and claim is not None:
        if not claim.held:
            draft.recovered.append(claim._replace(held=True))
        _keep(draft, member, ours, right)
        _refresh(draft, member, claim, ours)
    elif accounts:
        _adopt(draft, user, member, accounts[0], right)
    else:
        draft.missing += claim is not None and claim.held
        _create(draft, user, member, right)


def _keep(draft: Draft, member: Member, account: Observed, right: Fields) -> None:
    mailbox = draft.desired.mailbox
    fields = repaired(mailbox.account, account.fields, right)
    if (failing := account.fields.failing) is not None:
        login = draft.desired.login(account.user)
        draft.failing.append(f"{login} ({account.user}): failed logins: {failing}")
    primary = draft.primaries.get((mailbox.context, account.user)) if mailbox.account.primary else None
    if primary is not None and drifted(account.fields, primary):
        reason = "its servers are not those of the user's primary account, which are copied at creation only"
        draft.drift.append(Notice(account.user, draft.desired.login(account.user), member.dn, "", reason, account.id))
    if fields == account.fields and account.password is not False:
        draft.unchanged += 1
        return
    draft.change(Op.UPDATE, account.user, member, account=account, new=fields)


def _adopt(draft: Draft, user: int, member: Member, account: Observed, right: Fields) -> None:
    if (reason := _uncertain(draft, user, member)) is not None:
        draft.withhold(user, draft.desired.login(user), member.dn, "adopt", reason, account.id)
        return
    draft.adopted.append(
        Adoption(user, draft.desired.login(user), account.id, member.id, member.dn, member.path, account.seal)
    )
    _keep(draft, member, account, right)


def _create(draft: Draft, user: int, member: Member, right: Fields) -> None:
    if (reason := _uncertain(draft, user, member)) is not None:
        draft.withhold(user, draft.desired.login(user), member.dn, Op.CREATE, reason)
        return
    draft.change(Op.CREATE, user, member, account=None, new=right)


def _uncertain(draft: Draft, user: int, member: Member) -> str | None:
    """Say why an account may not be given to a user now; None = it may."""
    if user in draft.desired.pins:  # a person gave it
        return None
    if not draft.desired.excludes_complete:
        return EXCLUSION_UNKNOWN
    if (barred := draft.desired.maybe_barred(user, member)) is not None:
        return barred
    former = draft.former.get(member.id)
    if former is None or (doubt := draft.desired.doubtful(member.id)) is None:
        return None
    return f"the member was user {former.user} ({former.login}) before, and {doubt}"


def _refresh(draft: Draft, member: Member, claim: Claim, account: Observed) -> None:
    """Note the member's present id, DN and login, and a newly verified password, where they differ."""
    login = draft.desired.login(claim.user)
    if draft.desired.replaced(claim, member):
        text = f"{member.dn} is a new entry ({member.id}, before {claim.member}) for user {claim.user} ({login})"
        draft.replaced.append(text)
    id_, dn = member.id, member.dn
    if claim.member and id_.startswith(PINNED):
        id_, dn = claim.member, claim.dn  # the entry may be there unread: it protects the account when the pin ends
    if claim.member != id_ or claim.dn != dn or claim.login != login or account.seal is not None:
        seal = account.seal if account.seal is not None else claim.seal
        draft.refreshed.append(claim._replace(held=True, member=id_, dn=dn, login=login, seal=seal))


def _conflict(draft: Draft, user: int, member: Member, problem: tuple[str, int]) -> None:
    reason, account = problem
    draft.conflicts.append(Notice(user, draft.desired.login(user), member.dn, Op.CREATE, reason, account))


def _end(draft: Draft, claim: Claim | None) -> None:
    if claim is not None:
        draft.forgotten.append(claim.user)


def _in_the_way(
    draft: Draft, accounts: list[Observed], others: list[Observed], *, owned: bool
) -> tuple[str, int] | None:
    """Say what stands in the place of an account, with its account id; None = nothing."""
    for account in accounts:
        if not draft.same(account):
            return collation_only(account), account.id
    for account in others:
        if account.id == 0:
            return "it is the address of the user's primary account", 0
        if not account.secondary:
            return "the user has an own account with this address", account.id
    if len(others) > 1 or (owned and others):
        return "there are several accounts with this address", others[-1].id
    if others and draft.desired.mailbox.existing == "leave":
        return "an account with this address exists and is not ours (existing: leave)", others[0].id
    return None
