"""The options of the four account commands, which are those of the vendor's tools, and how a command line is read.

`--option value`, `--option=value` and `-o value` are understood; a value may begin with a hyphen, and of a repeated
option the first value counts, as with the tools (ox-behaviour 14, 18.6). `--config`, `--show-passwords`, `--pin`,
`--until`, `--password-file` and `--transport-password-file` are ours.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from syncd.byhand.asking import Exit, HandError
from syncd.cli.times import until


class Option(NamedTuple):
    """An option of a command."""

    name: str
    short: str = ""
    value: str = ""
    """What stands for its value in the help text; empty = it has none."""
    help: str = ""


def _all(value: str, text: str, *names: str) -> tuple[Option, ...]:
    return tuple(Option(name, value=value, help=text) for name in names)


_COMMON = (
    Option("help", "h", help="Show this text."),
    Option("config", value="FILE", help="Configuration; else $SYNCD_CONFIG, else /etc/syncd/syncd.yaml."),
    Option("contextid", "c", "ID", "The context; always needed."),
    Option("users", value="IDS", help="Ids of users: 3,4,5."),
    Option("groups", value="IDS", help="Ids of groups, 0 = everybody."),
    Option("adminuser", "A", "NAME", "Accepted for scripts of the tools, not needed."),
    Option("adminpass", "P", "PASSWORD", "Accepted likewise; everybody on this machine can read it."),
    Option("responsetimeout", value="SECONDS", help="Accepted likewise."),
    Option("nonl", help="Write an error as one line."),
    Option("environment", help="Name the environment variables that matter."),
)
_ADDRESS = (Option("primary-address", "e", "ADDRESS", "Address of the shared mailbox; always needed."),)
_ACCOUNT = (
    Option("login", value="LOGIN", help="Login at the mail server."),
    Option("password", value="PASSWORD", help="Its password; empty = none. Everybody on this machine can read it."),
    Option("password-file", value="FILE", help="The first line of this file instead; - is standard input."),
    Option("name", "a", "NAME", "Name of the account as users see it."),
    Option("personal", "r", "NAME", "Name of the sender."),
    Option("reply-to", value="ADDRESS", help="Where answers go to."),
)
_SOURCE = Option("mail-endpoint-source", value="primary|localhost|none", help="Where the servers are taken from.")
_TRANSPORT_SOURCE = Option(
    "transport-endpoint-source", value="primary|localhost|none", help="Has to fit the other one."
)
MAIL = ("mail-server", "mail-port", "mail-protocol", "mail-secure", "mail-starttls")
"""All of them are needed for a new account where no source is given."""
FOLDERS = ("archive", "drafts", "sent", "spam", "trash", "confirmed-spam", "confirmed-ham")
_FOLDERS = tuple(
    Option(f"{kind}-fullname", value="FOLDER", help=f"Full name of the {kind} folder.") for kind in FOLDERS
)


def _server(part: str) -> tuple[Option, ...]:
    return (
        Option(f"{part}-server", value="HOST", help=f"The {part} server."),
        Option(f"{part}-port", value="PORT", help="Its port."),
        Option(f"{part}-protocol", value="NAME", help="imap." if part == "mail" else "smtp."),
        *_all("true|false", "Whether TLS is spoken from the start.", f"{part}-secure"),
        *_all("true|false", "Whether TLS begins with STARTTLS.", f"{part}-starttls"),
    )


def _pinning(what: str) -> tuple[Option, ...]:
    return (
        Option("pin", help=f"{what}, whatever the mapping's sources say."),
        Option("until", value="TIME", help="Likewise, and end it then: a date, a date and time, or 2h, 3d, 1w."),
    )


_CREDENTIALS = (
    Option("transport-login", value="LOGIN", help="Stored beside the transport server; OX uses --login."),
    Option("transport-password", value="PASSWORD", help="Likewise."),
    Option("transport-password-file", value="FILE", help="The first line of this file instead."),
)
_REST = (*_server("mail"), *_CREDENTIALS, *_server("transport"), *_FOLDERS)
OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "list": (
        *_COMMON,
        Option("csv", help="Write 22 columns as CSV instead of a table."),
        Option("show-passwords", help="Write stored passwords in clear into the CSV."),
    ),
    "create": (*_COMMON, *_ADDRESS, *_ACCOUNT, _SOURCE, _TRANSPORT_SOURCE, *_REST, *_pinning("Keep the account")),
    "update": (*_COMMON, *_ADDRESS, *_ACCOUNT, *_REST),
    "delete": (*_COMMON, *_ADDRESS, *_pinning("Keep the users out")),
}
"""Command → its options in the order of the help text."""
PASSWORDS = ("password", "transport-password")
ENVIRONMENT = ("SYNCD_CONFIG", "ADMIN_PASSWORD")


class Given(dict[str, str]):
    """The options of a command line with their values; those without a value have empty text."""

    def number(self, name: str) -> int | None:
        """Give the value of an option that is a number.

        Raises:
            HandError: it is none.
        """
        if name not in self:
            return None
        if not re.fullmatch(r"[+-]?[0-9]+", self[name], re.ASCII):
            raise HandError("Invalid input detected: Ids must be numbers!", code=Exit.OTHER, usage=True)
        return int(self[name])

    def flag(self, name: str) -> bool | None:
        """Give the value of an option that is true or false, in any case; the tools took all else for false.

        Raises:
            HandError: it is something else.
        """
        if name not in self:
            return None
        word = self[name].lower()
        if word not in {"true", "false"}:
            raise HandError(f"--{name} is true or false, not {self[name]!r}", code=Exit.VALUE)
        return word == "true"

    def until(self, now: datetime) -> datetime | None:
        """Give the end that `--until` names.

        Raises:
            HandError: it is no time, or over already.
        """
        if "until" not in self:
            return None
        try:
            return until(self["until"], now)
        except ValueError as error:
            raise HandError(f"--until: {error}", code=Exit.VALUE) from None

    def ids(self, kind: str) -> list[int]:
        """Give the ids of users or groups; `kind` is user or group.

        Raises:
            HandError: something is no id.
        """
        found = []
        for word in self[f"{kind}s"].split(",") if f"{kind}s" in self else ():
            stripped = word.strip()
            number = int(stripped) if re.fullmatch(r"[+-]?[0-9]{1,10}", stripped, re.ASCII) else -1
            if number < (1 if kind == "user" else 0):
                raise HandError(f"Invalid {kind} identifier: {stripped}", code=Exit.INVALID)
            found.append(number)
        return found


def read(command: str, argv: Sequence[str]) -> Given:
    """Read a command line.

    Raises:
        HandError: an unknown option, an argument, an option without its value or with one that it does not take, or
            text that is not UTF-8.
    """
    known = {f"--{option.name}": option for option in OPTIONS[command]}
    known |= {f"-{option.short}": option for option in OPTIONS[command] if option.short}
    given, words = Given(), [_whole(word) for word in argv]
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = known.get(name)
        if option is None:
            text = f"Unrecognized options on the command line: Unknown option ``{name}'"
            hint = "it is -c or --contextid" if name == "--context" else None
            raise HandError(text, code=Exit.OPTION, hint=hint)
        if equals and not option.value:
            raise HandError(f"Illegal option value for {name}: it takes none, not {value!r}", code=Exit.VALUE)
        if option.value and not equals:
            if not words:
                raise HandError(f"Illegal option value for {name}: there is none", code=Exit.VALUE)
            value = words.pop(0)
        given.setdefault(option.name, value)
    return given


def with_files(given: Given) -> Given:
    """Give the options with the passwords that stand in files.

    Raises:
        HandError: a password is given twice, or its file cannot be read or has none.
    """
    found = Given(given)
    for name in PASSWORDS:
        file = found.pop(f"{name}-file", None)
        if file is None:
            continue
        if name in found:
            raise HandError(f"--{name} and --{name}-file are given both", code=Exit.VALUE, usage=True)
        try:
            text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise HandError(f"--{name}-file {file}: {why}", code=Exit.VALUE) from None
        found[name] = text.partition("\n")[0].removesuffix("\r")
        if not found[name]:
            raise HandError(f"--{name}-file {file}: its first line is empty", code=Exit.VALUE)
    return found


def _whole(word: str) -> str:
    """Give a word as it was meant: in UTF-8, whatever the locale; the tools store corrupted text under others.

    Raises:
        HandError: it is something else.
    """
    try:
        return os.fsencode(word).decode()
    except UnicodeDecodeError:
        shown = word.encode(errors="replace").decode()
        raise HandError(f"{shown!r} on the command line is not UTF-8", code=Exit.VALUE) from None


def absent(names: Iterable[str]) -> HandError:
    """Give the error about options that are missing."""
    return HandError(f'Option(s) "{",".join(names)}" missing', code=Exit.MISSING)


def usage(command: str, title: str, about: str) -> str:
    """Give the help text of a command."""
    lines = [f"Usage: {title} ", "", about, ""]
    for option in OPTIONS[command]:
        short = f"-{option.short}, " if option.short else "    "
        left = f"  {short}--{option.name}{f' {option.value}' if option.value else ''}"
        lines += [f"{left:<44}{option.help}" if len(left) < 44 else f"{left}\n{'':<44}{option.help}"]
    return "\n".join(lines) + "\n"
