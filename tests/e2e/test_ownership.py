"""What is ours, what is not, and what becomes ours: nobody else's account is touched, and ours are kept right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.world import LOGINS, SUPPORT, Done, Row, World, changed

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


def conflict(done: Done) -> dict[str, Any]:
    """Give the only conflict of a run."""
    [found] = done.document["conflicts"]
    return dict(found)


def mail_row(world: World, user: int) -> Row:
    """Give the mail row of a user's secondary account."""
    [row] = world.rows(f"SELECT * FROM user_mail_account WHERE user = {user} AND secondary = 1")
    return row


# ------------------------------------------------------------------ somebody else's accounts


def test_a_private_account_with_the_same_address_is_never_touched(world: World) -> None:
    """Alice set the mailbox up by herself: that is a conflict, her account stays as it is, bob gets his; exit 0."""
    world.insert(3, 7, secondary=0)
    world.group("support", "alice", "bob")
    before = world.accounts()["user_mail_account"]
    done = world.sync()
    assert (conflict(done)["user"], conflict(done)["account"]) == (3, 7)
    assert "own account" in conflict(done)["reason"]
    after = world.accounts()["user_mail_account"]
    assert [row for row in after if row["user"] != 4] == [row for row in before if row["user"] != 4]
    assert world.users() == {4: 8}
    world.group("support", "bob")
    world.sync()
    assert world.rows("SELECT secondary FROM user_mail_account WHERE id = 7") == [{"secondary": 0}]


def test_the_primary_account_is_never_touched(world: World) -> None:
    """A member whose own primary address is the mailbox's keeps account 0 as it is, with `extra: remove` too."""
    world.execute(f"UPDATE user_mail_account SET primary_addr = '{SUPPORT}' WHERE user IN (3, 4) AND id = 0")
    world.configure(world.mapping(extra="remove"))
    world.group("support", "alice", "carol")
    before = world.dump()
    done = world.sync()
    assert (conflict(done)["user"], conflict(done)["account"]) == (3, 0)
    assert "primary" in conflict(done)["reason"]
    differences = changed(before, world.dump())
    del differences["sequence_mail_service"]
    assert not any(gone for gone, _ in differences.values())
    assert world.users() == {5: 1}


@pytest.mark.parametrize("address", ["süpport@mycompany.com", "support@mycompány.com"])
def test_an_address_equal_for_the_database_only_is_a_conflict(world: World, address: str) -> None:
    """An accent makes no difference to the database but is another mailbox: not adopted, not doubled, not removed."""
    world.insert(3, 7, address)
    world.insert(4, 8, address)
    world.configure(world.mapping(extra="remove"))
    world.group("support", "alice", "carol")
    before = world.accounts()["user_mail_account"]
    done = world.sync()
    assert {(one["user"], one["account"]) for one in done.document["conflicts"]} == {(3, 7), (4, 8)}
    after = world.accounts()["user_mail_account"]
    assert [row for row in after if row["user"] != 5] == [row for row in before if row["user"] != 5]
    assert world.users() == {5: 9}


def test_an_address_in_other_letters_is_the_same(world: World) -> None:
    """Upper case in a stored address is no other mailbox: the account is adopted and its address stays as written."""
    world.insert(3, 7, "SUPPORT@MyCompany.com")
    world.group("support", "alice")
    done = world.sync()
    assert done.document["conflicts"] == []
    assert world.claims() == {3: 7}
    assert mail_row(world, 3)["primary_addr"] == "SUPPORT@MyCompany.com"


# ------------------------------------------------------------------ existing and extra


def test_existing_accounts_of_members_are_adopted(world: World) -> None:
    """`existing: adopt`: it becomes ours, gets the configured servers, keeps its id and what users may edit."""
    world.insert(3, 7)
    world.group("support", "alice", "bob")
    done = world.sync()
    [adopted] = done.document["adopted"]
    assert (adopted["user"], adopted["account"], adopted["result"]) == (3, 7, "adopted")
    assert done.summary == {"adopted": 1, "create": 1, "update": 1}
    row = mail_row(world, 3)
    assert (row["id"], row["name"], row["url"], row["login"]) == (7, "Mine", "imap://imap.mycompany.com:143", SUPPORT)
    [transport] = world.rows("SELECT * FROM user_transport_account WHERE user = 3 AND id = 7")
    assert (transport["url"], transport["secondary"]) == ("smtp://smtp.mycompany.com:25", 1)
    assert world.claims() == {3: 7, 4: 8}
    assert world.sync().summary == {"unchanged": 2}
    world.group("support", "bob")
    assert world.sync().summary == {"delete": 1, "unchanged": 1}


def test_existing_accounts_can_be_left(world: World) -> None:
    """`existing: leave`: somebody else's secondary account of a member is a conflict and stays untouched."""
    world.insert(3, 7)
    world.configure(world.mapping(existing="leave"))
    world.group("support", "alice")
    before = world.dump()
    done = world.sync()
    assert (conflict(done)["user"], conflict(done)["account"]) == (3, 7)
    assert world.dump() == before
    assert world.claims() == {}


def test_extra_accounts_stay_by_default(world: World) -> None:
    """`extra: leave`: an account that syncd did not make, of somebody who is no member, is none of its business."""
    world.insert(4, 7)
    world.group("support", "alice")
    done = world.sync()
    assert done.summary == {"create": 1}
    assert world.users() == {3: 8, 4: 7}
    assert world.claims() == {3: 8}


def test_extra_accounts_can_be_removed(world: World) -> None:
    """`extra: remove`: such accounts go, by the same limits as any removal."""
    world.people({100 + number: f"user{number}" for number in range(5)}, entries=False)
    for number in range(5):
        world.insert(100 + number, 10 + number)
    world.configure(world.mapping(extra="remove"))
    world.group("support", "alice")
    done = world.sync(code=4)
    [objection] = done.document["objections"]
    assert (objection["limit"], objection["value"], objection["allowed"]) == ("removals", 5, 3)
    assert len(world.users()) == 6
    world.approve(objection["digest"])
    assert world.sync().summary == {"delete": 5, "unchanged": 1}
    assert set(world.users()) == {3}


# ------------------------------------------------------------------ ours, edited by hand


def test_an_account_deleted_by_hand_is_made_again(world: World) -> None:
    """What somebody deleted behind our back is created anew at the next run, with a new id."""
    world.group("support", "alice", "bob")
    world.sync()
    world.execute(*(f"DELETE FROM {table} WHERE user = 3 AND id = 1" for table in world.accounts()))
    assert world.sync().summary == {"create": 1, "unchanged": 1}
    assert world.users() == world.claims() == {3: 3, 4: 2}


def test_what_only_the_configuration_decides_is_repaired(world: World) -> None:
    """Server, login, transport, property and flag edited by hand are put right, together with the failure counters."""
    world.group("support", *LOGINS.values())
    world.sync()
    right = world.dump()
    world.execute(
        "UPDATE user_mail_account SET url = 'imap://evil.example.org:143', disabled = 1, failed_auth_count = 9 "
        "WHERE user = 3 AND secondary = 1",
        "UPDATE user_mail_account SET login = 'else', starttls = 1 WHERE user = 4 AND secondary = 1",
        "UPDATE user_transport_account SET url = 'smtp://evil.example.org:25' WHERE user = 5 AND secondary = 1",
    )
    assert world.sync().summary == {"update": 3, "unchanged": 3}
    assert world.dump() == right
    world.ledger("UPDATE journal SET at = at - 25 * 3600 * 1000")
    world.execute(
        "UPDATE user_transport_account SET secondary = 0 WHERE user = 6 AND secondary = 1",
        "DELETE FROM user_transport_account_properties WHERE user = 7 AND id <> 0",
        "DELETE FROM user_transport_account_properties WHERE user = 8 AND id <> 0",
        "DELETE FROM user_transport_account WHERE user = 8 AND id <> 0",
    )
    assert world.sync().summary == {"update": 3, "unchanged": 3}
    assert world.dump() == right


def test_what_users_may_edit_is_theirs(world: World) -> None:
    """Name, personal, reply-to, folders and the user's own switch stay as the user set them; nothing is written."""
    world.group("support", "alice")
    world.sync()
    world.execute(
        "UPDATE user_mail_account SET name = 'Meins', personal = 'Ich', replyTo = 'ich@example.org', "
        "sent_fullname = 'Weg', trash = 'Müll', archive_fullname = 'Alt', unified_inbox = 1, deactivated = 1 "
        "WHERE user = 3 AND secondary = 1",
        "UPDATE user_transport_account SET name = 'Meins', personal = 'Ich' WHERE user = 3 AND secondary = 1",
    )
    before = world.dump()
    assert world.sync().summary == {"unchanged": 1}
    assert world.dump() == before


# ------------------------------------------------------------------ people who change


def test_a_renamed_and_moved_entry_keeps_its_account(world: World) -> None:
    """Another RDN and another place in the tree are the same person: the account is not touched, the claim follows."""
    world.group("support", "alice", "carol")
    world.sync()
    before = world.dump()
    moved = f"cn=carol,ou=groups,{world.ldap.suffix}"
    world.ldap.modify(
        f"dn: {world.dn('carol')}\nchangetype: modrdn\nnewrdn: cn=carol\ndeleteoldrdn: 0\n"
        f"newsuperior: ou=groups,{world.ldap.suffix}\n"
    )
    done = world.sync(code=5)  # the group still lists the old name
    assert [one["op"] for one in done.document["withheld"]] == ["delete"]
    world.group("support", "alice", moved)
    assert world.sync().summary == {"unchanged": 2}
    assert world.dump() == before
    assert world.ledger("SELECT dn FROM claims WHERE login = 'carol'") == [(moved,)]


def test_a_person_who_became_another_user_takes_the_mailbox_along(world: World) -> None:
    """When an entry's uid names another user, that user gets an account and the former loses his, within the limits."""
    dn = f"cn=person,{world.ldap.people}"
    world.ldap.delete(world.dn("carol"), world.dn("dave"))
    world.ldap.add(world.person("carol", dn))
    world.group("support", "alice", dn)
    world.sync()
    assert world.users() == {3: 1, 5: 2}
    world.ldap.modify(f"dn: {dn}\nchangetype: modify\nreplace: uid\nuid: dave\n")
    done = world.sync()
    assert done.summary == {"create": 1, "delete": 1, "unchanged": 1}
    assert world.users() == world.claims() == {3: 1, 6: 3}


def test_a_user_deleted_in_ox_ends_the_claim_quietly(world: World) -> None:
    """When Open-Xchange deleted a user with all accounts, the claim ends without change, objection or bad exit code."""
    world.group("support", "alice", "carol")
    world.sync()
    tables = [*world.accounts(), "login2user", "user"]
    world.execute(*(f"DELETE FROM {t} WHERE {'id' if t in tables[4:] else 'user'} = 5" for t in tables))
    before = world.dump()
    done = world.sync()
    assert done.summary == {"unchanged": 1}
    assert [one["login"] for one in done.document["unresolved"]] == ["carol"]
    assert world.claims() == {3: 1}
    assert world.dump() == before


# ------------------------------------------------------------------ worlds that vanish


def test_a_database_from_a_backup_is_not_filled_again(world: World) -> None:
    """More claimed accounts are gone than may be removed: the mailbox is held as vanished, and claims stay."""
    world.group("support", *LOGINS.values())
    world.sync()
    world.execute(*(f"DELETE FROM {table} WHERE id <> 0" for table in world.accounts()))
    before = world.dump()
    done = world.sync(code=4)
    [objection] = done.document["objections"]
    assert (objection["limit"], objection["value"], objection["allowed"]) == ("vanished", 6, 3)
    assert done.mailbox["held"] == ["additions", "removals", "updates"]
    assert world.dump() == before
    assert len(world.claims()) == 6
    world.approve(objection["digest"])
    assert world.sync().summary == {"create": 6}
    assert set(world.users()) == set(world.claims()) == set(LOGINS)


def test_a_vanished_database_is_not_adopted_piece_by_piece(world: World) -> None:
    """With the wrong database no claim is given up either, not even of a member who leaves in the meantime."""
    world.group("support", *LOGINS.values())
    world.sync()
    world.execute(*(f"DELETE FROM {table} WHERE id <> 0" for table in world.accounts()))
    world.group("support", "alice", "bob", "carol", "dave")
    world.sync(code=4)
    assert len(world.claims()) == 6


def test_a_database_without_the_contexts_users_is_refused(world: World) -> None:
    """A wrong URL that leads to a database without these users ends with an error; no claim is given up."""
    world.group("support", "alice", "bob")
    world.sync()
    other = world.mariadb.fresh_database()
    world.configure(
        world.mapping(),
        openxchange={
            "database": {
                "url": f"mysql+pymysql://test@127.0.0.1:{world.mariadb.port}/{other}",
                "password": {"file": str(world.folder / "database.secret")},
                "tls": {"ca": str(world.mariadb.ca)},
            }
        },
    )
    done = world.syncd("sync")
    assert done.code == 1
    assert "openxchange.database.url" in done.err
    assert len(world.claims()) == 2
    world.configure(world.mapping())
    assert world.sync().summary == {"unchanged": 2}


def test_a_lost_ledger_adopts_and_removes_nothing(world: World) -> None:
    """Without its ledger syncd adopts the members' accounts; that of who left meanwhile stays, for it is nobody's."""
    world.group("support", "alice", "bob", "carol")
    world.sync()
    before = world.dump()
    for path in world.folder.glob("ledger.db*"):
        path.unlink()
    world.group("support", "alice", "bob")
    done = world.sync()
    assert done.summary == {"adopted": 2, "unchanged": 2}
    assert world.dump() == before
    assert world.claims() == {3: 1, 4: 2}
