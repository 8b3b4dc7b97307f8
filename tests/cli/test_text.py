"""How a report reads: what matters first, commands that can be copied, nothing that paints the terminal."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console

from syncd.cli.text import ALIKE, proof_line, show
from syncd.core.changes import Direction, Judgement, MailboxPlan, Notice, Objection, Op, Orphan
from syncd.core.digest import item
from syncd.core.guard import RELEASE
from syncd.core.reads import Proof
from tests.telemetry import reports


def shown(plan: MailboxPlan, **more: object) -> str:
    """Give the text of a report with this one plan."""
    text = io.StringIO()
    report = reports.report(Judgement(plan=plan, **more))  # type: ignore[arg-type]
    show(report, Console(file=text, width=60), config="syncd.yaml")
    return text.getvalue()


def plan(withheld: Sequence[Notice] = (), **more: object) -> MailboxPlan:
    return MailboxPlan(mailbox=reports.mailbox(), complete=True, withheld=tuple(withheld), **more)  # type: ignore[arg-type]


def notices(count: int, reason: str = "not every source was read completely") -> list[Notice]:
    return [Notice(user, f"u{user}", f"uid=u{user}", "delete", reason, user) for user in range(1, count + 1)]


def test_few_notices_have_a_line_each() -> None:
    """Up to the limit everybody is named."""
    text = shown(plan(notices(ALIKE)))
    assert text.count("delete withheld: not every source") == ALIKE


def test_many_notices_for_one_reason_are_one_line() -> None:
    """A directory that is down does not read like everybody leaving, one by one."""
    text = shown(plan([*notices(ALIKE + 1), Notice(9, "other", "", "delete", "its member is still there", 9)]))
    assert f"! {ALIKE + 1} accounts delete withheld: not every source was read completely (u1 (1)" in text
    assert text.count("withheld") == 3  # both lines, and the summary
    assert "! other (9) delete withheld: its member is still there" in text


def test_the_command_that_releases_stands_alone_on_its_line() -> None:
    """It is not broken by the width of the terminal, so it can be copied."""
    digest = "sha256:" + "0" * 64
    objection = Objection(
        limit="removals",
        directions=frozenset({Direction.REMOVALS}),
        value=4,
        allowed=3,
        message=f"4 accounts would be removed.{RELEASE}syncd approve {digest}",
    )
    text = shown(plan(), objections=(objection,), held=frozenset({Direction.REMOVALS}), held_digest=digest)
    assert f"\n  syncd approve {digest} -c syncd.yaml\n" in text


def test_an_address_that_a_shell_would_read_is_quoted() -> None:
    """The commands for an orphaned mailbox work as they are copied, whatever its address."""
    orphan = Orphan(context=1, address="o'brien@example.org", claimed=2, since=None)
    text = io.StringIO()
    report = replace(reports.report(), orphans=(orphan,))
    show(report, Console(file=text, width=60), config="syncd.yaml")
    command = text.getvalue().split("Delete them: ")[1].split(". Let go")[0]
    assert shlex.split(command) == ["syncd", "retire", orphan.address, "--context", "1", "-c", "syncd.yaml"]


def test_accounts_of_others_are_told_of() -> None:
    """What `extra: leave` leaves alone is not silent."""
    assert "2 accounts of people who should not have one left alone" in shown(plan(others=2))


def test_names_do_not_paint_the_terminal() -> None:
    """Control characters of directory values are shown as escapes."""
    text = shown(plan([Notice(1, "\x1b[31mred", "", "delete", "why", 1)]))
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text


def test_an_incomplete_read_counts_from_below() -> None:
    """What was read of a source that was not read to its end is a part."""
    found = MailboxPlan(mailbox=reports.mailbox(), complete=False, reasons=("group cn=a: gone",), desired=3)
    assert "at least 3 desired" in shown(found)


# ------------------------------------------------------------------ proofs, problems, searches

PROOF = Proof(
    server="ldaps://dc1",
    identity="CN=syncd,DC=ad",
    pages=3,
    ranges=2,
    groups=7,
    values={"user": 3001, "group": 4, "disabled": 12, "ignored computer": 1, "foreign": 0},
)
WORDS = (
    "group cn=a on ldaps://dc1 as CN=syncd,DC=ad: 3 pages, 2 ranges, 7 groups: "
    "3001 user, 4 group, 12 disabled, 1 ignored computer"
)
PLAIN = Proof(server="ldaps://dc1", identity="anonymous", pages=1, groups=1, values={"user": 2})


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (PROOF, WORDS),
        (PLAIN, "group cn=a on ldaps://dc1 as anonymous: 1 page, 1 group: 2 user"),
        (Proof(identity="configuration", values={"user": 1}), "group cn=a as configuration: 1 user"),
        (Proof(server="ldaps://dc1", groups=1), "group cn=a on ldaps://dc1: 1 group: nobody"),
        (Proof(), "group cn=a: not read"),
    ],
)
def test_a_proof_in_words(proof: Proof, words: str) -> None:
    """Server, identity, what it took and every class of values; nobody is another thing than no answer."""
    assert proof_line("group cn=a", proof) == words


@pytest.mark.parametrize(
    ("more", "flag", "told"),
    [
        ({"proofs": {"group cn=a": PROOF}}, False, False),  # in step: quiet
        ({"proofs": {"group cn=a": PROOF}}, True, True),
        ({"proofs": {"group cn=a": PROOF}, "dangling": ("cn=gone",)}, False, True),
        ({"proofs": {"group cn=a": PLAIN}, "dangling": ("cn=gone",)}, False, False),
        ({"proofs": {"group cn=a": PLAIN}, "complete": False, "reasons": ("range",)}, False, True),
    ],
)
def test_when_a_proof_is_shown(more: dict[str, object], flag: bool, told: bool) -> None:
    """With --proof always; else beside something to tell, where a read is incomplete or has values of a rarer class."""
    found = MailboxPlan(mailbox=reports.mailbox(), **{"complete": True, **more})  # type: ignore[arg-type]
    text = io.StringIO()
    show(reports.report(Judgement(plan=found)), Console(file=text, width=200), config="c", proof=flag)
    assert ("  read group cn=a on ldaps://dc1" in text.getvalue()) == told


def test_accounts_in_step_are_those_of_the_mailboxes_in_step() -> None:
    """A mailbox with something to tell is not among those in step, nor are its accounts."""
    quiet = MailboxPlan(mailbox=reports.mailbox(), complete=True, unchanged=2)
    told = replace(quiet, dangling=("cn=gone",), unchanged=5)
    text = io.StringIO()
    show(reports.report(Judgement(plan=quiet), Judgement(plan=told)), Console(file=text, width=200), config="c")
    assert "1 mailbox in step (2 accounts)" in text.getvalue()
    assert "in step: 7 unchanged" in text.getvalue()


@pytest.mark.parametrize(
    ("more", "words"),
    [({}, "in step: 2"), ({"complete": False}, "nothing to do, as far as is known: 2")],
)
def test_the_last_line_says_in_step_only_of_what_was_read(more: dict[str, object], words: str) -> None:
    """Nothing to do because nothing could be read is another thing than nothing to do."""
    found = MailboxPlan(mailbox=reports.mailbox(), unchanged=2, **{"complete": True, **more})  # type: ignore[arg-type]
    text = io.StringIO()
    show(reports.report(Judgement(plan=found)), Console(file=text, width=200), config="c")
    assert text.getvalue().splitlines()[-1] == f"{words} unchanged"


@pytest.mark.parametrize(
    ("held", "idle", "complete", "words"),
    [
        (set(), "", True, "nothing to do yet: 1 waiting, 2 unchanged"),
        (set(), "", False, "nothing to do, as far as is known: 1 waiting, 2 unchanged"),
        ({Direction.REMOVALS}, "", True, "nothing done, since a limit holds it: 1 waiting, 2 unchanged"),
        ({Direction.REMOVALS}, "paused", True, "nothing to do yet: 1 waiting, 2 unchanged"),
    ],
    ids=["waiting", "not read", "claims held", "paused"],
)
def test_the_last_line_says_in_step_only_where_nothing_is_put_off(
    held: set[Direction], idle: str, words: str, *, complete: bool
) -> None:
    """Removals that wait for their grace, and claims whose end a limit holds, are no step to be in."""
    wait = Notice(5, "carol", "cn=carol", "delete", "grace: 1 of 2 reads agreed", 20)
    found = MailboxPlan(mailbox=reports.mailbox(), complete=complete, unchanged=2, waiting=(wait,))
    text = io.StringIO()
    judgement = Judgement(plan=found, held=frozenset(held), idle=idle)
    show(reports.report(judgement), Console(file=text, width=200), config="c")
    assert text.getvalue().splitlines()[-1] == words


def test_with_a_problem_the_last_line_does_not_say_in_step() -> None:
    """A pattern that gives no mailbox, or a context that is not there, is no reason to be calm."""
    text = io.StringIO()
    show(reports.report(problems=("a:1: there is no context 'x'",)), Console(file=text, width=200), config="c")
    assert "in step" not in text.getvalue()


def test_what_is_outside_of_any_mailbox_is_told() -> None:
    """Problems of patterns and searches that did not come to their end have a line each, beside the mailboxes."""
    text = io.StringIO()
    report = reports.report(problems=("a:1: cn=x: no mail",), undiscovered=("ldaps://a: size limit",))
    show(report, Console(file=text, width=60), config="c")
    assert "\n? a:1: cn=x: no mail\n" in "\n" + text.getvalue()
    assert "! not all mailboxes are known: ldaps://a: size limit" in text.getvalue()


def test_the_age_of_a_member_without_an_entry_is_told() -> None:
    """A dangling member value shows since when it has been one."""
    found = plan(dangling=("cn=gone",))
    text = io.StringIO()
    since = {("dangling", found.mailbox.ref): {"cn=gone": reports.START}}
    report = replace(reports.report(Judgement(plan=found)), since=since)
    show(report, Console(file=text, width=200), config="c")
    assert "cn=gone: listed, but there is no such entry, since 2026-01-02 03:00:00 UTC" in text.getvalue()


# ------------------------------------------------------------------ held, idle, left for later


def objection(limit: str, command: str = "syncd approve sha256:0") -> Objection:
    removals = frozenset({Direction.REMOVALS})
    release = f"{RELEASE}{command}" if command else ""
    return Objection(limit=limit, directions=removals, value=4, allowed=3, message=f"{limit}: too many.{release}")


def test_several_reasons_have_one_command() -> None:
    """Each reason has its line; what releases the plan stands there once."""
    text = shown(
        plan(),
        objections=(objection("removals"), objection("vanished")),
        held=frozenset({Direction.REMOVALS}),
        held_digest="sha256:0",
    )
    assert text.count("HELD") == 2
    assert text.count("syncd approve") == 1


def test_a_changed_configuration_is_told() -> None:
    """What a mailbox would do after an edit of its mapping is marked as such; without anything to do it is silent."""
    changes = (reports.change(Op.DELETE),)
    assert "its configuration has changed" in shown(plan(changes=changes, configuration=True))
    assert "its configuration has changed" not in shown(plan(changes=changes))
    assert "its configuration has changed" not in shown(plan(configuration=True))


def test_an_idle_mailbox_says_why_nothing_is_applied() -> None:
    """The reason stands first; adoptions and changes read as plans, held or not, and nothing asks for an approval."""
    both = frozenset({Direction.ADDITIONS, Direction.REMOVALS})
    text = shown(
        plan(changes=(reports.change(Op.DELETE),), adopted=(reports.ADOPTION,)),
        idle="paused by anna",
        held=both,
        objections=(objection("removals", ""),),
    )
    assert "\n  idle, nothing is applied: paused by anna\n" in text
    assert "- carol (5) delete: \n" in text
    assert "= hugo (8) adopt this existing account" in text
    assert "syncd approve" not in text
    assert "2 not made of idle mailboxes" in text


def test_what_the_brake_leaves_is_no_change_that_was_made() -> None:
    """A change that a run did not come to is for the next run, and counted as that."""
    text = io.StringIO()
    report = reports.report(Judgement(plan=plan(changes=(reports.change(Op.CREATE),))), deferred=1)
    show(report, Console(file=text, width=200), config="c")
    assert "+ carol (5) create left to the next run" in text.getvalue()
    assert "1 left to the next run" in text.getvalue().splitlines()[-1]


def test_what_was_not_approved_is_marked() -> None:
    """Of a plan that is more than what was approved, what came to it is marked, changes and adoptions alike."""
    old, new = reports.change(Op.DELETE, 5), reports.change(Op.DELETE, 6)
    adopted = reports.ADOPTION
    names = frozenset(item(1, "support@example.org", one) for one in (new, adopted))
    text = shown(plan(changes=(old, new), adopted=(adopted,)), held=frozenset(Direction), beyond=names)
    marked = [line for line in text.splitlines() if "NEW: not part of what was approved" in line]
    assert [line.split(")")[0] for line in marked] == ["  - carol (6", "  = hugo (8"]
