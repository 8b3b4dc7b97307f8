"""`plan`, `sync` and `run`: compute, apply once, apply again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import (
    As,
    Config,
    Context,
    Mailboxes,
    Output,
    err,
    in_shell,
    named,
    opened,
    out,
    print_json,
    say,
    spinner,
)

if TYPE_CHECKING:
    from syncd.core.changes import Report

PendingCode = Annotated[
    bool, typer.Option("--exit-code", help="Exit with 3 when changes are pending, 4 when held, 5 when incomplete.")
]

Proof = Annotated[
    bool, typer.Option("--proof", help="Tell of every source what was read: server, identity, pages, member values.")
]


def plan(
    config: Config,
    mailbox: Mailboxes = None,
    context: Context = None,
    output: As = Output.TEXT,
    exit_code: PendingCode = False,
    proof: Proof = False,
) -> None:
    """Show what a run would do. Never writes to Open-Xchange."""
    from syncd.core import verdict  # noqa: PLC0415

    with opened(config) as instance:
        only = named(instance, mailbox, context)
        with spinner("reading the directory and Open-Xchange"):
            report = instance.reconciler.plan(only)
    _print(report, output, config, proof=proof)
    raise typer.Exit(verdict.exit_code(report, pending=exit_code))


def sync(config: Config, mailbox: Mailboxes = None, context: Context = None, output: As = Output.TEXT) -> None:
    """Run once: plan, guard, apply, record."""
    from syncd.channels import announcer  # noqa: PLC0415
    from syncd.core import verdict  # noqa: PLC0415

    with opened(config) as instance:
        only = named(instance, mailbox, context)
        telling = announcer(instance.settings, instance.ledger)
        with _bar() as progress:
            report = instance.reconciler.run(only, progress=progress)
        announced = telling.announce()
    _print(report, output, config)
    for one in announced:
        if one.problem:
            say(f"warning: not everybody was told of what is held, by {one.channel}: {one.problem}", "yellow")
    raise typer.Exit(verdict.exit_code(report))


def run(ctx: typer.Context, config: Config) -> None:
    """Run as a daemon: again and again, until SIGTERM."""
    from syncd.daemon import Daemon  # noqa: PLC0415
    from syncd.settings.loading import load  # noqa: PLC0415
    from syncd.telemetry.logging import configure  # noqa: PLC0415

    settings = load(config)
    debug = bool(ctx.obj)
    configure(format=settings.log.format, level="debug" if debug else settings.log.level)
    raise typer.Exit(Daemon(config, debug=debug).run())


def _print(report: Report, output: Output, config: Path, *, proof: bool = False) -> None:
    if output is Output.JSON:
        from syncd.cli.document import document  # noqa: PLC0415

        print_json(document(report))
        return
    from syncd.cli.text import show  # noqa: PLC0415

    show(report, out(), config=in_shell(config), proof=proof)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how far the changes are; elsewhere nothing."""
    console = err()
    if not console.is_terminal:
        yield lambda _done, _all: None
        return
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def told(done: int, everything: int) -> None:
            bar.update(task, description="changing accounts", completed=done, total=everything)

        yield told
