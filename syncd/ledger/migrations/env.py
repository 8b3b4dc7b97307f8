"""What Alembic runs to upgrade the ledger: on the connection, and within the lock, of `syncd.ledger.schema`."""

from __future__ import annotations

from alembic import context

from syncd.ledger.tables import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
