"""Normalised distinguished names: two DNs are the same entry exactly when their normal forms are the same text.

RFC 4514 (escapes), RFC 4517 and 4518 as far as directories apply them to naming attributes: case and runs of blanks
do not matter, blanks around `,`, `+` and `=` do not, the order within a multi-valued RDN does not.

A general parser costs 6 microseconds a name, so plain names (no escape, no blank beside a separator, no `+`) take a
fast path of one regular expression.
"""

from __future__ import annotations

import re
import unicodedata

_TYPE = r"(?:cn|uid|ou|dc|o|c|l)"  # only types with one spelling: `userid=` has to become `uid=`
_TEXT = r"[a-z0-9_.@'()/:-]+(?: [a-z0-9_.@'()/:-]+)*"
_PLAIN = re.compile(f"{_TYPE}={_TEXT}(?:,{_TYPE}={_TEXT})*").fullmatch
_SEPARATOR = re.compile(r"[,;+]")
_HEX = re.compile(r"[0-9a-fA-F]{2}").fullmatch
_OIDS = {  # the short names of RFC 4514 section 3; servers write either
    "2.5.4.3": "cn", "2.5.4.7": "l", "2.5.4.8": "st", "2.5.4.10": "o", "2.5.4.11": "ou", "2.5.4.6": "c",
    "2.5.4.9": "street", "0.9.2342.19200300.100.1.25": "dc", "0.9.2342.19200300.100.1.1": "uid",
    "userid": "uid", "commonname": "cn", "domaincomponent": "dc", "organizationalunitname": "ou",
    "organizationname": "o", "countryname": "c", "localityname": "l", "stateorprovincename": "st",
}  # fmt: skip


class InvalidDN(ValueError):  # noqa: N818 - a state, as the names in syncd.errors
    """The text is not a distinguished name."""


def normalise(dn: str) -> str:
    r"""Give the normal form of a DN.

    >>> normalise("CN=Doe\\, John , OU=People,DC=Example,DC=org")
    'cn=doe\\2c john,ou=people,dc=example,dc=org'

    Raises:
        InvalidDN: the text is no DN (RFC 4514 section 3).
    """
    lowered = dn.lower()
    if _PLAIN(lowered) and dn.isascii():
        return lowered
    return ",".join("+".join(sorted(f"{kind}={value}" for kind, value in rdn)) for rdn in _parse(dn))


def folded(text: str) -> str:
    """Give a text in lower case, letter by letter, as OpenLDAP and others compare names.

    `str.casefold` makes `ß` the same as `ss`, and `str.lower` looks at what stands around a `Σ`: both would take two
    entries that a server keeps apart for one, and one of the two people would lose what both have.
    """
    return text.lower() if text.isascii() else "".join(map(str.lower, text))


def parse(dn: str) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Split a DN into RDNs of (attribute type in lower case, value as text, unescaped and as written).

    Raises:
        InvalidDN: the text is no DN.
    """
    return tuple(tuple((kind, value) for kind, value in rdn) for rdn in _raw(dn))


def lies_in(dn: str, base: str) -> bool:
    """Tell whether a normalised DN is another, or lies below it.

    >>> lies_in("uid=a,dc=x", "dc=x"), lies_in("dc=xx", "dc=x")
    (True, False)
    """
    return f",{dn}".endswith(f",{base}")


def split(dn: str) -> tuple[str, str]:
    """Cut a DN into its first RDN and the rest (its parent), both as written.

    Raises:
        InvalidDN: the text is no DN.
    """
    position = 0
    while position < len(dn):
        if dn[position] == "\\":
            position += 2
            continue
        if dn[position] == '"':
            position = _closing_quote(dn, position)
        elif dn[position] in ",;":
            return _trim(dn[:position]), _trim(dn[position + 1 :])
        position += 1
    return _trim(dn), ""


def _trim(text: str) -> str:
    """Cut blanks at either end, except one that is escaped."""
    cut = text.strip(" ")
    backslashes = len(cut) - len(cut.rstrip("\\"))
    return f"{cut} " if backslashes % 2 and text.endswith(" ") else cut


def _parse(dn: str) -> list[list[tuple[str, str]]]:
    return [[(kind, _canonical(value)) for kind, value in rdn] for rdn in _raw(dn)]


def _raw(dn: str) -> list[list[tuple[str, str]]]:
    if not dn.strip():
        return []
    rdns: list[list[tuple[str, str]]] = [[]]
    position = 0
    while True:
        position, kind, value = _assertion(dn, position)
        rdns[-1].append((kind, value))
        if position >= len(dn):
            return rdns
        if dn[position] in ",;":
            rdns.append([])
        position += 1


def _assertion(dn: str, position: int) -> tuple[int, str, str]:
    """Read `type=value` from `position`; give where it ended, the type and the value."""
    equals = dn.find("=", position)
    if equals < 0:
        raise InvalidDN(f"{dn!r} is no DN: no '=' after position {position}")
    kind = dn[position:equals].strip().lower().removeprefix("oid.")
    if not kind or not re.fullmatch(r"[a-z][a-z0-9-]*|[0-9]+(\.[0-9]+)*", kind):
        raise InvalidDN(f"{dn!r} is no DN: {dn[position:equals]!r} is no attribute type")
    position, value = _value(dn, equals + 1)
    return position, _OIDS.get(kind, kind), value


def _value(dn: str, position: int) -> tuple[int, str]:
    while position < len(dn) and dn[position] == " ":
        position += 1
    if position < len(dn) and dn[position] == '"':
        end = _closing_quote(dn, position)
        inside = dn[position + 1 : end]
        rest = end + 1
        while rest < len(dn) and dn[rest] == " ":
            rest += 1
        if rest < len(dn) and dn[rest] not in ",;+":
            raise InvalidDN(f"text after a quoted value in {dn!r}")
        return rest, _unescape(inside, dn)
    if position < len(dn) and dn[position] == "#":
        match = _SEPARATOR.search(dn, position)
        end = match.start() if match else len(dn)
        return end, _hexstring(dn[position + 1 : end].strip(), dn)
    end = position
    while end < len(dn) and dn[end] not in ",;+":
        end += 2 if dn[end] == "\\" else 1
    if end > len(dn):
        raise InvalidDN(f"a lone backslash ends {dn!r}")
    text = dn[position:end]
    stripped = text.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    if backslashes % 2 and len(stripped) < len(text):
        stripped += " "  # the last blank is escaped
    return end, _unescape(stripped, dn)


def _closing_quote(dn: str, start: int) -> int:
    position = start + 1
    while position < len(dn):
        if dn[position] == "\\":
            position += 1
        elif dn[position] == '"':
            return position
        position += 1
    raise InvalidDN(f"an unclosed quote in {dn!r}")


def _unescape(text: str, dn: str) -> str:
    if "\\" not in text:
        return text
    out = bytearray()
    position = 0
    while position < len(text):
        char = text[position]
        if char != "\\":
            out += _encoded(char)
            position += 1
        elif _HEX(text[position + 1 : position + 3]):
            out.append(int(text[position + 1 : position + 3], 16))
            position += 3
        elif position + 1 < len(text):
            out += _encoded(text[position + 1])
            position += 2
        else:
            raise InvalidDN(f"a lone backslash in {dn!r}")
    return out.decode("utf-8", "surrogateescape")


def _encoded(char: str) -> bytes:
    """Give the octets of a character; one that stands for an octet that is no UTF-8 is that octet."""
    return char.encode("utf-8", "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass")


def _hexstring(digits: str, dn: str) -> str:
    """Decode `#04024869`: BER of a string; the two leading octets are tag and length."""
    try:
        ber = bytes.fromhex(digits)
    except ValueError:
        raise InvalidDN(f"#{digits} is no hexadecimal value in {dn!r}") from None
    if len(ber) >= 2 and ber[1] == len(ber) - 2:
        return ber[2:].decode("utf-8", "surrogateescape")
    return "#" + digits.lower()


def _canonical(value: str) -> str:
    r"""Prepare a value as RFC 4518 does for caseIgnoreMatch, and write what would be ambiguous as `\xx`."""
    text = unicodedata.normalize("NFKC", folded(unicodedata.normalize("NFKC", value)))
    text = " ".join(part for part in text.split(" ") if part)
    return re.sub(r"[,+\"\\<>;=#\x00-\x1f]", lambda match: f"\\{ord(match.group()):02x}", text)
