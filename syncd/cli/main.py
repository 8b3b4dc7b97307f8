"""The command line: which commands there are, and the one place where an error becomes a line for people."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from syncd import __version__
from syncd.cli import (
    account,
    checking,
    discovering,
    explaining,
    held,
    history,
    leaving,
    pausing,
    playground,
    rehearsing,
    resealing,
    runs,
    state,
    undoing,
)
from syncd.cli.options import say
from syncd.errors import ConfigurationError, SyncdError

_INTERRUPTED = 130
"""What Typer makes of Ctrl-C."""
app = typer.Typer(
    name="syncd",
    help="Keep Open-Xchange secondary mail accounts in step with the groups of a directory.",
    epilog="Exit codes: 0 done or in step; 1 error; 2 usage; 3 changes pending (plan --exit-code); 4 held by a limit; "
    "5 applied, but something failed, was withheld, or a source could not be read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    playground.demo,
    checking.check,
    discovering.discover,
    runs.plan,
    explaining.explain,
    runs.sync,
    runs.run,
    state.status,
    held.held,
    held.show,
    held.approve,
    held.reject,
    pausing.pause,
    pausing.resume,
    history.history,
    undoing.undo,
    rehearsing.rehearse,
    leaving.retire,
    leaving.release,
    resealing.reseal,
):
    app.command()(command)
app.add_typer(account.app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"syncd {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[  # noqa: ARG001 - answered by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    ctx.obj = debug


def main() -> None:
    """Run the command line; end the process with the exit code of the contract."""
    write_anything()
    debug = "--debug" in sys.argv
    if debug:  # wherever it stands, before or after the command
        sys.argv = [sys.argv[0], "--debug", *(word for word in sys.argv[1:] if word != "--debug")]
    try:
        app()
    except ConfigurationError as error:
        _refuse(error, debug=debug)
        for problem in error.problems:
            say(problem, "red")
    except SyncdError as error:
        _refuse(error, debug=debug)
        say(f"syncd: {error.message}", "red")
        if error.hint:
            say(f"  {error.hint}")
    except SystemExit as end:
        if end.code != _INTERRUPTED:
            raise
        say("syncd: interrupted; the next run goes on", "red")
    except BrokenPipeError:
        sys.stderr.close()
    except Exception as error:  # noqa: BLE001 - a traceback never reaches a user who did not ask for it
        _refuse(error, debug=debug)
        _tell(error)
    sys.exit(1)


def _tell(error: Exception) -> None:
    """Tell of an error that no other part has made its own."""
    if isinstance(error, OSError):  # reading and writing systems has errors of its own: this is our output
        where = f"{error.filename}: " if error.filename else ""
        say(f"syncd: {where}{error.strerror or error}", "red")
        say("  can the output be written? --debug shows where it happened")
    else:
        say(f"syncd: unexpected {type(error).__name__}: {error}", "red")
        say("  this is a defect of syncd; --debug shows where")


def write_anything() -> None:
    """Escape what an output cannot encode: a strange name in a directory shall not hide what a run did.

    An output that is closed (`2>&-`) swallows what is written: a run must not fail for it.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse(error: Exception, *, debug: bool) -> None:
    if debug:
        raise error
