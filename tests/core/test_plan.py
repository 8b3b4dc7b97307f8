"""Users who should have a mailbox: every row of the first table of core.plan, and what a plan says of itself."""

from __future__ import annotations

import pytest

from syncd.core.draft import EXCLUSION_UNKNOWN
from syncd.core.listed import read_listed
from syncd.core.model import Claim, Observed, Source
from syncd.core.nested import named
from syncd.core.reads import Member
from tests.core.planning import (
    BARRED_UNKNOWN,
    BERTA,
    COLLATION,
    HELD,
    IN,
    OTHER,
    OURS,
    OUT,
    PENDING,
    PRIMARY,
    PRIVATE,
    THIRD,
    planned,
    reasons,
    story,
)
from tests.core.strategies import (
    ADDRESS,
    BARRED,
    LOGINS,
    OTHER_CASE,
    RIGHT,
    SUPPORT,
    WRONG,
    World,
    claim,
    dn_of,
    mailbox,
    member,
    observed,
    read,
)

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


@pytest.mark.parametrize("listed", ["uid=berta,ou=old,dc=x", "memberuid=Berta", "cn=berta beta,ou=old,dc=x"])
@pytest.mark.parametrize(
    ("stored", "owned", "expected"),
    [
        pytest.param([], None, {"withheld": [("create", None)]}, id="create"),
        pytest.param([OTHER], None, {"withheld": [("adopt", 30)]}, id="adopt"),
        pytest.param([OURS], HELD, {}, id="ours stays"),
        pytest.param([observed(4, 20, fields=WRONG)], HELD, {"changes": [("update", 20)]}, id="ours is repaired"),
    ],
)
def test_who_may_be_excluded_under_an_earlier_name_gets_nothing(
    listed: str, stored: list[Observed], owned: Claim | None, expected: dict[str, object]
) -> None:
    """Whoever moved, and in the excluding group not yet, is known by login or first name there; others get theirs."""
    berta = member("berta", dn="CN=Berta Beta,ou=new,dc=x")
    reads = (read(SUPPORT, berta, member("dora")), read(BARRED, dangling=[listed]))
    plan = planned(reads, stored, owned)
    assert story(plan) == expected
    reason = f"it may be who is excluded as {listed}, whose entry was not found"
    assert [notice.reason for notice in plan.withheld] == [reason] * ("withheld" in expected)
    assert [change.op for change in plan.changes if change.user == 6] == ["create"]
    assert plan.complete


NAMED = Source(kind="users", value="berta, dora", logins=("berta", "dora"))


@pytest.mark.parametrize(
    "barred",
    [
        pytest.param(member("berta", logins=()), id="its login is hidden, and its name is the login"),
        pytest.param(member("b", logins=("Berta",)), id="its login differs in letter case"),
        pytest.param(member("b", logins=("berta", "dora")), id="it names several users"),
    ],
)
@pytest.mark.parametrize("disabled", [False, True], ids=["a member", "disabled there"])
def test_an_excluded_entry_that_names_no_user_may_be_who_comes_from_no_directory(
    barred: Member, *, disabled: bool
) -> None:
    """Who is named by hand, or by a group of Open-Xchange, waits where an exclusion has the name and says not whom."""
    box = mailbox(sources=(NAMED, SUPPORT))
    out = read(BARRED, disabled=[barred]) if disabled else read(BARRED, barred)
    plan = World(mailbox=box, reads=(read_listed(NAMED), read(SUPPORT), out)).plan()
    several = len(barred.names[0]) == 2
    assert [change.login for change in plan.changes] == ([] if several else ["dora"])
    reason = f"it may be who is excluded as {barred.dn}, whose entry names no user"
    assert {(notice.member, notice.reason) for notice in plan.withheld} == (
        {("login=berta", reason)} | ({("login=dora", reason)} if several else set())
    )


def test_an_entry_is_another_one_than_an_excluded_one_of_its_name() -> None:
    """Two entries with stable ids are two persons, also where one of them names nobody."""
    reads = (read(SUPPORT, BERTA), read(BARRED, member("berta", id="another", dn="cn=berta,ou=b,dc=x", logins=())))
    assert story(planned(reads)) == {"changes": [("create", None)]}


def test_who_is_excluded_without_an_entry_concerns_nobody_of_another_name() -> None:
    """A DN that is left over bars its own name, in whatever place of the DN another one has it."""
    reads = (read(SUPPORT, BERTA), read(BARRED, dangling=["uid=gone,ou=berta,dc=x", "memberuid=bert"]))
    assert story(planned(reads)) == {"changes": [("create", None)]}


def test_an_incomplete_inclusion_withholds_no_create() -> None:
    """Who was read as a member gets the mailbox even if others could not be read."""
    plan = planned((read(SUPPORT, BERTA, complete=False), read(BARRED)))
    assert story(plan) == {"changes": [("create", None)]}
    assert not plan.complete
    assert plan.reasons == (f"{SUPPORT}: size limit",)


def test_waiting_concerns_removals_only() -> None:
    """Another directory server makes removals wait, neither creates nor updates."""
    assert story(planned(IN, world=World(wait="why"))) == {"changes": [("create", None)]}


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
    """Dangling members, emptied sources, lost groups and exclusions that name nobody reach the plan as written."""
    box = mailbox()
    world = World(
        reads=(read(SUPPORT, dangling=["UID=Z,dc=x", "memberuid=a"]), read(BARRED)),
        counts={(box.ref, str(SUPPORT)): 1, (box.ref, named(SUPPORT, "uid=z,dc=x")): 1},
    )
    plan = world.plan()
    assert (plan.dangling, plan.emptied, plan.blank) == (("UID=Z,dc=x", "memberuid=a"), (SUPPORT,), (BARRED,))
    assert plan.lost == ((SUPPORT, "UID=Z,dc=x"),)
