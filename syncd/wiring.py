"""The composition root: from settings to a Reconciler. The only module that knows everybody."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from syncd.byhand.writing import ByHand
from syncd.core.address import collation_key
from syncd.core.limits import Ceilings, Limits, Share
from syncd.core.model import Account, Endpoint, Mailbox
from syncd.core.patterns import Pattern
from syncd.directory.directories import Directories
from syncd.errors import SyncdError
from syncd.ledger.ledger import Ledger
from syncd.openxchange.base import AccountStore
from syncd.openxchange.caches import Caches, JolokiaCaches, JolokiaOptions, KnowsPrimaries, NoCaches, SoapCaches
from syncd.openxchange.clt_service import CltService
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.provisioning_listing import ListingStore
from syncd.openxchange.provisioning_service import Service
from syncd.openxchange.sharded import ShardedStore
from syncd.openxchange.soap_service import SoapService
from syncd.openxchange.sql import open_store
from syncd.options import (
    clt_options,
    directory_options,
    ledger_options,
    readers,
    soap_login,
    soap_options,
    store_options,
)
from syncd.rehearsal.rehearse import Rehearsal
from syncd.run import Reconciler
from syncd.settings import caution
from syncd.settings.loading import Settings

NOTHING = Limits(
    removals=Share(percent=0, floor=0), additions=Share(percent=0, floor=0), updates=Share(percent=0, floor=0)
)
"""Limits that hold everything but what is approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Everything that one configuration needs to run."""

    settings: Settings
    mailboxes: tuple[Mailbox, ...]
    """Those that stand in the configuration by themselves."""
    patterns: tuple[Pattern, ...]
    """What stands for mailboxes that each run finds out."""
    directory: Directories
    store: AccountStore
    ledger: Ledger
    reconciler: Reconciler

    def retiring(self, mailbox: Mailbox) -> Reconciler:
        """Give a reconciler that knows one mailbox, without any source: what it claims is not wanted any more."""
        mine = replace(mailbox, staging=self.settings.mode == "staging")
        return replace(self.reconciler, mailboxes=[mine], ceilings=Ceilings(removals_per_run=sys.maxsize))

    def hand(self, who: str) -> ByHand:
        """Give what writes in the name of a person, by the same connections."""
        told = self.reconciler.caches
        return ByHand(
            store=self.store,
            ledger=self.ledger,
            mailboxes=self.mailboxes,
            patterns=self.patterns,
            staging=self.settings.mode == "staging",
            who=who,
            caches=told,
        )

    def rehearsal(self) -> Rehearsal:
        """Give what rehearses faults on today's directory and database."""
        return Rehearsal(reconciler=self.reconciler, options=directory_options(self.settings))

    def close(self) -> None:
        """Close the connections to Open-Xchange; the ledger is whose opened it."""
        self.store.close()


@contextmanager
def session(settings: Settings, *, argv: Sequence[str] = ("syncd",)) -> Iterator[Instance]:
    """Assemble for one command, and close everything after it; arguments and errors as of the two functions below."""
    with ExitStack() as stack:
        ledger = open_ledger(settings, argv=argv)
        stack.callback(ledger.close)
        instance = assemble(settings, ledger)
        stack.callback(instance.close)
        yield instance


@contextmanager
def opened_store(settings: Settings) -> Iterator[AccountStore]:
    """Open the store alone, and close it after use.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    store = _store(settings)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def by_hand(settings: Settings, *, who: str, argv: Sequence[str] = ("syncd",)) -> Iterator[ByHand]:
    """Assemble what a person needs to write accounts; no directory is asked, and none of its secrets is read.

    Raises:
        ConfigurationError, LedgerError: as of `session`.
    """
    with ExitStack() as stack:
        store = stack.enter_context(opened_store(settings))
        ledger = open_ledger(settings, argv=argv)
        stack.callback(ledger.close)
        told = caches(settings, store)
        yield ByHand(
            store=store,
            ledger=ledger,
            mailboxes=settings.mailboxes(),
            patterns=settings.patterns(),
            staging=settings.mode == "staging",
            who=who,
            caches=told,
        )


def open_ledger(settings: Settings, *, argv: Sequence[str] = ("syncd",)) -> Ledger:
    """Open the ledger, and create it where there is none.

    Args:
        settings: a loaded configuration.
        argv: the command line, for hints that name the command to use instead.

    Raises:
        ConfigurationError: its password cannot be read.
        LedgerError: it cannot be opened.
    """
    return Ledger.open(ledger_options(settings), argv=tuple(argv))


def assemble(settings: Settings, ledger: Ledger) -> Instance:
    """Build what a configuration describes.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    mailboxes = settings.mailboxes()
    patterns = settings.patterns()
    directory = Directories(directory_options(settings))
    store = _store(settings)
    return Instance(
        settings=settings,
        mailboxes=mailboxes,
        patterns=patterns,
        directory=directory,
        store=store,
        ledger=ledger,
        reconciler=Reconciler(
            mailboxes=mailboxes,
            configured=mailboxes,
            patterns=patterns,
            directory=directory,
            store=store,
            ledger=ledger,
            caches=caches(settings, store),
            ceilings=caution.ceilings(settings),
            approval=caution.approval(settings),
            rollout=caution.rollout(settings),
            brake=settings.max_changes_per_minute,
            keep=caution.keep(settings),
            readers=readers(settings),
        ),
    )


def _store(settings: Settings) -> AccountStore:
    found, options = service(settings), store_options(settings)
    if options is None:
        if found is None:
            raise AssertionError("the checks want a database, configdb or a service")
        return ListingStore(found)
    store = ShardedStore(options) if isinstance(options, ConfigdbOptions) else open_store(options)
    return store if found is None else ProvisioningStore(store, found)


def service(settings: Settings) -> Service | None:
    """Give what of Open-Xchange writes accounts; None = the tables are written to directly.

    Raises:
        ConfigurationError: a password cannot be read, or a package is missing.
    """
    soap, clt = soap_options(settings), clt_options(settings)
    if soap is not None:
        return SoapService(soap)
    return None if clt is None else CltService(clt)


def caches(settings: Settings, store: AccountStore) -> Caches | None:
    """Give who tells Open-Xchange of what is written by SQL; None = it writes by itself.

    Raises:
        ConfigurationError: a password cannot be read, or a package is missing.
    """
    section = settings.openxchange
    if section.write_with != "sql":
        return None
    if section.invalidate == "soap" and section.soap is not None and isinstance(store, KnowsPrimaries):
        return SoapCaches(SoapService(soap_login(section.soap)), store)
    if section.invalidate == "jolokia" and section.jolokia is not None:
        jolokia = section.jolokia
        return JolokiaCaches(
            JolokiaOptions(
                url=jolokia.url,
                login=jolokia.login,
                password=jolokia.password.read() if jolokia.password else None,
                ca=str(jolokia.tls.ca) if jolokia.tls.ca else None,
                verify=jolokia.tls.verify,
                timeout=jolokia.timeout,
            )
        )
    return NoCaches()


def find(mailboxes: Sequence[Mailbox], address: str, context: int | None) -> Mailbox:
    """Find the configured mailbox that a command names.

    Raises:
        SyncdError: there is none, or several contexts have it.
    """
    key = collation_key(address)
    found = [m for m in mailboxes if m.key == key and context in {None, m.context}]
    if len(found) == 1:
        return found[0]
    if found:
        contexts = ", ".join(str(mailbox.context) for mailbox in found)
        raise SyncdError(f"{address} is configured in several contexts: {contexts}", hint="add --context")
    known = ", ".join(sorted(mailbox.address for mailbox in mailboxes)[:10])
    where = "" if context is None else f" in context {context}"
    raise SyncdError(f"no mapping for {address}{where}", hint=f"configured: {known}")


def retired(address: str, context: int) -> Mailbox:
    """Describe a mailbox that left the configuration: nobody should have it, and the person who asks is the limit."""
    nobody = Account(name="", login="", mail=Endpoint("", False), transport=None)
    every = Limits(removals=Share(percent=100, floor=sys.maxsize))
    return Mailbox(address=address, key=collation_key(address), context=context, account=nobody, limits=every)
