"""The plan for what could not be read at all: nothing is known, so nothing is done."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.changes import MailboxPlan
from syncd.core.model import Claim, Mailbox


def not_read(mailbox: Mailbox, claims: Mapping[int, Claim], reason: str) -> MailboxPlan:
    """Give the plan for a mailbox of whose context nothing could be read: nothing is to be done, nothing is known.

    Args:
        mailbox: what is configured.
        claims: what we own, by user.
        reason: why its context could not be read.
    """
    held = sum(claim.held for claim in claims.values())
    reasons = (f"context {mailbox.context} could not be read: {reason}",)
    return MailboxPlan(mailbox=mailbox, complete=False, reasons=reasons, unread=True, claimed=held)
