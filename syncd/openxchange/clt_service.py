"""Calls of Open-Xchange's four command line tools for secondary accounts (ox-facts 6).

What the tools would do wrong is not asked of them: they get users by id and never groups, never
`--transport-endpoint-source`, which they take for the mail's (ox-facts 2.6), and no stored password: it would stand on
their command line, where everybody on the machine can read it. The administrator's password goes by environment.

Every value is written as `--option=value`, so that one that begins with a hyphen stays a value. Like the calls of the
service, those that never left are repeated, and updates and deletes also when nothing is known of them.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from syncd.errors import StoreRefused, StoreUnavailable
from syncd.openxchange.clt_answers import accounts, outcome
from syncd.openxchange.clt_process import Ended, TimedOut, run
from syncd.openxchange.listing import Listed
from syncd.openxchange.provisioning_calls import patiently
from syncd.openxchange.provisioning_content import PASSWORDS, Content
from syncd.openxchange.provisioning_faults import Rejected
from syncd.openxchange.provisioning_service import NOBODY, Logins

_OPTIONS = {
    "primaryAddress": "primary-address",
    "login": "login",
    "name": "name",
    "personal": "personal",
    "replyTo": "reply-to",
    "mailEndpointSource": "mail-endpoint-source",
    "mailServer": "mail-server",
    "mailPort": "mail-port",
    "mailProtocol": "mail-protocol",
    "mailSecure": "mail-secure",
    "mailStartTls": "mail-starttls",
    "transportLogin": "transport-login",
    "transportServer": "transport-server",
    "transportPort": "transport-port",
    "transportProtocol": "transport-protocol",
    "transportSecure": "transport-secure",
    "transportStartTls": "transport-starttls",
    "archiveFullname": "archive-fullname",
    "draftsFullname": "drafts-fullname",
    "sentFullname": "sent-fullname",
    "spamFullname": "spam-fullname",
    "trashFullname": "trash-fullname",
    "confirmedSpamFullname": "confirmed-spam-fullname",
    "confirmedHamFullname": "confirmed-ham-fullname",
}
"""Element of the service → option of the tools; the only options about an account that they ever get."""
NO_PASSWORDS = "the tools take stored passwords only on their command line, where everybody on the machine can read it"
_HINT = "write with sql or soap, or without a password in the account"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CltOptions(Logins):
    """Where the tools are and who we are to them."""

    directory: Path = Path("/opt/open-xchange/sbin")
    rmi: str | None = None
    """Where they find Open-Xchange: `rmi://host:port/`; None = on this machine."""
    timeout: float = 120.0
    """Seconds for one tool: about one to start, and some two for 500 accounts (ox-behaviour 15)."""


class CltService:
    """The tools as one service; nothing is started before the first call."""

    name = "the tools"
    section = "openxchange.clt"

    def __init__(self, options: CltOptions, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Prepare."""
        self.options = options
        self._sleep = sleep

    @property
    def where(self) -> str:
        """Name the tools in messages."""
        return f"the command line tools in {self.options.directory}"

    def create(self, context: int, content: Content, users: Sequence[int]) -> None:
        """Create the same account for users; see `Service`. One with a stored password is rejected."""
        self._change("create", context, users, _arguments(content), repeat=False)

    def update(self, context: int, address: str, content: Content, users: Sequence[int]) -> bool:
        """Set fields of the users' accounts; see `Service`. A stored password is rejected."""
        return self._change("update", context, users, _arguments({"primaryAddress": address, **content}))

    def delete(self, context: int, address: str, users: Sequence[int]) -> bool:
        """Remove accounts; see `Service`."""
        return self._change("delete", context, users, _arguments({"primaryAddress": address}))

    def listed(self, context: int, users: Sequence[int] | None = None) -> list[Listed]:
        """Give secondary accounts; see `Service`."""
        return self._call("list", context, users, ["--csv"], accounts) if users is None or users else []

    def admits(self, context: int) -> None:
        """Make sure that the tools take our login; they answer about a user whom nobody has. See `Service`."""
        with contextlib.suppress(Rejected):
            self.listed(context, [NOBODY])

    def close(self) -> None:
        """Do nothing: no tool outlives its call."""

    def _change(
        self, operation: str, context: int, users: Sequence[int], more: Sequence[str], *, repeat: bool = True
    ) -> bool:
        return self._call(operation, context, users, more, outcome, repeat=repeat)

    def _call(
        self,
        operation: str,
        context: int,
        users: Sequence[int] | None,
        more: Sequence[str],
        read: Callable[[Ended, str], _T],
        *,
        repeat: bool = True,
    ) -> _T:
        """Run a tool, again where that is safe, and read what it left behind."""
        login = self.options.credentials(context)
        if login is None:
            raise StoreRefused(
                f"no login of the tools for context {context}", hint=f"add it to {self.section}.credentials"
            )
        who = [f"--contextid={context}", f"--adminuser={login.login}"]
        who += [f"--users={','.join(map(str, users))}"] if users is not None else []
        environment = {"ADMIN_PASSWORD": login.password.reveal()}
        if self.options.rmi is not None:
            environment["RMI_HOSTNAME"] = self.options.rmi
        tool = f"{operation}secondaryaccount"

        def once() -> _T:
            return read(self._run(tool, [*who, *more], environment), f"Open-Xchange's {tool}")

        return patiently(once, repeat=repeat, sleep=self._sleep)

    def _run(self, tool: str, arguments: Sequence[str], environment: Mapping[str, str]) -> Ended:
        """Run a tool once; no error has a word of the arguments in it."""
        program = self.options.directory / tool
        try:
            return run(program, arguments, environment, timeout=self.options.timeout)
        except TimedOut:
            seconds = self.options.timeout
            raise StoreUnavailable(f"Open-Xchange's {tool} did not end within {seconds:g} s") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StoreRefused(f"{program} cannot be run: {reason}", hint=f"check {self.section}.directory") from None
        except ValueError:
            raise Rejected("a configured text has characters that no command line can have", "call") from None


def _arguments(content: Content) -> list[str]:
    """Give the options for the fields of an account.

    Raises:
        Rejected: there is a stored password.
    """
    if PASSWORDS & content.keys():
        raise Rejected(f"{NO_PASSWORDS}; {_HINT}", "call")
    return [f"--{_OPTIONS[name]}={_text(value)}" for name, value in content.items()]


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
