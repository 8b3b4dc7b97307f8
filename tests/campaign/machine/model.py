"""What is right, as far as one can tell from the configuration, the directory and the users: small, and by itself.

Nothing here is asked of the program. Numbers of limits are written down once more, as the documentation has them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from tests.campaign.machine.directory import PEOPLE, Reading, Seen, Tree
from tests.e2e.station import BASE

SUPPORT, SALES, INFO = "support@mycompany.com", "sales@mycompany.com", "info@mycompany.com"
DESK = 7
"""Id of the group of Open-Xchange."""
IMAP, SMTP = "imap://imap.mycompany.com:143", "smtp://smtp.mycompany.com:25"
Ref = tuple[int, str]
"""Context and address of a mailbox."""


class Grace(NamedTuple):
    """How long removals wait."""

    reads: int
    time: timedelta


GRACES: Mapping[str, tuple[object, Grace]] = {
    "off": ("off", Grace(1, timedelta())),
    "two": ({"reads": 2, "minutes": 0}, Grace(2, timedelta())),
    "half an hour": ({"reads": 2, "minutes": 30}, Grace(2, timedelta(minutes=30))),
    "three": ({"reads": 3, "minutes": 0}, Grace(3, timedelta())),
}
SOURCES: Mapping[str, dict[str, object]] = {
    **{name: {"group": f"cn={name},ou=groups,{BASE}"} for name in ("support", "team", "sales", "interns", "info")},
    "filter": {"filter": "(description=info)"},
    "listed": {"users": ["u9", "u10", "U4"]},
    "desk": {"ox_group": str(DESK)},
}


class Share(NamedTuple):
    """A limit."""

    percent: float
    floor: int
    most: int | None = None

    def allowed(self, base: int) -> int:
        """Give how many may change of so many."""
        many = max(self.floor, int(base * self.percent / 100))
        return many if self.most is None else min(many, self.most)


Limits = Mapping[str, Share]
"""By direction: removals, additions, updates."""
_USUAL = {"removals": Share(30, 3, 200), "additions": Share(0, 1000), "updates": Share(30, 3)}
_SENSITIVE = Share(25, 3, 20)
LIMITS: Mapping[str, tuple[dict[str, Any], dict[str, Share]]] = {
    "usual": ({}, {}),
    "lax": (
        {"removals": {"percent": 100, "floor": 50}, "updates": {"percent": 100, "floor": 50}},
        {"removals": Share(100, 50), "updates": Share(100, 50)},
    ),
    "tight": (
        {"removals": {"percent": 0, "floor": 1}, "updates": {"percent": 0, "floor": 1}, "additions": 6},
        {"removals": Share(0, 1), "updates": Share(0, 1), "additions": Share(0, 6)},
    ),
    "closed": (
        {"removals": {"percent": 0, "floor": 0}, "updates": {"percent": 0, "floor": 0}, "additions": 0},
        {"removals": Share(0, 0), "updates": Share(0, 0), "additions": Share(0, 0)},
    ),
}
CONTEXT: Limits = {"removals": Share(0, 3), "additions": Share(0, 6), "updates": Share(0, 6)}
"""Limits of a context, where there are any."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A mapping of the configuration."""

    address: str
    context: int
    sources: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    existing: str = "adopt"
    extra: str = "leave"
    limits: str = "lax"
    grace: str = "off"
    sensitive: bool = False
    staging: bool = False
    login: str = "shared"
    password: str = ""
    there: bool = True
    """Whether it is in the configuration."""

    @property
    def ref(self) -> Ref:
        """What names the mailbox."""
        return self.context, self.address

    @property
    def meaning(self) -> tuple[object, ...]:
        """What an edit of is a changed configuration."""
        managed = bool(self.password)
        return *map(frozenset, (self.sources, self.exclude)), self.existing, self.extra, self.login, managed

    @property
    def waiting(self) -> Grace:
        """How long its removals wait."""
        return GRACES[self.grace][1]

    def allowed(self, direction: str, base: int) -> int:
        """Give how many changes of a direction pass unasked within a day."""
        written = LIMITS[self.limits][1]
        usual = _SENSITIVE if direction == "additions" and self.sensitive else _USUAL[direction]
        return written.get(direction, usual).allowed(base)

    def mapping(self, secret: Callable[[str, str], object]) -> dict[str, object]:
        """Give it as the configuration has it."""
        account: dict[str, object] = {"name": "Shared", "login": self.login}
        account |= {"mail": {"server": "imap.mycompany.com", "port": 143}}
        account |= {"transport": {"server": "smtp.mycompany.com", "port": 25}}
        if self.password:
            account["password"] = secret(f"password-{self.password}", self.password)
        return {
            "mailbox": self.address,
            "context": self.context,
            "sources": [SOURCES[name] for name in self.sources],
            "exclude": [SOURCES[name] for name in self.exclude],
            "existing": self.existing,
            "extra": self.extra,
            "limits": LIMITS[self.limits][0],
            "grace": GRACES[self.grace][0],
            "sensitive": self.sensitive,
            "mode": "staging" if self.staging else "live",
            "account": account,
        }


BOXES = (
    Box(address=SUPPORT, context=1, sources=("support",), exclude=("interns",), limits="tight"),
    Box(address=SALES, context=1, sources=("sales",), existing="leave", password="secret"),
    Box(address=INFO, context=2, sources=("filter",), extra="remove"),
)


# --------------------------------------------------------------------------- who should have what


class Claim(NamedTuple):
    """What the ledger has of one user and mailbox."""

    account: int
    held: bool
    member: str
    dn: str
    login: str


class Standing(StrEnum):
    """What may become of a user's account."""

    WANTED = "wanted"
    OUT = "not a member, if all was read"
    SURE = "positively out, whatever else was read"
    KEPT = "listed, or there, without being known"


@dataclass(kw_only=True)
class Known:
    """What is known of one mailbox."""

    users: Mapping[int, str]
    wanted: set[int] = field(default_factory=set)
    complete: bool = True
    """Whether all that includes was read."""
    excludes: bool = True
    """Whether all that excludes was read."""
    unresolved: dict[str, Seen] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    excluded_users: set[int] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    dangling: set[str] = field(default_factory=set)
    doubted: set[int] = field(default_factory=set)
    """Those of the wanted who have a name that an exclusion lists without an entry: they need not get anything."""
    kept_out: set[int] = field(default_factory=set)

    def standing(self, user: int, claim: Claim | None) -> Standing:
        """Tell what may become of the account of a user, or of the claim on it."""
        if user in self.kept_out:
            return Standing.SURE
        if user in self.wanted:
            return Standing.WANTED
        if claim is None:
            return self._unclaimed(user)
        disabled = claim.member in self.disabled and claim.member not in self.members
        if disabled or user in self.excluded_users or claim.member in self.excluded:
            return Standing.SURE
        there = claim.member in self.unresolved or claim.dn.lower() in {
            *self.dangling,
            *(one.dn for one in self.unresolved.values()),
        }
        if there or self.names & {claim.login.lower(), _first(claim.dn.lower())}:
            return Standing.KEPT
        return Standing.OUT

    @property
    def names(self) -> set[str]:
        """The names of those who are listed without an entry."""
        return {_first(dn) for dn in self.dangling}

    def _unclaimed(self, user: int) -> Standing:
        listed = self.users.get(user, "").lower() in self.names
        return Standing.KEPT if self.unresolved or listed else Standing.OUT


@dataclass(frozen=True, kw_only=True)
class World:
    """All that decides who should have what."""

    tree: Tree
    users: Mapping[int, Mapping[int, str]]
    """Logins by user id, by context."""
    desk: Mapping[int, Collection[int] | None]
    """Members of the group of Open-Xchange by context; None = there is no such group."""
    pins: Mapping[Ref, Mapping[int, bool]]
    """Who is kept, or kept out, by mailbox and user."""

    def known(self, box: Box, *, blind: bool = False) -> Known:
        """Tell what there is to be known of a mailbox; `blind` = the directory is not to be read at all."""
        users = self.users[box.context]
        included = [self.read(name, box.context, blind=blind) for name in box.sources]
        excluded = [self.read(name, box.context, blind=blind) for name in box.exclude]
        out = {**_united(one.members for one in excluded), **_united(one.disabled for one in excluded)}
        found = Known(
            users=users,
            complete=all(one.complete for one in included),
            excludes=all(one.complete for one in excluded),
            excluded={*out},
            excluded_users={user for seen in out.values() if (user := _user(seen, users)) is not None},
            disabled={*_united(one.disabled for one in included)},
            dangling={dn for one in included for dn in one.dangling},
        )
        barred = {_first(dn).lower() for one in excluded for dn in one.dangling}
        lost = [seen for seen in out.values() if _user(seen, users) is None]
        veiled = {name.lower() for seen in lost for name in (seen.login or "", _first(seen.dn))} - {""}
        for seen in _united(one.members for one in included).values():
            found.members.add(seen.id)
            if seen.id in out:
                continue
            user = _user(seen, users)
            if user is None:
                found.unresolved[seen.id] = seen
            else:
                found.wanted.add(user)
                by_hand = seen.id.startswith(("login:", "ox:"))
                names = {users.get(user, "").lower(), (seen.login or "").lower(), _first(seen.dn).lower()}
                if names & (barred | veiled if by_hand else barred):
                    found.doubted.add(user)
        found.wanted -= found.excluded_users
        for user, keep in self.pins.get(box.ref, {}).items():
            if not keep:
                found.kept_out.add(user)
                found.wanted.discard(user)
            elif user in users:
                found.wanted.add(user)
                found.doubted.discard(user)
        return found

    def read(self, name: str, context: int, *, blind: bool = False) -> Reading:
        """Tell what there is to be read of a source; `blind` as of `known`."""
        if name == "listed":
            logins: Any = SOURCES["listed"]["users"]
            return Reading(members={f"login:{one}": Seen(f"login:{one}", f"login={one}", one) for one in logins})
        if name == "desk":
            here = self.desk[context]
            ids = {f"ox:{context}/{user}": user for user in here or () if user in self.users[context]}
            members = {key: Seen(key, f"oxuserid={user}", None, user) for key, user in ids.items()}
            return Reading(members=members, complete=here is not None)
        if blind:
            return Reading(complete=False)
        return self.tree.informed() if name == "filter" else self.tree.group(name)


def from_directory(names: Iterable[str]) -> bool:
    """Tell whether the directory is asked for any of these sources."""
    return any(name not in {"listed", "desk"} for name in names)


def _united(several: Iterable[Mapping[str, Seen]]) -> dict[str, Seen]:
    return {key: seen for one in several for key, seen in one.items()}


def _user(seen: Seen, users: Mapping[int, str]) -> int | None:
    if seen.user is not None:
        return seen.user
    return next((user for user, login in users.items() if login == seen.login), None)


def _first(dn: str) -> str:
    return dn.partition(",")[0].partition("=")[2]


def edited(boxes: Mapping[str, Box], address: str, **parts: object) -> dict[str, Box]:
    """Give the configuration with one mapping changed."""
    return {**boxes, address: replace(boxes[address], **parts)}  # type: ignore[arg-type]


USERS = {context: {number: f"u{number}" for number in PEOPLE} for context in (1, 2)}
