"""Programs that lack one of their cautions, for a machine that has to notice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import syncd.apply
import syncd.core.leavers
import syncd.core.plan
import syncd.decide
from syncd.core import continuity, desire, guard
from syncd.core.draft import Draft
from syncd.ledger.ledger import Ledger
from syncd.openxchange import delete

Spoil = Callable[[pytest.MonkeyPatch], None]
_ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


def _whole(patch: pytest.MonkeyPatch) -> None:
    """Take every read for a whole one."""
    true = desire.desire
    whole: dict[str, Any] = {"includes_complete": True, "excludes_complete": True}
    patch.setattr(syncd.decide, "desire", lambda *given: replace(true(*given), **whole))


def _listed(patch: pytest.MonkeyPatch) -> None:
    """Take who is not identified for somebody who left."""
    true = desire.desire
    nobody: dict[str, Any] = {"unresolved": {}, "present": frozenset(), "dangling": {}, "listed": frozenset()}
    patch.setattr(syncd.decide, "desire", lambda *given: replace(true(*given), **nobody))


def _impatient(patch: pytest.MonkeyPatch) -> None:
    """Wait for nothing."""
    patch.setattr(Draft, "_grace", lambda _draft, _user: None)


def _trusting(patch: pytest.MonkeyPatch) -> None:
    """Believe any server at once."""
    patch.setattr(continuity, "wait_reason", lambda _last, _server, _counter: None)


def _bold(patch: pytest.MonkeyPatch) -> None:
    """Apply what is held."""
    patch.setattr(syncd.apply, "released", lambda judgement: iter(judgement.plan.changes if not judgement.idle else ()))


def _busy(patch: pytest.MonkeyPatch) -> None:
    """Work on what is paused or in staging."""
    true = syncd.decide._idle
    patch.setattr(syncd.decide, "_idle", lambda mailboxes, pauses: true(mailboxes, pauses) and {})


def _forgetful(patch: pytest.MonkeyPatch) -> None:
    """Count what this run does only."""
    patch.setattr(Ledger, "windows", lambda _ledger, _since: {})


def _credulous(patch: pytest.MonkeyPatch) -> None:
    """Find nothing strange about vanished accounts, sources that are empty suddenly and changed configurations."""
    patch.setattr(guard, "objections", _without_grave(guard.objections))


def _without_grave(true: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: tuple(one for one in true(*given) if one.limit not in guard.GRAVE)


def _pushy(patch: pytest.MonkeyPatch) -> None:
    """Let approvals stand for ever."""
    true = Ledger.approvals
    patch.setattr(Ledger, "approvals", lambda ledger, _since: true(ledger, _ALWAYS))
    patch.setattr(Ledger, "expire", lambda _ledger, _since, _at: ())


def _greedy(patch: pytest.MonkeyPatch) -> None:
    """Take everybody's accounts for accounts that may be adopted."""
    patch.setattr(syncd.core.plan, "_in_the_way", lambda _draft, _accounts, _others, owned: None)


def _sloppy(patch: pytest.MonkeyPatch) -> None:
    """Delete accounts by half."""
    patch.setattr(delete, "_ORDER", delete._ORDER[:3])


def _careless(patch: pytest.MonkeyPatch) -> None:
    """Never look what became of a run that died."""
    patch.setattr(Ledger, "unsettled", lambda _ledger: ())
    patch.setattr(Ledger, "recover", lambda _ledger, _at, _ref, _recovered: None)


def _deaf(patch: pytest.MonkeyPatch) -> None:
    """Do what a person rejected."""
    patch.setattr(Ledger, "rejected", lambda _ledger: {})


BROKEN: Mapping[str, Spoil] = {
    spoil.__name__.removeprefix("_"): spoil
    for spoil in (
        *(_whole, _listed, _impatient, _trusting, _bold, _busy, _forgetful, _credulous, _pushy, _greedy, _sloppy),
        *(_careless, _deaf),
    )
}
"""By what they are."""
