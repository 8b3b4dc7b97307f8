"""Turn the mappings of a valid configuration into the values that the core works with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from syncd.core import model as core
from syncd.core.address import collation_key
from syncd.core.template import Template, attribute
from syncd.settings import caution
from syncd.settings import mapping as shapes
from syncd.settings import sources as origins
from syncd.settings.fields import FieldPolicies
from syncd.settings.limits import Grace, Limits
from syncd.settings.selection import Chosen

_WAYS: tuple[core.By, ...] = get_args(core.By)
LOCALHOST = (core.Endpoint("imap://localhost:143", True), core.Endpoint("smtp://localhost:25", True))
"""What OX writes for `source: localhost` (the literals of its storage, ox-facts 2.6)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the rest of the file says for all mappings."""

    limits: Limits
    """What holds where a mapping has no limits of its own."""
    grace: Grace | None
    """How long removals wait where a mapping does not say, and is not sensitive; None = they do not."""
    fields: FieldPolicies
    """What is kept as configured where a mapping does not say."""
    staging: bool
    """Whether nothing is to be written at all."""
    directory: str
    """The one that is meant where none is named."""
    revive: bool
    """Whether the counters of failed logins are set back."""


def mailbox(mapping: shapes.Mapping, common: Common, where: str) -> core.Mailbox:
    """Give a mapping as a core value; reads the account's passwords.

    Args:
        mapping: it may leave the address, and the texts of the account, to be found out: these are empty then, as the
            context is 0.
        common: what the rest of the file says.
        where: `file:line` of the mapping.

    Raises:
        ConfigurationError: a password cannot be read.
    """
    address = mapping.mailbox or ""
    return core.Mailbox(
        address=address,
        key=collation_key(address),
        context=mapping.context if isinstance(mapping.context, int) else 0,
        account=replace(_account(mapping.account, policy(mapping, common.fields)), revive=common.revive),
        sources=tuple(sources(mapping, mapping.sources, common.directory, chooser(mapping))),
        exclude=tuple(sources(mapping, mapping.exclude, common.directory, chooser(mapping))),
        existing=mapping.existing,
        extra=mapping.extra,
        limits=caution.limits(mapping, common.limits),
        grace=caution.grace(mapping, common.grace),
        sensitive=mapping.sensitive,
        staging=common.staging or mapping.mode == "staging",
        where=where,
    )


def rules(users: origins.Users | None) -> tuple[core.Rule, ...]:
    """Give the rules of a `users` section; none where it says nothing, which leaves it to the directory."""
    if users is None:
        return ()
    if users.login is not None:
        return (_rule("login", users.login),)
    return tuple(
        _rule(by, templates)
        for rule in users.rules or ()
        for by in _WAYS
        if (templates := getattr(rule, by)) is not None
    )


def chooser(mapping: shapes.Mapping) -> Template | None:
    """Give what in a member's entry names its context; None where members do not choose."""
    context = mapping.context
    if not isinstance(context, Chosen) or context.by not in {"attribute", "domain"}:
        return None
    return attribute(context.value if context.by == "attribute" else f"{{{context.value}:domain}}")


def sources(
    mapping: shapes.Mapping, wanted: Iterable[origins.Source], directory: str, chosen: Template | None
) -> Iterator[core.Source]:
    """Give sources of a mapping as core values.

    Args:
        mapping: has what its sources have in common.
        wanted: its sources or its exclusions.
        directory: the one that is meant where none is named.
        chosen: what in a member's entry names its context.
    """
    for source in wanted:
        if source.users is not None:
            logins = tuple(dict.fromkeys(source.users))
            yield core.Source(kind="users", value=", ".join(logins), logins=logins)
        elif source.ox_group is not None:
            context = mapping.context if isinstance(mapping.context, int) else None
            yield core.Source(kind="ox_group", value=source.ox_group, context=context)
        else:
            kind, value = _searched(source)
            yield core.Source(
                kind=kind,
                value=value,
                directory=source.directory or mapping.directory or directory,
                rules=rules(mapping.users),
                chooser=chosen,
                nested=mapping.nested,
                base=source.base,
                scope=source.scope,
            )


def endpoint(server: shapes.Mail | shapes.Transport) -> core.Endpoint:
    """Give the URL of a server as OX builds it: protocol, `s` if secure, ASCII host, always a port (ox-facts 2.6)."""
    return core.Endpoint(
        f"{server.protocol}{'s' if server.secure else ''}://{server.server}:{server.port}", server.starttls
    )


def policy(mapping: shapes.Mapping, common: FieldPolicies) -> core.Policy:
    """Give what is kept as configured: what the mapping says, else the common policy."""
    own = mapping.fields.model_dump(exclude_none=True)
    return core.Policy(**{**common.model_dump(), **own})


def _account(account: shapes.Account, kept: core.Policy) -> core.Account:
    """Give the account without what is ignored, except what an account cannot be without: name, login, mail server."""
    mail, transport = _endpoints(account)
    whole = core.Account(
        name=account.name or "",
        login=account.login or "",
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
        policy=kept,
    )
    ignored: dict[str, Any] = {}
    if kept.personal == "ignore":
        ignored["personal"] = None
    if kept.reply_to == "ignore":
        ignored["reply_to"] = None
    if kept.folders == "ignore":
        ignored["folders"] = {}
    if kept.password == "ignore":  # noqa: S105 - a policy, no password
        ignored |= {"password": None, "transport_password": None}
    if kept.transport == "ignore" and account.transport is not None:
        ignored |= {"transport": None, "transport_login": "", "transport_password": None}
    return replace(whole, **ignored)


def _endpoints(account: shapes.Account) -> tuple[core.Endpoint | None, core.Endpoint | None]:
    if account.mail.source == "primary":
        return None, None
    if account.mail.source == "localhost":
        return LOCALHOST
    return endpoint(account.mail), endpoint(account.transport) if account.transport else None


def _rule(by: core.By, templates: Iterable[str]) -> core.Rule:
    return core.Rule(by, tuple(attribute(template) for template in templates))


def _searched(source: origins.Source) -> tuple[Literal["group", "filter", "attribute"], str]:
    if source.group is not None:
        return "group", source.group
    if source.attribute is not None:
        return "attribute", source.attribute
    return "filter", source.filter or ""
