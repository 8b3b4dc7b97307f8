"""What the outputs and exit codes of the command line tools mean (ox-facts 6.5 to 6.7, ox-behaviour 14).

| exit code                                   | becomes                                                            |
|---------------------------------------------|--------------------------------------------------------------------|
| 0, "Secondary account with …"               | done                                                               |
| 0, "No such secondary account …"            | not done: there was none                                           |
| 101, 102, 103, 106, 107, 108                | the fault of that name: see `provisioning_faults`                  |
| 1, the schema is locked or being updated    | StoreRefused: try again later                                      |
| 1, the service is not available; 105        | Unsent: the call never left                                        |
| 1, another error of the server              | Rejected, of nobody in particular                                  |
| 1, anything else; 104, 109, 111             | StoreRefused: a mistake of the program, or Java does not start     |
| any other, or ended by a signal             | StoreUnavailable: nothing is known                                 |

The tools print the server's message and after it a stack, whose lines begin with a tab.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from itertools import takewhile

from syncd.core.model import Endpoint, Secret
from syncd.errors import StoreError, StoreRefused, StoreUnavailable
from syncd.openxchange import urls
from syncd.openxchange.clt_process import Ended
from syncd.openxchange.listing import Listed
from syncd.openxchange.provisioning_content import FOLDERS
from syncd.openxchange.provisioning_faults import Rejected, Unsent, meaning

_FAULTS = {
    101: "InvalidCredentialsException",
    102: "NoSuchContextException",
    103: "InvalidDataException",
    106: "StorageException",
    107: "RemoteException",
    108: "NoSuchUserException",
}
_OPTIONS = {104, 109, 111}
_NOT_RUN = {126, 127}
"""Exit codes of a shell that cannot start what it should."""
_LOCKED = "is locked or is now being updated"
_JAVA = ("Could not create the Java Virtual Machine", "Could not find or load main class", "Unable to access jarfile")
_HEADING = re.compile(r"accounts? (in context \S+ )?could not be \w+: *$")
_LONGEST = 400
_RELEASE = "a mistake in syncd, or the tools are of another release than 7.10.6 to 8.x"
_BY_HAND = "run it by hand, as the same user"


def outcome(ended: Ended, where: str) -> bool:
    """Tell whether there was an account to create, update or delete.

    Args:
        ended: what the tool left behind.
        where: names the tool in messages.

    Raises:
        Rejected, Unsent, Undone, StoreRefused, StoreUnavailable: see the table above.
    """
    if ended.code != 0:
        raise failure(ended, where)
    for line in ended.stdout.splitlines():
        if line.startswith("Secondary account with primary address "):
            return True
        if line.startswith("No such secondary account with primary address "):
            return False
    raise StoreUnavailable(f"{where} ended without an error, but does not say what it did", hint=_RELEASE)


def accounts(ended: Ended, where: str) -> list[Listed]:
    """Read the list of accounts in the form of `--csv`, which shows empty texts as none.

    Raises:
        Rejected, Unsent, Undone, StoreRefused, StoreUnavailable: see the table above.
    """
    if ended.code != 0:
        raise failure(ended, where)
    rows = csv.DictReader(io.StringIO(ended.stdout, newline=""), strict=True)
    try:
        found = list(rows)
    except csv.Error:
        raise StoreUnavailable(f"{where} gives a list that cannot be read", hint=_RELEASE) from None
    if "account-id" not in (rows.fieldnames or ()) or any(None in row or None in row.values() for row in found):
        raise StoreUnavailable(f"{where} gives a list that cannot be read", hint=_RELEASE)
    try:
        return [_account(row) for row in found]
    except (KeyError, ValueError):
        raise StoreUnavailable(f"{where} gives a list that cannot be read", hint=_RELEASE) from None


def _account(row: Mapping[str, str]) -> Listed:
    """Read one row; a transport without a server is none, and with the mail's password it has none of its own.

    Raises:
        KeyError, ValueError: a column is missing, or an id is no number.
    """
    sides = ("mail", "transport")
    mail, transport = (Endpoint(urls.stored(row[f"{one}-server-URL"]), bool(row[f"{one}-starttls"])) for one in sides)
    password, sending = row["password"], row["transport-password"]
    sends = bool(transport.url)
    return Listed(
        context=int(row["context-id"]),
        user=int(row["user-id"]),
        account=int(row["account-id"]),
        address=row["primary-address"],
        name=row["name"],
        login=row["login"],
        password=Secret(password) if password else None,
        personal=row["personal"] or None,
        reply_to=row["reply-to"] or None,
        mail=mail,
        transport=transport if sends else None,
        transport_login=row["transport-login"] if sends else "",
        transport_password=Secret(sending) if sends and sending and sending != password else None,
        folders={kind: name for kind in FOLDERS if (name := row[f"{kind.replace('_', '-')}-fullname"])},
        unreadable=False,
    )


def failure(ended: Ended, where: str) -> StoreError | Rejected:
    """Give the error to raise for an exit code that is not 0."""
    text, from_server = _message(ended.stderr)
    if ended.code in _FAULTS:
        return meaning(_FAULTS[ended.code], "", text, where)
    if ended.code == 105:
        return Unsent(f"{where} cannot reach Open-Xchange: {_short(text)}", hint="check openxchange.clt.rmi")
    if ended.code in _OPTIONS:
        return StoreRefused(f"{where} does not take what syncd sends: {_short(text)}", hint=_RELEASE)
    if ended.code in _NOT_RUN:
        return StoreRefused(f"{where} cannot be run: {_short(text)}", hint=_BY_HAND)
    if ended.code == 1:
        return _other(text, where, from_server=from_server)
    how = f"was ended by signal {-ended.code}" if ended.code < 0 else f"ended with exit code {ended.code}"
    return StoreUnavailable(f"{where} {how}: {_short(text)}")


def _other(text: str, where: str, *, from_server: bool) -> StoreError | Rejected:
    """Tell apart what all has the exit code 1."""
    if _LOCKED in text:
        return meaning("DatabaseUpdateException", "", text, where)
    if "Look-up failed" in text:
        return Unsent(f"{where} cannot reach Open-Xchange: {_short(text)}", hint="check openxchange.clt.rmi")
    if from_server and not any(words in text for words in _JAVA):
        return meaning(None, "Server", text, where)
    return StoreRefused(f"{where} failed: {_short(text)}", hint=_BY_HAND)


def _message(stderr: str) -> tuple[str, bool]:
    """Give what the tool complains of, without heading and stack, and whether it comes from the server."""
    lines = stderr.split("\n")
    if "Server response:" in lines:
        rest = lines[lines.index("Server response:") + 1 :]
        return " ".join(takewhile(lambda line: not line.startswith("\t"), rest)).strip(), True
    for line in lines:
        if line.startswith("Error: "):
            return line.removeprefix("Error: "), True
    return " ".join(line for line in lines if not _HEADING.match(line) and not line.startswith("\t")).strip(), False


def _short(text: str) -> str:
    """Give a text on one line that is not too long; the tools end some with a number for the server's log."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"
