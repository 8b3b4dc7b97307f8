"""Read the sources of one directory from one of its servers, whole or with the reason why not.

One read uses one server: the first that can be connected and bound to. When it fails in the middle everything is thrown
away and read once more, from the next server if there is one; answers of two servers are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import structlog

from syncd.core.model import Source
from syncd.core.reads import Answered, Discovery, Search, SourceRead
from syncd.directory.connection import Options
from syncd.directory.discover import discover
from syncd.directory.expand import expand
from syncd.directory.foreign import Expansion
from syncd.directory.kinds import Server, recognise
from syncd.directory.must_see import doubt, doubted, doubted_searches, watched
from syncd.directory.opening import open_searcher
from syncd.directory.search import Searcher
from syncd.errors import DirectoryError

__all__ = ["Directory", "Grow", "Options", "Reading", "Wrap"]

Grow = Callable[[Mapping[Search, Discovery]], Collection[Source]]
"""Gives the sources that follow from what the searches found."""
Wrap = Callable[[Searcher], Searcher]
"""Stands between the questions to a server and its answers, as a rehearsal wants it."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one directory gave, with the connection it came over, which stays open for questions that follow."""

    options: Options
    expansion: Expansion
    discoveries: Mapping[Search, Discovery]
    answered: Answered | None = None
    """None = no server did."""
    server: Server | None = None
    searcher: Searcher | None = None
    doubt: str = ""
    """Why nothing that is read here is complete; empty = it may be."""
    must_see: SourceRead | None = None
    """What was read of the group that must be seen; None where there is none, or no server answered."""
    lost: int = 0
    """Operations on connections that were lost."""

    @property
    def operations(self) -> int:
        """How many LDAP operations were made up to now."""
        return self.lost + (self.searcher.operations if self.searcher is not None else 0)

    def ask(self, questions: Collection[Source], progress: Callable[[int], None]) -> Expansion:
        """Find members that other directories list, over the same connection; nothing at all when it is lost.

        Args:
            questions: group sources, each by DN or `<SID=…>`; what one names may be a person.
            progress: as of `Directory.read`.
        """
        if self.searcher is None or self.server is None:
            return Expansion({}, {})
        try:
            expansion = expand(self.searcher, self.server, questions, self.options, progress, anyone=True)
        except DirectoryError as error:
            _log.warning("directory.lost", server=self.searcher.server, error=str(error))
            return Expansion({}, {})
        return doubted(expansion, self.doubt) if self.doubt else expansion

    def close(self) -> None:
        """Give up the connection."""
        if self.searcher is not None:
            self.searcher.close()


@dataclass(slots=True)
class _Attempts:
    """The servers still to be tried, and what became of the others."""

    urls: list[str]
    failures: dict[str, None] = field(default_factory=dict)
    broken: int = 0
    operations: int = 0


class Directory:
    """One directory that says who is a member of what."""

    def __init__(self, options: Options, wrap: Wrap = lambda searcher: searcher) -> None:
        """Name the directory; `wrap` may stand between its questions and its answers."""
        self.options = options
        self._wrap = wrap

    def read(
        self,
        sources: Collection[Source],
        *,
        searches: Collection[Search] = (),
        grow: Grow = lambda _found: (),
        progress: Callable[[int], None] = lambda _entries: None,
    ) -> Reading:
        """Read the members of all sources; trouble is in the result, never raised. Close the result.

        Args:
            sources: those of this directory; each is a key of the result.
            searches: those of this directory; made first, each is a key of the result.
            grow: gives further sources that follow from what was found; those of other directories are left out.
            progress: called now and then with the number of entries read so far.
        """
        attempts = _Attempts(list(self.options.urls))
        while attempts.urls and attempts.broken < 2:
            searcher = self._open(attempts)
            if searcher is None:
                continue
            try:
                reading = self._read(searcher, sources, searches, grow, progress)
            except DirectoryError as error:
                searcher.close()
                attempts.operations += searcher.operations
                attempts.failures[str(error)] = None
                _log.warning("directory.lost", server=attempts.urls[0], error=str(error))
                attempts.broken += 1
                attempts.urls = [*attempts.urls[1:], attempts.urls[0]]
            except BaseException:
                searcher.close()
                raise
            else:
                return replace(reading, lost=attempts.operations)
        return self._nothing(sources, searches, attempts)

    def _open(self, attempts: _Attempts) -> Searcher | None:
        url = attempts.urls[0]
        try:
            return self._wrap(open_searcher(url, self.options))
        except DirectoryError as error:
            attempts.failures[str(error)] = None
            _log.warning("directory.unusable", server=url, error=str(error))
            del attempts.urls[0]
            return None

    def _read(
        self,
        searcher: Searcher,
        sources: Collection[Source],
        searches: Collection[Search],
        grow: Grow,
        progress: Callable[[int], None],
    ) -> Reading:
        options = self.options
        server, counter = recognise(searcher, options)
        discoveries = {search: discover(searcher, search, options.base) for search in dict.fromkeys(searches)}
        grown = [source for source in grow(discoveries) if source.directory == options.name] if discoveries else []
        watch = watched(options)
        wanted = dict.fromkeys((*sources, *grown))
        asked = wanted if watch is None else {**wanted, watch: None}
        expansion = expand(searcher, server, asked, options, progress)
        reason = ""
        seen = None
        if watch is not None:
            seen = expansion.reads[watch]
            reason = doubt(searcher.server, seen)
            if watch not in wanted:
                expansion.reads.pop(watch)
                expansion.foreign.pop(watch, None)
        return Reading(
            options=options,
            expansion=doubted(expansion, reason) if reason else expansion,
            discoveries=doubted_searches(discoveries, reason) if reason else discoveries,
            answered=Answered(searcher.server, counter),
            server=server,
            searcher=searcher,
            doubt=reason,
            must_see=seen,
        )

    def _nothing(self, sources: Collection[Source], searches: Collection[Search], attempts: _Attempts) -> Reading:
        reasons = tuple(attempts.failures) or ("no directory server can be used",)
        if self.options.name:
            reasons = tuple(f"directory {self.options.name}: {reason}" for reason in reasons)
        unread = {source: unread_source(source, reasons) for source in dict.fromkeys(sources)}
        discoveries = {
            search: Discovery(complete=False, reasons=reasons, causes=frozenset(("connection",)))
            for search in dict.fromkeys(searches)
        }
        return Reading(
            options=self.options,
            expansion=Expansion(unread, {}),
            discoveries=discoveries,
            lost=attempts.operations,
        )


def unread_source(source: Source, reasons: tuple[str, ...]) -> SourceRead:
    """Give the read of a source that nobody could be asked for."""
    return SourceRead(source=source, members={}, complete=False, reasons=reasons, causes=frozenset(("connection",)))
