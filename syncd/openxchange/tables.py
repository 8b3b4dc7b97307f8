"""The tables of a context database that syncd reads or writes (ox-facts 1), and how they look on the server at hand.

The columns named here are those of 7.10.6 and later. Their lengths differ from release to release, so they are read
from the server (`read_shape`) and never taken from a version number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, TableClause
from sqlalchemy.sql import quoted_name

_RIGHTS = ("name", "url", "login", "password")
_COUNTERS = ("disabled", "failed_auth_count", "failed_auth_date")
_FLAGS = ("starttls", "oauth", *_COUNTERS, "secondary", "deactivated")

SHORT_FOLDERS = ("trash", "sent", "drafts", "spam", "confirmed_spam", "confirmed_ham")
"""Columns of the folders' short names; the full names are in NAME_fullname."""
FOLDERS = (*SHORT_FOLDERS, "archive")
"""Kinds of folders that have a full name."""


def _table(name: str, *columns: str) -> TableClause:
    return sa.table(name, *(sa.column(column) for column in columns))


MAIL = _table(
    "user_mail_account",
    *("id", "cid", "user", *_RIGHTS, "primary_addr", "personal", "replyTo", "default_flag", "spam_handler"),
    *SHORT_FOLDERS,
    *("archive", "unified_inbox", *(f"{name}_fullname" for name in SHORT_FOLDERS), "archive_fullname"),
    *_FLAGS,
)
TRANSPORT = _table(
    "user_transport_account",
    *("id", "cid", "user", *_RIGHTS, "send_addr", "personal", "replyTo", "default_flag", "unified_inbox"),
    *_FLAGS,
)
MAIL_PROPERTIES = _table("user_mail_account_properties", "id", "cid", "user", "name", "value")
TRANSPORT_PROPERTIES = _table("user_transport_account_properties", "id", "cid", "user", "name", "value")
SEQUENCE = _table("sequence_mail_service", "cid", "id")
USER = _table("user", "cid", "id", "mail", "imapLogin", "guestCreatedBy")
LOGIN = _table("login2user", "cid", "id", "uid")
ALIAS = _table("user_alias", "cid", "user", "alias")
GROUP = _table(quoted_name("groups", quote=True), "cid", "id", "identifier")  # a reserved word of MySQL 8
GROUP_MEMBER = _table("groups_member", "cid", "id", "member")
LOGIN_CONTEXT = _table("login2context", "cid", "login_info")
"""In configdb."""
CONTEXT = _table("context", "cid", "enabled", "reason_id")
"""In configdb, like the next two."""
CONTEXT_POOL = _table("context_server2db_pool", "cid", "read_db_pool_id", "write_db_pool_id", "db_schema")
DB_POOL = _table("db_pool", "db_pool_id", "url", "login", "password")
MONITOR = sa.table("replicationMonitor", sa.column("cid"), sa.column(quoted_name("transaction", quote=True)))
UPDATE_TASK = _table("updateTask", "cid", "taskName", "lastModified")
POP3 = (_table("pop3_storage_ids", "cid", "user", "id"), _table("pop3_storage_deleted", "cid", "user", "id"))

REQUIRED = (MAIL, TRANSPORT, MAIL_PROPERTIES, TRANSPORT_PROPERTIES, SEQUENCE, USER, LOGIN, UPDATE_TASK)
"""All that every run needs; the POP3 tables only matter for accounts of that protocol."""

AUTH = "transport.auth"
"""Name of the property row that every account with a transport has (ox-facts 2.1)."""
SPAM_HANDLER = "NoSpamHandler"
"""What every secondary account has in `spam_handler` (ox-facts 2.1)."""
UNBROKEN: Mapping[str, int] = dict.fromkeys(_COUNTERS, 0)
"""What the failure counters are set to when login, password or server change (ox-behaviour 5)."""
LAST_ID = 2**31 - 1
"""The last account id that OX hands out (ox-behaviour 18.11)."""


class _Numbers(sa.types.UserDefinedType[Sequence[int]]):
    """A list of whole numbers that is written out as `(1,2,3)`."""

    cache_ok = True

    def literal_processor(self, dialect: sa.Dialect) -> Callable[[Sequence[int]], str]:  # noqa: ARG002 - the same for all
        """Give what writes a list."""
        return lambda numbers: f"({','.join(map(str, numbers))})"


def among(column: ColumnElement[Any], numbers: Iterable[int]) -> ColumnElement[bool]:
    """Give `column IN (…)` for whole numbers.

    They are written out when the statement is executed: binding each would take longer than the query itself, and
    within the text every list would make another statement to compile.
    """
    listed = tuple(int(number) for number in numbers)
    if not listed:
        return sa.false()
    return column.bool_op("IN")(sa.bindparam(None, listed, _Numbers(), literal_execute=True))


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns that the server has: table → column → length in characters (None where it has none)."""

    columns: Mapping[str, Mapping[str, int | None]]

    def missing(self) -> tuple[str, ...]:
        """Name the tables and columns (`table.column`) that are needed and not there."""
        gone: list[str] = []
        for table in REQUIRED:
            present = self.columns.get(table.name)
            if present is None:
                gone.append(table.name)
            else:
                gone += [f"{table.name}.{column.name}" for column in table.columns if column.name not in present]
        return tuple(gone)

    def too_long(self, table: TableClause, row: Mapping[str, object]) -> str | None:
        """Say which value of a row does not fit its column; never the value itself."""
        lengths = self.columns[table.name]
        for column, value in row.items():
            room = lengths.get(column)
            if isinstance(value, str) and room is not None and len(value) > room:
                what = "encrypted password" if column == "password" else column
                return f"{what} is {len(value)} characters, the column takes {room}"
        return None


def read_shape(connection: Connection) -> Shape:
    """Read the columns of all tables of interest, in one statement."""
    names = [table.name for table in (*REQUIRED, *POP3)]
    if connection.dialect.name == "sqlite":
        statement = sa.text(
            "SELECT m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table' AND m.name IN :names"
        )
    else:
        statement = sa.text(
            "SELECT table_name, column_name, column_type FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name IN :names"
        )
    found: dict[str, dict[str, int | None]] = {}
    spelled = {name.lower(): name for name in names}  # lower_case_table_names=1 stores them so
    for table, column, kind in connection.execute(
        statement.bindparams(sa.bindparam("names", expanding=True)), {"names": names}
    ):
        match = re.fullmatch(r"(?:var)?char\((\d+)\)", kind.lower())
        found.setdefault(spelled[table.lower()], {})[column] = int(match[1]) if match else None
    return Shape(found)
