"""Stand-ins for the vendor's four command line tools, which ask the stand-in's service.

Options, outputs and exit codes are the recorded ones, and so are the traps: "No such secondary account" is a success,
`--transport-endpoint-source` writes over the mail endpoint source, and without a UTF-8 locale what is not ASCII gets
lost. Not recorded, hence in our own words: help, traces, and the texts of failing connections (105 and 107).

`python -m tests.standins.tools listsecondaryaccount -c 1 …` runs one; RMI_HOSTNAME (`rmi://127.0.0.1:8080/`) says
where the service is. `write_tools` makes four scripts that know it.
"""

from __future__ import annotations

import http.client
import os
import re
import shlex
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

from tests.standins import envelope
from tests.standins.contract import FOLDERS, PATH
from tests.standins.faults import Fault, exception_id
from tests.standins.options import MAIL, TOOLS, NoValueError, UnknownOptionError, missing, read, usage
from tests.standins.output import csv, table

_ROOT = Path(__file__).parents[2]
_EXITS = {
    "InvalidCredentialsException": 101,
    "NoSuchContextException": 102,
    "InvalidDataException": 103,
    "StorageException": 106,
    "RemoteException": 107,
    "NoSuchUserException": 108,
    "DatabaseUpdateException": 1,
}
_ENVIRONMENT = ("NEW_USER_PASSWORD", "ADMIN_PASSWORD", "RMI_HOSTNAME", "COMMANDLINE_DATEFORMAT", "COMMANDLINE_TIMEZONE")
_FAILURES = {
    "createsecondaryaccount": ("account", "could not be created: "),
    "deletesecondaryaccount": ("account", "could not be deleted: "),
    "listsecondaryaccount": ("accounts", "could not be listed: "),
}
"""Tool → the words of its first line when it fails; update has none."""
_OPTIONS = {
    "login": "login",
    "password": "password",
    "name": "name",
    "personal": "personal",
    "reply-to": "replyTo",
    "mail-endpoint-source": "mailEndpointSource",
    "mail-server": "mailServer",
    "mail-protocol": "mailProtocol",
    "transport-login": "transportLogin",
    "transport-password": "transportPassword",
    "transport-server": "transportServer",
    "transport-protocol": "transportProtocol",
} | {re.sub("([A-Z])", r"-\1", name).lower(): name for name in FOLDERS}
_SWITCHES = {
    "mail-secure": "mailSecure",
    "mail-starttls": "mailStartTls",
    "transport-secure": "transportSecure",
    "transport-starttls": "transportStartTls",
}


class _ToolError(Exception):
    """The end of a tool, with its exit code and lines for stderr."""

    def __init__(self, code: int, *lines: str, help_too: bool = False) -> None:
        super().__init__()
        self.code = code
        self.lines = lines
        self.help_too = help_too


class _NumberError(Exception):
    """A value that should be a number."""


class Done(NamedTuple):
    """What a tool leaves behind."""

    exit: int
    stdout: str
    stderr: str


def run(tool: str, argv: Sequence[str], environ: Mapping[str, str]) -> Done:
    """Run a tool within this process.

    Args:
        tool: its name.
        argv: its arguments.
        environ: of the process: ADMIN_PASSWORD, RMI_HOSTNAME and the locale matter.
    """
    utf8 = _is_utf8(environ)
    if not utf8:
        argv = ["".join(char if char.isascii() else "\ufffd" * len(_bytes(char)) for char in word) for word in argv]
    one_line = "--nonl" in argv
    place: list[int] = []
    try:
        done = Done(0, _run(tool, argv, environ, place), "")
    except _ToolError as failure:
        lines = list(failure.lines)
        if tool in _FAILURES:
            what, failed = _FAILURES[tool]
            lines.insert(0, f"{what} in context {place[0]} {failed}" if place else f"{what} {failed}")
        text = ": ".join(line.strip().rstrip(":") for line in lines if line) if one_line else "\n".join(lines)
        done = Done(failure.code, usage(tool) if failure.help_too else "", f"{text}\n")
    if utf8:
        return done
    return Done(done.exit, *(text.encode("ascii", "replace").decode() for text in done[1:]))


def _run(tool: str, argv: Sequence[str], environ: Mapping[str, str], place: list[int]) -> str:
    """Give what goes to stdout; the context's number goes to `place` as soon as it is known."""
    with _as_failures():
        given = read(TOOLS[tool], argv)
        if "help" in given:
            return usage(tool)
        if "environment" in given:
            return "".join(f"{name}={environ.get(name, '')}\n" for name in _ENVIRONMENT)
        _complete(tool, given)
        place.append(_number(given["contextid"]))
        auth = _credentials(given, environ)
        arguments: dict[str, Any] = {"context": {"id": place[0]}, "auth": auth}
        for kind, least in (("user", 1), ("group", 0)):
            if f"{kind}s" in given:
                arguments[f"{kind}s"] = [{"id": one} for one in _ids(kind, least, given[f"{kind}s"])]
        operation = tool.removesuffix("secondaryaccount")
        if operation == "create":
            arguments["accountDataOnCreate"] = {"primaryAddress": given["primary-address"]} | _created(given)
        elif operation != "list":
            arguments["primaryAddress"] = given["primary-address"]
        if operation == "update":
            arguments["accountDataUpdate"] = _fields(given)
        result = _ask(operation, arguments, given, environ)
    if isinstance(result, list):
        return csv(result) if "csv" in given else table(result)
    return _said(operation, result, given, place[0])


def _complete(tool: str, given: Mapping[str, str]) -> None:
    """Refuse a command line that lacks options; the check of the endpoint looks at the mail option only."""
    absent = missing(TOOLS[tool], given)
    if not absent and tool == "createsecondaryaccount":
        source = given.get("mail-endpoint-source", "none").strip().lower()
        needed = [name for name in MAIL if name not in given] if source == "none" else []
        absent = [f"mail-endpoint-source OR {','.join(needed)}"] if needed else []
    if absent:
        text = f'Error: Option(s) "{",".join(absent)}" missing; exceptionId {exception_id()}'
        raise _ToolError(104, text, help_too=True)


def _credentials(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str | None]:
    password = given.get("adminpass", environ.get("ADMIN_PASSWORD"))
    if "adminuser" not in given and password is None:
        raise _ToolError(104, 'Error: Options "adminuser, adminpass" missing', help_too=True)
    return {"login": given.get("adminuser"), "password": password}


def _ids(kind: str, least: int, text: str) -> Iterator[int]:
    for word in text.split(","):
        stripped = word.strip()
        if not re.fullmatch(r"[+-]?\d+", stripped) or int(stripped) < least:
            message = f"Invalid {kind} identifier: {stripped}; exceptionId {exception_id()}"
            raise Fault(message, detail="InvalidDataException")
        yield int(stripped)


def _created(given: Mapping[str, str]) -> dict[str, Any]:
    """Give a new account; an empty password is none, and the transport's source is taken for the mail's."""
    data = _fields(given)
    if data.get("password") == "":
        del data["password"]
    if "transport-endpoint-source" in given:
        data["mailEndpointSource"] = given["transport-endpoint-source"]
    return data


def _fields(given: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {field: given[option] for option, field in _OPTIONS.items() if option in given}
    data |= {field: given[option].lower() == "true" for option, field in _SWITCHES.items() if option in given}
    for part in ("mail", "transport"):
        if f"{part}-port" in given:
            data[f"{part}Port"] = _number(given[f"{part}-port"])
    return data


def _number(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise _NumberError
    return int(text)


def _ask(
    operation: str, arguments: Mapping[str, Any], given: Mapping[str, str], environ: Mapping[str, str]
) -> bool | list[dict[str, Any]] | None:
    where = urlsplit(environ.get("RMI_HOSTNAME") or "rmi://localhost:1099/")
    timeout = _number(given["responsetimeout"]) if "responsetimeout" in given else None
    connection = http.client.HTTPConnection(where.hostname or "localhost", where.port or 1099, timeout=timeout)
    with closing(connection):
        connection.request("POST", PATH, envelope.write_request(operation, arguments))
        return envelope.read_answer(connection.getresponse().read())


def _said(operation: str, result: bool | None, given: Mapping[str, str], context: int) -> str:
    """Give the line about a create, update or delete that did not fail; having found nothing is no failure."""
    account = f"econdary account with primary address {given['primary-address']}"
    whose = "for" if operation == "create" or (not result and result is not None) else "from"
    who = f" {whose} specified users/groups" if given.keys() & {"users", "groups"} else ""
    if result is False:
        return f"No such s{account}{who} in context {context}\n"
    done = f"successfully {operation.removesuffix('e')}ed"
    return f"S{account} {done}{who} in context {context}\n"


@contextmanager
def _as_failures() -> Iterator[None]:
    """Let everything that can go wrong end the tool with its code and words."""
    try:
        yield
    except UnknownOptionError as unknown:
        text = f"Error: Unrecognized options on the command line: Unknown option ``{unknown}'"
        raise _ToolError(111, text, help_too=True) from None
    except NoValueError as illegal:
        raise _ToolError(109, f"Error: Illegal option value for {illegal}", help_too=True) from None
    except _NumberError:
        raise _ToolError(1, "Invalid input detected: Ids must be numbers!") from None
    except Fault as fault:
        if fault.detail is None:
            raise _ToolError(1, f"Error: {fault.message}") from None
        raise _server_response(_EXITS[fault.detail], fault.message) from None
    except ConnectionRefusedError:
        raise _server_response(105, "Connection refused to host") from None
    except socket.gaierror as error:
        raise _server_response(107, f"Unknown host: {error.strerror}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _server_response(107, f"Error unmarshaling return header: {type(error).__name__}") from None


def _server_response(code: int, message: str) -> _ToolError:
    trace = [f"\tat stand.in.Trace.line{number}(Unknown Source)" for number in range(3)]
    return _ToolError(code, "Server response:", f" {message}", *trace, "")


def _is_utf8(environ: Mapping[str, str]) -> bool:
    locale = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "C")
    return re.sub("[^a-z0-9]", "", locale.lower()).endswith("utf8")


def _bytes(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")


def write_tools(folder: str | Path, port: int) -> Path:
    """Write the four tools as executable scripts into a folder (made if it is missing), and give it.

    Args:
        folder: where to.
        port: of the service on loopback, unless RMI_HOSTNAME says otherwise when they run.
    """
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    for tool in TOOLS:
        script = where / tool
        script.write_text(
            f"#!/bin/sh\numask 066\nRMI_HOSTNAME=${{RMI_HOSTNAME:-rmi://127.0.0.1:{port}/}}\n"
            f"PYTHONPATH={shlex.quote(str(_ROOT))}\nexport RMI_HOSTNAME PYTHONPATH\n"
            f'exec {shlex.quote(sys.executable)} -X utf8 -m tests.standins.tools {tool} "$@"\n'
        )
        script.chmod(0o755)
    return where


def _write(stream: IO[bytes], text: str) -> None:
    stream.write(text.encode("utf-8", "surrogateescape"))
    stream.flush()


def main() -> int:
    """Run the tool named by the first argument."""
    if len(sys.argv) < 2 or sys.argv[1] not in TOOLS:
        sys.exit(f"usage: python -m tests.standins.tools {{{','.join(TOOLS)}}} [options]")
    done = run(sys.argv[1], sys.argv[2:], os.environ)
    _write(sys.stdout.buffer, done.stdout)
    _write(sys.stderr.buffer, done.stderr)
    return done.exit


if __name__ == "__main__":
    sys.exit(main())
