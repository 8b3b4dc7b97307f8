"""Bring the ledger's schema to the version this code knows, or refuse one that is newer.

Alembic costs a quarter of a second to import, so it is loaded only when a comparison of one value says it is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect

from syncd.errors import LedgerUnavailable
from syncd.ledger.tables import HEAD, VERSION_TABLE

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

    from syncd.ledger.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = "syncd_ledger_schema"
_LOCK_SECONDS = 60


def ensure(database: Database) -> bool:
    """Upgrade the ledger unless it is at `HEAD`; tell whether there was anything to do.

    Raises:
        LedgerUnavailable: the schema was written by a newer syncd, or the database fails.
    """
    with database.reading() as work:
        if _version(work.connection) == HEAD:
            return False
    with database.writing() as work:  # in SQLite this is the lock: BEGIN IMMEDIATE
        if not work.sqlite and work.rows("SELECT GET_LOCK(?, ?)", (_LOCK, _LOCK_SECONDS)) != [(1,)]:
            raise LedgerUnavailable(f"{database}: another process is upgrading the schema")
        try:
            version = _version(work.connection)
            if version != HEAD:
                _upgrade(work.connection, version, str(database))
        finally:
            if not work.sqlite:
                work.rows("SELECT RELEASE_LOCK(?)", (_LOCK,))
    return True


def _version(connection: Connection) -> str | None:
    """Give the revision that the database is at; None = it has no tables of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").first()
    return None if row is None else str(row[0])


def _upgrade(connection: Connection, version: str | None, name: str) -> None:
    from alembic import command  # noqa: PLC0415 - see the module's docstring
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = configuration()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise LedgerUnavailable(
            f"{name}: its schema {version} is newer than this syncd, which knows {HEAD}",
            hint="start the syncd that wrote it, or a newer one",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def configuration() -> Config:
    """Give Alembic's configuration; it needs no file, since the scripts lie beside this module."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
