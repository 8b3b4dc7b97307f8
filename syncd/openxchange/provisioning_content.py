"""What is sent to Open-Xchange for an account: all of it when it is created, only what differs when it is updated.

The rules kept here (ox-facts 2.6, 2.7 and appendix B; ox-behaviour 2.5, 4 and 5):

* no server goes with the endpoint sources `primary` and `localhost`: it would be looked for among the user's accounts;
* a server always goes whole (host, port, protocol, secure), since the service completes a part from the wrong user;
* transport fields go only to accounts that have a transport row: the service would make others ordinary accounts;
* the two passwords never go together: the service would store the first one twice.

What the service cannot do is said as a problem: to give or take a transport, to change a protocol, to repair the row
`transport.auth` or the flag of a transport row. Deleting the account lets the next run create it right.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.core.model import Account, Endpoint, Fields, Mailbox, Secret
from syncd.openxchange.urls import parse

Content = Mapping[str, str | int | bool]
"""Element → value; what is not to be set is left out."""

LOCALHOST = (Endpoint("imap://localhost:143", True), Endpoint("smtp://localhost:25", True))
"""What the endpoint source `localhost` stands for (ox-facts 2.1)."""
PASSWORDS = frozenset(("password", "transportPassword"))
FOLDERS: Mapping[str, str] = {
    "archive": "archiveFullname",
    "drafts": "draftsFullname",
    "sent": "sentFullname",
    "spam": "spamFullname",
    "trash": "trashFullname",
    "confirmed_spam": "confirmedSpamFullname",
    "confirmed_ham": "confirmedHamFullname",
}
"""Kind of folder → element."""
_AGAIN = "delete the account and let syncd create it again"


def server(side: str, url: str) -> Content:
    """Give all elements of a server; `side` is mail or transport. The service adds the brackets of IPv6 addresses."""
    parts = parse(url)
    if parts is None or parts.port is None:
        raise AssertionError("the URLs of configured servers are whole")
    return {
        f"{side}Server": parts.host.removeprefix("[").removesuffix("]"),
        f"{side}Port": parts.port,
        f"{side}Protocol": parts.protocol,
        f"{side}Secure": parts.secure,
    }


def on_create(mailbox: Mailbox) -> Content:
    """Give the whole account of a mailbox, the same for all users."""
    account = mailbox.account
    texts = {
        "login": account.login,
        "name": account.name,
        "primaryAddress": mailbox.address,
        "personal": account.personal or None,
        "replyTo": account.reply_to or None,
        "password": account.password.reveal() if account.password else None,
    }
    texts |= {FOLDERS[kind]: name for kind, name in account.folders.items()}
    transport: dict[str, str | None] = {}
    if account.primary or account.transport is not None:
        transport["transportLogin"] = account.transport_login or None
        if account.transport_password:
            transport["transportPassword"] = account.transport_password.reveal()
    given = {name: value for name, value in (texts | transport).items() if value is not None}
    return {**given, **_servers(account)}


def _servers(account: Account) -> Content:
    if account.mail is None:
        return {"mailEndpointSource": "primary"}
    if (account.mail, account.transport) == LOCALHOST:
        return {"mailEndpointSource": "localhost"}
    found = {**server("mail", account.mail.url), "mailStartTls": account.mail.starttls}
    if account.transport is not None:
        found |= server("transport", account.transport.url)
        found["transportStartTls"] = account.transport.starttls
    return found


def on_update(
    stored: Fields, new: Fields, account: Account, *, password: bool, name: str = "SOAP"
) -> tuple[str | None, tuple[Content, ...]]:
    """Give what must be sent, one call after the other, to bring an account to its fields; or a problem.

    Args:
        stored: the fields as they are in the tables now.
        new: the fields wanted.
        account: has the configured passwords.
        password: whether these are to be written too.
        name: of the service, for messages.
    """
    if problem := _impossible(stored, new, name):
        return problem, ()
    content: dict[str, str | int | bool] = {}
    if new.login != stored.login:
        content["login"] = new.login
    if new.mail_url != stored.mail_url:
        content |= server("mail", new.mail_url)
    if new.mail_starttls != stored.mail_starttls:
        content["mailStartTls"] = new.mail_starttls
    content |= _texts(stored, new, account)
    if account.revive and stored.failing is not None and new.failing is None:
        content["login"] = new.login  # an equal value, too, sets the counters of both rows back (ox-behaviour 17.8)
    if new.transport_url is not None:
        content |= _transport(stored, new, new.transport_url)
    transport = account.transport_password if new.transport_url is not None else None
    return None, apart(content, account.password, transport) if password else apart(content, None, None)


def apart(content: Content, password: Secret | None, transport: Secret | None) -> tuple[Content, ...]:
    """Give the calls that set attributes and passwords (None = not set); the two passwords never share one."""
    first = {**content, "password": password.reveal()} if password is not None else content
    second = {"transportPassword": transport.reveal()} if transport is not None else {}
    return tuple(call for call in (first, second) if call)


def _texts(stored: Fields, new: Fields, account: Account) -> Content:
    """Give what differs of what is enforced of the user's own attributes; empty text clears them (ox-behaviour 5)."""
    pairs = {"name": "name", "personal": "personal", "reply_to": "replyTo"}
    content = {pairs[key]: getattr(new, key) for key in pairs if getattr(new, key) != getattr(stored, key)}
    if new.folders != stored.folders:
        content |= {FOLDERS[kind]: name for kind, name in account.folders.items()}
    return {element: text for element, text in content.items() if text is not None}


def _transport(stored: Fields, new: Fields, url: str) -> Content:
    """Give what differs of the transport, which both have."""
    content: dict[str, str | int | bool] = {}
    if new.transport_login != stored.transport_login:
        content["transportLogin"] = new.transport_login or ""
    if url != stored.transport_url:
        content |= server("transport", url)
    if new.transport_starttls != stored.transport_starttls:
        content["transportStartTls"] = bool(new.transport_starttls)
    return content


def _impossible(stored: Fields, new: Fields, name: str) -> str | None:
    """Say what of a change the service cannot make; None = it can make it all."""
    if (new.transport_url is None) != (stored.transport_url is None):
        what = "give an account a transport server" if stored.transport_url is None else "take an account's transport"
        return f"{name} cannot {what}; {_AGAIN}"
    sides = [("mail", stored.mail_url, new.mail_url), ("transport", stored.transport_url, new.transport_url)]
    for side, before, after in sides:
        if before is not None and after is not None and _protocol(before) != _protocol(after):
            return f"{name} cannot change the {side} protocol from {_protocol(before)} to {_protocol(after)}; {_AGAIN}"
    if new.transport_auth != stored.transport_auth:
        return f"{name} cannot change transport.auth from {stored.transport_auth} to {new.transport_auth}; {_AGAIN}"
    if new.transport_secondary != stored.transport_secondary:
        return f"{name} cannot mark a transport row as secondary again; {_AGAIN}"
    return None


def _protocol(url: str) -> str:
    return url.partition("://")[0].removesuffix("s")
