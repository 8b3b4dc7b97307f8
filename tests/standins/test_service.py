"""What the service does beside the recorded calls: its WSDL, its misbehaviour, locks, counters and races."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import zeep

from tests.servers.certificates import Authority
from tests.servers.mariadb import MariaDb
from tests.standins import envelope, faults
from tests.standins.client import AUTH, DATA, ask, create, exchange
from tests.standins.contract import PATH
from tests.standins.faults import Fault
from tests.standins.model import Installation, Middleware
from tests.standins.service import Service, Trouble, populate
from tests.standins.sqlite import quick

ADDRESS = DATA["primaryAddress"]


def execute(service: Service, statement: str) -> Any:
    """Run a statement beside the service; give the rows of a query."""
    with service.middleware._engine.begin() as connection:
        result = connection.execute(sa.text(statement))
        return [tuple(row) for row in result] if result.returns_rows else None


def accounts(service: Service) -> Any:
    """Give user and id of all secondary accounts."""
    return execute(service, "SELECT user, id FROM user_mail_account WHERE secondary = 1 ORDER BY id, user")


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({}, "http://127.0.0.1:{port}" + PATH),
        ({"Host": "ox.example.org"}, "http://ox.example.org" + PATH),
        ({"Host": "ox.example.org:80", "X-Forwarded-Proto": "https"}, "https://ox.example.org:443" + PATH),
    ],
)
def test_address_follows_the_request(service: Service, headers: dict[str, str], address: str) -> None:
    """The address in the WSDL is that of the Host header, and that of a proxy with TLS has its port."""
    status, body = exchange(service, "GET", PATH + "?wsdl", headers=headers)
    assert status == 200
    assert f'location="{address.format(port=service.port)}"' in body.decode()


def test_wrong_address(service: Service) -> None:
    """The address in the WSDL can be a wrong one."""
    service.address = "http://internal:80/x"
    assert b'location="http://internal:80/x"' in exchange(service, "GET", PATH + "?wsdl")[1]


def test_zeep_reads_the_wsdl_and_calls(service: Service) -> None:
    """A client made of the WSDL by zeep creates, lists, updates and deletes, and meets faults."""
    client = zeep.Client(service.url + "?wsdl")  # type: ignore[no-untyped-call]
    with client.transport.session:
        call, who = client.service, {"context": {"id": 1}, "users": [{"id": 3}, {"id": 4}], "auth": AUTH}
        assert call.create(accountDataOnCreate=DATA, **who) is None
        listed = call.list(context={"id": 1}, auth=AUTH)
        assert [(one.userId, one.id, one.mailPort, one.password) for one in listed] == [
            (3, 1, 143, None),
            (4, 2, 143, None),
        ]
        assert call.update(primaryAddress=ADDRESS, accountDataUpdate={}, **who) is True
        with pytest.raises(zeep.exceptions.Fault, match="ACC-0017") as caught:
            call.create(accountDataOnCreate=DATA, **who)
        assert [element.tag for element in caught.value.detail] == [
            "{http://soap.admin.openexchange.com}StorageException"
        ]
        assert call.delete(primaryAddress=ADDRESS, **who) is True
        assert call.delete(primaryAddress=ADDRESS, **who) is False
        assert call.list(context={"id": 1}, auth=AUTH) == []


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "Client", "DTD"),
        (b"", "Client", "no element found"),
        (b"<x/>", "Client", "x has no body"),
        (
            b'<S:Envelope xmlns:S="http://www.w3.org/2003/05/soap-envelope"><S:Body/></S:Envelope>',
            "VersionMismatch",
            "1.2",
        ),
    ],
)
def test_unusable_requests(service: Service, body: bytes, code: str, text: str) -> None:
    """What is no SOAP 1.1 request is refused, and document types are never read."""
    status, answer = exchange(service, "POST", body=body)
    assert status == 500
    assert f"<faultcode>soap:{code}</faultcode>" in answer.decode()
    assert text in answer.decode()


def test_elsewhere_is_nothing(service: Service) -> None:
    """Other paths are not found, and the connection can be used again."""
    assert exchange(service, "GET", "/")[0] == 404
    assert exchange(service, "POST", "/other", b"<x/>")[0] == 404


def test_trouble_is_met_in_order(service: Service) -> None:
    """Trouble concerns as many calls of its operation as it says, in the order in which it was asked for."""
    service.expect(Trouble(operation="list", times=2, fault=faults.updating("oxdatabase_5", 2, "127.0.0.1")))
    service.expect(Trouble(fault=faults.communications()))
    with pytest.raises(Fault, match="CommunicationsException") as caught:
        create(service, 3)
    assert caught.value.detail == "StorageException"
    for _ in range(2):
        with pytest.raises(Fault, match="is locked or is now being updated") as caught:
            ask(service, "list")
        assert caught.value.detail == "DatabaseUpdateException"
    assert ask(service, "list") in (None, [])
    assert [call.operation for call in service.calls] == ["create", "list", "list", "list"]


@pytest.mark.parametrize(("drop", "left"), [("before", []), ("after", [(3, 1)])])
def test_dropped_connections(service: Service, drop: Any, left: Any) -> None:
    """A connection ends without an answer, before the account is created or after it."""
    service.expect(Trouble(drop=drop))
    with pytest.raises(http.client.RemoteDisconnected):
        create(service, 3)
    assert accounts(service) == left


def test_held_call(service: Service) -> None:
    """A held call waits while others are answered, and goes on when it may."""
    release = threading.Event()
    service.expect(Trouble(operation="create", hold=release))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(create, service, 3)
        assert not ask(service, "list")
        assert not waiting.done()
        release.set()
        waiting.result(timeout=30)
    assert accounts(service) == [(3, 1)]


def test_garbage(service: Service) -> None:
    """An answer can be something that no middleware says."""
    service.expect(Trouble(garbage=b"<html>Bad gateway</html>", delay=0.001))
    body = envelope.write_request("list", {"context": {"id": 1}, "auth": AUTH})
    assert exchange(service, "POST", body=body) == (200, b"<html>Bad gateway</html>")


def test_own_mistakes_are_told(service: Service) -> None:
    """A mistake of the stand-in is a fault that says so, not a lost connection."""
    service.middleware._engine = None  # type: ignore[assignment]
    with pytest.raises(Fault, match="The stand-in failed: AttributeError"):
        ask(service, "list")


def test_tls(service: Service, tmp_path: Path) -> None:
    """With a certificate the service speaks TLS, and the address in the WSDL says so."""
    authority = Authority(tmp_path / "tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server", "127.0.0.1"))
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    with Service(service.middleware, tls=context) as secure:
        for client, trusted in ((trust, True), (ssl.create_default_context(), False)):
            connection = http.client.HTTPSConnection("127.0.0.1", secure.port, timeout=30, context=client)
            with closing(connection):
                if trusted:
                    connection.request("GET", PATH + "?wsdl")
                    body = connection.getresponse().read().decode()
                    assert f'location="https://127.0.0.1:{secure.port}{PATH}"' in body
                else:
                    with pytest.raises(ssl.SSLCertVerificationError):
                        connection.connect()


def test_race_leaves_two_accounts(service: Service) -> None:
    """Who comes between the look for duplicates and the insert leaves two rows, which only a delete cures."""
    middleware = service.middleware
    rival = Middleware(middleware._engine)

    def race() -> None:
        middleware.after_checks = None
        arguments = {"accountDataOnCreate": DATA, "context": {"id": 1}, "auth": AUTH, "users": [{"id": 3}]}
        rival.call("create", arguments)

    middleware.after_checks = race
    create(service, 3)
    assert accounts(service) == [(3, 1), (3, 2)]
    twice = f"Found two mail accounts with same E-Mail address {ADDRESS} for user 3"
    with pytest.raises(Fault, match=twice):
        create(service, 3)
    with pytest.raises(Fault, match=twice):
        ask(service, "update", primaryAddress=ADDRESS, accountDataUpdate={}, users=[{"id": 3}])
    assert ask(service, "delete", primaryAddress=ADDRESS, users=[{"id": 3}]) is True
    assert accounts(service) == []


def test_missing_counter(service: Service) -> None:
    """Without a counter a create gets the connection's last id, and the next one for the user collides."""
    create(service, 3, primaryAddress="first@example.org")
    execute(service, "DELETE FROM sequence_mail_service WHERE cid = 1")
    create(service, 4)
    assert accounts(service) == [(3, 1), (4, 1)]
    with pytest.raises(Fault, match="Duplicate entry '1-1-4' for key 'PRIMARY'"):
        create(service, 4, primaryAddress="other@example.org")


def test_last_id(service: Service) -> None:
    """After the last id no create succeeds, and the counter stays."""
    execute(service, f"UPDATE sequence_mail_service SET id = {2**31 - 1} WHERE cid = 1")
    with pytest.raises(Fault, match="outside of valid range"):
        create(service, 3)
    assert execute(service, "SELECT id FROM sequence_mail_service WHERE cid = 1") == [(2**31 - 1,)]


def test_forgotten_lock(service: Service) -> None:
    """A schema update's lock that was not refreshed for more than a minute does not count."""
    old = int(time.time() * 1000) - 61_000
    execute(
        service,
        f"INSERT INTO updateTask (cid, taskName, successful, lastModified, uuid) VALUES (0,'LOCKED',1,{old},'x')",
    )
    assert not ask(service, "list")


def test_replication_counter(service: Service) -> None:
    """Where reads go elsewhere, each call that changed rows counts one, and no other."""
    service.middleware.installation = replace(service.middleware.installation, replicated=True)
    create(service, 3, 4, 5)
    for data in ({}, {"name": "Support"}, {"mailStartTls": False}):
        ask(service, "update", primaryAddress=ADDRESS, accountDataUpdate=data, users=[{"id": 3}])
    with pytest.raises(Fault):
        create(service, 3)
    ask(service, "delete", primaryAddress=ADDRESS, users=[{"id": 9}])
    ask(service, "delete", primaryAddress=ADDRESS, users=[{"id": 3}])
    assert execute(service, "SELECT `transaction` FROM replicationMonitor WHERE cid = 1") == [(3,)]


def test_master(service: Service) -> None:
    """The master administrator acts for all contexts where that is allowed, and for none else."""
    master = {"login": "oxadminmaster", "password": "all"}
    with pytest.raises(Fault, match="Authentication failed"):
        ask(service, "list", auth=master)
    service.middleware.installation = Installation(master=("oxadminmaster", "all"))
    assert not ask(service, "list", auth=master)
    with pytest.raises(Fault, match="Authentication failed"):
        ask(service, "list", auth=master, context={"id": 99})


def test_stale_group_member(service: Service) -> None:
    """A member without a user gets an orphan with localhost, and fails the call for all with primary."""
    execute(service, "INSERT INTO groups_member (cid, id, member) VALUES (1, 15, 77)")
    with pytest.raises(Fault, match=r"ACC-0002 .* identifier 0 for user 77 in context 1"):
        ask(service, "create", accountDataOnCreate=DATA, groups=[{"id": 15}])
    ask(service, "create", accountDataOnCreate=DATA | {"mailEndpointSource": "localhost"}, groups=[{"id": 15}])
    assert accounts(service) == [(3, 1), (4, 2), (5, 3), (77, 4)]


@pytest.mark.mariadb
def test_locked_counter(mariadb: MariaDb) -> None:
    """A create that waits in vain for the counter's row ends as lost communications, and nothing is written."""
    database = mariadb.fresh_database(tables=False)
    engine = mariadb.engine(database)
    populate(engine)
    sa.event.listen(engine, "begin", lambda one: one.exec_driver_sql("SET innodb_lock_wait_timeout = 1"))
    with Service(Middleware(engine)) as service, mariadb.connect(database) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT id FROM sequence_mail_service WHERE cid = 1 FOR UPDATE")
        with pytest.raises(Fault, match="CommunicationsException"):
            create(service, 3)
        holder.rollback()
        create(service, 3)
        assert accounts(service) == [(3, 1)]


def test_alone(tmp_path: Path) -> None:
    """An empty database is filled once, and is used as it is from then on."""
    engine = quick(tmp_path / "ox.db")
    populate(engine)
    populate(engine)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM user")) == 16
