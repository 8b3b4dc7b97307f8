"""What the answers of the SOAP service say: that they are answers, and the accounts of a list (ox-behaviour 11 and 12).

zeep takes a body with any element for an answer, and reads none of its accounts: the page of a proxy would be an empty
list, and an empty list takes accounts away. So every answer is looked at before zeep reads it.
"""

from __future__ import annotations

from typing import Any

from syncd.core.model import Endpoint, Secret
from syncd.openxchange import urls
from syncd.openxchange.listing import Listed
from syncd.openxchange.provisioning_content import FOLDERS

_BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"


class Answers:
    """A plug-in of zeep that notes what it is given to read."""

    def __init__(self) -> None:
        self._element: str | None = None
        self._parts = 0

    def forget(self) -> None:
        """Forget the last answer, before the next call."""
        self._element, self._parts = None, 0

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> tuple[Any, Any]:  # noqa: ARG002 - zeep's
        """Note the element of the answer, and how many it has in it."""
        body = envelope.find(_BODY)
        first = next(iter(body.iterchildren("*")), None) if body is not None else None
        if first is not None:
            self._element = str(first.tag).rpartition("}")[2]
            self._parts = sum(1 for _ in first.iterchildren("*"))
        return envelope, http_headers

    def egress(self, envelope: Any, http_headers: Any, operation: Any, binding_options: Any) -> tuple[Any, Any]:  # noqa: ARG002 - zeep's
        """Leave a request as it is."""
        return envelope, http_headers

    def fit(self, operation: str, result: Any) -> bool:
        """Tell whether the last answer was one to this operation, and `result` is all of it; create has none."""
        if self._element != f"{operation}Response":
            return operation == "create" and self._element is None
        return operation != "list" or self._parts == len(result or ())


def account(found: Any) -> Listed:
    """Read an account of a list, which shows no empty texts.

    A transport without a server is none. One without a password is shown with the mail's, so equal ones count as that.

    Raises:
        AttributeError, TypeError, ValueError: it is none, or one of another release.
    """
    mail, transport = (_endpoint(found, side) for side in ("mail", "transport"))
    password, sending = (_secret(getattr(found, name)) for name in ("password", "transportPassword"))
    return Listed(
        context=int(found.contextId),
        user=int(found.userId),
        account=int(found.id),
        address=found.primaryAddress or "",
        name=found.name or "",
        login=found.login or "",
        password=password,
        personal=found.personal,
        reply_to=found.replyTo,
        mail=mail or Endpoint("", bool(found.mailStartTls)),
        transport=transport,
        transport_login=(found.transportLogin or "") if transport else "",
        transport_password=sending if transport and sending != password else None,
        folders={kind: name for kind, element in FOLDERS.items() if (name := getattr(found, element))},
        unreadable=False,
    )


def _endpoint(found: Any, side: str) -> Endpoint | None:
    """Give a server; None where none is shown."""
    host, port, protocol = (getattr(found, f"{side}{part}") for part in ("Server", "Port", "Protocol"))
    if host is None:
        return None
    secure = "s" if getattr(found, f"{side}Secure") else ""
    name = f"[{host.strip('[]')}]" if ":" in host else host
    url = f"{protocol or ''}{secure}://{name}" + ("" if port is None else f":{port}")
    return Endpoint(urls.stored(url), bool(getattr(found, f"{side}StartTls")))


def _secret(text: str | None) -> Secret | None:
    return Secret(text) if text else None
