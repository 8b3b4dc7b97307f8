"""`syncd check --imap`, as people call it: an export as the directory, SQLite as Open-Xchange, a real Dovecot."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.world import Done, invoke
from tests.servers.dovecot import CLEAR, TRUSTED, USERS, Dovecot

pytestmark = pytest.mark.dovecot

SUPPORT, SALES = "support@example.test", "sales@example.test"
GROUPS = "ou=groups,dc=mycompany,dc=com"


class Playground:
    """A playground whose mailboxes are at a Dovecot.

    Attributes:
        server: the Dovecot.
        secrets: all that was ever a password in it.
        head: its configuration, but for the mappings.
    """

    def __init__(self, directory: Path, server: Dovecot) -> None:
        self.server = server
        self.secrets: set[str] = set()
        self._directory = directory
        self._config = directory / "syncd.yaml"
        self.head = self._config.read_text().partition("mappings:")[0]
        self._secret("ox-key", "key")

    def mapping(self, mailbox: str = SUPPORT, password: str | None = None, **account: Any) -> dict[str, Any]:
        """Give a mapping: IMAPS, SMTP by STARTTLS, the right password unless another is given; "" = none."""
        whole: dict[str, Any] = {
            "name": "Shared",
            "login": mailbox,
            "password": self.password(USERS.get(mailbox, "nobodys-secret") if password is None else password),
            "mail": {"server": TRUSTED, "port": self.server.imaps, "secure": True},
            "transport": {"server": TRUSTED, "port": self.server.smtp, "starttls": True},
        }
        source = {"group": f"cn=support,{GROUPS}"}
        changed = {key: value for key, value in {**whole, **account}.items() if value is not None}
        return {"mailbox": mailbox, "context": 1, "sources": [source], "account": changed}

    def password(self, text: str) -> dict[str, str] | None:
        """Give the reference to a password; None for an empty one."""
        if not text:
            return None
        self.secrets.add(text)
        return self._secret(f"p{len(self.secrets)}", text)

    def groups(self, *mails: str) -> None:
        """Add a group for each of these mailboxes to the export."""
        export = self._directory / "directory.ldif"
        export.write_text(
            export.read_text()
            + "".join(
                f"\ndn: cn=g{number},{GROUPS}\nobjectClass: groupOfNames\ncn: g{number}\ndescription: shared\n"
                f"mail: {mail}\nentryUUID: 00000000-0000-4000-a000-{number:012d}\n"
                "member: uid=alice,ou=people,dc=mycompany,dc=com\n"
                for number, mail in enumerate(mails)
            )
        )

    def check(self, *mappings: dict[str, Any], words: tuple[str, ...] = ("--imap",), ca: bool = True) -> Done:
        """Check these mappings; no password may be told."""
        key = json.dumps({"format": "argon2", "key": {"file": "ox-key"}})
        head = re.sub(r"^(openxchange:\n)", rf"\1  obfuscation: {key}\n", self.head, flags=re.MULTILINE)
        self._config.write_text(f"{head}mappings: {json.dumps(mappings)}\n")
        trusted = ("--imap-ca", str(self.server.ca)) if ca else ()
        done = invoke("check", *words, *trusted, "-c", str(self._config))
        assert not [secret for secret in self.secrets if secret in done.out + done.err]
        return done

    def _secret(self, name: str, text: str) -> dict[str, str]:
        path = self._directory / name
        path.write_text(text + "\n")
        path.chmod(0o600)
        return {"file": name}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a playground once: nothing here writes to Open-Xchange."""
    directory = tmp_path_factory.mktemp("imap") / "playground"
    assert invoke("demo", str(directory)).code == 0
    return directory


@pytest.fixture
def playground(demo: Path, dovecot: Dovecot) -> Iterator[Playground]:
    before = {name: (demo / name).read_text() for name in ("syncd.yaml", "directory.ldif")}
    yield Playground(demo, dovecot)
    for name, text in before.items():
        (demo / name).write_text(text)


def lines(done: Done, *words: str) -> list[str]:
    """Give the lines about logins that have these words."""
    found = [
        line for line in done.out.splitlines() if re.match(r"(ok   |FAIL ) (imaps?://|smtps?://|logins for )", line)
    ]
    return [line for line in found if all(word in line for word in words)]


def test_right_logins_are_told(playground: Playground) -> None:
    """Each server has its line, verified, and all is well."""
    done = playground.check(playground.mapping(SUPPORT), playground.mapping(SALES))
    assert done.code == 0, done.out
    imaps = f"imaps://{TRUSTED}:{playground.server.imaps}"
    smtp = f"smtp://{TRUSTED}:{playground.server.smtp} with STARTTLS"
    assert lines(done) == [
        f"ok    {server} as {login}: login taken, TLSv1.3 verified; for {login}"
        for server in (imaps, smtp)
        for login in (SUPPORT, SALES)
    ]


def test_a_wrong_password_fails_the_check(playground: Playground) -> None:
    """The exit code is 1, the line says for whom, and the other mailbox is none the worse."""
    done = playground.check(playground.mapping(SUPPORT, "not-the-password"), playground.mapping(SALES))
    assert done.code == 1
    [read, send] = lines(done, "FAIL ")
    assert (
        f"wrong login or password: [AUTHENTICATIONFAILED] Authentication failed.; users cannot read {SUPPORT} (" in read
    )
    assert f"users cannot send as {SUPPORT} (" in send
    assert len(lines(done, "ok ", SALES)) == 2
    assert re.search(r"^2 of \d+ checks failed$", done.out, re.MULTILINE)


def test_nothing_is_tried_unless_asked_for(playground: Playground) -> None:
    """Without --imap a wrong password is nobody's business."""
    done = playground.check(playground.mapping(SUPPORT, "not-the-password"), words=(), ca=False)
    assert (done.code, lines(done)) == (0, [])


def test_certificates_are_verified_by_those_of_the_system(playground: Playground) -> None:
    """An authority of one's own has to be named."""
    done = playground.check(playground.mapping(), ca=False)
    assert done.code == 1
    assert len(lines(done, "FAIL ", "the certificate is not trusted", "--imap-ca FILE")) == 2


def test_what_cannot_be_tried_is_told_and_is_no_fault(playground: Playground) -> None:
    """Servers of each user, the machine of Open-Xchange, and passwords that syncd has not, with the reason."""
    done = playground.check(
        playground.mapping("a@example.test", mail={"source": "primary"}, transport=None),
        playground.mapping("b@example.test", mail={"source": "localhost"}, transport=None),
        playground.mapping("c@example.test") | {"fields": {"password": "ignore"}},
        playground.mapping("d@example.test", password=""),
    )
    assert done.code == 0, done.out
    primary, localhost, unknown = lines(done)
    assert primary.startswith("ok    logins for a@example.test: not tried: the servers are those of each user's own")
    assert localhost.startswith("ok    logins for b@example.test: not tried: the server is the machine of Open-Xchange")
    assert unknown.startswith("ok    logins for c@example.test, d@example.test: not tried: no password is configured")
    assert "passwordSource" in unknown


def test_the_transports_own_login_is_tried_too(playground: Playground) -> None:
    """What is configured and refused is a fault, told as one that users do not notice."""
    own = {"login": SALES, "password": playground.password("not-its-password")}
    transport = {"server": CLEAR, "port": playground.server.smtp, **own}
    done = playground.check(playground.mapping(transport=transport))
    assert done.code == 1
    [told] = lines(done, "FAIL ")
    assert f"smtp://{CLEAR}:{playground.server.smtp} as {SALES}: wrong login or password" in told
    assert f"stored for {SUPPORT}" in told


def test_one_login_of_many_mailboxes_is_shown_once(playground: Playground) -> None:
    """Mailboxes that share login and servers share their lines."""
    mailboxes = [f"m{number}@example.test" for number in range(5)]
    login = "shared@example.test"
    done = playground.check(*(playground.mapping(one, "same-for-all-of-them", login=login) for one in mailboxes))
    [read, _] = lines(done, "FAIL ")
    assert "users cannot read m0@example.test, m1@example.test, m2@example.test and 2 more" in read
    assert sum(login in line for line in playground.server.failed()) == 2


def test_mailboxes_that_a_pattern_finds_are_tried(playground: Playground) -> None:
    """Their logins come from the directory, as in a run."""
    playground.groups(SUPPORT, SALES)
    mapping = playground.mapping(SUPPORT, login="{mail}", password=USERS[SALES])
    del mapping["mailbox"], mapping["sources"]
    mapping["discover"] = {"filter": "(description=shared)", "base": GROUPS, "mailbox": "{mail}"}
    done = playground.check(mapping)
    assert done.code == 1
    assert [f"as {SALES}: login taken" in line for line in lines(done, "ok ")] == [True, True]
    assert [f"as {SUPPORT}: wrong login or password" in line for line in lines(done, "FAIL ")] == [True, True]


def test_servers_are_tried_though_open_xchange_is_not_there(playground: Playground) -> None:
    """What does not need the database does not wait for it."""
    playground.head = playground.head.replace("/openxchange.db", "/gone/openxchange.db")
    done = playground.check(playground.mapping())
    assert done.code == 1
    assert "FAIL  OX database: " in done.out
    assert len(lines(done, "ok ", "login taken")) == 2


def test_a_host_name_beyond_ascii_is_asked_for_in_ascii(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mäil.example.test is what the certificate, the name server and Open-Xchange call xn--mil-qla.example.test."""
    real = socket.getaddrinfo

    def look_up(host: str, *more: Any, **named: Any) -> Any:
        return real(TRUSTED if host == "xn--mil-qla.example.test" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    mail = {"server": "mäil.example.test", "port": playground.server.imaps, "secure": True}
    done = playground.check(playground.mapping(mail=mail, transport=None))
    assert done.code == 0, done.out
    [told] = lines(done)
    assert told.startswith(
        f"ok    imaps://xn--mil-qla.example.test:{playground.server.imaps} as {SUPPORT}: login taken"
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--imap", "--offline"), "does not go with --offline"),
        (("--imap-ca", "/etc/ssl/certs/ca.pem"), "goes with --imap"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    playground: Playground, words: tuple[str, ...], why: str
) -> None:
    """Who says both is told so, with exit code 2, before anything is connected."""
    done = playground.check(playground.mapping(), words=words, ca=False)
    assert done.code == 2
    assert why in " ".join(done.err.split())


def test_a_file_of_certificates_that_is_not_there_is_named(playground: Playground) -> None:
    """Nothing is tried without it."""
    done = playground.check(playground.mapping(), words=("--imap", "--imap-ca", "/nonexistent/ca.pem"), ca=False)
    assert done.code == 1
    assert done.err.splitlines()[0] == "syncd: cannot read the CA /nonexistent/ca.pem: No such file or directory"
    assert lines(done) == []


def test_the_options_are_in_the_help() -> None:
    """`check --help` says what they do."""
    told = " ".join(invoke("check", "--help").out.split())
    assert "--imap Log in to the mailboxes' servers too, by IMAP and SMTP" in told
    assert "--imap-ca FILE With --imap: the CAs to trust there" in told
