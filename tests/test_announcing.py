"""What is held is told once: by each channel, after whichever run, and never again after a restart."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from syncd.announcing import LEASE, Announced, Announcer
from syncd.core.changes import Op
from syncd.core.finding import Finding
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from syncd.telemetry.notices import HeldNotice, Told
from tests.ledger.making import BOTH, NOON, SALES, change, judgement, report

HELD = report(judgement(held="sha256:a", changes=(change(Op.DELETE, 3),)), judgement(SALES, held="sha256:b"))


class Recorded:
    """A channel that remembers what it told, and tells only so many.

    Attributes:
        told: the notices that arrived, each time.
        most: how many arrive at most.
    """

    def __init__(self, name: str, most: int = 99) -> None:
        self.name = name
        self.told: list[list[HeldNotice]] = []
        self.most = most

    def tell(self, notices: Sequence[HeldNotice], now: datetime) -> Told:
        assert now == NOON + timedelta(hours=1)
        self.told.append(list(notices[: self.most]))
        problem = "the line is down" if len(notices) > self.most else ""
        return Told(frozenset(notice.digest for notice in notices[: self.most]), problem)

    def finding(self) -> Finding:
        raise AssertionError("only check asks")

    @property
    def digests(self) -> list[list[str]]:
        return [[notice.digest for notice in notices] for notices in self.told]


@pytest.fixture
def options(tmp_path: Path) -> LedgerOptions:
    return LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)


@pytest.fixture
def ledger(options: LedgerOptions) -> Iterator[Ledger]:
    """Give a ledger that holds a plan of each of two mailboxes."""
    with Ledger.open(options) as ledger:
        ledger.register(BOTH)
        ledger.finish(HELD)
        yield ledger


def announcer(ledger: Ledger, *channels: Recorded) -> Announcer:
    return Announcer(ledger=ledger, channels=channels, config="syncd.yaml", clock=lambda: NOON + timedelta(hours=1))


def ruin(folder: Path) -> None:
    """Take a table from the ledger, so that whoever asks for it gets an error."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as connection, connection:
        connection.execute("DROP TABLE held_plans")


def test_each_plan_is_told_once_by_each_channel(ledger: Ledger, options: LedgerOptions) -> None:
    """Neither the next run nor a restart tells again."""
    mail, webhook = Recorded("mail"), Recorded("webhook")
    assert announcer(ledger, mail, webhook).announce() == (Announced("mail", 2, ""), Announced("webhook", 2, ""))
    ledger.finish(HELD)
    assert announcer(ledger, mail, webhook).announce() == ()
    with Ledger.open(options) as again:
        assert announcer(again, mail, webhook).announce() == ()
    assert mail.digests == webhook.digests == [["sha256:a", "sha256:b"]]


def test_a_notice_has_what_a_person_needs(ledger: Ledger) -> None:
    """Mailbox, context, since when, the reasons without the command, and the three commands."""
    mail = Recorded("mail")
    announcer(ledger, mail).announce()
    notice = mail.told[0][0]
    assert (notice.mailbox, notice.context, notice.digest) == ("Support@x.org", 1, "sha256:a")
    assert (notice.since, notice.changes) == (NOON, 1)
    assert [one["message"] for one in notice.objections] == ["9 of 10 go"]
    assert [notice.look, notice.command, notice.reject] == [
        f"syncd {word} sha256:a -c syncd.yaml" for word in ("show", "approve", "reject")
    ]


def test_what_failed_is_tried_again(ledger: Ledger) -> None:
    """What arrived is not told again, the rest is, by the channel that failed only; a warning tells of it."""
    mail, webhook = Recorded("mail", most=1), Recorded("webhook")
    with capture_logs() as lines:
        assert announcer(ledger, mail, webhook).announce()[0] == Announced("mail", 1, "the line is down")
    [warning] = [line for line in lines if line["log_level"] == "warning"]
    assert (warning["event"], warning["channel"], warning["untold"]) == ("notice.failed", "mail", 1)
    assert warning["problem"] == "the line is down"
    assert announcer(ledger, mail, webhook).announce() == (Announced("mail", 1, ""),)
    assert mail.digests == [["sha256:a"], ["sha256:b"]]
    assert len(webhook.told) == 1


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_somebody_has_decided_is_not_told(ledger: Ledger, decision: str) -> None:
    """A plan that is approved or rejected asks nothing of anybody."""
    getattr(ledger, decision)("sha256:a", "root", NOON)
    mail = Recorded("mail")
    announcer(ledger, mail).announce()
    assert mail.digests == [["sha256:b"]]


def test_another_plan_is_told(ledger: Ledger) -> None:
    """When what is held changes, it is another plan with another digest, and people are told of that."""
    mail = Recorded("mail")
    announcer(ledger, mail).announce()
    ledger.finish(report(judgement(held="sha256:c")))
    announcer(ledger, mail).announce()
    assert mail.digests == [["sha256:a", "sha256:b"], ["sha256:c"]]


def test_two_at_once_do_not_tell_twice(ledger: Ledger) -> None:
    """While one process tells, another leaves it to it."""
    mail = Recorded("mail")
    with ledger.lease(LEASE, "somebody else", wait=0.0):
        assert announcer(ledger, mail).announce() == ()
    assert mail.told == []


def test_a_ledger_that_is_gone_fails_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """It is logged, and that is all: the run was good."""
    ruin(tmp_path)
    with capture_logs() as lines:
        assert announcer(ledger, Recorded("mail")).announce() == ()
    assert [line["event"] for line in lines] == ["notice.ledger"]


def test_without_a_channel_nothing_is_asked(ledger: Ledger, tmp_path: Path) -> None:
    """Whoever configured nobody to tell does not even read the ledger for it."""
    ruin(tmp_path)
    assert announcer(ledger).announce() == ()
