"""Set up the log: one JSON object a line, or coloured lines on a terminal.

The rules kept here: every line is one event (a constant dotted name) with its data in keys; no secret is written; no
traceback is written unless the level is `debug`. What libraries say through the standard library's logging takes the
same way. Who logs what is left to the callers.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Set
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TextIO

from syncd.core.model import Secret
from syncd.errors import SyncdError

if TYPE_CHECKING:  # importing structlog takes 0.1 s, which `--help` need not pay: it is imported where it is used
    from structlog.typing import EventDict, Processor, WrappedLogger

Format = Literal["auto", "json", "console"]

MASK = "***"
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:password|passwd|passphrase|secret|token)(?:$|[_.-])|(?:^|[_.-])key$", re.IGNORECASE
)
_URL_PASSWORD = re.compile(r"(://[^/@:\s]*:)[^/\s]*@")


def configure(*, format: Format = "auto", level: str = "info", stream: TextIO | None = None) -> None:  # noqa: A002 - the setting's name
    """Send all log events of the process to `stream` (standard error by default); a later call replaces this one.

    `auto` means colours on a terminal and JSON elsewhere. `level` is a name of the standard library, any letter case;
    with `debug` tracebacks are rendered and libraries are heard from `info` on, otherwise from `warning` on.

    Raises:
        ValueError: `level` is no level.
    """
    import structlog  # noqa: PLC0415 - see above

    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"unknown log level {level!r}")
    target = sys.stderr if stream is None else stream
    debug = number <= logging.DEBUG
    console = format == "console" or (format == "auto" and target.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if debug else _name_exception,
            clean,
            *_rendering(console=console, colors=target.isatty() and "NO_COLOR" not in os.environ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(target),
        cache_logger_on_first_use=False,  # a reload may change the level of loggers already in use
    )
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Bridge)]:
        root.removeHandler(old)
    root.addHandler(_Bridge())
    root.setLevel(logging.INFO if debug else max(number, logging.WARNING))


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask secrets in an event, at any depth: `Secret` values, keys that name a secret, passwords in URLs."""
    return {key: MASK if _secret(key) else _cleaned(value) for key, value in event.items()}


@lru_cache(maxsize=1024)
def _secret(name: str) -> bool:
    """Tell whether a key names a secret; there are few keys, in many thousand events of a big run."""
    return _SECRET_NAME.search(name) is not None


def _cleaned(value: object) -> object:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1{MASK}@", value) if "://" in value else value
    if value is None or isinstance(value, int | float):
        return value
    return _cleaned_collection(value)


def _cleaned_collection(value: object) -> object:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(k): MASK if _secret(str(k)) else _cleaned(v) for k, v in value.items()}
    if isinstance(value, Set):
        return sorted((_cleaned(item) for item in value), key=str)
    if isinstance(value, list | tuple):
        return [_cleaned(item) for item in value]
    return value


def _name_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put the error's name where the traceback would be; only our own errors are known to hold no secret."""
    found = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if found is True:
        found = sys.exc_info()[1]
    elif isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        event.setdefault("error", str(found) if isinstance(found, SyncdError) else type(found).__name__)
    return event


def _rendering(*, console: bool, colors: bool) -> list[Processor]:
    import structlog  # noqa: PLC0415 - see above

    if not console:
        return [_ordered, structlog.processors.JSONRenderer(serializer=json.dumps, default=_as_json)]
    return [
        _printable,
        structlog.dev.ConsoleRenderer(
            colors=colors,
            exception_formatter=structlog.dev.plain_traceback,  # the others print local variables, passwords included
        ),
    ]


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let every line begin with when, how bad and what."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what would steer a terminal: names of people and entries are written by others."""
    return {
        key: value if key == "exception" or not isinstance(value, str) or value.isprintable() else repr(value)
        for key, value in event.items()
    }


def _as_json(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else str(value)


class _Bridge(logging.Handler):
    """Turn a record of the standard library into the event `library.message`."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog  # noqa: PLC0415 - see above

        try:
            # a library's custom level (uvicorn's 5) has no method here: round down to a known one
            level = max(n for n in (0, 10, 20, 30, 40, 50) if n <= record.levelno) or logging.DEBUG
            keys = {"exc_info": record.exc_info} if record.exc_info else {}
            message = record.getMessage()
            structlog.get_logger().log(level, "library.message", logger=record.name, message=message, **keys)
        except (TypeError, ValueError, KeyError, OSError):
            # arguments that do not fit the text, or a stream that is gone: neither may end what the line reports on
            self.handleError(record)
