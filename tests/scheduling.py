"""Keep the tests of one expensive server on one worker of pytest-xdist, so that it is started once.

Its own `--dist loadgroup` does that by changing node ids, which has no effect with pytest 9.2 (xdist 3.8.0); the order
of the other tests is as with it. By file name, since markers are not known where tests are dealt out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

_TOGETHER = re.compile(r"/test_(active_directory|389)\.py::")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Deal out tests one by one, but those of a server together."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - it may not be installed

    class ByServer(LoadScopeScheduling):
        """As `loadscope`; a scope is a server, or a test."""

        def _split_scope(self, nodeid: str) -> str:
            return found[1] if (found := _TOGETHER.search(nodeid)) else nodeid

    return ByServer(config, log)
