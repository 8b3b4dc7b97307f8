"""What a campaign leaves: a JSON document, and a short table for people."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path

KINDS = ("cut", "reset", "truncate", "silence", "delay", "loss", "refuse", "kill")


@dataclass(kw_only=True)
class Report:
    """Counts, and all that was wrong."""

    seed: int
    asked: int
    """Faults that were to be injected."""
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    """By target, then by kind."""
    runs: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    directory: Counter[str] = field(default_factory=Counter)
    by_hand: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    """How often everything was quiet and all had to be right."""
    restarts: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def struck(self) -> int:
        """All faults together."""
        return sum(one.total() for one in self.faults.values())

    @property
    def wrong_removals(self) -> int:
        """Removals that the directory did not justify."""
        return sum("WRONG REMOVAL" in violation for violation in self.violations)

    def write(self, folder: Path) -> str:
        """Write both; give the table."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        whole = {**told, "struck": self.struck, "wrong_removals": self.wrong_removals}
        (folder / "faults.json").write_text(json.dumps(whole, indent=1) + "\n")
        table = self.table()
        (folder / "faults.txt").write_text(table)
        return table

    def table(self) -> str:
        """Give the table."""
        targets = list(self.faults)
        lines = [["faults", *targets, "all"]]
        for kind in KINDS:
            counts = [self.faults[target][kind] for target in targets]
            lines.append([kind, *map(str, counts), str(sum(counts))])
        counts = [self.faults[target].total() for target in targets]
        lines.append(["all", *map(str, counts), str(sum(counts))])
        wide = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        text = [
            "  ".join([line[0].ljust(wide[0]), *(cell.rjust(wide[place]) for place, cell in enumerate(line) if place)])
            for line in lines
        ]
        text += [
            "",
            f"runs: {_told(self.runs)}; daemon started again: {self.restarts}",
            f"changes applied: {_told(self.changes)}",
            f"changes in the directory: {self.directory.total()}, by hand in the database: {self.by_hand.total()}",
            f"checks in quiet: {self.checks}",
            f"wrong removals: {self.wrong_removals}, violations in all: {len(self.violations)}",
            f"seed {self.seed}, {self.seconds:.0f} seconds",
        ]
        return "\n".join(text) + "\n"


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
