"""The account tables of a campaign: what people do to them by hand, who wrote what, and what must never be broken."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from syncd.openxchange import playground
from tests.campaign.town import CONTEXTS, PEOPLE, SALES, Town
from tests.e2e.world import ACCOUNT_TABLES, Row, World

MAIL, TRANSPORT, _, PROPERTIES = ACCOUNT_TABLES
SEQUENCE = "sequence_mail_service"
LOGIN = "campaign"
"""The database user of the program; people use another one."""
_DEEDS = {"private": 20, "own": 12, "stranger": 18, "delete": 20, "edit": 20, "undo": 10}
Place = tuple[int, int, int]
"""Context, user and account id."""


class Written(NamedTuple):
    """One row that the program wrote, as a trigger saw it."""

    op: str
    """I, U or D."""
    table: str
    context: int
    user: int
    account: int
    address: str
    secondary: int

    @property
    def place(self) -> Place:
        """The account that the row is of."""
        return self.context, self.user, self.account


class Rows:
    """Accounts that come and go behind the program's back, and a record, by triggers, of each row that it wrote.

    Attributes:
        done: what was done by hand.
        written: how many mail rows the program wrote, by I, U and D.
        rows: how many rows it wrote in all.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self.rows = 0
        self._world = world
        self._chance = chance
        self._private: dict[Place, str] = {}
        self._strangers: set[Place] = set()
        self._ids: set[tuple[int, int]] = set()  # (context, id) of all accounts that the program made
        self._seen = 0
        with world.engine.begin() as connection:
            playground.add_context(connection, 2)
        for context in (1, 2):
            world.people(PEOPLE, context, entries=False)
        world.execute(*_triggers())
        with world.mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE OR REPLACE USER {LOGIN}@'%' IDENTIFIED BY 'test'")
            cursor.execute(f"GRANT ALL ON *.* TO {LOGIN}@'%'")
        for place in self._everything():
            self._keep(place)

    # ------------------------------------------------------------------ by hand

    def change(self) -> None:
        """Let somebody do one thing to an account, directly in the database."""
        user = self._chance.choice(list(PEOPLE))
        mailbox = self._chance.choice(list(CONTEXTS))
        place, strange = self._at(mailbox, user)
        what = self._chance.choices(["private", "own", "stranger", "delete", "edit", "undo"], [20, 12, 18, 20, 20, 10])[
            0
        ]
        if what == "private":
            self.add_private(user, CONTEXTS[mailbox])
        elif what == "own" and place is None:
            self._keep(self._insert(user, mailbox, secondary=0))
            self.done["makes an account of one's own for the mailbox"] += 1
        elif what == "stranger" and place is None:
            self._strangers.add(self._insert(user, mailbox, secondary=1))
            self.done["makes a secondary account for the mailbox"] += 1
        elif what == "delete" and place is not None and not strange:
            self._delete(place)
            self.done["deletes an account of the program"] += 1
        elif what == "edit" and place is not None and not strange:
            where = f"cid = {place[0]} AND user = {place[1]} AND id = {place[2]}"
            self._world.execute(f"UPDATE {MAIL} SET login = 'edited' WHERE {where}")
            self.done["edits an account of the program"] += 1
        elif what == "undo" and place is not None and strange:
            self._delete(place)
            self._private.pop(place, None)
            self._strangers.discard(place)
            self.done["deletes what was made by hand"] += 1

    def add_private(self, user: int, context: int) -> None:
        """Let a user make an account that has nothing to do with any mailbox."""
        secondary = self._chance.randint(0, 1)
        address = f"private{self._chance.randrange(10**6)}@example.net"
        self._keep(self._insert(user, address, secondary=secondary, context=context))
        self.done["makes a private account"] += 1

    def _insert(self, user: int, address: str, *, secondary: int, context: int = 0) -> Place:
        context = context or CONTEXTS[address]
        row = {"cid": context, "user": user, "name": "Mine", "login": "mine", "secondary": secondary}
        mail = {"url": "imap://other.example.net:143", "primary_addr": address, "spam_handler": "NoSpamHandler"}
        transport = {"url": "smtp://other.example.net:25", "send_addr": address}
        with self._world.engine.begin() as connection:  # the id as Open-Xchange takes it
            connection.exec_driver_sql(f"UPDATE {SEQUENCE} SET id = id + 1 WHERE cid = {context}")
            account = connection.exec_driver_sql(f"SELECT id FROM {SEQUENCE} WHERE cid = {context}").scalar_one()
            playground.add_rows(connection, MAIL, [{**row, **mail, "id": account}])
            playground.add_rows(connection, TRANSPORT, [{**row, **transport, "id": account}])
        return context, user, int(account)

    def _delete(self, place: Place) -> None:
        where = f"cid = {place[0]} AND user = {place[1]} AND id = {place[2]}"
        self._world.execute(*(f"DELETE FROM {table} WHERE {where}" for table in ACCOUNT_TABLES))

    def _at(self, mailbox: str, user: int) -> tuple[Place | None, bool]:
        """Give the user's account for a mailbox, and whether it was made by hand and never was the program's."""
        context = CONTEXTS[mailbox]
        where = f"cid = {context} AND user = {user} AND primary_addr = '{mailbox}'"
        found = self._world.rows(f"SELECT id FROM {MAIL} WHERE {where} ORDER BY id")
        if not found:
            return None, False
        place = (context, user, int(str(found[0]["id"])))
        return place, place in self._private or place in self._strangers

    def _keep(self, place: Place) -> None:
        """Remember an account that nobody but its user may change."""
        self._private[place] = self._picture(place)

    def _picture(self, place: Place) -> str:
        return repr(self._everything().get(place))

    def _everything(self) -> dict[Place, dict[str, list[Row]]]:
        """Give all rows by account."""
        found: dict[Place, dict[str, list[Row]]] = defaultdict(dict)
        for table in ACCOUNT_TABLES:
            for row in self._world.rows(f"SELECT * FROM {table}"):
                place = (int(str(row["cid"])), int(str(row["user"])), int(str(row["id"])))
                found[place].setdefault(table, []).append(row)
        return dict(found)

    # ------------------------------------------------------------------ what the program did

    def settled(self, connections: int) -> bool:
        """Tell whether the server has nothing in hand of the program any more, which has so many connections."""
        mine = f"user = '{LOGIN}' AND db = DATABASE()"
        states = self._world.rows(f"SELECT command FROM information_schema.processlist WHERE {mine}")
        return len(states) == connections and all(row["command"] == "Sleep" for row in states)

    def news(self) -> list[Written]:
        """Give the rows that the program wrote since this was asked last."""
        rows = self._world.rows(f"SELECT * FROM audit WHERE number > {self._seen} ORDER BY number")
        if rows:
            self._seen = int(str(rows[-1]["number"]))
        return [
            Written(
                str(row["op"]), str(row["tab"]), int(str(row["cid"])), int(str(row["user"])), int(str(row["id"])),
                str(row["address"]), int(str(row["secondary"])),
            )
            for row in rows if str(row["who"]).partition("@")[0] == LOGIN
        ]  # fmt: skip

    def judge(self, news: list[Written], claimed: Mapping[str, Mapping[int, int]], town: Town) -> Iterator[str]:
        """Give what was wrong of what the program wrote, and of what is stored now.

        Args:
            news: what it wrote.
            claimed: what was its own before: mailbox → user → account id.
            town: the truth since before the run.
        """
        owned = {
            (CONTEXTS[mailbox], user, account) for mailbox, one in claimed.items() for user, account in one.items()
        }
        self.rows += len(news)
        for one in news:
            if one.table == MAIL:
                self.written[one.op] += 1
                yield from self._judge(one, owned, town)
                if one.op == "D":
                    self._strangers.discard(one.place)
            elif one.table != SEQUENCE and one.place in self._private:
                yield f"{one.place}: a row of a private account was written: {one}"
        self._strangers -= owned  # adopted, by now the program's
        yield from self._stored()

    def _judge(self, one: Written, owned: set[Place], town: Town) -> Iterator[str]:
        mailbox, user = one.address, one.user
        if one.place in self._private:
            yield f"{one.place}: a private account was written: {one}"
        elif mailbox not in CONTEXTS or CONTEXTS[mailbox] != one.context or not one.secondary:
            yield f"{one.place}: this is no account of a mailbox: {one}"
        elif one.op == "D":
            if one.place not in owned:
                yield f"{one.place}: an account that was not claimed was deleted: {one}"
            if not town.was_out(mailbox, user):
                yield f"{one.place}: WRONG REMOVAL, u{user} was a member of {mailbox} all the time"
        elif one.op == "I":
            if (one.context, one.account) in self._ids:
                yield f"{one.place}: the id was used twice"
            self._ids.add((one.context, one.account))
            if not town.was_in(mailbox, user):
                yield f"{one.place}: WRONG ADDITION, u{user} was no member of {mailbox} at any time"
        elif one.place not in owned and (mailbox == SALES or not town.was_in(mailbox, user)):
            yield f"{one.place}: an account that was not to be adopted was changed: {one}"

    def _stored(self) -> Iterator[str]:
        """Give what is wrong of what is stored, whoever wrote it."""
        everything = self._everything()
        for place, before in self._private.items():
            if repr(everything.get(place)) != before:
                yield f"{place}: a private account is not what it was"
        addresses: Counter[tuple[int, int, str]] = Counter()
        for place, tables in everything.items():
            if place in self._private:
                continue
            if {MAIL, TRANSPORT} - tables.keys() or any(len(rows) != 1 for rows in tables.values()):
                yield f"{place}: half an account: {sorted(tables)}"
            elif place not in self._strangers and (place[0], place[2]) in self._ids and PROPERTIES not in tables:
                yield f"{place}: an account without its property"
            for row in tables.get(MAIL, ()):
                addresses[place[0], place[1], str(row["primary_addr"])] += 1
        yield from (f"{key}: {count} accounts" for key, count in addresses.items() if count > 1)
        counters = {int(str(row["cid"])): int(str(row["id"])) for row in self._world.rows(f"SELECT * FROM {SEQUENCE}")}
        for context, counter in counters.items():
            highest = max((account for cid, _, account in everything if cid == context), default=0)
            if counter < highest:
                yield f"context {context}: the counter of ids is at {counter}, behind account {highest}"

    # ------------------------------------------------------------------ what should be, when all is quiet

    def right(self, mailbox: str, members: frozenset[int]) -> dict[int, int]:
        """Give who should have an account of the program's, with the id that it has: user → account id, 0 = none."""
        found: dict[int, int] = {}
        where = f"cid = {CONTEXTS[mailbox]} AND primary_addr = '{mailbox}'"
        stored = {int(str(row["user"])): row for row in self._world.rows(f"SELECT * FROM {MAIL} WHERE {where}")}
        for user in members:
            place = (CONTEXTS[mailbox], user, int(str(stored[user]["id"]))) if user in stored else None
            if place in self._private or (mailbox == SALES and place in self._strangers):
                continue
            found[user] = place[2] if place is not None else 0
        return found

    def wrong(self, mailbox: str, claimed: Mapping[int, int], members: frozenset[int]) -> Iterator[str]:
        """Give where, after a quiet run, the accounts of a mailbox are not what they should be."""
        right = self.right(mailbox, members)
        if right != claimed:
            yield f"{mailbox}: claims are {_differences(claimed, right)}"
        where = f"cid = {CONTEXTS[mailbox]} AND primary_addr = '{mailbox}' AND secondary = 1"
        for row in self._world.rows(f"SELECT * FROM {MAIL} WHERE {where}"):
            place = (int(str(row["cid"])), int(str(row["user"])), int(str(row["id"])))
            if place[1] in members and place[1] in right:
                if row["login"] != mailbox or row["url"] != "imap://imap.mycompany.com:143":
                    yield f"{place}: not repaired: {row['login']} {row['url']}"
            elif place not in self._strangers and place not in self._private:
                yield f"{place}: still there, though u{place[1]} is no member of {mailbox}"


def _differences(found: Mapping[int, int], right: Mapping[int, int]) -> str:
    return ", ".join(
        f"u{user}: {found.get(user)} instead of {right.get(user)}"
        for user in sorted(found.keys() | right.keys())
        if found.get(user) != right.get(user)
    )


def _triggers() -> Iterator[str]:
    """Give what makes the server note who wrote which row; it is rolled back with the row."""
    yield (
        "CREATE TABLE audit (number BIGINT AUTO_INCREMENT PRIMARY KEY, who VARCHAR(100), op CHAR(1), tab VARCHAR(50), "
        "cid BIGINT, user BIGINT, id BIGINT, address VARCHAR(255), secondary INT) ENGINE=InnoDB"
    )
    for table in (*ACCOUNT_TABLES, SEQUENCE):
        for word, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            user = "0" if table == SEQUENCE else f"{row}.user"
            more = f"{row}.primary_addr, {row}.secondary" if table == MAIL else "'', 0"
            values = f"USER(), '{word[0]}', '{table}', {row}.cid, {user}, {row}.id, {more}"
            yield (
                f"CREATE TRIGGER audit_{table}_{word.lower()} AFTER {word} ON {table} FOR EACH ROW "
                f"INSERT INTO audit (who, op, tab, cid, user, id, address, secondary) VALUES ({values})"
            )
