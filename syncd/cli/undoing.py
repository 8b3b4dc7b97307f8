"""`undo`: take back what a run or a person did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.history import run_of
from syncd.cli.options import Config, in_shell, opened, out, say
from syncd.cli.persons import person

if TYPE_CHECKING:
    from syncd.byhand.undoing import Standing, Step, Undoing
    from syncd.byhand.work import Done
    from syncd.byhand.writing import ByHand
    from syncd.core.model import MailboxRef
    from syncd.ledger.ledger import Ledger
    from syncd.ledger.values import Entry
    from syncd.wiring import Instance


def undo(
    what: Annotated[str, typer.Argument(help="A run, or the number of a change, as `history` shows them.")],
    config: Config,
    pin: Annotated[
        bool, typer.Option("--pin", help="Keep users, or keep them out, in spite of the mapping's sources.")
    ] = False,
    approve: Annotated[
        list[str] | None,
        typer.Option("--approve", metavar="DIGEST", help="The digest that was printed, where a limit objects."),
    ] = None,
    show: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
) -> None:
    """Take back what a run or a single change did, as far as the next run would not do it again.

    Accounts come back as the journal has them, with the passwords of the configuration and under a new id. Nothing is
    done while a part of it is refused or held by a limit.
    """
    from syncd.byhand import undoing  # noqa: PLC0415

    with opened(config) as instance:
        hand = instance.hand(person())
        entries = _entries(instance.ledger, what)
        standings = _standings(instance, hand, entries)
        found = undoing.prepare(
            hand, entries, standings, pinning=pin, approved=approve or (), ceilings=instance.reconciler.ceilings
        )
        _show(found.steps)
        if not any(not step.idle for step in found.steps):
            say("nothing is left to undo")
            return
        if found.refused:
            say("nothing was done: not all of it can be undone", "red")
            raise typer.Exit(1)
        if found.held:
            _held(found, in_shell(what), in_shell(config), pin=pin)
            raise typer.Exit(4)
        if show:
            return
        done = undoing.undo(hand, found, standings)
    _tell(done)


def _entries(ledger: Ledger, what: str) -> list[Entry]:
    """Find what is to be undone.

    Raises:
        SyncdError: there is no such run or change, or nothing of it can be undone.
    """
    from syncd.byhand.undoing import OPS  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    number = int(what) if what.isascii() and what.isdecimal() and len(what) < 16 else None
    found = list(ledger.history(seqs=[number])) if number is not None else []
    if not found and (run := run_of(ledger, what)) is not None:
        found = list(ledger.history(run=run))
    if not found:
        raise SyncdError(f"there is no run or change {what}", hint="see: syncd history")
    chosen = [entry for entry in found if entry.op in OPS and entry.result == "applied"]
    if not chosen:
        kinds = ", ".join(sorted({f"{entry.op} ({entry.result})" for entry in found}))
        raise SyncdError(f"nothing of {what} can be undone: {kinds}")
    return chosen


def _standings(instance: Instance, hand: ByHand, entries: Sequence[Entry]) -> dict[MailboxRef, Standing]:
    """Read how things stand with the mailboxes; who should have them is asked of the planner.

    Raises:
        SyncdError: it cannot be told of one of them.
    """
    from syncd.byhand.asking import mailbox_of, stored  # noqa: PLC0415
    from syncd.byhand.undoing import standing_of  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    addresses = {entry.ref: entry.address for entry in entries if entry.ref is not None}
    census = instance.reconciler.census()
    mapped = {mailbox.ref for mailbox in census.configured} & addresses.keys()
    if census.undiscovered and addresses.keys() - mapped:
        raise SyncdError("not all mailboxes are known now", hint="; ".join(census.undiscovered))
    seen = instance.reconciler.examine(frozenset(mapped)) if mapped else None
    found = {}
    for ref, address in addresses.items():
        if seen is None or ref not in mapped:
            there = stored(hand.store, mailbox_of(ref.context, address))
            found[ref] = standing_of(hand, ref, address, None, {}, there)
            continue
        wish = seen.decision.desired.get(ref)
        if wish is None:
            reason = seen.facts.observation.unread.get(ref.context, "")
            raise SyncdError(f"{address} in context {ref.context} cannot be read now", hint=reason or None)
        accounts = seen.facts.observation.accounts.get(ref, ())
        found[ref] = standing_of(hand, ref, address, wish.mailbox, wish.accounts, accounts)
    return found


# --------------------------------------------------------------------------- what is said


def _show(steps: Sequence[Step]) -> None:
    console = out()
    for step in steps:
        style = "red" if step.refused else "dim" if step.idle else None
        console.print(_line(step), style=style, markup=False, highlight=False, soft_wrap=True)


def _line(step: Step) -> str:
    entry = step.entry
    context = entry.ref.context if entry.ref else 0
    where = f"{entry.login or 'user'} ({entry.user}) {entry.address} (context {context})"
    told = f"{entry.seq:>7}  {entry.op} of {where}"
    if step.refused:
        return f"{told}: refused: {step.refused}"
    if step.idle:
        return f"{told}: nothing to do: {step.idle}"
    does = {"create": "delete the account", "delete": "create it again", "update": "write the old values back"}
    pins = {True: ", and keep the user in", False: ", and keep the user out", None: ""}
    return f"{told}: {does.get(entry.op, 'let go of it')}{pins[step.pin]}"


def _held(found: Undoing, what: str, config: str, *, pin: bool) -> None:
    from syncd.core.guard import RELEASE  # noqa: PLC0415

    digests = []
    for judgement in found.held:
        digests.append(judgement.held_digest or judgement.digest)
        for objection in judgement.objections:
            say(objection.message.partition(RELEASE)[0], "red")
    flags = "".join(_flags(digests, pin=pin))
    say(f"Do it all the same with:\n  syncd undo {what}{flags} -c {config}")


def _flags(digests: Sequence[str], *, pin: bool) -> Iterator[str]:
    if pin:
        yield " --pin"
    for digest in digests:
        yield f" --approve {digest}"


def _tell(done: Done) -> None:
    """Say what became of it.

    Raises:
        typer.Exit: something failed.
    """
    from syncd.cli.account import failures  # noqa: PLC0415

    for line in failures(done):
        say(line, "red")
    count = len(done.applied)
    say(f"{count} account{'' if count == 1 else 's'} changed")
    if done.errors or done.refused:
        raise typer.Exit(1 if done.errors else 5)
