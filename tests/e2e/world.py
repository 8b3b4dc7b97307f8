"""A small real world: Open-Xchange tables in MariaDB, a tree in slapd, a configuration, and the installed command."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

from syncd.cli.main import main
from syncd.openxchange import playground
from tests.servers.mariadb import MariaDb
from tests.servers.slapd import PASSWORD, Database

LOGINS: Mapping[int, str] = {3: "alice", 4: "bob", 5: "carol", 6: "dave", 7: "erin", 8: "frank"}
"""Users of context 1 that have an entry in the directory; 2 is the context's administrator."""
SUPPORT = "support@mycompany.com"
ACCOUNT_TABLES = (
    "user_mail_account",
    "user_transport_account",
    "user_mail_account_properties",
    "user_transport_account_properties",
)
COMMAND = str(Path(sys.executable).parent / "syncd")
Row = dict[str, object]
Rows = dict[str, list[Row]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output; there must be nothing else."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def mailbox(self) -> dict[str, Any]:
        """The only mailbox of the document."""
        [found] = self.document["mailboxes"]
        return dict(found)

    @property
    def summary(self) -> dict[str, int]:
        """Those numbers of the summary that are not 0."""
        return {name: count for name, count in self.document["summary"].items() if count}


class World:
    """Everything one story needs.

    Attributes:
        config: path of the configuration; `configure` writes it.
        ldap: its tree, with an entry for each of LOGINS.
        schema: name of its Open-Xchange database, with context 1.
    """

    def __init__(self, folder: Path, ldap: Database, mariadb: MariaDb, schema: str) -> None:
        self.folder = folder
        self.ldap = ldap
        self.mariadb = mariadb
        self.schema = schema
        self.config = folder / "syncd.yaml"
        self.ledger_path = folder / "ledger.db"
        self.engine = mariadb.engine(schema)
        self._known: set[str] = set()
        for name, text in {"ldap": PASSWORD, "database": "test"}.items():
            self.secret(name, text)
        with self.engine.begin() as connection:
            playground.add_context(connection, 1)
        self.people(LOGINS)
        self.configure(self.mapping())

    # ------------------------------------------------------------------ the configuration

    def secret(self, name: str, text: str) -> dict[str, str]:
        """Write a secret file; give the reference to it."""
        path = self.folder / f"{name}.secret"
        path.write_text(text + "\n")
        path.chmod(0o600)
        return {"file": str(path)}

    def mapping(self, name: str = "support", **changes: Any) -> dict[str, Any]:
        """Give a mapping: the group `name` gets `name@mycompany.com`; `account` is merged, the rest replaced."""
        account: dict[str, Any] = {
            "name": name.title(),
            "login": f"{name}@mycompany.com",
            "mail": {"server": "imap.mycompany.com", "port": 143},
            "transport": {"server": "smtp.mycompany.com", "port": 25},
        }
        account |= changes.pop("account", {})
        account = {key: value for key, value in account.items() if value is not None}
        mapping = {"mailbox": f"{name}@mycompany.com", "context": 1, "sources": [self.source(name)]}
        return mapping | {"account": account} | changes

    def source(self, name: str) -> dict[str, str]:
        """Give the source for a group."""
        return {"group": f"cn={name},{self.ldap.groups}"}

    def sections(self, *mappings: Mapping[str, Any], **sections: Any) -> dict[str, Any]:
        """Give a whole configuration, without grace; of sections that are given too, the given keys win."""
        whole: dict[str, Any] = {
            "directory": {
                "urls": [self.ldap.server.ldaps],
                "tls": {"ca": self.ldap.server.ca},
                "bind": {"dn": self.ldap.bind_dn, "password": {"file": str(self.folder / "ldap.secret")}},
                "base": self.ldap.suffix,
            },
            "openxchange": {
                "database": {
                    "url": f"mysql+pymysql://test@127.0.0.1:{self.mariadb.port}/{self.schema}",
                    "password": {"file": str(self.folder / "database.secret")},
                    "tls": {"ca": str(self.mariadb.ca)},
                }
            },
            "ledger": {"url": f"sqlite:///{self.ledger_path}"},
            "grace": "off",
        }
        for name, section in sections.items():
            known = whole.get(name, {})
            whole[name] = {**known, **section} if isinstance(section, dict) and isinstance(known, dict) else section
        return {**whole, "mappings": list(mappings)}

    def configure(self, *mappings: Mapping[str, Any], **sections: Any) -> None:
        """Write the configuration."""
        self.config.write_text(json.dumps(self.sections(*mappings, **sections), indent=1))

    # ------------------------------------------------------------------ the directory and the users

    def people(self, logins: Mapping[int, str], context: int = 1, *, entries: bool = True) -> None:
        """Add users to Open-Xchange and, by default, their entries to the directory."""
        users = [(user, login, f"{login}@mycompany.com") for user, login in logins.items()]
        with self.engine.begin() as connection:
            playground.add_users(connection, context, users)
        if entries:
            self.ldap.add("".join(self.person(login) for login in logins.values()))

    def person(self, login: str, dn: str = "") -> str:
        """Write the entry of a person as LDIF."""
        lines = [("objectClass", "inetOrgPerson"), ("uid", login), ("cn", login), ("sn", login)]
        return entry(dn or self.dn(login), *lines)

    def dn(self, login: str) -> str:
        """Give the DN of a person."""
        return f"uid={login},{self.ldap.people}"

    def group(self, name: str, *members: str) -> None:
        """Give a group exactly these members, which are logins or DNs; none leaves the empty DN that a server needs."""
        dn = f"cn={name},{self.ldap.groups}"
        values = [("member", one if "=" in one else self.dn(one)) for one in members] or [("member", "")]
        if name not in self._known:
            self._known.add(name)
            self.ldap.add(entry(dn, ("objectClass", "groupOfNames"), ("cn", name), *values))
            return
        text = [f"{_line('dn', dn)}\nchangetype: modify\nreplace: member", *(_line(*value) for value in values)]
        self.ldap.modify("\n".join(text) + "\n")

    def remove_group(self, name: str) -> None:
        """Delete a group."""
        self._known.remove(name)
        self.ldap.delete(f"cn={name},{self.ldap.groups}")

    # ------------------------------------------------------------------ the command

    def syncd(self, *words: str, config: bool = True) -> Done:
        """Run a command within this process, which is quicker: all of it but the interpreter's start."""
        return invoke(*words, *(("-c", str(self.config)) if config else ()))

    def process(self, *words: str, config: bool = True, environ: Mapping[str, str] | None = None) -> Done:
        """Run the installed command as a process of its own, without a terminal."""
        command = [COMMAND, *words, *(("-c", str(self.config)) if config else ())]
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **(environ or {})}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False, timeout=60
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def plan(self, *words: str) -> Done:
        """`syncd plan`, as JSON, with an exit code that tells."""
        return self.syncd("plan", "--output", "json", "--exit-code", *words)

    def sync(self, *words: str, code: int | None = 0) -> Done:
        """`syncd sync`, as JSON; it must end with the code (None = any)."""
        done = self.syncd("sync", "--output", "json", *words)
        assert code is None or done.code == code, (done.code, done.err, done.out)
        return done

    def approve(self, digest: str) -> Done:
        """`syncd approve`, which must succeed."""
        done = self.syncd("approve", digest)
        assert done.code == 0, done.err
        return done

    # ------------------------------------------------------------------ what is stored

    def accounts(self, context: int = 1) -> Rows:
        """Give all rows of the four account tables, sorted."""
        return {
            table: self.rows(f"SELECT * FROM {table} WHERE cid = {context} ORDER BY user, id")
            for table in ACCOUNT_TABLES
        }

    def dump(self) -> Rows:
        """Give every row of every table of the schema."""
        tables = [str(row["name"]) for row in self.rows(
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
        )]  # fmt: skip
        return {table: sorted(self.rows(f"SELECT * FROM `{table}`"), key=repr) for table in tables}

    def users(self, address: str = SUPPORT, context: int = 1) -> dict[int, int]:
        """Give who has a secondary account with this very address: user → account id."""
        return {
            int(str(row["user"])): int(str(row["id"]))
            for row in self.accounts(context)["user_mail_account"]
            if row["secondary"] and row["primary_addr"] == address
        }

    def rows(self, statement: str) -> list[Row]:
        """Read from Open-Xchange's database."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(statement).mappings()]

    def execute(self, *statements: str) -> None:
        """Change Open-Xchange's database behind the program's back."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def insert(self, user: int, account: int, address: str = SUPPORT, *, secondary: int = 1, context: int = 1) -> None:
        """Add an account with a mail row and no transport, as somebody else would."""
        row = {"cid": context, "id": account, "user": user, "name": "Mine", "url": "imap://other.example.net:143"}
        row |= {"login": "mine", "primary_addr": address, "spam_handler": "NoSpamHandler", "secondary": secondary}
        with self.engine.begin() as connection:
            playground.add_rows(connection, "user_mail_account", [row])
            connection.execute(
                sa.text("UPDATE sequence_mail_service SET id = greatest(id, :account) WHERE cid = :context"),
                {"account": account, "context": context},
            )

    def claims(self, address: str = SUPPORT) -> dict[int, int]:
        """Give what the ledger says is ours: user → account id."""
        return {user: account for user, account, held in self.ledger(
            'SELECT c."user", c.account, c.held FROM claims c JOIN mailboxes m ON m.id = c.mailbox WHERE m.address = ?',
            address,
        ) if held}  # fmt: skip

    def ledger(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read from the ledger, or change it."""
        with contextlib.closing(sqlite3.connect(self.ledger_path)) as connection, connection:
            return connection.execute(statement, values).fetchall()


def invoke(*words: str) -> Done:
    """Run the whole command line within this process."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["syncd", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int | None)
    return Done(code=code or 0, out=out.getvalue(), err=err.getvalue())


def entry(dn: str, *attributes: tuple[str, str]) -> str:
    """Write one entry as LDIF."""
    return "\n".join([_line("dn", dn), *(_line(name, value) for name, value in attributes)]) + "\n\n"


def _line(name: str, value: str) -> str:
    plain = value.isascii() and value == value.strip() and not value.startswith((":", "<"))
    return f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(value.encode()).decode()}"


def changed(before: Rows, after: Rows) -> dict[str, tuple[list[Row], list[Row]]]:
    """Compare two dumps: table → rows that went, rows that came."""
    return {
        table: (_without(before[table], after[table]), _without(after[table], before[table]))
        for table in before
        if before[table] != after[table]
    }


def _without(rows: Iterable[Row], others: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row not in others]
