"""Check texts that select: attributes and templates, contexts, regular expressions, members of other kinds.

Functions are as in `texts`: they give the value to work with, or raise ValueError with a sentence. What a template is
and which filters there are is `syncd.core.template`.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from syncd.core.patterns import Sieve
from syncd.core.template import attribute, parse
from syncd.settings.texts import MAX_ID, quoted, text, whole

_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*|[0-9]+(\.[0-9]+)+").fullmatch
_WAYS = ("name", "mapping", "attribute", "domain")


class Chosen(NamedTuple):
    """How the context of a mapping is found out."""

    by: Literal["name", "mapping", "attribute", "domain"]
    """name or login mapping of one context; an attribute of the member, or the mail domain in one."""
    value: str
    """The name or login mapping; the attribute (or template)."""


def context(value: object) -> int | str | Chosen:
    """Accept the number of a context, `all`, or a mapping with one of `Chosen.by`."""
    if value == "all":
        return "all"
    if not isinstance(value, dict):
        try:
            return whole(1, MAX_ID)(value)
        except ValueError as error:
            others = ", ".join(f"{{{way}: ...}}" for way in _WAYS)
            raise ValueError(f"{error}; or all, or one of {others}") from None
    way, text_of_it = next(iter(value.items())) if len(value) == 1 else ("", None)
    if way not in _WAYS:
        raise ValueError(f"must have exactly one of {', '.join(_WAYS)}")
    try:
        given = text(text_of_it)
        if way == "attribute":
            attribute(given)
        elif way == "domain" and not _ATTRIBUTE(given):
            raise ValueError("must be the name of an LDAP attribute, such as mail")  # noqa: TRY301 - named below
    except ValueError as error:
        raise ValueError(f"{way} {error}" if str(error).startswith("must") else str(error)) from None
    return Chosen(way, given)  # type: ignore[arg-type] # it is one of _WAYS


def templates(value: object) -> tuple[str, ...]:
    """Accept one LDAP attribute name or template, or a list of them; they are kept as written."""
    found = value if isinstance(value, list) else [value]
    for name in found:
        if isinstance(name, str) and ("{" in name or "}" in name):
            if not attribute(text(name)).attributes:
                raise ValueError(f"{quoted(name)} has no attribute in braces; it would be the same for everybody")
        elif not isinstance(name, str) or not _ATTRIBUTE(name):
            found = []
            break
    if not found:
        raise ValueError("must be the name of an LDAP attribute, such as uid, or a template such as {uid}, or a list")
    return tuple(found)


def template(value: object) -> str:
    """Accept a text with placeholders, `{displayName|cn}`; it is kept as written."""
    parse(text(value))
    return str(value)


def placeholder(value: object) -> str:
    """Accept a text with at least one placeholder: what is the same for all that a search finds is none."""
    if not parse(text(value)).attributes:
        raise ValueError(f"must have a placeholder in braces such as {{mail}}, not {quoted(value)}")
    return str(value)


def match(value: object) -> tuple[str, re.Pattern[str]] | None:
    """Accept `{ATTRIBUTE: REGULAR EXPRESSION}`; letter case does not matter in either."""
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("must be one attribute with a regular expression: {cn: ^shared-(?P<team>.+)$}")
    [(name, expression)] = value.items()
    if not isinstance(name, str) or not _ATTRIBUTE(name):
        raise ValueError(f"{quoted(name)} is not the name of an LDAP attribute")
    try:
        return name.lower(), re.compile(text(expression), re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{quoted(expression)} is no regular expression: {error}") from None


def sieve(value: object) -> str:
    """Accept a glob (`support-*`) or a regular expression between slashes (`/^s[a-z]+$/`)."""
    accepted = text(value)
    try:
        Sieve("mailbox", accepted).expression()
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{quoted(accepted)} is no regular expression: {error}") from None
    return accepted


def membership(value: object) -> str:
    """Accept `ATTRIBUTE=VALUE`, such as `memberOf=cn=support,ou=groups,dc=example,dc=org`."""
    accepted = text(value)
    name, equals, rest = accepted.partition("=")
    if not equals or not _ATTRIBUTE(name) or not rest.strip():
        raise ValueError(f"must be ATTRIBUTE=VALUE, such as memberOf=cn=support,dc=example,dc=org, not {quoted(value)}")
    return accepted


def ox_group(value: object) -> str:
    """Accept the id of a group of Open-Xchange (a number from 0) or its name."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID:
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"must be the id of a group (a whole number from 0) or its name, not {quoted(value)}")  # noqa: TRY004
    return text(value)
