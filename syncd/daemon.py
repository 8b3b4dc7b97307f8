"""When to run: the schedule, the signals, readiness, and what systemd is told.

Runs happen in APScheduler's one worker thread, and the lease is renewed in another, so that this thread calls nothing
that could hang and can always answer signals. It feeds the watchdog while idle, and during a run only when the run
showed progress since: a run that hangs is ended by systemd. Here is the program's one `except Exception`: a run that
fails is told and tried again at the next time, whatever it was.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

import structlog
from apscheduler.events import EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from syncd.channels import announcer
from syncd.core.verdict import result_of, summary
from syncd.errors import ConfigurationError, LedgerBusy, LedgerError, SyncdError
from syncd.ledger.lease import RENEWS
from syncd.notify import Systemd
from syncd.settings.loading import Settings, load
from syncd.telemetry.gauges import Decided
from syncd.telemetry.http import Endpoints
from syncd.telemetry.logging import configure
from syncd.telemetry.metrics import Metrics
from syncd.wiring import assemble, open_ledger

STOP_WITHIN = 8.0
"""Seconds a run in progress gets to finish its batch after SIGTERM."""
GONE_WITHIN = 9.5
"""Seconds after SIGTERM at which the process ends, even if the ledger's server does not take the lease back."""
LOOKS = 2
"""Seconds between two looks whether a person has decided something."""
BEAT = 5.0
"""Seconds between two looks of the waiting loop; the watchdog is fed at least as often."""
_log = structlog.get_logger()


class Daemon:
    """Run again and again until told to stop."""

    def __init__(self, config: Path, *, debug: bool = False) -> None:
        self._config = config
        self._debug = debug
        self._systemd = Systemd()
        self._metrics = Metrics()
        self._stopping = False
        self._reload = False
        self._now = False
        self._asked = False
        self._lost: LedgerBusy | None = None
        self._running = threading.Lock()
        self._known: int | None = None
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._progress = 0
        self._fed = -1
        self._ended: datetime | None = None
        self._allowed: datetime | None = None

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; give the exit status.

        Raises:
            SyncdError: it could not be started (configuration, ledger, port, another daemon).
            LedgerBusy: its lease was lost to another daemon, as may happen after a minute without the ledger's server.
        """
        settings = load(self._config)
        with ExitStack() as stack:
            ledger = open_ledger(settings, argv=("syncd", "run", "-c", str(self._config)))
            stack.callback(ledger.close)
            self._instance = assemble(settings, ledger)
            stack.callback(self._disconnect)
            self._announcer = announcer(settings, ledger)
            self._lease = stack.enter_context(ledger.lease("daemon", "syncd run", wait=0.0))
            if settings.http.listen is not None:
                address = (settings.http.listen.host, settings.http.listen.port)
                stack.enter_context(Endpoints(address, self._metrics, self.ready))
            stack.enter_context(_Signals({
                signal.SIGTERM: self._on_stop,
                signal.SIGINT: self._on_stop,
                signal.SIGHUP: self._on_reload,
                signal.SIGUSR1: self._on_now,
            }))  # fmt: skip
            self._metrics.reloaded(True, _now())
            for warning in settings.warnings:
                _log.warning("configuration.warning", warning=warning)
            executors = {name: ThreadPoolExecutor(1) for name in ("default", "lease", "decisions", "notices")}
            self._scheduler = BackgroundScheduler(executors=executors, timezone=UTC)
            self._scheduler.add_listener(self._on_overlap, EVENT_JOB_MAX_INSTANCES)
            self._scheduler.add_listener(self._on_ended, EVENT_JOB_EXECUTED)
            self._scheduler.add_job(
                self._renew, IntervalTrigger(seconds=round(RENEWS)), id="lease", executor="lease",
                max_instances=1, coalesce=True, misfire_grace_time=None,
            )  # fmt: skip
            self._scheduler.add_job(
                self._look, IntervalTrigger(seconds=LOOKS), id="decisions", executor="decisions",
                max_instances=1, coalesce=True, misfire_grace_time=None,
            )  # fmt: skip
            self._schedule(settings, at=_now())
            self._scheduler.start()
            self._systemd.ready("started; the first run is on its way")
            mailboxes = len(self._instance.mailboxes)
            _log.info("daemon.started", config=str(self._config), mailboxes=mailboxes, pid=os.getpid())
            self._wait()
            self._end()
            if self._lost is not None:
                raise self._lost
        return 0

    def ready(self) -> tuple[bool, str]:
        """Say whether the configuration is loaded and the last run is not older than allowed."""
        if self._ended is None or self._allowed is None:
            return False, "the first run has not ended yet"
        if _now() > self._allowed:
            return False, f"the last run that did not fail ended at {self._ended:%F %T} UTC, longer ago than allowed"
        return True, f"last run ended at {self._ended:%F %T} UTC"

    # ------------------------------------------------------------------ the waiting loop

    def _wait(self) -> None:
        pause = min(BEAT, self._systemd.watchdog / 3) if self._systemd.watchdog else BEAT
        while not self._stopping and self._lost is None:
            if select.select([self._woken], [], [], pause)[0]:
                os.read(self._woken, 4096)
            self._beat()
            if self._reload and self._running.acquire(blocking=False):  # else the end of the run wakes us
                try:
                    self._reload = False
                    self._load_again()
                finally:
                    self._running.release()
            if self._now:
                self._now = False
                self._run_now()

    def _beat(self) -> None:
        if not self._running.locked() or self._progress != self._fed:
            self._fed = self._progress
            self._systemd.feed()

    def _renew(self) -> None:
        """Renew the lease; a ledger that cannot be written stops the runs, which ask it first, but not the daemon."""
        try:
            self._lease.renew()
        except LedgerBusy as error:
            self._lost = error
            self._wake()
        except LedgerError as error:
            _log.warning("lease.not_renewed", error=str(error))

    def _look(self) -> None:
        """Run at once when a person has approved, rejected, paused, resumed or pinned something; a run looks itself."""
        if self._known is None or self._stopping or self._running.locked():
            return
        try:
            last, operations = self._instance.ledger.decided(self._known)
        except LedgerError:  # told where the lease is renewed
            return
        self._known = max(self._known, last)
        if operations:
            _log.info("decision.noticed", operations=list(operations))
            self._now = True
            self._wake()

    def _end(self) -> None:
        self._systemd.stopping("finishing the batch in hand")
        _log.info("daemon.stopping")
        self._stopping = True  # also where the lease was lost: what is due now does not begin
        code = 0 if self._lost is None else 1
        last = threading.Timer(GONE_WITHIN, os._exit, (code,))
        last.daemon = True
        last.start()
        if self._running.acquire(timeout=STOP_WITHIN):
            self._running.release()
            shut(self._scheduler)
            _log.info("daemon.stopped")
            return
        # The batch is abandoned: its transaction is rolled back by the server, the next run looks what became of it.
        _log.warning("daemon.abandoned", hint="the batch in hand did not end in time; the next run goes on from there")
        os._exit(code)

    def _disconnect(self) -> None:
        self._instance.close()

    # ------------------------------------------------------------------ runs

    def _schedule(self, settings: Settings, *, at: datetime | None) -> None:
        trigger = _trigger(settings)
        when = at or trigger.get_next_fire_time(None, _now())
        self._scheduler.add_job(
            self._once, trigger, id="run", replace_existing=True, max_instances=1, coalesce=True,
            misfire_grace_time=None, next_run_time=when,
        )  # fmt: skip
        self._trigger = trigger
        self._metrics.scheduled(_longest_pause(trigger))

    def _run_now(self) -> None:
        """Start a run, or one more after the one at work, which may have read already what we are told about."""
        self._asked = True
        if not self._running.locked():
            self._scheduler.modify_job("run", next_run_time=_now())

    def _once(self) -> None:
        with self._running:
            if self._stopping:  # this run was queued when the end began
                return
            self._asked = False
            self._moved()
            started = _now()
            self._metrics.attempt(started)
            self._systemd.status("running")
            try:
                self._known, _ = self._instance.ledger.decided(None)
                report = self._instance.reconciler.run(command="run", stop=lambda: self._stopping, beat=self._moved)
            except SyncdError as error:
                self._failed(str(error))
            except Exception as error:  # noqa: BLE001 - a daemon must survive what nobody thought of
                self._failed(f"unexpected {type(error).__name__}: {error}", unexpected=True)
            else:
                self._metrics.publish(report, self._decided())
                self._succeeded(report.finished)
                told = ", ".join(f"{count} {name}" for name, count in summary(report).items() if count)
                self._systemd.status(f"last run at {report.finished:%H:%M:%S} UTC: {result_of(report).value}; {told}")
            if not self._stopping:
                self._scheduler.add_job(
                    self._announce, id="notices", executor="notices", replace_existing=True, misfire_grace_time=None
                )
        self._wake()

    def _decided(self) -> Decided:
        """Give what persons decided, for the metrics; nothing where the ledger has gone since."""
        try:
            rejected = {one.ref for one in self._instance.ledger.standing() if one.state == "rejected"}
            paused = {one.ref for one in self._instance.ledger.paused(_now())}
        except LedgerError:
            return Decided()
        return Decided(frozenset(rejected), frozenset(paused))

    def _announce(self) -> None:
        """Tell people of what is held, in a thread of its own: a mail server that hangs holds up no run."""
        for one in self._announcer.announce():
            self._metrics.notified(one.channel, one.told, failed=bool(one.problem))

    def _on_ended(self, event: JobEvent) -> None:
        """Make the run that was asked for meanwhile; not before this event, for until then it would be an overlap."""
        if event.job_id == "run" and self._asked and not self._stopping:
            with contextlib.suppress(JobLookupError):  # the end began just now
                self._scheduler.modify_job("run", next_run_time=_now())

    def _moved(self) -> None:
        self._progress += 1

    def _succeeded(self, finished: datetime) -> None:
        """Remember the end of a run; the next may miss its time twice before we are not ready any more."""
        self._ended = finished
        fire = finished
        for _ in range(3):
            fire = self._trigger.get_next_fire_time(fire, fire + timedelta(microseconds=1)) or fire
        self._allowed = fire + timedelta(seconds=60)

    def _failed(self, text: str, *, unexpected: bool = False) -> None:
        self._metrics.failed(_now())
        _log.error("run.failed", error=text, exc_info=unexpected and self._debug)
        self._systemd.status(f"the last run failed: {text}")

    def _on_overlap(self, event: JobEvent) -> None:
        if event.job_id == "run" and not self._asked:
            _log.warning("run.skipped", reason="the run before is still at work")

    # ------------------------------------------------------------------ signals

    def _load_again(self) -> None:
        self._systemd.reloading()
        try:
            settings = load(self._config)
            if settings.ledger != self._instance.settings.ledger or settings.http != self._instance.settings.http:
                text = f"{self._config}: ledger and http change only with a restart"
                raise ConfigurationError((text,))
            instance = assemble(settings, self._instance.ledger)
            telling = announcer(settings, instance.ledger)
        except SyncdError as error:
            self._metrics.reloaded(False, _now())
            problems = list(error.problems) if isinstance(error, ConfigurationError) else [str(error)]
            _log.error("configuration.refused", problems=problems, kept="the old configuration stays")
            self._systemd.ready(f"reload refused, the old configuration stays: {problems[0]}")
            return
        old, self._instance, self._announcer = self._instance, instance, telling
        old.close()
        configure(format=settings.log.format, level="debug" if self._debug else settings.log.level)
        self._schedule(settings, at=_now())
        self._metrics.reloaded(True, _now())
        _log.info("configuration.reloaded", mailboxes=len(instance.mailboxes))
        self._systemd.ready("configuration reloaded")

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._wake()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True
        self._wake()

    def _on_now(self, _number: int, _frame: FrameType | None) -> None:
        self._now = True
        self._wake()

    def _wake(self) -> None:
        """Wake the waiting loop, by a pipe: a signal's answer must not take a lock that this thread may hold."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"!")


class _Signals:
    """Answer signals while the daemon runs; give them back afterwards."""

    def __init__(self, answers: dict[signal.Signals, Callable[[int, FrameType | None], None]]) -> None:
        self._answers = answers

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, answer) for number, answer in self._answers.items()}

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


def shut(scheduler: BackgroundScheduler) -> None:
    """Stop a scheduler that may be handing out a job just now; its thread would die of a job that is gone."""
    scheduler.pause()
    scheduler.remove_all_jobs()  # waits for what is being handed out
    scheduler.shutdown(wait=False)


def _longest_pause(trigger: BaseTrigger) -> float:
    """Give the longest time between two runs of the next thousand, in seconds, for alerts on a missing success."""
    longest = 0.0
    at = trigger.get_next_fire_time(None, _now())
    for _ in range(1000):
        following = trigger.get_next_fire_time(at, at + timedelta(microseconds=1)) if at else None
        if at is None or following is None:
            break
        longest = max(longest, (following - at).total_seconds())
        at = following
    return longest


def _trigger(settings: Settings) -> BaseTrigger:
    schedule = settings.schedule
    jitter = round(schedule.jitter) or None
    if schedule.cron is None:
        return IntervalTrigger(seconds=round(schedule.every or 300), jitter=jitter, timezone=UTC)
    minute, hour, day, month, weekday = schedule.cron.split()
    return CronTrigger(  # in local time, as crontab(5) has it
        minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), jitter=jitter
    )


def _weekdays(text: str) -> str:
    """Translate the last field of a crontab line, where 0 and 7 are Sunday; APScheduler counts from Monday."""
    names = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")

    def number(day: str) -> int:
        return int(day) if day.isdigit() else names.index(day)

    found: set[int] = set()
    for part in text.lower().split(","):
        span, _, step = part.partition("/")
        first, _, last = ("0", "-", "6") if span == "*" else span.partition("-")
        end = number(last) if last else 6 if step else number(first)
        found |= {day % 7 for day in range(number(first), end + 1, int(step or 1))}
    return ",".join(names[day] for day in sorted(found))


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
