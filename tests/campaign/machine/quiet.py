"""What has to be when nothing is left to do: the claims equal what is stored, and what is wanted."""

from __future__ import annotations

from collections.abc import Iterator

from tests.campaign.machine.circumstances import Circumstances, whole
from tests.campaign.machine.model import Box, Known, Standing
from tests.campaign.machine.rows import address, secondary


def right(run: Circumstances) -> Iterator[str]:
    """Give what is not as it should be although nothing is left to do: the claims equal what is stored and wanted."""
    for box in run.boxes.values():
        known, claims = run.known(box), run.after.claims.get(box.ref, {})
        yield from (f"{box.address}: the claim of user {user} is pending" for user in claims if not claims[user].held)
        for user in sorted({*claims, *known.wanted, *(place[1] for place in run.after.accounts)}):
            yield from (f"{box.address}, user {user}: {text}" for text in _right(run, box, known, user))


def _right(run: Circumstances, box: Box, known: Known, user: int) -> Iterator[str]:
    claim, there = run.after.claims.get(box.ref, {}).get(user), run.after.at(box.ref, user)
    ours = run.after.ours(box.ref, user)
    standing = known.standing(user, claim)
    others = {place: one for place, one in there.items() if place != ours}
    if standing is Standing.WANTED:
        strange = [p for p, one in others.items() if not secondary(one) or address(one).lower() != box.address]
        blocked = strange or len(others) > 1 or (others and (ours or box.existing == "leave"))
        if ours is not None:
            yield from whole(box, ours, there[ours])
        elif user in known.doubted:
            return
        elif claim is not None:
            yield f"is claimed, and yet has {sorted(there)} instead of {claim.account}"
        elif not blocked and known.excludes:
            yield f"should have it, and has {sorted(there)}"
        return
    gone = user not in run.world.users[box.context]
    if claim is not None and standing is not Standing.KEPT and not (gone and ours) and known.complete:
        yield f"is {standing}, and yet claimed: {claim}, account {ours}"
    if claim is None and box.extra == "remove" and known.complete and standing is not Standing.KEPT:
        left = [p for p, one in others.items() if secondary(one) and address(one).lower() == box.address]
        if left and not (gone and user in run.world.pins.get(box.ref, {})):
            yield f"is {standing}, and yet has {left}"
