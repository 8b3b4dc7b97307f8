"""Mailboxes in contexts that a run finds out, and what is told once for all of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from syncd.core.changes import MailboxPlan, Notice
from syncd.core.model import Account, Contexts, MailboxRef, Source
from syncd.core.patterns import Pattern, Placing, placed, told_once
from tests.core.strategies import mailbox

ALWAYS = Source(kind="users", value="boss", logins=("boss",))
WHERE = "syncd.yaml:7"


def placing(by: str, name: str = "") -> Pattern:
    """Give a pattern that names its mailbox, in contexts that are found out."""
    return Pattern(where=WHERE, mailbox=mailbox(context=0), placing=Placing(by=by, name=name))  # type: ignore[arg-type]


# --------------------------------------------------------------------------- placed

CONTEXTS = Contexts(frozenset({1, 2, 7}), {"1": 1, "2": 2, "7": 7, "acme": 7, "acme.com": 7, "beta": 2})


def where(one: Pattern, named: set[str] | None = None, claimed: set[int] | None = None) -> tuple[list[int], str]:
    """Give the contexts in which the mailbox of a pattern is placed, and the problem."""
    boxes, problem = placed(one, one.mailbox, CONTEXTS, named or set(), claimed or set())
    assert all(box.key == one.mailbox.key for box in boxes)
    return [box.context for box in boxes], problem


def test_a_mailbox_of_a_fixed_context_is_placed_as_it_is() -> None:
    """Without placing nothing is looked up and nothing replaced, whatever is claimed elsewhere."""
    one = Pattern(where=WHERE, mailbox=mailbox())
    assert placed(one, one.mailbox, Contexts(frozenset(), {}), {"beta"}, {9}) == ([one.mailbox], "")


@pytest.mark.parametrize("name", ["acme", "ACME.com", "7"])
def test_a_context_by_name_is_the_one_that_has_it(name: str) -> None:
    """Names and login mappings are compared as the database does; claims elsewhere are not taken over."""
    assert where(placing("name", name), claimed={1}) == ([7], "")


def test_a_context_by_a_name_that_nobody_has_is_a_problem() -> None:
    """The mailbox is placed nowhere, not even where it has claims, and the name is told."""
    boxes, problem = where(placing("name", "gone"), claimed={7})
    assert boxes == []
    assert problem == f"{WHERE}: support@mycompany.com: there is no context 'gone'"


def test_all_contexts_are_all_that_exist_and_all_with_claims() -> None:
    """Every context has the mailbox, also one that was not told this time and in which accounts are claimed."""
    one = placing("all")
    assert where(one, claimed={9}) == ([1, 2, 7, 9], "")
    assert all(box.everywhere and box.choices is None for box in placed(one, one.mailbox, CONTEXTS, (), ())[0])


def test_members_choose_the_contexts() -> None:
    """Every context that a member names exists once, and each mailbox knows all names."""
    one = placing("members")
    assert where(one, {"Acme", "acme.com", "2", "gone"}) == ([2, 7], "")
    for box in placed(one, one.mailbox, CONTEXTS, {"acme"}, ())[0]:
        assert (box.choices, box.everywhere, box.pattern) == (CONTEXTS.names, False, WHERE)


def test_a_context_whose_last_member_left_is_placed_as_long_as_it_has_claims() -> None:
    """Somebody has to take the accounts away there."""
    assert where(placing("members"), {"acme"}, {2}) == ([2, 7], "")
    assert where(placing("members"), set(), {2}) == ([2], "")


def test_members_that_name_no_context_are_a_problem() -> None:
    """With neither a name that exists nor a claim there is no context, and that is told."""
    boxes, problem = where(placing("members"), {"gone"})
    assert boxes == []
    assert "no member names a context that exists" in problem


@pytest.mark.parametrize("by", ["name", "all", "members"])
def test_groups_of_open_xchange_are_those_of_the_context(by: str) -> None:
    """Sources and exclusions that are OX groups become groups of each context; others stay as they are."""
    group = Source(kind="ox_group", value="0")
    one = placing(by, "acme")
    box = mailbox(context=0, sources=(group, ALWAYS), exclude=(group, ALWAYS))
    for there in placed(one, box, CONTEXTS, {"acme", "2"}, ())[0]:
        inside = Source(kind="ox_group", value="0", context=there.context)
        assert (there.sources, there.exclude) == ((inside, ALWAYS), (inside, ALWAYS))


# --------------------------------------------------------------------------- told once


def told(unresolved: Mapping[int, tuple[str, ...]], **box: object) -> dict[int, list[str]]:
    """Give which unresolved members are told, by context, of a mailbox in these contexts."""
    plans = {}
    for context, names in unresolved.items():
        one = mailbox(context=context, pattern=WHERE, **box)
        notices = tuple(Notice(None, "", name, "", f"no user in context {context}") for name in names)
        plans[one.ref] = MailboxPlan(mailbox=one, complete=True, unresolved=notices)
    return {ref.context: [notice.member for notice in plan.unresolved] for ref, plan in told_once(plans).items()}


def test_who_has_a_user_in_some_context_is_not_told_where_the_mailbox_is_everywhere() -> None:
    """A member need not have a user in every context."""
    assert told({1: ("a",), 2: ()}, everywhere=True) == {1: [], 2: []}


def test_who_has_a_user_in_no_context_is_told_once() -> None:
    """It is told in the first context alone."""
    assert told({2: ("a",), 1: ("a", "b"), 7: ("a",)}, everywhere=True) == {1: ["a"], 2: [], 7: []}


def test_a_mailbox_in_one_of_all_contexts_tells_everything() -> None:
    """Where there is one context nobody resolves a member elsewhere."""
    assert told({1: ("a", "b")}, everywhere=True) == {1: ["a", "b"]}


def test_two_entries_of_one_name_are_told_both() -> None:
    """Entries of two directories may have the same DN; none of them hides the other."""
    assert told({1: ("a", "a")}, everywhere=True) == {1: ["a", "a"]}
    assert told({1: ("a", "a"), 2: ()}, everywhere=True) == {1: [], 2: []}


def test_who_chose_a_context_and_has_no_user_there_is_told_there() -> None:
    """Where members choose, one without a user is told in the context that was chosen."""
    assert told({1: ("a",), 2: ("b",)}, choices={}) == {1: ["a"], 2: ["b"]}


def test_whose_choice_is_not_known_is_told_once() -> None:
    """A member that names no context is unresolved everywhere, and that is told once."""
    assert told({1: ("a",), 2: ("a", "b")}, choices={}) == {1: ["a"], 2: ["b"]}


def test_mailboxes_of_fixed_contexts_tell_everything() -> None:
    """Two mappings of one address have nothing to do with each other."""
    assert told({1: ("a",), 2: ("a",)}) == {1: ["a"], 2: ["a"]}


def test_families_are_by_address_and_mapping() -> None:
    """A member without a user in two mailboxes is told for each of them."""
    plans = {}
    for address in ("a@x", "b@x"):
        for context in (1, 2):
            one = mailbox(address=address, key=address, context=context, everywhere=True, pattern=WHERE)
            notice = Notice(None, "", "m", "", "no user")
            plans[one.ref] = MailboxPlan(mailbox=one, complete=True, unresolved=(notice,))
    kept = {ref for ref, plan in told_once(plans).items() if plan.unresolved}
    assert kept == {MailboxRef(1, "a@x"), MailboxRef(1, "b@x")}


def test_nothing_but_what_is_told_changes() -> None:
    """The plan itself, its changes and counts, stays as it was made."""
    one, two = (mailbox(context=context, everywhere=True) for context in (1, 2))
    notice = Notice(None, "", "m", "", "no user")
    plans = {box.ref: MailboxPlan(mailbox=box, complete=True, desired=3, unresolved=(notice,)) for box in (one, two)}
    after = told_once(plans)
    assert after[one.ref] is plans[one.ref]
    assert after[two.ref] == MailboxPlan(mailbox=two, complete=True, desired=3)
    assert isinstance(two.account, Account)
