"""What an account was like, from the rows that the journal kept of it; passwords are never among them.

A value that the rows lack is the usual one (`openxchange.rows`): an empty folder name, no STARTTLS, no personal name.

| written back     | when the account has now                     |
|------------------|----------------------------------------------|
| the values before| the values that the update wrote             |
| nothing to do    | the values before                            |
| refused          | others: somebody has changed it since        |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from syncd.core.accounts import folders_text, repaired, spared, wanted
from syncd.core.model import Account, Endpoint, Fields
from syncd.openxchange import urls
from syncd.openxchange.edit import AccountChange, ServerChange

Rows = Mapping[str, Any]
"""Rows of an account as the journal has them: `mail`, `transport` where there is one, and their properties."""
Column = tuple[str, str]
"""A table's part (mail or transport) and a column of it."""

_FOLDERS = ("archive", "drafts", "sent", "spam", "trash", "confirmed_spam", "confirmed_ham")
_FOLDER = re.compile(rf"(?:^|, )({'|'.join(_FOLDERS)}): ")
_COLUMNS: Mapping[str, Column] = {
    "name": ("mail", "name"),
    "personal": ("mail", "personal"),
    "reply_to": ("mail", "replyTo"),
    "replyTo": ("mail", "replyTo"),
    "login": ("mail", "login"),
    "mail_url": ("mail", "url"),
    "mail_starttls": ("mail", "starttls"),
    "transport_url": ("transport", "url"),
    "transport_starttls": ("transport", "starttls"),
    "transport_login": ("transport", "login"),
}
"""What an update set, as the journal names it, where that is one column."""
_SERVER = ("host", "port", "protocol", "secure")
"""The parts of a server's URL, as an update by hand names them."""
_POLICIES: Mapping[str, str] = {"mail_url": "server", "mail_starttls": "server"}
_FIELDS: Mapping[Column, str] = {
    ("mail", "replyTo"): "reply_to",
    ("mail", "url"): "mail_url",
    ("mail", "starttls"): "mail_starttls",
    ("transport", "url"): "transport_url",
    ("transport", "starttls"): "transport_starttls",
    ("transport", "login"): "transport_login",
}
_NOTHING = Fields("", "", False, None, None, None, None, None)


class NotRevertedError(ValueError):
    """It cannot be taken back; the message is for people."""


class Difference(NamedTuple):
    """A value that an update changed."""

    old: object
    new: object
    """None = not known."""


# --------------------------------------------------------------------------- an account that comes back


def account_of(rows: Rows | None, mapped: Account | None) -> Account:
    """Give what a deleted account is like when it comes back.

    Names, folders and whatever is not enforced are as the rows have them; what the mapping enforces, and passwords, are
    the mapping's: the next run would write them anyway.

    Raises:
        NotRevertedError: the journal has no rows of it, or no server in them.
    """
    mail, transport = _part(rows, "mail"), _part(rows, "transport")
    if not mail.get("url"):
        raise NotRevertedError("the journal does not tell what the account was like")
    known = Account(
        name=str(mail.get("name") or ""),
        login=str(mail.get("login") or ""),
        mail=Endpoint(str(mail["url"]), bool(mail.get("starttls"))),
        transport=Endpoint(str(transport["url"]), bool(transport.get("starttls"))) if transport.get("url") else None,
        personal=mail.get("personal"),
        reply_to=mail.get("replyTo"),
        transport_login=str(transport.get("login") or ""),
        folders={kind: str(name) for kind in _FOLDERS if (name := mail.get(f"{kind}_fullname"))},
    )
    return known if mapped is None else _as_mapped(known, mapped)


def _as_mapped(known: Account, mapped: Account) -> Account:
    policy = mapped.policy
    own = {"name", "personal", "reply_to", "folders", "login"}
    enforced = {name: getattr(mapped, name) for name in own if getattr(policy, name) == "enforce"}
    if "folders" in enforced:
        enforced["folders"] = {**known.folders, **mapped.folders}
    if mapped.mail is not None and policy.server == "enforce":
        enforced["mail"] = mapped.mail
    if mapped.mail is not None and policy.transport == "enforce":
        enforced["transport"] = mapped.transport
    if policy.transport == "enforce":
        enforced["transport_login"] = mapped.transport_login
    back = replace(known, **enforced, policy=policy, password=mapped.password)
    return replace(back, transport_password=mapped.transport_password) if back.transport else back


# --------------------------------------------------------------------------- values that come back


def changed(rows: Rows | None, new: Mapping[str, Any]) -> dict[Column, Difference]:
    """Give the columns that an update changed, with their values before and after.

    Args:
        rows: the account's rows before.
        new: what the update set, by name.

    Raises:
        NotRevertedError: a password was changed, or the journal does not tell enough.
    """
    if "passwords" in new:
        raise NotRevertedError("it changed a password, and the journal keeps none: set it with syncd account update")
    if not _part(rows, "mail"):
        raise NotRevertedError("the journal does not tell what was there before")
    found = {column: Difference(value(rows, column), after) for column, after in _after(rows, new)}
    if not found:
        raise NotRevertedError(
            "it wrote a password, or set right what an account needs: there is nothing to write back"
        )
    if not _part(rows, "transport") and any(part == "transport" for part, _ in found):
        raise NotRevertedError("the account had no transport before, and none can be taken away again")
    return found


def _after(rows: Rows | None, new: Mapping[str, Any]) -> Iterator[tuple[Column, object]]:
    """Give each column that was set, with its value then."""
    for name, set_to in new.items():
        if name in _COLUMNS:
            yield _COLUMNS[name], _plain(_COLUMNS[name], set_to)
        elif name.endswith("_fullname"):
            yield ("mail", name), re.sub(r"^default\d+(?:/|$)", "", str(set_to or ""))
        elif name == "folders":
            yield from ((("mail", f"{kind}_fullname"), None) for kind in _FOLDER.findall(str(set_to or "")))
    for part in ("mail", "transport"):
        parts = [new.get(f"{part}_{name}") for name in _SERVER]
        if parts != [None] * len(_SERVER):
            yield (part, "url"), _moved(str(value(rows, (part, "url"))), *parts)


def _moved(url: str, host: Any, port: Any, protocol: Any, secure: Any) -> str | None:
    try:
        return urls.moved(url, host, port, protocol, secure)
    except ValueError:
        return None


def value(rows: Rows | None, column: Column) -> object:
    """Give a value of rows as it is compared."""
    part, name = column
    return _plain(column, _part(rows, part).get(name))


def _plain(column: Column, stored: object) -> object:
    return bool(stored) if column[1] == "starttls" else spared(None if stored is None else str(stored))


def taken_back(before: Mapping[Column, Difference], now: Rows | None) -> bool:
    """Tell whether the values of before are there again.

    Raises:
        NotRevertedError: some values are neither those before nor those after the update.
    """
    stored = {column: value(now, column) for column in before}
    if all(stored[column] == one.old for column, one in before.items()):
        return True
    others = [
        f"{part} {name} is {stored[part, name]!r} now"
        for (part, name), one in before.items()
        if stored[part, name] != one.old and one.new is not None and stored[part, name] != one.new
    ]
    if others or not _part(now, "mail"):
        raise NotRevertedError(f"somebody has changed it since: {', '.join(others) or 'its rows cannot be read'}")
    return False


def back(before: Mapping[Column, Difference]) -> AccountChange:
    """Give the change that writes the values of before.

    Raises:
        NotRevertedError: a server of before cannot be understood.
    """
    texts = {name: str(one.old) for (part, name), one in before.items() if part == "mail"}
    return AccountChange(
        name=texts.get("name"),
        personal=texts.get("personal"),
        reply_to=texts.get("replyTo"),
        mail=_server(before, "mail"),
        transport=_server(before, "transport"),
        folders={kind: texts[f"{kind}_fullname"] for kind in _FOLDERS if f"{kind}_fullname" in texts},
    )


def _server(before: Mapping[Column, Difference], part: str) -> ServerChange:
    old = {name: one.old for (of, name), one in before.items() if of == part}
    change = ServerChange(
        login=str(old["login"]) if "login" in old else None,
        starttls=bool(old["starttls"]) if "starttls" in old else None,
    )
    if "url" not in old:
        return change
    server = urls.parse(str(old["url"]))
    if server is None or server.port is None:
        raise NotRevertedError(f"the server of before cannot be understood: {old['url']!r}")
    return replace(change, host=server.host, port=server.port, protocol=server.protocol, secure=server.secure)


# --------------------------------------------------------------------------- what the configuration says to it


def shown(before: Mapping[Column, Difference], now: Rows | None) -> tuple[Fields, Fields]:
    """Give what is stored now and what is written back, as fields of a change; what is not touched is left out."""
    return _fields(before, lambda column: value(now, column)), _fields(before, lambda column: before[column].old)


def _fields(before: Mapping[Column, Difference], of: Any) -> Fields:
    values = {_FIELDS.get(column, column[1]): of(column) for column in before if not column[1].endswith("_fullname")}
    folders = {name.removesuffix("_fullname"): of((part, name)) for part, name in before if name.endswith("_fullname")}
    if folders:
        values["folders"] = folders_text(folders)
    return _NOTHING._replace(**values)


def enforced(before: Mapping[Column, Difference], now: Rows | None, account: Account) -> list[str]:
    """Give the keys of the configuration that would have the next run undo what is written back."""
    stored = {part: dict(_part(now, part)) for part in ("mail", "transport")}
    for (part, name), one in before.items():
        stored[part][name] = one.old
    after = _stored_fields(stored, account)
    repair = repaired(account, after, wanted(account))
    fields = {_FIELDS.get(column, "folders" if column[1].endswith("_fullname") else column[1]) for column in before}
    found = {name for name in fields if getattr(repair, name) != getattr(after, name)}
    return sorted({_POLICIES.get(name, name.partition("_")[0] if "transport" in name else name) for name in found})


def _stored_fields(rows: Rows, account: Account) -> Fields:
    """Give the fields of rows, as far as they are compared with those of a mapping."""
    mail, transport, policy = rows["mail"], rows["transport"], account.policy
    right = wanted(account)
    folders = {kind: str(mail.get(f"{kind}_fullname") or "") for kind in account.folders}
    return Fields(
        login=str(mail.get("login") or ""),
        mail_url=str(mail.get("url") or ""),
        mail_starttls=bool(mail.get("starttls")),
        transport_url=str(transport["url"]) if transport.get("url") else None,
        transport_starttls=bool(transport.get("starttls")) if transport else None,
        transport_login=str(transport.get("login") or "") if transport else None,
        transport_auth=right.transport_auth if transport else None,
        transport_secondary=right.transport_secondary if transport else None,
        name=str(mail.get("name") or "") if policy.name == "enforce" else None,
        personal=spared(mail.get("personal")) if policy.personal == "enforce" else None,
        reply_to=spared(mail.get("replyTo")) if policy.reply_to == "enforce" else None,
        folders=folders_text(folders) if policy.folders == "enforce" and account.folders else None,
    )


def _part(rows: Rows | None, part: str) -> Mapping[str, Any]:
    found = (rows or {}).get(part)
    return found if isinstance(found, Mapping) else {}
