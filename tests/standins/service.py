"""The SOAP service of the stand-in, over HTTP on loopback, and how to let it misbehave.

Alone, for developing against it: `python -m tests.standins.service --database sqlite:///ox.db --port 8080`. An empty
database gets the tables, and two contexts with a few users.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from syncd.openxchange import playground
from tests.standins import envelope, faults
from tests.standins.contract import FAULTS, PATH, wsdl
from tests.standins.model import Installation, Middleware


class Call(NamedTuple):
    """A call that reached the service, as it was read."""

    operation: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What goes wrong with the next calls that it concerns."""

    operation: str | None = None
    """Only this operation, None = any."""
    times: int | None = 1
    """How many calls, None = all from now on."""
    fault: faults.Fault | None = None
    """Answered instead of carrying out the call."""
    hold: threading.Event | None = None
    """The call waits, before anything is done, until this is set: a delay without a clock."""
    delay: float = 0.0
    """Seconds to wait before anything is done, for people who try something; tests use `hold`."""
    drop: Literal["before", "after"] | None = None
    """The connection ends without an answer, before the call is carried out or when that is done."""
    garbage: bytes | None = None
    """Answered after the call was carried out, with status 200, as a proxy's error page is."""


class Service:
    """Serve the middleware between `__enter__` and `__exit__`.

    Attributes:
        middleware: what carries out the calls.
        calls: all calls so far, also those that met trouble.
    """

    def __init__(
        self,
        middleware: Middleware,
        *,
        port: int = 0,
        address: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Prepare the service.

        Args:
            middleware: what carries out the calls.
            port: of loopback, 0 = a free one.
            address: the one in the WSDL, wrong as behind a proxy; None = that of the request's Host header.
            tls: the server's side of TLS; None = plain HTTP.
        """
        self.middleware = middleware
        self.calls: list[Call] = []
        self.address = address
        self._trouble: list[Trouble] = []
        self._mutex = threading.Lock()
        self._server = _Server(port, self, tls)
        self.port: int = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}{PATH}"

    def __enter__(self) -> Service:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()

    def expect(self, trouble: Trouble) -> None:
        """Let something go wrong with the next calls; several are met in the order in which they were asked for."""
        with self._mutex:
            self._trouble.append(trouble)

    def answer(self, body: bytes) -> tuple[int, bytes] | None:
        """Answer a request by status and body; None = by hanging up."""
        try:
            return self._answer(body)
        except faults.Fault as fault:
            return 500, envelope.write_fault(fault)
        except Exception as error:  # noqa: BLE001 - our own mistakes must reach who asked
            return 500, envelope.write_fault(faults.Fault(f"The stand-in failed: {error!r}"))

    def _answer(self, body: bytes) -> tuple[int, bytes] | None:
        operation, arguments = envelope.read_request(body)
        trouble = self._meet(Call(operation, arguments))
        if trouble.hold is not None:
            trouble.hold.wait()
        if trouble.delay:
            threading.Event().wait(trouble.delay)
        if trouble.drop == "before":
            return None
        if trouble.fault is not None:
            raise trouble.fault
        result = self.middleware.call(operation, arguments)
        if trouble.drop == "after":
            return None
        return 200, trouble.garbage or envelope.write_answer(operation, result)

    def _meet(self, call: Call) -> Trouble:
        with self._mutex:
            self.calls.append(call)
            for number, trouble in enumerate(self._trouble):
                if trouble.operation in {None, call.operation}:
                    if trouble.times is not None:
                        left = replace(trouble, times=trouble.times - 1)
                        self._trouble[number : number + 1] = [left] if left.times else []
                    return trouble
        return Trouble()


class _Server(ThreadingHTTPServer):
    """The HTTP server; it remembers open connections, so that none outlives it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, service: Service, tls: ssl.SSLContext | None) -> None:
        self.service = service
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Requests)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def hang_up(self) -> None:
        """End all open connections; their threads end with them."""
        for connection in tuple(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away."""


class _Requests(BaseHTTPRequestHandler):
    """Read requests from one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """Note the connection."""
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        self.server.open.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """Give the WSDL."""
        path, _, query = self.path.partition("?")
        if path != PATH or query.lower() != "wsdl":
            self.send_error(404)
            return
        address = self.server.service.address
        if address is None:
            secure = self.headers.get("X-Forwarded-Proto") == "https"
            host = self.headers.get("Host", f"127.0.0.1:{self.server.service.port}")
            tls = "https" if self.server.service.url.startswith("https") else "http"
            address = f"https://{host.partition(':')[0]}:443{PATH}" if secure else f"{tls}://{host}{PATH}"
        self._send(200, wsdl(address).encode())

    def do_POST(self) -> None:
        """Answer a call; the SOAPAction does not matter."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.partition("?")[0] != PATH:
            self.send_error(404)
            return
        answer = self.server.service.answer(body)
        if answer is None:
            self.close_connection = True
        else:
            self._send(*answer)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml;charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
        """Log nothing: requests have passwords."""


def populate(engine: sa.Engine) -> None:
    """Make the tables in an empty database, with contexts 1 and 2, users 3 to 9 and a group 15 of 3 to 5."""
    if sa.inspect(engine).has_table("user_mail_account"):
        return
    playground.create_schema(engine)
    with engine.begin() as connection:
        for context in (1, 2):
            playground.add_context(connection, context)
            people = [(user, f"user{user}", f"user{user}@example.org") for user in range(3, 10)]
            playground.add_users(connection, context, people)
            playground.add_group(connection, context, 15, "support", (3, 4, 5))


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.standins.service", description=__doc__)
    parser.add_argument("--database", required=True, help="URL of SQLAlchemy, of a database with the tables or empty")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--password", default="secret", help="of the contexts' administrators (default: secret)")
    parser.add_argument("--address", help="the address in the WSDL, to have a wrong one")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before every answer")
    parser.add_argument("--drop", choices=("before", "after"), help="hang up before or after carrying out every call")
    parser.add_argument("--fault", choices=FAULTS, help="answer every call by this exception")
    parser.add_argument("--tools", metavar="FOLDER", help="write the four command line tools into a folder")
    options = parser.parse_args()
    engine = sa.create_engine(options.database)
    populate(engine)
    service = Service(
        Middleware(engine, Installation(password=options.password)), port=options.port, address=options.address
    )
    fault = faults.declared(options.fault, "as asked for") if options.fault else None
    service.expect(Trouble(times=None, fault=fault, delay=options.delay, drop=options.drop))
    if options.tools:
        from tests.standins.tools import write_tools  # noqa: PLC0415 - the tools know the service, not the other way

        write_tools(options.tools, service.port)
    with service:
        print(f"{service.url}?wsdl", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
