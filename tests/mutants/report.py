"""What became of the mutants of a module, from the files that mutmut leaves, and which survivors are explained."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

LEAST = 90
"""Percent of the mutants of each module that have to die."""
_DEAD = {1, 3, 36, 37, 24, -24, 152, 255}
"""Exit codes of mutmut: tests failed, pytest broke, the time was up, or the type checker said no."""
_SKIPPED = 34


class Survivor(NamedTuple):
    """A mutant that no test noticed."""

    module: str
    was: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """What became of the mutants of one module."""

    name: str
    mutants: int
    dead: int
    alive: tuple[str, ...]
    """Their names."""

    @property
    def percent(self) -> float:
        """How many died."""
        return 100 * self.dead / self.mutants if self.mutants else 0.0


def module(name: str, meta: Path) -> Module:
    """Read what mutmut noted of a module.

    Raises:
        ValueError: not all mutants were tried.
    """
    codes: Mapping[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    tried = {mutant: code for mutant, code in codes.items() if code != _SKIPPED}
    if untried := [mutant for mutant, code in tried.items() if code in {None, 2}]:
        raise ValueError(f"{len(untried)} mutants of {name} were not tried")
    alive = tuple(mutant for mutant, code in tried.items() if code not in _DEAD)
    return Module(name=name, mutants=len(tried), dead=len(tried) - len(alive), alive=alive)


def survivor(name: str, diff: str) -> Survivor:
    """Describe a survivor by the lines that it changes, which stay when the numbers of mutants do not."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    now = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    return Survivor(name, was, now)


def explanations(path: Path) -> dict[Survivor, str]:
    """Read why a survivor is none to worry about; the empty text is no reason.

    Raises:
        KeyError: one says not all of module, was, now and why.
    """
    listed = tomllib.loads(path.read_text("utf-8")).get("survivor", [])
    return {Survivor(one["module"], one["was"], one["now"]): one["why"] for one in listed}


def verdict(
    modules: Iterable[Module], survivors: Iterable[Survivor], explained: Mapping[Survivor, str], least: float = LEAST
) -> tuple[str, bool]:
    """Give the report, and whether enough mutants died and every survivor is explained."""
    modules, survivors = tuple(modules), tuple(survivors)
    wide = max(len(one.name) for one in modules)
    lines = [f"{'module':{wide}}  mutants  dead  alive  percent"]
    lines += [
        f"{one.name:{wide}}  {one.mutants:7}  {one.dead:4}  {len(one.alive):5}  {one.percent:7.1f}" for one in modules
    ]
    unknown = [one for one in survivors if not explained.get(one)]
    lines += ["", f"survivors: {len(survivors)}, explained: {len(survivors) - len(unknown)}"]
    for one in unknown:
        lines += [f"not explained, in {one.module}:", f"  - {one.was}", f"  + {one.now}"]
    names = {one.name for one in modules}
    gone = [one for one in explained if one.module in names and one not in survivors]
    lines += [f"explained and dead: {one.module}: {one.now}" for one in gone]
    bad = [one.name for one in modules if one.percent < least]
    lines += [f"fewer than {least:g} % died in {', '.join(bad)}"] if bad else []
    return "\n".join(lines) + "\n", not (bad or unknown)
