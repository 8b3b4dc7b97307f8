"""What `check` says of configdb and of the databases that it lists; on two MariaDBs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from syncd.openxchange.check_configdb import findings
from tests.openxchange.sharding import CONTEXTS, Farm, found_farm
from tests.servers.mariadb import MariaDb

pytestmark = pytest.mark.mariadb


@pytest.fixture
def farm(mariadb: MariaDb, second_mariadb: MariaDb) -> Iterator[Farm]:
    """Give three schemas on two servers."""
    made = found_farm(mariadb, second_mariadb)
    yield made
    made.close()


def place(farm: Farm, schema: str) -> str:
    """Name a schema as the findings do."""
    return f"{farm.schemas[schema]} on 127.0.0.1:{farm.server(schema).port}"


def failed(farm: Farm, *contexts: int) -> dict[str, str]:
    """Give what is wrong, by what was looked at."""
    return {one.what: one.detail for one in findings(farm.options(), contexts) if not one.ok}


def test_all_is_well(farm: Farm) -> None:
    """Every database of a named context is looked at once, and told by its schema."""
    told = list(findings(farm.options(), CONTEXTS))
    assert [one for one in told if not one.ok or one.hint] == []
    details = {one.what: one.detail for one in told}
    assert details["OX configdb contexts"] == "6 contexts in 3 databases, with 6 names besides their numbers"
    databases = [what for what in details if what.startswith("OX tables")]
    assert databases == [f"OX tables ({place(farm, schema)})" for schema in ("near", "beside", "far")]
    assert {f"OX context {context}" for context in CONTEXTS} <= details.keys()


def test_only_what_is_named_is_looked_at(farm: Farm) -> None:
    """Databases without a named context are left out, unless contexts are found out by each run."""
    some = {one.what for one in findings(farm.options(), [5])}
    assert f"OX tables ({place(farm, 'far')})" in some
    assert f"OX tables ({place(farm, 'near')})" not in some
    every = {one.what for one in findings(farm.options(), [])}
    assert {f"OX tables ({place(farm, schema)})" for schema in farm.schemas} <= every


def test_contexts_that_cannot_be_written_to(farm: Farm) -> None:
    """A named context that is disabled or unknown is a fault; a disabled one that is not named is none."""
    farm.execute("configdb", "UPDATE context SET enabled = 0, reason_id = 5 WHERE cid = 1")
    assert failed(farm, 1, 9) == {
        "OX context 1": "context 1 is disabled in Open-Xchange (reason 5)",
        "OX context 9": "configdb knows no context 9",
    }
    assert failed(farm) == {}


def test_a_database_that_is_down(farm: Farm) -> None:
    """It is named; the others are looked at all the same."""
    with farm.down():
        found = failed(farm, *CONTEXTS)
    [(what, detail)] = found.items()
    assert what == f"OX database ({place(farm, 'far')})"
    assert "did not answer" in detail


def test_a_configdb_without_its_tables(farm: Farm) -> None:
    """The rights that are needed there are told."""
    farm.execute("configdb", "DROP TABLE db_pool")
    [wrong] = [one for one in findings(farm.options(), [1]) if not one.ok]
    assert wrong.what == "OX configdb"
    assert wrong.hint == "syncd needs SELECT on context, context_server2db_pool, db_pool, login2context there"


def test_one_database_is_checked_as_ever(farm: Farm) -> None:
    """Where a database is configured nothing else is looked at; one that cannot be reached is a finding."""
    near = farm.first.options(farm.schemas["near"])
    assert [one.what for one in findings(near, [1]) if not one.ok] == []
    gone = replace(farm.options(), configdb=farm.first.options("x", url="mysql://test@127.0.0.1:1/x"))
    assert [one.what for one in findings(gone, [1]) if not one.ok] == ["OX configdb"]
