"""Whether a read continues the last one, and what became of the changes of a run that died."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from syncd.core.continuity import partial_wait_reason, qualified, settle, wait_reason
from syncd.core.model import Observed
from tests.core.strategies import RIGHT, WRONG, observed

ONE, TWO = "ldaps://ldap1.example.org", "ldaps://ldap2.example.org"
EARLY, LATE = "20260101000000.000000Z#000000#001#000000", "20260101000001.000000Z#000000#001#000000"
SECOND = "20260101000000.000000Z#000000#002#000000"
AD_EARLY, AD_LATE = (f"{number:020}#000000#dc1#000000" for number in (9, 10))
AD_OTHER = f"{11:020}#000000#dc2#000000"
SECOND_LATE = "20260102000000.000000Z#000000#002#000000"


@pytest.mark.parametrize(
    ("last", "server", "counter"),
    [
        pytest.param(None, ONE, EARLY, id="first read"),
        pytest.param((ONE, EARLY), "", None, id="no server answered"),
        pytest.param((ONE, EARLY), ONE, EARLY, id="nothing changed"),
        pytest.param((ONE, EARLY), ONE, LATE, id="went on"),
        pytest.param((ONE, None), ONE, EARLY, id="no counter then"),
        pytest.param((ONE, EARLY), ONE, f"{EARLY} {SECOND}", id="a replica more"),
        pytest.param((ONE, f"{EARLY} {SECOND}"), ONE, f"{SECOND} {LATE}", id="sorted in another way"),
        pytest.param((ONE, "7"), ONE, "8", id="a plain counter"),
        pytest.param((ONE, AD_EARLY), ONE, AD_LATE, id="a number of twenty digits"),
        pytest.param((ONE, AD_LATE), ONE, f"{AD_LATE} {EARLY}", id="another directory answers too"),
        pytest.param(("", None), ONE, EARLY, id="no server was asked last time"),
        pytest.param((ONE, f"{EARLY} {LATE}"), ONE, LATE, id="the newest of a replica counts"),
    ],
)
def test_a_read_that_continues_the_last_one_lets_removals_pass(
    last: tuple[str, str | None] | None, server: str, counter: str | None
) -> None:
    """The same server with a change counter that did not go back makes nothing wait."""
    assert wait_reason(last, server, counter) is None


@pytest.mark.parametrize(
    ("last", "server", "counter", "words"),
    [
        pytest.param((ONE, EARLY), TWO, LATE, [ONE, TWO, "second complete read"], id="another server"),
        pytest.param((ONE, None), TWO, None, [ONE, TWO], id="another server without counters"),
        pytest.param((ONE, LATE), ONE, EARLY, [ONE, "went back", "second complete read"], id="went back"),
        pytest.param((ONE, EARLY), ONE, None, [ONE, "not to be seen any more"], id="no counter now"),
        pytest.param(
            (ONE, f"{EARLY} {SECOND_LATE}"), ONE, f"{LATE} {SECOND}", ["went back"], id="one replica went back"
        ),
        pytest.param((ONE, f"{EARLY} {SECOND}"), ONE, LATE, ["went back"], id="a replica is gone"),
        pytest.param((ONE, f"{LATE} {EARLY}"), ONE, EARLY, ["went back"], id="before the newest of a replica"),
        pytest.param((ONE, AD_LATE), ONE, AD_EARLY, ["went back"], id="a number of twenty digits went back"),
        pytest.param((ONE, AD_EARLY), ONE, AD_OTHER, ["went back"], id="another server behind the same name"),
    ],
)
def test_a_read_that_does_not_continue_makes_removals_wait(
    last: tuple[str, str | None], server: str, counter: str | None, words: list[str]
) -> None:
    """Another server, or a change counter that went back on any replica, is a reason that names the server."""
    reason = wait_reason(last, server, counter)
    assert reason is not None
    assert all(word in reason for word in words)


def test_the_counters_of_two_directories_are_told_apart() -> None:
    """Replicas of the same number in two directories are two, each compared with itself."""
    names = ("hq", "lab")
    before = " ".join(qualified(counter, name) for counter, name in zip((EARLY, LATE), names, strict=True))
    now = " ".join(qualified(counter, name) for counter, name in zip((LATE, LATE), names, strict=True))
    back = " ".join(qualified(counter, name) for counter, name in zip((LATE, EARLY), names, strict=True))
    assert wait_reason((ONE, before), ONE, now) is None
    assert wait_reason((ONE, now), ONE, back) is not None


def test_every_replica_of_a_directory_is_qualified() -> None:
    """Each value keeps its time and numbers, and what is no such value is left out."""
    assert qualified(f"{EARLY} 7 {SECOND}", "hq") == " ".join(
        value.replace("#00", "#hq/00", 2).replace("#hq/00", "#00", 1) for value in (EARLY, SECOND)
    )


@pytest.mark.parametrize("name", ["the hq", "the#hq", "the # hq"])
def test_a_qualified_counter_is_always_written_alike(name: str) -> None:
    """The ledger keeps it until the next run, which compares it with what it writes itself."""
    assert qualified(EARLY, name) == "20260101000000.000000Z#000000#the_hq/001#000000"


BOTH = f"{ONE} {TWO}"
HQ_EARLY, HQ_LATE, HQ_SECOND = (qualified(counter, "the hq") for counter in (EARLY, LATE, SECOND_LATE))
LAB_EARLY, LAB_LATE = (qualified(counter, "lab") for counter in (EARLY, LATE))


@pytest.mark.parametrize(
    ("last", "answers"),
    [
        pytest.param(None, {"lab": (TWO, EARLY)}, id="first read"),
        pytest.param(("", None), {"lab": (TWO, EARLY)}, id="no server was asked last time"),
        pytest.param((BOTH, f"{HQ_EARLY} {LAB_EARLY}"), {}, id="none answered"),
        pytest.param((BOTH, f"{HQ_EARLY} {LAB_EARLY}"), {"lab": (TWO, EARLY)}, id="nothing changed"),
        pytest.param((BOTH, f"{HQ_EARLY} {LAB_EARLY}"), {"the hq": (ONE, LATE)}, id="went on"),
        pytest.param(
            (BOTH, f"{HQ_LATE} {LAB_EARLY}"), {"lab": (TWO, EARLY)}, id="the counter of the other is no matter"
        ),
        pytest.param(
            (BOTH, f"{HQ_EARLY} {HQ_SECOND}"), {"the hq": (ONE, f"{LATE} {SECOND_LATE}")}, id="both replicas went on"
        ),
        pytest.param((BOTH, None), {"lab": (TWO, EARLY)}, id="no counter then"),
        pytest.param((BOTH, None), {"lab": (TWO, None)}, id="never a counter"),
        pytest.param((BOTH, HQ_EARLY), {"lab": (TWO, None), "the hq": (ONE, EARLY)}, id="one of them has no counter"),
    ],
)
def test_directories_that_answered_and_continue_let_removals_pass(
    last: tuple[str, str | None] | None, answers: Mapping[str, tuple[str, str | None]]
) -> None:
    """Where not all answered, those that did are compared, each with what it said itself."""
    assert partial_wait_reason(last, answers) is None


@pytest.mark.parametrize(
    ("last", "answers", "expected"),
    [
        pytest.param(
            (ONE, EARLY),
            {"lab": (TWO, LATE)},
            f"read from {TWO}, the last complete read was from {ONE}; waits for a second complete read",
            id="another server",
        ),
        pytest.param(
            (ONE, None),
            {"lab": (TWO, None)},
            f"read from {TWO}, the last complete read was from {ONE}; waits for a second complete read",
            id="another server without counters",
        ),
        pytest.param(
            (f"{ONE} ldaps://old", f"{HQ_EARLY} {LAB_EARLY}"),
            {"the hq": (ONE, LATE), "lab": (TWO, LATE)},
            f"read from {TWO}, the last complete read was from {ONE} ldaps://old; waits for a second complete read",
            id="the second has another server",
        ),
        pytest.param(
            (BOTH, f"{HQ_EARLY} {LAB_LATE}"),
            {"the hq": (ONE, LATE), "lab": (TWO, EARLY)},
            f"the change counter of {TWO} went back; waits for a second complete read",
            id="the second went back",
        ),
        pytest.param(
            (BOTH, f"{HQ_EARLY} {HQ_SECOND} {LAB_EARLY}"),
            {"the hq": (ONE, f"{LATE} {SECOND}")},
            f"the change counter of {ONE} went back; waits for a second complete read",
            id="one replica went back",
        ),
        pytest.param(
            (BOTH, f"{HQ_EARLY} {HQ_SECOND} {LAB_EARLY}"),
            {"the hq": (ONE, SECOND_LATE)},
            f"the change counter of {ONE} went back; waits for a second complete read",
            id="a replica is gone",
        ),
        pytest.param(
            (BOTH, f"{HQ_EARLY} {LAB_EARLY}"),
            {"lab": (TWO, None)},
            f"the change counter of {TWO} is not to be seen any more; waits for a second complete read",
            id="no counter now",
        ),
    ],
)
def test_a_directory_that_answered_and_does_not_continue_makes_removals_wait(
    last: tuple[str, str | None], answers: Mapping[str, tuple[str, str | None]], expected: str
) -> None:
    """Where not all answered, whoever one calls disabled goes; so it has to be the server it was, no older."""
    assert partial_wait_reason(last, answers) == expected


@pytest.mark.parametrize("name", ["the hq", "hq#1", " "])
def test_the_name_of_a_directory_does_not_cut_its_counter(name: str) -> None:
    """A blank or a number sign in a name changes no comparison."""
    late, early = qualified(LATE, name), qualified(EARLY, name)
    assert len(late.split()) == 1
    assert late.count("#") == 3
    assert wait_reason((ONE, late), ONE, early) is not None
    assert wait_reason((ONE, early), ONE, late) is None


NEW = {"mail_url": RIGHT.mail_url, "login": RIGHT.login}


@pytest.mark.parametrize(
    ("op", "new", "stored", "expected"),
    [
        pytest.param("create", None, [observed(4, 20)], "applied", id="create, stored"),
        pytest.param("create", None, [observed(4, 30), observed(4, 20)], "applied", id="create, stored beside another"),
        pytest.param("create", None, [observed(4, 30)], "abandoned", id="create, another id"),
        pytest.param("create", None, [], "abandoned", id="create, nothing"),
        pytest.param("create", None, [observed(4, 20, secondary=False)], "abandoned", id="create, a private account"),
        pytest.param("delete", None, [], "applied", id="delete, gone"),
        pytest.param("delete", None, [observed(4, 30)], "applied", id="delete, another id"),
        pytest.param("delete", None, [observed(4, 20)], "abandoned", id="delete, still stored"),
        pytest.param("update", NEW, [observed(4, 20)], "applied", id="update, new values"),
        pytest.param("update", NEW, [observed(4, 20, fields=WRONG)], "abandoned", id="update, old values"),
        pytest.param(
            "update", NEW, [observed(4, 20, fields=RIGHT._replace(login="x"))], "abandoned", id="update, one value"
        ),
        pytest.param("update", NEW, [observed(4, 30)], "abandoned", id="update, another id"),
        pytest.param("update", NEW, [], "abandoned", id="update, gone"),
        pytest.param("update", {**NEW, "password": "***"}, [observed(4, 20)], "applied", id="update, with password"),
        pytest.param("update", {}, [observed(4, 20, password=True)], "applied", id="update, the password is right"),
        pytest.param("update", {}, [observed(4, 20, password=False)], "abandoned", id="update, the password is wrong"),
        pytest.param("update", {}, [observed(4, 20)], "applied", id="update, passwords are not managed any more"),
        pytest.param("update", {"name": "x"}, [observed(4, 20)], "abandoned", id="update, a field that is not kept"),
        pytest.param("update", {"gone": "x"}, [observed(4, 20)], "abandoned", id="update, a field there is no more"),
    ],
)
def test_an_open_change_is_settled_by_what_is_stored(
    op: str, new: Mapping[str, object] | None, stored: list[Observed], expected: str
) -> None:
    """Each row of the table: a change counts as applied exactly when its result is stored."""
    assert settle(op, 20, new, stored) == expected
