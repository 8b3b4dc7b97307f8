"""What is remembered of runs: result, summary, mailbox status, counts, cursor, sightings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from syncd.core.changes import Adoption, Notice, Op, Outcome, Report
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import Cursor
from tests.ledger.making import BOTH, NOON, SALES, SUPPORT, change, judgement, report

NOTICE = Notice(3, "carol", "uid=carol", "delete", "why")
FAILED = (Outcome(change=change(Op.CREATE, 4), result="failed", error="no"),)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (report(judgement()), "ok"),
        (report(judgement(unresolved=(NOTICE,), conflicts=(NOTICE,), waiting=(NOTICE,))), "ok"),
        (report(judgement(held="sha256:a")), "held"),
        (report(judgement(complete=False)), "incomplete"),
        (report(judgement(held="sha256:a", withheld=(NOTICE,))), "incomplete"),
        (report(judgement(held="sha256:a", complete=False), outcomes=FAILED), "failed"),
        (report(judgement(), errors=("context 7 refused",)), "failed"),
    ],
)
def test_the_result_follows_the_exit_codes(ledger: Ledger, made: Report, expected: str) -> None:
    """Failed before incomplete and withheld, those before held; unresolved, conflict and waiting alone are ok."""
    ledger.finish(made)
    assert ledger.runs()[0].result == expected


def test_the_summary_counts_what_was_done(ledger: Ledger) -> None:
    """Applied, failed and held changes are counted apart, and beside the contract's counts what stands open."""
    adopted = (Adoption(9, "x", 9, "id", "dn", (), None),)
    some = judgement(
        held="sha256:a",
        changes=(change(Op.DELETE, 3), change(Op.CREATE, 4)),
        adopted=adopted,
        unchanged=5,
        conflicts=(NOTICE,),
        dangling=("uid=x",),
    )
    outcomes = (Outcome(change=change(Op.CREATE, 4), result="applied"), *FAILED)
    ledger.finish(report(some, outcomes=outcomes))
    summary = ledger.runs()[0].summary
    assert {name: n for name, n in summary.items() if n} == {
        "create": 1, "failed": 1, "held": 1, "adopted": 1, "unchanged": 5, "conflicts": 1, "dangling": 1,
    }  # fmt: skip
    contract = ["create", "update", "delete", "adopted", "unchanged", "held", "withheld", "failed"]
    assert [name for name in summary if name in contract] == contract


def test_runs_are_remembered_newest_first(ledger: Ledger) -> None:
    """A run is running until it is finished; one that never was is interrupted once another begins."""
    ledger.begin("r1", "sync", NOON)
    assert [(run.run, run.result, run.finished) for run in ledger.runs()] == [("r1", "running", None)]
    ledger.begin("r2", "run", NOON + timedelta(seconds=1))
    ledger.finish(report(judgement(), run="r2", hours=1, server="ldap://a", errors=("no",), partial=True))
    newest, oldest = ledger.runs()
    assert (oldest.run, oldest.result) == ("r1", "interrupted")
    assert (newest.command, newest.result, newest.server, newest.errors) == ("run", "failed", "ldap://a", ("no",))
    assert (newest.finished, newest.partial) == (NOON + timedelta(hours=1), True)
    assert ledger.runs(limit=1) == (newest,)


def test_the_status_shows_the_last_run_that_covered_a_mailbox(ledger: Ledger) -> None:
    """A run over one mailbox leaves what is known of the other; reasons and held directions are there."""
    ledger.finish(report(judgement(desired=3, observed=2), judgement(SALES, desired=7), run="r1"))
    ledger.finish(
        report(judgement(held="sha256:a", complete=False, reasons=("gone",), withheld=(NOTICE,)), run="r2", hours=1)
    )
    sales, support = ledger.status()
    assert (sales.run, sales.desired, sales.complete, sales.held) == ("r1", 7, True, ())
    assert (support.run, support.at, support.complete) == ("r2", NOON + timedelta(hours=1), False)
    assert (support.reasons, support.held, support.held_digest) == (("gone",), ("removals",), "sha256:a")
    assert (support.withheld, support.claims) == (1, 0)


def test_the_status_says_why_nothing_was_applied(ledger: Ledger) -> None:
    """A mailbox that was idle at the last run has the reason; one that was not has none."""
    ledger.finish(report(replace(judgement(), idle="paused by root"), judgement(SALES)))
    assert {one.ref: one.idle for one in ledger.status()} == {SUPPORT: "paused by root", SALES: ""}


def test_a_mailbox_without_a_run_has_a_status(ledger: Ledger) -> None:
    """Before the first run the status lists the mailbox with nothing known."""
    assert [(status.ref, status.run, status.at) for status in ledger.status()] == [
        (SALES, None, None),
        (SUPPORT, None, None),
    ]


def test_counts_of_sources_not_given_stay(ledger: Ledger) -> None:
    """A source that was not read to the end keeps its last count; the others get theirs, zero too."""
    ledger.finish(report(judgement()), counts={(SUPPORT, "group a"): 5, (SUPPORT, "group ä"): 6})
    ledger.finish(report(judgement(), run="r2"), counts={(SUPPORT, "group a"): 0, (SALES, "group a"): 2})
    assert ledger.counts() == {(SUPPORT, "group a"): 0, (SUPPORT, "group ä"): 6, (SALES, "group a"): 2}


def test_a_cursor_moves_only_when_given(ledger: Ledger) -> None:
    """There is none at first; a mailbox without a complete read keeps its own, whatever others do."""
    assert ledger.cursors() == {}
    first, second = Cursor("ldap://a", "csn#1", True), Cursor("ldap://b", None, False)
    both = (judgement(), judgement(SALES))
    ledger.finish(report(*both, run="r1"), cursors={SUPPORT: first, SALES: first})
    ledger.finish(report(*both, run="r2"))
    assert ledger.cursors() == {SUPPORT: first, SALES: first}
    ledger.finish(report(*both, run="r3"), cursors={SALES: second})
    assert ledger.cursors() == {SUPPORT: first, SALES: second}


def test_sightings_keep_their_first_time(ledger: Ledger) -> None:
    """What is seen again keeps its age, what is not seen is forgotten, other mailboxes' sightings stay."""
    both = (judgement(), judgement(SALES))
    seen = {("dangling", SUPPORT): {"uid=a", "uid=b"}, ("dangling", SALES): {"uid=a"}}
    ledger.finish(report(*both, run="r1"), sightings=seen)
    later = {("dangling", SUPPORT): {"uid=b", "uid=c"}, ("withheld", SUPPORT): {"3"}, ("dangling", SALES): {"uid=z"}}
    ledger.finish(report(judgement(), run="r2", hours=1), sightings=later)
    first = NOON - timedelta(seconds=5)  # when the run began: so says its report too
    second = first + timedelta(hours=1)
    assert ledger.sightings() == {
        ("dangling", SUPPORT): {"uid=b": first, "uid=c": second},
        ("withheld", SUPPORT): {"3": second},
        ("dangling", SALES): {"uid=a": first},
    }
    ledger.finish(report(judgement(), run="r3", hours=2))
    assert set(ledger.sightings()) == {("dangling", SALES)}


def test_reading_writes_nothing(ledger: Ledger) -> None:
    """No reading call, nor registering what is registered, begins a writing transaction or sends more than SELECT."""
    sent: list[str] = []
    sa.event.listen(ledger._database._engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    plain = ledger._database.reading

    def watched() -> object:
        return plain()

    ledger._database.reading = watched  # type: ignore[method-assign,assignment]
    ledger._database.writing = None  # type: ignore[method-assign,assignment]
    ledger.claims(), ledger.windows(NOON), ledger.counts(), ledger.cursors(), ledger.approvals(NOON)
    ledger.orphans([]), ledger.unsettled(), ledger.held(), ledger.sightings(), ledger.runs()
    ledger.status(), ledger.holder("run")
    ledger.pins(NOON), ledger.paused(NOON), ledger.absences(), ledger.fingerprints(), ledger.begun()
    ledger.lapse(NOON), ledger.expire(NOON, NOON)
    ledger.register(BOTH)
    assert set(sent) <= {"BEGIN"}
