"""Whether one person should have a mailbox, and why: what `desire` found of all, found again for one.

Nothing is decided here. The first row that fits:

| found                                                                        | standing     |
|------------------------------------------------------------------------------|--------------|
| the mailbox left the configuration                                           | orphaned     |
| Open-Xchange could not be asked about its context                            | unread       |
| a person said that the user has it, and no source says it                    | pinned       |
| a source names the user, and nothing stands against it                       | member       |
| a person said that the user has it not                                       | kept out     |
| a source names the entry, or the account is ours; a source excludes it       | excluded     |
| the entry that the account came from is out of service                       | disabled     |
| a source names the entry, which names several users                          | ambiguous    |
| a source names the entry, which names no user                                | unresolved   |
| a source lists the DN, or the name, without an entry                         | dangling     |
| a source names the entry, which chose another context                        | elsewhere    |
| a source names the entry, which is out of service                            | disabled     |
| none of these, and a source that includes was not read to its end            | unknown      |
| the entry is there and names somebody else                                   | not a member |
| nothing                                                                      | not a member |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from syncd.core.changes import Judgement
from syncd.core.desire import Desired, context_of
from syncd.core.identity import named_by
from syncd.core.listed import PINNED
from syncd.core.model import Claim, Mailbox, Observed, Pin, Rule, Source, Users
from syncd.core.reads import Member, SourceRead
from syncd.core.roll import Mention


class Standing(StrEnum):
    """Whether somebody should have a mailbox."""

    MEMBER = "member"
    PINNED = "pinned"
    KEPT_OUT = "kept out"
    EXCLUDED = "excluded"
    DISABLED = "disabled"
    UNRESOLVED = "unresolved"
    AMBIGUOUS = "ambiguous"
    ELSEWHERE = "elsewhere"
    DANGLING = "dangling"
    UNKNOWN = "unknown"
    STRANGER = "not a member"
    UNREAD = "unread"
    ORPHANED = "orphaned"


WANTED = frozenset((Standing.MEMBER, Standing.PINNED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that was found out and decided about one mailbox."""

    mailbox: Mailbox
    reads: Mapping[Source, SourceRead] = field(default_factory=dict)
    desired: Desired | None = None
    """None = Open-Xchange could not be read."""
    judgement: Judgement | None = None
    """None = the mailbox left the configuration."""
    stored: Mapping[int, Sequence[Observed]] = field(default_factory=dict)
    """By user: the accounts at its address."""
    claims: Mapping[int, Claim] = field(default_factory=dict)
    claimed: Mapping[int, datetime] = field(default_factory=dict)
    """Since when, by user."""
    pins: Mapping[int, Pin] = field(default_factory=dict)
    since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """(kind, what) of the ledger's sightings → since when it stands open."""
    lines: Mapping[tuple[Source, bool], str] = field(default_factory=dict)
    """`file:line` of each source, by whether it excludes."""
    found: str = ""
    """Of a mailbox by pattern: the DN of the entry that a search found."""
    left: datetime | None = None
    """When a mailbox without a judgement left the configuration, as far as known."""

    @property
    def gone(self) -> bool:
        """Whether the mailbox left the configuration."""
        return self.judgement is None

    @property
    def users(self) -> Users | None:
        """OX users of its context, as far as sources name them."""
        return None if self.desired is None else self.desired.users


class Verdict(NamedTuple):
    """Whether somebody should have a mailbox, in one word and in several."""

    standing: Standing
    reason: str
    entry: Member | None = None
    """The entry that counts."""


class Attempt(NamedTuple):
    """One identity rule that was tried on an entry."""

    rule: Rule
    values: tuple[str, ...]
    """What the entry gives."""
    users: tuple[int, ...]
    """Whom they name."""


class _Person(NamedTuple):
    case: Case
    desired: Desired
    user: int | None
    claim: Claim | None
    mentions: tuple[Mention, ...]
    included: tuple[Mention, ...]
    entry: Member | None
    """The first entry of a source that includes."""

    @property
    def pin(self) -> Pin | None:
        return None if self.user is None else self.case.pins.get(self.user)


def standing_of(case: Case, user: int | None, claim: Claim | None, mentions: tuple[Mention, ...]) -> Verdict:
    """Find the first row of the module's table that fits.

    Args:
        case: what was found out about the mailbox.
        user: who the person is in Open-Xchange; None = not known.
        claim: the user's.
        mentions: what the sources say of the person.
    """
    included = tuple(one for one in mentions if not one.excludes)
    entry = next((one.member for one in included if one.member is not None), None)
    if case.judgement is None:
        left = f" on {case.left:%F %H:%M} UTC" if case.left else ""
        text = f"the mailbox left the configuration{left}; its accounts are left to a person (retire, release)"
        return Verdict(Standing.ORPHANED, text, entry)
    if case.desired is None:
        return Verdict(Standing.UNREAD, "; ".join(case.judgement.plan.reasons), entry)
    person = _Person(case, case.desired, user, claim, mentions, included, entry)
    return next(found for row in _ROWS if (found := row(person)) is not None)


def attempts(member: Member, users: Users | None) -> Iterator[Attempt]:
    """Give the rules that were tried on an entry, up to the one that names somebody; none where users are not known."""
    if users is None:
        return
    for rule, values in zip(member.rules, member.names, strict=True):
        named = tuple(dict.fromkeys(user for value in values for user in named_by(rule.by, value, users)))
        yield Attempt(rule, values, named)
        if named:
            return


def pinned_text(pin: Pin | None) -> str:
    """Say what a person said."""
    if pin is None:
        return "given by hand"
    until = f" until {pin.until:%F %H:%M} UTC" if pin.until else ""
    return f"{'given' if pin.keep else 'kept out'} by hand of {pin.by}{until}"


# --------------------------------------------------------------------------- the rows


def _wanted(one: _Person) -> Verdict | None:
    member = None if one.user is None else one.desired.accounts.get(one.user)
    if member is None:
        return None
    if member.id.startswith(PINNED):
        return Verdict(Standing.PINNED, pinned_text(one.pin), one.entry)
    return Verdict(Standing.MEMBER, f"a member of {_way(member, one.included)}", member)


def _kept_out(one: _Person) -> Verdict | None:
    if one.pin is None or one.pin.keep:
        return None
    return Verdict(Standing.KEPT_OUT, pinned_text(one.pin), one.entry)


def _excluded(one: _Person) -> Verdict | None:
    if not one.included and one.claim is None:
        return None
    entries = [mention.member for mention in one.included if mention.member is not None]
    out = one.user in one.desired.excluded_users or any(one.desired.shuts_out(member) for member in entries)
    if not out and not (one.claim is not None and one.desired.taken_out(one.claim) == "excluded"):
        return None
    by = dict.fromkeys(f"{mention.source} has {mention.written}" for mention in one.mentions if mention.excludes)
    return Verdict(Standing.EXCLUDED, f"excluded: {' and '.join(by) or 'an entry of the same name is'}", one.entry)


def _without_user(one: _Person) -> Verdict | None:
    for member in (mention.member for mention in one.included if mention.kind == "member"):
        notice = None if member is None else one.desired.unresolved.get(member.id)
        if member is not None and notice is not None:
            several = any(len(attempt.users) > 1 for attempt in attempts(member, one.desired.users))
            text = notice.reason + _since(one.case, "unresolved", notice.member)
            if several:
                return Verdict(Standing.AMBIGUOUS, f"a member, but {text}", member)
            return Verdict(Standing.UNRESOLVED, f"a member without a user: {text}", member)
    return None


def _elsewhere(one: _Person) -> Verdict | None:
    mailbox = one.case.mailbox
    for member in (mention.member for mention in one.included if mention.kind == "member"):
        if member is not None and context_of(member, mailbox) != mailbox.context:
            chosen = " and ".join(map(repr, member.contexts))
            return Verdict(Standing.ELSEWHERE, f"a member, but the entry chose another context: {chosen}", member)
    return None


def _owner_disabled(one: _Person) -> Verdict | None:
    out = None if one.claim is None else one.desired.taken_out(one.claim)
    return None if out is None else _disabled(one) or Verdict(Standing.DISABLED, out)


def _disabled(one: _Person) -> Verdict | None:
    found = next((mention for mention in one.included if mention.kind == "disabled"), None)
    if found is None:
        return None
    text = f"{found.source} has {found.written}, which is disabled or expired in the directory"
    return Verdict(Standing.DISABLED, text, found.member)


def _dangling(one: _Person) -> Verdict | None:
    found = next((mention for mention in one.included if mention.kind == "dangling"), None)
    if found is not None:
        text = f"{found.source} lists {found.written}, but the entry was not found"
        return Verdict(Standing.DANGLING, text + _since(one.case, "dangling", found.written))
    there = None if one.claim is None else one.desired.member_is_there(one.claim)
    return None if there is None else Verdict(Standing.DANGLING, there)


def _not_read(one: _Person) -> Verdict | None:
    if one.desired.includes_complete:
        return None
    sources = one.case.mailbox.sources
    partial = [str(source) for source in sources if source in one.case.reads and not one.case.reads[source].complete]
    named = " and ".join(partial) or one.case.mailbox.doubt or "/".join(one.desired.reasons)
    return Verdict(Standing.UNKNOWN, f"not known: in no source as far as they were read; not read completely: {named}")


def _somebody_else(one: _Person) -> Verdict | None:
    moved = next((mention for mention in one.included if mention.user not in {None, one.user}), None)
    if moved is None:
        return None
    return Verdict(Standing.STRANGER, f"not a member: {moved.written} is user {moved.user}", moved.member)


def _stranger(one: _Person) -> Verdict | None:
    sources = ", ".join(map(str, one.case.mailbox.sources)) or "the mailbox has none"
    return Verdict(Standing.STRANGER, f"not a member: in no source: {sources}")


_ROWS: tuple[Callable[[_Person], Verdict | None], ...] = (
    _wanted,
    _kept_out,
    _excluded,
    _owner_disabled,
    _without_user,
    _dangling,
    _elsewhere,
    _disabled,
    _not_read,
    _somebody_else,
    _stranger,
)


def _way(member: Member, included: tuple[Mention, ...]) -> str:
    """Name the source of a member, and the nested group if it is by one."""
    by = next((one for one in included if one.member == member), None)
    source = str(by.source) if by is not None else member.path[0] if member.path else "a source"
    nested = f" through {member.path[-1]}" if len(member.path) > 1 else ""
    return f"{source}{nested}" + (", the primary group" if by is not None and by.primary else "")


def _since(case: Case, kind: str, what: str) -> str:
    at = case.since.get((kind, what))
    return f" (since {at:%F %H:%M} UTC)" if at else ""
