"""Read groups of Open-Xchange, those included that have no rows (ox-facts 1.4: the class GroupStorage of 8.19).

Group 0 is everybody but guests, 2147483647 is all guests. Many contexts are asked about together: which groups there
are, their members, and which of these are users are one statement each, as long as what is asked fits into it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from syncd.core.address import letters
from syncd.core.model import GroupRead
from syncd.openxchange.matching import alike, by_key
from syncd.openxchange.packing import records
from syncd.openxchange.tables import GROUP, GROUP_MEMBER, USER, among
from syncd.openxchange.users import within

EVERYBODY = 0
"""Id of the group of all users but guests, the context's administrator included (ox-behaviour 10)."""
GUESTS = 2**31 - 1
_DIGITS = 10
"""No id has more (INT UNSIGNED)."""
_Named = tuple[int, str]
"""Id and identifier of a stored group."""
_Wanted = dict[int | str, list[str]]
"""What is asked of one context: id, or collation key of a name → the texts that ask for it."""


def read_groups(connection: Connection, asked: Mapping[int, Collection[str]]) -> dict[int, dict[str, GroupRead]]:
    """Give the members of groups by context and what was asked: an id in digits, else a name (`groups.identifier`).

    A name equals an identifier by collation; one that then differs in more than letter case is not taken.
    """
    wanted = {context: _wanted(names) for context, names in asked.items()}
    there, named = _stored(connection, wanted)
    resolved: dict[int, dict[str, int | str]] = {context: {} for context in asked}
    for context, names in asked.items():
        for name in names:
            resolved[context][name] = (
                _by_number(context, int(name), there[context])
                if _number(name)
                else _by_name(context, name, named[context].get(name, ()))
            )
    members = _members(
        connection,
        {
            context: {group for group in groups.values() if isinstance(group, int)}
            for context, groups in resolved.items()
        },
    )
    return {
        context: {name: _read(context, group, members[context]) for name, group in groups.items()}
        for context, groups in resolved.items()
    }


def _number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) <= _DIGITS


def _wanted(names: Collection[str]) -> _Wanted:
    """Give what has rows of that which is asked."""
    wanted: _Wanted = {int(name): [name] for name in names if _number(name)}
    for virtual in (EVERYBODY, GUESTS):
        wanted.pop(virtual, None)
    wanted.update(by_key([name for name in names if not _number(name)]))
    return wanted


def _stored(
    connection: Connection, wanted: Mapping[int, _Wanted]
) -> tuple[dict[int, set[int]], dict[int, dict[str, list[_Named]]]]:
    """Read which groups there are, by context: those of the ids, and those alike a name by that name."""

    def some(values: _Wanted) -> sa.ColumnElement[bool]:
        texts = {key: names for key, names in values.items() if isinstance(key, str)}
        ids = [key for key in values if isinstance(key, int)]
        parts = [among(GROUP.c.id, ids)] if ids else []
        parts += [alike(connection, GROUP.c.identifier, texts)] if texts else []
        return sa.or_(*parts)

    there: dict[int, set[int]] = {context: set() for context in wanted}
    named: dict[int, dict[str, list[_Named]]] = {context: {} for context in wanted}
    for condition in within(wanted, GROUP.c.cid, some):
        for number, cid, text in records(
            connection, (GROUP.c.id, GROUP.c.cid, GROUP.c.identifier), 2, GROUP, condition
        ):
            context, group, identifier = int(cid), int(number), text.decode()
            there[context].add(group)
            for key in by_key([identifier]):
                for name in wanted[context].get(key, ()):
                    named[context].setdefault(name, []).append((group, identifier))
    return there, named


def _by_number(context: int, number: int, there: Collection[int]) -> int | str:
    """Give the id of the group, or why it cannot be read."""
    if number == GUESTS:
        return "it is the group of all guests, who are never given a mailbox"
    if number == EVERYBODY or number in there:
        return number
    return f"there is no group {number} in context {context}"


def _by_name(context: int, name: str, found: Collection[_Named]) -> int | str:
    """Give the id of the group that the name is of, or why it cannot be read."""
    if len(found) > 1:
        which = " and ".join(f"{identifier!r} (id {group})" for group, identifier in sorted(found))
        return f"several groups of context {context} have that name: {which}; write the id instead"
    for group, identifier in found:
        if letters(identifier) == letters(name):
            return group
        return f"there is no group {name!r} in context {context}; {identifier!r} (id {group}) is spelled otherwise"
    return f"there is no group {name!r} in context {context}"


def _read(context: int, group: int | str, members: Mapping[int, Collection[int]]) -> GroupRead:
    """Give what is known of a group, of which the text says why nothing is."""
    if isinstance(group, str):
        return GroupRead((), group)
    users = tuple(sorted(members.get(group, ())))
    if group == EVERYBODY and not users:
        return GroupRead((), f"there is no user at all in context {context}")
    return GroupRead(users)


def _members(connection: Connection, groups: Mapping[int, Collection[int]]) -> dict[int, dict[int, Collection[int]]]:
    """Read the members of groups by context; guests and ids without a user are left out."""
    stored = {context: frozenset(some) - {EVERYBODY} for context, some in groups.items()}
    listed: dict[int, dict[int, list[int]]] = {context: {} for context in groups}
    columns = (GROUP_MEMBER.c.member, GROUP_MEMBER.c.cid, GROUP_MEMBER.c.id)
    for condition in within(stored, GROUP_MEMBER.c.cid, lambda some: among(GROUP_MEMBER.c.id, some)):
        for user, cid, group in records(connection, columns, 2, GROUP_MEMBER, condition):
            listed[int(cid)].setdefault(int(group), []).append(int(user))
    whole = {context for context, some in groups.items() if EVERYBODY in some}
    people = _people(connection, whole, {c: frozenset().union(*some.values()) for c, some in listed.items()})
    members: dict[int, dict[int, Collection[int]]] = {}
    for context, some in listed.items():
        here = people[context]
        members[context] = {group: [user for user in users if user in here] for group, users in some.items()}
        if context in whole:
            members[context][EVERYBODY] = here
    return members


def _people(
    connection: Connection, whole: Collection[int], ids: Mapping[int, Collection[int]]
) -> dict[int, frozenset[int]]:
    """Give by context those of the ids that are users and no guests, maybe with others; all users of `whole`."""
    found: dict[int, set[int]] = {context: set() for context in ids}
    conditions = [among(USER.c.cid, whole)] if whole else []
    few = {context: some for context, some in ids.items() if context not in whole}
    conditions += within(few, USER.c.cid, lambda some: among(USER.c.id, some))
    for condition in conditions:
        regular = sa.and_(condition, USER.c.guestCreatedBy == 0)
        for user, cid in records(connection, (USER.c.id, USER.c.cid), 1, USER, regular):
            found[int(cid)].add(int(user))
    return {context: frozenset(some) for context, some in found.items()}
