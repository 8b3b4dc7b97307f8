"""What `syncd check` verifies of the SOAP service: it answers, describes itself, and takes our login in each context.

Nothing is written, and no account is asked for: a call about a user whom no context has is answered by a fault.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from syncd.core.finding import Finding
from syncd.errors import StoreError, StoreUnavailable
from syncd.openxchange.soap_service import SoapOptions, SoapService


def findings(options: SoapOptions, contexts: Collection[int]) -> Iterator[Finding]:
    """Try the service for the contexts; one finding for each that is refused, or one for all that are not.

    Raises:
        ConfigurationError: the package zeep is not installed.
    """
    service = SoapService(options)
    good: list[int] = []
    try:
        for context in sorted(contexts):
            try:
                service.admits(context)
            except StoreUnavailable as error:
                yield Finding(ok=False, what="SOAP", detail=error.message, hint=error.hint or "")
                return
            except StoreError as error:
                yield Finding(ok=False, what=f"SOAP, context {context}", detail=error.message, hint=error.hint or "")
            else:
                good.append(context)
    finally:
        service.close()
    if good:
        named = f"context {good[0]}" if len(good) == 1 else f"{len(good)} contexts"
        yield Finding(ok=True, what="SOAP", detail=f"{service.where} takes our login in {named}")
