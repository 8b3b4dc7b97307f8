"""What a limit stopped, as persons see it: listed, shown, approved, rejected, expired, computed anew."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from syncd.cli import persons
from syncd.ledger.values import HeldPlan
from tests.cli.holding import SUPPORT, Holding
from tests.e2e.station import BASE

HOUR = 3600 * 1000


@pytest.fixture
def place(tmp_path: Path) -> Holding:
    """Give support@ with eight members, of whom three may leave at once."""
    place = Holding(tmp_path)
    place.filled()
    return place


@pytest.fixture
def me(monkeypatch: pytest.MonkeyPatch) -> str:
    """Be anna; give how she is named."""
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    monkeypatch.delenv("SUDO_USER", raising=False)
    return f"anna (uid {os.getuid()})"


# ------------------------------------------------------------------ held


def test_held_has_age_state_and_every_command(place: Holding) -> None:
    """Each plan has its reason once, since when, and the commands to look at it, to release it and to refuse it."""
    digest = place.held(7, 8, 9, 10)
    place.ledger(f"UPDATE held_plans SET created = created - {26 * HOUR}")
    text = place.syncd("held").out
    assert f"{SUPPORT} (context 1), 4 changes, held since " in text
    assert "(1 d 2 h)" in text
    assert text.count("4 accounts would be removed; 3 within 24 hours are allowed") == 1
    for command in ("show", "approve", "reject"):
        assert f"\n  syncd {command} {digest} -c {place.station.config}\n" in text
    told = place.plan()
    assert (told["state"], told["expires"], told["rejected_by"], told["told"]) == ("held", None, None, [])
    assert 26 * 3600 <= told["age_seconds"] < 27 * 3600


def test_several_reasons_are_one_plan(place: Holding) -> None:
    """A group that is suddenly empty and more than the limit allows: one digest with both, one approval for both."""
    digest = place.held()
    assert {one["limit"] for one in place.plan()["objections"]} == {"removals", "suddenly_empty"}
    assert place.syncd("held").out.count("HELD") == 2
    place.syncd("approve", digest)
    assert place.syncd("sync").code == 0
    assert place.users() == set()


def test_what_is_done_of_an_approved_plan_is_told(place: Holding) -> None:
    """Where some of it failed the approval stays for the rest, and nobody reads that nothing was done."""
    digest = place.held(7, 8, 9, 10)
    assert place.plan()["done"] == 0
    keep = "BEFORE DELETE ON user_mail_account WHEN OLD.user = 3 BEGIN SELECT RAISE(ABORT, 'no'); END"
    place.station.execute(f"CREATE TRIGGER stay {keep}")
    place.syncd("approve", digest)
    assert place.syncd("sync").code == 5
    assert (place.plan()["state"], place.plan()["done"]) == ("approved", 3)
    text = place.syncd("held").out
    assert "at least 3, at most 200). 3 of 4 changes are done.\n" in text
    assert "Nothing of it was done" not in text
    place.station.execute("DROP TRIGGER stay")
    assert place.syncd("sync").code == 0
    assert place.syncd("held").out == "nothing is held\n"


def test_nothing_is_held(place: Holding) -> None:
    """Where nothing is held that is said, and a digest is an error with a hint."""
    assert place.syncd("held").out == "nothing is held\n"
    for command in ("show", "approve", "reject"):
        done = place.syncd(command, "sha256:0000")
        assert (done.code, done.out) == (1, "")
        assert "nothing with the digest sha256:0000 is held" in done.err
        assert f"syncd held -c {place.station.config}" in done.err


# ------------------------------------------------------------------ show


def test_show_has_every_change_with_its_path(place: Holding) -> None:
    """Login, user, path and reason of each; what stays is not shown; the beginning of a digest is enough."""
    digest = place.held(7, 8, 9, 10)
    text = place.syncd("show", digest[:14]).out
    assert f"{SUPPORT} (context 1), 4 changes" in text
    assert "4 accounts would be removed" in text
    for user in (3, 4, 5, 6):
        assert f"  - u{user} ({user}) delete" in text
    assert "u7" not in text
    assert f"syncd approve {digest}" in text
    told = place.syncd("show", digest, "--output", "json").document
    assert [one["user"] for one in told["changes"]] == [3, 4, 5, 6]
    assert (told["digest"], told["total"], told["mailbox"]) == (digest, 4, SUPPORT)


def test_show_tells_what_accounts_get_and_what_changes(place: Holding) -> None:
    """Updates have their fields with old and new value; what all new accounts get is told once."""
    place.configure(limits={"additions": 1}, account={"login": "other"})
    place.members(range(3, 13))
    assert place.syncd("sync").code == 4
    text = place.syncd("show", place.digest()).out
    assert "~ u3 (3) update: login team → other" in text
    assert "+ u11 (11) create: a member; its configuration has changed; by cn=support,dc=mycompany,dc=com" in text
    assert text.count("2 of the new accounts get: login other, mail_url imap://imap.mycompany.com:143") == 1


def test_a_long_plan_says_how_many_more(place: Holding) -> None:
    """Only so many changes are stored; the number of all is told."""
    digest = place.held(7, 8, 9, 10)
    [(plan,)] = place.ledger("SELECT plan FROM held_plans WHERE state = 'held'")
    cut = json.loads(plan) | {"total": 1234}
    place.ledger(f"UPDATE held_plans SET plan = '{json.dumps(cut)}'")
    assert "… and 1230 more, which the digest covers too" in place.syncd("show", digest).out


def test_a_beginning_that_is_too_short_or_of_two_is_a_mistake(place: Holding) -> None:
    """Exit code 2 says that the command line is to be written otherwise; nothing is approved."""
    place.held(7, 8, 9, 10)
    for words in (("show", "sha256:"), ("approve", "abc"), ("reject", "")):
        assert place.syncd(*words).code == 2
    assert place.plan()["state"] == "held"


# ------------------------------------------------------------------ approve


def test_an_approval_names_who_and_until_when(place: Holding, me: str) -> None:
    """The list, the answer and the journal have the person; the next run applies exactly what was held."""
    digest = place.held(7, 8, 9, 10)
    done = place.syncd("approve", digest.removeprefix("sha256:")[:10])
    assert done.out == ""
    assert f"approved: {SUPPORT} (context 1), 4 changes; the next run applies it" in done.err
    told = place.plan()
    assert (told["state"], told["approved_by"]) == ("approved", me)
    assert told["expires"] > told["approved_at"] > told["since"]
    assert f"approved by {me} at " in place.syncd("held").out
    assert "(in 23 h 59 min)" in place.syncd("held").out
    assert place.journal("approve") == [("approve", json.dumps(["by hand", me]), digest)]
    assert place.syncd("sync").code == 0
    assert place.users() == {7, 8, 9, 10}
    assert place.syncd("held").out == "nothing is held\n"


def test_whoever_approves_for_somebody_is_named_too(place: Holding, me: str) -> None:
    """`--by` gives a name, and the real user stands beside it."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest, "--by", "The head of support")
    assert place.plan()["approved_by"] == f"The head of support ({me.replace(' (', ', ')}"


def test_approving_twice_keeps_the_first_name(place: Holding, me: str) -> None:
    """The second one is told who was first."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    done = place.syncd("approve", digest, "--by", "Somebody else")
    assert (done.code, f"approved already by {me}" in done.err) == (0, True)
    assert place.plan()["approved_by"] == me
    assert len(place.journal("approve")) == 1


def test_what_is_left_of_an_approved_plan_is_applied(place: Holding) -> None:
    """One of those who were to lose the mailbox is back: the rest is a part of what was approved, and is done."""
    digest = place.held(8, 9, 10)
    place.syncd("approve", digest)
    place.members([3, 8, 9, 10])
    done = place.syncd("sync", "--output", "json")
    assert (done.code, done.mailbox["approved"]) == (0, digest)
    assert place.users() == {3, 8, 9, 10}
    assert place.syncd("held").out == "nothing is held\n"


def test_what_is_more_than_approved_is_held_with_the_difference(place: Holding) -> None:
    """One more leaves after the approval: nothing is done, and the new plan marks what came to it."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    place.members([8, 9, 10])
    done = place.syncd("sync")
    assert done.code == 4
    assert "- u7 (7) delete held" in done.out
    assert [line for line in done.out.splitlines() if "NEW" in line] == [
        line for line in done.out.splitlines() if line.startswith("  - u7 ")
    ]
    assert "1 of 5 changes were not part of it" in done.out
    assert place.digest() != digest
    assert len(place.users()) == 8
    shown = place.syncd("show", place.digest())
    [new] = [line for line in shown.out.splitlines() if "NEW: not part of what was approved" in line]
    assert new.startswith("  - u7 (7) delete")
    told = place.syncd("show", place.digest(), "--output", "json").document
    assert [one["user"] for one in told["changes"] if one.get("new")] == [7]


def test_the_document_of_a_plan_marks_what_is_new(place: Holding) -> None:
    """`plan --output json` names the approval that was not enough, and each change that it lacked."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    place.members([8, 9, 10])
    done = place.syncd("plan", "--output", "json", "--exit-code")
    assert (done.code, done.mailbox["exceeded"]) == (4, digest)
    assert [one["user"] for one in done.document["changes"] if one["new"]] == [7]


def test_an_approval_expires(place: Holding, me: str) -> None:
    """After its time it releases nothing: the plan is held again and can be approved anew, all of which is written."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    place.ledger(f"UPDATE held_plans SET approved_at = approved_at - {25 * HOUR} WHERE state = 'approved'")
    assert f"the approval by {me} has expired" in place.syncd("held").out
    assert place.syncd("sync").code == 4
    assert place.plan()["state"] == "held"
    assert len(place.users()) == 8
    place.syncd("approve", digest)
    assert [op for op, _, _ in place.journal("approve", "expire")] == ["approve", "expire", "approve"]
    assert place.syncd("sync").code == 0
    assert len(place.users()) == 4


def test_an_expired_approval_is_renewed_at_once(place: Holding) -> None:
    """Whoever approves again before a run has noticed the end gets a new approval, and not the word `already`."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    place.ledger(f"UPDATE held_plans SET approved_at = approved_at - {25 * HOUR} WHERE state = 'approved'")
    assert "already" not in place.syncd("approve", digest).err
    assert place.syncd("sync").code == 0


def test_how_long_an_approval_stands_is_configured(place: Holding) -> None:
    """With an hour, one of two hours ago is over, and the list says when it was."""
    place.configure(limits={"approval": "1h"})
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    assert "(in 59 min)" in place.syncd("held").out
    place.ledger(f"UPDATE held_plans SET approved_at = approved_at - {2 * HOUR} WHERE state = 'approved'")
    assert place.syncd("sync").code == 4


def test_what_only_a_plan_has_shown_is_held_by_its_approval(place: Holding) -> None:
    """No run has held it yet: the approval covers what is left of it at the next run, too."""
    place.members([8, 9, 10])
    planned = place.syncd("plan", "--output", "json")
    assert place.ledger("SELECT * FROM held_plans") == []
    place.syncd("approve", planned.mailbox["held_digest"][:20])
    assert place.plan()["total"] == 5
    place.members([3, 8, 9, 10])
    assert place.syncd("sync").code == 0
    assert place.users() == {3, 8, 9, 10}


# ------------------------------------------------------------------ reject


def test_a_rejected_plan_stays_held_as_rejected(place: Holding, me: str) -> None:
    """Runs hold it as before, the list says who refused it, and it can be approved after all."""
    digest = place.held(7, 8, 9, 10)
    done = place.syncd("reject", digest[:12])
    assert f"rejected: {SUPPORT} (context 1), 4 changes; it stays held" in done.err
    assert place.syncd("sync").code == 4
    told = place.plan()
    assert (told["state"], told["rejected_by"], told["digest"]) == ("rejected", me, digest)
    text = place.syncd("held").out
    assert f"rejected by {me} at " in text
    assert f"syncd approve {digest}" in text
    assert "syncd reject" not in text
    assert f"rejected already by {me}" in place.syncd("reject", digest, "--by", "Other").err
    place.syncd("approve", digest)
    assert place.plan()["state"] == "approved"
    assert place.syncd("sync").code == 0
    assert place.users() == {7, 8, 9, 10}
    assert [op for op, _, _ in place.journal("approve", "reject")] == ["reject", "approve"]


def test_a_rejection_outlasts_another_letter_case_of_the_address(place: Holding) -> None:
    """Whoever writes the address anew in the configuration has answered nothing: what was rejected still is."""
    place.syncd("reject", place.held(7, 8, 9, 10))
    config = place.station.config
    config.write_text(config.read_text().replace(f'"{SUPPORT}"', f'"{SUPPORT.title()}"'))
    place.members([6, 7, 8, 9, 10])  # three leave, as many as may
    assert place.syncd("sync").code == 4
    assert len(place.users()) == 8


def test_a_rejection_withdraws_an_approval(place: Holding, me: str) -> None:
    """What was approved and not applied yet is not applied any more."""
    digest = place.held(7, 8, 9, 10)
    place.syncd("approve", digest)
    assert f"the approval of {me} is withdrawn" in place.syncd("reject", digest).err
    assert place.syncd("sync").code == 4
    assert len(place.users()) == 8


def test_what_only_a_plan_has_shown_can_be_rejected(place: Holding) -> None:
    """Whoever looks before any run does may say no beforehand."""
    place.members([7, 8, 9, 10])
    digest = place.syncd("plan", "--output", "json").mailbox["held_digest"]
    assert place.syncd("reject", digest).code == 0
    assert place.syncd("sync").code == 4
    assert place.plan()["state"] == "rejected"


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_what_is_over_meanwhile_is_not_decided_about(
    place: Holding, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A run that finds everything in step between the look and the answer leaves nothing to answer, which is said."""
    digest = place.held(7, 8, 9, 10)

    def find(text: str, plans: Sequence[HeldPlan]) -> HeldPlan | None:
        found = persons.find(text, plans)
        place.members(range(3, 11))
        assert place.syncd("sync").code == 0
        return found

    monkeypatch.setattr("syncd.cli.held.find", find)
    done = place.syncd(command, digest)
    assert (done.code, f"nothing with the digest {digest} is held" in done.err) == (1, True)
    assert place.journal("approve", "reject") == []


# ------------------------------------------------------------------ a changed configuration


def test_another_configuration_is_another_plan(place: Holding) -> None:
    """Where the changed configuration gives another plan, the old one and its approval are over."""
    place.configure(account={"login": "one"})
    assert place.syncd("sync").code == 4
    first = place.digest()
    place.syncd("approve", first)
    place.configure(account={"login": "two"})
    assert place.syncd("sync").code == 4
    assert place.digest() != first
    assert place.plan()["state"] == "held"


def test_a_configuration_that_gives_the_same_plan_keeps_the_approval(place: Holding) -> None:
    """What does not change the plan changes nothing about it: the approval of before releases it."""
    place.configure(account={"login": "one"})
    assert place.syncd("sync").code == 4
    place.syncd("approve", place.digest())
    place.configure(account={"login": "one"}, http={"listen": "127.0.0.1:9470"})
    assert place.syncd("sync").code == 0


def test_an_approval_of_before_an_edit_does_not_release_what_the_edit_does(place: Holding) -> None:
    """The same removals by another mapping are held once more, for the edit, and say so."""
    place.syncd("approve", place.held(7, 8, 9, 10))
    config = place.station.config
    config.write_text(config.read_text().replace(f"cn=support,{BASE}", f"cn=sales,{BASE}"))
    place.members([7, 8, 9, 10], [7, 8, 9, 10])
    done = place.syncd("sync")
    assert (done.code, len(place.users())) == (4, 8)
    assert "its configuration has changed since the last run: 4 accounts would be removed" in done.out
    assert "but it has another reason now" in done.out


def test_a_typing_error_in_an_exclusion_lets_nobody_in(place: Holding) -> None:
    """Whoever an edited filter does not find any more waits for an approval, at every run, as few as they are."""
    found = "(|(uid=u3)(uid=u4))"
    mapping = json.loads(place.station.config.read_text())["mappings"][0]
    place.station.configure({**mapping, "exclude": [{"filter": found}]})
    assert (place.syncd("sync").code, place.users()) == (0, set(range(5, 11)))
    place.station.configure({**mapping, "exclude": [{"filter": found.replace("uid", "uidd")}]})
    for _ in range(2):
        done = place.syncd("sync")
        assert (done.code, place.users()) == (4, set(range(5, 11)))
        assert "(uidd=u4)) names nobody: 2 accounts would be added" in done.out
    place.syncd("approve", place.digest())
    assert (place.syncd("sync").code, place.users()) == (0, set(range(3, 11)))
    assert place.syncd("sync").code == 0


def test_an_edit_is_told_while_removals_still_wait(place: Holding) -> None:
    """The first run after it says so, although nothing is to be done yet."""
    place.configure(grace={"reads": 2})
    config = place.station.config
    config.write_text(config.read_text().replace(f"cn=support,{BASE}", f"cn=sales,{BASE}"))
    place.members(range(3, 11), range(3, 10))
    out = place.syncd("sync").out
    assert "its configuration has changed" in out
    assert "grace: 1 of 2 reads agreed" in out


def test_a_mailbox_that_leaves_takes_what_is_held_along(place: Holding) -> None:
    """It is orphaned; no run would ask for the approval any more, so nobody is asked for it."""
    place.held(7, 8, 9, 10)
    place.configure("sales")
    place.members(range(3, 11), [3])
    place.syncd("sync")
    assert place.syncd("held").out == "nothing is held\n"
