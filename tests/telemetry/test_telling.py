"""What a run leaves in the log."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from syncd.core.changes import Direction, Objection
from syncd.core.guard import RELEASE
from syncd.telemetry.telling import tell
from tests.telemetry.reports import judgement, report


def test_a_quiet_run_is_one_line() -> None:
    """A run that found nothing to look at logs one line, with its result."""
    with capture_logs() as lines:
        tell(report(judgement()))
    assert [(line["event"], line["log_level"], line["result"]) for line in lines] == [("run.finished", "info", "ok")]


def test_each_thing_to_look_at_has_its_line() -> None:
    """An incomplete read or discovery, an entry that makes no mailbox and an error each have a line of their own."""
    spoiled = report(
        judgement(complete=False, reasons=("ldap://x: no answer",)),
        undiscovered=("ldap://x: size limit exceeded",),
        problems=("syncd.yaml:30: cn=odd,dc=example: mailbox {mail} gives nothing",),
        errors=("the database has gone",),
    )
    with capture_logs() as lines:
        tell(spoiled)
    assert [line["event"] for line in lines] == [
        "discovery.incomplete", "discovery.problem", "read.incomplete", "run.error", "run.finished",
    ]  # fmt: skip
    assert lines[0]["reason"] == "ldap://x: size limit exceeded"
    assert "cn=odd" in lines[1]["problem"]
    assert (lines[2]["mailbox"], lines[2]["reasons"]) == ("support@example.org", ["ldap://x: no answer"])
    assert lines[4]["result"] == "failed"


def test_a_held_plan_is_one_line() -> None:
    """However many limits object, it has mailbox, digest, all reasons, and the command that releases it."""
    removals = frozenset({Direction.REMOVALS})
    objections = tuple(
        Objection(
            limit=limit, directions=removals, value=4, allowed=3, message=f"{limit}: no.{RELEASE}syncd approve sha256:a"
        )
        for limit in ("removals", "suddenly_empty")
    )
    held = replace(judgement(held=removals, configuration=True), objections=objections, held_digest="sha256:a")
    with capture_logs() as lines:
        tell(report(held))
    assert lines[0] == {
        "event": "plan.held",
        "log_level": "warning",
        "mailbox": "support@example.org",
        "context": 1,
        "digest": "sha256:a",
        "limits": ["removals", "suddenly_empty"],
        "objections": ["removals: no.", "suddenly_empty: no."],
        "command": "syncd approve sha256:a",
        "configuration": True,
    }
    assert [line["event"] for line in lines[1:]] == ["run.finished"]


def test_an_idle_mailbox_holds_nothing() -> None:
    """What a limit would say of a mailbox that is paused or staged asks nobody for an approval."""
    idle = replace(judgement(held=frozenset({Direction.REMOVALS})), idle="staging")
    with capture_logs() as lines:
        tell(report(idle))
    assert [line["event"] for line in lines] == ["run.finished"]
