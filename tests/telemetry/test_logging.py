"""Logging: one event a line, no secret, no traceback, libraries by the same way."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import structlog

from syncd.core.model import Secret
from syncd.errors import StoreUnavailable
from syncd.telemetry.logging import configure


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Row(NamedTuple):
    user: int
    password: str


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give the process's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail(error: Exception) -> None:
    raise error


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_a_line() -> None:
    """Each line has timestamp, level and event first, then the keys; the timestamp is UTC in ISO form."""
    stream = io.StringIO()
    configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("run.finished", run="r1", note="two\nlines", path=Path("/x"), who=("a", "b"))
    (found,) = lines(stream)
    assert list(found)[:3] == ["timestamp", "level", "event"]
    assert datetime.fromisoformat(str(found.pop("timestamp"))).tzinfo == UTC
    assert found == {
        "level": "info",
        "event": "run.finished",
        "run": "r1",
        "note": "two\nlines",
        "path": "/x",
        "who": ["a", "b"],
    }


def test_text_that_is_no_unicode_is_still_logged() -> None:
    """Octets of a directory entry that are no UTF-8 end neither the line nor the process."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("member.read", dn="cn=\udcff")
    stream.flush()
    assert b"udcff" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_auto_means_console_on_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets coloured text, anything else JSON."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    configure(format="auto", level="info", stream=terminal)
    structlog.get_logger().info("run.finished")
    configure(format="auto", level="info", stream=file)
    structlog.get_logger().info("run.finished")
    assert "\x1b[" in terminal.getvalue()
    assert lines(file)[0]["event"] == "run.finished"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR set a terminal gets plain text."""
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    configure(format="auto", level="info", stream=terminal)
    structlog.get_logger().info("run.finished", user=3)
    assert "\x1b" not in terminal.getvalue()
    assert "run.finished" in terminal.getvalue()


def test_the_console_cannot_be_steered_by_a_name() -> None:
    """Control characters in a value are shown escaped."""
    terminal = Terminal()
    configure(format="console", level="info", stream=terminal)
    structlog.get_logger().info("member.read", dn="cn=\x1b[2J")
    assert "\x1b[2J" not in terminal.getvalue()


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_reaches_a_line(format: str) -> None:  # noqa: A002 - the parameter's name
    """Secret values, keys that name a secret, and passwords in URLs are masked at any depth."""
    stream = io.StringIO()
    configure(format=format, level="debug", stream=stream)  # type: ignore[arg-type]
    structlog.get_logger().info(
        "some.event",
        value=Secret("hunter2"),
        password="hunter2",
        bind_password="hunter2",
        key="hunter2",
        ox_key="hunter2",
        client_secret="hunter2",
        deep={"a": [{"password": "hunter2"}, Secret("hunter2")], 1: (Row(1, "hunter2"), {Secret("hunter2")})},
        url="mysql+pymysql://syncd:hunter2@db/ox",
    )
    try:
        fail(ValueError("mysql://syncd:hunter2@db"))
    except ValueError:
        structlog.get_logger().exception("some.failure")
    assert "some.event" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_ordinary_keys_are_not_masked() -> None:
    """A key that only contains the letters of a secret's name is shown."""
    stream = io.StringIO()
    configure(format="json", level="info", stream=stream)
    structlog.get_logger().info("some.event", keys=3, passwords_managed=True, monkey="m", url="ldaps://host:636/dc=x")
    (found,) = lines(stream)
    assert (found["keys"], found["passwords_managed"], found["monkey"]) == (3, True, "m")
    assert found["url"] == "ldaps://host:636/dc=x"


@pytest.mark.parametrize(
    ("error", "shown"),
    [(StoreUnavailable("db: timed out", hint="wait"), "db: timed out (wait)"), (RuntimeError("a row"), "RuntimeError")],
)
def test_no_traceback_in_normal_mode(error: Exception, shown: str) -> None:
    """An exception shows as one key: our own with its message, a foreign one with its name only."""
    stream = io.StringIO()
    configure(format="json", level="info", stream=stream)
    try:
        fail(error)
    except type(error) as caught:
        structlog.get_logger().error("run.failed", exc_info=True)
        structlog.get_logger().error("run.failed", exc_info=caught)
        logging.getLogger("apscheduler").exception("job")
    assert [line["error"] for line in lines(stream)] == [shown] * 3
    assert "Traceback" not in stream.getvalue()


def test_debug_shows_the_traceback_without_local_variables() -> None:
    """With level debug a traceback is rendered, and no value of a local variable with it."""
    for stream, format_ in ((io.StringIO(), "json"), (Terminal(), "console")):
        configure(format=format_, level="debug", stream=stream)  # type: ignore[arg-type]
        hidden = "hunter" + str(2)
        try:
            fail(RuntimeError("broken"))
        except RuntimeError:
            structlog.get_logger().error("run.failed", exc_info=True)
        assert "Traceback" in stream.getvalue()
        assert hidden not in stream.getvalue()


def test_libraries_are_heard_from_warning_on() -> None:
    """What a library says at warning or above comes as `library.message`, less is left out."""
    stream = io.StringIO()
    configure(format="json", level="info", stream=stream)
    logging.getLogger("apscheduler.scheduler").info("added job")
    logging.getLogger("uvicorn.error").warning("slow %s", "client")
    (found,) = lines(stream)
    assert (found["event"], found["level"]) == ("library.message", "warning")
    assert (found["logger"], found["message"]) == ("uvicorn.error", "slow client")


def test_debug_hears_libraries_from_info_on() -> None:
    """At debug a library's info lines come too, its debug lines do not."""
    stream = io.StringIO()
    configure(format="json", level="debug", stream=stream)
    logging.getLogger("apscheduler").info("added job")
    logging.getLogger("apscheduler").debug("looking")
    assert [line["message"] for line in lines(stream)] == ["added job"]


def test_a_later_call_replaces_the_earlier_one() -> None:
    """After a second call every line is written once, to the new stream and at the new level, by old loggers too."""
    first, second = io.StringIO(), io.StringIO()
    configure(format="json", level="info", stream=first)
    log = structlog.get_logger()
    log.info("one")
    configure(format="json", level="warning", stream=second)
    log.info("two")
    log.warning("three")
    logging.getLogger("x").error("four")
    assert len(lines(first)) == 1
    assert [line["event"] for line in lines(second)] == ["three", "library.message"]


def test_a_wrong_level_is_refused() -> None:
    """A level that logging does not know is an error."""
    with pytest.raises(ValueError, match="loud"):
        configure(level="loud")


def test_a_bad_library_line_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A record whose arguments do not fit its text raises nothing in the library."""
    logging.getLogger().handlers.clear()  # pytest's own handlers do raise
    configure(format="json", level="info", stream=io.StringIO())
    logging.getLogger("x").warning("%d", "no number")
    assert "Logging error" in capsys.readouterr().err


def test_importing_the_module_does_not_import_structlog() -> None:
    """`syncd --help` does not pay for what it does not use."""
    code = "import sys, syncd.telemetry.logging; sys.exit('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
