"""Imports point downwards only, and every third-party package has one home (architecture, parts 2 to 4).

The imports are read from the source, those inside functions and under TYPE_CHECKING too, so nothing is executed.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent / "syncd"
SIBLINGS = frozenset({"settings", "directory", "openxchange", "mailservers", "ledger", "telemetry"})
BELOW_ALL = frozenset({"core", "errors"})

MAY_IMPORT = {
    "errors": frozenset(),
    "notify": frozenset(),
    "core": BELOW_ALL,
    **dict.fromkeys(SIBLINGS, BELOW_ALL),
    "apply": SIBLINGS | BELOW_ALL,
    "byhand": SIBLINGS | BELOW_ALL | {"apply", "facts"},
    "facts": {"ledger"} | BELOW_ALL,
    "gather": SIBLINGS | BELOW_ALL | {"facts"},
    "people": {"openxchange"} | BELOW_ALL | {"facts"},
    "decide": {"openxchange", "ledger"} | BELOW_ALL | {"facts", "people"},
    "run": SIBLINGS | BELOW_ALL | {"apply", "decide", "facts", "gather"},
    "announcing": {"ledger", "telemetry"} | BELOW_ALL,
    "channels": {"settings", "ledger", "telemetry"} | BELOW_ALL | {"announcing"},
    "rehearsal": SIBLINGS | BELOW_ALL | {"decide", "facts", "run"},
    "options": SIBLINGS | BELOW_ALL,
    "wiring": SIBLINGS | BELOW_ALL | {"apply", "byhand", "channels", "options", "rehearsal", "run"},
    "explain": SIBLINGS | BELOW_ALL | {"decide", "facts", "run", "wiring"},
    "daemon": SIBLINGS | BELOW_ALL | {"apply", "channels", "run", "wiring", "notify"},
    "cli": SIBLINGS
    | BELOW_ALL
    | {"apply", "byhand", "channels", "explain", "facts", "gather", "options", "rehearsal", "run", "wiring"}
    | {"notify", "daemon", "__init__"},
    "__main__": frozenset({"cli"}),
    "__init__": frozenset(),
}
"""What each part of `syncd` may import of the others, beside itself."""

HOMES: dict[str, frozenset[str]] = {
    "ldap3": frozenset({"directory"}),
    "apscheduler": frozenset({"daemon"}),
    "prometheus_client": frozenset({"telemetry"}),
    "starlette": frozenset({"telemetry"}),
    "uvicorn": frozenset({"telemetry"}),
    "typer": frozenset({"cli"}),
    "click": frozenset({"cli"}),
    "rich": frozenset({"cli"}),
    "pydantic": frozenset({"settings"}),
    "pydantic_core": frozenset({"settings"}),
    "ruamel": frozenset({"settings"}),
    "sqlalchemy": frozenset({"openxchange", "ledger"}),
    "pymysql": frozenset({"openxchange", "ledger"}),
    "alembic": frozenset({"ledger"}),
    "argon2": frozenset({"openxchange"}),
    "cryptography": frozenset({"openxchange"}),
    "mmh3": frozenset({"openxchange"}),
    "zeep": frozenset({"openxchange"}),
    "requests": frozenset({"openxchange"}),
    "urllib3": frozenset({"openxchange"}),
    "structlog": frozenset(MAY_IMPORT) - {"core", "errors"},
}
"""The parts of `syncd` where a third-party package may be imported; any other package needs a home first."""

EXCEPTIONS = {
    ("cli/playground.py", "sqlalchemy"): "the demo builds its own Open-Xchange database before anything can be wired",
}
"""Imports outside their home, by file and package, each with its reason."""

PURE = frozenset(
    {
        "__future__", "bisect", "collections", "contextlib", "dataclasses", "datetime", "enum", "fnmatch", "functools",
        "hashlib", "itertools", "json", "math", "operator", "re", "types", "typing", "unicodedata",
    }
)  # fmt: skip
"""Standard modules without input, output, time or chance: all that `core` may import."""

TABLES = {("core/address.py", "importlib"): "reads the table of collation keys that comes with the package"}
"""Imports of `core` that read something, each with its reason."""


class Import(NamedTuple):
    """One module that a file imports."""

    path: Path
    line: int
    module: str

    @property
    def file(self) -> str:
        """The file within `syncd`, with slashes."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def part(self) -> str:
        """The part of `syncd` that the file belongs to: a package or a top-level module."""
        return part_of(self.path)

    @property
    def package(self) -> str:
        """The first name of what is imported."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        """Name the place as an editor opens it."""
        return f"syncd/{self.file}:{self.line}: {self.part} imports {self.module}"


def part_of(path: Path) -> str:
    """Give the package or top-level module of `syncd` that a file belongs to."""
    first, *rest = path.relative_to(ROOT).parts
    return first if rest else path.stem


def imports_of(path: Path, text: str) -> Iterator[Import]:
    """Give what a file imports, relative imports made absolute, `from syncd import x` as `syncd.x`."""
    package = ["syncd", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module == "syncd":
                for alias in node.names:
                    known = part_exists(alias.name)
                    yield Import(path, node.lineno, f"syncd.{alias.name}" if known else "syncd.__init__")
            else:
                yield Import(path, node.lineno, module)


def part_exists(name: str) -> bool:
    """Tell whether `syncd` has a package or module of that name."""
    return (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()


def sources() -> list[Path]:
    """Give every Python file of `syncd`."""
    return sorted(ROOT.rglob("*.py"))


def all_imports() -> list[Import]:
    """Give every import of `syncd`."""
    return [one for path in sources() for one in imports_of(path, path.read_text("utf-8"))]


def upward(one: Import) -> bool:
    """Tell whether an import of another part of `syncd` points anywhere but downwards."""
    if one.package != "syncd":
        return False
    target = one.module.split(".")[1] if "." in one.module else "__init__"
    return target != one.part and target not in MAY_IMPORT.get(one.part, frozenset())


def homeless(one: Import) -> bool:
    """Tell whether a third-party package is imported outside its home."""
    if one.package == "syncd" or one.package in sys.stdlib_module_names:
        return False
    return one.part not in HOMES.get(one.package, frozenset()) and (one.file, one.package) not in EXCEPTIONS


def impure(one: Import) -> bool:
    """Tell whether `core` imports what does input or output."""
    if one.part not in ("core", "errors") or one.package == "syncd":
        return False
    return one.package not in PURE and (one.file, one.package) not in TABLES


def dynamic(path: Path, text: str) -> list[str]:
    """Give the calls by which a file imports without an import statement."""
    calls = (node for node in ast.walk(ast.parse(text, str(path))) if isinstance(node, ast.Call))
    names = ((node.lineno, ast.unparse(node.func)) for node in calls)
    return [
        f"syncd/{path.relative_to(ROOT).as_posix()}:{line}: {name}"
        for line, name in names
        if name in ("__import__", "importlib.import_module", "import_module")
    ]


def listed(wrong: Iterator[object], rule: str) -> str:
    """Give the findings as a message, one line each; empty when there are none."""
    lines = [f"  {one}" for one in wrong]
    return "\n".join([rule, *lines]) if lines else ""


def test_every_part_has_its_layer() -> None:
    """A new package or module of `syncd` has to be given its place first."""
    unknown = {part_of(path) for path in sources()} - MAY_IMPORT.keys()
    assert not unknown, f"no layer is known for syncd/{', syncd/'.join(sorted(unknown))}: add it to MAY_IMPORT"


def test_imports_point_downwards_only() -> None:
    """No part of `syncd` imports a sibling or a part above it."""
    message = listed(filter(upward, all_imports()), "imports have to point downwards (architecture, part 4):")
    assert not message, message


def test_third_party_packages_stay_at_home() -> None:
    """Each third-party package is imported only where it has its home."""
    message = listed(filter(homeless, all_imports()), "imported outside the package's home (HOMES):")
    assert not message, message


def test_the_core_is_pure() -> None:
    """The core and the errors import nothing that does input or output, reads a clock, or rolls dice."""
    message = listed(filter(impure, all_imports()), "the core may import only what does no I/O (PURE):")
    assert not message, message


def test_the_core_opens_nothing() -> None:
    """The core calls neither `open` nor `print` nor `input`."""
    found = [
        f"syncd/{path.relative_to(ROOT).as_posix()}:{node.lineno}: {node.func.id}"
        for path in sorted((ROOT / "core").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input")
    ]
    assert not found, "\n".join(found)


def test_nothing_is_imported_by_name() -> None:
    """No module is imported behind the back of these tests."""
    found = [line for path in sources() for line in dynamic(path, path.read_text("utf-8"))]
    assert not found, "\n".join(found)


def test_package_inits_are_nearly_empty() -> None:
    """Package files say at most what the package is."""
    long = [path for path in ROOT.rglob("__init__.py") if len(path.read_text("utf-8").splitlines()) >= 8]
    assert not long, f"8 lines or more: {', '.join(map(str, long))}"


def test_exceptions_are_still_needed() -> None:
    """An exception that nobody uses any more is taken off the list."""
    used = {(one.file, one.package) for one in all_imports()}
    unused = (EXCEPTIONS.keys() | TABLES.keys()) - used
    assert not unused, unused


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("core/plan.py", "import os", impure),
        ("core/plan.py", "def f():\n    from time import sleep", impure),
        ("core/plan.py", "import importlib", impure),
        ("core/plan.py", "import structlog", impure),
        ("core/plan.py", "from syncd.ledger import ledger", upward),
        ("core/plan.py", "from ..run import Reconciler", upward),
        ("directory/search.py", "from syncd.settings.loading import load", upward),
        ("directory/search.py", "from syncd import settings", upward),
        ("directory/search.py", "from .. import wiring", upward),
        ("mailservers/check.py", "from syncd.settings.mailboxes import LOCALHOST", upward),
        ("ledger/record.py", "import syncd.openxchange.rows as rows", upward),
        ("apply.py", "if TYPE_CHECKING:\n    from syncd.run import Reconciler", upward),
        ("run.py", "from syncd.wiring import session", upward),
        ("wiring.py", "from syncd.daemon import Daemon", upward),
        ("daemon.py", "from syncd.cli.main import main", upward),
        ("notify.py", "from syncd.errors import SyncdError", upward),
        ("errors.py", "from syncd.core.model import Change", upward),
        ("ledger/record.py", "import ldap3.core", homeless),
        ("core/plan.py", "import structlog", homeless),
        ("run.py", "import sqlalchemy as sa", homeless),
        ("cli/state.py", "from sqlalchemy import text", homeless),
        ("wiring.py", "import requests", homeless),
    ],
)
def test_the_rules_find_what_breaks_them(file: str, text: str, rule: object) -> None:
    """A wrong import is found wherever it stands, and named with file and line."""
    (one,) = imports_of(ROOT / file, text)
    assert rule(one)  # type: ignore[operator]
    assert str(one).startswith(f"syncd/{file}:{len(text.splitlines())}: ")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("core/plan.py", "from syncd.core.desire import Desired"),
        ("core/desire.py", "from collections.abc import Mapping"),
        ("core/address.py", "from importlib import resources"),
        ("directory/search.py", "from ldap3 import BASE"),
        ("directory/search.py", "from syncd.errors import DirectoryError"),
        ("run.py", "from syncd.core import continuity"),
        ("cli/main.py", "from syncd import __version__"),
        ("cli/playground.py", "import sqlalchemy as sa"),
        ("daemon.py", "from syncd.wiring import assemble"),
    ],
)
def test_the_rules_let_pass_what_is_right(file: str, text: str) -> None:
    """An import that points downwards, of a package at home, is no finding."""
    (one,) = imports_of(ROOT / file, text)
    assert [rule.__name__ for rule in (upward, homeless, impure) if rule(one)] == []


def test_dynamic_imports_are_found() -> None:
    """A module imported by its name is found with file and line."""
    assert dynamic(ROOT / "run.py", "x = 1\nimportlib.import_module('ldap3')") == [
        "syncd/run.py:2: importlib.import_module"
    ]
