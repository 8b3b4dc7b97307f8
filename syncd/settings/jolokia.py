"""The part of the configuration that says how Jolokia is reached, for clearing caches."""

from __future__ import annotations

from typing import Annotated

from syncd.settings import syntax
from syncd.settings.kinds import Checked, ConfigPath, Flag, Section, Text, Timeout
from syncd.settings.secrets import SecretRef


class JolokiaTls(Section):
    """How its certificate is verified."""

    ca: ConfigPath | None = None
    """CA certificates (PEM); without it those of the system."""
    verify: Flag = True
    """false accepts any certificate: whoever sits between can read the password."""


class Jolokia(Section):
    """Open-Xchange's monitoring by HTTP."""

    url: Annotated[str, Checked(syntax.service_url, pattern="^https?://")]
    """https://host/monitoring/jolokia; the server lets in only its own machine unless it is told otherwise."""
    login: Text | None = None
    """com.openexchange.jolokia.user."""
    password: SecretRef | None = None
    """com.openexchange.jolokia.password, by reference."""
    tls: JolokiaTls = JolokiaTls()
    """Verification of its certificate."""
    timeout: Timeout = 10.0
    """For each step of the connection."""
