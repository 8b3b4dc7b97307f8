"""The shape of the configuration: every key, its kind, its default.

The rule kept here: a model says what one value may be; what values must be together is in `checks`, so that all
problems of a file are found at once. Defaults are the careful choice. `config/syncd.yaml` shows every key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, WrapValidator, model_validator

from syncd.settings import syntax, texts
from syncd.settings.clt import Clt
from syncd.settings.fields import FieldPolicies
from syncd.settings.jolokia import Jolokia
from syncd.settings.kinds import (
    DN,
    BindName,
    Checked,
    ConfigPath,
    Duration,
    Flag,
    Host,
    Mode,
    Section,
    Text,
    Timeout,
    choice,
    whole,
)
from syncd.settings.limits import CommonGrace, Grace, History, Limits, Rollout
from syncd.settings.mapping import Mapping
from syncd.settings.notices import Notify
from syncd.settings.secrets import SecretRef
from syncd.settings.soap import Soap
from syncd.settings.sources import Users


def _off(value: object, validate: Callable[[object], Any]) -> Any:
    """Let `false` stand for no TLS at all."""
    return None if value is False else validate(value)


# --------------------------------------------------------------------------- directory


class DirectoryTls(Section):
    """How the directory's certificate is verified."""

    ca: ConfigPath | None = None
    """CA certificates (PEM); without it those of the system. Relative to the directory of this file."""
    starttls: Flag = False
    """Upgrade ldap:// connections to TLS before anything else is sent."""
    verify: Flag = True
    """false accepts any certificate: whoever sits between can read the bind password and invent members."""
    cert: ConfigPath | None = None
    """Client certificate (PEM), for bind.method external or a server that wants one."""
    key: ConfigPath | None = None
    """Its private key (PEM)."""


class Bind(Section):
    """Who syncd is in the directory."""

    method: Annotated[Literal["simple", "external", "gssapi"], choice("simple", "external", "gssapi")] = "simple"
    """simple: DN and password; external: by client certificate or socket; gssapi: by a Kerberos ticket."""
    dn: BindName | None = None
    """DN of the account that reads groups and users; in Active Directory user@domain will do."""
    password: SecretRef | None = None
    """Its password, by reference."""
    host: Host | None = None
    """Of gssapi: the server's name in its Kerberos principal, where it is not that of the URL."""


class Timeouts(Section):
    """How long to wait for the directory."""

    connect: Timeout = 5.0
    """For a connection, TLS included."""
    receive: Timeout = 30.0
    """For each answer."""


_KINDS = ("auto", "ad", "openldap", "389ds", "generic")
_Policy = Annotated[Literal["remove", "keep"], choice("remove", "keep")]


class Directory(Section):
    """The LDAP directory that says who should have which mailbox."""

    urls: Annotated[
        tuple[Annotated[str, Checked(syntax.directory_url, pattern="^(ldap|ldaps|ldapi|ldif)://")], ...],
        Field(min_length=1),
    ]
    """Servers, tried in order: ldap://, ldaps://, ldapi://; or one ldif:///path, an export."""
    kind: Annotated[Literal["auto", "ad", "openldap", "389ds", "generic"], choice(*_KINDS)] = "auto"
    """What the server is: auto asks it; ad, openldap, 389ds (FreeIPA too), generic."""
    tls: DirectoryTls = DirectoryTls()
    """Verification of the server's certificate, and our own."""
    bind: Bind | None = None
    """Without it the bind is anonymous."""
    base: DN
    """Where users and groups are searched."""
    users: Users = Users()
    """From directory entry to Open-Xchange user."""
    disabled: _Policy = "remove"
    """Whether a disabled entry loses the mailbox (remove) or not (keep)."""
    expired: _Policy = "keep"
    """Whether an expired entry does."""
    dangling: _Policy = "keep"
    """What becomes of the account of a member that is listed but whose entry was not found."""
    must_see: DN | None = None
    """A group that must be readable and not empty; else nothing read from this directory counts as complete."""
    nesting: Annotated[Literal["client", "server"], choice("client", "server")] = "client"
    """Who follows groups in groups: syncd, or Active Directory (server), which pays where they lie deep."""
    timeout: Timeouts = Timeouts()
    """Waiting times."""
    page_size: Annotated[int, whole(1)] = 1000
    """Entries per page (RFC 2696); not above the server's own limit."""


# --------------------------------------------------------------------------- databases


class DatabaseTls(Section):
    """How a database server's certificate is verified."""

    ca: ConfigPath | None = None
    """CA certificates (PEM); without it those of the system."""
    verify: Flag = True
    """false accepts any certificate."""


_DatabaseUrl = Annotated[str, Checked(syntax.database_url, pattern=r"^(mysql\+pymysql|mariadb\+pymysql|sqlite)://")]
_StoreUrl = Annotated[
    str,
    Checked(syntax.store_url, pattern=r"^(mysql\+pymysql|mariadb\+pymysql|mysql\+mysqldb|mariadb\+mysqldb|sqlite)://"),
]
_SwitchableTls = Annotated[
    DatabaseTls | None,
    WrapValidator(_off, json_schema_input_type=DatabaseTls | Literal[False]),
]


class Database(Section):
    """A database: where, as whom, and how verified."""

    url: _StoreUrl
    """SQLAlchemy URL with the user's name and without the password; mysql+mysqldb:// takes the driver mysqlclient."""
    password: SecretRef | None = None
    """The user's password, by reference."""
    tls: _SwitchableTls = DatabaseTls()
    """TLS with verification is on, on a socket or loopback only if this is written; false switches it off."""


class Ledger(Database):
    """Our own database: what we own, what we did, what is held."""

    url: _DatabaseUrl = "sqlite:////var/lib/syncd/ledger.db"
    """SQLite by default; MySQL or MariaDB by URL. Not the Open-Xchange database."""


class Obfuscation(Section):
    """How Open-Xchange stores account passwords."""

    format: Annotated[Literal["auto", "argon2", "legacy"], choice("auto", "argon2", "legacy")]
    """argon2 from 8.16 on, legacy before; auto: as most recently stored, argon2 where nothing is stored yet."""
    key: SecretRef
    """The cluster's key: com.openexchange.sessiond.encryptionKey, by reference."""


class Pools(Section):
    """How the databases that configdb lists are logged in to, where not as configdb says."""

    login: Text | None = None
    """The user's name in all of them; without it db_pool.login."""
    password: SecretRef | None = None
    """That user's password, by reference; without it db_pool.password."""
    tls: _SwitchableTls = DatabaseTls()
    """TLS to them; without it as to configdb."""


class Configdb(Database):
    """The configdb: which contexts there are, their names, and where each is stored."""

    pools: Pools | None = None
    """How to log in to the databases that it lists; without it as their pools say."""


class OpenXchange(Section):
    """Open-Xchange: where its accounts are stored and how they are written."""

    database: Database | None = None
    """The only database that holds contexts: its write server. Without it see configdb, or write_with: soap or clt."""
    configdb: Configdb | None = None
    """The configdb: instead of database; or beside it, for contexts by name, login mapping or mail domain."""
    write_with: Annotated[Literal["sql", "soap", "clt"], choice("sql", "soap", "clt")] = "sql"
    """The way of writing: rows in the tables (sql), or Open-Xchange's own service (soap) or its tools (clt)."""
    soap: Soap | None = None
    """The SOAP service; needed by write_with: soap, which writes by it, and reads by SQL where there is a database."""
    clt: Clt | None = None
    """The command line tools; needed by write_with: clt, which writes by them, and reads by SQL where it can."""
    repair: Annotated[Literal["none", "failed_auth"], choice("none", "failed_auth")] = "none"
    """failed_auth: accounts that failed logins switched off are switched on again; none: they are only told of."""
    invalidate: Annotated[Literal["none", "soap", "jolokia"], choice("none", "soap", "jolokia")] = "none"
    """How Open-Xchange is told of rows written by SQL, which it else notices by and by; needs that section."""
    jolokia: Jolokia | None = None
    """Jolokia; needed by invalidate: jolokia."""
    obfuscation: Obfuscation | None = None
    """Needed only where accounts have passwords of their own."""


# --------------------------------------------------------------------------- running


class Schedule(Section):
    """When the daemon runs."""

    every: Annotated[float | None, Checked(texts.duration(10.0), pattern=texts.DURATION)] = None
    """Time between starts of runs, at least 10s; 5m when neither this nor cron is given."""
    cron: Annotated[str | None, Checked(syntax.cron)] = None
    """Instead of every: minute hour day month weekday."""
    jitter: Duration = 0.0
    """Up to this much is added at random, so that several installations do not start in the same second."""

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, value: Any) -> Any:
        """Run every five minutes where nothing is said."""
        if isinstance(value, dict) and value.get("cron") is None and value.get("every") is None:
            return {**value, "every": "5m"}
        return value


class Http(Section):
    """The HTTP endpoints: /metrics, /healthz, /readyz."""

    listen: Annotated[
        texts.Listen | None,
        Checked(
            texts.listen,
            {"anyOf": [{"type": "string", "pattern": r"^(off|(\[[^\]]+\]|[^:\[\]]+):[0-9]{1,5})$"}, {"const": False}]},
        ),
    ] = texts.Listen("127.0.0.1", 9469)
    """host:port, or off."""


class Log(Section):
    """How and how much is logged."""

    format: Annotated[Literal["auto", "json", "console"], choice("auto", "json", "console")] = "auto"
    """auto: colours on a terminal, JSON elsewhere."""
    level: Annotated[Literal["debug", "info", "warning", "error"], choice("debug", "info", "warning", "error")] = "info"
    """Events below this level are dropped."""


class Configuration(Section):
    """The whole file."""

    mode: Mode = "live"
    """staging: what is to be done is computed and reported, and never done, in all mailboxes."""
    directory: Directory | None = None
    """The LDAP directory."""
    several: Annotated[dict[str, Directory] | None, Field(alias="directories", min_length=1)] = None
    """Instead of directory: several of them, by names that mappings and sources choose by."""
    openxchange: OpenXchange
    """Open-Xchange."""
    ledger: Ledger = Ledger()
    """Our own database."""
    schedule: Schedule = Schedule()
    """When the daemon runs."""
    limits: Limits = Limits()
    """When to stop and ask."""
    max_changes_per_minute: Annotated[int | None, whole(1)] = None
    """Brake for creates and updates; removals are never braked. Without it there is none."""
    rollout: Rollout | None = None
    """Mailboxes that never had an account are filled in steps; without it all at once."""
    grace: CommonGrace = Grace()
    """How long removals wait, except in mailboxes marked sensitive; off: they do not."""
    notify: Notify | None = None
    """Who is told of held plans, beside log and metrics."""
    history: History = History()
    """How long the journal is kept."""
    fields: FieldPolicies = FieldPolicies()
    """Which attributes of accounts are kept as configured."""
    http: Http = Http()
    """Metrics and health."""
    log: Log = Log()
    """Logging."""
    mappings: Annotated[tuple[Mapping, ...], Field(min_length=1)]
    """The shared mailboxes."""

    def named_directories(self) -> dict[str, Directory]:
        """Give the directories by name; the only one, without a name, as ""."""
        if self.several is not None:
            return self.several
        return {} if self.directory is None else {"": self.directory}
