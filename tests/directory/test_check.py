"""What `check` reports, step by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.core.finding import Finding
from syncd.core.model import Secret, Source
from syncd.directory.connection import Options
from syncd.directory.directories import Directories
from tests.directory.trees import by_filter, entry, export, group, options, person, source
from tests.servers.slapd import Slapd


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
    assert found[5].detail == "1 member, 1 without an entry (values in 1 group: 1 not found, 1 user)"


@pytest.mark.slapd
def test_a_bad_second_server_is_found_before_it_is_needed(slapd: Slapd) -> None:
    """Every URL is tried; the sources are read from the one that works."""
    database = slapd.database(person("anna") + group("support", ["anna"]))
    settings = options(database, slapd.ldap, slapd.ldaps, ca=slapd.other_ca)
    found = checked(settings, source(database, "support"))
    assert [one.what for one in found if not one.ok] == ["connection"]
    assert "not trusted" in next(one.detail for one in found if not one.ok)
    assert found[-1].detail.startswith("1 member (")
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


def test_an_export_is_checked(tmp_path: Path) -> None:
    """An export has no TLS and no bind; its base and sources are looked at, a missing file is named."""
    settings = export(tmp_path / "x.ldif", entry("SUFFIX", ("dc", "x")), person("anna", None, ("entryUUID", "1")))
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
