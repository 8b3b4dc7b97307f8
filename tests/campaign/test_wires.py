"""The wires of the campaign break as they say."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.campaign.wires import Fault, Kind, Wire, Wires


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Give a wire to a server that answers all octets with themselves."""

    def echo(plug: socket.socket) -> None:
        with plug:
            try:
                while data := plug.recv(1000):
                    plug.sendall(data)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                plug, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=echo, args=(plug,)))
            threads[-1].start()

    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        with Wires() as wires:
            yield wires.wire("echo", int(listener.getsockname()[1]))
        listener.shutdown(socket.SHUT_RDWR)
    for thread in (server, *threads):
        thread.join()


def talk(wire: Wire, text: bytes = b"0123456789") -> tuple[bytes, str]:
    """Send octets; give those that came back, and how it ended: whole, end, reset, or silence."""
    got = b""
    try:
        with socket.create_connection(("127.0.0.1", wire.port), 5) as plug:
            plug.settimeout(5)
            plug.sendall(text)
            while len(got) < len(text):
                if not (data := plug.recv(1000)):
                    return got, "end"
                got += data
    except (ConnectionResetError, BrokenPipeError):  # the latter where it was over before anything was sent
        return got, "reset"
    return got, "whole"


@pytest.mark.parametrize(
    ("kind", "size", "got", "end"),
    [
        ("cut", 0, b"0123", "end"),
        ("reset", 0, None, "reset"),  # octets on their way may be lost with it
        ("truncate", 0, b"0123", "end"),
        ("silence", 0.05, None, "reset"),
        ("delay", 0.05, b"0123456789", "whole"),
        ("loss", 2, None, "reset"),
        ("kill", 0, b"0123", "end"),
    ],
)
def test_a_fault_strikes_at_its_octet(wire: Wire, kind: Kind, size: float, got: bytes | None, end: str) -> None:
    """Four octets pass, then it happens, and it is counted."""
    killed: list[bool] = []
    wire.kill = lambda: killed.append(True)
    wire.arm([Fault(kind, "answers", 4, size)])
    came, how = talk(wire)
    assert how == end
    assert came == got or (got is None and b"0123456789".startswith(came[:4]))
    assert wire.struck == [Fault(kind, "answers", 4, size)]
    assert killed == [True] * (kind == "kill")


def test_requests_break_as_answers_do(wire: Wire) -> None:
    """The server sees four octets and an end, and answers them."""
    wire.arm([Fault("truncate", "requests", 4)])
    assert talk(wire) == (b"0123", "end")


def test_refused_connections(wire: Wire) -> None:
    """The next connection is reset, the one after is not."""
    wire.arm([Fault("refuse", "requests", 0)])
    assert talk(wire) == (b"", "reset")
    assert talk(wire) == (b"0123456789", "whole")


def test_a_volley_strikes_one_after_the_other(wire: Wire) -> None:
    """The octets of the second fault count from the first, over all connections together."""
    wire.arm([Fault("cut", "answers", 4), Fault("cut", "answers", 13)])
    assert [talk(wire)[0] for _ in range(4)] == [b"0123", b"0123456789", b"012", b"0123456789"]


def test_calm_ends_it_all(wire: Wire) -> None:
    """What was armed strikes no more, a delay is over at once, and who lacks octets is reset."""
    wire.arm([Fault("delay", "answers", 0, 3600)])
    thread = threading.Thread(target=lambda: found.append(talk(wire)))
    found: list[tuple[bytes, str]] = []
    thread.start()
    while not wire.struck:
        pass
    wire.calm()
    thread.join()
    assert found == [(b"0123456789", "whole")]
    wire.arm([Fault("cut", "answers", 0)])
    wire.calm()
    assert talk(wire)[1] == "whole"
