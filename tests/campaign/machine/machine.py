"""A machine that lives through random histories: everything happens, in any order, and a judge looks at every run.

Each step is one thing that people, machines or the program do; hypothesis makes up the order and shortens what fails.
After every step the journal has to verify; each run is judged (`judge.py`), also one that is killed; and now and then
all is quiet: then everything has to come right (`quiet.py`), and the run after that must write nothing.

Not covered: the brake and the rollout, ways to write other than SQL, several directories, and two programs at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from syncd.core.model import MailboxRef
from tests.campaign.machine.directory import GROUPS, LIMITS, PEOPLE, Fault
from tests.campaign.machine.history import History, differences
from tests.campaign.machine.model import BOXES, GRACES, SOURCES, Box, edited
from tests.campaign.machine.model import LIMITS as SHARES
from tests.campaign.machine.rows import MAIL, PARTS, TRANSPORT, Place, address, secondary

MINUTES = (1, 31, 24 * 60 + 1, -45)
_person, _group = st.sampled_from(PEOPLE), st.sampled_from([*GROUPS])
_box = st.sampled_from([box.address for box in BOXES])
_hours = st.sampled_from([None, 1, 30])
_fault = st.builds(
    Fault,
    st.sampled_from(["lost", "hiccup", "cut short"]),
    st.sampled_from([1, 1, 2, 3, 4, 5, 6, 8]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from(LIMITS),
)
_moment = st.one_of(
    st.tuples(st.just("commit"), st.integers(1, 12)),
    st.tuples(st.just("write"), st.integers(1, 30) | st.integers(1, 130)),
    st.tuples(st.just("statement"), st.integers(1, 60) | st.integers(1, 300)),
)
"""A run that has much to do has 300 statements, one that has nothing to do 40."""
_kind = st.sampled_from(["secondary", "secondary", "private", "spelled"])
_sources = st.lists(st.sampled_from([*SOURCES]), min_size=1, max_size=2, unique=True).map(tuple)
_exclude = st.lists(st.sampled_from(["interns", "team", "listed", "desk"]), max_size=1).map(tuple)
_edits: st.SearchStrategy[tuple[str, object]] = st.one_of(
    st.tuples(st.just("sources"), _sources),
    st.tuples(st.just("exclude"), _exclude),
    st.tuples(st.just("existing"), st.sampled_from(["adopt", "leave"])),
    st.tuples(st.just("extra"), st.sampled_from(["leave", "remove"])),
    st.tuples(st.just("limits"), st.sampled_from([*SHARES])),
    st.tuples(st.just("grace"), st.sampled_from([*GRACES])),
    st.tuples(st.just("login"), st.sampled_from(["shared", "other"])),
    st.tuples(st.just("password"), st.sampled_from(["", "secret", "another"])),
    st.tuples(st.sampled_from(["sensitive", "staging", "there"]), st.booleans()),
)


class Machine(History):
    """What can happen, as rules of hypothesis."""

    # ------------------------------------------------------------------ the beginning

    @initialize(
        edits=st.lists(st.tuples(_box, _edits), max_size=8),
        ceilings=st.sampled_from([False, False, True]),
        strangers=st.lists(st.tuples(_person, _box, _kind), max_size=3),
        lived=st.sampled_from([True, True, False]),
    )
    def begins(
        self,
        edits: list[tuple[str, tuple[str, object]]],
        ceilings: bool,
        strangers: list[tuple[int, str, str]],
        lived: bool,
    ) -> None:
        """Some accounts and some configuration, mostly of a program that has run before."""
        for stranger in strangers:
            self.somebody_makes_an_account(*stranger)
        if lived:
            self._run()
        for box, (key, value) in edits:
            self.scene.boxes = edited(self.scene.boxes, box, **{key: value})
        self._keep_one()
        self.scene.ceilings = ceilings
        self.scene.reload()

    def _keep_one(self) -> None:
        """A configuration needs a mapping."""
        if not any(box.there for box in self.scene.boxes.values()):
            self.scene.boxes = edited(self.scene.boxes, BOXES[0].address, there=True)

    # ------------------------------------------------------------------ the directory

    @rule(person=_person, group=_group)
    def joins_or_leaves(self, person: int, group: str) -> None:
        """Somebody joins a group, or leaves it."""
        self.scene.tree.join_or_leave(group, self.scene.tree.people[person].dn)

    @rule(inner=_group, outer=_group)
    def group_joins_or_leaves(self, inner: str, outer: str) -> None:
        """A group becomes part of another one, or of itself, or no longer is."""
        self.scene.tree.join_or_leave(outer, self.scene.tree.groups[inner].dn)

    @rule(group=_group, people=st.just([]) | st.lists(_person, max_size=8, unique=True))
    def group_is_filled(self, group: str, people: list[int]) -> None:
        """A group gets other members, or none."""
        self.scene.tree.groups[group].members[:] = [self.scene.tree.people[person].dn for person in people]

    @rule(group=_group)
    def group_vanishes_or_returns(self, group: str) -> None:
        """A group cannot be found, and is found again."""
        self.scene.tree.groups[group].there ^= True

    @rule(person=_person, to=st.sampled_from(["x", "U", "", "other", "own"]), other=_person)
    def uid_changes(self, person: int, to: str, other: int) -> None:
        """The login of somebody in the directory becomes nobody's, somebody else's, is hidden, or is the own again."""
        uid = {"": None, "other": f"u{other}", "own": f"u{person}"}.get(to, f"{to}{person}")
        self.scene.tree.people[person].uid = uid

    @rule(person=_person, new=st.booleans(), context=st.sampled_from([1, 2]))
    def user_is_renamed(self, person: int, new: bool, context: int) -> None:
        """Somebody has another login in Open-Xchange, mostly in the directory too."""
        login = f"n{person}" if new else f"u{person}"
        if person in self.scene.users[context]:
            self.scene.rename(context, person, login)
            self.scene.tree.people[person].uid = login

    @rule(person=_person, branch=st.sampled_from(["people", "moved"]), rdn=st.booleans(), groups=st.booleans())
    def is_moved(self, person: int, branch: str, rdn: bool, groups: bool) -> None:
        """Somebody gets another name in the directory."""
        found = self.scene.tree.people[person]
        self.scene.tree.rename(found, f"r{person}" if rdn else f"u{person}", branch, groups=groups)

    @rule(person=_person, what=st.sampled_from(["disabled", "informed", "informed", "informed", "hidden"]))
    def entry_changes(self, person: int, what: str) -> None:
        """Somebody is disabled, is found by the filter, is hidden, or is not any more."""
        found = self.scene.tree.people[person]
        setattr(found, what, not getattr(found, what))

    @rule(person=_person, flag=st.booleans())
    def vanishes_or_returns(self, person: int, flag: bool) -> None:
        """An entry is deleted, or comes back, maybe as a new one."""
        found = self.scene.tree.people[person]
        if found.there:
            self.scene.tree.vanish(found, groups=flag)
        else:
            self.scene.tree.come_back(found, new=flag)

    @rule()
    def everything_is_found(self) -> None:
        """Nobody and no group is hidden any more."""
        for person in self.scene.tree.people.values():
            person.hidden = False
        for group in self.scene.tree.groups.values():
            group.there = True

    @rule()
    def server_changes(self) -> None:
        """The directory is answered for by another server."""
        self.scene.first ^= True

    # ------------------------------------------------------------------ Open-Xchange

    @rule(user=_person, box=_box, kind=_kind)
    def somebody_makes_an_account(self, user: int, box: str, kind: str) -> None:
        """An account for the address appears: a secondary or private one, or one that equals only by collation."""
        found = self.scene.boxes[box]
        spelled = found.address.replace("o", "ó", 1) if kind == "spelled" else found.address
        if user in self.scene.users[found.context] and len(self._at(found, user)) < 2:
            self.scene.station.stranger(found.context, user, spelled, secondary=int(kind != "private"))

    @rule(user=_person, box=_box, what=st.sampled_from(["login", "url", "smtp", "half", "name", "password", "flag"]))
    def somebody_edits_an_account(self, user: int, box: str, what: str) -> None:
        """An account of the program is changed by hand."""
        place = self._ours(self.scene.boxes[box], user)
        if place is None:
            return
        edits: dict[str, tuple[str, dict[str, object]]] = {
            "login": (MAIL, {"login": "edited"}),
            "url": (MAIL, {"url": "imaps://elsewhere.example:993"}),
            "smtp": (TRANSPORT, {"url": "smtp://elsewhere.example:25"}),
            "name": (MAIL, {"name": "My own name", "personal": "Me"}),
            "password": (MAIL, {"password": "no cipher"}),
            "flag": (TRANSPORT, {"secondary": 0}),
        }
        if what in edits:
            table, values = edits[what]
            self.scene.change(place, table, **values)
        else:
            self.scene.delete(place, TRANSPORT, PARTS[3])

    @rule(user=_person, box=_box, everybody=st.sampled_from([False, False, False, True]))
    def somebody_deletes_accounts(self, user: int, box: str, everybody: bool) -> None:
        """Accounts of a mailbox are deleted by hand: a user's, or all of them, whoever made them."""
        for place, one in self.scene.snapshot().accounts.items():
            mine = place[0] == self.scene.boxes[box].context and address(one).lower() == box
            if mine and secondary(one) and (everybody or place[1] == user):
                self.scene.delete(place)

    @rule(user=_person, context=st.sampled_from([1, 1, 2]), accounts=st.booleans())
    def user_goes_or_comes(self, user: int, context: int, accounts: bool) -> None:
        """A user is deleted from Open-Xchange, accounts and all or not, or made again."""
        if user not in self.scene.users[context]:
            self.scene.hire(context, user)
        elif len(self.scene.users[context]) > 1:
            self.scene.dismiss(context, user, accounts=accounts)

    @rule(user=_person, context=st.sampled_from([1, 2]))
    def desk_changes(self, user: int, context: int) -> None:
        """Somebody joins or leaves the group of Open-Xchange."""
        if user in self.scene.users[context]:
            self.scene.put(context, user)

    # ------------------------------------------------------------------ the configuration

    @rule(box=_box, edit=_edits)
    def configuration_is_edited(self, box: str, edit: tuple[str, object]) -> None:
        """Somebody edits a mapping; the program has not read it yet."""
        self.scene.boxes = edited(self.scene.boxes, box, **{edit[0]: edit[1]})
        self._keep_one()

    @rule(restart=st.booleans())
    def program_reads_it(self, restart: bool) -> None:
        """The program reads its configuration again, or is started again, and runs."""
        if restart:
            self.scene.restart()
        else:
            self.scene.reload()
        self._run()

    @rule(box=_box, edit=_edits)
    def configuration_is_edited_and_read(self, box: str, edit: tuple[str, object]) -> None:
        """Both at once."""
        self.configuration_is_edited(box, edit)
        self.scene.reload()

    # ------------------------------------------------------------------ people decide

    @rule(
        number=st.integers(0, 3), release=st.booleans(), then=st.sampled_from(["", "a day passes", "more may change"])
    )
    def somebody_decides(self, number: int, release: bool, then: str) -> None:
        """A held plan is approved or rejected; the program runs then, maybe much later or with other limits."""
        if not self.scene.program.ledger.held():
            self._run()
        if held := self.scene.program.ledger.held():
            plan = held[number % len(held)]
            self._decide(plan.digest, release=release)
            if then == "a day passes":
                self.scene.now += timedelta(hours=25)
            elif then and plan.ref.key in self.scene.loaded:
                self.configuration_is_edited_and_read(plan.ref.key, ("limits", "lax"))
            self._run()

    @rule(user=_person, box=_box, keep=st.booleans(), hours=_hours)
    def somebody_pins(self, user: int, box: str, keep: bool, hours: int | None) -> None:
        """A person gives a user an account, or takes it, in spite of the groups."""
        found = self.scene.loaded.get(box)
        if found is None or user not in self.scene.users[found.context]:
            return
        until = None if hours is None else self.scene.now + timedelta(hours=hours)
        before = self.scene.snapshot()
        self.scene.register()
        self.scene.pin(found, user, keep=keep, until=until)
        self._only_changed(before, {(found.ref, user)})

    @rule(box=_box)
    def somebody_unpins(self, box: str) -> None:
        """All pins of a mailbox end."""
        found = self.scene.boxes[box]
        self.scene.hand().unpin(found.context, None, found.address)

    @rule(number=st.integers(0, 3), pinning=st.booleans())
    def somebody_undoes(self, number: int, pinning: bool) -> None:
        """A person takes back what one of the last runs did, as far as it lasts, or all of it by pins."""
        ledger, before = self.scene.program.ledger, self.scene.snapshot()
        done = [entry for entry in ledger.history() if entry.run and entry.ref is not None]
        if not done:
            return
        runs = [*dict.fromkeys(entry.run for entry in reversed(done))]
        run = runs[number % len(runs)]
        self.scene.undo(str(run), pinning=pinning)
        self._only_changed(before, {((e.ref[0], e.address), e.user) for e in done if e.run == run and e.ref})

    @rule(box=_box, retire=st.booleans())
    def somebody_decides_about_orphans(self, box: str, retire: bool) -> None:
        """The accounts of a mailbox that left the configuration are deleted, or let go of."""
        found, ledger, before = self.scene.boxes[box], self.scene.program.ledger, self.scene.snapshot()
        owned = {place for user in before.claims.get(found.ref, {}) if (place := before.ours(found.ref, user))}
        if box in self.scene.loaded or not owned:
            return
        if not retire:
            ledger.release("by hand", self.scene.now, MailboxRef(*found.ref))
            return
        self.scene.retire(found.ref)
        after = self.scene.snapshot()
        for place in before.accounts.keys() | after.accounts.keys():
            if before.accounts.get(place) != after.accounts.get(place):
                assert place in owned, (place, before.accounts.get(place), after.accounts.get(place))
                assert place not in after.accounts, place
                self.judge.removed.add(place)

    @rule(box=st.none() | _box, hours=_hours)
    def somebody_pauses(self, box: str | None, hours: int | None) -> None:
        """A mailbox is paused, or everything."""
        until = None if hours is None else self.scene.now + timedelta(hours=hours)
        self.scene.program.ledger.pause(self._ref(box), until, "anna", self.scene.now)

    @rule(box=st.none() | _box)
    def somebody_resumes(self, box: str | None) -> None:
        """A pause ends."""
        self.scene.program.ledger.resume(self._ref(box), "anna", self.scene.now)

    @rule(minutes=st.sampled_from(MINUTES))
    def time_passes(self, minutes: int) -> None:
        """The clock moves on, or is set back, and the program runs."""
        self.scene.now += timedelta(minutes=minutes)
        self._run()

    # ------------------------------------------------------------------ the program runs

    @rule()
    def runs(self) -> None:
        """A run like most."""
        self._run()

    @rule(fault=_fault)
    def runs_with_a_fault(self, fault: Fault) -> None:
        """A run that cannot read everything."""
        self._run(fault)

    @rule(box=_box)
    def runs_for_one(self, box: str) -> None:
        """A run for one mailbox."""
        if box in self.scene.loaded:
            self._run(only=[self.scene.boxes[box].ref])

    @rule(moment=_moment, fault=st.none() | st.none() | _fault)
    def is_killed(self, moment: tuple[str, int], fault: Fault | None) -> None:
        """The program is started again, runs, and is killed at some statement, write or commit."""
        self.scene.now += timedelta(minutes=5)
        before, rejected = self.scene.snapshot(), self.scene.rejected()
        killed = self.scene.die(*moment, fault)
        self.counts["runs killed" if killed else "runs to be killed that ended before"] += 1
        self._judge(before, rejected, None, fault, ())

    @rule()
    def plans(self) -> None:
        """A plan changes nothing, not even what is remembered."""
        before, memory = self.scene.snapshot(), self.scene.memory()
        self.scene.plan()
        assert self.scene.snapshot() == before
        assert not (news := differences(memory, self.scene.memory())), news

    @rule(found=st.booleans(), late=st.booleans())
    def world_is_quiet(self, found: bool, late: bool) -> None:
        """With nothing in the way, all comes right, and then nothing is written; approvals may come too late first."""
        if found:
            self.everything_is_found()
        self._come_to_rest(late=late)

    # ------------------------------------------------------------------ parts

    def _at(self, box: Box, user: int) -> dict[Place, Any]:
        return self.scene.snapshot().at(box.ref, user)

    def _ours(self, box: Box, user: int) -> Place | None:
        return self.scene.snapshot().ours(box.ref, user)

    def _ref(self, box: str | None) -> MailboxRef | None:
        return None if box is None else MailboxRef(*self.scene.boxes[box].ref)
