"""`reseal`: write stored passwords again that Open-Xchange cannot read as they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import Config, Context, Mailboxes, loaded, say

if TYPE_CHECKING:
    from syncd.byhand.writing import ByHand
    from syncd.core.changes import Orphan


def reseal(
    config: Config,
    mailbox: Mailboxes = None,
    context: Context = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Write the mapping's passwords even where the key opens none of those stored."),
    ] = False,
) -> None:
    """Write stored passwords of our accounts again where Open-Xchange does not read them as they are.

    After an upgrade to 8.16 that is all of them. No limit holds it; without --mailbox it is done for every mailbox of
    which something is claimed. A mailbox of which the key opens no stored password at all is refused without --force:
    it may be the wrong key.
    """
    from syncd.byhand.asking import mailbox_of  # noqa: PLC0415
    from syncd.byhand.resealing import reseal as resealed  # noqa: PLC0415
    from syncd.cli.account import failures, say_late, whoami  # noqa: PLC0415
    from syncd.wiring import by_hand  # noqa: PLC0415

    failed = False
    with by_hand(loaded(config), who=whoami(), argv=tuple(sys.argv)) as hand:
        claimed = _claimed(hand, mailbox or (), context)
        if not claimed:
            say("no account is claimed, so no password is written again")
        for one in claimed:
            done = resealed(hand, mailbox_of(one.context, one.address), force=force)
            named = f"{one.address} (context {one.context})"
            say(f"{named}: passwords of {len(done.applied)} accounts written again, of {one.claimed} claimed")
            for line in failures(done):
                failed = True
                say(f"{named}: {line}", "red")
        say_late(hand)
    raise typer.Exit(5 if failed else 0)


def _claimed(hand: ByHand, addresses: Sequence[str], context: int | None) -> list[Orphan]:
    """Give the claimed mailboxes that the command names, all where it names none.

    Raises:
        SyncdError: nothing is claimed of one that it names.
    """
    from syncd.core.address import collation_key  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    everything = [one for one in hand.ledger.orphans(()) if context in {None, one.context}]
    wanted = {collation_key(address): address for address in addresses}
    if unknown := wanted.keys() - {collation_key(one.address) for one in everything}:
        raise SyncdError(f"nothing of {', '.join(sorted(wanted[key] for key in unknown))} is claimed")
    return [one for one in everything if not wanted or collation_key(one.address) in wanted]
