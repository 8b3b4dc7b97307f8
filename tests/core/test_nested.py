"""Groups in groups: what is remembered of them, and that one which is listed and not there is a sign."""

from __future__ import annotations

from syncd.core.changes import Direction
from syncd.core.guard import objections
from syncd.core.limits import Window
from syncd.core.nested import entered, lost, named, noted
from tests.core.desiring import REF, decided
from tests.core.judging import made
from tests.core.strategies import BARRED, SUPPORT, member, read

TEAM, DEEP = "cn=Team,dc=x", "cn=deep,dc=x"
NESTED = (
    member("anna"),
    member("berta", path=(SUPPORT.value, TEAM)),
    member("carol", path=(SUPPORT.value, TEAM, DEEP)),
    member("dora", path=(SUPPORT.value, "(filter of=a dynamic group)")),
)
BELOW, UNDER = named(SUPPORT, "cn=team,dc=x"), named(SUPPORT, "cn=deep,dc=x")


def test_groups_on_the_way_to_members_are_entered() -> None:
    """All of them below the source itself; those that brought nobody else than who is disabled too."""
    assert entered(read(SUPPORT, *NESTED)) == {"cn=team,dc=x", "cn=deep,dc=x"}
    assert entered(read(SUPPORT, NESTED[0])) == frozenset()
    assert entered(read(SUPPORT, disabled=[NESTED[1]])) == {"cn=team,dc=x"}


def test_what_is_remembered_of_groups() -> None:
    """Those that bring members; one that does not any more ends, unless it is listed and what follows is not done."""
    assert noted(read(SUPPORT, *NESTED), (), keep=False) == {BELOW: 1, UNDER: 1}
    known = {BELOW, UNDER, str(SUPPORT), named(BARRED, "cn=team,dc=x")}
    gone = read(SUPPORT, NESTED[0], dangling=[TEAM])
    assert noted(gone, known, keep=False) == {BELOW: 0, UNDER: 0}
    assert noted(gone, known, keep=True) == {UNDER: 0}


def test_a_group_that_is_listed_and_not_there_is_lost() -> None:
    """Only if members came through it before, and the source is read to its end."""
    counts = {(REF, BELOW): 1, (REF, UNDER): 0}
    assert lost(REF, read(SUPPORT, dangling=[TEAM, DEEP, "cn=other,dc=x"]), counts) == (TEAM,)
    assert lost(REF, read(SUPPORT, dangling=[TEAM], complete=False), counts) == ()
    assert lost(REF, read(BARRED, dangling=[TEAM]), counts) == ()


def test_lost_groups_are_told_of_sources_and_exclusions() -> None:
    """Each with the source that lists it."""
    known = {BELOW: 1, named(BARRED, "cn=deep,dc=x"): 1}
    found = decided(read(SUPPORT, dangling=[TEAM]), read(BARRED, dangling=[DEEP]), counts=known)
    assert found.lost == ((SUPPORT, TEAM), (BARRED, DEEP))


def test_a_lost_group_holds_what_may_follow_from_it() -> None:
    """Removals where a source lists it, additions where an exclusion does; nothing where there are none."""
    for source, direction, plan in (
        (SUPPORT, Direction.REMOVALS, made(deletes=1, lost=((SUPPORT, TEAM),))),
        (BARRED, Direction.ADDITIONS, made(creates=1, lost=((BARRED, TEAM),))),
    ):
        [objection] = objections(plan, Window())
        assert (objection.limit, objection.directions) == ("suddenly_empty", {direction})
        assert f"{source} lists the group {TEAM}, which had members and now is not there" in objection.message
    assert objections(made(creates=1, lost=((SUPPORT, TEAM),)), Window()) == ()
    assert objections(made(deletes=1, lost=((BARRED, TEAM),)), Window()) == ()
