"""Accounts made, changed and removed by a person: what `syncd account` does, apart from words and options.

The rules kept here:

* Only secondary accounts are touched; a private account, or account 0, with the address is left alone and told.
* A user who has the account already is skipped, not an error for all.
* No claim is taken: the account is not the mapping's. Where a mapping has the mailbox, `existing:` and `extra:` say
  what becomes of it. One that a mapping claims and that is removed by hand is made again if its user is still wanted.
* Unless it is pinned: then the account is ours, and what the person said counts more than the mapping's sources. The
  pin is noted first, so that a command that dies half way is finished by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from syncd.byhand.asking import Exit, HandError, People, is_ours, mailbox_of, stored
from syncd.byhand.work import NOT_SO, Done, Hand, Work
from syncd.core.accounts import wanted
from syncd.core.changes import BY_HAND, Adoption, Change, Op
from syncd.core.listed import pinned
from syncd.core.model import Account, Mailbox, Observed, Pin
from syncd.openxchange.edit import AccountChange, EditsAccounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinning:
    """That a change is to count in spite of the mapping's sources."""

    until: datetime | None = None
    """None = until a person ends it."""


@dataclass(slots=True, kw_only=True)
class ByHand(Hand):
    """Write the accounts of one mailbox at a time."""

    def create(
        self, context: int, whom: People, address: str, like: Callable[[], Account], pinning: Pinning | None = None
    ) -> Done:
        """Give users an account; those who have it are skipped.

        With `pinning` they keep it whatever the mapping's sources say, also those who have it already. What a new one
        is `like` is asked for when somebody gets one.

        Raises:
            HandError, StoreError, LedgerError: nothing, or not all, could be done; the message says which.
        """
        mailbox = mailbox_of(context, address)
        if pinning is not None:
            self._mapped(mailbox)
        with self.writing("account create", (mailbox.ref, mailbox.address)) as work:
            there: dict[int, list[Observed]] = {}
            for one in stored(self.store, mailbox, whom):
                there.setdefault(one.user, []).append(one)
            ours = {user: next((one for one in some if is_ours(one, address)), None) for user, some in there.items()}
            refused = {user: _in_the_way(there[user]) for user in whom if user in there and ours[user] is None}
            skipped = [user for user in whom if ours.get(user) is not None]
            if whom.keys() - there.keys():
                mailbox = replace(mailbox, account=like())
            pins = self._pins(whom.keys() - refused.keys(), keep=True, pinning=pinning)
            self._pin(mailbox, pins, whom, keep=True)
            fields = wanted(mailbox.account)
            changes = [
                self.change(Op.CREATE, mailbox, user, login, None, new=fields, **_member(pins.get(user)))
                for user, login in whom.items()
                if user not in there
            ]
            done = work.written(mailbox, changes, skipped=skipped, refused=refused, claims=bool(pins))
            if pins:
                self._claim(work, mailbox, whom, [one for one in ours.values() if one is not None], pins)
                if failed := (done.refused or {}).keys() & pins.keys():
                    self.ledger.unpin(mailbox.ref, failed, self.who, self.clock(), whom)
            return done

    def delete(self, context: int, whom: People, address: str, pinning: Pinning | None = None) -> Done:
        """Take the account from users; those without it are left out.

        With `pinning` they do not get it again, whatever the mapping's sources say.

        Raises:
            HandError, StoreError, LedgerError: as of `create`.
        """
        mailbox = mailbox_of(context, address)
        if pinning is not None:
            self._mapped(mailbox)
        with self.writing("account delete", (mailbox.ref, mailbox.address)) as work:
            self._pin(mailbox, self._pins(whom, keep=False, pinning=pinning), whom, keep=False)
            return work.written(mailbox, self._of_ours(Op.DELETE, mailbox, whom))

    def update(self, context: int, whom: People, address: str, change: AccountChange) -> Done:
        """Change the account of users; those without it are left out.

        Raises:
            HandError, StoreError, LedgerError: as of `create`.
        """
        if not isinstance(self.store, EditsAccounts):
            raise HandError(NOT_SO, code=Exit.OTHER, hint="set openxchange.write_with: sql")
        mailbox = mailbox_of(context, address)
        with self.writing("account update", (mailbox.ref, mailbox.address)) as work:
            return work.edited(self.store, mailbox, self._of_ours(Op.UPDATE, mailbox, whom), change)

    def unpin(self, context: int, users: Collection[int] | None, address: str) -> int:
        """End what was pinned for users (None = for all) of a mailbox; give for how many. The next run looks anew.

        Raises:
            LedgerError: it cannot be noted.
        """
        mailbox, now = mailbox_of(context, address), self.clock()
        known = self.ledger.pins(now).get(mailbox.ref, {})
        ending = known.keys() if users is None else known.keys() & set(users)
        return self.ledger.unpin(mailbox.ref, ending, self.who, now) if ending else 0

    # ------------------------------------------------------------------ parts

    def _of_ours(self, op: Op, mailbox: Mailbox, whom: People) -> list[Change]:
        """Give a change for each account of these users that is a secondary account of the mailbox."""
        return [
            self.change(op, mailbox, one.user, whom[one.user], one.id)
            for one in stored(self.store, mailbox, whom)
            if is_ours(one, mailbox.address)
        ]

    def _mapped(self, mailbox: Mailbox) -> None:
        """Refuse a pin for a mailbox that no run looks after.

        Raises:
            HandError: no mapping has it.
        """
        known = {one.ref for one in self.ledger.status() if one.orphaned_since is None}
        if self.configured(mailbox.context, mailbox.address) is None and mailbox.ref not in known:
            raise HandError(
                f"no mapping has {mailbox.address} in context {mailbox.context}, so nobody would keep or end the pin",
                code=Exit.INVALID,
                hint="give it a mapping, with `sources: [users: [...]]` if no group has its members",
            )

    def _pins(self, users: Collection[int], *, keep: bool, pinning: Pinning | None) -> dict[int, Pin]:
        if pinning is None:
            return {}
        return {user: Pin(user=user, keep=keep, until=pinning.until, by=self.who) for user in users}

    def _pin(self, mailbox: Mailbox, pins: dict[int, Pin], whom: People, *, keep: bool) -> None:
        """Note pins; and end those that say the contrary of what is done now."""
        now = self.clock()
        known = self.ledger.pins(now).get(mailbox.ref, {})
        contrary = {user for user, pin in known.items() if user in whom and pin.keep is not keep} - pins.keys()
        if contrary:
            self.ledger.unpin(mailbox.ref, contrary, self.who, now, whom)
        if pins:
            self.ledger.pin(mailbox.ref, tuple(pins.values()), now, whom)

    def _claim(
        self, work: Work, mailbox: Mailbox, whom: People, there: Sequence[Observed], pins: dict[int, Pin]
    ) -> None:
        """Make accounts ours that users had before, so that they are removed when the pin ends."""
        claims = self.ledger.claims().get(mailbox.ref, {})
        adoptions = [
            Adoption(one.user, whom[one.user], one.id, member.id, member.dn, (BY_HAND, self.who), None)
            for one in there
            if one.user in pins and one.user not in claims
            for member in (pinned(pins[one.user]),)
        ]
        self.ledger.adopt(work.run, self.clock(), mailbox.ref, adoptions)


def _member(pin: Pin | None) -> dict[str, str]:
    """Give what a change of a pinned account says of its member."""
    if pin is None:
        return {}
    member = pinned(pin)
    return {"member": member.id, "dn": member.dn}


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
