"""The section about the command line tools: what it means, what is wrong in it, and what does not go with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncd.core.model import Secret
from syncd.openxchange.clt_service import CltService
from syncd.options import clt_options
from syncd.wiring import service
from tests.settings.configurations import Loader

FILE = {"file": "admin.secret"}
CLT: dict[str, Any] = {"admin": "oxadmin", "password": FILE}
WRITE = (("openxchange", "write_with"), "clt")


def secret(loader: Loader) -> None:
    """Write the secret file that the sections name."""
    (loader.path.parent / "admin.secret").write_text("pw\n")
    (loader.path.parent / "admin.secret").chmod(0o600)


def test_the_least(loader: Loader) -> None:
    """An administrator is enough; the tools are where Open-Xchange installs them, and look on this machine."""
    secret(loader)
    settings = loader(WRITE, (("openxchange", "clt"), CLT))
    options = clt_options(settings)
    assert options is not None
    assert (options.directory, options.rmi, options.timeout) == (Path("/opt/open-xchange/sbin"), None, 120.0)
    assert isinstance(service(settings), CltService)


def test_everything(loader: Loader) -> None:
    """A context may have its own administrator; the address of Open-Xchange gets its slash."""
    secret(loader)
    own = {"credentials": {7: {"admin": "admin7", "password": FILE}}, "directory": "tools", "timeout": "30s"}
    options = clt_options(loader(WRITE, (("openxchange", "clt"), {**CLT, **own, "rmi": "rmi://[::1]:1099"})))
    assert options is not None
    logins = [options.credentials(context) for context in (1, 7)]
    assert [(one.login, one.password) for one in logins if one] == [("oxadmin", Secret("pw")), ("admin7", Secret("pw"))]
    assert options.directory == loader.path.parent / "tools"
    assert (options.rmi, options.timeout) == ("rmi://[::1]:1099/", 30.0)


def test_the_section_alone_changes_nothing(loader: Loader) -> None:
    """Without write_with: clt the section is only checked; its secrets are not read."""
    settings = loader((("openxchange", "clt"), CLT))
    assert (clt_options(settings), service(settings)) == (None, None)


@pytest.mark.parametrize(
    ("clt", "words"),
    [
        ({**CLT, "rmi": "http://ox:1099/"}, "rmi: must begin with rmi://"),
        ({**CLT, "rmi": "rmi://admin@ox/"}, "rmi: must not name a user"),
        ({**CLT, "rmi": "rmi://ox/OXSecondaryAccount"}, "rmi: must end after host and port"),
        ({**CLT, "rmi": "rmi://ox:0/"}, "rmi: "),
        ({**CLT, "timeout": "0s"}, "timeout: must be longer than nothing"),
        ({"admin": "oxadmin"}, "clt: admin and password go together"),
        ({"directory": "/x"}, "clt: needs admin and password, or credentials by context"),
        ({**CLT, "credentials": {1: {"admin": "a"}}}, "password"),
    ],
)
def test_what_is_wrong_is_one_problem(loader: Loader, clt: object, words: str) -> None:
    """Each rule of the section, broken alone, gives one problem that says what is wanted."""
    problems = loader.problems(WRITE, (("openxchange", "clt"), clt))
    assert len(problems) == 1, problems
    assert words in problems[0]


@pytest.mark.parametrize("where", [("password",), ("transport", "password")])
def test_stored_passwords_do_not_go_with_it(loader: Loader, where: tuple[str, ...]) -> None:
    """A password in an account is a problem, since it would stand on a command line that everybody can read."""
    account = ("mappings", 0, "account", *where)
    problems = loader.problems(WRITE, (("openxchange", "clt"), CLT), (account, FILE))
    assert len(problems) == 1, problems
    assert "does not go with openxchange.write_with: clt" in problems[0]


def test_the_directory_of_the_tools_is_no_file(loader: Loader) -> None:
    """`check` takes a directory that is there, and says where one is not."""
    secret(loader)
    tools = loader.path.parent / "sbin"
    changes = (WRITE, (("openxchange", "clt"), {**CLT, "directory": str(tools)}))
    [problem] = loader(*changes).secrets_problems()
    assert problem.endswith(f"openxchange.clt.directory: cannot read {tools}: No such file or directory")
    tools.mkdir()
    assert loader(*changes).secrets_problems() == ()
