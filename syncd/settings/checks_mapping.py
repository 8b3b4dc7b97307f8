"""Check what values of one mapping must be together: mailbox or discover, context, directory, sources, account."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from syncd.core.template import InvalidTemplate, parse
from syncd.settings import checks_directory, texts
from syncd.settings.document import Path, Problem
from syncd.settings.fragments import given, one_of, section, sequence
from syncd.settings.mapping import Account, Mapping
from syncd.settings.sources import Sieve, Source

_KINDS = ("group", "filter", "attribute", "ox_group", "users")
_SEARCHES = ("filter", "attribute")


class Around(NamedTuple):
    """What of the rest of the file a mapping depends on."""

    directories: Collection[str]
    """Names of the directories; empty where there is one without a name."""
    obfuscated: bool
    """Whether it is said how passwords are stored."""
    by_tools: bool
    """Whether accounts are written by the command line tools."""
    configdb: bool
    """Whether it is said where contexts are listed."""


def problems(mapping: dict[str, Any], path: Path, around: Around) -> Iterator[Problem]:
    """Find what is wrong between the values of a mapping."""
    yield from _mailbox(mapping, path)
    context = mapping.get("context")
    for way in given(section(context), ("name", "mapping", "domain")) if not around.configdb else ():
        text = f"a context by {way} is looked up in the configdb; give openxchange.configdb"
        yield Problem((*path, "context"), text)
    yield from _which(mapping, path, around.directories)
    for kind in ("sources", "exclude"):
        for number, source in enumerate(sequence(mapping.get(kind))):
            yield from _source(source, (*path, kind, number), around.directories)
    yield from checks_directory.users(mapping.get("users"), (*path, "users"))
    discover = section(mapping.get("discover"))
    for kind in ("include", "exclude"):
        for number, sieve in enumerate(sequence(discover.get(kind))):
            yield from one_of(sieve, Sieve.model_fields, (*path, "discover", kind, number))
    yield from _texts(mapping, path)
    yield from _account(section(mapping.get("account")), (*path, "account"), around)


def _mailbox(mapping: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Either a mailbox with sources, or discover."""
    if len(given(mapping, ("mailbox", "discover"))) == 2:
        yield Problem(path, "give either mailbox or discover, which has a mailbox of its own", key="discover")
    if mapping.get("discover") is not None or not set(mapping) <= set(Mapping.model_fields):
        return  # with an unknown key, that one is the better message
    for key, instead in (("mailbox", " (or discover)"), ("sources", "")):
        if mapping.get(key) is None:
            yield Problem(path, f'missing key "{key}"{instead}')


def _which(mapping: dict[str, Any], path: Path, directories: Collection[str]) -> Iterator[Problem]:
    """Each source of the directory, and `discover`, needs to know which directory."""
    if (named := mapping.get("directory")) is not None:
        yield from _named(named, path, directories)
        return
    several = [source for kind in ("sources", "exclude") for source in map(section, sequence(mapping.get(kind)))]
    open_ones = [one for one in several if given(one, ("group", *_SEARCHES)) and one.get("directory") is None]
    if len(directories) > 1 and (open_ones or mapping.get("discover") is not None):
        yield Problem(path, f'missing key "directory"; there are {", ".join(directories)}')


def _named(name: object, path: Path, directories: Collection[str]) -> Iterator[Problem]:
    if not isinstance(name, str) or name in directories:
        return
    known = f"there are {', '.join(directories)}" if directories else "there is only one, which has no name"
    yield Problem(path, f"unknown directory {texts.quoted(name)}; {known}", key="directory")


def _source(source: object, path: Path, directories: Collection[str]) -> Iterator[Problem]:
    wrong = [*one_of(source, _KINDS, path, known=Source.model_fields)]
    yield from wrong
    values = section(source)
    [kind, *_] = [*given(values, _KINDS), ""]
    if values.get("directory") is not None:
        if kind in {"ox_group", "users"}:
            yield Problem(path, f"directory does not go with {kind}, which comes from no directory", key="directory")
        else:
            yield from _named(values["directory"], path, directories)
    if kind and kind not in _SEARCHES and not wrong:
        for key in given(values, ("base", "scope")):
            yield Problem(path, f"{key} goes with filter and attribute, not with {kind}", key=key)


# --------------------------------------------------------------------------- account


def _texts(mapping: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Name and login are needed, here or by discover; beside discover every text is a template."""
    account = section(mapping.get("account"))
    discovers = mapping.get("discover") is not None
    found = section(section(mapping.get("discover")).get("account"))
    if isinstance(mapping.get("account"), dict) and set(account) <= set(Account.model_fields):
        for key in ("name", "login"):
            if account.get(key) is None and found.get(key) is None:
                also = " (here or in discover.account)" if discovers else ""
                yield Problem((*path, "account"), f'missing key "{key}"{also}')
    if not discovers:
        return
    transport = section(account.get("transport"))
    if section(found.get("transport")).get("login") is not None and not transport:
        yield Problem((*path, "discover", "account", "transport"), "needs account.transport with a server")
    places = [((*path, "account", key), account.get(key)) for key in ("name", "login", "personal", "reply_to")]
    for where, text in (*places, ((*path, "account", "transport", "login"), transport.get("login"))):
        try:
            parse(text if isinstance(text, str) else "")
        except InvalidTemplate as error:
            yield Problem(where, str(error))


def _account(account: dict[str, Any], path: Path, around: Around) -> Iterator[Problem]:
    mail, transport = section(account.get("mail")), section(account.get("transport"))
    if isinstance(account.get("mail"), dict):
        yield from _mail(mail, (*path, "mail"))
    if mail.get("source") is not None and account.get("transport") is not None:
        yield Problem((*path, "transport"), "does not go with mail.source, which brings its own transport")
    for key, server in (("mail", mail), ("transport", transport)):
        if server.get("secure") is True and server.get("starttls") is True:
            text = "does not go with secure: true; TLS is from the start (secure) or begun later (starttls)"
            yield Problem((*path, key, "starttls"), text)
    for where, holder in ((path, account), ((*path, "transport"), transport)):
        if holder.get("password") is not None and around.by_tools:
            text = (
                "does not go with openxchange.write_with: clt, whose tools take stored passwords only on their command "
                "line, where everybody on the machine can read them; write with sql or soap"
            )
            yield Problem((*where, "password"), text)
        elif holder.get("password") is not None and not around.obfuscated:
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
