"""Look up users: by login, address or id, and the servers of their primary account (ox-facts 1.4).

Many contexts are asked about together: what is asked of each stands in one statement until that is full (`within`), so
the number of statements grows with what is asked and not with the number of contexts. Few names are asked for in IN
lists; where many are, or most users of a context, it is read whole. `login2user.uid` is compared exactly: its collation
would ignore trailing blanks, Python does not. The columns of addresses (`user.mail`, `user.imapLogin`,
`user_alias.alias`) ignore letter case, accents and trailing blanks; here accents count, so that nobody gets a mailbox
by resemblance.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select

from syncd.core.address import collation_key, letters
from syncd.core.model import Asked, By, Endpoint, Users
from syncd.openxchange.matching import FEW, alike, by_key
from syncd.openxchange.packing import NULL, records
from syncd.openxchange.tables import ALIAS, LOGIN, MAIL, TRANSPORT, USER, among

_T = TypeVar("_T")
_C = TypeVar("_C", bound=Collection[Any])
_FETCH = 2000
_TOGETHER = 500
"""Contexts in one statement with their own values; SQLite takes no deeper expression than 1,000."""
_SPARE = 4
"""So many rows read cost at most what one name in an IN list does, which server and driver have to take apart."""
_LAST_USER = 2**32 - 1
"""Highest id that the columns can hold (INT UNSIGNED); people may write any number into a directory."""


def stream(connection: Connection, statement: Select[Any]) -> Iterator[tuple[Any, ...]]:
    """Give the rows as they come, without keeping all of them in memory."""
    options = {"stream_results": True, "max_row_buffer": _FETCH}
    yield from connection.execute(statement, execution_options=options)


def chunks(values: Collection[_T], size: int = FEW) -> Iterator[Sequence[_T]]:
    """Cut values into lists of at most `size`."""
    listed = list(values)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]


def within(
    asked: Mapping[int, _C],
    context: ColumnElement[Any],
    some: Callable[[_C], ColumnElement[bool]],
    spans: Mapping[int, int] | None = None,
) -> Iterator[ColumnElement[bool]]:
    """Give conditions that together hold wherever a value was asked for in its context, and maybe elsewhere.

    Args:
        asked: what is asked for by context; where that is much, everything of the context is to be read.
        context: the column of the context.
        some: gives the condition for a few values.
        spans: see `_spans`.
    """
    whole = {number for number, values in asked.items() if _wholly(len(values), (spans or {}).get(number))}
    if whole:
        yield among(context, whole)
    together: list[ColumnElement[bool]] = []
    size = 0
    for number, values in asked.items():
        if number in whole or not values:
            continue
        if size + len(values) > FEW or len(together) == _TOGETHER:
            yield sa.or_(*together)
            together, size = [], 0
        together.append(sa.and_(context == number, some(values)))
        size += len(values)
    if together:
        yield sa.or_(*together)


def _wholly(count: int, span: int | None) -> bool:
    """Tell whether to read a whole context for so many values; `span` bounds the number of its users."""
    return count > FEW or (span is not None and count > 0 and span <= _SPARE * count)


@dataclass(slots=True, kw_only=True)
class _Answer:
    """What is found out of one context, step by step."""

    asked: Asked
    wanted: frozenset[int]
    """Asked ids that a user may have."""
    logins: dict[str, int]
    """Asked login → user, 0 = not found; the keys stay the caller's own texts, of which there may be 100,000."""
    guests: set[int] = field(default_factory=set)
    holders: dict[By, dict[str, set[int]]] = field(default_factory=dict)
    """By kind of question: asked text → ids of all who have it, guests included."""
    existing: set[int] = field(default_factory=set)
    found: dict[By, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Asked texts that only guests have."""
    known: frozenset[int] = frozenset()
    names: dict[int, str] = field(default_factory=dict)
    """Login by id, of those known."""
    near: dict[str, list[str]] = field(default_factory=dict)
    inhabited: bool | None = None
    """Whether there is any user; None = not asked."""

    @property
    def uncertain(self) -> frozenset[int]:
        """Give the ids of which it is not known whether there is such a user: an alias may outlive its user."""
        return self.wanted.union(*self.holders.get("alias", {}).values())

    @property
    def misses(self) -> list[str]:
        """Give the logins that were not found."""
        return [uid for uid, user in self.logins.items() if not user]

    def identify(self) -> None:
        """Settle who has what was asked, guests and those who are gone left out."""
        out = self.guests | (self.uncertain - self.existing)
        for by, texts in self.holders.items():
            people = self.found[by] = {}
            for text, users in texts.items():
                if not users <= out:
                    people[text] = tuple(sorted(users - out))
                elif users & self.guests:
                    self.refused.add(text)
        if self.wanted:
            self.found["id"] = {str(user): (user,) for user in self.wanted & self.existing - self.guests}
            self.refused |= {str(user) for user in self.wanted & self.guests}
        self.known = self.wanted.union(*(users for texts in self.found.values() for users in texts.values()))

    def users(self, context: int) -> Users:
        """Give the whole answer."""
        logins, misses = self.logins, self.misses
        uninvited = frozenset(uid for uid, user in logins.items() if user in self.guests)
        return Users(
            context=context,
            exists=len(misses) < len(logins) or bool(self.inhabited),
            by_login={uid: user for uid, user in logins.items() if user and uid not in uninvited}
            if misses or uninvited
            else logins,
            found=self.found,
            other_case={name: tuple(sorted(found)) for name, found in self.near.items()},
            guests=uninvited | self.refused,
            ids=self.wanted & self.existing,
            logins=self.names,
        )


_Answers = dict[int, _Answer]
"""By context."""


def look_up(connection: Connection, asked: Mapping[int, Asked]) -> dict[int, Users]:
    """Look users up by all that is asked, context by context; only such statements are sent as the questions need."""
    answers = {
        context: _Answer(
            asked=one,
            wanted=frozenset(user for user in one.ids if 0 < user <= _LAST_USER),
            logins=dict.fromkeys(one.logins, 0),
        )
        for context, one in asked.items()
    }
    spans = _spans(connection, answers)
    _read_guests(connection, answers)
    _read_holders(connection, answers, spans)
    _read_existing(connection, answers, spans)
    for answer in answers.values():
        answer.identify()
    _read_logins(connection, answers, spans)
    _read_other_case(connection, answers)
    _read_inhabited(connection, answers)
    return {context: answer.users(context) for context, answer in answers.items()}


def primary_endpoints(
    connection: Connection, users: Mapping[int, Collection[int]]
) -> dict[tuple[int, int], tuple[Endpoint, Endpoint | None]]:
    """Give mail and transport server of account 0 by (context, user); one without account 0 is left out."""
    wanted = {context: frozenset(some) for context, some in users.items()}
    shared: dict[tuple[Any, ...], Endpoint] = {}

    def read(table: sa.TableClause) -> dict[tuple[int, int], Endpoint]:
        columns = (table.c.cid, table.c.user, table.c.url, table.c.starttls)
        found = {}
        for condition in within(wanted, table.c.cid, lambda some: among(table.c.user, some)):
            for context, user, *server in stream(connection, sa.select(*columns).where(table.c.id == 0, condition)):
                if user in wanted[context]:
                    key = tuple(server)
                    found[context, user] = shared.get(key) or shared.setdefault(key, Endpoint(key[0], bool(key[1])))
        return found

    mail, transport = read(MAIL), read(TRANSPORT)
    return {place: (endpoint, transport.get(place)) for place, endpoint in mail.items()}


def _spans(connection: Connection, answers: _Answers) -> dict[int, int]:
    """Give for each context how far apart the ids of its users are, so that it has no more users than that.

    That is only asked where the contexts with few questions take more than one statement together; else nothing is
    given, and of a context without users nothing either.
    """
    kinds = zip(*(answer.asked for answer in answers.values()), strict=True)
    if not any(sum(len(some) for some in kind if len(some) <= FEW) > FEW for kind in kinds):
        return {}
    ends = _ends(connection, answers)
    for context, answer in answers.items():
        answer.inhabited = context in ends
    return {context: high - low + 1 for context, (low, high) in ends.items()}


def _ends(connection: Connection, contexts: Collection[int]) -> dict[int, tuple[int, int]]:
    """Give the lowest and the highest id of the users of each context, guests included."""
    # each is one step in the primary key, however many users there are
    columns = (USER.c.cid, sa.func.min(USER.c.id), sa.func.max(USER.c.id))
    rows = connection.execute(sa.select(*columns).where(among(USER.c.cid, contexts)).group_by(USER.c.cid))
    return {context: (low, high) for context, low, high in rows}


def _read_guests(connection: Connection, answers: _Answers) -> None:
    statement = sa.select(USER.c.cid, USER.c.id).where(among(USER.c.cid, answers), USER.c.guestCreatedBy > 0)
    for context, user in stream(connection, statement) if answers else ():
        answers[context].guests.add(user)


def _read_holders(connection: Connection, answers: _Answers, spans: Mapping[int, int]) -> None:
    """Find who has the asked addresses; an address that nobody has is left out."""
    columns: tuple[tuple[By, Callable[[Asked], Collection[str]], tuple[sa.TableClause, str, str]], ...] = (
        ("mail", lambda asked: asked.mails, (USER, "id", "mail")),
        ("alias", lambda asked: asked.aliases, (ALIAS, "user", "alias")),  # not joined: MariaDB would begin with users
        ("imap_login", lambda asked: asked.imap_logins, (USER, "id", "imapLogin")),
    )
    for by, of, (table, user, column) in columns:
        texts = {context: by_key(of(answer.asked)) for context, answer in answers.items() if of(answer.asked)}
        holders: dict[int, dict[str, set[int]]] = {context: {} for context in texts}
        selected = (table.c[user], table.c.cid, table.c[column])

        def same(some: Mapping[str, list[str]], name: ColumnElement[Any] = table.c[column]) -> ColumnElement[bool]:
            return alike(connection, name, some)

        for condition in within(texts, table.c.cid, same, {} if table is ALIAS else spans):  # people have several
            for number, cid, stored in records(connection, selected, 2, table, condition):
                context, value = int(cid), "" if stored == NULL else stored.decode()
                for text in texts[context].get(collation_key(value), ()):
                    if text == value or letters(text) == letters(value):
                        holders[context].setdefault(text, set()).add(int(number))
        for context, found in holders.items():
            answers[context].holders[by] = found


def _read_existing(connection: Connection, answers: _Answers, spans: Mapping[int, int]) -> None:
    ids = {context: answer.uncertain for context, answer in answers.items()}
    for condition in within(ids, USER.c.cid, lambda some: among(USER.c.id, some), spans):
        for number, cid in records(connection, (USER.c.id, USER.c.cid), 1, USER, condition):
            if (user := int(number)) in ids[context := int(cid)]:
                answers[context].existing.add(user)


def _read_logins(connection: Connection, answers: _Answers, spans: Mapping[int, int]) -> None:
    """Read the asked logins, and those of the ids known; or those of all users where many are asked."""
    whole = {
        context
        for context, answer in answers.items()
        if _wholly(max(len(answer.logins), len(answer.known)), spans.get(context))
    }
    names = {context: answer.logins for context, answer in answers.items() if context not in whole}
    ids = {context: answers[context].known for context in names}
    conditions = [among(LOGIN.c.cid, whole)] if whole else []
    conditions += within(names, LOGIN.c.cid, LOGIN.c.uid.in_)
    conditions += within(ids, LOGIN.c.cid, lambda some: among(LOGIN.c.id, some))
    by_cid = {str(context).encode(): answer for context, answer in answers.items()}
    for condition in conditions:
        for number, cid, text in records(connection, (LOGIN.c.id, LOGIN.c.cid, LOGIN.c.uid), 2, LOGIN, condition):
            answer, user, uid = by_cid[cid], int(number), text.decode()
            if user in answer.known:
                answer.names.setdefault(user, uid)
            if uid in answer.logins:
                answer.logins[uid] = user


def _read_other_case(connection: Connection, answers: _Answers) -> None:
    """Find logins that differ from the asked ones by letter case only."""
    asked: dict[int, dict[str, list[str]]] = {}
    for context, answer in answers.items():
        for name in answer.misses:
            asked.setdefault(context, {}).setdefault(name.lower(), []).append(name)
    for condition in within(asked, LOGIN.c.cid, lambda some: sa.func.lower(LOGIN.c.uid).in_(list(some))):
        for context, uid in stream(connection, sa.select(LOGIN.c.cid, LOGIN.c.uid).where(condition)):
            for name in asked[context].get(uid.lower(), ()):
                answers[context].near.setdefault(name, []).append(uid)


def _read_inhabited(connection: Connection, answers: _Answers) -> None:
    """Find out whether there is any user at all, where no login has shown that already."""
    unseen = [
        context
        for context, answer in answers.items()
        if answer.inhabited is None and len(answer.misses) == len(answer.logins)
    ]
    inhabited = _ends(connection, unseen) if unseen else {}
    for context in unseen:
        answers[context].inhabited = context in inhabited
