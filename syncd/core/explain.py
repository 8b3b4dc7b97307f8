"""Why one person has a mailbox or not, from what a plan was made of: values in, the links of a chain out.

Nothing is decided here. Who should have the mailbox was decided by `desire`, what is done about it by `plan` and the
guard; this finds what they found, for one person. Who the person may be in Open-Xchange is the caller's to ask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import NamedTuple

from syncd.core.changes import DIRECTION, Direction, Judgement, Notice, Objection, Op
from syncd.core.model import Claim, Observed, Pin, Source
from syncd.core.reads import Member, SourceRead
from syncd.core.roll import Mention, Roll, key_of
from syncd.core.standing import Attempt, Case, Standing, attempts, standing_of


class Fate(StrEnum):
    """What becomes of something that is to be done."""

    PLANNED = "planned"
    HELD = "held"
    WITHHELD = "withheld"
    WAITING = "waiting"
    CONFLICT = "conflict"
    IDLE = "idle"


class Act(NamedTuple):
    """Something that the next run does to the person's account, or does not do."""

    op: str
    """create, update, delete, adopt, or forget: the claim ends."""
    fate: Fate
    reason: str
    account: int | None = None
    fields: Mapping[str, tuple[object, object]] = {}
    """Of an update: name → (old, new)."""
    objections: tuple[Objection, ...] = ()
    """Of what is held."""
    since: datetime | None = None
    """Since when it is held or withheld, as far as known."""


class Said(NamedTuple):
    """What one source says of the person, and how far it was read."""

    source: Source
    excludes: bool
    where: str
    """`file:line` in the configuration; empty where that is not known."""
    read: SourceRead | None
    """None = it was not read, since its mailbox left the configuration."""
    mentions: tuple[Mention, ...]


class Stored(NamedTuple):
    """An account of the user at the mailbox's address."""

    account: Observed
    role: str
    """ours; not ours (nobody claims it); own (the user's own); primary (account 0)."""
    differs: Mapping[str, tuple[object, object]]
    """What is not as configured: field → (stored, configured)."""
    drift: str
    """Why it is not as its origin is now; empty = it is, or that does not matter."""


class Person(NamedTuple):
    """Who is asked about."""

    user: int | None = None
    """Who it is in Open-Xchange; None = whom the entries name, if anybody."""
    parts: frozenset[str] = frozenset()
    """Stable ids and normalised DNs of entries."""
    login: str = ""
    """Of the user, as far as known."""
    name: str = ""
    """What was asked for."""
    taken: str = ""
    """What that was taken for, or why it is nobody; empty where nothing was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why one person has one mailbox, or has it not."""

    case: Case
    user: int | None
    """None = nobody in Open-Xchange is known to be the person."""
    login: str
    name: str
    """How messages call the person."""
    taken: str
    """What the person was taken for, by what was asked."""
    standing: Standing
    reason: str
    entry: Member | None
    """The entry that counts."""
    said: tuple[Said, ...]
    attempts: tuple[Attempt, ...]
    """Of the entry that counts."""
    stored: tuple[Stored, ...]
    claim: Claim | None
    pin: Pin | None
    acts: tuple[Act, ...]
    """What the next run does, and what it does not; empty = nothing is to be done."""

    @property
    def concerned(self) -> bool:
        """Whether the mailbox and the person have anything to do with each other."""
        return self.standing is not Standing.STRANGER or bool(self.stored or self.claim or self.pin or self.acts)


class Explainer:
    """Everything about one mailbox, by person."""

    def __init__(self, case: Case) -> None:
        """Put the case in the order of persons, once for all of them."""
        self.case = case
        self.roll = Roll(case.mailbox, case.reads, case.users)
        self._acts: dict[int, list[Act]] = defaultdict(list)
        self._drift: dict[tuple[int | None, int | None], str] = {}
        self._owners = {part: one.user for one in case.claims.values() for part in (one.member, key_of(one.dn)) if part}
        if case.judgement is not None:
            for user, act in _acts(case, case.judgement):
                self._acts[user].append(act)
            self._drift = {(one.user, one.account): one.reason for one in case.judgement.plan.drift}

    def explain(self, person: Person) -> Explanation:
        """Explain one person."""
        case = self.case
        user = person.user if person.user is not None else self.user_of(person.parts)
        claim = None if user is None else case.claims.get(user)
        owned = {claim.member, key_of(claim.dn)} - {""} if claim is not None else set()
        mentions = self.roll.of(user, person.parts | owned)
        standing, reason, entry = standing_of(case, user, claim, mentions)
        login = person.login or _login(case, user, claim, entry)
        called = f"{login or 'user'} ({user})" if user is not None else person.name or (entry.dn if entry else "")
        return Explanation(
            case=case,
            user=user,
            login=login,
            name=called,
            taken=person.taken,
            standing=standing,
            reason=reason,
            entry=entry,
            said=tuple(_said(case, mentions)),
            attempts=tuple(attempts(entry, case.users)) if entry is not None else (),
            stored=() if user is None else tuple(self._stored(user, claim)),
            claim=claim,
            pin=None if user is None else case.pins.get(user),
            acts=() if user is None else tuple(self._acts.get(user, ())),
        )

    def user_of(self, parts: Collection[str]) -> int | None:
        """Give the user whom an entry names, or named when its account became ours."""
        named = (one.user for one in self.roll.of(None, parts) if one.user is not None)
        owners = (self._owners[part] for part in parts if part in self._owners)
        return next(chain(named, owners), None)

    def everybody(self) -> Iterator[Explanation]:
        """Explain everybody who has to do with the mailbox: users by number, then entries without a user by DN.

        Left out is whom only an exclusion names; and of a mailbox in several contexts, whom another one is about.
        """
        case, judgement = self.case, self.case.judgement
        users = {one.user for one in self.roll.included if one.user is not None}
        users |= case.claims.keys() | case.pins.keys()
        users |= {user for user, accounts in case.stored.items() if any(one.secondary for one in accounts)}
        users |= case.desired.accounts.keys() if case.desired is not None else set()
        yield from (self.explain(Person(user)) for user in sorted(users))
        if case.desired is None or judgement is None:
            return
        told = {notice.member for notice in judgement.plan.unresolved}
        others: dict[str, str] = {}
        for one in self.roll.included:
            if one.user is None and self._owners.keys().isdisjoint(one.parts):
                others.setdefault(one.parts[0], one.written)
        for part, written in sorted(others.items(), key=lambda item: item[1]):
            found = self.explain(Person(None, frozenset((part,)), name=written))
            unresolved = found.standing in {Standing.UNRESOLVED, Standing.AMBIGUOUS}
            if found.standing is not Standing.ELSEWHERE and not (unresolved and written not in told):
                yield found

    def _stored(self, user: int, claim: Claim | None) -> Iterator[Stored]:
        for account in sorted(self.case.stored.get(user, ()), key=lambda one: one.id):
            if account.id == 0:
                role = "primary"
            elif not account.secondary:
                role = "own"
            else:
                role = "ours" if claim is not None and claim.account == account.id else "not ours"
            updates = (act.fields for act in self._acts.get(user, ()) if act.account == account.id and act.fields)
            yield Stored(account, role, next(updates, {}), self._drift.get((user, account.id), ""))


# --------------------------------------------------------------------------- the links of the chain


def _said(case: Case, mentions: tuple[Mention, ...]) -> Iterator[Said]:
    for excludes, sources in ((False, case.mailbox.sources), (True, case.mailbox.exclude)):
        for source in sources:
            mine = tuple(one for one in mentions if one.source == source and one.excludes == excludes)
            yield Said(source, excludes, case.lines.get((source, excludes), ""), case.reads.get(source), mine)


def _acts(case: Case, judgement: Judgement) -> Iterator[tuple[int, Act]]:
    """Give what is to be done about each user, and what is not."""
    plan = judgement.plan
    for adoption in plan.adopted:
        reason = "an account with this address exists, which becomes ours (existing: adopt)"
        made = Act("adopt", Fate.PLANNED, reason, adoption.account)
        yield adoption.user, _judged(case, judgement, made, Direction.ADDITIONS)
    for change in plan.changes:
        fields = change.changed() if change.op is Op.UPDATE else {}
        made = Act(change.op.value, Fate.PLANNED, change.reason, change.account, fields)
        yield change.user, _judged(case, judgement, made, DIRECTION[change.op])
    kinds: tuple[tuple[tuple[Notice, ...], Fate], ...] = (
        (plan.withheld, Fate.WITHHELD),
        (plan.waiting, Fate.WAITING),
        (plan.conflicts, Fate.CONFLICT),
    )
    for notices, fate in kinds:
        for one in notices:
            if one.user is not None:
                since = case.since.get(("withheld", f"{one.op} {one.user}")) if fate is Fate.WITHHELD else None
                yield one.user, Act(one.op, fate, one.reason, one.account, since=since)
    for user in plan.forgotten:
        yield user, _judged(case, judgement, Act("forget", Fate.PLANNED, "neither wanted nor stored any more"), None)


def _judged(case: Case, judgement: Judgement, act: Act, direction: Direction | None) -> Act:
    """Say what the guard, a person or the time makes of something planned; a claim ends in no direction."""
    if judgement.idle:
        return act._replace(fate=Fate.IDLE, reason=judgement.idle)
    if direction is None:
        against = tuple(one for one in judgement.objections if one.limit == "vanished")
    else:
        held = direction in judgement.held
        against = tuple(one for one in judgement.objections if direction in one.directions) if held else ()
        against = against or (judgement.objections if held else ())  # updates, as additions are held
    if against:
        since = case.since.get(("held", judgement.held_digest or ""))
        return act._replace(fate=Fate.HELD, objections=against, since=since)
    approved = f" (released by the approval of {judgement.approved})" if judgement.approved else ""
    return act._replace(reason=act.reason + approved)


def _login(case: Case, user: int | None, claim: Claim | None, entry: Member | None) -> str:
    if user is None:
        return ""
    if case.desired is not None and user in case.desired.accounts:
        return case.desired.login(user)
    known = case.users.logins.get(user, "") if case.users is not None else ""
    return known or (claim.login if claim is not None else "") or _named(case, user, entry)


def _named(case: Case, user: int, entry: Member | None) -> str:
    """Give the login by which an entry names its user, who may be excluded; empty = it names none."""
    if entry is None or case.users is None:
        return ""
    rules = zip(entry.rules, entry.names, strict=True)
    logins = (login for rule, some in rules if rule.by == "login" for login in some)
    return next((login for login in logins if case.users.by_login.get(login) == user), "")
