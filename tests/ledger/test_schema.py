"""The schema: reached by migrations, recognised cheaply, refused when it is newer."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from syncd.errors import LedgerUnavailable
from syncd.ledger import schema
from syncd.ledger.database import Database
from syncd.ledger.ledger import Ledger
from syncd.ledger.tables import HEAD, VERSION_TABLE, metadata
from syncd.ledger.values import LedgerOptions

OPEN_TWICE = """
import sys
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
options = LedgerOptions(url=sys.argv[1])
Ledger.open(options).close()
print("alembic" in sys.modules)
"""


def test_head_is_the_newest_migration() -> None:
    """The constant that is compared at every start is Alembic's head."""
    assert ScriptDirectory.from_config(schema.configuration()).get_heads() == [HEAD]


def test_migrations_lead_to_the_tables(options: LedgerOptions) -> None:
    """An upgraded database has exactly the tables, columns and indexes that the code declares."""
    Ledger.open(options).close()
    database = Database(options)
    with database.reading() as work:
        context = MigrationContext.configure(
            work.connection, opts={"compare_type": True, "version_table": VERSION_TABLE}
        )
        differences = compare_metadata(context, metadata)
    database.close()
    assert differences == []


def test_mysql_compares_text_by_octets(options: LedgerOptions) -> None:
    """Keys that a collation would hold for equal stay apart: that was decided before, in Python."""
    with Ledger.open(options) as ledger:
        ledger.register([((1, "müller@x"), "a"), ((1, "muller@x"), "b"), ((1, "MULLER@x"), "c")])  # type: ignore[list-item]
        assert len(ledger.status()) == 3


def test_alembic_is_not_loaded_when_nothing_is_to_be_done(sqlite: LedgerOptions) -> None:
    """Opening a ledger at head does not import Alembic; the first opening does."""
    command = [sys.executable, "-c", OPEN_TWICE, sqlite.url]
    loaded = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert loaded == ["True\n", "False\n"]


def test_a_newer_schema_is_refused(options: LedgerOptions) -> None:
    """A ledger of a newer syncd is left alone, with an error that says what to do."""
    Ledger.open(options).close()
    database = Database(options)
    with database.writing() as work:
        work.run(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    database.close()
    with pytest.raises(LedgerUnavailable, match=r"schema 9999 is newer than this syncd.*newer one"):
        Ledger.open(options)


def test_an_interrupted_creation_goes_on(options: LedgerOptions) -> None:
    """MySQL commits each CREATE by itself: a creation that was killed in between is finished by the next start."""
    Ledger.open(options).close()
    database = Database(options)
    with database.writing() as work:
        for table in (VERSION_TABLE, "leases", "sightings"):
            work.run(f"DROP TABLE {table}")
    database.close()
    with Ledger.open(options) as ledger:
        assert ledger.sightings() == {}


def test_two_that_create_at_once_do_not_collide(sqlite: LedgerOptions) -> None:
    """Several processes may open a new ledger at the same moment."""
    command = [sys.executable, "-c", OPEN_TWICE, sqlite.url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1] for process in processes]
    assert errors == [b"", b"", b""]
