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

Creates and adoptions are withheld while an excluding source was not read to the end; and where the member has a claim
for another user and is taken for this one only because an earlier rule found no value in its entry.

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
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from syncd.core.accounts import drifted, repaired, wanted
from syncd.core.address import letters
from syncd.core.changes import Adoption, Change, MailboxPlan, Notice, Op
from syncd.core.desire import Desired, few
from syncd.core.model import Claim, Endpoint, Fields, Observed, Users
from syncd.core.reads import Member

EXCLUSION_UNKNOWN = "an excluding source was not read completely"
INCLUSION_UNKNOWN = "not every source was read completely"
_ORDER = {Op.DELETE: 0, Op.UPDATE: 1, Op.CREATE: 2}
Primaries = Mapping[tuple[int, int], tuple[Endpoint, Endpoint | None]]


def plan(
    desired: Desired,
    observed: Iterable[Observed],
    claims: Mapping[int, Claim],
    users: Users,
    primaries: Primaries | None = None,
    *,
    wait: str | None = None,
) -> MailboxPlan:
    """Compare the three sets for one mailbox.

    Args:
        desired: who should have it.
        observed: the stored accounts of all users at this address (by collation), the users' own ones too.
        claims: what we own, by user.
        users: OX users of the context; the users of all claims must have been asked for by id.
        primaries: account 0 by (context, user), to report drift of accounts copied from it.
        wait: why removals wait for another complete read (rule 7); None = they do not.
    """
    folded = letters(desired.mailbox.address)
    return _Comparison(desired, claims, users, primaries or {}, wait, folded).run(observed)


@dataclass(slots=True)
class _Comparison:
    """The state of one comparison; its methods are the rows of the table above."""

    desired: Desired
    claims: Mapping[int, Claim]
    users: Users
    primaries: Primaries
    wait: str | None
    folded: str
    unchanged: int = 0
    missing: int = 0
    gone: int = 0
    extras: int = 0
    others: int = 0
    changes: list[Change] = field(default_factory=list)
    adopted: list[Adoption] = field(default_factory=list)
    withheld: list[Notice] = field(default_factory=list)
    waiting: list[Notice] = field(default_factory=list)
    conflicts: list[Notice] = field(default_factory=list)
    drift: list[Notice] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    recovered: list[Claim] = field(default_factory=list)
    refreshed: list[Claim] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    former: dict[str, Claim] = field(default_factory=dict)  # by member; of users who are there and not excluded

    def run(self, observed: Iterable[Observed]) -> MailboxPlan:
        mailbox = self.desired.mailbox
        right = wanted(mailbox.account)
        stored: dict[int, Observed] = {}
        several: dict[int, list[Observed]] = {}
        leavers = [claim for user, claim in self.claims.items() if user not in self.desired.accounts]
        there = (claim for claim in leavers if claim.held and claim.user in self.users.ids)
        self.former.update((claim.member, claim) for claim in there if self.desired.taken_out(claim) is None)
        count = 0
        for account in observed:
            count += account.secondary
            if stored.setdefault(account.user, account) is not account:
                several.setdefault(account.user, [stored[account.user]]).append(account)
        for user, member in self.desired.accounts.items():
            seen = stored.get(user)
            claim = self.claims.get(user)
            if (
                claim is not None
                and claim.held
                and seen is not None
                and seen.id == claim.account
                and seen.secondary
                and seen.fields == right
                and seen.password is not False
                and user not in several
                and (seen.address == mailbox.address or self._same(seen))
            ):
                self.unchanged += 1  # nearly everybody in nearly every run
                self._refresh(member, claim, seen)
                continue
            self._should_have(user, member, several.get(user) or stored.get(user), claim, right)
        for claim in leavers:
            found = several.get(claim.user) or ([stored[claim.user]] if claim.user in stored else [])
            self._should_not_have(claim, found)
        if mailbox.extra == "remove":
            self._extras(stored, several)
        else:
            others = stored.keys() - self.desired.accounts.keys() - self.claims.keys()
            self.others = sum(stored[user].secondary for user in others)
        return self._result(count)

    # ------------------------------------------------------------------ users who should have the mailbox

    def _should_have(
        self, user: int, member: Member, found: Observed | list[Observed] | None, claim: Claim | None, right: Fields
    ) -> None:
        accounts = [] if found is None else found if isinstance(found, list) else [found]
        ours = next((a for a in accounts if claim is not None and a.id == claim.account and a.secondary), None)
        others = [a for a in accounts if a is not ours]
        problem = self._in_the_way(accounts, others, owned=ours is not None)
        if problem:
            self._conflict(user, member, problem)
            if ours is None:
                self._end(claim)
                return
            if not self._same(ours):
                return
        if ours is not None and claim is not None:
            if not claim.held:
                self.recovered.append(claim._replace(held=True))
            self._keep(member, ours, right)
            self._refresh(member, claim, ours)
        elif accounts:
            self._adopt(user, member, accounts[0], right)
        else:
            self.missing += claim is not None and claim.held
            self._create(user, member, right)

    def _keep(self, member: Member, account: Observed, right: Fields) -> None:
        mailbox = self.desired.mailbox
        fields = repaired(mailbox.account, account.fields, right)
        if (failing := account.fields.failing) is not None:
            login = self.desired.login(account.user)
            self.failing.append(f"{login} ({account.user}): failed logins: {failing}")
        primary = self.primaries.get((mailbox.context, account.user)) if mailbox.account.primary else None
        if primary is not None and drifted(account.fields, primary):
            reason = "its servers are not those of the user's primary account, which are copied at creation only"
            self.drift.append(Notice(account.user, self.desired.login(account.user), member.dn, "", reason, account.id))
        if fields == account.fields and account.password is not False:
            self.unchanged += 1
            return
        self.changes.append(self._change(Op.UPDATE, account.user, member, account=account, new=fields))

    def _adopt(self, user: int, member: Member, account: Observed, right: Fields) -> None:
        if (reason := self._uncertain(member)) is not None:
            self._withhold(user, self.desired.login(user), member.dn, "adopt", reason, account.id)
            return
        self.adopted.append(
            Adoption(user, self.desired.login(user), account.id, member.id, member.dn, member.path, account.seal)
        )
        self._keep(member, account, right)

    def _create(self, user: int, member: Member, right: Fields) -> None:
        if (reason := self._uncertain(member)) is not None:
            self._withhold(user, self.desired.login(user), member.dn, Op.CREATE, reason)
            return
        self.changes.append(self._change(Op.CREATE, user, member, account=None, new=right))

    def _uncertain(self, member: Member) -> str | None:
        """Say why an account may not be given to a user now; None = it may."""
        if not self.desired.excludes_complete:
            return EXCLUSION_UNKNOWN
        former = self.former.get(member.id)
        if former is None or (doubt := self.desired.doubtful(member.id)) is None:
            return None
        return f"the member was user {former.user} ({former.login}) before, and {doubt}"

    def _refresh(self, member: Member, claim: Claim, account: Observed) -> None:
        """Note the member's present id, DN and login, and a newly verified password, where they differ."""
        login = self.desired.login(claim.user)
        if self.desired.replaced(claim, member):
            text = f"{member.dn} is a new entry ({member.id}, before {claim.member}) for user {claim.user} ({login})"
            self.replaced.append(text)
        if claim.member != member.id or claim.dn != member.dn or claim.login != login or account.seal is not None:
            seal = account.seal if account.seal is not None else claim.seal
            self.refreshed.append(claim._replace(held=True, member=member.id, dn=member.dn, login=login, seal=seal))

    def _conflict(self, user: int, member: Member, problem: tuple[str, int]) -> None:
        reason, account = problem
        self.conflicts.append(Notice(user, self.desired.login(user), member.dn, Op.CREATE, reason, account))

    def _end(self, claim: Claim | None) -> None:
        if claim is not None:
            self.forgotten.append(claim.user)

    # ------------------------------------------------------------------ users who should not

    def _should_not_have(self, claim: Claim, found: list[Observed]) -> None:
        ours = next((account for account in found if account.id == claim.account and account.secondary), None)
        gone = claim.user not in self.users.ids
        if ours is None:
            if claim.held and not gone:
                self.missing += 1
            elif claim.held and self.users.exists:
                self.gone += 1
            if not claim.held or gone or self._removal_reason(claim)[0]:
                self.forgotten.append(claim.user)
            return
        if not claim.held:
            self.recovered.append(claim._replace(held=True))
        certain, reason = self._removal_reason(claim)
        if gone:
            certain, reason = False, "its user is not in Open-Xchange any more, yet the account is"
        if not self._same(ours):
            certain, reason = False, _collation_only(ours)
        if not certain:
            self._withhold(claim.user, claim.login, claim.dn, Op.DELETE, reason, claim.account)
        elif self.wait is not None:
            self.waiting.append(Notice(claim.user, claim.login, claim.dn, Op.DELETE, self.wait, claim.account))
        else:
            self.changes.append(self._removal(ours, claim.login, claim.member, claim.dn, reason))

    def _removal_reason(self, claim: Claim) -> tuple[bool, str]:
        """Tell whether the removal of a claimed account has a positive reason, and the reason for or against it."""
        desired = self.desired
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
        return True, f"the member is user {user} now" if moved else "no longer a member"

    def _extras(self, stored: Mapping[int, Observed], several: Mapping[int, list[Observed]]) -> None:
        """Plan the removal of unclaimed secondary accounts of users who should not have the mailbox."""
        ending = {*self.forgotten, *(change.user for change in self.changes if change.op is Op.DELETE)}
        listed = self.desired.listed
        for user in stored.keys() - self.desired.accounts.keys():
            claim = self.claims.get(user)
            for account in several.get(user) or [stored[user]]:
                if not account.secondary or account.id == 0 or (claim is not None and claim.account == account.id):
                    continue
                login = self.users.logins.get(user, "")
                if not self._same(account):
                    reason = _collation_only(account)
                    self.conflicts.append(Notice(user, login, "", Op.DELETE, reason, account.id))
                elif not self.desired.includes_complete:
                    self._withhold(user, login, "", Op.DELETE, INCLUSION_UNKNOWN, account.id)
                elif self.desired.unresolved:
                    reason = "a member without an unambiguous user might be this one"
                    self._withhold(user, login, "", Op.DELETE, reason, account.id)
                elif login and login.casefold() in listed:
                    reason = "a member of this name is still listed, but the entry was not found"
                    self._withhold(user, login, "", Op.DELETE, reason, account.id)
                elif self.wait is not None:
                    self.waiting.append(Notice(user, login, "", Op.DELETE, self.wait, account.id))
                elif claim is not None and user not in ending:
                    # the ledger ends a user's claim with a delete: it would lose the one that has to stay
                    reason = "another account of this user is claimed and kept"
                    self._withhold(user, login, "", Op.DELETE, reason, account.id)
                else:
                    self.extras += 1
                    self.changes.append(self._removal(account, login, "", "", "an extra account: `extra: remove`"))

    # ------------------------------------------------------------------ parts

    def _same(self, account: Observed) -> bool:
        """Tell whether an address is the mailbox's by letters, not only by the database's collation."""
        return account.address == self.desired.mailbox.address or letters(account.address) == self.folded

    def _in_the_way(self, accounts: list[Observed], others: list[Observed], *, owned: bool) -> tuple[str, int] | None:
        """Say what stands in the place of an account, with its account id; None = nothing."""
        for account in accounts:
            if not self._same(account):
                return _collation_only(account), account.id
        for account in others:
            if account.id == 0:
                return "it is the address of the user's primary account", 0
            if not account.secondary:
                return "the user has an own account with this address", account.id
        if len(others) > 1 or (owned and others):
            return "there are several accounts with this address", others[-1].id
        if others and self.desired.mailbox.existing == "leave":
            return "an account with this address exists and is not ours (existing: leave)", others[0].id
        return None

    def _withhold(self, user: int, login: str, dn: str, op: str, reason: str, account: int | None = None) -> None:
        self.withheld.append(Notice(user, login, dn, op, reason, account))

    def _change(self, op: Op, user: int, member: Member, *, account: Observed | None, new: Fields) -> Change:
        mailbox = self.desired.mailbox
        managed = mailbox.account.password is not None or mailbox.account.transport_password is not None
        return Change(
            op=op,
            context=mailbox.context,
            user=user,
            login=self.desired.login(user),
            mailbox=mailbox.address,
            account=None if account is None else account.id,
            member=member.id,
            dn=member.dn,
            path=member.path,
            old=None if account is None else account.fields,
            new=new,
            password=managed if account is None else account.password is False,
            reason="a member" if account is None else "differs from what is configured",
        )

    def _removal(self, account: Observed, login: str, member: str, dn: str, reason: str) -> Change:
        mailbox = self.desired.mailbox
        return Change(
            op=Op.DELETE,
            context=mailbox.context,
            user=account.user,
            login=login,
            mailbox=mailbox.address,
            account=account.id,
            member=member,
            dn=dn,
            old=account.fields,
            reason=reason,
        )

    def _result(self, count: int) -> MailboxPlan:
        desired = self.desired
        return MailboxPlan(
            mailbox=desired.mailbox,
            complete=desired.includes_complete and desired.excludes_complete,
            reasons=desired.reasons,
            notes=(*desired.notes, *few(self.replaced, "new entries"), *few(self.failing, "accounts")),
            causes=desired.causes,
            proofs=desired.proofs,
            desired=len(desired.accounts),
            observed=count,
            claimed=sum(claim.held for claim in self.claims.values()),
            unchanged=self.unchanged,
            changes=tuple(sorted(self.changes, key=lambda c: (_ORDER[c.op], c.user, c.account or 0))),
            adopted=tuple(sorted(self.adopted)),
            withheld=_sorted(self.withheld),
            waiting=_sorted(self.waiting),
            conflicts=_sorted(self.conflicts),
            unresolved=tuple(sorted(desired.unresolved.values(), key=lambda notice: notice.member)),
            dangling=tuple(sorted(desired.dangling.values())),
            drift=_sorted(self.drift),
            forgotten=tuple(sorted(self.forgotten)),
            recovered=tuple(self.recovered),
            refreshed=tuple(self.refreshed),
            missing=self.missing,
            gone=self.gone,
            emptied=desired.emptied,
            others=self.others,
            extras=self.extras,
        )


def _collation_only(account: Observed) -> str:
    return f"the address {account.address!r} is equal for the database only, not by its letters; not ours"


def _sorted(notices: list[Notice]) -> tuple[Notice, ...]:
    return tuple(sorted(notices, key=lambda n: (n.user or 0, n.member, n.op, n.account or 0)))
