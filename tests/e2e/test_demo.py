"""The playground: the story it tells is true, it stays usable, and it needs nothing but Python."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.world import COMMAND, Done, invoke

STEPS = (
    "1. The group support has two members",
    "2. carol (user 5) joins the group",
    "3. bob (user 4) leaves the group",
    "4. Nothing has changed since: a run writes nothing",
    "5. Somebody empties the group by mistake",
    "6. It was one: the members are put back",
)
STORED = (
    "alice (account 1), bob (account 2)",
    "alice (account 1), bob (account 2), carol (account 3)",
    "alice (account 1), carol (account 3)",
    "alice (account 1), carol (account 3)",
    "alice (account 1), carol (account 3)",
    "alice (account 1), carol (account 3)",
)


def syncd(*words: str, cwd: Path | None = None) -> Done:
    """Run the installed command."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    run = subprocess.run(
        [COMMAND, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        cwd=cwd,
        timeout=60,
    )
    return Done(code=run.returncode, out=run.stdout, err=run.stderr)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Give a playground and what `syncd demo` said while building it."""
    folder = tmp_path_factory.mktemp("demo") / "playground"
    return folder / "syncd.yaml", syncd("demo", str(folder))


def rows(config: Path) -> str:
    """Give the whole Open-Xchange database of a playground as text."""
    with closing(sqlite3.connect(config.parent / "openxchange.db")) as connection:
        return "\n".join(connection.iterdump())


def test_the_demo_tells_the_story(told: tuple[Path, Done]) -> None:
    """All six steps are told in order, each with plan and run, and each with who has the mailbox then."""
    _, done = told
    assert (done.code, done.err) == (0, "")
    parts = done.out.split("\n\n")[1:]
    assert len(parts) == len(STEPS)
    for part, step, stored in zip(parts, STEPS, STORED, strict=True):
        assert part.startswith(step)
        assert "$ syncd plan" in part
        assert "$ syncd sync" in part
        assert f"Now stored: {stored}\n" in part + "\n"


def test_the_demo_shows_how_a_held_plan_is_released(told: tuple[Path, Done]) -> None:
    """The emptied group is held, nobody loses anything, and the command that would release it is shown."""
    config, done = told
    step = done.out[done.out.index(STEPS[4]) : done.out.index(STEPS[5])]
    assert step.count("delete held") == 4  # alice and carol, in the plan and in the run
    assert "HELD support@mycompany.com" in step
    [command] = {line.strip() for line in step.splitlines() if line.strip().startswith("syncd approve sha256:")}
    assert command.endswith(f"-c {config}")


def test_the_playground_stays_in_step(told: tuple[Path, Done]) -> None:
    """Afterwards plan says in step, a run writes no row, and every command that the demo names works."""
    config, _ = told
    before = rows(config)
    planned = invoke("plan", "-c", str(config), "--exit-code")
    assert (planned.code, "in step" in planned.out) == (0, True)
    for words in (("sync",), ("sync", "--output", "json"), ("status",), ("check",), ("held",)):
        done = invoke(*words, "-c", str(config))
        assert (done.code, done.err) == (0, ""), words
    assert rows(config) == before
    assert invoke("plan", "-c", str(config), "--output", "json").summary == {"unchanged": 2}


def test_the_playground_can_be_played_with(told: tuple[Path, Done], tmp_path: Path) -> None:
    """Who edits the export sees the change planned, held where it is too much, and made after the approval."""
    invoke("demo", str(tmp_path / "play"))
    config = tmp_path / "play" / "syncd.yaml"
    export = config.parent / "directory.ldif"
    whole = export.read_text()
    members = [line for line in whole.splitlines() if line.startswith("member: ")]
    export.write_text(whole.replace("\n".join(members), members[0].replace("alice", "dave")))
    done = invoke("sync", "-c", str(config), "--output", "json")
    assert done.code == 0
    assert {(one["op"], one["login"]) for one in done.document["changes"]} == {
        ("create", "dave"), ("delete", "alice"), ("delete", "carol"),
    }  # fmt: skip
    export.write_text(whole.replace("\n".join(members) + "\n", ""))
    held = invoke("sync", "-c", str(config), "--output", "json")
    assert held.code == 4
    assert invoke("approve", held.document["objections"][0]["digest"], "-c", str(config)).code == 0
    assert invoke("sync", "-c", str(config), "--output", "json").summary == {"delete": 1}


def test_the_demo_can_be_built_again(told: tuple[Path, Done]) -> None:
    """In a directory that holds a playground already, the demo builds it anew."""
    config, _ = told
    done = invoke("demo", str(config.parent))
    assert done.code == 0
    assert STEPS[0] in done.out


def test_the_demo_never_deletes_somebody_elses_directory(tmp_path: Path) -> None:
    """A directory that is not empty and no playground is refused and left as it is; so is a file."""
    (tmp_path / "precious").write_text("keep me")
    for place in (tmp_path, tmp_path / "precious"):
        done = invoke("demo", str(place))
        assert (done.code, done.out) == (1, ""), done
        assert "Traceback" not in done.err
        assert "unexpected" not in done.err
        assert str(place) in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (tmp_path / "precious").read_text() == "keep me"


def test_without_a_name_the_playground_is_in_the_current_directory(tmp_path: Path) -> None:
    """`syncd demo` alone builds ./playground; blanks, quotes and umlauts in the path do no harm."""
    place = tmp_path / "a 'strange' {plÄce}: #1 %20"
    place.mkdir()
    done = syncd("demo", cwd=place)
    assert (done.code, done.err) == (0, "")
    config = place / "playground" / "syncd.yaml"
    assert invoke("plan", "-c", str(config), "--exit-code").code == 0


# ------------------------------------------------------------------ what a command loads

HEAVY = {
    "sqlalchemy", "alembic", "ldap3", "pydantic", "ruamel", "apscheduler", "prometheus_client", "starlette", "uvicorn",
    "rich", "structlog", "cryptography", "argon2", "pymysql",
}  # fmt: skip


def loaded(*words: str) -> set[str]:
    """Give the top-level modules that are loaded when a command ends."""
    code = (
        "import sys; from syncd.cli.main import main; sys.argv[0] = 'syncd'\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd="/")
    return set(run.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("plan", "--help"), ("nonsense",)])
def test_help_loads_no_library_that_it_does_not_need(words: tuple[str, ...]) -> None:
    """Help, version and usage errors are quick: no library for databases, directories or servers is loaded."""
    typers = {"pydantic"} if words not in {("--help",), ("--version",)} else set()  # typer itself wants it for options
    assert loaded(*words) & HEAVY <= typers


def test_a_plan_loads_nothing_of_the_daemon(told: tuple[Path, Done]) -> None:
    """A plan needs neither scheduler nor web server nor migrations of a ledger that is up to date."""
    config, _ = told
    needless = {"alembic", "apscheduler", "prometheus_client", "starlette", "uvicorn"}
    assert loaded("plan", "-c", str(config)) & needless == set()
