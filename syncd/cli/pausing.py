"""`pause` and `resume`: nothing is applied for a while, to one mailbox or at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import Config, Context, in_shell, ledger_of, say
from syncd.cli.persons import By, person
from syncd.cli.times import FORMS
from syncd.cli.times import until as end_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncd.core.model import MailboxRef
    from syncd.ledger.ledger import Ledger
    from syncd.ledger.values import Pause
    from syncd.settings.loading import Settings

Address = Annotated[
    str | None, typer.Argument(help="Address of the mailbox; without it everything is meant.", metavar="[MAILBOX]")
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help=f"When it ends by itself: {FORMS}; the end of a day, by local time."),
]


def pause(config: Config, mailbox: Address = None, context: Context = None, until: Until = None, by: By = None) -> None:
    """Apply nothing for a while, to one mailbox or to all, as for maintenance.

    Runs go on: they read, compute and report, and say who paused.
    """
    who, now = person(by), datetime.now(UTC)
    try:
        ends = None if until is None else end_of(until, now)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--until") from None
    with ledger_of(config) as (settings, ledger):
        ref, named = _meant(settings, ledger, mailbox, context)
        ledger.pause(ref, ends, who, now)
        run = ledger.holder("run")
    when = f"until {ends:%F %T} UTC" if ends else f"until: {_resume(config, mailbox, context)}"
    say(f"paused: {named}, {when}")
    if run is not None:
        say(f"  {run} is at work and ends what it began; wait for it: syncd status -c {in_shell(config)}", "yellow")


def resume(config: Config, mailbox: Address = None, context: Context = None, by: By = None) -> None:
    """End a pause: that of one mailbox, or that of everything."""
    who, now = person(by), datetime.now(UTC)
    with ledger_of(config) as (settings, ledger):
        ref, named = _meant(settings, ledger, mailbox, context)
        ended = ledger.resume(ref, who, now)
        left = ledger.paused(now)
        addresses = {one.ref: one.address for one in ledger.status()}
    say(f"resumed: {named}" if ended else f"not paused: {named}")
    for one in left:
        if ref is None or one.ref is None:
            what = named_pause(one, addresses)
            command = _resume(config, addresses.get(one.ref) if one.ref else None, one.ref.context if one.ref else None)
            say(f"  still paused: {what}. End it with: {command}", "yellow")


def named_pause(pause: Pause, addresses: dict[MailboxRef, str]) -> str:
    """Say what is paused, by whom, since when and until when."""
    what = "everything"
    if pause.ref is not None:
        what = f"{addresses.get(pause.ref, pause.ref.key)} (context {pause.ref.context})"
    ends = f" until {pause.until:%F %T} UTC" if pause.until else ""
    return f"{what}, by {pause.by} since {pause.since:%F %T} UTC{ends}"


def _resume(config: object, mailbox: str | None, context: int | None) -> str:
    which = "" if mailbox is None else f" {in_shell(mailbox)}" + ("" if context is None else f" --context {context}")
    return f"syncd resume{which} -c {in_shell(str(config))}"


def _meant(
    settings: Settings, ledger: Ledger, address: str | None, context: int | None
) -> tuple[MailboxRef | None, str]:
    """Find the mailbox that a person names: among those that a run has seen, else among those that are configured.

    Raises:
        typer.BadParameter: a context alone.
        SyncdError: no such mailbox, or several.
    """
    from syncd.core.address import collation_key  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415
    from syncd.wiring import find  # noqa: PLC0415

    if address is None:
        if context is not None:
            raise typer.BadParameter("tells equal addresses apart and goes with a mailbox", param_hint="--context")
        return None, "everything"
    key = collation_key(address)
    seen = [(one.ref, one.address) for one in ledger.status()]
    found = _only(((ref, named) for ref, named in seen if ref.key == key and context in {None, ref.context}), address)
    if found is None:
        try:
            one = find(settings.mailboxes(), address, context)  # reads the passwords of accounts: only where it must be
        except SyncdError as error:
            raise SyncdError(error.message, hint="one that a pattern finds is known after the first run") from None
        ledger.register([(one.ref, one.address)], whole=False)
        found = one.ref, one.address
    return found[0], f"{found[1]} (context {found[0].context})"


def _only(found: Iterable[tuple[MailboxRef, str]], address: str) -> tuple[MailboxRef, str] | None:
    from syncd.errors import SyncdError  # noqa: PLC0415

    some = list(found)
    if len(some) > 1:
        contexts = ", ".join(str(ref.context) for ref, _ in some)
        raise SyncdError(f"{address} is in several contexts: {contexts}", hint="add --context")
    return some[0] if some else None
