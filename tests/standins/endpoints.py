"""Which servers an account gets: endpoint sources at create, pieces of URLs at update (ox-behaviour 2, 3 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.standins import faults, urls
from tests.standins.rows import Row

End = tuple[str, bool]
"""URL and STARTTLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """The endpoints of an account that is created; without a transport it can only receive."""

    mail: End
    transport: End | None


_LOCALHOST = Ends(mail=("imap://localhost:143", True), transport=("smtp://localhost:25", True))
_NO_DATA = (
    'Missing mail end-point data. Set end-point source to either "primary" or "localhost"; '
    "or specify appropriate fields in account data"
)


def chosen(
    data: Mapping[str, Any], context: int, user: int, accounts: Sequence[Row], transports: Sequence[Row]
) -> Ends:
    """Give the endpoints of a new account; `transportEndpointSource` is never looked at.

    Args:
        data: the account as asked for.
        context: for the texts of faults.
        user: for the texts of faults.
        accounts: the user's mail rows.
        transports: the user's transport rows.

    Raises:
        Fault: there is no account 0 to copy, no server was given, or its name cannot be.
    """
    source = (data.get("mailEndpointSource") or "").strip().lower()
    if source == "localhost":
        return _LOCALHOST
    if source == "primary":
        mail = next((row for row in accounts if row["id"] == 0), None)
        if mail is None:
            text = f"Cannot find mail account with identifier 0 for user {user} in context {context}."
            raise faults.account(2, "ERROR", text)
        transport = next((row for row in transports if row["id"] == 0), None)
        return Ends(mail=_copied(mail, "imap"), transport=None if transport is None else _copied(transport, "smtp"))
    mail_end = _given(data, "mail")
    if mail_end is None:
        raise faults.storage(_NO_DATA)
    return Ends(mail=mail_end, transport=_given(data, "transport"))


def _copied(row: Row, protocol: str) -> End:
    server, url = urls.parse(row["url"], protocol)
    return (url if server.host is None else server.text()), bool(row["starttls"])


def _given(data: Mapping[str, Any], part: str) -> End | None:
    server = _server(data, part)
    if not (server.host or "").strip():
        return None
    try:
        return server.url(), bool(data.get(f"{part}StartTls"))
    except urls.BadHostError as bad:
        raise faults.storage(f"Invalid host name: {bad}") from None


def _server(data: Mapping[str, Any], part: str) -> urls.Server:
    return urls.Server(
        host=data.get(f"{part}Server"),
        port=data.get(f"{part}Port"),
        protocol=data.get(f"{part}Protocol"),
        secure=data.get(f"{part}Secure"),
    )


def same_box(data: Mapping[str, Any], accounts: Sequence[Row]) -> bool:
    """Say whether a user has the same login at the same server; asked whenever a server is given, needed or not."""
    given = _server(data, "mail")
    if not (given.host or "").strip():
        return False
    for row in accounts:
        stored, _ = urls.parse(row["url"])
        where = (stored.port, (stored.protocol or "").lower()) == (given.port, (given.protocol or "").lower())
        if where and row["login"] == data.get("login") and urls.same_host(stored.host, given.host):
            return True
    return False


class Wanted:
    """The server fields of an update. One object serves all users of the call, and that is the vendor's mistake."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._mail = _server(data, "mail")
        self._transport = _server(data, "transport")
        self._starttls = bool(data.get("transportStartTls"))

    def mail(self, row: Row, context: int) -> str | None:
        """Give the new URL of a mail row, and keep what was taken from its old one; None where nothing was asked."""
        self._mail, url = _completed(self._mail, row, "imap", context)
        return url

    def transport(self, row: Row, context: int) -> str | None:
        """Give the new URL of a transport row, and keep what was taken from its old one."""
        self._transport, url = _completed(self._transport, row, "smtp", context)
        return url

    def new_transport(self, mail: Row) -> Row | None:
        """Give the row that the vendor inserts for an account without one: not secondary, login and password empty."""
        server = self._transport
        if not (server.host or "").strip():
            return None
        server = replace(server, port=server.port or 25, protocol=server.protocol or "smtp")
        row = {name: mail[name] for name in ("cid", "user", "id", "name", "personal", "replyTo")}
        row |= {"url": _checked(server), "login": "", "password": "", "send_addr": mail["primary_addr"]}
        row |= {"default_flag": 0, "unified_inbox": 0, "starttls": int(self._starttls)}
        return row | {"secondary": 0, "deactivated": 0, "disabled": 0}


def _completed(wanted: urls.Server, row: Row, protocol: str, context: int) -> tuple[urls.Server, str | None]:
    host = wanted.host if (wanted.host or "").strip() else None
    if (host, wanted.port, wanted.protocol, wanted.secure) == (None, None, None, None):
        return wanted, None
    stored, _ = urls.parse(row["url"], protocol)
    full = urls.Server(
        host=stored.host if host is None else host,
        port=stored.port if wanted.port is None else wanted.port,
        protocol=stored.protocol if wanted.protocol is None else wanted.protocol,
        secure=stored.secure if wanted.secure is None else wanted.secure,
    )
    if (full.protocol or "").lower() != (stored.protocol or "").lower():
        text = f"The protocol must not changed from {stored.protocol} to {full.protocol}"
        raise faults.account(26, "USER_INPUT", f"{text} for user {row['user']} in context {context}.")
    return full, _checked(full)


def _checked(server: urls.Server) -> str:
    try:
        return server.url()
    except urls.BadHostError as bad:
        index = str(bad).find("//") + 2
        text = f"Illegal character in authority at index {index}: {bad}"
        raise faults.storage(f"java.net.URISyntaxException: {text}") from None
