"""What the documents say is true: commands run, configurations load, tables are whole, links lead somewhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from syncd.cli.main import app
from syncd.core.reads import Cause
from syncd.openxchange import tables
from syncd.rehearsal.faults import FAULTS
from syncd.settings.lines import lines
from syncd.settings.loading import load
from syncd.telemetry.metrics import Metrics
from syncd.telemetry.notices import HeldNotice
from tests.telemetry.reports import busy

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").iterdir())}
SYNCD = str(Path(sys.executable).parent / "syncd")


def blocks(language: str, text: str = README) -> Iterator[str]:
    """Give the fenced blocks of one language."""
    for found in re.finditer(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL):
        yield "\n".join(line.removeprefix(found[1]) for line in found[2].splitlines())


def commands(text: str = README) -> list[str]:
    """Give every syncd command of the shell blocks, in order, without its comment."""
    lines = (line.split("  #")[0].strip() for block in blocks("sh", text) for line in block.splitlines())
    return [line for line in lines if line.startswith("syncd ")]


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("readme") / "playground"
    subprocess.run([SYNCD, "demo", str(directory)], check=True, capture_output=True)
    return directory


def syncd(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SYNCD, *shlex.split(command)[1:]], capture_output=True, text=True, check=False, timeout=60)


def test_every_command_of_the_readme_runs_as_told(playground: Path) -> None:
    """Each command of a shell block, with its placeholders filled in, ends as the text around it says."""
    config = playground / "syncd.yaml"
    export = playground / "directory.ldif"
    told = [re.sub(r"(/etc/syncd|playground)/syncd.yaml", str(config), command) for command in commands()]
    assert len(told) == 16
    ready, held, leaving = told[:10], told[10:13], told[13:]
    for command in ready:
        assert syncd(command).returncode == 0, command

    whole = export.read_text()
    export.write_text(re.sub(r"^member: .*\n", "", whole, flags=re.MULTILINE))
    assert syncd(f"syncd sync -c {config}").returncode == 4
    shown = syncd(held[0])
    [digest] = set(re.findall(r"sha256:[0-9a-f]{64}", shown.stdout))
    assert syncd(held[1].replace("DIGEST", digest)).stdout.count(" delete") == 2
    assert syncd(held[2].replace("DIGEST", digest)).returncode == 0
    after = syncd(f"syncd sync -c {config}")
    assert (after.returncode, "2 deleted" in after.stdout) == (0, True)

    export.write_text(whole)
    assert syncd(f"syncd sync -c {config}").returncode == 0
    config.write_text(config.read_text().replace("mailbox: support@", "mailbox: sales@"))
    retire, retire_approved, release = (command.replace("MAILBOX", "support@mycompany.com") for command in leaving)
    first = syncd(retire)
    assert "2 accounts of support@mycompany.com" in first.stdout
    [digest] = set(re.findall(r"--approve (sha256:[0-9a-f]{64})", first.stdout))
    assert syncd(retire_approved.replace("DIGEST", digest)).returncode == 0

    assert syncd(f"syncd sync -c {config}").returncode == 0
    config.write_text(config.read_text().replace("mailbox: sales@", "mailbox: support@"))
    released = syncd(release.replace("support@", "sales@"))
    assert (released.returncode, "2 accounts stay" in released.stderr) == (0, True)


def test_every_command_about_rehearsals_runs_as_told(tmp_path: Path) -> None:
    """The commands of docs/rehearsal.md end with 0 on the playground, and its table names every fault."""
    subprocess.run([SYNCD, "demo", str(tmp_path / "playground")], check=True, capture_output=True)
    text = DOCUMENTS["docs/rehearsal.md"]
    for command in commands(text):
        done = syncd(command.replace("/etc/syncd/syncd.yaml", str(tmp_path / "playground" / "syncd.yaml")))
        assert done.returncode == 0, done
    assert [fault.name for fault in FAULTS if f"`{fault.name}`" not in text] == []


def test_every_command_about_held_plans_runs_as_told(tmp_path: Path) -> None:
    """A plan is held, listed, shown, approved and rejected; everything and one mailbox are paused and resumed."""
    subprocess.run([SYNCD, "demo", str(tmp_path / "playground")], check=True, capture_output=True)
    config, export = tmp_path / "playground" / "syncd.yaml", tmp_path / "playground" / "directory.ldif"
    text = DOCUMENTS["docs/held.md"]
    told = [one.replace("/etc/syncd/syncd.yaml", str(config)) for one in commands(text)]
    held, show, approve, reject, *pausing = [one.replace("MAILBOX", "support@mycompany.com") for one in told]
    export.write_text(re.sub(r"^member: .*\n", "", export.read_text(), flags=re.MULTILINE))
    assert syncd(f"syncd sync -c {config}").returncode == 4
    [digest] = set(re.findall(r"sha256:[0-9a-f]{64}", syncd(held).stdout))
    assert syncd(show.replace("DIGEST", digest[:15])).stdout.count(" delete") == 2
    assert "approved" in syncd(approve.replace("DIGEST", digest)).stderr
    assert "Anna, head of support" in syncd(held).stdout
    assert "withdrawn" in syncd(reject.replace("DIGEST", digest)).stderr
    everything, one, status, resume, resume_one = pausing
    assert [syncd(command).returncode for command in (everything, one)] == [0, 0]
    assert syncd(status).stdout.count("paused: ") == 2
    assert "idle, nothing is applied" in syncd(f"syncd sync -c {config}").stdout
    assert [syncd(command).stderr.split(":")[0] for command in (resume, resume_one)] == ["resumed", "resumed"]
    assert syncd(f"syncd sync -c {config}").returncode == 4


def test_every_command_about_history_runs_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """History is shown, exported and verified; a run and a change are undone; users are pinned and unpinned."""
    subprocess.run([SYNCD, "demo", str(tmp_path / "playground")], check=True, capture_output=True)
    config, export = tmp_path / "playground" / "syncd.yaml", tmp_path / "playground" / "directory.ldif"
    monkeypatch.setenv("SYNCD_CONFIG", str(config))
    export.write_text(re.sub(r"^member: uid=carol,.*\n", "", export.read_text(), flags=re.MULTILINE))
    assert syncd(f"syncd sync -c {config}").returncode == 0

    def last(op: str) -> dict[str, Any]:
        entries = json.loads(syncd(f"syncd history -c {config} --output json").stdout)["history"]
        return dict([one for one in entries if one["op"] == op][-1])

    filled = {"MAILBOX": "support@mycompany.com", "LOGIN": "carol", "/etc/syncd/syncd.yaml": str(config)}
    filled["RUN"] = last("delete")["run"][:12]
    told = commands(DOCUMENTS["docs/history.md"])
    told = [re.sub("|".join(filled), lambda found: filled[found.group()], command) for command in told]
    (whole, one, user, run, export_all, verify, plan, undo, change), pins = told[:9], told[9:]
    for command in (whole, one, user, run):
        assert "delete carol (5)" in syncd(command).stdout, command
    assert all(json.loads(line)["change"] for line in syncd(export_all).stdout.splitlines())
    assert "the journal is as it was written" in syncd(verify).stdout
    assert "no source names the user" in syncd(plan).stderr
    assert "1 created" in syncd(undo).stdout
    assert "1 deleted" in syncd(change.replace("CHANGE", str(last("create")["change"]))).stdout

    for command in pins[:3]:
        assert syncd(command).returncode == 0, command
    shown = syncd(pins[3]).stdout
    assert ("user 5 has it until" in shown, "user 3 is kept out" in shown) == (True, True)
    assert "2 users unpinned" in syncd(pins[4]).stderr


def test_the_document_of_the_webhook_is_the_one_that_is_posted() -> None:
    """The example has the keys of what is posted, in their order."""
    notice = HeldNotice(
        mailbox="m", context=1, digest="d", since=busy().started, changes=4, look="l", command="c", reject="r",
        objections=({"limit": "removals", "value": 4, "allowed": 3, "message": "m"},),
    )  # fmt: skip
    posted = notice.document(busy().started)
    [block] = blocks("json", DOCUMENTS["docs/held.md"])
    shown = json.loads(block)
    assert list(shown) == list(posted)
    assert list(shown["objections"][0]) == list(posted["objections"][0])  # type: ignore[index]


def test_the_configuration_of_the_readme_loads(tmp_path: Path) -> None:
    """The ten lines are ten and a valid configuration."""
    text = next(blocks("yaml"))
    assert len(text.splitlines()) <= 10
    path = tmp_path / "syncd.yaml"
    path.write_text(text)
    assert [mailbox.address for mailbox in load(path).mailboxes()] == ["support@mycompany.com"]


def fragments() -> Iterator[Any]:
    """Give every YAML block but the first, which is whole: parts of a configuration."""
    for name, text in DOCUMENTS.items():
        for number, block in enumerate(list(blocks("yaml", text))[name == "README.md" :]):
            yield pytest.param(block, id=f"{name}-{number}")


@pytest.mark.parametrize("block", list(fragments()))
def test_every_part_of_a_configuration_loads(tmp_path: Path, block: str) -> None:
    """What a document shows of a configuration is valid in one that has the rest."""
    database = {"url": "mysql+pymysql://syncd@db.example.org/oxdatabase_5"}
    account = {"name": "Support", "login": "support", "mail": {"source": "primary"}}
    users = [{"users": ["anna"]}]
    whole: dict[str, Any] = {
        "directory": {"urls": ["ldaps://ldap.example.org"], "base": "dc=example,dc=org"},
        "openxchange": {"database": database},
        "mappings": [{"mailbox": "support@mycompany.com", "context": 1, "sources": users, "account": account}],
    }
    for name, section in YAML(typ="safe").load(block).items():
        whole[name] = {**whole[name], **section} if name == "directory" else section
    if "directories" in whole:
        del whole["directory"]
    path = tmp_path / "syncd.yaml"
    path.write_text(lines(whole))
    settings = load(path)
    assert settings.mailboxes() or settings.patterns()


def test_every_link_leads_somewhere() -> None:
    """A link to a file of the project names one, and its anchor a heading there."""
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"\]\(([^):]+)\)", text):
            path, _, anchor = target.partition("#")
            file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            assert file.exists(), (name, target)
            if anchor:
                headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
                names = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
                assert anchor in names, (name, target)


def test_the_rights_of_the_readme_are_those_that_were_tried() -> None:
    """The GRANTs are to the letter those with which the end-to-end tests run a limited user."""
    tried = (ROOT / "tests" / "e2e" / "grants.sql").read_text()
    grants = [line for line in tried.splitlines() if line.startswith("GRANT")]
    shown, *_ = blocks("sql")
    assert [line for line in shown.splitlines() if line.startswith("GRANT")] == grants


def test_the_rights_that_not_everybody_needs_name_their_tables() -> None:
    """The second list of GRANTs is about the tables of aliases, groups and names of contexts, to read them only."""
    _, more, _ = blocks("sql")
    found = re.findall(r"^GRANT SELECT ON \w+\.`?(\w+)`? TO syncd@'%';$", more, re.MULTILINE)
    wanted = (tables.ALIAS, tables.GROUP, tables.GROUP_MEMBER, tables.LOGIN_CONTEXT)
    assert found == [str(table.name) for table in wanted]
    assert len(found) == len(more.splitlines())


def test_the_rights_for_many_databases_name_their_tables() -> None:
    """The third list of GRANTs has the tables and columns of configdb, and the one counter that is raised."""
    *_, last = blocks("sql")
    assert re.findall(r"^GRANT SELECT(.*) ON \w+\.(\w+) TO syncd@'%';$", last, re.MULTILINE) == [
        ("", tables.LOGIN_CONTEXT.name),
        ("", tables.CONTEXT.name),
        ("", tables.CONTEXT_POOL.name),
        (f" ({', '.join(column.name for column in tables.DB_POOL.columns)})", tables.DB_POOL.name),
        (", UPDATE", tables.MONITOR.name),
    ]


def test_the_readme_lists_every_command() -> None:
    """The table of commands has all that `--help` has, and no other."""
    table = README[README.index("\n## Commands") : README.index("\n## Rights")]
    listed = set(re.findall(r"`syncd ([a-z]+)", table))
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    names |= {group.typer_instance.info.name for group in app.registered_groups if group.typer_instance}
    assert listed == names


def test_the_readme_lists_every_reason_of_an_incomplete_read() -> None:
    """The values of the label are those that there are."""
    [shown] = re.findall(r"`syncd_incomplete_reads_total` \| reason: (.*) \|", README)
    assert tuple(shown.split(", ")) == get_args(Cause)


def test_the_readme_lists_every_metric() -> None:
    """The table of metrics has all that a busy run exposes, and no other."""
    table = README[README.index("\n## Being watched") : README.index("\n## The ledger")]
    listed = set(re.findall(r"`(syncd_[a-z_]+)`", table))
    metrics = Metrics()
    metrics.scheduled(300)
    report = busy()
    metrics.attempt(report.started)
    metrics.failed(report.started)
    metrics.reloaded(True, report.started)
    metrics.publish(report)
    body, _ = metrics.render()
    shown = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(body.decode())
        if family.name.startswith("syncd_") and not family.name.startswith("syncd_process_")
    }
    missing_by_design = {"syncd_last_success_timestamp_seconds"}  # a busy run is no success
    assert listed - missing_by_design == shown - missing_by_design
