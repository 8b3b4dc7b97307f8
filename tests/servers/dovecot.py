"""A private Dovecot in a temporary folder, on loopback: IMAP, and SMTP by its submission service, each with both TLS.

It has one address for each way in which a server can be: not on 127.0.0.1, since Dovecot takes a password in the clear
for protected where both ends have the same address. Works as root, who must have the package's users, and as anybody.
"""

from __future__ import annotations

import base64
import getpass
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tests.servers import require
from tests.servers.certificates import Authority

TRUSTED = "127.0.0.2"
"""Its certificate is for this address and for `IDN`; passwords only after TLS."""
MISNAMED = "127.0.0.3"
"""Its certificate is for another name."""
CLEAR = "127.0.0.4"
"""There is no TLS; passwords are taken in the clear."""
UNTRUSTED = "127.0.0.5"
"""Its certificate is from an authority that nobody knows."""
IDN = "xn--mil-qla.example.test"
"""mäil.example.test in ASCII; no name server knows it."""

_LOCAL = """\
local {address} {{
  ssl_cert = <{certificate}
  ssl_key = <{key}
}}
"""
_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
instance_name = {name}
log_path = {folder}/log
auth_verbose = yes
protocols = imap submission
listen = {addresses}
{who}
first_valid_uid = 1
mail_uid = {uid}
mail_gid = {gid}
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
mail_fsync = never
ssl = yes
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0
# all characters may be in a login; by default only some of ASCII
auth_username_chars =
hostname = mail.example.test
# The submission service greets the server that it would pass mail on to: it is its own.
submission_relay_host = {trusted}
submission_relay_port = {smtp}
{locals}
local {clear} {{
  ssl = no
  disable_plaintext_auth = no
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service submission-login {{
  inet_listener submission {{
    port = {smtp}
  }}
  inet_listener submissions {{
    port = {smtps}
    ssl = yes
  }}
}}
# no delay that grows with every failed login
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  inet_listener http {{
    port = 0
  }}
}}
"""


class Dovecot:
    """A running Dovecot.

    Attributes:
        ca: path of the certificate authority.
        imap, imaps, smtp, smtps: its ports at every address; those with `s` begin with TLS.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._dovecot = require.binary("dovecot")
        if not Path("/usr/lib/dovecot/submission-login").exists():
            require.missing("dovecot-submissiond")
        self._marks = itertools.count()
        self._folder = Path(tempfile.mkdtemp(prefix="dv", dir="/tmp"))  # UNIX socket paths are short
        self._folder.chmod(0o755)  # its own users must get in
        authority, other = Authority(self._folder / "tls"), Authority(self._folder / "other")
        self.ca = authority.certificate
        self._pairs = {
            TRUSTED: authority.issue("server", TRUSTED, IDN),
            MISNAMED: authority.issue("misnamed", "elsewhere.example.test"),
            UNTRUSTED: other.issue("untrusted", UNTRUSTED),
        }
        self.imap, self.imaps, self.smtp, self.smtps = _free_ports(4)
        self._write(users)
        self._start()

    @property
    def log(self) -> str:
        """All that it logged so far; logins with `user=<...>`, no passwords."""
        return (self._folder / "log").read_text()

    def failed(self) -> list[str]:
        """Give a line for each connection that ended after failed logins, up to now.

        It logs a moment later: a last failed login is made, and waited for.
        """
        mark = f"mark-{next(self._marks)}"
        for port, login in (
            (self.imap, f"a login {mark} x"),
            (self.smtp, f"auth plain {_base64(f'{chr(0)}{mark}{chr(0)}x')}"),
        ):
            with socket.create_connection((CLEAR, port), 5) as plug, plug.makefile("rwb") as lines:
                lines.readline()
                lines.write(f"{login}\r\n".encode())
                lines.flush()
                lines.readline()
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = [line for line in self.log.splitlines() if "auth failed" in line]
            if sum(f"<{mark}>" in line for line in found) == 2:
                return [line for line in found if "user=<mark-" not in line]
            time.sleep(0.02)  # waiting for a server is not waiting for our own code
        raise AssertionError(f"no failed login was logged: {self.log[-3000:]}")

    def close(self) -> None:
        """Stop it and remove its folder."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Dovecot:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, users: Mapping[str, str]) -> None:
        for name in ("run", "state", "mail"):
            (self._folder / name).mkdir()
        lines = (f"{login}:{{PLAIN.b64}}{_base64(password)}::::::\n" for login, password in users.items())
        (self._folder / "users").write_text("".join(lines))
        (self._folder / "log").touch()
        root = os.getuid() == 0
        owner = pwd.getpwnam("dovecot") if root else pwd.getpwuid(os.getuid())
        if root:
            shutil.chown(self._folder / "mail", owner.pw_uid, owner.pw_gid)
            shutil.chown(self._folder / "users", owner.pw_uid, owner.pw_gid)
        me = getpass.getuser()
        certificate, key = self._pairs[TRUSTED]
        pairs = "".join(
            _LOCAL.format(address=one, certificate=pair[0], key=pair[1]) for one, pair in self._pairs.items()
        )
        (self._folder / "dovecot.conf").write_text(
            _CONFIGURATION.format(
                folder=self._folder,
                name=self._folder.name,
                addresses=", ".join((TRUSTED, MISNAMED, CLEAR, UNTRUSTED)),
                who=""
                if root
                else f"default_internal_user = {me}\ndefault_internal_group = {me}\ndefault_login_user = {me}",
                chroot="" if root else "chroot =",
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                locals=f"ssl_cert = <{certificate}\nssl_key = <{key}\n{pairs}",
                trusted=TRUSTED,
                clear=CLEAR,
                imap=self.imap,
                imaps=self.imaps,
                smtp=self.smtp,
                smtps=self.smtps,
            )
        )

    def _start(self) -> None:
        with (self._folder / "stdout").open("wb") as out:
            self._process = subprocess.Popen(
                [self._dovecot, "-F", "-c", str(self._folder / "dovecot.conf")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            if all(_greets(port) for port in (self.imap, self.smtp)):
                return
            time.sleep(0.02)  # waiting for a server to listen is not waiting for our own code
        told = (self._folder / "stdout").read_text() + self.log
        self.close()
        raise RuntimeError(f"dovecot did not start: {told}")


def _greets(port: int) -> bool:
    """Tell whether it listens and greets: ended sooner than that, it takes 5 seconds to go away."""
    try:
        with socket.create_connection((TRUSTED, port), 5) as plug:
            return bool(plug.recv(100))
    except OSError:
        return False


def _free_ports(number: int) -> list[int]:
    plugs = [socket.create_server((TRUSTED, 0)) for _ in range(number)]
    ports = [int(plug.getsockname()[1]) for plug in plugs]
    for plug in plugs:
        plug.close()
    return ports


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


USERS: Mapping[str, str] = {
    "support@example.test": "right-secret",
    "sales@example.test": "other-secret",
    "ümläut günther@example.test": 'ge"hé\\im: €uro {12}',
}
"""Password by login."""


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """Give one Dovecot with USERS for all tests that only log in."""
    with Dovecot(USERS) as server:
        yield server
