"""Which OX user a member is: exactly one, or a reason why not.

| logins of the member          | OX users they name | outcome                                                       |
|-------------------------------|--------------------|---------------------------------------------------------------|
| none                          | -                  | unresolved: the identity attribute is missing or hidden       |
| one or more                   | one                | that user                                                     |
| several                       | two or more        | unresolved: ambiguous                                         |
| one or more                   | none, a guest      | unresolved: a guest                                           |
| one or more                   | none, other case   | unresolved, with the login that exists                        |
| one or more                   | none               | unresolved: no such user                                      |

The stable id of a member never takes part: it protects an account from removal, it does not choose the user.
"""

from __future__ import annotations

from syncd.core.model import Member, Users


def identify(member: Member, users: Users) -> int | str:
    """Give the id of the member's OX user, or the reason why there is none."""
    by_login = users.by_login
    logins = member.logins
    if len(logins) == 1:  # nearly always
        user = by_login.get(logins[0])
        return user if user is not None else _absent(logins, users)
    found = {by_login[login] for login in logins if login in by_login}
    if len(found) == 1:
        return found.pop()
    if found:
        names = " and ".join(f"{login} (user {by_login[login]})" for login in logins if login in by_login)
        return f"ambiguous: its logins name several users of Open-Xchange: {names}"
    return _absent(logins, users)


def _absent(logins: tuple[str, ...], users: Users) -> str:
    if not logins:
        return "the login attribute is missing in the directory entry, or may not be read"
    named = " or ".join(repr(login) for login in logins)
    if any(login in users.guests for login in logins):
        return f"{named} is a guest in context {users.context}"
    for login in logins:
        if others := users.other_case.get(login):
            existing = " and ".join(repr(other) for other in others)
            where = f"context {users.context}"
            return f"no user {login!r} in {where}; {existing} differs in letter case, which Open-Xchange tells apart"
    return f"no user {named} in context {users.context}"
