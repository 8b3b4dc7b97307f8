"""The two formats in which the vendor's list tool shows accounts, to the letter (ox-facts 6.5, ox-behaviour 14)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncd.core.model import Secret
from syncd.openxchange import urls
from syncd.openxchange.listing import Listed

_Cell = Callable[[Listed], str | None]
_KINDS = ("archive", "drafts", "sent", "spam", "trash", "confirmed_spam", "confirmed_ham")


def _text(password: Secret | None) -> str | None:
    return None if password is None else password.reveal()


def _folder(kind: str) -> _Cell:
    return lambda one: one.folders.get(kind)


def _transport_password(one: Listed) -> str | None:
    return _text(one.password if one.transport_password is None else one.transport_password)


def _transport_url(one: Listed) -> str | None:
    return urls.shown(one.transport.url) if one.transport else None


_IDS: dict[str, _Cell] = {
    "context-id": lambda one: str(one.context),
    "user-id": lambda one: str(one.user),
    "account-id": lambda one: str(one.account),
}
_TABLE: dict[str, _Cell] = _IDS | {
    "primary-address": lambda one: one.address,
    "name": lambda one: one.name,
    "login": lambda one: one.login,
    "mail-server-URI": lambda one: urls.shown(one.mail.url),
    "transport-login": lambda one: one.transport_login if one.transport else one.login,
    "transport-server-URI": _transport_url,
}
_CSV: dict[str, _Cell] = _IDS | {
    "primary-address": lambda one: one.address,
    "name": lambda one: one.name,
    "login": lambda one: one.login,
    "password": lambda one: _text(one.password),
    "personal": lambda one: one.personal,
    "reply-to": lambda one: one.reply_to,
    "mail-server-URL": lambda one: urls.shown(one.mail.url),
    "mail-starttls": lambda one: "STARTTLS" if one.mail.starttls else "",
    "transport-login": lambda one: one.transport_login if one.transport else one.login,
    "transport-password": _transport_password,
    "transport-server-URL": _transport_url,
    "transport-starttls": lambda one: "STARTTLS" if one.transport and one.transport.starttls else "",
    **{f"{kind.replace('_', '-')}-fullname": _folder(kind) for kind in _KINDS},
}


def csv(accounts: Sequence[Listed]) -> str:
    """Give the 22 columns: names bare, values quoted, what is not set as nothing at all."""
    lines = [",".join(_CSV)]
    lines += [",".join(_quoted(cell(one)) for cell in _CSV.values()) for one in accounts]
    return "".join(f"{line}\n" for line in lines)


def _quoted(text: str | None) -> str:
    return "" if text is None else '"' + text.replace('"', '""') + '"'


def table(accounts: Sequence[Listed]) -> str:
    """Give the aligned table: numbers to the right, blanks up to the end of the last column."""
    rows = [list(_TABLE), *([cell(one) or "" for cell in _TABLE.values()] for one in accounts)]
    widths = [max(_width(row[number]) for row in rows) for number in range(len(_TABLE))]
    return "".join(" ".join(_padded(row, widths)) + "\n" for row in rows)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    blanks = [" " * (width - _width(text)) for text, width in zip(row, widths, strict=True)]
    return [
        blank + text if number < len(_IDS) else text + blank
        for number, (text, blank) in enumerate(zip(row, blanks, strict=True))
    ]


def _width(text: str) -> int:
    """Count as Java does: a character beyond the basic plane is two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
