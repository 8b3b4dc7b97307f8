"""What a run remembers of earlier ones protects from the next, also when one of them saw only a part of the world."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from syncd import run as reconciling
from syncd import wiring
from syncd.cli import leaving
from syncd.core.changes import Report
from syncd.errors import StoreRefused
from syncd.ledger.lease import Lease
from syncd.openxchange import playground
from syncd.run import Reconciler
from syncd.settings.loading import load
from syncd.wiring import session
from tests.e2e.station import BASE, TABLES, Station

SUPPORT, SALES = "support@mycompany.com", "sales@mycompany.com"
PEOPLE = {user: f"uid=u{user},{BASE}" for user in range(3, 13)}
EVERYBODY = tuple(PEOPLE)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    """Give a world with ten users."""
    made = Station(tmp_path)
    with made.engine.begin() as connection:
        playground.add_context(connection, 1)
        playground.add_users(connection, 1, [(user, f"u{user}", f"u{user}@mycompany.com") for user in PEOPLE])
    return made


def mapping(address: str, *sources: str, **more: object) -> dict[str, Any]:
    """Map groups, named by their cn, to a mailbox."""
    account = {"name": "Shared", "login": "shared", "mail": {"server": "imap.example.org", "port": 143}}
    return {"mailbox": address, "context": 1, "sources": groups(*sources), "account": account, **more}


def groups(*names: str) -> list[dict[str, str]]:
    """Give groups as sources."""
    return [{"group": f"cn={name},{BASE}"} for name in names]


def directory(station: Station, people: dict[int, str] | None = None, **members: Iterable[int]) -> None:
    """Write the directory with these groups, which may be empty."""
    station.directory(people or PEOPLE, members)
    path = station.files / "directory.ldif"
    path.write_text(path.read_text().replace("groupOfNames", "groupOfMembers"))


def run(station: Station, *only: str) -> Report:
    """Make a run, of some mailboxes only where they are named."""
    with session(load(station.config)) as instance:
        return instance.reconciler.run([one.ref for one in instance.mailboxes if one.address in only])


def users(station: Station, address: str = SUPPORT) -> set[int]:
    """Give who has the mailbox."""
    return {user for _, user, stored, secondary in station.accounts() if secondary and stored == address}


def limits(report: Report) -> list[str]:
    """Give the limits that hold something."""
    return [objection.limit for judgement in report.judgements for objection in judgement.objections]


def test_a_group_emptied_while_another_was_unreadable_is_sudden_later_too(station: Station) -> None:
    """Removals withheld for one source do not make a run forget that another has suddenly no members."""
    station.configure(mapping(SUPPORT, "a", "b"))
    directory(station, a=[3, 4, 5], b=[6, 7])
    run(station)
    directory(station, a=[])
    assert len(run(station).judgements[0].plan.withheld) == 5
    directory(station, a=[], b=[6, 7])
    assert limits(run(station)) == ["suddenly_empty"]
    assert users(station) == {3, 4, 5, 6, 7}


def test_an_exclusion_emptied_while_another_was_unreadable_is_sudden_later_too(station: Station) -> None:
    """Additions withheld for one exclusion do not make a run forget that another has suddenly no members."""
    station.configure(mapping(SUPPORT, "a", exclude=groups("x", "y")))
    directory(station, a=[3, 4, 5], x=[4, 5], y=[9])
    run(station)
    directory(station, a=[3, 4, 5], x=[])
    run(station)
    directory(station, a=[3, 4, 5], x=[], y=[9])
    assert limits(run(station)) == ["suddenly_empty"]
    assert users(station) == {3}


def renamed(station: Station) -> None:
    """Give the group `inner` another name; who lists it still says the old one."""
    path = station.files / "directory.ldif"
    path.write_text(path.read_text().replace(f"dn: cn=inner,{BASE}\n", f"dn: cn=another,{BASE}\n"))


def listing(station: Station, name: str, group: str) -> None:
    """Let a group list another group."""
    path = station.files / "directory.ldif"
    entry = f"cn: {name}\nentryUUID: group-{name}\n"
    path.write_text(path.read_text().replace(entry, f"{entry}member: cn={group},{BASE}\n"))


def test_a_nested_group_that_is_listed_and_not_there_takes_nobody_out_unasked(station: Station) -> None:
    """However few they are, in however many runs; after an approval they go, and nothing is sudden any more."""
    station.configure(mapping(SUPPORT, "a"))
    directory(station, a=[3, 4, 5], inner=[6])
    listing(station, "a", "inner")
    run(station)
    assert users(station) == {3, 4, 5, 6}
    renamed(station)
    assert [limits(run(station)) for _ in range(2)] == [["suddenly_empty"]] * 2
    assert users(station) == {3, 4, 5, 6}
    with session(load(station.config)) as instance:
        [held] = instance.ledger.held()
        message = str(held.objections[0]["message"])
        assert f"lists the group cn=inner,{BASE}, which had members and now is not there" in message
        instance.ledger.approve(held.digest, "anna", datetime.now(UTC))
    assert limits(run(station)) == []
    assert users(station) == {3, 4, 5}
    directory(station, a=[3, 4], inner=[])
    listing(station, "a", "lost")
    assert limits(run(station)) == []
    assert users(station) == {3, 4}


def test_a_nested_group_of_an_exclusion_that_is_not_there_lets_nobody_in(station: Station) -> None:
    """Whom it kept out gets no mailbox until a person says so."""
    station.configure(mapping(SUPPORT, "a", exclude=groups("x")))
    directory(station, a=[3, 4, 5], x=[9], inner=[4])
    listing(station, "x", "inner")
    run(station)
    renamed(station)
    assert [limits(run(station)) for _ in range(2)] == [["suddenly_empty"]] * 2
    assert users(station) == {3, 5}


def moved(station: Station, *mappings: dict[str, Any]) -> None:
    """Configure another directory server, as far as anybody can tell."""
    path = station.files / "directory.ldif"
    path.rename(path.with_name("other.ldif"))
    station.configure(*mappings, directory={"urls": [f"ldif://{station.files}/other.ldif"], "base": BASE})


@pytest.mark.parametrize("only", [(), (SALES,)])
def test_the_read_of_another_mailbox_is_no_first_look_at_this_one(station: Station, only: tuple[str, ...]) -> None:
    """From another server removals wait for the second complete read of their own mailbox's sources."""
    both = (mapping(SUPPORT, "a"), mapping(SALES, "b"))
    station.configure(*both)
    directory(station, a=[3, 4, 5], b=[6, 7])
    run(station)
    directory(station, b=[6, 7])  # the new server does not have the group yet
    moved(station, *both)
    run(station, *only)
    directory(station, a=[3, 4], b=[6, 7])
    (station.files / "directory.ldif").rename(station.files / "other.ldif")
    assert sum(len(judgement.plan.waiting) for judgement in run(station).judgements) == 1
    assert users(station) == {3, 4, 5}
    run(station)
    assert users(station) == {3, 4}


def test_a_member_moved_out_of_sight_keeps_the_mailbox(station: Station) -> None:
    """A member whose entry went where it cannot be read, while the group lists its new name, is not gone."""
    station.configure(mapping(SUPPORT, "a"))
    directory(station, a=[3, 4, 5])
    run(station)
    elsewhere = {**PEOPLE, 3: f"uid=u3,ou=hidden,{BASE}"}
    directory(station, elsewhere, a=[3, 4, 5])
    path = station.files / "directory.ldif"
    entries = path.read_text().split("\n\n")
    path.write_text("\n\n".join(entry for entry in entries if not entry.startswith(f"dn: {elsewhere[3]}")))
    [withheld] = run(station).judgements[0].plan.withheld
    assert (withheld.user, "still listed" in withheld.reason) == (3, True)
    assert users(station) == {3, 4, 5}


def test_another_database_with_the_same_context_does_not_end_the_claims(station: Station) -> None:
    """Where most of the users are not there either, the mailbox is held, and each one by a digest of its own."""
    station.configure(mapping(SUPPORT, "a", existing="leave"), mapping(SALES, "a", existing="leave"))
    directory(station, a=EVERYBODY)
    run(station)
    before = station.claims()
    for table in TABLES[:4]:
        station.execute(f"DELETE FROM {table} WHERE user > 3")
    station.execute("DELETE FROM user WHERE id > 3", "DELETE FROM login2user WHERE id > 3")
    report = run(station)
    assert limits(report) == ["vanished", "vanished"]
    assert len({judgement.held_digest for judgement in report.judgements}) == 2
    assert station.claims() == before


def test_users_that_leave_open_xchange_end_their_claims(station: Station) -> None:
    """Few users that are deleted there end their claims without a word."""
    station.configure(mapping(SUPPORT, "a"))
    directory(station, a=EVERYBODY)
    run(station)
    for table in TABLES[:4]:
        station.execute(f"DELETE FROM {table} WHERE user > 9")
    station.execute("DELETE FROM user WHERE id > 9", "DELETE FROM login2user WHERE id > 9")
    assert limits(run(station)) == []
    assert station.claims()[1, SUPPORT].keys() == {3, 4, 5, 6, 7, 8, 9}


def told(station: Station) -> tuple[str, tuple[str, ...], list[tuple[int, int]]]:
    """Give what the ledger tells: result and errors of the last run, stored and failed accounts by mailbox."""
    with session(load(station.config)) as instance:
        [last] = instance.ledger.runs(1)
        return last.result, last.errors, [(one.observed, one.failed) for one in instance.ledger.status()]


def test_status_tells_what_a_run_left(station: Station) -> None:
    """A mailbox whose changes failed is not in step, and the accounts that a run made are stored after it."""
    station.configure(mapping(SUPPORT, "a"))
    directory(station, a=[3, 4, 5])
    station.execute("UPDATE sequence_mail_service SET cid = 9")
    run(station)
    result, errors, mailboxes = told(station)
    assert (result, mailboxes) == ("failed", [(0, 3)])
    assert "no row in sequence_mail_service" in errors[0]
    station.execute("UPDATE sequence_mail_service SET cid = 1")
    run(station)
    assert told(station) == ("ok", (), [(3, 0)])


def test_a_run_that_an_error_ended_is_not_running(station: Station) -> None:
    """When Open-Xchange cannot be read the ledger has the run with its error, and the mailboxes as they were."""
    station.configure(mapping(SUPPORT, "a"))
    directory(station, a=[3, 4, 5])
    run(station)
    station.execute("ALTER TABLE user_mail_account RENAME TO elsewhere")
    with pytest.raises(StoreRefused):
        run(station)
    result, errors, mailboxes = told(station)
    assert (result, mailboxes) == ("failed", [(3, 0)])
    assert "user_mail_account" in errors[0]


def test_retire_deletes_what_its_digest_names_and_nothing_else(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a daemon with the old configuration adds while retire waits for it is not deleted unseen."""
    station.configure(mapping(SUPPORT, "a"), mapping(SALES, "b"))
    directory(station, a=[3, 4, 5], b=[6])
    run(station)
    old = station.config.with_name("old.yaml")
    shutil.copy(station.config, old)
    station.configure(mapping(SALES, "b"))
    with session(load(station.config)) as instance:
        retired = wiring.retired(SUPPORT, 1)
        [shown] = instance.retiring(retired).plan().judgements
    make = Reconciler.run

    def late(self: Reconciler, *given: Any, **more: Any) -> Report:
        directory(station, a=[3, 4, 5, 7], b=[6])
        with session(load(old)) as daemon:
            make(daemon.reconciler)
        return make(self, *given, **more)

    monkeypatch.setattr(Reconciler, "run", late)
    with pytest.raises(typer.Exit) as ended:
        leaving.retire(SUPPORT, station.config, approve=shown.digest)
    assert ended.value.exit_code == 4
    assert users(station) == {3, 4, 5, 7}


def test_release_is_a_run_that_ended(station: Station) -> None:
    """Letting go of a mailbox is remembered as done, not as a run that never came to its end."""
    station.configure(mapping(SUPPORT, "a"), mapping(SALES, "b"))
    directory(station, a=[3], b=[6])
    run(station)
    station.configure(mapping(SALES, "b"))
    leaving.release(SUPPORT, station.config)
    assert told(station)[0] == "ok"


@pytest.mark.parametrize("refused", ["claimed", "extra"])
def test_two_accounts_of_one_user_are_deleted_and_noted_apart(station: Station, refused: str) -> None:
    """Of a user's two accounts one is removed and the other not: the journal tells which, and the claim follows it."""
    station.configure(mapping(SUPPORT, "a", extra="remove"))
    directory(station, a=[3, 4, 5])
    run(station)
    extra = station.stranger(1, 3, SUPPORT)
    claimed = station.claims()[1, SUPPORT][3][0]
    account = claimed if refused == "claimed" else extra
    station.execute(
        f"CREATE TRIGGER refuse BEFORE DELETE ON user_mail_account WHEN OLD.id = {account} "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    directory(station, a=[4, 5])
    run(station)
    journal = station.journal()
    assert (journal[SUPPORT, 3, "delete", "applied"], journal[SUPPORT, 3, "delete", "failed"]) == (1, 1)
    assert (3 in station.claims()[1, SUPPORT]) == (refused == "claimed")


def test_a_run_keeps_its_lease_while_it_reads(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease that a run holds is the one that is renewed beside it."""
    kept: list[object] = []

    def watched(lease: Lease) -> AbstractContextManager[None]:
        kept.append(lease)
        return renewing(lease)

    renewing = reconciling._kept
    monkeypatch.setattr(reconciling, "_kept", watched)
    station.configure(mapping(SUPPORT, "a"))
    directory(station, a=[3])
    run(station)
    assert len(kept) == 1
