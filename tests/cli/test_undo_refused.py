"""Undo, as far as it does not go: what is not certain, held, refused, left out; and what can be meant at all."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.core.model import Observation
from syncd.openxchange import playground
from syncd.openxchange.sql import SqlStore
from tests.cli.holding import ACCOUNT, SUPPORT
from tests.cli.place import Place
from tests.e2e.station import BASE
from tests.e2e.world import invoke


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give support@ with users 3 and 4."""
    return Place(tmp_path)


# --------------------------------------------------------------------------- what is not certain


def test_an_incomplete_directory_is_no_certainty(place: Place) -> None:
    """Where a source was not read to its end nobody knows whom it names: both ways need a pin."""
    place.members([3, 5])
    place.sync()
    run = place.run()
    place.station.directory({user: f"uid=u{user},{BASE}" for user in range(3, 9)}, {})  # the group is not there
    done = place.undo(run)
    assert done.code == 1
    assert "refused: create of u5 (5)" in done.err
    assert "not every source was read completely, so a source may name the user: add --pin" in done.err
    assert "not every source was read completely, and none that was read names the user: add --pin" in done.err
    assert place.users() == {3, 5}
    assert place.undo(run, "--pin").code == 0
    assert place.users() == {3, 4}
    place.members([3, 5])
    assert place.quiet()


def test_an_incomplete_exclusion_is_no_certainty(place: Place) -> None:
    """An account does not come back without a pin while the user may be excluded."""
    place.members([3])
    place.sync()
    place.map(exclude=[{"group": f"cn=leavers,{BASE}"}])
    place.members([3, 4])
    done = place.undo(place.run())
    assert (done.code, "an excluding source was not read completely" in done.err) == (1, True)
    assert place.undo(place.run(), "--pin").code == 0
    assert place.users() == {3, 4}


def test_who_may_be_excluded_by_an_earlier_name_needs_a_pin(place: Place) -> None:
    """Who moved, and in the excluding group not yet, is given nothing back without a person's word."""
    place.members([3])
    place.sync()
    export = place.station.files / "directory.ldif"
    place.members([3, 4], [5])
    leavers = f"\ndn: cn=leavers,{BASE}\nobjectClass: groupOfNames\nentryUUID: out\nmember: uid=u4,ou=old,{BASE}\n"
    export.write_text(export.read_text() + leavers)
    place.map(exclude=[{"group": f"cn=leavers,{BASE}"}])
    done = place.undo(place.run())
    assert (done.code, f"it may be who is excluded as uid=u4,ou=old,{BASE}" in done.err) == (1, True)
    assert place.users() == {3}
    assert place.undo(place.run(), "--pin").code == 0
    assert place.users() == {3, 4}


def test_a_member_without_an_entry_may_still_be_one(place: Place) -> None:
    """Who is listed without an entry is not taken for somebody who left."""
    place.members([3, 4, 5])
    place.sync()
    export = place.station.files / "directory.ldif"
    text = export.read_text()
    export.write_text(re.sub(rf"dn: uid=u5,{BASE}\n(.+\n)+", "", text))
    done = place.undo(place.entry("create", 5))
    assert (done.code, "a source may name the user: its DN is still listed" in done.err) == (1, True)
    assert place.users() == {3, 4, 5}


def test_what_was_let_go_of_stays(place: Place) -> None:
    """An account that a run made and that is not ours any more is neither deleted nor changed by an undo."""
    place.station.execute("UPDATE user_mail_account SET login = 'own' WHERE id > 0")
    place.sync()
    run = place.run()
    place.configure("sales")
    place.syncd("sync")
    assert place.syncd("release", SUPPORT).code == 0
    tables = place.station.tables()
    for what in (run, place.entry("create", 3)):
        done = place.undo(what)
        assert (done.code, "the account is not ours any more" in done.err) == (1, True)
    assert place.station.tables() == tables
    assert "nothing of" in place.undo(place.entry("release", 3)).err


def test_a_context_that_cannot_be_read_is_no_certainty(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a context's database is down nothing is undone, and it is said why."""
    observe = SqlStore.observe

    def without(store: SqlStore, *words: Any) -> Observation:
        return replace(observe(store, *words), accounts={}, unread={1: "its database is down"})

    monkeypatch.setattr(SqlStore, "observe", without)
    tables = place.station.tables()
    done = place.undo(place.entry("create", 3), "--pin")
    assert (done.code, "its database is down" in done.err) == (1, True), done.err
    place.configure("sales")
    done = place.undo(place.entry("create", 3))
    assert (done.code, "its database is down" in done.err) == (1, True), done.err
    assert place.station.tables() == tables


def test_a_mapping_with_a_problem_is_no_certainty(place: Place) -> None:
    """A mailbox that a search finds, and cannot make one of, did not leave: nothing of it is undone."""
    found = {"filter": "(objectClass=groupOfNames)", "mailbox": "{cn}@mycompany.com"}
    account = {**ACCOUNT, "name": "{description}"}
    place.station.configure({"discover": found, "context": 1, "account": account})
    place.members([3])
    done = place.undo(place.entry("create", 3), "--pin")
    assert (done.code, "is found by a mapping with a problem" in done.err) == (1, True)
    assert place.users() == {3, 4}


# --------------------------------------------------------------------------- limits


def test_a_large_undo_is_held_until_it_is_approved(place: Place) -> None:
    """Taking 1,000 accounts back needs the digest that is printed; so does giving them again, once limits say so."""
    people = {user: f"uid=u{user},{BASE}" for user in range(100, 1100)}
    with place.station.engine.begin() as connection:
        playground.add_users(connection, 1, [(user, f"u{user}", f"u{user}@mycompany.com") for user in people])
    everybody = {user: f"uid=u{user},{BASE}" for user in (3, 4)} | people
    place.configure(limits={"additions": 2000, "context": "off"})
    place.station.directory(everybody, {"support": everybody})
    assert place.sync() == {"create": 1000}
    run = place.run()
    place.station.directory(everybody, {"support": [3, 4]})
    done = place.undo(run)
    assert done.code == 4, (done.out, done.err)
    assert "1000 accounts would be removed" in done.out
    assert len(place.users()) == 1002
    [command] = re.findall(r"  (syncd undo .* --approve .*)", done.err)
    words = command.split()[2:]
    assert place.undo(words[0], "--approve", "sha256:" + "0" * 64).code == 4
    done = invoke("undo", *words)
    assert (done.code, "1000 deleted" in done.out) == (0, True), done.err
    assert place.users() == {3, 4}
    place.station.directory(everybody, {"support": everybody})
    run = place.run()
    done = place.undo(run)
    if done.code == 4:
        [digest] = set(re.findall(r"--approve (sha256:[0-9a-f]{64})", done.err))
        done = place.undo(run, "--approve", digest)
    assert (done.code, "1000 created" in done.out) == (0, True)
    assert place.quiet()


# --------------------------------------------------------------------------- a part of it


def test_a_part_of_it_can_be_undone(place: Place) -> None:
    """--partial leaves out what is refused, does the rest, and ends with 5; without, nothing is done."""
    place.members([3, 4, 5, 6])
    place.sync()
    place.members([3, 4, 6])
    run = place.run()
    assert place.undo(run).code == 1
    done = place.undo(run, "--partial")
    assert done.code == 5
    assert "refused: create of u6 (6)" in done.err
    assert "1 deleted" in done.out
    assert place.users() == {3, 4, 6}
    assert place.undo(run, "--partial").code == 5


def test_only_a_plan_is_shown(place: Place) -> None:
    """With --plan the same is shown as to be done, and nothing is written anywhere."""
    place.members([3])
    place.sync()
    tables, ledger = place.station.tables(), place.ledger("SELECT * FROM runs")
    done = place.undo(place.run(), "--pin", "--plan")
    assert (done.code, "1 to create" in done.out) == (0, True)
    assert place.undo(place.run(), "--plan").code == 1
    assert (place.station.tables(), place.ledger("SELECT * FROM runs")) == (tables, ledger)


# --------------------------------------------------------------------------- what is meant


def test_what_can_be_meant(place: Place) -> None:
    """A change by its number, a run by its beginning; nothing else, and nothing ambiguous."""
    for what, told in (
        ("99", "there is no run or change 99"),
        ("", "there is no run or change"),
        ("f", "there is no run or change f"),
        ("ffffffff", "there is no run or change"),
        ("1" * 40, "there is no run or change"),
    ):
        done = place.undo(what)
        assert (done.code, told in done.err) == (1, True), done.err
    place.ledger("UPDATE runs SET run = '0001' || substr(run, 5)")
    place.ledger("UPDATE journal SET run = '0001' || substr(run, 5)")
    done = place.undo("0001")
    assert (done.code, "is the number of a change and the beginning of run 0001" in done.err) == (1, True)


def test_what_was_not_applied_cannot_be_undone(place: Place) -> None:
    """Of a failed, pending or other entry it is said why there is nothing to undo."""
    place.account("create", "--users", "5", "--pin")
    done = place.undo(place.entry("pin"))
    assert (done.code, "can be undone: pin (applied)" in done.err) == (1, True)
    place.ledger("UPDATE journal SET result = 'pending' WHERE op = 'create' AND user = 5")
    done = place.undo(place.entry("create", 5))
    assert (done.code, "create (pending)" in done.err, "syncd sync" in done.err) == (1, True, True)


def test_nothing_is_undone_in_staging(place: Place) -> None:
    """A mailbox in staging is not written to; a paused one is, since a person asks."""
    place.members([3])
    place.sync()
    place.members([3, 4])
    place.map(mode="staging")
    done = place.undo(place.run())
    assert (done.code, "mode: staging" in done.err) == (1, True)
    place.configure("support", mode="staging")
    assert "`mode: staging`: nothing is written" in place.undo(place.run()).err
    place.map()
    place.syncd("pause")
    assert place.undo(place.run()).code == 0
    assert place.users() == {3, 4}


def test_mailboxes_found_by_patterns(place: Place) -> None:
    """A mailbox that a search finds is like any other; while the search is incomplete, others have to wait."""
    found = {"filter": "(objectClass=groupOfNames)", "mailbox": "{cn}@mycompany.com"}
    place.station.configure({"discover": found, "context": 1, "account": ACCOUNT})
    place.members([3])
    assert place.sync() == {"delete": 1}
    run = place.run()
    assert "no source names the user" in place.undo(run).err
    place.members([3, 4])
    assert place.undo(run).code == 0
    assert place.quiet()
    assert place.claims() == place.ids()
    (place.station.files / "directory.ldif").unlink()
    done = place.undo(place.run())
    assert (done.code, "not all mailboxes are known now" in done.err) == (1, True)
