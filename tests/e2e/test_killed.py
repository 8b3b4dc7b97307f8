"""A run is killed at every moment: the next one ends in the desired state, whatever the moment was.

The run deletes, updates, creates, adopts, forgets and refreshes in three mailboxes of two contexts, three at a time.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.openxchange import playground
from tests.e2e.station import BASE, Place, Preloaded, Row, Station, Tables
from tests.servers.mariadb import MariaDb

SUPPORT, SALES, INFO = "support@mycompany.com", "sales@mycompany.com", "info@mycompany.com"
GROUPS = {"support": [5, 6, 7, 8, 9, 10, 14, 15], "sales": [4, 8, 11, 14], "info": [3, 6]}
"""Who should have what in the end: user 10 and, of sales, user 11 have accounts of their own in the way."""
MEMORY = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)  # noqa: S108 - for mkdtemp
"""A folder in memory, since hundreds of runs would wait for a disk; None = the usual one."""
RIGHT = {
    (1, SUPPORT): {5, 6, 7, 8, 9, 14, 15},
    (1, SALES): {4, 8, 14},
    (2, INFO): {3, 6},
}


def build(station: Station) -> None:
    """Make the world, let a first run give out accounts, then change all that a second run will repair."""
    with station.engine.begin() as connection:
        for context in (1, 2):
            playground.add_context(connection, context)
            people = [(user, f"u{user}", f"u{user}@mycompany.com") for user in range(3, 16)]
            playground.add_users(connection, context, people)
    configure(station)
    people = {user: f"uid=u{user},{BASE}" for user in range(3, 16)}
    before = {"support": [3, 4, 5, 6, 7], "sales": [3, 4, 5, 8], "info": [3, 4]}
    station.directory(people, before)
    for user, address, secondary in ((9, SUPPORT, 1), (10, SUPPORT, 0), (11, SALES, 1), (12, SALES, 1), (13, "x@y", 1)):
        station.stranger(1, user, address, secondary=secondary)
    with Preloaded() as preloaded:
        told = preloaded.run(station.config)
    assert not told["errors"] and not told["failed"] and told["changes"] == 11  # noqa: PT018
    station.stranger(2, 5, INFO)  # `extra: remove` takes it
    station.execute(
        f"UPDATE user_mail_account SET login = 'drifted' WHERE user IN (5, 6, 7) AND primary_addr = '{SUPPORT}'",
        f"UPDATE user_mail_account SET password = 'other' WHERE user = 4 AND primary_addr = '{SALES}'",
    )
    for user in (5, 8):  # one of them left the group too: his claim is forgotten, the other's account made anew
        for table, column in (("user_mail_account", "primary_addr"), ("user_transport_account", "send_addr")):
            station.execute(f"DELETE FROM {table} WHERE user = {user} AND {column} = '{SALES}'")
    mails = {(row["cid"], row["user"], row["id"]) for row in station.tables()["user_mail_account"]}
    for row in station.tables()["user_transport_account_properties"]:
        if (row["cid"], row["user"], row["id"]) not in mails:
            station.execute(
                f"DELETE FROM user_transport_account_properties WHERE cid = {row['cid']} AND id = {row['id']}"
            )
    station.directory({**people, 7: f"uid=u7,ou=moved,{BASE}"}, GROUPS)
    station.remember()


def configure(station: Station) -> None:
    """Map three groups; sales leaves existing accounts, info removes extra ones."""
    limits = {"removals": {"percent": 100, "floor": 50}, "updates": {"percent": 100, "floor": 50}}
    mail, transport = {"server": "imap.mycompany.com", "port": 143}, {"server": "smtp.mycompany.com", "port": 25}
    mappings: list[dict[str, Any]] = []
    for name, context, policies in (("support", 1, {}), ("sales", 1, {"existing": "leave"}), ("info", 2, {})):
        account = {"name": name, "login": name, "mail": mail, "transport": transport}
        mapping = {"mailbox": f"{name}@mycompany.com", "context": context, "limits": limits, "account": account}
        mappings.append({**mapping, "sources": [{"group": f"cn={name},{BASE}"}], **policies})
    mappings[1]["account"] |= {"password": station.secret("sales", "sales' password")}
    mappings[2] |= {"extra": "remove"}
    station.configure(*mappings)


@pytest.fixture(scope="module")
def preloaded() -> Iterator[Preloaded]:
    """Give the process that makes runs."""
    with Preloaded() as process:
        yield process


@pytest.fixture(scope="module")
def station() -> Iterator[Station]:
    """Give the world on SQLite, before the run that will be killed; in memory, where a kill loses as little."""
    with tempfile.TemporaryDirectory(prefix="sk", dir=MEMORY) as folder:
        found = Station(Path(folder))
        build(found)
        yield found


def normal(station: Station) -> dict[Place, list[Row]]:
    """Give what is stored without what may differ from run to run: the ids of new accounts, and ciphers."""
    return {
        place: [{name: value for name, value in row.items() if name not in {"id", "password"}} for row in rows]
        for place, rows in station.accounts().items()
    }


def foreign(tables: Tables) -> Tables:
    """Give the rows that are nobody's business: account 0, private accounts, strangers' accounts that stay."""
    others = {(1, 10), (1, 11), (1, 12), (1, 13)}
    ids = {
        (row["cid"], row["user"], row["id"])
        for row in tables["user_mail_account"]
        if row["id"] == 0 or ((row["cid"], row["user"]) in others and row["name"] == "Mine")
    }
    return {
        table: [row for row in rows if (row["cid"], row["user"], row["id"]) in ids]
        for table, rows in tables.items()
        if table != "sequence_mail_service"
    }


def verify(station: Station, expected: dict[Place, list[Row]], before: Tables) -> None:
    """Compare with what an undisturbed run leaves."""
    accounts = station.accounts()
    assert normal(station) == expected
    assert foreign(station.tables()) == foreign(before)
    assert station.claims() == {
        (context, address): {user: (accounts[context, user, address, True][0]["id"], True) for user in users}
        for (context, address), users in RIGHT.items()
    }


def test_an_undisturbed_run_does_everything(station: Station, preloaded: Preloaded) -> None:
    """The run of these tests deletes, updates, creates, adopts, forgets, and leaves conflicts alone."""
    station.restore()
    before = station.tables()
    told = preloaded.run(station.config)
    assert not told["errors"]
    assert not told["failed"]
    assert told["conflicts"] == [10, 11]
    done = {op: sum(count for (_, _, of, _), count in station.journal().items() if of == op) for op in OPERATIONS}
    assert done == OPERATIONS
    verify(station, normal(station), before)
    assert preloaded.run(station.config)["changes"] == 0


OPERATIONS = {"create": 11 + 3 + 2 + 1, "update": 5, "delete": 5, "adopt": 1, "forget": 1}
"""What the journal counts after both runs; the first made eleven accounts."""


def killed_everywhere(station: Station, preloaded: Preloaded, step: int = 1, every: int = 0) -> int:
    """Kill the run at every `step`-th moment, and look at what the next one makes of it; give how many there were."""
    station.restore()
    before = station.tables()
    moments = preloaded.run(station.config, every=every)["moments"]
    expected, journal = normal(station), station.journal()
    for moment in range(1, moments + 1, step):
        station.restore()
        assert preloaded.run(station.config, kill=moment, every=every)["killed"], moment
        station.accounts()  # none is there by half
        free(station)
        told = preloaded.run(station.config)
        assert not told["errors"], (moment, told)
        assert not told["failed"], (moment, told)
        verify(station, expected, before)
        assert station.journal() == journal, moment
    return moments


def free(station: Station) -> None:
    """Wait until a database server has noticed that the killed run is gone."""
    while not station.sqlite:
        name = f"syncd.{station.engine.url.database}"
        if station.rows(f"SELECT IS_FREE_LOCK('{name}') AS free")[0]["free"]:
            return


def test_killed_at_any_moment_the_next_run_completes(station: Station, preloaded: Preloaded) -> None:
    """After every statement that writes and every commit: nothing twice, nothing lost, nobody else's touched."""
    assert killed_everywhere(station, preloaded) > 100


@pytest.mark.campaign
def test_killed_after_reading_too_the_next_run_completes(station: Station, preloaded: Preloaded) -> None:
    """After every statement, reading ones too, and before every commit as well: the same."""
    assert killed_everywhere(station, preloaded, every=1) > 300


@pytest.mark.mariadb
def test_killed_on_mariadb_the_next_run_completes(preloaded: Preloaded, mariadb: MariaDb, ox_database: str) -> None:
    """The same where the database is a server that rolls back by itself, at every eleventh moment."""
    with tempfile.TemporaryDirectory(prefix="sk", dir=MEMORY) as folder:
        url = f"mysql+pymysql://test@127.0.0.1:{mariadb.port}/{ox_database}"
        station = Station(Path(folder), mariadb.engine(ox_database), url)
        build(station)
        assert killed_everywhere(station, preloaded, step=11) > 100


@pytest.mark.campaign
@pytest.mark.mariadb
def test_killed_anywhere_on_mariadb_the_next_run_completes(
    preloaded: Preloaded, mariadb: MariaDb, ox_database: str
) -> None:
    """The same at every moment."""
    with tempfile.TemporaryDirectory(prefix="sk", dir=MEMORY) as folder:
        url = f"mysql+pymysql://test@127.0.0.1:{mariadb.port}/{ox_database}"
        station = Station(Path(folder), mariadb.engine(ox_database), url)
        build(station)
        assert killed_everywhere(station, preloaded, every=1) > 200


def test_a_strangers_account_made_after_a_kill_is_never_ours(station: Station, preloaded: Preloaded) -> None:
    """Where a killed run had reserved an id, a stranger's account is a conflict and survives the member's leaving."""
    station.restore()
    moments = preloaded.run(station.config)["moments"]
    pending = 0
    for moment in range(1, moments + 1, 6):
        station.restore()
        preloaded.run(station.config, kill=moment)
        pending += any(not held for owned in station.claims().values() for _, held in owned.values())
        free_users = [user for user in (8, 14) if (1, user, SALES, True) not in station.accounts()]
        strangers = {user: station.stranger(1, user, SALES) for user in free_users}
        told = preloaded.run(station.config)
        assert set(strangers) <= set(told["conflicts"]), moment
        with_nobody = {"support": GROUPS["support"], "sales": [11], "info": GROUPS["info"]}
        station.directory({user: f"uid=u{user},{BASE}" for user in range(3, 16)}, with_nobody)
        told = preloaded.run(station.config)
        assert not told["errors"], (moment, told)
        stored = {
            user: [row["id"] for row in station.accounts()[1, user, SALES, True] if "url" in row] for user in strangers
        }
        assert stored == {user: [account, account] for user, account in strangers.items()}, moment
        assert not station.claims().get((1, SALES)), moment
    assert pending > 2


def test_a_disk_that_fills_up_stops_the_run_before_it_writes(station: Station, preloaded: Preloaded) -> None:
    """However far the ledger may still grow: what is stored is claimed, and with room again the next run completes."""
    station.restore()
    before = station.tables()
    preloaded.run(station.config)
    expected, journal = normal(station), station.journal()
    refused = 0
    for pages in range(40):
        station.restore()
        told = preloaded.run(station.config, full=pages)
        refused += bool(told["errors"])
        assert all("full" in error for error in told["errors"]), told
        claimed = {(context, user, address) for (context, address), users in station.claims().items() for user in users}
        made = {
            place[:3] for place, rows in station.accounts().items() if rows[0]["name"] in {"support", "sales", "info"}
        }
        assert made <= claimed, pages
        told = preloaded.run(station.config)
        assert not told["errors"], (pages, told)
        verify(station, expected, before)
        assert station.journal() == journal, pages
        if not refused or not told["changes"]:
            break
    assert refused > 1
