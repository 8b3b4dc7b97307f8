"""Calls that a server does wholly or not at all for many users: who spoils one, and what follows a lost one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from syncd.errors import StoreRefused, StoreUnavailable
from syncd.openxchange.provisioning_faults import Rejected, Unsent

_PAUSES = (0.5, 2.0)
"""Seconds before each repetition of a call."""
_T = TypeVar("_T")

Failures = dict[int, str]
"""User → why his account was not written."""


class Calls:
    """The calls of one batch: after one that was lost nothing more is sent, and what was done before stays known."""

    def __init__(self) -> None:
        self._made = False
        self._lost: str | None = None

    def make(
        self,
        call: Callable[[Sequence[int]], object],
        users: Sequence[int],
        look: Callable[[Rejected], Failures] = lambda _: {},
    ) -> Failures:
        """Make an all-or-nothing call for as many of the users as it can be made for; give why for the others.

        | rejected because of     | then                                                                  |
        |-------------------------|-----------------------------------------------------------------------|
        | a user it names         | that one fails, and whom `look` finds for the same reason; the rest again|
        | the values of the call  | all fail                                                              |
        | nobody in particular    | each half by itself, down to single users                             |

        Raises:
            StoreUnavailable: nothing is known of it, and no call was made before.
        """
        failures: Failures = {}
        parts = [list(users)]
        while parts:
            some = [user for user in parts.pop() if user not in failures]
            if not some:
                continue
            if self._lost is not None:
                failures |= dict.fromkeys(some, f"not done: {self._lost}")
                continue
            try:
                parts += self._once(call, some, look, failures)
            except StoreRefused as error:
                failures |= dict.fromkeys(some, f"not done: {error}")
            except StoreUnavailable as error:
                if not self._made:
                    raise
                self._lost = str(error)
                unknown = f"not known to be done: {error}; the next run looks and goes on"
                failures |= dict.fromkeys(some, unknown)
        return failures

    def _once(
        self,
        call: Callable[[Sequence[int]], object],
        users: list[int],
        look: Callable[[Rejected], Failures],
        failures: Failures,
    ) -> list[list[int]]:
        """Make a call once; add to `failures`, and give whom it is to be made for again, in parts."""
        try:
            call(users)
        except Rejected as rejected:
            if rejected.scope == "call" or len(users) == 1:
                found = look(rejected)
                failures |= {user: found.get(user, rejected.reason) for user in users}
                return []
            if rejected.user in users:
                failures |= {rejected.user: rejected.reason, **look(rejected)}
                return [users]
            middle = len(users) // 2
            return [users[middle:], users[:middle]]
        self._made = True
        return []


def patiently(call: Callable[[], _T], *, repeat: bool, sleep: Callable[[float], object]) -> _T:
    """Make a call, again where it never left, and where it was lost if it may be repeated then.

    Raises:
        Rejected, Undone, StoreUnavailable, StoreRefused: what the call raises, the last time.
    """
    for pause in _PAUSES:
        try:
            return call()
        except Unsent:
            sleep(pause)
        except StoreUnavailable:
            if not repeat:
                raise
            sleep(pause)
    return call()
