"""Calls of Open-Xchange's SOAP service for secondary accounts, `OXSecondaryAccountService` (ox-facts 5).

The only module that knows zeep. The description of the service (WSDL) is read from the server; the address in it is not
believed, because behind a proxy it may be another one, and an unencrypted one (ox-behaviour 12): calls go where the
description came from, or to the configured endpoint. What is safe to repeat is repeated: a call that never left, and
updates and deletes also when their answer was lost. A create is not: the service looks for duplicates before it waits
for the ids, so that two creates at a time may both succeed (ox-behaviour 9.2).
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.errors import ConfigurationError, StoreRefused, StoreUnavailable
from syncd.openxchange.listing import Listed
from syncd.openxchange.provisioning_calls import patiently
from syncd.openxchange.provisioning_content import Content
from syncd.openxchange.provisioning_faults import Rejected, Unsent, meaning
from syncd.openxchange.provisioning_service import NOBODY, Logins
from syncd.openxchange.soap_answers import Answers, account

_NAMESPACE = "http://dataobjects.soap.admin.openexchange.com/xsd"
_PROXY = "a proxy in between? then set openxchange.soap.endpoint"
_RELEASE = "the service is of another release than 7.10.6 to 8.x"
_TLS = "check soap.tls.ca and that the certificate names the host of soap.url"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapOptions(Logins):
    """Where the service is and who we are to it."""

    url: str
    """Of the service, with or without `?wsdl`."""
    endpoint: str | None = None
    """Where calls go; None = to `url`."""
    ca: str | None = None
    """File with the certificates to trust; None = those that come with the package `certifi`."""
    verify: bool = True
    connect_timeout: float = 5.0
    """Seconds."""
    receive_timeout: float = 120.0
    """Seconds; 500 accounts take the server some 2, with stored passwords 100 take as long (ox-behaviour 15)."""


class SoapService:
    """The service; nothing is sent before the first call. Not for several threads at once."""

    name = "SOAP"
    section = "openxchange.soap"

    def __init__(self, options: SoapOptions, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Prepare.

        Raises:
            ConfigurationError: the package zeep is not installed.
        """
        if importlib.util.find_spec("zeep") is None:
            text = (
                "openxchange.soap: needs the package zeep, which comes with the extra soap: pip install 'syncd[soap]'"
            )
            raise ConfigurationError((text,))
        self.options = options
        self._address = options.endpoint or options.url.partition("?")[0]
        self._sleep = sleep
        self._client: Any = None
        self._bound: Any = None
        self._session: Any = None
        self._answered = False
        self._answers = Answers()

    @property
    def where(self) -> str:
        """Name the service in messages."""
        return f"the SOAP service at {self._address}"

    def create(self, context: int, content: Content, users: Sequence[int]) -> None:
        """Create the same account for users; see `Service`."""
        self._call("create", context, users, repeat=False, accountDataOnCreate=dict(content))

    def update(self, context: int, address: str, content: Content, users: Sequence[int]) -> bool:
        """Set fields of the users' accounts; see `Service`.

        Without content nothing is written, and the service forgets what it has remembered of the users' accounts.
        """
        self._connect()
        data = self._client.get_type(f"{{{_NAMESPACE}}}AccountDataUpdate")(**content)
        return bool(self._call("update", context, users, primaryAddress=address, accountDataUpdate=data))

    def delete(self, context: int, address: str, users: Sequence[int]) -> bool:
        """Remove accounts; see `Service`."""
        return bool(self._call("delete", context, users, primaryAddress=address))

    def listed(self, context: int, users: Sequence[int] | None = None) -> list[Listed]:
        """Give secondary accounts; see `Service`."""
        found = self._call("list", context, users or ()) if users is None or users else ()
        try:
            return [account(one) for one in found or ()]
        except (AttributeError, TypeError, ValueError):
            raise StoreUnavailable(f"{self.where} gives a list that cannot be read", hint=_RELEASE) from None

    def admits(self, context: int) -> None:
        """Make sure that the service takes our login; it answers about a user whom nobody has. See `Service`."""
        with contextlib.suppress(Rejected):
            self._call("list", context, [NOBODY])

    def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            self._session.close()

    def _call(self, operation: str, context: int, users: Sequence[int], *, repeat: bool = True, **more: object) -> Any:
        """Make a call, again where that is safe; elements of `more` go as they are."""
        login = self.options.credentials(context)
        if login is None:
            raise StoreRefused(f"no SOAP login for context {context}", hint="add it to openxchange.soap.credentials")
        auth = {"login": login.login, "password": login.password.reveal()}
        named = {"context": {"id": context}, "users": [{"id": user} for user in users], "auth": auth}
        return patiently(lambda: self._once(operation, {**more, **named}), repeat=repeat, sleep=self._sleep)

    def _once(self, operation: str, elements: Mapping[str, object]) -> Any:
        """Make a call once, and give errors their names; none has a word of the request in it."""
        import requests  # noqa: PLC0415 - only who writes by SOAP needs the extra
        import zeep  # noqa: PLC0415

        bound = self._connect()
        self._answered = False
        self._answers.forget()
        try:
            result = bound[operation](**elements)
            if not self._answers.fit(operation, result):
                raise StoreUnavailable(f"{self.where} answered, but not to what it was asked", hint=_PROXY)
        except zeep.exceptions.Fault as fault:
            raise self._fault(fault) from None
        except requests.RequestException as error:
            raise self._lost(error) from None
        except (zeep.exceptions.Error, ValueError, TypeError, AttributeError, IndexError) as error:
            if self._answered:
                raise StoreUnavailable(f"{self.where} answered, but not by SOAP", hint=_PROXY) from None
            if type(error) is ValueError:  # lxml: a control character in some text
                raise Rejected("a configured text has characters that cannot be sent by SOAP", "call") from None
            raise StoreRefused(f"{self.where} does not take what syncd sends", hint=_RELEASE) from None
        else:
            return result
        finally:
            self.close()  # a connection kept open may be closed by the server while we use it: nobody would know

    def _note_answer(self, response: Any, **_options: Any) -> Any:
        self._answered = True
        return response

    def _fault(self, fault: Any) -> Exception:
        if not fault.code:
            return StoreUnavailable(f"{self.where} answered, but not by SOAP", hint=_PROXY)
        children = list(fault.detail) if fault.detail is not None else []
        name = str(children[0].tag).rpartition("}")[2] if children else None
        return meaning(name, fault.code, fault.message or "", self.where)

    def _lost(self, error: Exception) -> StoreUnavailable:
        """Say what kept a call from being answered, and whether it ever left."""
        import requests  # noqa: PLC0415
        import urllib3  # noqa: PLC0415 - comes with requests

        reason = getattr(error.args[0] if error.args else None, "reason", None)
        if isinstance(error, requests.exceptions.SSLError) and "certificate" in str(error).lower():
            return Unsent(f"{self.where} cannot be reached by TLS: its certificate was not accepted", hint=_TLS)
        if isinstance(error, requests.ConnectTimeout) or isinstance(reason, urllib3.exceptions.NewConnectionError):
            return Unsent(f"{self.where} cannot be reached")
        if isinstance(error, requests.ReadTimeout):
            seconds = self.options.receive_timeout
            return StoreUnavailable(f"{self.where} did not answer within {seconds:g} s")
        return StoreUnavailable(f"the connection to {self.where} was lost")

    def _connect(self) -> Any:
        """Read the service's description once, and give what calls go to.

        Raises:
            Unsent: it cannot be read.
        """
        if self._bound is not None:
            return self._bound
        import requests  # noqa: PLC0415
        import urllib3  # noqa: PLC0415
        import zeep  # noqa: PLC0415

        logging.getLogger("zeep").setLevel(logging.WARNING)  # at debug level it logs requests, passwords included
        options = self.options
        self._session = session = requests.Session()
        session.trust_env = False  # no proxy and no .netrc that the configuration does not know of
        session.verify = (options.ca or True) if options.verify else False
        if not options.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # loading the settings has warned of it
        session.headers["Connection"] = "close"
        session.hooks["response"].append(self._note_answer)
        timeout = (options.connect_timeout, options.receive_timeout)
        transport = zeep.Transport(  # type: ignore[no-untyped-call]
            session=session, timeout=timeout, operation_timeout=timeout
        )
        try:
            wsdl = f"{options.url.partition('?')[0]}?wsdl"
            self._client = zeep.Client(wsdl, transport=transport, plugins=[self._answers])  # type: ignore[no-untyped-call]
            [service] = self._client.wsdl.services.values()
            [port] = service.ports.values()
        except requests.RequestException as error:
            if isinstance(error, requests.HTTPError) and error.response is not None:
                text = f"{self.where} gives no WSDL: HTTP status {error.response.status_code}"
                raise Unsent(text, hint="check openxchange.soap.url") from None
            raise Unsent(self._lost(error).message) from None
        except (zeep.exceptions.Error, ValueError, SyntaxError):
            raise Unsent(f"{self.where} gives no WSDL", hint="check openxchange.soap.url") from None
        finally:
            self.close()  # as after every call, see `_once`
        self._bound = self._client.create_service(str(port.binding.name), self._address)
        return self._bound
