from __future__ import annotations

from typing import Any

import pytest

from tests.settings.configurations import MISSING, VALID, Loader, Steps

ACCOUNT: Steps = ("mappings", 0, "account")


def test_an_unknown_key_gets_a_suggestion(loader: Loader) -> None:
    """A misspelt key is told in the line of the key, with the key that was meant, and nothing else is said about it."""
    problems = loader.problems((("mappings", 0, "sources", 0), {"gruop": "cn=support,dc=org"}))
    line = loader.lines["mappings", 0, "sources", 0, "gruop"]
    assert problems == (f'syncd.yaml:{line}: mappings[0].sources[0]: unknown key "gruop", did you mean "group"?',)


@pytest.mark.parametrize(
    ("section", "wrong", "right"),
    [
        (("directory",), "bsae", "base"),
        (("mappings", 0), "acount", "account"),
        (ACCOUNT, "Login", "login"),
        ((), "mapings", "mappings"),
    ],
)
def test_a_misspelt_required_key_is_not_missing_too(loader: Loader, section: Steps, wrong: str, right: str) -> None:
    """One mistake is one message."""
    value: Any = VALID
    for step in (*section, right):
        value = value[step]
    problems = loader.problems(((*section, right), MISSING), ((*section, wrong), value))
    assert len(problems) == 1
    assert f'unknown key "{wrong}", did you mean "{right}"?' in problems[0]
    assert problems[0].startswith(f"syncd.yaml:{loader.lines[(*section, wrong)]}: ")


def test_an_unknown_key_without_a_likeness_lists_what_is_known(loader: Loader) -> None:
    """Where no key is meant recognisably, the known ones are named."""
    (problem,) = loader.problems((("log", "zzz"), 1))
    assert problem.endswith('log: unknown key "zzz", known here: format, level')


@pytest.mark.parametrize(
    "path",
    [
        ("directory",),
        ("directory", "urls"),
        ("directory", "base"),
        ("openxchange",),
        ("openxchange", "database"),
        ("openxchange", "database", "url"),
        ("mappings",),
        ("mappings", 0, "mailbox"),
        ("mappings", 0, "context"),
        ("mappings", 0, "sources"),
        ACCOUNT,
        (*ACCOUNT, "name"),
        (*ACCOUNT, "login"),
        (*ACCOUNT, "mail"),
        (*ACCOUNT, "mail", "server"),
        (*ACCOUNT, "mail", "port"),
        (*ACCOUNT, "transport", "server"),
        (*ACCOUNT, "transport", "port"),
    ],
)
def test_a_missing_key_is_told_at_its_section(loader: Loader, path: Steps) -> None:
    """A required key that is absent is one problem, in the line of the section it belongs to."""
    rest = {"protocol": "imap"} if path[-2:-1] == ("mail",) else {}
    problems = loader.problems((path, MISSING), *(((*path[:-1], key), value) for key, value in rest.items()))
    line = loader.lines.get(path[:-1], 1)
    assert len(problems) == 1
    assert problems[0].startswith(f"syncd.yaml:{line}: ")
    assert f'missing key "{path[-1]}"' in problems[0]
