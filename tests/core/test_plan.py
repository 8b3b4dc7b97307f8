"""The decision table of core.plan: one test for each row, then the digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from syncd.core.accounts import wanted
from syncd.core.changes import Change, Direction, MailboxPlan, Op
from syncd.core.digest import digest
from syncd.core.guard import judge
from syncd.core.model import Claim, Endpoint, Observed, Secret, Users
from syncd.core.plan import EXCLUSION_UNKNOWN, INCLUSION_UNKNOWN
from syncd.core.reads import SourceRead
from tests.core.strategies import (
    ACCENTED,
    ADDRESS,
    BARRED,
    COPIED,
    EXPLICIT,
    IMAP,
    LOGINS,
    NEVER,
    OTHER_CASE,
    RIGHT,
    SMTP,
    SUPPORT,
    WRONG,
    World,
    claim,
    dn_of,
    known_by,
    mailbox,
    member,
    observed,
    read,
    users,
)

BERTA = member("berta")
IN = (read(SUPPORT, BERTA), read(BARRED))
OUT = (read(SUPPORT, member("carol")), read(BARRED))
BARRED_UNKNOWN = (read(SUPPORT, BERTA), read(BARRED, complete=False))
HELD, PENDING = claim(4), claim(4, held=False)
OURS, OTHER, THIRD = observed(4, 20), observed(4, 30), observed(4, 31)
PRIVATE, PRIMARY = observed(4, 30, secondary=False), observed(4, 0, secondary=False)
COLLATION = observed(4, 20, address=ACCENTED)


def planned(
    reads: Sequence[SourceRead],
    stored: Sequence[Observed] = (),
    owned: Claim | None = None,
    world: World | None = None,
    **box: object,
) -> MailboxPlan:
    """Plan for a world in which carol, where she is a member, has her right account."""
    carol = any("id-carol" in one.members for one in reads)
    return replace(
        world or World(),
        mailbox=mailbox(**box),
        reads=reads,
        stored=(*stored, *([observed(5, 25)] if carol else [])),
        claims=({4: owned} if owned else {}) | ({5: claim(5, 25)} if carol else {}),
    ).plan()


def story(plan: MailboxPlan) -> dict[str, object]:
    """Tell what a plan does, and does not do, to user 4; empty parts are left out."""
    told = {
        "changes": [(change.op.value, change.account) for change in plan.changes if change.user == 4],
        "adopted": [adoption.account for adoption in plan.adopted if adoption.user == 4],
        "conflicts": [notice.account for notice in plan.conflicts if notice.user == 4],
        "withheld": [(notice.op, notice.account) for notice in plan.withheld if notice.user == 4],
        "waiting": [(notice.op, notice.account) for notice in plan.waiting if notice.user == 4],
        "forgotten": [user for user in plan.forgotten if user == 4],
        "recovered": [one.account for one in plan.recovered if one.user == 4],
        "missing": plan.missing,
        "extras": plan.extras,
    }
    return {name: value for name, value in told.items() if value}


def reasons(plan: MailboxPlan) -> str:
    """Give all reasons that a plan names, as one text."""
    noticed = [*plan.withheld, *plan.conflicts, *plan.waiting, *plan.drift]
    return " | ".join([*(notice.reason for notice in noticed), *(change.reason for change in plan.changes)])


# --------------------------------------------------------------------------- users who should have the mailbox

SHOULD = [
    pytest.param([COLLATION], HELD, {"conflicts": [20]}, "for the database only", id="collation only, ours"),
    pytest.param([COLLATION], PENDING, {"conflicts": [20]}, "for the database only", id="collation only, pending"),
    pytest.param([COLLATION], None, {"conflicts": [20]}, "for the database only", id="collation only, unclaimed"),
    pytest.param(
        [COLLATION._replace(id=30)], HELD, {"conflicts": [30], "forgotten": [4]}, "not ours", id="collation only, other"
    ),
    pytest.param(
        [OURS, COLLATION._replace(id=30)], HELD, {"conflicts": [30]}, "not ours", id="ours and collation only"
    ),
    pytest.param([PRIVATE], None, {"conflicts": [30]}, "an own account", id="private, unclaimed"),
    pytest.param([PRIVATE], HELD, {"conflicts": [30], "forgotten": [4]}, "an own account", id="private, other id"),
    pytest.param(
        [PRIVATE._replace(id=20)], HELD, {"conflicts": [20], "forgotten": [4]}, "an own account", id="private, our id"
    ),
    pytest.param([PRIMARY], None, {"conflicts": [0]}, "primary account", id="primary, unclaimed"),
    pytest.param([PRIMARY._replace(secondary=True)], None, {"conflicts": [0]}, "primary", id="id 0 is the primary one"),
    pytest.param([OURS, PRIMARY], HELD, {"conflicts": [0]}, "primary account", id="ours and primary"),
    pytest.param([OURS, PRIVATE], HELD, {"conflicts": [30]}, "an own account", id="ours and private"),
    pytest.param([OURS], HELD, {}, "", id="ours, held, right"),
    pytest.param(
        [observed(4, 20, fields=WRONG)], HELD, {"changes": [("update", 20)]}, "differs", id="ours, held, wrong"
    ),
    pytest.param([OURS], PENDING, {"recovered": [20]}, "", id="ours, pending, right"),
    pytest.param(
        [observed(4, 20, fields=WRONG)],
        PENDING,
        {"recovered": [20], "changes": [("update", 20)]},
        "differs",
        id="ours, pending, wrong",
    ),
    pytest.param([OTHER], None, {"adopted": [30]}, "", id="another id, unclaimed, right"),
    pytest.param([OTHER], HELD, {"adopted": [30]}, "", id="another id, held"),
    pytest.param([OTHER], PENDING, {"adopted": [30]}, "", id="another id, pending"),
    pytest.param(
        [observed(4, 30, fields=WRONG)],
        None,
        {"adopted": [30], "changes": [("update", 30)]},
        "differs",
        id="another id, unclaimed, wrong",
    ),
    pytest.param([OURS, OTHER], HELD, {"conflicts": [30]}, "several accounts", id="two accounts, one ours"),
    pytest.param(
        [observed(4, 20, fields=WRONG), PRIVATE],
        HELD,
        {"conflicts": [30], "changes": [("update", 20)]},
        "an own account",
        id="ours, wrong, and private",
    ),
    pytest.param([OTHER, OURS], HELD, {"conflicts": [30]}, "several accounts", id="two accounts, the second ours"),
    pytest.param([OTHER, THIRD], None, {"conflicts": [31]}, "several accounts", id="two accounts, none ours"),
    pytest.param([], None, {"changes": [("create", None)]}, "a member", id="nothing, unclaimed"),
    pytest.param([], HELD, {"changes": [("create", None)], "missing": 1}, "a member", id="nothing, held"),
    pytest.param([], PENDING, {"changes": [("create", None)]}, "a member", id="nothing, pending"),
]


@pytest.mark.parametrize(("stored", "owned", "expected", "words"), SHOULD)
def test_a_user_who_should_have_it(
    stored: list[Observed], owned: Claim | None, expected: dict[str, object], words: str
) -> None:
    """Each row of the first table has its outcome and its reason, and nothing else."""
    plan = planned(IN, stored, owned)
    assert story(plan) == expected
    assert words in reasons(plan)


@pytest.mark.parametrize("owned", [None, HELD, PENDING])
def test_existing_leave_makes_an_account_of_another_id_a_conflict(owned: Claim | None) -> None:
    """With `existing: leave` an account that is not ours stays untouched, and a claim without account ends."""
    plan = planned(IN, [observed(4, 30, fields=WRONG)], owned, existing="leave")
    assert story(plan) == {"conflicts": [30]} | ({"forgotten": [4]} if owned else {})
    assert "existing: leave" in reasons(plan)


def test_existing_leave_still_repairs_ours() -> None:
    """`existing: leave` is about accounts of others, not about ours."""
    assert story(planned(IN, [observed(4, 20, fields=WRONG)], HELD, existing="leave")) == {"changes": [("update", 20)]}


@pytest.mark.parametrize(("configured", "address"), [
    (ADDRESS, OTHER_CASE), (ADDRESS, ADDRESS + "  "), (OTHER_CASE, ADDRESS),
])  # fmt: skip
@pytest.mark.parametrize("owned", [HELD, None])
def test_letter_case_and_trailing_blanks_are_the_same_address(
    configured: str, address: str, owned: Claim | None
) -> None:
    """What differs by letter case or trailing blanks only is the mailbox's address."""
    plan = planned(IN, [observed(4, 20, address=address)], owned, address=configured)
    assert story(plan) == ({} if owned else {"adopted": [20]})


@pytest.mark.parametrize(
    ("stored", "owned", "expected"),
    [
        pytest.param([], None, {"withheld": [("create", None)]}, id="create"),
        pytest.param([], HELD, {"withheld": [("create", None)], "missing": 1}, id="create again"),
        pytest.param([OTHER], None, {"withheld": [("adopt", 30)]}, id="adopt"),
        pytest.param([observed(4, 30, fields=WRONG)], None, {"withheld": [("adopt", 30)]}, id="adopt and update"),
        pytest.param([OURS], HELD, {}, id="ours stays"),
        pytest.param([observed(4, 20, fields=WRONG)], HELD, {"changes": [("update", 20)]}, id="ours is repaired"),
        pytest.param([OURS], PENDING, {"recovered": [20]}, id="ours is recovered"),
    ],
)
def test_an_incomplete_exclusion_withholds_creates_and_adoptions(
    stored: list[Observed], owned: Claim | None, expected: dict[str, object]
) -> None:
    """Nobody gets an account while it is not known who is excluded; who has one keeps it, repaired."""
    plan = planned(BARRED_UNKNOWN, stored, owned)
    assert story(plan) == expected
    assert all(notice.reason == EXCLUSION_UNKNOWN for notice in plan.withheld)
    assert not plan.complete


def test_an_incomplete_inclusion_withholds_no_create() -> None:
    """Who was read as a member gets the mailbox even if others could not be read."""
    plan = planned((read(SUPPORT, BERTA, complete=False), read(BARRED)))
    assert story(plan) == {"changes": [("create", None)]}
    assert not plan.complete
    assert plan.reasons == (f"{SUPPORT}: size limit",)


def test_waiting_concerns_removals_only() -> None:
    """Another directory server makes removals wait, neither creates nor updates."""
    assert story(planned(IN, world=World(wait="why"))) == {"changes": [("create", None)]}


# --------------------------------------------------------------------------- users who should not

SHOULD_NOT = [
    pytest.param([OURS], HELD, {"changes": [("delete", 20)]}, "no longer a member", id="ours, held"),
    pytest.param(
        [OURS], PENDING, {"recovered": [20], "changes": [("delete", 20)]}, "no longer a member", id="ours, pending"
    ),
    pytest.param([], HELD, {"forgotten": [4], "missing": 1}, "", id="nothing, held"),
    pytest.param([], PENDING, {"forgotten": [4]}, "", id="nothing, pending"),
    pytest.param([OTHER], HELD, {"forgotten": [4], "missing": 1}, "", id="another id, held"),
    pytest.param([OTHER], PENDING, {"forgotten": [4]}, "", id="another id, pending"),
    pytest.param([PRIVATE._replace(id=20)], HELD, {"forgotten": [4], "missing": 1}, "", id="private with our id, held"),
    pytest.param([COLLATION], HELD, {"withheld": [("delete", 20)]}, "for the database only", id="collation only, ours"),
    pytest.param([OTHER, OURS], HELD, {"changes": [("delete", 20)]}, "", id="two accounts, one ours"),
    pytest.param([OTHER], None, {}, "", id="unclaimed"),
]


@pytest.mark.parametrize(("stored", "owned", "expected", "words"), SHOULD_NOT)
def test_a_user_who_should_not_have_it(
    stored: list[Observed], owned: Claim | None, expected: dict[str, object], words: str
) -> None:
    """Each row of the second table has its outcome with `extra: leave`."""
    plan = planned(OUT, stored, owned)
    assert story(plan) == expected
    assert words in reasons(plan)


EXTRA = [
    pytest.param([OTHER], None, {"changes": [("delete", 30)], "extras": 1}, id="unclaimed"),
    pytest.param([OTHER, THIRD], None, {"changes": [("delete", 30), ("delete", 31)], "extras": 2}, id="two unclaimed"),
    pytest.param(
        [OURS, OTHER], HELD, {"changes": [("delete", 20), ("delete", 30)], "extras": 1}, id="ours and an unclaimed one"
    ),
    pytest.param(
        [OTHER], HELD, {"changes": [("delete", 30)], "extras": 1, "forgotten": [4], "missing": 1}, id="claim gone"
    ),
    pytest.param([PRIVATE], None, {}, id="private"),
    pytest.param([PRIMARY], None, {}, id="primary"),
    pytest.param([PRIMARY._replace(secondary=True)], None, {}, id="id 0 is the primary one, whatever its flag"),
    pytest.param([COLLATION], None, {"conflicts": [20]}, id="collation only"),
]


@pytest.mark.parametrize(("stored", "owned", "expected"), EXTRA)
def test_extra_remove_takes_unclaimed_secondary_accounts(
    stored: list[Observed], owned: Claim | None, expected: dict[str, object]
) -> None:
    """With `extra: remove` only secondary accounts at exactly this address go, and never twice."""
    assert story(planned(OUT, stored, owned, extra="remove")) == expected


def test_extra_remove_spares_desired_users() -> None:
    """A user who should have the mailbox loses no account by `extra: remove`."""
    assert story(planned(IN, [OURS, OTHER], HELD, extra="remove")) == {"conflicts": [30]}


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        pytest.param((read(SUPPORT, complete=False), read(BARRED)), INCLUSION_UNKNOWN, id="incomplete"),
        pytest.param((read(SUPPORT, member("x", logins=())), read(BARRED)), "might be this one", id="unresolved"),
        pytest.param((read(SUPPORT, dangling=["memberuid=Berta"]), read(BARRED)), "still listed", id="memberUid"),
        pytest.param((read(SUPPORT, dangling=[dn_of("berta")]), read(BARRED)), "still listed", id="dangling"),
    ],
)
def test_extra_remove_is_withheld_where_the_user_may_be_a_member(reads: Sequence[SourceRead], words: str) -> None:
    """An unclaimed account stays while a source is incomplete or a member may stand for its user."""
    plan = planned(reads, [OTHER], extra="remove")
    assert story(plan) == {"withheld": [("delete", 30)]}
    assert words in reasons(plan)


def test_a_dangling_member_keeps_no_other_extra_account() -> None:
    """A dangling member freezes nobody else's removal."""
    plan = planned((read(SUPPORT, dangling=["memberuid=anton"]), read(BARRED)), [OTHER], extra="remove")
    assert story(plan) == {"changes": [("delete", 30)], "extras": 1}


def test_an_extra_account_of_an_unknown_user_is_no_dangling_member() -> None:
    """A user without a known login is not taken for a member with an empty name."""
    reads = (read(SUPPORT, dangling=["uid=,dc=x"]), read(BARRED))
    world = World(users=users({5: "carol"}))
    assert story(planned(reads, [OTHER], world=world, extra="remove"))["extras"] == 1


@pytest.mark.parametrize(
    ("reads", "stored"),
    [
        pytest.param((read(SUPPORT, dangling=["cn=b,dc=x"]), read(BARRED)), [OURS, OTHER], id="withheld"),
        pytest.param((read(SUPPORT, dangling=["cn=b,dc=x"]), read(BARRED)), [OTHER], id="claim kept without account"),
        pytest.param((read(SUPPORT), read(BARRED)), [COLLATION, OTHER], id="collation only"),
    ],
)
def test_an_extra_account_beside_a_kept_claim_is_withheld(reads: Sequence[SourceRead], stored: list[Observed]) -> None:
    """While a user's claim stays, an unclaimed account beside it stays too, since a delete would end the claim."""
    plan = planned(reads, stored, claim(4, dn="cn=b,dc=x"), extra="remove")
    assert ("delete", 30) in [(notice.op, notice.account) for notice in plan.withheld]
    assert plan.changes == ()
    assert plan.forgotten == ()


def test_extra_removals_wait_too() -> None:
    """Another directory server makes the removal of extra accounts wait as well."""
    plan = planned(OUT, [OURS, OTHER], HELD, World(wait="another server"), extra="remove")
    assert set(story(plan)["waiting"]) == {("delete", 20), ("delete", 30)}  # type: ignore[call-overload]
    assert plan.changes == ()
    assert {notice.reason for notice in plan.waiting} == {"another server"}


# --------------------------------------------------------------------------- positive reasons

WITHHELD = {"withheld": [("delete", 20)]}
DELETED = {"changes": [("delete", 20)]}


@pytest.mark.parametrize(
    ("reads", "expected", "words"),
    [
        pytest.param((read(SUPPORT), read(BARRED)), DELETED, "no longer a member", id="gone"),
        pytest.param((read(SUPPORT, complete=False), read(BARRED)), WITHHELD, INCLUSION_UNKNOWN, id="incomplete"),
        pytest.param((read(SUPPORT, member("berta", logins=())), read(BARRED)), WITHHELD, "is missing", id="hidden"),
        pytest.param(
            (read(SUPPORT, member("berta", logins=("BERTA",))), read(BARRED)), WITHHELD, "no user 'BERTA'", id="renamed"
        ),
        pytest.param(
            (read(SUPPORT, member("berta", id="new", logins=())), read(BARRED)), WITHHELD, "its member's DN", id="anew"
        ),
        pytest.param((read(SUPPORT, dangling=[dn_of("berta")]), read(BARRED)), WITHHELD, "still listed", id="dangling"),
        pytest.param((read(SUPPORT, dangling=["memberuid=berta"]), read(BARRED)), WITHHELD, "listed", id="memberUid"),
        pytest.param((read(SUPPORT, dangling=[dn_of("anton")]), read(BARRED)), DELETED, "", id="another dangling"),
        pytest.param((read(SUPPORT, BERTA), read(BARRED, BERTA)), DELETED, "excluded", id="excluded"),
        pytest.param(
            (read(SUPPORT, complete=False), read(BARRED, BERTA, complete=False)),
            DELETED,
            "excluded",
            id="excluded only",
        ),
        pytest.param(
            (read(SUPPORT, member("berta", logins=()), dangling=[dn_of("berta")]), read(BARRED, BERTA)),
            DELETED,
            "excluded",
            id="excluded and hidden",
        ),
        pytest.param((read(SUPPORT), read(BARRED, complete=False)), DELETED, "no longer", id="exclusion incomplete"),
        pytest.param((read(SUPPORT, disabled=[BERTA]), read(BARRED)), DELETED, "disabled in", id="disabled"),
        pytest.param(
            (read(SUPPORT, disabled=[BERTA], complete=False), read(BARRED)),
            DELETED,
            "disabled in the directory",
            id="disabled, the rest unknown",
        ),
        pytest.param(
            (read(SUPPORT, disabled=[BERTA], dangling=[dn_of("berta")]), read(BARRED)),
            DELETED,
            "disabled in the directory",
            id="disabled and listed without an entry",
        ),
        pytest.param(
            (read(SUPPORT, disabled=[member("berta", dn="uid=b,ou=elsewhere,dc=x")], complete=False), read(BARRED)),
            DELETED,
            "disabled in the directory",
            id="disabled and moved",
        ),
        pytest.param(
            (read(SUPPORT, disabled=[member("berta", id="new")], complete=False), read(BARRED)),
            WITHHELD,
            INCLUSION_UNKNOWN,
            id="another entry at the DN is disabled",
        ),
        pytest.param(
            (read(SUPPORT, disabled=[member("berta", id="new")]), read(BARRED)),
            DELETED,
            "no longer a member",
            id="another entry at the DN is disabled, everything known",
        ),
        pytest.param(
            (read(SUPPORT, member("x", logins=("berta",), id="x")), read(BARRED, disabled=[BERTA])),
            DELETED,
            "excluded",
            id="excluded by an entry that is disabled",
        ),
        pytest.param(
            (read(SUPPORT, known_by("berta", ("mail", []), ("login", []))), read(BARRED)),
            WITHHELD,
            "its entry has none of login, mail",
            id="hidden to all rules",
        ),
        pytest.param(
            (
                read(SUPPORT, known_by("berta", ("mail", ["berta@x.org", "dora@x.org"]), ("login", ["berta"]))),
                read(BARRED),
            ),
            WITHHELD,
            "ambiguous",
            id="ambiguous by the first rule",
        ),
        pytest.param(
            (read(SUPPORT, member("berta", logins=("dora",))), read(BARRED)), DELETED, "is user 6 now", id="elsewhere"
        ),
        pytest.param(
            (read(SUPPORT, member("berta", logins=("dora",)), complete=False), read(BARRED)),
            WITHHELD,
            INCLUSION_UNKNOWN,
            id="elsewhere, incomplete",
        ),
    ],
)
def test_a_removal_needs_a_positive_reason(
    reads: Sequence[SourceRead], expected: dict[str, object], words: str
) -> None:
    """An account goes only when its member was read as excluded or, completely, as not there; else it is withheld."""
    plan = planned(reads, [OURS], HELD)
    assert story(plan) == expected
    assert words in reasons(plan)


@pytest.mark.parametrize(
    "reads",
    [
        pytest.param((read(SUPPORT, complete=False), read(BARRED)), id="incomplete"),
        pytest.param((read(SUPPORT, member("berta", logins=())), read(BARRED)), id="hidden"),
        pytest.param((read(SUPPORT, dangling=[dn_of("berta")]), read(BARRED)), id="dangling"),
    ],
)
def test_a_claim_without_account_stays_while_its_end_has_no_reason(reads: Sequence[SourceRead]) -> None:
    """A held claim whose account is gone is not given up while its member may be there, and counts as missing."""
    assert story(planned(reads, [], HELD)) == {"missing": 1}


def test_a_pending_claim_without_account_ends_whatever_is_known() -> None:
    """A pending claim owns nothing, so without its account it ends even while a source is incomplete."""
    assert story(planned((read(SUPPORT, complete=False), read(BARRED)), [], PENDING)) == {"forgotten": [4]}


def test_a_person_who_became_another_user_moves() -> None:
    """Where a claim's person is another user now, the old account goes and a new one comes."""
    plan = planned((read(SUPPORT, member("berta", logins=("dora",))), read(BARRED)), [OURS], HELD)
    assert [(change.op, change.user) for change in plan.changes] == [(Op.DELETE, 4), (Op.CREATE, 6)]


def test_a_member_moves_to_the_user_whom_the_next_rule_names() -> None:
    """Where what the first rule finds names nobody the next one counts, and both sides of the move are changes."""
    moved = known_by("berta", ("mail", ["nobody@x.org"]), ("login", ["dora"]))
    plan = planned((read(SUPPORT, moved), read(BARRED)), [OURS], HELD)
    assert [(change.op, change.user) for change in plan.changes] == [(Op.DELETE, 4), (Op.CREATE, 6)]
    assert plan.changes[0].reason == "the member is user 6 now"


@pytest.mark.parametrize(("stored", "op"), [([], "create"), ([observed(6, 26)], "adopt")])
def test_a_hidden_attribute_moves_nobody(stored: list[Observed], op: str) -> None:
    """Where the rule that named a user finds nothing, a later one neither takes the account nor gives another."""
    hidden = known_by("berta", ("mail", []), ("login", ["dora"]))
    plan = planned((read(SUPPORT, hidden), read(BARRED)), [OURS, *stored], HELD)
    assert (plan.changes, plan.adopted) == ((), ())
    assert [(notice.op, notice.user) for notice in plan.withheld] == [("delete", 4), (op, 6)]
    assert "seems to be user 6 now, but the rule mail: {mail} found no value" in reasons(plan)
    assert "was user 4 (berta) before, and the rule mail: {mail} found no value" in reasons(plan)


def test_a_hidden_attribute_counts_no_more_where_the_former_user_is_excluded() -> None:
    """The old account goes since its user is excluded, and what the later rule says is done in the same run."""
    hidden = known_by("berta", ("mail", []), ("login", ["dora"]))
    barred = member("x", id="id-x", logins=("berta",))
    plan = planned((read(SUPPORT, hidden), read(BARRED, barred)), [OURS], HELD)
    assert [(change.op, change.user) for change in plan.changes] == [(Op.DELETE, 4), (Op.CREATE, 6)]
    assert (plan.changes[0].reason, plan.withheld) == ("excluded", ())


@pytest.mark.parametrize(
    ("owned", "known", "ops"),
    [
        pytest.param(None, users(), [(Op.CREATE, 6)], id="without a claim"),
        pytest.param(HELD._replace(member="id-x"), users(), [(Op.DELETE, 4), (Op.CREATE, 6)], id="of another member"),
        pytest.param(HELD, users({6: "dora"}), [(Op.CREATE, 6)], id="whose user is gone"),
        pytest.param(PENDING, users({6: "dora"}), [(Op.CREATE, 6)], id="pending"),
    ],
)
def test_a_later_rule_counts_where_the_member_was_nobody_else(
    owned: Claim | None, known: Users, ops: list[tuple[Op, int]]
) -> None:
    """An attribute that an entry lacks stops nothing unless its member has the account of another user who is there."""
    one = known_by("berta", ("mail", []), ("login", ["dora"]))
    plan = planned((read(SUPPORT, one), read(BARRED)), [OURS] if 4 in known.ids else [], owned, World(users=known))
    assert [(change.op, change.user) for change in plan.changes] == ops if owned else [(Op.CREATE, 6)]


@pytest.mark.parametrize("dn", ["uid=berta,ou=moved,dc=x", "uid=renamed,ou=people,dc=x"])
def test_a_renamed_or_moved_entry_keeps_its_account(dn: str) -> None:
    """The same stable id for the same user is the same person: nothing changes but the DN in the claim."""
    plan = planned((read(SUPPORT, member("berta", dn=dn)), read(BARRED)), [OURS], HELD)
    assert story(plan) == {}
    assert (plan.unchanged, plan.refreshed, plan.notes) == (1, (HELD._replace(dn=dn),), ())


def test_a_new_entry_for_the_same_user_is_told_and_the_claim_takes_its_id() -> None:
    """The same DN and login with another stable id is a new person: reported, nothing changes in Open-Xchange."""
    plan = planned((read(SUPPORT, member("berta", id="new")), read(BARRED)), [OURS], HELD)
    assert story(plan) == {}
    assert plan.refreshed == (HELD._replace(member="new"),)
    assert plan.notes == (f"{dn_of('berta')} is a new entry (new, before id-berta) for user 4 (berta)",)


@pytest.mark.parametrize(
    ("reads", "before"),
    [
        pytest.param((read(SUPPORT, BERTA),), HELD, id="the same"),
        pytest.param((read(SUPPORT, member("berta", id=f"dn:{BERTA.key}")),), HELD, id="no stable id now"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member=f"dn:{BERTA.key}"), id="no stable id then"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member="login:berta"), id="a login written down then"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member="ox:1/4"), id="a group of Open-Xchange then"),
        pytest.param((read(SUPPORT, BERTA),), HELD._replace(member=""), id="adopted without a member"),
        pytest.param(
            (read(SUPPORT, BERTA, member("old", logins=("berta",), path=("a", "b"))),),
            HELD._replace(member="id-old"),
            id="the old entry is still a member",
        ),
    ],
)
def test_an_entry_that_is_not_surely_new_is_not_told(reads: tuple[SourceRead], before: Claim) -> None:
    """Only two stable ids that differ, the older one gone, make a new person."""
    plan = planned((*reads, read(BARRED)), [OURS], before)
    assert not [note for note in plan.notes if "new entry" in note]
    assert story(plan) == {}


def test_many_new_entries_are_told_in_few_lines() -> None:
    """A directory built anew does not fill the screen."""
    names = ("anton", "berta", "carol", "dora", "emil")
    everybody = [member(name, id=f"new-{name}") for name in names]
    ids = {name: user for user, name in LOGINS.items()}
    world = World(
        reads=(read(SUPPORT, *everybody), read(BARRED)),
        stored=[observed(ids[name], 20) for name in names],
        claims={ids[name]: claim(ids[name]) for name in names},
    )
    assert len(world.plan().notes) == 4
    assert world.plan().notes[-1] == "… and 2 more such new entries"


def test_two_members_who_swapped_their_logins_change_nothing() -> None:
    """Both users stay members, so both accounts stay; each claim takes the entry that names its user now."""
    swapped = [member("berta", logins=("carol",)), member("carol", logins=("berta",))]
    world = World(
        reads=(read(SUPPORT, *swapped), read(BARRED)),
        stored=[OURS, observed(5, 25)],
        claims={4: HELD, 5: claim(5, 25)},
    )
    plan = world.plan()
    assert plan.changes == ()
    assert {(one.user, one.member) for one in plan.refreshed} == {(4, "id-carol"), (5, "id-berta")}


def test_a_member_who_swapped_logins_with_somebody_outside_moves() -> None:
    """The old account goes and the new one comes, as a removal and an addition that the limits count."""
    plan = planned((read(SUPPORT, member("berta", logins=("dora",))), read(BARRED)), [OURS], HELD)
    assert [(change.op, change.user, change.member) for change in plan.changes] == [
        (Op.DELETE, 4, "id-berta"),
        (Op.CREATE, 6, "id-berta"),
    ]
    (judgement,) = judge([plan], {}, {}, 0)
    assert judgement.held == {Direction.REMOVALS}


def test_removals_wait_for_a_second_complete_read() -> None:
    """Another directory server makes even an excluded user's removal wait, with its reason."""
    plan = planned((read(SUPPORT, BERTA), read(BARRED, BERTA)), [OURS], HELD, World(wait="another server"))
    assert story(plan) == {"waiting": [("delete", 20)]}
    assert reasons(plan) == "another server"


def test_what_is_uncertain_is_withheld_rather_than_waiting() -> None:
    """A removal without a reason does not wait for one more read, it is withheld."""
    reads = (read(SUPPORT, complete=False), read(BARRED))
    assert story(planned(reads, [OURS], HELD, World(wait="another server"))) == WITHHELD


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("owned", [HELD, PENDING])
def test_a_user_who_is_gone_from_open_xchange_ends_the_claim_quietly(owned: Claim, *, complete: bool) -> None:
    """A user that no longer exists ends its claim without a change, a missing account or a reason."""
    world = World(users=users({5: "carol"}))
    plan = planned((read(SUPPORT, BERTA, complete=complete), read(BARRED)), [], owned, world)
    assert story(plan) == {"forgotten": [4]}
    assert plan.gone == owned.held


def test_an_account_left_behind_by_a_user_who_is_gone_is_withheld() -> None:
    """An account whose user is gone contradicts itself: it is reported and not touched."""
    plan = planned(OUT, [OURS], HELD, World(users=users({5: "carol"})))
    assert story(plan) == WITHHELD
    assert "not in Open-Xchange any more" in reasons(plan)


def test_a_context_without_users_ends_its_claims_quietly() -> None:
    """Claims in a context that no longer has any user end, and nothing is changed."""
    plan = planned((read(SUPPORT, BERTA), read(BARRED)), [], HELD, World(users=users({})))
    assert story(plan) == {"forgotten": [4]}
    assert not plan.complete


# --------------------------------------------------------------------------- passwords, copies, refreshed claims

SECRET = replace(EXPLICIT, password=Secret(NEVER))


@pytest.mark.parametrize(
    ("password", "fields", "expected", "written"),
    [
        (True, RIGHT, {}, None),
        (None, RIGHT, {}, None),
        (False, RIGHT, {"changes": [("update", 20)]}, True),
        (False, WRONG, {"changes": [("update", 20)]}, True),
        (True, WRONG, {"changes": [("update", 20)]}, False),
        (None, WRONG, {"changes": [("update", 20)]}, False),
    ],
)
def test_a_password_that_differs_is_written(
    password: bool | None, fields: object, expected: dict[str, object], *, written: bool | None
) -> None:
    """A stored password that is not the configured one is an update; one that is right or not managed is not."""
    plan = planned(IN, [observed(4, 20, fields=fields, password=password)], HELD, account=SECRET)
    assert story(plan) == expected
    assert [change.password for change in plan.changes] == ([] if written is None else [written])


@pytest.mark.parametrize(
    ("account", "written"),
    [(EXPLICIT, False), (SECRET, True), (replace(EXPLICIT, transport_password=Secret(NEVER)), True)],
)
def test_a_create_writes_passwords_where_they_are_managed(account: object, *, written: bool) -> None:
    """A new account gets its passwords when any is configured."""
    (create,) = planned(IN, account=account).changes
    assert create.password is written
    assert create.changed().get("password") == ((None, "***") if written else None)


def test_a_password_is_shown_as_stars() -> None:
    """What changed names the password, never its text."""
    (change,) = planned(IN, [observed(4, 20, password=False)], HELD, account=SECRET).changes
    assert change.changed() == {"password": ("***", "***")}


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        ((IMAP, SMTP), False),
        ((Endpoint("imap://new:143", False), SMTP), True),
        ((IMAP, None), True),
        (None, False),
    ],
)
def test_a_copied_account_that_drifted_is_reported_and_not_touched(
    primary: tuple[Endpoint, Endpoint | None] | None, *, expected: bool
) -> None:
    """Servers of the primary account that changed later are told as drift, and nothing is changed."""
    world = World(primaries={(1, 4): primary} if primary else {})
    plan = planned(IN, [OURS], HELD, world, account=COPIED)
    assert story(plan) == {}
    assert [(notice.user, notice.account) for notice in plan.drift] == ([(4, 20)] if expected else [])
    assert plan.unchanged == 1


def test_an_explicit_account_never_drifts() -> None:
    """Configured servers have nothing to do with the primary account."""
    world = World(primaries={(1, 4): (Endpoint("imap://new:143", False), None)})
    plan = planned(IN, [observed(4, 20, fields=WRONG)], HELD, world)
    assert plan.drift == ()


def test_a_copied_account_is_created_with_blank_servers() -> None:
    """Before the primary account is read, a create of a copied account has empty urls."""
    (create,) = planned(IN, account=COPIED).changes
    assert create.new == wanted(COPIED)


@pytest.mark.parametrize(
    ("owned", "account", "expected"),
    [
        pytest.param(HELD, OURS, [], id="nothing new"),
        pytest.param(HELD._replace(member="old"), OURS, [HELD], id="another id"),
        pytest.param(HELD._replace(dn="uid=old"), OURS, [HELD], id="another DN"),
        pytest.param(HELD._replace(login="old"), OURS, [HELD], id="another login"),
        pytest.param(HELD._replace(seal=b"1"), OURS, [], id="seal kept"),
        pytest.param(HELD, OURS._replace(seal=b"2"), [HELD._replace(seal=b"2")], id="verified"),
        pytest.param(HELD._replace(seal=b"1"), OURS._replace(seal=b"2"), [HELD._replace(seal=b"2")], id="anew"),
        pytest.param(HELD._replace(seal=b"1", dn="x"), OURS, [HELD._replace(seal=b"1")], id="seal survives"),
        pytest.param(PENDING._replace(dn="x"), OURS, [HELD], id="pending becomes held"),
        pytest.param(HELD._replace(dn="x"), OURS._replace(fields=WRONG), [HELD], id="beside an update"),
    ],
)
def test_a_claim_is_refreshed_where_its_member_or_seal_changed(
    owned: Claim, account: Observed, expected: list[Claim]
) -> None:
    """Id, DN, login and seal are noted anew exactly when one of them is new."""
    assert list(planned(IN, [account], owned).refreshed) == expected


def test_an_adoption_carries_what_the_claim_will_need() -> None:
    """An adoption names account, member, path and the seal of a password verified."""
    (adoption,) = planned(IN, [OTHER._replace(seal=b"s")]).adopted
    assert adoption == (4, "berta", 30, "id-berta", dn_of("berta"), (SUPPORT.value,), b"s")


def test_a_change_tells_everything_about_itself() -> None:
    """Changes carry user, login, mailbox, member, path, old and new fields."""
    (update,) = planned(IN, [observed(4, 20, fields=WRONG)], HELD).changes
    expected = {"user": 4, "login": "berta", "mailbox": ADDRESS, "context": 1, "account": 20, "member": "id-berta"}
    assert {name: getattr(update, name) for name in expected} == expected
    assert (update.dn, update.path, update.old, update.new) == (dn_of("berta"), (SUPPORT.value,), WRONG, RIGHT)
    assert update.changed() == {"mail_url": (WRONG.mail_url, RIGHT.mail_url)}
    (create,) = planned(IN).changes
    assert (create.account, create.old, create.new, create.member) == (None, None, RIGHT, "id-berta")
    (delete,) = planned(OUT, [OURS], HELD).changes
    assert (delete.account, delete.old, delete.new, delete.member, delete.dn) == (20, RIGHT, None, *HELD[3:5])
    assert (delete.login, delete.mailbox) == ("berta", ADDRESS)


def test_a_plan_counts_and_sorts() -> None:
    """A plan counts its three sets and sorts deletes, updates, creates, each by user."""
    world = World(
        reads=(read(SUPPORT, *(member(LOGINS[user]) for user in (8, 7, 6, 3)), member("x", logins=())), read(BARRED)),
        stored=[observed(5), observed(4), observed(6, fields=WRONG), observed(3), PRIVATE._replace(id=77)],
        claims={5: claim(5), 4: claim(4), 6: claim(6), 3: claim(3), 8: claim(8, held=False)},
    )
    plan = world.plan()
    assert [(change.op.value, change.user) for change in plan.changes] == [
        ("delete", 4),
        ("delete", 5),
        ("update", 6),
        ("create", 7),
        ("create", 8),
    ]
    assert (plan.desired, plan.observed, plan.claimed, plan.unchanged, plan.missing) == (4, 4, 4, 1, 0)
    assert [notice.member for notice in plan.unresolved] == [dn_of("x")]
    assert plan.complete


def test_a_plan_passes_on_what_desire_found() -> None:
    """Dangling members and emptied sources reach the plan as written."""
    box = mailbox()
    world = World(
        reads=(read(SUPPORT, dangling=["UID=Z,dc=x", "memberuid=a"]), read(BARRED)), counts={(box.ref, str(SUPPORT)): 1}
    )
    assert (world.plan().dangling, world.plan().emptied) == (("UID=Z,dc=x", "memberuid=a"), (SUPPORT,))


# --------------------------------------------------------------------------- digest


def change(op: Op = Op.UPDATE, **parts: object) -> Change:
    """Give an update of user 4."""
    given: dict[str, object] = {
        "context": 1,
        "user": 4,
        "login": "berta",
        "mailbox": ADDRESS,
        "account": 20,
        "old": WRONG,
        "new": RIGHT,
    }
    return Change(op=op, **(given | parts))  # type: ignore[arg-type]


CREATE = change(Op.CREATE, user=5, account=None, old=None)
DELETE = change(Op.DELETE, user=6, new=None, old=RIGHT)


def test_a_digest_names_its_algorithm() -> None:
    """A digest is `sha256:` and 64 hexadecimal digits."""
    name, _, digits = digest(1, ADDRESS, [change()], []).partition(":")
    assert (name, len(bytes.fromhex(digits))) == ("sha256", 32)


def test_a_digest_does_not_depend_on_the_order() -> None:
    """Changes sorted in any way have one digest."""
    digests = {digest(1, ADDRESS, order, []) for order in permutations([change(), CREATE, DELETE])}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"path": ("elsewhere",)},
        {"reason": "another"},
        {"login": "renamed"},
        {"dn": "uid=x"},
        {"member": "id"},
        {"account": 21},
        {"password": True},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_a_digest_has_nothing_in_it_that_changes_by_itself(parts: dict[str, object]) -> None:
    """Path, reason, login, member, id and password are no part of a digest."""
    assert digest(1, ADDRESS, [change(**parts)], []) == digest(1, ADDRESS, [change()], [])


def test_a_digest_differs_where_a_change_differs() -> None:
    """Context, mailbox, user, operation, new fields, number of changes, and adoption each make another digest."""
    adoption = planned(IN, [OTHER]).adopted[0]
    digests = [
        digest(1, ADDRESS, [change()], []),
        digest(2, ADDRESS, [change()], []),
        digest(1, "other@mycompany.com", [change()], []),
        digest(1, ADDRESS, [change(user=5)], []),
        digest(1, ADDRESS, [change(Op.CREATE)], []),
        digest(1, ADDRESS, [change(new=RIGHT._replace(mail_url="imap://third:143"))], []),
        digest(1, ADDRESS, [change(new=RIGHT._replace(login="x"))], []),
        digest(1, ADDRESS, [change(), CREATE], []),
        digest(1, ADDRESS, [change()], [adoption]),
        digest(1, ADDRESS, [change()], [adoption._replace(user=5)]),
        digest(1, ADDRESS, [], [adoption]),
        digest(1, ADDRESS, [], []),
        digest(2, ADDRESS, [], []),
        digest(1, "other@mycompany.com", [], []),
    ]
    assert len(set(digests)) == len(digests)
