"""Account passwords: stored as Open-Xchange stores them, kept as configured, and never shown anywhere."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest

from syncd.core.model import Secret
from syncd.openxchange.obfuscation import Obfuscation, obfuscator
from tests.e2e.world import COMMAND, World

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

KEY = "auw948cz,spdfgibcsp9e8ri+<#qawcghgifzign7c6gnrns9oysoeivn"
"""The key that Open-Xchange shipped with until 8.2 (ox-facts 3)."""
PASSWORD, NEXT, SENDING = "Very-Secret-42", "Next-Secret-43", "Sending-Secret-44"
Format = Literal["argon2", "legacy"]


def with_password(world: World, format: Format = "argon2", password: str | None = PASSWORD, **more: Any) -> None:  # noqa: A002
    """Configure support@ with a stored password."""
    obfuscation = {"format": format, "key": world.secret("key", KEY)}
    account = {"password": world.secret("account", password) if password else None, **more}
    world.configure(world.mapping(account=account), openxchange={"obfuscation": obfuscation})


def stored(world: World, table: str = "user_mail_account") -> dict[int, str]:
    """Give the stored texts by user."""
    rows = world.rows(f"SELECT user, password FROM {table} WHERE secondary = 1 AND password IS NOT NULL")
    return {int(str(row["user"])): str(row["password"]) for row in rows}


def plain(world: World, format: Format = "argon2", table: str = "user_mail_account") -> dict[int, str | None]:  # noqa: A002
    """Give the stored passwords by user."""
    cipher = obfuscator(Obfuscation(format=format, key=Secret(KEY)))
    return {user: cipher.decrypt(text) for user, text in stored(world, table).items()}


@pytest.mark.parametrize("format", ["argon2", "legacy"])
def test_passwords_are_stored_as_ox_stores_them(world: World, format: Format) -> None:  # noqa: A002
    """Each cipher gives texts that Open-Xchange reads back, for mail and transport; a second run writes nothing."""
    transport = {"server": "smtp.mycompany.com", "port": 25, "login": "out", "password": world.secret("out", SENDING)}
    with_password(world, format, transport=transport)
    world.group("support", "alice", "bob")
    world.sync()
    assert plain(world, format) == {3: PASSWORD, 4: PASSWORD}
    assert plain(world, format, "user_transport_account") == {3: SENDING, 4: SENDING}
    assert len(set(stored(world).values())) == (2 if format == "argon2" else 1)  # a fresh IV for every text
    before = world.dump()
    for _ in range(2):
        assert world.sync().summary == {"unchanged": 2}
    assert world.dump() == before


def test_the_legacy_text_is_the_vendors(world: World) -> None:
    """The legacy cipher always gives the same text, so the recorded one of the vendor must come out."""
    with_password(world, "legacy", "secret")
    world.group("support", "alice")
    world.sync()
    assert stored(world) == {3: "8mfkRQ5Cj4SfrN8+2O0OnA=="}


def test_a_changed_password_is_written_within_the_limits(world: World) -> None:
    """A new configured password reaches everybody, counted as updates: five at once are held until approved."""
    with_password(world)
    world.group("support", "alice", "bob", "carol", "dave", "erin")
    world.sync()
    with_password(world, password=NEXT)
    done = world.sync(code=4)
    [objection] = done.document["objections"]
    assert (objection["limit"], objection["value"], objection["allowed"]) == ("updates", 5, 3)
    assert {json.dumps(one["fields"]) for one in done.document["changes"]} == {'{"password": ["***", "***"]}'}
    assert set(plain(world).values()) == {PASSWORD}
    world.execute("UPDATE user_mail_account SET disabled = 1, failed_auth_count = 5 WHERE secondary = 1")
    world.approve(objection["digest"])
    assert world.sync().summary == {"update": 5}
    assert set(plain(world).values()) == {NEXT}
    assert world.rows("SELECT DISTINCT disabled, failed_auth_count FROM user_mail_account WHERE secondary = 1") == [
        {"disabled": 0, "failed_auth_count": 0}
    ]
    assert world.sync().summary == {"unchanged": 5}


def test_a_password_changed_by_hand_is_repaired(world: World) -> None:
    """A stored text that is another password, of the other format, or broken, is replaced; the others stay."""
    with_password(world)
    world.group("support", "alice", "bob", "carol", "dave")
    world.sync()
    kept = stored(world)[6]
    other = obfuscator(Obfuscation(format="argon2", key=Secret(KEY))).encrypt("another")
    for user, text in {3: other, 4: "8mfkRQ5Cj4SfrN8+2O0OnA==", 5: "a$b$c$d$e$f"}.items():
        world.execute(f"UPDATE user_mail_account SET password = '{text}' WHERE user = {user} AND secondary = 1")
    assert world.sync().summary == {"update": 3, "unchanged": 1}
    assert set(plain(world).values()) == {PASSWORD}
    assert stored(world)[6] == kept


def test_no_configured_password_means_not_managed(world: World) -> None:
    """When the password leaves the configuration, the stored one stays; one set by others is never cleared."""
    with_password(world)
    world.group("support", "alice")
    world.sync()
    before = world.dump()
    world.configure(world.mapping())
    assert world.sync().summary == {"unchanged": 1}
    assert world.dump() == before


def test_an_adopted_account_gets_the_password(world: World) -> None:
    """An existing account without a stored password gets the configured one when it is adopted."""
    world.insert(3, 7)
    with_password(world)
    world.group("support", "alice")
    assert world.sync().summary == {"adopted": 1, "update": 1}
    assert plain(world) == {3: PASSWORD}


def test_a_password_without_the_key_is_explained(world: World) -> None:
    """Without `openxchange.obfuscation` a configured password is an error that explains `passwordSource`."""
    world.configure(world.mapping(account={"password": world.secret("account", PASSWORD)}))
    done = world.syncd("sync")
    assert (done.code, done.out) == (1, "")
    assert "passwordSource" in done.err
    assert world.users() == {}


def test_no_password_is_shown_anywhere(world: World) -> None:
    """No output, log line, ledger page, argument or child process carries a password, a key or a stored text."""
    transport = {"server": "smtp.mycompany.com", "port": 25, "password": world.secret("out", SENDING)}
    with_password(world, transport=transport)
    world.group("support", "alice", "bob")
    seen = [world.process("--debug", "plan"), world.process("--debug", "sync")]
    texts = {*stored(world).values(), *stored(world, "user_transport_account").values()}
    seen += [watched(world, "--debug", "sync", "--output", "json")]
    with_password(world, password=NEXT, transport=transport)
    seen += [
        world.syncd("--debug", "plan", "--output", "json"),
        world.syncd("--debug", "sync"),
        world.syncd("--debug", "check"),
        world.syncd("status", "--output", "json"),
    ]
    world.group("support")
    seen += [world.syncd("--debug", "sync"), world.syncd("held", "--output", "json")]
    texts |= {*stored(world).values(), *stored(world, "user_transport_account").values()}
    assert len(texts) >= 6
    told = "".join(done.out + done.err for done in seen).encode()
    ledger = b"".join(path.read_bytes() for path in world.folder.glob("ledger.db*"))
    for secret in (PASSWORD, NEXT, SENDING, KEY, "syncd-secret", *texts):
        assert secret.encode() not in told
        assert secret.encode() not in ledger
    assert world.ledger("SELECT count(*) FROM journal WHERE op <> 'conclude'") == [(4,)]


def watched(world: World, *words: str) -> Any:
    """Run the command and look at its own and its children's command lines and environments all the while."""
    found: set[bytes] = set()
    argv = [COMMAND, *words, "-c", str(world.config)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        own = Path(f"/proc/{process.pid}")
        while process.poll() is None:
            found |= {read(own / name) for name in ("cmdline", "environ")}
            children = read(own / "task" / str(process.pid) / "children").split()
            found |= {read(Path(f"/proc/{child.decode()}/cmdline")) for child in children}
        out, err = process.communicate()
    shown = b"".join(found)
    assert COMMAND.encode() in shown
    assert not [secret for secret in (PASSWORD, SENDING, KEY, "syncd-secret") if secret.encode() in shown]
    return type("Seen", (), {"out": out.decode(), "err": err.decode()})


def read(path: Path) -> bytes:
    """Read a file of a process that may have ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
