"""All configured directories as one: each is read from one server, and the answers are put together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from syncd.core.finding import Finding
from syncd.core.model import Source
from syncd.core.reads import Answered, DirectoryRead, Discovery, Search, SourceRead
from syncd.directory.connection import Options
from syncd.directory.directory import Directory

Grow = Callable[[Mapping[Search, Discovery]], Collection[Source]]
"""Gives the sources that follow from what the searches found."""


class Directories:
    """The directories that say who is a member of what, by name ("" where there is one)."""

    def __init__(self, options: Mapping[str, Options]) -> None:
        self._directories = {name: Directory(one) for name, one in options.items()}

    def check(self, sources: Collection[Source]) -> Iterator[Finding]:
        """Try connection, TLS, bind, base and every source; give what was found, step by step."""
        for name, directory in self._directories.items():
            yield from directory.check([source for source in sources if source.directory == name])

    def read(
        self,
        sources: Collection[Source],
        *,
        searches: Collection[Search] = (),
        grow: Grow = lambda _found: (),
        progress: Callable[[int], None] = lambda _: None,
    ) -> DirectoryRead:
        """Read the members of all sources; trouble is in the result, never raised.

        Args:
            sources: each is a key of the result.
            searches: made first; what they found is in the result.
            grow: gives further sources that follow from what was found.
            progress: called now and then with the number of entries read so far.
        """
        del searches, grow
        answered: dict[str, Answered] = {}
        reads: dict[Source, SourceRead] = {}
        operations = 0
        for name, directory in self._directories.items():
            read = directory.read([source for source in sources if source.directory == name], progress=progress)
            answered.update((name, answer) for answer in read.answered.values())
            reads |= read.reads
            operations += read.operations
        return DirectoryRead(answered=answered, reads=reads, operations=operations)
