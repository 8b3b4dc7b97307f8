"""A report as people read it: grouped by mailbox, what would happen first, what did not and why after it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console
from rich.text import Text

from syncd.cli.document import by_change
from syncd.cli.document import change as as_document
from syncd.cli.options import in_shell
from syncd.core.changes import Direction, Judgement, Notice, Op, Orphan, Outcome, Report
from syncd.core.guard import RELEASE
from syncd.core.verdict import summary

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SIGNS = {Op.CREATE: ("+", "green"), Op.UPDATE: ("~", "yellow"), Op.DELETE: ("-", "red")}
DONE = {"create": "created", "update": "updated", "delete": "deleted"}
PLANNED = {"create": "to create", "update": "to update", "delete": "to delete", "adopted": "to adopt"}
SHOWN = 50
"""Lines per mailbox and kind; `--output json` has all."""
ALIKE = 5
"""Up to so many notices with one reason have a line each."""


def show(report: Report, console: Console, *, config: str) -> None:
    """Print a report.

    Args:
        report: a plan or a run.
        console: where to.
        config: the configuration file as a shell takes it, for the commands that are named.
    """
    outcomes = by_change(report.outcomes)
    quiet = 0
    for judgement in report.judgements:
        lines = list(_lines(report, judgement, outcomes, config))
        if not lines:
            quiet += 1
            continue
        _say(console, _head(judgement))
        for line in lines:
            _say(console, line)
    for orphan in report.orphans:
        _say(console, Text(_orphaned(orphan, config), style="yellow"))
    for error in report.errors:
        _say(console, Text(f"error: {error}", style="bold red"))
    if quiet:
        unchanged = sum(judgement.plan.unchanged for judgement in report.judgements)
        told = f"{_many(quiet, 'mailbox', 'mailboxes')} in step ({_many(unchanged, 'account')})"
        _say(console, Text(told, style="dim"))
    if others := sum(judgement.plan.others for judgement in report.judgements):
        told = f"{_many(others, 'account')} of people who should not have one left alone: not ours (extra: leave)"
        _say(console, Text(told, style="dim"))
    _say(console, _summary(report))


def _lines(report: Report, judgement: Judgement, outcomes: dict[object, Outcome], config: str) -> Iterator[Text]:
    plan = judgement.plan
    for reason in plan.reasons:
        yield Text(f"  ! not read completely: {reason}", style="bold red")
    yield from _cut(_changes(judgement, outcomes), len(plan.changes))
    verb = "adopted: this existing account is ours from now on" if report.applied else "adopt this existing account"
    verb = "adoption held" if Direction.ADDITIONS in judgement.held else verb
    yield from _cut((Text(f"  = {a.login} ({a.user}) {verb}", style="cyan") for a in plan.adopted), len(plan.adopted))
    yield from _cut(_notices(plan.withheld, "withheld", "magenta"), len(plan.withheld))
    yield from _cut(_notices(plan.waiting, "waiting", "blue"), len(plan.waiting))
    yield from _cut(_notices(plan.conflicts, "conflict", "bold yellow"), len(plan.conflicts))
    yield from _cut(
        (Text(f"  ? {n.member}: {n.reason}", style="yellow") for n in plan.unresolved), len(plan.unresolved)
    )
    since = report.since.get(("dangling", plan.mailbox.ref), {})
    yield from _cut((_dangling(dn, since.get(dn)) for dn in plan.dangling), len(plan.dangling))
    yield from _cut(_notices(plan.drift, "drift", "dim"), len(plan.drift))
    yield from _cut((Text(f"  {note}", style="dim") for note in plan.notes), len(plan.notes))
    for objection in judgement.objections:
        yield from held_lines(objection.message, config)
    if judgement.approved:
        yield Text(f"  released by the approval of {judgement.approved}", style="green")


def _changes(judgement: Judgement, outcomes: dict[object, Outcome]) -> Iterator[Text]:
    for one in judgement.plan.changes:
        told = as_document(judgement, one, outcomes)
        sign, colour = SIGNS[one.op]
        line = Text(f"  {sign} {one.login or 'user'} ({one.user}) ", style=colour)
        done = {"planned": one.op.value, "applied": f"{one.op.value}d", "held": f"{one.op.value} held"}
        line.append(done.get(told["result"], f"{one.op.value} FAILED: {told['error']}"), style="bold")
        if one.op is Op.UPDATE:
            fields = told["fields"].items()
            line.append(": " + ", ".join(f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in fields))
        elif one.op is Op.DELETE:
            line.append(f": {one.reason}")
        elif one.path:
            line.append(f": {one.dn} by {' > '.join(one.path)}")
        yield line


def _value(value: object) -> str:
    return "none" if value is None else "''" if value == "" else str(value)


def _dangling(dn: str, since: datetime | None) -> Text:
    return Text(f"  ? {dn}: listed, but there is no such entry" + (f", since {since:%F %T} UTC" if since else ""))


def held_lines(message: str, config: str, *, approved: bool = False) -> Iterator[Text]:
    """Give an objection, and the command that releases the plan on a line of its own, whole for copying."""
    told, _, command = message.partition(RELEASE)
    yield Text(f"  HELD {told}", style="bold red")
    if command and not approved:
        yield Text(f"       {RELEASE.strip()}", style="red")
        yield Text(f"  {command} -c {config}", style="bold")


def _notices(notices: Iterable[Notice], kind: str, style: str) -> Iterator[Text]:
    """Tell what is not done; many of a kind for one reason are one line."""
    alike: dict[tuple[str, str], list[Notice]] = {}
    for notice in notices:
        alike.setdefault((notice.op, notice.reason), []).append(notice)
    for (op, reason), some in alike.items():
        what = f"{op} {kind}" if op else kind
        if len(some) <= ALIKE:
            yield from (Text(f"  ! {_who(notice)} {what}: {reason}", style=style) for notice in some)
        else:
            names = ", ".join(_who(notice) for notice in some[:3])
            yield Text(f"  ! {len(some)} accounts {what}: {reason} ({names}, …)", style=style)


def _who(notice: Notice) -> str:
    return notice.member if notice.user is None else f"{notice.login or 'user'} ({notice.user})"


def _cut(lines: Iterator[Text], count: int) -> Iterator[Text]:
    for number, line in enumerate(lines):
        if number == SHOWN:
            yield Text(f"  … and {count - SHOWN} more (--output json has all)", style="dim")
            return
        yield line


def _head(judgement: Judgement) -> Text:
    plan = judgement.plan
    line = Text(plan.mailbox.address, style="bold")
    line.append(f"  context {plan.mailbox.context}: ", style="dim")
    desired = f"{plan.desired}" if plan.complete else f"at least {plan.desired}"
    line.append(f"{desired} desired, {plan.observed} stored, {plan.claimed} ours", style="dim")
    return line


def _orphaned(orphan: Orphan, config: str) -> str:
    since = f" since {orphan.since:%F %T} UTC" if orphan.since else ""
    which = f"{in_shell(orphan.address)} --context {orphan.context} -c {config}"
    return (
        f"{orphan.address} (context {orphan.context}) is not configured{since}: {orphan.claimed} accounts stay. "
        f"Delete them: syncd retire {which}. Let go of them: syncd release {which}"
    )


def _summary(report: Report) -> Text:
    counts = summary(report)
    words = DONE if report.applied else PLANNED
    parts = [f"{count} {words.get(name, name)}" for name, count in counts.items() if count]
    busy = any(count for name, count in counts.items() if name != "unchanged")
    return Text(", ".join(parts) if busy else f"in step: {counts['unchanged']} unchanged", style="bold")


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def _say(console: Console, line: Text) -> None:
    if CONTROL.search(line.plain):  # a name must not paint the terminal
        line = Text(CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", line.plain), style=line.style)
    console.print(line, soft_wrap=True, highlight=False)
