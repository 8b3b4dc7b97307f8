"""Undo: what a run or a person did is taken back, stays taken back, and can be given again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.holding import ACCOUNT, SALES, SUPPORT
from tests.cli.place import Place

POLICIES: list[dict[str, Any]] = [{}, {"extra": "remove"}, {"existing": "leave"}]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give support@ with users 3 and 4."""
    return Place(tmp_path)


# --------------------------------------------------------------------------- an account comes back


@pytest.mark.parametrize("policy", POLICIES)
def test_a_removed_account_comes_back_as_it_was(place: Place, policy: dict[str, Any]) -> None:
    """With what its user had chosen, under a new id, ours, and the next run has nothing to do; the text says so."""
    place.map(**policy)
    place.station.execute(
        "UPDATE user_mail_account SET name = 'Mine', personal = 'Anna', replyTo = 'a@x.org', trash_fullname = 'Bin', "
        "archive_fullname = 'default0/Old' WHERE user = 4 AND id > 0"
    )
    before, account = place.account_of(4), place.ids()[4]
    place.members([3])
    assert place.sync() == {"delete": 1}
    place.members([3, 4])
    done = place.undo(place.entry("delete", 4))
    assert done.code == 0, done.err
    assert "+ u4 (4) created: undo of change" in done.out
    assert "u4 (4): a new account under a new id" in done.out
    assert "no password is stored with it" in done.out
    assert place.account_of(4) == before
    assert place.ids()[4] > account
    assert place.claims() == place.ids()
    tables = place.station.tables()
    assert place.quiet()
    assert place.station.tables() == tables
    assert place.pins() == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_who_is_no_member_needs_a_pin(place: Place, policy: dict[str, Any]) -> None:
    """What the next run would remove again is refused and not done; with --pin the user is kept until unpinned."""
    place.map(**policy)
    place.members([3])
    place.sync()
    tables = place.station.tables()
    done = place.undo(place.entry("delete", 4))
    assert (done.code, done.out) == (1, "")
    assert "refused: delete of u4 (4) in support@mycompany.com (context 1): no source names the user" in done.err
    assert ": add --pin" in done.err
    assert place.station.tables() == tables
    done = place.undo(place.entry("delete", 4), "--pin")
    assert (done.code, "kept from now on" in done.out) == (0, True)
    assert (place.users(), place.claims()) == ({3, 4}, place.ids())
    assert place.quiet()
    place.account("unpin")
    assert place.sync() == {"delete": 1}


def test_the_configured_passwords_come_back(place: Place) -> None:
    """The journal keeps no password; a mapping's own is stored again, and the next run finds it right."""
    account = {**ACCOUNT, "password": place.station.secret("support", "a password")}
    place.map(account=account)
    place.station.execute("UPDATE user_mail_account SET name = 'Mine' WHERE user = 4 AND id > 0")
    assert place.sync() == {"update": 2}
    place.members([3])
    place.sync()
    place.members([3, 4])
    done = place.undo(place.run())
    assert (done.code, "no password" in done.out) == (0, False)
    passwords = {row["user"]: row["password"] for row in place.station.tables()["user_mail_account"] if row["id"]}
    assert passwords[4] not in {None, ""}
    assert place.quiet()
    assert place.account_of(4)["user_mail_account"][0]["name"] == "Mine"


def test_what_the_mapping_enforces_meanwhile_comes_back_as_configured(place: Place) -> None:
    """Where login or server were changed since, the account comes back with the new ones, its user's choices apart."""
    place.station.execute("UPDATE user_mail_account SET name = 'Mine' WHERE user = 4 AND id > 0")
    place.members([3])
    place.sync()
    mail = {"server": "imap.example.org", "port": 993, "secure": True}
    place.map(
        account={**ACCOUNT, "login": "new", "mail": mail, "transport": {"server": "smtp.example.org", "port": 25}}
    )
    place.members([3, 4])
    assert place.undo(place.entry("delete", 4)).code == 0
    [row] = place.account_of(4)["user_mail_account"]
    assert (row["name"], row["login"], row["url"]) == ("Mine", "new", "imaps://imap.example.org:993")
    assert place.sync() == {"update": 1}  # the other account alone
    assert place.quiet()


def test_copied_servers_come_back(place: Place) -> None:
    """Of `source: primary` the account gets the servers that it had, not those of today."""
    account = {"name": "Team", "login": "team", "mail": {"source": "primary"}}
    place.map(account=account)
    place.members([3, 4, 5])
    place.sync()
    before = place.account_of(5)
    place.members([3, 4])
    place.sync()
    place.station.execute("UPDATE user_mail_account SET url = 'imap://new.example:143' WHERE user = 5 AND id = 0")
    place.members([3, 4, 5])
    assert place.undo(place.entry("delete", 5)).code == 0
    assert place.account_of(5) == before
    assert place.sync() == {}


def test_who_is_gone_does_not_come_back(place: Place) -> None:
    """A user who was deleted meanwhile is named, and nothing is written."""
    place.members([3])
    place.sync()
    for table in ("login2user", "user_mail_account", "user_transport_account", "user"):
        column = "id" if table in {"login2user", "user"} else "user"
        place.station.execute(f"DELETE FROM `{table}` WHERE {column} = 4")
    done = place.undo(place.entry("delete", 4), "--pin")
    assert (done.code, "the user is not in Open-Xchange any more" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("address", "secondary", "told"),
    [
        (SUPPORT, 0, "refused: delete of u4 (4)"),
        (SUPPORT.replace("u", "ü", 1), 1, "refused: delete of u4 (4)"),
        (SUPPORT, 1, "nothing to do: delete of u4 (4)"),
    ],
)
def test_somebody_elses_account_at_the_address_stays(place: Place, address: str, secondary: int, told: str) -> None:
    """What somebody else made meanwhile is in the way, or is the account: nothing is written."""
    place.members([3])
    place.sync()
    place.station.stranger(1, 4, address, secondary=secondary)
    tables = place.station.tables()
    done = place.undo(place.entry("delete", 4), "--pin")
    assert told in done.err
    assert done.code == (0 if told.startswith("nothing") else 1)
    assert place.station.tables() == tables
    assert place.pins() == {}


def test_an_account_without_its_rows_does_not_come_back(place: Place) -> None:
    """Where the journal does not tell what the account was like, it is not guessed."""
    place.members([3])
    place.sync()
    place.ledger("UPDATE journal SET old = NULL WHERE op = 'delete'")
    done = place.undo(place.entry("delete", 4), "--pin")
    assert (done.code, "the journal does not tell what the account was like" in done.err) == (1, True)


# --------------------------------------------------------------------------- an account goes again


@pytest.mark.parametrize("policy", POLICIES)
def test_a_new_account_goes_again(place: Place, policy: dict[str, Any]) -> None:
    """Of a member only with --pin, and then for good; of whom no source names any more without."""
    place.map(**policy)
    place.members([3, 4, 5, 6])
    place.sync()
    run = place.run()
    place.members([3, 4, 6])
    done = place.undo(run)
    assert done.code == 1
    assert "refused: create of u6 (6)" in done.err
    assert "so the next run would make the account again: add --pin" in done.err
    assert place.users() == {3, 4, 5, 6}
    assert place.undo(run, "--pin").code == 0
    assert (place.users(), place.claims()) == ({3, 4}, place.ids())
    assert place.pins().keys() == {6}
    assert place.quiet()


def test_an_account_that_is_private_now_stays(place: Place) -> None:
    """An account that its user made his own is not deleted, and that is told."""
    place.members([3, 4, 5])
    place.sync()
    place.members([3, 4])
    place.station.execute(f"UPDATE user_mail_account SET secondary = 0 WHERE user = 5 AND primary_addr = '{SUPPORT}'")
    tables = place.station.tables()
    done = place.undo(place.entry("create", 5), "--pin")
    assert (done.code, "it is the user's own account now" in done.err) == (1, True)
    assert place.station.tables() == tables


def test_another_account_of_the_user_stays(place: Place) -> None:
    """Where the account was replaced by another one there is nothing to do."""
    place.members([3, 4, 5])
    place.sync()
    entry = place.entry("create", 5)
    place.account("delete", "--users", "5")
    place.account("create", "--users", "5")
    done = place.undo(entry, "--pin")
    assert (done.code, "the account is not there any more" in done.err) == (0, True)
    assert done.out == "nothing is left to undo\n"
    assert place.users() == {3, 4, 5}


# --------------------------------------------------------------------------- twice, and back again


def test_done_twice_there_is_nothing_to_do(place: Place) -> None:
    """The second undo of a run finds nothing, writes nothing and succeeds."""
    place.members([3, 5, 6])
    place.sync()
    run = place.run()
    assert place.undo(run, "--pin").code == 0
    assert place.users() == {3, 4}
    tables, last = place.station.tables(), place.ledger("SELECT MAX(seq) FROM journal")
    done = place.undo(run, "--pin")
    assert (done.code, done.out) == (0, "nothing is left to undo\n")
    assert (place.station.tables(), place.ledger("SELECT MAX(seq) FROM journal")) == (tables, last)


def test_an_undo_can_be_undone(place: Place) -> None:
    """The undo of an undo leaves the accounts of before and no pin behind, and the groups decide again."""
    place.members([3, 5, 6])
    assert place.sync() == {"create": 2, "delete": 1}
    place.undo(place.run(), "--pin")
    assert place.pins().keys() == {4, 5, 6}
    done = place.undo(place.run())
    assert done.code == 0, done.err
    assert done.out.count("what a person said of the user before ends") == 1
    assert (place.users(), place.claims()) == ({3, 5, 6}, place.ids())
    assert place.pins() == {}
    assert place.quiet()
    assert place.undo(place.run(), "--pin").code == 0
    assert place.users() == {3, 4}
    assert place.quiet()


def test_an_undo_is_one_run_with_reasons(place: Place) -> None:
    """Whatever it does, in however many mailboxes, is one run, by the hand of a person, with what it undoes."""
    place.configure("support", "sales")
    place.members([3, 4, 5], [6])
    place.sync()
    run = place.run()
    assert place.undo(run, "--pin").code == 0
    assert (place.users(), place.users(SALES)) == ({3, 4}, set())
    rows = place.ledger(
        f"SELECT op, reason, path FROM journal WHERE run = '{place.run()}' AND op <> 'conclude' ORDER BY seq"
    )
    assert sorted(op for op, _, _ in rows) == ["delete", "delete"]
    assert all(
        re.fullmatch(r"undo of change \d+", reason) and path.startswith('["by hand"') for _, reason, path in rows
    )
    assert place.ledger("SELECT command, result FROM runs ORDER BY id DESC LIMIT 1") == [("undo", "ok")]
    assert place.syncd("history", "--verify").code == 0


# --------------------------------------------------------------------------- what persons did


def test_what_persons_did_can_be_undone(place: Place) -> None:
    """Accounts made and deleted by hand go and come back, whether they are ours or not."""
    place.account("create", "--users", "5")
    assert place.undo(place.entry("create", 5)).code == 0
    assert place.users() == {3, 4}
    place.account("delete", "--users", "3")
    before = place.ids()
    assert place.undo(place.entry("delete", 3)).code == 0
    assert place.users() == {3, 4}
    assert place.claims() == place.ids() != before
    assert place.quiet()


def test_what_was_pinned_by_hand_ends_with_its_undo(place: Place) -> None:
    """The undo of `account create --pin` ends the pin too; that of an account that was there lets go of it."""
    place.account("create", "--users", "5", "--until", "1d")
    assert place.undo(place.run()).code == 0
    assert (place.users(), place.pins()) == ({3, 4}, {})
    place.station.stranger(1, 6, SUPPORT)
    place.account("create", "--users", "6", "--pin")
    assert place.claims().keys() == {3, 4, 6}
    assert place.undo(place.entry("adopt", 6)).code == 0
    assert (place.users(), place.claims().keys(), place.pins()) == ({3, 4, 6}, {3, 4}, {})
    assert place.quiet()


def test_mailboxes_without_a_mapping(place: Place) -> None:
    """What was done by hand where no mapping is can be undone; nothing becomes ours."""
    words = ("--login", "l", "--name", "n", "--mail-endpoint-source", "primary", "--users", "5,6")
    other = "other@mycompany.com"
    place.account("create", *words, address=other)
    before = place.account_of(5, other)
    assert place.undo(place.run()).code == 0
    assert place.users(other) == set()
    assert place.undo(place.run()).code == 0
    assert place.users(other) == {5, 6}
    assert place.account_of(5, other) == before
    assert place.claims().keys() == {3, 4}


def test_a_retired_mailbox_comes_back(place: Place) -> None:
    """After `retire` the accounts come back, as nobody's and without a pin; undone again they go."""
    before = place.account_of(4)
    place.configure("sales")
    place.syncd("sync")
    [digest] = set(re.findall(r"sha256:[0-9a-f]{64}", place.syncd("retire", SUPPORT).out))
    assert place.syncd("retire", SUPPORT, "--approve", digest).code == 0
    assert place.users() == set()
    done = place.undo(place.run())
    assert (done.code, "no password" in done.out) == (0, True)
    assert place.users() == {3, 4}
    assert place.account_of(4) == before
    assert place.station.claims() == {}
    done = place.undo(place.run())  # with those that were retired these are too many
    [digest] = set(re.findall(r"--approve (sha256:[0-9a-f]{64})", done.err))
    assert place.undo(place.run(), "--approve", digest).code == 0
    assert place.users() == set()


# --------------------------------------------------------------------------- adoptions


def test_an_adoption_that_would_come_again_is_refused(place: Place) -> None:
    """While the mapping adopts, letting go of a member's account lasts until the next run only."""
    place.station.stranger(1, 5, SUPPORT)
    place.members([3, 4, 5])
    assert place.sync() == {"adopted": 1, "update": 1}
    done = place.undo(place.run(), "--pin")
    assert (done.code, "the mapping says `existing: adopt`" in done.err) == (1, True)
    assert place.claims().keys() == {3, 4, 5}


def test_an_adoption_is_undone_with_its_repairs(place: Place) -> None:
    """The account gets its own values back and is not ours any more; undone again it is adopted and repaired."""
    account = {**ACCOUNT, "transport": {"server": "smtp.mycompany.com", "port": 25}}
    limits = {"updates": {"percent": 0, "floor": 9}}
    place.map(account=account, limits=limits)
    place.sync()
    number = place.station.stranger(1, 5, SUPPORT)
    before = place.account_of(5)
    place.members([3, 4, 5])
    assert place.sync() == {"adopted": 1, "update": 1}
    adopted = place.account_of(5)
    place.map(existing="leave", account=account, limits=limits)
    done = place.undo(place.run())
    assert done.code == 0, done.err
    assert "u5 (5): the account stays, and is not ours any more" in done.out
    assert place.claims().keys() == {3, 4}
    tables = ("user_mail_account", "user_transport_account")
    assert all(place.account_of(5)[table] == before[table] for table in tables)
    done = place.undo(place.run())
    assert done.code == 0, done.err
    assert place.claims()[5] == number
    assert place.account_of(5) == adopted
    assert place.quiet()


def test_letting_go_of_what_would_be_removed_is_refused(place: Place) -> None:
    """With `extra: remove` an account that is let go of would be deleted, which is no undo."""
    place.station.stranger(1, 5, SUPPORT)
    place.members([3, 4, 5])
    place.sync()
    place.map(extra="remove", existing="leave")
    place.members([3, 4])
    done = place.undo(place.entry("adopt", 5))
    assert (done.code, "`extra: remove`" in done.err) == (1, True)
    assert place.users() == {3, 4, 5}


# --------------------------------------------------------------------------- updates


def test_an_update_by_hand_is_written_back(place: Place) -> None:
    """Names, folders, login and servers are those of before; twice is nothing to do; undone again they are the new."""
    place.map(fields={"login": "create", "server": "create"})
    before = place.account_of(4)
    words = ("--name", "N", "--personal", "P", "--reply-to", "r@x.org", "--trash-fullname", "Bin", "--login", "l")
    server = ("--mail-server", "b.example", "--mail-port", "993", "--mail-secure", "true", "--mail-starttls", "true")
    assert place.account("update", "--users", "4", *words, *server).code == 0
    after = place.account_of(4)
    assert after != before
    done = place.undo(place.entry("update"))
    assert done.code == 0, done.err
    assert "~ u4 (4) updated: " in done.out
    assert "name N → Team" in done.out
    texts = ("name", "personal", "replyTo", "login", "url", "starttls")
    rows = [found["user_mail_account"][0] for found in (place.account_of(4), before)]
    assert {name: rows[0][name] for name in texts} == {name: rows[1][name] for name in texts}
    assert rows[0]["trash_fullname"] in {"", None}
    done = place.undo(str(place.ledger("SELECT MIN(seq) FROM journal WHERE op = 'update'")[0][0]))
    assert (done.code, done.out) == (0, "nothing is left to undo\n")
    assert place.undo(place.entry("update")).code == 0
    assert place.account_of(4) == after


def test_a_value_that_changed_since_stays(place: Place) -> None:
    """What somebody wrote after the update is not overwritten."""
    place.account("update", "--users", "4", "--name", "N")
    place.station.execute("UPDATE user_mail_account SET name = 'Mine' WHERE user = 4 AND id > 0")
    done = place.undo(place.entry("update"))
    assert (done.code, "somebody has changed it since: mail name is 'Mine' now" in done.err) == (1, True)


def test_what_is_enforced_is_not_written_back(place: Place) -> None:
    """The repair of a run would come again: the key of the configuration is named; with another policy it is undone."""
    place.station.execute("UPDATE user_mail_account SET login = 'own' WHERE user = 4 AND id > 0")
    assert place.sync() == {"update": 1}
    done = place.undo(place.run(), "--pin")
    assert done.code == 1
    assert "the configuration enforces it, so the next run would write it again" in done.err
    assert "fields.login" in done.err
    place.map(fields={"login": "create"})
    assert place.undo(place.run()).code == 0
    assert place.account_of(4)["user_mail_account"][0]["login"] == "own"
    assert place.quiet()


def test_what_the_configuration_wants_is_written_back(place: Place) -> None:
    """An update by hand away from what is enforced is undone before the next run would do it."""
    place.account("update", "--users", "4", "--login", "odd")
    assert place.undo(place.entry("update")).code == 0
    assert place.quiet()


def test_a_password_is_not_written_back(place: Place) -> None:
    """The journal keeps no passwords, so an update of one cannot be undone, nor what it changed besides."""
    place.account("update", "--users", "4", "--password", "p", "--name", "N")
    done = place.undo(place.entry("update"))
    assert (done.code, "it changed a password" in done.err) == (1, True)
