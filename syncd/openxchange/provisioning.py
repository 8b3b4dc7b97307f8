"""The account store that lets Open-Xchange itself write, by SOAP or by its command line tools.

It reads by SQL; what is otherwise where there is no database is in `provisioning_listing`.

Only Open-Xchange knows its caches and the password format of its release; only the database tells whose an account is.
So every write is a look, a call and a look: before it that the account is what it is taken for, because the service
would update and delete any account with the address, the primary one too (ox-behaviour 5 and 6); after it what became
of it, and which ids the service gave.

| operation | look before                                       | calls                                     |
|-----------|---------------------------------------------------|-------------------------------------------|
| create    | the user exists and has no account of the mailbox | one for all users of a mailbox, 500 at most|
| update    | the account is secondary, the user's only one of  | one for all accounts that need the same,  |
|           | the mailbox, and has the id                       | two where both passwords are written      |
| delete    | the same; not there counts as done                | one for all accounts of a mailbox         |

The service does a call wholly or not at all, so that one user can spoil it for all. It says who: that one fails and the
others are sent again; where it does not say, halves of them are. With stored passwords a call is for 100 users, since
the service then takes 20 ms for each while nobody else gets an id (ox-behaviour 15).

A create that was not answered may have been done: if the accounts are all there afterwards it was, else the run ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from syncd.core.address import collation_key
from syncd.core.model import Account, Asked, Endpoint, Mailbox, MailboxRef, Observed
from syncd.errors import StoreRefused, StoreUnavailable
from syncd.openxchange.base import Creation, Deletion, Updating, Written
from syncd.openxchange.batch import done, failed
from syncd.openxchange.create import in_the_way
from syncd.openxchange.edit import Edit
from syncd.openxchange.provisioning_calls import Calls, Failures
from syncd.openxchange.provisioning_content import PASSWORDS, Content, on_create, on_update
from syncd.openxchange.provisioning_edit import edit_accounts
from syncd.openxchange.provisioning_faults import Rejected, Undone
from syncd.openxchange.provisioning_reading import ReadsByAnother
from syncd.openxchange.stored import KnowsPasswords, Sifted
from syncd.openxchange.users import chunks

USERS = 500
"""Users in one call; 2,000 take the service 8 seconds (ox-behaviour 15)."""
USERS_WITH_PASSWORDS = 100
_ATTEMPTS = 3
_I = TypeVar("_I", Creation, Updating)
_NOBODY = Account(name="", login="", mail=Endpoint("", False), transport=None)


class ProvisioningStore(ReadsByAnother):
    """`AccountStore` by a service of Open-Xchange; not for several threads at once."""

    nowhere = "Open-Xchange says that the account was written, but it is not in the database: is it the same database?"
    unchanged = "Open-Xchange says that the account was changed, but it is not as it should be"

    def reserve(self, context: int, count: int) -> None:
        """Reserve nothing: the ids are the server's."""

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        """Write new accounts, each with the id that Open-Xchange gives it; see `AccountStore`."""
        self._reader.still_alone(context)
        written: dict[int, Written] = {}
        calls = Calls()
        for mailbox, some in _by_mailbox(creations):
            self._create(context, mailbox, some, written, calls)
        return [written[number] for number in range(len(creations))]

    def update(self, context: int, updates: Sequence[Updating]) -> list[Written]:
        """Bring accounts to their new fields; see `AccountStore`."""
        self._reader.still_alone(context)
        written: dict[int, Written] = {}
        calls = Calls()
        for mailbox, some in _by_mailbox(updates):
            self._update(context, mailbox, some, written, calls)
        return [written[number] for number in range(len(updates))]

    def delete(self, context: int, deletions: Sequence[Deletion]) -> list[Written]:
        """Remove accounts; see `AccountStore`."""
        self._reader.still_alone(context)
        written: dict[int, Written] = {}
        calls = Calls()
        rows = self._reader.rows(context, [(one.user, one.account) for one in deletions])
        by_address: dict[str, tuple[str, dict[int, Deletion]]] = {}
        for number, one in enumerate(deletions):
            row = rows.get((one.user, one.account))
            if row is None:
                written[number] = done(one)
            elif problem := _foreign(one.account, row, one.mailbox_key):
                written[number] = failed(one, problem)
            else:
                by_address.setdefault(one.mailbox_key, (_text(row, "primary_addr"), {}))[1][number] = one
        for address, some in by_address.values():
            self._delete(context, address, some, written, calls)
        return [written[number] for number in range(len(deletions))]

    def edit(self, context: int, edits: Sequence[Edit]) -> list[Written]:
        """Change single attributes of accounts; see `EditsAccounts`."""
        self._reader.still_alone(context)
        users, calls = {edit.user for edit in edits}, Calls()

        def send(address: str, content: Content, users: Sequence[int]) -> Failures:
            change = partial(self._edit, context, address, content)
            parts = [calls.make(change, some) for some in chunks(list(users), _size(content))]
            return {user: why for failures in parts for user, why in failures.items()}

        def look(address: str) -> Mapping[int, Sequence[Observed]]:
            return self._standing(_probe(context, address), users)

        return edit_accounts(edits, self.listed(context, users), look, send, name=self._service.name)

    def admits(self, context: int) -> None:
        """Make sure that the service answers, and takes our login; see `AsksService`."""
        self._service.admits(context)

    def stale(self, context: int, mailbox_key: str, accounts: Collection[tuple[int, int]]) -> Sifted:
        """Give accounts whose passwords are not stored in the format in use; see `KnowsPasswords`."""
        if not isinstance(self._reader, KnowsPasswords):
            raise StoreRefused(
                "how passwords are stored is to be seen in the database only", hint="configure openxchange.database"
            )
        return self._reader.stale(context, mailbox_key, accounts)

    def _create(
        self, context: int, mailbox: Mailbox, todo: Mapping[int, Creation], written: dict[int, Written], calls: Calls
    ) -> None:
        """Write accounts of one mailbox."""
        users = [one.user for one in todo.values()]
        standing, known = self._met_and_known(mailbox, users)
        by_user: dict[int, int] = {}
        for number, one in todo.items():
            if one.user in standing:
                written[number] = failed(one, _met(standing[one.user]))
            elif one.user not in known:
                written[number] = failed(one, f"user {one.user} does not exist any more")
            elif one.user in by_user:
                written[number] = failed(one, "the same account is to be created twice")
            else:
                by_user[one.user] = number
        content = on_create(mailbox)
        failures: Failures = {}
        for some in chunks(list(by_user), _size(content)):
            failures |= self._send(context, mailbox, content, some, calls)
        standing = self._standing(mailbox, users) if by_user.keys() - failures.keys() else {}
        for user, number in by_user.items():
            one = todo[number]
            found = standing.get(user, [])
            if user in failures:
                written[number] = failed(one, failures[user])
            elif len(found) == 1 and not found[0].secondary:
                written[number] = failed(one, _met(found))
            elif len(found) == 1:
                written[number] = Written(user, found[0].id, None, None)
            else:
                written[number] = failed(one, _TWICE if found else self.nowhere)

    def _send(self, context: int, mailbox: Mailbox, content: Content, users: Sequence[int], calls: Calls) -> Failures:
        """Create one account for users by as few calls as it takes; give who did not get it."""

        def look(rejected: Rejected) -> Failures:
            """Find out at once who else has got the account meanwhile."""
            found = self._standing(mailbox, users) if rejected.taken else {}
            return {user: _met(found[user]) for user in users if user in found}

        return calls.make(partial(self._once, context, mailbox, content), users, look)

    def _once(self, context: int, mailbox: Mailbox, content: Content, users: Sequence[int]) -> None:
        """Create an account for users by one call, repeated only where the service and the tables say: nothing done."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                self._service.create(context, content, users)
            except StoreUnavailable as error:
                there = self._standing(mailbox, users).keys() & set(users)
                if there == set(users):
                    return
                if not isinstance(error, Undone) or there or not left:
                    raise
            else:
                return

    def _update(
        self, context: int, mailbox: Mailbox, todo: Mapping[int, Updating], written: dict[int, Written], calls: Calls
    ) -> None:
        """Bring accounts of one mailbox to their new fields."""
        standing = self._standing(mailbox, {one.user for one in todo.values()})
        plans: dict[tuple[tuple[tuple[str, object], ...], ...], tuple[tuple[Content, ...], dict[int, int]]] = {}
        absent = self._absent(context, todo.values(), standing)
        for number, one in todo.items():
            problem = _unlike(one, mailbox.key, standing, absent, self._service.name)
            contents: tuple[Content, ...] = ()
            if problem is None:
                [stored] = standing[one.user]
                problem, contents = on_update(
                    stored.fields, one.new, mailbox.account, password=one.password, name=self._service.name
                )
            if problem is not None:
                written[number] = failed(one, problem)
            elif contents:
                key = tuple(tuple(sorted(content.items())) for content in contents)
                plans.setdefault(key, (contents, {}))[1][one.user] = number
            else:
                written[number] = done(one)
        failures: Failures = {}
        for contents, by_user in plans.values():
            for content in contents:
                users = [user for user in by_user if user not in failures]
                for some in chunks(users, _size(content)):
                    change = partial(self._service.update, context, mailbox.address, content)
                    failures |= calls.make(change, some)
        self._settle_updates(mailbox, todo, written, failures)

    def _settle_updates(
        self, mailbox: Mailbox, todo: Mapping[int, Updating], written: dict[int, Written], failures: Failures
    ) -> None:
        """Look what became of the updates that were sent."""
        sent = [number for number in todo if number not in written]
        standing = self._standing(mailbox, {todo[number].user for number in sent}) if sent else {}
        for number in sent:
            one = todo[number]
            now = next((found for found in standing.get(one.user, []) if found.id == one.account), None)
            if one.user in failures:
                written[number] = failed(one, failures[one.user])
            elif now is None or not _as_wanted(now, one):
                written[number] = failed(one, self.unchanged)
            else:
                written[number] = done(one)

    def _edit(self, context: int, address: str, content: Content, users: Sequence[int]) -> None:
        if not self._service.update(context, address, content, users):
            raise Rejected("the account is not there any more", "call")

    def _delete(
        self, context: int, address: str, todo: Mapping[int, Deletion], written: dict[int, Written], calls: Calls
    ) -> None:
        """Remove accounts with one address, all of which were found to be of its mailbox."""
        probe = _probe(context, address)
        standing = self._standing(probe, {one.user for one in todo.values()})
        by_user: dict[int, int] = {}
        absent = self._absent(context, todo.values(), standing)
        for number, one in todo.items():
            if problem := _unlike(one, probe.key, standing, absent, self._service.name):
                written[number] = failed(one, problem)
            else:
                by_user[one.user] = number
        failures = self._crowded(context, address, [standing[user][0] for user in by_user], calls)
        delete = partial(self._service.delete, context, address)
        for users in chunks([user for user in by_user if user not in failures], USERS):
            failures |= calls.make(delete, users)
        left = self._reader.rows(context, [(user, todo[number].account) for user, number in by_user.items()])
        for user, number in by_user.items():
            one = todo[number]
            if (user, one.account) not in left:
                written[number] = done(one)
            else:
                written[number] = failed(one, failures.get(user, _STILL))

    # ------------------------------------------------------------------ looking

    def _standing(self, mailbox: Mailbox, users: Collection[int]) -> dict[int, list[Observed]]:  # noqa: ARG002
        """Give all accounts with a mailbox's address by user, at least those of `users`.

        By SQL one pass serves all users, and passwords are not judged, which costs 20 ms each.
        """
        kept = replace(_NOBODY, policy=mailbox.account.policy, folders=mailbox.account.folders)
        probe = Mailbox(address=mailbox.address, key=mailbox.key, context=mailbox.context, account=kept)
        found: dict[int, list[Observed]] = {}
        observation = self._reader.observe([probe], {})
        if reason := observation.unread.get(mailbox.context):
            raise StoreUnavailable(f"context {mailbox.context} cannot be read: {reason}")
        for account in observation.accounts.get(probe.ref, ()):
            found.setdefault(account.user, []).append(account)
        return found

    def _met_and_known(
        self, mailbox: Mailbox, users: Sequence[int]
    ) -> tuple[Mapping[int, Sequence[Observed]], frozenset[int]]:
        """Give all accounts with a mailbox's address by user, at least those of `users`, and who of them exists."""
        return self._standing(mailbox, users), self._known(mailbox.context, users)

    def _crowded(self, context: int, address: str, accounts: Iterable[Observed], calls: Calls) -> Failures:  # noqa: ARG002
        """Find out who has another account at the address that was not to be seen; by SQL all are."""
        return {}

    def _known(self, context: int, users: Sequence[int]) -> frozenset[int]:
        """Give those of the users that exist."""
        found = self._reader.users(context, Asked(ids=users))
        if found.unread:
            raise StoreUnavailable(f"context {context} cannot be read: {found.unread}")
        return found.ids

    def _absent(
        self, context: int, todo: Iterable[Updating | Deletion], standing: Mapping[int, Sequence[Observed]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        """Give the rows of accounts that are not among the mailbox's, if there are any."""
        known = {(user, account.id) for user, accounts in standing.items() for account in accounts}
        return self._reader.rows(context, {(one.user, one.account) for one in todo} - known)


_TWICE = "two accounts with this address were written at the same time; delete one by hand"
_STILL = "Open-Xchange says that the account was deleted, but it is still there"


def _as_wanted(now: Observed, one: Updating) -> bool:
    """Tell whether an account has become what it should; a password counts where it was judged."""
    same = now.fields._replace(failing=None) == one.new._replace(failing=None)
    return same and not (one.password and now.password is False)


def _probe(context: int, address: str) -> Mailbox:
    return Mailbox(address=address, key=collation_key(address), context=context, account=_NOBODY)


def _by_mailbox(items: Sequence[_I]) -> Iterator[tuple[Mailbox, dict[int, _I]]]:
    """Give each mailbox with its items by their place."""
    found: dict[MailboxRef, tuple[Mailbox, dict[int, _I]]] = {}
    for number, item in enumerate(items):
        found.setdefault(item.mailbox.ref, (item.mailbox, {}))[1][number] = item
    yield from found.values()


def _size(content: Content) -> int:
    return USERS_WITH_PASSWORDS if PASSWORDS & content.keys() else USERS


def _unlike(
    one: Updating | Deletion,
    key: str,
    standing: Mapping[int, Sequence[Observed]],
    absent: Mapping[tuple[int, int], Mapping[str, object]],
    name: str,
) -> str | None:
    """Say why the service must not be asked to change an account; None = it is ours, and the user's only one there."""
    accounts = standing.get(one.user, ())
    ours = next((account for account in accounts if account.id == one.account), None)
    if ours is None:
        row = absent.get((one.user, one.account))
        return (row and _foreign(one.account, row, key)) or "the account is not there any more"
    if not ours.secondary or ours.id == 0:
        return f"account {ours.id} is the user's own"
    others = [account.id for account in accounts if account is not ours]
    if others:
        return f"the user has another account with this address (id {others[0]}), which {name} would change as well"
    return None


def _met(accounts: Sequence[Observed]) -> str:
    """Say which account is in the way; a private one before others."""
    account = min(accounts, key=lambda one: (one.secondary, one.id))
    return in_the_way(account.id, secondary=account.secondary)


def _foreign(account: int, row: Mapping[str, object], key: str) -> str | None:
    """Say whose account a row is if it is not a secondary one of the mailbox."""
    mail = row["mail"]
    assert isinstance(mail, Mapping)  # noqa: S101 - `rows` promises it
    if not mail.get("secondary", 1) or account == 0:
        return f"account {account} is the user's own"
    address = _text(row, "primary_addr")
    return None if collation_key(address) == key else f"account {account} is of another mailbox now: {address}"


def _text(row: Mapping[str, object], column: str) -> str:
    mail = row["mail"]
    assert isinstance(mail, Mapping)  # noqa: S101 - `rows` promises it
    return str(mail.get(column) or "")
