"""Tell people of what is held: once for each plan and channel, whoever ran, however often, and after any restart.

Who was told is remembered with the plan in the ledger. What could not be told is tried again after the next run;
nothing here fails a run, and nothing is told of a plan about which a person has decided already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from syncd.core.guard import RELEASE
from syncd.errors import LedgerBusy, LedgerError
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import HeldPlan
from syncd.telemetry.notices import Channel, HeldNotice

LEASE = "notices"
"""Who holds it tells; two at once would tell twice."""
_log = structlog.get_logger()


def _now() -> datetime:
    return datetime.now(UTC)


class Announced(NamedTuple):
    """What became of telling by one channel."""

    channel: str
    told: int
    """Of how many plans."""
    problem: str
    """What went wrong, for people; empty = nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcer:
    """Tell by some channels what one ledger holds."""

    ledger: Ledger
    channels: Sequence[Channel]
    config: str
    """The configuration file as a shell takes it, for the commands that are told."""
    clock: Callable[[], datetime] = _now

    def announce(self) -> tuple[Announced, ...]:
        """Tell what was not told yet; give what became of it, nothing where there was nothing to tell.

        A ledger that cannot be read or written is logged: then nobody is told, or told again after the next run.
        """
        if not self.channels:
            return ()
        try:
            if not self._due():
                return ()
            with self.ledger.lease(LEASE, "syncd telling", wait=0.0):
                plans = {plan.digest: plan for plan in self.ledger.held()}
                return tuple(self._tell(channel, plans) for channel in self.channels if self._untold(channel, plans))
        except LedgerBusy:  # somebody else is telling just now
            return ()
        except LedgerError as error:
            _log.warning("notice.ledger", error=str(error))
            return ()

    def _due(self) -> bool:
        names = {channel.name for channel in self.channels}
        return any(one.state == "held" and names - one.told for one in self.ledger.standing())

    @staticmethod
    def _untold(channel: Channel, plans: dict[str, HeldPlan]) -> list[HeldPlan]:
        return [plan for plan in plans.values() if plan.state == "held" and channel.name not in plan.told]

    def _tell(self, channel: Channel, plans: dict[str, HeldPlan]) -> Announced:
        wanted = self._untold(channel, plans)
        done = channel.tell([self._notice(plan) for plan in wanted], self.clock())
        if done.digests:
            self.ledger.told(done.digests, channel.name)
            _log.info("notice.sent", channel=channel.name, plans=len(done.digests))
        if done.problem:
            left = len(wanted) - len(done.digests)
            again = "after the next run" if left else "no"
            _log.warning("notice.failed", channel=channel.name, problem=done.problem, untold=left, again=again)
        return Announced(channel.name, len(done.digests), done.problem)

    def _notice(self, plan: HeldPlan) -> HeldNotice:
        def command(word: str) -> str:
            return f"syncd {word} {plan.digest} -c {self.config}"

        objections = tuple(
            {**objection, "message": str(objection.get("message", "")).partition(RELEASE)[0]}
            for objection in plan.objections
        )
        return HeldNotice(
            mailbox=plan.address,
            context=plan.ref.context,
            digest=plan.digest,
            since=plan.created,
            objections=objections,
            changes=int(str(plan.plan.get("total", 0))),
            look=command("show"),
            command=command("approve"),
            reject=command("reject"),
        )
