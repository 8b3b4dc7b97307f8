"""Check what does not go without a database, where accounts are read by what Open-Xchange's own service lists.

| key                                         | why not                                                              |
|---------------------------------------------|----------------------------------------------------------------------|
| `openxchange.repair: failed_auth`           | counters of failed logins are not listed                             |
| `openxchange.invalidate`                    | Open-Xchange writes by itself: there is nothing to tell it           |
| `openxchange.obfuscation`                   | Open-Xchange encrypts by itself, and lists passwords in clear        |
| `context` other than a number               | nobody tells which contexts there are                                |
| sources `ox_group` and `users`              | groups and logins are not listed                                     |
| rules for users other than `id`             | the same                                                             |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from syncd.settings.checks_directory import sections
from syncd.settings.document import Path, Problem
from syncd.settings.fragments import given, section, sequence

_WAYS = ("soap", "clt")
_SEARCHED = ("group", "filter", "attribute")
_WITHOUT = "without openxchange.database or openxchange.configdb"
_BY_ID = f"{_WITHOUT} users are known by their numbers only: users: {{rules: [{{id: ATTRIBUTE}}]}}"


def is_alone(openxchange: dict[str, Any]) -> bool:
    """Tell whether the service that writes is also the only one to be asked."""
    return openxchange.get("write_with") in _WAYS and not given(openxchange, ("database", "configdb"))


def problems(data: dict[str, Any]) -> Iterator[Problem]:
    """Find what needs a database in a whole file without one."""
    openxchange = section(data.get("openxchange"))
    if not is_alone(openxchange):
        return
    yield from _section(openxchange)
    asked: set[object] = set()
    for index, mapping in enumerate(sequence(data.get("mappings"))):
        yield from _mapping(section(mapping), ("mappings", index))
        asked |= _directories(section(mapping))
    for path, directory in sections(data):
        if asked & {None, path[-1]} and not _by_id(section(directory).get("users")):
            yield Problem((*path, "users"), _BY_ID)


def _section(openxchange: dict[str, Any]) -> Iterator[Problem]:
    if openxchange.get("repair") == "failed_auth":
        text = f"failed_auth does not go {_WITHOUT}: Open-Xchange does not list the counters of failed logins"
        yield Problem(("openxchange", "repair"), text)
    if openxchange.get("invalidate") in (*_WAYS, "jolokia"):
        text = f"{openxchange['invalidate']} does not go {_WITHOUT}: Open-Xchange writes by itself and knows at once"
        yield Problem(("openxchange", "invalidate"), text)
    if openxchange.get("obfuscation") is not None:
        text = f"does not go {_WITHOUT}: Open-Xchange encrypts by itself; leave it out"
        yield Problem(("openxchange", "obfuscation"), text)


def _mapping(mapping: dict[str, Any], path: Path) -> Iterator[Problem]:
    context = mapping.get("context")
    if context == "all" or given(section(context), ("attribute",)):  # other ways want configdb anyway
        text = f"{_WITHOUT} it must be a number: Open-Xchange does not tell which contexts there are"
        yield Problem((*path, "context"), text)
    for kind in ("sources", "exclude"):
        for number, source in enumerate(sequence(mapping.get(kind))):
            for key, what in (("ox_group", "groups"), ("users", "logins")):
                if section(source).get(key) is not None:
                    text = f"{key} does not go {_WITHOUT}: Open-Xchange does not list {what}"
                    yield Problem((*path, kind, number), text, key=key)
    if mapping.get("users") is not None and not _by_id(mapping["users"]):
        yield Problem((*path, "users"), _BY_ID)


def _directories(mapping: dict[str, Any]) -> set[object]:
    """Give the names of the directories whose rules a mapping uses; None = of the only one."""
    if mapping.get("users") is not None:
        return set()
    named = mapping.get("directory")
    sources = [section(one) for kind in ("sources", "exclude") for one in sequence(mapping.get(kind))]
    asked = [one.get("directory") or named for one in sources if given(one, _SEARCHED)]
    asked += [named] if mapping.get("discover") is not None else []
    return {name for name in asked if name is None or isinstance(name, str)}


def _by_id(users: object) -> bool:
    """Tell whether all rules are by id; what is no section is reported by the models."""
    rules = section(users).get("rules")
    if not isinstance(users, dict) and users is not None:
        return True
    return isinstance(rules, list) and all(not isinstance(rule, dict) or given(rule, ("id",)) for rule in rules)
