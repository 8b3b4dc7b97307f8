"""What OpenLDAP's overlays do, read from a real slapd: dynamic groups, memberOf, limits; and what reading costs."""

from __future__ import annotations

import math
import random

import pytest

from syncd.core.model import Source
from tests.directory.trees import GROUPS, PEOPLE, cn, entry, group, logins, person, read, read_group, source
from tests.servers.slapd import Database, Slapd

pytestmark = pytest.mark.slapd


def dynamic(name: str, url: str, *more: tuple[str, str]) -> str:
    """Write a groupOfURLs."""
    return entry(cn(name), ("objectClass", "groupOfURLs"), ("cn", name), ("memberURL", url), *more)


def teams(slapd: Slapd, **settings: object) -> Database:
    """Make a tree with two people and a dynamic group of one of them."""
    database = slapd.database(person("anna", None, ("title", "boss")) + person("bert"), **settings)  # type: ignore[arg-type]
    database.add(dynamic("bosses", f"ldap:///{PEOPLE}??sub?(title=boss)"))
    database.add(group("outer", [cn("bosses"), "bert"]))
    return database


@pytest.mark.parametrize("overlays", [(), ("dynlist",), ("dynlist", "memberof")])
def test_a_dynamic_group_is_the_same_whoever_evaluates_it(slapd: Slapd, overlays: tuple[str, ...]) -> None:
    """With dynlist the server shows the members, without it memberURL is searched here: the same people."""
    database = teams(slapd, overlays=overlays)
    found = read_group(database, "bosses")
    assert found.reasons == ()
    assert found.complete
    assert logins(found) == ["anna"]
    nested = read_group(database, "outer")
    assert nested.complete
    assert logins(nested) == ["anna", "bert"]


def test_member_of_is_a_source(slapd: Slapd) -> None:
    """`memberOf=DN` finds the direct members where the memberof overlay keeps it; a group among them is followed."""
    database = teams(slapd, overlays=("memberof",))
    value = f"memberOf={cn('outer')}".replace("SUFFIX", database.suffix)
    deep, flat = (Source(kind="attribute", value=value, nested=nested) for nested in (32, 0))
    found = read(database, deep, flat).reads
    assert found[deep].complete
    assert found[flat].complete
    assert logins(found[deep]) == ["anna", "bert"]
    assert logins(found[flat]) == ["bert"]


def test_a_size_limit_that_ends_pages_makes_a_filter_incomplete(slapd: Slapd) -> None:
    """A limit over all pages ends the search with a code; who came is there, the source is incomplete by limit."""
    people = "".join(person(f"u{number}") for number in range(12))
    database = slapd.database(people, size_limit=5)
    wanted = Source(kind="filter", value="(uid=u*)")
    found = read(database, wanted, page_size=2).reads[wanted]
    assert not found.complete
    assert found.causes == {"limit"}
    assert len(found.members) <= 5


def test_a_size_limit_on_a_page_alone_is_harmless(slapd: Slapd) -> None:
    """Where only a page is limited, as with Active Directory, pages bring everything."""
    people = "".join(person(f"u{number}") for number in range(12))
    limit = "size.soft=5 size.hard=5 size.pr=5 size.prtotal=unlimited"
    database = slapd.database(people, size_limit=limit)
    wanted = Source(kind="filter", value="(uid=u*)")
    found = read(database, wanted, page_size=5).reads[wanted]
    assert found.reasons == ()
    assert found.complete
    assert len(found.members) == 12


@pytest.mark.parametrize("seed", range(3))
def test_the_number_of_operations_is_bounded(slapd: Slapd, seed: int) -> None:
    """G groups, N people and D levels cost ⌈G/50⌉ + D + min(⌈N/50⌉, pages of the user base) + 5 operations at most."""
    choose = random.Random(seed).choice  # noqa: S311 - which graph it is is all the same
    people = [f"u{number}" for number in range(400)]
    levels = [[f"g{level}-{number}" for number in range(24)] for level in range(5)]
    text = "".join(map(person, people))
    used = set()
    for level, names in enumerate(levels):
        for name in names:
            mine = {choose(people) for _ in range(4)}
            used |= mine
            below = [cn(choose(levels[level + 1]))] if level + 1 < len(levels) else []
            text += group(name, [*sorted(mine), *below])
    database = slapd.database(text + group("top", [cn(name) for names in levels for name in names]))
    wanted = source(database, "top")
    found = read(database, wanted)
    one = found.reads[wanted]
    assert one.complete
    assert len(one.members) == len(used)
    groups, depth = 1 + sum(map(len, levels)), 2
    allowed = math.ceil(groups / 50) + depth + min(math.ceil(len(used) / 50), math.ceil(400 / 1000)) + 5
    assert found.operations <= allowed, (found.operations, allowed)


def test_a_chain_costs_one_operation_a_level(slapd: Slapd) -> None:
    """Twenty levels of one group each with one person each cost D for the levels and a handful for the rest."""
    depth = 20
    text = "".join(person(f"u{level}") for level in range(depth))
    for level in range(depth):
        text += group(f"g{level}", [f"u{level}", *([cn(f"g{level + 1}")] if level + 1 < depth else [])])
    database = slapd.database(text)
    wanted = source(database, "g0")
    found = read(database, wanted)
    assert found.reads[wanted].complete
    assert len(found.reads[wanted].members) == depth
    assert found.operations <= 1 + depth + 1 + 5
    assert [len(member.path) for member in found.reads[wanted].members.values() if member.names == (("u19",),)] == [20]
    assert GROUPS.replace("SUFFIX", database.suffix) in wanted.value
