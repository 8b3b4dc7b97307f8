"""A valid configuration to change, written as block YAML with known line numbers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.core.limits import Grace, Limits, Share
from syncd.errors import ConfigurationError
from syncd.settings.loading import Settings, load

CAREFUL: dict[str, Any] = {
    "limits": Limits(removals=Share(percent=30, floor=3, most=200)),
    "grace": Grace(reads=2),
}
"""What a mailbox has of which the configuration says nothing."""
Steps = tuple[str | int, ...]
MISSING = object()
VALID: dict[str, Any] = {
    "directory": {"urls": ["ldaps://ldap.example.org"], "base": "dc=example,dc=org"},
    "openxchange": {"database": {"url": "mysql+pymysql://syncd@db.example.org/oxdatabase_5"}},
    "mappings": [
        {
            "mailbox": "support@mycompany.com",
            "context": 1,
            "sources": [{"group": "cn=support,ou=groups,dc=example,dc=org"}],
            "account": {
                "name": "Support",
                "login": "support@mycompany.com",
                "mail": {"server": "imap.mycompany.com", "port": 143},
                "transport": {"server": "smtp.mycompany.com", "port": 25},
            },
        }
    ],
}


def changed(*changes: tuple[Steps, object]) -> dict[str, Any]:
    """Give the valid configuration with some values set (sections are made as needed) or taken away (MISSING)."""
    data = copy.deepcopy(VALID)
    for path, value in changes:
        holder: Any = data
        for step in path[:-1]:
            holder = holder[step] if isinstance(step, int) else holder.setdefault(step, {})
        if value is MISSING:
            del holder[path[-1]]
        elif isinstance(holder, list) and path[-1] == len(holder):
            holder.append(copy.deepcopy(value))
        else:
            holder[path[-1]] = copy.deepcopy(value)
    return data


def dumped(data: object) -> tuple[str, dict[Steps, int]]:
    """Write block YAML, one key or item a line; give the text and the line of every path."""
    text: list[str] = []
    lines: dict[Steps, int] = {}

    def write(value: object, path: Steps, lead: str) -> None:
        if isinstance(value, dict | list) and value:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for step, item in items:
                head = f"{lead}{json.dumps(step)}:" if isinstance(value, dict) else f"{lead}-"
                nested = isinstance(item, dict | list) and item
                # an item that is a mapping begins on the next line, where its position is
                lines[(*path, step)] = len(text) + (2 if nested and isinstance(value, list) else 1)
                text.append(head if nested else f"{head} {json.dumps(item)}")
                if nested:
                    write(item, (*path, step), lead + "  ")
        elif not path:
            text.append(json.dumps(value))

    write(data, (), "")
    return "\n".join(text) + "\n", lines


class Loader:
    """Loads changed configurations from one file."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "syncd.yaml"
        self.lines: dict[Steps, int] = {}

    def text(self, text: str | bytes, **environ: str) -> Settings:
        """Load a text."""
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(self.path, environ=environ)

    def __call__(self, *changes: tuple[Steps, object], **environ: str) -> Settings:
        """Load the valid configuration with changes."""
        text, self.lines = dumped(changed(*changes))
        return self.text(text, **environ)

    def problems(self, *changes: tuple[Steps, object]) -> tuple[str, ...]:
        """Give what is wrong with a changed configuration."""
        return self.refused(lambda: self(*changes))

    def refused(self, call: Callable[[], object]) -> tuple[str, ...]:
        """Give the problems of a call that must fail, without the directory in front."""
        with pytest.raises(ConfigurationError) as caught:
            call()
        return tuple(problem.removeprefix(f"{self.path.parent}/") for problem in caught.value.problems)
