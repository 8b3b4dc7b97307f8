"""Exports: parsed as RFC 2849 says, asked like a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from syncd.directory.ldif import InvalidLdif, parse
from syncd.directory.strategy import Entry
from tests.directory.trees import (
    PEOPLE,
    by_filter,
    cn,
    entry,
    export,
    group,
    logins,
    options,
    person,
    read,
    read_export,
    source,
)
from tests.servers.slapd import Slapd


def parsed(text: str) -> list[Entry]:
    """Parse a text."""
    return list(parse(text.encode().splitlines(keepends=True)))


def test_the_forms_of_a_line() -> None:
    """Folded lines, base64, comments (folded too), several values, options, blanks and CRLF are read."""
    text = (
        "version: 1\r\n# a comment\r\n  that goes on\r\n\r\n\r\ndn: cn=a,\r\n dc=x\r\ncn:a\r\ncn:  b\r\n"
        "description;lang-en:: w6Q=\r\n# inside\r\nsn: c\r\n\r\n\r\ndn:: Y249w6QsZGM9eA==\r\nempty:\r\n"
    )
    assert parsed(text) == [
        Entry("cn=a,dc=x", {"cn": [b"a", b"b"], "description": ["ä".encode()], "sn": [b"c"]}),
        Entry("cn=ä,dc=x", {"empty": [b""]}),
    ]


@pytest.mark.parametrize(
    ("text", "number", "message"),
    [
        ("dn: cn=a\nnonsense\n", 2, "no 'name: value'"),
        ("dn: cn=a\n\ncn: b\n", 3, "instead of 'dn'"),
        ("dn: cn=a\ncn:: !!\n", 2, "no base64"),
        ("dn: cn=a\njpeg:< file:///x\n", 2, "other files"),
        ("dn: cn=a\nchangetype: add\n", 2, "changes"),
        (" dn: cn=a\n", 1, "follows nothing"),
        ("dn: no name\n", 1, "no '='"),
        ("dn:: /w==\n", 1, "codec"),
        ("dn: cn=a\n\nsearch: 2\nresult: 4 Size limit exceeded\n", 4, "cut short"),
    ],
)
def test_broken_files_are_refused_with_the_line(text: str, number: int, message: str) -> None:
    """What breaks the format, or says that it is not whole, is refused, naming the line."""
    with pytest.raises(InvalidLdif, match=message) as caught:
        parsed(text)
    assert caught.value.line == number


def test_the_tail_of_ldapsearch_is_no_entry() -> None:
    """The result that ldapsearch writes behind the entries is not taken for one."""
    assert [one.dn for one in parsed("dn: cn=a\n\nsearch: 2\nresult: 0 Success\n")] == ["cn=a"]


def test_a_broken_export_is_incomplete(tmp_path: Path) -> None:
    """A file that cannot be parsed makes every source incomplete; the reason has file and line."""
    wanted = by_filter("(uid=*)")
    found = read_export(tmp_path / "x.ldif", [wanted], person("anna"), "nonsense\n")
    (reason,) = found.reads[wanted].reasons
    assert f"{tmp_path}/x.ldif:7: no 'name: value'" in reason
    missing = Directories({"": options_for(tmp_path / "missing.ldif")}).read([wanted])
    assert "No such file" in missing.reads[wanted].reasons[0]
    twice = read_export(tmp_path / "y.ldif", [wanted], person("anna"), person("ANNA"))
    assert "is there twice" in twice.reads[wanted].reasons[0]


def options_for(path: Path) -> Options:
    """Give options for a file that is not there."""
    settings = export(path, "")
    path.unlink()
    return settings


def test_server_counter_and_fallback_id(tmp_path: Path) -> None:
    """An export has no counter; entries without entryUUID are keyed by their DN, with a note."""
    wanted = source(None, "support")
    found = read_export(tmp_path / "x.ldif", [wanted], person("Anna"), group("support", ["anna"]))
    assert found.answered[""].counter is None
    assert found.server == f"ldif://{tmp_path}/x.ldif"
    ((_, one),) = found.reads.items()
    assert list(one.members) == ["dn:uid=anna,ou=people,dc=x"]
    assert one.complete
    assert "without entryUUID" in one.notes[0]


def test_an_invalid_member_value_is_a_reason(tmp_path: Path) -> None:
    """A member value that is no DN makes the source incomplete; the others are members."""
    broken = group("support", ["anna"]).rstrip("\n") + "\nmember: nonsense\n\n"
    found = read_export(tmp_path / "x.ldif", [source(None, "support")], person("anna"), broken)
    ((_, one),) = found.reads.items()
    assert logins(one) == ["anna"]
    assert "cn=support,ou=groups,dc=x: a member value is no DN" in one.reasons[0]


def test_a_part_of_a_big_group_is_not_the_group(tmp_path: Path) -> None:
    """A group of which only a range of members came is incomplete."""
    ranged = group("support", []).rstrip("\n") + f"\nmember;range=0-0: uid=anna,{PEOPLE}\n\n"
    (one,) = read_export(tmp_path / "x.ldif", [source(None, "support")], person("anna"), ranged).reads.values()
    assert not one.complete
    assert "only a part of its members" in one.reasons[0]


STAFF = "".join(
    person(name, None, ("employeeType", kind), ("uidNumber", number), ("objectClass", "posixAccount"),
           ("gidNumber", "1"), ("homeDirectory", f"/home/{name}"), ("description", f"Staff  Member {name}"))
    for name, kind, number in [("anna", "a", "9"), ("bert", "B", "10"), ("carla", "Ça va", "100"), ("a*b", "a", "11")]
)  # fmt: skip
FILTERS = [
    "(uid=*)",
    "(uid=ANNA)",
    "(&(objectClass=person)(uid=*))",
    "(objectClass=organizationalPerson)",
    "(&(uid=*)(!(employeeType=a)))",
    "(|(uid=anna)(uid=bert)(uid=nobody))",
    "(uid=a*)",
    "(uid=*a)",
    "(uid=*ar*)",
    "(uid=c*r*a)",
    "(uid=a\\2ab)",
    "(uid=*\\2a*)",
    "(employeeType=ça VA)",
    "(description=staff member anna)",
    "(description=staff m*)",
    "(&(uid=*)(uidNumber>=10))",
    "(&(uid=*)(uidNumber<=10))",
    "(cn~=person anna)",
    "(member=UID=Anna, OU=People,SUFFIX)",
    "(&(objectClass=groupOfNames)(!(member=uid=bert,ou=people,SUFFIX)))",
    "(userid=anna)",
    "(nosuchattribute=x)",
    "(&)",
    "(homeDirectory=/home/anna)",
]


@pytest.mark.slapd
def test_filters_mean_what_they_mean_to_slapd(slapd: Slapd, tmp_path: Path) -> None:
    """Every kind of filter finds in an export what slapd finds."""
    database = slapd.database(STAFF + group("one", ["anna", "bert"]) + group("two", ["anna"]))
    path = tmp_path / "x.ldif"
    path.write_text(database.export())
    for text in FILTERS:
        wanted = by_filter(text.replace("SUFFIX", database.suffix))
        live = read(database, wanted).reads[wanted]
        filed = Directories({"": options(database, f"ldif://{path}")}).read([wanted]).reads[wanted]
        assert set(filed.members) == set(live.members), text
        assert filed.complete == live.complete, text


@pytest.mark.slapd
def test_an_export_gives_what_the_server_gives(slapd: Slapd, tmp_path: Path) -> None:
    """What slapcat writes is read to the same members, paths, notes and dangling names as the server itself gives."""
    database = slapd.database(
        "".join(map(person, ("anna", "bert", "carla")))
        + person("odd", f"cn=\\#a\\,b\\+c\\=d ü\\ ,{PEOPLE}")
        + entry(
            cn("posix"), ("objectClass", "posixGroup"), ("cn", "posix"), ("gidNumber", "1"),
            ("memberUid", "anna"), ("memberUid", "nobody"),
        )
        + entry(
            cn("unique"), ("objectClass", "groupOfUniqueNames"), ("cn", "unique"),
            ("uniqueMember", f"uid=carla,{PEOPLE}#'01'B"),
        )
        + group("in", ["bert", cn("top"), cn("posix")])
        + group("top", [cn("in"), cn("unique"), f"cn=\\23a\\2cb\\2bc\\3dd \\C3\\BC\\20,{PEOPLE}", "gone", cn("deep")])
        + group("deep", [cn("deeper")])
        + group("deeper", ["anna"])
    )  # fmt: skip
    path = tmp_path / "x.ldif"
    path.write_text(database.export())
    wanted = [source(database, "top"), source(database, "top", 1), source(database, "top", 0), by_filter("(cn=*e*)")]
    live = read(database, *wanted)
    filed = Directories({"": options(database, f"ldif://{path}")}).read(wanted)
    for one in wanted:
        a, b = live.reads[one], filed.reads[one]
        assert a.members == b.members
        assert a.dangling == b.dangling
        assert a.complete == b.complete
        assert [text.replace(live.server, "") for text in (*a.notes, *a.reasons)] == [
            text.replace(filed.server, "") for text in (*b.notes, *b.reasons)
        ]
    assert logins(live.reads[wanted[0]]) == ["anna", "bert", "carla", "odd"]


def test_extensible_matches_are_refused(tmp_path: Path) -> None:
    """A filter that needs a server's schema is not guessed at."""
    wanted = by_filter("(cn:caseExactMatch:=Person anna)")
    (one,) = read_export(tmp_path / "x.ldif", [wanted], person("anna")).reads.values()
    assert not one.complete
    assert "needs a server" in one.reasons[0]


def test_a_login_that_is_no_text_is_one_that_nobody_has(tmp_path: Path) -> None:
    """A login in octets that are no UTF-8 shows as escapes, which any database can be asked for."""
    wanted = source(None, "support")
    broken = person("anna").replace("uid: anna\n", "uid:: bfxsbGVy\n")
    found = read_export(tmp_path / "x.ldif", [wanted], broken, group("support", ["anna"]))
    (read_source,) = found.reads.values()
    assert logins(read_source) == ["m\\xfcller"]
    assert read_source.complete
