"""Find the directory entries behind member values, with few big questions, and remember them for the whole read.

Decision table for a wanted DN:

| what the directory said                                             | becomes   |
|---------------------------------------------------------------------|-----------|
| an entry with a group class or a member attribute                   | `Group`   |
| an entry without any class and login: hidden, so maybe a group      | `Trouble` |
| any other entry                                                     | `Person`  |
| nothing, and a question for this very entry says it is not there    | `ABSENT`  |
| nothing, and so it said of each of the first `_PROBES` of its kind  | `ABSENT`  |
| anything else (limit, no access, referral, error)                   | `Trouble` |

and for a wanted `memberuid=VALUE`: exactly one entry with that uid: `Person`; none: `ABSENT`; several: `Trouble`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, NamedTuple, TypeVar

from syncd.core import dn as names
from syncd.directory.search import NO_SUCH_OBJECT, Query, Refused, Searcher, any_of, escape, first
from syncd.directory.strategy import Entry

GROUP_CLASSES = frozenset(
    ("groupofnames", "groupofuniquenames", "groupofmembers", "groupofentries", "posixgroup", "group", "groupofurls")
)
MEMBER_ATTRIBUTES = ("member", "uniqueMember", "memberUid")
UID_PREFIX = "memberuid="
_DN_ATTRIBUTES = ("member", "uniquemember")
_CHUNK = 50  # alternatives in one filter; servers are quadratic in it, 20 to 50 is best (measured with OpenLDAP)
_PROBES = 100  # entries asked for one by one to learn why they were not found
_LONELY = 10  # parents with a single wanted child that are asked for one by one
_OPTIONAL_UID = re.compile(r"#\s*'[01]*'B\s*$").search  # nameAndOptionalUID, RFC 4517 section 3.3.21


T = TypeVar("T")


class Person(NamedTuple):
    """An entry that is no group; the first four fields of `core.model.Member`."""

    id: str
    dn: str
    key: str
    logins: tuple[str, ...]


class Group(NamedTuple):
    """A group entry with its member values."""

    id: str
    dn: str
    key: str
    members: Mapping[str, str]
    """Normalised DN, or `memberuid=VALUE` → the value as written."""
    reasons: tuple[str, ...]
    """Why `members` may not be all of them."""


class Trouble(NamedTuple):
    """It is not known whether or what the entry is."""

    reason: str


ABSENT: Final = Trouble("")
"""The directory says that there is no such entry."""

Found = Person | Group | Trouble


class Lookup:
    """Entries by normalised DN, fetched once each.

    Attributes:
        found: everything that was looked for so far.
        notes: what is worth telling about the reading itself.
    """

    def __init__(
        self, searcher: Searcher, base: str, login_attributes: tuple[str, ...], progress: Callable[[int], None]
    ) -> None:
        self.found: dict[str, Found] = {}
        self.notes: dict[str, None] = {}
        self._searcher = searcher
        self._base = base
        self._base_key = names.normalise(base)
        self._logins = tuple(name.lower() for name in login_attributes)
        self.attributes = ("objectClass", "entryUUID", *MEMBER_ATTRIBUTES, *login_attributes)
        self._progress = progress
        self._count = 0

    # ------------------------------------------------------------------ questions

    def fetch(self, wanted: Mapping[str, str]) -> None:
        """Look for entries by key → value as written; the answers are in `found`, one for every key.

        Raises:
            Lost: the connection ended.
        """
        missing = {key: written for key, written in wanted.items() if key not in self.found}
        if len(missing) > self._searcher.bulk_above:
            self._read_everything(missing)
        by_dn = {key: written for key, written in missing.items() if not key.startswith(UID_PREFIX)}
        by_uid = {key: written for key, written in missing.items() if key.startswith(UID_PREFIX)}
        self._read_chunks(by_dn)
        self._read_uids(by_uid)

    def entries(self, query: Query) -> Iterator[Found]:
        """Give what a query finds, classified, and remember it.

        Raises:
            Refused, Lost: see `Searcher.search`.
        """
        for entry in self._search(query):
            found = self.classify(entry)
            if not isinstance(found, Trouble):
                found = self.found.setdefault(found.key, found)
            yield found

    def classify(self, entry: Entry) -> Found:
        """Tell a group from a person, and read what is needed of it."""
        try:
            key = names.normalise(entry.dn)
        except names.InvalidDN as error:
            return Trouble(f"{self._searcher.server}: an entry with an unusable name: {error}")
        if key == entry.dn:
            key = entry.dn  # one text instead of two
        attributes = entry.attributes
        classes = attributes.get("objectclass", ())
        if any(name.lower() in attributes for name in MEMBER_ATTRIBUTES) or any(
            value.decode("ascii", "replace").lower() in GROUP_CLASSES for value in classes
        ):
            return self._group(entry, key)
        if any(";range=" in name for name in attributes):
            return self._group(entry, key)
        person = self._person(entry, key)
        if not classes and not person.logins:
            server = self._searcher.server
            return Trouble(f"{server}: {entry.dn}: neither its class nor a login may be read, so it may be a group")
        return person

    # ------------------------------------------------------------------ entries

    def _person(self, entry: Entry, key: str) -> Person:
        attributes = entry.attributes
        logins: tuple[str, ...] = ()
        for name in self._logins:
            values = attributes.get(name)
            if values:
                logins += tuple(_login(value) for value in values)
        return Person(_stable_id(attributes, key), entry.dn, key, logins)

    def _group(self, entry: Entry, key: str) -> Group:
        server, members, reasons = self._searcher.server, dict[str, str](), dict[str, None]()
        for name in _DN_ATTRIBUTES:
            for raw in entry.attributes.get(name, ()):
                written = str(raw, "utf-8", "surrogateescape")
                if name == "uniquemember" and (cut := _OPTIONAL_UID(written)):
                    written = written[: cut.start()]
                try:
                    member = names.normalise(written)
                except names.InvalidDN as error:
                    reasons[f"{server}: group {entry.dn}: a member value is no DN: {error}"] = None
                    continue
                if member:  # the empty DN stands for "nobody" where a class demands a member
                    members[member] = member if member == written else written
        for raw in entry.attributes.get("memberuid", ()):
            written = str(raw, "utf-8", "surrogateescape")
            members[UID_PREFIX + written] = written
        for name in entry.attributes:
            if ";range=" in name:
                reasons[f"{server}: group {entry.dn}: the server gave only a part of its members ({name})"] = None
        return Group(_stable_id(entry.attributes, key), entry.dn, key, members, tuple(reasons))

    # ------------------------------------------------------------------ everything at once

    def _read_everything(self, missing: dict[str, str]) -> None:
        """Read all entries with a login attribute and keep the wanted; take those out of `missing`."""
        with_uid = any(key.startswith(UID_PREFIX) for key in missing)
        logins = dict.fromkeys((*self._logins, "uid")) if with_uid else dict.fromkeys(self._logins)
        present = any_of([f"({name}=*)" for name in logins])
        # An unknown class or attribute makes a whole negation undefined (RFC 4511 section 4.5.1.7), so groups that have
        # a login attribute are asked for, not excluded: an OR suffers the unknown.
        classes = "".join(f"(objectClass={name})" for name in sorted(GROUP_CLASSES))
        try:
            disguised = [entry.dn for entry in self._search(self._below(f"(&{present}(|{classes}))", ("1.1",)))]
            skip = {names.normalise(name) for name in disguised}
            people = self._below(present, ("entryUUID", *MEMBER_ATTRIBUTES, *logins))
            uids = self._keep_wanted(self._pages(people), missing, skip)
        except (Refused, names.InvalidDN) as error:
            self.notes[f"read in small pieces, since not all could be read at once: {error}"] = None
            uids = {}
        for key in [key for key in missing if key in self.found]:
            del missing[key]
        for key, written in list(missing.items()):
            if key.startswith(UID_PREFIX) and (people_found := uids.get(names.folded(written))):
                self.found[key] = self._one(key, people_found)
                del missing[key]

    def _keep_wanted(
        self, pages: Iterable[list[Entry]], missing: Mapping[str, str], skip: set[str]
    ) -> dict[str, list[Person]]:
        """Remember the wanted among the entries; give the others that a wanted memberUid may mean, by uid."""
        found, uids = self.found, defaultdict[str, list[Person]](list)
        wanted_uids = {names.folded(written) for key, written in missing.items() if key.startswith(UID_PREFIX)}
        normalise, single = names.normalise, self._logins[0] if len(self._logins) == 1 else ""
        for name, attributes in chain.from_iterable(pages):
            if (dn := missing.get(name, "")) == name:
                key = dn  # one text instead of two, for every member of a big group
            else:
                dn, key = name, normalise(name)
            wanted = key in missing and key not in skip
            if not wanted and (not wanted_uids or key in skip):
                continue
            if "member" in attributes or "uniquemember" in attributes or "memberuid" in attributes:
                continue  # a group with a login attribute; it is asked for by name
            values = attributes.get(single)
            if values is not None and len(values) == 1:
                person = Person(_stable_id(attributes, key), dn, key, (_login(values[0]),))
            else:
                person = self._person(Entry(dn, attributes), key)
            if wanted:
                found[key] = person
            if wanted_uids:
                for value in attributes.get("uid", ()):
                    if (uid := names.folded(str(value, "utf-8", "surrogateescape"))) in wanted_uids:
                        uids[uid].append(person)
        return uids

    # ------------------------------------------------------------------ by name

    def _read_chunks(self, missing: Mapping[str, str]) -> None:
        """Ask for entries by their RDN, fifty in a filter, under their common parent."""
        families: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)  # parent → key → (written DN, filter)
        written_parents: dict[str, str] = {}
        alone: dict[str, str] = {}
        for key, written in missing.items():
            question = _assertion(written)
            if question is None:
                alone[key] = written
                continue
            assertion, parent = question
            parent_key = names.normalise(parent)
            written_parents.setdefault(parent_key, parent)
            families[parent_key][key] = (written, assertion)
        lonely = [parent for parent, children in families.items() if len(children) == 1]
        # key → why nothing was found, where that is not a plain "nothing"
        troubles = self._read_scattered(lonely, families) if len(lonely) > _LONELY else {}
        for parent in lonely:
            alone.update((key, written) for key, (written, _) in families.pop(parent).items())
        for parent_key, children in families.items():
            for chunk in _chunks(list(children.items())):
                query = Query(
                    written_parents[parent_key], "one", any_of([text for _, (_, text) in chunk]), self.attributes
                )
                if reason := self._ask(query):
                    troubles.update((key, reason) for key, _ in chunk)
            alone.update((key, written) for key, (written, _) in children.items() if key not in self.found)
        self._probe({key: written for key, written in alone.items() if key not in self.found}, troubles)

    def _read_scattered(
        self, lonely: list[str], families: Mapping[str, Mapping[str, tuple[str, str]]]
    ) -> dict[str, str]:
        """Ask for entries that each have another parent by their RDN in the whole tree; give why some were not."""
        server, troubles, asked = self._searcher.server, dict[str, str](), dict[str, str]()
        for parent in lonely:
            for key, (written, text) in families[parent].items():
                if f",{parent}".endswith(f",{self._base_key}"):
                    asked[key] = text
                else:
                    troubles[key] = f"{server}: {written}: one of too many entries outside {self._base}"
        for chunk in _chunks(list(asked.items())):
            if reason := self._ask(self._below(any_of([text for _, text in chunk]), self.attributes)):
                troubles.update((key, reason) for key, _ in chunk)
        return troubles

    def _ask(self, query: Query) -> str:
        """Remember what a query finds; give why it is not all, or empty text."""
        try:
            for _ in self.entries(query):
                pass
        except Refused as error:
            return "" if error.code == NO_SUCH_OBJECT else str(error)
        return ""

    def _probe(self, missing: Mapping[str, str], troubles: Mapping[str, str]) -> None:
        """Ask for what was not found one by one, within reason, to learn whether it is really not there."""
        probed_all_absent = True
        for number, (key, written) in enumerate(missing.items()):
            if number < _PROBES:
                self.found[key] = found = self._probe_one(written)
                probed_all_absent = probed_all_absent and found is ABSENT
            elif reason := troubles.get(key):
                self.found[key] = Trouble(reason)
            elif probed_all_absent:
                self.found[key] = ABSENT
            else:
                self.found[key] = Trouble(f"{self._searcher.server}: {written}: it is not known whether it exists")

    def _probe_one(self, written: str) -> Found:
        try:
            entry = first(self._pages(Query(written, "base", "(objectClass=*)", self.attributes)))
        except Refused as error:
            return ABSENT if error.code == NO_SUCH_OBJECT else Trouble(str(error))
        if entry is None:
            return Trouble(f"{self._searcher.server}: {written}: not readable for the bind DN")
        # whatever the server calls it: it answered for this name
        return self.classify(entry)

    # ------------------------------------------------------------------ by uid

    def _read_uids(self, missing: Mapping[str, str]) -> None:
        """Ask for the people whom memberUid values mean, fifty in a filter."""
        attributes = tuple(dict.fromkeys((*self.attributes, "uid")))
        for chunk in _chunks(list(missing.items())):
            people: dict[str, list[Person]] = defaultdict(list)
            query = self._below(any_of([f"(uid={escape(written)})" for _, written in chunk]), attributes)
            reason = ""
            try:
                for entry in self._search(query):
                    found = self.classify(entry)
                    if isinstance(found, Person):
                        for value in entry.attributes.get("uid", ()):
                            people[names.folded(str(value, "utf-8", "surrogateescape"))].append(found)
            except Refused as error:
                reason = str(error)
            for key, written in chunk:
                found_people = people.get(names.folded(written), [])
                self.found[key] = Trouble(reason) if reason else self._one(key, found_people)

    def _one(self, key: str, people: list[Person]) -> Found:
        if not people:
            return ABSENT
        if len(people) == 1:
            return people[0]
        uid = key.removeprefix(UID_PREFIX)
        several = "; ".join(sorted(person.dn for person in people))
        return Trouble(f"{self._searcher.server}: memberUid {uid} means several entries: {several}")

    # ------------------------------------------------------------------ asking

    def _below(self, text: str, attributes: tuple[str, ...]) -> Query:
        return Query(self._base, "sub", text, attributes)

    def _search(self, query: Query) -> Iterator[Entry]:
        return chain.from_iterable(self._pages(query))

    def _pages(self, query: Query) -> Iterator[list[Entry]]:
        for page in self._searcher.search(query):
            self._count += len(page)
            self._progress(self._count)
            yield page


def _stable_id(attributes: Mapping[str, list[bytes]], key: str) -> str:
    values = attributes.get("entryuuid")
    return str(values[0], "ascii", "replace").lower() if values else f"dn:{key}"


def _login(value: bytes) -> str:
    """Give a login as text; octets that are no UTF-8 show as escapes, for no database could be asked for them."""
    return str(value, "utf-8", "backslashreplace")


def _assertion(written: str) -> tuple[str, str] | None:
    """Give the filter for an entry's RDN and the DN of its parent; None where only a question by name will do."""
    if not any(char in written for char in '\\"+;#'):
        rdn, _, parent = written.partition(",")
        kind, _, value = rdn.partition("=")
        return f"({kind.strip()}={escape(value.strip())})", parent.strip()
    rdn, parent = names.split(written)
    parts = names.parse(rdn)[0]
    if not parts or any(value.startswith("#") or not value for _, value in parts):
        return None
    texts = [f"({kind}={escape(value)})" for kind, value in parts]
    return (texts[0] if len(texts) == 1 else f"(&{''.join(texts)})"), parent


def _chunks(items: list[tuple[str, T]]) -> Iterator[list[tuple[str, T]]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
