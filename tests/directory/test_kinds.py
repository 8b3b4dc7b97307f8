"""What a server is and how far it has come, told from its root DSE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from syncd.core.continuity import wait_reason
from syncd.directory.connection import Options, connect
from syncd.directory.kinds import Recognised, Server, recognise, sid_text, told
from syncd.directory.opening import open_searcher
from syncd.directory.search import LiveSearcher, Lost, Query, refusal
from syncd.directory.strategy import Entry
from tests.directory.trees import entry, export, options
from tests.servers.slapd import Slapd

BASE = "dc=corp,dc=example"
SID = bytes.fromhex("010400000000000515000000a065cf7e784b9b5fe77c8770")
AD: dict[str, list[bytes]] = {
    "supportedcapabilities": [b"1.2.840.113556.1.4.1670", b"1.2.840.113556.1.4.800"],
    "namingcontexts": [b"DC=corp,DC=example", b"CN=Configuration,DC=corp,DC=example"],
    "defaultnamingcontext": [b"DC=corp,DC=example"],
    "highestcommittedusn": [b"4711"],
    "dsservicename": [b"CN=NTDS Settings,CN=DC1,CN=Servers"],
}
DS389: dict[str, list[bytes]] = {
    "vendorname": [b"389 Project"],
    "vendorversion": [b"389-Directory/2.3.1 B2022"],
    "namingcontexts": [b"dc=corp,dc=example"],
}


class Scripted(LiveSearcher):
    """Answers by DN from a table, as a server would; anything else does not exist."""

    class _Connection:
        identity = "cn=syncd"

    def __init__(self, answers: Mapping[str, dict[str, list[bytes]]]) -> None:
        self.server = "ldap://dc1"
        self.operations = 0
        self.connection = self._Connection()  # type: ignore[assignment]
        self._answers = answers

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the entry with the attributes asked for and their options."""
        self.operations += 1
        if query.base.lower() not in self._answers:
            raise refusal(self.server, query, 32)
        wanted = {name.lower() for name in query.attributes}
        found = self._answers[query.base.lower()]
        yield [Entry(query.base, {name: found[name] for name in found if name.partition(";")[0] in wanted})]


def seen(answers: Mapping[str, dict[str, list[bytes]]], **more: object) -> Recognised:
    """Recognise a scripted server."""
    return recognise(Scripted(answers), Options(urls=("ldap://dc1",), base=BASE, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("root", "kind"),
    [
        (AD, "ad"),
        (DS389, "389ds"),
        ({"vendorversion": [b"389-Directory/1.4"]}, "389ds"),
        ({"objectclass": [b"top", b"OpenLDAProotDSE"]}, "openldap"),
        ({"structuralobjectclass": [b"OpenLDAProotDSE"]}, "openldap"),
        ({"vendorname": [b"Novell, Inc."], "vendorversion": [b"LDAP Agent 13890"]}, "generic"),
        ({}, "generic"),
    ],
)
def test_the_kind_is_told_from_the_root_dse(root: dict[str, list[bytes]], kind: str) -> None:
    """Each kind has its mark; a server without any is generic."""
    assert told(root) == kind


def test_active_directory_tells_its_domain_and_its_counter() -> None:
    """SID of the domain, naming contexts and highest USN, with the server's own id, come in two questions."""
    scripted = Scripted({"": AD, BASE: {"objectsid": [SID]}})
    server, counter = recognise(scripted, Options(urls=("ldap://dc1",), base="ou=x,dc=corp,dc=example"))
    domain = "S-1-5-21-2127521184-1604012920-1887927527"
    assert server == Server("ad", (BASE, f"cn=configuration,{BASE}"), domain, "cn=syncd")
    assert counter == "00000000000000004711#000000#cn-ntds-settings-cn-dc1-cn-servers#000000"
    assert scripted.operations == 2


def test_a_plain_number_is_compared_as_contextcsn_is() -> None:
    """A USN that went from 9 to 10 went on, one from 10 to 9 went back; another server's is no continuation."""
    counters = [seen({"": {**AD, "highestcommittedusn": [number]}}).counter for number in (b"9", b"10")]
    assert wait_reason(("ldap://dc1", counters[0]), "ldap://dc1", counters[1]) is None
    assert "went back" in str(wait_reason(("ldap://dc1", counters[1]), "ldap://dc1", counters[0]))
    other = seen({"": {**AD, "highestcommittedusn": [b"99"], "dsservicename": [b"CN=NTDS Settings,CN=DC2"]}}).counter
    assert "went back" in str(wait_reason(("ldap://dc1", counters[0]), "ldap://dc1", other))


def test_389_counts_by_usn_or_by_replica() -> None:
    """The last USN of each backend counts; without the plug-in the replica update vector does, else nothing."""
    numbers = {"lastusn;userroot": [b"12"], "lastusn;ipaca": [b"-1"]}
    assert seen({"": {**DS389, **numbers}}).counter == "00000000000000000012#000000#userroot#000000"
    vector = [
        b"{replicageneration} 6123abcd000000010000",
        b"{replica 1 ldap://a:389} 6123abcd000100010000 6543ffff000200010003",
        b"{replica 2 ldap://b:389}",
    ]
    assert seen({"": DS389, BASE: {"nsds50ruv": vector}}).counter == "6543ffff#0002#1#0003"
    assert seen({"": DS389, BASE: {}}).counter is None
    assert seen({"": DS389}).counter is None


def test_a_server_that_is_too_busy_to_say_what_it_is_is_not_read() -> None:
    """What it is decides what is read: an Active Directory taken for another server would lose its primary groups."""

    class Busy(Scripted):
        def search(self, query: Query) -> Iterator[list[Entry]]:
            raise refusal(self.server, query, 51)

    with pytest.raises(Lost, match="server busy"):
        recognise(Busy({}), Options(urls=("ldap://dc1",), base=BASE))
    assert recognise(Busy({}), Options(urls=("ldap://dc1",), base=BASE, kind="ad")).server.kind == "ad"


def test_a_configured_kind_counts_more() -> None:
    """What the configuration names is taken, whatever the root DSE says; a root that is hidden is no error."""
    assert seen({"": AD}, kind="openldap").server.kind == "openldap"
    hidden = seen({BASE: {"objectsid": [SID]}}, kind="ad")
    assert hidden.server.contexts == ()
    assert str(hidden.server.domain_sid).startswith("S-1-5-21-")
    assert hidden.counter is None
    assert seen({}) == Recognised(Server("generic", (), None, "cn=syncd"), None)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("0101000000000005" + "0b000000", "S-1-5-11"),
        ("0102000000000005" + "20000000" + "20020000", "S-1-5-32-544"),
        ("010100000000000f" + "ffffffff", "S-1-15-4294967295"),
        ("0102000000000005" + "20000000", "010200000000000520000000"),
        ("", ""),
    ],
)
def test_sids_are_written_as_everybody_writes_them(octets: str, text: str) -> None:
    """The authority is big-endian, the parts are little-endian; what is cut off is no SID."""
    assert sid_text(bytes.fromhex(octets)) == text


@pytest.mark.slapd
def test_openldap_is_recognised_in_two_questions(slapd: Slapd) -> None:
    """A real slapd is OpenLDAP, names its suffixes, and its contextCSN is the counter."""
    database = slapd.database()
    searcher = connect(slapd.ldap, options(database))
    before = searcher.operations
    server, counter = recognise(searcher, options(database))
    assert searcher.operations - before == 2
    assert server.kind == "openldap"
    assert database.suffix in server.contexts
    assert server.identity == database.bind_dn
    assert server.domain_sid is None
    assert counter is not None
    assert counter.count("#") == 3
    searcher.close()
    nobody = connect(slapd.ldap, options(database, bind_dn=None))
    assert recognise(nobody, options(database)).server.identity == "anonymous"
    nobody.close()


def test_an_export_is_generic(tmp_path: Path) -> None:
    """A file has no root DSE, no identity and no counter; its kind may be configured."""
    settings = export(tmp_path / "x.ldif", entry("SUFFIX", ("dc", "x")))
    searcher = open_searcher(settings.urls[0], settings)
    assert recognise(searcher, settings) == Recognised(Server("generic", (), None, ""), None)
