"""What an account was like, from the rows that the journal kept of it; passwords are never among them.

A value that the rows lack is the usual one (`openxchange.rows`): an empty folder name, no STARTTLS, no personal name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncd.core.model import Account, Endpoint, Policy
from syncd.openxchange import urls
from syncd.openxchange.edit import AccountChange, ServerChange

_FOLDERS = ("archive", "drafts", "sent", "spam", "trash", "confirmed_spam", "confirmed_ham")
_KEYS: Mapping[str, str] = {
    "name": "name",
    "personal": "personal",
    "reply_to": "reply_to",
    "replyTo": "reply_to",
    "folders": "folders",
    "login": "login",
    "password": "password",
    "mail_password": "password",
    "transport_password": "password",
    "transport_login": "transport",
}
"""What an update set, as the journal names it → the policy that decides about it; the rest begins with its server."""


class NotRevertedError(ValueError):
    """The journal does not tell what was there before; the message is for people."""


def account_of(rows: Mapping[str, Any] | None, mapped: Account | None) -> Account:
    """Give what a deleted account was like, with the passwords of its mapping.

    Raises:
        NotRevertedError: the journal has no rows of it, or no server in them.
    """
    mail = dict((rows or {}).get("mail") or {})
    if not mail.get("url"):
        raise NotRevertedError("the journal does not tell what the account was like")
    transport = (rows or {}).get("transport")
    return Account(
        name=str(mail.get("name") or ""),
        login=str(mail.get("login") or ""),
        mail=Endpoint(str(mail["url"]), bool(mail.get("starttls"))),
        transport=None if not transport else Endpoint(str(transport.get("url") or ""), bool(transport.get("starttls"))),
        personal=mail.get("personal"),
        reply_to=mail.get("replyTo"),
        transport_login=str((transport or {}).get("login") or ""),
        password=mapped.password if mapped else None,
        transport_password=mapped.transport_password if mapped and transport else None,
        folders=_folders(mail),
        policy=mapped.policy if mapped else Policy(),
    )


def back(rows: Mapping[str, Any] | None, new: Mapping[str, Any]) -> AccountChange:
    """Give the change that writes back what an update has changed.

    Args:
        rows: the account's rows before.
        new: what the update set, by name.

    Raises:
        NotRevertedError: a password was changed, or the journal has no rows.
    """
    changed = {name for name in new if _key(name) is not None}
    if any(name.endswith("password") for name in changed):
        raise NotRevertedError("it changed a password, and the journal keeps none: set it with syncd account update")
    mail = dict((rows or {}).get("mail") or {})
    if not mail:
        raise NotRevertedError("the journal does not tell what was there before")
    keys = {_key(name) for name in changed}
    transport = dict((rows or {}).get("transport") or {})
    return AccountChange(
        name=str(mail.get("name") or "") if "name" in keys else None,
        personal=str(mail.get("personal") or "") if "personal" in keys else None,
        reply_to=str(mail.get("replyTo") or "") if "reply_to" in keys else None,
        mail=_server(mail, moved=any(name.startswith("mail_") for name in changed), login="login" in changed),
        transport=_server(
            transport,
            moved=any(name.startswith("transport_") and name != "transport_login" for name in changed),
            login="transport_login" in changed,
        ),
        folders={kind: str(mail.get(f"{kind}_fullname") or "") for kind in _FOLDERS} if "folders" in keys else {},
    )


def enforced(new: Mapping[str, Any], policy: Policy) -> list[str]:
    """Give which of the policies that an update falls under write their value again."""
    keys = {key for name in new if (key := _key(name)) is not None}
    return sorted(key for key in keys if getattr(policy, key) == "enforce")


def _key(name: str) -> str | None:
    """Give the policy that decides about a value; None = nothing that a person could write back."""
    if name in _KEYS:
        return _KEYS[name]
    if name.endswith("_fullname"):
        return "folders"
    if name.startswith("mail_"):
        return "server"
    return "transport" if name.startswith("transport_") else None


def _server(row: Mapping[str, Any], *, moved: bool, login: bool) -> ServerChange:
    text = str(row.get("login") or "") if login else None
    if not moved or not row.get("url"):
        return ServerChange(login=text)
    server = urls.parse(str(row["url"]))
    if server is None:
        raise NotRevertedError(f"the server of before cannot be understood: {row['url']}")
    return ServerChange(
        host=server.host,
        port=server.port,
        protocol=server.protocol,
        secure=server.secure,
        starttls=bool(row.get("starttls")),
        login=text,
    )


def _folders(mail: Mapping[str, Any]) -> dict[str, str]:
    return {kind: str(name) for kind in _FOLDERS if (name := mail.get(f"{kind}_fullname"))}
