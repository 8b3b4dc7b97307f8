"""Find the people who have a group as their primary one: Active Directory does not list them in `member`.

A primary group is named in the person's entry by the last number of its SID (`primaryGroupID`, MS-ADA3 2.120), and is
one of the person's own domain. A few groups are asked for by their numbers; where many groups were entered, everybody
who has another primary group than usual is asked for instead, which is one question however many groups there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from syncd.directory.entries import Found
from syncd.directory.groups import Group
from syncd.directory.lookup import Lookup
from syncd.directory.search import REFERRAL, Query, Refused, any_of
from syncd.directory.walk import Walk

_MANY = 50
_USUAL = (513, 514, 515, 516, 521)  # Domain Users, Guests, Computers, (read-only) domain controllers: MS-SAMR 2.2.1.14


def add_primary_members(walks: Sequence[Walk], lookup: Lookup) -> None:
    """Give every walk the primary members of the groups that it entered.

    Raises:
        Lost: the connection ended.
    """
    if lookup.reading.server.kind != "ad":
        return
    entered = [(walk, group, path) for walk in walks for group, path in walk.entered.values() if group.principal]
    numbers = {group.key: number for _, group, _ in entered if (number := _number(group, lookup)) is not None}
    people, troubles = _found(numbers, lookup)
    for walk, group, path in entered:
        where = f"group {group.dn}: those who have it as their primary group"
        if group.sid is None or not group.sid.startswith("S-"):
            walk.fail(f"{lookup.server}: {where}: not known, since its objectSid may not be read", "unreadable")
        number = numbers.get(group.key, -1)
        if (trouble := troubles.get(number)) is not None:
            walk.fail(f"{where}: {trouble}", trouble.cause)
        for found in people.get(number, ()):
            walk.meet_primary(found, path, where)


def _found(numbers: Mapping[str, int], lookup: Lookup) -> tuple[Mapping[int, Sequence[Found]], Mapping[int, Refused]]:
    """Give the people by the number of their primary group, and why not all came."""
    roots: dict[str, set[int]] = defaultdict(set)
    for key, number in numbers.items():
        roots[lookup.root(key) or lookup.base].add(number)
    people: dict[int, list[Found]] = defaultdict(list)
    troubles: dict[int, Refused] = {}
    for root, wanted in roots.items():
        for text, asked in _questions(sorted(wanted)):
            try:
                _ask(Query(root, "sub", text, (*lookup.reading.attributes, "primaryGroupID")), lookup, people)
            except Refused as error:
                if error.code != REFERRAL:  # other domains have primary groups of their own
                    troubles.update(dict.fromkeys(asked, error))
    return people, troubles


def _number(group: Group, lookup: Lookup) -> int | None:
    """Give the number of a group within the server's domain; None where it belongs to no domain, or another."""
    domain, _, number = (group.sid or "").rpartition("-")
    known = lookup.reading.server.domain_sid
    ours = domain == known if known else domain.startswith("S-1-5-21-")
    return int(number) if ours and number.isdecimal() else None


def _questions(numbers: Sequence[int]) -> Iterable[tuple[str, Sequence[int]]]:
    """Give filters, each with the numbers that it is about."""
    if len(numbers) <= _MANY:
        if numbers:
            yield any_of([f"(primaryGroupID={number})" for number in numbers]), numbers
        return
    yield f"(&(primaryGroupID=*)(!{any_of([f'(primaryGroupID={number})' for number in _USUAL])}))", numbers
    if usual := [number for number in numbers if number in _USUAL]:
        yield any_of([f"(primaryGroupID={number})" for number in usual]), usual


def _ask(query: Query, lookup: Lookup, people: dict[int, list[Found]]) -> None:
    for entry in lookup.search(query):
        found = lookup.remember(entry)
        for value in entry.attributes.get("primarygroupid", ()):
            if value.isdigit():
                people[int(value)].append(found)
