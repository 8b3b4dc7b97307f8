"""The part of the configuration that says who is told of held plans: a web server, people by mail."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from syncd.core.model import Secret
from syncd.settings import syntax, texts
from syncd.settings.kinds import TEXT, Checked, ConfigPath, Either, Flag, Host, Port, Section, Text, Timeout
from syncd.settings.secrets import SecretRef

_Address = Annotated[str, Checked(texts.address, maxLength=texts.ADDRESS_LENGTH)]


class NotifyTls(Section):
    """How the certificate of a web or mail server is verified."""

    ca: ConfigPath | None = None
    """CA certificates (PEM); without it those of the system."""
    verify: Flag = True
    """false accepts any certificate: whoever sits between can read what is told, and the password."""


class Webhook(Section):
    """A web server that is told by HTTP POST."""

    url: Annotated[str | SecretRef, Either(SecretRef, syntax.webhook_url, {**TEXT, "pattern": "^https?://"})]
    """https://..., or a reference where whoever knows it may write there; http:// only on this machine."""
    headers: Annotated[
        dict[str, Annotated[str | SecretRef, Either(SecretRef, syntax.header, TEXT)]], Field(default_factory=dict)
    ]
    """More headers by name: a text, or a reference to a secret."""
    tls: NotifyTls = NotifyTls()
    """Verification of its certificate."""
    timeout: Timeout = 10.0
    """For each step of the connection."""

    def target(self) -> Secret:
        """Give the URL, which is not to be shown: its path may be what lets us in.

        Raises:
            ConfigurationError: the reference cannot be read, or is no such URL.
        """
        return Secret(self.url) if isinstance(self.url, str) else self.url.checked(syntax.webhook_url)

    def sent(self) -> dict[str, Secret]:
        """Give the headers by name.

        Raises:
            ConfigurationError: one of them cannot be read, or is no text for a header.
        """
        return {
            name: Secret(value) if isinstance(value, str) else value.checked(syntax.header)
            for name, value in self.headers.items()
        }


class NotifyMail(Section):
    """People who are told by mail."""

    server: Host
    """Host name or IP address of the mail server."""
    port: Port
    """25 or 587 usually, 465 with secure."""
    secure: Flag = False
    """TLS from the start (smtps)."""
    starttls: Flag = False
    """TLS by STARTTLS; nothing is sent to a server that has none."""
    tls: NotifyTls = NotifyTls()
    """Verification of its certificate."""
    login: Text | None = None
    """Who syncd is there; without it nobody."""
    password: SecretRef | None = None
    """Password of login, by reference; goes over TLS only, or to this machine."""
    sender: Annotated[_Address, Field(alias="from")]
    """Sender's address."""
    to: Annotated[tuple[_Address, ...], Field(min_length=1)]
    """Recipients."""
    timeout: Timeout = 30.0
    """For each step of the connection."""


class Notify(Section):
    """Who is told that a plan is held."""

    webhook: Webhook | None = None
    """A web server."""
    mail: NotifyMail | None = None
    """People."""
