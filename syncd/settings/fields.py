"""The part of the configuration that says which attributes of accounts are kept as configured."""

from __future__ import annotations

from typing import Annotated, get_args

from syncd.core.model import Kept
from syncd.settings.kinds import Section, choice

_one_of_three = choice(*get_args(Kept))
_Kept = Annotated[Kept, _one_of_three]
_MaybeKept = Annotated[Kept | None, _one_of_three]


class FieldPolicies(Section):
    """What is kept as configured (enforce), written at creation only (create), or left to others (ignore)."""

    name: _Kept = "create"
    """Display name; an account cannot be without one, so ignore is create."""
    personal: _Kept = "create"
    """Name shown as the sender."""
    reply_to: _Kept = "create"
    """Reply-to address."""
    folders: _Kept = "create"
    """Standard folders, those that are configured."""
    login: _Kept = "enforce"
    """Login at the mail server; ignore is create."""
    server: _Kept = "enforce"
    """Mail server with port and TLS; ignore is create."""
    password: _Kept = "enforce"  # noqa: S105 - a policy, no password
    """Stored passwords."""
    transport: _Kept = "enforce"
    """Server for sending, with its login; ignore writes none, and leaves one that is there."""


class PartialFieldPolicies(Section):
    """Policies of one mapping; what is missing comes from the common ones."""

    name: _MaybeKept = None
    """Display name."""
    personal: _MaybeKept = None
    """Name shown as the sender."""
    reply_to: _MaybeKept = None
    """Reply-to address."""
    folders: _MaybeKept = None
    """Standard folders."""
    login: _MaybeKept = None
    """Login at the mail server."""
    server: _MaybeKept = None
    """Mail server."""
    password: _MaybeKept = None
    """Stored passwords."""
    transport: _MaybeKept = None
    """Server for sending."""
