"""Three schemas on two servers, and the configdb that knows them, for tests of many databases.

| contexts | schema   | server | pools                              |
|----------|----------|--------|------------------------------------|
| 1, 2     | `near`   | first  | 1; of context 2 pool 3 is read     |
| 3, 4     | `beside` | first  | 1                                  |
| 5, 6     | `far`    | second | 2                                  |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from syncd.core.model import Asked, Mailbox
from syncd.openxchange import playground
from syncd.openxchange.base import Written
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.connect import Database
from syncd.openxchange.sharded import ShardedStore
from tests.openxchange.world import OBFUSCATION, creations, mailbox
from tests.servers.mariadb import MariaDb

SCHEMAS = {"near": (1, 2), "beside": (3, 4), "far": (5, 6)}
CONTEXTS = tuple(range(1, 7))


@dataclass
class Farm:
    """The servers, and a store over them."""

    first: MariaDb
    second: MariaDb
    configdb: str
    schemas: dict[str, str]
    """Name in the table above → real name."""
    store: ShardedStore
    _stores: list[ShardedStore] = field(default_factory=list)

    def options(self, **more: Any) -> ConfigdbOptions:
        """Give the options of a store."""
        configdb = self.first.options(self.configdb, connect_timeout=2, lock_timeout=1)
        return ConfigdbOptions(**{"configdb": configdb, "pools": configdb, "obfuscation": OBFUSCATION, **more})

    def another(self, **more: Any) -> ShardedStore:
        """Give another store over the same databases; it is closed with the farm."""
        self._stores.append(ShardedStore(self.options(**more)))
        return self._stores[-1]

    def server(self, schema: str) -> MariaDb:
        """Give the server of a schema."""
        return self.second if schema == "far" else self.first

    def engine(self, schema: str) -> sa.Engine:
        """Give an engine with all rights."""
        return self.server(schema).engine(self.schemas[schema])

    def execute(self, schema: str, statement: str) -> None:
        """Run a statement in a schema, or in configdb by the name `configdb`."""
        engine = self.first.engine(self.configdb) if schema == "configdb" else self.engine(schema)
        with engine.begin() as connection:
            connection.execute(sa.text(statement))

    def counters(self) -> dict[int, int]:
        """Give what Open-Xchange is told by each context's counter."""
        found: dict[int, int] = {}
        for schema in SCHEMAS:
            with self.engine(schema).connect() as connection:
                statement = sa.text("SELECT cid, `transaction` FROM replicationMonitor")
                found |= {row[0]: row[1] for row in connection.execute(statement)}
        return found

    def create(self, box: Mailbox, *users: int) -> list[Written]:
        """Reserve ids and create accounts as a run does."""
        first = self.store.reserve(box.context, len(users))
        return self.store.create(box.context, creations(box, users, first))

    def holders(self) -> dict[int, set[int]]:
        """Give the users with a secondary account, by context, read by a store of its own."""
        boxes = [mailbox(context=context) for context in CONTEXTS]
        observation = self.another().observe(boxes, {})
        return {box.context: {found.user for found in observation.accounts[box.ref]} for box in boxes}

    @contextmanager
    def down(self) -> Iterator[None]:
        """Let the second server be away for a while."""
        self.second.kill()
        try:
            yield
        finally:
            self.second.start()

    def close(self) -> None:
        """Close the stores and drop the schemas."""
        for store in (self.store, *self._stores):
            store.close()
        for schema, name in {**self.schemas, "configdb": self.configdb}.items():
            with self.server(schema).connect() as connection, connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def found_farm(first: MariaDb, second: MariaDb) -> Farm:
    """Make the schemas with users 3 to 9 (`user3`, …) in every context."""
    schemas = {schema: (second if schema == "far" else first).fresh_database() for schema in SCHEMAS}
    configdb = first.fresh_database(tables=False)
    playground.create_configdb(first.engine(configdb))
    with first.engine(configdb).begin() as connection:
        for pool, server in ((1, first), (2, second), (3, first)):
            url = f"jdbc:mysql://127.0.0.1:{server.port}/?useUnicode=true"
            playground.add_pool(connection, pool, url, "test", "test")
        for schema, contexts in SCHEMAS.items():
            for context in contexts:
                pool = 2 if schema == "far" else 1
                read = 3 if context == 2 else 0
                playground.place_context(connection, context, schemas[schema], write=pool, read=read)
                playground.name_context(connection, context, f"name{context}")
    for schema, contexts in SCHEMAS.items():
        with (second if schema == "far" else first).engine(schemas[schema]).begin() as connection:
            for context in contexts:
                playground.add_context(connection, context)
                people = [(user, f"user{user}", f"user{user}@example.org") for user in range(3, 10)]
                playground.add_users(connection, context, people)
    unused = ShardedStore(ConfigdbOptions(configdb=first.options(configdb), pools=first.options(configdb)))
    farm = Farm(first, second, configdb, schemas, unused)
    farm.store = ShardedStore(farm.options())
    return farm


class OneShard(ShardedStore):
    """A store of many databases where there is one, which tests written for a single database look into."""

    @property
    def database(self) -> Database:
        """Give the database of context 1."""
        with self._for(1) as shard:
            return shard.database


def everybody(*users: int) -> dict[int, Asked]:
    """Ask for users by login in every context."""
    return {context: Asked(logins=[f"user{user}" for user in users], ids=users) for context in CONTEXTS}
