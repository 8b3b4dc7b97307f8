"""Texts with attributes in braces: how a directory entry gives a login, an address, or the name of a mailbox.

| text                  | gives                                                                      |
|-----------------------|----------------------------------------------------------------------------|
| `{uid}`               | each value of the attribute                                                |
| `{mail:localpart}`    | what stands before the last `@`; a value without one gives nothing         |
| `{mail:domain}`       | what stands behind it                                                      |
| `{uid:lower}`         | in lower case, letter by letter; `upper` likewise                          |
| `{proxyAddresses:smtp}` | of values such as `SMTP:anna@example.org` those of this kind, without it |
| `{displayName|cn}`    | the first attribute that has a value                                       |
| `{{`, `}}`            | a brace                                                                    |

Several filters follow each other from left to right. Several attributes in one text give every combination of their
values; where one has no value the text gives nothing. An empty value is none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from syncd.core.dn import folded

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_;.-]*|[0-9]+(?:\.[0-9]+)+").fullmatch


class InvalidTemplate(ValueError):  # noqa: N818 - a state, as InvalidDN
    """The text is no template."""


class Place(NamedTuple):
    """A pair of braces."""

    names: tuple[str, ...]
    """Attributes, in lower case: the first that has a value counts."""
    filters: tuple[str, ...]


class Template(NamedTuple):
    """A parsed text; equal texts give equal templates."""

    text: str
    """As written."""
    parts: tuple[str | Place, ...]

    @property
    def attributes(self) -> frozenset[str]:
        """Names of the attributes it needs, in lower case."""
        return frozenset(name for part in self.parts if isinstance(part, Place) for name in part.names)

    @property
    def attribute(self) -> str | None:
        """The one attribute whose values it gives unchanged, in lower case; None where it is more than that."""
        if len(self.parts) == 1 and isinstance(place := self.parts[0], Place):
            return place.names[0] if len(place.names) == 1 and not place.filters else None
        return None

    def values(self, attributes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Give the texts that an entry makes of it, without repetition.

        Args:
            attributes: values by attribute name in lower case.
        """
        pieces = [(part,) if isinstance(part, str) else _filled(part, attributes) for part in self.parts]
        return tuple(dict.fromkeys("".join(combination) for combination in itertools.product(*pieces)))

    def __str__(self) -> str:
        """Show it as written."""
        return self.text


def parse(text: str) -> Template:
    """Parse a template; a bare attribute name is written `{name}`, see `attribute`.

    Raises:
        InvalidTemplate: a brace without its other, an unknown filter, or no attribute name.
    """
    parts: list[str | Place] = []
    end = 0
    for match in _PIECE.finditer(text):
        if match.start() > end:
            parts.append(text[end : match.start()])
        end = match.end()
        if match.group() in {"{{", "}}"}:
            parts.append(match.group()[0])
        elif match.group(1) is None:
            raise InvalidTemplate(f"{text!r}: a lone {match.group()!r}; write it twice for the character itself")
        else:
            parts.append(_place(match.group(1), text))
    if end < len(text):
        parts.append(text[end:])
    return Template(text, tuple(parts))


def attribute(name: str) -> Template:
    """Give the template for one attribute; a name that is a template already is parsed as such.

    Raises:
        InvalidTemplate: it is neither.
    """
    return parse(name if "{" in name or "}" in name else f"{{{name}}}")


def _place(inside: str, text: str) -> Place:
    names, *filters = inside.split(":")
    alternatives = tuple(name.strip().lower() for name in names.split("|"))
    for name in alternatives:
        if not _NAME(name):
            raise InvalidTemplate(f"{text!r}: {name!r} is no attribute name")
    for chosen in filters:
        if chosen not in FILTERS:
            known = ", ".join(sorted(FILTERS))
            raise InvalidTemplate(f"{text!r}: unknown filter {chosen!r}; there are {known}")
    return Place(alternatives, tuple(filters))


def _filled(place: Place, attributes: Mapping[str, Sequence[str]]) -> Sequence[str]:
    for name in place.names:
        values: Iterable[str] = attributes.get(name, ())
        for chosen in place.filters:
            values = FILTERS[chosen](values)
        if found := tuple(filter(None, values)):
            return found
    return ()


def _localpart(values: Iterable[str]) -> Iterable[str]:
    return (value.rpartition("@")[0] for value in values)


def _domain(values: Iterable[str]) -> Iterable[str]:
    return (value.rpartition("@")[2] for value in values if "@" in value)


def _smtp(values: Iterable[str]) -> Iterable[str]:
    return (value[5:] for value in values if value[:5].lower() == "smtp:")


FILTERS: Mapping[str, Callable[[Iterable[str]], Iterable[str]]] = {
    "localpart": _localpart,
    "domain": _domain,
    "smtp": _smtp,
    "lower": lambda values: (folded(value) for value in values),
    "upper": lambda values: ("".join(map(str.upper, value)) for value in values),
}
"""What may follow an attribute name behind a colon."""
