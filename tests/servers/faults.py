"""A TCP proxy that fails on demand: cut a connection after so many octets, fall silent, refuse to connect."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Literal


class FaultProxy:
    """Passes connections on to a server until told to fail.

    Attributes:
        port: where clients connect.
        cut_after: end each connection after so many octets to the client; None = never.
        how: by a reset, an orderly end, or silence with the socket left open.
        failures: how many more connections fail like that; None = all.
        connections: how many were accepted so far.
    """

    def __init__(self, port: int, host: str = "127.0.0.1", *, listen: str = "127.0.0.1") -> None:
        self._target = (host, port)
        self.cut_after: int | None = None
        self.how: Literal["reset", "end", "silence"] = "reset"
        self.failures: int | None = None
        self.connections = 0
        self._plugs: list[socket.socket] = []
        self._listener = socket.create_server((listen, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The proxy as an LDAP URL."""
        return f"ldap://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End everything."""
        for plug in (self._listener, *self._plugs):
            with contextlib.suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)
            plug.close()

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            limit = self.cut_after
            if limit is not None and self.failures is not None:
                self.failures -= 1
                limit = limit if self.failures >= 0 else None
            server = socket.create_connection(self._target)
            self._plugs += [client, server]
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, limit), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                if limit is not None and passed + len(data) > limit:
                    sink.sendall(data[: limit - passed])
                    self._fail(source, sink)
                    return
                sink.sendall(data)
                passed += len(data)
            sink.shutdown(socket.SHUT_WR)

    def _fail(self, source: socket.socket, sink: socket.socket) -> None:
        if self.how == "silence":
            return
        if self.how == "reset":
            sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RD)  # wakes the other thread, which else would keep the socket from closing
                source.shutdown(socket.SHUT_RDWR)
            sink.close()
        else:
            sink.shutdown(socket.SHUT_RDWR)
