"""Make groups whole that are entered: ask for the rest of a range, and for what member URLs find. Each group once."""

from __future__ import annotations

from collections.abc import Collection

from syncd.directory.entries import Trouble
from syncd.directory.groups import Group, InvalidUrl, Problem, joined, parse_url
from syncd.directory.lookup import Lookup
from syncd.directory.search import Query, Refused
from syncd.directory.walk import Walk


class Wholes:
    """The groups that were entered by any walk, whole."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._groups: dict[str, Group] = {}

    def whole(self, group: Group, walk: Walk) -> Group:
        """Give a group with all that it lists; pages that it takes are the walk's that is the first to ask.

        Raises:
            Lost: the connection ended.
        """
        known = self._groups.get(group.key)
        if known is None:
            before = self._lookup.pages
            known = self._searched(self._joined(group))
            walk.pages += self._lookup.pages - before
            self._groups[group.key] = known
        return known

    def ranges(self, keys: Collection[str]) -> int:
        """Give of how many ranges some groups consist together."""
        return sum(self._groups[key].ranges for key in keys if key in self._groups)

    def _joined(self, group: Group) -> Group:
        if group.part is None:
            return group
        lookup = self._lookup
        entry, ranges, trouble = joined(lookup.searcher, group.part)
        if trouble:
            others = (problem for problem in group.problems if problem.cause != "range")
            reason = f"{lookup.server}: group {group.dn}: the server gave only a part of its members: {trouble}"
            return group._replace(problems=(*others, Problem(reason, "range")))
        again = lookup.reading.classify(entry)
        if not isinstance(again, Group) or again.key != group.key:
            text = f"{lookup.server}: group {group.dn}: it became something else while its members were read"
            return group._replace(problems=(*group.problems, Problem(text, "range")))
        return again._replace(ranges=ranges)

    def _searched(self, group: Group) -> Group:
        """Add to a group what its member URLs find."""
        if not group.urls:
            return group
        lookup = self._lookup
        members, problems, hidden = dict(group.members), list(group.problems), 0
        for text in group.urls:
            where = f"{lookup.server}: group {group.dn}: member URL"
            try:
                url = parse_url(text)
                base = url.base or lookup.root(group.key) or lookup.base  # an empty base means the whole directory
                for found in lookup.entries(Query(base, url.scope, url.filter, lookup.reading.attributes)):
                    if isinstance(found, Trouble):
                        problems.append(Problem(f"{where} {text}: {found.reason}", found.cause))
                        hidden += 1
                    else:
                        members.setdefault(found.key, found.dn)
            except InvalidUrl as error:
                problems.append(Problem(f"{where}: {error}", error.cause))
            except Refused as error:
                cause = error.cause
                problems.append(Problem(f"{where} {text}: {error}", cause))
        counts = {**group.counts, "not readable": group.counts.get("not readable", 0) + hidden}
        return group._replace(members=members, problems=tuple(problems), counts=counts)
