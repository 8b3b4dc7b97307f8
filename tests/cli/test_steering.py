"""Names that steer terminals: whatever somebody wrote into a directory, what people read says what is there."""

from __future__ import annotations

import base64
import json
import unicodedata

import pytest

from tests.cli.holding import PEOPLE, SUPPORT, Holding
from tests.e2e.station import BASE

NAME = "[bold]x[/] \x1b[31mred \x9b1mbold \u202eesrever\u2066 \u2028line \x7f \U0001f600 é :100:"
GROUP = f"cn=inner {NAME},{BASE}"
STEERING = {
    "\u061c",
    "\u200e",
    "\u200f",
    "\u2028",
    "\u2029",
    *map(chr, range(0x202A, 0x202F)),
    *"\u2066\u2067\u2068\u2069",
}


class Painted(Holding):
    """support@ has one nested group, and all of its members, whose names no terminal should obey."""

    def members(self, support: object, sales: object = ()) -> None:
        """Let the nested group have these members."""
        people = {user: f"cn=u{user} {NAME},{BASE}" for user in PEOPLE}
        entries = [[("dn", BASE), ("objectClass", "domain"), ("dc", "mycompany")]]
        entries += [
            [("dn", dn), ("objectClass", "inetOrgPerson"), ("uid", f"u{user}"), ("entryUUID", f"person-{user}")]
            for user, dn in people.items()
        ]
        group = [("objectClass", "groupOfNames"), ("entryUUID", "outer"), ("member", GROUP)]
        entries.append([("dn", f"cn=support,{BASE}"), *group])
        inner = [("member", people[user]) for user in support]  # type: ignore[attr-defined]
        entries.append([("dn", GROUP), ("objectClass", "groupOfNames"), ("entryUUID", "inner"), *inner])
        lines = ["\n".join(f"{name}:: {_octets(value)}" for name, value in entry) for entry in entries]
        (self.station.files / "directory.ldif").write_text("version: 1\n\n" + "\n\n".join(lines) + "\n")


def _octets(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def steering(text: str) -> set[str]:
    """Give the characters of a text that a terminal would obey, ends of lines apart."""
    return {one for one in text if one != "\n" and (unicodedata.category(one) == "Cc" or one in STEERING)}


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    """Give the world, with a plan that is held."""
    world = Painted(tmp_path_factory.mktemp("painted"))
    world.filled()
    world.held(3)
    return world


@pytest.mark.parametrize(
    "words",
    [
        ["plan"],
        ["sync"],
        ["status"],
        ["held"],
        ["show", "DIGEST"],
        ["history"],
        ["explain", "u3", SUPPORT],
        ["explain", f"cn=u4 {NAME},{BASE}", SUPPORT],
        ["explain", "--mailbox", SUPPORT],
        ["rehearse"],
        ["show", NAME],
        ["undo", NAME],
        ["pause", NAME],
        ["history", "--run", NAME],
    ],
    ids=lambda words: " ".join(words[:2]).replace(NAME, "NAME")[:20],
)
def test_no_name_steers_a_terminal(painted: Painted, words: list[str]) -> None:
    """Control characters and those that turn a line come as escapes, also in messages; marks are no markup."""
    digest = painted.digest()
    done = painted.syncd(*(digest if word == "DIGEST" else word for word in words))
    assert steering(done.out) | steering(done.err) == set()
    if NAME in words or any(GROUP in line or "inner" in line for line in done.out.splitlines()):
        assert "[bold]x[/] \\x1b[31mred \\x9b1mbold \\u202eesrever\\u2066 \\u2028line \\x7f" in done.out + done.err


@pytest.mark.parametrize(
    "words",
    [["plan"], ["held"], ["show", "DIGEST"], ["history"], ["explain", "u3", SUPPORT]],
    ids=lambda words: words[0],
)
def test_json_steers_none_either(painted: Painted, words: list[str]) -> None:
    """The documents have the names as they are, written with JSON's own escapes where a terminal would obey."""
    digest = painted.digest()
    done = painted.syncd(*(digest if word == "DIGEST" else word for word in words), "--output", "json")
    assert steering(done.out) == set()
    if words[0] in {"history", "explain"}:
        assert any(GROUP in text for text in _texts(done.document))


def test_the_export_of_the_history_steers_none(painted: Painted) -> None:
    """Each line is JSON that gives the names as they are."""
    done = painted.syncd("history", "--output", "jsonl")
    assert steering(done.out) == set()
    assert any(GROUP in json.loads(line)["path"] for line in done.out.splitlines())


def _texts(value: object) -> set[str]:
    if isinstance(value, dict):
        return {text for one in value.values() for text in _texts(one)}
    if isinstance(value, list):
        return {text for one in value for text in _texts(one)}
    return {value} if isinstance(value, str) else set()
