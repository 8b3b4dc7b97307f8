"""What `list` shows of an account: the rows as the vendor's middleware loads them (ox-behaviour 11)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from sqlalchemy import Connection

from syncd.openxchange.obfuscation import Obfuscator
from syncd.openxchange.tables import MAIL, TRANSPORT, Shape
from tests.standins import contract, faults, rows, urls
from tests.standins.rows import Row

Reveal = Callable[[str | None], str | None]


def accounts(
    connection: Connection, context: int, users: list[int] | None, cipher: Obfuscator, shape: Shape
) -> list[dict[str, object]]:
    """Give the secondary accounts of some users (None = of the context) as the data objects of the service.

    Like the vendor's, this rewrites URLs in the tables that nothing can be made of.

    Raises:
        Fault: a stored password is so damaged that even reading it fails.
    """
    found = rows.secondary(connection, context, users)
    transports = rows.by_user(connection, TRANSPORT, context, {row["user"] for row in found})
    listed = []
    for mail in found:
        own = [row for row in transports[mail["user"]] if row["id"] == mail["id"]]
        listed.append(_account(connection, mail, own[0] if own else None, cipher, shape))
    return listed


def _account(
    connection: Connection, mail: Row, transport: Row | None, cipher: Obfuscator, shape: Shape
) -> dict[str, object]:
    account: dict[str, object] = {"contextId": mail["cid"], "userId": mail["user"], "id": mail["id"]}
    password = _reveal(cipher, mail["password"])
    account |= {"login": mail["login"], "password": password, "name": mail["name"]}
    account |= {"primaryAddress": mail["primary_addr"], "personal": mail["personal"], "replyTo": mail["replyTo"]}
    server, url = urls.parse(mail["url"], "imap")
    if url != mail["url"]:
        rows.change(connection, MAIL, mail, {"url": url}, shape)
    account |= _endpoint("mail", server, mail["starttls"])
    if transport is None:
        account |= {"transportLogin": mail["login"], "transportPassword": password}
        account |= _endpoint("transport", urls.Server(host=None, port=25, protocol="smtp", secure=False), 0)
    else:
        own = _reveal(cipher, transport["password"])
        account |= {"transportLogin": transport["login"], "transportPassword": password if own is None else own}
        server, url = urls.parse(transport["url"], "smtp")
        if url != transport["url"]:
            rows.change(connection, TRANSPORT, transport, {"url": url}, shape)
        account |= _endpoint("transport", server, transport["starttls"])
    return account | {name: mail[column] or None for name, column in contract.FOLDERS.items()}


def _endpoint(part: str, server: urls.Server, starttls: int) -> dict[str, object]:
    port = server.port if server.port and server.port > 0 else None
    parts = {"Server": server.host, "Port": port, "Protocol": server.protocol}
    parts |= {"Secure": bool(server.secure), "StartTls": bool(starttls)}
    return {f"{part}{name}": value for name, value in parts.items()}


def _reveal(cipher: Obfuscator, text: str | None) -> str | None:
    """Give the password; what cannot be decrypted is taken for the password itself."""
    if text is None:
        return None
    plain = cipher.decrypt(text)
    if plain is None and text.count("$") == 5 and _breaks_base64(text):
        raise faults.Fault("Input byte[] should at least have 2 bytes for base64 bytes")
    return text if plain is None else plain


def _breaks_base64(text: str) -> bool:
    """Say whether a text of six parts is so damaged that the vendor's decoder throws (`$$$$$` is not: empty parts)."""
    parts = text.split("$")
    try:
        for part in (parts[0], parts[1], parts[5]):
            base64.b64decode(part + "=" * (-len(part) % 4) if len(part) % 4 > 1 else part, validate=True)
    except binascii.Error:
        return True
    return False
