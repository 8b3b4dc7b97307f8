"""`retire` and `release`: what becomes of a mailbox that left the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli.options import Config, Context, in_shell, opened, out, say

if TYPE_CHECKING:
    from syncd.core.model import Mailbox
    from syncd.wiring import Instance

Address = Annotated[str, typer.Argument(help="Address of the mailbox.", metavar="MAILBOX")]


def retire(
    mailbox: Address,
    config: Config,
    context: Context = None,
    approve: Annotated[
        str | None, typer.Option("--approve", metavar="DIGEST", help="The digest printed first.")
    ] = None,
) -> None:
    """Delete the accounts of a mailbox that left the configuration, those of pinned users too.

    Without --approve it prints how many, and a digest, and deletes nothing.
    """
    from syncd.cli.text import show  # noqa: PLC0415
    from syncd.core import verdict  # noqa: PLC0415
    from syncd.core.changes import Approval  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415
    from syncd.wiring import NOTHING  # noqa: PLC0415

    with opened(config) as instance:
        one = _orphan(instance, mailbox, context)
        report = instance.retiring(one).plan([one.ref])
        [judgement] = report.judgements
        count = len(judgement.plan.changes)
        if approve is None:
            console = out()
            show(replace(report, orphans=()), console, config=in_shell(config))
            told = f"{count} accounts of {one.address} (context {one.context}) would be deleted. Do it with:"
            which = in_shell(one.address) + ("" if context is None else f" --context {context}")
            command = f"  syncd retire {which} -c {in_shell(config)} --approve {judgement.digest}"
            console.print(f"{told}\n{command}", markup=False, highlight=False)
            raise typer.Exit(4 if count else 0)
        if judgement.digest not in {approve, f"sha256:{approve}"}:
            raise SyncdError(
                f"the plan for {one.address} is another one than {approve}: {count} accounts, {judgement.digest}",
                hint="look at it again without --approve",
            )
        # the run may find more than the digest names, after waiting for another: then it is held
        report = instance.retiring(replace(one, limits=NOTHING)).run(
            [one.ref], command="retire", approve={one.ref: (Approval(judgement.digest),)}
        )
        if idle := report.judgements[0].idle:
            raise SyncdError(
                f"nothing of {one.address} was deleted: {idle}", hint="nothing is applied while that lasts"
            )
        if not report.errors and not any(outcome.result == "failed" for outcome in report.outcomes):
            left = instance.ledger.claims().get(one.ref, {})
            if not left:
                _unpin(instance, one)
            say(f"{one.address} (context {one.context}): {len(report.outcomes)} accounts deleted, {len(left)} left")
    show(replace(report, orphans=()), out(), config=in_shell(config))
    raise typer.Exit(verdict.exit_code(report))


def _unpin(instance: Instance, gone: Mailbox) -> None:
    """End the pins of a mailbox that nobody has any more: they shall not come back with its address one day."""
    from syncd.cli.persons import person  # noqa: PLC0415

    now = datetime.now(UTC)
    if pinned := instance.ledger.pins(now).get(gone.ref):
        instance.ledger.unpin(gone.ref, pinned, person(), now)


def release(mailbox: Address, config: Config, context: Context = None) -> None:
    """Let go of a mailbox that left the configuration.

    Its accounts stay and are not ours any more.
    """
    import uuid  # noqa: PLC0415

    from syncd.core.changes import Report  # noqa: PLC0415

    with opened(config) as instance:
        one = _orphan(instance, mailbox, context)
        with instance.ledger.lease("run", "syncd release", wait=60.0):
            run = uuid.uuid4().hex
            now = datetime.now(UTC)
            instance.ledger.begin(run, "release", now)
            count = instance.ledger.release(run, now, one.ref)
            ended = datetime.now(UTC)
            instance.ledger.finish(
                Report(run=run, started=now, finished=ended, judgements=(), applied=True, partial=True)
            )
    say(f"{one.address} (context {one.context}): {count} accounts stay and are not ours any more")


def _orphan(instance: Instance, address: str, context: int | None) -> Mailbox:
    """Find the claimed mailbox that the command names.

    Raises:
        SyncdError: it is configured or found by a pattern, or whether it is cannot be told; nothing of it is claimed,
            or several contexts have it.
    """
    from syncd.core.address import collation_key  # noqa: PLC0415
    from syncd.errors import SyncdError  # noqa: PLC0415
    from syncd.wiring import retired  # noqa: PLC0415

    key = collation_key(address)
    census = instance.reconciler.census()
    there = [m for m in census.configured if m.key == key and context in {None, m.context}]
    if any(not mailbox.pattern for mailbox in there):
        raise SyncdError(f"{address} is configured", hint="take its mapping out of the configuration first")
    if there:
        raise SyncdError(
            f"{address} is found by the mapping at {there[0].pattern}",
            hint="exclude it there, or take from the directory what makes it found",
        )
    if key in census.unclear:
        raise SyncdError(
            f"{address} did not leave: its mapping finds it, and there is a problem with it",
            hint="; ".join(census.problems),
        )
    if census.undiscovered:
        raise SyncdError(
            f"whether {address} left cannot be told: not all mailboxes are known",
            hint="; ".join(census.undiscovered),
        )
    orphans = instance.ledger.orphans([m.ref for m in census.configured])
    found = [o for o in orphans if collation_key(o.address) == key and context in {None, o.context}]
    if not found:
        raise SyncdError(f"nothing of {address} is claimed", hint=_known(sorted(o.address for o in orphans)))
    if len(found) > 1:
        raise SyncdError(f"{address} is claimed in several contexts", hint="add --context")
    return retired(found[0].address, found[0].context)


def _known(addresses: Sequence[str]) -> str:
    return f"claimed and not configured: {', '.join(addresses[:10])}" if addresses else "no mailbox is orphaned"
