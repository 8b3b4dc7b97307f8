"""What entries are, what stays of them, and how they are named; by kind of server and policy."""

from __future__ import annotations

import uuid

import pytest

from syncd.core.model import Rule, Source
from syncd.core.template import attribute, parse
from syncd.directory.connection import Options
from syncd.directory.entries import as_text, guid_text, stable_id
from syncd.directory.expand import expand
from syncd.directory.kinds import Kind, Server
from syncd.directory.ldif import LdifSearcher
from syncd.directory.search import escape
from syncd.directory.strategy import Entry
from tests.directory.windows import (
    BASE,
    NOW,
    OTHER,
    SERVER,
    Windows,
    dn,
    expanded,
    group,
    logins,
    plain,
    principal,
    read,
    sid,
    source,
    ticks,
    user,
)

GUID = bytes.fromhex("33221100554477668899aabbccddeeff")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"entryuuid": [b"AB-1"], "nsuniqueid": [b"x"]}, "ab-1"),
        ({"objectguid": [GUID]}, "00112233-4455-6677-8899-aabbccddeeff"),
        ({"nsuniqueid": [b"5E0F-1"], "ipauniqueid": [b"x"]}, "5e0f-1"),
        ({"ipauniqueid": [b"AA"]}, "aa"),
        ({}, "dn:cn=a,dc=x"),
    ],
)
def test_what_stays_when_an_entry_moves(attributes: dict[str, list[bytes]], expected: str) -> None:
    """The stable id is what the kind of server has, in lower case; the DN where it has nothing."""
    assert stable_id(attributes, "cn=a,dc=x") == expected


def test_values_as_text() -> None:
    """objectGUID and objectSid have their usual text form, other values are UTF-8; options are left out."""
    found = as_text({
        "objectguid": [GUID], "objectsid": [sid(OTHER)], "cn": [b"\xc3\xa4", b"\xff"], "sn;lang-de": [b"a"],
        "member": [],
    })  # fmt: skip
    assert found == {
        "objectguid": (str(uuid.UUID(bytes_le=GUID)),), "objectsid": (OTHER,), "cn": ("ä", "\\xff"),
        "sn": ("a",), "sn;lang-de": ("a",),
    }  # fmt: skip
    assert guid_text(b"{ABC}") == "abc"


# --------------------------------------------------------------------------- Active Directory

STATES = [
    user("fine", accountexpires=b"0"),
    user("never", accountexpires=b"9223372036854775807"),
    user("later", accountexpires=ticks(NOW + 1)),
    user("expired", accountexpires=ticks(NOW)),
    user("disabled", useraccountcontrol=b"514"),
]


@pytest.mark.parametrize(
    ("policy", "members", "out"),
    [
        ({}, ["expired", "fine", "later", "never"], {"disabled"}),
        ({"expired": "remove"}, ["fine", "later", "never"], {"disabled", "expired"}),
        ({"disabled": "keep"}, ["disabled", "expired", "fine", "later", "never"], set()),
        ({"disabled": "keep", "expired": "remove"}, ["disabled", "fine", "later", "never"], {"expired"}),
    ],
)
@pytest.mark.parametrize("bulk_above", [0, 1000])
def test_disabled_and_expired(policy: dict[str, str], members: list[str], out: set[str], bulk_above: int) -> None:
    """Who is disabled or expired is no member where the policy says so, but kept apart and counted; else a member."""
    directory = Windows([*STATES, group("all", ["fine", "never", "later", "expired", "disabled"])])
    directory.bulk_above = bulk_above
    found = read(directory, "all", **policy)
    assert logins(found) == members
    assert {member.names[0][0] for member in found.disabled.values()} == out
    assert found.proof.values == {"user": len(members)} | dict.fromkeys(out, 1)
    assert found.complete


@pytest.mark.parametrize("bulk_above", [0, 1000])
def test_what_is_no_user_is_ignored_with_its_kind(bulk_above: int) -> None:
    """Computers, service accounts, contacts and the like are counted and nothing else."""
    others = [
        user("pc$", "computer"),
        user("gmsa$", "computer", "msDS-GroupManagedServiceAccount"),
        plain("contact", "top", "person", "organizationalPerson", "contact"),
        plain("printer", "top", "connectionPoint", "printQueue"),
        plain("unit", "top", "organizationalUnit"),
        user("internet", "inetOrgPerson"),
    ]
    directory = Windows([*others, group("all", ["pc$", "gmsa$", "contact", "printer", "unit", "internet"])])
    directory.bulk_above = bulk_above
    found = read(directory, "all")
    assert logins(found) == ["internet"]
    assert found.disabled == {}
    assert found.proof.values == {
        "user": 1, "ignored computer": 2, "ignored contact": 1, "ignored printer": 1, "ignored organizationalunit": 1,
    }  # fmt: skip
    assert found.complete


def test_members_of_other_domains_are_foreign() -> None:
    """They make the source incomplete, and are told with their SID; a well-known identity can never be resolved."""
    known, stranger = "S-1-5-11", f"{OTHER}-1105"
    directory = Windows([
        user("anna"), principal(known), principal(stranger),
        group("all", ["anna", principal(known).dn, principal(stranger).dn]),
    ])  # fmt: skip
    expansion = expanded(directory, source("all"))
    found = expansion.reads[source("all")]
    assert logins(found) == ["anna"]
    assert found.causes == {"foreign"}
    assert found.dangling == {}
    assert found.proof.values == {"user": 1, "foreign": 2}
    assert "can never be resolved" in found.reasons[0]
    assert "configure that domain as another directory" in found.reasons[1]
    assert [(one.sid, one.path, one.reason) for one in expansion.foreign[source("all")]] == [
        (known, (dn("all"),), found.reasons[0]),
        (stranger, (dn("all"),), found.reasons[1]),
    ]


def test_a_member_outside_of_what_the_server_holds_is_not_gone() -> None:
    """It makes the source incomplete and can be asked for elsewhere; one that is gone within is dangling."""
    away, gone = "CN=bert,DC=elsewhere", dn("gone")
    expansion = expanded(Windows([user("anna"), group("all", ["anna", away, gone])]), source("all"))
    found = expansion.reads[source("all")]
    assert found.causes == {"outside"}
    assert found.dangling == {gone.lower(): gone}
    assert found.proof.values == {"user": 1, "outside": 1, "not found": 1}
    assert [(one.sid, one.dn) for one in expansion.foreign[source("all")]] == [(None, away)]


def test_dangling_values_may_count_for_nothing() -> None:
    """With `dangling: remove` a value without an entry is counted and noted, and keeps no account."""
    found = read(Windows([user("anna"), group("all", ["anna", "gone"])]), "all", dangling="remove")
    assert found.dangling == {}
    assert found.proof.values == {"user": 1, "not found": 1}
    assert "1 member values have no entry" in found.notes[0]
    assert found.complete


@pytest.mark.parametrize("bulk_above", [0, 1000])
def test_a_group_that_hides_its_class_is_no_person(bulk_above: int) -> None:
    """In Active Directory groups have logins too, so an entry without a class may be one: the source is incomplete."""
    hidden = group("hidden", [])
    del hidden.attributes["objectclass"]
    directory = Windows([user("anna"), hidden, group("all", ["anna", "hidden"])])
    directory.bulk_above = bulk_above
    found = read(directory, "all")
    assert (logins(found), found.causes) == (["anna"], {"unreadable"})
    assert found.proof.values == {"user": 1, "not readable": 1}


@pytest.mark.parametrize("bulk_above", [0, 1000])
def test_who_may_be_disabled_counts_as_enabled_and_is_told(bulk_above: int) -> None:
    """Where userAccountControl is hidden the member stays one, and a note says of how many that is so."""
    hidden = user("hidden")
    del hidden.attributes["useraccountcontrol"]
    directory = Windows([user("anna"), hidden, group("all", ["anna", "hidden"]), group("few", ["anna"])])
    directory.bulk_above = bulk_above
    everybody, few = expanded(directory, source("all"), source("few")).reads.values()
    assert logins(everybody) == ["anna", "hidden"]
    assert everybody.complete
    assert [note for note in everybody.notes if "of 1 members userAccountControl may not be read" in note]
    assert not [note for note in few.notes if "userAccountControl" in note]
    kept = read(directory, "all", disabled="keep")
    assert not [note for note in kept.notes if "userAccountControl" in note]


def test_who_has_a_sid() -> None:
    """A source `<SID=…>` is the person, the group or nobody with it."""
    directory = Windows([user("anna", number=1101), group("all", ["anna"], 1102), user("off", number=1103)])
    sources = [Source(kind="group", value=f"<SID={SERVER.domain_sid}-{number}>") for number in (1101, 1102, 1104)]
    person, team, nobody = expanded(directory, *sources).reads.values()
    assert logins(person) == logins(team) == ["anna"]
    assert (person.proof.groups, team.proof.groups) == (0, 1)
    assert next(iter(team.members.values())).path == (dn("all"),)
    assert person.complete
    assert nobody.causes == {"missing"}


def test_a_person_is_a_source_only_where_that_is_asked_for() -> None:
    """A group source that names a person is a mistake, but not in a question about a foreign member."""
    directory = Windows([user("anna")])
    assert expanded(directory, source("anna")).reads[source("anna")].causes == {"missing"}
    asked = expand(directory, SERVER, [source("anna")], Options(urls=(), base=BASE), anyone=True)
    assert logins(asked.reads[source("anna")]) == ["anna"]


def test_the_server_may_find_groups_in_groups() -> None:
    """With `nesting: server` the chain is asked for once; where that fails the walk finds all the same."""
    directory = Windows([user("anna"), group("in", ["anna"]), group("out", ["in"])])
    found = read(directory, "out", nesting="server")
    chain = [query for query in directory.asked if "1.2.840.113556.1.4.1941" in query.filter]
    assert [(query.base, query.scope) for query in chain] == [(BASE, "sub")]
    assert logins(found) == ["anna"]
    assert found.complete
    assert any("since the server would not" in note for note in found.notes)  # an export cannot


def test_the_server_is_asked_once_for_the_groups_below_all_groups() -> None:
    """With `nesting: server` one search for groups covers all sources that are nested; people are not searched so."""
    entries = [user("anna"), group("in", ["anna"])]
    directory = Windows([*entries, *(group(name, ["in"]) for name in ("one", "two", "flat"))])
    flat = Source(kind="group", value=dn("flat"), nested=0)
    expanded(directory, source("one"), source("two"), flat, nesting="server")
    [chain] = [query.filter for query in directory.asked if "1.2.840.113556.1.4.1941" in query.filter]
    assert chain.startswith("(&(objectClass=group)(|")
    assert [escape(dn(name)) in chain for name in ("one", "two", "flat")] == [True, True, False]


# --------------------------------------------------------------------------- other kinds


def other(kind: Kind, *entries: Entry, sources: list[Source], **more: object) -> list[list[str]]:
    """Give the logins of sources read from a server of some kind."""
    options = Options(**({"urls": (), "base": "dc=x"} | more))  # type: ignore[arg-type]
    reads = expand(LdifSearcher(entries, "ldap://x"), Server(kind, (), None, ""), sources, options).reads
    return [logins(one) for one in reads.values()]


def test_a_locked_account_of_389_is_disabled() -> None:
    """nsAccountLock takes the mailbox away, unless disabled entries keep it; OpenLDAP has no such thing."""
    lock = Entry("uid=off,dc=x", {"objectclass": [b"person"], "uid": [b"off"], "nsaccountlock": [b"TRUE"]})
    here = Entry("uid=on,dc=x", {"objectclass": [b"person"], "uid": [b"on"], "nsaccountlock": [b"false"]})
    wanted = [Source(kind="filter", value="(uid=*)")]
    assert other("389ds", lock, here, sources=wanted) == [["on"]]
    assert other("389ds", lock, here, sources=wanted, disabled="keep") == [["off", "on"]]
    assert other("openldap", lock, here, sources=wanted) == [["off", "on"]]


@pytest.mark.parametrize("bulk_above", [0, 1000])
def test_an_address_makes_no_person_of_what_hides_its_class(bulk_above: int) -> None:
    """Groups have addresses too: without its class only an entry with what people alone have is a person."""
    entries = [
        Entry("cn=hidden,dc=x", {"mail": [b"team@x"]}),
        Entry("uid=anna,dc=x", {"mail": [b"anna@x"], "objectclass": [b"person"]}),
        Entry("uid=bert,dc=x", {"mail": [b"bert@x"], "uid": [b"bert"]}),
        Entry("cn=all,dc=x", {"objectclass": [b"groupOfNames"],
                              "member": [b"cn=hidden,dc=x", b"uid=anna,dc=x", b"uid=bert,dc=x"]}),
    ]  # fmt: skip
    directory = LdifSearcher(entries, "ldap://x")
    directory.bulk_above = bulk_above
    wanted = Source(kind="group", value="cn=all,dc=x")
    for names, expected in (("mail",), ["anna@x"]), (("uid", "mail"), ["anna@x", "bert", "bert@x"]):
        rules = tuple(Rule("mail", (attribute(name),)) for name in names)
        options = Options(urls=(), base="dc=x", rules=rules)
        found = expand(directory, Server("openldap", ("dc=x",), None, ""), [wanted], options).reads[wanted]
        assert (logins(found), found.causes) == (expected, {"unreadable"})


ANNA = Entry(
    "uid=anna,ou=p,dc=x",
    {"objectclass": [b"inetOrgPerson"], "uid": [b"Anna"], "mail": [b"a@x.test", b"b@x.test"],
     "memberof": [b"cn=a*,dc=x"], "ou": [b"7"]},
)  # fmt: skip


def test_sources_with_rules_of_their_own_share_a_read() -> None:
    """Each source gets the values of its own rules, in their order; contexts come from its chooser."""
    login, mail = Rule("login", (parse("{uid:lower}"),)), Rule("mail", (attribute("mail"), parse("{uid}@x.test")))
    sources = [
        Source(kind="filter", value="(uid=anna)"),
        Source(kind="filter", value="(uid=anna)", rules=(mail, login), chooser=attribute("ou")),
        Source(kind="filter", value="(uid=anna)", rules=(mail,)),
    ]
    for bulk in (login,), ():
        options = Options(urls=(), base="dc=x", rules=bulk)
        reads = expand(LdifSearcher([ANNA], "ldap://x"), Server("generic", (), None, ""), sources, options).reads
        members = [next(iter(one.members.values())) for one in reads.values()]
        addresses = ("a@x.test", "b@x.test", "Anna@x.test")
        assert members[0].names == ((("anna",) if bulk else ("Anna",)),)
        assert members[1].names == (addresses, ("anna",))
        assert members[1].rules == (mail, login)
        assert members[2].names == (addresses,)
        assert [one.contexts for one in members] == [(), ("7",), ()]


@pytest.mark.parametrize(
    ("value", "found"),
    [("memberOf=cn=a*,dc=x", ["Anna"]), ("uid=an*", []), ("ou = 7", ["Anna"]), ("uid=anna)(uid=*", [])],
)
def test_an_attribute_of_the_users(value: str, found: list[str]) -> None:
    """The value is meant to the letter: nothing in it is a filter; base and scope hold as of a filter."""
    bert = Entry("uid=bert,dc=x", {"objectclass": [b"person"], "uid": [b"bert"]})
    near = Source(kind="attribute", value=value)
    far = Source(kind="attribute", value=value, base="dc=x", scope="one")
    assert other("generic", ANNA, bert, sources=[near, far]) == [found, []]


def test_an_attribute_source_without_a_value_is_incomplete() -> None:
    """A text that is not ATTRIBUTE=VALUE finds nobody, and says so."""
    wanted = Source(kind="attribute", value="no such thing")
    options = Options(urls=(), base="dc=x")
    found = expand(LdifSearcher([ANNA], "ldap://x"), Server("generic", (), None, ""), [wanted], options).reads[wanted]
    assert found.causes == {"invalid"}
