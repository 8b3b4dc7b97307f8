"""Where configdb says that each context is stored: server, schema, and whether anything may be written there.

Tables (ox-facts 1.6, columns as recorded from 8.19): `context_server2db_pool` gives read pool, write pool and schema of
a context, `db_pool` the server of a pool with its login in clear text, `context` whether it is enabled. Read and
written is always by the write pool: a replica may be behind. Nothing is remembered: contexts move.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.engine import URL

from syncd.core.model import Secret
from syncd.openxchange.connect import StoreOptions, by_mysqlclient
from syncd.openxchange.jdbc import Server, server_of
from syncd.openxchange.obfuscation import Obfuscation
from syncd.openxchange.packing import records, unpack
from syncd.openxchange.tables import CONTEXT, CONTEXT_POOL, DB_POOL


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigdbOptions:
    """Where configdb is, and how the databases that it lists are reached."""

    configdb: StoreOptions
    """Its timeouts are those of the other databases, too."""
    pools: StoreOptions
    """How the others are reached; its URL is not used."""
    login: str | None = None
    """The user's name in all of them; None = `db_pool.login`."""
    password: Secret | None = None
    """That user's password; None = `db_pool.password`."""
    obfuscation: Obfuscation | None = None
    """Needed where a mailbox has a password."""


class Place(NamedTuple):
    """A schema on a server; two pools that lead to the same one are one place."""

    host: str
    port: int
    schema: str

    def __str__(self) -> str:
        """Name it for messages: `oxdatabase_5 on db1.example.org:3306`."""
        return f"{self.schema} on {self.host}:{self.port}"


class Placement(NamedTuple):
    """What configdb says of one context."""

    place: Place | None
    """None = it cannot be told, see `problem`."""
    replicated: bool = False
    """Whether Open-Xchange reads it from another pool than it writes to."""
    problem: str = ""
    """Why its place cannot be told."""
    disabled: str = ""
    """Why nothing may be written to it now, although its place is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """Where all contexts are, at one moment."""

    contexts: Mapping[int, Placement]
    at: Mapping[Place, frozenset[int]]
    """All contexts of each place."""
    options: Mapping[Place, StoreOptions]
    """How each place is reached."""

    def of(self, context: int) -> Placement:
        """Give the placement of a context, also of one that configdb does not know."""
        return self.contexts.get(context) or Placement(None, problem=f"configdb knows no context {context}")


class _Pool(NamedTuple):
    place: Server | None
    login: str
    password: Secret
    problem: str


def read_placements(connection: Connection, options: ConfigdbOptions) -> Placements:
    """Read where all contexts are: two statements, however many there are.

    Raises:
        DBAPIError: configdb cannot be read; `Database.reading` translates it.
    """
    pools = _pools(connection, options)
    contexts: dict[int, Placement] = {}
    reached: dict[Place, StoreOptions] = {}
    columns = (CONTEXT_POOL.c.cid, CONTEXT_POOL.c.read_db_pool_id, CONTEXT_POOL.c.write_db_pool_id)
    more = (CONTEXT_POOL.c.db_schema, CONTEXT.c.enabled, CONTEXT.c.reason_id)
    source = CONTEXT_POOL.join(CONTEXT, CONTEXT.c.cid == CONTEXT_POOL.c.cid)
    for cid, reading, writing, text in records(connection, (*columns, *more), 3, source, sa.true()):
        context, (schema, enabled, reason) = int(cid), unpack(text)
        pool = pools.get(int(writing))
        placement = _placement(
            context, pool, int(writing), schema or "", replicated=int(reading) not in {0, int(writing)}
        )
        if enabled != "1":
            why = f" (reason {reason})" if reason is not None else ""
            placement = placement._replace(disabled=f"context {context} is disabled in Open-Xchange{why}")
        known = contexts.setdefault(context, placement)
        if known.place != placement.place:  # one row for each OX server that is registered
            several = f"configdb names several databases for context {context}: {known.place} and {placement.place}"
            contexts[context] = Placement(None, problem=several)
        elif placement.replicated:
            contexts[context] = known._replace(replicated=True)
        if placement.place is not None and pool is not None:
            reached.setdefault(placement.place, _options(placement.place, pool, options))
    at: dict[Place, set[int]] = {place: set() for place in reached}
    for context, placement in contexts.items():
        if placement.place is not None:
            at[placement.place].add(context)
    return Placements(contexts=contexts, at={place: frozenset(some) for place, some in at.items()}, options=reached)


def _placement(context: int, pool: _Pool | None, number: int, schema: str, *, replicated: bool) -> Placement:
    if pool is None:
        return Placement(None, problem=f"the write pool {number} of context {context} is not in configdb")
    if pool.place is None:
        return Placement(None, problem=f"the write pool {number} of context {context}: {pool.problem}")
    return Placement(Place(*pool.place, schema), replicated)


def _pools(connection: Connection, options: ConfigdbOptions) -> dict[int, _Pool]:
    """Read the pools; a column whose value is overridden is not asked for, so that it may be hidden from us."""
    nothing: ColumnElement[str] = sa.literal_column("''")
    login = DB_POOL.c.login if options.login is None else nothing
    password = DB_POOL.c.password if options.password is None else nothing
    found: dict[int, _Pool] = {}
    for number, url, name, word in connection.execute(sa.select(DB_POOL.c.db_pool_id, DB_POOL.c.url, login, password)):
        place: Server | None = None
        problem = ""
        try:
            place = server_of(url)
        except ValueError as error:
            problem = str(error)
        found[number] = _Pool(place, options.login or name, options.password or Secret(word), problem)
    return found


def _options(place: Place, pool: _Pool, options: ConfigdbOptions) -> StoreOptions:
    driver = "mysql+mysqldb" if by_mysqlclient(options.configdb.url.partition("://")[0]) else "mysql"
    url = URL.create(driver, username=pool.login, host=place.host, port=place.port, database=place.schema)
    text = url.render_as_string(hide_password=True)
    return replace(options.pools, url=text, password=pool.password, obfuscation=options.obfuscation, configdb=None)
