"""Answer Prometheus, load balancers and the curious over HTTP, from a thread of its own.

| path       | answers                                                                    |
|------------|----------------------------------------------------------------------------|
| `/metrics` | what `Metrics.render` gives                                                |
| `/healthz` | 200 while the process lives                                                |
| `/readyz`  | 200 or 503 with the reason, as the caller decides                          |
| `/`        | these paths, as text                                                       |

The rule kept here: answering never waits for a run and never ends one. Everything is public to who reaches the address,
so nothing is shown that names a user.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from syncd.errors import SyncdError
from syncd.telemetry.metrics import Metrics

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_INDEX = """syncd keeps Open-Xchange accounts of shared mailboxes in step with a directory.

/metrics  for Prometheus
/healthz  the process lives
/readyz   the configuration is loaded and the last run is not older than allowed
"""
_STOP_SECONDS = 3.0


class Endpoints:
    """Serve the endpoints between `start` and `stop`; also a context manager."""

    def __init__(self, listen: tuple[str, int], metrics: Metrics, ready: Callable[[], tuple[bool, str]]) -> None:
        """Take the address (host, port; port 0 = any free one), what to show, and who says whether we are ready.

        `ready` is called in another thread for every request; it must be quick and must not raise.
        """
        self._host, self._wanted = listen
        self._metrics = metrics
        self._ready = ready
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use; what was asked for as long as nothing listens."""
        return int(self._socket.getsockname()[1]) if self._socket else self._wanted

    def start(self) -> None:
        """Listen, and answer from now on; connections are accepted when this returns.

        Raises:
            SyncdError: the address cannot be listened on; the message names it.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._wanted), family=family)
        except OSError as error:
            where = f"[{self._host}]:{self._wanted}" if ":" in self._host else f"{self._host}:{self._wanted}"
            raise SyncdError(
                f"cannot listen on {where}: {error.strerror or error}", hint="change http.listen or end who uses it"
            ) from error
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._application(),
                log_config=None,  # our own set-up hears its loggers
                log_level="warning",
                access_log=False,
                lifespan="off",
                http="h11",
                ws="none",
                loop="asyncio",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=1,
                limit_concurrency=64,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and end the thread, within a few seconds; calling it again does nothing."""
        if self._server is None or self._thread is None or self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS)
        with contextlib.suppress(OSError):
            self._socket.close()
        self._server = self._thread = self._socket = None

    def __enter__(self) -> Endpoints:
        """Start, and give the endpoints."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/", lambda _: _text(_INDEX)),
                Route("/metrics", self._show_metrics),
                Route("/healthz", lambda _: _text("ok\n")),
                Route("/readyz", self._show_readiness),
            ]
        )

    def _show_metrics(self, _request: Request) -> Response:
        body, content_type = self._metrics.render()
        return Response(body, headers={**_HEADERS, "Content-Type": content_type})

    def _show_readiness(self, _request: Request) -> Response:
        ready, reason = self._ready()
        return _text(f"{reason}\n", status=200 if ready else 503)


def _text(text: str, *, status: int = 200) -> Response:
    return PlainTextResponse(text, status_code=status, headers=_HEADERS)
