"""What the service manager is told, and that telling it never stops us."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd import notify
from syncd.notify import Systemd


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Give the service manager's end of the notification socket."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("notify")
        end.settimeout(10)
        yield end


def test_each_message_is_one_datagram(manager: socket.socket) -> None:
    """States and status arrive as sd_notify(3) has them."""
    systemd = Systemd({"NOTIFY_SOCKET": "notify", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())})
    systemd.ready("up")
    systemd.reloading()
    systemd.stopping("bye")
    systemd.status("well")
    systemd.feed()
    told = [manager.recv(4096).decode() for _ in range(5)]
    assert told[0] == "READY=1\nSTATUS=up"
    assert told[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert told[2:] == ["STOPPING=1\nSTATUS=bye", "STATUS=well", "WATCHDOG=1"]
    assert systemd.watchdog == 3.0


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_without_a_service_manager_nothing_happens(environ: dict[str, str]) -> None:
    """No socket, or one that is gone, is no error; nobody watches, so nothing is fed."""
    systemd = Systemd(environ)
    systemd.ready("up")
    systemd.feed()
    assert systemd.watchdog is None


def test_a_watchdog_meant_for_another_process_is_not_ours() -> None:
    """WATCHDOG_PID names who is watched."""
    assert Systemd({"NOTIFY_SOCKET": "x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}).watchdog is None


def test_a_name_in_the_abstract_namespace_is_understood() -> None:
    """An address that starts with @ has no file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0syncd-test-{os.getpid()}")
        end.settimeout(10)
        Systemd({"NOTIFY_SOCKET": f"@syncd-test-{os.getpid()}"}).status("well")
        assert end.recv(4096) == b"STATUS=well"


def test_a_service_manager_that_does_not_read_stops_nobody(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the socket's queue is full, messages are dropped after a while instead of blocking a run for ever."""
    monkeypatch.setattr(notify, "PATIENCE", 0.01)
    systemd = Systemd({"NOTIFY_SOCKET": "notify"})
    for _ in range(2000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.setblocking(False)
            try:
                peer.sendto(b"x", "notify")
            except BlockingIOError:
                break
    else:
        pytest.fail("the queue never filled up")
    systemd.status("dropped")
    manager.setblocking(False)
    assert manager.recv(4096) == b"x"
