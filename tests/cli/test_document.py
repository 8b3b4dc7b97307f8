"""The JSON document: what it says beside the contract's keys, which the end-to-end tests check."""

from __future__ import annotations

import json

from syncd.cli.document import document
from syncd.core.changes import Direction, Judgement, MailboxPlan, Notice, Op
from syncd.core.digest import item
from syncd.core.reads import Proof
from tests.telemetry import reports


def test_a_mailbox_has_its_proof_and_causes() -> None:
    """Each source has its proof under its name, and the causes of what is incomplete are words to count."""
    proof = Proof(server="ldaps://a", identity="cn=s", pages=2, ranges=1, groups=3, values={"user": 5})
    plan = MailboxPlan(
        mailbox=reports.mailbox(pattern="syncd.yaml:7"), complete=False, causes=("range",), proofs={"group cn=a": proof}
    )
    [told] = document(reports.report(Judgement(plan=plan)))["mailboxes"]
    assert told["causes"] == ["range"]
    assert told["pattern"] == "syncd.yaml:7"
    expected = {"server": "ldaps://a", "identity": "cn=s", "pages": 2, "ranges": 1, "groups": 3, "values": {"user": 5}}
    assert told["proof"] == {"group cn=a": expected}


def test_what_belongs_to_no_mailbox_stands_at_the_top() -> None:
    """Problems, searches that did not come to their end and their causes are there, and the whole is JSON."""
    report = reports.report(problems=("p",), undiscovered=("u",), causes=("limit",))
    told = json.loads(json.dumps(document(report)))
    assert (told["problems"], told["undiscovered"], told["causes"]) == (["p"], ["u"], ["limit"])
    assert told["complete"] is False


def test_the_age_of_what_is_unresolved_is_told() -> None:
    """An unresolved member has the time since when, as the ledger knows it."""
    plan = MailboxPlan(
        mailbox=reports.mailbox(), complete=True, unresolved=(Notice(None, "x", "uid=x", "", "no user"),)
    )
    since = {("unresolved", plan.mailbox.ref): {"uid=x": reports.START}}
    [told] = document(reports.report(Judgement(plan=plan), since=since))["unresolved"]
    assert told["since"] == reports.START.isoformat()


def test_an_idle_mailbox_says_why() -> None:
    """The reason is there, nothing of it is held or adopted, and the summary counts it apart."""
    plan = MailboxPlan(
        mailbox=reports.mailbox(),
        complete=True,
        configuration=True,
        changes=(reports.change(Op.DELETE),),
        adopted=(reports.ADOPTION,),
    )
    judgement = Judgement(plan=plan, idle="staging", held=frozenset(Direction))
    told = document(reports.report(judgement))
    [mailbox] = told["mailboxes"]
    assert (mailbox["idle"], mailbox["configuration"], mailbox["held_digest"]) == ("staging", True, None)
    assert [one["result"] for one in (*told["changes"], *told["adopted"])] == ["planned", "planned"]
    assert {name: count for name, count in told["summary"].items() if count} == {"idle": 2}


def test_what_was_not_approved_is_new() -> None:
    """With the digest whose approval was not enough, each change says whether it was a part of it."""
    changes = (reports.change(Op.DELETE, 5), reports.change(Op.DELETE, 6))
    judgement = Judgement(
        plan=MailboxPlan(mailbox=reports.mailbox(), complete=True, changes=changes),
        held=frozenset({Direction.REMOVALS}),
        exceeded="sha256:a",
        beyond=frozenset({item(1, "support@example.org", changes[1])}),
    )
    told = document(reports.report(judgement))
    assert told["mailboxes"][0]["exceeded"] == "sha256:a"
    assert [one["new"] for one in told["changes"]] == [False, True]
