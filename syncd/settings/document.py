"""Read a YAML 1.2 file as plain values that know the line they came from.

The rule kept here: whatever the bytes are, the answer is a `Document` with values and problems, never an exception,
and no problem quotes a value (it could be a secret in the wrong place). What the values mean is left to
`models` and `checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

Step = str | int
Path = tuple[Step, ...]
"""Keys and list indexes from the top of the file to a value."""

_STANDARD = "tag:yaml.org,2002:"
_PLAIN = {f"{_STANDARD}{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value")}
_MERGE = f"{_STANDARD}merge"
_SECRETS = ("password", "key")
_REFERENCE = ("file", "env", "credential")


class Problem(NamedTuple):
    """One thing that is wrong, and where."""

    path: Path
    text: str
    line: int | None = None
    """Line in the file, from 1; None = where `path`, or rather `key` in it, stands."""
    key: str | None = None
    """A key of the mapping at `path` that the problem is about."""


class Document:
    """The values of one YAML file (dict, list, str, int, float, bool, None), their lines, and the problems found."""

    __slots__ = ("_root", "data", "problems")

    def __init__(self, data: object, problems: tuple[Problem, ...], root: Any = None) -> None:
        self.data = data
        self.problems = problems
        self._root = root

    def line(self, path: Path) -> int:
        """Give the line (from 1) of the key or list item at `path`; of the nearest one above where it is missing."""
        node, line = self._root, 1
        for step in path:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line


def parse(content: bytes) -> Document:  # noqa: PLR0911 - one way in, one way out for each kind of damage
    """Read the bytes of a YAML file.

    A byte order mark is ignored; anchors, aliases and merge keys (`<<`) are followed. Reported as problems: text that
    is not UTF-8 or not YAML, several documents, an empty file, a key given twice, keys that are not text, tags.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - 40 ms that `syncd --help` need not pay
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415
    from ruamel.yaml.reader import ReaderError  # noqa: PLC0415

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _broken("not UTF-8 text; save the file as UTF-8", content.count(b"\n", 0, error.start) + 1)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is None:
            return _broken("the file is empty", 1)
        reader = _Conversion()
        data = reader.value(root, ())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _broken(_explained(str(error.problem or error.context)), mark.line + 1 if mark else 1)
    except ReaderError as error:
        return _broken("a control character, which YAML does not allow", text.count("\n", 0, error.position) + 1)
    except RecursionError:
        return _broken("nested too deeply", 1)
    except (YAMLError, ValueError, TypeError, AttributeError, LookupError, NotImplementedError, AssertionError):
        # the parser trips over some malformed texts with exceptions of its own making
        return _broken("not valid YAML", 1)
    return Document(data, tuple(reader.problems), root)


def shown(path: Path) -> str:
    """Write a path as people do, `mappings[2].sources[0]`; below a secret only the known names are shown."""
    text = ""
    for index, step in enumerate(path):
        if index and path[index - 1] in _SECRETS and step not in _REFERENCE:
            break
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _broken(text: str, line: int) -> Document:
    return Document(None, (Problem((), text, line),))


def _explained(problem: str) -> str:
    """Say the parser's complaint in plain words, without the text it complains about."""
    if "'\\t'" in problem or "tab" in problem:
        return "a tab; YAML wants blanks for indentation"
    if "undefined alias" in problem:
        return "an alias without an anchor; a text that begins with * needs quotes"
    if "another document" in problem or "single document" in problem:
        return "a second document (---); one file holds one configuration"
    words = re.sub(r"(?:character )?(['\"])(.*?)\1(?!\w)", _unquoted, problem, flags=re.DOTALL)
    return f"not valid YAML: {words}"


def _unquoted(found: re.Match[str]) -> str:
    """Keep what the parser quotes of its own grammar: a token such as <scalar>, a comma, a bracket."""
    return found[0] if found[2].startswith("<") or found[2] in {",", "]", "}", ":", "-", "?"} else "a character"


def _pairs(node: Any, active: frozenset[int] = frozenset()) -> Iterator[tuple[Any, Any]]:
    """Give keys and values of a mapping node, its own ones first, then those merged in by `<<`."""
    merged: list[Any] = []
    for key, value in node.value:
        if key.id == "scalar" and key.tag == _MERGE:
            merged += value.value if value.id == "sequence" else [value]
        else:
            yield key, value
    for other in merged:
        if other.id == "mapping" and id(other) not in active:
            yield from _pairs(other, active | {id(node)})


def _child(node: Any, step: Step) -> tuple[int, Any] | None:
    """Find the line and the node of a key or a list item."""
    if node is None or node.id == "scalar":
        return None
    if node.id == "sequence":
        if isinstance(step, int) and 0 <= step < len(node.value):
            return node.value[step].start_mark.line + 1, node.value[step]
        return None
    for key, value in _pairs(node):
        if key.id == "scalar" and key.value == step:
            return key.start_mark.line + 1, value
    return None


class _Conversion:
    """Turns nodes into plain values and collects problems on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._done: dict[int, object] = {}
        self._active: set[int] = set()

    def value(self, node: Any, path: Path) -> object:
        """Convert one node; an aliased node is converted once."""
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._active:
            self.problems.append(Problem(path, "an alias inside its own anchor", node.start_mark.line + 1))
            return None
        if node.tag not in _PLAIN and not (node.tag == _MERGE and node.id == "scalar"):
            self.problems.append(Problem(path, "a tag (!...) is not understood here", node.start_mark.line + 1))
            return None
        self._active.add(id(node))
        try:
            result = self._content(node, path)
        finally:
            self._active.discard(id(node))
        self._done[id(node)] = result
        return result

    def _content(self, node: Any, path: Path) -> object:
        if node.id == "scalar":
            return _scalar(node)
        if node.id == "sequence":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        self._duplicates(node, path)
        result: dict[str, object] = {}
        for key, value in _pairs(node):
            name = self._key(key, path)
            if name is not None and name not in result:
                result[name] = self.value(value, (*path, name))
        return result

    def _key(self, key: Any, path: Path) -> str | None:
        if key.id == "scalar":
            return str(key.value)
        self.problems.append(Problem(path, "a key must be a text", key.start_mark.line + 1))
        return None

    def _duplicates(self, node: Any, path: Path) -> None:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if key.id != "scalar":
                continue
            line = key.start_mark.line + 1
            if key.value in seen:
                text = f"this key is given twice, first in line {seen[key.value]}"
                self.problems.append(Problem((*path, str(key.value)), text, line))
            seen.setdefault(key.value, line)


def _scalar(node: Any) -> object:
    """Give the value of a scalar by the YAML 1.2 core schema; dates and what cannot be read stay text."""
    text, tag = str(node.value), str(node.tag).removeprefix(_STANDARD)
    if tag == "null":
        return None
    if tag == "bool" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    digits = text.replace("_", "")
    try:
        if tag == "int":
            return int(digits, 0 if re.match(r"[-+]?0[xo]", digits) else 10)
        if tag == "float":
            return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", digits, flags=re.IGNORECASE))
    except ValueError:
        return text
    return text
