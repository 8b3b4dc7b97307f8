"""Made-up worlds for the tests of the core: builders of single values, a simulator, and hypothesis strategies.

A world is everything that decides about one mailbox: what the sources yielded, which OX users there are, what is stored
what is claimed, what persons said and what earlier reads agreed on. `World.after(plan)` is the world once everything
in the plan was done and noted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from syncd.core.accounts import wanted
from syncd.core.changes import Change, MailboxPlan, Op
from syncd.core.desire import Desired, desire
from syncd.core.dn import normalise
from syncd.core.limits import Absence, Grace
from syncd.core.model import (
    Account,
    By,
    Claim,
    Endpoint,
    Mailbox,
    MailboxRef,
    Observed,
    Pin,
    Rule,
    Secret,
    Source,
    Users,
)
from syncd.core.plan import plan
from syncd.core.reads import Member, SourceRead
from syncd.core.template import parse

CONTEXT = 1
ADDRESS = "support@mycompany.com"
OTHER_CASE = "Support@MyCompany.com"
ACCENTED = "süpport@mycompany.com"
PEOPLE = "ou=people,dc=example,dc=org"
SUPPORT = Source(kind="group", value="cn=support,ou=groups,dc=example,dc=org")
SALES = Source(kind="group", value="cn=sales,ou=groups,dc=example,dc=org")
BARRED = Source(kind="group", value="cn=barred,ou=groups,dc=example,dc=org")
BY_LOGIN = (Rule("login", (parse("{uid}"),)),)
IMAP = Endpoint("imap://imap.mycompany.com:143", False)
SMTP = Endpoint("smtp://smtp.mycompany.com:25", False)
EXPLICIT = Account(name="Support", login=ADDRESS, mail=IMAP, transport=SMTP)
COPIED = Account(name="Support", login=ADDRESS, mail=None, transport=None)
RIGHT = wanted(EXPLICIT)
WRONG = RIGHT._replace(mail_url="imap://old.mycompany.com:143")
LOGINS = {3: "anton", 4: "berta", 5: "carol", 6: "dora", 7: "emil", 8: "fritz"}
NEVER = "the test's secret"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def mailbox(**parts: object) -> Mailbox:
    """Give the mailbox support@ with one source and one exclusion; parts replace."""
    given: dict[str, object] = {
        "address": ADDRESS,
        "key": ADDRESS,
        "context": CONTEXT,
        "account": EXPLICIT,
        "sources": (SUPPORT,),
        "exclude": (BARRED,),
    }
    return Mailbox(**(given | parts))  # type: ignore[arg-type]


def dn_of(login: str) -> str:
    """Give the DN of a person, written as people do."""
    return f"uid={login},{PEOPLE}".replace("dc=", "DC=")


def member(
    login: str,
    *,
    id: str | None = None,  # noqa: A002 - the field's name
    dn: str | None = None,
    logins: Sequence[str] | None = None,
    path: tuple[str, ...] = (SUPPORT.value,),
) -> Member:
    """Give the directory entry of a person, with the login as its name."""
    written = dn or dn_of(login)
    names = (tuple((login,) if logins is None else logins),)
    return Member(id or f"id-{login}", written, normalise(written), names, path, BY_LOGIN)


def known_by(login: str, *ways: tuple[By, Sequence[str]], **parts: object) -> Member:
    """Give the directory entry of a person whom several rules, in this order, look for."""
    rules = tuple(Rule(by, (parse(f"{{{by.replace('_', '')}}}"),)) for by, _ in ways)
    given = {"names": tuple(tuple(values) for _, values in ways), "rules": rules}
    return member(login)._replace(**(given | parts))  # type: ignore[arg-type]


def read(
    source: Source,
    *members: Member,
    complete: bool = True,
    dangling: Sequence[str] = (),
    disabled: Sequence[Member] = (),
    reason: str = "size limit",
) -> SourceRead:
    """Give what a source yielded."""
    return SourceRead(
        source=source,
        members={one.id: one for one in members},
        complete=complete,
        reasons=() if complete else (reason,),
        causes=frozenset() if complete else frozenset(("limit",)),
        disabled={one.id: one for one in disabled},
        dangling={(value if value.startswith("memberuid=") else normalise(value)): value for value in dangling},
    )


def users(known: Mapping[int, str] | None = None, **parts: object) -> Users:
    """Give the OX users of the context, all of LOGINS unless told."""
    known = LOGINS if known is None else known
    given: dict[str, object] = {
        "context": CONTEXT,
        "exists": bool(known),
        "by_login": {login: user for user, login in known.items()},
        "ids": frozenset(known),
        "logins": dict(known),
        "found": {
            "mail": {f"{login}@x.org": (user,) for user, login in known.items()},
            "id": {str(user): (user,) for user in known},
        },
    }
    return Users(**(given | parts))  # type: ignore[arg-type]


def observed(user: int, id: int = 20, **parts: object) -> Observed:  # noqa: A002 - the field's name
    """Give a stored secondary account that is right; parts replace."""
    given: dict[str, object] = {"address": ADDRESS, "secondary": True, "name": "Support", "fields": RIGHT}
    return Observed(context=CONTEXT, user=user, id=id, **(given | parts))  # type: ignore[arg-type]


def claim(user: int, account: int = 20, **parts: object) -> Claim:
    """Give a held claim of the user's own member; parts replace."""
    login = LOGINS[user]
    given: dict[str, object] = {"held": True, "member": f"id-{login}", "dn": dn_of(login), "login": login}
    return Claim(user, account, **(given | parts))  # type: ignore[arg-type]


def keep(user: int, by: str = "eve") -> Pin:
    """Give a person's word that a user has the mailbox."""
    return Pin(user, True, None, by)


def keep_out(user: int, by: str = "eve") -> Pin:
    """Give a person's word that a user has it not."""
    return Pin(user, False, None, by)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that decides about one mailbox."""

    mailbox: Mailbox = field(default_factory=mailbox)
    reads: Sequence[SourceRead] = ()
    users: Users = field(default_factory=users)
    stored: Sequence[Observed] = ()
    claims: Mapping[int, Claim] = field(default_factory=dict)
    counts: Mapping[tuple[MailboxRef, str], int] = field(default_factory=dict)
    primaries: Mapping[tuple[int, int], tuple[Endpoint, Endpoint | None]] = field(default_factory=dict)
    wait: str | None = None
    pins: Mapping[int, Pin] = field(default_factory=dict)
    absences: Mapping[int, Absence] = field(default_factory=dict)
    now: datetime = NOON

    @property
    def included(self) -> tuple[SourceRead, ...]:
        """What the mailbox's sources yielded."""
        return tuple(one for one in self.reads if one.source in self.mailbox.sources)

    @property
    def excluded(self) -> tuple[SourceRead, ...]:
        """What its exclusions yielded."""
        return tuple(one for one in self.reads if one.source in self.mailbox.exclude)

    def desired(self) -> Desired:
        """Decide who should have the mailbox."""
        return desire(self.mailbox, {one.source: one for one in self.reads}, self.users, self.counts, self.pins)

    def plan(self) -> MailboxPlan:
        """Decide what to change."""
        return plan(
            self.desired(),
            self.stored,
            self.claims,
            self.users,
            self.primaries,
            wait=self.wait,
            absences=self.absences,
            now=self.now,
        )

    def later(self, time: timedelta) -> World:
        """Give the same world some time later."""
        return replace(self, now=self.now + time)

    def row(self, change: Change) -> Observed | None:
        """Give the stored account that a change names."""
        return next((a for a in self.stored if (a.user, a.id) == (change.user, change.account)), None)

    def after(self, done: MailboxPlan) -> World:
        """Give the world once everything in the plan was done, in the order of `apply`."""
        claims = dict(self.claims)
        rows = {(account.user, account.id): account for account in self.stored}
        for one in done.recovered:
            claims[one.user] = one
        for new in done.adopted:
            claims[new.user] = Claim(new.user, new.account, True, new.member, new.dn, new.login, new.seal)
        for user in done.forgotten:
            del claims[user]
        for one in done.refreshed:
            claims[one.user] = one
        for change in done.changes:
            self._apply(change, rows, claims)
        return replace(
            self,
            stored=tuple(row._replace(seal=None) for row in rows.values()),
            claims=claims,
            absences=self._agreed(done),
        )

    def _agreed(self, done: MailboxPlan) -> dict[int, Absence]:
        """Give what is remembered of the removals that this read agreed to and that were not made."""
        removed = {change.user for change in done.changes if change.op is Op.DELETE}
        undecided = {notice.user for notice in (*done.withheld, *done.waiting) if notice.op == Op.DELETE}
        agreed = {user: known for user, known in self.absences.items() if user in undecided}
        for user in set(done.absent) - removed:
            known = self.absences.get(user, Absence(0, self.now))
            agreed[user] = Absence(known.reads + 1, min(known.since, self.now))
        return agreed

    def _apply(self, change: Change, rows: dict[tuple[int, int], Observed], claims: dict[int, Claim]) -> None:
        account = change.account
        if change.op is Op.CREATE:
            account = 1000 + change.user
            primary = self.primaries.get((CONTEXT, change.user), (IMAP, SMTP))
            fields = wanted(self.mailbox.account, primary)
            rows[change.user, account] = observed(change.user, account, fields=fields)
            claims[change.user] = Claim(change.user, account, True, change.member, change.dn, change.login)
            return
        assert account is not None
        if change.op is Op.DELETE:
            del rows[change.user, account]
            claims.pop(change.user, None)  # as the ledger does: by user
            return
        assert change.new is not None
        row = rows[change.user, account]
        rows[change.user, account] = row._replace(fields=change.new, password=True if change.password else row.password)


# --------------------------------------------------------------------------- what may be drawn

_FIELDS = st.sampled_from((RIGHT, WRONG, RIGHT._replace(login="old"), RIGHT._replace(transport_secondary=False)))
_BOOLEANS = st.booleans()
HOUR = timedelta(hours=1)
_ABSENCES = st.builds(Absence, st.integers(1, 3), st.sampled_from((NOON - HOUR, NOON - HOUR / 2, NOON, NOON + HOUR)))


def _pinned(said: Mapping[int, bool]) -> dict[int, Pin]:
    return {user: keep(user) if stays else keep_out(user) for user, stays in said.items()}


@st.composite
def directories(draw: st.DrawFn) -> tuple[Member, ...]:
    """Draw the entries of a directory: with their own login, another's, several, none, of people nobody knows."""
    names = (*LOGINS.values(), "nobody")
    entries = []
    for name in names:
        logins = st.one_of(st.just([name]), st.just([name]), st.lists(st.sampled_from(names), max_size=2))
        addresses = st.sampled_from(((), (f"{name}@x.org",), ("anton@x.org",), ("nobody@x.org", "berta@x.org")))
        by_rules = st.builds(
            lambda name, mail, logins: known_by(name, ("mail", mail), ("login", logins)),
            st.just(name), addresses, logins,
        )  # fmt: skip
        entries.append(draw(st.one_of(logins.map(lambda drawn, name=name: member(name, logins=drawn)), by_rules)))
    for name in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
        entries.append(member(f"{name}-2", logins=(name,)))
        entries.append(member(name, id=f"id-{name}-3", logins=()))
    return tuple(entries)


@st.composite
def source_reads(draw: st.DrawFn, source: Source, entries: Sequence[Member]) -> SourceRead:
    """Draw what a source yielded: some entries, on paths of one or two groups, and some dangling members."""
    paths = ((source.value,), (source.value, "cn=nested"))
    found = draw(st.lists(st.sampled_from(entries), max_size=6))
    listed = [*map(dn_of, LOGINS.values()), *(f"memberuid={login}" for login in LOGINS.values())]
    return read(
        source,
        *(one._replace(path=draw(st.sampled_from(paths))) for one in found),
        complete=draw(_BOOLEANS),
        dangling=draw(st.lists(st.sampled_from(listed), max_size=2)),
        disabled=[one for one in draw(st.lists(st.sampled_from(entries), max_size=2)) if one not in found],
    )


@st.composite
def stored_accounts(draw: st.DrawFn) -> tuple[Observed, ...]:
    """Draw stored accounts: up to three a user, right or wrong, private, primary, or equal by collation only."""
    rows = {}
    for user in draw(st.lists(st.sampled_from(tuple(LOGINS)), max_size=8)):
        number = draw(st.sampled_from((0, 20, 21)))
        rows[user, number] = observed(
            user,
            number,
            address=draw(st.sampled_from((ADDRESS, ADDRESS, ADDRESS, OTHER_CASE, ACCENTED, ADDRESS + " "))),
            secondary=draw(st.sampled_from((True, True, True, False))),
            fields=draw(_FIELDS),
            password=draw(st.sampled_from((None, True, False))),
            seal=draw(st.sampled_from((None, None, b"seal"))),
        )
    return tuple(rows.values())


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world with two sources, one exclusion and six people."""
    account = draw(st.sampled_from((EXPLICIT, COPIED, replace(EXPLICIT, password=Secret(NEVER)))))
    box = mailbox(
        account=account,
        sources=draw(st.sampled_from(((SUPPORT,), (SUPPORT, SALES)))),
        existing=draw(st.sampled_from(("adopt", "leave"))),
        extra=draw(st.sampled_from(("leave", "remove"))),
        grace=draw(st.sampled_from((Grace(), Grace(), Grace(reads=3), Grace(time=HOUR), Grace(reads=2, time=HOUR)))),
    )
    entries = draw(directories())
    known = draw(st.sets(st.sampled_from(tuple(LOGINS)), min_size=draw(st.sampled_from((0, 5)))))
    claimed = draw(st.sets(st.sampled_from(tuple(LOGINS))))
    return World(
        mailbox=box,
        reads=[draw(source_reads(source, entries)) for source in (*box.sources, *box.exclude)],
        users=users({user: LOGINS[user] for user in sorted(known)}),
        stored=draw(stored_accounts()),
        claims={
            user: claim(user, draw(st.sampled_from((20, 21))), held=draw(st.sampled_from((True, True, False))))
            for user in sorted(claimed)
        },
        primaries={(CONTEXT, 3): (IMAP, SMTP), (CONTEXT, 4): (IMAP, None)},
        wait=draw(st.sampled_from((None, None, None, "another server"))),
        pins=draw(st.dictionaries(st.sampled_from(tuple(LOGINS)), _BOOLEANS, max_size=2).map(_pinned)),
        absences=draw(st.dictionaries(st.sampled_from(tuple(LOGINS)), _ABSENCES, max_size=3)),
    )
