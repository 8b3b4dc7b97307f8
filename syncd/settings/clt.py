"""The part of the configuration that says where Open-Xchange's command line tools are and who uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from syncd.settings import syntax
from syncd.settings.kinds import Checked, ConfigPath, Section, Text, Timeout
from syncd.settings.secrets import SecretRef


class CltLogin(Section):
    """A context's administrator."""

    admin: Text
    """His login name."""
    password: SecretRef
    """His password, by reference."""


class Clt(Section):
    """Open-Xchange's four command line tools for secondary accounts."""

    directory: ConfigPath = Path("/opt/open-xchange/sbin")
    """Where they are installed: syncd runs on a machine of Open-Xchange, or one with its tools."""
    rmi: Annotated[str | None, Checked(syntax.rmi_url, pattern="^rmi://")] = None
    """rmi://host:port/, where the tools find Open-Xchange; without it on this machine."""
    admin: Text | None = None
    """Administrator of every context, or the master administrator (MASTER_ACCOUNT_OVERRIDE=true)."""
    password: SecretRef | None = None
    """Password of admin, by reference; the tools get it by environment."""
    credentials: Annotated[dict[Annotated[int, Field(ge=1)], CltLogin], Field(default_factory=dict)]
    """Administrators by context id; contexts not named here use admin."""
    timeout: Timeout = 120.0
    """How long a tool may take, its start and up to 500 users included; then it is ended."""
