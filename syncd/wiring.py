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
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from syncd.errors import ConfigurationError, SyncdError
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from syncd.openxchange.base import AccountStore
from syncd.openxchange.caches import Caches, JolokiaCaches, JolokiaOptions, KnowsPrimaries, NoCaches, SoapCaches
from syncd.openxchange.clt_service import CltOptions, CltService
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.connect import StoreOptions, Tls
from syncd.openxchange.obfuscation import Obfuscation
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.provisioning_listing import ListingStore
from syncd.openxchange.provisioning_service import Credentials, Service
from syncd.openxchange.sharded import ShardedStore
from syncd.openxchange.soap_service import SoapOptions, SoapService
from syncd.openxchange.sql import open_store
from syncd.run import Reconciler
from syncd.settings import caution, models
from syncd.settings.loading import Settings
from syncd.settings.mailboxes import rules
from syncd.settings.secrets import SecretRef
from syncd.settings.soap import Soap

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
        return replace(self.reconciler, mailboxes=[mailbox], ceilings=Ceilings(removals_per_run=sys.maxsize))

    def hand(self, who: str) -> ByHand:
        """Give what writes in the name of a person, by the same connections."""
        told = self.reconciler.caches
        return ByHand(store=self.store, ledger=self.ledger, mailboxes=self.mailboxes, who=who, caches=told)

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
        yield ByHand(store=store, ledger=ledger, mailboxes=settings.mailboxes(), who=who, caches=told)


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


def readers(settings: Settings) -> dict[str, str]:
    """Say how each directory's entries are read, by its name; where it is and how it is reached is left out."""
    parts = {"kind", "base", "users", "disabled", "expired", "dangling", "must_see", "nesting"}
    return {
        name: section.model_dump_json(include=parts, exclude_defaults=True)
        for name, section in settings.directories().items()
    }


def directory_options(settings: Settings) -> dict[str, Options]:
    """Say, by name, where each directory is, how it is reached and what its entries mean.

    Raises:
        ConfigurationError: passwords that cannot be read, all of them.
    """
    options: dict[str, Options] = {}
    problems: list[str] = []
    for name, section in settings.directories().items():
        try:
            options[name] = _directory(name, section)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(tuple(problems))
    return options


def _directory(name: str, section: models.Directory) -> Options:
    bind, tls = section.bind or models.Bind(), section.tls
    return Options(
        name=name,
        urls=section.urls,
        base=section.base,
        kind=section.kind,
        method=bind.method,
        bind_dn=bind.dn,
        password=bind.password.read() if bind.password else None,
        host=bind.host,
        ca=str(tls.ca) if tls.ca else None,
        certificate=str(tls.cert) if tls.cert else None,
        certificate_key=str(tls.key) if tls.key else None,
        verify=tls.verify,
        starttls=tls.starttls,
        connect_timeout=section.timeout.connect,
        receive_timeout=section.timeout.receive,
        page_size=section.page_size,
        rules=rules(section.users),
        disabled=section.disabled,
        expired=section.expired,
        dangling=section.dangling,
        must_see=section.must_see,
        nesting=section.nesting,
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
        return SoapCaches(SoapService(_soap_options(section.soap)), store)
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


def soap_options(settings: Settings) -> SoapOptions | None:
    """Say where the SOAP service is and who we are to it; None = accounts are not written by it.

    Raises:
        ConfigurationError: a password cannot be read.
    """
    soap = settings.openxchange.soap
    if soap is None or settings.openxchange.write_with != "soap":
        return None
    return _soap_options(soap)


def _soap_options(soap: Soap) -> SoapOptions:
    return SoapOptions(
        url=soap.url,
        endpoint=soap.endpoint,
        everywhere=_login(soap.login, soap.password) if soap.login and soap.password else None,
        contexts={context: _login(one.login, one.password) for context, one in soap.credentials.items()},
        ca=str(soap.tls.ca) if soap.tls.ca else None,
        verify=soap.tls.verify,
        connect_timeout=soap.timeout.connect,
        receive_timeout=soap.timeout.receive,
    )


def clt_options(settings: Settings) -> CltOptions | None:
    """Say where the command line tools are and who we are to them; None = accounts are not written by them.

    Raises:
        ConfigurationError: a password cannot be read.
    """
    clt = settings.openxchange.clt
    if clt is None or settings.openxchange.write_with != "clt":
        return None
    return CltOptions(
        directory=clt.directory,
        rmi=clt.rmi,
        everywhere=_login(clt.admin, clt.password) if clt.admin and clt.password else None,
        contexts={context: _login(one.admin, one.password) for context, one in clt.credentials.items()},
        timeout=clt.timeout,
    )


def _login(login: str, password: SecretRef) -> Credentials:
    return Credentials(login=login, password=password.read())


def store_options(settings: Settings) -> StoreOptions | ConfigdbOptions | None:
    """Say where the Open-Xchange databases are, how they are reached and how passwords are stored there.

    None = the service that writes is the only one to ask.

    Raises:
        ConfigurationError: a secret cannot be read.
    """
    section = settings.openxchange
    if section.database is None:
        return None if section.configdb is None else _configdb_options(section, section.configdb)
    return replace(
        _database(section.database),
        writes=section.write_with == "sql",
        configdb=_database(section.configdb) if section.configdb else None,
        obfuscation=_obfuscation(section),
    )


def _configdb_options(section: models.OpenXchange, listing: models.Configdb) -> ConfigdbOptions:
    configdb = _database(listing)
    pools = listing.pools or models.Pools()
    return ConfigdbOptions(
        configdb=configdb,
        pools=replace(
            configdb,
            password=None,
            tls=_tls(pools) if "tls" in pools.model_fields_set else configdb.tls,
            writes=section.write_with == "sql",
        ),
        login=pools.login,
        password=pools.password.read() if pools.password else None,
        obfuscation=_obfuscation(section),
    )


def _obfuscation(section: models.OpenXchange) -> Obfuscation | None:
    if section.obfuscation is None:
        return None
    return Obfuscation(format=section.obfuscation.format, key=section.obfuscation.key.read())


def _database(database: models.Database) -> StoreOptions:
    password = database.password.read() if database.password else None
    return StoreOptions(url=database.url, password=password, tls=_tls(database))


def _tls(database: models.Database | models.Pools) -> Tls | None:
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
