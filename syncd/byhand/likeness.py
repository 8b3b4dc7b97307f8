"""What a further account of a mailbox is like: as those that exist are, else as its mapping has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from syncd.byhand.asking import Exit, HandError, accounts, is_ours, mailbox_of, stored
from syncd.core.address import letters
from syncd.core.model import Account, Mailbox, Secret
from syncd.openxchange.base import AccountStore
from syncd.openxchange.listing import Listed


def template(
    store: AccountStore, context: int, address: str, mapped: Mailbox | None, given: Collection[str] = ()
) -> Account | None:
    """Give what a further account of a mailbox is like.

    Folders are not taken over: OX finds them for each user. Of names, which users may change, the most frequent one
    counts.

    Args:
        store: where the accounts are.
        context: of the mailbox.
        address: of the mailbox.
        mapped: the mapping's mailbox with this address; None = there is no mapping.
        given: the options that need no template; the accounts may differ in what these say.

    Returns:
        None: there is neither an account nor a mapping.

    Raises:
        HandError: the accounts differ in something that has to be the same, or their password cannot be read.
        StoreError: they cannot be read.
    """
    there = [one for one in stored(store, mailbox_of(context, address)) if is_ours(one, address)]
    users, ids = {one.user for one in there}, {one.id for one in there}
    listed = accounts(store, context, users, passwords=True) if users else []
    alike = [one for one in listed if one.account in ids and letters(one.address) == letters(address)]
    if alike:
        return _like(store, context, address, alike, given)
    return mapped.account if mapped else None


def _like(store: AccountStore, context: int, address: str, alike: Sequence[Listed], given: Collection[str]) -> Account:
    if any(one.unreadable for one in alike) and not {"password", "transport-password"} <= set(given):
        raise HandError(
            f"the stored password of {address} cannot be read with the configured key",
            code=Exit.MISSING,
            hint="give --password and --transport-password",
        )
    mails = {one.mail for one in alike} if not {"mail-endpoint-source", "mail-server"} & set(given) else set()
    transports = {one.transport for one in alike} if mails and "transport-server" not in given else set()
    primary = len(mails) > 1 or len(transports) > 1
    if primary:  # equal sources may have given each user servers of his own
        ends = store.endpoints(context, {one.user for one in alike})
        if any(ends.get(one.user) != (one.mail, one.transport) for one in alike):
            raise _differing(address, "servers", "--mail-endpoint-source, or the servers")
    for what, values in (
        ("login", {one.login for one in alike}),
        ("password", {_some(one.password) for one in alike}),
        ("transport-login", {one.transport_login for one in alike}),
        ("transport-password", {_some(one.transport_password) for one in alike}),
    ):
        if len(values) > 1 and what not in given:
            raise _differing(address, what, f"--{what}")
    first = alike[0]
    return Account(
        name=_usual(one.name for one in alike) or "",
        login=first.login,
        mail=None if primary else first.mail,
        transport=None if primary else first.transport,
        personal=_usual(one.personal for one in alike),
        reply_to=_usual(one.reply_to for one in alike),
        transport_login=first.transport_login,
        password=_some(first.password),
        transport_password=_some(first.transport_password),
    )


def _differing(address: str, what: str, options: str) -> HandError:
    return HandError(
        f"the accounts that exist for {address} differ in their {what}", code=Exit.MISSING, hint=f"give {options}"
    )


def _some(password: Secret | None) -> Secret | None:
    """Give a password; an empty one is none."""
    return password if password is not None and password.reveal() else None


def _usual(texts: Iterable[str | None]) -> str | None:
    """Give the most frequent text; of several the one of the oldest account."""
    return Counter(texts).most_common(1)[0][0]
