"""Which OX user a member is: exactly one, or a reason why not.

The rules of a member are tried in order (`core.model.Rule`):

| values that the rule gives | OX users they name    | outcome                                                       |
|----------------------------|-----------------------|---------------------------------------------------------------|
| any                        | one                   | that user                                                     |
| several                    | two or more           | unresolved: ambiguous; no later rule is tried                 |
| one, an address            | two or more           | the same: unresolved, ambiguous                               |
| any                        | none, or guests       | the next rule; after the last one:                            |
| none by any rule           | -                     | unresolved: the attributes are missing or hidden              |
| some                       | none, a guest         | unresolved: a guest                                           |
| some                       | none, other case      | unresolved, with the login that exists                        |
| some                       | none                  | unresolved: no such user                                      |

The stable id of a member never takes part: it protects an account from removal, it does not choose the user.
"""

from __future__ import annotations

from syncd.core.model import By, Rule, Users
from syncd.core.reads import Member

MAX_ID = 2**31 - 1
"""The largest user id: Open-Xchange keeps ids as Java's `int`."""
_WORDS: dict[By, str] = {
    "login": "user",
    "mail": "user with the address",
    "alias": "user with the alias",
    "imap_login": "user with the IMAP login",
    "id": "user number",
}


def identify(member: Member, users: Users) -> int | str:
    """Give the id of the member's OX user, or the reason why there is none."""
    names = member.names
    if len(names) == 1 and len(names[0]) == 1 and member.rules[0].by == "login":  # nearly always
        user = users.by_login.get(names[0][0])
        return user if user is not None else _absent(member, users)
    found = matched(member, users)
    return found[0] if isinstance(found, tuple) else found


def matched(member: Member, users: Users) -> tuple[int, Rule, str] | str:
    """Give the user with the rule and the value that named it, or the reason why there is none."""
    for rule, values in zip(member.rules, member.names, strict=True):
        named = {value: named_by(rule.by, value, users) for value in values}
        found = dict.fromkeys(user for several in named.values() for user in several)
        if len(found) == 1:
            user = next(iter(found))
            return user, rule, next(value for value, several in named.items() if user in several)
        if found:
            pairs = (f"{value} (user {user})" for value, several in named.items() for user in several)
            what = "logins name" if rule.by == "login" else f"values by {rule.by} name"
            return f"ambiguous: its {what} several users of Open-Xchange: {' and '.join(pairs)}"
    return _absent(member, users)


def skipped(member: Member, users: Users) -> Rule | None:
    """Give a rule that found no value in the entry although it is tried before the one that names the user."""
    found = matched(member, users)
    if isinstance(found, str):
        return None
    before = member.rules[: member.rules.index(found[1])]
    return next((rule for rule, values in zip(before, member.names, strict=False) if not values), None)


def named_by(by: By, value: str, users: Users) -> tuple[int, ...]:
    """Give the users, guests left out, that a value names."""
    if by == "login":
        user = users.by_login.get(value)
        return () if user is None else (user,)
    if by == "id":
        number = user_number(value)
        if number is None:
            return ()
        value = str(number)
    return users.found.get(by, {}).get(value, ())


def user_number(value: str) -> int | None:
    """Read a user id as a directory has it, leading zeros allowed; None = it can be no id (the column is INT4).

    A value may be of any length: nothing that a database, or Python, would refuse to read as a number gets through.
    """
    if not (value.isascii() and value.isdecimal()):
        return None
    digits = value.lstrip("0")
    number = int(digits) if 0 < len(digits) <= len(str(MAX_ID)) else 0
    return number if 0 < number <= MAX_ID else None


def _absent(member: Member, users: Users) -> str:
    asked = [(rule.by, value) for rule, values in zip(member.rules, member.names, strict=True) for value in values]
    if not asked:
        if len(member.rules) == 1 and member.rules[0].by == "login":
            return "the login attribute is missing in the directory entry, or may not be read"
        wanted = ", ".join(sorted({name for rule in member.rules for one in rule.templates for name in one.attributes}))
        return f"its entry has none of {wanted}, or they may not be read"
    guests = [value for _, value in asked if value in users.guests]
    if guests:
        named = " or ".join(dict.fromkeys(repr(value) for _, value in asked))
        return f"{named} is a guest in context {users.context}"
    where = f"context {users.context}"
    for by, value in asked:
        if by == "login" and (others := users.other_case.get(value)):
            existing = " and ".join(repr(other) for other in others)
            return f"no user {value!r} in {where}; {existing} differs in letter case, which Open-Xchange tells apart"
    kinds: dict[str, dict[str, None]] = {}
    for by, value in asked:
        kinds.setdefault(_WORDS[by], {})[repr(value)] = None
    nobody = ", no ".join(f"{kind} {' or '.join(values)}" for kind, values in kinds.items())
    return f"no {nobody} in {where}"
