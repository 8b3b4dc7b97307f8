"""What kind of server answers, and how far it has come: asked of its root DSE (RFC 4512 section 5.1) once a connection.

| the root DSE says                                                   | kind       | source of the fact          |
|---------------------------------------------------------------------|------------|-----------------------------|
| `supportedCapabilities` has 1.2.840.113556.1.4.800                  | `ad`       | MS-ADTS 3.1.1.3.4.3         |
| `vendorName` or `vendorVersion` name 389                            | `389ds`    | RFC 3045; 389-ds-base       |
| `objectClass` or `structuralObjectClass` is OpenLDAProotDSE         | `openldap` | OpenLDAP, rootdse.c         |
| anything else, or nothing may be read                               | `generic`  |                             |

The kind that the configuration names counts more. Other modules decide what follows from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from syncd.core import dn as names
from syncd.directory.connection import Options
from syncd.directory.search import Lost, Query, Refused, Searcher, first

Kind = Literal["ad", "openldap", "389ds", "generic"]

_ACTIVE_DIRECTORY = b"1.2.840.113556.1.4.800"
_ATTRIBUTES = (
    "objectClass", "structuralObjectClass", "namingContexts", "defaultNamingContext", "supportedCapabilities",
    "vendorName", "vendorVersion", "highestCommittedUSN", "dsServiceName", "lastusn",
)  # fmt: skip
_UNABLE = frozenset((3, 11, 51, 52, 80))  # limits, busy, unavailable, other: says nothing about what the server is
_REPLICA_UPDATE_VECTOR = "(&(objectClass=nsTombstone)(nsUniqueId=ffffffff-ffffffff-ffffffff-ffffffff))"
_MAX_CSN = re.compile(r"\{replica (\d+)[^}]*\}\s+[0-9a-f]{20}\s+([0-9a-f]{8})([0-9a-f]{4})[0-9a-f]{4}([0-9a-f]{4})")


class Server(NamedTuple):
    """The server at the other end of a connection."""

    kind: Kind
    contexts: tuple[str, ...]
    """Naming contexts, normalised; empty where it does not say, or is an export."""
    domain_sid: str | None
    """Of Active Directory: the SID of the domain it holds, as text."""
    identity: str
    """Who is bound: the DN, `anonymous`, or the SASL mechanism and identity; empty for an export."""

    def naming_context(self, dn: str) -> str | None:
        """Give the naming context that holds a normalised DN; None where the server is not known to hold it."""
        held = [context for context in self.contexts if names.lies_in(dn, context)]
        return max(held, key=len, default=None)


class Recognised(NamedTuple):
    """What the root DSE, and at most one entry beside it, said."""

    server: Server
    counter: str | None
    """The change counter, see `core.reads.Answered`."""


def recognise(searcher: Searcher, options: Options) -> Recognised:
    """Ask who the server is: two questions at most.

    Raises:
        Lost: the connection ended, or the server is too busy to say what it is, which decides what is read. What it
            refuses to tell is not known, and no error.
    """
    root = _read(searcher, "", _ATTRIBUTES, vital=options.kind == "auto")
    kind = told(root) if options.kind == "auto" else options.kind
    contexts = tuple(names.normalise(text) for text in _texts(root, "namingcontexts") if _is_dn(text))
    identity = searcher.identity
    sid = None
    if kind == "ad":
        domain = next(_texts(root, "defaultnamingcontext"), options.base)
        values = _read(searcher, domain, ("objectSid",)).get("objectsid")
        sid = sid_text(values[0]) if values else None
    server = Server(kind, contexts, sid, identity)
    return Recognised(server, _counter(searcher, server, root, options.base) if identity else None)


def told(root: Mapping[str, list[bytes]]) -> Kind:
    """Tell the kind from a root DSE; see the module's table."""
    vendor = " ".join((*_texts(root, "vendorname"), *_texts(root, "vendorversion"))).lower()
    classes = {text.lower() for name in ("objectclass", "structuralobjectclass") for text in _texts(root, name)}
    if _ACTIVE_DIRECTORY in root.get("supportedcapabilities", ()):
        return "ad"
    if re.search(r"\b389\b", vendor):
        return "389ds"
    return "openldap" if "openldaprootdse" in classes else "generic"


def sid_text(octets: bytes) -> str:
    """Write a security identifier as text (MS-DTYP 2.4.2.1): `S-1-5-21-…`.

    Octets that are none are written in hexadecimal, so that they equal nothing that is one.
    """
    if len(octets) < 8 or len(octets) != 8 + 4 * octets[1]:
        return octets.hex()
    parts = (int.from_bytes(octets[start : start + 4], "little") for start in range(8, len(octets), 4))
    return "-".join(["S", str(octets[0]), str(int.from_bytes(octets[2:8], "big")), *map(str, parts)])


# --------------------------------------------------------------------------- the change counter


def _counter(searcher: Searcher, server: Server, root: Mapping[str, list[bytes]], base: str) -> str | None:
    """Give how far the server has come, in the form of contextCSN; None where it does not say.

    OpenLDAP keeps contextCSN (RFC 4533, draft-chu-ldap-csn) on the suffix entry when syncprov is loaded; 389 Directory
    Server keeps `lastusn` with the USN plug-in, `nsds50ruv` with replication.
    """
    if server.kind == "ad":
        service = "".join(char if char.isalnum() else "-" for char in next(_texts(root, "dsservicename"), "").lower())
        return _joined(_stamp(number, service) for number in _texts(root, "highestcommittedusn"))
    suffix = server.naming_context(names.normalise(base))
    if server.kind == "389ds":
        numbers = [
            _stamp(text, name.partition(";")[2])
            for name in root
            if name.partition(";")[0] == "lastusn"
            for text in _texts(root, name)
        ]
        return _joined(numbers) or (_joined(_update_vector(searcher, suffix)) if suffix else None)
    if suffix is None:
        return None
    return _joined(_texts(_read(searcher, suffix, ("contextCSN",)), "contextcsn"))


def _update_vector(searcher: Searcher, suffix: str) -> Iterable[str]:
    """Give the last change of every replica that 389 Directory Server knows: a CSN is time, number, replica, part."""
    query = Query(suffix, "sub", _REPLICA_UPDATE_VECTOR, ("nsds50ruv",))
    try:
        entry = first(searcher.search(query))
    except Refused:
        return []
    found = (_MAX_CSN.search(text) for text in _texts(entry.attributes if entry else {}, "nsds50ruv"))
    return [f"{one[2]}#{one[3]}#{one[1]}#{one[4]}" for one in found if one]


def _stamp(number: str, replica: str) -> str:
    """Write a plain number as contextCSN is written; nothing where it is none (389 says -1 before the first change)."""
    return f"{int(number):020d}#000000#{replica or 'server'}#000000" if number.isdecimal() else ""


def _joined(stamps: Iterable[str]) -> str | None:
    return " ".join(sorted(stamp for stamp in stamps if stamp)) or None


# --------------------------------------------------------------------------- reading


def _read(
    searcher: Searcher, dn: str, attributes: tuple[str, ...], *, vital: bool = False
) -> Mapping[str, list[bytes]]:
    """Give an entry's attributes; none where it cannot be read.

    Raises:
        Lost: the connection ended; or it is vital, and the server is not able to answer now.
    """
    try:
        entry = first(searcher.search(Query(dn, "base", "(objectClass=*)", attributes)))
    except Refused as error:
        if vital and error.code in _UNABLE:
            raise Lost(str(error)) from None
        return {}
    return entry.attributes if entry else {}


def _texts(attributes: Mapping[str, list[bytes]], name: str) -> Iterator[str]:
    return (value.decode("utf-8", "replace") for value in attributes.get(name, ()))


def _is_dn(text: str) -> bool:
    try:
        return bool(names.normalise(text))
    except names.InvalidDN:
        return False
