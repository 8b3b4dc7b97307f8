"""An LDAP proxy that keeps the limits of Active Directory on Windows before a Samba that keeps none.

What Windows does ([MS-ADTS] 3.1.1.3.4.6 and 3.1.1.3.1.3.3), and the default values of its query policy:

* MaxValRange, 1,500: an attribute with more values comes as `member;range=0-1499` beside an empty `member`; a range
  that is asked for is made that short. (Samba itself answers ranges that are asked for.)
* MaxPageSize, 1,000: a page is never longer, and a search without pages ends there with sizeLimitExceeded.

Between client and proxy goes TLS with the server's own certificate, or nothing; between proxy and server always TLS.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

_SEARCH, _ENTRY, _DONE = 0x63, 0x64, 0x65  # RFC 4511: application 3, 4, 5
_SEQUENCE, _SET, _OCTETS, _INTEGER, _ENUMERATED, _CONTROLS = 0x30, 0x31, 0x04, 0x02, 0x0A, 0xA0
_PAGED = b"1.2.840.113556.1.4.319"
_RANGE = re.compile(rb"(?i)([^;]+);range=(\d+)-(\d+|\*)")
_SIZE_LIMIT_EXCEEDED = 4


class Element(NamedTuple):
    """A BER element (X.690 section 8.1)."""

    tag: int
    content: bytes

    def encode(self) -> bytes:
        """Write it with a definite length."""
        size = len(self.content)
        if size < 0x80:
            return bytes((self.tag, size)) + self.content
        octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes((self.tag, 0x80 | len(octets))) + octets + self.content

    @property
    def parts(self) -> list[Element]:
        """The elements within."""
        return _parse(self.content)

    @property
    def number(self) -> int:
        """The content as a number."""
        return int.from_bytes(self.content, "big", signed=True)


class Limits:
    """The proxy; runs between `__enter__` and `__exit__`.

    Attributes:
        ldap, ldaps: URLs for clients.
        values: MaxValRange.
        page: MaxPageSize.
        final_star: whether the last range ends with `*`; off, a last range that is full ends with a number, and an
            empty one with `*` follows.
        cut_after: end a connection after so many entries; None = never.
        between: called before the second and every further range of an attribute is asked for, with the number of such
            requests so far.
        searches: attributes asked for, one tuple a search request.
    """

    def __init__(
        self, host: str, ca: str, certificate: tuple[Path, Path], *, values: int = 1500, page: int = 1000
    ) -> None:
        self.values, self.page = values, page
        self.final_star = True
        self.cut_after: int | None = None
        self.between: Callable[[int], None] = lambda _number: None
        self.searches: list[tuple[str, ...]] = []
        self._ranges = 0
        self._host = host
        self._outer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._outer.load_cert_chain(*certificate)
        self._inner = ssl.create_default_context(cafile=ca)
        self._plugs: set[socket.socket] = set()

    def __enter__(self) -> Limits:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        plain, secure = (listener.getsockname()[1] for listener in self._listeners)
        self.ldap, self.ldaps = f"ldap://127.0.0.1:{plain}", f"ldaps://127.0.0.1:{secure}"
        for listener, context in zip(self._listeners, (None, self._outer), strict=True):
            threading.Thread(target=self._accept, args=(listener, context), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(*self._listeners, *self._plugs)

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            try:
                plug, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plug, context), daemon=True).start()

    def _serve(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        self._plugs.add(client)
        try:
            if context is not None:
                client = context.wrap_socket(client, server_side=True)
                self._plugs.add(client)
            server = self._inner.wrap_socket(socket.create_connection((self._host, 636)), server_hostname=self._host)
        except OSError:
            self._end(client)
            return
        self._plugs.add(server)
        connection = _Connection(self, client, server)
        back = threading.Thread(target=self._pump, args=(connection.answer, client, server), daemon=True)
        back.start()
        self._pump(connection.request, client, server)

    def _pump(self, step: Callable[[], bool], *plugs: socket.socket) -> None:
        # where the other thread has ended TLS already, what comes next is its farewell and no LDAP: an IndexError
        with contextlib.suppress(OSError, EOFError, ValueError, IndexError):
            while step():
                pass
        self._end(*plugs)

    def _end(self, *plugs: socket.socket) -> None:
        for plug in plugs:
            self._plugs.discard(plug)
            with contextlib.suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)
            plug.close()

    def asked(self, attributes: list[bytes]) -> None:
        """Take note of a search; run what is to happen between two ranges."""
        self.searches.append(tuple(name.decode() for name in attributes))
        if any((found := _RANGE.fullmatch(name)) and int(found[2]) > 0 for name in attributes):
            self._ranges += 1
            self.between(self._ranges)


class _Connection:
    """One client: what it may get of each search that is open, and how many entries it has."""

    def __init__(self, limits: Limits, client: socket.socket, server: socket.socket) -> None:
        self._limits = limits
        self._client, self._server = client, server
        self._allowed: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        self._range: dict[int, bytes] = {}
        self._entries = 0

    # ------------------------------------------------------------------ to the server

    def request(self) -> bool:
        message = _read(self._client)
        number, operation, *rest = message.parts
        if operation.tag == _SEARCH:
            operation = self._search(operation, number.number, rest)
            rest = [self._controls(element) if element.tag == _CONTROLS else element for element in rest]
        self._server.sendall(_join(_SEQUENCE, [number, operation, *rest]).encode())
        return True

    def _search(self, operation: Element, number: int, rest: list[Element]) -> Element:
        parts = operation.parts  # base, scope, aliases, size limit, time limit, types only, filter, attributes
        paged = any(control.parts[0].content == _PAGED for element in rest for control in element.parts)
        if not paged:
            wanted = parts[3].number
            self._allowed[number] = min(wanted, self._limits.page) if wanted else self._limits.page
        names = [element.content for element in parts[7].parts]
        self._limits.asked(names)
        self._range[number] = next((name for name in names if _RANGE.fullmatch(name)), b"")
        parts[7] = _join(_SEQUENCE, [Element(_OCTETS, self._short(name)) for name in names])
        return _join(_SEARCH, parts)

    def _short(self, name: bytes) -> bytes:
        found = _RANGE.fullmatch(name)
        if not found:
            return name
        low, last = int(found[2]), int(found[2]) + self._limits.values - 1
        high = last if found[3] == b"*" else min(last, int(found[3]))
        return b"%s;range=%d-%d" % (found[1], low, high)

    def _controls(self, element: Element) -> Element:
        return _join(_CONTROLS, [self._paged(control) for control in element.parts])

    def _paged(self, control: Element) -> Element:
        *head, value = control.parts
        if head[0].content != _PAGED:
            return control
        size, cookie = _parse(value.content)[0].parts
        wanted = min(size.number, self._limits.page) or self._limits.page
        inner = _join(_SEQUENCE, [Element(_INTEGER, wanted.to_bytes(4, "big")), cookie])
        return _join(_SEQUENCE, [*head, Element(_OCTETS, inner.encode())])

    # ------------------------------------------------------------------ to the client

    def answer(self) -> bool:
        message = _read(self._server)
        number, operation, *rest = message.parts
        if operation.tag == _ENTRY:
            self._entries += 1
            cut = self._limits.cut_after
            if cut is not None and self._entries > cut:
                return False
            self._seen[number.number] = self._seen.get(number.number, 0) + 1
            if self._seen[number.number] > self._allowed.get(number.number, 1 << 62):
                return True  # the rest is dropped; the code at the end says so
            message = _join(_SEQUENCE, [number, self._entry(operation, self._range.get(number.number, b"")), *rest])
        elif operation.tag == _DONE and self._seen.pop(number.number, 0) > self._allowed.pop(number.number, 1 << 62):
            done = _join(_DONE, [Element(_ENUMERATED, bytes((_SIZE_LIMIT_EXCEEDED,))), *operation.parts[1:]])
            message = _join(_SEQUENCE, [number, done, *rest])
        self._client.sendall(message.encode())
        return True

    def _entry(self, operation: Element, wanted: bytes) -> Element:
        name, attributes = operation.parts
        if len(attributes.content) < self._limits.values and self._limits.final_star:
            return operation  # too short for so many values
        changed = [shown for attribute in attributes.parts for shown in self._attribute(attribute)]
        if wanted and not self._limits.final_star and not any(b";range=" in one.parts[0].content for one in changed):
            changed.append(_join(_SEQUENCE, [Element(_OCTETS, wanted), Element(_SET, b"")]))
        return _join(_ENTRY, [name, _join(_SEQUENCE, changed)])

    def _attribute(self, attribute: Element) -> list[Element]:
        kind, values = attribute.parts
        found = _RANGE.fullmatch(kind.content)
        if found:
            full = len(values.parts) == self._limits.values
            if found[3] == b"*" and full and not self._limits.final_star:
                last = int(found[2]) + self._limits.values - 1
                name = b"%s;range=%d-%d" % (found[1], int(found[2]), last)
                return [_join(_SEQUENCE, [Element(_OCTETS, name), values])]
            return [attribute]
        if len(values.content) <= self._limits.values or len(some := values.parts) <= self._limits.values:
            return [attribute]
        first = Element(_OCTETS, b"%s;range=0-%d" % (kind.content, self._limits.values - 1))
        return [
            _join(_SEQUENCE, [kind, Element(_SET, b"")]),
            _join(_SEQUENCE, [first, _join(_SET, some[: self._limits.values])]),
        ]


def _join(tag: int, parts: list[Element]) -> Element:
    return Element(tag, b"".join(part.encode() for part in parts))


def _parse(octets: bytes) -> list[Element]:
    found = []
    position = 0
    while position < len(octets):
        tag, size = octets[position], octets[position + 1]
        position += 2
        if size & 0x80:
            more = size & 0x7F
            size = int.from_bytes(octets[position : position + more], "big")
            position += more
        found.append(Element(tag, octets[position : position + size]))
        position += size
    return found


def _read(plug: socket.socket) -> Element:
    tag, size = _exactly(plug, 2)
    if size & 0x80:
        size = int.from_bytes(_exactly(plug, size & 0x7F), "big")
    return Element(tag, _exactly(plug, size))


def _exactly(plug: socket.socket, size: int) -> bytes:
    octets = bytearray()
    while len(octets) < size:
        some = plug.recv(min(size - len(octets), 1 << 16))
        if not some:
            raise EOFError
        octets += some
    return bytes(octets)
