"""What is refused of limits, grace and pace, alone and together."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settings.configurations import Loader, Steps

MAPPING: Steps = ("mappings", 0)
OWN: Steps = (*MAPPING, "limits")
SHARE = {"percent": 50, "floor": 20}
TOGETHER: list[tuple[list[tuple[Steps, object]], Steps, str]] = [
    (
        [(("limits", "removals"), {"floor": 9, "most": 8})],
        ("limits", "removals", "most"),
        "below the floor, which is 9",
    ),
    ([(("limits", "updates"), {"floor": 9, "most": 8})], ("limits", "updates", "most"), "below the floor, which is 9"),
    (
        [(("limits", "additions"), {**SHARE, "most": 8})],
        ("limits", "additions", "most"),
        "below the floor, which is 20",
    ),
    (
        [(("limits", "context", "removals"), {"floor": 9, "most": 8})],
        ("limits", "context", "removals", "most"),
        "below the floor, which is 9",
    ),
    (
        [(("limits", "sensitive", "additions"), {"floor": 9, "most": 8})],
        ("limits", "sensitive", "additions", "most"),
        "below the floor, which is 9",
    ),
    ([((*OWN, "removals"), {"floor": 9, "most": 8})], (*OWN, "removals", "most"), "below the floor, which is 9"),
    (
        [(("limits", "removals", "most"), 8), ((*OWN, "removals", "floor"), 9)],
        (*OWN, "removals", "floor"),
        "must not be above limits.removals.most, which is 8; give most here too",
    ),
    (
        [(("limits", "additions"), {"percent": 1, "floor": 2, "most": 8}), ((*OWN, "additions", "floor"), 9)],
        (*OWN, "additions", "floor"),
        "must not be above limits.additions.most, which is 8",
    ),
    (
        [
            (("limits", "sensitive", "additions", "most"), 8),
            ((*MAPPING, "sensitive"), True),
            ((*OWN, "additions", "floor"), 9),
        ],
        (*OWN, "additions", "floor"),
        "must not be above limits.sensitive.additions.most, which is 8",
    ),
    ([((*OWN, "additions"), {"percent": 5})], (*OWN, "additions"), 'missing key "floor"; limits.additions is a number'),
    ([((*OWN, "additions"), {"floor": 5})], (*OWN, "additions"), 'missing key "percent"; limits.additions is a number'),
    ([(("limits", "additions"), {"floor": 5})], ("limits", "additions"), 'missing key "percent"'),
    ([(("history", "keep"), "8d"), (("limits", "window"), "9d")], ("history", "keep"), "limits.window, which is 9d"),
]


@pytest.mark.parametrize(("changes", "at", "words"), TOGETHER)
def test_values_that_contradict_are_refused(
    loader: Loader, changes: list[tuple[Steps, object]], at: Steps, words: str
) -> None:
    """Only what is written can contradict; the problem stands at the value that should change."""
    [problem] = loader.problems(*changes)
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)[1:]
    assert problem.startswith(f"syncd.yaml:{loader.lines[at]}: {shown}: "), problem
    assert words in problem


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("mode",), "test", "must be live or staging, not 'test'"),
        ((*MAPPING, "mode"), True, "must be live or staging, not true"),
        ((*MAPPING, "sensitive"), "yes", "must be true or false, not 'yes'"),
        (("grace",), True, "must be a mapping (key: value) or off"),
        (("grace",), "none", "must be a mapping (key: value) or off"),
        (("grace", "reads"), 0, "must be a whole number from 1 to 1000, not 0"),
        (("grace", "minutes"), "30m", "must be a whole number from 0 to 44640, not '30m'"),
        ((*MAPPING, "grace"), 2, "must be a mapping (key: value) or off"),
        ((*MAPPING, "grace", "reads"), 0, "must be a whole number from 1 to 1000, not 0"),
        (("limits", "window"), "59m", "must be at least 1h, not 59m"),
        (("limits", "window"), "32d", "must not be longer than 31d, not '32d'"),
        (("limits", "window"), 24, "must be a duration"),
        (("limits", "approval"), "0s", "must be at least 1h, not 0s"),
        (("limits", "removals", "most"), -1, "must be a whole number above -1, not -1; or off"),
        (("limits", "removals", "most"), True, "must be a whole number above -1, not true; or off"),
        ((*OWN, "updates", "most"), "none", "must be a whole number above -1, not 'none'; or off"),
        (("limits", "additions"), True, "must be a whole number above -1, not true; or percent, floor and most"),
        (("limits", "context"), True, "must be a mapping (key: value) or off"),
        (("limits", "context"), 500, "must be a mapping (key: value) or off"),
        (("limits", "context", "additions"), -1, "must be a whole number above -1, not -1"),
        (("limits", "sensitive"), 20, "must be a mapping (key: value)"),
        (("max_changes_per_minute",), 0, "must be a whole number above 0, not 0"),
        (("rollout",), "slow", "must be a mapping (key: value), not a text"),
        (("rollout", "mailboxes"), 0, "must be a whole number above 0, not 0"),
        (("rollout", "wait"), "0s", "must be longer than nothing"),
        (("history", "keep"), "6d", "must be at least 7d, not 6d; or forever"),
        (("history", "keep"), "always", "must be a duration such as 500ms, 5s, 30m or 1h, not 'always'; or forever"),
    ],
)
def test_a_wrong_value_is_one_problem_in_its_line(loader: Loader, path: Steps, value: object, words: str) -> None:
    """Each rule, broken alone, gives one problem that names line, path and what is wanted."""
    [problem] = loader.problems((path, value))
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    assert problem.startswith(f"syncd.yaml:{loader.lines[path]}: {shown}: "), problem
    assert words in problem


@pytest.mark.parametrize(
    ("path", "key", "meant"),
    [
        (("limits", "context"), "removal", "removals"),
        (("limits", "additions"), "precent", "percent"),
        ((*OWN, "additions"), "flor", "floor"),
        (("limits", "sensitive"), "aditions", "additions"),
        (("grace",), "read", "reads"),
        ((*MAPPING, "grace"), "minute", "minutes"),
        (("rollout",), "mailbox", "mailboxes"),
        (("history",), "kept", "keep"),
        ((), "max_change_per_minute", "max_changes_per_minute"),
    ],
)
def test_a_misspelt_key_is_told_with_the_one_that_was_meant(loader: Loader, path: Steps, key: str, meant: str) -> None:
    """Once, without complaints about what it would have said."""
    needed: dict[str, Any] = {"precent": {"floor": 3}, "flor": {"percent": 3}}.get(key, {})
    values = [(path, {**needed, key: 5})] if path else [((key,), 5)]
    [problem] = loader.problems(*values)
    assert problem.endswith(f'unknown key "{key}", did you mean "{meant}"?')
    assert problem.startswith(f"syncd.yaml:{loader.lines[(*path, key)]}:")
