"""Unknown is not absent: what could not be read to its end takes nothing away, and holds nobody else up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import SUPPORT, Done, World, entry

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

SALES = "sales@mycompany.com"


def two_mailboxes(world: World, **sections: Any) -> None:
    """Give support@ and sales@ to alice, bob and carol."""
    world.configure(world.mapping("support"), world.mapping("sales"), **sections)
    world.group("support", "alice", "bob", "carol")
    world.group("sales", "alice", "bob", "carol")
    world.sync()


def by_mailbox(done: Done) -> dict[str, dict[str, Any]]:
    """Give the mailboxes of a run by address."""
    return {one["mailbox"]: one for one in done.document["mailboxes"]}


def nothing_known(world: World, *texts: str, **directory: Any) -> None:
    """Run with another directory section: everything stays, exit 5, and each mailbox says why in these words."""
    world.configure(world.mapping("support"), world.mapping("sales"), directory=directory)
    before = world.dump()
    done = world.sync(code=5)
    assert world.dump() == before
    assert not done.document["complete"]
    for mailbox in by_mailbox(done).values():
        assert not mailbox["complete"]
        for text in texts:
            assert text in " ".join(mailbox["reasons"])
    assert done.document["changes"] == []
    assert set(world.claims()) == {3, 4, 5}


# ------------------------------------------------------------------ the whole directory


def test_a_wrong_bind_password_removes_nothing(world: World) -> None:
    """Refused credentials are no empty directory: nothing changes, and server and bind DN are named."""
    two_mailboxes(world)
    wrong = world.secret("wrong", "not-the-password")
    bind = {"dn": world.ldap.bind_dn, "password": wrong}
    nothing_known(world, world.ldap.server.ldaps, world.ldap.bind_dn, bind=bind)
    assert "not-the-password" not in world.syncd("sync").out


def test_a_wrong_ca_removes_nothing(world: World) -> None:
    """A certificate of somebody else's CA ends the run before the password is sent; nothing changes."""
    two_mailboxes(world)
    nothing_known(world, world.ldap.server.ldaps, "certificate", tls={"ca": world.ldap.server.other_ca})


def test_a_server_that_is_down_removes_nothing(world: World) -> None:
    """With the server down nothing changes and its URL is named; when it is back, the next run goes on."""
    two_mailboxes(world)
    world.group("support", "alice", "bob", "dave")
    world.ldap.server.stop()
    try:
        nothing_known(world, world.ldap.server.ldaps)
    finally:
        world.ldap.server.start()
    assert world.sync().summary == {"create": 1, "delete": 1, "unchanged": 5}


def test_the_second_server_answers_when_the_first_is_down(world: World) -> None:
    """A server that does not answer is passed over without a word in the result."""
    two_mailboxes(world)
    urls = ["ldaps://localhost:1", world.ldap.server.ldaps]
    world.configure(world.mapping("support"), world.mapping("sales"), directory={"urls": urls})
    assert world.sync().summary == {"unchanged": 6}


def test_a_missing_base_removes_nothing(world: World) -> None:
    """A base that does not exist makes a filter incomplete, which names base and server; a group elsewhere goes on."""
    searching = [{"filter": "(uid=*)", "base": world.ldap.people}]
    world.configure(world.mapping("support"), world.mapping("sales", sources=searching))
    world.group("support", "alice", "bob")
    world.sync()
    assert len(world.users(SALES)) == 6
    gone = [{"filter": "(uid=*)", "base": f"ou=gone,{world.ldap.suffix}"}]
    world.configure(world.mapping("support"), world.mapping("sales", sources=gone))
    world.group("support", "alice", "dave")
    done = world.sync(code=5)
    reasons = " ".join(by_mailbox(done)[SALES]["reasons"])
    assert f"ou=gone,{world.ldap.suffix}" in reasons
    assert world.ldap.server.ldaps in reasons
    assert len(world.users(SALES)) == 6
    assert set(world.users()) == {3, 6}


# ------------------------------------------------------------------ one source


def test_a_missing_group_freezes_its_own_mailbox_only(world: World) -> None:
    """A deleted group removes nobody and is named with its server; the other mailbox gets its changes; exit 5."""
    two_mailboxes(world)
    world.remove_group("sales")
    world.group("support", "alice", "bob", "dave")
    done = world.sync(code=5)
    mailboxes = by_mailbox(done)
    assert (mailboxes[SUPPORT]["complete"], mailboxes[SALES]["complete"]) == (True, False)
    [reason] = mailboxes[SALES]["reasons"]
    assert f"cn=sales,{world.ldap.groups}" in reason
    assert world.ldap.server.ldaps in reason
    assert set(world.users()) == {3, 4, 6}
    assert set(world.users(SALES)) == {3, 4, 5}
    assert {one["reason"] for one in done.document["withheld"]} == {"not every source was read completely"}


def test_what_is_read_of_an_incomplete_mailbox_is_still_added(world: World) -> None:
    """With one of two sources gone the members of the other get the mailbox, and nobody loses it."""
    both = [world.source("support"), world.source("sales")]
    world.configure(world.mapping(sources=both))
    world.group("support", "alice")
    world.group("sales", "bob")
    world.sync()
    world.remove_group("sales")
    world.group("support", "carol")
    world.sync(code=5)
    assert set(world.users()) == {3, 4, 5}


def test_a_size_limit_removes_nothing(world: World) -> None:
    """Answers cut off by the server's size limit take nobody's mailbox away, and the message says so."""
    world.configure(world.mapping(sources=[{"filter": "(objectClass=inetOrgPerson)"}]))
    world.sync()
    assert len(world.users()) == 6
    before = world.dump()
    world.ldap.limit(olcSizeLimit="3")
    done = world.sync(code=5)
    assert not done.document["complete"]
    assert "size limit" in " ".join(done.mailbox["reasons"]).lower().replace("sizelimit", "size limit")
    assert world.ldap.server.ldaps in " ".join(done.mailbox["reasons"])
    assert world.dump() == before


def test_a_missing_exclusion_adds_nobody(world: World) -> None:
    """With the excluding group gone nobody new gets the mailbox, while who left still loses it."""
    world.configure(world.mapping(exclude=[world.source("interns")]))
    world.group("support", "alice", "bob", "carol")
    world.group("interns", "bob")
    world.sync()
    world.remove_group("interns")
    world.group("support", "alice", "bob", "dave")
    done = world.sync(code=5)
    assert {one["login"] for one in done.document["withheld"]} == {"bob", "dave"}
    assert set(world.users()) == {3}
    assert done.summary == {"delete": 1, "unchanged": 1, "withheld": 2}


def test_who_moved_and_is_excluded_by_the_old_name_gets_nothing(world: World) -> None:
    """The entry is elsewhere and the excluding group lists where it was: nobody knows who is meant."""
    filter_ = {"filter": "(&(objectClass=inetOrgPerson)(|(uid=alice)(uid=bob)))"}
    world.configure(world.mapping(sources=[filter_], exclude=[world.source("interns")]))
    world.group("interns", "bob", "carol")
    world.sync()
    branch = f"ou=moved,{world.ldap.suffix}"
    world.ldap.add(entry(branch, ("objectClass", "organizationalUnit"), ("ou", "moved")))
    move = f"changetype: modrdn\nnewrdn: uid=bob\ndeleteoldrdn: 0\nnewsuperior: {branch}\n"
    world.ldap.modify(f"dn: {world.dn('bob')}\n{move}")
    done = world.sync(code=5)
    assert set(world.users()) == {3}
    [withheld] = done.document["withheld"]
    assert (withheld["op"], withheld["login"]) == ("create", "bob")
    assert f"it may be who is excluded as {world.dn('bob')}, whose entry was not found" in withheld["reason"]


# ------------------------------------------------------------------ one member


def test_a_member_whose_uid_is_hidden_keeps_the_account(world: World) -> None:
    """An access rule that hides one uid makes that member unresolved: the account stays, all others are handled."""
    two_mailboxes(world)
    rules = ["{0}to attrs=userPassword by anonymous auth by * none"]
    hidden = f'{{1}}to dn.base="{world.dn("carol")}" attrs=uid by * none'
    world.ldap.limit(olcAccess=[*rules, hidden, "{2}to * by * read"])
    world.group("support", "alice", "carol", "dave")
    done = world.sync(code=5)
    assert set(world.users()) == {3, 5, 6}
    assert {(one["op"], one["user"]) for one in done.document["withheld"]} == {("delete", 5)}
    assert {one["member"] for one in done.document["unresolved"]} == {world.dn("carol")}
    world.ldap.limit(olcAccess=[*rules, "{1}to * by * read"])
    assert world.sync().summary == {"unchanged": 6}


def test_a_member_whose_entry_is_hidden_keeps_the_account(world: World) -> None:
    """An access rule that hides one member's whole entry takes that account from nobody."""
    two_mailboxes(world)
    hidden = f'{{1}}to dn.subtree="{world.dn("carol")}" by * none'
    rule = "{0}to attrs=userPassword by anonymous auth by * none"
    world.ldap.limit(olcAccess=[rule, hidden, "{2}to * by * read"])
    world.sync(code=5)
    assert set(world.users()) == {3, 4, 5}
    assert set(world.users(SALES)) == {3, 4, 5}


def test_a_dangling_member_keeps_its_claim_and_freezes_nobody_else(world: World) -> None:
    """A listed entry that is gone is reported with its age and keeps its account; bob, who left, loses his."""
    two_mailboxes(world)
    world.ldap.delete(world.dn("carol"))
    world.group("support", "alice", "carol")
    done = world.sync(code=5)
    assert set(world.users()) == {3, 5}
    assert {(one["mailbox"], one["member"]) for one in done.document["dangling"]} == {
        (SUPPORT, world.dn("carol")), (SALES, world.dn("carol")),
    }  # fmt: skip
    assert {one["user"] for one in done.document["withheld"]} == {5}
    since = {one["since"] for one in done.document["dangling"]}
    assert None not in since
    later = world.sync(code=5).document["dangling"]
    assert {one["since"][:19] for one in later} == {one[:19] for one in since}  # its age is that of the first run
    text = f"{world.dn('carol')}: listed, but there is no such entry, since {min(since)[:10]}"
    assert text in world.syncd("plan").out
    world.group("support", "alice")
    world.group("sales", "alice", "bob")
    assert world.sync().summary == {"delete": 2, "unchanged": 3}


def test_a_member_who_never_had_a_user_spoils_nothing(world: World) -> None:
    """An entry without an Open-Xchange user, or with another letter case, is unresolved with a reason; exit 0."""
    world.ldap.add(world.person("stranger") + world.person("ALICE", f"cn=upper,{world.ldap.people}"))
    world.group("support", "bob", "stranger", f"cn=upper,{world.ldap.people}")
    done = world.sync()
    reasons = {one["login"]: one["reason"] for one in done.document["unresolved"]}
    assert set(reasons) == {"stranger", "ALICE"}
    assert "alice" in reasons["ALICE"]
    assert set(world.users()) == {4}


# ------------------------------------------------------------------ another world than last time


def test_another_server_lets_removals_wait_for_a_second_read(world: World) -> None:
    """Read from another URL than last time, removals wait one more complete read, additions do not; no plan counts."""
    two_mailboxes(world)
    urls = [world.ldap.server.ldap]
    directory = {"urls": urls, "tls": {"ca": world.ldap.server.ca, "starttls": True}}
    world.configure(world.mapping("support"), world.mapping("sales"), directory=directory)
    world.group("support", "alice", "bob", "dave")
    for _ in range(2):
        planned = world.plan()
        assert [one["user"] for one in planned.document["waiting"]] == [5]
    done = world.sync()
    [waiting] = done.document["waiting"]
    assert (waiting["op"], waiting["user"]) == ("delete", 5)
    assert urls[0] in waiting["reason"]
    assert set(world.users()) == {3, 4, 5, 6}
    assert world.sync().summary == {"delete": 1, "unchanged": 6}
    assert set(world.users()) == {3, 4, 6}


def test_a_change_counter_that_went_back_lets_removals_wait(world: World) -> None:
    """A server restored from a backup has an older contextCSN than last time: removals wait one more complete read."""
    two_mailboxes(world)
    [(counter,)] = set(world.ledger("SELECT counter FROM cursors"))
    assert counter, "slapd must have a contextCSN"
    world.ledger("UPDATE cursors SET counter = ?", "2999" + counter[4:])
    world.group("support", "alice", "bob")
    assert len(world.plan().document["waiting"]) == 1
    done = world.sync()
    assert ["went back" in one["reason"] for one in done.document["waiting"]] == [True]
    assert set(world.users()) == {3, 4, 5}
    assert world.sync().summary == {"delete": 1, "unchanged": 5}


def test_a_server_that_waits_is_not_confirmed_by_an_incomplete_read(world: World) -> None:
    """While a removal waits, a run that reads nothing at all does not count as the second read."""
    two_mailboxes(world)
    directory = {"urls": [world.ldap.server.ldap], "tls": {"ca": world.ldap.server.ca, "starttls": True}}
    world.configure(world.mapping("support"), world.mapping("sales"), directory=directory)
    world.group("support", "alice", "bob")
    world.ldap.server.stop()
    try:
        world.sync(code=5)
    finally:
        world.ldap.server.start()
    assert len(world.sync().document["waiting"]) == 1
    assert world.sync().summary == {"delete": 1, "unchanged": 5}
