"""The schema: reached by migrations, recognised cheaply, refused when it is newer."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from syncd.errors import LedgerUnavailable
from syncd.ledger import schema
from syncd.ledger.database import Database, Work
from syncd.ledger.ledger import Ledger
from syncd.ledger.tables import HEAD, VERSION_TABLE, metadata
from syncd.ledger.times import stamp
from syncd.ledger.values import LedgerOptions
from tests.ledger.making import BOTH, NOON, SUPPORT

OPEN_TWICE = """
import sys
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
options = LedgerOptions(url=sys.argv[1])
Ledger.open(options).close()
print("alembic" in sys.modules)
"""


def differences(work: Work) -> list[Any]:
    """Give what the database has otherwise than the code declares it."""
    opts = {"compare_type": True, "version_table": VERSION_TABLE}
    return list(compare_metadata(MigrationContext.configure(work.connection, opts=opts), metadata))


def test_head_is_the_newest_migration() -> None:
    """The constant that is compared at every start is Alembic's head."""
    assert ScriptDirectory.from_config(schema.configuration()).get_heads() == [HEAD]


def test_migrations_lead_to_the_tables(options: LedgerOptions) -> None:
    """An upgraded database has exactly the tables, columns and indexes that the code declares."""
    Ledger.open(options).close()
    database = Database(options)
    with database.reading() as work:
        assert differences(work) == []
    database.close()


def old_ledger(options: LedgerOptions) -> Database:
    """Give a database as the first version of syncd left it, with a claim, three changes and a held plan."""
    database = Database(options)
    config = schema.configuration()
    with database.writing() as work:
        config.attributes["connection"] = work.connection
        command.upgrade(config, "0001")
    with database.writing() as work:
        for number, (ref, address) in enumerate(BOTH, 1):
            work.run(
                "INSERT INTO mailboxes (id, context, address_key, address, first_seen) VALUES (?, ?, ?, ?, ?)",
                (number, *ref, address, stamp(NOON) + number),
            )
        work.run("INSERT INTO claims (mailbox, user, account, held, member, dn, login, since) "
                 "VALUES (1, 3, 103, 1, 'id-3', 'uid=user3', 'user3', 5)")  # fmt: skip
        for user, result in ((3, "applied"), (4, "failed"), (5, "pending")):
            work.run(
                "INSERT INTO journal (run, batch, at, mailbox, user, login, account, op, path, result) "
                "VALUES ('r0', 'b0', 7, 1, ?, 'login', ?, 'create', '[]', ?)",
                (user, 100 + user, result),
            )
        work.run(
            "INSERT INTO held_plans (digest, mailbox, created, objections, plan, state) "
            "VALUES ('sha256:a', 2, 9, '[]', '{}', 'held')",
        )
    return database


def test_a_filled_ledger_is_upgraded(options: LedgerOptions) -> None:
    """What the first version wrote is there, has the same tables as a new ledger, and begins a chain behind it."""
    database = old_ledger(options)
    with Ledger.open(options) as ledger:
        assert ledger.begun() == {SUPPORT: NOON + timedelta(milliseconds=1)}
        assert ledger.fingerprints() == {}
        assert set(ledger.claims()[SUPPORT]) == {3}
        assert [(plan.digest, plan.state, plan.items) for plan in ledger.held()] == [("sha256:a", "held", None)]
        [entry] = ledger.unsettled()
        ledger.settle({entry.seq: "abandoned"})
    with database.reading() as work:
        assert differences(work) == []
        assert work.rows("SELECT seq, anchor_seq, anchor_hash, pruned FROM chain") == [(4, 3, "", 0)]
        hashed = work.rows("SELECT seq, op FROM journal WHERE hash IS NOT NULL")
    database.close()
    assert hashed == [(4, "conclude")]


def test_an_interrupted_upgrade_goes_on(options: LedgerOptions) -> None:
    """MySQL commits each ALTER by itself: an upgrade that did not come to its last step is finished, and keeps all."""
    database = old_ledger(options)
    Ledger.open(options).close()
    with database.writing() as work:
        work.run(f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
        work.run("DELETE FROM chain")
        work.run("DROP TABLE pauses")
    Ledger.open(options).close()
    with database.reading() as work:
        assert differences(work) == []
        assert work.rows("SELECT seq, anchor_seq FROM chain") == [(3, 3)]
    database.close()


def test_mysql_compares_text_by_octets(options: LedgerOptions) -> None:
    """Keys that a collation would hold for equal stay apart: that was decided before, in Python."""
    with Ledger.open(options) as ledger:
        ledger.register([((1, "müller@x"), "a"), ((1, "muller@x"), "b"), ((1, "MULLER@x"), "c")])  # type: ignore[list-item]
        assert len(ledger.status()) == 3


def test_alembic_is_not_loaded_when_nothing_is_to_be_done(sqlite: LedgerOptions) -> None:
    """Opening a ledger at head does not import Alembic; the first opening does."""
    line = [sys.executable, "-c", OPEN_TWICE, sqlite.url]
    loaded = [subprocess.run(line, capture_output=True, text=True, check=True).stdout for _ in range(2)]
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
    line = [sys.executable, "-c", OPEN_TWICE, sqlite.url]
    processes = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate()[1] for process in processes]
    assert errors == [b"", b"", b""]
