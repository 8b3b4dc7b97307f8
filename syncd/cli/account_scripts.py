"""The account commands under the vendor's names, prefixed `syncd-`: the same code with the tools' exit codes and words.

A failure is written to standard error as the tools do: `account in context 1 could not be created: `, then `Server
response:` and the message after a blank, or `Error: …`; without their stack traces (ox-facts 6.7, ox-behaviour 14).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from syncd.byhand.asking import Exit, HandError, exit_of
from syncd.cli.account import failures, perform
from syncd.cli.account_options import usage
from syncd.cli.main import write_anything
from syncd.errors import ConfigurationError, SyncdError

_FAILURES = {
    "create": ("account", "could not be created: "),
    "delete": ("account", "could not be deleted: "),
    "list": ("accounts", "could not be listed: "),
}
"""Command → the words of its first line when it fails; update has none."""
_OPTIONS = frozenset({Exit.MISSING, Exit.VALUE, Exit.OPTION})
_WITH_USAGE = frozenset({Exit.MISSING, Exit.OPTION})


def run(command: str, argv: Sequence[str]) -> int:
    """Do what a command line of a tool asks; give the tool's exit code."""
    title, seen = f"syncd-{command}secondaryaccount", list[int]()
    try:
        done = perform(command, argv, title, seen)
    except HandError as error:
        if error.code in _WITH_USAGE:
            sys.stdout.write(usage(command, title, ""))
        place = () if error.code is Exit.MISSING else seen  # the tools look for options before anything else
        return _fail(command, argv, place, _lines(error), error.code)
    except ConfigurationError as error:
        return _fail(command, argv, seen, [f"Error: {error}"], Exit.OTHER)
    except SyncdError as error:
        return _fail(command, argv, seen, ["Server response:", f" {error}"], exit_of(error))
    if done is None or not done.failed:
        return 0
    return _fail(command, argv, seen, ["Server response:", *(f" {line}" for line in failures(done))], done.code)


def _lines(error: HandError) -> list[str]:
    if error.code in _OPTIONS:
        return [f"Error: {error}"]
    if error.message.startswith("Invalid input detected"):
        return [str(error)]
    return ["Server response:", f" {error}"]


def _fail(command: str, argv: Sequence[str], seen: Sequence[int], lines: list[str], code: int) -> int:
    if command in _FAILURES:
        what, failed = _FAILURES[command]
        lines = [f"{what} in context {seen[0]} {failed}" if seen else f"{what} {failed}", *lines]
    text = ": ".join(line.strip().rstrip(":") for line in lines) if "--nonl" in argv else "\n".join(lines)
    sys.stderr.write(f"{text}\n")
    return int(code)


def _main(command: str) -> None:
    write_anything()
    try:
        sys.exit(run(command, sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as error:  # noqa: BLE001 - a traceback never reaches a user who did not ask for it
        sys.stderr.write(f"Error: unexpected {type(error).__name__}: {error}\n")
    sys.exit(1)


def create() -> None:
    """Run syncd-createsecondaryaccount."""
    _main("create")


def update() -> None:
    """Run syncd-updatesecondaryaccount."""
    _main("update")


def delete() -> None:
    """Run syncd-deletesecondaryaccount."""
    _main("delete")


def list_accounts() -> None:
    """Run syncd-listsecondaryaccount."""
    _main("list")
