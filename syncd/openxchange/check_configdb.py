"""What `syncd check` verifies where configdb says in which database each context is: configdb, and each of these.

Nothing is changed. Of databases in which no context is named by the configuration only as many are looked at as there
are: all of them where contexts are found out by each run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

from syncd.core.finding import Finding
from syncd.errors import StoreError, SyncdError
from syncd.openxchange import check
from syncd.openxchange.check import Use
from syncd.openxchange.configdb import ConfigdbOptions, Place, Placements, read_placements
from syncd.openxchange.connect import Database, StoreOptions
from syncd.openxchange.contexts import named_contexts
from syncd.openxchange.tables import CONTEXT, CONTEXT_POOL, DB_POOL, LOGIN_CONTEXT

_TABLES = ", ".join(table.name for table in (CONTEXT, CONTEXT_POOL, DB_POOL, LOGIN_CONTEXT))
_WHAT = "OX configdb"


def findings(
    options: StoreOptions | ConfigdbOptions,
    contexts: Collection[int],
    *,
    uses: Collection[Use] = (),
    now: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """Check the database, or configdb and its databases, for the contexts; the arguments are those of `check.findings`.

    Where no context is named all databases are looked at.
    """
    if isinstance(options, StoreOptions):
        yield from check.findings(options, contexts, uses=uses, now=now)
        return
    try:
        configdb = Database(options.configdb, section="configdb")
    except SyncdError as error:
        yield Finding(ok=False, what=_WHAT, detail=str(error))
        return
    try:
        with configdb.reading() as connection:
            yield Finding(ok=True, what=_WHAT, detail=f"{configdb.where} answers: {check.version(connection)}")
            yield check.tls(connection, configdb, f"{_WHAT} TLS")
            placements = read_placements(connection, options)
            ids = frozenset(placements.contexts)
            further = len(named_contexts(ids, connection).names) - len(ids)
    except StoreError as error:
        yield Finding(ok=False, what=_WHAT, detail=error.message, hint=f"syncd needs SELECT on {_TABLES} there")
        return
    finally:
        configdb.engine.dispose()
    detail = f"{len(ids)} contexts in {len(placements.options)} databases, with {further} names besides their numbers"
    hint = "" if ids else "is it the configdb of this Open-Xchange?"
    yield Finding(ok=not hint, what=f"{_WHAT} contexts", detail=detail, hint=hint)
    yield from _placed(placements, contexts or ids, told=contexts)
    yield from _databases(placements, contexts, uses, now)


def _placed(placements: Placements, contexts: Collection[int], told: Collection[int]) -> Iterator[Finding]:
    """Tell of each context whose place is not known, and of each named one that is disabled."""
    for context in sorted(contexts):
        placement = placements.of(context)
        if placement.problem:
            yield Finding(ok=False, what=f"OX context {context}", detail=placement.problem)
        elif placement.disabled and context in told:
            hint = "nothing is written there until it is enabled again"
            yield Finding(ok=False, what=f"OX context {context}", detail=placement.disabled, hint=hint)


def _databases(
    placements: Placements, contexts: Collection[int], uses: Collection[Use], now: Callable[[], float]
) -> Iterator[Finding]:
    by_place: dict[Place, list[int]] = {place: [] for place in placements.options} if not contexts else {}
    for context in sorted(contexts):
        place = placements.of(context).place
        if place is not None:
            by_place.setdefault(place, []).append(context)
    for place, some in by_place.items():
        told = frozenset(context for context in placements.at[place] if placements.of(context).replicated)
        for finding in check.findings(placements.options[place], some, uses=uses, now=now, replicated=bool(told)):
            named = finding.what.startswith("OX context")
            yield finding if named else finding._replace(what=f"{finding.what} ({place})")
