"""Check what values of the configuration must be together, and warn of what is allowed but dangerous.

The checks look at the plain values, not at the models, so that they work on a file in which other things are wrong:
what does not have the expected kind is passed over here, since the models report it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from syncd.core.address import collation_key
from syncd.settings import checks_alone, checks_directory, checks_limits, checks_mapping, checks_notices, texts
from syncd.settings.checks_mapping import Around
from syncd.settings.document import Document, Path, Problem
from syncd.settings.fragments import section, sequence
from syncd.settings.kinds import keys
from syncd.settings.models import Configuration, Database, Directory
from syncd.settings.selection import Chosen


def problems(document: Document) -> Iterator[Problem]:
    """Find everything that is wrong between values."""
    data = section(document.data)
    yield from checks_directory.problems(data, set(keys(Configuration)))
    yield from _schedule(section(data.get("schedule")))
    yield from checks_limits.problems(data)
    yield from checks_notices.problems(section(data.get("notify")))
    openxchange = section(data.get("openxchange"))
    yield from _service(openxchange, "soap", "login")
    yield from _service(openxchange, "clt", "admin")
    yield from _told(openxchange)
    if isinstance(data.get("openxchange"), dict):
        yield from _databases(openxchange)
    yield from checks_alone.problems(data)
    for key in ("database", "configdb"):
        yield from _ledger(section(data.get("ledger")), section(openxchange.get(key)))
    around = Around(
        directories=tuple(section(data.get("directories"))),
        obfuscated=openxchange.get("obfuscation") is not None or checks_alone.is_alone(openxchange),
        by_tools=openxchange.get("write_with") == "clt",
        configdb=openxchange.get("configdb") is not None,
    )
    mappings = sequence(data.get("mappings"))
    for index, mapping in enumerate(mappings):
        if isinstance(mapping, dict):
            yield from checks_mapping.problems(mapping, ("mappings", index), around)
    yield from _twice(document, [section(mapping) for mapping in mappings])


def warnings(settings: Configuration) -> Iterator[tuple[Path, str]]:
    """Find what is allowed but dangerous in a valid configuration: (path, text)."""
    for name, directory in settings.named_directories().items():
        yield from _exposed_directory(directory, ("directories", name) if name else ("directory",))
    yield from _exposed_databases(settings)
    yield from _exposed_soap(settings)
    if settings.http.listen is not None and not texts.loopback(settings.http.listen.host):
        yield ("http", "listen"), "the HTTP endpoints have no login and are reachable from other machines"
    if settings.notify is not None:
        yield from checks_notices.warnings(settings.notify)
    for index, mapping in enumerate(settings.mappings):
        by_attribute = isinstance(mapping.context, Chosen) and mapping.context.by == "attribute"
        if by_attribute and settings.openxchange.configdb is None:
            text = (
                "without openxchange.configdb only the numbers of contexts are understood, no names or login mappings"
            )
            yield ("mappings", index, "context"), text


def _exposed_directory(directory: Directory, path: Path) -> Iterator[tuple[Path, str]]:
    secret = directory.bind is not None and directory.bind.password is not None
    for index, url in enumerate(directory.urls):
        plain = url.startswith("ldap://") and not texts.loopback(urlsplit(url).hostname or "")
        if plain and not directory.tls.starttls and secret:
            text = "the bind password crosses the network in clear text; use ldaps:// or starttls"
            yield (*path, "urls", index), text
    if not directory.tls.verify:
        text = "any certificate is accepted; whoever sits between can read and invent"
        yield (*path, "tls", "verify"), text


def _exposed_databases(settings: Configuration) -> Iterator[tuple[Path, str]]:
    databases: tuple[tuple[Path, Database | None], ...] = (
        (("openxchange", "database"), settings.openxchange.database),
        (("openxchange", "configdb"), settings.openxchange.configdb),
        (("ledger",), settings.ledger),
    )
    for path, database in databases:
        if database is None:
            continue
        server = urlsplit(database.url)
        if server.scheme == "sqlite" or "unix_socket=" in server.query or texts.loopback(server.hostname or ""):
            continue
        if database.tls is None:
            yield (*path, "tls"), "no TLS: everything crosses the network in clear text"
        elif not database.tls.verify:
            yield (*path, "tls", "verify"), "any certificate is accepted; whoever sits between can read and change"
    pools = settings.openxchange.configdb.pools if settings.openxchange.configdb else None
    if pools is not None and "tls" in pools.model_fields_set:
        where = ("openxchange", "configdb", "pools", "tls")
        if pools.tls is None:
            yield where, "no TLS: everything crosses the network in clear text"
        elif not pools.tls.verify:
            yield (*where, "verify"), "any certificate is accepted; whoever sits between can read and change"


def _exposed_soap(settings: Configuration) -> Iterator[tuple[Path, str]]:
    soap = settings.openxchange.soap
    if soap is None:
        return
    for key, url in (("url", soap.url), ("endpoint", soap.endpoint)):
        if url is not None and url.startswith("http://") and not texts.loopback(urlsplit(url).hostname or ""):
            yield ("openxchange", "soap", key), "the administrator's password crosses the network in clear text"
    if not soap.tls.verify:
        text = "any certificate is accepted; whoever sits between can read the administrator's password"
        yield ("openxchange", "soap", "tls", "verify"), text


def _schedule(schedule: dict[str, Any]) -> Iterator[Problem]:
    if schedule.get("every") is not None and schedule.get("cron") is not None:
        yield Problem(("schedule",), "give either every or cron, not both")


def _told(openxchange: dict[str, Any]) -> Iterator[Problem]:
    """Want the section by which Open-Xchange is told of changes."""
    way, jolokia = openxchange.get("invalidate"), openxchange.get("jolokia")
    if way in {"soap", "jolokia"} and openxchange.get(way) is None:
        yield Problem(("openxchange", "invalidate"), f"{way} needs openxchange.{way}")
    if isinstance(jolokia, dict) and (jolokia.get("login") is None) != (jolokia.get("password") is None):
        yield Problem(("openxchange", "jolokia"), "login and password go together")


def _databases(openxchange: dict[str, Any]) -> Iterator[Problem]:
    """Want one place to read from, unless a service does it; pools matter only where configdb is the place."""
    database, configdb = (openxchange.get(key) for key in ("database", "configdb"))
    if database is None and configdb is None and not checks_alone.is_alone(openxchange):
        text = 'missing key "database" (or configdb, which says where each context is; or write_with: soap or clt)'
        yield Problem(("openxchange",), text)
    if database is not None and section(configdb).get("pools") is not None:
        yield Problem(("openxchange", "configdb", "pools"), "has no meaning beside database; leave one of them out")
    pools = section(section(configdb).get("pools"))
    if pools.get("login") is not None and pools.get("password") is None:
        yield Problem(("openxchange", "configdb", "pools", "login"), "needs a password")


def _service(openxchange: dict[str, Any], way: str, key: str) -> Iterator[Problem]:
    """Want a login for every context, and the section where it is written by."""
    values = openxchange.get(way)
    if not isinstance(values, dict):
        if openxchange.get("write_with") == way and values is None:
            yield Problem(("openxchange", "write_with"), f"{way} needs openxchange.{way}")
        return
    given = [values.get(name) is not None for name in (key, "password")]
    if any(given) != all(given):
        yield Problem(("openxchange", way), f"{key} and password go together")
    elif not any(given) and not section(values.get("credentials")):
        yield Problem(("openxchange", way), f"needs {key} and password, or credentials by context")


def _ledger(ledger: dict[str, Any], database: dict[str, Any]) -> Iterator[Problem]:
    places = [_place(holder.get("url")) for holder in (ledger, database)]
    if places[0] is not None and places[0] == places[1]:
        yield Problem(("ledger", "url"), "must be a database of its own, not that of Open-Xchange")


def _place(url: object) -> tuple[str, int, str] | None:
    """Give host, port and path of a database URL; None where it has none, which the models report."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError:
        return None
    return (parts.hostname or "", port, parts.path)


def _twice(document: Document, mappings: list[dict[str, Any]]) -> Iterator[Problem]:
    """Find mappings of the same mailbox that may mean the same context, addresses compared as the database does.

    | contexts                                       | outcome                                               |
    |------------------------------------------------|-------------------------------------------------------|
    | the same number, or the same name              | a problem                                             |
    | all, or chosen by members; and not a number    | a problem: nobody could tell which of the two counts  |
    | a number; and all, or one that is found out    | fine: the number counts for its context               |
    | two numbers, or two names                      | fine                                                  |
    """
    seen: dict[str, list[tuple[object, Path]]] = {}
    for index, mapping in enumerate(mappings):
        address, context = mapping.get("mailbox"), mapping.get("context")
        if not isinstance(address, str) or not isinstance(context, int | str | dict):
            continue
        path: Path = ("mappings", index, "mailbox")
        same = seen.setdefault(collation_key(address), [])
        if (first := next((other for known, other in same if _overlap(known, context)), None)) is not None:
            text = f"the same mailbox and context as in line {document.line(first)}"
            yield Problem(path, f"{text}; the database holds the addresses for equal")
        same.append((context, path))


def _overlap(one: object, other: object) -> bool:
    """Tell whether two contexts, as they stand in the file, may be the same one."""
    numbers = [isinstance(context, int) for context in (one, other)]
    if any(numbers):
        return all(numbers) and one == other
    names = [_name(context) for context in (one, other)]
    return None in names or names[0] == names[1]


def _name(context: object) -> str | None:
    """Give name or login mapping of a context, as it is compared; None = it is not known before a run."""
    names = [section(context).get(way) for way in ("name", "mapping")]
    return next((collation_key(name) for name in names if isinstance(name, str)), None)
