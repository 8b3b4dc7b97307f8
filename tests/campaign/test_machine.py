"""Random histories of a whole site: a short form that is always the same, and a long one for a seed.

`SYNCD_CAMPAIGN_SEED` and `SYNCD_CAMPAIGN_HISTORIES` set the seed of the long form and how many histories it tries; what
happened in them is in `build/campaign/machine.txt`.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import hypothesis
import pytest
import structlog
from hypothesis.stateful import run_state_machine_as_test

from tests.campaign.machine.broken import BROKEN
from tests.campaign.machine.machine import Machine
from tests.campaign.machine.scene import Scene
from tests.campaign.machine.stage import Children, Stage, build
from tests.campaign.test_faults import BUILD, SEED
from tests.e2e.test_killed import MEMORY
from tests.servers.mariadb import MariaDb

HISTORIES = int(os.environ.get("SYNCD_CAMPAIGN_HISTORIES", "300"))
STEPS = 60


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    """Give the process that makes the runs which are killed."""
    with Children() as process:
        yield process


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Give a place for worlds on SQLite; in memory, where a kill loses as little."""
    with tempfile.TemporaryDirectory(prefix="sm", dir=MEMORY) as folder:
        found = Stage(Path(folder))
        build(found)
        yield found


@contextmanager
def quietly() -> Iterator[None]:
    """Let runs log nothing: there are thousands."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def live(
    stage: Stage, children: Children, histories: int, steps: int, seed: int | None = None, *, shorten: bool = True
) -> Counter[str]:
    """Live through histories; give what happened in them.

    Args:
        stage: where.
        children: for the runs that are killed.
        histories: how many.
        steps: of each.
        seed: None = always the same ones.
        shorten: whether one that fails is made as short as can be.

    Raises:
        AssertionError: something was wrong; the history is in its notes.
    """

    class Here(Machine):
        make = staticmethod(lambda: Scene(stage, children))
        counts: ClassVar[Counter[str]] = Counter()

    Here.__name__ = Here.__qualname__ = Machine.__name__
    phases = (hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if shorten else []))
    settings = hypothesis.settings(
        max_examples=histories,
        stateful_step_count=steps,
        derandomize=seed is None,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    if seed is not None:
        hypothesis.seed(seed)(Here)
    with quietly():
        try:
            run_state_machine_as_test(Here, settings=settings)
        except BaseException as error:
            if seed is not None:
                error.add_note(f"again: SYNCD_CAMPAIGN_SEED={seed} SYNCD_CAMPAIGN_HISTORIES={histories} make campaign")
            raise
    return Here.counts


def told(what: str, counts: Counter[str]) -> str:
    """Give a table of what happened."""
    width = max(map(len, counts))
    return "\n".join([what, *(f"  {name:<{width}}  {count:>7,}" for name, count in sorted(counts.items())), ""])


HAPPENS = {
    "steps", "quiet worlds", "runs", "runs killed", "runs not read completely", "runs with something held",
    "removals that wait", "accounts to create", "accounts to update", "accounts to delete",
}  # fmt: skip
"""What has to happen, or the histories say nothing."""


def test_some_histories_do_no_harm(stage: Stage, children: Children) -> None:
    """The short form: nobody loses what is theirs, the journal verifies, and a quiet world comes right."""
    counts = live(stage, children, 30, 40)
    assert {name for name, count in counts.items() if count} >= HAPPENS, counts


@pytest.mark.campaign
def test_many_histories_do_no_harm(stage: Stage, children: Children) -> None:
    """The long form: the same in more and longer histories, with a report."""
    counts = live(stage, children, HISTORIES, STEPS, SEED)
    BUILD.mkdir(parents=True, exist_ok=True)
    report = told(f"Histories on SQLite (seed {SEED}): {HISTORIES} of {STEPS} steps", counts)
    (BUILD / "machine.txt").write_text(report)
    print(report)
    assert {name for name, count in counts.items() if count} >= HAPPENS, counts


@pytest.mark.campaign
@pytest.mark.mariadb
def test_histories_on_mariadb_do_no_harm(
    tmp_path: Path, children: Children, mariadb: MariaDb, ox_database: str
) -> None:
    """The same where the database is a server that rolls back by itself what a killed run left."""
    url = f"mysql+pymysql://test@127.0.0.1:{mariadb.port}/{ox_database}"
    stage = Stage(tmp_path, mariadb.engine(ox_database), url)
    build(stage)
    counts = live(stage, children, max(1, HISTORIES // 5), STEPS, SEED)
    print(told(f"Histories on MariaDB (seed {SEED}): {max(1, HISTORIES // 5)} of {STEPS} steps", counts))
    assert counts["runs killed"]


@pytest.mark.campaign
@pytest.mark.parametrize("spoil", BROKEN.values(), ids=BROKEN)
def test_the_machine_sees_what_is_broken(
    stage: Stage, children: Children, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """A program that lacks one of its cautions is found out, so that silence about the real one means something."""
    spoil(monkeypatch)
    with pytest.raises(AssertionError):
        live(stage, children, 150, 45, 1, shorten=False)
