"""The directory of a campaign and the truth about it: who is a member of what, now and at any time since a moment."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping

from tests.e2e.world import World, entry

SUPPORT, SALES, INFO = "support@mycompany.com", "sales@mycompany.com", "info@mycompany.com"
CONTEXTS: Mapping[str, int] = {SUPPORT: 1, SALES: 1, INFO: 2}
PEOPLE: Mapping[int, str] = {user: f"u{user}" for user in range(11, 35)}
"""Logins by user id, the same in both contexts; others are there too and members of nothing."""
ALWAYS = 11
"""A member of everything, so that no source is ever suddenly empty, which is the guard's business."""


class Town:
    """A tree with people and groups that change, directly at the server, and not as the program sees it.

    support@ is for the group support, in which is the group team, without the group interns; sales@ for the group
    sales; info@ for everybody whose entry says so, found by a filter.
    """

    def __init__(self, world: World, chance: random.Random) -> None:
        self.done: Counter[str] = Counter()
        self._world = world
        self._chance = chance
        self._people = dict.fromkeys(PEOPLE, "people")  # user → the branch that the entry is in
        # whoever is renamed must not be an intern no more for a moment: exclusions are written first
        self._groups: dict[str, set[int]] = {"interns": set(chance.sample(range(ALWAYS + 1, max(PEOPLE)), 2))}
        for name in ("team", "support", "sales"):
            self._groups[name] = {ALWAYS, *chance.sample([*PEOPLE], 8)}
        self._informed = {ALWAYS, *chance.sample([*PEOPLE], 8)}
        self._changed: set[int] = set()
        branch = entry(f"ou=moved,{world.ldap.suffix}", ("objectClass", "organizationalUnit"), ("ou", "moved"))
        world.ldap.add(branch + "".join(self._entry(user) for user in PEOPLE) + "".join(self._group_entries()))
        self.begin()

    # ------------------------------------------------------------------ the truth

    def members(self, mailbox: str) -> frozenset[int]:
        """Give the users who should have a mailbox now."""
        groups = self._groups
        if mailbox == SUPPORT:
            found = (groups["support"] | groups["team"]) - groups["interns"]
        else:
            found = groups["sales"] if mailbox == SALES else self._informed
        return frozenset(found & self._people.keys())

    def begin(self) -> None:
        """Forget what was before this moment."""
        self._changed.clear()
        self._in = {mailbox: set(self.members(mailbox)) for mailbox in CONTEXTS}
        self._out = {mailbox: set(PEOPLE) - self.members(mailbox) for mailbox in CONTEXTS}

    def was_in(self, mailbox: str, user: int) -> bool:
        """Tell whether a user was a member at any time since `begin`."""
        return user in self._in[mailbox]

    def was_out(self, mailbox: str, user: int) -> bool:
        """Tell whether a user was not a member at any time since `begin`."""
        return user in self._out[mailbox]

    # ------------------------------------------------------------------ changing it

    def change(self) -> None:
        """Let one thing happen: somebody joins or leaves, is renamed, goes away or comes back."""
        user = self._chance.choice([user for user in PEOPLE if user != ALWAYS])
        self._happen(user)

    def change_somebody_else(self) -> None:
        """Let one thing happen to somebody to whom nothing has happened since `begin`.

        A read is no snapshot: of who moves from one group to another meanwhile it may rightly see neither.
        """
        user = self._chance.choice([user for user in PEOPLE if user != ALWAYS])
        if user not in self._changed:
            self._happen(user)

    def _happen(self, user: int) -> None:
        self._changed.add(user)
        what = self._chance.choices(["group", "filter", "move", "vanish"], [70, 20, 5, 5])[0]
        if what == "vanish" or user not in self._people:
            self._vanish_or_return(user)
        elif what == "move":
            self._move(user)
        elif what == "filter":
            self._inform(user)
        else:
            self._join_or_leave(self._chance.choices([*self._groups], [10, 15, 40, 35])[0], user)
        for mailbox in CONTEXTS:
            now = self.members(mailbox)
            self._in[mailbox] |= now
            self._out[mailbox] |= set(PEOPLE) - now

    def _join_or_leave(self, group: str, user: int) -> None:
        members = self._groups[group]
        self.done["leaves a group" if user in members else "joins a group"] += 1
        members ^= {user}
        self._write(group)

    def _inform(self, user: int) -> None:
        self.done["stops matching the filter" if user in self._informed else "begins to match the filter"] += 1
        self._informed ^= {user}
        value = "info" if user in self._informed else "none"
        self._modify(f"dn: {self._dn(user)}\nchangetype: modify\nreplace: description\ndescription: {value}\n")

    def _move(self, user: int) -> None:
        branch = "moved" if self._people[user] == "people" else "people"
        parent = f"ou={branch},{self._world.ldap.suffix}"
        text = f"dn: {self._dn(user)}\nchangetype: moddn\nnewrdn: uid={PEOPLE[user]}\ndeleteoldrdn: 1\n"
        self._people[user] = branch
        self._modify(text + f"newsuperior: {parent}\n")  # until the groups follow, they list somebody who is not there
        for group, members in self._groups.items():
            if user in members:
                self._write(group)
        self.done["moves to another branch"] += 1

    def _vanish_or_return(self, user: int) -> None:
        if user not in self._people:
            self._people[user] = "people"
            self._world.ldap.add(self._entry(user))
            self.done["comes back as a new entry"] += 1
            return
        for group, members in self._groups.items():
            if user in members:
                members.discard(user)
                self._write(group)
        self._informed.discard(user)
        self._world.ldap.delete(self._dn(user))
        del self._people[user]
        self.done["goes away"] += 1

    def _write(self, group: str) -> None:
        lines = [f"dn: {self._group_dn(group)}\nchangetype: modify\nreplace: member", *self._member_lines(group)]
        self._modify("\n".join(lines) + "\n")

    def _modify(self, text: str) -> None:
        self._world.ldap.modify(text)

    def _member_lines(self, group: str) -> list[str]:
        members = [self._dn(user) for user in sorted(self._groups[group] & self._people.keys())]
        if group == "support":
            members.append(self._group_dn("team"))
        return [f"member: {dn}" for dn in members or [""]]  # a server wants at least the empty name

    def _dn(self, user: int) -> str:
        return f"uid={PEOPLE[user]},ou={self._people[user]},{self._world.ldap.suffix}"

    def _group_dn(self, group: str) -> str:
        return f"cn={group},{self._world.ldap.groups}"

    def _entry(self, user: int) -> str:
        login = PEOPLE[user]
        lines = [("objectClass", "inetOrgPerson"), ("uid", login), ("cn", login), ("sn", login)]
        return entry(self._dn(user), *lines, ("description", "info" if user in self._informed else "none"))

    def _group_entries(self) -> Iterator[str]:
        for group in self._groups:
            lines = [("objectClass", "groupOfNames"), ("cn", group)]
            members = [tuple(line.split(": ", 1)) for line in self._member_lines(group)]
            yield entry(self._group_dn(group), *lines, *[("member", one[1]) for one in members])
