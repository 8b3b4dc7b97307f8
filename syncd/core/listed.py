"""Members that no directory is asked for: groups of Open-Xchange, logins that the configuration lists, pinned users.

Sources give the same `SourceRead` as a group of the directory, so that everything after it treats them alike.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.model import GroupRead, Pin, Rule, Source
from syncd.core.reads import Member, Proof, SourceRead
from syncd.core.template import parse

PINNED = "pin:"
"""How the id of a member begins whom no source names."""
_BY_LOGIN = (Rule("login", (parse("{login}"),)),)
_BY_ID = (Rule("id", (parse("{id}"),)),)


def read_listed(source: Source) -> SourceRead:
    """Give the members of a source of kind `users`: each login is one, whether or not there is such a user."""
    path = (str(source),)
    members: dict[str, Member] = {}
    for login in source.logins:
        key = f"login:{login}"  # no normal form: logins that differ by letter case are two users
        members[key] = Member(key, f"login={_escaped(login)}", key, ((login,),), path, _BY_LOGIN)
    values = {"user": len(members)}
    return SourceRead(
        source=source, members=members, complete=True, proof=Proof(identity="configuration", values=values)
    )


def read_group(source: Source, groups: Mapping[str, GroupRead]) -> SourceRead:
    """Give the members of a source of kind `ox_group`.

    Args:
        source: its `value` is id or name of the group, its `context` is known.
        groups: what the store gave for the groups of that context.
    """
    group = groups[source.value]
    path = (str(source),)
    members: dict[str, Member] = {}
    for user in group.users:
        key = f"ox:{source.context}/{user}"
        name = f"oxuserid={user}"
        members[key] = Member(key, name, name, ((str(user),),), path, _BY_ID)
    return SourceRead(
        source=source,
        members=members,
        complete=not group.problem,
        reasons=(group.problem,) if group.problem else (),
        causes=frozenset(("missing",)) if group.problem else frozenset(),
        proof=Proof(server="Open-Xchange", identity="database", groups=1, values={"user": len(members)}),
    )


def pinned(pin: Pin) -> Member:
    """Give the member that stands for a user whom a person has given a mailbox."""
    key, name = f"{PINNED}{pin.user}", f"oxuserid={pin.user}"
    return Member(key, name, name, ((str(pin.user),),), (f"pinned by {pin.by}",), _BY_ID)


def _escaped(value: str) -> str:
    return "".join(f"\\{char}" if char in ',+"\\<>;=# ' else char for char in value)
