"""The laws of looking up users, groups and contexts; tests of every store inherit them and give `world` and `configdb`.

`world` is populated, `configdb` says where an empty login2context is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import pytest
import sqlalchemy as sa

from syncd.core.model import Asked, Contexts, GroupRead, Users
from syncd.errors import StoreError
from syncd.openxchange import playground
from syncd.openxchange.connect import Database, StoreOptions
from syncd.openxchange.sql import SqlStore
from tests.openxchange.world import World

NOBODY = [f"nobody{number}@example.org" for number in range(3000)]
BY = ("mail", "alias", "imap_login")
STORED = {
    3: "Straße@example.org",
    4: "dépôt@example.org",
    5: "plain@example.org  ",
    6: "İx@example.org",
    7: "twins@x.org",
}
"""Addresses that users have in a world with `addressed`."""

EQUAL: dict[str, tuple[int, ...]] = {
    "Straße@example.org": (3,),
    "STRASSE@EXAMPLE.ORG": (3,),
    "strase@example.org": (),
    "dépôt@example.org": (4,),
    "DÉPÔT@example.org ": (4,),
    "de\u0301po\u0302t@example.org": (4,),
    "depot@example.org": (),
    "plain@example.org": (5,),
    "plain@example.org   ": (5,),
    " plain@example.org": (),
    "pläin@example.org": (),
    "ix@example.org": (),
    "Twins@X.org": (7, 8),
    "user3@example.org": (),
    "%": (),
    "": (),
    "  ": (),
    "\u0001": (),
}
"""What is asked of such a world, and who is found."""


def addressed(world: World) -> World:
    """Give users 3 to 8 and the guest addresses of all three kinds; 7 and 8 share one, 20 (a guest) shares with 3."""
    world.execute("UPDATE user SET mail = '' , imapLogin = NULL WHERE cid = 1")
    stored = [*STORED.items(), (8, "TWINS@x.org"), (20, "strasse@example.org"), (20, "guest@example.com")]
    with world.engine.begin() as connection:
        playground.add_aliases(connection, 1, stored)
        playground.add_aliases(connection, 1, [(99, "gone@example.org"), (9, "further@example.org")])
        playground.add_aliases(connection, 2, [(4, "plain@example.org")])
    for user, address in stored:
        world.execute("UPDATE user SET mail = :a, imapLogin = :a WHERE cid = 1 AND id = :u", a=address, u=user)
    return world


def asked(by: str, texts: Collection[str], **more: Collection[str]) -> Asked:
    """Ask for texts of one kind."""
    fields = {"mail": "mails", "alias": "aliases", "imap_login": "imap_logins"}
    return Asked(**{fields[by]: texts}, **more)  # type: ignore[arg-type]


def counted(world: World, question: Callable[[], object]) -> int:
    """Count the statements that a question takes; SQLite's BEGIN is none."""
    before = world.store.database.statements
    question()
    return world.store.database.statements - before - world.store.database.sqlite


class LookupContract:
    """What every store promises of its readings."""

    # ------------------------------------------------------------------ users by login and id

    def test_users(self, world: World) -> None:
        """Logins are exact; other letter case, guests and the absent are told apart; ids are checked."""
        logins = ["user3", "USER4", "guest", "nobody", "user5 "]
        users = world.store.users(1, Asked(logins=logins, ids=[3, 20, 77]))
        assert users.by_login == {"user3": 3}
        assert users.other_case == {"USER4": ("user4",)}
        assert users.guests == {"guest", "20"}
        assert users.ids == {3, 20}
        assert users.found == {"id": {"3": (3,)}}
        assert users.logins == {3: "user3", 20: "guest"}
        assert users.exists
        assert not world.store.users(9, Asked(logins=["user3"], ids=[3])).exists

    def test_many_users(self, world: World) -> None:
        """Looking up more names than an IN list takes gives the same answer."""
        few = world.store.users(1, Asked(logins=["user3", "USER4", "guest"], ids=[3, 77]))
        logins = ["user3", "USER4", "guest", *NOBODY]
        assert world.store.users(1, Asked(logins=logins, ids=[3, *range(77, 4000)])) == few

    def test_numbers_that_are_no_ids(self, world: World) -> None:
        """A number that no column can hold is nobody, and no trouble."""
        users = world.store.users(1, Asked(ids=[0, -3, 2**32, 10**400, 3]))
        assert (users.ids, users.found, users.logins) == ({3}, {"id": {"3": (3,)}}, {3: "user3"})

    def test_logins_alone_ask_nothing_else(self, world: World) -> None:
        """Logins that all exist take two statements: the guests, and the logins."""
        assert counted(world, lambda: world.store.users(1, Asked(logins=["user3", "user4"]))) == 2
        assert world.store.users(1, Asked(logins=["user3"])).found == {}

    # ------------------------------------------------------------------ users by address

    @pytest.mark.parametrize("by", BY)
    def test_addresses_are_equal_by_collation_and_by_letters(self, world: World, by: str) -> None:
        """Letter case, trailing blanks and how an accent is composed do not count; an accent does; guests are out."""
        addressed(world)
        for text, expected in EQUAL.items():
            found = world.store.users(1, asked(by, [text, "unrelated@example.org"]))
            assert found.found == {by: {text: expected} if expected else {}}
            assert found.logins == {user: f"user{user}" for user in expected}
            assert found.guests == frozenset()
            assert found.exists
        together = world.store.users(1, asked(by, EQUAL))
        assert together.found == {by: {text: users for text, users in EQUAL.items() if users}}

    @pytest.mark.parametrize("by", BY)
    def test_texts_that_only_guests_have(self, world: World, by: str) -> None:
        """A text that none but guests have is told as such, and finds nobody."""
        world.execute("UPDATE user SET imapLogin = mail")
        with world.engine.begin() as connection:
            playground.add_aliases(connection, 1, [(20, "guest@example.com")])
        users = world.store.users(1, asked(by, ["Guest@example.com", "user3@example.com"]))
        assert users.guests == {"Guest@example.com"}
        assert users.found == {by: {}}

    @pytest.mark.parametrize("by", BY)
    def test_many_addresses(self, world: World, by: str) -> None:
        """More addresses than an IN list takes give the same answer, the columns of utf8mb3 included."""
        some = [*STORED.values(), "depot@example.org", "guest@example.com", "😀@example.org", "twins@x.org"]
        few = addressed(world).store.users(1, asked(by, some))
        assert few.found[by]["dépôt@example.org"] == (4,)  # type: ignore[index]
        assert world.store.users(1, asked(by, [*some, *NOBODY])) == few

    def test_alias_of_nobody(self, world: World) -> None:
        """An alias that outlived its user finds nobody, and aliases of another context count there only."""
        store = addressed(world).store
        assert store.users(1, Asked(aliases=["gone@example.org", "further@example.org"])).found == {
            "alias": {"further@example.org": (9,)}
        }
        assert store.users(2, Asked(aliases=["plain@example.org", "dépôt@example.org"])).found == {
            "alias": {"plain@example.org": (4,)}
        }

    def test_addresses_beyond_the_basic_plane(self, world: World) -> None:
        """The collation holds all such characters for one, we do not; a column that has none of them is no trouble."""
        world.execute("UPDATE user SET mail = :a, imapLogin = :a WHERE cid = 1 AND id = 3", a="😀@example.org")
        texts = ["😀@example.org", "😁@example.org", "user4@example.org"]
        users = world.store.users(1, Asked(mails=texts, aliases=texts, imap_logins=texts))
        assert users.found == {
            "mail": {"😀@example.org": (3,), "user4@example.org": (4,)},
            "alias": {},
            "imap_login": {"😀@example.org": (3,)},
        }
        alone = world.store.users(1, Asked(mails=["😀@EXAMPLE.org"], aliases=["😀@EXAMPLE.org"]))
        assert alone.found == {"mail": {"😀@EXAMPLE.org": (3,)}, "alias": {}}

    def test_all_kinds_at_once(self, world: World) -> None:
        """All kinds of questions are answered side by side, each by its own column, with the logins of all found."""
        world.execute("UPDATE user SET imapLogin = 'same@example.org' WHERE cid = 1 AND id = 5")
        with world.engine.begin() as connection:
            playground.add_aliases(connection, 1, [(4, "same@example.org")])
        world.execute("UPDATE user SET mail = 'same@example.org' WHERE cid = 1 AND id = 3")
        same = ["same@example.org"]
        question = Asked(logins=["user6", "guest"], mails=same, aliases=same, imap_logins=same, ids=[7, 20, 99])
        assert world.store.users(1, question) == Users(
            context=1,
            exists=True,
            by_login={"user6": 6},
            found={
                "mail": {"same@example.org": (3,)},
                "alias": {"same@example.org": (4,)},
                "imap_login": {"same@example.org": (5,)},
                "id": {"7": (7,)},
            },
            guests=frozenset({"guest", "20"}),
            ids=frozenset({7, 20}),
            logins={3: "user3", 4: "user4", 5: "user5", 7: "user7", 20: "guest"},
        )

    def test_statements_do_not_depend_on_addresses(self, world: World) -> None:
        """Six of everything take as many statements as one, and 3,000 more no more than that."""

        def question(numbers: Collection[int], more: Collection[str] = ()) -> Asked:
            mails = [f"user{number}@example.org" for number in numbers]
            return Asked(
                logins=[f"user{number}" for number in numbers],
                mails=[*mails, *more],
                aliases=[*mails, *more],
                imap_logins=[*mails, *more],
                ids=numbers,
            )

        one, six = question([3]), question([3, 4, 5, 6, 7, 8])
        assert counted(world, lambda: world.store.users(1, one)) == 7
        assert counted(world, lambda: world.store.users(1, six)) == 7
        assert counted(world, lambda: world.store.users(1, question([3, 4], NOBODY))) == 7

    # ------------------------------------------------------------------ groups

    def test_groups(self, world: World) -> None:
        """Groups are read by id or name; guests and ids without a user are left out, an empty group is no problem."""
        with world.engine.begin() as connection:
            playground.add_group(connection, 1, 11, "Sales", [5, 3, 20, 99])
            playground.add_group(connection, 1, 12, "empty")
            playground.add_group(connection, 2, 11, "Sales", [9])
        assert world.store.groups(1, ["11", "sales ", "SALES", "12", "empty", "011"]) == {
            "11": GroupRead((3, 5)),
            "sales ": GroupRead((3, 5)),
            "SALES": GroupRead((3, 5)),
            "12": GroupRead(()),
            "empty": GroupRead(()),
            "011": GroupRead((3, 5)),
        }
        assert world.store.groups(2, ["Sales"]) == {"Sales": GroupRead((9,))}
        assert world.store.groups(1, []) == {}

    def test_everybody(self, world: World) -> None:
        """Group 0 has no rows: it is all users, the administrator included, and no guest."""
        assert world.store.groups(1, ["0"]) == {"0": GroupRead((2, *range(3, 10)))}

    def test_everybody_of_nowhere(self, world: World) -> None:
        """A context without any user is not here, so its group 0 is not known to be empty."""
        assert world.store.groups(9, ["0"]) == {"0": GroupRead((), "there is no user at all in context 9")}

    def test_group_of_guests(self, world: World) -> None:
        """The virtual group of all guests is a problem."""
        problem = "it is the group of all guests, who are never given a mailbox"
        assert world.store.groups(1, ["2147483647"]) == {"2147483647": GroupRead((), problem)}

    def test_groups_that_are_not_there(self, world: World) -> None:
        """Unknown ids and names are problems; a name of digits is an id, a name that merely resembles is not taken."""
        with world.engine.begin() as connection:
            playground.add_group(connection, 1, 11, "77", [3])
            playground.add_group(connection, 1, 12, "Größe", [3])
        names = ["77", "-1", "nobody", "", "9" * 5000, "Grösse", "Grose", "groupe 😀"]
        assert {name[:10]: read.problem for name, read in world.store.groups(1, names).items()} == {
            "77": "there is no group 77 in context 1",
            "-1": "there is no group '-1' in context 1",
            "nobody": "there is no group 'nobody' in context 1",
            "": "there is no group '' in context 1",
            "9999999999": f"there is no group '{'9' * 5000}' in context 1",
            "Grösse": "",
            "Grose": "there is no group 'Grose' in context 1",
            "groupe 😀": "there is no group 'groupe 😀' in context 1",
        }
        assert world.store.groups(1, ["GROSSE"])["GROSSE"].problem == (
            "there is no group 'GROSSE' in context 1; 'Größe' (id 12) is spelled otherwise"
        )

    def test_name_of_several_groups(self, world: World) -> None:
        """A name that the database holds for that of several groups is a problem that names them; their ids work."""
        with world.engine.begin() as connection:
            playground.add_group(connection, 1, 11, "sales", [3])
            playground.add_group(connection, 1, 12, "Sälés", [4])
        assert world.store.groups(1, ["sales", "12"]) == {
            "sales": GroupRead(
                (),
                "several groups of context 1 have that name: 'sales' (id 11) and 'Sälés' (id 12); write the id instead",
            ),
            "12": GroupRead((4,)),
        }

    def test_many_groups(self, world: World) -> None:
        """More groups than an IN list takes give the same answer, in as many statements as a few."""
        groups = [(number, f"team {number}") for number in range(100, 3100)]
        with world.engine.begin() as connection:
            rows = [{"cid": 1, "id": n, "identifier": name, "displayName": "", "lastModified": 0} for n, name in groups]
            playground.add_rows(connection, "groups", rows)
            playground.add_rows(
                connection, "groups_member", [{"cid": 1, "id": n, "member": 3 + n % 7} for n, _ in groups]
            )
        few, many = ["0", "100", "team 101"], [str(n) for n, _ in groups] + [name for _, name in groups]
        assert counted(world, lambda: world.store.groups(1, few)) == 3
        assert counted(world, lambda: world.store.groups(1, ["0", *many])) == 3
        expected = {key: GroupRead((3 + number % 7,)) for number, name in groups for key in (str(number), name)}
        assert world.store.groups(1, many) == expected

    # ------------------------------------------------------------------ contexts

    def test_contexts_by_number(self, world: World) -> None:
        """Without configdb the contexts of the database are known by their numbers, in one statement."""
        assert world.store.contexts() == Contexts(frozenset({1, 2}), {"1": 1, "2": 2})
        assert counted(world, world.store.contexts) == 1

    def test_contexts_by_name(self, world: World, configdb: StoreOptions) -> None:
        """With configdb they are also known by name and login mapping, as the collation compares; others are not."""
        fill(configdb, {1: ("Acme", "acmé.com "), 2: ("straße", "1st"), 7: ("elsewhere",)})
        store = named(world, configdb)
        assert store.contexts() == Contexts(
            frozenset({1, 2}), {"1": 1, "2": 2, "acme": 1, "acme.com": 1, "strasse": 2, "1st": 2}
        )
        store.close()

    def test_own_number_comes_first(self, world: World, configdb: StoreOptions) -> None:
        """A context is found by its own number, even where configdb gives that to another one."""
        engine = Database(configdb).engine
        with engine.begin() as connection:
            playground.add_rows(connection, "login2context", [{"cid": 2, "login_info": "1"}])
        engine.dispose()
        store = named(world, configdb)
        assert store.contexts().names == {"1": 1, "2": 2}
        store.close()

    def test_many_contexts(self, world: World, configdb: StoreOptions) -> None:
        """More contexts than an IN list takes are named all the same."""
        with world.engine.begin() as connection:
            rows = [
                {"cid": cid, "id": 2, "mail": "", "mailEnabled": 1, "preferredLanguage": "en", "shadowLastChange": -1,
                 "timeZone": "UTC", "contactId": 1, "passwordMech": ""}
                for cid in range(3, 2503)
            ]  # fmt: skip
            playground.add_rows(connection, "user", rows)
        fill(configdb, {cid: (f"name {cid}",) for cid in range(1, 2600)})
        store = named(world, configdb)
        found = store.contexts()
        assert found.ids == frozenset(range(1, 2503))
        assert found.names == {name: cid for cid in found.ids for name in (str(cid), f"name {cid}")}
        assert store.configdb is not None
        assert store.configdb.statements - store.configdb.sqlite == 1
        store.close()

    def test_configdb_that_cannot_be_read(self, world: World, configdb: StoreOptions) -> None:
        """A configdb without its table is an error of the store that says which database, and has no password."""
        engine = Database(configdb).engine
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE login2context"))
        engine.dispose()
        store = named(world, configdb)
        with pytest.raises(StoreError, match=r"^Open-Xchange configdb .*login2context") as caught:
            store.contexts()
        assert "test:" not in str(caught.value)
        store.close()


def named(world: World, configdb: StoreOptions) -> SqlStore:
    """Give a store like the world's that knows configdb."""
    return SqlStore(replace(world.store.database.options, configdb=configdb))


def fill(configdb: StoreOptions, names: dict[int, tuple[str, ...]]) -> None:
    """Write contexts with names into configdb."""
    engine = Database(configdb).engine
    with engine.begin() as connection:
        rows = [{"cid": cid, "login_info": name} for cid, some in names.items() for name in (str(cid), *some)]
        playground.add_rows(connection, "login2context", rows)
    engine.dispose()
