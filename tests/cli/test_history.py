"""History: what is shown of the journal, to whom it is exported, and whether it is what was written."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.openxchange import playground
from tests.cli.holding import SALES, SUPPORT
from tests.cli.place import Place


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give a history: 3 and 4 join support@, 5 joins and 4 leaves, 6 joins sales@, 7 is given support@ by hand."""
    place = Place(tmp_path_factory.mktemp("history"))
    place.members([3, 5])
    place.sync()
    place.configure("support", "sales")
    place.members([3, 5], [6])
    place.sync()
    place.account("create", "--users", "7", "--pin")
    place.station.remember()
    return place


@pytest.fixture
def place(past: Place) -> Place:
    """Give it as it was."""
    past.station.restore()
    past.configure("support", "sales")
    return past


def history(place: Place, *words: str) -> list[dict[str, Any]]:
    """Give the entries as JSON."""
    done = place.syncd("history", "--output", "json", *words)
    assert done.code == 0, done.err
    return list(done.document["history"])


def told(entries: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Give operation and user of entries."""
    return [(one["op"], one["user"]) for one in entries]


ALL = [("create", 3), ("create", 4), ("delete", 4), ("create", 5), ("create", 6), ("pin", 7), ("create", 7)]


def test_every_change_is_told(place: Place) -> None:
    """When, what, why, through what, by which run and command, and with what result; the newest last."""
    entries = history(place)
    assert told(entries) == ALL
    assert [one["change"] for one in entries] == sorted(one["change"] for one in entries)
    deleted, made, pinned, given = entries[2], entries[3], entries[5], entries[6]
    assert (deleted["command"], deleted["reason"], deleted["result"]) == ("sync", "no longer a member", "applied")
    assert deleted["old"]["mail"]["name"] == "Team"
    assert made["run"] == deleted["run"]
    assert (made["login"], made["mailbox"], made["context"]) == ("u5", SUPPORT, 1)
    assert made["path"] == ["cn=support,dc=mycompany,dc=com"]
    assert made["new"]["login"] == "team"
    assert (pinned["run"], pinned["reason"], pinned["path"][0]) == ("", "keep", "by hand")
    assert (given["command"], given["path"][0]) == ("account create", "by hand")
    now = datetime.now(UTC)
    assert all(abs((datetime.fromisoformat(one["at"]) - now).total_seconds()) < 3600 for one in entries)
    assert all(len(one["hash"]) == 64 for one in entries)


def test_the_text_is_for_people(place: Place) -> None:
    """One line for each change under its run, what has no run apart; what failed is marked."""
    place.ledger("UPDATE journal SET result = 'failed', error = 'no such thing' WHERE user = 6")
    lines = place.syncd("history").out.splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert [re.sub(r"run [0-9a-f]{32}  ", "run ", line) for line in heads] == [
        "run sync",
        "run sync",
        "run sync",
        "outside of runs",
        "run account create",
    ]
    assert len(lines) == len(heads) + len(ALL)
    [line] = [line for line in lines if "delete u4 (4)" in line]
    assert re.fullmatch(
        rf" +\d+  20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC  delete u4 \(4\) {SUPPORT} \(context 1\) account 2  "
        "no longer a member",
        line,
    )
    [line] = [line for line in lines if "create u6 (6)" in line]
    assert line.endswith("FAILED: no such thing")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--mailbox", SALES), ALL[4:5]),
        (("--mailbox", SUPPORT.upper()), ALL[:4] + ALL[5:]),
        (("--context", "1"), ALL),
        (("--user", "4"), ALL[1:3]),
        (("--user", "u4"), ALL[1:3]),
        (("--user", "nobody"), []),
        (("--user", "4", "--mailbox", SALES), []),
        (("--limit", "2"), ALL[5:]),
        (("--limit", "1", "--user", "4"), ALL[2:3]),
        (("--since", "1h"), ALL),
        (("--since", "2099-01-01"), []),
    ],
)
def test_what_is_asked_for(place: Place, words: tuple[str, ...], expected: list[tuple[str, int]]) -> None:
    """Mailbox, context, user by id or login, time and number of entries narrow it, alone and together."""
    assert told(history(place, *words)) == expected


def test_a_run_by_its_beginning(place: Place) -> None:
    """A run is named by its id, or by as much of it as is unique."""
    run = history(place)[2]["run"]
    assert told(history(place, "--run", run)) == ALL[2:4]
    assert told(history(place, "--run", run[:12])) == ALL[2:4]
    for wrong in ("ffffffffff", run[:3], ""):
        done = place.syncd("history", "--run", wrong)
        assert (done.code, "no run begins with" in done.err) == (1, True), done.err
    place.ledger("UPDATE runs SET run = 'abcd' || substr(run, 5)")
    done = place.syncd("history", "--run", "abcd")
    assert (done.code, "several runs begin with abcd" in done.err) == (1, True)


def test_a_login_of_digits(place: Place) -> None:
    """A number that is nobody's id may be a login."""
    with place.station.engine.begin() as connection:
        playground.add_users(connection, 1, [(50, "4711", "4711@mycompany.com")])
    place.account("create", "--users", "50")
    assert told(history(place, "--user", "4711")) == [("create", 50)]


def test_mailboxes_that_left_are_remembered(place: Place) -> None:
    """A mailbox that is not configured any more still has a history; one that never was is an error."""
    place.configure("support")
    place.syncd("sync")
    assert told(history(place, "--mailbox", SALES)) == ALL[4:5]
    done = place.syncd("history", "--mailbox", "never@mycompany.com")
    assert (done.code, "nothing is known of never@mycompany.com" in done.err) == (1, True)


def test_the_text_is_cut_and_says_so(place: Place) -> None:
    """A text has the newest entries and says that there are more; an export has all."""
    text = place.syncd("history", "--limit", "3").out
    assert text.splitlines()[0] == "only the newest 3; --limit shows more, --output jsonl all"
    assert text.count("(context 1)") == 3
    assert "only the newest" not in place.syncd("history", "--limit", str(len(ALL))).out
    assert len(history(place)) == len(ALL)


def test_the_export_has_one_entry_a_line(place: Place) -> None:
    """JSON lines are the same entries as the JSON document."""
    lines = place.syncd("history", "--output", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == history(place)


def test_times_that_are_none(place: Place) -> None:
    """A time that is not understood is an error of usage, with what is."""
    done = place.syncd("history", "--since", "yesterday")
    assert (done.code, "2026-12-24" in done.err) == (2, True)


def test_names_do_not_paint_the_terminal(place: Place) -> None:
    """Control characters of a name show as escapes."""
    place.ledger("UPDATE journal SET login = 'x' || char(27) || '[31m' WHERE user = 4")
    assert "x\\x1b[31m (4)" in place.syncd("history").out


def test_an_empty_history(tmp_path: Path) -> None:
    """Before anything was done that is said."""
    place = Place(tmp_path)
    place.ledger("DELETE FROM journal")
    assert place.syncd("history").out == "nothing was done\n"
    assert history(place) == []


# --------------------------------------------------------------------------- verify


def test_a_whole_journal(place: Place) -> None:
    """As long as nobody touched it, the whole journal is as it was written, with its last hash, also as JSON."""
    done = place.syncd("history", "--verify")
    last = place.ledger("SELECT COUNT(*), MAX(seq) FROM journal")[0]
    head = place.ledger(f"SELECT hash FROM journal WHERE seq = {last[1]}")[0][0]
    assert done.code == 0
    assert f"the journal is as it was written: {last[0]} entries since 20" in done.out
    assert f"its last hash is {head}" in done.out
    found = place.syncd("history", "--verify", "--output", "json").document
    assert (found["whole"], found["entries"], found["head"], found["problems"]) == (True, last[0], head, [])


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE journal SET login = 'other' WHERE seq = 2", "entry 2 is not what was written"),
        ("UPDATE journal SET reason = NULL WHERE op = 'delete'", "is not what was written"),
        ("UPDATE journal SET result = 'failed' WHERE seq = 1", "entry 1"),
        ("DELETE FROM journal WHERE seq = 2", "entry 2 is missing"),
        ("DELETE FROM journal WHERE seq = (SELECT MAX(seq) FROM journal)", "missing"),
        ("UPDATE texts SET body = '{}'", "its text"),
    ],
)
def test_an_edited_journal(place: Place, statement: str, problem: str) -> None:
    """What was edited or removed is named by its number, and the exit code is 1."""
    place.ledger(statement)
    done = place.syncd("history", "--verify")
    assert (done.code, problem in done.err) == (1, True), done.err
    assert "the journal is NOT what was written" in done.out
    found = place.syncd("history", "--verify", "--output", "json")
    assert (found.code, found.document["whole"]) == (1, False)
    assert any(problem in one for one in found.document["problems"])


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE journal SET path = 'edited'", ["history"]),
        ("UPDATE texts SET body = 'edited'", ["history", "--output", "jsonl"]),
        ("UPDATE held_plans SET items = 'edited'", ["sync"]),
        ("UPDATE held_plans SET plan = 'edited'", ["held"]),
    ],
)
def test_a_ledger_that_was_edited_is_no_defect(place: Place, statement: str, words: list[str]) -> None:
    """What cannot be read any more is shown, with the command that tells what else is wrong; nothing is written."""
    place.members([3, 4])  # and nobody in sales@, which is held
    assert place.syncd("sync").code == 4
    before = place.station.tables()
    place.ledger(statement)
    done = place.syncd(*words)
    assert (done.code, place.station.tables()) == (1, before)
    assert "it holds what syncd did not write: 'edited'" in done.err
    assert "syncd history --verify" in done.err


def test_a_journal_that_was_pruned(place: Place) -> None:
    """What `history.keep` removed is counted, and what is left is whole."""
    place.ledger("UPDATE journal SET at = at - 30 * 86400000 WHERE seq <= 3")
    before = len(history(place))
    place.configure("support", "sales", history={"keep": "7d"})
    place.sync()
    assert len(history(place)) == before  # no run of a day ago knows that it is so late
    place.ledger("UPDATE runs SET started = started - 25 * 3600000")
    place.sync()
    assert len(history(place)) == before - 2  # with the conclusion of their batch
    done = place.syncd("history", "--verify")
    assert "3 entries were removed as `history.keep` asks" in done.out
    assert (done.code, done.err) == (0, "")


def test_verifying_goes_alone(place: Place) -> None:
    """Nothing that narrows a history narrows its verification."""
    for words in (("--user", "4"), ("--limit", "3"), ("--mailbox", SUPPORT)):
        assert place.syncd("history", "--verify", *words).code == 2


def test_a_number_of_entries_that_no_database_counts_is_refused(place: Place) -> None:
    """It is an error of usage, and no defect."""
    done = place.syncd("history", "--limit", "9" * 20)
    assert (done.code, "--limit" in done.err) == (2, True)
