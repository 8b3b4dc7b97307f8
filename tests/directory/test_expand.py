"""Groups in groups, against a brute force over random graphs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import Source
from syncd.directory.expand import expand
from syncd.directory.ldif import LdifSearcher
from syncd.directory.strategy import Entry

GRAPHS = st.dictionaries(
    st.sampled_from([f"g{number}" for number in range(7)]),
    st.lists(st.sampled_from([*(f"g{n}" for n in range(7)), *(f"p{n}" for n in range(6)), "gone"]), unique=True),
    min_size=1,
)


def dn(name: str) -> str:
    """Give the DN of a node of the graph."""
    return f"cn={name},dc=x"


def searcher(graph: dict[str, list[str]], bulk_above: int) -> LdifSearcher:
    """Make a directory of a graph."""
    entries = [
        Entry(
            dn(name),
            {"objectclass": [b"groupOfMembers"], **({"member": [dn(m).encode() for m in members]} if members else {})},
        )
        for name, members in graph.items()
    ]
    people = [Entry(dn(f"p{n}"), {"objectclass": [b"person"], "uid": [b"p%d" % n]}) for n in range(6)]
    made = LdifSearcher([*entries, *people], "ldif:///x")
    made.bulk_above = bulk_above
    return made


def brute_force(graph: dict[str, list[str]], start: str) -> dict[str, int]:
    """Give the reachable names with the length of a shortest path."""
    levels, level = {start: 0}, 0
    while any(found == level for found in levels.values()):
        level += 1
        for name in [name for name, found in levels.items() if found == level - 1]:
            for member in graph.get(name, ()):
                levels.setdefault(member, level)
    return levels


@given(GRAPHS, st.integers(0, 4), st.sampled_from([0, 1000]))
def test_random_graphs(graph: dict[str, list[str]], nested: int, bulk_above: int) -> None:
    """Members, path lengths, dangling names and completeness are those of a brute force, for every group at once."""
    sources = [Source(kind="group", value=dn(name), nested=nested) for name in graph]
    reads = expand(searcher(graph, bulk_above), sources, "dc=x", ("uid",), lambda _: None)
    for name, one in zip(graph, sources, strict=True):
        levels, found = brute_force(graph, name), reads[one]
        near = {member: level for member, level in levels.items() if level <= nested + 1 and member != name}
        people = {dn(member): level for member, level in near.items() if member.startswith("p")}
        assert {member.dn: len(member.path) for member in found.members.values()} == people
        missing = {dn(member) for member in near if member not in graph and not member.startswith("p")}
        assert set(found.dangling) == missing
        below = [member for member, level in near.items() if member in graph and level == nested + 1]
        assert found.complete == (nested == 0 or not below)
        for member in found.members.values():
            assert member.path[0] == dn(name)
