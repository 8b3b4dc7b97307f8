"""Look at a directory the way a run does, and report every step: what `syncd check` prints of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from syncd.core.finding import Finding
from syncd.core.model import Source
from syncd.core.reads import Discovery, Search, SourceRead
from syncd.directory.connection import Options, parse_url, tls_version
from syncd.directory.opening import open_searcher
from syncd.directory.search import LiveSearcher, Query, Searcher, first
from syncd.errors import DirectoryError

if TYPE_CHECKING:
    from syncd.directory.directory import Reading

_KINDS = {
    "ad": "Active Directory",
    "openldap": "OpenLDAP",
    "389ds": "389 Directory Server",
    "generic": "a directory of no special kind",
}
_TOLD_OTHERWISE = frozenset(("user", "group", "not found", "ignored empty"))
"""Classes of member values that need no number of their own."""
_NOBODY = "what is misspelled, or may not be read or searched by the bind DN, gives nobody either"


def usable(options: Options) -> tuple[list[Finding], Options]:
    """Try every server of a directory, so that a second one that would fail in an emergency is known before.

    Returns:
        What was found, and the options with the servers that can be used.
    """
    findings: list[Finding] = []
    urls: list[str] = []
    for url in options.urls:
        of_this = list(named(options, _check_server(url, options)))
        findings += of_this
        if all(finding.ok for finding in of_this):
            urls.append(url)
    return findings, replace(options, urls=tuple(urls))


def verdicts(
    reading: Reading,
    sources: Collection[Source],
    reads: Iterable[SourceRead],
    discoveries: Mapping[Search, Discovery],
) -> Iterator[Finding]:
    """Say what a reading of a directory showed: its kind, the group that must be seen, every source and search.

    Args:
        reading: of the directory.
        sources: those that have a line of their own; of others, which searches led to, only faults are told.
        reads: its sources, with what other directories knew of their members.
        discoveries: its searches.
    """
    if reading.server is None:  # it answered a moment ago
        reasons = dict.fromkeys(reason for read in reads for reason in read.reasons)
        yield Finding(False, "sources", "; ".join(reasons) or "not read: the connection was lost")
        return
    where = "told from its root DSE" if reading.options.kind == "auto" else "as the configuration says"
    yield Finding(True, "kind", f"{_KINDS[reading.server.kind]}, {where}")
    if reading.must_see is not None:
        seen = len(reading.must_see.members) + len(reading.must_see.disabled)
        text = reading.doubt or f"{reading.must_see.source.value}: {_counted(seen, 'member')}"
        yield Finding(not reading.doubt, "must_see", text)
    for read in reads:
        found = _check_source(read, reading.doubt)
        yield from found if read.source in sources else (one for one in found if not one.ok)
    for search, discovery in discoveries.items():
        what, count = f"discover {search.filter}", len(discovery.found)
        if wrong := [reason for reason in discovery.reasons if reason != reading.doubt]:
            yield Finding(False, what, "; ".join(wrong), f"incomplete ({count} found so far)")
        else:
            yield Finding(True, what, f"{count} found")


def named(options: Options, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Put the directory's name before what was looked at, where there are several directories."""
    for one in findings:
        yield one._replace(what=f"{options.name}: {one.what}") if options.name else one


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
            yield Finding(True, "bind", f"{url}: as {searcher.connection.identity}")
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


def _check_source(read: SourceRead, doubt: str) -> Iterator[Finding]:
    """Tell what a source gave, and what is wrong with it; the doubt about its directory is told already."""
    what = str(replace(read.source, directory=""))  # its findings name the directory
    reasons = [reason for reason in read.reasons if reason != doubt]
    if not reasons:
        yield Finding(True, what, _found(read), "" if any(read.proof.values.values()) else _NOBODY)
    for reason in reasons:
        yield Finding(False, what, reason, f"incomplete ({_found(read)} so far): nobody is removed because of it")
    for note in read.notes:
        yield Finding(True, what, note)
    nameless = [member for member in read.members.values() if not any(member.names)]
    if nameless:
        wanted = sorted({name for rule in nameless[0].rules for one in rule.templates for name in one.attributes})
        yield Finding(
            len(nameless) < len(read.members),
            what,
            f"{len(nameless)} of {len(read.members)} have no {', '.join(wanted)}",
            "check the rules in users, and that the bind DN may read the attribute",
        )


def _found(read: SourceRead) -> str:
    """Say who is in a source: `3 members, 1 without an entry, 1 disabled, 2 ignored computer, in 2 groups`."""
    values = read.proof.values
    parts = [_counted(len(read.members), "member")]
    parts += [f"{len(read.dangling)} without an entry"] if read.dangling else []
    parts += [f"{count} {kind}" for kind, count in sorted(values.items()) if kind not in _TOLD_OTHERWISE]
    parts += [f"in {read.proof.groups} groups"] if read.proof.groups > 1 else []
    return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
