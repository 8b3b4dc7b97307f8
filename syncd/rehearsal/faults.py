"""What a rehearsal lets go wrong, and how each is brought about.

Most of them are brought about between the questions to the directory and its answers (`searchers`), so that the reading
code has to notice; a typing error is one of the configuration, and the run meets it as an edited mapping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from syncd.core.model import Mailbox, Source
from syncd.directory.connection import Options
from syncd.directory.directories import Wrap
from syncd.directory.search import Searcher
from syncd.rehearsal import searchers

TRUNCATED = 1
"""Entries that a truncated answer has where nothing is said of it: a group alone is read whole."""
YEARS = timedelta(days=3653)
Mailboxes = Sequence[Mailbox]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a fault may know of the world it strikes."""

    mailboxes: Mailboxes
    options: Mapping[str, Options]
    """How each directory is reached, by name."""

    @property
    def sources(self) -> list[Source]:
        """All sources that are read from a directory, each once."""
        every = (one for box in self.mailboxes for one in (*box.sources, *box.exclude) if one.from_directory)
        return list(dict.fromkeys(every))

    @property
    def exclusions(self) -> list[Source]:
        """Those of them that exclude."""
        return [source for source in self.sources if any(source in box.exclude for box in self.mailboxes)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong; what is not named stays as it is."""

    name: str
    told: str
    """What happens, for people."""
    wrap: Callable[[World], Wrap] | None = None
    options: Callable[[Options], Options] | None = None
    mailbox: Callable[[Mailbox], Mailbox] | None = None
    clock: timedelta = timedelta()
    users: bool = True
    """False = the database has none."""
    accounts: bool = True
    """False = the database has none."""
    needs: Callable[[World], str] = field(default=lambda _world: "")
    """Why there is nothing to rehearse in a world; empty = there is."""


def _wrapping(kind: Callable[[Searcher], Searcher]) -> Callable[[World], Wrap]:
    return lambda _world: kind


def _wrong_base(options: Options) -> Options:
    return replace(options, base=f"ou=typing error,{options.base}")


def _typo(source: Source) -> Source:
    """Change the name of the first attribute of a filter, as a slip of the hand does."""
    if source.kind == "attribute":
        return replace(source, value=f"x{source.value}")
    if source.kind != "filter":
        return source
    return replace(source, value=re.sub(r"\((?=[A-Za-z])([^()&|!]*)\)", r"(x\1)", source.value))


def _with_typo(mailbox: Mailbox) -> Mailbox:
    return replace(mailbox, sources=tuple(map(_typo, mailbox.sources)), exclude=tuple(map(_typo, mailbox.exclude)))


def _directories(world: World) -> str:
    return "" if world.sources else "no source is read from a directory"


def _filters(world: World) -> str:
    every = (one for box in world.mailboxes for one in (*box.sources, *box.exclude))
    found = any(one.kind in {"filter", "attribute"} for one in every)
    return "" if found else "no source is a filter"


FAULTS: tuple[Fault, ...] = (
    Fault(
        name="directory-down",
        told="no server of the directory answers",
        wrap=_wrapping(searchers.Down),
        needs=_directories,
    ),
    Fault(name="wrong-base", told="the base is a typing error", options=_wrong_base, needs=_directories),
    Fault(
        name="truncated",
        told="every answer of the directory ends early, and says so",
        wrap=_wrapping(lambda searcher: searchers.Truncated(searcher, TRUNCATED)),
        needs=_directories,
    ),
    Fault(
        name="range-lost",
        told="of the values of a group only the first range comes",
        wrap=_wrapping(searchers.RangeLost),
        needs=_directories,
    ),
    Fault(
        name="empty-group",
        told="the groups have no members, the filters find nobody",
        wrap=lambda world: lambda searcher: searchers.Emptied(searcher, world.sources),
        needs=_directories,
    ),
    Fault(
        name="empty-exclusion",
        told="the excluding groups have no members, the excluding filters find nobody",
        wrap=lambda world: lambda searcher: searchers.Emptied(searcher, world.exclusions),
        needs=lambda world: "" if world.exclusions else "nothing is excluded",
    ),
    Fault(
        name="acl-hides-members",
        told="no list of members may be read, of nested groups neither",
        wrap=_wrapping(searchers.Hidden),
        needs=_directories,
    ),
    Fault(name="dn-case", told="all DNs come in capitals", wrap=_wrapping(searchers.Shouted), needs=_directories),
    Fault(
        name="ou-moved",
        told="all people are in another branch, and the groups list them there",
        wrap=lambda world: _moving(world, followed=True),
        needs=_directories,
    ),
    Fault(
        name="ou-moved-behind",
        told="all people are in another branch, and the groups list them where they were",
        wrap=lambda world: _moving(world, followed=False),
        needs=_directories,
    ),
    Fault(name="filter-typo", told="the filters name attributes that do not exist", mailbox=_with_typo, needs=_filters),
    Fault(
        name="half-of-users-missing",
        told="every second person is not there",
        wrap=_wrapping(searchers.Halved),
        needs=_directories,
    ),
    Fault(name="clock-jumped", told="it is ten years later", clock=YEARS),
    Fault(name="clock-jumped-back", told="it is ten years earlier", clock=-YEARS),
    Fault(name="database-empty", told="the database has neither users nor accounts", users=False, accounts=False),
    Fault(name="database-other", told="the database has the users and none of the accounts", accounts=False),
)
"""In the order in which they are rehearsed."""


def _moving(world: World, *, followed: bool) -> Wrap:
    """Move people below the base of the directory that a searcher asks; all have one, so the name tells which."""
    bases = {url: options.base for options in world.options.values() for url in options.urls}
    return lambda searcher: searchers.Moved(searcher, bases.get(searcher.server, ""), followed=followed)


def truncated(most: int) -> Fault:
    """Give the fault `truncated` with another number of entries."""
    usual = next(fault for fault in FAULTS if fault.name == "truncated")
    return replace(usual, wrap=_wrapping(lambda searcher: searchers.Truncated(searcher, most)))
