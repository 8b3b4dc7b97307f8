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
from syncd.core.reads import Proof
from syncd.core.verdict import summary

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
SIGNS = {Op.CREATE: ("+", "green"), Op.UPDATE: ("~", "yellow"), Op.DELETE: ("-", "red")}
DONE = {"create": "created", "update": "updated", "delete": "deleted"}
PLANNED = {"create": "to create", "update": "to update", "delete": "to delete", "adopted": "to adopt"}
SHOWN = 50
"""Lines per mailbox and kind; `--output json` has all."""
ALIKE = 5
"""Up to so many notices with one reason have a line each."""

ORDINARY = frozenset({"user", "group"})
"""Classes of member values that call for no look at the proof."""


def show(report: Report, console: Console, *, config: str, proof: bool = False) -> None:
    """Print a report.

    Args:
        report: a plan or a run.
        console: where to.
        config: the configuration file as a shell takes it, for the commands that are named.
        proof: tell of every source what its read consists of, not only where there is something to look at.
    """
    outcomes = by_change(report.outcomes)
    quiet = unchanged = 0
    for judgement in report.judgements:
        lines = list(_lines(report, judgement, outcomes, config))
        if not lines and not proof:
            quiet += 1
            unchanged += judgement.plan.unchanged
            continue
        say_line(console, _head(judgement))
        for line in (*lines, *_proofs(judgement, whole=proof)):
            say_line(console, line)
    for reason in report.undiscovered:
        say_line(console, Text(f"! not all mailboxes are known: {reason}", style="bold red"))
    for problem in report.problems:
        say_line(console, Text(f"? {problem}", style="yellow"))
    for orphan in report.orphans:
        say_line(console, Text(_orphaned(orphan, config), style="yellow"))
    for line in _troubles(report):
        say_line(console, line)
    if quiet:
        told = f"{_many(quiet, 'mailbox', 'mailboxes')} in step ({_many(unchanged, 'account')})"
        say_line(console, Text(told, style="dim"))
    if others := sum(judgement.plan.others for judgement in report.judgements):
        told = f"{_many(others, 'account')} of people who should not have one left alone: not ours (extra: leave)"
        say_line(console, Text(told, style="dim"))
    say_line(console, _summary(report))


def _troubles(report: Report) -> Iterator[Text]:
    """Tell of the errors of systems, and of what went wrong without harm to what was written."""
    yield from (Text(f"error: {error}", style="bold red") for error in report.errors)
    late = "warning: users may see changes late: "
    yield from (Text(late + warning, style="yellow") for warning in report.warnings)


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


def _proofs(judgement: Judgement, *, whole: bool) -> Iterator[Text]:
    """Tell what the reads consist of: of all sources, or of those that a person may want to look at."""
    plan = judgement.plan
    shown = {
        source: proof
        for source, proof in plan.proofs.items()
        if whole or not plan.complete or not {name for name, count in proof.values.items() if count} <= ORDINARY
    }
    yield from _cut((Text(f"  read {proof_line(*one)}", style="dim") for one in shown.items()), len(shown))


def proof_line(source: str, proof: Proof) -> str:
    """Put a proof in words: `group cn=… on ldaps://dc1 as cn=syncd…: 3 pages, 2 ranges, 7 groups: 3001 user, …`."""
    where = f" on {proof.server}" if proof.server else ""
    who = f" as {proof.identity}" if proof.identity else ""
    steps = ((proof.pages, "page"), (proof.ranges, "range"), (proof.groups, "group"))
    took = ", ".join(_many(count, what) for count, what in steps if count)
    values = ", ".join(f"{count} {name}" for name, count in proof.values.items() if count) or (
        "nobody" if proof.server else "not read"
    )
    return f"{source}{where}{who}: " + (f"{took}: {values}" if took else values)


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
        f"{orphan.address} (context {orphan.context}) is not configured{since}; left to you: "
        f"{_many(orphan.claimed, 'account')}. Delete them: syncd retire {which}. Let go of them: syncd release {which}"
    )


def _summary(report: Report) -> Text:
    counts = summary(report)
    words = DONE if report.applied else PLANNED
    parts = [f"{count} {words.get(name, name)}" for name, count in counts.items() if count]
    busy = any(count for name, count in counts.items() if name != "unchanged")
    if busy:
        return Text(", ".join(parts), style="bold")
    known = report.complete and not report.problems
    return Text(
        f"{'in step' if known else 'nothing to do, as far as is known'}: {counts['unchanged']} unchanged", style="bold"
    )


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def say_line(console: Console, line: Text) -> None:
    """Print one line, whole; a control character of a name shows as an escape."""
    if CONTROL.search(line.plain):  # a name must not paint the terminal
        line = Text(CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", line.plain), style=line.style)
    console.print(line, soft_wrap=True, highlight=False)
