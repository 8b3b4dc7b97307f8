"""What is sent to servers, octet by octet against ldap3's own encoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3 import DEREF_NEVER, SUBTREE
from ldap3.core.exceptions import LDAPInvalidFilterError
from ldap3.operation.search import search_operation
from ldap3.protocol.convert import build_controls_list
from ldap3.protocol.rfc2696 import paged_search_control
from ldap3.protocol.rfc4511 import LDAPMessage, MessageID, ProtocolOp
from ldap3.utils.asn1 import encode  # type: ignore[attr-defined]

from syncd.directory import request
from syncd.directory.request import page_of, search_filter, search_request
from syncd.directory.search import any_of, escape

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,10}", fullmatch=True)
ITEMS = st.lists(st.tuples(NAMES, st.text(min_size=1, max_size=60)), min_size=1, max_size=50)
OTHERS = (
    "(cn=a)",
    "(objectClass=*)",
    "(|(cn=a*)(cn=b))",
    "(|(cn=a)(cn~=b))",
    "(|(cn=a)(|(cn=b)(cn=c)))",
    "(&(objectClass=group)(memberOf:1.2.840.113556.1.4.1941:=CN=x,DC=y))",
    "(!(nsAccountLock=TRUE))",
    "(ou:dn:=people)",
    "( | (cn= a ) (cn=b) )",
    "(|(2.5.4.3=a)(cn=b))",
    r"(|(cn=\28)(sn=\c3\a4 \2A))",
)


def by_ldap3(number: int, base: str, text: str, names: list[str], page: int = 0, cookie: bytes | None = None) -> bytes:
    """Encode a request as ldap3 does."""
    message = LDAPMessage()
    message["messageID"] = MessageID(number)
    operation = search_operation(
        base, text, SUBTREE, DEREF_NEVER, names, 0, 0, False, auto_escape=False, auto_encode=False
    )
    message["protocolOp"] = ProtocolOp().setComponentByName("searchRequest", operation)
    if page:
        message["controls"] = build_controls_list([paged_search_control(False, page, cookie)])
    octets: bytes = encode(message)
    return octets


@given(ITEMS, st.booleans())
def test_questions_by_name_are_encoded_as_by_ldap3(items: list[tuple[str, str]], twice: bool) -> None:
    """Names with any letters, fifty of them or one, become the same octets."""
    text = any_of([f"({name}={escape(value)})" for name, value in items])
    text = any_of([text, "(cn=x)"]) if twice else text
    assert search_request(7, "dc=x", 2, search_filter(text), ["cn"]) == by_ldap3(7, "dc=x", text, ["cn"])


@pytest.mark.parametrize("text", OTHERS)
def test_other_filters_are_encoded_as_by_ldap3(text: str) -> None:
    """Filters of every other form become the same octets."""
    assert search_request(7, "dc=x", 2, search_filter(text), []) == by_ldap3(7, "dc=x", text, [])


@given(
    st.integers(1, 2**31 - 1),
    st.text(max_size=300),
    st.lists(st.text(max_size=20), max_size=20),
    st.integers(1, 2**31 - 1),
    st.binary(max_size=200),
)
def test_the_frame_is_encoded_as_by_ldap3(number: int, base: str, names: list[str], page: int, cookie: bytes) -> None:
    """Message ids, names and pages of every size become the same octets."""
    octets = search_filter("(cn=a)")
    assert search_request(number, base, 2, octets, names) == by_ldap3(number, base, "(cn=a)", names)
    for one in (cookie, None):
        whole = search_request(number, base, 2, octets, names, page_of(page, one))
        assert whole == by_ldap3(number, base, "(cn=a)", names, page, one)


def test_questions_by_name_do_without_ldap3(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question for fifty names is not taken apart letter by letter, however these are written."""
    parsed: list[str] = []
    parse = request.parse_filter

    def counted(text: str, *more: object) -> object:
        parsed.append(text)
        return parse(text, *more)

    monkeypatch.setattr(request, "parse_filter", counted)
    values = ("c1t2", "Über uns", "a.b@x.org", "*()\\", "日本")
    search_filter(any_of([f"(cn={escape(value)})" for value in values * 10]))
    assert parsed == []
    search_filter("(objectClass=*)")
    assert parsed == ["(objectClass=*)"]


@pytest.mark.parametrize("text", ["", "(", "cn=a", "(|(cn=a)", "(cn=a)(cn=b)"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    """A filter that is not written as RFC 4515 has it is an error of ldap3's kind."""
    with pytest.raises(LDAPInvalidFilterError):
        search_filter(text)
