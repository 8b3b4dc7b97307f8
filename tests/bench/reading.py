"""Reading alone: deep nesting on OpenLDAP, ranges on Active Directory; beside `ldapsearch` reading the same entries.

Every directory is read in this process, which is warm; `ldapsearch` is a process for each question, as it is used.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from syncd.core.model import Secret, Source
from syncd.core.reads import DirectoryRead
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from tests.bench.line import Line
from tests.servers import domain
from tests.servers.limits import Limits
from tests.servers.samba import Samba
from tests.servers.slapd import PASSWORD, Database, Slapd

_LEVELS, _CHAINS, _PEOPLE = 20, 50, 50
"""1,000 groups on 20 levels with 50 people each."""
_PAGES = ("-E", "pr=1000/noprompt")


def nested(rounds: int) -> list[Line]:
    """Expand 1,000 groups in 20 levels with 50,000 people."""
    with Slapd() as slapd:
        database = slapd.database()
        database.load(_tree(database, slapd.folder / "tree.ldif"))
        source = Source(kind="group", value=f"cn=top,{database.groups}")
        options = Options(
            urls=(slapd.ldap_ip,), base=database.suffix, bind_dn=database.bind_dn, password=Secret(PASSWORD)
        )

        def raw() -> None:
            database.run("ldapsearch", "-LLL", *_PAGES, "-b", database.groups, "(objectClass=groupOfNames)", "member")
            database.run("ldapsearch", "-LLL", *_PAGES, "-b", database.people, "(uid=*)", "uid", "entryUUID")

        name = f"nested: {_LEVELS * _CHAINS:,} groups, {_LEVELS} levels, {_LEVELS * _CHAINS * _PEOPLE:,} members"
        return [_compare(name, options, source, raw, rounds, target=6)]


def ranges(rounds: int) -> list[Line]:
    """Read a group of 3,001 in ranges of 1,500."""
    with Samba("corp.example.test", domain.everything()) as samba, samba.limits() as limits:
        group = samba.dn("n3001")

        def raw() -> None:
            _ranges(samba, limits, group)

        source = Source(kind="group", value=group)
        return [_compare("ranges: 3,001 members", samba.options(limits.ldaps), source, raw, rounds, target=6)]


def _ranges(samba: Samba, limits: Limits, group: str) -> None:
    """Read the three ranges and the people, as the product has to."""
    for names in ("member", "member;range=1499-*", "member;range=2998-*"):
        samba.client(
            "ldapsearch", limits.ldaps, "-LLL", "-b", group, "-s", "base", "(objectClass=*)", names, who=domain.READER
        )
    people = f"OU=people,{samba.base}"
    wanted = ("objectClass", "sAMAccountName", "objectGUID", "userAccountControl")
    query = ("-LLL", *_PAGES, "-b", people, "(sAMAccountName=*)", *wanted)
    samba.client("ldapsearch", limits.ldaps, *query, who=domain.READER)


def _compare(
    name: str, options: Options, source: Source, raw: Callable[[], None], rounds: int, *, target: float
) -> Line:
    directories = Directories({"": options})
    ours: list[float] = []
    theirs: list[float] = []
    raw()
    first, _ = _timed(directories, source)
    for _ in range(rounds):
        start = time.perf_counter()
        raw()
        theirs.append(time.perf_counter() - start)
        seconds, read = _timed(directories, source)
        ours.append(seconds)
    return Line(
        name=name,
        ours=statistics.median(ours),
        raw=statistics.median(theirs),
        target=target,
        notes=_notes(read, first, source),
    )


def _timed(directories: Directories, source: Source) -> tuple[float, DirectoryRead]:
    gc.collect()
    start = time.perf_counter()
    read = directories.read([source])
    seconds = time.perf_counter() - start
    assert read.reads[source].complete, read.reads[source].reasons
    return seconds, read


def _notes(read: DirectoryRead, first: float, source: Source) -> Sequence[str]:
    proof = read.reads[source].proof
    counted = f"{len(read.reads[source].members):,} members, {proof.groups:,} groups, {proof.ranges} ranges"
    return (f"{counted}; {read.operations} LDAP operations; first read {first:.2f} s",)


def _tree(database: Database, path: Path) -> Path:
    """Write the entries: a group on each level of each chain has the next one and people of its own."""
    numbers = iter(range(_LEVELS * _CHAINS * _PEOPLE))
    with path.open("w") as out:
        for chain in range(_CHAINS):
            for level in range(_LEVELS):
                members = [f"uid=u{next(numbers)},{database.people}" for _ in range(_PEOPLE)]
                if level + 1 < _LEVELS:
                    members.append(f"cn=g{chain}-{level + 1},{database.groups}")
                for dn in members[:_PEOPLE]:
                    uid = dn.partition(",")[0][4:]
                    out.write(f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n\n")
                out.write(_group(database, f"g{chain}-{level}", members))
        out.write(_group(database, "top", [f"cn=g{chain}-0,{database.groups}" for chain in range(_CHAINS)]))
    return path


def _group(database: Database, name: str, members: Sequence[str]) -> str:
    values = "".join(f"member: {member}\n" for member in members)
    return f"dn: cn={name},{database.groups}\nobjectClass: groupOfNames\ncn: {name}\n{values}\n"
