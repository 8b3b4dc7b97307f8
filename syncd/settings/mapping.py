"""The shape of a mapping: one shared mailbox, who gets it, and what the accounts look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from syncd.settings import syntax, texts
from syncd.settings.kinds import DN, Checked, Flag, Folder, Host, Port, Section, choice, limited, optional, whole
from syncd.settings.secrets import SecretRef


class Source(Section):
    """Where members come from: a group or a filter, exactly one of them."""

    group: DN | None = None
    """DN of a group: groupOfNames, groupOfUniqueNames or posixGroup."""
    filter: Annotated[str | None, Checked(syntax.ldap_filter)] = None
    """LDAP filter; whatever it finds is a member."""
    base: DN | None = None
    """Where the filter searches; without it the directory's base."""
    scope: Annotated[Literal["base", "one", "sub"], choice("base", "one", "sub")] = "sub"
    """How deep the filter searches."""


class Mail(Section):
    """The mail server of the accounts: given here, or taken from elsewhere by `source`."""

    server: Host | None = None
    """Host name or IP address."""
    port: Port | None = None
    """143 usually, 993 with secure."""
    protocol: Annotated[str, Checked(texts.protocol("imap"), {"const": "imap"})] = "imap"
    """Only imap."""
    secure: Flag = False
    """TLS from the start (imaps)."""
    starttls: Flag = False
    """TLS by STARTTLS."""
    source: Annotated[Literal["primary", "localhost"] | None, choice("primary", "localhost")] = None
    """primary: copied from the user's own account at creation; localhost: port 143 and 25 there."""


class Transport(Section):
    """The server that sends mail of the accounts; without it they can receive only."""

    server: Host
    """Host name or IP address."""
    port: Port
    """25 or 587 usually, 465 with secure."""
    protocol: Annotated[str, Checked(texts.protocol("smtp"), {"const": "smtp"})] = "smtp"
    """Only smtp."""
    secure: Flag = False
    """TLS from the start (smtps)."""
    starttls: Flag = False
    """TLS by STARTTLS."""
    login: Annotated[str | None, optional(texts.LOGIN_LENGTH)] = None
    """Stored beside the server; Open-Xchange uses the account's login (transport.auth is mail)."""
    password: SecretRef | None = None
    """Stored beside it, by reference."""


class Folders(Section):
    """Full names of the standard folders, written at creation only."""

    archive: Folder = None
    """Archive."""
    drafts: Folder = None
    """Drafts."""
    sent: Folder = None
    """Sent mail."""
    spam: Folder = None
    """Spam."""
    trash: Folder = None
    """Trash."""
    confirmed_spam: Folder = None
    """Mail confirmed as spam."""
    confirmed_ham: Folder = None
    """Mail confirmed as no spam."""


class Account(Section):
    """What every user's account of the mailbox gets."""

    name: Annotated[str, limited(texts.NAME_LENGTH)]
    """Display name; written at creation, then the user's own."""
    login: Annotated[str, limited(texts.LOGIN_LENGTH)]
    """Login at the mail server."""
    password: SecretRef | None = None
    """Stored only if given; Open-Xchange uses it only with com.openexchange.mail.secondary.passwordSource=user."""
    personal: Annotated[str | None, optional(texts.PERSONAL_LENGTH)] = None
    """Name shown as the sender; written at creation only."""
    reply_to: Annotated[str | None, optional(texts.ADDRESS_LENGTH)] = None
    """Reply-to address; written at creation only."""
    mail: Mail
    """Mail server."""
    transport: Transport | None = None
    """Server for sending; not with mail: {source: ...}, which brings its own."""
    folders: Folders = Folders()
    """Standard folders."""


class PartialShare(Section):
    """A limit of one mapping; what is missing comes from the common limits."""

    percent: Annotated[float | None, Checked(texts.percentage, {"type": "number", "minimum": 0, "maximum": 100})] = None
    """Percent of the accounts claimed at the window's start."""
    floor: Annotated[int | None, whole(0)] = None
    """So many may always change."""


class PartialLimits(Section):
    """Limits of one mapping; what is missing comes from the common limits."""

    removals: PartialShare = PartialShare()
    """Accounts taken away."""
    additions: Annotated[int | None, whole(0)] = None
    """Accounts created or adopted."""
    updates: PartialShare = PartialShare()
    """Accounts repaired."""


class Mapping(Section):
    """One shared mailbox and who gets it."""

    mailbox: Annotated[str, Checked(texts.address, maxLength=texts.ADDRESS_LENGTH)]
    """Address of the shared mailbox."""
    context: Annotated[int, whole(1, texts.MAX_ID)]
    """Open-Xchange context of the users."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Members of any of these get the mailbox."""
    exclude: tuple[Source, ...] = ()
    """Members of any of these do not, even if a source has them."""
    nested: Annotated[
        int,
        Checked(texts.nesting, {"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 1000}]}),
    ] = 32
    """Groups in groups: true (32 levels), false, or the number of levels."""
    existing: Annotated[Literal["adopt", "leave"], choice("adopt", "leave")] = "adopt"
    """A secondary account that a member has already, not made by syncd."""
    extra: Annotated[Literal["leave", "remove"], choice("leave", "remove")] = "leave"
    """A secondary account that somebody has who is no member, not made by syncd."""
    limits: PartialLimits = PartialLimits()
    """Other limits for this mailbox."""
    account: Account
    """What the accounts look like."""
