"""Tell people, and other programs, that a limit holds a plan: by HTTP POST and by mail.

The rules kept here: each step has a timeout, certificates are verified unless the configuration says otherwise, no
redirection and no proxy of the environment is followed. What goes wrong is a value, and neither it nor anything else
shows the URL (its path may be what lets us in), a header or a password. Who was told already is remembered elsewhere.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from syncd.core.finding import Finding
from syncd.core.model import Secret

LISTED = 100
"""Plans that one mail describes; further ones are counted."""
_QUOTED = 200
"""Characters of a server's answer that a problem repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNotice:
    """A plan that is held, as it is told."""

    mailbox: str
    context: int
    digest: str
    since: datetime
    objections: tuple[Mapping[str, object], ...]
    """Each with limit, value, allowed and message."""
    changes: int
    """How many are held."""
    look: str
    """The command that shows them."""
    command: str
    """The command that releases them."""
    reject: str
    """The command that says that they are not wanted."""

    def document(self, now: datetime) -> dict[str, object]:
        """Give it as JSON can hold it; `text` is what a chat shows."""
        return {
            "event": "plan.held",
            "mailbox": self.mailbox,
            "context": self.context,
            "digest": self.digest,
            "since": self.since.isoformat(),
            "age_seconds": max(0, round((now - self.since).total_seconds())),
            "changes": self.changes,
            "objections": [
                {name: one.get(name) for name in ("limit", "value", "allowed", "message")} for one in self.objections
            ],
            "look": self.look,
            "command": self.command,
            "reject": self.reject,
            "text": "\n".join(self.lines()),
        }

    def lines(self) -> Iterator[str]:
        """Give it as people read it."""
        yield f"{self.mailbox} (context {self.context}): {_many(self.changes)} held since {self.since:%F %T} UTC"
        yield from (f"  {one.get('message')}" for one in self.objections)
        yield f"Look at it:    {self.look}"
        yield f"It is wanted:  {self.command}"
        yield f"It is not:     {self.reject}"


class Told(NamedTuple):
    """What became of telling."""

    digests: frozenset[str]
    """Of the plans that were told."""
    problem: str = ""
    """Why not all were, for people; or who did not get it."""


class Channel(Protocol):
    """A way of telling."""

    name: str
    """webhook or mail."""

    def tell(self, notices: Sequence[HeldNotice], now: datetime) -> Told:
        """Tell of these plans; never raises for a server that does not answer or refuses."""
        ...

    def finding(self) -> Finding:
        """Say for `check` whether it would work, as far as that shows without telling anybody."""
        ...


# --------------------------------------------------------------------------- HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Where notices are posted."""

    url: Secret
    headers: Mapping[str, Secret] = field(default_factory=dict)
    ca: str | None = None
    """File with the certificates to trust; None = those of the system."""
    verify: bool = True
    timeout: float = 10.0
    """Seconds, for each step of the connection."""


class Webhook:
    """Post each plan as one JSON document; any status of the 200s says that it arrived."""

    name = "webhook"

    def __init__(self, options: WebhookOptions) -> None:
        self._options = options
        url = urlsplit(options.url.reveal())
        self._where = f"the webhook at {url.hostname}" + (f":{url.port}" if url.port else "")

    def tell(self, notices: Sequence[HeldNotice], now: datetime) -> Told:
        """Post one after the other, until one does not arrive."""
        told: set[str] = set()
        for notice in notices:
            if problem := self._post(json.dumps(notice.document(now), ensure_ascii=False).encode()):
                return Told(frozenset(told), problem)
            told.add(notice.digest)
        return Told(frozenset(told))

    def finding(self) -> Finding:
        """Connect, and look at the certificate; nothing is posted."""
        options, url = self._options, urlsplit(self._options.url.reveal())
        host, port = url.hostname or "", url.port
        connection = http.client.HTTPConnection(host, port, timeout=options.timeout)
        if url.scheme == "https":
            trusted = _trust(options.ca, options.verify)
            connection = http.client.HTTPSConnection(host, port, timeout=options.timeout, context=trusted)
        try:
            connection.connect()
        except OSError as error:
            return Finding(ok=False, what="notify", detail=f"{self._where} cannot be reached: {_reason(error)}")
        finally:
            connection.close()
        return Finding(ok=True, what="notify", detail=f"{self._where} answers; nothing was posted")

    def _post(self, body: bytes) -> str:
        """Send one document; give what went wrong, empty = nothing did."""
        options = self._options
        request = urllib.request.Request(options.url.reveal(), body, method="POST")  # noqa: S310 - https, or this machine
        request.add_header("Content-Type", "application/json; charset=utf-8")
        request.add_header("User-Agent", "syncd")
        for header, value in options.headers.items():
            request.add_header(header, value.reveal())
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=_trust(options.ca, options.verify)),
            _Nowhere(),
        )
        try:
            opener.open(request, timeout=options.timeout).close()
        except urllib.error.HTTPError as error:
            error.close()
            return f"{self._where} answered with HTTP status {error.code}"
        except urllib.error.URLError as error:
            return f"{self._where} cannot be reached: {_reason(error.reason)}"
        except (OSError, http.client.HTTPException) as error:  # its text may have the URL in it
            return f"{self._where} gave no answer that could be read ({type(error).__name__})"
        return ""


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follow no redirection: what we send is for the configured address only."""

    def redirect_request(self, *_: object) -> None:
        """Leave the answer as it is."""


# --------------------------------------------------------------------------- mail


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOptions:
    """By which server, and to whom, notices are mailed."""

    server: str
    port: int
    secure: bool = False
    """TLS from the start."""
    starttls: bool = False
    """TLS begun later; nothing is sent to a server that has none."""
    ca: str | None = None
    """File with the certificates to trust; None = those of the system."""
    verify: bool = True
    login: str | None = None
    password: Secret | None = None
    sender: str
    to: tuple[str, ...]
    timeout: float = 30.0
    """Seconds, for each step of the connection."""


class Mail:
    """Send all plans in one mail."""

    name = "mail"

    def __init__(self, options: MailOptions) -> None:
        self._options = options
        self._where = f"the mail server {options.server}:{options.port}"

    def tell(self, notices: Sequence[HeldNotice], now: datetime) -> Told:
        """Send one mail about all of them; a recipient whom the server refuses is told of and not tried again."""
        if not notices:
            return Told(frozenset())
        try:
            with self._connected() as server:
                refused = server.send_message(self._message(notices, now))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return Told(frozenset(), f"{self._where}: {_answer(error)}")
        digests = frozenset(notice.digest for notice in notices)
        return Told(digests, f"{self._where} refused {', '.join(sorted(refused))}" if refused else "")

    def finding(self) -> Finding:
        """Connect and log in; nothing is sent."""
        try:
            with self._connected():
                return Finding(ok=True, what="notify", detail=f"{self._where} takes mail from us; nothing was sent")
        except (OSError, smtplib.SMTPException, ValueError) as error:
            return Finding(ok=False, what="notify", detail=f"{self._where}: {_answer(error)}")

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        options = self._options
        context = _trust(options.ca, options.verify)
        if options.secure:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options.server, options.port, timeout=options.timeout, context=context
            )
        else:
            server = smtplib.SMTP(options.server, options.port, timeout=options.timeout)
        with server:
            if options.starttls:
                server.starttls(context=context)
            if options.login is not None and options.password is not None:
                server.login(options.login, options.password.reveal())
            yield server

    def _message(self, notices: Sequence[HeldNotice], now: datetime) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._options.sender
        message["To"] = ", ".join(self._options.to)
        message["Subject"] = " ".join(_subject(notices).split())
        message["Date"] = format_datetime(now)
        message["Message-ID"] = make_msgid(domain=self._options.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_body(notices))
        return message


def _subject(notices: Sequence[HeldNotice]) -> str:
    first, *others = notices
    if others:
        return f"syncd holds changes of {len(notices)} mailboxes"
    return f"syncd holds {_many(first.changes)} of {first.mailbox}"


def _body(notices: Sequence[HeldNotice]) -> str:
    parts = ["More would change than the limits allow. Nothing of the following is done until a person decides.\n"]
    parts += ["\n".join(notice.lines()) + "\n" for notice in notices[:LISTED]]
    if len(notices) > LISTED:
        parts.append(f"... and {len(notices) - LISTED} more: syncd held\n")
    return "\n".join(parts)


# --------------------------------------------------------------------------- words


def _answer(error: Exception) -> str:
    """Say what went wrong between us and a mail server; what it says itself is cut and made one line."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"refused all recipients: {', '.join(sorted(error.recipients))}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"refused the login (code {error.smtp_code})"  # some servers repeat what they were sent
    if isinstance(error, smtplib.SMTPResponseException):
        told = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"answered {error.smtp_code} {' '.join(told.split())[:_QUOTED]}"
    return _reason(error)


def _reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"[:_QUOTED]


def _trust(ca: str | None, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _many(changes: int) -> str:
    return f"{changes} change{'' if changes == 1 else 's'}"
