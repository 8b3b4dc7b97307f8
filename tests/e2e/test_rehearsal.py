"""`syncd rehearse` on a real directory and database: what faults lead to, that nothing is written, that it can fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncd.directory.search import Query, Refused, Searcher
from syncd.directory.strategy import Entry
from syncd.rehearsal import faults, searchers
from syncd.rehearsal.faults import FAULTS
from tests.e2e.world import LOGINS, Done, World, invoke

EVERYBODY = [*LOGINS.values()]
MANY = {100 + number: f"person{number:02d}" for number in range(30)}
BY_FILTER = {"sources": [{"filter": "(&(objectClass=inetOrgPerson)(uid=person*))"}]}
THREE = {"filter": "(&(objectClass=inetOrgPerson)(|(uid=alice)(uid=erin)(uid=frank)))"}


@pytest.fixture
def company(world: World) -> World:
    """Give a world where support@ is a group of six with a nested one, and all accounts are there."""
    world.group("night", "erin", "frank")
    world.group("support", "alice", "bob", "carol", "dave", f"cn=night,{world.ldap.groups}")
    world.configure(world.mapping())
    world.sync()
    return world


@pytest.fixture
def crowd(world: World) -> World:
    """Give a world where a filter finds thirty people, and all accounts are there."""
    world.people(MANY)
    world.configure(world.mapping(**BY_FILTER))
    world.sync()
    return world


def results(done: Done) -> dict[str, dict[str, Any]]:
    """Give what was told of each fault, by name."""
    return {one["fault"]: one for one in done.document["faults"]}


def rehearse(world: World, *words: str) -> Done:
    """Rehearse, as JSON."""
    return world.syncd("rehearse", "--output", "json", *words)


def test_nothing_is_taken_from_the_members_of_groups(company: World) -> None:
    """Every fault leaves everybody what they have, each for the reason that fits it."""
    before, runs = company.dump(), company.ledger("SELECT COUNT(*) FROM runs")
    done = rehearse(company)
    found = results(done)
    assert done.code == 0, done.out
    assert done.document["accounts"] == 6
    assert {name for name, one in found.items() if one["skipped"]} == {"filter-typo", "empty-exclusion"}
    told = {name: (one["withheld"], one["held"], one["incomplete"]) for name, one in found.items()}
    assert told["directory-down"] == (6, 0, 1)
    assert told["empty-group"] == told["acl-hides-members"] == (0, 6, 0)
    assert told["range-lost"][2] == 1
    assert told["truncated"][1] == 0  # who is cut off is asked for alone
    assert told["ou-moved-behind"][0] == 6
    assert told["half-of-users-missing"][0] > 0
    assert told["dn-case"] == told["ou-moved"] == told["clock-jumped"] == told["clock-jumped-back"] == (0, 0, 0)
    assert "none of the configured contexts has a user" in found["database-empty"]["refused"]
    assert found["database-other"]["limits"] == ["vanished"]
    assert company.dump() == before
    assert company.ledger("SELECT COUNT(*) FROM runs") == runs


def test_what_a_filter_does_not_find_is_held(crowd: World) -> None:
    """People whom a filter does not find any more are gone as far as anybody can tell; so many are held."""
    done = rehearse(crowd)
    found = results(done)
    assert done.code == 0, done.out
    assert found["filter-typo"]["held"] == 30
    assert set(found["filter-typo"]["limits"]) >= {"configuration"}
    assert found["half-of-users-missing"]["held"] > 9
    assert found["wrong-base"]["incomplete"] == 1
    assert (found["truncated"]["incomplete"], found["truncated"]["withheld"]) == (1, 29)
    assert found["empty-group"]["limits"][-1] == "suddenly_empty"


def test_before_the_first_run_it_is_as_if_that_was_made(world: World) -> None:
    """Where nothing is stored yet the accounts that would be made are rehearsed, and said to be made up."""
    world.group("support", *EVERYBODY)
    done = world.syncd("rehearse", "--fault", "directory-down", "--fault", "empty-group")
    assert done.code == 0, done.err
    assert "6 accounts of 1 mailboxes, 6 of them as if today's plan was made already" in done.out
    assert "1 mailboxes known to be read incompletely; 6 removals withheld" in done.out
    assert "6 removals held; limits that object: removals, suddenly_empty" in done.out
    assert world.users() == {}
    assert not world.ledger("SELECT * FROM claims")


def test_few_that_a_filter_loses_are_told(world: World) -> None:
    """Up to the floor of a limit removals pass; a rehearsal says so, names them, and ends with 5."""
    world.configure(world.mapping(sources=[THREE]))
    world.sync()
    done = rehearse(world, "--fault", "half-of-users-missing")
    [one] = done.document["faults"]
    assert done.code == 5
    assert done.document["safe"] is one["safe"] is False
    assert {removal["login"] for removal in one["removals"]} == {"erin", "frank"}
    text = world.syncd("rehearse", "--fault", "half-of-users-missing")
    assert text.code == 5
    assert "FAILED  half-of-users-missing" in text.out
    assert "removed without asking: " in text.out
    assert "the claim did not hold for: half-of-users-missing" in text.err


def test_grace_is_taken_as_over(world: World) -> None:
    """Grace hides no failure, and how many it would put off is told."""
    world.configure(world.mapping(sources=[THREE]), grace={"reads": 5})
    world.sync()
    [one] = rehearse(world, "--fault", "half-of-users-missing").document["faults"]
    assert one["graced"] == len(one["removals"]) > 0
    assert world.plan().summary == {"unchanged": 3}


def test_an_exclusion_that_is_lost_gives_nobody_a_mailbox(world: World) -> None:
    """While the excluding group cannot be read, or looks empty, nobody of it gets an account."""
    world.group("support", *EVERYBODY)
    world.group("barred", "alice")
    world.configure(world.mapping(exclude=[world.source("barred")]))
    world.sync()
    done = rehearse(world)
    assert done.code == 0, done.out
    assert all(not one["additions"] for one in done.document["faults"])
    assert results(done)["empty-exclusion"]["limits"] == ["suddenly_empty"]


def test_a_typing_error_in_an_exclusion_gives_nobody_a_mailbox(world: World) -> None:
    """Where a filter excludes, its typing error is rehearsed too: whoever it lets in is held."""
    world.group("support", *EVERYBODY)
    world.configure(world.mapping(exclude=[{"filter": "(|(uid=alice)(uid=bob))"}]))
    world.sync()
    done = rehearse(world, "--fault", "filter-typo")
    [one] = done.document["faults"]
    assert (done.code, one["skipped"], one["additions"]) == (0, "", [])
    assert one["limits"] == ["configuration"]


def test_a_reader_that_swallows_a_limit_is_found_out(company: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build that takes a cut answer for a whole one fails the rehearsal: the check can fail."""

    class Careless(searchers.Truncated):
        def search(self, query: Query) -> Iterator[list[Entry]]:
            try:
                yield from super().search(query)
            except Refused:
                return

    def careless(searcher: Searcher) -> Searcher:
        return Careless(searcher, 1)

    fault = faults.Fault(name="truncated", told="…", wrap=lambda _world: careless)
    monkeypatch.setattr(faults, "FAULTS", (fault,))
    lax = {"removals": {"percent": 100, "floor": 100}}
    company.configure(company.mapping(sources=[{"filter": "(objectClass=inetOrgPerson)"}], limits=lax))
    company.sync()
    done = company.syncd("rehearse", "--fault", "truncated")
    assert done.code == 5
    assert "removed without asking" in done.out


def test_a_fault_is_chosen_by_name(company: World) -> None:
    """One fault alone, `truncated` with a number, and a name that is none."""
    assert [*results(rehearse(company, "--fault", "dn-case"))] == ["dn-case"]
    assert results(rehearse(company, "--fault", "truncated=500"))["truncated"]["incomplete"] == 0
    wrong = company.syncd("rehearse", "--fault", "dn_case")
    assert wrong.code == 2
    assert "there is no fault dn_case; there are: directory-down, wrong-base" in " ".join(wrong.err.split())


def test_what_is_not_complete_today_is_said(company: World) -> None:
    """A rehearsal that begins in an incomplete world warns of it."""
    company.configure(company.mapping(), company.mapping("gone"))
    done = company.syncd("rehearse", "--fault", "dn-case")
    assert "warning: not complete today: " in done.err
    assert "cn=gone" in done.err


def test_every_fault_is_in_the_help() -> None:
    """The help text names all faults."""
    text = " ".join(invoke("rehearse", "--help").out.split()).replace("- ", "-")
    assert [fault.name for fault in FAULTS if fault.name not in text] == []
