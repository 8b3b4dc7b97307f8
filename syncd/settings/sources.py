"""The shape of who gets a mailbox: sources, the rules from a directory entry to a user, and mailboxes by pattern."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from syncd.settings import selection, texts
from syncd.settings.kinds import DN, Checked, Filter, Scope, Section, Template, Templates, Text


class UserRule(Section):
    """One way from a directory entry to an Open-Xchange user; exactly one of the keys."""

    login: Templates = None
    """Login, letter by letter. An attribute, a template, or a list: their values must not name two users."""
    mail: Templates = None
    """Mail address of the user."""
    alias: Templates = None
    """Any of the user's aliases."""
    imap_login: Templates = None
    """Login of the user at the mail server."""
    id: Templates = None
    """Number of the user."""


class Users(Section):
    """How a directory entry becomes an Open-Xchange user; without anything: uid, or sAMAccountName, is the login."""

    login: Templates = None
    """Short for one rule: the attribute that holds the login; of several, all values count."""
    rules: Annotated[tuple[UserRule, ...], Field(min_length=1)] | None = None
    """Instead of login: tried in order, the first that names exactly one user counts."""


class Source(Section):
    """Where members come from; exactly one of group, filter, attribute, ox_group and users."""

    group: DN | None = None
    """DN of a group of the directory, of whatever kind."""
    filter: Filter | None = None
    """LDAP filter; whatever it finds is a member."""
    attribute: Annotated[str | None, Checked(selection.membership, pattern="^[^=]+=.+$")] = None
    """Membership from the user's side: ATTRIBUTE=VALUE, such as memberOf=DN."""
    ox_group: Annotated[
        str | None,
        Checked(
            selection.ox_group,
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": texts.MAX_ID}, {"type": "string", "minLength": 1}]},
        ),
    ] = None
    """Group of Open-Xchange, in the mapping's context: its id or name; 0 is all users."""
    users: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Logins of Open-Xchange, literally."""
    base: DN | None = None
    """Where filter or attribute searches; without it the directory's base."""
    scope: Scope = "sub"
    """How deep filter or attribute searches."""
    directory: Text | None = None
    """Another of the directories than the mapping's."""


class Sieve(Section):
    """A condition on what a search found; exactly one of the keys."""

    mailbox: Annotated[str | None, Checked(selection.sieve)] = None
    """Glob (support-*) or /regular expression/ for the address."""
    group: Annotated[str | None, Checked(selection.sieve)] = None
    """The same for the DN or cn of the group."""


class FoundTransport(Section):
    """What templates give for the transport of a mailbox that was found."""

    login: Template | None = None
    """Instead of account.transport.login."""


class FoundAccount(Section):
    """What templates give for the account of a mailbox that was found; goes before the mapping's `account`."""

    name: Template | None = None
    """Display name."""
    login: Template | None = None
    """Login at the mail server."""
    personal: Template | None = None
    """Name shown as the sender."""
    reply_to: Template | None = None
    """Reply-to address."""
    transport: FoundTransport = FoundTransport()
    """Server for sending."""


class Discover(Section):
    """A search for groups that are each the group of a shared mailbox."""

    filter: Filter
    """LDAP filter of the groups."""
    base: DN | None = None
    """Where it searches; without it the directory's base."""
    scope: Scope = "sub"
    """How deep it searches."""
    match: Annotated[
        tuple[str, re.Pattern[str]] | None,
        Checked(
            selection.match,
            {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string"}},
        ),
    ] = None
    """An attribute with a regular expression that must be found in it; its named groups are placeholders."""
    mailbox: Annotated[str, Checked(selection.placeholder, pattern=r"\{")]
    """Template of the address."""
    account: FoundAccount = FoundAccount()
    """Templates that go before those of the mapping's account."""
    include: tuple[Sieve, ...] = ()
    """What fits any of these counts; without any, everything that was found."""
    exclude: tuple[Sieve, ...] = ()
    """What fits any of these does not count."""
