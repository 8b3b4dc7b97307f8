from __future__ import annotations

from pathlib import Path

import pytest

from syncd.errors import ConfigurationError
from syncd.settings import secrets
from syncd.settings.secrets import Place, SecretRef

WHERE = "syncd.yaml:7: directory.bind.password"


def reference(directory: Path, environ: dict[str, str] | None = None, **value: str) -> SecretRef:
    """Give a bound reference."""
    found = SecretRef.model_validate(value)
    found.bind(Place(where=WHERE, directory=directory, environ=environ or {}))
    return found


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("hush", "hush"),
        ("hush\n", "hush"),
        ("hush\r\n", "hush"),
        ("hush\n\n", "hush\n"),
        (" hu sh ", " hu sh "),
        ("hüsh", "hüsh"),
    ],
)
def test_one_newline_at_the_end_is_dropped(tmp_path: Path, content: str, secret: str) -> None:
    """Editors add a newline; everything else belongs to the secret."""
    (tmp_path / "secret").write_bytes(content.encode())
    assert reference(tmp_path, file="secret").read().reveal() == secret
    assert reference(tmp_path, file=str(tmp_path / "secret")).read().reveal() == secret
    assert reference(tmp_path, {"PW": content}, env="PW").read().reveal() == secret


def test_a_credential_is_looked_for_with_systemd_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$CREDENTIALS_DIRECTORY wins over /etc/syncd/credentials, which is used where the first has none."""
    given, usual = tmp_path / "given", tmp_path / "usual"
    given.mkdir()
    usual.mkdir()
    monkeypatch.setattr(secrets, "CREDENTIALS", usual)
    credential = reference(tmp_path, {"CREDENTIALS_DIRECTORY": str(given)}, credential="ldap")
    (usual / "ldap").write_text("usual")
    assert credential.read().reveal() == "usual"
    (given / "ldap").write_text("given")
    assert credential.read().reveal() == "given"
    assert reference(tmp_path, credential="ldap").read().reveal() == "usual"


def test_a_secret_is_read_anew_each_time(tmp_path: Path) -> None:
    """A changed password needs no restart."""
    found = reference(tmp_path, file="secret")
    for content in ("one", "two"):
        (tmp_path / "secret").write_text(content)
        assert found.read().reveal() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, 'file "secret" not found: no file '),
        (b"", 'file "secret" is empty'),
        (b"\n", "is empty"),
        (b"hush\xff", "is not UTF-8 text"),
        (b"hush" * 20_000, "is larger than 64 KiB"),
    ],
)
def test_an_unusable_file_is_told_with_its_place(tmp_path: Path, content: bytes | None, words: str) -> None:
    """The message has file, line and key, and nothing of the content."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        reference(tmp_path, file="secret").read()
    assert str(caught.value).startswith(f"{WHERE}: ")
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_directory_is_no_secret(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    with pytest.raises(ConfigurationError, match=f"{WHERE}: cannot read {tmp_path}: Is a directory"):
        reference(tmp_path, file=".").read()


@pytest.mark.parametrize(("environ", "words"), [({}, "is not set"), ({"PW": ""}, "is empty")])
def test_an_unusable_variable_is_told(tmp_path: Path, environ: dict[str, str], words: str) -> None:
    """A variable that is not set, or empty, is a problem of the configuration."""
    with pytest.raises(ConfigurationError) as caught:
        reference(tmp_path, environ, env="PW").read()
    assert str(caught.value) == f'{WHERE}: environment variable "PW" {words}'


@pytest.mark.parametrize(
    "value", [{"credential": "a/b"}, {"credential": ".."}, {"env": "A=B"}, {"env": ""}, {"file": " "}, {"file": "a\0b"}]
)
def test_a_reference_that_cannot_be_meant_is_refused(value: dict[str, str]) -> None:
    """A credential is a name, not a path."""
    with pytest.raises(ValueError, match="must"):
        SecretRef.model_validate(value)


def test_neither_repr_nor_equality_knows_the_content(tmp_path: Path) -> None:
    """A reference shows where it points, never what is there."""
    (tmp_path / "secret").write_text("hush")
    found = reference(tmp_path, file="secret")
    assert "hush" not in f"{found!r} {found} {found.read()!r} {found.read()}"


def test_files_for_everybody_are_exposed(tmp_path: Path) -> None:
    """Only the permission for others counts; a variable has no file."""
    file = tmp_path / "secret"
    file.touch()
    for mode, exposed in ((0o600, None), (0o640, None), (0o604, file), (0o644, file)):
        file.chmod(mode)
        assert reference(tmp_path, file="secret").exposed() == exposed
    assert reference(tmp_path, file="none").exposed() is None
    assert reference(tmp_path, env="PW").exposed() is None
