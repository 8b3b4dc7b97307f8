"""Find entries of Active Directory by their security identifiers, as another domain lists them."""

from __future__ import annotations

import re
from collections.abc import Collection

from syncd.core import dn as names
from syncd.directory.entries import Found, Principal, objectsid_text
from syncd.directory.lookup import Lookup
from syncd.directory.search import Query, any_of, chunks

NAME = re.compile(r"<SID=(S-1-[0-9-]+)>", re.IGNORECASE).fullmatch
"""Matches the name by which a SID is asked for instead of a DN ([MS-ADTS] 3.1.1.3.1.2.4)."""
OF_A_DOMAIN = re.compile(r"S-1-5-21-\d+-\d+-\d+-\d+").fullmatch
"""Matches the SID of a user or group of a domain; all others are well-known ([MS-DTYP] 2.4.2.4)."""


def find_by_sid(lookup: Lookup, sids: Collection[str]) -> dict[str, Found]:
    """Give the entries that have some SIDs, fifty asked for in one question; those of no domain are not asked for.

    Raises:
        Refused: the server does not answer whole.
        Lost: the connection ended.
    """
    found: dict[str, Found] = {}
    wanted = sorted(sid for sid in sids if OF_A_DOMAIN(sid))
    base = lookup.root(names.normalise(lookup.base)) or lookup.base
    attributes = tuple(dict.fromkeys((*lookup.reading.attributes, "objectSid")))
    for some in chunks(wanted):
        text = any_of([f"(objectSid={_octets(sid)})" for sid in some])
        for entry in lookup.search(Query(base, "sub", text, attributes)):
            one = lookup.remember(entry)
            if not isinstance(one, Principal):  # which stands for a SID, and is not who has it
                found.update((objectsid_text(value), one) for value in entry.attributes.get("objectsid", ()))
    return found


def _octets(sid: str) -> str:
    r"""Write a SID as an assertion value: its octets ([MS-DTYP] 2.4.2.2), each as `\xx`."""
    _, revision, authority, *parts = sid.split("-")
    octets = bytes((int(revision), len(parts))) + int(authority).to_bytes(6, "big")
    octets += b"".join((int(part) & 0xFFFFFFFF).to_bytes(4, "little") for part in parts)
    return "".join(f"\\{octet:02x}" for octet in octets)
