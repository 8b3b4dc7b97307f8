"""A plan in the making: what has been decided so far for one mailbox, and how a change is written down.

Leaves to `plan` and `leavers` what is to be decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.address import letters
from syncd.core.changes import Adoption, Change, MailboxPlan, Notice, Op
from syncd.core.desire import Desired, few
from syncd.core.limits import Absence
from syncd.core.model import Claim, Endpoint, Fields, Observed, Users
from syncd.core.reads import Member

EXCLUSION_UNKNOWN = "an excluding source was not read completely"
INCLUSION_UNKNOWN = "not every source was read completely"
Primaries = Mapping[tuple[int, int], tuple[Endpoint, Endpoint | None]]
_ORDER = {Op.DELETE: 0, Op.UPDATE: 1, Op.CREATE: 2}


@dataclass(slots=True, kw_only=True)
class Draft:
    """What is known of one mailbox, and what has been decided so far."""

    desired: Desired
    claims: Mapping[int, Claim]
    users: Users
    primaries: Primaries
    wait: str | None
    absences: Mapping[int, Absence]
    now: datetime
    folded: str
    """The mailbox's address, as `letters` gives it."""
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
    absent: set[int] = field(default_factory=set)
    former: dict[str, Claim] = field(default_factory=dict)
    """By member: claims of users who are there, are not excluded, and do not have the mailbox from a source now."""

    def same(self, account: Observed) -> bool:
        """Tell whether an address is the mailbox's by letters, not only by the database's collation."""
        return account.address == self.desired.mailbox.address or letters(account.address) == self.folded

    def withhold(self, user: int, login: str, dn: str, op: str, reason: str, account: int | None = None) -> None:
        """Note that something is not done, since it is not known for certain."""
        self.withheld.append(Notice(user, login, dn, op, reason, account))

    def change(self, op: Op, user: int, member: Member, *, account: Observed | None, new: Fields) -> None:
        """Plan a new account, or the repair of one."""
        mailbox = self.desired.mailbox
        managed = mailbox.account.password is not None or mailbox.account.transport_password is not None
        self.changes.append(
            Change(
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
        )

    def remove(self, account: Observed, login: str, reason: str, claim: Claim | None = None) -> bool:
        """Plan a removal that is certain, unless it has to wait; tell whether it is planned."""
        mailbox, user = self.desired.mailbox, account.user
        member, dn = ("", "") if claim is None else (claim.member, claim.dn)
        wait = self.wait_of(user)
        if wait is None:
            self.absent.add(user)
            wait = self._grace(user)
        if wait is not None:
            self.waiting.append(Notice(user, login, dn, Op.DELETE, wait, account.id))
            return False
        self.changes.append(
            Change(
                op=Op.DELETE,
                context=mailbox.context,
                user=user,
                login=login,
                mailbox=mailbox.address,
                account=account.id,
                member=member,
                dn=dn,
                old=account.fields,
                reason=reason,
            )
        )
        return True

    def wait_of(self, user: int) -> str | None:
        """Say why the removal of a user's account waits for another complete read (rule 7); None = it does not."""
        return None if self.kept_out(user) else self.wait

    def kept_out(self, user: int) -> bool:
        """Tell whether a person said that a user does not have the mailbox."""
        pin = self.desired.pins.get(user)
        return pin is not None and not pin.keep

    def _grace(self, user: int) -> str | None:
        """Say why a removal waits until more reads agreed on it; None = enough did."""
        if self.kept_out(user):
            return None
        grace, known = self.desired.mailbox.grace, self.absences.get(user)
        reads = min(known.reads + 1 if known else 1, grace.reads)
        since = min(known.since, self.now) if known else self.now  # the clock may have been ahead
        until = since + grace.time
        if reads >= grace.reads and self.now >= until:
            return None
        count = f"{reads} of {grace.reads} reads agreed"
        return f"grace: {count}" + (f", until {until:%F %H:%M} UTC" if self.now < until else "")

    def plan(self, count: int) -> MailboxPlan:
        """Give the plan; `count` is how many secondary accounts are stored."""
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
            lost=desired.lost,
            blank=desired.blank,
            absent=tuple(sorted(self.absent)),
            returned=tuple(sorted(self.absences.keys() & desired.accounts.keys())),
            others=self.others,
            extras=self.extras,
        )


def collation_only(account: Observed) -> str:
    """Say that an address is the mailbox's for the database, but not by its letters."""
    return f"the address {account.address!r} is equal for the database only, not by its letters; not ours"


def _sorted(notices: list[Notice]) -> tuple[Notice, ...]:
    return tuple(sorted(notices, key=lambda n: (n.user or 0, n.member, n.op, n.account or 0)))
