"""Single attributes of accounts changed by a service of Open-Xchange, as an administrator asks by hand.

The rules are those of `provisioning_content`: servers go whole, transport fields only where there is a transport row,
the two passwords never together. Only accounts that were just listed as secondary, and are the user's only ones with
their address, are sent: the service would change any other with the address as well (ox-behaviour 5).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from syncd.core.address import collation_key
from syncd.core.model import Endpoint, Observed
from syncd.openxchange import urls
from syncd.openxchange.base import Written
from syncd.openxchange.batch import done, failed
from syncd.openxchange.edit import AccountChange, Edit, ServerChange
from syncd.openxchange.listing import Listed
from syncd.openxchange.provisioning_calls import Failures
from syncd.openxchange.provisioning_content import FOLDERS, Content, apart, server

Send = Callable[[str, Content, Sequence[int]], Failures]
"""Sends an update of (address, content) for users; gives who was not changed."""


Look = Callable[[str], Mapping[int, Sequence[Observed]]]
"""Gives all accounts with an address, by user."""


def edit_accounts(
    edits: Sequence[Edit], listed: Collection[Listed], look: Look, send: Send, *, name: str
) -> list[Written]:
    """Make the changes; in the given order.

    Args:
        edits: what to change.
        listed: the secondary accounts of their users.
        look: gives all accounts with an address, private ones included.
        send: the call.
        name: of the service, for messages.
    """
    known = {(one.user, one.account): one for one in listed}
    standing: dict[str, Mapping[int, Sequence[Observed]]] = {}
    written: dict[int, Written] = {}
    groups: dict[
        tuple[str, tuple[tuple[tuple[str, object], ...], ...]], tuple[tuple[Content, ...], dict[int, int]]
    ] = {}
    for number, edit in enumerate(edits):
        stored = known.get((edit.user, edit.account))
        if edit.mailbox_key not in standing and stored and collation_key(stored.address) == edit.mailbox_key:
            standing[edit.mailbox_key] = look(stored.address)
        problem = _problem(edit, stored, standing.get(edit.mailbox_key, {}).get(edit.user, ()), name)
        contents: tuple[Content, ...] = ()
        if stored is not None and problem is None:
            problem, contents = on_edit(stored, edit.change, name)
        if stored is None or problem is not None:
            written[number] = failed(edit, problem or "")
        elif not contents:
            written[number] = done(edit)
        else:
            key = (stored.address, tuple(tuple(sorted(content.items())) for content in contents))
            groups.setdefault(key, (contents, {}))[1][edit.user] = number
    for (address, _), (contents, by_user) in groups.items():
        failures: Failures = {}
        for content in contents:
            users = [user for user in by_user if user not in failures]
            failures |= send(address, content, users) if users else {}
        for user, number in by_user.items():
            edit = edits[number]
            written[number] = failed(edit, failures[user]) if user in failures else done(edit)
    return [written[number] for number in range(len(edits))]


def _problem(edit: Edit, stored: Listed | None, standing: Iterable[Observed], name: str) -> str | None:
    """Say why the service must not be asked; None = it may. `standing` are the user's accounts with the address."""
    if stored is None or collation_key(stored.address) != edit.mailbox_key:
        return "the account is not there any more, or not a secondary one of this mailbox"
    if others := [one.id for one in standing if one.id != edit.account]:
        return f"the user has another account with this address (id {others[0]}), which {name} would change as well"
    return None


def on_edit(stored: Listed, change: AccountChange, name: str) -> tuple[str | None, tuple[Content, ...]]:
    """Give what must be sent, one call after the other; or a problem."""
    if change.transport.asks and stored.transport is None:
        return f"the account has no transport, and {name} cannot give it one: delete it and create it anew", ()
    content: dict[str, str | int | bool] = {}
    texts = {"name": change.name, "personal": change.personal, "replyTo": change.reply_to}
    texts |= {"login": change.mail.login, "transportLogin": change.transport.login}
    texts |= {FOLDERS[kind]: name for kind, name in change.folders.items()}
    content |= {name: text for name, text in texts.items() if text is not None}
    for side, ends, wanted in (("mail", stored.mail, change.mail), ("transport", stored.transport, change.transport)):
        if ends is not None and wanted.moves:
            problem, parts = _moved(side, ends, wanted)
            if problem is not None:
                return problem, ()
            content |= parts
        if wanted.starttls is not None:
            content[f"{side}StartTls"] = wanted.starttls
    return None, apart(content, change.mail.password, change.transport.password)


def _moved(side: str, stored: Endpoint, wanted: ServerChange) -> tuple[str | None, Content]:
    """Give a server whole, what is not given taken from the stored one; or a problem."""
    try:
        url = urls.moved(stored.url, wanted.host, wanted.port, wanted.protocol, wanted.secure)
    except ValueError as problem:
        return str(problem), {}
    if (parts := urls.parse(url)) is None or parts.port is None:
        return f"the stored {side} server has no port: give it, too", {}
    return None, server(side, url)
