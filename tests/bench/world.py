"""Servers and data of the bench: a directory, Open-Xchange databases, and the measured processes on them.

People are `uNNNNNNN`, user NNNNNNN of context 1. All have an account 0, as Open-Xchange gives it to everybody.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from syncd.openxchange import playground
from tests.servers.mariadb import MariaDb
from tests.servers.slapd import Slapd

FIRST = 1_000_001
"""Id of the first person; 2 is the context's administrator."""
EVERYBODY = "everybody"
"""The group, and the local part of the mailbox, of all people."""
_FILL = """\
INSERT INTO user (cid, id, mail, mailEnabled, preferredLanguage, shadowLastChange, timeZone, contactId, passwordMech)
  SELECT 1, seq, concat('u', seq, '@example.org'), 1, 'en_US', -1, 'Europe/Berlin', seq, '{{SHA-256}}'
  FROM seq_{first}_to_{last};
INSERT INTO login2user (cid, id, uid) SELECT 1, seq, concat('u', seq) FROM seq_{first}_to_{last};
INSERT INTO user_mail_account (cid, id, user, name, login, url, primary_addr, spam_handler, default_flag, starttls)
  SELECT 1, 0, seq, 'E-Mail', concat('u', seq), 'imap://imap.example.org:143', concat('u', seq, '@example.org'),
  'NoSpamHandler', 1, 1 FROM seq_{first}_to_{last};
INSERT INTO user_transport_account (cid, id, user, name, login, url, send_addr, default_flag, starttls)
  SELECT 1, 0, seq, 'E-Mail', '', 'smtp://smtp.example.org:587', concat('u', seq, '@example.org'), 1, 1
  FROM seq_{first}_to_{last};
INSERT INTO user_transport_account_properties (cid, id, user, name, value)
  SELECT 1, 0, seq, 'transport.auth', 'mail' FROM seq_{first}_to_{last};
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much data there is."""

    users: int
    teams: int
    team: int
    writes: int

    def team_members(self, number: int) -> Sequence[int]:
        """Give the users of one team; all teams together go round all users."""
        return [FIRST + (number * self.team + place) % self.users for place in range(self.team)]


class Measured:
    """A process that runs configurations; see `child`."""

    def __init__(self, *configurations: Path) -> None:
        command = [sys.executable, "-m", "tests.bench.child", *map(str, configurations)]
        self._log = configurations[0].with_suffix(".log")
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, "MALLOC_ARENA_MAX": "1"},  # as systemd/syncd.service has it
            )

    def run(self, number: int = 0) -> dict[str, Any]:
        """Run a configuration; give what it cost."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the measured process ended: {self._log.read_text()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class World:
    """Everything that the scenarios share."""

    def __init__(self, size: Size) -> None:
        self.size = size

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.slapd = stack.enter_context(Slapd())
            self.mariadb = stack.enter_context(MariaDb())
            self.folder = self.slapd.folder
            self._fill_directory()
            for setting in ("innodb_buffer_pool_size = 1 << 30", "innodb_log_file_size = 256 << 20"):
                self.sql("mysql", f"SET GLOBAL {setting}")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    # ------------------------------------------------------------------ the directory

    def _fill_directory(self) -> None:
        self.ldap = self.slapd.database()
        path = self.folder / "people.ldif"
        with path.open("w") as out:
            for user in range(FIRST, FIRST + self.size.users):
                name = f"u{user}"
                out.write(
                    f"dn: uid={name},{self.ldap.people}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: Person {user}\n"
                    f"sn: Person\nmail: {name}@example.org\n\n"
                )
            out.write(f"dn: ou=teams,{self.ldap.suffix}\nobjectClass: organizationalUnit\nou: teams\n\n")
            out.write(self._group(f"cn={EVERYBODY}", self.ldap.groups, range(FIRST, FIRST + self.size.users)))
            out.write(self._group("cn=some", self.ldap.groups, range(FIRST, FIRST + self.size.writes + 1)))
            out.write(self._group("cn=one", self.ldap.groups, [FIRST]))
            for number in range(self.size.teams):
                members = self.size.team_members(number)
                out.write(self._group(f"cn=team{number}", f"ou=teams,{self.ldap.suffix}", members))
        self.ldap.load(path)

    def _group(self, rdn: str, parent: str, users: Iterable[int]) -> str:
        members = "".join(f"member: uid=u{user},{self.ldap.people}\n" for user in users)
        return f"dn: {rdn},{parent}\nobjectClass: groupOfNames\ncn: {rdn[3:]}\n{members}\n"

    # ------------------------------------------------------------------ Open-Xchange

    def schema(self) -> str:
        """Give a new schema with all users and nothing else."""
        name = self.mariadb.fresh_database()
        with self.mariadb.engine(name).begin() as connection:
            playground.add_context(connection, 1)
        self.sql(name, _FILL.format(first=FIRST, last=FIRST + self.size.users - 1))
        return name

    def sql(self, schema: str, statements: str) -> None:
        """Send statements by the client."""
        subprocess.run([*self.client(schema)], input=statements.encode(), check=True, stdout=subprocess.DEVNULL)

    def client(self, schema: str) -> list[str]:
        """Give the command line of the client, which prints bare rows as they come."""
        server = ["-h", "127.0.0.1", "-P", str(self.mariadb.port), "-u", "test", "-ptest", "--skip-ssl"]
        return ["mariadb", "--no-defaults", *server, "-N", "-B", "--quick", schema]

    # ------------------------------------------------------------------ the configuration

    def configure(self, name: str, schema: str, mappings: Sequence[Mapping[str, object]], ledger: str) -> Path:
        """Write a configuration whose limits let everything pass."""
        secret = self.folder / "database.secret"
        secret.write_text("test\n")
        secret.chmod(0o600)
        many = 1_000_000_000
        database = {
            "url": self.mariadb.url(schema).replace("mysql:", "mysql+pymysql:"),
            "password": {"file": str(secret)},
            "tls": False,
        }
        limits = {"percent": 100, "floor": many}
        whole = {
            "directory": {"urls": [self.slapd.ldap_ip], "base": self.ldap.suffix},
            "openxchange": {"database": database},
            "ledger": {"url": f"sqlite:///{self.folder}/{ledger}.db"},
            "limits": {"removals": limits, "updates": limits, "additions": many, "removals_per_run": many},
            "grace": "off",
            "mappings": mappings,
        }
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps(whole, indent=1))
        return path

    def mapping(self, name: str, group: str) -> dict[str, object]:
        """Give a mapping of a group to a mailbox."""
        account = {
            "name": name,
            "login": f"{name}@example.org",
            "mail": {"server": "imap.example.org", "port": 143},
            "transport": {"server": "smtp.example.org", "port": 587},
        }
        source = {"group": f"{group},{self.ldap.suffix}"}
        return {"mailbox": f"{name}@example.org", "context": 1, "sources": [source], "account": account}
