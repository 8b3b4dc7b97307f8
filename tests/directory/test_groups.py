"""What group entries list: ranges of values, member URLs, groups that name their people twice."""

from __future__ import annotations

import pytest

from syncd.core.model import Source
from syncd.core.reads import SourceRead
from syncd.directory.connection import Options
from syncd.directory.expand import expand
from syncd.directory.groups import InvalidUrl, MemberUrl, parse_url
from syncd.directory.kinds import Kind, Server
from syncd.directory.ldif import LdifSearcher
from syncd.directory.strategy import Entry
from tests.directory.windows import Windows, dn, group, logins, read, user

SERVER = Server("generic", ("dc=x",), None, "")


def crowd(size: int, width: int = 10) -> Windows:
    """Make a directory with a group of some size."""
    names = [f"u{number}" for number in range(size)]
    return Windows([*map(user, names), group("all", names)], width)


@pytest.mark.parametrize("size", [9, 10, 11, 20, 21, 30, 31])
def test_all_ranges_are_joined(size: int) -> None:
    """A group has all its members whatever its size, exact multiples of the range too; the ranges are counted."""
    directory = crowd(size)
    found = read(directory, "all")
    assert len(found.members) == size
    assert found.complete
    chunks = 0 if size <= 10 else 1 + -(-(size - 10) // 9)  # each begins with the last value of the one before
    assert found.proof.ranges == chunks
    assert found.proof.values == {"user": size}
    assert sum("member;range" in str(query.attributes) for query in directory.asked) == max(0, chunks - 1)


@pytest.mark.parametrize("size", [1499, 1500, 1501, 3000, 3001])
def test_the_ranges_of_windows(size: int) -> None:
    """At the boundaries of 1,500 values nobody is lost."""
    found = read(crowd(size, 1500), "all")
    assert len(found.members) == size
    assert found.complete


def test_a_full_last_range_may_be_called_one_of_several() -> None:
    """A server that says only when it is asked again that there is no more is understood."""
    directory = crowd(19)

    def late(_asked: str, answer: dict[str, list[bytes]]) -> None:
        if "member;range=9-*" in answer:
            answer["member;range=9-18"] = answer.pop("member;range=9-*")

    directory.change = late
    found = read(directory, "all")
    assert found.complete
    assert len(found.members) == 19


def test_a_member_deleted_between_two_ranges_takes_nobody_along() -> None:
    """Where values move without `uSNChanged`, as when a member is deleted, the group is read again."""
    directory, seen = crowd(25), []
    everything = directory._entries[dn("all").lower()].attributes["member"]

    def delete(asked: str, _answer: dict[str, list[bytes]]) -> None:
        seen.append(asked)
        if len(seen) == 1:
            del everything[3]

    directory.change = delete
    found = read(directory, "all")
    assert found.complete
    assert len(found.members) == 24


def test_a_group_that_changes_once_is_read_again() -> None:
    """When `uSNChanged` moves between two ranges the whole group is read anew, and is complete."""
    directory, seen = crowd(25), []

    def move(asked: str, answer: dict[str, list[bytes]]) -> None:
        seen.append(asked)
        if len(seen) > 2 and "usnchanged" in answer:
            answer["usnchanged"] = [b"101"]

    directory.change = move
    found = read(directory, "all")
    assert found.complete
    assert len(found.members) == 25


def test_a_group_that_changes_all_the_time_is_incomplete() -> None:
    """After three reads with a change in each the group is incomplete by cause `range`; no fourth is made."""
    directory, reads = crowd(25), []

    def move(asked: str, answer: dict[str, list[bytes]]) -> None:
        if "usnchanged" in answer:
            reads.append(asked)
            answer["usnchanged"] = [str(len(reads)).encode()]

    directory.change = move
    found = read(directory, "all")
    assert not found.complete
    assert found.causes == {"range"}
    assert "changed while its members were read" in " ".join(found.reasons)
    assert sum(asked.startswith("member;range=9-") for asked in reads) == 3


def test_ranges_without_a_counter_are_not_known_to_be_whole() -> None:
    """Where uSNChanged may not be read nobody knows whether the group changed between two ranges."""
    directory = crowd(25)
    directory.change = lambda _asked, answer: answer.pop("usnchanged", None) and None
    found = read(directory, "all")
    assert found.causes == {"range"}
    assert "uSNChanged may not be read" in " ".join(found.reasons)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"member": [b"CN=u1,OU=All,DC=ad,DC=x"]},
        {"member;range=10-*": [dn("u9").encode()]},
        {"member;range=9-18": []},
        {"member;range=9-9": [dn("u9").encode()]},
    ],
)
def test_a_range_that_does_not_fit_is_incomplete(answer: dict[str, list[bytes]]) -> None:
    """A range that is missing, without its bounds, begins elsewhere or is empty makes the source incomplete."""
    directory = crowd(25)

    def broken(asked: str, found: dict[str, list[bytes]]) -> None:
        if asked == "member;range=9-*":
            for name in [name for name in found if name.startswith("member")]:
                del found[name]
            found |= answer

    directory.change = broken
    found = read(directory, "all")
    assert not found.complete
    assert found.causes == {"range"}
    assert dn("all") in found.reasons[0]


def test_groups_at_a_distance_are_not_joined_in_vain() -> None:
    """The rest of a range is asked for of groups that are entered, not of those that are only met."""
    directory = crowd(25)
    directory = Windows([*directory._entries.values(), group("top", ["u1", "all"])], 10)
    found = read(directory, "top")
    assert len(found.members) == 25
    shallow = Source(kind="group", value=dn("top"), nested=0)
    directory.asked.clear()
    expand(directory, Server("ad", ("dc=ad,dc=x",), None, ""), [shallow], Options(urls=(), base="dc=ad,dc=x"))
    assert not any("range" in name for query in directory.asked for name in query.attributes)


# --------------------------------------------------------------------------- member URLs


def entry(name: str, *classes: str, **attributes: str | list[str]) -> Entry:
    """Make an entry below `dc=x`."""
    values = {"objectclass": list(classes), "cn": [name], **attributes}
    return Entry(
        f"cn={name},dc=x",
        {
            key.lower(): [v.encode() for v in ([value] if isinstance(value, str) else value)]
            for key, value in values.items()
        },
    )


PEOPLE = [
    entry(name, "inetOrgPerson", uid=name, ou=team) for name, team in [("anna", "a"), ("bert", "b"), ("carl", "a")]
]


def of(group_entry: Entry, *others: Entry) -> SourceRead:
    """Read a group from a directory with anna, bert and carl."""
    wanted = Source(kind="group", value=group_entry.dn)
    searcher = LdifSearcher([*PEOPLE, group_entry, *others], "ldap://x")
    return expand(searcher, SERVER, [wanted], Options(urls=(), base="dc=x")).reads[wanted]


def test_a_member_url_is_searched() -> None:
    """A group that only describes its members has those that the search finds, counted as what they are."""
    found = of(entry("dyn", "groupOfURLs", memberURL="ldap:///dc=x??sub?(ou=a)"))
    assert logins(found) == ["anna", "carl"]
    assert found.complete
    assert found.proof.values == {"user": 2}
    assert next(iter(found.members.values())).path == ("cn=dyn,dc=x",)


def test_what_a_group_lists_and_describes_is_united() -> None:
    """Listed members and several URLs count together, each person once."""
    urls = ["ldap:///dc=x??sub?(ou=a)", "ldap:///dc=x??one?(uid=anna)"]
    found = of(entry("dyn", "groupOfNames", "groupOfURLs", member=["cn=bert,dc=x", "cn=anna,dc=x"], memberURL=urls))
    assert logins(found) == ["anna", "bert", "carl"]
    assert found.complete


def test_members_that_the_server_worked_out_are_taken() -> None:
    """Where a class without members of its own shows some, the server has evaluated the URL; nobody does it again."""
    found = of(entry("dyn", "groupOfURLs", member="cn=bert,dc=x", memberURL="ldap:///dc=x??sub?(ou=a)"))
    assert logins(found) == ["bert"]


@pytest.mark.parametrize(
    ("kind", "classes", "lists"),
    [("389ds", ("groupOfURLs", "ourGroup"), {"member": "cn=bert,dc=x"}),
     ("openldap", ("groupOfURLs", "posixGroup"), {"memberUid": "bert"})],
)  # fmt: skip
def test_members_that_nobody_worked_out_are_not_taken_for_all(
    kind: Kind, classes: tuple[str, ...], lists: dict[str, str]
) -> None:
    """Where the server evaluates no URL, or the values may be of another class, the URL is evaluated beside them."""
    one = entry("dyn", *classes, memberURL="ldap:///dc=x??sub?(ou=a)", **lists)
    wanted = Source(kind="group", value=one.dn)
    server = Server(kind, ("dc=x",), None, "")
    found = expand(LdifSearcher([*PEOPLE, one], "ldap://x"), server, [wanted], Options(urls=(), base="dc=x"))
    assert logins(found.reads[wanted]) == ["anna", "bert", "carl"]


def test_a_search_among_labeled_uris() -> None:
    """A labeledURIObject is a group when its URI is a search, and a person when it is a web page."""
    found = of(entry("dyn", "labeledURIObject", "device", labeledURI="ldap:///dc=x??sub?(ou=b) people of b"))
    assert logins(found) == ["bert"]
    dora = entry("dora", "inetOrgPerson", "labeledURIObject", uid="dora", labeledURI="https://dora.example/?x home")
    assert logins(of(entry("g", "groupOfNames", member="cn=dora,dc=x"), dora)) == ["dora"]


def test_a_group_that_a_url_finds_is_followed() -> None:
    """Groups among what a URL finds are entered; the group itself among them is no trouble."""
    team = entry("team", "groupOfNames", member="cn=bert,dc=x")
    found = of(entry("dyn", "groupOfURLs", memberURL="ldap:///dc=x??sub?(|(cn=team)(cn=dyn))"), team)
    assert logins(found) == ["bert"]
    assert found.complete


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("ldap://other.example/dc=x??sub?(ou=a)", "referral"),
        ("nonsense", "invalid"),
        ("http:///dc=x??sub?(ou=a)", "invalid"),
        ("ldap:///no dn??sub?(ou=a)", "invalid"),
        ("ldap:///dc=x??tree?(ou=a)", "invalid"),
        ("ldap:///dc=x??sub?(ou=a", "invalid"),
        ("ldap:///dc=%zz??sub?(ou=a)", "invalid"),
        ("ldap:///dc=x??sub?(ou=a)?!x-chain", "invalid"),
        ("ldap:///ou=gone,dc=x??sub?(ou=a)", "missing"),
    ],
)
def test_a_member_url_that_cannot_be_searched_is_incomplete(url: str, cause: str) -> None:
    """A URL of another server, or that is none, leaves unknown who is meant; the listed members count all the same."""
    found = of(entry("dyn", "groupOfNames", "groupOfURLs", member="cn=bert,dc=x", memberURL=url))
    assert logins(found) == ["bert"]
    assert not found.complete
    assert found.causes == {cause}
    assert "cn=dyn,dc=x" in found.reasons[0]


def test_the_parts_of_a_member_url() -> None:
    """Scope and filter have the defaults of RFC 4516; parts are percent-decoded."""
    assert parse_url("ldap:///cn=a,dc=x") == MemberUrl("cn=a,dc=x", "base", "(objectClass=*)")
    assert parse_url("LDAP:///ou=a%20b,dc=x?uid,cn?SUB?(cn=%3f)?x-a=b") == MemberUrl("ou=a b,dc=x", "sub", "(cn=?)")
    with pytest.raises(InvalidUrl):
        parse_url("ldap:/dc=x")


# --------------------------------------------------------------------------- values


def test_a_group_that_names_its_people_twice() -> None:
    """A group of UCS lists DN and uid of the same person: one member, two values."""
    found = of(entry("ucs", "univentionGroup", "posixGroup", uniqueMember=["cn=anna,dc=x"], memberUid=["anna", "bert"]))
    assert logins(found) == ["anna", "bert"]
    assert found.proof.values == {"user": 3}
    assert found.complete


def test_every_value_is_counted_once() -> None:
    """What is no DN, the empty DN and a repetition are counted as such; the counts add up to the values."""
    values = ["cn=anna,dc=x", "nonsense", "", "cn=gone,dc=x"]
    found = of(entry("odd", "groupOfNames", "groupOfUniqueNames", member=values, uniqueMember="CN=Anna, dc=x"))
    assert found.proof.values == {
        "user": 1, "not readable": 1, "ignored empty": 1, "ignored repeated": 1, "not found": 1,
    }  # fmt: skip
    assert found.causes == {"invalid"}
    assert found.dangling == {"cn=gone,dc=x": "cn=gone,dc=x"}
