"""The store that writes by the command line tools keeps the laws, with the stand-ins of the tools and a database.

The tools run within this process, which is why the class is quick; tests/openxchange/test_clt.py starts real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from syncd.core.accounts import wanted
from syncd.core.model import Secret
from syncd.openxchange import clt_service
from syncd.openxchange.base import Updating
from syncd.openxchange.clt_process import Ended
from syncd.openxchange.clt_service import CltOptions, CltService
from syncd.openxchange.playground import create_schema
from syncd.openxchange.provisioning import ProvisioningStore
from syncd.openxchange.provisioning_service import Credentials
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.test_soap_contract import SoapContract, SoapWorld, soap_world
from tests.openxchange.world import OBFUSCATION, errors, mailbox
from tests.standins import tools
from tests.standins.sqlite import quick

DEVIATIONS = {
    "test_what_soap_cannot_do": "the tools cannot do the same, in their own name",
    "test_transport_comes_and_goes": "likewise",
    "test_passwords": "stored passwords are refused",
    "test_passwords_not_managed": "there are none",
    "test_rows": "its account has a stored password; reading is the same store's as with SOAP",
}
"""Where this way of writing differs from the laws of writing by SOAP, and why."""


class Bench:
    """Stands for starting processes: runs the stand-ins here, and keeps their command lines."""

    def __init__(self) -> None:
        self.lines: list[list[str]] = []

    def run(self, program: Path, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float) -> Ended:
        """Do as `clt_process.run`."""
        self.lines.append([program.name, *arguments])
        return Ended(*tools.run(program.name, arguments, {"LC_ALL": "C.UTF-8", **environment}))


def by_tools(world: SoapWorld, **options: object) -> ProvisioningStore:
    """Give a store that uses the tools in front of a world's service."""
    login = Credentials(login="oxadmin", password=Secret("secret"))
    values = {"everywhere": login, "rmi": f"rmi://127.0.0.1:{world.service.port}/", **options}
    service = CltService(CltOptions(**values), sleep=lambda _: None)  # type: ignore[arg-type]
    return ProvisioningStore(world.store._reader, service)


def tools_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[SoapWorld], ProvisioningStore]
) -> Iterator[SoapWorld]:
    """Give a world in a file, written by the tools; no command line of theirs has had what it must not have."""
    bench = Bench()
    monkeypatch.setattr(clt_service, "run", bench.run)
    engine = quick(tmp_path / "ox.db")
    create_schema(engine)
    reader = SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION))
    for world in soap_world(engine, reader):
        by_soap = world.store
        world.store = opened(world)
        yield world
        by_soap.close()
        for tool, *arguments in bench.lines:
            assert tool.endswith("secondaryaccount")
            assert all(argument.startswith("--") for argument in arguments)
            assert not any("endpoint-source" in one and "mail" not in one for one in arguments)
            assert not any("secret" in one or "password" in one or "group" in one for one in arguments)


class ToolsContract(SoapContract):
    """The laws as far as the tools can keep them: as the service behind them, but for stored passwords."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"transport_auth": "custom"}, "the tools cannot change transport.auth from mail to custom"),
            ({"mail_url": "pop3://m:110"}, "the tools cannot change the mail protocol from imap to pop3"),
            ({"transport_url": None}, "the tools cannot take an account's transport"),
        ],
    )
    def test_what_soap_cannot_do(self, world: SoapWorld, change: dict[str, object], reason: str) -> None:
        """What the service cannot do the tools cannot either."""
        super().test_what_soap_cannot_do(world, change, reason)

    def test_transport_comes_and_goes(self, world: SoapWorld) -> None:
        """An account without transport row is never sent transport fields, which would make it an ordinary one."""
        with_transport, without = mailbox(), mailbox(transport=None)
        [written] = world.create(without, [3])
        before = world.tables()
        [one] = world.update(with_transport, wanted(with_transport.account), [written])
        assert (one.error or "").startswith("the tools cannot give an account a transport server")
        assert world.tables() == before

    def test_passwords(self, world: SoapWorld) -> None:
        """An account with a stored password is neither created nor updated, and no tool is started for it."""
        words = "the tools take stored passwords only on their command line"
        plain = mailbox()
        written = world.create(plain, [3])
        before, calls = world.tables(), world.changes()
        for boxed in (mailbox(password=Secret("pä55")), mailbox(transport_password=Secret("other"))):
            assert all((error or "").startswith(words) for error in errors(world.create(boxed, [4, 5])))
            new = wanted(boxed.account)
            update = Updating(user=3, account=written[0].account, mailbox=boxed, old=new, new=new, password=True)
            [one] = world.store.update(1, [update])
            assert (one.error or "").startswith(words)
        assert world.tables() == before
        assert world.changes() == calls

    test_rows = None
    test_passwords_not_managed = None

    def test_every_deviation_is_named(self) -> None:
        """Every law that is not tested as by SOAP has its reason in the table."""
        own = {name for name in vars(ToolsContract) if name.startswith("test_")}
        assert own == DEVIATIONS.keys() | {"test_every_deviation_is_named"}


class TestTools(ToolsContract):
    """Read by SQL."""

    @pytest.fixture
    def world(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoapWorld]:
        """Give a world in a file, and write it by the tools."""
        yield from tools_world(tmp_path, monkeypatch, by_tools)
