"""Say in plain words what pydantic found, with a hint at what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from syncd.settings import texts
from syncd.settings.document import Path, Problem
from syncd.settings.kinds import keys


def problems(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """Translate every error of a validation of `model`; a key missing only because it is misspelt is told once."""
    found = error.errors(include_url=False)
    meant: set[Path] = set()
    for item in found:
        if item["type"] == "extra_forbidden":
            *above, key = item["loc"]
            names = _names(model, tuple(above))
            close = difflib.get_close_matches(str(key).lower(), names, n=1, cutoff=0.6)
            meant.update((*above, name) for name in close)
            hint = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(names)}"
            yield Problem(tuple(above), f"unknown key {_key(key)}, {hint}", key=str(key))
    for item in found:
        if item["type"] == "missing" and item["loc"] not in meant:
            yield Problem(item["loc"][:-1], f'missing key "{item["loc"][-1]}"')
        elif item["type"] == "too_short" and item["input"]:
            continue  # every item was refused, with a problem of its own
        elif item["type"] not in {"missing", "extra_forbidden"}:
            yield Problem(item["loc"], _sentence(item["type"], item.get("ctx", {}), item["input"]))


def _key(key: object) -> str:
    """Quote a key as the example in the manual does."""
    text = str(key)
    return '"' + (text if len(text) <= 40 else text[:37] + "...").encode("unicode_escape").decode() + '"'


def _sentence(kind: str, context: Mapping[str, Any], value: object) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "too_short":
        return "must not be empty"
    if kind in {"tuple_type", "list_type"}:
        return f"must be a list, not {_kind(value)}"
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"must be a mapping (key: value), not {_kind(value)}"
    return "is not a value that fits here"


def _kind(value: object) -> str:
    """Name the kind of a value; where a mapping or list belongs, a text may be anything, so it is not quoted."""
    if isinstance(value, str):
        return "a text"
    return texts.quoted(value) if value is None or isinstance(value, dict | list) else "a single value"


def _names(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """Give the keys that may stand in the mapping at `path`."""
    found = _model(model, path)
    return tuple(keys(found)) if found is not None else ()


def _model(annotation: Any, path: Path) -> type[BaseModel] | None:
    """Walk from an annotation along a path to the model that describes the mapping there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            return annotation
        field = keys(annotation).get(str(path[0]))
        return None if field is None else _model(field.annotation, path[1:])
    if get_origin(annotation) is dict:  # by a name that the file chooses
        return _model(get_args(annotation)[1], path[1:])
    rest = path[1:] if path and isinstance(path[0], int) else path
    return next((found for part in get_args(annotation) if (found := _model(part, rest)) is not None), None)
