"""A directory and an Open-Xchange in memory, for tests of what stands between them.

They keep the protocols of `syncd.directory.directories.Directories` and `syncd.openxchange.base.AccountStore`, and note
what they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from syncd.core.address import collation_key
from syncd.core.model import Asked, Contexts, Endpoint, GroupRead, Mailbox, MailboxRef, Observation, Observed, Source
from syncd.core.model import Users as Known
from syncd.core.reads import Answered, DirectoryRead, Discovery, Found, Member, Search, SourceRead
from syncd.errors import StoreError
from syncd.openxchange.base import Creation, Deletion, Updating, Written
from tests.core.strategies import read

SERVER = "ldap://one"


@dataclass(kw_only=True)
class FakeDirectories:
    """Directories of which the tests say what each source and each search gives."""

    members: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    """By value of the source; a source that is not there is incomplete."""
    disabled: dict[str, tuple[Member, ...]] = field(default_factory=dict)
    found: dict[Search, tuple[Found, ...]] = field(default_factory=dict)
    """By search; one that is not there found nothing and is incomplete."""
    partial: set[str | Search] = field(default_factory=set)
    """Sources and searches that are incomplete all the same."""
    answered: dict[str, Answered] = field(default_factory=lambda: {"": Answered(SERVER, None)})
    asked: list[tuple[list[Source], list[Search]]] = field(default_factory=list)

    def read(
        self,
        sources: Collection[Source],
        *,
        searches: Collection[Search] = (),
        grow: Callable[[Mapping[Search, Discovery]], Collection[Source]] = lambda _found: (),
        progress: Callable[[int], None] = lambda _entries: None,
    ) -> DirectoryRead:
        """Give what is told; every source asked for, or grown, is a key of the result."""
        discoveries = {search: self._discovery(search) for search in searches}
        wanted = [*sources, *grow(discoveries)]
        assert all(source.from_directory for source in wanted)
        self.asked.append((wanted, list(searches)))
        progress(1)
        return DirectoryRead(
            answered=self.answered, reads={source: self._read(source) for source in wanted}, discoveries=discoveries
        )

    def _discovery(self, search: Search) -> Discovery:
        complete = search in self.found and search not in self.partial
        reasons = () if complete else (f"{SERVER}: size limit",)
        return Discovery(
            found=self.found.get(search, ()),
            complete=complete,
            reasons=reasons,
            causes=frozenset(() if complete else ("limit",)),
        )

    def _read(self, source: Source) -> SourceRead:
        complete = source.value in self.members and source.value not in self.partial
        members, disabled = self.members.get(source.value, ()), self.disabled.get(source.value, ())
        return read(source, *members, complete=complete, disabled=disabled)


@dataclass(kw_only=True)
class FakeStore:
    """An Open-Xchange with users by context, their addresses, groups and accounts."""

    people: dict[int, dict[int, str]] = field(default_factory=dict)
    """Context → user id → login; the address of each is LOGIN@x.org."""
    members: dict[tuple[int, str], GroupRead] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    """Names of contexts beside their numbers."""
    accounts: dict[tuple[int, int, int], Observed] = field(default_factory=dict)
    """By context, user and id."""
    calls: list[tuple[str, object]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)
    """Names of questions that are answered with an error."""
    last: int = 100

    def called(self, name: str) -> list[object]:
        """Give what a method was asked, call by call."""
        return [asked for called, asked in self.calls if called == name]

    def _ask(self, name: str, asked: object) -> None:
        self.calls.append((name, asked))
        if name in self.failing:
            raise StoreError(f"{name} cannot be read")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        return {}

    def users(self, context: int, asked: Asked) -> Known:
        self._ask("users", (context, asked))
        known = self.people.get(context, {})
        by_mail = {f"{login}@x.org": user for user, login in known.items()}
        return Known(
            context=context,
            exists=bool(known),
            by_login={login: user for user, login in known.items() if login in asked.logins},
            found={
                "mail": {text: (by_mail[text],) for text in asked.mails if text in by_mail},
                "id": {str(user): (user,) for user in asked.ids if user in known},
            },
            ids=frozenset(user for user in asked.ids if user in known),
            logins={
                user: login for user, login in known.items() if user in asked.ids or f"{login}@x.org" in asked.mails
            },
        )

    def groups(self, context: int, names: Collection[str]) -> Mapping[str, GroupRead]:
        self._ask("groups", (context, set(names)))
        nobody = GroupRead((), "there is no such group")
        everybody = {(context, "0"): GroupRead(tuple(sorted(self.people.get(context, {}))))}
        return {name: (everybody | self.members).get((context, name), nobody) for name in names}

    def contexts(self) -> Contexts:
        self._ask("contexts", None)
        return Contexts(frozenset(self.people), {**{str(number): number for number in self.people}, **self.names})

    def observe(self, mailboxes: Collection[Mailbox], seals: Mapping[tuple[int, int, int], bytes]) -> Observation:
        self._ask("observe", [mailbox.ref for mailbox in mailboxes])
        accounts: dict[MailboxRef, list[Observed]] = {}
        for one in self.accounts.values():
            accounts.setdefault(MailboxRef(one.context, collation_key(one.address)), []).append(one)
        asked = {mailbox.ref for mailbox in mailboxes}
        return Observation(accounts={ref: tuple(some) for ref, some in accounts.items() if ref in asked}, statements=1)

    def endpoints(self, context: int, users: Collection[int]) -> Mapping[int, tuple[Endpoint, Endpoint | None]]:
        return {}

    def rows(
        self, context: int, accounts: Collection[tuple[int, int]]
    ) -> Mapping[tuple[int, int], Mapping[str, object]]:
        return {}

    def reserve(self, context: int, count: int) -> int:
        self.last += count
        return self.last - count + 1

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        for one in creations:
            box = one.mailbox
            self.accounts[context, one.user, one.account] = Observed(
                context, one.user, one.account, box.address, True, box.account.name, one.fields
            )
        return [Written(one.user, one.account, None, None) for one in creations]

    def update(self, context: int, updates: Sequence[Updating]) -> list[Written]:
        for one in updates:
            place = (context, one.user, one.account)
            self.accounts[place] = self.accounts[place]._replace(fields=one.new)
        return [Written(one.user, one.account, None, None) for one in updates]

    def delete(self, context: int, deletions: Sequence[Deletion]) -> list[Written]:
        for one in deletions:
            self.accounts.pop((context, one.user, one.account), None)
        return [Written(one.user, one.account, None, None) for one in deletions]

    def close(self) -> None:
        """Nothing is open."""

    def holders(self, context: int, address: str) -> set[int]:
        """Give the users who have an account of a mailbox."""
        return {user for (cid, user, _), one in self.accounts.items() if (cid, one.address) == (context, address)}
