"""What an account of a mailbox looks like when it is right, and what of a stored one differs from that.

The rule kept here: columns that the user may change (names, reply-to, folders) are written at creation only; server,
login, password and transport are kept as configured (ox-facts 2.10). An account whose servers were copied from the
primary account keeps its copy (ox-facts 2.6): a later difference is drift, which is reported and never repaired.
"""

from __future__ import annotations

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
    if transport is None:
        return Fields(account.login, mail.url, mail.starttls, None, None, None, None, None)
    return Fields(
        login=account.login,
        mail_url=mail.url,
        mail_starttls=mail.starttls,
        transport_url=transport.url,
        transport_starttls=transport.starttls,
        transport_login=account.transport_login,
        transport_auth=TRANSPORT_AUTH,
        transport_secondary=True,
    )


def repaired(account: Account, stored: Fields, right: Fields) -> Fields:
    """Give the fields that `stored` must have: itself when nothing has to be repaired.

    `right` is `wanted(account)`, passed in since it is one value for all users of a mailbox.

    | account       | servers and transport row                     | login, property, flags     |
    |---------------|-----------------------------------------------|----------------------------|
    | explicit      | as configured; a missing row is written       | as configured              |
    | primary       | kept as stored, whatever account 0 says today | as configured, if row there|
    """
    if not account.primary:
        return stored if stored == right else right
    if stored.transport_url is None:
        return stored._replace(login=right.login)
    return right._replace(
        mail_url=stored.mail_url,
        mail_starttls=stored.mail_starttls,
        transport_url=stored.transport_url,
        transport_starttls=stored.transport_starttls,
    )


def drifted(stored: Fields, primary: tuple[Endpoint, Endpoint | None]) -> bool:
    """Tell whether the copied servers differ from what the primary account has today."""
    mail, transport = primary
    if (stored.mail_url, stored.mail_starttls) != mail:
        return True
    if transport is None or stored.transport_url is None:
        return (transport is None) != (stored.transport_url is None)
    return (stored.transport_url, stored.transport_starttls) != transport
