"""Check what values of `notify` must be together, and warn of what others could read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from syncd.settings import texts
from syncd.settings.document import Path, Problem
from syncd.settings.fragments import section
from syncd.settings.notices import Notify, NotifyTls
from syncd.settings.secrets import WRITE

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
"""A token of RFC 9110, section 5.6.2."""
_SECRET = re.compile(r"(?i)authori[sz]ation|cookie|token|secret|passw|key|signature").search
_OURS = {"host", "content-type", "content-length", "transfer-encoding", "connection"}


def problems(notify: dict[str, Any]) -> Iterator[Problem]:
    """Find what is wrong between the values of the section."""
    headers = section(section(notify.get("webhook")).get("headers"))
    for name, value in headers.items():
        path: Path = ("notify", "webhook", "headers", name)
        if not _NAME(name):
            yield Problem(path, "is no name of a header")
        elif name.lower() in _OURS:
            yield Problem(path, "is set by syncd itself")
        elif _SECRET(name) and isinstance(value, str):
            yield Problem(path, f"looks like a secret; {WRITE}")
    if isinstance(notify.get("mail"), dict):
        yield from _mail(notify["mail"], ("notify", "mail"))


def warnings(notify: Notify) -> Iterator[tuple[Path, str]]:
    """Find what is allowed but dangerous."""
    webhook, mail = notify.webhook, notify.mail
    if webhook is not None:
        yield from _any_certificate(webhook.tls, ("notify", "webhook", "tls", "verify"))
    if mail is not None:
        yield from _any_certificate(mail.tls, ("notify", "mail", "tls", "verify"))
        if not (mail.secure or mail.starttls or texts.loopback(mail.server)):
            yield ("notify", "mail", "server"), "no TLS: what is told crosses the network in clear text"


def _any_certificate(tls: NotifyTls, path: Path) -> Iterator[tuple[Path, str]]:
    if not tls.verify:
        yield path, "any certificate is accepted; whoever sits between can read what is told"


def _mail(mail: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Check by this table.

    | secure, starttls     | password                                                   |
    |----------------------|------------------------------------------------------------|
    | both                 | refused: TLS is from the start or begun later              |
    | one of them          | with a login                                               |
    | none                 | with a login, and to this machine only                     |
    """
    ways = [key for key in ("secure", "starttls") if mail.get(key) is True]
    if len(ways) == 2:
        text = "does not go with secure: true; TLS is from the start (secure) or begun later (starttls)"
        yield Problem((*path, "starttls"), text)
    if (mail.get("login") is None) != (mail.get("password") is None):
        yield Problem(path, "login and password go together")
    server = mail.get("server")
    if mail.get("password") is not None and not ways and isinstance(server, str) and not texts.loopback(server):
        yield Problem((*path, "password"), "would cross the network in clear text; give secure: true or starttls: true")
