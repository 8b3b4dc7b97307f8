"""What is a positive reason for a removal, and what is none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from syncd.core.changes import Op
from syncd.core.draft import INCLUSION_UNKNOWN
from syncd.core.model import Claim, Observed, Users
from syncd.core.reads import SourceRead
from tests.core.planning import (
    BERTA,
    DELETED,
    HELD,
    OURS,
    PENDING,
    WITHHELD,
    planned,
    reasons,
    story,
)
from tests.core.strategies import (
    BARRED,
    SUPPORT,
    World,
    dn_of,
    known_by,
    member,
    observed,
    read,
    users,
)


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
