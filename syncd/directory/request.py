"""Write search requests (RFC 4511 sections 4.1.1, 4.5.1 and 5.1; pages: RFC 2696) octet by octet.

ldap3 makes an object of every element and looks at every letter of a filter, and turns the whole request back into text
for its log: a question with fifty names costs it several times what the server takes to answer. Here the frame is
written directly, and so are filters of the form that questions by name have; any other filter is taken apart by ldap3,
for RFC 4515 knows more than is needed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

from ldap3.core.exceptions import LDAPInvalidFilterError
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.asn1 import encode  # type: ignore[attr-defined] # true as RFC 4511 section 5.1 wants it

_PAGED_RESULTS = b"1.2.840.113556.1.4.319"
_NEVER = b"\x0a\x01\x00"  # derefAliases
_UNLIMITED = b"\x02\x01\x00\x02\x01\x00\x01\x01\x00"  # sizeLimit, timeLimit, and typesOnly: false
DEPTH = 50
"""Levels of parentheses in a filter; ldap3 takes filters apart, and writes them, one call within the other."""
_only_stars = re.compile(r"=\*\*+\)").search
_MALFORMED = (IndexError, KeyError, ValueError, TypeError, AttributeError)
_ITEM = r"\(([A-Za-z][A-Za-z0-9-]*)=((?:[A-Za-z0-9._@-]|\\[0-9A-Fa-f]{2})+)\)"
"""An equality whose value is written as `search.escape` does it."""
_items = re.compile(_ITEM).findall
_by_name = re.compile(rf"\(\|(?:{_ITEM})+\)").fullmatch
_escaped = re.compile(r"\\(..)").sub


def search_request(
    number: int, base: str, scope: int, query: bytes, attributes: Iterable[str], controls: bytes = b""
) -> bytes:
    """Give the LDAPMessage that asks for entries, aliases not followed.

    Args:
        number: message id.
        base: DN.
        scope: 0 base, 1 one level, 2 subtree.
        query: from `search_filter`.
        attributes: by name; none = all.
        controls: from `page_of`, or empty.
    """
    wanted = b"".join([_element(0x04, name.encode()) for name in attributes])
    frame = _element(0x04, base.encode("utf-8", "surrogateescape")) + bytes((0x0A, 1, scope)) + _NEVER + _UNLIMITED
    operation = _element(0x63, frame + query + _element(0x30, wanted))
    return _element(0x30, _element(0x02, _integer(number)) + operation + controls)


def page_of(size: int, cookie: bytes | None) -> bytes:
    """Give the controls that ask for a page of `size` entries, the first one without a cookie."""
    value = _element(0x30, _element(0x02, _integer(size)) + _element(0x04, cookie or b""))
    return _element(0xA0, _element(0x30, _element(0x04, _PAGED_RESULTS) + _element(0x04, value)))


def search_filter(text: str) -> bytes:
    """Encode a filter that is written as RFC 4515 has it.

    Raises:
        LDAPExceptionError: it is not written so.
    """
    if not _by_name(text):
        tree = taken_apart(text)
        try:
            whole: bytes = encode(compile_filter(tree))  # type: ignore[no-untyped-call]
        except _MALFORMED:
            raise LDAPInvalidFilterError("malformed filter") from None
        return whole
    return _element(0xA1, b"".join([_element(0xA3, _octets(name) + _octets(value)) for name, value in _items(text, 2)]))


def taken_apart(text: str) -> Any:
    """Give the root of the tree that ldap3 makes of a filter.

    Raises:
        LDAPExceptionError: it is not written as RFC 4515 has it, or nested deeper than `DEPTH`.
    """
    if max(accumulate((char == "(") - (char == ")") for char in text), default=0) > DEPTH:
        raise LDAPInvalidFilterError(f"more than {DEPTH} parentheses within each other")
    if _only_stars(text):
        raise LDAPInvalidFilterError("several asterisks and nothing else; one asks whether there is a value")
    try:
        return parse_filter(text, None, False, False, None, False).elements[0]  # type: ignore[no-untyped-call]
    except _MALFORMED:
        raise LDAPInvalidFilterError("malformed filter") from None


def _octets(text: str) -> bytes:
    r"""Give ASCII text as an octet string, `\xx` as the octet that it stands for."""
    if "\\" in text:
        text = _escaped(lambda match: chr(int(match[1], 16)), text)
    return _element(0x04, text.encode("latin-1"))


def _integer(number: int) -> bytes:
    """Give a whole number from 0 on with a sign bit before it."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content
