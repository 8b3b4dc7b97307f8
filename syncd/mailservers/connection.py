"""Open a connection to a mail server, verified and bounded in time, and say in words why that failed.

TLS is verified by Python's own `ssl` (chain, host name or address). Each answer has its time, and so has the whole: a
server that sends an octet now and then would hold us for ever.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from syncd.core.logins import Server
from syncd.errors import SyncdError
from syncd.mailservers.words import TROUBLE, Rejected, unusable


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How mail servers are talked to."""

    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    """Who is trusted."""
    connect_timeout: float = 5
    """Seconds for the connection; each address of a name has them."""
    receive_timeout: float = 15
    """Seconds without a single octet from the server; some make who gives a wrong password wait."""
    patience: float = 45
    """Seconds for one login, from the connection to its end."""


def trusting(ca: Path | None) -> ssl.SSLContext:
    """Trust the certificates of a file (PEM) alone; None = those of the system.

    Raises:
        SyncdError: the file cannot be read, or has none.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        reason = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        raise SyncdError(f"cannot read the CA {ca}: {reason}", hint="it must be a file of certificates (PEM)") from None


@contextlib.contextmanager
def connected(server: Server, options: Options) -> Iterator[socket.socket]:
    """Open a connection, with TLS if the server begins with it; close it at the end.

    Raises:
        Unusable: it cannot be opened, or broke, or answered with something else than its protocol.
        Rejected: as raised within, unless it was our watch that ended the connection.
    """
    expired = threading.Event()
    plug = _dialled(server, options)
    try:
        with contextlib.closing(plug), _Watch(plug, options.patience, expired):
            if server.tls != "start":
                yield plug
                return
            with options.context.wrap_socket(plug, server_hostname=server.host.removesuffix(".")) as wrapped:
                yield wrapped
    except Rejected:
        if expired.is_set():
            raise Rejected(f"no answer to the login within {options.patience:g} s") from None
        raise
    except TROUBLE as error:
        if expired.is_set():
            raise unusable(server, TimeoutError(), options.patience) from None
        raise unusable(server, error, options.receive_timeout) from None


def _dialled(server: Server, options: Options) -> socket.socket:
    try:
        plug = socket.create_connection((server.host, server.port), options.connect_timeout)
    except TROUBLE as error:
        raise unusable(server, error, options.connect_timeout) from None
    plug.settimeout(options.receive_timeout)
    return plug


def tls_of(plug: socket.socket | None) -> str:
    """Say how a connection is protected: `TLSv1.3 verified`, or that it is not."""
    if isinstance(plug, ssl.SSLSocket):
        return f"{plug.version()} verified"
    return "in the clear: the password can be read on its way"


class _Watch:
    """Ends a connection when its time is over.

    It holds a duplicate: STARTTLS puts another socket in the place of the first.
    """

    def __init__(self, plug: socket.socket, seconds: float, expired: threading.Event) -> None:
        self._twin = plug.dup()
        self._expired = expired
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        self._twin.close()

    def _end(self) -> None:
        self._expired.set()
        with contextlib.suppress(OSError):
            self._twin.shutdown(socket.SHUT_RDWR)
