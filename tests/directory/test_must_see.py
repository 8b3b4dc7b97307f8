"""When a group that must be seen counts as seen, and what becomes of everything else when it does not."""

from __future__ import annotations

import pytest

from syncd.core.model import Source
from syncd.core.reads import Cause, Discovery, Member, Search, SourceRead
from syncd.directory.connection import Options
from syncd.directory.foreign import Expansion
from syncd.directory.must_see import doubt, doubted, doubted_searches, watched

STAFF = Source(kind="group", value="cn=staff", directory="hq")
ANNA = {"1": Member("1", "cn=anna", "cn=anna", (), ("cn=staff",), ())}


def staff(*causes: Cause, members: bool = True, disabled: bool = False) -> SourceRead:
    """Make a read of the group."""
    return SourceRead(
        source=STAFF, members=ANNA if members else {}, disabled=ANNA if disabled else {}, complete=not causes,
        reasons=tuple(f"because of {cause}" for cause in causes), causes=frozenset(causes),
    )  # fmt: skip


def test_the_group_is_a_source_of_its_directory() -> None:
    """It is read like any group of the directory; nothing is watched where nothing is configured."""
    assert watched(Options(urls=(), base="dc=x", name="hq", must_see="cn=staff")) == STAFF
    assert watched(Options(urls=(), base="dc=x")) is None


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (staff(), ""),
        (staff(members=False, disabled=True), ""),
        (staff("foreign"), ""),
        (staff("foreign", members=False), ""),
        (staff("depth", "outside"), ""),
        (staff(members=False), "no member is to be seen"),
        (staff("missing", members=False), "because of missing"),
        (staff("unreadable"), "because of unreadable"),
        (staff("limit"), "because of limit"),
        (staff("range", "foreign"), "because of range"),
    ],
)
def test_when_it_was_seen(read: SourceRead, words: str) -> None:
    """It was seen when it was read and has members, be they disabled or of another directory; see `doubt`."""
    found = doubt("ldap://hq", read)
    assert bool(found) == bool(words)
    assert words in found
    if words:
        assert "ldap://hq: must_see cn=staff" in found


def test_a_doubt_makes_everything_incomplete() -> None:
    """Members stay as they were read; the reason and the cause come behind those that were there."""
    other = staff("limit")
    found = doubted(Expansion({STAFF: staff(), Source(kind="group", value="x"): other}, {}), "hidden")
    assert all(not read.complete and "must_see" in read.causes for read in found.reads.values())
    assert found.reads[STAFF].members == ANNA
    assert [read.reasons for read in found.reads.values()] == [("hidden",), ("because of limit", "hidden")]
    search = Search("hq", "(cn=*)", None, "sub", ())
    (discovery,) = doubted_searches({search: Discovery()}, "hidden").values()
    assert discovery == Discovery(complete=False, reasons=("hidden",), causes=frozenset(("must_see",)))
