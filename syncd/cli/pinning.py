"""`account pins` and `account unpin`: what persons said about single users, and how it ends.

Their options are those of the other account commands: `-c` is the context, the configuration has a place of its own.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import As, Output, ledger_of, loaded, out, print_json, say

if TYPE_CHECKING:
    from syncd.core.model import MailboxRef, Pin

CONFIG = "/etc/syncd/syncd.yaml"
"""Where the configuration is unless --config or $SYNCD_CONFIG says otherwise."""

Chosen = Annotated[Path, typer.Option("--config", envvar="SYNCD_CONFIG", help="The configuration.", metavar="FILE")]


def pins(
    config: Chosen = Path(CONFIG),
    contextid: Annotated[int | None, typer.Option("--contextid", "-c", help="Only of this.", metavar="ID")] = None,
    output: As = Output.TEXT,
) -> None:
    """List who has a mailbox, or has it not, by the word of a person, whatever the sources say."""
    with ledger_of(config) as (_, ledger):
        found = ledger.pins(datetime.now(UTC))
        addresses = {one.ref: one.address for one in ledger.status()}
    chosen = [one for one in sorted(found.items()) if contextid in {None, one[0].context}]
    told = [(ref, addresses.get(ref, ref.key), pin) for ref, some in chosen for pin in some.values()]
    if output is Output.JSON:
        print_json({"pins": [_told(*one) for one in told]})
        return
    console = out()
    for ref, address, pin in told:
        what = "has it" if pin.keep else "is kept out"
        until = f" until {pin.until:%F %H:%M} UTC" if pin.until else ""
        line = f"{address} (context {ref.context}): user {pin.user} {what}{until}, by {pin.by}"
        console.print(line, markup=False, highlight=False)
    if not told:
        console.print("nothing is pinned", style="dim")


def unpin(
    contextid: Annotated[int, typer.Option("--contextid", "-c", help="The context.", metavar="ID")],
    address: Annotated[str, typer.Option("--primary-address", "-e", help="The mailbox.", metavar="ADDRESS")],
    users: Annotated[str | None, typer.Option("--users", help="Ids of users: 3,4,5; else all.", metavar="IDS")] = None,
    config: Chosen = Path(CONFIG),
) -> None:
    """End what was pinned. From the next run on the sources decide again."""
    from syncd.cli.account import whoami  # noqa: PLC0415
    from syncd.wiring import by_hand  # noqa: PLC0415

    try:
        chosen = None if users is None else [int(word) for word in users.split(",")]
    except ValueError:
        raise typer.BadParameter("ids are numbers: 3,4,5", param_hint="--users") from None
    with by_hand(loaded(config), who=whoami(), argv=tuple(sys.argv)) as hand:
        count = hand.unpin(contextid, chosen, address)
    whom = "user" if count == 1 else "users"
    after = "; from the next run on the sources decide again" if count else ": nobody was pinned"
    say(f"{address} in context {contextid}: {count} {whom} unpinned{after}")


def _told(ref: MailboxRef, address: str, pin: Pin) -> dict[str, object]:
    return {
        "mailbox": address,
        "context": ref.context,
        "user": pin.user,
        "keep": pin.keep,
        "until": pin.until.isoformat() if pin.until else None,
        "by": pin.by,
    }
