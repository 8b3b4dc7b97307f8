"""`check`: whether the configuration is right, and whether everything that it names works."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import Config, loaded, out

if TYPE_CHECKING:
    from syncd.core.changes import MailboxPlan, Report
    from syncd.core.finding import Finding
    from syncd.core.model import Mailbox
    from syncd.core.patterns import Pattern
    from syncd.core.reads import DirectoryRead
    from syncd.directory.directories import Directories
    from syncd.ledger.ledger import Ledger
    from syncd.mailservers.connection import Options
    from syncd.openxchange.check import Use
    from syncd.settings.loading import Settings


def check(
    config: Config,
    offline: Annotated[bool, typer.Option("--offline", help="Do not connect to anything.")] = False,
    imap: Annotated[
        bool, typer.Option("--imap", help="Log in to the mailboxes' servers too, by IMAP and SMTP, each login once.")
    ] = False,
    imap_ca: Annotated[
        Path | None,
        typer.Option("--imap-ca", help="With --imap: the CAs to trust there, not the system's (PEM).", metavar="FILE"),
    ] = None,
) -> None:
    """Validate the configuration, connect, report every problem."""
    from syncd.errors import ConfigurationError  # noqa: PLC0415

    if imap and offline:
        raise typer.BadParameter("connects, and does not go with --offline", param_hint="--imap")
    if imap_ca is not None and not imap:
        raise typer.BadParameter("goes with --imap", param_hint="--imap-ca")
    settings = loaded(config)
    if problems := settings.secrets_problems():
        raise ConfigurationError(problems)
    console = out()
    failed = 0
    count = 0
    known, patterns = len(settings.mailboxes()), len(settings.patterns())
    what = f"{known} {'mailbox' if known == 1 else 'mailboxes'}"
    what += f", {patterns} {'pattern' if patterns == 1 else 'patterns'}" if patterns else ""
    console.print(f"ok    configuration: {config}, {what}", markup=False, highlight=False)
    mail_servers = _mail_servers(imap_ca) if imap else None
    for finding in () if offline else _findings(settings, mail_servers):
        count += 1
        failed += not finding.ok
        line = f"{'ok   ' if finding.ok else 'FAIL '} {finding.what}: {finding.detail}"
        hint = f" ({finding.hint})" if finding.hint else ""
        console.print(line + hint, style=None if finding.ok else "bold red", markup=False, highlight=False)
    if failed:
        console.print(f"{failed} of {count} checks failed", style="bold red", highlight=False)
        raise typer.Exit(1)


def _mail_servers(ca: Path | None) -> Options:
    from syncd.mailservers.connection import Options, trusting  # noqa: PLC0415

    return Options(context=trusting(ca))


def _findings(settings: Settings, mail_servers: Options | None) -> Iterator[Finding]:
    """Look at directories, Open-Xchange, who is told, mail servers if asked to, what a plan says, and the ledger."""
    from syncd.channels import channels  # noqa: PLC0415
    from syncd.core.finding import Finding  # noqa: PLC0415
    from syncd.core.patterns import sources as discovered  # noqa: PLC0415
    from syncd.directory.directories import Directories  # noqa: PLC0415
    from syncd.errors import LedgerError  # noqa: PLC0415
    from syncd.openxchange.check_configdb import findings  # noqa: PLC0415
    from syncd.options import directory_options, store_options  # noqa: PLC0415
    from syncd.wiring import open_ledger  # noqa: PLC0415

    patterns = settings.patterns()
    mailboxes = (*settings.mailboxes(), *(pattern.mailbox for pattern in patterns))
    sources = list(dict.fromkeys(s for one in mailboxes for s in (*one.sources, *one.exclude) if s.from_directory))
    told, read = Directories(directory_options(settings)).check(
        sources,
        searches=[pattern.search for pattern in patterns if pattern.search is not None],
        grow=lambda discoveries: discovered(patterns, discoveries),
    )
    yield from told
    contexts = {mailbox.context for mailbox in mailboxes} - {0}  # 0 stands for one that a run finds out
    options = store_options(settings)
    stored = [] if options is None else list(findings(options, sorted(contexts), uses=_uses(settings, mailboxes)))
    written = list(_service(settings, contexts, alone=options is None))
    yield from (*stored, *written)
    yield from _caches(settings, contexts)
    yield _passwords(mailboxes)
    yield from (channel.finding() for channel in channels(settings))
    if mail_servers is not None:
        yield from _logins(settings, read, mail_servers)
    try:
        ledger = open_ledger(settings)
    except LedgerError as error:
        yield Finding(ok=False, what="ledger", detail=error.message, hint=error.hint or "")
        return
    try:
        yield from _planned(settings, ledger, read, quiet=not all(finding.ok for finding in stored or written))
        yield Finding(ok=True, what="ledger", detail=settings.ledger.url)
    except LedgerError as error:
        yield Finding(ok=False, what="ledger", detail=error.message, hint=error.hint or "")
    finally:
        ledger.close()


def _service(settings: Settings, contexts: Collection[int], *, alone: bool) -> Iterator[Finding]:
    """Try the SOAP service or the command line tools, where accounts are written by them; alone: and read, too."""
    from syncd.wiring import service  # noqa: PLC0415

    found = service(settings)
    if found is not None:
        from syncd.openxchange import provisioning_check  # noqa: PLC0415

        yield from provisioning_check.findings(found, contexts)
        if alone:
            yield from provisioning_check.alone(found)


def _caches(settings: Settings, contexts: Collection[int]) -> Iterator[Finding]:
    """Say how Open-Xchange learns of rows that are written by SQL."""
    from syncd.wiring import caches, opened_store  # noqa: PLC0415

    with opened_store(settings) as store:
        told = caches(settings, store)
        if told is not None:
            yield from told.findings(contexts)


def _passwords(mailboxes: Sequence[Mailbox]) -> Finding:
    """Say what the setting of Open-Xchange means that chooses passwords; it is in none of its tables."""
    from syncd.core.finding import Finding  # noqa: PLC0415
    from syncd.core.logins import password_source  # noqa: PLC0415

    names: dict[str, bool] = {}
    for one in mailboxes:
        name = one.address if not one.pattern else f"the mapping at {one.pattern}"
        names[name] = names.get(name, True) and one.account.password is not None
    return Finding(ok=True, what="OX passwordSource", detail=password_source(names))


def _logins(settings: Settings, read: DirectoryRead, options: Options) -> Iterator[Finding]:
    """Log in to the mail servers of all mailboxes, those that patterns find included."""
    from syncd.core.logins import logins  # noqa: PLC0415
    from syncd.core.patterns import described  # noqa: PLC0415
    from syncd.mailservers.check import findings  # noqa: PLC0415
    from syncd.settings.mailboxes import LOCALHOST  # noqa: PLC0415

    fixed = settings.mailboxes()
    found = described(settings.patterns(), read.discoveries, {mailbox.key for mailbox in fixed})
    trials, untried = logins((*fixed, *(mailbox for _, mailbox in found.mailboxes)), LOCALHOST[0])
    yield from findings(trials, untried, options)


def _uses(settings: Settings, mailboxes: Sequence[Mailbox]) -> set[Use]:
    """Say which tables are needed that only some configurations need."""
    from syncd.options import directory_options  # noqa: PLC0415

    sources = [source for mailbox in mailboxes for source in (*mailbox.sources, *mailbox.exclude)]
    rules = [rule for source in sources for rule in source.rules]
    rules += [rule for options in directory_options(settings).values() for rule in options.rules]
    found: set[Use] = {"ox_group"} if any(source.kind == "ox_group" for source in sources) else set()
    return found | ({"alias"} if any(rule.by == "alias" for rule in rules) else set())


def _planned(settings: Settings, ledger: Ledger, read: DirectoryRead, *, quiet: bool) -> Iterator[Finding]:
    """Plan with what was read already, and tell what becomes of patterns, sources in Open-Xchange and members.

    Args:
        settings: the configuration.
        ledger: opened.
        read: what the directories said.
        quiet: whether an error of Open-Xchange was told before.
    """
    from syncd.core.finding import Finding  # noqa: PLC0415
    from syncd.errors import StoreError  # noqa: PLC0415
    from syncd.wiring import assemble  # noqa: PLC0415

    instance = assemble(settings, ledger)
    try:
        report = replace(instance.reconciler, directory=_answered(read)).plan()
    except StoreError as error:
        if not quiet:
            read_by_sql = settings.openxchange.database or settings.openxchange.configdb
            what = "OX database" if read_by_sql else "OX accounts"
            yield Finding(ok=False, what=what, detail=error.message, hint=error.hint or "")
        return
    finally:
        instance.close()
    plans = [judgement.plan for judgement in report.judgements]
    yield from _patterns(instance.reconciler.patterns, plans, report)
    yield from _in_open_xchange(plans)
    yield from _members(plans)


def _answered(read: DirectoryRead) -> Directories:
    """Give directories that answer what they answered before: nobody is asked twice."""
    from syncd.directory.directories import Directories  # noqa: PLC0415

    class Answered(Directories):
        def __init__(self) -> None:
            super().__init__({})

        def read(self, *_args: object, **_more: object) -> DirectoryRead:
            return read

    return Answered()


def _patterns(patterns: Sequence[Pattern], plans: Sequence[MailboxPlan], report: Report) -> Iterator[Finding]:
    from syncd.core.finding import Finding  # noqa: PLC0415

    for pattern in patterns:
        count = len({plan.mailbox.key for plan in plans if plan.mailbox.pattern == pattern.where})
        told = f"{count} {'mailbox' if count == 1 else 'mailboxes'} found"
        yield Finding(ok=True, what=f"mapping at {pattern.where}", detail=told)
    for problem in report.problems:
        yield Finding(ok=False, what="discovery", detail=problem, hint="such a mailbox is left as it is")


def _in_open_xchange(plans: Sequence[MailboxPlan]) -> Iterator[Finding]:
    """Tell of each group of Open-Xchange whether it is there, and of how many users."""
    from syncd.core.finding import Finding  # noqa: PLC0415

    told: dict[tuple[str, int], Finding] = {}
    for plan in plans:
        for source in (*plan.mailbox.sources, *plan.mailbox.exclude):
            if source.kind != "ox_group":
                continue
            what = f"{source} of context {plan.mailbox.context}"
            about = f"{source}: "
            wrong = next((reason.removeprefix(about) for reason in plan.reasons if reason.startswith(about)), "")
            users = plan.proofs[str(source)].values.get("user", 0)
            detail = wrong or f"{users} {'user' if users == 1 else 'users'}"
            told.setdefault((what, plan.mailbox.context), Finding(ok=not wrong, what=what, detail=detail))
    yield from told.values()


def _members(plans: Sequence[MailboxPlan]) -> Iterator[Finding]:
    """Count the members that are users, context by context; those of mailboxes in many contexts by mapping."""
    from syncd.core.finding import Finding  # noqa: PLC0415

    users: dict[str, int] = defaultdict(int)
    reasons: dict[str, list[str]] = defaultdict(list)
    for plan in plans:
        mailbox = plan.mailbox
        spread = mailbox.everywhere or mailbox.choices is not None
        what = f"members by the mapping at {mailbox.pattern}" if spread else f"members in context {mailbox.context}"
        users[what] += plan.desired
        reasons[what] += [notice.reason for notice in plan.unresolved]
    for what, found in sorted(users.items()):
        missing = len(reasons[what])
        if not found + missing:
            continue  # no member could be read, or no group has one
        ambiguous = sum(reason.startswith("ambiguous") for reason in reasons[what])
        detail = f"{found} of {found + missing} are users of Open-Xchange"
        detail += f", {ambiguous} could be several" if ambiguous else ""
        hint = "the rules in users (or its login) must lead to users; `syncd plan` says why not, member by member"
        yield Finding(ok=found > 0, what=what, detail=detail, hint=hint if missing else "")
