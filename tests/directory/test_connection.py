"""Opening, securing and losing connections to a real slapd."""

from __future__ import annotations

import socket
import ssl
import threading
import traceback
from pathlib import Path

import pytest
from ldap3.core.exceptions import LDAPSocketSendError, communication_exception_factory

from syncd.core.model import Secret
from syncd.directory.connection import Address, _unreachable, connect, parse_url
from syncd.directory.directories import Directories
from syncd.directory.search import Lost, Query, Refused
from syncd.directory.strategy import StreamConnection
from tests.directory.trees import by_filter, group, logins, options, person, read, source, whole
from tests.servers.certificates import Authority
from tests.servers.faults import FaultProxy
from tests.servers.slapd import PASSWORD, Slapd

pytestmark = pytest.mark.slapd
PEOPLE = by_filter("(uid=*)")


def unused_port() -> int:
    """Give a port on which nothing listens."""
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


@pytest.mark.parametrize("where", ["ldaps", "ldaps_ip", "starttls", "starttls_ip"])
def test_tls_with_an_own_authority(slapd: Slapd, where: str) -> None:
    """LDAPS and StartTLS work with the configured CA, by host name and by address."""
    database = slapd.database(person("anna"))
    starttls = where.startswith("starttls")
    url = getattr(slapd, where.replace("starttls", "ldap"))
    found = read(database, PEOPLE, urls=(url,), ca=slapd.ca, starttls=starttls)
    assert whole(found)
    assert logins(found.reads[PEOPLE]) == ["anna"]


@pytest.mark.parametrize("starttls", [False, True])
def test_a_wrong_authority_is_refused(slapd: Slapd, starttls: bool) -> None:
    """A certificate of another CA is not trusted; the reason names the server and the configured CA."""
    database = slapd.database(person("anna"))
    url = slapd.ldap if starttls else slapd.ldaps
    for ca in (slapd.other_ca, None):
        found = read(database, PEOPLE, urls=(url,), ca=ca, starttls=starttls)
        assert not whole(found)
        (reason,) = found.reads[PEOPLE].reasons
        assert url in reason
        assert "certificate is not trusted" in reason
        assert (slapd.other_ca if ca else "the system's") in reason


@pytest.mark.parametrize("starttls", [False, True])
def test_a_wrong_host_name_is_refused(slapd: Slapd, starttls: bool) -> None:
    """A certificate for another host is refused, and says so; without verification it is taken."""
    database = slapd.database(person("anna"))
    slapd.certificate("wronghost")
    try:
        for url in (slapd.ldap, slapd.ldap_ip) if starttls else (slapd.ldaps, slapd.ldaps_ip):
            found = read(database, PEOPLE, urls=(url,), ca=slapd.ca, starttls=starttls)
            assert not whole(found)
            assert "the certificate is not for" in found.reads[PEOPLE].reasons[0]
            assert whole(read(database, PEOPLE, urls=(url,), ca=slapd.ca, starttls=starttls, verify=False))
    finally:
        slapd.certificate("server")


@pytest.mark.parametrize(("make", "text"), [(False, "cannot read the CA"), (True, "cannot read the CA")])
def test_an_unusable_authority_is_named(slapd: Slapd, tmp_path: object, make: bool, text: str) -> None:
    """A CA file that is missing, or holds no certificate, is named in the reason."""
    database = slapd.database()
    path = f"{tmp_path}/ca.pem"
    if make:
        with open(path, "w") as file:  # noqa: PTH123 - the fixture's type is private
            file.write("nothing")
    found = read(database, PEOPLE, urls=(slapd.ldaps,), ca=path)
    assert f"{text} {path}" in found.reads[PEOPLE].reasons[0]


def test_anonymous(slapd: Slapd) -> None:
    """Without a bind DN the directory is read anonymously."""
    database = slapd.database(person("anna"))
    assert logins(read(database, PEOPLE, bind_dn=None, password=None).reads[PEOPLE]) == ["anna"]


def test_a_unix_socket(slapd: Slapd) -> None:
    """An ldapi URL is used."""
    database = slapd.database(person("anna"))
    assert logins(read(database, PEOPLE, urls=(slapd.ldapi,)).reads[PEOPLE]) == ["anna"]


def test_a_wrong_password(slapd: Slapd) -> None:
    """A refused bind names server, bind DN and cause, and never the password."""
    database = slapd.database(person("anna"))
    found = read(database, PEOPLE, password=Secret("not-this-one"))
    (reason,) = found.reads[PEOPLE].reasons
    assert f"{slapd.ldap}: bind as {database.bind_dn}: invalid credentials" in reason
    assert "not-this-one" not in repr(found)
    assert found.server == ""
    assert found.answered == {}


@pytest.mark.parametrize("password", [None, Secret("")])
def test_an_empty_password_is_refused_before_it_is_sent(slapd: Slapd, password: Secret | None) -> None:
    """A bind DN with an empty password would be an anonymous bind, which looks like success: it is not tried."""
    database = slapd.database(person("anna"))
    found = read(database, PEOPLE, password=password)
    assert "the password is empty" in found.reads[PEOPLE].reasons[0]


def test_the_password_is_nowhere(slapd: Slapd) -> None:
    """The password is in no repr, no traceback and not kept by the connection."""
    database = slapd.database()
    settings = options(database)
    assert PASSWORD not in repr(settings)
    searcher = connect(slapd.ldap, settings)
    assert PASSWORD not in repr(searcher.connection)
    assert searcher.connection.password is None
    assert PASSWORD not in repr(vars(searcher.connection))
    searcher.close()
    wrong = "-".join(["wrong", "secret"])
    with pytest.raises(Refused) as caught:
        connect(slapd.ldap, options(database, password=Secret(wrong)))
    assert wrong not in "".join(traceback.format_exception(caught.value))


def test_a_server_that_is_down(slapd: Slapd) -> None:
    """A refused connection and an unknown host are reasons of every source, for every URL tried."""
    database = slapd.database()
    down = f"ldap://127.0.0.1:{unused_port()}"
    found = read(database, PEOPLE, by_filter("(cn=x)"), urls=(down, "ldap://nosuch.invalid"))
    for one in found.reads.values():
        assert not one.complete
        assert f"{down}: connection refused" in one.reasons[0]
        assert "nosuch.invalid is unknown" in one.reasons[1]


@pytest.mark.parametrize("url", ["http://x", "ldap://", "nonsense", "ldap://x:port", ""])
def test_a_bad_url_is_a_reason(slapd: Slapd, url: str) -> None:
    """A URL that cannot be used is named."""
    found = read(slapd.database(), PEOPLE, urls=(url,))
    assert not whole(found)
    assert found.reads[PEOPLE].reasons[0].startswith(f"{url}:")


def test_urls() -> None:
    """Ports have their defaults, addresses lose their brackets."""
    assert parse_url("ldap://a") == Address("ldap", "a", 389)
    assert parse_url("ldaps://a") == Address("ldaps", "a", 636)
    assert parse_url("ldap://[::1]:7") == Address("ldap", "::1", 7)
    assert parse_url("ldif:///a%20b") == Address("ldif", "/a b", 0)


def test_the_second_url_is_used_when_the_first_fails(slapd: Slapd) -> None:
    """The first URL that connects and binds is used, and named as the server."""
    database = slapd.database(person("anna"))
    down = f"ldap://127.0.0.1:{unused_port()}"
    found = read(database, PEOPLE, urls=(down, slapd.ldaps, slapd.ldap_ip))
    assert found.server == slapd.ldap_ip
    assert whole(found)


@pytest.mark.parametrize("how", ["reset", "end", "silence"])
@pytest.mark.parametrize("after", [0, 10, 1000, 20_000])
def test_a_read_that_fails_in_the_middle_is_repeated_whole(slapd: Slapd, how: str, after: int) -> None:
    """A connection that breaks or falls silent, at the bind or in the data, costs nothing but a second read."""
    database = slapd.database("".join(person(f"u{number}") for number in range(300)))
    with FaultProxy(slapd.port) as proxy:
        proxy.cut_after, proxy.how = after, how  # type: ignore[assignment]
        found = read(database, PEOPLE, urls=(proxy.url, slapd.ldap), receive_timeout=0.2, connect_timeout=5)
        assert found.server == slapd.ldap
        assert len(found.reads[PEOPLE].members) == 300
        assert whole(found)
        again = read(database, PEOPLE, urls=(proxy.url,), receive_timeout=0.2)
        assert not whole(again)
        assert again.reads[PEOPLE].members == {}
        assert proxy.url in again.reads[PEOPLE].reasons[0]


def test_one_failure_is_repeated_on_the_same_server(slapd: Slapd) -> None:
    """With a single URL a read that broke in the middle is tried once more there."""
    database = slapd.database("".join(person(f"u{number}") for number in range(300)))
    with FaultProxy(slapd.port) as proxy:
        proxy.cut_after, proxy.failures = 20_000, 1
        found = read(database, PEOPLE, urls=(proxy.url,))
        assert whole(found)
        assert proxy.connections == 2


def test_an_answer_that_is_no_ldap(slapd: Slapd) -> None:
    """A server that speaks something else is named, and nothing hangs or crashes."""
    database = slapd.database()
    for nonsense in (
        b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10,
        b"0\x06\x02\x01\x01\x14\x01\x00",
        b"0\x05\x02\x01\x01aa",
    ):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer(listener: socket.socket = listener, nonsense: bytes = nonsense) -> None:
                with listener.accept()[0] as plug:
                    plug.recv(10)
                    plug.sendall(nonsense)
                    plug.shutdown(socket.SHUT_WR)
                    plug.recv(1000)

            thread = threading.Thread(target=answer)
            thread.start()
            url = f"ldap://127.0.0.1:{listener.getsockname()[1]}"
            found = read(database, PEOPLE, urls=(url,), receive_timeout=2)
            thread.join()
            assert not whole(found)
            assert url in found.reads[PEOPLE].reasons[0]


@pytest.mark.parametrize("kind", [ssl.SSLEOFError, ssl.SSLCertVerificationError, ConnectionResetError, TimeoutError])
def test_an_error_while_sending_is_told_whatever_its_class(slapd: Slapd, kind: type[OSError]) -> None:
    """ldap3 makes errors that pass for those of the socket without their attributes; there are words for them, too."""
    url, made = slapd.ldaps, communication_exception_factory(LDAPSocketSendError, kind("the end"))
    lost = _unreachable(url, parse_url(url), options(slapd.database()), made("socket sending error"))
    assert str(lost).startswith(url)


def test_data_in_the_clear_behind_starttls_is_an_attack(slapd: Slapd) -> None:
    """Octets that wait in the buffer when TLS begins were injected: the connection is refused."""
    database = slapd.database()
    searcher = connect(slapd.ldap, options(database))
    searcher.connection.strategy._buffer = b"0\x05"
    searcher.connection.strategy._position = 0
    with pytest.raises(ssl.SSLError, match="in the clear"):
        searcher.connection.strategy.wrap(ssl.create_default_context())
    searcher.connection.strategy._buffer = b""
    searcher.close()


def test_a_lost_connection_is_an_error_not_an_end(slapd: Slapd) -> None:
    """A search on a connection that is gone raises, it does not end."""
    database = slapd.database()
    searcher = connect(slapd.ldap, options(database))
    searcher.connection.socket.shutdown(socket.SHUT_RDWR)
    with pytest.raises(Lost):
        list(searcher.search(Query(database.suffix, "sub", "(uid=*)", ("uid",))))
    searcher.close()


def test_the_schema_is_never_asked_for(slapd: Slapd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read makes no search for the schema: only root DSE, counter, group and members."""
    asked: list[str] = []
    send = StreamConnection.__init__

    def watched(self: StreamConnection, *arguments: object, **more: object) -> None:
        send(self, *arguments, **more)  # type: ignore[arg-type]
        inner, ask = self.send, self.strategy.ask  # ldap3 would ask for the schema by the first, we ask by the second
        self.send = lambda kind, *rest: asked.append(kind) or inner(kind, *rest)
        self.strategy.ask = lambda request: asked.append("searchRequest") or ask(request)  # type: ignore[method-assign]

    monkeypatch.setattr(StreamConnection, "__init__", watched)
    database = slapd.database(person("anna") + group("support", ["anna"]))
    found = Directories({"": options(database)}).read([source(database, "support")])
    assert whole(found)
    assert asked.count("searchRequest") == 4


@pytest.mark.parametrize("where", ["ldaps", "starttls", "ldapi"])
def test_external_binds_as_the_certificate_or_the_socket_says(slapd: Slapd, where: str) -> None:
    """SASL EXTERNAL works by client certificate over LDAPS and StartTLS, and over a socket; the proof says as whom."""
    database = slapd.database(person("anna"))
    database.limit(olcAccess=[f'{{0}}to * by dn.exact="{database.bind_dn}" read by * none'])
    url = slapd.ldap if where == "starttls" else getattr(slapd, where)
    how = {"urls": (url,), "method": "external", "bind_dn": None, "password": None, "ca": slapd.ca}
    with slapd.client_certificate(database.bind_dn) as (certificate, key):
        if where != "ldapi":
            how |= {"certificate": certificate, "certificate_key": key, "starttls": where == "starttls"}
        found = read(database, PEOPLE, **how)
    assert logins(found.reads[PEOPLE]) == ["anna"]
    assert whole(found)
    identity = found.reads[PEOPLE].proof.identity
    assert "EXTERNAL" in identity
    assert f"dn:{database.bind_dn}" in identity
    assert found.operations <= 5 + 1


def test_external_without_a_certificate_that_the_server_knows(slapd: Slapd, tmp_path: Path) -> None:
    """A certificate of another authority, a key that is not its own and a missing file each say what to do."""
    database = slapd.database()
    stranger = Authority(tmp_path).issue("stranger", "x.example")

    def reason(certificate: object, key: object) -> str:
        found = read(
            database, PEOPLE, urls=(slapd.ldaps,), ca=slapd.ca, method="external", certificate=str(certificate),
            certificate_key=str(key),
        )  # fmt: skip
        return found.reads[PEOPLE].reasons[0]

    with slapd.client_certificate(database.bind_dn) as (certificate, _):
        assert slapd.ldaps in reason(*stranger)
        assert "directory.tls.cert" in reason(certificate, stranger[1])
        assert "No such file" in reason(tmp_path / "nothing", stranger[1])
    assert "olcAuthzRegexp" in reason(*stranger)  # a server that does not ask for a certificate
