"""People by their primary group, and how few questions that takes."""

from __future__ import annotations

import pytest

from syncd.directory.kinds import Server
from tests.directory.windows import BASE, Windows, dn, expanded, group, logins, plain, read, source, user


def test_people_with_a_primary_group_are_its_members() -> None:
    """They are members of every entered group with that number, by the shortest path, counted as what they are."""
    directory = Windows([
        user("anna", primary=700), user("bert", primary=701), user("off", primary=701, useraccountcontrol=b"514"),
        user("pc$", "computer", primary=701), user("carl"),
        group("top", ["in", "carl"], 700), group("in", ["carl", "anna"], 701),
    ])  # fmt: skip
    found = read(directory, "top")
    assert {member.names[0][0]: len(member.path) for member in found.members.values()} == {
        "anna": 1, "bert": 2, "carl": 1,
    }  # fmt: skip
    assert {found.members[key].names[0][0] for key in found.primary} == {"anna", "bert"}
    assert len(found.disabled) == 1
    assert found.complete
    assert found.proof.values == {"user": 5, "group": 1, "disabled": 1, "ignored computer": 1}


def test_groups_of_other_domains_have_no_primary_members_here() -> None:
    """A group whose SID is of another domain, or well-known, is not asked for by its number."""
    directory = Windows([user("anna", primary=700), group("all", [], 700)])
    server = Server("ad", (BASE,), "S-1-5-21-9-9-9", "")
    found = expanded(directory, source("all"), server=server).reads[source("all")]
    assert found.members == {}
    assert not any("primaryGroupID" in query.filter for query in directory.asked)


def test_a_group_without_a_sid_is_not_known_whole() -> None:
    """Where the SID may not be read nobody knows who has the group as primary; the source is incomplete."""
    for bare in plain("bare", "top", "group"), plain("bare", "top", "group", objectSid=b"odd"):
        found = read(Windows([bare]), "bare")
        assert found.causes == {"unreadable"}
    assert "objectSid" in found.reasons[0]
    assert dn("bare") in found.reasons[0]


@pytest.mark.parametrize("number", [3, 50, 51, 120])
def test_one_question_for_many_groups(number: int) -> None:
    """Up to fifty groups are one question, and more are two at most; nobody is missed either way."""
    groups = [group(f"g{n}", [f"in{n}"], 600 + n if n else 513) for n in range(number)]
    people = [user(f"p{n}", primary=600 + n if n else 513) for n in range(number)]
    directory = Windows([*groups, *people, *(user(f"in{n}", primary=999) for n in range(number))])
    reads = expanded(directory, *(source(f"g{n}") for n in range(number))).reads
    assert all(logins(one) == [f"in{n}", f"p{n}"] for n, one in enumerate(reads.values()))
    assert sum("primaryGroupID" in query.filter for query in directory.asked) == (1 if number <= 50 else 2)
    assert all(one.complete for one in reads.values())


def test_the_number_of_questions() -> None:
    """Sixty groups with two people each cost what groups and people cost by fifties, and one for primary groups."""
    groups = [group(f"g{n}", [f"p{n}", f"q{n}"], 600 + n) for n in range(60)]
    directory = Windows([*groups, *(user(f"{x}{n}") for n in range(60) for x in "pq")])
    expanded(directory, *(source(f"g{n}") for n in range(60)))
    assert len(directory.asked) == 2 + 3 + 1
