"""`account list|create|update|delete`: the vendor's four tools, without their traps; here is what they say.

Results go to standard output in the tools' words, all else to standard error. The same code serves `syncd account …`
with syncd's exit codes and the prefixed scripts (`account_scripts`) with the vendor's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from syncd.cli import pinning
from syncd.cli.options import loaded, say

if TYPE_CHECKING:
    from syncd.byhand.asking import People
    from syncd.byhand.work import Done
    from syncd.byhand.writing import ByHand
    from syncd.cli.account_options import Given
    from syncd.core.model import Account
    from syncd.settings.loading import Settings

ABOUT: Mapping[str, str] = {
    "list": "List secondary accounts of users, or of a whole context.",
    "create": "Give users and members of groups an account. What is not given is as the accounts that exist have it.",
    "update": "Change accounts of users and members of groups. What is not given stays.",
    "delete": "Take an account from users and members of groups.",
}
_SHOWN = 20
"""Users who are named one by one."""
app = typer.Typer(
    name="account",
    help="List, create, change and delete secondary accounts by hand, with the options of Open-Xchange's own tools.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _command(command: str) -> Callable[[typer.Context], None]:
    def run(ctx: typer.Context) -> None:
        raise typer.Exit(in_syncd(command, ctx.args))

    run.__doc__ = ABOUT[command]
    return run


for name in ABOUT:
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    app.command(name, context_settings=settings)(_command(name))
app.command("pins")(pinning.pins)
app.command("unpin")(pinning.unpin)


def in_syncd(command: str, argv: Sequence[str]) -> int:
    """Do what a command line asks; give syncd's exit code.

    Raises:
        SyncdError: it could not be done.
    """
    from syncd.byhand.asking import HandError  # noqa: PLC0415 - `--help` must not wait for it

    try:
        done = perform(command, argv, f"syncd account {command}")
    except HandError as error:
        if not error.usage:
            raise
        say(f"syncd: {error}", "red")
        return 2
    if done is None or not done.failed:
        return 0
    for line in failures(done):
        say(line, "red")
    return 5 if done.applied and not done.errors else 1


def perform(command: str, argv: Sequence[str], title: str, seen: list[int] | None = None) -> Done | None:
    """Do what a command line asks, and print what the tools print.

    Args:
        command: list, create, update or delete.
        argv: the options.
        title: what the command is called, for its help text.
        seen: gets the context's number as soon as it is known.

    Returns:
        What became of it; None of list and help.

    Raises:
        SyncdError: it could not be done.
    """
    from syncd.cli.account_options import ENVIRONMENT, PASSWORDS, absent, read, usage, with_files  # noqa: PLC0415

    given = read(command, argv)
    if "help" in given:
        sys.stdout.write(usage(command, title, ABOUT[command]))
        return None
    if "environment" in given:
        sys.stdout.write("".join(f"{name}={_of_environment(name)}\n" for name in ENVIRONMENT))
        return None
    needed = ["contextid"] if command == "list" else ["contextid", "primary-address"]
    if missing := [name for name in needed if name not in given]:
        raise absent(missing + _also_missing(command, given, missing))
    if "adminpass" in given:
        say("warning: everybody on this machine can read the password of -P; syncd does not need it", "yellow")
    for name in PASSWORDS:
        if given.get(name):
            text = f"warning: everybody on this machine can read the password of --{name}; --{name}-file hides it"
            say(text, "yellow")
    given = with_files(given)
    context = given.number("contextid") or 0
    if seen is not None:
        seen.append(context)
    config = Path(given.get("config") or os.environ.get("SYNCD_CONFIG") or pinning.CONFIG)
    if command == "list":
        _list(given, context, loaded(config))
        return None
    return _write(command, given, context, loaded(config), blaming=seen is not None)


def _of_environment(name: str) -> str:
    """Give a variable as it may be shown: of a password only that there is one."""
    value = os.environ.get(name, "")
    return "***" if value and name == "ADMIN_PASSWORD" else value


def _also_missing(command: str, given: Given, missing: Sequence[str]) -> list[str]:
    """Name the rest as the tool does, where no account could tell it; nobody knows which."""
    from syncd.cli.account_fields import incomplete  # noqa: PLC0415

    if command != "create" or "primary-address" not in missing:
        return []
    return [name for name in incomplete(given) if name in {"login", "name"}]


def _list(given: Given, context: int, settings: Settings) -> None:
    from syncd.byhand.asking import accounts, people  # noqa: PLC0415
    from syncd.cli import account_lists  # noqa: PLC0415
    from syncd.wiring import opened_store  # noqa: PLC0415

    users, groups = given.ids("user"), given.ids("group")
    asked = bool(given.keys() & {"users", "groups"})
    with opened_store(settings) as store:
        whom = people(store, context, users, groups, guests=True)
        shown = accounts(store, context, tuple(whom) if asked else None, passwords="show-passwords" in given)
    sys.stdout.write(account_lists.csv(shown) if "csv" in given else account_lists.table(shown))


def _write(command: str, given: Given, context: int, settings: Settings, *, blaming: bool) -> Done:
    """Write accounts; with `blaming` find out what is to blame where it fails, for the tools' exit codes."""
    from syncd.byhand.asking import Exit, HandError, blamed, people  # noqa: PLC0415

    address = given["primary-address"]
    with _hand(settings) as hand:
        task = _task(command, given, context, hand)
        if not address.strip():
            raise HandError("Primary address is empty.", code=Exit.INVALID)
        users, groups = given.ids("user"), given.ids("group")
        if not users and not groups:
            raise HandError("Missing users/groups in account data", code=Exit.INVALID)
        whom = people(hand.store, context, users, groups, guests=command != "create")
        done = task(whom)
        if done.failed and blaming:
            done = replace(done, code=blamed(hand.store, context))
        say_late(hand)
        _tell(command, done, whom, f"{address} in context {context}")
        if not given.keys() & {"pin", "until"}:
            _warn(command, done, hand, context, address)
    text = _said(command, done, whom, address, context)
    if text:
        sys.stdout.write(f"{text}\n")
    return done


def _task(command: str, given: Given, context: int, hand: ByHand) -> Callable[[People], Done]:
    """Give what is to be done to users, with all options understood."""
    from syncd.byhand.likeness import template  # noqa: PLC0415
    from syncd.byhand.writing import Pinning  # noqa: PLC0415
    from syncd.cli import account_fields  # noqa: PLC0415

    address = given["primary-address"]
    pin = None
    if command != "update" and given.keys() & {"pin", "until"}:
        pin = Pinning(until=given.until(hand.clock()))
    if command == "delete":
        return lambda whom: hand.delete(context, whom, address, pin)
    if command == "update":
        change = account_fields.change(given)
        return lambda whom: hand.update(context, whom, address, change)
    for name in account_fields.ignored(given):
        say(f"warning: --{name} is ignored with --mail-endpoint-source {given['mail-endpoint-source']}", "yellow")

    def account() -> Account:
        like = None
        if account_fields.incomplete(given):
            like = template(hand.store, context, address, hand.configured(context, address), given)
        return account_fields.new_account(given, like)

    if pin is not None:  # who has an account keeps it: nobody needs to say what it is like
        return lambda whom: hand.create(context, whom, address, account, pin)
    known = account()
    return lambda whom: hand.create(context, whom, address, lambda: known)


@contextmanager
def _hand(settings: Settings) -> Iterator[ByHand]:
    from syncd.wiring import by_hand  # noqa: PLC0415

    with by_hand(settings, who=whoami(), argv=tuple(sys.argv)) as hand:
        yield hand


def whoami() -> str:
    """Name the person who gave the command, for the journal."""
    import getpass  # noqa: PLC0415

    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.getuid()}"


# --------------------------------------------------------------------------- what is said


def failures(done: Done) -> list[str]:
    """Give what did not work, as lines."""
    lines = [*done.errors]
    for why in dict.fromkeys((done.refused or {}).values()):
        users = [user for user, reason in (done.refused or {}).items() if reason == why]
        lines.append(f"{_users(users)}: {why}")
    return lines


def _users(users: Sequence[int]) -> str:
    named = ", ".join(str(user) for user in users[:_SHOWN])
    more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
    return f"user {named}" if len(users) == 1 else f"users {named}{more}"


def _said(command: str, done: Done, whom: People, address: str, context: int) -> str:
    """Give the line of the tools (ox-facts 6.6); empty where something failed and nothing was done."""
    account = f"econdary account with primary address {address}"
    tail = f"specified users/groups in context {context}"
    if command == "create":
        if done.skipped and not done.applied and not done.refused:
            return f"S{account} exists already for {tail}"
        return f"S{account} successfully created for {tail}" if done.applied or not whom else ""
    if done.applied:
        return f"S{account} successfully {command}d from {tail}"
    return "" if done.refused or done.errors else f"No such s{account} for {tail}"


def _tell(command: str, done: Done, whom: People, where: str) -> None:
    if command == "create" and done.skipped:
        verb = "has" if len(done.skipped) == 1 else "have"
        say(f"note: {_users(done.skipped)} {verb} the account of {where} already: skipped")
    untouched = len(whom) - len(done.applied) - len(done.refused or {})
    if command != "create" and done.applied and untouched > 0:
        say(f"note: {untouched} of {len(whom)} users have no account of {where}")


def say_late(hand: ByHand) -> None:
    """Warn where Open-Xchange was not told of what was written."""
    for why in dict.fromkeys(hand.late):
        say(f"warning: users may see changes late: {why}", "yellow")


def _warn(command: str, done: Done, hand: ByHand, context: int, address: str) -> None:
    """Say what the next run may do about it."""
    if done.claimed and command == "delete":
        say(
            f"warning: a mapping keeps the account of {_users(done.claimed)}: "
            "the next run makes it again unless they leave its sources",
            "yellow",
        )
    elif done.claimed:
        say(f"warning: a mapping keeps the account of {_users(done.claimed)}: the next run may set it back", "yellow")
    mapped = hand.configured(context, address)
    if command == "create" and done.applied and mapped is not None and mapped.extra == "remove":
        say(
            f"warning: the mapping of {address} has extra: remove; "
            "the next run removes the account from users who are not in its sources",
            "yellow",
        )
