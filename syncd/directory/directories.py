"""All configured directories as one: each is read from one server, at the same time, and asked for the others' members.

First every directory that a source or search names is read, in a thread of its own: one that is dead costs no more than
its timeout. Then members that a directory lists but does not hold are asked for in the others (`foreign`), which may
list such members in turn. Connections stay open until there is no question left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

from syncd.core.finding import Finding
from syncd.core.model import Source
from syncd.core.reads import DirectoryRead, Discovery, Search, SourceRead
from syncd.directory.check import named, usable, verdicts
from syncd.directory.connection import Options
from syncd.directory.directory import Directory, Grow, Reading, Wrap, unread_source
from syncd.directory.foreign import Expansion, Inquiry

__all__ = ["Directories", "Grow", "Wrap"]

Value = TypeVar("Value")


class Directories:
    """The directories that say who is a member of what, by name ("" where there is one)."""

    def __init__(self, options: Mapping[str, Options], wrap: Wrap = lambda searcher: searcher) -> None:
        """Name them; `wrap` may stand between all their questions and answers."""
        self._options = dict(options)
        self._wrap = wrap

    def check(
        self,
        sources: Collection[Source],
        *,
        searches: Collection[Search] = (),
        grow: Grow = lambda _found: (),
    ) -> tuple[list[Finding], DirectoryRead]:
        """Try every server of every directory, and read the sources as a run does, once.

        Args:
            sources: as of `read`.
            searches: as of `read`.
            grow: as of `read`.

        Returns:
            What was found, step by step, in the order of the steps; and the read, so that nobody has to make another.
        """
        findings: dict[str, list[Finding]] = {}
        working: dict[str, Options] = {}
        with ThreadPoolExecutor(max(1, len(self._options))) as pool:
            for name, (found, options) in zip(self._options, pool.map(usable, self._options.values()), strict=True):
                findings[name] = found
                working[name] = options
        round_ = _Round(working, lambda _entries: None, self._wrap)
        with round_:
            read = round_.read(sources, searches, grow, working)
            for name, reading in round_.readings.items():
                if working[name].urls:
                    own = [one for source, one in read.reads.items() if source.directory == name]
                    found_here = {search: one for search, one in read.discoveries.items() if search.directory == name}
                    findings[name] += named(working[name], verdicts(reading, sources, own, found_here))
        return [finding for several in findings.values() for finding in several], read

    def read(
        self,
        sources: Collection[Source],
        *,
        searches: Collection[Search] = (),
        grow: Grow = lambda _found: (),
        progress: Callable[[int], None] = lambda _entries: None,
    ) -> DirectoryRead:
        """Read the members of all sources; trouble is in the result, never raised.

        Args:
            sources: each is a key of the result.
            searches: made first; what they found is in the result.
            grow: gives further sources that follow from what was found: of the directory where it was found. It is
                called once for every directory with searches, in the thread of that directory.
            progress: called now and then with the number of entries read so far; by one thread at a time.
        """
        with _Round(self._options, progress, self._wrap) as round_:
            needed = {source.directory for source in sources} | {search.directory for search in searches}
            return round_.read(sources, searches, grow, needed)


class _Round:
    """One read of all directories; connections are closed when it is left.

    Attributes:
        readings: what each directory gave that was needed, by name.
    """

    def __init__(self, options: Mapping[str, Options], progress: Callable[[int], None], wrap: Wrap) -> None:
        self.readings: dict[str, Reading] = {}
        self._options = options
        self._progress = _Sum(progress)
        self._wrap = wrap
        self._stack = ExitStack()

    def __enter__(self) -> _Round:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(
        self, sources: Collection[Source], searches: Collection[Search], grow: Grow, needed: Collection[str]
    ) -> DirectoryRead:
        """Read the directories that are needed, and of the others what these want to know."""
        self._open([name for name in self._options if name in needed], sources, searches, grow)
        reads: dict[Source, SourceRead] = {}
        discoveries: dict[Search, Discovery] = {}
        for reading in self.readings.values():
            reads |= reading.expansion.reads
            discoveries |= reading.discoveries
        reads |= self._resolved()
        unknown = [source for source in sources if source not in reads]
        reads |= {one: unread_source(one, (f"{one}: no directory of that name is configured",)) for one in unknown}
        return DirectoryRead(
            answered={name: one.answered for name, one in self.readings.items() if one.answered is not None},
            reads=reads,
            discoveries=discoveries,
            operations=sum(reading.operations for reading in self.readings.values()),
        )

    def _open(
        self, names: Collection[str], sources: Collection[Source], searches: Collection[Search], grow: Grow
    ) -> None:
        """Read directories, each in its thread."""

        def one(name: str) -> Reading:
            reading = Directory(self._options[name], self._wrap).read(
                [source for source in sources if source.directory == name],
                searches=[search for search in searches if search.directory == name],
                grow=grow,
                progress=self._progress.of(name),
            )
            self._stack.callback(reading.close)
            return reading

        self.readings |= _together(names, one)

    def _resolved(self) -> dict[Source, SourceRead]:
        """Give the reads of the sources with foreign members, with what the other directories know of them."""
        inquiries = [
            Inquiry(name, source, reading.expansion)
            for name, reading in self.readings.items()
            for source in reading.expansion.foreign
        ]
        if not inquiries or len(self._options) == 1:
            return {}
        # whose domain it is only tells a directory that was asked
        self._open([name for name in self._options if name not in self.readings], (), (), lambda _found: ())
        servers = {name: one.server for name, one in self.readings.items() if one.server is not None}
        while True:
            questions: dict[str, dict[Source, None]] = {}
            for inquiry in inquiries:
                for question in inquiry.ask(servers):
                    questions.setdefault(question.source.directory, {})[question.source] = None
            if not questions:
                return {inquiry.source: inquiry.read() for inquiry in inquiries}
            asked = questions

            def one(name: str, asked: Mapping[str, Collection[Source]] = asked) -> Expansion:
                return self.readings[name].ask(list(asked[name]), self._progress.of(name))

            answers = _together(questions, one)
            for inquiry in inquiries:
                inquiry.answer(answers)


class _Sum:
    """Adds up the progress of several threads, and tells it from one at a time."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def of(self, name: str) -> Callable[[int], None]:
        """Give the callback of one directory."""

        def count(entries: int) -> None:
            with self._lock:
                self._counts[name] = entries
                self._told(sum(self._counts.values()))

        return count


def _together(names: Collection[str], one: Callable[[str], Value]) -> dict[str, Value]:
    """Do something for each directory at the same time."""
    with ThreadPoolExecutor(max(1, len(names)), thread_name_prefix="directory") as pool:
        return dict(zip(names, pool.map(one, names), strict=True))
