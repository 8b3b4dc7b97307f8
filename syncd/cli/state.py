"""`status`: how things stand."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from syncd.cli.options import As, Config, Output, ledger_of, out, print_json
from syncd.cli.pausing import named_pause

if TYPE_CHECKING:
    from rich.console import Console

    from syncd.core.model import MailboxRef
    from syncd.ledger.values import MailboxStatus, Pause, Run


def status(config: Config, output: As = Output.TEXT) -> None:
    """Show the last runs, and how each mailbox stands.

    In step, failed, held, withheld, waiting, incomplete (a source was not read), orphaned (left the configuration),
    paused, or idle (staging, or not yet its turn in a rollout). Who is at work on this ledger, a daemon or a run, and
    what is paused come first.
    """
    with ledger_of(config) as (_, ledger):
        runs = ledger.runs(5)
        mailboxes = ledger.status()
        holders = {name: ledger.holder(name) for name in ("daemon", "run")}
        pauses = ledger.paused(datetime.now(UTC))
    addresses = {one.ref: one.address for one in mailboxes}
    paused = {pause.ref for pause in pauses}
    if output is Output.JSON:
        told = {"runs": [_run(run) for run in runs], "mailboxes": [_mailbox(one, paused) for one in mailboxes]}
        print_json({**told, "leases": holders, "paused": [_pause(pause, addresses) for pause in pauses]})
        return
    console = out()
    for name, holder in holders.items():
        if holder is not None:
            console.print(f"{name} lease: {holder}", markup=False, highlight=False)
    for pause in pauses:
        console.print(f"paused: {named_pause(pause, addresses)}", style="yellow", markup=False, highlight=False)
    for run in runs:
        numbers = ", ".join(f"{count} {name}" for name, count in run.summary.items() if count)
        console.print(f"{run.started:%F %T} UTC  {run.command:7} {run.result:11} {numbers}", highlight=False)
        for error in run.errors:
            console.print(f"    {error}", style="red", markup=False, highlight=False)
    if not runs:
        console.print("no run yet", style="dim")
    for one in mailboxes:
        _show(one, _state(one, paused), console)


def _show(one: MailboxStatus, state: str, console: Console) -> None:
    numbers = f"{one.desired} desired, {one.observed} stored, {one.claims} ours"
    style = None if state == "in step" else "yellow"
    line = f"{state:11} {one.address} (context {one.ref.context}): {numbers}"
    console.print(line, style=style, markup=False, highlight=False)
    for reason in one.reasons:
        console.print(f"    {reason}", style="red", markup=False, highlight=False)
    if one.idle and state != "paused":
        console.print(f"    at the last run: {one.idle}", markup=False, highlight=False)


def _state(one: MailboxStatus, paused: Container[MailboxRef | None]) -> str:
    if one.orphaned_since is not None:
        return "orphaned"
    if None in paused or one.ref in paused:
        return "paused"
    if one.run is None:
        return "not yet run"
    if not one.complete:
        return "incomplete"
    kinds = (
        ("failed", one.failed),
        ("idle", one.idle),
        ("held", one.held),
        ("withheld", one.withheld),
        ("waiting", one.waiting),
    )
    return next((name for name, found in kinds if found), "in step")


def _run(run: Run) -> dict[str, Any]:
    return {
        "run": run.run,
        "command": run.command,
        "started": run.started.isoformat(),
        "finished": run.finished.isoformat() if run.finished else None,
        "result": run.result,
        "summary": dict(run.summary),
        "errors": list(run.errors),
    }


def _pause(pause: Pause, addresses: dict[MailboxRef, str]) -> dict[str, Any]:
    return {
        "mailbox": addresses.get(pause.ref, pause.ref.key) if pause.ref else None,
        "context": pause.ref.context if pause.ref else None,
        "by": pause.by,
        "since": pause.since.isoformat(),
        "until": pause.until.isoformat() if pause.until else None,
    }


def _mailbox(one: MailboxStatus, paused: Container[MailboxRef | None]) -> dict[str, Any]:
    return {
        "mailbox": one.address,
        "context": one.ref.context,
        "state": _state(one, paused),
        "idle": one.idle,
        "desired": one.desired,
        "observed": one.observed,
        "claimed": one.claims,
        "held": list(one.held),
        "held_digest": one.held_digest,
        "reasons": list(one.reasons),
        "at": one.at.isoformat() if one.at else None,
    }
