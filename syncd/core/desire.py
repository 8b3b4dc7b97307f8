"""Who should have a mailbox: sources united, exclusions subtracted, members identified.

Keeps rules 2 and 3: what was not read to the end stays marked as such, and a member who is there without being
identified is kept apart, since it protects the account that it may stand for. Leaves to `plan` what follows from it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from syncd.core.changes import Notice
from syncd.core.dn import InvalidDN, normalise, parse
from syncd.core.identity import identify
from syncd.core.model import Claim, Mailbox, MailboxRef, Member, Source, SourceRead, Users


class Want(NamedTuple):
    """A user who should have the mailbox, and the member that says so."""

    login: str
    member: Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Who should have one mailbox, and how certain that is."""

    mailbox: Mailbox
    accounts: Mapping[int, Want]
    """By user id."""
    members: Mapping[str, Member]
    """By stable id: all that the sources yielded, the excluded too."""
    users: Users
    unresolved: Mapping[str, Notice]
    """Stable id → why there is no user for it."""
    present: frozenset[str]
    """Normalised DNs of the unresolved members."""
    excluded: frozenset[str]
    """Stable ids and normalised DNs of excluded members."""
    excluded_users: frozenset[int]
    """Users that an exclusion names."""
    dangling: Mapping[str, str]
    """Member values without an entry: normalised DN (or `memberuid=VALUE`) → as written."""
    listed: frozenset[str]
    """The logins, in folded case, that members without an entry may have: `memberUid` or first RDN."""
    includes_complete: bool
    excludes_complete: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    """What is worth telling of the reads and makes nothing incomplete."""
    emptied: tuple[Source, ...]
    """Sources (of either kind) that had members at the last complete read and now have none."""

    def member_is_there(self, claim: Claim) -> str | None:
        """Say why the member behind a claim counts as present although it names no user now; None = it is not there."""
        if (notice := self.unresolved.get(claim.member)) is not None:
            return f"its member is still there: {notice.reason}"
        if not self.present and not self.dangling:
            return None
        if _key(claim.dn) in self.present:
            return "an entry with its member's DN is still there, without an unambiguous user"
        if self.listed & {name.casefold() for name in (claim.login, *_first_values(claim.dn))}:
            return "a member of its name is still listed, but the entry was not found"  # moved to where we may not read
        return None

    def user_of(self, member: str) -> int | None:
        """Give the user of the member with a stable id, whoever gets the account; None = it names none, or is out."""
        found = self.members.get(member)
        if found is None or found.id in self.excluded or found.key in self.excluded:
            return None
        user = identify(found, self.users)
        return None if isinstance(user, str) else user

    def is_excluded(self, claim: Claim) -> bool:
        """Tell whether the member behind a claim was read as excluded."""
        if not self.excluded:
            return False
        names = self.excluded
        return claim.user in self.excluded_users or claim.member in names or _key(claim.dn) in names


def desire(
    mailbox: Mailbox,
    reads: Mapping[Source, SourceRead],
    users: Users,
    counts: Mapping[tuple[MailboxRef, str], int],
) -> Desired:
    """Decide who should have the mailbox.

    Args:
        mailbox: what is configured.
        reads: what each of its sources yielded.
        users: OX users of its context; every login of every member must have been asked for.
        counts: how many members each source had at its last complete read, by mailbox and name of the source.
    """
    included = [reads[source] for source in mailbox.sources]
    excluded = [reads[source] for source in mailbox.exclude]
    members = _united(included)
    out = frozenset(part for read in excluded for member in read.members.values() for part in (member.id, member.key))
    accounts: dict[int, Want] = {}
    unresolved: dict[str, Notice] = {}
    present: set[str] = set()
    for member in members.values():
        if out and (member.id in out or member.key in out):
            continue
        user = identify(member, users)
        if isinstance(user, str):
            unresolved[member.id] = Notice(None, " ".join(member.logins), member.dn, "", user)
            present.add(member.key)
            continue
        if user not in accounts or _nearer(member, accounts[user].member):
            accounts[user] = Want(_login(member, user, users), member)
    excluded_users = _users_of(excluded, users)
    for user in excluded_users & accounts.keys():
        del accounts[user]
    reasons = [f"{read.source}: {reason}" for read in (*included, *excluded) for reason in read.reasons]
    if not users.exists:
        reasons.append(f"context {mailbox.context} has no users in this database")
    dangling = {key: written for read in included for key, written in read.dangling.items()}
    return Desired(
        mailbox=mailbox,
        accounts=accounts,
        members=members,
        users=users,
        unresolved=unresolved,
        present=frozenset(present),
        excluded=out,
        excluded_users=excluded_users,
        dangling=dangling,
        listed=frozenset(name.casefold() for key in dangling for name in _first_values(key)),
        includes_complete=users.exists and all(read.complete for read in included),
        excludes_complete=users.exists and all(read.complete for read in excluded),
        reasons=tuple(reasons),
        notes=tuple(dict.fromkeys((*_notes([*included, *excluded]), *_excluding_nobody(excluded)))),
        emptied=tuple(
            read.source
            for read in (*included, *excluded)
            if read.complete and not read.members and counts.get((mailbox.ref, str(read.source)), 0)
        ),
    )


def _united(reads: list[SourceRead]) -> Mapping[str, Member]:
    """Unite the members of several sources; of one found twice the shorter path is kept, then the first."""
    if len(reads) == 1:
        return reads[0].members
    members: dict[str, Member] = {}
    for read in reads:
        for key, member in read.members.items():
            known = members.get(key)
            if known is None or len(member.path) < len(known.path):
                members[key] = member
    return members


def _nearer(member: Member, known: Member) -> bool:
    """Tell which of two members of one user counts: the shorter path, then the id, whatever was read first."""
    return (len(member.path), member.id) < (len(known.path), known.id)


def _login(member: Member, user: int, users: Users) -> str:
    """Give the login by which a member names its user."""
    if len(member.logins) == 1:  # nearly always
        return member.logins[0]
    return next(login for login in member.logins if users.by_login.get(login) == user)


def _users_of(excluded: list[SourceRead], users: Users) -> frozenset[int]:
    """Give the users whom an exclusion names, maybe by another entry than the one that included them."""
    named = (identify(member, users) for read in excluded for member in read.members.values())
    return frozenset(user for user in named if isinstance(user, int))


def _notes(reads: list[SourceRead]) -> Iterator[str]:
    for read in reads:
        yield from (f"{read.source}: {note}" for note in read.notes)


def _excluding_nobody(excluded: list[SourceRead]) -> Iterator[str]:
    for read in excluded:
        if read.dangling:
            names = ", ".join(sorted(read.dangling.values())[:3])
            yield f"{read.source}: {len(read.dangling)} listed without an entry exclude nobody: {names}"


def _key(dn: str) -> str:
    try:
        return normalise(dn)
    except InvalidDN:
        return dn


def _first_values(dn: str) -> set[str]:
    """Give the values of the first RDN; those of `memberuid=VALUE` too."""
    with contextlib.suppress(InvalidDN):
        return {value for rdn in parse(dn)[:1] for _, value in rdn}
    return {dn.removeprefix("memberuid=")}
