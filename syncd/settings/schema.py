"""Describe the configuration as a JSON schema (draft 2020-12), for editors that complete and check YAML files.

The file `config/syncd.schema.json` holds what `text()` gives; a test keeps them in step. It is made by
`python -m syncd.settings.schema > config/syncd.schema.json`.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from syncd.settings import clt, fields, jolokia, kinds, limits, mapping, models, notices, secrets, soap, sources, texts

_MODULES = (models, mapping, limits, notices, fields, sources, secrets, soap, clt, jolokia, kinds)
IDENTIFIER = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Give the JSON schema of the configuration file, with a description of every key."""
    found = models.Configuration.model_json_schema()
    described = {name: text for module in _MODULES for name, text in _docstrings(module)}
    definitions: dict[str, dict[str, Any]] = {"Configuration": found, **found.get("$defs", {})}
    for name, definition in definitions.items():
        for key, value in definition.get("properties", {}).items():
            value.pop("title", None)
            _default(value)
            if text := _inherited(described, name, key):
                value["description"] = text
        definition.pop("title", None)
    return {"$schema": IDENTIFIER, "title": "syncd configuration", **found}


def text() -> str:
    """Give the schema as the text of its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def keys() -> frozenset[tuple[str, str]]:
    """Give every key of the configuration as (section, key)."""
    found = schema()
    definitions = {"Configuration": found, **found["$defs"]}
    return frozenset((name, key) for name, each in definitions.items() for key in each.get("properties", {}))


def _default(value: dict[str, Any]) -> None:
    """Write a default as the file would: durations with their unit; what has no such form is left out."""
    default = value.pop("default", None)
    if isinstance(default, float) and value.get("pattern") in {texts.DURATION, texts.DURATION_OR_FOREVER}:
        value["default"] = texts.spoken(default)
    elif isinstance(default, str | int | float):
        value["default"] = default


def _inherited(described: dict[str, str], name: str, key: str) -> str | None:
    """Find the description of a key in a model or in the models it inherits from."""
    model = next(getattr(module, name) for module in _MODULES if hasattr(module, name))
    field = next(label for label, field in model.model_fields.items() if (field.alias or label) == key)
    labels = (f"{base.__name__}.{field}" for base in model.__mro__)
    return next((described[label] for label in labels if label in described), None)


def _docstrings(module: Any) -> Iterator[tuple[str, str]]:
    """Give `Class.attribute` and the text below it; pydantic could, at 100 ms for every start of the program."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for definition in tree.body:
        if not isinstance(definition, ast.ClassDef):
            continue
        for attribute, below in zip(definition.body, definition.body[1:], strict=False):
            if not isinstance(attribute, ast.AnnAssign) or not isinstance(attribute.target, ast.Name):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                yield f"{definition.name}.{attribute.target.id}", " ".join(str(below.value.value).split())


if __name__ == "__main__":
    sys.stdout.write(text())
