"""Everybody at once, or fifty by name: which takes fewer questions."""

from __future__ import annotations

import pytest

from syncd.core.model import Source
from syncd.directory.connection import Options
from syncd.directory.expand import expand
from syncd.directory.kinds import Server
from syncd.directory.ldif import LdifSearcher
from syncd.directory.search import Query
from syncd.directory.strategy import Entry
from tests.directory.trees import by_filter, group, logins, person, read, source
from tests.servers.slapd import Slapd


class Paged(LdifSearcher):
    """Answers in pages of a hundred, each a question."""

    def search(self, query: Query):  # type: ignore[no-untyped-def]
        """Give pages."""
        for everything in super().search(query):
            for start in range(0, len(everything) or 1, 100):
                self.operations += start > 0
                yield everything[start : start + 100]


def directory(users: int, *groups: list[int]) -> Paged:
    """Make a directory of people, and groups of some of them by number."""
    people = [
        Entry(f"uid=u{n},ou=p,dc=x", {"objectclass": [b"person"], "uid": [b"u%d" % n], "entryuuid": [b"id-%d" % n]})
        for n in range(users)
    ]
    teams = [
        Entry(
            f"cn=g{number},dc=x",
            {"objectclass": [b"groupOfNames"], "cn": [b"g%d" % number], "entryuuid": [b"g-%d" % number],
             "member": [b"uid=u%d,ou=p,dc=x" % n for n in members]},
        )
        for number, members in enumerate(groups)
    ]  # fmt: skip
    return Paged([*people, *teams], "ldap://x")


def questions(searcher: LdifSearcher, *names: str) -> int:
    """Read groups, and give how many questions that took."""
    sources = [Source(kind="group", value=f"cn={name},dc=x") for name in names]
    reads = expand(searcher, Server("openldap", ("dc=x",), None, ""), sources, Options(urls=(), base="dc=x")).reads
    assert all(one.complete for one in reads.values())
    return searcher.operations


@pytest.mark.parametrize(
    ("users", "wanted", "most"),
    [
        (300, list(range(300)), 3),  # all are wanted: three pages
        (900, list(range(0, 900, 3)), 6),  # a third: nine pages, or six questions; the pages still bring it
        (3000, list(range(2500, 3000)), 10),  # they come last: given up after three pages, ten questions
    ],
)
def test_the_bulk_read_is_given_up_when_it_does_not_pay(users: int, wanted: list[int], most: int) -> None:
    """The questions are as few as either way takes, but for a few pages that were read in vain."""
    searcher = directory(users, wanted)
    sources = [Source(kind="group", value="cn=g0,dc=x")]
    reads = expand(searcher, Server("openldap", ("dc=x",), None, ""), sources, Options(urls=(), base="dc=x")).reads
    assert len(reads[sources[0]].members) == len(wanted)
    assert searcher.operations <= 2 + most + 3  # the group, groups that look like people; three pages in vain


def test_everybody_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who was not wanted at first is known when a group of a later level wants it: no further question."""
    monkeypatch.setattr(Paged, "search", LdifSearcher.search)
    searcher = directory(900, list(range(300)))
    searcher_two = directory(900, list(range(300)), list(range(300, 900)))
    top = Entry("cn=top,dc=x", {"objectclass": [b"groupOfNames"], "cn": [b"top"], "member": [b"cn=g1,dc=x"]})
    nested = LdifSearcher([*searcher_two._entries.values(), top], "ldap://x")
    assert questions(searcher, "g0") == 3  # the group, groups with a login, everybody
    assert questions(nested, "g0", "top") == 4  # and what g1 is, by name


def test_many_groups_do_not_spoil_the_bulk_read_of_their_people() -> None:
    """Groups are asked for by fifties and nobody is read for them; then everybody is read, and nobody asked for."""
    teams = [list(range(start, start + 10)) for start in range(0, 3000, 10)]
    names = [f"g{number}" for number in range(300)]
    assert questions(directory(3000, *teams), *names) <= 300 // 50 + 3000 // 100 + 2


def test_pages_that_are_known_do_not_end_a_later_bulk_read() -> None:
    """A bulk read in vain, for groups in a group, costs its few pages and not the next one, which begins with them."""
    teams = [list(range(start, start + 10)) for start in range(0, 3000, 10)]
    top = {"objectclass": [b"groupOfNames"], "cn": [b"top"], "member": [b"cn=g%d,dc=x" % n for n in range(300)]}
    searcher = directory(3000, *teams)
    nested = Paged([*searcher._entries.values(), Entry("cn=top,dc=x", top)], "ldap://x")
    assert questions(nested, "top") <= 1 + (1 + 4) + 300 // 50 + 3000 // 100 + 2


@pytest.mark.slapd
def test_a_search_that_is_left_early_does_no_harm(slapd: Slapd) -> None:
    """After a bulk read that was given up in the middle of its pages the same connection answers rightly."""
    names = [f"u{number}" for number in range(600)]
    database = slapd.database("".join(map(person, names)) + group("support", names[350:]))
    wanted, others = source(database, "support"), by_filter("(uid=u1*)")
    found = read(database, wanted, others, page_size=50)
    assert logins(found.reads[wanted]) == sorted(names[350:])
    assert found.reads[wanted].complete
    assert len(found.reads[others].members) == 111
    assert found.operations <= 3 + 3 + 4 + 5 + 4  # overhead, groups, pages in vain, by name, the filter


@pytest.mark.slapd
def test_families_with_few_members_each_are_asked_for_together(slapd: Slapd) -> None:
    """Groups that lie two by two in many places cost one question by fifties, not one for each place."""
    folders = "".join(
        f"dn: ou=f{number},ou=groups,SUFFIX\nobjectClass: organizationalUnit\nou: f{number}\n\n"
        + "".join(
            group(f"g{number}{x},ou=f{number}", ["anna"]).replace(f"cn: g{number}{x},ou=f{number}", f"cn: g{number}{x}")
            for x in "ab"
        )
        for number in range(20)
    )
    database = slapd.database(person("anna") + folders)
    wanted = [source(database, f"cn=g{n}{x},ou=f{n},ou=groups,SUFFIX") for n in range(20) for x in "ab"]
    found = read(database, *wanted)
    assert all(logins(one) == ["anna"] for one in found.reads.values())
    assert found.operations <= 1 + 1 + 1 + 5
