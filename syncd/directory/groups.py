"""What a group entry lists: values of every kind of group, ranges joined, member URLs taken apart.

| a value of                        | means                                                                       |
|-----------------------------------|-----------------------------------------------------------------------------|
| `member`                          | the entry with that DN                                                      |
| `uniqueMember`                    | the same, before an optional UID `#'0101'B` (RFC 4517 section 3.3.21)       |
| `memberUid`                       | the person with that uid (RFC 2307)                                         |
| `member;range=0-1499`             | a part of `member`, the rest has to be asked for (MS-ADTS 3.1.1.3.1.3.3)    |
| `memberURL`, or `labeledURI` of a labeledURIObject | what the search finds (RFC 4516)                           |

Where a server evaluates the URLs itself (OpenLDAP's dynlist) it shows the values as members of a class that has none of
its own: then they count and the URL does not. In all other cases both count. A group of UCS names its people twice, as
`uniqueMember` and as `memberUid`: two values, one person.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from syncd.core import dn as names
from syncd.core.reads import Cause
from syncd.directory.kinds import Kind, sid_text
from syncd.directory.search import Query, Refused, Scope, Searcher, first
from syncd.directory.strategy import Entry

_STATIC = frozenset(
    ("groupofnames", "groupofuniquenames", "groupofmembers", "groupofentries", "group", "dynamicgroup",
     "extensibleobject", "ipausergroup", "nestedgroup", "univentiongroup")
)  # fmt: skip
GROUP_CLASSES = (_STATIC - {"extensibleobject"}) | {"posixgroup", "groupofurls"}
_LISTS = ("member", "uniqueMember", "memberUid", "memberURL", "labeledURI")
MEMBER_ATTRIBUTES: Mapping[Kind, tuple[str, ...]] = {
    "ad": ("member", "uniqueMember", "objectSid", "uSNChanged"),
    "openldap": _LISTS,
    "389ds": _LISTS,
    "generic": (*_LISTS, "objectSid"),
}
"""What is asked of an entry that may be a group; Active Directory takes no notice of its own memberUid."""
UID_PREFIX = "memberuid="
READS = 3
"""How often a group in ranges is read before it counts as incomplete."""
_OPTIONAL_UID = re.compile(r"#\s*'[01]*'B\s*$").search
_RANGE = re.compile(r"(member|uniquemember|memberuid);(?:.*;)?range=(\d+)-(\d+|\*)").fullmatch
_SCOPES: Mapping[str, Scope] = {"": "base", "base": "base", "one": "one", "sub": "sub"}


class Problem(NamedTuple):
    """Why something is not complete."""

    reason: str
    cause: Cause


class Group(NamedTuple):
    """A group entry with its member values."""

    id: str
    dn: str
    key: str
    members: dict[str, str]
    """Normalised DN, or `memberuid=VALUE` → the value as written."""
    problems: tuple[Problem, ...]
    """Why `members` may not be all of them."""
    counts: Mapping[str, int]
    """Values that are not in `members`, by class (see `core.reads.Proof.values`)."""
    urls: tuple[str, ...]
    """To be searched."""
    part: Entry | None
    """The entry, where a range of its members is not the last."""
    ranges: int
    """Answers with a range that make up `members`."""
    sid: str | None
    """Of Active Directory: its objectSid as text."""
    principal: bool
    """Whether it has the class `group` of Active Directory, and so a SID."""


class MemberUrl(NamedTuple):
    """A search for members."""

    base: str
    scope: Scope
    filter: str


class InvalidUrl(ValueError):  # noqa: N818 - a state, as InvalidDN
    """The text is no member URL that can be evaluated here; `cause` says why."""

    def __init__(self, message: str, cause: Cause = "invalid") -> None:
        super().__init__(message)
        self.cause: Cause = cause


def has_members(attributes: Mapping[str, list[bytes]], classes: Collection[str]) -> bool:
    """Tell whether an entry lists members, whatever its classes say."""
    if "member" in attributes or "uniquemember" in attributes or "memberuid" in attributes or "memberurl" in attributes:
        return True
    if any(";" in name and _RANGE(name) for name in attributes):
        return True
    return "labeleduri" in attributes and "labeleduriobject" in classes and any(_labeled(attributes))


def group_of(entry: Entry, key: str, stable: str, classes: Collection[str], server: str, *, expands: bool) -> Group:
    """Read the values of a group entry, as far as they are in it.

    Args:
        entry: as read.
        key: its normalised DN.
        stable: its stable id.
        classes: its object classes in lower case.
        server: for messages.
        expands: the server may have put what member URLs find among the members.
    """
    attributes = entry.attributes
    members: dict[str, str] = {}
    problems: dict[Problem, None] = {}
    counts: dict[str, int] = {}
    part, ranges = False, 0
    for name, values in attributes.items():
        kind, _, options = name.partition(";")
        if match := _RANGE(name) if options else None:
            ranges += 1
            if match[3] != "*":
                part = True
                text = f"the server gave only a part of its members ({name})"
                problems[Problem(f"{server}: group {entry.dn}: {text}", "range")] = None
        if kind in {"member", "uniquemember"}:
            for raw in values:
                _add_name(raw, kind, members, counts, problems, f"{server}: group {entry.dn}")
        elif kind == "memberuid":
            for raw in values:
                written = str(raw, "utf-8", "surrogateescape")
                members[UID_PREFIX + written] = written
    urls = [str(raw, "utf-8", "surrogateescape") for raw in attributes.get("memberurl", ())]
    if "labeleduriobject" in classes:
        urls += _labeled(attributes)
    listing = not _STATIC.isdisjoint(classes) or "posixgroup" in classes
    if expands and members and not listing and not {"groupofurls", "labeleduriobject"}.isdisjoint(classes):
        urls = []
    sids = attributes.get("objectsid")
    return Group(
        stable, entry.dn, key, members, tuple(problems), counts, tuple(urls), entry if part else None, ranges,
        sid_text(sids[0]) if sids else None, "group" in classes,
    )  # fmt: skip


def _add_name(
    raw: bytes, kind: str, members: dict[str, str], counts: dict[str, int], problems: dict[Problem, None], where: str
) -> None:
    """Take up one value of `member` or `uniqueMember`, as a member or as a count."""
    written = str(raw, "utf-8", "surrogateescape")
    if kind == "uniquemember" and (cut := _OPTIONAL_UID(written)):
        written = written[: cut.start()]
    try:
        member = names.normalise(written)
    except names.InvalidDN as error:
        problems[Problem(f"{where}: a member value is no DN: {error}", "invalid")] = None
        counts["not readable"] = counts.get("not readable", 0) + 1
        return
    if not member:  # the empty DN stands for "nobody" where a class demands a member
        counts["ignored empty"] = counts.get("ignored empty", 0) + 1
    elif member in members:
        counts["ignored repeated"] = counts.get("ignored repeated", 0) + 1
    else:
        members[member] = member if member == written else written


def _labeled(attributes: Mapping[str, list[bytes]]) -> list[str]:
    """Give the searches among the values of `labeledURI`: `URL label`, most of which are web pages (RFC 2079)."""
    texts = (str(raw, "utf-8", "surrogateescape").partition(" ")[0] for raw in attributes.get("labeleduri", ()))
    return [text for text in texts if text.lower().startswith("ldap:///") and "?" in text]


# --------------------------------------------------------------------------- ranges


class _Broken(Exception):  # noqa: N818 - a state
    """The ranges do not fit together; the text says how."""


class Joined(NamedTuple):
    """An entry whose ranges were asked for."""

    entry: Entry
    """Without ranges where all came; else as it was."""
    ranges: int
    trouble: str
    """Why it is not whole; empty when it is."""


def joined(searcher: Searcher, part: Entry) -> Joined:
    """Ask for the rest of an entry of which only a range of values came.

    `uSNChanged` is asked for with every range: when it moves the group changed in between and is read anew, `READS`
    times in all.

    Raises:
        Lost: the connection ended.
    """
    entry, trouble = part, ""
    for attempt in range(READS):
        try:
            if attempt:
                entry = _ask(searcher, part.dn, ("objectClass", *_plain(part)))
            ranged = [name for name in entry.attributes if _RANGE(name)]
            whole = {name: values for name, values in entry.attributes.items() if name not in ranged}
            count = 0
            for name in ranged:
                chunks = [entry.attributes[name], *_rest(searcher, entry, name)]
                count += len(chunks)
                kind = name.partition(";")[0]
                whole[kind] = [*whole.get(kind, ()), *chain.from_iterable(chunks)]
            return Joined(Entry(entry.dn, whole), count, "")
        except (_Broken, Refused) as error:
            trouble = str(error)
    return Joined(part, 0, trouble)


def _plain(part: Entry) -> list[str]:
    """Give the attributes of an entry without options, to ask for them again."""
    return list(dict.fromkeys(name.partition(";")[0] for name in part.attributes if name != "objectclass"))


def _rest(searcher: Searcher, entry: Entry, name: str) -> Iterator[list[bytes]]:
    """Give the ranges of values that follow the range `name` of an entry, to the last."""
    kind, begin, end = _bounds(name)
    if begin:
        raise _Broken(f"its first range is {name}")
    stamp = entry.attributes.get("usnchanged")
    values = entry.attributes[name]
    if end is not None and stamp is None:
        raise _Broken("its uSNChanged may not be read, so a change meanwhile would not be seen")
    while end is not None:
        if len(values) != end - begin + 1:
            raise _Broken(f"{name} has {len(values)} values")
        # The last value once more: a member that is deleted may leave the group without moving uSNChanged, and what
        # follows it would move into the range that came already.
        last, expected = values[-1], end
        got = _ask(searcher, entry.dn, (f"{kind};range={expected}-*", "uSNChanged"))
        if got.attributes.get("usnchanged") != stamp:
            raise _Broken(f"it changed while its members were read, each of {READS} times")
        found = [one for one in got.attributes if (match := _RANGE(one)) and match[1] == kind]
        if len(found) != 1:
            raise _Broken(f"the range after {name} did not come")
        name = found[0]
        _, begin, end = _bounds(name)
        if begin != expected:
            raise _Broken(f"the range that should begin at {expected} begins at {begin}")
        values = got.attributes[name]
        if values[:1] != [last] or end == begin:
            raise _Broken(f"the values moved while they were read, each of {READS} times")
        yield values[1:]


def _bounds(name: str) -> tuple[str, int, int | None]:
    match = _RANGE(name)
    if match is None:
        raise _Broken(f"{name} is no range")
    return match[1], int(match[2]), None if match[3] == "*" else int(match[3])


def _ask(searcher: Searcher, dn: str, attributes: tuple[str, ...]) -> Entry:
    entry = first(searcher.search(Query(dn, "base", "(objectClass=*)", attributes)))
    if entry is None:
        raise _Broken("it cannot be read any more")
    return entry


# --------------------------------------------------------------------------- member URLs


def parse_url(text: str) -> MemberUrl:
    """Take a member URL apart: `ldap:///BASE?ATTRIBUTES?SCOPE?FILTER` (RFC 4516).

    The scope is `base` where none is said, the filter `(objectClass=*)`; attributes say nothing about who is meant.

    Raises:
        InvalidUrl: it is none, or means another server (cause `referral`).
    """
    scheme, colon, rest = text.partition("://")
    if not colon or scheme.lower() not in {"ldap", "ldaps"}:
        raise InvalidUrl(f"{text!r} is no LDAP URL")
    host, _, rest = rest.partition("/")
    if host:
        raise InvalidUrl(f"{text!r} names another server, which is not asked", "referral")
    if re.search("%(?![0-9a-fA-F]{2})", rest):
        raise InvalidUrl(f"{text!r}: a percent sign without two hexadecimal digits")
    parts = [str(unquote_to_bytes(part), "utf-8", "surrogateescape") for part in rest.split("?", 4)]
    base, _, scope, condition, extensions = (*parts, *[""] * (5 - len(parts)))
    try:
        names.normalise(base)
    except names.InvalidDN as error:
        raise InvalidUrl(f"{text!r}: {error}") from None
    if scope.lower() not in _SCOPES:
        raise InvalidUrl(f"{text!r}: {scope!r} is no scope")
    if extensions.startswith("!") or ",!" in extensions:
        raise InvalidUrl(f"{text!r} demands an extension that is not known here")
    return MemberUrl(base, _SCOPES[scope.lower()], condition or "(objectClass=*)")
