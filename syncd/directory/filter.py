"""Evaluate LDAP filters over entries of an export, as a server would.

The text is parsed by ldap3 (RFC 4515). Values are compared as caseIgnoreMatch (RFC 4518: letter case and runs of blanks
do not matter), names as normalised DNs, `memberUid` to the letter. An attribute that an entry lacks makes it false.
Extensible matches (`:=`) are refused: they mean what a server's schema says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from ldap3.core.exceptions import LDAPException
from ldap3.operation import search as ldap3_search
from ldap3.protocol.convert import prepare_filter_for_sending

from syncd.core import dn as names
from syncd.directory.request import taken_apart

Attributes = Mapping[str, list[bytes]]
Predicate = Callable[[Attributes], bool]

_NAME_VALUED = frozenset(
    ("member", "uniquemember", "memberof", "owner", "manager", "seealso", "secretary", "roleoccupant", "entrydn",
     "distinguishedname",
     "creatorsname", "modifiersname", "aliasedobjectname")
)  # fmt: skip
_EXACT = frozenset(("memberuid", "homedirectory", "loginshell", "gecos"))  # caseExact in RFC 2307
_SUPERIORS = {  # servers match the superior classes too, whether or not the entry lists them
    "inetorgperson": ("organizationalperson", "person"),
    "organizationalperson": ("person",),
    "residentialperson": ("person",),
}
_ALIASES = {"commonname": "cn", "surname": "sn", "userid": "uid", "rfc822mailbox": "mail", "gn": "givenname",
            "organizationalunitname": "ou", "organizationname": "o", "domaincomponent": "dc"}  # fmt: skip
_INTEGER = re.compile(r"-?[0-9]{1,1000}").fullmatch  # Python reads no longer ones; they are compared as text


class InvalidFilter(ValueError):  # noqa: N818 - reads as a state, as InvalidDN does
    """The text is no filter, or one that cannot be evaluated without a server."""


def compile_filter(text: str) -> Predicate:
    """Make a predicate over raw attributes (by name in lower case) from a filter.

    Raises:
        InvalidFilter: the text cannot be understood.
    """
    try:
        return _compile(taken_apart(text))
    except (LDAPException, ValueError) as error:  # the latter: an escape that is none
        raise InvalidFilter(str(error)) from None


def comparable(name: str, value: bytes) -> str:
    """Give the form of a value in which equal values are the same text."""
    text = value.decode("utf-8", "surrogateescape")
    if name in _EXACT:
        return text
    if name in _NAME_VALUED:
        try:
            return names.normalise(re.sub(r"#\s*'[01]*'B\s*$", "", text))
        except names.InvalidDN:
            return text
    if text.isascii() and "  " not in text:
        return text.lower().strip(" ")
    return " ".join(part for part in names.folded(unicodedata.normalize("NFKC", text)).split(" ") if part)


def _compile(node: Any) -> Predicate:  # noqa: PLR0911 - one return a kind of filter
    tag = node.tag
    if tag in (ldap3_search.AND, ldap3_search.OR):
        parts = [_compile(element) for element in node.elements]
        if tag == ldap3_search.AND:
            return lambda entry: all(part(entry) for part in parts)
        return lambda entry: any(part(entry) for part in parts)
    if tag == ldap3_search.NOT:
        inner = _compile(node.elements[0])
        return lambda entry: not inner(entry)
    name = str(node.assertion["attr"]).lower().partition(";")[0]
    name = _ALIASES.get(name, name)
    if tag == ldap3_search.MATCH_PRESENT:
        return lambda entry: name in entry or name == "objectclass"
    if tag == ldap3_search.MATCH_EXTENSIBLE:
        raise InvalidFilter("an extensible match (:=) needs a server")
    if tag == ldap3_search.MATCH_SUBSTRING:
        return _substring(name, node.assertion)
    wanted = comparable(name, _octets(node.assertion["value"]))
    if tag == ldap3_search.MATCH_GREATER_OR_EQUAL:
        return _order(name, wanted, 1)
    if tag == ldap3_search.MATCH_LESS_OR_EQUAL:
        return _order(name, wanted, -1)
    if name == "objectclass":
        return lambda entry: wanted in _classes(entry)
    return lambda entry: any(comparable(name, value) == wanted for value in entry.get(name, ()))


def _octets(value: object) -> bytes:
    octets: bytes = prepare_filter_for_sending(value)  # type: ignore[no-untyped-call]
    return octets


def _classes(entry: Attributes) -> set[str]:
    found = {"top"}
    for value in entry.get("objectclass", ()):
        name = comparable("objectclass", value)
        found.add(name)
        found.update(_SUPERIORS.get(name, ()))
    return found


def _substring(name: str, assertion: Mapping[str, Any]) -> Predicate:
    def part(value: Any) -> str:
        text = _octets(value).decode("utf-8", "surrogateescape")
        if name not in _EXACT:
            text = re.sub(" +", " ", names.folded(unicodedata.normalize("NFKC", text)))
        return re.escape(text)

    pattern = ".*".join(
        [
            part(assertion["initial"]) if assertion.get("initial") else "",
            *(part(piece) for piece in assertion.get("any") or ()),
            part(assertion["final"]) if assertion.get("final") else "",
        ]
    )
    matches = re.compile(pattern, re.DOTALL).fullmatch
    return lambda entry: any(matches(comparable(name, value)) for value in entry.get(name, ()))


def _order(name: str, wanted: str, sign: int) -> Predicate:
    def holds(value: bytes) -> bool:
        text = comparable(name, value)
        if _INTEGER(text) and _INTEGER(wanted):
            return (int(text) - int(wanted)) * sign >= 0
        return text >= wanted if sign > 0 else text <= wanted

    return lambda entry: any(holds(value) for value in entry.get(name, ()))
