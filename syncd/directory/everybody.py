"""Read everybody in pages, and keep whom somebody asks for: cheaper than asking by name where many are wanted.

The bulk read goes on as long as its pages bring at least as many wanted entries as the same number of questions by name
would (fifty each), with a few pages' grace; then all in all it costs at most `_GRACE` questions more than either way.
Those who are not wanted now are kept too, up to a limit, for the groups of the next levels may want them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping

from syncd.core import dn as names
from syncd.directory.entries import Found, Person, Reading, stable_id
from syncd.directory.groups import GROUP_CLASSES, UID_PREFIX
from syncd.directory.search import AT_ONCE, any_of
from syncd.directory.strategy import Entry

_GRACE = 2  # pages
_KEPT = 50_000  # unwanted people that are kept at least; 25 MB


class Everybody:
    """The state of the bulk reads of one directory.

    Attributes:
        skip: keys of groups that have what people have, to be asked for by name.
    """

    def __init__(self, found: dict[str, Found], reading: Reading) -> None:
        self.skip: set[str] = set()
        self._found = found
        self._reading = reading
        self._complete = False
        self._tried = 0
        self._uids: Mapping[str, list[Person]] = {}

    def pays(self, missing: Mapping[str, str]) -> bool:
        """Tell whether to try: never again after everybody was read, and each time for twice as many."""
        if self._complete or len(missing) < 2 * self._tried:
            return False
        self._tried = len(missing)
        self._uids = {}
        return True

    def groups_first(self) -> str:
        """Give the filter for groups that look like people; empty where the entries themselves tell."""
        if self._reading.server.kind == "ad" or self.skip:
            return ""
        # An unknown class or attribute makes a whole negation undefined (RFC 4511 section 4.5.1.7), so groups that have
        # a login attribute are asked for, not excluded: an OR suffers the unknown.
        classes = "".join(f"(objectClass={name})" for name in sorted(GROUP_CLASSES))
        present = any_of([f"({name}=*)" for name in self._present(with_uid=True)])
        return f"(&{present}(|{classes}))"

    def question(self, missing: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
        """Give filter and attributes of everybody."""
        with_uid = any(key.startswith(UID_PREFIX) for key in missing)
        present = self._present(with_uid)
        attributes = self._reading.of_people
        if with_uid:
            attributes = tuple(dict.fromkeys((*attributes, "uid")))
        return any_of([f"({name}=*)" for name in present]), attributes

    def keep(self, pages: Generator[list[Entry], None, None], missing: Mapping[str, str]) -> None:
        """Remember the wanted among the entries, and others within reason; stop where it does not pay.

        Raises:
            Refused, Lost: see `Searcher.search`; what came before is remembered.
        """
        wanted_uids = {names.folded(written) for key, written in missing.items() if key.startswith(UID_PREFIX)}
        uids = defaultdict[str, list[Person]](list)
        spare = max(_KEPT, 2 * len(missing))
        hits, counted, whole = 0, 0, True
        for page in pages:
            brought, passed, fresh = self._keep_page(page, missing, wanted_uids, uids, spare > 0)
            hits += brought
            counted += fresh  # what an earlier read kept says nothing about the rest
            spare -= passed
            whole = whole and spare > 0
            if hits < AT_ONCE * (counted - _GRACE):
                pages.close()
                return
        self._complete = whole
        self._uids = uids

    def _keep_page(
        self,
        page: list[Entry],
        missing: Mapping[str, str],
        wanted_uids: set[str],
        uids: Mapping[str, list[Person]],
        keep_others: bool,
    ) -> tuple[int, int, bool]:
        """Remember the people of a page; give how many were wanted, how many others kept, and if anybody was new."""
        found, skip, normalise, person_of = self._found, self.skip, names.normalise, self._person_of
        hits = kept = known = 0
        for name, attributes in page:
            if (dn := missing.get(name, "")) == name:
                key = dn  # one text instead of two, for every member of a big group
            else:
                dn, key = name, normalise(name)
            wanted, new = key in missing, key not in found
            known += not new
            if key in skip or not (wanted_uids or (new and (wanted or keep_others))):
                continue
            person = person_of(dn, key, attributes)
            if person is None:
                continue
            if new and (wanted or keep_others):
                hits += wanted
                kept += not wanted
                found[key] = person
            for uid in _uids(attributes) & wanted_uids if wanted_uids else ():
                hits += not wanted
                uids[uid].append(person)
        return hits, kept, known < len(page)

    def _person_of(self, dn: str, key: str, attributes: dict[str, list[bytes]]) -> Person | None:
        """Give the person that an entry is; None where it is, or may be, a group that has to be asked for by name."""
        if "member" in attributes or "uniquemember" in attributes or "memberuid" in attributes:
            return None
        values = attributes.get(self._reading.plain)
        if values is not None and len(values) == 1 and "memberurl" not in attributes and "labeleduri" not in attributes:
            login = str(values[0], "utf-8", "backslashreplace")
            return Person(stable_id(attributes, key), dn, key, ((login,),))
        if "memberurl" in attributes or any(
            uri.lower().startswith(b"ldap:") for uri in attributes.get("labeleduri", ())
        ):
            return None
        classes = [str(value, "ascii", "replace").lower() for value in attributes.get("objectclass", ())]
        if not GROUP_CLASSES.isdisjoint(classes) or not self._reading.shows_person(attributes, classes):
            return None
        return self._reading.person(Entry(dn, attributes), key, classes)

    def uids(self, missing: Mapping[str, str]) -> Iterator[tuple[str, list[Person]]]:
        """Give the wanted `memberuid=VALUE` with the people that the last read found for them."""
        for key, written in list(missing.items()):
            if key.startswith(UID_PREFIX) and (people := self._uids.get(names.folded(written))):
                yield key, people

    def _present(self, with_uid: bool) -> list[str]:
        names_of = dict.fromkeys((*self._reading.present, "uid")) if with_uid else dict.fromkeys(self._reading.present)
        return list(names_of) or ["objectClass"]


def _uids(attributes: Mapping[str, list[bytes]]) -> set[str]:
    return {names.folded(str(value, "utf-8", "surrogateescape")) for value in attributes.get("uid", ())}
