"""The machine's world: real tables, a real ledger, a directory in a file, a configuration, a clock, and runs in it."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.byhand.asking import HandError
from syncd.byhand.undoing import Undo
from syncd.byhand.writing import ByHand, Pinning
from syncd.cli import undoing
from syncd.core.changes import Approval, Report
from syncd.core.model import MailboxRef
from syncd.directory.directories import Directories
from syncd.errors import SyncdError
from syncd.ledger.tables import metadata
from syncd.openxchange import playground
from syncd.options import directory_options
from syncd.run import Reconciler
from syncd.settings.loading import Settings, load
from syncd.wiring import NOTHING, Instance, assemble, open_ledger, retired
from tests.campaign.machine.directory import Fault, Faulty, Tree
from tests.campaign.machine.model import BOXES, CONTEXT, DESK, USERS, Box, Claim, Ref, World
from tests.campaign.machine.rows import MAIL, PARTS, SEQUENCE, Memory, Place, Snapshot, where
from tests.campaign.machine.stage import NOON, Children, Stage
from tests.e2e.station import Row

_PASSING = {"runs", "mailbox_status", "leases"}
"""Tables of the ledger that a run writes to when nothing happened: that it was there."""


class Scene:
    """One world; `close` it in the end.

    Attributes:
        boxes: what the configuration file says, by address.
        loaded: what of it the program has read.
        users: logins by user id, by context.
        desk: members of the group of Open-Xchange by context.
    """

    def __init__(self, station: Stage, children: Children) -> None:
        station.restore()
        self.station = station
        self.tree = Tree()
        self.now = NOON
        self._read: object = None
        self.boxes: dict[str, Box] = {box.address: box for box in BOXES}
        self.ceilings = False
        """Whether contexts have limits."""
        self.loaded = self.boxes
        self.limited = False
        self.first = True
        """Whether the first of two servers can be used."""
        self.users = {context: dict(some) for context, some in USERS.items()}
        self.desk: dict[int, set[int] | None] = {1: {5, 9}, 2: {4}}
        self._children = children
        self.instance: Instance | None = None
        self.reload()

    def close(self) -> None:
        """End the program."""
        if self.instance is not None:
            self.instance.close()
            self.instance.ledger.close()
            self.instance = None

    @property
    def program(self) -> Instance:
        """The program as it runs."""
        assert self.instance is not None
        return self.instance

    # ------------------------------------------------------------------ the program

    def reload(self) -> None:
        """Let the program read its configuration again, if there is anything new in it."""
        if self.instance is not None and (self.boxes, self.ceilings) == self._read:
            return
        self._configure()
        settings = _loaded(self.station.config, self.station.config.read_text())
        if self.instance is None:
            ledger = open_ledger(settings)
        else:
            ledger = self.instance.ledger
            self.instance.close()
        self.instance = assemble(settings, ledger)
        self._read = (self.boxes, self.ceilings)
        self.loaded, self.limited = {a: box for a, box in self.boxes.items() if box.there}, self.ceilings

    def restart(self) -> None:
        """End the program and start it again."""
        self.close()
        self.reload()

    def run(self, fault: Fault | None = None, only: Collection[Ref] = ()) -> Report:
        """Make one run."""
        self.prepare()
        return self._reconciler(fault).run([MailboxRef(*ref) for ref in only], wait=0.0)

    def plan(self) -> Report:
        """Make a plan."""
        self.prepare()
        return self._reconciler(None).plan()

    def die(self, what: str, number: int, fault: Fault | None) -> bool:
        """Start the program again, let it make a run and kill it as `child.py` says; tell whether it came to that."""
        self.reload()
        self.prepare()
        order: dict[str, Any] = {"now": self.now.isoformat(), "server": self.server, "fault": fault}
        order |= {"kill": [what, number]}
        told = self._children.run(self.station.config, **order)
        assert not told.get("errors"), told
        assert not told.get("failed"), told
        if not self.station.sqlite:
            name = f"syncd.{self.station.engine.url.database}"
            while not self.station.rows(f"SELECT IS_FREE_LOCK('{name}') AS free")[0]["free"]:
                pass  # the server has not noticed yet
        return bool(told["killed"])

    def register(self) -> None:
        """Make the configured mailboxes known, as a run does before anything else."""
        found = self.program.mailboxes
        self.program.ledger.register([(one.ref, one.address) for one in found], at=self.now)

    def hand(self) -> ByHand:
        """Give a person who writes."""
        return replace(self.program.hand("anna"), clock=lambda: self.now)

    def pin(self, box: Box, user: int, *, keep: bool, until: datetime | None) -> None:
        """Let a person give a user an account, or take it, in spite of what groups say; staging refuses it."""
        whom, pinning = {user: self.users[box.context][user]}, Pinning(until=until)
        with pytest.raises(HandError) if box.staging else contextlib.nullcontext():
            if keep:
                account = next(one.account for one in self.program.mailboxes if one.address == box.address)
                self.hand().create(box.context, whom, box.address, lambda: account, pinning)
            else:
                self.hand().delete(box.context, whom, box.address, pinning)

    def undo(self, run: str, *, pinning: bool) -> None:
        """Let a person take back what a run did, as far as that is not refused or held."""
        self.prepare()
        instance = replace(self.program, reconciler=self._reconciler(None))
        with contextlib.suppress(SyncdError):  # nothing of it can be undone
            entries = undoing._entries(instance.ledger, run)
            desired = undoing._desired(instance, entries)
            ceilings = instance.reconciler.ceilings
            task = Undo(
                hand=self.hand(), entries=entries, desired=desired, ceilings=ceilings, pinning=pinning, partial=True
            )
            if not task.prepare().held:
                _, work = task.perform()
                assert not work.errors, work.errors

    def retire(self, ref: Ref) -> None:
        """Let a person have the accounts of a mailbox deleted that left the configuration."""
        self.prepare()
        mailbox = retired(ref[1], ref[0])
        instance = replace(self.program, reconciler=self._reconciler(None))
        [judgement] = instance.retiring(mailbox).plan([mailbox.ref]).judgements
        given = {mailbox.ref: (Approval(judgement.digest),)}
        report = instance.retiring(replace(mailbox, limits=NOTHING)).run([mailbox.ref], approve=given, wait=0.0)
        assert not report.errors, report.errors

    def prepare(self) -> None:
        """Write the directory."""
        self.tree.write(Path(self.server.removeprefix("ldif://")))

    @property
    def server(self) -> str:
        """URL of the server that answers."""
        return f"ldif://{self.station.files}/{'directory' if self.first else 'replica'}.ldif"

    def _reconciler(self, fault: Fault | None) -> Reconciler:
        found = replace(self.program.reconciler, clock=lambda: self.now)
        found.directory = directory(self.program.settings, self.server, fault)
        return found

    def _configure(self) -> None:
        if self.station.configured == (self.boxes, self.ceilings):
            return
        self.station.configured = (self.boxes, self.ceilings)
        shares = {name: {**share._asdict(), "most": "off"} for name, share in CONTEXT.items()}
        self.station.configure(
            *(box.mapping(self.station.secret) for box in self.boxes.values() if box.there),
            limits={"context": shares if self.ceilings else "off"},
        )

    # ------------------------------------------------------------------ what there is

    def snapshot(self) -> Snapshot:
        """Give what is stored now."""
        accounts: dict[Place, dict[str, list[Row]]] = defaultdict(dict)
        for table in PARTS:
            for row in self.station.rows(f"SELECT * FROM {table}"):
                accounts[row["cid"], row["user"], row["id"]].setdefault(table, []).append(row)
        claims: dict[Ref, dict[int, Claim]] = defaultdict(dict)
        for context, mailbox, user, *claim in self.ask(
            "SELECT m.context, m.address, c.user, c.account, c.held, c.member, c.dn, c.login "
            "FROM claims c JOIN mailboxes m ON m.id = c.mailbox"
        ):
            claims[context, mailbox][user] = Claim(*claim)
        counters = {row["cid"]: row["id"] for row in self.station.rows(f"SELECT * FROM {SEQUENCE}")}
        return Snapshot(dict(accounts), dict(claims), counters)

    def truth(self) -> World:
        """Give what decides who should have what."""
        pins = {
            (ref.context, ref.key): {user: pin.keep for user, pin in some.items()}
            for ref, some in self.program.ledger.pins(self.now).items()
        }
        return World(tree=self.tree, users=self.users, desk=self.desk, pins=pins)

    def paused(self, ref: Ref) -> bool:
        """Tell whether a person has paused a mailbox, or everything."""
        return any(pause.ref in (None, ref) for pause in self.program.ledger.paused(self.now))

    def rejected(self) -> dict[Ref, set[int]]:
        """Give the users whose removal a person has rejected, by mailbox."""
        found: dict[Ref, set[int]] = defaultdict(set)
        for plan in self.program.ledger.held():
            if plan.state == "rejected":
                changes: Any = plan.plan["changes"]
                found[plan.ref.context, plan.ref.key] |= {one["user"] for one in changes if one["op"] == "delete"}
        return found

    def memory(self) -> Memory:
        """Give all that the ledger remembers, but for runs as such."""
        tables = [table.name for table in metadata.sorted_tables if table.name not in _PASSING]
        return {table: sorted(self.ask(f"SELECT * FROM {table}"), key=repr) for table in tables}

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Read from the ledger."""
        with self.program.ledger._database.reading() as work:
            return work.rows(statement)

    # ------------------------------------------------------------------ what people do to Open-Xchange

    def change(self, place: Place, table: str, **values: object) -> None:
        """Edit a row of an account by hand."""
        target = sa.table(table, *map(sa.column, values))
        with self.station.engine.begin() as connection:
            connection.execute(sa.update(target).where(sa.text(where(place))).values(values))

    def delete(self, place: Place, *tables: str) -> None:
        """Delete an account by hand, or a part of it."""
        self.station.execute(*(f"DELETE FROM {table} WHERE {where(place)}" for table in tables or PARTS))

    def dismiss(self, context: int, user: int, *, accounts: bool) -> None:
        """Delete a user, with all accounts or without them."""
        del self.users[context][user]
        self.station.execute(
            f"DELETE FROM user WHERE cid = {context} AND id = {user}",
            f"DELETE FROM login2user WHERE cid = {context} AND id = {user}",
            f"DELETE FROM groups_member WHERE cid = {context} AND member = {user}",
            *(f"DELETE FROM {table} WHERE cid = {context} AND user = {user}" for table in PARTS if accounts),
        )
        if (members := self.desk[context]) is not None:
            members.discard(user)

    def hire(self, context: int, user: int) -> None:
        """Make a user anew, with id and login of old, unless somebody has that login."""
        if (login := f"u{user}") in self.users[context].values():
            return
        self.users[context][user] = login
        self.station.execute(f"DELETE FROM {MAIL} WHERE cid = {context} AND user = {user} AND id = 0")
        for table in PARTS[1:]:
            self.station.execute(f"DELETE FROM {table} WHERE cid = {context} AND user = {user} AND id = 0")
        with self.station.engine.begin() as connection:
            playground.add_users(connection, context, [(user, login, f"u{user}@example.org")])

    def rename(self, context: int, user: int, login: str) -> None:
        """Give a user another login, unless somebody has it."""
        if login not in self.users[context].values():
            self.users[context][user] = login
            self.station.execute(f"UPDATE login2user SET uid = '{login}' WHERE cid = {context} AND id = {user}")

    def put(self, context: int, user: int) -> None:
        """Put a user into the group of Open-Xchange, or take it out."""
        members = self.desk[context]
        if members is None:
            return
        if user in members:
            where = f"cid = {context} AND id = {DESK} AND member = {user}"
            self.station.execute(f"DELETE FROM groups_member WHERE {where}")
        else:
            self.station.execute(f"INSERT INTO groups_member (cid, id, member) VALUES ({context}, {DESK}, {user})")
        members ^= {user}


@cache
def _loaded(config: Path, _text: str) -> Settings:
    """Load a configuration once, since that takes longer than a run."""
    return load(config)


def directory(settings: Settings, server: str, fault: Fault | None) -> Directories:
    """Give the configured directory as it is to be asked in one run: at this server, with this fault.

    In life the server is another one where the first of several URLs does not answer; exports stand alone.
    """
    [(name, options)] = directory_options(settings).items()
    here = {name: replace(options, urls=(server,))}
    return Directories(here) if fault is None else Directories(here, Faulty(fault))
