"""What the commands have in common: their options, their two streams, and how a configuration is opened."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from syncd.core.model import MailboxRef
    from syncd.ledger.ledger import Ledger
    from syncd.settings.loading import Settings
    from syncd.wiring import Instance

Config = Annotated[Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE")]
Mailboxes = Annotated[
    list[str] | None, typer.Option("--mailbox", help="Only this mailbox; may be given several times.", metavar="M")
]
Context = Annotated[
    int | None, typer.Option("--context", help="The context, where an address is in several.", metavar="ID")
]


class Output(StrEnum):
    """How results are written to standard output."""

    TEXT = "text"
    JSON = "json"


As = Annotated[Output, typer.Option("--output", help="How the result is written.")]

_STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys instead of showing it: control characters, and those that turn or break a line (UAX 9, 14)."""


def printable(text: str) -> str:
    """Show as escapes what would paint a terminal, or turn a line so that it seems to say something else.

    Lines end where they end; who puts a foreign text into a line takes care of that.
    """
    return _STEERING.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def out() -> Console:
    """Give the console for results: standard output."""
    from syncd.cli.terminal import Terminal  # noqa: PLC0415 - `--help` must not wait for rich

    return Terminal(soft_wrap=True, emoji=False)  # `file:100:` is a place, and no picture


def err() -> Console:
    """Give the console for messages to people: standard error."""
    from syncd.cli.terminal import Terminal  # noqa: PLC0415

    return Terminal(stderr=True, soft_wrap=True, emoji=False)


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show on a terminal that something goes on; elsewhere nothing."""
    console = err()
    if console.is_terminal:
        with console.status(text):
            yield
    else:
        yield


def say(text: str, style: str = "") -> None:
    """Write one line for people to standard error."""
    err().print(text, style=style or None, markup=False, highlight=False)


def in_shell(word: Path | str) -> str:
    """Give a path or an address as a shell takes it, for commands that are printed to be copied."""
    import shlex  # noqa: PLC0415

    return shlex.quote(str(word))


class _JsonOutput:
    """Standard output for JSON in parts; what would steer a terminal is written as JSON escapes it."""

    @staticmethod
    def write(part: str) -> None:
        """Write a part; JSON has no such character outside of strings, but for the ends of lines."""
        sys.stdout.write(_STEERING.sub(lambda found: f"\\u{ord(found.group()):04x}", part))


def print_json(value: Any, *, indent: int | None = 1) -> None:
    """Write one JSON document to standard output; without `indent` on one line."""
    import json  # noqa: PLC0415

    json.dump(value, _JsonOutput, ensure_ascii=False, indent=indent)
    sys.stdout.write("\n")


def loaded(config: Path) -> Settings:
    """Load the configuration, set logging up as it says, and pass its warnings on."""
    from syncd.settings.loading import load  # noqa: PLC0415
    from syncd.telemetry.logging import configure  # noqa: PLC0415

    settings = load(config)
    # A command prints what it did; its log would say it twice.
    configure(format=settings.log.format, level="debug" if settings.log.level == "debug" else "critical")
    for warning in settings.warnings:
        say(f"warning: {warning}", "yellow")
    return settings


@contextmanager
def opened(config: Path) -> Iterator[Instance]:
    """Load the configuration and connect what it names."""
    from syncd.wiring import session  # noqa: PLC0415

    with session(loaded(config), argv=tuple(sys.argv)) as instance:
        yield instance


@contextmanager
def ledger_of(config: Path) -> Iterator[tuple[Settings, Ledger]]:
    """Open the ledger alone: what needs nothing else needs no other secret either."""
    from syncd.wiring import open_ledger  # noqa: PLC0415

    settings = loaded(config)
    ledger = open_ledger(settings, argv=tuple(sys.argv))
    try:
        yield settings, ledger
    finally:
        ledger.close()


def named(instance: Instance, addresses: Sequence[str] | None, context: int | None) -> frozenset[MailboxRef]:
    """Find the mailboxes that `--mailbox` names; none named gives none, which means all.

    Where patterns stand for mailboxes, an address may be one that only the run finds out: it is passed on, and the run
    refuses it if there is no such mailbox.

    Raises:
        typer.BadParameter: a context alone, which would look like a restriction and be none.
        SyncdError: no such mailbox, or several.
    """
    from syncd.core.address import collation_key  # noqa: PLC0415
    from syncd.core.model import MailboxRef  # noqa: PLC0415
    from syncd.wiring import find  # noqa: PLC0415

    if context is not None and not addresses:
        raise typer.BadParameter("tells equal addresses apart and goes with --mailbox", param_hint="--context")
    patterns = bool(instance.reconciler.patterns)
    fixed = {mailbox.key for mailbox in instance.mailboxes if context in {None, mailbox.context}}
    found: set[MailboxRef] = set()
    for address in addresses or ():
        key = collation_key(address)
        if not patterns or key in fixed:
            found.add(find(instance.mailboxes, address, context).ref)
        if patterns:  # further contexts may have it too
            found.add(MailboxRef(context or 0, key))
    return frozenset(found)
