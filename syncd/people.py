"""Look up who the members of mailboxes are in Open-Xchange: all contexts at once, twice a run.

First everybody whom a member may be; then those who have a claim or an account and should not, to know whether they
exist. The rule kept here: a context that cannot be read is told apart from one in which nobody is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from syncd.core.desire import Desired
from syncd.core.identity import user_number
from syncd.core.model import Asked, By, Mailbox, Users
from syncd.errors import StoreUnavailable
from syncd.facts import Facts
from syncd.openxchange.base import AccountStore, users_in


def members_of(
    store: AccountStore, by_context: Mapping[int, Sequence[Mailbox]], facts: Facts
) -> tuple[dict[int, Users], dict[int, str]]:
    """Look up everybody whom a member of these mailboxes may be.

    Returns:
        Users by context, and the contexts of which nothing could be read now or before, with the reason.

    Raises:
        StoreUnavailable: nothing could be read of any.
        StoreError: as the store says.
    """
    unread = {context: why for context, why in facts.observation.unread.items() if context in by_context}
    asked = {context: _asked(some, facts) for context, some in by_context.items() if context not in unread}
    known, lost = _parted(users_in(store, asked))
    unread |= lost
    if unread and not known:
        raise StoreUnavailable(next(iter(unread.values())))
    return known, unread


def with_leavers(
    store: AccountStore, known: Mapping[int, Users], desired: Mapping[int, Sequence[Desired]], facts: Facts
) -> tuple[dict[int, Users], dict[int, str]]:
    """Look up also the users who have a claim or an account but should not have one.

    Returns:
        Users by context as before, now with `ids`; and the contexts of which nothing can be read any more.
    """
    asked: dict[int, set[int]] = defaultdict(set)
    for context, one in ((context, one) for context, some in desired.items() for one in some):
        ref, leaving = one.mailbox.ref, asked[context]
        leaving.update(user for user in facts.claims.get(ref, ()) if user not in one.accounts)
        if one.mailbox.extra == "remove":
            leaving |= {account.user for account in facts.observation.accounts.get(ref, ())} - one.accounts.keys()
    questions = {context: Asked(ids=ids) for context, ids in asked.items() if ids}
    found, lost = _parted(users_in(store, questions) if questions else {})
    told = {
        context: replace(users, ids=found[context].ids, logins={**found[context].logins, **users.logins})
        if context in found
        else users
        for context, users in known.items()
        if context not in lost
    }
    return told, lost


def _asked(mailboxes: Sequence[Mailbox], facts: Facts) -> Asked:
    sources = {source for mailbox in mailboxes for source in (*mailbox.sources, *mailbox.exclude)}
    values: dict[By, set[str]] = defaultdict(set)
    for source in sources:
        read = facts.reads[source]
        for member in chain(read.members.values(), read.disabled.values()):
            for rule, names in zip(member.rules, member.names, strict=True):
                values[rule.by].update(names)
    return Asked(
        logins=values["login"],
        mails=values["mail"],
        aliases=values["alias"],
        imap_logins=values["imap_login"],
        ids=frozenset(number for value in values["id"] if (number := user_number(value)) is not None)
        | frozenset(user for mailbox in mailboxes for user in facts.pins.get(mailbox.ref, ())),
    )


def _parted(found: Mapping[int, Users]) -> tuple[dict[int, Users], dict[int, str]]:
    """Part the contexts that were read from those that could not be, with the reason."""
    known = {context: users for context, users in found.items() if not users.unread}
    return known, {context: users.unread for context, users in found.items() if users.unread}
