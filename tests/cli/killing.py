"""Commands that die: each in a child of its own, which ends itself (SIGKILL) at the n-th write of either database."""

from __future__ import annotations

import os
import signal

from tests.e2e.preloaded import Moments
from tests.e2e.world import invoke


def killed(moment: int, *words: str) -> bool:
    """Run a command that dies at a moment; tell whether it came that far."""
    child = os.fork()
    if child == 0:
        try:
            Moments(moment, every=False)
            invoke(*words)
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
