"""Turn the mappings of a valid configuration into the values that the core works with."""

from __future__ import annotations

from syncd.core import model as core
from syncd.core.address import collation_key
from syncd.settings import mapping as shapes
from syncd.settings.models import Limits, Share

LOCALHOST = (core.Endpoint("imap://localhost:143", True), core.Endpoint("smtp://localhost:25", True))
"""What OX writes for `source: localhost` (the literals of its storage, ox-facts 2.6)."""


def mailbox(mapping: shapes.Mapping, limits: Limits) -> core.Mailbox:
    """Give a mapping as a core value; reads the account's passwords.

    Raises:
        ConfigurationError: a password cannot be read.
    """
    return core.Mailbox(
        address=mapping.mailbox,
        key=collation_key(mapping.mailbox),
        context=mapping.context,
        account=_account(mapping.account),
        sources=tuple(_source(source, mapping.nested) for source in mapping.sources),
        exclude=tuple(_source(source, mapping.nested) for source in mapping.exclude),
        existing=mapping.existing,
        extra=mapping.extra,
        limits=_limits(mapping.limits, limits),
    )


def endpoint(server: shapes.Mail | shapes.Transport) -> core.Endpoint:
    """Give the URL of a server as OX builds it: protocol, `s` if secure, ASCII host, always a port (ox-facts 2.6)."""
    return core.Endpoint(
        f"{server.protocol}{'s' if server.secure else ''}://{server.server}:{server.port}", server.starttls
    )


def _account(account: shapes.Account) -> core.Account:
    mail, transport = _endpoints(account)
    return core.Account(
        name=account.name,
        login=account.login,
        mail=mail,
        transport=transport,
        personal=account.personal,
        reply_to=account.reply_to,
        transport_login=(account.transport.login or "") if account.transport else "",
        password=account.password.read() if account.password else None,
        transport_password=(
            account.transport.password.read() if account.transport and account.transport.password else None
        ),
        folders=account.folders.model_dump(exclude_none=True),
    )


def _endpoints(account: shapes.Account) -> tuple[core.Endpoint | None, core.Endpoint | None]:
    if account.mail.source == "primary":
        return None, None
    if account.mail.source == "localhost":
        return LOCALHOST
    return endpoint(account.mail), endpoint(account.transport) if account.transport else None


def _source(source: shapes.Source, nested: int) -> core.Source:
    if source.group is not None:
        return core.Source(kind="group", value=source.group, nested=nested)
    return core.Source(kind="filter", value=source.filter or "", nested=nested, base=source.base, scope=source.scope)


def _limits(own: shapes.PartialLimits, common: Limits) -> core.Limits:
    return core.Limits(
        removals=_share(own.removals, common.removals),
        additions=common.additions if own.additions is None else own.additions,
        updates=_share(own.updates, common.updates),
    )


def _share(own: shapes.PartialShare, common: Share) -> core.Share:
    return core.Share(
        percent=common.percent if own.percent is None else own.percent,
        floor=common.floor if own.floor is None else own.floor,
    )
