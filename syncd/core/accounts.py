"""What an account of a mailbox looks like when it is right, and what of a stored one differs from that.

The rule kept here: `Account.policy` says what is kept as configured. By default columns that the user may change
(names, reply-to, folders) are written at creation only; server, login, password and transport are kept (ox-facts 2.10).
An account whose servers were copied from the primary account keeps its copy (ox-facts 2.6): a later difference is
drift, which is reported and never repaired.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from syncd.core.model import Account, Endpoint, Fields

TRANSPORT_AUTH = "mail"
"""Value of the property `transport.auth` that OX writes for every secondary account with a transport (ox-facts 2.1)."""


def wanted(account: Account, primary: tuple[Endpoint, Endpoint | None] | None = None) -> Fields:
    """Give the fields of a right account.

    For an account copied from the primary one, `primary` has the mail and transport endpoints of the user's account 0;
    without it the urls are empty text (a plan shows them so, since they are known only at creation).
    """
    mail, transport = account.mail, account.transport
    if mail is None:
        mail, transport = primary if primary is not None else (Endpoint("", False), Endpoint("", False))
    texts = _texts(account)
    if transport is None:
        return Fields(account.login, mail.url, mail.starttls, None, None, None, None, None, *texts)
    name, personal, reply_to, folders = texts
    return Fields(
        login=account.login,
        mail_url=mail.url,
        mail_starttls=mail.starttls,
        transport_url=transport.url,
        transport_starttls=transport.starttls,
        transport_login=account.transport_login,
        transport_auth=TRANSPORT_AUTH,
        transport_secondary=True,
        name=name,
        personal=personal,
        reply_to=reply_to,
        folders=folders,
    )


def _texts(account: Account) -> tuple[str | None, str | None, str | None, str | None]:
    """Give what is enforced of name, personal, reply-to and folders."""
    policy = account.policy
    return (
        account.name if policy.name == "enforce" else None,
        spared(account.personal) if policy.personal == "enforce" else None,
        spared(account.reply_to) if policy.reply_to == "enforce" else None,
        folders_text(account.folders) if policy.folders == "enforce" and account.folders else None,
    )


def spared(text: str | None) -> str:
    """Give the text as it is compared: a blank one is none, as OX stores it (ox-behaviour 5)."""
    return text if text and text.strip() else ""


def folders_text(folders: Mapping[str, str | None]) -> str:
    """Write full names of folders by kind as they are compared: without `defaultN/` (ox-behaviour 17.7).

    >>> folders_text({"sent": "default0/Sent", "drafts": None})
    'drafts: , sent: Sent'
    """
    return ", ".join(f"{kind}: {bare_folder(name or '')}" for kind, name in sorted(folders.items()))


def bare_folder(name: str) -> str:
    """Take `defaultN/` off as an update of OX does (ox-behaviour 18.3 and 18.4)."""
    return re.sub(r"^default\d+(?:/|$)", "", name)


def repaired(account: Account, stored: Fields, right: Fields) -> Fields:
    """Give the fields that `stored` must have: itself when nothing has to be repaired.

    `right` is `wanted(account)`, passed in since it is one value for all users of a mailbox.

    | account       | servers and transport row                     | login, property, flags     |
    |---------------|-----------------------------------------------|----------------------------|
    | explicit      | as configured; a missing row is written       | as configured              |
    | primary       | kept as stored, whatever account 0 says today | as configured, if row there|

    Counters of failed logins are set back only where the account says so. Login, server and transport that are not
    enforced are kept as stored, but a transport row always gets its property and flag.
    """
    if stored == right:
        return stored
    policy = account.policy
    if not account.revive:
        right = right._replace(failing=stored.failing)
    if policy.login != "enforce":
        right = right._replace(login=stored.login)
    if account.primary or policy.server != "enforce":
        right = right._replace(mail_url=stored.mail_url, mail_starttls=stored.mail_starttls)
    if account.primary or policy.transport != "enforce":
        right = right._replace(transport_url=stored.transport_url, transport_starttls=stored.transport_starttls)
        if stored.transport_url is None:
            return right._replace(transport_login=None, transport_auth=None, transport_secondary=None)
        right = right._replace(transport_auth=TRANSPORT_AUTH, transport_secondary=True)
    if policy.transport != "enforce":
        right = right._replace(transport_login=stored.transport_login)
    return right


def drifted(stored: Fields, primary: tuple[Endpoint, Endpoint | None]) -> bool:
    """Tell whether the copied servers differ from what the primary account has today."""
    mail, transport = primary
    if (stored.mail_url, stored.mail_starttls) != mail:
        return True
    if transport is None or stored.transport_url is None:
        return (transport is None) != (stored.transport_url is None)
    return (stored.transport_url, stored.transport_starttls) != transport
