"""What a limit stops, what goes on meanwhile, and how an operator releases exactly what was shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import SUPPORT, Done, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

CROWD = {100 + number: f"user{number:02}" for number in range(20)}
NAMES = list(CROWD.values())
NOTHING = "sha256:" + "0" * 64


def crowded(world: World, count: int = 20, **changes: Any) -> None:
    """Bring the mailbox to so many accounts, in step; its first fill is out of the window."""
    world.people(CROWD)
    world.configure(world.mapping(**changes))
    world.group("support", *NAMES[:count])
    world.sync()
    forget_window(world)


def forget_window(world: World) -> None:
    """Make everything that was done more than 24 hours old."""
    world.ledger("UPDATE journal SET at = at - 25 * 3600 * 1000")


def held(done: Done) -> dict[str, Any]:
    """Give the only objection of a run or plan."""
    [objection] = done.document["objections"]
    return dict(objection)


# ------------------------------------------------------------------ a group that is suddenly empty


def test_a_suddenly_empty_group_takes_nothing_away(world: World) -> None:
    """One member is below every limit, yet a group that had members and has none is held and says how to go on."""
    world.group("support", "alice")
    world.sync()
    before = world.dump()
    world.group("support")
    done = world.sync(code=4)
    objection = held(done)
    assert (objection["limit"], objection["value"], objection["allowed"]) == ("suddenly_empty", 1, 0)
    assert "had members and now has none" in objection["message"]
    assert f"syncd approve {objection['digest']}" in objection["message"]
    assert [change["result"] for change in done.document["changes"]] == ["held"]
    assert world.dump() == before


def test_an_empty_group_stays_suspicious(world: World) -> None:
    """The next run finds the group as empty as the one before and holds it again, under the same digest."""
    world.group("support", "alice")
    world.sync()
    world.group("support")
    digests = {held(world.sync(code=4))["digest"] for _ in range(3)}
    assert len(digests) == 1
    assert world.users() == {3: 1}


def test_members_put_back_void_what_is_held(world: World) -> None:
    """When the members are there again, everything is in step, and the old digest releases nothing any more."""
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support")
    digest = held(world.sync(code=4))["digest"]
    world.group("support", "alice", "bob")
    assert world.sync().summary == {"unchanged": 2}
    assert world.syncd("held", "--output", "json").document == {"held": []}
    done = world.syncd("approve", digest)
    assert (done.code, done.out) == (1, "")
    assert digest in done.err
    assert "is held" in done.err


def test_an_emptied_exclusion_adds_nothing(world: World) -> None:
    """An excluding group that is suddenly empty would let everybody in: the additions are held."""
    world.configure(world.mapping(exclude=[world.source("interns")]))
    world.group("support", "alice", "bob")
    world.group("interns", "bob")
    world.sync()
    world.group("interns")
    done = world.sync(code=4)
    assert (held(done)["limit"], done.mailbox["held"]) == ("suddenly_empty", ["additions"])
    assert world.users() == {3: 1}


# ------------------------------------------------------------------ numbers


def test_a_percentage_of_the_claims_may_go(world: World) -> None:
    """Of 20 accounts 30 % are 6: seven removals are held as a whole, six are done."""
    crowded(world)
    world.group("support", *NAMES[7:])
    done = world.sync(code=4)
    objection = held(done)
    assert (objection["limit"], objection["value"], objection["allowed"]) == ("removals", 7, 6)
    assert len(world.users()) == 20
    world.group("support", *NAMES[6:])
    assert world.sync().summary == {"delete": 6, "unchanged": 14}


def test_the_floor_lets_small_mailboxes_move(world: World) -> None:
    """Of four accounts 30 % are one, but up to the floor of three may always go."""
    crowded(world, 4)
    world.group("support", NAMES[3])
    assert world.sync().summary == {"delete": 3, "unchanged": 1}


def test_a_mapping_has_limits_of_its_own(world: World) -> None:
    """A mapping's limits win over the general ones."""
    crowded(world, 4, limits={"removals": {"percent": 0, "floor": 1}})
    world.group("support", *NAMES[2:4])
    done = world.sync(code=4)
    assert (held(done)["value"], held(done)["allowed"]) == (2, 1)
    assert len(world.users()) == 4


def test_many_small_steps_do_not_add_up_to_a_landslide(world: World) -> None:
    """Removals of several runs count together for 24 hours; after that they are forgotten."""
    crowded(world, 8)
    for left in (NAMES[2:8], NAMES[3:8]):
        world.group("support", *left)
        world.sync()
    world.group("support", *NAMES[4:8])
    done = world.sync(code=4)
    assert (held(done)["limit"], held(done)["value"], held(done)["allowed"]) == ("removals", 4, 3)
    assert "after 3 within 24 hours" in held(done)["message"]
    assert len(world.users()) == 5
    forget_window(world)
    assert world.sync().summary == {"delete": 1, "unchanged": 4}


def test_the_percentage_is_taken_of_the_windows_start(world: World) -> None:
    """Accounts added within the window do not raise the number that may be removed."""
    crowded(world, 10)
    world.group("support", *NAMES)
    world.sync()
    world.group("support", *NAMES[4:])
    done = world.sync(code=4)
    assert (held(done)["value"], held(done)["allowed"]) == (4, 3)


def test_additions_count_over_the_window_too(world: World) -> None:
    """Two members join, then another, and the limit of three is used up: the fourth is held."""
    world.configure(world.mapping(limits={"additions": 3}))
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support", "alice", "bob", "carol")
    world.sync()
    world.group("support", "alice", "bob", "carol", "dave")
    done = world.sync(code=4)
    assert (held(done)["limit"], held(done)["value"], held(done)["allowed"]) == ("additions", 4, 3)
    assert set(world.users()) == {3, 4, 5}


def test_a_first_fill_over_the_limit_is_held_adoptions_included(world: World) -> None:
    """At the first run two creates and one adoption exceed a limit of two: nothing is made, nothing becomes ours."""
    world.insert(3, 1)
    world.configure(world.mapping(limits={"additions": 2}))
    world.group("support", "alice", "bob", "carol")
    before = world.dump()
    done = world.sync(code=4)
    assert (held(done)["limit"], held(done)["value"]) == ("additions", 3)
    assert [one["result"] for one in done.document["adopted"]] == ["held"]
    assert world.dump() == before
    assert world.claims() == {}
    world.approve(held(done)["digest"])
    assert world.sync().summary["adopted"] == 1
    assert set(world.claims()) == {3, 4, 5}


def test_a_changed_server_for_everybody_is_held(world: World) -> None:
    """An edited configuration that would rewrite every account exceeds the limit of updates."""
    crowded(world, 10)
    before = world.dump()
    world.configure(world.mapping(account={"mail": {"server": "typo.mycompany.com", "port": 143}}))
    done = world.sync(code=4)
    assert (held(done)["limit"], held(done)["value"], held(done)["allowed"]) == ("updates", 10, 3)
    assert world.dump() == before


def test_other_directions_go_on_while_one_is_held(world: World) -> None:
    """While removals are held, a new member gets the mailbox and a broken account is repaired in the same run."""
    crowded(world, 8)
    world.execute("UPDATE user_mail_account SET login = 'broken' WHERE user = 107 AND secondary = 1")
    world.group("support", *NAMES[4:8], "alice")
    done = world.sync(code=4)
    assert done.mailbox["held"] == ["removals"]
    assert done.summary == {"create": 1, "update": 1, "held": 4, "unchanged": 3}
    assert 3 in world.users()
    assert set(CROWD) & set(world.users()) == set(range(100, 108))


def test_removals_of_a_run_are_limited_over_all_mailboxes(world: World) -> None:
    """When all mailboxes together remove too much, each with removals is held, and the others go on."""
    names = ("support", "sales", "jobs")
    world.configure(*(world.mapping(name) for name in names), limits={"removals_per_run": 3})
    for name in names:
        world.group(name, "alice", "bob", "carol")
    world.sync()
    world.group("support", "alice")
    world.group("sales", "alice")
    world.group("jobs", "alice", "bob", "carol", "dave")
    done = world.sync(code=4)
    assert {one["limit"] for one in done.document["objections"]} == {"removals_per_run"}
    assert {one["mailbox"]: one["held"] for one in done.document["mailboxes"]} == {
        SUPPORT: ["removals"], "sales@mycompany.com": ["removals"], "jobs@mycompany.com": [],
    }  # fmt: skip
    assert [len(world.users(f"{name}@mycompany.com")) for name in names] == [3, 3, 4]
    [digest] = {one["digest"] for one in done.document["objections"] if one["mailbox"] == SUPPORT}
    world.approve(digest)
    assert world.sync().summary["delete"] == 4
    assert [len(world.users(f"{name}@mycompany.com")) for name in names] == [1, 1, 4]


# ------------------------------------------------------------------ the way out


def test_an_approval_releases_exactly_what_was_shown(world: World) -> None:
    """`held` lists the plan with its digest, `approve` names who did it, and the next run applies it, once."""
    crowded(world, 8)
    world.group("support", *NAMES[4:8])
    digest = held(world.sync(code=4))["digest"]
    [plan] = world.syncd("held", "--output", "json").document["held"]
    assert (plan["digest"], plan["mailbox"], plan["context"], plan["state"]) == (digest, SUPPORT, 1, "held")
    assert [(one["op"], one["user"]) for one in plan["changes"]] == [("delete", user) for user in range(100, 104)]
    assert f"syncd approve {digest}" in world.syncd("held").out
    done = world.approve(digest)
    assert done.out == ""
    assert SUPPORT in done.err
    done = world.sync()
    assert done.summary == {"delete": 4, "unchanged": 4}
    assert done.mailbox["approved"] == digest
    assert set(world.users()) == set(range(104, 108))
    assert world.syncd("held", "--output", "json").document == {"held": []}


def test_an_approval_is_used_up(world: World) -> None:
    """The same removals a second time are held again: an approval was for one run."""
    crowded(world, 8)
    world.group("support", *NAMES[4:8])
    digest = held(world.sync(code=4))["digest"]
    world.approve(digest)
    world.sync()
    world.group("support", *NAMES[:8])
    world.sync()
    world.group("support", *NAMES[4:8])
    assert held(world.sync(code=4))["digest"] == digest
    assert len(world.users()) == 8


def test_a_digest_seen_in_a_plan_can_be_approved(world: World) -> None:
    """An operator who only looked by `plan` can release what it showed, before any run held it."""
    crowded(world, 8)
    world.group("support", *NAMES[4:8])
    planned = world.plan()
    assert planned.code == 4
    assert world.ledger("SELECT * FROM held_plans") == []
    world.approve(held(planned)["digest"].removeprefix("sha256:"))
    assert world.sync().summary == {"delete": 4, "unchanged": 4}


def test_the_digest_of_the_whole_plan_can_be_approved(world: World) -> None:
    """The mailbox's own digest, of all its changes, releases the held part as well."""
    crowded(world, 8)
    world.group("support", *NAMES[4:8], "alice")
    planned = world.plan()
    assert planned.mailbox["digest"] != planned.mailbox["held_digest"]
    world.approve(planned.mailbox["digest"])
    assert world.sync().summary == {"create": 1, "delete": 4, "unchanged": 4}


def test_what_changed_after_the_approval_is_held_anew(world: World) -> None:
    """One more member leaves after the approval: the plan is another one, so nothing of it is done."""
    crowded(world, 9)
    world.group("support", *NAMES[4:9])
    digest = held(world.sync(code=4))["digest"]
    world.approve(digest)
    world.group("support", *NAMES[5:9])
    done = world.sync(code=4)
    assert held(done)["digest"] != digest
    assert len(world.users()) == 9
    world.group("support", *NAMES[4:9])
    assert world.sync(code=4).mailbox["held_digest"] == digest  # the old approval is void


def test_a_digest_that_nobody_has_seen_is_refused(world: World) -> None:
    """`approve` of something that is not held is an error with a hint where to look."""
    world.group("support", "alice")
    world.sync()
    done = world.syncd("approve", NOTHING)
    assert done.code == 1
    assert NOTHING in done.err
    assert "syncd held" in done.err
