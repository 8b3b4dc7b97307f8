"""What patterns find, as a table, as JSON and as lines of a configuration."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncd.cli import discovering
from syncd.core.model import Account, Endpoint, Mailbox, Source
from syncd.core.patterns import Pattern
from syncd.core.reads import Search
from syncd.core.template import parse
from syncd.facts import Census
from syncd.settings.document import parse as parse_document
from tests.e2e.world import Done, invoke

SEARCH = Search("", "(a=b)", None, "sub", ("cn", "mail"))
FILE = """\
mappings:
  - mailbox: fixed@example.org
  - discover:
      filter: (a=b)
      mailbox: "{mail}"
      account: {name: "{displayName|cn}"}
    context: {domain: mail}
    users: {login: uid}
    sources: [{users: [boss]}]
    exclude: [{ox_group: 0}]
    limits:
    account:
      login: "{mail}"
      name: overridden
      password: {credential: shared}
      mail: {server: imap.example.org, port: 143}
      transport: {server: smtp.example.org, port: 25, login: "{mail:localpart}"}
"""
WHERE = "syncd.yaml:3"


def found(name: str, context: int = 1, pattern: str = WHERE, /, **account: Any) -> Mailbox:
    """Give a mailbox as a pattern makes it of the group `name`."""
    texts = {"name": name.title(), "login": f"{name}@example.org", **account}
    return Mailbox(
        address=f"{name}@example.org",
        key=f"{name}@example.org",
        context=context,
        account=Account(
            mail=Endpoint("imap://imap.example.org:143", False),
            transport=Endpoint("smtp://smtp.example.org:25", False),
            transport_login=name,
            **texts,
        ),
        sources=(
            Source(kind="group", value=f"cn={name},dc=example"),
            Source(kind="users", value="boss", logins=("boss",)),
        ),
        pattern=pattern,
    )


@dataclass(slots=True, kw_only=True)
class Instance:
    """As much of `wiring.Instance` as the command asks for."""

    found: Census
    path: Path
    patterns: tuple[Pattern, ...]
    asked: list[str] = field(default_factory=list)

    @property
    def reconciler(self) -> Instance:
        return self

    @property
    def settings(self) -> Instance:
        return self

    def census(self) -> Census:
        self.asked.append("census")
        return self.found

    def where(self, *path: object) -> str:
        return f"syncd.yaml:{2 + int(str(path[1]))}"


Discover = Callable[..., Done]


@pytest.fixture
def discover(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Discover:
    """Give the command, run on a census."""
    (tmp_path / "syncd.yaml").write_text(FILE)

    def run(*words: str, **census: Any) -> Done:
        patterns = () if census.pop("nothing", False) else (_pattern(WHERE, SEARCH), _pattern("syncd.yaml:90", None))
        instance = Instance(found=Census(configured=(), **census), path=tmp_path / "syncd.yaml", patterns=patterns)

        @contextlib.contextmanager
        def opened(_config: Path) -> Iterator[Instance]:
            yield instance

        monkeypatch.setattr(discovering, "opened", opened)
        return invoke("discover", "-c", "syncd.yaml", *words)

    return run


def _pattern(where: str, search: Search | None) -> Pattern:
    return Pattern(where=where, mailbox=found("prototype"), search=search, address=parse("{mail}") if search else None)


def test_the_table_has_one_line_for_each_mailbox(discover: Discover) -> None:
    """Address, contexts, account name, sources and mapping stand in columns; several contexts are one line."""
    done = discover(found=(found("support", 2), found("jobs"), found("support", 1)))
    assert done.code == 0
    head, *rows, count = done.out.splitlines()
    assert head.split("  ")[0] == "MAILBOX"
    assert [" | ".join(cell.strip() for cell in row.split("  ") if cell) for row in rows] == [
        f"jobs@example.org | 1 | Jobs | cn=jobs,dc=example; users boss | {WHERE}",
        f"support@example.org | 1, 2 | Support | cn=support,dc=example; users boss | {WHERE}",
    ]
    assert len({row.index(WHERE) for row in rows} | {head.index("FOUND BY")}) == 1
    assert count == "2 mailboxes found"


def test_many_contexts_are_cut_short_in_the_table_only(discover: Discover) -> None:
    """A mailbox in all contexts does not fill the screen; JSON names every context."""
    everywhere = tuple(found("support", context) for context in range(1, 21))
    assert "1, 2, 3, 4, 5, 6, 7, 8, … (20)" in discover(found=everywhere).out
    [told] = discover("--output", "json", found=everywhere).document["mailboxes"]
    assert told["contexts"] == list(range(1, 21))


def test_names_do_not_paint_the_terminal(discover: Discover) -> None:
    """A control character in a group's name shows as an escape."""
    out = discover(found=(found("support", name="\x1b[31mred"),)).out
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out


def test_problems_and_an_incomplete_search_are_told_apart(discover: Discover) -> None:
    """A problem of data is told and ends with 0; a search that was not read to its end ends with 1."""
    done = discover(problems=("syncd.yaml:3: cn=x: no mail",))
    assert (done.code, done.err) == (0, "? syncd.yaml:3: cn=x: no mail\n")
    done = discover(undiscovered=("ldaps://a: size limit",), problems=("p",))
    assert done.code == 1
    assert done.err == "? p\n! not all mailboxes are known: ldaps://a: size limit\n"
    assert done.out == "0 mailboxes found\n"


def test_a_configuration_without_patterns_says_so(discover: Discover) -> None:
    """Where nothing can be discovered the command says how it could."""
    done = discover(nothing=True)
    assert done.code == 0
    assert "no mapping stands for mailboxes by a pattern" in done.err


def test_the_document_is_json_and_nothing_else(discover: Discover) -> None:
    """JSON has the same facts; only what a search found has a group."""
    done = discover("--output", "json", found=(found("support"), found("all", 3, "syncd.yaml:90")), problems=("p",))
    document = json.loads(done.out)
    assert document == {
        "complete": True,
        "mailboxes": [
            {
                "mailbox": "support@example.org",
                "contexts": [1],
                "name": "Support",
                "login": "support@example.org",
                "group": "cn=support,dc=example",
                "sources": ["group cn=support,dc=example", "users boss"],
                "mapping": WHERE,
            },
            {
                "mailbox": "all@example.org",
                "contexts": [3],
                "name": "All",
                "login": "all@example.org",
                "group": None,
                "sources": ["group cn=all,dc=example", "users boss"],
                "mapping": "syncd.yaml:90",
            },
        ],
        "problems": ["p"],
        "undiscovered": [],
    }


def test_the_lines_say_all_that_the_pattern_says(discover: Discover) -> None:
    """As YAML each mailbox that a search found is a mapping to paste: its texts filled in, secrets by reference."""
    mailboxes = (found("support", 2), found("support", 1), found("all", 3, "syncd.yaml:90"))
    done = discover("--output", "yaml", found=mailboxes)
    assert done.code == 0
    document: Any = parse_document(done.out.encode()).data
    assert document == {
        "mappings": [
            {
                "mailbox": "support@example.org",
                "context": {"domain": "mail"},
                "sources": [{"group": "cn=support,dc=example"}, {"users": ["boss"]}],
                "users": {"login": "uid"},
                "exclude": [{"ox_group": 0}],
                "account": {
                    "name": "Support",
                    "login": "support@example.org",
                    "password": {"credential": "shared"},
                    "mail": {"server": "imap.example.org", "port": 143},
                    "transport": {"server": "smtp.example.org", "port": 25, "login": "support"},
                },
            }
        ]
    }


def test_each_line_stands_for_itself(discover: Discover) -> None:
    """What several mailboxes have in common is written out for each, so that any of them can be pasted alone."""
    text = discover("--output", "yaml", found=(found("support"), found("sales"))).out
    assert "&" not in text
    assert text.count("server: imap.example.org") == 2


@pytest.mark.parametrize("text", ["no: {a}", "yes", "007", " x ", "null", "# x", "a\nb", "\x01", "Ä", "'", '"', "- a"])
def test_the_lines_hold_any_text(discover: Discover, text: str) -> None:
    """Whatever an entry gives for a name comes back as it was when the lines are loaded."""
    document: Any = parse_document(discover("--output", "yaml", found=(found("support", name=text),)).out.encode()).data
    assert document["mappings"][0]["account"]["name"] == text
