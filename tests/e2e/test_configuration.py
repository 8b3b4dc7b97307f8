"""A bad configuration starts nothing, and `check` says of everything named in a good one whether it works."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import Done, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

BAD = """\
directory:
  urls: [http://ldap.example.org]
  base: dc=example,dc=org
  bind: {dn: "cn=syncd", password: clear-text-secret}
openxchange:
  database: {url: "mysql+pymysql://u:pw-in-url@db.example.org/ox"}
shedule: {every: 5m}
mappings:
  - mailbox: support@mycompany.com
    context: 1
    sources:
      - gruop: cn=support,dc=example,dc=org
    account: {name: Support, login: support, mail: {server: imap.example.org, port: 143}}
  - mailbox: SÜPPORT@mycompany.com
    context: 1
    sources: [{group: "cn=support,dc=example,dc=org"}]
    account: {name: Support, login: support, mail: {source: nowhere}}
"""


@pytest.mark.parametrize("command", ["check", "plan", "sync", "run", "status", "held"])
def test_all_problems_are_told_at_once(world: World, command: str) -> None:
    """Each problem has its file, line and path, with a hint; exit 1; no ledger is made; no secret is repeated."""
    world.config.write_text(BAD)
    done = world.syncd(command)
    assert (done.code, done.out) == (1, "")
    lines = {int(line) for line in re.findall(rf"^{re.escape(str(world.config))}:(\d+): ", done.err, re.MULTILINE)}
    assert {2, 4, 6, 7, 12, 17} <= lines
    assert len(done.err.splitlines()) == done.err.count(f"{world.config}:")
    assert 'unknown key "gruop", did you mean "group"?' in done.err
    assert '"schedule"' in done.err
    assert "clear-text-secret" not in done.err
    assert "pw-in-url" not in done.err
    assert not world.ledger_path.exists()


def test_two_mappings_for_one_mailbox_are_an_error(world: World) -> None:
    """Addresses that the database holds for equal may not be mapped twice in one context."""
    world.configure(world.mapping(), world.mapping(mailbox="SÜPPORT@MyCompany.com"))
    done = world.syncd("sync")
    assert (done.code, done.out) == (1, "")
    assert "mappings[1].mailbox: the same mailbox and context as in line" in done.err
    assert not world.ledger_path.exists()


@pytest.mark.parametrize("text", ["", "- a list", "mappings: [", "a: 1\na: 2", "\t", "\x00"])
def test_no_text_breaks_the_command(world: World, text: str) -> None:
    """Whatever is in the file, the answer is lines with file and line, and exit 1."""
    world.config.write_text(text)
    done = world.syncd("plan")
    assert (done.code, done.out) == (1, "")
    assert f"{world.config}:" in done.err
    assert "unexpected" not in done.err


def test_a_missing_file_is_one_line(world: World) -> None:
    """A configuration that is not there, or a directory, is said in one line."""
    for path in (Path("/nonexistent/syncd.yaml"), world.folder):
        done = world.syncd("plan", "-c", str(path), config=False)
        assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
        assert str(path) in done.err


def test_a_missing_secret_names_its_line(world: World) -> None:
    """A secret file that is not there ends every command with file, line and path of the reference; nothing starts."""
    (world.folder / "ldap.secret").unlink()
    for command in ("plan", "sync", "check"):
        done = world.syncd(command)
        assert (done.code, done.out) == (1, ""), command
        assert re.search(rf"{re.escape(str(world.config))}:\d+: directory\.bind\.password", done.err), done.err
        assert "ldap.secret" in done.err
    assert world.users() == {}


# ------------------------------------------------------------------ check


def verdicts(done: Done) -> dict[str, str]:
    """Give what was checked: the words before the colon → ok or FAIL."""
    found = re.findall(r"^(ok|FAIL)\s+(.*?):", done.out, re.MULTILINE)
    return {what: verdict for verdict, what in found}


def test_check_lists_everything_that_it_verified(world: World) -> None:
    """Connection, TLS, bind, base, sources, members, tables, locks, rights, users, counter and ledger are listed."""
    world.group("support", "alice", "bob")
    done = world.syncd("check")
    assert done.code == 0
    found = verdicts(done)
    assert set(found.values()) == {"ok"}
    assert [*found] == [
        "configuration", "connection", "tls", "bind", "base", "kind", f"group cn=support,{world.ldap.groups}",
        "OX database", "OX database TLS", "OX tables", "OX schema update", "OX named lock", "OX rights",
        "OX user_alias", "OX groups and groups_member",
        "OX context 1", "OX caches", "OX passwordSource", "members in context 1", "ledger",
    ]  # fmt: skip
    assert "2 members" in done.out
    assert "7 users" in done.out
    assert "2 of 2 are users" in done.out
    assert "TLSv1.3, verified" in done.out
    assert world.users() == {}


def broken(world: World, **sections: Any) -> dict[str, str]:
    """Check with changed sections; it must fail. Give the verdicts."""
    world.configure(world.mapping(), **sections)
    done = world.syncd("check")
    assert done.code == 1, done
    assert re.search(r"^\d+ of \d+ checks failed$", done.out, re.MULTILINE)
    return verdicts(done)


def test_check_finds_what_is_broken_in_the_directory(world: World) -> None:
    """A wrong password, a wrong CA, a dead server, a missing base or group fails, and the other checks go on."""
    world.group("support", "alice")
    server = world.ldap.server
    bind = {"dn": world.ldap.bind_dn, "password": world.secret("wrong", "wrong")}
    source = f"group cn=support,{world.ldap.groups}"
    for section in ({"bind": bind}, {"tls": {"ca": server.other_ca}}, {"urls": ["ldaps://localhost:1"]}):
        found = broken(world, directory=section)
        assert (found["connection"], found["OX database"], found["ledger"]) == ("FAIL", "ok", "ok")
    found = broken(world, directory={"base": f"ou=gone,{world.ldap.suffix}"})
    assert (found["connection"], found["base"]) == ("ok", "FAIL")
    world.remove_group("support")
    found = broken(world)
    assert (found["base"], found[source]) == ("ok", "FAIL")


def test_check_finds_a_login_attribute_that_names_nobody(world: World) -> None:
    """The members' logins are looked up as a run does: an attribute that holds something else fails."""
    world.group("support", "alice", "bob")
    found = broken(world, directory={"users": {"login": "entryUUID"}})
    assert [what for what, verdict in found.items() if verdict == "FAIL"] == ["members in context 1"]


def test_check_looks_at_every_server(world: World) -> None:
    """A second URL that would fail in an emergency is found although the first one works."""
    world.group("support", "alice")
    found = broken(world, directory={"urls": [world.ldap.server.ldaps, "ldaps://localhost:1"]})
    assert found["connection"] == "FAIL"


def test_check_finds_what_is_broken_in_open_xchange(world: World) -> None:
    """A running schema update, a missing counter, a missing context and a missing column each fail by name."""
    world.group("support", "alice")
    now = int(time.time() * 1000)
    world.execute(
        "INSERT INTO updateTask (cid, taskName, successful, lastModified, uuid) "
        f"VALUES (0, 'LOCKED', 1, {now}, '0123456789abcdef')",
        "DELETE FROM sequence_mail_service",
    )
    found = broken(world)
    assert (found["OX schema update"], found["OX context 1"], found["OX tables"]) == ("FAIL", "FAIL", "ok")
    world.configure(world.mapping(context=77))
    assert verdicts(world.syncd("check"))["OX context 77"] == "FAIL"
    world.execute("ALTER TABLE user_mail_account DROP COLUMN deactivated")
    assert broken(world)["OX tables"] == "FAIL"
    database = {"url": "mysql+pymysql://test@127.0.0.1:1/nowhere", "tls": {"ca": str(world.mariadb.ca)}}
    found = broken(world, openxchange={"database": database})
    assert (found["OX database"], found["connection"]) == ("FAIL", "ok")


def test_check_finds_a_ledger_that_cannot_be_opened(world: World) -> None:
    """A ledger in a directory that does not exist fails, and everything before it is still listed."""
    world.group("support", "alice")
    found = broken(world, ledger={"url": f"sqlite:///{world.folder}/missing/ledger.db"})
    assert [what for what, verdict in found.items() if verdict == "FAIL"] == ["ledger"]


def test_check_offline_connects_to_nothing(world: World) -> None:
    """`--offline` is content with servers that do not exist, connects to none of them, and makes no ledger."""
    database = {"url": "mysql+pymysql://test@127.0.0.1:1/nowhere"}
    directory = {"urls": ["ldaps://localhost:1"]}
    world.configure(world.mapping(), openxchange={"database": database}, directory=directory)
    done = world.syncd("check", "--offline")
    assert (done.code, done.err) == (0, "")
    assert [*verdicts(done)] == ["configuration"]
    assert not world.ledger_path.exists()
