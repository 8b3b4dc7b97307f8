"""What the stand-in answers instead of a result: the vendor's exceptions with their recorded texts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_NUMBERS: Iterator[int] = itertools.count(1)
_NODE = -1718281828
"""The first half of an exception's id; on a real server another one after each start."""


def exception_id() -> str:
    """Give the id that the server adds to a message, another one each time: `<int>-<n>`."""
    return f"{_NODE}-{next(_NUMBERS)}"


class Fault(Exception):  # noqa: N818 - the word of SOAP
    """An answer that is not a result.

    Attributes:
        message: the fault's text as it goes out.
        detail: name of the exception, one of `contract.FAULTS`; None for run time errors and request errors.
        code: `Server`, `Client` or `VersionMismatch`.
    """

    def __init__(self, message: str, *, detail: str | None = None, code: str = "Server") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.code = code


def declared(detail: str, message: str) -> Fault:
    """Make one of the seven declared exceptions; they all end with an id."""
    return Fault(f"{message}; exceptionId {exception_id()}", detail=detail)


def storage(message: str) -> Fault:
    """Make the exception that everything from the account storage and the database driver becomes."""
    return declared("StorageException", message)


def account(number: int, category: str, message: str) -> Fault:
    """Make an error of the account storage (`ACC-…`), which has an id of its own inside."""
    return storage(f"ACC-{number:04} Categories={category} Message='{message}' exceptionID={exception_id()}")


def duplicate(user: int, context: int) -> Fault:
    """Make the answer to a create for a user who has the account."""
    return account(17, "USER_INPUT", f"Duplicate mail account for user {user} in context {context}.")


def invalid(message: str) -> Fault:
    """Make the exception of requests that lack something."""
    return declared("InvalidDataException", message)


def unauthorized() -> Fault:
    """Make the one answer to wrong, missing and foreign credentials and to unknown contexts."""
    return declared("InvalidCredentialsException", "Authentication failed")


def no_such(what: str, number: int, context: int) -> Fault:
    """Make the answer to an unknown user or group; the exception is the same for both."""
    return declared("NoSuchUserException", f"No such {what} {number} in context {context}")


def updating(schema: str, pool: int, host: str) -> Fault:
    """Make the answer while an update task holds the schema."""
    where = f'Schema "{schema}" from database {pool} on host "{host}"'
    return declared("DatabaseUpdateException", f"{where} is locked or is now being updated, please try again later")


def communications() -> Fault:
    """Make the answer when the database does not answer the server within 15 s, for instance for a locked row."""
    return storage(
        "com.mysql.cj.jdbc.exceptions.CommunicationsException: Communications link failure\n\n"
        "The last packet successfully received from the server was 15,002 milliseconds ago."
    )


def request_error(message: str) -> Fault:
    """Make the answer to a request that cannot be read; no operation has seen it."""
    return Fault(message, code="Client")
