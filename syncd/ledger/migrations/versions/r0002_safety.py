"""Pins, pauses, absences, fingerprints of mappings, reasons, and the chain of hashes through the journal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"

LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")


def _table(name: str, *columns: sa.Column[object]) -> None:
    # MySQL commits every CREATE and ALTER by itself: one that was interrupted goes on where it stopped
    op.create_table(
        name,
        *columns,
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def _columns(table: str, *columns: sa.Column[object]) -> None:
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
    for column in columns:
        if column.name not in there:
            op.add_column(table, column)


def upgrade() -> None:
    _table(
        "pins",
        sa.Column("mailbox", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("user", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("keep", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    _table(
        "pauses",
        sa.Column("mailbox", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("until", sa.BigInteger()),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    _table(
        "absences",
        sa.Column("mailbox", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("user", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("agreed", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
    )
    _columns("mailboxes", sa.Column("fingerprint", sa.String(64)), sa.Column("begun", sa.BigInteger()))
    op.execute("UPDATE mailboxes SET begun = first_seen WHERE begun IS NULL AND id IN (SELECT mailbox FROM claims)")
    _columns(
        "held_plans",
        sa.Column("items", LONG),
        sa.Column("rejected_at", sa.BigInteger()),
        sa.Column("rejected_by", sa.Text()),
        sa.Column("told", sa.Text()),
    )
    _columns("journal", sa.Column("reason", sa.Text()), sa.Column("hash", sa.String(64)))
    op.create_index("journal_run", "journal", ["run"], if_not_exists=True)
    op.create_index("journal_new", "journal", ["new"], if_not_exists=True)
    _table(
        "chain",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("anchor_seq", sa.BigInteger(), nullable=False),
        sa.Column("anchor_hash", sa.String(64), nullable=False),
        sa.Column("anchored_at", sa.BigInteger()),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
    )
    if op.get_bind().exec_driver_sql("SELECT COUNT(*) FROM chain").scalar() == 0:
        # what was written before has no hash, so the chain begins behind it
        op.execute(
            "INSERT INTO chain (id, seq, hash, anchor_seq, anchor_hash, pruned) "
            "SELECT 1, COALESCE(MAX(seq), 0), '', COALESCE(MAX(seq), 0), '', 0 FROM journal"
        )
