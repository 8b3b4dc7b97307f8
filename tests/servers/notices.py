"""Two small servers on loopback that take notices: an HTTP server and a mail server, with TLS where it is asked for."""

from __future__ import annotations

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

Pair = tuple[Path, Path]
"""Certificate and key."""


class _Serving:
    """A server that serves between `__enter__` and `__exit__`, at 127.0.0.1 and `port`."""

    def __init__(self, server: socketserver.BaseServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(cast("Any", self._server.server_address)[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Hook(_Serving):
    """Takes what is posted.

    Attributes:
        status: what it answers, from now on.
        posts: path, headers and document of everything that was posted, whatever was answered.
    """

    def __init__(self, pair: Pair | None = None, *, status: int = 204, port: int = 0) -> None:
        self.status = status
        self.posts: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        hook = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.posts.append((self.path, dict(self.headers.items()), json.loads(body)))
                self.send_response(hook.status)
                if 300 <= hook.status < 400:
                    self.send_header("Location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Taking)
        if pair is not None:
            server.socket = _context(pair).wrap_socket(server.socket, server_side=True)
        super().__init__(server)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The documents alone."""
        return [document for _, _, document in self.posts]


class PostOffice(_Serving):
    """Takes mail: RFC 5321 as far as a sender needs it, STARTTLS and AUTH PLAIN.

    Attributes:
        refused: recipients that it does not take.
        broken: whether it answers every DATA with 451.
        mails: recipients and message of every mail that was taken.
        logins: login and password of everybody who logged in, and whether it was by TLS.
    """

    def __init__(
        self,
        pair: Pair | None = None,
        *,
        secure: bool = False,
        logins: Sequence[tuple[str, str]] = (),
        refused: Sequence[str] = (),
    ) -> None:
        self.refused = set(refused)
        self.broken = False
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.logins: list[tuple[str, str, bool]] = []
        context = _context(pair) if pair else None
        office = self

        class Taking(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.safe = False
                if secure:
                    self.begin_tls()
                self.say("220 post.example ESMTP")
                self.recipients: list[str] = []
                while line := self.rfile.readline().decode().rstrip("\r\n"):
                    if not self.answer(*line.partition(" ")[::2]):
                        return

            def answer(self, word: str, rest: str) -> bool:
                match word.upper():
                    case "EHLO":
                        offers = ["8BITMIME", *(["STARTTLS"] if context and not self.safe else [])]
                        offers += ["AUTH PLAIN"] if logins else []
                        for offer in offers:
                            self.say(f"250-{offer}")
                        self.say("250 HELP")
                    case "STARTTLS":
                        self.say("220 go on")
                        self.begin_tls()
                    case "AUTH":
                        _, login, password = base64.b64decode(rest.rsplit(maxsplit=1)[-1]).decode().split("\0")
                        office.logins.append((login, password, self.safe))
                        self.say("235 welcome" if (login, password) in logins else f"535 no: {login} {password}")
                    case "RCPT":
                        address = rest.partition("<")[2].partition(">")[0]
                        if address in office.refused:
                            self.say("550 nobody of that name")
                        else:
                            self.recipients.append(address)
                            self.say("250 known")
                    case "DATA" if office.broken:
                        self.say("451 the disk is full")
                    case "DATA":
                        self.say("354 go on")
                        self.take()
                    case "QUIT":
                        self.say("221 bye")
                        return False
                    case _:
                        self.say("250 so be it")
                return True

            def take(self) -> None:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                message = message_from_bytes(b"".join(lines), policy=policy.default)
                office.mails.append((self.recipients, cast("EmailMessage", message)))
                self.recipients = []
                self.say("250 taken")

            def begin_tls(self) -> None:
                assert context is not None
                self.rfile.close()
                self.request = context.wrap_socket(self.request, server_side=True)
                self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
                self.safe = True

            def finish(self) -> None:
                super().finish()
                self.request.close()  # of TLS: another socket than the one the server closes

            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        super().__init__(_Quiet(("127.0.0.1", 0), Taking))


class _Quiet(socketserver.ThreadingTCPServer):
    """A server that does not tell of clients who go away."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def _context(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return context
