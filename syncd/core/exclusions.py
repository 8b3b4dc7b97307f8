"""Whom exclusions may mean without saying so, by name: the other half of what protects members who are there unread.

| an exclusion has                        | it may mean                                                                |
|-----------------------------------------|----------------------------------------------------------------------------|
| a DN or login without an entry          | whoever has its name: the entry may have moved, and the list not yet       |
| an entry that names no user, or several | whoever has its name and comes from no directory; an entry is another one  |
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from syncd.core.dn import InvalidDN, parse
from syncd.core.reads import Member, SourceRead


def listed(excluded: Iterable[SourceRead]) -> dict[str, str]:
    """Give the names, in folded case, of what exclusions list without an entry → as written."""
    return {
        name.casefold(): written
        for read in excluded
        for key, written in read.dangling.items()
        for name in first_values(key)
    }


def nameless(members: Iterable[Member]) -> dict[str, str]:
    """Give the names, in folded case, of excluded entries of which it is not known whom they mean → their DN."""
    return {name.casefold(): member.dn for member in members for name in names_of(member)}


def names_of(member: Member) -> set[str]:
    """Give what a member is looked for by, and the values of its first RDN."""
    return {name for some in member.names for name in some} | first_values(member.key)


def first_values(dn: str) -> set[str]:
    """Give the values of the first RDN; those of `memberuid=VALUE` too."""
    with contextlib.suppress(InvalidDN):
        return {value for rdn in parse(dn)[:1] for _, value in rdn}
    return {dn.removeprefix("memberuid=")}
