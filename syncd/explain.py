"""Explain: gather and decide as a plan does, then look at single persons instead of sums.

The rules kept here: nothing is written anywhere, it is the code of a plan stopped earlier (rule 5), and nobody is
searched for in the directory: who is no member of anything is only known to Open-Xchange, which is asked once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from syncd.core.address import collation_key
from syncd.core.dn import InvalidDN, normalise, parse
from syncd.core.explain import Explainer, Explanation, Fate, Person
from syncd.core.identity import matched, named_by, user_number
from syncd.core.model import Asked, By, Mailbox, MailboxRef, Observed, Rule, Source, Users
from syncd.core.reads import Member
from syncd.core.standing import Case
from syncd.core.template import parse as template
from syncd.decide import Examination
from syncd.errors import SyncdError
from syncd.facts import orphans
from syncd.openxchange.base import users_in
from syncd.run import Reconciler
from syncd.settings.loading import Settings
from syncd.wiring import find, retired

_WAYS: Mapping[str, By] = {"login": "login", "oxuserid": "id"}
"""How members without an entry are written where a DN is expected: `login=anna`, `oxuserid=5`."""
_TEXT = (template("what was asked for"),)
_WORDS: Mapping[By, str] = {"login": "login", "id": "number", "mail": "address", "alias": "alias"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked, and what is to say about it."""

    asked: str
    """The person as asked for; empty = everybody."""
    cases: tuple[Case, ...]
    """The mailboxes that were looked at."""
    found: tuple[Explanation, ...]
    taken: tuple[str, ...] = ()
    """What the person was taken for, context by context; of those of `found` where there are any."""
    others: int = 0
    """Mailboxes with which the person has nothing to do; only where no mailbox was named."""
    problems: tuple[str, ...] = ()
    """What patterns could not make a mailbox of."""
    undiscovered: tuple[str, ...] = ()
    """Why not all mailboxes are known."""


def explain(
    reconciler: Reconciler,
    settings: Settings,
    who: str | None,
    address: str | None = None,
    context: int | None = None,
) -> Answer:
    """Explain a person and a mailbox, a person and every mailbox, or everybody of a mailbox.

    Args:
        reconciler: what would run.
        settings: where what it goes by is written.
        who: a login, an id, an address or a DN; None = everybody.
        address: of the mailbox; in every context where it is one, unless a context is given. None = every mailbox.
        context: None = all.

    Raises:
        SyncdError: there is no such mailbox, or several users may be meant.
        StoreError, LedgerError: a system could not be read. The directory never raises.
    """
    only = _only(reconciler, address, context)
    answer = _answer(reconciler, settings, who, address, context, reconciler.examine(only))
    if only and any(act.fate is Fate.PLANNED for one in answer.found for act in one.acts):
        # whether it is done may depend on all other mailboxes: some limits are for what they change together
        return _answer(reconciler, settings, who, address, context, reconciler.examine())
    return answer


def _only(reconciler: Reconciler, address: str | None, context: int | None) -> frozenset[MailboxRef]:
    """Give the mailboxes to read; none = all, where one is meant that only all of them tell of.

    Raises:
        SyncdError: there is no such mailbox, and none is to be discovered.
    """
    if address is None:
        return frozenset()
    key, patterns = collation_key(address), bool(reconciler.patterns)
    fixed = {one.ref for one in reconciler.configured if one.key == key and context in {None, one.context}}
    if not fixed:
        known = reconciler.ledger.orphans([one.ref for one in reconciler.configured])
        left = [one for one in known if collation_key(one.address) == key and context in {None, one.context}]
        if any(one.since is not None or not patterns for one in left):
            return frozenset()
        if not patterns:
            find(reconciler.configured, address, context)
    return frozenset(fixed | ({MailboxRef(context or 0, key)} if patterns else set()))


def _answer(
    reconciler: Reconciler,
    settings: Settings,
    who: str | None,
    address: str | None,
    context: int | None,
    examined: Examination,
) -> Answer:
    census, key = examined.facts.census, None if address is None else collation_key(address)

    def wanted(one: Mailbox) -> bool:
        return key in {None, one.key} and context in {None, one.context}

    cases = _cases(reconciler, settings, examined, wanted)
    explainers = [Explainer(one) for one in (*cases, *_left(reconciler, examined, wanted))]
    if address is not None and not explainers:
        raise SyncdError(f"{address} is neither configured nor discovered", hint="see: syncd discover")
    if who is None:
        found = [one for explainer in explainers for one in explainer.everybody()]
    else:
        found = _about(reconciler, who, explainers)
    shown = found if address is not None else [one for one in found if one.concerned]
    return Answer(
        asked=who or "",
        cases=tuple(one.case for one in explainers),
        found=tuple(shown),
        taken=tuple(dict.fromkeys(one.taken for one in shown or found if one.taken)),
        others=len(found) - len(shown),
        problems=census.problems,
        undiscovered=census.undiscovered,
    )


# --------------------------------------------------------------------------- who is asked about


class _Who(NamedTuple):
    """A person as a command names one."""

    text: str
    key: str
    """The normalised DN; empty where it is none."""
    ways: Mapping[By, str]
    """What is looked for in Open-Xchange, by how; empty where it is a DN."""


def _about(reconciler: Reconciler, text: str, explainers: Sequence[Explainer]) -> list[Explanation]:
    """Explain one person in every mailbox.

    Raises:
        SyncdError: several users of a context may be meant.
    """
    who = _who(text, aliases=any(explainer.roll.uses("alias") for explainer in explainers))
    if who.key:
        return list(_by_entry(who, explainers))
    readable = {one.case.mailbox.context for one in explainers if one.case.desired is not None or one.case.gone}
    asked = Asked(
        logins=_given(who, "login"),
        mails=_given(who, "mail"),
        aliases=_given(who, "alias"),
        ids=[number for value in _given(who, "id") if (number := user_number(value)) is not None],
    )
    users = users_in(reconciler.store, dict.fromkeys(readable, asked)) if readable else {}
    return [one.explain(_person(who, one, users.get(one.case.mailbox.context))) for one in explainers]


def _who(text: str, *, aliases: bool) -> _Who:
    """Understand what a command names a person by.

    | written                         | is                                                              |
    |---------------------------------|-----------------------------------------------------------------|
    | `login=anna`, `oxuserid=5`      | a login, an id: as members without an entry are shown           |
    | any other DN                    | the DN of an entry                                              |
    | anything with an @              | a login, or an address (an alias where a rule goes by aliases)  |
    | a number                        | a login, or an id                                               |
    | anything else                   | a login                                                         |
    """
    try:
        rdns = parse(text) if "=" in text else ()
    except InvalidDN:
        rdns = ()
    if len(rdns) == len(rdns[0] if rdns else ()) == 1 and (way := _WAYS.get(rdns[0][0][0])) is not None:
        return _Who(text, "", {way: rdns[0][0][1]})
    if rdns:
        return _Who(text, normalise(text), {})
    ways: dict[By, str] = {"login": text}
    if user_number(text) is not None:
        ways["id"] = text
    if "@" in text:
        ways |= {"mail": text, "alias": text} if aliases else {"mail": text}
    return _Who(text, "", ways)


def _given(who: _Who, by: By) -> tuple[str, ...]:
    return (who.ways[by],) if by in who.ways else ()


def _by_entry(who: _Who, explainers: Sequence[Explainer]) -> Iterator[Explanation]:
    """Explain who has a DN; whom it names in one mailbox of a context it names in the others too."""
    parts = frozenset((who.key,))
    named: dict[int, set[int]] = defaultdict(set)
    for one in explainers:
        if (user := one.user_of(parts)) is not None:
            named[one.case.mailbox.context].add(user)
    for one in explainers:
        others = named[one.case.mailbox.context]
        user = one.user_of(parts) or (next(iter(others)) if len(others) == 1 else None)
        yield one.explain(Person(user, parts, name=who.text, taken=f"the entry {who.text}"))


def _person(who: _Who, explainer: Explainer, users: Users | None) -> Person:
    """Find out who a person is in the context of one mailbox.

    Raises:
        SyncdError: several users may be meant, or whoever is cannot be looked up, which is not that there is nobody.
    """
    if users is not None and users.unread:
        where = f"context {explainer.case.mailbox.context}"
        hint = "name one by oxuserid=ID or the DN of the entry"
        raise SyncdError(f"{who.text!r} cannot be looked up in {where}: {users.unread}", hint=hint)
    mentions = [one for value in dict.fromkeys(who.ways.values()) for one in explainer.roll.known_as(value)]
    unnamed = frozenset(part for one in mentions if one.user is None for part in one.parts[:1])
    if users is None:
        return Person(None, unnamed, name=who.text)
    named = {by: named_by(by, value, users) for by, value in who.ways.items()}
    found = {user: by for by, some in reversed(named.items()) for user in some}
    where = f"context {users.context}"
    if len(found) > 1:
        several = " and ".join(f"user {user} by {_WORDS[by]}" for user, by in sorted(found.items()))
        hint = "name one by oxuserid=ID, login=LOGIN or the DN of the entry"
        raise SyncdError(f"{who.text!r} is several users of {where}: {several}", hint=hint)
    for user, by in found.items():
        login = who.ways[by] if by == "login" else users.logins.get(user, "")
        return Person(user, unnamed, login, who.text, f"{who.text!r} is user {user} of {where}, by {_WORDS[by]}")
    rules = tuple(Rule(by, _TEXT) for by in who.ways)
    nobody = matched(Member("", "", "", tuple((value,) for value in who.ways.values()), (), rules), users)
    entries = frozenset(part for one in mentions for part in one.parts[:1])
    return Person(None, entries, name=who.text, taken=nobody if isinstance(nobody, str) else "")


# --------------------------------------------------------------------------- what was found out about a mailbox


def _cases(
    reconciler: Reconciler, settings: Settings, examined: Examination, wanted: Callable[[Mailbox], bool]
) -> Iterator[Case]:
    facts, decision = examined.facts, examined.decision
    sightings, claimed = reconciler.ledger.sightings(), reconciler.ledger.claimed()
    searching = {pattern.where for pattern in reconciler.patterns if pattern.search is not None}
    lines = _Lines(settings)
    since: dict[MailboxRef, dict[tuple[str, str], datetime]] = defaultdict(dict)
    for (kind, ref), seen in sightings.items():
        since[ref].update({(kind, what): at for what, at in seen.items()})
    at: dict[MailboxRef, dict[int, datetime]] = defaultdict(dict)
    for (ref, user), when in claimed.items():
        at[ref][user] = when
    for judgement in (one for one in decision.judgements if wanted(one.plan.mailbox)):
        mailbox = judgement.plan.mailbox
        ref, found = mailbox.ref, mailbox.pattern in searching
        yield Case(
            mailbox=mailbox,
            reads={source: facts.reads[source] for source in (*mailbox.sources, *mailbox.exclude)},
            desired=decision.desired.get(ref) if not judgement.plan.unread else None,
            judgement=judgement,
            stored=_by_user(facts.observation.accounts.get(ref, ())),
            claims=facts.claims.get(ref, {}),
            claimed=at[ref],
            pins=facts.pins.get(ref, {}),
            since=since[ref],
            lines=lines.of(mailbox, found=found),
            found=mailbox.sources[0].value if found else "",
        )


def _left(reconciler: Reconciler, examined: Examination, wanted: Callable[[Mailbox], bool]) -> Iterator[Case]:
    """Give the cases of mailboxes that left the configuration."""
    gone = [(one, retired(one.address, one.context)) for one in orphans(reconciler.ledger, examined.facts.census)]
    gone = [(orphan, mailbox) for orphan, mailbox in gone if wanted(mailbox)]
    stored = reconciler.store.observe([mailbox for _, mailbox in gone], {}).accounts if gone else {}
    for orphan, mailbox in gone:
        ref = mailbox.ref
        yield Case(
            mailbox=mailbox,
            stored=_by_user(stored.get(ref, ())),
            claims=examined.facts.claims.get(ref, {}),
            claimed={user: at for (_, user), at in reconciler.ledger.claimed(ref).items()},
            left=orphan.since,
        )


def _by_user(accounts: Collection[Observed]) -> dict[int, list[Observed]]:
    found: dict[int, list[Observed]] = defaultdict(list)
    for account in accounts:
        found[account.user].append(account)
    return found


class _Lines:
    """Where the sources of mappings stand in the configuration."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._index: dict[str, int] = {}
        for index in range(len(settings.mappings)):
            self._index.setdefault(settings.where("mappings", index), index)

    def of(self, mailbox: Mailbox, *, found: bool) -> dict[tuple[Source, bool], str]:
        """Give `file:line` of each source of a mailbox, by whether it excludes.

        Args:
            mailbox: its `where` is that of its mapping.
            found: its first source is what the mapping's search found.
        """
        index = self._index.get(mailbox.where)
        if index is None:
            return {}
        where, mapping = self._settings.where, self._settings.mappings[index]
        own = [where("mappings", index, "discover")] if found else []
        included = [*own, *(where("mappings", index, "sources", number) for number in range(len(mapping.sources)))]
        excluded = [where("mappings", index, "exclude", number) for number in range(len(mapping.exclude))]
        return {
            **{(source, False): line for source, line in zip(mailbox.sources, included, strict=False)},
            **{(source, True): line for source, line in zip(mailbox.exclude, excluded, strict=False)},
        }
