"""Applying: the order in which changes are made, the brake, and what is noted without a change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from syncd.apply import SLICES, Writer, _batches, _braked
from syncd.core.changes import Adoption, Change, Direction, Judgement, MailboxPlan, Objection, Op, Outcome
from syncd.core.model import Claim, Mailbox
from syncd.errors import StoreUnavailable
from syncd.ledger.ledger import Ledger
from syncd.ledger.values import LedgerOptions
from syncd.openxchange.base import AccountStore, Creation, Deletion, Updating, Written
from tests.core.strategies import ADDRESS, NOON, RIGHT, WRONG, claim, mailbox
from tests.fakes import FakeStore
from tests.ledger.making import change

BOX = mailbox()
SECRET = mailbox(address="secret@mycompany.com", key="secret@mycompany.com", sensitive=True)
ELSEWHERE = mailbox(context=2)
WHY = "db did not answer"


@dataclass(kw_only=True)
class NotedStore(FakeStore):
    """A store that notes what is written, in order."""

    written: list[tuple[int, str, list[int]]] = field(default_factory=list)
    """Context, operation and users of each batch."""
    refused: Collection[int] = ()
    losing: str = ""
    """The operation at which the connection is lost."""

    def refusals(self, contexts: Collection[int]) -> Mapping[int, str]:
        """Refuse what is told."""
        return {context: "it moves" for context in contexts if context in self.refused}

    def _note(self, context: int, op: str, batch: Sequence[Creation] | Sequence[Updating] | Sequence[Deletion]) -> None:
        if op == self.losing:
            raise StoreUnavailable(WHY)
        self.written.append((context, op, [one.user for one in batch]))

    def create(self, context: int, creations: Sequence[Creation]) -> list[Written]:
        """Note it."""
        self._note(context, "create", creations)
        return super().create(context, creations)

    def update(self, context: int, updates: Sequence[Updating]) -> list[Written]:
        """Note it."""
        self._note(context, "update", updates)
        return [Written(one.user, one.account, None, None) for one in updates]

    def delete(self, context: int, deletions: Sequence[Deletion]) -> list[Written]:
        """Note it."""
        self._note(context, "delete", deletions)
        return super().delete(context, deletions)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that knows the mailboxes and in which a run has begun."""
    with Ledger.open(LedgerOptions(url=f"sqlite:///{tmp_path}/ledger.db", lock_timeout=0.2)) as opened:
        opened.register([(box.ref, box.address) for box in (BOX, SECRET, ELSEWHERE)])
        opened.begin("r1", "sync", NOON)
        yield opened


def todo(op: Op, *users: int, box: Mailbox = BOX) -> list[Change]:
    """Give changes of these users' accounts."""
    old, new = (None if op is Op.CREATE else WRONG), (None if op is Op.DELETE else RIGHT)
    account = None if op is Op.CREATE else 20
    return [
        Change(
            op=op, context=box.context, user=user, login=f"user{user}", mailbox=box.address, account=account,
            member=f"id-{user}", dn=f"uid=user{user},dc=x", old=old, new=new,
        )
        for user in users
    ]  # fmt: skip


def judged(*changes: Change, box: Mailbox = BOX, **parts: object) -> Judgement:
    """Give what the guard says of a plan."""
    told = {name: parts.pop(name) for name in ("held", "idle", "objections") if name in parts}
    plan = MailboxPlan(mailbox=box, complete=True, changes=changes, **parts)  # type: ignore[arg-type]
    return Judgement(plan=plan, **told)  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Desk:
    """A writer with all that it writes to."""

    ledger: Ledger
    store: NotedStore = field(default_factory=NotedStore)
    pauses: list[int] = field(default_factory=list)
    """How much was written before each pause."""
    stop_at: int = 99
    """The pause during which the run is stopped."""

    def apply(self, *judgements: Judgement, **parts: object) -> tuple[Outcome, ...]:
        """Write, and remember the writer."""
        self.writer = Writer(
            store=cast("AccountStore", self.store),
            ledger=self.ledger,
            run="r1",
            clock=lambda: NOON,
            pause=self._pause,
            stop=lambda: len(self.pauses) >= self.stop_at,
            **parts,  # type: ignore[arg-type]
        )
        return self.writer.apply(judgements)

    def _pause(self, seconds: float) -> None:
        assert seconds == 60
        self.pauses.append(sum(len(users) for _, _, users in self.store.written))


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    """A writer's desk with an empty store."""
    return Desk(ledger=ledger)


def results(outcomes: Sequence[Outcome]) -> list[str]:
    """Give the result of each."""
    return [one.result for one in outcomes]


# --------------------------------------------------------------------------- order


def test_revocations_come_first_and_batches_have_one_operation() -> None:
    """All deletes come before updates, those before creates; no batch is larger than asked for."""
    mixed = [change(op, user) for user in (3, 4, 5) for op in (Op.CREATE, Op.UPDATE, Op.DELETE)]
    batches = [(context, op, [one.user for one in some]) for context, op, some in _batches(mixed, 2)]
    assert batches == [(1, op, users) for op in (Op.DELETE, Op.UPDATE, Op.CREATE) for users in ([3, 4], [5])]


def test_revocations_of_sensitive_mailboxes_come_before_all_others(desk: Desk) -> None:
    """Of a sensitive mailbox deletes are made first of all, in every context; the rest of it has no privilege."""
    other = replace(SECRET, context=2)
    plans = [
        judged(*todo(Op.DELETE, 3), *todo(Op.UPDATE, 4), *todo(Op.CREATE, 5)),
        judged(*todo(Op.DELETE, 6, box=SECRET), *todo(Op.CREATE, 7, box=SECRET), box=SECRET),
        judged(*todo(Op.DELETE, 8, box=ELSEWHERE), box=ELSEWHERE),
        judged(*todo(Op.DELETE, 9, box=other), *todo(Op.UPDATE, 3, box=other), box=other),
    ]
    desk.ledger.register([(one.plan.mailbox.ref, one.plan.mailbox.address) for one in plans])
    outcomes = desk.apply(*plans)
    assert results(outcomes) == ["applied"] * 8
    assert desk.store.written == [
        (1, "delete", [6]),
        (2, "delete", [9]),
        (1, "delete", [3]),
        (2, "delete", [8]),
        (1, "update", [4]),
        (2, "update", [3]),
        (1, "create", [5, 7]),
    ]


def test_the_same_address_in_another_context_is_not_sensitive() -> None:
    """What is sensitive is a mailbox, by context and address."""
    deletes = [*todo(Op.DELETE, 3), *todo(Op.DELETE, 4, box=ELSEWHERE)]
    order = [context for context, _, _ in _batches(deletes, 10, {(2, ADDRESS)})]
    assert order == [2, 1]


# --------------------------------------------------------------------------- the brake

USERS = tuple(range(100, 120))


@pytest.mark.parametrize(
    ("deletes", "updates", "creates", "brake", "expected"),
    [
        pytest.param(3, 3, 3, None, (3, 3, 3), id="no brake"),
        pytest.param(0, 5, 5, 2, (0, 5, 5), id="all of it fits"),
        pytest.param(0, 5, 6, 2, (0, 5, 5), id="one too many"),
        pytest.param(0, 0, 20, 1, (0, 0, 5), id="creates alone"),
        pytest.param(0, 8, 8, 1, (0, 5, 0), id="repairs come first"),
        pytest.param(20, 3, 3, 1, (20, 3, 2), id="removals are never braked"),
    ],
)
def test_a_run_makes_what_its_minutes_let_pass(
    deletes: int, updates: int, creates: int, brake: int | None, expected: tuple[int, int, int]
) -> None:
    """With a brake some minutes' worth of repairs and new accounts is made, repairs first; the rest is counted."""
    changes = [
        *todo(Op.CREATE, *USERS[:creates]),
        *todo(Op.DELETE, *USERS[:deletes]),
        *todo(Op.UPDATE, *USERS[:updates]),
    ]
    now, left = _braked(changes, brake)
    assert tuple(sum(one.op is op for one in now) for op in (Op.DELETE, Op.UPDATE, Op.CREATE)) == expected
    assert left == len(changes) - len(now)
    assert [one for one in changes if one in now] == now
    assert SLICES == 5


def test_equal_changes_are_left_one_by_one() -> None:
    """What is left is counted by changes, also where two of them look alike."""
    twice = [one for _ in range(10) for one in todo(Op.CREATE, 4)]
    now, left = _braked(twice, 1)
    assert (len(now), left) == (5, 5)


@pytest.mark.parametrize(
    ("creates", "brake", "spent", "batches", "pauses"),
    [
        pytest.param(6, None, 0, [6], [], id="no brake"),
        pytest.param(6, 6, 0, [6], [], id="a minute's worth"),
        pytest.param(7, 6, 0, [6, 1], [6], id="one more"),
        pytest.param(6, 2, 0, [2, 2, 2], [2, 4], id="three minutes"),
        pytest.param(2, 6, 4, [2], [], id="what was left of this minute"),
        pytest.param(3, 6, 4, [3], [0], id="not enough left of it"),
        pytest.param(2, 6, 9, [2], [0], id="more spent than there is"),
        pytest.param(11, 2, 0, [2, 2, 2, 2, 2], [2, 4, 6, 8], id="the rest is left to the next run"),
    ],
)
def test_a_minute_passes_before_more_is_written(
    desk: Desk, creates: int, brake: int | None, spent: int, batches: list[int], pauses: list[int]
) -> None:
    """No minute sees more repairs and new accounts than the brake lets pass, those of the run before counted."""
    outcomes = desk.apply(judged(*todo(Op.CREATE, *USERS[:creates])), brake=brake, spent=spent)
    assert [len(users) for _, _, users in desk.store.written] == batches
    assert desk.pauses == pauses
    assert results(outcomes) == ["applied"] * sum(batches)
    assert desk.writer.deferred == creates - sum(batches)
    assert desk.writer.errors == []


def test_small_batches_share_a_minute(desk: Desk) -> None:
    """Batches of several contexts and operations count together."""
    plans = [
        judged(*todo(Op.UPDATE, 3, 4)),
        judged(*todo(Op.CREATE, 5, box=ELSEWHERE), *todo(Op.UPDATE, 6, box=ELSEWHERE), box=ELSEWHERE),
    ]
    desk.apply(*plans, brake=3)
    assert desk.store.written == [(1, "update", [3, 4]), (2, "update", [6]), (2, "create", [5])]
    assert desk.pauses == [3]


def test_removals_wait_for_no_minute(desk: Desk) -> None:
    """However many there are, revocations are made at once and use up nothing."""
    outcomes = desk.apply(judged(*todo(Op.DELETE, *USERS), *todo(Op.CREATE, 3, 4)), brake=2)
    assert results(outcomes) == ["applied"] * 22
    assert desk.pauses == []
    assert desk.writer.deferred == 0


def test_a_run_that_is_stopped_while_it_waits_writes_nothing_more(desk: Desk) -> None:
    """What was not made when the stop came has failed with that reason, and no further minute is waited for."""
    desk.stop_at = 2
    outcomes = desk.apply(judged(*todo(Op.CREATE, *USERS[:8])), brake=2)
    assert desk.store.written == [(1, "create", [100, 101]), (1, "create", [102, 103])]
    assert desk.pauses == [2, 4]
    assert results(outcomes) == ["applied"] * 4 + ["failed"] * 4
    assert {one.error for one in outcomes[4:]} == {f"not done: {desk.writer.errors[0]}"}
    assert desk.writer.errors == ["the run was stopped before all changes were made; the next run goes on"]


@pytest.mark.parametrize("trouble", [{"losing": "update"}, {"refused": {1}}])
def test_nobody_waits_for_what_cannot_be_written(desk: Desk, trouble: dict[str, object]) -> None:
    """Where the database is lost, or nothing may be written to a context, no minute is waited for in vain."""
    desk.store = NotedStore(**trouble)  # type: ignore[arg-type]
    outcomes = desk.apply(judged(*todo(Op.UPDATE, *USERS[:8])), brake=2)
    assert results(outcomes) == ["failed"] * 8
    assert desk.pauses == []


def test_what_is_not_written_uses_up_nothing(desk: Desk) -> None:
    """A context that refuses leaves the whole minute to the others."""
    desk.store.refused = {1}
    desk.apply(judged(*todo(Op.CREATE, 3, 4)), judged(*todo(Op.CREATE, 5, 6, box=ELSEWHERE), box=ELSEWHERE), brake=2)
    assert desk.store.written == [(2, "create", [5, 6])]
    assert desk.pauses == []


def test_progress_is_told_of_what_is_made_now(desk: Desk) -> None:
    """What the brake leaves to the next run is not waited for by who watches this one."""
    told: list[tuple[int, int]] = []
    desk.apply(judged(*todo(Op.CREATE, *USERS[:8])), brake=1, progress=lambda done, every: told.append((done, every)))
    assert told == [(number, 5) for number in range(1, 6)]


# --------------------------------------------------------------------------- what is noted without a change

ADOPTED = Adoption(6, "dora", 30, "id-dora", "uid=dora", (), None)
VANISHED = Objection(limit="vanished", directions=frozenset(Direction), value=4, allowed=3, message="")
NEWS: dict[str, object] = {
    "recovered": (claim(4),),
    "adopted": (ADOPTED,),
    "forgotten": (5,),
    "refreshed": (claim(7)._replace(login="new"),),
}


def owned(ledger: Ledger) -> dict[int, Claim]:
    """Give the claims of support@."""
    return dict(ledger.claims().get(BOX.ref, {}))


@pytest.fixture
def claiming(desk: Desk) -> Desk:
    """A desk in whose ledger 5 and 7 have held claims; 4's is pending."""
    desk.apply(judged(*todo(Op.CREATE, 5, 7)))
    desk.store.losing = "create"
    desk.apply(judged(*todo(Op.CREATE, 4)))
    desk.store.losing = ""
    desk.store.written.clear()
    assert {user: one.held for user, one in owned(desk.ledger).items()} == {5: True, 7: True, 4: False}
    return desk


@pytest.mark.parametrize(
    ("parts", "held", "taken", "given_up"),
    [
        pytest.param({}, True, True, True, id="nothing against it"),
        pytest.param({"held": frozenset({Direction.ADDITIONS})}, True, False, True, id="additions held"),
        pytest.param({"held": frozenset({Direction.REMOVALS})}, True, True, True, id="removals held"),
        pytest.param(
            {"held": frozenset(Direction), "objections": (VANISHED,)}, False, False, False, id="accounts vanished"
        ),
        pytest.param({"idle": "paused"}, True, False, False, id="idle"),
    ],
)
def test_news_of_claims_are_noted_unless_they_are_doubtful(
    claiming: Desk, parts: dict[str, object], *, held: bool, taken: bool, given_up: bool
) -> None:
    """Recovered claims, adoptions and ended claims go to the ledger; an idle mailbox neither gets nor loses one."""
    pending = owned(claiming.ledger)[4]
    news = NEWS | {"recovered": (pending._replace(held=True),)}
    assert claiming.apply(judged(**news, **parts)) == ()
    claims = owned(claiming.ledger)
    assert claims[4].held is held
    assert (6 in claims) is taken
    assert (5 not in claims) is given_up
    assert claiming.store.written == []


def test_an_idle_mailbox_is_not_written_to(desk: Desk) -> None:
    """Changes of a mailbox that is paused are not made, those of another one are."""
    paused = judged(*todo(Op.DELETE, 3), *todo(Op.CREATE, 4, box=SECRET), box=SECRET, idle="paused")
    outcomes = desk.apply(paused, judged(*todo(Op.CREATE, 5)))
    assert [one.change.user for one in outcomes] == [5]
    assert desk.store.written == [(1, "create", [5])]
    assert desk.ledger.claims().get(SECRET.ref) is None
