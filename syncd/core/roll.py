"""What the sources of one mailbox say of single persons: who is named where, as what, and as which user.

Nothing is decided here: who should have the mailbox is `desire`. This is the same material by person instead of by
source, for who asks why.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from syncd.core.desire import context_of
from syncd.core.dn import InvalidDN, folded, normalise, parse
from syncd.core.identity import identify
from syncd.core.model import By, Mailbox, Source, Users
from syncd.core.reads import Member, SourceRead


class Mention(NamedTuple):
    """What one source says of one person."""

    source: Source
    excludes: bool
    """Whether the source is one of those that exclude."""
    kind: Literal["member", "disabled", "dangling"]
    """dangling: listed, without an entry."""
    written: str
    """The DN of the entry, or the value, as written."""
    key: str
    """Normalised DN, or `memberuid=VALUE`."""
    member: Member | None
    """None = dangling."""
    user: int | None
    """The user that the entry names; None = nobody, or several."""
    primary: bool = False
    """Whether the last group of its path is its primary group, which does not list it."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Stable id and key; the key alone of what has no entry."""
        return (self.key,) if self.member is None else (self.member.id, self.key)


class Roll:
    """Everybody whom the sources of one mailbox name."""

    def __init__(self, mailbox: Mailbox, reads: Mapping[Source, SourceRead], users: Users | None) -> None:
        """Take what was read.

        Args:
            mailbox: what is configured.
            reads: what each of its sources yielded; one that is missing names nobody.
            users: OX users of its context; None = they could not be read.
        """
        self._by_user: dict[int, list[Mention]] = defaultdict(list)
        self._by_part: dict[str, list[Mention]] = defaultdict(list)
        self.included: list[Mention] = []
        """What the sources that include say, in their order."""
        self._everybody: list[Mention] = []
        for excludes, sources in ((False, mailbox.sources), (True, mailbox.exclude)):
            for source in sources:
                if source in reads:
                    self._take(reads[source], mailbox, users, excludes=excludes)

    def of(self, user: int | None, parts: Collection[str] = ()) -> tuple[Mention, ...]:
        """Give what is said of a person: what includes first, then the shorter path.

        Args:
            user: the OX user; None = not known.
            parts: stable ids and normalised DNs that the person has, or had.
        """
        mine = self._by_user.get(user, []) if user is not None else []
        mine = [*mine, *(one for part in parts for one in self._by_part.get(part, ()))]
        known = {part for one in mine if one.member for part in (one.member.id, one.member.key)}
        for part in known.difference(parts):  # the same entry in another source, where it may name nobody
            mine += [one for one in self._by_part.get(part, ()) if one.member is None or one.member.id in known]
        found = dict.fromkeys(mine)
        return tuple(sorted(found, key=lambda one: (one.excludes, len(one.member.path) if one.member else 0)))

    def known_as(self, name: str) -> tuple[Mention, ...]:
        """Give what is said of those who have a name among what rules look for, or listed without an entry.

        Letter case does not matter: who types a login wrong shall see the entry that has it.
        """
        wanted = folded(name)
        return tuple(one for one in self._everybody if any(folded(text) == wanted for text in _names(one)))

    def uses(self, by: By) -> bool:
        """Tell whether any entry is looked for by this."""
        rules = {one.member.rules for one in self._everybody if one.member is not None}
        return any(rule.by == by for some in rules for rule in some)

    def _take(self, read: SourceRead, mailbox: Mailbox, users: Users | None, *, excludes: bool) -> None:
        groups: tuple[tuple[Literal["member", "disabled"], Iterable[Member]], ...] = (
            ("member", read.members.values()),
            ("disabled", read.disabled.values()),
        )
        for kind, members in groups:
            for member in members:
                named = None if users is None else _user(member, read.source, mailbox, users)
                primary = member.id in read.primary
                self._note(Mention(read.source, excludes, kind, member.dn, member.key, member, named, primary))
        for key, written in read.dangling.items():
            self._note(Mention(read.source, excludes, "dangling", written, key, None, None))

    def _note(self, one: Mention) -> None:
        if one.user is not None:
            self._by_user[one.user].append(one)
        for part in {*one.parts}:
            self._by_part[part].append(one)
        self._everybody.append(one)
        if not one.excludes:
            self.included.append(one)


def _user(member: Member, source: Source, mailbox: Mailbox, users: Users) -> int | None:
    """Give the user of a member; who chose another context is another person than who has the login here."""
    if source.chooser is not None and context_of(member, mailbox) != mailbox.context:
        return None
    user = identify(member, users)
    return user if isinstance(user, int) else None


def key_of(dn: str) -> str:
    """Give the normal form of a DN; what is none stays as it is."""
    try:
        return normalise(dn)
    except InvalidDN:
        return dn


def _names(one: Mention) -> Iterator[str]:
    if one.member is not None:
        for values in one.member.names:
            yield from values
        return
    with contextlib.suppress(InvalidDN):
        yield from (value for rdn in parse(one.written)[:1] for _, value in rdn)
        return
    yield one.written
