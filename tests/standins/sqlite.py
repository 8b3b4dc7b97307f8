"""SQLite for tests: a file that need not survive a power cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa


def quick(file: Path) -> sa.Engine:
    """Give an engine on a file, without waiting for the disk and without connections that stay open."""
    engine = sa.create_engine(f"sqlite:///{file}", poolclass=sa.NullPool)

    @sa.event.listens_for(engine, "connect")
    def hurry(connection: Any, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    return engine
