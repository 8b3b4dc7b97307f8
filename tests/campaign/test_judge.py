"""The judge of the campaign sees what is wrong, so that its silence means something."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.openxchange import playground
from tests.campaign.rows import LOGIN, MAIL, PROPERTIES, SEQUENCE, TRANSPORT, Rows
from tests.campaign.town import PEOPLE, SALES, Town
from tests.e2e.world import World
from tests.servers.mariadb import MariaDb
from tests.servers.slapd import Slapd

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]


class Culprit:
    """Somebody who writes as the program, and the judge who looks at it."""

    def __init__(self, folder: Path, slapd: Slapd, mariadb: MariaDb) -> None:
        chance = random.Random(1)  # noqa: S311 - to be repeated
        self.world = World(folder, slapd.database(), mariadb, mariadb.fresh_database())
        self.town = Town(self.world, chance)
        self.rows = Rows(self.world, chance)
        url = f"mysql+pymysql://{LOGIN}:test@127.0.0.1:{mariadb.port}/{self.world.schema}"
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"ssl_disabled": True})
        self.member = min(self.town.members(SALES))
        self.other = min(PEOPLE.keys() - self.town.members(SALES))

    def give(self, user: int, account: int) -> None:
        """Write an account as the program does, for the mailbox of sales."""
        row = {"cid": 1, "user": user, "id": account, "name": "Sales", "login": SALES, "secondary": 1}
        mail = {"url": "imap://imap.mycompany.com:143", "primary_addr": SALES, "spam_handler": "NoSpamHandler"}
        transport = {"url": "smtp://smtp.mycompany.com:25", "send_addr": SALES}
        with self._engine.begin() as connection:
            playground.add_rows(connection, MAIL, [{**row, **mail}])
            playground.add_rows(connection, TRANSPORT, [{**row, **transport}])
            auth = {"cid": 1, "user": user, "id": account, "name": "transport.auth", "value": "mail"}
            playground.add_rows(connection, PROPERTIES, [auth])
            connection.exec_driver_sql(f"UPDATE {SEQUENCE} SET id = greatest(id, {account}) WHERE cid = 1")

    def do(self, *statements: str) -> None:
        """Execute statements as the program's database user."""
        with self._engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def verdict(self, claimed: dict[int, int] | None = None) -> str:
        """Give what the judge has to say, if these were the claims before."""
        return "; ".join(self.rows.judge(self.rows.news(), {SALES: claimed or {}}, self.town))


@pytest.fixture
def culprit(tmp_path: Path, slapd: Slapd, mariadb: MariaDb) -> Culprit:
    """Give one who has done nothing yet."""
    return Culprit(tmp_path, slapd, mariadb)


def rows_of(account: int, *tables: str) -> list[str]:
    """Give the statements that delete an account, or a part of it."""
    return [
        f"DELETE FROM {table} WHERE cid = 1 AND id = {account}" for table in tables or (PROPERTIES, TRANSPORT, MAIL)
    ]


def test_additions_and_removals_need_a_reason(culprit: Culprit) -> None:
    """An account is for who is a member, once, and goes only from who was claimed and is none."""
    assert not culprit.verdict()
    culprit.give(culprit.member, 50)
    assert not culprit.verdict()
    culprit.do(*rows_of(50))
    assert "WRONG REMOVAL" in culprit.verdict({culprit.member: 50})
    culprit.give(culprit.other, 51)
    assert "WRONG ADDITION" in culprit.verdict()
    culprit.do(*rows_of(51))
    assert "not claimed was deleted" in culprit.verdict()
    culprit.give(culprit.other, 51)
    assert "the id was used twice" in culprit.verdict()
    culprit.do(*rows_of(51))
    assert not culprit.verdict({culprit.other: 51})


def test_accounts_are_whole(culprit: Culprit) -> None:
    """Rows that are missing, accounts that are there twice and a counter behind them are seen."""
    culprit.give(culprit.member, 50)
    culprit.give(culprit.member, 51)
    assert "2 accounts" in culprit.verdict()
    culprit.do(*rows_of(51))
    assert "WRONG" in culprit.verdict({culprit.member: 51})
    culprit.do(*rows_of(50, PROPERTIES))
    assert "without its property" in culprit.verdict()
    culprit.do(*rows_of(50, TRANSPORT))
    assert "half an account" in culprit.verdict()
    culprit.do(*rows_of(50, MAIL), f"UPDATE {SEQUENCE} SET id = 1 WHERE cid = 1")
    assert "WRONG" in culprit.verdict({culprit.member: 50})
    culprit.give(culprit.member, 60)
    culprit.do(f"UPDATE {SEQUENCE} SET id = 1 WHERE cid = 1")
    assert "behind account 60" in culprit.verdict()


def test_private_accounts_are_private(culprit: Culprit) -> None:
    """Neither a user's own account nor one that is not to be adopted may be touched, for a moment either."""
    culprit.do(f"UPDATE {MAIL} SET name = 'x' WHERE cid = 1 AND user = {culprit.other} AND id = 0")
    assert "a private account was written" in culprit.verdict()
    culprit.rows.add_private(culprit.other, 1)
    changed = f"UPDATE {TRANSPORT} SET name = 'x' WHERE name = 'Mine'"
    culprit.do(changed, changed.replace("'x' WHERE name = 'Mine'", "'Mine' WHERE name = 'x'"))
    assert "a row of a private account was written" in culprit.verdict()


def test_what_should_be_is_known(culprit: Culprit) -> None:
    """In quiet, members without a claim, claims without a member and accounts not repaired are seen."""
    members = culprit.town.members(SALES)
    first = min(members)
    right = {user: 50 + user for user in members}
    for user, account in right.items():
        culprit.give(user, account)
    assert not list(culprit.rows.wrong(SALES, right, members))
    assert list(culprit.rows.wrong(SALES, {**right, first: 1}, members)) == [
        f"{SALES}: claims are u{first}: 1 instead of {50 + first}"
    ]
    assert any("still there" in text for text in culprit.rows.wrong(SALES, right, members - {first}))
    culprit.do(f"UPDATE {MAIL} SET login = 'x' WHERE cid = 1 AND id = {50 + first}")
    assert any("not repaired" in text for text in culprit.rows.wrong(SALES, right, members))
