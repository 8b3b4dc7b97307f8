"""The options of the four command line tools, and how those tools read a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Option(NamedTuple):
    """An option; `mark` is `*` where it is mandatory, `|` where one of those marked so is, `?` where it may be."""

    name: str
    short: str = ""
    value: bool = True
    mark: str = ""


_BASIC = (
    Option("help", "h", value=False),
    Option("environment", value=False),
    Option("nonl", value=False),
    Option("responsetimeout"),
    Option("adminuser", "A", mark="?"),
    Option("adminpass", "P", mark="?"),
)
_CONTEXT = Option("contextid", "c", mark="*")
_ADDRESS = Option("primary-address", "e", mark="*")
_WHO = (Option("users", mark="|"), Option("groups", mark="|"))
MAIL = ("mail-server", "mail-port", "mail-protocol", "mail-secure", "mail-starttls")
"""All of them are needed where no endpoint source is given."""
_MAIL = tuple(map(Option, MAIL))
_CREDENTIALS = (Option("transport-login"), Option("transport-password"))
_REST = tuple(
    map(
        Option,
        (
            *("transport-server", "transport-port", "transport-protocol", "transport-secure", "transport-starttls"),
            *("archive-fullname", "drafts-fullname", "sent-fullname", "spam-fullname", "trash-fullname"),
            *("confirmed-spam-fullname", "confirmed-ham-fullname"),
        ),
    )
)


def _account(mark: str) -> tuple[Option, ...]:
    people = (Option("personal", "r"), Option("reply-to"))
    return (Option("login", mark=mark), Option("password"), Option("name", "a", mark=mark), *people)


TOOLS: Mapping[str, tuple[Option, ...]] = {
    "createsecondaryaccount": (
        *(*_BASIC, _CONTEXT, *_WHO, _ADDRESS, *_account("*"), Option("mail-endpoint-source"), *_MAIL),
        *(Option("transport-endpoint-source"), *_CREDENTIALS, *_REST),
    ),
    "updatesecondaryaccount": (*_BASIC, _ADDRESS, _CONTEXT, *_WHO, *_account(""), *_MAIL, *_CREDENTIALS, *_REST),
    "deletesecondaryaccount": (*_BASIC, _ADDRESS, _CONTEXT, *_WHO),
    "listsecondaryaccount": (*_BASIC, _CONTEXT, Option("users"), Option("groups"), Option("csv", value=False)),
}
"""Tool → its options in the order of the usage text."""


class UnknownOptionError(Exception):
    """A word on the command line that is no option, or an argument without one."""


class NoValueError(Exception):
    """An option without its value."""


def read(options: Sequence[Option], argv: Sequence[str]) -> dict[str, str]:
    """Read a command line; of an option given twice the first value counts, a value may begin with a hyphen.

    Raises:
        UnknownOptionError: see there.
        NoValueError: see there.
    """
    known = {f"--{option.name}": option for option in options} | {
        f"-{option.short}": option for option in options if option.short
    }
    found: dict[str, str] = {}
    words = list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        option = known.get(name)
        if option is None:
            raise UnknownOptionError(name)
        if option.value and not equals:
            if not words:
                raise NoValueError(name)
            value = words.pop(0)
        found.setdefault(option.name, value)
    return found


def missing(options: Sequence[Option], given: Mapping[str, str]) -> list[str]:
    """Name the mandatory options that were not given."""
    return [option.name for option in options if option.mark == "*" and option.name not in given]


def usage(tool: str) -> str:
    """Give the help text; but for its first line it is our own."""
    lines = [f"Usage: {tool} "]
    for option in TOOLS[tool]:
        short = f"-{option.short}," if option.short else "   "
        lines.append(f" {short}--{option.name}{' <value>' if option.value else ''}".ljust(40) + option.mark)
    return "\n".join(lines) + "\n"
