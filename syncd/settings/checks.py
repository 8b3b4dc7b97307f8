"""Check what values of the configuration must be together, and warn of what is allowed but dangerous.

The checks look at the plain values, not at the models, so that they work on a file in which other things are wrong:
what does not have the expected kind is passed over here, since the models report it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from syncd.core.address import collation_key
from syncd.settings import texts
from syncd.settings.document import Document, Path, Problem
from syncd.settings.models import Configuration, Database


def problems(document: Document) -> Iterator[Problem]:
    """Find everything that is wrong between values."""
    data = _mapping(document.data)
    yield from _directory(_mapping(data.get("directory")))
    yield from _schedule(_mapping(data.get("schedule")))
    openxchange = _mapping(data.get("openxchange"))
    if openxchange.get("write_with") in {"soap", "clt"}:
        yield Problem(("openxchange", "write_with"), f"{openxchange['write_with']} is not available yet; write sql")
    yield from _ledger(_mapping(data.get("ledger")), _mapping(openxchange.get("database")))
    obfuscated = openxchange.get("obfuscation") is not None
    for index, mapping in enumerate(_list(data.get("mappings"))):
        path: Path = ("mappings", index)
        for kind in ("sources", "exclude"):
            for number, source in enumerate(_list(_mapping(mapping).get(kind))):
                yield from _source(_mapping(source), (*path, kind, number))
        yield from _account(_mapping(_mapping(mapping).get("account")), (*path, "account"), obfuscated=obfuscated)
    yield from _twice(document, _list(data.get("mappings")))


def warnings(settings: Configuration) -> Iterator[tuple[Path, str]]:
    """Find what is allowed but dangerous in a valid configuration: (path, text)."""
    directory, tls = settings.directory, settings.directory.tls
    for index, url in enumerate(directory.urls):
        plain = url.startswith("ldap://") and not texts.loopback(urlsplit(url).hostname or "")
        if plain and not tls.starttls and directory.bind is not None:
            yield (
                ("directory", "urls", index),
                "the bind password crosses the network in clear text; use ldaps:// or starttls",
            )
    if not tls.verify:
        yield ("directory", "tls", "verify"), "any certificate is accepted; whoever sits between can read and invent"
    databases: tuple[tuple[Path, Database], ...] = (
        (("openxchange", "database"), settings.openxchange.database),
        (("ledger",), settings.ledger),
    )
    for path, database in databases:
        server = urlsplit(database.url)
        if server.scheme == "sqlite" or "unix_socket=" in server.query or texts.loopback(server.hostname or ""):
            continue
        if database.tls is None:
            yield (*path, "tls"), "no TLS: everything crosses the network in clear text"
        elif not database.tls.verify:
            yield (*path, "tls", "verify"), "any certificate is accepted; whoever sits between can read and change"
    if settings.http.listen is not None and not texts.loopback(settings.http.listen.host):
        yield ("http", "listen"), "the HTTP endpoints have no login and are reachable from other machines"


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _directory(directory: dict[str, Any]) -> Iterator[Problem]:
    urls = [url for url in _list(directory.get("urls")) if isinstance(url, str)]
    exports = [url for url in urls if url.startswith("ldif:")]
    if exports and len(urls) > 1:
        yield Problem(("directory", "urls"), "an ldif:// export stands alone, without other servers")
    others = [url for url in urls if url.startswith(("ldaps:", "ldapi:", "ldif:"))]
    if others and _mapping(directory.get("tls")).get("starttls") is True:
        yield Problem(("directory", "tls", "starttls"), "is for ldap:// only; every url must begin with ldap://")


def _schedule(schedule: dict[str, Any]) -> Iterator[Problem]:
    if schedule.get("every") is not None and schedule.get("cron") is not None:
        yield Problem(("schedule",), "give either every or cron, not both")


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


def _source(source: dict[str, Any], path: Path) -> Iterator[Problem]:
    if not source or not set(source) <= {"group", "filter", "base", "scope"}:
        if not source:
            yield Problem(path, "give either group or filter")
        return
    kinds = [kind for kind in ("group", "filter") if source.get(kind) is not None]
    if len(kinds) != 1:
        yield Problem(path, "give either group or filter" + (", not both" if kinds else ""))
    elif kinds == ["group"]:
        for key in ("base", "scope"):
            if source.get(key) is not None:
                yield Problem(path, f"{key} goes with filter, not with group", key=key)


def _account(account: dict[str, Any], path: Path, *, obfuscated: bool) -> Iterator[Problem]:
    mail, transport = _mapping(account.get("mail")), _mapping(account.get("transport"))
    if isinstance(account.get("mail"), dict):
        yield from _mail(mail, (*path, "mail"))
    if mail.get("source") is not None and account.get("transport") is not None:
        yield Problem((*path, "transport"), "does not go with mail.source, which brings its own transport")
    for key, server in (("mail", mail), ("transport", transport)):
        if server.get("secure") is True and server.get("starttls") is True:
            text = "does not go with secure: true; TLS is from the start (secure) or begun later (starttls)"
            yield Problem((*path, key, "starttls"), text)
    for where, holder in ((path, account), ((*path, "transport"), transport)):
        if holder.get("password") is not None and not obfuscated:
            text = (
                "stored passwords need openxchange.obfuscation; Open-Xchange uses them only with "
                "com.openexchange.mail.secondary.passwordSource=user, otherwise leave the password out"
            )
            yield Problem((*where, "password"), text)


def _mail(mail: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Either a source, or server and port."""
    server = ("server", "port", "protocol", "secure", "starttls")
    if mail.get("source") is not None:
        for key, value in mail.items():
            if key in server and value is not None:
                yield Problem(path, f"{key} does not go with source, which brings the server", key=key)
    elif set(mail) <= {*server, "source"}:  # with an unknown key beside, that one is the better message
        for key in ("server", "port"):
            if mail.get(key) is None:
                yield Problem(path, f'missing key "{key}" (or give source: primary or localhost)')


def _twice(document: Document, mappings: list[Any]) -> Iterator[Problem]:
    """Find mappings of the same mailbox and context, addresses compared as the database does."""
    seen: dict[tuple[int, str], Path] = {}
    for index, mapping in enumerate(mappings):
        address, context = _mapping(mapping).get("mailbox"), _mapping(mapping).get("context")
        if not isinstance(address, str) or not isinstance(context, int):
            continue
        path: Path = ("mappings", index, "mailbox")
        key = (context, collation_key(address))
        if key in seen:
            first = document.line(seen[key])
            text = f"the same mailbox and context as in line {first}; the database holds the addresses for equal"
            yield Problem(path, text)
        seen.setdefault(key, path)
