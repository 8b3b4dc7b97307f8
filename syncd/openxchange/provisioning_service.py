"""What Open-Xchange's provisioning is to us, however it is called: who logs in, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from syncd.core.model import Secret
from syncd.openxchange.listing import Listed
from syncd.openxchange.provisioning_content import Content

NOBODY = 2**31 - 1
"""A user id that no context has, for asking something that cannot be answered by data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A login: a context's administrator, or the master where he may act for contexts."""

    login: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """Who we are in each context."""

    everywhere: Credentials | None = None
    """For all contexts that are not in `contexts`."""
    contexts: Mapping[int, Credentials] = field(default_factory=dict)

    def credentials(self, context: int) -> Credentials | None:
        """Give the login for a context; None = there is none."""
        return self.contexts.get(context, self.everywhere)


class Service(Protocol):
    """The operations of Open-Xchange, each done wholly or not at all for all users of a call."""

    name: str
    """In messages: `name` cannot do something."""
    section: str
    """Where it is configured."""

    @property
    def options(self) -> Logins:
        """Who we are to it."""
        ...

    @property
    def where(self) -> str:
        """Name the service with its place, in messages."""
        ...

    def create(self, context: int, content: Content, users: Sequence[int]) -> None:
        """Create the same account for users, in one transaction.

        Raises:
            Rejected: the service would not, for a reason that is in the data.
            Undone: nothing was done.
            StoreUnavailable: there was no answer, so that it may have been done, now or in a while.
            StoreRefused: it cannot be done now.
        """
        ...

    def update(self, context: int, address: str, content: Content, users: Sequence[int]) -> bool:
        """Set fields of the users' accounts with an address; give whether there was any. Raises as `create`."""
        ...

    def delete(self, context: int, address: str, users: Sequence[int]) -> bool:
        """Remove all of the users' accounts with an address; give whether there was any. Raises as `create`."""
        ...

    def listed(self, context: int, users: Sequence[int] | None = None) -> list[Listed]:
        """Give the secondary accounts of users, None = of the context, with their stored passwords. Raises as `create`.

        A user who does not exist is rejected, by his id. Not shown are private accounts, the primary one, counters of
        failed logins, and whether a transport has its property and its mark as secondary (ox-facts 2.9).
        """
        ...

    def admits(self, context: int) -> None:
        """Make sure that the service is there and takes our login.

        Raises:
            StoreError: it is not, or does not.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...
