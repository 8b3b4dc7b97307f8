"""`check`: whether the configuration is right, and whether everything that it names works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import Config, loaded, out

if TYPE_CHECKING:
    from syncd.core.finding import Finding
    from syncd.settings.loading import Settings


def check(
    config: Config,
    offline: Annotated[bool, typer.Option("--offline", help="Do not connect to anything.")] = False,
) -> None:
    """Validate the configuration, connect, report every problem."""
    from syncd.errors import ConfigurationError  # noqa: PLC0415

    settings = loaded(config)
    if problems := settings.secrets_problems():
        raise ConfigurationError(problems)
    console = out()
    failed = 0
    count = 0
    known = len(settings.mailboxes())
    what = f"{known} {'mailbox' if known == 1 else 'mailboxes'}"
    console.print(f"ok    configuration: {config}, {what}", markup=False, highlight=False)
    for finding in () if offline else _findings(settings):
        count += 1
        failed += not finding.ok
        line = f"{'ok   ' if finding.ok else 'FAIL '} {finding.what}: {finding.detail}"
        hint = f" ({finding.hint})" if finding.hint and not finding.ok else ""
        console.print(line + hint, style=None if finding.ok else "bold red", markup=False, highlight=False)
    if failed:
        console.print(f"{failed} of {count} checks failed", style="bold red", highlight=False)
        raise typer.Exit(1)


def _findings(settings: Settings) -> Iterator[Finding]:
    from syncd.core.finding import Finding  # noqa: PLC0415
    from syncd.directory.directory import Directory  # noqa: PLC0415
    from syncd.errors import LedgerError  # noqa: PLC0415
    from syncd.openxchange.check import findings  # noqa: PLC0415
    from syncd.wiring import directory_options, open_ledger, store_options  # noqa: PLC0415

    mailboxes = settings.mailboxes()
    sources = list(dict.fromkeys(s for mailbox in mailboxes for s in (*mailbox.sources, *mailbox.exclude)))
    yield from Directory(directory_options(settings)).check(sources)
    yield from findings(store_options(settings), sorted({mailbox.context for mailbox in mailboxes}))
    try:
        open_ledger(settings).close()
        yield Finding(ok=True, what="ledger", detail=settings.ledger.url)
    except LedgerError as error:
        yield Finding(ok=False, what="ledger", detail=error.message, hint=error.hint or "")
