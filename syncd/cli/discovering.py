"""`discover`: which mailboxes the mappings by pattern stand for at this moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from syncd.cli.options import Config, opened, out, print_json, say, spinner

if TYPE_CHECKING:
    from rich.console import Console

    from syncd.core.model import Mailbox
    from syncd.facts import Census
    from syncd.settings.loading import Settings

CONTEXTS = 8
"""So many contexts of one mailbox are named in the table."""
HEAD = ("MAILBOX", "CONTEXT", "ACCOUNT", "MEMBERS OF", "FOUND BY")


class Form(StrEnum):
    """How what was found is written to standard output."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class Family(NamedTuple):
    """One mailbox in all contexts in which it was found."""

    mailbox: Mailbox
    """In the first of them."""
    contexts: tuple[int, ...]


def discover(
    config: Config,
    output: Annotated[
        Form, typer.Option("--output", help="A table, JSON, or YAML lines for a configuration without patterns.")
    ] = Form.TEXT,
) -> None:
    """List the mailboxes that mappings by pattern find.

    Nothing is written. Exit code 1 when a search could not be read to its end, so that some may be missing.
    """
    with opened(config) as instance:
        with spinner("reading the directory"):
            census = instance.reconciler.census()
        patterns = instance.reconciler.patterns
        searching = {pattern.where for pattern in patterns if pattern.search is not None}
    found = families(census.found)
    if output is Form.JSON:
        print_json(document(census, found, searching))
    elif output is Form.YAML:
        _print_lines(instance.settings, found, searching)
    else:
        _print_table(out(), found)
    if not patterns:
        say("no mapping stands for mailboxes by a pattern: see `discover:` and `context:` in the sample configuration")
    for problem in census.problems:
        say(f"? {problem}", "yellow")
    for reason in census.undiscovered:
        say(f"! not all mailboxes are known: {reason}", "red")
    if census.undiscovered:
        raise typer.Exit(1)


def families(found: Sequence[Mailbox]) -> list[Family]:
    """Put the mailboxes of one mapping and address together; sorted by mapping, then address."""
    together: dict[tuple[str, str], list[Mailbox]] = {}
    for mailbox in found:
        together.setdefault((mailbox.pattern, mailbox.key), []).append(mailbox)
    return [
        Family(some[0], tuple(sorted(mailbox.context for mailbox in some)))
        for _, some in sorted(together.items(), key=lambda item: (_place(item[0][0]), item[0][1]))
    ]


def document(census: Census, found: Sequence[Family], searching: set[str]) -> dict[str, Any]:
    """Give what was found as values that JSON can hold; `group` is the entry that a search found."""
    return {
        "complete": not census.undiscovered,
        "mailboxes": [
            {
                "mailbox": one.mailbox.address,
                "contexts": list(one.contexts),
                "name": one.mailbox.account.name,
                "login": one.mailbox.account.login,
                "group": one.mailbox.sources[0].value if one.mailbox.pattern in searching else None,
                "sources": [str(source) for source in one.mailbox.sources],
                "mapping": one.mailbox.pattern,
            }
            for one in found
        ],
        "problems": list(census.problems),
        "undiscovered": list(census.undiscovered),
    }


# --------------------------------------------------------------------------- the table


def _print_table(console: Console, found: Sequence[Family]) -> None:
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from syncd.cli.text import say_line  # noqa: PLC0415

    rows = [HEAD, *(_row(one) for one in found)] if found else []
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        say_line(console, Text("  ".join(cells).rstrip(), style="" if number else "bold"))
    told = f"{len(found)} {'mailbox' if len(found) == 1 else 'mailboxes'} found"
    say_line(console, Text(told, style="bold"))


def _row(one: Family) -> tuple[str, ...]:
    mailbox = one.mailbox
    contexts = ", ".join(map(str, one.contexts[:CONTEXTS]))
    if len(one.contexts) > CONTEXTS:
        contexts += f", … ({len(one.contexts)})"
    sources = "; ".join(source.value if source.kind == "group" else str(source) for source in mailbox.sources)
    return mailbox.address, contexts, mailbox.account.name, sources, mailbox.pattern


def _place(where: str) -> tuple[str, int]:
    file, _, line = where.rpartition(":")
    return file, int(line) if line.isdecimal() else 0


# --------------------------------------------------------------------------- lines of a configuration


def _print_lines(settings: Settings, found: Sequence[Family], searching: set[str]) -> None:
    from syncd.settings.lines import lines  # noqa: PLC0415

    said = mappings(settings, [one.mailbox for one in found if one.mailbox.pattern in searching])
    sys.stdout.write(lines({"mappings": said}))


def mappings(settings: Settings, found: Sequence[Mailbox]) -> list[dict[str, Any]]:
    """Write what searches found as mappings that name a mailbox, with everything else their mapping says.

    Passwords stay references. A context that each run finds out stays as it is written.
    """
    written = dict(_written(settings))
    return [_mapping(written[mailbox.pattern], mailbox) for mailbox in found]


def _written(settings: Settings) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the mappings as the file has them, by where they stand; what has no value is left out."""
    from syncd.settings.document import parse  # noqa: PLC0415

    document: Any = parse(settings.path.read_bytes()).data
    for index, mapping in enumerate(document["mappings"]):
        yield settings.where("mappings", index), {key: value for key, value in mapping.items() if value is not None}


def _mapping(written: Mapping[str, Any], mailbox: Mailbox) -> dict[str, Any]:
    texts = {key: getattr(mailbox.account, key) for key in ("name", "login", "personal", "reply_to")}
    texts = {key: text for key, text in texts.items() if text is not None}
    account = {**texts, **(written.get("account") or {}), **texts}  # twice: for the order, and for the values
    if account.get("transport") and mailbox.account.transport_login:
        account["transport"] = {**account["transport"], "login": mailbox.account.transport_login}
    first = {
        "mailbox": mailbox.address,
        **{key: written[key] for key in ("context", "directory") if key in written},
        "sources": [{"group": mailbox.sources[0].value}, *(written.get("sources") or ())],
    }
    rest = {key: value for key, value in written.items() if key not in {*first, "discover", "account"}}
    return {**first, **rest, "account": account}
