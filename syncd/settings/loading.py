"""Load the configuration: one call that gives `Settings` or tells everything that is wrong.

    load(path) -> Settings        or ConfigurationError with one `file:line: path: text` per problem, by line

Secrets are read later, when they are used (`SecretRef.read`). Everything else that can be known without a server is
checked here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import PrivateAttr, ValidationError

from syncd.core.model import Mailbox
from syncd.core.patterns import Pattern
from syncd.errors import ConfigurationError
from syncd.settings import checks, mailboxes, patterns
from syncd.settings import mapping as shapes
from syncd.settings import problems as plain
from syncd.settings.document import Document, Problem, Step, parse, shown
from syncd.settings.kinds import Section, items
from syncd.settings.mailboxes import Common
from syncd.settings.models import Configuration, Directory, DirectoryTls
from syncd.settings.secrets import Place, SecretRef, exposed

_Built = TypeVar("_Built")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a configuration comes from."""

    path: Path
    """The file, as given."""
    document: Document
    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""
    environ: Mapping[str, str]

    def message(self, problem: Problem) -> str:
        """Write a problem as `file:line: path: text`."""
        line = problem.line or self.document.line(problem.path if problem.key is None else (*problem.path, problem.key))
        place = shown(problem.path)
        return f"{self.path}:{line}: {place}: {problem.text}" if place else f"{self.path}:{line}: {problem.text}"


class Settings(Configuration):
    """A valid configuration: the tree of the file as attributes, and where it came from."""

    _origin: Origin = PrivateAttr()
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    def model_post_init(self, context: Any) -> None:
        """Bind the secret references to their lines and collect the warnings."""
        self._origin = context
        for path, reference in references(self):
            where = f"{self.where(*path)}: {shown(path)}"
            reference.bind(Place(where=where, directory=self.path.parent, environ=context.environ))
        found = [Problem(path, text) for path, text in checks.warnings(self)]
        secrets = [(path, reference.exposed()) for path, reference in references(self)]
        keys = [((*path, "key"), model.key) for path, model in _sections(self, ()) if isinstance(model, DirectoryTls)]
        for path, file in (*secrets, *((path, exposed((file,))) for path, file in keys if file is not None)):
            if file is not None:
                found.append(Problem(path, f"everybody on this machine may read {file}; chmod o-r"))
        self._warnings = tuple(context.message(problem) for problem in found)

    @property
    def path(self) -> Path:
        """The file, as given to `load`."""
        return self._origin.path

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal: equal digests, equal configuration (secrets aside)."""
        return self._origin.digest

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed but dangerous, one line `file:line: path: text` each."""
        return self._warnings

    def where(self, *path: Step) -> str:
        """Give `file:line` of a key or list item, such as `where("mappings", 0, "mailbox")`."""
        return f"{self.path}:{self._origin.document.line(path)}"

    def mailboxes(self) -> tuple[Mailbox, ...]:
        """Give the mailboxes whose address and context are written down, in the order of the file.

        Reads the passwords of their accounts.

        Raises:
            ConfigurationError: passwords that cannot be read, all of them.
        """
        return self._built(lambda mapping: not patterns.dynamic(mapping), mailboxes.mailbox)

    def patterns(self) -> tuple[Pattern, ...]:
        """Give the mappings whose mailboxes or contexts each run finds out, in the order of the file.

        Reads the passwords of their accounts.

        Raises:
            ConfigurationError: passwords that cannot be read, all of them.
        """
        return self._built(patterns.dynamic, patterns.pattern)

    def directories(self) -> Mapping[str, Directory]:
        """Give the sections of the directories by name; that of the only one, which needs none, as ""."""
        return self.named_directories()

    @property
    def _common(self) -> Common:
        """What holds for all mappings; where one of several directories has to be named, none is meant."""
        names = [*self.directories()]
        return Common(
            limits=self.limits,
            grace=self.grace,
            fields=self.fields,
            staging=self.mode == "staging",
            directory=names[0] if len(names) == 1 else "",
            revive=self.openxchange.repair == "failed_auth",
        )

    def _built(
        self,
        wanted: Callable[[shapes.Mapping], bool],
        build: Callable[[shapes.Mapping, Common, str], _Built],
    ) -> tuple[_Built, ...]:
        common = self._common
        found: list[_Built] = []
        problems: list[str] = []
        for index, mapping in enumerate(self.mappings):
            if not wanted(mapping):
                continue
            try:
                found.append(build(mapping, common, self.where("mappings", index)))
            except ConfigurationError:
                problems += _unreadable(references(mapping))  # both passwords of the account may be missing
        if problems:
            raise ConfigurationError(tuple(problems))
        return tuple(found)

    def secrets_problems(self) -> tuple[str, ...]:
        """Try to read every secret, certificate and key; give one line for each that cannot be used."""
        return (*_unreadable(references(self)), *self._missing_certificates())

    def _missing_certificates(self) -> Iterator[str]:
        for path, model in _sections(self, ()):
            for key, value in items(model):
                if not isinstance(value, Path):
                    continue
                try:
                    if key == "directory":  # of the tools: it is enough that it is there
                        value.stat()
                        continue
                    with value.open("rb"):
                        continue
                except (OSError, ValueError) as error:
                    reason = getattr(error, "strerror", None) or "no such path"
                    yield self._origin.message(Problem((*path, key), f"cannot read {value}: {reason}"))


def load(path: Path, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """Load and check a configuration file.

    Relative paths of secrets (`file:`), certificates and keys (`ca:`, `cert:`, `key:`) are relative to the file's
    directory; `ldif:` and `sqlite:` URLs hold absolute paths. `environ` is where `{env: NAME}` and
    $CREDENTIALS_DIRECTORY are looked up.

    Raises:
        ConfigurationError: with all problems found, sorted by line.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such path"
        raise ConfigurationError((f"{path}:1: cannot read the file: {reason}",)) from None
    document = parse(content)
    origin = Origin(path=path, document=document, digest=hashlib.sha256(content).hexdigest(), environ=environ)
    found = list(document.problems)
    if document.data is None and found:
        raise _all(origin, found)
    if not isinstance(document.data, dict):
        raise _all(origin, [*found, Problem((), "the file must hold keys and values, such as directory: ...")])
    found += checks.problems(document)
    try:
        settings = Settings.model_validate(document.data, context=origin)
    except ValidationError as error:
        raise _all(origin, [*found, *plain.problems(error, Configuration)]) from None
    if found:
        raise _all(origin, found)
    return settings


def references(section: Section) -> Iterator[tuple[tuple[Step, ...], SecretRef]]:
    """Give every secret reference below a section with its path."""
    for path, model in _sections(section, ()):
        for key, value in items(model):
            several = value.items() if isinstance(value, dict) else ((None, value),)
            for step, item in several:
                if isinstance(item, SecretRef):
                    yield ((*path, key) if step is None else (*path, key, step)), item


def _sections(model: Section, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Section]]:
    yield path, model
    for key, value in items(model):
        several = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple) else ()
        for step, item in several:
            if isinstance(item, Section):
                yield from _sections(item, (*path, key, step))
        if isinstance(value, Section):
            yield from _sections(value, (*path, key))


def _unreadable(found: Iterator[tuple[tuple[Step, ...], SecretRef]]) -> list[str]:
    problems: list[str] = []
    for _, reference in found:
        try:
            reference.read()
        except ConfigurationError as error:
            problems += error.problems
    return problems


def _all(origin: Origin, problems: list[Problem]) -> ConfigurationError:
    """Sort problems by line, leave out what is said twice, and write them as messages."""
    order: Callable[[str], int] = lambda message: int(message[len(f"{origin.path}:") :].partition(":")[0])  # noqa: E731
    return ConfigurationError(tuple(sorted(dict.fromkeys(map(origin.message, problems)), key=order)))
