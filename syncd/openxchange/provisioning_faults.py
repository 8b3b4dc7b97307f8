"""What the faults of the SOAP service mean for who called it (ox-facts 5.5 and 5.6, ox-behaviour 12 and 17.3).

| fault                                            | becomes                                              |
|--------------------------------------------------|------------------------------------------------------|
| InvalidCredentialsException                      | LoginRefused (also where the context does not exist) |
| NoSuchContextException                           | StoreRefused                                         |
| DatabaseUpdateException                          | StoreRefused: try again later                        |
| RemoteException                                  | StoreUnavailable                                     |
| StorageException, CommunicationsException inside | Undone: nothing was done, may be repeated            |
| NoSuchUserException                              | Rejected, of the user named                          |
| StorageException ACC-0017                        | Rejected, of the user named: it is there already     |
| StorageException ACC-0002                        | Rejected, of the user named: no primary account      |
| StorageException "Found two mail accounts"       | Rejected, of the user named: repair by hand          |
| StorageException of values no user may have      | Rejected, of the whole call                          |
| InvalidDataException                             | Rejected, of the whole call                          |
| other StorageException; run time error           | Rejected, of nobody in particular                    |
| soap:Client (or any other code), no detail   | StoreRefused: a mistake of the program               |

A fault is told apart by the name of its detail element, then by its code, then by its text.
"""

from __future__ import annotations

import re
from typing import Literal

from syncd.errors import LoginRefused, StoreError, StoreRefused, StoreUnavailable

NO_PRIMARY = "the user has no primary account to copy the servers from"
_USER = re.compile(r"(?:for user|No such user) (-?\d+)")
_ENHANCED = re.compile(r"\s*;? ?exceptionId -?\d+-\d+\s*$")
_MESSAGE = re.compile(r"^(?P<code>[A-Z]+-\d+) Categories=\S* Message='(?P<text>.*)' exceptionID=\S*$", re.DOTALL)
_JAVA = re.compile(r"^(?:[a-z][\w$]*\.)+[A-Z][\w$]*: ")
_OF_THE_CALL = (
    "Data truncation",
    "cannot be null",
    "Invalid host name",
    "Missing mail end-point data",
    "URISyntaxException",
    "ACC-0016",
)
"""Words in a StorageException that is about values which all users of a call share."""
Scope = Literal["user", "call", "unknown"]


class Rejected(Exception):  # noqa: N818 - reads as a state, as the tree in syncd.errors does
    """Open-Xchange would not do a call, and nothing of it was done. Never leaves this package.

    Attributes:
        reason: for people.
        scope: whether one user is to blame, the values of the call, or nobody knows whom.
        user: the user to blame, where the fault names him.
        taken: whether it was because the account is there already.
    """

    def __init__(self, reason: str, scope: Scope, *, user: int | None = None, taken: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.scope, self.user, self.taken = reason, scope, user, taken


class Unsent(StoreUnavailable):
    """The call never left, so that it may be repeated."""


class Undone(StoreUnavailable):
    """The service could not do the call and took all of it back, so that any call may be repeated."""


def meaning(detail: str | None, code: str, message: str, where: str) -> StoreError | Rejected:
    """Give the error to raise for a fault.

    Args:
        detail: local name of the first detail element; None = the fault has no detail.
        code: the fault code, such as `soap:Server`, with or without prefix.
        message: the fault's text.
        where: names the service in messages.
    """
    text = _ENHANCED.sub("", message).strip()
    if detail is None:
        if code.rpartition(":")[2] == "Server":
            return Rejected(f"Open-Xchange failed: {_line(text)}", "unknown")
        hint = "a mistake in syncd, or the service is of another release than 7.10.6 to 8.x"
        return StoreRefused(f"{where} did not understand the request: {_line(text)}", hint=hint)
    if detail == "StorageException":
        return _of_storage(text, where)
    if detail == "NoSuchUserException":
        user = _named(text)
        gone = f"user {user} does not exist any more" if user is not None else _line(text)
        return Rejected(gone, "unknown" if user is None else "user", user=user)
    if detail == "InvalidDataException":
        return Rejected(_line(text), "call")
    return _of_system(detail, text, where)


def _of_system(detail: str, text: str, where: str) -> StoreError:
    if detail == "InvalidCredentialsException":
        hint = "check login and password of the context's administrator; Open-Xchange says the same of a context "
        return LoginRefused(f"{where} refused the login: {_line(text)}", hint=f"{hint}that does not exist")
    if detail == "DatabaseUpdateException":
        return StoreRefused(f"{where}: {_line(text)}", hint="Open-Xchange updates its tables; the next run tries again")
    if detail == "NoSuchContextException":
        return StoreRefused(f"{where}: {_line(text)}")
    return StoreUnavailable(f"{where} failed: {_line(text)}")


def _of_storage(text: str, where: str) -> StoreError | Rejected:
    user = _named(text)
    scope: Scope = "unknown" if user is None else "user"
    if "CommunicationsException" in text:
        return Undone(f"{where} lost its own database: {_line(text)}")
    if "ACC-0017" in text:
        reason = "an account with this address, or with the same server and login, exists already"
        return Rejected(reason, scope, user=user, taken=True)
    if "ACC-0002" in text:
        return Rejected(NO_PRIMARY, scope, user=user)
    if "Found two mail accounts" in text:
        reason = "the user has two accounts with this address; Open-Xchange changes neither: delete one by hand, "
        return Rejected(f"{reason}or delete both and let the account be created again", scope, user=user)
    if any(words in text for words in _OF_THE_CALL):
        return Rejected(_line(text), "call")
    return Rejected(_line(text), scope, user=user)


def _named(text: str) -> int | None:
    found = _USER.search(text)
    return None if found is None else int(found[1])


def _line(text: str) -> str:
    """Give the part of a message that tells people something, on one line."""
    found = _MESSAGE.match(text)
    words = found["text"] if found else text
    return " ".join(_JAVA.sub("", words).split()).removesuffix(".") or "no reason given"
