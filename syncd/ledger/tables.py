"""The ledger's tables as this version of syncd knows them; a test proves that the migrations lead exactly here.

Kept narrow: claims and journal rows carry a mailbox's number instead of its address. Times are integers, milliseconds
since 1970 in UTC: they sort, compare and index alike in SQLite and MySQL, neither of which would give them back with a
time zone. What a change writes is the same for all accounts of a mailbox, so the journal names it by its digest and
`texts` has it once: 10,000 creates would be 15 MB otherwise. Text is compared byte by byte (`utf8mb4_bin`): what is
equal by collation was decided before, in Python. Words that MySQL keeps for itself (by, reads) are no column names.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import SchemaItem

HEAD = "0002"
"""The schema that this code reads and writes: the newest revision in `migrations/versions`."""

VERSION_TABLE = "schema_version"

Number = BigInteger().with_variant(Integer(), "sqlite")  # only INTEGER counts up by itself in SQLite
Long = Text().with_variant(mysql.LONGTEXT(), "mysql")
metadata = MetaData()


def _table(name: str, *items: SchemaItem, **options: Any) -> Table:
    return Table(
        name,
        metadata,
        *items,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        **options,
    )


mailboxes = _table(
    "mailboxes",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("context", BigInteger, nullable=False),
    Column("address_key", String(700), nullable=False),
    Column("address", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("orphaned_since", BigInteger),
    Column("fingerprint", String(64)),
    Column("begun", BigInteger),
    Index("mailboxes_ref", "context", "address_key", unique=True),
)
mailbox_status = _table(
    "mailbox_status",
    Column("mailbox", BigInteger, primary_key=True, autoincrement=False),
    Column("run", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Long, nullable=False),
)
claims = _table(
    "claims",
    Column("mailbox", BigInteger, primary_key=True, autoincrement=False),
    Column("user", BigInteger, primary_key=True, autoincrement=False),
    Column("account", BigInteger, nullable=False),
    Column("held", Integer, nullable=False),
    Column("member", Text, nullable=False),
    Column("dn", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("seal", LargeBinary),
    sqlite_with_rowid=False,
)
runs = _table(
    "runs",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("run", String(64), nullable=False),
    Column("command", Text, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("finished", BigInteger),
    Column("result", String(16), nullable=False),
    Column("partial", Integer, nullable=False),
    Column("server", Text, nullable=False),
    Column("summary", Long, nullable=False),
    Column("errors", Long, nullable=False),
    Index("runs_run", "run", unique=True),
    Index("runs_result", "result", "finished"),
)
journal = _table(
    "journal",
    Column("seq", Number, primary_key=True, autoincrement=True),
    Column("run", String(64), nullable=False),
    Column("batch", String(64)),
    Column("at", BigInteger, nullable=False),
    Column("mailbox", BigInteger, nullable=False),
    Column("user", BigInteger, nullable=False),
    Column("login", Text, nullable=False),
    Column("account", BigInteger),
    Column("op", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("old", Long),
    Column("new", String(64)),
    Column("result", String(16), nullable=False),
    Column("error", Text),
    Column("reason", Text),
    Column("hash", String(64)),
    Index("journal_batch", "batch"),
    Index("journal_run", "run"),
    Index("journal_new", "new"),
    Index("journal_result", "result", "at"),
    sqlite_autoincrement=True,
)
chain = _table(
    "chain",
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("anchor_seq", BigInteger, nullable=False),
    Column("anchor_hash", String(64), nullable=False),
    Column("anchored_at", BigInteger),
    Column("pruned", BigInteger, nullable=False),
)
texts = _table(
    "texts",
    Column("digest", String(64), primary_key=True),
    Column("body", Long, nullable=False),
)
held_plans = _table(
    "held_plans",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("digest", String(100), nullable=False),
    Column("mailbox", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("objections", Long, nullable=False),
    Column("plan", Long, nullable=False),
    Column("state", String(16), nullable=False),
    Column("approved_at", BigInteger),
    Column("approved_by", Text),
    Column("items", Long),
    Column("rejected_at", BigInteger),
    Column("rejected_by", Text),
    Column("told", Text),
    Index("held_plans_digest", "digest"),
    Index("held_plans_mailbox", "mailbox", "state"),
)
pins = _table(
    "pins",
    Column("mailbox", BigInteger, primary_key=True, autoincrement=False),
    Column("user", BigInteger, primary_key=True, autoincrement=False),
    Column("keep", Integer, nullable=False),
    Column("until", BigInteger),
    Column("person", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
pauses = _table(
    "pauses",
    Column("mailbox", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger),
    Column("person", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)
absences = _table(
    "absences",
    Column("mailbox", BigInteger, primary_key=True, autoincrement=False),
    Column("user", BigInteger, primary_key=True, autoincrement=False),
    Column("agreed", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
)
counts = _table(
    "counts",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("mailbox", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("members", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("counts_mailbox", "mailbox"),
)
cursors = _table(
    "cursors",
    Column("name", String(64), primary_key=True),
    Column("server", Text, nullable=False),
    Column("counter", Text),
    Column("confirmed", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)
sightings = _table(
    "sightings",
    Column("id", Number, primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("mailbox", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Index("sightings_mailbox", "mailbox"),
)
leases = _table(
    "leases",
    Column("name", String(64), primary_key=True),
    Column("token", String(64), nullable=False),
    Column("holder", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("pid_started", BigInteger),
    Column("started", BigInteger, nullable=False),
    Column("renewed", BigInteger, nullable=False),
)
