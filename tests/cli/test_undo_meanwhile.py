"""Undo and what happens at the same time: other runs between look and deed, and its own death at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.byhand.asking import HandError
from syncd.byhand.undoing import Undo
from syncd.cli.undoing import _desired, _entries
from syncd.core.model import Claim
from syncd.settings.loading import load
from syncd.wiring import Instance, session
from tests.cli.holding import SUPPORT
from tests.cli.killing import killed
from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Give support@ with users 3 and 4."""
    return Place(tmp_path)


def task(instance: Instance, what: str, *, pinning: bool = False) -> Undo:
    """Give an undo whose directory was read just now."""
    entries = _entries(instance.ledger, what)
    return Undo(
        hand=instance.hand("anna"),
        entries=entries,
        desired=_desired(instance, entries),
        ceilings=instance.reconciler.ceilings,
        pinning=pinning,
    )


def test_what_a_run_did_meanwhile_is_seen(place: Place) -> None:
    """An account that a run made between look and deed keeps its claim: there is nothing to do any more."""
    place.members([3])
    place.sync()
    place.members([3, 4])
    with session(load(place.station.config)) as instance:
        undo = task(instance, place.entry("delete", 4))
        assert [step.acts for step in undo.prepare().steps] == [True]
        assert place.sync() == {"create": 1}
        tables = place.station.tables()
        found, work = undo.perform()
    assert ([step.acts for step in found.steps], work.outcomes) == ([False], [])
    assert place.station.tables() == tables
    assert place.claims() == place.ids()
    assert place.quiet()


def test_what_cannot_be_done_any_more_stops_it(place: Place) -> None:
    """Where somebody's own account came between look and deed nothing is done, not even for the others."""
    place.members([3, 4, 5])
    place.sync()
    place.members([5])
    place.syncd("sync", "--output", "json")
    place.members([3, 4, 5])
    with session(load(place.station.config)) as instance:
        undo = task(instance, place.run())
        assert not undo.prepare().refused
        place.station.stranger(1, 4, SUPPORT, secondary=0)
        tables = place.station.tables()
        with pytest.raises(HandError, match="things have changed while this waited"):
            undo.perform()
    assert place.station.tables() == tables
    assert place.ledger("SELECT command, result FROM runs ORDER BY id DESC LIMIT 1") == [("undo", "failed")]


def test_one_user_who_cannot_have_it_does_not_stop_the_others(place: Place) -> None:
    """What fails in the end is told, the rest is done, and the exit code is 5; done again only the rest is tried."""
    place.members([3, 4, 5])
    place.sync()
    place.members([5])
    assert place.sync() == {"delete": 2}
    run = place.run()
    place.members([3, 4, 5])
    place.station.execute(
        "CREATE TRIGGER odd BEFORE INSERT ON user_mail_account WHEN NEW.user = 4 BEGIN SELECT RAISE(ABORT, 'odd'); END"
    )
    done = place.undo(run)
    assert done.code in {1, 5}
    assert 4 not in place.users()
    assert "create FAILED" in done.out
    place.station.execute("DROP TRIGGER odd")
    assert place.undo(run).code == 0
    assert place.users() == {3, 4, 5}
    assert place.claims() == place.ids()
    assert place.quiet()


@pytest.mark.parametrize("again", ["undo", "sync"])
def test_an_undo_that_dies_is_finished(place: Place, again: str) -> None:
    """Killed after any write, a second undo or the next run leaves every account whole, ours, and no one twice."""
    place.members([3, 5])
    assert place.sync() == {"create": 1, "delete": 1}
    run = place.run()
    place.station.remember()
    words = ("undo", run, "--pin", "-c", str(place.station.config))
    moment = 1
    while killed(moment, *words):
        pins = place.pins().keys()
        if again == "undo":
            assert place.undo(run, "--pin").code == 0, moment
            assert place.users() == {3, 4}, moment
        assert place.syncd("sync").code == 0, moment
        if again == "sync":
            assert place.users() == ({3, 4} if pins else {3, 5}), moment
        assert place.claims() == place.ids(), moment
        assert place.ledger("SELECT COUNT(*) FROM journal WHERE result = 'pending'") == [(0,)], moment
        place.station.restore()
        moment += 1
    assert moment > 10


def test_after_an_accident(place: Place) -> None:
    """What was taken is given back at once, by pins, while the directory is put right; then nothing is left to do."""
    place.members([3, 4, 5, 6])
    place.sync()
    accounts = {user: place.account_of(user) for user in (4, 5, 6)}
    place.members([3])
    assert place.sync() == {"delete": 3}
    assert place.syncd("pause").code == 0
    assert place.undo(place.run(), "--pin").code == 0
    assert place.users() == {3, 4, 5, 6}
    assert place.syncd("sync").code == 0
    place.members([3, 4, 5, 6])
    assert place.account("unpin").code == 0
    assert place.syncd("plan", "--exit-code").code == 0
    assert place.syncd("resume").code == 0
    assert place.quiet()
    assert {user: place.account_of(user) for user in (4, 5, 6)} == accounts
    assert {claim.member for claim in place_claims(place)} == {f"person-{user}" for user in (3, 4, 5, 6)}


def place_claims(place: Place) -> list[Claim]:
    """Give all claims, with whom they came from."""
    with session(load(place.station.config)) as instance:
        return [claim for owned in instance.ledger.claims().values() for claim in owned.values()]
