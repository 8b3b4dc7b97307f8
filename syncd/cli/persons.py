"""Who gives a command, what a person means by a digest, and how long something lasts."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from syncd.ledger.values import HeldPlan

By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who decided; the user of this command is noted too.")
]
Digest = Annotated[str, typer.Argument(help="The digest that is shown, or a beginning of it.", metavar="DIGEST")]
SHORTEST = 4
"""Hexadecimal digits of a digest that are enough where no other begins like that."""
_LONGEST = 100


def person(by: str | None = None) -> str:
    """Name who gives this command: `anna (uid 1000)`, `Boss (anna by sudo, syncd, uid 998)`.

    Raises:
        typer.BadParameter: the given name is none.
    """
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as containers have
        name = ""
    uid = f"uid {os.getuid()}"
    before = os.environ.get("SUDO_USER", "")
    parts = [f"{before} by sudo"] if before.isprintable() and before.strip() and before != name else []
    parts += [one for one in (name, uid) if one]
    if by is None:
        return f"{parts[0]} ({', '.join(parts[1:])})" if len(parts) > 1 else uid
    if not by.strip() or not by.isprintable() or len(by) > _LONGEST:
        raise typer.BadParameter(f"is no name: 1 to {_LONGEST} printable characters", param_hint="--by")
    return f"{by.strip()} ({', '.join(parts)})"


def age(span: timedelta) -> str:
    """Say how long something lasts, in its two largest units: `3 d 4 h`, `12 min`."""
    minutes = max(0, int(span.total_seconds()) // 60)
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts[:2]) or "less than a minute"


def meant(text: str, digests: Sequence[str]) -> str | None:
    """Give the only digest that begins with a text, with or without `sha256:`; None = there is none.

    Raises:
        typer.BadParameter: several begin like that, or the text is too short to mean one.
    """
    start = text.strip().lower().removeprefix("sha256:")
    if len(start) < SHORTEST:
        raise typer.BadParameter(f"give at least {SHORTEST} digits of the digest", param_hint="DIGEST")
    found = sorted({digest for digest in digests if digest.removeprefix("sha256:").startswith(start)})
    if len(found) > 1:
        raise typer.BadParameter(f"several digests begin like that: {', '.join(found)}", param_hint="DIGEST")
    return found[0] if found else None


def find(text: str, plans: Sequence[HeldPlan]) -> HeldPlan | None:
    """Give the held plan that a person means; arguments and errors as of `meant`."""
    digest = meant(text, [plan.digest for plan in plans])
    return next((plan for plan in plans if plan.digest == digest), None)
