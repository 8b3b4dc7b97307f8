"""Write small directories as LDIF, and read them; `SUFFIX` stands for the suffix."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable
from pathlib import Path

from syncd.core.model import Rule, Secret, Source
from syncd.core.reads import DirectoryRead, SourceRead
from syncd.core.template import attribute
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from tests.servers.slapd import PASSWORD, Database

PEOPLE = "ou=people,SUFFIX"
GROUPS = "ou=groups,SUFFIX"


def line(name: str, value: str) -> str:
    """Write one attribute, in base64 where needed."""
    plain = value == value.strip() and not value.startswith((":", "<"))
    return f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(value.encode()).decode()}"


def entry(dn: str, *attributes: tuple[str, str]) -> str:
    """Write one entry."""
    return "\n".join([line("dn", dn), *(line(name, value) for name, value in attributes)]) + "\n\n"


def person(uid: str, dn: str | None = None, *more: tuple[str, str]) -> str:
    """Write a person, `uid=UID,ou=people` unless a DN is given."""
    attributes = [("objectClass", "inetOrgPerson"), ("uid", uid), ("cn", f"Person {uid}"), ("sn", uid), *more]
    return entry(dn or f"uid={uid},{PEOPLE}", *attributes)


def group(cn: str, members: Iterable[str]) -> str:
    """Write a groupOfNames; members are DNs, or uids of people."""
    names = [(name if "=" in name else f"uid={name},{PEOPLE}") for name in members]
    return entry(
        f"cn={cn},{GROUPS}", ("objectClass", "groupOfNames"), ("cn", cn), *(("member", name) for name in names)
    )


def cn(name: str) -> str:
    """Give the DN of a group."""
    return f"cn={name},{GROUPS}"


def options(database: Database, *urls: str, **more: object) -> Options:
    """Give options for a database: the plain URL unless others are given, bound as its user.

    `login_attributes=("uid", "mail")` stands for one rule.
    """
    if isinstance(names := more.pop("login_attributes", None), tuple):
        more["rules"] = (Rule("login", tuple(map(attribute, names))),)
    settings: dict[str, object] = {
        "urls": urls or (database.server.ldap,),
        "base": database.suffix,
        "bind_dn": database.bind_dn,
        "password": Secret(PASSWORD),
        **more,
    }
    return Options(**settings)  # type: ignore[arg-type]


def source(database: Database | None, name: str, nested: int = 32) -> Source:
    """Give a group source by cn or DN."""
    value = name if "=" in name else cn(name)
    return Source(kind="group", value=value.replace("SUFFIX", database.suffix if database else "SUFFIX"), nested=nested)


def by_filter(text: str, **more: object) -> Source:
    """Give a filter source."""
    return Source(kind="filter", value=text, **more)  # type: ignore[arg-type]


def read(database: Database, *sources: Source, **more: object) -> DirectoryRead:
    """Read sources from a database."""
    return Directories({"": options(database, **more)}).read(sources)


def read_group(database: Database, name: str, nested: int = 32) -> SourceRead:
    """Read one group from a database."""
    wanted = source(database, name, nested)
    return read(database, wanted).reads[wanted]


def logins(read: SourceRead) -> list[str]:
    """Give the logins of all members, sorted."""
    return sorted(login for member in read.members.values() for names in member.names for login in names)


def export(path: Path, *texts: str) -> Options:
    """Write an export with `dc=x` as suffix; give options that read it."""
    path.write_text("".join(texts).replace("SUFFIX", "dc=x"))
    return Options(urls=(f"ldif://{path}",), base="dc=x")


def read_export(path: Path, sources: Collection[Source], *texts: str) -> DirectoryRead:
    """Write and read an export."""
    at = [
        Source(
            kind=one.kind, value=one.value.replace("SUFFIX", "dc=x"), nested=one.nested, base=one.base, scope=one.scope
        )
        for one in sources
    ]
    return Directories({"": export(path, *texts)}).read(at)


def whole(read: DirectoryRead) -> bool:
    """Tell whether every source and every search was read to its end."""
    return all(one.complete for one in read.reads.values()) and all(one.complete for one in read.discoveries.values())
