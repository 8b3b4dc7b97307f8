"""A group that must be seen: the proof that the bind user's rights are what they were.

A directory whose access rules changed does not refuse; it answers with less: a group that is still there, with its
`member` hidden, is an empty group. Nothing in such an answer tells that it is wrong. A group that is known to have
members and shows none tells it of the whole directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.model import Source
from syncd.core.reads import Cause, Discovery, Search, SourceRead
from syncd.directory.connection import Options
from syncd.directory.foreign import Expansion

_TOLERATED: frozenset[Cause] = frozenset(("foreign", "outside", "depth"))
"""Why its read may be incomplete: the group itself was read all the same."""


def watched(options: Options) -> Source | None:
    """Give the group as a source of its directory; None where none must be seen."""
    if options.must_see is None:
        return None
    return Source(kind="group", value=options.must_see, directory=options.name)


def doubt(server: str, read: SourceRead) -> str:
    """Say what is wrong with the group that must be seen; empty when it was seen.

    | the group                                            | then                            |
    |------------------------------------------------------|---------------------------------|
    | has members (disabled ones count), and was read      | all is well                     |
    | the same, but for foreign members or very deep ones  | all is well                     |
    | could not be read, or only in part                   | nothing here is complete        |
    | has no members                                       | nothing here is complete        |
    """
    what = f"{server}: must_see {read.source.value}"
    then = "so nothing that was read from this directory counts as complete; check the rights of the bind user"
    if read.causes - _TOLERATED:
        return f"{what}: was not read ({'; '.join(read.reasons)}), {then}"
    if not read.members and not read.disabled and not read.causes:
        return f"{what}: no member is to be seen, {then}"
    return ""


def doubted(expansion: Expansion, reason: str) -> Expansion:
    """Give what was read as incomplete for a reason."""
    reads = {
        source: replace(read, complete=False, reasons=(*read.reasons, reason), causes=read.causes | {"must_see"})
        for source, read in expansion.reads.items()
    }
    return expansion._replace(reads=reads)


def doubted_searches(found: Mapping[Search, Discovery], reason: str) -> dict[Search, Discovery]:
    """Give what was found as incomplete for a reason."""
    return {
        search: replace(one, complete=False, reasons=(*one.reasons, reason), causes=one.causes | {"must_see"})
        for search, one in found.items()
    }
