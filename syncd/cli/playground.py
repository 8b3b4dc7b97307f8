"""`demo`: an embedded playground, and the support@ story told on it by the real pipeline.

Everything is real but small: SQLite instead of MariaDB, with the tables of Open-Xchange; an LDIF file instead of a
directory server; the same settings, planning, guard and writing as anywhere.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from syncd.cli.options import out

if TYPE_CHECKING:
    from rich.console import Console

    from syncd.core.changes import Report

MARKER = ".syncd-playground"
PEOPLE: Mapping[int, str] = {3: "alice", 4: "bob", 5: "carol", 6: "dave"}
BASE = "dc=mycompany,dc=com"
CONFIG = """\
# A playground of syncd: an export instead of a directory server, SQLite instead of MariaDB.
directory:
  urls: [ldif://{directory}/directory.ldif]
  base: {base}
openxchange:
  database: {{url: "sqlite:///{directory}/openxchange.db"}}
ledger: {{url: "sqlite:///{directory}/ledger.db"}}
schedule: {{every: 30s}}
http: {{listen: "127.0.0.1:9469"}}
grace: off    # so that each step shows at once; where people work, two reads (the default) or more agree on a removal
mappings:
  - mailbox: support@mycompany.com
    context: 1
    sources: [{{group: "cn=support,ou=groups,{base}"}}]
    account:
      name: Support
      login: support@mycompany.com
      personal: Support
      reply_to: support@mycompany.com
      mail: {{server: imap.mycompany.com, port: 143}}
      transport: {{server: smtp.mycompany.com, port: 25}}
"""


def demo(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the playground is built.")] = Path(
        "playground"
    ),
) -> None:
    """Build a playground and tell the support@ story step by step."""
    Story(directory, out()).tell()


class Story:
    """The story of one shared mailbox, from its first two users to a held plan."""

    def __init__(self, directory: Path, console: Console) -> None:
        self._directory = directory.resolve()
        self._config = self._directory / "syncd.yaml"
        self._in_url = quote(str(self._directory))
        self._in_shell = shlex.quote(str(self._config))
        self._console = console
        self._step = 0

    def tell(self) -> None:
        """Build the playground, tell the story, and leave the playground in step."""
        self._build()
        self._members({3, 4})
        self._run(
            "The group support has two members, alice (user 3) and bob (user 4): both get the mailbox.",
            expected={3, 4},
        )
        self._members({3, 4, 5})
        self._run("carol (user 5) joins the group: at the next run she gets it too.", expected={3, 4, 5})
        self._members({3, 5})
        self._run("bob (user 4) leaves the group, and loses it.", expected={3, 5})
        report = self._run("Nothing has changed since: a run writes nothing.", expected={3, 5})
        self._check(not report.outcomes, "a run without changes wrote something")
        self._members(set())
        report = self._run(
            "Somebody empties the group by mistake. That looks like everybody leaving at once, so the removals "
            "are held, and nobody loses anything until a person has looked.",
            expected={3, 5},
        )
        [judgement] = report.judgements
        self._check(judgement.held_digest is not None, "the plan was not held")
        self._say("If it were no mistake, this would release exactly that plan:")
        self._say(f"  syncd approve {judgement.held_digest} -c {self._in_shell}")
        self._members({3, 5})
        self._run("It was one: the members are put back, and the held plan is void.", expected={3, 5})
        self._say(
            f"The playground stays in {self._directory}, in step. Edit directory.ldif there and try:\n"
            + "\n".join(
                f"  syncd {command} -c {self._in_shell}" for command in ("plan", "sync", "status", "check", "run")
            )
        )

    # ------------------------------------------------------------------ the playground

    def _build(self) -> None:
        from syncd.errors import SyncdError  # noqa: PLC0415 - `--help` must not wait for it

        hint = "name another directory"
        if (self._directory / MARKER).exists():
            shutil.rmtree(self._directory)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            if any(self._directory.iterdir()):
                raise SyncdError(f"{self._directory} is not empty and no playground of syncd", hint=hint)
            (self._directory / MARKER).write_text("made by syncd demo, which may delete this directory\n")
        except OSError as error:
            raise SyncdError(f"{self._directory}: {error.strerror}", hint=hint) from None
        self._config.write_text(CONFIG.format(directory=self._in_url, base=BASE))
        self._open_xchange()
        self._say(
            f"A playground in {self._directory}: openxchange.db has the tables of Open-Xchange with context 1 and the "
            f"users {', '.join(f'{login} ({user})' for user, login in PEOPLE.items())}; directory.ldif is the "
            "directory; syncd.yaml maps the group support to the mailbox support@mycompany.com."
        )

    def _open_xchange(self) -> None:
        import sqlalchemy as sa  # noqa: PLC0415

        from syncd.openxchange import playground  # noqa: PLC0415

        engine = sa.create_engine(f"sqlite:///{self._in_url}/openxchange.db")
        playground.create_schema(engine)
        with engine.begin() as connection:
            playground.add_context(connection, 1)
            playground.add_users(
                connection, 1, [(user, login, f"{login}@mycompany.com") for user, login in PEOPLE.items()]
            )
        engine.dispose()

    def _members(self, users: Collection[int]) -> None:
        """Write the directory with these members of the group, whole or not at all."""
        entries = [
            f"dn: {BASE}\nobjectClass: domain\ndc: mycompany\n",
            f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n",
            f"dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n",
            *(
                f"dn: uid={login},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {login}\n"
                f"cn: {login.title()}\nsn: {login.title()}\nmail: {login}@mycompany.com\n"
                f"entryUUID: 00000000-0000-4000-8000-{user:012d}\n"
                for user, login in PEOPLE.items()
            ),
            f"dn: cn=support,ou=groups,{BASE}\nobjectClass: groupOfMembers\ncn: support\n"
            "entryUUID: 00000000-0000-4000-9000-000000000001\n"
            + "".join(f"member: uid={PEOPLE[user]},ou=people,{BASE}\n" for user in sorted(users)),
        ]
        new = self._directory / "directory.ldif.new"
        new.write_text("version: 1\n\n" + "\n".join(entries))
        new.replace(self._directory / "directory.ldif")

    # ------------------------------------------------------------------ the steps

    def _run(self, text: str, *, expected: Collection[int]) -> Report:
        """Show the plan, make the run, show who has the mailbox now."""
        from syncd.cli.options import loaded  # noqa: PLC0415
        from syncd.cli.text import show  # noqa: PLC0415
        from syncd.wiring import session  # noqa: PLC0415

        self._step += 1
        self._say(f"{self._step}. {text}", style="bold cyan")
        with session(loaded(self._config)) as instance:
            self._say(f"$ syncd plan -c {self._in_shell}", style="dim")
            show(instance.reconciler.plan(), self._console, config=self._in_shell)
            self._say(f"$ syncd sync -c {self._in_shell}", style="dim")
            report = instance.reconciler.run()
            show(report, self._console, config=self._in_shell)
            [mailbox] = instance.mailboxes
            accounts = instance.store.observe([mailbox], {}).accounts.get(mailbox.ref, ())
        stored = {account.user for account in accounts}
        self._say(
            "Now stored: "
            + ", ".join(f"{PEOPLE[a.user]} (account {a.id})" for a in sorted(accounts, key=lambda a: a.user))
        )
        self._check(stored == set(expected), f"users {sorted(stored)} have the mailbox instead of {sorted(expected)}")
        return report

    def _check(self, right: bool, wrong: str) -> None:
        from syncd.errors import SyncdError  # noqa: PLC0415

        if not right:
            raise SyncdError(f"the demo did not go as told: {wrong}", hint="this is a defect of syncd")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(
            f"\n{text}" if style.startswith("bold") else text, style=style or None, markup=False, highlight=False
        )
