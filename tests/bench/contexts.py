"""Many contexts in many schemas that configdb knows: an unchanged run against the raw reads of the same rows.

Context c has users `ucNNNNxMMM`, each of them in one of its teams; every team has a mailbox.
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from syncd.openxchange import playground
from tests.bench import raw
from tests.bench.line import Line
from tests.bench.world import Measured
from tests.servers.mariadb import MariaDb
from tests.servers.slapd import Database, Slapd

CONTEXTS, SCHEMAS, MAILBOXES, MEMBERS = 500, 5, 10, 10
_USERS = MAILBOXES * MEMBERS
_PER_SCHEMA = CONTEXTS // SCHEMAS
_NAME = "concat('uc', c.seq, 'x', u.seq)"
_FROM = "FROM seq_{first}_to_{last} c, seq_101_to_{users} u"
_FILL = f"""\
INSERT INTO user (cid, id, mail, mailEnabled, preferredLanguage, shadowLastChange, timeZone, contactId, passwordMech)
  SELECT c.seq, u.seq, concat({_NAME}, '@example.org'), 1, 'en_US', -1, 'Europe/Berlin', u.seq, 'x' {_FROM};
INSERT INTO login2user (cid, id, uid) SELECT c.seq, u.seq, {_NAME} {_FROM};
INSERT INTO user_mail_account (cid, id, user, name, login, url, primary_addr, spam_handler, default_flag, starttls)
  SELECT c.seq, 0, u.seq, 'E-Mail', {_NAME}, 'imap://imap.example.org:143', concat({_NAME}, '@example.org'),
  'NoSpamHandler', 1, 1 {_FROM};
INSERT INTO user_transport_account (cid, id, user, name, login, url, send_addr, default_flag, starttls)
  SELECT c.seq, 0, u.seq, 'E-Mail', '', 'smtp://smtp.example.org:587', concat({_NAME}, '@example.org'), 1, 1 {_FROM};
"""
_MAIL = raw.MAIL.replace("cid = 1 AND ", "")
_TRANSPORT = raw.TRANSPORT.replace("cid = 1 AND ", "")


class _World:
    """A directory, a database server with the schemas and configdb, and the configuration."""

    def __init__(self, stack: ExitStack) -> None:
        self.slapd, self.mariadb = stack.enter_context(Slapd()), stack.enter_context(MariaDb())
        self.folder = self.slapd.folder
        for setting in ("innodb_buffer_pool_size = 1 << 30", "innodb_log_file_size = 256 << 20"):
            self._sql("mysql", f"SET GLOBAL {setting}")
        self.ldap = self._directory()
        self.schemas = [self._schema(1 + number * _PER_SCHEMA) for number in range(SCHEMAS)]
        self.configuration = self._configure(self._configdb())

    def client(self, schema: str) -> list[str]:
        """Give the command line of the client, which prints bare rows as they come."""
        server = ["-h", "127.0.0.1", "-P", str(self.mariadb.port), "-u", "test", "-ptest", "--skip-ssl"]
        return ["mariadb", "--no-defaults", *server, "-N", "-B", "--quick", schema]

    def script(self) -> str:
        """Give the shell script that reads what the product reads and counts the differences."""
        reads = [
            f"{shlex.join(self.client(schema))} -e {shlex.quote(query)} >> {name}"
            for schema in self.schemas
            for name, query in (("accounts", _MAIL), ("transports", _TRANSPORT))
        ]
        pipeline = raw.directory(self.folder, self.slapd.ldap_ip, f"ou=teams,{self.ldap.suffix}", self.ldap.people)
        count = "join members people | wc -l > desired; wc -l < accounts > observed; cmp -s desired observed; echo $?"
        return "\n".join((pipeline, ": > accounts; : > transports", *reads, "sort -o accounts accounts", count))

    def _sql(self, schema: str, statements: str) -> None:
        subprocess.run(self.client(schema), input=statements.encode(), check=True, stdout=subprocess.DEVNULL)

    def _directory(self) -> Database:
        ldap = self.slapd.database()
        path = self.folder / "contexts.ldif"
        path.write_text("".join(_entries(ldap)))
        ldap.load(path)
        return ldap

    def _schema(self, first: int) -> str:
        name = self.mariadb.fresh_database()
        last = first + _PER_SCHEMA - 1
        with self.mariadb.engine(name).begin() as connection:
            for context in range(first, last + 1):
                playground.add_context(connection, context)
        self._sql(name, _FILL.format(first=first, last=last, users=100 + _USERS))
        return name

    def _configdb(self) -> str:
        name = self.mariadb.fresh_database(tables=False)
        engine = self.mariadb.engine(name)
        playground.create_configdb(engine)
        with engine.begin() as connection:
            playground.add_pool(connection, 1, f"jdbc:mysql://127.0.0.1:{self.mariadb.port}", "test", "test")
            for context in range(1, CONTEXTS + 1):
                schema = self.schemas[(context - 1) // _PER_SCHEMA]
                playground.place_context(connection, context, schema, write=1)
        return name

    def _configure(self, configdb: str) -> Path:
        secret = self.folder / "configdb.secret"
        secret.write_text("test\n")
        secret.chmod(0o600)
        url = self.mariadb.url(configdb).replace("mysql:", "mysql+pymysql:")
        many = 1_000_000_000
        limits = {"percent": 100, "floor": many}
        whole = {
            "directory": {"urls": [self.slapd.ldap_ip], "base": self.ldap.suffix},
            "openxchange": {"configdb": {"url": url, "password": {"file": str(secret)}, "tls": False}},
            "ledger": {"url": f"sqlite:///{self.folder}/contexts.db"},
            "limits": {"removals": limits, "updates": limits, "additions": many, "removals_per_run": many},
            "grace": "off",
            "mappings": [
                _mapping(context, team, self.ldap) for context in range(1, CONTEXTS + 1) for team in range(MAILBOXES)
            ],
        }
        path = self.folder / "contexts.yaml"
        path.write_text(json.dumps(whole, indent=1))
        return path


def _entries(ldap: Database) -> Iterator[str]:
    yield f"dn: ou=teams,{ldap.suffix}\nobjectClass: organizationalUnit\nou: teams\n\n"
    for context in range(1, CONTEXTS + 1):
        for team in range(MAILBOXES):
            members = []
            for user in range(101 + team * MEMBERS, 101 + (team + 1) * MEMBERS):
                uid = f"uc{context}x{user}"
                dn = f"uid={uid},{ldap.people}"
                members.append(f"member: {dn}\n")
                yield f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: Person\n\n"
            name = f"c{context}t{team}"
            yield f"dn: cn={name},ou=teams,{ldap.suffix}\nobjectClass: groupOfNames\ncn: {name}\n{''.join(members)}\n"


def _mapping(context: int, team: int, ldap: Database) -> dict[str, object]:
    address = f"t{team}@c{context}.example.org"
    account = {
        "name": address,
        "login": address,
        "mail": {"server": "imap.example.org", "port": 143},
        "transport": {"server": "smtp.example.org", "port": 587},
    }
    source = {"group": f"cn=c{context}t{team},ou=teams,{ldap.suffix}"}
    return {"mailbox": address, "context": context, "sources": [source], "account": account}


def contexts(rounds: int) -> list[Line]:
    """Compare runs that find nothing to do in all contexts with the raw reads."""
    with ExitStack() as stack:
        world = _World(stack)
        measured = Measured(world.configuration)
        first = measured.run()
        script = world.script()
        _, differences = raw.shell(script)
        assert differences == "0", "the raw reads found differences"
        ours: list[dict[str, Any]] = []
        theirs: list[float] = []
        for _ in range(rounds):
            ours.append(measured.run())
            theirs.append(raw.shell(script)[0])
        measured.close()
    last = ours[-1]
    assert last["summary"] == {"unchanged": CONTEXTS * _USERS}, last["summary"]
    phases = {name: statistics.median(run["phases"][name] for run in ours) for name in last["phases"]}
    return [
        Line(
            name=f"unchanged, {CONTEXTS} contexts x {MAILBOXES} x {MEMBERS} in {SCHEMAS} schemas",
            ours=statistics.median(run["seconds"] for run in ours),
            raw=statistics.median(theirs),
            target=4,
            notes=(
                f"{last['statements']} statements, {last['operations']} LDAP operations, {last['ledger']} to ledger",
                "by phase: "
                + ", ".join(f"{name} {phases[name]:.2f}" for name in sorted(phases, key=phases.__getitem__)),
                f"before: {first['summary'].get('create', 0)} created in {first['seconds']:.2f} s",
            ),
        )
    ]
