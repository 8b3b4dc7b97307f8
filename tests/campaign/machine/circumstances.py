"""Under what a run was made, and what that means for accounts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.core.changes import Judgement, Report
from tests.campaign.machine.directory import Fault
from tests.campaign.machine.model import IMAP, SMTP, Box, Known, Ref, Standing, World
from tests.campaign.machine.rows import PARTS, Account, Place, Snapshot, address, secondary


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Under what a run was made."""

    before: Snapshot
    after: Snapshot
    world: World
    boxes: Mapping[str, Box]
    """What is configured, by address."""
    limited: bool
    """Whether contexts have limits."""
    now: datetime
    server: str
    paused: Collection[Ref]
    rejected: Mapping[Ref, Collection[int]] = field(default_factory=dict)
    """Users whose removal a person has rejected."""
    fault: Fault | None = None
    only: Collection[Ref] = ()
    """Which mailboxes were asked for; empty = all."""
    report: Report | None = None
    """None = the run was killed, or nobody knows."""

    def known(self, box: Box) -> Known:
        """Tell what is true of a mailbox."""
        return self.world.known(box)

    def readable(self, box: Box) -> Known:
        """Tell what the run can have known of it at best."""
        return self.world.known(box, blind=self.fault is not None and self.fault.total)

    def judgement(self, box: Box) -> Judgement | None:
        """Give what the run reported of a mailbox."""
        every = self.report.judgements if self.report is not None else ()
        return next((one for one in every if one.plan.mailbox.ref == box.ref), None)


def members(run: Circumstances, box: Box, source: str) -> int | None:
    """Count the members that a source has; None = it cannot be read to its end."""
    read = run.world.read(source, box.context)
    return len(read.members) + (len(read.disabled) if source in box.exclude else 0) if read.complete else None


def vanished(run: Circumstances, box: Box) -> bool:
    """Tell whether a mailbox is held since accounts of it have vanished."""
    judgement = run.judgement(box)
    return judgement is not None and any(one.limit == "vanished" for one in judgement.objections)


def adoptable(run: Circumstances, box: Box, place: Place) -> bool:
    """Tell whether an account may become ours."""
    there = run.before.at(box.ref, place[1])
    return (
        box.existing == "adopt"
        and [*there] == [place]
        and secondary(there[place])
        and address(there[place]).lower() == box.address
        and run.known(box).standing(place[1], None) is Standing.WANTED
        and (run.readable(box).excludes or place[1] in run.world.pins.get(box.ref, {}))
    )


def whole(box: Box, place: Place, account: Account) -> Iterator[str]:
    """Give what an account of a mailbox lacks that was just written."""
    mail, transport, _, properties = (account.get(table, []) for table in PARTS)
    if len(mail) != 1 or len(transport) != 1 or len(properties) != 1:
        yield f"{place}: half an account of {box.address}: {account}"
        return
    found = (mail[0]["login"], mail[0]["url"], transport[0]["url"], properties[0]["value"], transport[0]["secondary"])
    if found != (box.login, IMAP, SMTP, "mail", 1):
        yield f"{place}: written, and yet not as {box.address} should be: {found}"
