"""What tests of core.desire share."""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.desire import Desired, desire
from syncd.core.dn import normalise
from syncd.core.model import Mailbox, MailboxRef, Pin, Users
from syncd.core.reads import SourceRead
from tests.core.strategies import (
    ADDRESS,
    SALES,
    SUPPORT,
    dn_of,
    mailbox,
    read,
    users,
)

BOTH = mailbox(sources=(SUPPORT, SALES))
REF = MailboxRef(1, ADDRESS)
NO_ID = f"dn:{normalise(dn_of('berta'))}"
"""What an entry at berta's DN is known by where the server gives no stable id."""
NEAR, FAR = (SUPPORT.value,), (SUPPORT.value, SALES.value)


def decided(
    *reads: SourceRead,
    box: Mailbox | None = None,
    known: Users | None = None,
    counts: dict[str, int] | None = None,
    pins: Mapping[int, Pin] | None = None,
) -> Desired:
    """Decide with every source of the mailbox that is not given read as empty."""
    box = box or mailbox()
    given = {one.source: one for one in reads}
    sources = {source: given.get(source) or read(source) for source in (*box.sources, *box.exclude)}
    counted = {(REF, source): count for source, count in (counts or {}).items()}
    return desire(box, sources, known or users(), counted, pins)
