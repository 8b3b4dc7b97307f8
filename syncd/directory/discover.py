"""Search for entries that each describe a mailbox, and say whether these are all of them."""

from __future__ import annotations

from syncd.core import dn as names
from syncd.core.reads import Cause, Discovery, Found, Search
from syncd.directory.entries import as_text
from syncd.directory.search import Query, Refused, Searcher


def discover(searcher: Searcher, search: Search, base: str) -> Discovery:
    """Make one search, all pages of it.

    Args:
        searcher: whom to ask.
        search: what for.
        base: of the directory; for a search that names none.

    Raises:
        Lost: the connection ended.
    """
    found: dict[str, Found] = {}
    reasons: list[str] = []
    causes: set[Cause] = set()
    query = Query(search.base or base, search.scope, search.filter, search.attributes or ("1.1",))
    try:
        for page in searcher.search(query):
            for entry in page:
                try:
                    key = names.normalise(entry.dn)
                except names.InvalidDN as error:
                    reasons.append(f"{searcher.server}: an entry with an unusable name: {error}")
                    causes.add("invalid")
                    continue
                found[key] = Found(entry.dn, key, as_text(entry.attributes))
    except Refused as error:
        reasons.append(str(error))
        causes.add(error.cause)
    return Discovery(
        found=tuple(one for _, one in sorted(found.items())),
        complete=not reasons,
        reasons=tuple(reasons),
        causes=frozenset(causes),
    )
