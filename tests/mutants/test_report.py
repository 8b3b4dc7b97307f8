"""The report on mutants counts what mutmut noted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.mutants.report import Module, Survivor, explanations, module, survivor, verdict

EXPLAINED = Path(__file__).with_name("explained.toml")


def noted(path: Path, **codes: int | None) -> Path:
    """Write what mutmut notes of a module."""
    path.write_text(json.dumps({"exit_code_by_key": codes}))
    return path


def test_mutants_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    """Failed tests and time that is up are deaths; no test at all is none, and skipped ones do not count."""
    found = module("plan", noted(tmp_path / "meta", a=1, b=36, c=0, d=33, e=34, f=-9))
    assert found == Module(name="plan", mutants=5, dead=2, alive=("c", "d", "f"))
    assert found.percent == 40


def test_what_was_not_tried_is_no_result(tmp_path: Path) -> None:
    """A run that was interrupted gives no percentage."""
    with pytest.raises(ValueError, match="1 mutants of plan were not tried"):
        module("plan", noted(tmp_path / "meta", a=1, b=None))


def test_a_survivor_is_known_by_what_it_changes() -> None:
    """The lines count, not the number of the mutant."""
    diff = "# x: survived\n--- a.py\n+++ a.py\n@@ -1,3 +1,3 @@\n def f():\n-    return 1\n+    return 2\n"
    assert survivor("plan", diff) == Survivor("plan", "return 1", "return 2")


@pytest.mark.parametrize(("dead", "enough"), [(90, True), (89, False)])
def test_ninety_of_a_hundred_have_to_die(dead: int, enough: bool) -> None:
    """Each module counts by itself, and explained survivors are not dead."""
    survivors = [Survivor("plan", "a", str(number)) for number in range(100 - dead)]
    modules = [
        Module(name="plan", mutants=100, dead=dead, alive=tuple(one.now for one in survivors)),
        Module(name="guard", mutants=10, dead=10, alive=()),
    ]
    text, found = verdict(modules, survivors, dict.fromkeys(survivors, "it is the same"))
    assert found == enough
    assert f"plan       100  {dead:4}  {100 - dead:5}  {dead:7.1f}\n" in text
    assert f"survivors: {100 - dead}, explained: {100 - dead}" in text
    assert ("fewer than 90 % died in plan" in text) != enough


def test_every_survivor_needs_a_reason() -> None:
    """One that is not explained, or by no words, is shown and is one too many; what died since is told."""
    survivors = [Survivor("plan", "a", now) for now in ("b", "c", "d")]
    explained = {survivors[0]: "it is the same", survivors[1]: "", Survivor("plan", "x", "y"): "it was the same"}
    explained |= {Survivor("guard", "x", "z"): "nobody asked for this module now"}
    text, enough = verdict([Module(name="plan", mutants=100, dead=97, alive=())], survivors, explained)
    assert not enough
    assert "survivors: 3, explained: 1\n" in text
    assert text.count("not explained, in plan:\n  - a\n") == 2
    assert "explained and dead: plan: y\n" in text
    assert "guard" not in text


def test_every_explanation_explains() -> None:
    """The file has for each survivor what it changes, and a reason."""
    found = explanations(EXPLAINED)
    assert found
    assert all(why for why in found.values())
    assert all(one.was and one.was != one.now for one in found)
