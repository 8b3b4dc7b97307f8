"""The first schema: everything that the ledger remembers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")


def _table(name: str, *columns: sa.Column[object], **options: object) -> None:
    # MySQL commits every CREATE by itself: one that was interrupted goes on where it stopped
    op.create_table(
        name,
        *columns,
        if_not_exists=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        **options,
    )


def upgrade() -> None:
    _table(
        "mailboxes",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("context", sa.BigInteger(), nullable=False),
        sa.Column("address_key", sa.String(700), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("orphaned_since", sa.BigInteger()),
    )
    op.create_index("mailboxes_ref", "mailboxes", ["context", "address_key"], unique=True, if_not_exists=True)
    _table(
        "mailbox_status",
        sa.Column("mailbox", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", LONG, nullable=False),
    )
    _table(
        "claims",
        sa.Column("mailbox", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("user", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("dn", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("seal", sa.LargeBinary()),
        sqlite_with_rowid=False,
    )
    _table(
        "runs",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("finished", sa.BigInteger()),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("partial", sa.Integer(), nullable=False),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("summary", LONG, nullable=False),
        sa.Column("errors", LONG, nullable=False),
    )
    op.create_index("runs_run", "runs", ["run"], unique=True, if_not_exists=True)
    op.create_index("runs_result", "runs", ["result", "finished"], if_not_exists=True)
    _table(
        "journal",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("batch", sa.String(64)),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("mailbox", sa.BigInteger(), nullable=False),
        sa.Column("user", sa.BigInteger(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("account", sa.BigInteger()),
        sa.Column("op", sa.String(16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("old", LONG),
        sa.Column("new", sa.String(64)),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("error", sa.Text()),
        sqlite_autoincrement=True,
    )
    op.create_index("journal_batch", "journal", ["batch"], if_not_exists=True)
    op.create_index("journal_result", "journal", ["result", "at"], if_not_exists=True)
    _table(
        "texts",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("body", LONG, nullable=False),
    )
    _table(
        "held_plans",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(100), nullable=False),
        sa.Column("mailbox", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("objections", LONG, nullable=False),
        sa.Column("plan", LONG, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("approved_at", sa.BigInteger()),
        sa.Column("approved_by", sa.Text()),
    )
    op.create_index("held_plans_digest", "held_plans", ["digest"], if_not_exists=True)
    op.create_index("held_plans_mailbox", "held_plans", ["mailbox", "state"], if_not_exists=True)
    _table(
        "counts",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("mailbox", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("members", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_index("counts_mailbox", "counts", ["mailbox"], if_not_exists=True)
    _table(
        "cursors",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("counter", sa.Text()),
        sa.Column("confirmed", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    _table(
        "sightings",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("mailbox", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
    )
    op.create_index("sightings_mailbox", "sightings", ["mailbox"], if_not_exists=True)
    _table(
        "leases",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("pid_started", sa.BigInteger()),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("renewed", sa.BigInteger(), nullable=False),
    )
