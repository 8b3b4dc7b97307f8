"""A server on loopback that says what a test tells it to, for what no real one does on demand."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType

Reply = Callable[[bytes], bytes | None]
"""What is said to a line, which comes without its end: b"" = silence, None = the connection is ended."""


class Scripted:
    """Greets each connection, then replies line by line.

    Attributes:
        port: where clients connect, at 127.0.0.1.
        lines: all that was received, oldest first.
    """

    def __init__(self, greeting: bytes | None, reply: Reply = lambda _: b"") -> None:
        self.lines: list[bytes] = []
        self._greeting = greeting
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._plugs: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for plug in self._plugs:
            with contextlib.suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def say(self, words: bytes) -> None:
        """Say something to the latest client out of turn.

        Raises:
            OSError: it has gone.
        """
        self._plugs[-1].sendall(words)

    def _accept(self) -> None:
        while True:
            try:
                plug, _ = self._listener.accept()
            except OSError:
                return
            self._plugs.append(plug)
            self._threads.append(threading.Thread(target=self._serve, args=(plug,), daemon=True))
            self._threads[-1].start()

    def _serve(self, plug: socket.socket) -> None:
        with contextlib.suppress(OSError), plug, plug.makefile("rb") as lines:
            if self._greeting is None:
                return
            plug.sendall(self._greeting)
            for line in lines:
                self.lines.append(line.rstrip(b"\r\n"))
                answer = self._reply(self.lines[-1])
                if answer is None:
                    return
                plug.sendall(answer)
                if answer.startswith((b"* BYE", b"421")):  # who says so goes
                    return
