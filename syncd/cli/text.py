"""A report as people read it: grouped by mailbox, what would happen first, what did not and why after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console
from rich.text import Text

from syncd.cli.document import by_change
from syncd.cli.document import change as as_document
from syncd.cli.options import in_shell, printable
from syncd.core.changes import BY_HAND, Adoption, Change, Direction, Judgement, Notice, Op, Orphan, Outcome, Report
from syncd.core.digest import item
from syncd.core.guard import RELEASE
from syncd.core.reads import Proof
from syncd.core.verdict import summary

SIGNS = {Op.CREATE: ("+", "green"), Op.UPDATE: ("~", "yellow"), Op.DELETE: ("-", "red")}
DONE = {"create": "created", "update": "updated", "delete": "deleted"}
PLANNED = {"create": "to create", "update": "to update", "delete": "to delete", "adopted": "to adopt"}
LEFT = {"idle": "not made of idle mailboxes", "deferred": "left to the next run"}
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
    quiet: list[Judgement] = []
    for judgement in report.judgements:
        lines = list(_lines(report, judgement, outcomes, config))
        if not lines and not proof:
            quiet.append(judgement)
            continue
        for line in (*_head(judgement), *lines, *_proofs(judgement, whole=proof)):
            say_line(console, line)
    for reason in report.undiscovered:
        say_line(console, Text(f"! not all mailboxes are known: {reason}", style="bold red"))
    for problem in report.problems:
        say_line(console, Text(f"? {problem}", style="yellow"))
    for orphan in report.orphans:
        say_line(console, Text(_orphaned(orphan, config), style="yellow"))
    for line in (*_troubles(report), *_in_step(quiet)):
        say_line(console, line)
    if others := sum(judgement.plan.others for judgement in report.judgements):
        told = f"{_many(others, 'account')} of people who should not have one left alone: not ours (extra: leave)"
        say_line(console, Text(told, style="dim"))
    say_line(console, _summary(report))


def _in_step(quiet: Iterable[Judgement]) -> Iterator[Text]:
    """Count the mailboxes of which there is nothing to tell; those that are idle by their reasons."""
    reasons: Counter[str] = Counter()
    unchanged = 0
    for judgement in quiet:
        reasons[judgement.idle] += 1
        unchanged += 0 if judgement.idle else judgement.plan.unchanged
    for reason, count in sorted(reasons.items(), reverse=True):
        told = f"{_many(count, 'mailbox', 'mailboxes')} "
        if reason:
            yield Text(f"{told}idle, with nothing to do: {reason}", style="yellow")
        else:
            yield Text(f"{told}in step ({_many(unchanged, 'account')})", style="dim")


def _troubles(report: Report) -> Iterator[Text]:
    """Tell of the errors of systems, and of what went wrong without harm to what was written."""
    yield from (Text(f"error: {error}", style="bold red") for error in report.errors)
    late = "warning: users may see changes late: "
    yield from (Text(late + warning, style="yellow") for warning in report.warnings)


def _lines(report: Report, judgement: Judgement, outcomes: dict[object, Outcome], config: str) -> Iterator[Text]:
    plan = judgement.plan
    for reason in plan.reasons:
        yield Text(f"  ! not read completely: {reason}", style="bold red")
    if plan.configuration and (plan.changes or plan.adopted or plan.withheld or plan.waiting):
        yield Text("  ~ its configuration has changed since the last run that left nothing open", style="yellow")
    yield from _cut(_changes(report, judgement, outcomes), len(plan.changes))
    yield from _cut(_adoptions(report, judgement), len(plan.adopted))
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
    yield from held_lines([objection.message for objection in judgement.objections], config)
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


def _adoptions(report: Report, judgement: Judgement) -> Iterator[Text]:
    made = report.applied and not judgement.idle
    verb = "adopted: this existing account is ours from now on" if made else "adopt this existing account"
    verb = "adoption held" if Direction.ADDITIONS in judgement.held and not judgement.idle else verb
    for one in judgement.plan.adopted:
        yield _marked(Text(f"  = {one.login} ({one.user}) {verb}", style="cyan"), judgement, one)


def _marked(line: Text, judgement: Judgement, one: Change | Adoption) -> Text:
    """Mark what came to a plan after a part of it was approved."""
    mailbox = judgement.plan.mailbox
    if judgement.beyond and item(mailbox.context, mailbox.address, one) in judgement.beyond:
        line.append("  NEW: not part of what was approved", style="bold")
    return line


def _changes(report: Report, judgement: Judgement, outcomes: dict[object, Outcome]) -> Iterator[Text]:
    waits = " left to the next run" if report.applied and not judgement.idle else ""
    for one in judgement.plan.changes:
        told = as_document(judgement, one, outcomes)
        sign, colour = SIGNS[one.op]
        line = Text(f"  {sign} {one.login or 'user'} ({one.user}) ", style=colour)
        done = {"planned": f"{one.op.value}{waits}", "applied": f"{one.op.value}d", "held": f"{one.op.value} held"}
        line.append(done.get(told["result"], f"{one.op.value} FAILED: {told['error']}"), style="bold")
        if one.op is Op.UPDATE:
            fields = told["fields"].items()
            line.append(": " + ", ".join(f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in fields))
        elif one.op is Op.DELETE or one.path[:1] == (BY_HAND,):
            line.append(f": {one.reason}")
        elif one.path:
            line.append(f": {one.dn} by {' > '.join(one.path)}")
        yield _marked(line, judgement, one)


def _value(value: object) -> str:
    return "none" if value is None else "''" if value == "" else str(value)


def _dangling(dn: str, since: datetime | None) -> Text:
    return Text(f"  ? {dn}: listed, but there is no such entry" + (f", since {since:%F %T} UTC" if since else ""))


def held_lines(messages: Iterable[str], config: str) -> Iterator[Text]:
    """Give what is objected, and the command that releases the plan once, on a line of its own, whole for copying."""
    told = [message.partition(RELEASE) for message in messages]
    yield from (Text(f"  HELD {message}", style="bold red") for message, _, _ in told)
    for command in dict.fromkeys(command for _, _, command in told if command):
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


def _head(judgement: Judgement) -> Iterator[Text]:
    plan = judgement.plan
    line = Text(plan.mailbox.address, style="bold")
    line.append(f"  context {plan.mailbox.context}: ", style="dim")
    desired = f"{plan.desired}" if plan.complete else f"at least {plan.desired}"
    line.append(f"{desired} desired, {plan.observed} stored, {plan.claimed} ours", style="dim")
    yield line
    if judgement.idle:
        yield Text(f"  idle, nothing is applied: {judgement.idle}", style="bold yellow")


def _orphaned(orphan: Orphan, config: str) -> str:
    since = f" since {orphan.since:%F %T} UTC" if orphan.since else ""
    which = f"{in_shell(orphan.address)} --context {orphan.context} -c {config}"
    return (
        f"{orphan.address} (context {orphan.context}) is not configured{since}; left to you: "
        f"{_many(orphan.claimed, 'account')}. Delete them: syncd retire {which}. Let go of them: syncd release {which}"
    )


def _summary(report: Report) -> Text:
    counts = summary(report)
    words = (DONE if report.applied else PLANNED) | LEFT
    parts = [f"{count} {words.get(name, name)}" for name, count in counts.items() if count]
    busy = any(count for name, count in counts.items() if name != "unchanged")
    if busy:
        return Text(", ".join(parts), style="bold")
    waiting = sum(len(judgement.plan.waiting) for judgement in report.judgements)
    if any(judgement.held and not judgement.idle for judgement in report.judgements):
        state = "nothing done, since a limit holds it"  # claims that would end are no changes
    elif not report.complete or report.problems:
        state = "nothing to do, as far as is known"
    else:
        state = "nothing to do yet" if waiting else "in step"
    told = f"{waiting} waiting, " if waiting else ""
    return Text(f"{state}: {told}{counts['unchanged']} unchanged", style="bold")


def _many(count: int, one: str, more: str | None = None) -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def say_line(console: Console, line: Text) -> None:
    """Print one line, whole; what would steer the terminal shows as an escape."""
    told = printable(line.plain).replace("\n", "\\x0a")
    if told != line.plain:
        line = Text(told, style=line.style)
    console.print(line, soft_wrap=True, highlight=False)
