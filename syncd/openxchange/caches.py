"""Let Open-Xchange forget what it remembers of accounts whose rows were written by SQL.

By SOAP an update without any content writes nothing and drops what is remembered: sent for the user's own primary
address, the list of his accounts; sent for an account's address, its values (ox-behaviour 7 and 17.4, observed on one
node). By Jolokia the whole region is cleared on all nodes (ox-facts 4). It is done after the commit. Nothing here
raises: the rows are right already, and Open-Xchange sees them by and by.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from syncd.core.caches import Stale
from syncd.core.finding import Finding
from syncd.core.model import Secret
from syncd.errors import StoreError, StoreRefused
from syncd.openxchange.provisioning_faults import Rejected
from syncd.openxchange.soap_service import SoapService
from syncd.openxchange.users import chunks

_TOGETHER = 500
"""Users in one call."""
_MBEAN = "com.openexchange.caching:name=JCSCacheInformation"
_REGION = "MailAccount"
_UNKNOWN = "an account that was written is not known to the service"


class Cleared(NamedTuple):
    """What became of it."""

    left: int
    """Changes that Open-Xchange was not told of."""
    problems: tuple[str, ...] = ()
    """Why not, for people."""


class Caches(Protocol):
    """Tell Open-Xchange of changes."""

    def clear(self, stale: Sequence[Stale]) -> Cleared:
        """Do it; never raises for a system that does not answer."""
        ...

    def findings(self, contexts: Collection[int]) -> Iterator[Finding]:
        """Say for `check` whether it would work."""
        ...


@runtime_checkable
class KnowsPrimaries(Protocol):
    """What a store offers besides where it can tell the users' own addresses."""

    def primary_addresses(self, context: int, users: Collection[int]) -> Mapping[int, str]:
        """Give the address of each user's account 0; users without one are left out."""
        ...


class NoCaches:
    """Nobody is told."""

    def clear(self, stale: Sequence[Stale]) -> Cleared:
        """Count what Open-Xchange finds out by itself."""
        return Cleared(sum(one.changes for one in stale))

    def findings(self, contexts: Collection[int]) -> Iterator[Finding]:  # noqa: ARG002 - the same for all
        """Warn that users see changes late."""
        detail = "warning: nobody tells Open-Xchange of rows written by SQL; whoever is logged in may see them late"
        yield Finding(ok=True, what="OX caches", detail=f"{detail} (openxchange.invalidate: none)")


class SoapCaches:
    """Told by empty updates."""

    def __init__(self, service: SoapService, store: KnowsPrimaries) -> None:
        self._service, self._store = service, store

    def clear(self, stale: Sequence[Stale]) -> Cleared:
        """Send one update for each user with new or deleted accounts, and one for each address with changed ones.

        When the service does not answer nothing more is sent; when it refuses us, nothing more of that context.
        """
        left, problems = 0, dict[str, None]()
        lost = False
        for one in stale:
            refused = False
            for changes, call in self._calls(one, problems):
                problem: str | None = None
                if not (lost or refused):
                    try:
                        problem = None if call() else _UNKNOWN
                    except Rejected as rejected:
                        problem = rejected.reason
                    except StoreError as error:
                        problem = str(error)
                        refused, lost = True, not isinstance(error, StoreRefused)
                    if problem is None:
                        continue
                    problems[f"context {one.context}: {problem}"] = None
                left += changes
        return Cleared(left, tuple(problems))

    def _calls(self, one: Stale, problems: dict[str, None]) -> Iterator[tuple[int, Callable[[], bool]]]:
        """Give the calls, each with the number of changes that it tells of."""
        context, service = one.context, self._service
        try:
            addresses = self._store.primary_addresses(context, one.users) if one.users else {}
        except StoreError as error:
            problems[f"context {context}: {error}"] = None
            addresses = {}
        for user, count in sorted(one.users.items()):
            address = addresses.get(user)
            yield count, lambda a=address, u=user: a is not None and service.update(context, a, {}, [u])  # type: ignore[misc]
        for address, users in sorted(one.changed.items()):
            for some in chunks(users, _TOGETHER):
                yield len(some), lambda a=address, s=some: service.update(context, a, {}, s)  # type: ignore[misc]

    def findings(self, contexts: Collection[int]) -> Iterator[Finding]:
        """Try the login for each context."""
        for context in sorted(contexts):
            try:
                self._service.admits(context)
            except StoreError as error:
                detail = f"context {context}: {error.message}"
                yield Finding(ok=False, what="OX caches", detail=detail, hint=error.hint or "")
                return
        yield Finding(ok=True, what="OX caches", detail=f"{self._service.where} will be told of changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class JolokiaOptions:
    """Where Jolokia is."""

    url: str
    """`https://host/monitoring/jolokia`."""
    login: str | None = None
    password: Secret | None = None
    ca: str | None = None
    """File with the certificates to trust; None = the system's."""
    verify: bool = True
    timeout: float = 10.0
    """Seconds, for each step of the connection."""


class JolokiaCaches:
    """Told by one request for the whole cluster."""

    def __init__(self, options: JolokiaOptions) -> None:
        self._options = options

    def clear(self, stale: Sequence[Stale]) -> Cleared:
        """Clear the region on all nodes, if anything was written."""
        if not stale:
            return Cleared(0)
        operation = "clear(java.lang.String,boolean)"
        asked = {"type": "exec", "mbean": _MBEAN, "operation": operation, "arguments": [_REGION, False]}
        problem = self._ask(asked)
        return Cleared(sum(one.changes for one in stale), (problem,)) if problem else Cleared(0)

    def findings(self, contexts: Collection[int]) -> Iterator[Finding]:  # noqa: ARG002 - the same for all
        """Ask for the version, which needs the same login."""
        problem = self._ask({"type": "version"})
        detail = problem or f"Jolokia at {self._options.url} will be told of changes"
        yield Finding(ok=not problem, what="OX caches", detail=detail, hint="com.openexchange.jolokia.* on the server")

    def _ask(self, asked: Mapping[str, object]) -> str:
        """Send a request; give what went wrong, without anything of the login in it; empty = nothing did."""
        options = self._options
        request = urllib.request.Request(options.url, json.dumps(asked).encode())  # noqa: S310 - the settings want http
        request.add_header("Content-Type", "application/json")
        if options.login is not None and options.password is not None:
            pair = f"{options.login}:{options.password.reveal()}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        where = f"Jolokia at {options.url}"
        try:
            with _opener(options).open(request, timeout=options.timeout) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            return f"{where} answered with HTTP status {error.code}"
        except urllib.error.URLError as error:
            return f"{where} cannot be reached: {error.reason}"
        except (OSError, http.client.HTTPException):
            return f"{where} did not answer"
        except (ValueError, RecursionError):  # the latter: brackets within brackets
            return f"{where} answered with something else than JSON"
        status = found.get("status") if isinstance(found, dict) else None
        return "" if status == 200 else f"{where} refused: status {status}"


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follow no redirection: the login is for the configured address only."""

    def redirect_request(self, *_: object) -> None:
        """Leave the answer as it is."""


def _opener(options: JolokiaOptions) -> urllib.request.OpenerDirector:
    """Give what opens URLs, without a proxy that the configuration does not know of."""
    context = ssl.create_default_context(cafile=options.ca)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context), _Nowhere())
    return urllib.request.build_opener(*handlers)
