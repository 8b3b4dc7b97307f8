"""Which contexts a database has, and how Open-Xchange's configdb names them (ox-facts 1.6)."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Connection

from syncd.core.address import collation_key
from syncd.core.model import Contexts
from syncd.openxchange.matching import FEW
from syncd.openxchange.packing import records
from syncd.openxchange.tables import LOGIN_CONTEXT, USER, among


def context_ids(connection: Connection) -> frozenset[int]:
    """Give the contexts that have users in this database; the primary key answers it, one step per context."""
    return frozenset(connection.scalars(sa.select(USER.c.cid).distinct()))


def named_contexts(ids: frozenset[int], configdb: Connection | None) -> Contexts:
    """Give the contexts with their names: each its own number and, from configdb, its name and login mappings.

    A name that configdb gives to two of them (its primary key forbids it) names none.
    """
    own = {str(context): context for context in ids}
    given: dict[str, set[int]] = {}
    for name, context in _login_info(configdb, ids) if configdb is not None and ids else ():
        given.setdefault(collation_key(name), set()).add(context)
    given.pop("", None)
    return Contexts(ids, {**{name: min(some) for name, some in given.items() if len(some) == 1}, **own})


def _login_info(connection: Connection, ids: frozenset[int]) -> list[tuple[str, int]]:
    condition = among(LOGIN_CONTEXT.c.cid, ids) if len(ids) <= FEW else sa.true()
    columns = (LOGIN_CONTEXT.c.cid, LOGIN_CONTEXT.c.login_info)
    found = [(text.decode(), int(cid)) for cid, text in records(connection, columns, 1, LOGIN_CONTEXT, condition)]
    return [(name, context) for name, context in found if context in ids]
