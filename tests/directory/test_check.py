"""What `check` reports, step by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.finding import Finding
from syncd.core.model import Secret, Source
from syncd.core.reads import Search
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from tests.directory.trees import by_filter, cn, entry, export, group, options, person, source, whole
from tests.servers.slapd import Slapd

_ROOT = entry("SUFFIX", ("dc", "x"))


def checked(settings: Options, *sources: Source) -> list[Finding]:
    """Give the findings for one directory."""
    return Directories({"": settings}).check(sources)[0]


@pytest.mark.slapd
def test_everything_is_right(slapd: Slapd) -> None:
    """Connection, TLS, bind, base and every source with its members are reported."""
    database = slapd.database(person("anna") + group("support", ["anna", "gone"]))
    settings = options(database, slapd.ldaps, ca=slapd.ca)
    wanted = source(database, "support")
    found = checked(settings, wanted)
    assert all(one.ok for one in found)
    assert [one.what for one in found] == ["connection", "tls", "bind", "base", "kind", str(wanted)]
    assert "TLSv1.3, verified" in found[1].detail
    assert database.bind_dn in found[2].detail
    assert found[4].detail == "OpenLDAP, told from its root DSE"
    assert found[5].detail == "1 member, 1 without an entry"


@pytest.mark.slapd
def test_a_bad_second_server_is_found_before_it_is_needed(slapd: Slapd) -> None:
    """Every URL is tried; the sources are read from the one that works."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    settings = options(database, slapd.ldap, slapd.ldaps, ca=slapd.other_ca)
    found = checked(settings, source(database, "support"))
    assert [one.what for one in found if not one.ok] == ["connection"]
    assert "not trusted" in next(one.detail for one in found if not one.ok)
    assert found[-1].detail == "1 member"
    assert "in the clear" in next(one.detail for one in found if one.what == "tls")


@pytest.mark.slapd
def test_what_is_wrong_has_a_hint(slapd: Slapd) -> None:
    """A wrong password, a missing base, a missing group and a hidden login attribute each say what to do."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    wrong = checked(options(database, password=Secret("no")))
    assert [one.ok for one in wrong] == [False]
    assert "directory.bind" in wrong[0].hint
    typo = checked(options(database, base="ou=typo," + database.suffix))
    assert not typo[-1].ok
    assert "no such object" in typo[-1].detail
    group_gone = checked(options(database), source(database, "gone"))
    assert not group_gone[-1].ok
    hidden = checked(options(database, login_attributes=("mail",)), source(database, "support"))
    assert not hidden[-1].ok
    assert "have no mail" in hidden[-1].detail
    unverified = checked(options(database, slapd.ldaps, verify=False))
    assert "NOT verified" in unverified[1].detail


def test_who_is_no_member_is_counted_in_the_line_of_the_source(tmp_path: Path) -> None:
    """Classes of values that make no member are told with their numbers, and how many groups there are."""
    user, control = ("objectClass", "user"), "userAccountControl"
    people = [_ROOT, entry("uid=anna,SUFFIX", user, ("sAMAccountName", "anna"), (control, "512"))]
    people.append(entry("uid=bert,SUFFIX", user, (control, "514")))
    people.append(entry("cn=printer,SUFFIX", ("objectClass", "printQueue")))
    listed = [("member", f"{name},SUFFIX") for name in ("uid=anna", "uid=bert", "cn=printer", "cn=more", "uid=gone")]
    groups = [entry("cn=all,SUFFIX", ("objectClass", "groupOfNames"), *listed)]
    groups.append(entry("cn=more,SUFFIX", ("objectClass", "groupOfNames"), ("member", "")))
    settings = replace(export(tmp_path / "x.ldif", *people, *groups), kind="ad")
    found, _note = checked(settings, Source(kind="group", value=f"cn=all,{settings.base}"))[3:]
    assert found.detail == "1 member, 1 without an entry, 1 disabled, 1 ignored printer, in 2 groups"


def test_nobody_is_told_with_what_it_may_mean(tmp_path: Path) -> None:
    """No server complains about an attribute that it does not know, so a source without anybody has a hint."""
    settings = export(tmp_path / "x.ldif", _ROOT, person("anna"))
    found = checked(settings, by_filter("(departmentNumbr=5)"), by_filter("(uid=*)"))
    told = {one.detail: "misspelled" in one.hint for one in found if one.what.startswith("filter")}
    assert told["0 members"]
    assert not told["1 member"]


def test_of_found_groups_only_faults_are_told(tmp_path: Path) -> None:
    """A search has one line however many groups it leads to; one of them that cannot be read has its own."""
    settings = export(tmp_path / "x.ldif", _ROOT, person("anna"), group("good", ["anna"]))
    good = Source(kind="group", value=cn("good").replace("SUFFIX", settings.base))
    bad = Source(kind="group", value=cn("bad").replace("SUFFIX", settings.base))
    search = Search("", "(cn=*)", None, "sub", ("cn",))
    found, read = Directories({"": settings}).check([], searches=[search], grow=lambda _found: [good, bad])
    assert {good, bad} <= read.reads.keys()
    assert [(one.ok, one.what) for one in found[3:]] == [(False, str(bad)), (True, "discover (cn=*)")]


def test_what_must_be_seen_and_is_not_is_told_once(tmp_path: Path) -> None:
    """The doubt about a directory is one failed check, not one of every source and search too."""
    settings = export(tmp_path / "x.ldif", _ROOT, person("anna"), group("good", ["anna"]))
    settings = replace(settings, must_see=f"cn=gone,{settings.base}")
    good = Source(kind="group", value=cn("good").replace("SUFFIX", settings.base))
    search = Search("", "(cn=good)", None, "sub", ("cn",))
    found, read = Directories({"": settings}).check([good], searches=[search])
    assert not whole(read)
    [doubt] = [one for one in found if not one.ok]
    assert doubt.what == "must_see"
    assert (doubt.detail + doubt.hint).count("check the rights") == 1


def test_an_export_is_checked(tmp_path: Path) -> None:
    """An export has no TLS and no bind; its base and sources are looked at, a missing file is named."""
    settings = export(tmp_path / "x.ldif", _ROOT, person("anna", None, ("entryUUID", "1")))
    found = checked(settings, by_filter("(uid=*)"))
    assert [(one.ok, one.what) for one in found] == [
        (True, "connection"),
        (True, "base"),
        (True, "kind"),
        (True, "filter (uid=*)"),
    ]
    (tmp_path / "x.ldif").unlink()
    (missing,) = checked(settings)
    assert not missing.ok
    assert "No such file" in missing.detail
