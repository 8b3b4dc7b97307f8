"""`make bench`: syncd against the plain clients of its servers, as ratios taken in one run.

    python -m tests.bench [--users 100000] [--rounds 5] [only …]

Not a test: nothing fails when a number is bad, the table says so. Both sides of a comparison take turns (A B A B), the
median of the rounds counts. What is measured of syncd runs in a process that is warm, as the daemon is; the first run
of that process is left out of the medians and shown beside them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import contexts, raw, reading
from tests.bench.line import Line
from tests.bench.world import EVERYBODY, Measured, Size, World

SYNCD = str(Path(sys.executable).parent / "syncd")
MEMORY = 250
"""MiB that a run may need."""


def unchanged(world: World, rounds: int, name: str, groups: str, mappings: list[dict[str, object]]) -> Line:
    """Compare runs that find nothing to do with the raw reads."""
    schema = world.schema()
    configuration = world.configure(schema, schema, mappings, ledger=schema)
    measured = Measured(configuration)
    first = measured.run()
    script = raw.read(world, schema, groups)
    quiet, differences = raw.shell(script)
    assert differences == "0", f"the raw reads found {differences} differences"
    measured.close()

    measured = Measured(configuration)  # another process, so that its peak is that of unchanged runs alone
    cold = measured.run()
    ours: list[dict[str, Any]] = []
    reads: list[float] = [quiet]
    for _ in range(rounds):
        ours.append(measured.run())
        reads.append(raw.shell(script)[0])
    measured.close()
    last = ours[-1]
    assert last["summary"].keys() == {"unchanged"}, last["summary"]
    return Line(
        name=name,
        ours=_median(ours),
        raw=statistics.median(reads[1:]),
        target=3,
        notes=(
            f"{last['summary']['unchanged']} unchanged; {_counts(last)}",
            f"peak {last['peak'] / 1024:.0f} MiB of {MEMORY}; processor {last['cpu']:.2f} s; first run {_s(cold)}",
            _phases(ours),
            f"before: {first['summary'].get('create', 0)} created in {_s(first)}, peak {first['peak'] / 1024:.0f} MiB",
        ),
    )


def everybody(world: World, rounds: int) -> list[Line]:
    """One mailbox for all people."""
    mapping = world.mapping(EVERYBODY, f"cn={EVERYBODY},ou=groups")
    name = f"unchanged, {world.size.users:,} members"
    return [unchanged(world, rounds, name, f"cn={EVERYBODY},ou=groups", [mapping])]


def teams(world: World, rounds: int) -> list[Line]:
    """Many mailboxes with a few members each."""
    size = world.size
    mappings = [world.mapping(f"team{number}", f"cn=team{number},ou=teams") for number in range(size.teams)]
    return [unchanged(world, rounds, f"unchanged, {size.teams:,} x {size.team}", "ou=teams", mappings)]


def writes(world: World, rounds: int) -> list[Line]:
    """Give a mailbox to some thousands of people, and take it away again."""
    schema, twin = world.schema(), world.schema()
    some = world.configure("some", schema, [world.mapping("some", "cn=some,ou=groups")], ledger="writes")
    one = world.configure("one", schema, [world.mapping("some", "cn=one,ou=groups")], ledger="writes")
    measured = Measured(some, one)
    measured.run()
    client = raw.Writes(world, schema, twin)
    measured.run(1)
    creates: list[dict[str, Any]] = []
    deletes: list[dict[str, Any]] = []
    raw_creates: list[float] = []
    raw_deletes: list[float] = []
    for _ in range(rounds):
        creates.append(measured.run(0))
        raw_creates.append(client.create())
        deletes.append(measured.run(1))
        raw_deletes.append(client.delete())
    measured.close()
    found = []
    for op, ours, theirs in (("create", creates, raw_creates), ("delete", deletes, raw_deletes)):
        assert ours[-1]["summary"][op] == world.size.writes, ours[-1]["summary"]
        notes = (f"whole run {_median(ours):.2f} s; {_counts(ours[-1])}; peak {ours[-1]['peak'] / 1024:.0f} MiB",)
        found.append(
            Line(
                name=f"{world.size.writes:,} {op}s",
                ours=_median(ours, "apply"),
                raw=statistics.median(theirs),
                target=6,
                notes=(*notes, _phases(ours)),
            )
        )
    return found


def processes(rounds: int) -> list[Line]:
    """Time whole processes."""
    with tempfile.TemporaryDirectory(prefix="sb", dir="/tmp") as name:
        folder = Path(name)
        raw.process(SYNCD, "demo", "play", folder=folder)
        plan = [SYNCD, "plan", "-c", "play/syncd.yaml"]
        times = [
            (raw.process(SYNCD, "--help", folder=folder), raw.process(*plan, folder=folder)) for _ in range(rounds)
        ]
    helped, planned = (statistics.median(values) for values in zip(*times, strict=True))
    return [
        Line(name="syncd --help", ours=helped, raw=None, target=0.4),
        Line(name="syncd plan, playground", ours=planned, raw=None, target=1.5),
    ]


def table(lines: Sequence[Line]) -> Table:
    """Draw the result."""
    drawn = Table("", "syncd", "raw", "ratio", "target", "")
    for line in lines:
        good = line.value <= line.target
        unit = " s" if line.raw is None else " x"
        drawn.add_row(
            line.name,
            f"{line.ours:.2f} s",
            "" if line.raw is None else f"{line.raw:.2f} s",
            "" if line.raw is None else f"{line.value:.2f} x",
            f"{line.target:g}{unit}",
            "[green]met[/]" if good else "[red]missed[/]",
        )
    return drawn


def _median(runs: Sequence[dict[str, Any]], phase: str = "") -> float:
    return statistics.median(run["phases"][phase] if phase else run["seconds"] for run in runs)


def _phases(runs: Sequence[dict[str, Any]]) -> str:
    names = sorted({name for run in runs for name in run["phases"]}, key=lambda name: -_median(runs, name))
    return "by phase: " + ", ".join(f"{name} {_median(runs, name):.2f}" for name in names)


def _counts(run: dict[str, Any]) -> str:
    return f"{run['operations']} LDAP operations, {run['statements']} statements, {run['ledger']} to the ledger"


def _s(run: dict[str, Any]) -> str:
    return f"{run['seconds']:.2f} s"


def main() -> None:
    """Measure what the options ask for and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--users", type=int, default=100_000, help="people, and members of the big group")
    parser.add_argument("--teams", type=int, default=2000, help="small groups")
    parser.add_argument("--team", type=int, default=50, help="members of each")
    parser.add_argument("--writes", type=int, default=10_000, help="accounts created and deleted")
    parser.add_argument("--rounds", type=int, default=5)
    scenarios: dict[str, Callable[[World, int], list[Line]]] = {
        "everybody": everybody,
        "teams": teams,
        "writes": writes,
    }
    alone: dict[str, Callable[[int], list[Line]]] = {
        "processes": processes,
        "nested": reading.nested,
        "ranges": reading.ranges,
        "contexts": contexts.contexts,
    }
    parser.add_argument("only", nargs="*", choices=[*scenarios, *alone, []], help="what to measure; default: all")
    options = parser.parse_args()
    chosen = options.only or [*scenarios, *alone]
    size = Size(users=options.users, teams=options.teams, team=options.team, writes=options.writes)
    console = Console(width=None if sys.stdout.isatty() else 120)
    lines: list[Line] = []
    start = time.perf_counter()
    if any(name in scenarios for name in chosen):
        with World(size) as world:
            for name in chosen:
                if name in scenarios:
                    lines += scenarios[name](world, options.rounds)
                    console.print(f"{name} measured after {time.perf_counter() - start:.0f} s", style="dim")
    for name in chosen:
        if name in alone:
            lines += alone[name](options.rounds)
            console.print(f"{name} measured after {time.perf_counter() - start:.0f} s", style="dim")
    console.print(table(lines))
    for line in lines:
        for note in line.notes:
            console.print(f"{line.name}: {note}", highlight=False)


if __name__ == "__main__":
    main()
