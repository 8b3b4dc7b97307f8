"""A world in one folder: Open-Xchange tables (SQLite, or a MariaDB schema), an LDIF file, a ledger, a configuration.

It can be remembered and put back within milliseconds, for tests that begin the same run hundreds of times.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from syncd.openxchange import playground

BASE = "dc=mycompany,dc=com"
TABLES = (
    "user_mail_account",
    "user_transport_account",
    "user_mail_account_properties",
    "user_transport_account_properties",
    "sequence_mail_service",
)
Row = dict[str, Any]
Tables = dict[str, list[Row]]
Place = tuple[int, int, str, bool]
"""Context, user, address, and whether the account is a secondary one."""


class Preloaded:
    """The process of `preloaded.py`."""

    def __enter__(self) -> Preloaded:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(Path(__file__).with_name("preloaded.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, config: Path, **order: int) -> dict[str, Any]:
        """Make a run in a child; give what it told."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"config": str(config), **order}) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert "crashed" not in told, told
        return told


class Station:
    """The world; `url` is of the Open-Xchange database, None = a SQLite file in the folder."""

    def __init__(self, folder: Path, engine: sa.Engine | None = None, url: str = "") -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self.config = folder / "syncd.yaml"
        self._url = url or f"sqlite:///{self.files}/ox.db"
        self.engine = engine or sa.create_engine(self._url, poolclass=sa.NullPool)
        self.sqlite = engine is None
        if self.sqlite:
            playground.create_schema(self.engine)
        self._remembered: Tables = {}

    # ------------------------------------------------------------------ making it

    def secret(self, name: str, text: str) -> dict[str, str]:
        """Write a secret file; give the reference to it."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return {"file": str(path)}

    def configure(self, *mappings: Mapping[str, object], **sections: object) -> None:
        """Write the configuration, without grace unless a section says otherwise."""
        database: dict[str, object] = {"url": self._url}
        if not self.sqlite:
            database |= {"password": self.secret("database", "test"), "tls": False}
        openxchange = {
            "database": database,
            "obfuscation": {"format": "legacy", "key": self.secret("key", "cluster key")},
        }
        whole = {
            "directory": {"urls": [f"ldif://{self.files}/directory.ldif"], "base": BASE},
            "openxchange": openxchange,
            "ledger": {"url": f"sqlite:///{self.files}/ledger.db"},
            "grace": "off",
            "mappings": mappings,
            **sections,
        }
        self.config.write_text(json.dumps(whole))

    def directory(self, people: Mapping[int, str], groups: Mapping[str, Iterable[int]]) -> None:
        """Write the directory: people are user id → DN (the login is `uID`), groups are name → user ids."""
        entries = [
            f"dn: {BASE}\nobjectClass: domain\ndc: mycompany\n",
            *(
                f"dn: {dn}\nobjectClass: inetOrgPerson\nuid: u{user}\nentryUUID: person-{user}\n"
                for user, dn in people.items()
            ),
            *(
                f"dn: cn={name},{BASE}\nobjectClass: groupOfNames\ncn: {name}\nentryUUID: group-{name}\n"
                + "".join(f"member: {people[user]}\n" for user in members)
                for name, members in groups.items()
            ),
        ]
        (self.files / "directory.ldif").write_text("version: 1\n\n" + "\n".join(entries))

    def execute(self, *statements: str) -> None:
        """Change Open-Xchange's database behind the program's back."""
        with self.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def stranger(self, context: int, user: int, address: str, *, secondary: int = 1) -> int:
        """Make an account as somebody else would, with the next free id; give the id."""
        self.execute(f"UPDATE sequence_mail_service SET id = id + 1 WHERE cid = {context}")
        account = int(self.rows(f"SELECT id FROM sequence_mail_service WHERE cid = {context}")[0]["id"])
        row = {"cid": context, "user": user, "id": account, "name": "Mine", "login": "mine", "secondary": secondary}
        mail = {"url": "imap://elsewhere.example:143", "primary_addr": address, "spam_handler": "NoSpamHandler"}
        with self.engine.begin() as connection:
            playground.add_rows(connection, "user_mail_account", [{**row, **mail}])
            transport = {"url": "smtp://elsewhere.example:25", "send_addr": address}
            playground.add_rows(connection, "user_transport_account", [{**row, **transport}])
        return account

    # ------------------------------------------------------------------ putting it back

    def remember(self) -> None:
        """Remember everything as it is now; the ledger must be closed."""
        kept = self.folder / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self.files, kept)
        self._remembered = {} if self.sqlite else self.tables()

    def restore(self) -> None:
        """Put back what was remembered."""
        shutil.rmtree(self.files)
        shutil.copytree(self.folder / "kept", self.files)
        for table, rows in self._remembered.items():
            self.execute(f"DELETE FROM {table}")
            with self.engine.begin() as connection:
                if rows:
                    target = sa.table(table, *(sa.column(name) for name in rows[0]))
                    connection.execute(sa.insert(target), rows)

    # ------------------------------------------------------------------ looking at it

    def rows(self, statement: str) -> list[Row]:
        """Read from Open-Xchange's database."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.exec_driver_sql(statement).mappings()]

    def tables(self) -> Tables:
        """Give all rows of the account tables."""
        return {table: self.rows(f"SELECT * FROM {table}") for table in TABLES}

    def accounts(self) -> dict[Place, list[Row]]:
        """Give all stored accounts, each with its rows; more than one mail row is an account twice."""
        tables = self.tables()
        found: dict[Place, list[Row]] = {}
        names: dict[tuple[int, int, int], Place] = {}
        for row in tables["user_mail_account"]:
            place = (row["cid"], row["user"], row["primary_addr"], bool(row["secondary"]))
            found.setdefault(place, []).append(row)
            names[row["cid"], row["user"], row["id"]] = place
        for table in TABLES[1:4]:
            for row in tables[table]:
                found[names[row["cid"], row["user"], row["id"]]].append(row)  # a KeyError is half an account
        return found

    def claims(self) -> dict[tuple[int, str], dict[int, tuple[int, bool]]]:
        """Give what the ledger says is ours: (context, address) → user → account id and whether it is held."""
        found: dict[tuple[int, str], dict[int, tuple[int, bool]]] = {}
        for context, address, user, account, held in self._ledger(
            'SELECT m.context, m.address, c."user", c.account, c.held FROM claims c '
            "JOIN mailboxes m ON m.id = c.mailbox"
        ):
            found.setdefault((context, address), {})[user] = (account, bool(held))
        return found

    def journal(self) -> Counter[tuple[Any, ...]]:
        """Count the journal's entries of what was done, or may have been: mailbox, user, operation, result."""
        return Counter(
            self._ledger(
                'SELECT m.address, j."user", j.op, j.result FROM journal j JOIN mailboxes m ON m.id = j.mailbox '
                "WHERE j.result IN ('applied', 'pending', 'failed')"
            )
        )

    def _ledger(self, statement: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.files / "ledger.db")) as connection:
            return connection.execute(statement).fetchall()
