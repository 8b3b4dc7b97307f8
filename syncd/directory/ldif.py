"""Answer from an LDIF export (RFC 2849) as an LDAP server would.

For trying things out, for tests, and for directories that can only be exported. What `slapcat` and `ldapsearch` write
is read: folded lines, base64, comments, `version:`. An export that says of itself that it was cut short is refused.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from syncd.core import dn as names
from syncd.directory.filter import InvalidFilter, compile_filter
from syncd.directory.search import BAD_FILTER, NO_SUCH_OBJECT, Lost, Query, refusal
from syncd.directory.strategy import Entry

_NAME_OF = re.compile(r"\((?:distinguishedName|entryDN)=", re.IGNORECASE).search
"""Finds the attributes that every server has of every entry, and hardly an export."""


class InvalidLdif(ValueError):  # noqa: N818 - reads as a state, as InvalidDN does
    """The text is no LDIF; `line` is where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Give the entries of an export.

    Raises:
        InvalidLdif: the text breaks RFC 2849, describes changes, or comes from a search that was cut short.
    """
    record: list[tuple[int, str, bytes]] = []
    for number, line in _unfolded(lines):
        if line:
            name, value = _attribute(number, line)
            if name == "version" and not record:
                continue
            record.append((number, name, value))
        elif record:
            yield from _entry(record)
            record = []
    if record:
        yield from _entry(record)


def _unfolded(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Join continued lines, drop comments; end with an empty line."""
    pending, start = b"", 0
    number = 0
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip(b"\r\n")
        if line.startswith(b" "):
            if not start:
                raise InvalidLdif(number, "a continued line follows nothing")
            pending += line[1:]
            continue
        if start and not pending.startswith(b"#"):
            yield start, pending
        pending, start = line, number
    if start and not pending.startswith(b"#"):
        yield start, pending
    yield number, b""


def _attribute(number: int, line: bytes) -> tuple[str, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name:
        raise InvalidLdif(number, f"no 'name: value' but {line[:40].decode('utf-8', 'replace')!r}")
    if value.startswith(b"<"):
        raise InvalidLdif(number, "values from other files (:<) are not read")
    if value.startswith(b":"):
        try:
            value = base64.b64decode(value[1:].strip(), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidLdif(number, f"the value of {name.decode('utf-8', 'replace')} is no base64") from None
    else:
        value = value.lstrip(b" ")
    return name.decode("utf-8", "replace").lower(), value


def _entry(record: list[tuple[int, str, bytes]]) -> Iterator[Entry]:
    number, name, value = record[0]
    if name == "search":  # the tail that ldapsearch writes
        for line, key, result in record:
            if key == "result" and not result.startswith(b"0"):
                raise InvalidLdif(line, f"the export was cut short: {result.decode('utf-8', 'replace')}")
        return
    if name != "dn":
        raise InvalidLdif(number, f"a record begins with {name!r} instead of 'dn'")
    attributes: dict[str, list[bytes]] = {}
    for line, key, octets in record[1:]:
        if key == "changetype":
            raise InvalidLdif(line, "the file describes changes, not entries")
        attributes.setdefault(key.partition(";")[0] if ";range=" not in key else key, []).append(octets)
    try:
        dn = value.decode()
        names.normalise(dn)
    except (UnicodeDecodeError, names.InvalidDN) as error:
        raise InvalidLdif(number, str(error)) from None
    yield Entry(dn, attributes)


class LdifSearcher:
    """An export that can be asked like a server."""

    bulk_above = 200  # one pass over the entries costs less than a few filters
    identity = ""  # nobody has to say who it is

    def __init__(self, entries: Iterable[Entry], server: str) -> None:
        self.server = server
        self.operations = 0
        self._entries: dict[str, Entry] = {}
        self._children: dict[str, list[str]] = defaultdict(list)
        """Keys of the entries below each DN, at one level; a DN that only has descendants is there too."""
        for entry in entries:
            key = names.normalise(entry.dn)
            if key in self._entries:
                raise Lost(f"{server}: {entry.dn} is there twice")
            self._entries[key] = entry
            self._children[_parent(key)].append(key)

    @classmethod
    def load(cls, path: str, url: str) -> LdifSearcher:
        """Read a file.

        Raises:
            Lost: the file cannot be read or is no LDIF; the text names file and line.
        """
        try:
            with Path(path).open("rb") as file:
                return cls(parse(file), url)
        except OSError as error:
            raise Lost(f"{url}: {error.strerror}", hint="check directory.urls") from None
        except InvalidLdif as error:
            raise Lost(f"{path}:{error.line}: {error}") from None

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the entries that match; see `Searcher.search`."""
        self.operations += 1
        try:
            matches = compile_filter(query.filter)
        except InvalidFilter as error:
            raise refusal(self.server, query, BAD_FILTER, str(error)) from None
        try:
            base = names.normalise(query.base)
        except names.InvalidDN as error:
            raise refusal(self.server, query, 34, str(error)) from None
        wanted = {name.lower() for name in query.attributes}
        found = [self._entries[key] for key in self._candidates(query, base)]
        by_name = _NAME_OF(query.filter) is not None
        yield [
            Entry(dn, {name: attributes[name] for name in attributes if _is(name, wanted)})
            for dn, attributes in found
            if matches(_with_name(dn, attributes) if by_name else attributes)
        ]

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _candidates(self, query: Query, base: str) -> list[str]:
        exists = base in self._entries
        if query.scope == "base":
            if not exists:
                raise refusal(self.server, query, NO_SUCH_OBJECT)
            return [base]
        if query.scope == "one":
            children = self._children.get(base, [])
            if not exists and not children:
                raise refusal(self.server, query, NO_SUCH_OBJECT)
            return children
        below = [key for key in self._entries if not base or key == base or key.endswith(f",{base}")]
        if not below:
            raise refusal(self.server, query, NO_SUCH_OBJECT)
        return below


def _with_name(dn: str, attributes: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    return {**attributes, "distinguishedname": [dn.encode()], "entrydn": [dn.encode()]}


def _is(name: str, wanted: set[str]) -> bool:
    return name in wanted or name.partition(";")[0] in wanted


def _parent(key: str) -> str:
    return key.partition(",")[2]  # normal forms write a comma in a value as \2c
