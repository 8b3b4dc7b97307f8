"""What `check` reports, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.core.model import Secret
from syncd.directory.directory import Directory
from tests.directory.trees import by_filter, entry, export, group, options, person, source
from tests.servers.slapd import Slapd


@pytest.mark.slapd
def test_everything_is_right(slapd: Slapd) -> None:
    """Connection, TLS, bind, base and every source with its members are reported."""
    database = slapd.database(person("anna") + group("support", ["anna", "gone"]))
    settings = options(database, slapd.ldaps, ca=slapd.ca)
    wanted = source(database, "support")
    found = list(Directory(settings).check([wanted]))
    assert all(one.ok for one in found)
    assert [one.what for one in found] == ["connection", "tls", "bind", "base", str(wanted)]
    assert "TLSv1.3, verified" in found[1].detail
    assert database.bind_dn in found[2].detail
    assert found[4].detail == "1 member, 1 without an entry"


@pytest.mark.slapd
def test_a_bad_second_server_is_found_before_it_is_needed(slapd: Slapd) -> None:
    """Every URL is tried; the sources are read from the one that works."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    settings = options(database, slapd.ldap, slapd.ldaps, ca=slapd.other_ca)
    found = list(Directory(settings).check([source(database, "support")]))
    assert [one.what for one in found if not one.ok] == ["connection"]
    assert "not trusted" in next(one.detail for one in found if not one.ok)
    assert found[-1].detail == "1 member"
    assert "in the clear" in next(one.detail for one in found if one.what == "tls")


@pytest.mark.slapd
def test_what_is_wrong_has_a_hint(slapd: Slapd) -> None:
    """A wrong password, a missing base, a missing group and a hidden login attribute each say what to do."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    wrong = list(Directory(options(database, password=Secret("no"))).check([]))
    assert [one.ok for one in wrong] == [False]
    assert "directory.bind" in wrong[0].hint
    typo = list(Directory(options(database, base="ou=typo," + database.suffix)).check([]))
    assert not typo[-1].ok
    assert "no such object" in typo[-1].detail
    group_gone = list(Directory(options(database)).check([source(database, "gone")]))
    assert not group_gone[-1].ok
    hidden = list(Directory(options(database, login_attributes=("mail",))).check([source(database, "support")]))
    assert not hidden[-1].ok
    assert "have no mail" in hidden[-1].detail
    unverified = list(Directory(options(database, slapd.ldaps, verify=False)).check([]))
    assert "NOT verified" in unverified[1].detail


def test_an_export_is_checked(tmp_path: Path) -> None:
    """An export has no TLS and no bind; its base and sources are looked at, a missing file is named."""
    settings = export(tmp_path / "x.ldif", entry("SUFFIX", ("dc", "x")), person("anna", None, ("entryUUID", "1")))
    found = list(Directory(settings).check([by_filter("(uid=*)")]))
    assert [(one.ok, one.what) for one in found] == [(True, "connection"), (True, "base"), (True, "filter (uid=*)")]
    (tmp_path / "x.ldif").unlink()
    (missing,) = Directory(settings).check([])
    assert not missing.ok
    assert "No such file" in missing.detail
