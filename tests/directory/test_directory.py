"""Members of groups and filters, read from a real slapd."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest

from syncd.core.model import Source
from syncd.directory.directories import Directories
from tests.directory.trees import (
    GROUPS,
    PEOPLE,
    by_filter,
    cn,
    entry,
    group,
    logins,
    options,
    person,
    read,
    read_group,
    source,
)
from tests.servers.slapd import Slapd

pytestmark = pytest.mark.slapd

ODD_NAMES = [
    *(f"a{char}b" for char in ',+"\\<>;#=*()/'),
    *(f"{char}first" for char in ',+"\\<>;#='),
    *(f"last{char}" for char in ',+"\\<>;#='),
    " leading",
    "trailing ",
    "#",
    "two  blanks",
    "Jürgen Müßig",
    "Σίσυφος",
    "名前",
    "UPPER",
]


def escaped(value: str, style: int) -> str:
    """Escape a value for a DN in one of three ways (RFC 4514): characters, hexadecimal pairs, every octet."""
    if style == 2:
        return "".join(f"\\{octet:02X}" for octet in value.encode())
    out = ""
    for index, char in enumerate(value):
        special = (
            char in ',+"\\<>;=' or (char == "#" and index == 0) or (char == " " and (index in (0, len(value) - 1)))
        )
        out += (f"\\{char}" if style == 0 else f"\\{ord(char):02x}") if special else char
    return out


def test_members_of_a_group_have_stable_id_logins_and_path(slapd: Slapd) -> None:
    """A member carries its entryUUID in lower case, its DN, its normalised DN, its logins and the path to it."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    found = read_group(database, "support")
    uuid = database.run("ldapsearch", "-LLL", "-b", f"uid=anna,{database.people}", "entryUUID")
    (member,) = found.members.values()
    assert f"entryUUID: {member.id}" in uuid
    assert member.dn == f"uid=anna,{database.people}"
    assert member.key == f"uid=anna,{database.people}"
    assert member.names == (("anna",),)
    assert member.path == (f"cn=support,{database.groups}",)
    assert found.complete
    assert found.reasons == found.notes == ()


def test_names_that_the_server_keeps_apart_are_two_members(slapd: Slapd) -> None:
    """Neither of two entries whose names differ by ß and ss hides the other, whichever group lists them."""
    names = [f"cn=Hans Strauß,{PEOPLE}", f"cn=Hans Strauss,{PEOPLE}"]
    people = person("strauß", names[0]) + person("strauss", names[1])
    database = slapd.database(people + group("both", names) + group("one", names[:1]))
    assert logins(read_group(database, "both")) == ["strauss", "strauß"]
    assert logins(read_group(database, "one")) == ["strauß"]


def test_group_of_unique_names_loses_the_optional_uid(slapd: Slapd) -> None:
    """A uniqueMember with an optional UID (`#'0101'B`) is the entry before the suffix."""
    database = slapd.database(
        person("anna")
        + person("bert")
        + entry(
            cn("unique"),
            ("objectClass", "groupOfUniqueNames"),
            ("cn", "unique"),
            ("uniqueMember", f"uid=anna,{PEOPLE}#'0101'B"),
            ("uniqueMember", f"uid=bert,{PEOPLE}"),
        )
    )
    found = read_group(database, "unique")
    assert logins(found) == ["anna", "bert"]
    assert found.complete


def posix(name: str, *uids: str) -> str:
    """Write a posixGroup."""
    return entry(
        cn(name),
        ("objectClass", "posixGroup"),
        ("cn", name),
        ("gidNumber", "1000"),
        *(("memberUid", uid) for uid in uids),
    )


def test_posix_group_means_people_by_uid(slapd: Slapd) -> None:
    """A memberUid is the person with that uid; one without a person is dangling."""
    database = slapd.database(person("anna") + person("a*b") + posix("posix", "anna", "a*b", "nobody"))
    found = read_group(database, "posix")
    assert logins(found) == ["a*b", "anna"]
    assert found.dangling == {"memberuid=nobody": "nobody"}
    assert found.complete


def test_a_member_uid_with_two_people_is_incomplete(slapd: Slapd) -> None:
    """A memberUid that two entries have is neither of them, and the source is incomplete."""
    database = slapd.database(
        person("anna") + person("bert") + person("bert", f"cn=other,{PEOPLE}") + posix("posix", "anna", "bert")
    )
    found = read_group(database, "posix")
    assert logins(found) == ["anna"]
    assert not found.complete
    assert "memberUid bert means several entries" in found.reasons[0]
    assert f"cn=other,{database.people}" in found.reasons[0]


def test_a_group_without_members_is_empty_and_complete(slapd: Slapd) -> None:
    """A group entry without member values has no members, and that is known for certain."""
    database = slapd.database(posix("empty"))
    found = read_group(database, "empty")
    assert found.members == {}
    assert found.complete


@pytest.mark.parametrize("style", [0, 1, 2])
def test_odd_names_are_resolved(slapd: Slapd, style: int) -> None:
    """Member DNs with every special character, blanks, umlauts and other letter case are found, however escaped."""
    people = "".join(person(f"u{number}", f"cn={escaped(name, 0)},{PEOPLE}") for number, name in enumerate(ODD_NAMES))
    members = [f"CN={escaped(name, style)}, OU=People,SUFFIX" for name in ODD_NAMES]
    database = slapd.database(people + group("odd", members))
    found = read_group(database, "odd")
    assert found.dangling == {}
    assert logins(found) == sorted(f"u{number}" for number in range(len(ODD_NAMES)))
    assert found.complete


def test_all_printable_characters_in_names(slapd: Slapd) -> None:
    """Each printable ASCII character in the middle of a name is looked up rightly."""
    names = [f"x{char}y{number}" for number, char in enumerate(string.printable[:95])]
    people = "".join(person(f"u{number}", f"cn={escaped(name, 0)},{PEOPLE}") for number, name in enumerate(names))
    database = slapd.database(people + group("all", [f"cn={escaped(name, 0)},{PEOPLE}" for name in names]))
    found = read_group(database, "all")
    assert len(found.members) == 95
    assert found.complete


def test_multi_valued_rdn(slapd: Slapd) -> None:
    """A member with a multi-valued RDN is found, whatever the order of its parts."""
    database = slapd.database(
        person("anna", f"cn=Anna+uid=anna,{PEOPLE}") + group("multi", [f"UID=anna + cn=anna,{PEOPLE}"])
    )
    found = read_group(database, "multi")
    assert logins(found) == ["anna"]
    assert found.complete


def test_nested_groups_are_followed_with_the_shortest_path(slapd: Slapd) -> None:
    """Members of groups in groups are members; the path kept is a shortest one; a diamond is no trouble."""
    database = slapd.database(
        "".join(person(name) for name in ("anna", "bert", "carla"))
        + group("bottom", ["carla"])
        + group("left", [cn("bottom"), "bert"])
        + group("right", [cn("bottom"), "bert"])
        + group("top", [cn("left"), cn("right"), "anna", "bert"])
    )
    found = read_group(database, "top")
    paths = {member.names[0][0]: [dn.split(",")[0] for dn in member.path] for member in found.members.values()}
    assert paths == {"anna": ["cn=top"], "bert": ["cn=top"], "carla": ["cn=top", "cn=left", "cn=bottom"]}
    assert found.complete
    assert found.notes == ()


def test_a_cycle_ends_and_is_noted(slapd: Slapd) -> None:
    """Groups that contain each other are read once; the note names both."""
    database = slapd.database(
        person("anna") + group("a", [cn("b"), "anna"]) + group("b", [cn("a")]) + group("self", [cn("self"), "anna"])
    )
    found = read_group(database, "a")
    assert logins(found) == ["anna"]
    assert found.complete
    assert "is a member of itself" in found.notes[0]
    assert "cn=b" in found.notes[0]
    assert logins(read_group(database, "self")) == ["anna"]


def chain(levels: int) -> str:
    """Write groups g0 to gN, each in the one before, each with a person of its own."""
    return "".join(
        person(f"p{level}") + group(f"g{level}", [f"p{level}", *([cn(f"g{level + 1}")] if level < levels else [])])
        for level in range(levels + 1)
    )


def test_forty_levels(slapd: Slapd) -> None:
    """Forty levels of groups are followed where the limit allows it."""
    found = read_group(slapd.database(chain(40)), "g0", nested=64)
    assert len(found.members) == 41
    assert found.complete


@pytest.mark.parametrize(("nested", "members", "complete"), [(1, 2, False), (2, 3, False), (3, 4, True), (4, 4, True)])
def test_the_depth_limit(slapd: Slapd, nested: int, members: int, complete: bool) -> None:
    """A group below the limit is not read and makes the source incomplete; one at the limit is read."""
    found = read_group(slapd.database(chain(3)), "g0", nested=nested)
    assert len(found.members) == members
    assert found.complete is complete
    if not complete:
        assert f"cn=g{nested + 1}," in found.reasons[0]
        assert f"deeper than {nested} levels" in found.reasons[0]


def test_nested_zero_ignores_groups(slapd: Slapd) -> None:
    """With nested groups switched off a group that is a member is left out, noted, and the source is complete."""
    found = read_group(slapd.database(chain(1)), "g0", nested=0)
    assert logins(found) == ["p0"]
    assert found.complete
    assert "cn=g1" in found.notes[0]


def test_sources_with_different_depths_share_one_read(slapd: Slapd) -> None:
    """The same group with two depth limits gives two results in one read."""
    database = slapd.database(chain(3))
    shallow, deep = source(database, "g0", 1), source(database, "g0", 9)
    found = read(database, shallow, deep)
    assert len(found.reads[shallow].members) == 2
    assert len(found.reads[deep].members) == 4


def test_a_dangling_member_is_reported_and_harms_nobody(slapd: Slapd) -> None:
    """A member whose entry is gone is listed as written; the source is complete all the same."""
    gone = f"uid=Gone,{PEOPLE}"
    database = slapd.database(person("anna") + group("support", ["anna", gone, f"uid=x,ou=nowhere,{PEOPLE}"]))
    found = read_group(database, "support")
    assert logins(found) == ["anna"]
    assert found.complete
    written = gone.replace("SUFFIX", database.suffix)
    assert found.dangling[written.lower()] == written
    assert len(found.dangling) == 2


def test_hundreds_of_dangling_members_cost_a_bounded_number_of_questions(slapd: Slapd) -> None:
    """Of 300 members that are gone a hundred are asked for by name, the rest are believed gone."""
    database = slapd.database(person("anna") + group("support", ["anna", *(f"gone{n}" for n in range(300))]))
    wanted = source(database, "support")
    found = read(database, wanted)
    assert len(found.reads[wanted].dangling) == 300
    assert found.reads[wanted].complete
    assert found.operations <= 115


def test_a_member_in_another_database_is_found(slapd: Slapd) -> None:
    """A member outside the configured base is found where the server has it."""
    other = slapd.database(person("anna"))
    database = slapd.database(group("support", [f"uid=anna,{other.people}"]))
    found = read_group(database, "support")
    assert logins(found) == ["anna"]
    assert found.complete


def test_a_member_on_another_server_makes_the_source_incomplete(slapd: Slapd) -> None:
    """A member in a name space that the server does not hold is unknown, not gone."""
    database = slapd.database(person("anna") + group("support", ["anna", f"uid=bert,ou=away,{PEOPLE}"]))
    database.run(
        "ldapadd",
        "-M",
        text=entry(
            f"ou=away,{database.people}",
            ("objectClass", "referral"),
            ("objectClass", "extensibleObject"),
            ("ou", "away"),
            ("ref", "ldap://elsewhere.example/ou=away"),
        ),
    )
    found = read_group(database, "support")
    assert logins(found) == ["anna"]
    assert not found.complete
    assert "elsewhere.example" in found.reasons[0]
    filtered = by_filter("(uid=*)")
    reading = read(database, filtered).reads[filtered]
    assert logins(reading) == ["anna"]
    assert not reading.complete
    assert "elsewhere.example" in reading.reasons[0]


def test_a_person_without_login_is_a_member_without_logins(slapd: Slapd) -> None:
    """An entry whose login attribute is absent or hidden is still a member, so that nobody takes it for gone."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    wanted = source(database, "support")
    (member,) = read(database, wanted, login_attributes=("mail",)).reads[wanted].members.values()
    assert member.names == ((),)


def test_several_login_attributes(slapd: Slapd) -> None:
    """Logins come in the order of the configured attributes."""
    database = slapd.database(person("anna", None, ("mail", "a@x.test")) + group("support", ["anna"]))
    wanted = source(database, "support")
    (member,) = read(database, wanted, login_attributes=("mail", "uid")).reads[wanted].members.values()
    assert member.names == (("a@x.test", "anna"),)


def test_a_filter_source_takes_what_matches_and_expands_groups(slapd: Slapd) -> None:
    """Entries that match are members, with the filter as path; a group that matches is expanded."""
    database = slapd.database(
        person("anna") + person("bert") + person("carla") + group("team", ["bert"]) + group("other", ["carla"])
    )
    wanted = by_filter("(|(uid=anna)(cn=team))")
    found = read(database, wanted).reads[wanted]
    assert logins(found) == ["anna", "bert"]
    paths = {member.names[0][0]: member.path for member in found.members.values()}
    assert paths["anna"] == ("(|(uid=anna)(cn=team))",)
    assert paths["bert"] == ("(|(uid=anna)(cn=team))", f"cn=team,{database.groups}")
    shallow = by_filter("(|(uid=anna)(cn=team))", nested=0)
    assert logins(read(database, shallow).reads[shallow]) == ["anna"]


def test_a_filter_source_has_base_and_scope(slapd: Slapd) -> None:
    """Base and scope of a filter source are kept."""
    database = slapd.database(person("anna") + person("bert", f"uid=bert,{GROUPS}"))
    near = by_filter("(uid=*)", base=database.people, scope="one")
    nothing = by_filter("(uid=*)", base=database.suffix, scope="one")
    found = read(database, near, nothing)
    assert logins(found.reads[near]) == ["anna"]
    assert found.reads[nothing].members == {}
    assert all(one.complete for one in found.reads.values())


@pytest.mark.parametrize("text", ["(uid=*", "uid=*)(", "", "()", "((uid=a))", "(&(uid=a)"])
def test_a_broken_filter_is_a_reason(slapd: Slapd, text: str) -> None:
    """A filter that cannot be parsed makes its source incomplete and no other."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    broken, good = by_filter(text), source(database, "support")
    found = read(database, broken, good)
    assert not found.reads[broken].complete
    assert "invalid filter" in found.reads[broken].reasons[0]
    assert found.reads[good].complete


def test_size_limit_makes_a_filter_source_incomplete(slapd: Slapd) -> None:
    """A search that the server ends at 500 of 1,199 entries gives what came, and says that it is not all."""
    database = slapd.database("".join(person(f"u{number}") for number in range(1199)))
    database.limit(olcSizeLimit="500")
    wanted = by_filter("(uid=*)")
    found = read(database, wanted, page_size=200).reads[wanted]
    assert 0 < len(found.members) <= 500
    assert not found.complete
    (reason,) = found.reasons
    assert slapd.ldap in reason
    assert "size limit exceeded" in reason
    assert "raise the server's size limit" in reason
    database.limit(olcSizeLimit="unlimited")
    assert len(read(database, wanted, page_size=200).reads[wanted].members) == 1199


def test_a_group_is_read_whole_under_a_size_limit_by_small_questions(slapd: Slapd) -> None:
    """The members of a group do not depend on the size limit, as they are asked for by name."""
    names = [f"u{number}" for number in range(700)]
    database = slapd.database("".join(map(person, names)) + group("support", names))
    database.limit(olcSizeLimit="500")
    found = read_group(database, "support")
    assert len(found.members) == 700
    assert found.complete


def test_the_bulk_read_gives_what_the_small_questions_give(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading everyone at once and asking by name have the same result, disguised groups and ambiguity included."""
    database = slapd.database(
        "".join(map(person, ("anna", "bert", "carla")))
        + person("twice", f"cn=one,{PEOPLE}")
        + person("twice", f"cn=two,{PEOPLE}")
        + entry(f"cn=nologin,{PEOPLE}", ("objectClass", "device"), ("cn", "nologin"))
        + entry(
            f"uid=team,{GROUPS}",
            ("objectClass", "posixGroup"),
            ("objectClass", "extensibleObject"),
            ("uid", "team"),
            ("cn", "team"),
            ("gidNumber", "7"),
        )
        + posix("posix", "anna", "twice", "gone")
        + group("in", ["carla"])
        + group("top", ["ANNA", "bert", "gone", f"cn=nologin,{PEOPLE}", f"uid=team,{GROUPS}", cn("in"), cn("posix")])
    )
    wanted = source(database, "top")
    small = read(database, wanted).reads[wanted]
    monkeypatch.setattr("syncd.directory.search.LiveSearcher.bulk_above", 0)
    bulk = read(database, wanted).reads[wanted]
    assert replace(bulk, proof=small.proof) == small
    assert bulk.proof.values == small.proof.values
    assert logins(bulk) == ["anna", "bert", "carla"]
    database.limit(olcSizeLimit="3")
    cut = read(database, wanted).reads[wanted]
    assert cut.members == small.members
    assert any("read in small pieces" in note for note in cut.notes)


@pytest.mark.parametrize(("people", "groups"), [(10, 1), (400, 1), (400, 8), (800, 8)])
def test_questions_depend_on_chunks_and_pages_not_on_members(slapd: Slapd, people: int, groups: int) -> None:
    """There are few questions beside those for the groups and the people, fifty each or a page of everybody."""
    names = [f"u{number}" for number in range(people)]
    each = people // groups
    database = slapd.database(
        "".join(map(person, names))
        + "".join(group(f"g{number}", names[number * each : (number + 1) * each]) for number in range(groups))
    )
    wanted = [source(database, f"g{number}") for number in range(groups)]
    found = read(database, *wanted)
    assert all(one.complete for one in found.reads.values())
    assert sum(len(one.members) for one in found.reads.values()) == people
    assert found.operations <= -(-groups // 50) + 1 + min(-(-people // 50), 1) + 5


def test_questions_depend_on_depth(slapd: Slapd) -> None:
    """Every level of groups costs one question, however many groups it has."""
    database = slapd.database(chain(9))
    assert read(database, source(database, "g0")).operations <= 3 + 1 + 2 * 10


def test_many_groups_in_many_places_cost_few_questions(slapd: Slapd) -> None:
    """Forty groups in forty folders are asked for together."""
    folders = "".join(
        entry(f"ou=f{number},{GROUPS}", ("objectClass", "organizationalUnit"), ("ou", f"f{number}"))
        + group(f"g{number},ou=f{number}", ["anna"]).replace(f"cn: g{number},ou=f{number}", f"cn: g{number}")
        for number in range(40)
    )
    database = slapd.database(person("anna") + folders)
    wanted = [source(database, f"cn=g{number},ou=f{number},{GROUPS}") for number in range(40)]
    found = read(database, *wanted)
    assert all(logins(one) == ["anna"] for one in found.reads.values())
    assert found.operations == 5


def test_a_missing_group_is_incomplete_and_named(slapd: Slapd) -> None:
    """A group that is not there makes its own source incomplete, with server and DN, and no other."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    missing, good = source(database, "missing"), source(database, "support")
    found = read(database, missing, good)
    assert found.reads[good].complete
    assert not found.reads[missing].complete
    assert slapd.ldap in found.reads[missing].reasons[0]
    assert f"cn=missing,{database.groups}" in found.reads[missing].reasons[0]


def test_a_missing_base_is_incomplete_and_named(slapd: Slapd) -> None:
    """A base that is not there makes a filter source incomplete; the reason names it."""
    database = slapd.database(person("anna"))
    wanted = by_filter("(uid=*)")
    found = read(database, wanted, base=f"ou=typo,{database.suffix}").reads[wanted]
    assert not found.complete
    assert "no such object" in found.reasons[0]
    assert f"ou=typo,{database.suffix}" in found.reasons[0]


@pytest.mark.parametrize("right", ["none", "disclose"])
def test_a_hidden_group_is_incomplete(slapd: Slapd, right: str) -> None:
    """A group that the bind user may not read is not an empty one."""
    database = slapd.database(person("anna") + group("secret", ["anna"]))
    database.limit(
        olcAccess=[
            "{0}to attrs=userPassword by anonymous auth by * none",
            f'{{1}}to dn.base="cn=secret,{database.groups}" by * {right}',
            "{2}to * by * read",
        ]
    )
    found = read_group(database, "secret")
    assert not found.complete
    assert f"cn=secret,{database.groups}" in found.reasons[0]


def test_a_nested_group_without_readable_attributes_is_unknown(slapd: Slapd) -> None:
    """An entry that shows neither class nor login may be a group: nobody takes its members for gone."""
    nested = group("nested", ["anna"])
    database = slapd.database(person("anna") + nested + group("support", [cn("nested")]))
    assert read_group(database, "support").complete
    database.limit(
        olcAccess=[
            "{0}to attrs=userPassword by anonymous auth by * none",
            f'{{1}}to dn.base="cn=nested,{database.groups}" attrs=entry by * read',
            f'{{2}}to dn.base="cn=nested,{database.groups}" attrs=objectClass by * search',
            f'{{3}}to dn.base="cn=nested,{database.groups}" by * none',
            "{4}to * by * read",
        ]
    )
    found = read_group(database, "support")
    assert not found.complete
    assert "it may be a group" in found.reasons[0]
    assert f"cn=nested,{database.groups}" in found.reasons[0]


def test_a_member_that_may_not_be_read_is_unknown_where_the_server_says_so(slapd: Slapd) -> None:
    """A member that the server admits but does not show makes the source incomplete; it is not dangling."""
    database = slapd.database(person("anna") + person("bert") + group("support", ["anna", "bert"]))
    database.limit(
        olcAccess=[
            "{0}to attrs=userPassword by anonymous auth by * none",
            f'{{1}}to dn.base="uid=bert,{database.people}" by * disclose',
            "{2}to * by * read",
        ]
    )
    found = read_group(database, "support")
    assert logins(found) == ["anna"]
    assert found.dangling == {}
    assert "insufficient access" in found.reasons[0]


def test_members_are_found_where_searching_their_name_is_forbidden(slapd: Slapd) -> None:
    """An attribute that may be read but not searched does not make its people dangling."""
    names = [f"u{number}" for number in range(120)]
    database = slapd.database("".join(map(person, names)) + group("support", names))
    database.limit(
        olcAccess=[
            "{0}to attrs=userPassword by anonymous auth by * none",
            "{1}to attrs=uid by * =rd",
            "{2}to * by * read",
        ]
    )
    found = read_group(database, "support")
    assert found.dangling == {}
    assert len(found.members) == 100
    assert not found.complete


def test_an_alias_is_not_followed(slapd: Slapd) -> None:
    """Aliases are entries of their own: never dereferenced, so no loop and no stranger comes in through one."""
    alias = entry(
        f"cn=alias,{PEOPLE}",
        ("objectClass", "alias"),
        ("objectClass", "extensibleObject"),
        ("cn", "alias"),
        ("aliasedObjectName", f"uid=anna,{PEOPLE}"),
    )
    database = slapd.database(person("anna") + alias + group("support", [f"cn=alias,{PEOPLE}"]))
    found = read_group(database, "support")
    assert [member.names for member in found.members.values()] == [((),)]


def test_the_counter_moves_with_every_change(slapd: Slapd) -> None:
    """The change counter is the suffix's contextCSN, and is another one after a change."""
    database = slapd.database(person("anna"))
    wanted = by_filter("(uid=*)")
    before = read(database, wanted, base=database.people)
    database.add(person("bert"))
    after = read(database, wanted, base=database.people)
    counters = [one.answered[""].counter for one in (before, after)]
    assert None not in counters
    assert counters[1] > counters[0]
    assert before.server == slapd.ldap


def test_progress_counts_entries(slapd: Slapd) -> None:
    """The progress callback is given growing numbers of entries read."""
    database = slapd.database("".join(person(f"u{number}") for number in range(30)))
    numbers: list[int] = []
    Directories({"": options(database, page_size=10)}).read([by_filter("(uid=*)")], progress=numbers.append)
    assert numbers == [10, 20, 30]


def test_nothing_to_read_is_complete(slapd: Slapd) -> None:
    """No sources give an empty, complete read."""
    database = slapd.database()
    found = Directories({"": options(database)}).read([])
    assert found.reads == {}


def test_a_source_that_is_no_group_is_incomplete(slapd: Slapd) -> None:
    """A DN of something else than a group is a mistake, not a group that everybody has left."""
    database = slapd.database(person("anna"))
    found = read_group(database, database.people)
    assert not found.complete
    assert f"group {database.people}: is no group" in found.reasons[0]


def test_an_invalid_group_name_is_a_reason(slapd: Slapd) -> None:
    """A group source that is no DN is incomplete; the others are read."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    bad, good = Source(kind="group", value="support"), source(database, "support")
    found = read(database, bad, good)
    assert not found.reads[bad].complete
    assert "no DN" in found.reads[bad].reasons[0]
    assert found.reads[good].complete
