"""Look at the directory the way a run does, and report every step: what `syncd check` prints of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.core.finding import Finding
from syncd.core.model import Source
from syncd.core.reads import SourceRead
from syncd.directory.connection import Options, parse_url, tls_version
from syncd.directory.expand import expand
from syncd.directory.opening import open_searcher
from syncd.directory.search import LiveSearcher, Query, Searcher, first
from syncd.errors import DirectoryError


def check(options: Options, sources: Collection[Source]) -> Iterator[Finding]:
    """Try every server; read the sources from the first that can be used.

    Every URL is tried, so that a second server that would fail in an emergency is known before.
    """
    usable: list[str] = []
    for url in options.urls:
        findings = list(_check_server(url, options))
        yield from findings
        if all(finding.ok for finding in findings):
            usable.append(url)
    if not usable:
        return
    try:
        searcher = open_searcher(usable[0], options)
        try:
            reads = expand(searcher, sources, options.base, options.login_attributes, lambda _: None)
        finally:
            searcher.close()
    except DirectoryError as error:
        yield Finding(False, "sources", error.message, error.hint or "")
        return
    for read in reads.values():
        yield from _check_source(read, options)


def _check_server(url: str, options: Options) -> Iterator[Finding]:
    try:
        searcher = open_searcher(url, options)
    except DirectoryError as error:
        yield Finding(False, "connection", error.message, error.hint or "")
        return
    try:
        yield Finding(True, "connection", url)
        if isinstance(searcher, LiveSearcher):
            yield _check_tls(searcher, options)
            yield Finding(True, "bind", f"{url}: as {options.bind_dn or 'anonymous'}")
        yield _check_base(searcher, options)
    except DirectoryError as error:
        yield Finding(False, "base", error.message, error.hint or "")
    finally:
        searcher.close()


def _check_tls(searcher: LiveSearcher, options: Options) -> Finding:
    version = tls_version(searcher)
    if version is None and parse_url(searcher.server).scheme == "ldapi":
        return Finding(True, "tls", f"{searcher.server}: a socket on this machine")
    if version is None:
        return Finding(
            True,
            "tls",
            f"{searcher.server}: none, everything crosses the wire in the clear",
            "use ldaps:// or starttls",
        )
    if not options.verify:
        return Finding(True, "tls", f"{searcher.server}: {version}, the server is NOT verified", "set directory.tls.ca")
    return Finding(True, "tls", f"{searcher.server}: {version}, verified")


def _check_base(searcher: Searcher, options: Options) -> Finding:
    found = first(searcher.search(Query(options.base, "base", "(objectClass=*)", ("1.1",))))
    if found is None:
        text = f"{searcher.server}: {options.base}: not readable"
        return Finding(False, "base", text, "give the bind DN the right to read it")
    return Finding(True, "base", f"{searcher.server}: {options.base}")


def _check_source(read: SourceRead, options: Options) -> Iterator[Finding]:
    what = str(read.source)
    found = f"{len(read.members)} member{'' if len(read.members) == 1 else 's'}"
    if read.dangling:
        found += f", {len(read.dangling)} without an entry"
    if read.complete:
        yield Finding(True, what, found)
    for reason in read.reasons:
        yield Finding(False, what, reason, f"incomplete ({found} so far): nobody is removed because of it")
    for note in read.notes:
        yield Finding(True, what, note)
    without = sum(1 for member in read.members.values() if not any(member.names))
    if without:
        names = ", ".join(options.login_attributes)
        yield Finding(
            without < len(read.members),
            what,
            f"{without} of {found} have no {names}",
            "check directory.users.login, and that the bind DN may read the attribute",
        )
