"""Members of groups and roles, read from a real 389 Directory Server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from syncd.core.model import Source
from syncd.core.reads import DirectoryRead, SourceRead
from syncd.directory.directories import Directories
from tests.directory.trees import GROUPS, PEOPLE, cn, entry, group, logins, person
from tests.servers.ds389 import SUFFIX, Ds389

pytestmark = pytest.mark.ds389


@contextmanager
def added(server: Ds389, *ldif: str) -> Iterator[None]:
    """Have entries in the directory for a while."""
    server.add("".join(ldif))
    try:
        yield
    finally:
        dns = [line[4:] for text in ldif for line in text.splitlines() if line.startswith("dn: ")]
        server.run("ldapdelete", "-c", *(dn.replace("SUFFIX", SUFFIX) for dn in reversed(dns)))


def unique(name: str, members: Iterable[str]) -> str:
    """Write a groupOfUniqueNames; members are DNs, or uids of people."""
    values = [("uniqueMember", one if "=" in one else f"uid={one},{PEOPLE}") for one in members]
    return entry(cn(name), ("objectClass", "groupOfUniqueNames"), ("cn", name), *values)


def locked(uid: str) -> str:
    """Write a person whose account is inactivated."""
    return person(uid, None, ("objectClass", "nsAccount"), ("nsAccountLock", "true"))


def group_source(name: str) -> Source:
    """Give the source for a group."""
    return Source(kind="group", value=cn(name).replace("SUFFIX", SUFFIX))


def read_all(server: Ds389, *sources: Source, **options: object) -> DirectoryRead:
    """Read sources."""
    return Directories({"": server.options(**options)}).read(sources)


def read(server: Ds389, name: str, **options: object) -> SourceRead:
    """Read a group."""
    return read_all(server, group_source(name), **options).reads[group_source(name)]


def test_unique_members_are_read_with_and_without_the_optional_uid(ds389: Ds389) -> None:
    """A groupOfUniqueNames gives its people, a UID suffix is cut off, nested groups of both classes count."""
    with added(
        ds389,
        *(person(uid) for uid in ("anna", "bert", "cleo")),
        group("inner", ["cleo"]),
        unique("outer", ["anna", f"uid=bert,{PEOPLE}#'0101'B", cn("inner")]),
    ):
        found = read(ds389, "outer")
    assert found.reasons == ()
    assert found.complete
    assert logins(found) == ["anna", "bert", "cleo"]
    assert dict(found.proof.values) == {"user": 3, "group": 1}


@pytest.mark.parametrize(
    ("policy", "members", "gone"), [("remove", ["anna"], ["dora"]), ("keep", ["anna", "dora"], [])]
)
def test_inactivated_accounts_follow_the_policy(ds389: Ds389, policy: str, members: list[str], gone: list[str]) -> None:
    """Whom nsAccountLock locks out is disabled, where that takes the mailbox away."""
    with added(ds389, person("anna"), locked("dora"), unique("team", ["anna", "dora"])):
        found = read(ds389, "team", disabled=policy)
    assert found.complete
    assert logins(found) == members
    assert [name for member in found.disabled.values() for (name,) in member.names] == gone


def test_a_dynamic_group_is_evaluated_here(ds389: Ds389) -> None:
    """The server leaves memberURL to its clients; who matches is a member, and static members beside it are too."""
    url = f"ldap:///{PEOPLE}??sub?(&(objectClass=inetOrgPerson)(title=boss))".replace("SUFFIX", SUFFIX)
    with added(
        ds389,
        person("anna", None, ("title", "boss")),
        person("bert"),
        person("cleo"),
        entry(
            cn("bosses"),
            ("objectClass", "groupOfNames"),
            ("objectClass", "groupOfURLs"),
            ("cn", "bosses"),
            ("memberURL", url),
            ("member", f"uid=cleo,{PEOPLE}"),
        ),
    ):
        found = read(ds389, "bosses")
    assert found.reasons == ()
    assert found.complete
    assert logins(found) == ["anna", "cleo"]


def test_a_role_is_a_source_by_attribute(ds389: Ds389) -> None:
    """`nsRole=DN` finds who has a filtered role, which no entry lists."""
    role = entry(
        f"cn=bosses,{PEOPLE}",
        ("objectClass", "ldapSubEntry"),
        ("objectClass", "nsRoleDefinition"),
        ("objectClass", "nsComplexRoleDefinition"),
        ("objectClass", "nsFilteredRoleDefinition"),
        ("cn", "bosses"),
        ("nsRoleFilter", "(title=boss)"),
    )
    with added(ds389, person("anna", None, ("title", "boss")), person("bert"), role):
        source = Source(kind="attribute", value=f"nsRole=cn=bosses,{PEOPLE}".replace("SUFFIX", SUFFIX))
        found = read_all(ds389, source).reads[source]
    assert found.complete
    assert logins(found) == ["anna"]


def test_member_of_is_kept_by_the_server(ds389: Ds389) -> None:
    """`memberOf=DN` finds the people of a group, nested ones too, since the plug-in writes them."""
    with added(ds389, person("anna"), person("bert"), group("inner", ["bert"]), group("outer", ["anna", cn("inner")])):
        source = Source(kind="attribute", value=f"memberOf={cn('outer')}".replace("SUFFIX", SUFFIX))
        found = read_all(ds389, source).reads[source]
    assert found.complete
    assert logins(found) == ["anna", "bert"]


def test_a_size_limit_is_seen(ds389: Ds389) -> None:
    """A filter that finds more than the limit allows is either read to the end by pages or incomplete, never cut."""
    with added(ds389, *(person(f"u{number}") for number in range(12)), unique("all", (f"u{n}" for n in range(12)))):
        ds389.size_limit(5)
        try:
            source = Source(kind="filter", value="(uid=u*)")
            found = read_all(ds389, source, group_source("all")).reads
        finally:
            ds389.size_limit(-1)
    for one in found.values():
        assert one.complete == (len(one.members) == 12)
        assert one.complete or one.causes == {"limit"}
        assert one.dangling == {}


def test_a_renamed_person_keeps_the_id(ds389: Ds389) -> None:
    """The id is the entryUUID (nsUniqueId where there is none) and stays when the entry is renamed."""
    with added(ds389, person("maiden"), unique("wed", ["maiden"])):
        [before] = read(ds389, "wed").members.values()
        shown = ds389.run("ldapsearch", "-LLL", "-b", before.dn, "-s", "base", "entryUUID", "nsUniqueId")
        ds389.run("ldapmodrdn", "-r", before.dn, "uid=married")
        wed = cn("wed").replace("SUFFIX", SUFFIX)
        members = f"uniqueMember: uid=married,{PEOPLE}\n"
        ds389.modify(f"dn: {wed}\nchangetype: modify\nreplace: uniqueMember\n{members}")
        [after] = read(ds389, "wed").members.values()
        ds389.run("ldapmodrdn", "-r", after.dn, "uid=maiden")
    assert before.id == after.id
    assert f": {before.id}" in shown
    assert (before.names, after.names) == ((("maiden",),), (("married",),))


def test_the_kind_is_told_and_the_change_counter_grows(ds389: Ds389) -> None:
    """The root DSE says what server it is; its counter of updates moves with every change."""
    with added(ds389, person("anna"), unique("team", ["anna"])):
        first = read_all(ds389, group_source("team"))
        ds389.modify(f"dn: uid=anna,{PEOPLE}\nchangetype: modify\nreplace: title\ntitle: new\n")
        second = read_all(ds389, group_source("team"))
    assert first.answered[""].server == ds389.ldaps
    assert first.answered[""].counter
    assert second.answered[""].counter
    assert first.answered[""].counter < second.answered[""].counter


def test_the_number_of_operations_is_bounded(ds389: Ds389) -> None:
    """Sixty groups of two people each on two levels cost no more than the formula has."""
    groups = [unique(f"g{number}", [f"u{number}", f"u{number + 1}"]) for number in range(60)]
    top = unique("top", [cn(f"g{number}") for number in range(60)])
    with added(ds389, *(person(f"u{number}") for number in range(61)), *groups, top):
        found = read_all(ds389, group_source("top"))
    [one] = found.reads.values()
    assert one.complete
    assert len(one.members) == 61
    assert found.operations <= math.ceil(61 / 50) + 2 + math.ceil(61 / 50) + 5


def test_the_groups_unit_is_no_group(ds389: Ds389) -> None:
    """A DN that names something else than a group is a source that is not complete."""
    source = Source(kind="group", value=GROUPS.replace("SUFFIX", SUFFIX))
    found = read_all(ds389, source).reads[source]
    assert not found.complete
    assert "is no group" in found.reasons[0]
