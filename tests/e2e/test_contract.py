"""The outside contract: exit codes and their order, the streams, the JSON document, digests, and which mailboxes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from syncd.openxchange import playground
from tests.e2e.world import COMMAND, SUPPORT, Done, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

SALES = "sales@mycompany.com"
SCHEMA = json.loads((Path(__file__).parent / "contract.schema.json").read_text())


def valid(done: Done) -> dict[str, Any]:
    """Check a document against the contract; give it."""
    jsonschema.Draft202012Validator(SCHEMA).validate(done.document)
    return done.document


def command(*words: str) -> Done:
    """Run the command without a configuration."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    run = subprocess.run(
        [COMMAND, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    return Done(code=run.returncode, out=run.stdout, err=run.stderr)


def tangle(world: World) -> None:
    """Bring about a bit of everything: held removals, a repair, a failure, a conflict, and so on."""
    world.people({100 + number: f"user{number}" for number in range(8)})
    world.insert(6, 50)
    world.insert(7, 51, secondary=0)
    crowd = [f"user{number}" for number in range(8)]
    world.configure(world.mapping("support"), world.mapping("sales"), world.mapping("jobs"), world.mapping("gone"))
    world.group("support", "alice", *crowd)
    world.group("sales", "alice", "bob")
    world.group("jobs", "bob")
    world.group("gone", "bob")
    world.sync()
    world.ledger("UPDATE journal SET at = at - 25 * 3600 * 1000")
    world.configure(world.mapping("support"), world.mapping("sales"), world.mapping("jobs", account={"name": "x" * 30}))
    world.execute("UPDATE user_mail_account SET login = 'x' WHERE user = 3 AND primary_addr = 'support@mycompany.com'")
    short_names(world)
    world.ldap.add(world.person("stranger"))
    world.group("support", "alice", *crowd[:2], "carol", "dave", "erin", "stranger", f"uid=nobody,{world.ldap.people}")
    world.remove_group("sales")
    world.group("jobs", "bob", "frank")


def short_names(world: World) -> None:
    """Let the database take names of 20 characters only, as old releases take less than new ones."""
    world.execute("ALTER TABLE user_mail_account MODIFY name varchar(20) NOT NULL")


# ------------------------------------------------------------------ the document


def test_the_document_has_all_that_the_contract_promises(world: World) -> None:
    """A plan and a run full of everything fit the contract's schema, and every list and result occurs."""
    tangle(world)
    planned, done = valid(world.plan()), valid(world.sync(code=5))
    for document in (planned, done):
        assert [name for name, value in document.items() if value == []] == [
            "waiting", "drift", "problems", "undiscovered", "causes", "errors", "warnings",
        ]  # fmt: skip
    assert {(one["op"], one["result"]) for one in planned["changes"]} == {
        ("create", "planned"), ("update", "planned"), ("delete", "held"),
    }  # fmt: skip
    assert {(one["op"], one["result"]) for one in done["changes"]} == {
        ("create", "applied"), ("create", "failed"), ("update", "applied"), ("delete", "held"),
    }  # fmt: skip
    assert {one["mailbox"]: one["held"] for one in done["mailboxes"]}[SUPPORT] == ["removals"]
    [repair] = [one for one in done["changes"] if one["op"] == "update" and one["user"] == 3]
    assert repair["fields"] == {"login": ["x", SUPPORT]}


def test_the_summary_counts_the_lists(world: World) -> None:
    """The numbers of the summary are those of the lists beside it, for a plan and for a run."""
    tangle(world)
    for document, done in ((world.plan().document, "planned"), (world.sync(code=5).document, "applied")):
        counts = Counter((one["op"], one["result"]) for one in document["changes"])
        summary = document["summary"]
        assert [summary[op] for op in ("create", "update", "delete")] == [
            counts[op, done] for op in ("create", "update", "delete")
        ]
        assert summary["held"] == sum(count for (_, result), count in counts.items() if result == "held")
        assert summary["failed"] == sum(count for (_, result), count in counts.items() if result == "failed")
        assert summary["withheld"] == len(document["withheld"])
        assert summary["adopted"] == len(document["adopted"]) == 1
        assert summary["unchanged"] == sum(one["unchanged"] for one in document["mailboxes"])


def test_an_idle_document_has_empty_lists(world: World) -> None:
    """In step, every list but the mailboxes is empty, and it still fits the schema."""
    world.group("support", "alice")
    world.sync()
    for done in (world.plan(), world.sync()):
        document = valid(done)
        assert [name for name, value in document.items() if isinstance(value, list) and value] == ["mailboxes"]
        [mailbox] = document["mailboxes"]
        assert (mailbox["desired"], mailbox["observed"], mailbox["claimed"], mailbox["held"]) == (1, 1, 1, [])


# ------------------------------------------------------------------ digests


def test_a_digest_is_the_same_in_plan_and_run_and_again(world: World) -> None:
    """The digest names the changes: equal in two plans and the run, another for other changes."""
    world.group("support", "alice", "bob")
    digests = {world.plan().mailbox["digest"] for _ in range(2)}
    assert digests == {world.sync().mailbox["digest"]}
    idle = world.plan().mailbox["digest"]
    world.group("support", "alice")
    assert len({*digests, idle, world.plan().mailbox["digest"]}) == 3


def test_a_digest_does_not_know_how_a_member_became_one(world: World) -> None:
    """The same change by another path, through a nested group, has the same digest."""
    world.group("inner", "alice")
    world.group("support", "alice")
    direct = world.plan()
    world.group("support", f"cn=inner,{world.ldap.groups}")
    nested = world.plan()
    assert nested.document["changes"][0]["path"] != direct.document["changes"][0]["path"]
    assert nested.document["changes"][0]["path"] == [f"cn={name},{world.ldap.groups}" for name in ("support", "inner")]
    assert nested.mailbox["digest"] == direct.mailbox["digest"]


# ------------------------------------------------------------------ exit codes


def test_0_is_done_or_in_step(world: World) -> None:
    """A run that did everything, one with nothing to do, and a plan whatever it found, end with 0."""
    world.group("support", "alice")
    assert world.syncd("plan").code == 0
    assert world.syncd("sync").code == 0
    assert world.syncd("sync").code == 0
    assert world.plan().code == 0
    world.group("support")
    assert world.syncd("plan").code == 0
    world.remove_group("support")
    assert world.syncd("plan").code == 0


def test_unresolved_conflict_and_waiting_alone_are_0(world: World) -> None:
    """What is ordinary life spoils no exit code: a stranger, a private account, a removal that waits."""
    world.group("support", "alice", "bob")
    world.sync()
    world.insert(5, 50, secondary=0)
    world.ldap.add(world.person("stranger"))
    world.group("support", "alice", "carol", "stranger")
    world.ledger("UPDATE cursors SET server = 'ldaps://another.example.org'")
    for done in (world.plan(), world.sync()):
        document = done.document
        assert [len(document[name]) for name in ("unresolved", "conflicts", "waiting")] == [1, 1, 1]
        assert done.code == 0


def test_1_is_an_error(world: World) -> None:
    """An unreachable database is an error: 1, one line on stderr that names it, nothing on stdout, no traceback."""
    database = {"url": "mysql+pymysql://test@127.0.0.1:1/nowhere", "tls": {"ca": str(world.mariadb.ca)}}
    world.configure(world.mapping(), openxchange={"database": database})
    world.group("support", "alice")
    for words in (("plan", "--output", "json"), ("sync",)):
        done = world.process(*words)
        assert (done.code, done.out) == (1, "")
        assert "127.0.0.1:1" in done.err
        assert "Traceback" not in done.err
    debugged = world.process("sync", "--debug")
    assert (debugged.code, "Traceback" in debugged.err) == (1, True)


def test_2_is_usage() -> None:
    """Unknown commands and options, a missing configuration and a bad choice end with 2 and say so on stderr."""
    for words in (["nonsense"], ["plan", "--nonsense", "-c", "x"], ["sync"], ["plan", "-c", "x", "--output", "yaml"]):
        done = command(*words)
        assert (done.code, done.out) == (2, ""), words
        assert "Usage:" in done.err


def test_3_is_pending(world: World) -> None:
    """`plan --exit-code` ends with 3 for a change, and for an adoption that changes no row."""
    world.group("support", "alice")
    assert world.plan().code == 3
    world.sync()
    for path in world.folder.glob("ledger.db*"):
        path.unlink()
    planned = world.plan()
    assert (planned.code, planned.summary) == (3, {"adopted": 1, "unchanged": 1})


def test_4_is_held_and_comes_before_3(world: World) -> None:
    """With one direction held and another pending or done, plan and run end with 4."""
    world.group("support", "alice", "bob")
    world.configure(world.mapping(limits={"removals": {"percent": 0, "floor": 0}}))
    world.sync()
    world.group("support", "alice", "carol")
    planned = world.plan()
    assert planned.code == 4
    assert {one["result"] for one in planned.document["changes"]} == {"planned", "held"}
    assert world.sync(code=4).summary == {"create": 1, "held": 1, "unchanged": 1}


def test_5_is_incomplete_and_comes_before_4(world: World) -> None:
    """With one mailbox held and another not read to the end, plan and run end with 5."""
    world.configure(world.mapping("support"), world.mapping("sales"))
    world.group("support", "alice", "bob")
    world.group("sales", "alice", "bob")
    world.sync()
    world.group("support")
    world.remove_group("sales")
    planned = world.plan()
    assert (planned.code, len(planned.document["objections"])) == (5, 1)
    assert len(world.sync(code=5).document["objections"]) == 1


def test_5_is_also_a_change_that_failed(world: World) -> None:
    """An account that could not be written ends the run with 5, with the reason in the document."""
    world.configure(world.mapping(account={"name": "x" * 30}))
    short_names(world)
    world.group("support", "alice")
    done = world.sync(code=5)
    [failed] = done.document["changes"]
    assert failed["result"] == "failed"
    assert "name" in failed["error"]
    assert world.users() == {}


def test_1_comes_before_5(world: World) -> None:
    """When a context may not be written and a source is missing as well, the run ends with 1."""
    world.configure(world.mapping("support"), world.mapping("sales"))
    world.group("support", "alice")
    world.group("sales", "alice")
    world.remove_group("sales")
    world.execute("DELETE FROM sequence_mail_service")
    done = world.sync(code=1)
    assert not done.document["complete"]
    assert "sequence_mail_service" in done.document["errors"][0]


def test_another_installation_at_work_is_named(world: World) -> None:
    """While somebody else holds the named lock a run ends with 1 and says who; a plan goes on."""
    world.group("support", "alice")
    with world.mariadb.connect(world.schema) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT get_lock('syncd.{world.schema}', 0)")
        done = world.syncd("sync")
        assert done.code == 1
        assert "another syncd" in done.err
        assert f"connection {connection.thread_id()}" in done.err
        assert world.plan().code == 3
    assert world.sync().summary == {"create": 1}


def test_every_other_command_ends_with_0(world: World) -> None:
    """`status`, `held`, `check` and `--version` succeed before the first run and after it."""
    world.group("support", "alice")
    for execute in (world.process, world.syncd):
        for words in (("status",), ("held",), ("check",), ("check", "--offline")):
            done = execute(*words)
            assert (done.code, done.err) == (0, ""), done
            assert done.out
        world.sync()
    assert command("--version").out.startswith("syncd ")
    module = subprocess.run(
        [sys.executable, "-m", "syncd", "--version"], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (module.returncode, module.stdout) == (0, command("--version").out)


# ------------------------------------------------------------------ streams


def test_results_go_to_stdout_and_messages_to_stderr(world: World) -> None:
    """JSON is alone on stdout; a hint for people is alone on stderr; neither has colours without a terminal."""
    tangle(world)
    seen = [
        world.process("plan", "--output", "json"),
        world.process("sync"),
        world.syncd("held"),
        world.syncd("status"),
        world.syncd("check"),
        world.process("approve", "sha256:" + "0" * 64),
    ]
    valid(seen[0])
    assert seen[0].err == ""
    assert all("\x1b" not in done.out + done.err for done in seen)
    assert "HELD" in seen[1].out
    assert seen[-1].out == ""
    assert "nothing with the digest" in seen[-1].err


def test_a_warning_does_not_spoil_the_document(world: World) -> None:
    """A secret that others may read is warned about on stderr, and stdout is still one JSON document."""
    world.group("support", "alice")
    (world.folder / "ldap.secret").chmod(0o644)
    done = world.process("plan", "--output", "json")
    valid(done)
    assert "ldap.secret" in done.err


# ------------------------------------------------------------------ which mailboxes


def two_contexts(world: World) -> None:
    """Configure support@ in contexts 1 and 2, and sales@ in 1."""
    with world.engine.begin() as connection:
        playground.add_context(connection, 2)
    world.people({3: "alice", 4: "bob"}, context=2, entries=False)
    world.configure(world.mapping("support"), world.mapping("support", context=2), world.mapping("sales"))
    world.group("support", "alice", "bob")
    world.group("sales", "alice", "bob")


def test_only_the_named_mailbox_is_touched(world: World) -> None:
    """`--mailbox` runs for that one; the others are neither read, changed nor called orphaned."""
    two_contexts(world)
    world.remove_group("support")
    done = world.sync("--mailbox", SALES)
    assert [one["mailbox"] for one in done.document["mailboxes"]] == [SALES]
    assert done.document["orphaned"] == []
    assert set(world.users(SALES)) == {3, 4}
    assert world.users() == {}


def test_a_context_tells_equal_addresses_apart(world: World) -> None:
    """An address in two contexts needs `--context`; several mailboxes can be named."""
    two_contexts(world)
    done = world.syncd("plan", "--mailbox", SUPPORT)
    assert done.code == 1
    assert "--context" in done.err
    world.sync("--mailbox", SUPPORT, "--context", "2")
    assert (len(world.users(SUPPORT, 2)), len(world.users(SUPPORT, 1))) == (2, 0)
    planned = world.plan("--mailbox", SALES, "--mailbox", SUPPORT, "--context", "1")
    assert {(one["mailbox"], one["context"]) for one in planned.document["mailboxes"]} == {(SALES, 1), (SUPPORT, 1)}


def test_a_context_without_a_mailbox_is_usage(world: World) -> None:
    """`--context` alone would look like a restriction and be none, so it is refused."""
    two_contexts(world)
    for name in ("plan", "sync"):
        done = world.syncd(name, "--context", "2")
        assert (done.code, done.out) == (2, "")
        assert "--mailbox" in done.err
    assert world.users() == {}


def test_an_unknown_mailbox_is_an_error(world: World) -> None:
    """A mailbox that is not configured is an error that names the configured ones; nothing is done."""
    world.group("support", "alice")
    done = world.syncd("sync", "--mailbox", "suport@mycompany.com")
    assert (done.code, done.out) == (1, "")
    assert SUPPORT in done.err
    assert world.users() == {}
