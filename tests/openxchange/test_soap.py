"""Writing by SOAP: how few calls it takes, and what is in the way: faults, lost answers, races, wrong addresses."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import UNNUMBERED, Endpoint, Policy, Secret
from syncd.errors import ConfigurationError, StoreRefused, StoreUnavailable
from syncd.openxchange import playground, soap_service
from syncd.openxchange.base import Creation
from syncd.openxchange.playground import create_schema
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.provisioning_check import findings
from syncd.openxchange.provisioning_faults import Rejected
from syncd.openxchange.provisioning_service import Credentials
from syncd.openxchange.soap_service import SoapOptions, SoapService
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.test_soap_contract import SoapWorld, soap_world
from tests.openxchange.world import ADDRESS, OBFUSCATION, errors, mailbox
from tests.servers.certificates import Authority
from tests.standins import faults
from tests.standins.contract import FAULTS
from tests.standins.service import Service, Trouble
from tests.standins.sqlite import quick

LOGIN = Credentials(login="oxadmin", password=Secret("secret"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SoapWorld]:
    """Give a world in a file."""
    engine = quick(tmp_path / "ox.db")
    create_schema(engine)
    yield from soap_world(engine, SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION)))


def service(world: SoapWorld, **options: object) -> SoapService:
    """Give a service of the test's own."""
    values = {"url": world.service.url, "everywhere": LOGIN, **options}
    return SoapService(SoapOptions(**values), sleep=lambda _: None)  # type: ignore[arg-type]


def calls(world: SoapWorld) -> list[str]:
    """Give the operations called so far."""
    return [call.operation for call in world.service.calls]


def people(world: SoapWorld, count: int) -> list[int]:
    """Add users to context 1; give their ids."""
    users = list(range(1000, 1000 + count))
    with world.engine.begin() as connection:
        playground.add_users(connection, 1, [(user, f"u{user}", f"u{user}@example.org") for user in users])
    return users


# ---------------------------------------------------------------------- how few calls


def test_one_more_member_of_a_thousand(world: SoapWorld) -> None:
    """Adding a member to a mailbox of 1,000 takes one call, and nobody else's account id changes."""
    box, users = mailbox(), people(world, 1001)
    for start in (0, 500):
        world.create(box, users[start : start + 500])
    before = {user: one.id for user, one in world.observed(box).items()}
    world.service.calls.clear()
    assert errors(world.create(box, users[1000:])) == [None]
    assert calls(world) == ["create"]
    assert [user["id"] for user in world.service.calls[0].arguments["users"]] == [users[1000]]
    after = {user: one.id for user, one in world.observed(box).items()}
    assert {user: after[user] for user in before} == before
    assert len(after) == 1001


@pytest.mark.parametrize(("password", "expected"), [(None, 1), (Secret("pw"), 4)])
def test_first_fill(world: SoapWorld, password: Secret | None, expected: int) -> None:
    """A batch of the writer is one call, with stored passwords one for each 100 users."""
    users = people(world, 400)
    written = world.create(mailbox(password=password), users)
    assert set(errors(written)) == {None}
    assert calls(world) == ["create"] * expected
    assert len({one.account for one in written}) == 400


def test_groups_and_endpoints_are_never_sent(world: SoapWorld) -> None:
    """Users go by id, never as a group; servers of the primary account or of localhost go by their source alone."""
    localhost = {"mail": Endpoint("imap://localhost:143", True), "transport": Endpoint("smtp://localhost:25", True)}
    world.create(mailbox("a@x.org", **localhost), [3])
    world.create(mailbox("b@x.org", mail=None, transport=None), [3])
    for call, source in zip(world.service.calls, ("localhost", "primary"), strict=True):
        data = call.arguments["accountDataOnCreate"]
        assert not call.arguments.get("groups")
        assert data["mailEndpointSource"] == source
        assert [name for name, value in data.items() if "Server" in name and value is not None] == []
        assert data.get("transportEndpointSource") is None


def test_a_server_is_never_sent_in_part(world: SoapWorld) -> None:
    """Two users with different servers get the same one; host, port, protocol and secure go together."""
    box = mailbox()
    written = world.create(box, [3, 4])
    world.execute("UPDATE user_mail_account SET url = 'imap://old:143' WHERE user = 4 AND id <> 0")
    new = wanted(box.account)._replace(mail_url="imaps://imap.example.net:993")
    assert errors(world.update(box, new, written)) == [None, None]
    [call] = [call for call in world.service.calls if call.operation == "update"]
    sent = {name: value for name, value in call.arguments["accountDataUpdate"].items() if value is not None}
    assert sent == {"mailServer": "imap.example.net", "mailPort": 993, "mailProtocol": "imap", "mailSecure": True}


# ---------------------------------------------------------------------- caution


def test_whose_account_it_is_is_proved_first(world: SoapWorld) -> None:
    """A user with a second, private account of the address is neither updated nor deleted; the others are."""
    box = mailbox()
    written = world.create(box, [3, 4])
    world.add_account(3, 77, ADDRESS)
    new = wanted(box.account)._replace(login="new")
    text = "the user has another account with this address (id 77), which SOAP would change as well"
    assert errors(world.update(box, new, written)) == [text, None]
    assert errors(world.delete(box, written)) == [text, None]
    assert [one.user for one in world.store.observe([box], {}).accounts[box.ref]] == [3, 3]
    sent = [call.arguments["users"] for call in world.service.calls if call.operation != "create"]
    assert sent == [[{"id": 4}], [{"id": 4}]]


def test_a_delete_that_was_none(world: SoapWorld) -> None:
    """An account that is still there after its delete is a failure, whatever the service said."""
    box = mailbox()
    written = world.create(box, [3])
    world.execute(
        "CREATE TRIGGER keep AFTER DELETE ON user_mail_account BEGIN INSERT INTO user_mail_account "
        "(cid, id, user, name, url, login, primary_addr, spam_handler, secondary) VALUES "
        "(OLD.cid, OLD.id, OLD.user, OLD.name, OLD.url, OLD.login, OLD.primary_addr, OLD.spam_handler, 1); END"
    )
    assert errors(world.delete(box, written)) == [
        "Open-Xchange says that the account was deleted, but it is still there"
    ]


# ---------------------------------------------------------------------- one user spoils it for all


def test_a_user_without_primary_account(world: SoapWorld) -> None:
    """ACC-0002 fails the user it names; the others are written by one more call."""
    world.execute("DELETE FROM user_mail_account WHERE user = 4 AND id = 0")
    box = mailbox(mail=None, transport=None)
    written = world.create(box, [3, 4, 5])
    assert errors(written) == [None, "the user has no primary account to copy the servers from", None]
    assert calls(world) == ["create", "create"]


def test_an_account_that_came_in_between(world: SoapWorld) -> None:
    """ACC-0017 fails all who have the account meanwhile, found by one look; the others are written."""
    box = mailbox()

    def race() -> None:
        world.service.middleware.after_checks = None
        for user in (3, 5):
            world.add_account(user, 70 + user, ADDRESS, secondary=1)

    world.service.expect(Trouble(operation="create", fault=faults.duplicate(3, 1)))
    reader = world.store._reader
    observe = reader.observe

    def observing(*asked: object) -> object:
        found = observe(*asked)
        if not any(row["id"] for row in world.tables()["user_mail_account"]):
            race()
        return found

    reader.observe = observing  # type: ignore[method-assign]
    written = world.create(box, [3, 4, 5])
    taken = "an account with this address exists already (id {})"
    assert errors(written) == [taken.format(73), None, taken.format(75)]
    assert calls(world) == ["create", "create"]


def test_two_accounts_need_repair_by_hand(world: SoapWorld) -> None:
    """ "Found two mail accounts" fails that user with what to do; the others are written."""
    text = f"Found two mail accounts with same E-Mail address {ADDRESS} for user 4 in context 1"
    world.service.expect(Trouble(operation="create", fault=faults.storage(text)))
    first, second, third = world.create(mailbox(), [3, 4, 5])
    assert (first.error, third.error) == (None, None)
    assert second.error is not None
    assert "delete one by hand" in second.error
    assert second.account == UNNUMBERED


def test_an_error_that_names_nobody(world: SoapWorld) -> None:
    """An error without a name is narrowed down by halves; only single users fail."""
    world.execute(
        "CREATE TRIGGER no BEFORE INSERT ON user_mail_account WHEN NEW.user = 5 BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    written = world.create(mailbox(), [3, 4, 5, 6])
    assert [one.user for one in written if one.error is not None] == [5]
    assert calls(world) == ["create"] * 5


# ---------------------------------------------------------------------- faults of systems


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.unauthorized(), "refused the login"),
        (faults.updating("oxdatabase_5", 2, "db"), "please try again later"),
        (faults.declared("NoSuchContextException", "The context 1 does not exist!"), "does not exist"),
        (faults.request_error("Unmarshalling Error: x"), "did not understand the request"),
    ],
)
def test_refusals_fail_the_batch_and_nothing_else(world: SoapWorld, fault: faults.Fault, words: str) -> None:
    """What the service refuses for a context is not done, is not repeated, and does not end the run."""
    world.service.expect(Trouble(fault=fault))
    written = world.create(mailbox(), [3, 4])
    assert all(one.error is not None and one.error.startswith("not done: ") and words in one.error for one in written)
    assert calls(world) == ["create"]


@pytest.mark.parametrize("name", FAULTS)
def test_every_declared_fault_is_one_of_ours(world: SoapWorld, name: str) -> None:
    """None of the seven faults reaches anybody as an exception of the SOAP library, for any operation."""
    box = mailbox()
    written = world.create(box, [3])
    new = wanted(box.account)._replace(login="new")
    world.service.expect(Trouble(times=None, fault=faults.declared(name, "as asked for")))
    for operation in (
        lambda: world.create(box, [4]),
        lambda: world.update(box, new, written),
        lambda: world.delete(box, written),
    ):
        if name == "RemoteException":
            with pytest.raises(StoreUnavailable, match="failed: as asked for"):
                operation()
        else:
            [one] = operation()
            assert "as asked for" in (one.error or "")


def test_the_servers_own_database_was_away(world: SoapWorld) -> None:
    """After a CommunicationsException nothing was done: looked at, and called again."""
    world.service.expect(Trouble(times=2, fault=faults.communications()))
    assert errors(world.create(mailbox(), [3])) == [None]
    assert calls(world) == ["create"] * 3
    world.service.expect(Trouble(times=None, fault=faults.communications()))
    with pytest.raises(StoreUnavailable, match="lost its own database"):
        world.create(mailbox("b@x.org", login="b"), [3])


# ---------------------------------------------------------------------- lost answers


def test_a_lost_answer_of_a_create_is_looked_up(world: SoapWorld) -> None:
    """A create whose answer was lost is not repeated; the accounts are there, so it was done."""
    world.service.expect(Trouble(operation="create", drop="after"))
    written = world.create(mailbox(), [3, 4])
    assert errors(written) == [None, None]
    assert calls(world) == ["create"]


def test_a_lost_create_ends_the_run(world: SoapWorld) -> None:
    """A create that was not answered and left nothing may still come: nobody repeats it."""
    world.service.expect(Trouble(operation="create", drop="before"))
    with pytest.raises(StoreUnavailable, match="was lost"):
        world.create(mailbox(), [3, 4])
    assert calls(world) == ["create"]


def test_what_was_written_before_stays_known(world: SoapWorld) -> None:
    """When the second call of a batch is lost, the accounts of the first are noted, and nothing more is sent."""
    boxes = [mailbox(f"b{n}@x.org", login=f"b{n}") for n in range(3)]
    world.store._service = _After(world.store._service, 1)  # type: ignore[assignment]
    some = [Creation(user=3, account=UNNUMBERED, mailbox=box, fields=wanted(box.account)) for box in boxes]
    first, second, third = world.store.create(1, some)
    assert first.error is None
    assert (second.error or "").startswith("not known to be done")
    assert (third.error or "").startswith("not done")


@pytest.mark.parametrize(
    ("last", "words"), [(StoreUnavailable("gone"), "not known to be done"), (StoreRefused("no"), "not done")]
)
def test_what_one_half_got_stays_known(world: SoapWorld, last: Exception, words: str) -> None:
    """When the second half of a call is lost or refused, the accounts of the first are noted with their ids."""
    service, answers = world.store._service, [Rejected("who knows", "unknown"), None, last]

    class Halting:
        """A service that answers as it is told."""

        def create(self, *arguments: object) -> None:
            """Create, or not."""
            if (answer := answers.pop(0)) is not None:
                raise answer
            service.create(*arguments)  # type: ignore[arg-type]

        close = staticmethod(service.close)

    world.store._service = Halting()  # type: ignore[assignment]
    box = mailbox()
    written = world.create(box, [3, 4, 5, 6])
    assert errors(written[:2]) == [None, None]
    assert [one.account for one in written[:2]] == [world.observed(box)[user].id for user in (3, 4)]
    assert all((one.error or "").startswith(words) for one in written[2:])
    assert answers == []


def test_a_private_account_that_came_in_between_is_not_ours(world: SoapWorld) -> None:
    """When the answer was lost and what is there now is the user's own account, nothing was written."""
    box = mailbox()

    class Losing:
        """A service that loses its answer while the user adds an account."""

        def create(self, *_: object) -> None:
            """Do nothing."""
            world.add_account(3, 70, ADDRESS, secondary=0)
            raise StoreUnavailable("gone")

        close = staticmethod(world.store._service.close)

    world.store._service = Losing()  # type: ignore[assignment]
    [written] = world.create(box, [3])
    assert (written.account, written.error) == (
        UNNUMBERED,
        "a private account with this address exists already (id 70)",
    )


def test_enforced_texts(world: SoapWorld) -> None:
    """Names and folders that are enforced are sent where they differ, and found right afterwards."""
    kept = Policy(name="enforce", personal="enforce", folders="enforce")
    box = mailbox(personal="Team", folders={"sent": "Sent"}, policy=kept)
    written = world.create(box, [3, 4])
    world.execute("UPDATE user_mail_account SET name = 'Mine', sent_fullname = 'Other' WHERE user = 3 AND id <> 0")
    for _ in range(2):
        assert errors(world.update(box, wanted(box.account), written)) == [None, None]
    [call] = [call for call in world.service.calls if call.operation == "update"]
    sent = {name: value for name, value in call.arguments["accountDataUpdate"].items() if value is not None}
    assert sent == {"name": "Support", "sentFullname": "Sent"}


class _After:
    """A service that is away after some calls."""

    def __init__(self, service: SoapService, calls: int) -> None:
        self._service, self._left = service, calls

    def create(self, *arguments: object) -> None:
        """Create, or not."""
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("gone")
        self._service.create(*arguments)  # type: ignore[arg-type]

    def close(self) -> None:
        """Close."""
        self._service.close()


@pytest.mark.parametrize("drop", ["before", "after"])
def test_updates_and_deletes_are_repeated(world: SoapWorld, drop: str) -> None:
    """An update or delete whose answer was lost is safe to repeat."""
    box = mailbox()
    written = world.create(box, [3])
    world.service.expect(Trouble(operation="update", drop=drop))  # type: ignore[arg-type]
    world.service.expect(Trouble(operation="delete", drop=drop))  # type: ignore[arg-type]
    assert errors(world.update(box, wanted(box.account)._replace(login="x"), written)) == [None]
    assert errors(world.delete(box, written)) == [None]
    assert calls(world) == ["create", "update", "update", "delete", "delete"]


def test_no_answer_in_time(world: SoapWorld) -> None:
    """A call has a time limit; what was to be written is then unknown."""
    held = threading.Event()
    world.service.expect(Trouble(operation="create", hold=held))
    impatient = service(world, receive_timeout=0.05)
    store = ProvisioningStore(world.store._reader, impatient)
    impatient._connect()
    world.store, kept = store, world.store
    try:
        with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.05 s"):
            world.create(mailbox(), [3])
    finally:
        held.set()
        world.store = kept


def test_an_error_page(world: SoapWorld) -> None:
    """What is no SOAP is no answer: the accounts are looked up."""
    world.service.expect(Trouble(operation="create", garbage=b"<html>502</html>"))
    assert errors(world.create(mailbox(), [3])) == [None]
    world.service.expect(Trouble(operation="create", garbage=b"Bad gateway"))
    assert errors(world.create(mailbox("b@x.org", login="b"), [3])) == [None]


# ---------------------------------------------------------------------- reaching the service


def test_the_address_in_the_wsdl_is_not_believed(world: SoapWorld) -> None:
    """Calls go where the description came from, or to the endpoint that is configured."""
    world.service.address = "http://127.0.0.1:1/webservices/OXSecondaryAccountService"
    assert errors(world.create(mailbox(), [3])) == [None]
    elsewhere = service(world, endpoint=world.service.address)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        elsewhere.update(1, ADDRESS, {}, [3])


def test_nobody_there(world: SoapWorld) -> None:
    """A service that cannot be reached, or is none, is said so."""
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        service(world, url="http://127.0.0.1:1/webservices/OXSecondaryAccountService").admits(1)
    with pytest.raises(StoreUnavailable, match="gives no WSDL: HTTP status 404"):
        service(world, url=world.service.url + "x").admits(1)


def test_logins(world: SoapWorld) -> None:
    """A login can be tried without an answer that has anything of an account; each context may have its own."""
    service(world).admits(1)
    with pytest.raises(StoreRefused, match="refused the login") as caught:
        service(world, everywhere=Credentials(login="oxadmin", password=Secret("hush"))).admits(1)
    assert "hush" not in str(caught.value)
    only = service(world, everywhere=None, contexts={1: LOGIN})
    only.admits(1)
    with pytest.raises(StoreRefused, match="no SOAP login for context 2"):
        only.admits(2)
    refused = ProvisioningStore(world.store._reader, only).refusals([1, 2])
    assert refused == {2: "openxchange.soap has no login for this context"}


def test_an_empty_update_is_an_empty_element(world: SoapWorld) -> None:
    """An update without content is sent as an empty element, not left out, which would be an error there."""
    world.create(mailbox(), [3])
    before = world.tables()
    assert service(world).update(1, ADDRESS, {}, [3]) is True
    assert service(world).update(1, "nobody@example.org", {}, [3]) is False
    assert world.tables() == before


def test_tls_is_verified(world: SoapWorld, tmp_path: Path) -> None:
    """A certificate that is not trusted ends the call before anything is sent; with its CA it is trusted."""
    authority = Authority(tmp_path / "tls")
    certificate, key = authority.issue("ox", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Service(world.service.middleware, tls=context) as secure:
        with pytest.raises(StoreUnavailable, match="certificate was not accepted"):
            service(world, url=secure.url).admits(1)
        assert secure.calls == []
        service(world, url=secure.url, ca=str(authority.certificate)).admits(1)
        service(world, url=secure.url, verify=False).admits(1)


def test_a_text_that_xml_cannot_hold(world: SoapWorld) -> None:
    """A control character in a name fails these accounts, with a reason."""
    assert "cannot be sent by SOAP" in (world.create(mailbox(name="a\x01b"), [3])[0].error or "")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without zeep the error names the extra to install."""
    monkeypatch.setattr(soap_service.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'syncd\[soap\]'"):
        SoapService(SoapOptions(url="https://ox/s", everywhere=LOGIN))


def test_check(world: SoapWorld) -> None:
    """A check says in how many contexts the login is taken, in which it is not, or that nobody is there."""
    options = SoapOptions(url=world.service.url, contexts={1: LOGIN, 2: replace(LOGIN, login="nobody")})
    good, bad = sorted(findings(SoapService(options), [1, 2]), key=lambda finding: not finding.ok)
    assert good.detail.startswith("our login in context 1 is taken by ")
    assert (bad.what, "refused the login" in bad.detail) == ("SOAP, context 2", True)
    elsewhere = replace(options, url="http://127.0.0.1:1/webservices/OXSecondaryAccountService")
    [gone] = findings(SoapService(elsewhere), [1, 2])
    assert (gone.ok, gone.what) == (False, "SOAP")
    assert "list" in calls(world)
    assert not {"create", "update", "delete"} & set(calls(world))


def test_reading_rights_are_enough(tmp_path: Path) -> None:
    """A database that only has to be read is not refused for being read-only."""
    file = tmp_path / "ox.db"
    engine = quick(file)
    create_schema(engine)
    with engine.begin() as connection:
        playground.add_context(connection, 1)
    options = StoreOptions(url=f"sqlite:///file:{file}?mode=ro&uri=true")
    with closing(SqlStore(options)) as writer, closing(SqlStore(replace(options, writes=False))) as reader:
        assert "read-only" in writer.refusals([1])[1]
        assert reader.refusals([1]) == {}
