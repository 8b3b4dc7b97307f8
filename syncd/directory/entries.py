"""What a directory entry is: a person, a group, a stranger of another domain, or not to be told.

Decision table, from top to bottom:

| the entry                                                          | becomes                                       |
|--------------------------------------------------------------------|-----------------------------------------------|
| has the class foreignSecurityPrincipal (Active Directory)          | `Principal`                                   |
| has a group class, member values or a member URL                   | `Group`                                       |
| shows no class, nor what only people have: is hidden               | `Trouble`, since it may be a group            |
| is no user of Active Directory: a computer, a contact, a printer   | `Person`, standing `ignored KIND`             |
| is disabled or expired, and that takes the mailbox away            | `Person`, standing `disabled` or `expired`    |
| is anything else                                                   | `Person`, standing `user`                     |

`Reading` knows what has to be asked for to tell, by the kind of server. Which entries are asked for is the business of
`lookup`, what follows from them that of `expand`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from syncd.core import dn as names
from syncd.core.model import Rule, Source
from syncd.core.reads import Cause, Member
from syncd.core.template import attribute
from syncd.directory.connection import Options
from syncd.directory.groups import GROUP_CLASSES, MEMBER_ATTRIBUTES, Group, group_of, has_members
from syncd.directory.kinds import Kind, Server, sid_text
from syncd.directory.strategy import Entry

_IDS: Mapping[Kind, tuple[str, ...]] = {
    "ad": ("objectGUID",),
    "openldap": ("entryUUID",),
    "389ds": ("entryUUID", "nsUniqueId", "ipaUniqueID"),
    "generic": ("entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID"),
}
_NEVER = frozenset((0, 0x7FFFFFFFFFFFFFFF))  # accountExpires, MS-ADA1 2.1
_EPOCH = 11_644_473_600  # seconds from 1601, where Windows counts from, to 1970
_ACCOUNTDISABLE = 2  # userAccountControl, MS-ADTS 2.2.16
_PERSONAL = ("uid", "employeenumber", "sn", "givenname")
"""What tells a person where the class is hidden: groups have addresses too, and logins in Active Directory."""
_CHECKED = ("user", "inetorgperson")
_KNOWN = {"computer": "computer", "contact": "contact", "printqueue": "printer"}  # what AD groups list beside users


class Person(NamedTuple):
    """An entry that is no group."""

    id: str
    dn: str
    key: str
    names: tuple[tuple[str, ...], ...]
    """One tuple for each of `Reading.rules`."""
    standing: str = "user"
    """How it counts: see `core.reads.Proof.values`."""
    contexts: tuple[tuple[str, ...], ...] = ()
    """One tuple for each of `Reading.choosers`."""


class Principal(NamedTuple):
    """An entry that stands for a user or group of another domain (MS-ADSC: class foreignSecurityPrincipal)."""

    dn: str
    key: str
    sid: str


class Trouble(NamedTuple):
    """It is not known whether or what the entry is."""

    reason: str
    cause: Cause = "unreadable"
    standing: str = "not readable"


ABSENT: Final = Trouble("", "missing", "not found")
"""The directory says that there is no such entry."""

Found = Person | Group | Principal | Trouble


def named(found: Found) -> tuple[str, str]:
    """Give normalised DN and DN of what was found; empty texts where that is not known."""
    return ("", "") if isinstance(found, Trouble) else (found.key, found.dn)


class Reading:
    """What one read has to know of entries: for the rules of all its sources, on this kind of server.

    Attributes:
        rules: all different rules of all sources.
        choosers: all different templates that choose a context.
        attributes: to be asked of an entry that may be anything.
        of_people: to be asked where everybody is read: the same without what only groups have, as far as possible.
        present: attributes of which a person has one at least, as far as the rules go.
        unsure: stable ids of people of whom it could not be read whether they are disabled.
        plain: the attribute that alone, unchanged, is all that the rules want of a person; empty where it is more.
    """

    def __init__(self, url: str, server: Server, sources: Collection[Source], options: Options, now: float) -> None:
        self.url = url
        self.server = server
        default = options.rules or default_rules(server.kind)
        self._of: dict[Source, tuple[Rule, ...]] = {source: source.rules or default for source in sources}
        self.rules = tuple(dict.fromkeys(rule for rules in self._of.values() or (default,) for rule in rules))
        self.choosers = tuple(dict.fromkeys(one.chooser for one in sources if one.chooser is not None))
        self._checks = _checks(server.kind, options)
        self._now = now
        self.unsure: set[str] = set()
        templates = [template for rule in self.rules for template in rule.templates]
        wanted = dict.fromkeys(name for one in templates for name in sorted(one.attributes))
        chosen = dict.fromkeys(name for one in self.choosers for name in sorted(one.attributes))
        self.present = tuple(wanted)
        own = tuple(dict.fromkeys((*wanted, *chosen)))
        ids, groups = _IDS[server.kind], MEMBER_ATTRIBUTES[server.kind]
        self.attributes = tuple(_once(("objectClass", *ids, *groups, *self._checks, *own)))
        impersonal = wanted.keys().isdisjoint(_PERSONAL)
        classes = ("objectClass",) if server.kind == "ad" else (*groups, *(("objectClass",) if impersonal else ()))
        self.of_people = tuple(_once((*ids, *classes, *self._checks, *own)))
        single = templates[0].attribute if len(templates) == 1 and not self.choosers and not self._checks else None
        self.plain = (
            single if single is not None and single not in _OCTETS and server.kind != "ad" and not impersonal else ""
        )
        self._simple = [
            [template.attribute if template.attribute not in _OCTETS else None for template in rule.templates]
            for rule in self.rules
        ]

    def rules_of(self, source: Source) -> tuple[Rule, ...]:
        """Give the rules that hold for the members of a source."""
        return self._of[source]

    # ------------------------------------------------------------------ entries

    def classify(self, entry: Entry) -> Found:
        """Tell what an entry is, and read what is needed of it; see the module's table."""
        try:
            key = names.normalise(entry.dn)
        except names.InvalidDN as error:
            return Trouble(f"{self.url}: an entry with an unusable name: {error}", "invalid")
        if key == entry.dn:
            key = entry.dn  # one text instead of two
        attributes = entry.attributes
        classes = [str(value, "ascii", "replace").lower() for value in attributes.get("objectclass", ())]
        if "foreignsecurityprincipal" in classes:
            return Principal(entry.dn, key, _sid(attributes, entry.dn))
        if has_members(attributes, classes) or not GROUP_CLASSES.isdisjoint(classes):
            expands = self.server.kind in {"openldap", "generic"}
            return group_of(entry, key, stable_id(attributes, key), classes, self.url, expands=expands)
        if not self.shows_person(attributes, classes):
            return Trouble(f"{self.url}: {entry.dn}: its class may not be read, so it may be a group", "unreadable")
        return self.person(entry, key, classes)

    def shows_person(self, attributes: Collection[str], classes: Collection[str]) -> bool:
        """Tell whether an entry, which is no group by what it shows, shows enough to be none."""
        return bool(classes) or (self.server.kind != "ad" and any(name in attributes for name in _PERSONAL))

    def person(self, entry: Entry, key: str, classes: Collection[str] = ()) -> Person:
        """Read an entry that is no group."""
        dn, attributes = entry
        texts: Mapping[str, tuple[str, ...]] | None = None
        found: list[tuple[str, ...]] = []
        for rule, simple in zip(self.rules, self._simple, strict=True):
            values: tuple[str, ...] = ()
            for template, name in zip(rule.templates, simple, strict=True):
                if name is not None:
                    values += tuple(map(_text, attributes.get(name, ())))
                else:
                    texts = texts if texts is not None else as_text(attributes)
                    values += template.values(texts)
            found.append(values if len(values) < 2 else tuple(dict.fromkeys(values)))
        contexts: tuple[tuple[str, ...], ...] = ()
        if self.choosers:
            texts = texts if texts is not None else as_text(attributes)
            contexts = tuple(chooser.values(texts) for chooser in self.choosers)
        standing = self._standing(attributes, classes) if self._checks or self.server.kind == "ad" else "user"
        stable = stable_id(attributes, key)
        if standing == "user" and "userAccountControl" in self._checks and "useraccountcontrol" not in attributes:
            self.unsure.add(stable)
        return Person(stable, dn, key, tuple(found), standing, contexts)

    def _standing(self, attributes: Mapping[str, list[bytes]], classes: Collection[str]) -> str:
        if self.server.kind == "ad" and classes and ("computer" in classes or not any(c in classes for c in _CHECKED)):
            known = [_KNOWN[name] for name in classes if name in _KNOWN]
            return f"ignored {known[-1] if known else list(classes)[-1]}"
        checks = self._checks
        if "userAccountControl" in checks and _number(attributes, "useraccountcontrol") & _ACCOUNTDISABLE:
            return "disabled"
        if "nsAccountLock" in checks and any(value.lower() == b"true" for value in attributes.get("nsaccountlock", ())):
            return "disabled"
        if "accountExpires" in checks:
            ticks = _number(attributes, "accountexpires")  # of 100 nanoseconds
            if ticks not in _NEVER and ticks / 10_000_000 - _EPOCH <= self._now:
                return "expired"
        return "user"

    def member_maker(self, source: Source) -> MemberMaker:
        """Give what makes members of the source of persons."""
        rules = self.rules_of(source)
        whole = rules == self.rules
        places = () if whole else tuple(self.rules.index(rule) for rule in rules)
        chooser = self.choosers.index(source.chooser) if source.chooser is not None else -1
        return MemberMaker(rules, places, chooser)


class MemberMaker(NamedTuple):
    """Makes the members of one source of what was read for all."""

    rules: tuple[Rule, ...]
    places: tuple[int, ...]
    """Where its rules stand among all; empty = it has all of them, in order."""
    chooser: int
    """Which chooser is its own; -1 = none."""

    def member(self, person: Person, path: tuple[str, ...]) -> Member:
        """Give the member that a person is by way of a path."""
        found = person.names
        chosen = person.contexts[self.chooser] if self.chooser >= 0 else ()
        mine = tuple([found[place] for place in self.places]) if self.places else found
        return Member(person.id, person.dn, person.key, mine, path, self.rules, chosen)


def default_rules(kind: Kind) -> tuple[Rule, ...]:
    """Give how members become users where nothing is configured: by the name people log in with."""
    return (Rule("login", (attribute("sAMAccountName" if kind == "ad" else "uid"),)),)


# --------------------------------------------------------------------------- values


def as_text(attributes: Mapping[str, Iterable[bytes]]) -> dict[str, tuple[str, ...]]:
    """Give an entry's values as text, by attribute name in lower case; objectGUID and objectSid in their usual form."""
    found: dict[str, tuple[str, ...]] = {}
    for name, values in attributes.items():
        base = name.partition(";")[0]
        shown = _OCTETS.get(base, _text)
        found[base] = (*found.get(base, ()), *map(shown, values))
        if base != name:
            found[name] = tuple(map(shown, values))
    return {name: values for name, values in found.items() if values}


def guid_text(octets: bytes) -> str:
    """Write an objectGUID as text (MS-DTYP 2.3.4.3): the first three fields are little-endian.

    >>> guid_text(bytes(range(16)))
    '03020100-0504-0706-0809-0a0b0c0d0e0f'
    """
    if len(octets) != 16:
        return _text(octets).strip("{}").lower()
    h = octets.hex()
    first = f"{h[6:8]}{h[4:6]}{h[2:4]}{h[:2]}"
    return f"{first}-{h[10:12]}{h[8:10]}-{h[14:16]}{h[12:14]}-{h[16:20]}-{h[20:]}"


def stable_id(attributes: Mapping[str, list[bytes]], key: str) -> str:
    """Give what stays when an entry is renamed or moved; `dn:` and the normalised DN where the server gives nothing."""
    for name in ("entryuuid", "objectguid", "nsuniqueid", "ipauniqueid"):
        if values := attributes.get(name):
            return guid_text(values[0]) if name == "objectguid" else str(values[0], "ascii", "replace").lower()
    return f"dn:{key}"


def _text(value: bytes) -> str:
    """Give a value as text; octets that are no UTF-8 show as escapes, for no database could be asked for them."""
    return str(value, "utf-8", "backslashreplace")


def objectsid_text(octets: bytes) -> str:
    """Write an objectSid as text; exports may have it as text already."""
    return _text(octets) if octets.startswith(b"S-") else sid_text(octets)


_OCTETS = {"objectguid": guid_text, "objectsid": objectsid_text}


def _sid(attributes: Mapping[str, list[bytes]], dn: str) -> str:
    """Give the SID of a foreign security principal, which is its name too."""
    if values := attributes.get("objectsid"):
        return _OCTETS["objectsid"](values[0])
    return names.parse(dn)[0][0][1]


def _number(attributes: Mapping[str, list[bytes]], name: str) -> int:
    try:
        return int(attributes[name][0])
    except (KeyError, IndexError, ValueError):
        return 0


def _checks(kind: Kind, options: Options) -> tuple[str, ...]:
    """Give the attributes that tell who is disabled or expired, where that makes a difference."""
    if kind == "ad":
        disabled, expired = options.disabled == "remove", options.expired == "remove"
        return (("userAccountControl",) if disabled else ()) + (("accountExpires",) if expired else ())
    return ("nsAccountLock",) if kind in {"389ds", "generic"} and options.disabled == "remove" else ()


def _once(attributes: Iterable[str]) -> Iterable[str]:
    """Give attribute names without repetition, whatever their letter case."""
    found: dict[str, str] = {}
    for name in attributes:
        found.setdefault(name.lower(), name)
    return found.values()
