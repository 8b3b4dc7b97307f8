"""Groups in the groups of a source: through which ones members came, and which of these are listed but not there now.

A nested group that was renamed or removed while the group above still lists it is one value without an entry among
others, and what it brought is gone. Nobody can tell from that read; but that members came through it is remembered, so
it is taken for what it may be: a part of the source that is suddenly empty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping

from syncd.core.dn import InvalidDN, normalise
from syncd.core.model import MailboxRef, Source
from syncd.core.reads import SourceRead


def named(source: Source, group: str) -> str:
    """Give the name by which a source's group with this normalised DN is remembered beside the source itself."""
    return f"{source} > {group}"


def entered(read: SourceRead) -> frozenset[str]:
    """Give the normalised DNs of the groups below the source's own that members came through."""
    paths = {member.path for known in (read.members, read.disabled) for member in known.values()}
    found = set()
    for dn in {dn for path in paths for dn in path[1:]}:
        with contextlib.suppress(InvalidDN):  # a dynamic group's filter
            found.add(normalise(dn))
    return frozenset(found)


def noted(read: SourceRead, names: Collection[str], *, keep: bool) -> dict[str, int]:
    """Give what is to be remembered of the groups of a source: 1 for those that members came through, else 0.

    Args:
        read: what the source yielded, completely.
        names: what is remembered of the mailbox.
        keep: whether those that are listed without an entry stay as they are, since what follows is not done yet.
    """
    now = {named(read.source, group): 1 for group in entered(read)}
    listed = {named(read.source, key) for key in read.dangling} if keep else set()
    first = named(read.source, "")
    return now | {name: 0 for name in names if name.startswith(first) and name not in now and name not in listed}


def lost(ref: MailboxRef, read: SourceRead, counts: Mapping[tuple[MailboxRef, str], int]) -> tuple[str, ...]:
    """Give the groups, as written, that had members at the last complete read and are listed without an entry now.

    Args:
        ref: the mailbox.
        read: what a source of it yielded; of one that is not complete nothing is said.
        counts: how many members each source had at its last complete read, and which of their groups had any.
    """
    if not read.complete:
        return ()
    return tuple(sorted(dn for key, dn in read.dangling.items() if counts.get((ref, named(read.source, key)))))
