"""Turn sources into members: groups in groups are followed level by level, all sources at once.

All sources advance in step, so that one level costs a handful of questions however many groups there are. Breadth first
means that the path kept for a member is a shortest one; a group is entered once per source, so cycles and diamonds end.

Pages are counted for a source where they came for it alone: those of its own search and of its groups' member URLs; all
of them where it is the only source of the read. Ranges are counted for every source that enters the group.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from syncd.core import dn as names
from syncd.core.model import Source
from syncd.directory.connection import Options
from syncd.directory.entries import ABSENT, Reading, named
from syncd.directory.foreign import Expansion
from syncd.directory.kinds import Server
from syncd.directory.lookup import Lookup
from syncd.directory.primary import add_primary_members
from syncd.directory.search import Query, Refused, Searcher, any_of, chunks, escape
from syncd.directory.sids import NAME, find_by_sid
from syncd.directory.walk import Walk
from syncd.directory.whole import Wholes

_IN_CHAIN = "1.2.840.113556.1.4.1941"  # LDAP_MATCHING_RULE_TRANSITIVE_EVAL, MS-ADTS 3.1.1.3.4.4.3
_ATTRIBUTE = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9;.-]*|[0-9]+(?:\.[0-9]+)+)\s*=(.*)", re.DOTALL).fullmatch


def expand(
    searcher: Searcher,
    server: Server,
    sources: Collection[Source],
    options: Options,
    progress: Callable[[int], None] = lambda _: None,
    *,
    anyone: bool = False,
    clock: Callable[[], float] = time.time,
) -> Expansion:
    """Read every source to its members, as far as the directory answers.

    Args:
        searcher: who is asked.
        server: what is known of it.
        sources: groups, filters and attributes. A group `<SID=S-1-5-21-…>` is who has that SID, be it a person.
        options: base, rules and policies.
        progress: called now and then with the number of entries read so far.
        anyone: a group source may name a person by DN too, who is then its only member.
        clock: gives the time in seconds since 1970, for accounts that expire.

    Raises:
        Lost: the connection ended; nothing of this read may be used.
    """
    wanted = list(dict.fromkeys(sources))
    reading = Reading(searcher.server, server, wanted, options, clock())
    lookup = Lookup(searcher, reading, options.base, progress)
    walks = [Walk(source, searcher.server, reading, options) for source in wanted]
    _start_groups([walk for walk in walks if walk.source.kind == "group"], lookup, options, anyone)
    for walk in walks:
        if walk.source.kind != "group":
            _start_search(walk, lookup)
    return _run(walks, lookup)


def _run(walks: Sequence[Walk], lookup: Lookup) -> Expansion:
    """Follow the groups at hand of all walks to their ends."""
    wholes = Wholes(lookup)
    while any(walk.frontier for walk in walks):
        for walk in walks:
            walk.frontier = [(wholes.whole(group, walk), path) for group, path in walk.frontier]
        lookup.fetch(_wanted(walks))  # not kept: it may be 100,000 names, and more is made of them now
        for walk in walks:
            walk.step(lookup.found)
    add_primary_members(walks, lookup)
    if len(walks) == 1:
        walks[0].pages = lookup.pages
    notes = tuple(lookup.notes)
    return Expansion(
        {walk.source: walk.read(notes, wholes.ranges(walk.entered)) for walk in walks},
        {walk.source: tuple(walk.foreign) for walk in walks if walk.foreign},
    )


def _wanted(walks: Iterable[Walk]) -> dict[str, str]:
    """Give the member values of the groups at hand, by key."""
    wanted: dict[str, str] = {}
    for walk in walks:
        for group, _ in walk.frontier:
            wanted.update(group.members)
    return wanted


def _start_groups(walks: Iterable[Walk], lookup: Lookup, options: Options, anyone: bool) -> None:
    keys: dict[str, str] = {}
    named_by: list[tuple[Walk, str]] = []
    sids: dict[str, list[Walk]] = {}
    for walk in walks:
        value = walk.source.value
        if match := NAME(value):
            sids.setdefault(match[1].upper(), []).append(walk)
            continue
        try:
            key = names.normalise(value)
        except names.InvalidDN as error:
            walk.fail(f"{lookup.server}: group {value}: no DN: {error}", "invalid")
        else:
            keys[key] = value
            named_by.append((walk, key))
    lookup.fetch(keys, groups=not anyone)
    for walk, key in named_by:
        walk.start_group(lookup.found[key], anyone=anyone)
    if options.nesting == "server" and lookup.reading.server.kind == "ad":
        nested = {key: walk.source.value for walk, key in named_by if walk.source.nested and walk.frontier}
        _fetch_chains(nested, lookup)
    if sids:
        _start_sids(sids, lookup)


def _start_sids(sids: Mapping[str, Sequence[Walk]], lookup: Lookup) -> None:
    try:
        known = find_by_sid(lookup, sids)
    except Refused as error:
        for walk in (walk for several in sids.values() for walk in several):
            walk.fail(str(error), error.cause)
        return
    for sid, several in sids.items():
        for walk in several:
            walk.start_group(known.get(sid, ABSENT), anyone=True)


def _fetch_chains(groups: Mapping[str, str], lookup: Lookup) -> None:
    """Have the server find the groups in groups of some groups, on all levels, before the walk asks for them.

    Groups only: by this rule the server looks at every entry that the rest of the filter leaves, and people are found
    by the walk in one level then. It still goes from group to group, since only that tells the path, and whether the
    server has left out what it does not hold.

    Args:
        groups: normalised DN → as written.
        lookup: remembers what is found.
    """
    roots: dict[str, list[str]] = {}
    for key, written in groups.items():
        roots.setdefault(lookup.root(key) or lookup.base, []).append(f"(memberOf:{_IN_CHAIN}:={escape(written)})")
    try:
        for root, chains in roots.items():
            for some in chunks(chains):
                text = f"(&(objectClass=group){any_of(some)})"
                for _ in lookup.entries(Query(root, "sub", text, lookup.reading.attributes)):
                    pass
    except Refused as error:
        lookup.notes[f"groups in groups followed from here, since the server would not: {error}"] = None


def _start_search(walk: Walk, lookup: Lookup) -> None:
    """Take every entry that the search of a filter or attribute finds."""
    source = walk.source
    text = source.value
    if source.kind == "attribute":
        match = _ATTRIBUTE(text)
        if match is None:
            walk.fail(f"{lookup.server}: {source}: is not written as ATTRIBUTE=VALUE", "invalid")
            return
        text = f"({match[1]}={escape(match[2].strip())})"
    query = Query(source.base or lookup.base, source.scope, text, lookup.reading.attributes)
    before = lookup.pages
    try:
        for found in lookup.entries(query):
            walk.meet(found, (source.value,), *named(found), str(source))
    except Refused as error:
        walk.fail(str(error), error.cause)
    walk.pages += lookup.pages - before
