"""The commands together on mailboxes by pattern: an export as the directory, SQLite as Open-Xchange, all else real."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from pathlib import Path

import pytest

from syncd.errors import LedgerBusy, StoreUnavailable, SyncdError
from syncd.run import Reconciler
from tests.e2e.world import Done, invoke

GROUPS = "ou=groups,dc=mycompany,dc=com"
PATTERN = f"""\
  - discover:
      filter: (description=shared-mailbox)
      base: {GROUPS}
      mailbox: "{{mail}}"
      account: {{name: "Team {{cn}}"}}
      exclude: [{{mailbox: "test-*"}}]
    context: 1
    limits: {{removals: {{percent: 100, floor: 100}}}}
    account:
      login: "{{mail}}"
      mail: {{server: imap.mycompany.com, port: 143}}
      transport: {{server: smtp.mycompany.com, port: 25}}
"""
SALES = "sales@mycompany.com"
JOBS = "jobs@mycompany.com"


class Playground:
    """A playground whose mapping for support@ has a pattern beside it.

    Attributes:
        config: its configuration.
    """

    def __init__(self, directory: Path) -> None:
        assert invoke("demo", str(directory)).code == 0
        self.config = directory / "syncd.yaml"
        self._export = directory / "directory.ldif"
        self._people = self._export.read_text()
        self.config.write_text(self.config.read_text() + PATTERN)
        self.groups(sales=SALES, jobs=JOBS)

    def groups(self, **mails: str) -> None:
        """Write the export with a group for each mailbox: alice and bob are members of all; "" = no address."""
        entries = [
            f"\ndn: cn={name},{GROUPS}\nobjectClass: groupOfNames\ncn: {name}\ndescription: shared-mailbox\n"
            + (f"mail: {mail}\n" if mail else "")
            + f"entryUUID: 00000000-0000-4000-a000-{number:012d}\n"
            + "".join(f"member: uid={login},ou=people,dc=mycompany,dc=com\n" for login in ("alice", "bob"))
            for number, (name, mail) in enumerate(sorted(mails.items()))
        ]
        self._export.write_text(self._people + "".join(entries))

    def syncd(self, *words: str) -> Done:
        """Run a command on it."""
        return invoke(*words, "-c", str(self.config))

    def sync(self, *words: str, code: int = 0) -> Done:
        """Run once, as JSON."""
        done = self.syncd("sync", "--output", "json", *words)
        assert done.code == code, (done.err, done.out)
        return done


@pytest.fixture
def playground(tmp_path: Path) -> Playground:
    return Playground(tmp_path / "playground")


def test_what_is_found_is_listed_and_nothing_written(playground: Playground) -> None:
    """Found mailboxes are listed with group and mapping; those that the mapping excludes are not."""
    playground.groups(sales=SALES, jobs=JOBS, other="test-1@mycompany.com")
    done = playground.syncd("discover")
    line = playground.config.read_text().splitlines().index("  - discover:") + 1
    assert (done.code, done.err) == (0, "")
    rows = [re.split(r" {2,}", row) for row in done.out.splitlines()[1:-1]]
    where = f"{playground.config}:{line}"
    assert rows == [
        [JOBS, "1", "Team jobs", f"cn=jobs,{GROUPS}", where],
        [SALES, "1", "Team sales", f"cn=sales,{GROUPS}", where],
    ]
    told = playground.syncd("discover", "--output", "json").document
    assert [one["group"] for one in told["mailboxes"]] == [f"cn=jobs,{GROUPS}", f"cn=sales,{GROUPS}"]
    states = playground.syncd("status", "--output", "json").document["mailboxes"]
    assert [one["mailbox"] for one in states] == ["support@mycompany.com"]


def test_the_lines_can_stand_in_the_place_of_the_pattern(playground: Playground) -> None:
    """With the printed mappings instead of the pattern nothing is to be changed, and nothing is orphaned."""
    playground.sync()
    printed = playground.syncd("discover", "--output", "yaml").out
    assert printed.startswith("mappings:\n  - mailbox: jobs@")
    config = playground.config.read_text().replace(PATTERN, printed.removeprefix("mappings:\n"))
    playground.config.write_text(config)
    done = playground.sync()
    assert {name: count for name, count in done.document["summary"].items() if count} == {"unchanged": 6}
    assert done.document["orphaned"] == []


def test_a_found_mailbox_can_be_named(playground: Playground) -> None:
    """`--mailbox` takes an address that only the run finds out; one that nothing stands for is refused."""
    done = playground.sync("--mailbox", "Sales@MyCompany.com")
    assert [one["mailbox"] for one in done.document["mailboxes"]] == [SALES]
    assert done.document["summary"]["create"] == 2
    done = playground.syncd("plan", "--mailbox", "nobody@mycompany.com")
    assert done.code == 1
    assert "neither configured nor discovered" in done.err


def test_a_found_mailbox_is_shown_as_any_other(playground: Playground) -> None:
    """Status knows it after a run, and a plan tells its proof."""
    playground.sync()
    states = {
        one["mailbox"]: one["state"] for one in playground.syncd("status", "--output", "json").document["mailboxes"]
    }
    assert states[SALES] == states[JOBS] == "in step"
    shown = playground.syncd("plan", "--proof").out
    assert re.search(rf"read group cn=sales,{GROUPS} on ldif:.*2 user", shown)
    assert "read group" not in playground.syncd("plan").out


def test_a_mailbox_that_is_found_is_not_retired(playground: Playground) -> None:
    """While a pattern finds it, its accounts cannot be given away; the mapping is named."""
    playground.sync()
    for command in ("retire", "release"):
        done = playground.syncd(command, SALES)
        assert (done.code, "is found by the mapping at" in done.err) == (1, True)


def test_a_mailbox_that_vanishes_is_orphaned_and_can_be_retired(playground: Playground) -> None:
    """Not found any more, it keeps its accounts until somebody retires it; the others go on undisturbed."""
    playground.sync()
    playground.groups(sales=SALES)
    done = playground.sync()
    assert [one["mailbox"] for one in done.document["orphaned"]] == [JOBS]
    assert done.document["summary"]["delete"] == 0
    first = playground.syncd("retire", JOBS)
    assert first.code == 4
    [digest] = set(re.findall(r"--approve (sha256:[0-9a-f]{64})", first.out))
    done = playground.syncd("retire", JOBS, "--approve", digest)
    assert (done.code, "2 accounts deleted, 0 left" in done.err) == (0, True)
    after = playground.sync()
    assert after.document["orphaned"] == []
    assert {name: count for name, count in after.document["summary"].items() if count} == {"unchanged": 4}


def test_an_entry_without_an_address_is_a_problem_and_no_error(playground: Playground) -> None:
    """It is told in discover, plan and JSON, fails `check`, and stops nobody else."""
    playground.groups(sales=SALES, jobs="")
    done = playground.syncd("discover")
    assert done.code == 0
    assert re.search(rf"^\? .*cn=jobs,{GROUPS}: mailbox {{mail}} gives nothing$", done.err, re.MULTILINE)
    assert "gives nothing" in playground.syncd("plan").out
    told = playground.sync().document
    assert (len(told["problems"]), told["undiscovered"], told["complete"]) == (1, [], True)
    check = playground.syncd("check")
    assert check.code == 1
    assert re.search(r"^FAIL  discovery: .*gives nothing", check.out, re.MULTILINE)
    assert re.search(r"^ok    mapping at .*: 1 mailbox found$", check.out, re.MULTILINE)


def test_a_search_that_fails_is_told_by_its_exit_code(playground: Playground) -> None:
    """Where the search cannot be read, discover ends with 1, sync with 5, retire refuses, and nobody is orphaned."""
    playground.sync()
    config = playground.config.read_text()
    playground.config.write_text(config.replace(f"base: {GROUPS}", "base: ou=gone,dc=mycompany,dc=com"))
    done = playground.syncd("discover", "--output", "json")
    assert done.code == 1
    assert json.loads(done.out)["complete"] is False
    assert "not all mailboxes are known" in done.err
    told = playground.sync(code=5).document
    assert (told["complete"], told["orphaned"], told["summary"]["delete"]) == (False, [], 0)
    assert told["undiscovered"]
    assert told["causes"] == ["missing"]
    assert "! not all mailboxes are known" in playground.syncd("plan").out
    assert playground.syncd("plan", "--exit-code").code == 5
    done = playground.syncd("retire", SALES)
    assert (done.code, "cannot be told" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("error", "what"), [(StoreUnavailable("the answer took too long"), "OX database"), (LedgerBusy("locked"), "ledger")]
)
def test_check_tells_of_a_system_that_fails_late(
    playground: Playground, monkeypatch: pytest.MonkeyPatch, error: SyncdError, what: str
) -> None:
    """What works when it is looked at and fails when it is used is a failed check, not the end of it."""

    def fail(_self: Reconciler) -> None:
        raise error

    monkeypatch.setattr(Reconciler, "plan", fail)
    done = playground.syncd("check")
    assert done.code == 1
    assert f"FAIL  {what}: {error.message}" in done.out
    assert done.out.splitlines()[-1].startswith("1 of ")


def test_check_says_what_to_do_where_nothing_failed(playground: Playground) -> None:
    """A member without a user fails nothing, and what to look at stands beside the number."""
    database = playground.config.with_name("openxchange.db")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM login2user WHERE uid = 'bob'")
    done = playground.syncd("check")
    assert done.code == 0
    assert re.search(r"^ok    members in context 1: .* \(the rules in users ", done.out, re.MULTILINE)
