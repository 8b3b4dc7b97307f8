"""The values that travel between the layers: what is configured, desired, observed and owned.

Everything here is a value without behaviour that could fail. Where 100,000 of a kind are alive at once it is a
NamedTuple (half the memory and a third of the time of a frozen dataclass); all else is a frozen, slotted,
keyword-only dataclass. What is planned and what becomes of it is in `changes`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from syncd.core.limits import Grace, Limits
from syncd.core.template import Template

# --------------------------------------------------------------------------- configuration, as the core sees it


class Secret:
    """Keep a password out of every repr, log line and traceback; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the secret text; call it only where it is used."""
        return self._text

    def __repr__(self) -> str:
        """Never show the text."""
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        """Compare by text."""
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        """Hash by text."""
        return hash(self._text)


By = Literal["login", "mail", "alias", "imap_login", "id"]
"""Where an OX user is looked for: `login2user.uid`, `user.mail`, `user_alias.alias`, `user.imapLogin`, `user.id`."""


class Rule(NamedTuple):
    """One way from a directory entry to an OX user."""

    by: By
    templates: tuple[Template, ...]
    """All their values are looked for, and must not name two users."""

    def __str__(self) -> str:
        """Show it as the configuration has it: `login: {uid}`."""
        return f"{self.by}: {' or '.join(map(str, self.templates))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where members come from: the directory (a group by DN, a filter, an attribute of the users) or Open-Xchange."""

    kind: Literal["group", "filter", "attribute", "ox_group", "users"]
    value: str
    """The DN of the group; the filter; `attribute=value`; id or name of the OX group; the logins for people to read."""
    directory: str = ""
    """Name of the directory, where there are several."""
    rules: tuple[Rule, ...] = ()
    """How its members become users; empty = as the directory usually has it."""
    chooser: Template | None = None
    """What in a member's entry names its context (id, name or login mapping); None = members do not choose."""
    nested: int = 1000
    """How many levels of groups in groups are followed; 0 = none."""
    base: str | None = None
    """Search base of a filter or attribute; None = the directory's base."""
    scope: Literal["base", "one", "sub"] = "sub"
    logins: tuple[str, ...] = ()
    """Of kind `users`: the logins."""
    context: int | None = None
    """Of kind `ox_group`: the context whose group it is."""

    @property
    def from_directory(self) -> bool:
        """Whether the directory is asked for it, and not Open-Xchange or nobody."""
        return self.kind not in {"ox_group", "users"}

    def __str__(self) -> str:
        """Name the source as messages do: `group cn=support,…` or `filter (…)`, with where it searches if that is said.

        Two sources of a mailbox never have the same name: their members are counted by it.
        """
        where = f" under {self.base}" if self.base is not None else ""
        there = f" in {self.directory}" if self.directory else ""
        return f"{self.kind} {self.value}{where}{there}" + ("" if self.scope == "sub" else f", scope {self.scope}")


class Endpoint(NamedTuple):
    """A mail or transport server as a row stores it."""

    url: str
    """`imap[s]://host:port` or `smtp[s]://host:port`, the host in ASCII."""
    starttls: bool


Kept = Literal["create", "enforce", "ignore"]
"""Written at creation only; kept as configured; left to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which attributes of an account are kept as configured; for what `ignore` leaves out see `settings.mailboxes`."""

    name: Kept = "create"
    personal: Kept = "create"
    reply_to: Kept = "create"
    folders: Kept = "create"
    login: Kept = "enforce"
    server: Kept = "enforce"
    password: Kept = "enforce"  # noqa: S105 - a policy, no password
    transport: Kept = "enforce"

    @property
    def texts(self) -> bool:
        """Whether anything is enforced that usually is the user's own."""
        return "enforce" in (self.name, self.personal, self.reply_to, self.folders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The attributes that every user's account of one mailbox gets (ox-facts 2.4 to 2.6)."""

    name: str
    login: str
    mail: Endpoint | None
    """None = copied from the user's account 0 at creation (`source: primary`)."""
    transport: Endpoint | None
    """None = receive only; with `mail` None the transport is copied from account 0 too."""
    personal: str | None = None
    reply_to: str | None = None
    transport_login: str = ""
    password: Secret | None = None
    """None = not managed: never written, never compared, never cleared."""
    transport_password: Secret | None = None
    folders: Mapping[str, str] = field(default_factory=dict)
    """Full names by kind (archive, drafts, sent, spam, trash, confirmed_spam, confirmed_ham)."""
    policy: Policy = Policy()
    revive: bool = False
    """Whether the counters of failed logins are set back."""

    @property
    def primary(self) -> bool:
        """Whether the servers are copied from the user's primary account."""
        return self.mail is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A shared mailbox: an address in a context, its account attributes, and where its users come from."""

    address: str
    key: str
    """`core.address.collation_key(address)`: equal for addresses that the database holds for equal."""
    context: int
    account: Account
    sources: tuple[Source, ...] = ()
    exclude: tuple[Source, ...] = ()
    existing: Literal["adopt", "leave"] = "adopt"
    extra: Literal["leave", "remove"] = "leave"
    limits: Limits = field(default_factory=Limits)
    grace: Grace = field(default_factory=Grace)
    sensitive: bool = False
    """Whether its revocations come before all other changes of a run."""
    staging: bool = False
    """Whether what is to be done is computed and reported, and never done."""
    choices: Mapping[str, int] | None = None
    """Where members choose their context: all contexts by name, as in `Contexts.names`; None = they do not."""
    where: str = ""
    """Where its mapping stands in the configuration (file:line); decides nothing."""
    pattern: str = ""
    """Where the pattern stands that it was made from (file:line); empty = it stands in the configuration by itself."""
    everywhere: bool = False
    """Whether it is one of many contexts in which a member may, but need not, have a user."""
    doubt: str = ""
    """Why its sources may not be all that it has, or others than it has; empty = they are what is configured."""

    @property
    def ref(self) -> MailboxRef:
        """The pair that names the mailbox everywhere."""
        return MailboxRef(self.context, self.key)


class MailboxRef(NamedTuple):
    """Names a mailbox: context and collation key of its address."""

    context: int
    key: str


# --------------------------------------------------------------------------- what Open-Xchange says


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """OX users of one context, looked up by what members have: logins, addresses, ids."""

    context: int
    exists: bool
    """Whether the context has any user at all."""
    by_login: Mapping[str, int]
    """Exact login (login2user.uid, case-sensitive) → user id, guests left out."""
    found: Mapping[By, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    """For every kind of question but login: asked text → user ids, guests left out; without an entry where nobody.

    Addresses are compared by the database's collation and by letters (both must agree), ids as decimal numbers.
    """
    other_case: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Asked login without exact match → logins that differ by letter case only."""
    guests: frozenset[str] = frozenset()
    """Asked texts of any kind that belong to guests."""
    ids: frozenset[int] = frozenset()
    """Of the ids that were asked for: those that exist."""
    logins: Mapping[int, str] = field(default_factory=dict)
    """Login by user id, as far as known: of all asked ids, and of all that were found by another way than login."""
    unread: str = ""
    """Why nothing could be read of the context, so that nothing above means anything; empty = it was read."""


class Contexts(NamedTuple):
    """The contexts that there are."""

    ids: frozenset[int]
    """Those of the databases in use."""
    names: Mapping[str, int]
    """`core.address.collation_key` of id (as text), name or login mapping → context id (`login2context`)."""


class GroupRead(NamedTuple):
    """An OX group."""

    users: tuple[int, ...]
    """Ids of its members, guests left out, sorted."""
    problem: str = ""
    """Why it could not be read: no such group, or several of that name; empty = it was read whole."""


class Asked(NamedTuple):
    """What is asked of the users of one context."""

    logins: Collection[str] = ()
    mails: Collection[str] = ()
    aliases: Collection[str] = ()
    imap_logins: Collection[str] = ()
    ids: Collection[int] = ()
    """User ids; those that exist are in `Users.ids`, those that are no guests in `Users.found["id"]` too."""


class Fields(NamedTuple):
    """The columns of an account that are kept as configured; compared as one tuple.

    `transport_*` are None throughout when the account has no transport row. What follows them is None where it is not
    enforced, and so not looked at.
    """

    login: str
    mail_url: str
    mail_starttls: bool
    transport_url: str | None
    transport_starttls: bool | None
    transport_login: str | None
    transport_auth: str | None
    """Value of the property row `transport.auth`; None = no such row."""
    transport_secondary: bool | None
    """False = the transport row lost its flag, which makes OX show a private account (ox-facts 2.7)."""
    name: str | None = None
    personal: str | None = None
    """Empty = NULL."""
    reply_to: str | None = None
    """Empty = NULL."""
    folders: str | None = None
    """The configured kinds with their full names, as `core.accounts.folders_text` writes them."""
    failing: str | None = None
    """What logins that failed did to it: switched it off, or are counted; None = nothing."""


class Observed(NamedTuple):
    """One stored mail account whose address equals, by collation, that of a configured or claimed mailbox."""

    context: int
    user: int
    id: int
    address: str
    secondary: bool
    """False = the user's own account (or, with id 0, the primary account)."""
    name: str
    fields: Fields
    password: bool | None = None
    """Whether the stored passwords are the configured ones; None = not managed."""
    seal: bytes | None = None
    """Proof to remember in the claim that this ciphertext was verified; None = nothing new to remember."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What exists in Open-Xchange of the mailboxes in question."""

    accounts: Mapping[MailboxRef, tuple[Observed, ...]]
    primaries: Mapping[tuple[int, int], tuple[Endpoint, Endpoint | None]] = field(default_factory=dict)
    """(context, user) → mail and transport endpoint of account 0; read where a mailbox copies from it."""
    statements: int = 0
    unread: Mapping[int, str] = field(default_factory=dict)
    """Context → why nothing could be read of it; its mailboxes have no accounts here, which means nothing."""


# --------------------------------------------------------------------------- what is ours


UNNUMBERED = -1
"""In place of the id of an account whose id Open-Xchange gives when it writes it; equals no id (rule 6)."""


class Claim(NamedTuple):
    """The ledger's word that an account is ours."""

    user: int
    account: int
    """Account id; of a pending claim the id that was reserved for it, UNNUMBERED where none could be."""
    held: bool
    """False = pending: owns nothing, unless an account with exactly this id is found."""
    member: str
    """Stable id of the member it came from."""
    dn: str
    """The member's last DN, as written."""
    login: str
    """The OX login at that time, for messages."""
    seal: bytes | None = None


class Pin(NamedTuple):
    """A person's word about one user and one mailbox, which counts more than what any source says."""

    user: int
    keep: bool
    """Whether the user has the mailbox in spite of the sources; False = has it not, in spite of them."""
    until: datetime | None
    """When it ends; None = when a person ends it."""
    by: str
    """The person."""
