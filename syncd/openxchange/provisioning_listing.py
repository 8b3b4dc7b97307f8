"""The account store where no database is configured: all that it knows is what the service lists (ox-behaviour 11).

| of an account or user                         | by the list                                                        |
|-----------------------------------------------|--------------------------------------------------------------------|
| secondary accounts: ids, texts, servers       | known                                                              |
| stored passwords                              | known in clear; compared and forgotten                             |
| private accounts, also at the same address    | hidden: a create is refused by the service, a delete is asked for  |
|                                               | by an update first, which fails where there are two                |
| servers of the primary account                | hidden: the service copies them at creation; drift is not seen     |
| counters of failed logins                     | hidden: taken for none                                             |
| `transport.auth`, mark of a transport row     | hidden: taken as the service writes them                           |
| which users exist                             | by id: the service rejects those who do not, one in each call      |
| logins, addresses, groups, guests, contexts   | hidden: refused (guests are not told from others)                  |
| another installation at work                  | hidden: nothing is locked but the ledger's lease                   |

What cannot be listed counts as not read. A context of which one account has a damaged password is one (ox-behaviour
18.1): the service then lists nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from syncd.core.accounts import TRANSPORT_AUTH
from syncd.core.address import collation_key
from syncd.core.identity import MAX_ID
from syncd.core.model import (
    Asked,
    Contexts,
    Endpoint,
    Fields,
    GroupRead,
    Mailbox,
    MailboxRef,
    Observation,
    Observed,
    Users,
)
from syncd.errors import StoreRefused, StoreUnavailable
from syncd.openxchange.listing import HIDDEN, Listed
from syncd.openxchange.observe import enforced_texts, keeps_passwords
from syncd.openxchange.provisioning import USERS, ProvisioningStore
from syncd.openxchange.provisioning_calls import Calls, Failures
from syncd.openxchange.provisioning_content import Content
from syncd.openxchange.provisioning_faults import Rejected
from syncd.openxchange.provisioning_service import Service
from syncd.openxchange.tables import FOLDERS
from syncd.openxchange.users import chunks

UNSEEN = Endpoint("", False)
"""A server that only the service knows."""
_HINT = "configure openxchange.database or openxchange.configdb"


class ListReader:
    """The half of `AccountStore` that writes nothing, by the service's list."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold nothing: there is no database to lock, and the ledger's lease is the caller's."""
        return nullcontext()

    def still_alone(self, context: int) -> None:
        """Do nothing, as `exclusive`."""

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Say for which contexts the service does not answer us now."""
        found: dict[int, str] = {}
        for context in sorted(contexts):
            try:
                self._service.admits(context)
            except StoreRefused as error:
                found[context] = str(error)
        return found

    def users(self, context: int, asked: Asked) -> Users:
        """Tell which of the ids exist, guests among them; see `AccountStore`.

        Raises:
            StoreRefused: users are asked for by something else.
        """
        if asked.logins or asked.mails or asked.aliases or asked.imap_logins:
            raise StoreRefused("without a database users are known by their ids only", hint=_HINT)
        ids = frozenset(asked.ids)
        # who has an account exists: most of many are told by one list
        there = frozenset(one.user for one in self._list(context, None)) & ids if len(ids) > USERS else frozenset()
        there |= self._of(context, ids - there)[1]
        if not there:
            self._service.admits(context)
        found = {"id": {str(user): (user,) for user in there}} if asked.ids else {}
        return Users(context=context, exists=True, by_login={}, found=found, ids=there)  # type: ignore[arg-type]

    def users_in(self, asked: Mapping[int, Asked]) -> Mapping[int, Users]:
        """Answer for many contexts; one that is refused is not read. See `ManyContexts`."""
        found: dict[int, Users] = {}
        for context, one in asked.items():
            try:
                found[context] = self.users(context, one)
            except StoreRefused as error:
                found[context] = Users(context=context, exists=False, by_login={}, unread=str(error))
        return found

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:  # noqa: ARG002 - the same for all
        """Say of each group that it cannot be read."""
        return dict.fromkeys(names, GroupRead((), f"without a database no group can be read ({_HINT})"))

    def groups_in(self, asked: Mapping[int, Collection[str]]) -> Mapping[int, Mapping[str, GroupRead]]:
        """Say so of the groups of many contexts; see `ManyContexts`."""
        return {context: self.groups(context, names) for context, names in asked.items()}

    def contexts(self) -> Contexts:
        """Refuse: the service does not tell which contexts there are.

        Raises:
            StoreRefused: always.
        """
        raise StoreRefused("without a database nobody knows which contexts there are", hint=_HINT)

    def observe(
        self,
        mailboxes: Collection[Mailbox],
        seals: Mapping[tuple[int, int, int], bytes],  # noqa: ARG002 - nothing is sealed
    ) -> Observation:
        """Read the secondary accounts of mailboxes, one call for each context; one that is refused is not read.

        Raises:
            StoreUnavailable: the service does not answer.
        """
        by_context: dict[int, dict[str, Mailbox]] = {}
        for mailbox in mailboxes:
            by_context.setdefault(mailbox.context, {})[mailbox.key] = mailbox
        accounts: dict[MailboxRef, list[Observed]] = {mailbox.ref: [] for mailbox in mailboxes}
        unread: dict[int, str] = {}
        for context, by_key in by_context.items():
            try:
                listed = self._list(context, None)
            except StoreRefused as error:
                unread[context] = str(error)
                continue
            for one in listed:
                if (box := by_key.get(collation_key(one.address))) is not None:
                    accounts[box.ref].append(observed(one, box))
        return Observation(accounts={ref: tuple(some) for ref, some in accounts.items()}, unread=unread)

    def standing(self, mailbox: Mailbox, users: Collection[int]) -> tuple[dict[int, list[Observed]], frozenset[int]]:
        """Give the secondary accounts of some users at an address, by user, and who of them exists."""
        listed, there = self._of(mailbox.context, users)
        found: dict[int, list[Observed]] = {}
        for one in listed:
            if collation_key(one.address) == mailbox.key:
                found.setdefault(one.user, []).append(observed(one, mailbox))
        return found, there

    def endpoints(self, context: int, users: Collection[int]) -> Mapping[int, tuple[Endpoint, Endpoint | None]]:  # noqa: ARG002
        """Give servers that are not known: the service looks who has which, and refuses who has none."""
        return dict.fromkeys(users, (UNSEEN, UNSEEN))

    def rows(
        self, context: int, accounts: Collection[tuple[int, int]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        """Give what is listed of accounts, as rows for the journal; see `AccountStore`."""
        listed, _ = self._of(context, {user for user, _ in accounts})
        wanted = frozenset(accounts)
        return {(one.user, one.account): _row(one) for one in listed if (one.user, one.account) in wanted}

    def listed(self, context: int, users: Collection[int] | None = None, *, passwords: bool = False) -> list[Listed]:
        """Give the secondary accounts of users or of the context; see `ListsAccounts`."""
        found = self._list(context, None) if users is None else self._of(context, users)[0]
        return sorted(found if passwords else map(_hidden, found), key=lambda one: (one.account, one.user))

    def close(self) -> None:
        """Close connections."""
        self._service.close()

    # ------------------------------------------------------------------ lists

    def _of(self, context: int, users: Collection[int]) -> tuple[list[Listed], frozenset[int]]:
        """List the accounts of those of the users who exist; give also who these are."""
        found: list[Listed] = []
        there: set[int] = set()
        for some in chunks(sorted(user for user in set(users) if 0 < user <= MAX_ID), USERS):
            left = list(some)
            while left:
                try:
                    found += self._list(context, left)
                except _NotThere as gone:
                    left.remove(gone.user)
                else:
                    there.update(left)
                    break
        return found, frozenset(there)

    def _list(self, context: int, users: Sequence[int] | None) -> list[Listed]:
        """List accounts by one call, None = of the whole context.

        Raises:
            _NotThere: one of the users does not exist.
            StoreRefused: of this context nothing can be listed.
            StoreUnavailable: the service does not answer.
        """
        try:
            found = self._service.listed(context, users)
        except Rejected as rejected:
            if rejected.user is not None and rejected.user in (users or ()):
                raise _NotThere(rejected.user) from None
            hint = "one account with a damaged password is enough: list users one by one to find it, and delete it"
            refused = StoreRefused(f"no account can be listed: {rejected.reason}", hint=hint)
            refused.contexts = frozenset((context,))
            raise refused from None
        except StoreRefused as error:
            error.contexts = frozenset((context,))
            raise
        except StoreUnavailable as error:
            raise StoreUnavailable(f"context {context}: {error.message}", hint=error.hint) from None
        if any(one.context != context or (users is not None and one.user not in users) for one in found):
            raise StoreUnavailable(f"{self._service.where} lists other accounts than those that were asked for")
        return found


class _NotThere(Exception):  # noqa: N818 - reads as a state
    """A user does not exist; never leaves this module."""

    def __init__(self, user: int) -> None:
        super().__init__()
        self.user = user


class ListingStore(ProvisioningStore):
    """`AccountStore` by a service of Open-Xchange alone; not for several threads at once."""

    nowhere = "Open-Xchange says that the account was written, but does not list it"
    unchanged = (
        "Open-Xchange says that the account was changed, but lists it otherwise: are there settings of its own for all "
        "secondary accounts (com.openexchange.mail.secondary.*)?"
    )

    def __init__(self, service: Service) -> None:
        self._lists = ListReader(service)
        super().__init__(self._lists, service)

    def _standing(self, mailbox: Mailbox, users: Collection[int]) -> dict[int, list[Observed]]:
        return self._lists.standing(mailbox, users)[0]

    def _met_and_known(
        self, mailbox: Mailbox, users: Sequence[int]
    ) -> tuple[Mapping[int, Sequence[Observed]], frozenset[int]]:
        return self._lists.standing(mailbox, users)

    def _crowded(self, context: int, address: str, accounts: Iterable[Observed], calls: Calls) -> Failures:
        """Find out who has an account with the address besides the one that is listed.

        An update fails for who has two (ox-behaviour 5), where a delete would take both. It sets the value that is set.
        """
        failures: Failures = {}
        alike: dict[bool, list[int]] = {}
        for account in accounts:
            alike.setdefault(account.fields.mail_starttls, []).append(account.user)
        for starttls, users in alike.items():
            content: Content = {"mailStartTls": starttls}
            for some in chunks(users, USERS):
                failures |= calls.make(partial(self._edit, context, address, content), some)
        return failures


def observed(listed: Listed, mailbox: Mailbox) -> Observed:
    """Give a listed account as one of a mailbox; what the list hides is taken for right, since nobody can change it."""
    transport = listed.transport
    texts = (listed.personal, listed.reply_to, *(listed.folders.get(kind) for kind in FOLDERS))
    fields = Fields(
        listed.login,
        listed.mail.url,
        listed.mail.starttls,
        transport.url if transport else None,
        transport.starttls if transport else None,
        listed.transport_login if transport else None,
        TRANSPORT_AUTH if transport else None,
        True if transport else None,
        *enforced_texts(mailbox, listed.name, list(texts)),
    )
    right = _right(listed, mailbox) if keeps_passwords(mailbox) else None
    return Observed(listed.context, listed.user, listed.account, listed.address, True, listed.name, fields, right)


def _right(listed: Listed, mailbox: Mailbox) -> bool:
    """Tell whether the passwords are the configured ones; a transport's is shown as the mail's where it has none."""
    wanted = mailbox.account
    if wanted.password is not None and listed.password != wanted.password:
        return False
    if wanted.transport_password is None or listed.transport is None:
        return True
    return (listed.transport_password or listed.password) == wanted.transport_password


def _hidden(one: Listed) -> Listed:
    return one._replace(password=one.password and HIDDEN, transport_password=one.transport_password and HIDDEN)


def _row(one: Listed) -> dict[str, object]:
    """Give an account as `rows` does, as far as it is listed."""
    texts = {"name": one.name, "personal": one.personal}
    mail: dict[str, object] = {"url": one.mail.url, "login": one.login, "primary_addr": one.address, **texts}
    mail |= {"replyTo": one.reply_to, "starttls": int(one.mail.starttls)}
    mail |= {f"{kind}_fullname": name for kind, name in one.folders.items()}
    row: dict[str, object] = {"mail": _set(mail), "mail_properties": {}, "transport_properties": {}}
    if one.transport is not None:
        ends = {"url": one.transport.url, "login": one.transport_login, "send_addr": one.address}
        row["transport"] = _set({**ends, **texts, "replyTo": one.reply_to, "starttls": int(one.transport.starttls)})
    return row


def _set(columns: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is as every new account has it."""
    return {name: value for name, value in columns.items() if value is not None and value != 0}
