"""What `syncd check` verifies of what writes accounts: it is there, works, and takes our login in each context.

Nothing is written, and no account is asked for: a call about a user whom no context has is answered by a fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.core.finding import Finding
from syncd.errors import StoreError, StoreUnavailable
from syncd.openxchange.provisioning_service import Service


def findings(service: Service, contexts: Collection[int]) -> Iterator[Finding]:
    """Try the service for the contexts; one finding for each that is refused, or one for all that are not."""
    good: list[int] = []
    try:
        for context in sorted(contexts):
            try:
                service.admits(context)
            except StoreUnavailable as error:
                yield Finding(ok=False, what=service.name, detail=error.message, hint=error.hint or "")
                return
            except StoreError as error:
                yield Finding(
                    ok=False, what=f"{service.name}, context {context}", detail=error.message, hint=error.hint or ""
                )
            else:
                good.append(context)
    finally:
        service.close()
    if good:
        named = f"context {good[0]}" if len(good) == 1 else f"{len(good)} contexts"
        yield Finding(ok=True, what=service.name, detail=f"our login in {named} is taken by {service.where}")


def alone(service: Service) -> Iterator[Finding]:
    """Warn of what nobody knows where there is no database to read; see `provisioning_listing`."""
    hidden = "private accounts, guests and drifted copies of primary servers are not to be seen"
    lock = "nothing but the lease in the ledger keeps another syncd, with a ledger of its own, from the same accounts"
    yield Finding(ok=True, what="OX accounts", detail=f"warning: read by {service.name} alone: {hidden}, and {lock}")
