"""The composition root: from settings to a Reconciler. The only module that knows everybody."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from syncd.core.address import collation_key
from syncd.core.model import Account, Endpoint, Limits, Mailbox, Rule, Share
from syncd.core.template import attribute
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from syncd.errors import SyncdError
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from syncd.openxchange.base import AccountStore
from syncd.openxchange.connect import StoreOptions, Tls
from syncd.openxchange.obfuscation import Obfuscation
from syncd.openxchange.sql import open_store
from syncd.run import Reconciler
from syncd.settings import models
from syncd.settings.loading import Settings

NOTHING = Limits(removals=Share(percent=0, floor=0), additions=0, updates=Share(percent=0, floor=0))
"""Limits that hold everything but what is approved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Everything that one configuration needs to run."""

    settings: Settings
    mailboxes: tuple[Mailbox, ...]
    """Those that stand in the configuration by themselves."""
    directory: Directories
    store: AccountStore
    ledger: Ledger
    reconciler: Reconciler

    def retiring(self, mailbox: Mailbox) -> Reconciler:
        """Give a reconciler that knows one mailbox, without any source: what it claims is not wanted any more."""
        return replace(self.reconciler, mailboxes=[mailbox], removals_per_run=sys.maxsize)

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
    directory = Directories({"": directory_options(settings)})
    store = open_store(store_options(settings))
    return Instance(
        settings=settings,
        mailboxes=mailboxes,
        directory=directory,
        store=store,
        ledger=ledger,
        reconciler=Reconciler(
            mailboxes=mailboxes,
            configured=mailboxes,
            directory=directory,
            store=store,
            ledger=ledger,
            removals_per_run=settings.limits.removals_per_run,
        ),
    )


def directory_options(settings: Settings) -> Options:
    """Say where the directory is and how it is reached."""
    section = settings.directory
    return Options(
        urls=section.urls,
        base=section.base,
        bind_dn=section.bind.dn if section.bind else None,
        password=section.bind.password.read() if section.bind else None,
        ca=str(section.tls.ca) if section.tls.ca else None,
        verify=section.tls.verify,
        starttls=section.tls.starttls,
        connect_timeout=section.timeout.connect,
        receive_timeout=section.timeout.receive,
        page_size=section.page_size,
        rules=(Rule("login", tuple(attribute(name) for name in section.users.login)),),
    )


def store_options(settings: Settings) -> StoreOptions:
    """Say where the Open-Xchange database is, how it is reached and how passwords are stored there."""
    section = settings.openxchange
    database = section.database
    return StoreOptions(
        url=database.url,
        password=database.password.read() if database.password else None,
        tls=_tls(database),
        obfuscation=Obfuscation(format=section.obfuscation.format, key=section.obfuscation.key.read())
        if section.obfuscation
        else None,
    )


def _tls(database: models.Database) -> Tls | None:
    """Translate the TLS section; one that is not there leaves it to the store: verified, but in clear on loopback."""
    if "tls" not in database.model_fields_set:
        return None
    if database.tls is None:
        return Tls(enabled=False)
    return Tls(ca=str(database.tls.ca) if database.tls.ca else None, verify=database.tls.verify)


def ledger_options(settings: Settings) -> LedgerOptions:
    """Say where the ledger is."""
    section = settings.ledger
    return LedgerOptions(
        url=section.url,
        password=section.password.read() if section.password else None,
        tls=section.tls is not None,
        ca=str(section.tls.ca) if section.tls and section.tls.ca else None,
        verify=section.tls.verify if section.tls else True,
    )


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
