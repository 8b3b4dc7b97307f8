"""Which logins at mail servers the configured accounts come to, so that they can be tried, and which nobody can try.

| account                                  | mail server         | transport server                                    |
|------------------------------------------|---------------------|-----------------------------------------------------|
| mail.source is primary                   | not tried           | not tried: each user has other servers              |
| mail.source is localhost                 | not tried           | not tried: that is the machine of Open-Xchange      |
| no password                              | not tried           | not tried, unless the transport has its own         |
| a password                               | login and password  | the same ones: Open-Xchange sends with them         |
| the transport has a password of its own  |                     | that too, with the transport's login if it has one  |

The transport's own ones are stored, and not used as long as `transport.auth` is `mail` (ox-facts 2.11).

Whether Open-Xchange uses a stored password at all is its own setting, `passwordSource`, which cannot be seen from here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from syncd.core.model import Endpoint, Mailbox, Secret

FOUND = 50
"""So many mailboxes of one pattern are tried: they have one account, a sample shows what is wrong with it."""

_PRIMARY = "the servers are those of each user's own account (mail.source: primary)"
_LOCALHOST = "the server is the machine of Open-Xchange itself (mail.source: localhost), seen from there"
_UNKNOWN = (
    "no password is configured: Open-Xchange sends the password that each user logged in with "
    "(passwordSource: session), or one for all (global), and syncd has neither"
)


_PROPERTY = "com.openexchange.mail.secondary.passwordSource"
_NAMED = 3


class Server(NamedTuple):
    """A mail server, and how it is talked to."""

    protocol: Literal["imap", "smtp"]
    host: str
    """Name in ASCII, or IP address without brackets."""
    port: int
    tls: Literal["start", "starttls", "none"]
    """TLS from the start, begun later, or not at all."""

    def __str__(self) -> str:
        """Show it as a URL: `imaps://host:993`, `smtp://host:587 with STARTTLS`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        url = f"{self.protocol}{'s' if self.tls == 'start' else ''}://{host}:{self.port}"
        return f"{url} with STARTTLS" if self.tls == "starttls" else url


class Credentials(NamedTuple):
    """What is shown to a server."""

    login: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One login to try, once, however many mailboxes it is for."""

    server: Server
    credentials: Credentials
    mailboxes: tuple[str, ...]
    """Addresses of the mailboxes whose users it is for."""
    used: bool = True
    """False = stored for the transport, while Open-Xchange uses the account's."""


class Untried(NamedTuple):
    """Mailboxes whose logins cannot be tried."""

    reason: str
    mailboxes: tuple[str, ...]


def logins(mailboxes: Iterable[Mailbox], localhost: Endpoint) -> tuple[tuple[Trial, ...], tuple[Untried, ...]]:
    """Give what to try, in the order of the mailboxes, and what cannot be tried.

    Args:
        mailboxes: all of them; of those that a pattern found, by address, only the first FOUND are tried.
        localhost: the mail server that stands for the machine of Open-Xchange.
    """
    trials: dict[tuple[Server, Credentials], dict[str, bool]] = defaultdict(dict)
    untried: dict[str, dict[str, None]] = defaultdict(dict)
    counts: Counter[str] = Counter()
    for mailbox in sorted(mailboxes, key=lambda one: (one.pattern, one.key if one.pattern else "")):
        reason = _obstacle(mailbox, localhost)
        wanted = () if mailbox.account.mail in {None, localhost} else tuple(_wanted(mailbox))
        if mailbox.pattern and wanted:
            counts[mailbox.pattern] += 1
            if counts[mailbox.pattern] > FOUND:
                reason, wanted = f"the mapping at {mailbox.pattern} has many mailboxes, {FOUND} of them were tried", ()
        if reason:
            untried[reason][mailbox.address] = None
        for server, credentials, used in wanted:
            of_this = trials[server, credentials]
            of_this[mailbox.address] = of_this.get(mailbox.address, False) or used
    return (
        tuple(
            Trial(server=server, credentials=credentials, mailboxes=tuple(addresses), used=any(addresses.values()))
            for (server, credentials), addresses in trials.items()
        ),
        tuple(Untried(reason, tuple(addresses)) for reason, addresses in untried.items()),
    )


def password_source(names: Mapping[str, bool]) -> str:
    """Say what each value of `passwordSource` means for the mailboxes that are configured (ox-facts 2.11).

    Args:
        names: how mailboxes are called → whether they have a password.
    """
    without = [name for name, has in names.items() if not has]
    if len(without) == len(names):
        return (
            f"no password is configured: {_PROPERTY} has to be session (its default: Open-Xchange sends the password "
            "that each user logged in with) or global (one for all); with user nobody gets in"
        )
    if without:
        named = ", ".join(without[:_NAMED]) + (f" and {len(without) - _NAMED} more" if len(without) > _NAMED else "")
        users = f"by it nobody gets in to {named}, without a password here"
    else:
        users = "all mailboxes here have one"
    return (
        f"the configured passwords count with {_PROPERTY}=user only, and {users}; with session, its default, "
        "Open-Xchange sends the password that each user logged in with, and with global one for all"
    )


def _obstacle(mailbox: Mailbox, localhost: Endpoint) -> str:
    """Say why the login that Open-Xchange uses cannot be tried; empty = it can."""
    account = mailbox.account
    if account.mail is None:
        return _PRIMARY
    if account.mail == localhost:
        return _LOCALHOST
    return "" if account.password is not None else _UNKNOWN


def _wanted(mailbox: Mailbox) -> Iterator[tuple[Server, Credentials, bool]]:
    account = mailbox.account
    if account.password is not None:
        credentials = Credentials(account.login, account.password)
        for endpoint in (account.mail, account.transport):
            if endpoint is not None:
                yield server(endpoint), credentials, True
    if account.transport is not None and account.transport_password is not None:
        own = Credentials(account.transport_login or account.login, account.transport_password)
        yield server(account.transport), own, False


def server(endpoint: Endpoint) -> Server:
    """Take the URL of an account's row apart (ox-facts 2.6: protocol, `s` if secure, ASCII host, always a port)."""
    scheme, _, rest = endpoint.url.partition("://")
    host, _, port = rest.rpartition(":")
    protocol: Literal["imap", "smtp"] = "imap" if scheme.startswith("imap") else "smtp"
    secure = scheme == f"{protocol}s"
    return Server(
        protocol, host.strip("[]"), int(port), "start" if secure else "starttls" if endpoint.starttls else "none"
    )
