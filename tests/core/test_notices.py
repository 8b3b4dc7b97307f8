"""What a plan says of that which it does not do: every word of every notice, and how they are counted and sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from syncd.core.changes import MailboxPlan, Notice, Op
from syncd.core.draft import EXCLUSION_UNKNOWN, INCLUSION_UNKNOWN, collation_only
from syncd.core.leavers import GONE
from syncd.core.limits import Grace
from syncd.core.model import Claim, Endpoint, Observed
from syncd.core.reads import SourceRead
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
)
from tests.core.strategies import (
    BARRED,
    COPIED,
    LOGINS,
    RIGHT,
    SMTP,
    SUPPORT,
    WRONG,
    World,
    claim,
    dn_of,
    keep,
    known_by,
    mailbox,
    member,
    observed,
    read,
    users,
)

DN = dn_of("berta")
UNKNOWN = (read(SUPPORT, complete=False), read(BARRED))
NOBODY = (read(SUPPORT), read(BARRED))


# --------------------------------------------------------------------------- who should have it


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param([], Notice(4, "berta", DN, "create", EXCLUSION_UNKNOWN), id="create"),
        pytest.param([OTHER], Notice(4, "berta", DN, "adopt", EXCLUSION_UNKNOWN, 30), id="adopt"),
    ],
)
def test_what_is_not_given_is_told(stored: list[Observed], expected: Notice) -> None:
    """A create or adoption that is withheld names user, login, entry, operation, reason and account."""
    assert planned(BARRED_UNKNOWN, stored).withheld == (expected,)


@pytest.mark.parametrize(
    ("stored", "box", "reason", "account"),
    [
        ([PRIMARY], {}, "it is the address of the user's primary account", 0),
        ([PRIVATE], {}, "the user has an own account with this address", 30),
        ([OTHER, THIRD], {}, "there are several accounts with this address", 31),
        ([OTHER], {"existing": "leave"}, "an account with this address exists and is not ours (existing: leave)", 30),
        ([COLLATION], {}, collation_only(COLLATION), 20),
    ],
)
def test_what_is_in_the_way_is_told(stored: list[Observed], box: dict[str, object], reason: str, account: int) -> None:
    """A conflict names the user, the entry, what stands in the way, and its account."""
    assert planned(IN, stored, **box).conflicts == (Notice(4, "berta", DN, "create", reason, account),)


def test_what_is_equal_for_the_database_only_is_shown_as_it_is() -> None:
    """The address that differs by its letters is named."""
    text = "the address 'süpport@mycompany.com' is equal for the database only, not by its letters; not ours"
    assert collation_only(COLLATION) == text


def test_a_drift_is_told() -> None:
    """An account whose copied servers are old is named by user, entry and account; nothing was meant to be done."""
    world = World(primaries={(1, 4): (Endpoint("imap://new:143", False), SMTP)})
    reason = "its servers are not those of the user's primary account, which are copied at creation only"
    plan = planned(IN, [observed(4, 20)], HELD._replace(login="x"), world, account=COPIED)
    assert plan.drift == (Notice(4, "berta", DN, "", reason, 20),)


def test_failed_logins_are_told_in_few_lines() -> None:
    """Accounts whose logins failed are named by login and user, three of them, and the others counted."""
    names = ("anton", "berta", "carol", "dora", "emil")
    ids = {name: user for user, name in LOGINS.items()}
    failing = RIGHT._replace(failing="switched off")
    world = World(
        reads=(read(SUPPORT, *map(member, names)), read(BARRED)),
        stored=[observed(ids[name], fields=failing) for name in names],
        claims={ids[name]: claim(ids[name]) for name in names},
    )
    assert world.plan().notes == (
        "anton (3): failed logins: switched off",
        "berta (4): failed logins: switched off",
        "carol (5): failed logins: switched off",
        "… and 2 more such accounts",
    )


@pytest.mark.parametrize(
    ("stored", "op", "reason"), [([], "create", "a member"), ([WRONG], "update", "differs from what is configured")]
)
def test_a_change_says_why(stored: list[object], op: str, reason: str) -> None:
    """New accounts and repairs name their reason."""
    rows = [observed(4, 20, fields=fields) for fields in stored]
    (change,) = planned(IN, rows, HELD if rows else None).changes
    assert (change.op, change.reason) == (op, reason)


@pytest.mark.parametrize("reads", [IN, OUT])
def test_a_recovered_claim_is_held_from_now_on(reads: Sequence[SourceRead]) -> None:
    """A pending claim whose account is there is told as a held one, whatever becomes of the account."""
    assert planned(reads, [OURS], PENDING).recovered == (HELD,)


def test_everybody_is_counted() -> None:
    """Users who are right, and accounts that are missing, are counted one by one."""
    right = World(
        reads=(read(SUPPORT, *map(member, LOGINS.values())), read(BARRED)),
        stored=[observed(user) for user in (3, 4, 5)],
        claims={user: claim(user) for user in LOGINS},
    )
    plan = right.plan()
    assert (plan.unchanged, plan.missing, plan.observed, plan.claimed) == (3, 3, 3, 6)
    drawn = replace(right, mailbox=mailbox(account=COPIED), stored=[observed(user, fields=WRONG) for user in (3, 4, 5)])
    assert drawn.plan().unchanged == 3


@pytest.mark.parametrize("fields", [RIGHT, WRONG])
def test_a_claim_of_another_account_is_not_unchanged(fields: object) -> None:
    """A right account that is not the claim's is adopted, not taken for it."""
    plan = planned(IN, [observed(4, 30, fields=fields)], HELD)
    assert [one.account for one in plan.adopted] == [30]


def test_the_address_in_another_case_is_unchanged() -> None:
    """A right account whose address differs by letter case only is counted as it is."""
    assert planned(IN, [observed(4, 20, address="Support@MyCompany.com")], HELD).unchanged == 1


# --------------------------------------------------------------------------- who should not


def test_a_removal_that_is_withheld_is_told() -> None:
    """It names the user, the login and the entry that the claim knows, and the account."""
    owned = HELD._replace(login="known as", dn="uid=known,dc=x")
    plan = planned(UNKNOWN, [OURS], owned)
    assert plan.withheld == (Notice(4, "known as", "uid=known,dc=x", "delete", INCLUSION_UNKNOWN, 20),)


def test_a_removal_that_waits_is_told() -> None:
    """So does one that waits, claimed or not."""
    plan = planned(NOBODY, [OURS, OTHER], HELD._replace(login="x"), extra="remove", grace=Grace(reads=2))
    reason = "grace: 1 of 2 reads agreed"
    assert plan.waiting == (Notice(4, "berta", "", "delete", reason, 30), Notice(4, "x", DN, "delete", reason, 20))


def test_a_removal_says_all_about_itself() -> None:
    """A delete names its context, the member that the claim knows, and why; of an extra account there is no member."""
    ours, extra = planned(NOBODY, [OURS, OTHER], HELD, extra="remove").changes
    assert (ours.context, ours.member, ours.dn, ours.login) == (1, "id-berta", DN, "berta")
    assert (extra.context, extra.member, extra.dn, extra.login) == (1, "", "", "berta")
    assert [ours.reason, extra.reason] == ["no longer a member", "an extra account: `extra: remove`"]


@pytest.mark.parametrize(
    ("reads", "stored", "owned", "world", "reason"),
    [
        pytest.param(UNKNOWN, [OTHER], None, World(), INCLUSION_UNKNOWN, id="incomplete"),
        pytest.param(
            (read(SUPPORT, member("x", logins=())), read(BARRED)),
            [OTHER],
            None,
            World(),
            "a member without an unambiguous user might be this one",
            id="unresolved",
        ),
        pytest.param(
            (read(SUPPORT, dangling=["memberuid=BERTA"]), read(BARRED)),
            [OTHER],
            None,
            World(),
            "a member of this name is still listed, but the entry was not found",
            id="listed",
        ),
        pytest.param(
            (read(SUPPORT, dangling=["cn=b,dc=x"]), read(BARRED)),
            [OTHER],
            HELD._replace(dn="cn=b,dc=x"),
            World(),
            "another account of this user is claimed and kept",
            id="beside a claim",
        ),
        pytest.param(
            NOBODY,
            [OTHER],
            None,
            World(pins={4: keep(4)}, users=users({5: "carol"}, logins={4: "berta"})),
            GONE,
            id="pinned and not found",
        ),
    ],
)
def test_an_extra_account_that_stays_is_told(
    reads: Sequence[SourceRead], stored: list[Observed], owned: Claim | None, world: World, reason: str
) -> None:
    """It names the user by the login of Open-Xchange, no entry, the reason and the account."""
    plan = planned(reads, stored, owned, world, extra="remove")
    assert plan.withheld == (Notice(4, "berta", "", "delete", reason, 30),)


def test_an_extra_account_that_is_not_ours_by_letters_is_told() -> None:
    """An address that is equal for the database only is a conflict, with nothing but its user and account."""
    plan = planned(NOBODY, [COLLATION], extra="remove")
    assert plan.conflicts == (Notice(4, "berta", "", "delete", collation_only(COLLATION), 20),)


def test_a_user_without_a_known_login_is_told_without() -> None:
    """Where the login was not to be had, the notice has none."""
    world = World(users=users({5: "carol"}))
    assert planned(UNKNOWN, [OTHER], world=world, extra="remove").withheld[0].login == ""
    assert planned(NOBODY, [OTHER], world=world, extra="remove").changes[0].login == ""


def test_a_retired_mailbox_loses_its_accounts() -> None:
    """Without sources everybody's account goes, since the mailbox is retired."""
    world = World(mailbox=mailbox(sources=(), exclude=()), stored=[OURS], claims={4: HELD})
    (change,) = world.plan().changes
    assert (change.op, change.reason) == (Op.DELETE, "its mailbox is retired")


def test_accounts_that_are_gone_are_counted() -> None:
    """Missing accounts and users who are not there any more are counted one by one."""
    world = World(reads=NOBODY, claims={user: claim(user) for user in LOGINS}, users=users({3: "anton", 4: "berta"}))
    plan = world.plan()
    assert (plan.missing, plan.gone) == (2, 4)


@pytest.mark.parametrize(("extra", "others", "extras"), [("leave", 3, 0), ("remove", 0, 3)])
def test_unclaimed_accounts_are_counted(extra: str, others: int, extras: int) -> None:
    """Secondary accounts that nobody claims are counted, as left alone or as taken; others are not."""
    world = World(
        mailbox=mailbox(extra=extra),
        reads=IN,
        stored=[OURS, observed(5), observed(6), observed(7), observed(8, secondary=False), observed(3)],
        claims={4: HELD, 3: claim(3)},
    )
    plan = world.plan()
    assert (plan.others, plan.extras) == (others, extras)


def test_an_extra_account_beside_one_that_goes_is_no_reason_to_stay() -> None:
    """Other changes of other users have nothing to do with it."""
    reads = (read(SUPPORT, BERTA, dangling=["cn=c,dc=x"]), read(BARRED))
    world = World(
        mailbox=mailbox(extra="remove"),
        reads=reads,
        stored=[observed(5, 20, fields=WRONG), observed(5, 30)],
        claims={5: claim(5, dn="cn=c,dc=x")},
    )
    plan = world.plan()
    assert [(change.op, change.user) for change in plan.changes] == [(Op.CREATE, 4)]
    assert [(notice.user, notice.account) for notice in plan.withheld] == [(5, 30), (5, 20)]


# --------------------------------------------------------------------------- order, and what is passed on


def everything(plan: MailboxPlan) -> list[tuple[int | None, int | None]]:
    """Give user and account of all conflicts."""
    return [(notice.user, notice.account) for notice in plan.conflicts]


def test_deletes_of_one_user_are_sorted_by_account() -> None:
    """Whatever was read first, the smaller id comes first."""
    plan = planned(NOBODY, [THIRD, OTHER], extra="remove")
    assert [change.account for change in plan.changes] == [30, 31]


def test_notices_are_sorted_by_user_entry_and_account() -> None:
    """Not by what the directory, or the database, gave first."""
    rows = [COLLATION._replace(user=user, id=number) for user in (8, 4) for number in (41, 40)]
    assert everything(planned(NOBODY, rows, extra="remove")) == [(4, 40), (4, 41), (8, 40), (8, 41)]
    owned = {4: claim(4, dn="uid=z,dc=x", login="a"), 5: claim(5, dn="uid=a,dc=x", login="z")}
    world = World(reads=UNKNOWN, stored=[observed(5), observed(4)], claims=owned)
    assert [notice.user for notice in world.plan().withheld] == [4, 5]


def test_withheld_accounts_of_one_user_are_sorted_by_entry() -> None:
    """An account without a known entry comes before the claimed one, whatever their logins."""
    owned = HELD._replace(login="a")
    plan = planned(UNKNOWN, [OURS, OTHER], owned, extra="remove")
    assert [(notice.member, notice.account) for notice in plan.withheld] == [("", 30), (DN, 20)]


def test_unresolved_members_are_sorted_by_entry() -> None:
    """Members without a user come by their DN, not by what was looked for."""
    one, two = member("a", logins=("z-nobody",)), member("b", logins=("a-nobody",))
    plan = planned((read(SUPPORT, two, one), read(BARRED)))
    assert [notice.member for notice in plan.unresolved] == [one.dn, two.dn]


def test_causes_and_proofs_are_passed_on() -> None:
    """Why a read was not complete, and what each source's read consists of, is in the plan."""
    plan = planned((read(SUPPORT, BERTA, complete=False), read(BARRED)))
    assert plan.causes == ("limit",)
    assert plan.proofs.keys() == {str(SUPPORT), str(BARRED)}


def test_a_rule_that_is_silent_is_named() -> None:
    """Where a member may be somebody else, the reason names both users and the rule without a value."""
    hidden = known_by("berta", ("mail", []), ("login", ["dora"]))
    plan = planned((read(SUPPORT, hidden), read(BARRED)), [OURS], HELD)
    silent = "the rule mail: {mail} found no value in its entry, or may not read it"
    assert [notice.reason for notice in plan.withheld] == [
        f"the member seems to be user 6 now, but {silent}",
        f"the member was user 4 (berta) before, and {silent}",
    ]
