"""The errors of systems, named by what the caller should do about them.

Errors in data (a member without a user, somebody else's account in the way) are values in the plan, never exceptions.

    SyncdError
    ├── ConfigurationError    change the configuration; carries every problem found
    ├── DirectoryError        the directory did not answer or refused; nothing is removed
    ├── StoreError            the Open-Xchange database
    │   ├── StoreUnavailable  did not answer in time, or the connection was lost; try again later
    │   ├── StoreRefused      writing would be wrong now (schema lock, read-only, a column or sequence row missing)
    │   │   └── LoginRefused  Open-Xchange's own service does not take our login
    │   └── StoreBusy         another installation holds the named lock
    └── LedgerError           our own database
        ├── LedgerUnavailable cannot be opened, read or written (disk full); nothing may be written to Open-Xchange
        ├── LedgerForeign     a SQLite ledger that belongs to another uid
        └── LedgerBusy        another run or daemon holds the lease
"""

from __future__ import annotations


class SyncdError(Exception):
    """Say what happened and where, in one line, with a hint what to do; never with a secret in it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Give the message and, after a blank, the hint in parentheses."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigurationError(SyncdError):
    """The configuration cannot be used; `problems` has one line `file:line: path: what` for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class DirectoryError(SyncdError):
    """The directory server could not be reached, refused us, or answered with an error."""


class StoreError(SyncdError):
    """The Open-Xchange database could not be used."""

    contexts: frozenset[int] | None = None
    """The contexts that it concerns, where others may go on; None = all."""


class StoreUnavailable(StoreError):  # noqa: N818 - the tree reads as states
    """The database did not answer in time or the connection was lost; nothing is known about the last statement."""


class StoreRefused(StoreError):  # noqa: N818
    """Writing now would be wrong: schema update lock, read-only database, missing column or sequence row."""


class LoginRefused(StoreRefused):
    """The service of Open-Xchange does not take our login in a context, or there is no such context."""


class StoreBusy(StoreError):  # noqa: N818
    """Another installation holds the named lock in this Open-Xchange database."""


class LedgerError(SyncdError):
    """Our own database could not be used."""


class LedgerUnavailable(LedgerError):  # noqa: N818
    """The ledger cannot be opened, read or written; nothing may be written to Open-Xchange either."""


class LedgerForeign(LedgerError):  # noqa: N818
    """The SQLite ledger belongs to another uid; the hint has the command that works."""


class LedgerBusy(LedgerError):  # noqa: N818
    """Another process holds the lease; the message says which."""
