"""Names, reply-to and folders enforced: both rows are written as Open-Xchange's own update would, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from syncd.core.accounts import wanted
from syncd.core.model import Policy, Secret
from syncd.openxchange import playground
from syncd.openxchange.provisioning_content import on_update
from syncd.openxchange.sql import SqlStore, StoreOptions
from tests.openxchange.world import OBFUSCATION, World, errors, mailbox
from tests.standins.sqlite import quick

ALL = Policy(name="enforce", personal="enforce", reply_to="enforce", folders="enforce")
FOLDERS = {"sent": "INBOX/Sent", "archive": "default0/Archive"}
BOX = mailbox(personal="Support Team", reply_to="reply@example.org", folders=FOLDERS, policy=ALL)
CHANGED = (
    """UPDATE user_mail_account SET name = 'Mine', personal = 'Me', replyTo = NULL, sent_fullname = 'Other',
    disabled = 1, failed_auth_count = 3 WHERE secondary = 1 AND user = 3""",
    "UPDATE user_transport_account SET name = 'Mine', personal = 'Me', replyTo = NULL WHERE user = 3 AND id > 0",
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a world on SQLite."""
    engine = quick(tmp_path / "ox.db")
    playground.create_schema(engine)
    store = SqlStore(StoreOptions(url=f"sqlite:///{tmp_path}/ox.db", obfuscation=OBFUSCATION))
    with store.exclusive():
        yield World(store, engine).populate()
    store.close()
    engine.dispose()


def row(world: World, table: str, user: int = 3) -> dict[str, Any]:
    """Give the secondary row of a user."""
    with world.engine.connect() as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {table} WHERE user = {user} AND secondary = 1"))
        return dict(found.mappings().one())


def test_what_was_created_is_right(world: World) -> None:
    """A new account is observed with exactly what is enforced, folders with a prefix included."""
    world.create(BOX, [3, 4])
    assert {one.fields for one in world.observed(BOX).values()} == {wanted(BOX.account)}


def test_changed_texts_come_back_in_both_rows(world: World) -> None:
    """Name, personal and reply-to are written in both rows, folders in one; the counters and all else stay."""
    written = world.create(BOX, [3, 4])
    for statement in CHANGED:
        world.execute(statement)
    before = world.tables()
    seen = world.observed(BOX)[3].fields
    assert (seen.name, seen.personal, seen.reply_to, seen.folders) == (
        "Mine",
        "Me",
        "",
        "archive: Archive, sent: Other",
    )
    assert errors(world.update(BOX, wanted(BOX.account), written)) == [None, None]
    mail, transport = row(world, "user_mail_account"), row(world, "user_transport_account")
    texts = {"name": "Support", "personal": "Support Team", "replyTo": "reply@example.org"}
    assert {key: mail[key] for key in texts} == {key: transport[key] for key in texts} == texts
    assert (mail["sent_fullname"], mail["disabled"], mail["failed_auth_count"]) == ("INBOX/Sent", 1, 3)
    after = world.tables()
    names = {*texts, "sent_fullname", "archive_fullname"}
    for table, rows in before.items():
        for old, new in zip(rows, after[table], strict=True):
            assert {key for key in old if old[key] != new[key]} <= (names if old["user"] == 3 else set())
    assert world.observed(BOX)[3].fields == wanted(BOX.account)._replace(failing="switched off")


def test_blank_texts_clear_the_columns(world: World) -> None:
    """Enforced without a value, personal and reply-to become NULL."""
    box = replace(BOX, account=replace(BOX.account, personal=None, reply_to="  ", folders={}))
    written = world.create(BOX, [3])
    world.update(box, wanted(box.account), written)
    assert [row(world, "user_mail_account")[key] for key in ("personal", "replyTo")] == [None, None]
    assert [row(world, "user_transport_account")[key] for key in ("personal", "replyTo")] == [None, None]


def test_a_missing_transport_row_gets_the_enforced_texts(world: World) -> None:
    """A transport row that is written again has the configured name, not the user's."""
    written = world.create(BOX, [3])
    world.execute("DELETE FROM user_transport_account WHERE id > 0")
    world.execute(CHANGED[0])
    world.update(BOX, wanted(BOX.account), written)
    assert row(world, "user_transport_account")["name"] == "Support"


def test_without_policy_texts_are_the_users(world: World) -> None:
    """By default changed texts are no difference, beside a mailbox in the same read that enforces them."""
    plain = mailbox("plain@example.org")
    world.create(plain, [3])
    world.create(BOX, [4])
    world.execute(CHANGED[0])
    found = world.store.observe([plain, BOX], {}).accounts
    assert [one.fields for one in found[plain.ref]] == [wanted(plain.account)._replace(failing="switched off")]
    assert [one.fields for one in found[BOX.ref]] == [wanted(BOX.account)]


def test_a_password_that_is_not_enforced_is_not_judged(world: World) -> None:
    """It is written at creation; afterwards another one is as good."""
    box = mailbox(password=Secret("one"), policy=Policy(password="create"))
    world.create(box, [3])
    assert row(world, "user_mail_account")["password"].count("$") == 5
    world.execute("UPDATE user_mail_account SET password = 'x' WHERE id > 0")
    assert world.observed(box)[3].password is None


def test_soap_sends_what_differs_of_them() -> None:
    """By SOAP the same texts go in one update, empty ones to clear them."""
    right = wanted(BOX.account)
    stored = right._replace(name="Mine", reply_to="x", folders="archive: Archive, sent: Other")
    assert on_update(stored, right, BOX.account, password=False) == (
        None,
        (
            {
                "name": "Support",
                "replyTo": "reply@example.org",
                "archiveFullname": "default0/Archive",
                "sentFullname": "INBOX/Sent",
            },
        ),
    )
