"""`held`, `show`, `approve` and `reject`: what a limit stopped, and what a person says to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd.cli.options import As, Config, Output, in_shell, ledger_of, out, print_json, say
from syncd.cli.persons import By, Digest, age, find, meant, person

if TYPE_CHECKING:
    from rich.text import Text

    from syncd.core.model import MailboxRef
    from syncd.errors import SyncdError
    from syncd.ledger.ledger import Ledger
    from syncd.ledger.values import HeldPlan
    from syncd.settings.loading import Settings

SIGNS = {"create": "+", "update": "~", "delete": "-", "adopt": "=", "forget": "?"}


def held(config: Config, output: As = Output.TEXT) -> None:
    """List what a limit stopped, with the command for each answer."""
    with ledger_of(config) as (settings, ledger):
        plans = ledger.held()
    now, stands = datetime.now(UTC), timedelta(seconds=settings.limits.approval)
    if output is Output.JSON:
        print_json({"held": [document(plan, stands, now) for plan in plans]})
        return
    from syncd.cli.text import say_line  # noqa: PLC0415

    console = out()
    for plan in plans:
        for line in _lines(plan, stands, now, config):
            say_line(console, line)
    if not plans:
        console.print("nothing is held", style="dim")


def show(digest: Digest, config: Config, output: As = Output.TEXT) -> None:
    """Show every change of a held plan, with login, user, path and fields.

    What was not part of an earlier approval is marked as new.
    """
    with ledger_of(config) as (settings, ledger):
        plan = find(digest, ledger.held())
    if plan is None:
        raise _unknown(digest, config)
    now, stands = datetime.now(UTC), timedelta(seconds=settings.limits.approval)
    if output is Output.JSON:
        print_json(document(plan, stands, now))
        return
    from syncd.cli.text import say_line  # noqa: PLC0415

    console = out()
    for line in (*_lines(plan, stands, now, config, look=False), *_changes(plan)):
        say_line(console, line)


def approve(digest: Digest, config: Config, by: By = None) -> None:
    """Release a held plan. The next run applies it if it still is the plan, or what is left of it.

    What came to the plan since then holds it again. The approval ends after `limits.approval` (24 hours).
    """
    who = person(by)
    with ledger_of(config) as (settings, ledger):
        now, stands = datetime.now(UTC), timedelta(seconds=settings.limits.approval)
        ledger.expire(now - stands, now)
        plan = find(digest, ledger.held()) or _shown(settings, ledger, digest, now)
        if plan is None:
            raise _unknown(digest, config)
        before = plan.approved_by
        plan = ledger.approve(plan.digest, who, now)
        if plan is None:  # a run found another plan just now
            raise _unknown(digest, config)
        idle, daemon = _paused(ledger, plan.ref, now), ledger.holder("daemon")
    ends = (plan.approved_at or now) + stands
    if before is not None:
        say(f"approved already by {before}: {_named(plan)}, until {ends:%F %T} UTC")
    else:
        when = "the daemon applies it within seconds" if daemon else "the next run applies it"
        say(f"approved: {_named(plan)}; {when} if it still is the plan, or what is left of it, until {ends:%F %T} UTC")
    if idle:
        say(f"  but nothing is applied now: {idle}. Go on with: syncd resume", "yellow")


def reject(digest: Digest, config: Config, by: By = None) -> None:
    """Say that a held plan is not wanted.

    It stays held as long as it is the plan, nobody is told of it again, and `approve` still releases it.
    """
    who = person(by)
    with ledger_of(config) as (settings, ledger):
        now = datetime.now(UTC)
        plan = find(digest, ledger.held()) or _shown(settings, ledger, digest, now)
        if plan is None:
            raise _unknown(digest, config)
        before, withdrawn = plan.rejected_by, plan.approved_by
        plan = ledger.reject(plan.digest, who, now)
        if plan is None:
            raise _unknown(digest, config)
        run = ledger.holder("run")
    if before is not None:
        say(f"rejected already by {before}: {_named(plan)}")
        return
    say(f"rejected: {_named(plan)}; it stays held, and nobody is told again")
    if withdrawn is not None:
        say(f"  the approval of {withdrawn} is withdrawn", "yellow")
        if run is not None:
            say(f"  {run} is at work and may have begun with it: see syncd status", "yellow")


def document(plan: HeldPlan, stands: timedelta, now: datetime) -> dict[str, Any]:
    """Give a held plan as JSON can hold it; keys may be added, the ones here stay."""
    ends = plan.approved_at + stands if plan.approved_at else None
    return {
        "digest": plan.digest,
        "mailbox": plan.address,
        "context": plan.ref.context,
        "state": plan.state,
        "since": plan.created.isoformat(),
        "age_seconds": max(0, round((now - plan.created).total_seconds())),
        "approved_by": plan.approved_by,
        "approved_at": plan.approved_at.isoformat() if plan.approved_at else None,
        "expires": ends.isoformat() if ends else None,
        "rejected_by": plan.rejected_by,
        "rejected_at": plan.rejected_at.isoformat() if plan.rejected_at else None,
        "done": _done(plan),
        "told": sorted(plan.told),
        "objections": [dict(objection) for objection in plan.objections],
        **plan.plan,
    }


# --------------------------------------------------------------------------- text


def _lines(plan: HeldPlan, stands: timedelta, now: datetime, config: Path, *, look: bool = True) -> Iterator[Text]:
    """Tell what is held, why, what somebody said to it, and what can be said."""
    from rich.text import Text  # noqa: PLC0415

    from syncd.core.guard import NOTHING, RELEASE  # noqa: PLC0415

    done = _done(plan)
    since = f"held since {plan.created:%F %T} UTC ({age(now - plan.created)})"
    yield Text(f"{_named(plan)}, {since}", style="bold")
    for objection in plan.objections:
        told, _, _ = str(objection["message"]).partition(RELEASE)
        told = told.replace(NOTHING, f" {done} of {plan.plan['total']} changes are done.") if done else told
        yield Text(f"  HELD {told}", style="bold red")
    if plan.approved_at is not None:
        yield Text(f"  {_approved(plan, plan.approved_at + stands, now)}", style="green")
    if plan.rejected_at is not None:
        told = f"rejected by {plan.rejected_by} at {plan.rejected_at:%F %T} UTC: it stays held, nobody is told again"
        yield Text(f"  {told}", style="yellow")
    file = in_shell(config)
    if look:
        yield Text("       Look at the changes with:")
        yield Text(f"  syncd show {plan.digest} -c {file}", style="bold")
    if plan.state != "approved":
        yield Text("       Release it with:" if plan.rejected_at is None else "       Release it after all with:")
        yield Text(f"  syncd approve {plan.digest} -c {file}", style="bold")
    if plan.state != "rejected":
        yield Text("       If it is not wanted:")
        yield Text(f"  syncd reject {plan.digest} -c {file}", style="bold")


def _done(plan: HeldPlan) -> int:
    """Count the changes that an approval was used for already."""
    total = int(str(plan.plan.get("total", 0)))
    return total - len(plan.items) if plan.approved_at is not None and plan.items is not None else 0


def _approved(plan: HeldPlan, ends: datetime, now: datetime) -> str:
    if ends <= now:
        return f"the approval by {plan.approved_by} has expired at {ends:%F %T} UTC: the next run holds it again"
    left = f"the approval ends at {ends:%F %T} UTC (in {age(ends - now)})"
    return f"approved by {plan.approved_by} at {plan.approved_at:%F %T} UTC: applied by the next run; {left}"


def _changes(plan: HeldPlan) -> Iterator[Text]:
    """Tell each change on a line; what created accounts get is the same for most, and told once."""
    from rich.text import Text  # noqa: PLC0415

    changes: Sequence[Mapping[str, Any]] = plan.plan.get("changes") or ()  # type: ignore[assignment]
    total = int(str(plan.plan.get("total", len(changes))))
    given: Counter[str] = Counter()
    for one in changes:
        path = f"by {' > '.join(one['path'])}" if one["path"] else ""
        fields = _fields(one["fields"]) if one["op"] == "update" else ""
        parts = "; ".join(part for part in (fields, one.get("reason"), path) if part)
        head = f"  {SIGNS[one['op']]} {one['login'] or 'user'} ({one['user']}) {one['op']}"
        line = Text(f"{head}: {parts}" if parts else head)
        if one["op"] == "create":
            given[", ".join(f"{name} {_value(new)}" for name, (_, new) in one["fields"].items())] += 1
        if one.get("new"):
            line.append("  NEW: not part of what was approved", style="bold")
        yield line
    if total > len(changes):
        yield Text(f"  … and {total - len(changes)} more, which the digest covers too", style="dim")
    for fields, count in given.items():
        if fields:
            yield Text(f"  {count} of the new accounts get: {fields}", style="dim")


def _fields(fields: Mapping[str, Sequence[object]]) -> str:
    return ", ".join(f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in fields.items())


def _value(value: object) -> str:
    return "none" if value is None else "''" if value == "" else str(value)


def _named(plan: HeldPlan) -> str:
    total = plan.plan.get("total")
    changes = "" if total is None else f", {total} change{'' if total == 1 else 's'}"
    return f"{plan.address} (context {plan.ref.context}){changes}"


# --------------------------------------------------------------------------- finding it


def _unknown(digest: str, config: Path) -> SyncdError:
    from syncd.errors import SyncdError  # noqa: PLC0415

    return SyncdError(f"nothing with the digest {digest} is held", hint=f"see: syncd held -c {in_shell(config)}")


def _shown(settings: Settings, ledger: Ledger, text: str, now: datetime) -> HeldPlan | None:
    """Hold what no run has held so far and only `plan` has shown, so that there is what can be decided about."""
    from syncd.ledger.held import items, shown  # noqa: PLC0415
    from syncd.wiring import assemble  # noqa: PLC0415

    instance = assemble(settings, ledger)
    try:
        judgements = [one for one in instance.reconciler.plan().judgements if one.held_digest is not None]
    finally:
        instance.close()
    digest = meant(text, [name for one in judgements for name in (one.held_digest, one.digest) if name is not None])
    for judgement in judgements:
        if digest is not None and judgement.held_digest is not None and digest in {
            judgement.held_digest, judgement.digest
        }:  # fmt: skip
            mailbox = judgement.plan.mailbox
            ledger.register([(mailbox.ref, mailbox.address)], whole=False)
            told = shown(judgement), now, items(judgement)
            ledger.hold(mailbox.ref, judgement.held_digest, judgement.objections, *told)
            return next((plan for plan in ledger.held() if plan.digest == judgement.held_digest), None)
    return None


def _paused(ledger: Ledger, ref: MailboxRef, now: datetime) -> str:
    """Say by whom a mailbox is paused; empty = by nobody."""
    found = next((pause for pause in ledger.paused(now) if pause.ref in {None, ref}), None)
    return f"paused by {found.by}" if found else ""
