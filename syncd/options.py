"""From the settings to the options of each layer: where things are, how they are reached, and who we are there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from syncd.directory.connection import Options
from syncd.errors import ConfigurationError
from syncd.ledger.values import LedgerOptions
from syncd.openxchange.clt_service import CltOptions
from syncd.openxchange.configdb import ConfigdbOptions
from syncd.openxchange.connect import StoreOptions, Tls
from syncd.openxchange.obfuscation import Obfuscation
from syncd.openxchange.provisioning_service import Credentials
from syncd.openxchange.soap_service import SoapOptions
from syncd.settings import models
from syncd.settings.loading import Settings
from syncd.settings.mailboxes import rules
from syncd.settings.secrets import SecretRef
from syncd.settings.soap import Soap


def readers(settings: Settings) -> dict[str, str]:
    """Say how each directory's entries are read, and by whom, by its name; where it is and passwords are left out.

    Who asks is a part of it, since a server hides from one what it shows another.
    """
    parts = ("kind", "base", "users", "disabled", "expired", "dangling", "must_see", "nesting")
    asked: dict[str, Any] = {**dict.fromkeys(parts, True), "bind": {"method", "dn"}}
    return {
        name: section.model_dump_json(include=asked, exclude_defaults=True)
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


def soap_options(settings: Settings) -> SoapOptions | None:
    """Say where the SOAP service is and who we are to it; None = accounts are not written by it.

    Raises:
        ConfigurationError: a password cannot be read.
    """
    soap = settings.openxchange.soap
    if soap is None or settings.openxchange.write_with != "soap":
        return None
    return soap_login(soap)


def soap_login(soap: Soap) -> SoapOptions:
    """Say where a SOAP service is and who we are to it."""
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
