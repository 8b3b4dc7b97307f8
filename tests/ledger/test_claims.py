"""Claims: how they begin without a change, how they are noted anew, how they end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syncd.core.changes import Adoption, Op
from syncd.core.limits import Window
from syncd.core.model import Claim, MailboxRef
from syncd.errors import LedgerError
from syncd.ledger import mailboxes
from syncd.ledger.ledger import Ledger
from tests.ledger.making import BOTH, NOON, PATH, SALES, SUPPORT, intents, judgement, report

ADOPTIONS = [
    Adoption(3, "carol", 7, "id-3", "uid=carol,dc=x", PATH, b"seal"),
    Adoption(4, "jürgen", 8, "id-4", 'cn="Müller, Jürgen",dc=x', PATH, None),
]


def test_adopted_accounts_are_held_claims(ledger: Ledger) -> None:
    """An adoption gives a held claim with every field, and counts as an addition."""
    ledger.adopt("r", NOON, SUPPORT, ADOPTIONS)
    assert ledger.claims() == {
        SUPPORT: {
            3: Claim(3, 7, True, "id-3", "uid=carol,dc=x", "carol", b"seal"),
            4: Claim(4, 8, True, "id-4", 'cn="Müller, Jürgen",dc=x', "jürgen", None),
        }
    }
    assert ledger.claims()[SUPPORT][3].held is True
    assert ledger.windows(NOON) == {SUPPORT: Window(additions=2)}


def test_since_when_a_claim_stands(ledger: Ledger) -> None:
    """Each claim knows since when it stands; one mailbox, one user or both can be asked for."""
    later = NOON + timedelta(hours=1)
    ledger.adopt("r", NOON, SUPPORT, ADOPTIONS)
    ledger.adopt("r", later, SALES, ADOPTIONS[:1])
    everything = {(SUPPORT, 3): NOON, (SUPPORT, 4): NOON, (SALES, 3): later}
    assert ledger.claimed() == everything
    for asked in ({"mailbox": SUPPORT}, {"user": 3}, {"mailbox": SALES, "user": 4}, {"mailbox": MailboxRef(7, "x")}):
        wanted = {
            (ref, user): at
            for (ref, user), at in everything.items()
            if asked.get("mailbox", ref) == ref and asked.get("user", user) == user
        }
        assert ledger.claimed(**asked) == wanted, asked


def test_an_unknown_mailbox_is_refused(ledger: Ledger) -> None:
    """Claims of a mailbox that was never registered are an error that names it, and nothing is written."""
    with pytest.raises(LedgerError, match=r"other@x.org in context 7"):
        ledger.adopt("r", NOON, MailboxRef(7, "other@x.org"), ADOPTIONS)
    with pytest.raises(LedgerError, match=r"other@x.org in context 7"):
        ledger.intend("r", "b", NOON, intents(Op.CREATE, [1], MailboxRef(7, "other@x.org")))
    assert ledger.claims() == {}


def test_a_mailbox_that_only_a_person_knows(ledger: Ledger) -> None:
    """It can be written of, and is neither configured nor left until a run registers it; a known one stays as it is."""
    ref = MailboxRef(7, "other@x.org")
    before = ledger.status()
    ledger.acquaint(ref, "Other@x.org", NOON)
    ledger.acquaint(SUPPORT, "another spelling", NOON)
    ledger.intend("r", "b", NOON, intents(Op.CREATE, [1], ref), claims=False)
    ledger.conclude("b")
    assert ledger.status() == before
    assert ledger.orphans([]) == ()
    ledger.register([*BOTH, (ref, "other@x.org")])
    assert [(one.address, one.orphaned_since) for one in ledger.status() if one.ref == ref] == [("other@x.org", None)]


def test_a_dn_that_is_no_utf8_is_kept_escaped(ledger: Ledger) -> None:
    """An octet that is no UTF-8 in a DN stops nothing."""
    ledger.adopt("r", NOON, SUPPORT, [ADOPTIONS[0]._replace(dn="cn=\udcff,dc=x", path=("cn=\udcff",))])
    assert ledger.claims()[SUPPORT][3].dn == "cn=\\udcff,dc=x"


def test_a_pending_claim_is_recovered(ledger: Ledger) -> None:
    """A create that nobody concluded becomes a held claim and an applied change when its account is found."""
    ledger.intend("r", "b", NOON, intents(Op.CREATE, [3, 4]))
    pending = ledger.claims()[SUPPORT]
    assert [claim.held for claim in pending.values()] == [False, False]
    ledger.recover(NOON, SUPPORT, [pending[3]._replace(held=True)])
    assert {user: claim.held for user, claim in ledger.claims()[SUPPORT].items()} == {3: True, 4: False}
    assert [row.user for row in ledger.unsettled()] == [4]


def test_refreshing_changes_what_is_given(ledger: Ledger) -> None:
    """Member, DN, login and account are noted anew, a seal only where there is one, others' claims stay."""
    ledger.adopt("r", NOON, SUPPORT, ADOPTIONS)
    ledger.adopt("r", NOON, SALES, ADOPTIONS)
    ledger.refresh(
        SUPPORT, [Claim(3, 7, True, "id-9", "uid=new", "neu", None), Claim(4, 9, True, "id-4", "é", "j", b"s")]
    )
    assert ledger.claims()[SUPPORT] == {
        3: Claim(3, 7, True, "id-9", "uid=new", "neu", b"seal"),
        4: Claim(4, 9, True, "id-4", "é", "j", b"s"),
    }
    assert ledger.claims()[SALES][3].member == "id-3"


def test_forgotten_claims_end(ledger: Ledger) -> None:
    """Forgetting ends the claims of these users in this mailbox only, and counts as no removal."""
    for ref in (SUPPORT, SALES):
        ledger.adopt("r", NOON, ref, ADOPTIONS)
    ledger.forget("r", NOON, SUPPORT, [4, 99])
    assert {ref: set(claims) for ref, claims in ledger.claims().items()} == {SUPPORT: {3}, SALES: {3, 4}}
    assert ledger.windows(NOON)[SUPPORT] == Window(additions=2)


def test_many_claims_are_forgotten_and_refreshed(ledger: Ledger) -> None:
    """More users than fit into one statement are handled alike."""
    adoptions = [Adoption(user, "u", user, "id", "dn", (), None) for user in range(1, 1302)]
    ledger.adopt("r", NOON, SUPPORT, adoptions)
    ledger.refresh(SUPPORT, [Claim(user, user, True, "new", "dn", "u", b"x") for user in range(1, 1302)])
    assert {claim[3:] for claim in ledger.claims()[SUPPORT].values()} == {("new", "dn", "u", b"x")}
    ledger.forget("r", NOON, SUPPORT, range(1, 1301))
    assert set(ledger.claims()[SUPPORT]) == {1301}


def test_released_claims_are_let_go(ledger: Ledger) -> None:
    """Releasing ends all claims of one mailbox and tells how many."""
    for ref in (SUPPORT, SALES):
        ledger.adopt("r", NOON, ref, ADOPTIONS)
    assert ledger.release("r", NOON, SUPPORT) == 2
    assert set(ledger.claims()) == {SALES}
    assert ledger.release("r", NOON, SUPPORT) == 0


def test_what_is_held_ends_with_a_release(ledger: Ledger) -> None:
    """There is nothing left to approve of a mailbox that was let go of."""
    ledger.finish(report(judgement(held="sha256:a"), judgement(SALES, held="sha256:b")))
    ledger.release("r", NOON, SUPPORT)
    assert [plan.digest for plan in ledger.held()] == ["sha256:b"]


def test_a_mailbox_that_left_the_configuration_is_orphaned(ledger: Ledger) -> None:
    """Its claims stay, it is reported since it left, until it comes back."""
    ledger.adopt("r", NOON, SUPPORT, ADOPTIONS)
    assert ledger.orphans([SUPPORT, SALES]) == ()
    left = NOON + timedelta(hours=1)
    ledger.register(BOTH[1:], at=left)
    ledger.register(BOTH[1:], at=left + timedelta(hours=1))
    (orphan,) = ledger.orphans([SALES])
    assert (orphan.address, orphan.context, orphan.claimed, orphan.since) == ("Support@x.org", 1, 2, left)
    assert len(ledger.claims()[SUPPORT]) == 2
    ledger.register(BOTH)
    assert [status.orphaned_since for status in ledger.status()] == [None, None]


def test_nothing_is_orphaned_while_not_all_mailboxes_are_known(ledger: Ledger) -> None:
    """With `whole` false what is not given stays as it was: neither orphaned now, nor back if it had left before."""
    ledger.adopt("r", NOON, SUPPORT, ADOPTIONS)
    ledger.register(BOTH[1:], whole=False, at=NOON)
    assert ledger.orphans([SALES])[0].since is None
    ledger.register(BOTH[1:], at=NOON)
    ledger.register(BOTH[1:], whole=False, at=NOON + timedelta(hours=1))
    assert ledger.orphans([SALES])[0].since == NOON


def test_an_address_that_is_unclear_is_not_orphaned(ledger: Ledger) -> None:
    """It stays as it was, and whatever else is not given is orphaned."""
    ledger.adopt("r", NOON, SALES, ADOPTIONS)
    ledger.register([], unclear={SUPPORT.key}, at=NOON)
    assert {status.ref: status.orphaned_since for status in ledger.status()} == {SUPPORT: None, SALES: NOON}


def test_a_mailbox_comes_back_and_is_added_while_not_all_are_known(ledger: Ledger) -> None:
    """With `whole` false those that are given are known from now on, new ones and orphans too."""
    ledger.register(BOTH[1:], at=NOON)
    new = MailboxRef(2, "new@x.org")
    ledger.register([BOTH[0], (new, "New@x.org")], whole=False, at=NOON)
    assert {status.ref: status.orphaned_since for status in ledger.status()} == {SUPPORT: None, SALES: None, new: None}


def test_registering_again_writes_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds the same mailboxes asks the ledger and changes nothing, whether or not it knows all."""
    ledger.register(BOTH[1:], at=NOON)

    def refused(*_: object, **__: object) -> None:
        pytest.fail("it wrote")

    monkeypatch.setattr(mailboxes, "register", refused)
    for whole in (True, False):
        ledger.register(BOTH[1:], whole=whole)
    ledger.register([], whole=False)
    ledger.register([], unclear={ref.key for ref, _ in BOTH})


def test_an_orphan_without_claims_is_not_reported(ledger: Ledger) -> None:
    """A mailbox without claims that left the configuration is neither an orphan nor in the status."""
    ledger.register(BOTH[1:])
    assert ledger.orphans([SALES]) == ()
    assert [status.ref for status in ledger.status()] == [SALES]


def test_another_spelling_of_the_address_is_noted(ledger: Ledger) -> None:
    """The address is shown as configured now; the mailbox stays the same."""
    ledger.register([(SUPPORT, "SUPPORT@x.org"), BOTH[1]])
    assert [status.address for status in ledger.status()] == ["sales@x.org", "SUPPORT@x.org"]
