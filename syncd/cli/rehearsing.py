"""`rehearse`: try the claim that nothing is taken away when something fails, on one's own directory and database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import As, Config, Context, Mailboxes, Output, named, opened, out, print_json, say, spinner

if TYPE_CHECKING:
    from syncd.rehearsal.faults import Fault
    from syncd.rehearsal.rehearse import Rehearsed

_SHOWN = 10
"""Accounts that are named one by one."""


def rehearse(
    config: Config,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", metavar="NAME", help="Only this fault; may be given several times; truncated=N too."),
    ] = None,
    mailbox: Mailboxes = None,
    context: Context = None,
    output: As = Output.TEXT,
) -> None:
    """Show what a run would take away if something went wrong. Writes nothing anywhere.

    The real planner runs on today's directory and database, as if today's plan was made already, with one fault after
    the other: directory-down, wrong-base, truncated, range-lost, empty-group, empty-exclusion, acl-hides-members,
    dn-case, ou-moved, ou-moved-behind, filter-typo, half-of-users-missing, clock-jumped, clock-jumped-back,
    database-empty, database-other. Ends with 5 if an account would be taken or given without an approval.
    """
    chosen = _faults(fault or ())
    results: list[Rehearsed] = []
    with opened(config) as instance:
        only = named(instance, mailbox, context)
        rehearsal = instance.rehearsal()
        with spinner("reading the directory and Open-Xchange"):
            snapshot, reasons = rehearsal.snapshot(only)
        accounts = sum(len(owned) for owned in snapshot.claims.values())
        for reason in reasons:
            say(f"warning: not complete today: {reason}", "yellow")
        if output is Output.TEXT:
            _begin(accounts, len(snapshot.claims), snapshot.invented)
        for result in rehearsal.rehearse(snapshot, chosen, only):
            results.append(result)
            if output is Output.TEXT:
                _show(result)
    bad = [one for one in results if not one.safe]
    if output is Output.JSON:
        told = [_document(one) for one in results]
        print_json({"safe": not bad, "accounts": accounts, "reasons": list(reasons), "faults": told})
    elif bad:
        say(f"the claim did not hold for: {', '.join(one.fault.name for one in bad)}", "red")
    else:
        say("the claim held: without an approval nobody would lose an account, and nobody would get one")
    raise typer.Exit(5 if bad else 0)


def _faults(names: Sequence[str]) -> list[Fault]:
    """Find the faults that are named; none named are all.

    Raises:
        typer.BadParameter: there is no such fault.
    """
    from syncd.rehearsal.faults import FAULTS, truncated  # noqa: PLC0415

    known = {one.name: one for one in FAULTS}
    found = []
    for name in dict.fromkeys(names):
        if match := re.fullmatch(r"truncated=([0-9]{1,7})", name):
            found.append(truncated(int(match[1])))
        elif name in known:
            found.append(known[name])
        else:
            raise typer.BadParameter(f"there is no fault {name}; there are: {', '.join(known)}", param_hint="--fault")
    return found or list(FAULTS)


def _begin(accounts: int, mailboxes: int, invented: int) -> None:
    made = f", {invented} of them as if today's plan was made already" if invented else ""
    out().print(f"{accounts} accounts of {mailboxes} mailboxes{made}", highlight=False)


def _show(one: Rehearsed) -> None:
    console = out()
    state, style = ("skipped", "dim") if one.skipped else ("ok", "green") if one.safe else ("FAILED", "red")
    console.print(f"{state:8}{one.fault.name:22} {one.fault.told}", style=style, markup=False, highlight=False)
    for line in _lines(one):
        console.print(
            f"        {line}", style=None if one.safe else style, markup=False, highlight=False, soft_wrap=True
        )


def _lines(one: Rehearsed) -> Iterator[str]:
    if one.skipped:
        yield f"nothing to rehearse: {one.skipped}"
        return
    if one.refused:
        yield f"the run would end at once: {one.refused}"
        return
    if one.removals:
        users = _named([(change.mailbox, change.user, change.login) for change in one.removals])
        yield f"{len(one.removals)} removed without asking: {users}"
        if one.graced:
            yield f"grace would put off {one.graced} of them while it lasts"
        yield "a limit lets so few pass (limits.removals.floor), or the fault cannot be told from real life"
    if one.additions:
        yield f"{len(one.additions)} added: {_named([(box, user, login) for box, _, user, login in one.additions])}"
    for address, count in one.lost.items():
        yield f"{count} claims of {address} given up"
    why = [
        f"{one.incomplete} mailboxes known to be read incompletely" if one.incomplete else "",
        f"{one.withheld} removals withheld" if one.withheld else "",
        f"{one.held} removals held" if one.held else "",
        f"limits that object: {', '.join(one.limits)}" if one.limits else "",
    ]
    told = "; ".join(text for text in why if text)
    if told:
        yield told
    elif one.safe:
        yield "nothing would change"


def _named(users: Sequence[tuple[str, int, str]]) -> str:
    told = ", ".join(f"{login or 'user'} ({user}) {box}" for box, user, login in users[:_SHOWN])
    return told + (f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else "")


def _document(one: Rehearsed) -> dict[str, Any]:
    return {
        "fault": one.fault.name,
        "told": one.fault.told,
        "safe": one.safe,
        "skipped": one.skipped,
        "refused": one.refused,
        "removals": [
            {"mailbox": c.mailbox, "context": c.context, "user": c.user, "login": c.login, "reason": c.reason}
            for c in one.removals
        ],
        "additions": [
            {"mailbox": box, "context": context, "user": user, "login": login}
            for box, context, user, login in one.additions
        ],
        "given_up": dict(one.lost),
        "held": one.held,
        "limits": list(one.limits),
        "withheld": one.withheld,
        "incomplete": one.incomplete,
        "graced": one.graced,
    }
