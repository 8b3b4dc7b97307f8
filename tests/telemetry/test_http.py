"""Endpoints: what each path answers, and how they start and stop."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from syncd.errors import SyncdError
from syncd.telemetry.http import Endpoints
from syncd.telemetry.metrics import Metrics


class Daemon:
    """Says whether it is ready as the test wants."""

    ready = True

    def __call__(self) -> tuple[bool, str]:
        return self.ready, "ready" if self.ready else "last run 20 minutes ago"


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def endpoints(daemon: Daemon) -> Iterator[Endpoints]:
    with Endpoints(("127.0.0.1", 0), Metrics(), daemon) as started:
        yield started


def ask(endpoints: Endpoints, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", endpoints.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()
    finally:
        connection.close()


def test_metrics_are_in_the_format_of_prometheus(endpoints: Endpoints) -> None:
    """`/metrics` gives the text format with its content type."""
    status, headers, body = ask(endpoints, "/metrics")
    assert status == 200
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "syncd_build_info{" in body


def test_healthz_says_ok(endpoints: Endpoints) -> None:
    """`/healthz` answers 200 and ok while the process lives."""
    assert (ask(endpoints, "/healthz")[0], ask(endpoints, "/healthz")[2]) == (200, "ok\n")


def test_readyz_gives_the_reason(endpoints: Endpoints, daemon: Daemon) -> None:
    """`/readyz` answers 200 when ready, else 503, both with the reason, asked anew each time."""
    assert ask(endpoints, "/readyz")[::2] == (200, "ready\n")
    daemon.ready = False
    assert ask(endpoints, "/readyz")[::2] == (503, "last run 20 minutes ago\n")


def test_the_index_names_the_paths(endpoints: Endpoints) -> None:
    """`/` is a short text that names every path."""
    status, _, body = ask(endpoints, "/")
    assert status == 200
    assert all(path in body for path in ("/metrics", "/healthz", "/readyz"))


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
def test_only_reading_is_allowed(endpoints: Endpoints, path: str) -> None:
    """HEAD answers as GET without a body, every other method gets 405."""
    status, headers, body = ask(endpoints, path, "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 0
    assert [ask(endpoints, path, method)[0] for method in ("POST", "PUT", "DELETE")] == [405] * 3


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
def test_answers_are_neither_stored_nor_framed(endpoints: Endpoints, path: str) -> None:
    """Every answer carries the security headers and does not name the server software."""
    _, headers, _ = ask(endpoints, path)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "server" not in headers


def test_an_unknown_path_is_not_found(endpoints: Endpoints) -> None:
    """Anything else is 404."""
    assert ask(endpoints, "/secret")[0] == 404


def test_a_port_in_use_is_a_clear_error() -> None:
    """Starting on a port that is taken raises one line that names host and port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SyncdError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"):
            Endpoints(("127.0.0.1", port), Metrics(), Daemon()).start()


def test_an_unknown_host_is_a_clear_error() -> None:
    """Starting on an address that is not ours raises one line that names it."""
    with pytest.raises(SyncdError, match=r"cannot listen on 192\.0\.2\.1:9469"):
        Endpoints(("192.0.2.1", 9469), Metrics(), Daemon()).start()


def test_ipv6_is_served() -> None:
    """A host with colons is listened on by IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with (
        Endpoints(("::1", 0), Metrics(), Daemon()) as endpoints,
        socket.create_connection(("::1", endpoints.port)) as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.makefile("rb").readline().split()[1] == b"200"


def test_stop_gives_the_port_back() -> None:
    """After stop nobody listens, no thread is left, the port can be used again, and a second stop does nothing."""
    endpoints = Endpoints(("127.0.0.1", 0), Metrics(), Daemon())
    endpoints.start()
    port = endpoints.port
    assert ask(endpoints, "/healthz")[0] == 200
    endpoints.stop()
    endpoints.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "http"]
    again = Endpoints(("127.0.0.1", port), Metrics(), Daemon())
    again.start()
    assert ask(again, "/healthz")[0] == 200
    again.stop()


def test_stop_right_after_start_ends_too() -> None:
    """Stopping before the first request leaves no thread."""
    endpoints = Endpoints(("127.0.0.1", 0), Metrics(), Daemon())
    endpoints.start()
    endpoints.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "http"]


def test_signals_stay_with_the_daemon() -> None:
    """Serving leaves the process's signal dispositions alone."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    with Endpoints(("127.0.0.1", 0), Metrics(), Daemon()) as endpoints:
        ask(endpoints, "/healthz")
        assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] == before
