"""Who should have a mailbox: sources united, exclusions subtracted, members identified.

Keeps rules 2 and 3: what was not read to the end stays marked as such, and a member who is there without being
identified is kept apart, since it protects the account that it may stand for. Leaves to `plan` what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from syncd.core import nested
from syncd.core.address import collation_key
from syncd.core.changes import Notice
from syncd.core.dn import InvalidDN, normalise
from syncd.core.exclusions import first_values, listed, nameless, names_of
from syncd.core.identity import identify, skipped
from syncd.core.listed import PINNED, pinned
from syncd.core.model import Claim, Mailbox, MailboxRef, Pin, Source, Users
from syncd.core.reads import Cause, Member, Proof, SourceRead


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Who should have one mailbox, and how certain that is."""

    mailbox: Mailbox
    accounts: Mapping[int, Member]
    """Who should have it: by user id, the member that says so."""
    members: Mapping[str, Member]
    """By stable id: all that the sources yielded, the excluded too."""
    users: Users
    unresolved: Mapping[str, Notice]
    """Stable id → why there is no user for it."""
    present: frozenset[str]
    """Normalised DNs of the unresolved members."""
    excluded: frozenset[str]
    """Stable ids and normalised DNs of excluded members."""
    disabled: frozenset[str]
    """Stable ids and normalised DNs of members read as disabled or expired, where that takes the mailbox away."""
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
    lost: tuple[tuple[Source, str], ...] = ()
    """Nested groups that members came through then, and that are listed without an entry now (see `nested`)."""
    blank: tuple[Source, ...] = ()
    """Excluding sources that have no member and were never read to the end before."""
    barred: Mapping[str, str] = field(default_factory=dict)
    """The names of those whom exclusions list without an entry; see `exclusions.listed`."""
    veiled: Mapping[str, str] = field(default_factory=dict)
    """The names of excluded entries of which it is not known whom they mean; see `exclusions.nameless`."""
    causes: tuple[Cause, ...] = ()
    """Why sources are not complete, for counting; one for each source and cause."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """By name of the source."""
    pins: Mapping[int, Pin] = field(default_factory=dict)
    """What persons said about users, whatever the sources say."""

    def login(self, user: int) -> str:
        """Give the login of a user who should have the mailbox, as its member names it."""
        return _login(self.accounts[user], user, self.users)

    def member_is_there(self, claim: Claim) -> str | None:
        """Say why the member behind a claim counts as present although it names no user now; None = it is not there."""
        if (notice := self.unresolved.get(claim.member)) is not None:
            return f"its member is still there: {notice.reason}"
        if not self.present and not self.dangling:
            return None
        key = _key(claim.dn)
        if key in self.dangling:
            return "its DN is still listed, but the entry was not found"
        if key in self.present:
            return "an entry with its member's DN is still there, without an unambiguous user"
        if self.listed & {name.casefold() for name in (claim.login, *first_values(claim.dn))}:
            return "a member of its name is still listed, but the entry was not found"  # moved to where we may not read
        return None

    def user_of(self, member: str) -> int | None:
        """Give the user of the member with a stable id, whoever gets the account; None = it names none, or is out."""
        found = self.members.get(member)
        if found is None or self.shuts_out(found):
            return None
        user = identify(found, self.users)
        return None if isinstance(user, str) else user

    def shuts_out(self, member: Member) -> bool:
        """Tell whether a member's entry, or one at its DN, is excluded; a user may be excluded by another entry too."""
        return bool(self.excluded) and _among(self.excluded, member.id, member.key)

    def doubtful(self, member: str) -> str | None:
        """Say why the user of a member may be another than it seems; None = it is known for certain.

        Rules are tried in order, so where an earlier one found no value in the entry, a later one may name somebody
        else: the attribute may be hidden for a moment.
        """
        found = self.members.get(member)
        if found is None or len(found.names) < 2:
            return None
        silent = skipped(found, self.users)
        return f"the rule {silent} found no value in its entry, or may not read it" if silent is not None else None

    def taken_out(self, claim: Claim) -> str | None:
        """Say that the member behind a claim was read as excluded or disabled, or is kept out; None = none of these."""
        if (pin := self.pins.get(claim.user)) is not None and not pin.keep:
            return f"kept out by hand of {pin.by}"
        names = self.excluded
        if names and (claim.user in self.excluded_users or _among(names, claim.member, _key(claim.dn))):
            return "excluded"
        if self.disabled and claim.member not in self.members and _among(self.disabled, claim.member, _key(claim.dn)):
            return "disabled in the directory"
        return None

    def maybe_barred(self, user: int, member: Member) -> str | None:
        """Say that an exclusion may mean a user, by the name; None = none does (table in `exclusions`)."""
        if not (self.barred or self.veiled):
            return None
        names = {name.casefold() for name in (self.login(user), *names_of(member))}
        veiled = {} if _is_entry(member) else self.veiled
        for known, why in ((self.barred, "whose entry was not found"), (veiled, "whose entry names no user")):
            if (written := next((known[name] for name in sorted(names & known.keys())), None)) is not None:
                return f"it may be who is excluded as {written}, {why}"
        return None

    def replaced(self, claim: Claim, member: Member) -> bool:
        """Tell whether a user's member is another entry than at the last run, which is not there any more.

        The same DN or login with a new stable id is a new person as far as the directory knows.
        """
        known = _has_stable_id(claim.member) and _has_stable_id(member.id)
        return known and claim.member != member.id and claim.member not in self.members


def desire(
    mailbox: Mailbox,
    reads: Mapping[Source, SourceRead],
    users: Users,
    counts: Mapping[tuple[MailboxRef, str], int],
    pins: Mapping[int, Pin] | None = None,
) -> Desired:
    """Decide who should have the mailbox.

    Args:
        mailbox: what is configured.
        reads: what each of its sources yielded.
        users: OX users of its context; every login of every member must have been asked for.
        counts: how many members each source had at its last complete read, by mailbox and name of the source; and
            of groups in it, by the name that `nested` gives them, whether there were any.
        pins: what persons said, by user; each must have been asked for by id. For a retired mailbox, which has no
            source, they do not count: nobody is to have it, and there is nothing left that says what it is like.
    """
    pins = (pins or {}) if mailbox.sources else {}
    included = [reads[source] for source in mailbox.sources]
    excluded = [reads[source] for source in mailbox.exclude]
    members = _united(included)
    out = frozenset(
        part for read in excluded for known in (read.members, read.disabled) for m in known.values() for part in m[:3:2]
    )  # stable id and normalised DN of each
    accounts: dict[int, Member] = {}
    unresolved: dict[str, Notice] = {}
    present: set[str] = set()
    doubles: list[str] = []
    for member in members.values():
        if out and _among(out, member.id, member.key):
            continue
        chosen = context_of(member, mailbox)
        user = identify(member, users) if chosen == mailbox.context else chosen
        if isinstance(user, str):
            unresolved[member.id] = Notice(None, _shown(member), member.dn, "", user)
            present.add(member.key)
            continue
        if chosen != mailbox.context:
            continue  # a member all the same, but of another context
        known = accounts.get(user)
        if known is not None and _is_entry(known) and _is_entry(member):
            doubles.append(f"{known.dn} and {member.dn} are both user {user} ({_login(known, user, users)})")
        if known is None or _nearer(member, known):
            accounts[user] = member
    excluded_users = _users_of(excluded, mailbox, users)
    for user in excluded_users & accounts.keys():
        del accounts[user]
    reasons = [_told(read, reason) for read in (*included, *excluded) for reason in read.reasons]
    reasons += [mailbox.doubt] if mailbox.doubt else []
    elsewhere = _maybe_here(excluded, mailbox, users, accounts)
    reasons += few(elsewhere, "entries")
    lost = _pin(accounts, pins, users)
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
        disabled=frozenset(
            part for read in included for member in read.disabled.values() for part in (member.id, member.key)
        ),
        excluded_users=excluded_users,
        dangling=dangling,
        listed=frozenset(name.casefold() for key in dangling for name in first_values(key)),
        includes_complete=users.exists and not mailbox.doubt and all(read.complete for read in included),
        excludes_complete=users.exists and not elsewhere and all(read.complete for read in excluded),
        reasons=tuple(reasons),
        notes=tuple(
            dict.fromkeys(
                (*_notes([*included, *excluded]), *_excluding_nobody(excluded), *few(doubles, "entries"), *lost)
            )
        ),
        causes=tuple(sorted(cause for read in (*included, *excluded) for cause in read.causes)),
        pins=pins,
        proofs={str(read.source): read.proof for read in (*included, *excluded)},
        emptied=tuple(
            read.source
            for read in (*included, *excluded)
            if read.complete and not count(mailbox, read) and counts.get((mailbox.ref, str(read.source)), 0)
        ),
        lost=tuple(
            (read.source, dn) for read in (*included, *excluded) for dn in nested.lost(mailbox.ref, read, counts)
        ),
        barred=listed(excluded),
        veiled=nameless(
            member for member in _excluded_here(excluded, mailbox) if isinstance(identify(member, users), str)
        ),
        blank=tuple(
            read.source
            for read in excluded
            if read.complete and not count(mailbox, read) and (mailbox.ref, str(read.source)) not in counts
        ),
    )


def _pin(accounts: dict[int, Member], pins: Mapping[int, Pin], users: Users) -> list[str]:
    """Give and take what pins say; tell of those whose user is gone. Where a source names the user too, it counts."""
    lost = []
    for user, pin in pins.items():
        if not pin.keep:
            accounts.pop(user, None)
        elif user not in accounts and user in users.ids:
            accounts[user] = pinned(pin)
        elif user not in accounts:
            lost.append(f"user {user}, pinned by {pin.by}, is not in Open-Xchange")
    return lost


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


def count(mailbox: Mailbox, read: SourceRead) -> int:
    """Count the members of a source, as the next run compares it; who is disabled is excluded, but not included."""
    return len(read.members) + (len(read.disabled) if read.source in mailbox.exclude else 0)


def context_of(member: Member, mailbox: Mailbox) -> int | str:
    """Give the context that a member belongs to, or the reason why it is not known."""
    choices = mailbox.choices
    if choices is None or member.id.startswith("ox:"):  # a group of Open-Xchange is one of this context
        return mailbox.context
    if not member.contexts:
        return "what names its context is missing in the directory entry, or may not be read"
    found = {choices.get(collation_key(name)) for name in member.contexts}
    context = found.pop() if len(found) == 1 else None
    if context is not None:
        return context
    named = " and ".join(map(repr, member.contexts))
    return f"it names several contexts: {named}" if found else f"there is no context {named}"


def _login(member: Member, user: int, users: Users) -> str:
    """Give the login by which a member names its user."""
    if len(member.names) == 1 and len(member.names[0]) == 1 and member.rules[0].by == "login":  # nearly always
        return member.names[0][0]
    named = (
        login
        for rule, logins in zip(member.rules, member.names, strict=True)
        if rule.by == "login"
        for login in logins
        if users.by_login.get(login) == user
    )
    return users.logins.get(user) or next(named, str(user))


def _shown(member: Member) -> str:
    """Give what a member would have been known by, for messages."""
    return " ".join(dict.fromkeys(value for values in member.names for value in values))


def _among(parts: frozenset[str], member: str, key: str) -> bool:
    """Tell whether a member is one of several, given by all their stable ids and normalised DNs.

    The entry that has its DN may be another person's, of another directory or of today, unless one of the two has no
    stable id.
    """
    return not parts.isdisjoint((member, f"dn:{key}" if _has_stable_id(member) else key))


def _is_entry(member: Member) -> bool:
    """Tell whether a member comes from a directory, and not from a list of logins or a group of Open-Xchange."""
    return not member.id.startswith(("ox:", "login:", PINNED))


def _has_stable_id(member: str) -> bool:
    return bool(member) and not member.startswith(("dn:", "ox:", "login:", PINNED))


def few(texts: Sequence[str], what: str, most: int = 3) -> Iterator[str]:
    """Give the texts themselves while they are few, else the first and how many more there are."""
    yield from texts[:most]
    if len(texts) > most:
        yield f"… and {len(texts) - most} more such {what}"


def _users_of(excluded: list[SourceRead], mailbox: Mailbox, users: Users) -> frozenset[int]:
    """Give the users whom an exclusion names, maybe by another entry than the one that included them.

    An entry that chooses another context excludes nobody here: the same login is another person's.
    """
    named = (identify(member, users) for member in _excluded_here(excluded, mailbox))
    return frozenset(user for user in named if isinstance(user, int))


def _excluded_here(excluded: list[SourceRead], mailbox: Mailbox) -> Iterator[Member]:
    for read in excluded:
        for member in (*read.members.values(), *read.disabled.values()):
            if read.source.chooser is None or context_of(member, mailbox) == mailbox.context:
                yield member


def _maybe_here(
    excluded: list[SourceRead], mailbox: Mailbox, users: Users, accounts: Mapping[int, Member]
) -> list[str]:
    """Tell of excluded entries that may exclude a user whom another one includes: their context is hidden."""
    return [
        f"{read.source}: {member.dn} may exclude user {user}: {unknown}"
        for read in excluded
        if read.source.chooser is not None
        for members in (read.members, read.disabled)
        for member in members.values()
        if isinstance(unknown := context_of(member, mailbox), str)
        if isinstance(user := identify(member, users), int) and user in accounts
    ]


def _notes(reads: list[SourceRead]) -> Iterator[str]:
    for read in reads:
        yield from (_told(read, note) for note in read.notes)


def _told(read: SourceRead, text: str) -> str:
    """Begin a text about a source with its name, unless it names it anyway."""
    return text if f"{read.source.kind} {read.source.value}" in text else f"{read.source}: {text}"


def _excluding_nobody(excluded: list[SourceRead]) -> Iterator[str]:
    for read in excluded:
        if read.dangling:
            names = ", ".join(sorted(read.dangling.values())[:3])
            yield f"{read.source}: {len(read.dangling)} listed without an entry exclude nobody for certain: {names}"


def _key(dn: str) -> str:
    try:
        return normalise(dn)
    except InvalidDN:
        return dn
