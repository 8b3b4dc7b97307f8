"""Load the state before a recorded case into a database, and compare what is there afterwards (recorded/README.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.sql import quoted_name

from syncd.openxchange.obfuscation import Obfuscation, Obfuscator, obfuscator
from tests.standins.model import KEY

Row = dict[str, Any]
State = dict[str, dict[tuple[Any, ...], Row]]
"""Table → identity of a row → the row."""
RECORDED = Path(__file__).parent / "recorded"
_IDENTITY = {
    "user_mail_account": ("cid", "user", "id"),
    "user_transport_account": ("cid", "user", "id"),
    "user_mail_account_properties": ("cid", "user", "id", "name"),
    "user_transport_account_properties": ("cid", "user", "id", "name"),
    "user": ("cid", "id"),
    "login2user": ("cid", "uid"),
    "groups": ("cid", "id"),
    "groups_member": ("cid", "id", "member"),
    "user_alias": ("cid", "user", "alias"),
    "updateTask": ("cid", "taskName"),
}
_CIPHERS: Mapping[str, Obfuscator] = {
    "N": obfuscator(Obfuscation(format="argon2", key=KEY)),
    "L": obfuscator(Obfuscation(format="legacy", key=KEY)),
}


def lines(name: str) -> list[dict[str, Any]]:
    """Read a file of recorded cases."""
    return [json.loads(line) for line in (RECORDED / name).read_text("utf-8").splitlines()]


@cache
def _base() -> dict[str, Any]:
    base: dict[str, Any] = json.loads((RECORDED / "base.json").read_text("utf-8"))
    return base


@cache
def _states() -> dict[str, dict[str, Any]]:
    return {state["name"]: state for state in lines("states.jsonl")}


def cipher(case: Mapping[str, Any]) -> Obfuscator:
    """Give the cipher that a case was recorded with; one object for all cases, so keys are derived once."""
    return _CIPHERS[case.get("format", "N")]


def identity(table: str, row: Row) -> tuple[Any, ...]:
    """Give what makes a row of a table the same row."""
    return tuple(row[name] for name in _IDENTITY.get(table, ("cid",) if "user" not in row else ("cid", "user")))


def base_state() -> State:
    """Give the rows that all cases begin with."""
    state: State = {}
    for table, rows in _base()["tables"].items():
        state[table] = {identity(table, row): row for row in (_full(table, one) for one in rows)}
    return state | {"sequence_mail_service": _sequence(_base()["sequence"])}


def state_before(case: Mapping[str, Any]) -> State:
    """Give the rows before a case; passwords still as recorded."""
    state = base_state()
    if "before" in case:
        change = _states()[case["before"]]
        _apply(state, change)
    return state


def state_after(case: Mapping[str, Any], before: State) -> State:
    """Give the rows that a case shall leave."""
    state = {table: dict(rows) for table, rows in before.items()}
    _apply(state, case.get("after", {}))
    return state


def _apply(state: State, change: Mapping[str, Any]) -> None:
    for table, rows in change.get("changed", {}).items():
        for row in rows:
            key = identity(table, _full(table, row))
            there = state[table].get(key)
            state[table][key] = _full(table, row) if there is None else there | row
    for table, keys in change.get("deleted", {}).items():
        for key in keys:
            del state[table][tuple(key)]
    if "sequence" in change:
        state["sequence_mail_service"] = _sequence(change["sequence"])


def _full(table: str, row: Row) -> Row:
    common: Row = _base()["common"].get(table, {})
    return common | row


def _sequence(counters: Mapping[str, int]) -> dict[tuple[Any, ...], Row]:
    return {(int(cid),): {"cid": int(cid), "id": value} for cid, value in counters.items()}


def load(connection: Connection, state: State, seal: Obfuscator) -> None:
    """Write the rows of a state, into tables that are emptied first."""
    for table, rows in state.items():
        connection.execute(sa.delete(_table(table)))
        for columns, some in _alike(_stored(row, seal) for row in rows.values()):
            connection.execute(sa.insert(_table(table, columns)), some)


def _alike(rows: Iterator[Row]) -> Iterator[tuple[Sequence[str], list[Row]]]:
    """Group rows by the columns that they have."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row), []).append(row)
    yield from groups.items()


def _stored(row: Row, seal: Obfuscator) -> Row:
    return {name: _value(value, seal) for name, value in row.items()}


def _value(value: Any, seal: Obfuscator) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"]) if "hex" in value else seal.encrypt(value["argon2"])
    return int(time.time() * 1000) if value == "@NOW_MS@" else value


def _table(name: str, columns: Sequence[str] = ()) -> sa.TableClause:
    return sa.table(quoted_name(name, quote=True), *(sa.column(column) for column in columns))


def read(engine: Engine, tables: Sequence[str] | None = None) -> State:
    """Read all rows of some tables, None = of all."""
    quote = engine.dialect.identifier_preparer.quote_identifier
    state: State = {}
    with engine.connect() as connection:
        for table in sa.inspect(connection).get_table_names() if tables is None else tables:
            result = connection.exec_driver_sql(f"SELECT * FROM {quote(table)}")
            columns = tuple(result.keys())
            rows = (dict(zip(columns, row, strict=True)) for row in result.all())
            state[table] = {identity(table, row): row for row in rows}
    return state


def compare(case: Mapping[str, Any], before: State, after: State, wanted: State) -> None:
    """Compare the tables with what was recorded.

    Args:
        case: tells the cipher, and which ciphertexts must be new ones.
        before: the account rows as read before the call.
        after: all rows as read after it.
        wanted: the rows as recorded; of the columns that they do not name there is nothing to compare.
    """
    rewritten = {tuple(one) for one in case.get("after", {}).get("rewritten", ())}
    same_text: list[str] = []
    for table, rows in after.items():
        expected = wanted.get(table, {})
        assert rows.keys() == expected.keys(), table
        for key, row in rows.items():
            old = before.get(table, {}).get(key)
            for column, value in expected[key].items():
                if isinstance(value, dict) and "argon2" in value:
                    assert cipher(case).decrypt(row[column]) == value["argon2"]
                    fresh = old is None or (table, *key) in rewritten
                    assert fresh == (old is None or row[column] != old[column])
                    same_text += [row[column]] if value.get("same_ciphertext") else []
                elif not isinstance(value, dict) and value != "@NOW_MS@":
                    assert (table, key, column, row[column]) == (table, key, column, value)
    assert len(set(same_text)) == min(1, len(same_text))
