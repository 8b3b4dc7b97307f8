"""Members of groups and filters, read from a real Active Directory: Samba, with the limits of Windows before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from syncd.core.dn import normalise
from syncd.core.model import Rule, Source
from syncd.core.reads import DirectoryRead, SourceRead
from syncd.core.template import attribute, parse
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from tests.servers import domain
from tests.servers.domain import BLIND, GROUPS, MOVED, PEOPLE, SIZES, STRANGER, cn, group, person, user
from tests.servers.limits import Limits
from tests.servers.samba import Samba

pytestmark = pytest.mark.samba


@pytest.fixture
def limits(samba: Samba) -> Iterator[Limits]:
    """The limits of Windows before the server."""
    with samba.limits() as proxy:
        yield proxy


@contextmanager
def added(server: Samba, *ldif: str) -> Iterator[None]:
    """Have entries in the directory for a while; it is by DN that they are taken away."""
    server.modify("".join(ldif))
    try:
        yield
    finally:
        dns = [line[4:] for text in ldif for line in text.splitlines() if line.startswith("dn: ")]
        server.run("ldapdelete", "-c", *(dn.replace("BASE", server.base) for dn in reversed(dns)))


def change(dn: str, what: str, *members: str) -> str:
    """Write a change of a group's members: `add` or `delete`."""
    values = "".join(f"member: {person(member)}\n" for member in members)
    return f"dn: {dn}\nchangetype: modify\n{what}: member\n{values}\n"


def read_all(options: Options | Mapping[str, Options], *sources: Source) -> DirectoryRead:
    """Read sources."""
    return Directories(options if isinstance(options, Mapping) else {"": options}).read(sources)


def read(server: Samba, name: str, proxy: Limits | None = None, nested: int = 32, **options: object) -> SourceRead:
    """Read a group."""
    source = Source(kind="group", value=server.dn(name), nested=nested)
    who = str(options.pop("who", domain.READER))
    urls = (proxy.ldaps,) if proxy else ()
    return read_all(server.options(*urls, who=who, **options), source).reads[source]


def logins(found: SourceRead) -> set[str]:
    """Give what the members are looked for by."""
    return {name for member in found.members.values() for names in member.names for name in names}


def numbered(count: int) -> set[str]:
    """Give the logins of the first numbered people."""
    return {f"u{number}" for number in range(count)}


def path_to(found: SourceRead, login: str) -> list[str]:
    """Give the names of the groups on the way to a member."""
    [member] = [member for member in found.members.values() if member.names == ((login,),)]
    return [dn.partition(",")[0].partition("=")[2] for dn in member.path]


# --------------------------------------------------------------------------- ranges


@pytest.mark.parametrize("size", SIZES)
def test_a_group_is_read_whole_in_ranges(samba: Samba, limits: Limits, size: int) -> None:
    """Groups below, at and above the range of 1,500 values yield every member, with the ranges in the proof."""
    found = read(samba, f"n{size}", limits)
    assert found.reasons == ()
    assert found.complete
    assert logins(found) == numbered(size)
    assert dict(found.proof.values) == {"user": size}
    assert found.proof.ranges == (0 if size <= 1500 else 1 + math.ceil((size - 1500) / 1499))


def test_a_group_that_comes_without_ranges_is_read_whole(samba: Samba) -> None:
    """A server that sends 3,001 values at once, as Samba does, is as good."""
    found = read(samba, "n3001")
    assert found.complete
    assert logins(found) == numbered(3001)
    assert found.proof.ranges == 0


@pytest.mark.parametrize("final_star", [True, False])
def test_a_group_of_a_multiple_of_the_range_is_read_whole(samba: Samba, limits: Limits, final_star: bool) -> None:
    """1,500 members in ranges of 500 end, whether or not a full range is called the last one."""
    limits.values, limits.final_star = 500, final_star
    found = read(samba, "n1500", limits)
    assert found.reasons == ()
    assert found.complete
    assert logins(found) == numbered(1500)


def test_ranges_of_a_group_within_a_group_are_read(samba: Samba, limits: Limits) -> None:
    """A group in ranges that is only a member of the source's group is read whole too."""
    with added(samba, group("outer", [cn("n1501"), "u2000"])):
        found = read(samba, "outer", limits)
    assert found.complete
    assert logins(found) == numbered(1501) | {"u2000"}
    assert found.proof.groups == 2
    assert path_to(found, "u7") == ["outer", "n1501"]


def test_a_group_that_changes_between_two_ranges_is_read_again(samba: Samba, limits: Limits) -> None:
    """Members that come and go between two ranges lead to a second read, and to what the group is then."""
    limits.values = 10
    with added(samba, group("restless", sorted(numbered(25)))):
        limits.between = lambda number: (
            samba.modify(change(samba.dn("restless"), "delete", "u3") + change(samba.dn("restless"), "add", "u30"))
            if number == 1
            else None
        )
        found = read(samba, "restless", limits)
    assert found.reasons == ()
    assert found.complete
    assert logins(found) == numbered(25) - {"u3"} | {"u30"}


def test_a_group_that_never_stands_still_is_incomplete(samba: Samba, limits: Limits) -> None:
    """A group that changes at every one of three reads is incomplete, by range, and nobody counts as gone."""
    limits.values = 10
    with added(samba, group("restless", sorted(numbered(25)))):
        restless = samba.dn("restless")
        limits.between = lambda number: samba.modify(change(restless, "add", f"u{100 + number}"))
        found = read(samba, "restless", limits)
        asked = [names for names in limits.searches if any(";range=" in name for name in names)]
    assert not found.complete
    assert found.causes == {"range"}
    assert any("changed while" in reason for reason in found.reasons), found.reasons
    assert "restless" in found.reasons[0]
    assert len(asked) == 3  # each read ends where the change is seen
    assert found.dangling == {}


def test_a_connection_that_ends_within_the_ranges_is_incomplete(samba: Samba, limits: Limits) -> None:
    """When the server goes away at every read nothing is complete, by connection, and no member is known."""
    limits.cut_after = 4
    found = read(samba, "n3001", limits)
    assert not found.complete
    assert found.causes == {"connection"}
    assert found.members == {}


# --------------------------------------------------------------------------- who is a member


def test_members_by_primary_group_count(samba: Samba) -> None:
    """A person whose primary group it is is in no `member` value, and a member all the same, also further down."""
    found = read(samba, "primary")
    assert found.complete
    assert logins(found) == {"u13", "u14"}
    outer = read(samba, "around")
    assert logins(outer) == {"u13", "u14", "u15"}
    assert path_to(outer, "u13") == ["around", "primary"]
    assert dict(outer.proof.values)["user"] == 3


def test_everybody_is_in_the_group_that_is_everybodys_primary_group(samba: Samba, limits: Limits) -> None:
    """Domain Users has no `member` of the people in it; all 3,000 are found, in pages of at most 1,000."""
    found = read(samba, "CN=Domain Users,CN=Users,BASE", limits, page_size=5000)
    assert found.complete
    assert logins(found) >= numbered(3001) - {"u13"}


@pytest.mark.parametrize(
    ("disabled", "expired", "members", "gone"),
    [
        ("remove", "keep", {"u10", "emil"}, {"dora"}),
        ("remove", "remove", {"u10"}, {"dora", "emil"}),
        ("keep", "keep", {"u10", "dora", "emil"}, set()),
        ("keep", "remove", {"u10", "dora"}, {"emil"}),
    ],
)
def test_disabled_and_expired_accounts_follow_the_policy(
    samba: Samba, disabled: str, expired: str, members: set[str], gone: set[str]
) -> None:
    """Whom the policy takes the mailbox from is read as such, and is neither a member nor missing."""
    found = read(samba, "mixed", disabled=disabled, expired=expired)
    assert found.complete
    assert logins(found) == members
    assert {name for member in found.disabled.values() for names in member.names for name in names} == gone


def test_contacts_and_computers_are_counted_and_ignored(samba: Samba) -> None:
    """The proof says how many of each class there are; contacts and computers make nothing incomplete."""
    found = read(samba, "mixed", expired="remove")
    assert found.complete
    counts = {"user": 1, "disabled": 1, "expired": 1, "ignored contact": 1, "ignored computer": 1}
    assert dict(found.proof.values) == counts


def test_a_stranger_of_an_unknown_domain_is_incomplete_and_not_gone(samba: Samba) -> None:
    """A foreign security principal that no directory resolves makes the source incomplete and names its SID."""
    found = read(samba, "stranger")
    assert not found.complete
    assert found.causes == {"foreign"}
    assert STRANGER in found.reasons[0]
    assert logins(found) == {"u16"}
    assert found.dangling == {}
    assert dict(found.proof.values) == {"user": 1, "foreign": 1}


def test_a_member_of_another_domain_is_found_in_its_directory(samba: Samba, subsidiary: Samba) -> None:
    """With the other domain among the directories its people are members, and its disabled ones are disabled."""
    people = {name: subsidiary.values(person(name), "objectSid")[0] for name in ("gina", "ines")}
    options = {"hq": samba.options(name="hq"), "sub": subsidiary.options(name="sub")}
    with added(samba, group("abroad", ["u1", *(f"<SID={sid}>" for sid in people.values())])):
        source = Source(kind="group", value=samba.dn("abroad"), directory="hq")
        whole = read_all(options, source).reads[source]
        alone = read_all({"hq": options["hq"]}, source).reads[source]
    assert whole.reasons == ()
    assert whole.complete
    assert logins(whole) == {"u1", "gina"}
    [ines] = whole.disabled.values()
    assert ines.dn == f"CN=ines,OU=people,{subsidiary.base}"
    assert not alone.complete
    assert alone.causes == {"foreign"}
    for dn in samba.run("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", samba.base,
                        "(objectClass=foreignSecurityPrincipal)", "1.1").splitlines():  # fmt: skip
        if any(sid in dn for sid in people.values()):
            samba.run("ldapdelete", dn.removeprefix("dn: "))


def test_odd_names_are_members(samba: Samba) -> None:
    """Names with commas, plus signs, parentheses, backslashes and umlauts are found."""
    found = read(samba, "odd")
    assert found.complete
    assert found.dangling == {}
    assert logins(found) == set(domain.ODD)


def test_an_entry_that_the_bind_user_may_not_see_is_not_gone(samba: Samba) -> None:
    """Whether it is taken for absent or for unreadable: her account is kept by the read, and she is counted."""
    assert logins(read(samba, "hidden")) == {"u11", "hanna"}
    found = read(samba, "hidden", who=BLIND)
    assert logins(found) == {"u11"}
    kept = normalise(samba.dn(f"CN=Hidden Hanna,{PEOPLE}")) in found.dangling
    assert kept or not found.complete
    assert dict(found.proof.values) in ({"user": 1, "not found": 1}, {"user": 1, "not readable": 1})


def test_a_group_that_must_be_seen_tells_of_rights_that_went(samba: Samba) -> None:
    """Who may not read the members of the group to be seen gets no complete read of anything in that directory."""
    must_see = samba.dn("secret")
    assert read(samba, "left", must_see=must_see).complete
    found = read(samba, "left", who=BLIND, must_see=must_see)
    assert not found.complete
    assert found.causes == {"must_see"}
    assert "must_see" in found.reasons[0]


# --------------------------------------------------------------------------- nesting


@pytest.mark.parametrize("nesting", ["client", "server"])
@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("top", {"u1", "u2", "u3", "u4", "u5"}),
        ("loop-a", {"u6", "u7"}),
        ("loop-b", {"u6", "u7"}),
        ("self", {"u8"}),
        ("empty", set()),
    ],
)
def test_groups_in_groups_are_followed(samba: Samba, nesting: str, name: str, members: set[str]) -> None:
    """Diamonds, loops and a group within itself end, and give everybody once, walked or resolved by the server."""
    found = read(samba, name, nesting=nesting)
    assert found.complete
    assert logins(found) == members
    assert len(found.members) == len(members)


def test_the_path_is_a_shortest_one(samba: Samba) -> None:
    """A member's path leads from the source to the group that lists it, by as few groups as can be."""
    found = read(samba, "top")
    assert path_to(found, "u5") == ["top"]
    assert path_to(found, "u1") in (["top", "left", "bottom"], ["top", "right", "bottom"])


def test_twenty_five_levels_are_followed(samba: Samba) -> None:
    """A chain of groups is walked to its end, and one that is longer than allowed makes the source incomplete."""
    found = read(samba, "deep0")
    assert found.complete
    assert logins(found) == {"u9"}
    assert found.proof.groups == 26
    short = read(samba, "deep0", nested=10)
    assert not short.complete
    assert short.causes == {"depth"}


# --------------------------------------------------------------------------- identity


def test_the_stable_id_is_the_guid_as_people_write_it(samba: Samba) -> None:
    """A member's id is its objectGUID in the usual text form, in lower case, without braces."""
    found = read(samba, "secret")
    [member] = found.members.values()
    assert member.id == samba.values(person("u12"), "objectGUID")[0].strip("{}").lower()


def test_a_renamed_and_moved_person_keeps_the_id(samba: Samba) -> None:
    """Another name, another login, another unit: the same objectGUID, with the new DN and login."""
    with added(samba, user("maiden"), group("wed", ["maiden"])):
        [before] = read(samba, "wed").members.values()
        samba.run("ldapmodrdn", "-r", "-s", samba.dn(MOVED), samba.dn(person("maiden")), "CN=Married\\, Mia")
        moved = f"CN=Married\\, Mia,{MOVED}"
        samba.modify(f"dn: {moved}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: married\n")
        [after] = read(samba, "wed").members.values()
        samba.run("ldapmodrdn", "-r", "-s", samba.dn(PEOPLE), samba.dn(moved), "CN=maiden")
    assert before.id == after.id
    assert (before.names, after.names) == ((("maiden",),), (("married",),))
    assert after.key == normalise(samba.dn(moved))


def test_rules_read_every_name_of_a_person(samba: Samba) -> None:
    """sAMAccountName in lower case, userPrincipalName, mail and proxyAddresses of kind smtp are there for matching."""
    rules = (
        Rule("login", (parse("{sAMAccountName:lower}"),)),
        Rule("login", (attribute("userPrincipalName"),)),
        Rule("mail", (attribute("mail"),)),
        Rule("alias", (parse("{proxyAddresses:smtp}"),)),
        Rule("imap_login", (parse("{mail:localpart}"),)),
    )
    [member] = read(samba, "names", rules=rules).members.values()
    login, principal, mail, aliases, local = member.names
    assert login == ("anna",)
    assert principal == ("anna.aliasse@corp.example.test",)
    assert mail == ("a.aliasse@example.org",)
    assert set(aliases) == {"a.aliasse@example.org", "anna@example.org"}
    assert local == ("a.aliasse",)


# --------------------------------------------------------------------------- other sources


def test_a_filter_is_read_in_pages_below_the_servers_limit(samba: Samba, limits: Limits) -> None:
    """A filter that finds 3,001 people is complete, in pages of 1,000 although more were asked for."""
    source = Source(kind="filter", value="(&(objectCategory=person)(sAMAccountName=u*))")
    found = read_all(samba.options(limits.ldaps, page_size=5000), source).reads[source]
    assert found.reasons == ()
    assert found.complete  # references to the server's own other contexts are no matter
    assert logins(found) == numbered(3001)
    assert found.proof.pages == 4


def test_membership_from_the_persons_side(samba: Samba) -> None:
    """The source `memberOf=DN` finds the direct members."""
    source = Source(kind="attribute", value=f"memberOf={samba.dn('bottom')}")
    found = read_all(samba.options(), source).reads[source]
    assert found.complete
    assert logins(found) == {"u1", "u2"}


def test_a_group_that_is_not_there_is_incomplete(samba: Samba) -> None:
    """A source whose DN names nothing is incomplete, by missing; the others of the read are not touched by it."""
    missing, there = (Source(kind="group", value=samba.dn(name)) for name in ("nowhere", "left"))
    found = read_all(samba.options(), missing, there).reads
    assert found[missing].causes == {"missing"}
    assert not found[missing].complete
    assert found[there].complete


# --------------------------------------------------------------------------- the connection


def test_a_bind_in_the_clear_is_refused_with_a_hint(samba: Samba) -> None:
    """A server that demands signing says strongerAuthRequired; the reason says what to do."""
    source = Source(kind="group", value=samba.dn("left"))
    options = samba.options(samba.ldap)
    found = read_all(options, source).reads[source]
    assert not found.complete
    assert "stronger authentication required" in found.reasons[0]
    findings, _ = Directories({"": options}).check([source])
    hints = [finding.hint for finding in findings if not finding.ok]
    assert "the server demands signing: use ldaps:// or starttls: true" in hints


@pytest.mark.parametrize("starttls", [True, False])
def test_secured_connections_work(samba: Samba, starttls: bool) -> None:
    """StartTLS and LDAPS both lead to a complete read, with a user principal name as bind name too."""
    options = samba.options(
        samba.ldap if starttls else samba.ldaps, starttls=starttls, bind_dn=f"{domain.READER}@{samba.realm}"
    )
    source = Source(kind="group", value=samba.dn("left"))
    found = read_all(options, source).reads[source]
    assert found.reasons == ()
    assert found.complete
    assert domain.READER in found.proof.identity
    assert found.proof.server == options.urls[0]


def test_the_kind_is_told_from_the_root_dse(samba: Samba) -> None:
    """With `kind: auto` people are known by sAMAccountName, and the change counter is there and grows."""
    source = Source(kind="group", value=samba.dn("left"))
    first = read_all(samba.options(), source)
    assert [rule.by for rule in next(iter(first.reads[source].members.values())).rules] == ["login"]
    with added(samba, group("newcomers", [])):
        second = read_all(samba.options(), source)
    assert first.answered[""].counter
    assert second.answered[""].counter
    assert first.answered[""].counter < second.answered[""].counter


# --------------------------------------------------------------------------- what it costs


def test_the_number_of_operations_is_bounded(samba: Samba, limits: Limits) -> None:
    """Groups, levels, people and ranges cost ⌈G/50⌉ + D + min(⌈N/50⌉, pages) + 2 a ranged group + 5 at most."""
    names = ["n1499", "n1500", "n1501", "n3001", "top", "deep0"]
    sources = [Source(kind="group", value=samba.dn(name)) for name in names]
    found = read_all(samba.options(limits.ldaps), *sources)
    assert all(one.complete for one in found.reads.values())
    groups, depth, people, ranged = 4 + 4 + 26, 26, 3001, 2
    pages = math.ceil((people + 20) / 1000)
    allowed = math.ceil(groups / 50) + depth + min(math.ceil(people / 50), pages) + 2 * ranged + 5
    assert found.operations <= allowed, (found.operations, allowed)


def test_one_small_group_costs_a_handful_of_operations(samba: Samba) -> None:
    """A group with two people costs no more than the formula has for it."""
    source = Source(kind="group", value=f"CN=bottom,{GROUPS}".replace("BASE", samba.base))
    found = read_all(samba.options(), source)
    assert found.operations <= 1 + 1 + 1 + 5
