"""A real Prometheus on loopback that scrapes one port of this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.servers import require

_CONFIGURATION = """\
global: {{scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}}
rule_files: {rules}
scrape_configs:
  - job_name: syncd
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


class Prometheus:
    """Run Prometheus between `__enter__` and `__exit__`; its first scrape comes some 5 s after the start."""

    def __init__(self, target_port: int, rules: Path | None = None) -> None:
        self._target = target_port
        self._rules = rules
        self._port = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Prometheus:
        program = require.binary("prometheus")
        self._folder = Path(tempfile.mkdtemp(prefix="prom", dir="/tmp"))
        rules = json.dumps([str(self._rules.resolve())] if self._rules else [])
        configuration = self._folder / "prometheus.yml"
        configuration.write_text(_CONFIGURATION.format(rules=rules, port=self._target))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait(self._answers, f"{program} did not start")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Execute a PromQL expression now; give the samples, empty when it has none.

        Raises:
            AssertionError: the expression is refused; the message has Prometheus' words.
        """
        url = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own http server
                found = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{expression}: {error.read().decode()}") from None
        return [{"metric": {}, "value": found["result"]}] if found["resultType"] == "scalar" else list(found["result"])

    def alerts(self) -> dict[str, str]:
        """Give the state (pending or firing) of each alert that is not quiet, by name."""
        with urllib.request.urlopen(f"{self.url}/api/v1/alerts", timeout=10) as answer:  # noqa: S310 - as above
            return {alert["labels"]["alertname"]: alert["state"] for alert in json.load(answer)["data"]["alerts"]}

    def wait_for(self, expression: str, seconds: float = 60) -> list[dict[str, Any]]:
        """Give the samples of an expression as soon as it has any; fail after `seconds`."""
        self._wait(lambda: bool(self.query(expression)), f"no data for {expression}", seconds)
        return self.query(expression)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):  # noqa: S310 - as above
                return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def _wait(self, done: Callable[[], bool], trouble: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        pause = threading.Event()
        while not done():
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{trouble}: {(self._folder / 'log').read_text()}")
            pause.wait(0.1)
