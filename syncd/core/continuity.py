"""Whether the world read now continues the one read last time.

Keeps rule 7 (another directory server, or one whose change counter went back, makes removals wait for a second complete
read) and settles what a run that died left open in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from syncd.core.model import Observed


def wait_reason(last: tuple[str, str | None] | None, server: str, counter: str | None) -> str | None:
    """Say why removals wait for another complete read; None = they do not.

    Args:
        last: server and change counter of the last complete read; None, or an empty server, when there was none.
        server: URL of the server read now.
        counter: its change counter now: contextCSN values, blank-separated, one for each replica id.
    """
    if last is None or not last[0] or not server:
        return None
    if server != last[0]:
        return f"read from {server}, the last complete read was from {last[0]}; waits for a second complete read"
    if last[1] and not counter:
        return f"the change counter of {server} is not to be seen any more; waits for a second complete read"
    if last[1] and counter and _went_back(last[1], counter):
        return f"the change counter of {server} went back; waits for a second complete read"
    return None


def partial_wait_reason(
    last: tuple[str, str | None] | None, answers: Mapping[str, tuple[str, str | None]]
) -> str | None:
    """Say why removals wait where not all directories of a mailbox answered; None = they do not.

    Whoever one that answered calls disabled loses the mailbox all the same, so it has to be the server it was.

    Args:
        last: as of `wait_reason`, of all directories together.
        answers: server and change counter by name of the directory, of those that answered.
    """
    if last is None or not last[0]:
        return None
    for name, (server, counter) in answers.items():
        if server not in last[0].split():
            return wait_reason(last, server, None)
        mark = f"#{_plain(name)}/"
        before = " ".join(value for value in (last[1] or "").split() if mark in value)
        now = qualified(counter, name) if counter is not None else None
        if (reason := wait_reason((server, before), server, now)) is not None:
            return reason
    return None


def qualified(counter: str, directory: str) -> str:
    """Write the counter of one of several directories so that its replicas are told apart from those of another."""
    name = _plain(directory)
    stamps = (parts for value in counter.split() if len(parts := value.split("#")) == 4)
    return " ".join(f"{time}#{count}#{name}/{replica}#{mod}" for time, count, replica, mod in stamps)


def _plain(directory: str) -> str:
    return "_".join(re.split(r"[\s#]+", directory))  # both would cut the counter into pieces


def _went_back(before: str, now: str) -> bool:
    """Compare contextCSN values (`time#count#replica#mod`, RFC draft-chu-ldap-csn) replica by replica."""
    old, new = _by_replica(before), _by_replica(now)
    return any(replica not in new or new[replica] < stamp for replica, stamp in old.items())


def _by_replica(counter: str) -> dict[str, str]:
    stamps: dict[str, str] = {}
    for value in counter.split():
        parts = value.split("#")
        replica = parts[2] if len(parts) == 4 else ""
        stamps[replica] = max(stamps.get(replica, ""), value)
    return stamps


def settle(
    op: str, account: int, new: Mapping[str, object] | None, stored: Iterable[Observed]
) -> Literal["applied", "abandoned"]:
    """Decide what became of a change whose run died between writing it and noting it.

    | change | stored now                          | became    |
    |--------|-------------------------------------|-----------|
    | create | the account id that was reserved    | applied   |
    | create | not that id                         | abandoned |
    | delete | not that id any more                | applied   |
    | delete | still that id                       | abandoned |
    | update | that id, with all of the new values | applied   |
    | update | (of nothing but passwords) that id, and they are not known to be wrong | applied |
    | update | anything else                       | abandoned |

    Args:
        op: create, update or delete.
        account: the account's id.
        new: the new values by field name, for an update.
        stored: the user's accounts at this address.
    """
    found = next((seen for seen in stored if seen.id == account and seen.secondary), None)
    if op == "delete":
        return "applied" if found is None else "abandoned"
    if found is None:
        return "abandoned"
    if op == "update":
        values = {name: value for name, value in (new or {}).items() if name != "password"}
        right = all(getattr(found.fields, name, None) == value for name, value in values.items())
        if not values:  # the journal keeps no password, so what was to change is not in it
            right = found.password is not False
        return "applied" if right else "abandoned"
    return "applied"
