"""`undo`: take back what a run or a person did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.history import run_of
from syncd.cli.options import Config, in_shell, opened, out, say
from syncd.cli.persons import person

if TYPE_CHECKING:
    from pathlib import Path

    from syncd.byhand.inverse import Step
    from syncd.byhand.undoing import Undoing
    from syncd.core.changes import Report
    from syncd.core.desire import Desired
    from syncd.core.model import MailboxRef
    from syncd.ledger.ledger import Ledger
    from syncd.ledger.values import Entry
    from syncd.wiring import Instance

_LONGEST = 15
"""Digits of a number that may be that of a change."""


def undo(
    what: Annotated[
        str, typer.Argument(help="A run, or the number of a change, as history shows them.", metavar="RUN|CHANGE")
    ],
    config: Config,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep users, or keep them out, whatever the sources say, where it needs that.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out what is refused, and do the rest.")] = False,
    approve: Annotated[
        list[str] | None,
        typer.Option("--approve", metavar="DIGEST", help="The digest that was printed, where a limit objects."),
    ] = None,
    show: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
) -> None:
    """Take back what a run or a single change did, as far as the next run would not do it again.

    Accounts come back as the journal has them, with the passwords of the configuration and under a new id. Nothing is
    done while a part of it is refused (unless --partial is given) or held by a limit.
    """
    from syncd.byhand.undoing import Undo  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    with opened(config) as instance:
        if instance.settings.mode == "staging":
            raise SyncdError("the configuration says `mode: staging`: nothing is written")
        entries = _entries(instance.ledger, what)
        task = Undo(
            hand=instance.hand(person()),
            entries=entries,
            desired=_desired(instance, entries),
            ceilings=instance.reconciler.ceilings,
            pinning=pin,
            partial=partial,
            approved=approve or (),
        )
        started, found, report = datetime.now(UTC), task.prepare(), None
        stopped = found.held or (found.refused and not partial) or not any(step.acts for step in found.steps)
        if not show and not stopped:
            found, work = task.perform()
            report = _report(found, started)
            report = replace(
                report,
                run=work.run,
                outcomes=tuple(work.outcomes),
                errors=tuple(work.errors),
                warnings=tuple(task.hand.late),
                applied=True,
            )
    _told(found, report or _report(found, started), config, partial=partial)
    if found.held:
        _how_to_go_on(found, what, config, pin=pin, partial=partial)
    raise typer.Exit(_code(found, report, partial=partial))


def _entries(ledger: Ledger, what: str) -> list[Entry]:
    """Find what is to be undone.

    Raises:
        SyncdError: there is no such run or change, or both, or nothing of it can be undone.
    """
    from syncd.byhand.inverse import OPS  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    number = int(what) if what.isascii() and what.isdecimal() and len(what) <= _LONGEST else None
    found = list(ledger.history(seqs=[number])) if number is not None else []
    run = run_of(ledger, what)
    if found and run is not None:
        raise SyncdError(
            f"{what} is the number of a change and the beginning of run {run}", hint="give more of the run"
        )
    if run is not None:
        found = list(ledger.history(run=run))
    if not found:
        there = "nothing was done by it" if run is not None else f"there is no run or change {what}"
        raise SyncdError(there, hint="see: syncd history")
    chosen = [entry for entry in found if entry.op in OPS and entry.result == "applied"]
    if not chosen:
        kinds = ", ".join(sorted({f"{entry.op} ({entry.result})" for entry in found}))
        pending = any(entry.result == "pending" for entry in found)
        hint = "the next run finds out what became of it: syncd sync" if pending else None
        raise SyncdError(f"nothing of {what} can be undone: {kinds}", hint=hint)
    return chosen


def _desired(instance: Instance, entries: Sequence[Entry]) -> dict[MailboxRef, Desired]:
    """Ask the planner whom the sources name, of the mailboxes that a run looks after; what is pinned is left out.

    Raises:
        SyncdError: it cannot be told of one of them.
    """
    from syncd.core.desire import desire  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    addresses = {entry.ref: entry.address for entry in entries if entry.ref is not None}
    census = instance.reconciler.census()
    mapped = frozenset(mailbox.ref for mailbox in census.configured) & addresses.keys()
    if others := addresses.keys() - mapped:
        if census.undiscovered:
            raise SyncdError("not all mailboxes are known now", hint="; ".join(census.undiscovered))
        if unclear := sorted(addresses[ref] for ref in others if ref.key in census.unclear):
            raise SyncdError(f"{unclear[0]} is found by a mapping with a problem", hint="; ".join(census.problems))
    if not mapped:
        return {}
    _, facts, decision = instance.reconciler.examine(mapped)
    found = {}
    for ref in mapped:
        wish = decision.desired.get(ref)
        if wish is None:
            reason = facts.observation.unread.get(ref.context)
            raise SyncdError(f"{addresses[ref]} in context {ref.context} cannot be read now", hint=reason)
        found[ref] = desire(wish.mailbox, facts.reads, wish.users, facts.counts)
    return found


def _report(found: Undoing, started: datetime) -> Report:
    from syncd.core.changes import Report  # noqa: PLC0415

    return Report(run="", started=started, finished=datetime.now(UTC), judgements=found.judgements, partial=True)


def _code(found: Undoing, report: Report | None, *, partial: bool) -> int:
    """Give the exit code: 1 error, or refused; 5 something failed, or was left out; 4 held; else 0."""
    from syncd.core.verdict import exit_code  # noqa: PLC0415

    if found.refused and not partial:
        return 1
    code = exit_code(report) if report is not None else 0
    if code == 0 and found.held:
        return 4
    return 5 if found.refused and code in {0, 4} else code


# --------------------------------------------------------------------------- what is said


def _told(found: Undoing, report: Report, config: Path, *, partial: bool) -> None:
    from syncd.cli.text import show  # noqa: PLC0415

    for line in _lines(found.steps):
        say(line, "red" if line.startswith("refused") else "dim")
    if found.refused and not partial:
        say("nothing was done, since a part of it is refused; with --partial the rest is done", "red")
    if found.judgements:
        show(report, out(), config=in_shell(config))
    elif not found.refused:
        out().print("nothing is left to undo")


def _lines(steps: Sequence[Step]) -> Iterator[str]:
    """Say what is not to be done and why; what has one reason in one mailbox is one line."""
    from syncd.byhand.undoing import whom  # noqa: PLC0415

    alike: dict[tuple[str, str, MailboxRef | None, str], list[Entry]] = {}
    for step in steps:
        why = step.refused or step.idle
        if why:
            kind = "refused" if step.refused else "nothing to do"
            alike.setdefault((kind, step.entry.op, step.entry.ref, why), []).append(step.entry)
    for (kind, op, ref, why), some in alike.items():
        where = f"{some[0].address} (context {ref.context if ref else 0})"
        yield f"{kind}: {op} of {whom(some)} in {where}: {why}"


def _how_to_go_on(found: Undoing, what: str, config: Path, *, pin: bool, partial: bool) -> None:
    words = ["syncd undo", in_shell(what), *(["--pin"] if pin else []), *(["--partial"] if partial else [])]
    words += [f"--approve {judgement.held_digest}" for judgement in found.held]
    say(f"Nothing was done. Do it all the same with:\n  {' '.join(words)} -c {in_shell(config)}", "red")
