"""Who is absent, since when and by how many reads: what `finish` is given is what is stored."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from syncd.core.limits import Absence
from syncd.ledger.ledger import Ledger
from tests.ledger.making import NOON, SALES, SUPPORT, judgement, report

FIRST, SECOND = Absence(1, NOON), Absence(2, NOON)


def test_absences_become_what_is_given(ledger: Ledger) -> None:
    """Of the mailboxes given, users who are not come to an end, others change; other mailboxes keep theirs."""
    ledger.finish(report(judgement()), absences={SUPPORT: {3: FIRST, 4: FIRST, 5: FIRST}, SALES: {3: FIRST}})
    assert ledger.absences() == {SUPPORT: {3: FIRST, 4: FIRST, 5: FIRST}, SALES: {3: FIRST}}
    later = Absence(1, NOON + timedelta(hours=1))
    ledger.finish(report(judgement(), run="r2"), absences={SUPPORT: {3: SECOND, 4: FIRST, 6: later}})
    assert ledger.absences() == {SUPPORT: {3: SECOND, 4: FIRST, 6: later}, SALES: {3: FIRST}}
    ledger.finish(report(judgement(), run="r3"), absences={SALES: {}})
    ledger.finish(report(judgement(), run="r4"))
    assert ledger.absences() == {SUPPORT: {3: SECOND, 4: FIRST, 6: later}}


def test_many_absences(ledger: Ledger) -> None:
    """More users than fit into one statement come and go alike."""
    ledger.finish(report(judgement()), absences={SUPPORT: dict.fromkeys(range(1302), FIRST)})
    ledger.finish(report(judgement(), run="r2"), absences={SUPPORT: {7: SECOND}})
    assert ledger.absences() == {SUPPORT: {7: SECOND}}


def test_only_what_differs_is_written(ledger: Ledger) -> None:
    """A run that finds the same absences and fingerprints writes nothing of them."""
    given = {"absences": {SUPPORT: {3: FIRST}, SALES: {}}, "fingerprints": {SUPPORT: "1:a"}}
    ledger.finish(report(judgement()), **given)  # type: ignore[arg-type]
    sent: list[str] = []
    sa.event.listen(ledger._database._engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    ledger.finish(report(judgement(), run="r2"), **given)  # type: ignore[arg-type]
    assert not [one for one in sent if "absences" in one or "fingerprint" in one]


def test_a_released_mailbox_has_no_absences(ledger: Ledger) -> None:
    """Letting go of a mailbox forgets who is absent from it, and from no other."""
    ledger.finish(report(judgement()), absences={SUPPORT: {3: FIRST}, SALES: {3: FIRST}})
    ledger.release("r", NOON, SUPPORT)
    assert ledger.absences() == {SALES: {3: FIRST}}
