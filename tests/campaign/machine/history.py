"""One random history as such: the world, its judge, runs in it, and what has to be true after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from hypothesis.stateful import RuleBasedStateMachine, invariant

from syncd.core.changes import Report
from syncd.core.verdict import summary
from tests.campaign.machine.circumstances import Circumstances
from tests.campaign.machine.directory import Fault
from tests.campaign.machine.judge import Approval, Judge
from tests.campaign.machine.model import Ref
from tests.campaign.machine.quiet import right
from tests.campaign.machine.rows import PARTS, Memory, Snapshot, address, secondary
from tests.campaign.machine.scene import Scene

STATEMENTS = 30
"""More than a run sends to Open-Xchange's database if there is nothing to do."""


class Makes(Protocol):
    """Makes the world of one history."""

    def __call__(self) -> Scene: ...


class History(RuleBasedStateMachine):
    """One history; `counts` are of all histories of a test together."""

    make: ClassVar[Makes]
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.scene: Scene = type(self).make()
        self.judge = Judge()

    def teardown(self) -> None:
        """End the program."""
        self.scene.close()

    # ------------------------------------------------------------------ after every step

    @invariant()
    def journal_verifies(self) -> None:
        """The journal is whole, and the newest entry fits all before."""
        self.counts["steps"] += 1
        verification = self.scene.program.ledger.verify()
        assert not verification.problems, verification.problems

    # ------------------------------------------------------------------ runs

    def _come_to_rest(self, *, late: bool) -> None:
        """All comes right within as many runs as grace asks for; then nothing is written."""
        self._nothing_in_the_way()
        boxes = self.scene.loaded.values()
        patience = max(box.waiting.reads for box in boxes) + 1  # another server than before is read twice
        for _ in range(12):
            self.scene.now += max(box.waiting.time for box in boxes)
            servers = self.scene.program.ledger.cursors()
            report = self._run()
            plans = [judgement.plan for judgement in report.judgements]
            held = [one for one in report.judgements if one.held]
            for judgement in held:
                assert judgement.held_digest is not None
                self._decide(judgement.held_digest, release=True)
            if held and late:
                self.scene.now, late = self.scene.now + timedelta(hours=25), False
            patience -= any(plan.waiting for plan in plans) and not held
            if not held and not any(plan.waiting for plan in plans) and servers == self.scene.program.ledger.cursors():
                break
            assert patience > 0, [plan.waiting for plan in plans]
        else:
            raise AssertionError("it never comes to an end")
        self._all_is_right()

    def _nothing_in_the_way(self) -> None:
        scene = self.scene
        for pause in scene.program.ledger.paused(scene.now):
            scene.program.ledger.resume(pause.ref, "anna", scene.now)
        scene.boxes = {name: replace(box, staging=False) for name, box in scene.boxes.items()}
        scene.reload()

    def _all_is_right(self) -> None:
        scene, store = self.scene, self.scene.program.store
        before, memory = scene.snapshot(), scene.memory()
        wrong = [*right(self._circumstances(before, before))]
        assert not wrong, "\n".join(wrong)
        assert not scene.program.ledger.unsettled()
        statements, changed = store.statements, store.database.changed  # type: ignore[attr-defined]
        scene.now += timedelta(minutes=1)
        report = scene.run()
        assert not report.outcomes
        assert store.database.changed == changed  # type: ignore[attr-defined]
        assert store.statements - statements < STATEMENTS  # type: ignore[attr-defined]
        assert scene.snapshot() == before
        assert not (news := differences(memory, scene.memory())), news
        self.counts["quiet worlds"] += 1

    def _run(self, fault: Fault | None = None, only: Collection[Ref] = ()) -> Report:
        self.scene.now += timedelta(minutes=5)
        before, rejected = self.scene.snapshot(), self.scene.rejected()
        report = self.scene.run(fault, only)
        self.counts["runs"] += 1
        self.counts.update(f"accounts to {outcome.change.op.value}" for outcome in report.outcomes)
        self.counts["accounts adopted"] += summary(report)["adopted"]
        self.counts["runs with something held"] += any(one.held for one in report.judgements)
        self.counts["runs not read completely"] += not report.complete
        self.counts["removals that wait"] += sum(len(one.plan.waiting) for one in report.judgements)
        assert not report.errors
        failed = [outcome for outcome in report.outcomes if outcome.result == "failed"]
        assert not failed, failed
        self._judge(before, rejected, report, fault, only)
        return report

    def _judge(
        self,
        before: Snapshot,
        rejected: Mapping[Ref, Collection[int]],
        report: Report | None,
        fault: Fault | None,
        only: Collection[Ref],
    ) -> None:
        now = self._circumstances(before, self.scene.snapshot())
        run = replace(now, rejected=rejected, report=report, fault=fault, only=only)
        wrong = [*self.judge.judge(run)]
        assert not wrong, "\n".join(wrong)

    def _circumstances(self, before: Snapshot, after: Snapshot) -> Circumstances:
        scene = self.scene
        return Circumstances(
            before=before,
            after=after,
            world=scene.truth(),
            boxes=scene.loaded,
            limited=scene.limited,
            now=scene.now,
            server=scene.server,
            paused=[box.ref for box in scene.loaded.values() if scene.paused(box.ref)],
        )

    def _decide(self, digest: str, *, release: bool) -> None:
        ledger, now = self.scene.program.ledger, self.scene.now
        if not release:
            ledger.reject(digest, "anna", now)
            return
        approved = ledger.approve(digest, "anna", now)
        for plan in ledger.held() if approved is not None else ():
            if plan.digest == digest and plan.state == "approved" and plan.approved_at == now:
                changes: Any = plan.plan["changes"]
                self.judge.approvals.append(
                    Approval(
                        now,
                        (plan.ref.context, plan.ref.key),
                        frozenset((one["op"], one["user"]) for one in changes),
                        frozenset(str(one["limit"]) for one in plan.objections),
                    )
                )

    def _only_changed(self, before: Snapshot, whose: Collection[tuple[Ref, int]]) -> None:
        """What a person does to some accounts changes nothing else, and no private account."""
        after = self.scene.snapshot()
        for place in before.accounts.keys() | after.accounts.keys():
            old, new = before.accounts.get(place), after.accounts.get(place)
            if old != new:
                box = address(old or new or {}).lower()
                assert ((place[0], box), place[1]) in whose, (place, old, new)
                assert secondary(old or new or {}), (place, old, new)
                assert new is None or {*PARTS} - {PARTS[2]} <= new.keys(), (place, old, new)
                if old is not None and new is None:
                    self.judge.removed.add(place)


def differences(old: Memory, new: Memory) -> list[str]:
    """Give what is remembered now and was not, and the other way round."""
    return [
        f"{sign} {table} {row}"
        for sign, one, other in (("-", old, new), ("+", new, old))
        for table, rows in one.items()
        for row in rows
        if row not in other[table]
    ]
