"""`status`, `held` and `approve`: how things stand, what a limit stopped, and how it is released."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import As, Config, Output, in_shell, ledger_of, out, print_json, say

if TYPE_CHECKING:
    from syncd.ledger.ledger import Ledger
    from syncd.ledger.values import HeldPlan, MailboxStatus, Run
    from syncd.settings.loading import Settings


def status(config: Config, output: As = Output.TEXT) -> None:
    """Show the last runs, and how each mailbox stands.

    In step, failed, held, withheld, waiting, incomplete (a source was not read), orphaned (left the configuration).
    Who is at work on this ledger, a daemon or a run, comes first.
    """
    with ledger_of(config) as (_, ledger):
        runs = ledger.runs(5)
        mailboxes = ledger.status()
        holders = {name: ledger.holder(name) for name in ("daemon", "run")}
    if output is Output.JSON:
        told = {"runs": [_run(run) for run in runs], "mailboxes": [_mailbox(one) for one in mailboxes]}
        print_json({**told, "leases": holders})
        return
    console = out()
    for name, holder in holders.items():
        if holder is not None:
            console.print(f"{name} lease: {holder}", markup=False, highlight=False)
    for run in runs:
        numbers = ", ".join(f"{count} {name}" for name, count in run.summary.items() if count)
        console.print(f"{run.started:%F %T} UTC  {run.command:7} {run.result:11} {numbers}", highlight=False)
        for error in run.errors:
            console.print(f"    {error}", style="red", markup=False, highlight=False)
    if not runs:
        console.print("no run yet", style="dim")
    for one in mailboxes:
        numbers = f"{one.desired} desired, {one.observed} stored, {one.claims} ours"
        style = None if _state(one) == "in step" else "yellow"
        line = f"{_state(one):11} {one.address} (context {one.ref.context}): {numbers}"
        console.print(line, style=style, markup=False, highlight=False)
        for reason in one.reasons:
            console.print(f"    {reason}", style="red", markup=False, highlight=False)


def held(config: Config, output: As = Output.TEXT) -> None:
    """List what a limit stopped, with the command that releases it."""
    from syncd.cli.text import held_lines  # noqa: PLC0415

    with ledger_of(config) as (_, ledger):
        plans = ledger.held()
    if output is Output.JSON:
        print_json({"held": [_held(plan) for plan in plans]})
        return
    console = out()
    for plan in plans:
        line = f"{plan.address} (context {plan.ref.context}), held since {plan.created:%F %T} UTC"
        if plan.state == "approved":
            line += f"; approved by {plan.approved_by}: the next run applies it if it still is the plan"
        console.print(line, style="bold", markup=False, highlight=False)
        for objection in plan.objections:
            for text in held_lines(str(objection["message"]), in_shell(config), approved=plan.state == "approved"):
                console.print(text, highlight=False)
    if not plans:
        console.print("nothing is held", style="dim")


def approve(
    digest: Annotated[str, typer.Argument(help="The digest that the held plan shows.", metavar="DIGEST")],
    config: Config,
) -> None:
    """Release a held plan. The next run applies it if it still is the plan."""
    from syncd.errors import SyncdError  # noqa: PLC0415

    who = _who()
    digest = digest if digest.startswith("sha256:") else f"sha256:{digest}"
    with ledger_of(config) as (settings, ledger):
        now = datetime.now(UTC)
        plan = ledger.approve(digest, who, now) or _shown(settings, ledger, digest, who, now)
    if plan is None:
        raise SyncdError(f"nothing with the digest {digest} is held", hint=f"see: syncd held -c {in_shell(config)}")
    say(f"approved: {plan.address} (context {plan.ref.context}); the next run applies it if it still is the plan")


def _who() -> str:
    """Name the user; in a container the uid may be nobody's."""
    try:
        return f"{getpass.getuser()} (uid {os.getuid()})"
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _shown(settings: Settings, ledger: Ledger, digest: str, who: str, now: datetime) -> HeldPlan | None:
    """Approve what no run has held so far, only `plan` has shown: hold it first, so that there is what is approved."""
    from syncd.wiring import assemble  # noqa: PLC0415

    instance = assemble(settings, ledger)
    try:
        for judgement in instance.reconciler.plan().judgements:
            if judgement.held_digest is not None and digest in {judgement.held_digest, judgement.digest}:
                ledger.register([(judgement.plan.mailbox.ref, judgement.plan.mailbox.address)], whole=False)
                ledger.hold(judgement.plan.mailbox.ref, judgement.held_digest, judgement.objections, {}, now)
                return ledger.approve(judgement.held_digest, who, now)
    finally:
        instance.close()
    return None


def _state(one: MailboxStatus) -> str:
    if one.orphaned_since is not None:
        return "orphaned"
    if one.run is None:
        return "not yet run"
    if not one.complete:
        return "incomplete"
    kinds = (("failed", one.failed), ("held", one.held), ("withheld", one.withheld), ("waiting", one.waiting))
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


def _mailbox(one: MailboxStatus) -> dict[str, Any]:
    return {
        "mailbox": one.address,
        "context": one.ref.context,
        "state": _state(one),
        "desired": one.desired,
        "observed": one.observed,
        "claimed": one.claims,
        "held": list(one.held),
        "held_digest": one.held_digest,
        "reasons": list(one.reasons),
        "at": one.at.isoformat() if one.at else None,
    }


def _held(plan: HeldPlan) -> dict[str, Any]:
    return {
        "digest": plan.digest,
        "mailbox": plan.address,
        "context": plan.ref.context,
        "state": plan.state,
        "since": plan.created.isoformat(),
        "approved_by": plan.approved_by,
        "objections": [dict(objection) for objection in plan.objections],
        **plan.plan,
    }
