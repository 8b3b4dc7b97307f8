"""The daemon with real signals, a real notification socket, slapd and MariaDB."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.errors import LedgerBusy
from syncd.settings.loading import load
from syncd.wiring import session
from tests.e2e.running import Running, free_port, get, metric, until
from tests.e2e.world import COMMAND, SUPPORT, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]
PATIENT = {"timeout": {"connect": "60s", "receive": "60s"}}


@pytest.fixture
def port() -> int:
    """Give the port of the daemon's endpoints."""
    return free_port()


def configure(world: World, port: int, *names: str, **sections: object) -> None:
    """Map groups, one run an hour unless said otherwise."""
    mappings = [world.mapping(name) for name in names or ("support",)]
    given: dict[str, object] = {"schedule": {"every": "1h"}, "http": {"listen": f"127.0.0.1:{port}"}, **sections}
    world.configure(*mappings, **given)


@pytest.fixture
def daemon(world: World, port: int) -> Iterator[Running]:
    """Give a daemon whose first run gave support@ to alice and bob."""
    world.group("support", "alice", "bob")
    configure(world, port)
    with Running(world.config) as running:
        running.wait("run.finished", result="ok", create=2)
        yield running


@contextlib.contextmanager
def stopped(process: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """Freeze a server: connections are still accepted by the kernel, but nobody answers."""
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def counter_locked(world: World) -> Iterator[None]:
    """Lock the counter of account ids, as a slow Open-Xchange would: no account is made meanwhile."""
    with world.mariadb.connect(world.schema) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM sequence_mail_service WHERE cid = 1 FOR UPDATE")
        yield
        connection.rollback()


def waiting_for_lock(world: World) -> bool:
    """Tell whether somebody waits for the counter; innodb_trx would answer too, but not to who asks often."""
    waiting = "db = DATABASE() AND info LIKE 'UPDATE sequence_mail_service%%' AND time_ms > 200"
    return bool(world.rows(f"SELECT 1 FROM information_schema.processlist WHERE {waiting}"))


def test_sigterm_ends_it_with_exit_code_0(daemon: Running) -> None:
    """An idle daemon stops at once, says so, and leaves no run behind."""
    assert daemon.stop() == 0
    assert daemon.count("daemon.stopped") == 1
    assert daemon.count("run.finished") == 1


def test_it_runs_at_start_and_at_every_interval_and_tells_systemd(world: World, port: int) -> None:
    """READY, STATUS and STOPPING are told, the watchdog is fed while idle, and the schedule brings the next run."""
    world.group("support", "alice")
    configure(world, port, schedule={"every": "10s"})
    with Running(world.config, watchdog=0.3) as running:
        assert running.told("READY=1")
        running.wait("run.finished", create=1)
        status = running.told("STATUS=last run")[-1]
        assert "1 create" in status
        for _ in range(3):
            running.told("WATCHDOG=1")
        world.group("support", "alice", "bob")
        running.wait("run.finished", create=1)
        assert running.stop() == 0
        assert running.told("STOPPING=1")


def test_runs_do_not_overlap_and_a_run_that_hangs_starves_the_watchdog(world: World, port: int) -> None:
    """While slapd hangs the next time passes without a second run, and systemd is not told that all is well."""
    world.group("support", "alice")
    configure(world, port, schedule={"every": "10s"}, directory=PATIENT)
    with Running(world.config, watchdog=0.3) as running:
        running.wait("run.finished")
        running.told("STATUS=last run")
        with stopped(world.ldap.server._process):
            running.signal(signal.SIGUSR1)
            running.told("STATUS=running")
            running.wait("run.skipped")  # ten seconds later: the loop has looked a hundred times
            assert running.told_so_far().count("WATCHDOG=1") < 10
        running.wait("run.finished", result="ok")
        running.told("WATCHDOG=1")
        assert running.stop() == 0


def test_sigusr1_runs_now(world: World, daemon: Running) -> None:
    """A change in the directory is applied at once where somebody asks for it."""
    world.group("support", "alice", "carol")
    assert daemon.run_now()["result"] == "ok"
    assert sorted(world.users()) == [3, 5]


def test_sigusr1_during_a_run_brings_exactly_one_more(world: World, daemon: Running, port: int) -> None:
    """What changed after the run had read it is in the run that follows, however often it was asked for."""
    configure(world, port, directory=PATIENT)
    daemon.signal(signal.SIGHUP)
    daemon.wait("run.finished")
    daemon.told_so_far()
    with stopped(world.ldap.server._process):
        daemon.signal(signal.SIGUSR1)
        daemon.told("STATUS=running")
        for _ in range(3):
            daemon.signal(signal.SIGUSR1)
        daemon.told_so_far()
    daemon.wait("run.finished")
    daemon.wait("run.finished")
    assert daemon.stop() == 0
    assert daemon.count("run.finished") == 4
    assert daemon.count("run.skipped") == 0


def test_sighup_reloads(world: World, daemon: Running, port: int) -> None:
    """A new mapping is used by a run at once, systemd is told, and the metric says that it went well."""
    world.group("sales", "bob")
    configure(world, port, "support", "sales")
    daemon.told_so_far()
    daemon.signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in daemon.told("RELOADING=1")[-1]
    daemon.told("READY=1")
    daemon.wait("configuration.reloaded", mailboxes=2)
    daemon.wait("run.finished", create=1)
    assert list(world.users("sales@mycompany.com")) == [4]
    assert metric(port, "syncd_configuration_reload_successful") == 1


def test_sighup_takes_over_what_is_logged(world: World, daemon: Running, port: int) -> None:
    """The level of the new configuration holds from the reload on."""
    configure(world, port, log={"level": "warning"})
    daemon.told_so_far()
    daemon.signal(signal.SIGHUP)
    daemon.told("STATUS=configuration reloaded")
    daemon.told("STATUS=last run")
    assert daemon.stop() == 0
    assert daemon.count("run.finished") == 1


@pytest.mark.parametrize("broken", ["mappings: [", '{"directory": {}}', "ledger"])
def test_a_bad_configuration_is_refused_and_the_old_one_stays(
    world: World, daemon: Running, port: int, broken: str
) -> None:
    """Neither a broken file nor another ledger is taken over; log, metric and systemd say why; runs go on as before."""
    good = world.config.read_text()
    world.config.write_text(good.replace("ledger.db", "other.db") if broken == "ledger" else broken)
    daemon.told_so_far()
    daemon.signal(signal.SIGHUP)
    refused = daemon.wait("configuration.refused")
    assert all(problem.startswith(str(world.config)) for problem in refused["problems"])
    assert "refused" in daemon.told("READY=1")[-1]
    assert metric(port, "syncd_configuration_reload_successful") == 0
    world.group("support", "alice", "bob", "carol")
    assert daemon.run_now()["create"] == 1
    world.config.write_text(good)
    daemon.signal(signal.SIGHUP)
    daemon.wait("configuration.reloaded")
    assert metric(port, "syncd_configuration_reload_successful") == 1
    assert daemon.stop() == 0


def test_sigterm_during_a_run_finishes_the_batch_in_hand(world: World, port: int) -> None:
    """Of 600 accounts the 500 of the batch in hand are made and noted; the next run makes the others."""
    people = {user: f"user{user}" for user in range(1000, 1600)}
    world.people(people)
    world.group("support", *people.values())
    configure(world, port)
    with Running(world.config) as running:
        with counter_locked(world):
            until(lambda: waiting_for_lock(world))
            running.signal(signal.SIGTERM)
            running.wait("daemon.stopping")
        assert running.process.wait(20) == 0
        assert running.count("change.applied") == 500
        assert running.count("daemon.abandoned") == 0
    assert len(world.claims()) == len(world.users()) == 500
    assert world.sync().summary == {"create": 100, "unchanged": 500}


def test_sigterm_ends_a_daemon_whose_database_hangs(world: World, daemon: Running) -> None:
    """A run that waits for a frozen MariaDB is abandoned in time; the next run does its work."""
    world.group("support", "alice", "carol")
    daemon.told_so_far()
    with stopped(world.mariadb._process):
        daemon.signal(signal.SIGUSR1)
        daemon.told("STATUS=running")
        assert daemon.stop(20) == 0  # its statement would wait for a minute
    assert daemon.count("daemon.abandoned") == 1
    until(lambda: world.rows(f"SELECT IS_FREE_LOCK('syncd.{world.schema}') AS free")[0]["free"])
    assert world.sync().summary == {"create": 1, "delete": 1, "unchanged": 1}


def test_sigterm_ends_an_idle_daemon_whose_ledger_hangs(world: World, port: int) -> None:
    """With the ledger in a frozen MariaDB the lease cannot be given back, which keeps nobody from stopping."""
    world.group("support", "alice")
    ledger = world.mariadb.fresh_database(tables=False)
    url = f"mysql+pymysql://test@127.0.0.1:{world.mariadb.port}/{ledger}"
    secret = {"file": str(world.folder / "database.secret")}
    configure(world, port, ledger={"url": url, "password": secret, "tls": {"ca": str(world.mariadb.ca)}})
    with Running(world.config) as running:
        running.wait("run.finished", result="ok")
        with stopped(world.mariadb._process):
            assert running.stop(20) == 0  # a statement would wait for half a minute
    assert world.sync().summary == {"unchanged": 1}


def test_a_second_daemon_is_refused_and_told_who_is_first(world: World, daemon: Running) -> None:
    """Two daemons on one ledger are one too many: exit code 1, one line that names the process; so does `status`."""
    second = world.process("run")
    assert second.code == 1
    assert f"syncd run, pid {daemon.process.pid} on " in second.err
    assert second.err.count("pid") == 1
    holder = f"syncd run, pid {daemon.process.pid} on "
    assert f"daemon lease: {holder}" in world.syncd("status").out
    assert world.syncd("status", "--output", "json").document["leases"]["daemon"].startswith(holder)
    assert daemon.stop() == 0
    assert "lease" not in world.syncd("status").out


def test_a_command_beside_a_run_of_the_daemon_takes_its_turn(world: World, daemon: Running) -> None:
    """`sync` waits for the run in progress; with no time to wait it names who is at work."""
    world.group("support", "alice", "bob", "carol")
    with counter_locked(world):
        daemon.signal(signal.SIGUSR1)
        until(lambda: waiting_for_lock(world))
        with session(load(world.config)) as instance, pytest.raises(LedgerBusy) as caught:
            instance.reconciler.run(wait=0.0)
        assert f"held by syncd run, pid {daemon.process.pid} on " in str(caught.value)
        beside = subprocess.Popen(
            [COMMAND, "sync", "-c", str(world.config)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        until(lambda: _opened(beside.pid, world.ledger_path))
    daemon.wait("run.finished", create=1)
    out, _ = beside.communicate(timeout=60)
    assert beside.returncode == 0, out
    assert "3 unchanged" in out
    assert daemon.stop() == 0


def _opened(pid: int, path: Path) -> bool:
    found = []
    with contextlib.suppress(OSError):
        found = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return str(path) in found


def test_what_is_approved_meanwhile_is_applied_by_the_next_run(world: World, port: int) -> None:
    """The daemon holds a landslide; `approve` beside it releases exactly that; a cron line is a schedule too."""
    world.group("support", "alice", "bob", "carol", "dave", "erin")
    configure(world, port, schedule={"cron": "0 4 1 1 *"})
    with Running(world.config) as running:
        running.wait("run.finished", create=5)
        world.group("support", "alice")
        running.signal(signal.SIGUSR1)
        held = running.wait("plan.held")
        assert running.wait("run.finished")["held"] == 4
        assert len(world.users()) == 5
        world.approve(held["digest"])
        assert running.run_now()["delete"] == 4
        assert list(world.users()) == [3]
        assert get(port, "/readyz")[0] == 200
        assert running.stop() == 0


def test_what_is_approved_during_a_run_is_applied_after_it(world: World, port: int) -> None:
    """A run has asked for approvals before this one was given; when it is over another one follows by itself."""
    world.group("support", "alice", "bob", "carol", "dave", "erin")
    configure(world, port)
    with Running(world.config) as running:
        running.wait("run.finished", create=5)
        world.group("support", "alice", "frank")
        with counter_locked(world):
            running.signal(signal.SIGUSR1)
            until(lambda: waiting_for_lock(world))
            world.approve(world.plan().mailbox["held_digest"])
        assert running.wait("run.finished", create=1)["held"] == 4
        running.wait("decision.noticed")
        assert running.wait("run.finished")["delete"] == 4
        assert running.stop() == 0
    assert sorted(world.users()) == [3, 8]


def test_it_survives_a_directory_that_goes_and_comes_back(world: World, daemon: Running) -> None:
    """Without slapd nothing is removed, and the run says so; with it again the next run completes."""
    world.group("support", "alice", "carol")
    world.ldap.server.stop()
    try:
        daemon.signal(signal.SIGUSR1)
        incomplete = daemon.wait("read.incomplete")
        assert "localhost" in str(incomplete["reasons"])
        daemon.wait("run.finished", result="incomplete", delete=0)
        assert sorted(world.users()) == [3, 4]
    finally:
        world.ldap.server.start()
    daemon.run_now()
    assert sorted(world.users()) == [3, 5]
    assert daemon.stop() == 0


def test_it_survives_a_database_that_crashes_and_comes_back(world: World, daemon: Running, port: int) -> None:
    """Without MariaDB a run fails with one line and a metric; with it again the next run completes."""
    world.group("support", "alice", "carol")
    world.mariadb.kill()
    try:
        daemon.signal(signal.SIGUSR1)
        failed = daemon.wait("run.failed")
        assert world.schema in failed["error"]
        assert metric(port, 'syncd_runs_total{result="failed"}') == 1
    finally:
        world.mariadb.start()
    assert daemon.run_now()["result"] == "ok"
    assert sorted(world.users()) == [3, 5]
    assert daemon.stop() == 0


def test_a_full_disk_under_the_ledger_keeps_it_from_writing(world: World, daemon: Running) -> None:
    """A ledger that cannot be written fails the run before Open-Xchange is touched; the daemon stays and recovers."""
    world.group("support", "alice", "carol")
    before = world.accounts()
    unlimited = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (1, unlimited[1]))
    daemon.signal(signal.SIGUSR1)
    assert "ledger" in daemon.wait("run.failed")["error"]
    daemon.wait("lease.not_renewed")
    assert world.accounts() == before
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert daemon.run_now()["result"] == "ok"
    assert sorted(world.users()) == [3, 5]
    assert daemon.stop() == 0


def test_logs_are_json_complete_and_without_secrets(world: World, port: int) -> None:
    """Each line is an event, each change has one, each run has one, and no configured secret is anywhere in them."""
    secrets = {"key": "the-cluster-key", "support": "the-mailbox-password"}
    references = {name: world.secret(name, text) for name, text in secrets.items()}
    secrets |= {"ldap": "syncd-secret"}
    world.group("support", "alice", "bob")
    mapping = world.mapping(account={"password": references["support"]})
    world.configure(
        mapping,
        openxchange={**world.sections()["openxchange"], "obfuscation": {"format": "argon2", "key": references["key"]}},
        http={"listen": f"127.0.0.1:{port}"}, log={"level": "debug"},
    )  # fmt: skip
    with Running(world.config, debug=True) as running:
        running.wait("run.finished", create=2)
        world.group("support", "bob", "carol")
        running.run_now()
        world.mariadb.kill()
        try:
            running.signal(signal.SIGUSR1)
            running.wait("run.failed")
        finally:
            world.mariadb.start()
        assert running.run_now()["unchanged"] == 2
        assert running.stop() == 0
        assert running.count("run.finished") == 3
        applied = [(line["op"], line["login"]) for line in running.log if line["event"] == "change.applied"]
        assert sorted(applied) == [("create", "alice"), ("create", "bob"), ("create", "carol"), ("delete", "alice")]
        assert all(line["mailbox"] == SUPPORT for line in running.log if line["event"] == "change.applied")
        assert not [name for name, text in secrets.items() if text in running.text]
        stored = {row["password"] for row in world.accounts()["user_mail_account"] if row["secondary"]}
        assert not [text for text in stored if str(text) in running.text]
        assert not running.odd
        running.text = ""  # at debug level a traceback is wanted
