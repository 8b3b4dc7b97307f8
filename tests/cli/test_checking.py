"""What `check` makes of a plan: patterns, groups of Open-Xchange, and how many members are users."""

from __future__ import annotations

from dataclasses import replace

from syncd.cli.checking import _answered, _in_open_xchange, _members, _passwords, _patterns
from syncd.core.changes import MailboxPlan, Notice
from syncd.core.finding import Finding
from syncd.core.model import Mailbox, Secret, Source
from syncd.core.patterns import Pattern
from syncd.core.reads import DirectoryRead, Proof
from tests.telemetry import reports

ANYWHERE = "ldaps://a"
NOBODY = Notice(None, "x", "uid=x", "", "no user 'x' in context 1")
TWO = Notice(None, "y", "uid=y", "", "ambiguous: its logins name several users")


def plan(context: int = 1, *, pattern: str = "", everywhere: bool = False, **parts: object) -> MailboxPlan:
    """Give a plan of support@ in a context."""
    mailbox = replace(reports.mailbox(context=context, pattern=pattern), everywhere=everywhere)
    return MailboxPlan(mailbox=mailbox, **{"complete": True, **parts})  # type: ignore[arg-type]


def test_members_are_counted_by_context() -> None:
    """Mailboxes of one context are counted together; who could be several users is told apart."""
    plans = [plan(desired=2, unresolved=(NOBODY,)), plan(desired=1, unresolved=(TWO,)), plan(2, desired=1)]
    first, second = _members(plans)
    assert (first.ok, first.what) == (True, "members in context 1")
    assert first.detail == "3 of 5 are users of Open-Xchange, 1 could be several"
    assert second == Finding(True, "members in context 2", "1 of 1 are users of Open-Xchange")


def test_members_of_whom_none_is_a_user_are_a_fault() -> None:
    """A rule that leads nobody anywhere is told with what to look at; a mailbox without members is none."""
    [found] = _members([plan(unresolved=(NOBODY,)), plan(2)])
    assert (found.ok, found.what, found.detail) == (False, "members in context 1", "0 of 1 are users of Open-Xchange")
    assert "rules in users" in found.hint


def test_members_of_a_mailbox_in_many_contexts_are_counted_once_for_its_mapping() -> None:
    """A context in which none of them is a user is ordinary there."""
    plans = [plan(context, pattern="c.yaml:3", everywhere=True, desired=context % 2) for context in range(1, 5)]
    [found] = _members(plans)
    assert (found.ok, found.what) == (True, "members by the mapping at c.yaml:3")
    assert found.detail == "2 of 2 are users of Open-Xchange"


def test_groups_of_open_xchange_are_checked() -> None:
    """Each is told once per context, with how many users it has, or why it could not be read."""
    there = Source(kind="ox_group", value="1", context=1)
    gone = Source(kind="ox_group", value="12", context=1)
    mailbox = replace(reports.mailbox(), sources=(there,), exclude=(gone,))
    proofs = {str(there): Proof(values={"user": 1}), str(gone): Proof()}
    one = MailboxPlan(mailbox=mailbox, complete=False, reasons=(f"{gone}: there is no such group",), proofs=proofs)
    assert list(_in_open_xchange([one, one])) == [
        Finding(ok=True, what="ox_group 1 of context 1", detail="1 user"),
        Finding(ok=False, what="ox_group 12 of context 1", detail="there is no such group"),
    ]


def test_patterns_tell_what_they_found() -> None:
    """Each pattern has its number of mailboxes, contexts aside, and each problem is a fault with its text."""
    pattern = Pattern(where="c.yaml:3", mailbox=reports.mailbox())
    report = reports.report(problems=("c.yaml:3: cn=x: mailbox {mail} gives nothing",))
    found = list(_patterns([pattern], [plan(1, pattern="c.yaml:3"), plan(2, pattern="c.yaml:3"), plan(3)], report))
    assert [(one.ok, one.what, one.detail) for one in found] == [
        (True, "mapping at c.yaml:3", "1 mailbox found"),
        (False, "discovery", "c.yaml:3: cn=x: mailbox {mail} gives nothing"),
    ]


def test_the_source_of_passwords_is_told_for_all_mailboxes() -> None:
    """Of a mailbox in several contexts one without a password is enough; a pattern goes by its mapping."""

    def having(password: str | None, **more: object) -> Mailbox:
        box = reports.mailbox(**more)  # type: ignore[arg-type]
        return replace(box, account=replace(box.account, password=Secret(password) if password else None))

    found = _passwords(
        [having("a"), having(None, context=2), having(None, pattern="c.yaml:3"), having("b", address="s@x")]
    )
    assert (found.ok, found.what) == (True, "OX passwordSource")
    assert "nobody gets in to support@example.org, the mapping at c.yaml:3, without a password here" in found.detail
    assert "all mailboxes here have one" in _passwords([having("a"), having("b", context=2)]).detail


def test_the_directory_is_not_asked_twice() -> None:
    """What plans for `check` is given the answers that were there already."""
    read = DirectoryRead(operations=7)
    assert _answered(read).read([Source(kind="group", value="cn=a")], progress=lambda _: None) is read
