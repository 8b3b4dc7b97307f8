"""Tell systemd how the daemon is (sd_notify(3)); without systemd every call does nothing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

PATIENCE = 2.0
"""Seconds to wait while the service manager's queue is full."""


class Systemd:
    """The notification socket and the watchdog of the service that we are."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        usec = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog = int(usec) / 1_000_000 if usec.isdigit() and mine else None
        """Seconds within which the watchdog must be fed; None = nobody watches."""

    def ready(self, status: str) -> None:
        """Say that starting, or reloading, is over."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=reloading the configuration")

    def stopping(self, status: str) -> None:
        """Say that the end has begun."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """Show one line in `systemctl status`."""
        self._send(f"STATUS={status}")

    def feed(self) -> None:
        """Feed the watchdog."""
        if self.watchdog is not None:
            self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as peer:
            peer.settimeout(PATIENCE)
            try:
                peer.sendto(text.encode(), address)
            except OSError:  # a service manager that went away, or does not read, must neither end nor stop us
                return
