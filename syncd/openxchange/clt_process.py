"""Run a program to its end or to its time limit, without a shell and with nothing of ours in its surroundings.

The tools are shell scripts that start a Java process: both are in one process group, which is ended as a whole.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_PASSED_ON = (b"PATH", b"HOME", b"USER", b"LOGNAME", b"TMPDIR", b"TZ", b"JAVA_HOME", b"JRE_HOME")
"""What of our environment the tools get: secrets of the configuration may stand in the rest."""
_USUAL_PATH = b"/usr/local/bin:/usr/bin:/bin"


class Ended(NamedTuple):
    """What a program left behind."""

    code: int
    """Its exit code; the negative number of the signal that ended it."""
    stdout: str
    stderr: str


class TimedOut(Exception):  # noqa: N818 - reads as a state
    """The program, and all that it had started, was ended at its time limit."""


def run(program: Path, arguments: Sequence[str], environment: Mapping[str, str], *, timeout: float) -> Ended:
    """Run a program; its locale is always a UTF-8 one.

    Under another locale the tools turn each byte that is not ASCII into U+FFFD, and store that (ox-behaviour 14). For
    the same reason arguments and environment are encoded here, and not by the locale that we happen to have.

    Args:
        program: the file.
        arguments: for it; everybody on the machine can read them.
        environment: what it gets besides the usual.
        timeout: seconds.

    Raises:
        TimedOut: see there.
        OSError: it cannot be started.
        ValueError: an argument cannot be passed on: it has a NUL, or cannot be encoded.
    """
    usual = {name: os.environb[name] for name in _PASSED_ON if name in os.environb}
    own = {name.encode(): value.encode() for name, value in environment.items()}
    process = subprocess.Popen(  # noqa: S603 - the configuration says which program, and there is no shell
        [os.fsencode(program), *(argument.encode() for argument in arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={b"PATH": _USUAL_PATH, **usual, **own, b"LC_ALL": b"C.UTF-8", b"LANG": b"C.UTF-8"},
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException as error:  # nobody else would end the Java process of a run that was interrupted
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimedOut from None
            raise
    return Ended(process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace"))
