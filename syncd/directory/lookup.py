"""Find the directory entries behind member values, with few big questions, and remember them for the whole read.

Decision table for a wanted DN:

| what the directory said                                             | becomes                            |
|---------------------------------------------------------------------|------------------------------------|
| an entry                                                            | what it is (see `entries`)         |
| nothing, and it lies in no naming context of the server             | `Trouble`, outside                 |
| nothing, and a question for this very entry says it is not there    | `ABSENT`                           |
| nothing, and so it said of each of the first `_PROBES` of its kind  | `ABSENT`                           |
| anything else (limit, no access, referral, error)                   | `Trouble`                          |

and for a wanted `memberuid=VALUE`: exactly one entry with that uid: `Person`; none: `ABSENT`; several: `Trouble`.

How many are wanted decides how they are asked for: everybody is read where that takes fewer questions than fifty names
in each (see `everybody`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from syncd.core import dn as names
from syncd.directory.entries import ABSENT, Found, Person, Reading, Trouble
from syncd.directory.everybody import Everybody
from syncd.directory.groups import UID_PREFIX
from syncd.directory.search import (
    AT_ONCE,
    NO_SUCH_OBJECT,
    REFERRAL,
    Query,
    Refused,
    Scope,
    Searcher,
    any_of,
    chunks,
    escape,
    first,
)
from syncd.directory.strategy import Entry

_PROBES = 100  # entries asked for one by one to learn why they were not found
_STRANGE = 10  # parents outside of what the server is known to hold whose children are asked for


class _Family(NamedTuple):
    """Wanted entries with one parent."""

    parent: str
    """As the first of them writes it."""
    wanted: list[tuple[str, str]]
    """Key and filter of each."""


class Lookup:
    """Entries by normalised DN, fetched once each.

    Attributes:
        found: everything that was looked for so far.
        notes: what is worth telling about the reading itself.
        pages: pages of results that came so far.
        server: URL, for messages.
    """

    def __init__(self, searcher: Searcher, reading: Reading, base: str, progress: Callable[[int], None]) -> None:
        self.found: dict[str, Found] = {}
        self.notes: dict[str, None] = {}
        self.pages = 0
        self.server = searcher.server
        self.searcher = searcher
        self.reading = reading
        self.base = base
        self._base_key = names.normalise(base)
        self._contexts = reading.server.contexts
        self._progress = progress
        self._count = 0
        self._everybody = Everybody(self.found, reading)

    # ------------------------------------------------------------------ questions

    def fetch(self, wanted: Mapping[str, str], *, groups: bool = False) -> None:
        """Look for entries by key → value as written; the answers are in `found`, one for every key.

        Args:
            wanted: what to look for.
            groups: whether they are known to be groups, so that nobody has to be read for them.

        Raises:
            Lost: the connection ended.
        """
        missing = {key: written for key, written in wanted.items() if key not in self.found}
        if not groups and len(missing) > self.searcher.bulk_above:
            self._read_everybody(missing)
        by_dn = {key: written for key, written in missing.items() if not key.startswith(UID_PREFIX)}
        by_uid = {key: written for key, written in missing.items() if key.startswith(UID_PREFIX)}
        if self.reading.server.kind == "ad" and self._contexts:
            self._read_names(by_dn)
        else:
            self._read_families(by_dn)
        self._read_uids(by_uid)

    def entries(self, query: Query) -> Iterator[Found]:
        """Give what a query finds, classified, and remember it.

        Raises:
            Refused, Lost: see `Searcher.search`.
        """
        for entry in self.search(query):
            yield self.remember(entry)

    def remember(self, entry: Entry) -> Found:
        """Tell what an entry is, and remember it."""
        found = self.reading.classify(entry)
        return found if isinstance(found, Trouble) else self.found.setdefault(found.key, found)

    def search(self, query: Query) -> Iterator[Entry]:
        """Give the entries that a query finds, as they are.

        Raises:
            Refused, Lost: see `Searcher.search`.
        """
        return chain.from_iterable(self._pages(query))

    def root(self, key: str) -> str | None:
        """Give the naming context that holds a name; None where the server is not known to hold it."""
        return self.reading.server.naming_context(key)

    # ------------------------------------------------------------------ everything at once

    def _read_everybody(self, missing: dict[str, str]) -> None:
        """Read everybody where that pays; take those whom it found out of `missing`."""
        if not self._everybody.pays(missing):
            return
        try:
            if groups := self._everybody.groups_first():
                disguised = [entry.dn for entry in self.search(self._below(groups, ("1.1",)))]
                self._everybody.skip = {names.normalise(name) for name in disguised}
            question, attributes = self._everybody.question(missing)
            self._everybody.keep(self._pages(self._below(question, attributes)), missing)
        except (Refused, names.InvalidDN) as error:
            if not (isinstance(error, Refused) and error.code == REFERRAL):  # where others live is no matter here
                self.notes[f"read in small pieces, since not all could be read at once: {error}"] = None
        for key in [key for key in missing if key in self.found]:
            del missing[key]
        for key, people in self._everybody.uids(missing):
            self.found[key] = self._one(key, people)
            del missing[key]

    # ------------------------------------------------------------------ by name

    def _read_names(self, missing: Mapping[str, str]) -> None:
        """Ask Active Directory for entries by their whole DN, wherever they lie in a naming context."""
        roots: dict[str, dict[str, str]] = defaultdict(dict)
        outside: dict[str, str] = {}
        for key, written in missing.items():
            root = self.root(key)
            (outside if root is None else roots[root])[key] = written
        troubles: dict[str, Trouble] = {}
        for root, asked in roots.items():
            for chunk in chunks(list(asked.items())):
                texts = [f"(distinguishedName={escape(written)})" for _, written in chunk]
                query = Query(root, "sub", any_of(texts), self.reading.attributes)
                troubles.update(self._asked(query, [key for key, _ in chunk]))
        for key, written in outside.items():
            self.found[key] = self._outside(written)
        self._probe({key: written for key, written in missing.items() if key not in self.found}, troubles)

    def _read_families(self, missing: Mapping[str, str]) -> None:
        """Ask for entries by their RDN, fifty in a filter: under their parent, or together what is left of several."""
        families: dict[str, _Family] = {}
        for key, written in missing.items():
            if (question := _assertion(written)) is not None:
                text, parent = question
                family = families.setdefault(names.normalise(parent), _Family(parent, []))
                family.wanted.append((key, text))
        troubles: dict[str, Trouble] = {}
        left: dict[str, list[_Family]] = defaultdict(list)  # by what they can be searched for below together
        strange: list[_Family] = []
        for parent_key, family in families.items():
            root = self._search_root(parent_key)
            if root is None:
                strange.append(family)
                continue
            full = len(family.wanted) // AT_ONCE * AT_ONCE
            troubles |= self._ask(family.parent, "one", family.wanted[:full])
            if full < len(family.wanted):
                left[root].append(_Family(family.parent, family.wanted[full:]))
        for root, several in left.items():
            if len(several) > 1:
                troubles |= self._ask(root, "sub", [one for family in several for one in family.wanted])
            elif len(several[0].wanted) > 1:  # one alone is asked for by name
                troubles |= self._ask(several[0].parent, "one", several[0].wanted)
        troubles |= self._ask_strange(strange, missing)
        self._probe({key: written for key, written in missing.items() if key not in self.found}, troubles)

    def _ask_strange(self, families: Sequence[_Family], missing: Mapping[str, str]) -> dict[str, Trouble]:
        """Ask for entries that the server is not known to hold; without an answer they are not absent."""
        troubles: dict[str, Trouble] = {}
        for family in families[:_STRANGE]:
            troubles |= self._ask(family.parent, "one", family.wanted)
        for family in families[_STRANGE:]:
            for key, _ in family.wanted:
                text = f"{self.server}: {missing[key]}: one of too many entries outside {self.base}"
                troubles[key] = Trouble(text, "outside", "outside")
        if self._contexts:
            for key, written in missing.items():
                if key not in self.found and self._search_root(key) is None:
                    self.found[key] = troubles.get(key) or self._outside(written)
        return troubles

    def _search_root(self, key: str) -> str | None:
        """Give what to search for a name below: the base, or the naming context that holds it."""
        return self.base if names.lies_in(key, self._base_key) else self.root(key)

    def _outside(self, written: str) -> Trouble:
        held = "; ".join(self._contexts)
        text = f"{self.server}: {written}: lies outside of what the server holds ({held})"
        return Trouble(f"{text}; configure the server that holds it as another directory", "outside", "outside")

    def _ask(self, base: str, scope: Scope, wanted: Sequence[tuple[str, str]]) -> dict[str, Trouble]:
        """Ask for entries by key and filter, fifty at a time; give why some may not have come."""
        troubles: dict[str, Trouble] = {}
        for chunk in chunks(wanted):
            query = Query(base, scope, any_of([text for _, text in chunk]), self.reading.attributes)
            troubles |= self._asked(query, [key for key, _ in chunk])
        return troubles

    def _asked(self, query: Query, keys: Sequence[str]) -> dict[str, Trouble]:
        try:
            for _ in self.entries(query):
                pass
        except Refused as error:
            if error.code != NO_SUCH_OBJECT:
                return dict.fromkeys(keys, _trouble(error))
        return {}

    def _probe(self, missing: Mapping[str, str], troubles: Mapping[str, Trouble]) -> None:
        """Ask for what was not found one by one, within reason, to learn whether it is really not there."""
        probed_all_absent = True
        for number, (key, written) in enumerate(missing.items()):
            if number < _PROBES:
                self.found[key] = found = self._probe_one(written)
                probed_all_absent = probed_all_absent and found is ABSENT
            elif trouble := troubles.get(key):
                self.found[key] = trouble
            elif probed_all_absent:
                self.found[key] = ABSENT
            else:
                self.found[key] = Trouble(f"{self.server}: {written}: it is not known whether it exists")

    def _probe_one(self, written: str) -> Found:
        try:
            entry = first(self._pages(Query(written, "base", "(objectClass=*)", self.reading.attributes)))
        except Refused as error:
            return ABSENT if error.code == NO_SUCH_OBJECT else _trouble(error)
        if entry is None:
            return Trouble(f"{self.server}: {written}: not readable for the bind DN")
        # whatever the server calls it: it answered for this name
        return self.reading.classify(entry)

    # ------------------------------------------------------------------ by uid

    def _read_uids(self, missing: Mapping[str, str]) -> None:
        """Ask for the people whom memberUid values mean, fifty in a filter."""
        attributes = tuple(dict.fromkeys((*self.reading.attributes, "uid")))
        for chunk in chunks(list(missing.items())):
            people: dict[str, list[Person]] = defaultdict(list)
            query = self._below(any_of([f"(uid={escape(written)})" for _, written in chunk]), attributes)
            trouble: Trouble | None = None
            try:
                for entry in self.search(query):
                    found = self.reading.classify(entry)
                    if isinstance(found, Person):
                        for value in entry.attributes.get("uid", ()):
                            people[names.folded(str(value, "utf-8", "surrogateescape"))].append(found)
            except Refused as error:
                trouble = _trouble(error)
            for key, written in chunk:
                self.found[key] = trouble or self._one(key, people.get(names.folded(written), []))

    def _one(self, key: str, people: Sequence[Person]) -> Found:
        if not people:
            return ABSENT
        if len(people) == 1:
            return people[0]
        uid = key.removeprefix(UID_PREFIX)
        several = "; ".join(sorted(person.dn for person in people))
        return Trouble(f"{self.server}: memberUid {uid} means several entries: {several}")

    # ------------------------------------------------------------------ asking

    def _below(self, text: str, attributes: tuple[str, ...]) -> Query:
        return Query(self.base, "sub", text, attributes)

    def _pages(self, query: Query) -> Generator[list[Entry], None, None]:
        pages = self.searcher.search(query)
        try:
            for page in pages:
                self.pages += 1
                self._count += len(page)
                self._progress(self._count)
                yield page
        finally:
            if (close := getattr(pages, "close", None)) is not None:
                close()  # at once: nothing else may be asked before


def _trouble(error: Refused) -> Trouble:
    cause = error.cause
    if cause == "referral":
        hint = "configure the server that holds it as another directory"
        return Trouble(f"{error}; {hint}", cause, "outside")
    return Trouble(str(error), cause)


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
