"""Several directories as one: who holds whom, what is discovered, and a directory whose rights have changed."""

from __future__ import annotations

import base64
import itertools
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.core.model import Rule, Source
from syncd.core.reads import Discovery, Search
from syncd.core.template import attribute
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from syncd.directory.search import Lost, Searcher
from tests.directory.trees import cn, entry, export, group, logins, options, person, source, whole
from tests.servers.slapd import Database, Slapd

READ_ALL = "to * by * read"
SID = "S-1-5-21-10-20-"
HQ, SUB = f"{SID}1", f"{SID}2"


@pytest.fixture(scope="module")
def second() -> Iterator[Slapd]:
    """Another slapd, whose suffixes are none of the first one's."""
    with Slapd() as server:
        server._numbers = itertools.count(1001)
        yield server


def at(database: Database, name: str, directory: str, **more: object) -> Source:
    """Give a group source of a directory."""
    value = cn(name).replace("SUFFIX", database.suffix)
    return Source(kind="group", value=value, directory=directory, **more)  # type: ignore[arg-type]


def both(hq: Database, sub: Database, **more: object) -> Directories:
    """Give two directories by the names hq and sub; options are those of sub."""
    return Directories({"hq": options(hq, name="hq"), "sub": options(sub, name="sub", **more)})


def dead_url() -> str:
    """Give a URL at which nothing listens."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return f"ldap://127.0.0.1:{plug.getsockname()[1]}"


# --------------------------------------------------------------------------- several


@pytest.mark.slapd
def test_every_source_is_read_in_its_directory(slapd: Slapd, second: Slapd) -> None:
    """The same group name in two directories is two groups; each answers with its own server and counter."""
    hq = slapd.database(person("anna") + group("support", ["anna"]))
    sub = second.database(person("bert") + group("support", ["bert"]))
    here, there = at(hq, "support", "hq"), at(sub, "support", "sub")
    found = both(hq, sub).read([here, there])
    assert logins(found.reads[here]) == ["anna"]
    assert logins(found.reads[there]) == ["bert"]
    assert whole(found)
    assert {name: one.server for name, one in found.answered.items()} == {"hq": slapd.ldap, "sub": second.ldap}
    assert all(one.counter for one in found.answered.values())


@pytest.mark.slapd
def test_a_dead_directory_harms_only_its_own(slapd: Slapd, second: Slapd) -> None:
    """Its sources and searches are incomplete by the connection, and name it; those of the other are complete."""
    hq = slapd.database(person("anna") + group("support", ["anna"]))
    sub = second.database()
    here, there = at(hq, "support", "hq"), at(sub, "support", "sub")
    search = Search("sub", "(cn=*)", None, "sub", ("cn",))
    url = dead_url()
    found = both(hq, sub, urls=(url,)).read([here, there], searches=[search])
    assert found.reads[here].complete
    assert found.reads[there].causes == found.discoveries[search].causes == {"connection"}
    assert not found.reads[there].complete
    assert not found.discoveries[search].complete
    assert "directory sub" in found.reads[there].reasons[0]
    assert url in found.discoveries[search].reasons[0]
    assert list(found.answered) == ["hq"]


def test_directories_are_read_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither waits for the other: both are being opened at one moment."""
    from syncd.directory.opening import open_searcher  # noqa: PLC0415 - the one that is replaced

    meeting = threading.Barrier(2)

    def meet(url: str, settings: Options) -> Searcher:
        meeting.wait(20)
        return open_searcher(url, settings)

    monkeypatch.setattr("syncd.directory.directory.open_searcher", meet)
    settings = {name: export(tmp_path / name, person(name)) for name in ("a", "b")}
    numbers: list[int] = []
    wanted = [Source(kind="filter", value="(uid=*)", directory=name) for name in settings]
    found = Directories(settings).read(wanted, progress=numbers.append)
    assert [logins(found.reads[one]) for one in wanted] == [["a"], ["b"]]
    assert numbers[-1] == 2


def test_an_unknown_directory_is_a_reason(tmp_path: Path) -> None:
    """A source of a directory that is not configured is incomplete, not absent."""
    wanted = Source(kind="filter", value="(uid=*)", directory="nowhere")
    found = Directories({"": export(tmp_path / "x", person("a"))}).read([wanted])
    assert "no directory of that name" in found.reads[wanted].reasons[0]


# --------------------------------------------------------------------------- members of another directory


@pytest.mark.slapd
def test_a_member_in_another_directorys_names_is_found_there(slapd: Slapd, second: Slapd) -> None:
    """People and groups in the other's naming contexts are members, by the other's rules and along the whole path."""
    sub = second.database(
        person("bert", None, ("mail", "bert@sub.test")) + person("carl", None, ("mail", "c@sub.test"))
        + group("team", ["carl"])
    )  # fmt: skip
    away = [f"uid=bert,{sub.people}", f"cn=team,{sub.groups}"]
    hq = slapd.database(person("anna") + group("support", ["anna", *away]))
    wanted = at(hq, "support", "hq")
    rules = (Rule("mail", (attribute("mail"),)),)
    found = both(hq, sub, rules=rules).read([wanted]).reads[wanted]
    assert logins(found) == ["anna", "bert@sub.test", "c@sub.test"]
    assert found.complete, found.reasons
    by_name = {one.names[0][0]: one for one in found.members.values()}
    assert by_name["bert@sub.test"].rules == rules
    assert by_name["bert@sub.test"].path == (wanted.value,)
    assert by_name["c@sub.test"].path == (wanted.value, f"cn=team,{sub.groups}")
    assert found.dangling == {}
    assert found.proof.server == f"{slapd.ldap} {second.ldap}"
    assert found.proof.values == {"user": 3, "group": 1}


@pytest.mark.slapd
def test_a_member_elsewhere_is_never_gone(slapd: Slapd, second: Slapd) -> None:
    """Whether the other directory is dead, does not know the entry or is not configured: incomplete, not dangling."""
    sub = second.database()
    hq = slapd.database(person("anna") + group("support", ["anna", f"uid=bert,{sub.people}"]))
    wanted = at(hq, "support", "hq")
    alone = Directories({"hq": options(hq, name="hq")})
    for directories in (alone, both(hq, sub), both(hq, sub, urls=(dead_url(),))):
        found = directories.read([wanted]).reads[wanted]
        assert logins(found) == ["anna"]
        assert not found.complete
        assert found.causes == {"outside"}
        assert found.dangling == {}
        assert f"uid=bert,{sub.people}" in found.reasons[0]


def sid(text: str) -> str:
    """Write a SID in base64, as an export has it."""
    revision, authority, *parts = map(int, text.split("-")[1:])
    octets = bytes([revision, len(parts)]) + authority.to_bytes(6, "big")
    return base64.b64encode(octets + b"".join(part.to_bytes(4, "little") for part in parts)).decode()


def domain(path: Path, name: str, sid_text: str, *texts: str, **more: object) -> Options:
    """Write an export of a domain; give options that read it as Active Directory."""
    head = f"dn: dc={name}\nobjectClass: domain\nobjectSid:: {sid(sid_text)}\n\n"
    (path / name).write_text(head + "".join(texts).replace("SUFFIX", f"dc={name}"))
    return Options(urls=(f"ldif://{path / name}",), base=f"dc={name}", name=name, kind="ad", **more)  # type: ignore[arg-type]


def user(name: str, sid_text: str, control: int = 512) -> str:
    """Write a user of Active Directory."""
    return (
        f"dn: CN={name},SUFFIX\nobjectClass: user\ncn: {name}\nsAMAccountName: {name}\nuserAccountControl: {control}\n"
        f"objectGUID:: {base64.b64encode(name.encode().ljust(16)).decode()}\nobjectSid:: {sid(sid_text)}\n\n"
    )


def ad_group(name: str, sid_text: str, *members: str) -> str:
    """Write a group of Active Directory."""
    lines = "".join(f"member: {one}\n" for one in members)
    return f"dn: CN={name},SUFFIX\nobjectClass: group\ncn: {name}\nobjectSid:: {sid(sid_text)}\n{lines}\n"


def stranger(sid_text: str) -> str:
    """Write a foreign security principal."""
    head = f"dn: {principal(sid_text)}\nobjectClass: foreignSecurityPrincipal\ncn: {sid_text}\n"
    return f"{head}objectSid:: {sid(sid_text)}\n\n"


def principal(sid_text: str) -> str:
    """Give the DN of a foreign security principal of hq."""
    return f"CN={sid_text},CN=ForeignSecurityPrincipals,dc=hq"


def hq_with(path: Path, *sids: str, **more: object) -> Options:
    """Write the domain hq, whose group support has anna and these strangers."""
    members = ["CN=anna,dc=hq", *map(principal, sids)]
    return domain(
        path, "hq", HQ, user("anna", f"{HQ}-1001"), ad_group("support", f"{HQ}-2001", *members),
        *map(stranger, sids), **more,
    )  # fmt: skip


SUPPORT = Source(kind="group", value="CN=support,dc=hq", directory="hq")


def test_foreign_security_principals_are_resolved_in_their_domain(tmp_path: Path) -> None:
    """A person and a group of the other domain come in by their SID; the disabled there are disabled here."""
    hq = hq_with(tmp_path, f"{SUB}-1001", f"{SUB}-1002", f"{SUB}-2001")
    sub = domain(
        tmp_path, "sub", SUB, user("bert", f"{SUB}-1001"), user("dora", f"{SUB}-1002", 514),
        user("carl", f"{SUB}-1003"), ad_group("team", f"{SUB}-2001", "CN=carl,dc=sub"),
    )  # fmt: skip
    found = Directories({"hq": hq, "sub": sub}).read([SUPPORT])
    read = found.reads[SUPPORT]
    assert logins(read) == ["anna", "bert", "carl"]
    assert [one.names for one in read.disabled.values()] == [(("dora",),)]
    assert read.complete, read.reasons
    assert {one.names[0][0]: one.path for one in read.members.values()} == {
        "anna": ("CN=support,dc=hq",),
        "bert": ("CN=support,dc=hq",),
        "carl": ("CN=support,dc=hq", "CN=team,dc=sub"),
    }
    assert "foreign" not in read.proof.values
    assert read.proof.values["disabled"] == 1
    kept = Directories({"hq": hq, "sub": Options(**{**_fields(sub), "disabled": "keep"})}).read([SUPPORT])
    assert logins(kept.reads[SUPPORT]) == ["anna", "bert", "carl", "dora"]


def _fields(options_: Options) -> dict[str, object]:
    return {name: getattr(options_, name) for name in options_.__slots__}


def test_a_foreign_group_that_lists_us_again(tmp_path: Path) -> None:
    """Two domains whose groups contain each other end, with everybody in."""
    hq = hq_with(tmp_path, f"{SUB}-2001")
    back = f"CN={HQ}-2001,CN=ForeignSecurityPrincipals,SUFFIX"
    sub = domain(
        tmp_path, "sub", SUB, user("carl", f"{SUB}-1003"), ad_group("team", f"{SUB}-2001", "CN=carl,dc=sub",
        back.replace("SUFFIX", "dc=sub")),
        f"dn: {back}\nobjectClass: foreignSecurityPrincipal\nobjectSid:: {sid(f'{HQ}-2001')}\n\n",
    )  # fmt: skip
    read = Directories({"hq": hq, "sub": sub}).read([SUPPORT]).reads[SUPPORT]
    assert logins(read) == ["anna", "carl"]
    assert read.complete, read.reasons


@pytest.mark.parametrize("known", ["nobody", "other", "broken"])
def test_a_stranger_whom_nobody_knows_stays_unresolved(tmp_path: Path, known: str) -> None:
    """Without a directory for the domain, or an answer from it, the source is incomplete and names the SID."""
    directories = {"hq": hq_with(tmp_path, f"{SUB}-1001")}
    if known == "other":
        directories["sub"] = domain(tmp_path, "sub", f"{SID}3", user("bert", f"{SID}3-1001"))
    elif known == "broken":
        directories["sub"] = Options(urls=(f"ldif://{tmp_path / 'missing'}",), base="dc=sub", name="sub", kind="ad")
    read = Directories(directories).read([SUPPORT]).reads[SUPPORT]
    assert logins(read) == ["anna"]
    assert not read.complete
    assert read.causes == {"foreign"}
    assert f"{SUB}-1001" in read.reasons[0]
    assert read.proof.values["foreign"] == 1


# --------------------------------------------------------------------------- what must be seen


def accident(slapd: Slapd) -> Database:
    """Make a directory in which the members of one nested group are hidden: it looks empty."""
    database = slapd.database(
        "".join(map(person, ("anna", "bert"))) + group("nested", ["bert"]) + group("top", ["anna", cn("nested")])
        + group("all-staff", ["anna"])
    )  # fmt: skip
    database.limit(
        olcAccess=[
            "{0}to attrs=userPassword by anonymous auth by * none",
            f'{{1}}to dn.base="cn=nested,{database.groups}" attrs=member by * none',
            f"{{2}}{READ_ALL}",
        ]
    )
    return database


@pytest.mark.slapd
@pytest.mark.parametrize("watched", ["nested", "missing", "no dn"])
def test_a_group_that_must_be_seen_and_is_not(slapd: Slapd, watched: str) -> None:
    """A group that lost its members to an access rule makes everything read there incomplete, discoveries too."""
    database = accident(slapd)
    wanted = at(database, "top", "")
    search = Search("", "(cn=*)", None, "sub", ("cn",))
    blind = Directories({"": options(database)}).read([wanted], searches=[search])
    assert whole(blind)  # nothing in the answer tells that bert is missing
    assert logins(blind.reads[wanted]) == ["anna"]
    must_see = watched if watched == "no dn" else cn(watched).replace("SUFFIX", database.suffix)
    found = Directories({"": options(database, must_see=must_see)}).read([wanted], searches=[search])
    assert list(found.reads) == [wanted]
    for one in (found.reads[wanted], found.discoveries[search]):
        assert not one.complete
        assert "must_see" in one.causes
        assert f"{slapd.ldap}: must_see {must_see}" in one.reasons[-1]
    assert logins(found.reads[wanted]) == ["anna"]


@pytest.mark.slapd
def test_a_group_that_must_be_seen_and_is(slapd: Slapd) -> None:
    """Where it has members all is as it was, and it is no source by itself; it may be one as well."""
    database = accident(slapd)
    must_see = cn("all-staff").replace("SUFFIX", database.suffix)
    directories = Directories({"": options(database, must_see=must_see)})
    top, staff = at(database, "top", ""), at(database, "all-staff", "")
    found = directories.read([top])
    assert list(found.reads) == [top]
    assert whole(found)
    assert whole(directories.read([top, staff]))
    assert logins(directories.read([staff]).reads[staff]) == ["anna"]


# --------------------------------------------------------------------------- discovery


def mailboxes(number: int) -> str:
    """Write groups that each describe a mailbox."""
    return "".join(
        group(f"shared-{one}", ["anna"]).replace("\n\n", f"\ndescription: shared {one}\n\n") for one in range(number)
    )


@pytest.mark.slapd
def test_discovery_finds_all_and_its_sources_are_read(slapd: Slapd) -> None:
    """Entries come sorted, with the attributes asked for as text; what grows from them is read in the same go."""
    database = slapd.database(person("anna") + mailboxes(12))
    search = Search(
        "", "(&(objectClass=groupOfNames)(description=shared*))", None, "sub", ("cn", "description", "mail")
    )
    seen: list[Discovery] = []

    def grow(discoveries: object) -> list[Source]:
        seen.append(discoveries[search])  # type: ignore[index]
        return [Source(kind="group", value=one.dn) for one in seen[-1].found]

    found = Directories({"": options(database, page_size=5)}).read([], searches=[search], grow=grow)
    (one,) = seen
    assert one == found.discoveries[search]
    assert [entry_.key for entry_ in one.found] == sorted(entry_.key for entry_ in one.found)
    assert one.found[0].attributes == {"cn": ("shared-0",), "description": ("shared 0",)}
    assert len(found.reads) == 12
    assert all(logins(read) == ["anna"] for read in found.reads.values())
    assert whole(found)


@pytest.mark.slapd
def test_discovery_that_is_cut_is_incomplete(slapd: Slapd) -> None:
    """A search that the server ends early, or refuses, says that it does not know all; what came is there."""
    database = slapd.database(person("anna") + mailboxes(12), size_limit=5)
    search = Search("", "(description=shared*)", None, "sub", ("cn",))
    broken = Search("", "(description=", None, "sub", ("cn",))
    nowhere = Search("", "(cn=*)", f"ou=nowhere,{database.suffix}", "one", ("cn",))
    found = Directories({"": options(database)}).read([], searches=[search, broken, nowhere])
    cut = found.discoveries[search]
    assert not cut.complete
    assert cut.causes == {"limit"}
    assert len(cut.found) == 5
    assert "size limit exceeded" in cut.reasons[0]
    assert found.discoveries[broken].causes == {"invalid"}
    assert found.discoveries[nowhere].causes == {"missing"}
    assert f"ou=nowhere,{database.suffix}" in found.discoveries[nowhere].reasons[0]


# --------------------------------------------------------------------------- checking


@pytest.mark.slapd
def test_check_tells_of_every_directory(slapd: Slapd, second: Slapd) -> None:
    """Findings name the directory, its kind, what must be seen, every source and search; the read comes with them."""
    hq = slapd.database(person("anna") + group("support", ["anna"]))
    sub = second.database(person("bert") + group("all", ["bert"]))
    wanted = at(hq, "support", "hq")
    search = Search("sub", "(cn=all)", None, "sub", ("cn",))
    must_see = cn("all").replace("SUFFIX", sub.suffix)
    findings, read = both(hq, sub, must_see=must_see).check([wanted], searches=[search])
    assert all(one.ok for one in findings), findings
    told = {one.what: one.detail for one in findings}
    assert told["hq: kind"] == "OpenLDAP, told from its root DSE"
    assert "1 member" in told["sub: must_see"]
    assert "1 member" in told[f"hq: group {wanted.value}"]
    assert told["sub: discover (cn=all)"] == "1 found"
    assert logins(read.reads[wanted]) == ["anna"]
    assert len(read.discoveries[search].found) == 1


@pytest.mark.slapd
def test_check_tells_what_must_be_seen_and_is_not(slapd: Slapd) -> None:
    """A failed must_see and a search that is not whole are failed checks; an unusable server is no second one."""
    database = accident(slapd)
    must_see = cn("nested").replace("SUFFIX", database.suffix)
    search = Search("", "(cn=", None, "sub", ("cn",))
    findings, _ = Directories({"": options(database, must_see=must_see)}).check(
        [source(database, "top")], searches=[search]
    )
    assert {one.what for one in findings if not one.ok} == {"must_see", "discover (cn="}
    dead, read = Directories({"": options(database, dead_url())}).check([source(database, "top")])
    assert [one.what for one in dead] == ["connection"]
    assert not whole(read)


def test_check_says_where_a_kind_comes_from(tmp_path: Path) -> None:
    """A configured kind is told as such."""
    settings = domain(tmp_path, "hq", HQ, entry("cn=x,SUFFIX", ("cn", "x")))
    findings, _ = Directories({"": settings}).check([])
    assert [one.detail for one in findings if one.what.endswith("kind")] == [
        "Active Directory, as the configuration says"
    ]


# --------------------------------------------------------------------------- what it costs


def test_a_directory_is_opened_only_when_it_is_needed(tmp_path: Path) -> None:
    """One that no source names is asked when there are strangers to be found, and not otherwise."""
    sub = domain(tmp_path, "sub", SUB, user("bert", f"{SUB}-1001"))
    without = Directories({"hq": hq_with(tmp_path), "sub": sub}).read([SUPPORT])
    assert list(without.answered) == ["hq"]
    assert logins(without.reads[SUPPORT]) == ["anna"]
    found = Directories({"hq": hq_with(tmp_path, f"{SUB}-1001"), "sub": sub}).read([SUPPORT])
    assert list(found.answered) == ["hq", "sub"]


def test_strangers_are_asked_for_fifty_at_a_time(tmp_path: Path) -> None:
    """A hundred and twenty people of another domain cost three questions there, beside those that open it."""
    sids = [f"{SUB}-{1000 + number}" for number in range(120)]
    sub = domain(tmp_path, "sub", SUB, *(user(f"u{number}", one) for number, one in enumerate(sids)))
    few = Directories({"hq": hq_with(tmp_path, *sids), "sub": sub}).read([SUPPORT])
    alone = Directories({"hq": hq_with(tmp_path, *sids)}).read([SUPPORT])
    assert len(few.reads[SUPPORT].members) == 121
    assert few.reads[SUPPORT].complete
    assert few.operations - alone.operations == 2 + 3


def test_a_connection_lost_in_the_second_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers whose directory goes away before it is asked for them stay unresolved; its own sources stand."""
    from syncd.directory.expand import expand  # noqa: PLC0415 - the one that is replaced

    def lost(*arguments: object, anyone: bool = False, **more: object) -> object:
        if anyone:
            raise Lost("ldap://sub: the connection was lost")
        return expand(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("syncd.directory.directory.expand", lost)
    sub = domain(tmp_path, "sub", SUB, user("bert", f"{SUB}-1001"))
    own = Source(kind="filter", value="(sAMAccountName=bert)", directory="sub")
    found = Directories({"hq": hq_with(tmp_path, f"{SUB}-1001"), "sub": sub}).read([SUPPORT, own])
    assert found.reads[own].complete
    assert found.reads[SUPPORT].causes == {"foreign"}


@pytest.mark.slapd
@pytest.mark.parametrize("starttls", [False, True])
def test_at_most_five_questions_beside_groups_and_members(slapd: Slapd, starttls: bool) -> None:
    """StartTLS, bind, root DSE and counter: what one search finds is one question more."""
    database = slapd.database(person("anna"))
    wanted = Source(kind="filter", value="(uid=anna)")
    found = Directories({"": options(database, starttls=starttls, ca=slapd.ca)}).read([wanted])
    assert whole(found)
    assert found.operations - 1 == 3 + starttls


@pytest.mark.slapd
def test_a_doubted_directory_answers_for_nobody(slapd: Slapd, second: Slapd) -> None:
    """What a directory says of another's members is incomplete too when its own group is not seen."""
    sub = second.database(person("bert"))
    hq = slapd.database(person("anna") + group("support", ["anna", f"uid=bert,{sub.people}"]))
    wanted = at(hq, "support", "hq")
    found = both(hq, sub, must_see=f"cn=gone,{sub.groups}").read([wanted]).reads[wanted]
    assert logins(found) == ["anna", "bert"]
    assert not found.complete
    assert found.causes == {"must_see"}
