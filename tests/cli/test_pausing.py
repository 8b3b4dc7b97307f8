"""Pauses as persons give and see them, and what is idle for other reasons: nothing is applied, and all are told."""

from __future__ import annotations

import getpass
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.holding import SALES, SUPPORT, Holding
from tests.e2e.world import Done


@pytest.fixture
def place(tmp_path: Path) -> Holding:
    """Give support@ and sales@ with three members each, in step."""
    place = Holding(tmp_path)
    place.configure("support", "sales")
    place.members([3, 4, 5], [3, 4, 5])
    assert place.syncd("sync").code == 0
    return place


@pytest.fixture
def me(monkeypatch: pytest.MonkeyPatch) -> str:
    """Be anna; give how she is named."""
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return f"anna (uid {os.getuid()})"


def states(place: Holding) -> dict[str, str]:
    """Give how `status` calls each mailbox."""
    return {one["mailbox"]: one["state"] for one in place.syncd("status", "--output", "json").document["mailboxes"]}


def idle(done: Done) -> dict[str, str]:
    """Give the mailboxes of a run that are idle, with the reason."""
    return {one["mailbox"]: one["idle"] for one in done.document["mailboxes"] if one["idle"]}


def test_nothing_is_applied_to_a_paused_mailbox(place: Holding, me: str) -> None:
    """Its changes are computed and told and not made, those of other mailboxes are; after `resume` they are made."""
    assert place.syncd("pause", SUPPORT).code == 0
    place.members([3, 4], [3, 4, 5, 6])
    done = place.syncd("sync", "--output", "json")
    assert done.code == 0
    assert done.summary == {"create": 1, "idle": 1, "unchanged": 5}
    assert idle(done) == {SUPPORT: f"paused by {me}"}
    assert {one["mailbox"]: one["result"] for one in done.document["changes"]} == {SUPPORT: "planned", SALES: "applied"}
    assert (place.users(), place.users(SALES)) == ({3, 4, 5}, {3, 4, 5, 6})
    assert place.syncd("resume", SUPPORT).code == 0
    assert place.syncd("sync", "--output", "json").summary == {"delete": 1, "unchanged": 6}


def test_everything_can_be_paused(place: Holding, me: str) -> None:
    """Without a mailbox all are meant; the plan says so too."""
    done = place.syncd("pause")
    assert f"paused: everything, until: syncd resume -c {place.station.config}" in done.err
    place.members([3, 4], [3])
    before = place.station.tables()
    assert set(idle(place.syncd("plan", "--output", "json"))) == {SUPPORT, SALES}
    text = place.syncd("sync").out
    assert text.count(f"idle, nothing is applied: paused by {me}") == 2
    assert "3 not made of idle mailboxes" in text
    assert place.station.tables() == before
    assert states(place) == {SUPPORT: "paused", SALES: "paused"}


def test_idle_mailboxes_in_step_are_counted(place: Holding, me: str) -> None:
    """A quiet mailbox that is paused does not read as one in step, nor does it take a line for itself."""
    place.syncd("pause", SALES)
    text = place.syncd("sync").out
    assert f"1 mailbox idle, with nothing to do: paused by {me}" in text
    assert "1 mailbox in step (3 accounts)" in text


def test_status_says_what_is_paused(place: Holding, me: str) -> None:
    """Mailbox, person, since when and until when, before any run has met it."""
    place.syncd("pause", SUPPORT, "--until", "2h", "--by", "The boss")
    boss = f"The boss ({me.replace(' (', ', ')}"
    text = place.syncd("status").out
    assert re.search(
        rf"paused: {SUPPORT} \(context 1\), by {re.escape(boss)} since \S+ \S+ UTC until \S+ \S+ UTC", text
    )
    assert f"paused      {SUPPORT} (context 1)" in text
    assert f"in step     {SALES} (context 1)" in text
    [told] = place.syncd("status", "--output", "json").document["paused"]
    assert (told["mailbox"], told["context"], told["by"]) == (SUPPORT, 1, boss)
    length = datetime.fromisoformat(told["until"]) - datetime.fromisoformat(told["since"])
    assert length == timedelta(hours=2)


def test_a_pause_ends_by_itself(place: Holding) -> None:
    """Once its time has come the next run applies again, and the journal says that it ended."""
    place.syncd("pause", SUPPORT, "--until", "2h")
    place.members([3, 4], [3, 4, 5])
    assert place.syncd("sync", "--output", "json").summary["idle"] == 1
    place.ledger("UPDATE pauses SET until = until - 3 * 3600 * 1000")
    assert states(place)[SUPPORT] != "paused"
    assert place.syncd("sync", "--output", "json").summary["delete"] == 1
    assert [(op, reason) for op, _, reason in place.journal("resume")] == [("resume", "ended")]


def test_a_day_is_meant_whole(place: Holding) -> None:
    """A date is the end of that day by the local clock; the answer tells the moment."""
    day = datetime.now(UTC).astimezone().date() + timedelta(days=3)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time()).astimezone(UTC)
    assert f"until {end:%F %T} UTC" in place.syncd("pause", "--until", day.isoformat()).err


@pytest.mark.parametrize("until", ["tomorrow", "2020-01-01", "0h", "2h30", ""])
def test_a_time_that_is_none_pauses_nothing(place: Holding, until: str) -> None:
    """What is not understood, or over already, is a mistake on the command line."""
    assert place.syncd("pause", "--until", until).code == 2
    assert place.syncd("status", "--output", "json").document["paused"] == []


def test_pauses_are_in_the_journal(place: Holding, me: str) -> None:
    """Who paused and who resumed what, and until when."""
    place.syncd("pause", SUPPORT)
    place.syncd("resume", SUPPORT, "--by", "Bob")
    bob = f"Bob ({me.replace(' (', ', ')}"
    hand = [json.dumps(["by hand", who]) for who in (me, bob)]
    assert place.journal("pause", "resume") == [("pause", hand[0], None), ("resume", hand[1], None)]


def test_resume_says_what_is_still_paused(place: Holding) -> None:
    """Two pauses are two: whoever ends one is told of the other, with the command that ends it."""
    place.syncd("pause")
    place.syncd("pause", SUPPORT)
    done = place.syncd("resume", SUPPORT)
    assert f"resumed: {SUPPORT} (context 1)" in done.err
    assert "still paused: everything" in done.err
    place.syncd("pause", SUPPORT)
    done = place.syncd("resume")
    assert "resumed: everything" in done.err
    [command] = re.findall(r"End it with: (syncd resume .*)", done.err)
    assert command == f"syncd resume {SUPPORT} --context 1 -c {place.station.config}"
    assert place.syncd(*command.split()[1:-2]).code == 0
    done = place.syncd("resume")
    assert (done.code, done.err) == (0, "not paused: everything\n")


def test_a_mailbox_is_named_as_elsewhere(place: Holding) -> None:
    """Another letter case means the same; one that nobody knows, or a context alone, is refused."""
    assert place.syncd("pause", "Support@MyCompany.com", "--context", "1").code == 0
    assert states(place)[SUPPORT] == "paused"
    done = place.syncd("pause", "nobody@mycompany.com")
    assert (done.code, "no mapping for nobody@mycompany.com" in done.err) == (1, True)
    assert place.syncd("pause", SUPPORT, "--context", "7").code == 1
    assert place.syncd("pause", "--context", "1").code == 2


def test_a_mailbox_can_be_paused_before_its_first_run(tmp_path: Path) -> None:
    """What is configured is known, so that a first run may leave it out."""
    place = Holding(tmp_path)
    place.members([3, 4])
    assert place.syncd("pause", SUPPORT).code == 0
    assert place.syncd("sync", "--output", "json").summary == {"idle": 2}
    assert place.users() == set()


def test_an_approval_of_what_is_paused_says_so(place: Holding, me: str) -> None:
    """The approval counts, and the person is told that nothing happens until the pause ends."""
    place.configure("support", "sales", limits={"removals": {"percent": 0, "floor": 0}})
    place.members([3], [3, 4, 5])
    assert place.syncd("sync").code == 4
    place.syncd("pause")
    done = place.syncd("approve", place.digest())
    assert f"nothing is applied now: paused by {me}" in done.err
    assert place.syncd("sync", "--output", "json").summary == {"idle": 2, "unchanged": 4}
    place.syncd("resume")
    assert place.syncd("sync", "--output", "json").summary == {"delete": 2, "unchanged": 4}


# ------------------------------------------------------------------ idle for other reasons


def test_staging_computes_and_writes_nothing(place: Holding) -> None:
    """The whole instance in staging: plan, run and status tell what would be done, and that it is not."""
    place.configure("support", "sales", mode="staging")
    place.members([3, 4, 6], [3])
    before = place.station.tables()
    done = place.syncd("sync", "--output", "json")
    assert (done.code, done.summary) == (0, {"idle": 4, "unchanged": 3})
    assert all(reason.startswith("staging") for reason in idle(done).values())
    assert place.station.tables() == before
    assert states(place) == {SUPPORT: "idle", SALES: "idle"}
    text = place.syncd("status").out
    assert "at the last run: staging" in text
    assert "idle, nothing is applied: staging" in place.syncd("plan").out


def test_what_a_limit_would_hold_of_staging_asks_for_no_approval(place: Holding) -> None:
    """The objection is told, without a digest and without a command; nothing is held."""
    place.configure("support", mode="staging", limits={"removals": {"percent": 0, "floor": 0}})
    place.members([3], [3, 4, 5])
    done = place.syncd("sync")
    assert done.code == 0
    assert "HELD" in done.out
    assert "Nothing is applied now: staging" in done.out
    assert "syncd approve" not in done.out
    assert place.syncd("held").out == "nothing is held\n"


def test_a_rollout_says_whose_turn_it_is(tmp_path: Path) -> None:
    """The first mailbox is filled, the other is idle until its step; status tells why."""
    place = Holding(tmp_path)
    place.configure("support", "sales", rollout={"mailboxes": 1, "wait": "1h"})
    place.members([3, 4], [3, 4])
    done = place.syncd("sync", "--output", "json")
    assert (done.code, done.summary) == (0, {"create": 2, "idle": 2})
    assert set(idle(done)) == {SALES}
    assert states(place) == {SUPPORT: "in step", SALES: "idle"}
    assert "at the last run: rollout: its turn comes at a later run" in place.syncd("status").out
