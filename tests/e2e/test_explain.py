"""Why somebody has a mailbox or not, on real servers: a story for each reason, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.e2e.world import SUPPORT, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

NOBODY_IS_REMOVED = {"removals": {"percent": 0, "floor": 0}}


def nested(world: World) -> None:
    """Carol is a member by way of a group in the group."""
    world.group("inner", "carol")
    world.group("support", "alice", f"cn=inner,{world.ldap.groups}")


def filtered(world: World) -> None:
    """Bob is found by a filter."""
    world.configure(world.mapping(sources=[{"filter": "(uid=bob)"}]))


def excluded(world: World) -> None:
    """Alice is in the group, and in one that excludes."""
    world.configure(world.mapping(exclude=[world.source("barred")]))
    world.group("support", "alice", "bob")
    world.group("barred", "alice")


def without_user(world: World) -> None:
    """Zoe has an entry and no user."""
    world.ldap.add(world.person("zoe"))
    world.group("support", "zoe", "bob")


def ambiguous(world: World) -> None:
    """Alice's entry has bob's login too."""
    world.ldap.modify(f"dn: {world.dn('alice')}\nchangetype: modify\nadd: uid\nuid: bob\n")
    world.group("support", "alice")


def dangling(world: World) -> None:
    """Alice's entry is gone, the group lists her."""
    world.group("support", "alice", "bob")
    world.sync()
    world.ldap.delete(world.dn("alice"))
    world.sync(code=5)


def withheld(world: World) -> None:
    """Alice has the mailbox, and the group is gone."""
    world.group("support", "alice", "bob")
    world.sync()
    world.remove_group("support")


def held(world: World) -> None:
    """Alice has left the group, and no removal is allowed."""
    world.configure(world.mapping(limits=NOBODY_IS_REMOVED))
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support", "bob")
    world.sync(code=4)


def conflict(world: World) -> None:
    """Alice has an own account with the address."""
    world.insert(3, 10, secondary=0)
    world.group("support", "alice")


def waiting(world: World) -> None:
    """Alice has left the group, and one read is not enough."""
    world.configure(world.mapping(), grace={"reads": 2, "minutes": 30})
    world.group("support", "alice", "bob")
    world.sync()
    world.group("support", "bob")
    world.sync()


def paused(world: World) -> None:
    """Alice has come, and a person has paused everything."""
    world.group("support", "alice")
    assert world.syncd("pause", "--by", "eve").code == 0


def staging(world: World) -> None:
    """Alice has come to a mailbox that is only looked at."""
    world.configure(world.mapping(mode="staging"))
    world.group("support", "alice")


def rolled_out(world: World) -> None:
    """Another mailbox comes first."""
    world.configure(world.mapping("first"), world.mapping(), rollout={"mailboxes": 1, "wait": "10m"})
    world.group("first", "bob")
    world.group("support", "alice")


def given_by_hand(world: World) -> None:
    """A person gave dave the mailbox."""
    world.group("support", "alice")
    world.sync()
    by_hand(world, "create")


def kept_out(world: World) -> None:
    """A person took it from dave, who is a member."""
    world.group("support", "dave", "alice")
    world.sync()
    by_hand(world, "delete")


def by_hand(world: World, command: str) -> None:
    """Change dave's account by hand, and pin it."""
    words = ("account", command, "-c", "1", "--users", "6", "-e", SUPPORT, "--pin", "--config", str(world.config))
    done = world.syncd(*words, config=False)
    assert done.code == 0, done.err


def repaired(world: World) -> None:
    """Somebody has changed the server of alice's account."""
    in_step(world)
    world.execute("UPDATE user_mail_account SET url = 'imap://other.example.net:143' WHERE secondary = 1")


def adopted(world: World) -> None:
    """Alice has an account of this address that nobody claims."""
    world.insert(3, 10)
    world.group("support", "alice")


def in_step(world: World) -> None:
    """Alice has what she should have."""
    world.group("support", "alice")
    world.sync()


def left(world: World) -> None:
    """The mailbox is not configured any more."""
    in_step(world)
    world.configure(world.mapping("sales"))
    world.group("sales")
    world.sync()


class Case(NamedTuple):
    """What is said of one person in one world."""

    make: Callable[[World], None]
    who: str
    standing: str
    reason: str
    """Stands in the first line."""
    next: tuple[str, ...] = ()
    """Operations with their results."""


CASES = {
    "in step": Case(in_step, "alice", "member", "alice (3), support@mycompany.com (context 1): has it, as configured"),
    "to be created": Case(nested, "carol", "member", "does not have it, and will get it at the", ("create planned",)),
    "nested": Case(nested, "carol", "member", "through cn=inner,", ("create planned",)),
    "by a filter": Case(filtered, "bob", "member", "a member of filter (uid=bob)", ("create planned",)),
    "not a member": Case(in_step, "bob", "not a member", "does not have it: not a member: in no source: group cn=su"),
    "excluded": Case(excluded, "alice", "excluded", "excluded: group cn=barred"),
    "no user": Case(without_user, "zoe", "unresolved", "a member without a user: no user 'zoe' in context 1"),
    "ambiguous": Case(ambiguous, "alice", "ambiguous", "a member, but ambiguous: its logins name several users"),
    "dangling": Case(dangling, "alice", "dangling", "but the entry was not found (since 2", ("delete withheld",)),
    "withheld": Case(withheld, "alice", "unknown", "but that is withheld: not known: in no", ("delete withheld",)),
    "held": Case(held, "alice", "not a member", "has it, and would lose it, but that is held", ("delete held",)),
    "conflict": Case(conflict, "alice", "member", "has an own account with this address, and", ("create conflict",)),
    "grace": Case(waiting, "alice", "not a member", "has it, and will lose it, but not yet", ("delete waiting",)),
    "paused": Case(paused, "alice", "member", "and would get it, but nothing is applied now", ("create idle",)),
    "staging": Case(staging, "alice", "member", "and would get it, but nothing is applied now", ("create idle",)),
    "rollout": Case(rolled_out, "alice", "member", "and would get it, but nothing is applied now", ("create idle",)),
    "pinned": Case(given_by_hand, "dave", "pinned", "dave (6), support@mycompany.com (context 1): has it, as"),
    "kept out": Case(kept_out, "dave", "kept out", "does not have it: kept out by hand of "),
    "differs": Case(repaired, "alice", "member", "has it, and will have it repaired at the", ("update planned",)),
    "adopted": Case(
        adopted, "alice", "member", "will have it adopted and have it repaired at", ("adopt planned", "update planned")
    ),
    "orphaned": Case(left, "alice", "orphaned", "has it: the mailbox left the configuration on 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_reason(world: World, name: str) -> None:
    """The first line and the JSON say why and what is next; nothing is written by asking."""
    case = CASES[name]
    case.make(world)
    before, ledger = world.dump(), world.ledger_path.read_bytes() if world.ledger_path.exists() else b""
    done = world.syncd("explain", case.who, SUPPORT)
    assert (done.code, done.err) == (0, "")
    assert case.reason in done.out.splitlines()[0]
    [found] = world.syncd("explain", case.who, SUPPORT, "--output", "json").document["explanations"]
    assert (found["standing"], found["summary"]) == (case.standing, done.out.splitlines()[0])
    assert tuple(f"{one['op']} {one['result']}" for one in found["next"]) == case.next
    assert world.dump() == before
    assert not ledger or world.ledger_path.read_bytes() == ledger


def explained(world: World, *words: str) -> dict[str, Any]:
    """Give the only explanation of a JSON document."""
    [found] = world.syncd("explain", *words, "--output", "json").document["explanations"]
    return dict(found)


def test_the_chain_from_line_to_account(world: World) -> None:
    """File and line, source, nested group, entry, rule, user, account, claim and proof follow each other."""
    nested(world)
    world.sync()
    account = world.users()[5]
    done = world.syncd("explain", "carol", SUPPORT)
    lines = world.config.read_text().splitlines()
    mapping = next(number for number, line in enumerate(lines, 1) if '"mailbox"' in line) - 1  # its brace
    group = next(number for number, line in enumerate(lines, 1) if '"group"' in line) - 1
    links = [line.split(maxsplit=1) for line in done.out.splitlines() if line.startswith("  ")]
    told = {name: text for name, text in links if name != "next"}
    assert told["mailbox"] == f"{SUPPORT} in context 1, by the mapping at {world.config}:{mapping}"
    source = f"group cn=support,{world.ldap.groups}"
    assert told["source"] == f"{source} ({world.config}:{group}): has {world.dn('carol')}"
    assert told["through"] == f"cn=inner,{world.ldap.groups}"
    assert told["entry"].startswith(f"{world.dn('carol')} (id ")
    assert told["identity"] == "login: {uid}: 'carol' is user 5"
    assert told["user"] == "carol (5) in context 1"
    assert told["account"].startswith(f"{account}, ours: login {SUPPORT}, imap://imap.mycompany.com:143, smtp://")
    assert told["claim"].startswith(f"account {account} is ours since 2")
    assert world.dn("carol") in told["claim"]
    assert "  next run      nothing is to be done" in done.out
    assert done.out.splitlines()[-1].startswith(f"read {source} on {world.ldap.server.ldaps} as {world.ldap.bind_dn}: ")


def test_the_same_chain_as_json(world: World) -> None:
    """The keys are these, and their values those of the text."""
    nested(world)
    world.sync()
    document = world.syncd("explain", "carol", SUPPORT, "--output", "json").document
    assert document.keys() == {
        "asked", "taken", "explanations", "mailboxes", "others", "problems", "undiscovered",
    }  # fmt: skip
    [found] = document["explanations"]
    assert found.keys() == {
        "mailbox", "context", "user", "login", "taken", "standing", "reason", "entry", "sources", "identity",
        "accounts", "claim", "pin", "next", "summary", "steps",
    }  # fmt: skip
    [source] = found["sources"]
    [mention] = source["mentions"]
    assert mention["path"] == [f"cn=support,{world.ldap.groups}", f"cn=inner,{world.ldap.groups}"]
    assert (mention["kind"], mention["member"], mention["user"]) == ("member", world.dn("carol"), 5)
    assert found["identity"] == [{"rule": "login: {uid}", "values": ["carol"], "users": [5]}]
    [account] = found["accounts"]
    assert (account["account"], account["role"], account["differs"]) == (world.users()[5], "ours", {})
    assert (found["claim"]["account"], found["claim"]["held"]) == (world.users()[5], True)
    [mailbox] = document["mailboxes"]
    [read] = mailbox["sources"]
    assert read["where"] == source["where"]
    assert read["proof"]["values"] == {"user": 2, "group": 1}
    assert read["proof"]["server"] == world.ldap.server.ldaps


@pytest.mark.parametrize("who", ["alice", "3", "alice@mycompany.com", "oxuserid=3", "DN"])
def test_the_ways_to_name_a_person(world: World, who: str) -> None:
    """Login, id, address, the way members without an entry are written, and DN all mean the same user."""
    in_step(world)
    found = explained(world, world.dn("alice").upper() if who == "DN" else who, SUPPORT)
    assert (found["user"], found["login"], found["standing"]) == (3, "alice", "member")


def test_a_dn_that_is_in_no_source(world: World) -> None:
    """It is said in which sources it was not found, and how far they were read."""
    in_step(world)
    done = world.syncd("explain", world.dn("bob"), SUPPORT)
    assert f"source        group cn=support,{world.ldap.groups}" in done.out
    assert "not in it\n" in done.out
    assert "user          nobody\n" in done.out
    assert "not a member: in no source" in done.out.splitlines()[0]


def test_what_holds_it_is_told_with_the_command(world: World) -> None:
    """A held removal names the limit and the command that releases it; the command works."""
    held(world)
    done = world.syncd("explain", "alice", SUPPORT)
    [command] = [line.strip() for line in done.out.splitlines() if line.strip().startswith("syncd approve")]
    [found] = explained(world, "alice", SUPPORT)["next"]
    assert command == f"syncd approve {found['digest']} -c {world.config}"
    assert [one["limit"] for one in found["objections"]] == ["removals"]
    assert found["since"] is not None
    assert world.syncd(*command.split()[1:], config=False).code == 0
    [found] = explained(world, "alice", SUPPORT)["next"]
    assert (found["result"], "released by the approval" in found["reason"]) == ("planned", True)
    world.sync()
    assert explained(world, "alice", SUPPORT)["accounts"] == []


def test_all_mailboxes_of_a_user_and_everybody_of_a_mailbox(world: World) -> None:
    """A line each: who and which mailbox, what the person has, and why."""
    world.configure(world.mapping(), world.mapping("sales"), world.mapping("jobs"))
    world.group("support", "alice", "bob")
    world.group("sales", "alice")
    world.group("jobs", "bob")
    world.sync()
    world.group("sales", "carol")
    done = world.syncd("explain", "alice")
    first, second, *rest = done.out.splitlines()
    assert first.startswith("alice (3), support@mycompany.com (context 1): has it, as configured")
    assert second.startswith(
        "alice (3), sales@mycompany.com (context 1): has it, and will lose it at the next run: not a"
    )
    assert rest[:2] == ["'alice' is user 3 of context 1, by login", "1 more mailbox: in none of their sources"]
    assert [line.split(",")[0] for line in rest[2:]] == ["read group cn=support", "read group cn=sales"]
    done = world.syncd("explain", "--mailbox", "sales@mycompany.com")
    assert [line.split(",")[0] for line in done.out.splitlines()] == ["alice (3)", "carol (5)", "read group cn=sales"]
    document = world.syncd("explain", "--mailbox", "sales@mycompany.com", "--output", "json").document
    assert [(one["user"], one["standing"]) for one in document["explanations"]] == [(3, "not a member"), (5, "member")]


def test_a_directory_that_is_down_makes_nobody_a_stranger(world: World) -> None:
    """What is not known is not said to be so: the account stays, and why nothing is known is told."""
    in_step(world)
    world.configure(world.mapping(), directory={"urls": ["ldaps://127.0.0.1:1"], "timeout": {"connect": "1s"}})
    done = world.syncd("explain", "alice", SUPPORT)
    assert "withheld" in done.out.splitlines()[0]
    assert "not known: in no source as far as they were read" in done.out
    assert "! not read completely: " in done.out
