"""Gather the three sets of facts of one run, and find out which mailboxes there are.

Most mailboxes are known from the configuration; for these the directory is read in one thread while what is owned and
stored is read in another. Those that a pattern stands for are known only after the directory has answered; what is
stored of them is read then. Keeps rule 7: nothing here writes, and nothing waits for the directory with a transaction
open.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent import futures
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from syncd.core import patterns as expansion
from syncd.core.listed import read_group, read_listed
from syncd.core.model import Contexts, Mailbox, MailboxRef, Observation, Source
from syncd.core.patterns import Pattern
from syncd.core.reads import DirectoryRead, Discovery, Search, SourceRead
from syncd.directory.directories import Directories
from syncd.errors import SyncdError
from syncd.facts import Census, Claims, Facts
from syncd.ledger.ledger import Ledger
from syncd.openxchange.base import AccountStore, groups_in

Phase = Callable[[str], AbstractContextManager[None]]
"""Times a part of the run under a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherer:
    """Who is asked for the facts, and what is configured."""

    mailboxes: Sequence[Mailbox]
    """Those to reconcile that stand in the configuration by themselves."""
    configured: Sequence[Mailbox]
    """All of these that are configured."""
    patterns: Sequence[Pattern]
    directory: Directories
    store: AccountStore
    ledger: Ledger
    phase: Phase
    now: datetime
    """The time of the run, by which pins count."""

    def gather(self, only: Collection[MailboxRef] = (), beat: Callable[[], None] = lambda: None) -> Facts:
        """Read everything that a run needs.

        Args:
            only: the mailboxes asked for, context 0 for any context; empty = all.
            beat: called whenever something was read.

        Raises:
            StoreError, LedgerError: a system could not be read. The directory never raises.
            SyncdError: a mailbox asked for is not among those found.
        """
        fixed = [mailbox for mailbox in self.mailboxes if not only or _asked(mailbox, only)]
        with futures.ThreadPoolExecutor(1, thread_name_prefix="directory") as pool:
            wanted = _sources((*fixed, *(pattern.mailbox for pattern in self.patterns)))
            reading = pool.submit(self._read, wanted, self.patterns, beat)
            with self.phase("ledger"):
                claims = self.ledger.claims()
                counts, cursors = self.ledger.counts(), self.ledger.cursors()
                pins, absences = self.ledger.pins(self.now), self.ledger.absences()
                fingerprints = self.ledger.fingerprints()
            with self.phase("observe"):
                observation = self._observe(fixed, claims)
            beat()
            read = reading.result()
        census = self._census(read, claims)
        found = [mailbox for mailbox in census.found if not only or _asked(mailbox, only)]
        _nobody_missing(only, [*fixed, *found], census)
        if found:
            with self.phase("observe"):
                observation = _joined(observation, self._observe(found, claims))
        mailboxes = (*fixed, *found)
        return Facts(
            mailboxes=mailboxes,
            census=census,
            read=read,
            reads={**read.reads, **self._other_reads(mailboxes)},
            observation=observation,
            claims=claims,
            counts=counts,
            cursors=cursors,
            pins=pins,
            absences=absences,
            fingerprints=fingerprints,
        )

    def census(self) -> Census:
        """Find out which mailboxes there are, without reading what is stored of them.

        Members are read only where they say in which contexts a mailbox is.

        Raises:
            StoreError, LedgerError: as `gather`.
        """
        if not self.patterns:
            return Census(configured=tuple(self.configured))
        telling = [one for one in self.patterns if one.placing is not None and one.placing.by == "members"]
        wanted = dict.fromkeys(source for pattern in telling for source in pattern.mailbox.sources)
        return self._census(self._read(wanted, telling, lambda: None), self.ledger.claims())

    # ------------------------------------------------------------------ the directory

    def _read(self, wanted: Collection[Source], growing: Sequence[Pattern], beat: Callable[[], None]) -> DirectoryRead:
        """Make all searches; read the wanted sources, and what the searches of the growing patterns find."""
        sources = [source for source in wanted if source.from_directory]
        searches = [pattern.search for pattern in self.patterns if pattern.search is not None]
        if not sources and not searches:
            return DirectoryRead()

        def grow(discoveries: Mapping[Search, Discovery]) -> list[Source]:
            return expansion.sources(growing, discoveries)

        with self.phase("directory"):
            return self.directory.read(sources, searches=searches, grow=grow, progress=lambda _entries: beat())

    # ------------------------------------------------------------------ which mailboxes there are

    def _census(self, read: DirectoryRead, claims: Claims) -> Census:
        if not self.patterns:
            return Census(configured=tuple(self.configured))
        fixed = {mailbox.ref for mailbox in self.configured}
        named: dict[str, set[int]] = defaultdict(set)
        for mailbox in self.configured:
            named[mailbox.key].add(mailbox.context)
        described = expansion.described(
            self.patterns, read.discoveries, frozenset(mailbox.key for mailbox in self.configured)
        )
        problems = list(described.problems)
        dynamic = any(pattern.placing is not None for pattern in self.patterns)
        contexts = self.store.contexts() if dynamic else Contexts(frozenset(), {})
        claimed: dict[str, set[int]] = defaultdict(set)
        for ref, owners in claims.items():
            if owners:
                claimed[ref.key].add(ref.context)
        found: dict[MailboxRef, Mailbox] = {}
        unclear = set(described.known)
        several = Counter(mailbox.key for _, mailbox in described.mailboxes)
        for pattern, mailbox in described.mailboxes:
            key = mailbox.key
            # Claims do not say which mapping they came from, so where several have the address none takes them over.
            owned = claimed[key] - named[key]
            inherited = owned if several[key] == 1 else frozenset[int]()
            placed, problem = expansion.placed(pattern, mailbox, contexts, _named(mailbox, read), inherited)
            if problem:
                problems.append(problem)
                unclear |= {key} if owned else set()
            for one in placed:
                if one.ref not in fixed and found.setdefault(one.ref, one) is not one:
                    other = found[one.ref].pattern
                    problems.append(
                        f"{pattern.where}: {one.address} in context {one.context} is that of {other}, which counts"
                    )
        missing = [discovery for discovery in read.discoveries.values() if not discovery.complete]
        return Census(
            configured=(*self.configured, *found.values()),
            found=tuple(found.values()),
            problems=tuple(problems),
            undiscovered=tuple(dict.fromkeys(reason for discovery in missing for reason in discovery.reasons)),
            causes=tuple(sorted(cause for discovery in missing for cause in discovery.causes)),
            unclear=frozenset(unclear),
        )

    # ------------------------------------------------------------------ Open-Xchange

    def _observe(self, mailboxes: Sequence[Mailbox], claims: Claims) -> Observation:
        seals = {
            (ref.context, user, claim.account): claim.seal
            for ref, owned in claims.items()
            for user, claim in owned.items()
            if claim.seal is not None
        }
        return self.store.observe(mailboxes, seals)

    def _other_reads(self, mailboxes: Sequence[Mailbox]) -> dict[Source, SourceRead]:
        """Read the sources that no directory is asked for: groups of Open-Xchange, and logins written down."""
        reads: dict[Source, SourceRead] = {}
        groups: dict[int, list[Source]] = defaultdict(list)
        for source in _sources(mailboxes):
            if source.kind == "users":
                reads[source] = read_listed(source)
            elif source.kind == "ox_group" and source.context is not None:
                groups[source.context].append(source)
        asked = {context: {source.value for source in wanted} for context, wanted in groups.items()}
        with self.phase("users"):
            found = groups_in(self.store, asked) if asked else {}
        for context, wanted in groups.items():
            reads.update((source, read_group(source, found[context])) for source in wanted)
        return reads


def _sources(mailboxes: Iterable[Mailbox]) -> list[Source]:
    """Give every source of these mailboxes once."""
    return list(dict.fromkeys(source for one in mailboxes for source in (*one.sources, *one.exclude)))


def _asked(mailbox: Mailbox, only: Collection[MailboxRef]) -> bool:
    return mailbox.ref in only or MailboxRef(0, mailbox.key) in only


def _nobody_missing(only: Collection[MailboxRef], mailboxes: Sequence[Mailbox], census: Census) -> None:
    """Refuse a command that names a mailbox which nothing stands for.

    Raises:
        SyncdError: there is such a name.
    """
    for ref in only:
        if not any(_asked(mailbox, (ref,)) for mailbox in mailboxes):
            why = "; ".join(census.undiscovered) or "see: syncd discover"
            raise SyncdError(f"{ref.key} is neither configured nor discovered", hint=why)


def _named(mailbox: Mailbox, read: DirectoryRead) -> set[str]:
    """Give what the members of a mailbox say of their contexts."""
    reads = (read.reads[source] for source in mailbox.sources if source in read.reads)
    return {name for one in reads for member in one.members.values() for name in member.contexts}


def _joined(one: Observation, other: Observation) -> Observation:
    return Observation(
        accounts={**one.accounts, **other.accounts},
        primaries={**one.primaries, **other.primaries},
        statements=one.statements + other.statements,
        unread={**one.unread, **other.unread},
    )
