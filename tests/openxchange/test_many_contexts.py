"""Many contexts of one database: how many statements questions about all of them take, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from syncd.core.model import Asked, GroupRead
from syncd.openxchange import playground
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.contract_lookup import counted
from tests.openxchange.world import World
from tests.servers.mariadb import MariaDb

CONTEXTS = range(1, 46)
USERS = range(3, 103)
"""All contexts together have more of them than one IN list takes."""


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Give contexts whose users have logins of their own, and two groups each; user 50 of context 1 is a guest."""
    if request.param == "sqlite":
        options = StoreOptions(url=f"sqlite:///{tmp_path}/ox.db")
        engine = sa.create_engine(options.url, poolclass=sa.NullPool)
        playground.create_schema(engine)
    else:
        mariadb: MariaDb = request.getfixturevalue("mariadb")
        name = request.getfixturevalue("ox_database")
        options, engine = mariadb.options(name), mariadb.engine(name)
    with engine.begin() as connection:
        for context in CONTEXTS:
            playground.add_context(connection, context)
            playground.add_users(
                connection, context, [(user, login(context, user), mail(context, user)) for user in USERS]
            )
            playground.add_group(connection, context, 200, "Sales", [3 + context, 999])
            playground.add_group(connection, context, 201, f"team {context}", [4, 5])
        connection.execute(sa.text("UPDATE user SET guestCreatedBy = 3 WHERE cid = 1 AND id = 50"))
    store = SqlStore(options)
    yield World(store, engine)
    store.close()


def login(context: int, user: int) -> str:
    """Give the login of a user."""
    return f"c{context}u{user}"


def mail(context: int, user: int) -> str:
    """Give the address of a user."""
    return f"{login(context, user)}@example.org"


def asked(of: Callable[[int], Asked]) -> dict[int, Asked]:
    """Ask the same of all contexts."""
    return {context: of(context) for context in CONTEXTS}


def test_most_users_of_many_contexts(world: World) -> None:
    """Where most users are asked for, logins take one statement, as the guests and the lowest and highest ids do."""
    questions = asked(lambda context: Asked(logins=[login(context, user) for user in USERS]))
    assert counted(world, lambda: world.store.users_in(questions)) == 3
    found = world.store.users_in(questions)
    for context in CONTEXTS:
        expected = {login(context, user): user for user in USERS if (context, user) != (1, 50)}
        assert (found[context].by_login, found[context].exists) == (expected, True)
    assert found[1].guests == {login(1, 50)}


def test_a_context_without_users_beside_many(world: World) -> None:
    """A context in which nobody is is told as such without a statement of its own, and no other one is."""
    questions = asked(lambda context: Asked(logins=[login(context, user) for user in USERS]))
    questions |= {77: Asked(logins=["nobody"]), 2: Asked(logins=["nobody"])}
    assert counted(world, lambda: world.store.users_in(questions)) == 3 + 2  # "nobody" by name, in any letter case too
    found = world.store.users_in(questions)
    assert {context for context in questions if not found[context].exists} == {77}
    assert found[2].by_login == {}


def test_a_few_users_of_many_big_contexts(world: World) -> None:
    """Where most users are not asked for, they are asked for by name, as many as one IN list takes."""
    with world.engine.begin() as connection:
        for context in CONTEXTS:
            playground.add_user(connection, context, 100_000, login="last", mail="last@example.org")
    questions = asked(lambda context: Asked(logins=[login(context, user) for user in USERS]))
    assert counted(world, lambda: world.store.users_in(questions)) == 2 + 3
    assert len(world.store.users_in(questions)[30].by_login) == len(USERS)


def test_addresses_and_ids_of_many_contexts(world: World) -> None:
    """Addresses and ids of most users take one statement for each kind of question."""

    def question(context: int) -> Asked:
        mails = [mail(context, user).upper() for user in USERS]
        return Asked(mails=mails, ids=range(3, 103))

    assert counted(world, lambda: world.store.users_in(asked(question))) == 5  # mails, whether they exist, logins
    found = world.store.users_in(asked(question))[7]
    assert found.found["mail"] == {mail(7, user).upper(): (user,) for user in USERS}
    assert found.ids == frozenset(USERS)
    assert found.logins == {user: login(7, user) for user in USERS}


def test_groups_of_many_contexts(world: World) -> None:
    """Groups of all contexts take as many statements as those of one, each context has its own, problems included."""
    one = {1: ["200", "TEAM 1", "nothing"]}
    assert counted(world, lambda: world.store.groups_in(one)) == 3
    many = {context: ["200", f"TEAM {context}", "nothing"] for context in CONTEXTS}
    assert counted(world, lambda: world.store.groups_in(many)) == 3
    found = world.store.groups_in(many)
    for context in CONTEXTS:
        assert found[context] == {
            "200": GroupRead((3 + context,)),
            f"TEAM {context}": GroupRead((4, 5)),
            "nothing": GroupRead((), f"there is no group 'nothing' in context {context}"),
        }
    assert found[1] == world.store.groups(1, many[1])
    assert world.store.groups_in({}) == {}


def test_everybody_in_some_of_many_contexts(world: World) -> None:
    """Group 0 of some contexts costs one statement more, and brings nobody of the others."""
    everybody = (2, *USERS)
    many = {context: ["0", "200"] if context < 3 else ["200"] for context in CONTEXTS}
    assert counted(world, lambda: world.store.groups_in(many)) == 4
    found = world.store.groups_in(many)
    assert found[1]["0"].users == tuple(user for user in everybody if user != 50)
    assert found[2]["0"].users == everybody
    assert found[3] == {"200": GroupRead((6,))}
