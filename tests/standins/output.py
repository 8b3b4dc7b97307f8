"""The two formats in which the list tool shows accounts (ox-behaviour 14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Account = Mapping[str, Any]
_Column = Callable[[Account], object]


def _field(name: str) -> _Column:
    return lambda account: account[name]


def _url(part: str) -> _Column:
    def url(account: Account) -> object:
        host, port = account[f"{part}Server"], account[f"{part}Port"]
        if host is None:
            return None
        secure = "s" if account[f"{part}Secure"] else ""
        name = f"[{host}]" if ":" in host else host
        return f"{account[f'{part}Protocol']}{secure}://{name}" + ("" if port is None else f":{port}")

    return url


def _starttls(part: str) -> _Column:
    return lambda account: "STARTTLS" if account[f"{part}StartTls"] else ""


_IDS: dict[str, _Column] = {
    "context-id": _field("contextId"),
    "user-id": _field("userId"),
    "account-id": _field("id"),
}
_TABLE: dict[str, _Column] = _IDS | {
    "primary-address": _field("primaryAddress"),
    "name": _field("name"),
    "login": _field("login"),
    "mail-server-URI": _url("mail"),
    "transport-login": _field("transportLogin"),
    "transport-server-URI": _url("transport"),
}
_CSV: dict[str, _Column] = _IDS | {
    "primary-address": _field("primaryAddress"),
    "name": _field("name"),
    "login": _field("login"),
    "password": _field("password"),
    "personal": _field("personal"),
    "reply-to": _field("replyTo"),
    "mail-server-URL": _url("mail"),
    "mail-starttls": _starttls("mail"),
    "transport-login": _field("transportLogin"),
    "transport-password": _field("transportPassword"),
    "transport-server-URL": _url("transport"),
    "transport-starttls": _starttls("transport"),
    "archive-fullname": _field("archiveFullname"),
    "drafts-fullname": _field("draftsFullname"),
    "sent-fullname": _field("sentFullname"),
    "spam-fullname": _field("spamFullname"),
    "trash-fullname": _field("trashFullname"),
    "confirmed-spam-fullname": _field("confirmedSpamFullname"),
    "confirmed-ham-fullname": _field("confirmedHamFullname"),
}


def csv(accounts: Sequence[Account]) -> str:
    """Give the 22 columns: names bare, values quoted, null as nothing at all."""
    lines = [",".join(_CSV)]
    lines += [",".join(_quoted(value(account)) for value in _CSV.values()) for account in accounts]
    return "".join(f"{line}\n" for line in lines)


def _quoted(value: object) -> str:
    return "" if value is None else '"' + str(value).replace('"', '""') + '"'


def table(accounts: Sequence[Account]) -> str:
    """Give the aligned table; a line break in a value breaks it, and blanks fill it up to the last column's end."""
    cells = [list(_TABLE)] + [
        ["" if (cell := value(account)) is None else str(cell) for value in _TABLE.values()] for account in accounts
    ]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return "".join(
        " ".join(
            blank + cell if number < len(_IDS) else cell + blank
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
            for blank in [" " * (width - _width(cell))]
        )
        + "\n"
        for row in cells
    )


def _width(text: str) -> int:
    """Count as Java does: a character beyond the basic plane is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
