"""Turn the mappings that leave something to be found out into patterns: mailboxes by `discover`, contexts by name.

What a pattern finds is `syncd.core.patterns`. In the account of a mapping with `discover` every text is a template; in
all other mappings a brace is a brace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from syncd.core import patterns as core
from syncd.core.model import Source
from syncd.core.reads import Search
from syncd.core.template import Template, parse
from syncd.settings import mailboxes
from syncd.settings import mapping as shapes
from syncd.settings import sources as origins
from syncd.settings.mailboxes import Common


def dynamic(mapping: shapes.Mapping) -> bool:
    """Tell whether a mapping leaves its mailboxes or its contexts to be found out by each run."""
    return mapping.discover is not None or not isinstance(mapping.context, int)


def pattern(mapping: shapes.Mapping, common: Common, where: str) -> core.Pattern:
    """Give a mapping that is `dynamic` as a core value; arguments and errors as of `mailboxes.mailbox`."""
    prototype = mailboxes.mailbox(mapping, common, where)
    placing = _placing(mapping)
    discover = mapping.discover
    if discover is None:
        return core.Pattern(where=where, mailbox=prototype, placing=placing)
    account = replace(prototype.account, name="", login="", personal=None, reply_to=None, transport_login="")
    address = parse(discover.mailbox)
    kept = prototype.account.policy
    left = {name for name in ("personal", "reply_to") if getattr(kept, name) == "ignore"}
    left |= {"transport_login"} if kept.transport == "ignore" else set()
    texts = {name: parse(text) for name, text in _texts(mapping.account, discover.account) if name not in left}
    named = common.directory if mapping.directory is None else mapping.directory
    return core.Pattern(
        where=where,
        mailbox=replace(prototype, account=account),
        placing=placing,
        search=Search(
            directory=named,
            filter=discover.filter,
            base=discover.base,
            scope=discover.scope,
            attributes=_attributes(discover, address, texts),
        ),
        address=address,
        texts=texts,
        expression=discover.match,
        include=tuple(map(_sieve, discover.include)),
        exclude=tuple(map(_sieve, discover.exclude)),
        group=Source(
            kind="group",
            value="",
            directory=named,
            rules=mailboxes.rules(mapping.users),
            chooser=mailboxes.chooser(mapping),
            nested=mapping.nested,
        ),
    )


def _placing(mapping: shapes.Mapping) -> core.Placing | None:
    context = mapping.context
    if isinstance(context, int):
        return None
    if isinstance(context, str):
        return core.Placing(by="all")
    if context.by in {"name", "mapping"}:
        return core.Placing(by="name", name=context.value)
    return core.Placing(by="members")


def _texts(account: shapes.Account, found: origins.FoundAccount) -> Iterator[tuple[str, str]]:
    """Give the texts of the account as the core names them; those of `discover` go first."""
    for name in ("name", "login", "personal", "reply_to"):
        text = getattr(found, name) or getattr(account, name)
        if text is not None:
            yield name, text
    login = found.transport.login or (account.transport.login if account.transport else None)
    if login is not None:
        yield "transport_login", login


def _attributes(discover: origins.Discover, address: Template, texts: Mapping[str, Template]) -> tuple[str, ...]:
    """Give the attributes that the search has to ask for; those of the named groups come from the expression."""
    needed = {"cn", *address.attributes}.union(*(template.attributes for template in texts.values()))
    if discover.match is not None:
        name, expression = discover.match
        needed = (needed - {group.lower() for group in expression.groupindex}) | {"cn", name}
    return tuple(sorted(needed))


def _sieve(sieve: origins.Sieve) -> core.Sieve:
    return core.Sieve("mailbox", sieve.mailbox) if sieve.mailbox is not None else core.Sieve("group", sieve.group or "")
