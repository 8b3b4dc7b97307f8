"""A daemon as a process of its own: its log line by line, what it tells the service manager, its HTTP endpoints."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.e2e.world import COMMAND

PATIENCE = 40.0
"""Seconds after which something that was waited for counts as not happening; the machine may be busy."""


class Running:
    """A running `syncd run`; between `__enter__` and `__exit__`, which ends it if it still runs.

    Attributes:
        log: all events so far that `wait` has passed, oldest first.
        odd: lines on standard error that were no event.
    """

    def __init__(self, config: Path, *, watchdog: float | None = None, debug: bool = False) -> None:
        self.log: list[dict[str, Any]] = []
        self.odd: list[str] = []
        self.text = ""
        self._config = config
        self._watchdog = watchdog
        self._debug = ["--debug"] if debug else []
        self._lines: queue.Queue[str | None] = queue.Queue()

    def __enter__(self) -> Running:
        self._folder = tempfile.TemporaryDirectory(prefix="sn", dir="/tmp")
        path = f"{self._folder.name}/notify"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(path)
        self._told: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)  # an unread socket would block the sender
        self._listener.start()
        environment = {"PATH": os.environ["PATH"], "HOME": self._folder.name, "LANG": "C.UTF-8", "NOTIFY_SOCKET": path}
        if self._watchdog is not None:
            environment["WATCHDOG_USEC"] = str(round(self._watchdog * 1_000_000))
        self.process = subprocess.Popen(
            [COMMAND, *self._debug, "run", "-c", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._notify.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._notify.close()
        self._folder.cleanup()
        if kind is None:
            self._drain()
            assert "Traceback" not in self.text, self.text
            assert not self.odd

    # ------------------------------------------------------------------ the log

    def wait(self, event: str, **keys: object) -> dict[str, Any]:
        """Give the next event with this name and these values."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no {event} {keys}; the log: {self.text[-3000:]}")
            found = self._event(line)
            if found and found["event"] == event and all(found.get(key) == value for key, value in keys.items()):
                return found

    def count(self, event: str) -> int:
        """Count the events of a name in the whole log; the process must have ended."""
        self._drain()
        return sum(line["event"] == event for line in self.log)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.text += line
            self._lines.put(line)
        self._lines.put(None)

    def _drain(self) -> None:
        self._reader.join()
        while not self._lines.empty():
            line = self._lines.get()
            if line is not None:
                self._event(line)

    def _event(self, line: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            self.odd.append(line)
            return None
        self.log.append(found)
        return found

    # ------------------------------------------------------------------ the service manager

    def told(self, text: str) -> list[str]:
        """Give what the service manager was told, up to the message that has this text."""
        found: list[str] = []
        while not found or text not in found[-1]:
            try:
                found.append(self._told.get(timeout=PATIENCE))
            except queue.Empty:
                raise AssertionError(f"{text} was not told; the log: {self.text[-3000:]}") from None
        return found

    def told_so_far(self) -> list[str]:
        """Give what the service manager was told and nobody has looked at yet."""
        return [self._told.get() for _ in range(self._told.qsize())]

    def _listen(self) -> None:
        while message := self._notify.recv(4096):
            self._told.put(message.decode())

    # ------------------------------------------------------------------ steering it

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def run_now(self) -> dict[str, Any]:
        """Ask for a run, and wait for its end."""
        self.signal(signal.SIGUSR1)
        return self.wait("run.finished")

    def stop(self, patience: float = PATIENCE) -> int:
        """End it as a service manager does; give the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(patience)


def get(port: int, path: str) -> tuple[int, str]:
    """Ask an HTTP endpoint; give status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code), error.read().decode()


def metric(port: int, name: str) -> float:
    """Give the value of a metric; its labels are part of the name."""
    return next(
        float(line.rpartition(" ")[2]) for line in get(port, "/metrics")[1].splitlines() if line.startswith(f"{name} ")
    )


def until(done: Callable[[], object]) -> None:
    """Wait for something outside our own code: a server that has to notice."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not done():
        assert time.monotonic() < end, "it did not happen"
        pause.wait(0.02)


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as plug:
        return int(plug.getsockname()[1])
