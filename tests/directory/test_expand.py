"""Groups in groups, against a brute force over random graphs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.model import Source
from syncd.core.reads import SourceRead
from syncd.directory.connection import Options
from syncd.directory.expand import expand
from syncd.directory.kinds import Server
from syncd.directory.ldif import LdifSearcher
from syncd.directory.strategy import Entry

GROUPS = [*(f"g{number}" for number in range(5)), "g,5", '"g"6+', " g#7;=<>\\ "]
PEOPLE = [*(f"p{number}" for number in range(4)), "p,4", "p5 ", "#p\\6"]
GRAPHS = st.dictionaries(
    st.sampled_from(GROUPS),
    st.lists(st.sampled_from([*GROUPS, *PEOPLE, "gone", "go,ne"]), unique=True),
    min_size=1,
)
SERVER = Server("generic", (), None, "")


def dn(name: str, style: int = 0) -> str:
    """Give the DN of a node of the graph, its special characters escaped in one of two ways."""
    odd = ',+"\\<>;=#'
    text = "".join((f"\\{char}" if style == 0 else f"\\{ord(char):02x}") if char in odd else char for char in name)
    text = f"\\20{text[1:]}" if text.startswith(" ") else text
    text = f"{text[:-1]}\\20" if text.endswith(" ") else text
    return f"cn={text},dc=x"


def searcher(graph: dict[str, list[str]], bulk_above: int) -> LdifSearcher:
    """Make a directory of a graph."""
    entries = [
        Entry(
            dn(name),
            {"objectclass": [b"groupOfMembers"], "cn": [name.encode()]}
            | ({"member": [dn(m, number % 2).encode() for number, m in enumerate(members)]} if members else {}),
        )
        for name, members in graph.items()
    ]
    people = [
        Entry(dn(name), {"objectclass": [b"person"], "cn": [name.encode()], "uid": [name.encode()]}) for name in PEOPLE
    ]
    made = LdifSearcher([*entries, *people], "ldif:///x")
    made.bulk_above = bulk_above
    return made


def read(directory: LdifSearcher, *sources: Source) -> dict[Source, SourceRead]:
    """Read sources from a directory."""
    return expand(directory, SERVER, sources, Options(urls=(), base="dc=x")).reads


def brute_force(graph: dict[str, list[str]], start: str) -> dict[str, int]:
    """Give the reachable names with the length of a shortest path."""
    levels, level = {start: 0}, 0
    while any(found == level for found in levels.values()):
        level += 1
        for name in [name for name, found in levels.items() if found == level - 1]:
            for member in graph.get(name, ()):
                levels.setdefault(member, level)
    return levels


@settings(deadline=None)
@given(GRAPHS, st.integers(0, 4), st.sampled_from([0, 1000]))
def test_random_graphs(graph: dict[str, list[str]], nested: int, bulk_above: int) -> None:
    """Members, path lengths, dangling names, completeness and counts are those of a brute force, for every group."""
    sources = [Source(kind="group", value=dn(name), nested=nested) for name in graph]
    reads = read(searcher(graph, bulk_above), *sources)
    for name, one in zip(graph, sources, strict=True):
        levels, found = brute_force(graph, name), reads[one]
        near = {member: level for member, level in levels.items() if level <= nested + 1 and member != name}
        people = {member: level for member, level in near.items() if member in PEOPLE}
        assert {member.names[0][0]: len(member.path) for member in found.members.values()} == people
        missing = {dn(member) for member in near if member not in graph and member not in PEOPLE}
        assert len(found.dangling) == len(missing)
        below = [member for member, level in near.items() if member in graph and level == nested + 1]
        assert found.complete == (nested == 0 or not below)
        entered = [name, *(member for member, level in near.items() if member in graph and level <= nested)]
        assert found.proof.groups == len(entered)
        assert sum(found.proof.values.values()) == sum(len(graph[group]) for group in entered)
        for member in found.members.values():
            assert member.path[0] == dn(name)
            for above, group in zip(member.path, member.path[1:], strict=False):
                listed = [entry for key in graph if dn(key) == above for entry in graph[key]]
                assert group in {dn(entry) for entry in listed}


@pytest.mark.parametrize("bulk_above", [0, 1000])
def test_a_hundred_levels(bulk_above: int) -> None:
    """A hundred levels of groups, each with a shortcut back to the top, end; the last person has a path of 101."""
    graph = {f"n{level}": ["p0", f"n{level + 1}", "n0"] for level in range(100)} | {"n100": ["p1"]}
    top = Source(kind="group", value=dn("n0"), nested=100)
    found = read(searcher(graph, bulk_above), top)[top]
    assert found.complete
    assert {member.names[0][0]: len(member.path) for member in found.members.values()} == {"p0": 1, "p1": 101}
    short = Source(kind="group", value=dn("n0"), nested=99)
    cut = read(searcher(graph, bulk_above), short)[short]
    assert not cut.complete
    assert cut.causes == {"depth"}
