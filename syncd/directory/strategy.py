"""A thin ldap3 strategy: searches are sent, received and decoded here, everything else is ldap3's own.

ldap3 2.9.1 reads 4 KiB at a time, joins its buffer anew for each piece (quadratic in the size of an entry, and a group
is one entry) and decodes every value twice into case-insensitive dictionaries. Both together cost 4 to 47 times what
`ldapsearch` takes. Here a message is found by its length, search entries are kept as octets until somebody decodes
them, and all other messages go through ldap3's decoder. What is sent is written by `request`.

Wire format: RFC 4511 section 5.1 (BER with definite lengths), section 4.5.2 (search results).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

from ldap3 import ANONYMOUS, SASL, SIMPLE, SYNC, Connection, Server, Tls
from ldap3.core.exceptions import (
    LDAPException,
    LDAPSessionTerminatedByServerError,
    LDAPSocketOpenError,
    LDAPSocketReceiveError,
)
from ldap3.strategy.sync import SyncStrategy
from ldap3.utils.asn1 import decode_message_fast

_ENTRY = 0x64  # [APPLICATION 4] SearchResultEntry
_REFERENCE = 0x73  # [APPLICATION 19] SearchResultReference
_INTERMEDIATE = 0x79  # [APPLICATION 25] IntermediateResponse
_READ = 1 << 18  # octets asked of the socket at a time


class Entry(NamedTuple):
    """A directory entry as read: the raw values by attribute name in lower case."""

    dn: str
    attributes: dict[str, list[bytes]]


class Page(NamedTuple):
    """The answer to one search request."""

    entries: list[bytes]
    """SearchResultEntry elements, not decoded yet (see `decode_entry`)."""
    references: list[str]
    """URLs of the references that the server sent instead of entries."""
    result: dict[str, Any]
    """ldap3's dictionary of the result: result, description, dn (matched), message, controls."""


class PinnedTls(Tls):
    """TLS by a context of Python's own `ssl`, which also verifies the host name (and addresses, on every Python)."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.context = context

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: ARG002 - ldap3's signature
        """Put TLS on the connection's socket and verify the server.

        Raises:
            ssl.SSLError: the handshake failed or the server's certificate is not trusted.
        """
        connection.strategy.wrap(self.context)


class StreamStrategy(SyncStrategy):
    """ldap3's synchronous strategy with its own socket and buffer."""

    _outstanding: dict[int, object] | None

    def __init__(self, connection: Any, connect_timeout: float, receive_timeout: float) -> None:
        super().__init__(connection)
        self.failure: Exception | None = None
        """What opening the socket failed with; ldap3 keeps only its text."""
        self._connect_timeout = connect_timeout
        self._receive_timeout = receive_timeout
        self._buffer = b""
        self._position = 0

    # ------------------------------------------------------------------ the socket

    def _open_socket(self, address: Any, use_ssl: bool = False, unix_socket: bool = False) -> None:
        """Connect within the connect timeout, trying each address of the host, TLS handshake included."""
        server = self.connection.server
        self._buffer, self._position = b"", 0
        try:
            if unix_socket:
                self.connection.socket = socket.socket(socket.AF_UNIX)
                self.connection.socket.settimeout(self._connect_timeout)
                self.connection.socket.connect(address[4])
            else:
                self.connection.socket = socket.create_connection((server.host, server.port), self._connect_timeout)
                self.connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if use_ssl:
                server.tls.wrap_socket(self.connection, do_handshake=True)
            self.connection.socket.settimeout(self._receive_timeout)
        except Exception as error:
            self.failure = error
            if self.connection.socket is not None:
                self.connection.socket.close()
            raise
        self.connection.closed = False

    def wrap(self, context: ssl.SSLContext) -> None:
        """Put TLS on the socket.

        Raises:
            ssl.SSLError: the handshake failed, the certificate is not trusted, or the server sent something in the
                clear behind its answer to StartTLS (an injection).
        """
        if self._position < len(self._buffer):
            raise ssl.SSLError("the server sent data in the clear after StartTLS")
        host = self.connection.server.host
        try:
            self.connection.socket = context.wrap_socket(self.connection.socket, server_hostname=host)
        except Exception as error:
            self.failure = error
            raise

    # ------------------------------------------------------------------ messages

    def ask(self, request: Callable[[int], bytes]) -> int:
        """Send a search request; give its message id, for `collect`.

        Args:
            request: gives the octets of the request with a message id.

        Raises:
            LDAPException, OSError: it could not be sent.
        """
        connection = self.connection
        if not connection.listening:
            raise LDAPSocketOpenError("unable to send message, socket is not open")
        number: int = connection.server.next_message_id()
        connection.socket.sendall(request(number))
        return number

    def receiving(self) -> list[bytes]:  # type: ignore[override] # ldap3's stubs say None
        """Give the next message (ldap3 asks again until its operation is complete); none when the server has gone."""
        try:
            _, end = self._frame()
        except LDAPSessionTerminatedByServerError:
            return []
        message = self._buffer[self._position : end]
        self._position = end
        return [message]

    def collect(self, message_id: int) -> Page:
        """Receive the whole answer to a search request.

        Raises:
            LDAPException: the connection was lost, or the server spoke out of turn.
        """
        entries: list[bytes] = []
        references: list[str] = []
        buffer, size = self._buffer, len(self._buffer)
        while True:
            # `_frame` by hand for a message that is here already: this loop runs once an entry
            start = end = self._position + 2
            if start <= size:
                length = buffer[start - 1]
                if length & 0x80:
                    start += length & 0x7F
                    length = int.from_bytes(buffer[end:start], "big")
                end = start + length
            if start >= size or end > size:
                start, end = self._frame()
                buffer, size = self._buffer, len(self._buffer)
            operation = start + 2 + buffer[start + 1]  # behind the message id: INTEGER, at most four octets
            if int.from_bytes(buffer[start + 2 : operation], "big") != message_id:
                # an unsolicited notification (RFC 4511 section 4.4) or nonsense; either way this session is over
                self.close()
                raise LDAPSessionTerminatedByServerError("session terminated by server")
            kind = buffer[operation]
            if kind == _ENTRY:
                entries.append(buffer[operation:end])
                self._position = end
                continue
            message = buffer[self._position : end]
            self._position = end
            decoded = self.decode_response_fast(decode_message_fast(message))  # type: ignore[no-untyped-call]
            if kind == _REFERENCE:
                references.extend(decoded["uri"])
            elif kind != _INTERMEDIATE:
                if self._outstanding:
                    self._outstanding.pop(message_id, None)
                return Page(entries, references, decoded)

    def _frame(self) -> tuple[int, int]:
        """Make sure that a whole message is in the buffer; give where its content starts and where it ends."""
        position = self._position
        available = len(self._buffer) - position
        if available < 2:
            self._fill(2)
            position = self._position
        start, length = position + 2, self._buffer[position + 1]
        if length & 0x80:
            octets = length & 0x7F
            if len(self._buffer) < start + octets:
                self._fill(2 + octets)
                position = self._position
                start = position + 2
            length = int.from_bytes(self._buffer[start : start + octets], "big")
            start += octets
        end = start + length
        if end > len(self._buffer):
            self._fill(end - position)
            start, end = start - position, end - position  # `_fill` moved the message to the buffer's start
        return start, end

    def _fill(self, needed: int) -> None:
        """Read until `needed` octets from the position on are in the buffer, which then begins at the position."""
        pieces = [self._buffer[self._position :]]
        have = len(pieces[0])
        while have < needed:
            try:
                piece = self.connection.socket.recv(_READ)
            except (OSError, AttributeError) as error:
                self.failure = error
                self._abandon()
                raise LDAPSocketReceiveError(f"error receiving data: {error}") from error
            if not piece:
                self._abandon()
                raise LDAPSessionTerminatedByServerError("session terminated by server")
            pieces.append(piece)
            have += len(piece)
        self._buffer, self._position = b"".join(pieces), 0

    def _abandon(self) -> None:
        with contextlib.suppress(OSError, LDAPException):
            self.close()


class StreamConnection(Connection):
    """An ldap3 connection that uses `StreamStrategy`; its repr shows no password."""

    strategy: StreamStrategy
    identity = ""
    """Who is bound, for people; set after the bind."""

    def __init__(
        self,
        server: Server,
        user: str | None,
        password: str | None,
        connect_timeout: float,
        receive_timeout: float,
        *,
        mechanism: str | None = None,
        credentials: object = None,
    ) -> None:
        super().__init__(
            server,
            user,
            password,
            authentication=SASL if mechanism else SIMPLE if user else ANONYMOUS,
            sasl_mechanism=mechanism,
            sasl_credentials=credentials,
            client_strategy=SYNC,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            return_empty_attributes=False,
            auto_escape=False,
            auto_encode=False,
            read_only=True,
            raise_exceptions=False,
        )
        self.strategy = StreamStrategy(self, connect_timeout, receive_timeout)
        # ldap3 copies the strategy's bound methods when it constructs the connection
        for name in ("send", "open", "get_response", "post_send_single_response", "post_send_search"):
            setattr(self, name, getattr(self.strategy, name))

    def __repr__(self) -> str:
        """Name the server only: ldap3's own repr shows the password."""
        return f"StreamConnection({self.server.name})"


_NAMES: dict[bytes, str] = {}  # attribute descriptions seen → lower case text; as many as a server has attributes


def decode_entry(octets: bytes) -> Entry:
    """Decode a SearchResultEntry element (RFC 4511 section 4.5.2).

    Text that is not UTF-8 is kept with surrogate escapes; what it means is decided where it is used.
    """
    start, _ = _content(octets, 0)
    start, position = _content(octets, start)
    dn = str(octets[start:position], "utf-8", "surrogateescape")
    attributes: dict[str, list[bytes]] = {}
    position, stop = _content(octets, position)
    while position < stop:
        length = octets[position + 1]  # of the attribute, a SEQUENCE of its description and a SET of values
        if length >= 0x80:
            position = _long_attribute(octets, position, attributes)
            continue
        # then all lengths in it are short; nearly every attribute is like this, so it is done here and by hand
        end = position + 2 + length
        start = position + 4
        position = start + octets[start - 1]
        raw = octets[start:position]
        name = _NAMES.get(raw) or _name(raw)
        position += 4
        if position <= end and position + octets[position - 1] == end:  # `<=`: Active Directory sends empty sets too
            attributes[name] = [octets[position:end]]
            position = end
            continue
        values = attributes[name] = []
        position -= 2
        while position < end:
            start = position + 2
            position = start + octets[position + 1]
            values.append(octets[start:position])
    return Entry(dn, attributes)


def _content(octets: bytes, position: int) -> tuple[int, int]:
    """Give where the content of the element at `position` starts and ends."""
    length = octets[position + 1]
    start = position + 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(octets[position + 2 : start], "big")
    return start, start + length


def _long_attribute(octets: bytes, position: int, attributes: dict[str, list[bytes]]) -> int:
    """Decode an attribute with lengths of any form, the members of a big group for one; give where it ends."""
    position, _ = _content(octets, position)
    start, position = _content(octets, position)
    values = attributes[_name(octets[start:position])] = []
    position, end = _content(octets, position)
    while position < end:
        length = octets[position + 1]
        start = position + 2
        if length & 0x80:
            start, position = _content(octets, position)
        else:
            position = start + length
        values.append(octets[start:position])
    return end


def _name(raw: bytes) -> str:
    """Give an attribute description in lower case."""
    name = _NAMES.get(raw)
    if name is None:
        name = _NAMES[raw] = raw.decode("utf-8", "replace").lower()
    return name
