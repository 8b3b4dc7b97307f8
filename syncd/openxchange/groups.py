"""Read groups of Open-Xchange, those included that have no rows (ox-facts 1.4: the class GroupStorage of 8.19).

Group 0 is everybody but guests, 2147483647 is all guests. At most three statements, however many groups there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy import Connection

from syncd.core.address import letters
from syncd.core.model import GroupRead
from syncd.openxchange.matching import FEW, alike, by_key
from syncd.openxchange.packing import records
from syncd.openxchange.tables import GROUP, GROUP_MEMBER, USER, among

EVERYBODY = 0
"""Id of the group of all users but guests, the context's administrator included (ox-behaviour 10)."""
GUESTS = 2**31 - 1
_DIGITS = 10
"""No id has more (INT UNSIGNED)."""
_Named = tuple[int, str]
"""Id and identifier of a stored group."""


def read_groups(connection: Connection, context: int, names: Collection[str]) -> dict[str, GroupRead]:
    """Give the members of groups by what was asked: an id in digits, else a name (`groups.identifier`).

    A name equals an identifier by collation; one that then differs in more than letter case is not taken.
    """
    numbers = {name: int(name) for name in names if _number(name)}
    texts = by_key([name for name in names if name not in numbers])
    wanted = frozenset(numbers.values()) - {EVERYBODY, GUESTS}
    by_id, by_name = _stored(connection, context, wanted, texts)
    resolved: dict[str, int | str] = {name: _by_number(context, number, by_id) for name, number in numbers.items()}
    for name in names:
        if name not in numbers:
            resolved[name] = _by_name(context, name, by_name.get(name, []))
    members = _members(connection, context, {group for group in resolved.values() if isinstance(group, int)})
    reads: dict[str, GroupRead] = {}
    for name, group in resolved.items():
        users = members.get(group, []) if isinstance(group, int) else []
        problem = group if isinstance(group, str) else ""
        if group == EVERYBODY and not users:
            problem = f"there is no user at all in context {context}"
        reads[name] = GroupRead(tuple(sorted(users)), problem)
    return reads


def _number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) <= _DIGITS


def _stored(
    connection: Connection, context: int, ids: Collection[int], texts: Mapping[str, list[str]]
) -> tuple[set[int], dict[str, list[_Named]]]:
    """Read which groups there are: those of the ids, and those alike a name by that name."""
    there: set[int] = set()
    named: dict[str, list[_Named]] = {}
    if not ids and not texts:
        return there, named
    asked: list[sa.ColumnElement[bool]] = []
    if len(ids) > FEW:
        asked = [sa.true()]
    else:
        asked += [among(GROUP.c.id, ids)] if ids else []
        asked += [alike(connection, GROUP.c.identifier, texts)] if texts else []
    condition = sa.and_(GROUP.c.cid == context, sa.or_(*asked))
    for number, text in records(connection, (GROUP.c.id, GROUP.c.identifier), 1, GROUP, condition):
        group, identifier = int(number), text.decode()
        there.add(group)
        for key in by_key([identifier]):
            for name in texts.get(key, ()):
                named.setdefault(name, []).append((group, identifier))
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


def _members(connection: Connection, context: int, groups: Collection[int]) -> dict[int, list[int]]:
    """Read the members of groups; guests and ids without a user are left out."""
    stored = set(groups) - {EVERYBODY}
    listed: dict[int, list[int]] = {}
    if stored:
        some = among(GROUP_MEMBER.c.id, stored) if len(stored) <= FEW else sa.true()
        condition = sa.and_(GROUP_MEMBER.c.cid == context, some)
        for user, group in records(connection, (GROUP_MEMBER.c.member, GROUP_MEMBER.c.id), 1, GROUP_MEMBER, condition):
            listed.setdefault(int(group), []).append(int(user))
    people = _people(connection, context, None if EVERYBODY in groups else set().union(*listed.values()))
    members = {group: [user for user in users if user in people] for group, users in listed.items()}
    return {**members, EVERYBODY: list(people)} if EVERYBODY in groups else members


def _people(connection: Connection, context: int, ids: Collection[int] | None) -> frozenset[int]:
    """Give those of the ids that are users and no guests, maybe with others; None = all users."""
    if ids is not None and not ids:
        return frozenset()
    some = among(USER.c.id, ids) if ids is not None and len(ids) <= FEW else sa.true()
    condition = sa.and_(USER.c.cid == context, USER.c.guestCreatedBy == 0, some)
    return frozenset(int(row[0]) for row in records(connection, (USER.c.id,), 0, USER, condition))
