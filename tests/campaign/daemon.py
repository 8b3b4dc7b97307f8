"""The daemon of a campaign: asked for runs, killed by faults, started again as a service manager would."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.running import Running

PATIENCE = 150.0
"""Seconds that a run may take: a minute for a lease, another one for a server that says nothing."""
MAY_END = ("syncd: ledger ", "syncd: the daemon lease was lost")
"""With what it may end: it cannot begin without its ledger, nor go on for longer than a minute."""
DEBUG = bool(os.environ.get("SYNCD_CAMPAIGN_DEBUG"))
"""Whether defects come with their tracebacks."""


class Daemon:
    """`syncd run` as a process; `stop` it in the end.

    Attributes:
        runs: how runs ended: ok, held, incomplete, failed, or killed with the daemon.
        odd: what the daemon must never say or do.
        restarts: how often it was started again.
    """

    def __init__(self, config: Path) -> None:
        self.runs: Counter[str] = Counter()
        self.odd: list[str] = []
        self.restarts = 0
        self._config = config
        self._start()

    def run(self) -> None:
        """Ask for a run; one that has ended is started, which makes a run too."""
        if self._running.process.poll() is None:
            self._running.signal(signal.SIGUSR1)
        else:
            self.stop()
            self.restarts += 1
            self._start()

    def kill(self) -> None:
        """End it at once."""
        self._running.process.kill()

    def ended(self) -> dict[str, Any] | None:
        """Wait for the end of the run; give the event that tells of it, None = the daemon ended before."""
        while (event := self._running.following()) is not None:
            if event["event"] in {"run.finished", "run.failed"}:
                self.runs[event.get("result", "failed")] += 1
                if str(event.get("error", "")).startswith("unexpected"):
                    self.odd.append(f"a defect: {event}")
                return event
        self.runs["killed"] += 1
        return None

    def stop(self) -> None:
        """End it, and look through all that it said."""
        running = self._running
        code = running.stop() if running.process.poll() is None else running.process.returncode
        with contextlib.suppress(AssertionError):  # what it would complain of is told here
            running.__exit__(None, None, None)
        if code == -signal.SIGKILL:  # its last line may be half a line
            return
        said = running.odd
        if code and not (code == 1 and said and said[0].startswith(MAY_END)):
            self.odd.append(f"the daemon ended with {code}: {self.tail}")
        elif not code or any("Traceback" in line for line in said):
            self.odd += [f"no event: {line}" for line in said]

    @property
    def tail(self) -> str:
        """The last that was logged."""
        return self._running.text[-2000:]

    def _start(self) -> None:
        self._running = _Running(self._config, debug=DEBUG)
        self._running.__enter__()


class _Running(Running):
    def following(self) -> dict[str, Any] | None:
        """Give the next event, whatever it is; None = the process has ended."""
        try:
            line = self._lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"no end of the run; the log: {self.text[-3000:]}") from None
        if line is None:
            self._lines.put(None)  # for who asks again
            return None
        return self._event(line) or {"event": ""}
