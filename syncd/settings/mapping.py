"""The shape of a mapping: shared mailboxes, in which contexts, who gets them, and what the accounts look like."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from syncd.settings import selection, texts
from syncd.settings.fields import PartialFieldPolicies
from syncd.settings.kinds import Checked, Flag, Folder, Host, Mode, Port, Section, Text, choice, limited, optional
from syncd.settings.limits import OwnGrace, PartialGrace, PartialLimits
from syncd.settings.secrets import SecretRef
from syncd.settings.sources import Discover, Source, Users


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
    """What every user's account of the mailbox gets; beside `discover`, texts are templates."""

    name: Annotated[str | None, limited(texts.NAME_LENGTH)] = None
    """Display name; written at creation, then the user's own."""
    login: Annotated[str | None, limited(texts.LOGIN_LENGTH)] = None
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


_CONTEXT = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": texts.MAX_ID},
        {"const": "all", "description": "Every context in which a member has a user."},
        *(
            {
                "type": "object",
                "properties": {way: {"type": "string", "minLength": 1, "description": text}},
                "required": [way],
                "additionalProperties": False,
            }
            for way, text in (
                ("name", "Name of a context."),
                ("mapping", "Login mapping of a context."),
                ("attribute", "Attribute of each member that holds id, name or login mapping of its context."),
                ("domain", "Attribute of each member that holds an address; its domain is a login mapping."),
            )
        ),
    ]
}


class Mapping(Section):
    """One shared mailbox, or many by `discover`, and who gets it."""

    mailbox: Annotated[str | None, Checked(texts.address, maxLength=texts.ADDRESS_LENGTH)] = None
    """Address of the shared mailbox."""
    discover: Discover | None = None
    """Instead of mailbox: every group that a search finds is one."""
    context: Annotated[int | str | selection.Chosen, Checked(selection.context, _CONTEXT)]
    """Open-Xchange context of the users: a number, all, or how it is found out."""
    directory: Text | None = None
    """Name of the directory of the sources; needed where there are several."""
    users: Users | None = None
    """How the members become users; without it as the directory says."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)] = ()
    """Members of any of these get the mailbox; beside discover, more members than the groups have."""
    exclude: tuple[Source, ...] = ()
    """Members of any of these do not, even if a source has them."""
    nested: Annotated[
        int,
        Checked(
            texts.nesting,
            {"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": texts.ALL_LEVELS}]},
        ),
    ] = texts.ALL_LEVELS
    """Groups in groups: true, false, or the number of levels."""
    existing: Annotated[Literal["adopt", "leave"], choice("adopt", "leave")] = "adopt"
    """A secondary account that a member has already, not made by syncd."""
    extra: Annotated[Literal["leave", "remove"], choice("leave", "remove")] = "leave"
    """A secondary account that somebody has who is no member, not made by syncd."""
    mode: Mode = "live"
    """staging: what is to be done is computed and reported, and never done."""
    sensitive: Flag = False
    """true: revocations go first and wait for nothing, and fewer additions pass unasked."""
    grace: OwnGrace = PartialGrace()
    """How long removals of this mailbox wait; without it as everywhere, if sensitive not at all."""
    limits: PartialLimits = PartialLimits()
    """Other limits for this mailbox."""
    fields: PartialFieldPolicies = PartialFieldPolicies()
    """Other policies for the attributes of these accounts."""
    account: Account
    """What the accounts look like."""
