"""The daemon and what it holds: decisions are noticed within seconds, people are told once, restarts change nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.holding import SUPPORT, Holding
from tests.e2e.running import Running, free_port, metric, until
from tests.servers.notices import Hook, PostOffice
from tests.servers.scripted import Scripted

BOX = f'{{context="1",mailbox="{SUPPORT}"}}'
SECRET = "s3cret-path"


class Held(Holding):
    """support@ with eight members in step, and a daemon's configuration: a run an hour, so that none comes by itself.

    Attributes:
        port: of the daemon's endpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        super().__init__(folder)
        self.filled()

    def configure(self, *names: str, **sections: object) -> None:
        """Write the configuration of a daemon."""
        quiet = {"schedule": {"every": "1h"}, "http": {"listen": f"127.0.0.1:{self.port}"}}
        super().configure(*names, **{**quiet, **sections})  # type: ignore[arg-type]

    def daemon(self) -> Running:
        """Give a daemon that is to be entered."""
        return Running(self.station.config)

    def landslide(self, daemon: Running) -> str:
        """Let half of the members leave, which a run holds; give the digest."""
        self.members([7, 8, 9, 10])
        daemon.signal(signal.SIGUSR1)
        digest = str(daemon.wait("plan.held")["digest"])
        daemon.wait("run.finished", held=4)
        return digest


@pytest.fixture
def place(tmp_path: Path) -> Held:
    """Give a world in step."""
    return Held(tmp_path)


@pytest.fixture
def daemon(place: Held) -> Iterator[Running]:
    """Give a daemon whose first run found everything in step."""
    with place.daemon() as running:
        running.wait("run.finished", unchanged=8)
        yield running


# ------------------------------------------------------------------ decisions


def test_an_approval_is_noticed_within_seconds(place: Held, daemon: Running) -> None:
    """Nobody has to ask for a run, and the next one by the schedule would be in an hour."""
    digest = place.landslide(daemon)
    done = place.syncd("approve", digest)
    assert "the daemon applies it within seconds" in done.err
    assert daemon.wait("decision.noticed")["operations"] == ["approve"]
    assert daemon.wait("run.finished")["delete"] == 4
    assert place.users() == {7, 8, 9, 10}
    assert daemon.stop() == 0
    assert daemon.count("decision.noticed") == 1


def test_a_rejection_ends_the_alarm_and_nothing_else(place: Held, daemon: Running) -> None:
    """It stays held; the metric that the alert looks at says within seconds that somebody has decided."""
    digest = place.landslide(daemon)
    assert metric(place.port, f"syncd_held_plans{BOX}") == 1
    assert metric(place.port, f"syncd_rejected_plans{BOX}") == 0
    place.syncd("reject", digest)
    assert daemon.wait("run.finished")["held"] == 4
    until(lambda: metric(place.port, f"syncd_rejected_plans{BOX}") == 1)
    assert len(place.users()) == 8
    place.syncd("approve", digest)
    assert daemon.wait("run.finished")["delete"] == 4
    until(lambda: metric(place.port, f"syncd_rejected_plans{BOX}") == 0)


def test_a_pause_and_its_end_are_noticed(place: Held, daemon: Running) -> None:
    """A paused mailbox is not written to; on `resume` what has changed meanwhile is done at once."""
    place.syncd("pause", SUPPORT)
    daemon.wait("run.finished")
    until(lambda: metric(place.port, f"syncd_mailbox_paused{BOX}") == 1)
    place.members(range(3, 10))
    assert daemon.run_now()["idle"] == 1
    until(lambda: metric(place.port, f"syncd_idle_changes{BOX}") == 1)
    place.syncd("resume", SUPPORT)
    assert daemon.wait("decision.noticed")["operations"] == ["resume"]
    assert daemon.wait("run.finished")["delete"] == 1
    until(lambda: metric(place.port, f"syncd_mailbox_paused{BOX}") == 0)


def test_a_daemon_that_was_killed_goes_on_with_what_was_decided(place: Held) -> None:
    """Held before, approved while nobody ran: the first run of the next daemon applies it."""
    with place.daemon() as running:
        running.wait("run.finished")
        digest = place.landslide(running)
        running.process.kill()
        running.process.wait()
    assert "the next run applies it" in place.syncd("approve", digest).err
    with place.daemon() as running:
        assert running.wait("run.finished")["delete"] == 4
    assert place.users() == {7, 8, 9, 10}


def test_a_restart_holds_the_same_plan(place: Held) -> None:
    """Digest, age and state of before are those of after, and an approval beside the new daemon releases it."""
    with place.daemon() as running:
        running.wait("run.finished")
        digest = place.landslide(running)
        before = place.plan()
        assert running.stop() == 0
    with place.daemon() as running:
        assert running.wait("plan.held")["digest"] == digest
        running.wait("run.finished", held=4)
        after = place.plan()
        assert {**after, "age_seconds": 0} == {**before, "age_seconds": 0}
        place.syncd("approve", digest)
        assert running.wait("run.finished")["delete"] == 4


def test_another_configuration_ends_what_was_held(place: Held, daemon: Running) -> None:
    """After a reload that gives another plan the old digest releases nothing, whether it was approved or not."""
    digest = place.landslide(daemon)
    place.configure(limits={"removals": {"percent": 0, "floor": 0}}, account={"login": "other"})
    place.members([6, 7, 8, 9, 10])
    daemon.signal(signal.SIGHUP)
    daemon.wait("configuration.reloaded")
    held = daemon.wait("plan.held")
    daemon.wait("run.finished")
    assert held["digest"] != digest
    assert place.digest() == held["digest"]
    assert place.syncd("approve", digest).code == 1
    assert len(place.users()) == 8


# ------------------------------------------------------------------ telling


def test_people_are_told_once(place: Held) -> None:
    """One post and one mail for a plan, however many runs hold it, and none after a restart."""
    with Hook() as hook, PostOffice() as office:
        place.configure(
            notify={
                "webhook": {"url": f"http://127.0.0.1:{hook.port}/{SECRET}"},
                "mail": {"server": "127.0.0.1", "port": office.port, "from": "syncd@x.org", "to": ["ops@x.org"]},
            }
        )
        with place.daemon() as running:
            running.wait("run.finished")
            digest = place.landslide(running)
            running.wait("notice.sent", channel="webhook")
            running.wait("notice.sent", channel="mail")
            running.run_now()
            until(lambda: metric(place.port, 'syncd_notices_total{channel="mail",result="told"}') == 1)
            assert SECRET not in running.text
            running.stop()
        with place.daemon() as running:
            running.wait("run.finished", held=4)
            running.stop()
        assert place.syncd("sync").code == 4
    [document] = hook.documents
    assert (document["mailbox"], document["context"], document["digest"]) == (SUPPORT, 1, digest)
    assert document["command"] == f"syncd approve {digest} -c {place.station.config}"
    assert place.plan()["told"] == ["mail", "webhook"]
    [(recipients, message)] = office.mails
    assert recipients == ["ops@x.org"]
    assert digest in message.get_content()


def test_what_could_not_be_told_is_told_after_the_next_run(place: Held) -> None:
    """A webhook that refuses makes a warning and a number, never a failed run; once it takes notices they arrive."""
    with Hook(status=500) as hook:
        place.configure(notify={"webhook": {"url": f"http://127.0.0.1:{hook.port}/{SECRET}"}})
        with place.daemon() as running:
            running.wait("run.finished")
            place.landslide(running)
            failed = running.wait("notice.failed")
            assert (failed["channel"], failed["untold"]) == ("webhook", 1)
            assert "HTTP status 500" in failed["problem"]
            until(lambda: metric(place.port, 'syncd_notices_total{channel="webhook",result="failed"}') == 1)
            hook.status = 204
            assert running.run_now()["result"] == "held"
            running.wait("notice.sent", plans=1)
            assert SECRET not in running.text
    assert len(hook.posts) == 2


def test_a_single_run_tells_too(place: Held) -> None:
    """Who has `sync` in a crontab and no daemon is told as well; what goes wrong is a warning."""
    with Hook(status=404) as hook:
        place.configure(notify={"webhook": {"url": f"http://127.0.0.1:{hook.port}/{SECRET}"}})
        place.members([7, 8, 9, 10])
        done = place.syncd("sync")
        assert done.code == 4
        assert "warning: not everybody was told of what is held, by webhook:" in done.err
        assert SECRET not in done.err
        hook.status = 200
        assert place.syncd("sync").err == ""
    assert [document["mailbox"] for document in hook.documents] == [SUPPORT, SUPPORT]


def test_a_mail_server_that_hangs_holds_up_nothing(place: Held) -> None:
    """While it is silent the daemon runs, notices an approval and ends in time."""
    with Scripted(b"") as silent:
        mail = {"server": "127.0.0.1", "port": silent.port, "from": "a@x.org", "to": ["b@x.org"], "timeout": "60s"}
        place.configure(notify={"mail": mail})
        with place.daemon() as running:
            running.wait("run.finished")
            place.syncd("approve", place.landslide(running))
            assert running.wait("run.finished")["delete"] == 4
            assert running.stop(20) == 0
            assert running.count("run.finished") == 3
