"""Sources that no directory is asked for give what a group of the directory would."""

from __future__ import annotations

from syncd.core.dn import parse
from syncd.core.identity import identify
from syncd.core.listed import read_group, read_listed
from syncd.core.model import GroupRead, Source
from tests.core.strategies import users

SALES = Source(kind="ox_group", value="sales", context=1)


def listed(*logins: str) -> Source:
    """Give a list of logins as a source."""
    return Source(kind="users", value=", ".join(logins), logins=logins)


def test_each_login_that_is_written_down_is_a_member() -> None:
    """A list is complete as it stands, and each of its logins is looked for whether or not there is such a user."""
    read = read_listed(listed("berta", "nobody"))
    assert (read.complete, read.reasons, read.causes) == (True, (), frozenset())
    assert list(read.members) == ["login:berta", "login:nobody"]
    assert [identify(one, users()) for one in read.members.values()] == [4, "no user 'nobody' in context 1"]
    assert {one.path for one in read.members.values()} == {("users berta, nobody",)}
    assert (read.proof.identity, read.proof.values) == ("configuration", {"user": 2})


def test_a_login_with_any_character_is_a_member() -> None:
    """The DN that stands for a login is one, whatever is in the login."""
    logins = ("a,b", 'q"', "a+b=c", "#x", "back\\slash", "  blank ", "Anna", "anna")
    read = read_listed(listed(*logins))
    assert [one.names for one in read.members.values()] == [((login,),) for login in logins]
    for one in read.members.values():
        assert parse(one.dn) == ((("login", one.names[0][0]),),)


def test_logins_that_differ_by_letter_case_are_two_members() -> None:
    """Logins are case-sensitive in Open-Xchange, so the list is too, by id and by key."""
    members = read_listed(listed("Anna", "anna")).members
    assert len(members) == len({one.key for one in members.values()}) == 2


def test_an_empty_list_is_empty_and_complete() -> None:
    """What the configuration lists is known for certain, also when that is nobody."""
    read = read_listed(listed())
    assert (read.members, read.complete) == ({}, True)


def test_the_users_of_a_group_are_its_members() -> None:
    """Each user is a member by id, with an id of its context."""
    read = read_group(SALES, {"sales": GroupRead((4, 5))})
    assert list(read.members) == ["ox:1/4", "ox:1/5"]
    assert (read.complete, read.reasons, read.causes) == (True, (), frozenset())
    known = users(found={"id": {"4": (4,), "5": (5,)}})
    assert [identify(one, known) for one in read.members.values()] == [4, 5]
    assert identify(read.members["ox:1/5"], users({4: "berta"})) == "no user number '5' in context 1"
    assert read.members["ox:1/4"].path == ("ox_group sales",)
    assert (read.proof.server, read.proof.groups, read.proof.values) == ("Open-Xchange", 1, {"user": 2})
    assert read.proof.identity == "database"
    assert [(one.dn, one.key) for one in read.members.values()] == [("oxuserid=4",) * 2, ("oxuserid=5",) * 2]


def test_an_empty_group_is_complete() -> None:
    """A group without members was read whole."""
    read = read_group(SALES, {"sales": GroupRead(())})
    assert (read.members, read.complete) == ({}, True)


def test_a_group_that_cannot_be_read_is_incomplete() -> None:
    """A group that is not there, or not once, says nothing of who is a member; the reason says why."""
    read = read_group(SALES, {"sales": GroupRead((), "there is no such group")})
    assert (read.complete, read.causes) == (False, {"missing"})
    assert read.reasons == ("there is no such group",)
