"""The Open-Xchange tables without Open-Xchange: for `syncd demo` and for tests, on SQLite and on MariaDB.

`schema.json` has the tables of a context database at level 8.19 as recorded from the vendor's middleware: columns with
type and collation, keys and defaults. On SQLite lengths and collations are declared but not enforced; the store checks
lengths itself and compares addresses by `collation_key`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.sql import quoted_name

_MAIL_URL, _TRANSPORT_URL = "imap://imap.example.org:143", "smtp://smtp.example.org:587"
_ID = "int(10) unsigned"
_WIDE = "utf8mb4_unicode_ci"
_CONFIGDB: Mapping[str, Mapping[str, Any]] = {
    "login2context": {
        "columns": [
            {"name": "cid", "type": _ID},
            {"name": "login_info", "type": "varchar(255)", "collation": "utf8mb3_unicode_ci"},
        ],
        "keys": {
            "PRIMARY": {"unique": True, "parts": ["login_info"]},
            "cid": {"unique": False, "parts": ["cid"]},
        },
    },
    "context": {
        "columns": [
            {"name": "cid", "type": _ID},
            {"name": "name", "type": "varchar(128)", "collation": _WIDE},
            {"name": "enabled", "type": "tinyint(1)", "nullable": True},
            {"name": "reason_id", "type": _ID, "nullable": True},
        ],
        "keys": {
            "PRIMARY": {"unique": True, "parts": ["cid"]},
            "context_name_unique": {"unique": True, "parts": ["name"]},
        },
    },
    "context_server2db_pool": {
        "columns": [
            *({"name": name, "type": _ID} for name in ("server_id", "cid", "read_db_pool_id", "write_db_pool_id")),
            {"name": "db_schema", "type": "varchar(32)", "collation": _WIDE},
        ],
        "keys": {
            "PRIMARY": {"unique": True, "parts": ["cid", "server_id"]},
            "poolAndSchema": {"unique": False, "parts": ["write_db_pool_id", "db_schema"]},
        },
    },
    "db_pool": {
        "columns": [
            {"name": "db_pool_id", "type": _ID},
            {"name": "url", "type": "varchar(255)", "collation": _WIDE},
            *({"name": name, "type": "varchar(128)", "collation": _WIDE} for name in ("driver", "login", "password")),
            {"name": "name", "type": "varchar(128)", "collation": _WIDE},
        ],
        "keys": {"PRIMARY": {"unique": True, "parts": ["db_pool_id"]}},
    },
}
"""The tables of configdb that syncd reads, without columns that it does not need and that may be missing."""


def create_schema(engine: Engine, *, tables: Sequence[str] | None = None) -> None:
    """Create the tables (all, or the named ones) in the database of the engine."""
    with engine.begin() as connection:
        for name, table in _schema().items():
            if tables is None or name in tables:
                for statement in _ddl(name, table, sqlite=engine.dialect.name == "sqlite"):
                    connection.exec_driver_sql(statement)


def add_context(connection: Connection, cid: int) -> None:
    """Add a context as OX does: its counters and its administrator, user 2."""
    add_rows(connection, "sequence_mail_service", [{"cid": cid, "id": 0}])
    add_rows(connection, "sequence_principal", [{"cid": cid, "id": 2}])
    add_rows(connection, "replicationMonitor", [{"cid": cid, "transaction": 0}])
    add_rows(connection, "user_setting_admin", [{"cid": cid, "user": 2}])
    add_user(connection, cid, 2, login="oxadmin", mail=f"oxadmin{cid}@example.org")


def add_user(
    connection: Connection,
    cid: int,
    user: int,
    *,
    login: str,
    mail: str,
    guest_of: int = 0,
    mail_url: str | None = _MAIL_URL,
    transport_url: str | None = _TRANSPORT_URL,
    starttls: bool = True,
) -> None:
    """Add a user with login and primary account; `mail_url` None = without account 0, as guests are."""
    add_users(
        connection,
        cid,
        [(user, login, mail)],
        guest_of=guest_of,
        mail_url=mail_url,
        transport_url=transport_url,
        starttls=starttls,
    )


def add_users(
    connection: Connection,
    cid: int,
    people: Sequence[tuple[int, str, str]],
    *,
    guest_of: int = 0,
    mail_url: str | None = _MAIL_URL,
    transport_url: str | None = _TRANSPORT_URL,
    starttls: bool = True,
) -> None:
    """Add many users (id, login, mail) at once; the rest as `add_user`."""
    common = {"cid": cid, "mailEnabled": 1, "preferredLanguage": "en_US", "shadowLastChange": -1}
    common |= {"timeZone": "Europe/Berlin", "passwordMech": "{SHA-256}", "guestCreatedBy": guest_of}
    rows = [{**common, "id": user, "mail": mail, "contactId": user} for user, _, mail in people]
    add_rows(connection, "user", rows)
    add_rows(connection, "login2user", [{"cid": cid, "id": user, "uid": login} for user, login, _ in people])
    if mail_url is None:
        return
    account = {"cid": cid, "id": 0, "name": "E-Mail", "default_flag": 1, "starttls": int(starttls)}
    mails = [
        {
            **account,
            "user": user,
            "login": login,
            "url": mail_url,
            "primary_addr": mail,
            "spam_handler": "NoSpamHandler",
        }
        for user, login, mail in people
    ]
    add_rows(connection, "user_mail_account", mails)
    if transport_url is None:
        return
    transports = [
        {**account, "user": user, "login": "", "url": transport_url, "send_addr": mail} for user, _, mail in people
    ]
    add_rows(connection, "user_transport_account", transports)
    properties = [
        {"cid": cid, "id": 0, "user": user, "name": "transport.auth", "value": "mail"} for user, _, _ in people
    ]
    add_rows(connection, "user_transport_account_properties", properties)


def add_aliases(connection: Connection, cid: int, aliases: Sequence[tuple[int, str]]) -> None:
    """Give users further addresses: (user, alias); OX lists the user's own address among them, too."""
    add_rows(connection, "user_alias", [{"cid": cid, "user": user, "alias": alias} for user, alias in aliases])


def add_group(connection: Connection, cid: int, group: int, name: str, members: Sequence[int] = ()) -> None:
    """Add a group of users."""
    row = {"cid": cid, "id": group, "identifier": name, "displayName": name, "lastModified": 0}
    add_rows(connection, "groups", [row])
    add_rows(connection, "groups_member", [{"cid": cid, "id": group, "member": member} for member in members])


def create_configdb(engine: Engine) -> None:
    """Create the tables of configdb that syncd reads."""
    with engine.begin() as connection:
        for name, table in _CONFIGDB.items():
            for statement in _ddl(name, table, sqlite=engine.dialect.name == "sqlite"):
                connection.exec_driver_sql(statement)


def add_pool(connection: Connection, pool: int, url: str, login: str, password: str) -> None:
    """Let configdb know a database server by its JDBC URL."""
    row = {"db_pool_id": pool, "url": url, "driver": "com.mysql.cj.jdbc.Driver", "login": login, "password": password}
    add_rows(connection, "db_pool", [{**row, "name": f"pool{pool}"}])


def place_context(connection: Connection, cid: int, schema: str, *, write: int, read: int = 0) -> None:
    """Let configdb know where a context is: schema, write pool, and read pool where that is another one."""
    add_rows(connection, "context", [{"cid": cid, "name": f"context{cid}", "enabled": 1}])
    row = {"server_id": 2, "cid": cid, "read_db_pool_id": read or write, "write_db_pool_id": write}
    add_rows(connection, "context_server2db_pool", [{**row, "db_schema": schema}])


def name_context(connection: Connection, cid: int, *names: str) -> None:
    """Let configdb know a context, as OX does by its number as text, its name and its login mappings."""
    rows = [{"cid": cid, "login_info": name} for name in dict.fromkeys((str(cid), *names))]
    add_rows(connection, "login2context", rows)


def add_rows(connection: Connection, table: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that all have the same columns; columns not named get their default."""
    if rows:
        target = sa.table(quoted_name(table, quote=True), *(sa.column(name) for name in rows[0]))
        connection.execute(sa.insert(target), [dict(row) for row in rows])


@cache
def _schema() -> dict[str, dict[str, Any]]:
    text = resources.files("syncd.openxchange").joinpath("schema.json").read_text("utf-8")
    schema: dict[str, dict[str, Any]] = json.loads(text)
    return schema


def _ddl(name: str, table: Mapping[str, Any], *, sqlite: bool) -> list[str]:
    """Give the statements that make one table with its keys."""
    parts = [_column(column, sqlite=sqlite) for column in table["columns"]]
    statements = []
    for key, definition in table["keys"].items():
        columns = ", ".join(_part(part, sqlite=sqlite) for part in definition["parts"])
        if key == "PRIMARY":
            parts.append(f"PRIMARY KEY ({columns})")
        elif sqlite:
            unique = "UNIQUE " if definition["unique"] else ""
            statements.append(f'CREATE {unique}INDEX "{name}_{key}" ON "{name}" ({columns})')
        else:
            parts.append(f"{'UNIQUE ' if definition['unique'] else ''}KEY `{key}` ({columns})")
    quoted = f'"{name}"' if sqlite else f"`{name}`"
    tail = "" if sqlite else " ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
    return [f"CREATE TABLE {quoted} ({', '.join(parts)}){tail}", *statements]


def _column(column: Mapping[str, Any], *, sqlite: bool) -> str:
    text = (
        f'"{column["name"]}" {column["type"].removesuffix(" unsigned")}'
        if sqlite
        else f"`{column['name']}` {column['type']}"
    )
    if not sqlite and "collation" in column:
        text += f" CHARACTER SET {column['collation'].split('_')[0]} COLLATE {column['collation']}"
    text += "" if column.get("nullable") else " NOT NULL"
    return text + (f" DEFAULT '{column['default']}'" if "default" in column else "")


def _part(part: str, *, sqlite: bool) -> str:
    column, _, length = part.partition("(")
    if sqlite:
        return f'"{column}"'
    return f"`{column}`({length}" if length else f"`{column}`"
