"""Answers of servers, whatever they are: what was read, or why it was not."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ldap3 import Server

from syncd.directory.directories import Directories
from syncd.openxchange.caches import JolokiaCaches, JolokiaOptions
from tests.directory.trees import by_filter, cn, group, options, person, source
from tests.fuzz.chance import damaged, examples
from tests.servers.slapd import Database, Slapd

# --------------------------------------------------------------------------- LDAP

PEOPLE = "".join(person(f"user{number}") for number in range(12))
TREE = PEOPLE + group("support", [*(f"user{number}" for number in range(12)), cn("team")]) + group("team", ["user1"])
OCTETS = (
    b"\x00",
    b"\x04",
    b"\x0a\x01\x00",
    b"\x30",
    b"\x64",
    b"\x65",
    b"\x73",
    b"\x79",
    b"\x80",
    b"\x84\xff\xff\xff\xff",
    b"\xff",
)


class Recording:
    """The answers of a real server, in the order of the requests, given again to the same requests.

    Attributes:
        answers: octets by request.
        damage: what is done to them first.
    """

    def __init__(self, port: int) -> None:
        self.answers: list[bytes] = []
        self.damage: dict[int, bytes] = {}
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ldap://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        recorded = False
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(OSError):
                    (self._replay if recorded else self._record)(client)
            recorded = True

    def _record(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            while request := client.recv(1 << 16):
                server.sendall(request)
                if b"\x42\x00" in request[:8]:  # goodbye
                    return
                server.settimeout(5)
                answer = server.recv(1 << 20)
                server.settimeout(0.05)
                try:
                    while more := server.recv(1 << 20):
                        answer += more
                except TimeoutError:
                    pass
                self.answers.append(answer)
                client.sendall(answer)

    def _replay(self, client: socket.socket) -> None:
        for number, answer in enumerate(self.answers):
            if not client.recv(1 << 16):
                return
            client.sendall(self.damage.get(number, answer))
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 16):
            pass


@pytest.fixture(scope="module")
def recording(slapd: Slapd) -> Iterator[tuple[Recording, Database]]:
    """Give the recorded answers to a read of a group and of a search."""
    database = slapd.database(TREE)
    recording = Recording(slapd.port)
    assert read(recording, database) == (True, True)
    assert read(recording, database) == (True, True)  # by heart
    yield recording, database
    recording.close()


def read(recording: Recording, database: Database) -> tuple[bool, ...]:
    """Read a group and a search over the recording; tell of each whether it is complete."""
    Server._message_counter = 0  # of the whole process; the answers have the numbers of the recorded questions
    sources = (source(database, "support"), by_filter("(uid=*)"))
    found = Directories(
        {"": options(database, recording.url, page_size=5, receive_timeout=0.2, connect_timeout=5.0)}
    ).read(sources)
    assert all(found.reads[one].complete or found.reads[one].reasons for one in sources)
    return tuple(found.reads[one].complete for one in sources)


@pytest.mark.slapd
@examples(30, 4000)
@given(st.data())
def test_octets_of_a_directory(recording: tuple[Recording, Database], data: st.DataObject) -> None:
    """One answer of the server is damaged: all is read, or it is said why not."""
    played, database = recording
    number = data.draw(st.integers(0, len(played.answers) - 1))
    played.damage = {number: data.draw(damaged(played.answers[number : number + 1], OCTETS, edits=2))}
    read(played, database)


# --------------------------------------------------------------------------- JSON


class Jolokia(http.server.BaseHTTPRequestHandler):
    """Answers with whatever it is told."""

    answer = b""
    status = 200

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def jolokia() -> Iterator[JolokiaCaches]:
    """Give caches that are told over HTTP."""
    with http.server.HTTPServer(("127.0.0.1", 0), Jolokia) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield JolokiaCaches(JolokiaOptions(url=f"http://127.0.0.1:{server.server_port}/"))
        server.shutdown()
        thread.join()


VALUES = st.recursive(
    st.sampled_from(("200", "null", "true", '"x"', "NaN", "1e999", "9" * 5000, '"\\ud800"', "{}", "[]", "")),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda several: f"[{','.join(several)}]")
        | inner.map(lambda one: f'{{"status": {one}, "value": {one}}}')
    ),
    max_leaves=5,
)


@examples(60, 3000)
@given(
    VALUES.map(str.encode)
    | st.binary()
    | damaged(
        (b'{"status": 200, "value": {"agent": "1.7.2"}}',),
        (b"{", b"[", b'"', b"\\u", b"\xff", b"\x00", b"\xef\xbb\xbf"),
    ),
    st.sampled_from((200, 200, 200, 204, 302, 401, 500)),
)
@example(b"[" * 100_000, 200)
@example(b'{"a":' * 100_000, 200)
def test_json_of_jolokia(jolokia: JolokiaCaches, answer: bytes, status: int) -> None:
    """Whatever comes back: the caches were told, or it is said why not."""
    Jolokia.answer, Jolokia.status = (b"" if status == 204 else answer), status
    [finding] = jolokia.findings([1])
    assert finding.ok or "Jolokia at" in finding.detail
