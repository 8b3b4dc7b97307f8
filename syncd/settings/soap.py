"""The part of the configuration that says how Open-Xchange's SOAP service is reached."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from syncd.settings import syntax
from syncd.settings.kinds import Checked, ConfigPath, Flag, Section, Text, Timeout
from syncd.settings.secrets import SecretRef


class SoapTls(Section):
    """How the service's certificate is verified."""

    ca: ConfigPath | None = None
    """CA certificates (PEM); without it those that come with Python's certifi."""
    verify: Flag = True
    """false accepts any certificate: whoever sits between can read the administrator's password."""


class SoapTimeouts(Section):
    """How long to wait for the service."""

    connect: Timeout = 5.0
    """For a connection, TLS included."""
    receive: Timeout = 120.0
    """For an answer: a call carries up to 500 users, and Open-Xchange itself waits 15 s for a locked row."""


class SoapLogin(Section):
    """A context's administrator."""

    login: Text
    """His login name."""
    password: SecretRef
    """His password, by reference."""


_Url = Annotated[str, Checked(syntax.service_url, pattern="^https?://")]


class Soap(Section):
    """Open-Xchange's SOAP service for secondary accounts."""

    url: _Url
    """https://host/webservices/OXSecondaryAccountService; its description (WSDL) is read from there."""
    endpoint: _Url | None = None
    """Where calls go, if not to url. The address in the WSDL is never used: behind a proxy it can be wrong."""
    login: Text | None = None
    """Administrator of every context, or the master administrator (MASTER_ACCOUNT_OVERRIDE=true)."""
    password: SecretRef | None = None
    """Password of login, by reference."""
    credentials: Annotated[dict[Annotated[int, Field(ge=1)], SoapLogin], Field(default_factory=dict)]
    """Administrators by context id; contexts not named here use login."""
    tls: SoapTls = SoapTls()
    """Verification of the service's certificate."""
    timeout: SoapTimeouts = SoapTimeouts()
    """Waiting times."""
