"""The fault campaign with the real daemon, slapd and MariaDB: whatever breaks, nothing wrong is written.

`SYNCD_CAMPAIGN_SEED` and `SYNCD_CAMPAIGN_FAULTS` set the seed and how many faults the long form injects; the report is
`build/campaign/faults.json`, and `faults.txt` beside it.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.campaign.campaign import Chapter, Style
from tests.campaign.report import Report
from tests.campaign.wires import Wires
from tests.e2e.world import World
from tests.servers.mariadb import MariaDb
from tests.servers.slapd import Slapd

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]
SEED = int(os.environ.get("SYNCD_CAMPAIGN_SEED", "1"))
FAULTS = int(os.environ.get("SYNCD_CAMPAIGN_FAULTS", "1000"))
CLEAR, TLS = Style(tls=False, ledger=False), Style(tls=True, ledger=False)
LEDGER, PATIENT = Style(tls=False, ledger=True, replica=True), Style(tls=True, ledger=True, reads=2)
BUILD = Path(__file__).parent.parent.parent / "build" / "campaign"


def campaign(
    folder: Path, slapd: Slapd, mariadb: MariaDb, faults: int, styles: Sequence[Style], seed: int = SEED
) -> Report:
    """Inject so many faults, in one chapter after the other; give the report."""
    report = Report(seed=seed, asked=faults)
    begun = time.monotonic()
    try:
        _chapters(folder, slapd, mariadb, styles, report)
    except BaseException as error:
        error.add_note(again(report))
        raise
    report.seconds = time.monotonic() - begun
    return report


def _chapters(folder: Path, slapd: Slapd, mariadb: MariaDb, styles: Sequence[Style], report: Report) -> None:
    for number, style in enumerate(styles):
        place = folder / str(number)
        place.mkdir()
        world = World(place, slapd.database(), mariadb, mariadb.fresh_database())
        with Wires() as wires:
            chance = random.Random(f"{report.seed} {number}")  # noqa: S311 - to be repeated
            Chapter(world, style, wires, chance, report).tell(-(-report.asked // len(styles)))


def verdict(report: Report) -> str:
    """Tell what was wrong, and how to have it again."""
    return "\n".join([report.table(), *report.violations, again(report)])


def again(report: Report) -> str:
    """Tell how to have the same faults again; when they strike is up to the machine, too."""
    return f"again: SYNCD_CAMPAIGN_SEED={report.seed} SYNCD_CAMPAIGN_FAULTS={report.asked} make campaign"


def test_some_dozens_of_faults_do_no_harm(tmp_path: Path, slapd: Slapd, mariadb: MariaDb) -> None:
    """The short form: no wrong removal, nothing by half, and right again after one quiet run."""
    report = campaign(tmp_path, slapd, mariadb, 30, [CLEAR, TLS])
    assert not report.violations, verdict(report)
    assert report.struck >= 30
    assert report.changes["delete"]
    assert report.changes["create"]


@pytest.mark.campaign
def test_a_thousand_faults_do_no_harm(tmp_path: Path, slapd: Slapd, mariadb: MariaDb) -> None:
    """The long form: the same for faults in the ledger's database too, with a report for the README."""
    report = campaign(tmp_path, slapd, mariadb, FAULTS, [CLEAR, TLS, LEDGER, PATIENT])
    print(report.write(BUILD))
    assert not report.violations, verdict(report)
    assert report.struck >= FAULTS
