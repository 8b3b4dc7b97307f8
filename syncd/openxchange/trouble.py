"""Turn errors of the database driver into what the caller should do about them.

No message carries a statement or a password: SQLAlchemy's own text, which has both, is never used. The numbers are
those of the MySQL and MariaDB manuals ("Server error message reference"); client errors are 2000 to 2999.
"""

from __future__ import annotations

import re

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from syncd.errors import StoreError, StoreRefused, StoreUnavailable

_AGAIN = {1205, 1213}  # lock wait timeout, deadlock
_DATA = {1048, 1062, 1264, 1265, 1292, 1364, 1366, 1406, 1644, 3819, 4025}  # 1644: a trigger said no
_DENIED = {1044, 1045, 1142, 1143, 1227, 1370, 1410, 1698}
_READ_ONLY = {1209, 1290, 1792, 1836, 3100}
_SHAPE = {1049, 1054, 1146, 1932}
_WRITE_ELSEWHERE = "syncd has to write on the primary server"
_LOGIN = "check user and password; a user with REQUIRE SSL on this machine itself needs tls: {verify: true}"
_TLS = "check tls.ca and that the certificate names the host of the URL"


class RowRefused(Exception):  # noqa: N818 - reads as a state, as the tree in syncd.errors does
    """The database will not take the values of one account; carries a text for people. Never leaves this package."""


def number(error: DBAPIError) -> int:
    """Give the server's or client's error number, 0 where there is none (SQLite)."""
    args = getattr(error.orig, "args", ())
    return args[0] if args and isinstance(args[0], int) else 0


def passing(error: DBAPIError) -> bool:
    """Tell whether the same transaction may succeed when tried again: deadlock, lock wait timeout."""
    return number(error) in _AGAIN or "database is locked" in str(error.orig)


def translate(error: DBAPIError, where: str) -> StoreError | RowRefused:
    """Give the error to raise instead; `where` names server and database."""
    code, text = number(error), _text(error)
    if code in _DATA or (isinstance(error, DataError | IntegrityError) and not error.connection_invalidated):
        return RowRefused(_readable(text))
    reasons: list[tuple[bool, type[StoreError], str, str | None]] = [
        (code in _READ_ONLY or "readonly database" in text, StoreRefused, "is read-only", _WRITE_ELSEWHERE),
        (code == 1045, StoreRefused, "refused", _LOGIN),
        (code in _DENIED, StoreRefused, "refused", "the README lists the GRANTs that syncd needs"),
        (code in _SHAPE or "no such" in text, StoreRefused, "has not the tables of Open-Xchange 7.10.6 or later", None),
        (code == 1665, StoreRefused, "refused", "set binlog_format to MIXED or ROW"),
        (code == 2026 or "certificate" in text.lower(), StoreUnavailable, "cannot be reached by TLS", _TLS),
        (passing(error), StoreUnavailable, "has rows locked by somebody else", None),
        (True, StoreUnavailable, "did not answer", None),
    ]
    kind, what, hint = next((kind, what, hint) for met, kind, what, hint in reasons if met)
    return kind(f"{where} {what}: {text}", hint=hint)


def _text(error: DBAPIError) -> str:
    args = getattr(error.orig, "args", ())
    return str(args[-1] if args else error.orig).strip().removesuffix(".")


def _readable(text: str) -> str:
    """Leave out what tells people nothing: row numbers of a statement they cannot see, and stored values."""
    if text.startswith("Duplicate entry") or "UNIQUE constraint" in text:
        return "an account with this id exists already"
    return re.sub(r" at row \d+$", "", text)
