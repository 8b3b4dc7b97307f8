"""How a report reads: what matters first, commands that can be copied, nothing that paints the terminal."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from syncd.cli.text import ALIKE, show
from syncd.core.changes import Direction, Judgement, MailboxPlan, Notice, Objection, Orphan
from syncd.core.guard import RELEASE
from tests.telemetry import reports


def shown(plan: MailboxPlan, **more: object) -> str:
    """Give the text of a report with this one plan."""
    text = io.StringIO()
    report = reports.report(Judgement(plan=plan, **more))  # type: ignore[arg-type]
    show(report, Console(file=text, width=60), config="syncd.yaml")
    return text.getvalue()


def plan(withheld: Sequence[Notice] = (), **more: object) -> MailboxPlan:
    return MailboxPlan(mailbox=reports.mailbox(), complete=True, withheld=tuple(withheld), **more)  # type: ignore[arg-type]


def notices(count: int, reason: str = "not every source was read completely") -> list[Notice]:
    return [Notice(user, f"u{user}", f"uid=u{user}", "delete", reason, user) for user in range(1, count + 1)]


def test_few_notices_have_a_line_each() -> None:
    """Up to the limit everybody is named."""
    text = shown(plan(notices(ALIKE)))
    assert text.count("delete withheld: not every source") == ALIKE


def test_many_notices_for_one_reason_are_one_line() -> None:
    """A directory that is down does not read like everybody leaving, one by one."""
    text = shown(plan([*notices(ALIKE + 1), Notice(9, "other", "", "delete", "its member is still there", 9)]))
    assert f"! {ALIKE + 1} accounts delete withheld: not every source was read completely (u1 (1)" in text
    assert text.count("withheld") == 3  # both lines, and the summary
    assert "! other (9) delete withheld: its member is still there" in text


def test_the_command_that_releases_stands_alone_on_its_line() -> None:
    """It is not broken by the width of the terminal, so it can be copied."""
    digest = "sha256:" + "0" * 64
    objection = Objection(
        limit="removals",
        directions=frozenset({Direction.REMOVALS}),
        value=4,
        allowed=3,
        message=f"4 accounts would be removed.{RELEASE}syncd approve {digest}",
    )
    text = shown(plan(), objections=(objection,), held=frozenset({Direction.REMOVALS}), held_digest=digest)
    assert f"\n  syncd approve {digest} -c syncd.yaml\n" in text


def test_an_address_that_a_shell_would_read_is_quoted() -> None:
    """The commands for an orphaned mailbox work as they are copied, whatever its address."""
    orphan = Orphan(context=1, address="o'brien@example.org", claimed=2, since=None)
    text = io.StringIO()
    report = replace(reports.report(), orphans=(orphan,))
    show(report, Console(file=text, width=60), config="syncd.yaml")
    command = text.getvalue().split("Delete them: ")[1].split(". Let go")[0]
    assert shlex.split(command) == ["syncd", "retire", orphan.address, "--context", "1", "-c", "syncd.yaml"]


def test_accounts_of_others_are_told_of() -> None:
    """What `extra: leave` leaves alone is not silent."""
    assert "2 accounts of people who should not have one left alone" in shown(plan(others=2))


def test_names_do_not_paint_the_terminal() -> None:
    """Control characters of directory values are shown as escapes."""
    text = shown(plan([Notice(1, "\x1b[31mred", "", "delete", "why", 1)]))
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text


def test_an_incomplete_read_counts_from_below() -> None:
    """What was read of a source that was not read to its end is a part."""
    found = MailboxPlan(mailbox=reports.mailbox(), complete=False, reasons=("group cn=a: gone",), desired=3)
    assert "at least 3 desired" in shown(found)
