"""The support story from an Active Directory: who joins, marries, moves, is disabled, leaves; and a group in ranges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.world import World
from tests.servers import domain
from tests.servers.domain import MOVED, group, person, user
from tests.servers.limits import Limits
from tests.servers.samba import Samba

pytestmark = [pytest.mark.samba, pytest.mark.slapd, pytest.mark.mariadb]


class Story:
    """A world whose directory is an Active Directory behind the limits of Windows."""

    def __init__(self, world: World, samba: Samba, limits: Limits) -> None:
        self.world, self.samba, self.limits = world, samba, limits
        self._added: list[str] = []
        self.configure("support")

    def configure(self, name: str, **directory: Any) -> None:
        """Map the group of a name to support@."""
        source = {"group": self.samba.dn(name)}
        section: dict[str, Any] = {
            "urls": [self.limits.ldaps],
            "tls": {"ca": self.samba.ca},
            "bind": {
                "dn": f"CN={domain.READER},OU=services,{self.samba.base}",
                "password": self.world.secret("ad", domain.PASSWORD),
            },
            "base": self.samba.base,
            **directory,
        }
        mapping = self.world.mapping(sources=[source])
        self.world.configure(mapping, directory=section, limits={"additions": 2000})

    def add(self, *entries: str) -> None:
        """Add entries, to be taken away at the end."""
        self.samba.modify("".join(entries))
        self._added += [line[4:] for one in entries for line in one.splitlines() if line.startswith("dn: ")]

    def change(self, dn: str, *lines: str) -> None:
        """Change an entry."""
        self.samba.modify("\n".join([f"dn: {dn}", "changetype: modify", *lines]) + "\n")

    def move(self, dn: str, name: str, parent: str) -> str:
        """Rename and move an entry; give the new DN."""
        self.samba.run("ldapmodrdn", "-r", "-s", self.samba.dn(parent), self.samba.dn(dn), name)
        self._added = [f"{name},{parent}" if one == dn else one for one in self._added]
        return f"{name},{parent}"

    def close(self) -> None:
        """Take away what was added."""
        self.samba.run("ldapdelete", "-c", *(self.samba.dn(dn) for dn in reversed(self._added)))


@pytest.fixture
def story(world: World, samba: Samba) -> Iterator[Story]:
    """A story with alice, bob and carol in the group `support`."""
    with ExitStack() as stack:
        story = Story(world, samba, stack.enter_context(samba.limits()))
        story.add(*map(user, ("alice", "bob", "carol")), group("support", ["alice", "bob", "carol"]))
        stack.callback(story.close)
        yield story


def test_the_members_get_their_accounts_and_the_plan_tells_how_they_were_found(story: Story) -> None:
    """A plan shows three creations and the proof of the read, the run makes them, the next has nothing to do."""
    planned = story.world.plan()
    assert planned.code == 3, planned.err
    assert [(one["op"], one["login"]) for one in planned.document["changes"]] == [
        ("create", "alice"), ("create", "bob"), ("create", "carol"),
    ]  # fmt: skip
    [proof] = planned.mailbox["proof"].values()
    assert (proof["server"], proof["values"]) == (story.limits.ldaps, {"user": 3})
    assert domain.READER in proof["identity"]
    assert story.world.sync().summary == {"create": 3}
    assert set(story.world.users()) == {3, 4, 5}
    assert story.world.sync().summary == {"unchanged": 3}


def test_a_renamed_and_a_moved_person_keep_their_accounts(story: Story) -> None:
    """Neither another name of the entry nor another unit costs the account or changes its id."""
    story.world.sync()
    before = story.world.accounts()
    story.move(person("bob"), "CN=Robert\\, the Elder", "OU=people,BASE")
    story.move(person("carol"), "CN=carol", MOVED)
    assert story.world.sync().summary == {"unchanged": 3}
    assert story.world.accounts() == before


def test_a_renamed_login_is_another_user(story: Story) -> None:
    """Who gets another sAMAccountName is another Open-Xchange user: the old account goes, the new one comes."""
    story.world.sync()
    story.change(person("bob"), "replace: sAMAccountName", "sAMAccountName: dave")
    assert story.world.sync().summary == {"create": 1, "delete": 1, "unchanged": 2}
    assert set(story.world.users()) == {3, 5, 6}


def test_a_disabled_person_loses_the_account_and_gets_it_back(story: Story) -> None:
    """`userAccountControl` bit 2 takes the mailbox away, and enabling the account gives it back."""
    story.world.sync()
    story.change(person("bob"), "replace: userAccountControl", "userAccountControl: 546")
    assert story.world.sync().summary == {"delete": 1, "unchanged": 2}
    assert set(story.world.users()) == {3, 5}
    story.change(person("bob"), "replace: userAccountControl", "userAccountControl: 544")
    assert story.world.sync().summary == {"create": 1, "unchanged": 2}


def test_a_disabled_person_keeps_the_account_where_the_policy_says_so(story: Story) -> None:
    """With `disabled: keep` a disabled account is a member as any other."""
    story.configure("support", disabled="keep")
    story.world.sync()
    story.change(person("bob"), "replace: userAccountControl", "userAccountControl: 546")
    assert story.world.sync().summary == {"unchanged": 3}


def test_who_leaves_loses_the_account_and_a_stranger_freezes_that(story: Story) -> None:
    """While a foreign security principal is unresolved nobody is removed; when it is gone who left is."""
    story.world.sync()
    story.change(story.samba.dn("support"), "delete: member", f"member: {person('bob')}")
    story.change(story.samba.dn("support"), "add: member", f"member: <SID={domain.STRANGER}>")
    done = story.world.sync(code=5)
    assert not done.mailbox["complete"]
    assert domain.STRANGER in done.mailbox["reasons"][0]
    assert set(story.world.users()) == {3, 4, 5}
    principal = f"CN={domain.STRANGER},CN=ForeignSecurityPrincipals,BASE"
    story.change(story.samba.dn("support"), "delete: member", f"member: {principal}")
    assert story.world.sync().summary == {"delete": 1, "unchanged": 2}
    assert set(story.world.users()) == {3, 5}


def test_a_group_in_ranges_gives_everybody_an_account(story: Story) -> None:
    """1,501 members that come in two ranges are 1,501 accounts; when a range is lost nobody loses one."""
    people = {1000 + number: f"u{number}" for number in range(1501)}
    story.world.people(people, entries=False)
    story.configure("n1501")
    assert story.world.sync().summary == {"create": 1501}
    assert set(story.world.users()) == set(people)
    story.limits.cut_after = 3
    lost = story.world.sync(code=5)
    assert not lost.mailbox["complete"]
    story.limits.cut_after = None
    assert story.world.sync().summary == {"unchanged": 1501}
    assert set(story.world.users()) == set(people)
