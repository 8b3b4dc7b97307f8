"""`explain` on a playground: how it reads, what it refuses, and that its document is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from syncd.cli.explained import VERBS
from syncd.core.changes import Op
from syncd.core.explain import Fate
from syncd.core.standing import Standing
from tests.e2e.world import SUPPORT, Done, invoke

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "explain.md").read_text()
BASE = "dc=mycompany,dc=com"
PATTERN = f"""\
  - discover:
      filter: (description=shared-mailbox)
      base: ou=groups,{BASE}
      mailbox: "{{mail}}"
      account: {{name: "Team {{cn}}"}}
    context: 1
    account:
      login: "{{mail}}"
      mail: {{server: imap.mycompany.com, port: 143}}
"""


class Playground:
    """A playground in step: alice and carol have support@.

    Attributes:
        config: its configuration.
    """

    def __init__(self, directory: Path) -> None:
        assert invoke("demo", str(directory)).code == 0
        self.config = directory / "syncd.yaml"
        self._export = directory / "directory.ldif"

    def edit(self, old: str, new: str) -> None:
        """Replace a text in the export, where it stands."""
        text = self._export.read_text()
        assert old in text
        self._export.write_text(text.replace(old, new))

    def add(self, dn: str, **attributes: str) -> None:
        """Add an entry to the export."""
        lines = "".join(f"{name}: {value}\n" for name, value in attributes.items())
        self._export.write_text(f"{self._export.read_text()}\ndn: {dn}\n{lines}")

    def configure(self, old: str, new: str) -> None:
        """Replace a text in the configuration."""
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def explain(self, *words: str, code: int = 0) -> Done:
        """Run the command."""
        done = invoke("explain", *words, "-c", str(self.config))
        assert done.code == code, done.err
        return done


@pytest.fixture
def playground(tmp_path: Path) -> Playground:
    return Playground(tmp_path / "playground")


def test_the_chain_is_one_line_for_each_link(playground: Playground) -> None:
    """The first line is the answer; then the names of the links stand in one column, and the proof comes last."""
    head, *links, proof = playground.explain("carol", SUPPORT).out.splitlines()
    group = f"group cn=support,ou=groups,{BASE}"
    assert head == f"carol (5), {SUPPORT} (context 1): has it, as configured: a member of {group}"
    names = [line[2:16].strip() for line in links]
    assert names == [
        "mailbox", "asked for", "source", "entry", "identity", "user", "why", "account", "claim", "next run",
    ]  # fmt: skip
    assert proof.startswith(f"read {group} on ldif://")
    assert proof.endswith(": 2 user")


def test_a_disabled_entry(playground: Playground) -> None:
    """Who is out of service in the directory is told so, with what follows from it."""
    playground.edit("uid: carol\n", "uid: carol\nnsAccountLock: true\n")
    head, *links = playground.explain("carol", SUPPORT).out.splitlines()
    assert "has it, and will lose it at the next run: group cn=support" in head
    assert head.endswith(f"has uid=carol,ou=people,{BASE}, which is disabled or expired in the directory")
    assert f": has, disabled or expired, uid=carol,ou=people,{BASE}" in "\n".join(links)


def test_the_primary_group(playground: Playground) -> None:
    """That a group does not list a person, whose primary group it is, stands in the chain."""
    playground.configure("  base:", "  kind: ad\n  base:")
    playground.configure("    account:\n", "    users: {login: uid}\n    account:\n")
    playground.edit(
        "cn: support\n", "cn: support\nobjectClass: group\nobjectSid:: AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAvAIAAA==\n"
    )
    playground.edit("uid: bob\n", "uid: bob\nprimaryGroupID: 700\nobjectClass: user\n")
    done = playground.explain("bob", SUPPORT)
    assert done.out.splitlines()[0].endswith("(context 1): does not have it, and will get it at the next run: "
        f"a member of group cn=support,ou=groups,{BASE}, the primary group")  # fmt: skip
    assert "  through       the primary group of the entry, which does not list it\n" in done.out


def test_rules_that_were_tried_in_vain(playground: Playground) -> None:
    """A rule without a value in the entry, one that names nobody and the one that matches stand in their order."""
    rules = "users: {rules: [{login: employeeNumber}, {mail: cn}, {mail: mail}]}"
    playground.configure("    account:\n", f"    {rules}\n    account:\n")
    links = [line[16:] for line in playground.explain("carol", SUPPORT).out.splitlines() if line[2:10] == "identity"]
    assert links == [
        "login: {employeeNumber}: the entry has no value for it, or it may not be read",
        "mail: {cn}: 'Carol' is nobody",
        "mail: {mail}: 'carol@mycompany.com' is user 5",
    ]


def test_a_mailbox_by_a_pattern(playground: Playground) -> None:
    """The line of the pattern and the entry that its search found are told."""
    playground.config.write_text(playground.config.read_text() + PATTERN)
    playground.add(
        f"cn=sales,ou=groups,{BASE}",
        objectClass="groupOfMembers",
        cn="sales",
        description="shared-mailbox",
        mail="sales@mycompany.com",
        member=f"uid=bob,ou=people,{BASE}",
    )
    line = playground.config.read_text().splitlines().index("  - discover:") + 1
    out = playground.explain("bob", "sales@mycompany.com").out
    where = f"{playground.config}:{line}"
    assert f"by the mapping at {where}, a pattern: its search found cn=sales,ou=groups,{BASE}\n" in out
    assert f"source        group cn=sales,ou=groups,{BASE} ({where}): has uid=bob," in out
    assert playground.explain("bob", "none@mycompany.com", code=1).err.startswith(
        "syncd: none@mycompany.com is neither"
    )


def test_what_differs_is_told_field_by_field(playground: Playground) -> None:
    """An account that is not as configured shows both values, and never a password."""
    playground.configure("server: imap.mycompany.com", "server: new.mycompany.com")
    out = playground.explain("alice", SUPPORT).out
    assert "differs: mail_url 'imap://imap.mycompany.com:143' → 'imap://new.mycompany.com:143'\n" in out


def test_nobody_is_explained_too(playground: Playground) -> None:
    """Who is unknown is told to be, with what was looked for; a mailbox in the place of a user gets a hint."""
    done = playground.explain("nobody")
    assert done.out.splitlines() == ["no user 'nobody' in context 1", "1 more mailbox: in none of their sources"]
    assert done.err == "nobody has nothing to do with any mailbox that is known\n"
    done = playground.explain(SUPPORT)
    assert f"syncd explain --mailbox {SUPPORT} -c {playground.config}" in done.err
    assert playground.explain("nobody", "--output", "json").document["taken"] == ["no user 'nobody' in context 1"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name a user, a mailbox by --mailbox, or both"),
        (("alice", SUPPORT, "--mailbox", SUPPORT), "the mailbox is named already"),
    ],
)
def test_wrong_usage(playground: Playground, words: tuple[str, ...], told: str) -> None:
    """Too little and too much is refused as usage."""
    assert told in playground.explain(*words, code=2).err


def test_the_mailbox_can_be_an_option_beside_a_user(playground: Playground) -> None:
    """Both ways to name it give the same chain."""
    assert playground.explain("alice", "--mailbox", SUPPORT) == playground.explain("alice", SUPPORT)


def test_names_do_not_paint_the_terminal(playground: Playground) -> None:
    """A control character in what is asked for shows as an escape."""
    out = playground.explain("\x1b[31mred", SUPPORT).out
    assert "\x1b" not in out
    assert "\\x1b[31mred" in out


# --------------------------------------------------------------------------- the document


def test_every_command_of_the_document_runs(playground: Playground) -> None:
    """Each command that the document shows ends well."""
    shown = re.findall(r"^(?:\$ )?(syncd .*?)(?:  #.*)?$", DOCUMENT, re.MULTILINE)
    assert len(shown) == 4
    for command in shown:
        words = [str(playground.config) if word.endswith("syncd.yaml") else word for word in shlex.split(command)]
        done = invoke(*words[1:])
        assert (done.code, done.err) == (0, ""), command


def test_the_document_has_every_word(playground: Playground) -> None:
    """All standings, results, operations and links are explained, and no others."""
    assert _words("standing") == set(Standing)
    assert _words("result") == set(Fate)
    [found] = playground.explain("carol", SUPPORT, "--output", "json").document["explanations"]
    assert _words("link") == {step["step"] for step in found["steps"]} | {"excluding", "through", "pin"}
    assert VERBS.keys() == {*Op, "adopt", "forget"}
    assert f"({', '.join(list(VERBS)[:-1])}, or forget: the claim ends)" in DOCUMENT


def _words(column: str) -> set[str]:
    """Give what stands in code marks in the first column of the table whose first head is this."""
    [rows] = re.findall(rf"^\| {column} \|.*\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    return {word for row in rows.splitlines() for word in re.findall(r"`([^`]+)`", row.split("|")[1])}
