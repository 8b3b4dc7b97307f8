"""Read the configured sources from one directory server, whole or with the reason why not.

One read uses one server: the first that can be connected and bound to. When it fails in the middle everything is thrown
away and read once more, from the next server if there is one; answers of two servers are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing

import structlog

from syncd.core.finding import Finding
from syncd.core.model import Source
from syncd.core.reads import Answered, DirectoryRead, SourceRead
from syncd.directory.check import check
from syncd.directory.connection import Options
from syncd.directory.expand import expand
from syncd.directory.opening import open_searcher
from syncd.errors import DirectoryError

__all__ = ["Directory", "Options"]

_log = structlog.get_logger(__name__)


class Directory:
    """The directory that says who is a member of what."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def check(self, sources: Collection[Source]) -> Iterator[Finding]:
        """Try connection, TLS, bind, base and every source; give what was found, step by step."""
        return check(self._options, sources)

    def read(self, sources: Collection[Source], *, progress: Callable[[int], None] = lambda _: None) -> DirectoryRead:
        """Read the members of all sources; trouble is in the result, never raised.

        Args:
            sources: groups and filters; each is a key of the result.
            progress: called now and then with the number of entries read so far.
        """
        failures: dict[str, None] = {}
        operations = 0
        urls = list(self._options.urls)
        broken = 0
        while urls and broken < 2:
            try:
                searcher = open_searcher(urls[0], self._options)
            except DirectoryError as error:
                failures[str(error)] = None
                _log.warning("directory.unusable", server=urls[0], error=str(error))
                del urls[0]
                continue
            try:
                with closing(searcher):
                    counter = searcher.counter(self._options.base)
                    reads = expand(searcher, sources, self._options.base, self._options.login_attributes, progress)
                operations += searcher.operations
                return DirectoryRead(
                    answered={"": Answered(searcher.server, counter)}, reads=reads, operations=operations
                )
            except DirectoryError as error:
                operations += searcher.operations
                failures[str(error)] = None
                _log.warning("directory.lost", server=urls[0], error=str(error))
                broken += 1
                urls = [*urls[1:], urls[0]]
        reasons = tuple(failures) or ("no directory server is configured",)
        reads = {
            source: SourceRead(source=source, members={}, complete=False, reasons=reasons)
            for source in dict.fromkeys(sources)
        }
        return DirectoryRead(reads=reads, operations=operations)
