"""Check what values of one directory must be together: URLs, TLS, the way of binding, the rules for its users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from syncd.settings.document import Path, Problem
from syncd.settings.fragments import given, one_of, section, sequence
from syncd.settings.sources import UserRule

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*").fullmatch


def problems(data: dict[str, Any], known: set[str]) -> Iterator[Problem]:
    """Find what is wrong between the values of the directories.

    Args:
        data: the whole file.
        known: the keys that may stand at its top; with an unknown one beside, a missing directory is not told.
    """
    both = given(data, ("directory", "directories"))
    if len(both) == 2:
        yield Problem((), "give either directory or directories, not both", key="directories")
    if not both and set(data) <= known:
        yield Problem((), 'missing key "directory" (or directories)')
    for path, directory in sections(data):
        yield from _directory(section(directory), path)
    for name in section(data.get("directories")):
        if not _NAME(name):
            yield Problem(("directories", name), "a name is made of letters, digits, dots, - and _")


def sections(data: dict[str, Any]) -> Iterator[tuple[Path, object]]:
    """Give what stands for a directory, with its path."""
    if data.get("directory") is not None:
        yield ("directory",), data["directory"]
    for name, directory in section(data.get("directories")).items():
        yield ("directories", name), directory


def users(values: object, path: Path) -> Iterator[Problem]:
    """Find what is wrong in a `users` section, of a directory or of a mapping."""
    if len(given(section(values), ("login", "rules"))) == 2:
        yield Problem(path, "give either login, which is short for one rule, or rules", key="rules")
    for index, rule in enumerate(sequence(section(values).get("rules"))):
        yield from one_of(rule, UserRule.model_fields, (*path, "rules", index))


def _directory(directory: dict[str, Any], path: Path) -> Iterator[Problem]:
    urls = [url for url in sequence(directory.get("urls")) if isinstance(url, str)]
    tls = section(directory.get("tls"))
    if len(urls) > 1 and any(url.startswith("ldif:") for url in urls):
        yield Problem((*path, "urls"), "an ldif:// export stands alone, without other servers")
    others = [url for url in urls if url.startswith(("ldaps:", "ldapi:", "ldif:"))]
    if others and tls.get("starttls") is True:
        yield Problem((*path, "tls", "starttls"), "is for ldap:// only; every url must begin with ldap://")
    pair = given(tls, ("cert", "key"))
    if len(pair) == 1:
        [missing] = {"cert", "key"} - set(pair)
        yield Problem((*path, "tls"), f"{pair[0]} needs {missing} beside it", key=pair[0])
    if isinstance(directory.get("bind"), dict):
        yield from _bind(directory["bind"], urls, tls, (*path, "bind"))
    if directory.get("nesting") == "server" and directory.get("kind") in ("openldap", "389ds", "generic"):
        yield Problem((*path, "nesting"), f"server is for Active Directory, not for kind: {directory['kind']}")
    yield from users(directory.get("users"), (*path, "users"))


def _bind(bind: dict[str, Any], urls: list[str], tls: dict[str, Any], path: Path) -> Iterator[Problem]:
    """Check by this table.

    | method   | dn, password  | host    | server                                         |
    |----------|---------------|---------|------------------------------------------------|
    | simple   | both needed   | refused | any                                            |
    | external | refused       | refused | ldapi, or TLS with a client certificate        |
    | gssapi   | refused       | allowed | any                                            |
    """
    method = bind.get("method") or "simple"
    if method == "simple":
        for key in ("dn", "password"):
            if bind.get(key) is None and set(bind) <= {"method", "dn", "password", "host"}:
                yield Problem(path, f'missing key "{key}"')
    elif method in ("external", "gssapi"):  # no set: it may be anything, also what has no hash
        proof = "the certificate, or the socket," if method == "external" else "the Kerberos ticket"
        for key in given(bind, ("dn", "password")):
            yield Problem(path, f"{key} does not go with method: {method}; {proof} says who syncd is", key=key)
    if method != "gssapi" and bind.get("host") is not None:
        yield Problem(path, "host is for method: gssapi only", key="host")
    remote = [url for url in urls if not url.startswith(("ldapi:", "ldif:"))]
    if method == "external" and remote:
        if not given(tls, ("cert", "key")):
            yield Problem((*path, "method"), "external needs tls.cert and tls.key, or ldapi:// alone")
        if any(url.startswith("ldap:") for url in remote) and tls.get("starttls") is not True:
            yield Problem((*path, "method"), "external needs TLS: ldaps://, or tls.starttls: true")
