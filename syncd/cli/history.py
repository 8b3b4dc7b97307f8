"""`history`: what was done, when, why and with what result; and whether that is still what was written down."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.options import Config, Context, ledger_of, out, print_json, say
from syncd.cli.persons import SHORTEST
from syncd.cli.times import FORMS, since

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncd.core.model import MailboxRef
    from syncd.ledger.ledger import Ledger
    from syncd.ledger.values import Entry, Verification

SHOWN = 100
"""Entries shown where nothing is said of how many."""
MOST = 10**9
"""Entries that can be asked for: more than a database can count is no number of entries."""


class As(StrEnum):
    """How history is written to standard output."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"


def history(
    config: Config,
    mailbox: Annotated[str | None, typer.Option("--mailbox", help="Only of this mailbox.", metavar="M")] = None,
    context: Context = None,
    user: Annotated[str | None, typer.Option("--user", help="Only of this user: id or login.", metavar="USER")] = None,
    begin: Annotated[
        str | None, typer.Option("--since", help=f"Only from then on: {FORMS} back.", metavar="TIME")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Only of this run (a beginning will do).", metavar="RUN")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=1, max=MOST, help=f"Only the newest so many; {SHOWN} in a text, else all.", metavar="N"
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the journal with its chain of hashes instead.")
    ] = False,
    output: Annotated[As, typer.Option("--output", "-o", help="How to show it; jsonl: one entry a line.")] = As.TEXT,
) -> None:
    """Show every change with when, why, by which run and with what result; the newest last."""
    asked = (mailbox, context, user, begin, run)
    if verify and (*asked, limit) != (None,) * 6:
        raise typer.BadParameter("looks at the whole journal: only --output goes with it", param_hint="--verify")
    with ledger_of(config) as (_, ledger):
        if verify:
            _verified(ledger.verify(), output)
            return
        shown = limit or SHOWN
        entries = _asked(ledger, *asked, shown + 1 if output is As.TEXT else limit)
        if output is As.JSON:
            print_json({"history": [told(entry) for entry in entries]})
        elif output is As.JSONL:
            for entry in entries:
                print_json(told(entry), indent=None)
        else:
            _shown(list(entries), shown)


def run_of(ledger: Ledger, text: str) -> str | None:
    """Give the only run whose id begins with a text; None = there is none, or the text is too short to mean one.

    Raises:
        SyncdError: several begin like that.
    """
    from syncd.errors import SyncdError  # noqa: PLC0415

    if len(text) < SHORTEST:
        return None
    found = ledger.runs_like(text)
    if len(found) > 1:
        raise SyncdError(f"several runs begin with {text}", hint="give more of its id")
    return found[0] if found else None


def told(entry: Entry) -> dict[str, Any]:
    """Give an entry as the JSON forms have it."""
    return {
        "change": entry.seq,
        "at": entry.at.isoformat(),
        "run": entry.run,
        "command": entry.command,
        "mailbox": entry.address,
        "context": entry.ref.context if entry.ref else None,
        "user": entry.user or None,
        "login": entry.login,
        "account": entry.account,
        "op": entry.op,
        "path": list(entry.path),
        "reason": entry.reason,
        "old": entry.old,
        "new": entry.new,
        "result": entry.result,
        "error": entry.error,
        "hash": entry.hash,
    }


def _asked(
    ledger: Ledger,
    mailbox: str | None,
    context: int | None,
    user: str | None,
    begin: str | None,
    run: str | None,
    limit: int | None,
) -> Iterator[Entry]:
    from syncd.errors import SyncdError  # noqa: PLC0415

    try:
        after = since(begin, datetime.now(UTC)) if begin else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    mailboxes = _mailboxes(ledger, mailbox, context)
    named = run_of(ledger, run) if run is not None else None
    if run is not None and named is None:
        hint = f"give at least {SHORTEST} characters of it; see: syncd history"
        raise SyncdError(f"no run begins with {run}", hint=hint)

    def found(number: int | None, login: str | None) -> Iterator[Entry]:
        return ledger.history(mailboxes=mailboxes, user=number, login=login, since=after, run=named, limit=limit)

    if user is None or not re.fullmatch(r"[0-9]{1,9}", user, re.ASCII):
        return found(None, user)
    entries = found(int(user), None)
    first = next(entries, None)
    return found(None, user) if first is None else chain([first], entries)  # a login may be a number as well


def _mailboxes(ledger: Ledger, address: str | None, context: int | None) -> list[MailboxRef] | None:
    """Give the mailboxes that are meant, those too that left the configuration; None = all.

    Raises:
        SyncdError: the journal knows none.
    """
    from syncd.core.address import collation_key  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415

    if address is None and context is None:
        return None
    found = [
        ref
        for ref in ledger.known()
        if (address is None or ref.key == collation_key(address)) and context in {None, ref.context}
    ]
    if not found:
        raise SyncdError(f"nothing is known of {address or f'context {context}'}", hint="see: syncd status")
    return found


def _shown(entries: Sequence[Entry], most: int) -> None:
    from rich.text import Text  # noqa: PLC0415

    from syncd.cli.text import say_line  # noqa: PLC0415

    console, run = out(), None
    if len(entries) > most:
        say_line(console, Text(f"only the newest {most}; --limit shows more, --output jsonl all", style="dim"))
    for entry in entries[-most:]:
        if entry.run != run:
            head = f"run {entry.run}  {entry.command}" if entry.run else "outside of runs"
            say_line(console, Text(head.rstrip(), style="bold"))
        run = entry.run
        style = {"failed": "red", "pending": "yellow", "abandoned": "yellow"}.get(entry.result, "")
        say_line(console, Text(_line(entry), style=style))
    if not entries:
        console.print("nothing was done", style="dim")


def _line(entry: Entry) -> str:
    whom = f" {entry.login or 'user'} ({entry.user})" if entry.user else ""
    what = f"{entry.op}{whom}"
    where = f" {entry.address} (context {entry.ref.context})" if entry.ref else " everything"
    account = f" account {entry.account}" if entry.account is not None else ""
    why = "; ".join(text for text in (entry.reason, " > ".join(entry.path)) if text)
    result = "" if entry.result == "applied" else f"  {entry.result.upper()}{f': {entry.error}' if entry.error else ''}"
    return f"{entry.seq:>7}  {entry.at:%F %T} UTC  {what}{where}{account}{f'  {why}' if why else ''}{result}"


def _verified(found: Verification, output: As) -> None:
    if output is not As.TEXT:
        times = {name: getattr(found, name) for name in ("first", "last", "pruned_at")}
        print_json({
            "whole": not found.problems,
            "entries": found.entries,
            **{name: at.isoformat() if at else None for name, at in times.items()},
            "head": found.head,
            "older": found.older,
            "pruned": found.pruned,
            "problems": list(found.problems),
        })  # fmt: skip
    else:
        for problem in found.problems:
            say(problem, "red")
        since_when = f" since {found.first:%F %T} UTC" if found.first else ""
        state = "the journal is NOT what was written" if found.problems else "the journal is as it was written"
        out().print(f"{state}: {found.entries} entries{since_when}", highlight=False)
        if found.head:
            out().print(f"its last hash is {found.head}", highlight=False)
        if found.older:
            out().print(f"{found.older} older entries are not covered: they were written before there was a chain")
        if found.pruned and found.pruned_at:
            out().print(f"{found.pruned} entries were removed as `history.keep` asks, last on {found.pruned_at:%F}")
    if found.problems:
        raise typer.Exit(1)
