"""A plain client of the service, for tests that look at the service itself."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from tests.standins import envelope
from tests.standins.contract import PATH
from tests.standins.service import Service

AUTH = {"login": "oxadmin", "password": "secret"}
DATA = {"login": "shared", "name": "Support", "primaryAddress": "support@example.org", "mailEndpointSource": "primary"}


def exchange(
    service: Service, method: str, path: str = PATH, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Send a request over a connection of its own; give status and body."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()


def ask(service: Service, operation: str, **arguments: Any) -> bool | list[dict[str, Any]] | None:
    """Make a call in context 1 as its administrator.

    Raises:
        Fault: as the service answered.
    """
    request = {"context": {"id": 1}, "auth": AUTH} | arguments
    return envelope.read_answer(exchange(service, "POST", body=envelope.write_request(operation, request))[1])


def create(service: Service, *users: int, **data: Any) -> None:
    """Create the support account for users."""
    ask(service, "create", accountDataOnCreate=DATA | data, users=[{"id": user} for user in users])
