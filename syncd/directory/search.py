"""What the expansion of groups needs of a directory: one kind of question, and answers that say whether they are whole.

`Searcher` has two implementations: `LiveSearcher` asks an LDAP server page by page and looks at the result code after
every page (a server ends a search early with a code, not with an exception), `LdifSearcher` (ldif.py) answers from an
export.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from ldap3.core.exceptions import LDAPException, LDAPExceptionError

from syncd.core.reads import Cause
from syncd.directory.request import page_of, search_filter, search_request
from syncd.directory.strategy import Entry, Page, StreamConnection, decode_entry
from syncd.errors import DirectoryError

NO_SUCH_OBJECT = 32
REFERRAL = 10
SUCCESS = 0
BAD_FILTER = 87  # LDAP_FILTER_ERROR of the C API; no server sends it

_PAGED_RESULTS = "1.2.840.113556.1.4.319"  # RFC 2696
_PARTITION = re.compile(  # of Active Directory, below the domain: nobody lives there, and other servers may hold them
    r"ldaps?://[^/]*/(?:(?:CN=Schema,)?CN=Configuration|DC=(?:Domain|Forest)DnsZones),DC=", re.IGNORECASE
).match
_SCOPES = {"base": 0, "one": 1, "sub": 2}  # RFC 4511 section 4.5.1.2
_CODES = {  # RFC 4511 appendix A, in words; and what to do
    1: ("operations error", "the server may want a bind first"),
    3: ("time limit exceeded", "raise the server's time limit for the bind DN"),
    4: ("size limit exceeded", "raise the server's size limit for the bind DN (OpenLDAP: olcLimits … size=unlimited)"),
    7: ("authentication method not supported", "the server refuses simple binds"),
    8: ("stronger authentication required", "use ldaps:// or starttls: true"),
    10: ("referral", "referrals are not followed; name the server that holds the entries"),
    11: ("administrative limit exceeded", "raise the server's limits for the bind DN"),
    12: ("critical extension unavailable", ""),
    13: ("confidentiality required", "use ldaps:// or starttls: true"),
    32: ("no such object", "check the DN, and that the bind DN may read it"),
    34: ("invalid DN syntax", "check the DN"),
    48: ("inappropriate authentication", "the bind DN has no password"),
    49: ("invalid credentials", ""),
    50: ("insufficient access", "give the bind DN the right to read it"),
    51: ("server busy", ""),
    52: ("server unavailable", ""),
    53: ("server unwilling to perform", ""),
    87: ("invalid filter", "check the filter's parentheses and escapes (RFC 4515)"),
}
_CAUSES: dict[int, Cause] = {
    3: "limit", 4: "limit", 11: "limit", 10: "referral", 32: "missing", 34: "invalid", 50: "unreadable", 87: "invalid",
}  # fmt: skip
MALFORMED = (IndexError, KeyError, ValueError, TypeError, AttributeError)
"""What ldap3's decoder raises when the octets are no LDAP."""
AT_ONCE = 50
"""Alternatives in one filter; servers are quadratic in it, 20 to 50 is best (measured with OpenLDAP)."""
Scope = Literal["base", "one", "sub"]
T = TypeVar("T")


class Refused(DirectoryError):  # noqa: N818 - as its siblings in syncd.errors
    """The directory answered a question with an error, possibly after some entries; `code` is the LDAP result code."""

    def __init__(self, code: int, text: str, *, hint: str | None = None) -> None:
        super().__init__(text, hint=hint)
        self.code = code

    @property
    def cause(self) -> Cause:
        """What kind of trouble it is, for counting."""
        return _CAUSES.get(self.code, "refused")


class Lost(DirectoryError):  # noqa: N818
    """The connection could not be made or ended; nothing more can be asked of it."""


class Query(NamedTuple):
    """One search."""

    base: str
    scope: Scope
    filter: str
    attributes: tuple[str, ...]

    def __str__(self) -> str:
        """Describe the search for messages, long filters shortened."""
        text = self.filter if len(self.filter) <= 80 else f"{self.filter[:60]}… ({len(self.filter)} characters)"
        if self.scope == "base":
            return self.base or "root DSE"
        return f"search {text} under {self.base or 'the root'}"


class Searcher(Protocol):
    """A directory that can be asked."""

    server: str
    """The URL that messages name."""
    bulk_above: int
    """From how many wanted entries on reading everything is cheaper than asking for them."""

    @property
    def operations(self) -> int:
        """How many LDAP operations were made so far."""
        ...

    @property
    def identity(self) -> str:
        """Who asks; empty where nobody has to say who it is."""
        ...

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the entries that match, in pages as they arrive; consume or close it before the next search.

        Raises:
            Refused: the answer is not whole (an error, a limit, a reference to another server); the entries given
                before are genuine.
            Lost: the connection ended.
        """
        ...

    def close(self) -> None:
        """Give up what is open."""
        ...


def refusal(server: str, what: object, code: int, diagnostic: str = "", matched: str = "") -> Refused:
    """Make the exception for a result code, with a text that names server and question and a hint what to do."""
    text, hint = _CODES.get(code, (f"result code {code}", ""))
    details = "; ".join(part for part in (diagnostic, f"nearest entry: {matched}" if matched else "") if part)
    return Refused(code, f"{server}: {what}: {text}{f' ({details})' if details else ''}", hint=hint or None)


def escape(value: str | bytes) -> str:
    r"""Write an assertion value for a filter (RFC 4515 section 3): all but ASCII letters and digits as `\xx`.

    >>> escape("a*(b) ")
    'a\\2a\\28b\\29\\20'
    """
    if isinstance(value, str):
        if value.isascii() and value.isalnum():
            return value
        value = value.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if chr(octet) in _PLAIN else f"\\{octet:02x}" for octet in value)


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")


def any_of(alternatives: Collection[str]) -> str:
    """Join filters into one that matches where any of them does."""
    return next(iter(alternatives)) if len(alternatives) == 1 else f"(|{''.join(alternatives)})"


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut what is asked for into as much as one filter should have."""
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


class LiveSearcher:
    """Asks an LDAP server over a bound connection."""

    bulk_above = 200  # four questions; `lookup` gives the bulk read up when it does not pay

    def __init__(self, connection: StreamConnection, server: str, page_size: int, operations: int = 0) -> None:
        self.server = server
        self.operations = operations
        self.connection = connection
        self._page_size = page_size

    @property
    def identity(self) -> str:
        """Who the connection is bound as."""
        return self.connection.identity

    def search(self, query: Query) -> Iterator[list[Entry]]:
        """Give the entries that match, page by page; see `Searcher.search`.

        The next page is asked for before the entries of the last are decoded, so that server and client work at once.
        """
        references: list[str] = []
        try:
            octets = search_filter(query.filter)
        except LDAPExceptionError as error:
            raise refusal(self.server, query, BAD_FILTER, str(error)) from None
        message_id = self._ask(query, octets, None)
        while True:
            page = self._answer(message_id)
            references += [url for url in page.references if not _PARTITION(url)]
            cookie = _cookie(page)
            code = int(page.result["result"])
            more = bool(cookie) and code == SUCCESS
            if more:
                message_id = self._ask(query, octets, cookie)
            try:
                yield [decode_entry(entry) for entry in page.entries]
            except GeneratorExit:
                if more:
                    self._answer(message_id)  # it is on its way already
                raise
            if more:
                continue
            if code != SUCCESS:
                diagnostic = str(page.result["message"] or "")
                if code == REFERRAL:
                    diagnostic = " ".join(page.result.get("referrals") or ())
                raise refusal(self.server, query, code, diagnostic, str(page.result["dn"] or ""))
            if references:
                raise refusal(self.server, query, REFERRAL, " ".join(references))
            return

    def close(self) -> None:
        """Say goodbye; a connection that is gone already is no error."""
        with contextlib.suppress(LDAPException, OSError):
            self.connection.unbind()
        if not self.connection.closed:  # the goodbye could not be sent
            self.connection.strategy.close()

    def _ask(self, query: Query, octets: bytes, cookie: bytes | None) -> int:
        self.operations += 1
        controls = b"" if query.scope == "base" else page_of(self._page_size, cookie)
        scope = _SCOPES[query.scope]
        try:
            return self.connection.strategy.ask(
                lambda number: search_request(number, query.base, scope, octets, query.attributes, controls)
            )
        except (LDAPException, OSError) as error:
            raise Lost(f"{self.server}: {query}: {_lost(error)}") from None

    def _answer(self, message_id: int) -> Page:
        try:
            return self.connection.strategy.collect(message_id)
        except (LDAPException, OSError) as error:
            raise Lost(f"{self.server}: {_lost(error)}") from None
        except MALFORMED as error:
            self.connection.strategy.close()
            raise Lost(f"{self.server}: the answer is no LDAP ({type(error).__name__})") from None


def _cookie(page: Page) -> bytes | None:
    controls: dict[str, Any] = page.result.get("controls") or {}
    value = controls.get(_PAGED_RESULTS, {}).get("value") or {}
    return value.get("cookie") or None


def _lost(error: Exception) -> str:
    text = str(error)
    if "timed out" in text:
        return "no answer within the receive timeout"
    if isinstance(error, OSError) or "reset" in text or "terminated" in text:
        return f"the connection was lost ({text})"
    return text


def first(pages: Iterable[list[Entry]]) -> Entry | None:
    """Consume all pages and give the first entry."""
    found = [entry for page in pages for entry in page]
    return found[0] if found else None
