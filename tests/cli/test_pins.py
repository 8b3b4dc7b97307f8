"""Pins: what a person says of one user and one mailbox counts for commands and for the runs after them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncd.cli import account_scripts
from tests.cli.holding import ACCOUNT, SUPPORT
from tests.cli.killing import killed
from tests.cli.place import Place
from tests.e2e.world import invoke


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give the place."""
    return Place(tmp_path)


# --------------------------------------------------------------------------- kept in, kept out


@pytest.mark.parametrize("policy", [{}, {"extra": "remove"}, {"existing": "leave"}])
def test_who_is_pinned_keeps_it_in_spite_of_the_group(place: Place, policy: dict[str, str]) -> None:
    """A user in no source gets an account that is ours and that no run takes, until it is unpinned."""
    place.map(**policy)
    done = place.account("create", "--users", "5", "--pin")
    assert (done.code, done.err) == (0, "")
    assert place.claims() == place.ids()
    assert place.users() == {3, 4, 5}
    assert place.quiet()
    assert place.quiet()
    assert place.pins()[5]["keep"] is True
    done = place.account("unpin", "--users", "5")
    assert (done.code, "1 user unpinned" in done.err) == (0, True)
    assert place.sync() == {"delete": 1}
    assert (place.users(), place.claims().keys()) == ({3, 4}, {3, 4})


def test_who_is_kept_out_does_not_get_it_in_spite_of_the_group(place: Place) -> None:
    """A member whose account is deleted with a pin does not get it again, until it is unpinned."""
    done = place.account("delete", "--users", "3", "--pin")
    assert (done.code, done.err) == (0, "")  # no warning that the next run makes it again
    assert place.quiet()
    assert place.users() == {4}
    assert place.pins()[3]["keep"] is False
    place.account("unpin")
    assert place.sync() == {"create": 1}
    assert place.users() == {3, 4}


def test_somebody_who_has_no_account_yet_is_kept_out_as_well(place: Place) -> None:
    """A user who may become a member tomorrow can be kept out today."""
    assert place.account("delete", "--users", "5", "--pin").code == 0
    place.members([3, 4, 5])
    assert place.quiet()
    assert place.users() == {3, 4}


def test_without_a_pin_the_group_decides(place: Place) -> None:
    """A member whose account is only deleted is warned of, and gets it again."""
    done = place.account("delete", "--users", "3")
    assert "the next run makes it again" in done.err
    assert place.sync() == {"create": 1}
    assert place.pins() == {}


# --------------------------------------------------------------------------- for a time


def test_access_for_a_time_ends_with_the_first_run_after_it(place: Place) -> None:
    """`--until` alone gives it; it is kept before that time, and removed by the run after it, which says why."""
    assert place.account("create", "--users", "5", "--until", "30d").code == 0
    assert place.quiet()
    assert place.pins()[5]["until"] is not None
    place.time_passes()
    assert place.pins() == {}
    done = place.syncd("sync", "--output", "json")
    [change] = done.document["changes"]
    assert (change["op"], change["user"], change["reason"]) == ("delete", 5, "what a person gave by hand has ended")
    assert place.users() == {3, 4}
    assert place.ledger("SELECT reason FROM journal WHERE op = 'unpin'") == [("ended",)]
    assert place.quiet()


def test_who_is_kept_out_for_a_time_comes_back(place: Place) -> None:
    """A member who is kept out until a time has the mailbox again after it."""
    place.account("delete", "--users", "4", "--until", "2d")
    assert place.quiet()
    place.time_passes()
    assert place.sync() == {"create": 1}
    assert place.users() == {3, 4}


@pytest.mark.parametrize("when", ["yesterday", "2020-01-01", "0h", "-1d", ""])
def test_a_time_that_is_none_or_over_is_refused(place: Place, when: str) -> None:
    """Nothing is done and nothing pinned where the time is not understood, or over."""
    done = place.account("create", "--users", "5", "--until", when)
    assert (done.code, "--until" in done.err) == (2, True), done.err
    assert place.users() == {3, 4}
    assert place.pins() == {}


def test_a_later_pin_replaces_an_earlier_one(place: Place) -> None:
    """Access for a time is prolonged, and made lasting, by giving it again; the account stays the same one."""
    place.account("create", "--users", "5", "--until", "1h")
    account = place.ids()[5]
    done = place.account("create", "--users", "5", "--pin")
    assert "exists already" in done.out
    assert (place.ids()[5], place.pins()[5]["until"]) == (account, None)
    place.time_passes()
    assert place.quiet()


def test_a_guest_of_the_group_becomes_a_member(place: Place) -> None:
    """Who joins the group while the access for a time lasts keeps the same account when it ends."""
    place.account("create", "--users", "5", "--until", "1d")
    account = place.ids()[5]
    place.members([3, 4, 5])
    assert place.quiet()
    place.time_passes()
    assert place.quiet()
    assert place.ids()[5] == account
    place.members([3, 4])
    assert place.sync() == {"delete": 1}


def test_a_member_who_left_and_was_pinned_comes_back(place: Place) -> None:
    """Who was pinned when leaving the group keeps the account, and is an ordinary member when back in it."""
    account = place.ids()[4]
    place.account("create", "--users", "4", "--pin")
    place.members([3])
    assert place.quiet()
    place.members([3, 4])
    assert place.quiet()
    place.account("unpin", "--users", "4")
    assert place.quiet()
    assert place.ids()[4] == account


# --------------------------------------------------------------------------- what is there already


def test_accounts_that_were_there_become_ours(place: Place) -> None:
    """Who has an account that nobody claims keeps it as it is; it is ours, and goes when the pin ends."""
    place.map(existing="leave")
    account = place.station.stranger(1, 5, SUPPORT)
    before = place.station.tables()
    done = place.account("create", "--users", "5", "--until", "1d")
    assert (done.code, "already: skipped" in done.err) == (0, True)
    assert place.station.tables() == before
    assert place.claims()[5] == account
    place.time_passes()
    assert place.sync() == {"delete": 1}
    assert place.users() == {3, 4}


@pytest.mark.parametrize("secondary", [0, 1])
def test_who_cannot_have_it_is_not_pinned(place: Place, secondary: int) -> None:
    """A private account, or one that only the database holds for the same address, is in the way: no pin, no claim."""
    address = SUPPORT.replace("u", "ü", 1) if secondary else SUPPORT
    place.station.stranger(1, 5, address, secondary=secondary)
    before = place.station.tables()
    done = place.account("create", "--users", "5,6", "--pin")
    assert (done.code, "user 5: ACC-0017" in done.err) == (5, True)
    assert place.pins().keys() == {6}
    assert [row for row in place.station.tables()["user_mail_account"] if row["user"] == 5] == [
        row for row in before["user_mail_account"] if row["user"] == 5
    ]
    assert place.claims().keys() == {3, 4, 6}


def test_whose_account_cannot_be_made_is_not_pinned(place: Place) -> None:
    """Where the account of one user cannot be written his pin ends again, and the others have theirs."""
    place.station.execute("DELETE FROM user_mail_account WHERE user = 5")
    words = ("--login", "l", "--name", "n", "--mail-endpoint-source", "primary")
    done = place.account("create", "--users", "5,6", "--pin", *words)
    assert (done.code, "no primary account" in done.err) == (5, True)
    assert place.pins().keys() == {6}


# --------------------------------------------------------------------------- how pins end


def test_a_plain_delete_ends_the_pin(place: Place) -> None:
    """Deleting a pinned account is the person's last word: no run makes it again, and no warning says so."""
    place.account("create", "--users", "5", "--pin")
    done = place.account("delete", "--users", "5")
    assert (done.code, done.err) == (0, "")
    assert place.pins() == {}
    assert place.quiet()
    assert place.users() == {3, 4}


def test_a_plain_create_ends_that_somebody_is_kept_out(place: Place) -> None:
    """Giving a kept-out member the account again ends that, and the group decides as before."""
    place.account("delete", "--users", "3", "--pin")
    assert place.account("create", "--users", "3").code == 0
    assert place.pins() == {}
    assert place.sync() == {"adopted": 1}
    assert place.users() == {3, 4}
    assert place.claims().keys() == {3, 4}


def test_pins_are_listed_with_who_and_until(place: Place) -> None:
    """`account pins` names mailbox, user, what was said, by whom and until when; a context narrows it."""
    place.account("create", "--users", "5", "--until", "2099-12-24T18:00+00:00")
    place.account("delete", "--users", "3", "--pin")
    config = ("--config", str(place.station.config))
    lines = invoke("account", "pins", *config).out.splitlines()
    assert len(lines) == 2
    assert f"{SUPPORT} (context 1): user 3 is kept out, by " in lines[0]
    assert f"{SUPPORT} (context 1): user 5 has it until 2099-12-24 18:00 UTC, by " in lines[1]
    assert invoke("account", "pins", "-c", "2", *config).out == "nothing is pinned\n"


def test_unpin_names_whom(place: Place) -> None:
    """Some users or all of a mailbox are unpinned; who was not pinned is not counted, and a word is no id."""
    place.account("create", "--users", "5,6,7", "--pin")
    assert "1 user unpinned" in place.account("unpin", "--users", "5,9").err
    assert place.account("unpin", "--users", "six").code == 2
    assert place.pins().keys() == {6, 7}
    assert "2 users unpinned" in place.account("unpin").err
    done = place.account("unpin", address="nobody@mycompany.com")
    assert (done.code, "nobody was pinned" in done.err) == (0, True)
    assert place.sync() == {"delete": 3}


def test_pins_name_their_configuration_like_the_other_account_commands(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --config it is that of $SYNCD_CONFIG."""
    monkeypatch.setenv("SYNCD_CONFIG", str(place.station.config))
    assert invoke("account", "pins").out == "nothing is pinned\n"
    assert "nobody was pinned" in invoke("account", "unpin", "-c", "1", "-e", SUPPORT).err


# --------------------------------------------------------------------------- which mailboxes


def test_a_mailbox_without_a_mapping_cannot_be_pinned(place: Place) -> None:
    """Where no run would keep or end a pin it is refused, with what to do, and nothing is done."""
    words = ("--login", "l", "--name", "n", "--mail-endpoint-source", "primary")
    for command, more in (("create", words), ("delete", ())):
        done = place.account(command, "--users", "5", "--pin", *more, address="other@mycompany.com")
        assert (done.code, "no mapping has other@mycompany.com" in done.err) == (2, True), done.err
        assert "give it a mapping" in done.err
    assert place.users("other@mycompany.com") == set()
    assert place.pins() == {}


def test_a_mailbox_that_left_the_configuration_cannot_be_pinned(place: Place) -> None:
    """An orphaned mailbox is like one without a mapping."""
    place.configure("sales")
    place.members([3, 4])
    place.syncd("sync")
    assert place.account("create", "--users", "5", "--pin").code == 2


def test_a_mailbox_found_by_a_pattern_can_be_pinned(place: Place) -> None:
    """A mailbox that a search has found is mapped like any other."""
    found = {"filter": "(cn=support)", "mailbox": "{cn}@mycompany.com"}
    place.station.configure({"discover": found, "context": 1, "account": ACCOUNT})
    assert place.quiet()
    done = place.account("create", "--users", "5", "--pin")
    assert (done.code, done.err) == (0, "")
    assert place.quiet()
    assert place.users() == {3, 4, 5}


# --------------------------------------------------------------------------- the journal, the scripts


def test_pins_are_in_the_journal(place: Place) -> None:
    """When a pin begins and ends, and who said so, is in the journal, which stays whole."""
    place.account("create", "--users", "5", "--until", "2099-12-24")
    place.account("unpin")
    rows = place.ledger("SELECT op, user, login, path, reason FROM journal WHERE op IN ('pin', 'unpin') ORDER BY seq")
    assert [(op, user, login) for op, user, login, _, _ in rows] == [("pin", 5, "u5"), ("unpin", 5, "")]
    assert {json.loads(path)[0] for *_, path, _ in rows} == {"by hand"}
    assert rows[0][4].startswith("keep until 2099-12-2")
    assert place.syncd("history", "--verify").code == 0


def test_the_prefixed_scripts_pin_too(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The scripts that bear the tools' names take --pin and --until, with the tools' exit codes."""
    config = ["--config", str(place.station.config), "-c", "1", "-e", SUPPORT]
    assert account_scripts.run("create", [*config, "--users", "5", "--pin"]) == 0
    assert account_scripts.run("delete", [*config, "--users", "3", "--until", "2d"]) == 0
    assert {user: one["keep"] for user, one in place.pins().items()} == {3: False, 5: True}
    assert place.quiet()
    assert account_scripts.run("create", [*config, "--users", "6", "--until", "never"]) == 109
    capsys.readouterr()
    assert place.users() == {4, 5}


@pytest.mark.parametrize("command", ["update", "list"])
def test_other_commands_do_not_pin(place: Place, command: str) -> None:
    """An update or a list has nothing to pin."""
    done = place.account(command, "--users", "3", "--pin")
    assert done.code == 2


# --------------------------------------------------------------------------- killed


def test_a_command_that_dies_is_finished_by_the_next_run(place: Place) -> None:
    """Killed after any write, the command leaves what a run makes whole: the account is there and ours, or neither."""
    place.map(existing="leave", extra="remove")
    assert place.quiet()
    place.station.remember()
    words = (
        "account",
        "create",
        "--config",
        str(place.station.config),
        "-c",
        "1",
        "-e",
        SUPPORT,
        "--users",
        "5",
        "--pin",
    )
    moment, finished = 1, 0
    while killed(moment, *words):
        pinned = 5 in place.pins()
        done = place.syncd("sync", "--output", "json")
        assert (done.code, done.document["conflicts"]) == (0, []), (moment, done.out)
        assert (5 in place.users()) is pinned, moment
        assert place.claims() == place.ids(), moment
        assert place.quiet(), moment
        finished += pinned
        place.station.restore()
        moment += 1
    assert moment > 5
    assert finished > 3


def test_a_delete_that_dies_is_finished_by_the_next_run(place: Place) -> None:
    """Killed after the pin, a delete is made by the next run; before it, nothing has changed."""
    place.station.remember()
    words = (
        "account",
        "delete",
        "--config",
        str(place.station.config),
        "-c",
        "1",
        "-e",
        SUPPORT,
        "--users",
        "3",
        "--pin",
    )
    moment = 1
    while killed(moment, *words):
        kept_out = 3 in place.pins()
        assert place.syncd("sync").code == 0
        assert (3 in place.users()) is not kept_out, moment
        assert place.claims() == place.ids(), moment
        place.station.restore()
        moment += 1
    assert moment > 5
