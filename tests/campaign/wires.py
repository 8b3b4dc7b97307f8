"""Wires to real servers that break at a chosen octet, in either direction, while a real client talks over them.

All wires of a campaign live in one event loop in a thread of its own; a test arms them and asks what became of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple

Kind = Literal["cut", "reset", "truncate", "silence", "delay", "loss", "refuse", "kill"]
"""What happens at the octet:

| kind     | what happens                                                                              |
|----------|-------------------------------------------------------------------------------------------|
| cut      | both ends are closed in order, what was on its way is lost                                |
| reset    | both ends are reset                                                                       |
| truncate | this direction ends in order, the other one stays open                                    |
| silence  | nothing passes in this direction any more; after some time the connection is reset        |
| delay    | what follows comes later, maybe later than the client waits                               |
| loss     | some octets are left out, the rest passes; for TLS, which has to notice; then a reset     |
| refuse   | the next connection is reset as soon as it was accepted                                   |
| kill     | the client is killed                                                                      |
"""
Direction = Literal["requests", "answers"]
_PATIENCE = 20.0
_BEREFT = 1.0
"""Seconds after which a connection that lacks octets is reset, since both ends may wait for the other."""


class Fault(NamedTuple):
    """One fault, armed for a moment."""

    kind: Kind
    direction: Direction
    after: int
    """How many octets still pass in this direction, over all connections together."""
    size: float = 0.0
    """Seconds of a delay or silence, octets of a loss."""


@dataclass(eq=False)
class _Pair:
    """One connection: to the client and to the server."""

    ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter]
    sick: bool = False
    """Something was lost of it, so that it must not be used again when faults are over."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def end(self, reset: bool) -> None:
        """Close both ends, in order or not."""
        for writer in self.ends:
            plug = writer.get_extra_info("socket")
            if reset and plug is not None:
                with contextlib.suppress(OSError):
                    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()


class Wires:
    """The loop in which wires live; between `__enter__` and `__exit__`."""

    def __enter__(self) -> Wires:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._wires: list[Wire] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self._wires:
            self.call(wire.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def wire(self, name: str, port: int) -> Wire:
        """Put a wire in front of a server on this machine."""
        wire = Wire(name, port, self)
        self.call(wire.open())
        self._wires.append(wire)
        return wire

    def call(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the loop, and wait for it."""
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self.loop)
        done.result(_PATIENCE)


class Wire:
    """A TCP proxy to one server.

    Attributes:
        name: what its server is to the client.
        port: where the client connects.
        struck: the faults that came about, oldest first; one that is armed and not reached is none.
        passed: octets in each direction since the wire was armed or calmed.
        kill: called for a fault of this kind.
    """

    def __init__(self, name: str, port: int, wires: Wires) -> None:
        self.name = name
        self.struck: list[Fault] = []
        self.passed: dict[Direction, int] = {"requests": 0, "answers": 0}
        self.kill: Callable[[], object] = lambda: None
        self._target = ("127.0.0.1", port)
        self._wires = wires
        self._volley: deque[Fault] = deque()
        self._pairs: set[_Pair] = set()
        self._waiting = 0
        self._calm = asyncio.Event()

    # ------------------------------------------------------------------ what a test calls

    def arm(self, volley: Iterable[Fault]) -> None:
        """Let these faults happen one after the other; the octets of each count from the one before."""
        faults = deque(volley)

        async def now() -> None:
            self._restart()
            self._calm.clear()
            self._volley = faults

        self._wires.call(now())

    def calm(self) -> None:
        """End all faults: what was delayed passes, and connections that something was lost of are reset."""

        async def now() -> None:
            self._volley.clear()
            self._calm.set()
            while self._waiting or any(pair.sick for pair in self._pairs):
                for pair in [pair for pair in self._pairs if pair.sick]:
                    pair.end(True)
                await asyncio.sleep(0.005)
            self._restart()

        self._wires.call(now())

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._pairs)

    # ------------------------------------------------------------------ in the loop

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """End everything."""
        self._server.close()
        self._calm.set()
        for pair in list(self._pairs):
            pair.end(True)
        while self._pairs:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)  # the loop closes the sockets of aborted transports by itself, but later

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._volley and self._volley[0].kind == "refuse":
            self._strike()
            _Pair((writer, writer)).end(True)
            return
        try:
            answers, server = await asyncio.open_connection(*self._target)
        except OSError:
            _Pair((writer, writer)).end(True)
            return
        pair = _Pair((writer, server))
        self._pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(pair, reader, server, "requests"), self._pump(pair, answers, writer, "answers")
            )
        finally:
            pair.end(False)
            self._pairs.discard(pair)

    async def _pump(
        self, pair: _Pair, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        try:
            while data := await source.read(1 << 16):
                while data and (fault := self._due(direction, len(data))) is not None:
                    before = fault.after - self.passed[direction]
                    self._strike()
                    await self._send(sink, data[:before])
                    data = data[before:]
                    if fault.kind == "loss":
                        pair.sick = True
                        data = data[int(fault.size) :]
                        self._wires.loop.call_later(_BEREFT, pair.end, True)
                    elif not await self._break(fault, pair, sink):
                        return
                self.passed[direction] += len(data)
                await self._send(sink, data)
            if not sink.is_closing() and sink.can_write_eof():
                sink.write_eof()
        except (OSError, RuntimeError):  # the latter: an end was closed by the other direction meanwhile
            pair.end(True)

    async def _break(self, fault: Fault, pair: _Pair, sink: asyncio.StreamWriter) -> bool:
        """Let a fault happen; tell whether this direction goes on."""
        if fault.kind == "delay":
            await self._pause(fault.size)
            return not pair.sick
        pair.sick = True
        if fault.kind == "kill":
            self.kill()
        if fault.kind == "truncate":
            sink.write_eof()
            return False
        if fault.kind == "silence":
            await self._pause(fault.size)
        pair.end(fault.kind in {"reset", "silence"})
        return False

    async def _pause(self, seconds: float) -> None:
        self._waiting += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._calm.wait(), seconds)
        self._waiting -= 1

    @staticmethod
    async def _send(sink: asyncio.StreamWriter, data: bytes) -> None:
        if data:
            sink.write(data)
            await sink.drain()

    def _due(self, direction: Direction, octets: int) -> Fault | None:
        if not self._volley:
            return None
        fault = self._volley[0]
        reached = fault.direction == direction and self.passed[direction] + octets > fault.after
        return fault if reached and fault.kind != "refuse" else None

    def _strike(self) -> None:
        self.struck.append(self._volley.popleft())
        self._restart()

    def _restart(self) -> None:
        self.passed = {"requests": 0, "answers": 0}
