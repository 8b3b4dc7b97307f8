"""What the models are made of: `Section`, a mapping with known keys, and checked texts and numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from syncd.settings import selection, syntax, texts

TEXT = {"type": "string", "minLength": 1}
OFF = {"enum": [False, "off"]}


class Checked:
    """Annotation: validate by one function of (value) or (value, info), and nothing else."""

    __slots__ = ("_check", "_schema")

    def __init__(self, check: Callable[..., Any], schema: dict[str, Any] | None = None, /, **more: Any) -> None:
        self._check = check
        self._schema = {**(TEXT if schema is None else schema), **more}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Call the function in place of pydantic's own validation."""
        if len(inspect.signature(self._check).parameters) == 2:
            return core_schema.with_info_plain_validator_function(self._check)
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Give the JSON schema of what the file may hold."""
        return dict(self._schema)


class Either:
    """Annotation: validate a mapping by a model, and anything else by one function of (value)."""

    __slots__ = ("_check", "_model", "_schema")

    def __init__(self, model: type[BaseModel], check: Callable[[object], Any], schema: Mapping[str, Any]) -> None:
        self._model = model
        self._check = check
        self._schema = schema

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Keep pydantic's own union away, which would tell of both."""
        return core_schema.no_info_wrap_validator_function(
            self._choose, handler.generate_schema(self._model), serialization=core_schema.simple_ser_schema("any")
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Give the JSON schema of both."""
        return {"anyOf": [dict(self._schema), handler(schema)]}

    def _choose(self, value: object, validate: Callable[[object], Any]) -> Any:
        return validate(value) if isinstance(value, dict | BaseModel) else self._check(value)


def whole(minimum: int, maximum: int | None = None) -> Checked:
    bounds = {"minimum": minimum} if maximum is None else {"minimum": minimum, "maximum": maximum}
    return Checked(texts.whole(minimum, maximum), {"type": "integer", **bounds})


def choice(*allowed: str) -> Checked:
    return Checked(texts.choice(*allowed), {"enum": list(allowed)})


def limited(length: int) -> Checked:
    return Checked(texts.limited(length), maxLength=length)


def optional(length: int) -> Checked:
    return Checked(texts.optional(length), {"type": "string", "maxLength": length})


def _relative(value: object, info: ValidationInfo) -> Path:
    """Resolve a path against the directory of the configuration file, which `load()` gives as context."""
    directory = info.context.path.parent if info.context is not None else Path()
    return Path(directory / texts.text(value))


Text = Annotated[str, Checked(texts.text)]
Flag = Annotated[bool, Checked(texts.flag, {"type": "boolean"})]
Port = Annotated[int, whole(1, 65535)]
Count = Annotated[int, whole(0)]
Percent = Annotated[float, Checked(texts.percentage, {"type": "number", "minimum": 0, "maximum": 100})]
Duration = Annotated[float, Checked(texts.duration(), pattern=texts.DURATION)]
Timeout = Annotated[float, Checked(texts.duration(positive=True), pattern=texts.DURATION)]
DN = Annotated[str, Checked(texts.distinguished_name)]
BindName = Annotated[str, Checked(texts.bind_name)]
Host = Annotated[str, Checked(texts.host)]
ConfigPath = Annotated[Path, Checked(_relative)]
Folder = Annotated[str | None, limited(texts.FOLDER_LENGTH)]
Templates = Annotated[
    tuple[str, ...] | None,
    Checked(
        selection.templates,
        {"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": {"type": "string", "minLength": 1}},
    ),
]
Template = Annotated[str, Checked(selection.template)]
Scope = Annotated[Literal["base", "one", "sub"], choice("base", "one", "sub")]
Mode = Annotated[Literal["live", "staging"], choice("live", "staging")]
Filter = Annotated[str, Checked(syntax.ldap_filter)]


class Section(BaseModel):
    """A mapping with known keys; a key without a value counts as absent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = keys(cls)
        return {key: item for key, item in value.items() if item is not None or key not in known}


def keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give the fields of a model by the key that the file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def items(model: BaseModel) -> Iterator[tuple[str, Any]]:
    """Give the values of a model by the key that the file has for them."""
    return ((field.alias or name, getattr(model, name)) for name, field in type(model).model_fields.items())
