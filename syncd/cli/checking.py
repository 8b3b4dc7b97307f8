"""`check`: whether the configuration is right, and whether everything that it names works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import Config, loaded, out

if TYPE_CHECKING:
    from syncd.core.finding import Finding
    from syncd.core.model import Mailbox
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
    yield from _resolved(settings, mailboxes)
    try:
        open_ledger(settings).close()
        yield Finding(ok=True, what="ledger", detail=settings.ledger.url)
    except LedgerError as error:
        yield Finding(ok=False, what="ledger", detail=error.message, hint=error.hint or "")


def _resolved(settings: Settings, mailboxes: Sequence[Mailbox]) -> Iterator[Finding]:
    """Look the members' logins up as a run does, context by context; silent where a system does not answer."""
    from syncd.core.finding import Finding  # noqa: PLC0415
    from syncd.core.model import Asked  # noqa: PLC0415
    from syncd.directory.directory import Directory  # noqa: PLC0415
    from syncd.errors import StoreError  # noqa: PLC0415
    from syncd.openxchange.sql import open_store  # noqa: PLC0415
    from syncd.wiring import directory_options, store_options  # noqa: PLC0415

    wanted: dict[int, set[str]] = {}
    reads = Directory(directory_options(settings)).read([s for mailbox in mailboxes for s in mailbox.sources]).reads
    for mailbox in mailboxes:
        members = (member for source in mailbox.sources for member in reads[source].members.values())
        wanted.setdefault(mailbox.context, set()).update(
            name for member in members for names in member.names for name in names
        )
    store = open_store(store_options(settings))
    try:
        for context, logins in sorted(wanted.items()):
            if not logins:
                continue  # no member could be read, or no group has one
            known = store.users(context, Asked(logins=logins)).by_login
            found = len(logins & known.keys())
            yield Finding(
                ok=found > 0,
                what=f"logins of members in context {context}",
                detail=f"{found} of {len(logins)} are users of Open-Xchange",
                hint="directory.users.login must name the attribute that holds the login, letter by letter",
            )
    except StoreError:
        return  # told before
    finally:
        store.close()
