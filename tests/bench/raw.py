"""What the product is compared with: the servers' own clients in a shell pipeline, and nothing that thinks.

Reads: the group or groups, the people's uid, the account rows of both tables; sorted and compared by `comm`.
Writes: the same rows in statements of many rows, some hundred accounts a transaction as the product does it; before
a delete the old rows are read.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.world import FIRST, World

_BATCH = 500
_TABLES = ("user_mail_account", "user_transport_account", "user_transport_account_properties")
MAIL = "SELECT user, id, primary_addr, url, starttls, login, secondary FROM user_mail_account WHERE cid = 1 AND id <> 0"
TRANSPORT = (
    "SELECT user, id, url, starttls, login, secondary, name FROM user_transport_account WHERE cid = 1 AND id <> 0"
)
_DIRECTORY = """\
set -euo pipefail
export LC_ALL=C LDAPNOINIT=1
cd {folder}
ldapsearch -x -LLL -o ldif-wrap=no -H {url} -b {groups} '(objectClass=groupOfNames)' member | \
awk '/^dn: / {{ dn = $2 }} /^member: / {{ print $2, dn }}' | sort > members
ldapsearch -x -LLL -o ldif-wrap=no -E pr={pages}/noprompt -H {url} -b {people} '(uid=*)' uid | \
awk '/^dn: / {{ dn = $2 }} /^uid: / {{ print dn, $2 }}' | sort > people
"""
_READ = """\
{client} -e {mail} | sort > accounts
{client} -e {transport} | sort > transports
join members people | awk '{{ print substr($3, 2), $2 }}' | sort > desired
cut -f1 accounts | sort > observed
comm -3 <(cut -d' ' -f1 desired | sort) observed | wc -l
"""


def directory(folder: Path, url: str, groups: str, people: str) -> str:
    """Give the shell script that reads groups and people into the files `members` and `people`."""
    return _DIRECTORY.format(folder=folder, url=url, groups=shlex.quote(groups), people=shlex.quote(people), pages=1000)


def read(world: World, schema: str, groups: str) -> str:
    """Give the shell script that reads what the product reads and counts the differences."""
    entries = directory(world.folder, world.slapd.ldap_ip, f"{groups},{world.ldap.suffix}", world.ldap.people)
    return entries + _READ.format(
        client=shlex.join(world.client(schema)),
        mail=shlex.quote(MAIL),
        transport=shlex.quote(TRANSPORT),
    )


def shell(script: str) -> tuple[float, str]:
    """Run a script; give the seconds it took and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout.strip()


class Writes:
    """The statements that make, and take away, exactly the rows that a schema has now of secondary accounts."""

    def __init__(self, world: World, schema: str, twin: str) -> None:
        self._client = shlex.join(world.client(twin))
        self._folder = world.folder
        self._dump(world, schema)

    def create(self) -> float:
        """Insert the accounts."""
        return self._run("create.sql")

    def delete(self) -> float:
        """Read and delete the accounts."""
        return self._run("delete.sql")

    def _run(self, name: str) -> float:
        return shell(f"{self._client} < {self._folder / name} > {self._folder}/rows")[0]

    def _dump(self, world: World, schema: str) -> None:
        with world.mariadb.connect(schema) as connection, connection.cursor() as cursor:
            rows: dict[str, list[tuple[int, str]]] = {}
            names: dict[str, str] = {}
            for table in _TABLES:
                cursor.execute(
                    f"SELECT id, t.* FROM {table} t WHERE cid = 1 AND id <> 0 AND user <> {FIRST} ORDER BY id"
                )
                assert cursor.description is not None
                names[table] = ", ".join(f"`{column[0]}`" for column in cursor.description[1:])
                rows[table] = [(row[0], str(connection.literal(row[1:]))) for row in cursor.fetchall()]
        ids = [account for account, _ in rows[_TABLES[0]]]
        create, delete = self._folder / "create.sql", self._folder / "delete.sql"
        create.write_text("".join(_create(names, rows, ids)))
        delete.write_text("".join(_delete(ids)))


def _create(names: dict[str, str], rows: dict[str, list[tuple[int, str]]], ids: Sequence[int]) -> Iterator[str]:
    for some in _batches(ids):
        yield f"START TRANSACTION;\nUPDATE sequence_mail_service SET id = id + {len(some)} WHERE cid = 1;\n"
        chosen = frozenset(some)
        for table in _TABLES:
            values = ",\n".join(text for account, text in rows[table] if account in chosen)
            yield f"INSERT INTO {table} ({names[table]}) VALUES {values};\n"
        yield "COMMIT;\n"


def _delete(ids: Sequence[int]) -> Iterator[str]:
    for some in _batches(ids):
        which = f"WHERE cid = 1 AND id IN ({', '.join(map(str, some))})"
        yield "START TRANSACTION;\n"
        yield from (f"SELECT * FROM {table} {which};\n" for table in _TABLES)
        yield f"DELETE FROM user_mail_account_properties {which};\n"
        yield from (f"DELETE FROM {table} {which};\n" for table in reversed(_TABLES))
        yield "COMMIT;\n"


def _batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _BATCH):
        yield ids[start : start + _BATCH]


def process(*command: str, folder: Path) -> float:
    """Give the seconds that a whole process takes, the interpreter's start included."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    return time.perf_counter() - start
