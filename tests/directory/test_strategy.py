"""The decoder of search entries, against ldap3's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp, SearchResultEntry
from pyasn1.codec.ber import encoder

from syncd.directory.search import Query, escape
from syncd.directory.strategy import decode_entry

TEXT = st.text(max_size=200)
VALUES = st.lists(st.one_of(st.binary(max_size=20), st.binary(min_size=120, max_size=300)), min_size=1, max_size=5)
ATTRIBUTES = st.dictionaries(st.from_regex(r"[a-z]{1,12}(;range=0-[0-9])?", fullmatch=True), VALUES, max_size=5)


@given(TEXT, ATTRIBUTES)
def test_what_is_encoded_is_decoded(dn: str, attributes: dict[str, list[bytes]]) -> None:
    """An entry with lengths of every form is decoded to its name and values, attribute names in lower case."""
    entry = SearchResultEntry()
    entry["object"] = dn
    for number, (name, values) in enumerate(attributes.items()):
        entry["attributes"][number]["type"] = name.upper().replace("RANGE", "range")
        for index, value in enumerate(values):
            entry["attributes"][number]["vals"][index] = value
    if not attributes:
        entry["attributes"].clear()
    message = LDAPMessage()
    message["messageID"] = MessageID(7)
    message["protocolOp"] = ProtocolOp().setComponentByName("searchResEntry", entry)
    octets = encoder.encode(message)
    operation = octets.index(b"\x02\x01\x07") + 3
    found = decode_entry(octets[operation:])
    assert found.dn == dn
    assert {name: sorted(values) for name, values in found.attributes.items()} == {
        name: sorted(values) for name, values in attributes.items()
    }


def test_an_attribute_without_values_is_decoded() -> None:
    """An empty set of values, which Active Directory sends beside `member;range=…`, is an empty list at any place."""
    empty, full = b"\x30\x05\x04\x01m\x31\x00", b"\x30\x08\x04\x01a\x31\x03\x04\x01v"
    for attributes in (empty + full, full + empty, empty):
        body = b"\x04\x00\x30" + bytes([len(attributes)]) + attributes
        found = decode_entry(b"\x64" + bytes([len(body)]) + body)
        assert found.attributes == {"m": [], **({"a": [b"v"]} if full in attributes else {})}


@given(st.text())
def test_escaped_values_have_no_special_characters(value: str) -> None:
    """An escaped assertion value cannot end its item, and means the same octets."""
    text = escape(value)
    assert not set(text) & set("()*\0 ")
    assert text.isascii() or value.isalnum()
    octets, position = bytearray(), 0
    while position < len(text):
        step = 3 if text[position] == "\\" else 1
        octets += bytes.fromhex(text[position + 1 : position + 3]) if step == 3 else text[position].encode()
        position += step
    assert bytes(octets) == value.encode()


def test_long_filters_are_shortened_in_messages() -> None:
    """A question with fifty alternatives is named in a line that can be read."""
    text = str(Query("dc=x", "sub", "(|" + "(uid=someone)" * 50 + ")", ("uid",)))
    assert len(text) < 120
    assert "653 characters" in text
