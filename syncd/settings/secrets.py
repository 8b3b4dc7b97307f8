"""Refer to secrets without holding them: `{file: PATH}`, `{env: NAME}` or `{credential: NAME}`.

The rule kept here: a secret is read when it is used, and neither its content nor a text that somebody wrote in a
reference's place reaches a message, a repr or a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, model_validator

from syncd.core.model import Secret
from syncd.errors import ConfigurationError
from syncd.settings import texts
from syncd.settings.kinds import Checked

CREDENTIALS = Path("/etc/syncd/credentials")
"""Where a credential is looked for after $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=)."""
_KINDS = ("file", "env", "credential")
_LIMIT = 64 * 1024
WRITE = "write {file: PATH}, {env: NAME} or {credential: NAME}; a secret itself never stands in this file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a reference stands and what it is resolved against."""

    where: str
    """`syncd.yaml:12: directory.bind.password`"""
    directory: Path
    """What a relative `file` is relative to: the directory of the configuration file."""
    environ: Mapping[str, str]


def _credential(value: object) -> str:
    name = texts.text(value)
    if "/" in name or name in {".", ".."}:
        raise ValueError("must be a name without slashes")
    return name


def _variable(value: object) -> str:
    name = texts.text(value)
    if "=" in name or " " in name:
        raise ValueError("must be the name of an environment variable")
    return name


class SecretRef(BaseModel):
    """A reference to a secret; exactly one of the three is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[str | None, Checked(texts.text)] = None
    """A file that holds the secret; relative to the directory of this configuration file."""
    env: Annotated[str | None, Checked(_variable)] = None
    """An environment variable. It shows in /proc to the same user: a file or a credential is better."""
    credential: Annotated[str | None, Checked(_credential)] = None
    """A file in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=), else in /etc/syncd/credentials."""

    _place: Place | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        """Refuse all but one of the known kinds, without quoting anything."""
        if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(_KINDS):
            raise ValueError(WRITE)
        if next(iter(value.values())) is None:
            raise ValueError(WRITE)
        return value

    def bind(self, place: Place) -> None:
        """Remember where the reference stands; `load()` does it, once."""
        self._place = place

    def files(self) -> tuple[Path, ...]:
        """Give the files that are tried, best first; none for an environment variable."""
        place = self._bound()
        if self.file is not None:
            return (place.directory / self.file,)
        if self.credential is None:
            return ()
        given = place.environ.get("CREDENTIALS_DIRECTORY")
        return (*((Path(given) / self.credential,) if given else ()), CREDENTIALS / self.credential)

    def read(self) -> Secret:
        """Read the secret; one newline at its end is dropped.

        Raises:
            ConfigurationError: it is missing, unreadable, empty or no text; it names file, line and key.
        """
        text = self._variable_text() if self.env is not None else self._file_text()
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise self._problem(f"{self.described()} is empty")
        return Secret(text)

    def checked(self, check: Callable[[object], str]) -> Secret:
        """Read the secret and check it by a function that raises ValueError with words that do not quote it.

        Raises:
            ConfigurationError: as `read`, or it is not what belongs there.
        """
        secret = self.read()
        try:
            return Secret(check(secret.reveal()))
        except ValueError as error:
            raise self._problem(f"{self.described()} {error}") from None

    def described(self) -> str:
        """Name the reference as messages do: `file "/etc/x"`."""
        kind, name = next((kind, getattr(self, kind)) for kind in _KINDS if getattr(self, kind) is not None)
        return f'{"environment variable" if kind == "env" else kind} "{name}"'

    def exposed(self) -> Path | None:
        """Give the file, if it is one that everybody on this machine may read."""
        return exposed(self.files())

    def _variable_text(self) -> str:
        value = self._bound().environ.get(self.env or "")
        if value is None:
            raise self._problem(f"{self.described()} is not set")
        return value

    def _file_text(self) -> str:
        for file in self.files():
            try:
                with file.open("rb") as stream:
                    content = stream.read(_LIMIT + 1)
                if len(content) > _LIMIT:
                    raise self._problem(f"{file} is larger than {_LIMIT // 1024} KiB, which no secret is")
                return content.decode()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except UnicodeDecodeError:
                raise self._problem(f"{file} is not UTF-8 text") from None
            except (OSError, ValueError) as error:
                raise self._problem(
                    f"cannot read {file}: {getattr(error, 'strerror', None) or 'no such path'}"
                ) from None
        tried = " or ".join(str(file) for file in self.files())
        raise self._problem(f"{self.described()} not found: no file {tried}")

    def _bound(self) -> Place:
        return self._place or Place(where="secret", directory=Path(), environ={})

    def _problem(self, text: str) -> ConfigurationError:
        return ConfigurationError((f"{self._bound().where}: {text}",))


def exposed(files: Iterable[Path]) -> Path | None:
    """Give the first file that is there, if it is one that everybody on this machine may read."""
    for file in files:
        try:
            return file if file.stat().st_mode & 0o004 else None
        except (OSError, ValueError):
            continue
    return None
